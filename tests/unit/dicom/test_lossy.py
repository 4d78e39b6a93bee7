"""Compression with loss: another instance, which says what was done, and only where it was asked for."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from io import BytesIO

import numpy as np
import pydicom
import pytest

from dicompack.dicom import dicom_file, encapsulation, lossy, pixels
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element, string_element
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import UnsupportedError, UsageError
from dicompack.stages import compression
from dicompack.stages.artifacts import Deidentified
from dicompack.stages.compression import Encoding
from tests.conftest import IN_CI
from tests.unit.dicom.native_pixels import native, samples
from tests.unit.stages.test_compression import listed

if not IN_CI:
    pytest.importorskip("imagecodecs")

IDENTITY = (
    string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.3"),
    string_element(0x00080018, "UI", "2.25.1"),
)


def image(photometric: str = "MONOCHROME2", *, stored: int = 12, planar: int = 0, frames: int = 2) -> DataSet:
    """Something smooth with some noise, as images are."""
    per_pixel = 1 if photometric.startswith("MONO") else 3
    allocated = 8 if stored == 8 else 16
    array = samples(
        stored=stored - 1,
        allocated=allocated,
        per_pixel=per_pixel,
        frames=frames,
        rows=128,
        columns=96,
        smooth=True,
    )
    noise = np.random.default_rng(3).integers(0, 1 << stored - 4, array.shape).astype(array.dtype)
    return native(array + noise, photometric, stored=stored, planar=planar).replacing(*IDENTITY)


def file_of(made: lossy.Derived) -> bytes:
    return b"".join(dicom_file.marshal(made.data_set, made.transfer_syntax))


@pytest.mark.parametrize(
    ("codec", "stored"), [("j2k", 12), ("j2k", 8), ("j2k", 16), ("htj2k", 8), ("htj2k", 16)]
)
@pytest.mark.parametrize(("photometric", "planar"), [("MONOCHROME2", 0), ("RGB", 1), ("YBR_FULL", 0)])
def test_the_instance_says_what_was_done(codec, stored, photometric, planar):
    """PS3.3 C.7.6.1.1.5, and PS3.5 8.2.4 for the colours."""
    source = image(photometric, stored=stored, planar=planar)
    made = lossy.derived(source, codec, 12, "2.25.2")
    result = made.data_set
    encapsulation.check(result, made.transfer_syntax)
    assert made.transfer_syntax.uid == f"1.2.840.10008.1.2.4.{'91' if codec == 'j2k' else '203'}"
    assert result.text(0x00282110) == "01"
    assert result.text(0x00282112) == f"{made.ratio:.2f}"
    assert made.ratio == pytest.approx(12, rel=0.25)
    assert result.text(0x00282114) == {"j2k": "ISO_15444_1", "htj2k": "ISO_15444_15"}[codec]
    assert result.text(0x00080008) == "DERIVED\\PRIMARY"
    assert result.text(0x00080018) == "2.25.2"
    assert "ratio" in result.text(0x00082111)
    assert [code.text(0x00080100) for code in result.items(0x00089215)] == ["113040"]
    (predecessor,) = result.items(0x00082112)
    assert predecessor.text(0x00081155) == "2.25.1"
    assert result.text(0x00280004) == ("YBR_ICT" if photometric == "RGB" else photometric)
    dataset = pydicom.dcmread(BytesIO(file_of(made)))
    dataset.pixel_array_options(raw=True)
    theirs = dataset.pixel_array.astype(np.int64)
    ours = np.frombuffer(source.raw(0x7FE00010), f"<u{1 if stored == 8 else 2}").astype(np.int64)
    if planar:
        ours = ours.reshape(2, 3, 128, 96).transpose(0, 2, 3, 1)
    error = np.abs(theirs.ravel() - ours[: theirs.size].ravel() if not planar else theirs - ours)
    assert 0 < error.mean() < 1 << stored - 4


def test_what_was_said_before_stays():
    source = image().replacing(
        string_element(0x00282110, "CS", "01"),
        string_element(0x00282112, "DS", "5"),
        string_element(0x00282114, "CS", "ISO_10918_1"),
        string_element(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        string_element(0x00082111, "ST", "resampled"),
        number_element(0x00280106, "US", 0),
        Sequence(0x52009229, (DataSet([string_element(0x00089007, "CS", "ORIGINAL\\PRIMARY\\VOLUME")]),)),
        Sequence(0x00082112, (DataSet([string_element(0x00081155, "UI", "2.25.9")]),)),
    )
    result = lossy.derived(source, "j2k", 10, "2.25.2").data_set
    assert result.texts(0x00282112)[0] == "5"
    assert result.texts(0x00282114) == ("ISO_10918_1", "ISO_15444_1")
    assert result.texts(0x00080008) == ("DERIVED", "PRIMARY", "AXIAL")
    assert result.text(0x00082111).startswith("resampled; lossy compression")
    assert result.items(0x52009229)[0].texts(0x00089007) == ("DERIVED", "PRIMARY", "VOLUME")
    assert [item.text(0x00081155) for item in result.items(0x00082112)] == ["2.25.9", "2.25.1"]
    assert 0x00280106 not in result
    long = source.replacing(Element(0x00082111, "ST", b"x" * 1020))
    assert len(lossy.derived(long, "j2k", 10, "2.25.2").data_set.raw(0x00082111)) <= 1024


@pytest.mark.parametrize("by_frame", [False, True])
def test_functional_groups_say_it_too(by_frame):
    """PS3.3 C.7.6.16.2.6: in the shared groups, or where a frame has a derivation, in those of each."""
    frame_type = string_element(0x00089007, "CS", "ORIGINAL\\PRIMARY")
    earlier = Sequence(0x00089124, (DataSet([string_element(0x00082111, "ST", "resampled")]),))
    frames = (DataSet([earlier, frame_type] if by_frame else [frame_type]), DataSet([frame_type]))
    source = image().replacing(
        Sequence(0x52009230, frames),
        string_element(0x0020000D, "UI", "2.25.3"),
        string_element(0x0020000E, "UI", "2.25.4"),
        Sequence(
            0x00089154,
            tuple(DataSet([string_element(0x0020000D, "UI", uid)]) for uid in ("2.25.3", "2.25.8")),
        ),
    )
    result = lossy.derived(source, "j2k", 10, "2.25.2").data_set
    groups = result.items(0x52009230)
    assert [group.texts(0x00089007)[0] for group in groups] == ["DERIVED"] * 2
    derivations = [group.items(0x00089124) for group in groups]
    if by_frame:
        assert list(map(len, derivations)) == [2, 1]
        assert derivations[0][0].text(0x00082111) == "resampled"
        assert 0x52009229 not in result
        told = [items[-1] for items in derivations]
    else:
        assert derivations == [(), ()]
        (shared,) = result.items(0x52009229)
        told = list(shared.items(0x00089124))
    for one in told:
        (predecessor,) = one.items(0x00082112)
        assert predecessor.text(0x00081155) == "2.25.1"
        assert predecessor.items(0x0040A170)[0].text(0x00080100) == "121320"
        assert [code.text(0x00080100) for code in one.items(0x00089215)] == ["113040"]
    studies = {study.text(0x0020000D): study for study in result.items(0x00089154)}
    assert set(studies) == {"2.25.3", "2.25.8"}
    (series,) = studies["2.25.3"].items(0x00081115)
    assert series.text(0x0020000E) == "2.25.4"
    assert [one.text(0x00081155) for one in series.items(0x00081199)] == ["2.25.1"]
    alone = lossy.derived(image(), "j2k", 10, "2.25.2").data_set
    assert 0x52009229 not in alone
    assert 0x00089154 not in alone


@pytest.mark.parametrize(
    ("source", "codec", "ratio"),
    [
        (image().replacing(string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.66.4")), "j2k", 10),
        (image().replacing(string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.481.2")), "j2k", 10),
        (image().replacing(string_element(0x00280004, "CS", "PALETTE COLOR")), "j2k", 10),
        (image().replacing(number_element(0x00280102, "US", 15)), "j2k", 10),
        (image().without(0x7FE00010), "j2k", 10),
        (image(), "j2k", 1.2),  # what the four unused bits give
        (image(), "htj2k", 10),  # 12 bits
        (image(stored=8), "htj2k", 1000),
        (native(samples(rows=9), stored=12).replacing(*IDENTITY), "j2k", 10),
    ],
)
def test_what_is_not_compressed_with_loss_travels_without(source, codec, ratio):
    with pytest.raises(UnsupportedError):
        lossy.derived(source, codec, ratio, "2.25.2")
    item = Deidentified(source, EXPLICIT_LITTLE)
    encoding = Encoding(codec, lossy=ratio)
    stays = compression.derive(item, encoding, "2.25.2")
    assert stays.data_set is source
    if 0x7FE00010 in source:
        assert [finding.kind for finding in stays.findings] == ["not-lossy"]


def test_the_lossy_instance_is_what_is_delivered():
    item = Deidentified(image(), EXPLICIT_LITTLE)
    assert compression.derive(item, Encoding(), "2.25.2") is item
    made = compression.derive(item, Encoding(lossy=10), "2.25.2")
    assert [finding.kind for finding in made.findings] == ["lossy"]
    packed = compression.pack(made, Encoding(lossy=10))
    assert (packed.pixels, packed.compression.codec) == (None, "keep")
    back = compression.unpack(packed, replace(listed(packed), sop_instance_uid="2.25.2"))
    assert (back.data_set, back.transfer_syntax) == (made.data_set, made.transfer_syntax)


def test_ratios_and_codecs_that_make_no_sense():
    for settings in (
        Encoding("jpegls", lossy=10),
        Encoding("keep", lossy=10),
        Encoding(lossy=1),
        Encoding(lossy=0.5),
        Encoding(lossy=float("nan")),
        Encoding(lossy=float("inf")),
        Encoding(lossy=1001),
    ):
        with pytest.raises(UsageError):
            settings.check()


@pytest.mark.interop
def test_others_read_it(program, tmp_path):
    made = lossy.derived(image("RGB", stored=8), "j2k", 8, "2.25.2")
    (tmp_path / "lossy.dcm").write_bytes(file_of(made))
    command = [program("gdcmconv"), "--raw", tmp_path / "lossy.dcm", tmp_path / "raw.dcm"]
    subprocess.run(command, check=True, capture_output=True)
    theirs = pydicom.dcmread(tmp_path / "raw.dcm")
    assert theirs.LossyImageCompression == "01"
    assert len(theirs.PixelData) == pixels.pixel_format(image("RGB", stored=8)).native_size
