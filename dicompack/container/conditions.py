"""What a file says of itself, and what is wrong with it: read from its two ends, whatever its name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dicompack.container.faults import DamagedVolumesError
from dicompack.container.frames import (
    BLOCK_HASH_SIZE,
    BLOCK_SIZE,
    DESCRIPTOR_OFFSET,
    DESCRIPTOR_SIZE,
    HEAD_SIZE,
    TAIL_HEADER_SIZE,
    TRAILER_MAGIC,
    TRAILER_SIZE,
    Descriptor,
    TailSum,
    block_hash,
    head,
    parse_descriptor,
    zeros,
)
from dicompack.container.limits import MAXIMUM_DIRECTORY_SIZE
from dicompack.container.zip_entries import COMMENT_SIZE, END_SIZE, parse_comment, sealed_end_size
from dicompack.errors import FormatError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAIL_RULES = ("VOL-6", "VOL-7", "VOL-8", "VOL-9")
"""With one of these, a volume's table or what follows it cannot be relied on."""

_READ_SIZE = 16 * BLOCK_SIZE
"""1 MiB: large enough to be quick, small beside any memory."""


class RandomAccess(Protocol):
    """A file that can be read anywhere. `read_at` gives fewer bytes only where the file ends."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read_at(self, offset: int, size: int, /) -> bytes:
        """The bytes from `offset` on."""
        ...


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a volume."""

    kind: str
    """``truncated``, ``overlong``, ``headless`` or ``damaged``."""
    message: str
    rule: str
    ranges: tuple[tuple[int, int], ...] = ()
    """Bytes that are not what was written: start and end, where known."""


@dataclass(frozen=True)
class VolumeCondition:
    """What a volume is, from its own bytes."""

    descriptor: Descriptor
    actual_size: int
    faults: tuple[Fault, ...] = ()

    @property
    def set_id(self) -> bytes:
        """16 bytes: the package."""
        return self.descriptor.set_id

    @property
    def volume_set(self) -> bytes:
        """16 bytes: the set of volumes."""
        return self.descriptor.volume_set

    @property
    def index(self) -> int:
        """Number of the volume, from 1."""
        return self.descriptor.index

    @property
    def count(self) -> int:
        """Number of data volumes in the set."""
        return self.descriptor.count

    @property
    def fault(self) -> Fault | None:
        """The first fault."""
        return self.faults[0] if self.faults else None


def read_exactly(volume: RandomAccess, offset: int, size: int) -> bytes:
    """Bytes that must be there.

    Raises:
        DamagedVolumesError: VOL-6 the file has become shorter since it was examined.
    """
    data = volume.read_at(offset, size)
    if len(data) != size:  # VOL-6
        message = f"the file ended at byte {offset + len(data)} while it was read"
        raise DamagedVolumesError([Finding("truncated", "", message, "VOL-6")])
    return data


def examine(volume: RandomAccess) -> VolumeCondition:
    """Identify a volume by its content and check its head, tail and directory, but not its blocks.

    Raises:
        FormatError: VOL-1 not a volume, VOL-4 impossible numbers.
        UnsupportedError: VOL-2, VOL-5.
    """
    start = volume.read_at(0, HEAD_SIZE)
    descriptor = parse_descriptor(start[DESCRIPTOR_OFFSET:])
    faults = []
    if descriptor is None:
        descriptor = _descriptor_of_tail(volume)
        if descriptor is None:  # VOL-1
            raise FormatError("not a DICOMPack volume, or nothing of its head and tail is left", rule="VOL-1")
        faults.append(Fault("headless", "its head is destroyed", "VOL-3", ((0, HEAD_SIZE),)))
    elif start != head(descriptor):  # VOL-3
        faults.append(Fault("damaged", "its head is damaged", "VOL-3", ((0, DESCRIPTOR_OFFSET),)))
    have, need = volume.size, descriptor.size
    if have < need:  # VOL-6
        faults.append(
            Fault("truncated", f"it is truncated: {have} of {need} bytes", "VOL-6", ((have, need),))
        )
    elif have > need:  # VOL-7
        faults.append(
            Fault("overlong", f"it is too long: {have} instead of {need} bytes", "VOL-7", ((need, have),))
        )
    else:
        if not _is_tail_sound(volume, descriptor):  # VOL-8
            span = (descriptor.tail_offset, descriptor.tail_end)
            faults.append(Fault("damaged", _bytes_message("its tail", *span), "VOL-8", (span,)))
        if descriptor.is_last and not _is_directory_sound(volume, descriptor):  # VOL-9
            span = (descriptor.tail_end, descriptor.size)
            faults.append(Fault("damaged", _bytes_message("its directory", *span), "VOL-9", (span,)))
    return VolumeCondition(descriptor, have, tuple(faults))


def _bytes_message(part: str, start: int, end: int) -> str:
    return f"{part} is damaged (bytes {start} to {end - 1})"


