"""Where every byte of a package goes, from names and sizes alone.

Writer and reader run this same code: what it gives is the only form that a package with these objects,
this volume size and these ids can have (``spec/6-volumes.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dicompack.container import names
from dicompack.container.frames import (
    HEAD_SIZE,
    TAIL_FIXED_SIZE,
    Descriptor,
    largest_tail_offset,
    table_size,
)
from dicompack.container.limits import (
    MAXIMUM_OBJECT_SIZE,
    MAXIMUM_VOLUME_SIZE,
    MAXIMUM_VOLUMES,
    MINIMUM_VOLUME_SIZE,
)
from dicompack.container.readme import README_TEXT
from dicompack.container.zip_entries import END_SIZE, LOCAL_HEADER_SIZE, central_header_size
from dicompack.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE_STEP = 1024
"""Bytes that sizes in a hint are whole multiples of: they are typed by people."""

_PIECE_DIGITS = 4
_FRAME_NAME_SIZE = len(names.head_name(1))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a package: a CMS object or DIGESTS. Its size is in bytes, at least 1."""

    name: str
    size: int


@dataclass(frozen=True)
class SetIds:
    """Two random ids of 16 bytes: what the package is, and which writing of it this is."""

    set_id: bytes
    volume_set: bytes

    def __post_init__(self) -> None:
        if len(self.set_id) != 16 or len(self.volume_set) != 16:
            raise UsageError("a set id and a volume set have 16 bytes each")


class Entry(NamedTuple):
    """One ZIP entry that holds an object or a piece of one."""

    name: str
    position: int
    """Of its local header in the volume."""
    object_name: str
    object_offset: int
    """Of its first byte in the object."""
    size: int

    @property
    def data_position(self) -> int:
        """Of its first byte in the volume."""
        return self.position + LOCAL_HEADER_SIZE + len(self.name)


@dataclass(frozen=True)
class VolumeLayout:
    """One data volume: its descriptor, and its entries without frames and README."""

    descriptor: Descriptor
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.descriptor.size


@dataclass(frozen=True)
class Layout:
    """A whole package."""

    ids: SetIds
    volume_size: int | None
    """Of every volume but the last; None where there is one volume only, whatever was asked for."""
    objects: tuple[StoredObject, ...]
    volumes: tuple[VolumeLayout, ...]
    directory_size: int

    @property
    def count(self) -> int:
        """Number of data volumes."""
        return len(self.volumes)

    @property
    def total(self) -> int:
        """Bytes of all data volumes."""
        return self.volumes[0].descriptor.total

    @property
    def recovery(self) -> int:
        """Number of recovery volumes."""
        return self.volumes[0].descriptor.recovery

    @property
    def entry_count(self) -> int:
        """ZIP entries of all volumes: objects and pieces, two frames a volume, README."""
        return sum(len(volume.entries) for volume in self.volumes) + 2 * self.count + 1

    def volume_names(self, package_name: str) -> tuple[str, ...]:
        """File names of the data volumes: ``package_name`` alone, or with ``.001``, ``.002`` and so on."""
        return names.volume_names(package_name, self.count)


class _TooSmallError(Exception):
    """The volume size does not do."""


class VolumeSizeError(UsageError):
    """The volume size does not do."""


def lay_out(
    objects: Sequence[StoredObject],
    ids: SetIds,
    volume_size: int | None,
    recovery: int = 0,
    *,
    suggest: bool = True,
) -> Layout:
    """Give every object its place; sizes only.

    Args:
        objects: members, MANIFEST, DIGESTS, seals, in this order.
        ids: the two ids of the package.
        volume_size: bytes of every volume but the last; None for one volume of any size.
        recovery: number of recovery volumes, which stands in the descriptors.
        suggest: whether to look for a volume size that does, where this one does not.

    Raises:
        UsageError: ZIP-2 names out of order, ZIP-3 an impossible object size, VOL-14 a volume size out of
            bounds or too small for the directory; the hint names the size that does.
    """
    problem = names.order_problem([item.name for item in objects])
    if problem is not None:
        raise UsageError(problem, rule="ZIP-2")
    if not all(1 <= item.size <= MAXIMUM_OBJECT_SIZE for item in objects):
        raise UsageError(f"an object has less than 1 or more than {MAXIMUM_OBJECT_SIZE} bytes", rule="ZIP-3")
    check_volume_size(volume_size)
    try:
        return _fill(objects, ids, MAXIMUM_VOLUME_SIZE if volume_size is None else volume_size, recovery)
    except _TooSmallError:
        if volume_size is None:
            raise UsageError(
                f"the package is larger than {MAXIMUM_VOLUME_SIZE} bytes",
                rule="VOL-14",
                hint="ask for volumes",
            ) from None
    hint = None
    if suggest:
        hint = f"ask for volumes of at least {_size_that_does(objects, ids, volume_size)} bytes"
    raise VolumeSizeError(
        f"the volume size of {volume_size} bytes is too small for {len(objects)} objects",
        rule="VOL-14",
        hint=hint,
    )


