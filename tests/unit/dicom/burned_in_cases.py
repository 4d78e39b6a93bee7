"""What the tests of burned-in text share: images, and a detector that needs no models."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from dicompack.dicom.burned_in.boxes import Cause, Rectangle
from dicompack.dicom.burned_in.samples import NativePixels
from dicompack.dicom.burned_in.text_detection import Text
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element, string_element
from tests.unit.dicom.native_pixels import native

CAPTURE, CT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND, CR, DX = (
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
)
BURNED_IN, IMAGE_TYPE, MANUFACTURER, SERIES = 0x00280301, 0x00080008, 0x00080070, 0x0008103E
PIXELS = 0x7FE00010
MARK = Rectangle(8, 4, 24, 12)


def image(sop_class: str = CAPTURE, *nodes: Element | Sequence, modality: str = "OT") -> DataSet:
    """A small grey image of a class, without text."""
    return of(np.zeros((1, 32, 48, 1), "<u2"), "MONOCHROME2", 12, sop_class).replacing(
        string_element(0x00080060, "CS", modality), *nodes
    )


def of(array, photometric: str, stored: int, sop_class: str = CAPTURE, planar: int = 0) -> DataSet:
    """A data set with a class around samples."""
    return native(array, photometric, stored=stored, planar=planar).replacing(
        string_element(0x00080016, "UI", sop_class), string_element(0x00080018, "UI", "1.2.3.4")
    )


def word(tag: int, text: str, vr: str = "CS") -> Element:
    return string_element(tag, vr, text)


def region(left: int, top: int, right: int, bottom: int) -> DataSet:
    """An item of the Sequence of Ultrasound Regions; right and bottom are the last pixels."""
    return DataSet(
        number_element(tag, "UL", value)
        for tag, value in zip(
            (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E), (left, top, right, bottom), strict=True
        )
    )


class Seeing:
    """Finds `MARK`, as long as there is more than one colour in it, at its first so many looks."""

    def __init__(self, looks: int = 100, place: Rectangle = MARK) -> None:
        self.looks, self.place, self.images, self.words = looks, place, [], ()

    def __call__(self, view: np.ndarray, words: Collection[str], *, noisy: bool) -> list[Text]:
        self.images.append(view)
        self.words = tuple(words)
        cut = view[self.place.y0 : self.place.y1, self.place.x0 : self.place.x1]
        if len(self.images) > self.looks or (cut == cut[0, 0]).all():
            return []
        return [Text(self.place, Cause.TEXT, 0.9)]


def blind(view: np.ndarray, words: Collection[str], *, noisy: bool) -> list[Text]:
    return []


def pixels(data_set: DataSet) -> np.ndarray:
    """Frames x rows x columns x samples."""
    return NativePixels(data_set)._pixels
