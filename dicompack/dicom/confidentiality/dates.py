"""Modified dates (PS3.15 E.3.7): every date of a patient moved by the same number of whole days.

Whole days leave times of day, time zones, ages and intervals as they were, so that DA, TM, DT and AS stay
coherent. What is no date of the patient's is not moved, because its true value can be guessed, and with it
the shift.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from dicompack.dicom.confidentiality.pseudonyms import PATIENT_ID, Derive
from dicompack.dicom.dataset import DataSet, Element, string_element
from dicompack.errors import SuspectError

LABEL: Final = "date-shift"
"""The use of the project key that shifts are derived under."""

MAX_DAYS: Final = 3650

_ISSUER: Final = 0x00100021
_STUDY: Final = 0x0020000D
_INSTANCE: Final = 0x00080018
_TIMEZONE: Final = 0x00080201

# DEI-43: dates of devices, codes, templates, products and protocols; design: removed, not shifted.
NOT_OF_THE_PATIENT: Final = frozenset(
    (
        0x00080106, 0x00080107,  # Context Group (Local) Version: printed in the standard
        0x00120086, 0x00120087,  # Ethics Committee Approval: of the protocol
        0x0014407C, 0x0014407E,  # Calibration Time, Date
        0x00181200, 0x00181201, 0x00181202, 0x00181203,  # of Last Calibration, Calibration DateTime
        0x00181204, 0x00181205,  # Date of Manufacture, of Installation
        0x0018700C, 0x0018700E,  # of Last Detector Calibration
        0x003A0314,  # Impedance Measurement DateTime
        0x0040DB06, 0x0040DB07,  # Template (Local) Version
        0x0044000B,  # Product Expiration DateTime
        0x00686226, 0x00686270,  # Effective DateTime, Information Issue DateTime: of an implant template
        0x0072000A,  # Hanging Protocol Creation DateTime
        0x01000420,  # SOP Authorization DateTime
        0x300A022C, 0x300A022E,  # Source Strength Reference Date, Time
    )
)  # fmt: skip

# DEI-44: nobody alive was examined before or will be after; what stands there means "not known".
_FIRST_YEAR, _LAST_YEAR = 1901, 2099
# Where the clocks of computers begin, and what other de-identifiers put.
_PLACEHOLDERS: Final = frozenset(
    (date(1904, 1, 1), date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1), date(2099, 12, 31))
)

# ASCII digits alone: `\d` would take those of every script. Points and colons: ACR-NEMA (PS3.5 Table 6.2-1).
_DATE: Final = re.compile(r"([0-9]{4})(?:([0-9]{2})([0-9]{2})|\.([0-9]{2})\.([0-9]{2}))")
_CLOCK: Final = r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?"
_TIME: Final = re.compile(
    _CLOCK + r"|(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?"
)
# UTC-12 to UTC+14; "-0000" is forbidden (PS3.5 Table 6.2-1).
_OFFSET: Final = r"(?!-0000)(?:\+(?:0[0-9]|1[0-3])[0-5][0-9]|\+1400|-(?:0[0-9]|1[01])[0-5][0-9]|-1200)"
_DATE_TIME: Final = re.compile(
    rf"(?P<year>[0-9]{{4}})(?:(?P<month>[0-9]{{2}})(?:(?P<day>[0-9]{{2}})(?P<clock>{_CLOCK})?)?)?"
    rf"(?P<offset>{_OFFSET})?"
)
_ZONE: Final = re.compile(_OFFSET)
_AGE: Final = re.compile(r"[0-9]{3}[DWMY]")


def is_placeholder(year: int, month: int, day: int) -> bool:
    """Whether a date is none, or stands for one that is not known (DEI-44)."""
    try:
        return not _FIRST_YEAR <= year <= _LAST_YEAR or date(year, month, day) in _PLACEHOLDERS
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class Shift:
    """How many whole days the dates of one patient are moved: -1 to -3650."""

    days: int

    def __post_init__(self) -> None:
        if not -MAX_DAYS <= self.days <= -1:
            raise ValueError("a shift is -1 to -3650 days")

    def __repr__(self) -> str:
        return "Shift(...)"  # it undoes the modification, so it has no place in a log


def shift_of(data_set: DataSet, derive: Derive) -> Shift:
    """The shift of an instance's patient: one per Patient ID and Issuer, else per study, else per instance.

    The 256 derived bits are taken modulo 3650; no shift is more likely than another by more than 2^-244.

    Raises:
        SuspectError: neither patient, study nor instance has an identifier (DEI-40).
    """
    number = int.from_bytes(derive(LABEL, *_patient(data_set)), "big")  # DEI-40
    return Shift(-1 - number % MAX_DAYS)


def shifted(element: Element, shift: Shift) -> Element | None:
    """An element of VR DA or DT moved by the shift; TM, AS and Timezone Offset From UTC checked and kept.

    Every value is judged for itself, empty ones stay empty. None where one of them is not valid, is no date
    of the patient's, or where the VR is none of these: the attribute then gets what the profile has for it.
    """
    if element.tag in NOT_OF_THE_PATIENT:  # DEI-43
        return None
    try:
        texts = bytes(element.value).rstrip(b" \0").decode("ascii").split("\\")
    except UnicodeDecodeError:  # DEI-42
        return None
    values = [_shifted_value(element, text.strip(" "), shift) for text in texts]
    if any(value is None for value in values):  # DEI-42
        return None
    return string_element(element.tag, element.vr, "\\".join(value for value in values if value is not None))


def is_written_right(vr: str, text: str) -> bool:
    """Whether a text is one value of VR DA, DT, TM or AS (PS3.5 Table 6.2-1), and a day that exists."""
    found = {"DA": _DATE, "DT": _DATE_TIME, "TM": _TIME, "AS": _AGE}[vr].fullmatch(text)
    if found is None or vr in ("TM", "AS"):
        return found is not None
    parts = found.groups() if vr == "DA" else found.group("year", "month", "day")
    numbers = [int(part) for part in parts if part]
    try:
        date(*numbers, *(1 for _ in range(3 - len(numbers))))
    except ValueError:
        return False
    return True


def _patient(data_set: DataSet) -> tuple[bytes, ...]:
    """Whose dates they are; the first part keeps the three kinds of identifier apart."""
    if identifier := _stripped(data_set, PATIENT_ID):
        return b"patient-id", identifier, _stripped(data_set, _ISSUER)
    for kind, tag in ((b"patient-study", _STUDY), (b"patient-instance", _INSTANCE)):
        if uid := _stripped(data_set, tag):
            return kind, uid
    raise SuspectError("no patient id, study or instance uid to make a date shift from", rule="DEI-40")


def _stripped(data_set: DataSet, tag: int) -> bytes:
    return (data_set.raw(tag) or b"").strip(b" \0")


def _shifted_value(element: Element, text: str, shift: Shift) -> str | None:
    if not text:
        return ""
    match element.vr:
        case "DA":
            found = _DATE.fullmatch(text)
            if found is None:
                return None
            year, month, day = (int(part) for part in found.groups() if part)
            return _moved(year, month, day, shift)
        case "DT":
            return _shifted_date_time(text, shift)
        case "TM":
            return text if _TIME.fullmatch(text) else None
        case "AS":
            return text if _AGE.fullmatch(text) else None
        case "SH" if element.tag == _TIMEZONE:
            return text if _ZONE.fullmatch(text) else None
        case _:
            return None


def _shifted_date_time(text: str, shift: Shift) -> str | None:
    """DEI-41: what is known to the year or month moves as its first day, and is told no more precisely."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day = found["year"], found["month"], found["day"]
    moved = _moved(int(year), int(month or 1), int(day or 1), shift)
    if moved is None:
        return None
    precision = len(year) + len(month or "") + len(day or "")
    return moved[:precision] + (found["clock"] or "") + (found["offset"] or "")


def _moved(year: int, month: int, day: int, shift: Shift) -> str | None:
    """The day as eight digits; the proleptic Gregorian calendar with its leap years."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:  # DEI-44
        return None
    try:
        source = date(year, month, day)
    except ValueError:  # DEI-42
        return None
    if source in _PLACEHOLDERS:  # DEI-44
        return None
    return (source + timedelta(days=shift.days)).strftime("%Y%m%d")
