"""What comes of many tasks on the way back: all of it, or the gravest error with every other one named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from dicompack.errors import DicomPackError, UnsupportedError, gravest
from dicompack.pipeline.opening import OnProgress
from dicompack.report import Progress
from dicompack.workers import WorkerDiedError, Workers

Settings = TypeVar("Settings")
Task = TypeVar("Task")
Result = TypeVar("Result")


def gathered(
    workers: Workers[Settings, Task, Result | DicomPackError],
    tasks: Iterable[Task],
    count: int,
    name: Callable[[Task], str],
    on_progress: OnProgress,
) -> Iterator[Result]:
    """The results of `count` tasks as they come.

    Raises:
        DicomPackError: after all tasks, the gravest error; its `faults` name every task that failed.
    """
    errors: list[DicomPackError] = []
    for done, (task, result) in enumerate(workers.run(tasks), start=1):
        if isinstance(result, WorkerDiedError):
            errors.append(UnsupportedError(result.message, where=name(task), rule="PKG-19"))
        elif isinstance(result, DicomPackError):
            errors.append(result)
        else:
            yield result
        on_progress(Progress("unpacking", done, count, "instances"))
    if errors:
        worst = gravest(errors)
        worst.faults = tuple(str(error) for error in errors)
        raise worst
