"""A system that refuses: full disk, quota, broken medium and signals at every call (T8).

Short writes are in `tests/unit/test_files.py`: strace can only pretend one, and what was to be
written is lost.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.crash.cases import Case, try_each
from tests.crash.faults import Point, Program, sample

IN_CI_ALL = 5
COMMANDS = ("pack", "unpack", "repair", "seal", "open", "rewrap", "force", "receipt", "deidentify")
# What the system says, at which calls, and whether it says so from then on.
FAULTS = {
    "full": ("error=ENOSPC", ("write", "fsync", "mkdir", "link", "rename"), "+"),
    "quota": ("error=EDQUOT", ("write", "fsync", "close", "mkdir", "link", "rename"), ""),
    "medium": ("error=EIO", ("write", "fsync", "close", "unlink", "rename"), ""),
    "signal": ("error=EINTR", ("write", "fsync", "close"), ""),
}


def fails_well(tracer: Program, case: Case, point: Point, fault: str, on: str) -> None:
    """It ends with one line that says so, or as if nothing had been; another run then gets through."""
    case.again()
    ended = tracer.refused(case.arguments("--quiet"), point, fault, on)
    # The words for a person may be refused, too: by a fault that stays, or was meant for another process.
    mute = point.call == "write" and (bool(on) or not point.main)
    assert ended.code in {0, 3, 10, 11, 31} or (mute and not ended.said), ended
    assert "Traceback" not in ended.said and "internal error" not in ended.said, ended
    if ended.code not in {0, 3} and not mute:
        lines = [line for line in ended.said.splitlines() if line.startswith("dicompack: ")]
        assert len(lines) == 1, ended
        assert str(case.folder) not in ended.said, ended
    case.left_out = int(ended.code == 3)
    case.check_now()
    if ended.code in {0, 3} and case.has_result():
        return
    case.left_out = 0
    again = tracer.call(case.arguments("--quiet"), ["-o", "/dev/null", "-e", "trace=fsync"])
    assert again.code in ({0, 11} if case.has_result() and ended.code else {0}), (ended, again)
    case.check_settled()


def run_all(tracer: Program, case: Case, name: str, some: int = 0) -> None:
    fault, calls, on = FAULTS[name]
    points = [one for one in tracer.points(case.arguments("--quiet"), case.place) if one.call in calls]
    points = sample(points, some) if some else points
    try_each(
        f"{case.command} {name}",
        [(str(point), partial(fails_well, tracer, case, point, fault, on)) for point in points],
    )


@pytest.mark.interop
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_refused_at_some_calls(tracer, case, name):
    run_all(tracer, case, name, IN_CI_ALL)


@pytest.mark.exhaustive
@pytest.mark.interop
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_refused_at_every_call(tracer, case, name):
    run_all(tracer, case, name)
