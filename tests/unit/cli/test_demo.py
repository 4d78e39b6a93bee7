"""The demonstration is the real thing: it must run everywhere, and be able to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dicompack.cli import demo
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom import dicom_file
from dicompack.errors import DamagedError, InputError


def test_the_whole_round_trip(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "dicompack", "demo", "--json"],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert (document["command"], document["ok"]) == ("demo", True)
    assert document["instances_in"] == document["instances_out"] == len(demo.FILES)
    assert document["skipped"] == []
    assert len(document["volumes"]) > 1
    assert list(document["steps"]) == ["keys", "pack", "test", "verify", "unpack", "compare"]
    assert {member["modality"] for member in document["members"]} > {"CT", "MR", "US", "SR", "RTPLAN", "ECG"}
    assert [one["trusted_as"] for one in document["signatures"]] == ["Demo sender"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_person_sees(call, monkeypatch, small_keys):
    monkeypatch.setattr(demo, "FILES", ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    ended = call("demo")
    assert ended.code == 0
    assert [line.split()[:2] for line in ended.out.splitlines()] == [
        ["MODALITY", "INSTANCES"],
        ["CT", "1"],
        ["MR", "1"],
        ["RTPLAN", "1"],
        ["all", "3"],
    ]
    assert "1 without pixels" in ended.out
    last = [line.split()[:3] for line in ended.err.splitlines()[-3:]]
    assert last == [
        ["dicompack", "keys", "new"],
        ["dicompack", "keys", "trust"],
        ["dicompack", "pack", "STUDY"],
    ]


@pytest.fixture
def ct(monkeypatch, tmp_path):
    """A source, and a delivered instance that stands for it."""
    monkeypatch.setattr("dicompack.dicom.confidentiality.new_uid", lambda uid, derive: uid)
    monkeypatch.setattr(demo, "FILES", ("CT_small.dcm",))
    (source,) = demo.bundled_files()
    delivered = tmp_path / "delivered.dcm"
    delivered.write_bytes(source.read_bytes())
    return source, delivered


def test_equal_samples_pass(ct):
    source, delivered = ct
    (line,) = demo.compare([source], [delivered], ProjectKey.new())
    assert (line.modality, line.size, line.has_samples) == ("CT", source.stat().st_size, True)


def test_one_other_sample_fails(ct):
    source, delivered = ct
    data = bytearray(delivered.read_bytes())
    data[-1000] ^= 1
    delivered.write_bytes(data)
    assert dicom_file.parse(bytes(data))
    with pytest.raises(DamagedError, match="other samples"):
        demo.compare([source], [delivered], ProjectKey.new())


def test_a_missing_and_an_extra_instance_fail(ct):
    source, delivered = ct
    with pytest.raises(DamagedError, match="no delivered instance"):
        demo.compare([source], [], ProjectKey.new())
    with pytest.raises(DamagedError, match="other samples"):
        demo.compare([source], [delivered, delivered], ProjectKey.new())


def test_an_installation_without_the_files_says_so(monkeypatch):
    monkeypatch.setattr(demo, "FILES", ("no-such.dcm",))
    with pytest.raises(InputError, match="no test files"):
        demo.bundled_files()
