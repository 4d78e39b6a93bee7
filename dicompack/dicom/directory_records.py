"""What directory records say of an instance: the type of its record, the keys of each level (PS3.3 F.5).

A key that a record must have, and the instance has not, is made up as other writers do it: a number, a word
that says so, the first day of 1900. In the instance nothing changes.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, string_element
from dicompack.dicom.dictionary import registered_uid

PATIENT: Final = "PATIENT"
STUDY: Final = "STUDY"
SERIES: Final = "SERIES"

_NUMBER: Final = "\N{NUMBER SIGN}"
"""In the place of a value that is made up: the number of the record among its neighbours."""
_DAY, _TIME = "19000101", "000000"

# Tag, VR, and what is made up: None where the key may be empty (type 2).
_Key = tuple[int, str, str | None]
_PATIENT_KEYS: Final[tuple[_Key, ...]] = ((0x00100010, "PN", None), (0x00100020, "LO", f"PATIENT{_NUMBER}"))
_STUDY_KEYS: Final[tuple[_Key, ...]] = (
    (0x00080020, "DA", _DAY), (0x00080030, "TM", _TIME), (0x00080050, "SH", None), (0x00081030, "LO", None),
    (0x00200010, "SH", _NUMBER),
)  # fmt: skip
_SERIES_KEYS: Final[tuple[_Key, ...]] = ((tags.MODALITY, "CS", "OT"), (0x00200011, "IS", _NUMBER))
_INSTANCE: Final[_Key] = (0x00200013, "IS", _NUMBER)
_CONTENT: Final[tuple[_Key, ...]] = ((0x00080023, "DA", _DAY), (0x00080033, "TM", _TIME), _INSTANCE)
_LABELLED: Final[tuple[_Key, ...]] = (
    *_CONTENT, (0x00700080, "CS", "UNKNOWN"), (0x00700081, "LO", None), (0x00700084, "PN", None),
)  # fmt: skip
_CONCEPT: Final[_Key] = (0x0040A043, "SQ", None)

# PS3.3 Table F.4-1: the type of record by the words of the SOP Class's name in PS3.6, and its keys.
_TYPES: Final[tuple[tuple[str, str, tuple[_Key, ...]], ...]] = (
    (r"Key Object Selection", "KEY OBJECT DOC", (*_CONTENT, _CONCEPT)),
    (
        r"Presentation State|Structured Display", "PRESENTATION",
        (
            _INSTANCE, (0x00700080, "CS", "UNKNOWN"), (0x00700081, "LO", None), (0x00700082, "DA", _DAY),
            (0x00700083, "TM", _TIME), (0x00700084, "PN", None), (0x00081115, "SQ", None),
        ),
    ),
    (
        r" SR |Procedure Log|Report Storage", "SR DOCUMENT",
        (
            *_CONTENT, (0x0040A491, "CS", "PARTIAL"), (0x0040A493, "CS", "UNVERIFIED"), _CONCEPT,
            (0x0040A030, "DT", None),
        ),
    ),
    (r"Waveform", "WAVEFORM", _CONTENT),
    (r"RT Dose", "RT DOSE", (_INSTANCE, (0x3004000A, "CS", "PLAN"))),
    (
        r"RT Structure Set", "RT STRUCTURE SET",
        (_INSTANCE, (0x30060002, "SH", "UNKNOWN"), (0x30060008, "DA", None), (0x30060009, "TM", None)),
    ),
    (
        r"RT .*Treatment (Record|Summary)", "RT TREAT RECORD",
        (_INSTANCE, (0x30080250, "DA", None), (0x30080251, "TM", None)),
    ),
    (
        r"RT (Ion )?Plan", "RT PLAN",
        (_INSTANCE, (0x300A0002, "SH", "UNKNOWN"), (0x300A0006, "DA", None), (0x300A0007, "TM", None)),
    ),
    (
        r"Encapsulated", "ENCAP DOC",
        (
            (0x00080023, "DA", None), (0x00080033, "TM", None), _INSTANCE, _CONCEPT, (0x00420010, "ST", None),
            (0x00420012, "LO", "application/octet-stream"),
        ),
    ),
    (r"Raw Data", "RAW DATA", _CONTENT),
    (r"Spatial Registration", "REGISTRATION", _LABELLED),
    (r"Spatial Fiducials", "FIDUCIAL", _LABELLED),
    (r"Real World Value", "VALUE MAP", _LABELLED),
    (r"Stereometric", "STEREOMETRIC", _LABELLED),
    (r"Surface Segmentation", "SURFACE", _LABELLED),
    (r"Surface Scan", "SURFACE SCAN", _CONTENT),
    (r"Tractography", "TRACT", _LABELLED),
    (r"Measurements Storage", "MEASUREMENT", _CONTENT),
    (r"Content Assessment", "ASSESSMENT", _LABELLED),
    (
        r"Spectroscopy", "SPECTROSCOPY",
        (
            (0x00080008, "CS", "ORIGINAL"), *_CONTENT, (0x00280008, "IS", "1"), (tags.ROWS, "US", None),
            (tags.COLUMNS, "US", None), (0x00289001, "UL", None), (0x00289002, "UL", None),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Records:
    """The four levels of an instance, as far as its own attributes say."""

    patient: DataSet
    study: DataSet
    series: DataSet
    instance: DataSet
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    record_type: str

    @classmethod
    def of(cls, data_set: DataSet, transfer_syntax_uid: str) -> Records:
        """From an instance that travels in this Transfer Syntax; nothing of its pixels is kept."""
        sop_class, sop_instance = dicom_file.check_identity(data_set)
        record_type, keys = _type_of(data_set, sop_class)
        uids = (tags.STUDY_INSTANCE_UID, tags.SERIES_INSTANCE_UID)
        study, series = (_uid(data_set, tag) for tag in uids)
        return cls(
            _taken(data_set, _PATIENT_KEYS),
            _taken(data_set, _STUDY_KEYS).replacing(string_element(uids[0], "UI", study)),
            _taken(data_set, _SERIES_KEYS).replacing(string_element(uids[1], "UI", series)),
            _taken(data_set, keys),
            sop_class,
            sop_instance,
            transfer_syntax_uid,
            record_type,
        )

    @property
    def study_instance_uid(self) -> str:
        """Its own, or one that was made up."""
        return self.study.text(tags.STUDY_INSTANCE_UID)

    @property
    def series_instance_uid(self) -> str:
        """Its own, or one that was made up."""
        return self.series.text(tags.SERIES_INSTANCE_UID)

    @property
    def modality(self) -> str:
        """Of the series; empty where nobody said."""
        return self.series.text(tags.MODALITY)

    @property
    def patient_id(self) -> bytes:
        """What tells patients apart; empty where nobody said."""
        return (self.patient.raw(0x00100020) or b"").strip()


def numbered(record: DataSet, record_type: str, number: int) -> DataSet:
    """A record with everything that it must have: what is missing is made up, with its number in it."""
    keys = {PATIENT: _PATIENT_KEYS, STUDY: _STUDY_KEYS, SERIES: _SERIES_KEYS}.get(record_type)
    if keys is None:
        keys = next((keys for _, kind, keys in _TYPES if kind == record_type), _default(record_type))
    made: list[Node] = []
    for tag, vr, word in keys:
        if word is not None and not record.text(tag).strip():
            made.append(string_element(tag, vr, word.replace(_NUMBER, str(number))))
    return record.replacing(*made)


def _type_of(data_set: DataSet, sop_class: str) -> tuple[str, tuple[_Key, ...]]:
    registered = registered_uid(sop_class)
    name = registered.name if registered else ""
    if not name.removesuffix(" (Retired)").endswith("Image Storage"):
        for pattern, record_type, keys in _TYPES:
            if re.search(pattern, name):
                return record_type, keys
    if any(tag in data_set for tag in (tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA)):
        return "IMAGE", _default("IMAGE")
    return "PRIVATE", _default("PRIVATE")


def _default(record_type: str) -> tuple[_Key, ...]:
    return (_INSTANCE,) if record_type == "IMAGE" else ()


def _taken(data_set: DataSet, keys: tuple[_Key, ...]) -> DataSet:
    """The keys that the instance has, with their character set; empty ones for the others."""
    nodes: list[Node] = []
    for tag, vr, word in keys:
        node = data_set.get(tag)
        if vr == "SQ" and isinstance(node, Sequence):
            nodes.append(Sequence(tag, tuple(map(_copied, node.items))))
        elif vr != "SQ" and isinstance(node, Element):
            nodes.append(Element(tag, vr, bytes(node.value)))  # with its own VR, whatever the instance has
        elif word is None and vr not in ("US", "UL", "DT"):
            nodes.append(Sequence(tag, ()) if vr == "SQ" else Element(tag, vr, b""))
    charset = data_set.raw(tags.SPECIFIC_CHARACTER_SET)
    if charset:
        nodes.append(Element(tags.SPECIFIC_CHARACTER_SET, "CS", charset))
    return DataSet(nodes)


def _copied(item: DataSet) -> DataSet:
    """Without views into the instance's bytes, which would keep all of them, and without pixels (icons)."""
    nodes: list[Node] = []
    for node in item:
        if isinstance(node, Sequence):
            nodes.append(Sequence(node.tag, tuple(map(_copied, node.items))))
        elif isinstance(node, Element):
            nodes.append(Element(node.tag, node.vr, bytes(node.value)))
    return DataSet(nodes)


def _uid(data_set: DataSet, tag: int) -> str:
    found = data_set.text(tag)
    return found if dicom_file.is_uid(found) else f"2.25.{uuid.uuid4().int}"
