"""Modified dates: one shift per patient, intervals kept, nothing left as it was."""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.dicom.confidentiality.dates import (
    LABEL,
    MAX_DAYS,
    NOT_OF_THE_PATIENT,
    Shift,
    shift_of,
    shifted,
)
from dicompack.dicom.confidentiality.table import Option, rows
from dicompack.dicom.dataset import DataSet, Element, string_element
from dicompack.errors import SuspectError
from tests.unit.dicom.confidentiality_cases import INSTANCE, ISSUER, PATIENT_ID, STUDY, text

STUDY_DATE, ACQUISITION, STUDY_TIME, ZONE, AGE = 0x00080020, 0x0008002A, 0x00080030, 0x00080201, 0x00101010
PLACEHOLDERS = {date(1904, 1, 1), date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1), date(2099, 12, 31)}

DAYS = st.dates(date(1901, 1, 1), date(2099, 12, 30)).filter(lambda day: day not in PLACEHOLDERS)
SHIFTS = st.integers(-MAX_DAYS, -1).map(Shift)


def derive(label, *parts):
    assert label == LABEL
    return hashlib.sha256(b"|".join((label.encode(), *parts))).digest()


def moved(vr, value, shift, tag=None):
    result = shifted(
        text(tag or {"DA": STUDY_DATE, "DT": ACQUISITION, "TM": STUDY_TIME}[vr], vr, value), shift
    )
    if result is None:
        return None
    assert result.vr == vr
    assert len(result.value) % 2 == 0
    return bytes(result.value).decode().rstrip(" ")


def patient(*nodes):
    return DataSet([text(STUDY, "UI", "1.2.3"), text(INSTANCE, "UI", "1.2.3.4"), *nodes])


def test_dei_40_one_shift_per_patient_whatever_the_instance():
    one = patient(text(PATIENT_ID, "LO", "4711"), text(ISSUER, "LO", "HERE"))
    other = DataSet([text(PATIENT_ID, "LO", "4711 "), text(ISSUER, "LO", "HERE"), text(STUDY, "UI", "9.9")])
    assert shift_of(one, derive) == shift_of(other, derive)


def test_dei_40_who_has_no_id_has_one_shift_per_study_or_instance():
    shifts = {
        shift_of(data_set, derive).days
        for data_set in (
            patient(text(PATIENT_ID, "LO", "4711")),
            patient(text(PATIENT_ID, "LO", "4711"), text(ISSUER, "LO", "HERE")),
            patient(text(PATIENT_ID, "LO", "")),
            DataSet([text(INSTANCE, "UI", "1.2.3")]),
        )
    }
    assert len(shifts) == 4
    assert shift_of(patient(), derive) == shift_of(DataSet([text(STUDY, "UI", "1.2.3")]), derive)


def test_dei_40_nothing_to_derive_from():
    with pytest.raises(SuspectError) as caught:
        shift_of(DataSet(), derive)
    assert caught.value.rule == "DEI-40"


def test_dei_40_every_shift_is_reached_and_none_is_preferred():
    ends = [shift_of(patient(), lambda *_, n=n: n.to_bytes(32, "big")).days for n in (0, 3649, 3650)]
    assert ends == [-1, -3650, -1]
    assert shift_of(patient(), lambda *_: b"\xff" * 32).days == -1 - (2**256 - 1) % 3650
    counted = Counter(
        shift_of(DataSet([text(PATIENT_ID, "LO", str(i))]), derive).days // -365 for i in range(4000)
    )
    assert min(counted[year] for year in range(1, 10)) > 300


@pytest.mark.parametrize("days", [0, 1, -3651])
def test_a_shift_has_bounds_and_is_not_shown(days):
    with pytest.raises(ValueError, match="shift"):
        Shift(days)
    assert "12" not in repr(Shift(-12))
    assert pickle.loads(pickle.dumps(Shift(-12))) == Shift(-12)


@given(DAYS, DAYS, SHIFTS)
def test_dei_41_order_and_differences_are_kept_and_no_date_stays(one, other, shift):
    first, second = (moved("DA", day.strftime("%Y%m%d"), shift) for day in (one, other))
    parsed = [datetime.strptime(value, "%Y%m%d").date() for value in (first, second)]  # noqa: DTZ007
    assert parsed[0] - parsed[1] == one - other
    assert parsed[0] == one + timedelta(days=shift.days) != one
    assert (first < second) == (one < other)


@given(DAYS, DAYS, SHIFTS, st.sampled_from((4, 6, 8)))
def test_dei_41_a_date_known_to_the_year_or_month_keeps_its_order_and_never_stays(
    one, other, shift, precision
):
    values = [day.strftime("%Y%m%d") for day in (one, other)]
    cut = [value[:precision] for value in values]
    results = [moved("DT", value, shift) for value in cut]
    if None not in results:
        assert [len(value) for value in results] == [precision] * 2
        assert results[0] != cut[0]
        assert (results[0] <= results[1]) or cut[0] > cut[1]


