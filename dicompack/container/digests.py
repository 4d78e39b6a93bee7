"""DIGESTS: 64 bytes for each sealed object: members, restoring data, CUSTODY, and the MANIFEST last."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dicompack.errors import FormatError

_COLUMN = 32
_ROW = 2 * _COLUMN


@dataclass(frozen=True, slots=True)
class ObjectDigest:
    """The two SHA-256 of one sealed object."""

    whole: bytes
    """Of all its bytes."""
    content: bytes
    """Of its bytes after the RecipientInfos: encrypted content and tag. New recipients do not change it."""


@dataclass(frozen=True)
class Digests:
    """The table: one row for each object of `names.sealed_names`, in that order."""

    rows: tuple[ObjectDigest, ...]

    @property
    def columns(self) -> tuple[str, str]:
        """SHA-256 of each column, in lower-case hex, as the SEAL has them."""
        whole, content = hashlib.sha256(), hashlib.sha256()
        for row in self.rows:
            whole.update(row.whole)
            content.update(row.content)
        return whole.hexdigest(), content.hexdigest()


def marshal(digests: Digests) -> bytes:
    """The bytes of DIGESTS."""
    return b"".join(row.whole + row.content for row in digests.rows)


def parse(raw: bytes, objects: int) -> Digests:
    """Read DIGESTS of a package with this many sealed objects.

    Raises:
        FormatError: PKG-8 another length than the number of objects gives.
    """
    if len(raw) != objects * _ROW:  # PKG-8
        raise FormatError(
            f"{len(raw)} bytes, but {objects} sealed objects need {objects * _ROW}",
            where="DIGESTS",
            rule="PKG-8",
        )
    rows = (
        ObjectDigest(raw[start : start + _COLUMN], raw[start + _COLUMN : start + _ROW])
        for start in range(0, len(raw), _ROW)
    )
    return Digests(tuple(rows))
