"""Statements about keys, signed by them: who follows (after `keys rotate`), or that they are revoked."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.container import key_statement
from dicompack.container.key_statement import Acceptance, Revocation, Succession
from dicompack.crypto import certificates, signed
from dicompack.crypto.contacts import Contact
from dicompack.crypto.keys import SigningKey
from dicompack.errors import BadSignatureError, FormatError, NoMatchError

BEGIN = b"-----BEGIN CMS-----"
_END = b"-----END CMS-----"
_PEM = re.compile(re.escape(BEGIN) + b"(.+?)" + re.escape(_END), re.DOTALL)


@dataclass(frozen=True)
class Stated:
    """What an owner of keys has said. Whether one believes him is for others to judge."""

    certificate: x509.Certificate
    """Whose key signed it."""
    chain: tuple[x509.Certificate, ...]
    at: datetime
    """The signer's own clock; a claim."""
    successor: Contact | None
    revocation: Revocation | None


def name_successor(successor: SigningKey, contact: Contact, signer: SigningKey, at: datetime) -> bytes:
    """The statement that a contact follows the signer's, as PEM (RFC 7468 §9); both signing keys sign it.

    ``successor`` is the contact's signing key.
    """
    acceptance = Acceptance(certificates.spki_sha256(signer.certificate).hex())
    statement = Succession(
        signed.sign(key_statement.marshal(acceptance), successor, at),
        *(
            None if one is None else one.public_bytes(Encoding.DER)
            for one in (contact.decryption, contact.kem)
        ),
    )
    return _armoured(signed.sign(key_statement.marshal(statement), signer, at))


def revoke(signer: SigningKey, since: datetime, reason: str, at: datetime) -> bytes:
    """The statement that the signer's keys are revoked, as PEM."""
    return _armoured(signed.sign(key_statement.marshal(Revocation(since, reason)), signer, at))


def read(data: bytes) -> Stated:
    """Read a statement and check its signature. Says nothing about trust.

    Raises:
        BadSignatureError: a signature does not fit, or the successor has not signed for it (KEY-12).
        FormatError: no statement about keys (KEY-11), or not in its one form.
        NoMatchError: the certificates of a successor are not those of a contact.
    """
    found = _PEM.search(data)
    try:
        raw = base64.b64decode(b"".join(found[1].split()) if found else b"", validate=True)
    except ValueError as error:  # KEY-11
        raise FormatError("this is no statement about keys", where="statement", rule="KEY-11") from error
    verified = signed.verify(raw)
    statement = key_statement.parse(verified.content)
    successor = revocation = None
    if isinstance(statement, Revocation):
        revocation = statement
    elif isinstance(statement, Acceptance):  # KEY-11
        raise FormatError("half of a statement about keys", where="statement", rule="KEY-11")
    else:
        signing = _accepted(statement, verified.certificate)
        others = [
            None if der is None else certificates.parse_der(der, NoMatchError)
            for der in (statement.decryption, statement.kem)
        ]
        successor = Contact(certificates.name_of(signing), signing, *others)
    return Stated(verified.certificate, verified.chain, verified.claimed_time, successor, revocation)


def _accepted(statement: Succession, signer: x509.Certificate) -> x509.Certificate:
    """Who says himself that he follows the signer."""
    accepted = signed.verify(statement.acceptance)
    said = key_statement.parse(accepted.content)
    if said != Acceptance(certificates.spki_sha256(signer).hex()):  # KEY-12
        raise BadSignatureError(
            "the successor does not say itself that it follows", where="statement", rule="KEY-12"
        )
    return accepted.certificate


def _armoured(data: bytes) -> bytes:
    text = base64.b64encode(data)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((BEGIN, *lines, _END, b""))
