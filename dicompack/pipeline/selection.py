"""Which instances of a package are wanted, by what its MANIFEST says of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dicompack.errors import InputError, UsageError


class Described(Protocol):
    """What MANIFEST or DICOMDIR say of an instance."""

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID (0008,0016)."""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID (0008,0018)."""

    @property
    def series_instance_uid(self) -> str:
        """Series Instance UID (0020,000E)."""

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID (0020,000D)."""


_SAID: Final[dict[str, Callable[[Described], str]]] = {
    "Modality": lambda member: member.modality,
    "SOPClassUID": lambda member: member.sop_class_uid,
    "SOPInstanceUID": lambda member: member.sop_instance_uid,
    "SeriesInstanceUID": lambda member: member.series_instance_uid,
    "StudyInstanceUID": lambda member: member.study_instance_uid,
}


@dataclass(frozen=True)
class Selection:
    """Patterns by keyword, of each of which one must fit; ``*`` and ``?`` as in queries (PS3.4 C.2.2.2.4)."""

    patterns: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Selection | None:
        """From ``KEYWORD=VALUE``; None where nothing is asked for.

        Raises:
            UsageError: CLI-21 something else, or a keyword that the MANIFEST does not have.
        """
        patterns: dict[str, tuple[str, ...]] = {}
        for text in texts:
            keyword, is_there, value = text.partition("=")
            if keyword not in _SAID or not is_there or not value:
                raise UsageError(  # CLI-21
                    f"{text!r} selects nothing", rule="CLI-21", hint=_hint(keyword, _SAID)
                )
            patterns[keyword] = (*patterns.get(keyword, ()), value)
        return cls(patterns) if patterns else None

    def takes(self, member: Described) -> bool:
        """Whether an instance is wanted."""
        return all(
            any(_fits(pattern, _SAID[keyword](member)) for pattern in several)
            for keyword, several in self.patterns.items()
        )

    def check_some(self, selected: Collection[object]) -> None:
        """See that there is one.

        Raises:
            InputError: there is none.
        """
        if not selected:
            raise InputError(
                "no instance of the package is selected", hint="dicompack list shows what it has"
            )


def _fits(pattern: str, value: str) -> bool:
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _hint(keyword: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(keyword, known, 1)
    if near:
        return f"write {near[0]}=VALUE"
    return f"write KEYWORD=VALUE with {', '.join(sorted(known))}"
