"""The Basic Application Level Confidentiality Profile (PS3.15 Annex E) and its options on one Data Set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dicompack.dicom.confidentiality.canonical import canonical
from dicompack.dicom.confidentiality.cleaning import Cleaning
from dicompack.dicom.confidentiality.graphics import UNFORMATTED_TEXT_VALUE
from dicompack.dicom.confidentiality.journal import Journal, tag_list
from dicompack.dicom.confidentiality.options import BASIC, check_options
from dicompack.dicom.confidentiality.private import public_creator, retained
from dicompack.dicom.confidentiality.private_values import PrivateValues
from dicompack.dicom.confidentiality.pseudonyms import Derive, new_uid
from dicompack.dicom.confidentiality.run import Run
from dicompack.dicom.confidentiality.site_profile import SiteProfile
from dicompack.dicom.confidentiality.stamps import LONGITUDINAL, METHOD, Claims, stamps
from dicompack.dicom.confidentiality.table import Action, Option, Rule
from dicompack.dicom.dataset import DataSet, Node, Sequence, string_element, tag_text
from dicompack.errors import SuspectError
from dicompack.report import Finding

if TYPE_CHECKING:
    from dicompack.dicom.confidentiality.descriptors import Vocabulary

__all__ = ["METHOD", "Deidentified", "deidentify"]

_SOP_INSTANCE_UID = 0x00080018
_STUDY_AND_SERIES = (0x0020000D, 0x0020000E)
_SOP_CLASS_UID = 0x00080016
_BURNED_IN_ANNOTATION = 0x00280301
_IDENTITY_REMOVED = 0x00120062
_ENCRYPTED_ATTRIBUTES = 0x04000500
_PIXELS: Final = 0x7FE0
# Basic Voice Audio and General Audio Waveform: names are spoken.
_VOICES: Final = frozenset(("1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2"))
_GUESSABLE: Final = frozenset((Option.RETAIN_UIDS, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES))

_NO_SITE: Final = SiteProfile("")

# A run has one or two sets of options; the bound is for a library's caller that tries them all.
_REMEMBERED_RULES = 16


@dataclass(frozen=True)
class Deidentified:
    """A de-identified Data Set, and what a person should know about it; the caller fills in `where`."""

    data_set: DataSet
    findings: tuple[Finding, ...]
    options_claimed: tuple[str, ...] = (BASIC,)
    """Profile and options that the instance claims, by the standard's names."""
    codes: tuple[str, ...] = ()
    """Code Values of De-identification Method Code Sequence (0012,0064)."""
    retained_private: tuple[tuple[int, str], ...] = ()
    """Tag and Private Creator of each private attribute that stays, at any level."""
    cut: int = 0
    """Passages cut from text."""


def deidentify(
    data_set: DataSet,
    derive: Derive,
    options: frozenset[Option] = frozenset(),
    *,
    site: SiteProfile | None = None,
    vocabulary: Vocabulary | None = None,
    pixels_cleaned: bool = False,
    pixels_vouched: bool = False,
) -> Deidentified:
    """De-identify a Data Set by the Basic Profile of PS3.15 Annex E, edition 2026d, and these options.

    The same Data Set, key, options and profile give the same result. Absent attributes stay absent, but for
    those that say what was done (DEI-17), Study and Series Instance UID (DEI-20), and what a site sets.

    Args:
        data_set: the instance without File Meta Information.
        derive: the project key's derivation.
        options: of the profile; those of the site profile come on top.
        site: exceptions and additions of a site.
        vocabulary: identifying words of the whole study; those of the instance alone where it is left out.
        pixels_cleaned: burned-in text was looked for and blackened in Pixel Data (113101 is claimed unless
            there are other pixels below the top level, PS3.15 E.3.1).
        pixels_vouched: a person has looked at the pixels.

    Raises:
        UsageError: both date options (DEI-1).
        SuspectError: an encapsulated document or a voice (DEI-15), overlays in pixels that were neither
            cleaned nor vouched for (DEI-60), or nothing to make a pseudonym from (DEI-7).
    """
    if data_set.text(_SOP_CLASS_UID) in _VOICES:  # DEI-15
        raise SuspectError("a recorded voice", rule="DEI-15")
    if not pixels_cleaned and not pixels_vouched:
        _check_embedded_overlays(data_set)
    site = site or _NO_SITE
    options |= site.options
    check_options(options)  # DEI-1
    journal = Journal()
    cleaning = Cleaning(data_set, derive, options, vocabulary, journal)
    private = None
    if Option.RETAIN_SAFE_PRIVATE in options:
        private = PrivateValues(data_set, options, site.safe_private, cleaning, journal)
    run = Run(
        data_set,
        derive,
        _rules(options, site),
        cleaning,
        journal,
        private,
        retains_uids=Option.RETAIN_UIDS in options,
        keeps_dates=Option.RETAIN_LONGITUDINAL_FULL_DATES in options or site.keeps_dates(options),
        keeps_devices=Option.RETAIN_DEVICE_IDENTITY in options,
    )
    result = run.without_aliases(run.apply(data_set))
    supplied = _missing_uids(data_set, derive)
    all_cleaned = pixels_cleaned and not _has_inner_pixels(result)
    claims = _claims(options, site, all_cleaned, data_set.text(LONGITUDINAL).strip())
    result = canonical(result.replacing(*stamps(claims), *supplied, *site.additions()))  # DEI-17, DEI-18
    private_tags = tuple(retained(result)) if private else ()
    found = [] if all_cleaned else _burned_in(data_set)
    if pixels_cleaned and not all_cleaned:
        message = "pixels within a sequence were not looked at; clean pixel data is not claimed"
        found.append(Finding("pixels-not-cleaned", "", message, rule="DEI-27"))
    found += [*_deidentified_before(data_set), *journal.findings()]
    found += _retained(private_tags) + _weakened(options, site)
    if options >= _GUESSABLE:  # DEI-40
        message = "dates were moved, but retained uids may hold the true ones"
        found.append(Finding("shift-guessable", "", message, rule="DEI-40"))
    if supplied:
        found.append(
            Finding("uid-supplied", "", "had no study or series uid, and was given one", rule="DEI-20")
        )
    codes = tuple(value for value, _ in claims.codes)
    return Deidentified(result, tuple(found), claims.names, codes, private_tags, journal.cut)


