"""Ctrl-C and the system's requests to end: the first one starts the clean-up, the next ones wait for it.

One that comes when results are getting their final names comes too late: the run ends as if there was none.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from dicompack.finality import end_interrupted, is_too_late

_A_MOMENT = 0.01  # seconds
# Not every system has all of them.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Interruption:
    """Whether a signal has ended the run."""

    came: bool = False
    number: int = 0
    """Which one."""


@contextlib.contextmanager
def interruptible(*, is_last: bool = False) -> Iterator[Interruption]:
    """Turn the first signal into `KeyboardInterrupt`, so that every ``finally`` runs; ignore further ones.

    Args:
        is_last: the process ends after this, and its exit code says how the run ended: signals that come
            after the first one, or after there is a result, are ignored to the very end.
    """
    # CLI-4
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    owner = os.getpid()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A worker forked from here has inherited this handler; it just ends.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if is_too_late():
            return
        interruption.came, interruption.number = True, number
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    # What the caller has told us to ignore (`nohup`, a background job) stays ignored.
    previous = {each: signal.getsignal(each) for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    for each in previous:
        signal.signal(each, interrupt)
    hook = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        # Where Python itself calls back, as at a fork, it drops what is raised: once more, a moment later.
        if not issubclass(unraisable.exc_type, KeyboardInterrupt) or not interruption.came:
            hook(unraisable)
            return
        for each in previous:
            signal.signal(each, interrupt)
        threading.Timer(_A_MOMENT, _thread.interrupt_main, [interruption.number]).start()

    sys.unraisablehook = again
    try:
        yield interruption
    finally:
        sys.unraisablehook = hook
        if interruption.came:
            end_interrupted()
        too_late = is_last and (interruption.came or is_too_late())
        for each, handler in previous.items():
            signal.signal(each, signal.SIG_IGN if too_late else handler)
