"""DEI-19: who the patient is, said again where the table does not look for it.

A name that the header itself tells is removed from the free text of attributes that stay. This is no cleaning
of descriptors (PS3.15 E.3.6), which is an option of its own: it knows only what this instance says.
"""

from __future__ import annotations

import re
from typing import Final

from dicompack.dicom.dataset import DataSet, Element

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
# Shorter ones stand in any text by chance. Names may be short, and are compared as whole words.
_MIN_IDENTIFIER: Final = 4
_MIN_NAME: Final = 3
# More would be no header of a patient, and would make each search slow.
_MAX_WORDS: Final = 64


class Identifiers:
    """The words that identify the patient of an instance."""

    def __init__(self, data_set: DataSet) -> None:
        self._encoding = "utf-8" if "192" in data_set.text(0x00080005) else "latin-1"
        words: set[str] = set()
        for tag in _PERSON_NAMES:
            for person in self._folded(data_set.raw(tag) or b"").split("\\"):
                for group in person.split("="):  # alphabetic, ideographic, phonetic
                    family_and_given = re.split(r"[\^ ,]+", group)[:3]
                    words.update(word for word in family_and_given if len(word) >= _MIN_NAME)
        for tag in _IDENTIFIERS:
            values = self._folded(data_set.raw(tag) or b"").split("\\")
            words.update(value for value in map(str.strip, values) if len(value) >= _MIN_IDENTIFIER)
        born = data_set.text(_BIRTH_DATE)
        if len(born) == len("YYYYMMDD"):
            words |= {born, f"{born[:4]}-{born[4:6]}-{born[6:]}", f"{born[6:]}.{born[4:6]}.{born[:4]}"}
        alternatives = "|".join(map(re.escape, sorted(words)[:_MAX_WORDS]))
        self._search = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)").search if words else None

    def are_in(self, element: Element) -> bool:
        """Whether a text has one of the words, in any case."""
        if self._search is None or element.vr not in _TEXT:
            return False
        if element.tag in _STRUCTURE or element.tag >> 16 == _PIXEL_GROUP:
            return False
        return self._search(self._folded(bytes(element.value))) is not None

    def _folded(self, value: bytes) -> str:
        return value.decode(self._encoding, "replace").replace("\0", " ").casefold()
