"""``dicompack keys list`` and ``dicompack keys show``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.configuration import pinned_contacts
from dicompack.cli.contacts import Named, store_of, trust_store
from dicompack.cli.holders import Holder, holder_of, pinned_holder
from dicompack.cli.identities import Passphrases
from dicompack.cli.key_files import naming
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome
from dicompack.cli.pinned import read_pinned
from dicompack.cli.terminal import Terminal
from dicompack.errors import DicomPackError
from dicompack.report import Report


def shown(command: str, holder: Holder, **more: object) -> Outcome:
    """The end of a command that tells of one holder, judged by what is pinned."""
    document = holder.document(trust_store(TrustOptions()), datetime.now(UTC))
    return Outcome(Report(command, complete="not-checked"), details={**document, **more})


@click.command(
    "list",
    short_help="List whom you have pinned, and what they count for.",
    epilog=options.example("dicompack keys list"),
)
@options.common
@click.pass_obj
def list_command(terminal: Terminal) -> Outcome:
    """List the pinned contacts and authorities: their roles, whether they count now, and why.

    STATE is trusted, expired, not-yet-valid, revoked, or unreadable: then its file in the configuration
    folder is damaged, and every other command ends and names it.
    """
    found: dict[str, Holder | DicomPackError] = {}
    readable = []
    for name, file in pinned_contacts().items():
        try:
            with naming(name):
                pinned = read_pinned(name, file)
                found[name] = pinned_holder(name, pinned)
        except DicomPackError as error:
            found[name] = error
        else:
            readable.append(Named(name, pinned.certificates, pinned))
    store, now = store_of(readable), datetime.now(UTC)
    rows: list[tuple[str, ...]] = []
    documents: list[dict[str, object]] = []
    for name, holder in found.items():
        if isinstance(holder, DicomPackError):
            rows.append((name, "", "unreadable", holder.message, "", ""))
            documents.append({"pinned_as": name, "state": "unreadable", "why": holder.message})
            continue
        standing = holder.standing(store, now)
        until = min(one.not_valid_after_utc for one in holder.certificates.values())
        roles = ", ".join(holder.pinned.roles) if holder.pinned else ""
        rows.append((name, roles, standing.state, standing.why, f"{until:%Y-%m-%d}", holder.fingerprint))
        documents.append(holder.document(store, now))
    if rows:
        terminal.table(("NAME", "ROLES", "STATE", "WHY", "UNTIL", "FINGERPRINT"), rows)
    else:
        terminal.say("nobody is pinned yet: dicompack keys trust CONTACT pins somebody")
    return Outcome(Report("keys list", complete="not-checked"), details={"contacts": documents})


@click.command(
    "show",
    short_help="Show whose a key or contact is, and whether it counts.",
    epilog=options.example("dicompack keys show contact.pem"),
)
@click.argument("path", metavar="PATH")
@options.crl
@options.passphrase_file
@options.common
@click.pass_obj
def show_command(
    terminal: Terminal, *, path: str, crls: tuple[Path, ...], passphrase_file: Path | None
) -> Outcome:
    """Show whose a key, contact or certificate is, its fingerprint, and what it counts for here, and why.

    PATH is an identity folder, a file, or the name of a pinned contact.
    """
    from dicompack.crypto.certificates import kind_of_key

    holder = holder_of(path, terminal, Passphrases(terminal, passphrase_file))
    store, now = trust_store(TrustOptions(crls=crls)), datetime.now(UTC)
    whole = holder.standing(store, now)
    terminal.data(f"name         {holder.name}")
    terminal.data(f"fingerprint  {holder.fingerprint}")
    terminal.data(f"state        {whole.state}: {whole.why}")
    if holder.pinned is not None:
        terminal.data(f"pinned as    {holder.pinned_as}: {', '.join(holder.pinned.roles)}")
    for use, standing in holder.standings(store, now).items():
        one = holder.certificates[use]
        terminal.data(
            f"{use:<12} {kind_of_key(one)}, valid until {one.not_valid_after_utc:%Y-%m-%d}: {standing.state}"
        )
        terminal.data(f"{'':<12} issued by {one.issuer.rfc4514_string()}")
    return Outcome(Report("keys show", complete="not-checked"), details=holder.document(store, now))
