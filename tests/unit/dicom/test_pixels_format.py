"""The description of Pixel Data against the bytes: contradictions are found before memory is reserved."""

from __future__ import annotations

import hashlib
import tracemalloc
from functools import partial

import pytest

from dicompack.dicom import pixels
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, number_element, string_element
from dicompack.dicom.pixels import PixelFormat, compress, native_digest, pixel_format
from dicompack.errors import FormatError, InputError
from tests.unit.dicom.native_pixels import native, samples

SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
ROWS, COLUMNS, ALLOCATED, STORED, SIGN = 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280103
PIXEL_DATA = 0x7FE00010

MONO = native(samples(frames=2), stored=12)
RGB = native(samples(stored=8, allocated=8, per_pixel=3), "RGB", stored=8, planar=1)


def us(tag: int, *numbers: int) -> Element:
    return number_element(tag, "US", *numbers)


def frames(text: str, vr: str = "IS") -> Element:
    return string_element(FRAMES, vr, text)


def photometric(text: str) -> Element:
    return string_element(PHOTOMETRIC, "CS", text)


def pixels_of(size: int) -> Element:
    return Element(PIXEL_DATA, "OW", bytes(size))


SIZE = 2 * 33 * 47 * 2

CONTRADICTIONS = [
    # PIX-1: an element is missing or is not one number
    ("PIX-1", MONO.without(ROWS)),
    ("PIX-1", MONO.without(COLUMNS)),
    ("PIX-1", MONO.without(SAMPLES)),
    ("PIX-1", MONO.without(ALLOCATED)),
    ("PIX-1", MONO.without(STORED)),
    ("PIX-1", MONO.without(SIGN)),
    ("PIX-1", RGB.without(PLANAR)),
    ("PIX-1", MONO.replacing(Element(ROWS, "US", b""))),
    ("PIX-1", MONO.replacing(Element(ROWS, "US", b"\x21"))),
    ("PIX-1", MONO.replacing(us(ROWS, 33, 33))),
    ("PIX-1", MONO.replacing(number_element(ROWS, "SS", 33))),
    ("PIX-1", MONO.replacing(Element(ROWS, "UN", b"33"))),
    ("PIX-1", MONO.replacing(Sequence(ROWS, ()))),
    ("PIX-1", MONO.replacing(Sequence(PIXEL_DATA, ()))),
    # PIX-2
    ("PIX-2", MONO.replacing(us(ROWS, 0))),
    ("PIX-2", MONO.replacing(us(COLUMNS, 0))),
    # PIX-3
    ("PIX-3", MONO.replacing(frames("0"))),
    ("PIX-3", MONO.replacing(frames("-1"))),
    ("PIX-3", MONO.replacing(frames("1.5"))),
    ("PIX-3", MONO.replacing(frames("2\\2"))),
    ("PIX-3", MONO.replacing(frames("two"))),
    ("PIX-3", MONO.replacing(frames("2147483648"))),
    ("PIX-3", MONO.replacing(frames("9" * 5000))),
    ("PIX-3", MONO.replacing(frames("2", "US"))),
    ("PIX-3", MONO.replacing(Sequence(FRAMES, ()))),
    # PIX-4
    ("PIX-4", MONO.replacing(us(SAMPLES, 0))),
    ("PIX-4", MONO.replacing(us(SAMPLES, 2))),
    ("PIX-4", MONO.replacing(us(SAMPLES, 3))),
    ("PIX-4", MONO.replacing(us(SAMPLES, 65535))),
    ("PIX-4", MONO.replacing(us(SAMPLES, 2), photometric("XYB"))),
    ("PIX-4", MONO.replacing(photometric("RGB"))),
    ("PIX-4", MONO.replacing(photometric(""))),
    ("PIX-4", MONO.without(PHOTOMETRIC)),
    ("PIX-4", RGB.replacing(photometric("PALETTE COLOR"))),
    ("PIX-4", RGB.replacing(us(PLANAR, 2))),
    # PIX-5
    ("PIX-5", MONO.replacing(us(ALLOCATED, 0))),
    ("PIX-5", MONO.replacing(us(ALLOCATED, 12))),
    ("PIX-5", MONO.replacing(us(ALLOCATED, 72))),
    ("PIX-5", MONO.replacing(us(STORED, 0))),
    ("PIX-5", MONO.replacing(us(STORED, 17))),
    ("PIX-5", MONO.replacing(us(SIGN, 2))),
    # PIX-6: the bytes
    ("PIX-6", MONO.replacing(us(ROWS, 34))),
    ("PIX-6", MONO.replacing(us(COLUMNS, 46))),
    ("PIX-6", MONO.replacing(frames("1"))),
    ("PIX-6", MONO.replacing(frames("3"))),
    ("PIX-6", MONO.without(FRAMES)),
    ("PIX-6", MONO.replacing(us(ALLOCATED, 32))),
    ("PIX-6", MONO.replacing(us(ALLOCATED, 1), us(STORED, 1))),
    ("PIX-6", MONO.replacing(pixels_of(0))),
    ("PIX-6", MONO.replacing(pixels_of(SIZE - 1))),
    ("PIX-6", MONO.replacing(pixels_of(SIZE + 1))),
    ("PIX-6", MONO.replacing(pixels_of(SIZE + 2))),
    ("PIX-6", MONO.replacing(us(ROWS, 65535), us(COLUMNS, 65535), frames("2147483647"))),
    ("PIX-6", RGB.replacing(us(ROWS, 65535), us(COLUMNS, 65535), frames("2147483647"))),
    ("PIX-6", RGB.replacing(photometric("YBR_FULL_422"))),
    # PIX-7: encapsulated
    ("PIX-7", MONO.replacing(Encapsulated(PIXEL_DATA, "OB", (b"",)))),
    ("PIX-7", MONO.replacing(Encapsulated(PIXEL_DATA, "OB", ()))),
    ("PIX-7", MONO.replacing(Encapsulated(PIXEL_DATA, "OB", (bytes(8), b"x")))),
    ("PIX-7", MONO.replacing(Encapsulated(PIXEL_DATA, "OB", (b"", bytes(64))), frames("2147483647"))),
]


