"""Where on an image text stands, by the PP-OCRv6 models that come inside the package `rapidocr`.

Only its model files are used: they run in onnxruntime on the CPU, and everything around them is here. So
nothing can be fetched at run time, and no failure turns into "no text". Both models are checked by SHA-256:
the recall that is documented was measured with these.

Detection gives each pixel a probability; connected areas of it become rectangles. It runs at several scales,
as large and small text show in different ones. Recognition reads what detection alone is not sure of.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dicompack.dicom.burned_in.boxes import Cause, Rectangle
from dicompack.errors import UsageError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Image: TypeAlias = NDArray[np.uint8]
"""Rows x columns x 3 (red, green, blue)."""

_DETECTION, _RECOGNITION = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
_SHA256: Final = {
    _DETECTION: "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    _RECOGNITION: "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}

_CELL: Final = 4  # pixels: the mask is grouped in cells, as the network itself sees 4 x 4 before it upsamples
_MASK: Final = 0.2  # probability of a pixel that belongs to an area
_MIN_FILL: Final = 0.4  # of its rectangle; below, an area is cut
_MAX_HEIGHT: Final = 0.25  # of the image: what is larger than this both ways is anatomy, not a line of text
_CERTAIN: Final = 0.5  # mean probability of an area that is text, almost whatever it reads
_LEGIBLE: Final = 0.4  # mean probability of the letters read: of noise below 0.35, mostly above 0.6 of text
_TALL: Final = 0.125  # of the image: an area thicker than this is text only if it can be read well
_WELL: Final = 0.6  # likewise, and of two letters: a ring reads like an O
_LINE: Final = 2  # times as wide as high: what is not, may stand on its side
_SMALL_SIDE: Final = 1280  # pixels: up to here an image is looked at enlarged as well
_TILE, _OVERLAP = 1280, 128  # pixels of a tile's side, which takes the network some 600 MB
_STEP: Final = 32  # sides of what the network takes are multiples of this
_READ_HEIGHT, _READ_WIDTH = 48, 1600  # pixels of a line: what the network was trained on, and a limit
_LIKENESS: Final = 0.75  # of a misread word to a word of the header
_MIN_WORD: Final = 3  # characters; shorter ones are found by chance
_NUMBERS: Final = re.compile(r"(?:\d[^\w]?){5,}\d")  # dates, times, identifiers


@dataclass(frozen=True)
class Text:
    """Something that looks like text."""

    place: Rectangle
    cause: Cause
    score: float
    """Mean probability, 0 to 1."""


class Detector(Protocol):
    """Finds text: the models, or what stands in for them in a test."""

    def __call__(self, image: Image, words: Collection[str], *, noisy: bool) -> list[Text]:
        """Every text on an image; of what is doubtful, only that which reads like one of the words.

        A `noisy` image is one whose contrast was stretched until noise looks like strokes.
        """


def detect(image: Image, words: Collection[str] = (), *, noisy: bool = False) -> list[Text]:
    """Every text on an image, in no order; one text may be found more than once.

    What is thick, or of a `noisy` image, is text only if it can be read: anatomy and stretched noise cannot.

    Raises:
        UsageError: the extra `ocr` is not installed, or has other models (BUR-9).
    """
    rows, columns = image.shape[:2]
    found: list[Text] = []
    for scale in _scales(rows, columns):
        scaled = _resized(image, max(_STEP, round(rows * scale)), max(_STEP, round(columns * scale)))
        for place, score in _areas(scaled):
            fitted = _fitted(place, scaled.shape, image.shape)
            thickness = min(fitted.x1 - fitted.x0, fitted.y1 - fitted.y0)
            if not fitted.area or thickness > _MAX_HEIGHT * max(rows, columns):
                continue
            thick = thickness > _TALL * max(rows, columns)
            if score >= _CERTAIN:
                is_clear = not (noisy or thick)
                if is_clear or any(
                    _is_legible(one, well=thick or number > 0)
                    for number, one in enumerate(_read(image, fitted))
                ):
                    found.append(Text(fitted, Cause.TEXT, score))
            elif any(_is_telling(one.text, words) for one in _read(image, fitted)):
                found.append(Text(fitted, Cause.WORD, score))
    return found


def is_available() -> bool:
    """Whether the extra `ocr` is installed."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "rapidocr", "PIL"))


