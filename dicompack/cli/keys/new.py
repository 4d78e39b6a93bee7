"""``dicompack keys new``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.contacts import CONTACT_FILE
from dicompack.cli.holders import Holder
from dicompack.cli.identities import DECRYPTION_FILE, DECRYPTION_PEM_FILE, SIGNING_FILE
from dicompack.cli.key_files import read_passphrases
from dicompack.cli.keys.showing import shown
from dicompack.cli.outcome import Outcome
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError
from dicompack.files import check_target_folder, write_new


@click.command(
    "new",
    short_help="Make an identity.",
    epilog=options.example('dicompack keys new me --name "Clinic A, Radiology"'),
)
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option("--name", required=True, metavar="TEXT", help="Whose keys: it stands in the certificates.")
@click.option(
    "--algorithm",
    type=click.Choice(["rsa-3072", "p-256", "p-384", "ml-kem-768"]),
    default="rsa-3072",
    show_default=True,
    help="Of the decryption key; ml-kem-768 for what must stay secret for a lifetime.",
)
@click.option(
    "--signing-algorithm",
    type=click.Choice(["rsa-3072", "p-256", "p-384"]),
    default="rsa-3072",
    show_default=True,
    help="Of the signing key; instances signed on a curve are outside the standard's profiles.",
)
@click.option("--no-passphrase", is_flag=True, help="Leave the keys unprotected on the disk.")
@options.passphrase_file
@options.common
@click.pass_obj
def new_command(
    terminal: Terminal,
    *,
    folder: Path,
    name: str,
    algorithm: str,
    signing_algorithm: str,
    no_passphrase: bool,
    passphrase_file: Path | None,
) -> Outcome:
    """Make an identity in DIR: signing.p12 and decryption.p12 to keep, contact.pem to give away.

    An ML-KEM key lies in decryption.pem instead. It can be no custodian's: the standard knows only RSA there.
    """
    if no_passphrase and passphrase_file:
        raise UsageError(
            "--no-passphrase and --passphrase-file contradict each other", hint="leave one of them out"
        )
    check_target_folder(folder)
    passphrase = None if no_passphrase else _new_passphrase(terminal, passphrase_file)

    from dicompack.crypto.identities import Algorithm, new_identity

    identity = new_identity(name, passphrase, algorithm=algorithm, signing_algorithm=signing_algorithm)
    decryption = DECRYPTION_PEM_FILE if algorithm == Algorithm.ML_KEM else DECRYPTION_FILE
    with system_errors(folder):
        _write_identity(
            folder,
            {
                SIGNING_FILE: identity.signing_p12,
                decryption: identity.decryption,
                CONTACT_FILE: identity.contact_pem,
            },
        )
    terminal.say(f"keep secret: {SIGNING_FILE}, {decryption}")
    terminal.say(f"give away: {CONTACT_FILE}, and tell its fingerprint by another way:")
    terminal.say(identity.contact.fingerprint)
    return shown("keys new", Holder.of(identity.contact))


def _new_passphrase(terminal: Terminal, file: Path | None) -> bytes:
    if file is not None:
        passphrases = read_passphrases(file)
        if len(passphrases) != 1:
            raise UsageError("a new identity has one passphrase, and the file has several", rule="CLI-6")
        return passphrases[0]
    passphrase = terminal.ask_passphrase("new passphrase for both keys")
    if not passphrase:
        raise UsageError("the passphrase is empty", hint="leave it out on purpose with --no-passphrase")
    if passphrase != terminal.ask_passphrase("the same once more"):
        raise UsageError("the two passphrases differ", hint="try again")
    return passphrase.encode()


def _write_identity(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files or none; a folder made for them goes with them."""
    made = not folder.is_dir()
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            write_new(folder / name, [data])
            written.append(folder / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
