"""Native frames as arrays of samples and back (PS3.5 8.1.1).

A frame is cut out of the value of Pixel Data, made an array in the narrowest type that holds Bits Stored, and
the reverse. Only bytes whose samples say nothing above Bits Stored become an array, so that what an array
gives back can be compared with the bytes it came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError, UnsupportedError

Samples = NDArray[np.integer]
"""Rows x columns, or rows x columns x samples of a pixel."""


def frames(value: Buffer, layout: PixelFormat) -> Iterator[Buffer]:
    """The native frames of a value, one after the other."""
    return (frame(value, number, layout) for number in range(layout.frames))


def frame(value: Buffer, number: int, layout: PixelFormat) -> Buffer:
    """One native frame of a value; that of one bit per sample begins at a byte of its own."""
    view, bits = memoryview(value), layout.frame_bits
    first, shift = divmod(number * bits, 8)
    if not shift and not bits % 8:
        return view[first : first + bits // 8]
    last = (number * bits + bits + 7) // 8
    packed = int.from_bytes(view[first:last], "little") >> shift
    return (packed & (1 << bits) - 1).to_bytes(layout.frame_bytes, "little")


def put_frame(value: memoryview, number: int, frame: Buffer, layout: PixelFormat) -> None:
    """Set one frame in a value that is zero there: the reverse of `frames`."""
    bits = layout.frame_bits
    first, shift = divmod(number * bits, 8)
    if not shift and not bits % 8:
        value[first : first + bits // 8] = frame
        return
    last = (number * bits + bits + 7) // 8
    packed = int.from_bytes(value[first:last], "little") | int.from_bytes(frame, "little") << shift
    value[first:last] = packed.to_bytes(last - first, "little")


def from_frame(frame: Buffer, layout: PixelFormat) -> Samples:
    """The samples of a native frame, those of a pixel side by side.

    Raises:
        UnsupportedError: a bit above Bits Stored is in use; sign extension is not such a use.
    """
    rows, columns, per_pixel = layout.rows, layout.columns, layout.samples_per_pixel
    if layout.bits_allocated == 1:
        packed = np.frombuffer(frame, np.uint8)
        return np.unpackbits(packed, count=rows * columns, bitorder="little").reshape(rows, columns)
    wide = _wide(frame, layout)
    if layout.bits_stored < layout.bits_allocated:
        bits = layout.bits_stored - layout.pixel_representation
        lowest = -(1 << bits) if layout.pixel_representation else 0
        if int(wide.max()) >= 1 << bits or int(wide.min()) < lowest:
            raise UnsupportedError("bits above Bits Stored are in use")
    flat = wide.astype(container(layout), copy=False)
    if per_pixel == 1:
        return flat.reshape(rows, columns)
    if layout.planar_configuration == 1:
        return np.ascontiguousarray(flat.reshape(per_pixel, rows, columns).transpose(1, 2, 0))
    return flat.reshape(rows, columns, per_pixel)


def to_frame(samples: Samples, layout: PixelFormat) -> bytes:
    """The native frame of an array: the reverse of `from_frame`."""
    if layout.bits_allocated == 1:
        return np.packbits(samples.astype(bool), axis=None, bitorder="little").tobytes()
    if layout.planar_configuration == 1:
        samples = samples.transpose(2, 0, 1)
    width, memory = layout.bits_allocated // 8, _memory_width(layout)
    wide = samples.astype(_type(layout, memory), copy=False)
    if width == memory:
        return wide.tobytes()
    return np.ascontiguousarray(wide).reshape(-1, 1).view(np.uint8)[:, :width].tobytes()


def from_decoder(data: Buffer, layout: PixelFormat) -> Samples:
    """The array of what a decoder gives: samples of `container` type, those of a pixel side by side.

    Raises:
        FormatError: it is not as many bytes as a frame has (CMP-6).
    """
    shape: tuple[int, ...] = (layout.rows, layout.columns)
    if layout.samples_per_pixel > 1:
        shape = (*shape, layout.samples_per_pixel)
    held = container(layout)
    if memoryview(data).nbytes != math.prod(shape) * held.itemsize:  # CMP-6
        raise FormatError("the decoder does not give the whole frame", rule="CMP-6")
    return np.frombuffer(data, held).reshape(shape)


def check_room(layout: PixelFormat, bytes_of_sample: int) -> None:
    """Tell a codec that refuses a frame from one that had no room for it: it says the same of both.

    Args:
        layout: of the frame.
        bytes_of_sample: what the codec takes for each sample at least.

    Raises:
        MemoryError: there is not that much.
    """
    bytearray(layout.rows * layout.columns * layout.samples_per_pixel * bytes_of_sample)


def is_native(layout: PixelFormat) -> bool:
    """Whether the samples as a decoder gives them are the native frame, byte for byte."""
    return (
        layout.bits_allocated > 1
        and layout.planar_configuration != 1
        and container(layout).itemsize * 8 == layout.bits_allocated
    )


def native_of_bits(data: Buffer, layout: PixelFormat, bits: int) -> bytes:
    """The native frame of what a decoder gives that knows no sign: the lowest bits of two's complement.

    Raises:
        FormatError: it is not as many bytes as a frame has (CMP-6).
    """
    width = 1 if bits <= 8 else 2
    count = layout.rows * layout.columns * layout.samples_per_pixel
    if len(data) != count * width:  # CMP-6
        raise FormatError("the decoder does not give the whole frame", rule="CMP-6")
    flat = np.frombuffer(data, f"<{'ui'[layout.pixel_representation]}{width}")
    if layout.pixel_representation:
        above = width * 8 - bits
        flat = flat << above >> above  # in a signed type: the highest of the bits is copied upwards
    shape: tuple[int, ...] = (layout.rows, layout.columns)
    return to_frame(
        flat.reshape((*shape, layout.samples_per_pixel) if layout.samples_per_pixel > 1 else shape), layout
    )


def container(layout: PixelFormat) -> np.dtype[np.integer]:
    """The narrowest type of one, two or four bytes for Bits Stored."""
    return _type(layout, 1 if layout.bits_stored <= 8 else 2 if layout.bits_stored <= 16 else 4)


def _type(layout: PixelFormat, width: int) -> np.dtype[np.integer]:
    return np.dtype(f"<{'ui'[layout.pixel_representation]}{width}")


def _memory_width(layout: PixelFormat) -> int:
    """Bytes of the type that holds Bits Allocated; there are none of three and of five."""
    width = layout.bits_allocated // 8
    return next(bytes_ for bytes_ in (1, 2, 4, 8) if bytes_ >= width)


def _wide(frame: Buffer, layout: PixelFormat) -> NDArray[np.integer]:
    """The samples of a frame in the type of Bits Allocated, in the order of the frame."""
    width, memory = layout.bits_allocated // 8, _memory_width(layout)
    if width == memory:
        return np.frombuffer(frame, _type(layout, memory))
    raw = np.frombuffer(frame, np.uint8).reshape(-1, width)
    filled = np.zeros((len(raw), memory), np.uint8)
    filled[:, :width] = raw
    if layout.pixel_representation:
        filled[:, width:] = (raw[:, -1:] >> 7) * 255
    return filled.reshape(-1).view(_type(layout, memory))
