"""The first and the last entry of every data volume: what volume this is, and its block hashes.

The descriptor stands at byte 64 of the file and again in the tail, so that one overwritten end of a volume
does not make it nameless. Frames are for accidents; who made a package is the SEAL's question.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicompack.container.limits import MAXIMUM_VOLUME_SIZE, MAXIMUM_VOLUMES, MINIMUM_VOLUME_SIZE
from dicompack.container.names import head_name, tail_name
from dicompack.container.zip_entries import LOCAL_HEADER_SIZE, local_header
from dicompack.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_SIZE = 512
DESCRIPTOR_OFFSET = 64
DESCRIPTOR_SIZE = 448
BLOCK_SIZE = 65_536
BLOCK_HASH_SIZE = 16
TRAILER_SIZE = 64
TAIL_HEADER_SIZE = LOCAL_HEADER_SIZE + 16
TAIL_FIXED_SIZE = TAIL_HEADER_SIZE + DESCRIPTOR_SIZE + TRAILER_SIZE
"""Everything of the tail entry but the table and the padding."""

FORMAT_VERSION = 1
MAGIC = b"DCMPKVOL"
TRAILER_MAGIC = b"DCMPKTRL"

_CODE_NONE = 0
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
    """One data volume's place in its set. Sizes and offsets are in bytes."""

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
    """Where the tail entry begins; the table has the hashes of all bytes before it."""

    @property
    def is_last(self) -> bool:
        """Whether the directory follows the tail."""
        return self.index == self.count

    @property
    def table_size(self) -> int:
        """Bytes of block hashes in the tail."""
        return table_size(self.tail_offset)

    @property
    def padding(self) -> int:
        """Zeros in the tail that bring the file to its exact size."""
        return 0 if self.is_last else self.size - self.tail_offset - self.table_size - TAIL_FIXED_SIZE

    @property
    def tail_end(self) -> int:
        """Where the tail entry ends: the file's end, or in the last volume the directory's start."""
        return self.tail_offset + self.table_size + TAIL_FIXED_SIZE + self.padding

    @property
    def set_description(self) -> bytes:
        """SHA-256 over the fields that are equal in all volumes of a set."""
        common = _COMMON.pack(
            FORMAT_VERSION, self.set_id, self.volume_set, self.count, 0, self.total, self.volume_size,
            BLOCK_SIZE, _CODE_NONE, _HASH_SHA256_128,
        )  # fmt: skip
        return hashlib.sha256(common).digest()


def marshal_descriptor(descriptor: Descriptor) -> bytes:
    """The 448 bytes of a descriptor."""
    d = descriptor
    fields = _FIELDS.pack(
        MAGIC, FORMAT_VERSION, 0, d.set_id, d.volume_set, d.index, d.count, 0,
        d.size, d.offset, d.total, d.volume_size, d.tail_offset,
        BLOCK_SIZE, _CODE_NONE, _HASH_SHA256_128, d.set_description,
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
    if (flags, recovery, block_size, code, block_hash) != (
        0,
        0,
        BLOCK_SIZE,
        _CODE_NONE,
        _HASH_SHA256_128,
    ):  # VOL-5
        raise UnsupportedError(
            "the volume uses a feature that this program does not have",
            rule="VOL-5",
            hint="install a newer DICOMPack",
        )
    descriptor = Descriptor(set_id, volume_set, index, count, size, offset, total, volume_size, tail_offset)
    # The last comparison covers the fields that follow from others, and the reserved zeros.
    if not _is_possible(descriptor) or marshal_descriptor(descriptor) != raw:  # VOL-4
        raise FormatError("the numbers in a volume's descriptor contradict each other", rule="VOL-4")
    return descriptor


def _is_possible(d: Descriptor) -> bool:
    if not (1 <= d.index <= d.count <= MAXIMUM_VOLUMES and d.size <= MAXIMUM_VOLUME_SIZE):
        return False
    if not HEAD_SIZE <= d.tail_offset <= d.size or d.tail_end > d.size or d.padding < 0:
        return False
    if d.count == 1:
        return (d.volume_size, d.offset, d.total) == (0, 0, d.size)
    if not MINIMUM_VOLUME_SIZE <= d.volume_size <= MAXIMUM_VOLUME_SIZE:
        return False
    before_last = (d.count - 1) * d.volume_size
    if d.is_last:
        return d.offset == before_last and d.total == before_last + d.size and d.size <= d.volume_size
    in_last = d.total - before_last
    return (
        d.offset == (d.index - 1) * d.volume_size and d.size == d.volume_size and 0 < in_last <= d.volume_size
    )


def head(descriptor: Descriptor) -> bytes:
    """The 512 bytes that begin a data volume: ZIP entry ``DCMPACK/H0000001`` with the descriptor."""
    raw = marshal_descriptor(descriptor)
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


def block_hash(block: bytes | memoryview) -> bytes:
    """SHA-256/128 of one block: the first half of its SHA-256."""
    return hashlib.sha256(block).digest()[:BLOCK_HASH_SIZE]


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
        """Local header, last 512 bytes (descriptor and trailer), and CRC-32 of the tail entry."""
        descriptor = self._descriptor
        numbers = _TRAILER.pack(TRAILER_MAGIC, descriptor.table_size, descriptor.padding, 0)
        last = marshal_descriptor(descriptor) + numbers
        self._digest.update(last)
        last += self._digest.digest()
        crc = self._crc
        for piece in zeros(descriptor.padding):
            crc = zlib.crc32(piece, crc)
        crc = zlib.crc32(last, crc)
        return local_header(tail_name(descriptor.index), tail_entry_size(descriptor), crc), last, crc


def tail_entry_size(descriptor: Descriptor) -> int:
    """Size of the tail entry's contents."""
    return descriptor.tail_end - descriptor.tail_offset - TAIL_HEADER_SIZE
