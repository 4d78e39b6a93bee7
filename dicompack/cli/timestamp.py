"""``dicompack timestamp``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.options import PATH
from dicompack.cli.outcome import Outcome, say_findings, say_volumes
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError


@click.command(
    "timestamp",
    short_help="Have a time-stamp authority state when a package was sealed.",
    epilog=options.example(
        "dicompack timestamp study.dcmpack --query study.tsq\n"
        "  dicompack timestamp study.dcmpack --query study.tsq --reply study.tsr -o stamped.dcmpack"
    ),
)
@options.package
@click.option(
    "--query", type=PATH, metavar="FILE", help="Write the query to FILE; with --reply, compare them."
)
@click.option("--reply", type=PATH, metavar="FILE", help="The authority's reply to the query.")
@click.option("--url", metavar="URL", help="Ask the authority now, over http or https.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    callback=options.optional_package_name,
    metavar="NAME.dcmpack",
    help="The package with the time-stamp.",
)
@click.option("--force", is_flag=True, help="Overwrite a package of this name.")
@options.common
@click.pass_obj
def timestamp_command(
    terminal: Terminal,
    *,
    package: Path,
    query: Path | None,
    reply: Path | None,
    url: str | None,
    output: Path | None,
    force: bool,
) -> Outcome:
    """Write a query for a time-stamp authority, or put its reply into a package; needs no key.

    The query holds the SHA-256 of a signature and a random number, and nothing else. PACKAGE is any one
    volume, or the folder that holds them.
    """
    import dicompack

    if reply is None and url is None:
        if query is None or output is not None or force:
            raise UsageError(
                "a query needs --query, and a package with a time-stamp --reply or --url, and -o",
                hint="see dicompack timestamp --help",
            )
        with system_errors(query), terminal.progress() as on_progress:
            report = dicompack.timestamp_query(package, query, on_progress=on_progress)
        terminal.say(f"take {query.name} to a time-stamp authority, and bring its reply back with --reply")
        say_findings(terminal, report.findings)
        return Outcome(report)
    if output is None or (url is not None and query is not None):
        raise UsageError(
            "a package with a time-stamp is written with -o, from a --reply with or without its --query, "
            "or from a --url",
            hint="see dicompack timestamp --help",
        )
    with system_errors(output), terminal.progress() as on_progress:
        report = dicompack.timestamp(
            package, output, reply=reply, query=query, url=url, force=force, on_progress=on_progress
        )
    say_volumes(terminal, report)
    terminal.say("with a time-stamp; it counts for those who name its authority with --tsa")
    say_findings(terminal, report.findings)
    return Outcome(report)
