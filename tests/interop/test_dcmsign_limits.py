"""What dcmsign calls valid and is not: a Digital Signature says nothing about what it does not cover.

Each file here ends with 0 in dcmsign, and is refused by the check of an instance in a package, even where
somebody has put its SHA-256 into the MANIFEST.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509

from dicompack import Originator, Recipient, SigningKey, unpack
from dicompack.container import manifest
from dicompack.container.manifest import ManifestMember
from dicompack.crypto import signed
from dicompack.dicom import dicom_file, mac
from dicompack.dicom.dataset import Element
from dicompack.errors import DicomPackError
from dicompack.stages import signature
from tests.conftest import now, trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Signed:
    """A signed file, and what the MANIFEST says of it."""

    file: bytes
    member: ManifestMember
    certificate: bytes

    def with_elements(self, *elements: Element) -> bytes:
        parsed = dicom_file.parse(self.file)
        data_set = parsed.data_set
        for element in elements:
            data_set = data_set.replacing(element)
        return b"".join(dicom_file.marshal(data_set, parsed.transfer_syntax))


SHAPE = {"start": now() - timedelta(days=1), "end": now() + timedelta(days=9)}


def issued(name: str, usage: tuple[str, ...]) -> x509.Certificate:
    """By the authority, for the signer's one key."""
    authority = pki.certificate("Authority", pki.CERTIFIES, ca=True, **SHAPE)
    return pki.certificate(
        name, usage, of=pki.key("Clinic", 3072), issuer=(authority, pki.key("Authority")), **SHAPE
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory, receiver) -> Signed:
    certificate = issued("Clinic", pki.SIGNS)
    originator = Originator(SigningKey(certificate, pki.key("Clinic", 3072)), (receiver.contact,))
    package, _ = packed(tmp_path_factory.mktemp("p"), originator, ("CT_small.dcm",))
    forgery = Forgery(package)
    content = manifest.parse(signed.verify(forgery.open("MANIFEST", receiver.decryption)).content)
    file = forgery.open("DICOM/00000001", receiver.decryption)
    return Signed(file, content.members[0], pki.raw(certificate))


def comments_added(given: Signed) -> bytes:
    return given.with_elements(Element(0x00104000, "LT", b"by an attacker "))


def private_block_added(given: Signed) -> bytes:
    return given.with_elements(Element(0x00090010, "LO", b"ATTACKER"), Element(0x00091001, "LO", b"text"))


def unknown_added(given: Signed) -> bytes:
    return given.with_elements(Element(0x00104000, "UN", b"by an attacker "))


def class_in_meta_changed(given: Signed) -> bytes:
    """MR in place of CT, in group 0002 only."""
    class_uid = b"1.2.840.10008.5.1.4.1.1.2\0"
    place = given.file.index(class_uid)
    assert place < given.file.index(b"\x02\0\x10\0UI")
    return given.file[:place] + b"1.2.840.10008.5.1.4.1.1.4\0" + given.file[place + len(class_uid) :]


def preamble_changed(given: Signed) -> bytes:
    return b"MZ" + bytes(126) + given.file[128:]


def padding_added(given: Signed) -> bytes:
    return given.file + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0evil"


def name_twice(given: Signed) -> bytes:
    """dcmdump shows the first, pydicom the second."""
    start = given.file.index(b"\x10\0\x10\0PN")
    end = start + 8 + int.from_bytes(given.file[start + 6 : start + 8], "little")
    return given.file[:end] + b"\x10\0\x10\0PN\x08\0Attacker" + given.file[end:]


def certificate_exchanged(given: Signed) -> bytes:
    """Another name, the same key and authority: the certificate is not covered."""
    return _with_certificate(given, pki.raw(issued("Somebody else", pki.SIGNS)))


def certificate_for_decryption(given: Signed) -> bytes:
    """The same key in a certificate that allows keyEncipherment and nothing else."""
    return _with_certificate(given, pki.raw(issued("Clinic", pki.DECRYPTS)))


def _with_certificate(given: Signed, certificate: bytes) -> bytes:
    parsed = dicom_file.parse(given.file)
    found = mac.read_signature(parsed.data_set)
    old = bytes(found.certificate)
    padded = certificate + bytes(len(certificate) % 2)
    place = given.file.index(old)
    data_set = bytearray(given.file)
    # Sequences have undefined or defined lengths: only a file of the same length can be spliced.
    data_set[place - 4 : place + len(old)] = len(padded).to_bytes(4, "little") + padded
    return _lengths_mended(bytes(data_set), len(padded) - len(old))


