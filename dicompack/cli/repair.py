"""``dicompack repair``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.outcome import Outcome, plural, say_findings
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text


@click.command(
    "repair",
    short_help="Make missing and damaged volumes again.",
    epilog=options.example("dicompack repair study.dcmpack.001 -d REPAIRED"),
)
@options.package
@click.option(
    "-d",
    "--directory",
    "target",
    type=options.PATH,
    metavar="DIR",
    help="A new or an empty folder for the whole package.  [default: missing volumes go beside the others]",
)
@options.common
@click.pass_obj
def repair_command(terminal: Terminal, *, package: Path, target: Path | None) -> Outcome:
    """Make missing and damaged volumes again from what is left; needs no key.

    No file that is there is changed: without -d, missing volumes are written beside the others; with -d, the
    whole package is written into DIR. PACKAGE is any one volume, or the folder that holds them.
    """
    import dicompack

    beside = package if package.is_dir() else package.parent
    with system_errors(target or beside), terminal.progress() as on_progress:
        report = dicompack.repair(package, target, on_progress=on_progress)
    made = sum(finding.kind == "repaired" for finding in report.findings)
    if made:
        terminal.say(f"made again: {plural(made, 'volume')}")
    else:
        terminal.say("nothing to repair: every byte is as it was written")
    if report.volumes:
        terminal.say(f"written: {plural(len(report.volumes), 'volume')}, {size_text(report.bytes_out)}")
    terminal.say("who made the package was not checked; dicompack test does that")
    say_findings(terminal, report.findings)
    return Outcome(report)
