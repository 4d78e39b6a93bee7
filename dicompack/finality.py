"""How far a run is for whoever wants to interrupt it: results that get their final names get all of them.

Giving names takes a moment, and is not cut short. An interruption that comes then, or later, comes too late.
One that comes in time may come at any place, and cut short what would have cleaned up.
"""

from __future__ import annotations

from typing import Protocol

_giving_names = False


class Unfinished(Protocol):
    """What has to be ended, whatever happens."""

    def abandon(self) -> None:
        """End what an interruption has cut short, at whatever place; where it cannot be ended, it stays."""


unfinished: list[Unfinished] = []
"""What has begun, and has not ended."""


def is_too_late() -> bool:
    """Whether results have begun to get their final names; who listens to signals should not interrupt."""
    return _giving_names


def begin_giving_names() -> None:
    """From here on the run ends as if nobody had interrupted it."""
    global _giving_names
    _giving_names = True


def begin_anew() -> None:
    """Another run begins in this process, and can be interrupted."""
    global _giving_names
    _giving_names = False


def end_interrupted() -> None:
    """Remove what is left of runs in this process that were interrupted while they began or ended.

    Python raises `KeyboardInterrupt` between any two steps, so that even a ``finally`` may be cut short.
    Whoever turns signals into it calls this at the very end, when no further one can come.
    """
    while unfinished:
        unfinished.pop().abandon()
