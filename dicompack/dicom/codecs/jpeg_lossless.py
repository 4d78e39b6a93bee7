"""JPEG Lossless frames (ISO/IEC 10918-1, process 14) to native ones, through imagecodecs.

For recompression only. Nothing of this format is ever written.
"""

from __future__ import annotations

import re
from typing import Final

from imagecodecs import Jpegsof3Error, LjpegError, jpegsof3_decode, ljpeg_decode

from dicompack.dicom.codecs import samples
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError

_SOI: Final = b"\xff\xd8"
_SOF, _DHT, _DRI, _SOS, _COM = 0xFFC3, 0xFFC4, 0xFFDD, 0xFFDA, 0xFFFE
_APPLICATION: Final = range(0xFFE0, 0xFFF0)
_SEGMENTS: Final = 64
_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # a stuffed zero and restart markers are none


def decode(data: Buffer, layout: PixelFormat) -> bytes:
    """The native frame of a codestream, in the layout that is asked for.

    Raises:
        FormatError: it is malformed or of another frame (JPL-1, JPL-2), or the decoder fails (CMP-6).
    """
    return _native(data, layout, jpegsof3_decode, Jpegsof3Error)


def decode_otherwise(data: Buffer, layout: PixelFormat) -> bytes:
    """The same by another library.

    Raises:
        FormatError: see `decode`.
    """
    return _native(data, layout, ljpeg_decode, LjpegError)


def _native(data: Buffer, layout: PixelFormat, decoder: object, failure: type[Exception]) -> bytes:
    size, precision = _check(memoryview(data), layout)
    if precision not in (layout.bits_stored, layout.bits_allocated):  # JPL-2
        raise FormatError("precision is neither Bits Stored nor Bits Allocated", rule="JPL-2")
    assert callable(decoder)
    try:
        decoded = decoder(bytes(memoryview(data)[:size]))
    except (failure, ValueError) as refusal:
        raise FormatError("the decoder refuses the codestream", rule="CMP-6") from refusal
    return samples.native_of_bits(decoded.tobytes(), layout, precision)


def _check(view: memoryview, layout: PixelFormat) -> tuple[int, int]:
    """Walk the one scan of a frame: bytes up to and including EOI, and the precision."""
    if bytes(view[:2]) != _SOI:  # JPL-1
        raise FormatError("not a JPEG codestream", rule="JPL-1")
    offset, precision = 2, 0
    for _ in range(_SEGMENTS):
        marker, length = _word(view, offset), _word(view, offset + 2)
        body = view[offset + 4 : offset + 2 + length]
        if length < 2 or len(body) != length - 2:  # JPL-1
            raise FormatError("marker segment runs past the end", where=f"offset {offset}", rule="JPL-1")
        if marker == _SOF and not precision:
            precision = _check_frame(body, layout)
        elif marker == _SOS and precision:
            components = layout.samples_per_pixel
            # Components; predictor 1 to 7, no end of band, point transform 0.
            if len(body) != 4 + 2 * components or body[0] != components or not 1 <= body[-3] <= 7 or body[-1]:
                raise FormatError("the scan does not fit the frame", rule="JPL-2")  # JPL-2
            end = _MARKER.search(view, offset + 2 + length)
            if end is None or end.group() != b"\xff\xd9":  # JPL-1
                raise FormatError("coded samples have no end", rule="JPL-1")
            return end.end(), precision
        elif marker not in (_DHT, _DRI, _COM, *_APPLICATION):  # JPL-1
            raise FormatError(f"marker {marker:04X} has no place here", rule="JPL-1")
        offset += 2 + length
    raise FormatError(f"more than {_SEGMENTS} marker segments", rule="JPL-1")  # JPL-1


def _check_frame(body: memoryview, layout: PixelFormat) -> int:
    """SOF3: precision, rows, columns, components without subsampling."""
    due = layout.rows, layout.columns, layout.samples_per_pixel
    told = (_word(body, 1), _word(body, 3), body[5]) if len(body) > 5 else ()
    factors = [body[at] for at in range(7, len(body), 3)]
    if told != due or len(body) != 6 + 3 * due[2] or set(factors) != {0x11}:  # JPL-2
        raise FormatError("codestream and data set describe different frames", rule="JPL-2")
    if not 2 <= body[0] <= 16:  # JPL-2
        raise FormatError("precision is not 2 to 16", rule="JPL-2")
    return body[0]


def _word(view: memoryview, offset: int) -> int:
    if offset + 2 > len(view):  # JPL-1
        raise FormatError("codestream is truncated", where=f"offset {offset}", rule="JPL-1")
    return int.from_bytes(view[offset : offset + 2], "big")
