"""How the data volumes are cut into columns of blocks, and where the blocks and their parity lie.

Stripe s is block s of every column. A volume is a column; a package in one file is cut into up to 20 of them.
A column that ends early goes on as zeros that are nowhere stored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from dicompack.container.limits import MAXIMUM_VIRTUAL_COLUMNS

HEAD_SIZE = 512
"""Bytes before the first slice of a recovery volume, and after the last one."""
BLOCK_SIZE = 65_536
BLOCK_HASH_SIZE = 16


def block_hash(block: bytes | memoryview) -> bytes:
    """SHA-256/128 of one block: the first half of its SHA-256."""
    return hashlib.sha256(block).digest()[:BLOCK_HASH_SIZE]


class Place(NamedTuple):
    """Where a block lies: data volume (from 1), offset and length in bytes; length 0 is beyond the end."""

    volume: int
    offset: int
    size: int


@dataclass(frozen=True)
class Striping:
    """The geometry of a set: its data volumes, recovery volumes, total and volume size in bytes."""

    count: int
    recovery: int
    total: int
    volume_size: int
    """0 where there is one data volume."""

    @cached_property
    def stripes(self) -> int:
        """Blocks of a column."""
        if self.count > 1:
            return -(-self.volume_size // BLOCK_SIZE)
        return -(-self._blocks // MAXIMUM_VIRTUAL_COLUMNS)

    @cached_property
    def columns(self) -> int:
        """Data columns of the code: k."""
        return self.count if self.count > 1 else -(-self._blocks // self.stripes)

    @property
    def _blocks(self) -> int:
        return -(-self.total // BLOCK_SIZE)

    def size_of(self, volume: int) -> int:
        """Bytes of data volume `volume`, from 1."""
        return self.volume_size if volume < self.count else self.total - (self.count - 1) * self.volume_size

    def place(self, column: int, stripe: int) -> Place:
        """Where block `stripe` of data column `column` lies, both from 0."""
        volume, number = (column + 1, stripe) if self.count > 1 else (1, column * self.stripes + stripe)
        offset = number * BLOCK_SIZE
        return Place(volume, offset, max(0, min(BLOCK_SIZE, self.size_of(volume) - offset)))

    def parity_size(self, stripe: int) -> int:
        """Bytes of the parity blocks of a stripe: those of the first column's block, the longest one."""
        return self.place(0, stripe).size

    @property
    def row_size(self) -> int:
        """Bytes before each parity block: a hash for each column, data and parity, and the row's own."""
        return BLOCK_HASH_SIZE * (self.columns + self.recovery + 1)

    def slice_offset(self, stripe: int) -> int:
        """Where the row of a stripe lies in each recovery volume; its parity block follows."""
        return HEAD_SIZE + stripe * (self.row_size + BLOCK_SIZE)

    @property
    def recovery_size(self) -> int:
        """Bytes of each recovery volume."""
        last = self.stripes - 1
        return self.slice_offset(last) + self.row_size + self.parity_size(last) + HEAD_SIZE


def largest_data_volume(recovery_size: int, width: int) -> int:
    """The largest volume size whose recovery volumes, in a code of `width` columns, have no more bytes."""
    row = BLOCK_HASH_SIZE * (width + 1)
    blocks, rest = divmod(recovery_size - 2 * HEAD_SIZE, row + BLOCK_SIZE)
    return blocks * BLOCK_SIZE + max(0, rest - row)


def recovery_volume_size(volume_size: int, width: int) -> int:
    """The reverse: bytes of a recovery volume for data volumes of `volume_size`, `width` columns in all."""
    return volume_size + 2 * HEAD_SIZE + BLOCK_HASH_SIZE * (width + 1) * -(-volume_size // BLOCK_SIZE)