def _descriptor_of_tail(volume: RandomAccess) -> Descriptor | None:
    """The copy of the descriptor at the end of the tail, found from the end of the file."""
    ends = [volume.size]
    if volume.size >= END_SIZE:
        comment = parse_comment(volume.read_at(volume.size - COMMENT_SIZE, COMMENT_SIZE))
        if comment is not None:
            ends.append(volume.size - END_SIZE - comment.directory_size)
    for end in ends:
        start = end - TRAILER_SIZE - DESCRIPTOR_SIZE
        if start < 0:
            continue
        last = volume.read_at(start, DESCRIPTOR_SIZE + TRAILER_SIZE)
        if last[DESCRIPTOR_SIZE:].startswith(TRAILER_MAGIC):
            return parse_descriptor(last[:DESCRIPTOR_SIZE])
    return None


def _is_tail_sound(volume: RandomAccess, descriptor: Descriptor) -> bool:
    """Whether every byte of the tail entry is what a writer makes of its table."""
    tail = TailSum(descriptor)
    position = descriptor.tail_offset + (0 if descriptor.is_recovery else TAIL_HEADER_SIZE)
    for piece in _pieces(volume, position, position + descriptor.table_size):
        tail.update(piece)
    header, last, _ = tail.finish()
    position += descriptor.table_size
    for zero in zeros(descriptor.padding):
        if volume.read_at(position, len(zero)) != zero:
            return False
        position += len(zero)
    return volume.read_at(position, len(last)) == last and (
        volume.read_at(descriptor.tail_offset, len(header)) == header
    )


def _is_directory_sound(volume: RandomAccess, descriptor: Descriptor) -> bool:
    """Whether the directory has the length and SHA-256 that the comment at the end of the file says."""
    directory_size = descriptor.size - descriptor.tail_end - END_SIZE
    if not 0 <= directory_size <= MAXIMUM_DIRECTORY_SIZE:
        return False
    comment = parse_comment(volume.read_at(descriptor.size - COMMENT_SIZE, COMMENT_SIZE))
    if comment is None:
        return False
    digest = hashlib.sha256()
    for piece in _pieces(volume, descriptor.tail_end, descriptor.tail_end + sealed_end_size(directory_size)):
        digest.update(piece)
    return digest.hexdigest() == comment.digest


def _pieces(volume: RandomAccess, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = read_exactly(volume, start, min(_READ_SIZE, end - start))
        yield piece
        start += len(piece)


def judged_pieces(
    volume: RandomAccess, descriptor: Descriptor, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, bytes, list[tuple[int, int]]]]:
    """Bytes from `start` (on a block's edge) to `end` or the tail: position, bytes, damaged ranges."""
    end = descriptor.tail_offset if end is None else min(end, descriptor.tail_offset)
    position = start
    while position < end:
        piece = read_exactly(volume, position, min(_READ_SIZE, descriptor.tail_offset - position))
        hashes = read_exactly(
            volume,
            descriptor.tail_offset + TAIL_HEADER_SIZE + position // BLOCK_SIZE * BLOCK_HASH_SIZE,
            -(-len(piece) // BLOCK_SIZE) * BLOCK_HASH_SIZE,
        )
        view = memoryview(piece)
        damaged: list[tuple[int, int]] = []
        for number, offset in enumerate(range(0, len(piece), BLOCK_SIZE)):
            block = view[offset : offset + BLOCK_SIZE]
            expected = hashes[number * BLOCK_HASH_SIZE : (number + 1) * BLOCK_HASH_SIZE]
            if block_hash(block) != expected:  # VOL-10
                damaged.append((position + offset, position + offset + len(block)))
        yield position, piece, damaged
        position += len(piece)


def read_table(volume: RandomAccess, descriptor: Descriptor, block: int) -> bytes:
    """The hash of one block in the table of a data volume."""
    position = descriptor.tail_offset + TAIL_HEADER_SIZE + block * BLOCK_HASH_SIZE
    return volume.read_at(position, BLOCK_HASH_SIZE)


def check_blocks(
    volume: RandomAccess, condition: VolumeCondition, on_bytes: Callable[[int], None] | None = None
) -> tuple[tuple[int, int], ...]:
    """Byte ranges of a volume that are not what was written, by the hash of every block.

    Where the table itself is lost (truncated, tail damaged), the blocks cannot be judged, and the result has
    the ranges of `condition` only. A recovery volume has its hashes beside its blocks: `stripes`.
    """
    ranges = [span for fault in condition.faults for span in fault.ranges]
    lost = any(fault.rule in ("VOL-6", "VOL-7", "VOL-8") for fault in condition.faults)
    if not lost and not condition.descriptor.is_recovery:
        for _, piece, damaged in judged_pieces(volume, condition.descriptor):
            ranges += damaged
            if on_bytes is not None:
                on_bytes(len(piece))
    return merged(ranges)


def merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges in order, those that touch made one."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return tuple(result)
