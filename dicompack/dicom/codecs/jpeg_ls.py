"""JPEG-LS (ISO/IEC 14495-1) by CharLS: encoded through pyjpegls, decoded through imagecodecs.

pyjpegls takes the precision from its caller where imagecodecs takes that of the array's type, which would
contradict Bits Stored. Its `encode_array` guesses the precision from the samples, and is wrong where those of
a two-byte array are all below 256, so only `encode_buffer` may be called. JPEG-LS knows no sign: signed
samples are coded as the bits of their two's complement, and Pixel Representation says what they are.
"""

from __future__ import annotations

import jpeg_ls
import numpy as np
from imagecodecs import JpeglsError, jpegls_decode  # now: its libraries come with the names

from dicompack.dicom.codecs import jpeg_ls_stream, samples
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError, UnsupportedError

_BY_SAMPLE = 2  # interleave mode: the samples of a pixel side by side


def encode(frame: Buffer, layout: PixelFormat) -> bytes:
    """The lossless codestream of a native frame; there is no colour transform (PS3.5 8.2.3).

    Raises:
        UnsupportedError: the encoder refuses the frame, or samples use bits above Bits Stored.
    """
    array = samples.from_frame(frame, layout)
    if layout.pixel_representation:
        unsigned = array.view(f"<u{array.dtype.itemsize}")
        array = unsigned & np.array((1 << layout.bits_stored) - 1, unsigned.dtype)
    try:
        return bytes(
            jpeg_ls.encode_buffer(
                array.tobytes(),
                layout.rows,
                layout.columns,
                layout.samples_per_pixel,
                layout.bits_stored,
                interleave_mode=_BY_SAMPLE if layout.samples_per_pixel > 1 else None,
            )
        )
    except (RuntimeError, ValueError) as refusal:
        raise UnsupportedError("the encoder refuses the frame") from refusal


def check(data: Buffer, layout: PixelFormat, *, transform: bool) -> int:
    """Whether a codestream is sound and holds a frame of this layout; nothing else may be decoded.

    Raises:
        FormatError: it is malformed (JLS rules) or differs from the layout (CMP-5).
    """
    return _checked(data, layout, transform=transform).size


def decode(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The native frame of a codestream, in the layout that is asked for.

    Raises:
        FormatError: see `check`; or the decoder fails (CMP-6).
    """
    header = _checked(data, layout, transform=transform)
    try:
        decoded = jpegls_decode(bytes(memoryview(data)[: header.size]))
    except (JpeglsError, ValueError) as refusal:
        raise FormatError("the decoder refuses the codestream", rule="CMP-6") from refusal
    return samples.native_of_bits(decoded.tobytes(), layout, layout.bits_stored)


def decode_otherwise(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The same by the CharLS of pyjpegls, another build of it.

    Raises:
        FormatError: see `decode`.
    """
    header = _checked(data, layout, transform=transform)
    try:
        decoded = bytes(jpeg_ls.decode_from_buffer(bytes(memoryview(data)[: header.size])))
    except (RuntimeError, ValueError) as refusal:
        raise FormatError("the second decoder refuses the codestream", rule="CMP-6") from refusal
    if layout.samples_per_pixel > 1 and header.interleave not in jpeg_ls_stream.PIXELS_IN_ONE_SCAN:
        planes = np.frombuffer(decoded, _unsigned(layout)).reshape(layout.samples_per_pixel, -1)
        decoded = planes.T.tobytes()
    return samples.native_of_bits(decoded, layout, layout.bits_stored)


def _checked(data: Buffer, layout: PixelFormat, *, transform: bool) -> jpeg_ls_stream.JpegLs:
    header = jpeg_ls_stream.parse(data)
    told = (header.rows, header.columns, header.components, header.precision, False)
    due = (layout.rows, layout.columns, layout.samples_per_pixel, layout.bits_stored, transform)
    if told != due:  # CMP-5
        raise FormatError("codestream and data set describe different frames", rule="CMP-5")
    return header


def _unsigned(layout: PixelFormat) -> np.dtype[np.integer]:
    return np.dtype(f"<u{samples.container(layout).itemsize}")
