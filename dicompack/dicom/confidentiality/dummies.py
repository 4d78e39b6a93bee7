"""Dummy values (action D, PS3.15 Table E.1-1a): the same for everybody, valid for their VR, ASCII alone."""

from __future__ import annotations

import struct
from typing import Final

from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, number_element, string_element

REMOVED: Final = "REMOVED"

_TEXTS: Final = {
    "AE": REMOVED,
    "AS": "000Y",
    "CS": REMOVED,
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "LO": REMOVED,
    "LT": REMOVED,
    "PN": REMOVED,
    "SH": REMOVED,
    "ST": REMOVED,
    "TM": "000000",
    "UC": REMOVED,
    "UR": "about:blank",  # a URI of RFC 6694 that leads nowhere
    "UT": REMOVED,
}

# Bytes of one zero value; OB and UN take two, since a value is of even length.
_ZEROS: Final = {
    **dict.fromkeys(("OB", "OW", "SS", "UN", "US"), 2),
    **dict.fromkeys(("AT", "FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}


def dummy_element(tag: int, vr: str) -> Element:
    """The dummy of any VR but SQ and UI (DEI-4)."""
    text = _TEXTS.get(vr)
    return Element(tag, vr, bytes(_ZEROS[vr])) if text is None else string_element(tag, vr, text)


def coded(value: str, scheme: str, meaning: str) -> DataSet:
    """An item of the Code Sequence Macro (PS3.3 Table 8.8-1)."""
    return DataSet(
        [
            string_element(0x00080100, "SH", value),
            string_element(0x00080102, "SH", scheme),
            string_element(0x00080104, "LO", meaning),
        ]
    )


def dummy_code(tag: int) -> Sequence:
    """A code sequence that says no more than that there was one; its scheme is ours (PS3.3 8.2, "99...")."""
    return Sequence(tag, (coded(REMOVED, "99DCMPACK", "Removed"),))


def dummy_content(tag: int) -> Sequence:
    """A Content Sequence of one TEXT item, which any document allows (PS3.3 Table C.17.3-7)."""
    return Sequence(
        tag,
        (
            DataSet(
                [
                    string_element(0x0040A010, "CS", "CONTAINS"),
                    string_element(0x0040A040, "CS", "TEXT"),
                    Sequence(0x0040A043, (coded("121071", "DCM", "Finding"),)),
                    string_element(0x0040A160, "UT", REMOVED),
                ]
            ),
        ),
    )


def dummy_graphic(tag: int, layer: Node | None) -> Sequence:
    """A Graphic Annotation Sequence of one point in the corner (PS3.3 Table C.10-5), on a layer that exists.

    The item is new as a whole, because outlines can be handwriting.
    """
    point = DataSet(
        [
            string_element(0x00700005, "CS", "DISPLAY"),
            number_element(0x00700020, "US", 2),
            number_element(0x00700021, "US", 1),
            Element(0x00700022, "FL", struct.pack("<2f", 0.0, 0.0)),
            string_element(0x00700023, "CS", "POINT"),
            string_element(0x00700024, "CS", "N"),
        ]
    )
    layer = layer if isinstance(layer, Element) and layer.value else string_element(0x00700002, "CS", REMOVED)
    return Sequence(tag, (DataSet([layer, Sequence(0x00700009, (point,))]),))
