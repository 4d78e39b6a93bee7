"""Text in the character sets of DICOM (PS3.5 §6.1): decoded strictly, and encoded back the way it came.

Cleaning only ever takes characters away. So what remains is encoded piece by piece with the escape sequence
and code that the piece came with, and nothing that stays is written in another way than before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

# PS3.3 Tables C.12-2 to C.12-5. ISO_IR 13 and its code extension are single bytes that Shift JIS contains.
_CODECS: Final = {
    **dict.fromkeys(("", "ISO_IR 6", "ISO 2022 IR 6"), "ascii"),
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
# Of these a value's text begins in ASCII, until an escape sequence says otherwise.
_MULTI_BYTE: Final = frozenset(f"ISO 2022 IR {number}" for number in (87, 159, 149, 58))

_ESCAPES: Final = {
    b"\x1b(B": "ascii",
    b"\x1b(J": "shift_jis",
    b"\x1b)I": "shift_jis",
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "tis_620",
    b"\x1b-b": "iso8859_15",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
# Two bytes of seven bits: a byte that looks like a delimiter is none, and Python's codec wants the escape.
_SEVEN_BITS: Final = ("iso2022_jp", "iso2022_jp_2")
_SUPERFLUOUS: Final = re.compile(rb"\x1b\(B(?=\x1b)")

_PIECES: Final = re.compile(rb"(\x1b(?:\$[()].|\$.|[^\x1b$].))([^\x1b]*)|([^\x1b]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of characters of one code, after the escape sequence that selected it, if there was one."""

    escape: bytes
    codec: str
    text: str

    def encoded(self, text: str) -> bytes:
        """A part of the piece; the codecs of seven bits write the escape sequences themselves."""
        if not text:
            return b""
        return (b"" if self.codec in _SEVEN_BITS else self.escape) + text.encode(self.codec)


class Text:
    """The decoded text of a value.

    Raises:
        UnicodeError: bytes that the character set does not have, or a character set that is not known.
    """

    def __init__(
        self, value: bytes, character_set: tuple[str, ...], delimiters: bytes = b"\\\r\n\f\t"
    ) -> None:
        self._decode = partial(_pieces, character_set=character_set, delimiters=delimiters)
        self._pieces = tuple(self._decode(value))
        self.text = "".join(piece.text for piece in self._pieces)

    def encoded(self, keep: Callable[[int], bool]) -> bytes:
        """The characters at the positions that are kept, encoded as they were, else in ASCII.

        Raises:
            UnicodeError: neither gives the wanted text when it is read again.
        """
        position, parts, wanted = 0, [], ""
        for piece in self._pieces:
            text = "".join(character for i, character in enumerate(piece.text, position) if keep(i))
            position += len(piece.text)
            wanted += text
            parts.append(piece.encoded(text))
        for candidate in (_SUPERFLUOUS.sub(b"", b"".join(parts)), wanted.encode("ascii", "ignore")):
            if "".join(piece.text for piece in self._decode(candidate)) == wanted:
                return candidate
        raise UnicodeError("text cannot be written back")


def _pieces(value: bytes, character_set: tuple[str, ...], delimiters: bytes) -> Iterator[_Piece]:
    initial, extended = _codecs(character_set)
    if not extended:
        if b"\x1b" in value:
            raise UnicodeError("escape sequence without code extensions")
        if value:
            yield _Piece(b"", initial, value.decode(initial))
        return
    end = 0
    for match in _PIECES.finditer(value):
        if match.start() != end:
            break
        end = match.end()
        escape, body, plain = match.groups()
        if escape is None:
            yield _Piece(b"", initial, plain.decode(initial))
            continue
        codec = _ESCAPES.get(escape)
        if codec is None:
            raise UnicodeError("unknown escape sequence")
        if codec in _SEVEN_BITS:
            yield _Piece(escape, codec, (escape + body).decode(codec))
            continue
        # A delimiter brings the initial code back (PS3.5 §6.1.2.5.3).
        reset = next((i for i, byte in enumerate(body) if byte in delimiters), len(body))
        yield _Piece(escape, codec, body[:reset].decode(codec))
        if body[reset:]:
            yield _Piece(b"", initial, body[reset:].decode(initial))
    if end != len(value):
        raise UnicodeError("incomplete escape sequence")


@lru_cache(maxsize=64)
def _codecs(character_set: tuple[str, ...]) -> tuple[str, bool]:
    """The codec that a value begins with, and whether escape sequences may change it."""
    terms = [term.strip() for term in character_set] or [""]
    extended = len(terms) > 1 or terms[0].startswith("ISO 2022")
    first = terms[0]
    if first in _MULTI_BYTE:
        return "ascii", True
    codec = _CODECS.get(first.replace("ISO 2022 IR", "ISO_IR"))
    if codec is None:
        raise UnicodeError("unknown character set")
    return codec, extended
