"""The erasure code: systematic Cauchy Reed-Solomon over GF(2^8), polynomial 0x11D (``spec/7-recovery.md``).

k data columns and m parity columns of equal length; any k of the k + m give all of them. Row i of the parity
has the coefficient ``inv((k + i) xor j)`` for data column j, so that every square part of the matrix can be
inverted. ISA-L's `gf_gen_cauchy1_matrix` is the same matrix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dicompack.container import erasure_kernels
from dicompack.container.limits import MAXIMUM_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


_SAMPLE = 512
"""Bytes of each column for which two kernels are compared once in a run: all values of a byte, twice."""


@lru_cache(maxsize=1)
def _products() -> Bytes:
    """All products of two bytes, 256 by 256."""
    table = np.zeros((256, 256), np.uint8)
    row: NDArray[np.uint16] = np.arange(256, dtype=np.uint16)
    for bit in range(8):
        picked = (np.arange(256) >> bit & 1).astype(np.uint16)
        table ^= (picked[:, None] * row[None, :]).astype(np.uint8)
        row = ((row << 1) ^ ((row >> 7) * 0x11D)).astype(np.uint16)
    return table


@lru_cache(maxsize=1)
def _inverses() -> Bytes:
    """The inverse of each byte; that of 0 is not used."""
    inverses: Bytes = np.argmax(_products() == 1, axis=1).astype(np.uint8)
    return inverses


def parity_matrix(data: int, parity: int) -> Bytes:
    """The coefficients of the parity columns, `parity` rows and `data` columns.

    Raises:
        ValueError: less than 1 of either, or more than 255 together.
    """
    if data < 1 or parity < 1 or data + parity > MAXIMUM_COLUMNS:
        raise ValueError(f"no code has {data} data and {parity} parity columns")
    rows = np.arange(data, data + parity, dtype=np.uint8)[:, None]
    matrix: Bytes = _inverses()[rows ^ np.arange(data, dtype=np.uint8)[None, :]]
    return matrix


def _multiply(one: Bytes, other: Bytes) -> Bytes:
    result = np.zeros((one.shape[0], other.shape[1]), np.uint8)
    table = _products()
    for middle in range(one.shape[1]):
        result ^= table[one[:, middle, None], other[None, middle, :]]
    return result


def _invert(matrix: Bytes) -> Bytes:
    """Gauss and Jordan; every square part of a Cauchy matrix has an inverse, and no pivot is 0."""
    table, inverses = _products(), _inverses()
    size = len(matrix)
    work = np.concatenate([matrix, np.eye(size, dtype=np.uint8)], axis=1)
    for row in range(size):
        work[row] = table[inverses[work[row, row]], work[row]]
        factors = work[:, row].copy()
        factors[row] = 0
        work ^= table[factors[:, None], work[None, row]]
    return work[:, size:]


@lru_cache(maxsize=64)
def rebuilding_matrix(
    data: int, parity: int, present: tuple[int, ...], wanted: tuple[int, ...]
) -> tuple[tuple[int, ...], Bytes]:
    """Which columns to read, and what to multiply them with, to have other columns.

    Columns are numbered 0 to data - 1, and from data on for parity.

    Args:
        data: data columns of the code.
        parity: parity columns of the code.
        present: columns that are right, ascending.
        wanted: columns to be made.

    Returns:
        The `data` columns to read, and a row of coefficients for each wanted column.

    Raises:
        ValueError: less than `data` columns are present.
    """
    if len(present) < data:
        raise ValueError(f"{data - len(present)} columns too few")
    used = present[:data]
    rows = parity_matrix(data, parity)
    known = [column for column in used if column < data]
    lost = [column for column in range(data) if column not in known]
    read_rows = rows[[column - data for column in used if column >= data]]
    # All data columns from those that are read: the known ones are themselves, the lost ones solve
    # the parity that is read, less what the known ones have given to it.
    everything = np.zeros((data, data), np.uint8)
    everything[known, range(len(known))] = 1
    if lost:
        solution = _invert(read_rows[:, lost])
        everything[lost, len(known) :] = solution
        everything[lost, : len(known)] = _multiply(solution, read_rows[:, known])
    result = np.zeros((len(wanted), data), np.uint8)
    for row, column in enumerate(wanted):
        result[row] = (
            everything[column]
            if column < data
            else _multiply(rows[column - data : column - data + 1], everything)[0]
        )
    return used, result


def encode(columns: Bytes, parity: int) -> Bytes:
    """The parity of some data: ``(k, n)`` bytes give ``(parity, n)`` bytes; n is a multiple of 8."""
    if _has_fast(len(columns), parity):
        fast = erasure_kernels.isa_l_encode(columns, parity)
        if fast is not None:
            return fast
    return combine(parity_matrix(len(columns), parity), columns)


@lru_cache(maxsize=8)
def _has_fast(data: int, parity: int) -> bool:
    """Whether ISA-L is there and gives the same bytes: hashes of a wrong parity would be right."""
    sample = (np.arange(data * _SAMPLE) * 167 >> 3).astype(np.uint8).reshape(data, _SAMPLE)
    fast = erasure_kernels.isa_l_encode(sample, parity)
    return fast is not None and np.array_equal(fast, combine(parity_matrix(data, parity), sample))


def combine(matrix: Bytes, columns: Bytes) -> Bytes:
    """The product of coefficients ``(r, k)`` and columns ``(k, n)``, n a multiple of 8."""
    return erasure_kernels.combine(matrix, columns)
