"""What the table does not list: private, unknown, malformed, forgotten, and UIDs in unexpected places."""

from __future__ import annotations

from time import perf_counter

import pytest

from dicompack.dicom.confidentiality import canonical, deidentify, new_uid
from dicompack.dicom.confidentiality.canonical import STRING_VRS
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, number_element
from tests.unit.dicom.confidentiality_cases import (
    INSTANCE,
    KEY,
    everything,
    innermost,
    instance,
    nested,
    text,
    walk,
)

ITEM = DataSet([text(0x00080104, "LO", "CANARY")])


def removed(node, depth):
    """The findings' rules after asserting that a node is gone."""
    found = deidentify(instance(nested(node, depth) if depth else node), KEY)
    assert node.tag not in innermost(found.data_set, depth)
    assert b"CANARY" not in everything(found.data_set)
    return [finding.rule for finding in found.findings]


@pytest.mark.parametrize("depth", [0, 1, 5])
@pytest.mark.parametrize(
    "node",
    [
        text(0x00090010, "LO", "CANARY"),
        text(0x00091001, "LO", "CANARY"),
        Sequence(0x00091002, (ITEM,)),
        text(0xFFFF1001, "LO", "CANARY"),
        Encapsulated(0x7FE11010, "OB", (b"", b"CANARY")),
        number_element(0x00080000, "UL", 1),
        number_element(0x00100000, "UL", 1),
        text(0x00020016, "AE", "CANARY"),
        text(0x00000600, "AE", "CANARY"),
        text(0x00041130, "CS", "CANARY"),
        Element(0xFFFCFFFC, "OB", b"CANARY"),
        Sequence(0xFFFAFFFA, (ITEM,)),
    ],
    ids=lambda node: f"{node.tag:08x}",
)
def test_dei_8_private_and_structural_attributes_are_removed_silently(node, depth):
    assert removed(node, depth) == []


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize("group", [0x5000, 0x5002, 0x501E, 0x50FE, 0x6000, 0x6002, 0x601E, 0x60FE])
@pytest.mark.parametrize("element", [0x0010, 0x0022, 0x1500, 0x3000, 0x4000])
def test_dei_9_curves_and_overlays_are_removed_as_whole_groups(group, element, depth):
    assert removed(Element(group << 16 | element, "OW", b"CANARY"), depth) == []


@pytest.mark.parametrize("group", [0x4FFC, 0x5100, 0x5FFE, 0x6100])
def test_dei_9_other_groups_are_none_of_them(group):
    assert removed(Element(group << 16 | 0x10, "LO", b"CANARY"), 0) == ["DEI-10"]


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize(
    "node",
    [
        text(0x0008EEEE, "LO", "CANARY"),
        Sequence(0x0008EEEE, (ITEM,)),
        Element(0x00280010, "UN", b"CANARY"),
        Element(0x00081115, "UN", b"CANARY"),
        Encapsulated(0x7FE00010, "UN", (b"", b"CANARY")),
    ],
)
def test_dei_10_what_is_unknown_is_removed_with_a_finding(node, depth):
    assert removed(node, depth) == ["DEI-10"]


def test_dei_10_the_finding_counts_and_names_the_first_tags():
    unknown = [text(0x00080000 + number, "LO", "x") for number in range(0xEE00, 0xEE0C)]
    (finding,) = deidentify(instance(*unknown, nested(unknown[0], 1)), KEY).findings
    assert finding.kind == "unknown"
    assert finding.message.startswith("13 attributes removed whose meaning is not known: (0008,EE00), ")
    assert finding.message.endswith("(0008,EE09) and 2 more")


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize(
    "node",
    [
        Element(0x00081115, "LO", b"CANARY"),  # a sequence is due
        Element(0x00081115, "OB", b"CANARY"),
        Element(0x00081115, "SQ", b"CANARY"),
        Encapsulated(0x00081115, "SQ", (b"CANARY",)),
        Sequence(0x00280010, (ITEM,)),  # a number is due
        Element(0x00280010, "LO", b"CANARY"),
        Element(0x00280030, "LO", b"CANARY"),
        Element(0x00080016, "LO", b"CANARY"),  # a UID is due
        Element(0x00080104, "OB", b"CANARY"),  # a text is due
        Element(0x7FE00010, "LT", b"CANARY"),  # pixels are due
        Encapsulated(0x00080104, "OB", (b"", b"CANARY")),
    ],
)
def test_dei_11_a_vr_of_another_kind_is_removed_with_a_finding(node, depth):
    assert removed(node, depth) == ["DEI-11"]


