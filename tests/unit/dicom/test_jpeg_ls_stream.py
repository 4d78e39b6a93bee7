"""The JPEG-LS walk: what CharLS never gets to see."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicompack.dicom import pixels
from dicompack.dicom.codecs.jpeg_ls_stream import MAX_SEGMENTS, JpegLs, parse
from dicompack.errors import FormatError
from tests.conftest import IN_CI
from tests.unit.dicom.native_pixels import native, samples

if not IN_CI:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("jpeg_ls")

import jpeg_ls as charls

from dicompack.dicom.codecs import jpeg_ls


def encoded(per_pixel: int = 1, photometric: str = "MONOCHROME2", **shape: int) -> bytes:
    array = samples(per_pixel=per_pixel, **shape)
    layout = pixels.pixel_format(native(array, photometric, stored=12))
    return jpeg_ls.encode(array.tobytes(), layout)


GRAY = encoded()
COLOUR = encoded(3, "RGB")
PLANES = bytes(
    charls.encode_buffer(
        samples(per_pixel=3)[0].transpose(2, 0, 1).tobytes(), 33, 47, 3, 12, interleave_mode=0
    )
)
# Where things stand in GRAY: SOI, SOF (11 bytes from 4), SOS (8 bytes from 17), samples.
SOF, SOS = 4, 17
PRESET = b"\xff\xf8\0\x0d\1\x0f\xff\0\x12\0\x43\1\x14\0\x40"


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def insert(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset:]


def refused(data: bytes, rule: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(data)
    assert caught.value.rule == rule, caught.value


def test_the_layout_that_these_tests_rely_on():
    assert GRAY[:4] == b"\xff\xd8\xff\xf7"
    assert GRAY[SOS - 2 : SOS + 2] == b"\xff\xda\0\x08"
    assert GRAY[-2:] == b"\xff\xd9"


def test_what_is_read():
    assert parse(GRAY) == JpegLs(47, 33, 1, 12, 0, len(GRAY))
    assert parse(memoryview(COLOUR)) == JpegLs(47, 33, 3, 12, 2, len(COLOUR))
    assert parse(PLANES) == JpegLs(47, 33, 3, 12, 0, len(PLANES))
    assert parse(insert(GRAY, SOS - 2, PRESET)).precision == 12
    assert parse(insert(GRAY, SOS - 2, b"\xff\xfe\0\4hi")).rows == 33


def test_planes_are_decoded_alike():
    """A scan for each component is what some encoders write; both decoders give the same frame."""
    array = samples(per_pixel=3)
    layout = pixels.pixel_format(native(array, "RGB", stored=12))
    for decode in (jpeg_ls.decode, jpeg_ls.decode_otherwise):
        assert decode(PLANES, layout, transform=False) == array.tobytes()
        assert decode(COLOUR, layout, transform=False) == array.tobytes()


def test_every_truncation_is_refused():
    """JLS-2 (and JLS-1 in the first two bytes): no prefix of a codestream is one."""
    for length in range(len(GRAY)):
        with pytest.raises(FormatError) as caught:
            parse(GRAY[:length])
        assert caught.value.rule == "JLS-2"


def test_end():
    """JLS-8: one zero byte may follow where the length would be odd."""
    streams = [encoded(rows=rows) for rows in range(33, 50)]
    odd = next(data for data in streams if len(data) % 2)
    even = next(data for data in streams if not len(data) % 2)
    assert parse(odd + b"\0").size == len(odd)
    for tail in (b"\1", b"\0\0", b"\xff\xd9"):
        refused(odd + tail, "JLS-8")
    for tail in (b"\0", b"\0\0", b"trailing"):
        refused(even + tail, "JLS-8")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\xff\x4f\xff\x51" + GRAY, "JLS-1"),
        (b"\0" + GRAY, "JLS-1"),
        (put(GRAY, SOF, b"\0\1"), "JLS-2"),
        (put(GRAY, SOF, b"\xff\xff"), "JLS-2"),
        (GRAY[: SOS + 8] + b"\xff\xd9", "JLS-2"),  # no samples
        (GRAY.replace(b"\xff\xd9", b"\x7f\xd9"), "JLS-2"),
        # JLS-3: what may stand where
        (put(GRAY, 2, b"\xff\xc0"), "JLS-3"),  # baseline JPEG
        (put(GRAY, 2, b"\xff\xc3"), "JLS-3"),  # JPEG lossless
        (insert(GRAY, 2, b"\xff\xe8\0\x08SPIFF\0"), "JLS-3"),
        (insert(GRAY, SOS - 2, GRAY[2:15]), "JLS-3"),  # twice
        (insert(GRAY, SOS - 2, b"\xff\xdd\0\4\0\1"), "JLS-3"),  # DRI
        (insert(GRAY, 2, PRESET), "JLS-3"),  # in front of the frame
        (GRAY[:2] + GRAY[SOS - 2 :], "JLS-3"),  # a scan without a frame
        (insert(GRAY, SOS - 2, b"\xff\xfe\0\2" * MAX_SEGMENTS), "JLS-3"),
        (insert(GRAY, len(GRAY) - 2, b"\xff\xdc\0\4\0\x21"), "JLS-3"),  # DNL
        # JLS-4: the frame
        (put(GRAY, SOF + 2, b"\1"), "JLS-4"),
        (put(GRAY, SOF + 2, b"\x11"), "JLS-4"),
        (put(GRAY, SOF + 3, b"\0\0"), "JLS-4"),
        (put(GRAY, SOF + 5, b"\0\0"), "JLS-4"),
        (put(GRAY, SOF + 7, b"\3"), "JLS-4"),
        (put(GRAY, SOF + 7, b"\2"), "JLS-4"),
        (put(GRAY, SOF + 9, b"\x21"), "JLS-4"),
        (put(GRAY, SOF + 10, b"\1"), "JLS-4"),
        (put(COLOUR, SOF + 11, b"\1"), "JLS-4"),
        # JLS-5: preset parameters
        (insert(GRAY, SOS - 2, b"\xff\xf8\0\5\2\0\0"), "JLS-5"),  # a mapping table
        (insert(GRAY, SOS - 2, put(PRESET, 5, b"\x1f\xff")), "JLS-5"),
        (insert(GRAY, SOS - 2, put(PRESET, 7, b"\1\0")), "JLS-5"),
        (insert(GRAY, SOS - 2, put(PRESET, 11, b"\xff\xff")), "JLS-5"),
        (insert(GRAY, SOS - 2, put(PRESET, 13, b"\0\2")), "JLS-5"),
        (insert(GRAY, SOS - 2, PRESET[:3] + b"\x0b" + PRESET[4:13]), "JLS-5"),
        # JLS-6: the scan
        (put(GRAY, SOS + 2, b"\2"), "JLS-6"),
        (put(GRAY, SOS + 3, b"\2"), "JLS-6"),
        (put(GRAY, SOS + 5, b"\1"), "JLS-6"),  # near lossless
        (put(GRAY, SOS + 6, b"\2"), "JLS-6"),
        (put(GRAY, SOS + 7, b"\1"), "JLS-6"),
        (put(COLOUR, SOS + 6 + 10, b"\3"), "JLS-6"),
        (GRAY[:-2] + GRAY[SOS - 2 :], "JLS-6"),  # the scan once more
        # JLS-7: all that a frame needs
        (GRAY[:2] + b"\xff\xd9", "JLS-7"),
        (GRAY[: SOS - 2] + b"\xff\xd9", "JLS-7"),
        (PLANES[: PLANES.rindex(b"\xff\xda")] + b"\xff\xd9", "JLS-7"),
    ],
)
def test_refused_by_rule(data, rule):
    refused(data, rule)


@pytest.mark.parametrize("signed", [False, True])
def test_two_byte_samples_below_256_are_not_taken_for_bytes(signed):
    """The trap of an encoder that guesses the precision from the samples."""
    array = samples(stored=7, allocated=16, signed=signed)
    layout = pixels.pixel_format(native(array, stored=12))
    data = jpeg_ls.encode(array.tobytes(), layout)
    assert parse(data).precision == 12
    assert jpeg_ls.decode(data, layout, transform=False) == array.tobytes()


def test_header_mutations_never_give_another_frame():
    layout = pixels.pixel_format(native(samples(), stored=12))
    refusals = 0
    for offset in range(SOS + 8):
        for value in {0, 1, 0x7F, 0x80, 0xFF, GRAY[offset] ^ 1, GRAY[offset] ^ 0x10} - {GRAY[offset]}:
            try:
                frame = jpeg_ls.decode(put(GRAY, offset, bytes([value])), layout, transform=False)
            except FormatError:
                refusals += 1
            else:
                assert len(frame) == layout.frame_bytes
    assert refusals > 140


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_in_our_words(tail):
    for data in (tail, b"\xff\xd8" + tail, GRAY[: SOS - 2] + tail, b"\xff\xd8\xff\xf7" + tail):
        with pytest.raises(FormatError):
            parse(data)
