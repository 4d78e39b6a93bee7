"""Settings of `pack` that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping

from dicompack.errors import UsageError
from dicompack.parties import Originator


def check_secure(given: Mapping[str, object]) -> None:
    """What a Secure File-set has no place for; options with their values.

    Raises:
        UsageError: one was given.
    """
    for option, value in given.items():
        if value not in (None, False, ()):  # SDF-16
            raise UsageError(
                f"{option} does not go with a Secure File-set",
                rule="SDF-16",
                hint=f"leave out {option}, or --envelope secure-dicom",
            )


def check_originals(
    originator: Originator, *, as_is: bool, include_other: bool, allow_preamble: bool, said: object
) -> None:
    """What goes with de-identification only, or without it only.

    Raises:
        UsageError: both ask for something.
    """
    if as_is and originator.custodians:
        raise UsageError(
            "without de-identification there is nothing for a custodian to undo",
            hint="name the custodian as a recipient",
        )
    if allow_preamble and not as_is:
        raise UsageError("a de-identified instance never has a preamble", hint="leave out --allow-preamble")
    if as_is and said:
        raise UsageError("site profiles and maps are about de-identification", hint="leave them out")
    if include_other and not as_is:
        raise UsageError(
            "other files cannot be de-identified, so they do not travel with de-identified instances",
            hint="leave out --include-other, or pack with --deidentify none",
        )
