"""What of a source must not be found in anything that leaves: the list of the independent check.

This list is not that of the confidentiality profile, and shares nothing with it: it was written to disagree
where the other one forgets something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.dicom.dictionary import registered_uid

MIN_TOKEN: Final = 4
"""Bytes; shorter words stand in any text by chance."""

# Numbers, addresses, telephones of patients and of others, and of what is done for them. Names of people
# are taken by their VR, wherever they stand.
_PEOPLE: Final = (
    0x00080050, 0x00080092, 0x00080094, 0x00100020, 0x00100021, 0x00101000, 0x00101040, 0x00101050,
    0x00101090, 0x00102154, 0x00102155, 0x00102299, 0x00120040, 0x00120042, 0x00380010,
    0x00380011, 0x00380060, 0x00380061, 0x0040050A, 0x00400512, 0x00400551,
    0x00401102, 0x00401103, 0x00401104, 0x00402006, 0x00402007, 0x00402010, 0x00402016,
    0x00402017, 0x40080040, 0x40080200,
)  # fmt: skip
_INSTITUTIONS: Final = (0x00080080, 0x00080081, 0x00120030, 0x00120031)
# Steps of work, departments and rooms: one word of letters is what they are called in any other house.
_STEPS: Final = (0x00200010, 0x00400009, 0x00400253, 0x00401001)
_DEPARTMENT: Final = 0x00081040
_PLACES: Final = (
    0x00321020, 0x00321033, 0x0038001E, 0x00380300, 0x00380400, 0x00400011, 0x00400243, 0x00401005,
    0x00402009,
)  # fmt: skip
_DEVICES: Final = (
    0x00080055, 0x00081010, 0x00181000, 0x00181004, 0x00181005, 0x00181007, 0x00181008, 0x00181010,
    0x00181011, 0x0018700A, 0x00189371, 0x00321021, 0x00400001, 0x00400010, 0x00400241, 0x00400242,
)  # fmt: skip
_ISSUERS: Final = (0x00100021,)
_BIRTH_DATE: Final = 0x00100030
_CHARACTER_SET: Final = 0x00080005
_DEVICE_UIDS: Final = (0x00181002, 0x0018100B)

# UIDs of kinds and of vocabularies: they name no instance of anybody's.
_UIDS_OF_KINDS: Final = frozenset(
    (
        0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C, 0x0008010D, 0x00080117, 0x00080118,
        0x00081150, 0x0008115A, 0x00089123, 0x0040DB0C, 0x0040DB0D, 0x30100052, 0x30100053,
    )
)  # fmt: skip

# Options of the profile that leave identities on purpose, by the standard's names.
_LEFT_BY: Final[Mapping[str, frozenset[int]]] = {
    "retain-device-identity": frozenset((*_DEVICES, *_DEVICE_UIDS, 0x00321020, 0x00400011)),
    "retain-institution-identity": frozenset((*_INSTITUTIONS, _DEPARTMENT)),
}
_KEEPS_UIDS: Final = "retain-uids"
_KEEPS_DATES: Final = "retain-longitudinal-full-dates"

# Patient ID, Other Patient IDs, Accession Number, numbers of trial, admission, episode and orders: people
# write them with and without marks and zeros.
_NUMBERS: Final = frozenset(
    (
        0x00100020, 0x00101000, 0x00080050, 0x00101090, 0x00120040, 0x00120042, 0x00380010, 0x00380060,
        0x00402006, 0x00402007, 0x00402016, 0x00402017,
    )
)  # fmt: skip
# Versions of contexts and templates are dates of the standard; clocks that nobody has set begin somewhere.
_DATES_OF_KINDS: Final = frozenset((0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07))
_NO_DATES: Final = frozenset((b"19000101", b"19700101", b"19800101", b"20000101"))

_SEPARATORS = re.compile(r"[\\^=,;/()\s\0]+")
_SEPARATOR_BYTES = re.compile(rb"[\\^=,;/()\s\0]+")
_ESCAPES = re.compile(rb"\x1b[$(),\-./]*[0-9A-Z@]")
_INNER = re.compile(rb"[^0-9a-z]+")
_MARK = re.compile(rb"[-_/. ]+")
_DIGIT = re.compile(rb"[0-9]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_DATE_LIKE = re.compile(rb"(?:19|20)\d{6}")
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_MIN_DIGITS = 7  # of a number with letters around them, less one that may be a date
_MIN_BARE = 6
_UUID_DIGITS = 39  # of 128 bits
_DATE = re.compile(rb"(\d{4})[.]?(\d\d)[.]?(\d\d)")
# Bytes without its escape sequences by which a name in a character set of 7 bits can be told from a text.
_MIN_ESCAPED = 6


@dataclass(frozen=True, slots=True)
class IdentifyingValues:
    """Words and UIDs of a source, each with the tag that says it. ASCII letters are lower case."""

    words: Mapping[bytes, int]
    uids: Mapping[bytes, int]
    dates: Mapping[bytes, int]
    """Dates of what was done, as people write them: in text, since among other dates each is one of many."""

    def __or__(self, other: IdentifyingValues) -> IdentifyingValues:
        return IdentifyingValues(
            {**self.words, **other.words}, {**self.uids, **other.uids}, {**self.dates, **other.dates}
        )


NOTHING: Final = IdentifyingValues({}, {}, {})


def identifying_values(
    source: DataSet, options: Collection[str] = (), retained: Collection[int] = ()
) -> IdentifyingValues:
    """CHK-1: names, numbers, addresses, dates of birth and UIDs of a source, at every level.

    Args:
        source: the instance as it came.
        options: of the profile, by the standard's names; some leave identities on purpose.
        retained: tags that a site keeps on purpose.
    """
    left = frozenset(retained).union(*(_LEFT_BY.get(option, ()) for option in options))
    words: dict[bytes, int] = {}
    uids: dict[bytes, int] = {}
    dates: dict[bytes, int] = {}
    keeps_no_dates = _KEEPS_DATES not in options
    names: set[bytes] = set()
    told: set[bytes] = set()
    parts: set[bytes] = set()
    takes = {tag: taker for tag, taker in _takers().items() if tag not in left}
    skipped_uids = _UIDS_OF_KINDS | left
    charset = source.texts(_CHARACTER_SET) if _CHARACTER_SET in source else ()
    for element in _plain(source):
        tag = element.tag
        if element.vr == "UI":
            if tag not in skipped_uids and _KEEPS_UIDS not in options:
                uids.update((uid, tag) for uid in _uids(element))
                words.update((form, tag) for uid in _uids(element) for form in _as_uuid(uid))
        elif tag in left:
            told.update(_values(bytes(element.value), charset))
            parts.update(_words(bytes(element.value), charset))
        elif element.vr == "PN":
            found = [*_words(bytes(element.value), charset), *_inner_words(bytes(element.value))]
            names.update(found)
            words.update((word, tag) for word in found)
        elif tag in takes:
            words.update((word, tag) for word in takes[tag](bytes(element.value), charset))
            if tag in _NUMBERS:
                words.update((word, tag) for word in _without_marks(bytes(element.value)))
        elif element.vr in ("DA", "DT") and keeps_no_dates and tag not in _DATES_OF_KINDS:
            dates.update((form, tag) for form in _dates(bytes(element.value), _NO_DATES))
    if told:  # the issuer of an ID may be the institution, or the short form in its name, told on purpose
        words = {
            word: tag
            for word, tag in words.items()
            if word in names or word not in (told | parts if tag in _ISSUERS else told)
        }
    return IdentifyingValues(words, uids, dates)


def _plain(data_set: DataSet) -> Iterator[Element]:
    for node in data_set:
        if isinstance(node, Element):
            yield node
        elif isinstance(node, Sequence):
            for item in node.items:
                yield from _plain(item)


Taker = Callable[[bytes, tuple[str, ...]], Iterator[bytes]]


@cache
def _takers() -> Mapping[int, Taker]:
    return {
        **dict.fromkeys((*_PEOPLE, *_INSTITUTIONS, *_DEVICES), _values),
        **dict.fromkeys((*_STEPS, *_PLACES, _DEPARTMENT), _numbered),
        _BIRTH_DATE: _born,
    }


def _words(value: bytes, charset: tuple[str, ...]) -> Iterator[bytes]:
    """Each word of a person's name on its own: nobody writes them in the same order twice."""
    if value.isascii() and b"\x1b" not in value:
        yield from filter(_counts, _SEPARATOR_BYTES.split(value.lower()))
        return
    for text in _decoded(value, charset):
        for word in _SEPARATORS.split(text):
            yield from _forms(word, charset)


