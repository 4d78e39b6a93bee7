"""A Secure File-set (PS3.15 D.1): written, read, listed, and refused, from the outside."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pydicom
import pytest

import dicompack
from dicompack import Originator, Password, PasswordKey, Recipient, Report, SigningKey
from dicompack.crypto import der, secure_dicom
from dicompack.crypto.identities import Algorithm, new_identity
from dicompack.crypto.trust import ExpectedSigner
from dicompack.dicom import media_directory
from dicompack.errors import (
    DamagedError,
    FormatError,
    InputError,
    NoMatchError,
    OutputError,
    UntrustedError,
    UsageError,
)
from tests.conftest import Party, now, trusting
from tests.packages import INSTANCES, packed, study, tree
from tests.unit.crypto import pki

SECRET = "correct horse battery staple, and some more words"


def file_set(folder: Path, originator: Originator, names: tuple[str, ...], **settings: object) -> Report:
    source = study(folder / "source", names)
    settings = {"burned_in": "vouch", "envelope": "secure-dicom", **settings}
    return dicompack.pack([source], folder / "set", originator=originator, **settings)  # type: ignore[arg-type]


@pytest.fixture
def two(tmp_path: Path, originator: Originator) -> Path:
    file_set(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm"))
    return tmp_path / "set"


def inside(path: Path, party: Party) -> bytes:
    """What is sealed in a Secure DICOM File."""
    pieces: list[bytes] = []
    secure_dicom.open_to(der.InMemory(path.read_bytes()), [party.decryption], pieces.append)
    return b"".join(pieces)


# ------------------------------------------------------------------------------------ there and back


def test_every_kind_of_instance(tmp_path: Path, originator: Originator, recipient: Recipient) -> None:
    report = file_set(tmp_path, originator, INSTANCES)
    once = report.instances_out
    assert report.instances_in == len(INSTANCES) == once + sum(one.dicom for one in report.skipped)
    assert sorted(tree(tmp_path / "set")) == [
        *(f"DICOM/{number:08d}" for number in range(1, once + 1)),
        "DICOMDIR",
    ]
    verified = dicompack.verify(tmp_path / "set", recipient=recipient)
    listed = dicompack.inspect(tmp_path / "set", recipient=recipient)
    unpacked = dicompack.unpack(tmp_path / "set", tmp_path / "out", recipient=recipient)
    assert verified.set_id == listed.set_id == unpacked.set_id == report.set_id
    assert listed.members == verified.members == unpacked.members == report.members
    assert (listed.complete, verified.complete, unpacked.complete) == ("not-checked", "checked", "checked")
    for one in (verified, listed, unpacked):
        assert [signature.trusted for signature in one.signatures] == [True]
        assert one.recipients == report.recipients
    written = tree(tmp_path / "out")
    assert len(written) == once
    for name, data in written.items():
        read = pydicom.dcmread(tmp_path / "out" / name)
        assert read.PatientIdentityRemoved == "YES"
        assert Path(name).name == f"{Path(name).name[:8]}-{read.SOPInstanceUID}.dcm"
        assert data[:128] == bytes(128)


def test_what_is_unpacked_is_what_was_sealed(
    tmp_path: Path, two: Path, receiver: Party, recipient: Recipient
) -> None:
    dicompack.unpack(two, tmp_path / "out", recipient=recipient)
    sealed_files = {inside(two / "DICOM" / f"0000000{number}", receiver) for number in (1, 2)}
    assert set(tree(tmp_path / "out").values()) == sealed_files


def test_the_directory_binds_files_and_recipients(two: Path, receiver: Party) -> None:
    directory = media_directory.parse(inside(two / "DICOMDIR", receiver))
    assert directory.addressed_to is not None
    assert len(directory.addressed_to) == 1
    for one in directory.files:
        data = inside(two.joinpath(*one.file_id), receiver)
        assert (one.sha256, one.size) == (hashlib.sha256(data).digest(), len(data))


def test_by_password(tmp_path: Path, sender: Party, recipient: Recipient) -> None:
    originator = Originator(sender.signing, (), password=PasswordKey.new(Password(SECRET)))
    file_set(tmp_path, originator, ("CT_small.dcm",))
    knowing = Recipient((Password(SECRET),), trusting(sender))
    assert dicompack.unpack(tmp_path / "set", tmp_path / "out", recipient=knowing).instances_out == 1
    with pytest.raises(NoMatchError) as caught:
        dicompack.verify(tmp_path / "set", recipient=recipient)
    assert caught.value.rule == "SDF-8"


def test_as_they_are(tmp_path: Path, originator: Originator, recipient: Recipient) -> None:
    file_set(tmp_path, originator, ("MR_small.dcm",), deidentify="none", codec="keep")
    dicompack.unpack(tmp_path / "set", tmp_path / "out", recipient=recipient)
    (written,) = (tmp_path / "out").rglob("*.dcm")
    source = pydicom.dcmread(tmp_path / "source" / "MR_small.dcm")
    assert pydicom.dcmread(written).PatientID == source.PatientID
    assert pydicom.dcmread(written).PixelData == source.PixelData


def test_one_file_alone(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    report = dicompack.unpack(two / "DICOM" / "00000001", tmp_path / "out", recipient=recipient)
    assert (report.instances_out, report.complete) == (1, "not-checked")
    assert [one.kind for one in report.findings] == ["file-alone"]
    assert dicompack.inspect(two / "DICOM" / "00000001", recipient=recipient).instances_out == 1


def test_a_part(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    report = dicompack.unpack(two / "DICOMDIR", tmp_path / "out", recipient=recipient, select=["Modality=CT"])
    assert (report.instances_out, report.complete) == (1, "not-checked")
    with pytest.raises(InputError):
        dicompack.unpack(two, tmp_path / "other", recipient=recipient, select=["Modality=US"])
    assert not (tmp_path / "other").exists()


def test_names_in_lower_case(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    """As a CD shows them, if its file system has nothing but ISO 9660."""
    (two / "DICOMDIR").rename(two / "dicomdir")
    (two / "DICOM").rename(two / "dicom")
    report = dicompack.unpack(two, tmp_path / "out", recipient=recipient)
    assert (report.instances_out, report.complete, report.findings) == (2, "checked", ())


def test_a_uid_stands_once(tmp_path: Path, originator: Originator, recipient: Recipient) -> None:
    report = file_set(tmp_path, originator, ("MR_small.dcm", "MR_small_RLE.dcm"))
    (left,) = report.skipped
    assert left.dicom
    assert "which a File-set has once" in left.reason
    assert report.partial
    assert dicompack.verify(tmp_path / "set", recipient=recipient).instances_out == 1


def test_other_files_are_left_alone(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    (two / "AUTORUN.INF").write_bytes(b"x")
    report = dicompack.unpack(two, tmp_path / "out", recipient=recipient)
    assert [(one.kind, one.where) for one in report.findings] == [("not-listed", "AUTORUN.INF")]
    assert len(tree(tmp_path / "out")) == 2


# ------------------------------------------------------------------------------------------ refused


def test_missing_files_sdf_12(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    (two / "DICOM" / "00000002").unlink()
    for attempt in (
        lambda: dicompack.unpack(two, tmp_path / "out", recipient=recipient),
        lambda: dicompack.verify(two, recipient=recipient),
        lambda: dicompack.inspect(two, recipient=recipient),
    ):
        with pytest.raises(DamagedError) as caught:
            attempt()
        assert caught.value.rule == "SDF-12"
        assert caught.value.faults == ("DICOM/00000002: missing",)
    assert not (tmp_path / "out").exists()


def test_without_a_key_sdf_17(two: Path, sender: Party) -> None:
    for trust in (trusting(sender), None):
        with pytest.raises(UntrustedError) as caught:
            dicompack.test(two, trust=trust)
        assert caught.value.rule == "SDF-17"
    (two / "DICOM" / "00000001").write_bytes((two / "DICOM" / "00000001").read_bytes()[:-1])
    with pytest.raises(DamagedError):
        dicompack.test(two, trust=None)


def test_signers(tmp_path: Path, two: Path, receiver: Party, sender: Party, stranger: Party) -> None:
    other = Recipient((receiver.decryption,), trusting(stranger))
    expecting = replace(trusting(sender), expected=ExpectedSigner(stranger.contact.fingerprint))
    for reader in (other, Recipient((receiver.decryption,), expecting)):
        with pytest.raises(UntrustedError) as caught:
            dicompack.unpack(two, tmp_path / "out", recipient=reader)
        assert caught.value.rule in ("TRU-1", "TRU-9")
        assert not (tmp_path / "out").exists()


def test_a_directory_is_needed_sdf_18(tmp_path: Path, two: Path, recipient: Recipient) -> None:
    loose = tmp_path / "loose"
    shutil.copytree(two / "DICOM", loose)
    with pytest.raises(FormatError) as caught:
        dicompack.unpack(loose, tmp_path / "out", recipient=recipient)
    assert caught.value.rule == "SDF-18"


def test_a_directory_that_cannot_be_read_is_not_called_missing(
    tmp_path: Path, two: Path, recipient: Recipient, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = (two / "DICOMDIR").stat()

    def refused(descriptor: int, size: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(descriptor), directory):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return sound(descriptor, size, offset)

    sound = os.pread
    monkeypatch.setattr(os, "pread", refused)
    with pytest.raises(OSError, match="DICOMDIR"):
        dicompack.unpack(two, tmp_path / "out", recipient=recipient)


def test_beside_a_package(tmp_path: Path, two: Path, originator: Originator, recipient: Recipient) -> None:
    """What lies beside a volume does not keep it from being opened; of two sets a person has to name one."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    package, _ = packed(folder, originator)
    shutil.rmtree(folder / "source")
    shutil.copy(two / "DICOM" / "00000001", folder / "other.p7m")
    assert dicompack.verify(folder, recipient=recipient).instances_out == 2
    shutil.copy(two / "DICOMDIR", folder)
    with pytest.raises(UsageError):
        dicompack.verify(folder, recipient=recipient)
    assert dicompack.verify(package, recipient=recipient).instances_out == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("volume_size", 10**6),
        ("recovery", "10%"),
        ("hide_signer", True),
        ("timestamp", "http://localhost"),
        ("include_other", True),
        ("resume", True),
        ("temp", "elsewhere"),
        ("force", True),
    ],
)
def test_options_of_packages_sdf_16(
    tmp_path: Path, originator: Originator, option: str, value: object
) -> None:
    with pytest.raises(UsageError) as caught:
        file_set(tmp_path, originator, ("CT_small.dcm",), **{option: value})
    assert caught.value.rule == "SDF-16"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_custodians_sdf_16(tmp_path: Path, originator: Originator, stranger: Party) -> None:
    with pytest.raises(UsageError) as caught:
        file_set(tmp_path, replace(originator, custodians=(stranger.contact,)), ("CT_small.dcm",))
    assert caught.value.rule == "SDF-16"


