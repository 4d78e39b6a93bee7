"""KEMRecipientInfo with ML-KEM-768 (RFC 9629 §3, RFC 9936 §2), for what must stay secret for a lifetime.

[4] SEQUENCE             OtherRecipientInfo
  oriType               id-ori-kem
  SEQUENCE
    version             0
    rid                 [0] SubjectKeyIdentifier
    kem, kemct          id-alg-ml-kem-768, 1088 bytes
    kdf, kekLength      HKDF with SHA-256, 32
    wrap, encryptedKey  AES-256 key wrap, 40 bytes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dicompack.crypto import der
from dicompack.crypto.algorithms import (
    AES256_KEY_SIZE,
    AES256_WRAP,
    HKDF_SHA256,
    KEM_RECIPIENT,
    ML_KEM_768,
    ML_KEM_768_CIPHERTEXT_SIZE,
    WRAPPED_KEY_SIZE,
)
from dicompack.crypto.recipients import faults

_VERSION: Final = 0
_IDENTIFIER: Final = 0x80
_KEY_SIZE: Final = der.integer(AES256_KEY_SIZE)
_OTHER_INFO: Final = der.sequence(AES256_WRAP, _KEY_SIZE)
"""CMSORIforKEMOtherInfo (RFC 9629 §5)."""


@dataclass(frozen=True)
class KeyEncapsulation:
    """The content key, wrapped under an encapsulated secret."""

    tag: ClassVar[int] = 0xA4
    identifier: bytes
    """SubjectKeyIdentifier."""
    ciphertext: bytes
    wrapped_key: bytes

    @classmethod
    def wrap(
        cls, content_key: bytes, identifier: bytes, public_key: mlkem.MLKEM768PublicKey
    ) -> KeyEncapsulation:
        """Wrap a content key for the owner of ``public_key``."""
        secret, ciphertext = public_key.encapsulate()
        return cls(identifier, ciphertext, keywrap.aes_key_wrap(_derive(secret), content_key))

    def unwrap(self, private_key: mlkem.MLKEM768PrivateKey) -> bytes | None:
        """The content key, or None."""
        try:
            return keywrap.aes_key_unwrap(_derive(private_key.decapsulate(self.ciphertext)), self.wrapped_key)
        except keywrap.InvalidUnwrap:
            return None

    def marshal(self) -> bytes:
        """The RecipientInfo."""
        info = der.sequence(
            der.integer(_VERSION),
            der.encode(_IDENTIFIER, self.identifier),
            ML_KEM_768,
            der.octet_string(self.ciphertext),
            HKDF_SHA256,
            _KEY_SIZE,
            AES256_WRAP,
            der.octet_string(self.wrapped_key),
        )
        return der.encode(self.tag, KEM_RECIPIENT, info)

    @classmethod
    def parse(cls, element: der.Element) -> KeyEncapsulation:
        """The reverse of `marshal`.

        Raises:
            FormatError, UnsupportedError: it is not of this form.
        """
        outer = der.Fields(element)
        kind = outer.take(der.OBJECT_IDENTIFIER)
        if kind.raw != KEM_RECIPIENT:  # ENV-4
            raise faults.unsupported("a kind of recipient that is not supported", kind)
        fields = der.Fields(outer.take(der.SEQUENCE))
        outer.end()
        faults.check_version(fields.take(der.INTEGER), _VERSION)
        identifier = fields.take(_IDENTIFIER).content
        faults.check_algorithm(fields.take(der.SEQUENCE), ML_KEM_768)
        ciphertext = fields.take(der.OCTET_STRING).content
        faults.check_algorithm(fields.take(der.SEQUENCE), HKDF_SHA256)
        faults.check_algorithm(fields.take(der.INTEGER), _KEY_SIZE)
        faults.check_algorithm(fields.take(der.SEQUENCE), AES256_WRAP)  # keying material before it: DER-5
        wrapped_key = fields.take(der.OCTET_STRING).content
        fields.end()
        if (len(ciphertext), len(wrapped_key)) != (ML_KEM_768_CIPHERTEXT_SIZE, WRAPPED_KEY_SIZE):  # ENV-4
            raise faults.out_of_range(element)
        return cls(faults.identifier(identifier, element), bytes(ciphertext), bytes(wrapped_key))


def _derive(secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), AES256_KEY_SIZE, None, _OTHER_INFO).derive(secret)
