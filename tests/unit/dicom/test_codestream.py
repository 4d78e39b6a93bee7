"""The codestream's walk: what OpenJPEG never gets to see."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicompack.dicom import pixels
from dicompack.dicom.codecs import jpeg_two_thousand
from dicompack.dicom.codecs.codestream import MAX_SEGMENTS, Codestream, parse
from dicompack.errors import FormatError
from tests.unit.dicom.native_pixels import native, samples


def encoded(per_pixel: int = 1, photometric: str = "MONOCHROME2", **shape: int) -> bytes:
    array = samples(per_pixel=per_pixel, **shape)
    layout = pixels.pixel_format(native(array, photometric, stored=12))
    return jpeg_two_thousand.encode(array.tobytes(), layout)


GRAY = encoded()
COLOUR = encoded(3, "RGB")
# Where things stand in GRAY: SOC, SIZ (41 bytes from 4), COD, QCD, COM, SOT.
SIZ, COD, QCD = 4, 45 + 2, 59 + 2
SOT = GRAY.index(b"\xff\x90\0\x0a")
COD_COLOUR = COD + 6


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def insert(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset:]


def with_precincts(exponents: bytes) -> bytes:
    """GRAY with the sizes of its six resolutions' precincts in COD."""
    return GRAY[:COD] + b"\0\x12\1" + GRAY[COD + 3 : COD + 12] + exponents + GRAY[QCD - 2 :]


