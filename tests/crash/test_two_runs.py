"""Two runs on one target at once: one wins, the other says so, and the result is whole (T9)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.crash.cases import Case

COMMANDS = ("pack", "unpack", "repair", "seal", "open", "rewrap", "receipt", "deidentify")
_CALL = "import sys; from dicompack.cli import main; sys.exit(main())"


def race(case: Case) -> None:
    case.again()
    command = [sys.executable, "-c", _CALL, *map(str, case.arguments("--quiet"))]
    runs = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
    assert sorted(code for _, code in ended) == [0, 11], ended
    loser = next(said for said, code in ended if code == 11)
    # Who comes when the other has just ended is told that the result is there.
    assert any(words in loser for words in ("busy", "exists", "not empty")), loser
    case.check_settled()


@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_two_at_once(case):
    for _ in range(5):
        race(case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_two_at_once_a_hundred_times(case):
    for _ in range(100):
        race(case)
