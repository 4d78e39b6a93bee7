"""Compression of Pixel Data: what comes back is what went in, or nothing was compressed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import get_decoder
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage

from dicompack.dicom import codecs, pixels
from dicompack.dicom.codecs import CODECS, Codec, codestream, jpeg_two_thousand
from dicompack.dicom.dataset import (
    DataSet,
    Element,
    Encapsulated,
    Sequence,
    number_element,
    string_element,
)
from dicompack.dicom.pixels import Compressed, Kept, Restore, compress, decompress, native_digest
from dicompack.errors import FormatError, InputError, UnsupportedError, UsageError
from dicompack.stages.compression import Encoding
from tests.conftest import IN_CI
from tests.unit.dicom.native_pixels import native, samples

PIXEL_DATA = 0x7FE00010

DEPTHS = [(8, stored) for stored in range(1, 9)] + [(16, stored) for stored in range(1, 17)]


J2K = CODECS["j2k"]


def compressed(data_set: DataSet, codec: Codec = J2K) -> Compressed:
    result = compress(data_set, codec)
    assert isinstance(result, Compressed), result
    return result


def kept(data_set: DataSet, codec: Codec = J2K) -> Kept:
    result = compress(data_set, codec)
    assert isinstance(result, Kept)
    return result


def pydicom_samples(data_set: DataSet, codec: Codec = J2K) -> np.ndarray:
    """The decoded frames as pydicom reads the same elements and fragments, colour transform undone."""
    decoder = get_decoder(codec.transfer_syntax.uid)
    return decoder.as_array(pydicom_dataset(data_set, codec), raw=True)[0]


def pydicom_dataset(data_set: DataSet, codec: Codec = J2K) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    for node in data_set:
        if node.tag >> 16 == 0x0028:
            dataset.add_new(node.tag, node.vr, _value(data_set, node.tag))
    fragments = data_set.get(PIXEL_DATA).fragments
    dataset.PixelData = b"".join(
        b"\xfe\xff\x00\xe0" + len(part).to_bytes(4, "little") + bytes(part) for part in fragments
    )
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = codec.transfer_syntax.uid
    return dataset


def _value(data_set: DataSet, tag: int) -> object:
    node = data_set.get(tag)
    return data_set.number(tag) if node.vr == "US" else data_set.text(tag)


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    """Each of them; those of the extra where it is installed."""
    one = CODECS[request.param]
    if one.missing and not IN_CI:
        pytest.skip("dicompack[codecs] is not installed")
    return one


@pytest.mark.parametrize(("allocated", "stored"), DEPTHS)
@pytest.mark.parametrize(
    ("photometric", "planar", "signed"),
    [
        ("MONOCHROME1", 0, True),
        ("MONOCHROME2", 0, False),
        ("PALETTE COLOR", 0, False),
        ("RGB", 0, False),
        ("RGB", 1, False),
        ("YBR_FULL", 0, False),
        ("YBR_FULL", 1, False),
    ],
)
def test_round_trip_is_byte_exact(
    photometric: str, planar: int, signed: bool, allocated: int, stored: int, codec: Codec
) -> None:
    per_pixel = 3 if photometric in ("RGB", "YBR_FULL") else 1
    for frames, smooth in ((1, False), (3, True), (3, False)):
        array = samples(
            stored=stored,
            allocated=allocated,
            signed=signed,
            per_pixel=per_pixel,
            frames=frames,
            smooth=smooth,
        )
        source = native(array, photometric, stored=stored, planar=planar)
        result = compress(source, codec)
        if isinstance(result, Kept) and codec is J2K:
            # OpenJPEG is not lossless for some frames of one bit with RCT: what the comparison is for.
            assert (photometric, stored) == ("RGB", 1)
            assert "round trip" in result.reason
            continue
        if isinstance(result, Kept):  # what PS3.5 Table 8.2.3-1 does not allow
            assert codec.name == "jpegls"
            assert stored == 1 or (photometric == "YBR_FULL" and allocated > 8)
            continue
        assert decompress(result.data_set, result.restore, codec) == source
        raw = source.raw(PIXEL_DATA)[: array.nbytes]
        assert (result.native_sha256, result.native_size) == (hashlib.sha256(raw).hexdigest(), len(raw))
        assert native_digest(source) == (result.native_sha256, result.native_size)
        if not smooth:
            shape = array.shape if frames > 1 else array.shape[1:]
            theirs = pydicom_samples(result.data_set, codec).reshape(shape)
            assert np.array_equal(theirs, array.reshape(shape))


@pytest.mark.parametrize("memory", [bytes, memoryview], ids=lambda kind: kind.__name__)
def test_values_may_be_views(memory: type) -> None:
    source = native(samples(frames=2), stored=12)
    value = source.get(PIXEL_DATA).value
    result = compressed(source.replacing(Element(PIXEL_DATA, "OW", memory(value))))
    packed = result.data_set.get(PIXEL_DATA)
    viewed = Encapsulated(PIXEL_DATA, "OB", tuple(memory(bytes(part)) for part in packed.fragments))
    assert decompress(result.data_set.replacing(viewed), result.restore, J2K) == source


def test_wide_samples_of_vr_ob() -> None:
    """Not what PS3.5 A.2 says, and what is met; in big endian files their bytes stand the other way round."""
    source = native(samples(), stored=12, vr="OB")
    result = compressed(source)
    assert decompress(result.data_set, result.restore, J2K) == source
    other = compress(source, J2K, was_big_endian=True)
    assert isinstance(other, Kept)
    assert "VR" in other.reason


def test_description_of_rgb_follows_the_standard() -> None:
    """PS3.5 8.2.4: RCT means YBR_RCT, planes become pixels, one fragment of even length per frame."""
    source = native(samples(stored=8, allocated=8, per_pixel=3, frames=3), "RGB", stored=8, planar=1)
    result = compressed(source)
    assert result.restore == Restore("OB", "RGB", 1)
    assert result.data_set.raw(0x00280004) == b"YBR_RCT "
    assert result.data_set.number(0x00280006) == 0
    table, *fragments = result.data_set.get(PIXEL_DATA).fragments
    assert result.data_set.get(PIXEL_DATA).vr == "OB"
    assert len(fragments) == 3
    assert not any(len(fragment) % 2 for fragment in fragments)
    offsets = [0, 8 + len(fragments[0]), 16 + len(fragments[0]) + len(fragments[1])]
    assert table == b"".join(offset.to_bytes(4, "little") for offset in offsets)
    assert all(codestream.parse(fragment).transform for fragment in fragments)
    changed = {node.tag for node in source if result.data_set.get(node.tag) != node}
    assert changed == {0x00280004, 0x00280006, PIXEL_DATA}


def test_ybr_full_is_not_transformed_again() -> None:
    source = native(samples(stored=8, allocated=8, per_pixel=3), "YBR_FULL", stored=8)
    result = compressed(source)
    assert result.data_set.text(0x00280004) == "YBR_FULL"
    assert not codestream.parse(result.data_set.get(PIXEL_DATA).fragments[1]).transform


@pytest.mark.parametrize(
    ("name", "native_size"),
    [
        ("CT_small.dcm", 32768),
        ("MR_small.dcm", 8192),
        ("examples_overlay.dcm", 290400),
        ("examples_palette.dcm", 280000),
        ("examples_rgb_color.dcm", 230400),
        ("SC_rgb_jpeg_dcmd.dcm", 196608),
    ],
)
def test_bundled_files(name: str, native_size: int) -> None:
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    nodes = []
    for element in dataset:
        if element.tag.group != 0x0028 and element.tag != PIXEL_DATA:
            continue
        if element.VR == "US" and element.VM == 1:
            nodes.append(number_element(int(element.tag), "US", element.value))
        elif element.VR in ("CS", "IS"):
            nodes.append(string_element(int(element.tag), element.VR, str(element.value)))
        elif element.tag == PIXEL_DATA:
            nodes.append(Element(PIXEL_DATA, "OB" if element.VR == "OB" else "OW", element.value))
    source = DataSet(nodes)
    result = compressed(source)
    assert result.native_size == native_size
    assert sum(map(len, result.data_set.get(PIXEL_DATA).fragments)) < native_size
    assert decompress(result.data_set, result.restore, J2K) == source
    # A view of the samples that shares no code with ours, neither native nor compressed.
    theirs, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, raw=True)
    assert np.array_equal(pydicom_samples(result.data_set), theirs)


@pytest.mark.interop
@pytest.mark.parametrize(
    ("photometric", "stored", "signed", "planar"),
    [
        ("MONOCHROME2", 12, True, 0),
        ("MONOCHROME2", 16, False, 0),
        ("RGB", 8, False, 1),
        ("YBR_FULL", 8, False, 0),
    ],
)
def test_gdcm_reads_the_same_samples(
    photometric: str, stored: int, signed: bool, planar: int, program: Callable[[str], str], tmp_path: Path
) -> None:
    per_pixel = 1 if photometric == "MONOCHROME2" else 3
    allocated = 16 if stored > 8 else 8
    array = samples(stored=stored, allocated=allocated, signed=signed, per_pixel=per_pixel, frames=3)
    result = compressed(native(array, photometric, stored=stored, planar=planar))
    dataset = pydicom_dataset(result.data_set)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MultiFrameTrueColorSecondaryCaptureImageStorage, "2.25.1"
    dataset.save_as(tmp_path / "packed.dcm", enforce_file_format=True)
    command = [program("gdcmconv"), "--raw", tmp_path / "packed.dcm", tmp_path / "native.dcm"]
    subprocess.run(command, check=True, capture_output=True)
    theirs = pydicom.dcmread(tmp_path / "native.dcm")
    frames = np.frombuffer(theirs.PixelData, array.dtype, count=array.size)
    assert theirs.get("PlanarConfiguration", 0) == 0
    assert np.array_equal(frames.reshape(array.shape), array)


# --- what is kept ---------------------------------------------------------------------------------------


def mono(**changes: object) -> DataSet:
    return native(samples(), stored=12).replacing(*changes.values())


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("allocated", "stored", "bit"), [(16, 12, 12), (16, 12, 15), (16, 6, 9), (8, 7, 7)])
def test_one_bit_above_bits_stored_is_enough(signed: bool, allocated: int, stored: int, bit: int) -> None:
    array = samples(stored=stored, allocated=allocated, signed=signed, frames=2)
    array.view(f"<u{allocated // 8}")[1, 32, 46, 0] ^= 1 << bit
    source = native(array, stored=stored)
    result = kept(source)
    assert result.reason == "bits above Bits Stored are in use"
    assert (result.native_sha256, result.native_size) == native_digest(source)


@pytest.mark.parametrize(("rows", "columns"), [(31, 64), (64, 31), (1, 1), (32, 32)])
def test_small_frames_take_another_encoder(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sides below 32 are encoded by imagecodecs; where that is absent they are kept, and say why."""
    source = native(samples(rows=rows, columns=columns), stored=12)
    monkeypatch.setattr(jpeg_two_thousand, "find_spec", lambda name: None)
    if min(rows, columns) < 32:
        assert "below 32" in kept(source).reason
    else:
        compressed(source)
    monkeypatch.undo()
    pytest.importorskip("imagecodecs")
    result = compressed(source)
    assert decompress(result.data_set, result.restore, J2K) == source


