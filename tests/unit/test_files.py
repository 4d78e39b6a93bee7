"""Nothing is overwritten, nothing half-done stays, one run at a time."""

import errno
import multiprocessing
import os
import stat
import sys
import time
from pathlib import Path

import pytest

from dicompack import files, finality
from dicompack.errors import InputError, OutputError
from dicompack.files import mapping, publishing
from dicompack.files import staging as staging_module


class TestStaging:
    def test_private_and_gone_afterwards(self, tmp_path):
        with files.Staging(tmp_path / "x") as staging:
            assert stat.S_IMODE(staging.path.stat().st_mode) == 0o700
            files.write_new(staging.folder("in") / "file", [b"data"])
        assert not list(tmp_path.iterdir())

    def test_gone_after_an_error_too(self, tmp_path):
        with pytest.raises(KeyboardInterrupt), files.Staging(tmp_path / "x") as staging:
            files.write_new(staging.path / "file", [b"data"])
            raise KeyboardInterrupt
        assert not list(tmp_path.iterdir())

    def test_second_run_is_busy(self, tmp_path):
        with files.Staging(tmp_path / "x") as first:
            (first.path / "file").write_bytes(b"mine")
            with pytest.raises(OutputError, match="busy"), files.Staging(tmp_path / "x"):
                pass
            assert (first.path / "file").read_bytes() == b"mine"
            with files.Staging(tmp_path / "y"):
                pass

    def test_what_a_dead_run_left_is_removed(self, tmp_path):
        process = multiprocessing.get_context("fork").Process(target=_die_in, args=(tmp_path / "x",))
        process.start()
        process.join()
        left = tmp_path / f".x{files.STAGING_SUFFIX}"
        assert (left / "plain" / "secret").exists()
        with files.Staging(tmp_path / "x") as staging:
            assert [path.name for path in staging.path.iterdir()] == ["lock"]
        assert not list(tmp_path.iterdir())

    def test_planted_link_is_not_followed(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / f".x{files.STAGING_SUFFIX}").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OutputError), files.Staging(tmp_path / "x"):
            pass
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_planted_folder_is_not_used(self, tmp_path):
        planted = tmp_path / f".x{files.STAGING_SUFFIX}"
        planted.mkdir()
        planted.chmod(0o777)
        with pytest.raises(OutputError, match="taken"), files.Staging(tmp_path / "x"):
            pass

    @pytest.mark.skipif(sys.platform != "linux", reason="a folder in which nobody can make anything")
    def test_where_nothing_can_be_made_nobody_is_busy(self):
        with pytest.raises(OutputError, match="nothing can be made"), files.Staging(Path("/proc/x")):
            pass

    def test_a_root_is_no_target(self):
        with pytest.raises(OutputError, match="in use"):
            files.remove_dead(Path(Path.cwd().anchor))

    def test_one_that_was_interrupted_while_it_began_is_removed(self, tmp_path, monkeypatch):
        def interrupt(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as during:
            during.setattr(staging_module, "_lock", interrupt)
            with pytest.raises(KeyboardInterrupt), files.Staging(tmp_path / "x"):
                pass
        assert [path.name for path in tmp_path.iterdir()] == [".x.dcmpack-staging"]
        finality.end_interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_no_folder_to_write_into(self, tmp_path):
        with pytest.raises(OutputError, match="does not exist"), files.Staging(tmp_path / "no" / "x"):
            pass


def _die_in(target: Path) -> None:
    with files.Staging(target) as staging:
        files.write_new(staging.folder("plain") / "secret", [b"data"])
        os._exit(9)


def _die_publishing(target: Path, named: int) -> None:
    with files.Staging(target) as staging:
        folder = staging.folder(files.VOLUMES)
        for number in (1, 2, 3):
            path = folder / f"x.00{number}"
            files.write_new(path, [b"ours"])
            if number > 3 - named:
                os.link(path, target.parent / path.name)
        os._exit(9)


@pytest.mark.parametrize("named", [0, 1, 2, 3])
def test_vol_18_a_set_that_is_half_published_is_taken_back(tmp_path, named):
    (tmp_path / "x.004").write_bytes(b"theirs")
    process = multiprocessing.get_context("fork").Process(
        target=_die_publishing, args=(tmp_path / "x", named)
    )
    process.start()
    process.join()
    assert len(list(tmp_path.glob("x.*"))) == named + 1
    files.take_back(tmp_path / "x")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"x.004"} | ({"x.001", "x.002", "x.003"} if named == 3 else set())


