"""Private keys that never leave a token, as private keys of the `cryptography` library.

A key on a token is named by a file that holds a PKCS #11 URI (RFC 7512) and perhaps certificates in PEM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from dicompack.crypto import certificates, der
from dicompack.crypto.tokens import (
    EXAMPLE_URI,
    TokenKey,
    TokenUri,
    find_token,
    open_session,
    token_errors,
)
from dicompack.errors import DicomPackError, NoMatchError, UnsupportedError

if TYPE_CHECKING:
    import pkcs11

_DIGESTS: Final = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}
"""By their size in bytes."""
# RFC 8017 §9.2 note 1: what stands before a digest in PKCS #1 v1.5, but for the digest itself.
_DIGEST_INFO: Final = {
    32: bytes.fromhex("3031300d060960864801650304020105000420"),
    48: bytes.fromhex("3041300d060960864801650304020205000430"),
    64: bytes.fromhex("3051300d060960864801650304020305000440"),
}


class _OnToken:
    """What no key on a token does: give itself away."""

    def __init__(self, key: TokenKey, public: Any) -> None:
        self._key = key
        self._public = public

    def public_key(self) -> Any:
        """The public half, from the certificate."""
        return self._public

    @property
    def key_size(self) -> int:
        """Bits."""
        size: int = self._public.key_size
        return size

    def private_numbers(self) -> NoReturn:
        """Not to be had."""
        raise TypeError("a key on a token stays there")

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Not to be had."""
        raise TypeError("a key on a token stays there")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: object) -> Any:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process: the name and the PIN, by which it opens its own session."""
        public = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return _again, (self._key, public)


class TokenRsaKey(_OnToken, rsa.RSAPrivateKey):
    """RSA: signs by PKCS #1 v1.5 and PSS, decrypts by OAEP."""

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """By PKCS #1 v1.5, or by PSS with a salt as long as the digest."""
        import pkcs11

        digest = _digested(bytes(data), algorithm)
        if isinstance(padding, _PSS):
            name = _DIGESTS[len(digest)].name.upper()
            parameter = getattr(pkcs11.Mechanism, name), getattr(pkcs11.MGF, name), len(digest)
            return self._key.sign(digest, "RSA_PKCS_PSS", parameter)
        return self._key.sign(_DIGEST_INFO[len(digest)] + digest, "RSA_PKCS")

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        """By OAEP with SHA-256, no label."""
        if not isinstance(padding, _OAEP):
            raise UnsupportedError("a key on a token decrypts by OAEP only", rule="TOK-4")
        return self._key.decrypt(ciphertext)


class TokenCurveKey(_OnToken, ec.EllipticCurvePrivateKey):
    """P-256 or P-384: signs by ECDSA, agrees by ECDH."""

    @property
    def curve(self) -> ec.EllipticCurve:
        """Of the public half."""
        curve: ec.EllipticCurve = self._public.curve
        return curve

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """The DER of r and s."""
        raw = self._key.sign(_digested(bytes(data), signature_algorithm.algorithm), "ECDSA")
        half = len(raw) // 2
        return utils.encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """The shared secret, as long as the curve's field."""
        del algorithm  # there is but one
        point = peer_public_key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return self._key.agree(point, self.key_size)


_PSS: Final = padding.PSS
_OAEP: Final = padding.OAEP
PrivateTokenKey: TypeAlias = TokenRsaKey | TokenCurveKey


def _digested(data: bytes, algorithm: Any) -> bytes:
    if isinstance(algorithm, utils.Prehashed):
        return data
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def _again(key: TokenKey, public: bytes) -> PrivateTokenKey:
    return _of(key, serialization.load_der_public_key(public))


def _of(key: TokenKey, public: object) -> PrivateTokenKey:
    if isinstance(public, rsa.RSAPublicKey):
        return TokenRsaKey(key, public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return TokenCurveKey(key, public)
    raise NoMatchError(
        "the private key is of a kind that is not accepted", rule="KEY-2", hint="RSA, P-256, P-384"
    )


# ------------------------------------------------------------------------------------------------ reading


def load(
    data: bytes, pin: Callable[[], bytes]
) -> list[tuple[x509.Certificate, PrivateTokenKey, list[x509.Certificate]]]:
    """Each key of the token that the file names, with its certificate and all others there are.

    Certificates come from the file and from the token.

    Raises:
        UsageError: no URI of a token, or the extra is not installed.
        NoMatchError: no such token or key, a wrong PIN, or no certificate.
    """
    first, _, rest = data.lstrip().partition(b"\n")
    uri = TokenUri.parse(first.strip().decode("utf-8", "replace"))
    find_token(uri)  # what is missing is told before a PIN is asked for
    import pkcs11

    secret = pin()
    given = certificates.parse_any(rest, NoMatchError) if b"-----BEGIN " in rest else []
    session = open_session(uri, secret)
    template: dict[pkcs11.Attribute, object] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
    if uri.label is not None:
        template[pkcs11.Attribute.LABEL] = uri.label
    if uri.id is not None:
        template[pkcs11.Attribute.ID] = uri.id
    with token_errors():
        private = [(bytes(one[pkcs11.Attribute.ID]), _modulus(one)) for one in session.get_objects(template)]
        stored = [
            (bytes(one[pkcs11.Attribute.ID]), bytes(one[pkcs11.Attribute.VALUE]))
            for one in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE})
        ]
    by_id = [(handle, certificates.parse_der(value, NoMatchError)) for handle, value in stored]
    stored_ones = [one for _, one in by_id]
    pool = list(dict.fromkeys((*given, *stored_ones)))
    found = []
    for handle, modulus in private:
        known = [one.public_key() for other, one in by_id if other == handle]
        point = None if modulus is not None else _point(session, handle)
        # What a person has put below the URI comes before what the token has had from its maker.
        fitting = [one for one in given if _belongs(one, modulus, (*known, point))] or [
            one for one in stored_ones if _belongs(one, modulus, (*known, point))
        ]
        for certificate in dict.fromkeys(fitting):
            key = _of(TokenKey(uri, secret, handle), certificate.public_key())
            found.append((certificate, key, pool))
    if not found:  # TOK-3
        what = "no key on the token fits the URI" if not private else "there is no certificate for the key"
        raise NoMatchError(
            what, rule="TOK-3", hint="put it below the URI, in PEM" if private else EXAMPLE_URI
        )
    return found


def _belongs(certificate: x509.Certificate, modulus: int | None, known: Sequence[object]) -> bool:
    """Whether a certificate is for the key with this modulus, or on a curve for one of these public keys."""
    public = certificate.public_key()
    if modulus is None:
        return public in known
    return isinstance(public, rsa.RSAPublicKey) and public.public_numbers().n == modulus


def _modulus(private: Any) -> int | None:
    import pkcs11

    if private[pkcs11.Attribute.KEY_TYPE] != pkcs11.KeyType.RSA:
        return None
    return int.from_bytes(private[pkcs11.Attribute.MODULUS], "big")


def _point(session: pkcs11.Session, handle: bytes) -> ec.EllipticCurvePublicKey | None:
    """The public half of a key on a curve, where the token keeps it (CKA_EC_POINT: an OCTET STRING)."""
    import pkcs11

    template = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
        pkcs11.Attribute.ID: handle,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC,
    }
    for one in session.get_objects(template):
        try:
            point = bytes(der.parse(bytes(one[pkcs11.Attribute.EC_POINT]), der.OCTET_STRING).content)
            curve = ec.SECP256R1() if len(point) == 65 else ec.SECP384R1()
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        except (ValueError, DicomPackError):
            continue
    return None
