"""CMS AuthEnvelopedData with AES-256-GCM (RFC 5083 §2, RFC 5084 §3): seal for recipients, open with a key.

    ContentInfo                       id-ct-authEnvelopedData
      AuthEnvelopedData               version 0
        RecipientInfos                SET OF RecipientInfo: see `recipients`
        EncryptedContentInfo          id-data, AES-256-GCM with IV, encrypted content      <- content_offset
        mac                           16 bytes

No originator info and no attributes: OpenSSL before 3.6 cannot read authenticated ones, and unauthenticated
ones are bytes that anybody could change. Lengths that depend on the recipients stand before `content_offset`.
Both directions go through the content piece by piece: neither has to hold it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import der, recipients
from dicompack.crypto.algorithms import (
    AES256_KEY_SIZE,
    AUTH_ENVELOPED_DATA,
    DATA,
    GCM_IV_SIZE,
    GCM_TAG_SIZE,
    aes256_gcm,
)
from dicompack.crypto.passwords import Derivation
from dicompack.crypto.recipients import Addressee, Opener, RecipientInfo
from dicompack.crypto.recipients.password import PasswordRecipient
from dicompack.errors import BadSignatureError, FormatError, UnsupportedError, UsageError

MAX_CONTENT: Final = 1 << 30
"""1 GiB: `openssl cms -decrypt` fails from about 1.5 GiB."""

_PIECE: Final = 1 << 20
"""Encrypted at a time, so that either direction holds 1 MiB besides what it is given."""
_ENCRYPTED_CONTENT: Final = 0x80
_EXPLICIT_CONTENT: Final = 0xA0


@dataclass(frozen=True)
class EnvelopeFacts:
    """What anybody can read in an envelope."""

    recipients: tuple[bytes, ...]
    """SubjectKeyIdentifiers, in the order of the object; for a password the name of its derivation."""
    content_offset: int
    """Bytes before EncryptedContentInfo: from here to the end nothing depends on the recipients."""
    password: Derivation | None = None
    """How a key comes from the password, if there is one."""


@dataclass(frozen=True)
class _Envelope:
    recipients: tuple[RecipientInfo, ...]
    content_offset: int
    iv: memoryview
    start: int
    """Offset of the encrypted content."""
    size: int
    tag: memoryview


# -------------------------------------------------------------------------------------------- seal


def seal(
    content: Iterable[der.Buffer], addressees: Sequence[Addressee], size: int | None = None
) -> Iterator[der.Buffer]:
    """The envelope in pieces, under a fresh key and IV; everything is checked before this returns.

    The first piece is all that depends on the recipients, up to `EnvelopeFacts.content_offset`.

    Args:
        content: in pieces.
        addressees: certificates, and at most one password.
        size: bytes of the content; where it is given, the pieces are asked for one by one.

    Raises:
        UsageError: no recipient, more than 256, one twice, or content above 1 GiB.
        NoMatchError: a certificate that content keys may not be encrypted to.
    """
    if size is None:
        content = tuple(content)
        size = sum(memoryview(piece).nbytes for piece in content)
    if size > MAX_CONTENT:  # ENV-8
        raise UsageError("content above 1 GiB does not fit one envelope", rule="ENV-8")
    key = os.urandom(AES256_KEY_SIZE)
    return _encrypt(content, size, recipients.wrap(key, addressees), key)


def _encrypt(pieces: Iterable[der.Buffer], size: int, infos: bytes, key: bytes) -> Iterator[der.Buffer]:
    iv = os.urandom(GCM_IV_SIZE)
    yield _before_content(infos, size)
    yield _content_header(iv, size)
    encryptor = Cipher(algorithms.AES256(key), modes.GCM(iv)).encryptor()
    for whole in pieces:
        piece = memoryview(whole).cast("B")
        size -= len(piece)
        for start in range(0, len(piece), _PIECE):
            yield encryptor.update(piece[start : start + _PIECE])
    assert not size, "the content has another size than was said"
    yield encryptor.finalize() + der.octet_string(encryptor.tag)


def _before_content(infos: bytes, size: int) -> bytes:
    """Everything before EncryptedContentInfo; the sizes of what follows are known from the content's size."""
    head = _content_header(bytes(GCM_IV_SIZE), size)
    after = len(head) + size + len(der.octet_string(bytes(GCM_TAG_SIZE)))
    body = der.integer(0) + infos
    inner = der.header(der.SEQUENCE, len(body) + after)
    explicit = der.header(_EXPLICIT_CONTENT, len(inner) + len(body) + after)
    outer = AUTH_ENVELOPED_DATA + explicit + inner + body
    return der.header(der.SEQUENCE, len(outer) + after) + outer


def _content_header(iv: der.Buffer, size: int) -> bytes:
    """EncryptedContentInfo up to the first byte of the encrypted content."""
    head = DATA + aes256_gcm(iv) + der.header(_ENCRYPTED_CONTENT, size)
    return der.header(der.SEQUENCE, len(head) + size) + head


# -------------------------------------------------------------------------------------------- open


def inspect(data: der.Buffer | der.Source) -> EnvelopeFacts:
    """Check structure, algorithms and DER, and so that this is the one representation; needs no key.

    Raises:
        FormatError: not an AuthEnvelopedData of this form, or not DER.
        UnsupportedError: an algorithm or a kind of recipient that is not in the list.
    """
    envelope = _parse(_source(data))
    passwords = (one.derivation for one in envelope.recipients if isinstance(one, PasswordRecipient))
    return EnvelopeFacts(
        tuple(one.identifier for one in envelope.recipients), envelope.content_offset, next(passwords, None)
    )


