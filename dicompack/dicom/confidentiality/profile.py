"""The Basic Application Level Confidentiality Profile (PS3.15 Annex E) applied to one Data Set.

Tags decide: what Table E.1-1 lists gets its action, whatever VR the writer gave it; what it does not list may
stay if the data dictionary knows it. Sequences that stay are gone through item by item by the same rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from dicompack.dicom.confidentiality.canonical import STRING_VRS, canonical
from dicompack.dicom.confidentiality.dummies import (
    coded,
    dummy_code,
    dummy_content,
    dummy_element,
    dummy_graphic,
)
from dicompack.dicom.confidentiality.identifiers import Identifiers
from dicompack.dicom.confidentiality.pseudonyms import (
    PATIENT_ID,
    Derive,
    new_uid,
    pseudonym_of_instance,
    pseudonym_of_item,
)
from dicompack.dicom.confidentiality.table import EDITION, Action, Option, Rule, rules
from dicompack.dicom.confidentiality.unlisted import (
    BEYOND_THE_TABLE,
    complaint,
    is_structure,
    names_an_object,
    says_who_or_when,
)
from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, string_element, tag_text
from dicompack.errors import SuspectError
from dicompack.report import Finding

METHOD: Final = f"DICOMPack: PS3.15 {EDITION} Basic Confidentiality Profile"
"""De-identification Method (0012,0063)."""

_SOP_INSTANCE_UID = 0x00080018
_STUDY_AND_SERIES = (0x0020000D, 0x0020000E)
_PATIENT_NAME = 0x00100010
_ENCAPSULATED_DOCUMENT = 0x00420011
_BURNED_IN_ANNOTATION = 0x00280301
_CONTENT_SEQUENCE = 0x0040A730
_GRAPHIC_ANNOTATION_SEQUENCE = 0x00700001
_GRAPHIC_LAYER = 0x00700002

# Institution Code Sequence, Person Identification Code Sequence.
_CODE_SEQUENCES = frozenset((0x00080082, 0x00401101))
# Code Value, Long Code Value, URN Code Value: where one of them stands, the item is a code.
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)

# Three components, so that no decimal number is taken for a UID; possessive, so that a long run of digits
# costs one pass and not its square.
_UID_IN_TEXT = re.compile(rb"(?<![0-9])[0-9]++(?:\.[0-9]++){2,}+")

# Findings name this many tags at most, so that a report stays readable.
_NAMED_TAGS = 10

_REMOVALS: Final = {
    "DEI-2": ("malformed", "structure is not that of their tag in the confidentiality profile"),
    "DEI-10": ("unknown", "meaning is not known"),
    "DEI-11": ("malformed", "value representation is not that of the data dictionary"),
    "DEI-12": ("malformed", "value is not one of its value representation"),
    "DEI-14": ("uid-in-text", "text names a uid that was replaced"),
    "DEI-19": ("identifier-in-text", "text names the patient"),
    "DEI-62": ("who-or-when", "value is a person, a time or an address"),
}


@dataclass(frozen=True)
class Deidentified:
    """A de-identified Data Set, and what a person should know about it; the caller fills in `where`."""

    data_set: DataSet
    findings: tuple[Finding, ...]


def deidentify(data_set: DataSet, derive: Derive, options: frozenset[Option] = frozenset()) -> Deidentified:
    """De-identify a Data Set by the Basic Profile of PS3.15 Annex E, edition 2026d.

    The same Data Set and key give the same result. Absent attributes stay absent, but for the four that say
    what was done (DEI-17), and Study and Series Instance UID (DEI-20).

    Raises:
        SuspectError: an encapsulated document (DEI-15), overlays in the pixels (DEI-60), or nothing to make a
            pseudonym from (DEI-7).
        UnsupportedError: an option that this version does not have (DEI-1).
    """
    _check_embedded_overlays(data_set)
    run = _Run(data_set, derive, options)
    result = run.without_aliases(run.apply(data_set))
    supplied = _missing_uids(data_set, derive)
    result = canonical(result.replacing(*_stamps(), *supplied))  # DEI-17, DEI-18
    found = [*_burned_in(data_set), *run.findings()]
    if supplied:
        found.append(
            Finding("uid-supplied", "", "had no study or series uid, and was given one", rule="DEI-20")
        )
    return Deidentified(result, tuple(found))


def _check_embedded_overlays(data_set: DataSet) -> None:
    """DEI-60: graphics in unused bits of Pixel Data (retired, PS3.5 §8.1.2): removing a group leaves them."""
    for group in range(0x6000, 0x6020, 2):
        position = data_set.number(group << 16 | 0x0102)
        if position and group << 16 | 0x3000 not in data_set:  # DEI-60
            raise SuspectError("an overlay is embedded in the pixel data", rule="DEI-60")


def _missing_uids(data_set: DataSet, derive: Derive) -> list[Node]:
    """DEI-20: no archive takes an instance without Study and Series; no signature profile either."""
    own = data_set.text(_SOP_INSTANCE_UID)
    missing = [tag for tag in _STUDY_AND_SERIES if own and not data_set.text(tag)]
    return [string_element(tag, "UI", new_uid(f"{tag:08x} of {own}", derive)) for tag in missing]


def _stamps() -> tuple[Node, ...]:
    """What PS3.15 E.1.1 step 5 and E.2 want said about the result, and no claim beyond it."""
    return (
        string_element(0x00120062, "CS", "YES"),
        string_element(0x00120063, "LO", METHOD),
        Sequence(0x00120064, (coded("113100", "DCM", "Basic Application Confidentiality Profile"),)),
        string_element(0x00280303, "CS", "REMOVED"),
    )


def _burned_in(data_set: DataSet) -> tuple[Finding, ...]:
    if data_set.text(_BURNED_IN_ANNOTATION).strip().upper() != "YES":
        return ()
    message = "burned in annotation says that identifying text stands in the pixels"
    return (Finding("burned-in", "", message, rule="DEI-16"),)  # DEI-16


@cache
def _rules_and_more(options: frozenset[Option]) -> Mapping[int, Rule]:
    return {**rules(options), **BEYOND_THE_TABLE}  # DEI-13


class _Run:
    """One Data Set on its way through the profile: what all its levels share."""

    def __init__(self, data_set: DataSet, derive: Derive, options: frozenset[Option]) -> None:
        self._root = data_set
        self._derive = derive
        self._rules = _rules_and_more(options)
        self._identifiers = Identifiers(data_set)
        self._uids: dict[str, str] = {}  # old to new, each that was replaced
        self._unlisted_uids: set[str] = set()  # whatever looks like a UID in an attribute that stays
        self._removed: defaultdict[str, list[int]] = defaultdict(list)

    def apply(self, data_set: DataSet) -> DataSet:
        """The profile on a Data Set or an item of one."""
        listed, nodes = self._rules, []
        for node in data_set:
            rule = listed.get(node.tag)
            kept = self._unlisted(node) if rule is None else self._listed(node, rule, data_set)
            if kept is not None:
                nodes.append(kept)
        return DataSet(nodes)

    def findings(self) -> tuple[Finding, ...]:
        """What was removed although no rule of the table asks for it."""
        return tuple(
            Finding(_REMOVALS[rule][0], "", _removal_text(_REMOVALS[rule][1], tags), rule=rule)
            for rule, tags in sorted(self._removed.items())
        )

    def _listed(self, node: Node, rule: Rule, parent: DataSet) -> Node | None:
        """An attribute by its action; the result has the VR of the table, whatever it had before (DEI-2)."""
        tag, vr = node.tag, rule.vr
        match rule.action:
            case Action.REMOVE:
                return None
            case Action.EMPTY if tag == _PATIENT_NAME:
                return string_element(tag, vr, self._pseudonym(parent) or "")  # DEI-7
            case Action.EMPTY:
                return Sequence(tag, ()) if vr == "SQ" else Element(tag, vr, b"")
            case Action.DUMMY if vr == "SQ":
                return self._dummy_sequence(node)
            case Action.DUMMY if tag == _ENCAPSULATED_DOCUMENT:
                raise SuspectError("encapsulated document cannot be de-identified", rule="DEI-15")  # DEI-15
            case Action.DUMMY if tag == PATIENT_ID and (pseudonym := self._pseudonym(parent)):
                return string_element(tag, vr, pseudonym)  # DEI-7
            case Action.DUMMY if vr != "UI":
                return dummy_element(tag, vr)
            case Action.DUMMY | Action.NEW_UID:
                return self._new_uids(node)
            case Action.KEEP:
                return self._items(node)

    def _pseudonym(self, parent: DataSet) -> str | None:
        if parent is self._root:
            return pseudonym_of_instance(parent, self._derive)
        return pseudonym_of_item(parent, self._derive)

    def _dummy_sequence(self, node: Node) -> Sequence | None:
        """DEI-5: a sequence that may not be empty and may not say anything."""
        if not isinstance(node, Sequence):
            self._note_removal(node.tag, "DEI-2")
            return None
        if node.tag == _CONTENT_SEQUENCE:
            return dummy_content(node.tag)
        if node.tag == _GRAPHIC_ANNOTATION_SEQUENCE:
            layer = self.apply(node.items[0]).get(_GRAPHIC_LAYER) if node.items else None
            return dummy_graphic(node.tag, layer)
        if node.tag in _CODE_SEQUENCES or any(tag in item for item in node.items for tag in _CODE_VALUES):
            return dummy_code(node.tag)
        return self._items(node)

    def _items(self, node: Node) -> Sequence | None:
        if not isinstance(node, Sequence):
            self._note_removal(node.tag, "DEI-2")
            return None
        return Sequence(node.tag, tuple(self.apply(item) for item in node.items))

    def _new_uids(self, node: Node) -> Element | None:
        """DEI-6: each value on its own, empty ones stay empty."""
        if not isinstance(node, Element):
            self._note_removal(node.tag, "DEI-2")
            return None
        return string_element(node.tag, "UI", "\\".join(self._new_uid(uid) for uid in _uids(node)))

    def _new_uid(self, uid: str) -> str:
        if uid and uid not in self._uids:
            replacement = new_uid(uid, self._derive)
            if replacement == uid:
                return uid
            self._uids[uid] = replacement
        return self._uids.get(uid, "")

    def _unlisted(self, node: Node) -> Node | None:
        if is_structure(node.tag):
            return None
        rule = complaint(node)
        if rule is not None:
            self._note_removal(node.tag, rule)
            return None
        if isinstance(node, Sequence):
            return self._items(node)
        if names_an_object(node):  # DEI-61
            return self._new_uids(node)
        if isinstance(node, Element) and says_who_or_when(node):  # DEI-62
            self._removed["DEI-62"].append(node.tag)
            return None
        if isinstance(node, Element) and self._identifiers.are_in(node):  # DEI-19
            self._removed["DEI-19"].append(node.tag)
            return dummy_element(node.tag, node.vr)
        self._unlisted_uids.update(_mentioned(node))
        return node

    def _note_removal(self, tag: int, rule: str) -> None:
        self._removed[rule].append(tag)

    def without_aliases(self, data_set: DataSet) -> DataSet:
        """DEI-14: no UID that was replaced in one place stands in another, be it as a UID or in a text."""
        if self._unlisted_uids.isdisjoint(self._uids):
            return data_set
        nodes = (self._without_alias(node) for node in data_set)
        return DataSet(node for node in nodes if node is not None)

    def _without_alias(self, node: Node) -> Node | None:
        if isinstance(node, Sequence):
            return Sequence(node.tag, tuple(self.without_aliases(item) for item in node.items))
        if self._uids.keys().isdisjoint(_mentioned(node)):
            return node
        if node.vr == "UI" and isinstance(node, Element):
            return string_element(node.tag, "UI", "\\".join(self._uids.get(uid, uid) for uid in _uids(node)))
        self._note_removal(node.tag, "DEI-14")
        return None


def _uids(node: Element) -> tuple[str, ...]:
    text = bytes(node.value).decode("ascii", "backslashreplace")
    return tuple(uid.strip(" \0") for uid in text.split("\\"))


def _mentioned(node: Node) -> tuple[str, ...]:
    """What is, or within a text looks like, a UID."""
    if not isinstance(node, Element) or node.vr not in STRING_VRS:
        return ()
    if node.vr == "UI":
        return _uids(node)
    return tuple(match.decode("ascii") for match in _UID_IN_TEXT.findall(node.value))


def _removal_text(why: str, tags: list[int]) -> str:
    """A sentence for people; tags say nothing about a patient."""
    distinct = sorted(set(tags))
    named = ", ".join(tag_text(tag) for tag in distinct[:_NAMED_TAGS])
    more = f" and {len(distinct) - _NAMED_TAGS} more" if len(distinct) > _NAMED_TAGS else ""
    plural = "attribute" if len(tags) == 1 else "attributes"
    return f"{len(tags)} {plural} removed whose {why}: {named}{more}"
