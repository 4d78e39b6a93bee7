"""From a layout and the objects' contents to the bytes of the volumes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from dicompack.container import names
from dicompack.container.frames import BLOCK_SIZE, TailSum, block_hash, head, zeros
from dicompack.container.readme import README_TEXT
from dicompack.container.zip_entries import central_header, end_records, local_header
from dicompack.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dicompack.container.layout import Entry, Layout, VolumeLayout


class ReadObject(Protocol):
    """Gives `size` bytes of an object from `offset` on, in pieces of any length."""

    def __call__(self, name: str, offset: int, size: int, /) -> Iterable[bytes | memoryview]:
        """The pieces."""
        ...


class _BlockTable:
    """Hashes of the blocks of a stream."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.hashes = bytearray()

    def update(self, chunk: bytes | memoryview) -> None:
        view = memoryview(chunk)
        if self._rest:
            missing = BLOCK_SIZE - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) < BLOCK_SIZE:
                return
            self.hashes += block_hash(bytes(self._rest))
            self._rest.clear()
        whole = len(view) - len(view) % BLOCK_SIZE
        for start in range(0, whole, BLOCK_SIZE):
            self.hashes += block_hash(view[start : start + BLOCK_SIZE])
        self._rest += view[whole:]

    def finish(self) -> bytes:
        if self._rest:
            self.hashes += block_hash(bytes(self._rest))
            self._rest.clear()
        return bytes(self.hashes)


class VolumeWriter:
    """Makes the volumes of one package, first to last.

    `read` is called twice for every piece: ZIP wants the CRC-32 before the bytes. The directory at the end of
    the last volume needs the CRC-32 of all pieces, so the volumes are made in order, each to its end.
    """

    def __init__(self, layout: Layout, read: ReadObject) -> None:
        self.layout = layout
        self._read = read
        self._directory = bytearray()
        self._done = 0

    def chunks(self, index: int) -> Iterator[bytes | memoryview]:
        """The bytes of data volume `index` (from 1). Memory stays bounded by what `read` yields.

        Raises:
            UsageError: the volumes are not made in order.
            InputError: an object gave other bytes the second time, or not as many as were laid out.
        """
        if index != self._done + 1 or index > self.layout.count:
            raise UsageError("volumes are written in order, each to its end")
        volume = self.layout.volumes[index - 1]
        table = _BlockTable()
        for chunk in self._contents(volume):
            table.update(chunk)
            yield chunk
        yield from self._tail(volume, table.finish())
        if index == self.layout.count:
            yield self._end()
        self._done = index

    def _contents(self, volume: VolumeLayout) -> Iterator[bytes | memoryview]:
        descriptor = volume.descriptor
        start = head(descriptor)
        # The CRC-32 of the head entry is in its own header; the directory repeats it.
        self._list(
            names.head_name(descriptor.index), len(start) - 64, zlib.crc32(start[64:]), descriptor.offset
        )
        yield start
        if descriptor.index == 1:
            crc = zlib.crc32(README_TEXT)
            self._list(names.README, len(README_TEXT), crc, len(start))
            yield local_header(names.README, len(README_TEXT), crc) + README_TEXT
        for entry in volume.entries:
            crc = self._crc(entry)
            self._list(entry.name, entry.size, crc, descriptor.offset + entry.position)
            yield local_header(entry.name, entry.size, crc)
            yield from self._data(entry, crc)

    def _crc(self, entry: Entry) -> int:
        crc = 0
        for chunk in self._read(entry.object_name, entry.object_offset, entry.size):
            crc = zlib.crc32(chunk, crc)
        return crc

    def _data(self, entry: Entry, expected: int) -> Iterator[bytes | memoryview]:
        crc = size = 0
        for chunk in self._read(entry.object_name, entry.object_offset, entry.size):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            yield chunk
        if size != entry.size or crc != expected:
            raise InputError("the object changed while it was written", where=entry.object_name)

    def _tail(self, volume: VolumeLayout, table: bytes) -> Iterator[bytes | memoryview]:
        descriptor = volume.descriptor
        tail = TailSum(descriptor)
        tail.update(table)
        header, last, crc = tail.finish()
        size = len(table) + descriptor.padding + len(last)
        self._list(names.tail_name(descriptor.index), size, crc, descriptor.offset + descriptor.tail_offset)
        yield header
        yield table
        yield from zeros(descriptor.padding)
        yield last

    def _list(self, name: str, size: int, crc: int, offset: int) -> None:
        self._directory += central_header(name, size, crc, offset)

    def _end(self) -> bytes:
        layout = self.layout
        directory = bytes(self._directory)
        offset = layout.volumes[-1].descriptor.offset + layout.volumes[-1].descriptor.tail_end
        return directory + end_records(layout.count, layout.count, layout.entry_count, directory, offset)
