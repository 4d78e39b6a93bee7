"""Rounds of two rivals, taken in turns: what is compared is what ran side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Run:
    """One rival's part of a round."""

    seconds: float
    cpu: float
    """Seconds of processor time, of this process and all that it waited for."""
    size: int
    """Bytes of the result."""


@dataclass(frozen=True)
class Contest:
    """The rounds of two rivals, each as (ours, theirs)."""

    rounds: Sequence[tuple[Run, Run]]

    def ratios(self, value: Callable[[Run], float]) -> list[float]:
        """Ours in units of theirs, round by round: what slows the machine down slows both."""
        return [value(ours) / value(theirs) for ours, theirs in self.rounds]

    def ratio(self, value: Callable[[Run], float]) -> float:
        """The median of the rounds' ratios, which is not the ratio of the medians."""
        return median(self.ratios(value))

    def medians(self, value: Callable[[Run], float]) -> tuple[float, float]:
        """Ours and theirs, each for itself."""
        return median(value(ours) for ours, _ in self.rounds), median(
            value(theirs) for _, theirs in self.rounds
        )


def measured(work: Callable[[], int]) -> Run:
    """Run something that gives the size of its result."""
    before, began = _cpu(), time.perf_counter()
    size = work()
    return Run(time.perf_counter() - began, _cpu() - before, size)


def contest(ours: Callable[[], int], theirs: Callable[[], int], rounds: int) -> Contest:
    """Take turns; who begins changes from round to round, so that neither always finds warm caches."""
    results: list[tuple[Run, Run]] = []
    for number in range(rounds):
        if number % 2:
            second = measured(theirs)
            results.append((measured(ours), second))
        else:
            first = measured(ours)
            results.append((first, measured(theirs)))
    return Contest(results)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
