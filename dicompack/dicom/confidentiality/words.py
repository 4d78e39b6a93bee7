# ruff: noqa: RUF001  # letters of other alphabets are meant
"""Words of any script in a form in which spellings of one name are equal, and where they stand in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Final

# Letters that no decomposition takes apart.
_PLAIN: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "a", "œ": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h"}
)
# Umlauts written out, and Danish "aa"; dropped in both spellings, so that both meet.
_WRITTEN_OUT: Final = re.compile(r"([aou])e|aa")
_RUN: Final = re.compile(r"[^\W\d_]+|\d+")
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_HIRAGANA: Final = range(0x3041, 0x3097)
_TO_KATAKANA: Final = 0x60

UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3041-\u30ff\u3130-\u318f"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]"
)
"""Scripts without blanks, or with particles: Thai, Lao, Burmese, Khmer, Korean, Japanese, Chinese."""

_MEDICAL_ENDINGS: Final = tuple(
    "ology ologie ologia itis ektomie ectomy oscopy oskopie graphy graphie grafie gramm gram scan "
    "pathy pathie plasty plastik metry metrie osis ose surgery chirurgie sequence sequenz".split()
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of letters or of digits, as it stands in a text from `start` to `end`."""

    start: int
    end: int
    key: str
    """The form that is compared."""


def folded(text: str) -> tuple[str, list[int]]:
    """A text without case, diacritics and differences of width, and where each character comes from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    characters, positions = [], []
    for position, character in enumerate(text):
        plain = _folded_character(character)
        characters.append(plain)
        positions.extend([position] * len(plain))
    return "".join(characters), positions


def folded_text(text: str) -> str:
    """The folded text alone, as keys are compared; fast enough for large values."""
    return key_of(text.lower() if text.isascii() else text.translate(_FOLDING))


def span_in(text: str, positions: list[int], start: int, end: int) -> tuple[int, int]:
    """Where a part of the folded text stands in the text, marks that were folded away included."""
    last = positions[end - 1] + 1
    return positions[start], max(last, positions[end] if end < len(positions) else len(text))


def key_of(word: str) -> str:
    """The form of a folded word in which ``Müller``, ``Mueller`` and ``MULLER`` are one."""
    return _WRITTEN_OUT.sub(lambda match: match[1] or "a", word)


def runs(text: str) -> list[Run]:
    """The runs of letters and of digits of a text, in order."""
    plain, positions = folded(text)
    found = []
    for match in _RUN.finditer(plain):
        start, end = span_in(text, positions, *match.span())
        found.append(Run(start, end, key_of(match[0])))
    return found


def humps(text: str, run: Run) -> Iterator[Run]:
    """The parts of ``SmithChest`` when a run is written so."""
    written = text[run.start : run.end]
    starts = [0, *(match.start() for match in _HUMP.finditer(written)), len(written)]
    if len(starts) > 2:
        for start, end in pairwise(starts):
            yield Run(run.start + start, run.start + end, key_of(folded(written[start:end])[0]))


@cache
def medical_words() -> frozenset[str]:
    """Keys of words that medicine, protocols and institutions use, and that name nobody by themselves."""
    text = resources.files(__package__).joinpath("medical_words.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(key_of(folded(word)[0]) for line in lines for word in line.split())


def is_medical(word: str) -> bool:
    """Whether a word is one of medicine, as far as a list and common endings tell."""
    plain = folded(word)[0]
    return key_of(plain) in medical_words() or (len(plain) > 6 and plain.endswith(_MEDICAL_ENDINGS))


@lru_cache(maxsize=4096)
def _folded_character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    decomposed = unicodedata.normalize("NFKD", character.casefold().translate(_PLAIN))
    return "".join(
        chr(ord(part) + _TO_KATAKANA) if ord(part) in _HIRAGANA else part
        for part in decomposed.casefold().translate(_PLAIN)
        if not unicodedata.category(part).startswith("M")
    )


class _Folding(dict[int, str]):
    """What `str.translate` looks up, filled as it is asked."""

    def __missing__(self, code: int) -> str:
        return _folded_character(chr(code))


# Latin, Greek and Cyrillic; other characters are looked up in the cache of the function.
_FOLDING: Final = _Folding((code, _folded_character(chr(code))) for code in range(0x500))
