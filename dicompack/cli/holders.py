"""Whose a key, a contact or a certificate is, and what it counts for here: for `keys list|show|trust`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dicompack.cli.contacts import CONTACT_FILE, find_contact, named
from dicompack.cli.identities import (
    DECRYPTION_FILE,
    DECRYPTION_PEM_FILE,
    SIGNING_FILE,
    Passphrases,
    any_signing_key,
    decryption_keys,
    own_contact,
)
from dicompack.cli.key_files import naming, read_key_file
from dicompack.cli.pinned import CUSTODIAN, RECIPIENT, SIGNER, TIME_STAMP_AUTHORITY, Pinned
from dicompack.cli.terminal import Terminal
from dicompack.crypto.tokens import is_token
from dicompack.errors import NoMatchError, UntrustedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dicompack.crypto.keys import Contact
    from dicompack.crypto.trust import TrustStore

_AUTHORITY = "authority"
# `crypto.keys` names this rule for a key that is there but is not one that signs.
_DOES_NOT_SIGN = "KEY-3"
# What each certificate of a contact can be trusted as.
_ROLES_OF = {
    "decryption": (RECIPIENT, CUSTODIAN),
    "ml-kem": (RECIPIENT, CUSTODIAN),
    "signing": (SIGNER,),
}
# The rules of trust by what they mean for a person.
_STATES = {"TRU-2": "not-yet-valid", "TRU-3": "expired", "TRU-7": "revoked", "TRU-10": "revoked"}
# The worst first.
_ORDER = ("revoked", "expired", "not-yet-valid", "unknown", "trusted")


@dataclass(frozen=True)
class Standing:
    """What a certificate or a contact counts for here and now, and why."""

    state: str
    """One of `trusted`, `unknown`, `expired`, `not-yet-valid`, `revoked`."""
    why: str


@dataclass(frozen=True)
class Holder:
    """Whom a file names, with the certificate of each use; decryption first, as in contact.pem."""

    name: str
    fingerprint: str
    certificates: Mapping[str, Certificate]
    pinned_as: str = ""
    pinned: Pinned | None = None
    chain: tuple[Certificate, ...] = ()
    """The issuers of the signing certificate, where its key file holds them."""

    @classmethod
    def of(cls, contact: Contact, chain: tuple[Certificate, ...] = ()) -> Holder:
        """The holder of a contact's keys."""
        uses = {"decryption": contact.decryption, "ml-kem": contact.kem, "signing": contact.signing}
        return cls(
            contact.name,
            contact.fingerprint,
            {use: one for use, one in uses.items() if one is not None},
            chain=chain,
        )

    @property
    def is_authority(self) -> bool:
        """Whether it certifies others instead of signing packages."""
        return _AUTHORITY in self.certificates

    @property
    def possible_roles(self) -> tuple[str, ...]:
        """What its certificates allow it to be; nobody else than an authority vouches for times."""
        if self.is_authority:
            return (SIGNER, RECIPIENT, TIME_STAMP_AUTHORITY)
        return tuple(
            dict.fromkeys(role for use in reversed(list(self.certificates)) for role in _ROLES_OF[use])
        )

    def marshal(self) -> bytes:
        """As it is pinned: PEM, each certificate once."""
        from cryptography.hazmat.primitives.serialization import Encoding

        unique = dict.fromkeys(self.certificates.values())
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in unique)

    def standings(self, store: TrustStore, now: datetime) -> dict[str, Standing]:
        """Of each certificate, by its use."""
        return {use: self._standing(use, one, store, now) for use, one in self.certificates.items()}

    def _standing(self, use: str, certificate: Certificate, store: TrustStore, now: datetime) -> Standing:
        from dicompack.crypto.trust import Role

        if use == _AUTHORITY:
            return _standing_of_authority(certificate, store, now)
        given = () if self.pinned is None else self.pinned.roles
        role = next((role for role in _ROLES_OF[use] if role in given), _ROLES_OF[use][0])
        try:
            trusted = store.judge(certificate, self.chain, now, Role(role))
        except UntrustedError as error:
            return Standing(_STATES.get(error.rule or "", "unknown"), self._reasoned(error.message))
        why = "pinned" if trusted.how == "pinned" else f"certified by {trusted.name}"
        if self.pinned is not None and self.pinned.successor:
            why += f", followed by {self.pinned.successor}"
        return Standing("trusted", why)

    def _reasoned(self, message: str) -> str:
        reason = "" if self.pinned is None else self.pinned.reason
        return f"{message}: {reason}" if reason else message

    def standing(self, store: TrustStore, now: datetime) -> Standing:
        """Of the whole: the worst of what it was pinned for, or of all."""
        standings = self.standings(store, now)
        given = () if self.pinned is None else self.pinned.roles
        counted = [
            one
            for use, one in standings.items()
            if one.state == "revoked" or not given or set(_ROLES_OF.get(use, given)) & set(given)
        ]
        return min(counted or standings.values(), key=lambda one: _ORDER.index(one.state))

    def document(self, store: TrustStore, now: datetime) -> dict[str, object]:
        """Keys of the object of ``--json``; times in UTC."""
        from cryptography.hazmat.primitives.serialization import Encoding

        from dicompack.crypto.certificates import kind_of_key, spki_sha256

        standings, whole = self.standings(store, now), self.standing(store, now)
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "kind": "authority" if self.is_authority else "contact",
            "pinned_as": self.pinned_as,
            "roles": [] if self.pinned is None else list(self.pinned.roles),
            "state": whole.state,
            "why": whole.why,
            "certificates": [
                {
                    "role": use,
                    "state": standings[use].state,
                    "why": standings[use].why,
                    "algorithm": kind_of_key(one),
                    "subject": one.subject.rfc4514_string(),
                    "issuer": one.issuer.rfc4514_string(),
                    "serial_number": f"{one.serial_number:x}",
                    "sha256": hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest(),
                    "key_sha256": spki_sha256(one).hex(),
                    "not_before": one.not_valid_before_utc.isoformat(),
                    "not_after": one.not_valid_after_utc.isoformat(),
                }
                for use, one in self.certificates.items()
            ],
        }


