"""``dicompack keys use``: the identity that is meant where none is named."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.configuration import identity_file, own_identity
from dicompack.cli.identities import DECRYPTION_FILE, DECRYPTION_PEM_FILE, SIGNING_FILE
from dicompack.cli.outcome import Outcome
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError
from dicompack.files import replace_file
from dicompack.report import Report


@click.command(
    "use",
    short_help="Say which identity is yours, so that calls need not name it.",
    epilog=options.example("dicompack keys use me"),
)
@click.argument("identity", type=options.PATH, metavar="[IDENTITY]", required=False)
@click.option("--none", "nobody", is_flag=True, help="Name none any more.")
@options.common
@click.pass_obj
def use_command(terminal: Terminal, *, identity: Path | None, nobody: bool) -> Outcome:
    """Take IDENTITY for --signer and --identity wherever they are left out. Without it, show which it is.

    Its path is remembered, not its keys: the passphrase is asked for as before.
    """
    if nobody and identity is not None:
        raise UsageError("--none names nobody", hint="leave one of them out")
    file = identity_file()
    with system_errors(file.parent):
        if nobody:
            file.unlink(missing_ok=True)
        elif identity is not None:
            _check(identity)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(file, [os.fsencode(identity.absolute()) + b"\n"])
    own = own_identity()
    if own is None:
        terminal.say("no identity is named: --signer and --identity say which")
    elif identity is None:
        terminal.data(str(own))
    else:
        terminal.say(f"meant from now on where no identity is named: {own.name}")
    return Outcome(
        Report("keys use", complete="not-checked"), details={"identity": "" if own is None else str(own)}
    )


def _check(identity: Path) -> None:
    names = (SIGNING_FILE, DECRYPTION_FILE, DECRYPTION_PEM_FILE)
    if identity.is_file() or any((identity / name).is_file() for name in names):
        return
    raise UsageError(
        "this is no identity", where=identity.name, rule="CLI-24", hint="dicompack keys new DIR makes one"
    )
