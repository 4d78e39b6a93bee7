"""The options of PS3.15 Annex E: alone, together, and what is claimed of them."""

from __future__ import annotations

import pickle
import struct
from itertools import combinations

import pytest

from dicompack.dicom.confidentiality import METHOD, Option, check_options, deidentify, parse_deidentify
from dicompack.dicom.confidentiality.dates import NOT_OF_THE_PATIENT
from dicompack.dicom.confidentiality.table import Action, rows, rules
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element
from dicompack.errors import UsageError
from tests.unit.dicom.confidentiality_cases import (
    INSTANCE,
    KEY,
    NAME,
    PATIENT_ID,
    SERIES,
    SERIES_SEQUENCE,
    STUDY,
    everything,
    innermost,
    instance,
    key,
    nested,
    text,
    walk,
)

FULL = Option.RETAIN_LONGITUDINAL_FULL_DATES
MODIFIED = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
ROWS = {row.keyword: row for row in rows()}
STUDY_DATE, STUDY_TIME, DESCRIPTION, STATION_AE = 0x00080020, 0x00080030, 0x00081030, 0x00080055
INSTITUTION, SERIAL, AGE, ALLERGIES, CALIBRATED = 0x00080080, 0x00181000, 0x00101010, 0x00102110, 0x00181200
ANNOTATIONS, TEXT_OBJECTS, TEXT, GRAPHICS = 0x00700001, 0x00700008, 0x00700006, 0x00700009
CODES, METHODS, MODIFIED_FLAG = 0x00120064, 0x00120063, 0x00280303


def done(*nodes, options=(), **more):
    return deidentify(instance(*nodes), KEY, frozenset(options), **more)


def result(*nodes, options=()):
    return done(*nodes, options=options).data_set


def codes(data_set):
    return [item.text(0x00080100) for item in data_set.items(CODES)]


def test_dei_1_both_date_options_are_refused():
    both = frozenset((FULL, MODIFIED, Option.RETAIN_UIDS))
    for call in (lambda: check_options(both), lambda: done(options=both)):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.rule == "DEI-1"


def test_every_other_pair_of_options_goes_together():
    for pair in combinations(Option, 2):
        if set(pair) != {FULL, MODIFIED}:
            found = done(text(STUDY_DATE, "DA", "20240131"), options=pair)
            assert set(found.options_claimed) == {"basic", *pair}


def test_dei_37_options_by_name():
    assert parse_deidentify("basic") == frozenset()
    assert parse_deidentify("basic+retain-uids + clean-graphics") == {
        Option.RETAIN_UIDS,
        Option.CLEAN_GRAPHICS,
    }
    for option in Option:
        assert parse_deidentify(f"basic+{option}") == {option}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("basic+retain-uid", "did you mean retain-uids?"),
        ("basic+Retain-Device", "did you mean retain-device-identity?"),
        ("basci", "did you mean basic?"),
        ("retain-uids", "known: basic"),
        ("basic+", "known: retain-safe-private"),
        ("basic+clean-pixel-data", "--burned-in clean"),
        ("", "known: basic"),
    ],
)
def test_dei_37_an_unknown_name_is_refused_with_the_nearest(words, hint):
    with pytest.raises(UsageError) as caught:
        parse_deidentify(words)
    assert caught.value.rule == "DEI-37"
    assert hint in caught.value.hint


@pytest.mark.parametrize("words", ["none", " none", "none+retain-uids"])
def test_dei_37_none_is_for_packing_alone(words):
    with pytest.raises(UsageError, match="for packing alone") as caught:
        parse_deidentify(words)
    assert caught.value.rule == "DEI-37"


def test_dei_40_retained_uids_give_a_shift_away():
    date = text(0x00080020, "DA", "20240305")
    found = done(date, options=[MODIFIED, Option.RETAIN_UIDS]).findings
    assert [(one.kind, one.rule) for one in found] == [("shift-guessable", "DEI-40")]
    for options in ([MODIFIED], [Option.RETAIN_UIDS], [FULL, Option.RETAIN_UIDS]):
        assert done(date, options=options).findings == ()


