# ruff: noqa: RUF001  # letters of other alphabets are meant
"""Who and where: the words by which an instance's own header names people, orders and places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from typing import Final

from dicompack.dicom.confidentiality.character_sets import Text
from dicompack.dicom.confidentiality.words import UNSPACED, Run, folded, is_medical, key_of, runs
from dicompack.dicom.dataset import DataSet, Element, Sequence

_CHARACTER_SET: Final = 0x00080005

# DEI-45. Names are all values of VR PN; these are the patient's own, and those of whoever answers for him.
_PATIENT_NAMES: Final = frozenset((0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00102297))
IDENTIFIERS: Final = frozenset(
    (
        0x00080050,  # Accession Number
        0x00100020, 0x00101000, 0x00101090,  # Patient ID, Other Patient IDs, Medical Record Locator
        0x00101050,  # Insurance Plan Identification
        0x00120040, 0x00120042,  # Clinical Trial Subject ID, Subject Reading ID
        0x00200010,  # Study ID
        0x00380010, 0x00380060,  # Admission ID, Service Episode ID
        0x00400009, 0x00400253, 0x00401001,  # Scheduled, Performed and Requested Procedure (Step) ID
        0x00402006, 0x00402007, 0x00402016, 0x00402017,  # Placer and Filler Order Number
        0x00400512, 0x00400551,  # Container and Specimen Identifier
        0x00080094, 0x00102154, 0x00102155, 0x00401103, 0x00401104, 0x00402010,  # telephone numbers
    )
)  # fmt: skip
_PLACES: Final = frozenset(
    (
        0x00080080, 0x00080081, 0x00081040,  # Institution Name, Address, Departmental Name
        0x00080092, 0x00101040, 0x00401102,  # addresses of Referring Physician, Patient, Person
        0x00100021, 0x00380011, 0x00380061,  # Issuer of Patient ID, of Admission ID, of Service Episode ID
        0x00102152, 0x00380300, 0x00380400,  # Region of Residence, Current Location, Institution Residence
        0x0038001E,  # Scheduled Patient Institution Residence
        0x00120031, 0x00120060,  # Clinical Trial Site Name, Coordinating Center Name
        0x00321020, 0x00400011, 0x00400243, 0x00401005, 0x00402009,  # locations
        0x0040A027,  # Verifying Organization
    )
)  # fmt: skip
DEVICES: Final = frozenset(
    (
        0x00080055, 0x00081010,  # Station AE Title, Station Name
        0x00181000, 0x00181004, 0x00181005, 0x00181007, 0x00181008,  # serial number, plate, generator, ... ID
        0x00181010, 0x00181011, 0x0018700A, 0x00189371,  # of capture, hardcopy, detector, X-ray source
        0x00321021, 0x00400001, 0x00400010, 0x00400241, 0x00400242,  # AE titles and names of stations
    )
)  # fmt: skip
"""What devices are called; words only where device identity is not retained."""
# Codes of institutions and of people: their meanings are names.
_INSTITUTION_CODES: Final = frozenset((0x00080082, 0x00081041))
_PERSON_CODES: Final = 0x00401101
_CODE_MEANING: Final = 0x00080104

TITLES: Final = frozenset(
    "dr drs dra prof professor doctor doktor med dott dottssa mr mrs ms miss herr herrn frau mme "
    "mlle sra sig jr sr ii iii iv md phd rt bsc msc mph frcr facr dipl ing".split()
)
PARTICLES: Final = frozenset(
    "von van der den de del della di da dos das du la le les el al bin ibn ben ter ten zu zur zum "
    "af av san st mac mc abu".split()
)
"""Parts of names that are words of every text: they go only with the name that follows."""
_PLACEHOLDERS: Final = frozenset(
    "anonymous anonymized anonymised anonym anonymisiert unknown unbekannt removed none null "
    "nobody name".split()
)

_LATIN_WORD: Final = re.compile(r"[^\s\\^=]+")
_LINES: Final = re.compile(r"[,;\\\r\n^=]+")
KANA: Final = re.compile("[\u3041-\u30ff\uff66-\uff9f]+")
_INFLECTED: Final = re.compile("[\u0370-\u03ff\u0400-\u04ff]")
# What inflection replaces: one vowel at the end in Cyrillic, "-os", "-is", "-as", "-a" in Greek.
_ENDING: Final = re.compile("(?:[аеийоуыэюяь]|[αειουηω]σ?)$")

# Two letters are a surname in East Asia; one is an initial.
_MIN_NAME: Final = 2
# Shorter numbers are kilovolts and slices, shorter words of addresses are everybody's.
_MIN_IDENTIFIER: Final = 4
_MIN_PLACE: Final = 4
_MIN_ACRONYM: Final = 3
_MIN_STEM: Final = 4
_MIN_PAIR: Final = 6
# Joined parts of names: shorter ones are words by chance.
_MIN_JOINED: Final = 5
# Names of more parts add no more pairs than these do.
_MAX_PARTS: Final = 6
# Family, given and middle name; prefix and suffix are titles (PS3.5 §6.2.1.1).
_COMPONENTS: Final = 3


@dataclass(frozen=True)
class Vocabulary:
    """The identifying words of an instance, or of a study: ``Vocabulary.of(a) | Vocabulary.of(b)``."""

    words: frozenset[str] = frozenset()
    """Keys of words that go wherever they stand as a whole word."""
    joined: frozenset[str] = frozenset()
    """Keys of names, numbers and places of one or several runs, written as one."""
    stems: frozenset[str] = frozenset()
    """Beginnings of names in languages that inflect them."""
    within: frozenset[str] = frozenset()
    """Folded names in scripts without blanks, which go wherever they stand."""
    devices: frozenset[str] = frozenset()
    """Keys of names and numbers of devices, written as one; they count `with_devices`."""

    @classmethod
    def of(cls, data_set: DataSet) -> Vocabulary:
        """What the header says at every level; bytes outside the character set: UTF-8 or Latin-1."""
        found = _Collector()
        found.collect(data_set, ())
        return cls(*map(frozenset, (found.words, found.joined, found.stems, found.within, found.devices)))

    def __or__(self, other: Vocabulary) -> Vocabulary:
        return Vocabulary(
            self.words | other.words,
            self.joined | other.joined,
            self.stems | other.stems,
            self.within | other.within,
            self.devices | other.devices,
        )

    def with_devices(self) -> Vocabulary:
        """The same with what devices are called among the words."""
        return replace(self, joined=self.joined | self.devices)

    def __repr__(self) -> str:
        return "Vocabulary(...)"  # it is the identity, so it has no place in a log


class _Collector:
    """Gathers the words of one data set."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.joined: set[str] = set()
        self.stems: set[str] = set()
        self.within: set[str] = set()
        self.devices: set[str] = set()

    def collect(self, data_set: DataSet, character_set: tuple[str, ...], code_of: int = 0) -> None:
        """The words of a data set, or of an item of the sequence `code_of`."""
        if _CHARACTER_SET in data_set:
            character_set = data_set.texts(_CHARACTER_SET)
        for node in data_set:
            if isinstance(node, Sequence):
                for item in node.items:
                    self.collect(item, character_set, node.tag)
            elif isinstance(node, Element) and (take := self._kind(node, code_of)):
                for text in readings(bytes(node.value), character_set):
                    take(text)

    def _kind(self, node: Element, code_of: int) -> Callable[[str], None] | None:
        if node.tag in _PATIENT_NAMES:
            return self._patient
        if node.vr == "PN" or (node.tag == _CODE_MEANING and code_of == _PERSON_CODES):
            return self._person
        if node.tag in IDENTIFIERS:
            return self._identifiers
        if node.tag in DEVICES:
            return self._device
        if node.tag in _PLACES or (node.tag == _CODE_MEANING and code_of in _INSTITUTION_CODES):
            return self._place
        return None

    def _patient(self, text: str) -> None:
        """DEI-46: a word that is the patient's name goes, be it a word of medicine as well."""
        self._names(text, lambda key: len(key) == _MIN_NAME and is_medical(key))

    def _person(self, text: str) -> None:
        """DEI-46: a word of medicine goes only as part of the name: an operator may be called CT."""
        self._names(text, is_medical)

    def _names(self, text: str, is_kept: Callable[[str], bool]) -> None:
        for name in text.replace("=", "\\").split("\\"):
            components = name.split("^")
            parts: list[str] = []
            for component in components[:_COMPONENTS]:
                keys = [run.key for run in runs(component) if run.key not in TITLES | _PLACEHOLDERS]
                parts += keys
                if len("".join(keys)) >= _MIN_JOINED and not all(map(is_kept, keys)):
                    self._join("".join(keys))
            self._unspaced(components)
            for key in parts:
                if len(key) < _MIN_NAME or key in PARTICLES or key.isdigit() or is_kept(key):
                    continue
                self.words.add(key)
                stem = _ENDING.sub("", key)
                if _INFLECTED.search(key) and len(stem) >= _MIN_STEM:
                    self.stems.add(stem)
            if not all(map(is_kept, parts)):
                self._pairs([key for key in parts if key not in PARTICLES][:_MAX_PARTS])

    def _unspaced(self, components: list[str]) -> None:
        """Names in scripts without blanks: each of two (of kana: three) characters, and all as one."""
        names = [name for part in components[:_COMPONENTS] for name in re.split(r"[\s・･]+", part)]
        for name in (*names, "".join(names)):
            shortest = 3 if KANA.fullmatch(name) else 2
            if UNSPACED.search(name) and len(name) >= shortest:
                self.within.add(folded(name)[0])

    def _pairs(self, parts: list[str]) -> None:
        """``SMITHJOHN``, ``JohnSmith``, ``jsmith``."""
        for one, other in permutations(parts, 2):
            for joined in (one + other, one[0] + other, one + other[0]):
                if len(joined) >= _MIN_JOINED and not joined.isdigit() and not is_medical(joined):
                    self._join(joined)

    def _identifiers(self, text: str) -> None:
        for value in re.split(r"[\\\r\n]+", text):
            found = runs(value)
            whole = "".join(run.key for run in found)
            if not whole.isalpha() and len(whole) >= _MIN_IDENTIFIER:
                self._join(whole)
            self._telling_words(found)

    def _device(self, text: str) -> None:
        for value in text.split("\\"):
            whole = "".join(run.key for run in runs(value))
            if len(whole) >= _MIN_IDENTIFIER and len(set(whole)) > 1:
                self.devices.add(whole)

    def _place(self, text: str) -> None:
        """The whole line, and each of its words that no other place would have."""
        for line in _LINES.split(text):
            found = runs(line)
            telling = [run.key for run in found if not _is_general(run.key)]
            whole = "".join(run.key for run in found)
            if not whole.isalpha() and len(whole) >= _MIN_PLACE:  # Ward 7B North
                self._join(whole)
            if telling and any(len(key) >= _MIN_ACRONYM for key in telling):
                self._join(whole)
                for one, other in pairwise(run.key for run in found):
                    if (one in telling or other in telling) and len(one + other) >= _MIN_PAIR:
                        self._join(one + other)
            self._telling_words(found)

    def _telling_words(self, found: list[Run]) -> None:
        for key in (run.key for run in found):
            if len(key) >= _MIN_PLACE and not _is_general(key):
                (self.joined if key.isdigit() else self.words).add(key)

    def _join(self, key: str) -> None:
        self.joined.update((key, key_of(key)))
        if len(significant := key.lstrip("0")) >= _MIN_IDENTIFIER:
            self.joined.add(significant)


def _is_general(key: str) -> bool:
    return key in TITLES or key in PARTICLES or key in _PLACEHOLDERS or is_medical(key)


def readings(value: bytes, character_set: tuple[str, ...]) -> Iterator[str]:
    """What a value says. A header may lie about its character set, and a name is a name nevertheless.

    Most character sets have a character for every byte, so that a value that fits says little: it is read as
    UTF-8 too, where it is UTF-8, and else as Latin-1, as far as its words are mostly of ASCII letters then.
    """
    value = value.strip(b" \0")
    latin = value.decode("latin_1")
    try:
        declared = Text(value, character_set, b"\\\r\n\f\t^=").text
    except UnicodeError:
        declared = latin
    yield declared
    if value.isascii():
        return
    try:
        other = value.decode("utf_8")
    except UnicodeError:
        other = declared if declared == latin else _LATIN_WORD.sub(_unless_mojibake, latin)
    if other != declared:
        yield other


def _unless_mojibake(word: re.Match[str]) -> str:
    """A word that is mostly ASCII; letters of another alphabet give accents and signs alone."""
    letters = sum(character.isascii() for character in word[0])
    return word[0] if letters > len(word[0]) - letters else ""
