"""Where a value stands, as an answer key writes it, and what stands there (MIDI-B's `tag_ds`).

<(0010,0010)>                           top level
<(0019,"SIEMENS MED",11)>               private: creator in capitals, element without its block
<(0040,0275)>[<0000>]<(0040,0007)>      in an item, counted from zero
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

# Their values are too long for a table, and the key has a digest for the first.
_NOT_SHOWN = frozenset(("Pixel Data", "Overlay Data", "File Meta Information Version"))
HIDDEN = "REMOVED"


@dataclass(frozen=True)
class Places:
    """An instance as a scorer sees it."""

    values: dict[str, str]
    pixels_digest: str | None
    """MD5 of the Value Field of Pixel Data as it stands; it is the key's schema, not a safeguard."""
    data_set: Dataset


def places_of(content: bytes) -> Places:
    data_set = pydicom.dcmread(BytesIO(content), force=True)
    pixels = data_set.get("PixelData")
    digest = hashlib.md5(pixels, usedforsecurity=False).hexdigest() if pixels is not None else None
    return Places(dict(_walk(data_set, "")), digest, data_set)


def place(data_set: Dataset, tag: int, above: str = "") -> str:
    """The place of a tag of this Data Set or item."""
    element = data_set[tag]
    label = str(element.tag).replace(", ", ",").strip()
    if element.tag.is_private and (creator := element.private_creator):
        label = f'({label[1:5]},"{creator.upper()}",{label[8:10]})'
    return f"{above}<{label}>"


def _walk(data_set: Dataset, above: str) -> Iterator[tuple[str, str]]:
    for tag in sorted(data_set.keys()):
        element = data_set[tag]
        where = place(data_set, tag, above)
        if element.VR == "SQ":
            yield where, f"<Sequence, length {len(element.value)}>"
            for number, item in enumerate(element.value):
                yield from _walk(item, f"{where}[<{number:04}>]")
        elif element.name in _NOT_SHOWN:
            yield where, HIDDEN
        else:
            yield where, "" if element.value is None else str(element.value).strip()
