"""Device rules and ultrasound regions."""

from __future__ import annotations

import numpy as np
import pytest

from dicompack.dicom.burned_in import Cause, parse_rules, shipped_rules
from dicompack.dicom.burned_in.boxes import Rectangle, outside
from dicompack.dicom.burned_in.regions import known_regions
from dicompack.dicom.dataset import Sequence, number_element
from dicompack.errors import UsageError
from tests.unit.dicom.burned_in_cases import CT, MANUFACTURER, SERIES, ULTRASOUND, image, region, word

NONE = parse_rules("")
REGIONS = 0x00186011
LAYOUT = '[[layout]]\nname="x"\nmodality="US"\nmanufacturer="acme"\nboxes='


def painted(rectangles, columns, rows):
    mask = np.zeros((rows, columns), int)
    for one in rectangles:
        mask[one.y0 : one.y1, one.x0 : one.x1] += 1
    return mask


def test_everything_outside_and_nothing_inside():
    rng = np.random.default_rng(1)
    for _ in range(200):
        inner = [
            Rectangle(x, y, x + int(rng.integers(1, 20)), y + int(rng.integers(1, 20)))
            for x, y in rng.integers(-5, 30, (int(rng.integers(0, 4)), 2)).tolist()
        ]
        clipped = [one for one in (each.clipped(30, 25) for each in inner) if one.area]
        mask = painted(outside(inner, 30, 25), 30, 25)
        assert ((mask == 1) == (painted(clipped, 30, 25) == 0)).all()
        assert mask.max() <= 1


def test_bur_2_outside_of_the_regions_is_blackened():
    told = Sequence(REGIONS, (region(10, 5, 39, 29), region(2, 2, 4, 4)))
    found = known_regions(image(ULTRASOUND, told, modality="US"), NONE)
    assert {cause for _, cause in found} == {Cause.REGION}
    mask = painted([place for place, _ in found], 48, 32)
    assert not mask[5:30, 10:40].any()
    assert not mask[2:5, 2:5].any()
    assert mask.sum() == 48 * 32 - 30 * 25 - 9


@pytest.mark.parametrize(
    "item", [region(10, 5, 10, 29), region(10, 29, 39, 5), region(10, 5, 39, 29).without(0x0018601E)]
)
def test_bur_2_regions_that_cannot_be_understood_say_nothing(item):
    told = Sequence(REGIONS, (region(0, 0, 9, 9), item))
    assert known_regions(image(ULTRASOUND, told), NONE) == ()


def test_bur_2_a_region_in_signed_numbers_is_understood():
    item = region(0, 0, 9, 9).replacing(
        number_element(0x0018601C, "SL", 47), number_element(0x0018601E, "SL", 31)
    )
    assert known_regions(image(ULTRASOUND, Sequence(REGIONS, (item,))), NONE) == ()


def test_bur_3_a_layout_is_for_devices_that_fit_in_all():
    rules = parse_rules(LAYOUT + "[[0, 0, 0, 6], [-8, -4, 0, 0]]\nrows=32")
    fits = image(ULTRASOUND, word(MANUFACTURER, "ACME Medical", "LO"), modality="US")
    assert known_regions(fits, rules) == (
        (Rectangle(0, 0, 48, 6), Cause.RULE),
        (Rectangle(40, 28, 48, 32), Cause.RULE),
    )
    for other in (
        fits.replacing(word(0x00080060, "CT")),
        fits.replacing(word(MANUFACTURER, "Others", "LO")),
        fits.replacing(number_element(0x00280010, "US", 33)),
    ):
        assert known_regions(other, rules) == ()


def test_bur_3_the_rules_that_are_shipped():
    rules = shipped_rules()
    assert len(rules.layouts) > 30
    assert len(rules.screens) > 15
    assert len({layout.name for layout in rules.layouts}) == len(rules.layouts)
    for layout in rules.layouts:
        columns, rows = layout.match.columns or 1024, layout.match.rows or 768
        rectangles = layout.rectangles(columns, rows)
        assert sum(one.area for one in rectangles) < columns * rows / 2, layout.name
        assert all(one.area for one in rectangles), layout.name
    report = image(
        CT, word(MANUFACTURER, "GE MEDICAL SYSTEMS", "LO"), word(SERIES, "Dose Report", "LO"), modality="CT"
    )
    assert [cause for _, cause in known_regions(report, rules)] == [Cause.RULE]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x", "not TOML"),
        ("[[layouts]]\nname='x'", "unknown table layouts"),
        ("layout = 3", "no array"),
        ("layout = [3]", "not a table"),
        (LAYOUT + "[[0, 0, 0, 6]]\nmaker='x'", "unknown key maker"),
        (LAYOUT + "[[0, 0, 0, 6]]\nmanufactuer='x'", "did you mean manufacturer?"),
        (LAYOUT + "[[0, 0, 6]]", "four whole numbers"),
        (LAYOUT + "[[0, 0, 0, 0.5]]", "four whole numbers"),
        (LAYOUT + "3", "four whole numbers"),
        (LAYOUT + "[]\nrows=0", "positive"),
        (LAYOUT + "[]\nrows=true", "positive"),
        ("[[layout]]\nmodality='US'\nboxes=[]", "name is missing"),
        ("[[layout]]\nname='x'\nmodality='US'", "boxes is missing"),
        ("[[layout]]\nname='x'\nrows=512\nboxes=[]", "fits every image"),
        ("[[screen]]", "fits every image"),
        ("[[screen]]\nseries=''", "not a text"),
        ("[[screen]]\nseries=3", "not a text"),
    ],
)
def test_bur_8_rules_that_cannot_be_used(text, fault):
    with pytest.raises(UsageError) as caught:
        parse_rules(text)
    assert caught.value.rule == "BUR-8"
    assert any(fault in one for one in (*caught.value.faults, caught.value.message))
