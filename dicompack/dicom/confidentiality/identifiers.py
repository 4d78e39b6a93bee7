"""DEI-19: who the patient is, said again where the table does not look for it.

A name that the header itself tells is removed from the free text of attributes that stay. This is no cleaning
of descriptors (PS3.15 E.3.6), which is an option of its own: it knows only what this instance says.
"""

from __future__ import annotations

import re
from typing import Final

from dicompack.dicom.confidentiality.vocabulary import readings
from dicompack.dicom.confidentiality.words import UNSPACED, folded_text, is_medical
from dicompack.dicom.dataset import DataSet, Element
from dicompack.errors import SuspectError

_CHARACTER_SET: Final = 0x00080005
# Patient's Name, Birth Name, Other Names, Mother's Birth Name, Referring Physician's Name.
_PERSON_NAMES: Final = (0x00100010, 0x00101005, 0x00101001, 0x00101060, 0x00080090)
# Patient ID, Other Patient IDs, Accession Number, Study ID.
_IDENTIFIERS: Final = (0x00100020, 0x00101000, 0x00080050, 0x00200010)
_BIRTH_DATE: Final = 0x00100030
_TEXT: Final = frozenset("CS LO LT SH ST UC UT".split())
# Code strings that say how to read the instance: character set, image type, modality, frame type and the four
# beside it, group of pixels.
_STRUCTURE: Final = frozenset(
    (
        0x00080005,
        0x00080008,
        0x00080060,
        0x00089007,
        0x00089205,
        0x00089206,
        0x00089207,
        0x00089208,
        0x00089209,
    )
)
_PIXEL_GROUP: Final = 0x0028
# A measured value may be a patient's number by chance; binary numbers that are a word are no numbers.
_NUMBERS: Final = frozenset(("DS", "IS"))
# Shorter ones stand in any text by chance. Names may be short, and are compared as whole words.
_MIN_IDENTIFIER: Final = 4
_MIN_NAME: Final = 3
_MIN_UNSPACED_NAME: Final = 2
_MIN_WORD_WITHIN: Final = 4
# More would be no header of a patient, and would make each search slow; to drop some would leave names.
_MAX_WORDS: Final = 1000

_WORD: Final = re.compile(r"[^\W_]+")
_ZERO_WIDTH: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# As numbers are written in groups; points would make decimal numbers and UIDs of them.
_MARKS: Final = "[-_/ ]?"
_MIN_MARKED: Final = 6
_PERSON_PARTS: Final = 3


class Identifiers:
    """The words that identify the patient of an instance.

    Raises:
        SuspectError: more words than the header of a patient has (DEI-19).
    """

    def __init__(self, data_set: DataSet) -> None:
        character_set = data_set.texts(_CHARACTER_SET)
        found: set[str] = set()
        marked: set[str] = set()
        for tag in _PERSON_NAMES:
            for person in _values(data_set, tag, character_set):
                for group in person.split("="):  # alphabetic, ideographic, phonetic
                    parts = re.split(r"[\^ ,\u3000]+", group)[:_PERSON_PARTS]
                    found.update(filter(_is_name, parts))
                    found.update(word for part in parts for word in _words_within(part))
        for tag in _IDENTIFIERS:
            values = map(str.strip, _values(data_set, tag, character_set))
            numbers = [value for value in values if len(value) >= _MIN_IDENTIFIER]
            found.update(numbers)
            marked.update(filter(None, map(_in_any_marks, numbers)))
        born = data_set.text(_BIRTH_DATE)
        if len(born) == len("YYYYMMDD"):
            found |= {born, f"{born[:4]}-{born[4:6]}-{born[6:]}", f"{born[6:]}.{born[4:6]}.{born[:4]}"}
        if len(found) > _MAX_WORDS:  # DEI-19
            raise SuspectError("header has more names and numbers than a patient", rule="DEI-19")
        self._marked = (
            re.compile(rf"(?<![^\W_])0*+(?:{'|'.join(sorted(marked))})(?![^\W_])") if marked else None
        )
        self._by_first_word: dict[str, set[str]] = {}
        for word in map(folded_text, found):
            if first := _WORD.search(word):
                self._by_first_word.setdefault(first[0], set()).add(word[first.start() :])

    def are_in(self, element: Element, character_set: tuple[str, ...]) -> bool:
        """Whether a text has one of the words, in any case and spelling."""
        if not self._by_first_word or element.vr not in _TEXT:
            return False
        if element.tag in _STRUCTURE or element.tag >> 16 == _PIXEL_GROUP:
            return False
        return self._are_in(bytes(element.value), character_set)

    def are_within(self, element: Element, character_set: tuple[str, ...]) -> bool:
        """Whether a value of any VR but a decimal number has one of the words, in bytes or in UTF-16."""
        if not self._by_first_word or element.vr in _NUMBERS:
            return False
        value = bytes(element.value)
        return self._are_in(value, character_set) or (
            b"\0" in value and self._are_in(value.replace(b"\0", b""), character_set)
        )

    def _are_in(self, value: bytes, character_set: tuple[str, ...]) -> bool:
        texts = {
            *readings(value, character_set),
            *(() if value.isascii() else (value.decode("utf_8", "replace"),)),
        }
        return any(map(self._are_in_text, map(folded_text, texts)))

    def _are_in_text(self, text: str) -> bool:
        text = _ZERO_WIDTH.sub("", text)
        if self._marked and self._marked.search(text):
            return True
        for first in _WORD.finditer(text):
            for word in self._by_first_word.get(first[0], ()):
                end = first.start() + len(word)
                if text.startswith(word, first.start()) and not text[end : end + 1].isalnum():
                    return True
        return False


def _values(data_set: DataSet, tag: int, character_set: tuple[str, ...]) -> list[str]:
    value = (data_set.raw(tag) or b"").replace(b"\0", b" ")
    return [one for text in readings(value, character_set) for one in text.split("\\")]


def _words_within(part: str) -> list[str]:
    """The words of ``Hall-Smith`` and ``O'Brian``; one of medicine names nobody by itself.

    A part with digits is the number of a subject (``HEADNECK-01-0024``): its words are those of the study.
    """
    if any(map(str.isdigit, part)):
        return []
    words = re.split(r"[\W_]+", folded_text(part))
    return [word for word in words if len(word) >= _MIN_WORD_WITHIN and not is_medical(word)]


def _in_any_marks(number: str) -> str | None:
    """A pattern for ``ZX9912847`` that finds ``ZX-991-2847``, without leading zeros; None for short ones."""
    bare = "".join(filter(str.isalnum, folded_text(number))).lstrip("0")
    return _MARKS.join(map(re.escape, bare)) if len(bare) >= _MIN_MARKED else None


def _is_name(word: str) -> bool:
    return len(word) >= (_MIN_UNSPACED_NAME if UNSPACED.search(word) else _MIN_NAME)
