"""What a person has decided for all calls: the pinned contacts, one file each in the configuration folder."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import click

from dicompack.errors import UsageError

# A certificate's common name has no more (RFC 5280, ub-common-name), and a file system takes it.
LONGEST_NAME = 64
# Names that Windows takes for devices, whatever follows the first dot.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)


def configuration_folder() -> Path:
    """``DICOMPACK_CONFIG_DIR``, else the platform's folder for the configuration of programs."""
    named = os.environ.get("DICOMPACK_CONFIG_DIR")
    return Path(named) if named else Path(click.get_app_dir("dicompack"))


def contacts_folder() -> Path:
    """Where the pinned contacts lie, ``NAME.pem`` each."""
    return configuration_folder() / "contacts"


def own_identity() -> Path | None:
    """The IDENTITY that is meant where none is named, if `keys use` has said so.

    Raises:
        UsageError: it is not there any more, or the file that names it cannot be read.
    """
    # CLI-24
    file = identity_file()
    if not file.is_file():
        return None
    path = Path(os.fsdecode(file.read_bytes().removesuffix(b"\n")))
    if not path.is_absolute() or not path.exists():
        raise UsageError(
            "the identity that the configuration names is not there",
            where=path.name or None,
            rule="CLI-24",
            hint="name another: dicompack keys use DIR",
        )
    return path


def identity_file() -> Path:
    """The file that names it: an absolute path on one line."""
    return configuration_folder() / "identity"


def contact_name(text: str) -> str:
    """The name a contact is pinned under, in form NFC: letters, digits, blanks and some punctuation.

    Raises:
        UsageError: it could be mistaken for a path or an option, or some system cannot store it.
    """
    # CLI-7
    name = unicodedata.normalize("NFC", text)
    fault = _fault_of_name(name)
    if fault:
        raise UsageError(
            f"cannot pin a contact under this name: {fault}", rule="CLI-7", hint="choose one with --name TEXT"
        )
    return name


def possible_name(text: str) -> str:
    """A name like this one that a contact can be pinned under, where nobody can be asked for another."""
    name = unicodedata.normalize("NFC", text)
    name = "".join(c if not _strange(c) else "-" for c in name)[:LONGEST_NAME].strip(" .").lstrip("-. ")
    return name if not _fault_of_name(name) else "a contact"


def _strange(character: str) -> bool:
    return unicodedata.category(character)[0] not in "LMN" and character not in " ,._-@+()'&"


def _fault_of_name(name: str) -> str:
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has more than {LONGEST_NAME} characters"
    strange = sorted(set(filter(_strange, name)))
    if strange:
        return f"it has the character {strange[0]!a}"
    if name[0] in " .-" or name[-1] in " .":
        return "it begins with a blank, dot or hyphen, or ends with a blank or dot"
    if name.split(".")[0].strip().lower() in _DEVICES:
        return "it is the name of a device on Windows"
    return ""


def pinned_contacts() -> dict[str, Path]:
    """The file of each pinned contact, by name, in the order of the names."""
    folder = contacts_folder()
    if not folder.is_dir():
        return {}
    found = {unicodedata.normalize("NFC", path.stem): path for path in folder.glob("*.pem") if path.is_file()}
    return {name: found[name] for name in sorted(found) if not _fault_of_name(name)}


def find_pinned(name: str) -> Path | None:
    """The file of a pinned contact, or None; upper and lower case are the same name."""
    wanted = unicodedata.normalize("NFC", name).casefold()
    return next((path for pinned, path in pinned_contacts().items() if pinned.casefold() == wanted), None)
