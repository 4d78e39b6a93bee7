"""Files that are written: new, private, whole or gone."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from dicompack.errors import OutputError
from dicompack.files.mapping import map_for_reading, mapped
from dicompack.files.reading import read_at
from dicompack.files.refusals import named

_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# Windows flushes only what is open for writing.
_OPEN_WRITTEN = (os.O_RDWR if sys.platform == "win32" else os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0)
_SYNCED_AT_ONCE = 8  # threads, which do nothing but wait
_OPEN_GROWING = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_again(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file in our own staging, where an attempt that died may have left its own."""
    path.unlink(missing_ok=True)
    return write_new(path, pieces, durable=False)


def write_new(path: Path, pieces: Iterable[bytes | memoryview], *, durable: bool = True) -> int:
    """Write a file that must not exist yet, mode 0600; return its size in bytes.

    With `durable` it is on the medium when this returns, and so is its name. A file that could not be
    finished is removed.
    """
    descriptor = os.open(path, _OPEN_NEW, 0o600)
    try:
        size = 0
        try:
            for piece in pieces:
                with named(path):
                    size += _write_all(descriptor, piece)
            if durable:
                with named(path):
                    os.fsync(descriptor)
        finally:
            with named(path):
                os.close(descriptor)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return size


def replace_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put new contents, mode 0600, in the place of a small file: always the old ones or the new ones."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # of a run that died
    # With it all names in the folder are on the medium: where this is found, what was made before is, too.
    write_new(beside, pieces)
    try:
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class NewFile:
    """A file that must not exist yet, mode 0600, written at any place.

    After the `with` block it is on the medium; one that could not be finished is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, _OPEN_NEW, 0o600)

    def write_at(self, offset: int, piece: bytes | memoryview) -> None:
        """Write all of `piece` from `offset` on."""
        with named(self._path):
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            _write_all(self._descriptor, piece)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        is_whole = False
        try:
            with named(self._path):
                try:
                    if error is None:
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            is_whole = error is None
        finally:
            if not is_whole:
                self._path.unlink(missing_ok=True)


def _write_all(descriptor: int, piece: bytes | memoryview) -> int:
    view = memoryview(piece).cast("B")
    done = 0
    while done < len(view):  # a write may be short, and a signal may cut it
        done += os.write(descriptor, view[done : done + (1 << 26)])
    return done


class GrowingFile:
    """A file in our staging that is added to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, _OPEN_GROWING)

    def append(self, data: bytes) -> None:
        """Write at its end."""
        with named(self._path):
            _write_all(self._descriptor, data)

    def cut(self, size: int) -> None:
        """Take away what comes after `size` bytes."""
        with named(self._path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Wait until it is on the medium."""
        with named(self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Give it back."""
        with named(self._path):
            os.close(self._descriptor)


class UnnamedFile:
    """A file without a name, mode 0600: it is gone when nobody uses it, and when its process dies.

    Args:
        folder: whose file system it is in; None: the system's place for such files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = Path(folder or tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # lives as long as this
        weakref.finalize(self, self._file.close)
        self.size = 0

    def append(self, piece: bytes | memoryview) -> int:
        """Add bytes at the end; give the offset where they begin."""
        start = self.size
        with named(self._folder):
            self.size += _write_all(self._file.fileno(), piece)
        return start

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes that were added; fewer only where the file ends."""
        return read_at(self._file.fileno(), offset, size)

    def mapped(self) -> memoryview:
        """All that was added, for reading."""
        return map_for_reading(self._file.fileno())

    def room(self, size: int) -> memoryview:
        """A place of so many zero bytes to write to, in a file that nothing was added to."""
        self._file.truncate(size)
        return mapped(mmap.mmap(self._file.fileno(), size))


def make_folders(folder: Path, path: Path) -> None:
    """Create the folders between `folder` and `path`, mode 0700."""
    missing: list[Path] = []
    while path != folder and not path.is_dir():
        missing.append(path)
        path = path.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another worker was faster
            path.mkdir(mode=0o700)


def check_room(folder: Path, size: int) -> None:
    """See that `size` bytes fit where `folder` is, before the work is done.

    Raises:
        OutputError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(f"not enough room: {size} bytes are needed, {free} are free", hint="make room")


def sync_folder(folder: Path) -> None:
    """Make names in a folder last through a power cut, where the system can."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder to drop files in, which nobody reads
        return
    try:
        with named(folder):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and FUSE file systems
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until everything in a folder is on the medium: contents, and names in all its folders."""
    found = list(folder.rglob("*"))
    contents = [path for path in found if path.is_file()]
    if len(contents) <= _SYNCED_AT_ONCE:
        for path in contents:
            _sync_file(path)
    else:
        from concurrent.futures import ThreadPoolExecutor

        # The system can write several at once; one after the other each would wait for its own turn.
        with ThreadPoolExecutor(_SYNCED_AT_ONCE) as threads:
            for _ in threads.map(_sync_file, contents):
                pass
    for path in [*(path for path in reversed(found) if path.is_dir()), folder]:
        sync_folder(path)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, _OPEN_WRITTEN)
    try:
        with named(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