def test_dei_37_nothing_stands_twice():
    with pytest.raises(UsageError, match="twice"):
        parse_deidentify("basic+retain-uids+retain-uids")


def test_dei_1_the_parser_refuses_both_dates():
    with pytest.raises(UsageError) as caught:
        parse_deidentify(f"basic+{FULL}+{MODIFIED}")
    assert caught.value.rule == "DEI-1"


@pytest.mark.parametrize("option", Option)
def test_an_option_changes_the_rows_of_its_column_and_no_others(option):
    plain, with_option = rules(frozenset()), rules(frozenset((option,)))
    column = {
        int(row.tag, 16)
        for row in rows()
        if option in row.options
        and int(row.tag[:4].replace("x", "0").replace("gggg", "0"), 16) >= 8
        and "x" not in row.tag
        and "g" not in row.tag
    }
    changed = {tag for tag in plain if with_option[tag] != plain[tag]}
    assert changed <= column
    assert all(with_option[tag].action in (Action.KEEP, Action.CLEAN) for tag in column)
    assert all(with_option[tag].otherwise not in (None, Action.KEEP, Action.CLEAN) for tag in column)


@pytest.mark.parametrize(
    "option",
    [
        Option.RETAIN_DEVICE_IDENTITY,
        Option.RETAIN_INSTITUTION_IDENTITY,
        FULL,
        Option.RETAIN_UIDS,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
    ],
)
@pytest.mark.parametrize("depth", [0, 3])
def test_dei_21_what_an_option_keeps_stays_as_it_is_at_every_level(option, depth):
    values = {
        "DA": "20240131",
        "TM": "1200",
        "DT": "20240131120000",
        "UI": "1.2.3.4.5.6",
        "AS": "040Y",
        "DS": "1.5",
        "IS": "7",
    }
    for tag, rule in rules(frozenset((option,))).items():
        if (
            rule.action is not Action.KEEP
            or option not in ROWS_BY_TAG[tag].options
            or rule.vr in ("SQ", "OB")
        ):
            continue
        node = (
            number_element(tag, "US", 4)
            if rule.vr == "US"
            else text(tag, rule.vr, values.get(rule.vr, "KEEP ME"))
        )
        found = result(node if not depth else nested(node, depth), options=[option])
        kept = innermost(found, depth).get(tag)
        assert bytes(kept.value).rstrip(b" \0") == bytes(node.value).rstrip(b" \0"), hex(tag)
        assert kept.vr == rule.vr


ROWS_BY_TAG = {int(row.tag, 16): row for row in rows() if "x" not in row.tag and "g" not in row.tag}


def test_dei_21_a_kept_sequence_is_gone_through():
    udi = 0x0018100A
    item = DataSet(
        [text(NAME, "PN", "CANARY"), text(0x00280010, "IS", "1"), text(0x00081155, "UI", "1.2.3.9")]
    )
    found = result(Sequence(udi, (item,)), options=[Option.RETAIN_DEVICE_IDENTITY])
    (kept,) = found.items(udi)
    assert kept.raw(NAME) == b""
    assert kept.text(0x00081155).startswith("2.25.")


