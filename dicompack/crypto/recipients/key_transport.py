"""KeyTransRecipientInfo with RSAES-OAEP and SHA-256 (RFC 5652 §6.2.1, RFC 4055 §4.1).

SEQUENCE
  version               2: named by SubjectKeyIdentifier
  rid                   [0] SubjectKeyIdentifier
  keyEncryptionAlgorithm  RSAES-OAEP, SHA-256 twice, no label
  encryptedKey          as long as the modulus
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import KEY_TRANSPORT, RSA_OAEP
from dicompack.crypto.recipients import faults

MIN_ENCRYPTED_KEY: Final = certificates.MIN_RSA_BITS // 8
MAX_ENCRYPTED_KEY: Final = certificates.MAX_RSA_BITS // 8

_VERSION: Final = 2
_IDENTIFIER: Final = 0x80


@dataclass(frozen=True)
class KeyTransport:
    """The content key, encrypted to an RSA key."""

    tag: ClassVar[int] = der.SEQUENCE
    identifier: bytes
    """SubjectKeyIdentifier."""
    algorithm: bytes
    encrypted_key: bytes

    @classmethod
    def wrap(cls, content_key: bytes, identifier: bytes, public_key: rsa.RSAPublicKey) -> KeyTransport:
        """Encrypt a content key to the owner of ``public_key``."""
        return cls(identifier, RSA_OAEP, public_key.encrypt(content_key, _oaep()))

    def unwrap(self, private_key: rsa.RSAPrivateKey) -> bytes | None:
        """The content key, or None: of whatever length it was."""
        try:
            return private_key.decrypt(self.encrypted_key, _oaep())
        except ValueError:
            return None

    def marshal(self) -> bytes:
        """The RecipientInfo."""
        return der.sequence(
            der.integer(_VERSION),
            der.encode(_IDENTIFIER, self.identifier),
            self.algorithm,
            der.octet_string(self.encrypted_key),
        )

    @classmethod
    def parse(cls, element: der.Element) -> KeyTransport:
        """The reverse of `marshal`.

        Raises:
            FormatError, UnsupportedError: it is not of this form.
        """
        fields = der.Fields(element)
        version = fields.take(der.INTEGER)
        if der.small_integer(version) != _VERSION:  # ENV-4
            raise faults.unsupported("a recipient that is not named by subject key identifier", version)
        identifier = fields.take(_IDENTIFIER).content
        algorithm = fields.take(der.SEQUENCE)
        encrypted_key = fields.take(der.OCTET_STRING).content
        fields.end()
        if bytes(algorithm.raw) not in KEY_TRANSPORT:  # ENV-4
            raise faults.unsupported("key transport is not RSAES-OAEP with SHA-256", algorithm)
        if not MIN_ENCRYPTED_KEY <= len(encrypted_key) <= MAX_ENCRYPTED_KEY:  # ENV-4
            raise faults.out_of_range(element)
        return cls(faults.identifier(identifier, element), bytes(algorithm.raw), bytes(encrypted_key))


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
