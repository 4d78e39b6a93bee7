"""``dicompack keys``: make an identity, show keys and contacts, pin a contact; project keys, passwords."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Mapping
from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.configuration import contact_name, pin
from dicompack.cli.holders import Holder, holder_of, public_holder
from dicompack.cli.identities import (
    CONTACT_FILE,
    DECRYPTION_FILE,
    DECRYPTION_PEM_FILE,
    SIGNING_FILE,
    Passphrases,
    find_contact,
)
from dicompack.cli.key_files import read_key_file, read_passphrases
from dicompack.cli.options import HelpfulGroup
from dicompack.cli.outcome import Outcome
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import UntrustedError, UsageError
from dicompack.files import check_target_folder, write_new
from dicompack.report import Report


@click.group("keys", cls=HelpfulGroup)
def keys_group() -> None:
    """Make, show and pin keys."""


@keys_group.command(
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

    identity = new_identity(name, passphrase, algorithm=algorithm)
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
    return Outcome(Report("keys new", complete="not-checked"), details=Holder.of(identity.contact).document())


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


@keys_group.command(
    "show",
    short_help="Show whose a key or contact is.",
    epilog=options.example("dicompack keys show contact.pem"),
)
@click.argument("path", metavar="PATH")
@options.passphrase_file
@options.common
@click.pass_obj
def show_command(terminal: Terminal, *, path: str, passphrase_file: Path | None) -> Outcome:
    """Show whose a key, contact or certificate is, its roles and its fingerprint.

    PATH is an identity folder, a file, or the name of a pinned contact.
    """
    holder = holder_of(path, terminal, Passphrases(terminal, passphrase_file))
    terminal.data(f"name         {holder.name}")
    terminal.data(f"fingerprint  {holder.fingerprint}")
    for role, certificate in holder.certificates.items():
        until = certificate.not_valid_after_utc
        terminal.data(f"{role:<12} valid until {until:%Y-%m-%d}")
    return Outcome(Report("keys show", complete="not-checked"), details=holder.document())


@keys_group.command(
    "trust",
    short_help="Pin a contact.",
    epilog=options.example('dicompack keys trust contact.pem --name "Clinic A"'),
)
@click.argument("contact", metavar="CONTACT")
@click.option(
    "--name", metavar="TEXT", help="The name to pin it under.  [default: the one in the certificate]"
)
@click.option("--fingerprint", metavar="TEXT", help="For scripts: the fingerprint it must have, in full.")
@options.common
@click.pass_obj
def trust_command(terminal: Terminal, *, contact: str, name: str | None, fingerprint: str | None) -> Outcome:
    """Pin a contact, once you have compared its fingerprint with its owner by another way."""
    holder = public_holder(read_key_file(find_contact(contact)))
    pinned_as = contact_name(holder.name if name is None else name)
    if fingerprint is not None:
        _compare(fingerprint, holder.fingerprint)
    else:
        _ask_to_confirm(terminal, holder)
    new = pin(pinned_as, holder.marshal())
    terminal.say(f"{'pinned' if new else 'was pinned already'}: {pinned_as}")
    return Outcome(
        Report("keys trust", complete="not-checked"), details={**holder.document(), "pinned_as": pinned_as}
    )


def _compare(given: str, actual: str) -> None:
    """Compare in full: part of a fingerprint proves nothing. Blanks, hyphens and case do not count."""
    # CLI-8
    plain = "".join(given.split()).replace("-", "").upper()
    if not hmac.compare_digest(plain.encode(), actual.replace(" ", "").encode()):
        raise UntrustedError(
            "the contact has another fingerprint than the one given; nothing was pinned",
            rule="CLI-8",
            hint="do not use this contact: ask its owner for the file and the fingerprint again",
        )


def _ask_to_confirm(terminal: Terminal, holder: Holder) -> None:
    if not terminal.can_ask():
        raise UsageError(
            "a fingerprint must be confirmed, and there is no terminal to ask on",
            rule="CLI-8",
            hint="compare it yourself and give it with --fingerprint TEXT",
        )
    terminal.warn(f"name         {holder.name}")
    terminal.warn(f"fingerprint  {holder.fingerprint}")
    if holder.is_authority:
        terminal.warn("this is a certification authority: whoever it certifies will be trusted")
    if not terminal.confirm("is this, in full, the fingerprint that its owner told you by another way?"):
        raise UntrustedError("the fingerprint was not confirmed; nothing was pinned", rule="CLI-8")


@keys_group.command(
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


@keys_group.command(
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
