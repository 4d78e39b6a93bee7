"""The conformance statement that PS3.15 E.1.3 asks for, from the tables that the program works by.

    python -m tests.conformance_statement            print it
    python -m tests.conformance_statement --write    write it to spec/conformance.md

What tables know is generated. The rest is prose, and the rules that it names are those of the specification.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from dicompack.crypto.derivation import KEY_SIZE
from dicompack.crypto.derivation import LABELS as KEY_LABELS
from dicompack.dicom.confidentiality.dates import MAX_DAYS, NOT_OF_THE_PATIENT
from dicompack.dicom.confidentiality.dummies import dummy_element
from dicompack.dicom.confidentiality.graphics import UNFORMATTED_TEXT_VALUE
from dicompack.dicom.confidentiality.options import BASIC_CODE, CLEAN_PIXEL_DATA_CODE, CODES
from dicompack.dicom.confidentiality.private import safe_private
from dicompack.dicom.confidentiality.profile import METHOD
from dicompack.dicom.confidentiality.table import EDITION, Action, Option, Row, rows, rules
from dicompack.dicom.confidentiality.unlisted import BEYOND_THE_TABLE
from dicompack.dicom.dataset import tag_text
from dicompack.dicom.dicom_file import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION
from dicompack.dicom.dictionary import STRING_VRS

PATH = Path(__file__).parent.parent / "spec" / "conformance.md"

_VRS = "AE AS CS DA DS DT FD FL IS LO LT OB OW PN SH SL SS ST TM UC UL UN UR US UT".split()
_WORDS = {
    Action.REMOVE: "removed",
    Action.EMPTY: "emptied",
    Action.DUMMY: "dummy",
    Action.NEW_UID: "new UID",
    Action.KEEP: "kept",
    Action.CLEAN: "cleaned",
}


def statement() -> str:
    """The whole chapter."""
    return "\n\n".join(
        (
            _OPENING.format(edition=EDITION),
            _options(),
            _DUMMIES,
            _dummies(),
            _UIDS.format(labels=", ".join(f"`{label}`" for label in sorted(KEY_LABELS)), size=KEY_SIZE * 8),
            _DATES.format(most=MAX_DAYS, not_moved=", ".join(map(tag_text, sorted(NOT_OF_THE_PATIENT)))),
            _INSERTED.format(
                method=METHOD, uid=IMPLEMENTATION_CLASS, version=IMPLEMENTATION_VERSION,
                pixels=CLEAN_PIXEL_DATA_CODE[0],
            ),
            _ENCRYPTED,
            _PRIVATE,
            _private(),
            _BEYOND,
            _beyond(),
            _ATTRIBUTES,
            _attributes(),
        )
    ) + "\n"  # fmt: skip


def _table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> str:
    """A table, its rows after its head."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *lines))


def _options() -> str:
    def lines() -> Iterator[tuple[str, ...]]:
        yield "basic", *BASIC_CODE, str(len(rows()))
        for option in Option:
            yield option.value, *CODES[option], str(sum(option in row.options for row in rows()))
        yield "`--burned-in clean`", *CLEAN_PIXEL_DATA_CODE, "the pixels"

    return _table(("name", "code (DCM)", "meaning", "rows of Table E.1-1"), lines())


def _dummies() -> str:
    def shown(vr: str) -> str:
        value = bytes(dummy_element(0, vr).value)
        return f"`{value.decode('ascii').rstrip()}`" if vr in STRING_VRS else f"{len(value)} zero bytes"

    values = sorted((shown(vr), vr) for vr in _VRS)
    return _table(
        ("dummy", "VR"),
        ((value, " ".join(vr for _, vr in some)) for value, some in groupby(values, lambda pair: pair[0])),
    )


def _private() -> str:
    by_creator: dict[str, list[int]] = {}
    for creator, tag in safe_private():
        by_creator.setdefault(creator, []).append(tag)
    return _table(
        ("Private Creator", "attributes"),
        (
            (f"`{creator}`", " ".join(f"({tag >> 16:04X},xx{tag & 0xFF:02X})" for tag in sorted(tags)))
            for creator, tags in sorted(by_creator.items())
        ),
    )


def _beyond() -> str:
    return _table(
        ("attribute", "what is done"),
        ((tag_text(tag), _WORDS[rule.action]) for tag, rule in sorted(BEYOND_THE_TABLE.items())),
    )


