"""Private attributes: whose they are, and which of them are known to be safe (PS3.15 E.3.10).

A private attribute is its Private Creator and the low byte of its element number; the block that a writer
put it in says nothing (PS3.5 §7.8.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from dicompack.dicom.confidentiality.table import Action
from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.dicom.encoding import header, parse
from dicompack.dicom.transfer_syntaxes import IMPLICIT_LITTLE
from dicompack.errors import FormatError

Name = tuple[str, int]
"""Private Creator, and the tag with a block of 00: what a private attribute is, wherever it stands."""

_CHARACTERISTICS: Final = 0x00080300
_GROUP_REFERENCE: Final = 0x00080301
_CREATOR_REFERENCE: Final = 0x00080302
_STATUS: Final = 0x00080303
_NONIDENTIFYING: Final = 0x00080304
_ACTIONS: Final = 0x00080305
_IDENTIFYING: Final = 0x00080306
_ACTION: Final = 0x00080307

# PS3.3 Table C.12-1, Deidentification Action; another term is none, and the attribute goes.
_ACTION_CODES: Final = {"D": Action.DUMMY, "Z": Action.EMPTY, "X": Action.REMOVE, "U": Action.NEW_UID}

_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF

# Any public sequence: its name is all that the walk needs to know that items follow.
_A_SEQUENCE: Final = 0x00081140


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a private attribute."""

    action: Action
    vr: str = ""
    """By the table or the site; empty where neither tells."""
    listed: bool = False
    """The table or the site names it, so that even bytes which nobody can read may stay."""


class Knowledge:
    """All that is known about the private attributes of one instance."""

    def __init__(self, root: DataSet, site: Mapping[Name, str]) -> None:
        """Take the instance, for what it says of itself, and the site's list with VRs."""
        self._site = site
        self._safe_blocks: set[Name] = set()  # creator and group, as a tag of element 0000
        self._safe: set[Name] = set()
        self._actions: dict[Name, Action] = {}
        for item in root.items(_CHARACTERISTICS):
            self._read(item)

    def of(self, name: Name) -> Judgement | None:
        """The judgement on an attribute; None where nothing is known."""
        creator, tag = name
        if action := self._actions.get(name):  # DEI-33
            return Judgement(action, safe_private().get(name, ""))
        for known in (self._site, safe_private()):
            if name in known:
                return Judgement(Action.KEEP, known[name], listed=True)
        if name in self._safe or (creator, tag & 0xFFFF0000) in self._safe_blocks:
            return Judgement(Action.KEEP)
        return None

    def _read(self, item: DataSet) -> None:
        """What the instance itself says about a block (PS3.3 C.12.1.1.7)."""
        group, creator = item.number(_GROUP_REFERENCE), item.text(_CREATOR_REFERENCE).strip()
        if group is None or not creator:
            return
        status = item.text(_STATUS)
        if status == "SAFE":
            self._safe_blocks.add((creator, group << 16))
        elif status == "MIXED":
            self._safe.update((creator, group << 16 | low) for low in _low_bytes(item, _NONIDENTIFYING))
        for advice in item.items(_ACTIONS):
            action = _ACTION_CODES.get(advice.text(_ACTION), Action.REMOVE)
            for low in _low_bytes(advice, _IDENTIFYING):
                self._actions[creator, group << 16 | low] = action


def creators(data_set: DataSet) -> Mapping[int, str]:
    """The Private Creator of each reserved block: group and block number, ``0x001910``, to its text (DEI-29).

    A text of several values or outside the default repertoire reserves nothing.
    """
    return {
        (node.tag >> 16) << 8 | node.tag & 0xFF: creator
        for node in data_set
        if node.tag >> 16 & 1 and _FIRST_BLOCK <= node.tag & 0xFFFF <= _LAST_BLOCK
        if isinstance(node, Element) and (creator := data_set.text(node.tag).strip()) and "\\" not in creator
    }


def name_of(tag: int, reserved: Mapping[int, str]) -> Name | None:
    """What a private attribute is; None where nobody reserved its block, or it is no private attribute."""
    creator = reserved.get(tag >> 8)
    return None if creator is None or tag >> 16 < 0x0009 else (creator, tag & 0xFFFF00FF)


def retained(data_set: DataSet) -> Iterator[tuple[int, str]]:
    """Tag and Private Creator of every private attribute in a Data Set, at every level."""
    reserved = creators(data_set)
    for node in data_set:
        if name := name_of(node.tag, reserved):
            yield node.tag, name[0]
        if isinstance(node, Sequence):
            for item in node.items:
                yield from retained(item)


UNKNOWN_CREATOR: Final = "unknown creator"


def public_creator(creator: str) -> str:
    """The Private Creator if lists that everybody has know it: any other text may be anything (DEI-28)."""
    return creator if not creator or creator in _public_creators() else UNKNOWN_CREATOR


@cache
def _public_creators() -> frozenset[str]:
    from pydicom._private_dict import private_dictionaries

    return frozenset(creator for creator, _ in safe_private()) | frozenset(private_dictionaries)


def creator_tag(tag: int) -> int:
    """Where the Private Creator of an attribute stands: ``(0019,0010)`` for ``(0019,100C)``."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def dictionary_vr(name: Name) -> str:
    """The VR that pydicom's collection of private dictionaries has; empty where it has none or a choice."""
    from pydicom.datadict import private_dictionary_VR

    try:
        vr = private_dictionary_VR(name[1] | 0x1000, name[0])
    except KeyError:
        return ""
    return vr if len(vr) == len("SQ") else ""


def items_in(value: bytes) -> tuple[DataSet, ...] | None:
    """The items of a sequence that stands as UN, which is in implicit VR little endian (PS3.5 §6.2.2).

    None where the bytes are no such items.
    """
    if not value:
        return None
    try:
        node = parse(header(_A_SEQUENCE, "SQ", len(value), IMPLICIT_LITTLE) + value, IMPLICIT_LITTLE)
    except FormatError:
        return None
    return node.items(_A_SEQUENCE)


@cache
def safe_private() -> Mapping[Name, str]:
    """Table E.3.10-1: the VR of each attribute known to be safe; empty where the table has none."""
    text = resources.files(__package__).joinpath("safe_private.csv").read_text(encoding="ascii")
    lines = (line.split(",", 2) for line in text.splitlines() if not line.startswith("#"))
    assert next(lines) == ["tag", "vr", "creator"]
    return {(creator, int(tag.replace("xx", "00"), 16)): vr for tag, vr, creator in lines}


def _low_bytes(item: DataSet, tag: int) -> Iterator[int]:
    """Element numbers without a block, as the values of a US attribute."""
    value = item.raw(tag) or b""
    return (value[at] for at in range(0, len(value) - 1, 2) if not value[at + 1])
