"""Frozen dataclasses as JSON and back, by their own type hints: for records that only this program reads.

What comes back is checked against the hints, so a record of another version is refused and never misread.
"""

from __future__ import annotations

import base64
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def plain(value: object) -> Any:
    """The value as JSON can say it: the same for equal values, in whatever order their sets are."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, frozenset | set):
        return sorted((plain(one) for one in value), key=repr)
    if isinstance(value, Mapping):
        return sorted([plain(key), plain(one)] for key, one in value.items())  # keys are of one kind
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"no plain form: {type(value).__name__}")


def value_of(kind: type[Value], found: Any) -> Value:
    """The reverse of `plain` for a dataclass.

    Raises:
        ValueError: it is none of this kind.
    """
    value: Value = _value(kind, found)
    return value


def _value(kind: Any, found: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return None if found is None else _value(inner, found)
    if kind in (bool, int):
        return _checked(found, kind)
    if kind is str:
        return _checked(found, str).encode("latin-1").decode("utf-8", "surrogateescape")
    if kind is bytes:
        return base64.b64decode(_checked(found, str), validate=True)
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return tuple(_value(arguments[0], one) for one in _checked(found, list))
    if origin is tuple:
        pairs = zip(arguments, _checked(found, list), strict=True)
        return tuple(_value(one, part) for one, part in pairs)
    if origin is frozenset:
        return frozenset(_value(arguments[0], one) for one in _checked(found, list))
    if origin is Mapping:
        return {_value(arguments[0], key): _value(arguments[1], one) for key, one in _checked(found, list)}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        if set(_checked(found, dict)) != {field.name for field in fields(kind)}:
            raise ValueError("other fields")
        built: Any = kind
        return built(**{name: _value(hints[name], one) for name, one in found.items()})
    raise ValueError(f"no kind of value: {kind}")


def _checked(found: Any, kind: type[Value]) -> Value:
    if type(found) is not kind:
        raise ValueError(f"{type(found).__name__} in place of {kind.__name__}")
    return found
