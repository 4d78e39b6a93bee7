"""``dicompack test``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.contacts import trust_store
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError


@click.command(
    "test",
    short_help="Check a package without any decryption key.",
    epilog=options.example('dicompack test study.dcmpack --trust "Clinic A"'),
)
@options.package
@options.of_trust
@click.option("--integrity-only", is_flag=True, help="Do not judge who signed it.")
@options.receipt("Check this receipt against the package, too.")
@options.common
@click.pass_obj
def test_command(
    terminal: Terminal, *, package: Path, trust: TrustOptions, integrity_only: bool, receipt: Path | None
) -> Outcome:
    """Check integrity, completeness and origin of a package; needs no decryption key.

    PACKAGE is any one volume, or the folder that holds them.
    """
    if integrity_only and trust != TrustOptions():
        raise UsageError(
            "--integrity-only judges nobody, so --trust makes no sense",
            rule="CLI-10",
            hint="leave one of them out",
        )
    anchors = None if integrity_only else trust_store(trust)

    import dicompack

    with terminal.progress() as on_progress:
        report = dicompack.test(package, trust=anchors, receipt=receipt, on_progress=on_progress)
    terminal.say(
        f"complete and unchanged: {plural(report.instances_in, 'instance')} in "
        f"{plural(len(report.volumes), 'volume')}"
    )
    say_signatures(terminal, report.signatures, judged=not integrity_only)
    say_findings(terminal, report.findings)
    return Outcome(report)
