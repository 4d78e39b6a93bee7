"""CMS SignedData with the content inside (RFC 5652 §5): one signer, one byte representation.

    ContentInfo                       id-signedData
      SignedData                      version 1
        digestAlgorithms              SET OF: SHA-256
        encapContentInfo              id-data, OCTET STRING with the content
        certificates                  SET OF: the signer's and its issuers', nothing else
        signerInfos                   SET OF one SignerInfo
          version 1, issuer and serial number, SHA-256
          signedAttrs                 contentType, messageDigest, signingTime,
                                      signing-certificate-v2, CMSAlgorithmProtection
          rsaEncryption, or ecdsa-with-SHA256 or SHA384 (then SHA-384 throughout); signature
          unsignedAttrs               a time-stamp token over the signature; of a SEAL only, and not always

signing-certificate-v2 lists *all* certificates, the signer's first and each followed by its issuer: so the
signature covers every byte that is not fixed. `verify` makes the object anew from what it read and compares.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.crypto import certificates, der, signatures
from dicompack.crypto.algorithms import (
    ALGORITHM_PROTECTION,
    CONTENT_TYPE,
    DATA,
    MESSAGE_DIGEST,
    SIGNATURE_SCHEMES,
    SIGNED_DATA,
    SIGNING_CERTIFICATE,
    SIGNING_TIME,
    TIME_STAMP_TOKEN,
    SignatureScheme,
)
from dicompack.crypto.keys import SigningKey
from dicompack.errors import BadSignatureError, UnsupportedError

_EXPLICIT: Final = 0xA0
_CERTIFICATES: Final = 0xA0
_SIGNED_ATTRIBUTES: Final = 0xA0
_UNSIGNED_ATTRIBUTES: Final = 0xA1
_LAST_UTC_YEAR: Final = 2049
"""RFC 5652 §11.3: UTCTime through 2049, GeneralizedTime from 2050."""
_FIRST_YEAR: Final = 1970
_DIGESTS: Final = frozenset(one.digest_identifier for one in SIGNATURE_SCHEMES.values())
_NO_TIME: Final = "the signing time is not in its one form"


@dataclass(frozen=True)
class Signed:
    """What a valid signature says. Whether its signer is trusted is for `trust.TrustStore` to judge."""

    content: bytes
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The issuers that the signer sent along, from the signer's own upwards."""
    claimed_time: datetime
    """The signer's own clock, in UTC; a claim."""
    signature: bytes
    """What a time-stamp token is about."""
    token: bytes | None
    """The time-stamp token beside it, unread."""
    statement: bytes
    """The whole SignedData without a token: the same before and after it was stamped."""


# -------------------------------------------------------------------------------------------- sign


def sign(content: bytes, signer: SigningKey, at: datetime) -> bytes:
    """The SignedData over ``content`` with ``at`` (aware, cut to seconds) as its signing time.

    Raises:
        ValueError: ``at`` has no time zone, or lies before the year 1970.
    """
    return b"".join(sign_pieces(content, signer, at))


def sign_pieces(content: bytes, signer: SigningKey, at: datetime) -> tuple[bytes, bytes, bytes]:
    """The same, not put together: the content may be large."""
    digest = _digest(content, signatures.scheme_of(signer))
    made = around(digest, len(content), signer, at)
    return made.before, content, made.after


def around(
    digest: bytes,
    size: int,
    signer: SigningKey,
    at: datetime,
    *,
    bare: bool = False,
    signature: bytes | None = None,
) -> Around:
    """What a SignedData has around ``size`` bytes with this digest.

    Args:
        digest: of the content.
        size: of the content.
        signer: whose signature it is.
        at: the signing time.
        bare: without ContentInfo.
        signature: what stands in the place of one, so that the size of all is known before the content is.

    Raises:
        ValueError: as `sign`.
    """
    chain = tuple(one.public_bytes(Encoding.DER) for one in (signer.certificate, *signer.chain))
    scheme = signatures.scheme_of(signer)
    attributes = _attributes(digest, _time(at), chain, scheme)
    if signature is None:
        signature = signatures.sign_statement(signer, der.set_of(attributes))
    identifier = certificates.issuer_and_serial(signer.certificate)
    return _around(size, chain, attributes, identifier, scheme, signature, None, bare=bare)


def _marshal(
    content: der.Buffer,
    chain: tuple[bytes, ...],
    attributes: list[bytes],
    issuer_and_serial: bytes,
    scheme: SignatureScheme,
    signature: der.Buffer,
    token: der.Buffer | None = None,
) -> bytes:
    around = _around(len(content), chain, attributes, issuer_and_serial, scheme, signature, token)
    return around.of(content)


