"""Very many members, very many volumes: memory, time, and whether every byte comes back.

python -m tests.bench.scale members FOLDER [--count N]
python -m tests.bench.scale volumes FOLDER [--files N] [--volumes N] [--recovery N]

`members` packs small files; `volumes` packs files of 100 MiB of noise, and then loses as many
volumes as there are recovery volumes. FOLDER is made, and holds three times the bytes of the files at most.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import DataSet, Element, number_element, string_element
from dicompack.dicom.encoding import header
from dicompack.dicom.pixelformat import PIXEL_DATA
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from tests.bench.resources import memory

_RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.2"  # Multi-frame Grayscale Byte Secondary Capture
_SIDE = 1024
_AS_IT_IS = ("--deidentify", "none", "--quiet")


def small_files(folder: Path, count: int) -> None:
    """One folder for each thousand."""
    for number in range(count):
        path = folder / f"{number // 1000:04d}" / f"{number:07d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _RAW_DATA, number, [string_element(0x00204000, "LT", "x" * 2000)], 0)


def large_files(folder: Path, count: int, frames: int = 100) -> None:
    """Frames of noise."""
    folder.mkdir(parents=True)
    for number in range(count):
        described = [
            string_element(0x00080064, "CS", "WSD"),
            number_element(0x00280002, "US", 1),
            string_element(0x00280004, "CS", "MONOCHROME2"),
            string_element(0x00280008, "IS", str(frames)),
            *(number_element(tag, "US", _SIDE) for tag in (0x00280010, 0x00280011)),
            *(number_element(tag, "US", bits) for tag, bits in ((0x00280100, 8), (0x00280101, 8))),
            *(number_element(tag, "US", bits) for tag, bits in ((0x00280102, 7), (0x00280103, 0))),
        ]
        _write(folder / f"{number:06d}.dcm", _CAPTURE, number, described, frames)


def _write(path: Path, sop_class: str, number: int, described: Sequence[Element], frames: int) -> None:
    data_set = DataSet(
        [
            string_element(0x00080016, "UI", sop_class),
            string_element(0x00080018, "UI", f"2.25.{10**9 + number}"),
            string_element(0x00080060, "CS", "OT"),
            string_element(0x00100010, "PN", "Doe^Jane"),
            string_element(0x00100020, "LO", "4711"),
            string_element(0x0020000D, "UI", "2.25.32"),
            string_element(0x0020000E, "UI", f"2.25.{33 + number // 1000}"),
            *described,
        ]
    )
    with path.open("xb") as file:
        file.writelines(bytes(piece) for piece in dicom_file.marshal(data_set, EXPLICIT_LITTLE))
        if frames:
            file.write(header(PIXEL_DATA, "OB", frames * _SIDE * _SIDE, EXPLICIT_LITTLE))
            for _ in range(frames):
                file.write(os.urandom(_SIDE * _SIDE))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _measured(what: str, *arguments: str | Path) -> None:
    began = time.perf_counter()
    lines = memory([sys.executable, "-m", "dicompack", *map(str, arguments)], subprocess.DEVNULL)
    print(f"{what}: {time.perf_counter() - began:.1f} s; {lines[0]}", flush=True)


def _identity(folder: Path) -> Path:
    made = [sys.executable, "-m", "dicompack", "keys", "new", folder / "me", "--name", "A", "--no-passphrase"]
    subprocess.run([*made, "--quiet"], check=True)
    return folder / "me"


def there_and_back(folder: Path, pack: Sequence[str], lost: int) -> bool:
    """Pack ``source``, lose volumes, list and unpack; whether all came back."""
    me, package = _identity(folder), folder / "volumes" / "x.dcmpack"
    package.parent.mkdir()
    due = digests(folder / "source")
    _measured("pack", "pack", folder / "source", "-o", package, "--signer", me, *_AS_IT_IS, *pack)
    volumes = sorted(package.parent.iterdir())
    print(f"{len(volumes)} volumes, of which {lost} are lost")
    for path in random.Random(14).sample(volumes, lost):
        path.unlink()
    reader = ("--identity", me, "--trust", me / "contact.pem", "--quiet")
    _measured("list", "list", package.parent, "--json", *reader)
    _measured("unpack", "unpack", package.parent, "-d", folder / "out", *reader)
    return digests(folder / "out") == due


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    members = commands.add_parser("members")
    members.add_argument("folder", type=Path)
    members.add_argument("--count", type=int, default=100_000)
    many = commands.add_parser("volumes")
    many.add_argument("folder", type=Path)
    many.add_argument("--files", type=int, default=200)
    many.add_argument("--volumes", type=int, default=200)
    many.add_argument("--recovery", type=int, default=20)
    options = parser.parse_args(arguments)
    options.folder.mkdir()
    if options.command == "members":
        small_files(options.folder / "source", options.count)
        exact = there_and_back(options.folder, (), 0)
    else:
        large_files(options.folder / "source", options.files)
        size = options.files * 100 * (_SIDE * _SIDE + 4096) // options.volumes
        volumes = ("--codec", "keep", "--volume-size", str(size), "--recovery", str(options.recovery))
        exact = there_and_back(options.folder, volumes, options.recovery)
    print("every byte came back" if exact else "NOT what was packed")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
