"""Volumes as they are found, joined to one package: names and order of the files mean nothing."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from dicompack.container.conditions import (
    Fault,
    RandomAccess,
    VolumeCondition,
    check_blocks,
    examine,
    judged_pieces,
    merged,
)
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.structure import FoundVolume, check_span, damage_findings, read_structure
from dicompack.container.survey import Survey, survey
from dicompack.errors import FormatError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from dicompack.container.layout import Entry, Layout, SetIds

__all__ = [
    "Fault",
    "Package",
    "RandomAccess",
    "VolumeCondition",
    "check_blocks",
    "examine",
    "join",
    "join_present",
    "join_surveyed",
    "missing",
]

_PIECE_SIZE = 1 << 20


class Package:
    """A set of volumes whose structure is exactly what a writer makes. Made by `join`, of all volumes.

    Of one that `join_present` makes, data volumes may be missing, but for the last; what lies in them cannot
    be read (VOL-15).
    """

    def __init__(
        self,
        volumes: Sequence[FoundVolume],
        layout: Layout,
        crcs: Mapping[str, int],
        surveyed: Survey,
    ) -> None:
        self._volumes = tuple(volumes)
        self._crcs = crcs
        self._pieces: dict[str, tuple[tuple[int, Entry], ...]] = {}
        self._by_index = {found.index: found for found in self._volumes}
        for index, volume in enumerate(layout.volumes, start=1):
            for entry in volume.entries:
                before = self._pieces.get(entry.object_name, ())
                self._pieces[entry.object_name] = (*before, (index, entry))
        there = self._by_index
        self._volume_names = tuple(
            there[n].file_name if n in there else "" for n in range(1, layout.count + 1)
        )
        self.layout = layout
        self.surveyed = surveyed
        self.findings = surveyed.findings

    @property
    def ids(self) -> SetIds:
        """Set id and volume set."""
        return self.layout.ids

    @property
    def volume_size(self) -> int | None:
        """Bytes of every volume but the last; None where there is one only."""
        return self.layout.volume_size

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objects, in their order."""
        return tuple(item.name for item in self.layout.objects)

    @property
    def volume_names(self) -> tuple[str, ...]:
        """File names of the volumes as found, in the order of their numbers; empty for those missing."""
        return self._volume_names

    def pieces(self, name: str) -> Sequence[tuple[int, Entry]]:
        """The entries that hold an object, each with the number of its volume. KeyError: there is none."""
        return self._pieces[name]

    def size(self, name: str) -> int:
        """Bytes of an object. KeyError: there is none of this name."""
        return sum(entry.size for _, entry in self._pieces[name])

    def read(self, name: str) -> bytes:
        """A whole object, its CRC-32 checked. KeyError: there is none of this name.

        Raises:
            DamagedVolumesError: VOL-10 its bytes are not what was written.
            FormatError: ZIP-8 its CRC-32 is wrong, although the block hashes are right.
        """
        pieces = []
        for volume, entry in self._found(name):
            data = volume.read_at(entry.data_position, entry.size)
            if zlib.crc32(data) != self._crcs[entry.name]:  # ZIP-8
                check_span(volume, entry.data_position, entry.data_position + entry.size)
                raise _wrong_crc(volume, entry)
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def check_crc(self, name: str) -> None:
        """As `read`, piece by piece, for an object that is not to be in memory. KeyError: there is none.

        Raises:
            DamagedVolumesError, FormatError: see `read`.
        """
        for volume, entry in self._found(name):
            crc = 0
            for start in range(0, entry.size, _PIECE_SIZE):
                part = min(_PIECE_SIZE, entry.size - start)
                crc = zlib.crc32(volume.read_at(entry.data_position + start, part), crc)
            if crc != self._crcs[entry.name]:  # ZIP-8
                check_span(volume, entry.data_position, entry.data_position + entry.size)
                raise _wrong_crc(volume, entry)

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """Some bytes of an object, fewer where it ends. Not checked: `check_frames` or a digest does that."""
        end = offset + size
        parts = []
        for volume, entry in self._found(name):
            start = max(offset, entry.object_offset)
            stop = min(end, entry.object_offset + entry.size)
            if start < stop:
                position = entry.data_position + start - entry.object_offset
                parts.append(volume.read_at(position, stop - start))
        return b"".join(parts)

    def _found(self, name: str) -> Iterator[tuple[FoundVolume, Entry]]:
        for index, entry in self._pieces[name]:
            if index not in self._by_index:
                raise DamagedVolumesError(missing(self.layout, (index,)))
            yield self._by_index[index], entry

    def check_frames(self, on_bytes: Callable[[int], None] | None = None) -> None:
        """Read every byte once: all block hashes and the CRC-32 of every entry.

        Args:
            on_bytes: called with the number of bytes after every piece.

        Raises:
            DamagedVolumesError: VOL-10 with all damaged ranges of all volumes.
            FormatError: ZIP-8 a wrong CRC-32 under right block hashes.
        """
        faults: list[Finding] = []
        wrong: list[FormatError] = []
        for found in self._volumes:
            volume = self.layout.volumes[found.index - 1]
            damaged: list[tuple[int, int]] = []
            sums = _EntrySums(volume.entries)
            for position, piece, ranges in judged_pieces(found, found.condition.descriptor):
                damaged += ranges
                sums.update(position, piece)
                if on_bytes is not None:
                    on_bytes(len(piece))
            faults += damage_findings(found, merged(damaged))
            wrong += [
                _wrong_crc(found, entry) for entry, crc in sums.finished if crc != self._crcs[entry.name]
            ]
        if faults:  # VOL-10
            raise DamagedVolumesError(faults)
        if wrong:  # ZIP-8
            raise wrong[0]


