"""A contact: the public half of somebody's identity, as it is handed around in `contact.pem`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.crypto import certificates
from dicompack.errors import NoMatchError

_WANTED: Final = "ask its owner for contact.pem, which has one certificate for each key"
_PFX_VERSION: Final = b"\x02\x01\x03"
"""RFC 7292 §4: a PFX begins with version 3; a bare private key with 0, a certificate with a SEQUENCE."""


def is_pkcs12(data: bytes) -> bool:
    """Whether this looks like PKCS #12, the usual file for a key with its certificate."""
    return data[:1] == b"\x30" and _PFX_VERSION in data[2:10]


def holds_private_key(data: bytes) -> bool:
    """Whether this looks like a file with a private key, which nobody gives away."""
    return b"PRIVATE KEY-----" in data or is_pkcs12(data)


@dataclass(frozen=True)
class Contact:
    """Whom signatures come from (`signing`) and whom one encrypts to (`decryption`); at least one of both."""

    name: str
    """From the certificate; what its owner calls himself, not what anybody has checked."""
    signing: x509.Certificate | None = None
    decryption: x509.Certificate | None = None
    kem: x509.Certificate | None = None
    """Of an ML-KEM key beside another decryption key: who knows ML-KEM encrypts to this one."""

    def __post_init__(self) -> None:
        if self.signing is None and self.decryption is None:  # KEY-6
            raise NoMatchError("a contact has at least one certificate", rule="KEY-6")
        if self.signing is not None:
            certificates.check_signer(self.signing, NoMatchError)
        if self.decryption is not None:
            certificates.check_recipient(self.decryption, NoMatchError)
        if (
            self.signing != self.decryption and self.signing_spki_sha256 == self.decryption_spki_sha256
        ):  # KEY-6
            raise NoMatchError("two certificates of a contact have the same key", rule="KEY-6", hint=_WANTED)
        if self.kem is not None:
            certificates.check_recipient(self.kem, NoMatchError)
            other = self.decryption
            if not certificates.is_kem(self.kem) or other is None or certificates.is_kem(other):  # KEY-6
                raise NoMatchError(
                    "of two keys that decrypt one is ML-KEM-768, and the other not",
                    rule="KEY-6",
                    hint=_WANTED,
                )

    @classmethod
    def parse(cls, data: bytes) -> Contact:
        """From PEM (decryption first, signing last; any order is understood), or one certificate in DER.

        Raises:
            NoMatchError: not one to three end-entity certificates of fitting usage and strength, or a key.
        """
        if holds_private_key(data):  # KEY-6
            raise NoMatchError(
                "this file holds a private key; a contact is public",
                rule="KEY-6",
                hint="give contact.pem away, never a key",
            )
        found = certificates.parse_any(data, NoMatchError)
        if len(found) > 3:  # KEY-6
            raise NoMatchError("a contact has at most three certificates", rule="KEY-6", hint=_WANTED)
        if len(found) == 1:
            return cls._of_one(found[0])
        kem = None
        if len(found) == 3:
            kem = next((one for one in found if certificates.is_kem(one)), None)
            if kem is None:  # KEY-6
                raise NoMatchError(
                    "the third certificate of a contact is of an ML-KEM key", rule="KEY-6", hint=_WANTED
                )
            found.remove(kem)
        decryption, signing = found
        if not (certificates.may_decrypt(decryption) and certificates.may_sign(signing)):
            decryption, signing = signing, decryption
        return cls(certificates.name_of(signing), signing, decryption, kem)

    @classmethod
    def _of_one(cls, certificate: x509.Certificate) -> Contact:
        name = certificates.name_of(certificate)
        decrypts = certificates.may_decrypt(certificate)
        signs = certificates.may_sign(certificate)
        if not signs and not decrypts:  # KEY-6
            raise NoMatchError("this certificate neither signs nor decrypts", rule="KEY-6", hint=_WANTED)
        return cls(name, certificate if signs else None, certificate if decrypts else None)

    def marshal(self) -> bytes:
        """PEM: decryption first, so that `openssl cms -encrypt` takes the right one, then signing."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.certificates)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process that does not share our memory; the name is kept as it was given."""
        return _rebuild, (self.name, *map(_der, (self.signing, self.decryption, self.kem)))

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Decryption first, then ML-KEM, then signing; one that does both stands once."""
        all_ = (self.decryption, self.kem, None if self.signing == self.decryption else self.signing)
        return tuple(certificate for certificate in all_ if certificate is not None)

    @property
    def encryption(self) -> x509.Certificate | None:
        """What one encrypts to: the ML-KEM key, where there is one."""
        return self.kem or self.decryption

    @property
    def fingerprint(self) -> str:
        """Over all public keys; what two people compare on the telephone, in full."""
        return certificates.fingerprint(self.certificates)

    @property
    def signing_spki_sha256(self) -> bytes | None:
        """SHA-256 of the signing key's SubjectPublicKeyInfo."""
        return None if self.signing is None else certificates.spki_sha256(self.signing)

    @property
    def decryption_spki_sha256(self) -> bytes | None:
        """SHA-256 of the decryption key's SubjectPublicKeyInfo."""
        return None if self.decryption is None else certificates.spki_sha256(self.decryption)


def _der(certificate: x509.Certificate | None) -> bytes | None:
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def _rebuild(name: str, *ders: bytes | None) -> Contact:
    read = [None if der is None else certificates.parse_der(der, NoMatchError) for der in ders]
    return Contact(name, *read)
