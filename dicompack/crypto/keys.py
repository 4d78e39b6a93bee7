"""Private keys with their certificates, read from what people have: PKCS #12 (RFC 7292) or PEM (RFC 7468)."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Self, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from dicompack.crypto import certificates, token_keys
from dicompack.crypto.contacts import Contact, is_pkcs12
from dicompack.crypto.identities import NewIdentity, PrivateKey, new_identity
from dicompack.crypto.pfx import check_rounds
from dicompack.crypto.tokens import is_token
from dicompack.errors import NoMatchError, UsageError

__all__ = [
    "SigningKey",
    "DecryptionKey",
    "Contact",
    "NewIdentity",
    "new_identity",
    "load_signing_key",
    "load_decryption_key",
]


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs, its certificate, and the certificates above it (issuers, possibly none)."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False, compare=False)
    """RSA, P-256 or P-384."""
    chain: tuple[x509.Certificate, ...] = ()
    pss: bool = False
    """Sign statements by RSASSA-PSS. An instance's Digital Signature is PKCS #1 v1.5 whatever this says."""

    def __post_init__(self) -> None:
        if certificates.may_decrypt(self.certificate) and not certificates.may_sign(
            self.certificate
        ):  # KEY-3
            raise NoMatchError("this key decrypts, it does not sign", rule="KEY-3", hint="use signing.p12")
        certificates.check_signer(self.certificate, NoMatchError)
        _check_pair(self.certificate, self.private_key)
        if self.pss and not isinstance(self.private_key, rsa.RSAPrivateKey):
            raise UsageError("RSASSA-PSS takes an RSA key", hint="leave it out: this key signs by ECDSA")

    def marshal(self) -> bytes:
        """Unencrypted PKCS #12, to hand it to a worker process in memory; never written anywhere."""
        return _marshal(self.certificate, self.private_key, self.chain)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The reverse of `marshal`.

        Raises:
            NoMatchError: not what `marshal` gave.
        """
        return _signing_key(cls, _only(_read(data, _no_passphrase)))

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process that does not share our memory; a key on a token is opened there anew."""
        if isinstance(self.private_key, token_keys.PrivateTokenKey):
            chain = tuple(map(_der, self.chain))
            return _signing_key_on_token, (_der(self.certificate), self.private_key, chain, self.pss)
        return _signing_key_again, (self.marshal(), self.pss)


@dataclass(frozen=True)
class DecryptionKey:
    """A private key that decrypts, and its certificate."""

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False, compare=False)
    """RSA, P-256, P-384 or ML-KEM-768."""

    def __post_init__(self) -> None:
        if certificates.may_sign(self.certificate) and not certificates.may_decrypt(
            self.certificate
        ):  # KEY-4
            raise NoMatchError("this key signs, it does not decrypt", rule="KEY-4", hint="use decryption.p12")
        certificates.check_recipient(self.certificate, NoMatchError)
        _check_pair(self.certificate, self.private_key)

    def marshal(self) -> bytes:
        """Unencrypted, to hand it to a worker process in memory; never written anywhere."""
        if isinstance(self.private_key, mlkem.MLKEM768PrivateKey):
            key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            return key + self.certificate.public_bytes(Encoding.PEM)
        return _marshal(self.certificate, self.private_key, ())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The reverse of `marshal`.

        Raises:
            NoMatchError: not what `marshal` gave.
        """
        certificate, key, _ = _only(_read(data, _no_passphrase))
        return cls(certificate, key)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process that does not share our memory; a key on a token is opened there anew."""
        if isinstance(self.private_key, token_keys.PrivateTokenKey):
            return _decryption_key_on_token, (_der(self.certificate), self.private_key)
        return type(self).parse, (self.marshal(),)