@dataclass(frozen=True)
class Around:
    """What stands before and after the content: that may be large, and is not to be copied for each level."""

    before: bytes
    after: bytes

    def of(self, content: der.Buffer) -> bytes:
        """With the content between them."""
        return b"".join((self.before, content, self.after))

    def fits(self, data: bytes, content: der.Buffer) -> bool:
        """Whether `data` is `of` this content."""
        start, end = len(self.before), len(self.before) + len(content)
        view = memoryview(data)
        return view[:start] == self.before and view[end:] == self.after and view[start:end] == content


def _around(
    size: int,
    chain: tuple[bytes, ...],
    attributes: list[bytes],
    issuer_and_serial: bytes,
    scheme: SignatureScheme,
    signature: der.Buffer,
    token: der.Buffer | None,
    *,
    bare: bool = False,
) -> Around:
    stamp = () if token is None else (_unsigned(token),)
    signer_info = der.sequence(
        der.integer(1),
        issuer_and_serial,
        scheme.digest_identifier,
        der.set_of(attributes, _SIGNED_ATTRIBUTES),
        scheme.identifier,
        der.octet_string(signature),
        *stamp,
    )
    after = der.set_of(chain, _CERTIFICATES) + der.set_of([signer_info])
    before = der.header(der.OCTET_STRING, size)
    levels = (  # from the innermost one outwards
        (_EXPLICIT, b"", 0),
        (der.SEQUENCE, DATA, 0),
        (der.SEQUENCE, der.integer(1) + der.set_of([scheme.digest_identifier]), len(after)),
        (_EXPLICIT, b"", len(after)),
        (der.SEQUENCE, SIGNED_DATA, len(after)),
    )
    for tag, first, last in levels[:3] if bare else levels:
        before = first + before
        before = der.header(tag, len(before) + size + last) + before
    return Around(before, after)


def _unsigned(token: der.Buffer) -> bytes:
    """UnsignedAttributes with nothing but a time-stamp token (RFC 3161 §A)."""
    return der.set_of([der.sequence(TIME_STAMP_TOKEN, der.set_of([token]))], _UNSIGNED_ATTRIBUTES)


def with_token(data: bytes, token: bytes) -> bytes:
    """A SignedData with this time-stamp token, in place of one that it may have.

    Raises:
        DicomPackError: it is no valid SignedData.
    """
    verify(data, may_be_stamped=True)
    parts = _parse(data, may_be_stamped=True)
    return _made_again(parts, _chain(parts), token)


def _digest(content: bytes, scheme: SignatureScheme) -> bytes:
    return hashlib.new(scheme.digest.lower(), content).digest()


def _attributes(
    content_digest: bytes, moment: bytes, chain: tuple[bytes, ...], scheme: SignatureScheme
) -> list[bytes]:
    # ESSCertIDv2 leaves hashAlgorithm out: SHA-256 is its DEFAULT, and DER omits defaults.
    ids = [der.sequence(der.octet_string(hashlib.sha256(certificate).digest())) for certificate in chain]
    # RFC 6211 §2: the signature algorithm has the implicit tag [1].
    protection = der.sequence(
        scheme.digest_identifier,
        der.encode(0xA1, *(child.raw for child in der.parse(scheme.identifier).children)),
    )
    return [
        der.sequence(CONTENT_TYPE, der.set_of([DATA])),
        der.sequence(MESSAGE_DIGEST, der.set_of([der.octet_string(content_digest)])),
        der.sequence(SIGNING_TIME, der.set_of([moment])),
        der.sequence(SIGNING_CERTIFICATE, der.set_of([der.sequence(der.sequence(*ids))])),
        der.sequence(ALGORITHM_PROTECTION, der.set_of([protection])),
    ]


def _time(at: datetime) -> bytes:
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    moment = at.astimezone(UTC)
    if moment.year < _FIRST_YEAR:
        raise ValueError("a signing time before 1970")
    if moment.year <= _LAST_UTC_YEAR:
        return der.encode(der.UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode("ascii"))
    return der.encode(der.GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode("ascii"))


# -------------------------------------------------------------------------------------------- verify


