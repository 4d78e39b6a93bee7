"""Attributes without a row in Table E.1-1: which of them may stay.

The table says nothing about an attribute because an attribute *of its VR* with *that meaning* identifies
nobody. Where meaning or VR is not what the data dictionary says, the silence says nothing, and it is removed.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from dicompack.dicom.confidentiality.table import Action, Rule
from dicompack.dicom.dataset import Element, Node, Sequence
from dicompack.dicom.dictionary import entry

# DEI-13: what the table forgets, and what only another de-identifier or encryptor could have put there.
BEYOND_THE_TABLE: Final[Mapping[int, Rule]] = {
    0x00080001: Rule(Action.REMOVE, "UL"),  # Length to End: wrong as soon as anything changes
    0x00081190: Rule(Action.REMOVE, "UR"),  # Retrieve URL: host of the institution, UIDs
    0x00120062: Rule(
        Action.REMOVE, "CS"
    ),  # Patient Identity Removed: somebody else's claim, as the next three
    0x00120063: Rule(Action.REMOVE, "LO"),  # De-identification Method
    0x00120064: Rule(Action.REMOVE, "SQ"),  # De-identification Method Code Sequence
    0x00280303: Rule(Action.REMOVE, "CS"),  # Longitudinal Temporal Information Modified
    0x00287FE0: Rule(Action.REMOVE, "UR"),  # Pixel Data Provider URL: as Retrieve URL
    0x0040A160: Rule(
        Action.DUMMY, "UT"
    ),  # Text Value of a content item that stands outside a Content Sequence
    0x0040E010: Rule(Action.REMOVE, "UR"),  # Retrieve URI: as Retrieve URL
    0x04000500: Rule(
        Action.REMOVE, "SQ"
    ),  # Encrypted Attributes Sequence: the identity, for someone else's key
    0x4FFE0001: Rule(Action.REMOVE, "SQ"),  # MAC Parameters Sequence: its signatures are gone
}

# VRs that writers take for one another without changing what kind of thing the value is.
_FAMILIES: Final = tuple(
    frozenset(family.split())
    for family in (
        "AT FD FL SL SS SV UL US UV",
        "OB OD OF OL OV OW",
        "DS IS",
        "DA DT TM",
        "LO LT SH ST UC UT",
    )
)

# The families whose members write values in one way, so that one VR can be put for another.
_WRITTEN: Final = {vr: family for family in _FAMILIES[1:] for vr in family}

# PS3.5 Table 6.2-1, and the padding of sloppy writers; ranges, as a query has them, do not occur in objects.
_DIGITS = b"0123456789"
_REPERTOIRES: Final = {
    "CS": string.ascii_letters.encode() + _DIGITS + b"_\\ \0",
    "AS": _DIGITS + b"DWMY\\ \0",
    "DA": _DIGITS + b".\\ \0",
    "DS": _DIGITS + b"+-.eE\\ \0",
    "DT": _DIGITS + b"+-.\\ \0",
    "IS": _DIGITS + b"+-\\ \0",
    "TM": _DIGITS + b":.\\ \0",
    "UI": _DIGITS + b".\\ \0",
}

_LONGEST_CODE: Final = 18  # 16 (PS3.5 Table 6.2-1), and the padding of sloppy writers

# Bytes of one value (PS3.5 Table 6.2-1); what is not whole numbers is something else.
_WIDTHS: Final = {
    **dict.fromkeys(("SS", "US"), 2),
    **dict.fromkeys(("AT", "FL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "SV", "UV"), 8),
}

# Tags met in a run are few; the bound is for data sets made to exhaust memory.
_REMEMBERED_TAGS = 8192


# DEI-61: what UIDs without a row name. All others name things that belong to somebody's examination.
_UIDS_OF_KINDS: Final = frozenset(
    (
        0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x00081150, 0x0008115A,  # SOP Classes
        0x30100052, 0x30100053,  # pertinent SOP Classes
        0x0008040E, 0x00083002, 0x00340003, 0x04000010, 0x04000510,  # Transfer Syntaxes
        0x0008010C, 0x0008010D, 0x00080117, 0x00080118, 0x3010001F,  # coding schemes, contexts, templates
        0x00089123,  # the version of the creator's software
    )
)  # fmt: skip

# DEI-62: resolvable names of other things than a coding scheme or a code.
_URLS_OF_KINDS: Final = frozenset((0x0008010E, 0x00080120))


def names_an_object(node: Node) -> bool:
    """DEI-61: a UID without a row that names an object, and not a kind of objects."""
    return node.vr == "UI" and node.tag not in _UIDS_OF_KINDS


def says_who_or_when(node: Node) -> bool:
    """DEI-62: a person, a date, a time or a place to retrieve from, which the table does not judge."""
    return node.vr in ("PN", "DA", "DT", "TM") or (node.vr == "UR" and node.tag not in _URLS_OF_KINDS)


def is_structure(tag: int) -> bool:
    """Whether an attribute has no place in a de-identified Data Set, whatever it is."""
    group = tag >> 16
    return bool(
        group & 1  # DEI-8: private, creators included
        or group < 0x0008  # DEI-8: Command Set, File Meta Information, DICOMDIR
        or not tag & 0xFFFF  # DEI-8: group length
        or group & 0xFF00 in (0x5000, 0x6000)  # DEI-9: half a curve or overlay module is an invalid one
    )


def complaint(node: Node) -> str | None:
    """The ID of the rule by which an unlisted attribute has to go, or None where it may stay."""
    vrs = _allowed_vrs(node.tag)
    if not vrs or node.vr == "UN":  # DEI-10
        return "DEI-10"
    if node.vr not in vrs or isinstance(node, Sequence) is not (node.vr == "SQ"):  # DEI-11
        return "DEI-11"
    return "DEI-12" if isinstance(node, Element) and not is_of_its_vr(node) else None  # DEI-12


def with_vr(node: Node, vr: str) -> Element | None:
    """A plain element under the VR that it should have; None where its bytes or its own VR contradict."""
    if not isinstance(node, Element) or (
        node.vr not in (vr, "UN") and _WRITTEN.get(node.vr) != _WRITTEN.get(vr, "")
    ):
        return None
    element = node if node.vr == vr else Element(node.tag, vr, node.value)
    return element if is_of_its_vr(element) else None


def is_of_its_vr(element: Element) -> bool:
    """Whether the bytes can be a value of the VR: its characters, or whole numbers, as many as may be."""
    repertoire = _REPERTOIRES.get(element.vr)
    if element.vr == "CS" and any(len(one) > _LONGEST_CODE for one in bytes(element.value).split(b"\\")):
        return False
    if repertoire is not None:
        return not bytes(element.value).translate(None, repertoire)
    width = _WIDTHS.get(element.vr)
    if width is None or not len(element.value):
        return True
    most = most_values(element.tag)
    return len(element.value) % width == 0 and (most is None or len(element.value) // width <= most)


@lru_cache(_REMEMBERED_TAGS)
def most_values(tag: int) -> int | None:
    """How many values the data dictionary allows (PS3.5 §6.4); None where it sets no limit."""
    known = entry(tag)
    if known is None:
        return None
    bounds = [vm.rpartition("-")[2] for vm in known.vm.split(" or ")]
    return max(map(int, bounds)) if all(map(str.isdigit, bounds)) else None


@lru_cache(_REMEMBERED_TAGS)
def _allowed_vrs(tag: int) -> frozenset[str]:
    """The VRs of the data dictionary for a tag with what is taken for them; none for an unknown tag."""
    listed = entry(tag)
    if listed is None:
        return frozenset()
    known = frozenset(listed.vr.split(" or "))
    return known.union(*(family for family in _FAMILIES if family & known))
