"""The DICOMDIR of a File-set (PS3.3 Annex F, PS3.10 §8.6): made for what was packed, read from anybody.

Beside the standard's keys a directory of ours has private elements, creator DICOMPACK in group 0009: in the
record of an instance SHA-256 (01) and size (03) of the DICOM File, and at the top whom the File-set is
addressed to (02).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from dicompack.dicom import dicom_file, encoding, tags
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element, string_element
from dicompack.dicom.directory_records import PATIENT, SERIES, STUDY, Records, numbered
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import DicomPackError, FormatError

DIRECTORY_NAME: Final = "DICOMDIR"
MAX_DIRECTORY: Final = 64 << 20
"""Bytes: more than 100 000 instances. It is held in memory, and what a walk gives is ten times as large."""
NAME_SIZE: Final = 32
"""SHA-256."""

_COMPONENT: Final = re.compile(r"[A-Z0-9_]{1,8}")
_MAX_COMPONENTS: Final = 8
_CREATOR: Final = string_element(0x00090010, "LO", "DICOMPACK")
_FILE_SHA256: Final = 0x00091001
_ADDRESSED_TO: Final = 0x00091002
_FILE_SIZE: Final = 0x00091003
_IN_USE: Final = 0xFFFF
_ITEM_HEADER: Final = 8


@dataclass(frozen=True)
class DirectoryFile:
    """An instance of a File-set, as its record has it."""

    file_id: tuple[str, ...]
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: bytes | None = None
    """Of the DICOM File; None where the directory does not say."""
    size: int = 0
    """Of the DICOM File; 0 where the directory does not say."""
    modality: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(frozen=True)
class Directory:
    """What a DICOMDIR says."""

    file_set_uid: str
    files: tuple[DirectoryFile, ...]
    """In the order of their File IDs."""
    addressed_to: tuple[bytes, ...] | None = None
    """Names of the keys that the File-set was sealed for; None where the directory does not say."""


@dataclass(frozen=True)
class DescribedFile:
    """An instance that is to be listed."""

    file_id: tuple[str, ...]
    records: Records
    sha256: bytes
    """Of the DICOM File."""
    size: int


@dataclass
class _Record:
    """A record on its way into the sequence."""

    kind: str
    keys: DataSet
    below: list[_Record] = field(default_factory=list)
    offset: int = 0


# --------------------------------------------------------------------------------------------- make


def marshal(
    file_set_uid: str,
    files: Iterable[DescribedFile],
    addressed_to: Iterable[bytes],
) -> bytes:
    """The DICOM File of a directory.

    Args:
        file_set_uid: of the File-set, a new one.
        files: what is in it.
        addressed_to: names of the keys that it is sealed for.
    """
    roots = _tree(files)
    ordered = list(_depth_first(roots))
    head = dicom_file.head(EXPLICIT_LITTLE, dicom_file.DICOMDIR_CLASS, file_set_uid)
    names = Element(_ADDRESSED_TO, "OB", b"".join(addressed_to))
    # Offsets have one size, so where each record stands is known before they are.
    empty = encoding.sizes(encoding.marshal(_top(0, 0, (), ()), EXPLICIT_LITTLE))
    at = encoding.sizes(head) + empty
    for one in ordered:
        one.offset = at
        at += _ITEM_HEADER + encoding.sizes(encoding.marshal(_item(one, 0), EXPLICIT_LITTLE))
    items = tuple(_item(one, after) for one, after in _with_next(roots))
    first, last = (roots[0].offset, roots[-1].offset) if roots else (0, 0)
    whole = _top(first, last, items, (_CREATOR, names))
    return encoding.joined([*head, *encoding.marshal(whole, EXPLICIT_LITTLE)])


def _tree(files: Iterable[DescribedFile]) -> list[_Record]:
    roots: list[_Record] = []
    known: dict[tuple[object, ...], _Record] = {}

    def level(path: tuple[object, ...], kind: str, keys: DataSet, among: list[_Record]) -> _Record:
        found = known.get(path)
        if found is None:
            found = known[path] = _Record(kind, numbered(keys, kind, len(among) + 1))
            among.append(found)
        return found

    for file in files:
        records = file.records
        study_uid, series_uid = records.study_instance_uid, records.series_instance_uid
        patient = level((records.patient_id,), PATIENT, records.patient, roots)
        study = level((records.patient_id, study_uid), STUDY, records.study, patient.below)
        path = (records.patient_id, study_uid, series_uid)
        series = level(path, SERIES, records.series, study.below)
        keys = numbered(records.instance, records.record_type, len(series.below) + 1).replacing(
            string_element(tags.REFERENCED_FILE_ID, "CS", "\\".join(file.file_id)),
            string_element(tags.REFERENCED_SOP_CLASS_UID_IN_FILE, "UI", records.sop_class_uid),
            string_element(tags.REFERENCED_SOP_INSTANCE_UID_IN_FILE, "UI", records.sop_instance_uid),
            string_element(tags.REFERENCED_TRANSFER_SYNTAX_UID_IN_FILE, "UI", records.transfer_syntax_uid),
            _CREATOR,
            Element(_FILE_SHA256, "OB", file.sha256),
            Element(_FILE_SIZE, "UV", file.size.to_bytes(8, "little")),
        )
        if records.record_type == "PRIVATE":
            keys = keys.replacing(string_element(tags.PRIVATE_RECORD_UID, "UI", records.sop_class_uid))
        series.below.append(_Record(records.record_type, keys))
    return roots


def _depth_first(records: list[_Record]) -> Iterator[_Record]:
    for one in records:
        yield one
        yield from _depth_first(one.below)


def _with_next(records: list[_Record]) -> Iterator[tuple[_Record, int]]:
    """Each record in its order, and where the next one of its level stands; 0 for the last."""
    for place, one in enumerate(records):
        yield one, records[place + 1].offset if place + 1 < len(records) else 0
        yield from _with_next(one.below)


def _item(record: _Record, after: int) -> DataSet:
    return record.keys.replacing(
        number_element(tags.NEXT_RECORD, "UL", after),
        number_element(tags.RECORD_IN_USE, "US", _IN_USE),
        number_element(tags.LOWER_RECORD, "UL", record.below[0].offset if record.below else 0),
        string_element(tags.DIRECTORY_RECORD_TYPE, "CS", record.kind),
    )


def _top(first: int, last: int, items: tuple[DataSet, ...], more: tuple[Element, ...]) -> DataSet:
    return DataSet(
        (
            Element(tags.FILE_SET_ID, "CS", b""),
            number_element(tags.FIRST_ROOT_RECORD, "UL", first),
            number_element(tags.LAST_ROOT_RECORD, "UL", last),
            number_element(tags.FILE_SET_CONSISTENCY, "US", 0),
            Sequence(tags.DIRECTORY_RECORD_SEQUENCE, items),
            *more,
        )
    )


# --------------------------------------------------------------------------------------------- read


def parse(data: bytes) -> Directory:
    """What a DICOMDIR lists.

    Study, series and modality of a file are those of the records before its own, as they stand in most
    directories; what counts is in the file.

    Raises:
        FormatError: no DICOMDIR, or a File ID that is none or stands twice (SDF-11).
    """
    try:
        file = dicom_file.parse(data)
    except DicomPackError as error:
        raise FormatError("the DICOMDIR is not sound", rule="SDF-11") from error
    if not file.is_directory or file.transfer_syntax != EXPLICIT_LITTLE:  # SDF-11
        raise FormatError("not a DICOMDIR in explicit VR little endian", rule="SDF-11")
    uid = file.meta.text(tags.MEDIA_STORAGE_SOP_INSTANCE_UID)
    if not dicom_file.is_uid(uid):
        raise FormatError("the DICOMDIR does not name its File-set", rule="SDF-11")
    listed = _files(file.data_set.items(tags.DIRECTORY_RECORD_SEQUENCE))
    files = tuple(sorted(listed, key=lambda one: one.file_id))
    if len({one.file_id for one in files}) < len(files):
        raise FormatError("the DICOMDIR lists a file twice", rule="SDF-11")
    names = _own(file.data_set, _ADDRESSED_TO)
    if names is not None and len(names) % NAME_SIZE:
        raise FormatError("the DICOMDIR does not say whom it is addressed to", rule="SDF-11")
    addressed = (
        None if names is None else tuple(names[at : at + NAME_SIZE] for at in range(0, len(names), NAME_SIZE))
    )
    return Directory(uid, files, addressed)


def _files(records: Iterable[DataSet]) -> Iterator[DirectoryFile]:
    study = series = modality = ""
    for record in records:
        kind = record.text(tags.DIRECTORY_RECORD_TYPE)
        if kind in (PATIENT, STUDY):
            study, series, modality = record.text(tags.STUDY_INSTANCE_UID), "", ""
        elif kind == SERIES:
            series, modality = record.text(tags.SERIES_INSTANCE_UID), record.text(tags.MODALITY)
        if record.number(tags.RECORD_IN_USE) == 0 or not record.text(tags.REFERENCED_FILE_ID):
            continue
        components = record.texts(tags.REFERENCED_FILE_ID)
        if len(components) > _MAX_COMPONENTS or not all(map(_COMPONENT.fullmatch, components)):  # SDF-11
            raise FormatError("the DICOMDIR lists a File ID that is none", rule="SDF-11")
        if components == (DIRECTORY_NAME,):
            raise FormatError("the DICOMDIR lists itself", rule="SDF-11")
        yield DirectoryFile(
            components,
            record.text(tags.REFERENCED_SOP_CLASS_UID_IN_FILE),
            record.text(tags.REFERENCED_SOP_INSTANCE_UID_IN_FILE),
            record.text(tags.REFERENCED_TRANSFER_SYNTAX_UID_IN_FILE),
            _own(record, _FILE_SHA256),
            int.from_bytes(_own(record, _FILE_SIZE) or b"", "little"),
            modality,
            study,
            series,
        )


def _own(data_set: DataSet, tag: int) -> bytes | None:
    return data_set.raw(tag) if data_set.text(_CREATOR.tag) == "DICOMPACK" else None
