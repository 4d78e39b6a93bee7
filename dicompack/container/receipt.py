"""What a receipt says: which package was received whole, and when. The recipient's signature is around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicompack.container import canonical_json
from dicompack.container.faults import ContentsFormatError
from dicompack.container.limits import MAXIMUM_MEMBERS, MAXIMUM_SEAL_SIZE
from dicompack.container.shapes import (
    SET_ID_HEX,
    SHA256_HEX,
    TIME,
    Record,
    integer,
    one_of,
    parse_time,
    time_text,
)

if TYPE_CHECKING:
    from datetime import datetime

FORMAT = 1


@dataclass(frozen=True)
class Received:
    """What whoever has the package can compare; no name, no path, no UID."""

    set_id: bytes
    volume_set: bytes
    members: int
    manifest: str
    """SHA-256 of the sealed MANIFEST after its RecipientInfos, in hex: the same after every rewrap."""
    seal: str
    """SHA-256 of the newest SEAL's SignedData, in hex."""


@dataclass(frozen=True)
class Receipt:
    """The contents of a receipt."""

    received: Received
    at: datetime
    """UTC, in whole seconds; a claim."""


_SHAPE = Record(
    {
        "format": one_of(FORMAT),
        "manifest": SHA256_HEX,
        "members": integer(1, MAXIMUM_MEMBERS),
        "received": TIME,
        "seal": SHA256_HEX,
        "set_id": SET_ID_HEX,
        "volume_set": SET_ID_HEX,
    }
)


def marshal(receipt: Receipt) -> bytes:
    """The JSON of a receipt."""
    facts = receipt.received
    return canonical_json.marshal(
        {
            "format": FORMAT,
            "manifest": facts.manifest,
            "members": facts.members,
            "received": time_text(receipt.at),
            "seal": facts.seal,
            "set_id": facts.set_id.hex(),
            "volume_set": facts.volume_set.hex(),
        }
    )


def parse(raw: bytes) -> Receipt:
    """Read a receipt, after its signature has been checked.

    Raises:
        FormatError: PKG-1, SEA-4.
    """
    value = canonical_json.parse(raw, maximum_size=MAXIMUM_SEAL_SIZE, where="receipt")
    faults = _SHAPE.faults(value)
    if faults:  # SEA-4
        raise ContentsFormatError(faults, where="receipt", rule="SEA-4")
    facts = Received(
        bytes.fromhex(value["set_id"]),
        bytes.fromhex(value["volume_set"]),
        value["members"],
        value["manifest"],
        value["seal"],
    )
    return Receipt(facts, parse_time(value["received"]))
