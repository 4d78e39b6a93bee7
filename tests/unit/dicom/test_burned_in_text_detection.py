"""The models find rendered text, and what is around them does what it says; needs the extra `ocr`."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from dicompack.dicom import dicom_file
from dicompack.dicom.burned_in import Cause, parse_rules, text_detection
from dicompack.dicom.burned_in.blackening import clean
from dicompack.dicom.burned_in.boxes import Rectangle
from dicompack.dicom.burned_in.decoding import decoded
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import UsageError
from tests.unit.dicom.burned_in_cases import of, pixels

HAVE_MODELS = text_detection.is_available()
models = pytest.mark.skipif(not HAVE_MODELS, reason="the extra ocr is not installed")
TEXT = "SMITHSON 1957"


def ink(rows, columns, at, size, text=TEXT):
    """Where a text leaves its trace, 0 to 1."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("L", (columns, rows), 0)
    ImageDraw.Draw(canvas).text(at, text, fill=255, font=ImageFont.load_default(size))
    return np.asarray(canvas) / 255


def anatomy(name="CT_small.dcm", times=3):
    """A bundled image, enlarged to a size that text has room on."""
    file = dicom_file.parse(Path(get_testdata_file(name)).read_bytes())
    grey = pixels(decoded(file.data_set, file.transfer_syntax)[0])[0, :, :, 0].astype(float)
    grey = np.repeat(np.repeat(grey - grey.min(), times, 0), times, 1)
    kernel = np.ones(times) / times
    for axis in (0, 1):
        grey = np.apply_along_axis(np.convolve, axis, grey, kernel, "same")
    return grey


@models
@pytest.mark.parametrize("size", [12, 40])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_bur_1_text_over_anatomy_is_found_and_gone(size, dark, photometric):
    grey = anatomy()
    mask = ink(*grey.shape, (30, 150), size)
    written = (grey + ((0 if dark else grey.max()) - grey) * mask).round().astype("<u2")
    source = of(written[None, :, :, None], photometric, 16)
    result = clean(source, EXPLICIT_LITTLE, ["SMITHSON"], parse_rules(""))
    after = pixels(result.data_set)[0, :, :, 0]
    covered = np.zeros(grey.shape, bool)
    for box in result.boxes:
        covered[box.y0 : box.y1, box.x0 : box.x1] = True
    assert covered[mask > 0.3].mean() > 0.99
    assert len(set(after[covered])) == 1
    assert (after[~covered] == written[~covered]).all()


@models
@pytest.mark.parametrize(
    ("photometric", "colour"), [("RGB", (255, 220, 0)), ("RGB", (0, 80, 255)), ("YBR_FULL", (200, 100, 160))]
)
def test_bur_1_coloured_text(photometric, colour):
    background = (10, 10, 10) if photometric == "RGB" else (10, 128, 128)
    mask = ink(200, 400, (40, 80), 20)[:, :, None]
    array = (np.array(background) * (1 - mask) + np.array(colour) * mask).round().astype("u1")
    result = clean(of(array[None], photometric, 8), EXPLICIT_LITTLE, (), parse_rules(""))
    assert result.boxes
    assert len({tuple(one) for one in pixels(result.data_set).reshape(-1, 3)[(mask.ravel() > 0.3)]}) == 1


@models
def test_a_slanted_line_and_an_upright_one_are_found():
    from PIL import Image

    flat = Image.fromarray((ink(400, 400, (90, 190), 22) * 255).astype("u1"))
    for angle in (30, 90):
        turned = np.asarray(flat.rotate(angle))
        found = text_detection.detect(np.repeat(turned[:, :, None], 3, 2))
        covered = np.zeros(turned.shape, bool)
        for text in found:
            covered[text.place.y0 : text.place.y1, text.place.x0 : text.place.x1] = True
        assert covered[turned > 128].mean() > 0.98, angle
        assert covered.mean() < 0.5, angle


@models
def test_an_empty_image_has_no_text_and_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    for value in (0, 128, 255):
        assert text_detection.detect(np.full((300, 400, 3), value, np.uint8)) == []
    assert text_detection.detect(np.zeros((1, 1, 3), np.uint8)) == []


