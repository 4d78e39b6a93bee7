"""The envelope of the Basic DICOM Media Security Profile (PS3.15 D.1): EnvelopedData around SignedData.

    ContentInfo                       id-envelopedData
      EnvelopedData                   version 2; 3 with a password; 0 if all are named by issuer and number
        RecipientInfos                SET OF: RSAES-PKCS1-v1_5, a password
        EncryptedContentInfo          id-signedData, AES-256-CBC with IV, encrypted content
                                        inside: the DER of SignedData; a reader takes ContentInfo, too

CBC is malleable (EFAIL), and PKCS #1 v1.5 and padding invite oracles: nothing here depends on whether padding
is right, and whatever is wrong inside has one wording. The content is what somebody has signed once `open_to`
has returned, and not before. Both directions go through it piece by piece.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import certificates, der, recipients, streamed_signed
from dicompack.crypto.algorithms import AES256_CBC, DATA, ENVELOPED_DATA, SIGNED_DATA, BlockCipher
from dicompack.crypto.block_ciphers import block_cipher_of, decryptor
from dicompack.crypto.foreign_signers import Rules
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.crypto.passwords import Derivation, Password, PasswordKey
from dicompack.crypto.recipients import MAX_RECIPIENTS, Addressee, Opener
from dicompack.crypto.recipients.password import PasswordRecipient
from dicompack.crypto.recipients.prescribed_transport import BY_IDENTIFIER, BY_ISSUER, PrescribedTransport
from dicompack.crypto.streamed_signed import Statement
from dicompack.errors import (
    BadSignatureError,
    DamagedError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UnsupportedError,
    UsageError,
)

MAX_CONTENT: Final = (4 << 30) + (65 << 20)
"""The longest instance that is packed; one file is one object, though OpenSSL fails from 1.5 GiB."""
_MAX_AROUND: Final = 4 << 20
"""Bytes of a SignedData besides its content: certificates, lists, signers."""
_WITH_PASSWORD: Final = 3
_ENCRYPTED_CONTENT: Final = 0x80
_EXPLICIT: Final = 0xA0
RULES: Final = Rules("Secure DICOM File", form="SDF-9", algorithms="SDF-9", signature="SDF-9")
"""Of the inside, about which nothing is told."""

_Recipient: TypeAlias = PrescribedTransport | PasswordRecipient


@dataclass(frozen=True)
class _Envelope:
    recipients: tuple[_Recipient, ...]
    cipher: BlockCipher
    iv: bytes
    start: int
    """Offset of the encrypted content."""
    size: int


# -------------------------------------------------------------------------------------------- seal


def check_addressees(addressees: Sequence[Addressee]) -> None:
    """See that the profile knows all of them: RSA certificates, and at most one password.

    Raises:
        UsageError: it does not; none, more than 256, or one twice.
        NoMatchError: a certificate that content keys may not be encrypted to.
    """
    recipients.check_addressees(addressees)
    for one in addressees:
        if isinstance(one, PasswordKey):
            continue
        if not isinstance(certificates.recipient_key(one, NoMatchError), rsa.RSAPublicKey):  # SDF-15
            raise UsageError(
                "Secure DICOM Files are for RSA keys and passwords only",
                rule="SDF-15",
                hint="leave the recipient out, or pack without --envelope secure-dicom",
            )


def check_signer(signer: SigningKey) -> None:
    """See that the profile knows how the signer signs.

    Raises:
        UsageError: not with RSA PKCS #1 v1.5.
    """
    if not isinstance(signer.private_key, rsa.RSAPrivateKey) or signer.pss:  # SDF-15
        raise UsageError(
            "Secure DICOM Files are signed with RSA PKCS #1 v1.5 only",
            rule="SDF-15",
            hint="use an RSA identity, and leave out --rsa-pss",
        )


def seal(
    content: Iterable[der.Buffer],
    size: int,
    addressees: Sequence[Addressee],
    signer: SigningKey,
    at: datetime,
) -> Iterator[der.Buffer]:
    """Sign and encrypt ``size`` bytes, under a fresh key and IV; everything is checked before this returns.

    Raises:
        UsageError, NoMatchError: see `check_addressees` and `check_signer`; or content above the limit.
    """
    check_addressees(addressees)
    check_signer(signer)
    if size > MAX_CONTENT:  # SDF-7
        raise UsageError(f"content above {MAX_CONTENT} bytes does not fit one envelope", rule="SDF-7")
    key = os.urandom(AES256_CBC.key_size)
    made: list[_Recipient] = [
        PasswordRecipient.wrap(key, one)
        if isinstance(one, PasswordKey)
        else PrescribedTransport.wrap(key, one)
        for one in addressees
    ]
    inner_size, inner = streamed_signed.sign(content, size, signer, at)
    body = der.integer(_version(made)) + der.set_of(one.marshal() for one in made)
    return _encrypt(inner, inner_size, body, key)


def _version(infos: Sequence[_Recipient]) -> int:
    """RFC 5652 §6.1."""
    if any(isinstance(one, PasswordRecipient) for one in infos):
        return _WITH_PASSWORD
    return (
        BY_IDENTIFIER
        if any(one.version for one in infos if isinstance(one, PrescribedTransport))
        else BY_ISSUER
    )


def _encrypt(pieces: Iterable[der.Buffer], size: int, body: bytes, key: bytes) -> Iterator[der.Buffer]:
    """Encrypt what is signed; ``body`` stands between the beginning of EnvelopedData and its content."""
    iv = os.urandom(AES256_CBC.block_size)
    pad = AES256_CBC.block_size - size % AES256_CBC.block_size
    head = SIGNED_DATA + AES256_CBC.identifier(iv) + der.header(_ENCRYPTED_CONTENT, size + pad)
    header = der.header(der.SEQUENCE, len(head) + size + pad) + head
    after = len(header) + size + pad
    inner = der.header(der.SEQUENCE, len(body) + after)
    outer = ENVELOPED_DATA + der.header(_EXPLICIT, len(inner) + len(body) + after) + inner + body
    yield der.header(der.SEQUENCE, len(outer) + after) + outer + header
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    for piece in pieces:
        yield encryptor.update(piece)
    yield encryptor.update(bytes([pad]) * pad) + encryptor.finalize()


# -------------------------------------------------------------------------------------------- open


def is_secure(head: bytes) -> bool:
    """Whether what begins with these bytes says of itself that it is an EnvelopedData, in any encoding."""
    if len(head) < 2 or head[0] != der.SEQUENCE:
        return False
    octets = head[1] & 0x7F if head[1] > 0x80 else 0
    return head[2 + octets : 2 + octets + len(ENVELOPED_DATA)] == ENVELOPED_DATA


def inspect(source: der.Source) -> Derivation | None:
    """Check structure and algorithms; needs no key, and says nothing about what is inside.

    Gives how a key comes from the password, if there is one.

    Raises:
        DamagedError: it is cut off.
        FormatError: not an EnvelopedData of this form, or not DER.
        UnsupportedError: an algorithm or a kind of recipient that is not in the list.
    """
    passwords = (one.derivation for one in _parse(source).recipients if isinstance(one, PasswordRecipient))
    return next(passwords, None)


def open_to(source: der.Source, openers: Sequence[Opener], write: Callable[[bytes], object]) -> Statement:
    """The content, piece by piece, to ``write``, and who signed it.

    *Nothing is authentic before this returns*: the caller keeps what was written where nobody looks for it,
    and throws it away if this raises.

    Raises:
        DamagedError, FormatError, UnsupportedError: as `inspect`; all depend on public bytes only.
        NoMatchError: none of ``openers`` is addressed; likewise.
        BadSignatureError: anything wrong after that, in one wording (RFC 3218 §2.3.2: no oracle).
    """
    envelope = _parse(source)
    key = _content_key(envelope, openers)
    try:
        return streamed_signed.verify(_Decrypted(source, envelope, key), write, RULES)
    except DicomPackError as error:  # SDF-9
        # What is said follows from what was tried, and from nothing inside.
        typed = any(isinstance(one, Password) for one in openers)
        raise BadSignatureError(
            "cannot be opened: not what was sealed for this key",
            rule="SDF-9",
            hint="see whether the password is right; if so, do not use the data"
            if typed
            else "do not use the data",
        ) from error


def _content_key(envelope: _Envelope, openers: Sequence[Opener]) -> bytes:
    """The content key for the first recipient that is named; a random one where unwrapping fails."""
    size = envelope.cipher.key_size
    for info in envelope.recipients:
        for opener in openers:
            substitute = os.urandom(size)
            match info, opener:
                case PasswordRecipient(), Password():
                    found = info.unwrap(opener)
                case PrescribedTransport(), DecryptionKey() if info.names(opener.certificate):
                    found = info.unwrap(opener, size)
                case _:
                    continue
            return found if found is not None and len(found) == size else substitute
    raise NoMatchError(  # SDF-8
        "not sealed for any of the given keys", rule="SDF-8", hint="ask the sender to add your contact"
    )


class _Decrypted:
    """What is encrypted, readable at any place: CBC needs the block before it and no other."""

    def __init__(self, source: der.Source, envelope: _Envelope, key: bytes) -> None:
        self._source, self._envelope, self._key = source, envelope, key
        self.size = envelope.size
        last = self.read_at(envelope.size - 1, 1)[0]
        # Whether padding is right is never asked: what is wrong with it leaves no SignedData.
        self.size -= last if 1 <= last <= envelope.cipher.block_size else 1

    def read_at(self, offset: int, size: int) -> bytes:
        """Decrypted bytes; fewer only at the end."""
        envelope, block = self._envelope, self._envelope.cipher.block_size
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        first, until = offset // block * block, -(-end // block) * block
        at = envelope.start + first
        iv = bytes(self._source.read_at(at - block, block)) if first else envelope.iv
        decryption = decryptor(envelope.cipher, self._key, iv)
        return decryption.update(self._source.read_at(at, until - first))[offset - first : end - first]


def _parse(source: der.Source) -> _Envelope:
    _check_whole(source)
    cursor = der.Cursor(source)
    cursor.enter(der.SEQUENCE)
    kind = cursor.take(der.OBJECT_IDENTIFIER)
    if kind.raw != ENVELOPED_DATA:  # SDF-1
        _unsupported("not an EnvelopedData", kind, rule="SDF-1")
    cursor.enter(_EXPLICIT)
    cursor.enter(der.SEQUENCE)
    version = cursor.take(der.INTEGER)
    infos = cursor.take(der.SET)  # originator information would stand here: DER-5
    cursor.enter(der.SEQUENCE)
    cipher, iv, start, size = _parse_content(cursor)
    for _ in range(4):  # unprotected attributes would stand here: DER-5
        cursor.leave()
    cursor.end()
    found = _parse_recipients(infos)
    due = {_version(found)}
    if _WITH_PASSWORD in due:
        due.add(BY_ISSUER)  # what BouncyCastle writes
    if der.small_integer(version) not in due:  # SDF-2
        _unsupported("version of EnvelopedData is not that of its recipients", version, rule="SDF-2")
    return _Envelope(found, cipher, iv, start, size)


def _check_whole(source: der.Source) -> None:
    """See that nothing is cut off: the sender has it whole, and a malformed one would come again as it is."""
    size = max(source.size, MAX_CONTENT + 2 * _MAX_AROUND)
    _, head, length = der.read_header(memoryview(source.read_at(0, der.MAX_HEADER)), 0, size=size)
    if head + length > source.size:  # SDF-19
        raise DamagedError(
            f"truncated: {source.size} of {head + length} bytes are there",
            rule="SDF-19",
            hint="get the file again from the sender",
        )


def _parse_content(cursor: der.Cursor) -> tuple[BlockCipher, bytes, int, int]:
    kind = cursor.take(der.OBJECT_IDENTIFIER)
    if kind.raw not in (SIGNED_DATA, DATA):  # SDF-5
        _unsupported("what is inside is not signed", kind, rule="SDF-5")
    algorithm = cursor.take(der.SEQUENCE)
    start, size = cursor.skip(_ENCRYPTED_CONTENT)
    found = block_cipher_of(algorithm)
    if found is None:  # SDF-6
        _unsupported("content encryption is neither AES nor Triple DES in CBC mode", algorithm, rule="SDF-6")
    cipher, iv = found
    if not 0 < size <= MAX_CONTENT + _MAX_AROUND or size % cipher.block_size:  # SDF-7
        raise FormatError("encrypted content of an impossible size", where=f"offset {start}", rule="SDF-7")
    return cipher, iv, start, size


def _parse_recipients(infos: der.Element) -> tuple[_Recipient, ...]:
    members = infos.children  # others do not sort them
    if not 1 <= len(members) <= MAX_RECIPIENTS:  # SDF-3
        raise FormatError(
            f"not 1 to {MAX_RECIPIENTS} recipients", where=f"offset {infos.start}", rule="SDF-3"
        )
    found = tuple(
        PasswordRecipient.parse(member)
        if member.tag == PasswordRecipient.tag
        else PrescribedTransport.parse(member, "SDF-4")
        for member in members
    )
    passwords = sum(isinstance(one, PasswordRecipient) for one in found)
    names = {one.name for one in found if isinstance(one, PrescribedTransport)}
    if len(names) + passwords < len(found) or passwords > 1:  # SDF-3
        raise FormatError("a recipient is named twice", where=f"offset {infos.start}", rule="SDF-3")
    return found


def _unsupported(message: str, element: der.Element, *, rule: str) -> NoReturn:
    raise UnsupportedError(message, where=f"offset {element.start}", rule=rule)
