"""A power cut at any call: what was not synced may be lost, and nothing half-done is left (T7)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.crash.cases import Case, try_each
from tests.crash.faults import Program
from tests.crash.power_cut import Recording, State, record

IN_CI_ALL = 8
COMMANDS = ("pack", "unpack", "repair", "seal", "open", "rewrap", "force", "receipt", "deidentify")


def states(tracer: Program, case: Case, *more: str) -> dict[tuple[object, ...], tuple[str, State]]:
    """Every different state that a power cut may leave, and the first call after which it may."""
    case.again()
    recording = Recording(case.out)
    log = record(tracer, case.arguments("--quiet", *more), case.place, case.folder / "calls")
    found: dict[tuple[object, ...], tuple[str, State]] = {}
    last = {}
    for number, call, state in recording.states(log):
        found.setdefault(state.signature(), (f"{call} in line {number + 1}", state))
        if call == "end":
            last[state.signature()] = "after the end", state
    return found | last


def survives(tracer: Program, case: Case, call: str, state: State, *more: str) -> None:
    """Leave that, look at it, and call again."""
    case.again()
    for path in case.out.iterdir():
        path.unlink()
    state.write(case.out)
    case.check_now()
    finished = case.has_result()
    # Whoever was told that it is done finds it, whatever happens then.
    assert finished or call != "after the end", call
    again = tracer.call(case.arguments("--quiet", *more), ["-o", "/dev/null", "-e", "trace=fsync"])
    assert again.code in ({0, 11} if finished else {0}), again
    case.check_settled()


def run_all(tracer: Program, case: Case, some: int = 0) -> None:
    for more in ((), ("--resume",)) if case.command == "pack" else ((),):
        found = [*states(tracer, case).values()]
        # Those in which something has its final name, or had it before, are the interesting ones.
        found.sort(key=lambda one: one[1].has_final())
        chosen = [found[-1 - number * len(found) // some] for number in range(some)] if some else found
        try_each(
            f"{case.command}, {len(found)} states",
            [(call, partial(survives, tracer, case, call, state, *more)) for call, state in chosen],
        )


@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_power_cut_with_some_states(tracer, case):
    run_all(tracer, case, IN_CI_ALL)


@pytest.mark.exhaustive
@pytest.mark.interop
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_power_cut_with_every_state(tracer, case):
    run_all(tracer, case)
