"""Stage 4: the CMS envelope (RFC 5083) around one signed DICOM File, or any other object of a package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from dicompack.crypto import enveloped
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.stages.artifacts import Sealed


def pack(content: bytes, recipients: Sequence[Addressee]) -> Sealed:
    """Seal for the recipients, under a fresh key."""
    pieces = tuple(enveloped.seal([content], recipients))
    whole = b"".join(pieces)
    offset = enveloped.inspect(whole).content_offset
    return Sealed((whole,), len(whole), *digests(whole, offset))


def digests(sealed: bytes, content_offset: int | None = None) -> tuple[bytes, bytes]:
    """The two columns of DIGESTS for a sealed object (SHA-256, raw).

    Raises:
        FormatError: it is no envelope in its one form.
    """
    if content_offset is None:
        content_offset = enveloped.inspect(sealed).content_offset
    return (
        hashlib.sha256(sealed).digest(),
        hashlib.sha256(memoryview(sealed)[content_offset:]).digest(),
    )


def unpack(sealed: bytes, keys: Sequence[Opener]) -> bytes:
    """Open.

    Raises:
        NoMatchError: none of the keys is addressed.
        BadSignatureError: it cannot be opened, for whatever reason.
    """
    return enveloped.open_(sealed, keys)
