"""Where text is expected without looking: what devices are known to write, and what they say themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final

from dicompack.dicom.burned_in.boxes import Cause, Rectangle, outside
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.pixelformat import COLUMNS, ROWS
from dicompack.dicom.tags import MODALITY
from dicompack.errors import UsageError

_IMAGE_TYPE: Final = 0x00080008
_MANUFACTURER: Final = 0x00080070
_MODEL: Final = 0x00081090
_SERIES_DESCRIPTION: Final = 0x0008103E
_REGIONS: Final = 0x00186011
# Region Location Min X0, Min Y0, Max X1, Max Y1; the maxima are the last pixels (PS3.3 C.8.5.5.1.1).
_LOCATION: Final = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)
RULES: Final = {
    "screen": frozenset(("image_type", "series")),
    "layout": frozenset(
        ("name", "modality", "manufacturer", "model", "series", "image_type", "rows", "columns", "boxes")
    ),
}
"""The keys of a rule, by its table."""


@dataclass(frozen=True)
class Match:
    """Which instances a rule is for: all that is given must fit."""

    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    series: str = ""
    image_type: str = ""
    rows: int = 0
    columns: int = 0

    def fits(self, data_set: DataSet) -> bool:
        """Whether an instance is one of them."""
        types = {value.upper() for value in data_set.texts(_IMAGE_TYPE)}
        return (
            (not self.modality or data_set.text(MODALITY).upper() == self.modality.upper())
            and _has(data_set, _MANUFACTURER, self.manufacturer)
            and _has(data_set, _MODEL, self.model)
            and _has(data_set, _SERIES_DESCRIPTION, self.series)
            and (not self.image_type or self.image_type.upper() in types)
            and self.rows in (0, data_set.number(ROWS))
            and self.columns in (0, data_set.number(COLUMNS))
        )


@dataclass(frozen=True)
class Layout:
    """Rectangles that certain devices write into; see ``device_rules.toml``."""

    name: str
    match: Match
    boxes: tuple[tuple[int, int, int, int], ...]

    def rectangles(self, columns: int, rows: int) -> tuple[Rectangle, ...]:
        """On an image of this size."""
        return tuple(
            Rectangle(
                _from_edge(left, columns), _from_edge(top, rows),
                _from_edge(right, columns, far=True), _from_edge(bottom, rows, far=True),
            ).clipped(columns, rows)
            for left, top, right, bottom in self.boxes
        )  # fmt: skip


@dataclass(frozen=True)
class DeviceRules:
    """What is known about devices."""

    screens: tuple[Match, ...] = ()
    layouts: tuple[Layout, ...] = ()

    def __or__(self, other: DeviceRules) -> DeviceRules:
        return DeviceRules(self.screens + other.screens, self.layouts + other.layouts)


@cache
def shipped_rules() -> DeviceRules:
    """The rules that come with DICOMPack."""
    return parse_rules(resources.files(__package__).joinpath("device_rules.toml").read_text("utf-8"))


def parse_rules(text: str) -> DeviceRules:
    """Rules from TOML.

    Raises:
        UsageError: it is not TOML, or a rule has an unknown key, a wrong type, or fits every image (BUR-8).
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"device rules are not TOML: {error}", rule="BUR-8") from error
    rules, faults = read_rules(document)
    if faults:  # BUR-8
        refusal = UsageError(f"device rules cannot be used: {faults[0]}", rule="BUR-8")
        refusal.faults = tuple(faults)
        raise refusal
    return rules


def read_rules(document: Mapping[str, Any]) -> tuple[DeviceRules, list[str]]:
    """Rules from the tables of a document, and what is wrong with them; no rules where there is anything."""
    faults = [f"unknown table {name}" for name in document if name not in RULES]
    for name, keys in RULES.items():
        rules = document.get(name, [])
        if not isinstance(rules, list):
            faults.append(f"{name} is no array of tables")
            continue
        for number, rule in enumerate(rules, 1):
            faults.extend(f"{name} {number}: {fault}" for fault in _faults(rule, keys))
    if faults:
        return DeviceRules(), faults
    screens = tuple(Match(**rule) for rule in document.get("screen", []))
    return DeviceRules(screens, tuple(_layout(rule) for rule in document.get("layout", []))), []


def known_regions(data_set: DataSet, rules: DeviceRules) -> tuple[tuple[Rectangle, Cause], ...]:
    """What is blackened in an instance whatever the text detection says (BUR-2, BUR-3)."""
    columns, rows = data_set.number(COLUMNS) or 0, data_set.number(ROWS) or 0
    found = [
        (one, Cause.RULE)
        for layout in rules.layouts
        if layout.match.fits(data_set)
        for one in layout.rectangles(columns, rows)
        if one.area
    ]
    regions = _ultrasound_regions(data_set)
    if regions:
        found.extend((one, Cause.REGION) for one in outside(regions, columns, rows))
    return tuple(found)


def is_screen(data_set: DataSet, rules: DeviceRules) -> bool:
    """Whether an image was made for reading: a report, a saved screen, a label."""
    return any(screen.fits(data_set) for screen in rules.screens)


def _ultrasound_regions(data_set: DataSet) -> list[Rectangle]:
    """BUR-2: none where the sequence is absent, or where one of its items cannot be understood."""
    regions = []
    for item in data_set.items(_REGIONS):
        left, top, right, bottom = (item.number(tag) for tag in _LOCATION)
        if left is None or top is None or right is None or bottom is None or right <= left or bottom <= top:
            return []
        regions.append(Rectangle(left, top, right + 1, bottom + 1))
    return regions


def _has(data_set: DataSet, tag: int, part: str) -> bool:
    return not part or part.upper() in data_set.text(tag).upper()


def _from_edge(value: int, side: int, *, far: bool = False) -> int:
    if value < 0 or (far and value == 0):
        return max(side + value, 0)
    return value


def _layout(rule: Mapping[str, Any]) -> Layout:
    match = {key: value for key, value in rule.items() if key not in ("name", "boxes")}
    boxes = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in rule["boxes"])
    return Layout(rule["name"], Match(**match), boxes)


def _unknown(key: str, known: frozenset[str]) -> str:
    likely = get_close_matches(key, sorted(known), n=1)
    return f"unknown key {key}" + (f"; did you mean {likely[0]}?" if likely else "")


def _faults(rule: object, keys: frozenset[str]) -> list[str]:
    """Everything that is wrong with a rule."""
    if not isinstance(rule, dict):
        return ["not a table"]
    faults = [_unknown(key, keys) for key in rule if key not in keys]
    for key, value in rule.items():
        if key == "boxes":
            if not _are_boxes(value):
                faults.append("boxes are not lists of four whole numbers")
        elif key in ("rows", "columns"):
            if type(value) is not int or value < 1:
                faults.append(f"{key} is not a positive whole number")
        elif key in keys and (not isinstance(value, str) or not value):
            faults.append(f"{key} is not a text")
    faults.extend(f"{key} is missing" for key in ("name", "boxes") if key in keys and key not in rule)
    if not any(key in rule for key in keys - {"name", "boxes", "rows", "columns"}):
        faults.append("fits every image")
    return faults


def _are_boxes(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(box, list) and len(box) == 4 and all(type(edge) is int for edge in box) for box in value
    )
