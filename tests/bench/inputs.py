"""Data sets for the benchmarks that no folder has as they are wanted: decompressed, and with many frames.

python -m tests.bench.inputs decompressed SOURCE FOLDER
python -m tests.bench.inputs tiles FOLDER [--frames N] [--side N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import DataSet, number_element, string_element
from dicompack.dicom.encoding import header, joined
from dicompack.dicom.pixelformat import PIXEL_DATA
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.exchange import sources

_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def decompress(source: Path, folder: Path) -> int:
    """Every image of `source` in native form; gives their number."""
    folder.mkdir()
    found = [entry.path for entry in sources.find([source]) if isinstance(entry, sources.SourceFile)]
    for number, path in enumerate(found):
        target = folder / f"{number:06d}.dcm"
        instance = dcmread(path)
        instance.decompress(generate_instance_uid=False)
        for element in list(instance):  # icons, which would stay compressed
            if element.VR == "SQ" and any("PixelData" in item for item in element.value):
                del instance[element.tag]
        instance.save_as(target)
    return len(found)


def tiles(path: Path, frames: int, side: int) -> None:
    """A file like one level of a scanned slide: coloured tiles of tissue on a light ground."""
    data_set = DataSet(
        [
            string_element(0x00080008, "CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
            string_element(0x00080016, "UI", _SLIDE),
            string_element(0x00080018, "UI", "2.25.31"),
            string_element(0x00080060, "CS", "SM"),
            string_element(0x00100010, "PN", "Doe^Jane"),
            string_element(0x00100020, "LO", "4711"),
            string_element(0x0020000D, "UI", "2.25.32"),
            string_element(0x0020000E, "UI", "2.25.33"),
            number_element(0x00280002, "US", 3),
            string_element(0x00280004, "CS", "RGB"),
            number_element(0x00280006, "US", 0),
            string_element(0x00280008, "IS", str(frames)),
            number_element(0x00280010, "US", side),
            number_element(0x00280011, "US", side),
            number_element(0x00280100, "US", 8),
            number_element(0x00280101, "US", 8),
            number_element(0x00280102, "US", 7),
            number_element(0x00280103, "US", 0),
        ]
    )
    size = frames * side * side * 3
    with path.open("wb") as file:
        file.write(joined(dicom_file.marshal(data_set, EXPLICIT_LITTLE)))
        file.write(header(PIXEL_DATA, "OB", size + size % 2, EXPLICIT_LITTLE))
        for tile in _tiles(frames, side):
            file.write(tile.tobytes())
        file.write(bytes(size % 2))


def _tiles(frames: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """Two tiles of three show tissue: cells of several sizes, stained, with the noise of a camera."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:side, 0:side]
    for number in range(frames):
        tile = np.full((side, side, 3), (243, 240, 244), np.float64)
        if number % 3:
            for _ in range(60):
                row, column, radius = random.uniform((0, 0, 4), (side, side, 14))
                inside = np.clip(radius - np.hypot(y - row, x - column), 0, 3)[..., None] / 3
                colour = np.array((120, 70, 150)) + random.uniform(-25, 25, 3)
                tile = tile * (1 - inside * 0.8) + colour * inside * 0.8
            tile -= (18, 40, 22)
        tile += random.normal(0, 1.5, tile.shape)
        yield np.clip(tile, 0, 255).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.inputs", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    native = commands.add_parser("decompressed")
    native.add_argument("source", type=Path)
    native.add_argument("folder", type=Path)
    slide = commands.add_parser("tiles")
    slide.add_argument("folder", type=Path)
    slide.add_argument("--frames", type=int, default=300)
    slide.add_argument("--side", type=int, default=256)
    options = parser.parse_args(arguments)
    if options.command == "decompressed":
        print(f"{decompress(options.source, options.folder)} files")
    else:
        options.folder.mkdir()
        tiles(options.folder / "slide.dcm", options.frames, options.side)
    return 0


if __name__ == "__main__":
    sys.exit(main())