@pytest.mark.parametrize(
    ("node", "option", "kept"),
    [
        (Element(SERIAL, "UN", b"S4711 "), Option.RETAIN_DEVICE_IDENTITY, Element(SERIAL, "LO", b"S4711 ")),
        (Element(STUDY_DATE, "UN", b"Jane Doe"), FULL, Element(STUDY_DATE, "DA", b"")),
        (Element(STUDY_DATE, "LO", b"20240131"), FULL, Element(STUDY_DATE, "DA", b"")),
        (Element(0x001021C0, "US", b"abc"), Option.RETAIN_PATIENT_CHARACTERISTICS, None),
        (Element(INSTANCE, "UI", b"1.2.3x"), Option.RETAIN_UIDS, None),
        (Sequence(SERIAL, ()), Option.RETAIN_DEVICE_IDENTITY, Element(SERIAL, "LO", b"REMOVED ")),
        (Element(0x0018100A, "LO", b"CANARY"), Option.RETAIN_DEVICE_IDENTITY, None),
    ],
)
def test_dei_21_a_value_that_is_not_of_its_vr_goes_by_the_profile(node, option, kept):
    found = done(node, options=[option])
    now = found.data_set.get(node.tag)
    if node.tag == INSTANCE:
        assert found.data_set.text(INSTANCE).startswith("2.25.")
    else:
        assert now == kept
    assert [finding.rule for finding in found.findings] == (
        [] if kept and b"4711" in kept.value else ["DEI-21"]
    )


def test_dei_22_a_kept_text_that_names_the_patient_goes_by_the_profile():
    found = done(text(INSTITUTION, "LO", "Villa Canary"), options=[Option.RETAIN_INSTITUTION_IDENTITY])
    assert b"anary" not in everything(found.data_set)
    assert [(finding.kind, finding.rule) for finding in found.findings] == [("identifier-in-text", "DEI-22")]


def test_retain_uids_keeps_every_uid_and_makes_none():
    reference = Sequence(0x00081140, (DataSet([text(0x00081155, "UI", "1.2.3.9")]),))
    found = result(reference, text(0x00200052, "UI", "1.2.3.8"), options=[Option.RETAIN_UIDS])
    assert [found.text(tag) for tag in (INSTANCE, STUDY, SERIES)] == ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]
    assert found.items(0x00081140)[0].text(0x00081155) == "1.2.3.9"
    assert b"2.25." not in everything(found)


def test_the_patient_stays_unnamed_under_all_options():
    options = frozenset(Option) - {FULL}
    nodes = [
        text(0x00101000, "LO", "CANARY-2"),
        text(0x00100030, "DA", "19700203"),
        text(0x00080090, "PN", "CANARY^DOC"),
    ]
    found = deidentify(instance(*nodes), KEY, options).data_set
    assert b"CANARY" not in everything(found)
    assert b"19700203" not in everything(found)
    assert found.text(NAME) == found.text(PATIENT_ID) == deidentify(instance(), KEY).data_set.text(PATIENT_ID)


def test_dei_23_modified_dates_are_moved_by_one_number_of_days_at_every_level():
    nodes = [
        text(STUDY_DATE, "DA", "20240131"),
        text(STUDY_TIME, "TM", "1200"),
        text(0x0008002A, "DT", "20240201120000+0100"),
    ]
    found = result(*nodes, nested(text(0x00080022, "DA", "20240301"), 2), options=[MODIFIED])
    days = [found.text(STUDY_DATE), found.text(0x0008002A)[:8], innermost(found, 2).text(0x00080022)]
    assert found.text(STUDY_TIME) == "1200"
    assert found.text(0x0008002A).endswith("120000+0100")
    ordinals = [ordinal(day) for day in days]
    assert [ordinals[1] - ordinals[0], ordinals[2] - ordinals[0]] == [1, 30]
    assert ordinals[0] < ordinal("20240131")


def ordinal(day):
    from datetime import date

    return date(int(day[:4]), int(day[4:6]), int(day[6:])).toordinal()


def test_dei_23_a_date_that_is_none_goes_by_the_profile_with_a_finding():
    found = done(text(STUDY_DATE, "DA", "20241399"), options=[MODIFIED])
    assert found.data_set.raw(STUDY_DATE) == b""
    assert [(finding.kind, finding.rule) for finding in found.findings] == [("not-cleaned", "DEI-23")]


