"""What lies in staging for a while and is plaintext to nobody: AES-256-GCM under a key of the run.

    12 bytes nonce, ciphertext, 16 bytes tag; the name it lies under is authenticated

The key is made anew for each run. It lives in memory, and in the run's journal, encrypted to the originator's
own key (``spec/11-journal.md``): what a crash leaves can be opened by nobody else.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicompack.crypto.algorithms import AES256_KEY_SIZE, GCM_IV_SIZE
from dicompack.errors import BadSignatureError


def new_key() -> bytes:
    """A key for one run; up to 2^32 objects can be sealed under it."""
    return os.urandom(AES256_KEY_SIZE)


def seal(key: bytes, name: str, data: bytes) -> bytes:
    """Data that is to lie under `name`."""
    nonce = os.urandom(GCM_IV_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, data, name.encode())


def open_(key: bytes, name: str, sealed: bytes) -> bytes:
    """The reverse of `seal`.

    Raises:
        BadSignatureError: somebody has changed what lies there.
    """
    try:
        return AESGCM(key).decrypt(sealed[:GCM_IV_SIZE], sealed[GCM_IV_SIZE:], name.encode())
    except (InvalidTag, ValueError) as error:  # the latter: too short to have a nonce
        raise BadSignatureError("something in the staging folder was changed", hint="pack again") from error
