"""``dicompack keys new``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.holders import Holder
from dicompack.cli.keys.identity_folder import (
    of_new_keys,
    protection,
    requests,
    say_requests,
    write_identity,
)
from dicompack.cli.keys.showing import shown
from dicompack.cli.outcome import Outcome
from dicompack.cli.terminal import Terminal


@click.command(
    "new",
    short_help="Make an identity.",
    epilog=options.example('dicompack keys new me --name "Clinic A, Radiology"'),
)
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option("--name", required=True, metavar="TEXT", help="Whose keys: it stands in the certificates.")
@of_new_keys
@click.option("--csr", is_flag=True, help="Write requests for certificates of a hospital's authority, too.")
@options.common
@click.pass_obj
def new_command(
    terminal: Terminal,
    *,
    folder: Path,
    name: str,
    algorithm: str,
    signing_algorithm: str,
    with_kem: bool,
    no_passphrase: bool,
    passphrase_file: Path | None,
    csr: bool,
) -> Outcome:
    """Make an identity in DIR: signing.p12 and decryption.p12 to keep, contact.pem to give away.

    An ML-KEM key lies in decryption.pem instead. It can be no custodian's: the standard knows only RSA there.
    With --csr, DIR has signing.csr and decryption.csr, too; `dicompack keys install` takes the answer.
    """
    passphrase = protection(terminal, folder, no_passphrase=no_passphrase, file=passphrase_file)

    from dicompack.crypto.keys import load_decryption_key, load_signing_key, new_identity

    identity = new_identity(
        name, passphrase, algorithm=algorithm, signing_algorithm=signing_algorithm, with_kem=with_kem
    )
    asked = {}
    if csr:
        signing = load_signing_key(identity.signing_p12, lambda: passphrase or b"")
        asked = requests(signing, load_decryption_key(identity.decryption, lambda: passphrase or b""))
    write_identity(terminal, folder, identity, asked)
    if csr:
        say_requests(terminal, list(asked))
    return shown("keys new", Holder.of(identity.contact))