def check_volume_size(volume_size: int | None) -> None:
    """See that volumes of this size, in bytes, can be at all.

    Raises:
        UsageError: VOL-14.
    """
    if volume_size is not None and not MINIMUM_VOLUME_SIZE <= volume_size <= MAXIMUM_VOLUME_SIZE:
        raise UsageError(
            f"a volume has {MINIMUM_VOLUME_SIZE} to {MAXIMUM_VOLUME_SIZE} bytes, not {volume_size}",
            rule="VOL-14",
            hint="for a mail, 10M; for a DVD, 4G",
        )


def _size_that_does(objects: Sequence[StoredObject], ids: SetIds, volume_size: int) -> int:
    """About the smallest that does, when `volume_size` does not. Large volumes have a small directory."""
    high = rounded_size(volume_size)
    low = high - SIZE_STEP
    while not _fits(objects, ids, high):
        low, high = high, rounded_size(high + high // 2)
    while high - low > max(SIZE_STEP, high // 64):
        middle = rounded_size((low + high) // 2)
        low, high = (low, middle) if _fits(objects, ids, middle) else (middle, high)
    return high


def rounded_size(size: int) -> int:
    """The next size that people are told to ask for."""
    return -(-size // SIZE_STEP) * SIZE_STEP


def _fits(objects: Sequence[StoredObject], ids: SetIds, volume_size: int) -> bool:
    try:
        _fill(objects, ids, volume_size, 0)
    except _TooSmallError:
        return False
    return True


def _fill(objects: Sequence[StoredObject], ids: SetIds, volume_size: int, recovery: int) -> Layout:
    """Put the objects into volumes, one after the other; an object is cut only where a volume ends."""
    room = largest_tail_offset(volume_size)
    contents: list[tuple[tuple[Entry, ...], int]] = []
    entries: list[Entry] = []
    position = HEAD_SIZE + LOCAL_HEADER_SIZE + len(names.README) + len(README_TEXT)
    directory = central_header_size(_FRAME_NAME_SIZE, 0) + central_header_size(len(names.README), 0)
    start = 0

    def close() -> None:
        nonlocal entries, position, directory, start
        contents.append((tuple(entries), position))
        directory += central_header_size(_FRAME_NAME_SIZE, start + position)
        start += volume_size
        directory += central_header_size(_FRAME_NAME_SIZE, start)
        entries, position = [], HEAD_SIZE
        if len(contents) >= MAXIMUM_VOLUMES:
            raise _TooSmallError

    for name, size in ((item.name, item.size) for item in objects):
        name_size = len(name)
        prefix = names.piece_prefix(name)
        piece_header = LOCAL_HEADER_SIZE + len(prefix) + _PIECE_DIGITS
        offset = number = 0
        while offset < size:
            if offset == 0 and position + LOCAL_HEADER_SIZE + name_size + size <= room:
                entries.append(Entry(name, position, name, 0, size))
                directory += central_header_size(name_size, start + position)
                position += LOCAL_HEADER_SIZE + name_size + size
                break
            if position + piece_header >= room:
                close()
                continue
            number += 1
            taken = min(size - offset, room - position - piece_header)
            entries.append(Entry(f"{prefix}{number:04d}", position, name, offset, taken))
            directory += central_header_size(len(prefix) + _PIECE_DIGITS, start + position)
            position += piece_header + taken
            offset += taken

    def last_size() -> tuple[int, int]:
        whole = directory + central_header_size(_FRAME_NAME_SIZE, start + position)
        return position + TAIL_FIXED_SIZE + table_size(position) + whole + END_SIZE, whole

    if last_size()[0] > volume_size:
        # The directory goes with the tail into a volume of its own; this one is padded.
        close()
    size_of_last, directory = last_size()
    if size_of_last > volume_size:
        raise _TooSmallError
    contents.append((tuple(entries), position))
    return _describe(objects, ids, volume_size, contents, size_of_last, directory, recovery)


def _describe(
    objects: Sequence[StoredObject],
    ids: SetIds,
    volume_size: int,
    contents: Sequence[tuple[tuple[Entry, ...], int]],
    size_of_last: int,
    directory_size: int,
    recovery: int,
) -> Layout:
    count = len(contents)
    volumes = []
    for index, (entries, tail_offset) in enumerate(contents, start=1):
        descriptor = Descriptor(
            set_id=ids.set_id,
            volume_set=ids.volume_set,
            index=index,
            count=count,
            size=size_of_last if index == count else volume_size,
            offset=(index - 1) * volume_size,
            total=(count - 1) * volume_size + size_of_last,
            volume_size=0 if count == 1 else volume_size,
            tail_offset=tail_offset,
            recovery=recovery,
        )
        volumes.append(VolumeLayout(descriptor, entries))
    asked = None if count == 1 else volume_size
    return Layout(ids, asked, tuple(objects), tuple(volumes), directory_size)
