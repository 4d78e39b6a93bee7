"""Clean Graphics (PS3.15 E.3.3): which graphic annotations may stay (DEI-26).

Text is cleaned as text. Lines are kept where they cannot be writing: single points, circles, ellipses, and
short or closed polylines. Overlays and curves are bitmaps and samples that nobody can read here; they go.
"""

from __future__ import annotations

from typing import Final

from dicompack.dicom.dataset import DataSet, Element, Node, Sequence

GRAPHIC_ANNOTATION_SEQUENCE: Final = 0x00700001
UNFORMATTED_TEXT_VALUE: Final = 0x00700006

_TEXT_OBJECTS = 0x00700008
_GRAPHIC_OBJECTS = 0x00700009
_COMPOUND_GRAPHICS = 0x00700209
_DIMENSIONS = 0x00700020
_GRAPHIC_DATA = 0x00700022
_GRAPHIC_TYPE = 0x00700023

# Of five points one draws an arrow, an angle, a cross or an open rectangle, but no word.
_MAX_OPEN_POINTS = 5
_POINT_SIZE = 8  # two coordinates of VR FL


def without_writing(annotations: Sequence) -> Sequence | None:
    """A Graphic Annotation Sequence without graphics that could be handwriting; None where nothing is left.

    Compound graphics say the same again, for those who can edit them, and go.
    """
    kept = [item for item in map(_annotation, annotations.items) if item is not None]
    return Sequence(annotations.tag, tuple(kept)) if kept else None


def _annotation(item: DataSet) -> DataSet | None:
    graphics = tuple(graphic for graphic in item.items(_GRAPHIC_OBJECTS) if not _may_be_writing(graphic))
    item = item.without(_COMPOUND_GRAPHICS, _GRAPHIC_OBJECTS)
    if graphics:
        item = item.replacing(Sequence(_GRAPHIC_OBJECTS, graphics))
    return item if graphics or item.items(_TEXT_OBJECTS) else None


def _may_be_writing(graphic: DataSet) -> bool:
    data = _bytes(graphic.get(_GRAPHIC_DATA))
    if graphic.number(_DIMENSIONS) != 2 or len(data) % _POINT_SIZE:
        return True
    match graphic.text(_GRAPHIC_TYPE):
        case "POINT" | "CIRCLE" | "ELLIPSE":
            return False
        case "POLYLINE" | "INTERPOLATED":
            is_closed = data[:_POINT_SIZE] == data[-_POINT_SIZE:]
            return not is_closed and len(data) > _MAX_OPEN_POINTS * _POINT_SIZE
        case _:
            return True


def _bytes(node: Node | None) -> bytes:
    return bytes(node.value) if isinstance(node, Element) else b""
