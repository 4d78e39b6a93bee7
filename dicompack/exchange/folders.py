"""Folders as sources: every file in them once, whatever links there are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dicompack.files import STAGING_SUFFIX


class Found(NamedTuple):
    """A file, or why there is none."""

    path: Path
    problem: str = ""
    """A link that leads back, something that is no regular file, or what cannot be read."""
    unreadable: bool = False
    """Nobody knows what is in it."""


def real_path(path: Path) -> str:
    """Where a path leads; empty where the system does not let anybody look, as in parts of /proc."""
    try:
        return os.path.realpath(path)
    except OSError:
        return ""


def walk(folder: Path) -> Iterator[Found]:
    """Every file below a folder, each folder once; symbolic links to folders are followed last."""
    seen: set[str] = set()
    waiting = [folder]
    while waiting:
        start = waiting.pop(0)
        if real_path(start) in seen:
            yield Found(start, "a link to a folder that is read already")
        else:
            yield from _walk(start, seen, waiting)


def _walk(folder: Path, seen: set[str], waiting: list[Path]) -> Iterator[Found]:
    """The tree below a real folder in the order of names; linked folders are left to wait."""
    seen.add(real_path(folder))
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield Found(folder, f"a folder that cannot be read: {error.strerror}", True)
        return
    for entry in entries:
        if entry.name.endswith(STAGING_SUFFIX):
            continue  # a run's own work, when the output lies in the source
        try:
            mode = entry.stat().st_mode
        except OSError:
            nowhere = entry.is_symlink()
            yield Found(entry, "a link that leads nowhere" if nowhere else "cannot be read", not nowhere)
            continue
        if stat.S_ISDIR(mode) and entry.is_symlink():
            waiting.append(entry)
        elif stat.S_ISDIR(mode):
            yield from _walk(entry, seen, waiting)
        elif stat.S_ISREG(mode):
            yield Found(entry)
        else:
            yield Found(entry, "neither a file nor a folder")
