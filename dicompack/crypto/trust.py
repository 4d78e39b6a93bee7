"""Whom to believe: pinned contacts, and authorities by certification path (RFC 5280 §6), at a given time.

There is no trust on first use, and no verdict that could be forgotten: `TrustStore.judge` returns what the
signer is trusted by, or raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography import x509

from dicompack.crypto import certificates
from dicompack.crypto.anchors import (
    Anchor,
    AuthorityAnchor,
    PinnedContact,
    Role,
    load_anchor,
    load_time_stamp_anchors,
    pinned_keys,
)
from dicompack.crypto.certificates import fingerprint, spki_sha256
from dicompack.crypto.paths import path_to
from dicompack.crypto.revocation import Revocations, Standing
from dicompack.errors import UntrustedError

__all__ = [
    "Role",
    "PinnedContact",
    "AuthorityAnchor",
    "Anchor",
    "Trusted",
    "RevokedKey",
    "TrustStore",
    "load_anchor",
    "load_time_stamp_anchors",
    "fingerprint",
    "spki_sha256",
]


@dataclass(frozen=True)
class Trusted:
    """Why somebody is trusted."""

    name: str
    """Of the anchor."""
    how: Literal["pinned", "authority"]
    fingerprint: str
    """Of the anchor: the contact's over all its keys, or the authority's."""
    standing: Standing = Standing.GOOD
    """What revocation lists say; of a pinned contact a person has decided."""


@dataclass(frozen=True)
class ExpectedSigner:
    """The one signer that is demanded, of all who are trusted."""

    fingerprint: str
    """Of a contact, or of the signing key alone."""
    key: bytes | None = None
    """SHA-256 of the signing key's SubjectPublicKeyInfo, where a contact was named."""

    def check(self, certificate: x509.Certificate, trusted: Trusted | None) -> None:
        """See that this is who signed.

        Raises:
            UntrustedError: it is somebody else (TRU-9).
        """
        if self.key is not None:
            fits = self.key == spki_sha256(certificate)
        else:
            # An authority's would let in everybody whom it certifies.
            contact = trusted.fingerprint if trusted and trusted.how == "pinned" else ""
            known = {fingerprint((certificate,)), contact}
            fits = "".join(self.fingerprint.split()).upper() in {"".join(one.split()) for one in known}
        if not fits:  # TRU-9
            own = fingerprint((certificate,))
            raise UntrustedError(
                "signed by somebody else than expected",
                rule="TRU-9",
                hint=f"it was {certificates.name_of(certificate)}, whose signing key alone has {own}",
            )


@dataclass(frozen=True)
class RevokedKey:
    """A key that does not count any more, because a person said so."""

    spki_sha256: bytes
    since: datetime
    """Aware; what a time-stamp proves to be older still counts."""


NO_LISTS: Final = Revocations()


