# ruff: noqa: RUF001  # letters of other alphabets are meant
"""Dates in free text, in the ways people write them, with the times of day next to them (DEI-47)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_MONTHS: Final = frozenset(
    "january february march april june july august september october november december "
    "januar jänner februar feber märz maerz mai juni juli oktober dezember "
    "janvier février fevrier avril juin juillet août aout septembre octobre novembre décembre decembre "
    "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre "
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre "
    "janeiro fevereiro março marco maio junho julho setembro outubro novembro dezembro "
    "januari februari maart mei augustus marts maj "
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września wrzesnia października pazdziernika "
    "listopada grudnia ledna února března dubna května června července srpna září října listopadu prosince "
    "ocak şubat nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık "
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря "
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь".split()
)
# Words of other meanings too: months only where a year or more stands with them.
_SHORT: Final = frozenset(
    "jan feb mar apr may jun jul aug sep sept oct nov dec mrz okt dez mars mart mrt "
    "janv févr fevr avr juil déc ene abr ago dic gen mag giu lug ott fev out set".split()
)


def _any(words: frozenset[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=lambda word: (-len(word), word))) + ")"


_LONG: Final = f"(?:{_any(_MONTHS)}|(?-i:May|MAY))"
_MONTH: Final = _any(_MONTHS | _SHORT)
_YEAR: Final = r"(?:1[89]|2[0-5])\d\d"
_ANY_YEAR: Final = r"(?:'?\d\d|\d{4})"
_DAY: Final = r"(?:3[01]|[12]\d|0?[1-9])"
_ROMAN: Final = "(?-i:XII|XI|IX|X|VIII|VII|VI|IV|V|III|II|I)"
_NUMBER: Final = r"(?:1[0-2]|0?[1-9])"
_TH: Final = r"(?:st|nd|rd|th|er|º|ª|\.)?"
_OF: Final = r"(?:de |del |of |d['’])?"
# No letter or digit, and no digit, before; none after. Decimals are no days.
_B, _E = r"(?<![^\W_])", r"(?![^\W_])"
_N, _M = r"(?<!\d)", r"(?!\d)"
_NO_DECIMAL: Final = r"(?<!\d[.,])"
_SINCE: Final = "(?:in|since|seit|im jahr|jahr|year|anno|depuis|en|desde|dal|nel|vom|from)"
_BORN: Final = r"(?:dob|d\.o\.b\.?|born|geb(?:oren)?\.?|née?|nacid[oa]|nat[oa])(?: (?:on|am|le|el|il))?"

_DATE: Final = re.compile(
    "|".join(
        (
            rf"{_N}{_YEAR}[-/._ ]{_NUMBER}[-/._ ]{_DAY}{_M}",
            rf"{_N}{_NO_DECIMAL}{_DAY}\. ?{_NUMBER}\. ?\d{{4}}{_M}",
            rf"{_N}{_NO_DECIMAL}{_DAY}[-/._]{_DAY}[-/._](?:\d{{4}}|\d\d){_M}(?![.,]\d)",
            rf"{_B}{_DAY}{_TH}[-/._, ]{{0,2}}{_OF}{_MONTH}\.?[-/._, ]{{0,3}}{_OF}{_ANY_YEAR}{_M}",
            rf"{_B}{_MONTH}\.?[-/._, ]{{0,2}}{_DAY}{_TH}[-/._, ]{{1,3}}{_ANY_YEAR}{_M}",
            rf"{_B}{_MONTH}\.?[-/._, ]{{0,3}}{_OF}(?:{_YEAR}|'\d\d){_M}",
            rf"{_B}{_YEAR}[-/._, ]{{1,2}}{_MONTH}\.?(?:[-/._, ]{{1,2}}{_DAY}{_M})?{_E}",
            rf"{_B}{_DAY}{_TH} {_OF}{_LONG}{_E}",
            rf"{_B}{_DAY}\. ?{_MONTH}{_E}",
            rf"{_B}{_LONG} {_DAY}{_TH}{_M}(?![.,]\d|[^\W_])",
            rf"{_N}{_NUMBER}/{_YEAR}{_M}",
            rf"{_N}{_NO_DECIMAL}(?:1[0-2]|0[1-9])[.-]{_YEAR}{_M}",
            rf"{_N}{_YEAR}[-/](?:1[0-2]|0[1-9]){_M}",
            r"(?:明治|大正|昭和|平成|令和)? ?(?:\d{2,4}|元|(?<=[治正和成])\d|(?<=[治正和成] )\d) ?[年년]"
            r" ?\d{1,2} ?[月월](?: ?\d{1,2} ?[日일])?",
            rf"{_N}{_NO_DECIMAL}{_DAY}(?:[-/.]{_ROMAN}[-/.](?:{_YEAR}|\d\d)| {_ROMAN} {_YEAR}){_M}(?![.,]\d)",
            rf"{_B}{_SINCE} {_YEAR}{_M}(?![.,]\d)",
            rf"{_B}{_BORN}[ :.]{{1,3}}\d{{1,4}}[-/. ]\d{{1,2}}[-/. ]\d{{1,4}}",
        )
    ),
    re.IGNORECASE,
)

_ZONE: Final = r"(?: ?(?:am|pm|uhr|h|z|utc|[+-]\d\d:?\d\d))?"
_CLOCK: Final = rf"\d{{1,2}}[:h.]\d{{2}}(?:[:.]\d{{2}}(?:[.,]\d{{1,6}})?)?{_ZONE}"
_AFTER: Final = re.compile(rf"(?:[T ,;@_-]| (?:at|um|à|alle|kl\.?|a las)){{1,4}}{_CLOCK}{_E}", re.IGNORECASE)
_BEFORE: Final = re.compile(rf"{_N}{_CLOCK}[ ,;]{{1,2}}(?:(?:on|am|le|el|il|den) )?$", re.IGNORECASE)
# No time of day is longer.
_LOOK_BACK: Final = 32


def times_in(view: str) -> Iterator[Span]:
    """Where a date stands, and the time of day before or after it."""
    for match in _DATE.finditer(view):
        start, end = match.span()
        if after := _AFTER.match(view, end):
            end = after.end()
        elif before := _BEFORE.search(view[max(0, start - _LOOK_BACK) : start]):
            start -= len(before[0])
        yield start, end
