"""Every action code on every row of the table, at the top and five levels down."""

from __future__ import annotations

import struct
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.dicom.confidentiality import METHOD, deidentify, new_uid
from dicompack.dicom.confidentiality.canonical import STRING_VRS
from dicompack.dicom.confidentiality.table import Action, rules
from dicompack.dicom.confidentiality.unlisted import BEYOND_THE_TABLE
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, number_element
from dicompack.errors import SuspectError
from tests.unit.dicom.confidentiality_cases import (
    CLASS,
    INSTANCE,
    KEY,
    NAME,
    PATIENT_ID,
    SERIES_SEQUENCE,
    STUDY,
    everything,
    innermost,
    instance,
    nested,
    text,
    walk,
)

RULES = rules(frozenset())
DOCUMENT = 0x00420011
CANARY, CANARY_UID = b"CANARYCANARYCANARYCANARY", b"1.2.3.99.7.1234567890123"
ITEM = DataSet([text(NAME, "PN", "CANARY"), text(0x00081155, "UI", CANARY_UID.decode())])


def result(*nodes):
    return deidentify(instance(*nodes), KEY).data_set


def canary(tag, vr):
    if vr == "SQ":
        return Sequence(tag, (ITEM, ITEM))
    return Element(tag, vr.split(" ")[0] or "LO", CANARY_UID + b"\0" if vr == "UI" else CANARY)


def assert_no_canary(data_set):
    assert b"CANARY" not in everything(data_set)
    assert CANARY_UID not in everything(data_set)


def assert_action(node, tag):
    rule = RULES[tag]
    match rule.action:
        case Action.REMOVE:
            assert node is None
            return
        case Action.EMPTY if tag != NAME:
            assert node == (Sequence(tag, ()) if rule.vr == "SQ" else Element(tag, rule.vr, b""))
        case Action.KEEP:
            assert len(node.items) == 2
        case _:
            assert len(node.items if rule.vr == "SQ" else node.value) > 0
    assert node.vr == rule.vr


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_dei_2_every_listed_attribute_loses_its_value_at_every_level(depth):
    for tag, rule in RULES.items():
        if tag == DOCUMENT:
            continue
        node = canary(tag, rule.vr)
        if depth == 0:
            found = result(node)
            assert_action(found.get(tag), tag)
        else:
            found = result(nested(node, depth))
            kept = innermost(found, depth).get(tag)
            if tag == NAME:  # without a Patient ID beside it there is no pseudonym
                assert kept == Element(NAME, "PN", b"")
            else:
                assert_action(kept, tag)
        assert_no_canary(found)


@pytest.mark.parametrize("vr", ["UN", "LO", "OB", "SQ", "UI"])
def test_dei_2_the_vr_of_the_writer_does_not_matter(vr):
    for tag, rule in RULES.items():
        if tag == DOCUMENT or rule.vr == vr:
            continue
        node = Sequence(tag, (ITEM,)) if vr == "SQ" else Element(tag, vr, CANARY)
        for wrapped in (node, nested(node, 1)):
            found = result(wrapped)
            assert_no_canary(found)
            assert all(kept.vr == rule.vr for kept in walk(found) if kept.tag == tag)


def test_dei_2_a_sequence_that_is_none_is_removed_with_a_finding():
    found = deidentify(instance(Element(0x00081140, "OB", CANARY)), KEY)
    assert 0x00081140 not in found.data_set
    (finding,) = found.findings
    assert (finding.kind, finding.rule) == ("malformed", "DEI-2")
    assert "(0008,1140)" in finding.message


def test_dei_2_a_uid_that_is_none_is_removed_with_a_finding():
    frame_of_reference = 0x00200052
    found = deidentify(instance(Sequence(frame_of_reference, (ITEM,))), KEY)
    assert frame_of_reference not in found.data_set
    assert [finding.rule for finding in found.findings] == ["DEI-2"]


def test_a_listed_attribute_in_fragments_goes_by_its_action():
    found = result(Encapsulated(0x0034_0005, "OB", (b"", CANARY)))
    assert found.get(0x0034_0005) == Element(0x0034_0005, "OB", b"\0\0")


