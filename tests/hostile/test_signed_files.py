"""Signed files with bits flipped: strict walk and Digital Signature notice, without the MANIFEST."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack import Originator
from dicompack.container import manifest
from dicompack.crypto import signed
from dicompack.errors import DicomPackError
from dicompack.stages import signature
from tests.hostile.forgery import Forgery
from tests.packages import packed

FLIPS = 400
NAMES = ("CT_small.dcm", "MR_small_RLE.dcm", "test-SR.dcm", "rtplan.dcm")


@pytest.fixture(scope="module")
def members(tmp_path_factory, sender, receiver):
    """Signed files, and what the MANIFEST says of each."""
    package, _ = packed(tmp_path_factory.mktemp("p"), Originator(sender.signing, (receiver.contact,)), NAMES)
    forgery = Forgery(package)
    content = manifest.parse(signed.verify(forgery.open("MANIFEST", receiver.decryption)).content)
    return [
        (forgery.open(f"DICOM/{number:08d}", receiver.decryption), member)
        for number, member in enumerate(content.members, start=1)
    ]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_every_flipped_bit_in_a_signed_file_is_noticed(members, sender, number):
    file, member = members[number]
    signer = sender.signing.certificate.public_bytes(Encoding.DER)
    signature.unpack(file, member, signer)
    chosen = random.Random(number)
    # Half anywhere; the others where the signature does not cover its own bytes: certificate and signature
    # in the last part, and all of the MAC parameters.
    places = [chosen.randrange(len(file) * 8) for _ in range(FLIPS // 2)]
    places += [chosen.randrange((len(file) - 2048) * 8, len(file) * 8) for _ in range(FLIPS // 2)]
    parameters = file.index(b"\xfe\x4f\x01\0SQ")
    listed = file.index(b"\0\4\x20\0AT", parameters) + 8
    places += range(parameters * 8, listed * 8)
    for place in places:
        wrong = bytearray(file)
        wrong[place // 8] ^= 1 << place % 8
        with pytest.raises(DicomPackError):
            signature.unpack(bytes(wrong), member, signer)


def test_a_signed_file_of_another_member_sig_7(members, sender):
    signer = sender.signing.certificate.public_bytes(Encoding.DER)
    with pytest.raises(DicomPackError) as caught:
        signature.unpack(members[0][0], replace(members[1][1], signed=members[0][1].signed), signer)
    assert caught.value.rule == "SIG-7"
