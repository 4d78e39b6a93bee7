"""Encapsulated Pixel Data as native ones: what is to be blackened must be decoded first.

The decoders are those that pydicom finds installed. JPEG 2000 goes to OpenJPEG only as a bare codestream
whose size is that of the data set, since the binding has corrupted the heap on crafted JP2 boxes.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Final

from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import (
    DataSet,
    Element,
    Encapsulated,
    bytes_of,
    number_element,
    padded,
    string_element,
)
from dicompack.dicom.encoding import joined
from dicompack.dicom.pixelformat import (
    MAX_NATIVE_SIZE,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PLANAR_CONFIGURATION,
    PixelFormat,
    pixel_format,
)
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, TransferSyntax
from dicompack.errors import SuspectError

_OFFSET_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in ("90", "91", "201", "202", "203"))
_SOC_AND_SIZ: Final = b"\xff\x4f\xff\x51"
_NATIVE_OF: Final = {"YBR_ICT": "RGB", "YBR_RCT": "RGB", "YBR_FULL_422": "YBR_FULL"}


def decoded(data_set: DataSet, syntax: TransferSyntax) -> tuple[DataSet, TransferSyntax]:
    """A data set with native Pixel Data, and its Transfer Syntax; one that has them is given back as it is.

    What was compressed with loss stays so: Lossy Image Compression (0028,2110) is not touched.

    Raises:
        SuspectError: there is no decoder, or it fails (BUR-5).
        InputError: the Pixel Data contradict their description (PIX-1 to PIX-7).
    """
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    if layout is None or not isinstance(pixel_data, Encapsulated):
        return data_set, syntax
    if layout.native_size > MAX_NATIVE_SIZE:
        raise SuspectError("decoded pixel data would exceed the length of an element", rule="BUR-5")
    if syntax.uid in _JPEG_2000:
        _check_codestreams(pixel_data, layout)
    return _native(data_set, syntax, layout), EXPLICIT_LITTLE


def _check_codestreams(pixel_data: Encapsulated, layout: PixelFormat) -> None:
    """BUR-5: bare codestreams, as large as the data set says; that of a single frame may be in pieces."""
    fragments = pixel_data.fragments[1:]
    streams = [bytes(bytes_of(part)[:64]) for part in (fragments[:1] if layout.frames == 1 else fragments)]
    due = (layout.columns, layout.rows, layout.samples_per_pixel)
    for head in streams:
        right, bottom, left, top = (int.from_bytes(head[at : at + 4], "big") for at in (8, 12, 16, 20))
        told = (right - left, bottom - top, int.from_bytes(head[40:42], "big"))
        if not head.startswith(_SOC_AND_SIZ) or told != due or len(streams) != layout.frames:  # BUR-5
            raise SuspectError("pixel data are not bare JPEG 2000 codestreams of their size", rule="BUR-5")


def _native(data_set: DataSet, syntax: TransferSyntax, layout: PixelFormat) -> DataSet:
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import get_decoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file = dcmread(BytesIO(joined(dicom_file.marshal(data_set, syntax))))
            samples, told = get_decoder(syntax.uid).as_array(file, raw=True)
        # What decoders raise is theirs: pydicom gathers all of it as RuntimeError, plug-ins add some.
        except (
            RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError, IndexError, OSError
        ) as failure:  # fmt: skip
            raise SuspectError(
                "compressed pixel data cannot be decoded, so they cannot be cleaned",
                rule="BUR-5",
                hint="pip install 'dicompack[ocr]' has decoders for most transfer syntaxes",
            ) from failure
    value = samples.tobytes()
    photometric = str(told["photometric_interpretation"])
    photometric = _NATIVE_OF.get(photometric, photometric)
    if len(value) != layout.native_size:  # BUR-5
        raise SuspectError("a decoder does not give the whole image", rule="BUR-5")
    changed = [
        Element(PIXEL_DATA, "OB" if layout.bits_allocated == 8 else "OW", padded(value, b"\0")),
        string_element(PHOTOMETRIC_INTERPRETATION, "CS", photometric),
    ]
    if layout.samples_per_pixel > 1:
        changed.append(number_element(PLANAR_CONFIGURATION, "US", 0))
    return data_set.without(*_OFFSET_TABLES).replacing(*changed)
