"""What is found where people point."""

import os
from pathlib import Path

import pytest

from dicompack.errors import InputError
from dicompack.exchange.sources import OtherFile, SourceFile, find
from dicompack.report import Skipped
from tests.packages import bundled

CT = bundled("CT_small.dcm").read_bytes()


def found(*sources: Path, exclude=()):
    results = list(find(sources, exclude))
    files = [one.name for one in results if isinstance(one, SourceFile)]
    return files, {one.name: one.reason for one in results if isinstance(one, Skipped | OtherFile)}


def test_content_decides_in_the_order_of_names(tmp_path):
    (tmp_path / "b").write_bytes(CT)
    (tmp_path / "a.txt").write_bytes(CT)
    (tmp_path / "c.dcm").write_bytes(b"no image " * 100)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d").write_bytes(CT)
    assert found(tmp_path) == (["a.txt", "b", "sub/d"], {"c.dcm": "not DICOM"})


def test_a_file_by_itself(tmp_path):
    (tmp_path / "x").write_bytes(CT)
    assert found(tmp_path / "x") == (["x"], {})


def test_each_file_once_however_many_ways_lead_to_it(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "x").write_bytes(CT)
    (tmp_path / "two").symlink_to(tmp_path / "one")
    files, skipped = found(tmp_path / "one", tmp_path / "one" / "x", tmp_path / "two")
    assert files == ["one/x"]
    assert set(skipped.values()) == {"a file that was found already"}


def test_loops_end(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "up").symlink_to(tmp_path)
    (tmp_path / "s" / "self").symlink_to("self")
    _, skipped = found(tmp_path)
    assert skipped == {
        "s/up": "a link to a folder that is read already",
        "s/self": "a link that leads nowhere",
    }


def test_many_crossing_links_do_not_multiply(tmp_path):
    for one in range(12):
        (tmp_path / f"{one:02}").mkdir()
    for one in range(12):
        for other in range(12):
            (tmp_path / f"{one:02}" / f"to{other:02}").symlink_to(tmp_path / f"{other:02}")
    skipped = found(tmp_path)[1]
    assert len(skipped) == 12 * 12
    assert all(len(Path(name).parts) == 2 for name in skipped)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == ([], {"pipe": "neither a file nor a folder"})


def test_a_pipe_by_itself_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert list(find([tmp_path / "pipe"])) == [Skipped("pipe", False, "neither a file nor a folder")]


def test_a_link_that_nobody_may_read_is_no_end(tmp_path, monkeypatch):
    """As in /proc: its target has facts, and no name."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bundled("CT_small.dcm").read_bytes())
    real = os.path.realpath

    def refuse(path):
        if os.fspath(path) == os.fspath(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os.path, "realpath", refuse)
    assert list(find([tmp_path])) == [Skipped("a", True, "cannot be read"), SourceFile("b", tmp_path / "b")]


def test_unreadable_counts_as_an_instance(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(CT)
    real = os.open

    def refuse(path, *arguments, **keywords):
        if Path(path).name == "x":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    (only,) = find([tmp_path])
    assert isinstance(only, Skipped)
    assert (only.dicom, only.reason) == (True, "cannot be read: Permission denied")


def test_unreadable_folder_counts_too(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    real = Path.iterdir

    def refuse(self):
        if self.name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    (only,) = find([tmp_path])
    assert isinstance(only, Skipped)
    assert (only.name, only.dicom) == ("locked", True)


def test_dicomdir_stands_for_its_media(tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(bundled("dicomdirtests/DICOMDIR").read_bytes())
    (tmp_path / "IMAGES").mkdir()
    (tmp_path / "IMAGES" / "1").write_bytes(CT)
    assert found(tmp_path / "DICOMDIR")[0] == ["DICOMDIR", "IMAGES/1"]


def test_exclude_by_name_or_path(tmp_path):
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / name).write_bytes(CT)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.dcm").write_bytes(CT)
    assert found(tmp_path, exclude=["s/*"])[0] == ["a.dcm", "b.dcm"]
    assert found(tmp_path, exclude=["a.*"])[0] == ["b.dcm"]


def test_missing_source(tmp_path):
    with pytest.raises(InputError):
        found(tmp_path / "missing")
