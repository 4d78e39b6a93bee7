"""Stripes: block s of every column, with its parity and hashes, made and read.

A recovery volume is a head, a slice for each stripe, and a tail. A slice is a *row* and a parity block. The
row has the hash of the stripe's block in every column, data and parity, and a hash over itself. So a stripe
can be judged with any one slice of it, and the damage of a slice counts once, for its own column.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dicompack.container import erasure
from dicompack.container.conditions import TAIL_RULES, read_table
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.striping import BLOCK_HASH_SIZE, BLOCK_SIZE, HEAD_SIZE, Striping, block_hash
from dicompack.container.survey import VolumeNumber
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from dicompack.container.frames import Descriptor
    from dicompack.container.structure import FoundVolume

_MEMORY = 1 << 25
"""Bytes of blocks that are held at a time, whatever the size of the package (one stripe at least)."""
_MOST_STRIPES = 64


def batches(striping: Striping, end: int | None = None) -> Iterator[range]:
    """The stripes, or those before `end`, as many at a time as memory allows."""
    width = (striping.columns + striping.recovery) * BLOCK_SIZE
    step = max(1, min(_MOST_STRIPES, _MEMORY // width))
    end = striping.stripes if end is None else end
    for first in range(0, end, step):
        yield range(first, min(first + step, end))


def marshal_row(description: bytes, stripe: int, hashes: Iterable[bytes]) -> bytes:
    """The row of a stripe: all hashes, and one over set description, number of the stripe and these."""
    row = b"".join(hashes)
    return row + _row_hash(description, stripe, row)


def _row_hash(description: bytes, stripe: int, row: bytes) -> bytes:
    return hashlib.sha256(description + stripe.to_bytes(8, "little") + row).digest()[:BLOCK_HASH_SIZE]


def parse_row(description: bytes, stripe: int, raw: bytes) -> tuple[bytes, ...] | None:
    """The hashes of a row; None where it is not what was written (REC-3)."""
    row, check = raw[:-BLOCK_HASH_SIZE], raw[-BLOCK_HASH_SIZE:]
    if not check or _row_hash(description, stripe, row) != check:  # REC-3
        return None
    return tuple(row[start : start + BLOCK_HASH_SIZE] for start in range(0, len(row), BLOCK_HASH_SIZE))


class Slices(NamedTuple):
    """Consecutive bytes of every recovery volume, the first one first."""

    offset: int
    pieces: list[bytes]


def encode(descriptor: Descriptor, read: Callable[[int, int, int], bytes]) -> Iterator[Slices]:
    """The slices of all recovery volumes, from whole data volumes.

    Args:
        descriptor: of any volume of the set.
        read: gives bytes of a data volume: its number from 1, offset and size.
    """
    striping, description = descriptor.striping, descriptor.set_description
    for batch in batches(striping):
        columns = np.zeros((striping.columns, len(batch) * BLOCK_SIZE), np.uint8)
        hashes: list[list[bytes]] = [[] for _ in batch]
        for column in range(striping.columns):
            places = [striping.place(column, stripe) for stripe in batch]
            size = sum(place.size for place in places)
            data = memoryview(read(places[0].volume, places[0].offset, size) if size else b"")
            columns[column, : len(data)] = np.frombuffer(data, np.uint8)
            for number, place in enumerate(places):
                start = number * BLOCK_SIZE
                hashes[number].append(block_hash(data[start : start + place.size]))
        parity = erasure.encode(columns, striping.recovery)
        pieces: list[list[bytes]] = [[] for _ in range(striping.recovery)]
        for number, stripe in enumerate(batch):
            size = striping.parity_size(stripe)
            blocks = [one[number * BLOCK_SIZE :][:size].tobytes() for one in parity]
            row = marshal_row(description, stripe, [*hashes[number], *map(block_hash, blocks)])
            for piece, block in zip(pieces, blocks, strict=True):
                piece += [row, block]
        yield Slices(striping.slice_offset(batch[0]), [b"".join(piece) for piece in pieces])


@dataclass
class Stripe:
    """One stripe as it was read."""

    number: int
    blocks: dict[int, bytes]
    """Right blocks by column, at their own length; recovery volume j is column k + j - 1."""
    row: tuple[bytes, ...] | None
    """The hashes of all columns; None where no row is right."""
    bad: tuple[int, ...]
    """Columns without a right block."""
    torn: tuple[int, ...]
    """Columns of the recovery volumes whose own row is not right."""


class StripeReader:
    """Reads the stripes of a set, of whose volumes there may be none, one, or several that differ."""

    def __init__(self, descriptor: Descriptor, found: Mapping[VolumeNumber, Sequence[FoundVolume]]) -> None:
        self.descriptor = descriptor
        self.striping = descriptor.striping
        self._description = descriptor.set_description
        self._found = found

    @property
    def reached(self) -> int:
        """The stripes of which some file has a byte: how many there are is a claim, files are a fact."""
        striping = self.striping
        last = 0
        for number, copies in self._found.items():
            size = max((volume.file.size for volume in copies), default=0)
            if number.is_recovery:
                size, step = size - HEAD_SIZE, striping.row_size + BLOCK_SIZE
            else:
                step = BLOCK_SIZE
            last = max(last, -(-size // step))
        return min(last, striping.stripes)

    def read(self, batch: range) -> list[Stripe]:
        """Consecutive stripes, each block compared with its hash."""
        striping = self.striping
        rows: list[tuple[bytes, ...] | None] = [None for _ in batch]
        torn: list[list[int]] = [[] for _ in batch]
        parity: list[dict[int, list[bytes]]] = [{} for _ in batch]
        for index in range(1, striping.recovery + 1):
            column = striping.columns + index - 1
            whole = [False for _ in batch]
            for volume in self._found.get(VolumeNumber(True, index), ()):
                for number, (raw, block) in enumerate(self._slices(volume, batch)):
                    hashes = parse_row(self._description, batch[number], raw)
                    rows[number] = rows[number] or hashes
                    whole[number] |= hashes is not None and hashes == rows[number]  # REC-7
                    parity[number].setdefault(column, []).append(block)
            for number, is_whole in enumerate(whole):
                if not is_whole:
                    torn[number].append(column)
        blocks: list[dict[int, bytes]] = [{} for _ in batch]
        for column in range(striping.columns):
            self._read_column(column, batch, rows, blocks)
        result = []
        for number, stripe in enumerate(batch):
            row, right = rows[number], blocks[number]
            if row is not None:
                for column, copies in parity[number].items():
                    for block in copies:
                        if block_hash(block) == row[column]:
                            right[column] = block
            width = range(striping.columns + striping.recovery)
            bad = tuple(column for column in width if column not in right)
            result.append(Stripe(stripe, right, row, bad, tuple(torn[number])))
        return result

    def _slices(self, volume: FoundVolume, batch: range) -> Iterator[tuple[bytes, bytes]]:
        striping = self.striping
        start = striping.slice_offset(batch[0])
        end = striping.slice_offset(batch[-1]) + striping.row_size + striping.parity_size(batch[-1])
        data = volume.file.read_at(start, end - start)
        for stripe in batch:
            at = striping.slice_offset(stripe) - start
            body = at + striping.row_size
            yield data[at:body], data[body : body + striping.parity_size(stripe)]

    def _read_column(
        self,
        column: int,
        batch: range,
        rows: Sequence[tuple[bytes, ...] | None],
        blocks: Sequence[dict[int, bytes]],
    ) -> None:
        places = [self.striping.place(column, stripe) for stripe in batch]
        first, size = places[0], sum(place.size for place in places)
        for number, place in enumerate(places):
            if place.size == 0:
                blocks[number][column] = b""
        for volume in self._found.get(VolumeNumber(False, first.volume), ()) if size else ():
            data = volume.file.read_at(first.offset, size)
            for number, place in enumerate(places):
                if column in blocks[number]:
                    continue
                block = data[place.offset - first.offset :][: place.size]
                row = rows[number]
                if row is not None:
                    right = block_hash(block) == row[column]
                else:
                    right = _is_right_by_itself(volume, place.offset, block)
                if right and len(block) == place.size:
                    blocks[number][column] = block


def _is_right_by_itself(volume: FoundVolume, offset: int, block: bytes) -> bool:
    """Judge a block of a data volume by the volume's own table, where no row is left (REC-3).

    The table says nothing of the bytes after it; those are right if the whole tail is.
    """
    descriptor = volume.condition.descriptor
    if any(fault.rule in TAIL_RULES for fault in volume.condition.faults):
        return False
    covered = block[: max(0, descriptor.tail_offset - offset)]
    if not covered:
        return True
    return block_hash(covered) == read_table(volume.file, descriptor, offset // BLOCK_SIZE)


def rebuild(striping: Striping, description: bytes, stripes: Sequence[Stripe]) -> None:
    """Make all bad blocks of these stripes, and their rows where none is left.

    Raises:
        DamagedVolumesError: REC-4 too little is left of a stripe; REC-5 the result is not what was written.
    """
    alike: dict[tuple[int, ...], list[Stripe]] = {}
    for stripe in stripes:
        if stripe.bad:
            alike.setdefault(stripe.bad, []).append(stripe)
    k, m = striping.columns, striping.recovery
    for bad, group in alike.items():
        present = tuple(column for column in range(k + m) if column not in bad)
        if len(present) < k:  # REC-4
            message = f"stripe {group[0].number}: {len(bad)} of {k + m} blocks are lost, {m} can be made"
            raise DamagedVolumesError([Finding("damaged", "", message, "REC-4")])
        used, matrix = erasure.rebuilding_matrix(k, m, present, bad)
        columns = np.zeros((k, len(group) * BLOCK_SIZE), np.uint8)
        for number, stripe in enumerate(group):
            for position, column in enumerate(used):
                _place(columns[position], number, stripe.blocks[column])
        made = erasure.combine(matrix, columns)
        for number, stripe in enumerate(group):
            longest = striping.parity_size(stripe.number)
            for position, column in enumerate(bad):
                size = striping.place(column, stripe.number).size if column < k else longest
                block = made[position, number * BLOCK_SIZE :][:size].tobytes()
                if stripe.row is not None and block_hash(block) != stripe.row[column]:  # REC-5
                    message = f"stripe {stripe.number}: what is made is not what was written"
                    raise DamagedVolumesError([Finding("damaged", "", message, "REC-5")])
                stripe.blocks[column] = block
    for stripe in stripes:
        if stripe.row is None:
            hashes = marshal_row(
                description, stripe.number, (block_hash(stripe.blocks[column]) for column in range(k + m))
            )
            stripe.row = parse_row(description, stripe.number, hashes)


def _place(target: NDArray[np.uint8], number: int, block: bytes) -> None:
    start = number * BLOCK_SIZE
    target[start : start + len(block)] = np.frombuffer(block, np.uint8)
