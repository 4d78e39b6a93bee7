"""Strict DER, both directions (ITU-T X.690 §8, §10, §11): exactly one byte string for each value.

Only what CMS needs: tag numbers below 31, definite lengths. Values stay memoryviews of the input, so that
parsing copies nothing, and the parser keeps its own stack: no input makes it recurse. `Cursor` goes through
objects that are too large to be held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, TypeAlias

from dicompack.errors import FormatError

Buffer: TypeAlias = bytes | memoryview

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_DEPTH: Final = 24
"""CMS with a certificate inside needs 15 levels."""
MAX_ELEMENTS: Final = 16_384
"""256 recipients need 4 400; the bound keeps a hostile object from costing memory."""
MAX_LENGTH_OCTETS: Final = 6
"""256 TiB, more than any object can have."""
MAX_HEADER: Final = 2 + MAX_LENGTH_OCTETS
"""Bytes of the longest header."""
MAX_TAKEN: Final = 1 << 20
"""Bytes of an element that `Cursor.take` holds: 256 recipients of the largest kind need 320 KiB."""

_CONSTRUCTED: Final = 0x20
_CLASS: Final = 0xC0


@dataclass(frozen=True)
class Element:
    """One tag, length and value as it stands in the input."""

    tag: int
    """The identifier octet, with class and constructed bit."""
    start: int
    """Offset of the identifier octet in the whole input, in bytes."""
    raw: memoryview
    """Header and value."""
    content: memoryview
    """The value alone."""
    children: tuple[Element, ...]
    """Empty for primitive elements."""

    @property
    def end(self) -> int:
        """Offset of the first byte after the element."""
        return self.start + len(self.raw)


# -------------------------------------------------------------------------------------------- marshal


def header(tag: int, length: int) -> bytes:
    """Identifier and length octets for a value of ``length`` bytes."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def encode(tag: int, *parts: Buffer) -> bytes:
    """One element whose value is ``parts`` one after the other."""
    return b"".join((header(tag, sum(map(len, parts))), *parts))


def sequence(*parts: Buffer) -> bytes:
    """SEQUENCE of encoded elements, in this order."""
    return encode(SEQUENCE, *parts)


def set_of(parts: Iterable[Buffer], tag: int = SET) -> bytes:
    """SET OF encoded elements in ascending order (X.690 §11.6)."""
    return encode(tag, *sorted(bytes(part) for part in parts))


