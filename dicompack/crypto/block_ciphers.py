"""Content encryption by CBC, which authenticates nothing (RFC 3565 §2.2, RFC 3370 §5.1)."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from dicompack.crypto import der
from dicompack.crypto.algorithms import AES256_CBC, BLOCK_CIPHERS, BlockCipher


def block_cipher_of(algorithm: der.Element) -> tuple[BlockCipher, bytes] | None:
    """The cipher that an AlgorithmIdentifier names, with its initialization vector; None: not in the list."""
    for cipher in BLOCK_CIPHERS:
        iv = bytes(algorithm.content[-cipher.block_size :])
        if algorithm.raw == cipher.identifier(iv):
            return cipher, iv
    return None


def decryptor(cipher: BlockCipher, key: bytes, iv: bytes) -> CipherContext:
    """What undoes a cipher in CBC mode; padding is for the caller."""
    is_aes = cipher.block_size == AES256_CBC.block_size
    algorithm: Any = algorithms.AES(key) if is_aes else TripleDES(key)
    return Cipher(algorithm, modes.CBC(iv)).decryptor()
