"""Raw signatures: RSA PKCS #1 v1.5 (RFC 8017 §8.2) over a digest of bytes that come in pieces."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import Digest
from dicompack.crypto.keys import SigningKey
from dicompack.errors import BadSignatureError, FormatError

__all__ = ["Digest", "der_length", "sign", "verify"]


def sign(
    key: SigningKey, chunks: Iterable[bytes | memoryview], *, digest: Digest | str = Digest.SHA256
) -> bytes:
    """The signature over ``chunks`` one after the other, as many bytes as the modulus has.

    Raises:
        ValueError: ``digest`` is not in the list.
    """
    algorithm = Digest(digest).algorithm
    return key.private_key.sign(_hash(chunks, algorithm), padding.PKCS1v15(), utils.Prehashed(algorithm))


def verify(
    certificate_der: bytes,
    signature: bytes,
    chunks: Iterable[bytes | memoryview],
    *,
    digest: Digest | str = Digest.SHA256,
) -> x509.Certificate:
    """Check ``signature`` with the certificate's key and give the certificate. Says nothing about trust.

    Raises:
        BadSignatureError: not exactly one certificate, a key or digest that is not accepted, or a signature
            that does not fit.
    """
    try:
        algorithm = Digest(digest).algorithm
    except ValueError as error:  # KEY-2
        raise BadSignatureError("the digest of the signature is not in the list", rule="KEY-2") from error
    certificate = certificates.parse_der(certificate_der, BadSignatureError)
    key = certificates.check_strength(certificate, BadSignatureError)
    digested = _hash(chunks, algorithm)
    try:
        # RFC 8017 §8.2.2 step 1: the library takes no signature of another length than the modulus.
        key.verify(bytes(signature), digested, padding.PKCS1v15(), utils.Prehashed(algorithm))
    except InvalidSignature as error:  # KEY-7
        raise BadSignatureError(
            "the signature does not fit the signed bytes", rule="KEY-7", hint="do not use the data"
        ) from error
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