def integer(value: int) -> bytes:
    """INTEGER in the fewest octets, two's complement."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return encode(INTEGER, value.to_bytes(size, "big", signed=True))


def octet_string(value: Buffer) -> bytes:
    """OCTET STRING, primitive."""
    return encode(OCTET_STRING, value)


def bit_string(value: Buffer) -> bytes:
    """BIT STRING of whole octets."""
    return encode(BIT_STRING, b"\0", value)


def null() -> bytes:
    """NULL."""
    return encode(NULL)


def object_identifier(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, b"".join(_base_128(arc) for arc in (first * 40 + second, *rest)))


def explicit(number: int, value: Buffer) -> bytes:
    """Context tag around an encoded element."""
    return encode(0xA0 | number, value)


def _base_128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))


def marshal(element: Element) -> bytes:
    """Encode anew, from tags and primitive values alone; gives the bytes that the element was parsed from."""
    pieces: list[bytes] = []
    lengths: list[int] = []
    pending: list[tuple[Element, bool]] = [(element, False)]
    # Backwards, so that the length of every value is known before its header is made.
    while pending:
        item, done = pending.pop()
        if not item.tag & _CONSTRUCTED:
            body = len(item.content)
            pieces.append(bytes(item.content))
        elif done:
            body = sum(lengths.pop() for _ in item.children)
        else:
            pending.append((item, True))
            pending.extend((child, False) for child in item.children)
            continue
        head = header(item.tag, body)
        pieces.append(head)
        lengths.append(body + len(head))
    return b"".join(reversed(pieces))


# -------------------------------------------------------------------------------------------- parse


def parse(data: Buffer, expected: int | None = None, base: int = 0) -> Element:
    """The one element that ``data`` consists of; it has the tag ``expected`` if one is given.

    Offsets, in elements and in errors, count from ``base`` bytes before ``data``.

    Raises:
        FormatError: not DER, another tag, beyond `MAX_DEPTH` or `MAX_ELEMENTS`, or bytes after the end.
    """
    view = memoryview(data).cast("B") if isinstance(data, memoryview) else memoryview(data)
    tag, head, length = read_header(view, 0, base)
    if expected is not None and tag != expected:  # DER-5
        raise _error(f"does not begin with tag {expected:02x}", base, rule="DER-5")
    if head + length != len(view):
        raise _error("bytes after the end of the object", base + head + length, rule="DER-3")  # DER-3
    # Each frame: tag, start, end of header, end of value, children so far.
    stack: list[tuple[int, int, int, int, list[Element]]] = [(tag, 0, head, len(view), [])]
    position, count = head, 1
    while True:
        tag, start, head, end, children = stack[-1]
        if tag & _CONSTRUCTED and position < end:
            if len(stack) >= MAX_DEPTH:  # DER-6
                raise _error(f"more than {MAX_DEPTH} levels deep", base + position, rule="DER-6")
            count += 1
            if count > MAX_ELEMENTS:  # DER-6
                raise _error(f"more than {MAX_ELEMENTS} elements", base + position, rule="DER-6")
            child_tag, child_head, length = read_header(view[:end], position, base)
            stack.append((child_tag, position, child_head, child_head + length, []))
            position = child_head
            continue
        stack.pop()
        content = view[head:end]
        if not tag & _CONSTRUCTED:
            _check_primitive(tag, content, base + start)
        element = Element(tag, base + start, view[start:end], content, tuple(children))
        if not stack:
            return element
        stack[-1][4].append(element)
        position = end


def read_header(view: memoryview, start: int, base: int = 0, size: int | None = None) -> tuple[int, int, int]:
    """Tag, offset of the value and length of the value of the element at ``start``.

    ``view`` may be the beginning of something of ``size`` bytes.

    Raises:
        FormatError: not a header in DER, or the value ends after the end of ``view``, or of ``size``.
    """
    where = base + start
    if start + 2 > len(view):
        raise _error("ends within a header", where, rule="DER-3")  # DER-3
    tag, length = view[start], view[start + 1]
    _check_tag(tag, where)
    head = start + 2
    if length >= 0x80:
        octets = length & 0x7F
        if octets == 0:  # DER-1
            raise _error("indefinite length", where, rule="DER-1")
        if octets > MAX_LENGTH_OCTETS:  # DER-1
            raise _error(f"length of more than {MAX_LENGTH_OCTETS} octets", where, rule="DER-1")
        if head + octets > len(view):
            raise _error("ends within a header", where, rule="DER-3")
        length = int.from_bytes(view[head : head + octets], "big")
        if length < 0x80 or length.bit_length() <= 8 * (octets - 1):  # DER-1
            raise _error("length not in its shortest form", where, rule="DER-1")
        head += octets
    if head + length > (len(view) if size is None else size):  # DER-3
        raise _error("value is longer than what holds it", where, rule="DER-3")
    return tag, head, length


def _check_tag(tag: int, start: int) -> None:
    if tag & 0x1F == 0x1F or tag == 0:  # DER-2
        raise _error("tag that no structure of this format uses", start, rule="DER-2")
    universal = not tag & _CLASS
    constructed = bool(tag & _CONSTRUCTED)
    if universal and constructed != (tag | _CONSTRUCTED in (SEQUENCE, SET)):  # DER-2
        raise _error("primitive type in constructed form, or the reverse", start, rule="DER-2")


def _check_primitive(tag: int, content: memoryview, start: int) -> None:
    if tag == INTEGER:  # DER-4
        padded = len(content) > 1 and content[0] == (0xFF if content[1] & 0x80 else 0x00)
        valid = len(content) > 0 and not padded
    elif tag == BOOLEAN:
        valid = len(content) == 1 and content[0] in (0x00, 0xFF)
    elif tag == NULL:
        valid = len(content) == 0
    elif tag == OBJECT_IDENTIFIER:
        # Every arc starts with something other than 0x80, and the last octet ends one.
        starts = [True, *(octet < 0x80 for octet in content[:-1])]
        valid = len(content) > 0 and content[-1] < 0x80
        valid = valid and not any(
            first and octet == 0x80 for first, octet in zip(starts, content, strict=True)
        )
    elif tag == BIT_STRING:
        unused = content[0] if content else 8
        valid = unused == 0 or (unused < 8 and len(content) > 1 and not content[-1] & ((1 << unused) - 1))
    else:
        valid = True
    if not valid:
        raise _error("value not in its only permitted form", start, rule="DER-4")


def object_length(data: Buffer) -> int:
    """Length in bytes of the element at the start of ``data``, header included.

    Raises:
        FormatError: ``data`` does not start with a whole element.
    """
    _, head, length = read_header(memoryview(data), 0)
    return head + length


class Fields:
    """The children of one constructed element, taken one by one in the order of the ASN.1 module."""

    def __init__(self, element: Element) -> None:
        self._parent = element
        self._next = 0

    def take(self, tag: int) -> Element:
        """The next child.

        Raises:
            FormatError: there is none, or it has another tag.
        """
        element = self.take_optional(tag)
        if element is None:  # DER-5
            raise _error(
                f"no element with tag {tag:02x} where one must stand", self._parent.start, rule="DER-5"
            )
        return element

    def take_optional(self, tag: int) -> Element | None:
        """The next child if it has this tag."""
        children = self._parent.children
        if self._next < len(children) and children[self._next].tag == tag:
            self._next += 1
            return children[self._next - 1]
        return None

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            FormatError: an element that does not belong here.
        """
        if self._next < len(self._parent.children):  # DER-5
            raise _error(
                "element that does not belong here", self._parent.children[self._next].start, rule="DER-5"
            )


