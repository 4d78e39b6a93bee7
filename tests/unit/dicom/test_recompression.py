"""Encapsulated sources: looked at without a decoder, and decoded only where nothing can be lost."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicompack.dicom import encapsulation, pixels, recompression
from dicompack.dicom.codecs import CODECS, run_length
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, number_element, string_element
from dicompack.dicom.transfer_syntaxes import transfer_syntax
from dicompack.errors import DicomPackError, FormatError, InputError, UnsupportedError
from dicompack.stages import compression
from dicompack.stages.artifacts import Deidentified
from dicompack.stages.compression import Encoding
from tests.conftest import IN_CI
from tests.unit.dicom.native_pixels import native, samples
from tests.unit.stages.test_compression import listed

if not IN_CI:
    pytest.importorskip("imagecodecs")

import imagecodecs

from dicompack.dicom.codecs import jpeg_lossless

PIXEL_DATA = 0x7FE00010
RLE, DEFLATED, OPEN = (transfer_syntax(f"1.2.840.10008.1.2.{tail}") for tail in ("5", "8.1", "1.98"))
LOSSLESS = transfer_syntax("1.2.840.10008.1.2.4.70")
J2K = CODECS["j2k"]


def packed_bits(data: bytes) -> bytes:
    """A segment of RLE: replicate runs where a byte is repeated, literal runs elsewhere."""
    made, offset = bytearray(), 0
    while offset < len(data):
        run = 1
        while run < 128 and data[offset : offset + run + 1] == data[offset : offset + 1] * (run + 1):
            run += 1
        if run > 1:
            made += bytes((257 - run, data[offset]))
        else:
            run = min(128, len(data) - offset)
            made += bytes((run - 1,)) + data[offset : offset + run]
        offset += run
    return bytes(made) + b"\0" * (len(made) % 2)


def run_length_frame(array: np.ndarray) -> bytes:
    """Rows x columns x samples, most significant bytes first."""
    octets = array.transpose(2, 0, 1).reshape(array.shape[2], -1, 1).view(np.uint8)
    segments = [
        packed_bits(octets[sample, :, byte].tobytes())
        for sample in range(octets.shape[0])
        for byte in reversed(range(octets.shape[2]))
    ]
    numbers, offset = [len(segments)], 64
    for segment in segments:
        numbers.append(offset)
        offset += len(segment)
    return b"".join(number.to_bytes(4, "little") for number in numbers).ljust(64, b"\0") + b"".join(segments)


def encapsulated(source: DataSet, frames: list[bytes], table: bytes = b"") -> DataSet:
    fragments = (frame + b"\0" * (len(frame) % 2) for frame in frames)
    return source.replacing(Encapsulated(PIXEL_DATA, "OB", (table, *fragments)))


def by_run_length(array: np.ndarray, source: DataSet) -> DataSet:
    return encapsulated(source, [run_length_frame(frame) for frame in array])


# --- RLE ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allocated", "stored"), [(8, 8), (16, 12), (16, 16), (32, 32)])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("smooth", [False, True])
def test_run_length_of_one_sample(allocated, stored, signed, smooth):
    array = samples(stored=stored, allocated=allocated, signed=signed, frames=2, smooth=smooth)
    source = native(array, stored=stored)
    assert recompression.native(by_run_length(array, source), RLE, paranoid=True) == source


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("allocated", [8, 16])
def test_run_length_of_colour(planar, allocated):
    array = samples(stored=8, allocated=allocated, per_pixel=3, frames=2)
    source = native(array, "RGB", stored=8, planar=planar)
    assert recompression.native(by_run_length(array, source), RLE, paranoid=True) == source


FRAME = samples(rows=8, columns=9)[0]
LAYOUT = pixels.pixel_format(native(FRAME[None], stored=12))
GOOD = run_length_frame(FRAME)
TWO = GOOD[8:12]  # offset of the second segment


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "RLE-1"),
        (GOOD[:63], "RLE-1"),
        (b"\3" + GOOD[1:], "RLE-1"),
        (b"\xff\xff\xff\xff" + GOOD[4:], "RLE-1"),
        (GOOD[:4] + b"\x41" + GOOD[5:], "RLE-1"),
        (GOOD[:8] + b"\x40\0\0\0" + GOOD[12:], "RLE-1"),
        (GOOD[:8] + b"\xff\xff\xff\x7f" + GOOD[12:], "RLE-1"),
        (GOOD[:-12], "RLE-2"),
        (GOOD[:64] + b"\x7f" + GOOD[65:], "RLE-2"),  # longer than the frame
        (GOOD + b"\1\1", "RLE-3"),
    ],
)
def test_run_length_refused_by_rule(data, rule):
    with pytest.raises(FormatError) as caught:
        run_length.decode(data, LAYOUT)
    assert caught.value.rule == rule, caught.value


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_run_length_bytes_give_a_frame_or_an_error(tail):
    for data in (tail, GOOD[:64] + tail, GOOD[:80] + tail):
        try:
            assert len(run_length.decode(data, LAYOUT)) == LAYOUT.frame_bytes
        except FormatError:
            continue


# --- JPEG Lossless --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allocated", "stored"), [(8, 8), (16, 12), (16, 16)])
@pytest.mark.parametrize("signed", [False, True])
def test_jpeg_lossless(allocated, stored, signed):
    array = samples(stored=stored, allocated=allocated, signed=signed, frames=2)
    bits = array.view(f"<u{allocated // 8}") & np.array((1 << stored) - 1, f"<u{allocated // 8}")
    frames = [
        imagecodecs.ljpeg_encode(np.ascontiguousarray(one[..., 0]), bitspersample=stored) for one in bits
    ]
    source = native(array, stored=stored)
    assert recompression.native(encapsulated(source, frames), LOSSLESS, paranoid=True) == source


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def test_jpeg_lossless_refused_by_rule():
    """JPL-1: segments and end; JPL-2: another frame, precision, predictor."""
    array = samples(rows=33, columns=47)
    layout = pixels.pixel_format(native(array, stored=12))
    data = imagecodecs.ljpeg_encode(np.ascontiguousarray(array[0, ..., 0]), bitspersample=12)
    frame, scan = data.index(b"\xff\xc3"), data.index(b"\xff\xda")
    assert len(jpeg_lossless.decode(data, layout)) == layout.frame_bytes
    for broken, rule in (
        (data[1:], "JPL-1"),
        (data[:frame] + b"\xff", "JPL-1"),
        (data[:-2], "JPL-1"),
        (put(data, frame + 1, b"\xc0"), "JPL-1"),
        (put(data, frame + 2, b"\xff\xff"), "JPL-1"),
        (data[:2] + b"\xff\xfe\0\2" * 64 + data[2:], "JPL-1"),
        (put(data, frame + 5, b"\xff\xff"), "JPL-2"),
        (put(data, frame + 7, b"\0\x2e"), "JPL-2"),
        (put(data, frame + 4, b"\x0b"), "JPL-2"),
        (put(data, frame + 11, b"\x22"), "JPL-2"),
        (put(data, scan + 7, b"\0"), "JPL-2"),
    ):
        with pytest.raises(FormatError) as caught:
            jpeg_lossless.decode(broken, layout)
        assert caught.value.rule == rule, caught.value


# --- the others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODECS)
def test_codestreams_of_codecs(name):
    for photometric, planar in (("MONOCHROME2", 0), ("RGB", 0), ("RGB", 1)):
        array = samples(stored=8, allocated=8, per_pixel=1 if planar is photometric[0] == "M" else 3)
        if photometric[0] == "M":
            array = samples(stored=8, allocated=8)
        source = native(array, photometric, stored=8, planar=planar)
        packed = pixels.compress(source, CODECS[name])
        back = recompression.native(packed.data_set, CODECS[name].transfer_syntax, paranoid=True)
        restored = native(array, photometric, stored=8)
        assert back == restored  # planes are not told by a codestream: pixels it is


def deflated(frame: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(frame) + packer.flush()


def test_deflated_and_open_frames():
    array = samples(frames=2)
    source = native(array, stored=12)
    for syntax, wrap in ((DEFLATED, deflated), (OPEN, bytes)):
        made = encapsulated(source, [wrap(frame.tobytes()) for frame in array])
        encapsulation.check(made, syntax)
        assert recompression.native(made, syntax) == source


@pytest.mark.parametrize("suffix", ["4.50", "4.51", "4.81", "4.91", "4.203", "4.100", "4.110"])
def test_what_may_be_lossy_is_not_decoded(suffix):
    source = encapsulated(native(samples(), stored=12), [bytes(4000)])
    with pytest.raises(UnsupportedError, match="lossless"):
        recompression.native(source, transfer_syntax(f"1.2.840.10008.1.2.{suffix}"))


def test_frames_by_offset_tables():
    """PS3.5 A.4: frames of several fragments are told apart by the Basic or the Extended Offset Table."""
    array = samples(frames=2)
    source = native(array, stored=12)
    streams = [run_length_frame(frame) for frame in array]
    first = [streams[0][:100], streams[0][100:]]
    place = sum(map(len, first)) + 16
    table = bytes(4) + place.to_bytes(4, "little")
    pieces = [*first, streams[1]]
    assert recompression.native(encapsulated(source, pieces, table), RLE) == source
    extended = encapsulated(source, pieces).replacing(
        Element(0x7FE00001, "OV", bytes(8) + place.to_bytes(8, "little"))
    )
    assert recompression.native(extended, RLE) == source
    for wrong in (b"", table[:4], bytes(4) + (place + 2).to_bytes(4, "little"), table[4:] + table[:4]):
        with pytest.raises(UnsupportedError, match="fragments"):
            recompression.native(encapsulated(source, pieces, wrong), RLE)


def test_frames_by_the_beginnings_of_codestreams():
    """Without any offset table (PS3.5 A.4): those of the JPEG families show where they begin."""
    array = samples(frames=2)
    source = native(array, stored=12)
    for codec in CODECS.values():
        packed = pixels.compress(source, codec)
        _, first, second = packed.data_set.get(PIXEL_DATA).fragments
        pieces = [first[:100], first[100:], second]
        split = encapsulated(packed.data_set, pieces)
        encapsulation.check(split, codec.transfer_syntax)
        assert recompression.native(split, codec.transfer_syntax) == source
        behind = encapsulated(packed.data_set, [*pieces[1:], first])
        with pytest.raises(UnsupportedError, match="fragments"):
            recompression.native(behind, codec.transfer_syntax)
        refused(encapsulated(packed.data_set, [*pieces, first]), codec.transfer_syntax, "PIX-8")
        alone = packed.data_set.replacing(string_element(0x00280008, "IS", "1"))
        refused(encapsulated(alone, [first, second]), codec.transfer_syntax, "PIX-8")


# --- looked at without a decoder ------------------------------------------------------------------------


def refused(data_set: DataSet, syntax, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        encapsulation.check(data_set, syntax)
    assert caught.value.rule == rule, caught.value


@pytest.mark.parametrize("name", CODECS)
def test_codestreams_that_lie_or_end_early(name):
    """PIX-8, PIX-9, PIX-10: of the codecs' own syntaxes; nothing is decoded."""
    source = native(samples(frames=2), stored=12)
    packed, syntax = pixels.compress(source, CODECS[name]).data_set, CODECS[name].transfer_syntax
    encapsulation.check(packed, syntax)
    _, first, second = packed.get(PIXEL_DATA).fragments

    def other(*fragments: bytes) -> DataSet:
        return packed.replacing(Encapsulated(PIXEL_DATA, "OB", (b"", *fragments)))

    refused(other(first), syntax, "PIX-8")
    refused(other(first, b"\1" * 400), syntax, "PIX-9")
    refused(other(first, second[2:]), syntax, "PIX-9")
    for tag in (0x00280010, 0x00280011):
        refused(packed.replacing(number_element(tag, "US", 65535)), syntax, "PIX-9")
    huge = second.replace(b"\0\x2f", b"\xff\xff").replace(b"\0\x21", b"\xff\xff")
    refused(other(first, huge), syntax, "PIX-9")
    refused(other(first, second[:-20]), syntax, "PIX-10")
    encapsulation.check(other(first, second + b"\0\0"), syntax)
    one = other(first + second[:-20]).replacing(string_element(0x00280008, "IS", "1"))
    refused(one, syntax, "PIX-10")


