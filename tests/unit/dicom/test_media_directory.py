"""DICOMDIRs: what is made is read again, and what somebody else might write is refused by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from dicompack.dicom import dicom_file, encoding, media_directory, tags
from dicompack.dicom.dataset import (
    DataSet,
    Element,
    Encapsulated,
    Sequence,
    number_element,
    string_element,
)
from dicompack.dicom.directory_records import Records
from dicompack.dicom.media_directory import DescribedFile
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, TransferSyntax
from dicompack.errors import FormatError
from tests.packages import INSTANCES, bundled

UID = "2.25.7"
NAMES = (b"a" * 32, b"b" * 32)


def described() -> list[DescribedFile]:
    files = []
    for number, name in enumerate(INSTANCES, start=1):
        data = bundled(name).read_bytes()
        file = dicom_file.parse(data)
        records = Records.of(file.data_set, file.transfer_syntax.uid)
        digest = hashlib.sha256(data).digest()
        files.append(DescribedFile(("DICOM", f"{number:08d}"), records, digest, len(data)))
    return files


def by_hand(
    records: Iterable[DataSet],
    *more: Element,
    syntax: TransferSyntax = EXPLICIT_LITTLE,
    sop_class: str = dicom_file.DICOMDIR_CLASS,
    uid: str = UID,
) -> bytes:
    """As anybody could write it."""
    whole = DataSet((Sequence(tags.DIRECTORY_RECORD_SEQUENCE, tuple(records)), *more))
    head = dicom_file.head(syntax, sop_class, uid)
    return encoding.joined([*head, *encoding.marshal(whole, syntax)])


def record(file_id: str, *, in_use: int = 0xFFFF, kind: str = "IMAGE") -> DataSet:
    return DataSet(
        (
            number_element(tags.RECORD_IN_USE, "US", in_use),
            string_element(tags.DIRECTORY_RECORD_TYPE, "CS", kind),
            string_element(tags.REFERENCED_FILE_ID, "CS", file_id),
            string_element(tags.REFERENCED_SOP_INSTANCE_UID_IN_FILE, "UI", "1.2.3"),
        )
    )


def refuses(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        media_directory.parse(data)
    assert caught.value.rule == "SDF-11"


def test_there_and_back() -> None:
    files = described()
    directory = media_directory.parse(media_directory.marshal(UID, files, NAMES))
    assert (directory.file_set_uid, directory.addressed_to) == (UID, NAMES)
    by_id = {one.file_id: one for one in directory.files}
    assert len(by_id) == len(files)
    for file in files:
        found, records = by_id[file.file_id], file.records
        assert (found.sha256, found.size) == (file.sha256, file.size)
        assert (found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid) == (
            records.sop_class_uid,
            records.sop_instance_uid,
            records.transfer_syntax_uid,
        )
        assert found.study_instance_uid == records.study_instance_uid
        assert found.series_instance_uid == records.series_instance_uid


def test_offsets_lead_to_records() -> None:
    """PS3.3 F.2.2.2: each offset is where an item begins, and every record is reached once."""
    data = media_directory.marshal(UID, described(), NAMES)
    top = dicom_file.parse(data).data_set
    starts = {}
    for item in top.items(tags.DIRECTORY_RECORD_SEQUENCE):
        pieces = encoding.joined(encoding.marshal(item, EXPLICIT_LITTLE))
        starts[data.index(pieces) - 8] = item
    seen: list[int] = []
    waiting = [top.number(tags.FIRST_ROOT_RECORD) or 0]
    while waiting:
        at = waiting.pop()
        if at:
            seen.append(at)
            assert data[at : at + 4] == b"\xfe\xff\x00\xe0"
            waiting += [starts[at].number(tags.NEXT_RECORD) or 0, starts[at].number(tags.LOWER_RECORD) or 0]
    assert sorted(seen) == sorted(starts)
    assert top.number(tags.LAST_ROOT_RECORD) in seen


def test_types_of_records() -> None:
    kinds = {name: one.records.record_type for name, one in zip(INSTANCES, described(), strict=True)}
    expected = {
        "CT_small.dcm": "IMAGE",
        "rtplan.dcm": "RT PLAN",
        "rtdose.dcm": "RT DOSE",
        "rtstruct.dcm": "RT STRUCTURE SET",
        "test-SR.dcm": "SR DOCUMENT",
        "waveform_ecg.dcm": "WAVEFORM",
        "liver_1frame.dcm": "IMAGE",
    }
    assert {name: kinds[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PRESENTATION"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "ENCAP DOC"),
        ("1.2.840.10008.5.1.4.1.1.66", "RAW DATA"),
        ("1.2.840.10008.5.1.4.1.1.66.1", "REGISTRATION"),
        ("1.2.840.10008.5.1.4.1.1.481.4", "RT TREAT RECORD"),
        ("1.2.840.10008.5.1.4.1.1.4.2", "SPECTROSCOPY"),
        ("1.2.3.4", "PRIVATE"),
    ],
)
def test_types_by_sop_class(sop_class: str, kind: str) -> None:
    bare = DataSet(
        (
            string_element(tags.SOP_CLASS_UID, "UI", sop_class),
            string_element(tags.SOP_INSTANCE_UID, "UI", "1.2.3"),
        )
    )
    records = Records.of(bare, EXPLICIT_LITTLE.uid)
    assert records.record_type == kind
    made = media_directory.marshal(UID, [DescribedFile(("A",), records, bytes(32), 1)], ())
    assert [one.file_id for one in media_directory.parse(made).files] == [("A",)]


def test_a_record_keeps_no_instance() -> None:
    """A record that held a view of the file would hold the file."""
    for one in described():
        for level in (one.records.patient, one.records.study, one.records.series, one.records.instance):
            for node in level:
                assert not isinstance(node, Element) or isinstance(node.value, bytes)


def test_keys_of_another_kind_than_they_should_be() -> None:
    """An instance may hold anything: a wrong VR, a sequence for a name, pixels in a key."""
    icon = DataSet(
        (Encapsulated(tags.PIXEL_DATA, "OB", (b"", b"\xff\xd8")), Element(0x00080100, "SH", b"1 "))
    )
    odd = DataSet(
        (
            string_element(tags.SOP_CLASS_UID, "UI", "1.2.840.10008.5.1.4.1.1.11.1"),
            string_element(tags.SOP_INSTANCE_UID, "UI", "1.2.3"),
            Sequence(0x00081115, (icon,)),
            Sequence(0x00100010, ()),
            Element(0x00100020, "UN", memoryview(b"ID")),
            Element(0x00700080, "LO", b"LABEL "),
        )
    )
    records = Records.of(odd, EXPLICIT_LITTLE.uid)
    made = media_directory.marshal(UID, [DescribedFile(("A",), records, bytes(32), 1)], ())
    assert [one.file_id for one in media_directory.parse(made).files] == [("A",)]
    found = {node.tag: node for level in (records.patient, records.instance) for node in level}
    assert found[0x00100010] == Element(0x00100010, "PN", b"")
    assert found[0x00100020] == Element(0x00100020, "LO", b"ID")
    assert found[0x00700080] == Element(0x00700080, "CS", b"LABEL ")
    assert found[0x00081115] == Sequence(0x00081115, (DataSet((Element(0x00080100, "SH", b"1 "),)),))


def test_directories_of_others() -> None:
    found = media_directory.parse(by_hand([record("A\\B"), record("GONE", in_use=0), record("C_1")]))
    assert [one.file_id for one in found.files] == [("A", "B"), ("C_1",)]
    assert found.addressed_to is None
    assert [one.sha256 for one in found.files] == [None, None]


@pytest.mark.parametrize(
    "file_id",
    [
        "..\\A",
        "A\\..\\B",
        "/ETC",
        "a",
        "A B",
        "TOO_LONG_",
        "A.DCM",
        "A\\\\B",
        "\\".join("ABCDEFGHI"),
        "DICOMDIR",
        "A:B",
        "A\0B",
    ],
)
def test_file_ids_that_are_none_sdf_11(file_id: str) -> None:
    refuses(by_hand([record(file_id)]))


def test_what_is_no_directory_sdf_11() -> None:
    whole = media_directory.marshal(UID, described(), NAMES)
    creator = string_element(0x00090010, "LO", "DICOMPACK")
    for data in (
        b"",
        whole[:-1],
        whole[:140],
        bundled("CT_small.dcm").read_bytes(),
        by_hand([record("A")], syntax=IMPLICIT_LITTLE),
        by_hand([record("A")], uid="none"),
        by_hand([record("A"), record("A")]),
        by_hand([record("A")], creator, Element(0x00091002, "OB", bytes(33))),
    ):
        refuses(data)


def test_the_elements_of_somebody_else_are_not_ours() -> None:
    foreign = string_element(0x00090010, "LO", "SOMEBODY")
    found = media_directory.parse(by_hand([record("A")], foreign, Element(0x00091002, "OB", bytes(32))))
    assert found.addressed_to is None
