"""Multiplying columns by coefficients in GF(2^8): numpy everywhere, ISA-L through PyECLib where installed.

The numpy kernel has no table lookup. A coefficient is a sum of powers of x, so a parity column is
``sum over b of x^b * (xor of the data columns whose coefficient has bit b)``: exclusive-ors of whole columns,
and at the end seven doublings for each parity column. Data columns are taken four at a time; their 15 sums
are made once and serve all rows.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

_LANES = 2048
"""Words of 8 bytes at a time: all that is worked on stays in the processor's own memory."""
_ROWS = 8
_GROUP = 4
_LOW_BITS = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
_HIGH_BIT = np.uint64(0x0101_0101_0101_0101)
_POLYNOMIAL = np.uint64(0x1D)
_ONE, _SEVEN = np.uint64(1), np.uint64(7)

_PIECES = 1 << 18
_LEAST_PIECE = 512
"""Bytes that go to ISA-L at a time: of all columns together, and of one at least."""
_FRAGMENT_HEADER = 80
"""Bytes that liberasurecode puts before each fragment."""


def combine(matrix: Bytes, columns: Bytes) -> Bytes:
    """The product of coefficients ``(r, k)`` and columns ``(k, n)``, n a multiple of 8: ``(r, n)`` bytes."""
    rows, count = matrix.shape
    lanes = np.ascontiguousarray(columns).view(np.uint64)
    width = lanes.shape[1]
    result = np.empty((rows, width), np.uint64)
    picks = _picks(matrix)
    # Made once: new memory for every step would cost more than the work in it.
    sums = np.empty((1 << _GROUP, min(_LANES, width)), np.uint64)
    planes = np.empty((8, min(_ROWS, rows), min(_LANES, width)), np.uint64)
    for start in range(0, width, _LANES):
        part = lanes[:, start : start + _LANES]
        for first in range(0, rows, _ROWS):
            wanted = planes[:, : min(_ROWS, rows - first), : part.shape[1]]
            wanted.fill(0)
            flat = [plane for bit in wanted for plane in bit]
            for group in range(0, count, _GROUP):
                added = _sums(part[group : group + _GROUP], sums)
                chosen = picks[group // _GROUP, :, first : first + _ROWS].reshape(-1).tolist()
                for plane, pick in zip(flat, chosen, strict=True):
                    if pick:
                        np.bitwise_xor(plane, added[pick], plane)
            result[first : first + _ROWS, start : start + _LANES] = _weigh(wanted)
    return result.view(np.uint8)


def _picks(matrix: Bytes) -> NDArray[np.uint8]:
    """For each group of columns, bit and row: which columns of the group have this bit."""
    rows, count = matrix.shape
    padded = np.zeros((rows, -(-count // _GROUP) * _GROUP), np.uint8)
    padded[:, :count] = matrix
    bits = padded[None, :, :] >> np.arange(8, dtype=np.uint8)[:, None, None] & 1
    grouped = bits.reshape(8, rows, -1, _GROUP)
    weights = (1 << np.arange(_GROUP)).astype(np.uint8)
    numbers: Bytes = (grouped * weights).sum(axis=3, dtype=np.uint8)
    return numbers.transpose(2, 0, 1)


def _sums(group: NDArray[np.uint64], sums: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """The sum of each choice of columns, by the number whose bits are the choice; the first is not used.

    Gives the columns themselves where the choice is one; the others are put into `sums`.
    """
    rows = [row[: group.shape[1]] for row in sums]
    for number, column in enumerate(group):
        half = 1 << number
        rows[half] = column
        for choice in range(1, half):
            np.bitwise_xor(rows[choice], column, rows[half + choice])
    return rows


def _weigh(planes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Planes of bit 0 to 7 to the sum of plane b times x^b (Horner)."""
    total: NDArray[np.uint64] = planes[7]
    for bit in range(6, -1, -1):
        carry = total >> _SEVEN
        carry &= _HIGH_BIT
        carry *= _POLYNOMIAL
        total &= _LOW_BITS
        total <<= _ONE
        total ^= carry
        total ^= planes[bit]
    return total


@lru_cache(maxsize=8)
def _driver(data: int, parity: int) -> Any:
    """PyECLib's coder for a code; None where it is not installed or does not have the code."""
    try:
        interface = importlib.import_module("pyeclib.ec_iface")
    except ImportError:
        return None
    try:
        return interface.ECDriver(k=data, m=parity, ec_type="isa_l_rs_cauchy")
    except interface.ECDriverError:
        return None


def isa_l_encode(columns: Bytes, parity: int) -> Bytes | None:
    """What `combine` gives for the parity matrix, by ISA-L; None where that is not there.

    It is called for pieces, because PyECLib copies, and new memory for large copies costs ten times the work.
    """
    count, width = columns.shape
    driver = _driver(count, parity)
    if driver is None:
        return None
    result = np.empty((parity, width), np.uint8)
    step = max(_LEAST_PIECE, _PIECES // count // _LEAST_PIECE * _LEAST_PIECE)
    for start in range(0, width, step):
        part = columns[:, start : start + step]
        fragments = driver.encode(part.tobytes())[count:]
        for row, fragment in zip(result, fragments, strict=True):
            row[start : start + step] = np.frombuffer(fragment, np.uint8, part.shape[1], _FRAGMENT_HEADER)
    return result
