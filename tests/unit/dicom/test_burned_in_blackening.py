"""Blackening: the stored samples change, in every frame of every kind; a stand-in finds the text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from dicompack.dicom import dicom_file
from dicompack.dicom.burned_in import Box, Cause, parse_rules
from dicompack.dicom.burned_in.blackening import clean
from dicompack.dicom.burned_in.boxes import Rectangle
from dicompack.dicom.burned_in.decoding import decoded
from dicompack.dicom.burned_in.samples import NativePixels
from dicompack.dicom.dataset import Element, Encapsulated, Sequence, number_element, string_element
from dicompack.dicom.pixelformat import pixel_format
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, transfer_syntax
from dicompack.errors import SuspectError
from tests.unit.dicom.burned_in_cases import (
    MARK,
    PIXELS,
    ULTRASOUND,
    Seeing,
    blind,
    image,
    of,
    pixels,
    region,
    word,
)

NONE = parse_rules("")
INSIDE = np.s_[:, MARK.y0 : MARK.y1, MARK.x0 : MARK.x1]
SHAPE = (3, 32, 48)


def noise(per_pixel=1, low=0, high=256, dtype="u1", frames=3):
    return np.random.default_rng(per_pixel).integers(low, high, (frames, 32, 48, per_pixel)).astype(dtype)


def cleaned(data_set, detector=None, **more):
    return clean(data_set, EXPLICIT_LITTLE, (), NONE, detector or Seeing(), **more)


def assert_blackened(before, after, value):
    """One value inside, and nothing changed outside of a rectangle with a margin of two pixels."""
    assert (after[INSIDE] == np.array(value)).all()
    changed = (before != after).any(axis=(0, 3))
    changed[MARK.y0 - 2 : MARK.y1 + 2, MARK.x0 - 2 : MARK.x1 + 2] = False
    assert not changed.any()


@pytest.mark.parametrize(
    ("array", "photometric", "stored", "value"),
    [
        (noise(), "MONOCHROME2", 8, [0]),
        (noise(), "MONOCHROME1", 8, [255]),
        (noise(1, 100, 4000, "<u2"), "MONOCHROME2", 12, [100]),
        (noise(1, 100, 4000, "<u2"), "MONOCHROME1", 12, [3999]),
        (noise(1, -900, 2000, "<i2"), "MONOCHROME2", 12, [-900]),
        (noise(1, 0, 2**31, "<u4"), "MONOCHROME2", 32, None),
        (noise(3), "RGB", 8, [0, 0, 0]),
        (noise(3, 0, 65536, "<u2"), "RGB", 16, [0, 0, 0]),
        (noise(3), "YBR_FULL", 8, [0, 128, 128]),
        (noise(3, 0, 1 << 12, "<u2"), "YBR_FULL", 12, [0, 2048, 2048]),
    ],
)
@pytest.mark.parametrize("planar", [0, 1])
def test_bur_1_every_frame_of_every_kind(array, photometric, stored, value, planar):
    if planar and array.shape[3] == 1:
        pytest.skip("no planes")
    source = of(array, photometric, stored, planar=planar)
    result = cleaned(source)
    if value is None:
        value = [array.min()]
    assert_blackened(pixels(source), pixels(result.data_set), value)
    assert result.boxes == (Box(1, 3, MARK.x0 - 2, MARK.y0 - 2, MARK.x1 + 2, MARK.y1 + 2, Cause.TEXT),)
    assert result.transfer_syntax_uid is None
    assert result.data_set.text(0x00280301) == "NO"
    assert pixel_format(result.data_set) == pixel_format(source)


def test_bur_1_pixel_padding_value_where_it_is_one():
    source = of(noise(1, 100, 4000, "<u2"), "MONOCHROME2", 12)
    padding = number_element(0x00280120, "US", 7)
    assert_blackened(pixels(source), pixels(cleaned(source.replacing(padding)).data_set), [7])
    too_large = number_element(0x00280120, "US", 4096)
    assert_blackened(pixels(source), pixels(cleaned(source.replacing(too_large)).data_set), [100])
    signed = of(noise(1, -900, 2000, "<i2"), "MONOCHROME2", 16)
    signed = signed.replacing(number_element(0x00280120, "SS", -2000))
    assert_blackened(pixels(signed), pixels(cleaned(signed).data_set), [-2000])


def test_bur_1_palette_gets_the_index_of_its_darkest_colour():
    ramp = np.arange(255, -1, -1, dtype="<u2") * 257
    nodes = [
        node
        for at in range(3)
        for node in (
            number_element(0x00281101 + at, "US", 256, 0, 16),
            Element(0x00281201 + at, "OW", ramp.tobytes()),
        )
    ]
    source = of(noise(), "PALETTE COLOR", 8).replacing(*nodes)
    seeing = Seeing()
    assert_blackened(pixels(source), pixels(cleaned(source, seeing).data_set), [255])
    assert (seeing.images[0][..., 0] == 255 - pixels(source)[0, :, :, 0]).all()


@pytest.mark.parametrize(("photometric", "black"), [("YBR_FULL_422", 0), ("YBR_PARTIAL_422", 16)])
def test_bur_1_subsampled_chrominance_goes_with_both_its_pixels(photometric, black):
    source = of(noise(3), photometric, 8)
    # Two bytes for a pixel: Y Y Cb Cr for two.
    source = source.replacing(Element(PIXELS, "OB", noise(2).tobytes()))
    odd = Rectangle(9, 4, 23, 12)
    before, after = pixels(source), pixels(cleaned(source, Seeing(place=odd)).data_set)
    assert (after[:, 4:12, 4:12] == (black, black, 128, 128)).all()
    assert (before[:, :, 14:] == after[:, :, 14:]).all()
    assert (before[:, 16:] == after[:, 16:]).all()


def test_bur_1_text_of_one_frame_is_blackened_in_all_and_equal_frames_are_seen_once():
    array = np.zeros((4, 32, 48, 1), "u1")
    array[:] = 50
    array[2, 5:9, 10:20] = 200
    seeing = Seeing()
    result = cleaned(of(array, "MONOCHROME2", 8), seeing)
    assert len(seeing.images) == 3  # two different frames, then all are equal but for their margins
    assert (pixels(result.data_set)[INSIDE] == 50).all()
    assert result.boxes[0].last_frame == 4


def test_bur_4_what_is_found_again_is_blackened_and_what_stays_is_refused():
    class Moving(Seeing):
        def __call__(self, view, words, *, noisy):
            left = 5 * len(self.images) - 5
            self.place = Rectangle(left, 4, left + 4, 20)
            return super().__call__(view, words, noisy=noisy)

    source = of(noise(frames=1), "MONOCHROME2", 8)
    assert len(cleaned(source, Moving(looks=3)).boxes) == 3
    with pytest.raises(SuspectError) as caught:
        cleaned(source, Moving())
    assert caught.value.rule == "BUR-4"


def test_bur_4_the_detector_does_not_see_black_rectangles():
    array = np.full((1, 32, 48, 1), 90, "u1")
    array[0, 6:10, 10:20] = 200
    array[0, 31, 47] = 0
    seeing = Seeing()
    cleaned(of(array, "MONOCHROME2", 8), seeing)
    last = seeing.images[-1][:30, :, 0]
    assert (last == last[0, 0]).all()


def test_nothing_found_nothing_changed():
    source = of(noise(), "MONOCHROME2", 8).replacing(number_element(0x00280106, "US", 0))
    result = clean(source, IMPLICIT_LITTLE, (), NONE, blind)
    assert result.boxes == ()
    assert result.data_set.without(0x00280301) == source
    assert result.recheck == "no text found in 3 frames at look 1"


def test_extremes_of_samples_that_are_gone_go():
    source = of(noise(), "MONOCHROME2", 8).replacing(number_element(0x00280107, "US", 255))
    assert 0x00280107 not in cleaned(source).data_set


def test_bur_2_bur_3_regions_and_layouts_come_before_the_text():
    source = image(
        ULTRASOUND, Sequence(0x00186011, (region(0, 4, 47, 31),)), word(0x00080070, "ACME", "LO")
    ).replacing(Element(PIXELS, "OW", noise(1, 1, 4000, "<u2", 1).tobytes()))
    rules = parse_rules("[[layout]]\nname='x'\nmanufacturer='acme'\nboxes=[[-6, 0, 0, 0]]")
    result = clean(source, EXPLICIT_LITTLE, (), rules, blind)
    assert {box.cause for box in result.boxes} == {Cause.REGION, Cause.RULE}
    after = pixels(result.data_set)[0, :, :, 0]
    assert len(set(after[:4].ravel())) == 1
    assert len(set(after[:, 42:].ravel())) == 1
    assert (after[4:, :42] == pixels(source)[0, 4:, :42, 0]).all()


def test_the_words_reach_the_detector():
    seeing = Seeing()
    clean(of(noise(), "MONOCHROME2", 8), EXPLICIT_LITTLE, ["DOE"], NONE, seeing)
    assert seeing.words == ("DOE",)


@pytest.mark.parametrize("signed", [False, True])
def test_bur_6_bits_above_bits_stored_are_cleared(signed):
    array = noise(1, 0, 2048, "<u2", 1)
    array[0, 20:24, 30:40] |= 0x8000
    source = of(array.astype("<i2") if signed else array, "MONOCHROME2", 12)
    result = clean(source, EXPLICIT_LITTLE, (), NONE, blind)
    raw = np.frombuffer(result.data_set.raw(PIXELS), "<u2").reshape(32, 48)
    assert (raw == array[0, :, :, 0] & 0x0FFF).all()


def test_sign_extension_is_no_overlay():
    source = of(noise(1, -2048, 2048, "<i2"), "MONOCHROME2", 12)
    assert not NativePixels(source).has_foreign_bits


@pytest.mark.parametrize(
    "change",
    [
        string_element(0x00280004, "CS", "ODD"),
        string_element(0x00280004, "CS", "PALETTE COLOR"),
        number_element(0x00280102, "US", 8),
        number_element(0x00280100, "US", 1),
    ],
)
def test_bur_7_what_cannot_be_looked_at_is_refused(change):
    source = of(noise(1, 0, 256, "u1", 1), "MONOCHROME2", 8)
    if change == number_element(0x00280100, "US", 1):
        source = source.replacing(
            change, number_element(0x00280101, "US", 1), number_element(0x00280102, "US", 0),
            Element(PIXELS, "OB", bytes(32 * 48 // 8)),
        )  # fmt: skip
    else:
        source = source.replacing(change)
    with pytest.raises(SuspectError) as caught:
        cleaned(source)
    assert caught.value.rule == "BUR-7"


def test_bur_7_no_pixels():
    with pytest.raises(SuspectError) as caught:
        cleaned(image().without(PIXELS))
    assert caught.value.rule == "BUR-7"


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "JPEG2000.dcm"])
def test_bur_5_encapsulated_pixels_are_decoded_and_delivered_native(name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("not bundled")
    file = dicom_file.parse(Path(path).read_bytes())
    assert file.transfer_syntax.encapsulated
    result = clean(file.data_set, file.transfer_syntax, (), NONE, Seeing())
    assert result.transfer_syntax_uid == EXPLICIT_LITTLE.uid
    native = result.data_set
    assert isinstance(native.get(PIXELS), Element)
    expected, _ = decoded(file.data_set, file.transfer_syntax)
    assert (pixels(native)[INSIDE] == pixels(native)[:1, MARK.y0 : MARK.y0 + 1, MARK.x0 : MARK.x0 + 1]).all()
    assert (pixels(native)[:, 20:] == pixels(expected)[:, 20:]).all()
    written = b"".join(dicom_file.marshal(native, EXPLICIT_LITTLE))
    assert dicom_file.parse(written).data_set == native


def test_bur_5_decoded_samples_are_those_of_pydicom():
    from pydicom import dcmread

    path = Path(get_testdata_file("MR_small_RLE.dcm"))
    file = dicom_file.parse(path.read_bytes())
    native, syntax = decoded(file.data_set, file.transfer_syntax)
    assert syntax is EXPLICIT_LITTLE
    assert (pixels(native)[0, :, :, 0] == dcmread(path).pixel_array).all()


def test_bur_5_what_has_no_decoder_or_is_broken_is_refused():
    file = dicom_file.parse(Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes())
    broken = file.data_set.replacing(Encapsulated(PIXELS, "OB", (b"", b"\1" * 4096)))
    no_decoder = transfer_syntax("1.2.840.10008.1.2.4.100")
    for data_set, syntax in ((broken, file.transfer_syntax), (file.data_set, no_decoder)):
        with pytest.raises(SuspectError) as caught:
            clean(data_set, syntax, (), NONE, blind)
        assert caught.value.rule == "BUR-5"


@pytest.mark.parametrize("head", [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51" + bytes(200)])
def test_bur_5_openjpeg_gets_bare_codestreams_of_the_right_size_only(head):
    source = of(noise(frames=1), "MONOCHROME2", 8)
    source = source.replacing(Encapsulated(PIXELS, "OB", (b"", head + bytes(400))))
    with pytest.raises(SuspectError) as caught:
        clean(source, transfer_syntax("1.2.840.10008.1.2.4.90"), (), NONE, blind)
    assert caught.value.rule == "BUR-5"
    assert "bare" in caught.value.message


def test_native_pixels_stay_in_their_transfer_syntax():
    source = of(noise(), "MONOCHROME2", 8)
    assert decoded(source, IMPLICIT_LITTLE) == (source, IMPLICIT_LITTLE)
