"""What a DICOM Digital Signature covers, against the text of `spec/3-signature.md`."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicompack.dicom import dicom_file, encoding, mac, tags
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, number_element, string_element
from dicompack.dicom.transfer_syntaxes import JPEG_2000_LOSSLESS
from dicompack.errors import BadSignatureError, InputError

SPEC = Path(__file__).parents[3] / "spec"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REFERENCED = 0x00081140
EXAMPLE = DataSet(
    [
        string_element(tags.SOP_CLASS_UID, "UI", "1.2.840.10008.5.1.4.1.1.7"),
        string_element(tags.SOP_INSTANCE_UID, "UI", "2.25.7"),
        Sequence(REFERENCED, (DataSet([string_element(0x00081155, "UI", "2.25.8")]),)),
        Encapsulated(tags.PIXEL_DATA, "OB", (b"", b"\xff\x4f\xff")),
    ]
)


def signature_of(data_set: DataSet = EXAMPLE, certificate: bytes = b"certificate") -> mac.Signature:
    return mac.new_signature(data_set, JPEG_2000_LOSSLESS.uid, "2.25.9", AT, certificate)


def stream_of(data_set: DataSet, signature: mac.Signature | None = None) -> bytes:
    return b"".join(map(bytes, mac.stream(data_set, signature or signature_of(data_set))))


def signed(data_set: DataSet = EXAMPLE) -> DataSet:
    return mac.signed_data_set(data_set, signature_of(data_set), b"signature")


def from_text(chapter: str) -> bytes:
    """The bytes of a worked example: hex pairs and quoted text, explained from column 60 or so on."""
    block = (SPEC / chapter).read_text("utf-8").split("## Worked example")[1].split("```")[1]
    made = b""
    for line in block.strip("\n").splitlines():
        for text, digits in re.findall(
            r'"([^"]*)"|\b([0-9a-f]{2})\b(?! bytes)', re.split(r"  +(?=\S)", line.strip())[0]
        ):
            made += text.encode() if text else bytes.fromhex(digits)
    return made


def test_the_worked_example_of_the_specification():
    made = stream_of(EXAMPLE)
    assert made == from_text("3-signature.md")
    assert len(made) == 182
    assert hashlib.sha256(made).hexdigest() in (SPEC / "3-signature.md").read_text("utf-8")


def test_the_worked_example_of_the_file():
    made = b"".join(map(bytes, dicom_file.marshal(EXAMPLE, JPEG_2000_LOSSLESS)))
    assert len(made) == 430
    assert made == bytes(128) + b"DICM" + from_text("10-dicom-files.md")


def test_what_is_signed_reads_back():
    signature = mac.read_signature(signed())
    assert signature.signed_tags == tuple(node.tag for node in EXAMPLE)
    assert (signature.uid, signature.at, signature.value) == ("2.25.9", AT, b"signature\0")
    assert mac.without_signature(signed()) == EXAMPLE
    assert stream_of(mac.without_signature(signed()), signature) == stream_of(EXAMPLE)


@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_encapsulated_pixels_are_ob_in_the_stream(vr):
    data_set = EXAMPLE.replacing(Encapsulated(tags.PIXEL_DATA, vr, (b"", b"\xff\x4f\xff")))
    assert stream_of(data_set) == stream_of(EXAMPLE)


NOT_SIGNABLE = [
    number_element(0x00080000, "UL", 0),
    Element(0x00080001, "UL", bytes(4)),
    Element(0x00040010, "CS", b"AB"),
    Element(0x00189999, "UN", b"??"),
    Sequence(0x00081111, (DataSet([Sequence(REFERENCED, (DataSet([Element(0x00189999, "UN", b"")]),))]),)),
    Element(0x30060050, "DS", b"1.5\\" * 20_000),
    Element(tags.DATA_SET_TRAILING_PADDING, "OB", b"\0\0"),
]


@pytest.mark.parametrize("node", NOT_SIGNABLE, ids=lambda node: f"{node.tag:08X}")
def test_what_cannot_be_signed_is_left_out_and_listed(node):
    data_set = EXAMPLE.replacing(node)
    assert stream_of(data_set) == stream_of(EXAMPLE)
    assert mac.unsignable_tags(data_set) == (node.tag,)
    assert mac.read_signature(signed(data_set)).signed_tags == mac.signable_tags(EXAMPLE)


def test_inside_an_item_it_is_left_out_too():
    (item,) = EXAMPLE.items(REFERENCED)
    inner = Sequence(REFERENCED, (item.replacing(Element(0x00080001, "UL", bytes(4))),))
    assert stream_of(EXAMPLE.replacing(inner)) == stream_of(EXAMPLE)


@pytest.mark.parametrize("tag", [0x00110010, 0x00100020, 0x00080005], ids="{:08X}".format)
def test_an_element_that_is_not_covered_sig_3(tag):
    """By the standard it may be added to a signed data set; here it is a failure."""
    refused(signed().replacing(Element(tag, "LO", b"AB")), "SIG-3")


def test_an_element_that_was_signed_and_is_gone_sig_3():
    refused(signed().without(REFERENCED), "SIG-3")


def test_a_list_out_of_order_sig_3():
    (parameters,) = signed().items(tags.MAC_PARAMETERS_SEQUENCE)
    listed = parameters.raw(tags.DATA_ELEMENTS_SIGNED) or b""
    changed = listed[4:8] + listed[:4] + listed[8:]
    refused(with_parameters(Element(tags.DATA_ELEMENTS_SIGNED, "AT", changed)), "SIG-3")


def test_more_elements_than_a_signature_can_name_sig_2():
    many = [
        Element(0x00110000 + (number << 17) + 0x1000 + extra, "LO", b"")
        for number in range(4)
        for extra in range(4096)
    ]
    assert len(many) > mac.MAX_SIGNED
    with pytest.raises(InputError) as caught:
        signature_of(DataSet(many))
    assert caught.value.rule == "SIG-2"
    data_set = DataSet(many[: mac.MAX_SIGNED])
    made = mac.signed_data_set(data_set, signature_of(data_set), b"x")
    assert encoding.parse(
        b"".join(map(bytes, encoding.marshal(made, JPEG_2000_LOSSLESS))), JPEG_2000_LOSSLESS
    )


def with_parameters(node: Element) -> DataSet:
    (item,) = signed().items(tags.MAC_PARAMETERS_SEQUENCE)
    return signed().replacing(Sequence(tags.MAC_PARAMETERS_SEQUENCE, (item.replacing(node),)))


def with_item(node: Element) -> DataSet:
    (item,) = signed().items(tags.DIGITAL_SIGNATURES_SEQUENCE)
    return signed().replacing(Sequence(tags.DIGITAL_SIGNATURES_SEQUENCE, (item.replacing(node),)))


def repeated(tag: int, times: int) -> DataSet:
    return signed().replacing(Sequence(tag, signed().items(tag) * times))


def refused(data_set: DataSet, rule: str) -> None:
    with pytest.raises(BadSignatureError) as caught:
        mac.read_signature(data_set)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "data_set",
    [
        EXAMPLE,
        signed().without(tags.MAC_PARAMETERS_SEQUENCE),
        signed().without(tags.DIGITAL_SIGNATURES_SEQUENCE),
        repeated(tags.DIGITAL_SIGNATURES_SEQUENCE, 2),
        repeated(tags.DIGITAL_SIGNATURES_SEQUENCE, 0),
        repeated(tags.MAC_PARAMETERS_SEQUENCE, 2),
        with_parameters(number_element(tags.MAC_ID_NUMBER, "US", 2)),
        with_item(number_element(tags.MAC_ID_NUMBER, "US", 2)),
        with_parameters(string_element(tags.MAC_ALGORITHM, "CS", "SHA1")),
        with_parameters(string_element(tags.MAC_ALGORITHM, "CS", "SHA512")),
        with_item(string_element(tags.CERTIFICATE_TYPE, "CS", "X509")),
        with_item(Element(tags.CERTIFICATE_OF_SIGNER, "OB", b"")),
        with_item(Element(tags.SIGNATURE, "OB", b"")),
        with_parameters(Element(tags.DATA_ELEMENTS_SIGNED, "AT", b"\x08\0\x16\0\x08\0")),
    ],
    ids=str,
)
def test_another_form_of_signature_sig_1(data_set):
    refused(data_set, "SIG-1")


@pytest.mark.parametrize(
    "text", ["", "20260102", "20260102030405", "20260102030405.000000+0100", "20261302030405.0+0000"]
)
def test_a_time_in_another_form_sig_4(text):
    signature = mac.read_signature(with_item(string_element(tags.DIGITAL_SIGNATURE_DATETIME, "DT", text)))
    with pytest.raises(BadSignatureError) as caught:
        _ = signature.at
    assert caught.value.rule == "SIG-4"
