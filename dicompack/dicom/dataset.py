"""The data set in memory: what the walk makes of bytes and what the encoding writes.

A `DataSet` holds its Data Elements in ascending tag order. Values are the bytes of the Value Field in little
endian byte order, whatever the Transfer Syntax they came from; nothing is decoded until somebody asks, so a
value that nobody touches leaves as it came. Nodes are immutable: to change a data set is to make another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar, dataclass_transform

Buffer: TypeAlias = bytes | memoryview


class Stored(Protocol):
    """Bytes that were put aside because there are too many of them; they are read when they are needed."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self) -> bytes:
        """Get them."""


Piece: TypeAlias = Buffer | Stored
Class = TypeVar("Class")

# Padding that carries no meaning at the end of a string value (PS3.5 §6.2).
_TRAILING_PAD = b" \0"


@dataclass_transform(frozen_default=True)
def _node(kind: type[Class]) -> type[Class]:
    """A frozen dataclass, for type checkers: to enforce it at run time takes two thirds of making a node."""
    return dataclass(slots=True, unsafe_hash=True)(kind)


@_node
class Element:
    """A Data Element with a plain value. `vr` is its Value Representation, ``UN`` where it is not known."""

    tag: int
    vr: str
    value: Buffer


@_node
class Sequence:
    """A Data Element of VR SQ."""

    tag: int
    items: tuple[DataSet, ...]

    @property
    def vr(self) -> str:
        """Always ``SQ``."""
        return "SQ"


@_node
class Encapsulated:
    """Encapsulated Pixel Data (PS3.5 A.4): `fragments[0]` is the Basic Offset Table, which may be empty."""

    tag: int
    vr: str
    fragments: tuple[Piece, ...]


Node: TypeAlias = Element | Sequence | Encapsulated


class DataSet:
    """An ordered set of Data Elements; equal to another if all their nodes are."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        by_tag: dict[int, Node] = {node.tag: node for node in nodes}
        in_order = sorted(by_tag)
        # What was walked, and most of what is made from it, is in order already.
        self._nodes = by_tag if in_order == [*by_tag] else {tag: by_tag[tag] for tag in in_order}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, tag: int) -> bool:
        return tag in self._nodes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataSet) and self._nodes == other._nodes

    __hash__ = None  # type: ignore[assignment]  # holds memoryviews, which need not be hashable

    def get(self, tag: int) -> Node | None:
        """The node of a tag, or None."""
        return self._nodes.get(tag)

    def replacing(self, *nodes: Node) -> DataSet:
        """A copy in which these nodes stand, in place of what had their tags."""
        return DataSet({**self._nodes, **{node.tag: node for node in nodes}}.values())

    def without(self, *tags: int) -> DataSet:
        """A copy that lacks these tags."""
        return DataSet(node for tag, node in self._nodes.items() if tag not in tags)

    def raw(self, tag: int) -> bytes | None:
        """The value of a plain element as it stands, or None where it is absent or is a sequence."""
        node = self._nodes.get(tag)
        return bytes(node.value) if isinstance(node, Element) else None

    def text(self, tag: int) -> str:
        """A value of the default repertoire without its padding; ``""`` where absent or empty.

        For code strings, UIDs, numbers and dates. Bytes outside ASCII come out escaped, so that nothing is
        ever mistaken for something else.
        """
        return (self.raw(tag) or b"").rstrip(_TRAILING_PAD).decode("ascii", "backslashreplace")

    def texts(self, tag: int) -> tuple[str, ...]:
        """The values of a multi-valued element, each without its padding."""
        return tuple(value.strip(" \0") for value in self.text(tag).split("\\"))

    def number(self, tag: int) -> int | None:
        """The first value of a US, UL, SS, SL or IS element; None where absent, empty or not a number."""
        node = self._nodes.get(tag)
        if not isinstance(node, Element) or not len(node.value):
            return None
        width = _WIDTH.get(node.vr)
        if width is None:
            try:
                return int(self.texts(tag)[0])
            except ValueError:
                return None
        if len(node.value) < width:
            return None
        return int.from_bytes(node.value[:width], "little", signed=node.vr in ("SS", "SL"))

    def items(self, tag: int) -> tuple[DataSet, ...]:
        """The items of a sequence; none where it is absent or not a sequence."""
        node = self._nodes.get(tag)
        return node.items if isinstance(node, Sequence) else ()


_WIDTH = {"US": 2, "SS": 2, "UL": 4, "SL": 4}


def bytes_of(piece: Piece) -> Buffer:
    """The bytes, wherever they are."""
    if type(piece) is bytes or type(piece) is memoryview:  # quicker than to look at classes
        return piece
    return piece.read() if not isinstance(piece, bytes | memoryview) else piece


def tag_text(tag: int) -> str:
    """A tag as the standard writes it: ``(0010,0020)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def padded(value: bytes, pad: bytes = b" ") -> bytes:
    """A value of even length (PS3.5 §7.1.1)."""
    return value if len(value) % 2 == 0 else value + pad


def string_element(tag: int, vr: str, text: str) -> Element:
    """An element of a string VR from ASCII text, padded as its VR wants it (PS3.5 §6.2)."""
    return Element(tag, vr, padded(text.encode("ascii"), b"\0" if vr == "UI" else b" "))


def number_element(tag: int, vr: str, *numbers: int) -> Element:
    """An element of VR US, UL, SS or SL."""
    signed = vr in ("SS", "SL")
    return Element(
        tag, vr, b"".join(number.to_bytes(_WIDTH[vr], "little", signed=signed) for number in numbers)
    )
