"""What is known of an original file, and CUSTODY, which tells it to custodians only (JSON).

A package of instances as they are names the originals in its MANIFEST; a de-identified one does in CUSTODY
and in no other place: a digest of an original lets whoever has a candidate confirm whose images these are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from sys import intern
from typing import Any

from dicompack.container import canonical_json
from dicompack.container.faults import ContentsFormatError
from dicompack.container.limits import (
    MAXIMUM_FILE_SIZE,
    MAXIMUM_MANIFEST_SIZE,
    MAXIMUM_MEMBERS,
    MAXIMUM_NAME,
)
from dicompack.container.seal import FORMAT, check_supported
from dicompack.container.shapes import SET_ID_HEX, SHA256_HEX, Field, Record, array, integer, one_of
from dicompack.container.solid import MAXIMUM_RESTORING, padded_size

_MAXIMUM_UID = 256  # characters: what stood there may be no UID


@dataclass(frozen=True, slots=True)
class Restoring:
    """Where the restoring data of a file are."""

    object: int
    """Number of the ORIGINAL object; the files of one object follow each other in it."""
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was packed."""

    name: str
    """Relative to the source that it was found in, with ``/`` between components."""
    sha256: str
    size: int
    restoring: Restoring


@dataclass(frozen=True, slots=True)
class CustodyMember:
    """What an instance was before it was de-identified."""

    original: Original
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    signatures: int
    """Digital Signatures that the source carried, at any level."""


@dataclass(frozen=True)
class Custody:
    """The whole list, in the order of the MANIFEST's members."""

    set_id: bytes
    members: tuple[CustodyMember, ...]


def _is_name(value: Any) -> bool:
    if type(value) is not str or not 1 <= len(value) <= MAXIMUM_NAME or "\0" in value:
        return False
    return not any(component in ("", ".", "..") for component in value.split("/"))  # ORG-8


_ANY_UID = Field("a short text", lambda v: type(v) is str and len(v) <= _MAXIMUM_UID)
ORIGINAL = Record(
    {
        "name": Field("a relative path of plain components", _is_name),
        "restoring": Record(
            {
                "object": integer(1, MAXIMUM_MEMBERS),
                "sha256": SHA256_HEX,
                "size": integer(1, MAXIMUM_RESTORING),
            }
        ),
        "sha256": SHA256_HEX,
        "size": integer(0, MAXIMUM_FILE_SIZE),
    }
)
_MEMBER = Record(
    {
        "original": ORIGINAL,
        "series_instance_uid": _ANY_UID,
        "signatures": integer(0, MAXIMUM_MEMBERS),
        "sop_instance_uid": _ANY_UID,
        "study_instance_uid": _ANY_UID,
    }
)
_SHAPE = Record(
    {
        "format": one_of(FORMAT),
        "members": array(f"a list of 1 to {MAXIMUM_MEMBERS}", lambda v: 1 <= len(v) <= MAXIMUM_MEMBERS),
        "padding": Field("zeros", lambda v: type(v) is str and not v.strip("0")),
        "set_id": SET_ID_HEX,
    }
)


def original_value(original: Original) -> dict[str, Any]:
    """An original as JSON has it."""
    restoring = original.restoring
    return {
        "name": original.name,
        "restoring": {"object": restoring.object, "sha256": restoring.sha256, "size": restoring.size},
        "sha256": original.sha256,
        "size": original.size,
    }


def parse_original(value: dict[str, Any]) -> Original:
    """The reverse of `original_value`, for a value without faults."""
    return Original(value["name"], value["sha256"], value["size"], Restoring(**value["restoring"]))


def object_faults(originals: Iterable[Original]) -> Iterator[str]:
    """ORG-9: objects are numbered in the order in which files first need them, and shared by neighbours."""
    last = 0
    for place, original in enumerate(originals, start=1):
        number = original.restoring.object
        if number not in (last, last + 1):
            yield f"the object of original {place} is out of order"
        last = max(last, number)


def marshal(custody: Custody) -> bytes:
    """The JSON of CUSTODY.

    Raises:
        ContentsFormatError: ORG-5 no reader would take it.
    """
    value = {
        "format": FORMAT,
        "members": list(custody.members),
        "padding": "",
        "set_id": custody.set_id.hex(),
    }
    members = _Members()
    raw = canonical_json.marshal(value, {"members": members.written})
    _check(value, members)
    # Names are as long as they are, and nobody sees it.
    value["padding"] = "0" * (padded_size(len(raw)) - len(raw))
    return canonical_json.marshal(value, {"members": _member_value})


def parse(raw: bytes) -> Custody:
    """Read CUSTODY, after its tag and signature have been checked.

    Raises:
        ContentsFormatError: ORG-5, with every fault in `faults`.
        FormatError: PKG-1.
        UnsupportedError: PKG-9 a newer format.
    """
    members = _Members()
    value = canonical_json.parse(
        raw, maximum_size=MAXIMUM_MANIFEST_SIZE, where="CUSTODY", each={"members": members.read}
    )
    check_supported(value, "CUSTODY")
    _check(value, members)
    return Custody(bytes.fromhex(value["set_id"]), tuple(value["members"]))


class _Members:
    """The long list, whose elements are checked one by one, and what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._count = 0

    def read(self, value: Any) -> CustodyMember | None:
        """A member; None where it has faults."""
        if not self._holds(value):
            return None
        return CustodyMember(
            parse_original(value["original"]),
            intern(value["study_instance_uid"]),
            intern(value["series_instance_uid"]),
            value["sop_instance_uid"],
            value["signatures"],
        )

    def written(self, member: CustodyMember) -> dict[str, Any]:
        """The reverse."""
        value = _member_value(member)
        self._holds(value)
        return value

    def _holds(self, value: Any) -> bool:
        self._count += 1
        faults = _MEMBER.faults(value, f"member {self._count}")
        self.faults += faults
        return not faults


def _member_value(member: CustodyMember) -> dict[str, Any]:
    return {
        "original": original_value(member.original),
        "series_instance_uid": member.series_instance_uid,
        "signatures": member.signatures,
        "sop_instance_uid": member.sop_instance_uid,
        "study_instance_uid": member.study_instance_uid,
    }


def _check(value: Any, members: _Members) -> None:
    """Of `value` the list holds what its elements mean; what is wrong with those is in `members`."""
    faults = _SHAPE.faults(value) or members.faults
    if faults:  # ORG-5
        raise ContentsFormatError(faults, where="CUSTODY", rule="ORG-5")
    originals = [member.original for member in value["members"]]
    originals.sort(key=lambda one: one.restoring.object)
    if out_of_order := list(object_faults(originals)):  # ORG-9
        raise ContentsFormatError(out_of_order, where="CUSTODY", rule="ORG-9")