def test_dei_24_a_device_date_is_never_shifted():
    assert CALIBRATED in NOT_OF_THE_PATIENT
    date = text(CALIBRATED, "DA", "20230131")
    assert result(date, options=[Option.RETAIN_DEVICE_IDENTITY]).text(CALIBRATED) == "20230131"
    for options in ([MODIFIED], [MODIFIED, Option.RETAIN_DEVICE_IDENTITY]):
        found = done(date, options=options)
        assert CALIBRATED not in found.data_set
        assert found.findings == ()


def test_dei_24_clean_comes_before_keep():
    both = rules(frozenset((Option.RETAIN_DEVICE_IDENTITY, MODIFIED)))
    assert both[CALIBRATED].action is Action.CLEAN
    assert (
        rules(frozenset((Option.RETAIN_PATIENT_CHARACTERISTICS, Option.CLEAN_DESCRIPTORS)))[ALLERGIES].action
        is Action.CLEAN
    )


def test_dei_25_ae_titles_get_an_alias_that_is_the_same_for_the_same_key():
    options = frozenset((Option.RETAIN_DEVICE_IDENTITY,))
    nodes = [text(STATION_AE, "AE", "KLINIK_CT1"), text(0x00080054, "AE", "KLINIK_CT1\\OTHER")]
    found = deidentify(instance(*nodes), KEY, options).data_set
    alias, other = found.texts(0x00080054)
    assert found.text(STATION_AE) == alias != other
    assert alias.startswith("AE-") and len(alias) == 15
    elsewhere = deidentify(instance(*nodes), key(b"b"), options).data_set
    assert elsewhere.text(STATION_AE) != alias
    assert b"KLINIK" not in everything(found)


def test_dei_23_descriptors_are_cleaned_and_counted():
    found = done(text(DESCRIPTION, "LO", "MRT Knie, CANARY NAME"), options=[Option.CLEAN_DESCRIPTORS])
    assert found.data_set.text(DESCRIPTION).startswith("MRT Knie")
    assert b"CANARY" not in everything(found.data_set)
    assert found.cut >= 1
    assert [finding.kind for finding in found.findings] == ["text-cut"]
    assert DESCRIPTION not in result(text(DESCRIPTION, "LO", "MRT Knie"))


def test_dei_23_a_text_of_which_nothing_is_left_goes_by_the_profile():
    protocol = 0x00181030  # X/D
    found = done(text(protocol, "LO", "CANARY"), options=[Option.CLEAN_DESCRIPTORS])
    assert found.data_set.text(protocol) == "REMOVED"
    assert [finding.kind for finding in found.findings] == ["text-cut"]


def test_dei_23_bytes_cannot_be_cleaned():
    found = done(Element(0x0016002B, "OB", b"CANARY"), options=[Option.CLEAN_DESCRIPTORS])
    assert 0x0016002B not in found.data_set


def test_dei_23_the_words_of_the_study_count_where_the_caller_knows_them():
    from dicompack.dicom.confidentiality.descriptors import Vocabulary

    words = Vocabulary.of(instance(text(NAME, "PN", "Zwetschgenbaum^Anna")))
    described = instance(text(DESCRIPTION, "LO", "Knie Zwetschgenbaum links"))
    options = frozenset((Option.CLEAN_DESCRIPTORS,))
    assert b"Zwetsch" in everything(deidentify(described, KEY, options).data_set)
    assert b"Zwetsch" not in everything(deidentify(described, KEY, options, vocabulary=words).data_set)


def test_dei_23_patient_characteristics_are_cleaned_where_they_are_text():
    found = result(
        text(ALLERGIES, "LO", "Penicillin (CANARY)"),
        text(AGE, "AS", "040Y"),
        options=[Option.RETAIN_PATIENT_CHARACTERISTICS],
    )
    assert found.text(ALLERGIES).startswith("Penicillin")
    assert b"CANARY" not in everything(found)
    assert found.text(AGE) == "040Y"


