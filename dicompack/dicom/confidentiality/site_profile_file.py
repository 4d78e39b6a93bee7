"""Site profiles as TOML: everything that is wrong with one is said at once (DEI-34).

[profile.research]
options = ["retain-safe-private", "retain-longitudinal-modified-dates"]
retain = ["(0008,1090)"]
private = [{creator = "ACME 1.0", tags = ["(0019,xx0C)", {tag = "(0019,xx0D)", vr = "DS"}]}]

[profile.research.attributes]
StationName = "remove"
"(0008,0080)" = {set = "Hospital"}

[[profile.research.layout]]
name = "ACME patient line"
manufacturer = "ACME"
boxes = [[0, 0, 0, 40]]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Final

from dicompack.dicom.burned_in.regions import RULES, read_rules
from dicompack.dicom.confidentiality.dates import is_written_right
from dicompack.dicom.confidentiality.options import check_options, nearest
from dicompack.dicom.confidentiality.private import Name
from dicompack.dicom.confidentiality.site_profile import Override, SiteProfile, vr_of
from dicompack.dicom.confidentiality.stamps import STAMPS
from dicompack.dicom.confidentiality.table import Option, rows
from dicompack.dicom.confidentiality.unlisted import is_structure, most_values
from dicompack.dicom.dataset import tag_text
from dicompack.dicom.dictionary import LONG_VRS, SHORT_VRS, STRING_VRS
from dicompack.errors import UsageError

_TABLES: Final = "profiles are tables [profile.NAME]"
_KEYS: Final = ("options", "attributes", "retain", "private", *RULES)
_ENTRY: Final = ("creator", "tags")
_KINDS: Final = ("keep", "remove", "empty", "set", "replace")
_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_PRIVATE_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{3}[13579BDFbdf]),?xx([0-9A-Fa-f]{2})\)?")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# What makes an instance an instance, says what was done to it, or is refused rather than treated (DEI-35).
_FIXED: Final = STAMPS | {
    0x00080005,  # Specific Character Set
    0x00080016,  # SOP Class UID
    0x00080300,  # Private Data Element Characteristics Sequence
    0x00280301,  # Burned In Annotation: a promise of the pixel gate
    0x00420011,  # Encapsulated Document
    0x00880200,  # Icon Image Sequence: pixels that nobody looks at
    0x04000500,  # Encrypted Attributes Sequence
    0x04000550,  # Modified Attributes Sequence
    0x04000561,  # Original Attributes Sequence
    0x4FFE0001,  # MAC Parameters Sequence
    0xFFFAFFFA,  # Digital Signatures Sequence
    0xFFFCFFFC,  # Data Set Trailing Padding
}
_PIXELS: Final = 0x7FE0
# Image Pixel Module and its neighbours: what the pixels are read by.
_FIRST_PIXEL_FACT, _LAST_PIXEL_FACT = 0x00280002, 0x00280107

_MAX_LENGTHS: Final = {"AE": 16, "CS": 16, "DS": 16, "IS": 12, "LO": 64, "PN": 64, "SH": 16, "UI": 64}
"""Characters of one value (PS3.5 Table 6.2-1), where a person is likely to write too many."""

_SINGLE_VALUED: Final = ("LT", "ST", "UT", "UR")
_FORMS: Final = {
    "CS": re.compile(r"[A-Z0-9 _]+"),
    "DS": re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)? *"),
    "IS": re.compile(r" *[+-]?[0-9]{1,10} *"),
    "PN": re.compile(r"[^=^]*(?:\^[^=^]*){0,4}"),
    "UR": re.compile(r"\S+"),
}
"""One value in ASCII (PS3.5 Table 6.2-1); other VRs take any characters, or are dates."""


def site_profile(source: bytes, name: str | None = None) -> SiteProfile:
    """The profile of a name in a TOML document; without a name the only one.

    Every profile in the document is validated, so that a mistake is found before the day it is needed.

    Raises:
        UsageError: no TOML, no such profile, or anything in it that is not as DEI-34 says; each thing that is
            wrong stands in `faults`.
    """
    try:
        document = tomllib.loads(source.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        place = "not utf-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(f"site profile is not TOML: {place}", rule="DEI-34") from None
    faults: list[str] = [
        f"unknown key {key!r}; {'did you mean profile?' if nearest(key, ('profile',)) else _TABLES}"
        for key in document
        if key != "profile"
    ]
    tables = document.get("profile", {})
    if not isinstance(tables, dict) or not tables:
        raise _refusal([*faults, "there is no table [profile.NAME]"])
    profiles: dict[str, SiteProfile] = {}
    for key, table in tables.items():
        profile = _Reader(key, faults).read(table)
        profiles[key] = profile
    if faults:
        raise _refusal(faults)
    return _chosen(profiles, name)


def _chosen(profiles: Mapping[str, SiteProfile], name: str | None) -> SiteProfile:
    if name is None and len(profiles) == 1:
        return next(iter(profiles.values()))
    known = ", ".join(profiles)
    if name is None:
        raise UsageError("the file has several site profiles", rule="DEI-34", hint=f"name one of: {known}")
    if name in profiles:
        return profiles[name]
    likely = nearest(name, profiles)
    hint = f"did you mean {likely}?" if likely else f"known: {known}"
    raise UsageError(f"there is no site profile {name!r}", rule="DEI-34", hint=hint)


def _refusal(faults: list[str]) -> UsageError:  # DEI-34
    things = "1 thing" if len(faults) == 1 else f"{len(faults)} things"
    error = UsageError(
        f"site profile has {things} wrong: {faults[0]}", rule="DEI-34", hint="\n".join(faults[1:]) or None
    )
    error.faults = tuple(faults)
    return error


class _Reader:
    """Reads one profile and collects what is wrong with it."""

    def __init__(self, name: str, faults: list[str]) -> None:
        self._name = name
        self._faults = faults

    def read(self, table: object) -> SiteProfile:
        """The profile; to be thrown away where there were faults."""
        if not _NAME.fullmatch(self._name):
            self._fault("a name has letters, digits, hyphens and underscores alone")
        if not isinstance(table, dict):
            self._fault("is not a table")
            return SiteProfile(self._name)
        for key in table:
            if key not in _KEYS:
                self._unknown("key", key, _KEYS)
        options = self._options(table.get("options", []))
        private = self._private(table.get("private", []))
        if private and Option.RETAIN_SAFE_PRIVATE not in options:
            self._fault("private attributes are listed without the option retain-safe-private")
        overrides = self._attributes(table.get("attributes", {}))
        for tag, override in self._retain(table.get("retain", [])):
            if tag in overrides:
                self._fault(f"{tag_text(tag)} stands in attributes and in retain")
            overrides[tag] = override
        devices, faults = read_rules({key: rules for key, rules in table.items() if key in RULES})  # BUR-8
        for fault in faults:
            self._fault(fault)
        return SiteProfile(
            self._name,
            options,
            tuple(sorted(overrides.items(), key=lambda entry: entry[0])),
            tuple(private.items()),
            devices,
        )

    def _options(self, names: object) -> frozenset[Option]:
        options: set[Option] = set()
        for name in self._strings(names, "options"):
            if name in tuple(Option):
                options.add(Option(name))
            else:
                self._unknown("option", name, tuple(Option))
        try:
            check_options(frozenset(options))
        except UsageError as error:
            self._fault(error.message)
        return frozenset(options)

    def _attributes(self, table: object) -> dict[int, Override]:
        if not isinstance(table, dict):
            self._fault("attributes is not a table")
            return {}
        overrides: dict[int, Override] = {}
        for key, wish in table.items():
            tag, override = self._tag(key), self._override(key, wish)
            if tag is None or override is None:
                continue
            if tag in overrides:
                self._fault(f"{tag_text(tag)} stands twice in attributes")
            if self._is_possible(tag, override):
                overrides[tag] = override
        return overrides

    def _retain(self, names: object) -> list[tuple[int, Override]]:
        keep = Override("keep")
        tags = [self._tag(name) for name in self._strings(names, "retain")]
        return [(tag, keep) for tag in tags if tag is not None and self._is_possible(tag, keep)]

    def _override(self, key: str, wish: object) -> Override | None:
        match wish:
            case "keep" | "remove" | "empty":
                return Override(wish)
            case {"set": str(value), **rest} if not rest:
                return Override("set", value)
            case {"replace": str(value), **rest} if not rest:
                return Override("replace", value)
            case "set" | "replace":
                self._fault(f'{key}: {wish} needs a value, as in {{{wish} = "..."}}')
            case str():
                self._unknown(f"action of {key}:", wish, _KINDS)
            case {**entries} if len(entries) == 1 and (kind := str(next(iter(entries)))) not in _KINDS:
                self._unknown(f"action of {key}:", kind, _KINDS)
            case _:
                self._fault(
                    f'{key}: is none of "keep", "remove", "empty", {{set = "..."}}, {{replace = "..."}}'
                )
        return None

    def _tag(self, key: str) -> int | None:
        if found := _TAG.fullmatch(key):
            return int(found[1] + found[2], 16)
        tag = _tag_of(key)
        if tag is None:
            self._unknown("attribute", key, _keywords())
        return tag

    def _is_possible(self, tag: int, override: Override) -> bool:
        """DEI-35: what no site decides, and values that are none."""
        before = len(self._faults)
        name, vr = tag_text(tag), vr_of(tag)
        if tag >> 16 & 1:
            self._fault(f"{name} is private; list it in private")
        elif is_structure(tag) or _is_fixed(tag):
            self._fault(f"{name} cannot be decided by a site")
        elif vr == "UN":
            self._fault(f"{name} is in no data dictionary")
        elif vr == "UI":
            self._fault(f"{name} is a uid; uids are all replaced, or all kept by retain-uids")
        elif override.kind in ("set", "replace"):
            self._check_value(tag, override.value, vr)
        return len(self._faults) == before

    def _check_value(self, tag: int, value: str, vr: str) -> None:
        name = tag_text(tag)
        if vr not in STRING_VRS:
            self._fault(f"{name} has VR {vr}, which no text can be set to")
            return
        if not value.isascii() or not value.isprintable():
            self._fault(f"{name}: a value is of printable ASCII, which every character set has")
            return
        values = [value] if vr in _SINGLE_VALUED else value.split("\\")
        most = most_values(tag)
        if any(len(one) > _MAX_LENGTHS.get(vr, len(one)) for one in values):
            self._fault(f"{name}: a value of VR {vr} has {_MAX_LENGTHS[vr]} characters at most")
        elif not all(_is_one_of(vr, one) for one in values if one):
            self._fault(f"{name}: the value is none of VR {vr}")
        elif most is not None and len(values) > most:
            self._fault(f"{name} has {most} value{'s' if most > 1 else ''} at most")

    def _private(self, entries: object) -> dict[Name, str]:
        known: dict[Name, str] = {}
        if not isinstance(entries, list):
            self._fault("private is not a list")
            return known
        for entry in entries:
            match entry:
                case {"creator": str(creator), "tags": list(tags), **rest} if not rest and creator.strip():
                    for tag in tags:
                        self._private_tag(creator.strip(), tag, known)
                case {**keys} if unknown := [str(key) for key in keys if key not in _ENTRY]:
                    for key in unknown:
                        self._unknown("key of private", key, _ENTRY)
                case _:
                    self._fault('an entry of private is not {creator = "...", tags = [...]}')
        return known

    def _private_tag(self, creator: str, entry: object, known: dict[Name, str]) -> None:
        vr: object = ""
        tag = entry
        if isinstance(entry, dict) and entry.keys() == {"tag", "vr"}:
            tag, vr = entry["tag"], entry["vr"]
        found = _PRIVATE_TAG.fullmatch(tag) if isinstance(tag, str) else None
        if found is None or int(found[1], 16) < 0x0009 or int(found[1], 16) == 0xFFFF:
            self._fault(f"private tag {tag!r} is not written as (0019,xx0C)")
        elif not isinstance(vr, str) or (vr and vr not in (SHORT_VRS | LONG_VRS) - {"UN"}):
            self._fault(f"private tag {tag!r}: {vr!r} is no VR")
        else:
            known[creator, int(found[1], 16) << 16 | int(found[2], 16)] = vr

    def _strings(self, values: object, key: str) -> list[str]:
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return values
        self._fault(f"{key} is not a list of texts")
        return []

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> None:
        likely = nearest(name, known)
        self._fault(f"unknown {what} {name!r}" + (f"; did you mean {likely}?" if likely else ""))

    def _fault(self, what: str) -> None:
        self._faults.append(f"profile {self._name}: {what}")


def _is_one_of(vr: str, value: str) -> bool:
    if vr in ("DA", "DT", "TM", "AS"):
        return is_written_right(vr, value)
    return vr not in _FORMS or _FORMS[vr].fullmatch(value) is not None


def _is_fixed(tag: int) -> bool:
    return tag in _FIXED or tag >> 16 == _PIXELS or _FIRST_PIXEL_FACT <= tag <= _LAST_PIXEL_FACT


def _tag_of(keyword: str) -> int | None:
    from pydicom.datadict import tag_for_keyword

    listed = {row.keyword: row.tag for row in rows()}
    if keyword in listed and re.fullmatch("[0-9A-F]{8}", listed[keyword]):
        return int(listed[keyword], 16)
    return tag_for_keyword(keyword)


def _keywords() -> tuple[str, ...]:
    from pydicom.datadict import keyword_dict

    return tuple(keyword_dict)