def test_other_encapsulations_that_lie_or_end_early():
    array = samples()
    source = native(array, stored=12)
    streams = {
        RLE: run_length_frame(array[0]),
        DEFLATED: deflated(array.tobytes()),
        OPEN: array.tobytes(),
        LOSSLESS: imagecodecs.ljpeg_encode(np.ascontiguousarray(array[0, ..., 0]), bitspersample=12),
    }
    for syntax, stream in streams.items():
        made = encapsulated(source, [stream])
        encapsulation.check(made, syntax)
        refused(encapsulated(source, []), syntax, "PIX-7")
        if syntax != RLE:  # whose header says nothing about rows
            refused(made.replacing(number_element(0x00280010, "US", 32)), syntax, "PIX-9")
    refused(encapsulated(source, [streams[LOSSLESS][:-100]]), LOSSLESS, "PIX-10")
    refused(encapsulated(source, [streams[DEFLATED][:-100]]), DEFLATED, "PIX-10")
    refused(encapsulated(source, [b"\1\0\0\0" + streams[RLE][4:]]), RLE, "PIX-9")
    refused(encapsulated(source, [streams[RLE][:70]]), RLE, "PIX-10")
    bomb = zlib.compressobj(9, wbits=-15)
    refused(encapsulated(source, [bomb.compress(bytes(1 << 26)) + bomb.flush()]), DEFLATED, "PIX-9")