def test_dei_23_an_empty_value_gets_what_the_profile_has():
    assert result(text(0x00080022, "DA", ""), options=[MODIFIED]).raw(0x00080022) == b""


def test_dei_23_structured_content_keeps_its_shape():
    concept = Sequence(
        0x0040A043,
        (
            DataSet(
                [
                    text(0x00080100, "SH", "121071"),
                    text(0x00080102, "SH", "DCM"),
                    text(0x00080104, "LO", "Finding"),
                ]
            ),
        ),
    )
    item = DataSet(
        [
            text(0x0040A010, "CS", "CONTAINS"),
            text(0x0040A040, "CS", "TEXT"),
            concept,
            text(0x0040A160, "UT", "Nodule of CANARY"),
        ]
    )
    content = Sequence(0x0040A730, (item,))
    assert b"Nodule" not in everything(result(content))
    found = result(content, options=[Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_DESCRIPTORS])
    assert b"CANARY" not in everything(found)
    assert b"Nodule" in everything(found)


def polyline(*points, kind="POLYLINE"):
    return DataSet(
        [
            text(0x00700005, "CS", "PIXEL"),
            number_element(0x00700020, "US", 2),
            number_element(0x00700021, "US", len(points)),
            Element(0x00700022, "FL", b"".join(struct.pack("<2f", *point) for point in points)),
            text(0x00700023, "CS", kind),
        ]
    )  # fmt: skip


def annotated(*nodes):
    return Sequence(ANNOTATIONS, (DataSet([text(0x00700002, "CS", "LAYER"), *nodes]),))


ARROW = polyline((1, 1), (9, 9))
OUTLINE = polyline(*((n, n * n) for n in range(20)), (0, 0))
SCRAWL = polyline(*((n, n % 3) for n in range(20)))


def test_dei_26_graphics_that_cannot_be_writing_stay():
    graphics = Sequence(GRAPHICS, (ARROW, OUTLINE, SCRAWL, polyline((1, 1), kind="SPLINE")))
    found = result(annotated(graphics), options=[Option.CLEAN_GRAPHICS])
    (item,) = found.items(ANNOTATIONS)
    assert item.items(GRAPHICS) == (ARROW, OUTLINE)
    assert item.text(0x00700002) == "LAYER"


def test_dei_26_text_of_annotations_is_cleaned():
    words = Sequence(TEXT_OBJECTS, (DataSet([text(TEXT, "ST", "lesion of CANARY")]),))
    found = result(annotated(words), options=[Option.CLEAN_GRAPHICS])
    cleaned = found.items(ANNOTATIONS)[0].items(TEXT_OBJECTS)[0].text(TEXT)
    assert cleaned.startswith("lesion") and "CANARY" not in cleaned


def test_dei_26_where_nothing_is_left_there_is_the_dummy():
    compound = Sequence(0x00700209, (DataSet([text(TEXT, "ST", "CANARY")]),))
    scrawl = annotated(Sequence(GRAPHICS, (SCRAWL,)), compound)
    assert result(scrawl, options=[Option.CLEAN_GRAPHICS]).get(ANNOTATIONS) == result(scrawl).get(ANNOTATIONS)


def test_dei_26_overlays_and_curves_go_with_the_option_too():
    found = result(
        Element(0x60003000, "OW", b"12"), Element(0x50003000, "OW", b"12"), options=[Option.CLEAN_GRAPHICS]
    )
    assert not [node for node in found if node.tag >> 16 in (0x5000, 0x6000)]