class Source(Protocol):
    """Where an object lies that is too large to be held: a file, or memory."""

    size: int
    """Bytes."""

    def read_at(self, offset: int, size: int, /) -> Buffer:
        """``size`` bytes from ``offset``; fewer only at the end."""


class InMemory:
    """An object that is held."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def read_at(self, offset: int, size: int) -> memoryview:
        """A part, not copied."""
        return self._view[offset : offset + size]


class Cursor:
    """Goes through an object from left to right and holds only what is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ends = [source.size]
        self.position = 0
        """Offset of the next element."""

    def enter(self, tag: int) -> None:
        """Go into the next element, which is constructed.

        Raises:
            FormatError: there is none, or it has another tag.
        """
        head, length = self._header(tag)
        self._ends.append(head + length)
        self.position = head

    def take(self, tag: int) -> Element:
        """The next element, whole.

        Raises:
            FormatError: there is none, it has another tag, is not DER, or is larger than `MAX_TAKEN`.
        """
        start = self.position
        offset, length = self.skip(tag)
        if offset + length - start > MAX_TAKEN:  # DER-6
            raise _error(f"an element of more than {MAX_TAKEN} bytes", start, rule="DER-6")
        return parse(self._source.read_at(start, offset + length - start), base=start)

    def skip(self, tag: int) -> tuple[int, int]:
        """Offset and length of the next element's value, unread.

        Raises:
            FormatError: there is none, or it has another tag.
        """
        head, length = self._header(tag)
        self.position = head + length
        return head, length

    def leave(self) -> None:
        """Go out of the element that was entered last, which is used up.

        Raises:
            FormatError: it is not.
        """
        if self.position < self._ends.pop():  # DER-5
            raise _error("element that does not belong here", self.position, rule="DER-5")

    def end(self) -> None:
        """Check that the object ends here.

        Raises:
            FormatError: it does not.
        """
        if self.position < self._ends[0]:  # DER-3
            raise _error("bytes after the end of the object", self.position, rule="DER-3")

    def _header(self, tag: int) -> tuple[int, int]:
        start, size = self.position, self._ends[-1] - self.position
        if not size and len(self._ends) > 1:  # DER-5
            raise _error(f"no element with tag {tag:02x} where one must stand", start, rule="DER-5")
        view = memoryview(self._source.read_at(start, min(size, MAX_HEADER)))
        found, head, length = read_header(view, 0, start, size)
        if found != tag:  # DER-5
            raise _error(f"no element with tag {tag:02x} where one must stand", start, rule="DER-5")
        return start + head, length


def members_of(element: Element) -> tuple[Element, ...]:
    """The members of a SET OF, which stand in ascending order, each once.

    Raises:
        FormatError: unsorted, or one twice.
    """
    raw = [bytes(child.raw) for child in element.children]
    if any(one >= other for one, other in pairwise(raw)):  # DER-7
        raise _error("members of a SET OF not in ascending order", element.start, rule="DER-7")
    return element.children


def small_integer(element: Element) -> int:
    """The value of an INTEGER of at most 8 octets.

    Raises:
        FormatError: longer.
    """
    if len(element.content) > 8:  # DER-4
        raise _error("integer out of range", element.start, rule="DER-4")
    return int.from_bytes(element.content, "big", signed=True)


def _error(message: str, offset: int, *, rule: str) -> FormatError:
    return FormatError(message, where=f"offset {offset}", rule=rule)