class _EntrySums:
    """CRC-32 of each entry of a volume, from the volume's bytes in order."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._crc = 0
        self.finished: list[tuple[Entry, int]] = []

    def update(self, position: int, piece: bytes) -> None:
        view = memoryview(piece)
        end = position + len(piece)
        while len(self.finished) < len(self._entries):
            entry = self._entries[len(self.finished)]
            stop = entry.data_position + entry.size
            start = max(position, entry.data_position)
            if start >= end:
                return
            self._crc = zlib.crc32(view[start - position : min(stop, end) - position], self._crc)
            if stop > end:
                return
            self.finished.append((entry, self._crc))
            self._crc = 0


def _wrong_crc(volume: FoundVolume, entry: Entry) -> FormatError:
    return FormatError(
        "the CRC-32 does not fit, although the volume is undamaged",
        where=f"{volume.file_name}, {entry.name}",
        rule="ZIP-8",
    )


def missing(layout: Layout, indexes: Collection[int]) -> list[Finding]:
    """What there is to say of data volumes that are not there, by their numbers from 1."""
    numbers = [layout.volumes[index - 1].descriptor.number for index in sorted(indexes)]
    return [Finding("missing", "", f"{number} is missing", "VOL-15") for number in numbers]


def join(volumes: Mapping[str, RandomAccess]) -> Package:
    """Put a set of volumes together. Reads frames, directory and local headers, not the objects.

    Args:
        volumes: the files by name. Names are for messages only: what a volume is, its content says.

    Raises:
        FormatError: VOL-1 none of the files is a volume; VOL-4, VOL-12, ZIP-*: bytes that no writer makes.
        UnsupportedError: VOL-2, VOL-5.
        UsageError: VOL-11 volumes of more than one set.
        DamagedVolumesError: VOL-3, 6, 7, 8, 9, 10, 13, 15: all missing or damaged data volumes by name and
            number.
    """
    return join_surveyed(survey(volumes))


def join_surveyed(surveyed: Survey) -> Package:
    """Put together what was surveyed; see `join`. Faults of recovery volumes are findings here."""
    faults = surveyed.faults_of(recovery=False)
    if faults:
        raise DamagedVolumesError([*faults, *surveyed.unknown, *surveyed.faults_of(recovery=True)])
    sound = [copies[0] for number, copies in surveyed.found.items() if not number.is_recovery]
    layout, crcs = read_structure(sound)
    return Package(sound, layout, crcs, surveyed)


def join_present(surveyed: Survey) -> Package:
    """Put together the data volumes that are there and sound; the others count as missing.

    Raises:
        DamagedVolumesError: the last one, which says what lies where, is not among them.
        FormatError, UnsupportedError: see `join`.
    """
    faulty = {fault.number for fault in surveyed.faults}
    sound = [
        copies[0]
        for number, copies in sorted(surveyed.found.items())
        if not number.is_recovery and number not in faulty
    ]
    if not sound or sound[-1].index != surveyed.descriptor.count:
        return join_surveyed(surveyed)  # which says what is wrong
    damaged: list[Finding] = []
    layout, crcs = read_structure(sound, damaged)
    return Package(sound, layout, crcs, replace(surveyed, findings=(*surveyed.findings, *damaged)))
