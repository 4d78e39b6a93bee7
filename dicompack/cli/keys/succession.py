"""``dicompack keys rotate``, and the other side of it: a contact that names its successor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import options
from dicompack.cli.contacts import keys_of, refuse_revoked, refuse_shared, rewrite, store_of
from dicompack.cli.holders import Holder, pinned_holder
from dicompack.cli.identities import SIGNING_FILE, Passphrases
from dicompack.cli.keys.identity_folder import Opened, write_files, write_identity
from dicompack.cli.keys.revoking import beside, signers_of
from dicompack.cli.keys.showing import shown
from dicompack.cli.outcome import Outcome
from dicompack.cli.pinned import SIGNER, Pinned
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import UntrustedError, UsageError
from dicompack.files import check_target_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate

    from dicompack.crypto.keys import NewIdentity, SigningKey
    from dicompack.stages.key_statements import Stated

SUCCESSOR_FILE = "successor.pem"


@click.command(
    "rotate",
    short_help="Make new keys that your old ones vouch for.",
    epilog=options.example("dicompack keys rotate me me-2027"),
)
@click.argument("old", type=options.PATH, metavar="OLD")
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option("--name", metavar="TEXT", help="Another name in the certificates.  [default: as in OLD]")
@options.passphrase_file
@options.common
@click.pass_obj
def rotate_command(
    terminal: Terminal, *, old: Path, folder: Path, name: str | None, passphrase_file: Path | None
) -> Outcome:
    """Make an identity in DIR that follows the one in OLD: the same kinds of keys under the same passphrase.

    DIR gets a successor.pem, signed by the old key, too: whoever has pinned you takes it by `dicompack keys
    trust`. Where DIR is an identity already, such as one with keys on a token, no keys are made. Keep OLD:
    what was encrypted to it opens with it only. Keys that somebody else may have are no case for this: revoke
    them, and have the new ones compared as the first time.
    """
    from dicompack.parties import check_signer_validity
    from dicompack.stages import key_statements

    passphrases, now = Passphrases(terminal, passphrase_file), datetime.now(UTC)
    is_there = (folder / SIGNING_FILE).is_file()
    if is_there and name is not None:
        raise UsageError("the identity in DIR has a name already", hint="leave out --name")
    if not is_there:
        check_target_folder(folder)
    before = Opened.of(old, passphrases)
    refuse_revoked((before.signing.certificate, before.decryption.certificate), old.name)
    check_signer_validity(before.signing, now)
    if is_there:
        after = Opened.of(folder, passphrases)
        refuse_revoked((after.signing.certificate, after.decryption.certificate), folder.name)
        holder = after.holder
        if keys_of(holder.marshal()) & keys_of(before.holder.marshal()):  # KEY-12
            raise UsageError(
                "the identities in OLD and DIR have a key in common",
                rule="KEY-12",
                hint="name a folder that does not exist yet, for new keys",
            )
        statement = key_statements.name_successor(after.signing, after.contact, before.signing, now)
        with system_errors(folder):
            write_files(folder, {SUCCESSOR_FILE: statement})
    else:
        identity, signing = _new_keys(before, name, now)
        holder = Holder.of(identity.contact)
        statement = key_statements.name_successor(signing, identity.contact, before.signing, now)
        write_identity(terminal, folder, identity, {SUCCESSOR_FILE: statement})
    terminal.say(f"send to whom has pinned you: {SUCCESSOR_FILE}, for dicompack keys trust")
    return shown("keys rotate", holder)


def _new_keys(before: Opened, name: str | None, now: datetime) -> tuple[NewIdentity, SigningKey]:
    from dicompack.crypto.keys import load_signing_key, new_identity

    if before.signing_file.token or before.decryption_file.token:
        raise UsageError(
            "keys on a token are made by its maker's program",
            hint="make them, and an identity folder that names them, and give that as DIR",
        )
    # Of old keys of which one lay open, the new ones are both protected.
    passphrase = before.signing_file.passphrase or before.decryption_file.passphrase or None
    identity = new_identity(
        before.holder.name if name is None else name,
        passphrase,
        now,
        algorithm=_algorithm(before.decryption.certificate),
        signing_algorithm=_algorithm(before.signing.certificate),
        with_kem=before.kem is not None,
    )
    return identity, load_signing_key(identity.signing_p12, lambda: passphrase or b"")


def _algorithm(certificate: Certificate) -> str:
    """The kind of new key that takes the place of this one: RSA has one size, whatever it had."""
    from dicompack.crypto.certificates import kind_of_key
    from dicompack.crypto.identities import Algorithm

    kind = kind_of_key(certificate).lower()
    return kind if kind in set(Algorithm) else Algorithm.RSA


def follow(terminal: Terminal, data: bytes, confirm: Callable[[Holder, tuple[str, ...]], None]) -> Outcome:
    """Pin the successor that a pinned contact has named, once a person has seen it.

    It takes name and roles; the old contact stays as a signer, under another name, for what is on its way.

    Raises:
        UntrustedError: signed by nobody who may name one, or what it names may not follow (KEY-12).
    """
    from dicompack.stages import key_statements

    stated = key_statements.read(data)
    if stated.successor is None:
        raise UsageError("this statement revokes keys", hint="dicompack keys revoke takes it")
    name, before = _who_names(stated)
    new = Holder.of(stated.successor)
    if before.successor == new.fingerprint:
        terminal.say(f"was followed already: {name}")
        return shown("keys trust", pinned_holder(name, before))
    _check(name, before, new, {pinned.successor for _, pinned in signers_of(stated)})
    since = f"{stated.at:%Y-%m-%d %H:%M} UTC"
    terminal.warn(f"{name}, whom you have pinned, has signed on {since} that these are the new keys:")
    confirm(new, before.roles)
    retired = beside(name, pinned_holder(name, before).fingerprint)
    rewrite(retired, replace(before, roles=(SIGNER,), successor=new.fingerprint))
    entry = Pinned(new.marshal(), before.roles)
    rewrite(name, entry)
    terminal.say(f"pinned: {name}, as {', '.join(entry.roles)}")
    terminal.say(f"what the old keys signed still counts, as from {retired}; revoke it once all has arrived")
    return shown("keys trust", pinned_holder(name, entry), follows=retired)


def _who_names(stated: Stated) -> tuple[str, Pinned]:
    """The pinned contact that signed, if it may: now, as a signer, not revoked."""
    signers = signers_of(stated)
    if not signers:  # KEY-12
        raise UntrustedError(
            "the successor is named by nobody whom you have pinned",
            rule="KEY-12",
            hint="have its fingerprint confirmed by its owner, then: dicompack keys trust contact.pem",
        )
    refuse_revoked((stated.certificate,), signers[0][0].name)
    # Who has been followed comes last: it can name nobody else.
    one, pinned = min(signers, key=lambda found: found[1].successor != "")
    store_of([one]).judge(stated.certificate, stated.chain, datetime.now(UTC))
    return one.name, pinned


def _check(name: str, before: Pinned, new: Holder, followed: set[str]) -> None:
    """See that the new one may follow; `followed` are who did, wherever the old key is pinned."""
    refuse_revoked(new.certificates.values(), name)
    refuse_shared(new.marshal(), name)
    lost = [role for role in before.roles if role not in new.possible_roles]
    reason = ""
    if followed - {"", new.fingerprint}:
        reason = "it has named another successor before"
    elif keys_of(before.certificates) & keys_of(new.marshal()):
        reason = "the successor has a key of the contact that it follows"
    elif lost:
        reason = f"the successor's certificates do not allow the role {lost[0]}"
    if reason:  # KEY-12
        raise UntrustedError(reason, where=name, rule="KEY-12", hint="ask its owner, by another way")
