"""The bytes that a Digital Signature covers, and the two sequences that carry it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicompack.crypto import signatures
from dicompack.dicom import dicom_file, mac, tags
from dicompack.dicom.confidentiality import canonical
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, string_element
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import BadSignatureError, InputError
from tests.packages import bundled

AT = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)
NAME = Element(0x00100010, "PN", b"A^B ")
UNKNOWN = Element(0x00110010, "UN", b"ab")


def signature_of(data_set):
    return mac.new_signature(data_set, EXPLICIT_LITTLE.uid, "1.2.3", AT, b"certificate")


def covered(data_set):
    signature = signature_of(data_set)
    return b"".join(map(bytes, mac.stream(data_set, signature)))


OWN_ITEM = covered(DataSet())


def test_plain_element_is_covered_as_it_stands_in_the_file():
    assert covered(DataSet([NAME])) == b"\x10\0\x10\0PN\4\0A^B " + OWN_ITEM


def test_lengths_of_sequences_and_items_are_left_out_and_delimiters_are_not():
    sequence = Sequence(0x00081140, (DataSet([NAME]), DataSet()))
    expected = (
        b"\x08\0\x40\x11SQ\0\0"
        + b"\xfe\xff\0\xe0"
        + b"\x10\0\x10\0PN\4\0A^B "
        + b"\xfe\xff\0\xe0\xfe\xff\xdd\xe0"
    )
    assert covered(DataSet([sequence])) == expected + OWN_ITEM
    assert covered(DataSet([Sequence(0x00081140, ())])) == b"\x08\0\x40\x11SQ\0\0\xfe\xff\xdd\xe0" + OWN_ITEM


def test_fragments_are_covered_with_the_offset_table_under_ob():
    pixels = Encapsulated(0x7FE00010, "OW", (b"", b"abc"))
    expected = b"\xe0\x7f\x10\0OB\0\0" + b"\xfe\xff\0\xe0" * 2 + b"abc\0" + b"\xfe\xff\xdd\xe0"
    assert covered(DataSet([pixels])) == expected + OWN_ITEM


@pytest.mark.parametrize(
    "node",
    [
        UNKNOWN,
        Sequence(0x00081140, (DataSet([Sequence(0x00081140, (DataSet([UNKNOWN]),))]),)),
        Element(0x00100000, "UL", bytes(4)),
        Element(0x00080001, "UL", bytes(4)),
        Element(0x00041200, "UL", bytes(4)),
        Element(0xFFFCFFFC, "OB", bytes(4)),
        Element(0x30060050, "DS", b"1.5\\" * 20_000),
    ],
)
def test_what_the_standard_keeps_out(node):
    data_set = DataSet([NAME, node])
    assert mac.signable_tags(data_set) == (NAME.tag,)
    assert mac.unsignable_tags(data_set) == (node.tag,)
    assert covered(data_set) == covered(DataSet([NAME]))


def test_more_elements_than_a_signature_can_name_sig_2():
    data_set = DataSet(Element(0x00200000 + number, "CS", b"") for number in range(1, 16_500))
    with pytest.raises(InputError) as caught:
        signature_of(data_set)
    assert caught.value.rule == "SIG-2"


def signed(data_set=None, key=None):
    data_set = data_set or DataSet([NAME])
    return mac.signed_data_set(data_set, signature_of(data_set), b"value!")


class TestReading:
    def test_what_was_written(self):
        signature = mac.read_signature(signed())
        assert (signature.uid, signature.at, signature.algorithm) == ("1.2.3", AT, "SHA256")
        assert (signature.certificate, signature.value) == (b"certificate\0", b"value!")
        assert mac.without_signature(signed()) == DataSet([NAME])

    def refused(self, data_set, rule):
        with pytest.raises(BadSignatureError) as caught:
            mac.read_signature(data_set)
        assert caught.value.rule == rule

    def test_none_and_more_than_one_sig_1(self):
        self.refused(DataSet([NAME]), "SIG-1")
        for tag in (tags.MAC_PARAMETERS_SEQUENCE, tags.DIGITAL_SIGNATURES_SEQUENCE):
            self.refused(signed().without(tag), "SIG-1")
            self.refused(signed().replacing(Sequence(tag, signed().items(tag) * 2)), "SIG-1")

    @pytest.mark.parametrize(
        ("where", "node"),
        [
            (tags.MAC_PARAMETERS_SEQUENCE, string_element(tags.MAC_ALGORITHM, "CS", "SHA1")),
            (tags.MAC_PARAMETERS_SEQUENCE, Element(tags.MAC_ID_NUMBER, "US", b"\2\0")),
            (tags.MAC_PARAMETERS_SEQUENCE, Element(tags.DATA_ELEMENTS_SIGNED, "AT", b"\x10\0\x10\0\x10\0")),
            (tags.DIGITAL_SIGNATURES_SEQUENCE, string_element(tags.CERTIFICATE_TYPE, "CS", "PGP")),
            (tags.DIGITAL_SIGNATURES_SEQUENCE, Element(tags.SIGNATURE, "OB", b"")),
            (tags.DIGITAL_SIGNATURES_SEQUENCE, Element(tags.CERTIFICATE_OF_SIGNER, "OB", b"")),
        ],
    )
    def test_forms_that_no_packer_writes_sig_1(self, where, node):
        item = signed().items(where)[0].replacing(node)
        self.refused(signed().replacing(Sequence(where, (item,))), "SIG-1")

    def test_element_added_afterwards_sig_3(self):
        self.refused(signed().replacing(Element(0x00104000, "LT", b"added ")), "SIG-3")

    def test_element_taken_away_sig_3(self):
        self.refused(signed().without(NAME.tag), "SIG-3")

    def test_date_that_is_none_sig_4(self):
        (item,) = signed().items(tags.DIGITAL_SIGNATURES_SEQUENCE)
        bad = item.replacing(string_element(tags.DIGITAL_SIGNATURE_DATETIME, "DT", "yesterday"))
        data_set = signed().replacing(Sequence(tags.DIGITAL_SIGNATURES_SEQUENCE, (bad,)))
        with pytest.raises(BadSignatureError) as caught:
            _ = mac.read_signature(data_set).at
        assert caught.value.rule == "SIG-4"


@pytest.mark.interop
@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "test-SR.dcm", "rtplan.dcm",
     "waveform_ecg.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_rle_2frame.dcm", "examples_palette.dcm"],
)  # fmt: skip
def test_dcmsign_s_signatures_verify_with_our_stream(program, tmp_path, stranger, name):
    """The other direction: what dcmsign signs, bytes and all, our reading of the standard reproduces."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, certificate = tmp_path / "k.pem", tmp_path / "c.pem"
    private = stranger.signing.private_key
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(stranger.signing.certificate.public_bytes(Encoding.PEM))
    source = dicom_file.parse(bundled(name).read_bytes())
    plain = canonical(DataSet(node for node in source.data_set if not node.tag >> 16 & 1))
    syntax = source.transfer_syntax if source.transfer_syntax.encapsulated else EXPLICIT_LITTLE
    (tmp_path / "in").write_bytes(b"".join(dicom_file.marshal(plain, syntax)))
    subprocess.run(
        [program("dcmsign"), "+s", key, certificate, "+m2", tmp_path / "in", tmp_path / "out"],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs = dicom_file.parse(Path(tmp_path / "out").read_bytes()).data_set
    signature = mac.read_signature(theirs)
    der = signature.certificate[: signatures.der_length(signature.certificate)]
    signatures.verify(der, signature.value, mac.stream(mac.without_signature(theirs), signature))
    with pytest.raises(BadSignatureError):
        changed = mac.without_signature(theirs).replacing(Element(0x00080016, "UI", b"1.2\0"))
        signatures.verify(der, signature.value, mac.stream(changed, signature))
