"""Native pixel data made to order, for the tests of compression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicompack.dicom.dataset import DataSet, Element, number_element, padded, string_element

Samples = NDArray[np.integer]


def samples(
    *,
    stored: int = 12,
    allocated: int = 16,
    signed: bool = False,
    per_pixel: int = 1,
    frames: int = 1,
    rows: int = 33,
    columns: int = 47,
    smooth: bool = False,
) -> Samples:
    """Frames x rows x columns x samples over the whole range of `stored` bits."""
    low, high = (-(1 << stored - 1), 1 << stored - 1) if signed else (0, 1 << stored)
    shape = (frames, rows, columns, per_pixel)
    if smooth:
        ramp = np.add.outer(np.arange(rows), np.arange(columns))[None, :, :, None] + np.zeros(shape)
        made = low + (ramp * (high - low - 1) / ramp.max()).astype(np.int64)
    else:
        made = np.random.default_rng([stored, allocated, signed, per_pixel, frames]).integers(
            low, high, shape
        )
    return made.astype(f"<{'i' if signed else 'u'}{allocated // 8}")


def native(
    array: Samples, photometric: str = "MONOCHROME2", *, stored: int, planar: int = 0, vr: str | None = None
) -> DataSet:
    """A data set around frames x rows x columns x samples."""
    frames, rows, columns, per_pixel = array.shape
    allocated, signed = array.dtype.itemsize * 8, array.dtype.kind == "i"
    ordered = array.transpose(0, 3, 1, 2) if planar else array
    nodes = [
        string_element(0x00080060, "CS", "OT"),
        number_element(0x00280002, "US", per_pixel),
        string_element(0x00280004, "CS", photometric),
        string_element(0x00280008, "IS", str(frames)),
        number_element(0x00280010, "US", rows),
        number_element(0x00280011, "US", columns),
        number_element(0x00280100, "US", allocated),
        number_element(0x00280101, "US", stored),
        number_element(0x00280102, "US", stored - 1),
        number_element(0x00280103, "US", int(signed)),
        Element(0x7FE00010, vr or ("OB" if allocated == 8 else "OW"), padded(ordered.tobytes(), b"\0")),
        string_element(0xFFFCFFFC, "OB", "behind"),
    ]
    if per_pixel > 1:
        nodes.append(number_element(0x00280006, "US", planar))
    return DataSet(nodes)
