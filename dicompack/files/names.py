"""Names from packages: of every path component only what each system takes for a plain file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from dicompack.errors import OutputError

_MAX_COMPONENT = 240  # bytes in UTF-8: systems take 255, and a number may have to be added
# What some system does not take in a name, or takes for something else.
_FORBIDDEN = frozenset('<>:"/\\|?*')
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, marks of direction, halves of characters
# Windows gives these names to devices, with any extension and with blanks before it.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.DOTALL)


def member_path(folder: Path, components: Iterable[str]) -> Path:
    """The path of an unpacked file. Whoever made the components, they must be plain names.

    Raises:
        OutputError: a component could lead elsewhere or is no name on some system.
    """
    path = folder
    for component in components:
        if _safe(component) != component:
            raise OutputError("a name that is not safe to write")
        path /= component
    return path


def _safe(component: str) -> str:
    """The nearest name that every system takes for a plain file name."""
    name = "".join(
        "_" if one in _FORBIDDEN or unicodedata.category(one) in _UNSEEN else one for one in component
    )
    if len(name.encode()) > _MAX_COMPONENT:
        name = name.encode()[:_MAX_COMPONENT].decode(errors="ignore")
    if not name or name[-1] in ". " or name[0] == " ":
        name = f"{name.strip(' ').rstrip('. ')}_"
    return f"_{name}" if _RESERVED.fullmatch(name) else name


class RestoredNames:
    """Gives originals their own names back as far as these are safe, each a different one on every system.

    Systems differ in whether case and the form of accents matter; here they never tell two names apart.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        # The number that was given last: thousands of files of one name do not each begin with 2.
        self._numbers_of_files: dict[str, int] = {}
        self._numbers_of_folders: dict[str, int] = {}

    def components(self, name: str) -> tuple[str, ...]:
        """The name to write, component by component, for a relative path with ``/`` in it."""
        *folders, last = (_safe(component) for component in name.split("/"))
        path: list[str] = []
        for component in folders:
            path.append(_free(path, component, (self._files,), self._numbers_of_folders))
            self._folders.add(_key(path))
        path.append(_free(path, last, (self._files, self._folders), self._numbers_of_files))
        self._files.add(_key(path))
        return tuple(path)


def _free(folder: list[str], component: str, taken: Iterable[set[str]], numbers: dict[str, int]) -> str:
    """The component, with a number where something else has that name."""
    wanted = _key([*folder, component])
    if not any(wanted in names for names in taken):
        return component
    stem, dot, ending = component.rpartition(".")
    number = numbers.get(wanted, 1)
    name = component
    while any(_key([*folder, name]) in names for names in taken):
        number += 1
        name = f"{stem} ({number}).{ending}" if dot and stem else f"{component} ({number})"
    numbers[wanted] = number
    return name


def _key(path: Iterable[str]) -> str:
    name = "/".join(path)
    if name.isascii():  # of a hundred thousand names most are
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
