"""Structured content: each content item by its concept and value type, and the tree stays one."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from dicompack.dicom.confidentiality import deidentify
from dicompack.dicom.confidentiality.dates import Shift
from dicompack.dicom.confidentiality.descriptors import Vocabulary
from dicompack.dicom.confidentiality.dummies import coded
from dicompack.dicom.confidentiality.structured_content import (
    ACQUISITION_CONTEXT_SEQUENCE,
    CONTENT_SEQUENCE,
    EDITION,
    SPECIMEN_PREPARATION_SEQUENCE,
    WAVEFORM_ANNOTATION_SEQUENCE,
    Surroundings,
    cleaned_content,
    table,
)
from dicompack.dicom.confidentiality.table import Option
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from tests.unit.dicom.confidentiality_cases import KEY, everything, instance, text, walk

CONCEPT, TYPE, REFERENCE, STEP = 0x0040A043, 0x0040A040, 0x0040DB73, 0x00400612
VALUES = {
    "TEXT": (0x0040A160, "UT"),
    "PNAME": (0x0040A123, "PN"),
    "DATETIME": (0x0040A120, "DT"),
    "DATE": (0x0040A121, "DA"),
    "TIME": (0x0040A122, "TM"),
    "UIDREF": (0x0040A124, "UI"),
}
VOCABULARY = Vocabulary.of(instance(text(0x00100010, "PN", "Smith^John")))
MODIFIED, FULL = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES, Option.RETAIN_LONGITUDINAL_FULL_DATES
UNLISTED = ("T-1", "SCT")


def item(value_type, value="", concept=UNLISTED, *nodes, children=()):
    made = [text(TYPE, "CS", value_type), Sequence(CONCEPT, (coded(*concept, "Meaning"),)), *nodes]
    if value_type in VALUES:
        tag, vr = VALUES[value_type]
        made.append(Element(tag, vr, value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)))
    if children:
        made.append(Sequence(CONTENT_SEQUENCE, tuple(children)))
    return DataSet(made)


def reference(*path):
    return DataSet(
        [
            text(0x0040A010, "CS", "INFERRED FROM"),
            Element(REFERENCE, "UL", struct.pack(f"<{len(path)}L", *path)),
        ]
    )


def new_uids(element):
    return string_element(element.tag, "UI", "2.25." + str(len(bytes(element.value).rstrip(b"\0"))))


def around(*options, shift=None, note=lambda *_: None, attributes=lambda data_set: data_set):
    return Surroundings(
        options=frozenset((Option.CLEAN_STRUCTURED_CONTENT, *options)),
        character_set=("ISO_IR 192",),
        shift=shift,
        attributes=attributes,
        new_uids=new_uids,
        note_cut=note,
    )


def clean(*items, tag=CONTENT_SEQUENCE, vocabulary=VOCABULARY, surroundings=None):
    return cleaned_content(Sequence(tag, items), vocabulary, surroundings or around()).items


def value_of(data_set, value_type):
    return (data_set.raw(VALUES[value_type][0]) or b"").decode().strip(" \0")


def test_the_table_holds_what_table_e_3_4_1_holds():
    assert EDITION == "2023b"
    assert len(table()) == 209
    assert Counter(row.profile for row in table().values()) == {"X": 130, "D": 79}  # 60 D and 19 X/D
    codes = ((option.value, code) for row in table().values() for option, code in row.options.items())
    assert Counter(codes) == {
        ("retain-uids", "K"): 61,
        ("retain-device-identity", "K"): 14,
        ("retain-institution-identity", "K"): 7,
        ("retain-patient-characteristics", "K"): 2,
        ("retain-longitudinal-full-dates", "K"): 41,
        ("retain-longitudinal-modified-dates", "C"): 41,
        ("clean-descriptors", "C"): 44,
    }  # fmt: skip
    assert table()["121008", "DCM", "PNAME"].meaning == "Person Observer Name"


@pytest.mark.parametrize("row", table().values(), ids=lambda row: f"{row.value}-{row.value_type}")
def test_dei_50_each_row_without_an_option(row):
    value = {"DATE": "20230102", "TIME": "101112", "DATETIME": "20230102101112", "UIDREF": "1.2.3.4.5.6"}
    source = item(row.value_type, value.get(row.value_type, "Smith in Room 7"), (row.value, row.scheme))
    results = clean(source, item("NUM"))
    assert len(results) == (1 if row.profile == "X" else 2)
    assert not any(value in everything(results[0]) for value in (b"Smith", b"Room", b"2023", b"1.2.3.4.5.6"))


@pytest.mark.parametrize(
    ("concept", "value_type", "value", "options", "result"),
    [
        (("121106", "DCM"), "TEXT", "Smith has a cyst", (), None),
        (("121106", "DCM"), "TEXT", "Smith has a cyst", (Option.CLEAN_DESCRIPTORS,), "has a cyst"),
        (("121106", "DCM"), "TEXT", "John Smith", (Option.CLEAN_DESCRIPTORS,), "REMOVED"),
        (("121071", "DCM"), "TEXT", "a cyst", (), "REMOVED"),
        (UNLISTED, "TEXT", "Smith has a cyst", (), "has a cyst"),
        (UNLISTED, "TEXT", "Sm\x07ith", (), "REMOVED"),
        (UNLISTED, "PNAME", "Doe^Jane", (), "REMOVED"),
        (("121008", "DCM"), "PNAME", "Doe^Jane", (Option.RETAIN_INSTITUTION_IDENTITY,), "REMOVED"),
        (("121009", "DCM"), "TEXT", "Mercy", (), None),
        (("121009", "DCM"), "TEXT", "Mercy", (Option.RETAIN_INSTITUTION_IDENTITY,), "Mercy"),
        (("121013", "DCM"), "TEXT", "CT 7", (Option.RETAIN_DEVICE_IDENTITY,), "CT 7"),
        (UNLISTED, "DATE", "20230102", (), "19000101"),
        (UNLISTED, "DATE", "20230102", (FULL,), "20230102"),
        (UNLISTED, "DATE", "20230102", (MODIFIED,), "20230101"),
        (UNLISTED, "DATE", "2023-01-02", (MODIFIED,), "19000101"),
        (UNLISTED, "TIME", "101112", (), "000000"),
        (UNLISTED, "TIME", "101112", (MODIFIED,), "101112"),
        (UNLISTED, "DATETIME", "20230102101112+0100", (MODIFIED,), "20230101101112+0100"),
        (("121031", "DCM"), "DATE", "19500102", (MODIFIED,), None),
        (("111060", "DCM"), "DATE", "20230102", (), "19000101"),
        (("111060", "DCM"), "DATE", "20230102", (MODIFIED,), "20230101"),
        (("111060", "DCM"), "DATE", "20230102", (FULL,), "20230102"),
        (UNLISTED, "UIDREF", "1.2.3.4.5.6", (), "2.25.11"),
        (("110180", "DCM"), "UIDREF", "1.2.3.4.5.6", (), "2.25.11"),
        (("121018", "DCM"), "UIDREF", "1.2.3.4.5.6", (), None),
        (UNLISTED, "UIDREF", "", (), ""),
        (UNLISTED, "TEXT", "", (), "REMOVED"),
    ],
)
def test_dei_51_and_dei_52_values_by_concept_type_and_option(concept, value_type, value, options, result):
    shift = Shift(-1) if MODIFIED in options else None
    found = clean(item(value_type, value, concept), item("NUM"), surroundings=around(*options, shift=shift))
    if result is None:
        assert [node.text(TYPE) for node in found] == ["NUM"]
    else:
        assert value_of(found[0], value_type) == result


def test_dei_51_cuts_are_counted():
    noted = []
    clean(item("TEXT", "Smith, 12.03.2019, cyst"), surroundings=around(note=lambda *note: noted.append(note)))
    assert noted == [(0x0040A160, 1)]


@pytest.mark.parametrize("value", ["1.2.x", "Smith", "..\xc4"])
def test_dei_52_what_is_no_uid_leaves_no_value_where_uids_are_retained(value):
    """The value has no dummy, and a report with it must not stop the run."""
    source = instance(Sequence(CONTENT_SEQUENCE, (item("UIDREF", value),)))
    options = frozenset((Option.CLEAN_STRUCTURED_CONTENT, Option.RETAIN_UIDS))
    (found,) = deidentify(source, KEY, options).data_set.items(CONTENT_SEQUENCE)
    assert found.raw(VALUES["UIDREF"][0]) == b""


def test_dei_52_characteristics_only_where_retained():
    age = item("NUM", concept=("121033", "DCM"))
    sex = item("CODE", concept=("121032", "DCM"))
    assert len(clean(age, sex, item("NUM"))) == 1
    retained = around(Option.RETAIN_PATIENT_CHARACTERISTICS)
    assert len(clean(age, sex, item("NUM"), surroundings=retained)) == 3


def test_dei_52_references_go_through_the_engine():
    seen = []

    def attributes(data_set):
        seen.append(data_set)
        return data_set.without(0x00081199)

    image = item("IMAGE", "", UNLISTED, Sequence(0x00081199, (DataSet([text(0x00081155, "UI", "1.2.3")]),)))
    (result,) = clean(image, surroundings=around(attributes=attributes))
    assert len(seen) == 1
    assert 0x00081199 not in result


def test_containers_are_gone_through_at_every_level():
    deep = item("CONTAINER", children=[item("CONTAINER", children=[item("TEXT", "John Smith: cyst")])])
    (result,) = clean(deep)
    assert b"cyst" in everything(result)
    assert b"Smith" not in everything(result)


def test_dei_54_unknown_value_types_go_with_all_that_is_below():
    odd = item("TABLE", children=[item("TEXT", "x")])
    bare = DataSet([text(0x0040A160, "UT", "Smith")])
    assert [node.text(TYPE) for node in clean(odd, bare, item("NUM"))] == ["NUM"]


def test_dei_54_values_of_another_type_than_the_item_says_go():
    stray = text(0x0040A123, "PN", "Doe^Jane")
    (result,) = clean(item("NUM", "", UNLISTED, stray, text(0x0040A160, "UT", "Doe")))
    assert b"Doe" not in everything(result)
    sequence = item("TEXT", "").replacing(Sequence(0x0040A160, (DataSet([stray]),)))
    assert b"Doe" not in everything(clean(sequence)[0])


def test_a_content_sequence_without_any_item_left_gets_the_dummy():
    (result,) = clean(item("TEXT", "x", ("121106", "DCM")))
    assert value_of(result, "TEXT") == "REMOVED"
    assert clean(item("TEXT", "x", ("121106", "DCM")), tag=ACQUISITION_CONTEXT_SEQUENCE) == ()


def target(data_set):
    value = data_set.raw(REFERENCE)
    return struct.unpack(f"<{len(value) // 4}L", value)


def test_dei_53_references_between_items_are_renumbered():
    gone = item("TEXT", "x", ("121106", "DCM"))
    branch = item("CONTAINER", children=[gone, item("NUM"), reference(1, 4)])
    results = clean(gone, branch, gone, item("CODE"), reference(1, 2, 2), reference(1, 2), reference(1))
    assert [target(node) for node in results if REFERENCE in node] == [(1, 1, 1), (1, 1), (1,)]
    assert target(results[0].items(CONTENT_SEQUENCE)[1]) == (1, 2)
    assert results[1].text(TYPE) == "CODE"


@pytest.mark.parametrize("path", [(1, 1), (1, 1, 1), (1, 9), (2, 1), (1, 4)])
def test_dei_53_references_to_what_is_gone_or_never_was_go(path):
    gone = item("CONTAINER", "", ("121000", "DCM"), children=[item("NUM")])
    results = clean(gone, item("NUM"), reference(*path), reference(1, 1), reference(1, 2))
    assert [node.text(TYPE) for node in results] == ["NUM", ""]
    assert target(results[1]) == (1, 1)


def test_dei_53_a_reference_of_half_a_number_goes():
    broken = DataSet([Element(REFERENCE, "UL", b"\1\0\0\0\2\0")])
    assert len(clean(broken, item("NUM"))) == 1


def test_an_item_may_have_a_character_set_of_its_own():
    russian = text(0x00080005, "CS", "ISO_IR 144")
    source = item("TEXT", "x", UNLISTED, russian).replacing(
        Element(0x0040A160, "UT", "киста Иванова ".encode("iso8859_5"))
    )
    vocabulary = Vocabulary.of(DataSet([russian, Element(0x00100010, "PN", "Иванов ".encode("iso8859_5"))]))
    (result,) = clean(source, vocabulary=vocabulary)
    assert result.raw(0x0040A160).rstrip() == "киста".encode("iso8859_5")


def test_specimen_steps_and_annotations():
    step = DataSet(
        [Sequence(STEP, (item("TEXT", "John Smith: fixed"), item("TEXT", "x", ("121041", "DCM"))))]
    )
    (result,) = clean(step, DataSet(), tag=SPECIMEN_PREPARATION_SEQUENCE)[:1]
    (content,) = result.items(STEP)
    assert value_of(content, "TEXT") == "fixed"
    annotation = DataSet([text(0x00700006, "ST", "sinus rhythm, Smith")])
    (result, other) = clean(annotation, DataSet(), tag=WAVEFORM_ANNOTATION_SEQUENCE)
    assert result.text(0x00700006) == "sinus rhythm"
    assert not len(other)


def test_nothing_that_identifies_is_left_in_a_report():
    context = [
        item("PNAME", "Doe^Jane", ("121008", "DCM")),
        item("TEXT", "Doe Clinic", ("121009", "DCM")),
        item("UIDREF", "1.2.3.4.5", ("121012", "DCM")),
        item("TEXT", "Patient John Smith, born 02.03.1950", ("T-9", "99X")),
    ]
    found = clean(item("CONTAINER", children=context))
    whole = b" ".join(everything(node) for node in found)
    assert not any(part in whole for part in (b"Doe", b"Smith", b"1950", b"1.2.3.4.5"))
    assert all(node.tag != REFERENCE for result in found for node in walk(result))