@pytest.mark.parametrize(
    ("options", "flag", "claimed"),
    [
        ([], "REMOVED", ["113100"]),
        ([FULL], "UNMODIFIED", ["113100", "113106"]),
        ([MODIFIED], "MODIFIED", ["113100", "113107"]),
        (
            [option for option in Option if option is not FULL],
            "MODIFIED",
            [
                "113100",
                "113103",
                "113104",
                "113105",
                "113107",
                "113108",
                "113109",
                "113110",
                "113111",
                "113112",
            ],
        ),
    ],
)
def test_dei_27_codes_say_what_was_done(options, flag, claimed):
    found = done(options=options)
    assert found.data_set.text(MODIFIED_FLAG) == flag
    assert codes(found.data_set) == list(found.codes) == claimed
    assert {item.text(0x00080102) for item in found.data_set.items(CODES)} == {"DCM"}
    assert found.data_set.texts(METHODS) == (METHOD, *(o.value for o in Option if o in options))
    assert all(len(value) <= 64 for value in found.data_set.texts(METHODS))
    assert found.data_set.text(0x00120062) == "YES"


@pytest.mark.parametrize(
    ("before", "options", "flag"),
    [
        ("MODIFIED", [FULL], "MODIFIED"),
        ("REMOVED", [FULL], "REMOVED"),
        ("UNMODIFIED", [FULL], "UNMODIFIED"),
        ("whatever", [FULL], "UNMODIFIED"),
        ("UNMODIFIED", [MODIFIED], "MODIFIED"),
        ("UNMODIFIED", [], "REMOVED"),
    ],
)
def test_dei_27_dates_that_somebody_else_has_changed_are_not_called_unmodified(before, options, flag):
    found = done(text(MODIFIED_FLAG, "CS", before), options=options)
    assert found.data_set.text(MODIFIED_FLAG) == flag


def test_dei_27_code_meanings_are_those_of_cid_7050():
    from pydicom.sr._concepts_dict import concepts

    known = {
        code: meaning
        for entry in concepts["DCM"].values()
        for code, (meaning, contexts) in entry.items()
        if 7050 in contexts
    }
    found = done(options=frozenset(Option) - {FULL}, pixels_cleaned=True).data_set
    assert {
        item.text(0x00080100): item.text(0x00080104) for item in found.items(CODES)
    }.items() <= known.items()
    assert done(options=[FULL]).data_set.items(CODES)[1].text(0x00080104) == known["113106"]


def test_dei_27_clean_pixels_are_claimed_only_where_the_caller_says_so():
    burned = text(0x00280301, "CS", "YES")
    plain, cleaned = done(burned), done(burned, pixels_cleaned=True)
    assert "113101" not in plain.codes and plain.data_set.text(0x00280301) == "YES"
    assert "113101" in cleaned.codes and cleaned.data_set.text(0x00280301) == "NO"
    assert [finding.rule for finding in plain.findings] == ["DEI-16"]
    assert cleaned.findings == ()


@pytest.mark.parametrize("depth", [1, 2])
def test_dei_27_clean_pixels_are_not_claimed_while_others_stay_below(depth):
    node = Element(0x7FE00010, "OW", bytes(2))
    for _ in range(depth):
        node = Sequence(0x00081115, (DataSet([node]),))
    found = done(text(0x00280301, "CS", "YES"), node, pixels_cleaned=True)
    assert "113101" not in found.codes
    assert found.data_set.text(0x00280301) == "YES"
    assert [one.rule for one in found.findings] == ["DEI-16", "DEI-27"]


def test_a_uid_that_was_replaced_is_not_kept_in_a_text_dei_14():
    found = result(text(INSTITUTION, "LO", "at 1.2.3.4.1"), options=[Option.RETAIN_INSTITUTION_IDENTITY])
    assert b"1.2.3.4.1" not in everything(found)


def test_without_options_nothing_of_an_option_is_done():
    found = done(
        text(STUDY_DATE, "DA", "20240131"),
        Element(0x00091001, "LO", b"x "),
        text(0x00090010, "LO", "NQHeader"),
    )
    assert (found.options_claimed, found.codes, found.retained_private, found.cut) == (
        ("basic",),
        ("113100",),
        (),
        0,
    )
    assert all(not node.tag >> 16 & 1 for node in walk(found.data_set))


