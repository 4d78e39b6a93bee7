"""What a command ends with: its exit code, the one object of ``--json``, and the words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from dicompack.cli.exit_codes import ExitCode, exit_code_of
from dicompack.cli.terminal import Terminal, size_text
from dicompack.container.faults import DamagedVolumesError, RepairableVolumesError
from dicompack.errors import DicomPackError
from dicompack.report import Finding, Report, SignatureVerdict, Skipped

_FEW = 5  # lines of one kind that a person reads; a CD has hundreds of files that are no instances


_SIGNERS = {"passed-on": "passed on by", "received": "received by"}


@dataclass(frozen=True)
class Outcome:
    """The end of a command, good or bad."""

    report: Report
    error: DicomPackError | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    """Further keys of the JSON object, for commands that are not about a package."""

    @property
    def code(self) -> ExitCode:
        """3 only where DICOM was left out: a package packed that way unpacks with 0."""
        # CLI-1
        if self.error is not None:
            return exit_code_of(self.error)
        leaves_out = self.report.partial and self.report.command in ("pack", "deidentify", "reidentify")
        return ExitCode.PARTIAL if leaves_out else ExitCode.SUCCESS

    @property
    def _skipped(self) -> Sequence[Skipped]:
        return self.report.skipped if self.error is None else self.error.skipped

    @property
    def _findings(self) -> Sequence[Finding]:
        """Of an error about volumes what is wrong with each, by kind, for scripts."""
        if isinstance(self.error, DamagedVolumesError | RepairableVolumesError):
            return self.error.findings
        return self.report.findings

    @property
    def _left_out(self) -> int:
        return sum(skipped.dicom for skipped in self._skipped)

    def document(self, seconds: float) -> dict[str, object]:
        """The object of ``--json``: the same keys for every command and every end; members as they are."""
        # CLI-2
        report = self.report
        document: dict[str, object] = {
            "command": report.command,
            "ok": self.error is None,
            "exit_code": int(self.code),
            "set_id": report.set_id,
            "instances_in": report.instances_in if self.error is None else self._left_out,
            "instances_out": report.instances_out,
            "skipped": [asdict(skipped) for skipped in self._skipped],
            "bytes_in": report.bytes_in,
            "bytes_out": report.bytes_out,
            "volumes": list(report.volumes),
            "findings": [asdict(finding) for finding in self._findings],
            "signatures": [asdict(verdict) for verdict in report.signatures],
            "recipients": list(report.recipients),
            "members": list(report.members),  # 100 000 of them are not there twice: `terminal` writes each
            "others": list(report.others),
            "complete": report.complete if self.error is None else "not-checked",
            "seconds": round(seconds, 3),
            **self.details,
        }
        if self.error is not None:
            document["error"] = {
                "kind": self.code.kind,
                "code": int(self.code),
                "message": self.error.message,
                "where": self.error.where,
                "rule": self.error.rule,
                "hint": self.error.hint,
                "faults": list(self.error.faults),
            }
        return document


def say_signatures(
    terminal: Terminal,
    signatures: Sequence[SignatureVerdict],
    *,
    judged: bool = True,
    what: str = "",
) -> None:
    """Three facts for each signature, never one word."""
    for verdict, count in Counter(signatures).items():
        times = f" ({count} signatures)" if count > 1 else ""
        terminal.say(f"{_SIGNERS.get(verdict.purpose, 'signer')}: {verdict.signer}{times}")
        terminal.say(f"  fingerprint {verdict.fingerprint}")
        trusted = _yes(verdict.trusted) if judged else "not judged"
        trusted_as = f", as {verdict.trusted_as}" if verdict.trusted_as else ""
        if verdict.existed_by:
            terminal.say(f"  existed by {verdict.existed_by}, says {verdict.time_stamped_by}")
        checked = f"{what}intact {_yes(verdict.intact)}; valid {_yes(verdict.valid)}"
        terminal.say(f"  {checked}; trusted {trusted}{trusted_as}")


def say_skipped(terminal: Terminal, report: Report) -> None:
    """Each instance that was left out with its reason; other files counted, by name with ``--verbose``."""
    others = [skipped for skipped in report.skipped if not skipped.dicom]
    for skipped in report.skipped:
        if skipped.dicom:
            terminal.say(f"left out: {skipped.name}: {skipped.reason}")
    if others:
        terminal.say(f"not packed, and no instance: {plural(len(others), 'file')}")
    _say_some(terminal, [f"{skipped.name}: {skipped.reason}" for skipped in others])


def say_findings(terminal: Terminal, findings: Sequence[Finding]) -> None:
    """Findings by kind with their number; each one with ``--verbose``."""
    for kind, count in sorted(Counter(finding.kind for finding in findings).items()):
        terminal.say(f"finding {kind}: {count}")
        of_kind = [finding for finding in findings if finding.kind == kind]
        _say_some(terminal, [f"{one.where}: {one.message}" if one.where else one.message for one in of_kind])


def _say_some(terminal: Terminal, lines: Sequence[str]) -> None:
    """All lines where they are few; the first ones where they are many, and all with ``--verbose``."""
    shown = lines if terminal.verbose or len(lines) <= _FEW else lines[: _FEW - 1]
    for line in shown:
        terminal.say(f"  {line}")
    if len(shown) < len(lines):
        terminal.say(f"  and {len(lines) - len(shown)} more; --verbose shows each")


def say_volumes(terminal: Terminal, report: Report) -> None:
    """The files of a package, the first and the last where there are many."""
    names = report.volumes
    shown = ", ".join(names) if len(names) <= 3 or terminal.verbose else f"{names[0]} ... {names[-1]}"
    terminal.say(f"{plural(len(names), 'volume')}: {shown}")


def share(part: int, whole: int) -> str:
    """A size against another one: ``11.3 MB (45 %)``."""
    return f"{size_text(part)} ({100 * part / whole:.0f} %)" if whole else size_text(part)


def plural(count: int, noun: str) -> str:
    """A number with its noun: ``1 volume``, ``3 volumes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _yes(fact: bool) -> str:
    return "yes" if fact else "NO"
