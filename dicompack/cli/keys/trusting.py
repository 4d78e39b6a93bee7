"""``dicompack keys trust``."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

import click

from dicompack.cli import options
from dicompack.cli.configuration import contact_name, find_pinned
from dicompack.cli.contacts import named, pin, refuse_revoked, trust_store
from dicompack.cli.holders import Holder, pinned_holder, public_holder
from dicompack.cli.key_files import naming
from dicompack.cli.keys.revoking import STATEMENT_BEGINS
from dicompack.cli.keys.showing import shown
from dicompack.cli.keys.succession import follow
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome
from dicompack.cli.pinned import DEFAULT_ROLES, ROLES, Pinned, read_pinned
from dicompack.cli.terminal import Terminal
from dicompack.errors import UntrustedError, UsageError


@click.command(
    "trust",
    short_help="Pin a contact.",
    epilog=options.example('dicompack keys trust contact.pem --name "Clinic A"'),
)
@click.argument("contact", metavar="CONTACT")
@click.option(
    "--name", metavar="TEXT", help="The name to pin it under.  [default: the one in the certificate]"
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What to trust it as, and as nothing else; repeatable.  [default: signer and recipient]",
)
@click.option("--fingerprint", metavar="TEXT", help="For scripts: the fingerprint it must have, in full.")
@options.common
@click.pass_obj
def trust_command(
    terminal: Terminal, *, contact: str, name: str | None, roles: tuple[str, ...], fingerprint: str | None
) -> Outcome:
    """Pin a contact or an authority, once you have compared its fingerprint with its owner by another way.

    Pinned again with --role, it has these roles from then on. CONTACT may be the successor.pem of somebody
    whom you have pinned and who has new keys: they take the place of the old ones once you have seen them.
    """
    one = named(contact)

    def confirm(holder: Holder, roles: tuple[str, ...]) -> None:
        if holder.is_authority:
            # Its fingerprint is that of a contact with the same key: who compares it sees no difference.
            terminal.warn("this is a certification authority: whoever it certifies will be trusted")
        if fingerprint is not None:
            _compare(fingerprint, holder.fingerprint)
        else:
            _ask_to_confirm(terminal, holder, roles)

    if one.pinned is None and STATEMENT_BEGINS in one.data:
        if name is not None or roles:
            raise UsageError("a successor has the name and the roles of whom it follows")
        with naming(one.name):
            return follow(terminal, one.data, confirm)
    with naming(one.name):
        holder = public_holder(one.data)
    known = one.name if one.pinned is not None else holder.name
    pinned_as = contact_name(known if name is None else name)
    present = find_pinned(pinned_as)
    chosen = _roles(holder, roles or (read_pinned(pinned_as, present).roles if present else ()))
    refuse_revoked(holder.certificates.values(), pinned_as)
    confirm(holder, chosen)
    new = pin(pinned_as, Pinned(holder.marshal(), chosen))
    terminal.say(f"{'pinned' if new else 'was pinned already'}: {pinned_as}, as {', '.join(chosen)}")
    entry = pinned_holder(pinned_as, Pinned(holder.marshal(), chosen))
    standing = entry.standing(trust_store(TrustOptions()), datetime.now(UTC))
    if standing.state != "trusted":
        terminal.warn(f"but it does not count now: {standing.state}: {standing.why}")
    return shown("keys trust", entry)


def _roles(holder: Holder, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The roles to pin it with.

    Raises:
        UsageError: its certificates do not allow one.
    """
    # CLI-23
    possible = holder.possible_roles
    refused = [role for role in wanted if role not in possible]
    if refused:
        raise UsageError(
            f"its certificates do not allow the role {refused[0]}",
            rule="CLI-23",
            hint=f"possible are: {', '.join(possible)}",
        )
    return tuple(role for role in ROLES if role in (wanted or set(DEFAULT_ROLES) & set(possible)))


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


def _ask_to_confirm(terminal: Terminal, holder: Holder, roles: tuple[str, ...]) -> None:
    if not terminal.can_ask():
        raise UsageError(
            "a fingerprint must be confirmed, and there is no terminal to ask on",
            rule="CLI-8",
            hint="compare it yourself and give it with --fingerprint TEXT",
        )
    terminal.warn(f"name         {holder.name}")
    terminal.warn(f"fingerprint  {holder.fingerprint}")
    terminal.warn(f"roles        {', '.join(roles)}")
    if not terminal.confirm("is this, in full, the fingerprint that its owner told you by another way?"):
        raise UntrustedError("the fingerprint was not confirmed; nothing was pinned", rule="CLI-8")
