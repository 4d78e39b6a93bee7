# ruff: noqa: RUF001  # letters of other alphabets are meant
"""Names in free text that no header tells: after titles, after labels, of institutions (DEI-47)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dicompack.dicom.confidentiality.vocabulary import PARTICLES, TITLES
from dicompack.dicom.confidentiality.words import UNSPACED, folded, is_medical

Span = tuple[int, int]


def _any(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


_B, _E = r"(?<![^\W_])", r"(?![^\W_])"

# MR, MS, PD, OA, CA, M., Fr. and Sr are modalities, diseases, muscles and catheters more often than people.
# So is the DR of CR/DR.
_TITLE: Final = re.compile(
    rf"{_B}(?<!CR/)(?<!DX/)(?:(?i:"
    + _any(
        r"prof(?:essor|\.)? dr\.? drs\. dra\.? doctor doktor dott(?:\.ssa|\.)? mme mlle herrn? frau señora? "
        r"signora? schwester nurse pfleger oberarzt oberärztin chefarzt chefärztin assistenzarzt mrs\.? "
        r"доктор врач д-р пациент(?:ка)?"
    )
    + rf")|[Tt]ech\.|Mr\.?|Ms\.?|Miss|MR\.|MS\.|Sra\.|Sig\.(?:ra)?){_E}:?"
)
_LABEL: Final = re.compile(
    rf"{_B}(?:"
    + _any("patient(?:en|in)? pat pt full last first family given mother father nach vor familien")
    + r"?(?:['’]?s)?[- .]{0,2}name|"
    + _any(
        "patient(?:in)? paciente paziente pacjent hasta nom pr[ée]nom nombre nome cognome "
        "apellidos? radiologist physician doctor surgeon operator technologist technician tech mtra? "
        "arzt hausarzt zuweiser überweiser befunder signed unterschrift gez contact kontakt "
        "hospital institution klinik krankenhaus praxis address adresse anschrift wohnort employer "
        "arbeitgeber 患者(?:名|氏名)? 氏名 姓名 환자 имя фио пациент"
    )
    + "|"
    + _any(
        "ref(?:erring|erred)? req(?:uesting|uested)? ord(?:ering|ered)? att(?:ending)? "
        "perf(?:orming|ormed)? rep(?:orting|orted)? read(?:ing)? dictated primary family"
    )
    + r"[. ]{0,2}(?:by|dr|doctor|phys(?:ician)?|md)?)[ ]?[:：=#][ ]{0,3}",
    re.IGNORECASE,
)
_DOER: Final = re.compile(
    _B
    + _any(
        "performed reported read dictated referred requested ordered reviewed verified signed approved "
        "interpreted scanned acquired transcribed discussed communicated entered cosigned "
        "seen examined injected treated admitted operated assisted supervised checked attended "
        "befundet untersucht überwiesen angefordert vidiert freigegeben diktiert "
        "demandée? réalisée? realizad[oa] solicitad[oa] informad[oa] richiest[oa] eseguit[oa]"
    )
    + " (?:by|to|with|von|durch|par|por|da) "
    rf"|{_B}(?:ref|req|perf|rep|att|ord)\.? ?by:? |{_B}(?:née?|geb(?:\.|oren(?:e|er)?)|aka|a\.k\.a\.|alias) "
    rf"|{_B}(?:i\. ?A\.|im Auftrag von|auf Wunsch von|per|c/o|attn\.?:?|z\. ?Hd\.?) ",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[ \t]*+(?P<word>[^\W\d_](?:[^\W_]|[-'’.^](?=[^\W_]))*+)(?P<stop>\.?)")
_COMMA: Final = re.compile(r",[ \t]?")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_TOKEN: Final = re.compile(r"[^\W_]+")
_CAPITALIZED: Final = r"[^\W\d_a-z][\w'’-]*+"
_BEFORE_BIRTH_NAME: Final = re.compile(
    rf"{_B}(?:{_CAPITALIZED},? ){{1,3}}(?=(?:née?|geb(?:\.|oren(?:e|er)?)|aka|a\.k\.a\.|alias) )"
)
# MD is mean diffusivity, too: without a comma two names, or a name and an initial, stand before it.
_CREDENTIALS: Final = r"(?:MD|M\.D\.|DO|D\.O\.|MBBS|PhD|Ph\.D\.|FRCR|FACR|FRCPC|RT\(R\)|RDMS|ARRT)(?![^\W_])"
_INITIALS: Final = r"(?:[^\W\d_a-z]\. ?){0,2}"
_BEFORE_CREDENTIALS: Final = re.compile(
    rf"{_B}(?P<names>{_INITIALS}(?:{_CAPITALIZED} ){{0,2}}{_INITIALS}{_CAPITALIZED}), ?{_CREDENTIALS}"
    rf"|{_B}(?P<both>(?:[^\W\d_a-z]\. ?|{_CAPITALIZED} ){_INITIALS}{_CAPITALIZED}) {_CREDENTIALS}"
)
_KINDS_BEHIND: Final = _any(
    "Hospitals? Clinics? Infirmary Klinik(?:um|en)? Spital Krankenhaus MVZ Medical[ ]Cent(?:er|re) "
    "Health(?:care)?(?:[ ]System|[ ]Cent(?:er|re))?"
)
_KINDS_BEFORE: Final = _any(
    "Hôpital Ospedale Hospital (?:Universitäts)?[Kk]linikum (?:Kreis)?[Kk]rankenhaus "
    "(?:Universitäts)?[Ss]pital CHR?U Clínica Clinique MVZ"
)
_OF: Final = r"(?:de |da |del |di |of |d['’]|im |am |an der |St\.? ?|Sankt |San |Santa |Saint[ -])?"
_INSTITUTION: Final = re.compile(
    rf"{_B}(?:{_CAPITALIZED}(?:\. ?| )){{1,3}}{_KINDS_BEHIND}{_E}"
    rf"|{_B}{_KINDS_BEFORE} {_OF}{_CAPITALIZED}(?:[ -]{_CAPITALIZED})?"
)
_STREET: Final = re.compile(
    rf"{_B}\d{{1,5}} (?:[^\W\d_]++ ){{1,3}}"
    rf"(?:street|st|avenue|ave|road|rd|lane|drive|blvd|boulevard|court|square){_E}\.?"
    rf"|{_B}[^\W\d_]{{3,30}}(?:straße|strasse|str\.|weg|gasse|allee|platz) ?\d{{1,4}}[a-z]?{_E}",
    re.IGNORECASE,
)
_TOWN: Final = re.compile(rf"{_B}\d{{5}} (?P<town>[^\W\d_a-z][^\W\d_]{{3,}}+)(?= *(?:[,;.]|$))")
_CARETS: Final = re.compile(rf"{_B}[^\W\d_][^\W_]*+(?:\^++[^\W_]*+)++")

_AFTER_TITLE: Final = 2
_AFTER_LABEL: Final = 3
# With titles, particles and initials.
_MOST_WORDS: Final = 12
# "St." and "Jr." end no sentence.
_ABBREVIATION: Final = 2


def names_in(view: str) -> Iterator[Span]:
    """Where a name stands that its surroundings show."""
    for pattern, count, is_label in (
        (_TITLE, _AFTER_TITLE, False),
        (_LABEL, _AFTER_LABEL, True),
        (_DOER, _AFTER_TITLE, False),
    ):
        for match in pattern.finditer(view):
            if (end := _end_of_name(view, match.end(), count, is_label)) is not None:
                yield match.start(), end
    for pattern in (_INSTITUTION, _BEFORE_BIRTH_NAME):
        for match in pattern.finditer(view):
            if (span := _without_terms(view, *match.span())) is not None:
                yield span
    for match in _BEFORE_CREDENTIALS.finditer(view):
        if (start := _start_of_name(match)) is not None:
            yield start, match.end()
    for match in _TOWN.finditer(view):
        if not _is_term(match["town"]):
            yield match.span()
    for match in _STREET.finditer(view):
        yield match.span()
    yield from _names_with_carets(view)


def titled_names_in(view: str) -> Iterator[Span]:
    """Where a name stands behind a title, or all of the text is one with carets; formulas have them, too."""
    for match in _TITLE.finditer(view):
        if (end := _end_of_name(view, match.end(), _AFTER_TITLE, is_label=False)) is not None:
            yield match.start(), end
    if _CARETS.fullmatch(view.strip()):
        yield from _names_with_carets(view)


def _names_with_carets(view: str) -> Iterator[Span]:
    for match in _CARETS.finditer(view):
        # "Thorax^1a_Routine" is a protocol
        if not any(map(_is_term, match[0].strip("^").split("^"))):
            yield match.span()


def _end_of_name(view: str, position: int, count: int, is_label: bool) -> int | None:
    """Where a name ends: behind titles, particles, initials, and some words that are none of medicine.

    After a label, lower case and a comma may be part of it.
    """
    end = None
    for _ in range(_MOST_WORDS):
        if not count or (match := _WORD.match(view, position)) is None:
            break
        word = match["word"]
        plain = folded(word)[0].strip(".")
        if len(plain) <= 1 or plain in TITLES or plain in PARTICLES:
            position = match.end()
            continue
        if _is_term(word) or (word[0].islower() and not is_label):
            break
        count = 0 if UNSPACED.search(word) else count - 1
        position = end = match.end()
        if match["stop"] and len(plain) > _ABBREVIATION:
            break
        if is_label and (comma := _COMMA.match(view, position)):
            position = comma.end()
    return end


def _start_of_name(match: re.Match[str]) -> int | None:
    """Where the name before MD begins; "Trace MD" is none, nor is a name that is all words of medicine."""
    begin, end = match.span("names" if match["names"] else "both")
    words = list(_TOKEN.finditer(match.string, begin, end))
    is_initial = [len(word[0]) == 1 and match.string.startswith(".", word.end()) for word in words]
    telling = [not _is_term(word[0]) for word in words]
    if not any(telling) or (match["both"] and sum(telling) + sum(is_initial) < len(("given", "family"))):
        return None
    return next(
        word.start() for word, *is_name in zip(words, telling, is_initial, strict=True) if any(is_name)
    )


def _is_term(word: str) -> bool:
    """Whether each part of a word is one of medicine, or it is a code with digits."""
    parts = _LETTERS.findall(word)
    return any(map(str.isdigit, word)) or all(len(part) == 1 or is_medical(part) for part in parts)


def _without_terms(view: str, start: int, end: int) -> Span | None:
    """From the first to the last word that is a name: of "CT Chest Mercy Hospital" that is one."""
    telling = [match for match in _LETTERS.finditer(view, start, end) if not _is_term(match[0])]
    telling = [match for match in telling if folded(match[0])[0] not in PARTICLES]
    return (telling[0].start(), telling[-1].end()) if telling else None