def _lengths_mended(file: bytes, more: int) -> bytes:
    """The lengths of the signature's sequence and item, where they are defined."""
    data = bytearray(file)
    start = file.rindex(b"\xfa\xff\xfa\xffSQ\0\0")
    for place in (start + 8, start + 16):
        length = int.from_bytes(data[place : place + 4], "little")
        if length != 0xFFFFFFFF:
            data[place : place + 4] = (length + more).to_bytes(4, "little")
    return bytes(data)


def signature_removed(given: Signed) -> bytes:
    parsed = dicom_file.parse(given.file)
    bare = mac.without_signature(parsed.data_set)
    return b"".join(dicom_file.marshal(bare, parsed.transfer_syntax))


CASES: dict[Callable[[Signed], bytes], str] = {
    comments_added: "SIG-3",
    private_block_added: "SIG-3",
    class_in_meta_changed: "DCM-15",
    preamble_changed: "DCM-15",
    name_twice: "DCM-5",
    certificate_exchanged: "SIG-5",
    certificate_for_decryption: "SIG-5",
    signature_removed: "SIG-1",
}


@pytest.mark.parametrize("change", CASES, ids=lambda one: one.__name__)
def test_valid_for_dcmsign_and_refused(original, tmp_path, program, change):
    changed = change(original)
    assert changed != original.file
    (tmp_path / "changed.dcm").write_bytes(changed)
    authority = pki.certificate("Authority", pki.CERTIFIES, ca=True, **SHAPE)
    (tmp_path / "ca.pem").write_bytes(pki.pem(authority))
    demanded = [] if change is signature_removed else ["+rg"]
    command = [
        program("dcmsign"),
        "--verify",
        *demanded,
        "+cf",
        tmp_path / "ca.pem",
        tmp_path / "changed.dcm",
    ]
    theirs = subprocess.run([*map(str, command)], capture_output=True, check=False)
    assert theirs.returncode == 0, theirs.stderr
    signature.unpack(original.file, original.member, original.certificate)
    with pytest.raises(DicomPackError) as caught:
        signature.unpack(changed, original.member, original.certificate)
    assert caught.value.rule == CASES[change]


@pytest.mark.parametrize("change", [unknown_added, padding_added], ids=lambda one: one.__name__)
def test_what_no_signature_can_cover_is_in_the_manifest_pkg_18(tmp_path, program, sender, receiver, change):
    """An element that the standard excludes from signing; noticed even under the sender's own SEAL."""
    path, _ = packed(tmp_path, Originator(sender.signing, (receiver.contact,)), ("CT_small.dcm",))
    forged = Forgery(path)
    name = "DICOM/00000001"
    file = forged.open(name, receiver.decryption)
    changed = change(Signed(file, None, b""))  # type: ignore[arg-type]  # neither is looked at
    (tmp_path / "changed.dcm").write_bytes(changed)
    command = [program("dcmsign"), "--verify", "+rg", "+rc", "+cf", tmp_path / "contact.pem"]
    (tmp_path / "contact.pem").write_bytes(pki.pem(sender.signing.certificate))
    subprocess.run([*map(str, command), str(tmp_path / "changed.dcm")], capture_output=True, check=True)
    forged.reseal(name, changed, [receiver.contact.decryption])
    forged.refresh_digests()
    forged.change_seal(sender.signing)
    reader = Recipient((receiver.decryption,), trusting(sender))
    with pytest.raises(DicomPackError) as caught:
        unpack(forged.write(tmp_path / "forged.dcmpack"), tmp_path / "out", recipient=reader, jobs=1)
    assert caught.value.rule == "PKG-18"
    assert not (tmp_path / "out").exists()


def test_dcmsign_notices_what_is_covered(original, tmp_path, program):
    """The other side of the tests above: they do not pass because dcmsign passes everything."""
    authority = pki.certificate("Authority", pki.CERTIFIES, ca=True, **SHAPE)
    (tmp_path / "ca.pem").write_bytes(pki.pem(authority))
    for name, data, good in (
        ("same.dcm", original.file, True),
        ("changed.dcm", original.with_elements(Element(0x00080060, "CS", b"MR")), False),
    ):
        (tmp_path / name).write_bytes(data)
        command = [program("dcmsign"), "--verify", "+rg", "+cf", tmp_path / "ca.pem", tmp_path / name]
        assert (subprocess.run([*map(str, command)], capture_output=True).returncode == 0) is good
