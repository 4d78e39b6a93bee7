"""Every codec through the whole pipeline, and what is asked for by name: recompression, loss, proof."""

from __future__ import annotations

import json
import subprocess
import sys

import pydicom
import pytest

import dicompack
from dicompack.cli.program import run
from dicompack.dicom import codecs
from dicompack.errors import UnsupportedError, UsageError
from tests.conftest import IN_CI
from tests.packages import packed, study

if not IN_CI:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("jpeg_ls")

NATIVE = (
    "CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "SC_rgb_small_odd.dcm",
    "image_dfl.dcm", "examples_palette.dcm", "rtdose.dcm", "liver_1frame.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
)  # fmt: skip
ENCAPSULATED = (
    "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "examples_jpeg2k.dcm", "JPGExtended.dcm",
)  # fmt: skip


def unpacked(path, recipient, folder, **settings):
    dicompack.verify(path, recipient=recipient)
    dicompack.unpack(path, folder, recipient=recipient, **settings)
    return [pydicom.dcmread(one) for one in folder.rglob("*.dcm")]


@pytest.mark.parametrize("codec", ["j2k", "htj2k", "jpegls", "keep"])
def test_there_and_back(codec, tmp_path, originator, recipient):
    path, report = packed(tmp_path, originator, NATIVE, codec=codec, paranoid=codec != "keep")
    assert report.instances_out == len(NATIVE)
    kept = {finding.where: finding.message for finding in report.findings if finding.kind == "not-compressed"}
    due = {
        "j2k": {"rtdose.dcm", "SC_ybr_full_422_uncompressed.dcm"},
        "htj2k": {
            "rtdose.dcm",
            "SC_ybr_full_422_uncompressed.dcm",
        },  # above 16 bits the second decoder differs
        "jpegls": {
            "rtdose.dcm",
            "SC_ybr_full_422_uncompressed.dcm",
            "liver_1frame.dcm",
            "SC_rgb_small_odd.dcm",
        },
        "keep": set(NATIVE),
    }[codec]
    assert set(kept) == due, kept
    delivered = unpacked(path, recipient, tmp_path / "out")
    sources = [pydicom.dcmread(one) for one in (tmp_path / "source").iterdir()]
    assert sorted(one.PixelData for one in delivered) == sorted(one.PixelData for one in sources)
    assert sorted(one.file_meta.TransferSyntaxUID for one in delivered) == sorted(
        one.file_meta.TransferSyntaxUID for one in sources
    )
    if codec != "keep":
        signed = unpacked(path, recipient, tmp_path / "signed", keep_signed=True)
        used = [one.file_meta.TransferSyntaxUID for one in signed]
        assert used.count(codecs.CODECS[codec].transfer_syntax.uid) == len(NATIVE) - len(due)


def test_dose_is_compressed_by_one_codec(tmp_path, originator, recipient):
    path, report = packed(tmp_path, originator, ("rtdose.dcm",), codec="htj2k")
    assert not [finding for finding in report.findings if finding.kind == "not-compressed"]
    (delivered,) = unpacked(path, recipient, tmp_path / "out")
    assert delivered.PixelData == pydicom.dcmread(tmp_path / "source" / "rtdose.dcm").PixelData


def test_encapsulated_sources_stay_bit_for_bit(tmp_path, originator, recipient):
    path, report = packed(tmp_path, originator, ENCAPSULATED)
    assert report.instances_out == len(ENCAPSULATED)
    delivered = unpacked(path, recipient, tmp_path / "out")
    sources = [pydicom.dcmread(one) for one in (tmp_path / "source").iterdir()]
    assert sorted(one.PixelData for one in delivered) == sorted(one.PixelData for one in sources)


