"""The closed grammar of names: objects, ZIP entries, volume files (``spec/5-package.md``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dicompack.container.limits import MAXIMUM_MEMBERS, MAXIMUM_SEALS

if TYPE_CHECKING:
    from collections.abc import Sequence

README = "README"
MANIFEST = "MANIFEST"
DIGESTS = "DIGESTS"
CUSTODY = "CUSTODY"
_MEMBERS = "DICOM/"
_ORIGINALS = "ORIGINAL/"

_NAMED = r"ORIGINAL/[0-9]{8}|CUSTODY|MANIFEST|DIGESTS|SEAL[0-9]{4}"
_PIECE = re.compile(rf"CUT/([0-9]{{8}}|{_NAMED})/([0-9]{{4}})")
_OBJECT = re.compile(rf"DICOM/[0-9]{{8}}|{_NAMED}")
_FRAME = re.compile(r"DCMPACK/[HT][0-9]{7}")
_RECOVERY_NUMBER = re.compile(r"\.r([0-9]{2,3})$")
_VOLUME_NUMBER = re.compile(r"\.([0-9]{3,4})$")


class Piece(NamedTuple):
    """What the name of an entry says: which object, and which piece of it (0: the whole)."""

    object_name: str
    number: int


def member_name(number: int) -> str:
    """Name of the object that holds member `number`, counted from 1."""
    return f"{_MEMBERS}{number:08d}"


def original_name(number: int) -> str:
    """Name of the object with restoring data `number`, counted from 1."""
    return f"{_ORIGINALS}{number:08d}"


def is_about_originals(object_name: str) -> bool:
    """Whether an object holds restoring data, or is CUSTODY."""
    return object_name == CUSTODY or object_name.startswith(_ORIGINALS)


def sealed_names(members: int, originals: int, *, custody: bool) -> list[str]:
    """Names of all CMS objects that DIGESTS have a row for, in their order."""
    return [
        *map(member_name, range(1, members + 1)),
        *map(original_name, range(1, originals + 1)),
        *([CUSTODY] if custody else []),
        MANIFEST,
    ]


def seal_name(sequence: int) -> str:
    """Name of the seal `sequence`, counted from 1."""
    return f"SEAL{sequence:04d}"


def head_name(index: int) -> str:
    """Name of the entry that begins data volume `index`."""
    return f"DCMPACK/H{index:07d}"


def tail_name(index: int) -> str:
    """Name of the entry that ends data volume `index`."""
    return f"DCMPACK/T{index:07d}"


def piece_prefix(object_name: str) -> str:
    """Name of a piece of an object without its four digits: members go without ``DICOM/``."""
    return f"CUT/{object_name.removeprefix(_MEMBERS)}/"


def is_frame(entry_name: str) -> bool:
    """Whether an entry belongs to the frames or is the README, and holds no object."""
    return entry_name == README or _FRAME.fullmatch(entry_name) is not None


def parse_entry_name(entry_name: str) -> Piece | None:
    """Take apart the name of an entry that holds an object or a piece of one; None: no such name."""
    if _OBJECT.fullmatch(entry_name):
        return Piece(entry_name, 0)
    match = _PIECE.fullmatch(entry_name)
    if match is None:
        return None
    object_name, number = match.groups()
    return Piece(f"{_MEMBERS}{object_name}" if object_name.isdigit() else object_name, int(number))


def order_problem(names: Sequence[str]) -> str | None:
    """What is wrong with the names of a package's objects, in their order; None: nothing.

    The order is: members from 1 without gap, restoring data likewise or none, CUSTODY or not, MANIFEST,
    DIGESTS, seals from 1 without gap. A package without a seal is well-formed here, because a missing seal
    is a question of origin.
    """
    try:
        before = names.index(MANIFEST)
    except ValueError:
        return "there is no MANIFEST"
    seals = len(names) - before - 2
    custody = before > 0 and names[before - 1] == CUSTODY
    members = sum(name.startswith(_MEMBERS) for name in names[:before])
    originals = before - members - custody
    if not 1 <= members <= MAXIMUM_MEMBERS:
        return f"{members} members, allowed are 1 to {MAXIMUM_MEMBERS}"
    if originals > MAXIMUM_MEMBERS:
        return f"{originals} objects with restoring data, allowed are up to {MAXIMUM_MEMBERS}"
    if not 0 <= seals <= MAXIMUM_SEALS:
        return f"{max(seals, 0)} seals after DIGESTS, allowed are up to {MAXIMUM_SEALS}"
    expected = sealed_names(members, originals, custody=custody)
    expected += [DIGESTS, *(seal_name(number) for number in range(1, seals + 1))]
    for found, wanted in zip(names, expected, strict=True):
        if found != wanted:
            return f"an object out of order where {wanted} belongs"
    return None


def volume_names(package_name: str, count: int) -> tuple[str, ...]:
    """File names of the data volumes: the package's name alone, or with ``.001``, ``.002`` and so on."""
    if count == 1:
        return (package_name,)
    digits = max(3, len(str(count)))
    return tuple(f"{package_name}.{index:0{digits}d}" for index in range(1, count + 1))


def is_well_named(file_name: str, index: int, count: int) -> bool:
    """Whether the end of a file's name says what the volume says of itself. Only ever a finding."""
    match = _VOLUME_NUMBER.search(file_name)
    if count == 1:
        return match is None and _RECOVERY_NUMBER.search(file_name) is None
    return match is not None and match.group(0) == volume_names("", count)[index - 1]


def recovery_names(package_name: str, count: int) -> tuple[str, ...]:
    """File names of the recovery volumes: ``.r01``, ``.r02`` and so on."""
    digits = max(2, len(str(count)))
    return tuple(f"{package_name}.r{index:0{digits}d}" for index in range(1, count + 1))


def is_recovery_well_named(file_name: str, index: int, count: int) -> bool:
    """Whether the end of a file's name says that it is this recovery volume. Only ever a finding."""
    match = _RECOVERY_NUMBER.search(file_name)
    return match is not None and match.group(0) == recovery_names("", count)[index - 1]


def package_name_of(file_name: str) -> str:
    """The package's name in the name of a volume."""
    return _VOLUME_NUMBER.sub("", _RECOVERY_NUMBER.sub("", file_name))
