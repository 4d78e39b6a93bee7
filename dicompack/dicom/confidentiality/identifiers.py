"""DEI-19: who the patient is, said again where the table does not look for it.

What the header itself tells of people, numbers and dates is removed from the free text of attributes that
stay. This is no cleaning of descriptors (PS3.15 E.3.6), which is an option of its own: it knows only what
this instance says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Final, TypeAlias

from dicompack.dicom.confidentiality.dates_of_header import Date, dates_of, says_one_of
from dicompack.dicom.confidentiality.defined_terms import IMAGE_TYPE, is_defined_term, is_of_structure
from dicompack.dicom.confidentiality.vocabulary import DEVICES, IDENTIFIERS, KANA, PARTICLES, TITLES, readings
from dicompack.dicom.confidentiality.words import UNSPACED, folded_text, is_medical
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from dicompack.errors import SuspectError

_CHARACTER_SET: Final = 0x00080005
# Patient's Name, Birth Name, Other Names, Mother's Birth Name, Referring Physician's Name.
_PERSON_NAMES: Final = frozenset((0x00100010, 0x00101005, 0x00101001, 0x00101060, 0x00080090))
# Patient ID, Other Patient IDs, Accession Number, Study ID.
_OWN_NUMBERS: Final = frozenset((0x00100020, 0x00101000, 0x00080050, 0x00200010))
_PERSON_CODES: Final = 0x00401101
_CODE_VALUE, _CODE_MEANING = 0x00080100, 0x00080104
_BIRTH_DATE: Final = 0x00100030
_TEXT: Final = frozenset("CS LO LT SH ST UC UR UT".split())
# A measured value may be a patient's number by chance; binary numbers that are a word are no numbers.
_NUMBERS: Final = frozenset(("DS", "IS"))
# Shorter ones stand in any text by chance. Names may be short, and are compared as whole words.
_MIN_IDENTIFIER: Final = 4
_MIN_OTHER_NUMBER: Final = 5
_MIN_NAME: Final = 3
_MIN_UNSPACED_NAME: Final = 2
_MIN_KANA_NAME: Final = 3
_MIN_WORD_WITHIN: Final = 4
_MIN_JOINED: Final = 5
# More would be no header of a patient, and would make each search slow; to drop some would leave names.
_MAX_WORDS: Final = 1000
# Series have the same people, numbers and dates in each instance.
_REMEMBERED: Final = 64

_WORD: Final = re.compile(r"[^\W_]+")
_ZERO_WIDTH: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_DIGITS: Final = "0123456789"
# As numbers are written in groups; points would make decimal numbers and UIDs of them.
_MARKS: Final = "[-_/ ]?"
_MIN_MARKED: Final = 6
_MIN_MARKED_OF_BOTH: Final = 4
_MIN_DIGITS: Final = 7
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DATE_LIKE: Final = re.compile(r"(?:19|20)\d{6}")
_PERSON_PARTS: Final = 3

_Fact: TypeAlias = tuple[str, bytes, tuple[str, ...]]
"""A kind of value, its bytes, and the character set that they are in."""


class Identifiers:
    """The words that identify the people of an instance, and its dates.

    Args:
        data_set: the instance as it came.
        keeps_dates: whether its dates may stay as they are.
        keeps_devices: whether its devices may be named.

    Raises:
        SuspectError: more words than the header of a patient has (DEI-19).
    """

    def __init__(self, data_set: DataSet, *, keeps_dates: bool = False, keeps_devices: bool = False) -> None:
        facts: set[_Fact] = set()
        dates: set[Date] = set()
        _gather(data_set, data_set.texts(_CHARACTER_SET), 0, facts, dates)
        self._wanted = _wanted(
            frozenset(fact for fact in facts if not (keeps_devices and fact[0] == "device"))
        )
        self._dates = frozenset() if keeps_dates else frozenset(dates)

    def are_in(self, element: Element, character_set: tuple[str, ...]) -> bool:
        """Whether a text has one of the words, in any case and spelling, or one of the dates."""
        if element.vr not in _TEXT or not len(element.value):
            return False
        value = bytes(element.value)
        if element.vr == "CS" and is_of_structure(element.tag):
            values = (one.strip(b" \0") for one in value.split(b"\\"))
            value = b"\\".join(one for one in values if not _is_term(element.tag, one))
        return self._are_in(value, character_set, with_dates=element.vr != "CS")

    def dates_are_in(self, element: Element, character_set: tuple[str, ...]) -> bool:
        """Whether a text says one of the dates (DEI-67)."""
        return bool(self._dates) and any(
            says_one_of(self._dates, folded_text(text))
            for text in readings(bytes(element.value), character_set)
        )

    def without_them(self, element: Element, character_set: tuple[str, ...]) -> Element | None:
        """The element with terms of the standard where a value said one; None where it has no such terms."""
        if element.tag != IMAGE_TYPE:
            return None
        values = []
        for number, value in enumerate(bytes(element.value).split(b"\\")):
            one = Element(element.tag, element.vr, value)
            instead = ("DERIVED", "SECONDARY", "OTHER")[min(number, 2)]
            values.append(instead if self.are_in(one, character_set) else value.decode("ascii").strip(" \0"))
        return string_element(element.tag, element.vr, "\\".join(values))

    def are_within(self, element: Element, character_set: tuple[str, ...]) -> bool:
        """Whether a value of any VR but a decimal number has one of the words, in bytes or in UTF-16."""
        if element.vr in _NUMBERS:
            return False
        value, is_text = bytes(element.value), element.vr in _TEXT
        return self._are_in(value, character_set, with_dates=is_text) or (
            b"\0" in value and self._are_in(value.replace(b"\0", b""), character_set, with_dates=is_text)
        )

    def _are_in(self, value: bytes, character_set: tuple[str, ...], *, with_dates: bool) -> bool:
        texts = {
            *readings(value, character_set),
            *(() if value.isascii() else (value.decode("utf_8", "replace"),)),
        }
        for text in texts:
            visible = _ZERO_WIDTH.sub("", text)
            plain = folded_text(visible)
            if self._wanted.are_in(plain) or (with_dates and self._dates and says_one_of(self._dates, plain)):
                return True
            if _HUMP.search(visible) and self._wanted.are_in(folded_text(_HUMP.sub(" ", visible))):
                return True
        return False


def _is_term(tag: int, value: bytes) -> bool:
    return value.isascii() and is_defined_term(tag, value.decode("ascii"))


def _gather(
    data_set: DataSet, character_set: tuple[str, ...], within: int, facts: set[_Fact], dates: set[Date]
) -> None:
    """What a data set, or an item of the sequence `within`, says of people, numbers and dates."""
    if _CHARACTER_SET in data_set:
        character_set = data_set.texts(_CHARACTER_SET)
    for node in data_set:
        if isinstance(node, Sequence):
            for item in node.items:
                _gather(item, character_set, node.tag, facts, dates)
        elif isinstance(node, Element) and len(node.value):
            tag, vr = node.tag, node.vr
            if vr in ("DA", "DT"):
                dates.update(dates_of(node))
                if tag == _BIRTH_DATE:
                    facts.add(("birth", bytes(node.value), ()))
            elif tag in _PERSON_NAMES:
                facts.add(("patient", bytes(node.value), character_set))
            elif vr == "PN" or (within == _PERSON_CODES and tag == _CODE_MEANING):
                facts.add(("person", bytes(node.value), character_set))
            elif tag in _OWN_NUMBERS:
                facts.add(("own number", bytes(node.value), character_set))
            elif tag in IDENTIFIERS or (within == _PERSON_CODES and tag == _CODE_VALUE):
                facts.add(("number", bytes(node.value), character_set))
            elif tag in DEVICES:
                facts.add(("device", bytes(node.value), character_set))


@dataclass(frozen=True)
class _Wanted:
    """What is looked for in folded text."""

    by_first_word: dict[str, frozenset[str]]
    marked: re.Pattern[str] | None
    """Numbers with marks between their characters."""
    within: frozenset[str]
    """Names in scripts without blanks, wherever they stand."""

    def are_in(self, text: str) -> bool:
        if self.marked and self.marked.search(text):
            return True
        if self.within and not text.isascii() and any(name in text for name in self.within):
            return True
        for first in _WORD.finditer(text):
            run = first[0]
            for word in self.by_first_word.get(run, ()):
                end = first.start() + len(word)
                if text.startswith(word, first.start()) and not text[end : end + 1].isalnum():
                    return True
            bare = run.strip(_DIGITS)  # a login: ``jsmith2``
            if _MIN_WORD_WITHIN <= len(bare) < len(run) and bare in self.by_first_word.get(bare, ()):
                return True
        return False


@lru_cache(_REMEMBERED)
def _wanted(facts: frozenset[_Fact]) -> _Wanted:
    found: set[str] = set()
    marked: set[str] = set()
    within: set[str] = set()
    for kind, value, character_set in facts:
        if kind == "birth":
            born = value.strip(b" \0").decode("ascii", "replace")
            if len(born) == len("YYYYMMDD"):
                found |= {born, f"{born[:4]}-{born[4:6]}-{born[6:]}", f"{born[6:]}.{born[4:6]}.{born[:4]}"}
            continue
        for text in _values(value, character_set):
            if kind in ("patient", "person"):
                for group in text.split("="):  # alphabetic, ideographic, phonetic
                    found.update(_of_name(group, is_patient=kind == "patient"))
                    within.update(map(folded_text, _without_blanks(group)))
            elif kind == "device":
                found.update(_of_device(text.strip()))
            elif number := _number(text.strip(), is_own=kind == "own number"):
                found.add(number)
                marked.update(filter(None, (_in_any_marks(number), _digits_of(number))))
    if len(found) + len(within) > _MAX_WORDS:  # DEI-19
        raise SuspectError("header has more names and numbers than a patient", rule="DEI-19")
    by_first_word: dict[str, set[str]] = {}
    for word in map(folded_text, found):
        if first := _WORD.search(word):
            by_first_word.setdefault(first[0], set()).add(word[first.start() :])
    pattern = rf"(?<![^\W_])0*+(?:{'|'.join(sorted(marked))})(?![^\W_])"
    return _Wanted(
        {first: frozenset(words) for first, words in by_first_word.items()},
        re.compile(pattern) if marked else None,
        frozenset(within),
    )


def _of_device(name: str) -> Iterator[str]:
    """What a device is called, if it has a digit; words alone are those of makers and of modalities."""
    if len(name) >= _MIN_IDENTIFIER and len(set(name)) > 1 and any(map(str.isdigit, name)):
        yield name


def _values(value: bytes, character_set: tuple[str, ...]) -> list[str]:
    return [one for text in readings(value.replace(b"\0", b" "), character_set) for one in text.split("\\")]


def _of_name(group: str, *, is_patient: bool) -> Iterator[str]:
    """The parts of a name, the words within them, and what logins are made of: ``jsmith``, ``SmithJohn``."""
    parts = [part for part in re.split(r"[\^ ,\u3000]+", group)[:_PERSON_PARTS] if part]
    for part in parts:
        if is_patient and len(part) >= (_MIN_UNSPACED_NAME if UNSPACED.search(part) else _MIN_NAME):
            yield part
        yield from _words_within(part)
    keys = [key for part in parts if (key := "".join(_WORD.findall(folded_text(part)))).isalpha()]
    for one, other in permutations((key for key in keys if key not in TITLES | PARTICLES), 2):
        for joined in (one + other, one[0] + other, one + other[0]):
            if len(joined) >= _MIN_JOINED and not is_medical(joined):
                yield joined


def _without_blanks(group: str) -> Iterator[str]:
    """Of ``王^小明`` the given name and both as one, in either order; one character is any word."""
    parts = [part for part in re.split(r"[\^ ,\u3000・･]+", group)[:_PERSON_PARTS] if UNSPACED.search(part)]
    for name in (*parts, *("".join(some) for some in permutations(parts, 2))):
        if len(name) >= (_MIN_KANA_NAME if KANA.fullmatch(name) else _MIN_UNSPACED_NAME):
            yield name


def _words_within(part: str) -> list[str]:
    """The words of ``Hall-Smith`` and ``O'Brian``, and ``OBrian``; one of medicine names nobody by itself.

    A part with digits is the number of a subject (``HEADNECK-01-0024``): its words are those of the study.
    """
    if any(map(str.isdigit, part)):
        return []
    plain = folded_text(part)
    words = re.split(r"[\W_]+", plain)
    words += ["".join(_WORD.findall(one)) for one in {plain, *plain.split("-")} if not one.isalpha()]
    return [
        word
        for word in words
        if len(word) >= _MIN_WORD_WITHIN and not is_medical(word) and word not in TITLES | PARTICLES
    ]


def _number(value: str, *, is_own: bool) -> str | None:
    """A number that is looked for: the patient's own, whatever it is; another where it is one."""
    if is_own:
        return value if len(value) >= _MIN_IDENTIFIER else None
    is_number = any(map(str.isdigit, value)) and sum(map(str.isalnum, value)) >= _MIN_OTHER_NUMBER
    return value if is_number else None


def _digits_of(number: str) -> str | None:
    """A pattern for the digits of ``HX-7719-0342``, which stand together; None for few, or for a date."""
    bare = "".join(filter(str.isalnum, folded_text(number))).lstrip("0")
    digits = bare.strip(_LETTERS)
    if digits == bare or not digits.isdigit() or len(digits) < _MIN_DIGITS or _DATE_LIKE.fullmatch(digits):
        return None
    return _MARKS.join(digits.lstrip("0"))


def _in_any_marks(number: str) -> str | None:
    """A pattern for ``ZX9912847`` that finds ``ZX-991-2847``, without leading zeros; None for short ones."""
    bare = "".join(filter(str.isalnum, folded_text(number))).lstrip("0")
    is_of_both = not bare.isdigit() and not bare.isalpha()
    least = _MIN_MARKED_OF_BOTH if is_of_both else _MIN_MARKED
    return _MARKS.join(map(re.escape, bare)) if len(bare) >= least else None
