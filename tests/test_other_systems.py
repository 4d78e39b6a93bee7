"""What macOS and Windows do another way, done that way here: processes that are spawned, no hard links."""

import os

import dicompack
from dicompack.workers import processes
from tests.packages import packed, study


def test_spawned_workers(tmp_path, monkeypatch, originator, recipient):
    """Keys and settings reach a process that shares no memory with us."""
    monkeypatch.setattr(processes, "_start_method", lambda: "spawn")
    first, report = packed(tmp_path, originator)
    assert report.instances_out == 2
    assert dicompack.unpack(first, tmp_path / "out", recipient=recipient, jobs=1).instances_out == 2


def test_spawned_workers_of_a_secure_file_set(tmp_path, monkeypatch, originator, recipient):
    """Whom to trust reaches them, too: they judge who signed before they parse."""
    monkeypatch.setattr(processes, "_start_method", lambda: "spawn")
    source = study(tmp_path / "source", ("CT_small.dcm", "MR_small.dcm"))
    settings = {"envelope": "secure-dicom", "burned_in": "vouch"}
    dicompack.pack([source], tmp_path / "set", originator=originator, **settings)
    report = dicompack.unpack(tmp_path / "set", tmp_path / "out", recipient=recipient, jobs=1)
    assert report.instances_out == 2
    assert all(one.trusted for one in report.signatures)


def test_without_hard_links_and_pread(tmp_path, monkeypatch, originator, recipient):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.delattr(os, "pread")
    first, _ = packed(tmp_path, originator, volume_size=10_000)
    assert dicompack.verify(first, recipient=recipient).instances_out == 2
