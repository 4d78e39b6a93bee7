"""From sound volumes to their layout: read names and sizes, lay out again, compare every structural byte.

The order of the checks:
 1. the directory's headers tile it (ZIP-1), names are in the grammar (ZIP-4), pieces are in order (ZIP-5);
 2. the objects can be laid out at all (ZIP-2, ZIP-3);
 3. the layout has the volumes that the descriptors describe (VOL-12), those at hand;
 4. the directory and everything after it are what a writer makes of this layout (ZIP-6, ZIP-7);
 5. so is every local header, and the README (ZIP-6).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicompack.container import names
from dicompack.container.conditions import RandomAccess, VolumeCondition, judged_pieces
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.frames import (
    BLOCK_SIZE,
    DESCRIPTOR_SIZE,
    HEAD_SIZE,
    marshal_descriptor,
    tail_entry_size,
)
from dicompack.container.layout import Layout, SetIds, StoredObject, lay_out
from dicompack.container.readme import README_TEXT
from dicompack.container.zip_entries import (
    END_SIZE,
    DirectoryEntry,
    central_header,
    end_records,
    local_header,
    parse_directory,
)
from dicompack.errors import FormatError, UsageError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class FoundVolume:
    """A file that is a volume, read under its name: `RandomAccess` for bytes that must be there."""

    file_name: str
    file: RandomAccess
    condition: VolumeCondition

    @property
    def index(self) -> int:
        """Its number, from 1."""
        return self.condition.descriptor.index

    @property
    def size(self) -> int:
        """In bytes, when it was examined."""
        return self.condition.actual_size

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Exactly `size` bytes.

        Raises:
            DamagedVolumesError: VOL-6 the file has become shorter since it was examined.
        """
        data = self.file.read_at(offset, size)
        if len(data) != size:  # VOL-6
            message = f"{self.condition.descriptor.number} ended early, while it was read"
            raise DamagedVolumesError([Finding("truncated", self.file_name, message, "VOL-6")])
        return data


def read_structure(
    volumes: Sequence[FoundVolume], damaged: list[Finding] | None = None
) -> tuple[Layout, dict[str, int]]:
    """The layout of a set of sound volumes, the last among them, and the CRC-32 of each entry by its name.

    Args:
        volumes: those at hand.
        damaged: takes the damage of local headers, which is no error then: they say nothing that the
            directory does not.

    Raises:
        FormatError: the bytes are not those that a writer makes; the rules are in the module's text.
        DamagedVolumesError: VOL-10 a structural byte is not what was written.
    """
    last = volumes[-1]
    descriptor = last.condition.descriptor
    directory_size = descriptor.size - descriptor.tail_end - END_SIZE
    directory = last.read_at(descriptor.tail_end, directory_size)
    try:
        entries = parse_directory(directory)  # 1
        objects = _objects(entries)
        # Before anything is laid out: the sizes are claims, the files' length is a fact.
        if sum(item.size for item in objects) > descriptor.total:  # ZIP-3
            raise FormatError("the objects are larger than the volumes", rule="ZIP-3")
        ids = SetIds(descriptor.set_id, descriptor.volume_set)
        size = descriptor.volume_size or None
        layout = lay_out(objects, ids, size, descriptor.recovery, suggest=False)  # 2
    except FormatError as error:
        error.where = f"{last.file_name}, directory" + (f", {error.where}" if error.where else "")
        raise
    except UsageError as error:
        raise FormatError(error.message, where=f"{last.file_name}, directory", rule=error.rule) from error
    at_hand = {found.index: found for found in volumes}
    for found in volumes:  # 3
        its = layout.volumes[found.index - 1].descriptor if found.index <= layout.count else None
        if layout.count != descriptor.count or found.condition.descriptor != its:  # VOL-12
            raise FormatError(
                "the volumes are not filled as a writer does", where=found.file_name, rule="VOL-12"
            )
    expected = list(_expected_entries(layout))
    _check_directory(last, layout, directory, expected, entries)  # 4
    for entry, (number, name, size, position) in zip(entries, expected, strict=True):  # 5
        if number + 1 not in at_hand:
            continue
        try:
            _check_local_header(at_hand[number + 1], name, size, entry.crc, position)
        except DamagedVolumesError as error:
            if damaged is None:
                raise
            damaged += [finding for finding in error.findings if finding not in damaged]
    return layout, {entry.name: entry.crc for entry in entries}