def _scales(rows: int, columns: int) -> tuple[float, ...]:
    """Small images twice as large, too; large ones also at half and a quarter."""
    longer = max(rows, columns)
    if longer <= _SMALL_SIDE:
        return (1.0, 2.0)
    scales = [1.0]
    while longer * scales[-1] > _TILE:
        scales.append(scales[-1] / 2)
    return tuple(scales)


def _areas(image: Image) -> Iterator[tuple[Rectangle, float]]:
    """Rectangles around areas of the mask, grown to the text that they stand for, and their probability."""
    rows, columns = image.shape[:2]
    for top, left in ((top, left) for top in _starts(rows) for left in _starts(columns)):
        probability = _probability(image[top : top + _TILE, left : left + _TILE])
        for place, score in _components(probability):
            # The network marks the core of a line; its text is about this much larger (DB, unclip).
            margin = round(0.6 * min(place.x1 - place.x0, place.y1 - place.y0)) + 2
            grown = place.grown(margin)
            yield (
                Rectangle(grown.x0 + left, grown.y0 + top, grown.x1 + left, grown.y1 + top),
                score,
            )


def _starts(side: int) -> list[int]:
    if side <= _TILE:
        return [0]
    return [*range(0, side - _TILE, _TILE - _OVERLAP), side - _TILE]


