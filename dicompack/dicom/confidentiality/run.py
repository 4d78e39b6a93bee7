"""One Data Set on its way through the profile.

Tags decide: what Table E.1-1 lists gets its action, whatever VR the writer gave it; what it does not list may
stay if the data dictionary knows it. Sequences that stay are gone through item by item by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dicompack.dicom.confidentiality.canonical import STRING_VRS
from dicompack.dicom.confidentiality.cleaning import DESCRIBING, Cleaning
from dicompack.dicom.confidentiality.dummies import dummy_code, dummy_content, dummy_element, dummy_graphic
from dicompack.dicom.confidentiality.graphics import GRAPHIC_ANNOTATION_SEQUENCE, without_writing
from dicompack.dicom.confidentiality.identifiers import Identifiers
from dicompack.dicom.confidentiality.journal import Journal
from dicompack.dicom.confidentiality.private_values import PrivateValues
from dicompack.dicom.confidentiality.pseudonyms import (
    PATIENT_ID,
    Derive,
    new_uid,
    pseudonym_of_instance,
    pseudonym_of_item,
)
from dicompack.dicom.confidentiality.table import Action, Rule
from dicompack.dicom.confidentiality.unlisted import (
    complaint,
    is_structure,
    names_an_object,
    says_who_or_when,
    with_vr,
)
from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, string_element
from dicompack.errors import SuspectError

_CHARACTER_SET = 0x00080005
_PATIENT_NAME = 0x00100010
_ENCAPSULATED_DOCUMENT = 0x00420011
_CONTENT_SEQUENCE = 0x0040A730
_GRAPHIC_LAYER = 0x00700002

# Acquisition Context, Specimen Preparation, Content and Waveform Annotation Sequence (PS3.15 E.3.4).
_STRUCTURED_CONTENT = frozenset((0x00400555, 0x00400610, 0x0040A730, 0x0040B020))

# Institution Code Sequence, Person Identification Code Sequence.
_CODE_SEQUENCES = frozenset((0x00080082, 0x00401101))
# Code Value, Long Code Value, URN Code Value: where one of them stands, the item is a code.
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)

# Three components, so that no decimal number is taken for a UID; possessive, so that a long run of digits
# costs one pass and not its square.
_UID_IN_TEXT = re.compile(rb"(?<![0-9])[0-9]++(?:\.[0-9]++){2,}+")
# A UID below 2.25 as software writes it elsewhere (PS3.5 B.2).
_UUID_IN_TEXT = re.compile(
    rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])"
)
_OPAQUE_VRS = frozenset(("OB", "OW"))
# Their digits are a patient's number by chance alone, and what refers to them must not lose them.
_UIDS_AND_TIMES = frozenset(("DA", "DT", "TM", "UI"))


class Run:
    """What all levels of a Data Set share."""

    def __init__(
        self,
        data_set: DataSet,
        derive: Derive,
        rules: Mapping[int, Rule],
        cleaning: Cleaning,
        journal: Journal,
        private: PrivateValues | None,
        *,
        retains_uids: bool,
        keeps_dates: bool,
        keeps_devices: bool,
    ) -> None:
        self._root = data_set
        self._derive = derive
        self._rules = rules
        self._cleaning = cleaning
        self._journal = journal
        self._private = private
        self._retains_uids = retains_uids
        self._identifiers = Identifiers(data_set, keeps_dates=keeps_dates, keeps_devices=keeps_devices)
        self._character_set: tuple[str, ...] = ("",)
        self._uids: dict[str, str] = {}  # old to new, each that was replaced
        self._kept_uids: set[str] = set()  # whatever looks like a UID in an attribute that stays

    def apply(self, data_set: DataSet) -> DataSet:
        """The profile on a Data Set or an item of one."""
        outer = self._character_set
        if _CHARACTER_SET in data_set:
            self._character_set = data_set.texts(_CHARACTER_SET)
        listed, nodes = self._rules, []
        for node in self._cleaning.code(data_set, self._character_set):
            rule = listed.get(node.tag)
            kept = self._unlisted(node) if rule is None else self._listed(node, rule, data_set)
            if kept is not None:
                nodes.append(kept)
        if self._private is not None:
            nodes += self._private.kept(data_set, self)
        self._character_set = outer
        return DataSet(nodes)

    def _listed(self, node: Node, rule: Rule, parent: DataSet) -> Node | None:
        """An attribute by its action; the result has the VR of the table, whatever it had before (DEI-2)."""
        tag, vr = node.tag, rule.vr
        match rule.action:
            case Action.REMOVE:
                return None
            case Action.EMPTY if tag == _PATIENT_NAME and not rule.by_site:
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
                return self.new_uids(node)
            case Action.REPLACE:
                return Element(tag, vr, rule.value)
            case Action.KEEP | Action.CLEAN if vr == "SQ":
                return self._kept_sequence(node, rule, parent)
            case Action.KEEP:
                return self._kept(node, rule, parent)
            case Action.CLEAN:
                return self._cleaned(node, rule, parent)

    def _pseudonym(self, parent: DataSet) -> str | None:
        if parent is self._root:
            return pseudonym_of_instance(parent, self._derive)
        return pseudonym_of_item(parent, self._derive)

    def _dummy_sequence(self, node: Node) -> Sequence | None:
        """DEI-5: a sequence that may not be empty and may not say anything."""
        if not isinstance(node, Sequence):
            self._journal.note(node.tag, "DEI-2")
            return None
        if node.tag == _CONTENT_SEQUENCE:
            return dummy_content(node.tag)
        if node.tag == GRAPHIC_ANNOTATION_SEQUENCE:
            layer = self.apply(node.items[0]).get(_GRAPHIC_LAYER) if node.items else None
            return dummy_graphic(node.tag, layer)
        if node.tag in _CODE_SEQUENCES or any(tag in item for item in node.items for tag in _CODE_VALUES):
            return dummy_code(node.tag)
        return self._items(node)

    def _items(self, node: Node) -> Sequence | None:
        if not isinstance(node, Sequence):
            self._journal.note(node.tag, "DEI-2")
            return None
        return Sequence(node.tag, tuple(self.apply(item) for item in node.items))

    def _kept_sequence(self, node: Node, rule: Rule, parent: DataSet) -> Node | None:
        """K goes through the items; so does C, unless the sequence has a meaning as a whole."""
        if rule.otherwise is None:
            return self._items(node)
        if not isinstance(node, Sequence):
            return self._otherwise(node, rule, parent, "DEI-21")
        if rule.action is not Action.CLEAN:
            return self._items(node)
        if node.tag == GRAPHIC_ANNOTATION_SEQUENCE:
            annotations = without_writing(node)
            return self._dummy_sequence(node) if annotations is None else self._items(annotations)
        if node.tag in _STRUCTURED_CONTENT:
            return self._cleaning.content(node, self._character_set, self.apply, self._own_uids)
        return self._items(node)

    def _own_uids(self, element: Element) -> Element | None:
        """A UID that stands as the value of a content item, as a UID attribute would be treated."""
        return with_vr(element, "UI") if self._retains_uids else self.new_uids(element)

    def _kept(self, node: Node, rule: Rule, parent: DataSet) -> Node | None:
        """DEI-21: a value stays as it is, if it is what its VR says."""
        element = with_vr(node, rule.vr or node.vr)
        if element is None:
            return self._otherwise(node, rule, parent, "DEI-21")
        is_text = element.vr not in _UIDS_AND_TIMES
        if (
            is_text and not rule.by_site and self._identifiers.are_within(element, self._character_set)
        ):  # DEI-22
            return self._otherwise(node, rule, parent, "DEI-22")
        self._kept_uids.update(_mentioned(element))
        return element

    def _cleaned(self, node: Node, rule: Rule, parent: DataSet) -> Node | None:
        """DEI-23."""
        element = with_vr(node, rule.vr or node.vr)
        if element is None:
            return self._otherwise(node, rule, parent, "DEI-21")
        if not len(element.value):
            return self._otherwise(node, rule, parent, None)
        result = self._cleaning.cleaned(element, self._character_set)
        if result is None:
            return self._otherwise(node, rule, parent, None)
        if result.vr in DESCRIBING and self._identifiers.dates_are_in(result, self._character_set):
            return self._otherwise(node, rule, parent, "DEI-67")
        self._kept_uids.update(_mentioned(result))
        return result

    def _otherwise(self, node: Node, rule: Rule, parent: DataSet, why: str | None) -> Node | None:
        """What the profile does without the option, where nobody can vouch for what would be left."""
        if why is not None:
            self._journal.note(node.tag, why)
        return self._listed(node, Rule(rule.otherwise or Action.REMOVE, rule.vr), parent)

    def new_uids(self, node: Node) -> Element | None:
        """DEI-6: each value on its own, empty ones stay empty."""
        if not isinstance(node, Element):
            self._journal.note(node.tag, "DEI-2")
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
            self._journal.note(node.tag, rule)
            return None
        if isinstance(node, Sequence):
            return self._items(node)
        if names_an_object(node):  # DEI-61
            return self._own_uids(node) if isinstance(node, Element) else None
        if isinstance(node, Element) and says_who_or_when(node):  # DEI-62
            self._journal.note(node.tag, "DEI-62")
            return None
        if isinstance(node, Element):
            cleaned = self._cleaning.text_of_unlisted(node, self._character_set)
            if cleaned is None:  # DEI-64
                return dummy_element(node.tag, node.vr)
            node = cleaned
            if self._identifiers.are_in(node, self._character_set):  # DEI-19, DEI-67
                self._journal.note(node.tag, "DEI-19")
                node = self._identifiers.without_them(node, self._character_set) or dummy_element(
                    node.tag, node.vr
                )
        self._kept_uids.update(_mentioned(node))
        return node

    def private_text(self, element: Element) -> Element | None:
        """DEI-31: a private text by the rules for text that has no row."""
        return self._cleaning.private_text(element, self._character_set)

    def keep_private(self, element: Element) -> Element | None:
        """DEI-31: a private value that is not the patient's name or number under another."""
        if self._identifiers.are_within(element, self._character_set):
            self._journal.note(element.tag, "DEI-31")
            return None
        self._kept_uids.update(_mentioned(element))
        return element

    def without_aliases(self, data_set: DataSet) -> DataSet:
        """DEI-14: no UID that was replaced in one place stands in another, be it as a UID or in a text."""
        if self._kept_uids.isdisjoint(self._uids):
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
        self._journal.note(node.tag, "DEI-14")
        return None


def _uids(node: Element) -> tuple[str, ...]:
    text = bytes(node.value).decode("ascii", "backslashreplace")
    return tuple(uid.strip(" \0") for uid in text.split("\\"))


def _mentioned(node: Node) -> tuple[str, ...]:
    """What is, or within a text or the bytes of a private attribute looks like, a UID."""
    if not isinstance(node, Element):
        return ()
    if node.vr == "UI":
        return _uids(node)
    if node.vr not in STRING_VRS and not (node.tag >> 16 & 1 and node.vr in _OPAQUE_VRS):
        return ()
    uids = [match.decode("ascii") for match in _UID_IN_TEXT.findall(node.value)]
    uuids = (match.replace(b"-", b"") for match in _UUID_IN_TEXT.findall(node.value))
    return (*uids, *(f"2.25.{int(digits, 16)}" for digits in uuids))