def load_signing_key(data: bytes, passphrase: Callable[[], bytes]) -> SigningKey:
    """The signing key of a .p12 or PEM file; ``passphrase`` is called at most once, and only if needed.

    Raises:
        NoMatchError: wrong passphrase, no key in it, or only one that does not sign.
        UsageError: several keys that sign.
    """
    found = _read(data, passphrase)
    return _signing_key(SigningKey, _only([one for one in found if certificates.may_sign(one[0])] or found))


def load_decryption_key(data: bytes, passphrase: Callable[[], bytes]) -> DecryptionKey:
    """The decryption key of a .p12 or PEM file; ``passphrase`` is called at most once, and only if needed.

    Raises:
        NoMatchError: wrong passphrase, no key in it, or only one that does not decrypt.
        UsageError: several keys that decrypt.
    """
    found = _read(data, passphrase)
    certificate, key, _ = _only([one for one in found if certificates.may_decrypt(one[0])] or found)
    return DecryptionKey(certificate, key)


# -------------------------------------------------------------------------------------------- reading

_Found: TypeAlias = tuple[x509.Certificate, PrivateKey, list[x509.Certificate]]
"""A certificate, the private key that belongs to it, and all other certificates of the file."""

_PEM_KEY: Final = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_KINDS: Final = "RSA, P-256 and P-384 sign and decrypt, ML-KEM-768 decrypts"
# What the library raises; TypeError for a passphrase that is empty, or not UTF-8.
_UNREADABLE: Final = certificates.UNREADABLE
_ASK: Final = "check the passphrase; an identity file is a .p12, or PEM with key and certificate"


def _read(data: bytes, passphrase: Callable[[], bytes]) -> list[_Found]:
    if is_token(data):
        return [*token_keys.load(data, passphrase)]
    if b"-----BEGIN " in data:
        return _read_pem(data, passphrase)
    if is_pkcs12(data):
        return _read_pkcs12(data, passphrase)
    if _is_bare_key(data):  # KEY-5
        raise _key_only()
    try:
        certificates.parse_der(data, NoMatchError)
    except NoMatchError as error:  # KEY-5
        raise NoMatchError("this is no key file", rule="KEY-5", hint=_ASK) from error
    raise _certificate_only()  # KEY-5


def _is_bare_key(data: bytes) -> bool:
    """Whether it is a private key in DER, protected or not, which says nothing of whose it is."""
    try:
        load_der_private_key(data, None)
    except TypeError:
        # The library's way of saying that the key is encrypted.
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _read_pkcs12(data: bytes, passphrase: Callable[[], bytes]) -> list[_Found]:
    check_rounds(data)
    try:
        # An unprotected file opens without a passphrase; some programs protect with an empty one.
        content = _pkcs12(data, None)
    except _UNREADABLE:
        try:
            content = _pkcs12(data, passphrase())
        except _UNREADABLE as error:
            raise NoMatchError(
                "the passphrase is wrong, or the key file is damaged", rule="KEY-5", hint=_ASK
            ) from error
    if content.key is None:  # KEY-5
        raise _certificate_only()
    if content.cert is None:  # KEY-5
        raise _key_only()
    pool = [certificates.readable(one.certificate, NoMatchError) for one in content.additional_certs]
    certificate = certificates.readable(content.cert.certificate, NoMatchError)
    return [(certificate, _of_a_kind(content.key), pool)]


def _pkcs12(data: bytes, passphrase: bytes | None) -> pkcs12.PKCS12KeyAndCertificates:
    with certificates.quiet():
        return pkcs12.load_pkcs12(data, passphrase)


def _read_pem(data: bytes, passphrase: Callable[[], bytes]) -> list[_Found]:
    blocks = [match.group(0) for match in _PEM_KEY.finditer(data)]
    if not blocks:  # KEY-5
        raise _certificate_only()
    ask = functools.cache(passphrase)
    keys = [_pem_key(block, ask) for block in blocks]
    if b"-----BEGIN CERTIFICATE-----" not in data:  # KEY-5
        raise _key_only()
    pool = list(dict.fromkeys(certificates.parse_any(data, NoMatchError)))
    found = [(one, key, pool) for one in pool for key in keys if _belongs(one, key)]
    if not found:  # KEY-5
        raise NoMatchError("no certificate in this file belongs to its key", rule="KEY-5", hint=_ASK)
    return found


