"""How much text in pixels is found, and how much is blackened that is none: figures, not a test.

    python -m tests.deid_benchmark.burned_in [FOLDER ...]

Strings are drawn over the images of each folder (without one, over bundled files) in several heights, light
and dark, slanted and coloured. A string counts if it can be seen at all: it changed 90 % of the samples under
its ink. It is found if 99 % of these are blackened. On the same images without a string, every box is a false
alarm.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

from dicompack.dicom import dicom_file
from dicompack.dicom.burned_in import parse_rules
from dicompack.dicom.burned_in.blackening import clean
from dicompack.dicom.burned_in.decoding import decoded
from dicompack.dicom.burned_in.samples import NativePixels
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import DicomPackError
from tests.unit.dicom.burned_in_cases import of

HEIGHTS = (8, 10, 12, 16, 24, 36, 48)
ANGLES = (0, 5, 15, 30, 90)
COLOURS = ((255, 220, 0), (0, 160, 255), (255, 60, 60), (60, 220, 60))
STRINGS = ("MUSTERMANN ANNA", "1957-03-12", "ID 4711-0815", "Okonkwo, Chidi", "St. Elsewhere", "14:35:07")
BUNDLED = ("CT_small.dcm", "MR_small.dcm")
IMAGES_OF_A_FOLDER = 5
SHORTEST_SIDE = 384
SEEN, FOUND = 0.9, 0.99
INK = 0.2  # of full strength: fainter edges are no stroke


@dataclass(frozen=True)
class Case:
    """Strings to draw over an image; none for a look at the image alone."""

    path: Path
    label: str
    height: int = 0
    dark: bool = False
    angle: int = 0
    colour: tuple[int, int, int] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Result:
    label: str
    strings: int
    found: int
    boxes: int
    share: float
    """Of the image's pixels, blackened."""


def grey_of(path: Path) -> np.ndarray:
    """The first frame, as whole numbers from 0, so large that text has room."""
    file = dicom_file.parse(path.read_bytes())
    pixels = NativePixels(decoded(file.data_set, file.transfer_syntax)[0])
    grey = pixels._pixels[0, :, :, 0].astype(np.int64)
    grey -= grey.min()
    while min(grey.shape) < SHORTEST_SIDE:
        grey = np.repeat(np.repeat(grey, 2, 0), 2, 1)
    return grey


def can_be_drawn_on(path: Path) -> bool:
    """Whether it is an image whose pixels can be had; what is not is named."""
    try:
        grey_of(path)
    except DicomPackError as error:
        print(f"left out: {path.name}: {error}", file=sys.stderr)
        return False
    return True


def inks(shape: tuple[int, int], case: Case) -> Iterator[np.ndarray]:
    """Where each string leaves its trace, 0 to 1; no two overlap."""
    rows, columns = shape
    chance = np.random.default_rng(case.seed)
    font = ImageFont.load_default(case.height)
    taken = np.zeros(shape, bool)
    for text in chance.permutation(STRINGS)[:3]:
        for _ in range(40):
            canvas = Image.new("L", (columns, rows), 0)
            at = int(chance.integers(0, columns)), int(chance.integers(0, rows))
            ImageDraw.Draw(canvas).text(at, str(text), fill=255, font=font)
            whole = ImageDraw.Draw(canvas).textbbox(at, str(text), font=font)
            if whole[2] >= columns or whole[3] >= rows:
                continue
            if case.angle:
                centre = (whole[0] + whole[2]) / 2, (whole[1] + whole[3]) / 2
                canvas = canvas.rotate(case.angle, Image.Resampling.BICUBIC, center=centre)
            ink = np.asarray(canvas) / 255
            y, x = np.nonzero(ink)
            if len(y) == 0 or min(y.min(), x.min()) < 2 or y.max() > rows - 3 or x.max() > columns - 3:
                continue
            around = np.zeros(shape, bool)
            around[max(y.min() - 12, 0) : y.max() + 12, max(x.min() - 12, 0) : x.max() + 12] = True
            if not (taken & around).any():
                taken |= around
                yield ink
                break