def is_envelope(data: der.Buffer) -> bool:
    """Whether an object says of itself that it is an AuthEnvelopedData; nothing else is checked here.

    Raises:
        FormatError: not DER.
    """
    cursor = der.Cursor(der.InMemory(data))
    cursor.enter(der.SEQUENCE)
    return bytes(cursor.take(der.OBJECT_IDENTIFIER).raw) == AUTH_ENVELOPED_DATA


def open_(data: der.Buffer, openers: Sequence[Opener]) -> bytes:
    """The content, authenticated by its tag; which proves no origin, for every recipient has the key.

    Raises:
        FormatError, UnsupportedError: as `inspect`; both depend on public bytes only.
        NoMatchError: none of ``openers`` is addressed.
        BadSignatureError: anything wrong after that, in one wording (RFC 3218 §2.3.2: no oracle).
    """
    opened = BytesIO()  # which, other than a join of pieces, needs the room for them once
    for piece in open_pieces(data, openers):
        opened.write(piece)
    return opened.getvalue()


def open_pieces(data: der.Buffer | der.Source, openers: Sequence[Opener]) -> Iterator[bytes]:
    """The content in pieces, of which *none is authentic before the last one has come*.

    What is addressed to nobody, or has a wrong form, raises before this returns; a wrong tag at the end. The
    caller keeps the pieces where nobody looks for them, and throws them away if this raises.

    Raises:
        DicomPackError: see `open_`.
    """
    source = _source(data)
    envelope = _parse(source)
    content_key = recipients.content_key(envelope.recipients, openers)
    return _decrypt(source, envelope, content_key)


def rewrap(
    data: der.Buffer | der.Source, openers: Sequence[Opener], addressees: Sequence[Addressee]
) -> tuple[bytes, int]:
    """The content key for other recipients; what is encrypted stays as it is.

    Gives the new beginning of the envelope, and from which offset of ``data`` on its old bytes follow. The
    envelope is opened whole: a content key that does not fit its tag is never passed on.

    Raises:
        UsageError, NoMatchError: as `seal`.
        FormatError, UnsupportedError, NoMatchError, BadSignatureError: as `open_`.
    """
    source = _source(data)
    envelope = _parse(source)
    content_key = recipients.content_key(envelope.recipients, openers)
    for _ in _decrypt(source, envelope, content_key):
        pass
    infos = recipients.wrap(content_key, addressees)
    return _before_content(infos, envelope.size), envelope.content_offset


def _decrypt(source: der.Source, envelope: _Envelope, content_key: bytes) -> Iterator[bytes]:
    mode = modes.GCM(bytes(envelope.iv), bytes(envelope.tag), min_tag_length=GCM_TAG_SIZE)
    decryptor = Cipher(algorithms.AES256(content_key), mode).decryptor()
    end = envelope.start + envelope.size
    try:
        for start in range(envelope.start, end, _PIECE):
            yield decryptor.update(source.read_at(start, min(_PIECE, end - start)))
        yield decryptor.finalize()
    except InvalidTag as error:  # ENV-10
        raise BadSignatureError(
            "cannot be opened: not what was sealed for this key", rule="ENV-10", hint="do not use the data"
        ) from error


def _source(data: der.Buffer | der.Source) -> der.Source:
    return der.InMemory(data) if isinstance(data, (bytes, bytearray, memoryview)) else data


def _parse(source: der.Source) -> _Envelope:
    cursor = der.Cursor(source)
    cursor.enter(der.SEQUENCE)
    kind = cursor.take(der.OBJECT_IDENTIFIER)
    if kind.raw != AUTH_ENVELOPED_DATA:  # ENV-1
        _unsupported("not an AuthEnvelopedData", kind, rule="ENV-1")
    cursor.enter(_EXPLICIT_CONTENT)
    cursor.enter(der.SEQUENCE)
    version = cursor.take(der.INTEGER)
    if der.small_integer(version) != 0:  # ENV-2
        _unsupported("version of AuthEnvelopedData is not 0", version, rule="ENV-2")
    infos = cursor.take(der.SET)
    content_offset = cursor.position
    cursor.enter(der.SEQUENCE)
    iv, start, size = _parse_content(cursor)
    cursor.leave()
    tag = cursor.take(der.OCTET_STRING)  # authenticated attributes would stand here: DER-5
    for _ in range(3):
        cursor.leave()
    cursor.end()
    if len(tag.content) != GCM_TAG_SIZE:  # ENV-7
        raise FormatError("the tag does not have 16 bytes", where=f"offset {tag.start}", rule="ENV-7")
    # Strict DER and a structure in which nothing is optional leave one representation: nothing to make anew.
    return _Envelope(recipients.parse(infos), content_offset, iv, start, size, tag.content)


def _parse_content(cursor: der.Cursor) -> tuple[memoryview, int, int]:
    kind = cursor.take(der.OBJECT_IDENTIFIER)
    if kind.raw != DATA:  # ENV-5
        _unsupported("the content type inside is not id-data", kind, rule="ENV-5")
    algorithm = cursor.take(der.SEQUENCE)
    start, size = cursor.skip(_ENCRYPTED_CONTENT)
    if size > MAX_CONTENT:  # ENV-8
        raise FormatError("content above 1 GiB", where=f"offset {start}", rule="ENV-8")
    # The IV is the one thing that may differ: find it, then compare the whole identifier.
    iv = algorithm.content[-3 - GCM_IV_SIZE : -3]
    if len(iv) != GCM_IV_SIZE or algorithm.raw != aes256_gcm(iv):  # ENV-6
        _unsupported(
            "content encryption is not AES-256-GCM with a 12-byte IV and a 16-byte tag",
            algorithm,
            rule="ENV-6",
        )
    return iv, start, size


def _unsupported(message: str, element: der.Element, *, rule: str) -> NoReturn:
    raise UnsupportedError(message, where=f"offset {element.start}", rule=rule)
