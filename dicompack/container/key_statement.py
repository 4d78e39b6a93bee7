"""What the owner of keys says about them: who follows, or that they are revoked. He signs what is here."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dicompack.container import canonical_json
from dicompack.container.faults import ContentsFormatError
from dicompack.container.limits import MAXIMUM_CERTIFICATE_SIZE, MAXIMUM_SEAL_SIZE
from dicompack.container.shapes import (
    SHA256_HEX,
    TIME,
    Field,
    Record,
    base64_field,
    null_or,
    one_of,
    parse_time,
    time_text,
)

if TYPE_CHECKING:
    from datetime import datetime

FORMAT = 1
LONGEST_REASON = 200  # characters: a line or two on a terminal
_WHERE = "statement"


@dataclass(frozen=True)
class Succession:
    """The contact that takes the place of the signer's."""

    acceptance: bytes
    """SignedData by the successor's signing key: nobody is made a successor who does not say so himself."""
    decryption: bytes | None
    """The certificate of its decryption key in DER, where there is one."""
    kem: bytes | None = None
    """The same of an ML-KEM key beside it."""


@dataclass(frozen=True)
class Acceptance:
    """What a successor signs itself."""

    follows: str
    """SHA-256 of the SubjectPublicKeyInfo of the signing key that it follows, in hex."""


@dataclass(frozen=True)
class Revocation:
    """All keys of the signer's contact do not count any more."""

    since: datetime
    """UTC, whole seconds; the owner's claim."""
    reason: str


Statement: TypeAlias = Succession | Acceptance | Revocation

_REASON = Field(
    f"printable text of at most {LONGEST_REASON} characters",
    lambda v: type(v) is str and len(v) <= LONGEST_REASON and v.isprintable(),
)
_CERTIFICATE = base64_field("a certificate in base64", MAXIMUM_CERTIFICATE_SIZE)
_SHAPES = {
    "acceptance": Record(
        {"follows": SHA256_HEX, "format": one_of(FORMAT), "statement": one_of("acceptance")}
    ),
    "revocation": Record(
        {"format": one_of(FORMAT), "reason": _REASON, "since": TIME, "statement": one_of("revocation")}
    ),
    "successor": Record(
        {
            "acceptance": base64_field("SignedData in base64", MAXIMUM_SEAL_SIZE // 2),
            "decryption": null_or(_CERTIFICATE),
            "format": one_of(FORMAT),
            "kem": null_or(_CERTIFICATE),
            "statement": one_of("successor"),
        }
    ),
}


def is_reason(text: str) -> bool:
    """Whether a statement can give this as the reason of a revocation."""
    return _REASON.holds(text)


def marshal(statement: Statement) -> bytes:
    """The JSON of a statement."""
    value: dict[str, Any] = {"format": FORMAT}
    match statement:
        case Succession(acceptance, decryption, kem):
            value |= {
                "acceptance": base64.b64encode(acceptance).decode("ascii"),
                "decryption": _encoded(decryption),
                "kem": _encoded(kem),
                "statement": "successor",
            }
        case Acceptance(follows):
            value |= {"follows": follows, "statement": "acceptance"}
        case Revocation(since, reason):
            value |= {"reason": reason, "since": time_text(since), "statement": "revocation"}
    return canonical_json.marshal(value)


def parse(raw: bytes) -> Statement:
    """Read a statement, after its signature has been checked.

    Raises:
        FormatError: PKG-1, KEY-11.
    """
    value = canonical_json.parse(raw, maximum_size=MAXIMUM_SEAL_SIZE, where=_WHERE)
    kind = value.get("statement") if type(value) is dict else None
    shape = _SHAPES.get(kind) if type(kind) is str else None
    faults = ["it says nothing about keys"] if shape is None else shape.faults(value)
    if faults:  # KEY-11
        raise ContentsFormatError(faults, where=_WHERE, rule="KEY-11")
    if kind == "revocation":
        return Revocation(parse_time(value["since"]), value["reason"])
    if kind == "acceptance":
        return Acceptance(value["follows"])
    return Succession(
        base64.b64decode(value["acceptance"]), _decoded(value["decryption"]), _decoded(value["kem"])
    )


def _encoded(certificate: bytes | None) -> str | None:
    return None if certificate is None else base64.b64encode(certificate).decode("ascii")


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