@pytest.mark.parametrize(
    "node",
    [
        number_element(0x00280010, "UL", 512),
        number_element(0x00280106, "SS", -5),  # US or SS
        Element(0x00280030, "IS", b"1\\1 "),
        Element(0x00080104, "UT", b"text"),
        Element(0x7FE00010, "OW", bytes(4)),
        Element(0x002031AA, "CS", b"X "),  # a retired repeating attribute of the dictionary
    ],
)
def test_dei_11_a_vr_of_the_same_kind_stays(node):
    found = deidentify(instance(node), KEY)
    assert found.data_set.get(node.tag) is node
    assert found.findings == ()


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280030, "DS", b"CANARY"),
        (0x00280030, "DS", b"0.5\\CANARY"),
        (0x00280008, "IS", b"1 CANARY"),
        (0x00280010, "US", b"CANARY+"),
        (0x00280010, "UL", b"CANARY"),
        (0x00280009, "AT", b"CANARY"),
        (0x00280010, "FD", b"CANARY"),
        (0x00280030, "IS", b"1e"),
        (0x00080016, "UI", b"1.2.CANARY"),
        (0x00080016, "UI", b"1.2.\xc4"),
    ],
)
@pytest.mark.parametrize("depth", [0, 5])
def test_dei_12_a_value_outside_the_repertoire_is_removed_with_a_finding(tag, vr, value, depth):
    assert removed(Element(tag, vr, value), depth) == ["DEI-12"]


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280010, "US", b"CANARY"),  # Rows: one number, and not three
        (0x00280010, "UL", b"CANARY.."),
        (0x00281101, "US", b"CANARY.."),  # three of a descriptor
        (0x00189087, "FD", b"CANARY.." * 2),
    ],
)
def test_dei_12_more_numbers_than_the_dictionary_allows_are_text(tag, vr, value, depth):
    assert removed(Element(tag, vr, value), depth) == ["DEI-12"]


@pytest.mark.parametrize(
    ("tag", "vr", "count"), [(0x00280010, "US", 1), (0x00281101, "US", 3), (0x00280009, "AT", 9)]
)
def test_dei_12_as_many_numbers_as_the_dictionary_allows_stay(tag, vr, count):
    node = Element(tag, vr, bytes(count * (4 if vr == "AT" else 2)))
    found = deidentify(instance(node), KEY)
    assert found.data_set.get(tag) == node
    assert found.findings == ()


@pytest.mark.parametrize("value", [b"-1.5E+3\\0.25 ", b" 12 ", b"1\0", b"", b"+7"])
def test_dei_12_numbers_stay(value):
    found = deidentify(instance(Element(0x00280030, "DS", value)), KEY)
    assert 0x00280030 in found.data_set
    assert found.findings == ()


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize(
    "node",
    [
        number_element(0x00080001, "UL", 1),
        text(0x00081190, "UR", "http://CANARY"),
        text(0x0040E010, "UR", "http://CANARY"),
        text(0x00287FE0, "UR", "http://CANARY"),
        Sequence(0x04000500, (DataSet([Element(0x04000520, "OB", b"CANARY")]),)),
        Sequence(0x4FFE0001, (ITEM,)),
    ],
    ids=lambda node: f"{node.tag:08x}",
)
def test_dei_13_what_the_table_forgets_is_removed(node, depth):
    is_told = node.tag == 0x04000500 and not depth
    assert removed(node, depth) == ["DEI-13"] * is_told


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (text(0x00120062, "CS", "YES"), ["says that it was de-identified before"]),
        (text(0x00120062, "CS", "NO"), []),
        (Sequence(0x04000500, (ITEM,)), ["had encrypted attributes"]),
    ],
)
def test_dei_13_an_instance_that_was_deidentified_before_is_told(node, said):
    found = [one for one in deidentify(instance(node), KEY).findings if one.kind == "deidentified-before"]
    assert [one.rule for one in found] == ["DEI-13"] * len(said)
    assert all(one.message.startswith(begin) for one, begin in zip(found, said, strict=True))