@given(DAYS, SHIFTS, st.times(), st.sampled_from(("", "+0100", "-0330", "+1400", "-1200")))
def test_dei_41_time_and_zone_stay_and_da_is_coherent_with_dt(day, shift, time, zone):
    clock = time.strftime("%H%M%S.%f")
    result = moved("DT", day.strftime("%Y%m%d") + clock + zone, shift)
    assert result == moved("DA", day.strftime("%Y%m%d"), shift) + clock + zone
    assert moved("TM", clock, shift) == clock


@pytest.mark.parametrize(
    ("vr", "value", "days", "result"),
    [
        ("DA", "20240229", -1, "20240228"),
        ("DA", "20240301", -1, "20240229"),
        ("DA", "20230301", -1, "20230228"),
        ("DA", "20240229", -365, "20230301"),
        ("DA", "20240229", -366, "20230228"),
        ("DA", "19010101", -3650, "18910103"),
        ("DA", "2024.03.01", -1, "20240229"),
        ("DA", "20240301 ", -1, "20240229"),
        ("DA", "", -1, ""),
        ("DA", "20240301\\\\20240302", -1, "20240229\\\\20240301"),
        ("DT", "2024", -1, "2023"),
        ("DT", "202403", -1, "202402"),
        ("DT", "2024+0100", -1, "2023+0100"),
        ("DT", "2024030110", -1, "2024022910"),
        ("DT", "20240301235960.5-0500", -1, "20240229235960.5-0500"),
        ("TM", "10", -1, "10"),
        ("TM", "10:22:33.5", -1, "10:22:33.5"),
        ("TM", "102233.123456\\0000", -1, "102233.123456\\0000"),
    ],
)
def test_examples(vr, value, days, result):
    assert moved(vr, value, Shift(days)) == result


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "20230229"),
        ("DA", "20231301"),
        ("DA", "20230100"),
        ("DA", "2023"),
        ("DA", "202301"),
        ("DA", "20230101-20230201"),
        ("DA", "20230101\\SMITH"),
        ("DA", "20230101120000"),
        ("DA", "2023.0101"),
        ("DA", "٢٠٢٣٠١٠١".encode()),
        ("DA", "12 Mar 2019"),
        ("DT", "20230229120000"),
        ("DT", "202313"),
        ("DT", "20230101250000"),
        ("DT", "20230101126000"),
        ("DT", "20230101-0000"),
        ("DT", "20230101+1500"),
        ("DT", "20230101120000.1234567"),
        ("DT", "20230101-20230102"),
        ("DT", "20230101120000&0100"),
        ("TM", "2400"),
        ("TM", "10-12"),
        ("TM", "1:22"),
        ("TM", "102233.SMITH"),
    ],
)
def test_dei_42_what_is_no_date_is_removed(vr, value):
    tag = {"DA": STUDY_DATE, "DT": ACQUISITION, "TM": STUDY_TIME}[vr]
    value = value if isinstance(value, bytes) else value.encode()
    assert shifted(Element(tag, vr, value), Shift(-12)) is None


@pytest.mark.parametrize(
    ("tag", "vr", "value", "stays"),
    [
        (ZONE, "SH", "+0100", True),
        (ZONE, "SH", "-1200", True),
        (ZONE, "SH", "-0000", False),
        (ZONE, "SH", "CET", False),
        (0x00081030, "SH", "+0100", False),
        (AGE, "AS", "045Y", True),
        (AGE, "AS", "45 years", False),
        (0x00091001, "LO", "20230101", False),
        (0x00091001, "UN", "20230101", False),
        (0x00340007, "OB", "20230101", False),
    ],
)
def test_dei_42_other_vrs_are_checked_or_refused(tag, vr, value, stays):
    element = Element(tag, vr, value.encode() + b" " * (len(value) % 2))
    result = shifted(element, Shift(-12))
    assert (result == element) if stays else (result is None)


@pytest.mark.parametrize("tag", sorted(NOT_OF_THE_PATIENT), ids=hex)
def test_dei_43_what_is_no_date_of_the_patient_would_give_the_shift_away(tag):
    for vr, value in (("DA", "20230102"), ("DT", "20230102"), ("TM", "10")):
        assert shifted(string_element(tag, vr, value), Shift(-12)) is None


def test_dei_43_all_of_them_have_a_date_action_in_the_table():
    dated = {int(r.tag, 16) for r in rows() if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in r.options}
    assert dated >= NOT_OF_THE_PATIENT


@pytest.mark.parametrize(
    "value",
    ["00010101", "18581117", "19000101", "19001231", "21000101", "99991231"]
    + [f"{day:%Y%m%d}" for day in sorted(PLACEHOLDERS)],
)
def test_dei_44_a_placeholder_would_give_the_shift_away(value):
    assert moved("DA", value, Shift(-12)) is None
    assert moved("DT", value + "1200", Shift(-12)) is None
    assert moved("DA", f"20230102\\{value}", Shift(-12)) is None
