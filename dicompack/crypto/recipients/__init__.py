"""RecipientInfos (RFC 5652 §6.2): a content key wrapped for each recipient, one module for each kind.

    key_transport         RSA, RSAES-OAEP
    key_agreement         P-256 and P-384, ephemeral ECDH
    password              PBKDF2
    key_encapsulation     ML-KEM-768

Each kind can `wrap`, `marshal`, `parse` and `unwrap`. Nothing optional, and strict DER: what is parsed and
marshalled again is the same bytes. That unwrapping gives something proves nothing; see `content_key`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import AES256_KEY_SIZE
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.passwords import Password, PasswordKey
from dicompack.crypto.recipients import faults
from dicompack.crypto.recipients.key_agreement import KeyAgreement
from dicompack.crypto.recipients.key_encapsulation import KeyEncapsulation
from dicompack.crypto.recipients.key_transport import KeyTransport
from dicompack.crypto.recipients.password import PasswordRecipient
from dicompack.errors import FormatError, NoMatchError, UsageError

MAX_RECIPIENTS: Final = 256

Addressee: TypeAlias = x509.Certificate | PasswordKey
"""Whom one seals for."""
Opener: TypeAlias = DecryptionKey | Password
"""What one opens with."""
RecipientInfo: TypeAlias = KeyTransport | KeyAgreement | PasswordRecipient | KeyEncapsulation

_KINDS: Final = {kind.tag: kind for kind in (KeyTransport, KeyAgreement, PasswordRecipient, KeyEncapsulation)}


def key_name(addressee: Addressee) -> bytes:
    """The 32 bytes that name a recipient in MANIFEST and SEAL.

    SHA-256 of the SubjectPublicKeyInfo; for a password, which has none, of its derivation.
    """
    if isinstance(addressee, PasswordKey):
        return addressee.derivation.name
    return certificates.spki_sha256(addressee)


def wrap(content_key: bytes, addressees: Sequence[Addressee]) -> bytes:
    """RecipientInfos (SET OF) that hold a content key.

    Raises:
        UsageError: no recipient, more than 256, one twice, or two passwords.
        NoMatchError: a certificate that content keys may not be encrypted to.
    """
    check_addressees(addressees)
    return der.set_of(_wrap(content_key, one).marshal() for one in addressees)


def check_addressees(addressees: Sequence[Addressee]) -> None:
    """See that one envelope can be for all of them.

    Raises:
        UsageError, NoMatchError: as `wrap`.
    """
    if not 1 <= len(addressees) <= MAX_RECIPIENTS:  # ENV-3
        raise UsageError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients", rule="ENV-3")
    for one in addressees:
        if isinstance(one, x509.Certificate):
            certificates.check_recipient(one, NoMatchError)
    identifiers = {_identifier(one) for one in addressees}
    keys = {key_name(one) for one in addressees}
    passwords = sum(isinstance(one, PasswordKey) for one in addressees)
    if min(len(identifiers), len(keys)) < len(addressees) or passwords > 1:  # ENV-3
        raise UsageError(
            "a recipient is named twice",
            rule="ENV-3",
            hint="the same key, or the same subject key identifier, stands in two contacts: leave one out",
        )


def _identifier(addressee: Addressee) -> bytes:
    if isinstance(addressee, PasswordKey):
        return addressee.derivation.name
    return certificates.subject_key_identifier(addressee, NoMatchError)


def _wrap(content_key: bytes, addressee: Addressee) -> RecipientInfo:
    if isinstance(addressee, PasswordKey):
        return PasswordRecipient.wrap(content_key, addressee)
    identifier = _identifier(addressee)
    match certificates.recipient_key(addressee, NoMatchError):
        case rsa.RSAPublicKey() as key:
            return KeyTransport.wrap(content_key, identifier, key)
        case mlkem.MLKEM768PublicKey() as key:
            return KeyEncapsulation.wrap(content_key, identifier, key)
        case key:
            return KeyAgreement.wrap(content_key, identifier, key)


def parse(infos: der.Element) -> tuple[RecipientInfo, ...]:
    """The recipients of a SET OF RecipientInfo, in their order.

    Raises:
        FormatError: not 1 to 256 different ones, more than one password, not DER, or sizes out of range.
        UnsupportedError: a kind or an algorithm that is not in the list.
    """
    members = der.members_of(infos)
    if not 1 <= len(members) <= MAX_RECIPIENTS:  # ENV-3
        raise FormatError(
            f"not 1 to {MAX_RECIPIENTS} recipients", where=f"offset {infos.start}", rule="ENV-3"
        )
    found = tuple(_parse(member) for member in members)
    passwords = sum(isinstance(one, PasswordRecipient) for one in found)
    if len({one.identifier for one in found}) < len(found) or passwords > 1:  # ENV-3
        raise FormatError("a recipient is named twice", where=f"offset {infos.start}", rule="ENV-3")
    return found


def _parse(element: der.Element) -> RecipientInfo:
    kind = _KINDS.get(element.tag)
    if kind is None:  # ENV-4
        raise faults.unsupported("a kind of recipient that is not supported", element)
    return kind.parse(element)


def content_key(infos: Sequence[RecipientInfo], openers: Sequence[Opener]) -> bytes:
    """The content key for the first recipient that one of ``openers`` is named by.

    Where unwrapping fails, or gives another length, it is a random one: so only the tag ever decides.

    Raises:
        NoMatchError: none of them is named; this depends on public bytes only.
    """
    for info in infos:
        for opener in openers:
            if _names(info, opener):
                substitute = os.urandom(AES256_KEY_SIZE)
                found = _unwrap(info, opener)
                return found if found is not None and len(found) == AES256_KEY_SIZE else substitute
    raise NoMatchError(  # ENV-9
        "not sealed for any of the given keys", rule="ENV-9", hint="ask the sender to add your contact"
    )


def _names(info: RecipientInfo, opener: Opener) -> bool:
    if isinstance(info, PasswordRecipient) or isinstance(opener, Password):
        return isinstance(info, PasswordRecipient) and isinstance(opener, Password)
    return info.identifier == certificates.subject_key_identifier(opener.certificate, NoMatchError)


def _unwrap(info: RecipientInfo, opener: Opener) -> bytes | None:
    match info, opener:
        case PasswordRecipient(), Password():
            return info.unwrap(opener)
        case KeyTransport(), DecryptionKey(private_key=rsa.RSAPrivateKey() as key):
            return info.unwrap(key)
        case KeyAgreement(), DecryptionKey(private_key=ec.EllipticCurvePrivateKey() as key):
            return info.unwrap(key)
        case KeyEncapsulation(), DecryptionKey(private_key=mlkem.MLKEM768PrivateKey() as key):
            return info.unwrap(key)
        case _:
            return None  # the identifier is that of a key of another kind
