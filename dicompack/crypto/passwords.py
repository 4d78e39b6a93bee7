"""Passwords for packages: made, judged, and turned into keys by PBKDF2-HMAC-SHA256 (RFC 8018 §5.2).

A password opens, and says nothing about origin: there is a signer beside it in any case. One salt serves a
package, so that writer and reader derive once; what is wrapped under the key is random each time.
"""

from __future__ import annotations

import hashlib
import math
import os
import string
from dataclasses import dataclass, field
from typing import Final

from dicompack.crypto import der
from dicompack.crypto.algorithms import AES256_KEY_SIZE, HMAC_SHA256, PASSWORD_KDF
from dicompack.errors import FormatError, UnsupportedError, UsageError

ROUNDS: Final = 600_000
"""What OWASP recommends since 2023: under half a second here."""
MIN_ROUNDS: Final = 100_000
MAX_ROUNDS: Final = 5_000_000
"""About three seconds; more is an attempt to keep the reader busy."""
SALT_SIZE: Final = 16
MIN_SALT: Final = 8
MAX_SALT: Final = 64
MAX_SALTS: Final = 16
"""Derivations that one password is good for: a package needs one, a hostile one would have one an object."""
STRENGTH: Final = 128
"""Bits: whoever has the package can guess for ever."""
MAX_PASSWORD: Final = 256

_WORDS: Final = 8
_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"
_WEAK: Final = "leave it to the program: pack --password makes one of 128 bits and shows it once"


@dataclass(frozen=True)
class Derivation:
    """How a key comes from a password: PBKDF2 with this salt and this number of rounds."""

    salt: bytes
    rounds: int

    @property
    def name(self) -> bytes:
        """SHA-256 of the AlgorithmIdentifier: what stands for a password where keys are listed (32 bytes)."""
        return hashlib.sha256(self.marshal()).digest()

    def marshal(self, tag: int = der.SEQUENCE) -> bytes:
        """AlgorithmIdentifier (RFC 8018 §A.2); the key's size follows from its use and is left out."""
        parameters = der.sequence(der.octet_string(self.salt), der.integer(self.rounds), HMAC_SHA256)
        return der.encode(tag, PASSWORD_KDF, parameters)

    @classmethod
    def parse(cls, element: der.Element) -> Derivation:
        """The reverse of `marshal`, with any tag.

        Raises:
            FormatError: a salt of less than 8 or more than 64 bytes.
            UnsupportedError: another function, or rounds outside 100 000 to 5 000 000.
        """
        where = f"offset {element.start}"
        fields = der.Fields(element)
        kind = fields.take(der.OBJECT_IDENTIFIER)
        parameters = der.Fields(fields.take(der.SEQUENCE))
        fields.end()
        if kind.raw != PASSWORD_KDF:  # ENV-4
            raise UnsupportedError("a password's key is not derived by PBKDF2", where=where, rule="ENV-4")
        salt = parameters.take(der.OCTET_STRING).content
        rounds = der.small_integer(parameters.take(der.INTEGER))
        function = parameters.take_optional(der.SEQUENCE)  # HMAC-SHA1 where there is none
        parameters.end()
        if function is None or function.raw != HMAC_SHA256:  # ENV-4
            raise UnsupportedError("PBKDF2 is not with HMAC-SHA256", where=where, rule="ENV-4")
        if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:  # ENV-11
            raise UnsupportedError(
                f"{rounds} rounds of PBKDF2; {MIN_ROUNDS} to {MAX_ROUNDS} are accepted",
                where=where,
                rule="ENV-11",
            )
        if not MIN_SALT <= len(salt) <= MAX_SALT:  # ENV-11
            raise FormatError("a salt of an impossible size", where=where, rule="ENV-11")
        return cls(bytes(salt), rounds)


@dataclass(frozen=True)
class Password:
    """What opens a package for whoever knows it."""

    text: str = field(repr=False)
    _keys: dict[Derivation, bytes] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= MAX_PASSWORD:
            raise UsageError(f"a password has 1 to {MAX_PASSWORD} characters", rule="PWD-1")
        if not all(" " <= character <= "~" for character in self.text):  # PWD-1
            # PS3.15 D.1.1 restricts passwords to ISO IR 6: others are encoded differently elsewhere.
            raise UsageError("a password consists of ASCII characters", rule="PWD-1", hint=_WEAK)

    @classmethod
    def new(cls) -> Password:
        """128 random bits as eight words that can be read out: consonants and vowels in turn."""
        raw = os.urandom(2 * _WORDS)
        return cls("-".join(_word(int.from_bytes(raw[at : at + 2], "big")) for at in range(0, len(raw), 2)))

    def check_strength(self) -> None:
        """Refuse what is shorter than random characters of its kinds that carry 128 bits, or repeats itself.

        Raises:
            UsageError: it is too weak to lie around for years.
        """
        text = self.text
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation + " ")
        alphabet = sum(len(kind) for kind in kinds if set(kind) & set(text))
        repeats = text in (text + text)[1:-1]
        if len(text) * math.log2(alphabet) < STRENGTH or repeats or len(set(text)) < _WORDS:  # PWD-2
            raise UsageError(
                f"the password is too weak: it has to carry {STRENGTH} bits", rule="PWD-2", hint=_WEAK
            )

    def derived(self, derivation: Derivation) -> bytes | None:
        """The key of 32 bytes, from memory where it was derived before; None beyond `MAX_SALTS` salts."""
        if derivation not in self._keys:
            if len(self._keys) >= MAX_SALTS:  # ENV-12
                return None
            self._keys[derivation] = hashlib.pbkdf2_hmac(
                "sha256", self.text.encode("ascii"), derivation.salt, derivation.rounds, AES256_KEY_SIZE
            )
        return self._keys[derivation]


@dataclass(frozen=True)
class PasswordKey:
    """A password as a recipient: its key under a salt of the package, derived once."""

    derivation: Derivation
    key: bytes = field(repr=False)

    @classmethod
    def new(cls, password: Password) -> PasswordKey:
        """With a fresh salt."""
        derivation = Derivation(os.urandom(SALT_SIZE), ROUNDS)
        key = password.derived(derivation)
        assert key is not None, "a new password has derived nothing yet"
        return cls(derivation, key)


def _word(bits: int) -> str:
    """16 bits as consonant, vowel, consonant, vowel, consonant."""
    return "".join(
        (
            _CONSONANTS[bits >> 12],
            _VOWELS[bits >> 10 & 3],
            _CONSONANTS[bits >> 6 & 15],
            _VOWELS[bits >> 4 & 3],
            _CONSONANTS[bits & 15],
        )
    )
