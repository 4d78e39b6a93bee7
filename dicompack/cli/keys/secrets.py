"""``dicompack keys project`` and ``dicompack keys password``: secrets that are no keys of a person."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.outcome import Outcome
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.files import write_new
from dicompack.report import Report


@click.command(
    "project",
    short_help="Make a project key for stable pseudonyms.",
    epilog=options.example("dicompack keys project trial.key"),
)
@click.argument("file", type=options.PATH, metavar="FILE")
@options.common
@click.pass_obj
def project_command(terminal: Terminal, *, file: Path) -> Outcome:
    """Make a project key: with it, a patient has the same pseudonym in every delivery.

    Whoever has the key and a patient's ID can find the patient's pseudonym: keep it secret.
    """
    from dicompack.crypto.derivation import ProjectKey

    with system_errors(file):
        write_new(file, [ProjectKey.new().marshal()])
    terminal.say(f"keep secret, and keep: {file.name}")
    return Outcome(Report("keys project", complete="not-checked"))


@click.command(
    "password",
    short_help="Make a password for packages.",
    epilog=options.example("dicompack keys password secret.txt"),
)
@click.argument("file", type=options.PATH, metavar="FILE")
@options.common
@click.pass_obj
def password_command(terminal: Terminal, *, file: Path) -> Outcome:
    """Make a password of 128 bits, as words, for pack --password-file.

    It opens, and proves no origin. Tell it to the recipients by another way than the package.
    """
    from dicompack.crypto.passwords import Password

    with system_errors(file):
        write_new(file, [Password.new().text.encode("ascii") + b"\n"])
    terminal.say(f"keep secret: {file.name}")
    return Outcome(Report("keys password", complete="not-checked"))
