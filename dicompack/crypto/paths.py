"""Certification paths (RFC 5280 §6) up to an authority, by policies for people and not for the web."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from dicompack.crypto import certificates
from dicompack.crypto.anchors import AuthorityAnchor, Role
from dicompack.errors import UntrustedError


def path_to(
    anchor: AuthorityAnchor,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    at: datetime,
    role: Role,
) -> Sequence[x509.Certificate]:
    """From the certificate up to the anchor; empty where there is none that holds."""
    verifier = (
        PolicyBuilder()
        .store(Store([anchor.certificate]))
        .time(at.astimezone(UTC))
        .max_chain_depth(certificates.MAX_CHAIN)
        .extension_policies(
            ca_policy=_STAMPING_AUTHORITY if role is Role.TIMESTAMP else _AUTHORITY,
            ee_policy=_STAMPING if role is Role.TIMESTAMP else _END_ENTITY,
        )
        .build_client_verifier()
    )
    try:
        path = verifier.verify(certificate, list(chain[: certificates.MAX_CHAIN])).chain  # TRU-4
        for issuer in path[1:]:
            certificates.check_authority(issuer, UntrustedError)
    except (VerificationError, UntrustedError):
        return ()
    return path


def _usage_was_checked(_policy: Policy, _certificate: x509.Certificate, _usage: x509.KeyUsage) -> None:
    """`trust` has judged the key usage already; the path only demands that there is one."""


def _check_purposes(
    _policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    """An authority whose purposes are limited must be allowed to certify signers."""
    if purposes is not None and not certificates.SIGNER_PURPOSES_OF_AUTHORITIES & frozenset(purposes):
        raise ValueError("the authority is for other purposes")


def _check_stamping_purposes(
    _policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    """An authority whose purposes are limited must be allowed to certify time-stamp authorities."""
    if purposes is not None and not _STAMPING_PURPOSES & frozenset(purposes):
        raise ValueError("the authority is for other purposes")


_STAMPING_PURPOSES: Final = frozenset(
    (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
)
# The library's own policies are for the web: this one wants clientAuth.
_AUTHORITY: Final = ExtensionPolicy.webpki_defaults_ca().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purposes
)
# The library's own policy is for web servers: it wants a DNS name in every certificate.
_END_ENTITY: Final = ExtensionPolicy.permit_all().require_present(
    x509.KeyUsage, Criticality.AGNOSTIC, _usage_was_checked
)
_STAMPING_AUTHORITY: Final = ExtensionPolicy.webpki_defaults_ca().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_stamping_purposes
)
_STAMPING: Final = ExtensionPolicy.permit_all().require_present(
    x509.ExtendedKeyUsage, Criticality.CRITICAL, None
)
