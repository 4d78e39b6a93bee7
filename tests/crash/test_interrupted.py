"""Ctrl-C at every call that changes the disk: all or nothing, and the exit code says which (CLI-4)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.crash.cases import Case, try_each
from tests.crash.faults import Point, Program, sample

IN_CI_ALL = 12
COMMANDS = ("pack", "unpack", "repair", "seal", "open", "rewrap", "force", "receipt", "deidentify")
INTERRUPTED = 130


def ends_clean(tracer: Program, case: Case, point: Point) -> None:
    """Interrupt it there, look at what is left, and call again."""
    case.again()
    ended = tracer.refused(case.arguments("--quiet"), point, "signal=SIGINT")
    assert ended.code in {0, INTERRUPTED}, ended
    assert "Traceback" not in ended.said and "internal error" not in ended.said, ended
    case.check_now()
    if ended.code == 0:
        case.check_settled()
        return
    left = [path.name for path in case.out.iterdir()]
    if case.command == "pack":  # what is sealed may be gone on with
        left = [name for name in left if name != ".x.dcmpack.dcmpack-staging"]
    if case.command != "force":
        assert left == [], (ended, left)
    again = tracer.call(case.arguments("--quiet"), ["-o", "/dev/null", "-e", "trace=fsync"])
    assert again.code == 0, (ended, again)
    case.check_settled()


def run_all(tracer: Program, case: Case, points: list[Point]) -> None:
    try_each(case.command, [(str(point), partial(ends_clean, tracer, case, point)) for point in points])


@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_interrupted_at_some_calls(tracer, case):
    run_all(tracer, case, sample(tracer.points(case.arguments("--quiet"), case.place), IN_CI_ALL))


@pytest.mark.exhaustive
@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_interrupted_at_every_call(tracer, case):
    run_all(tracer, case, tracer.points(case.arguments("--quiet"), case.place))
