"""Codestreams on the disk: they come back, nobody else can read them, and what has changed is noticed."""

from __future__ import annotations

import os

import pytest

from dicompack.errors import OutputError
from dicompack.stages.spill import Spill


@pytest.fixture
def spill(tmp_path):
    return Spill(tmp_path)


def test_what_is_put_aside_comes_back(spill):
    pieces = [os.urandom(size) for size in (1, 17, 100_000)] + [b""]
    stored = [spill.put(piece) for piece in pieces]
    assert [len(one) for one in stored] == [len(piece) for piece in pieces]
    assert [one.read() for one in reversed(stored)] == pieces[::-1]


def test_the_disk_holds_no_plaintext_and_no_name(spill, tmp_path):
    stored = spill.put(b"codestream" * 100)
    assert not any(tmp_path.iterdir())
    assert b"codestream" not in spill._file.read_at(0, len(stored) + 16)
    assert spill.put(b"codestream" * 100) != stored
    first, second = (spill._file.read_at(start, 1016) for start in (0, 1016))
    assert first != second


@pytest.mark.parametrize("at", [0, 999, 1015])
def test_a_changed_byte_is_noticed(spill, at):
    stored = spill.put(bytes(1000))
    byte = spill._file.read_at(at, 1)
    os.pwrite(spill._file._file.fileno(), bytes((byte[0] ^ 1,)), at)
    with pytest.raises(OutputError):
        stored.read()


def test_what_was_written_to_another_place_is_noticed(spill):
    first, _ = spill.put(bytes(1000)), spill.put(bytes(1000))
    os.pwrite(spill._file._file.fileno(), spill._file.read_at(1016, 1016), 0)
    with pytest.raises(OutputError):
        first.read()
