"""Other people's hostile DICOM and ZIP files: refused by name or right, at once, in little memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dicompack
from dicompack.cli.program import run
from tests.conftest import DATA
from tests.packages import tree

pytestmark = pytest.mark.shared_data

CORPUS = DATA.parent / "corpus"
SECONDS, MEGABYTES = 5.0, 256

_ONE_BY_ONE = """
import json, sys, time
from pathlib import Path
from dicompack.dicom import dicom_file
from dicompack.errors import DicomPackError
from dicompack.pipeline.source_instances import Source, SourceTask
from dicompack.crypto.derivation import ProjectKey
from dicompack.stages import compression
from dicompack.stages.artifacts import Deidentified
from dicompack.stages.deidentification import Policy

compression.load("j2k")
key, policy, told = ProjectKey.new(), Policy(frozenset(), None, "vouch"), {}
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if not path.is_file():
        continue
    began = time.perf_counter()
    try:
        result = Source(SourceTask(str(path), path.name, "1"), path.read_bytes()).deidentified(key, policy)
        compression.pack(
            Deidentified(result.data_set, result.transfer_syntax), compression.Encoding(recompress=True)
        )
        said = ""
    except DicomPackError as error:
        said = error.message
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
    told[str(path)] = [said, time.perf_counter() - began, int(peak) // 1024]
print(json.dumps(told))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_each_file_is_right_or_refused_in_no_time_and_memory():
    ended = subprocess.run(
        [sys.executable, "-c", _ONE_BY_ONE, CORPUS / "dicom"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told = json.loads(ended.stdout)
    assert len(told) > 500
    for name, (_, seconds, megabytes) in told.items():
        assert seconds < SECONDS, (name, seconds)
        assert megabytes < MEGABYTES, (name, megabytes)
    assert all("\n" not in said for said, _, _ in told.values())


def test_nothing_is_lost_of_a_folder_full_of_them(tmp_path, originator, recipient):
    report = dicompack.pack(
        [CORPUS / "dicom"],
        tmp_path / "study.dcmpack",
        originator=originator,
        burned_in="vouch",
        skip_suspect=True,
    )
    left_out = [one for one in report.skipped if one.dicom]
    assert report.instances_in == report.instances_out + len(left_out)
    assert report.instances_out > 0 and all(one.reason for one in report.skipped)
    assert not [one.reason for one in report.skipped if "worker process died" in one.reason]
    unpacked = dicompack.unpack(tmp_path / "study.dcmpack", tmp_path / "out", recipient=recipient)
    assert unpacked.instances_out == report.instances_out == len(tree(tmp_path / "out"))


@pytest.mark.parametrize(
    "path", sorted((CORPUS / "zip").iterdir()) if CORPUS.exists() else [], ids=lambda path: path.name
)
def test_a_foreign_zip_is_no_package(path: Path, tmp_path, capfd):
    (tmp_path / "in").mkdir()
    for name in (path.name, "study.dcmpack", "study.dcmpack.001"):
        copy = tmp_path / "in" / name
        shutil.copy(path, copy)
        before = tree(tmp_path)
        for call in (
            ["test", str(copy), "--integrity-only"],
            ["repair", str(copy), "-d", str(tmp_path / "r")],
        ):
            assert run(call) == 20, capfd.readouterr().err
        said = capfd.readouterr().err
        assert "dicompack: " in said and "Traceback" not in said
        assert tree(tmp_path) == before
        copy.unlink()
