"""The ten checks of MIDI-B on one instance, and scores from them.

Where the output lacks the instance, or the place, nothing leaks: checks of removal pass, those of retention
fail. Not as there: words are split by a pattern and not by nltk, and hidden pixels are looked for by
uniform boxes instead of OCR, which is stricter where the box is not blackened as a whole.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.deid_benchmark.answer_key import REMOVALS, Action, Answers, Check
from tests.deid_benchmark.places import HIDDEN, Places

_WORD = re.compile(r"[^\s,;:!?()\[\]{}<>\"`“”\u2018\u2019•]+")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
# Function words of English: that one of them is gone, or is still there, says nothing.
_STOPWORDS = frozenset(
    "a about after all also am an and any are as at be because been before being below between both but"
    " by can did do does doing down during each few for from further had has have having he her here hers"
    " him his how i if in into is it its just me more most my no nor not now of off on once only or other"
    " our out over own s same she should so some such t than that the their them then there these they"
    " this those through to too under until up very was we were what when where which while who whom why"
    " will with you your".split()
)
# Blackened text leaves one value; so much of a box may differ, since its edge is drawn around the glyphs.
_UNIFORM = 0.95


@dataclass(frozen=True)
class Renaming:
    """What a de-identifier made of the UIDs and Patient IDs that the key asks for."""

    uids: Mapping[str, str]
    patient_ids: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    check: Check
    passed: bool
    instance: str
    found: str | None


@dataclass
class Score:
    """Passed and all, by action, by category, and over everything."""

    passed: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Score:
        score = cls()
        for verdict in verdicts:
            check = verdict.check
            group = "removal" if check.action in REMOVALS else "retention and consistency"
            for name in (check.action.value, check.category, group, "all"):
                score.total[name] += 1
                score.passed[name] += verdict.passed
        return score

    def percent(self, name: str = "all") -> float | None:
        """None where the key asks for nothing of the kind."""
        return 100 * self.passed[name] / self.total[name] if self.total[name] else None


def judge(answers: Answers, output: Places | None, mapping: Renaming) -> list[Verdict]:
    """Every check of one instance against what came out of it, if anything did."""
    verdicts = []
    for check in answers.checks:
        found = None if output is None else output.values.get(check.tag_ds)
        verdicts.append(Verdict(check, passes(check, found, output, mapping), answers.instance, found))
    return verdicts


def passes(check: Check, found: str | None, output: Places | None, mapping: Renaming) -> bool:
    """One check; `found` is what stands in its place."""
    match check.action:
        case Action.TAG_RETAINED:
            return found is not None
        case Action.TEXT_NOTNULL:
            return bool(found)
        case Action.TEXT_RETAINED:
            return bool(found) and _has_text(found, check.action_text)
        case Action.TEXT_REMOVED:
            return not found or found == HIDDEN or _lacks_text(found, check.action_text)
        case Action.DATE_SHIFTED | Action.UID_CHANGED:
            return found is None or check.value.replace("\\", "") not in found.replace("\\", "")
        case Action.UID_CONSISTENT:
            return output is not None and (found is None or mapping.uids.get(check.value, "") == found)
        case Action.PATID_CONSISTENT:
            return output is not None and (found is None or mapping.patient_ids.get(check.value, "") == found)
        case Action.PIXELS_RETAINED:
            return output is not None and output.pixels_digest == check.action_text
        case Action.PIXELS_HIDDEN:
            return output is None or is_hidden(output, check.action_text)


def words_of(text: str) -> list[str]:
    """The words of a text that count, in small letters."""
    found = (word.strip(".'") for word in _WORD.findall(text.lower()))
    return [word for word in found if word and word not in _STOPWORDS and word not in _PUNCTUATION]


def _plain(text: str) -> str:
    return text.replace("<", "").replace(">", "").lower()


def _numbers(*texts: str) -> list[float] | None:
    return [float(text) for text in texts] if all(t.replace(".", "", 1).isdigit() for t in texts) else None


def _has_text(found: str, wanted: str) -> bool:
    found, wanted = _plain(found), _plain(wanted)
    if numbers := _numbers(found, wanted):
        return numbers[0] == numbers[1]
    return wanted in found or all(word in found for word in words_of(wanted))


def _lacks_text(found: str, unwanted: str) -> bool:
    found, unwanted = _plain(found), _plain(unwanted)
    if numbers := _numbers(found, unwanted):
        return numbers[0] != numbers[1]
    return unwanted not in found and not any(word in found for word in words_of(unwanted))


def is_hidden(output: Places, box_text: str) -> bool:
    """Whether the box ``{"text": …, "top_left": [x, y], "bottom_right": [x, y]}`` shows nothing any more."""
    box = ast.literal_eval(box_text)
    (left, top), (right, bottom) = box["top_left"], box["bottom_right"]
    if "PixelData" not in output.data_set:
        return True
    pixels = output.data_set.pixel_array
    frames = int(output.data_set.get("NumberOfFrames") or 1)
    frames_first = pixels if frames > 1 else pixels[np.newaxis]
    return all(_is_uniform(frame[top : bottom + 1, left : right + 1]) for frame in frames_first)


def _is_uniform(region: np.ndarray) -> bool:
    colours = region.reshape(region.shape[0] * region.shape[1], -1)
    _, counts = np.unique(colours, axis=0, return_counts=True)
    return bool(counts.size) and counts.max() >= _UNIFORM * counts.sum()