def verify(data: bytes, *, may_be_stamped: bool = False) -> Signed:
    """Check everything that can be checked without trust, in this order.

    1. DER, and the structure above with nothing added; a token where one may stand, which is not read.
    2. Algorithms of the list.
    3. Certificates: each as the signing-certificate-v2 attribute names it, none besides.
    4. The object made anew from what was read equals the input.
    5. The signer's key is strong enough.
    6. The digest of the content; the signature over the attributes.

    Raises:
        FormatError: not DER, or not this structure.
        UnsupportedError: an algorithm that is not in the list.
        BadSignatureError: everything else.
    """
    parts = _parse(data, may_be_stamped=may_be_stamped)  # 1, 2
    chain = _chain(parts)  # 3
    certificate = chain[0]
    if not _made_around(parts, chain, parts.token).fits(data, parts.content):  # 4: CMS-6
        _bad("not in its one byte representation", rule="CMS-6")
    key = certificates.signer_key(certificate, BadSignatureError)  # 5
    if parts.scheme not in signatures.schemes_for(key):
        _bad("the signer's key is not one for this algorithm", rule="CMS-8")
    content, signature = bytes(parts.content), bytes(parts.signature)
    if not hmac.compare_digest(_digest(content, parts.scheme), bytes(parts.digest)):  # 6: CMS-7
        _bad("the content is not what was signed", rule="CMS-7")
    try:
        # RFC 5652 §5.4: digested with the tag SET OF instead of the implicit one.
        attributes = der.set_of(_attributes_of(parts, chain))
        signatures.verify_statement(key, signature, attributes, parts.scheme)
    except InvalidSignature as error:  # CMS-8
        raise BadSignatureError(
            "the signature does not fit the signer's certificate", rule="CMS-8", hint="do not use the data"
        ) from error
    token = None if parts.token is None else bytes(parts.token)
    statement = data if token is None else _made_again(parts, chain, None)
    return Signed(content, certificate, tuple(chain[1:]), parts.claimed_time, signature, token, statement)


def _attributes_of(parts: _Parts, chain: Sequence[x509.Certificate]) -> list[bytes]:
    raw = tuple(one.public_bytes(Encoding.DER) for one in chain)
    return _attributes(bytes(parts.digest), parts.moment, raw, parts.scheme)


def _made_again(parts: _Parts, chain: Sequence[x509.Certificate], token: der.Buffer | None) -> bytes:
    return _made_around(parts, chain, token).of(parts.content)


def _made_around(parts: _Parts, chain: Sequence[x509.Certificate], token: der.Buffer | None) -> Around:
    return _around(
        len(parts.content),
        tuple(one.public_bytes(Encoding.DER) for one in chain),
        _attributes_of(parts, chain),
        certificates.issuer_and_serial(chain[0]),
        parts.scheme,
        parts.signature,
        token,
    )


@dataclass(frozen=True)
class _Parts:
    """What a SignedData consists of; everything else in it is fixed."""

    content: memoryview
    certificates: tuple[bytes, ...]
    certificate_digests: tuple[bytes, ...]
    digest: memoryview
    moment: bytes
    claimed_time: datetime
    scheme: SignatureScheme
    signature: memoryview
    token: memoryview | None


def _parse(data: bytes, *, may_be_stamped: bool) -> _Parts:
    info = der.Fields(der.parse(data, der.SEQUENCE))
    kind = info.take(der.OBJECT_IDENTIFIER)
    if kind.raw != SIGNED_DATA:  # CMS-1
        _unsupported("not a SignedData", kind, rule="CMS-1")
    wrapper = der.Fields(info.take(0xA0))
    info.end()
    fields = der.Fields(wrapper.take(der.SEQUENCE))
    wrapper.end()
    version = fields.take(der.INTEGER)
    if der.small_integer(version) != 1:  # CMS-1
        _unsupported("version of SignedData is not 1", version, rule="CMS-1")
    for digest in der.members_of(fields.take(der.SET)):
        _check_algorithm(digest, _DIGESTS)
    content = _parse_content(fields.take(der.SEQUENCE))
    pool = tuple(bytes(one.raw) for one in der.members_of(fields.take(_CERTIFICATES)))
    signers = der.members_of(fields.take(der.SET))
    fields.end()
    if len(signers) != 1:  # CMS-3
        _bad(f"{len(signers)} signers instead of one", rule="CMS-3")
    return _parse_attributes(content, pool, *_parse_signer(signers[0], may_be_stamped))


def _parse_content(element: der.Element) -> memoryview:
    fields = der.Fields(element)
    kind = fields.take(der.OBJECT_IDENTIFIER)
    if kind.raw != DATA:  # CMS-1
        _unsupported("the content type inside is not id-data", kind, rule="CMS-1")
    wrapper = der.Fields(fields.take(0xA0))
    fields.end()
    content = wrapper.take(der.OCTET_STRING).content
    wrapper.end()
    return content


