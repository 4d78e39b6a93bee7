"""One frame to a JPEG 2000 codestream and back, by OpenJPEG; the only module that calls it.

A *frame* here is native: little endian samples of Bits Allocated each. OpenJPEG wants the samples of a pixel
side by side and one byte per sample where Bits Stored is 8 or less, so planes and wide samples are converted.

The binding holds the GIL, and takes `bytes` only: given any other buffer to encode, it ends the process.
"""

from __future__ import annotations

import io

import _openjpeg
import numpy as np
from openjpeg.utils import encode_buffer

from dicompack.dicom import codestream
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError, UnsupportedError

# The binding's numbers for a colour space; it applies the colour transform to RGB only.
_UNSPECIFIED, _RGB = 0, 1


def fits_bits_stored(value: Buffer, layout: PixelFormat) -> bool:
    """Whether every sample is what its Bits Stored lowest bits say; sign extension counts as such."""
    if layout.bits_stored == layout.bits_allocated:
        return True
    samples = np.frombuffer(value, _sample(layout), count=layout.native_size * 8 // layout.bits_allocated)
    bits = layout.bits_stored - layout.pixel_representation
    lowest = -(1 << bits) if layout.pixel_representation else 0
    return bool(samples.max() < 1 << bits and samples.min() >= lowest)


def encode(frame: bytes, layout: PixelFormat) -> bytes:
    """The lossless codestream of a native frame; RGB goes through the reversible colour transform.

    Raises:
        UnsupportedError: the encoder refuses the frame.
    """
    if layout.planar_configuration == 1:
        frame = _transposed(frame, layout, layout.samples_per_pixel, -1)
    if _is_narrowed(layout):
        frame = np.frombuffer(frame, _sample(layout)).astype(_narrow(layout)).tobytes()
    rgb = layout.photometric_interpretation == "RGB"
    try:
        return encode_buffer(
            frame,
            layout.columns,
            layout.rows,
            layout.samples_per_pixel,
            layout.bits_stored,
            bool(layout.pixel_representation),
            photometric_interpretation=_RGB if rgb else _UNSPECIFIED,
            use_mct=rgb,
        )
    except RuntimeError as refusal:
        raise UnsupportedError("the encoder refuses the frame") from refusal


def check(data: Buffer, layout: PixelFormat, *, transform: bool) -> codestream.Codestream:
    """Whether a codestream is sound and holds a frame of this layout; nothing else may be decoded.

    Raises:
        FormatError: it is malformed (J2K rules) or differs from the layout (CMP-5).
    """
    header = codestream.parse(data)
    told = (header.rows, header.columns, header.components, header.precision, header.signed, header.transform)
    if told != (
        layout.rows,
        layout.columns,
        layout.samples_per_pixel,
        layout.bits_stored,
        bool(layout.pixel_representation),
        transform,
    ):  # CMP-5
        raise FormatError("codestream and data set describe different frames", rule="CMP-5")
    return header


def decode(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The native frame of a codestream, in the layout that is asked for.

    Raises:
        FormatError: see `check`; or the decoder fails (CMP-6).
    """
    header = check(data, layout, transform=transform)
    try:
        status, frame = _openjpeg.decode(io.BytesIO(memoryview(data)[: header.size]), 0, as_array=False)
    except RuntimeError as refusal:
        raise FormatError("the decoder refuses the codestream", rule="CMP-6") from refusal
    narrowed = _is_narrowed(layout)
    if status or len(frame) << narrowed != layout.frame_bytes:  # CMP-6
        raise FormatError("the decoder does not give the whole frame", rule="CMP-6")
    if narrowed:
        frame = np.frombuffer(frame, _narrow(layout)).astype(_sample(layout)).tobytes()
    if layout.planar_configuration == 1:
        frame = _transposed(frame, layout, -1, layout.samples_per_pixel)
    return bytes(frame)


def _sample(layout: PixelFormat) -> np.dtype[np.signedinteger | np.unsignedinteger]:
    return np.dtype(f"<{'ui'[layout.pixel_representation]}{layout.bits_allocated // 8}")


def _narrow(layout: PixelFormat) -> np.dtype[np.signedinteger | np.unsignedinteger]:
    return np.dtype(f"{'ui'[layout.pixel_representation]}1")


def _is_narrowed(layout: PixelFormat) -> bool:
    return layout.bits_stored <= 8 < layout.bits_allocated


def _transposed(frame: Buffer, layout: PixelFormat, height: int, width: int) -> bytes:
    """Planes to pixels and back: the samples as a matrix, column after column."""
    return np.frombuffer(frame, _sample(layout)).reshape(height, width).tobytes("F")
