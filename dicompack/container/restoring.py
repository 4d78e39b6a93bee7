"""Restoring data: what turns the delivered form of an instance into its original file, byte for byte.

    u32 number of steps; each step: u8 kind (0 literal, 1 copy), u64 offset, u64 length; then all literals

Integers are big endian. The steps in their order make the original: a copy takes bytes of the delivered form
from `offset`, a literal the next bytes behind the steps (its offset is 0). What both files share are large
values, above all pixels; so what remains are headers, which are nearly the same in all instances of a series
and shrink to little when they are compressed together.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dicompack.errors import BadSignatureError, FormatError

MINIMUM_SHARED = 512
"""Bytes of a value that is worth a copy; a step has 17, and a short header compresses to less."""

MAXIMUM_STEPS = 1 << 20
"""Blackened text over every frame of a long cine loop has fewer; a table of these has 17 MiB."""

_COUNT = struct.Struct(">I")
_STEP = struct.Struct(">BQQ")
_LITERAL, _COPY = 0, 1
_PROBES = 16  # places of a value that are looked for, where not all of it is the same
_PROBE_SIZE = 64
_SEARCHED = 1 << 24  # bytes at a time, of an original that is not in memory
_LOOKED_AT = 1 << 26  # bytes of a value in which places to look for are chosen; arrays take more
_COMPARED = 1 << 28  # bytes of a value that is compared sample by sample, for the same reason
_MINIMUM_RUN = 64  # equal bytes between two differences that are worth a copy of their own

Buffer = bytes | memoryview


class Step(NamedTuple):
    """Some bytes of the original."""

    kind: int
    offset: int
    length: int


# ------------------------------------------------------------------------------------------ there


def make(original: Buffer, delivered: Sequence[Buffer]) -> bytes:
    """The restoring data of a file, given the delivered form in the pieces that its encoder made."""
    steps: list[Step] = []
    literals: list[Buffer] = []
    whole = memoryview(original)
    done = offset = 0
    for piece in delivered:
        if len(piece) >= MINIMUM_SHARED:
            for start, run, length in _shared(original, done, piece):
                _literal(steps, literals, whole[done:start])
                steps.append(Step(_COPY, offset + run, length))
                done = start + length
        offset += len(piece)
    _literal(steps, literals, whole[done:])
    return b"".join((_COUNT.pack(len(steps)), *(_STEP.pack(*step) for step in steps), *literals))


def _literal(steps: list[Step], literals: list[Buffer], data: memoryview) -> None:
    if len(data):
        steps.append(Step(_LITERAL, 0, len(data)))
        literals.append(data)


def _shared(original: Buffer, begin: int, piece: Buffer) -> list[tuple[int, int, int]]:
    """What of a piece stands in the original from `begin` on: place there, place in the piece, length."""
    view = memoryview(piece).cast("B")
    tried = set()
    start = _address(view) - _address(original)
    if begin <= start <= len(original) - len(view):  # nothing was copied: the piece is a part of the original
        return [(start, 0, len(view))]
    for at in _telling_places(view):
        start = _find(original, bytes(view[at : at + _PROBE_SIZE]), begin + at) - at
        if start < begin or start + len(view) > len(original) or start in tried:
            continue
        tried.add(start)
        if np.array_equal(np.frombuffer(original, np.uint8, len(view), start), np.frombuffer(view, np.uint8)):
            return [(start, 0, len(view))]
        if runs := _equal_runs(original, start, view):
            return runs
    return []


def _address(view: Buffer) -> int:
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])


def _find(original: Buffer, probe: bytes, start: int) -> int:
    """Where a few bytes stand from `start` on; -1 where they do not."""
    if isinstance(original, bytes):
        return original.find(probe, start)
    for at in range(start, len(original), _SEARCHED):
        found = bytes(original[at : at + _SEARCHED + len(probe) - 1]).find(probe)
        if found >= 0:
            return at + found
    return -1


def _telling_places(view: memoryview) -> list[int]:
    """Where a few bytes of a value are likely to stand nowhere else: around a change, not in a background."""
    data = np.frombuffer(view, np.uint8, min(len(view), _LOOKED_AT))
    changes = np.flatnonzero(data[1:] != data[:-1])
    if not len(changes):
        return [0]
    chosen = changes[np.linspace(0, len(changes) - 1, _PROBES).astype(np.int64)] - _PROBE_SIZE // 2
    return [int(place) for place in np.clip(chosen, 0, len(view) - _PROBE_SIZE)]


def _equal_runs(original: Buffer, start: int, view: memoryview) -> list[tuple[int, int, int]]:
    """Stretches in which two values of one size are equal, if that is most of them."""
    if len(view) > _COMPARED:
        return []
    ours = np.frombuffer(original, np.uint8, len(view), start)
    theirs = np.frombuffer(view, np.uint8)
    different = np.flatnonzero(ours != theirs)
    if 2 * len(different) > len(view):
        return []
    edges = np.concatenate(([-1], different, [len(view)]))
    gaps = np.flatnonzero(np.diff(edges) > _MINIMUM_RUN)
    if len(gaps) > MAXIMUM_STEPS // 4:
        return []
    return [
        (start + int(edges[gap]) + 1, int(edges[gap]) + 1, int(edges[gap + 1] - edges[gap]) - 1)
        for gap in gaps
    ]


# ------------------------------------------------------------------------------------------- back


def restored(data: bytes, delivered: Sequence[Buffer], size: int) -> Iterator[Buffer]:
    """The pieces of the original file, `size` bytes in all; everything is checked before the first one.

    Raises:
        FormatError: steps that are malformed, lead outside, or do not make `size` bytes (ORG-1).
    """
    steps, at = _parse(data)
    total = sum(map(len, delivered))
    literal = sum(step.length for step in steps if step.kind == _LITERAL)
    sound = (
        literal == len(data) - at
        and sum(step.length for step in steps) == size
        and all(step.offset + step.length <= total for step in steps if step.kind == _COPY)
        and all(step.length and not (step.kind == _LITERAL and step.offset) for step in steps)
    )
    if not sound:  # ORG-1
        raise FormatError("restoring data whose steps make no file", rule="ORG-1")
    return _pieces(memoryview(data)[at:], steps, delivered)


def _parse(data: bytes) -> tuple[list[Step], int]:
    count = int.from_bytes(data[: _COUNT.size], "big")
    at = _COUNT.size + count * _STEP.size
    if len(data) < _COUNT.size or count > MAXIMUM_STEPS or at > len(data):  # ORG-1
        raise FormatError("restoring data that end early", rule="ORG-1")
    steps = [Step(*fields) for fields in _STEP.iter_unpack(data[_COUNT.size : at])]
    if any(step.kind not in (_LITERAL, _COPY) for step in steps):  # ORG-1
        raise FormatError("restoring data with an unknown kind of step", rule="ORG-1")
    return steps, at


def _pieces(literals: memoryview, steps: Sequence[Step], delivered: Sequence[Buffer]) -> Iterator[Buffer]:
    starts = np.cumsum([0, *map(len, delivered)])
    at = 0
    for kind, offset, length in steps:
        if kind == _LITERAL:
            yield literals[at : at + length]
            at += length
            continue
        number = int(np.searchsorted(starts, offset, "right")) - 1
        while length:
            inside = offset - int(starts[number])
            cut = memoryview(delivered[number]).cast("B")[inside : inside + length]
            yield cut
            offset, length, number = offset + len(cut), length - len(cut), number + 1


def check(pieces: Iterator[Buffer], sha256: str) -> list[Buffer]:
    """The pieces, if together they are the file that was packed.

    Raises:
        BadSignatureError: they are another one (ORG-4).
    """
    kept = list(pieces)
    digest = hashlib.sha256()
    for piece in kept:
        digest.update(piece)
    if digest.hexdigest() != sha256:  # ORG-4
        raise BadSignatureError("the restored file is not the original that was packed", rule="ORG-4")
    return kept
