"""Value Representations: which exist (PS3.5 §6.2), which one a tag has, and what a UID names (PS3.6).

The tables are pydicom's. They are loaded without the package around them, which takes decoders, imaging
libraries and a downloader along: a fifth of a second in every process that only wants to know a VR.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

# Explicit VR: a 16-bit length follows these (PS3.5 §7.1.2); the others have two reserved bytes and 32 bits.
SHORT_VRS = frozenset("AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
STRING_VRS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())

# Bytes per number, for the swap between byte orders (PS3.5 §7.3); a tag is two numbers of 16 bits.
WORD_BYTES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}  # fmt: skip

# What implicit VR data are where PS3.6 leaves a choice that needs no other attribute (PS3.5 A.1).
_CHOICES = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}


class Entry(NamedTuple):
    """A row of the data dictionary (PS3.6 §6), as pydicom has it."""

    vr: str
    vm: str
    name: str
    retired: str
    keyword: str


class RegisteredUid(NamedTuple):
    """A row of PS3.6 Table A-1, as pydicom has it."""

    name: str
    kind: str
    info: str
    retired: str
    keyword: str


def entry(tag: int) -> Entry | None:
    """What the data dictionary says of a public tag; None where it knows none."""
    table = _table("_dicom_dict")
    found = table.DicomDictionary.get(tag)
    if found is None:
        found = next((row for base, mask, row in _repeating_groups() if not (tag ^ base) & mask), None)
    return Entry(*found) if found else None


def registered_uid(uid: str) -> RegisteredUid | None:
    """What PS3.6 Annex A says of a UID; None where it says nothing."""
    found = _table("_uid_dict").UID_dictionary.get(uid)
    return RegisteredUid(*found) if found else None


@cache
def _repeating_groups() -> list[tuple[int, int, tuple[str, ...]]]:
    """Rows for many tags each (50xx, 60xx): the digits that are given, where they stand, and the row."""
    rows = _table("_dicom_dict").RepeatersDictionary.items()
    return [
        (int(tag.replace("x", "0"), 16), int("".join("F0"[digit == "x"] for digit in tag), 16), row)
        for tag, row in rows
    ]


@cache
def _table(name: str) -> Any:
    """A module of pydicom that is nothing but a table."""
    if "pydicom" in sys.modules:
        return import_module(f"pydicom.{name}")
    package = find_spec("pydicom")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ModuleNotFoundError("pydicom is not installed", name="pydicom")
    spec = spec_from_file_location(f"{__name__}.{name}", Path(folders[0], f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=8192)
def dictionary_vr(tag: int) -> str:
    """The VR of a public tag, ``US or SS`` where Pixel Representation decides, ``UN`` where not known."""
    if not tag & 0xFFFF:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    found = entry(tag)
    if found is None:
        return "UN"
    vr = found.vr
    return _CHOICES.get(vr, vr if vr in SHORT_VRS | LONG_VRS or vr == "US or SS" else "UN")
