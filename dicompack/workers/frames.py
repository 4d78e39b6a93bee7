"""The frames of one large instance, done by copies of the worker that has it.

Where workers are forked, a copy has the same memory: it is told the number of a frame, and finds the rest. A
single file keeps all cores busy. One instance at a time is done so; beside it, others go on in their workers.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.synchronize import Lock

from dicompack.errors import InputError
from dicompack.files import give_back_mapped
from dicompack.workers.processes import begin_as_worker, inherit

_AHEAD = 2  # frames for each copy that are under way or wait to be fetched: they are in memory

_work: Callable[[int], bytes]


@dataclass(frozen=True)
class Frames:
    """Goes to every worker; the first one that has a large instance uses it.

    Args:
        jobs: copies of that worker.
        turn: whose it is.
    """

    jobs: int
    turn: Lock

    def __call__(self, work: Callable[[int], bytes], count: int) -> Iterator[bytes]:
        """What `work` gives for the frames 0 to `count` - 1, in this order.

        Raises:
            InputError: a process died on one of them.
        """
        if min(self.jobs, count) < 2 or not self.turn.acquire(block=False):
            yield from map(work, range(count))
            return
        try:
            yield from _by_copies(work, count, min(self.jobs, count))
        finally:
            self.turn.release()


def frames_of_large(jobs: int) -> Frames | None:
    """For so many jobs; None where workers inherit nothing, and do their frames themselves."""
    if not inherit():
        return None
    return Frames(jobs, multiprocessing.get_context("fork").Lock())


def _by_copies(work: Callable[[int], bytes], count: int, jobs: int) -> Iterator[bytes]:
    global _work
    _work = work
    waiting: deque[Future[bytes]] = deque()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _enter) as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(_perform, number))
                if len(waiting) > _AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError("a process died on one of its frames") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _enter() -> None:
    begin_as_worker()
    give_back_mapped()


def _perform(number: int) -> bytes:
    return _work(number)
