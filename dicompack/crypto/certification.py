"""Certificates by a hospital's authority: what it is asked with (PKCS #10, RFC 2986), and what comes back.

The private key stays where it is: the request is signed with it, and the certificate has to belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from dicompack.crypto import certificates
from dicompack.crypto.algorithms import SIGNED_DATA
from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.crypto.trust import check_validity
from dicompack.errors import NoMatchError, UnsupportedError

MAX_CERTIFICATES: Final = 64
"""Of an answer: a chain has a few, and a file with all of a country's is a mistake."""
_NO_CERTIFICATES: Final = "this is no certificate, and no file with certificates"


def request(key: SigningKey | DecryptionKey) -> bytes:
    """A request for a certificate with the name and the usage that the key has now, in PEM.

    Raises:
        UnsupportedError: an ML-KEM key, which cannot sign a request.
    """
    if isinstance(key.private_key, mlkem.MLKEM768PrivateKey):
        raise UnsupportedError(
            "an ML-KEM key cannot ask for a certificate: it does not sign",
            hint="its certificate by your own signing key stays",
        )
    own = key.certificate
    builder = x509.CertificateSigningRequestBuilder().subject_name(own.subject)
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.SubjectKeyIdentifier):
        try:
            extension = own.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            continue
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(key.private_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def parse_answer(data: bytes) -> list[x509.Certificate]:
    """The certificates of what an authority sends: PEM, one in DER, or PKCS #7 (RFC 5652 §5, "p7b").

    Raises:
        NoMatchError: it is none of these, or has more than 64.
    """
    try:
        if b"-----BEGIN PKCS7-----" in data:
            found = pkcs7.load_pem_pkcs7_certificates(data)
        elif SIGNED_DATA in data[:32] and data[:1] == b"\x30":
            found = pkcs7.load_der_pkcs7_certificates(data)
        else:
            found = certificates.parse_any(data, NoMatchError)
    except certificates.UNREADABLE as error:  # KEY-1
        raise NoMatchError(_NO_CERTIFICATES, rule="KEY-1", hint="PEM, DER or p7b") from error
    if len(found) > MAX_CERTIFICATES:  # KEY-10
        raise NoMatchError(f"{len(found)} certificates; {MAX_CERTIFICATES} are possible", rule="KEY-10")
    return [certificates.readable(one, NoMatchError) for one in found]


def certified_signing(key: SigningKey, answer: Sequence[x509.Certificate], at: datetime) -> SigningKey | None:
    """The key with the certificate and the issuers of an answer; None where no certificate is for it.

    Raises:
        NoMatchError: the certificate is not one for a signer (KEY-2, KEY-3).
        UntrustedError: it has expired, or is not valid yet.
    """
    certificate = _own(key.certificate, answer, at)
    if certificate is None:
        return None
    return SigningKey(certificate, key.private_key, certificates.ordered_chain(certificate, answer))


def certified_decryption(
    key: DecryptionKey, answer: Sequence[x509.Certificate], at: datetime
) -> DecryptionKey | None:
    """The key with its certificate of an answer; None where none is for it.

    Raises:
        NoMatchError: the certificate is not one for a recipient (KEY-2, KEY-4).
        UntrustedError: it has expired, or is not valid yet.
    """
    certificate = _own(key.certificate, answer, at)
    return None if certificate is None else DecryptionKey(certificate, key.private_key)


def is_complete(certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> bool:
    """Whether a chain goes up to an authority that certifies itself."""
    top = (certificate, *chain)[-1]
    return top.issuer == top.subject


def _own(
    before: x509.Certificate, answer: Sequence[x509.Certificate], at: datetime
) -> x509.Certificate | None:
    """Of several for the same key, as a file with a renewed one may hold, the one that lasts longest."""
    mine = [one for one in answer if spki_sha256(one) == spki_sha256(before)]
    if not mine:
        return None
    longest = max(mine, key=lambda one: one.not_valid_after_utc)
    check_validity(longest, at)
    return longest
