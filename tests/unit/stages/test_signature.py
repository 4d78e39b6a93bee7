"""Stage 3: what was signed verifies; with another file, certificate, time or MANIFEST it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.container.manifest import Compression, FileFacts, ManifestMember
from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import DataSet, Element, string_element
from dicompack.dicom.encoding import joined
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import BadSignatureError
from dicompack.stages import signature
from dicompack.stages.artifacts import Compressed, Signed

SOP_CLASS, SOP_INSTANCE = "1.2.840.10008.5.1.4.1.1.7", "2.25.7"
FACTS = FileFacts("00" * 32, 1, EXPLICIT_LITTLE.uid)
ITEM = Compressed(
    DataSet(
        [
            string_element(0x00080016, "UI", SOP_CLASS),
            string_element(0x00080018, "UI", SOP_INSTANCE),
            string_element(0x00100010, "PN", "DP-A"),
        ]
    ),
    EXPLICIT_LITTLE,
    FACTS,
    None,
    Compression("keep", "there are no Pixel Data", None),
)


def member_of(made: Signed) -> ManifestMember:
    return ManifestMember(
        sop_class_uid=SOP_CLASS,
        sop_instance_uid=SOP_INSTANCE,
        study_instance_uid="",
        series_instance_uid="",
        modality="",
        signed=FACTS,
        delivered=FACTS,
        pixels=None,
        compression=ITEM.compression,
        signature_uid=made.signature_uid,
    )


def der(party) -> bytes:
    return party.signing.certificate.public_bytes(Encoding.DER)


@pytest.fixture
def made(sender) -> Signed:
    return signature.pack(ITEM, sender.signing, datetime.now(UTC))


def refused(made: Signed, member: ManifestMember, signer: bytes, rule: str) -> None:
    with pytest.raises(BadSignatureError) as caught:
        signature.unpack(joined(made.pieces), member, signer)
    assert caught.value.rule == rule


def test_what_was_signed_verifies_and_is_what_it_was(made, sender):
    assert signature.unpack(joined(made.pieces), member_of(made), der(sender)) == ITEM


def test_another_certificate_sig_5(made, stranger):
    refused(made, member_of(made), der(stranger), "SIG-5")


def test_another_signature_sig_6(made, sender):
    refused(made, replace(member_of(made), signature_uid="2.25.1"), der(sender), "SIG-6")


@pytest.mark.parametrize(
    "change",
    [
        {"sop_class_uid": "1.2.3"},
        {"sop_instance_uid": "1.2.3"},
        {"signed": replace(FACTS, transfer_syntax_uid="1.2.840.10008.1.2.4.90")},
    ],
    ids=str,
)
def test_another_instance_sig_7(made, sender, change):
    refused(made, replace(member_of(made), **change), der(sender), "SIG-7")


@pytest.mark.parametrize("offset", [timedelta(days=-1), timedelta(days=6 * 365)], ids=str)
def test_signed_outside_the_certificate_s_validity_sig_4(sender, offset):
    made = signature.pack(ITEM, sender.signing, datetime.now(UTC) + offset)
    refused(made, member_of(made), der(sender), "SIG-4")


def test_a_changed_value_key_7(made, sender):
    changed = replace(made, pieces=(joined(made.pieces).replace(b"DP-A", b"DP-B"),))
    refused(changed, member_of(made), der(sender), "KEY-7")


def test_an_element_that_was_added_sig_3(made, sender):
    file = dicom_file.parse(joined(made.pieces))
    added = file.data_set.replacing(Element(0x00104000, "LT", b"forged"))
    changed = replace(made, pieces=tuple(dicom_file.marshal(added, EXPLICIT_LITTLE)))
    refused(changed, member_of(made), der(sender), "SIG-3")


def test_an_unsigned_file_sig_1(made, sender):
    bare = tuple(dicom_file.marshal(ITEM.data_set, EXPLICIT_LITTLE))
    refused(replace(made, pieces=bare), member_of(made), der(sender), "SIG-1")
