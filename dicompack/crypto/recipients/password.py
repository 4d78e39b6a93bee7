"""PasswordRecipientInfo: PBKDF2 with HMAC-SHA256 and the key wrap of RFC 3211 (RFC 5652 §6.2.4).

    [3] SEQUENCE
      version               0
      keyDerivationAlgorithm  [0] PBKDF2: salt, rounds, HMAC-SHA256
      keyEncryptionAlgorithm  id-alg-PWRI-KEK with AES-256-CBC and its IV
      encryptedKey          48 bytes

The wrap has a check of 24 bits, which proves nothing: where it fails, the content's tag is left to say so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import der
from dicompack.crypto.algorithms import AES256_CBC, AES256_KEY_SIZE, PASSWORD_WRAP
from dicompack.crypto.passwords import Derivation, Password, PasswordKey
from dicompack.crypto.recipients import faults

_VERSION: Final = 0
_DERIVATION: Final = 0xA0
_HEAD: Final = 4
"""Length and check bytes before the content key (RFC 3211 §2.3.1)."""
_BLOCK: Final = AES256_CBC.block_size
_ENCRYPTED_KEY: Final = -(-(_HEAD + AES256_KEY_SIZE) // _BLOCK) * _BLOCK


@dataclass(frozen=True)
class PasswordRecipient:
    """The content key, wrapped under a key that comes from a password."""

    tag: ClassVar[int] = 0xA3
    derivation: Derivation
    iv: bytes
    encrypted_key: bytes

    @property
    def identifier(self) -> bytes:
        """What it is named by: a password has no public key."""
        return self.derivation.name

    @classmethod
    def wrap(cls, content_key: bytes, key: PasswordKey) -> PasswordRecipient:
        """Wrap a content key: two passes of CBC, so that every byte depends on every other."""
        iv = os.urandom(_BLOCK)
        plain = _head(content_key) + content_key
        plain += os.urandom(_ENCRYPTED_KEY - len(plain))
        once = _cbc(key.key, iv).encryptor().update(plain)
        return cls(key.derivation, iv, _cbc(key.key, once[-_BLOCK:]).encryptor().update(once))

    def unwrap(self, password: Password) -> bytes | None:
        """The content key, or None: it does not pass the check, or too many salts were tried already."""
        key = password.derived(self.derivation)
        if key is None:
            return None
        # The last block of the first pass was the IV of the second.
        before, last = self.encrypted_key[-2 * _BLOCK : -_BLOCK], self.encrypted_key[-_BLOCK:]
        second_iv = _cbc(key, before).decryptor().update(last)
        once = _cbc(key, second_iv).decryptor().update(self.encrypted_key)
        plain = _cbc(key, self.iv).decryptor().update(once)
        content_key = plain[_HEAD : _HEAD + AES256_KEY_SIZE]
        return content_key if plain[:_HEAD] == _head(content_key) else None

    def marshal(self) -> bytes:
        """The RecipientInfo."""
        return der.encode(
            self.tag,
            der.integer(_VERSION),
            self.derivation.marshal(_DERIVATION),
            der.sequence(PASSWORD_WRAP, AES256_CBC.identifier(self.iv)),
            der.octet_string(self.encrypted_key),
        )

    @classmethod
    def parse(cls, element: der.Element) -> PasswordRecipient:
        """The reverse of `marshal`.

        Raises:
            FormatError, UnsupportedError: it is not of this form, or would take minutes to derive.
        """
        fields = der.Fields(element)
        faults.check_version(fields.take(der.INTEGER), _VERSION)
        derivation = Derivation.parse(fields.take(_DERIVATION))
        algorithm = fields.take(der.SEQUENCE)
        encrypted_key = fields.take(der.OCTET_STRING).content
        fields.end()
        iv = bytes(algorithm.content[-_BLOCK:])
        if algorithm.raw != der.sequence(PASSWORD_WRAP, AES256_CBC.identifier(iv)):  # ENV-4
            raise faults.unsupported("a password's key wrap is not PWRI-KEK with AES-256-CBC", algorithm)
        if len(encrypted_key) != _ENCRYPTED_KEY:  # ENV-4
            raise faults.out_of_range(element)
        return cls(derivation, iv, bytes(encrypted_key))


def _head(content_key: bytes) -> bytes:
    return bytes((len(content_key), *(octet ^ 0xFF for octet in content_key[: _HEAD - 1])))


def _cbc(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES256(key), modes.CBC(iv))
