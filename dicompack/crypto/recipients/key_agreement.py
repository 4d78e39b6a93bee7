"""KeyAgreeRecipientInfo with ephemeral-static ECDH on P-256 or P-384 (RFC 5753 §3.1, §7.1).

    [1] SEQUENCE
      version               3
      originator            [0] [1] id-ecPublicKey, ephemeral public key as uncompressed point
      keyEncryptionAlgorithm  dhSinglePass-stdDH-sha256kdf (P-384: sha384kdf) with AES-256 key wrap
      recipientEncryptedKeys  one: [0] SubjectKeyIdentifier, wrapped content key

There is no user keying material: the originator's key is fresh for each object, and that is what it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dicompack.crypto import der
from dicompack.crypto.algorithms import (
    AES256_KEY_SIZE,
    AES256_WRAP,
    CURVES,
    EC_PUBLIC_KEY,
    WRAPPED_KEY_SIZE,
    Curve,
)
from dicompack.crypto.recipients import faults

_VERSION: Final = 3
_EXPLICIT: Final = 0xA0
_ORIGINATOR_KEY: Final = 0xA1
_IDENTIFIED: Final = 0xA0
_SUPPLEMENT: Final = der.octet_string((8 * AES256_KEY_SIZE).to_bytes(4, "big"))
"""suppPubInfo (RFC 5753 §7.2): bits of the key encryption key."""


@dataclass(frozen=True)
class KeyAgreement:
    """The content key, wrapped under what an ephemeral key and the recipient's agree on."""

    tag: ClassVar[int] = 0xA1
    identifier: bytes
    """SubjectKeyIdentifier."""
    curve: Curve
    originator_algorithm: bytes
    point: bytes
    """The ephemeral public key, uncompressed; whether it lies on the curve shows when it is used."""
    wrapped_key: bytes

    @classmethod
    def wrap(
        cls, content_key: bytes, identifier: bytes, public_key: ec.EllipticCurvePublicKey
    ) -> KeyAgreement:
        """Wrap a content key for the owner of ``public_key``, with a fresh key on the same curve."""
        curve = CURVES[public_key.curve.name]
        ephemeral = ec.generate_private_key(curve.curve)
        key = _key_encryption_key(ephemeral, public_key, curve)
        point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return cls(identifier, curve, EC_PUBLIC_KEY, point, keywrap.aes_key_wrap(key, content_key))

    def unwrap(self, private_key: ec.EllipticCurvePrivateKey) -> bytes | None:
        """The content key, or None: wrong curve, no point of the curve, another key."""
        if private_key.curve.name != self.curve.curve.name:
            return None
        try:
            public_key = ec.EllipticCurvePublicKey.from_encoded_point(self.curve.curve, self.point)
            key = _key_encryption_key(private_key, public_key, self.curve)
            return keywrap.aes_key_unwrap(key, self.wrapped_key)
        except (ValueError, keywrap.InvalidUnwrap):
            return None

    def marshal(self) -> bytes:
        """The RecipientInfo."""
        originator = der.encode(_ORIGINATOR_KEY, self.originator_algorithm, der.bit_string(self.point))
        named = der.encode(_IDENTIFIED, der.octet_string(self.identifier))
        return der.encode(
            self.tag,
            der.integer(_VERSION),
            der.encode(_EXPLICIT, originator),
            self.curve.identifier,
            der.sequence(der.sequence(named, der.octet_string(self.wrapped_key))),
        )

    @classmethod
    def parse(cls, element: der.Element) -> KeyAgreement:
        """The reverse of `marshal`.

        Raises:
            FormatError, UnsupportedError: it is not of this form.
        """
        fields = der.Fields(element)
        faults.check_version(fields.take(der.INTEGER), _VERSION)
        algorithm, point = _parse_originator(fields.take(_EXPLICIT))
        chosen = fields.take(der.SEQUENCE)  # user keying material would stand here: DER-5
        keys = fields.take(der.SEQUENCE)
        fields.end()
        curve = next((one for one in CURVES.values() if one.identifier == chosen.raw), None)
        if curve is None:  # ENV-4
            raise faults.unsupported("key agreement is not standard ECDH with SHA-256 or SHA-384", chosen)
        if algorithm not in curve.originator_algorithms:  # ENV-4
            raise faults.unsupported("the originator's key is not one of that curve", element)
        if len(keys.children) != 1:  # ENV-4
            raise faults.unsupported("a key agreement with several recipients", keys)
        identifier, wrapped_key = _parse_key(keys.children[0])
        if (len(point), len(wrapped_key)) != (curve.point_size, WRAPPED_KEY_SIZE) or point[0] != 4:  # ENV-4
            raise faults.out_of_range(element)
        return cls(faults.identifier(identifier, element), curve, algorithm, point, bytes(wrapped_key))


def _parse_originator(element: der.Element) -> tuple[bytes, bytes]:
    outer = der.Fields(element)
    fields = der.Fields(outer.take(_ORIGINATOR_KEY))
    outer.end()
    algorithm = fields.take(der.SEQUENCE)
    point = fields.take(der.BIT_STRING).content
    fields.end()
    if len(point) < 2 or point[0]:  # ENV-4
        raise faults.out_of_range(element)
    return bytes(algorithm.raw), bytes(point[1:])


def _parse_key(element: der.Element) -> tuple[memoryview, memoryview]:
    fields = der.Fields(element)
    if element.tag != der.SEQUENCE or not element.children or element.children[0].tag != _IDENTIFIED:  # ENV-4
        raise faults.unsupported("a recipient that is not named by subject key identifier", element)
    named = der.Fields(fields.take(_IDENTIFIED))
    wrapped_key = fields.take(der.OCTET_STRING).content
    fields.end()
    identifier = named.take(der.OCTET_STRING).content
    named.end()
    return identifier, wrapped_key


def _key_encryption_key(
    private_key: ec.EllipticCurvePrivateKey, public_key: ec.EllipticCurvePublicKey, curve: Curve
) -> bytes:
    """ANSI X9.63 KDF over the shared secret, bound to its use by ECC-CMS-SharedInfo (RFC 5753 §7.2)."""
    shared_info = der.sequence(AES256_WRAP, der.explicit(2, _SUPPLEMENT))
    secret = private_key.exchange(ec.ECDH(), public_key)
    return X963KDF(curve.digest, AES256_KEY_SIZE, shared_info).derive(secret)
