"""A data set in bytes, both directions (PS3.5 §7, Annex A).

`parse` is the byte-accounting walk: every byte of its input is part of exactly one element, or it raises. It
trusts no length, needs no memory beyond the nodes (values are views into the input), and does not recurse
deeper than `MAX_DEPTH`. `marshal` writes one form only: tags ascending, lengths defined, even values. So
what was written by `marshal` comes out of ``marshal(parse(...))`` byte for byte.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dicompack.dicom.dataset import (
    Buffer,
    DataSet,
    Element,
    Encapsulated,
    Node,
    Piece,
    Sequence,
    bytes_of,
    tag_text,
)
from dicompack.dicom.dictionary import LONG_VRS, SHORT_VRS, WORD_BYTES, dictionary_vr
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import FormatError
from dicompack.files import TOUCHES, give_back_now

MAX_DEPTH = 64  # nested sequences; real objects stay below 15, pydicom's recursion fails near 200
_TINY = 64  # bytes of a fragment, up to which a copy takes less memory than a view
MAX_ELEMENTS = 2_000_000  # in one file; the largest real structured reports and RT sets have some 100,000
MAX_SHORT = 0xFFFE  # the longest even value that a 16-bit length can name

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
_PIXEL_REPRESENTATION = 0x00280103
_UNDEFINED = 0xFFFFFFFF
_VR_NAMES = {vr.encode("ascii"): vr for vr in SHORT_VRS | LONG_VRS}
_VR_CODES = {vr: code for code, vr in _VR_NAMES.items()}
_NOT_PLAIN = frozenset(("SQ", "UN"))
# Heads in implicit VR, and in explicit VR with a 16-bit and a 32-bit length; by whether they are big endian.
_HEADS = {
    big: tuple(struct.Struct(order + form) for form in ("HHL", "HH2sH", "HH2sHL"))
    for big, order in ((False, "<"), (True, ">"))
}
_EMPTY = memoryview(b"")
_LARGE = 1 << 12  # bytes; to copy fewer is faster than to pass them on
_LARGEST = 1 << 24  # bytes; what hashes or writes them holds up the other threads for as long


def parse(data: Buffer, syntax: TransferSyntax) -> DataSet:
    """Walk the bytes of a whole data set (not deflated).

    Raises:
        FormatError: the bytes are truncated, overlong, contradictory, unsorted or hold an element twice.
    """
    walk = _Walk(memoryview(data), syntax)
    nodes, end = walk.elements(0, len(data), syntax.implicit, 0, delimited=False, signed=False)
    assert end == len(data)
    return DataSet(nodes)


@dataclass
class _Walk:
    data: memoryview
    syntax: TransferSyntax
    count: int = 0
    words: tuple[struct.Struct, struct.Struct] = field(init=False)

    def __post_init__(self) -> None:
        order = ">" if self.syntax.big_endian else "<"
        self.words = (struct.Struct(order + "HH"), struct.Struct(order + "L"))

    def elements(
        self, at: int, end: int, implicit: bool, depth: int, *, delimited: bool, signed: bool
    ) -> tuple[list[Node], int]:
        """Read elements up to `end`, or up to an Item Delimitation Item; give them and where they stop."""
        nodes: list[Node] = []
        last = -1
        long_word = self.words[1].unpack_from
        implicit_head, explicit_head, _ = (head.unpack_from for head in _HEADS[self.syntax.big_endian])
        data, swaps = self.data, self.syntax.big_endian
        code, length = b"", 0
        while at < end:
            if end - at < 8:
                raise _broken(f"truncated: {end - at} bytes after the last element", "DCM-4", at)
            if implicit:
                group, element, length = implicit_head(data, at)
            else:
                group, element, code, length = explicit_head(data, at)
            tag = group << 16 | element
            if tag == ITEM_END and delimited:
                if long_word(data, at + 4)[0]:
                    raise _broken("a delimiter has a length", "DCM-7", at)  # DCM-7
                return nodes, at + 8
            if tag <= last:  # DCM-5
                how = "stands twice" if tag == last else "is out of order"
                raise _broken(f"element {tag_text(tag)} {how}", "DCM-5", at)
            if group in (0x0000, 0x0002, 0xFFFE, 0xFFFF):  # DCM-12
                raise _broken(f"{tag_text(tag)} has no place in a data set", "DCM-12", at)
            last = tag
            self.count += 1
            if self.count > MAX_ELEMENTS:  # DCM-9
                raise _broken(f"more than {MAX_ELEMENTS} elements", "DCM-9", at)
            if implicit:
                vr = dictionary_vr(tag)
                start = at + 8
            else:
                vr = _VR_NAMES.get(code, "")
                if vr in SHORT_VRS:
                    start = at + 8
                elif vr:
                    if end - at < 12:
                        raise _broken(f"truncated in the head of {tag_text(tag)}", "DCM-4", at)
                    length = long_word(data, at + 8)[0]
                    start = at + 12
                else:
                    raise _broken(f"element {tag_text(tag)} has no known VR", "DCM-6", at)  # DCM-6
            if vr == "US or SS":
                vr = "SS" if signed else "US"
            if length != _UNDEFINED and length > end - start:  # DCM-4
                raise _broken(
                    f"truncated or overlong: {tag_text(tag)} claims {length} bytes, {end - start} are left",
                    "DCM-4", at,
                )  # fmt: skip
            node: Node
            if length == _UNDEFINED or vr in _NOT_PLAIN or tag == PIXEL_DATA or (swaps and vr in WORD_BYTES):
                node, at = self._value(tag, vr, start, end, length, implicit, depth, signed)
            else:  # nearly all of them
                at = start + length
                node = Element(tag, vr, data[start:at] if length else _EMPTY)
            if tag == _PIXEL_REPRESENTATION and isinstance(node, Element):
                signed = bytes(node.value[:1]) == b"\1"
            nodes.append(node)
        if delimited:
            raise _broken("truncated: an item is not closed", "DCM-7", at)
        return nodes, at

    def _value(
        self, tag: int, vr: str, start: int, end: int, length: int, implicit: bool, depth: int, signed: bool
    ) -> tuple[Node, int]:
        if length == _UNDEFINED:
            if tag == PIXEL_DATA and vr in ("OB", "OW"):
                return self._fragments(tag, vr, start, end)
            if vr not in ("SQ", "UN"):
                raise _broken(f"{tag_text(tag)} of VR {vr} has no length", "DCM-4", start)
            # A UN of undefined length holds items in implicit VR, whatever surrounds it (PS3.5 §6.2.2).
            inner = implicit or vr == "UN"
            items, at = self._items(start, end, inner, depth + 1, delimited=True, signed=signed)
            return Sequence(tag, items), at
        at = start + length
        if vr == "SQ":
            items, _ = self._items(start, at, implicit, depth + 1, delimited=False, signed=signed)
            return Sequence(tag, items), at
        if tag == PIXEL_DATA and depth == 0 and self.syntax.encapsulated:
            raise _broken("native Pixel Data in an encapsulated transfer syntax", "DCM-12", start)
        value = self.data[start:at] if length else _EMPTY
        if vr == "UN":
            return self._known(tag, value, depth, signed), at
        if self.syntax.big_endian and vr in WORD_BYTES:
            value = memoryview(swapped(value, WORD_BYTES[vr]))
        return Element(tag, vr, value), at

    def _known(self, tag: int, value: memoryview, depth: int, signed: bool) -> Node:
        """A UN element under the VR that the dictionary has for it, where its bytes allow that.

        In little endian only a sequence needs a second look: its items are in implicit VR (PS3.5 §6.2.2).
        """
        if self.syntax.big_endian:
            return Element(tag, "UN", value)  # nobody knows the width of the numbers in it
        vr = dictionary_vr(tag)
        if vr == "US or SS":
            vr = "SS" if signed else "US"
        if vr != "SQ":
            return Element(tag, vr, value)
        try:
            walk = _Walk(value, TransferSyntax("", implicit=True), self.count)
            items, _ = walk._items(0, len(value), True, depth + 1, delimited=False, signed=signed)
        except FormatError:
            return Element(tag, "UN", value)
        self.count = walk.count
        return Sequence(tag, items)

    def _items(
        self, at: int, end: int, implicit: bool, depth: int, *, delimited: bool, signed: bool
    ) -> tuple[tuple[DataSet, ...], int]:
        if depth > MAX_DEPTH:  # DCM-8
            raise _broken(f"sequences are nested more than {MAX_DEPTH} deep", "DCM-8", at)
        items: list[DataSet] = []
        tag_word, long_word = (word.unpack_from for word in self.words)
        while at < end:
            if end - at < 8:
                raise _broken("truncated in a sequence", "DCM-7", at)
            group, element = tag_word(self.data, at)
            tag, length = group << 16 | element, long_word(self.data, at + 4)[0]
            at += 8
            if tag == SEQUENCE_END and delimited and not length:
                return tuple(items), at
            if tag != ITEM:
                raise _broken(f"{tag_text(tag)} where an item is due", "DCM-7", at - 8)
            self.count += 1
            if self.count > MAX_ELEMENTS:
                raise _broken(f"more than {MAX_ELEMENTS} elements and items", "DCM-9", at)
            if length == _UNDEFINED:
                nodes, at = self.elements(at, end, implicit, depth, delimited=True, signed=signed)
            elif length > end - at:
                raise _broken(f"truncated: an item claims {length} bytes, {end - at} are left", "DCM-7", at)
            else:
                nodes, at = self.elements(at, at + length, implicit, depth, delimited=False, signed=signed)
            items.append(DataSet(nodes))
        if delimited:
            raise _broken("truncated: a sequence is not closed", "DCM-7", at)
        return tuple(items), at

    def _fragments(self, tag: int, vr: str, at: int, end: int) -> tuple[Encapsulated, int]:
        """Encapsulated Pixel Data (PS3.5 A.4): items without data sets, the first is the offset table."""
        if not self.syntax.encapsulated:
            raise _broken("encapsulated Pixel Data in a native transfer syntax", "DCM-12", at)  # DCM-12
        fragments: list[Buffer] = []
        item_head = _HEADS[self.syntax.big_endian][0].unpack_from
        while True:
            if end - at < 8:
                raise _broken("truncated: the fragments of Pixel Data are not closed", "DCM-10", at)  # DCM-10
            group, element, length = item_head(self.data, at)
            mark = group << 16 | element
            at += 8
            if mark == SEQUENCE_END and not length:
                break
            if mark != ITEM or length > end - at:
                raise _broken("truncated or damaged: a fragment of Pixel Data", "DCM-10", at - 8)
            self.count += 1
            if self.count > MAX_ELEMENTS:
                raise _broken(f"more than {MAX_ELEMENTS} elements and fragments", "DCM-9", at)
            fragment = self.data[at : at + length]
            fragments.append(fragment if length > _TINY else bytes(fragment))
            if len(fragments) % TOUCHES == 0:
                give_back_now()
            at += length
        if not fragments:
            raise _broken("Pixel Data lack the offset table item", "DCM-10", at)
        return Encapsulated(tag, vr, tuple(fragments)), at


def marshal(data_set: DataSet, syntax: TransferSyntax) -> list[Piece]:
    """The bytes of a data set (not deflated), in pieces: values are not copied, and those aside not read."""
    pieces: list[Piece] = []
    _write(data_set, syntax, pieces)
    return pieces


def _write(data_set: DataSet, syntax: TransferSyntax, pieces: list[Piece]) -> int:
    """Append the pieces of a data set; return how many bytes they are."""
    total = 0
    for node in data_set:
        if isinstance(node, Element):
            total += _write_element(node, syntax, pieces)
            continue
        mark = len(pieces)
        pieces.append(b"")  # the head: its length is known when the value is written
        if isinstance(node, Sequence):
            size = 0
            for item in node.items:
                item_mark = len(pieces)
                pieces.append(b"")
                length = _write(item, syntax, pieces)
                pieces[item_mark] = _item_header(ITEM, length, syntax)
                size += 8 + length
            pieces[mark] = header(node.tag, "SQ", size, syntax)
        else:
            size = 8
            for fragment in node.fragments:
                even = len(fragment) + len(fragment) % 2
                pieces += [_item_header(ITEM, even, syntax), fragment]
                if even != len(fragment):
                    pieces.append(b"\0")
                size += 8 + even
            pieces.append(_item_header(SEQUENCE_END, 0, syntax))
            pieces[mark] = header(node.tag, node.vr, _UNDEFINED, syntax)
        total += size + len(pieces[mark])
    return total


def _write_element(node: Element, syntax: TransferSyntax, pieces: list[Piece]) -> int:
    value, size = node.value, len(node.value)
    if syntax.big_endian and node.vr in WORD_BYTES:
        value = swapped(value, WORD_BYTES[node.vr])
    return write_value(header(node.tag, written_vr(node), size + size % 2, syntax), node.vr, value, pieces)


def write_value(head: bytes, vr: str, value: Buffer, pieces: list[Piece]) -> int:
    """Append an element with this head, its value made even; return how many bytes it is."""
    size = len(value)
    if size < _LARGE:
        whole = head + value if size % 2 == 0 else b"".join((head, value, pad_byte(vr)))
        pieces.append(whole)
        return len(whole)
    pieces += (head, value, pad_byte(vr)) if size % 2 else (head, value)
    return len(head) + size + size % 2


def written_vr(node: Element) -> str:
    """The VR as explicit VR writes it: UN where 16 bits cannot name the length (PS3.5 §6.2.2)."""
    return "UN" if len(node.value) > MAX_SHORT and node.vr in SHORT_VRS else node.vr


def pad_byte(vr: str) -> bytes:
    """What makes a value of this VR even (PS3.5 §6.2): a space for text, a zero for UIDs and bytes."""
    return b" " if vr in _SPACE_PADDED else b"\0"


_SPACE_PADDED = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT".split())


def header(tag: int, vr: str, length: int, syntax: TransferSyntax) -> bytes:
    """Tag, VR and length of an element as they stand before its value."""
    return _head(tag, vr, length, syntax.big_endian, syntax.implicit)


@functools.lru_cache(maxsize=1 << 14)  # the instances of a series have the same elements, mostly as long
def _head(tag: int, vr: str, length: int, big_endian: bool, implicit_vr: bool) -> bytes:
    implicit, short, long = _HEADS[big_endian]
    if implicit_vr:
        return implicit.pack(tag >> 16, tag & 0xFFFF, length)
    if vr in SHORT_VRS:
        return short.pack(tag >> 16, tag & 0xFFFF, _VR_CODES[vr], length)
    return long.pack(tag >> 16, tag & 0xFFFF, _VR_CODES[vr], 0, length)


def _item_header(tag: int, length: int, syntax: TransferSyntax) -> bytes:
    return _HEADS[syntax.big_endian][0].pack(tag >> 16, tag & 0xFFFF, length)


def swapped(value: Buffer, width: int) -> bytes:
    """The same numbers in the other byte order; bytes after the last whole number stay as they are."""
    whole = len(value) - len(value) % width
    numbers = array({2: "H", 4: "I", 8: "Q"}[width])
    numbers.frombytes(value[:whole])
    numbers.byteswap()
    return numbers.tobytes() + bytes(value[whole:])


def joined(pieces: Iterable[Piece]) -> bytes:
    """All bytes at once."""
    return b"".join(map(bytes_of, pieces))


def gathered(pieces: Iterable[Piece]) -> Iterator[Buffer]:
    """The bytes in other pieces: small ones put together, large ones cut but not copied, those aside read.

    A hash has its price for each piece, and most pieces are heads of eight bytes.
    """
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            small.append(bytes_of(piece))
            continue
        if small:
            yield b"".join(small)
            small.clear()
        whole = bytes_of(piece)
        for start in range(0, len(whole), _LARGEST):
            yield whole[start : start + _LARGEST] if len(whole) > _LARGEST else whole
    if small:
        yield b"".join(small)


def sha256_of(pieces: Iterable[Piece]) -> str:
    """Of all bytes, in hex."""
    digest = hashlib.sha256()
    for piece in gathered(pieces):
        digest.update(piece)
    return digest.hexdigest()


def sizes(pieces: Iterable[Piece]) -> int:
    """Bytes in all."""
    return sum(map(len, pieces))


def plain_values(data_set: DataSet) -> Iterator[Element]:
    """Every plain element at every level."""
    for node in data_set:
        if isinstance(node, Element):
            yield node
        elif isinstance(node, Sequence):
            for item in node.items:
                yield from plain_values(item)


def _broken(message: str, rule: str, offset: int) -> FormatError:
    return FormatError(message, where=f"byte {offset} of the data set", rule=rule)
