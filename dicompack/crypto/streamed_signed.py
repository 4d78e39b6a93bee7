"""SignedData whose content nobody holds (RFC 5652 §5): signed and verified piece by piece.

    SignedData                        bare; a reader takes ContentInfo around it, too
      digestAlgorithms, encapContentInfo with id-data and an OCTET STRING
      certificates, crls, signerInfos

What is written is `signed`'s one form. What is read may be of somebody else's making: DER, one signer, RSA
with SHA-256, SHA-384 or SHA-512, and whatever other attributes and certificates he liked to add.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from dicompack.crypto import certificates, der, foreign_signers, signed
from dicompack.crypto.algorithms import DATA, MESSAGE_DIGEST, SIGNED_DATA
from dicompack.crypto.foreign_signers import Rules
from dicompack.crypto.keys import SigningKey

PIECE: Final = 1 << 20
"""Bytes that are held at a time."""
_EXPLICIT: Final = 0xA0
_LISTS: Final = 0xA1
_VERSIONS: Final = (1, 3)
"""RFC 5652 §5.1: 3 where the signer is named by SubjectKeyIdentifier."""


@dataclass(frozen=True)
class Statement:
    """What a valid signature says. Whether its signer is trusted is for `trust.TrustStore` to judge."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The issuers that the signer sent along."""
    size: int
    """Bytes of the content."""
    sha256: bytes
    """Of the content."""


def sign(
    content: Iterable[der.Buffer], size: int, signer: SigningKey, at: datetime
) -> tuple[int, Iterator[der.Buffer]]:
    """The bare SignedData over ``size`` bytes, RSA PKCS #1 v1.5: how many bytes it has, and its pieces.

    Raises:
        ValueError: ``at`` has no time zone, or lies before the year 1970.
    """
    hashed = hashlib.sha256()
    assert isinstance(signer.private_key, rsa.RSAPrivateKey), "other signatures differ in size"
    blank = bytes((signer.private_key.key_size + 7) // 8)
    around = signed.around(hashed.digest(), size, signer, at, bare=True, signature=blank)

    def pieces() -> Iterator[der.Buffer]:
        yield around.before
        left = size
        for whole in content:
            piece = memoryview(whole).cast("B")
            left -= len(piece)
            for start in range(0, len(piece), PIECE):
                part = piece[start : start + PIECE]
                hashed.update(part)
                yield part
        assert not left, "the content has another size than was said"
        yield signed.around(hashed.digest(), size, signer, at, bare=True).after

    return len(around.before) + size + len(around.after), pieces()


def verify(source: der.Source, write: Callable[[bytes], object], rules: Rules) -> Statement:
    """Give the content to ``write`` piece by piece; it is what was signed only when this has returned.

    1. Structure and algorithms; the certificate that SignerInfo and signed attributes name.
    2. The signature over the attributes.
    3. The digest of the content.

    Raises:
        FormatError, UnsupportedError, BadSignatureError: see `foreign_signers`.
    """
    cursor = der.Cursor(source)
    depth = _enter(cursor, source, rules)
    if der.small_integer(cursor.take(der.INTEGER)) not in _VERSIONS:
        raise rules.malformed("a SignedData of an unknown version")
    digests = {foreign_signers.digest_of(one, rules) for one in cursor.take(der.SET).children}
    start, size = _content(cursor, rules)
    pool = cursor.take(_EXPLICIT) if _next_tag(cursor, source) == _EXPLICIT else None
    if _next_tag(cursor, source) == _LISTS:
        cursor.take(_LISTS)
    signers = cursor.take(der.SET).children
    for _ in range(depth):
        cursor.leave()
    cursor.end()
    if len(signers) != 1:
        raise rules.malformed(f"{len(signers)} signers instead of one")
    signer = foreign_signers.parse_signer(signers[0], rules)  # 1
    if signer.digest not in digests:
        raise rules.malformed("a digest that was not announced")
    raw = [bytes(one.raw) for one in pool.children] if pool else []
    attributes = foreign_signers.parse_attributes(signer.attributes, DATA, rules)
    certificate = foreign_signers.certificate_of(raw, signer, attributes, rules, must_be_named=False)
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise rules.unsupported("a kind of signature")
    foreign_signers.verify_signature(certificate, signer, rules)  # 2
    hashed, plain = hashlib.new(signer.digest.lower()), hashlib.sha256()
    for at in range(start, start + size, PIECE):
        piece = bytes(source.read_at(at, min(PIECE, start + size - at)))
        hashed.update(piece)
        plain.update(piece)
        write(piece)
    if not hmac.compare_digest(hashed.digest(), bytes(attributes[MESSAGE_DIGEST].content)):  # 3
        raise rules.bad(f"the {rules.name} is not what its signer signed")
    others = [one for one in map(foreign_signers.readable, raw) if one is not None]
    chain = certificates.ordered_chain(certificate, others)
    return Statement(certificate, chain, size, plain.digest())


def _enter(cursor: der.Cursor, source: der.Source, rules: Rules) -> int:
    """Go into the SignedData, bare or in a ContentInfo; give how many elements were entered."""
    cursor.enter(der.SEQUENCE)
    if _next_tag(cursor, source) != der.OBJECT_IDENTIFIER:
        return 1
    if cursor.take(der.OBJECT_IDENTIFIER).raw != SIGNED_DATA:
        raise rules.malformed("no SignedData")
    cursor.enter(_EXPLICIT)
    cursor.enter(der.SEQUENCE)
    return 3


def _content(cursor: der.Cursor, rules: Rules) -> tuple[int, int]:
    """Offset and size of the content."""
    cursor.enter(der.SEQUENCE)
    if cursor.take(der.OBJECT_IDENTIFIER).raw != DATA:
        raise rules.malformed("the content type inside is not id-data")
    cursor.enter(_EXPLICIT)
    start, size = cursor.skip(der.OCTET_STRING)
    cursor.leave()
    cursor.leave()
    return start, size


def _next_tag(cursor: der.Cursor, source: der.Source) -> int:
    return next(iter(source.read_at(cursor.position, 1)), -1)
