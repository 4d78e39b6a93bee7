"""New identities: two RSA-3072 keys, one that signs and one that decrypts, with self-signed certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from dicompack.crypto.certificates import MAX_NAME
from dicompack.crypto.contacts import Contact
from dicompack.errors import UsageError

RSA_BITS: Final = 3072
PUBLIC_EXPONENT: Final = 65_537
VALIDITY: Final = timedelta(days=5 * 365)
CLOCK_SKEW: Final = timedelta(minutes=10)
"""Certificates begin this much in the past: the other side's clock may be slow."""
KDF_ROUNDS: Final = 600_000
"""PBKDF2-HMAC-SHA256; about a second, as OWASP recommends since 2023."""


@dataclass(frozen=True)
class NewIdentity:
    """Three files' contents: two to keep, one to give away."""

    signing_p12: bytes = field(repr=False)
    decryption_p12: bytes = field(repr=False)
    contact_pem: bytes
    contact: Contact


def new_identity(name: str, passphrase: bytes | None, now: datetime | None = None) -> NewIdentity:
    """Make both keys and their certificates under ``name``, protected by ``passphrase`` (None: not at all).

    Raises:
        UsageError: a name that is empty, longer than 64 characters or not printable, or an empty passphrase.
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(f"the name must have 1 to {MAX_NAME} printable characters")
    if passphrase is not None and not passphrase:
        raise UsageError("the passphrase is empty", hint="leave it out on purpose with --no-passphrase")
    start = (now or datetime.now(UTC)).astimezone(UTC) - CLOCK_SKEW
    signing_key, signing = _new_pair(name, start, signs=True)
    decryption_key, decryption = _new_pair(name, start, signs=False)
    contact = Contact(name.strip(), signing, decryption)
    return NewIdentity(
        _pkcs12(name, signing_key, signing, passphrase),
        _pkcs12(name, decryption_key, decryption, passphrase),
        contact.marshal(),
        contact,
    )


def _new_pair(name: str, start: datetime, *, signs: bool) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(PUBLIC_EXPONENT, RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.strip())])
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _pkcs12(
    name: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate, passphrase: bytes | None
) -> bytes:
    protection: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        protection = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(KDF_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(passphrase)
        )
    return pkcs12.serialize_key_and_certificates(name.strip().encode(), key, certificate, None, protection)
