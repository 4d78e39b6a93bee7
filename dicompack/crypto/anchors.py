"""Anchors of trust: contacts that were pinned, and authorities, each with the roles that it was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.crypto import certificates
from dicompack.crypto.certificates import fingerprint, spki_sha256
from dicompack.crypto.contacts import Contact, holds_private_key
from dicompack.errors import NoMatchError


class Role(StrEnum):
    """What somebody is trusted to be."""

    SIGNER = "signer"
    RECIPIENT = "recipient"
    CUSTODIAN = "custodian"
    TIMESTAMP = "time-stamp-authority"


DEFAULT_ROLES: Final = frozenset((Role.SIGNER, Role.RECIPIENT))
"""Nobody is a custodian or a time-stamp authority by being trusted."""


@dataclass(frozen=True)
class PinnedContact:
    """Somebody whose fingerprint was confirmed. Trusted by key, so that it survives a renewed certificate."""

    name: str
    contact: Contact
    roles: frozenset[Role] = DEFAULT_ROLES
    """What it was pinned for, and nothing else."""

    @property
    def fingerprint(self) -> str:
        """Of the contact, over all its keys."""
        return self.contact.fingerprint


@dataclass(frozen=True)
class AuthorityAnchor:
    """A certification authority, for the roles it may vouch for and no others."""

    name: str
    certificate: x509.Certificate
    roles: frozenset[Role] = DEFAULT_ROLES

    def __post_init__(self) -> None:
        certificates.check_authority(self.certificate, NoMatchError)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process that does not share our memory."""
        return _rebuild, (self.name, self.certificate.public_bytes(Encoding.DER), self.roles)

    @property
    def fingerprint(self) -> str:
        """Of the authority's key."""
        return fingerprint((self.certificate,))


def _rebuild(name: str, certificate: bytes, roles: frozenset[Role]) -> AuthorityAnchor:
    return AuthorityAnchor(name, certificates.parse_der(certificate, NoMatchError), roles)


Anchor: TypeAlias = PinnedContact | AuthorityAnchor


def load_anchor(name: str, data: bytes, roles: Iterable[Role | str] = DEFAULT_ROLES) -> Anchor:
    """An anchor from a contact.pem, one end-entity certificate (a pinned contact), or one CA certificate.

    It has the ``roles`` that it is given: without being told, never that of a custodian or of time-stamps.

    Raises:
        NoMatchError: none of these.
    """
    given = frozenset(map(Role, roles))
    # A private key in the file is for Contact to refuse.
    found = certificates.parse_any(data, NoMatchError) if not holds_private_key(data) else []
    if len(found) == 1 and certificates.is_authority(found[0]):
        return AuthorityAnchor(name, found[0], given)
    return PinnedContact(name, Contact.parse(data), given)


def load_time_stamp_anchors(name: str, data: bytes) -> tuple[AuthorityAnchor, ...]:
    """Authorities that vouch for time-stamp authorities and for nobody else, from a file of certificates.

    Raises:
        NoMatchError: none, or one that is not an authority's (TRU-6).
    """
    found = certificates.parse_any(data, NoMatchError)
    if not any(map(certificates.is_authority, found)):  # TRU-6
        raise NoMatchError(
            "this is not the certificate of an authority that certifies time-stamp authorities",
            rule="TRU-6",
            hint="name the one above it, with cA and keyCertSign: often cacert.pem, beside tsa.crt",
        )
    return tuple(AuthorityAnchor(name, one, frozenset((Role.TIMESTAMP,))) for one in found)


def pinned_keys(contact: Contact, role: Role) -> set[bytes]:
    """SHA-256 of the public keys by which a contact is known in a role."""
    fitting: tuple[x509.Certificate | None, ...] = ()
    if role is Role.SIGNER:
        fitting = (contact.signing,)
    elif role is not Role.TIMESTAMP:
        fitting = contact.decryption, contact.kem
    return {spki_sha256(one) for one in fitting if one is not None}
