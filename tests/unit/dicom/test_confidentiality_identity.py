"""UIDs and pseudonyms: stable under one key, unlinkable under two."""

from __future__ import annotations

import hashlib
import re
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dicompack.dicom.confidentiality import LABELS, Option, deidentify, new_uid
from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.errors import SuspectError
from tests.unit.dicom.confidentiality_cases import (
    INSTANCE,
    ISSUER,
    KEY,
    NAME,
    PATIENT_ID,
    SERIES,
    SERIES_SEQUENCE,
    STUDY,
    instance,
    key,
    text,
)

FRAME_OF_REFERENCE = 0x00200052


def pseudonym(*nodes, without=(), derive=KEY):
    found = deidentify(instance(*nodes).without(*without), derive).data_set
    assert found.text(NAME) == found.text(PATIENT_ID)
    return found.text(PATIENT_ID)


@given(st.text(alphabet="0123456789.", min_size=1, max_size=64))
def test_dei_6_a_new_uid_is_a_version_8_uuid(uid):
    assume(not uid.startswith("1.2.840.10008."))  # registered ones stay
    made = new_uid(uid, KEY)
    assert made.startswith("2.25.") and len(made) <= 64
    number = uuid.UUID(int=int(made.removeprefix("2.25.")))
    assert number.version == 8 and number.variant == uuid.RFC_4122
    assert made == new_uid(uid, KEY) != new_uid(uid, key(b"b"))


def test_dei_6_a_new_uid_by_another_way_of_computing_it():
    octets = bytearray(hashlib.sha256(b"1.2.3").digest()[:16])
    octets[6], octets[8] = octets[6] % 16 + 0x80, octets[8] % 64 + 0x80
    expected = f"2.25.{uuid.UUID(bytes=bytes(octets)).int}"
    assert expected == "2.25.261189956532771381200532580925924401433"  # the example of the specification
    assert new_uid("1.2.3", lambda label, *parts: hashlib.sha256(*parts).digest()) == expected


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.4.1.1", "1.2.840.10008.5.1.4.1.1.2"])
def test_dei_6_registered_uids_stay(uid):
    assert new_uid(uid, KEY) == uid
    assert deidentify(instance(text(0x00200052, "UI", uid)), KEY).data_set.text(0x00200052) == uid


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.9.8.7.20200101", "1.2.840.100081.1", "1.2.840.10008", "2.25.1"]
)
def test_dei_6_uids_that_only_look_registered_do_not(uid):
    assert new_uid(uid, KEY) != uid


@pytest.mark.parametrize(
    ("value", "uids"),
    [
        (b"", [""]),
        (b"1.2.3\0", ["1.2.3"]),
        (b"1.2.3 ", ["1.2.3"]),
        (b"1.2.3\\1.2.4\0", ["1.2.3", "1.2.4"]),
        (b"1.2.3\\\\1.2.4", ["1.2.3", "", "1.2.4"]),
        (b"\\1.2.3", ["", "1.2.3"]),
        (b"not a uid", ["not a uid"]),
    ],
)
@pytest.mark.parametrize("vr", ["UI", "LO", "UN"])
def test_dei_6_each_value_is_replaced_and_empty_ones_stay_empty(value, uids, vr):
    found = deidentify(instance(Element(FRAME_OF_REFERENCE, vr, value)), KEY).data_set.get(FRAME_OF_REFERENCE)
    expected = "\\".join(new_uid(uid, KEY) if uid else "" for uid in uids)
    assert found == text(FRAME_OF_REFERENCE, "UI", expected)
    assert len(found.value) % 2 == 0


def test_dei_6_the_same_uid_is_the_same_everywhere_and_in_the_next_instance():
    reference = Sequence(SERIES_SEQUENCE, (DataSet([text(0x00081155, "UI", "1.2.3.4.1")]),))
    one = deidentify(instance(), KEY).data_set
    other = deidentify(instance(text(INSTANCE, "UI", "1.2.3.4.9"), reference), KEY).data_set
    assert other.items(SERIES_SEQUENCE)[0].text(0x00081155) == one.text(INSTANCE) != other.text(INSTANCE)
    assert one.text(STUDY) == other.text(STUDY)


def test_dei_7_a_pseudonym_has_100_bits_and_says_nothing():
    assert re.fullmatch("DP-[A-Z2-7]{20}", pseudonym())


