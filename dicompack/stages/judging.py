"""When signatures are judged: a token counts, a signer's word does not (``spec/8a-time-stamps.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from dicompack.crypto.time_stamps import TimeStamp
from dicompack.crypto.trust import Role, Trusted, TrustStore
from dicompack.errors import UntrustedError
from dicompack.report import Finding

CLOCKS_DIFFER: Final = timedelta(minutes=10)
"""How far an authority's clock may be ahead of ours."""


@dataclass(frozen=True)
class Proven:
    """By when something existed, and who says so."""

    time: datetime
    authority: Trusted


@dataclass(frozen=True)
class Judge:
    """Whom to believe, and what time it is."""

    trust: TrustStore
    now: datetime

    def signer(
        self, certificate: x509.Certificate, chain: Sequence[x509.Certificate], proven: Proven | None = None
    ) -> Trusted:
        """Why a signer is trusted: at the time that a token proves, else now.

        Raises:
            UntrustedError: he is not.
        """
        return self.trust.judge(certificate, chain, proven.time if proven else self.now)  # TSP-8

    def authority(self, stamp: TimeStamp) -> Proven:
        """What a token proves: its authority is trusted now, and was valid at the token's time.

        Raises:
            UntrustedError: it proves nothing (TSP-6, or a rule of trust).
        """
        if stamp.time > self.now + CLOCKS_DIFFER:  # TSP-6
            raise UntrustedError("its time has not come yet", rule="TSP-6")
        trusted = self.trust.judge(stamp.certificate, stamp.chain, self.now, Role.TIMESTAMP)
        start, end = stamp.certificate.not_valid_before_utc, stamp.certificate.not_valid_after_utc
        if not start <= stamp.time <= end:  # TSP-6
            raise UntrustedError("its authority was not valid at its time", rule="TSP-6")
        return Proven(stamp.time, trusted)


def proven_times(
    judge: Judge, stamps: Sequence[tuple[str, TimeStamp | None]]
) -> tuple[tuple[Proven | None, ...], tuple[Finding, ...]]:
    """By when each of some SEALs existed, oldest first: each token covers its own SEAL and those before it.

    Tokens of authorities that are not trusted do not count, and are told.
    """
    own: list[Proven | None] = []
    findings = []
    for name, stamp in stamps:
        try:
            own.append(judge.authority(stamp) if stamp is not None else None)
        except UntrustedError as error:  # TSP-6
            own.append(None)
            message = f"the time-stamp does not count: {error.message}"
            findings.append(Finding("time-stamp-untrusted", name, message, "TSP-6"))
    covered: list[Proven | None] = []
    for start in range(len(own)):
        counting = [one for one in own[start:] if one is not None]
        covered.append(min(counting, key=lambda one: one.time, default=None))
    return tuple(covered), tuple(findings)
