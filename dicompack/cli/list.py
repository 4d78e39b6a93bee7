"""``dicompack list``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.identities import Passphrases, recipient
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures
from dicompack.cli.passwords import password_to_open
from dicompack.cli.terminal import Terminal, size_text
from dicompack.report import Member

_TITLES = ("NUMBER", "MODALITY", "SIZE", "PACKED", "TRANSFER SYNTAX", "SOP INSTANCE UID")
_RIGHT = ("NUMBER", "SIZE", "PACKED")


@click.command(
    "list",
    short_help="List the instances of a package.",
    epilog=options.example('dicompack list study.dcmpack --identity me --trust "Clinic A"'),
)
@options.package
@options.openers
@options.of_trust
@options.passphrase_file
@options.common
@click.pass_obj
def list_command(
    terminal: Terminal,
    *,
    package: Path,
    identities: tuple[Path, ...],
    password: bool,
    password_file: Path | None,
    trust: TrustOptions,
    passphrase_file: Path | None,
) -> Outcome:
    """List the instances of a package from its signed manifest, and its other files; none of them is read.

    PACKAGE is any one volume, or the folder that holds them.
    """
    secret = password_to_open(terminal, asked=password, file=password_file)
    reader = recipient(identities, trust, Passphrases(terminal, passphrase_file), secret)

    import dicompack

    report = dicompack.inspect(package, recipient=reader)
    rows = [_row(member) for member in report.members]
    terminal.table(_TITLES, rows, right=_RIGHT)
    if report.others:
        terminal.table(("OTHER FILE",), [(name,) for name in report.others])
    terminal.say(
        f"{plural(len(report.members), 'instance')}; the instances themselves were not checked (verify does)"
    )
    say_signatures(terminal, report.signatures)
    say_findings(terminal, report.findings)
    return Outcome(report)


def _row(member: Member) -> tuple[str, ...]:
    return (
        str(member.number),
        member.modality,
        size_text(member.size) if member.size else "unknown",  # not every DICOMDIR says
        size_text(member.packed_size),
        member.transfer_syntax_uid,
        member.sop_instance_uid,
    )
