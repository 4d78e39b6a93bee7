"""Action C: values of similar meaning that are known not to identify, by the kind of value (DEI-23)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from dicompack.dicom.confidentiality.dates import NOT_OF_THE_PATIENT, Shift, shift_of, shifted
from dicompack.dicom.confidentiality.journal import Journal
from dicompack.dicom.confidentiality.pseudonyms import Derive
from dicompack.dicom.confidentiality.table import Option, is_date
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element

if TYPE_CHECKING:  # word lists, which only cleaning has to read
    from dicompack.dicom.confidentiality.descriptors import Vocabulary

# "AE-" and these are 15 of the 16 characters of an AE title; 60 bits keep the stations of a hospital apart.
_ALIAS_CHARACTERS = 12

DESCRIBING: Final = frozenset("LO LT SH ST UC UT".split())
"""VRs in which people write what they like."""

# Coding Scheme Name, Responsible Organization, Mapping Resource Name, Software Versions.
_SAYS_WHICH: Final = frozenset((0x00080115, 0x00080116, 0x00080122, 0x00181020))


class Cleaning:
    """Cleans the plain values of one instance."""

    def __init__(
        self,
        root: DataSet,
        derive: Derive,
        options: frozenset[Option],
        vocabulary: Vocabulary | None,
        journal: Journal,
    ) -> None:
        self._root = root
        self._derive = derive
        self._options = options
        self._given_vocabulary = vocabulary
        self._journal = journal

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The identifying words of the study where the caller knows them, else of this instance."""
        from dicompack.dicom.confidentiality.descriptors import Vocabulary

        known = Vocabulary.of(self._root) if self._given_vocabulary is None else self._given_vocabulary
        return known if Option.RETAIN_DEVICE_IDENTITY in self._options else known.with_devices()

    @cached_property
    def shift(self) -> Shift:
        """By how much the dates of the instance's patient move."""
        return shift_of(self._root, self._derive)

    def cleaned(self, element: Element, character_set: tuple[str, ...]) -> Element | None:
        """The element cleaned; None where nobody can vouch for what would be left, or nothing is left."""
        if is_date(element.tag):
            result = shifted(element, self.shift)
            if result is None and element.tag not in NOT_OF_THE_PATIENT:
                self._journal.note(element.tag, "DEI-23")
            return result
        if element.vr == "AE":  # DEI-25
            return string_element(element.tag, "AE", "\\".join(map(self._alias, _values(element))))
        return self._text(element, character_set)

    def _text(
        self, element: Element, character_set: tuple[str, ...], *, is_code: bool = False
    ) -> Element | None:
        from dicompack.dicom.confidentiality.descriptors import cleaned

        result = cleaned(element, self.vocabulary, character_set, is_code=is_code)
        # A code string is a term as a whole; what would have to be cut out of it was none.
        if result.element is None or (element.vr == "CS" and result.cut):
            self._journal.note(element.tag, "DEI-23")
            return None
        self._journal.note_cut(element.tag, result.cut)
        return result.element if bytes(result.element.value).strip(b" \0\\") else None

    def text_of_unlisted(self, element: Element, character_set: tuple[str, ...]) -> Element | None:
        """DEI-64: text that stands under no row, where descriptors are cleaned; None if nothing is left."""
        from dicompack.dicom.confidentiality.codes import PARTS

        if (
            Option.CLEAN_DESCRIPTORS not in self._options
            or element.vr not in DESCRIBING
            or element.tag in PARTS  # DEI-55
            or not len(element.value)
        ):
            return element
        return self._text(element, character_set, is_code=element.tag in _SAYS_WHICH)

    def private_text(self, element: Element, character_set: tuple[str, ...]) -> Element | None:
        """DEI-31: text that a list calls safe: cleaned, or without the option removed if it says when."""
        from dicompack.dicom.confidentiality.descriptors import Vocabulary, cleaned

        if Option.CLEAN_DESCRIPTORS in self._options:
            return self._text(element, character_set) if len(element.value) else element
        result = cleaned(element, Vocabulary(), character_set, is_code=True)
        if result.element is not None and not result.cut:
            return element
        self._journal.note(element.tag, "DEI-31")
        return None

    def code(self, data_set: DataSet, character_set: tuple[str, ...]) -> DataSet:
        """DEI-55: a data set whose code names nobody, where text or structured content is cleaned."""
        if self._options.isdisjoint((Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT)):
            return data_set
        from dicompack.dicom.confidentiality.codes import cleaned_code

        return cleaned_code(data_set, self.vocabulary, character_set, self._journal.note_cut)

    def content(
        self,
        node: Sequence,
        character_set: tuple[str, ...],
        attributes: Callable[[DataSet], DataSet],
        new_uids: Callable[[Element], Element | None],
    ) -> Sequence:
        """A sequence of content items, cleaned by concept and value type (PS3.15 E.3.4)."""
        from dicompack.dicom.confidentiality.structured_content import Surroundings, cleaned_content

        moves_dates = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in self._options
        surroundings = Surroundings(
            self._options,
            character_set,
            self.shift if moves_dates else None,
            attributes,
            new_uids,
            self._journal.note_cut,
        )
        return cleaned_content(node, self.vocabulary, surroundings)

    def _alias(self, title: bytes) -> str:
        """The same name wherever the AE is named; titles often tell the institution."""
        octets = self._derive("uid", b"ae title of " + title) if title else b""
        return f"AE-{base64.b32encode(octets)[:_ALIAS_CHARACTERS].decode('ascii')}" if title else ""


def _values(element: Element) -> list[bytes]:
    return [value.strip(b" \0") for value in bytes(element.value).split(b"\\")]
