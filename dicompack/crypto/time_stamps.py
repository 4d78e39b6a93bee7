"""Time-stamp tokens (RFC 3161 §2.4.2, RFC 5816): somebody else says that a signature existed at a time.

A token is a SignedData of the authority's own making, so it is read as RFC 5652 permits it, in DER: other
certificates, unsorted sets and further attributes may stand in it. What counts is under its signature.

    ContentInfo                       id-signedData
      SignedData                      version 3
        digestAlgorithms
        encapContentInfo              id-ct-TSTInfo, OCTET STRING with a TSTInfo
        certificates                  [0], with that of the authority
        crls                          [1], not looked at
        signerInfos                   one
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from cryptography import x509

from dicompack.crypto import certificates, der, foreign_signers
from dicompack.crypto.algorithms import MESSAGE_DIGEST, SIGNED_DATA, TIME_STAMP_CONTENT, Digest
from dicompack.crypto.foreign_signers import Rules, Signer
from dicompack.errors import BadSignatureError, FormatError, UnsupportedError

MAX_TOKEN: Final = 1 << 16
"""Bytes; tokens with three certificates have 6 000."""
MAX_ACCURACY: Final = 86_400
"""Seconds; whoever knows the day only is no authority for time."""

_RULES: Final = Rules("time-stamp", form="TSP-1", algorithms="TSP-2", signature="TSP-4")
_TIME: Final = re.compile(rb"([0-9]{14})(?:\.([0-9]{1,9}))?Z")


Stamp: TypeAlias = Callable[[bytes], bytes]
"""From the value of a signature to a time-stamp token for it."""


@dataclass(frozen=True)
class TimeStamp:
    """What a valid token says. Whether its authority is trusted is for `trust.TrustStore` to judge."""

    time: datetime
    """The latest time that it can mean (genTime and accuracy), in UTC: by then the signature existed."""
    certificate: x509.Certificate
    """Of the authority."""
    chain: tuple[x509.Certificate, ...]
    nonce: int | None
    """Of the query."""


def verify(token: der.Buffer, stamped: bytes) -> TimeStamp:
    """Check everything that can be checked without trust, in this order.

    1. Structure and size.
    2. Algorithms of the list.
    3. The imprint is that of ``stamped``.
    4. The certificate is the one that the signed attributes name.
    5. The digest of the content; the signature over the attributes.
    6. The certificate is one for time-stamps and nothing else.

    Raises:
        FormatError: not DER, or not this structure.
        UnsupportedError: an algorithm that is not in the list.
        BadSignatureError: everything else.
    """
    if len(token) > MAX_TOKEN:  # TSP-1
        raise _malformed(f"a token of more than {MAX_TOKEN} bytes")
    content, pool, signer = _parse(token)  # 1
    info = _parse_info(content)
    if not hmac.compare_digest(hashlib.new(info.digest.lower(), stamped).digest(), info.imprint):  # 3
        raise BadSignatureError(  # TSP-3
            "the time-stamp is for something else", rule="TSP-3", hint="do not use the data"
        )
    attributes = foreign_signers.parse_attributes(signer.attributes, TIME_STAMP_CONTENT, _RULES)
    certificate = foreign_signers.certificate_of(pool, signer, attributes, _RULES, must_be_named=True)  # 4
    found = hashlib.new(signer.digest.lower(), content).digest()
    if not hmac.compare_digest(found, bytes(attributes[MESSAGE_DIGEST].content)):  # 5: TSP-4
        raise _RULES.bad("the time-stamp is not what its signer signed")
    foreign_signers.verify_signature(certificate, signer, _RULES)
    certificates.check_time_stamp_authority(certificate, BadSignatureError)  # 6
    others = [one for one in map(foreign_signers.readable, pool) if one is not None]
    return TimeStamp(info.time, certificate, certificates.ordered_chain(certificate, others), info.nonce)


@dataclass(frozen=True)
class _Info:
    """What a TSTInfo says, as far as it matters."""

    digest: Digest
    imprint: bytes
    time: datetime
    nonce: int | None


def _parse(token: der.Buffer) -> tuple[bytes, tuple[bytes, ...], Signer]:
    outer = der.Fields(der.parse(token, der.SEQUENCE))
    if outer.take(der.OBJECT_IDENTIFIER).raw != SIGNED_DATA:
        raise _malformed("the time-stamp is no SignedData")
    wrapper = der.Fields(outer.take(0xA0))
    outer.end()
    fields = der.Fields(wrapper.take(der.SEQUENCE))
    wrapper.end()
    if der.small_integer(fields.take(der.INTEGER)) != 3:  # RFC 5652 §5.1
        raise _malformed("version of the time-stamp's SignedData is not 3")
    fields.take(der.SET)
    inner = der.Fields(fields.take(der.SEQUENCE))
    if inner.take(der.OBJECT_IDENTIFIER).raw != TIME_STAMP_CONTENT:
        raise _malformed("the time-stamp's content is no TSTInfo")
    holder = der.Fields(inner.take(0xA0))
    inner.end()
    content = bytes(holder.take(der.OCTET_STRING).content)
    holder.end()
    pool = fields.take_optional(0xA0)
    fields.take_optional(0xA1)
    signers = fields.take(der.SET).children
    fields.end()
    if len(signers) != 1 or signers[0].tag != der.SEQUENCE:
        raise _malformed(f"{len(signers)} signers of a time-stamp instead of one")
    certificates_there = tuple(bytes(one.raw) for one in pool.children) if pool else ()
    return content, certificates_there, foreign_signers.parse_signer(signers[0], _RULES)


def imprint_of(element: der.Element) -> tuple[Digest, bytes]:
    """Digest and value of a MessageImprint.

    Raises:
        FormatError, UnsupportedError: it is none, or its digest is not in the list.
    """
    fields = der.Fields(element)
    digest = foreign_signers.digest_of(fields.take(der.SEQUENCE), _RULES)
    value = bytes(fields.take(der.OCTET_STRING).content)
    fields.end()
    return digest, value


def nonce_of(fields: der.Fields) -> int | None:
    """The nonce, if one comes next."""
    element = fields.take_optional(der.INTEGER)
    return None if element is None else int.from_bytes(element.content, "big", signed=True)


def _parse_info(content: bytes) -> _Info:
    fields = der.Fields(der.parse(content, der.SEQUENCE))
    if der.small_integer(fields.take(der.INTEGER)) != 1:
        raise _malformed("version of TSTInfo is not 1")
    fields.take(der.OBJECT_IDENTIFIER)  # policy
    digest, imprint = imprint_of(fields.take(der.SEQUENCE))
    fields.take(der.INTEGER)  # serial number
    time = _parse_time(bytes(fields.take(der.GENERALIZED_TIME).content))
    accuracy = fields.take_optional(der.SEQUENCE)
    fields.take_optional(der.BOOLEAN)  # ordering
    nonce = nonce_of(fields)
    fields.take_optional(0xA0)  # tsa
    extensions = fields.take_optional(0xA1)
    fields.end()
    for extension in extensions.children if extensions else ():
        if any(part.tag == der.BOOLEAN for part in extension.children):  # critical, and none is known
            raise UnsupportedError("the time-stamp has a critical extension", rule="TSP-2")
    try:
        time += _parse_accuracy(accuracy)
    except OverflowError as error:
        raise FormatError("the time of the time-stamp is not possible", rule="TSP-1") from error
    return _Info(digest, imprint, time, nonce)


def _parse_time(text: bytes) -> datetime:
    found = _TIME.fullmatch(text)
    try:
        if found is not None:
            moment = datetime.strptime(found.group(1).decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            return moment + timedelta(microseconds=int((found.group(2) or b"0").ljust(9, b"0")) // 1000)
    except ValueError as error:
        raise FormatError("the time of the time-stamp is not possible", rule="TSP-1") from error
    raise _malformed("the time of the time-stamp is not in UTC")


def _parse_accuracy(element: der.Element | None) -> timedelta:
    if element is None:
        return timedelta()
    fields = der.Fields(element)
    parts = [fields.take_optional(tag) for tag in (der.INTEGER, 0x80, 0x81)]
    fields.end()
    seconds, millis, micros = (int.from_bytes(one.content, "big") if one else 0 for one in parts)
    if seconds > MAX_ACCURACY or millis > 999 or micros > 999:
        raise _malformed("the accuracy of the time-stamp is none")
    return timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)


def _malformed(message: str) -> FormatError:
    return _RULES.malformed(message)
