"""``dicompack keys csr`` and ``dicompack keys install``: keys with certificates by a hospital's authority."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import options
from dicompack.cli.contacts import CONTACT_FILE, refuse_revoked
from dicompack.cli.holders import Holder
from dicompack.cli.identities import Passphrases
from dicompack.cli.key_files import naming, read_key_file
from dicompack.cli.keys.identity_folder import Opened, contact_of_keys, requests, say_requests, write_files
from dicompack.cli.keys.showing import shown
from dicompack.cli.outcome import Outcome
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import NoMatchError
from dicompack.files import replace_file

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@click.command(
    "csr",
    short_help="Ask a hospital's authority for certificates.",
    epilog=options.example("dicompack keys csr me"),
)
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.passphrase_file
@options.common
@click.pass_obj
def csr_command(terminal: Terminal, *, folder: Path, passphrase_file: Path | None) -> Outcome:
    """Write requests (PKCS #10) for the keys of an identity beside them: signing.csr, decryption.csr.

    A certificate that comes back is put in its place by `dicompack keys install`; the keys stay the same.
    """
    identity = Opened.of(folder, Passphrases(terminal, passphrase_file))
    files = requests(identity.signing, identity.decryption)
    with system_errors(folder):
        write_files(folder, files)
    say_requests(terminal, list(files))
    return shown("keys csr", identity.holder)


@click.command(
    "install",
    short_help="Put an authority's certificates in the place of your own.",
    epilog=options.example("dicompack keys install signing.pem decryption.pem chain.pem --identity me"),
)
@click.argument("certificates", nargs=-1, required=True, type=options.PATH, metavar="CERT...")
@click.option("--identity", required=True, type=options.PATH, metavar="DIR", help="Your identity folder.")
@options.passphrase_file
@options.common
@click.pass_obj
def install_command(
    terminal: Terminal, *, certificates: tuple[Path, ...], identity: Path, passphrase_file: Path | None
) -> Outcome:
    """Put the certificates that an authority made for your keys in the place of those they have.

    CERT are files in PEM, DER or PKCS #7 (p7b), in any order, with the certificates above them. Each has to
    belong to a key of the identity and be fit for its use; keys, passphrase and fingerprint stay the same.
    """
    from dicompack.crypto.certification import (
        certified_decryption,
        certified_signing,
        is_complete,
        parse_answer,
    )

    answer: list[Certificate] = []
    for path in certificates:
        with naming(path.name):
            answer += parse_answer(read_key_file(path))
    held = Opened.of(identity, Passphrases(terminal, passphrase_file))
    refuse_revoked((held.signing.certificate, held.decryption.certificate), identity.name)
    now = datetime.now(UTC)
    with naming("signing certificate"):
        signing = certified_signing(held.signing, answer, now)
    with naming("decryption certificate"):
        decryption = certified_decryption(held.decryption, answer, now)
    if signing is None and decryption is None:  # KEY-10
        raise NoMatchError(
            "none of these certificates belongs to a key of this identity",
            where=identity.name,
            rule="KEY-10",
            hint="they must be for the requests of dicompack keys csr, of this folder",
        )
    signer = signing or held.signing
    holder = Holder.of(contact_of_keys(signer, decryption or held.decryption, held.kem), signer.chain)
    with system_errors(identity):
        if signing is not None:
            held.signing_file.rewrite(signing.certificate, signing.chain)
            terminal.say(f"installed for signing, with {len(signing.chain)} above it")
        if decryption is not None:
            held.decryption_file.rewrite(decryption.certificate, ())
            terminal.say("installed for decryption")
        replace_file(identity / CONTACT_FILE, [holder.marshal()])
    if signing is not None and not is_complete(signing.certificate, signing.chain):
        terminal.warn(
            "a certificate above the signing one is missing: who trusts its root may find no path to it"
        )
    terminal.say(f"give {CONTACT_FILE} away again; its fingerprint is as before:")
    terminal.say(holder.fingerprint)
    return shown("keys install", holder)
