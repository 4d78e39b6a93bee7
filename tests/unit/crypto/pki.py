"""A small PKI for tests: RSA-2048 keys made once per run, certificates of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dicompack.crypto import der
from dicompack.crypto.keys import DecryptionKey, SigningKey

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SIGNS = ("digital_signature", "content_commitment")
DECRYPTS = ("key_encipherment",)
CERTIFIES = ("key_cert_sign", "crl_sign")
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_BITS = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
    " crl_sign encipher_only decipher_only"
).split()


@cache
def key(label: str, bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """The key of this name; the same for the whole run."""
    return rsa.generate_private_key(exponent, bits)


@cache
def curve_key(label: str) -> ec.EllipticCurvePrivateKey:
    """The key on P-256 of this name; the same for the whole run."""
    del label
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    name: str,
    usage: Sequence[str] | None,
    *,
    of: PrivateKey | None = None,
    issuer: tuple[x509.Certificate, PrivateKey] | None = None,
    ca: bool = False,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=365),
    identifier: bool = True,
    extra: Sequence[x509.ExtensionType] = (),
    critical: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    """A certificate for the key ``of`` (that of ``name`` if left out), self-signed without ``issuer``."""
    own = of or key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ski = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
    authority = issuer[0] if issuer else None
    signer = issuer[1] if issuer else own
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if identifier:
        builder = builder.add_extension(ski, critical=False)
    if usage is not None:
        bits = {bit: bit in usage for bit in _BITS}
        builder = builder.add_extension(x509.KeyUsage(**bits), critical=True)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


@cache
def signer(name: str = "signer") -> SigningKey:
    return SigningKey(certificate(name, SIGNS), key(name))


@cache
def recipient(name: str = "recipient") -> DecryptionKey:
    return DecryptionKey(certificate(name, DECRYPTS), key(name))


@cache
def root() -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    return certificate("root", CERTIFIES, ca=True), key("root")


@cache
def intermediate() -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    return certificate("intermediate", CERTIFIES, issuer=root(), ca=True), key("intermediate")


@cache
def certified_signer() -> SigningKey:
    """A signer below `intermediate` below `root`, with both in its chain."""
    leaf = certificate("certified", SIGNS, issuer=intermediate())
    return SigningKey(leaf, key("certified"), (intermediate()[0], root()[0]))


def raw(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


def pem(*several: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in several)


def element(data: bytes, *path: int) -> der.Element:
    """The element at this path of child numbers."""
    current = der.parse(data)
    for number in path:
        current = current.children[number]
    return current


def edit(data: bytes, path: Sequence[int], new: bytes) -> bytes:
    """``data`` with the element at ``path`` replaced by ``new`` (any number of elements)."""

    def visit(current: der.Element, rest: Sequence[int]) -> bytes:
        if not rest:
            return new
        return der.encode(
            current.tag,
            *(
                visit(child, rest[1:]) if number == rest[0] else child.raw
                for number, child in enumerate(current.children)
            ),
        )

    return visit(der.parse(data), path)