@pytest.mark.parametrize(("rule", "data_set"), CONTRADICTIONS)
def test_contradiction(rule: str, data_set: DataSet) -> None:
    tracemalloc.start()
    try:
        for entry in (pixel_format, partial(compress, codec=CODECS["j2k"]), native_digest):
            with pytest.raises(InputError) as caught:
                entry(data_set)
            assert caught.value.rule == rule, caught.value
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(FormatError):
        pixel_format(data_set, FormatError)


def test_layouts() -> None:
    assert pixel_format(MONO) == PixelFormat(33, 47, 2, 1, 16, 12, 0, "MONOCHROME2", None)
    assert pixel_format(RGB) == PixelFormat(33, 47, 1, 3, 8, 8, 0, "RGB", 1)
    assert (pixel_format(MONO).frame_bytes, pixel_format(MONO).native_size) == (SIZE // 2, SIZE)
    assert pixel_format(RGB).native_size == 33 * 47 * 3


def test_no_pixel_data() -> None:
    assert pixel_format(DataSet()) is None
    assert pixel_format(MONO.without(PIXEL_DATA).replacing(Element(0x7FE00008, "OF", bytes(8)))) is None
    assert pixel_format(DataSet([Sequence(0x00880200, (MONO,))])) is None


@pytest.mark.parametrize("number", [Element(FRAMES, "IS", b""), Element(FRAMES, "IS", b"  "), frames(" 1 ")])
def test_one_frame_in_other_words(number: Element) -> None:
    single = native(samples(), stored=12)
    assert pixel_format(single.replacing(number)).frames == 1
    assert pixel_format(single.without(FRAMES)).frames == 1


def test_the_pad_byte_is_allowed_and_not_counted() -> None:
    assert len(RGB.raw(PIXEL_DATA)) == 33 * 47 * 3 + 1
    value = RGB.raw(PIXEL_DATA)[:-1]
    assert pixel_format(RGB.replacing(Element(PIXEL_DATA, "OB", value))).native_size == len(value)


def test_one_bit_frames_share_bytes() -> None:
    """3 frames of 5 x 3 bits are 45 bits."""
    layout = PixelFormat(3, 5, 3, 1, 1, 1, 0, "MONOCHROME2", None)
    assert (layout.frame_bytes, layout.native_size) == (2, 6)


def test_subsampled_native_data() -> None:
    """YBR_FULL_422 native: two luminance and two chrominance samples for two pixels (PS3.3 C.7.6.3.1.2)."""
    source = native(samples(stored=8, allocated=8, per_pixel=3, columns=48), "YBR_FULL_422", stored=8)
    source = source.replacing(Element(PIXEL_DATA, "OB", bytes(33 * 48 * 2)))
    assert pixel_format(source).native_size == 33 * 48 * 2
    encapsulated = pixel_format(source.replacing(Encapsulated(PIXEL_DATA, "OB", (b"", b"\xff\xd8"))))
    assert encapsulated.native_size == 33 * 48 * 3


def test_encapsulated_data_may_lack_their_planar_configuration() -> None:
    source = RGB.without(PLANAR).replacing(Encapsulated(PIXEL_DATA, "OB", (b"", b"\xff\xd8")))
    assert pixel_format(source).planar_configuration == 0


@pytest.mark.parametrize(("tag", "vr", "bits"), [(0x7FE00008, "OF", 32), (0x7FE00009, "OD", 64)])
def test_float_pixel_data_pix_12(tag, vr, bits):
    """Kept, but not unseen: size and description fit, and the digest is theirs."""
    value = bytes(range(3 * 4 * 2)) * (bits // 8)
    sound = DataSet(
        [
            number_element(0x00280002, "US", 1),
            string_element(0x00280008, "IS", "2"),
            number_element(0x00280010, "US", 3),
            number_element(0x00280011, "US", 4),
            number_element(0x00280100, "US", bits),
            Element(tag, vr, value),
        ]
    )
    assert pixels.native_digest(sound) == (hashlib.sha256(value).hexdigest(), len(value))
    kept = pixels.compress(sound, CODECS["j2k"])
    assert isinstance(kept, pixels.Kept)
    assert "Float" in kept.reason
    for wrong in (
        number_element(0x00280010, "US", 4),
        number_element(0x00280100, "US", 96 - bits),
        number_element(0x00280002, "US", 3),
        string_element(0x00280008, "IS", "3"),
        Element(tag, "OB", value),
        Element(tag, vr, value[:-4]),
    ):
        with pytest.raises(InputError) as caught:
            pixels.native_digest(sound.replacing(wrong))
        assert caught.value.rule == "PIX-12"
