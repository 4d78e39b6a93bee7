"""Names that replace names: new UIDs and patient pseudonyms, all derived from the project key.

Who holds the key gets the same replacement for the same identity in every delivery; nobody else can compute
one from an identity that he guesses.
"""

from __future__ import annotations

import base64
from typing import Final, Protocol

from dicompack.dicom.dataset import DataSet
from dicompack.dicom.dictionary import registered_uid
from dicompack.errors import SuspectError

LABELS: Final = ("uid", "patient-id", "patient-study", "patient-instance", "date-shift")
"""The closed set of uses; no two of them share output."""

PATIENT_ID: Final = 0x00100020
_ISSUER: Final = 0x00100021
_STUDY: Final = 0x0020000D
_INSTANCE: Final = 0x00080018

# 20 characters of base32 are 100 bits: no two patients of any archive meet, and it fits every LO and PN.
_PSEUDONYM_CHARACTERS = 20


class Derive(Protocol):
    """A keyed pseudo-random function: 32 bytes per label and parts, the parts encoded injectively."""

    def __call__(self, label: str, *parts: bytes) -> bytes:
        """The 32 bytes of these parts under one of `LABELS`."""
        ...


def new_uid(uid: str, derive: Derive) -> str:
    """The UID that replaces another: a version 8 UUID (RFC 9562 §5.8) under ``2.25`` (PS3.5 B.2).

    UIDs that PS3.6 Annex A registers name no instance of anybody's and stay (DEI-6).
    """
    if _is_registered(uid):  # DEI-6
        return uid
    octets = bytearray(derive("uid", uid.encode("utf-8"))[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(octets, 'big')}"


def pseudonym_of_item(item: DataSet, derive: Derive) -> str | None:
    """The pseudonym of the patient whom Patient ID and Issuer of Patient ID name here; None without an ID."""
    identifier = _stripped(item, PATIENT_ID)
    return _text(derive("patient-id", identifier, _stripped(item, _ISSUER))) if identifier else None


def pseudonym_of_instance(data_set: DataSet, derive: Derive) -> str:
    """The pseudonym of an instance's patient; without a Patient ID, one per study or at least per instance.

    Raises:
        SuspectError: neither patient, study nor instance has an identifier (DEI-7).
    """
    if pseudonym := pseudonym_of_item(data_set, derive):
        return pseudonym
    for label, tag in (("patient-study", _STUDY), ("patient-instance", _INSTANCE)):
        if uid := _stripped(data_set, tag):
            return _text(derive(label, uid))
    raise SuspectError(  # DEI-7
        "no patient id, study or instance uid to make a pseudonym from", rule="DEI-7"
    )


def _stripped(data_set: DataSet, tag: int) -> bytes:
    return (data_set.raw(tag) or b"").strip(b" \0")


def _text(octets: bytes) -> str:
    return f"DP-{base64.b32encode(octets)[:_PSEUDONYM_CHARACTERS].decode('ascii')}"


def _is_registered(uid: str) -> bool:
    return uid.startswith("1.2.840.10008.") and registered_uid(uid) is not None
