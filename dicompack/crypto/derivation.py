"""The project key: one secret from which pseudonyms, UIDs and date shifts are derived."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Final

from dicompack.errors import UsageError

KEY_SIZE: Final = 32

UID: Final = "uid"
PATIENT_ID: Final = "patient-id"
PATIENT_STUDY: Final = "patient-study"
PATIENT_INSTANCE: Final = "patient-instance"
DATE_SHIFT: Final = "date-shift"
LABELS: Final = frozenset((UID, PATIENT_ID, PATIENT_STUDY, PATIENT_INSTANCE, DATE_SHIFT))
"""One label for each use, so that no two uses share output."""

_TAG: Final = b"dicompack-project-key-1:"
_CHECKSUM_SIZE: Final = 8
"""With the key 40 bytes, which base32 writes without padding."""


class ProjectKey:
    """32 random bytes, never shown. Whoever holds them can recompute every pseudonym."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Take exactly 32 bytes.

        Raises:
            UsageError: any other size.
        """
        if len(secret) != KEY_SIZE:  # KEY-8
            raise UsageError("a project key has exactly 32 bytes", rule="KEY-8", hint=_HINT)
        self._secret = bytes(secret)

    @classmethod
    def new(cls) -> ProjectKey:
        """A key from the system's random source."""
        return cls(os.urandom(KEY_SIZE))

    @classmethod
    def parse(cls, data: bytes) -> ProjectKey:
        """The key from its text form, or from 32 raw bytes.

        Raises:
            UsageError: neither of both, or a mistyped text.
        """
        if len(data) == KEY_SIZE:
            return cls(data)
        line = data.strip(b" \t\r\n")
        if not line.startswith(_TAG):  # KEY-8
            raise UsageError("this is no project key", rule="KEY-8", hint=_HINT)
        try:
            secret = base64.b32decode(line.removeprefix(_TAG))[:KEY_SIZE]
        except ValueError as error:
            raise UsageError("the project key is damaged", rule="KEY-8") from error
        if len(secret) != KEY_SIZE or not hmac.compare_digest(cls(secret).marshal().rstrip(), line):  # KEY-8
            raise UsageError("the project key is damaged", rule="KEY-8")
        return cls(secret)

    def marshal(self) -> bytes:
        """One line of ASCII: tag, key and checksum in base32, line feed."""
        checksum = hashlib.sha256(_TAG + self._secret).digest()[:_CHECKSUM_SIZE]
        return _TAG + base64.b32encode(self._secret + checksum) + b"\n"

    def derive(self, label: str, *parts: bytes) -> bytes:
        """32 bytes: HMAC-SHA256 over label and parts, each after its length (8 bytes, big-endian).

        Raises:
            ValueError: a label that is not in `LABELS`.
        """
        if label not in LABELS:
            raise ValueError(f"unknown label {label!r}")
        mac = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in (label.encode("ascii"), *parts):
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProjectKey):
            return NotImplemented
        return hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return "ProjectKey(...)"


_HINT: Final = "make one with: dicompack keys project FILE"
