"""The erasure code: the definition, the two kernels, every way to lose columns."""

import itertools
import random
import re
from pathlib import Path

import numpy as np
import pytest

from dicompack.container import erasure, erasure_kernels
from tests.conftest import IN_CI

RECOVERY = (Path(__file__).parents[3] / "spec" / "7-recovery.md").read_text("utf-8")
# The corners, and the sizes that packages have.
CODES = [
    (1, 1),
    (1, 8),
    (2, 1),
    (3, 2),
    (5, 2),
    (8, 4),
    (20, 2),
    (20, 5),
    (32, 8),
    (100, 10),
    (1, 254),
    (254, 1),
]
CORNERS = [(200, 55), (127, 128), (128, 127), (55, 200)]


def columns(count, size=72, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, size), np.uint8)


def times(one, other):
    """A product in GF(2^8), bit by bit, from the text alone."""
    result = 0
    while other:
        if other & 1:
            result ^= one
        one <<= 1
        if one & 0x100:
            one ^= 0x11D
        other >>= 1
    return result


def slow_parity(data, parity):
    """From the definition, one byte at a time."""
    k = len(data)
    inverse = {a: b for a in range(1, 256) for b in range(1, 256) if times(a, b) == 1}
    result = np.zeros((parity, data.shape[1]), np.uint8)
    for i, j in itertools.product(range(parity), range(k)):
        coefficient = inverse[(k + i) ^ j]
        for position, byte in enumerate(data[j]):
            result[i, position] ^= times(coefficient, int(byte))
    return result


def rebuild(left, k, m, wanted):
    used, matrix = erasure.rebuilding_matrix(k, m, tuple(sorted(left)), tuple(wanted))
    return erasure.combine(matrix, np.stack([left[column] for column in used]))


@pytest.mark.parametrize(("k", "m"), [(1, 1), (3, 2), (5, 3)])
def test_the_parity_is_that_of_the_definition(k, m):
    data = columns(k, 8)
    assert np.array_equal(erasure.encode(data, m), slow_parity(data, m))


def test_the_worked_example_of_the_text():
    first, second = re.search(r"are `([0-9a-f ]+)` and `([0-9a-f ]+)`", RECOVERY).groups()
    assert erasure.parity_matrix(3, 2).tobytes() == bytes.fromhex(first + second)
    data = np.array([range(8), range(8, 16), range(255, 247, -1)], np.uint8)
    shown = re.search(r"have the parity:\n\n```\n(.*?)\n```", RECOVERY, re.DOTALL).group(1)
    assert erasure.encode(data, 2).tobytes() == bytes.fromhex(shown)


@pytest.mark.parametrize(("k", "m"), CODES)
def test_what_is_lost_comes_back(k, m):
    data = columns(k)
    everything = np.concatenate([data, erasure.combine(erasure.parity_matrix(k, m), data)])
    chance = random.Random(k * 1000 + m)
    for lost in range(1, m + 1):
        gone = sorted(chance.sample(range(k + m), lost))
        left = {column: everything[column] for column in range(k + m) if column not in gone}
        assert np.array_equal(rebuild(left, k, m, gone), everything[gone])


def test_every_choice_of_columns_gives_all_others():
    k, m = 5, 3
    data = columns(k, 16)
    everything = np.concatenate([data, erasure.encode(data, m)])
    for present in itertools.combinations(range(k + m), k):
        left = {column: everything[column] for column in present}
        assert np.array_equal(rebuild(left, k, m, range(k + m)), everything)


def test_one_column_too_few():
    with pytest.raises(ValueError, match="1 columns too few"):
        rebuild({0: columns(1)[0], 1: columns(1)[0]}, 3, 2, [2])


@pytest.mark.parametrize(("k", "m"), [(0, 1), (1, 0), (200, 56), (255, 1)])
def test_no_such_code(k, m):
    with pytest.raises(ValueError, match="no code has"):
        erasure.parity_matrix(k, m)


def test_lengths_that_do_not_fill_the_lanes():
    for size in (8, 16, 24, 16_376, 16_384, 16_392, 65_536, 65_544):
        data = columns(7, size, seed=size)
        whole = erasure.combine(erasure.parity_matrix(7, 3), data)
        parts = [
            erasure.combine(erasure.parity_matrix(7, 3), np.ascontiguousarray(data[:, start : start + 8]))
            for start in (0, size - 8)
        ]
        assert np.array_equal(whole[:, :8], parts[0]) and np.array_equal(whole[:, -8:], parts[1])


class TestIsaL:
    """The two kernels give the same bytes (T6)."""

    @pytest.fixture(autouse=True)
    def installed(self):
        if not IN_CI:
            pytest.importorskip("pyeclib")

    def agrees(self, k, m, size):
        data = columns(k, size, seed=k * 256 + m)
        fast = erasure_kernels.isa_l_encode(data, m)
        assert fast is not None, (k, m)
        assert np.array_equal(fast, erasure.combine(erasure.parity_matrix(k, m), data)), (k, m)

    @pytest.mark.parametrize(("k", "m"), CODES + CORNERS)
    def test_kernels_agree(self, k, m):
        for size in (8, 24, 4096):
            self.agrees(k, m, size)

    @pytest.mark.slow
    def test_all_codes_of_usual_size(self):
        for k, m in itertools.product(range(1, 33), range(1, 9)):
            self.agrees(k, m, 1024)
        for total in range(33, 256):
            for m in {1, 2, total // 2, total - 2, total - 1}:
                self.agrees(total - m, m, 64)


def test_without_pyeclib_there_is_the_other_kernel(monkeypatch):
    monkeypatch.setattr(erasure_kernels, "_driver", lambda data, parity: None)
    data = columns(30, 64)
    assert erasure_kernels.isa_l_encode(data, 20) is None
    assert np.array_equal(erasure.encode(data, 20), erasure.combine(erasure.parity_matrix(30, 20), data))


def test_a_kernel_that_is_wrong_is_not_used(monkeypatch):
    """The hashes of what it gives would be right, and nobody would notice before a repair fails."""
    monkeypatch.setattr(
        erasure_kernels, "isa_l_encode", lambda data, parity: np.zeros((parity, data.shape[1]), np.uint8)
    )
    data = columns(29, 64)
    assert np.array_equal(erasure.encode(data, 19), erasure.combine(erasure.parity_matrix(29, 19), data))
