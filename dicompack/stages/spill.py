"""Codestreams that are too many for the memory: on the disk, encrypted under a key that is only in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicompack.crypto.algorithms import AES256_KEY_SIZE, GCM_IV_SIZE, GCM_TAG_SIZE
from dicompack.errors import OutputError
from dicompack.files import UnnamedFile


class Spill:
    """Takes codestreams one by one. What is on the disk nobody can read, not even after a crash.

    Args:
        folder: where the disk is; the file has no name.
    """

    def __init__(self, folder: Path) -> None:
        self._file = UnnamedFile(folder)
        self._cipher = AESGCM(os.urandom(AES256_KEY_SIZE))
        self._count = 0

    def put(self, data: bytes) -> Spilled:
        """Put bytes aside."""
        number, self._count = self._count, self._count + 1
        offset = self._file.append(self._cipher.encrypt(_nonce(number), data, None))
        return Spilled(self, number, offset, len(data))

    def read(self, spilled: Spilled) -> bytes:
        """Get them back.

        Raises:
            OutputError: the disk does not give what was written.
        """
        sealed = self._file.read_at(spilled.offset, spilled.size + GCM_TAG_SIZE)
        try:
            return self._cipher.decrypt(_nonce(spilled.number), sealed, None)
        except InvalidTag as error:
            raise OutputError(
                "a temporary file does not hold what was written", hint="check the disk"
            ) from error


@dataclass(frozen=True)
class Spilled:
    """One piece that was put aside."""

    spill: Spill
    number: int
    offset: int
    size: int

    def __len__(self) -> int:
        return self.size

    def read(self) -> bytes:
        """The bytes."""
        return self.spill.read(self)


def _nonce(number: int) -> bytes:
    """No two pieces under one key have the same."""
    return number.to_bytes(GCM_IV_SIZE, "big")
