"""Bytes that nothing describes: planted where no viewer looks, and gone afterwards; the samples stay."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from dicompack.dicom import dicom_file, encapsulation
from dicompack.dicom.codestream_comments import bare
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, number_element, string_element
from dicompack.dicom.pixelformat import PIXEL_DATA, pixel_format
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.dicom.undescribed import without_undescribed
from dicompack.errors import FormatError, InputError

PADDING = b"\0\xff"
SECRET = b"DOE^JANE 19630412 MRN7712345"
JPEG = (
    "SC_rgb_jpeg_dcmtk.dcm",
    "JPEG-lossy.dcm",
    "JPEGLSNearLossless_08.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
)
JPEG_2000 = ("MR_small_jp2klossless.dcm", "JPEG2000.dcm", "693_J2KI.dcm")


def opened(name: str) -> tuple[DataSet, TransferSyntax]:
    file = dicom_file.parse(Path(get_testdata_file(name, download=False)).read_bytes())
    return file.data_set, file.transfer_syntax


def frame_of(data_set: DataSet) -> bytes:
    layout = pixel_format(data_set)
    assert layout is not None
    (frame,) = encapsulation.frames_of(data_set, layout) or ()
    return bytes(frame)


def with_frame(data_set: DataSet, frame: bytes, table: bytes = b"") -> DataSet:
    frame += b"\0" * (len(frame) % 2)
    return data_set.replacing(Encapsulated(PIXEL_DATA, "OB", (table, frame)))


def samples(data_set: DataSet, syntax: TransferSyntax) -> np.ndarray:
    whole = b"".join(map(bytes, dicom_file.marshal(data_set, syntax)))
    return pydicom.dcmread(io.BytesIO(whole)).pixel_array


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def after(frame: bytes, marker: int, inserted: bytes) -> bytes:
    """The frame with bytes in front of the first segment with this marker."""
    at = frame.index(bytes((0xFF, marker)))
    return frame[:at] + inserted + frame[at:]


PLANTED = {
    "comment": lambda frame, first: after(frame, first, segment(0xFE, SECRET)),
    "application data": lambda frame, first: after(frame, first, segment(0xE1, b"Exif\0\0" + SECRET)),
    "thumbnail": lambda frame, first: after(
        frame, first, segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + SECRET[:12])
    ),
    "behind the end": lambda frame, first: frame + SECRET + b"\xff\xd9",
}


@pytest.mark.parametrize("name", JPEG)
@pytest.mark.parametrize("place", PLANTED)
def test_text_in_a_jpeg_frame_goes_and_its_samples_stay_dei_65(name, place):
    data_set, syntax = opened(name)
    expected, _ = without_undescribed(data_set, syntax)
    frame = frame_of(expected).rstrip(PADDING)
    first = 0xF7 if b"\xff\xf7" in frame else next(m for m in (0xC0, 0xC1, 0xC3) if bytes((0xFF, m)) in frame)
    planted = with_frame(data_set, PLANTED[place](frame, first))
    result, findings = without_undescribed(planted, syntax)
    assert SECRET[:12] not in frame_of(result)
    assert frame_of(result).rstrip(PADDING) == frame
    assert [finding.kind for finding in findings] == ["undescribed-bytes"]
    if syntax.uid != "1.2.840.10008.1.2.4.51":  # pydicom has no decoder for 12 bits here
        assert np.array_equal(samples(result, syntax), samples(data_set, syntax))


@pytest.mark.parametrize("name", JPEG_2000)
@pytest.mark.parametrize("place", ["comment", "behind the end", "box"])
def test_text_in_a_jpeg_2000_frame_goes_and_its_samples_stay_dei_65(name, place):
    data_set, syntax = opened(name)
    frame = frame_of(data_set).rstrip(PADDING)
    clean = bare(frame)
    assert clean is not None
    planted = {
        "comment": after(frame, 0x90, segment(0x64, b"\0\1" + SECRET)),
        "behind the end": frame + SECRET + b"\xff\xd9",
        "box": b"\0\0\0\x0cjP  \r\n\x87\n"
        + (8 + len(SECRET)).to_bytes(4, "big") + b"xml " + SECRET
        + b"\0\0\0\0jp2c" + frame,
    }[place]  # fmt: skip
    result, findings = without_undescribed(with_frame(data_set, planted), syntax)
    assert frame_of(result).rstrip(PADDING) == clean
    assert [finding.kind for finding in findings] == ["undescribed-bytes"]
    assert np.array_equal(samples(result, syntax), samples(data_set, syntax))


@pytest.mark.parametrize("name", [*JPEG, *JPEG_2000, "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm"])
def test_an_ordinary_instance_stays_bit_for_bit_dei_65(name):
    data_set, syntax = opened(name)
    once, _ = without_undescribed(data_set, syntax)
    again, findings = without_undescribed(once, syntax)
    assert again == once
    assert not findings
    if name.startswith("MR_small_RLE"):
        assert once == data_set


def test_what_an_encoder_says_of_itself_stays():
    data_set, _ = opened("JPEG2000.dcm")
    frame = frame_of(data_set).rstrip(PADDING)
    for said in (b"Created by OpenJPEG version 2.5.0", b"Kakadu-v7.10.2", b"Creator: JasPer Version 1.701.0"):
        with_comment = after(bare(frame) or b"", 0x90, segment(0x64, b"\0\1" + said))
        assert bare(with_comment) == with_comment
        assert bare(with_comment.replace(said, said[:-1] + b"!")) != with_comment


def test_a_box_that_names_components_is_not_followed():
    data_set, syntax = opened("JPEG2000.dcm")
    boxed = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x10jp2h\0\0\0\x08cdef\0\0\0\0jp2c" + frame_of(data_set)
    result, findings = without_undescribed(with_frame(data_set, boxed), syntax)
    assert [finding.kind for finding in findings] == ["codestream-not-searched"]
    assert frame_of(result).rstrip(PADDING) == boxed.rstrip(PADDING)


@pytest.mark.parametrize("name", [*JPEG, *JPEG_2000])
def test_a_codestream_without_an_end_dei_66(name):
    data_set, _ = opened(name)
    frame = frame_of(data_set).rstrip(PADDING)
    assert frame.endswith(b"\xff\xd9")
    for cut in (frame[:-2], frame[: len(frame) // 2], frame[:40], frame[:4]):
        with pytest.raises(FormatError) as caught:
            bare(cut)
        assert caught.value.rule == "DEI-66"


def test_an_offset_table_that_says_something_else_is_made_anew_dei_65():
    data_set, syntax = opened("MR_small_jp2klossless.dcm")
    once, _ = without_undescribed(data_set, syntax)
    for table in (SECRET[:4], SECRET):
        planted = with_frame(once, frame_of(once), table)
        result, findings = without_undescribed(planted, syntax)
        pixel_data = result.get(PIXEL_DATA)
        assert isinstance(pixel_data, Encapsulated)
        assert pixel_data.fragments[0] == b"\0\0\0\0"
        assert [finding.kind for finding in findings] == ["undescribed-bytes"]


def test_extended_tables_that_say_something_else_go_dei_65():
    data_set, syntax = opened("MR_small_jp2klossless.dcm")
    once, _ = without_undescribed(data_set, syntax)
    length = len(frame_of(once)).to_bytes(8, "little")
    sound = once.replacing(Element(0x7FE00001, "OV", bytes(8)), Element(0x7FE00002, "OV", length))
    assert without_undescribed(sound, syntax) == (sound, ())
    for tag, value in ((0x7FE00001, SECRET[:8]), (0x7FE00002, SECRET[:8]), (0x7FE00002, length + SECRET)):
        result, findings = without_undescribed(sound.replacing(Element(tag, "OV", value)), syntax)
        assert 0x7FE00001 not in result
        assert 0x7FE00002 not in result
        assert [finding.kind for finding in findings] == ["undescribed-bytes"]


def test_frames_stay_what_they_were_when_their_fragments_change():
    data_set, syntax = opened("MR_small_jp2klossless.dcm")
    frame = frame_of(data_set).rstrip(PADDING)
    marked = after(frame, 0x90, segment(0x64, b"\0\1" + SECRET))
    two = string_element(0x00280008, "IS", "2")
    fragments = [one + b"\0" * (len(one) % 2) for one in (frame, marked)]
    planted = data_set.replacing(two, Encapsulated(PIXEL_DATA, "OB", (b"", *fragments)))
    result, _ = without_undescribed(planted, syntax)
    whole = b"".join(map(bytes, dicom_file.marshal(result, syntax)))
    frames = list(generate_frames(pydicom.dcmread(io.BytesIO(whole)).PixelData, number_of_frames=2))
    assert [one.rstrip(PADDING) for one in frames] == [bare(frame), bare(frame)]
    assert SECRET not in whole
    assert np.array_equal(samples(result, syntax)[1], samples(data_set, syntax))


def test_bytes_beside_run_lengths_are_refused_rle_1_rle_3():
    data_set, syntax = opened("MR_small_RLE.dcm")
    frame = frame_of(data_set)
    for planted, rule in ((frame[:40] + SECRET[:24] + frame[64:], "RLE-1"), (frame + SECRET, "RLE-3")):
        with pytest.raises(InputError) as caught:
            without_undescribed(with_frame(data_set, planted), syntax)
        assert caught.value.rule == rule


def test_bytes_behind_native_samples_are_refused_pix_6():
    data_set, syntax = opened("MR_small.dcm")
    value = data_set.raw(PIXEL_DATA) or b""
    with pytest.raises(InputError) as caught:
        without_undescribed(data_set.replacing(Element(PIXEL_DATA, "OW", value + SECRET)), syntax)
    assert caught.value.rule == "PIX-6"


def test_tables_end_where_their_descriptor_says_dei_65():
    data_set, syntax = opened("MR_small.dcm")
    table = bytes(range(16))
    words = DataSet([number_element(0x00283002, "US", 8, 0, 16), Element(0x00283006, "OW", table + SECRET)])
    planted = data_set.replacing(
        Sequence(0x00283010, (words,)),
        number_element(0x00281101, "US", 16, 0, 8),
        Element(0x00281201, "OW", table + SECRET[:10]),
        Element(0x00282000, "OB", (128).to_bytes(4, "big") + bytes(124) + SECRET),
    )
    result, findings = without_undescribed(planted, syntax)
    (item,) = result.items(0x00283010)
    assert item.raw(0x00283006) == table
    assert result.raw(0x00281201) == table
    assert len(result.raw(0x00282000) or b"") == 128
    assert [finding.kind for finding in findings] == ["undescribed-bytes"]
    assert without_undescribed(result, syntax) == (result, ())


def test_palettes_of_eight_bits_stand_in_bytes_or_in_words():
    data_set, syntax = opened("MR_small.dcm")
    for size in (16, 32):
        sound = data_set.replacing(
            number_element(0x00281101, "US", 16, 0, 8), Element(0x00281201, "OW", bytes(range(size)))
        )
        assert without_undescribed(sound, syntax) == (sound, ())


def test_a_table_of_65536_entries_is_whole():
    data_set, syntax = opened("MR_small.dcm")
    sound = data_set.replacing(
        number_element(0x00281101, "US", 0, 0, 16), Element(0x00281201, "OW", bytes(1 << 17))
    )
    assert without_undescribed(sound, syntax) == (sound, ())


def test_a_waveform_ends_where_its_channels_do_dei_65():
    data_set, syntax = opened("MR_small.dcm")
    item = DataSet(
        [
            number_element(0x003A0005, "US", 2),
            number_element(0x003A0010, "UL", 4),
            number_element(0x54001004, "US", 16),
            Element(0x54001010, "OW", bytes(16) + SECRET),
        ]
    )
    result, _ = without_undescribed(data_set.replacing(Sequence(0x54000100, (item,))), syntax)
    assert result.items(0x54000100)[0].raw(0x54001010) == bytes(16)
