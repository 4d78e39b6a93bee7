"""RLE Lossless frames to native ones (PS3.5 Annex G): strict, and never more bytes than a frame has.

For recompression and de-identification only. Nothing of this format is ever written.
"""

from __future__ import annotations

import itertools
from typing import Final

from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError

_HEADER: Final = 64
_NO_OPERATION: Final = 128
_PADDING: Final = b"\0\x80"


def decode(data: Buffer, layout: PixelFormat) -> bytes:
    """The native frame in the layout that is asked for.

    Raises:
        FormatError: the header does not fit the frame (RLE-1), runs do not fill a segment exactly (RLE-2), or
            bytes other than padding follow them (RLE-3).
    """
    width = layout.bits_allocated // 8
    count = layout.samples_per_pixel * width
    pixels = layout.rows * layout.columns
    native = bytearray(count * pixels)
    for segment, runs in enumerate(_segments(data, layout)):
        sample, byte = divmod(segment, width)
        place = width - 1 - byte  # segments begin with the most significant byte, native samples end with it
        if layout.planar_configuration == 1:
            start, step, stop = sample * pixels * width + place, width, (sample + 1) * pixels * width
        else:
            start, step, stop = sample * width + place, count, len(native)
        native[start:stop:step] = _segment(runs, pixels)
    return bytes(native)


def check(data: Buffer, layout: PixelFormat) -> None:
    """Whether a frame holds its samples and nothing else; they are not decoded.

    Raises:
        FormatError: see `decode`.
    """
    # Of one bit per sample, a segment has eight samples to a byte.
    size = layout.frame_bytes if layout.bits_allocated == 1 else layout.rows * layout.columns
    for runs in _segments(data, layout):
        _check_segment(bytes(runs), size)


def _segments(data: Buffer, layout: PixelFormat) -> list[memoryview]:
    """The runs of each byte of a sample (G.3.1)."""
    view, width = memoryview(data), (layout.bits_allocated + 7) // 8
    count = layout.samples_per_pixel * width
    numbers = [int.from_bytes(view[at : at + 4], "little") for at in range(0, _HEADER, 4)]
    bounds = [*numbers[1 : count + 1], len(view)]
    if (
        len(view) < _HEADER
        or numbers[0] != count
        or bounds[0] != _HEADER
        or sorted(set(bounds)) != bounds
        or any(numbers[count + 1 :])
    ):  # RLE-1
        raise FormatError("RLE header does not fit the frame", rule="RLE-1")
    return [view[start:end] for start, end in itertools.pairwise(bounds)]


def _check_segment(runs: bytes, size: int) -> None:
    filled, offset, end = 0, 0, len(runs)
    while filled < size and offset < end:
        control = runs[offset]
        if control < _NO_OPERATION:
            filled += control + 1
            offset += control + 2
        elif control > _NO_OPERATION:
            filled += 257 - control
            offset += 2
        else:
            offset += 1
    if filled != size or offset > end:  # RLE-2
        raise FormatError("RLE runs do not fill the frame", rule="RLE-2")
    if runs[offset:].strip(_PADDING):  # RLE-3
        raise FormatError("bytes behind the RLE runs of a frame", rule="RLE-3")


def _segment(view: memoryview, size: int) -> bytearray:
    """One byte of each pixel (G.3.2)."""
    filled = bytearray()
    offset, end = 0, len(view)
    while len(filled) < size and offset < end:
        control = view[offset]
        offset += 1
        if control < _NO_OPERATION:
            filled += view[offset : offset + control + 1]
            offset += control + 1
        elif control > _NO_OPERATION and offset < end:
            filled += bytes(view[offset : offset + 1]) * (257 - control)
            offset += 1
    if len(filled) != size or offset > end:  # RLE-2
        raise FormatError("RLE runs do not fill the frame", rule="RLE-2")
    if bytes(view[offset:]).strip(_PADDING):  # RLE-3
        raise FormatError("bytes behind the RLE runs of a frame", rule="RLE-3")
    return filled


def decode_otherwise(data: Buffer, layout: PixelFormat) -> bytes:
    """The same by the decoder of imagecodecs.

    Raises:
        FormatError: see `decode`; or that decoder fails (CMP-6).
    """
    import imagecodecs
    import numpy as np

    decode(data, layout)  # checks
    pixels, width, per_pixel = (
        layout.rows * layout.columns,
        layout.bits_allocated // 8,
        layout.samples_per_pixel,
    )
    try:
        planes = imagecodecs.dicomrle_decode(bytes(data), np.dtype(f"<u{width}"))
    except (imagecodecs.DicomrleError, ValueError) as refusal:
        raise FormatError("the second decoder refuses the frame", rule="CMP-6") from refusal
    if layout.planar_configuration == 0:
        samples = np.frombuffer(planes, np.uint8).reshape(per_pixel, pixels, width)
        return np.ascontiguousarray(samples.transpose(1, 0, 2)).tobytes()
    return bytes(planes)
