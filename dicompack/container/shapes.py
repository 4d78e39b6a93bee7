"""Closed JSON records: which keys, and what each may hold. Every fault of a value is listed."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SET_ID = re.compile(r"[0-9a-f]{32}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# What real instances hold is not always a valid Code String; plain text of its length does no harm.
_CODE_STRING = re.compile(r"[ -~]{1,16}")
_WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PLAIN_TEXT = re.compile(r"[ -~]{0,200}")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Field:
    """One value: what it must be, in words and as a test."""

    what: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Record:
    """An object with exactly these keys, or null where that is allowed."""

    fields: Mapping[str, Field | Record]
    nullable: bool = False

    def holds(self, value: Any) -> bool:
        """Whether there is no fault."""
        if type(value) is not dict:
            return value is None and self.nullable
        if value.keys() != self.fields.keys():
            return False
        for key, field in self.fields.items():  # noqa: SIM110  # a generator costs a second in 100 000 members
            if not field.holds(value[key]):
                return False
        return True

    def faults(self, value: Any, place: str = "") -> list[str]:
        """One line for each fault. Values are never repeated in it: they may tell who the patient is."""
        if self.holds(value):
            return []
        if type(value) is not dict:
            return [f"{place or 'the whole'} is not a record"]
        dot = f"{place}." if place else ""
        # Foreign keys are counted, not shown: they are somebody else's text.
        foreign = len(value.keys() - self.fields.keys())
        faults = [f"{place or 'the whole'} has {foreign} unknown keys"] if foreign else []
        for key, field in self.fields.items():
            if key not in value:
                faults.append(f"{dot}{key} is missing")
            elif isinstance(field, Record):
                faults += field.faults(value[key], dot + key)
            elif not field.holds(value[key]):
                faults.append(f"{dot}{key} is not {field.what}")
        return faults


def text(what: str, pattern: re.Pattern[str], maximum: int = 200) -> Field:
    """A string that a pattern matches as a whole."""
    return Field(what, lambda v: type(v) is str and len(v) <= maximum and pattern.fullmatch(v) is not None)


def integer(minimum: int, maximum: int) -> Field:
    """An integer within bounds."""
    return Field(
        f"an integer from {minimum} to {maximum}", lambda v: type(v) is int and minimum <= v <= maximum
    )


def one_of(*choices: str | int | None) -> Field:
    """One of a few values; True is not 1."""
    what = " or ".join("null" if choice is None else str(choice) for choice in choices)
    kinds = frozenset(map(type, choices))
    return Field(what, lambda v: type(v) in kinds and v in choices)


def null_or(field: Field) -> Field:
    """Null, or what `field` wants."""
    return Field(f"null or {field.what}", lambda v: v is None or field.holds(v))


def array(what: str, holds: Callable[[list[Any]], bool]) -> Field:
    """A list for which `holds` is true."""
    return Field(what, lambda v: type(v) is list and holds(v))


def is_sorted_set(values: Iterable[str]) -> bool:
    """Whether strings stand in ascending order, none of them twice."""
    return all(before < after for before, after in pairwise(values))


BOOLEAN = Field("true or false", lambda v: type(v) is bool)
SHA256_HEX = text("a SHA-256 in lower-case hex", _SHA256)
SET_ID_HEX = text("16 bytes in lower-case hex", _SET_ID)
UID = text("a UID", _UID, maximum=64)
UID_OR_EMPTY = Field("a UID or empty", lambda v: v == "" or UID.holds(v))
CODE_STRING = text("1 to 16 characters of plain ASCII", _CODE_STRING)
CODE_STRING_OR_EMPTY = Field("up to 16 characters of plain ASCII", lambda v: v == "" or CODE_STRING.holds(v))
WORD = text("a lower-case word", _WORD, maximum=64)
PLAIN_TEXT = text("plain ASCII of at most 200 characters", _PLAIN_TEXT)


def time_text(time: datetime) -> str:
    """A UTC time in whole seconds, as JSON has it."""
    return time.astimezone(UTC).strftime(_TIME_FORMAT)


def parse_time(value: str) -> datetime:
    """The reverse of `time_text`. ValueError: not such a time."""
    return datetime.strptime(value, _TIME_FORMAT).replace(tzinfo=UTC)


def _is_time(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        return time_text(parse_time(value)) == value
    except ValueError:
        return False


TIME = Field("a UTC time in whole seconds", _is_time)


def base64_field(what: str, maximum: int) -> Field:
    """Bytes in base64 (RFC 4648 §4), in the one form that encoding gives, 1 to `maximum` bytes."""

    def holds(value: Any) -> bool:
        if type(value) is not str or len(value) > 2 * maximum:
            return False
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return False
        return 1 <= len(raw) <= maximum and base64.b64encode(raw).decode("ascii") == value

    return Field(what, holds)
