"""The closed list of algorithms, each with its one AlgorithmIdentifier in DER. Nothing else is accepted.

To allow or retire an algorithm, change `spec/4-envelope.md` first, then this file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dicompack.crypto import der

# Content types (RFC 5652 §4, §5.1; RFC 5083 §2)
DATA: Final = der.object_identifier("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.2")
ENVELOPED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.3")
AUTH_ENVELOPED_DATA: Final = der.object_identifier("1.2.840.113549.1.9.16.1.23")

# Signed attributes (RFC 5652 §11, RFC 5035 §3, RFC 6211 §2)
CONTENT_TYPE: Final = der.object_identifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = der.object_identifier("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = der.object_identifier("1.2.840.113549.1.9.5")
SIGNING_CERTIFICATE: Final = der.object_identifier("1.2.840.113549.1.9.16.2.47")
ALGORITHM_PROTECTION: Final = der.object_identifier("1.2.840.113549.1.9.52")

# Time-stamps (RFC 3161 §2.4.2, §A; RFC 2634 §5.4)
TIME_STAMP_CONTENT: Final = der.object_identifier("1.2.840.113549.1.9.16.1.4")
TIME_STAMP_TOKEN: Final = der.object_identifier("1.2.840.113549.1.9.16.2.14")
SIGNING_CERTIFICATE_SHA1: Final = der.object_identifier("1.2.840.113549.1.9.16.2.12")

_SHA256: Final = der.object_identifier("2.16.840.1.101.3.4.2.1")
_SHA384: Final = der.object_identifier("2.16.840.1.101.3.4.2.2")

# Digest and signature of SignedData (RFC 5754 §2.2, RFC 3370 §3.2)
SHA256: Final = der.sequence(_SHA256)
RSA_PKCS1: Final = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.null())

# Content encryption (RFC 5084 §3.2)
_AES256_GCM: Final = der.object_identifier("2.16.840.1.101.3.4.1.46")
GCM_IV_SIZE: Final = 12
GCM_TAG_SIZE: Final = 16
AES256_KEY_SIZE: Final = 32


def aes256_gcm(iv: der.Buffer) -> bytes:
    """AlgorithmIdentifier of AES-256-GCM with this IV and a tag of 16 bytes."""
    return der.sequence(_AES256_GCM, der.sequence(der.octet_string(iv), der.integer(GCM_TAG_SIZE)))


def _oaep(digest: bytes) -> bytes:
    mask = der.sequence(der.object_identifier("1.2.840.113549.1.1.8"), digest)
    parameters = der.sequence(der.explicit(0, digest), der.explicit(1, mask))
    return der.sequence(der.object_identifier("1.2.840.113549.1.1.7"), parameters)


# Key transport (RFC 4055 §4.1): SHA-256 for both, no label
_SHA256_WITH_NULL: Final = der.sequence(_SHA256, der.null())
RSA_OAEP: Final = _oaep(_SHA256_WITH_NULL)
# OpenSSL leaves the NULL out; RFC 4055 §2.1 demands that readers take both.
RSA_OAEP_WITHOUT_NULL: Final = _oaep(der.sequence(_SHA256))
KEY_TRANSPORT: Final = frozenset((RSA_OAEP, RSA_OAEP_WITHOUT_NULL))

# Wrapping of content keys under a key encryption key (RFC 3565 §2.3.2, RFC 3394): no parameters
AES256_WRAP: Final = der.sequence(der.object_identifier("2.16.840.1.101.3.4.1.45"))
WRAPPED_KEY_SIZE: Final = AES256_KEY_SIZE + 8

# Key agreement (RFC 5753 §7.1.2, §7.1.4): standard ECDH, X9.63 KDF
_EC_PUBLIC_KEY: Final = der.object_identifier("1.2.840.10045.2.1")
EC_PUBLIC_KEY: Final = der.sequence(_EC_PUBLIC_KEY)


@dataclass(frozen=True)
class Curve:
    """A curve for key agreement, with the hash that the derivation uses on it."""

    curve: ec.EllipticCurve
    digest: hashes.HashAlgorithm
    identifier: bytes = field(repr=False)
    """keyEncryptionAlgorithm."""
    named: bytes = field(repr=False)
    """OBJECT IDENTIFIER."""

    @property
    def originator_algorithms(self) -> frozenset[bytes]:
        """How an originator's key may be called: without parameters, with NULL, or with the curve.

        RFC 5753 §3.1.1 permits all three; BouncyCastle writes NULL or the curve.
        """
        with_null = der.sequence(_EC_PUBLIC_KEY, der.null())
        return frozenset((EC_PUBLIC_KEY, with_null, der.sequence(_EC_PUBLIC_KEY, self.named)))

    @property
    def point_size(self) -> int:
        """Bytes of an uncompressed point (SEC 1 §2.3.3)."""
        return 1 + 2 * ((self.curve.key_size + 7) // 8)


P256: Final = Curve(
    ec.SECP256R1(),
    hashes.SHA256(),
    der.sequence(der.object_identifier("1.3.132.1.11.1"), AES256_WRAP),
    der.object_identifier("1.2.840.10045.3.1.7"),
)
P384: Final = Curve(
    ec.SECP384R1(),
    hashes.SHA384(),
    der.sequence(der.object_identifier("1.3.132.1.11.2"), AES256_WRAP),
    der.object_identifier("1.3.132.0.34"),
)
CURVES: Final = {one.curve.name: one for one in (P256, P384)}

# Passwords (RFC 8018 §A.2, RFC 3211 §2.3.1): PBKDF2 with HMAC-SHA256, PWRI-KEK with AES-256-CBC
PASSWORD_KDF: Final = der.object_identifier("1.2.840.113549.1.5.12")
HMAC_SHA256: Final = der.sequence(der.object_identifier("1.2.840.113549.2.9"), der.null())
PASSWORD_SCHEME: Final = der.object_identifier("1.2.840.113549.1.5.13")
"""PBES2, around private keys."""
PASSWORD_WRAP: Final = der.object_identifier("1.2.840.113549.1.9.16.3.9")

# Key encapsulation (RFC 9629 §3, RFC 9936 §2): ML-KEM-768, HKDF with SHA-256
KEM_RECIPIENT: Final = der.object_identifier("1.2.840.113549.1.9.16.13.3")
ML_KEM_768: Final = der.sequence(der.object_identifier("2.16.840.1.101.3.4.4.2"))
ML_KEM_768_CIPHERTEXT_SIZE: Final = 1088
HKDF_SHA256: Final = der.sequence(der.object_identifier("1.2.840.113549.1.9.16.3.28"))

# Encrypted Attributes and Secure DICOM Files only (PS3.15 E.1.1, E.1.2, D.1): what the standard prescribes.
# RSAES-PKCS1-v1_5 (RFC 3370 §4.2.1) has the identifier that is above that of a signature.
RSA_KEY_TRANSPORT: Final = RSA_PKCS1


@dataclass(frozen=True)
class BlockCipher:
    """A cipher in CBC mode with the padding of RFC 5652 §6.3."""

    oid: bytes = field(repr=False)
    key_size: int
    block_size: int
    """Bytes, of the initialization vector too."""

    def identifier(self, iv: der.Buffer) -> bytes:
        """AlgorithmIdentifier with this initialization vector (RFC 3565 §4.1, RFC 3370 §5.1)."""
        return der.sequence(self.oid, der.octet_string(iv))


AES256_CBC: Final = BlockCipher(der.object_identifier("2.16.840.1.101.3.4.1.42"), 32, 16)
BLOCK_CIPHERS: Final = (
    AES256_CBC,
    BlockCipher(der.object_identifier("2.16.840.1.101.3.4.1.22"), 24, 16),
    BlockCipher(der.object_identifier("2.16.840.1.101.3.4.1.2"), 16, 16),
    BlockCipher(der.object_identifier("1.2.840.113549.3.7"), 24, 8),  # DES-EDE3, read and never written
)


class Digest(StrEnum):
    """Digests for raw signatures; values are the names that are written beside the signature."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"

    @property
    def algorithm(self) -> hashes.HashAlgorithm:
        """A fresh object of the matching class."""
        match self:
            case Digest.SHA256:
                return hashes.SHA256()
            case Digest.SHA384:
                return hashes.SHA384()
            case Digest.SHA512:
                return hashes.SHA512()


