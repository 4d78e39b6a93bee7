"""``dicompack verify``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.identities import Passphrases, recipient
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures
from dicompack.cli.passwords import password_to_open
from dicompack.cli.terminal import Terminal


@click.command(
    "verify",
    short_help="Check all that unpack checks, and write nothing.",
    epilog=options.example('dicompack verify study.dcmpack --identity me --trust "Clinic A"'),
)
@options.package
@options.openers
@options.of_trust
@options.receipt("Check this receipt against the package, too.")
@options.passphrase_file
@options.jobs
@options.max_memory
@options.common
@click.pass_obj
def verify_command(
    terminal: Terminal,
    *,
    package: Path,
    identities: tuple[Path, ...],
    password: bool,
    password_file: Path | None,
    trust: TrustOptions,
    receipt: Path | None,
    passphrase_file: Path | None,
    jobs: int | None,
    max_memory: int | None,
) -> Outcome:
    """Check everything that unpack checks, down to each instance's signature, and write nothing.

    PACKAGE is any one volume, or the folder that holds them.
    """
    secret = password_to_open(terminal, asked=password, file=password_file)
    reader = recipient(identities, trust, Passphrases(terminal, passphrase_file), secret)

    import dicompack

    with terminal.progress() as on_progress:
        report = dicompack.verify(
            package,
            recipient=reader,
            receipt=receipt,
            jobs=jobs,
            max_memory=max_memory,
            on_progress=on_progress,
        )
    terminal.say(
        f"verified, each with its signature: {plural(report.instances_in, 'instance')} in "
        f"{plural(len(report.volumes), 'volume')}"
    )
    say_signatures(terminal, report.signatures)
    say_findings(terminal, report.findings)
    return Outcome(report)
