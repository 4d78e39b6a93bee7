"""What stands in ORIGINAL objects: restoring data of one series, compressed together, and padded.

    xz stream of all restoring data, one after the other, in the order of the members; then zeros

Whoever sees the sealed object learns its size: it is one of few (`padded_size`).
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable

from dicompack.errors import FormatError

MAXIMUM_CONTENT = 1 << 30
"""Bytes of one object, as of any other envelope; a series with more gets several."""

MAXIMUM_RESTORING = 1 << 32
"""Bytes of restoring data behind one object: what a series of whole files has that share nothing."""

_PRESET = 6  # a tenth smaller than 3, and 0.2 s for a series of 130
_SMALLEST = 4096
_MEMORY = 128 << 20  # bytes: what the decoder takes for a stream of preset 9, and no more


def pack(items: Iterable[bytes]) -> bytes:
    """The content of an ORIGINAL object."""
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=_PRESET)
    stream = b"".join((*map(compressor.compress, items), compressor.flush()))
    return stream + bytes(padded_size(len(stream)) - len(stream))


def padded_size(size: int) -> int:
    """4 KiB at least, above that with the five highest bits in use: at most a sixteenth more."""
    if size <= _SMALLEST:
        return _SMALLEST
    step = 1 << (size - 1).bit_length() - 5
    return -(-size // step) * step


def unpack(content: bytes, size: int) -> bytes:
    """The restoring data in an ORIGINAL object, `size` bytes in all; no more than that is inflated.

    Raises:
        FormatError: it is no such content, or holds another number of bytes (ORG-2).
    """
    inflater = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        # One byte more than is due: whether the stream ends there is part of the answer.
        data = inflater.decompress(content, size + 1)
    except lzma.LZMAError as error:  # ORG-2
        raise FormatError("an ORIGINAL object is no xz stream", rule="ORG-2") from error
    if len(data) != size or not inflater.eof:  # ORG-2
        raise FormatError("an ORIGINAL object does not hold what is listed", rule="ORG-2")
    rest = inflater.unused_data
    if len(content) != padded_size(len(content) - len(rest)) or any(rest):  # ORG-2
        raise FormatError("an ORIGINAL object is not padded as a writer does", rule="ORG-2")
    return data