def test_recompression_delivers_native_samples(tmp_path, originator, recipient):
    path, report = packed(tmp_path, originator, ENCAPSULATED, recompress=True, codec="htj2k", paranoid=True)
    done = {finding.where for finding in report.findings if finding.kind == "recompressed"}
    assert done == set(ENCAPSULATED) - {"JPEG2000.dcm", "examples_jpeg2k.dcm", "JPGExtended.dcm"}
    delivered = unpacked(path, recipient, tmp_path / "out")
    native = [one for one in delivered if one.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"]
    assert len(native) == len(done)
    sources = [pydicom.dcmread(tmp_path / "source" / name) for name in done]
    assert sorted(one.pixel_array.tobytes() for one in native) == sorted(
        one.pixel_array.tobytes() for one in sources
    )


def test_loss_makes_another_instance_with_the_same_uid_in_every_run(tmp_path, originator, recipient):
    uids = []
    key = dicompack.ProjectKey.new()
    for name in ("plain", "lossy", "again"):
        folder = tmp_path / name
        folder.mkdir()
        ratio = None if name == "plain" else 8
        path, report = packed(folder, originator, ("examples_overlay.dcm",), lossy=ratio, project_key=key)
        assert ("lossy" in {finding.kind for finding in report.findings}) == (ratio is not None)
        (delivered,) = unpacked(path, recipient, folder / "out")
        assert delivered.get("LossyImageCompression") == ("01" if ratio else None)
        uids.append(delivered.SOPInstanceUID)
        assert delivered.file_meta.MediaStorageSOPInstanceUID == delivered.SOPInstanceUID
    assert uids[0] != uids[1] == uids[2]
    assert delivered.SourceImageSequence[-1].ReferencedSOPInstanceUID == uids[0]


@pytest.mark.parametrize("settings", [{"recompress": True}, {"lossy": 10}])
def test_what_is_delivered_in_another_form_cannot_be_restored(
    settings, tmp_path, sender, receiver, originator
):
    with pytest.raises(UsageError, match="originals"):
        packed(tmp_path, originator, deidentify="none", burned_in="stop", **settings)
    custodian = dicompack.Originator(sender.signing, (receiver.contact,), custodians=(receiver.contact,))
    with pytest.raises(UsageError, match="originals"):
        packed(tmp_path, custodian, **settings)


def test_a_reader_without_the_codec_is_told_what_to_install(tmp_path, originator, recipient, monkeypatch):
    path, _ = packed(tmp_path, originator, codec="htj2k")
    monkeypatch.setattr(codecs, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError) as caught:
        dicompack.unpack(path, tmp_path / "out", recipient=recipient, jobs=1)
    assert "dicompack[codecs]" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.interop
def test_dcmtk_verifies_and_decodes_jpeg_ls(tmp_path, originator, recipient, sender, program):
    path, _ = packed(tmp_path, originator, ("CT_small.dcm",), codec="jpegls")
    (tmp_path / "signer.pem").write_bytes(sender.files.contact_pem)
    unpacked(path, recipient, tmp_path / "out", keep_signed=True)
    (signed,) = (tmp_path / "out").rglob("*.dcm")
    verified = [program("dcmsign"), "--verify", "+rg", "+rc", "+cf", tmp_path / "signer.pem", signed]
    subprocess.run(verified, check=True, capture_output=True)
    subprocess.run([program("dcmdjpls"), signed, tmp_path / "native.dcm"], check=True, capture_output=True)
    source = pydicom.dcmread(tmp_path / "source" / "CT_small.dcm")
    assert pydicom.dcmread(tmp_path / "native.dcm").PixelData == source.PixelData


def test_lossy_from_the_command_line(tmp_path, monkeypatch, capfd):
    """A ratio comes as a number with a point there."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    monkeypatch.chdir(tmp_path)
    assert run(["keys", "new", "me", "--name", "A", "--no-passphrase"]) == 0
    study(tmp_path / "in", ("MR_small.dcm",))
    call = ["pack", "in", "-o", "a.dcmpack", "--signer", "me", "--lossy", "10", "--json"]
    capfd.readouterr()
    assert run(call) == 0
    assert "lossy" in {one["kind"] for one in json.loads(capfd.readouterr().out)["findings"]}


@pytest.mark.parametrize(
    ("codec", "library"), [("htj2k", "imagecodecs._htj2k"), ("jpegls", "imagecodecs._jpegls")]
)
def test_a_codec_is_loaded_with_its_libraries(codec, library):
    """Whoever loads it has no limits yet; a library that came with the first frame might find no room."""
    script = (
        "import sys; from dicompack.dicom.codecs import CODECS; "
        f"CODECS[{codec!r}].load(); print({library!r} in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"


STARVED = """
import os, resource, sys
from pathlib import Path
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.pixelformat import pixel_format
from tests.unit.dicom.native_pixels import native, samples
coder, path = CODECS[sys.argv[1]].load(), Path(sys.argv[2])
def example(side):
    source = native(samples(rows=side, columns=side, frames=1, smooth=True), stored=12)
    return source.raw(0x7FE00010), pixel_format(source)
frame, layout = example(3000)
if os.fork() == 0:  # its memory is gone when it is done
    path.write_bytes(coder.encode(frame, layout))
    os._exit(0)
os.wait()
stream = path.read_bytes()
small, small_layout = example(64)
coder.decode(coder.encode(small, small_layout), small_layout, transform=False)  # all is loaded now
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.RLIM_INFINITY))
for work in (lambda: coder.decode(stream, layout, transform=False), lambda: coder.encode(frame, layout)):
    try:
        work()
        print("done")
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux keeps them")
@pytest.mark.parametrize("codec", ["j2k", "htj2k", "jpegls"])
def test_a_codec_without_room_says_so(codec, tmp_path):
    """A package is not malformed, and a frame not beyond the codec, because this machine is small."""
    call = [sys.executable, "-c", STARVED, codec, tmp_path / "stream"]
    told = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.split() == ["MemoryError", "MemoryError"]
