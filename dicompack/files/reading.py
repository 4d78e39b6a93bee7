"""Files for reading: sources that must not change, and volumes at any place."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from dicompack.errors import InputError
from dicompack.files import mapping
from dicompack.files.mapping import map_for_reading
from dicompack.files.refusals import named

_MANY_FILES = 10_240  # the most volumes there can be, and some; macOS takes no more than this
# To open a pipe would wait for whoever writes to it; it is refused once it is open.
_OPEN_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def open_regular(path: Path) -> int:
    """A descriptor of what is a regular file when it is opened, whatever it was when somebody looked.

    Raises:
        IsADirectoryError: it is a folder, a pipe, a device.
    """
    descriptor = os.open(path, _OPEN_READ)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, "not a regular file", str(path))
    return descriptor


def sha256(path: Path) -> bytes:
    """Of a whole file."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def start_of(path: Path, size: int) -> bytes:
    """The first bytes of a file."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(size)


class SourceBytes:
    """The bytes of a source: read once, or mapped where they are too many.

    Raises:
        InputError: it has more than `limit` bytes, or changed while it was read: it is still being written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        with os.fdopen(open_regular(path), "rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_size > limit:
                raise InputError(f"{facts.st_size} bytes, and this version packs files up to {limit}")
            is_large = facts.st_size > mapping.MAPPED_ABOVE
            self.data: bytes | memoryview = map_for_reading(file.fileno()) if is_large else file.read()
            self._path = path
            self._facts = facts.st_size, facts.st_mtime_ns
            self._check(os.fstat(file.fileno()))

    def check_unchanged(self) -> None:
        """See that what was mapped is still what it was, now that it has been used.

        Raises:
            InputError: somebody writes it.
        """
        if isinstance(self.data, memoryview):
            self._check(self._path.stat())

    def _check(self, facts: os.stat_result) -> None:
        if (facts.st_size, facts.st_mtime_ns) != self._facts or len(self.data) != facts.st_size:
            raise InputError("the file changed while it was read", hint="wait until it is complete")


class FileAccess:
    """A file for reading at any place; the path is opened once and stays what it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = open_regular(path)
        self.size = os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only where the file ends."""
        with named(self._path):
            return read_at(self._descriptor, offset, size)

    def mapped(self) -> memoryview:
        """The whole file; it stays when this is closed."""
        return map_for_reading(self._descriptor)

    def close(self) -> None:
        """Give the file back; once is enough."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with named(self._path):
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """`size` bytes of an open file from `offset`; fewer only where it ends."""
    pieces: list[bytes] = []
    while size:
        if hasattr(os, "pread"):
            piece = os.pread(descriptor, size, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            piece = os.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        offset, size = offset + len(piece), size - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def allow_many_files() -> None:
    """A package may have more volumes than a process may have files open by default; ask for the maximum."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(_MANY_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
