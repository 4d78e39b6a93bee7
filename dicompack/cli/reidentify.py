"""``dicompack reidentify``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.identities import Passphrases, recipient
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures, say_skipped
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text
from dicompack.errors import UsageError


@click.command(
    "reidentify",
    short_help="Give instances their identity back; for custodians.",
    epilog=options.example('dicompack reidentify STUDY -d ORIGINAL --identity me --trust "Clinic A"'),
)
@click.argument("sources", nargs=-1, type=options.PATH, metavar="FILES...")
@click.option(
    "-d",
    "--directory",
    "target",
    required=True,
    type=options.PATH,
    metavar="DIR",
    help="A new or an empty folder.",
)
@options.identities
@options.trust
@click.option(
    "--accept-unbound",
    is_flag=True,
    help="Take encrypted attributes that nobody has bound to their instance, as other programs write them.",
)
@options.passphrase_file
@options.common
@click.pass_obj
def reidentify_command(
    terminal: Terminal,
    *,
    sources: tuple[Path, ...],
    target: Path,
    identities: tuple[Path, ...],
    trust: tuple[str, ...],
    accept_unbound: bool,
    passphrase_file: Path | None,
) -> Outcome:
    """Give the instances in FILES their original attributes back, and write them into DIR.

    FILES are files and folders, long after they left their package. Objects made on the de-identified
    instances (SEG, SR, RTSTRUCT) get the original references if they are named together with them. Nothing is
    written unless everything that is encrypted passes.
    """
    if not sources:
        raise UsageError("no file given", hint="name instances that were packed with --custodian")
    reader = recipient(identities, TrustOptions(trust), Passphrases(terminal, passphrase_file))

    import dicompack

    with system_errors(target), terminal.progress() as on_progress:
        report = dicompack.reidentify(
            sources, target, recipient=reader, accept_unbound=accept_unbound, on_progress=on_progress
        )
    terminal.say(f"re-identified {plural(report.instances_out, 'instance')}, {size_text(report.bytes_out)}")
    terminal.say("DIR holds patients' identities now: keep it as you keep originals")
    say_signatures(terminal, report.signatures, what="originals ")
    say_skipped(terminal, report)
    say_findings(terminal, report.findings)
    return Outcome(report)
