"""Errors that name every fault, not the first one only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicompack.container.limits import MAXIMUM_PROBLEMS_SHOWN
from dicompack.errors import DamagedError, FormatError, RepairableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicompack.report import Finding


def _headline(faults: Sequence[str]) -> str:
    """The first fault without its rule, which the error has in a field of its own."""
    more = len(faults) - 1
    first, bracket, _ = faults[0].rpartition(" [")
    return (first if bracket else faults[0]) + (f" (and {more} more)" if more else "")


def line_of(finding: Finding) -> str:
    """A finding as one line: place, message, rule."""
    place = f"{finding.where}: " if finding.where else ""
    rule = f" [{finding.rule}]" if finding.rule else ""
    return f"{place}{finding.message}{rule}"


class DamagedVolumesError(DamagedError):
    """Volumes are missing or damaged, and recovery volumes do not suffice.

    Attributes:
        findings: every fault.
        faults: one line for each fault, beginning with the volume's file name.
    """

    def __init__(self, findings: Sequence[Finding], *, hint: str | None = None) -> None:
        lines = tuple(map(line_of, findings))
        super().__init__(
            _headline(lines),
            rule=findings[0].rule,
            hint=hint or "get the volumes that are named again from the sender",
        )
        self.findings = tuple(findings)
        self.faults = lines

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with the faults."""
        return _rebuild_volumes, (type(self), self.findings, self.hint)


class RepairableVolumesError(RepairableError):
    """Volumes are missing or damaged, and recovery volumes suffice; otherwise as `DamagedVolumesError`."""

    def __init__(self, findings: Sequence[Finding], *, hint: str | None = None) -> None:
        lines = tuple(map(line_of, findings))
        super().__init__(
            _headline(lines), rule=findings[0].rule, hint=hint or "dicompack repair makes them anew"
        )
        self.findings = tuple(findings)
        self.faults = lines

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with the faults."""
        return _rebuild_volumes, (type(self), self.findings, self.hint)


def _rebuild_volumes(
    cls: type[DamagedVolumesError | RepairableVolumesError], findings: tuple[Finding, ...], hint: str
) -> DamagedVolumesError | RepairableVolumesError:
    return cls(findings, hint=hint)


class ContentsFormatError(FormatError):
    """A MANIFEST or SEAL breaks its rules in one or more places.

    Attributes:
        faults: one line for each fault; members are named by number.
    """

    def __init__(self, faults: Sequence[str], *, where: str, rule: str) -> None:
        super().__init__(_headline(faults), where=where, rule=rule)
        shown = faults[:MAXIMUM_PROBLEMS_SHOWN]
        more = len(faults) - len(shown)
        self.faults = (*shown, f"and {more} more") if more else tuple(shown)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with the faults."""
        return _rebuild_contents, (self.message, self.faults, self.where, self.rule)


def _rebuild_contents(message: str, faults: tuple[str, ...], where: str, rule: str) -> ContentsFormatError:
    error = ContentsFormatError(faults, where=where, rule=rule)
    error.message, error.faults = message, faults
    return error