@pytest.mark.parametrize(
    ("tag", "vr", "dummy"),
    [
        (0x00720061, "DA", b"19000101"),
        (0x00720063, "DT", b"19000101000000"),
        (0x0072006B, "TM", b"000000"),
        (0x0072005F, "AS", b"000Y"),
        (0x0072005E, "AE", b"REMOVED "),
        (0x04000565, "CS", b"REMOVED "),
        (0x00720066, "LO", b"REMOVED "),
        (0x00720068, "LT", b"REMOVED "),
        (0x0072006A, "PN", b"REMOVED "),
        (0x0072006C, "SH", b"REMOVED "),
        (0x0072006E, "ST", b"REMOVED "),
        (0x00189367, "UC", b"REMOVED "),
        (0x00720070, "UT", b"REMOVED "),
        (0x00720071, "UR", b"about:blank "),
        (0x00720065, "OB", b"\0\0"),
        (0x0072006D, "UN", b"\0\0"),
    ],
)
@pytest.mark.parametrize("value", [CANARY, b""])
def test_dei_4_a_dummy_is_valid_for_its_vr_whether_or_not_there_was_a_value(tag, vr, dummy, value):
    assert result(Element(tag, vr, value)).get(tag) == Element(tag, vr, dummy)


def test_dei_4_a_dummy_uid_is_a_new_uid_so_that_different_ones_stay_different():
    group = 0x006A0003
    (one,), (other,) = (result(text(group, "UI", uid)).texts(group) for uid in ("1.2.3.99.1", "1.2.3.99.2"))
    assert one == new_uid("1.2.3.99.1", KEY) != other


def test_dei_5_a_content_sequence_becomes_one_text_item():
    name = nested(text(NAME, "PN", "CANARY"), 2)
    item = DataSet([text(0x0040A040, "CS", "NUM"), text(0x0040A160, "UT", "CANARY"), name])
    found = result(Sequence(0x0040A730, (item, item)))
    (content,) = found.items(0x0040A730)
    assert values(content, 0x0040A010, 0x0040A040, 0x0040A160) == ["CONTAINS", "TEXT", "REMOVED"]
    (concept,) = content.items(0x0040A043)
    assert values(concept, *CODE_TAGS) == ["121071", "DCM", "Finding"]
    assert_no_canary(found)


CODE_TAGS = (0x00080100, 0x00080102, 0x00080104)
CODE = DataSet(text(tag, "LO", "CANARY") for tag in CODE_TAGS)


def values(data_set, *tags):
    return [data_set.text(tag) for tag in tags]


@pytest.mark.parametrize("tag", [0x00401101, 0x00080082, 0x00081072])
@pytest.mark.parametrize("items", [(), (CODE,), (CODE, CODE)])
def test_dei_5_a_code_sequence_becomes_one_code_that_says_removed(tag, items):
    found = result(Sequence(tag, items))
    if tag == 0x00081072 and not items:
        assert found.get(tag) == Sequence(tag, ())
        return
    (code,) = found.items(tag)
    assert values(code, *CODE_TAGS) == ["REMOVED", "99DCMPACK", "Removed"]
    assert_no_canary(found)


@pytest.mark.parametrize("value", [0x00080100, 0x00080119, 0x00080120])
def test_dei_5_every_kind_of_code_value_makes_a_code(value):
    found = result(Sequence(0x00081072, (DataSet([text(value, "LO", "CANARY"), CODE.get(0x00080104)]),)))
    assert_no_canary(found)


def test_dei_5_a_graphic_annotation_becomes_one_point_on_a_layer_that_exists():
    outline = DataSet([Element(0x00700022, "FL", struct.pack("<4f", 7, 7, 8, 8))])
    item = DataSet([text(0x00700002, "CS", "LAYER1"), Sequence(0x00700009, (outline,)), *ITEM])
    found = result(Sequence(0x00700001, (item, item)))
    (annotation,) = found.items(0x00700001)
    assert annotation.text(0x00700002) == "LAYER1"
    (point,) = annotation.items(0x00700009)
    assert point.raw(0x00700022) == bytes(8)
    assert struct.pack("<f", 7) not in everything(found)
    assert_no_canary(found)