def test_dei_13_a_text_value_outside_a_content_sequence_is_replaced():
    found = deidentify(instance(nested(text(0x0040A160, "UT", "CANARY"), 3)), KEY).data_set
    assert innermost(found, 3).text(0x0040A160) == "REMOVED"


ALIAS = 0x0008010C  # Coding Scheme UID: of VR UI, not in the table


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_dei_14_a_replaced_uid_is_replaced_in_every_attribute_of_vr_ui(depth):
    alias = text(ALIAS, "UI", "1.2.840.10008.2.16.4\\1.2.3.4.1")
    found = deidentify(instance(nested(alias, depth) if depth else alias), KEY).data_set
    kept, replaced = innermost(found, depth).texts(ALIAS)
    assert kept == "1.2.840.10008.2.16.4"
    assert replaced == found.text(INSTANCE) == new_uid("1.2.3.4.1", KEY)


def test_dei_14_a_uid_that_is_replaced_deeper_down_counts_too():
    source = instance(text(ALIAS, "UI", "1.2.3.99"), nested(text(0x00081155, "UI", "1.2.3.99"), 5))
    assert deidentify(source, KEY).data_set.text(ALIAS) == new_uid("1.2.3.99", KEY)


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize(
    "value", ["1.2.3.4.1", "see file 1.2.3.4.1.dcm", "x1.2.3.4.1/", "1.2.3.4.1\\1.2.3.4.2"]
)
def test_dei_14_a_text_that_names_a_replaced_uid_is_removed_with_a_finding(value, depth):
    assert removed(text(0x00080104, "LO", value), depth) == ["DEI-14"]


@pytest.mark.parametrize("value", ["1.2.3.4.10", "11.2.3.4.1", "1.2.3.4", "1.2.3.4.1.5", "1.2", "no uid"])
def test_dei_14_a_text_that_names_none_stays(value):
    node = text(0x00080104, "LO", value)
    found = deidentify(instance(node), KEY)
    assert found.data_set.get(0x00080104) == node
    assert found.findings == ()


def test_uids_of_classes_and_schemes_stay():
    node = text(ALIAS, "UI", "1.2.3.99.1")
    assert deidentify(instance(node), KEY).data_set.get(ALIAS) is node


@pytest.mark.parametrize("value", [b"1" * 200_000, b"1." * 100_000, b"." * 200_000, b"1.2" * 70_000])
def test_long_texts_take_linear_time(value):
    start = perf_counter()
    deidentify(instance(Element(0x00080104, "UT", value)), KEY)
    assert perf_counter() - start < 1


@pytest.mark.parametrize("depth", [0, 5])
@pytest.mark.parametrize("vr", sorted(STRING_VRS))
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b""),
        (b"12", b"12"),
        (b"1", b"1_"),
        (b"1 ", b"1_"),
        (b"1\0", b"1_"),
        (b"12  ", b"12"),
        (b"12\0\0", b"12"),
        (b"1 \0 ", b"1_"),
        (b"    ", b""),
        (b" 1", b" 1"),
        (b"1 \\2 ", b"1 \\2"),
    ],
)
def test_dei_18_strings_end_without_surplus_padding(vr, value, expected, depth):
    node = Element(0x00080104, vr, value)
    found = canonical(DataSet([nested(node, depth) if depth else node]))
    pad = b"\0" if vr == "UI" else b" "
    assert innermost(found, depth).get(0x00080104) == Element(0x00080104, vr, expected.replace(b"_", pad))
    assert canonical(found) is found


@pytest.mark.parametrize("vr", ["OB", "OW", "UN", "US", "AT", "FD"])
def test_dei_18_other_values_keep_every_byte(vr):
    source = DataSet([Element(0x00280010, vr, b"1   \0\0"), Encapsulated(0x7FE00010, "OB", (b"", b"1 \0 "))])
    assert canonical(source) is source


def test_dei_18_de_identified_data_sets_are_canonical():
    source = instance(Element(0x00080104, "LO", memoryview(b"text    ")), Element(0x00080016, "UI", b"1.2  "))
    found = deidentify(source, KEY).data_set
    assert found.raw(0x00080104) == b"text"
    assert found.raw(0x00080016) == b"1.2\0"
    assert canonical(found) is found
    assert all(len(node.value) % 2 == 0 for node in walk(found) if isinstance(node, Element))
