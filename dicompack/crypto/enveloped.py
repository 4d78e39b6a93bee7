"""CMS AuthEnvelopedData with AES-256-GCM (RFC 5083 §2, RFC 5084 §3): seal for recipients, open with a key.

    ContentInfo                       id-ct-authEnvelopedData
      AuthEnvelopedData               version 0
        RecipientInfos                SET OF KeyTransRecipientInfo: SKI, RSAES-OAEP, encrypted content key
        EncryptedContentInfo          id-data, AES-256-GCM with IV, encrypted content      <- content_offset
        mac                           16 bytes

No originator info and no attributes: OpenSSL before 3.6 cannot read authenticated ones, and unauthenticated
ones are bytes that anybody could change. Lengths that depend on the recipients stand before `content_offset`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import (
    AES256_KEY_SIZE,
    AUTH_ENVELOPED_DATA,
    DATA,
    GCM_IV_SIZE,
    GCM_TAG_SIZE,
    KEY_TRANSPORT,
    RSA_OAEP,
    aes256_gcm,
)
from dicompack.crypto.keys import DecryptionKey
from dicompack.errors import BadSignatureError, FormatError, NoMatchError, UnsupportedError, UsageError

MAX_RECIPIENTS: Final = 256
MAX_CONTENT: Final = 1 << 30
"""1 GiB: `openssl cms -decrypt` fails from about 1.5 GiB."""
MIN_ENCRYPTED_KEY: Final = certificates.MIN_RSA_BITS // 8
MAX_ENCRYPTED_KEY: Final = certificates.MAX_RSA_BITS // 8
MAX_IDENTIFIER: Final = 64

_PIECE: Final = 1 << 20
"""Encrypted at a time, so that sealing holds 1 MiB besides the content."""
_ENCRYPTED_CONTENT: Final = 0x80
_IDENTIFIER: Final = 0x80
_EXPLICIT_CONTENT: Final = 0xA0


@dataclass(frozen=True)
class EnvelopeFacts:
    """What anybody can read in an envelope."""

    recipients: tuple[bytes, ...]
    """SubjectKeyIdentifiers, in the order of the object."""
    content_offset: int
    """Bytes before EncryptedContentInfo: from here to the end nothing depends on the recipients."""


@dataclass(frozen=True)
class _Recipient:
    identifier: bytes
    algorithm: bytes
    encrypted_key: bytes

    def marshal(self) -> bytes:
        return der.sequence(
            der.integer(2),
            der.encode(_IDENTIFIER, self.identifier),
            self.algorithm,
            der.octet_string(self.encrypted_key),
        )


@dataclass(frozen=True)
class _Envelope:
    recipients: tuple[_Recipient, ...]
    content_offset: int
    iv: memoryview
    ciphertext: memoryview
    tag: memoryview


# -------------------------------------------------------------------------------------------- seal


def seal(
    content: Iterable[bytes | memoryview], recipients: Sequence[x509.Certificate], size: int | None = None
) -> Iterator[bytes | memoryview]:
    """The envelope in pieces, under a fresh key and IV; everything is checked before this returns.

    The first piece is all that depends on the recipients, up to `EnvelopeFacts.content_offset`.

    Args:
        content: in pieces.
        recipients: their certificates.
        size: bytes of the content; where it is given, the pieces are asked for one by one.

    Raises:
        UsageError: no recipient, more than 256, one twice, or content above 1 GiB.
        NoMatchError: a certificate that content keys may not be encrypted to.
    """
    if size is None:
        content = tuple(content)
        size = sum(memoryview(piece).nbytes for piece in content)
    if size > MAX_CONTENT:
        raise UsageError("content above 1 GiB does not fit one envelope", rule="ENV-8")
    key = os.urandom(AES256_KEY_SIZE)
    return _encrypt(content, size, _recipient_infos(key, recipients), key)


def _recipient_infos(key: bytes, recipients: Sequence[x509.Certificate]) -> bytes:
    """The content key for each recipient, once it is sure that all of them can be."""
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise UsageError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients", rule="ENV-3")
    for certificate in recipients:
        certificates.check_recipient(certificate, NoMatchError)
    identifiers = {certificates.subject_key_identifier(one, NoMatchError) for one in recipients}
    keys = {certificates.spki_sha256(one) for one in recipients}
    if min(len(identifiers), len(keys)) < len(recipients):
        raise UsageError("a recipient is named twice", rule="ENV-3")
    return der.set_of(_wrap(key, certificate).marshal() for certificate in recipients)


def _wrap(key: bytes, certificate: x509.Certificate) -> _Recipient:
    public = certificates.check_strength(certificate, NoMatchError)
    identifier = certificates.subject_key_identifier(certificate, NoMatchError)
    return _Recipient(identifier, RSA_OAEP, public.encrypt(key, _oaep()))


def _encrypt(
    pieces: Iterable[bytes | memoryview], size: int, infos: bytes, key: bytes
) -> Iterator[bytes | memoryview]:
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


def inspect(data: bytes | memoryview) -> EnvelopeFacts:
    """Check structure, algorithms and DER, and so that this is the one representation; needs no key.

    Raises:
        FormatError: not an AuthEnvelopedData of this form, or not DER.
        UnsupportedError: an algorithm or a kind of recipient that is not in the list.
    """
    envelope = _parse(data)
    return EnvelopeFacts(tuple(one.identifier for one in envelope.recipients), envelope.content_offset)


def is_envelope(data: bytes | memoryview) -> bool:
    """Whether an object says of itself that it is an AuthEnvelopedData; nothing else is checked here.

    Raises:
        FormatError: not DER.
    """
    info = der.Fields(der.parse(memoryview(data).cast("B"), der.SEQUENCE))
    return bytes(info.take(der.OBJECT_IDENTIFIER).raw) == AUTH_ENVELOPED_DATA


def open_(data: bytes | memoryview, keys: Sequence[DecryptionKey]) -> bytes:
    """The content, authenticated by its tag; which proves no origin, for every recipient has the key.

    Raises:
        FormatError, UnsupportedError: as `inspect`; both depend on public bytes only.
        NoMatchError: none of ``keys`` is addressed.
        BadSignatureError: anything wrong after that, in one wording (RFC 3218 §2.3.2: no oracle).
    """
    pieces: list[bytes] = []
    _open(_parse(data), keys, pieces.append, MAX_CONTENT)
    return b"".join(pieces)


def open_to(
    data: bytes | memoryview, keys: Sequence[DecryptionKey], write: Callable[[bytes], object]
) -> None:
    """The content, piece by piece, to `write`. Nothing of it is authentic before this has returned.

    Raises:
        FormatError, UnsupportedError, NoMatchError, BadSignatureError: as `open_`.
    """
    _open(_parse(data), keys, write, _PIECE)


def rewrap(
    data: bytes | memoryview, keys: Sequence[DecryptionKey], recipients: Sequence[x509.Certificate]
) -> tuple[bytes, int]:
    """The content key for other recipients; what is encrypted stays as it is.

    Gives the new beginning of the envelope, and from which offset of ``data`` on its old bytes follow. The
    envelope is opened whole: a content key that does not fit its tag is never passed on.

    Raises:
        UsageError, NoMatchError: as `seal`.
        FormatError, UnsupportedError, NoMatchError, BadSignatureError: as `open_`.
    """
    envelope = _parse(data)
    key = _open(envelope, keys, lambda _piece: None, _PIECE)
    return _before_content(
        _recipient_infos(key, recipients), len(envelope.ciphertext)
    ), envelope.content_offset


def _open(
    envelope: _Envelope, keys: Sequence[DecryptionKey], write: Callable[[bytes], object], size: int
) -> bytes:
    """The content key; the content goes to `write`, `size` bytes at a time."""
    own = {certificates.subject_key_identifier(key.certificate, NoMatchError): key for key in keys}
    addressed = next((one for one in envelope.recipients if one.identifier in own), None)
    if addressed is None:  # ENV-9
        raise NoMatchError(
            "not sealed for any of the given keys", rule="ENV-9", hint="ask the sender to add your contact"
        )
    content_key = _unwrap(addressed, own[addressed.identifier])
    mode = modes.GCM(bytes(envelope.iv), bytes(envelope.tag), min_tag_length=GCM_TAG_SIZE)
    decryptor = Cipher(algorithms.AES256(content_key), mode).decryptor()
    for start in range(0, len(envelope.ciphertext), size):
        write(decryptor.update(envelope.ciphertext[start : start + size]))
    try:
        decryptor.finalize()
    except InvalidTag as error:  # ENV-10
        raise BadSignatureError(
            "cannot be opened: not what was sealed for this key", rule="ENV-10", hint="do not use the data"
        ) from error
    return content_key


def _unwrap(recipient: _Recipient, key: DecryptionKey) -> bytes:
    """The content key; a random one where unwrapping fails, so that only the tag ever decides."""
    substitute = os.urandom(AES256_KEY_SIZE)
    try:
        content_key = key.private_key.decrypt(recipient.encrypted_key, _oaep())
    except ValueError:
        return substitute
    return content_key if len(content_key) == AES256_KEY_SIZE else substitute


def _parse(data: bytes | memoryview) -> _Envelope:
    view = memoryview(data).cast("B")
    info = der.Fields(der.parse(view, der.SEQUENCE))
    kind = info.take(der.OBJECT_IDENTIFIER)
    if kind.raw != AUTH_ENVELOPED_DATA:  # ENV-1
        _unsupported("not an AuthEnvelopedData", kind, rule="ENV-1")
    wrapper = der.Fields(info.take(_EXPLICIT_CONTENT))
    info.end()
    fields = der.Fields(wrapper.take(der.SEQUENCE))
    wrapper.end()
    version = fields.take(der.INTEGER)
    if der.small_integer(version) != 0:  # ENV-2
        _unsupported("version of AuthEnvelopedData is not 0", version, rule="ENV-2")
    infos = fields.take(der.SET)
    encrypted = fields.take(der.SEQUENCE)
    tag = fields.take(der.OCTET_STRING)  # authenticated attributes would stand here: DER-5
    fields.end()
    if len(tag.content) != GCM_TAG_SIZE:  # ENV-7
        raise FormatError("the tag does not have 16 bytes", where=f"offset {tag.start}", rule="ENV-7")
    iv, ciphertext = _parse_content(encrypted)
    # Strict DER and a structure in which nothing is optional leave one representation: nothing to make anew.
    return _Envelope(_parse_recipients(infos), encrypted.start, iv, ciphertext, tag.content)


def _parse_content(element: der.Element) -> tuple[memoryview, memoryview]:
    fields = der.Fields(element)
    kind = fields.take(der.OBJECT_IDENTIFIER)
    if kind.raw != DATA:  # ENV-5
        _unsupported("the content type inside is not id-data", kind, rule="ENV-5")
    algorithm = fields.take(der.SEQUENCE)
    ciphertext = fields.take(_ENCRYPTED_CONTENT).content
    fields.end()
    if len(ciphertext) > MAX_CONTENT:  # ENV-8
        raise FormatError("content above 1 GiB", where=f"offset {element.start}", rule="ENV-8")
    # The IV is the one thing that may differ: find it, then compare the whole identifier.
    iv = algorithm.content[-3 - GCM_IV_SIZE : -3]
    if len(iv) != GCM_IV_SIZE or algorithm.raw != aes256_gcm(iv):  # ENV-6
        _unsupported(
            "content encryption is not AES-256-GCM with a 12-byte IV and a 16-byte tag",
            algorithm,
            rule="ENV-6",
        )
    return iv, ciphertext


def _parse_recipients(infos: der.Element) -> tuple[_Recipient, ...]:
    members = der.members_of(infos)
    if not 1 <= len(members) <= MAX_RECIPIENTS:  # ENV-3
        raise FormatError(
            f"not 1 to {MAX_RECIPIENTS} recipients", where=f"offset {infos.start}", rule="ENV-3"
        )
    recipients = tuple(_parse_recipient(member) for member in members)
    if len({one.identifier for one in recipients}) < len(recipients):  # ENV-3
        raise FormatError("a recipient is named twice", where=f"offset {infos.start}", rule="ENV-3")
    return recipients


def _parse_recipient(element: der.Element) -> _Recipient:
    if element.tag != der.SEQUENCE:  # ENV-4
        _unsupported("a kind of recipient that is not supported", element, rule="ENV-4")
    fields = der.Fields(element)
    version = fields.take(der.INTEGER)
    if der.small_integer(version) != 2:  # ENV-4
        _unsupported("a recipient that is not named by subject key identifier", version, rule="ENV-4")
    identifier = fields.take(_IDENTIFIER).content
    algorithm = fields.take(der.SEQUENCE)
    encrypted_key = fields.take(der.OCTET_STRING).content
    fields.end()
    if bytes(algorithm.raw) not in KEY_TRANSPORT:  # ENV-4
        _unsupported("key transport is not RSAES-OAEP with SHA-256", algorithm, rule="ENV-4")
    sizes_fit = 1 <= len(identifier) <= MAX_IDENTIFIER
    sizes_fit = sizes_fit and MIN_ENCRYPTED_KEY <= len(encrypted_key) <= MAX_ENCRYPTED_KEY
    if not sizes_fit:  # ENV-4
        raise FormatError(
            "sizes in a recipient are out of range", where=f"offset {element.start}", rule="ENV-4"
        )
    return _Recipient(bytes(identifier), bytes(algorithm.raw), bytes(encrypted_key))


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def _unsupported(message: str, element: der.Element, *, rule: str) -> NoReturn:
    raise UnsupportedError(message, where=f"offset {element.start}", rule=rule)
