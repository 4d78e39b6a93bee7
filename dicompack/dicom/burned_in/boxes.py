"""Rectangles on the pixel grid of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Cause(StrEnum):
    """Why a rectangle is blackened."""

    TEXT = "text"
    """Looks like text."""
    WORD = "word"
    """Reads like a word of the header, or like a date or number."""
    REGION = "region"
    """Outside the regions that the device itself calls image (0018,6011)."""
    RULE = "rule"
    """A device is known to write there."""


@dataclass(frozen=True, order=True)
class Rectangle:
    """Columns x0 to x1 and rows y0 to y1, the ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def area(self) -> int:
        """Pixels."""
        return max(0, self.x1 - self.x0) * max(0, self.y1 - self.y0)

    def clipped(self, columns: int, rows: int) -> Rectangle:
        """What of it lies in an image."""
        return Rectangle(max(self.x0, 0), max(self.y0, 0), min(self.x1, columns), min(self.y1, rows))

    def grown(self, by: int) -> Rectangle:
        """Larger by this many pixels on each side."""
        return Rectangle(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)

    def meets(self, other: Rectangle) -> bool:
        """Whether they share a pixel."""
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def covers(self, other: Rectangle) -> bool:
        """Whether the other one lies in it."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and self.x1 >= other.x1 and self.y1 >= other.y1


@dataclass(frozen=True, order=True)
class Box:
    """What was blackened: a rectangle in a range of frames, which are counted from 1."""

    first_frame: int
    last_frame: int
    x0: int
    y0: int
    x1: int
    y1: int
    cause: Cause


def outside(inner: Iterable[Rectangle], columns: int, rows: int) -> tuple[Rectangle, ...]:
    """Rectangles that cover an image but for the inner ones, band by band from top to bottom."""
    kept = [one for one in (each.clipped(columns, rows) for each in inner) if one.area]
    edges = sorted({0, rows, *(one.y0 for one in kept), *(one.y1 for one in kept)})
    found: list[Rectangle] = []
    for top, bottom in pairwise(edges):
        at = 0
        for one in sorted(each for each in kept if each.y0 <= top and each.y1 >= bottom):
            if one.x0 > at:
                found.append(Rectangle(at, top, one.x0, bottom))
            at = max(at, one.x1)
        if at < columns:
            found.append(Rectangle(at, top, columns, bottom))
    return tuple(found)