def refused(data: bytes, rule: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(data)
    assert caught.value.rule == rule, caught.value


def test_what_is_read() -> None:
    assert parse(GRAY) == Codestream(47, 33, 1, 12, False, False, 5, 1, len(GRAY))
    assert parse(memoryview(COLOUR)) == Codestream(47, 33, 3, 12, False, True, 5, 1, len(COLOUR))
    assert parse(encoded(signed=True)).signed


def test_the_layout_that_these_tests_rely_on() -> None:
    assert GRAY[COD - 2 : COD + 2] == b"\xff\x52\0\x0c"
    assert GRAY[QCD - 2 : QCD + 2] == b"\xff\x5c\0\x13"
    assert COLOUR[COD_COLOUR - 2 : COD_COLOUR + 2] == b"\xff\x52\0\x0c"


def test_bare_codestreams_only() -> None:
    """J2K-1: a JP2 wrapper, the palette box of which has crashed the decoder, is not even looked into."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    header = (
        box(b"ihdr", struct.pack(">IIHBBBB", 33, 47, 1, 11, 7, 0, 0))
        + box(b"colr", b"\1\0\0\0\0\0\x10")
        + box(b"pclr", b"\0\2\3\7\7\7" + bytes(6))
        + box(b"cmap", b"\0\0\1\0\0\0\1\1\0\0\1\2")
    )
    wrapped = (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", GRAY)
    )
    for data in (wrapped, b"", b"\xff\x4f", b"\0" + GRAY, GRAY[2:], b"\xff\xd8\xff\xe0" + GRAY):
        refused(data, "J2K-1")


def test_every_truncation_is_refused() -> None:
    """J2K-2 (and J2K-1 in the first four bytes): no prefix of a codestream is a codestream."""
    for length in range(len(GRAY)):
        with pytest.raises(FormatError) as caught:
            parse(GRAY[:length])
        assert caught.value.rule == ("J2K-1" if length < 4 else "J2K-2")


def test_end() -> None:
    """J2K-12: one zero byte may follow where the length would be odd."""
    even = GRAY if len(GRAY) % 2 == 0 else encoded(columns=48)
    odd = next(data for data in (encoded(rows=rows) for rows in range(33, 60)) if len(data) % 2)
    assert len(even) % 2 == 0
    assert parse(odd + b"\0").size == len(odd)
    for tail in (b"\1", b"\0\0", b"\0\0\0", b"\xff\xd9"):
        refused(odd + tail, "J2K-12")
    for tail in (b"\0", b"\0\0", b"trailing"):
        refused(even + tail, "J2K-12")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        # J2K-2: lengths of marker segments
        (put(GRAY, SIZ, b"\0\1"), "J2K-2"),
        (put(GRAY, SIZ, b"\xff\xff"), "J2K-2"),
        (put(GRAY, COD, b"\0\0"), "J2K-2"),
        # J2K-3: what stands in the main header
        (put(GRAY, COD - 2, b"\xff\x53"), "J2K-3"),  # COC
        (put(GRAY, COD - 2, b"\xff\x64"), "J2K-3"),  # COM, so that COD is missing
        (put(GRAY, QCD - 2, b"\xff\x64"), "J2K-3"),
        (insert(GRAY, SOT, GRAY[COD - 2 : COD + 12]), "J2K-3"),  # twice
        (insert(GRAY, SOT, GRAY[QCD - 2 : QCD + 19]), "J2K-3"),
        (insert(GRAY, SOT, GRAY[2:45]), "J2K-3"),
        (insert(GRAY, SOT, b"\xff\x5f\0\x09\0\0\0\1\5\1\0"), "J2K-3"),  # POC
        (insert(GRAY, SOT, b"\xff\x5e\0\x05\0\0\7"), "J2K-3"),  # RGN
        (insert(GRAY, SOT, b"\xff\x60\0\x03\0"), "J2K-3"),  # PPM
        (insert(GRAY, SOT, b"\xff\x50\0\x06\0\2\0\0"), "J2K-3"),  # CAP
        (insert(GRAY, SOT, b"\xff\x5d\0\x14\1" + GRAY[QCD + 2 : QCD + 19]), "J2K-3"),  # QCC of component 1
        (insert(GRAY, SOT, b"\xff\x5d\0\x02"), "J2K-3"),
        (insert(GRAY, SOT, b"\xff\x64\0\x04\0\1" * MAX_SEGMENTS), "J2K-3"),
        (insert(GRAY, SOT + 12, b"\xff\x61\0\x03\0"), "J2K-3"),  # PPT in the tile-part's header
        # J2K-4: SIZ as such
        (put(GRAY, SIZ + 2, b"\x40\0"), "J2K-4"),
        (put(GRAY, SIZ + 2, b"\x80\0"), "J2K-4"),
        (put(GRAY, SIZ + 36, b"\0\0"), "J2K-4"),
        (put(GRAY, SIZ + 36, b"\0\2"), "J2K-4"),
        (put(GRAY, SIZ + 36, b"\0\3"), "J2K-4"),
        (b"\xff\x4f\xff\x51\0\x2c" + COLOUR[6:40] + b"\0\2" + COLOUR[42:48] + COLOUR[51:], "J2K-4"),
        (put(GRAY, SIZ + 36, b"\x40\0"), "J2K-4"),
        (put(COLOUR, SIZ + 36, b"\0\1"), "J2K-4"),
        (b"\xff\x4f\xff\x51\0\x02" + GRAY[45:], "J2K-4"),
        # J2K-5: image area
        (put(GRAY, SIZ + 4, bytes(4)), "J2K-5"),
        (put(GRAY, SIZ + 8, bytes(4)), "J2K-5"),
        (put(GRAY, SIZ + 4, b"\0\1\0\0"), "J2K-5"),
        (put(GRAY, SIZ + 8, b"\xff\xff\xff\xff"), "J2K-5"),
        (put(GRAY, SIZ + 15, b"\1"), "J2K-5"),
        (put(GRAY, SIZ + 19, b"\1"), "J2K-5"),
        # J2K-6: tiles
        (put(GRAY, SIZ + 20, b"\0\0\0\x2e"), "J2K-6"),
        (put(GRAY, SIZ + 24, b"\0\0\0\1"), "J2K-6"),
        (put(GRAY, SIZ + 20, bytes(4)), "J2K-6"),
        (put(GRAY, SIZ + 31, b"\1"), "J2K-6"),
        (put(GRAY, SIZ + 35, b"\1"), "J2K-6"),
        # J2K-7: components
        (put(GRAY, SIZ + 38, b"\x20"), "J2K-7"),
        (put(GRAY, SIZ + 38, b"\x25"), "J2K-7"),
        (put(GRAY, SIZ + 39, b"\2"), "J2K-7"),
        (put(GRAY, SIZ + 40, b"\2"), "J2K-7"),
        (put(GRAY, SIZ + 39, b"\0"), "J2K-7"),
        (put(COLOUR, SIZ + 41, b"\x0c"), "J2K-7"),
        (put(COLOUR, SIZ + 44, b"\x8b"), "J2K-7"),
        (put(COLOUR, SIZ + 46, b"\2"), "J2K-7"),
        # J2K-8: lossless
        (put(GRAY, COD + 11, b"\0"), "J2K-8"),
        (put(GRAY, COD + 11, b"\2"), "J2K-8"),
        (put(GRAY, QCD + 2, b"\x41"), "J2K-8"),
        (put(GRAY, QCD + 2, b"\x42"), "J2K-8"),
        (GRAY[:QCD] + b"\0\2" + GRAY[QCD + 19 :], "J2K-8"),
        # J2K-9: limits of the coding style
        (put(GRAY, COD + 2, b"\x08"), "J2K-9"),
        (put(GRAY, COD + 3, b"\5"), "J2K-9"),
        (put(GRAY, COD + 4, b"\0\0"), "J2K-9"),
        (put(GRAY, COD + 4, b"\0\x41"), "J2K-9"),
        (put(GRAY, COD + 6, b"\1"), "J2K-9"),
        (put(COLOUR, COD_COLOUR + 6, b"\2"), "J2K-9"),
        (put(GRAY, COD + 7, b"\x21"), "J2K-9"),
        (put(GRAY, COD + 8, b"\1"), "J2K-9"),
        (put(GRAY, COD + 8, b"\x09"), "J2K-9"),
        (put(GRAY, COD + 8, b"\5"), "J2K-9"),
        (put(GRAY, COD + 9, b"\xff"), "J2K-9"),
        (put(GRAY, COD + 10, b"\x40"), "J2K-9"),
        (put(GRAY, COD + 2, b"\1"), "J2K-9"),  # precincts announced, none there
        (GRAY[: COD] + b"\0\x0d" + GRAY[COD + 2 : COD + 12] + b"\x88" + GRAY[QCD - 2 :], "J2K-9"),
        (with_precincts(b"\x88\x88\x85" * 2), "J2K-9"),
        (with_precincts(b"\x58" * 6), "J2K-9"),
        (GRAY[: COD] + b"\0\x03\0" + GRAY[QCD - 2 :], "J2K-9"),
        # J2K-10: exponents and levels
        (put(GRAY, COD + 7, b"\4"), "J2K-10"),
        (put(GRAY, COD + 7, b"\0"), "J2K-10"),
        (GRAY[: QCD] + b"\0\x12" + GRAY[QCD + 2 : QCD + 18] + GRAY[QCD + 19 :], "J2K-10"),
        (insert(COLOUR, COLOUR.index(b"\xff\x64"), b"\xff\x5d\0\x05\1\x40\x90"), "J2K-10"),
        # J2K-11: tile-parts
        (put(GRAY, SOT + 2, b"\0\x0b"), "J2K-11"),
        (put(GRAY, SOT + 4, b"\0\1"), "J2K-11"),
        (put(GRAY, SOT + 6, bytes(4)), "J2K-11"),
        (put(GRAY, SOT + 6, b"\0\0\0\x0d"), "J2K-11"),
        (put(GRAY, SOT + 10, b"\1"), "J2K-11"),
        (put(GRAY, SOT + 11, b"\2"), "J2K-11"),
        (GRAY[:-2] + GRAY[SOT:], "J2K-11"),  # the tile-part once more
        (put(GRAY, SOT + 6, b"\x7f\xff\xff\xff"), "J2K-2"),
    ],
)  # fmt: skip
def test_refused_by_rule(data: bytes, rule: str) -> None:
    refused(data, rule)


def test_no_tile_part_at_all() -> None:
    """EOC where the first tile-part should begin is read as a marker of the main header."""
    refused(GRAY[:SOT] + b"\xff\xd9", "J2K-2")
    refused(GRAY[:SOT] + b"\xff\xd9\0\2", "J2K-3")


def parts(count: int, declared: int = 0) -> bytes:
    """The one tile in `count` tile-parts, all but the first of them empty."""
    body = GRAY[SOT:-2]
    made = put(body, 11, bytes([declared]))
    for number in range(1, count):
        made += struct.pack(">HHHIBB", 0xFF90, 10, 0, 14, number, declared) + b"\xff\x93"
    return GRAY[:SOT] + made + b"\xff\xd9"


def test_tile_parts_in_order_are_accepted() -> None:
    """J2K-11: up to 254, their number declared in none or right."""
    for count, declared in ((1, 0), (1, 1), (3, 0), (3, 3), (254, 254)):
        assert parse(parts(count, declared)).size == len(parts(count, declared))
    for count, declared in ((3, 2), (3, 4), (255, 255)):
        refused(parts(count, declared), "J2K-11")
    two = parts(2, 2)
    refused(put(two, len(two) - 5, b"\3"), "J2K-11")
    assert parse(put(two, len(two) - 5, b"\0"))


def test_what_other_encoders_add_is_accepted() -> None:
    """Comments, precincts, layers, and QCC for the chrominance of RCT are no harm."""
    comment = b"\xff\x64\0\x09\0\1other"
    qcc = b"\xff\x5d\0\x14\1" + COLOUR[COD_COLOUR + 16 : COD_COLOUR + 33]
    assert parse(insert(GRAY, SOT, comment * 3))
    assert parse(insert(COLOUR, COLOUR.index(b"\xff\x64"), qcc)).transform
    refused(insert(COLOUR, COLOUR.index(b"\xff\x64"), qcc * 2), "J2K-3")
    assert parse(with_precincts(b"\x66" * 6))
    assert parse(put(GRAY, COD + 4, b"\0\x40")).layers == 64


def test_header_mutations_never_reach_the_decoder_as_another_frame() -> None:
    """Every byte before the samples, changed in several ways: refused, or a frame of the right size."""
    layout = pixels.pixel_format(native(samples(), stored=12))
    refusals = 0
    for offset in range(SOT + 14):
        for value in {0, 1, 0x7F, 0x80, 0xFF, GRAY[offset] ^ 1, GRAY[offset] ^ 0x10} - {GRAY[offset]}:
            try:
                frame = jpeg_two_thousand.decode(put(GRAY, offset, bytes([value])), layout, transform=False)
            except FormatError:
                refusals += 1
            else:
                assert len(frame) == layout.frame_bytes
    assert refusals > 400


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_in_our_words(tail: bytes) -> None:
    for data in (tail, b"\xff\x4f\xff\x51" + tail, GRAY[:45] + tail, GRAY[:SOT] + tail):
        with pytest.raises(FormatError):
            parse(data)
