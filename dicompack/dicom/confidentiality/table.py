"""Table E.1-1 of PS3.15 as data: which attribute gets which action under which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType

EDITION = "2026d"


class Option(StrEnum):
    """The options of PS3.15 E.3 that have a column in Table E.1-1, by the standard's names."""

    RETAIN_SAFE_PRIVATE = "retain-safe-private"
    RETAIN_UIDS = "retain-uids"
    RETAIN_DEVICE_IDENTITY = "retain-device-identity"
    RETAIN_INSTITUTION_IDENTITY = "retain-institution-identity"
    RETAIN_PATIENT_CHARACTERISTICS = "retain-patient-characteristics"
    RETAIN_LONGITUDINAL_FULL_DATES = "retain-longitudinal-full-dates"
    RETAIN_LONGITUDINAL_MODIFIED_DATES = "retain-longitudinal-modified-dates"
    CLEAN_DESCRIPTORS = "clean-descriptors"
    CLEAN_STRUCTURED_CONTENT = "clean-structured-content"
    CLEAN_GRAPHICS = "clean-graphics"


class Action(StrEnum):
    """What is done to an attribute: the action codes of Table E.1-1a once the composite ones are resolved."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    NEW_UID = "U"
    KEEP = "K"
    """Plain values stay, items of a sequence are gone through one by one."""
    CLEAN = "C"
    """Values of similar meaning that do not identify (DEI-23)."""
    REPLACE = "set"
    """The value that a site profile gives (DEI-35); no code of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table E.1-1."""

    tag: str
    """Eight hexadecimal digits, or a pattern: ``50xxxxxx``, ``60xx3000``, ``60xx4000``, ``ggggeeee``."""
    keyword: str
    vr: str
    profile: str
    """Action code of the Basic Profile."""
    options: Mapping[Option, str]
    """Action codes of the options that have one for this attribute."""

    def code(self, options: frozenset[Option]) -> str:
        """The action code under these options; an option comes before the profile (PS3.15 E.1.1).

        Where two options differ, C comes before K, since it gives away less (DEI-24).
        """
        codes = {self.options[option] for option in options if option in self.options}
        return min(codes) if codes else self.profile


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done to the attribute of one tag, and the VR that it has by the standard."""

    action: Action
    vr: str
    otherwise: Action | None = None
    """Where an option keeps or cleans: the profile's own action, for values that nobody can vouch for."""
    by_site: bool = False
    """A site profile decided; it knows whose names it keeps."""
    value: bytes = b""
    """Of `Action.REPLACE`."""


# DEI-3: without the IOD's types at hand, the choice that is valid for every type and gives nothing away.
_CHOICE = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.NEW_UID,
    "K": Action.KEEP,
    "C": Action.CLEAN,
    "X/Z": Action.EMPTY,
    "Z/D": Action.DUMMY,
    "X/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.KEEP,
}

# DEI-63: where that choice, or the table itself, makes an instance invalid that was valid.
_EXCEPTIONS = {
    0x00081110: Action.REMOVE,  # Referenced Study Sequence: Type 3, and never without items
    0x00700082: Action.DUMMY,  # Presentation Creation Date and Time: Type 1
    0x00700083: Action.DUMMY,
}


@cache
def rows() -> tuple[Row, ...]:
    """Every row of the table, ordered by tag."""
    text = resources.files(__package__).joinpath("table.csv").read_text(encoding="ascii")
    lines = (line.split(",") for line in text.splitlines() if not line.startswith("#"))
    columns = tuple(Option(name) for name in next(lines)[4:])
    return tuple(
        Row(
            tag,
            keyword,
            vr,
            profile,
            MappingProxyType({o: c for o, c in zip(columns, codes, strict=True) if c}),
        )
        for tag, keyword, vr, profile, *codes in lines
    )


@cache
def rules(options: frozenset[Option]) -> Mapping[int, Rule]:
    """The rule of every tag that can stand in a Data Set and that the table lists singly.

    Its patterns and the groups below 0008 are matters of structure (DEI-8, DEI-9, DEI-28).
    """
    return {int(row.tag, 16): _rule(row, options) for row in rows() if _is_single(row)}


def is_date(tag: int) -> bool:
    """Whether the date options decide about an attribute."""
    return tag in _date_tags()


@cache
def _date_tags() -> frozenset[int]:
    dated = Option.RETAIN_LONGITUDINAL_FULL_DATES
    return frozenset(int(row.tag, 16) for row in rows() if _is_single(row) and dated in row.options)


def _is_single(row: Row) -> bool:
    return "x" not in row.tag and "g" not in row.tag and row.tag >= "0008"


def _rule(row: Row, options: frozenset[Option]) -> Rule:
    profile = _EXCEPTIONS.get(int(row.tag, 16)) or _CHOICE[row.profile]
    if options.isdisjoint(row.options):
        return Rule(profile, row.vr)
    return Rule(_CHOICE[row.code(options)], row.vr, profile if profile is not Action.KEEP else Action.REMOVE)
