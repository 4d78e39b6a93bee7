"""Lossless encapsulated Pixel Data to native ones, so that another codec can have them.

Only on demand: what is compressed already travels as it is otherwise. Every codestream is walked by our own
code before a decoder sees it, here as in `pixels`; what is not understood to the last byte stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from dicompack.dicom import encapsulation
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.dataset import Buffer, DataSet, Element, number_element, string_element
from dicompack.dicom.pixelformat import (
    MAX_NATIVE_SIZE,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PLANAR_CONFIGURATION,
    SUBSAMPLED,
    PixelFormat,
    pixel_format,
)
from dicompack.dicom.pixels import MAX_FRAME_SAMPLES
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import UnsupportedError

_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
# `.202` is `.201` with a progression; both are lossless, where `.91`, `.81` and `.203` need not be.
_CODEC_OF = {
    **{codec.transfer_syntax.uid: codec.name for codec in CODECS.values()},
    "1.2.840.10008.1.2.4.202": "htj2k",
}

_Decoder: TypeAlias = Callable[[Buffer, PixelFormat], bytes]


def native(data_set: DataSet, syntax: TransferSyntax, *, paranoid: bool = False) -> DataSet:
    """The data set with native Pixel Data in little endian order, samples as they are.

    Args:
        data_set: one that `encapsulation.check` has passed.
        syntax: its Transfer Syntax.
        paranoid: ask a second decoder for every frame, too.

    Raises:
        UnsupportedError: it is not known to be lossless, there is no decoder, or two of them disagree.
        FormatError: a codestream is not of a profile that is decoded.
        InputError: see `pixel_format`.
    """
    layout = pixel_format(data_set)
    frames = encapsulation.frames_of(data_set, layout) if layout is not None else None
    if layout is None or frames is None:
        raise UnsupportedError("nothing tells which fragments belong to a frame")
    if layout.native_size > MAX_NATIVE_SIZE:
        raise UnsupportedError("native Pixel Data exceed the length of an element")
    if layout.rows * layout.columns * layout.samples_per_pixel > MAX_FRAME_SAMPLES:
        raise UnsupportedError(f"a frame has more than {MAX_FRAME_SAMPLES} samples")
    subsampled = layout.photometric_interpretation in SUBSAMPLED  # natively; here all samples are there
    if layout.bits_allocated == 1 or layout.samples_per_pixel not in (1, 3) or subsampled:
        raise UnsupportedError("a layout that is not recompressed")
    layout, decode, second = _decoders(layout, syntax)

    from dicompack.dicom.codecs import samples

    value = memoryview(bytearray(layout.native_size + layout.native_size % 2))
    for number, frame in enumerate(frames):
        decoded = decode(frame, layout)
        if paranoid and second is not None and second(frame, layout) != decoded:
            raise UnsupportedError("a second decoder gives other samples")
        samples.put_frame(value, number, decoded, layout)
    vr = "OB" if layout.bits_allocated <= 8 else "OW"
    changed = [Element(PIXEL_DATA, vr, value.toreadonly())]
    if layout.photometric_interpretation != data_set.text(PHOTOMETRIC_INTERPRETATION).strip():
        changed.append(string_element(PHOTOMETRIC_INTERPRETATION, "CS", layout.photometric_interpretation))
    if layout.planar_configuration is not None:
        changed.append(number_element(PLANAR_CONFIGURATION, "US", layout.planar_configuration))
    return data_set.without(*_OFFSET_TABLES).replacing(*changed)


def _decoders(layout: PixelFormat, syntax: TransferSyntax) -> tuple[PixelFormat, _Decoder, _Decoder | None]:
    """The native layout, what decodes a frame to it, and what does it a second time.

    What is stored in the open has no second decoder.
    """
    if syntax.uid == encapsulation.RLE:
        from dicompack.dicom.codecs import run_length

        return layout, run_length.decode, run_length.decode_otherwise
    if syntax.uid == encapsulation.DEFLATED_FRAMES:
        return layout, encapsulation.inflated, None
    if syntax.uid == encapsulation.UNCOMPRESSED_FRAMES:
        return layout, encapsulation.uncompressed, None
    if layout.planar_configuration is not None:
        layout = replace(layout, planar_configuration=0)
    if syntax.uid in _JPEG_LOSSLESS:
        if CODECS["htj2k"].missing:
            raise UnsupportedError("JPEG Lossless takes the decoder of dicompack[codecs]")
        from dicompack.dicom.codecs import jpeg_lossless

        return layout, jpeg_lossless.decode, jpeg_lossless.decode_otherwise
    if syntax.uid not in _CODEC_OF:
        raise UnsupportedError("it is not known to be lossless")
    transform = layout.photometric_interpretation == "YBR_RCT"
    if transform:
        layout = replace(layout, photometric_interpretation="RGB")
    coder = CODECS[_CODEC_OF[syntax.uid]].load()

    def decode(frame: Buffer, native_layout: PixelFormat) -> bytes:
        return coder.decode(frame, native_layout, transform=transform)

    def decode_otherwise(frame: Buffer, native_layout: PixelFormat) -> bytes:
        return coder.decode_otherwise(frame, native_layout, transform=transform)

    return layout, decode, decode_otherwise