def test_dei_7_the_same_patient_has_the_same_pseudonym_in_every_study():
    other = pseudonym(text(STUDY, "UI", "1.2.9"), text(INSTANCE, "UI", "1.2.8"), text(NAME, "PN", "RENAMED"))
    assert pseudonym() == other


@pytest.mark.parametrize("value", [b"CANARY-1", b"CANARY-1  ", b" CANARY-1 ", b"CANARY-1\0\0"])
def test_dei_7_padding_does_not_make_another_patient(value):
    assert pseudonym(Element(PATIENT_ID, "LO", value)) == pseudonym()


def test_dei_7_different_patients_issuers_and_keys_have_different_pseudonyms():
    made = [
        pseudonym(),
        pseudonym(text(PATIENT_ID, "LO", "CANARY-2")),
        pseudonym(text(ISSUER, "LO", "A")),
        pseudonym(text(ISSUER, "LO", "B")),
        pseudonym(text(PATIENT_ID, "LO", "AB"), text(ISSUER, "LO", "C")),
        pseudonym(text(PATIENT_ID, "LO", "A"), text(ISSUER, "LO", "BC")),
        pseudonym(derive=key(b"b")),
        pseudonym(text(PATIENT_ID, "LO", "")),
        pseudonym(text(PATIENT_ID, "LO", ""), text(STUDY, "UI", "")),
        pseudonym(text(PATIENT_ID, "LO", "1.2.3.4.2")),
    ]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("empty", [b"", b"  ", b"\0\0"])
def test_dei_7_without_an_id_the_study_is_the_patient(empty):
    blank = Element(PATIENT_ID, "LO", empty)
    assert pseudonym(blank) == pseudonym(blank, text(INSTANCE, "UI", "1.2.8"))
    assert pseudonym(blank) != pseudonym(blank, text(STUDY, "UI", "1.2.9"))


def test_dei_7_without_id_and_study_the_instance_is_the_patient():
    blank = text(PATIENT_ID, "LO", "")
    assert pseudonym(blank, without=[STUDY]) != pseudonym(
        blank, text(INSTANCE, "UI", "1.2.8"), without=[STUDY]
    )


def test_dei_7_without_anything_there_is_no_pseudonym():
    with pytest.raises(SuspectError) as caught:
        pseudonym(text(PATIENT_ID, "LO", ""), without=[STUDY, INSTANCE])
    assert caught.value.rule == "DEI-7"


def test_dei_7_a_patient_in_an_item_is_the_patient_of_that_item():
    same = DataSet([text(PATIENT_ID, "LO", "CANARY-1"), text(NAME, "PN", "CANARY^NAME")])
    other = DataSet([text(PATIENT_ID, "LO", "CANARY-2"), text(NAME, "PN", "CANARY^NAME")])
    nameless = DataSet([text(NAME, "PN", "CANARY^NAME")])
    empty = DataSet([text(PATIENT_ID, "LO", ""), text(NAME, "PN", "CANARY^NAME")])
    found = deidentify(instance(Sequence(SERIES_SEQUENCE, (same, other, nameless, empty))), KEY).data_set
    items = found.items(SERIES_SEQUENCE)
    assert items[0].text(PATIENT_ID) == items[0].text(NAME) == found.text(PATIENT_ID)
    assert items[1].text(PATIENT_ID) == items[1].text(NAME) == pseudonym(text(PATIENT_ID, "LO", "CANARY-2"))
    assert [item.raw(NAME) for item in items[2:]] == [b"", b""]
    assert items[3].text(PATIENT_ID) == "REMOVED"


def test_dei_7_a_multi_byte_id_works():
    assert pseudonym(Element(PATIENT_ID, "LO", "患者1".encode("shift_jis"))) != pseudonym()


def test_labels_are_a_closed_set_and_each_has_its_use():
    used = set()

    def derive(label, *parts):
        used.add(label)
        return KEY(label, *parts)

    blank = text(PATIENT_ID, "LO", "")
    deidentify(instance(), derive)
    deidentify(instance(blank), derive)
    deidentify(instance(blank).without(STUDY), derive)
    dated = instance(text(0x00080020, "DA", "20240131"))
    deidentify(dated, derive, frozenset((Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,)))
    assert used == set(LABELS)


def test_two_keys_share_nothing():
    tags = [NAME, PATIENT_ID, STUDY, SERIES, INSTANCE]
    one, other = (deidentify(instance(), key(secret)).data_set for secret in (b"a", b"b"))
    assert {one.text(tag) for tag in tags}.isdisjoint(other.text(tag) for tag in tags)
