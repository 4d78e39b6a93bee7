"""Text from outside made harmless for what shows it: terminals and spreadsheets."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Sequence

# Categories of characters that draw something of their own; all others are shown by their code.
_VISIBLE = frozenset("LMNPS")
_FORMULA = tuple("=+-@")
"""What makes a spreadsheet compute a cell, or fetch something for it."""
_QUOTE = "'"
"""Before the text of a cell: it is text."""


def escaped(text: str) -> str:
    """Text that a terminal shows as it is: characters that are neither visible nor a blank are escaped.

    These are control characters (C0, C1), line and paragraph separators, format characters, among them those
    that turn the reading direction, surrogates of undecodable bytes, private and unassigned code points.
    """
    # CLI-5
    if text.isascii() and text.isprintable():  # of a hundred thousand cells nearly all
        return text
    return "".join(character if _is_plain(character) else _code(character) for character in text)


def csv_table(rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file in UTF-8 with LF at line ends: one line for each row, and no cell is a formula."""
    # CLI-35
    import csv

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_cell(str(value)) for value in row] for row in rows)
    return text.getvalue().encode("utf-8")


def _cell(text: str) -> str:
    shown = escaped(text)
    return _QUOTE + shown if shown.startswith((*_FORMULA, _QUOTE)) else shown


def _is_plain(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] in _VISIBLE


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
