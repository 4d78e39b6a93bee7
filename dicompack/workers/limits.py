"""What a task may take: address space and CPU time, set in the worker by the system's own limits.

The limits are *soft* ones that are raised for each task (`setrlimit`, POSIX): a decoder that asks for more
memory is told that there is none, and one that does not end is ended by the system, with its process.

=========  ==================================  =========================================
system     memory                              time
=========  ==================================  =========================================
Linux      address space                       CPU time, and the clock (the parent)
macOS      none: the system does not keep it   CPU time, and the clock
Windows    none                                the clock
=========  ==================================  =========================================
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20

PROGRAM: Final = 96 * MIB
"""What a worker has before its first task, most of it shared with the others; 46 to 76 MiB were measured."""

LEAST: Final = 64 * MIB
"""Below this a worker cannot even load a codec: 30 MiB of memory, and address space for its threads."""

AT_ONCE: Final = 64 * MIB
"""Bytes above which an instance of many frames is worked on frame by frame."""

LARGEST_FRAME: Final = 512 * MIB
"""Bytes of one frame, which a codec must have whole."""

_CLOCK: Final = 20
"""Times the CPU time that a task may take by the clock: a busy machine is slow, and a hanging task sleeps."""

_UNLIMITED_MEMORY: Final = 1 << 62

_KEPT: Final = 32 * MIB
"""Bytes at the end of a worker's heap that stay with it; what a CT slice needs is 6."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3  # both from malloc.h of glibc


@dataclass(frozen=True)
class Demand:
    """What one task may take."""

    memory: int
    """Bytes of address space on top of what the process has when it begins, and no more."""
    least: int
    """Bytes without which there is no point to begin."""
    seconds: int
    """CPU time."""
    mapped: int = 0
    """Bytes of files that are mapped: address space, but no memory that others could miss."""

    @property
    def by_the_clock(self) -> int:
        """Seconds after which the parent ends it, whatever it does."""
        return self.seconds * _CLOCK


@dataclass(frozen=True)
class Allowance:
    """What tasks of a kind may take: a fixed part, and one for each byte that they work on.

    The defaults are for stages 1 to 4. Measured for a 24 MB image of one frame (its codec holds 32-bit planes
    and a copy of the tile): 150 MB of memory, 309 MB of address space, 3.2 s; for 18 MB in 20 frames 193 MB
    of address space, 4.9 s.
    """

    memory: int = 384 * MIB
    """Libraries that are loaded with the first task, and arenas of their threads, take 180 MiB of it."""
    memory_per_byte: int = 8
    seconds: int = 10
    seconds_per_megabyte: int = 4

    def of(self, size: int) -> Demand:
        """For a task that works on `size` bytes."""
        return Demand(
            self.memory + self.memory_per_byte * min(size, LARGEST_FRAME),
            LEAST + self.memory_per_byte * min(size, AT_ONCE),
            self.seconds + self.seconds_per_megabyte * size // 10**6,
            size,
        )


if sys.platform == "win32":

    @contextlib.contextmanager
    def limited(demand: Demand, before: int) -> Iterator[None]:  # noqa: ARG001  # there is nothing to set
        """The clock alone, which the parent keeps."""
        yield

else:
    import resource

    @contextlib.contextmanager
    def limited(demand: Demand, before: int) -> Iterator[None]:
        """Work within limits; `before` is the address space that the process had when it was ready."""
        memory = resource.getrlimit(resource.RLIMIT_AS)
        cpu = resource.getrlimit(resource.RLIMIT_CPU)
        if before:
            _lower(resource.RLIMIT_AS, before + demand.memory + demand.mapped, memory)
        _lower(resource.RLIMIT_CPU, int(time.process_time()) + 1 + demand.seconds, cpu)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, memory)
            resource.setrlimit(resource.RLIMIT_CPU, cpu)

    def _lower(which: int, wanted: int, now: tuple[int, int]) -> None:
        """Never above what whoever started us allows."""
        for bound in now:
            if bound != resource.RLIM_INFINITY:
                wanted = min(wanted, bound)
        resource.setrlimit(which, (wanted, now[1]))


def address_space() -> int:
    """Bytes of address space that this process has; 0 where the system does not bound it."""
    if sys.platform != "linux":
        return 0
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def missing_limits() -> tuple[str, ...]:
    """What this system does not bound, as a person is told it."""
    memory, time_ = "the memory of worker processes", "their CPU time (the clock is used)"
    known = {"linux": (), "win32": (memory, time_)}
    return known.get(sys.platform, (memory,))


@functools.cache  # asked for with every task
def total_memory() -> int:
    """Bytes of memory of the machine, or of the container that this process is in."""
    found = [_UNLIMITED_MEMORY]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # another system, or no bound ("max")
            found.append(int(Path(path).read_text("ascii")))
    return min(found)


def keep_freed_memory() -> None:
    """Let the C library reuse what a codec gives back with each frame, up to `_KEPT`, where that is glibc.

    By itself it returns such memory to the system and asks for it again, page by page: 800 page faults and
    2 of 33 ms for a CT slice.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _KEPT // 2)
        set_option(_M_TRIM_THRESHOLD, _KEPT)


def forbid_core_dumps() -> None:
    """No memory with patients' data or keys ever lands on the disk because a process died."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