def test_many_tiny_frames_are_kept() -> None:
    """A codestream has more around its samples than such a frame has, and takes time for nothing."""
    tiny = native(samples(rows=8, columns=8, frames=2, stored=8, allocated=8), stored=8)
    assert kept(tiny).reason == "a frame is smaller than the header of its codestream"
    larger = native(samples(rows=8, columns=9, frames=2, stored=8, allocated=8), stored=8)
    assert isinstance(compress(larger, J2K), Compressed)
    alone = native(samples(rows=8, columns=8, stored=8, allocated=8), stored=8)
    assert isinstance(compress(alone, J2K), Compressed)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (mono(high=number_element(0x00280102, "US", 15)), "High Bit"),
        (mono().without(0x00280102), "High Bit"),
        (native(samples(), stored=12, vr="UN"), "VR"),
        (native(samples(stored=8, signed=True), "PALETTE COLOR", stored=8), "signed"),
        (native(samples(stored=8, signed=True, per_pixel=3), "RGB", stored=8), "signed"),
        (native(samples(per_pixel=3), "HSV", stored=12), "Photometric"),
        (native(samples(per_pixel=3), "YBR_RCT", stored=12), "Photometric"),
        (native(samples(per_pixel=4), "CMYK", stored=12), "Photometric"),
        (native(samples(stored=25, allocated=32), stored=25), "Bits Stored"),
        (native(samples(stored=8, allocated=64), stored=8), "Bits Allocated"),
        (native(samples(stored=8, allocated=32), "PALETTE COLOR", stored=8), "Bits Allocated"),
        (mono(table=Element(0x7FE00001, "OV", b"")), "offset tables"),
        (native(samples(stored=8, allocated=8, per_pixel=3), "RGB", stored=8), ""),
    ],
)
def test_kept_with_a_reason(source: DataSet, reason: str) -> None:
    if not reason:  # the control: the same builder does give what can be compressed
        compressed(source)
        return
    result = kept(source)
    assert reason in result.reason
    assert "\n" not in result.reason
    assert (result.native_sha256, result.native_size) == native_digest(source)