def look(case: Case) -> Result:
    """Draw, clean, and compare what is blackened with what was drawn."""
    grey = grey_of(case.path)
    drawn = list(inks(grey.shape, case)) if case.height else []
    before = grey
    if case.colour is None:
        top = max(int(grey.max()), 255)
        for ink in drawn:
            grey = np.round(grey + ((0 if case.dark else top) - grey) * ink).astype(np.int64)
        drawn = [ink for ink in drawn if (grey != before)[ink > INK].mean() >= SEEN]
        source = of(grey.astype("<u2")[None, :, :, None], "MONOCHROME2", 16)
    else:
        rgb = np.repeat((grey * 255 // max(int(grey.max()), 1))[:, :, None], 3, 2).astype(float)
        for ink in drawn:
            rgb += (np.array(case.colour) - rgb) * ink[:, :, None]
        source = of(np.round(rgb).astype("u1")[None], "RGB", 8)
    boxes = clean(source, EXPLICIT_LITTLE, (), parse_rules("")).boxes
    covered = np.zeros(grey.shape, bool)
    for box in boxes:
        covered[box.y0 : box.y1, box.x0 : box.x1] = True
    found = sum(bool(covered[ink > INK].mean() >= FOUND) for ink in drawn)
    return Result(case.label, len(drawn), found, len(boxes), float(covered.mean()))


def cases(folders: list[Path]) -> Iterator[Case]:
    """Everything that is looked at."""
    images: list[tuple[str, Path]] = []
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        some = files[:: max(1, len(files) // IMAGES_OF_A_FOLDER)]
        images += [(folder.name, path) for path in some if can_be_drawn_on(path)]
    images = images or [("bundled", Path(get_testdata_file(name))) for name in BUNDLED]
    seed = 0
    for name, path in images:
        yield Case(path, f"no text, {name}")
    for height in HEIGHTS:
        for number, (_, path) in enumerate(images):
            seed += 1
            yield Case(path, f"{height} px", height, dark=bool(number % 2), seed=seed)
            yield Case(path, f"{height} px", height, dark=not number % 2, seed=seed)
    for angle in ANGLES[1:]:
        for number, (_, path) in enumerate(images[::2]):
            seed += 1
            yield Case(path, f"{angle} degrees, 20 px", 20, dark=bool(number % 2), angle=angle, seed=seed)
    for colour in COLOURS:
        for _, path in images[1::2]:
            seed += 1
            yield Case(path, "coloured, 16 px", 16, colour=colour, seed=seed)


def main(arguments: list[str]) -> None:
    todo = list(cases([Path(one) for one in arguments]))
    strings: Counter[str] = Counter()
    found: Counter[str] = Counter()
    looked: Counter[str] = Counter()
    boxes: Counter[str] = Counter()
    shares: dict[str, list[float]] = {}
    with ProcessPoolExecutor() as pool:
        for case, result in zip(todo, pool.map(look, todo), strict=True):
            labels = [result.label]
            if case.height and not case.angle and not case.colour:
                labels.append("dark" if case.dark else "light")
            for label in labels:
                strings[label] += result.strings
                found[label] += result.found
                looked[label] += 1
                boxes[label] += result.boxes
                shares.setdefault(label, []).append(result.share)
    for label in looked:
        share = shares[label]
        if strings[label]:
            said = f"found {found[label]:4} of {strings[label]:4} strings in {looked[label]} images"
        else:
            said = (
                f"{boxes[label] / looked[label]:.1f} false boxes an image in {looked[label]} images, "
                f"{100 * float(np.mean(share)):.1f} % of the pixels, {100 * max(share):.1f} % at most"
            )
        print(f"{label:40} {said}")


if __name__ == "__main__":
    main(sys.argv[1:])
