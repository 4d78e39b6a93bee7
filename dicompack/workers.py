"""Where stages 1 to 4 run: an instance at a time, in processes that may die without taking a run along.

A worker takes the path of a source and gives the path of a sealed object; in between the instance is in its
memory only. What crosses the border between processes is paths, facts, and once, at the start, the keys: by
inheritance where processes are forked, through a pipe where they are not. Processes, because the codec holds
the GIL.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

from dicompack.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")
Settings = TypeVar("Settings")

# Tasks that wait in the pool for each worker: enough that none is idle, few enough to bound memory.
_AHEAD = 4


class WorkerDiedError(InputError):
    """The process that worked on a task ended without an answer, twice."""


class Workers(Generic[Settings, Task, Result]):
    """Runs one function over many tasks; results come as they are ready, in no order.

    Args:
        start: called once in each process with `settings`.
        work: called there for each task.
        jobs: processes; by default as many as there are cores for us.
    """

    def __init__(
        self,
        start: Callable[[Settings], None],
        settings: Settings,
        work: Callable[[Task], Result],
        jobs: int | None = None,
    ) -> None:
        self._start = start
        self._settings = settings
        self._work = work
        self.jobs = jobs or available_cores()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result | WorkerDiedError]]:
        """Each task with its result, or with the news that it kills its worker.

        Exceptions of `work` pass through and end the run. From here on this process leaves no core dump
        either: it holds the same keys.
        """
        forbid_core_dumps()
        suspects: list[Task] = []
        source = iter(tasks)
        while lost := (yield from self._run_pool(source)):
            suspects += lost
        # Whoever was under way when a process died gets a process of its own, to find the one that kills.
        for task in suspects:
            yield task, self._run_alone(task)

    def _run_pool(self, source: Iterator[Task]) -> Generator[tuple[Task, Result], None, list[Task]]:
        """Work until the source is dry, or a process dies: returns the tasks that were under way then."""
        pool = self._pool(self.jobs)
        pending: dict[Future[Result], Task] = {}
        at_once = True
        try:
            while True:
                while len(pending) < self.jobs * _AHEAD:
                    try:
                        task = next(source)
                    except StopIteration:
                        break
                    try:
                        pending[pool.submit(self._work, task)] = task
                    except BrokenProcessPool:
                        return [*pending.values(), task]
                if not pending:
                    at_once = False
                    return []
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        return list(pending.values())
                    yield pending.pop(future), result
        finally:
            _stop(pool, at_once=at_once)

    def _run_alone(self, task: Task) -> Result | WorkerDiedError:
        pool = self._pool(1)
        try:
            return pool.submit(self._work, task).result()
        except BrokenProcessPool:
            return WorkerDiedError("the worker process died on it")
        finally:
            _stop(pool, at_once=True)

    def _pool(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            jobs, multiprocessing.get_context(_start_method()), _enter, (self._start, self._settings)
        )


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


def _enter(start: Callable[[Settings], None], settings: Settings) -> None:
    # Ctrl-C goes to the whole group; the parent decides, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()
    forbid_core_dumps()
    gc.freeze()  # what was inherited is no garbage; to look through it would also copy each page of it
    start(settings)


def _follow_parent() -> None:
    """End when the parent ends, however that was: no keys in memory and no lock outlive the run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def forbid_core_dumps() -> None:
    """No memory with patients' data or keys ever lands on the disk because a process died."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _stop(pool: ProcessPoolExecutor, *, at_once: bool) -> None:
    """Wait for the processes to end; or end them, where what they work on is not wanted any more."""
    processes = list((pool._processes or {}).values()) if at_once else []
    for process in processes:
        process.terminate()
    pool.shutdown(cancel_futures=True)
