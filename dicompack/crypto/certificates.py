"""What a certificate must be before its key is used: strength, permitted usage; its name and fingerprint.

Every check takes the class of error to raise: the same weak key is `NoMatchError` in one's own key file,
`BadSignatureError` under a signature and `UntrustedError` in front of the trust store.
"""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dicompack.crypto import der
from dicompack.crypto.algorithms import CURVES
from dicompack.errors import DicomPackError, FormatError

ErrorClass: TypeAlias = type[DicomPackError]
RecipientPublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | mlkem.MLKEM768PublicKey
"""What content keys can be encrypted to: RSA, a curve of `algorithms.CURVES`, ML-KEM-768."""

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
"""One operation with a larger key takes seconds; nobody issues such certificates."""
MIN_EXPONENT: Final = 65_537
MAX_EXPONENT_BITS: Final = 64
MAX_NAME: Final = 64
"""ub-common-name of RFC 5280, and a line on a terminal."""
MAX_CHAIN: Final = 8
"""Issuers above an end-entity certificate."""
_REMEMBERED: Final = 64
"""Certificates that are not parsed anew; some kilobytes each."""

_FINGERPRINT_TAG: Final = b"dicompack-fingerprint-1"
_FINGERPRINT_SIZE: Final = 20
"""160 bits: 8 groups of 4 characters in base32."""
_SIGNER_PURPOSES: Final = frozenset(
    (ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"))
)
"""RFC 5280 §4.2.1.12 emailProtection, RFC 9336 documentSigning."""
SIGNER_PURPOSES_OF_AUTHORITIES: Final = _SIGNER_PURPOSES | {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
"""An authority whose purposes are limited has to have one of these."""
_TLS_PURPOSES: Final = frozenset((ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH))

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_AUTHORITY_CURVES: Final = frozenset(("secp256r1", "secp384r1", "secp521r1"))

_CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for certificates, lists and key files that it cannot read."""
_LIST_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_A_CERTIFICATE: Final = "certificates come in PEM or DER; ask its owner for it again"
_ANOTHER_KEY: Final = "ask its owner for a key that is accepted: RSA of 3072 bits, P-256 or P-384"
_SIGNS: Final = (
    "a signer's certificate has digitalSignature or nonRepudiation, and is for persons, not for TLS"
)
_CERTIFIES: Final = (
    "an authority's has cA and keyCertSign; a person's has cA FALSE and a keyUsage, as those of keys new"
)
_DECRYPTS: Final = "a recipient's has keyEncipherment, on a curve keyAgreement, and a subject key identifier"


def parse_der(data: bytes | memoryview, error: ErrorClass) -> x509.Certificate:
    """A certificate, of which every part that is used later can be read.

    Raises:
        error: not a certificate, bytes besides it, or something in it cannot be read.
    """
    try:
        return _parsed(bytes(data))
    except (*UNREADABLE, FormatError) as cause:
        raise error(
            "this is no certificate, or it is malformed", rule="KEY-1", hint=_A_CERTIFICATE
        ) from cause


@contextmanager
def quiet() -> Iterator[None]:
    """Let the library not warn: that a stranger's name is too long, or his file BER, is no line to print."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=_REMEMBERED)
def _parsed(raw: bytes) -> x509.Certificate:
    """What `parse_der` gives; the same few certificates stand under all instances of a package."""
    _check_serial(raw)
    with quiet():
        certificate = x509.load_der_x509_certificate(raw)
        # All of these are parsed late; after this line none of them raises.
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.serial_number
    return certificate


def parse_any(data: bytes, error: ErrorClass) -> list[x509.Certificate]:
    """The certificates of a PEM file in their order, or one in DER.

    Raises:
        error: none, or one that cannot be read.
    """
    if b"-----BEGIN " not in data:
        return [parse_der(data, error)]
    try:
        found = [base64.b64decode(b"".join(body.split()), validate=True) for body in _PEM.findall(data)]
    except ValueError as cause:
        raise error("a certificate in this file is malformed", rule="KEY-1", hint=_A_CERTIFICATE) from cause
    if not found:  # KEY-1
        raise error("there is no certificate in this file", rule="KEY-1", hint=_A_CERTIFICATE)
    return [parse_der(body, error) for body in found]


def readable(certificate: x509.Certificate, error: ErrorClass) -> x509.Certificate:
    """A certificate that a lenient reader loaded, held to the rules of `parse_der`.

    Raises:
        error: it breaks them.
    """
    return parse_der(certificate.public_bytes(Encoding.DER), error)


def check_strength(certificate: x509.Certificate, error: ErrorClass) -> rsa.RSAPublicKey:
    """The public key, if it is RSA of 2048 to 8192 bits with an odd exponent from 65537.

    Raises:
        error: another kind of key, or one outside these bounds.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise error("the certificate's key cannot be used", rule="KEY-2", hint=_ANOTHER_KEY) from cause
    if not isinstance(key, rsa.RSAPublicKey):  # KEY-2
        raise error("the certificate's key is not RSA", rule="KEY-2", hint=_ANOTHER_KEY)
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:  # KEY-2
        raise error(
            f"the certificate's key has {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted",
            rule="KEY-2",
            hint=_ANOTHER_KEY,
        )
    exponent = key.public_numbers().e
    if exponent < MIN_EXPONENT or not exponent & 1 or exponent.bit_length() > MAX_EXPONENT_BITS:  # KEY-2
        raise error(
            "the certificate's key has a public exponent that is not accepted",
            rule="KEY-2",
            hint=_ANOTHER_KEY,
        )
    return key


def signer_key(
    certificate: x509.Certificate, error: ErrorClass
) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The public key, if it may sign a SignedData: RSA as above, P-256 or P-384.

    Raises:
        error: another kind of key, or a weak one.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise error("the certificate's key cannot be used", rule="KEY-2", hint=_ANOTHER_KEY) from cause
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    return check_strength(certificate, error)


def recipient_key(certificate: x509.Certificate, error: ErrorClass) -> RecipientPublicKey:
    """The public key, if content keys may be encrypted to it: RSA as above, P-256, P-384 or ML-KEM-768.

    Raises:
        error: another kind of key, or a weak one.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise error("the certificate's key cannot be used", rule="KEY-2", hint=_ANOTHER_KEY) from cause
    if isinstance(key, mlkem.MLKEM768PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:  # KEY-2
            raise error(
                f"the certificate's key is on {key.curve.name}; P-256 and P-384 are accepted",
                rule="KEY-2",
                hint=_ANOTHER_KEY,
            )
        return key
    return check_strength(certificate, error)


def check_signer(certificate: x509.Certificate, error: ErrorClass) -> None:
    """Check strength, end entity, key usage digitalSignature or nonRepudiation, and that it is not for TLS.

    Raises:
        error: it may not.
    """
    signer_key(certificate, error)
    if not may_sign(certificate):  # KEY-3
        reason = "it is for decryption" if may_decrypt(certificate) else "its key usage does not allow it"
        raise error(f"this certificate does not sign: {reason}", rule="KEY-3", hint=_SIGNS)
    if is_authority(certificate):  # KEY-3
        raise error(
            "this certificate does not sign: it is that of a certification authority",
            rule="KEY-3",
            hint=_SIGNS,
        )
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is not None:
        named = frozenset(purposes)
        if named & _TLS_PURPOSES or not named & _SIGNER_PURPOSES:  # KEY-3
            raise error(
                "this certificate does not sign: it is for TLS or another purpose", rule="KEY-3", hint=_SIGNS
            )


def check_recipient(certificate: x509.Certificate, error: ErrorClass) -> None:
    """Check strength, end entity, fitting key usage, and that it has a SubjectKeyIdentifier.

    Raises:
        error: they may not.
    """
    recipient_key(certificate, error)
    if not may_decrypt(certificate):  # KEY-4
        reason = "it signs" if may_sign(certificate) else "its key usage does not allow it"
        raise error(f"this certificate does not decrypt: {reason}", rule="KEY-4", hint=_DECRYPTS)
    if is_authority(certificate):  # KEY-4
        raise error(
            "this certificate does not decrypt: it is that of a certification authority",
            rule="KEY-4",
            hint=_DECRYPTS,
        )
    subject_key_identifier(certificate, error)


def check_authority(certificate: x509.Certificate, error: ErrorClass) -> None:
    """Check cA and keyCertSign (RFC 5280 §4.2.1.3, §4.2.1.9), and strength; P-256, P-384, P-521 certify too.

    Raises:
        error: it may not.
    """
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:  # TRU-6
        raise error(
            "this certificate is neither a person's nor that of a certification authority"
            if constraints is not None and constraints.ca
            else "this certificate is not that of a certification authority",
            rule="TRU-6",
            hint=_CERTIFIES,
        )
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _AUTHORITY_CURVES:
        check_strength(certificate, error)


def check_list_signer(
    certificate: x509.Certificate, digest: hashes.HashAlgorithm | None, error: ErrorClass
) -> None:
    """Check that an authority may sign revocation lists (cRLSign, RFC 5280 §4.2.1.3), and with what it did.

    Raises:
        error: it may not, or the digest is none of SHA-256, SHA-384, SHA-512.
    """
    check_authority(certificate, error)
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.crl_sign or not isinstance(digest, _LIST_DIGESTS):
        raise error("this certificate is not that of a signer of revocation lists", rule="TRU-6")


def check_time_stamp_authority(certificate: x509.Certificate, error: ErrorClass) -> None:
    """Check that it is for time-stamps and nothing else (RFC 3161 §2.3), end entity, and strength.

    Raises:
        error: it is not.
    """
    purposes = _extension_as_it_stands(certificate, x509.ExtendedKeyUsage)
    named = list(purposes.value) if purposes is not None else []
    if named != [ExtendedKeyUsageOID.TIME_STAMPING] or purposes is None or not purposes.critical:  # TSP-5
        raise error("this certificate is not one for time-stamps alone", rule="TSP-5")
    # RFC 3161 demands no key usage; where there is one, it has to allow signing.
    if _extension(certificate, x509.KeyUsage) is not None and not may_sign(certificate):  # TSP-5
        raise error("this certificate's key usage does not allow time-stamps", rule="TSP-5")
    if is_authority(certificate):  # TSP-5
        raise error("a certification authority makes no time-stamps itself", rule="TSP-5")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _AUTHORITY_CURVES:
        check_strength(certificate, error)


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether the key usage names digitalSignature or nonRepudiation (RFC 5280 §4.2.1.3)."""
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and (usage.digital_signature or usage.content_commitment)


def may_decrypt(certificate: x509.Certificate) -> bool:
    """Whether the key usage names what its kind of key needs to decrypt.

    keyEncipherment (RFC 5280 §4.2.1.3; RFC 9935 §5 for ML-KEM), keyAgreement for a curve (RFC 5480 §3).
    """
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        return False
    on_curve = isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    return usage.key_agreement if on_curve else usage.key_encipherment


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether basicConstraints or the key usage claim that it is a certification authority's."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return (constraints is not None and constraints.ca) or (usage is not None and usage.key_cert_sign)


def subject_key_identifier(certificate: x509.Certificate, error: ErrorClass) -> bytes:
    """The identifier that recipients are named by: 1 to 64 bytes.

    Raises:
        error: the certificate has none.
    """
    extension = _extension(certificate, x509.SubjectKeyIdentifier)
    if extension is None or not 1 <= len(extension.digest) <= 64:  # KEY-4
        raise error("this certificate has no usable subject key identifier", rule="KEY-4", hint=_DECRYPTS)
    return extension.digest


def issuer_and_serial(certificate: x509.Certificate) -> bytes:
    """DER of IssuerAndSerialNumber, both as they stand in the certificate itself (RFC 5280 §4.1)."""
    outer = der.parse(certificate.public_bytes(Encoding.DER))
    fields = der.Fields(der.Fields(outer).take(der.SEQUENCE))
    fields.take_optional(0xA0)  # version
    serial = fields.take(der.INTEGER)
    fields.take(der.SEQUENCE)  # signature
    return der.sequence(fields.take(der.SEQUENCE).raw, serial.raw)


def spki_sha256(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo in DER: the same for every certificate of one key."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


def fingerprint(certificates: Iterable[x509.Certificate]) -> str:
    """160 bits over all public keys, whatever their order: 8 groups of 4 base32 characters."""
    keys = sorted({spki_sha256(certificate) for certificate in certificates})
    digest = hashlib.sha256(_FINGERPRINT_TAG + b"".join(keys)).digest()[:_FINGERPRINT_SIZE]
    text = base64.b32encode(digest).decode("ascii")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def name_of(certificate: x509.Certificate) -> str:
    """The common name, else the organisation, else "unnamed"; printable and at most 64 characters."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in certificate.subject.get_attributes_for_oid(kind):
            text = attribute.value if isinstance(attribute.value, str) else ""
            # A name may not move the cursor or turn the line around.
            shown = "".join(character if character.isprintable() else "?" for character in text).strip()
            if shown:
                return shown[:MAX_NAME]
    return "unnamed"


def is_kem(certificate: x509.Certificate) -> bool:
    """Whether it is of an ML-KEM-768 key."""
    return isinstance(certificate.public_key(), mlkem.MLKEM768PublicKey)


def kind_of_key(certificate: x509.Certificate) -> str:
    """What kind of key it is about, in words for people: ``RSA-3072``, ``P-256``, ``ML-KEM-768``."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVE_NAMES.get(key.curve.name, key.curve.name)
    return "ML-KEM-768" if isinstance(key, mlkem.MLKEM768PublicKey) else type(key).__name__


def ordered_chain(
    certificate: x509.Certificate, pool: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Those of ``pool`` that issued ``certificate``, each followed by its own issuer; others are dropped."""
    chain: list[x509.Certificate] = []
    current = certificate
    while len(chain) < MAX_CHAIN:
        issuer = next(
            (one for one in pool if one not in (certificate, *chain) and _issued(one, current)), None
        )
        if issuer is None:
            break
        chain.append(issuer)
        current = issuer
    return tuple(chain)


def _check_serial(raw: bytes) -> None:
    """Check that it is our DER, as it has to stand inside CMS, and that its serial number is positive."""
    fields = der.Fields(der.Fields(der.parse(raw, der.SEQUENCE)).take(der.SEQUENCE))
    fields.take_optional(0xA0)  # version
    serial = fields.take(der.INTEGER).content
    if serial[0] & 0x80 or not any(serial):  # RFC 5280 §4.1.2.2
        raise ValueError("serial number not positive")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    found = _extension_as_it_stands(certificate, kind)
    return None if found is None else found.value


def _extension_as_it_stands(
    certificate: x509.Certificate, kind: type[_Extension]
) -> x509.Extension[_Extension] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
