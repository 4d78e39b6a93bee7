"""Scores of de-identification, ours and peers', over the same inputs.

    python -m tests.deid_benchmark.run [FOLDER] [--key ANSWERS.db --input DIR] [--failures N]

Without FOLDER, identifiers are planted into pydicom's bundled files, else into every image in FOLDER.
A challenge's own key and input are scored as they are (`--key`, `--input`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dicompack.dicom.burned_in import text_detection
from tests.deid_benchmark import answer_key, contestants, inputs
from tests.deid_benchmark.answer_key import REMOVALS, Action, Answers
from tests.deid_benchmark.contestants import Contestant, Outcome
from tests.deid_benchmark.planting import OPTIONS
from tests.deid_benchmark.scorer import Renaming, Score, Verdict, judge

ROWS = (*(action.value for action in Action), "removal", "retention and consistency", "all")


def renaming_from(keys: Iterable[Answers], outcome: Outcome) -> Renaming:
    """Where a program does not tell: what it made of a UID or ID where it first stands."""
    uids: dict[str, str] = {}
    patients: dict[str, str] = {}
    for answers in keys:
        output = outcome.outputs.get(answers.instance)
        for check in answers.checks if output else ():
            if not (found := output.values.get(check.tag_ds)):
                continue
            if check.action is Action.UID_CONSISTENT:
                uids.setdefault(check.value, found)
            elif check.action is Action.PATID_CONSISTENT:
                patients.setdefault(check.value, found)
    return Renaming(uids, patients)


def verdicts_of(keys: list[Answers], outcome: Outcome) -> list[Verdict]:
    renaming = outcome.renaming or renaming_from(keys, outcome)
    return [verdict for one in keys for verdict in judge(one, outcome.outputs.get(one.instance), renaming)]


def table(scores: dict[str, Score]) -> str:
    """One row per action, one column per program; the number of checks in front."""
    width = max(16, *(len(name) + 2 for name in scores))
    lines = [f"{'':28}{'checks':>8}" + "".join(f"{name:>{width}}" for name in scores)]
    any_score = next(iter(scores.values()))
    categories = sorted(set(any_score.total) - set(ROWS))
    for row in (*ROWS[:-1], *categories, "all"):
        if not any_score.total[row]:
            continue
        shares = (score.percent(row) for score in scores.values())
        cells = "".join(f"{'-' if share is None else f'{share:.2f} %':>{width}}" for share in shares)
        lines.append(f"{row:28}{any_score.total[row]:>8}{cells}")
    return "\n".join(lines)


def failures(verdicts: list[Verdict], most: int) -> str:
    """The most frequent ones, by action and place; values of a key are nobody's who lives."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    count = Counter((v.check.action.value, v.check.tag_ds) for v in failed)
    example = {(v.check.action.value, v.check.tag_ds): v for v in reversed(failed)}
    lines = []
    for what, times in count.most_common(most):
        verdict = example[what]
        lines.append(
            f"{times:5} {what[0]:16} {what[1]}: {verdict.check.action_text or verdict.check.value!r}"
            f" -> {str(verdict.found)[:70]!r}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deid_benchmark.run", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="instances to plant into")
    parser.add_argument("--key", type=Path, help="an answer key that there is already")
    parser.add_argument("--input", type=Path, help="the instances of that key")
    parser.add_argument("--options", default=OPTIONS, help="what we are asked for")
    parser.add_argument("--burned-in", default="clean", choices=("clean", "stop", "vouch"))
    parser.add_argument("--failures", type=int, default=20, help="how many of our failures to list")
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args(arguments)
    if given.burned_in == "clean" and not text_detection.is_available():
        print("the extra ocr is not installed: what is suspected of burned-in text is left out")
        given.burned_in = "stop"
    runners: dict[str, Contestant] = {"DICOMPack": contestants.ours(given.options, given.burned_in)}
    if not given.no_peers:
        runners |= contestants.peers()
    with tempfile.TemporaryDirectory() as folder:
        if given.key:
            made = inputs.existing(given.input, given.key)
        else:
            made = inputs.make(Path(folder), given.folder)
        keys = list(answer_key.read(made.key))
        scores, ours = {}, []
        for number, (name, runner) in enumerate(runners.items()):
            started = time.monotonic()
            outcome = runner(made, Path(folder) / f"run{number}")
            verdicts = verdicts_of(keys, outcome)
            scores[name] = Score.of(verdicts)
            left_out = Counter(outcome.left_out.values())
            print(
                f"{name}: {len(outcome.outputs)} of {len(keys)} in {time.monotonic() - started:.1f} s",
                dict(left_out),
            )
            if not number:
                ours = verdicts
    print("\n" + table(scores))
    if text := failures(ours, given.failures):
        print("\nwhere DICOMPack falls short:\n" + text)
    removals = [verdict for verdict in ours if verdict.check.action in REMOVALS]
    return 0 if all(verdict.passed for verdict in removals) else 1


if __name__ == "__main__":
    sys.exit(main())
