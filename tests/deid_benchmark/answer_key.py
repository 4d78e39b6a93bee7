"""The answer key: MIDI-B's SQLite schema, both directions.

One row per instance of the input, its checks as JSON text. Strings of a check are wrapped in angle brackets,
so that an empty one differs from an absent one. Real keys of the challenge read the same way.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Action(StrEnum):
    """What a check asks of the output."""

    TAG_RETAINED = "tag_retained"
    TEXT_NOTNULL = "text_notnull"
    TEXT_RETAINED = "text_retained"
    TEXT_REMOVED = "text_removed"
    DATE_SHIFTED = "date_shifted"
    UID_CHANGED = "uid_changed"
    UID_CONSISTENT = "uid_consistent"
    PATID_CONSISTENT = "patid_consistent"
    PIXELS_RETAINED = "pixels_retained"
    PIXELS_HIDDEN = "pixels_hidden"


REMOVALS = frozenset((Action.TEXT_REMOVED, Action.DATE_SHIFTED, Action.UID_CHANGED, Action.PIXELS_HIDDEN))
"""Where a failure is an identifier that leaked; a failure of the others is a loss of use."""


@dataclass(frozen=True)
class Check:
    """One question about one place of an instance. Strings are without their angle brackets."""

    action: Action
    tag_ds: str
    value: str
    action_text: str = ""
    category: str = "dicom.p15"
    tag_name: str = ""

    @property
    def tag(self) -> str:
        """The last tag of the place."""
        return self.tag_ds.rsplit("<", 1)[-1].rstrip(">")


@dataclass
class Answers:
    """All checks of one instance; the UIDs and the Patient ID are those of the input."""

    modality: str
    sop_class: str
    patient_id: str
    study: str
    series: str
    instance: str
    digest: str = ""
    checks: list[Check] = field(default_factory=list)


class NoKeyError(ValueError):
    """This is no answer key."""


_COLUMNS = (
    '"index" INTEGER', '"group" TEXT', "Modality TEXT", "SOPClassUID TEXT", "PatientID TEXT",
    "StudyInstanceUID TEXT", "SeriesInstanceUID TEXT", "SOPInstanceUID TEXT", "Digest TEXT",
    "AnswerData TEXT",
)  # fmt: skip


def write(path: Path, answers: Iterable[Answers]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE answer_data ({', '.join(_COLUMNS)})")
        for number, one in enumerate(answers):
            row = (
                number, "<Instance>", one.modality, one.sop_class, one.patient_id,
                one.study, one.series, one.instance, one.digest,
                json.dumps({str(at): _marshal(check) for at, check in enumerate(one.checks)}),
            )  # fmt: skip
            database.execute(f"INSERT INTO answer_data VALUES ({', '.join('?' * len(row))})", row)


def read(path: Path) -> Iterator[Answers]:
    """Every instance of a key.

    Raises:
        NoKeyError: the file has no table of that schema, or a check that is none of the ten.
    """
    if not path.is_file():
        raise NoKeyError("there is no such key")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            rows = database.execute(
                "SELECT Modality, SOPClassUID, PatientID, StudyInstanceUID, SeriesInstanceUID,"
                " SOPInstanceUID, Digest, AnswerData FROM answer_data"
            ).fetchall()
        except sqlite3.DatabaseError as error:
            raise NoKeyError(f"no answer key: {error}") from error
    for *identity, data in rows:
        checks = [_parse(check) for check in json.loads(data).values()]
        yield Answers(*(_bare(value) for value in identity), checks)


def _marshal(check: Check) -> dict[str, Any]:
    return {
        "scope": "<Instance>",
        "tag": f"<{check.tag}>",
        "tag_ds": check.tag_ds,
        "tag_name": f"<{check.tag_name}>",
        "value": f"<{check.value}>",
        "action": f"<{check.action}>",
        "action_text": f"<{check.action_text}>",
        "answer_category": f"<{check.category.partition('.')[0]}>",
        "answer_category_v2": [check.category],
    }


def _parse(check: dict[str, Any]) -> Check:
    try:
        action = Action(_bare(check["action"]))
        categories = check.get("answer_category_v2") or ["none"]
        category = categories if isinstance(categories, str) else next(iter(categories))
        return Check(
            action,
            str(check.get("tag_ds") or ""),
            _bare(check.get("value")),
            _bare(check.get("action_text")),
            _bare(category),
            _bare(check.get("tag_name")),
        )
    except (KeyError, ValueError) as error:
        raise NoKeyError(f"a check that is none: {error}") from error


def _bare(value: object) -> str:
    """A string without the brackets around it; an absent one is empty."""
    text = "" if value is None else str(value)
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text