def _attributes() -> str:
    def lines() -> Iterator[tuple[str, ...]]:
        basic = rules(frozenset())
        by_option = {option: rules(frozenset((option,))) for option in Option}
        for row in rows():
            if (
                not row.tag.isalnum()
                or not _is_hexadecimal(row.tag)
                or (tag := int(row.tag, 16)) not in basic
            ):
                yield _shown(row.tag), row.keyword, row.profile, _pattern(row), ""
                continue
            differs = [
                f"{_WORDS[by_option[option][tag].action]}: {option}"
                for option in Option
                if option in row.options
            ]
            if tag == UNFORMATTED_TEXT_VALUE:
                differs.append(f"{_WORDS[Action.CLEAN]}: {Option.CLEAN_GRAPHICS}")  # DEI-26
            yield tag_text(tag), row.keyword, row.profile, _WORDS[basic[tag].action], ", ".join(differs)

    return _table(("tag", "keyword", "code", "basic", "with an option"), lines())


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def _shown(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"


def _pattern(row: Row) -> str:
    """Rows that are no single attribute of a data set are a matter of structure."""
    return "made anew or never copied" if _is_hexadecimal(row.tag) else "removed"


_OPENING = """# Conformance statement

What PS3.15 E.1.3 asks of an implementation of the Basic Application Level Confidentiality Profile. Edition
of the standard: **{edition}**. This chapter is generated by `python -m tests.conformance_statement --write`
from the tables that the program works by, and a test holds it against them. Rules such as DEI-3 are those
of [chapter 1](1-deidentification.md) and its parts.

DICOMPack is a *de-identifier* for all Composite SOP Classes, and a *re-identifier* of what it encrypted
([chapter 1d](1d-reidentification.md)). It claims the profile and each option that was asked for, and no
other. It does not claim Clean Recognizable Visual Features (113102). That an instance conforms is no
promise that nobody can be recognised in it.

## Options

Any combination is possible but that of the two date options (DEI-1). Where two options differ about an
attribute, C comes before K (DEI-24)."""

_DUMMIES = """## Dummy values

The same for everybody, so that they tell nothing (DEI-4, DEI-5). Patient's Name and Patient ID are replaced
by a pseudonym instead (DEI-7): `DP-` and 100 bits, derived from Patient ID and Issuer under the project
key. UI: see the next section. Sequences: a code that means "Removed", a content item that says `REMOVED`, a
point, or the items gone through."""

_UIDS = """## UIDs, pseudonyms, and how far they are consistent

New UIDs are `2.25.` and a version 8 UUID, derived from the old UID with HMAC-SHA256 under the project key
of {size} bits (DEI-6). Labels of the derivation: {labels}. UIDs registered in PS3.6 Annex A stay. With
`--project-key` UIDs, pseudonyms and date shifts are the same in every delivery under that key. Without it a
fresh key serves one run and is thrown away: consistent in the run, not to be linked beyond it. Replaced are
the UIDs with code U, at every level of nesting, and every value of VR UI anywhere in the instance that
equals one of them (DEI-14). With `retain-uids` they stay."""

_DATES = """## Dates

Without a date option they are removed, emptied or replaced as the table says. With
`retain-longitudinal-full-dates` they stay. With `retain-longitudinal-modified-dates` every date of a
patient moves by the same number of whole days, -1 to -{most}, derived from Patient ID and Issuer under the
project key (DEI-40). Times of day, ages, offsets from UTC and intervals stay; partial dates keep their
precision (DEI-41). What is no valid date gets the profile's own action (DEI-42). Not moved but treated by
the profile, since their true value can be looked up (DEI-43): {not_moved}."""

_INSERTED = """## What is inserted

| attribute | value |
| --- | --- |
| (0012,0062) Patient Identity Removed | `YES`; `NO` only where a site profile keeps who the patient is |
| (0012,0063) De-identification Method | `{method}`, and the names of the options |
| (0012,0064) its codes | codes of what was done; not of what a site weakened (DEI-27, DEI-36) |
| (0028,0303) Longitudinal Temporal Information Modified | `REMOVED`, `MODIFIED` or `UNMODIFIED` |
| (0028,0301) Burned In Annotation | `NO`, with {pixels} only |
| (0020,000D), (0020,000E) | a new UID where the instance had none (DEI-20) |

File Meta Information is made anew and the preamble is zero; Implementation Class UID `{uid}`,
Implementation Version Name `{version}`."""

_ENCRYPTED = """## Encrypted Attributes

Only with `--custodian`. Encrypted are the originals of every top-level attribute that was changed or
removed, with all that is nested in it. The data set is encoded in Explicit VR Little Endian, or in the
Transfer Syntax of the source where an original is encapsulated. It is encrypted with CMS EnvelopedData:
AES-256 in CBC mode, its key by RSAES-PKCS1-v1_5 for each custodian, whose certificate is named on the
command line; RSA keys of this program have 3072 bits. A fresh content key is made for each instance. On
reading AES-128, AES-192, AES-256 and three-key triple DES are taken."""

_PRIVATE = """## Private attributes

All are removed (DEI-8), unless `retain-safe-private` is asked for. Then those stay that the instance itself
declares as safe in (0008,0300), that a site profile lists, and those of Table E.3.10-1, known by their
Private Creator in whatever block they stand (DEI-28 to DEI-33). Private sequences are gone through item by
item. Each one that stays is named in the report of the run. The list:"""

_BEYOND = """## Attributes beyond Table E.1-1

Removed are also all group lengths, groups below 0008, curves (50xx) and, without `clean-graphics`, overlays
(60xx) as whole groups, what the data dictionary does not know, and what has not its VR (DEI-8 to DEI-12).
An instance with an Encapsulated Document is refused (DEI-15). Further (DEI-13):"""

_ATTRIBUTES = """## Attributes of Table E.1-1

*code* is that of the Basic Profile; *basic* is what the program does for it, in every IOD (DEI-3). An
attribute that is absent stays absent."""


def main(arguments: list[str]) -> None:
    text = statement()
    if "--write" in arguments:
        PATH.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