@pytest.mark.parametrize("algorithm", [Algorithm.P256, Algorithm.ML_KEM])
def test_recipients_sdf_15(tmp_path: Path, sender: Party, algorithm: Algorithm) -> None:
    modern = new_identity("Modern", None, algorithm=algorithm).contact
    with pytest.raises(UsageError) as caught:
        file_set(tmp_path, Originator(sender.signing, (modern,)), ("CT_small.dcm",))
    assert caught.value.rule == "SDF-15"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_what_is_for_packages_sdf_16(tmp_path: Path, two: Path, recipient: Recipient, sender: Party) -> None:
    attempts = (
        lambda: dicompack.repair(two),
        lambda: dicompack.timestamp_query(two, tmp_path / "query"),
        lambda: dicompack.unpack(two, tmp_path / "out", recipient=recipient, originals=True),
        lambda: dicompack.verify(two, recipient=recipient, receipt=tmp_path / "receipt"),
        lambda: dicompack.unpack(
            two,
            tmp_path / "out",
            recipient=recipient,
            receipt=tmp_path / "receipt",
            receipt_signer=sender.signing,
        ),
    )
    for attempt in attempts:
        with pytest.raises(UsageError) as caught:
            attempt()
        assert caught.value.rule == "SDF-16"
    assert not (tmp_path / "out").exists()


