"""Pinned contacts and authorities: a file each, what a person has decided above the certificates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dicompack.errors import UsageError

SIGNER: Final = "signer"
RECIPIENT: Final = "recipient"
CUSTODIAN: Final = "custodian"
TIME_STAMP_AUTHORITY: Final = "time-stamp-authority"
ROLES: Final = (SIGNER, RECIPIENT, CUSTODIAN, TIME_STAMP_AUTHORITY)
"""As `crypto.trust.Role` names them; here, so that a help text need not load cryptography."""
DEFAULT_ROLES: Final = (SIGNER, RECIPIENT)
"""Who undoes de-identification, or says what time it was, is a decision of its own."""
LONGEST_REASON: Final = 200
"""Characters: a line or two on a terminal."""

_BEGIN: Final = b"-----BEGIN "
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_KEYS: Final = ("roles", "revoked", "reason", "successor")
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Pinned:
    """What a pinned file says."""

    certificates: bytes
    """PEM."""
    roles: tuple[str, ...] = DEFAULT_ROLES
    revoked: datetime | None = None
    """From when on the keys do not count any more; UTC, whole seconds."""
    reason: str = ""
    """Why they were revoked, in the person's own words."""
    successor: str = ""
    """The fingerprint of the contact that this one named in its place."""

    def marshal(self) -> bytes:
        """Lines of ``key: value``, then the certificates: other programs read past the lines."""
        values = {
            "roles": ", ".join(self.roles),
            "revoked": f"{self.revoked:{_TIME}}" if self.revoked else "",
            "reason": self.reason,
            "successor": self.successor,
        }
        head = "".join(f"{key}: {value}\n" for key, value in values.items() if value)
        return head.encode() + self.certificates

    @classmethod
    def parse(cls, data: bytes, where: str) -> Pinned:
        """The reverse of `marshal`; certificates alone have the default roles.

        Raises:
            UsageError: a line that is none of these: a restriction that is misspelt must not be passed over.
        """
        # CLI-22
        # At the beginning of a line: a reason is another person's text, and may hold anything.
        start = 0 if data.startswith(_BEGIN) else data.find(b"\n" + _BEGIN) + 1 or -1
        head, certificates = (data[:start], data[start:]) if start >= 0 else (b"", data)
        if head and not head.endswith(b"\n"):
            head += b"\n"
        values: dict[str, str] = {}
        try:
            if _CERTIFICATE.sub(b"", certificates).strip() and start >= 0:
                raise ValueError("text between")
            for line in head.decode("utf-8").split("\n")[:-1]:
                key, colon, value = line.partition(": ")
                if not colon or key not in _KEYS or key in values or not value:
                    raise ValueError(key)
                values[key] = value
            revoked = values.get("revoked")
            return cls(
                certificates,
                checked_roles(values["roles"].split(", ")) if "roles" in values else DEFAULT_ROLES,
                datetime.strptime(revoked, _TIME).replace(tzinfo=UTC) if revoked else None,
                values.get("reason", ""),
                values.get("successor", ""),
            )
        except ValueError as error:
            raise UsageError(
                "the lines above the certificates of this pinned contact cannot be read",
                where=where,
                rule="CLI-22",
                hint="mend or delete its file in the configuration folder, then pin it again",
            ) from error


def read_pinned(name: str, path: Path) -> Pinned:
    """What the pinned file of this name says.

    Raises:
        UsageError: it cannot be read.
    """
    from dicompack.cli.key_files import read_key_file

    return Pinned.parse(read_key_file(path), name)


def checked_roles(roles: Sequence[str]) -> tuple[str, ...]:
    """Roles in their one order.

    Raises:
        ValueError: one is not known, or named twice.
    """
    if len(set(roles)) != len(roles) or not set(roles) <= set(ROLES):
        raise ValueError("unknown roles")
    return tuple(role for role in ROLES if role in roles)