@pytest.mark.parametrize("items", [(), (DataSet([Element(0x00700002, "UN", CANARY)]),)])
def test_dei_5_a_graphic_annotation_without_a_good_layer_gets_one(items):
    (annotation,) = result(Sequence(0x00700001, items)).items(0x00700001)
    assert annotation.text(0x00700002) == "REMOVED"


def test_dei_5_a_verifying_observer_stays_an_observer_without_identity():
    observer = DataSet(
        [
            text(0x0040A027, "LO", "CANARY"),
            text(0x0040A030, "DT", "20200101"),
            text(0x0040A075, "PN", "CANARY"),
            Sequence(0x0040A088, (CODE,)),
        ]
    )
    (found,) = result(Sequence(0x0040A073, (observer,))).items(0x0040A073)
    assert found.text(0x0040A075) == found.text(0x0040A027) == "REMOVED"
    assert found.text(0x0040A030) == "19000101000000"
    assert found.items(0x0040A088) == ()


@pytest.mark.parametrize("wrap", [lambda node: node, lambda node: nested(node, 5)])
def test_dei_15_an_encapsulated_document_is_refused_wherever_it_is(wrap):
    with pytest.raises(SuspectError) as caught:
        result(wrap(Element(DOCUMENT, "OB", CANARY)))
    assert caught.value.rule == "DEI-15"


@pytest.mark.parametrize(
    ("value", "kinds"), [("YES", ["burned-in"]), ("yes ", ["burned-in"]), ("NO", []), ("", [])]
)
def test_dei_16_burned_in_annotation_is_a_finding(value, kinds):
    found = deidentify(instance(text(0x00280301, "CS", value)), KEY)
    assert [finding.kind for finding in found.findings] == kinds
    assert all(finding.where == "" and finding.rule == "DEI-16" for finding in found.findings)


def test_dei_17_stamps_say_what_was_done_and_nothing_else():
    claim = DataSet([text(0x00080100, "SH", "113101"), text(0x00080104, "LO", "CANARY")])
    earlier = [
        text(0x00120062, "CS", "NO"),
        text(0x00120063, "LO", "CANARY"),
        Sequence(0x00120064, (claim, claim)),
        text(0x00280303, "CS", "UNMODIFIED"),
    ]
    found = result(*earlier, Sequence(SERIES_SEQUENCE, (DataSet(earlier),)))
    assert found.text(0x00120062) == "YES"
    assert found.text(0x00120063) == METHOD
    assert len(METHOD) <= 64
    (code,) = found.items(0x00120064)
    assert [code.text(tag) for tag in (0x00080100, 0x00080102)] == ["113100", "DCM"]
    assert found.text(0x00280303) == "REMOVED"
    assert found.items(SERIES_SEQUENCE) == (DataSet(),)
    assert_no_canary(found)


def test_absent_attributes_stay_absent_but_for_the_stamps():
    found = deidentify(DataSet([text(0x00280004, "CS", "RGB")]), KEY).data_set
    assert [node.tag for node in found] == [0x00120062, 0x00120063, 0x00120064, 0x00280004, 0x00280303]


def test_what_is_not_listed_stays_the_very_same_node():
    pixels = Encapsulated(0x7FE00010, "OB", (b"", b"\xff\xd8\xff\xd9"))
    rows = number_element(0x00280010, "US", 512)
    spacing = Element(0x00280030, "DS", memoryview(b"0.5\\0.5 "))
    found = result(pixels, rows, spacing, text(CLASS, "UI", "1.2.840.10008.5.1.4.1.1.2"))
    assert all(found.get(node.tag) is node for node in (pixels, rows, spacing))
    assert found.text(CLASS) == "1.2.840.10008.5.1.4.1.1.2"


def test_the_character_set_stays_and_what_is_put_in_is_ascii():
    found = result(text(0x00080005, "CS", "\\ISO 2022 IR 87"), text(0x00720066, "LO", "x"))
    assert found.raw(0x00080005) == b"\\ISO 2022 IR 87 "
    assert everything(found).isascii()