def test_a_result_crosses_a_process_boundary():
    found = done(options=[MODIFIED])
    assert pickle.loads(pickle.dumps(found)) == found


def test_items_inherit_the_character_set():
    described = Element(0x0008103E, "LO", "Knie Müllerová".encode())
    nodes = [Element(NAME, "PN", "Müllerová^Eva".encode()), text(0x00080005, "CS", "ISO_IR 192")]
    found = result(
        *nodes, Sequence(SERIES_SEQUENCE, (DataSet([described]),)), options=[Option.CLEAN_DESCRIPTORS]
    )
    assert b"ller" not in everything(found)
    assert b"Knie" in everything(found)


EVERYTHING_BUT_FULL_DATES = frozenset(Option) - {FULL}
EVERYTHING_BUT_MODIFIED_DATES = frozenset(Option) - {MODIFIED}


@pytest.mark.parametrize("options", [EVERYTHING_BUT_FULL_DATES, EVERYTHING_BUT_MODIFIED_DATES])
@pytest.mark.parametrize("vr", ["", "UN", "LO", "OB", "UT", "SQ"])
def test_dei_22_the_name_of_the_patient_leaves_in_no_attribute_whatever_is_retained(options, vr):
    """DEI-21, DEI-22, DEI-23: every row under all options at once, in its own VR and in others."""
    item = DataSet([text(NAME, "PN", "CANARY"), text(DESCRIPTION, "LO", "by CANARY")])
    for tag, rule in rules(options).items():
        own = vr or rule.vr or "LO"
        if tag in (NAME, PATIENT_ID, 0x00420011):
            continue
        node = Sequence(tag, (item,)) if own == "SQ" else Element(tag, own, b"of CANARY ")
        for wrapped in (node, nested(node, 2)):
            found = deidentify(instance(wrapped), KEY, options).data_set
            assert b"CANARY" not in everything(found), (hex(tag), own)


@pytest.mark.parametrize("option", Option)
def test_an_option_alone_leaves_no_unlisted_canary(option):
    """What no column names is treated as without the option."""
    canaries = {
        tag: rule for tag, rule in rules(frozenset()).items() if option not in ROWS_BY_TAG[tag].options
    }
    plain = {tag: rules(frozenset((option,)))[tag] for tag in canaries}
    if option is Option.CLEAN_GRAPHICS:
        canaries.pop(TEXT), plain.pop(TEXT)
    assert plain == canaries


def test_dei_23_a_code_string_is_a_term_as_a_whole_or_none():
    (tag,) = (
        tag for tag, row in ROWS_BY_TAG.items() if row.vr == "CS" and Option.CLEAN_DESCRIPTORS in row.options
    )
    assert result(text(tag, "CS", "HEAD"), options=[Option.CLEAN_DESCRIPTORS]).text(tag) == "HEAD"
    assert result(text(tag, "CS", "HEAD CANARY"), options=[Option.CLEAN_DESCRIPTORS]).text(tag) == "REMOVED"


@pytest.mark.parametrize("retained", [True, False])
def test_uids_of_content_items_obey_retain_uids(retained):
    concept = [text(0x00080100, "SH", "121072"), text(0x00080102, "SH", "DCM"), text(0x00080104, "LO", "x")]
    item = DataSet(
        [
            text(0x0040A010, "CS", "CONTAINS"),
            text(0x0040A040, "CS", "UIDREF"),
            Sequence(0x0040A043, (DataSet(concept),)),
            text(0x0040A124, "UI", "1.2.3.4.1"),
        ]
    )
    options = [Option.CLEAN_STRUCTURED_CONTENT, *([Option.RETAIN_UIDS] if retained else [])]
    found = result(Sequence(0x0040A730, (item,)), options=options)
    assert found.items(0x0040A730)[0].text(0x0040A124) == found.text(INSTANCE)
    assert (found.text(INSTANCE) == "1.2.3.4.1") is retained
