"""Frames of a large instance: in order, by copies of the process, and one instance at a time."""

from __future__ import annotations

import os
import time

import pytest

from dicompack.errors import InputError, UnsupportedError
from dicompack.workers import Frames, frames_of_large, inherit

pytestmark = pytest.mark.skipif(not inherit(), reason="processes inherit nothing here")


@pytest.fixture
def frames() -> Frames:
    made = frames_of_large(2)
    assert made is not None
    return made


def test_results_come_in_order_from_copies(frames):
    large = bytes(range(256)) * 10

    def work(number: int) -> bytes:
        time.sleep(0.002 * (number % 3))
        return b"%d %d" % (os.getpid(), large[number])

    found = [one.split() for one in frames(work, 50)]
    assert [int(value) for _, value in found] == list(range(50))
    processes = {int(process) for process, _ in found}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize("count", [0, 1])
def test_few_frames_are_done_here(frames, count):
    assert [*frames(lambda _number: b"%d" % os.getpid(), count)] == [b"%d" % os.getpid()] * count


def test_one_instance_at_a_time(frames):
    first = frames(lambda _number: b"%d" % os.getpid(), 8)
    assert int(next(first)) != os.getpid()
    assert {*frames(lambda _number: b"%d" % os.getpid(), 8)} == {b"%d" % os.getpid()}
    first.close()
    assert b"%d" % os.getpid() not in {*frames(lambda _number: b"%d" % os.getpid(), 8)}


def test_what_goes_wrong_with_a_frame_is_told(frames):
    def work(number: int) -> bytes:
        if number == 5:
            raise UnsupportedError("the encoder refuses the frame")
        return b""

    with pytest.raises(UnsupportedError, match="refuses"):
        [*frames(work, 20)]
    assert [*frames(lambda number: b"%d" % number, 2)] == [b"0", b"1"]  # it is somebody else's turn again


def test_a_frame_that_kills_its_process_ends_the_instance_only(frames):
    def work(number: int) -> bytes:
        if number == 3:
            os.abort()
        return b""

    with pytest.raises(InputError, match="died"):
        [*frames(work, 20)]
    assert [*frames(lambda number: b"%d" % number, 2)] == [b"0", b"1"]
