"""What an instance says of its de-identification (PS3.15 E.1.1 step 5, E.2), and no claim beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicompack.dicom.confidentiality.dummies import coded
from dicompack.dicom.confidentiality.options import BASIC, BASIC_CODE, CLEAN_PIXEL_DATA_CODE, CODES
from dicompack.dicom.confidentiality.table import EDITION, Option
from dicompack.dicom.dataset import Node, Sequence, string_element

METHOD: Final = f"DICOMPack: PS3.15 {EDITION} Basic Confidentiality Profile"
"""De-identification Method (0012,0063), first value."""
WEAKENED: Final = f"DICOMPack: PS3.15 {EDITION}, with exceptions of the site"
"""The same where a site profile keeps or writes what the Basic Profile removes."""

_IDENTITY_REMOVED = 0x00120062
_METHOD = 0x00120063
_METHOD_CODES = 0x00120064
_BURNED_IN_ANNOTATION = 0x00280301
LONGITUDINAL: Final = 0x00280303
"""Longitudinal Temporal Information Modified."""

STAMPS: Final = frozenset((_IDENTITY_REMOVED, _METHOD, _METHOD_CODES, LONGITUDINAL))


@dataclass(frozen=True, slots=True)
class Claims:
    """What may be claimed of an instance."""

    options: frozenset[Option]
    """That were applied."""
    weakened: frozenset[str] = frozenset()
    """Names of options, and `BASIC`, whose promise a site profile breaks (DEI-36)."""
    pixels_cleaned: bool = False
    names_patient: bool = False
    """A site profile keeps or writes what says who the patient is."""
    keeps_dates: bool = False
    """A site profile keeps dates as they are, or writes them."""
    dates_before: str = ""
    """Longitudinal Temporal Information Modified, as the source has it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Profile and options that are claimed, as `parse_deidentify` writes them."""
        applied = [BASIC, *(option.value for option in Option if option in self.options)]
        return tuple(name for name in applied if name not in self.weakened)

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code Value and Code Meaning of what is claimed, ascending (PS3.16 CID 7050)."""
        meanings = {BASIC: BASIC_CODE} | {option.value: code for option, code in CODES.items()}
        pixels = [CLEAN_PIXEL_DATA_CODE] if self.pixels_cleaned else []
        return tuple(sorted([*(meanings[name] for name in self.names), *pixels]))

    @property
    def longitudinal(self) -> str:
        """Longitudinal Temporal Information Modified (0028,0303)."""
        if self.keeps_dates or Option.RETAIN_LONGITUDINAL_FULL_DATES in self.options:
            return self.dates_before if self.dates_before in ("MODIFIED", "REMOVED") else "UNMODIFIED"
        return "MODIFIED" if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in self.options else "REMOVED"


def stamps(claims: Claims) -> list[Node]:
    """The attributes that say what was done (DEI-17, DEI-27)."""
    method = [WEAKENED if BASIC in claims.weakened else METHOD]
    method += [name for name in claims.names if name != BASIC]
    nodes: list[Node] = [
        string_element(_IDENTITY_REMOVED, "CS", "NO" if claims.names_patient else "YES"),
        string_element(_METHOD, "LO", "\\".join(method)),
        string_element(LONGITUDINAL, "CS", claims.longitudinal),
    ]
    if codes := claims.codes:  # DEI-27
        items = tuple(coded(value, "DCM", meaning) for value, meaning in codes)
        nodes.append(Sequence(_METHOD_CODES, items))
    if claims.pixels_cleaned:
        nodes.append(string_element(_BURNED_IN_ANNOTATION, "CS", "NO"))  # PS3.15 E.3.1
    return nodes
