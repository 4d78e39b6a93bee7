"""Codes where text is cleaned (DEI-55): that a scheme is a standard's proves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dicompack.dicom.confidentiality.descriptors import Vocabulary, cleaned
from dicompack.dicom.confidentiality.dummies import REMOVED, coded, dummy_element
from dicompack.dicom.dataset import DataSet, Element

CODE_VALUES: Final = (0x00080100, 0x00080119, 0x00080120)
_SCHEME: Final = 0x00080102
_VERSION: Final = 0x00080103
_MEANING: Final = 0x00080104
# The Code Sequence Macro and its extensions (PS3.3 Table 8.8-1), which all speak of one code.
_MACRO: Final = (*CODE_VALUES, _SCHEME, _VERSION, _MEANING, *range(0x00080105, 0x0008010E), 0x0008010F)
PARTS: Final = frozenset((*CODE_VALUES, _SCHEME, _VERSION, _MEANING))
"""What `cleaned_code` judges."""

# PS3.16 Tables 8-1 and 8-2: whose meanings are printed. "99..." and all others are somebody's own.
STANDARD_SCHEMES: Final = frozenset(
    "ACR BARI BI C4 C5 CD2 DCM FDATS FMA GEOSPATIAL HCPCS HPC I10 I10C I10P I11 I9 I9C I9P IBSI "
    "ICDO3 IHE ISO3166_1 ISO639_1 ISO639_2 ITIS_TSN JLAC10 LN LOINC MAYOASRG MDC MDNS MSH NCDR NCIt "
    "NDC NEU NIST NYUMCCG PATHLEX POS RADELEMENT RADLEX RFC3066 RFC5646 RXNORM RadLex SCT SNM3 SRT "
    "UBERON UCUM UDI UMLS UNS UPC X6 ZFA".split()
)
# Their codes are numbers of up to 18 digits, some of which read like a date.
_NUMBERED: Final = frozenset("FMA ITIS_TSN MDC NDC RXNORM SCT UDI UPC".split())
_DIGITS: Final = re.compile(rb"[0-9]+[ \0]*")
_SYNTAX: Final = re.compile(rb"[0-9A-Za-z._/{}\[\]%*+:()'^~=&#-]+[ \0]*")


def cleaned_code(
    item: DataSet,
    vocabulary: Vocabulary,
    character_set: tuple[str, ...],
    note_cut: Callable[[int, int], None],
) -> DataSet:
    """A data set whose code, if it has one, names nobody; the same object where nothing had to change."""
    if PARTS.isdisjoint(node.tag for node in item):
        return item
    scheme = item.text(_SCHEME).split(" ")[0]
    is_standard = scheme in STANDARD_SCHEMES
    for tag in (*CODE_VALUES, _SCHEME):
        part = item.get(tag)
        if not isinstance(part, Element) or not len(part.value):
            continue
        value = bytes(part.value)
        if _DIGITS.fullmatch(value) and scheme in _NUMBERED:
            continue
        is_code = is_standard or tag == _SCHEME or _DIGITS.fullmatch(value) is not None
        result = cleaned(Element(tag, "LO", value), vocabulary, character_set, is_code=is_code)
        is_odd = not is_standard and tag in CODE_VALUES and not _SYNTAX.fullmatch(value)
        if result.cut or result.element is None or is_odd:
            note_cut(tag, 1)
            return item.without(*_MACRO).replacing(*coded(REMOVED, "99DCMPACK", "Removed"))
    for tag in (_VERSION, _MEANING):
        part = item.get(tag)
        if not isinstance(part, Element):
            continue
        is_number = _DIGITS.fullmatch(bytes(part.value)) is not None
        if tag == _VERSION and is_number:
            continue
        is_code = is_standard or tag == _VERSION or is_number
        result = cleaned(Element(tag, "LO", part.value), vocabulary, character_set, is_code=is_code)
        note_cut(tag, result.cut)
        if result.element is None or (result.cut and not bytes(result.element.value).strip(b" \0")):
            item = item.replacing(dummy_element(tag, "LO"))
        elif result.cut:
            item = item.replacing(Element(tag, part.vr, result.element.value))
    return item
