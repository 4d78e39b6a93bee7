"""Raw signatures over a digest of pieces: RSA PKCS #1 v1.5 (RFC 8017 §8.2), and ECDSA (RFC 3279 §2.2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import (
    CURVE_ORDERS,
    ECDSA_SCHEMES,
    PSS_SALT_SIZE,
    RSA_PSS_SCHEME,
    RSA_SCHEME,
    Digest,
    SignatureScheme,
)
from dicompack.crypto.keys import SigningKey
from dicompack.errors import BadSignatureError, FormatError, UnsupportedError

__all__ = [
    "Digest",
    "der_length",
    "scheme_of",
    "schemes_for",
    "sign",
    "sign_statement",
    "verify",
    "verify_foreign",
    "verify_statement",
    "without_padding",
]

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def sign(
    key: SigningKey, chunks: Iterable[bytes | memoryview], *, digest: Digest | str = Digest.SHA256
) -> bytes:
    """The signature over ``chunks`` one after the other, in its one form.

    Of RSA as many bytes as the modulus has; of ECDSA with the low s, in DER, and 00 where that makes it even,
    as an element of DICOM holds it.

    Raises:
        ValueError: ``digest`` is not in the list.
    """
    algorithm = Digest(digest).algorithm
    private, prehashed, digested = key.private_key, utils.Prehashed(algorithm), _hash(chunks, algorithm)
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(digested, padding.PKCS1v15(), prehashed)
    value = _low(private.sign(digested, ec.ECDSA(prehashed)), private.curve.name)
    return value + bytes(len(value) % 2)


def verify(
    certificate_der: bytes,
    signature: bytes,
    chunks: Iterable[bytes | memoryview],
    *,
    digest: Digest | str = Digest.SHA256,
) -> x509.Certificate:
    """Check what `sign` gave with the certificate's key, and give the certificate. Says nothing about trust.

    Raises:
        BadSignatureError: not exactly one certificate, a key or digest that is not accepted, or a signature
            that does not fit.
    """
    try:
        algorithm = Digest(digest).algorithm
    except ValueError as error:  # KEY-2
        raise BadSignatureError("the digest of the signature is not in the list", rule="KEY-2") from error
    certificate = certificates.parse_der(certificate_der, BadSignatureError)
    key = certificates.signer_key(certificate, BadSignatureError)
    prehashed, digested = utils.Prehashed(algorithm), _hash(chunks, algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            # RFC 8017 §8.2.2 step 1: the library takes no signature of another length than the modulus.
            key.verify(bytes(signature), digested, padding.PKCS1v15(), prehashed)
        else:
            key.verify(_unpadded(signature, key.curve.name), digested, ec.ECDSA(prehashed))
    except InvalidSignature as error:  # KEY-7
        raise BadSignatureError(
            "the signature does not fit the signed bytes", rule="KEY-7", hint="do not use the data"
        ) from error
    return certificate


_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), PSS_SALT_SIZE)


def scheme_of(key: SigningKey) -> SignatureScheme:
    """How a key signs a SignedData."""
    if isinstance(key.private_key, ec.EllipticCurvePrivateKey):
        return ECDSA_SCHEMES[key.private_key.curve.name]
    return RSA_PSS_SCHEME if key.pss else RSA_SCHEME


def schemes_for(key: PublicKey) -> tuple[SignatureScheme, ...]:
    """How a SignedData may be signed that this key verifies."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return (ECDSA_SCHEMES[key.curve.name],)
    return RSA_SCHEME, RSA_PSS_SCHEME


def sign_statement(key: SigningKey, statement: bytes) -> bytes:
    """The signature of a SignedData over ``statement``, as `scheme_of` says; of ECDSA that with the low s."""
    private = key.private_key
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(statement, _PSS if key.pss else padding.PKCS1v15(), hashes.SHA256())
    algorithm = ECDSA_SCHEMES[private.curve.name].digest.algorithm
    return _low(private.sign(statement, ec.ECDSA(algorithm)), private.curve.name)


