"""Retain Safe Private (PS3.15 E.3.10) applied: which private attributes of a level stay, in which form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from dicompack.dicom.confidentiality.cleaning import DESCRIBING, Cleaning
from dicompack.dicom.confidentiality.dates import shifted
from dicompack.dicom.confidentiality.dummies import dummy_element
from dicompack.dicom.confidentiality.journal import Journal
from dicompack.dicom.confidentiality.private import (
    Judgement,
    Knowledge,
    Name,
    creator_tag,
    creators,
    dictionary_vr,
    items_in,
    name_of,
)
from dicompack.dicom.confidentiality.table import Action, Option
from dicompack.dicom.confidentiality.unlisted import with_vr
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Node, Sequence

# Nobody can see what is in them, so only a list that names the attribute lets them stay (PS3.15 E.3.10).
_OPAQUE: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW"))
_PIXELS: Final = 0x7FE0
_TEXTS: Final = DESCRIBING | {"CS"}
_DATES: Final = frozenset(("DA", "DT", "TM"))
# What says a person or a station by its very nature is not made safe by a list.
_NAMING: Final = frozenset(("AE", "PN", "UR"))


class Level(Protocol):
    """What the run does for private attributes."""

    def apply(self, data_set: DataSet) -> DataSet:
        """The profile on an item."""
        ...

    def new_uids(self, node: Node) -> Element | None:
        """New UIDs for the values of an element."""
        ...

    def private_text(self, element: Element) -> Element | None:
        """The element as far as its text may stay, or None."""
        ...

    def keep_private(self, element: Element) -> Element | None:
        """The element, or None where it names the patient."""
        ...


class PrivateValues:
    """The private attributes of one instance."""

    def __init__(
        self,
        root: DataSet,
        options: frozenset[Option],
        site: Mapping[Name, str],
        cleaning: Cleaning,
        journal: Journal,
    ) -> None:
        self._knowledge = Knowledge(root, site)
        self._options = options
        self._cleaning = cleaning
        self._journal = journal

    def kept(self, data_set: DataSet, level: Level) -> list[Node]:
        """What stays of a level's private attributes, with the creators of their blocks (DEI-29)."""
        reserved = creators(data_set)
        kept: dict[int, Node] = {}
        for node in data_set if reserved else ():
            name = name_of(node.tag, reserved)
            if name is None or (result := self._judged(node, name, level)) is None:
                continue
            creator = data_set.get(creator_tag(node.tag))
            assert isinstance(creator, Element)  # `creators` read it
            if level.keep_private(Element(creator.tag, "LO", creator.value)) is not None:
                kept |= {creator.tag: Element(creator.tag, "LO", creator.value), node.tag: result}
        return list(kept.values())

    def _judged(self, node: Node, name: Name, level: Level) -> Node | None:
        judgement = self._knowledge.of(name)
        vr = self._vr(node, name, judgement)
        if vr == "SQ":
            return self._sequence(node, judgement, level)
        if judgement is None or judgement.action is Action.REMOVE:
            return None
        element = with_vr(node, vr) if vr else None
        if element is None:  # DEI-30
            self._journal.note(node.tag, "DEI-30")
            return None
        match judgement.action:
            case Action.EMPTY:
                return Element(node.tag, vr, b"")
            case Action.DUMMY if vr != "UI":
                return dummy_element(node.tag, vr)
            case Action.DUMMY | Action.NEW_UID:
                return level.new_uids(element) if vr == "UI" else None
            case _:
                return self._value(element, judgement, level)

    def _vr(self, node: Node, name: Name, judgement: Judgement | None) -> str:
        """DEI-30: the VR by the list that knows the attribute, else by the writer or the dictionaries."""
        known = judgement.vr if judgement else ""
        if isinstance(node, Sequence):
            return "SQ"
        if known or node.vr != "UN":
            return known or node.vr
        if isinstance(node, Element) and items_in(bytes(node.value)) is not None:
            return "SQ"
        return dictionary_vr(name)

    def _sequence(self, node: Node, judgement: Judgement | None, level: Level) -> Sequence | None:
        """DEI-32: each nested attribute on its merits, whatever is known of the sequence."""
        if judgement is not None and judgement.action is not Action.KEEP:
            return Sequence(node.tag, ()) if judgement.action is Action.EMPTY else None
        items = node.items if isinstance(node, Sequence) else None
        if isinstance(node, Element):
            items = items_in(bytes(node.value))
        if items is None:
            self._journal.note(node.tag, "DEI-30")
            return None
        kept = tuple(level.apply(item) for item in items if not _is_image(item))
        is_known = judgement is not None
        return Sequence(node.tag, kept) if is_known or any(map(_says_something, kept)) else None

    def _value(self, element: Element, judgement: Judgement, level: Level) -> Element | None:
        """DEI-31: a safe value still obeys the options that speak of its kind."""
        options = self._options
        match element.vr:
            case "UI" if Option.RETAIN_UIDS not in options:
                return level.new_uids(element)
            case vr if vr in _NAMING:
                return None
            case vr if vr in _OPAQUE and not judgement.listed:
                return None
            case "AS" if Option.RETAIN_PATIENT_CHARACTERISTICS not in options:
                return None
            case vr if vr in _DATES and Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in options:
                return shifted(element, self._cleaning.shift)
            case vr if vr in _DATES and Option.RETAIN_LONGITUDINAL_FULL_DATES not in options:
                return None
            case vr if vr in _TEXTS:
                text = level.private_text(element)
                return None if text is None else level.keep_private(text)
            case _:
                return level.keep_private(element)


def _is_image(item: DataSet) -> bool:
    """Whether an item has pixels of its own, which nobody looks at for burned-in text."""
    return any(node.tag >> 16 == _PIXELS for node in item)


def _says_something(item: DataSet) -> bool:
    return any(
        any(map(_says_something, node.items)) if isinstance(node, Sequence) else bool(len(node.value))
        for node in item
        if not isinstance(node, Encapsulated)
    )
