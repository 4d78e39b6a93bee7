"""Processes that may die without taking a run along."""

import ctypes
import errno
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dicompack import workers
from dicompack.errors import UsageError
from dicompack.workers import Allowance, Demand, Processes, WorkerDiedError, Workers, limits, processes

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
    if task == "spin":
        while True:
            pass
    if task == "crash":
        ctypes.string_at(0)
    if task == "eat":
        return len(bytearray(2 << 30))
    if task == "load":
        raise ImportError("x.so: failed to map segment from shared object")
    if task == "eat outside Python":
        pointer = ctypes.CDLL(None)
        pointer.malloc.restype = ctypes.c_void_p
        return bool(pointer.malloc(ctypes.c_size_t(2 << 30)))
    return (_settings, task)


def run(tasks, jobs=2):
    return list(Workers(start, "settings", work, Processes(jobs)).run(tasks))


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


def refused_start(settings):
    raise OSError(errno.EIO, "a broken medium")


def test_a_worker_that_cannot_begin_says_why(capfd):
    with pytest.raises(OSError, match="a broken medium"):
        list(Workers(refused_start, None, work, Processes(1)).run(["1"]))
    assert capfd.readouterr() == ("", "")


def test_a_bug_ends_the_run_and_the_processes():
    running = Workers(start, "settings", work, Processes(2)).run(["sleep", "raise", "sleep"])
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

    running = Workers(start, "settings", work, Processes(1)).run(tasks())
    next(running)
    assert len(taken) < 20
    running.close()


def same_process(_task):
    return os.getppid(), os.getpid()


def test_workers_can_be_there_before_there_is_work():
    with Workers(start, "settings", same_process, Processes(2)) as early:
        early.hire()
        children = {child.pid for child in multiprocessing.active_children()}
        assert len(children) >= 2
        assert {result[1] for _, result in early.run(["1", "2", "3"])} <= children
    with pytest.raises(RuntimeError), Workers(start, "settings", work, Processes(2)) as unused:
        unused.hire()
        raise RuntimeError
    assert not multiprocessing.active_children()


def core_size(_task):
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows writes no core files")
def test_no_core_dumps():
    ((_, result),) = Workers(start, None, core_size, Processes(1)).run([1])
    assert result == (0, 0)


def test_cores():
    assert workers.available_cores() >= 1


# ------------------------------------------------------------------------------------------- limits

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux keeps them")
SHORT = Demand(memory=256 << 20, least=0, seconds=1)
TASKS = [str(number) for number in range(12)]


def limited(tasks, jobs=2, demand=SHORT):
    running = Workers(start, "settings", work, Processes(jobs), lambda _task: demand)
    return dict(running.run(tasks))


@linux
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("spin", "it took more CPU time than an instance of its size may take"),
        ("crash", "the worker process died on it, twice"),
        ("eat", "it took more memory than a worker may take"),
        ("load", "it took more memory than a worker may take"),
    ],
)
def test_a_bad_task_is_lost_alone_and_with_a_reason(jobs, bad, reason):
    results = limited([*TASKS[:5], bad, *TASKS[5:]], jobs)
    lost = results.pop(bad)
    assert isinstance(lost, WorkerDiedError)
    assert lost.message == reason
    assert results == {task: ("settings", task) for task in TASKS}


@linux
def test_a_library_is_told_that_there_is_no_memory():
    assert limited(["eat outside Python"]) == {"eat outside Python": False}
    assert limited(["eat outside Python"], demand=Demand(4 << 30, 0, 1)) == {"eat outside Python": True}


@linux
def test_a_task_that_takes_too_much_time_is_not_tried_again():
    began = time.monotonic()
    limited(["spin"], 1)
    assert time.monotonic() - began < 8


def test_the_clock_ends_what_sleeps(monkeypatch):
    monkeypatch.setattr(limits, "_CLOCK", 1)
    results = limited(["1", "sleep", "2"])
    assert isinstance(results["sleep"], WorkerDiedError)
    assert results["sleep"].message == "it took longer than an instance of its size may take"
    assert results["2"] == ("settings", "2")


def short(_task):
    end = time.process_time() + 0.7
    while time.process_time() < end:
        pass


@linux
def test_limits_are_raised_for_each_task():
    """A worker lives longer than one task may: CPU time of many tasks adds up."""
    running = Workers(start, None, short, Processes(1), lambda _task: SHORT)
    assert [result for _, result in running.run(range(4))] == [None] * 4


def test_memory_for_all_together(monkeypatch):
    place = Processes(8, 512 << 20)
    assert place.crews == 3
    small, alone = place.fitted(Allowance().of(1 << 20))
    assert not alone
    assert place.crews * (small.memory + limits.PROGRAM) <= 512 << 20
    large, alone = place.fitted(Allowance().of(100 << 20))
    assert alone
    assert large.memory + place.crews * limits.PROGRAM <= 512 << 20
    monkeypatch.setattr(processes, "total_memory", lambda: 16 << 30)
    assert Processes(4).fitted(Allowance().of(1 << 20)) == (Allowance().of(1 << 20), False)


def test_too_little_memory_for_all():
    with pytest.raises(UsageError) as caught:
        Processes(1, 100 << 20)
    assert caught.value.rule == "CLI-15"


def noted(task):
    log, name = task
    for what in ("begin", "end"):
        with Path(log).open("a") as file:
            file.write(f"{what} {name}\n")
        time.sleep(0.05)
    return name


def test_a_large_task_is_alone(tmp_path):
    """While it is under way nothing else is, before and after it everything goes on."""
    log = tmp_path / "log"

    def demand(task):
        return Demand(1 << 30, (1 << 30) if task[1] == "large" else 0, 10)

    tasks = [(str(log), name) for name in ("1", "2", "large", "3", "4", "5")]
    running = Workers(start, None, noted, Processes(2, 640 << 20), demand)
    assert sorted(task for task, _ in running.run(tasks)) == sorted(tasks)
    lines = log.read_text().splitlines()
    at = lines.index("begin large")
    assert lines[at + 1] == "end large"
    assert sum(line.startswith("begin") for line in lines[:at]) == sum(
        line.startswith("end") for line in lines[:at]
    )


@pytest.mark.parametrize(("system", "count"), [("linux", 0), ("darwin", 1), ("win32", 2)])
def test_what_a_system_does_not_bound_is_said(monkeypatch, system, count):
    monkeypatch.setattr(limits.sys, "platform", system)
    assert len(workers.missing_limits()) == count


def test_total_memory_is_known():
    assert 1 << 28 < workers.total_memory() < 1 << 62
