"""Ctrl-C and the system's requests to end: the first one starts the clean-up, the next ones wait for it.

One that comes when results are getting their final names comes too late: the run ends as if there was none.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

# Not every system has all of them.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Interruption:
    """Whether a signal has ended the run."""

    came: bool = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn the first signal into `KeyboardInterrupt`, so that every ``finally`` runs; ignore further ones."""
    # CLI-4
    from dicompack.files import end_interrupted, is_too_late

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
        interruption.came = True
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    # What the caller has told us to ignore (`nohup`, a background job) stays ignored.
    previous = {each: signal.getsignal(each) for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    for each in previous:
        signal.signal(each, interrupt)
    try:
        yield interruption
    finally:
        if interruption.came:
            end_interrupted()
        for each, handler in previous.items():
            signal.signal(each, handler)
