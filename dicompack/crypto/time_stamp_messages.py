"""What goes to a time-stamp authority and what comes back (RFC 3161 §2.4), without the way there."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from dicompack.crypto import der, time_stamps
from dicompack.crypto.algorithms import SHA256, Digest
from dicompack.crypto.time_stamps import TimeStamp
from dicompack.errors import DicomPackError, FormatError, InputError, UsageError

MAX_REPLY: Final = time_stamps.MAX_TOKEN + 4096
"""Bytes: a token, and what an authority says beside it."""
MAX_QUERY: Final = 4096
"""Bytes; ours have 70."""
_NONCE_BITS: Final = 63
"""Positive in eight octets: some authorities take no more."""
_GRANTED: Final = (0, 1)  # granted, granted with modifications
_ANOTHER: Final = "ask again, or ask another authority"


@dataclass(frozen=True)
class Query:
    """A TimeStampReq for a digest, with the authority's certificate to come in the token."""

    digest: Digest
    imprint: bytes
    nonce: int | None

    @classmethod
    def of(cls, stamped: bytes) -> Query:
        """A new query for some bytes, of which nothing but their SHA-256 leaves the house."""
        return cls(Digest.SHA256, hashlib.sha256(stamped).digest(), secrets.randbits(_NONCE_BITS) | 1)

    def marshal(self) -> bytes:
        """As it goes to the authority.

        Raises:
            ValueError: it has another digest than SHA-256, or no nonce.
        """
        if self.digest is not Digest.SHA256 or self.nonce is None:
            raise ValueError("not a query that is written here")
        imprint = der.sequence(SHA256, der.octet_string(self.imprint))
        return der.sequence(
            der.integer(1), imprint, der.integer(self.nonce), der.encode(der.BOOLEAN, b"\xff")
        )

    @classmethod
    def parse(cls, data: bytes) -> Query:
        """A query from a file, also one of another program.

        Raises:
            UsageError: it is none.
        """
        try:
            fields = der.Fields(der.parse(data, der.SEQUENCE))
            if der.small_integer(fields.take(der.INTEGER)) != 1:
                raise FormatError("another version")
            digest, imprint = time_stamps.imprint_of(fields.take(der.SEQUENCE))
            fields.take_optional(der.OBJECT_IDENTIFIER)  # policy
            nonce = time_stamps.nonce_of(fields)
        except DicomPackError as error:
            raise UsageError("this is no time-stamp query", rule="TSP-7") from error
        return cls(digest, imprint, nonce)


def read_reply(reply: bytes, stamped: bytes, query: Query | None) -> tuple[bytes, TimeStamp]:
    """The token of a reply about ``stamped``, and what it says; compared with the query if there is one.

    A file with the token alone is taken, too. The token has passed all checks but that of trust.

    Raises:
        InputError: no token, or not the one that was asked for.
    """
    try:
        token = _token_of(reply)
        stamp = time_stamps.verify(token, stamped)
    except InputError:
        raise
    except (DicomPackError, UnsupportedAlgorithm) as error:
        rule = error.rule if isinstance(error, DicomPackError) else "TSP-2"
        told = error.message if isinstance(error, DicomPackError) else "an algorithm that is not known"
        raise InputError(f"the authority's reply cannot be used: {told}", rule=rule, hint=_ANOTHER) from error
    if query is not None and query.nonce is not None and stamp.nonce != query.nonce:  # TSP-7
        raise InputError("the reply has another nonce than the query", rule="TSP-7", hint=_ANOTHER)
    return token, stamp


def _token_of(reply: bytes) -> bytes:
    if len(reply) > MAX_REPLY:
        raise InputError(f"the reply has more than {MAX_REPLY} bytes", rule="TSP-7")
    outer = der.parse(reply, der.SEQUENCE)
    if outer.children and outer.children[0].tag == der.OBJECT_IDENTIFIER:
        return bytes(reply)
    fields = der.Fields(outer)
    status = der.small_integer(der.Fields(fields.take(der.SEQUENCE)).take(der.INTEGER))
    token = fields.take_optional(der.SEQUENCE)
    fields.end()
    if status not in _GRANTED or token is None:  # TSP-7
        raise InputError(f"the authority gave no time-stamp: status {status}", rule="TSP-7", hint=_ANOTHER)
    return bytes(token.raw)
