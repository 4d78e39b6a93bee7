"""JSON in one form only: what parses serialises to the same bytes (``spec/5-package.md``, after RFC 8785).

Sorted keys, no white space, ASCII with lower-case escapes, integers below 2^63 and no other numbers, no key
twice.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from dicompack.container.limits import MAXIMUM_INTEGER_DIGITS
from dicompack.errors import FormatError


class _NotCanonicalError(ValueError):
    """Something that the one form does not have."""


def marshal(value: Any) -> bytes:
    """The bytes of a value made of dict, list, str, int, bool and None."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def parse(raw: bytes, *, maximum_size: int, where: str) -> Any:
    """The value of `raw`, which is in the one form to the last byte.

    Raises:
        FormatError: PKG-1
    """
    if len(raw) > maximum_size:  # PKG-1
        raise FormatError(f"{len(raw)} bytes of JSON, allowed are {maximum_size}", where=where, rule="PKG-1")
    try:
        value = json.loads(
            raw.decode("ascii"),
            parse_int=_bounded_integer,
            parse_float=_refuse,
        )
        # White space, order, keys that stand twice, escapes, NaN: all of them fail here.
        same = marshal(value) == raw
        # A lone surrogate is text in JSON, but in no encoding.
        if b"\\ud" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:  # PKG-1
        raise FormatError("not JSON in the one form that a package has", where=where, rule="PKG-1") from error
    if not same:  # PKG-1
        raise FormatError("JSON with other bytes than its contents give", where=where, rule="PKG-1")
    return value


def _bounded_integer(text: str) -> int:
    if len(text) > MAXIMUM_INTEGER_DIGITS + 1 or not -(1 << 63) < (value := int(text)) < 1 << 63:
        raise _NotCanonicalError
    return value


def _refuse(_text: str) -> NoReturn:
    raise _NotCanonicalError
