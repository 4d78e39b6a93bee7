"""Small packages for tests: real instances that come with pydicom, packed with throw-away keys."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydicom.data import get_testdata_file

import dicompack
from dicompack import Originator, Report

# One of every kind that matters, small: native and encapsulated, all byte orders, with and without pixels.
INSTANCES = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm", "SC_rgb_small_odd.dcm", "examples_palette.dcm", "image_dfl.dcm",
    "rtplan.dcm", "rtdose.dcm", "rtstruct.dcm", "test-SR.dcm", "waveform_ecg.dcm", "liver_1frame.dcm",
    "SC_rgb_rle_2frame.dcm",
)  # fmt: skip


def bundled(name: str) -> Path:
    path = get_testdata_file(name)
    assert isinstance(path, str), name
    return Path(path)


def study(folder: Path, names: tuple[str, ...] = INSTANCES) -> Path:
    """A folder with these instances in it."""
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(bundled(name), folder / name)
    return folder


def packed(
    folder: Path,
    originator: Originator,
    names: tuple[str, ...] = ("CT_small.dcm", "MR_small.dcm"),
    **settings: object,
) -> tuple[Path, Report]:
    """A package of these instances: its first volume, and the report."""
    source = study(folder / "source", names)
    settings = {"burned_in": "vouch", **settings}  # public files, and somebody has looked
    report = dicompack.pack([source], folder / "study.dcmpack", originator=originator, **settings)  # type: ignore[arg-type]
    return folder / report.volumes[0], report


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, to see that nothing has changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
