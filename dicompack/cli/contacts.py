"""From what a person names as CONTACT or ANCHOR to contacts and a trust store; and what he has pinned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dicompack.cli.configuration import contact_name, contacts_folder, find_pinned, pinned_contacts
from dicompack.cli.key_files import naming, read_key_file
from dicompack.cli.options import TrustOptions
from dicompack.cli.pinned import (
    CUSTODIAN,
    DEFAULT_ROLES,
    RECIPIENT,
    TIME_STAMP_AUTHORITY,
    Pinned,
    read_pinned,
)
from dicompack.cli.system_errors import system_errors
from dicompack.errors import NoMatchError, OutputError, UntrustedError, UsageError
from dicompack.files import replace_file, write_new

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateRevocationList

    from dicompack.crypto.keys import Contact
    from dicompack.crypto.trust import Anchor, ExpectedSigner, RevokedKey, TrustStore

# The name inside an identity folder, as `keys new` writes it.
CONTACT_FILE = "contact.pem"
_FINGERPRINT = re.compile(r"[A-Z2-7]{32}")


@dataclass(frozen=True)
class Named:
    """What a CONTACT or ANCHOR names: the bytes of a file, or a pinned contact with its roles."""

    name: str
    """For messages: of the file, or the pinned name."""
    data: bytes
    pinned: Pinned | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """What it is trusted for; a file that a person names has what nobody need be told."""
        return DEFAULT_ROLES if self.pinned is None else self.pinned.roles

    def check_role(self, role: str) -> None:
        """See that it may be this; naming a file for a role gives it the role for this call.

        Raises:
            UntrustedError: it was pinned for other roles (TRU-5).
        """
        if self.pinned is not None and role not in self.roles:  # TRU-5
            raise UntrustedError(
                f"this contact is pinned, but not as {role}",
                where=self.name,
                rule="TRU-5",
                hint=f"if it is to be one: dicompack keys trust CONTACT --role {role}",
            )


def named(text: str) -> Named:
    """Read what a CONTACT or ANCHOR names.

    Raises:
        UsageError: neither a file nor a pinned contact, or both.
    """
    file = find_contact(text)
    if file.absolute().parent == contacts_folder().absolute():
        return _pinned(file.stem, file)
    return Named(_name_of(text), read_key_file(file))


def all_pinned() -> list[Named]:
    """Every pinned contact, in the order of the names."""
    return [_pinned(name, file) for name, file in pinned_contacts().items()]


def _pinned(name: str, file: Path) -> Named:
    pinned = read_pinned(name, file)
    return Named(name, pinned.certificates, pinned)


def pin(name: str, entry: Pinned) -> bool:
    """Write a contact whose fingerprint was confirmed; False if exactly this was pinned already.

    The same keys may come with other roles or renewed certificates.

    Raises:
        OutputError: another contact has this name: a change of keys is never silent (CLI-8).
        UntrustedError: its keys are revoked (TRU-10), or it shares a key with another contact (CLI-8).
    """
    # CLI-8
    name = contact_name(name)
    refuse_revoked(_certificates(entry.certificates), name)
    refuse_shared(entry.certificates, name)
    present = find_pinned(name)
    if present is not None:
        before = read_pinned(name, present)
        if keys_of(before.certificates) != keys_of(entry.certificates):
            raise OutputError(
                "another contact is pinned under this name",
                where=name,
                rule="CLI-8",
                hint=f"choose another --name; if the keys were really changed, delete {present.name} first",
            )
        if (before.certificates, before.roles) == (entry.certificates, entry.roles):
            return False
        entry = replace(before, certificates=entry.certificates, roles=entry.roles)
    rewrite(name, entry)
    return True


def refuse_shared(certificates: bytes, name: str) -> None:
    """See that a contact to be pinned has no key of another one and a further key besides.

    Anybody can put another's certificate into his own contact.pem, and then revoke all keys in it.

    Raises:
        UntrustedError: it has (CLI-8).
    """
    keys = keys_of(certificates)
    for one in all_pinned():
        others = keys_of(one.data)
        if one.name != name and keys & others and not (keys <= others or others <= keys):  # CLI-8
            raise UntrustedError(
                f"it shares a key with {one.name}, who is pinned, and has others besides",
                where=name,
                rule="CLI-8",
                hint=f"ask both owners whose key it is; if they are one, delete {one.name}.pem first",
            )


def rewrite(name: str, entry: Pinned) -> None:
    """Write a pinned contact, new or in place of what was pinned under its name; all of it or nothing."""
    folder = contacts_folder()
    present = find_pinned(name)
    with system_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if present is None:
            write_new(folder / f"{contact_name(name)}.pem", [entry.marshal()])
        else:
            replace_file(present, [entry.marshal()])


def _certificates(data: bytes) -> list[Certificate]:
    from dicompack.crypto.certificates import parse_any

    return parse_any(data, NoMatchError)


def keys_of(data: bytes) -> set[bytes]:
    """SHA-256 of the SubjectPublicKeyInfo of every certificate in a file."""
    from dicompack.crypto.certificates import spki_sha256

    return set(map(spki_sha256, _certificates(data)))


# ---------------------------------------------------------------------------------------------- revoked


def revoked_keys() -> tuple[RevokedKey, ...]:
    """The keys of all contacts and authorities that were revoked here; `--trust` does not set this aside."""
    return tuple(key for one in all_pinned() for key in _revoked_keys_of(one))


def _revoked_keys_of(one: Named) -> list[RevokedKey]:
    from dicompack.crypto.trust import RevokedKey

    if one.pinned is None or one.pinned.revoked is None:
        return []
    with naming(one.name):
        return [RevokedKey(key, one.pinned.revoked) for key in keys_of(one.data)]


def refuse_revoked(certificates: Iterable[Certificate], where: str) -> None:
    """See that nobody signs with, encrypts to or pins a key that was revoked here.

    Raises:
        UntrustedError: it was (TRU-10).
    """
    from dicompack.crypto.certificates import spki_sha256

    keys, now = set(map(spki_sha256, certificates)), datetime.now(UTC)
    if any(one.spki_sha256 in keys and one.since <= now for one in revoked_keys()):  # TRU-10
        raise UntrustedError(
            "this key was revoked here",
            where=where,
            rule="TRU-10",
            hint="dicompack keys list says which contact, since when and why; ask its owner for a new one",
        )


# --------------------------------------------------------------------------------------------- in a role


def recipient_contact(text: str, role: str = RECIPIENT) -> Contact:
    """The CONTACT of ``--recipient``, or of another role; it must have a key to encrypt to.

    Raises:
        UntrustedError: it is pinned for other roles (TRU-5), or revoked (TRU-10).
    """
    from dicompack.crypto.keys import Contact

    one = named(text)
    with naming(one.name):
        contact = Contact.parse(one.data)
    one.check_role(role)
    refuse_revoked(contact.certificates, one.name)
    if contact.decryption is None:
        raise NoMatchError(
            "this contact has no certificate to encrypt to",
            where=one.name,
            hint="ask for the whole contact.pem, which holds both certificates",
        )
    return contact


def custodian_contact(text: str) -> Contact:
    """The CONTACT of ``--custodian``."""
    return recipient_contact(text, CUSTODIAN)


def trust_store(given: TrustOptions) -> TrustStore:
    """The anchors named by ``--trust``; without any, the pinned contacts.

    Raises:
        NoMatchError: a file is none of what it should be.
        UsageError: somebody is neither a file nor pinned.
        UntrustedError: a pinned authority is none of time-stamps (TRU-5).
    """
    # CLI-10
    from dicompack.crypto.revocation import MAX_SIZE, Revocations, parse
    from dicompack.crypto.trust import TrustStore, load_time_stamp_anchors

    chosen = [(text, named(text)) for text in given.trust] or [(one.name, one) for one in all_pinned()]
    store = [_anchor(text, one) for text, one in chosen]
    for text in given.tsa:
        one = named(text)
        one.check_role(TIME_STAMP_AUTHORITY)
        with naming(one.name):
            store += load_time_stamp_anchors(one.name, one.data)
    lists: list[CertificateRevocationList] = []
    for path in given.crls:
        with naming(path.name):
            lists += parse(read_key_file(path, MAX_SIZE))
    revocations = Revocations(tuple(lists), given.require_crl)
    return TrustStore(tuple(store), revocations, _expected(given.expect_signer), revoked_keys())


def _anchor(text: str, one: Named) -> Anchor:
    from dicompack.crypto.trust import load_anchor

    with naming(one.name):
        return load_anchor(text, one.data, one.roles)


def store_of(pinned: Iterable[Named]) -> TrustStore:
    """What these pinned contacts amount to, without lists."""
    from dicompack.crypto.trust import TrustStore

    known = tuple(pinned)
    anchors = tuple(_anchor(one.name, one) for one in known)
    return TrustStore(anchors, revoked=tuple(key for one in known for key in _revoked_keys_of(one)))


def _expected(text: str | None) -> ExpectedSigner | None:
    from dicompack.crypto.contacts import Contact
    from dicompack.crypto.trust import ExpectedSigner

    if text is None:
        return None
    plain = "".join(text.split()).replace("-", "").upper()
    if _FINGERPRINT.fullmatch(plain):
        return ExpectedSigner(plain)
    one = named(text)
    with naming(one.name):
        contact = Contact.parse(one.data)
    if contact.signing_spki_sha256 is None:
        raise UsageError("this contact signs nothing", where=one.name, hint="name a signer")
    return ExpectedSigner(contact.fingerprint, contact.signing_spki_sha256)


def _name_of(text: str) -> str:
    return Path(text).name or text


def find_contact(text: str) -> Path:
    """The file of a CONTACT or ANCHOR: a file, or the name of a pinned contact.

    Raises:
        UsageError: it is neither; or it is both, and nobody can know which was meant.
    """
    # CLI-7
    pinned = find_pinned(text)
    file = Path(text)
    if pinned is None:
        if file.is_dir() and (file / CONTACT_FILE).is_file():
            return file / CONTACT_FILE
        if not file.exists():
            raise UsageError(
                "neither a file nor a pinned contact", where=_name_of(text), rule="CLI-7", hint=_pinned_hint()
            )
        return file
    if file.exists():
        raise UsageError(
            "both a file here and a pinned contact have this name",
            where=text,
            rule="CLI-7",
            hint=f"write ./{text} for the file, or go to another folder for the contact",
        )
    return pinned


def _pinned_hint() -> str:
    names = ", ".join(pinned_contacts())
    return (
        f"pinned are: {names}" if names else "no contact is pinned yet: dicompack keys trust CONTACT pins one"
    )