PSS_SALT_SIZE: Final = 32
"""As long as the digest (RFC 4055 §3.1)."""


def _pss(digest: bytes) -> bytes:
    mask = der.sequence(der.object_identifier("1.2.840.113549.1.1.8"), digest)
    salt = der.explicit(2, der.integer(PSS_SALT_SIZE))
    parameters = der.sequence(der.explicit(0, digest), der.explicit(1, mask), salt)
    return der.sequence(der.object_identifier("1.2.840.113549.1.1.10"), parameters)


@dataclass(frozen=True)
class SignatureScheme:
    """What goes together in a SignedData (RFC 5754 §3): the kind of key decides, of RSA the signer."""

    digest: Digest
    digest_identifier: bytes = field(repr=False)
    identifier: bytes = field(repr=False)


RSA_SCHEME: Final = SignatureScheme(Digest.SHA256, SHA256, RSA_PKCS1)
RSA_PSS_SCHEME: Final = SignatureScheme(Digest.SHA256, SHA256, _pss(_SHA256_WITH_NULL))
ECDSA_SCHEMES: Final = {
    "secp256r1": SignatureScheme(
        Digest.SHA256, SHA256, der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
    ),
    "secp384r1": SignatureScheme(
        Digest.SHA384, der.sequence(_SHA384), der.sequence(der.object_identifier("1.2.840.10045.4.3.3"))
    ),
}
SIGNATURE_SCHEMES: Final = {
    one.identifier: one for one in (RSA_SCHEME, RSA_PSS_SCHEME, *ECDSA_SCHEMES.values())
}
CURVE_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
}
"""SEC 2 §2.4.2, §2.5.1: (r, s) and (r, n - s) both fit; the smaller s is the one that is written."""

# What time-stamp authorities sign with (RFC 5754 §2, §3; RFC 8017 §A.2.4): None leaves it to digestAlgorithm.
STAMP_DIGESTS: Final = {
    _SHA256: Digest.SHA256,
    _SHA384: Digest.SHA384,
    der.object_identifier("2.16.840.1.101.3.4.2.3"): Digest.SHA512,
}
RSA_DIGESTS: Final[dict[bytes, Digest | None]] = {
    der.object_identifier("1.2.840.113549.1.1.1"): None,
    der.object_identifier("1.2.840.113549.1.1.11"): Digest.SHA256,
    der.object_identifier("1.2.840.113549.1.1.12"): Digest.SHA384,
    der.object_identifier("1.2.840.113549.1.1.13"): Digest.SHA512,
}
ECDSA_DIGESTS: Final[dict[bytes, Digest | None]] = {
    der.object_identifier("1.2.840.10045.4.3.2"): Digest.SHA256,
    der.object_identifier("1.2.840.10045.4.3.3"): Digest.SHA384,
    der.object_identifier("1.2.840.10045.4.3.4"): Digest.SHA512,
}