def test_vol_18_of_another_s_file_with_such_a_name_nothing_is_taken(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_die_publishing, args=(tmp_path / "x", 2))
    process.start()
    process.join()
    (tmp_path / "x.002").unlink()
    (tmp_path / "x.002").write_bytes(b"theirs")
    files.take_back(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.002"]


def test_vol_18_a_run_that_lives_is_busy(tmp_path):
    with files.Staging(tmp_path / "x"), pytest.raises(OutputError, match="busy"):
        files.take_back(tmp_path / "x")


class TestWriteNew:
    def test_content_mode_and_size(self, tmp_path):
        assert files.write_new(tmp_path / "x", [b"abc", memoryview(b"def"), b""]) == 6
        assert (tmp_path / "x").read_bytes() == b"abcdef"
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600

    def test_nothing_is_overwritten(self, tmp_path):
        (tmp_path / "x").write_bytes(b"mine")
        with pytest.raises(FileExistsError):
            files.write_new(tmp_path / "x", [b"abc"])
        assert (tmp_path / "x").read_bytes() == b"mine"

    def test_half_a_file_does_not_stay(self, tmp_path):
        def pieces():
            yield b"abc"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.write_new(tmp_path / "x", pieces())
        assert not list(tmp_path.iterdir())

    def test_it_lasts_with_its_name(self, tmp_path, monkeypatch):
        """A key that was made is not gone after a power cut."""
        synced = []
        sync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda one: (synced.append(os.fstat(one).st_ino), sync(one)))
        files.write_new(tmp_path / "x", [b"key"])
        assert synced == [(tmp_path / "x").stat().st_ino, tmp_path.stat().st_ino]

    def test_short_writes_go_on(self, tmp_path, monkeypatch):
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
        files.write_new(tmp_path / "x", [b"abcdefg"])
        assert (tmp_path / "x").read_bytes() == b"abcdefg"

    def test_full_disk(self, tmp_path, monkeypatch):
        def full(descriptor, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            files.write_new(tmp_path / "x", [b"abc"])
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("kind", "call"),
        [
            ("new", "write"),
            ("new", "fsync"),
            ("at", "write"),
            ("at", "fsync"),
            ("growing", "write"),
            ("growing", "fsync"),
            ("growing", "ftruncate"),
        ],
    )
    def test_a_broken_medium_is_said_of_the_file(self, tmp_path, monkeypatch, call, kind):
        """Of a descriptor the system does not say which file it is."""
        path = tmp_path / "x"
        if kind == "growing":
            path.touch()
        growing = files.GrowingFile(path) if kind == "growing" else None

        def broken(*_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, call, broken)
        with pytest.raises(OSError, match="Input/output") as caught:
            if growing:
                growing.append(b"abc")
                growing.sync()
                growing.cut(1)
            elif kind == "new":
                files.write_new(path, [b"abc"])
            else:
                with files.NewFile(path) as file:
                    file.write_at(0, b"abc")
        assert caught.value.filename == str(path)

    def test_what_cannot_be_read_while_it_is_written_keeps_its_name(self, tmp_path):
        def pieces():
            yield b"abc"
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with pytest.raises(OSError, match="Input/output") as caught:
            files.write_new(tmp_path / "x", pieces())
        assert caught.value.filename is None


