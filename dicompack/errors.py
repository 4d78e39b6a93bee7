"""Every error of DICOMPack on one page.

Classes follow who has to act, not which module failed. Each has a ``kind``; the command line maps kinds to
exit codes in one table, ``--json`` prints them. ``OSError`` passes through untouched and is reported as
``output`` or ``input`` by the command that met it.

Messages are one line, lower case, fact first, without full stop; what to do next stands in ``hint``. No
message holds a patient's name, identifier or UID.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dicompack.report import Skipped


class DicomPackError(Exception):
    """The root: catch this to catch everything that DICOMPack raises on purpose.

    Attributes:
        message: what is wrong, in one line.
        where: volume, entry, member or offset it was found at; never a patient's name.
        rule: stable ID of the broken rule in ``spec/`` (``VOL-7``).
        hint: what to do next.
        faults: one line for each thing that is wrong, where there are several.
        skipped: inputs that were left out before the run failed; only on the sender's side.
    """

    kind: ClassVar[str] = "internal"

    def __init__(
        self, message: str, *, where: str | None = None, rule: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.rule = rule
        self.hint = hint
        self.faults: tuple[str, ...] = ()
        self.skipped: tuple[Skipped, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with all four fields."""
        return _rebuild, (type(self), self.message, self.where, self.rule, self.hint)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{place}{self.message}{rule}"


def gravest(errors: Sequence[DicomPackError]) -> DicomPackError:
    """The one to raise of several: the one to trust the data least for, and of those the first."""
    return max(errors, key=lambda error: _GRAVITY.index(error.kind))


# Kinds in the order of their exit codes, which rise with distrust.
_GRAVITY = (
    "internal", "usage", "partial", "input", "output", "suspect", "format", "unsupported",
    "repairable", "damaged", "no-match", "untrusted", "bad-signature",
)  # fmt: skip


def _rebuild(
    cls: type[DicomPackError], message: str, where: str | None, rule: str | None, hint: str | None
) -> DicomPackError:
    return cls(message, where=where, rule=rule, hint=hint)


class UsageError(DicomPackError):
    """The call makes no sense."""

    kind = "usage"


class InputError(DicomPackError):
    """A source cannot be used, or nothing in it is DICOM."""

    kind = "input"


class NotDicomError(InputError):
    """A file is not DICOM at all: left out, and not counted as an instance."""


class NoTimeStampError(InputError):
    """A time-stamp authority gave none for an instance: no fault of the instance, and so of the whole run."""


class OutputError(DicomPackError):
    """The result cannot be written: it exists, the disk is full, access is denied, another run is busy."""

    kind = "output"


class SuspectError(DicomPackError):
    """De-identification cannot be vouched for."""

    kind = "suspect"


class FormatError(DicomPackError):
    """Bytes break the specification."""

    kind = "format"


class UnsupportedError(DicomPackError):
    """A newer format version, or a feature or algorithm that this version does not have."""

    kind = "unsupported"


class RepairableError(DicomPackError):
    """Damaged or volumes missing, but recovery volumes suffice."""

    kind = "repairable"


class DamagedError(DicomPackError):
    """Damaged or volumes missing, and not repairable."""

    kind = "damaged"


class NoMatchError(DicomPackError):
    """No key fits: not a recipient, a wrong passphrase, or something that is no key."""

    kind = "no-match"


class UntrustedError(DicomPackError):
    """A signature is intact and valid, but its signer is unknown, expired or revoked."""

    kind = "untrusted"


class BadSignatureError(DicomPackError):
    """A signature is wrong or missing, or signed statements contradict each other."""

    kind = "bad-signature"
