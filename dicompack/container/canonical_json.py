"""JSON in one form only: what parses serialises to the same bytes (``spec/5-package.md``, after RFC 8785).

Sorted keys, no white space, ASCII with lower-case escapes, integers below 2^63 and no other numbers, no key
twice. A long list is read and written element by element: memory has its elements, never the whole text.
"""

from __future__ import annotations

import json
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dicompack.container.limits import MAXIMUM_INTEGER_DIGITS
from dicompack.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Each = Mapping[str, Callable[[Any], Any]]

_WINDOW: Final = 1 << 18
"""Bytes of text at a time: hundreds of members of a MANIFEST, and more where one value is longer."""
_NONE: Final = MappingProxyType[str, "Callable[[Any], Any]"]({})


class _NotCanonicalError(ValueError):
    """Something that the one form does not have."""


def marshal(value: Any, each: Each = _NONE) -> bytes:
    """The bytes of a value made of dict, list, str, int, bool and None.

    Args:
        value: the value.
        each: for lists of the outermost record, by key: makes such a value of an element, one by one.
    """
    if not each:
        return _ENCODER.encode(value).encode("ascii")
    out = BytesIO()
    for piece in _pieces(value, each):
        out.write(piece.encode("ascii"))
    return out.getvalue()


def _pieces(value: Mapping[str, Any], each: Each) -> Iterator[str]:
    before = "{"
    for key in sorted(value):
        yield f"{before}{_ENCODER.encode(key)}:"
        before = ","
        if key not in each:
            yield _ENCODER.encode(value[key])
            continue
        yield "["
        for place, element in enumerate(value[key]):
            yield ("," if place else "") + _ENCODER.encode(each[key](element))
        yield "]"
    yield "}"


def parse(raw: bytes, *, maximum_size: int, where: str, each: Each = _NONE) -> Any:
    """The value of `raw`, which is in the one form to the last byte.

    Args:
        raw: the bytes.
        maximum_size: the most that there may be.
        where: what they are, for the message.
        each: for lists of the outermost record, by key: what is kept of an element.

    Raises:
        FormatError: PKG-1
    """
    if len(raw) > maximum_size:  # PKG-1
        raise FormatError(f"{len(raw)} bytes of JSON, allowed are {maximum_size}", where=where, rule="PKG-1")
    try:
        return _Reading(raw).whole(each)
    except (ValueError, RecursionError) as error:  # PKG-1
        raise FormatError("not JSON in the one form that a package has", where=where, rule="PKG-1") from error


class _Reading:
    """Text that is read value by value, each compared with the text that the value gives.

    The whole is in the one form exactly if all values are, the keys of the outermost record ascend, and
    nothing stands between them but the characters that must.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._decoded = 0
        self._text = ""
        """What is decoded; up to `_at` it has been read."""
        self._at = 0

    def whole(self, each: Each) -> Any:
        """The outermost value, with which the text ends."""
        value = self._record(each) if self._next_is("{") else self._value()
        if self._at < len(self._text) or self._more():
            raise _NotCanonicalError
        return value

    def _record(self, each: Each) -> dict[str, Any]:
        record: dict[str, Any] = {}
        before: str | None = None
        self._take("{")
        if not self._next_is("}"):
            while True:
                key = self._value()
                if type(key) is not str or (before is not None and key <= before):
                    raise _NotCanonicalError
                before = key
                self._take(":")
                keep = each.get(key)
                is_list = keep is not None and self._next_is("[")
                record[key] = list(self._elements(keep)) if keep and is_list else self._value()
                if not self._next_is(","):
                    break
                self._take(",")
        self._take("}")
        return record

    def _elements(self, keep: Callable[[Any], Any]) -> Iterator[Any]:
        self._take("[")
        if not self._next_is("]"):
            yield keep(self._value())
            while self._next_is(","):
                self._take(",")
                yield keep(self._value())
        self._take("]")

    def _value(self) -> Any:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end < len(self._text) or not self._more():
                break  # otherwise a number could go on
            # The text begins anew with what is not read yet.
        read = self._text[self._at : end]
        # White space, order, keys that stand twice, escapes, NaN: all of them fail here.
        if _ENCODER.encode(value) != read:
            raise _NotCanonicalError
        if "\\ud" in read:  # a lone surrogate is text in JSON, but in no encoding
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        self._at = end
        return value

    def _next_is(self, character: str) -> bool:
        return (self._at < len(self._text) or self._more()) and self._text[self._at] == character

    def _take(self, character: str) -> None:
        if not self._next_is(character):
            raise _NotCanonicalError
        self._at += 1

    def _more(self) -> bool:
        """Decode some more, at least as much as waits to be read; False where there is no more."""
        if self._decoded == len(self._raw):
            return False
        waiting = self._text[self._at :]
        end = self._decoded + max(_WINDOW, len(waiting))
        piece = str(self._raw[self._decoded : end], "ascii")
        self._decoded += len(piece)
        self._text, self._at = waiting + piece, 0
        return True


def _bounded_integer(text: str) -> int:
    if len(text) > MAXIMUM_INTEGER_DIGITS + 1 or not -(1 << 63) < (value := int(text)) < 1 << 63:
        raise _NotCanonicalError
    return value


def _refuse(_text: str) -> NoReturn:
    raise _NotCanonicalError


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_DECODER: Final = json.JSONDecoder(parse_int=_bounded_integer, parse_float=_refuse)
