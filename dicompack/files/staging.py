"""Staging folders: private, locked, gone at the end; and what a run left that died."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from dicompack.errors import OutputError
from dicompack.files.publishing import REPLACING, VOLUMES, finish_moving, finish_replacing, is_same
from dicompack.files.writing import sync_folder
from dicompack.finality import begin_anew, unfinished

STAGING_SUFFIX = ".dcmpack-staging"
_LOCK = "lock"
_ATTEMPTS = 5  # to take a staging folder that another run is just removing


class Staging:
    """A private folder beside `target` for the time of a run; gone when the `with` block ends.

    Raises:
        OutputError: the parent folder is missing, cannot be written, or another run works on this target.
    """

    def __init__(self, target: Path, *, goes_on: bool = False) -> None:
        self.target = target
        self.outlasts: tuple[str, ...] = ()
        """What stays for the next run where this one is interrupted."""
        self.outlasts_errors = False
        """Whether it stays after an error, too."""
        self.stays = False
        """Whether it is left as it is, for the next run."""
        self._goes_on = goes_on
        self.path = target.parent / f".{target.name}{STAGING_SUFFIX}"
        self._descriptor = -1
        self._locked = False

    def __enter__(self) -> Staging:
        if not self.target.parent.is_dir():
            raise OutputError("the folder to write into does not exist", hint="create it first")
        unfinished.append(self)
        try:
            self._take()
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):  # which may have come at any place
                self._give_lock_back()
                unfinished.remove(self)
            raise
        begin_anew()
        return self

    def _take(self) -> None:
        """Make the folder, and lock it; or lock what a run has left that died."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):  # a run that ends just now takes its folder away
                self._make_folder()
                self._descriptor = _open_lock(self.path / _LOCK)
                self._locked = _lock(self._descriptor, self.path / _LOCK)
                break
            self._give_lock_back()
        if not self._locked:
            self._give_lock_back()
            raise OutputError("busy: another run works on this target", hint="wait for it to end")
        if not self._goes_on:
            self.clear()

    def _give_lock_back(self) -> None:
        descriptor, self._descriptor, self._locked = self._descriptor, -1, False
        if descriptor >= 0:
            os.close(descriptor)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind)
        if self in unfinished:
            unfinished.remove(self)

    def _end(self, kind: type[BaseException] | None) -> None:
        if self.stays or (self.path / REPLACING).is_dir():  # which the next run goes on with
            self._give_lock_back()
            return
        stays = self.outlasts_errors or (kind is not None and issubclass(kind, KeyboardInterrupt))
        if self.outlasts and kind is not None and stays:
            self.clear(self.outlasts)
            self._give_lock_back()
            return
        self.clear((VOLUMES,))  # last what tells `take_back` that all names were given
        if (self.path / VOLUMES).exists():
            sync_folder(self.path)
        self.clear()
        if sys.platform == "win32":  # no open file can be removed there
            self._give_lock_back()
            _remove_tree(self.path)
            return
        try:
            (self.path / _LOCK).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                _remove_unless_taken(self.path)
        finally:
            self._give_lock_back()

    def abandon(self) -> None:
        """End what an interruption has cut short; what cannot be ended is left for the next run."""
        with contextlib.suppress(OSError, OutputError):
            if not self._locked:
                self._give_lock_back()
                if not os.path.lexists(self.path):
                    return
                self._take()
            self._end(KeyboardInterrupt)

    def folder(self, name: str) -> Path:
        """A new folder in here."""
        path = self.path / name
        path.mkdir(mode=0o700)
        return path

    def _make_folder(self) -> None:
        """Make it, or see that what has its name is what a run of this person has left."""
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            facts = self.path.lstat()
        except FileNotFoundError as error:  # beside the target nobody can make anything, as in /proc
            raise OutputError("nothing can be made beside the target", hint="name another folder") from error
        else:
            return
        ours = sys.platform == "win32" or (facts.st_uid == os.geteuid() and not facts.st_mode & 0o077)
        if not stat.S_ISDIR(facts.st_mode) or not ours:
            raise OutputError("the staging folder's name is taken by something else", hint="remove it")

    def clear(self, keep: tuple[str, ...] = ()) -> None:
        """Remove what a run left that has died; the lock told it from one that lives."""
        for entry in self.path.iterdir():
            if entry.name not in (_LOCK, *keep):
                _remove_tree(entry)


def take_back(target: Path, *, stands: bool | None = None) -> None:
    """VOL-18: settle what a run left that died while it gave files their final names, or just after.

    A staged file keeps its name until all have their final ones, so that it tells which of these are ours. If
    all have, the result stands; otherwise none keeps its name, and what staging holds can be gone on with.
    Without hard links nothing can be told, and nothing is done. Where others had these names, all get them.

    Args:
        target: what the run was to make.
        stands: whether it stands, for files that go with something else; None: if all have their names.

    Raises:
        OutputError: the run lives.
    """
    staging = Staging(target, goes_on=True)
    if not os.path.lexists(staging.path):
        return
    with staging:
        if (staging.path / REPLACING).is_dir():
            finish_replacing(staging.path, target.parent)
            return
        staged = list((staging.path / VOLUMES).glob("*"))
        published = [path for path in staged if is_same(path, target.parent / path.name)]
        if stands or (stands is None and staged and len(published) == len(staged)):
            return
        for path in published:
            (target.parent / path.name).unlink()
        sync_folder(target.parent)  # before nothing tells any more that they were ours
        staging.stays = any(entry.name not in (_LOCK, VOLUMES) for entry in staging.path.iterdir())


def remove_dead(target: Path) -> None:
    """Remove what a run left that died while it made the folder `target`, or finish what it had all but done.

    Raises:
        OutputError: the run lives; or there can be no such folder.
    """
    if not target.name:  # the root of a file system
        raise OutputError("the target folder is in use", hint="name a new folder")
    staging = Staging(target, goes_on=True)
    if os.path.lexists(staging.path):
        with staging:
            finish_moving(staging.path, target)


def temporary_target() -> Path:
    """A name in the system's folder for temporary files, for a `Staging` folder of this run alone."""
    return Path(tempfile.gettempdir()) / f"dicompack-{os.getpid()}-{os.urandom(4).hex()}"


def _remove_unless_taken(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:  # another run has put its lock there already
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, path: Path) -> bool:  # noqa: ARG001  # nobody can remove it while it is open
        """Lock an open file, unless somebody else does."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int, path: Path) -> bool:
        """Lock an open file, unless somebody else does.

        Raises:
            FileNotFoundError: whoever had it has just removed it, and others would not meet us here.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        if not os.path.samestat(os.fstat(descriptor), path.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return True
