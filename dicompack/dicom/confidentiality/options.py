"""The options of the profile by name: which go together, how they are written, which codes claim them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from dicompack.dicom.confidentiality.table import Option
from dicompack.errors import UsageError

BASIC: Final = "basic"

BASIC_CODE: Final = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXEL_DATA_CODE: Final = ("113101", "Clean Pixel Data Option")
CODES: Final = {
    Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.RETAIN_LONGITUDINAL_FULL_DATES: (
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
    ),
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES: (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.RETAIN_DEVICE_IDENTITY: ("113109", "Retain Device Identity Option"),
    Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.RETAIN_INSTITUTION_IDENTITY: ("113112", "Retain Institution Identity Option"),
}
"""Code Value and Code Meaning of each option (PS3.16 CID 7050, scheme DCM)."""

_BOTH_DATES = frozenset((Option.RETAIN_LONGITUDINAL_FULL_DATES, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES))


def check_options(options: frozenset[Option]) -> None:
    """Any combination is legal but that of the two date options (PS3.15 E.3.6).

    Raises:
        UsageError: both date options (DEI-1).
    """
    if options >= _BOTH_DATES:  # DEI-1
        raise UsageError(
            "dates can be retained in full or modified, not both",
            rule="DEI-1",
            hint="choose one of " + " and ".join(sorted(_BOTH_DATES)),
        )


def parse_deidentify(text: str) -> frozenset[Option]:
    """The options of ``basic+option+option`` (DEI-37).

    Raises:
        UsageError: something else, with the nearest name; or an illegal combination (DEI-1).
    """
    profile, *names = (name.strip() for name in text.split("+"))
    if profile == "none":  # DEI-37
        raise UsageError(
            "leaving instances as they are is for packing alone, and takes no options",
            rule="DEI-37",
            hint="dicompack pack --deidentify none",
        )
    if profile != BASIC:  # DEI-37
        raise _unknown("profile", profile, (BASIC,))
    for name in names:
        if name == "clean-pixel-data":
            raise UsageError(
                "clean-pixel-data is not an option of the attributes",
                rule="DEI-37",
                hint="ask for clean pixels with --burned-in clean",
            )
        if name not in tuple(Option):
            raise _unknown("option", name, tuple(Option))
        if names.count(name) > 1:
            raise UsageError(f"option {name} stands twice", rule="DEI-37")
    options = frozenset(map(Option, names))
    check_options(options)
    return options


def nearest(name: str, known: Iterable[str]) -> str | None:
    """What was probably meant, or None."""
    folded = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def _unknown(what: str, name: str, known: tuple[str, ...]) -> UsageError:
    likely = nearest(name, known)
    hint = f"did you mean {likely}?" if likely else "known: " + ", ".join(known)
    return UsageError(f"unknown {what} {name!r} of the confidentiality profile", rule="DEI-37", hint=hint)
