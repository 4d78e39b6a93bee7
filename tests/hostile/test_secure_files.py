"""Secure File-sets under attack: by whoever can write to them, by a fellow recipient, by a hostile sender.

Each attempt ends with one error, and nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import dicompack
from dicompack import Originator, Recipient
from dicompack.cli.program import run
from dicompack.crypto import der, enveloped_cbc, secure_dicom, signed
from dicompack.crypto.keys import DecryptionKey
from dicompack.dicom import dicom_file, media_directory
from dicompack.dicom.directory_records import Records
from dicompack.dicom.media_directory import DescribedFile
from dicompack.errors import BadSignatureError, DamagedError, DicomPackError, FormatError, UntrustedError
from tests.conftest import Party, now, trusting
from tests.hostile.forgery import Forgery
from tests.packages import bundled, packed, study, tree

NAMES = ("CT_small.dcm", "MR_small.dcm")


@pytest.fixture
def file_set(tmp_path: Path, sender: Party, receiver: Party, stranger: Party) -> Path:
    """For the receiver and a fellow, who is a stranger to the sender's trust in nothing but this."""
    return made(tmp_path / "made", Originator(sender.signing, (receiver.contact, stranger.contact)))


def made(folder: Path, originator: Originator, **settings: object) -> Path:
    folder.mkdir()
    source = study(folder / "source", NAMES)
    settings = {"burned_in": "vouch", **settings}
    dicompack.pack([source], folder / "set", originator=originator, envelope="secure-dicom", **settings)  # type: ignore[arg-type]
    return folder / "set"


def inside(path: Path, key: DecryptionKey) -> bytes:
    pieces: list[bytes] = []
    secure_dicom.open_to(der.InMemory(path.read_bytes()), [key], pieces.append)
    return b"".join(pieces)


def seal(path: Path, content: bytes, signer: Party, *readers: Party) -> None:
    people = [one.decryption.certificate for one in readers]
    path.parent.mkdir(exist_ok=True, parents=True)
    pieces = secure_dicom.seal([content], len(content), people, signer.signing, now())
    path.write_bytes(b"".join(pieces))


@pytest.fixture
def refuse(tmp_path: Path, recipient: Recipient) -> Callable[..., DicomPackError]:
    """Verify and unpack; both end in the same error, and the target is not there."""

    def refuse_it(path: Path, error: type[DicomPackError], rule: str) -> DicomPackError:
        before = tree(tmp_path)
        ended: list[DicomPackError] = []
        for attempt in (
            lambda: dicompack.verify(path, recipient=recipient),
            lambda: dicompack.unpack(path, tmp_path / "out", recipient=recipient),
        ):
            with pytest.raises(error) as caught:
                attempt()
            ended.append(caught.value)
        assert {one.rule for one in ended} == {rule}
        assert not (tmp_path / "out").exists()
        assert tree(tmp_path) == before
        return ended[0]

    return refuse_it


FIRST, SECOND = Path("DICOM", "00000001"), Path("DICOM", "00000002")


