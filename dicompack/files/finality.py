"""How far a run is for whoever wants to interrupt it: results that get their final names get all of them.

Giving names takes a moment, and is not cut short. An interruption that comes then, or later, comes too late.
"""

from __future__ import annotations

_giving_names = False


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
