"""Retain Safe Private: whose an attribute is, what is known of it, and what stays."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from dicompack.dicom.confidentiality import Option, deidentify
from dicompack.dicom.confidentiality.private import creators, items_in, safe_private
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element
from dicompack.dicom.encoding import marshal
from dicompack.dicom.transfer_syntaxes import IMPLICIT_LITTLE
from tests.unit.dicom.confidentiality_cases import (
    INSTANCE,
    KEY,
    NAME,
    SERIES_SEQUENCE,
    everything,
    instance,
    nested,
    text,
    walk,
)

SAFE = Option.RETAIN_SAFE_PRIVATE
FULL, MODIFIED = Option.RETAIN_LONGITUDINAL_FULL_DATES, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
CREATOR, B_VALUE = text(0x00190010, "LO", "SIEMENS MR HEADER"), text(0x0019100C, "IS", "800")
# A safe date and a safe text are not in the table; the instance says so itself.
ACME = text(0x00110010, "LO", "ACME")


def done(*nodes, options=(), **more):
    return deidentify(instance(*nodes), KEY, frozenset((SAFE, *options)), **more)


def private(data_set):
    return [node for node in data_set if node.tag >> 16 & 1]


def words(*numbers):
    return struct.pack(f"<{len(numbers)}H", *numbers)


def characteristics(status, *nodes, creator="ACME", group=0x0011):
    item = [
        number_element(0x00080301, "US", group),
        text(0x00080302, "LO", creator),
        text(0x00080303, "CS", status),
        *nodes,
    ]
    return Sequence(0x00080300, (DataSet(item),))


def safe(*numbers):
    return characteristics("MIXED", Element(0x00080304, "US", words(*numbers)))


def advice(code, *numbers, status="UNSAFE"):
    item = DataSet([Element(0x00080306, "US", words(*numbers)), text(0x00080307, "CS", code)])
    return characteristics(status, Sequence(0x00080305, (item,)))


def test_the_table_is_complete():
    table = safe_private()
    assert len(table) == 479
    assert len({creator for creator, _ in table}) == 20
    assert Counter(table.values())[""] == 5
    assert table["HOLOGIC, Inc.", 0x7E010012] == "OB"
    assert table["Philips PET Private Group", 0x70530000] == "DS"
    assert all(tag >> 16 & 1 and not tag & 0xFF00 for _, tag in table)


def test_dei_28_without_the_option_nothing_private_stays():
    assert private(deidentify(instance(CREATOR, B_VALUE), KEY).data_set) == []


def test_dei_28_what_the_table_knows_stays_and_is_listed():
    found = done(CREATOR, B_VALUE, text(0x00191020, "LO", "unknown"))
    assert private(found.data_set) == [text(0x00190010, "LO", "SIEMENS MR HEADER"), B_VALUE]
    assert found.retained_private == ((0x0019100C, "SIEMENS MR HEADER"),)
    assert [(finding.kind, finding.rule) for finding in found.findings] == [("private-retained", "DEI-28")]
    assert found.findings[0].message.endswith("as safe: (0019,100C) SIEMENS MR HEADER")


def test_dei_28_all_are_listed_and_a_creator_only_where_it_is_public():
    texts = [text(0x00111001 + number, "LO", "fine") for number in range(15)]
    (finding,) = done(ACME, *texts, safe(*range(1, 16))).findings
    assert all(f"(0011,10{number:02X}) unknown creator" in finding.message for number in range(1, 16))
    assert "ACME" not in finding.message


@pytest.mark.parametrize("block", [0x10, 0x11, 0x7F, 0xFF])
def test_dei_29_the_block_does_not_matter(block):
    nodes = [text(0x00190000 | block, "LO", "SIEMENS MR HEADER"), text(0x0019000C | block << 8, "IS", "800")]
    assert private(done(*nodes).data_set) == nodes


@pytest.mark.parametrize(
    "nodes",
    [
        [B_VALUE],  # nobody reserved the block
        [text(0x00190011, "LO", "SIEMENS MR HEADER"), B_VALUE],  # another block
        [text(0x00190010, "LO", "SIEMENS MR HEADEr"), B_VALUE],
        [text(0x00190010, "LO", "SIEMENS MR HEADER\\X"), B_VALUE],
        [text(0x00190010, "LO", "GEMS_ACQU_01"), B_VALUE],
        [text(0x00210010, "LO", "SIEMENS MR HEADER"), text(0x0021100C, "IS", "800")],  # another group
        [text(0x00190010, "LO", "SIEMENS MR HEADER")],  # a creator of nothing
        [Sequence(0x00190010, ()), B_VALUE],
        [text(0x00050010, "LO", "ACME"), text(0x00051001, "LO", "x")],
    ],
)
def test_dei_29_what_nobody_reserved_is_removed(nodes):
    found = done(*nodes)
    assert private(found.data_set) == []
    assert found.retained_private == ()


def test_dei_29_each_item_has_its_own_blocks():
    inside = Sequence(SERIES_SEQUENCE, (DataSet([CREATOR, B_VALUE]), DataSet([B_VALUE])))
    first, second = done(CREATOR, inside).data_set.items(SERIES_SEQUENCE)
    assert len(first) == 2
    assert len(second) == 0


def test_dei_30_un_gets_the_vr_of_the_table():
    found = done(
        CREATOR, Element(0x0019100C, "UN", b"800 "), Element(0x0019100E, "UN", struct.pack("<3d", 1, 0, 0))
    )
    assert [node.vr for node in private(found.data_set)] == ["LO", "IS", "FD"]


def test_dei_30_creators_may_be_un():
    found = done(Element(0x00190010, "UN", b"SIEMENS MR HEADER "), B_VALUE)
    assert private(found.data_set) == [text(0x00190010, "LO", "SIEMENS MR HEADER"), B_VALUE]


@pytest.mark.parametrize(
    "node",
    [
        Element(0x0019100C, "UN", b"Jane"),  # no IS
        Element(0x0019100C, "OB", b"80"),
        Element(0x0019100E, "UN", b"1234567"),  # no FD
        Element(0x0019100E, "LO", b"12345678"),
    ],
)
def test_dei_30_a_value_that_is_not_of_its_vr_is_removed_with_a_finding(node):
    found = done(CREATOR, node)
    assert private(found.data_set) == []
    assert [(finding.kind, finding.rule) for finding in found.findings] == [("malformed", "DEI-30")]


def test_dei_30_un_that_nobody_knows_is_removed_though_safe():
    found = done(ACME, safe(0x01), Element(0x00111001, "UN", b"xy"))
    assert private(found.data_set) == []
    assert [finding.rule for finding in found.findings] == ["DEI-30"]


def test_dei_28_a_block_that_the_instance_calls_safe():
    nodes = [ACME, text(0x00111001, "LO", "one"), text(0x00111002, "DS", "2")]
    assert len(private(done(*nodes, characteristics("SAFE")).data_set)) == 3
    assert private(done(*nodes, characteristics("UNSAFE")).data_set) == []
    assert private(done(*nodes, characteristics("SAFE", creator="ACME 2")).data_set) == []
    assert private(done(*nodes, characteristics("SAFE", group=0x0013)).data_set) == []


def test_dei_28_elements_that_the_instance_calls_safe():
    nodes = [ACME, text(0x00111001, "LO", "one"), text(0x00111002, "LO", "two")]
    assert [node.tag for node in private(done(*nodes, safe(0x02)).data_set)] == [0x00110010, 0x00111002]
    assert private(done(*nodes, safe(0x1002)).data_set) == []  # with a block it is no element of one


@pytest.mark.parametrize(
    ("code", "vr", "before", "after"),
    [
        ("X", "LO", b"CANARY", None),
        ("Z", "LO", b"CANARY", b""),
        ("D", "LO", b"CANARY", b"REMOVED "),
        ("D", "FD", b"CANARY12", bytes(8)),
        ("C", "LO", b"CANARY", None),
        ("U", "LO", b"CANARY", None),
    ],
)
def test_dei_33_the_advice_of_the_instance_is_followed(code, vr, before, after):
    for status in ("UNSAFE", "MIXED", "SAFE"):
        found = done(ACME, advice(code, 0x01, status=status), Element(0x00111001, vr, before)).data_set
        assert found.raw(0x00111001) == after
        assert (0x00110010 in found) is (after is not None)


def test_dei_33_uids_are_replaced_by_advice_too():
    found = done(ACME, advice("U", 0x01), text(0x00111001, "UI", "1.2.3.4.1")).data_set
    assert found.text(0x00111001) == found.text(INSTANCE)


def test_dei_33_advice_comes_before_the_table():
    item = characteristics(
        "MIXED",
        Sequence(
            0x00080305, (DataSet([Element(0x00080306, "US", words(0x0C)), text(0x00080307, "CS", "X")]),)
        ),
        creator="SIEMENS MR HEADER",
        group=0x0019,
    )
    assert private(done(CREATOR, B_VALUE, item).data_set) == []


def test_dei_31_uids_are_replaced_unless_retained():
    nodes = [text(0x00990010, "LO", "NQHeader"), text(0x00991002, "UI", "1.2.3.4.3")]
    found = done(*nodes).data_set
    assert found.text(0x00991002) == found.text(0x0020000E)
    assert done(*nodes, options=[Option.RETAIN_UIDS]).data_set.text(0x00991002) == "1.2.3.4.3"


@pytest.mark.parametrize("vr", ["DA", "UN"])
def test_dei_31_dates_obey_the_date_options(vr):
    nodes = [ACME, safe(0x01), text(0x00111001, "DA", "20240131"), text(0x00080020, "DA", "20240131")]
    assert 0x00111001 not in done(*nodes).data_set
    assert done(*nodes, options=[FULL]).data_set.text(0x00111001) == "20240131"
    moved = done(*nodes, options=[MODIFIED]).data_set
    assert moved.text(0x00111001) == moved.text(0x00080020) != "20240131"


@pytest.mark.parametrize(
    ("vr", "value"), [("PN", "Jane"), ("AE", "STATION"), ("UR", "about:blank"), ("AS", "040Y")]
)
def test_dei_31_what_names_by_its_nature_is_removed(vr, value):
    assert private(done(ACME, safe(0x01), text(0x00111001, vr, value)).data_set) == []


def test_dei_31_an_age_is_a_characteristic():
    nodes = [ACME, safe(0x01), text(0x00111001, "AS", "040Y")]
    assert done(*nodes, options=[Option.RETAIN_PATIENT_CHARACTERISTICS]).data_set.text(0x00111001) == "040Y"


@pytest.mark.parametrize("value", [b"x CANARY y ", "of Canary!".encode("utf-16-le")])
@pytest.mark.parametrize(
    ("creator", "tag", "vr"), [("HOLOGIC, Inc.", 0x7E011012, "OB"), ("ACME", 0x00111002, "LO")]
)
def test_dei_31_a_value_that_names_the_patient_is_removed(creator, tag, vr, value):
    found = done(safe(0x02), text(tag & 0xFFFF0000 | 0x10, "LO", creator), Element(tag, vr, value))
    assert private(found.data_set) == []
    assert [(finding.kind, finding.rule) for finding in found.findings] == [("identifier-in-text", "DEI-31")]


TELLING = ["seen 12.03.2019", "20190312", "file 1.2.3.9.8.7.6", "by Dr. Foster", "FOSTER^JANE"]


@pytest.mark.parametrize("vr", ["LO", "LT", "SH", "ST", "UC", "UT"])
@pytest.mark.parametrize("value", TELLING)
def test_dei_31_a_safe_text_that_says_who_or_when_is_removed(vr, value):
    found = done(ACME, safe(0x01, 0x02), text(0x00111001, vr, value), text(0x00111002, vr, "VB17A 123456789"))
    assert [node.tag for node in private(found.data_set)] == [0x00110010, 0x00111002]
    assert {finding.rule for finding in found.findings} == {"DEI-28", "DEI-31"}


def test_dei_31_a_safe_text_is_cleaned_where_descriptors_are():
    from dicompack.dicom.confidentiality.descriptors import Vocabulary

    words = Vocabulary.of(instance(text(NAME, "PN", "Zwetschgenbaum^Anna")))
    nodes = [ACME, safe(0x01, 0x02, 0x03), text(0x00111001, "LO", "T1 Zwetschgenbaum")]
    nodes += [text(0x00111002, "LO", "12.03.2019"), text(0x00111003, "LO", "")]
    found = done(*nodes, options=[Option.CLEAN_DESCRIPTORS], vocabulary=words).data_set
    assert found.text(0x00111001) == "T1"
    assert 0x00111002 not in found
    assert found.raw(0x00111003) == b""


def test_dei_31_a_safe_text_is_read_in_the_character_set_of_its_level():
    nodes = [ACME, safe(0x01), Element(0x00111001, "LO", "Körper".encode())]
    assert 0x00111001 in done(text(0x00080005, "CS", "ISO_IR 192"), *nodes).data_set
    assert 0x00111001 not in done(*nodes).data_set  # it cannot be judged


def test_dei_31_bytes_stay_only_where_a_list_names_them():
    assert private(done(ACME, characteristics("SAFE"), Element(0x00111001, "OB", b"xy")).data_set) == []
    listed = [text(0x7E010010, "LO", "HOLOGIC, Inc."), Element(0x7E011012, "OB", b"xy")]
    assert private(done(*listed).data_set) == listed


def test_dei_31_a_creator_that_names_the_patient_is_removed_with_what_is_his():
    nodes = [
        text(0x00110010, "LO", "CANARY 1"),
        text(0x00111001, "LO", "x"),
        characteristics("SAFE", creator="CANARY 1"),
    ]
    assert private(done(*nodes).data_set) == []


def test_dei_14_a_replaced_uid_in_private_bytes_goes():
    nodes = [text(0x7E010010, "LO", "HOLOGIC, Inc."), Element(0x7E011012, "OB", b"\x01\x02 1.2.3.4.1 ")]
    found = done(*nodes)
    assert b"1.2.3.4.1" not in everything(found.data_set)
    assert found.retained_private == ()


ITEM = DataSet(
    [
        text(NAME, "PN", "CANARY"),
        text(0x00080104, "LO", "nested"),
        CREATOR,
        B_VALUE,
        text(0x00191020, "LO", "gone"),
    ]
)
UNKNOWN = text(0x00110010, "LO", "ACME")


@pytest.mark.parametrize("depth", [0, 2])
def test_dei_32_a_private_sequence_is_gone_through_item_by_item(depth):
    node = Sequence(0x00111001, (ITEM,))
    nodes = (UNKNOWN, node) if not depth else (nested_item(UNKNOWN, node, depth),)
    found = done(*nodes)
    tags = {node.tag for node in walk(found.data_set)}
    assert {0x00080104, 0x0019100C, 0x00111001, 0x00110010} <= tags
    assert 0x00191020 not in tags
    assert b"CANARY" not in everything(found.data_set)
    assert set(found.retained_private) == {(0x00111001, "ACME"), (0x0019100C, "SIEMENS MR HEADER")}


def nested_item(creator, node, depth):
    return nested(Sequence(SERIES_SEQUENCE, (DataSet([creator, node]),)), depth)


def sequence_bytes(*items):
    pieces = []
    for item in items:
        value = b"".join(map(bytes, marshal(item, IMPLICIT_LITTLE)))
        pieces.append(struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value)
    return b"".join(pieces)


@pytest.mark.parametrize("creator", ["ACME", "Philips Imaging DD 001"])
def test_dei_32_a_sequence_as_un_is_parsed(creator):
    tag = 0x2001105F
    found = done(text(0x20010010, "LO", creator), Element(tag, "UN", sequence_bytes(ITEM)))
    (item,) = found.data_set.items(tag)
    assert item.text(0x00080104) == "nested"
    assert b"CANARY" not in everything(found.data_set)


@pytest.mark.parametrize(
    "value", [b"CANARY", sequence_bytes(ITEM)[:-2], sequence_bytes(ITEM) + b"CANARY..", b""]
)
def test_dei_32_bytes_that_are_no_items_go(value):
    assert items_in(value) is None
    found = done(text(0x20010010, "LO", "Philips Imaging DD 001"), Element(0x2001105F, "UN", value))
    assert private(found.data_set) == []
    assert [finding.rule for finding in found.findings] == ["DEI-30"]


def test_dei_32_an_unknown_sequence_without_content_goes_a_known_one_stays():
    blank = (DataSet([text(NAME, "PN", "CANARY")]),)
    assert private(done(UNKNOWN, Sequence(0x00111001, blank)).data_set) == []
    known = done(text(0x20010010, "LO", "Philips Imaging DD 001"), Sequence(0x2001105F, blank)).data_set
    assert known.items(0x2001105F)[0].raw(NAME) == b""


def test_dei_32_an_image_within_a_private_sequence_goes():
    icon = DataSet([number_element(0x00280010, "US", 1), Element(0x7FE00010, "OW", b"12")])
    assert private(done(UNKNOWN, Sequence(0x00111001, (icon,))).data_set) == []


def test_dei_32_text_in_private_sequences_is_judged_like_any_other():
    item = DataSet([text(0x00080104, "LO", "of CANARY")])
    found = done(UNKNOWN, Sequence(0x00111001, (item,)))
    assert b"CANARY" not in everything(found.data_set)


def test_creators_are_read_from_reserved_elements_alone():
    nodes = [
        text(0x00190010, "LO", "A"),
        text(0x0019000F, "LO", "B"),
        text(0x00190100, "LO", "C"),
        text(0x00180010, "LO", "D"),
    ]
    assert creators(DataSet([*nodes, text(0x001900FF, "LO", " E ")])) == {0x1910: "A", 0x19FF: "E"}