@dataclass(frozen=True)
class TrustStore:
    """A closed list of anchors."""

    anchors: tuple[Anchor, ...] = ()
    revocations: Revocations = NO_LISTS
    expected: ExpectedSigner | None = None
    """Who must have sealed the package, where that is demanded."""
    revoked: tuple[RevokedKey, ...] = ()
    """Of contacts and authorities, whoever else vouches for them."""

    def judge(
        self,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate],
        at: datetime,
        role: Role = Role.SIGNER,
    ) -> Trusted:
        """Decide whether ``certificate`` is trusted in ``role`` at the time ``at`` (aware).

        1. The certificate's own usage and strength fit the role.
        2. A contact is pinned with this key for this role; or an authority with this role has issued it,
           through ``chain`` if need be.
        3. ``at`` lies in its validity, for an authority in that of every certificate of the path.
        4. No certificate of the path was revoked by then, by its authority or by the reader.

        Raises:
            UntrustedError: unknown, expired, not yet valid, revoked, or wrong usage.
            ValueError: ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        _check_usage(certificate, role)  # 1
        self._check_revoked((certificate,), at)  # 4, first: of a revoked key nothing else matters
        pinned = self._pinned(certificate, role)  # 2
        if pinned is not None:
            check_validity(certificate, at)  # 3
            return Trusted(pinned.name, "pinned", pinned.fingerprint)
        authority, path = self._authority(certificate, chain, at, role)  # 2, 3
        self._check_revoked(path, at)  # 4
        standing = self.revocations.check(path, at)
        return Trusted(authority.name, "authority", authority.fingerprint, standing)

    def judge_authority(self, certificate: x509.Certificate, at: datetime) -> AuthorityAnchor:
        """The anchor that this authority is, at a time.

        Raises:
            UntrustedError: it is none, or revoked here, expired or not yet valid.
        """
        self._check_revoked((certificate,), at)
        check_validity(certificate, at)
        for anchor in self.anchors:
            if isinstance(anchor, AuthorityAnchor) and anchor.certificate == certificate:
                return anchor
        raise UntrustedError("the authority is unknown: it is not pinned", rule="TRU-1", hint=_CONFIRM)

    def _check_revoked(self, path: Sequence[x509.Certificate], at: datetime) -> None:
        if not self.revoked:
            return
        keys = set(map(spki_sha256, path))
        since = min((one.since for one in self.revoked if one.spki_sha256 in keys), default=None)
        if since is not None and since <= at:  # TRU-10
            raise UntrustedError(
                f"the key was revoked here, from {since:%Y-%m-%d %H:%M} UTC on",
                rule="TRU-10",
                hint="do not use the data; dicompack keys list says why it was revoked",
            )

    def _pinned(self, certificate: x509.Certificate, role: Role) -> PinnedContact | None:
        key = spki_sha256(certificate)
        for anchor in self.anchors:
            if not isinstance(anchor, PinnedContact) or role not in anchor.roles:  # TRU-5
                continue
            if key in pinned_keys(anchor.contact, role):  # TRU-1
                return anchor
        return None

    def _authority(
        self, certificate: x509.Certificate, chain: Sequence[x509.Certificate], at: datetime, role: Role
    ) -> tuple[AuthorityAnchor, Sequence[x509.Certificate]]:
        verdict = UntrustedError(  # TRU-1
            f"the {role} is unknown: neither pinned nor certified by a trusted authority",
            rule="TRU-1",
            hint=_CONFIRM,
        )
        for anchor in self.anchors:
            if not isinstance(anchor, AuthorityAnchor):
                if spki_sha256(certificate) in pinned_keys(anchor.contact, role):  # TRU-5
                    verdict = UntrustedError(
                        f"{anchor.name} is pinned, but not as {role}",
                        rule="TRU-5",
                        hint=f"if it is to be one: dicompack keys trust CONTACT --role {role}",
                    )
                continue
            if role not in anchor.roles:  # TRU-5
                verdict = UntrustedError(
                    f"the {role} is unknown: not pinned, and no authority is trusted for this role",
                    rule="TRU-5",
                    hint=_CONFIRM,
                )
                continue
            if path := path_to(anchor, certificate, chain, at, role):
                return anchor, path
            # An issuer that is known says more than "unknown": look whether the leaf's time alone is wrong.
            if path_to(anchor, certificate, chain, certificate.not_valid_after_utc, role):
                check_validity(certificate, at)
            verdict = UntrustedError(  # TRU-4
                f"the {role} is unknown: no certification path to a trusted authority holds at that time",
                rule="TRU-4",
                hint=_CONFIRM,
            )
        raise verdict


def _check_usage(certificate: x509.Certificate, role: Role) -> None:
    if role is Role.SIGNER:
        certificates.check_signer(certificate, UntrustedError)
    elif role in (Role.RECIPIENT, Role.CUSTODIAN):
        certificates.check_recipient(certificate, UntrustedError)
    else:
        certificates.check_time_stamp_authority(certificate, UntrustedError)


def check_validity(certificate: x509.Certificate, at: datetime) -> None:
    """See that a time lies in a certificate's validity, both ends of which belong to it.

    Raises:
        UntrustedError: it does not (TRU-2, TRU-3).
    """
    if at < certificate.not_valid_before_utc:  # TRU-2
        start = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise UntrustedError(
            f"the certificate is not yet valid, only from {start}", rule="TRU-2", hint=_CLOCK
        )
    if at > certificate.not_valid_after_utc:  # TRU-3
        end = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise UntrustedError(
            f"the certificate expired on {end}", rule="TRU-3", hint="ask its owner for a renewed one"
        )


_CONFIRM: Final = "confirm the fingerprint with its owner, then: dicompack keys trust CONTACT"
_CLOCK: Final = "check the clocks of both computers"
