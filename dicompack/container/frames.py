"""The first and the last bytes of every volume: what volume this is, and the block hashes of a data volume.

The descriptor stands at byte 64 of the file and again in the tail, so that one overwritten end of a volume
does not make it nameless. Frames are for accidents; who made a package is the SEAL's question.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicompack.container.limits import (
    MAXIMUM_COLUMNS,
    MAXIMUM_VOLUME_SIZE,
    MAXIMUM_VOLUMES,
    MINIMUM_VOLUME_SIZE,
)
from dicompack.container.names import head_name, tail_name
from dicompack.container.striping import (
    BLOCK_HASH_SIZE,
    BLOCK_SIZE,
    HEAD_SIZE,
    Striping,
    block_hash,
)
from dicompack.container.zip_entries import LOCAL_HEADER_SIZE, local_header
from dicompack.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BLOCK_HASH_SIZE", "BLOCK_SIZE", "DESCRIPTOR_OFFSET", "DESCRIPTOR_SIZE", "FORMAT_VERSION", "HEAD_SIZE",
    "TAIL_FIXED_SIZE", "TAIL_HEADER_SIZE", "TRAILER_MAGIC", "TRAILER_SIZE", "Descriptor", "TailSum",
    "block_hash", "head", "largest_tail_offset", "marshal_descriptor", "parse_descriptor", "table_size",
    "tail_entry_size", "zeros",
]  # fmt: skip

DESCRIPTOR_OFFSET = 64
DESCRIPTOR_SIZE = 448
TRAILER_SIZE = 64
TAIL_HEADER_SIZE = LOCAL_HEADER_SIZE + 16
TAIL_FIXED_SIZE = TAIL_HEADER_SIZE + DESCRIPTOR_SIZE + TRAILER_SIZE
"""Everything of the tail entry but the table and the padding."""

FORMAT_VERSION = 1
MAGIC = b"DCMPKVOL"
TRAILER_MAGIC = b"DCMPKTRL"
RECOVERY_MAGIC = b"DCMPKREC"

_CODE_NONE = 0
_CODE_CAUCHY = 1
_FLAG_RECOVERY = 1
_HASH_SHA256_128 = 1
_ALIGNMENT_ID = 0xD1C0
"""ZIP extra field of zeros in the head's local header: it puts the descriptor at byte 64."""

_PREFIX = struct.Struct("<8sH")
_FIELDS = struct.Struct("<8sHH16s16sIIIQQQQQIHH32s")
_SEALED_SIZE = DESCRIPTOR_SIZE - 32
_COMMON = struct.Struct("<H16s16sIIQQIHH")
_TRAILER = struct.Struct("<8sQQQ")
_ZEROS = bytes(1 << 16)


@dataclass(frozen=True)
class Descriptor:
    """One volume's place in its set. Sizes and offsets are in bytes."""

    set_id: bytes
    volume_set: bytes
    index: int
    """From 1."""
    count: int
    """Number of data volumes."""
    size: int
    """Of this file."""
    offset: int
    """Of this file in all data volumes put one after the other."""
    total: int
    """Of all data volumes."""
    volume_size: int
    """Of every volume but the last; 0 where there is one volume only."""
    tail_offset: int
    """Where the tail begins; in a data volume, the table has the hashes of all bytes before it."""
    recovery: int = 0
    """Number of recovery volumes."""
    is_recovery: bool = False
    """Whether this is one of them; `index` then counts those."""

    @property
    def number(self) -> str:
        """What to call this volume: ``volume 2 of 5``, ``recovery volume 1 of 2``."""
        if self.is_recovery:
            return f"recovery volume {self.index} of {self.recovery}"
        return f"volume {self.index} of {self.count}"

    @property
    def striping(self) -> Striping:
        """How the data volumes are cut into blocks."""
        return Striping(self.count, self.recovery, self.total, self.volume_size)

    @property
    def is_last(self) -> bool:
        """Whether the directory follows the tail."""
        return self.index == self.count and not self.is_recovery

    @property
    def table_size(self) -> int:
        """Bytes of block hashes in the tail; a recovery volume has them beside its blocks."""
        return 0 if self.is_recovery else table_size(self.tail_offset)

    @property
    def padding(self) -> int:
        """Zeros in the tail that bring the file to its exact size."""
        if self.is_last or self.is_recovery:
            return 0
        return self.size - self.tail_offset - self.table_size - TAIL_FIXED_SIZE

    @property
    def tail_end(self) -> int:
        """Where the tail ends: the file's end, or in the last volume the directory's start."""
        if self.is_recovery:
            return self.tail_offset + DESCRIPTOR_SIZE + TRAILER_SIZE
        return self.tail_offset + self.table_size + TAIL_FIXED_SIZE + self.padding

    @property
    def set_description(self) -> bytes:
        """SHA-256 over the fields that are equal in all volumes of a set."""
        common = _COMMON.pack(
            FORMAT_VERSION, self.set_id, self.volume_set, self.count, self.recovery, self.total,
            self.volume_size, BLOCK_SIZE, self._code, _HASH_SHA256_128,
        )  # fmt: skip
        return hashlib.sha256(common).digest()

    @property
    def _code(self) -> int:
        return _CODE_CAUCHY if self.recovery else _CODE_NONE


