"""DEI-19: who the patient is, said again where the table does not look for it.

A name that the header itself tells is removed from the free text of attributes that stay. This is no cleaning
of descriptors (PS3.15 E.3.6), which is an option of its own: it knows only what this instance says.
"""

from __future__ import annotations

import re
from typing import Final

from dicompack.dicom.dataset import DataSet, Element

# Patient's Name, Patient ID, Patient's Birth Name, Other Patient IDs and Names, Mother's Birth Name,
# Accession Number, Study ID, Referring Physician's Name.
_SAYS_WHO: Final = (
    0x00100010, 0x00100020, 0x00101005, 0x00101000, 0x00101001, 0x00101060,
    0x00080050, 0x00200010, 0x00080090,
)  # fmt: skip
_PERSON_NAMES: Final = frozenset((0x00100010, 0x00101005, 0x00101001, 0x00101060, 0x00080090))
# Code strings are left alone: their terms are the standard's, and a patient may be called Head.
_FREE_TEXT: Final = frozenset("LO LT PN SH ST UC UT".split())
# A measured value may be a patient's number by chance; binary numbers that are a word are no numbers.
_NUMBERS: Final = frozenset(("DS", "IS"))
# Shorter ones stand in any text by chance.
_MIN_SIZE: Final = 4
# More would be no header of a patient, and would make each search slow.
_MAX_TOKENS: Final = 64


class Identifiers:
    """The words that identify the patient of an instance."""

    def __init__(self, data_set: DataSet) -> None:
        tokens: set[bytes] = set()
        for tag in _SAYS_WHO:
            value = (data_set.raw(tag) or b"").lower()
            parts = re.split(rb"[\\^= ,\0]+" if tag in _PERSON_NAMES else rb"\\", value)
            tokens.update(part for part in map(_stripped, parts) if len(part) >= _MIN_SIZE)
        alternatives = b"|".join(re.escape(token) for token in sorted(tokens)[:_MAX_TOKENS])
        self._search = (
            re.compile(rb"(?<![a-z0-9])(?:%b)(?![a-z0-9])" % alternatives).search if tokens else None
        )

    def are_in(self, element: Element) -> bool:
        """Whether a free text has one of the words, in any case."""
        if self._search is None or element.vr not in _FREE_TEXT:
            return False
        return self._search(bytes(element.value).lower()) is not None

    def are_within(self, element: Element) -> bool:
        """Whether a value of any VR but a decimal number has one of the words, in bytes or in UTF-16."""
        if self._search is None or element.vr in _NUMBERS:
            return False
        value = bytes(element.value).lower()
        return self._search(value) is not None or self._search(value.replace(b"\0", b"")) is not None


def _stripped(part: bytes) -> bytes:
    return part.strip(b" \0")
