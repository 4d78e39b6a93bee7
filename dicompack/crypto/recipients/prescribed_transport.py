"""KeyTransRecipientInfo with RSAES-PKCS1-v1_5 (RFC 5652 §6.2.1, RFC 3370 §4.2.1): what PS3.15 prescribes.

SEQUENCE
  version               2: named by SubjectKeyIdentifier; 0: by issuer and serial number
  rid                   [0] SubjectKeyIdentifier, or IssuerAndSerialNumber
  keyEncryptionAlgorithm  rsaEncryption, NULL
  encryptedKey          as long as the modulus

Written for PS3.15 D.1 and E.1.1 only. Whoever may ask often enough whether a decryption went well learns the
key (Bleichenbacher): so a failure gives None, and the caller goes on with a random key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import RSA_KEY_TRANSPORT
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.recipients.faults import MAX_IDENTIFIER
from dicompack.crypto.recipients.key_transport import MAX_ENCRYPTED_KEY, MIN_ENCRYPTED_KEY
from dicompack.errors import FormatError, NoMatchError, UnsupportedError

BY_ISSUER: Final = 0
BY_IDENTIFIER: Final = 2
_IDENTIFIER: Final = 0x80


@dataclass(frozen=True)
class PrescribedTransport:
    """The content key, encrypted to an RSA key."""

    tag: ClassVar[int] = der.SEQUENCE
    version: int
    name: bytes
    """SubjectKeyIdentifier, or the DER of IssuerAndSerialNumber."""
    encrypted_key: bytes

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether it is this one that it was encrypted to."""
        if self.version == BY_ISSUER:
            return self.name == certificates.issuer_and_serial(certificate)
        return self.name == certificates.subject_key_identifier(certificate, NoMatchError)

    @classmethod
    def wrap(cls, content_key: bytes, certificate: x509.Certificate) -> Self:
        """Encrypt a content key to the owner of an RSA certificate, and name it by its identifier.

        Raises:
            NoMatchError: the key is not RSA, or too weak.
        """
        public = certificates.check_strength(certificate, NoMatchError)
        name = certificates.subject_key_identifier(certificate, NoMatchError)
        return cls(BY_IDENTIFIER, name, public.encrypt(content_key, padding.PKCS1v15()))

    def unwrap(self, key: DecryptionKey, size: int) -> bytes | None:
        """The content key of ``size`` bytes, or None for whatever reason."""
        if not isinstance(key.private_key, rsa.RSAPrivateKey):
            return None  # the name is that of a key of another kind
        try:
            content_key = key.private_key.decrypt(self.encrypted_key, padding.PKCS1v15())
        except ValueError:
            return None
        return content_key if len(content_key) == size else None

    def marshal(self) -> bytes:
        """The RecipientInfo."""
        name = der.encode(_IDENTIFIER, self.name) if self.version == BY_IDENTIFIER else self.name
        return der.sequence(
            der.integer(self.version), name, RSA_KEY_TRANSPORT, der.octet_string(self.encrypted_key)
        )

    @classmethod
    def parse(cls, element: der.Element, rule: str) -> Self:
        """The reverse of `marshal`; errors name ``rule``, which is that of the envelope around it.

        Raises:
            FormatError, UnsupportedError: it is not of this form.
        """
        where = f"offset {element.start}"
        if element.tag != cls.tag:
            raise UnsupportedError("a kind of recipient that is not supported", where=where, rule=rule)
        fields = der.Fields(element)
        version = der.small_integer(fields.take(der.INTEGER))
        if version == BY_IDENTIFIER:
            name = fields.take(_IDENTIFIER).content
        elif version == BY_ISSUER:
            name = fields.take(der.SEQUENCE).raw
        else:
            raise UnsupportedError("a recipient of an unknown version", where=where, rule=rule)
        algorithm = fields.take(der.SEQUENCE)
        encrypted_key = fields.take(der.OCTET_STRING).content
        fields.end()
        if algorithm.raw != RSA_KEY_TRANSPORT:
            raise UnsupportedError("key transport is not RSAES-PKCS1-v1_5", where=where, rule=rule)
        sizes_fit = version == BY_ISSUER or 1 <= len(name) <= MAX_IDENTIFIER
        if not (sizes_fit and MIN_ENCRYPTED_KEY <= len(encrypted_key) <= MAX_ENCRYPTED_KEY):
            raise FormatError("sizes in a recipient are out of range", where=where, rule=rule)
        return cls(version, bytes(name), bytes(encrypted_key))