def _probability(tile: Image) -> NDArray[np.float32]:
    rows, columns = tile.shape[:2]
    padded = np.zeros((-(-rows // _STEP) * _STEP, -(-columns // _STEP) * _STEP, 3), np.float32)
    # Blue, green, red, as the models were trained.
    padded[:rows, :columns] = tile[:, :, ::-1]
    padded[rows:, :columns] = padded[rows - 1 : rows, :columns]  # an edge would look like a stroke
    padded[:, columns:] = padded[:, columns - 1 : columns]
    batch = (padded / np.float32(127.5) - np.float32(1)).transpose(2, 0, 1)[None]
    result: NDArray[np.float32] = _run(_DETECTION, batch)[0, 0, :rows, :columns]
    return result


def _components(probability: NDArray[np.float32]) -> Iterator[tuple[Rectangle, float]]:
    """Connected areas above `_MASK`, and their mean probability."""
    rows, columns = probability.shape
    mask = probability > _MASK
    cells = np.zeros((-(-rows // _CELL), -(-columns // _CELL)), bool)
    where = np.nonzero(mask)
    cells[where[0] // _CELL, where[1] // _CELL] = True
    left = set(zip(*(axis.tolist() for axis in np.nonzero(cells)), strict=True))
    while left:
        stack, area = [left.pop()], []
        while stack:
            y, x = stack.pop()
            area.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.discard(near)
                    stack.append(near)
        for piece in _pieces(area):
            y0, x0, y1, x1 = _cell_bounds(piece)
            place = Rectangle(x0 * _CELL, y0 * _CELL, min(x1 * _CELL, columns), min(y1 * _CELL, rows))
            window = probability[place.y0 : place.y1, place.x0 : place.x1]
            yield place, float(window[window > _MASK].mean())


def _pieces(area: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """An area in parts that fill their rectangles, so that a slanted line or a curve covers only itself."""
    y0, x0, y1, x1 = _cell_bounds(area)
    if len(area) >= _MIN_FILL * (y1 - y0) * (x1 - x0):
        yield area
        return
    axis, middle = (0, (y0 + y1) // 2) if y1 - y0 > x1 - x0 else (1, (x0 + x1) // 2)
    yield from _pieces([cell for cell in area if cell[axis] < middle])
    yield from _pieces([cell for cell in area if cell[axis] >= middle])


def _cell_bounds(area: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    ys, xs = [y for y, _ in area], [x for _, x in area]
    return min(ys), min(xs), max(ys) + 1, max(xs) + 1


def _fitted(place: Rectangle, scaled: tuple[int, ...], original: tuple[int, ...]) -> Rectangle:
    """A rectangle of the scaled image on the original one, rounded outwards."""
    across, down = original[1] / scaled[1], original[0] / scaled[0]
    return Rectangle(
        int(place.x0 * across // 1),
        int(place.y0 * down // 1),
        int(-(-place.x1 * across // 1)),
        int(-(-place.y1 * down // 1)),
    ).clipped(original[1], original[0])


def _resized(image: Image, rows: int, columns: int) -> Image:
    if image.shape[:2] == (rows, columns):
        return image
    pillow = _imported("PIL.Image")
    scaled = pillow.fromarray(image).resize((columns, rows), pillow.Resampling.BICUBIC)
    return np.asarray(scaled, np.uint8)


# ---------------------------------------------------------------------------------- recognition


@dataclass(frozen=True)
class _Reading:
    text: str
    confidence: float
    """Mean probability of its symbols, 0 to 1; 0 without one."""


def _read(image: Image, place: Rectangle) -> list[_Reading]:
    """What a rectangle reads: as it stands, and turned either way unless it is clearly a line."""
    cut = image[place.y0 : place.y1, place.x0 : place.x1]
    turns = (0,) if cut.shape[1] >= _LINE * cut.shape[0] else (0, 1, 3)
    return [_line(np.ascontiguousarray(np.rot90(cut, one))) for one in turns]


def _line(cut: Image) -> _Reading:
    width = min(max(round(cut.shape[1] * _READ_HEIGHT / cut.shape[0]), _STEP), _READ_WIDTH)
    scaled = _resized(cut, _READ_HEIGHT, width)[:, :, ::-1]
    likely = _run(_RECOGNITION, (scaled / np.float32(127.5) - np.float32(1)).transpose(2, 0, 1)[None])[0]
    best = likely.argmax(axis=1)
    # Connectionist temporal classification: repeated symbols are one, symbol 0 parts them.
    at = np.flatnonzero((best != 0) & (best != np.concatenate(([0], best[:-1]))))
    letters = _letters()
    text = "".join(letters[one] for one in best[at])
    return _Reading(text, float(likely[at, best[at]].mean()) if len(at) else 0.0)


def _is_legible(reading: _Reading, *, well: bool) -> bool:
    letters = sum(map(str.isalnum, reading.text))
    return (
        reading.confidence >= _WELL and letters > 1
        if well
        else reading.confidence >= _LEGIBLE and letters > 0
    )


def _is_telling(text: str, words: Collection[str]) -> bool:
    """Whether a reading has a word of the header, misread or not, or a longer number."""
    if _NUMBERS.search(text):
        return True
    plain = folded(text)
    whole = plain.replace(" ", "")
    for word in words:
        sought = folded(word).replace(" ", "")
        if len(sought) < _MIN_WORD:
            continue
        if sought in whole or difflib.get_close_matches(sought, plain.split(), 1, _LIKENESS):
            return True
    return False


def folded(text: str) -> str:
    """Letters and digits without case and diacritics; anything between them is one space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(
        "".join(one if one.isalnum() else " " for one in decomposed if not unicodedata.combining(one)).split()
    )


# --------------------------------------------------------------------------------------- models


@cache
def _letters() -> list[str]:
    """The symbols of the recognition model: 0 is none, the last one a space."""
    listed = _session(_RECOGNITION).get_modelmeta().custom_metadata_map["character"]
    return ["", *listed.split("\n"), " "]


def _run(model: str, batch: NDArray[Any]) -> NDArray[np.float32]:
    session = _session(model)
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: batch})[0]
    return result


@cache
def _session(model: str) -> InferenceSession:
    runtime = _imported("onnxruntime")
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:  # BUR-9
        raise _no_models("text detection is not installed")
    path = Path(found.origin).parent / "models" / model
    if not path.is_file():  # BUR-9
        raise _no_models("the installed text detection has other models")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != _SHA256[model]:  # BUR-9
        raise _no_models("the installed text detection has other models")
    options = runtime.SessionOptions()
    # One process per core works already; the arena would keep the memory of the largest image.
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    session: InferenceSession = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session


def _imported(name: str) -> Any:
    """A module of the extra."""
    try:
        return importlib.import_module(name)
    except ImportError as missing:  # BUR-9
        raise _no_models("text detection is not installed") from missing


def _no_models(message: str) -> UsageError:
    return UsageError(message, rule="BUR-9", hint="pip install 'dicompack[ocr]'")