def _parse_signer(
    element: der.Element, may_be_stamped: bool
) -> tuple[der.Element, SignatureScheme, memoryview, memoryview | None]:
    fields = der.Fields(element)
    version = fields.take(der.INTEGER)
    if der.small_integer(version) != 1:  # CMS-1
        _unsupported("version of SignerInfo is not 1", version, rule="CMS-1")
    fields.take(der.SEQUENCE)  # issuer and serial number: compared in the whole
    _check_algorithm(fields.take(der.SEQUENCE), _DIGESTS)
    attributes = fields.take(_SIGNED_ATTRIBUTES)
    algorithm = fields.take(der.SEQUENCE)
    _check_algorithm(algorithm, SIGNATURE_SCHEMES)
    signature = fields.take(der.OCTET_STRING).content
    unsigned = fields.take_optional(_UNSIGNED_ATTRIBUTES)
    fields.end()
    token = None if unsigned is None else _parse_token(unsigned, may_be_stamped)
    # That its digest is the one in the two other places is compared in the whole.
    return attributes, SIGNATURE_SCHEMES[bytes(algorithm.raw)], signature, token


def _parse_token(unsigned: der.Element, may_be_stamped: bool) -> memoryview:
    attributes = unsigned.children
    if may_be_stamped and len(attributes) == 1:
        fields = der.Fields(attributes[0])
        kind = fields.take(der.OBJECT_IDENTIFIER)
        values = fields.take(der.SET).children
        if kind.raw == TIME_STAMP_TOKEN and len(values) == 1:
            return values[0].raw
    raise BadSignatureError(  # CMS-4
        "unsigned attributes, which anybody could have added", rule="CMS-4", hint="do not use the data"
    )


def _parse_attributes(
    content: memoryview,
    pool: tuple[bytes, ...],
    element: der.Element,
    scheme: SignatureScheme,
    signature: memoryview,
    token: memoryview | None,
) -> _Parts:
    values: dict[bytes, der.Element] = {}
    for member in der.members_of(element):
        fields = der.Fields(member)
        kind = bytes(fields.take(der.OBJECT_IDENTIFIER).raw)
        found = der.members_of(fields.take(der.SET))
        fields.end()
        if len(found) != 1 or kind in values:  # CMS-5
            _bad("a signed attribute that does not have exactly one value", rule="CMS-5")
        values[kind] = found[0]
    if values.keys() != {
        CONTENT_TYPE,
        MESSAGE_DIGEST,
        SIGNING_TIME,
        SIGNING_CERTIFICATE,
        ALGORITHM_PROTECTION,
    }:  # CMS-5
        _bad("the signed attributes are not those that must stand", rule="CMS-5")
    moment = values[SIGNING_TIME]
    # Content type and algorithm protection have one possible value each: compared in the whole.
    return _Parts(
        content=content,
        certificates=pool,
        certificate_digests=_parse_certificate_ids(values[SIGNING_CERTIFICATE]),
        digest=values[MESSAGE_DIGEST].content,
        moment=bytes(moment.raw),
        claimed_time=_parse_time(moment),
        scheme=scheme,
        signature=signature,
        token=token,
    )


def _parse_certificate_ids(element: der.Element) -> tuple[bytes, ...]:
    outer = der.Fields(element)
    digests: list[bytes] = []
    for identifier in outer.take(der.SEQUENCE).children:
        fields = der.Fields(identifier)
        digests.append(bytes(fields.take(der.OCTET_STRING).content))
        fields.end()
    outer.end()
    return tuple(digests)


def _parse_time(element: der.Element) -> datetime:
    form = "%y%m%d%H%M%SZ" if element.tag == der.UTC_TIME else "%Y%m%d%H%M%SZ"
    try:
        moment = datetime.strptime(str(element.content, "ascii"), form).replace(tzinfo=UTC)
        if _time(moment) == element.raw:
            return moment
    except ValueError as error:
        raise BadSignatureError(_NO_TIME, rule="CMS-5") from error
    raise BadSignatureError(_NO_TIME, rule="CMS-5")  # CMS-5


def _chain(parts: _Parts) -> list[x509.Certificate]:
    by_digest = {hashlib.sha256(raw).digest(): raw for raw in parts.certificates}
    listed = parts.certificate_digests
    if not 1 <= len(listed) <= certificates.MAX_CHAIN + 1 or len(set(listed)) != len(listed):  # CMS-2
        _bad("the signing-certificate attribute does not list each certificate once", rule="CMS-2")
    if set(listed) != by_digest.keys():  # CMS-2
        _bad("the certificates are not those that the signer named", rule="CMS-2")
    return [certificates.parse_der(by_digest[digest], BadSignatureError) for digest in listed]


def _check_algorithm(element: der.Element, allowed: Collection[bytes]) -> None:
    if bytes(element.raw) not in allowed:  # CMS-9
        _unsupported("an algorithm that is not in the list", element, rule="CMS-9")


def _unsupported(message: str, element: der.Element, *, rule: str) -> NoReturn:
    raise UnsupportedError(message, where=f"offset {element.start}", rule=rule)


def _bad(message: str, *, rule: str) -> NoReturn:
    raise BadSignatureError(message, rule=rule, hint="do not use the data")
