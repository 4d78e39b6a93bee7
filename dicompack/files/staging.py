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

STAGING_SUFFIX = ".dcmpack-staging"
VOLUMES = "volumes"
"""The folder in staging for files that get their final names beside the target."""
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
        self._lock = -1

    def __enter__(self) -> Staging:
        if not self.target.parent.is_dir():
            raise OutputError("the folder to write into does not exist", hint="create it first")
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):  # a run that ends just now takes its folder away
                try:
                    self.path.mkdir(mode=0o700)
                except FileExistsError:
                    self._check_folder()
                self._lock = _lock_file(self.path / _LOCK)
                break
        if self._lock < 0:
            raise OutputError("busy: another run works on this target", hint="wait for it to end")
        if not self._goes_on:
            self.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stays:
            os.close(self._lock)
            return
        stays = self.outlasts_errors or (kind is not None and issubclass(kind, KeyboardInterrupt))
        if self.outlasts and kind is not None and stays:
            self.clear(self.outlasts)
            os.close(self._lock)
            return
        self.clear((VOLUMES,))  # last what tells `take_back` that all names were given
        self.clear()
        if sys.platform == "win32":  # no open file can be removed there
            os.close(self._lock)
            _remove_tree(self.path)
            return
        try:
            (self.path / _LOCK).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                _remove_unless_taken(self.path)
        finally:
            os.close(self._lock)

    def folder(self, name: str) -> Path:
        """A new folder in here."""
        path = self.path / name
        path.mkdir(mode=0o700)
        return path

    def _check_folder(self) -> None:
        facts = self.path.lstat()
        ours = sys.platform == "win32" or (facts.st_uid == os.geteuid() and not facts.st_mode & 0o077)
        if not stat.S_ISDIR(facts.st_mode) or not ours:
            raise OutputError("the staging folder's name is taken by something else", hint="remove it")

    def clear(self, keep: tuple[str, ...] = ()) -> None:
        """Remove what a run left that has died; the lock told it from one that lives."""
        for entry in self.path.iterdir():
            if entry.name not in (_LOCK, *keep):
                _remove_tree(entry)


def take_back(target: Path) -> None:
    """VOL-18: settle what a run left that died while it gave files their final names, or just after.

    A staged file keeps its name until all have their final ones, so that it tells which of these are ours. If
    all have, the result stands; otherwise none keeps its name, and what staging holds can be gone on with.
    Without hard links nothing can be told, and nothing is done.

    Raises:
        OutputError: the run lives.
    """
    staging = Staging(target, goes_on=True)
    if not os.path.lexists(staging.path):
        return
    with staging:
        staged = list((staging.path / VOLUMES).glob("*"))
        published = [path for path in staged if _is_same(path, target.parent / path.name)]
        if staged and len(published) == len(staged):
            return
        for path in published:
            (target.parent / path.name).unlink()
        staging.stays = any(entry.name not in (_LOCK, VOLUMES) for entry in staging.path.iterdir())


def remove_dead(target: Path) -> None:
    """Remove what a run left that died while it made the folder `target`.

    Raises:
        OutputError: the run lives.
    """
    staging = Staging(target)
    if os.path.lexists(staging.path):
        with staging:
            pass


def temporary_target() -> Path:
    """A name in the system's folder for temporary files, for a `Staging` folder of this run alone."""
    return Path(tempfile.gettempdir()) / f"dicompack-{os.getpid()}-{os.urandom(4).hex()}"


def _remove_unless_taken(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:  # another run has put its lock there already
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _is_same(path: Path, final: Path) -> bool:
    return final.is_file() and not final.is_symlink() and path.samefile(final)


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock_file(path: Path) -> int:
        """An open descriptor that holds the lock, or -1 where somebody else does."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.close(descriptor)
            return -1
        return descriptor

else:
    import fcntl

    def _lock_file(path: Path) -> int:
        """An open descriptor that holds the lock, or -1 where somebody else does."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return -1
            raise
        try:
            same = os.path.samestat(os.fstat(descriptor), path.lstat())
        except FileNotFoundError:
            same = False
        if not same:  # whoever had it has just removed it, and others would not meet us here
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return descriptor