def _pem_key(block: bytes, passphrase: Callable[[], bytes]) -> PrivateKey:
    with suppress(ValueError):  # with headers, as before PKCS #8, there is one round
        check_rounds(base64.b64decode(b"".join(block.split(b"-----")[2].split()), validate=True))
    try:
        try:
            key = load_pem_private_key(block, None)
        except TypeError:
            # The library's way of saying that the key is encrypted.
            key = load_pem_private_key(block, passphrase())
    except _UNREADABLE as error:  # KEY-5
        raise NoMatchError(
            "the passphrase is wrong, or the key file is damaged", rule="KEY-5", hint=_ASK
        ) from error
    return _of_a_kind(key)


def _of_a_kind(key: object) -> PrivateKey:
    if not isinstance(
        key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, mlkem.MLKEM768PrivateKey)
    ):  # KEY-2
        raise NoMatchError("the private key is of a kind that is not accepted", rule="KEY-2", hint=_KINDS)
    return key


def _signing_key_again(marshalled: bytes, pss: bool) -> SigningKey:
    return replace(SigningKey.parse(marshalled), pss=pss)


def _signing_key_on_token(
    certificate: bytes, key: token_keys.PrivateTokenKey, chain: tuple[bytes, ...], pss: bool
) -> SigningKey:
    above = tuple(certificates.parse_der(one, NoMatchError) for one in chain)
    return SigningKey(certificates.parse_der(certificate, NoMatchError), key, above, pss)


def _decryption_key_on_token(certificate: bytes, key: token_keys.PrivateTokenKey) -> DecryptionKey:
    return DecryptionKey(certificates.parse_der(certificate, NoMatchError), key)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


_Signing = TypeVar("_Signing", bound=SigningKey)


def _signing_key(cls: type[_Signing], found: _Found) -> _Signing:
    certificate, key, pool = found
    if isinstance(key, mlkem.MLKEM768PrivateKey):  # KEY-2, KEY-3
        if certificates.may_decrypt(certificate) and not certificates.may_sign(certificate):
            raise NoMatchError("this key decrypts, it does not sign", rule="KEY-3", hint="use signing.p12")
        raise NoMatchError("the private key is of a kind that does not sign", rule="KEY-2", hint=_KINDS)
    return cls(certificate, key, certificates.ordered_chain(certificate, pool))


def _only(found: list[_Found]) -> _Found:
    if len(found) > 1:  # KEY-5
        raise UsageError(
            "there are several keys of this kind in the file", rule="KEY-5", hint="keep one in it"
        )
    return found[0]


def _check_pair(certificate: x509.Certificate, key: PrivateKey) -> None:
    if not _belongs(certificate, key):  # KEY-5
        raise NoMatchError("the certificate does not belong to the key", rule="KEY-5", hint=_ASK)


def _belongs(certificate: x509.Certificate, key: PrivateKey) -> bool:
    return certificate.public_key() == key.public_key()


def _marshal(
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    chain: tuple[x509.Certificate, ...],
) -> bytes:
    return pkcs12.serialize_key_and_certificates(None, key, certificate, chain, NoEncryption())


def _no_passphrase() -> bytes:
    raise NoMatchError("the key is encrypted where it must not be", rule="KEY-5")


def _key_only() -> NoMatchError:
    return NoMatchError(
        "there is a key but no certificate in this file",
        rule="KEY-5",
        hint="join them: openssl pkcs12 -export -inkey KEY -in CERTIFICATE -out NAME.p12",
    )


def _certificate_only() -> NoMatchError:
    return NoMatchError(
        "there is a certificate but no private key in this file",
        rule="KEY-5",
        hint="an identity holds the private key; contact.pem is for others",
    )