def _objects(entries: Sequence[DirectoryEntry]) -> list[StoredObject]:
    """Whole objects from whole entries and pieces."""
    objects: list[StoredObject] = []
    pieces = 0
    for entry in entries:
        if names.is_frame(entry.name):
            continue
        piece = names.parse_entry_name(entry.name)
        if piece is None:  # ZIP-4
            raise FormatError(
                "an entry's name is outside the grammar", where=f"after {len(objects)} objects", rule="ZIP-4"
            )
        object_name, number = piece
        if number == 0 or (number == 1 and (not pieces or objects[-1].name != object_name)):
            objects.append(StoredObject(object_name, entry.size))
        elif objects and objects[-1].name == object_name and number == pieces + 1:
            objects[-1] = StoredObject(object_name, objects[-1].size + entry.size)
        else:  # ZIP-5
            raise FormatError(
                "a piece of an object is out of order", where=f"after {len(objects)} objects", rule="ZIP-5"
            )
        pieces = number
    return objects


def _expected_entries(layout: Layout) -> Iterator[tuple[int, str, int, int]]:
    """Every entry of the ZIP in order: volume (from 0), name, size, position of its local header."""
    for number, volume in enumerate(layout.volumes):
        index = number + 1
        yield number, names.head_name(index), DESCRIPTOR_SIZE, 0
        if number == 0:
            yield number, names.README, len(README_TEXT), HEAD_SIZE
        for entry in volume.entries:
            yield number, entry.name, entry.size, entry.position
        yield (
            number,
            names.tail_name(index),
            tail_entry_size(volume.descriptor),
            volume.descriptor.tail_offset,
        )


def _check_directory(
    last: FoundVolume,
    layout: Layout,
    directory: bytes,
    expected: Sequence[tuple[int, str, int, int]],
    entries: Sequence[DirectoryEntry],
) -> None:
    where = f"{last.file_name}, directory"
    made = bytearray()
    if len(entries) == len(expected):
        for found, (volume, name, size, position) in zip(entries, expected, strict=True):
            made += central_header(name, size, found.crc, layout.volumes[volume].descriptor.offset + position)
    if made != directory:  # ZIP-6
        raise FormatError("a directory header is not the one that a writer makes", where=where, rule="ZIP-6")
    descriptor = last.condition.descriptor
    end = last.read_at(descriptor.size - END_SIZE, END_SIZE)
    offset = descriptor.offset + descriptor.tail_end
    if end != end_records(layout.count, layout.count, len(entries), directory, offset):  # ZIP-7
        raise FormatError("an end record is not the one that a writer makes", where=where, rule="ZIP-7")


def _check_local_header(volume: FoundVolume, name: str, size: int, crc: int, position: int) -> None:
    if position == 0:
        # The head's own bytes were compared when the volume was examined; the directory repeats its CRC-32.
        wrong = crc != zlib.crc32(marshal_descriptor(volume.condition.descriptor))
        length = HEAD_SIZE
    else:
        made = local_header(name, size, crc)
        if name == names.README:
            made += README_TEXT
        length = len(made)
        wrong = volume.read_at(position, length) != made
    if wrong:  # ZIP-6
        check_span(volume, position, position + length)
        raise FormatError(
            "a local header is not the one that a writer makes",
            where=f"{volume.file_name}, {name}",
            rule="ZIP-6",
        )


def check_span(volume: FoundVolume, start: int, end: int) -> None:
    """Blame damage before malice: check the blocks that some suspicious bytes lie in.

    Raises:
        DamagedVolumesError: VOL-10
    """
    ranges = []
    descriptor = volume.condition.descriptor
    for _, _, damaged in judged_pieces(volume, descriptor, start - start % BLOCK_SIZE, end):
        ranges += [span for span in damaged if span[0] < end]
    if ranges:
        raise DamagedVolumesError(damage_findings(volume, tuple(ranges)))


def damage_findings(volume: FoundVolume, ranges: Sequence[tuple[int, int]]) -> list[Finding]:
    """A finding for each damaged range of a volume."""
    what = volume.condition.descriptor.number.partition(" of ")[0]
    return [
        Finding("damaged", volume.file_name, f"{what} is damaged (bytes {start} to {end - 1})", "VOL-10")
        for start, end in ranges
    ]
