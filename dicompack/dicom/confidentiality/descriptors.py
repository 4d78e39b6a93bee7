# ruff: noqa: RUF001  # letters of other alphabets are meant
"""Clean Descriptors (PS3.15 E.3.5): free text without the words that identify people, places and times."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from dicompack.dicom.confidentiality.character_sets import Text
from dicompack.dicom.confidentiality.shapes import code_shapes_in, shapes_in
from dicompack.dicom.confidentiality.vocabulary import PARTICLES, Vocabulary, readings
from dicompack.dicom.confidentiality.words import UNSPACED, Run, folded, humps, runs, span_in
from dicompack.dicom.dataset import Element, padded

__all__ = ["Cleaned", "Vocabulary", "cleaned"]

Span = tuple[int, int]

_SINGLE_VALUED: Final = frozenset("LT ST UT".split())
_MULTI_VALUED: Final = frozenset("CS LO SH UC".split())

# DEI-48: more is no descriptor, and takes seconds.
_MAX_SIZE: Final = 1 << 20
_ALLOWED_CONTROLS: Final = "\t\n\f\r"
# Cannot be judged: controls, surrogates, private use, unassigned.
_UNJUDGEABLE: Final = frozenset(("Cc", "Cs", "Co", "Cn"))

_SEPARATORS: Final = " \t\r\n\f,;:/^_|-"
_NO_LINE_ENDS: Final = {ord("\r"): None, ord("\n"): None}
_BRACKETS: Final = {"(": ")", "[": "]", "{": "}", "<": ">", '"': '"', "'": "'"}
_APOSTROPHES: Final = "'’ʼ`´"
# Runs of one name or number stand at most this far apart: "Smith, J." and "12 - 34".
_MAX_GAP: Final = 3
# Digits with blanks between them are a list of numbers, unless they are many.
_MIN_WITH_BLANKS: Final = 6
_MIN_POSSESSIVE: Final = 5
_MAX_RUNS: Final = 12
_MAX_ENDING: Final = 3


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An element after cleaning, None where it cannot be judged; and how many passages were cut out of it."""

    element: Element | None
    cut: int


def cleaned(
    element: Element, vocabulary: Vocabulary, character_set: tuple[str, ...], *, is_code: bool = False
) -> Cleaned:
    """An element of VR CS, LO, LT, SH, ST, UC or UT without what identifies, untouched if nothing does.

    Characters are only ever taken away. A value of which nothing remains is empty, not absent.
    `character_set` has the values of Specific Character Set (0008,0005) that hold for the element. In a code,
    its meaning or a version (`is_code`) numbers stay; only dates, UIDs, addresses and titles go by shape.
    """
    value = bytes(element.value).rstrip(b" \0")
    if element.vr not in _SINGLE_VALUED | _MULTI_VALUED or len(value) > _MAX_SIZE:  # DEI-48
        return Cleaned(None, 0)
    try:
        text = Text(value, character_set)
        spans = _spans(text.text, vocabulary, element.vr in _MULTI_VALUED, is_code=is_code)
        if spans is None:
            return Cleaned(None, 0)
        if not spans:
            is_safe = _is_safe_in_any_set(value, vocabulary, character_set)
            return Cleaned(element if is_safe else None, 0)
        keep = bytearray(b"\1") * len(text.text)
        for start, end in spans:
            keep[start:end] = bytes(end - start)
        rest = text.encoded(lambda position: bool(keep[position]))
    except UnicodeError:  # DEI-48
        return Cleaned(None, 0)
    if not _is_safe_in_any_set(rest, vocabulary, character_set):
        return Cleaned(None, 0)
    return Cleaned(Element(element.tag, element.vr, padded(rest)), len(spans))


def _is_safe_in_any_set(value: bytes, vocabulary: Vocabulary, character_set: tuple[str, ...]) -> bool:
    """DEI-48: whether nothing is left to cut where the header lies about its character set."""
    others = islice(readings(value, character_set), 1, None)
    return not any(_spans(text, vocabulary, is_multi_valued=True, is_code=True) for text in others)


def cut_out(text: str, vocabulary: Vocabulary) -> tuple[str, int] | None:
    """The same for one decoded value: the rest and the number of cuts; None if it cannot be judged."""
    spans = _spans(text, vocabulary, is_multi_valued=False)
    if spans is None:
        return None
    kept, position = [], 0
    for start, end in spans:
        kept.append(text[position:start])
        position = end
    return "".join((*kept, text[position:])), len(spans)


def _spans(
    text: str, vocabulary: Vocabulary, is_multi_valued: bool, *, is_code: bool = False
) -> list[Span] | None:
    """What has to go, in order, value by value; None where a character cannot be judged."""
    if not (text.isascii() and text.isprintable()) and any(_is_unjudgeable(character) for character in text):
        return None  # DEI-48
    spans: list[Span] = []
    start = 0
    for value in text.split("\\") if is_multi_valued else (text,):
        spans += ((start + first, start + last) for first, last in _value_spans(value, vocabulary, is_code))
        start += len(value) + 1
    return spans


