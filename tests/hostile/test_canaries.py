"""Forty canaries: what identifies a patient is looked for everywhere while the program runs, and after it.

Names, identifiers, dates of birth, UIDs, paths. Looked through are the output and temporary folders at every
moment, and what the system shows of the processes: command lines, environments, names of open files.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.conftest import Party
from tests.packages import bundled

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc on this system")

TEXTS = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "InstitutionName", "StudyDescription",
    "ReferringPhysicianName", "AccessionNumber", "StudyID", "ImageComments", "StationName", "OperatorsName",
    "PatientAddress", "PatientTelephoneNumbers", "PatientBirthName", "PatientMotherBirthName",
    "MedicalRecordLocator", "CountryOfResidence", "RegionOfResidence",
    "AdditionalPatientHistory", "AdmissionID", "RequestingPhysician", "InstitutionAddress",
    "PerformingPhysicianName", "SeriesDescription", "ProtocolName",
)  # fmt: skip
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
PLACES = (
    "folder",
    "file",
    "preamble",
    "meta",
    "private",
    "nested",
    "unknown",
    "nested private",
    "padding",
    "title",
)
CANARIES = {
    name: f"Canary{number:02d}{os.urandom(3).hex()}"[:16]
    for number, name in enumerate((*TEXTS, *PLACES), start=1)
} | {name: f"1.2.276.0.7230010.3.99{number}.{time.time_ns()}" for number, name in enumerate(UIDS)}


def test_there_are_forty():
    assert len(set(CANARIES.values())) == 40


def _forms() -> list[bytes]:
    """Each as it stands, in UTF-16, and in base64 wherever in a text it begins."""
    found = []
    for value in CANARIES.values():
        plain = value.encode()
        found += [plain, plain.upper(), value.encode("utf-16-le"), value.encode("utf-16-be")]
        found += [base64.b64encode(bytes(shift) + plain)[4:16] for shift in range(3)]
    return found


FORMS = _forms()


def traces(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Six instances under a folder whose own name says nothing."""
    data_set = pydicom.dcmread(bundled("CT_small.dcm"))
    for name in TEXTS:
        setattr(data_set, name, CANARIES[name])
    item = Dataset()
    item.PatientID = CANARIES["nested"]
    item.add_new(0x00110010, "LO", "CREATOR")
    item.add_new(0x00111001, "LO", CANARIES["nested private"])
    data_set.OtherPatientIDsSequence = Sequence([item])
    data_set.add_new(0x00290010, "LO", "CREATOR")
    data_set.add_new(0x00291001, "LO", CANARIES["private"])
    data_set.add_new(0x00291002, "UN", CANARIES["unknown"].encode())
    data_set.add_new(0xFFFCFFFC, "OB", CANARIES["padding"].encode().ljust(16))
    data_set.file_meta.SourceApplicationEntityTitle = CANARIES["title"]
    data_set.file_meta.PrivateInformationCreatorUID = "1.2.3"
    data_set.file_meta.PrivateInformation = CANARIES["meta"].encode().ljust(16)
    data_set.preamble = CANARIES["preamble"].encode().ljust(128, b"\0")
    folder = tmp_path / "source" / CANARIES["folder"]
    folder.mkdir(parents=True)
    for number in range(6):
        for name in UIDS:
            setattr(data_set, name, CANARIES[name])
        data_set.SOPInstanceUID = f"{CANARIES['SOPInstanceUID']}.{number}"
        data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
        data_set.save_as(folder / f"{CANARIES['file']}{number}.dcm")
    return tmp_path / "source"


def processes(root: int) -> Iterator[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += parents.get(one, [])


def shown(process: int) -> Iterator[tuple[str, bytes]]:
    """What the system tells of a process to whoever may look."""
    home = Path("/proc", str(process))
    for name in ("cmdline", "environ", "comm", "limits", "maps"):
        try:
            yield name, (home / name).read_bytes()
        except OSError:
            continue
    try:
        opened = [*(home / "fd").iterdir()]
    except OSError:
        return
    for one in opened:
        try:
            yield "fd", os.fsencode(os.readlink(one))
        except OSError:
            continue


def watch(command: list[str], folder: Path, besides: Path) -> tuple[int, int, bytes]:
    """Run a command; its exit code, how many rounds were looked at, and what it said."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "DICOMPACK_CONFIG_DIR": str(folder / "home"),
    }
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    source = os.fsencode(besides)
    with subprocess.Popen(
        [sys.executable, "-m", "dicompack", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as running:
        rounds, core = 0, b""
        while running.poll() is None:
            for process in processes(running.pid):
                for name, data in shown(process):
                    # An open or mapped source shows its own name.
                    rest = b"\n".join(line for line in data.split(b"\n") if source not in line)
                    assert traces(rest) == [], name
                    if name == "limits" and process == running.pid:
                        core = next(line for line in data.splitlines() if line.startswith(b"Max core"))
            assert left_in(folder, besides) == []
            rounds += 1
        assert core.split()[4:6] == [b"0", b"0"], core
        assert running.stdout is not None
        return running.returncode, rounds, running.stdout.read()


def left_in(folder: Path, besides: Path) -> list[tuple[str, list[bytes]]]:
    """Where canaries are, in names and in bytes, but for the sources."""
    found = []
    for path in [*folder.rglob("*"), *Path("/dev/shm").rglob("*")]:
        if path.is_relative_to(besides):
            continue
        try:
            data = path.read_bytes() if path.is_file() else b""
        except OSError:  # gone meanwhile
            continue
        if where := traces(os.fsencode(path) + b"\n" + data):
            found.append((path.name, where))
    return found


@pytest.mark.parametrize(
    "options", [[], ["--custodian", "contact.pem", "--volume-size", "60k"]], ids=["", "custodian"]
)
def test_forty_canaries(
    tmp_path: Path, study: Path, sender: Party, receiver: Party, options: list[str]
) -> None:
    for name, data in (
        ("signing.p12", sender.files.signing_p12),
        ("contact.pem", receiver.files.contact_pem),
        ("sender.pem", sender.files.contact_pem),
        ("decryption.p12", receiver.files.decryption),
    ):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    assert left_in(study, tmp_path / "nowhere")  # the search finds what is there
    pack = [
        "pack",
        "source",
        "-o",
        "p.dcmpack",
        "--signer",
        "signing.p12",
        "--burned-in",
        "vouch",
        "--jobs",
        "2",
    ]
    code, rounds, said = watch([*pack, "--recipient", "contact.pem", *options], tmp_path, study)
    assert code == 0, said
    assert rounds > 5
    assert traces(said) == []
    assert left_in(tmp_path, study) == []
    first = next(one for one in ("p.dcmpack", "p.dcmpack.001") if (tmp_path / one).exists())
    for command in (
        ["test", first, "--trust", "sender.pem"],
        ["list", first, "--identity", "decryption.p12", "--trust", "sender.pem", "--json"],
        ["unpack", first, "-d", "out", "--identity", "decryption.p12", "--trust", "sender.pem"],
    ):
        code, _, said = watch(command, tmp_path, study)
        assert code == 0, said
        assert traces(said) == []
        assert left_in(tmp_path, study) == []
    assert len([*(tmp_path / "out").rglob("*.dcm")]) == 6
    whole = bytearray((tmp_path / first).read_bytes())
    whole[len(whole) // 2] ^= 255
    (tmp_path / first).write_bytes(whole)
    for wrong in (["--trust", "contact.pem"], ["--trust", "sender.pem"]):
        _, _, said = watch(
            ["unpack", first, "-d", "again", "--identity", "decryption.p12", *wrong], tmp_path, study
        )
        assert traces(said) == []
