"""Processor time by part of the work, with timers put around functions of the running program."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Probe:
    """A function that is timed where it is called directly within `within`; elsewhere it is its caller's."""

    module: ModuleType
    function: str
    label: str
    within: str = ""


class Stopwatch:
    """Adds up time per label; a timed call within a timed call counts for the inner one only."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Time of this block, without that of blocks inside."""
        self._settle()
        self._running.append(label)
        try:
            yield
        finally:
            self._settle()
            self._running.pop()

    def _settle(self) -> None:
        now = self._clock()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        self._since = now

    def wrap(self, function: Callable[..., Any], label: str, within: str) -> Callable[..., Any]:
        """The function with a timer around it, which runs only directly within a block of that label."""

        @wraps(function)
        def timed(*args: Any, **settings: Any) -> Any:
            if not self._running or self._running[-1] != within:
                return function(*args, **settings)
            with self.timed(label):
                return function(*args, **settings)

        return timed

    @contextmanager
    def attached(self, probes: Sequence[Probe]) -> Iterator[None]:
        """The probes' functions are timed while this lasts, for everybody who calls them by their module."""
        originals = [getattr(probe.module, probe.function) for probe in probes]
        try:
            for probe, original in zip(probes, originals, strict=True):
                setattr(probe.module, probe.function, self.wrap(original, probe.label, probe.within))
            yield
        finally:
            for probe, original in zip(probes, originals, strict=True):
                setattr(probe.module, probe.function, original)


def shares(spent: dict[str, float]) -> dict[str, float]:
    """Each label's part of the whole."""
    whole = sum(spent.values())
    return {label: value / whole for label, value in spent.items()}