def _is_unjudgeable(character: str) -> bool:
    return (
        unicodedata.category(character) in _UNJUDGEABLE and character not in _ALLOWED_CONTROLS
    ) or character == "\ufffd"


def _value_spans(text: str, vocabulary: Vocabulary, is_code: bool) -> list[Span]:
    """The cuts in one value: invisible characters first, since they may stand within a name."""
    if hidden := [] if text.isascii() else _invisible(text):
        gone = set(hidden)
        positions = [i for i in range(len(text)) if i not in gone]
        for start, end in _value_spans("".join(text[i] for i in positions), vocabulary, is_code):
            gone.update(positions[start:end])
        return _merged((i, i + 1) for i in gone)
    known: Iterable[Span] = _known(text, vocabulary)
    if is_code:
        known = (span for span in known if not text[slice(*span)].isdigit())
    found = [*known, *(code_shapes_in if is_code else shapes_in)(text)]
    return _tidy(text, _merged(found))


def _invisible(text: str) -> list[int]:
    return [i for i, character in enumerate(text) if unicodedata.category(character) == "Cf"]


def _known(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """DEI-45: words of the header."""
    found = runs(text)
    longest = max(map(len, vocabulary.joined), default=0)
    for number, run in enumerate(found):
        if _is_word(text, run, vocabulary):
            yield _with_particles(text, run)
        else:
            for part in humps(text, run):
                if _is_word(text, part, vocabulary):
                    yield part.start, part.end
        if (end := _joined_end(text, found[number : number + _MAX_RUNS], vocabulary, longest)) is not None:
            yield run.start, end
    if vocabulary.within and UNSPACED.search(text):
        yield from _within(text, vocabulary)


def _is_word(text: str, run: Run, vocabulary: Vocabulary) -> bool:
    key, words = run.key, vocabulary.words
    if key in words:
        # A surname of two letters begins with a capital; "an" and "do" are words.
        return run.end - run.start > 2 or not text[run.start : run.end].islower()
    if len(key) >= _MIN_POSSESSIVE and key.endswith("s") and key[:-1] in words:
        return True
    return any(key[: len(key) - ending] in vocabulary.stems for ending in range(_MAX_ENDING + 1))


def _joined_end(text: str, found: list[Run], vocabulary: Vocabulary, longest: int) -> int | None:
    """Where the longest name or number ends that begins with the first run."""
    key, has_blanks, end = "", False, None
    for number, run in enumerate(found):
        if number:
            gap = text[found[number - 1].end : run.start]
            if len(gap) > _MAX_GAP or "\n" in gap:
                break
            has_blanks = has_blanks or (" " in gap)
        key += run.key
        if len(key) > longest + _MIN_WITH_BLANKS:
            break
        if (key in vocabulary.joined or key.lstrip("0") in vocabulary.joined) and not (
            has_blanks and key.isdigit() and len(key) < _MIN_WITH_BLANKS
        ):
            end = run.end
    return end


def _within(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    plain, positions = folded(text)
    for name in vocabulary.within:
        start = plain.find(name)
        while start >= 0:
            yield span_in(text, positions, start, start + len(name))
            start = plain.find(name, start + 1)


_BEFORE: Final = re.compile(r"([^\W\d_]+)(?:[ \t]+|['’])$")
# No particle is longer.
_LOOK_BACK: Final = 12


def _with_particles(text: str, run: Run) -> Span:
    """A name with the "van der", the "O'" before it and the "'s" after it."""
    start, end = run.start, run.end
    while match := _BEFORE.search(text[max(0, start - _LOOK_BACK) : start]):
        is_elided = match[0][-1] in _APOSTROPHES and len(match[1]) == 1
        if not is_elided and folded(match[1])[0] not in PARTICLES:
            break
        start -= len(match[0])
    rest = text[end : end + 3]
    if rest[:1] in tuple(_APOSTROPHES) and rest[1:2] in ("s", "S") and not rest[2:3].isalnum():
        end += 2
    return start, end


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _tidy(text: str, spans: list[Span]) -> list[Span]:
    """Take along the brackets and separators that would be left without anything to hold or to separate."""
    tidied: list[Span] = []
    for start, end in spans:
        while start and end < len(text) and _BRACKETS.get(text[start - 1]) == text[end]:
            start, end = start - 1, end + 1
        if tidied and not text[tidied[-1][1] : start].strip(_SEPARATORS):
            start = tidied.pop()[0]  # nothing but separators between two cuts
        tidied.append((start, max(start, end)))
    return [_with_separators(text, *span) for span in tidied]


def _with_separators(text: str, start: int, end: int) -> Span:
    rest, before = text[end:], text[:start]
    trailing = len(rest) - len(rest.lstrip(_SEPARATORS))
    if trailing == len(rest):  # at the end
        return len(before.rstrip(_SEPARATORS)), len(text)
    if not before.strip(_SEPARATORS):  # at the beginning
        return 0, end + trailing
    if text[start - 1] in _SEPARATORS:
        return start, end + len(rest) - len(rest.lstrip(_SEPARATORS.translate(_NO_LINE_ENDS)))
    return start, end
