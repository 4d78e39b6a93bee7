"""Processes that may die without taking a run along."""

import os
import signal
import sys
import time

import pytest

from dicompack import workers
from dicompack.workers import WorkerDiedError, Workers

_settings = None


def start(settings):
    global _settings
    _settings = settings


def work(task):
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "raise":
        raise RuntimeError("a bug")
    if task == "sleep":
        time.sleep(60)
    return (_settings, task)


def run(tasks, jobs=2):
    return list(Workers(start, "settings", work, jobs).run(tasks))


def test_every_task_has_its_result():
    tasks = [str(number) for number in range(100)]
    assert sorted(run(tasks)) == sorted((task, ("settings", task)) for task in tasks)


def test_nothing_to_do():
    assert run([]) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_kills_its_worker_is_found(jobs):
    tasks = [str(number) for number in range(20)]
    results = dict(run([*tasks[:7], "die", *tasks[7:]], jobs))
    assert isinstance(results.pop("die"), WorkerDiedError)
    assert results == {task: ("settings", task) for task in tasks}


def test_several_of_them():
    results = dict(run(["1", "die", "2", "3"]) + run(["die"]))
    assert isinstance(results["die"], WorkerDiedError)
    assert results["3"] == ("settings", "3")


def test_a_bug_ends_the_run_and_the_processes():
    running = Workers(start, "settings", work, 2).run(["sleep", "raise", "sleep"])
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="a bug"):
        list(running)
    assert time.monotonic() - began < 30


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield str(number)

    running = Workers(start, "settings", work, 1).run(tasks())
    next(running)
    assert len(taken) < 20
    running.close()


def limits(_task):
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows writes no core files")
def test_no_core_dumps():
    ((_, result),) = Workers(start, None, limits, 1).run([1])
    assert result == (0, 0)


def test_cores():
    assert workers.available_cores() >= 1
