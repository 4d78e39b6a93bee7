"""What a SEAL says: a small JSON about the sealed bytes, for anybody to read. The signature is around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dicompack.container import canonical_json
from dicompack.container.faults import ContentsFormatError
from dicompack.container.limits import (
    MAXIMUM_COLUMNS,
    MAXIMUM_MEMBERS,
    MAXIMUM_RECIPIENTS,
    MAXIMUM_SEAL_SIZE,
    MAXIMUM_SEALS,
    MAXIMUM_VOLUMES,
)
from dicompack.container.shapes import (
    BOOLEAN,
    SET_ID_HEX,
    SHA256_HEX,
    Record,
    array,
    integer,
    is_sorted_set,
    null_or,
    one_of,
)
from dicompack.errors import UnsupportedError

FORMAT = 1
ENVELOPE_AEAD = "aead"
"""CMS AuthEnvelopedData, AES-256-GCM."""


@dataclass(frozen=True)
class Seal:
    """The contents of one SEAL."""

    set_id: bytes
    """16 bytes: the package."""
    volume_set: bytes
    """16 bytes: the set of volumes that this seal was made for."""
    members: int
    objects: int
    """Sealed objects that hold the members: more than members where one is in parts."""
    data_volumes: int
    recipients: tuple[str, ...]
    """SHA-256 of each recipient's SubjectPublicKeyInfo, in hex, ascending."""
    digests: tuple[str, str]
    """SHA-256 of each column of DIGESTS, in hex."""
    sequence: int = 1
    previous: str | None = None
    """SHA-256 of the whole SEAL entry before this one, in hex; None for the first."""
    recovery_volumes: int = 0
    originals: int = 0
    """Objects with restoring data."""
    custody: bool = False
    """Whether these, and a CUSTODY, are for custodians only."""
    envelope: str = ENVELOPE_AEAD


_RECIPIENTS = array(
    f"1 to {MAXIMUM_RECIPIENTS} different SHA-256 in ascending order",
    lambda v: 1 <= len(v) <= MAXIMUM_RECIPIENTS and all(map(SHA256_HEX.holds, v)) and is_sorted_set(v),
)
_SHAPE = Record(
    {
        "custody": BOOLEAN,
        "data_volumes": integer(1, MAXIMUM_VOLUMES),
        "digests": array("two SHA-256", lambda v: len(v) == 2 and all(map(SHA256_HEX.holds, v))),
        "envelope": one_of(ENVELOPE_AEAD),
        "format": one_of(FORMAT),
        "members": integer(1, MAXIMUM_MEMBERS),
        "objects": integer(1, MAXIMUM_MEMBERS),
        "originals": integer(0, MAXIMUM_MEMBERS),
        "previous": null_or(SHA256_HEX),
        "recipients": _RECIPIENTS,
        "recovery_volumes": integer(0, MAXIMUM_COLUMNS - 1),
        "sequence": integer(1, MAXIMUM_SEALS),
        "set_id": SET_ID_HEX,
        "volume_set": SET_ID_HEX,
    }
)


def marshal(seal: Seal) -> bytes:
    """The JSON of a seal.

    Raises:
        ContentsFormatError: PKG-6, PKG-7 no reader would take it.
    """
    value = {
        "custody": seal.custody,
        "data_volumes": seal.data_volumes,
        "digests": list(seal.digests),
        "envelope": seal.envelope,
        "format": FORMAT,
        "members": seal.members,
        "objects": seal.objects,
        "originals": seal.originals,
        "previous": seal.previous,
        "recipients": list(seal.recipients),
        "recovery_volumes": seal.recovery_volumes,
        "sequence": seal.sequence,
        "set_id": seal.set_id.hex(),
        "volume_set": seal.volume_set.hex(),
    }
    _check(value, "SEAL")
    return canonical_json.marshal(value)


def parse(raw: bytes, where: str = "SEAL") -> Seal:
    """Read a seal, after its signature has been checked.

    Raises:
        FormatError: PKG-1, PKG-6, PKG-7.
        UnsupportedError: PKG-9 a newer format, envelope or feature.
    """
    value = canonical_json.parse(raw, maximum_size=MAXIMUM_SEAL_SIZE, where=where)
    check_supported(value, where)
    _check(value, where)
    return Seal(
        set_id=bytes.fromhex(value["set_id"]),
        volume_set=bytes.fromhex(value["volume_set"]),
        members=value["members"],
        objects=value["objects"],
        data_volumes=value["data_volumes"],
        recipients=tuple(value["recipients"]),
        digests=(value["digests"][0], value["digests"][1]),
        sequence=value["sequence"],
        previous=value["previous"],
        recovery_volumes=value["recovery_volumes"],
        originals=value["originals"],
        custody=value["custody"],
        envelope=value["envelope"],
    )


def check_supported(value: Any, where: str) -> None:
    """Say "newer" rather than "wrong" about what a later DICOMPack may write; shared with the MANIFEST.

    Raises:
        UnsupportedError: PKG-9
    """
    if type(value) is not dict:
        return
    newer = type(value.get("format")) is int and value["format"] > FORMAT
    newer |= type(value.get("envelope")) is str and value["envelope"] != ENVELOPE_AEAD
    if newer:  # PKG-9
        raise UnsupportedError(
            "written in a format that this program does not have",
            where=where,
            rule="PKG-9",
            hint="install a newer DICOMPack",
        )


def _check(value: Any, where: str) -> None:
    faults = _SHAPE.faults(value)
    if not faults and value["objects"] < value["members"]:
        faults.append("there are more members than objects")
    if faults:  # PKG-6
        raise ContentsFormatError(faults, where=where, rule="PKG-6")
    if (value["sequence"] == 1) != (value["previous"] is None):  # PKG-7
        raise ContentsFormatError(
            ["only the first seal of a package has no predecessor"], where=where, rule="PKG-7"
        )
