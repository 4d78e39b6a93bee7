"""The table holds what Table E.1-1 of edition 2026d holds."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

import pytest

from dicompack.dicom.confidentiality import EDITION, Option
from dicompack.dicom.confidentiality.table import Action, rows, rules

ROWS = {row.keyword: row for row in rows()}


def test_rows_and_codes_of_the_basic_profile():
    assert EDITION == "2026d"
    assert len(rows()) == 657 == len({row.tag for row in rows()})
    assert Counter(row.profile for row in rows()) == {
        "X": 417, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2
    }  # fmt: skip


def test_codes_of_every_option():
    counted = Counter((option.value, code) for row in rows() for option, code in row.options.items())
    assert counted == {
        ("retain-safe-private", "C"): 1,
        ("retain-uids", "K"): 60,
        ("retain-device-identity", "K"): 48,
        ("retain-device-identity", "C"): 11,
        ("retain-institution-identity", "K"): 10,
        ("retain-patient-characteristics", "K"): 14,
        ("retain-patient-characteristics", "C"): 5,
        ("retain-longitudinal-full-dates", "K"): 169,
        ("retain-longitudinal-modified-dates", "C"): 169,
        ("clean-descriptors", "C"): 141,
        ("clean-structured-content", "C"): 4,
        ("clean-graphics", "C"): 4,
    }


def test_rows_are_in_order_and_only_two_single_rows_lack_a_vr():
    assert [row.tag for row in rows()] == sorted(row.tag for row in rows())
    assert {row.tag for row in rows() if not row.vr} == {"0040E012", "3004007F", "50xxxxxx", "ggggeeee"}


@pytest.mark.parametrize(
    ("keyword", "options", "code"),
    [
        ("AcquisitionDate", [], "X/Z"),
        ("AcquisitionDate", [Option.RETAIN_LONGITUDINAL_FULL_DATES], "K"),
        ("AcquisitionDate", [Option.RETAIN_LONGITUDINAL_MODIFIED_DATES], "C"),
        ("AcquisitionDate", [Option.RETAIN_UIDS, Option.CLEAN_GRAPHICS], "X/Z"),
        ("StudyInstanceUID", [Option.RETAIN_UIDS], "K"),
        ("PatientID", list(Option), "Z/D"),
    ],
)
def test_an_option_comes_before_the_profile(keyword, options, code):
    assert ROWS[keyword].code(frozenset(options)) == code


def test_of_two_options_the_one_that_gives_away_less_wins():
    dates = frozenset((Option.RETAIN_LONGITUDINAL_FULL_DATES, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES))
    assert ROWS["AcquisitionDate"].code(dates) == "C"


@pytest.mark.parametrize(
    ("tag", "action"),
    [
        (0x00080050, Action.EMPTY),  # Z
        (0x00080022, Action.EMPTY),  # X/Z
        (0x00100020, Action.DUMMY),  # Z/D
        (0x00181400, Action.DUMMY),  # X/D
        (0x0008002A, Action.DUMMY),  # X/Z/D
        (0x00081140, Action.KEEP),  # X/Z/U*
        (0x00184000, Action.REMOVE),  # X
        (0x00080018, Action.NEW_UID),  # U
    ],
)
def test_dei_3_composite_codes_are_resolved_to_what_every_type_allows(tag, action):
    assert rules(frozenset())[tag].action is action


def test_every_single_row_of_a_data_set_has_a_rule():
    assert len(rules(frozenset())) == 657 - 4 - 4  # four patterns; four rows of groups 0000, 0002 and 0004


def test_loading_is_quick():
    rows.cache_clear()
    start = perf_counter()
    rows()
    assert perf_counter() - start < 0.5