def _inner_words(value: bytes) -> Iterator[bytes]:
    """The words of ``Hall-Smith`` and ``O'Brian``; a part with digits is a number with words of a study."""
    if not value.isascii():
        return
    for word in _SEPARATOR_BYTES.split(value.lower()):
        parts = _INNER.split(word)
        if len(parts) > 1 and not _DIGIT.search(word):
            yield from filter(_counts, parts)


def _without_marks(value: bytes) -> Iterator[bytes]:
    """``zx-991-2847`` and ``0099128`` as ``zx9912847`` and ``99128``, the first as ``9912847``, too."""
    for one in value.lower().split(b"\\"):
        bare = _MARK.sub(b"", one.strip(b" \0"))
        for form in (bare, bare.lstrip(b"0")):
            if len(form) >= _MIN_BARE and _DIGIT.search(form):
                yield form
        digits = bare.lstrip(b"0").strip(_LETTERS)
        if len(digits) >= _MIN_DIGITS and digits.isdigit() and not _DATE_LIKE.fullmatch(digits):
            yield digits


def _values(value: bytes, charset: tuple[str, ...]) -> Iterator[bytes]:
    """Each value as a whole: the words of an institution's name are those of all institutions."""
    if value.isascii() and b"\x1b" not in value:
        yield from filter(_counts, (one.strip(b" \0\r\n\t") for one in value.lower().split(b"\\")))
        return
    for text in _decoded(value, charset):
        for one in text.split("\\"):
            yield from _forms(one.strip(" \0\r\n\t"), charset)