def test_the_same_data_set_and_key_give_the_same_result():
    nodes = [canary(tag, rule.vr) for tag, rule in RULES.items() if tag != DOCUMENT]
    assert result(*nodes) == result(*reversed(nodes))


def test_values_may_be_views_of_a_larger_buffer():
    nodes = [canary(tag, rule.vr) for tag, rule in RULES.items() if tag != DOCUMENT and rule.vr != "SQ"]
    nodes += [text(0x00080104, "LO", "x 1.2.3.4.1  "), text(0x0008010C, "UI", "1.2.3.4.1")]
    nodes += [text(0x00280030, "DS", "0.5   "), text(0x00280301, "CS", "YES")]
    views = [Element(node.tag, node.vr, memoryview(node.value)) for node in nodes]
    assert deidentify(instance(*views), KEY) == deidentify(instance(*nodes), KEY)


def test_nesting_as_deep_as_the_walk_allows_works():
    found = result(nested(text(NAME, "PN", "CANARY"), 64))
    assert innermost(found, 64).raw(NAME) == b""


def test_the_input_is_not_touched():
    source = instance(nested(text(NAME, "PN", "CANARY"), 3))
    before = everything(source)
    deidentify(source, KEY)
    assert everything(source) == before


VRS = sorted(STRING_VRS | {"OB", "OW", "UN", "US", "UL", "FD", "AT"})
TAGS = st.one_of(
    st.sampled_from([tag for tag in (*RULES, *BEYOND_THE_TABLE) if tag != DOCUMENT]),
    st.integers(0, 0xFFFFFFFF).filter(lambda tag: tag != DOCUMENT),
    st.sampled_from([0x00090010, 0x00091001, 0x50000010, 0x60000010, 0x60003000, 0x00080000, 0x00020010]),
    st.sampled_from([0x00280010, 0x00280030, SERIES_SEQUENCE, 0x00081199, 0x7FE00010, 0x00080104]),
)
ELEMENTS = st.builds(Element, TAGS, st.sampled_from(VRS), st.binary(max_size=12) | st.just(b"1.2.3.4.1"))
DATA_SETS = st.recursive(
    st.lists(ELEMENTS, max_size=6).map(DataSet),
    lambda inner: st.lists(
        st.one_of(ELEMENTS, st.builds(Sequence, TAGS, st.lists(inner, max_size=2).map(tuple))), max_size=6
    ).map(DataSet),
    max_leaves=8,
)


@given(DATA_SETS)
def test_dei_8_dei_9_dei_18_nothing_private_no_curve_no_x_and_no_surplus_padding_at_any_level(source):
    found = result(*(node for node in source if node.tag not in (INSTANCE, STUDY)))
    added = {0x00120062, 0x00120063, 0x00120064, 0x00280303}
    for node in walk(found):
        rule = RULES.get(node.tag) or BEYOND_THE_TABLE.get(node.tag)
        assert rule is None or rule.action is not Action.REMOVE or node.tag in added
        assert node.tag >> 16 & 1 == 0 and node.tag >> 24 not in (0x50, 0x60) and node.tag & 0xFFFF
        assert node.tag >= 0x00080000
        assert node.vr != "UN" or node.tag == 0x0072006D
        if node.vr in STRING_VRS:
            assert len(node.value) % 2 == 0
            assert len(bytes(node.value).rstrip(b" \0")) >= len(node.value) - 1
            assert bytes(node.value).rstrip(b" \0") != b"1.2.3.4.1"
    assert result(*(node for node in source if node.tag not in (INSTANCE, STUDY))) == found


def test_an_instance_takes_well_below_a_millisecond():
    source = instance(*(number_element(tag, "US", 1) for tag in range(0x00280010, 0x00280100)))
    deidentify(source, KEY)
    times = []
    for _ in range(20):
        start = perf_counter()
        deidentify(source, KEY)
        times.append(perf_counter() - start)
    assert min(times) < 0.005  # 0.3 ms measured; the margin is for busy machines
    assert PATIENT_ID in deidentify(source, KEY).data_set
