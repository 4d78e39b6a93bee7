"""JPEG 2000 (ISO/IEC 15444-1) by OpenJPEG; the only module that calls it.

The binding holds the GIL, and takes `bytes` only: given any other buffer to encode, it ends the process. Its
five decompositions are fixed, so that it cannot encode a frame with a side below 32; imagecodecs can.
"""

from __future__ import annotations

import io
from importlib.util import find_spec

import _openjpeg
from openjpeg.utils import encode_buffer

from dicompack.dicom.codecs import codestream, samples
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError, UnsupportedError

MIN_SIDE = 32
"""Rows and columns that the binding's encoder takes."""

_BYTES_OF_SAMPLE = 8  # OpenJPEG: 32-bit planes of the image, and of its tile

# The binding's numbers for a colour space; it applies the colour transform to RGB only.
_UNSPECIFIED, _RGB = 0, 1


def encode(frame: Buffer, layout: PixelFormat) -> bytes:
    """The lossless codestream of a native frame; RGB goes through the reversible colour transform.

    Raises:
        UnsupportedError: the encoder refuses the frame, or samples use bits above Bits Stored.
    """
    array = samples.from_frame(frame, layout)
    if min(layout.rows, layout.columns) < MIN_SIDE:
        rgb = layout.photometric_interpretation == "RGB"
        return _encode_small(array, layout.bits_stored, rgb=rgb)
    return encode_samples(array, layout)


def encode_samples(array: samples.Samples, layout: PixelFormat, ratios: list[float] | None = None) -> bytes:
    """A codestream of samples with no side below `MIN_SIDE`; lossless, unless ratios of layers are given.

    Raises:
        UnsupportedError: the encoder refuses them.
    """
    rgb = layout.photometric_interpretation == "RGB"
    try:
        return encode_buffer(
            array.tobytes(),
            layout.columns,
            layout.rows,
            layout.samples_per_pixel,
            layout.bits_stored,
            bool(layout.pixel_representation),
            photometric_interpretation=_RGB if rgb else _UNSPECIFIED,
            use_mct=rgb,
            compression_ratios=ratios,
        )
    except RuntimeError as refusal:
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise UnsupportedError("the encoder refuses the frame") from refusal


def _encode_small(array: samples.Samples, bits: int, *, rgb: bool) -> bytes:
    if find_spec("imagecodecs") is None:
        raise UnsupportedError(
            f"Rows or Columns is below {MIN_SIDE}, which takes the encoder of dicompack[codecs]"
        )
    import imagecodecs

    try:
        return bytes(
            imagecodecs.jpeg2k_encode(
                array, level=0, codecformat="j2k", reversible=True, bitspersample=bits, mct=rgb
            )
        )
    except (imagecodecs.Jpeg2kError, ValueError) as refusal:
        raise UnsupportedError("the encoder refuses the frame") from refusal


def check(data: Buffer, layout: PixelFormat, *, transform: bool) -> int:
    """Whether a codestream is sound and holds a frame of this layout; nothing else may be decoded.

    Raises:
        FormatError: it is malformed (J2K rules) or differs from the layout (CMP-5).
    """
    header = codestream.parse(data)
    codestream.check_frame(header, layout, transform=transform)
    return header.size


def decode(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The native frame of a codestream, in the layout that is asked for.

    Raises:
        FormatError: see `check`; or the decoder fails (CMP-6).
    """
    size = check(data, layout, transform=transform)
    return decode_checked(memoryview(data)[:size], layout)


def decode_checked(data: Buffer, layout: PixelFormat) -> bytes:
    """The native frame of a codestream of Part 1 or Part 15 that has been walked.

    Raises:
        FormatError: the decoder fails (CMP-6).
    """
    try:
        status, decoded = _openjpeg.decode(io.BytesIO(data), 0, as_array=False)
    except RuntimeError as refusal:
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise FormatError("the decoder refuses the codestream", rule="CMP-6") from refusal
    if status:  # CMP-6
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise FormatError("the decoder does not give the whole frame", rule="CMP-6")
    array = samples.from_decoder(decoded, layout)
    return bytes(decoded) if samples.is_native(layout) else samples.to_frame(array, layout)


def decode_otherwise(data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
    """The same by the OpenJPEG of imagecodecs, another release in another build.

    Raises:
        FormatError: see `decode`.
        UnsupportedError: imagecodecs is not installed.
    """
    size = check(data, layout, transform=transform)
    if find_spec("imagecodecs") is None:
        raise UnsupportedError("there is no second decoder", hint="pip install 'dicompack[codecs]'")
    import imagecodecs

    try:
        decoded = imagecodecs.jpeg2k_decode(bytes(memoryview(data)[:size]))
    except (imagecodecs.Jpeg2kError, ValueError) as refusal:
        samples.check_room(layout, _BYTES_OF_SAMPLE)
        raise FormatError("the second decoder refuses the codestream", rule="CMP-6") from refusal
    return samples.to_frame(samples.from_decoder(decoded.tobytes(), layout), layout)