def _numbered(value: bytes, charset: tuple[str, ...]) -> Iterator[bytes]:
    return (one for one in _values(value, charset) if not one.isalpha())


def _born(value: bytes, _charset: tuple[str, ...]) -> Iterator[bytes]:
    return _dates(value)


def _dates(value: bytes, none: Collection[bytes] = ()) -> Iterator[bytes]:
    """A date as DICOM writes it, and as people do."""
    for match in _DATE.finditer(value):
        year, month, day = match.groups()
        if year + month + day in none:
            continue
        for form in (b"%b%b%b", b"%b-%b-%b", b"%b/%b/%b", b"%b.%b.%b"):
            yield form % (year, month, day)
        for one, other in ((day, month), (month, day)):
            for mark in (b".", b"/", b"-"):
                yield one + mark + other + mark + year


def _uids(element: Element) -> Iterator[bytes]:
    for uid in bytes(element.value).split(b"\\"):
        stripped = uid.strip(b" \0")
        if stripped and not _is_registered(stripped):
            yield stripped


def _as_uuid(uid: bytes) -> Iterator[bytes]:
    """A UID that was made of a UUID (PS3.5 B.2), as other software writes that."""
    number = uid.removeprefix(b"2.25.")
    if (
        number != uid
        and number.isdigit()
        and len(number) <= _UUID_DIGITS
        and (value := int(number)) < 1 << 128
    ):
        yield str(UUID(int=value)).encode("ascii")
        yield f"{value:032x}".encode("ascii")


def _is_registered(uid: bytes) -> bool:
    return uid.startswith(b"1.2.840.10008.") and registered_uid(uid.decode("ascii", "replace")) is not None


def _counts(word: bytes) -> bool:
    """Long enough, and not one character over and over."""
    return len(word) >= MIN_TOKEN and len(set(word)) > 1


def _forms(text: str, charset: tuple[str, ...]) -> Iterator[bytes]:
    """A text beyond ASCII as it may stand elsewhere: in its character set, in Unicode, without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for form in {text, text.lower(), text.upper(), plain}:
        for codec in (*_codecs(charset), "utf-8", "utf-16-le", "utf-16-be"):
            try:
                coded = form.encode(codec).lower()
            except (UnicodeError, LookupError):
                continue
            bare = _ESCAPES.sub(b"", coded)
            if _counts(coded) and (bare == coded or len(bare) >= _MIN_ESCAPED):
                yield coded
            if bare != coded and len(bare) >= _MIN_ESCAPED:
                yield bare


@cache
def _codecs(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Python's codecs for a Specific Character Set; Latin-1 where there is none."""
    from pydicom.charset import python_encoding  # loads all of pydicom, which ASCII does not need

    return tuple(python_encoding[term] for term in terms if term in python_encoding) or ("iso8859",)


def _decoded(value: bytes, charset: tuple[str, ...]) -> Collection[str]:
    """By the first codec that takes all of it; and where that may be wrong, as the bytes suggest.

    Bytes that are UTF-8 are hardly ever anything else. What is mostly ASCII may be Latin-1 whatever is said.
    """
    texts: dict[str, None] = {}
    codecs = _codecs(charset)
    order = codecs if b"\x1b" not in value else codecs[::-1]
    for codec in (*order, "iso8859"):
        try:
            texts[value.decode(codec)] = None
        except (UnicodeError, LookupError):
            continue
        break
    if not value.isascii():
        try:
            texts[value.decode("utf-8")] = None
        except UnicodeError:
            if 2 * len(_BEYOND_ASCII.findall(value)) < len(value):
                texts[value.decode("iso8859")] = None
    return texts
