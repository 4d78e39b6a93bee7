"""New identities: a key that signs and a key that decrypts, with certificates by the identity itself.

RSA-3072 is the default of both. Curves make shorter objects and signatures; ML-KEM-768 decrypts what must
stay secret for a lifetime. ML-KEM cannot sign, not even for itself: the other key signs its certificate.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from dicompack.crypto import der
from dicompack.crypto.algorithms import AES256_CBC, AES256_KEY_SIZE, PASSWORD_SCHEME
from dicompack.crypto.certificates import MAX_NAME, name_of
from dicompack.crypto.contacts import Contact
from dicompack.crypto.passwords import SALT_SIZE, Derivation
from dicompack.crypto.pfx import with_mac_of
from dicompack.errors import UsageError

RSA_BITS: Final = 3072
PUBLIC_EXPONENT: Final = 65_537
VALIDITY: Final = timedelta(days=5 * 365)
CLOCK_SKEW: Final = timedelta(minutes=10)
"""Certificates begin this much in the past: the other side's clock may be slow."""
KDF_ROUNDS: Final = 600_000
"""PBKDF2-HMAC-SHA256; about a second, as OWASP recommends since 2023."""


PEM_BEGINS: Final = b"-----BEGIN "
"""What tells PEM from PKCS #12."""


class Algorithm(StrEnum):
    """Kinds of keys; ML-KEM decrypts only."""

    RSA = "rsa-3072"
    P256 = "p-256"
    P384 = "p-384"
    ML_KEM = "ml-kem-768"


@dataclass(frozen=True)
class NewIdentity:
    """Contents of files: one for each key to keep, and one to give away."""

    signing_p12: bytes = field(repr=False)
    decryption: bytes = field(repr=False)
    """PKCS #12; for ML-KEM, which that cannot hold yet, PEM with key and certificate."""
    contact_pem: bytes
    contact: Contact
    kem: bytes | None = field(default=None, repr=False)
    """The ML-KEM key beside, as PEM."""


def new_identity(
    name: str,
    passphrase: bytes | None,
    now: datetime | None = None,
    algorithm: Algorithm | str = Algorithm.RSA,
    signing_algorithm: Algorithm | str = Algorithm.RSA,
    *,
    with_kem: bool = False,
) -> NewIdentity:
    """Make both keys and their certificates under ``name``, protected by ``passphrase`` (None: not at all).

    ``algorithm`` is that of the decryption key; ``with_kem`` puts one of ML-KEM-768 beside it. Instances
    signed on a curve are outside the standard's profiles.

    Raises:
        UsageError: a name that is empty, longer than 64 characters or not printable, or an empty passphrase,
            or ML-KEM to sign, or beside itself.
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(f"the name must have 1 to {MAX_NAME} printable characters")
    if passphrase is not None and not passphrase:
        raise UsageError("the passphrase is empty", hint="leave it out on purpose with --no-passphrase")
    start = (now or datetime.now(UTC)).astimezone(UTC) - CLOCK_SKEW
    signing_key = _new_key(Algorithm(signing_algorithm))
    if isinstance(signing_key, mlkem.MLKEM768PrivateKey):
        raise UsageError("ML-KEM does not sign", hint="it is for the decryption key alone")
    signing = _certificate(name, start, signing_key.public_key(), signing_key, signs=True)
    key = _new_key(Algorithm(algorithm))
    issuer = signing_key if isinstance(key, mlkem.MLKEM768PrivateKey) else key
    decryption = _certificate(name, start, key.public_key(), issuer, signs=False)
    beside = beside_certificate = None
    if with_kem:
        if isinstance(key, mlkem.MLKEM768PrivateKey):
            raise UsageError("the decryption key is ML-KEM already", hint="leave one of the two out")
        other = mlkem.MLKEM768PrivateKey.generate()
        beside_certificate = _certificate(name, start, other.public_key(), signing_key, signs=False)
        beside = protected(other, beside_certificate, (), passphrase)
    contact = Contact(name.strip(), signing, decryption, beside_certificate)
    return NewIdentity(
        protected(signing_key, signing, (), passphrase),
        protected(key, decryption, (), passphrase),
        contact.marshal(),
        contact,
        beside,
    )


_SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PrivateKey: TypeAlias = _SigningKey | mlkem.MLKEM768PrivateKey
_PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | mlkem.MLKEM768PublicKey


def _new_key(algorithm: Algorithm) -> PrivateKey:
    match algorithm:
        case Algorithm.RSA:
            return rsa.generate_private_key(PUBLIC_EXPONENT, RSA_BITS)
        case Algorithm.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case Algorithm.ML_KEM:
            return mlkem.MLKEM768PrivateKey.generate()


def _certificate(
    name: str, start: datetime, key: _PublicKey, issuer: _SigningKey, *, signs: bool
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.strip())])
    agrees = isinstance(key, ec.EllipticCurvePublicKey)
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=not signs and not agrees,
        data_encipherment=False,
        key_agreement=not signs and agrees,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
        .sign(issuer, hashes.SHA256())
    )


def protected(
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    passphrase: bytes | None,
) -> bytes:
    """A private key as it lies in an identity folder: PKCS #12, of ML-KEM PEM; ``passphrase`` None: open."""
    if isinstance(key, mlkem.MLKEM768PrivateKey):
        return _pem(key, certificate, passphrase)
    protection: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        protection = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(KDF_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(passphrase)
        )
    name = name_of(certificate).encode()
    made = pkcs12.serialize_key_and_certificates(name, key, certificate, chain or None, protection)
    return made if passphrase is None else with_mac_of(made, passphrase, KDF_ROUNDS)


def _pem(key: mlkem.MLKEM768PrivateKey, certificate: x509.Certificate, passphrase: bytes | None) -> bytes:
    """PKCS #8 (RFC 9935 §6: the seed), then the certificate."""
    public = certificate.public_bytes(Encoding.PEM)
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + public
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    # The library's own protection of PKCS #8 has 2048 rounds (RFC 8018 §6.2: PBES2).
    derivation = Derivation(os.urandom(SALT_SIZE), KDF_ROUNDS)
    iv = os.urandom(AES256_CBC.block_size)
    secret = hashlib.pbkdf2_hmac("sha256", passphrase, derivation.salt, KDF_ROUNDS, AES256_KEY_SIZE)
    padder = block_padding.PKCS7(8 * AES256_CBC.block_size).padder()
    encryptor = Cipher(algorithms.AES256(secret), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    scheme = der.sequence(derivation.marshal(), AES256_CBC.identifier(iv))
    info = der.sequence(der.sequence(PASSWORD_SCHEME, scheme), der.octet_string(encrypted))
    text = base64.b64encode(info)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    label = b"ENCRYPTED PRIVATE KEY-----\n"
    return b"-----BEGIN " + label + b"\n".join(lines) + b"\n-----END " + label + public
