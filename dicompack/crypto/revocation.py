"""Revocation lists (RFC 5280 §5, §6.3): from files only, as hospitals have them; nothing is fetched.

A list counts if the issuer of the certificate signed it, may sign lists, and it is complete and of its time.
What no list covers is unknown: that is told, and refused where lists are demanded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.crypto import certificates, der
from dicompack.errors import DicomPackError, FormatError, NoMatchError, UntrustedError

MAX_SIZE: Final = 64 << 20
"""Bytes of a file with lists; those of national authorities have some megabytes."""

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
# With these alone a list speaks for all certificates of its issuer.
_HARMLESS: Final = (
    x509.CRLNumber,
    x509.AuthorityKeyIdentifier,
    x509.FreshestCRL,
    x509.AuthorityInformationAccess,
)
# With these, for a part of them: what it names is revoked, what it does not name is not known.
_PARTIAL: Final = (x509.DeltaCRLIndicator, x509.IssuingDistributionPoint)


class Standing(StrEnum):
    """What lists say of a path that holds otherwise."""

    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Revocations:
    """The lists at hand."""

    lists: tuple[x509.CertificateRevocationList, ...] = ()
    demanded: bool = False
    """Whether what no list covers is refused."""

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to a worker process that does not share our memory."""
        return _rebuild, (tuple(one.public_bytes(Encoding.DER) for one in self.lists), self.demanded)

    def check(self, path: Sequence[x509.Certificate], at: datetime) -> Standing:
        """What the lists say of each certificate of a path, from the end entity to the anchor, at a time.

        Raises:
            UntrustedError: one is revoked (TRU-7); or no list covers one, and lists are demanded (TRU-8).
        """
        standing = Standing.GOOD
        for certificate, issuer in pairwise(path):
            covered = False
            for one in self.lists:
                if not _is_by(one, certificate, issuer):
                    continue
                whole = _has_only(one, _HARMLESS)
                if not whole and not _names_its_own(one):
                    continue
                entry = one.get_revoked_certificate_by_serial_number(certificate.serial_number)
                counts = entry is not None and (whole or not _is_lifted(entry))
                if entry is not None and counts and _since(entry) <= at:  # TRU-7
                    raise UntrustedError(
                        f"the certificate was revoked on {_since(entry):%Y-%m-%d}",
                        rule="TRU-7",
                        hint="do not use the data; ask its owner for what happened",
                    )
                covered |= whole and _speaks_of(one, certificate, at)
            if not covered and self.demanded:  # TRU-8
                raise UntrustedError(
                    "no current revocation list covers the signer's certificate, or one above it",
                    rule="TRU-8",
                    hint="name the authorities' current lists with --crl",
                )
            if not covered:
                standing = Standing.UNKNOWN
        return standing


def _rebuild(lists: tuple[bytes, ...], demanded: bool) -> Revocations:
    return Revocations(tuple(map(x509.load_der_x509_crl, lists)), demanded)


def parse(data: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists of a PEM file, or one in DER.

    Raises:
        NoMatchError: none, or one that cannot be read (KEY-9).
    """
    found = _PEM.findall(data)
    try:
        lists = tuple(map(x509.load_pem_x509_crl, found)) or (x509.load_der_x509_crl(data),)
        for one in lists:
            der.parse(one.public_bytes(Encoding.DER), der.SEQUENCE)
            # Parsed late; after this none of them raises.
            _ = list(one.extensions), one.issuer, one.last_update_utc, one.next_update_utc
    except (*certificates.UNREADABLE, DicomPackError) as error:
        raise NoMatchError("this is no revocation list", rule="KEY-9", hint="a CRL in PEM or DER") from error
    return lists


def _is_by(
    one: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Whether a list is the issuer's about certificates like this one."""
    if one.issuer != certificate.issuer or one.issuer != issuer.subject:
        return False
    try:
        certificates.check_list_signer(issuer, one.signature_hash_algorithm, FormatError)
        return one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # its kind was checked
    except (FormatError, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def _has_only(
    one: x509.CertificateRevocationList,
    harmless: tuple[type[x509.ExtensionType], ...],
    partial: tuple[type[x509.ExtensionType], ...] = (),
) -> bool:
    """Whether a list has no other extensions, and critical are only those that limit it to a part."""
    return all(
        isinstance(extension.value, partial)
        or (isinstance(extension.value, harmless) and not extension.critical)
        for extension in one.extensions
    )


def _names_its_own(one: x509.CertificateRevocationList) -> bool:
    """Whether a partial list (RFC 5280 §5.2.4, §5.2.5) names certificates of its own issuer only."""
    return _has_only(one, _HARMLESS, _PARTIAL) and not any(
        isinstance(extension.value, x509.IssuingDistributionPoint) and extension.value.indirect_crl
        for extension in one.extensions
    )


def _is_lifted(entry: x509.RevokedCertificate) -> bool:
    """Whether a delta list takes an entry back (removeFromCRL, RFC 5280 §5.3.1)."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *certificates.UNREADABLE):
        return False
    return reason is x509.ReasonFlags.remove_from_crl


def _since(entry: x509.RevokedCertificate) -> datetime:
    """From when on it does not count: what its owner knows may be earlier than the list (RFC 5280 §5.3.2)."""
    try:
        invalid = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except (x509.ExtensionNotFound, *certificates.UNREADABLE):
        return entry.revocation_date_utc
    return min(invalid, entry.revocation_date_utc)


def _speaks_of(one: x509.CertificateRevocationList, certificate: x509.Certificate, at: datetime) -> bool:
    """Whether a list is of this time; or later, and would still name what was revoked by then (§3.3)."""
    end = one.next_update_utc
    if at < one.last_update_utc <= certificate.not_valid_after_utc:
        return True
    return one.last_update_utc <= at and end is not None and at <= end