def _standing_of_authority(certificate: Certificate, store: TrustStore, now: datetime) -> Standing:
    try:
        trusted = store.judge_authority(certificate, now)
    except UntrustedError as error:
        return Standing(_STATES.get(error.rule or "", "unknown"), error.message)
    return Standing("trusted", f"pinned as {trusted.name}")


def public_holder(data: bytes) -> Holder:
    """The holder of a contact.pem, of one certificate, or of an authority's certificate.

    Raises:
        NoMatchError: none of these, or a private key.
    """
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.trust import AuthorityAnchor, load_anchor

    anchor = load_anchor("", data)
    if isinstance(anchor, AuthorityAnchor):
        return Holder(name_of(anchor.certificate), anchor.fingerprint, {_AUTHORITY: anchor.certificate})
    return Holder.of(anchor.contact)


def pinned_holder(name: str, pinned: Pinned) -> Holder:
    """The holder of a pinned contact.

    Raises:
        NoMatchError: its file holds none.
    """
    found = public_holder(pinned.certificates)
    return Holder(found.name, found.fingerprint, found.certificates, name, pinned)


def holder_of(text: str, terminal: Terminal, passphrases: Passphrases) -> Holder:
    """The holder of what a person names: a folder, a file, or a pinned contact.

    A key file with a contact.pem beside it is not opened: no passphrase for what is public.
    """
    file = find_contact(text)
    if file.is_dir():
        for name in (SIGNING_FILE, DECRYPTION_FILE, DECRYPTION_PEM_FILE):
            if (file / name).is_file() and is_token(read_key_file(file / name)):
                _check_own(terminal, name, passphrases)
        return _holder_of_folder(file, passphrases)
    one = named(text)
    if one.pinned is not None:
        return pinned_holder(one.name, one.pinned)
    if is_token(one.data):
        return _holder_of_token(terminal, file.name, one.data, passphrases)
    if file.suffix.lower() not in (".p12", ".pfx") and b"PRIVATE KEY-----" not in one.data:
        with naming(one.name):
            return public_holder(one.data)
    contact = file.parent / CONTACT_FILE
    if contact.is_file():
        terminal.say(f"as the {CONTACT_FILE} beside it says; the key was not opened")
        return public_holder(read_key_file(contact))
    return _holder_of_key(file.name, one.data, passphrases)


def _holder_of_token(terminal: Terminal, name: str, data: bytes, passphrases: Passphrases) -> Holder:
    from cryptography.hazmat.primitives.serialization import Encoding

    from dicompack.crypto.certificates import is_authority, parse_any

    below = parse_any(data, NoMatchError) if b"-----BEGIN " in data else []
    own = [one.public_bytes(Encoding.PEM) for one in below if not is_authority(one)]
    if own:
        terminal.say("as the certificates below the URI say; the token was not asked")
        return public_holder(b"".join(own))
    _check_own(terminal, name, passphrases)
    return _holder_of_key(name, data, passphrases)


def _check_own(terminal: Terminal, name: str, passphrases: Passphrases) -> None:
    """See that a person knows the file that names a module: to ask the token is to run what it names.

    Raises:
        UsageError: nobody said so (TOK-6).
    """
    question = f"{name} names a module to run; is it a file of your own, and not one that you were sent?"
    if passphrases.from_file or (terminal.can_ask() and terminal.confirm(question)):
        return
    raise UsageError(  # TOK-6
        "this file names a module that would be run, which only a file of your own may do",
        where=name,
        rule="TOK-6",
        hint="of somebody else ask for contact.pem; for your own give the PIN with --passphrase-file",
    )


def _holder_of_folder(folder: Path, passphrases: Passphrases) -> Holder:

    signing = any_signing_key(folder, passphrases)
    return Holder.of(own_contact(signing, decryption_keys(folder, passphrases)), signing.chain)


def _holder_of_key(name: str, data: bytes, passphrases: Passphrases) -> Holder:
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact, load_decryption_key, load_signing_key

    try:
        signing = passphrases.unlock(name, data, load_signing_key)
    except NoMatchError as error:
        if error.rule != _DOES_NOT_SIGN:
            raise
        decryption = passphrases.unlock(name, data, load_decryption_key).certificate
        return Holder.of(Contact(name_of(decryption), decryption=decryption))
    return Holder.of(Contact(name_of(signing.certificate), signing=signing.certificate), signing.chain)