@given(
    st.binary(min_size=1, max_size=120), st.sampled_from(["5", "8.1", "1.98", "4.50", "4.70", "4.80", "4.90"])
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_by_name(data, suffix):
    source = encapsulated(native(samples(), stored=12), [data, data])
    with pytest.raises(InputError):
        encapsulation.check(source, transfer_syntax(f"1.2.840.10008.1.2.{suffix}"))


# --- the stage ------------------------------------------------------------------------------------------

IDENTITY = (
    string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.3"),
    string_element(0x00080018, "UI", "2.25.1"),
)


def test_recompressed_instances_are_delivered_native():
    array = samples(frames=2, smooth=True)
    source = native(array, stored=12).replacing(*IDENTITY)
    item = Deidentified(by_run_length(array, source), RLE)
    packed = compression.pack(item, Encoding(recompress=True, paranoid=True))
    assert packed.compression.decoded_from == RLE.uid
    assert packed.transfer_syntax == J2K.transfer_syntax
    assert [finding.kind for finding in packed.findings] == ["recompressed"]
    back = compression.unpack(packed, listed(packed))
    assert (back.data_set, back.transfer_syntax.uid) == (source, "1.2.840.10008.1.2.1")


def test_without_being_asked_nothing_is_decoded():
    array = samples(frames=2)
    item = Deidentified(by_run_length(array, native(array, stored=12).replacing(*IDENTITY)), RLE)
    packed = compression.pack(item, Encoding())
    assert (packed.data_set, packed.transfer_syntax) == (item.data_set, RLE)
    assert (packed.compression.decoded_from, packed.findings) == ("", ())
    back = compression.unpack(packed, listed(packed))
    assert (back.data_set, back.transfer_syntax) == (item.data_set, RLE)


def test_what_would_be_subsampled_natively_stays_encapsulated():
    """The codestream has three samples for each pixel, native YBR_FULL_422 two: there is no such form."""
    array = samples(stored=8, allocated=8, per_pixel=3)
    source = by_run_length(array, native(array, "YBR_FULL", stored=8).replacing(*IDENTITY))
    source = source.replacing(string_element(0x00280004, "CS", "YBR_FULL_422"))
    packed = compression.pack(Deidentified(source, RLE), Encoding(recompress=True))
    assert (packed.data_set, packed.transfer_syntax) == (source, RLE)
    assert "layout" in packed.compression.reason


def test_what_cannot_be_recompressed_stays_and_says_why(monkeypatch):
    array = samples(frames=1)
    array[0, 0, 0, 0] = 1 << 12  # above Bits Stored
    source = native(array, stored=12).replacing(*IDENTITY)
    junk = Deidentified(by_run_length(array, source), RLE)
    lossy = Deidentified(encapsulated(source, [b"\xff\xd8"]), transfer_syntax("1.2.840.10008.1.2.4.110"))
    for item, reason in ((junk, "bits above Bits Stored"), (lossy, "lossless")):
        packed = compression.pack(item, Encoding(recompress=True))
        assert (packed.data_set, packed.transfer_syntax) == (item.data_set, item.transfer_syntax)
        assert packed.findings[0].kind == "not-compressed"
        assert reason in packed.findings[0].message
        assert packed.compression == replace(packed.compression, codec="keep", restore=None)
    monkeypatch.setattr(run_length, "decode_otherwise", lambda data, layout: b"")
    sound = samples(frames=1)
    item = Deidentified(by_run_length(sound, native(sound, stored=12).replacing(*IDENTITY)), RLE)
    doubted = compression.pack(item, Encoding(recompress=True, paranoid=True))
    assert "second decoder" in doubted.findings[0].message


@pytest.mark.shared_data
def test_real_files_decode_as_pydicom_has_it(data: Path):
    """What is decoded at all has the samples that other decoders find; most sources are."""
    import pydicom

    from dicompack.dicom import dicom_file

    done = 0
    for path in sorted((data / "transfer_syntaxes").rglob("*")):
        if not path.is_file():
            continue
        try:
            file = dicom_file.parse(path.read_bytes())
            if not file.transfer_syntax.encapsulated:
                continue
            encapsulation.check(file.data_set, file.transfer_syntax)
            made = recompression.native(file.data_set, file.transfer_syntax, paranoid=True)
        except DicomPackError:
            continue
        dataset = pydicom.dcmread(path, force=True)
        dataset.pixel_array_options(raw=True)
        theirs = dataset.pixel_array
        if theirs.dtype.itemsize * 8 != made.number(0x00280100):
            continue
        ours = np.frombuffer(made.raw(PIXEL_DATA), theirs.dtype, count=theirs.size)
        if made.number(0x00280006) == 1:
            shape = (-1, 3, made.number(0x00280010), made.number(0x00280011))
            ours = ours.reshape(shape).transpose(0, 2, 3, 1)
        assert np.array_equal(ours.ravel(), theirs.ravel()), path
        done += 1
    assert done >= 30
