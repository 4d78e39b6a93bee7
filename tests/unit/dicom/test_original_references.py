"""Objects made on de-identified instances name the original ones again, and their patient."""

from __future__ import annotations

import pytest

from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from dicompack.dicom.original_references import OriginalReferences
from dicompack.errors import BadSignatureError

INSTANCE, NAME, PATIENT, STUDY, REFERENCED = 0x00080018, 0x00100010, 0x00100020, 0x0020000D, 0x00081155


def text(tag: int, vr: str, value: str) -> Element:
    return string_element(tag, vr, value)


def image(instance: str, study: str, patient: str, name: bytes) -> DataSet:
    return DataSet(
        [
            text(0x00080005, "CS", "ISO_IR 100"),
            text(INSTANCE, "UI", instance),
            Element(NAME, "PN", name),
            text(PATIENT, "LO", patient),
            text(STUDY, "UI", study),
        ]
    )


CLEAN = image("2.25.1", "2.25.9", "DP-X", b"DP-X")
ORIGINAL = image("1.2.1", "1.2.9", "4711", b"M\xfcller")
UIDS = (("2.25.1", "1.2.1"), ("2.25.9", "1.2.9"))


def segmentation(**other: Element) -> DataSet:
    item = DataSet([text(REFERENCED, "UI", "2.25.1")])
    nested = DataSet([Sequence(0x00081199, (item, item))])
    return DataSet(
        {
            "characters": text(0x00080005, "CS", "ISO_IR 100"),
            "instance": text(INSTANCE, "UI", "1.9.9"),
            "references": Sequence(0x00081115, (nested,)),
            "name": text(NAME, "PN", "DP-X"),
            "patient": text(PATIENT, "LO", "DP-X"),
            "removed": text(0x00120062, "CS", "YES"),
            "method": text(0x00120063, "LO", "us"),
            "study": text(STUDY, "UI", "2.25.9"),
            **other,
        }.values()
    )


@pytest.fixture
def known() -> OriginalReferences:
    references = OriginalReferences()
    references.add(CLEAN, ORIGINAL, UIDS)
    return references


def test_references_patient_and_study_come_back(known):
    restored = known.restore(segmentation())
    assert restored is not None
    assert restored.references == 3
    got = restored.data_set
    (item,) = got.items(0x00081115)
    assert [one.text(REFERENCED) for one in item.items(0x00081199)] == ["1.2.1", "1.2.1"]
    assert (got.text(STUDY), got.text(INSTANCE)) == ("1.2.9", "1.9.9")
    assert (got.text(PATIENT), got.raw(NAME)) == ("4711", b"M\xfcller")
    assert got.text(0x00120062) == "NO"
    assert 0x00120063 not in got


def test_another_character_set_is_not_guessed(known):
    restored = known.restore(segmentation(characters=text(0x00080005, "CS", "ISO_IR 192")))
    assert restored is not None
    assert restored.left == (NAME,)
    assert restored.data_set.text(NAME) == "DP-X"
    assert restored.data_set.text(PATIENT) == "4711"


def test_another_patient_keeps_the_name(known):
    restored = known.restore(segmentation(patient=text(PATIENT, "LO", "OTHER")))
    assert restored is not None
    assert restored.data_set.text(PATIENT) == "OTHER"
    assert restored.data_set.text(NAME) == "DP-X"


def test_a_study_is_what_was_signed_and_not_what_the_instance_says():
    """Else a changed Study Instance UID would give one patient's name to another's objects."""
    moved = CLEAN.replacing(text(STUDY, "UI", "2.25.8"))
    references = OriginalReferences()
    references.add(moved, ORIGINAL, UIDS)
    restored = references.restore(segmentation(study=text(STUDY, "UI", "2.25.8")))
    assert restored is not None
    assert restored.data_set.text(PATIENT) == "DP-X"
    assert restored.data_set.text(STUDY) == "2.25.8"


def test_unrelated_objects_stay_out(known):
    assert known.restore(DataSet([text(INSTANCE, "UI", "1.9.9"), text(STUDY, "UI", "1.9")])) is None
    assert known.knows("2.25.1")
    assert not known.knows("1.2.1")


def test_one_new_uid_for_two_old_ones_ena_9(known):
    known.add(CLEAN, ORIGINAL, UIDS)
    with pytest.raises(BadSignatureError) as caught:
        known.add(CLEAN, ORIGINAL, [("2.25.1", "1.2.2")])
    assert caught.value.rule == "ENA-9"