class TestWhoeverCanWrite:
    """Who has no key, and changes bytes."""

    @pytest.mark.parametrize("name", [Path("DICOMDIR"), FIRST])
    @pytest.mark.parametrize("place", [-1, -17, -400, -5000])
    def test_efail_sdf_9(
        self, file_set: Path, refuse: Callable[..., DicomPackError], name: Path, place: int
    ) -> None:
        """A block is garbled, and the next one changed as the attacker likes."""
        data = bytearray((file_set / name).read_bytes())
        data[place % len(data)] ^= 1
        (file_set / name).write_bytes(data)
        refuse(file_set, BadSignatureError, "SDF-9")

    def test_blocks_moved_sdf_9(self, file_set: Path, refuse: Callable[..., DicomPackError]) -> None:
        data = (file_set / FIRST).read_bytes()
        cut = len(data) - 4096
        assert cut > 0
        (file_set / FIRST).write_bytes(
            data[:cut] + data[cut + 16 : cut + 32] + data[cut : cut + 16] + data[cut + 32 :]
        )
        refuse(file_set, BadSignatureError, "SDF-9")

    def test_files_swapped_sdf_13(self, file_set: Path, refuse: Callable[..., DicomPackError]) -> None:
        first, second = ((file_set / name).read_bytes() for name in (FIRST, SECOND))
        (file_set / FIRST).write_bytes(second)
        (file_set / SECOND).write_bytes(first)
        assert len(refuse(file_set, BadSignatureError, "SDF-13").faults) == 2

    def test_file_of_another_set_sdf_13(
        self,
        tmp_path: Path,
        file_set: Path,
        sender: Party,
        receiver: Party,
        refuse: Callable[..., DicomPackError],
    ) -> None:
        """The same instance of the same sender, from an earlier delivery: other pixels under the same UID."""
        originator = Originator(sender.signing, (receiver.contact,))
        for number, codec in enumerate(("j2k", "keep")):
            made(tmp_path / f"as-is-{number}", originator, deidentify="none", codec=codec)
        older, newer = tmp_path / "as-is-0" / "set", tmp_path / "as-is-1" / "set"
        (newer / FIRST).write_bytes((older / FIRST).read_bytes())
        refuse(newer, BadSignatureError, "SDF-13")
        again = tmp_path / "as-is-2"
        later = made(again, originator, deidentify="none", codec="keep")  # the same but for its signature
        (later / SECOND).write_bytes((newer / SECOND).read_bytes())
        refuse(later, BadSignatureError, "SDF-13")

    @pytest.mark.parametrize("path", [SECOND, Path("DICOMDIR")])
    def test_truncated_sdf_19(
        self, path: Path, file_set: Path, refuse: Callable[..., DicomPackError]
    ) -> None:
        data = (file_set / path).read_bytes()
        for size in (len(data) - 1, len(data) - 16, len(data) // 2, 64):
            (file_set / path).write_bytes(data[:size])
            error = refuse(file_set, DamagedError, "SDF-19")
            assert f"{size} of {len(data)} bytes" in error.message

    def test_overlong(self, file_set: Path, refuse: Callable[..., DicomPackError]) -> None:
        data = (file_set / SECOND).read_bytes()
        (file_set / SECOND).write_bytes(data + b"\0")
        refuse(file_set, FormatError, "DER-3")

    def test_the_directory_of_a_stranger_tru_1(
        self, file_set: Path, stranger: Party, receiver: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        """He leaves a file out, and signs that it was never there."""
        seal(file_set / "DICOMDIR", inside(file_set / "DICOMDIR", receiver.decryption), stranger, receiver)
        refuse(file_set, UntrustedError, "TRU-1")


class TestFellowRecipients:
    """Who has all content keys, and his own signature."""

    def test_unsigned_content_under_the_content_key_sdf_9(
        self, file_set: Path, receiver: Party, stranger: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        """The inside without its signature, in an envelope that only recipients can make."""
        people = [receiver.decryption.certificate]
        data = enveloped_cbc.seal(inside(file_set / FIRST, stranger.decryption), people)
        (file_set / FIRST).write_bytes(data)
        refuse(file_set, BadSignatureError, "SDF-9")

    def test_signed_anew_tru_1(
        self, file_set: Path, receiver: Party, stranger: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        seal(file_set / FIRST, inside(file_set / FIRST, stranger.decryption), stranger, receiver)
        refuse(file_set, UntrustedError, "TRU-1")

    def test_forwarded_under_his_own_envelope_sdf_14(
        self,
        tmp_path: Path,
        sender: Party,
        receiver: Party,
        stranger: Party,
        refuse: Callable[..., DicomPackError],
    ) -> None:
        """Signed by the sender for the stranger; the stranger seals it for the receiver, who is not meant."""
        only = made(tmp_path / "only", Originator(sender.signing, (stranger.contact,)))
        for name in ("DICOMDIR", FIRST, SECOND):
            forwarded(only / name, stranger, receiver)
        refuse(only, UntrustedError, "SDF-14")

    def test_a_statement_of_the_sender_is_no_instance_sdf_10(
        self, tmp_path: Path, originator: Originator, receiver: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        """A SEAL is public and signed by the sender: in an envelope it is still no DICOM File."""
        folder = tmp_path / "packed"
        folder.mkdir()
        package, _ = packed(folder, originator)
        inner = Forgery(package).objects["SEAL0001"]
        assert signed.verify(inner).certificate == originator.signing.certificate
        (tmp_path / "one").write_bytes(around(inner, receiver))
        refuse(tmp_path / "one", FormatError, "SDF-10")


def forwarded(path: Path, fellow: Party, other: Party) -> None:
    """What somebody signed, as it is, in an envelope for somebody else."""
    inner = bytes(_inner(path.read_bytes(), fellow.decryption))
    path.write_bytes(around(inner, other))


def _inner(data: bytes, key: DecryptionKey) -> bytes:
    envelope = secure_dicom._parse(der.InMemory(data))
    decrypted = secure_dicom._Decrypted(
        der.InMemory(data), envelope, secure_dicom._content_key(envelope, [key])
    )
    return decrypted.read_at(0, decrypted.size)


def around(inner: bytes, reader: Party) -> bytes:
    """An envelope around a SignedData of somebody else's."""
    key = os.urandom(32)
    transport = secure_dicom.PrescribedTransport.wrap(key, reader.decryption.certificate)
    body = der.integer(2) + der.set_of([transport.marshal()])
    return b"".join(secure_dicom._encrypt([inner], len(inner), body, key))


class TestHostileSenders:
    """Whom one trusts for a signature, and for nothing else."""

    def test_no_instance_sdf_10(
        self, tmp_path: Path, sender: Party, receiver: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        instance = bundled("CT_small.dcm").read_bytes()
        directory = dicom_file.head(dicom_file.EXPLICIT_LITTLE, dicom_file.DICOMDIR_CLASS, "2.25.1")
        for content in (
            b"",
            b"{}",
            instance[:200],
            instance[:-1],
            b"MZ" + instance[2:],
            b"#!/bin/sh" + instance[9:],
            instance[132:],
            b"".join(map(bytes, directory)),
        ):
            seal(tmp_path / "one", content, sender, receiver)
            refuse(tmp_path / "one", FormatError, "SDF-10")

    def test_names_that_lead_elsewhere_sdf_11(
        self, tmp_path: Path, sender: Party, receiver: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        file = dicom_file.parse(bundled("CT_small.dcm").read_bytes())
        records = Records.of(file.data_set, file.transfer_syntax.uid)
        for file_id in (("..", "SECRET"), ("", "ETC", "PASSWD"), ("DICOMDIR",), ("a",)):
            content = media_directory.marshal("2.25.1", [DescribedFile(file_id, records, bytes(32), 1)], [])
            seal(tmp_path / "hostile" / "DICOMDIR", content, sender, receiver)
            refuse(tmp_path / "hostile", FormatError, "SDF-11")

    def test_nothing_listed_sdf_11(
        self, tmp_path: Path, sender: Party, receiver: Party, refuse: Callable[..., DicomPackError]
    ) -> None:
        content = media_directory.marshal("2.25.1", [], [])
        seal(tmp_path / "hostile" / "DICOMDIR", content, sender, receiver)
        refuse(tmp_path / "hostile", FormatError, "SDF-11")


def test_nobody_learns_why_sdf_9(
    tmp_path: Path, file_set: Path, receiver: Party, sender: Party, capfd: pytest.CaptureFixture[str]
) -> None:
    """Wrong content key, bad padding, wrong signature: the same words and exit code from the command line."""
    (tmp_path / "key.p12").write_bytes(receiver.files.decryption)
    (tmp_path / "contact.pem").write_bytes(sender.files.contact_pem)
    data = (file_set / FIRST).read_bytes()
    inner = _inner(data, receiver.decryption)
    changed = {
        "encrypted keys": data[:200] + bytes(64) + data[264:650] + bytes(64) + data[714:],
        "padding": data[:-1] + bytes((data[-1] ^ 1,)),
        "content": data[: len(data) // 2] + bytes(16) + data[len(data) // 2 + 16 :],
        "signature": around(inner[:-1] + bytes((inner[-1] ^ 1,)), receiver),
        "no signature": around(bytes(64), receiver),
    }
    answers = {}
    for what, one in changed.items():
        path = tmp_path / "one"
        path.write_bytes(one)
        capfd.readouterr()
        words = ["verify", path, "--identity", tmp_path / "key.p12", "--trust", tmp_path / "contact.pem"]
        code = run([str(word) for word in words])
        answers[what] = (int(code), *capfd.readouterr())
    assert len(set(answers.values())) == 1, answers
    assert answers["padding"][0] == 51


def test_an_instance_of_a_package_in_this_envelope_is_refused_pkg_13(
    tmp_path: Path, sender: Party, receiver: Party, stranger: Party
) -> None:
    """From AEAD to CBC, signed inside and all: a package has one envelope (RFC 9709 tells why)."""
    package, _ = packed(tmp_path, Originator(sender.signing, (receiver.contact, stranger.contact)))
    content = Forgery(package).open("DICOM/00000001", stranger.decryption)
    people = [receiver.decryption.certificate]
    reader = Recipient((receiver.decryption,), trusting(sender))
    for number, signer in enumerate((stranger, sender)):
        forgery = Forgery(package)
        pieces = secure_dicom.seal([content], len(content), people, signer.signing, now())
        forgery.objects["DICOM/00000001"] = b"".join(pieces)
        path = forgery.write(tmp_path / f"forged-{number}.dcmpack")
        with pytest.raises(DicomPackError) as caught:
            dicompack.unpack(path, tmp_path / "out", recipient=reader)
        assert caught.value.rule == "PKG-13"
        with pytest.raises(DicomPackError) as caught:
            dicompack.test(path, trust=trusting(sender))
        assert caught.value.rule == "PKG-13"
        assert not (tmp_path / "out").exists()
