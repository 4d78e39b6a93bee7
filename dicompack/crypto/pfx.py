"""How many rounds a passphrase goes through in key files: not too few in ours, nor too many in others.

The MAC of PKCS #12 (RFC 7292 §4, appendix B) is under as many rounds as what it encrypts.
The library makes it under 2048 rounds, whatever the encryption has: whoever has the file would try
passphrases on the MAC, some hundred times as fast.

    PFX                               version 3
      ContentInfo                     id-data, OCTET STRING: what the MAC is over
      MacData                         SHA-256, MAC; salt; rounds
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from dicompack.crypto import der
from dicompack.errors import FormatError, NoMatchError

MAX_ROUNDS: Final = 10_000_000
"""Some seconds; 2^31 would keep a reader busy for an hour, and nobody writes that for himself."""
_SALT_SIZE: Final = 16
_BLOCK: Final = 64
"""Bytes that SHA-256 takes at a time."""
_CONSTRUCTED: Final = 0x20
_FOR_MAC: Final = b"\x03"
"""RFC 7292 appendix B.3: what the derived bytes are for."""


def with_mac_of(data: bytes, passphrase: bytes, rounds: int) -> bytes:
    """A PKCS #12 file that `cryptography` has made, with its MAC made anew under `rounds`.

    Args:
        data: PFX in DER.
        passphrase: that it was made with, in UTF-8.
        rounds: of the derivation.
    """
    fields = der.Fields(der.parse(data, der.SEQUENCE))
    version, content = fields.take(der.INTEGER), fields.take(der.SEQUENCE)
    algorithm = fields.take(der.SEQUENCE).children[0].children[0]
    fields.end()
    salt = os.urandom(_SALT_SIZE)
    key = _derived(passphrase, salt, rounds)
    mac = hmac.digest(key, bytes(content.children[1].children[0].content), "sha256")
    digest_info = der.sequence(algorithm.raw, der.octet_string(mac))
    mac_data = der.sequence(digest_info, der.octet_string(salt), der.integer(rounds))
    return der.sequence(version.raw, content.raw, mac_data)


def _derived(passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    """32 bytes (RFC 7292 appendix B.2): one digest is enough, so nothing is carried over."""
    text = passphrase.decode("utf-8").encode("utf-16-be") + b"\0\0"
    state = _FOR_MAC * _BLOCK + _filled(salt) + _filled(text)
    for _ in range(rounds):
        state = hashlib.sha256(state).digest()
    return state


def _filled(value: bytes) -> bytes:
    """Repeated to whole blocks."""
    size = -(-len(value) // _BLOCK) * _BLOCK
    return (value * (size // len(value) + 1))[:size]


def check_rounds(data: bytes) -> None:
    """See that a key file in DER (PKCS #12 or PKCS #8) asks for no more work than a passphrase is worth.

    Raises:
        NoMatchError: it does (KEY-5).
    """
    if any(rounds > MAX_ROUNDS for rounds in _rounds(data)):  # KEY-5
        raise NoMatchError(
            f"the key file wants its passphrase derived in more than {MAX_ROUNDS} rounds",
            rule="KEY-5",
            hint="do not use a key file that you were sent; your own can be written anew with fewer",
        )


def _rounds(data: der.Buffer) -> Iterator[int]:
    """Every number after a salt: PBKDF2, PBES of PKCS #12, scrypt and MacData are alike in this."""
    pending = _parsed(data)
    while pending:
        element = pending.pop()
        if element.tag == der.OCTET_STRING:
            pending += _parsed(element.content)
        elif element.tag & _CONSTRUCTED:
            pending += element.children
            for salt, rounds in pairwise(element.children):
                if (salt.tag, rounds.tag) == (der.OCTET_STRING, der.INTEGER):
                    yield int.from_bytes(rounds.content, "big")


def _parsed(data: der.Buffer) -> list[der.Element]:
    """What an OCTET STRING holds; nothing where that is not DER."""
    try:
        return [der.parse(data)]
    except FormatError:
        return []
