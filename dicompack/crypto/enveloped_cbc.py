"""CMS EnvelopedData with AES-256-CBC (RFC 5652 §6): the form that PS3.15 E.1.1 wants Encrypted Attributes in.

    ContentInfo                       id-envelopedData
      EnvelopedData                   version 2; 0 if every recipient is named by issuer and serial number
        RecipientInfos                SET OF KeyTransRecipientInfo: SKI, RSAES-PKCS1-v1_5, encrypted key
        EncryptedContentInfo          id-data, AES-256-CBC with IV, encrypted content

Nothing authenticates it: whoever can write to it can change the content (EFAIL). So `open_` gives bytes that
prove nothing; the caller publishes them only if something inside is signed, and lets every failure look the
same. For everything else in a package there is `enveloped`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import AES256_CBC, DATA, ENVELOPED_DATA, BlockCipher
from dicompack.crypto.block_ciphers import block_cipher_of, decryptor
from dicompack.crypto.enveloped import MAX_CONTENT
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.recipients import MAX_RECIPIENTS
from dicompack.crypto.recipients.prescribed_transport import BY_IDENTIFIER, BY_ISSUER, PrescribedTransport
from dicompack.errors import BadSignatureError, FormatError, NoMatchError, UnsupportedError, UsageError

_ENCRYPTED_CONTENT: Final = 0x80
_EXPLICIT_CONTENT: Final = 0xA0


@dataclass(frozen=True)
class _Envelope:
    recipients: tuple[PrescribedTransport, ...]
    cipher: BlockCipher
    iv: bytes
    ciphertext: memoryview


# -------------------------------------------------------------------------------------------- seal


def seal(content: der.Buffer, recipients: Sequence[x509.Certificate]) -> bytes:
    """The envelope, under a fresh key and IV.

    Raises:
        UsageError: no recipient, more than 256, one twice, or content above 1 GiB.
        NoMatchError: a certificate that content keys may not be encrypted to.
    """
    if len(content) > MAX_CONTENT - AES256_CBC.block_size:
        raise UsageError("content above 1 GiB does not fit one envelope", rule="ENA-5")
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise UsageError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients", rule="ENA-3")
    for certificate in recipients:
        certificates.check_recipient(certificate, NoMatchError)
    identifiers = {certificates.subject_key_identifier(one, NoMatchError) for one in recipients}
    keys = {certificates.spki_sha256(one) for one in recipients}
    if min(len(identifiers), len(keys)) < len(recipients):
        raise UsageError("a recipient is named twice", rule="ENA-3")
    key, iv = os.urandom(AES256_CBC.key_size), os.urandom(AES256_CBC.block_size)
    padder = block_padding.PKCS7(8 * AES256_CBC.block_size).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    encrypted = der.sequence(DATA, AES256_CBC.identifier(iv), der.encode(_ENCRYPTED_CONTENT, ciphertext))
    infos = der.set_of(PrescribedTransport.wrap(key, one).marshal() for one in recipients)
    enveloped = der.sequence(der.integer(BY_IDENTIFIER), infos, encrypted)
    return der.sequence(ENVELOPED_DATA, der.explicit(0, enveloped))


# -------------------------------------------------------------------------------------------- open


def is_addressed(data: der.Buffer, keys: Sequence[DecryptionKey]) -> bool:
    """Whether it was sealed for one of these keys.

    Raises:
        FormatError, UnsupportedError: as `open_`.
    """
    return _addressed(_parse(data), keys) is not None


def open_(data: der.Buffer, keys: Sequence[DecryptionKey]) -> bytes:
    """The content; nobody knows who made it, and whether it is whole.

    Raises:
        FormatError: not an EnvelopedData of this form, or not DER; depends on public bytes only.
        UnsupportedError: an algorithm or a kind of recipient that is not in the list; likewise.
        NoMatchError: none of ``keys`` is addressed.
        BadSignatureError: anything wrong after that, in one wording (RFC 3218 §2.3.2: no oracle).
    """
    envelope = _parse(data)
    found = _addressed(envelope, keys)
    if found is None:  # ENA-6
        raise NoMatchError("not encrypted for any of the given keys", rule="ENA-6", hint=_OTHER_KEY)
    recipient, key = found
    size = envelope.cipher.key_size
    substitute = os.urandom(size)  # so that what cannot be unwrapped fails as wrong content does
    content_key = recipient.unwrap(key, size) or substitute
    decryption = decryptor(envelope.cipher, content_key, envelope.iv)
    unpadder = block_padding.PKCS7(8 * envelope.cipher.block_size).unpadder()
    padded = decryption.update(envelope.ciphertext) + decryption.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise not_what_was_sealed() from error


def without_pad(data: der.Buffer) -> bytes:
    """A DER object without the zero that stands behind it where a value must be even (PS3.5 §6.2, OB).

    Raises:
        FormatError: it does not begin with a whole object.
    """
    length = der.object_length(data)
    return bytes(data[:length] if data[length:] == b"\0" else data)


def not_what_was_sealed() -> BadSignatureError:
    """The one error for whatever is wrong with what is inside."""
    return BadSignatureError(  # ENA-7
        "the encrypted attributes cannot be opened, or nothing vouches for them", rule="ENA-7", hint=_UNBOUND
    )


def _addressed(
    envelope: _Envelope, keys: Sequence[DecryptionKey]
) -> tuple[PrescribedTransport, DecryptionKey] | None:
    pairs = ((one, key) for one in envelope.recipients for key in keys if one.names(key.certificate))
    return next(pairs, None)


def _parse(data: der.Buffer) -> _Envelope:
    info = der.Fields(der.parse(data, der.SEQUENCE))
    kind = info.take(der.OBJECT_IDENTIFIER)
    if kind.raw != ENVELOPED_DATA:  # ENA-2
        _unsupported("not an EnvelopedData", kind, rule="ENA-2")
    wrapper = der.Fields(info.take(_EXPLICIT_CONTENT))
    info.end()
    fields = der.Fields(wrapper.take(der.SEQUENCE))
    wrapper.end()
    version = fields.take(der.INTEGER)
    infos = fields.take(der.SET)  # originator information would stand here: DER-5
    encrypted = fields.take(der.SEQUENCE)
    fields.end()  # unprotected attributes would stand here: DER-5
    recipients = _parse_recipients(infos)
    due = BY_IDENTIFIER if any(one.version for one in recipients) else BY_ISSUER
    if der.small_integer(version) != due:  # ENA-2
        _unsupported("version of EnvelopedData is not that of its recipients", version, rule="ENA-2")
    return _Envelope(recipients, *_parse_content(encrypted))


def _parse_content(element: der.Element) -> tuple[BlockCipher, bytes, memoryview]:
    fields = der.Fields(element)
    kind = fields.take(der.OBJECT_IDENTIFIER)
    if kind.raw != DATA:  # ENA-2
        _unsupported("the content type inside is not id-data", kind, rule="ENA-2")
    algorithm = fields.take(der.SEQUENCE)
    ciphertext = fields.take(_ENCRYPTED_CONTENT).content
    fields.end()
    found = block_cipher_of(algorithm)
    if found is None:  # ENA-5
        _unsupported("content encryption is neither AES nor Triple DES in CBC mode", algorithm, rule="ENA-5")
    cipher, iv = found
    if not 0 < len(ciphertext) <= MAX_CONTENT or len(ciphertext) % cipher.block_size:  # ENA-5
        raise FormatError(
            "encrypted content of an impossible size", where=f"offset {element.start}", rule="ENA-5"
        )
    return cipher, iv, ciphertext


def _parse_recipients(infos: der.Element) -> tuple[PrescribedTransport, ...]:
    members = der.members_of(infos)
    if not 1 <= len(members) <= MAX_RECIPIENTS:  # ENA-3
        raise FormatError(
            f"not 1 to {MAX_RECIPIENTS} recipients", where=f"offset {infos.start}", rule="ENA-3"
        )
    recipients = tuple(PrescribedTransport.parse(member, "ENA-4") for member in members)
    if len({one.name for one in recipients}) < len(recipients):  # ENA-3
        raise FormatError("a recipient is named twice", where=f"offset {infos.start}", rule="ENA-3")
    return recipients


def _unsupported(message: str, element: der.Element, *, rule: str) -> NoReturn:
    raise UnsupportedError(message, where=f"offset {element.start}", rule=rule)


_OTHER_KEY: Final = "use the identity of the custodian that was named when it was packed"
_UNBOUND: Final = "do not use the data; what another program has encrypted needs --accept-unbound"
