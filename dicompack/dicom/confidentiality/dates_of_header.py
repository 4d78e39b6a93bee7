"""The dates of an instance's own header, found again in text in the ways people write them (DEI-67)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, TypeAlias
from unicodedata import normalize

from dicompack.dicom.confidentiality.dates import NOT_OF_THE_PATIENT, is_placeholder
from dicompack.dicom.dataset import Element

Date: TypeAlias = tuple[int, int, int]
"""Year, month, day."""

_DATE: Final = re.compile(rb"([0-9]{4})[.]?([0-9]{2})[.]?([0-9]{2})")
_RUN: Final = re.compile(r"\d+|[^\W\d_年月日]+|[年月日]")
# English, German, French, Spanish, Italian, Dutch, Portuguese and Roman; folded, and by their first letters.
_MONTHS: Final = tuple(
    frozenset(names.split())
    for names in (
        "i january jan januar janner janvier janv enero ene gennaio gen januari janeiro",
        "ii february feb februar feber fevrier fevr febrero febbraio februari fevereiro fev",
        "iii march mar marz mrz mars marzo maart mrt marco",
        "iv april apr avril avr abril abr aprile",
        "v may mai mayo maggio mag mei maio",
        "vi june jun juni juin junio giugno giu junho",
        "vii july jul juli juillet juil julio luglio lug julho",
        "viii august aug aout agosto ago augustus",
        "ix september sep sept septembre septiembre setiembre settembre set setembro",
        "x october oct oktober okt octobre octubre ottobre ott outubro out",
        "xi november nov novembre noviembre novembro",
        "xii december dec dezember dez decembre diciembre dic dicembre dezembro",
    )
)
_MONTH: Final = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}
# Folding takes Korean syllables apart.
_BETWEEN: Final = frozenset(normalize("NFKD", "st nd rd th er de del of the 年 月 日 년 월 일").split())
# Japanese years: the one before the first of each era (Meiji, Taisho, Showa, Heisei, Reiwa).
_ERAS: Final = dict(
    zip(("明治", "大正", "昭和", "平成", "令和", *"mtshr"), (1867, 1911, 1925, 1988, 2018) * 2, strict=True)
)
_ERA: Final = re.compile(r"(?<![^\W\d_])(明治|大正|昭和|平成|令和|[mtshr])\s?(元|\d{1,2})(?=\s?[年./-])")
_MAX_GAP: Final = 3
_CLOSE: Final = frozenset("./-'")  # between the parts of a date whose year has two digits


def dates_of(element: Element) -> Iterator[Date]:
    """The dates of an element of VR DA or DT; not those of products, vocabularies and unset clocks."""
    if element.tag in NOT_OF_THE_PATIENT:
        return
    for match in _DATE.finditer(element.value):
        year, month, day = map(int, match.groups())
        if not is_placeholder(year, month, day):
            yield year, month, day


def says_one_of(dates: frozenset[Date], text: str) -> bool:
    """Whether a text (folded) has one of the dates: in digits, or with the month's name."""
    if _has_one_of(dates, text):
        return True
    western = _ERA.sub(lambda match: str(_ERAS[match[1]] + (1 if match[2] == "元" else int(match[2]))), text)
    return western != text and _has_one_of(dates, western)


def _has_one_of(dates: frozenset[Date], text: str) -> bool:
    runs = [match for match in _RUN.finditer(text) if match[0] not in _BETWEEN]
    if any(not dates.isdisjoint(_in_one(run[0])) for run in runs if run[0].isdecimal()):
        return True
    for one, other, third in zip(runs, runs[1:], runs[2:], strict=False):
        gaps = [text[before.end() : after.start()] for before, after in pairwise((one, other, third))]
        is_near = all(len(gap.translate(_WORDS_BETWEEN)) <= _MAX_GAP for gap in gaps)
        if is_near and not dates.isdisjoint(_in_three(one[0], other[0], third[0], _are_close(gaps))):
            return True
    return False


# What stands between two runs may be one of the words that are passed over.
_WORDS_BETWEEN: Final = {ord(letter): None for word in _BETWEEN for letter in word}


def _are_close(gaps: list[str]) -> bool:
    return gaps[0] == gaps[1] and gaps[0] in _CLOSE


def _in_one(digits: str) -> list[Date]:
    """``20190304``, ``04032019``, ``03042019``, ``190304``."""
    if len(digits) == 8:
        year, a, b = int(digits[:4]), int(digits[4:6]), int(digits[6:])
        c, d, last = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        return [(year, a, b), (last, d, c), (last, c, d)]
    if len(digits) == 6:
        return [(year, int(digits[2:4]), int(digits[4:])) for year in _years(digits[:2])]
    return []


def _in_three(one: str, other: str, third: str, are_close: bool) -> Iterator[Date]:
    """Year, month, day in each order that is in use."""
    by_name = not (one + other + third).isdecimal()
    for year, month, day in ((one, other, third), (third, other, one), (third, one, other)):
        if not day.isdecimal() or len(day) > 2 or not year.isdecimal() or len(year) not in (2, 4):
            continue
        if len(year) == 2 and not (by_name or are_close):
            continue
        number = _MONTH.get(month) or (int(month) if month.isdecimal() and len(month) <= 2 else 0)
        for whole in _years(year):
            yield whole, number, int(day)


def _years(digits: str) -> tuple[int, ...]:
    return (int(digits),) if len(digits) == 4 else (1900 + int(digits), 2000 + int(digits))