@models
def test_large_images_are_looked_at_in_tiles():
    grey = np.full((300, 3000, 3), 20, np.uint8)
    grey += (ink(300, 3000, (1210, 120), 24)[:, :, None] * 200).astype(np.uint8)
    found = text_detection.detect(grey)
    assert any(text.place.x0 < 1225 and text.place.x1 > 1380 for text in found)


@models
def test_reading():
    page = np.repeat((ink(40, 260, (10, 6), 22) * 255).astype("u1")[:, :, None], 3, 2)
    (reading,) = text_detection._read(page, Rectangle(0, 0, 260, 40))
    assert "SMITHSON" in reading.text
    assert text_detection._is_legible(reading, well=True)
    upright = np.ascontiguousarray(np.rot90(page))
    assert any("SMITHSON" in one.text for one in text_detection._read(upright, Rectangle(0, 0, 40, 260)))


@pytest.mark.parametrize(
    ("text", "confidence", "legible", "well"),
    [("O", 0.9, True, False), ("OK", 0.9, True, True), ("OK", 0.5, True, False), ("OK", 0.3, False, False),
     ("--", 0.9, False, False), ("", 0.0, False, False)],
)  # fmt: skip
def test_bur_1_what_can_be_read(text, confidence, legible, well):
    reading = text_detection._Reading(text, confidence)
    assert text_detection._is_legible(reading, well=False) is legible
    assert text_detection._is_legible(reading, well=True) is well


@models
def test_bur_1_noise_and_what_is_as_large_as_anatomy_must_be_legible(monkeypatch):
    noise = np.random.default_rng(7).integers(0, 256, (64, 160, 3), np.uint8)
    (place,) = places = [Rectangle(0, 0, 160, 64)]
    readings = text_detection._read(noise, place)
    assert not any(text_detection._is_legible(one, well=False) for one in readings)
    monkeypatch.setattr(text_detection, "_areas", lambda _image: [(one, 0.9) for one in places])
    assert text_detection.detect(noise) == text_detection.detect(noise, noisy=True) == []
    places[:] = [Rectangle(0, 0, 160, 16)]
    assert text_detection.detect(noise)
    assert text_detection.detect(noise, noisy=True) == []


@pytest.mark.parametrize(
    ("text", "words", "telling"),
    [
        ("xx SMITHSON", ["smithson"], True), ("SM1THSON", ["Smithson"], True), ("Müller", ["MULLER"], True),
        ("S M I T H", ["smith"], True), ("CHEST", ["smith"], False), ("1957-03-12", [], True),
        ("12/03/57", [], True), ("4.0 cm", [], False), ("L", ["L"], False), ("", [""], False),
    ],
)  # fmt: skip
def test_bur_1_what_doubtful_text_must_read_to_count(text, words, telling):
    assert text_detection._is_telling(text, words) is telling


def test_areas_are_cut_until_they_fill_their_rectangles():
    probability = np.zeros((128, 128), np.float32)
    for at in range(8, 120):
        probability[at, at : at + 6] = 0.9
    places = [place for place, _ in text_detection._components(probability)]
    assert len(places) > 4
    assert sum(place.area for place in places) < 128 * 128 / 4
    covered = np.zeros(probability.shape, bool)
    for place in places:
        covered[place.y0 : place.y1, place.x0 : place.x1] = True
    assert covered[probability > 0].all()


def test_bur_9_without_the_extra_the_call_makes_no_sense(monkeypatch):
    text_detection._session.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert not text_detection.is_available()
    with pytest.raises(UsageError) as caught:
        text_detection.detect(np.zeros((64, 64, 3), np.uint8))
    assert caught.value.rule == "BUR-9"
    assert caught.value.hint == "pip install 'dicompack[ocr]'"


@models
def test_bur_9_other_models_are_refused(monkeypatch):
    text_detection._session.cache_clear()
    monkeypatch.setitem(text_detection._SHA256, text_detection._DETECTION, "00")
    with pytest.raises(UsageError) as caught:
        text_detection.detect(np.zeros((64, 64, 3), np.uint8))
    assert caught.value.rule == "BUR-9"


def test_causes_are_words_for_reports():
    assert [str(cause) for cause in Cause] == ["text", "word", "region", "rule"]
