"""kill -9 at every call that changes the disk, in pack, unpack and repair, with both envelopes (T7)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.crash.cases import Case, try_each
from tests.crash.faults import KILLED, Point, Program, sample

IN_CI_ALL = 12
COMMANDS = ("pack", "unpack", "repair", "seal", "open", "rewrap", "force", "receipt", "deidentify")


DIED_TWICE = {10, 21}
"""Nothing could be packed; members could not be opened: the next worker died at the same place."""


def survives(tracer: Program, case: Case, point: Point, *more: str) -> None:
    """Kill it there, look at what is left, and call again."""
    case.again()
    ended = tracer.killed(case.arguments(), point)
    if not point.main and ended.code == 0:  # a worker died, which the run survives
        case.check_settled()
        return
    assert ended.code == KILLED or (not point.main and ended.code in DIED_TWICE), ended
    case.check_now()
    finished = case.has_result()
    again = tracer.call(case.arguments(*more), ["-o", "/dev/null", "-e", "trace=fsync"])
    # What was finished is not made a second time: the call says that it is there.
    assert again.code in ({0, 11} if finished else {0}), (ended, again)
    case.check_settled()


def run_all(tracer: Program, case: Case, points: list[Point]) -> None:
    ways: list[tuple[str, ...]] = [(), ("--resume",)] if case.command == "pack" else [()]
    each = [(point, more) for point in points for more in ways]
    try_each(
        case.command,
        [(f"{point} {more}", partial(survives, tracer, case, point, *more)) for point, more in each],
    )


@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_killed_at_some_calls(tracer, case):
    run_all(tracer, case, sample(tracer.points(case.arguments(), case.place), IN_CI_ALL))


@pytest.mark.exhaustive
@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_killed_at_every_call(tracer, case):
    run_all(tracer, case, tracer.points(case.arguments(), case.place))
