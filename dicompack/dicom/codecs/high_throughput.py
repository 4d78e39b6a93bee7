"""High-throughput JPEG 2000 (ISO/IEC 15444-15) by OpenJPH, through imagecodecs.

The encoder takes its precision from the type of the array, 8, 16 or 32 bits; a codestream that says 16 where
the data set says 12 would contradict it (PS3.5 8.2). So the samples are moved such that the encoder's own
level shift ends where that of Bits Stored would have, and SIZ is made to say Bits Stored. The coefficients
are those of such an image, and a decoder needs to know nothing about it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from imagecodecs import Htj2kError, htj2k_decode, htj2k_encode  # now: its libraries come with the names

from dicompack.dicom.codecs import codestream, jpeg_two_thousand, samples
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError, UnsupportedError

_BYTES_OF_SAMPLE = 4  # OpenJPH: one array of 32-bit coefficients
_COMPONENTS = 42  # offset of the first component's Ssiz: SOC, SIZ, and 38 bytes of fields


def encode(frame: Buffer, layout: PixelFormat) -> bytes:
    """The lossless codestream of a native frame; RGB goes through the reversible colour transform.

    Raises:
        UnsupportedError: the encoder refuses the frame, or samples use bits above Bits Stored.
    """
    array = samples.from_frame(frame, layout)
    bits, signed = layout.bits_stored, layout.pixel_representation
    if not signed:
        width = array.dtype.itemsize * 8
        array = array + np.array((1 << width - 1) - (1 << bits - 1), array.dtype)
    try:
        encoded = htj2k_encode(
            array, rgb=layout.photometric_interpretation == "RGB", planar=False, reversible=True
        )
    except (Htj2kError, ValueError) as refusal:
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise UnsupportedError("the encoder refuses the frame") from refusal
    said = bytearray(encoded)
    for component in range(layout.samples_per_pixel):
        said[_COMPONENTS + 3 * component] = signed << 7 | bits - 1
    return bytes(said)


def check(data: Buffer, layout: PixelFormat, *, transform: bool) -> int:
    """Whether a codestream is sound and holds a frame of this layout; nothing else may be decoded.

    Raises:
        FormatError: it is malformed (J2K rules) or differs from the layout (CMP-5).
    """
    header = codestream.parse(data, high_throughput=True)
    codestream.check_frame(header, layout, transform=transform)
    return header.size


def decode(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The native frame of a codestream, in the layout that is asked for.

    Raises:
        FormatError: see `check`; or the decoder fails (CMP-6).
    """
    size = check(data, layout, transform=transform)
    with _heard() as errors:
        try:
            decoded = htj2k_decode(bytes(memoryview(data)[:size]), planar=False)
        except (Htj2kError, ValueError) as refusal:
            samples.check_room(layout, _BYTES_OF_SAMPLE)
            raise FormatError("the decoder refuses the codestream", rule="CMP-6") from refusal
    if errors:  # CMP-6
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise FormatError("the decoder fails in the middle of the codestream", rule="CMP-6")
    return samples.to_frame(samples.from_decoder(np.ascontiguousarray(decoded).data, layout), layout)


@contextmanager
def _heard() -> Iterator[list[object]]:
    """What the binding drops: some errors of OpenJPH come out as a half-filled frame and a message."""
    dropped: list[object] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda raised: dropped.append(raised.exc_type)
    try:
        yield dropped
    finally:
        sys.unraisablehook = before


def decode_otherwise(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The same by OpenJPEG, which shares no line with OpenJPH; it is exact up to 16 bits.

    Raises:
        FormatError: see `decode`.
    """
    size = check(data, layout, transform=transform)
    return jpeg_two_thousand.decode_checked(memoryview(data)[:size], layout)