@lru_cache(_REMEMBERED_RULES)
def _rules(options: frozenset[Option], site: SiteProfile) -> Mapping[int, Rule]:
    applied = site.applied(options)
    text = applied[UNFORMATTED_TEXT_VALUE]
    if Option.CLEAN_GRAPHICS in options and not text.by_site:  # DEI-26: the text of annotations, too
        applied = {
            **applied,
            UNFORMATTED_TEXT_VALUE: Rule(Action.CLEAN, text.vr, text.otherwise or text.action),
        }
    return applied


@lru_cache(_REMEMBERED_RULES)
def _claims(options: frozenset[Option], site: SiteProfile, pixels_cleaned: bool, dates_before: str) -> Claims:
    return Claims(
        options,
        site.weakened(options),
        pixels_cleaned,
        names_patient=site.names_patient(options),
        keeps_dates=site.keeps_dates(options),
        dates_before=dates_before,
    )


def _check_embedded_overlays(data_set: DataSet) -> None:
    """DEI-60: graphics in unused bits of Pixel Data (retired, PS3.5 §8.1.2): removing a group leaves them."""
    for group in range(0x6000, 0x6100, 2):
        position = data_set.number(group << 16 | 0x0102)
        if position and position > 0 and group << 16 | 0x3000 not in data_set:  # DEI-60
            raise SuspectError(
                "an overlay is embedded in the pixel data",
                rule="DEI-60",
                hint="--burned-in clean blackens the overlay",
            )


def _has_inner_pixels(data_set: DataSet) -> bool:
    return any(node.tag >> 16 == _PIXELS for item in _items(data_set) for node in item)


def _items(data_set: DataSet) -> Iterator[DataSet]:
    for node in data_set:
        if isinstance(node, Sequence):
            for item in node.items:
                yield item
                yield from _items(item)


def _missing_uids(data_set: DataSet, derive: Derive) -> list[Node]:
    """DEI-20: no archive takes an instance without Study and Series; no signature profile either."""
    own = data_set.text(_SOP_INSTANCE_UID)
    missing = [tag for tag in _STUDY_AND_SERIES if own and not data_set.text(tag)]
    return [string_element(tag, "UI", new_uid(f"{tag:08x} of {own}", derive)) for tag in missing]


def _burned_in(data_set: DataSet) -> list[Finding]:
    if data_set.text(_BURNED_IN_ANNOTATION).strip().upper() != "YES":
        return []
    message = "burned in annotation says that identifying text stands in the pixels"
    return [Finding("burned-in", "", message, rule="DEI-16")]  # DEI-16


def _deidentified_before(data_set: DataSet) -> list[Finding]:
    """DEI-13: what an earlier run said of itself goes, and with it the way back that it left."""
    said = []
    if data_set.text(_IDENTITY_REMOVED).strip().upper() == "YES":
        said.append("says that it was de-identified before; what it said of that was replaced")
    if _ENCRYPTED_ATTRIBUTES in data_set:
        said.append("had encrypted attributes, by which somebody could re-identify it; they were removed")
    return [Finding("deidentified-before", "", message, rule="DEI-13") for message in said]


def _retained(tags: tuple[tuple[int, str], ...]) -> list[Finding]:
    if not tags:
        return []
    named = ", ".join(f"{tag_text(tag)} {public_creator(creator)}" for tag, creator in sorted(set(tags)))
    message = f"{len(tags)} private attributes retained as safe: {named}"
    return [Finding("private-retained", "", message, rule="DEI-28")]


def _weakened(options: frozenset[Option], site: SiteProfile) -> list[Finding]:
    """DEI-36: what a site keeps or writes is its own responsibility, and is said so."""
    exceptions = site.exceptions(options)
    if not exceptions:
        return []
    unclaimed = ", ".join(sorted(site.weakened(options)))
    message = f"site profile keeps or writes {tag_list(exceptions)}; not claimed: {unclaimed}"
    return [Finding("profile-weakened", "", message, rule="DEI-36")]
