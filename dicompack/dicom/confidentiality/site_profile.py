"""A site's own profile: options, exceptions and safe private attributes; what may still be claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from dicompack.dicom.burned_in.regions import DeviceRules
from dicompack.dicom.confidentiality.options import BASIC
from dicompack.dicom.confidentiality.private import Name
from dicompack.dicom.confidentiality.table import Action, Option, Rule, is_date, rows, rules
from dicompack.dicom.confidentiality.unlisted import BEYOND_THE_TABLE
from dicompack.dicom.dataset import Element, padded
from dicompack.dicom.dictionary import dictionary_vr

Kind: TypeAlias = Literal["keep", "remove", "empty", "set", "replace"]

_NO_DEVICES: Final = DeviceRules()

# Who the patient is: with one of these kept or given a value, no removed identity is claimed (DEI-36).
_IDENTITY: Final = frozenset(
    (
        0x00100010, 0x00100020, 0x00100030, 0x00101000, 0x00101001, 0x00101002, 0x00101005, 0x00101040,
        0x00101060, 0x00101090, 0x00102154, 0x00102155, 0x00102297, 0x00102299, 0x00380010,
    )
)  # fmt: skip

# Options that promise to clean; the others announce what may still be there, and that stays true.
_PROMISES: Final = frozenset(option for option in Option if option.startswith("clean-")) | {
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
}


@dataclass(frozen=True, slots=True)
class Override:
    """What a site wants of one attribute."""

    kind: Kind
    value: str = ""
    """Of `set`, which adds the attribute where it is absent, and of `replace`, which does not."""


@dataclass(frozen=True)
class SiteProfile:
    """A validated profile of a site; equal ones do the same."""

    name: str
    options: frozenset[Option] = frozenset()
    overrides: tuple[tuple[int, Override], ...] = ()
    """By tag, ascending."""
    private: tuple[tuple[Name, str], ...] = ()
    """Private attributes that the site knows to be safe, with their VR where it gives one."""
    devices: DeviceRules = _NO_DEVICES
    """Where its devices write into the pixels, beside what is known of others."""

    @cached_property
    def safe_private(self) -> Mapping[Name, str]:
        """`private` as a mapping."""
        return dict(self.private)

    def applied(self, options: frozenset[Option]) -> Mapping[int, Rule]:
        """The rules under these options, with the exceptions of the site (DEI-35)."""
        applied = {**rules(options), **BEYOND_THE_TABLE}
        for tag, override in self.overrides:
            present = applied.get(tag)
            vr = vr_of(tag) if present is None else present.vr
            match override.kind:
                case "keep":
                    if present is not None and present.action is not Action.KEEP:
                        otherwise = present.otherwise or present.action
                        applied[tag] = Rule(Action.KEEP, vr, otherwise, by_site=True)
                case "remove":
                    applied[tag] = Rule(Action.REMOVE, vr, by_site=True)
                case "empty":
                    applied[tag] = Rule(Action.EMPTY, vr, by_site=True)
                case "set" | "replace":
                    applied[tag] = Rule(Action.REPLACE, vr, by_site=True, value=_value(override.value, vr))
        return MappingProxyType(applied)

    def additions(self) -> list[Element]:
        """What `set` puts at the top level of a de-identified Data Set, whether it was there or not."""
        return [
            Element(tag, vr_of(tag), _value(override.value, vr_of(tag)))
            for tag, override in self.overrides
            if override.kind == "set"
        ]

    def kept(self, options: frozenset[Option]) -> frozenset[int]:
        """Attributes that the site keeps and that profile and options would not keep as they are."""
        return self._decided(options, "keep")

    def exceptions(self, options: frozenset[Option]) -> frozenset[int]:
        """The same with those that the site gives a value: nobody knows whose value that is (DEI-36)."""
        return self._decided(options, "keep", "set", "replace")

    def values(self) -> Mapping[int, str]:
        """What the site writes, by the tag that it writes it to."""
        return {tag: override.value for tag, override in self.overrides if override.value}

    def _decided(self, options: frozenset[Option], *kinds: Kind) -> frozenset[int]:
        plain = {**rules(options), **BEYOND_THE_TABLE}
        return frozenset(
            tag
            for tag, override in self.overrides
            if override.kind in kinds and tag in plain and plain[tag].action is not Action.KEEP
        )

    def weakened(self, options: frozenset[Option]) -> frozenset[str]:
        """Profile and options whose promise the site breaks: their codes are not claimed (DEI-36)."""
        exceptions = {f"{tag:08X}" for tag in self.exceptions(options)}
        columns = [row.options.keys() for row in rows() if row.tag in exceptions]
        broken = {
            option.value for option in options & _PROMISES if any(option in column for column in columns)
        }
        return frozenset(broken | {BASIC}) if exceptions else frozenset()

    def names_patient(self, options: frozenset[Option]) -> bool:
        """Whether the site keeps or writes what says who the patient is."""
        return not self.exceptions(options).isdisjoint(_IDENTITY)

    def keeps_dates(self, options: frozenset[Option]) -> bool:
        """Whether the site keeps or writes dates that profile and options take away or move."""
        return any(map(is_date, self.exceptions(options)))


def vr_of(tag: int) -> str:
    """The VR of a public attribute, by the table or the data dictionary; ``UN`` where neither knows it."""
    listed = rules(frozenset()).get(tag)
    vr = listed.vr if listed is not None and listed.vr else dictionary_vr(tag)
    return "US" if vr == "US or SS" else vr


def _value(text: str, vr: str) -> bytes:
    return padded(text.encode("ascii"), b"\0" if vr == "UI" else b" ")