class TestPublish:
    @pytest.fixture(params=["links", "no links"])
    def links(self, request, monkeypatch):
        """File systems with hard links, and those without."""
        if request.param == "no links":

            def refuse(*arguments):
                raise PermissionError(1, "Operation not permitted")

            monkeypatch.setattr(os, "link", refuse)

    def staged(self, tmp_path):
        (tmp_path / "in").mkdir()
        paths = [tmp_path / "in" / f"v.00{number}" for number in (1, 2, 3)]
        for path in paths:
            files.write_new(path, [path.name.encode()])
        return paths

    def test_final_names(self, tmp_path, links):
        files.publish_files(self.staged(tmp_path), tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "v.001", "v.002", "v.003"]
        assert stat.S_IMODE((tmp_path / "v.001").stat().st_mode) == 0o666 & ~publishing._UMASK

    def test_name_that_is_taken_takes_all_back(self, tmp_path, links):
        paths = self.staged(tmp_path)
        (tmp_path / "v.001").write_bytes(b"mine")
        with pytest.raises(OutputError, match=r"v\.001 exists"):
            files.publish_files(paths, tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "v.001"]
        assert (tmp_path / "v.001").read_bytes() == b"mine"

    def test_replace(self, tmp_path, links):
        (tmp_path / "v.001").write_bytes(b"old")
        files.publish_files(self.staged(tmp_path), tmp_path, replace=True)
        assert (tmp_path / "v.001").read_bytes() == b"v.001"

    @pytest.mark.parametrize("at", [1, 2, 3])
    @pytest.mark.parametrize("dies", [True, False])
    def test_what_is_replaced_in_part_is_replaced_whole_by_the_next_run(
        self, tmp_path, links, monkeypatch, at, dies
    ):
        """Old and new would be lost otherwise."""
        names = ["v.001", "v.002", "v.r01"]
        for name in names:
            (tmp_path / name).write_bytes(b"old")
        name_over, done = publishing._name_over, []

        def refuse(path, final):
            done.append(final)
            if len(done) == at:
                raise OSError(errno.EIO, "Input/output error", str(final))
            name_over(path, final)

        with monkeypatch.context() as during:
            during.setattr(publishing, "_name_over", refuse)
            with pytest.raises(OSError, match="Input/output"), files.Staging(tmp_path / "v") as staging:
                folder = staging.folder(files.VOLUMES)
                for name in names:
                    files.write_new(folder / name, [f"new {name}".encode()])
                staging.stays = dies
                files.publish_files([folder / name for name in names], tmp_path, replace=True)
        assert not (tmp_path / "v.001").exists()
        files.take_back(tmp_path / "v")
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {n: f"new {n}" for n in names}

    @pytest.mark.parametrize("exists", [True, False])
    def test_folder(self, tmp_path, exists):
        (tmp_path / "in" / "deep").mkdir(parents=True)
        (tmp_path / "in" / "deep" / "x").write_bytes(b"x")
        if exists:
            (tmp_path / "out").mkdir()
        files.publish_folder(tmp_path / "in", tmp_path / "out")
        assert (tmp_path / "out" / "deep" / "x").read_bytes() == b"x"
        assert not (tmp_path / "in").exists()

    def test_folder_that_was_filled_meanwhile(self, tmp_path):
        for name in ("in", "out"):
            (tmp_path / name).mkdir()
            (tmp_path / name / name).write_bytes(b"x")
        with pytest.raises(OutputError, match="in use"):
            files.publish_folder(tmp_path / "in", tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["out"]

    @pytest.mark.parametrize("mode", [0o700, 0o750, 0o500])
    def test_an_empty_folder_keeps_its_mode(self, tmp_path, mode):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "x").write_bytes(b"x")
        (tmp_path / "out").mkdir(mode)
        files.publish_folder(tmp_path / "in", tmp_path / "out")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode
        assert (tmp_path / "out" / "x").read_bytes() == b"x"

    def test_the_folder_that_it_was_called_in_gets_all_or_nothing(self, tmp_path, monkeypatch):
        for name in ("a", "b", "c"):
            (tmp_path / "in" / name).mkdir(parents=True)
        target = tmp_path / "out"
        (target / "b").mkdir(parents=True)  # somebody else's, meanwhile
        monkeypatch.chdir(target)
        with pytest.raises(OutputError, match="in use"):
            files.publish_folder(tmp_path / "in", target)
        assert [path.name for path in target.iterdir()] == ["b"]
        (target / "b").rmdir()
        files.publish_folder(tmp_path / "in", target)
        assert sorted(path.name for path in target.iterdir()) == ["a", "b", "c"]

    def test_a_run_that_died_while_it_filled_the_folder_is_finished(self, tmp_path):
        target = tmp_path / "out"
        target.mkdir()
        with files.Staging(target) as staging:
            moving = staging.folder("moving")
            (moving / "b").mkdir()
            (moving / "c").mkdir()
            (target / "a").mkdir()
            staging.stays = True
        files.remove_dead(target)
        assert sorted(path.name for path in target.iterdir()) == ["a", "b", "c"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_a_result_without_its_last_sync_is_none(self, tmp_path, monkeypatch):
        """What may be gone after a power cut must not be there when the run says that it failed."""
        sync = publishing.sync_folder

        def refuse(folder):
            if folder == tmp_path and (tmp_path / "out").exists():
                raise OSError(errno.EIO, "Input/output error", str(folder))
            sync(folder)

        monkeypatch.setattr(publishing, "sync_folder", refuse)
        (tmp_path / "in").mkdir()
        with pytest.raises(OSError, match="Input/output"):
            files.publish_folder(tmp_path / "in", tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    @pytest.mark.parametrize("make", [lambda p: p.write_bytes(b"x"), lambda p: p.symlink_to(p.parent)])
    def test_target_that_is_no_folder(self, tmp_path, make):
        make(tmp_path / "out")
        with pytest.raises(OutputError):
            files.check_target_folder(tmp_path / "out")


@pytest.mark.parametrize(
    "component",
    [
        "", ".", "..", "a/b", "a\\b", "/etc", "con", "aux.dcm", "LPT1", "a:b", "a\0", "x.", "x ", " x",
        "a" * 250, "ä" * 130, "\u202e", "a\u202eb", "\udc80", "a\nb", "a?", "COM1.txt", "nul",
        "con .dcm", "COM².dcm", "conin$",
    ],
)  # fmt: skip
def test_names_that_are_not_safe(tmp_path, component):
    with pytest.raises(OutputError):
        files.member_path(tmp_path, ["ok", component])


def test_names_of_members_are_safe(tmp_path):
    assert (
        files.member_path(tmp_path, ["2.25.1", "00000001-2.25.3.dcm"])
        == tmp_path / "2.25.1/00000001-2.25.3.dcm"
    )


class TestReading:
    def test_at_any_place(self, tmp_path):
        (tmp_path / "x").write_bytes(b"0123456789")
        with files.FileAccess(tmp_path / "x") as access:
            assert access.size == 10
            assert access.read_at(3, 4) == b"3456"
            assert access.read_at(8, 5) == b"89"
            assert access.read_at(20, 5) == b""

    def test_without_pread(self, tmp_path, monkeypatch):
        monkeypatch.delattr(os, "pread")
        self.test_at_any_place(tmp_path)

    @pytest.mark.parametrize("read", [files.FileAccess, files.sha256, lambda p: files.SourceBytes(p, 9)])
    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
    def test_folders_pipes_and_devices_are_no_files(self, tmp_path, read, make):
        """Whatever they were when somebody looked: nobody waits for a pipe, or reads a device to its end."""
        make(tmp_path / "x")
        with pytest.raises(OSError, match="not a regular file"):
            read(tmp_path / "x")

    def test_a_source_that_grows_is_noticed(self, tmp_path, monkeypatch):
        path = tmp_path / "x"
        path.write_bytes(b"0123456789")
        real = os.fstat
        calls = []

        def grow(descriptor):
            calls.append(descriptor)
            if len(calls) == 3:  # it was opened, and read
                with open(path, "ab") as file:
                    file.write(b"more")
            return real(descriptor)

        monkeypatch.setattr(os, "fstat", grow)
        with pytest.raises(InputError, match="changed"):
            files.SourceBytes(path, 100)

    def test_too_large_a_source_is_not_read(self, tmp_path):
        (tmp_path / "x").write_bytes(b"0123456789")
        assert files.SourceBytes(tmp_path / "x", 10).data == b"0123456789"
        with pytest.raises(InputError, match="10 bytes"):
            files.SourceBytes(tmp_path / "x", 9)


def test_room_is_checked_before_the_work(tmp_path):
    files.check_room(tmp_path, 1)
    with pytest.raises(OutputError, match="not enough room"):
        files.check_room(tmp_path, 1 << 60)


def test_pages_are_given_back_whenever_there_is_a_mapping(tmp_path, monkeypatch):
    """Also where one is made just when the last one has gone, and the thread is about to end."""
    monkeypatch.setattr(mapping, "_GIVEN_BACK_EVERY", 0.0005)
    for _ in range(300):
        unnamed = files.UnnamedFile(tmp_path)
        unnamed.append(b"x")
        view = unnamed.mapped()
        time.sleep(0.0004)
        del view
        unnamed.append(b"y")
        view = unnamed.mapped()
        deadline = time.monotonic() + 5
        while not mapping._giving_back.locked() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert mapping._giving_back.locked()
        assert bytes(view) == b"xy"