def test_a_target_in_use(tmp_path: Path, two: Path, originator: Originator, recipient: Recipient) -> None:
    before = tree(two)
    with pytest.raises(OutputError):
        file_set(tmp_path, originator, ("CT_small.dcm",))
    with pytest.raises(OutputError):
        dicompack.unpack(two, two, recipient=recipient)
    assert tree(two) == before


def test_an_unknown_envelope(tmp_path: Path, originator: Originator) -> None:
    with pytest.raises(UsageError):
        packed(tmp_path, originator, envelope="zip")


def test_the_directory_tells_no_more_than_the_instances(
    tmp_path: Path, originator: Originator, receiver: Party
) -> None:
    """De-identified: no value of the sources that identifies stands in the DICOMDIR."""
    file_set(tmp_path, originator, INSTANCES)
    directory = inside(tmp_path / "set" / "DICOMDIR", receiver)
    for name in INSTANCES:
        source = pydicom.dcmread(tmp_path / "source" / name, force=True)
        for keyword in (
            "PatientName",
            "PatientID",
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "SOPInstanceUID",
            "AccessionNumber",
            "StudyDate",
        ):
            value = str(source.get(keyword, ""))
            if len(value) > 3:
                assert value.encode("latin-1") not in directory, (name, keyword)


def test_nothing_tells_of_the_patient(tmp_path: Path, originator: Originator) -> None:
    """Neither names nor bytes outside: what is de-identified, and what is not."""
    for mode in ("basic", "none"):
        folder = tmp_path / mode
        folder.mkdir()
        file_set(folder, originator, ("MR_small.dcm",), deidentify=mode)
        whole = b"".join([*tree(folder / "set").values(), *(n.encode() for n in tree(folder / "set"))])
        assert b"4MR1" not in whole
        assert b"CompressedSamples" not in whole
        assert b"Sender" not in whole  # not even who signed