def marshal_descriptor(descriptor: Descriptor) -> bytes:
    """The 448 bytes of a descriptor."""
    d = descriptor
    fields = _FIELDS.pack(
        MAGIC, FORMAT_VERSION, _FLAG_RECOVERY * d.is_recovery, d.set_id, d.volume_set,
        d.index, d.count, d.recovery, d.size, d.offset, d.total, d.volume_size, d.tail_offset,
        BLOCK_SIZE, d._code, _HASH_SHA256_128, d.set_description,
    )  # fmt: skip
    sealed = fields.ljust(_SEALED_SIZE, b"\0")
    return sealed + hashlib.sha256(sealed).digest()


def parse_descriptor(raw: bytes) -> Descriptor | None:
    """Read a descriptor; None where the bytes are none, or no longer what was written (VOL-3).

    Raises:
        UnsupportedError: VOL-2 a newer format version, VOL-5 a feature this version does not have.
        FormatError: VOL-4 numbers that no writer produces, under a correct hash.
    """
    if len(raw) != DESCRIPTOR_SIZE or not raw.startswith(MAGIC):
        return None
    if hashlib.sha256(raw[:_SEALED_SIZE]).digest() != raw[_SEALED_SIZE:]:  # VOL-3
        return None
    _, version = _PREFIX.unpack_from(raw)
    if version != FORMAT_VERSION:  # VOL-2
        raise UnsupportedError(
            f"the package has format version {version}, this program reads {FORMAT_VERSION}",
            rule="VOL-2",
            hint="install a newer DICOMPack",
        )
    (
        _, _, flags, set_id, volume_set, index, count, recovery,
        size, offset, total, volume_size, tail_offset,
        block_size, code, block_hash, _,
    ) = _FIELDS.unpack_from(raw)  # fmt: skip
    if (
        flags > _FLAG_RECOVERY
        or code > _CODE_CAUCHY
        or (block_size, block_hash) != (BLOCK_SIZE, _HASH_SHA256_128)
    ):  # VOL-5
        raise UnsupportedError(
            "the volume uses a feature that this program does not have",
            rule="VOL-5",
            hint="install a newer DICOMPack",
        )
    descriptor = Descriptor(
        set_id, volume_set, index, count, size, offset, total, volume_size, tail_offset,
        recovery, flags == _FLAG_RECOVERY,
    )  # fmt: skip
    # The last comparison covers the fields that follow from others, and the reserved zeros.
    if not _is_possible(descriptor) or marshal_descriptor(descriptor) != raw:  # VOL-4
        raise FormatError("the numbers in a volume's descriptor contradict each other", rule="VOL-4")
    return descriptor


