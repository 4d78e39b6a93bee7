"""The SignerInfo of somebody else's making, as RFC 5652 §5.3 permits it; in DER.

Other certificates, unsorted sets and further attributes may stand around it. What counts is under the
signature: content type, digest, and the certificate that the attributes name. `signed` has the one form of
our own statements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from dicompack.crypto import certificates, der
from dicompack.crypto.algorithms import (
    CONTENT_TYPE,
    ECDSA_DIGESTS,
    MESSAGE_DIGEST,
    RSA_DIGESTS,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_SHA1,
    STAMP_DIGESTS,
    Digest,
)
from dicompack.errors import BadSignatureError, DicomPackError, FormatError, UnsupportedError

Attributes: TypeAlias = dict[bytes, der.Element]
"""The one value of each signed attribute, by the DER of its OBJECT IDENTIFIER."""


@dataclass(frozen=True)
class Rules:
    """What errors call the object, and which of its rules they name."""

    name: str
    form: str
    algorithms: str
    signature: str

    def malformed(self, message: str) -> FormatError:
        """It is not of this structure."""
        return FormatError(message, rule=self.form)

    def unsupported(self, what: str) -> UnsupportedError:
        """It has an algorithm that nobody should believe, or that is not known."""
        return UnsupportedError(f"the {self.name} has {what} that is not in the list", rule=self.algorithms)

    def bad(self, message: str) -> BadSignatureError:
        """It is not what its signer signed."""
        return BadSignatureError(message, rule=self.signature, hint="do not use the data")


@dataclass(frozen=True)
class Signer:
    """A SignerInfo."""

    identifier: der.Element
    digest: Digest
    attributes: der.Element
    algorithm: bytes
    """OBJECT IDENTIFIER of the signature's."""
    signature: bytes


def parse_signer(element: der.Element, rules: Rules) -> Signer:
    """A SignerInfo with signed attributes.

    Raises:
        FormatError: it is none.
        UnsupportedError: an algorithm that is not in the list.
    """
    fields = der.Fields(element)
    version = der.small_integer(fields.take(der.INTEGER))
    identifier = fields.take_optional(0x80) or fields.take(der.SEQUENCE)
    if version != (3 if identifier.tag == 0x80 else 1):
        raise rules.malformed(f"version of the {rules.name}'s SignerInfo does not go with its signer")
    digest = digest_of(fields.take(der.SEQUENCE), rules)
    attributes = fields.take(0xA0)
    algorithm, has_parameters = _algorithm_of(fields.take(der.SEQUENCE))
    if has_parameters:
        raise rules.unsupported("an algorithm")
    signature = bytes(fields.take(der.OCTET_STRING).content)
    fields.take_optional(0xA1)  # what anybody could have added, and nobody looks at
    fields.end()
    return Signer(identifier, digest, attributes, algorithm, signature)


def _algorithm_of(element: der.Element) -> tuple[bytes, bool]:
    """OBJECT IDENTIFIER of an AlgorithmIdentifier, and whether it has parameters other than NULL.

    Raises:
        FormatError: it is none.
    """
    fields = der.Fields(element)
    kind = bytes(fields.take(der.OBJECT_IDENTIFIER).raw)
    return kind, fields.take_optional(der.NULL) is None and len(element.children) > 1


def digest_of(element: der.Element, rules: Rules) -> Digest:
    """The digest that an AlgorithmIdentifier names, with parameters NULL or none (RFC 5754 §2).

    Raises:
        UnsupportedError: none of the list.
    """
    kind, has_parameters = _algorithm_of(element)
    if kind not in STAMP_DIGESTS or has_parameters:
        raise rules.unsupported("a digest")
    return STAMP_DIGESTS[kind]


def parse_attributes(element: der.Element, content_type: bytes, rules: Rules) -> Attributes:
    """The signed attributes, each with one value, content type and digest among them.

    Raises:
        FormatError: they are not like that, or of another content.
    """
    values: Attributes = {}
    for member in element.children:
        fields = der.Fields(member)
        kind = bytes(fields.take(der.OBJECT_IDENTIFIER).raw)
        found = fields.take(der.SET).children
        fields.end()
        if len(found) != 1 or kind in values:
            raise rules.malformed(f"a signed attribute of the {rules.name} does not have exactly one value")
        values[kind] = found[0]
    if not {CONTENT_TYPE, MESSAGE_DIGEST} <= values.keys() or values[CONTENT_TYPE].raw != content_type:
        raise rules.malformed(f"the {rules.name} lacks a signed attribute, or has one of another content")
    return values


def certificate_of(
    pool: Sequence[bytes], signer: Signer, attributes: Attributes, rules: Rules, *, must_be_named: bool
) -> x509.Certificate:
    """The one of ``pool`` that SignerInfo and signed attributes name (RFC 5035 §3, RFC 2634 §5.4).

    Without ``must_be_named`` the attributes need not name one; if they do, it counts.

    Raises:
        BadSignatureError: it is not there.
    """
    named = [
        _first_certificate_id(attributes[kind], default, rules)
        for kind, default in ((SIGNING_CERTIFICATE, "sha256"), (SIGNING_CERTIFICATE_SHA1, "sha1"))
        if kind in attributes
    ]
    for raw in pool if named or not must_be_named else ():
        if all(hashlib.new(digest, raw).digest() == value for digest, value in named):
            certificate = readable(raw)
            if certificate is not None and _is_named(certificate, signer.identifier):
                return certificate
    raise rules.bad(f"the certificate of the {rules.name} is not there, or not the one that was signed")


def _first_certificate_id(element: der.Element, default: str, rules: Rules) -> tuple[str, bytes]:
    outer = der.Fields(element)
    ids = outer.take(der.SEQUENCE).children
    if not ids:
        raise rules.malformed(f"the {rules.name} names no certificate")
    fields = der.Fields(ids[0])
    algorithm = fields.take_optional(der.SEQUENCE) if default != "sha1" else None
    digest = default if algorithm is None else digest_of(algorithm, rules).lower()
    return digest, bytes(fields.take(der.OCTET_STRING).content)


def _is_named(certificate: x509.Certificate, identifier: der.Element) -> bool:
    if identifier.tag == 0x80:
        own = certificates.subject_key_identifier(certificate, BadSignatureError)
        return own == bytes(identifier.content)
    return certificates.issuer_and_serial(certificate) == identifier.raw


def verify_signature(certificate: x509.Certificate, signer: Signer, rules: Rules) -> None:
    """Check the signature over the attributes, RSA PKCS #1 v1.5 or ECDSA.

    Raises:
        UnsupportedError: another algorithm.
        BadSignatureError: it does not fit.
    """
    # RFC 5652 §5.4: digested with the tag SET OF instead of the implicit one.
    statement = bytes((der.SET,)) + bytes(signer.attributes.raw[1:])
    key = certificate.public_key()
    known: dict[bytes, Digest | None] = {}
    if isinstance(key, rsa.RSAPublicKey):
        known = RSA_DIGESTS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        known = ECDSA_DIGESTS
    if signer.algorithm not in known or known[signer.algorithm] not in (None, signer.digest):
        raise rules.unsupported("an algorithm")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.signature, statement, padding.PKCS1v15(), signer.digest.algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, statement, ec.ECDSA(signer.digest.algorithm))
    except InvalidSignature as error:
        raise rules.bad(f"the {rules.name} is not what its signer signed") from error


def readable(raw: bytes) -> x509.Certificate | None:
    """A certificate that may help; others are nobody's fault."""
    try:
        return certificates.parse_der(raw, BadSignatureError)
    except DicomPackError:
        return None
