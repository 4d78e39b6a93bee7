"""What identifies the patient stays in the sender's own files, and is in no name or message."""

import io
import stat
import sys
from contextlib import redirect_stderr, redirect_stdout

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicompack
from dicompack import Recipient
from dicompack.errors import DicomPackError
from dicompack.files import STAGING_SUFFIX
from tests.conftest import trusting
from tests.packages import bundled, packed

CANARY = "CANARY"


@pytest.fixture
def study(tmp_path):
    """Canaries in names, identifiers, private and nested elements, preamble, File Meta, file and folder."""
    data_set = pydicom.dcmread(bundled("CT_small.dcm"))
    for keyword in (
        "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "InstitutionName",
        "StudyDescription", "ReferringPhysicianName", "AccessionNumber", "StudyID", "ImageComments",
        "StationName", "OperatorsName",
    ):  # fmt: skip
        setattr(data_set, keyword, f"{CANARY}{len(keyword)}")
    item = Dataset()
    item.PatientID = f"{CANARY}-nested"
    item.add_new(0x00110010, "LO", "CANARY CREATOR")
    item.add_new(0x00111001, "LO", f"{CANARY}-private")
    data_set.OtherPatientIDsSequence = Sequence([item])
    data_set.ReferencedStudySequence = Sequence([item])
    data_set.RequestAttributesSequence = Sequence([item])
    data_set.add_new(0x00290010, "LO", "CANARY CREATOR")
    data_set.add_new(0x00291001, "UN", b"CANARY-unknown")
    data_set.SequenceName = f"{CANARY}11"  # not in the table; the same as Patient's Name
    data_set.file_meta.SourceApplicationEntityTitle = CANARY
    data_set.preamble = b"CANARY".ljust(128, b"\0")
    folder = tmp_path / f"{CANARY} folder"
    folder.mkdir()
    data_set.save_as(folder / f"{CANARY}.dcm")
    return folder


def seen(folder, besides=()):
    """Paths below a folder that have a canary in their bytes or name."""
    found = []
    for path in folder.rglob("*"):
        if any(path.is_relative_to(one) for one in besides):
            continue
        if CANARY in path.name or (path.is_file() and CANARY.encode() in path.read_bytes()):
            found.append(path)
    return found


def test_pack_leaves_no_plaintext_at_any_time(study, tmp_path, originator, recipient):
    out = tmp_path / "out"
    out.mkdir()
    looked = []

    def look(progress):
        staging = out / f".x.dcmpack{STAGING_SUFFIX}"
        assert stat.S_IMODE(staging.stat().st_mode) == 0o700
        assert seen(tmp_path, [study]) == []
        looked.append(progress.phase)

    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        dicompack.pack([study], out / "x.dcmpack", originator=originator, on_progress=look)
    assert set(looked) == {"packing", "writing", "checking"}
    assert stdout.getvalue() == stderr.getvalue() == ""
    dicompack.unpack(out / "x.dcmpack", out / "unpacked", recipient=recipient)
    dicompack.unpack(out / "x.dcmpack", out / "signed", recipient=recipient, keep_signed=True)
    assert len(list(out.rglob("*.dcm"))) == 2
    assert seen(tmp_path, [study]) == []


def test_unpack_keeps_plaintext_in_its_private_folder_until_all_is_checked(tmp_path, originator, recipient):
    first, _ = packed(tmp_path, originator)
    staging = tmp_path / f".target{STAGING_SUFFIX}"
    plain = []

    def look(progress):
        if progress.phase == "unpacking":
            assert stat.S_IMODE(staging.stat().st_mode) == 0o700
            assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in staging.rglob("*"))
            assert not (tmp_path / "target").exists()
            plain.extend(staging.rglob("*.dcm"))

    dicompack.unpack(first, tmp_path / "target", recipient=recipient, on_progress=look)
    assert plain
    assert not staging.exists()


def test_messages_of_the_receiver_name_nobody(study, tmp_path, originator, receiver, stranger):
    """Every error on the way, with names of files that identify."""
    package = tmp_path / "x.dcmpack"
    dicompack.pack([study], package, originator=originator)
    whole = package.read_bytes()
    messages = []
    for data in (whole, whole[:-5], whole[:100] + b"x" + whole[101:], b"nothing"):
        package.write_bytes(data)
        recipient = Recipient((receiver.decryption,), trusting(stranger))
        with pytest.raises(DicomPackError) as caught:
            dicompack.unpack(package, tmp_path / "t", recipient=recipient)
        messages += [str(caught.value), repr(caught.value.faults), repr(caught.value)]
    assert CANARY not in " ".join(messages)


def test_messages_about_a_source_name_its_file_only(study, tmp_path, originator):
    """The sender's own terminal may name inputs; the values in them, never."""
    (study / f"{CANARY}.dcm").rename(study / "IM1")
    data = (study / "IM1").read_bytes()
    (study / "IM1").write_bytes(data[:-1000])
    with pytest.raises(DicomPackError) as caught:
        dicompack.pack([study], tmp_path / "x.dcmpack", originator=originator)
    assert CANARY not in str(caught.value) + repr(caught.value.faults) + repr(caught.value.skipped)


@pytest.mark.skipif(sys.platform == "win32", reason="has no core dumps")
def test_no_command_leaves_its_memory_on_the_disk(monkeypatch, tmp_path):
    """Before a key or a package is opened, and whatever limit whoever started us has set."""
    import resource

    from dicompack.cli.program import run

    asked = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append((which, limits)))
    assert run(["test", str(tmp_path / "nothing-there")]) != 0
    assert asked[0] == (resource.RLIMIT_CORE, (0, 0))
