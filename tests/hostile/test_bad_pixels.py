"""Pixel data that contradict their description: refused by name, at once, and the run goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import dicompack
from dicompack.dicom import dicom_file, pixels
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, number_element, string_element
from dicompack.dicom.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_LITTLE,
    JPEG_2000_LOSSLESS,
    TransferSyntax,
    transfer_syntax,
)
from tests.unit.dicom.native_pixels import native, samples

SECONDS, MEGABYTES = 2.0, 512
DEFLATE_LIMIT = "DCM-11"
PIXEL_DATA, FRAMES, ROWS, COLUMNS = 0x7FE00010, 0x00280008, 0x00280010, 0x00280011
EXTENDED_OFFSETS = 0x7FE00001

NATIVE = native(samples(frames=3), stored=12).replacing(
    string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.3"),
    string_element(0x00080018, "UI", "2.25.1"),
    string_element(0x0020000D, "UI", "2.25.2"),
    string_element(0x0020000E, "UI", "2.25.3"),
)
PACKED = pixels.compress(NATIVE, CODECS["j2k"]).data_set
TABLE, FIRST, SECOND, THIRD = PACKED.get(PIXEL_DATA).fragments


def sides(data_set: DataSet, rows: int = 33, columns: int = 47) -> DataSet:
    return data_set.replacing(number_element(ROWS, "US", rows), number_element(COLUMNS, "US", columns))


def frames(data_set: DataSet, text: str) -> DataSet:
    return data_set.replacing(string_element(FRAMES, "IS", text))


def streams(*fragments: bytes, table: bytes = b"") -> DataSet:
    return PACKED.replacing(Encapsulated(PIXEL_DATA, "OB", (table, *fragments)))


def tabled(*fragments: bytes, extended: bool = False) -> DataSet:
    """With an offset for each fragment, as if each were a frame."""
    table = pixels.offset_table(fragments)
    if not extended:
        return streams(*fragments, table=table)
    offsets = b"".join(table[at : at + 4] + bytes(4) for at in range(0, len(table), 4))
    return streams(*fragments).replacing(Element(EXTENDED_OFFSETS, "OV", offsets))


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(bytes(size)) + packer.flush()


def lying(fragment: bytes, side: int = 0xFFFF) -> bytes:
    """A codestream whose SIZ says another size."""
    return fragment[:8] + side.to_bytes(4, "big") * 2 + fragment[16:]


HUGE = streams(*(lying(one) for one in (FIRST, SECOND, THIRD)))
FRAME_BOMB = frames(streams(bomb(1 << 26)), "1")
RLE_BOMB = frames(streams(b"\2\0\0\0\x40\0\0\0\x42\0\0\0".ljust(64, b"\0") + b"\x81\xff" * 40000), "1")

CASES: dict[str, tuple[DataSet, TransferSyntax, str]] = {
    "rows too many": (sides(NATIVE, rows=34), EXPLICIT_LITTLE, "PIX-6"),
    "columns too few": (sides(NATIVE, columns=46), EXPLICIT_LITTLE, "PIX-6"),
    "frames too many": (frames(NATIVE, "4"), EXPLICIT_LITTLE, "PIX-6"),
    "frames too few": (frames(NATIVE, "2"), EXPLICIT_LITTLE, "PIX-6"),
    "65535 x 65535, native": (sides(NATIVE, 65535, 65535), EXPLICIT_LITTLE, "PIX-6"),
    "65535 x 65535, colour": (
        sides(NATIVE, 65535, 65535).replacing(
            number_element(0x00280002, "US", 3),
            string_element(0x00280004, "CS", "RGB"),
            number_element(0x00280006, "US", 0),
        ),
        EXPLICIT_LITTLE,
        "PIX-6",
    ),
    "2147483647 frames": (frames(NATIVE, "2147483647"), EXPLICIT_LITTLE, "PIX-6"),
    "zero rows": (sides(NATIVE, rows=0), EXPLICIT_LITTLE, "PIX-2"),
    "zero columns": (sides(NATIVE, columns=0), EXPLICIT_LITTLE, "PIX-2"),
    "zero frames": (frames(NATIVE, "0"), EXPLICIT_LITTLE, "PIX-3"),
    "minus one frame": (frames(NATIVE, "-1"), EXPLICIT_LITTLE, "PIX-3"),
    "1e3 frames": (frames(NATIVE, "1e3"), EXPLICIT_LITTLE, "PIX-3"),
    "bits stored above allocated": (
        NATIVE.replacing(number_element(0x00280101, "US", 17)),
        EXPLICIT_LITTLE,
        "PIX-5",
    ),
    "no bits": (NATIVE.replacing(number_element(0x00280100, "US", 0)), EXPLICIT_LITTLE, "PIX-5"),
    "65535 bits": (NATIVE.replacing(number_element(0x00280100, "US", 65535)), EXPLICIT_LITTLE, "PIX-5"),
    "no description": (NATIVE.without(ROWS), EXPLICIT_LITTLE, "PIX-1"),
    "value cut": (
        NATIVE.replacing(Element(PIXEL_DATA, "OW", NATIVE.raw(PIXEL_DATA)[:-2])),
        EXPLICIT_LITTLE,
        "PIX-6",
    ),
    "no fragments": (streams(), JPEG_2000_LOSSLESS, "PIX-7"),
    "fragments too few": (streams(FIRST, SECOND), JPEG_2000_LOSSLESS, "PIX-8"),
    "fragments too many": (tabled(FIRST, SECOND, THIRD, THIRD), JPEG_2000_LOSSLESS, "PIX-8"),
    "fragments too many, extended table": (
        tabled(FIRST, SECOND, THIRD, THIRD, extended=True),
        JPEG_2000_LOSSLESS,
        "PIX-8",
    ),
    "two codestreams, one frame": (frames(tabled(FIRST, SECOND), "1"), JPEG_2000_LOSSLESS, "PIX-8"),
    "frames of encapsulated too many": (frames(PACKED, "4"), JPEG_2000_LOSSLESS, "PIX-8"),
    "encapsulated, 2147483647 frames": (frames(PACKED, "2147483647"), JPEG_2000_LOSSLESS, "PIX-7"),
    "SIZ lies": (streams(FIRST, lying(SECOND, 34), THIRD), JPEG_2000_LOSSLESS, "PIX-9"),
    "SIZ says 65535": (HUGE, JPEG_2000_LOSSLESS, "PIX-9"),
    "data set says 65535": (sides(PACKED, 65535, 65535), JPEG_2000_LOSSLESS, "PIX-11"),
    "both say 65535": (sides(HUGE, 65535, 65535), JPEG_2000_LOSSLESS, "PIX-11"),
    "codestream cut": (streams(FIRST, SECOND[:-40], THIRD), JPEG_2000_LOSSLESS, "PIX-10"),
    "no codestream": (streams(FIRST, b"\0" * 400, THIRD), JPEG_2000_LOSSLESS, "PIX-9"),
    "JPEG in JPEG 2000": (streams(FIRST, b"\xff\xd8\xff\xd9", THIRD), JPEG_2000_LOSSLESS, "PIX-9"),
    "deflated frame bomb": (FRAME_BOMB, transfer_syntax("1.2.840.10008.1.2.8.1"), "PIX-9"),
    "run length bomb": (RLE_BOMB, transfer_syntax("1.2.840.10008.1.2.5"), ""),
}


def file_of(data_set: DataSet, syntax: TransferSyntax) -> bytes:
    return b"".join(dicom_file.marshal(data_set, syntax))


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, (data_set, syntax, _) in CASES.items():
        (folder / f"{name}.dcm").write_bytes(file_of(data_set, syntax))
    # The deflated transfer syntax: 400 KB that are 400 MB.
    whole = file_of(NATIVE, DEFLATED)
    meta_end = 132 + 12 + int.from_bytes(whole[140:144], "little")
    (folder / "deflate bomb.dcm").write_bytes(whole[:meta_end] + bomb(400 << 20))
    return folder


WATCHED = """
import json, resource, sys, time
from pathlib import Path
from dicompack.dicom import dicom_file
from dicompack.errors import DicomPackError
from dicompack.stages import compression
from dicompack.stages.artifacts import Deidentified
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
compression.load("j2k")
told = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    began = time.perf_counter()
    try:
        file = dicom_file.parse(path.read_bytes())
        item = Deidentified(file.data_set, file.transfer_syntax)
        packed = compression.pack(item, compression.Encoding(recompress=True))
        said = packed.compression.reason
    except DicomPackError as error:
        said = error.rule or error.message
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
    told[path.stem] = [said, time.perf_counter() - began, int(peak) // 1024]
print(json.dumps(told))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_refused_by_name_in_no_time_and_memory(bad_files):
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, bad_files], capture_output=True, text=True, check=True, timeout=120
    )
    told = json.loads(run.stdout)
    assert set(told) == {*CASES, "deflate bomb"}
    for name, (said, seconds, megabytes) in told.items():
        assert seconds < SECONDS, (name, seconds)
        assert megabytes < MEGABYTES, (name, megabytes)
        due = CASES[name][2] if name in CASES else DEFLATE_LIMIT
        assert said.startswith(due), (name, said)
        assert said, name


def test_the_run_goes_on(bad_files, tmp_path, originator, recipient):
    good = tmp_path / "good.dcm"
    good.write_bytes(file_of(NATIVE, EXPLICIT_LITTLE))
    report = dicompack.pack(
        [bad_files, good], tmp_path / "study.dcmpack", originator=originator, burned_in="vouch"
    )
    refused = {Path(one.name).stem: one.reason for one in report.skipped}
    assert set(refused) == {*CASES, "deflate bomb"}
    for name, reason in refused.items():
        # The walk, or de-identification, may see another fault first than a look at the pixels.
        assert re.search(r"\[(PIX|DCM|RLE)-[0-9]+\]", reason), (name, reason)
    assert report.partial
    assert report.instances_out == 1
    dicompack.unpack(tmp_path / "study.dcmpack", tmp_path / "out", recipient=recipient)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1