def verify_statement(key: PublicKey, signature: bytes, statement: bytes, scheme: SignatureScheme) -> None:
    """Check what `sign_statement` gave by a scheme of `schemes_for`; nothing but its one form is taken.

    Raises:
        InvalidSignature: it does not fit, or is in another form.
    """
    if isinstance(key, rsa.RSAPublicKey):
        padded = _PSS if scheme == RSA_PSS_SCHEME else padding.PKCS1v15()
        key.verify(signature, statement, padded, hashes.SHA256())
        return
    _check_form(signature, key.curve.name)
    key.verify(signature, statement, ec.ECDSA(ECDSA_SCHEMES[key.curve.name].digest.algorithm))


def _low(value: bytes, curve: str) -> bytes:
    """(r, s) and (r, n - s) both fit: the one with the smaller s."""
    r, s = utils.decode_dss_signature(value)
    return utils.encode_dss_signature(r, min(s, CURVE_ORDERS[curve] - s))


def _check_form(value: bytes, curve: str) -> None:
    """See that an ECDSA signature is what `_low` gives.

    Raises:
        InvalidSignature: it is in another form.
    """
    try:
        r, s = utils.decode_dss_signature(value)
    except ValueError as error:
        raise InvalidSignature from error
    if utils.encode_dss_signature(r, s) != value or 2 * s > CURVE_ORDERS[curve]:
        raise InvalidSignature


def without_padding(value: bytes, certificate: x509.Certificate) -> bytes:
    """The bare signature of an element of DICOM, which has an even length: what a time-stamp is about.

    Raises:
        BadSignatureError: there is none.
    """
    key = certificate.public_key()
    return value[: (key.key_size + 7) // 8 if isinstance(key, rsa.RSAPublicKey) else der_length(value)]


def _unpadded(value: bytes, curve: str) -> bytes:
    """An ECDSA signature without the byte that made its length even.

    Raises:
        InvalidSignature: it is in another form than `sign` gives.
    """
    try:
        length = der.object_length(value)
    except FormatError as error:
        raise InvalidSignature from error
    bare = bytes(value[:length])
    if value[length:] != bytes(length % 2):
        raise InvalidSignature
    _check_form(bare, curve)
    return bare


def verify_foreign(
    certificate_der: bytes, signature: bytes, chunks: Iterable[bytes | memoryview], digest: str
) -> x509.Certificate:
    """Check a signature of somebody else's program, RSA or ECDSA; both values may end with a pad byte.

    Raises:
        UnsupportedError: a digest, key or certificate that proves nothing, or that is not known here.
        BadSignatureError: the signature does not fit, or there is no certificate.
    """
    try:
        algorithm = Digest(digest).algorithm
    except ValueError as error:
        raise UnsupportedError("its digest is too weak, or not known") from error
    try:
        certificate = certificates.parse_der(certificate_der[: der_length(certificate_der)], UnsupportedError)
        key = certificate.public_key()
    except (UnsupportedError, UnsupportedAlgorithm, ValueError) as error:
        raise UnsupportedError("its certificate cannot be read") from error
    prehashed = utils.Prehashed(algorithm)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
            value = signature[: der_length(signature)]
            key.verify(value, _hash(chunks, algorithm), ec.ECDSA(prehashed))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= certificates.MIN_RSA_BITS:
            value = signature[: (key.key_size + 7) // 8]
            key.verify(value, _hash(chunks, algorithm), padding.PKCS1v15(), prehashed)
        else:
            raise UnsupportedError("its key is too weak, or of a kind that is not known")
    except InvalidSignature as error:
        raise BadSignatureError("it does not fit what it signs: changed since, or encoded anew") from error
    return certificate


def der_length(data: bytes | memoryview) -> int:
    """Length in bytes of the DER object at the start of ``data``; what follows is padding of its carrier.

    Raises:
        BadSignatureError: there is none.
    """
    try:
        return der.object_length(data)
    except FormatError as error:
        raise BadSignatureError("this is no certificate", rule="KEY-1") from error


def _hash(chunks: Iterable[bytes | memoryview], algorithm: hashes.HashAlgorithm) -> bytes:
    context = hashes.Hash(algorithm)
    for chunk in chunks:
        context.update(chunk)
    return context.finalize()