def test_directories_have_a_limit_sdf_11(
    tmp_path: Path, two: Path, originator: Originator, recipient: Recipient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held in memory."""
    monkeypatch.setattr("dicompack.pipeline.secure_packing.MAX_DIRECTORY", 1000)
    shutil.rmtree(tmp_path / "source")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError) as caught:
        file_set(other, originator, ("CT_small.dcm", "MR_small.dcm"))
    assert caught.value.rule == "SDF-11"
    assert not (other / "set").exists()
    (two / "DICOMDIR").write_bytes((two / "DICOMDIR").read_bytes() + bytes(1 << 20))
    monkeypatch.setattr("dicompack.pipeline.secure_unpacking.MAX_DIRECTORY", 1000)
    with pytest.raises(FormatError) as error:
        dicompack.verify(two, recipient=recipient)
    assert error.value.rule == "SDF-11"


def test_instances_signed_on_a_curve_are_told_sig_9(tmp_path: Path, originator: Originator) -> None:
    """The envelope is RSA by its profile; the signature inside an instance is another matter."""
    key = pki.curve_key("instances")
    start = now() - timedelta(days=1)
    certificate = pki.certificate("instances", pki.SIGNS, of=key, start=start, end=start + timedelta(days=9))
    signing = SigningKey(certificate, key)
    report = file_set(tmp_path, replace(originator, instance_signing=signing), ("CT_small.dcm",))
    assert "signature-outside-profile" in {one.kind for one in report.findings}
