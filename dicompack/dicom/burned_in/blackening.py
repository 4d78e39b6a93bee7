"""Clean Pixel Data (PS3.15 E.3.1): text is found, blackened in the stored samples, and looked for again.

1  decoded where it is encapsulated                                       BUR-5
2  bits beyond Bits Stored cleared                                         BUR-6
3  outside of the ultrasound regions, known layouts blackened              BUR-2, BUR-3
4  text found in any frame blackened in all of them; again, until nothing is found     BUR-1, BUR-4
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dicompack.dicom.burned_in.boxes import Box, Cause, Rectangle
from dicompack.dicom.burned_in.decoding import decoded
from dicompack.dicom.burned_in.regions import DeviceRules, known_regions, shipped_rules
from dicompack.dicom.dataset import DataSet, string_element
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import SuspectError

if TYPE_CHECKING:
    from dicompack.dicom.burned_in.samples import NativePixels
    from dicompack.dicom.burned_in.text_detection import Detector, Image, Text

_BURNED_IN_ANNOTATION: Final = 0x00280301
# Smallest and Largest Image Pixel Value: of samples that are gone.
_EXTREMES: Final = (0x00280106, 0x00280107)
_ROUNDS: Final = 8
"""Looks at the image; text beneath or beside other text shows only when that is gone."""
_RING: Final = 3  # pixels around a blackened rectangle, whose colour it gets for the next look
_MARGIN: Final = 2  # pixels around a text: strokes fade out


@dataclass(frozen=True)
class CleanedPixels:
    """A data set without text in its pixels, and what was done."""

    data_set: DataSet
    transfer_syntax_uid: str | None
    """Explicit VR Little Endian where the pixels had to be decoded; None where it is what it was."""
    boxes: tuple[Box, ...]
    recheck: str
    """One line about the last look."""


def clean(
    data_set: DataSet,
    syntax: TransferSyntax,
    words: Collection[str] = (),
    rules: DeviceRules | None = None,
    detector: Detector | None = None,
) -> CleanedPixels:
    """Blacken all text in the Pixel Data, and set Burned In Annotation to NO.

    Args:
        data_set: the source, before it is de-identified: the rules go by maker, model and Image Type.
        syntax: its Transfer Syntax.
        words: of the header; doubtful text that reads like one of them is blackened, too.
        rules: about devices; those that are shipped if left out.
        detector: finds text; the models of the extra ``ocr`` if left out.

    Raises:
        SuspectError: the pixels cannot be decoded or searched (BUR-5, BUR-7), or text remains (BUR-4).
        UsageError: the extra ``ocr`` is not installed (BUR-9).
        InputError: the Pixel Data contradict their description (PIX-1 to PIX-7).
    """
    # Load numpy: for the workers that get here, not for everyone who imports this module.
    from dicompack.dicom.burned_in import text_detection
    from dicompack.dicom.burned_in.samples import NativePixels

    native, native_syntax = decoded(data_set, syntax)
    pixels = NativePixels(native)
    frames = pixels.layout.frames
    boxes: list[Box] = []
    for place, cause in known_regions(native, rules or shipped_rules()):  # BUR-2, BUR-3
        pixels.blacken(place, 0, frames - 1)
        boxes.append(_box(place, cause, frames))
    looks = 0
    while True:
        found = _texts(pixels, words, detector or text_detection.detect, boxes)
        looks += 1
        if not found:
            break
        if looks > _ROUNDS:  # BUR-4
            raise SuspectError("text remains after it was blackened", rule="BUR-4")
        for place, cause in found:
            pixels.blacken(place, 0, frames - 1)  # BUR-1
            boxes.append(_box(place, cause, frames))
    cleaned = native.without(*_EXTREMES) if boxes or pixels.has_foreign_bits else native
    cleaned = cleaned.replacing(pixels.element(), string_element(_BURNED_IN_ANNOTATION, "CS", "NO"))
    return CleanedPixels(
        cleaned,
        None if native_syntax == syntax else native_syntax.uid,
        tuple(sorted(boxes)),
        f"no text found in {frames} frames at look {looks}",
    )


def _texts(
    pixels: NativePixels, words: Collection[str], detector: Detector, boxes: Sequence[Box]
) -> list[tuple[Rectangle, Cause]]:
    """What is to be blackened in every frame: text stands still, and is missed in some of them."""
    found: list[Text] = []
    seen: set[bytes] = set()
    for frame in range(pixels.layout.frames):
        digest = hashlib.sha256(pixels.frame_bytes(frame)).digest()
        if digest in seen:
            continue
        seen.add(digest)
        for number, view in enumerate(pixels.views(frame)):
            texts = detector(_levelled(view, boxes), words, noisy=number > 0)
            # What holds one value says nothing any more.
            found.extend(text for text in texts if not pixels.is_uniform(text.place, frame))
    return _merged(found, pixels.layout.columns, pixels.layout.rows)


def _levelled(view: Image, boxes: Sequence[Box]) -> Image:
    """An image in which blackened rectangles have the colour around them, so that none looks like a letter.

    For the detector's eyes only. What stands beside a rectangle stays, and is still found.
    """
    import numpy as np  # see `clean`

    levelled = view.copy()
    for box in boxes:
        top, left = max(box.y0 - _RING, 0), max(box.x0 - _RING, 0)
        bottom, right = box.y1 + _RING, box.x1 + _RING
        ring = np.concatenate(
            [
                part.reshape(-1, 3)
                for part in (
                    levelled[top : box.y0, left:right], levelled[box.y1 : bottom, left:right],
                    levelled[box.y0 : box.y1, left : box.x0], levelled[box.y0 : box.y1, box.x1 : right],
                )
            ]
        )  # fmt: skip
        if len(ring):
            levelled[box.y0 : box.y1, box.x0 : box.x1] = np.median(ring, axis=0)
    return levelled


def _merged(found: Iterable[Text], columns: int, rows: int) -> list[tuple[Rectangle, Cause]]:
    """Without those that lie in another one."""
    kept: list[tuple[Rectangle, Cause]] = []
    sized = ((text.place.grown(_MARGIN).clipped(columns, rows), text.cause) for text in found)
    for place, cause in sorted(sized, key=lambda one: (-one[0].area, one[0])):
        if not any(other.covers(place) for other, _ in kept):
            kept.append((place, cause))
    return kept


def _box(place: Rectangle, cause: Cause, frames: int) -> Box:
    return Box(1, frames, place.x0, place.y0, place.x1, place.y1, cause)