def test_padding_that_would_not_come_back() -> None:
    source = native(samples(stored=8, allocated=8), stored=8)
    value = source.raw(PIXEL_DATA)
    assert value[-1] == 0
    assert len(value) == 33 * 47 + 1
    for odd in (value[:-1], value[:-1] + b"\x20"):
        other = source.replacing(Element(PIXEL_DATA, "OB", odd))
        assert "padded" in kept(other).reason
        assert native_digest(other) == native_digest(source)
    rgb = native(samples(stored=8, allocated=8, per_pixel=3), "RGB", stored=8)
    assert "unusual padding" in kept(rgb.replacing(Element(0x00280004, "CS", b"RGB\0"))).reason


@pytest.mark.parametrize(("rows", "columns"), [(33, 47), (32, 64), (40, 33)])
def test_frames_of_one_bit_follow_each_other_without_a_gap(rows: int, columns: int) -> None:
    """PS3.5 8.1.1: a frame may begin inside a byte; each is a codestream of its own (Table 8.2.4-1)."""
    array = samples(stored=1, allocated=8, frames=3, rows=rows, columns=columns)
    packed = np.packbits(array, axis=None, bitorder="little").tobytes()
    source = native(array, stored=1).replacing(
        number_element(0x00280100, "US", 1),
        Element(PIXEL_DATA, "OB", packed + b"\0" * (len(packed) % 2)),
    )
    result = compressed(source)
    assert (result.native_sha256, result.native_size) == (hashlib.sha256(packed).hexdigest(), len(packed))
    assert decompress(result.data_set, result.restore, J2K) == source
    fragments = result.data_set.get(PIXEL_DATA).fragments[1:]
    assert [codestream.parse(fragment).precision for fragment in fragments] == [1, 1, 1]
    if rows * columns * 3 % 8:
        junk = bytearray(source.raw(PIXEL_DATA))
        junk[len(packed) - 1] |= 0x80
        assert "behind the last" in kept(source.replacing(Element(PIXEL_DATA, "OB", bytes(junk)))).reason


