"""``dicompack keys revoke``: a contact's keys, or one's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import options
from dicompack.cli.configuration import LONGEST_NAME, contact_name, find_pinned, possible_name
from dicompack.cli.contacts import Named, all_pinned, keys_of, named, rewrite
from dicompack.cli.holders import Holder, pinned_holder, public_holder
from dicompack.cli.identities import SIGNING_FILE, Passphrases
from dicompack.cli.key_files import naming
from dicompack.cli.keys.identity_folder import Opened
from dicompack.cli.keys.showing import shown
from dicompack.cli.outcome import Outcome
from dicompack.cli.pinned import RECIPIENT, Pinned
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.errors import OutputError, UntrustedError, UsageError
from dicompack.files import write_new

if TYPE_CHECKING:
    from dicompack.stages.key_statements import Stated

REVOCATION_FILE = "revocation.pem"
# Here as well as in `stages.key_statements`, which a help text need not load.
STATEMENT_BEGINS = b"-----BEGIN CMS-----"


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            moment = datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if moment > datetime.now(UTC):
            raise click.BadParameter("a key is revoked from now on, or from a time in the past on")
        return moment
    raise click.BadParameter("a day is YYYY-MM-DD, a time YYYY-MM-DDTHH:MM:SSZ, both UTC")


@click.command(
    "revoke",
    short_help="Refuse a contact's keys, or your own, from now on.",
    epilog=options.example('dicompack keys revoke "Clinic A" --reason "laptop stolen"'),
)
@click.argument("contact", metavar="CONTACT")
@click.option(
    "--since", callback=_moment, metavar="DATE", help="From when on, UTC: 2026-01-31.  [default: now]"
)
@click.option("--reason", default="", metavar="TEXT", help="Why, for `keys list` and for those you tell.")
@options.passphrase_file
@options.common
@click.pass_obj
def revoke_command(
    terminal: Terminal, *, contact: str, since: datetime | None, reason: str, passphrase_file: Path | None
) -> Outcome:
    """Refuse whatever the keys of CONTACT sign, and encrypt nothing to them, whoever else vouches for them.

    CONTACT is a pinned contact or authority, a file, or the revocation.pem that its owner has signed. Your
    own identity folder gets such a revocation.pem, for those who have pinned you. What a time-stamp proves to
    be older than DATE still counts.
    """
    from dicompack.container.key_statement import is_reason

    if not is_reason(reason):
        raise UsageError("the reason is one line of at most 200 printable characters")
    at = (since or datetime.now(UTC)).replace(microsecond=0)
    own = Path(contact)
    if find_pinned(contact) is None and (own / SIGNING_FILE).is_file():
        return _revoke_own(terminal, own, at, reason, Passphrases(terminal, passphrase_file))
    one = named(contact)
    with naming(one.name):
        if one.pinned is None and STATEMENT_BEGINS in one.data:
            if since is not None or reason:
                raise UsageError("the statement says since when and why", hint="leave out --since, --reason")
            return _believe(terminal, one.data)
        holder = public_holder(one.data)
    return _told(terminal, _mark(holder, at, reason))


def _revoke_own(
    terminal: Terminal, folder: Path, since: datetime, reason: str, passphrases: Passphrases
) -> Outcome:
    from dicompack.stages import key_statements

    identity = Opened.of(folder, passphrases)
    statement = key_statements.revoke(identity.signing, since, reason, datetime.now(UTC))
    with system_errors(folder):
        write_new(folder / REVOCATION_FILE, [statement])
    marked = _mark(identity.holder, since, reason, roles=(RECIPIENT,))
    terminal.say(f"send to whom has pinned you: {REVOCATION_FILE}, for dicompack keys revoke")
    return _told(terminal, marked)


def _believe(terminal: Terminal, data: bytes) -> Outcome:
    """Apply the statement of an owner to whatever is pinned with the key that signed it."""
    from dicompack.stages import key_statements

    stated = key_statements.read(data)
    if stated.revocation is None:
        raise UsageError("this statement names a successor", hint="dicompack keys trust takes it")
    signers = signers_of(stated)
    if not signers:  # KEY-13
        raise UntrustedError(
            "signed by nobody whom you have pinned: there is nothing to revoke",
            rule="KEY-13",
            hint="if you know its owner by a file: dicompack keys revoke FILE",
        )
    # An owner whose clock is ahead, or whose statement is for later, means these keys: they end now.
    since = min(stated.revocation.since, datetime.now(UTC).replace(microsecond=0))
    marked: dict[str, Pinned] = {}
    for one, pinned in signers:
        marked |= _mark(pinned_holder(one.name, pinned), since, stated.revocation.reason)
    return _told(terminal, marked)


def signers_of(stated: Stated) -> list[tuple[Named, Pinned]]:
    """The pinned contacts whose signing key has signed a statement."""
    from dicompack.crypto.certificates import spki_sha256
    from dicompack.crypto.trust import PinnedContact, load_anchor

    key, found = spki_sha256(stated.certificate), []
    for one in all_pinned():
        with naming(one.name):
            anchor = load_anchor(one.name, one.data)
        if isinstance(anchor, PinnedContact) and anchor.contact.signing_spki_sha256 == key and one.pinned:
            found.append((one, one.pinned))
    return found


def _mark(holder: Holder, since: datetime, reason: str, roles: tuple[str, ...] = ()) -> dict[str, Pinned]:
    """Write that all keys of a holder are revoked: in every pinned contact that has one, or in a new one."""
    left = keys_of(holder.marshal())
    marked: dict[str, Pinned] = {}
    for one in all_pinned():
        if one.pinned is None or not keys_of(one.data) & keys_of(holder.marshal()):
            continue
        left -= keys_of(one.data)
        before = one.pinned.revoked
        earlier = before is not None and before <= since
        entry = one.pinned if earlier else replace(one.pinned, revoked=since, reason=reason)
        marked[one.name] = entry
    if left:
        name = possible_name(holder.name)
        if find_pinned(name) is not None:
            name = beside(name, holder.fingerprint)
        own = roles or tuple(role for role in Pinned(b"").roles if role in holder.possible_roles)
        marked[name] = Pinned(holder.marshal(), own, since, reason)
    for name, entry in marked.items():
        rewrite(name, entry)
    return marked


def beside(name: str, fingerprint: str) -> str:
    """A name for who cannot have this one: with as many groups of the fingerprint as it takes to be free."""
    groups = fingerprint.split()
    for count in range(1, len(groups) + 1):
        tail = f" ({' '.join(groups[:count])})"
        free = contact_name(name[: LONGEST_NAME - len(tail)] + tail)
        if find_pinned(free) is None:
            return free
    raise OutputError("every name for this contact is taken", where=name, hint="delete what is not needed")


def _followers(entry: Pinned) -> list[str]:
    """Under which names the successor of a contact is pinned and not revoked: a thief may have named it."""
    if not entry.successor:
        return []
    return [
        one.name
        for one in all_pinned()
        if one.pinned
        and one.pinned.revoked is None
        and pinned_holder(one.name, one.pinned).fingerprint == entry.successor
    ]


def _told(terminal: Terminal, marked: dict[str, Pinned]) -> Outcome:
    for name, entry in marked.items():
        terminal.say(f"revoked: {name}, from {entry.revoked:%Y-%m-%d %H:%M} UTC on")
        for follower in _followers(entry):
            terminal.warn(
                f"{follower} still counts, as the successor that {name} named: if others may have had the old"
                " key by then, revoke it, too"
            )
    name, entry = next(iter(marked.items()))
    return shown("keys revoke", pinned_holder(name, entry))
