"""Mapped files: the bytes of large ones, without the memory."""

from __future__ import annotations

import mmap
import os
import threading
import time
import weakref

MAPPED_ABOVE = 64 << 20
"""Bytes of a file that is not read into memory but mapped."""
# Pages of a mapped file count as this process's memory until they are given back, which costs little: they
# stay in the system's cache, and come back when they are touched.
TOUCHES = 32
"""Places of a mapped file that may be looked at before pages are given back: for each the system may map a
megabyte or two around it."""
_GIVEN_BACK_EVERY = 0.02  # seconds, in which some 40 MB can be touched
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_changing_maps = threading.Lock()
_giving_back = threading.Lock()


def map_for_reading(descriptor: int) -> memoryview:
    """The bytes of an open file, which may be closed then. They are gone when no view is left.

    Raises:
        ValueError: the file is empty.
    """
    return mapped(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))


def mapped(mapping: mmap.mmap) -> memoryview:
    """The bytes of a mapping, whose pages do not stay for long in this process."""
    with _changing_maps:
        _maps.add(mapping)
    give_back_mapped()
    return memoryview(mapping)


def give_back_mapped() -> None:
    """From now on this process gives pages back; a copy of one that does has to begin anew."""
    if hasattr(mmap, "MADV_DONTNEED") and _giving_back.acquire(blocking=False):
        threading.Thread(target=_give_back, daemon=True).start()


def _all_maps() -> list[mmap.mmap]:
    with _changing_maps:
        return [*_maps]


def give_back_now() -> None:
    """Give pages back where they are touched faster than a thread comes to its turn; views remain valid."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapping in _all_maps():
            mapping.madvise(mmap.MADV_DONTNEED)


def _give_back() -> None:
    """While there are mappings, none of their pages stays for long; views remain valid all the time."""
    while True:
        while _all_maps():
            give_back_now()
            time.sleep(_GIVEN_BACK_EVERY)
        _giving_back.release()
        # Who made a mapping just before the release has found us still at work, and began no other thread.
        if not _all_maps() or not _giving_back.acquire(blocking=False):
            return


def _after_fork() -> None:
    """Threads do not come along; the next mapping begins another one."""
    global _changing_maps, _giving_back
    _changing_maps, _giving_back = threading.Lock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