@pytest.mark.parametrize(
    ("allocated", "stored"), [(24, 24), (24, 12), (32, 24), (32, 17), (32, 16), (40, 20)]
)
@pytest.mark.parametrize("signed", [False, True])
def test_wide_samples(allocated: int, stored: int, signed: bool) -> None:
    """Three and five bytes a sample are in the table, though no machine has such a type."""
    array = samples(stored=stored, allocated=64, signed=signed, frames=2)
    value = array.reshape(-1, 1).view(np.uint8)[:, : allocated // 8].tobytes()
    source = native(array, stored=stored).replacing(
        number_element(0x00280100, "US", allocated), Element(PIXEL_DATA, "OW", value)
    )
    result = compressed(source)
    assert decompress(result.data_set, result.restore, J2K) == source
    above = bytearray(value)
    above[-1] ^= 0x40
    if stored < allocated - 2:
        reason = kept(source.replacing(Element(PIXEL_DATA, "OW", bytes(above)))).reason
        assert reason == "bits above Bits Stored are in use"


def test_nothing_to_compress() -> None:
    assert kept(mono().without(PIXEL_DATA)) == Kept("there are no Pixel Data", None, 0)
    encapsulated = mono(pixels=Encapsulated(PIXEL_DATA, "OB", (b"", b"\xff\xd8")))
    assert kept(encapsulated) == Kept("Pixel Data are encapsulated already", None, 0)
    assert native_digest(encapsulated) is None
    assert native_digest(mono().without(PIXEL_DATA)) is None


def test_large_frames_are_kept_before_anything_is_reserved() -> None:
    array = np.broadcast_to(np.zeros(1, np.uint8), (1, 1, 1, 1))
    source = native(array, stored=8).replacing(
        number_element(0x00280010, "US", 16385), number_element(0x00280011, "US", 16384)
    )
    with pytest.raises(InputError, match="PIX-6"):
        compress(source, J2K)
    layout = pixels.PixelFormat(16385, 16384, 1, 1, 8, 8, 0, "MONOCHROME2", None)
    assert "samples" in pixels.obstacle(source, layout, J2K)
    many = replace(layout, rows=16384, frames=17)
    assert "length" in pixels.obstacle(source, many, J2K)


def test_an_encoder_that_lies_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is the decoder's output, not the encoder's word."""
    source = native(samples(frames=2), stored=12)
    encode = jpeg_two_thousand.encode
    last = bytes(source.raw(PIXEL_DATA)[33 * 47 * 2 :])

    def wrong(frame: bytes, layout: pixels.PixelFormat) -> bytes:
        frame = bytes(frame)
        return encode(frame[:-2] + bytes([frame[-2] ^ 1, frame[-1]]) if frame == last else frame, layout)

    monkeypatch.setattr(jpeg_two_thousand, "encode", wrong)
    assert "round trip" in kept(source).reason

    def refuse(frame: bytes, layout: pixels.PixelFormat) -> bytes:
        raise UnsupportedError("the encoder refuses the frame")

    monkeypatch.setattr(jpeg_two_thousand, "encode", refuse)
    assert "refuses" in kept(source).reason


def test_the_encoder_refusal_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> bytes:
        raise RuntimeError("no")

    monkeypatch.setattr(jpeg_two_thousand, "encode_buffer", refuse)
    assert "refuses" in kept(native(samples(), stored=12)).reason


# --- what a reader refuses ------------------------------------------------------------------------------


def refused(data_set: DataSet, restore: Restore, rule: str) -> None:
    with pytest.raises(FormatError) as caught:
        decompress(data_set, restore, J2K)
    assert caught.value.rule == rule, caught.value


@pytest.fixture(scope="module")
def packed() -> Compressed:
    return compressed(native(samples(frames=2), stored=12))


@pytest.fixture(scope="module")
def packed_rgb() -> Compressed:
    return compressed(native(samples(stored=8, allocated=8, per_pixel=3), "RGB", stored=8, planar=1))


def with_fragments(result: Compressed, *fragments: bytes, vr: str = "OB") -> DataSet:
    return result.data_set.replacing(Encapsulated(PIXEL_DATA, vr, fragments))


def test_cmp_encapsulation(packed: Compressed) -> None:
    """CMP-1, CMP-2, CMP-3."""
    table, first, second = packed.data_set.get(PIXEL_DATA).fragments
    refused(packed.data_set.without(PIXEL_DATA), packed.restore, "CMP-1")
    refused(native(samples(), stored=12), packed.restore, "CMP-1")
    refused(native(samples(stored=8, allocated=8), stored=8), packed.restore, "CMP-1")
    refused(with_fragments(packed, table, first, second, vr="OW"), packed.restore, "CMP-1")
    for tag in (0x7FE00001, 0x7FE00002, 0x7FE00003):
        refused(packed.data_set.replacing(Element(tag, "OV", bytes(16))), packed.restore, "CMP-1")
    refused(with_fragments(packed, table, first), packed.restore, "CMP-2")
    refused(with_fragments(packed, table, first, second, second), packed.restore, "CMP-2")
    refused(with_fragments(packed, table, first + second), packed.restore, "CMP-2")
    refused(with_fragments(packed, table[:4], first, second), packed.restore, "CMP-3")
    refused(with_fragments(packed, table[:4] + bytes(4), first, second), packed.restore, "CMP-3")
    refused(with_fragments(packed, table + bytes(4), first, second), packed.restore, "CMP-3")
    without_table = with_fragments(packed, b"", first, second)
    assert decompress(without_table, packed.restore, J2K) == native(samples(frames=2), stored=12)


def test_cmp_description_outside_the_profile(packed: Compressed, packed_rgb: Compressed) -> None:
    """CMP-4, and the PIX rules as errors of the format."""
    for node in (
        number_element(0x00280102, "US", 15),
        number_element(0x00280100, "US", 64),
        string_element(0x00280004, "CS", "XYB"),
    ):
        refused(packed.data_set.replacing(node), packed.restore, "CMP-4")
    deep = [number_element(0x00280100 + place, "US", number) for place, number in enumerate((32, 25, 24))]
    refused(packed.data_set.replacing(*deep), packed.restore, "CMP-4")
    refused(packed_rgb.data_set.replacing(number_element(0x00280103, "US", 1)), packed_rgb.restore, "CMP-4")
    refused(packed_rgb.data_set.replacing(number_element(0x00280006, "US", 1)), packed_rgb.restore, "CMP-4")
    refused(packed.data_set.replacing(number_element(0x00280010, "US", 0)), packed.restore, "PIX-2")
    huge = packed.data_set.replacing(*(number_element(tag, "US", 65535) for tag in (0x00280010, 0x00280011)))
    refused(huge, packed.restore, "CMP-4")


@pytest.mark.parametrize(
    "node",
    [
        number_element(0x00280010, "US", 34),
        number_element(0x00280011, "US", 46),
        string_element(0x00280004, "CS", "RGB"),
    ],
    ids=["Rows", "Columns", "samples"],
)
def test_cmp_codestream_of_another_frame(
    node: Element, packed: Compressed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMP-5: refused before the decoder is called."""
    monkeypatch.setattr(jpeg_two_thousand, "_openjpeg", None)
    restore, nodes = packed.restore, [node]
    if node.tag == 0x00280004:
        nodes += [number_element(0x00280002, "US", 3), number_element(0x00280006, "US", 0)]
        restore = Restore("OW", "RGB", 0)
    refused(packed.data_set.replacing(*nodes), restore, "CMP-5")


def test_cmp_codestream_of_another_kind(
    packed: Compressed, packed_rgb: Compressed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMP-5: precision, sign, and colour transform; the last frame counts as much as the first."""
    monkeypatch.setattr(jpeg_two_thousand, "_openjpeg", None)
    bits = [number_element(0x00280101, "US", 11), number_element(0x00280102, "US", 10)]
    refused(packed.data_set.replacing(*bits), packed.restore, "CMP-5")
    refused(packed.data_set.replacing(number_element(0x00280103, "US", 1)), packed.restore, "CMP-5")
    for term in ("RGB", "YBR_FULL"):
        other = packed_rgb.data_set.replacing(string_element(0x00280004, "CS", term))
        refused(other, replace(packed_rgb.restore, photometric_interpretation=term), "CMP-5")
    monkeypatch.undo()
    _, first, _ = packed.data_set.get(PIXEL_DATA).fragments
    wide = compressed(native(samples(columns=48), stored=12)).data_set.get(PIXEL_DATA).fragments[1]
    monkeypatch.setattr(jpeg_two_thousand, "_openjpeg", None)
    refused(with_fragments(packed, b"", first, wide), packed.restore, "CMP-5")
    refused(with_fragments(packed, b"", first, first[:-2]), packed.restore, "J2K-2")


def test_cmp_decoder_failure(packed: Compressed, monkeypatch: pytest.MonkeyPatch) -> None:
    """CMP-6: an error code, an exception and a short frame."""

    class Decoder:
        answer: object = (6, bytearray(33 * 47 * 2))

        @classmethod
        def decode(cls, *arguments: object, **options: object) -> object:
            if isinstance(cls.answer, Exception):
                raise cls.answer
            return cls.answer

    monkeypatch.setattr(jpeg_two_thousand, "_openjpeg", Decoder)
    for answer in ((6, bytearray(33 * 47 * 2)), (0, bytearray(33 * 47)), RuntimeError("failed")):
        monkeypatch.setattr(Decoder, "answer", answer)
        refused(packed.data_set, packed.restore, "CMP-6")


@pytest.mark.parametrize(
    "change",
    [
        {"vr": "OF"},
        {"vr": "UN"},
        {"photometric_interpretation": "MONOCHROME1"},
        {"photometric_interpretation": "YBR_RCT"},
        {"planar_configuration": 0},
    ],
)
def test_cmp_restore_that_does_not_fit(change: dict[str, object], packed: Compressed) -> None:
    """CMP-7."""
    refused(packed.data_set, replace(packed.restore, **change), "CMP-7")


@pytest.mark.parametrize(
    "change",
    [
        {"planar_configuration": None},
        {"planar_configuration": 2},
        {"photometric_interpretation": "YBR_RCT"},
        {"photometric_interpretation": "YBR_FULL"},
    ],
)
def test_cmp_restore_of_colour_that_does_not_fit(change: dict[str, object], packed_rgb: Compressed) -> None:
    """CMP-7."""
    refused(packed_rgb.data_set, replace(packed_rgb.restore, **change), "CMP-7")


def test_a_damaged_body_is_an_error_or_other_samples_never_a_crash(packed: Compressed) -> None:
    """The walk cannot see inside compressed samples; the pixel digest of the MANIFEST does."""
    table, first, second = packed.data_set.get(PIXEL_DATA).fragments
    begin = first.index(b"\xff\x93") + 2
    source = native(samples(frames=2), stored=12)
    generator = np.random.default_rng(5)
    different = 0
    for offset in generator.integers(begin, len(first) - 3, 60):
        damaged = bytearray(first)
        damaged[offset] ^= 1 << int(generator.integers(8))
        try:
            restored = decompress(with_fragments(packed, table, bytes(damaged), second), packed.restore, J2K)
        except FormatError:
            continue
        different += native_digest(restored) != native_digest(source)
    assert different > 0


def test_import_is_cheap() -> None:
    """The command line imports this module; numpy and OpenJPEG wait for a worker."""
    code = "import sys, dicompack.dicom.pixels; print({'numpy', 'openjpeg', 'pydicom'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


# --- proof ----------------------------------------------------------------------------------------------


def test_a_second_decoder_is_asked_and_believed(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    if not IN_CI:
        pytest.importorskip("imagecodecs")
    source = native(samples(frames=2), stored=12)
    result = compress(source, codec, paranoid=True)
    assert isinstance(result, Compressed), result
    coder = codec.load()
    asked = []

    def other(data: bytes, layout: pixels.PixelFormat, *, transform: bool) -> bytes:
        asked.append(data)
        return coder.decode(data, layout, transform=transform)[:-1] + b"\x7f"

    monkeypatch.setattr(coder, "decode_otherwise", other)
    assert isinstance(compress(source, codec), Compressed)
    assert not asked
    doubted = compress(source, codec, paranoid=True)
    assert isinstance(doubted, Kept)
    assert doubted.reason == "a second decoder gives other samples"
    assert len(asked) == 1


def test_a_codec_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "find_spec", lambda name: None)
    for name in ("htj2k", "jpegls"):
        with pytest.raises(UnsupportedError, match="needs imagecodecs") as caught:
            CODECS[name].load()
        assert "dicompack[codecs]" in caught.value.hint
        with pytest.raises(UsageError) as caught_before:
            Encoding(name).check()
        assert "dicompack[codecs]" in caught_before.value.hint
    with pytest.raises(UsageError):
        Encoding("j2k", paranoid=True).check()
    monkeypatch.undo()
    for settings in (Encoding("jpeg"), Encoding("keep", paranoid=True)):
        with pytest.raises(UsageError):
            settings.check()


def test_icons_stay_as_they_are(codec: Codec) -> None:
    """Pixel Data inside a sequence is no business of the Transfer Syntax (PS3.5 A.4), native or not."""
    icon = native(samples(stored=8, allocated=8, rows=64, columns=64), stored=8).without(0xFFFCFFFC)
    other = icon.replacing(Encapsulated(PIXEL_DATA, "OB", (b"", b"\xff\xd8\xff\xd9")))
    source = native(samples(frames=2), stored=12).replacing(
        Sequence(0x00880200, (icon,)), Sequence(0x00082112, (other, DataSet([Sequence(0x00880200, (icon,))])))
    )
    result = compressed(source, codec)
    for tag in (0x00880200, 0x00082112):
        assert result.data_set.get(tag) == source.get(tag)
    assert decompress(result.data_set, result.restore, codec) == source