def _is_possible(d: Descriptor) -> bool:
    if not (1 <= d.index <= (d.recovery if d.is_recovery else d.count) and 1 <= d.count <= MAXIMUM_VOLUMES):
        return False
    if not _is_set_possible(d):
        return False
    if d.is_recovery:
        end = d.striping.recovery_size
        return (d.size, d.offset, d.tail_offset) == (end, 0, end - DESCRIPTOR_SIZE - TRAILER_SIZE)
    if not HEAD_SIZE <= d.tail_offset <= d.size or d.tail_end > d.size or d.padding < 0:
        return False
    return (d.offset, d.size) == ((d.index - 1) * d.volume_size, d.striping.size_of(d.index))


def _is_set_possible(d: Descriptor) -> bool:
    """The fields that are equal in all volumes of a set."""
    if d.count == 1:
        possible = d.volume_size == 0 and HEAD_SIZE < d.total <= MAXIMUM_VOLUME_SIZE
    else:
        in_last = d.total - (d.count - 1) * d.volume_size
        possible = (
            MINIMUM_VOLUME_SIZE <= d.volume_size <= MAXIMUM_VOLUME_SIZE and 0 < in_last <= d.volume_size
        )
    return possible and (d.recovery == 0 or d.striping.columns + d.recovery <= MAXIMUM_COLUMNS)


def head(descriptor: Descriptor) -> bytes:
    """The 512 bytes that begin a volume.

    In a data volume: ZIP entry ``DCMPACK/H0000001`` with the descriptor.
    """
    raw = marshal_descriptor(descriptor)
    if descriptor.is_recovery:
        return RECOVERY_MAGIC.ljust(DESCRIPTOR_OFFSET, b"\0") + raw
    name = head_name(descriptor.index)
    zeros = DESCRIPTOR_OFFSET - LOCAL_HEADER_SIZE - len(name) - 4
    extra = struct.pack("<HH", _ALIGNMENT_ID, zeros) + bytes(zeros)
    return local_header(name, DESCRIPTOR_SIZE, zlib.crc32(raw), extra) + raw


def table_size(tail_offset: int) -> int:
    """Bytes of block hashes for the bytes before `tail_offset`."""
    return BLOCK_HASH_SIZE * -(-tail_offset // BLOCK_SIZE)


def largest_tail_offset(volume_size: int) -> int:
    """The last place where the tail can begin so that the volume has `volume_size` bytes."""
    blocks, rest = divmod(volume_size - TAIL_FIXED_SIZE, BLOCK_SIZE + BLOCK_HASH_SIZE)
    return blocks * BLOCK_SIZE + max(0, rest - BLOCK_HASH_SIZE)


def zeros(count: int) -> Iterator[memoryview]:
    """Padding of `count` bytes in pieces."""
    view = memoryview(_ZEROS)
    while count > 0:
        yield view[: min(count, len(view))]
        count -= len(view)


class TailSum:
    """CRC-32 and trailer of a tail, from its table in pieces: both need all of it, and it may be large."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._crc = 0
        self._digest = hashlib.sha256()

    def update(self, table: bytes | memoryview) -> None:
        """Take the next bytes of the table."""
        self._crc = zlib.crc32(table, self._crc)
        self._digest.update(table)

    def finish(self) -> tuple[bytes, bytes, int]:
        """Local header, last 512 bytes (descriptor and trailer), and CRC-32 of the tail entry.

        The tail of a recovery volume is the last 512 bytes alone.
        """
        descriptor = self._descriptor
        numbers = _TRAILER.pack(TRAILER_MAGIC, descriptor.table_size, descriptor.padding, 0)
        last = marshal_descriptor(descriptor) + numbers
        self._digest.update(last)
        last += self._digest.digest()
        if descriptor.is_recovery:
            return b"", last, 0
        crc = self._crc
        for piece in zeros(descriptor.padding):
            crc = zlib.crc32(piece, crc)
        crc = zlib.crc32(last, crc)
        return local_header(tail_name(descriptor.index), tail_entry_size(descriptor), crc), last, crc


def tail_entry_size(descriptor: Descriptor) -> int:
    """Size of the tail entry's contents."""
    return descriptor.tail_end - descriptor.tail_offset - TAIL_HEADER_SIZE
