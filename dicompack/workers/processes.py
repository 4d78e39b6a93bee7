"""Workers of this machine: each one a process pool of one, so that it dies alone."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from dicompack.errors import UsageError
from dicompack.workers.limits import (
    LEAST,
    PROGRAM,
    Demand,
    address_space,
    forbid_core_dumps,
    keep_freed_memory,
    limited,
    total_memory,
)
from dicompack.workers.running import Death, OutOfMemory

MIN_MEMORY = 2 * (PROGRAM + LEAST)  # CLI-15
"""The least that ``max_memory`` can be: two workers that can load a codec, or one with some room."""

_AHEAD = 2  # the task that a worker does, and the next one, so that it never waits for us


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, and the memory that they may take.

    Args:
        jobs: how many; by default as many as there are cores for us.
        max_memory: bytes for all of them together; by default what the machine has.

    Raises:
        UsageError: too little memory to work with.
    """

    jobs: int | None = None
    max_memory: int | None = None

    def __post_init__(self) -> None:
        if self.max_memory is not None and self.max_memory < MIN_MEMORY:
            raise UsageError(
                f"workers need {MIN_MEMORY} bytes of memory at least", rule="CLI-15", hint="--max-memory 512M"
            )

    @property
    def crews(self) -> int:
        """Processes at a time: fewer than asked for where memory is short."""
        return max(1, min(self.jobs or available_cores(), self._memory // (PROGRAM + LEAST)))

    def fitted(self, demand: Demand) -> tuple[Demand, bool]:
        """A demand within what there is, and whether it must be met while nothing else is done."""
        share = self._memory // self.crews - PROGRAM
        alone = demand.least > share
        most = self._memory - self.crews * PROGRAM if alone else share
        return replace(demand, memory=min(demand.memory, most)), alone

    def hire(self, start: Callable[[Any], None], settings: Any) -> Crew:
        """One more process."""
        return Crew(start, settings)

    @property
    def _memory(self) -> int:
        return self.max_memory or total_memory()


class Crew:
    """One process."""

    width = _AHEAD

    def __init__(self, start: Callable[[Any], None], settings: Any) -> None:
        context = multiprocessing.get_context(_start_method())
        self._pool = ProcessPoolExecutor(1, context, _enter, (start, settings))
        self._pool.submit(_begun)  # with the first task, and no sooner, the process begins

    def submit(self, work: Callable[[Any], Any], task: Any, demand: Demand) -> Future[Any]:
        """Do a task after those that were submitted before."""
        try:
            return self._pool.submit(_perform, work, task, demand)
        except BrokenExecutor as error:  # it has died since we looked; the future says so, as the others do
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken

    def death(self, error: BaseException) -> Death | None:
        """How the process ended, if this is what the error says."""
        if not isinstance(error, BrokenExecutor):
            return None
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown()
        number = next((process.exitcode for process in processes if process.exitcode), 0) or 0
        if -number == getattr(signal, "SIGXCPU", 0):
            return Death("it took more CPU time than an instance of its size may take", again=False)
        return Death("the worker process died on it", again=True)

    def kill(self) -> None:
        """End what is being done; its future breaks."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()

    def stop(self, *, at_once: bool) -> None:
        """Wait for the process to end; or end it, where what it works on is not wanted any more."""
        if at_once:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(cancel_futures=True)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def inherit() -> bool:
    """Whether workers begin as copies of this process: what it has loaded they need not load, and share."""
    return _start_method() == "fork"


def _start_method() -> str:
    """`fork` costs 20 ms where `spawn` costs 600, but is not safe where system libraries start threads."""
    return "fork" if sys.platform == "linux" else "spawn"


_start: Callable[[], None]
"""In a worker: what it does before the first task."""


def _enter(start: Callable[[Any], None], settings: Any) -> None:
    begin_as_worker()
    global _start
    _start = partial(start, settings)


@cache
def _begun() -> int:
    """Begin, once; gives the bytes of address space that the process had when it was ready.

    As part of a task, for what goes wrong here is then told as what goes wrong there.
    """
    _start()
    return address_space()


def begin_as_worker() -> None:
    """What every process does first that another one has made for its work."""
    # Ctrl-C goes to the whole group; the parent decides, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()
    forbid_core_dumps()
    keep_freed_memory()
    gc.freeze()  # what was inherited is no garbage; to look through it would also copy each page of it


def _perform(work: Callable[[Any], Any], task: Any, demand: Demand) -> Any:
    return perform(work, task, demand, _begun())


def perform(work: Callable[[Any], Any], task: Any, demand: Demand, before: int) -> Any:
    """Do a task within its limits; `before` is the address space that the process had when it was ready."""
    try:
        with limited(demand, before):
            return work(task)
    except MemoryError:
        return OutOfMemory()
    except ImportError:
        if not before:
            raise
        return OutOfMemory()  # a library that is there, or it would not be asked for, found no room


def _follow_parent() -> None:
    """End when the parent ends, however that was: no keys in memory and no lock outlive the run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
