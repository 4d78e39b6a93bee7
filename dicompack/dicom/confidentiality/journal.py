"""What a run notes for the sender: counts and tags, never a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from dicompack.dicom.dataset import tag_text
from dicompack.report import Finding

# Findings name this many tags at most, so that a report stays readable.
_NAMED_TAGS = 10

_REMOVED = "{count} removed whose {why}: {tags}"
_NOT_RETAINED = "{count} not retained whose {why}: {tags}"

# Rule to kind, message and reason.
_REASONS: Final = {
    "DEI-2": ("malformed", _REMOVED, "structure is not that of their tag in the confidentiality profile"),
    "DEI-10": ("unknown", _REMOVED, "meaning is not known"),
    "DEI-11": ("malformed", _REMOVED, "value representation is not that of the data dictionary"),
    "DEI-12": ("malformed", _REMOVED, "value is not one of its value representation"),
    "DEI-14": ("uid-in-text", _REMOVED, "text names a uid that was replaced"),
    "DEI-19": ("identifier-in-text", _REMOVED, "text names the patient"),
    "DEI-67": ("identifier-in-text", _NOT_RETAINED, "text says a date of the instance"),
    "DEI-62": ("who-or-when", _REMOVED, "value is a person, a time or an address"),
    "DEI-21": ("malformed", _NOT_RETAINED, "value is not one of its value representation"),
    "DEI-22": ("identifier-in-text", _NOT_RETAINED, "text names the patient"),
    "DEI-23": ("not-cleaned", _NOT_RETAINED, "value cannot be cleaned"),
    "DEI-30": ("malformed", _NOT_RETAINED, "value representation is unknown or contradicted by the value"),
    "DEI-31": (
        "identifier-in-text",
        _NOT_RETAINED,
        "private value names the patient, a date, a uid or a title",
    ),
}


class Journal:
    """Tags by the rule for which they were removed or replaced, though the table does not ask for it."""

    def __init__(self) -> None:
        self._noted: defaultdict[str, list[int]] = defaultdict(list)
        self.cut = 0
        """Passages that were cut from text (DEI-23)."""
        self._cut_tags: list[int] = []

    def note(self, tag: int, rule: str) -> None:
        """An attribute that a rule took away."""
        self._noted[rule].append(tag)

    def note_cut(self, tag: int, count: int) -> None:
        """Passages cut from the text of an attribute."""
        if count:
            self.cut += count
            self._cut_tags.append(tag)

    def findings(self) -> list[Finding]:
        """One per rule, in the order of their names."""
        found = [_finding(rule, tags) for rule, tags in sorted(self._noted.items())]
        if self._cut_tags:
            passages = "1 passage" if self.cut == 1 else f"{self.cut} passages"
            message = f"{passages} cut from the text of {_count(self._cut_tags)}: {tag_list(self._cut_tags)}"
            found.append(Finding("text-cut", "", message, rule="DEI-23"))
        return found


def _finding(rule: str, tags: list[int]) -> Finding:
    kind, message, why = _REASONS[rule]
    return Finding(kind, "", message.format(count=_count(tags), why=why, tags=tag_list(tags)), rule=rule)


def _count(tags: list[int]) -> str:
    return "1 attribute" if len(tags) == 1 else f"{len(tags)} attributes"


def tag_list(tags: Iterable[int]) -> str:
    """``(0008,0080), (0010,0010) and 3 more``; tags say nothing about a patient."""
    distinct = sorted(set(tags))
    named = ", ".join(tag_text(tag) for tag in distinct[:_NAMED_TAGS])
    return f"{named} and {len(distinct) - _NAMED_TAGS} more" if len(distinct) > _NAMED_TAGS else named
