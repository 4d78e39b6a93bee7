"""Reading around places that a medium does not give back, so that only they are lost."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dicompack.container.conditions import merged
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECTOR_SIZE = 4096
"""Bytes that are given up at a time; a disc has sectors of 2048, disks of 512 or 4096 bytes."""


def read_around(
    read_at: Callable[[int, int], bytes], offset: int, end: int
) -> tuple[bytes, list[tuple[int, int]]]:
    """The bytes from `offset` to `end`, and the ranges that could not be read: they are zeros.

    Zeros do not have the hash of what was there, so that a bad place is damage like any other.

    Raises:
        OSError: something else than a bad place is wrong.
    """
    try:
        return read_at(offset, end - offset), []
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    pieces, bad = [], []
    for start in range(offset, end, SECTOR_SIZE):
        stop = min(end, start + SECTOR_SIZE)
        try:
            pieces.append(read_at(start, stop - start))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            pieces.append(bytes(stop - start))
            bad.append((start, stop))
    return b"".join(pieces), bad


def unreadable(name: str, bad: Iterable[tuple[int, int]]) -> list[Finding]:
    """A finding for each range of a file that could not be read."""
    return [
        Finding("unreadable", name, f"bytes {start} to {end - 1} cannot be read", "VOL-17")  # VOL-17
        for start, end in merged(list(bad))
    ]
