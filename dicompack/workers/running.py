"""One function over many tasks, wherever the workers are: on this machine or in a cluster."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from dicompack.errors import InputError
from dicompack.workers.limits import Allowance, Demand, forbid_core_dumps

Task = TypeVar("Task")
Result = TypeVar("Result")
Settings = TypeVar("Settings")

_ATTEMPTS = 2
"""A process may be killed by the system for what others did; twice is no accident."""


class WorkerDiedError(InputError):
    """There is no answer to a task: its process died, took too long, or ran out of memory."""


@dataclass(frozen=True)
class OutOfMemory:
    """What a worker gives in place of a result that it had not the memory for."""


@dataclass(frozen=True)
class Death:
    """How a worker ended."""

    reason: str
    again: bool
    """Whether another attempt could end otherwise."""
    whole: bool = True
    """Whether the crew died with it, and all that it had to do."""


class Crew(Protocol):
    """A `concurrent.futures.Executor` with what is known of its workers."""

    @property
    def width(self) -> int:
        """Tasks that can be under way or wait here."""
        ...

    def submit(self, work: Callable[[Any], Any], task: Any, demand: Demand) -> Future[Any]:
        """Do a task within these limits."""
        ...

    def death(self, error: BaseException) -> Death | None:
        """How a worker ended, if the error of a future says that one did."""
        ...

    def kill(self) -> None:
        """End the task that is under way, which does not end by itself."""
        ...

    def stop(self, *, at_once: bool) -> None:
        """Give the workers back; `at_once` where what they do is not wanted any more."""
        ...


class Place(Protocol):
    """Where tasks are done."""

    @property
    def crews(self) -> int:
        """Crews at a time."""
        ...

    def fitted(self, demand: Demand) -> tuple[Demand, bool]:
        """A demand within what there is, and whether it must be met while nothing else is done."""
        ...

    def hire(self, start: Callable[[Any], None], settings: Any) -> Crew:
        """One more crew, each worker of which calls `start` with `settings` first."""
        ...


@dataclass
class _Errand(Generic[Task]):
    """A task on its way."""

    task: Task
    demand: Demand
    alone: bool
    attempts: int = 0


@dataclass
class _Shift(Generic[Task]):
    """A crew with the tasks that it has, in the order in which it does them."""

    crew: Crew
    errands: dict[Future[Any], _Errand[Task]] = field(default_factory=dict)
    since: float = 0.0
    """When the first of them became the first."""
    overdue: bool = False


class Workers(Generic[Settings, Task, Result]):
    """Runs one function over many tasks; results come as they are ready, in no order.

    Args:
        start: called once in each worker with `settings`.
        work: called there for each task.
        place: where.
        demand: what a task may take.
    """

    def __init__(
        self,
        start: Callable[[Settings], None],
        settings: Settings,
        work: Callable[[Task], Result],
        place: Place,
        demand: Callable[[Task], Demand] = lambda _task: Allowance().of(0),
    ) -> None:
        self._start = start
        self._settings = settings
        self._work = work
        self._place = place
        self._demand = demand
        self._shifts: list[_Shift[Task]] = []
        self._again: deque[_Errand[Task]] = deque()

    def __enter__(self) -> Workers[Settings, Task, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss(at_once=True)

    def hire(self) -> None:
        """Have all crews before there is anything to do; `run` or the end of the block dismisses them."""
        while len(self._shifts) < self._place.crews:
            self._shifts.append(_Shift(self._place.hire(self._start, self._settings)))

    def _dismiss(self, *, at_once: bool) -> None:
        for shift in self._shifts:
            shift.crew.stop(at_once=at_once)
        self._shifts.clear()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result | WorkerDiedError]]:
        """Each task with its result, or with the reason why there is none.

        Exceptions of `work` pass through and end the run. From here on this process leaves no core dump
        either: it holds the same keys.
        """
        forbid_core_dumps()
        source = iter(tasks)
        at_once = True
        try:
            while self._hand_out(source):
                futures = [future for shift in self._shifts for future in shift.errands]
                done = wait(futures, self._patience(), FIRST_COMPLETED).done
                self._kill_overdue()
                for shift in list(self._shifts):
                    yield from self._collect(shift, done)
            at_once = False
        finally:
            self._dismiss(at_once=at_once)

    def _hand_out(self, source: Iterator[Task]) -> bool:
        """Give every crew as much as it takes; False when all is done."""
        while (shift := self._least_busy()) is not None:
            errand = self._next(source)
            if errand is None:
                break
            busy = [other for one in self._shifts for other in one.errands.values()]
            if busy and (errand.alone or any(other.alone for other in busy)):
                self._again.appendleft(errand)
                break
            if not shift.errands:
                shift.since = time.monotonic()
            shift.errands[shift.crew.submit(self._work, errand.task, errand.demand)] = errand
        return any(shift.errands for shift in self._shifts)

    def _least_busy(self) -> _Shift[Task] | None:
        """The crew with the fewest tasks, a new one where all are busy; None where no task is wanted."""
        shift = min(self._shifts, key=lambda one: len(one.errands), default=None)
        if (shift is None or shift.errands) and len(self._shifts) < self._place.crews:
            shift = _Shift(self._place.hire(self._start, self._settings))
            self._shifts.append(shift)
        assert shift is not None
        return shift if len(shift.errands) < shift.crew.width else None

    def _next(self, source: Iterator[Task]) -> _Errand[Task] | None:
        if self._again:
            return self._again.popleft()
        try:
            task = next(source)
        except StopIteration:
            return None
        return _Errand(task, *self._place.fitted(self._demand(task)))

    def _patience(self) -> float:
        """Seconds until the first crew is overdue."""
        return max(0.0, min(self._due(shift) for shift in self._shifts if shift.errands) - time.monotonic())

    def _due(self, shift: _Shift[Task]) -> float:
        return shift.since + next(iter(shift.errands.values())).demand.by_the_clock

    def _kill_overdue(self) -> None:
        for shift in self._shifts:
            first = next(iter(shift.errands), None)
            if first is not None and not first.done() and self._due(shift) <= time.monotonic():
                shift.overdue = True
                shift.crew.kill()

    def _collect(
        self, shift: _Shift[Task], done: set[Future[Any]]
    ) -> Iterator[tuple[Task, Result | WorkerDiedError]]:
        for future in [future for future in shift.errands if future in done]:
            errand = shift.errands[future]
            error = _error_of(future)
            if error is None:
                del shift.errands[future]
                shift.since = time.monotonic()
                result = future.result()
                if isinstance(result, OutOfMemory):
                    yield errand.task, WorkerDiedError("it took more memory than a worker may take")
                else:
                    yield errand.task, result
                continue
            death = shift.crew.death(error)
            if death is None:
                raise error
            if death.whole:
                yield from self._bury(shift, death)
                return
            yield shift.errands.pop(future).task, WorkerDiedError(death.reason)

    def _bury(self, shift: _Shift[Task], death: Death) -> Iterator[tuple[Task, WorkerDiedError]]:
        """The first task is the one that the process died on; the others have not begun."""
        self._shifts.remove(shift)
        shift.crew.stop(at_once=True)
        if shift.overdue:
            death = Death("it took longer than an instance of its size may take", again=False)
        first, *others = shift.errands.values()
        self._again.extendleft(reversed(others))
        first.attempts += 1
        if death.again and first.attempts < _ATTEMPTS:
            self._again.append(first)
            return
        yield first.task, WorkerDiedError(death.reason + (", twice" if death.again else ""))


def _error_of(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error
