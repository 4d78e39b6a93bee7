"""A member that kills the process which looks at it, as a decoder with a memory error would."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dicompack
from dicompack import files
from dicompack.dicom.codecs import jpeg_two_thousand as coder
from dicompack.errors import InputError, UnsupportedError
from dicompack.pipeline import demands, instances
from dicompack.workers import Allowance
from tests.packages import packed, study, tree


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_member_that_kills_its_worker_pkg_19(tmp_path, originator, recipient, monkeypatch, jobs):
    """It is named, the others are checked all the same, and nothing is written."""
    package, _ = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    before = tree(tmp_path)
    check = instances._unpack

    def die(task, settings):
        if task.number == 2:
            os._exit(1)
        return check(task, settings)

    monkeypatch.setattr(instances, "_unpack", die)
    with pytest.raises(UnsupportedError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, jobs=jobs)
    assert caught.value.rule == "PKG-19"
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["member 2"]
    assert tree(tmp_path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("direction", ["pack", "unpack"])
def test_a_worker_that_dies_once_after_it_has_written(
    tmp_path, originator, recipient, monkeypatch, jobs, direction
):
    """As the memory killer does it: the task is done again, and what the first left is no obstacle."""
    mark = tmp_path / "died"
    write = files.write_again

    def die_once(path, pieces):
        size = write(path, pieces)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return size

    names = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "rtdose.dcm")
    if direction == "pack":
        monkeypatch.setattr(files, "write_again", die_once)
    package, report = packed(tmp_path, originator, names, jobs=jobs)
    monkeypatch.setattr(files, "write_again", die_once)
    unpacked = dicompack.unpack(package, tmp_path / "out", recipient=recipient, jobs=jobs)
    assert mark.exists()
    assert report.instances_out == unpacked.instances_out == len(names)


def _spin(*_arguments, **_keywords):
    while True:
        pass


def _crash(*_arguments, **_keywords):
    ctypes.string_at(0)


def _eat(*_arguments, **_keywords):
    blocks = []
    while True:
        blocks.append(b"\1" * (16 << 20))


BAD_DECODERS = [
    (_spin, "it took more CPU time than an instance of its size may take"),
    (_crash, "the worker process died on it, twice"),
    (_eat, "it took more memory than a worker may take"),
]


def _bad_for(number, decode, bad):
    """A decoder that misbehaves on the image with this number of rows, and else does its work."""

    def run(data, layout, **keywords):
        return bad() if layout.rows == number else decode(data, layout, **keywords)

    return run


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(demands, "_CHAIN", Allowance(seconds=2))


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
@pytest.mark.parametrize(("bad", "reason"), BAD_DECODERS[:2])
def test_a_bad_decoder_costs_its_instance_and_no_other_when_packing(
    tmp_path, originator, monkeypatch, short, bad, reason
):
    """Each frame is decoded again after it was encoded: CT_small has 128 rows, MR_small 64."""
    monkeypatch.setattr(coder, "decode", _bad_for(128, coder.decode, bad))
    _, report = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    assert report.partial
    assert [(one.name, one.reason) for one in report.skipped] == [("CT_small.dcm", reason)]
    assert (report.instances_in, report.instances_out) == (3, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
def test_a_greedy_decoder_costs_no_instance_when_packing(tmp_path, originator, monkeypatch, short):
    """What cannot be proved for want of memory travels as it was."""
    monkeypatch.setattr(coder, "decode", _bad_for(128, coder.decode, _eat))
    _, report = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    assert (report.instances_in, report.instances_out, report.skipped) == (3, 3, ())
    told = [(one.where, one.kind) for one in report.findings if "memory does not suffice" in one.message]
    assert told == [("CT_small.dcm", "not-compressed")]


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
@pytest.mark.parametrize(("bad", "reason"), BAD_DECODERS)
def test_a_bad_decoder_is_named_when_unpacking_pkg_19(
    tmp_path, originator, recipient, monkeypatch, short, bad, reason
):
    package, _ = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    monkeypatch.setattr(coder, "decode", _bad_for(128, coder.decode, bad))
    before = tree(tmp_path)
    with pytest.raises(UnsupportedError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=recipient)
    assert caught.value.rule == "PKG-19"
    assert reason in str(caught.value)
    assert len(caught.value.faults) == 1
    assert tree(tmp_path) == before


def _peak(*_arguments, **_keywords):
    """How much a decoder gets before it is told that there is no more: it touches every page."""
    blocks = []
    try:
        while True:
            blocks.append(b"\1" * (4 << 20))
    except MemoryError:
        size = 4 * len(blocks)
        del blocks
        raise InputError(f"got {size} MiB") from None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds address space")
def test_what_a_decoder_of_a_small_instance_gets_is_bounded(tmp_path, originator, monkeypatch):
    monkeypatch.setattr(coder, "decode", _bad_for(128, coder.decode, _peak))
    _, report = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm"))
    (skipped,) = report.skipped
    assert 128 < int(skipped.reason.split()[1]) < 512


RUN = """
import sys, time
from pathlib import Path
import dicompack
from dicompack.pipeline import instances
from tests.conftest import new_party
party = new_party("P")
pack = instances._pack
def slow(*arguments):
    time.sleep(60)
instances._pack = slow
originator = dicompack.Originator(party.signing, (party.contact,))
dicompack.pack([sys.argv[1]], sys.argv[2], originator=originator)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_their_parent_and_free_the_target(tmp_path, originator):
    """kill -9 of the run: no process with keys stays, and the target is not busy for the next run."""
    source = study(tmp_path / "source", ("CT_small.dcm", "MR_small.dcm"))
    target = tmp_path / "x.dcmpack"
    run = subprocess.Popen([sys.executable, "-c", RUN, source, target], cwd=Path(__file__).parents[2])
    staging = tmp_path / f".x.dcmpack{files.STAGING_SUFFIX}"
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    _until(lambda: (staging / "objects").is_dir() and len(children.read_text().split()) >= 1)
    workers = children.read_text().split()
    run.kill()
    run.wait()
    _until(lambda: not any(Path(f"/proc/{worker}/status").exists() for worker in workers))
    report = dicompack.pack([source], target, originator=originator)
    assert report.instances_out == 2
    assert not staging.exists()


def _until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
