"""What identifies by its shape, whoever it belongs to (DEI-47).

Every pattern needs time in proportion to the text: quantifiers are possessive or bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from dicompack.dicom.confidentiality.names_in_text import names_in, titled_names_in
from dicompack.dicom.confidentiality.times_in_text import times_in

Span = tuple[int, int]

# No letter or digit, and no digit, before; none after.
_B, _E = r"(?<![^\W_])", r"(?![^\W_])"
_N, _M = r"(?<!\d)", r"(?!\d)"

_LONG_NUMBER: Final = re.compile(r"\d{6,}+")
_DOTTED: Final = re.compile(r"(?<!\d)(?<!\d\.)\d++(?:\.\d++){2,}+")
# Three numbers joined by dots are a version, if they are short.
_MIN_DOTTED_DIGITS: Final = 8
_VERSION_DOTS: Final = 2
# The root of DICOM's own UIDs, which name kinds (PS3.6 Annex A).
_STANDARD_ROOT: Final = "1.2.840.10008."
_COMPACT_DATE: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)")

_LOCATION: Final = re.compile(
    r"(?:(?:https?|s?ftp|file|dicom|smb|ldap)://|mailto:|www\.|[A-Za-z]:\\|\\\\|"
    r"(?<![\w/])/(?:home|users|mnt|data|var|media|export)/)[^\s<>\"']++",
    re.IGNORECASE,
)
_GAP: Final = r"[ ()/.-]{0,3}"
_NO_SIGN: Final = r"(?<![\d.,])"
_PHONE: Final = re.compile(
    "|".join(
        (
            rf"(?<![\w+])\+\d{{1,3}}{_GAP}\d(?:{_GAP}\d){{5,13}}",
            r"\(0?\d{2,5}\) ?\d{2,4}(?:[ /.-]?\d{2,4}){1,3}",
            rf"{_NO_SIGN}0\d{{1,4}}(?: ?[/-] ?| )\d{{3,}}(?:[ -]\d{{2,4}}){{0,3}}{_M}",
            rf"{_NO_SIGN}0\d(?:[ .]\d\d){{4}}{_M}",
            rf"{_NO_SIGN}\d{{3}}[-. ]\d{{3}}[-. ]\d{{4}}{_M}",
            rf"{_N}\d{{3}}-\d{{2}}-\d{{4}}{_M}",
            rf"{_N}\d{{4}}[- ]\d{{4}}[- ]\d{{4}}(?:[- ]\d{{4}})?{_M}",
            rf"{_B}(?:tel|call|rückruf|phone|telephone|telefon|fax|fon|mobile?|handy|cell|pager|ext|durchwahl|tél|teléfono)"
            rf"\b[ .:#]{{0,3}}[+(]?\d(?:{_GAP}\d){{2,14}}",
        )
    ),
    re.IGNORECASE,
)
# Ages above 89 years are few (45 CFR 164.514(b)(2)(i)(C)).
_OLD_AGE: Final = re.compile(
    rf"{_N}(?:9\d|1[01]\d)[ -]?(?:y/?o|yrs?|years?|jahre?|j\.|ans|años|anni|jaar|лет|歳|岁|세)(?![^\W\d_])"
    rf"|{_N}(?:09\d|1[01]\d)Y{_E}",
    re.IGNORECASE,
)
_NO: Final = r"(?:no|nr|number|nummer|id)"
_LABELLED_NUMBER: Final = re.compile(
    rf"{_B}(?:mrn?|pid|pat(?:ient)?(?:en)?[- .]{{0,2}}{_NO}|acc(?:ession)?(?:[- .]{{0,2}}{_NO})?|ssn|"
    rf"nhs(?: ?{_NO})?|hosp(?:ital)?[ .]{{0,2}}{_NO}|(?:fall|case|order|auftrags?|visit)[- ]?{_NO}|id|nhc|"
    r"dni|nip|ipp|iban|ahv|svnr)\.? {0,2}(?:[:=#]|\b(?= ?[A-Z0-9/-]{0,12}\d{4})) {0,2}#?"
    r"(?=[^\W_]{0,16}[-/]?[^\W_]{0,8}\d)[^\W_](?:[/-]?[^\W_]){0,30}",
    re.IGNORECASE,
)


def shapes_in(text: str) -> Iterator[Span]:
    """Where something stands that looks like one of the kinds of DEI-47."""
    view = text if text.isascii() else "".join(map(_plain, text))
    yield from times_in(view)
    for match in _LONG_NUMBER.finditer(view):
        yield _grown(view, *match.span(), "")
    yield from _dotted_numbers(view)
    yield from _mail_addresses(view)
    for pattern in (_LOCATION, _PHONE, _OLD_AGE, _LABELLED_NUMBER):
        for match in pattern.finditer(view):
            yield match.span()
    yield from names_in(view)


def code_shapes_in(text: str) -> Iterator[Span]:
    """Of them, those that no code, meaning of a code or version has: dates, UIDs, addresses, titled names."""
    view = text if text.isascii() else "".join(map(_plain, text))
    yield from times_in(view)
    for match in _COMPACT_DATE.finditer(view):
        yield match.span()
    for start, end in _dotted_numbers(view):
        if not view.startswith(_STANDARD_ROOT, start):
            yield start, end
    yield from _mail_addresses(view)
    yield from titled_names_in(view)


def _dotted_numbers(view: str) -> Iterator[Span]:
    for match in _DOTTED.finditer(view):
        if match[0].count(".") > _VERSION_DOTS or sum(map(str.isdigit, match[0])) >= _MIN_DOTTED_DIGITS:
            yield match.span()


def _plain(character: str) -> str:
    """One character for each, so that positions hold: digits and signs of every width and kind."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    normal = unicodedata.normalize("NFKC", character)
    return normal if len(normal) == 1 else " " if character.isspace() else character


def _mail_addresses(view: str) -> Iterator[Span]:
    end = 0
    for match in re.finditer("@", view):
        if match.start() < end:
            continue
        start, end = _grown(view, *match.span(), "._%+-@")
        if start < match.start() and "." in view[match.end() : end]:
            yield start, end


def _grown(view: str, start: int, end: int, more: str) -> Span:
    """A span with the letters and digits that touch it, and what else may belong to it."""
    while start and (view[start - 1].isalnum() or view[start - 1] in more):
        start -= 1
    while end < len(view) and (view[end].isalnum() or view[end] in more):
        end += 1
    return start, end
