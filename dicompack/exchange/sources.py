"""Where instances come from: files and folders, as a person names them. DICOM is found by content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeAlias

from dicompack.dicom.dicom_file import DICOMDIR_CLASS, HEAD_SIZE, looks_like_dicom
from dicompack.errors import InputError
from dicompack.exchange.folders import Found, real_path, walk
from dicompack.files import start_of
from dicompack.report import Skipped

_SAYS_DIRECTORY = re.compile(re.escape(DICOMDIR_CLASS).encode("ascii") + rb"(?![0-9.])")
_META_SIZE = 1024  # bytes at the start of a file in which its File Meta Information says what it is


@dataclass(frozen=True)
class SourceFile:
    """A file that looks like DICOM from its first bytes."""

    name: str
    """Relative to the source that it was found in, with ``/`` between components."""
    path: Path


@dataclass(frozen=True)
class OtherFile:
    """A file that is no DICOM, and why."""

    name: str
    path: Path
    reason: str

    @property
    def skipped(self) -> Skipped:
        """As what is left out."""
        return Skipped(self.name, dicom=False, reason=self.reason)


Entry: TypeAlias = SourceFile | OtherFile | Skipped


def find(sources: Sequence[Path], exclude: Iterable[str] = ()) -> Iterator[Entry]:
    """Walk the sources in the order of names; what cannot be used at all comes out as `Skipped`.

    Each file comes once, however many sources lead to it.

    Raises:
        InputError: a source does not exist.
    """
    patterns = tuple(exclude)
    seen: set[str] = set()
    for source in sources:
        if not source.exists():
            raise InputError(f"{source.name or source} does not exist", hint="check the path")
    for source in sources:
        several = len(sources) > 1
        for name, (path, problem, unreadable) in _files(source, several):
            if any(fnmatch(name, pattern) or fnmatch(path.name, pattern) for pattern in patterns):
                yield Skipped(name, dicom=False, reason="excluded")
                continue
            place = real_path(path)
            if problem or not place:
                # Nobody can tell what is in there; it counts as an instance so that the exit code speaks.
                yield Skipped(name, dicom=unreadable or not problem, reason=problem or "cannot be read")
            elif place in seen:
                yield Skipped(name, dicom=False, reason="a file that was found already")
            else:
                seen.add(place)
                entry = _look(name, path)
                if isinstance(entry, OtherFile) and not _is_inside(place, source):
                    yield Skipped(name, dicom=False, reason="a link out of the source, to what is no DICOM")
                else:
                    yield entry


def _is_inside(place: str, source: Path) -> bool:
    """Whether a real path lies in a source: what is no DICOM travels only from where a person pointed at."""
    folder = source if source.is_dir() else source.parent
    return place == real_path(source) or Path(place).is_relative_to(real_path(folder))


def _files(source: Path, several: bool) -> Iterator[tuple[str, Found]]:
    if _is_directory_file(source):
        source = source.parent  # a DICOMDIR stands for the media that it describes
    if not source.is_dir():
        yield source.name, Found(source, "" if source.is_file() else "neither a file nor a folder")
        return
    for found in walk(source):
        relative = found.path.relative_to(source).as_posix()
        yield f"{source.resolve().name}/{relative}" if several else relative, found


def _is_directory_file(source: Path) -> bool:
    """Whether a file is a DICOMDIR, by its File Meta Information."""
    try:
        head = start_of(source, _META_SIZE)
    except OSError:
        return False  # a folder; or whatever is wrong with it is said when it is looked at
    return looks_like_dicom(head[:HEAD_SIZE]) and _SAYS_DIRECTORY.search(head) is not None


def _look(name: str, path: Path) -> Entry:
    try:
        head = start_of(path, HEAD_SIZE)
    except OSError as error:
        return Skipped(name, dicom=True, reason=f"cannot be read: {error.strerror}")
    if not head:
        return OtherFile(name, path, "empty")
    if looks_like_dicom(head):
        return SourceFile(name, path)
    return OtherFile(name, path, "not DICOM")
