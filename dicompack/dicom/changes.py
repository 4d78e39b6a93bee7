"""Before and after, attribute by attribute: what became of each element of a source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Node, Sequence, bytes_of

ACTIONS = ("removed", "emptied", "replaced", "cleaned", "added", "kept", "empty")
"""What can happen to an attribute, what is lost first; ``empty`` was so, and stays so."""

_PAD = b" \0"
_TEXT_VRS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
# The texts in which a part may have been cut out.
_FREE_TEXT_VRS = frozenset("LO LT PN SH ST UC UT".split())
_SHOWN = 64  # characters of a value that a person is shown
_REMEMBERED_TAGS = 8192


@dataclass(frozen=True, slots=True)
class Change:
    """One element at one place, or an item's element."""

    tag: int
    vr: str
    creator: str
    """Private Creator of a private element."""
    action: str
    before: bytes
    """Digest of the value; empty where there is none."""
    after: bytes
    shown_before: str
    shown_after: str


def changes(source: DataSet, result: DataSet) -> Iterator[Change]:
    """Every element of both, at every level; a sequence that is gone is one element."""
    after = {node.tag: node for node in result}
    for node in source:
        other = after.pop(node.tag, None)
        if isinstance(node, Sequence) and isinstance(other, Sequence) and len(node.items) == len(other.items):
            yield _change(node, other, source, "kept")
            for item, new_item in zip(node.items, other.items, strict=True):
                yield from changes(item, new_item)
        else:
            yield _change(node, other, source, _action(node, other))
    for node in after.values():
        yield _change(None, node, result, "added")


def _action(before: Node, after: Node | None) -> str:
    if after is None:
        return "removed"
    old, new = _value(before), _value(after)
    if old == new and type(before) is type(after):
        return "kept" if old else "empty"
    if not new:
        return "emptied"
    is_text = isinstance(before, Element) and before.vr in _FREE_TEXT_VRS
    return "cleaned" if is_text and _is_cut(old, new) else "replaced"


def _is_cut(old: bytes, new: bytes) -> bool:
    """Whether every word that is left stood there before."""
    words = old.split()
    return any(len(word) > 1 for word in new.split()) and all(word in words for word in new.split())


def _change(before: Node | None, after: Node | None, parent: DataSet, action: str) -> Change:
    node = before or after
    assert node is not None
    return Change(
        node.tag,
        node.vr,
        _creator(node.tag, parent),
        action,
        _digest(before),
        _digest(after),
        _shown(before),
        _shown(after),
    )


def _value(node: Node) -> bytes:
    if isinstance(node, Element):
        value = bytes(node.value)
        return value.rstrip(_PAD) if node.vr in _TEXT_VRS else value
    parts = map(bytes_of, node.fragments) if isinstance(node, Encapsulated) else map(repr_of, node.items)
    return b"".join(hashlib.blake2b(part, digest_size=16).digest() for part in parts)


def repr_of(data_set: DataSet) -> bytes:
    """Something that is the same for equal data sets, and for no others."""
    parts = [b"%08x%b%d:%b" % (node.tag, node.vr.encode(), len(v := _value(node)), v) for node in data_set]
    return b"".join(parts)


def _digest(node: Node | None) -> bytes:
    value = _value(node) if node is not None else b""
    return hashlib.blake2b(value, digest_size=8).digest() if value else b""


def _shown(node: Node | None) -> str:
    if node is None:
        return ""
    if isinstance(node, Sequence):
        return f"{len(node.items)} items"
    if isinstance(node, Encapsulated):
        return f"{len(node.fragments) - 1} fragments"
    if node.vr not in _TEXT_VRS:
        return f"{len(node.value)} bytes"
    return _value(node)[: 4 * _SHOWN].decode("utf-8", "backslashreplace")[:_SHOWN]


def _creator(tag: int, parent: DataSet) -> str:
    if not tag >> 16 & 1 or tag & 0xFFFF < 0x1000:
        return ""
    return parent.text(tag & 0xFFFF0000 | (tag >> 8 & 0xFF))


@lru_cache(_REMEMBERED_TAGS)
def attribute_name(tag: int) -> str:
    """The keyword of a public tag (PS3.6); ``""`` for one that the data dictionary does not know."""
    from pydicom.datadict import keyword_for_tag

    if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return "PrivateCreator"
    return keyword_for_tag(tag)
