"""The benchmark's sums, on times that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

import pytest

from tests.bench import rounds
from tests.bench.packing import _DECODE, _ENCODE, outside_codec, table_of_rounds, table_of_stages
from tests.bench.rounds import Contest, Run
from tests.bench.stopwatch import Probe, Stopwatch, shares

SLOW_AND_FAST = Contest(
    [
        (Run(10, 8, 900), Run(5, 4, 1000)),
        (Run(20, 9, 900), Run(20, 3, 1000)),
        (Run(90, 10, 900), Run(30, 5, 1000)),
    ]
)


class Clock:
    """Time passes only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert SLOW_AND_FAST.ratios(lambda run: run.seconds) == [2, 1, 3]
    assert SLOW_AND_FAST.ratio(lambda run: run.seconds) == 2
    assert SLOW_AND_FAST.medians(lambda run: run.seconds) == (20, 20)
    assert SLOW_AND_FAST.ratio(lambda run: run.cpu) == 2


def test_rivals_take_turns_and_change_who_begins() -> None:
    order: list[str] = []

    def rival(name: str, size: int) -> int:
        order.append(name)
        return size

    runs = rounds.contest(partial(rival, "a", 1), partial(rival, "b", 2), 3)
    assert "".join(order) == "abbaab"
    assert [(ours.size, theirs.size) for ours, theirs in runs.rounds] == [(1, 2)] * 3


def test_the_table_has_ratios_ranges_and_sizes() -> None:
    line = table_of_rounds({2: SLOW_AND_FAST}, 100, "rival")[-1].split()
    assert line == [
        "2", "2.00", "(1.00-3.00)", "2.00", "(2.00-3.00)", "20.00", "20.00", "200.0", "0.900", "900", "1000",
    ]  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def program(clock: Clock) -> Iterator[ModuleType]:
    """outer takes 1 + inner + 1, inner takes 4 and may fail."""
    module = ModuleType("program")

    def inner(fail: bool = False) -> str:
        clock.now += 4
        if fail:
            raise ValueError
        return "done"

    def outer(fail: bool = False) -> str:
        clock.now += 1
        result: str = module.inner(fail)
        clock.now += 1
        return result

    module.inner, module.outer = inner, outer  # type: ignore[attr-defined]
    yield module
    assert (module.inner, module.outer) == (inner, outer)  # whatever happened, the timers are off


def test_time_within_another_probe_counts_once(clock: Clock, program: ModuleType) -> None:
    watch = Stopwatch(clock)
    probes = (Probe(program, "outer", "outer", "all"), Probe(program, "inner", "inner", "outer"))
    with watch.attached(probes):
        with watch.timed("all"):
            clock.now += 3
            assert program.outer() == "done"
        clock.now += 100  # nobody's
    assert watch.spent == {"all": 3, "outer": 2, "inner": 4}


def test_a_probe_outside_its_place_belongs_to_its_caller(clock: Clock, program: ModuleType) -> None:
    watch = Stopwatch(clock)
    probes = (Probe(program, "outer", "outer", "all"), Probe(program, "inner", "inner", "all"))
    with watch.attached(probes):
        with watch.timed("all"):
            program.outer()
        program.inner()
    assert watch.spent == {"all": 0, "outer": 6}


def test_a_failure_ends_its_timers(clock: Clock, program: ModuleType) -> None:
    watch = Stopwatch(clock)
    probes = (Probe(program, "outer", "outer", "all"), Probe(program, "inner", "inner", "outer"))
    with watch.attached(probes), watch.timed("all"):
        with pytest.raises(ValueError):
            program.outer(fail=True)
        clock.now += 5
    assert watch.spent == {"all": 5, "outer": 1, "inner": 4}


def test_shares_are_parts_of_one() -> None:
    part = shares({_ENCODE: 30, _DECODE: 50, "envelope": 12, "signature": 8})
    assert part == {_ENCODE: 0.3, _DECODE: 0.5, "envelope": 0.12, "signature": 0.08}
    assert outside_codec(part) == pytest.approx(0.2)


def test_the_table_of_stages_takes_medians_of_passes() -> None:
    passes = [
        {_ENCODE: 3.0, _DECODE: 3.0, "signature": 2.0},
        {_ENCODE: 4.0, _DECODE: 4.0, "signature": 2.0},
        {_ENCODE: 4.0, _DECODE: 5.0, "signature": 1.0},
    ]
    table = table_of_stages(passes, 100)
    assert table[1].split()[-2:] == ["40.00", "40.0%"]
    assert table[3].split() == ["signature", "20.00", "20.0%"]
    assert "outside the codec: 20.0%" in table[4]
