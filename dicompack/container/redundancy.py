"""How many recovery volumes a package gets, and the volume size that leaves room for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from dicompack.container.layout import (
    SIZE_STEP,
    Layout,
    SetIds,
    StoredObject,
    VolumeSizeError,
    lay_out,
    rounded_size,
)
from dicompack.container.limits import MAXIMUM_COLUMNS, MINIMUM_VOLUME_SIZE
from dicompack.container.striping import largest_data_volume, recovery_volume_size
from dicompack.errors import UsageError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)
_SHARE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?%", re.ASCII)


MAXIMUM_ROUNDS = 20
"""The numbers only rise, and a few rounds are enough; more would mean that they swing."""


@dataclass(frozen=True)
class Redundancy:
    """How much recovery is wanted: a count of volumes, or a share of the data volumes."""

    count: int = 0
    share: Fraction | None = None
    is_default: bool = False
    """Not asked for: left out where it does not fit or there is one volume only."""

    def volumes(self, columns: int) -> int:
        """Recovery volumes for so many data columns; a share gives one at least."""
        if self.share is None:
            return self.count
        return max(1, -int(-(columns * self.share) // 1)) if self.share else 0

    def most_columns(self) -> int:
        """The most data columns that there can be with it; 0 where there are none."""
        return max(
            (k for k in range(1, MAXIMUM_COLUMNS) if k + self.volumes(k) <= MAXIMUM_COLUMNS), default=0
        )


NO_RECOVERY = Redundancy()
DEFAULT_RECOVERY = Redundancy(share=Fraction(5, 100), is_default=True)


def parse_recovery(text: str) -> Redundancy:
    """Read ``10%``, ``7.5%`` or a count such as ``2``; 0 is none.

    Raises:
        UsageError: REC-1 it is neither, or more than any package can have.
    """
    found = _SHARE.fullmatch(text.strip())
    if found is not None:
        wish = Redundancy(share=Fraction(found.group(1)) / 100)
    elif _COUNT.fullmatch(text.strip()):
        wish = Redundancy(count=int(text))
    else:
        raise UsageError(
            "recovery is a share such as 10% or a number of volumes such as 2", rule="REC-1"
        )  # REC-1
    if wish.most_columns() == 0:  # REC-1
        raise UsageError(
            f"a package has at most {MAXIMUM_COLUMNS - 1} recovery volumes", rule="REC-1", hint="ask for less"
        )
    return wish


def redundancy_of(recovery: str | int | None, volume_size: int | None) -> Redundancy:
    """What is asked for, or the default: 5 % where volumes are asked for.

    Raises:
        UsageError: REC-1
    """
    if recovery is not None:
        return parse_recovery(str(recovery))
    return NO_RECOVERY if volume_size is None else DEFAULT_RECOVERY


def asked_of(layout: Layout) -> int | None:
    """The volume size to ask for to have what a package has."""
    if layout.volume_size is None or not layout.recovery:
        return layout.volume_size
    return recovery_volume_size(layout.volume_size, layout.count + layout.recovery)


class Fitting:
    """Finds volume size and number of recovery volumes that go together, round by round.

    No file is larger than the size that was asked for. A recovery volume is a little larger than a data
    volume, so the data volumes become smaller. The SEAL names both numbers and may grow with them: hence the
    rounds, which end when nothing changes any more.
    """

    def __init__(self, redundancy: Redundancy, volume_size: int | None) -> None:
        self._redundancy = redundancy
        self._asked = volume_size
        self._width = 0
        self._size = volume_size
        self._is_left_out = False
        self.count = 1
        self.recovery = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """That the default was left out, if so."""
        if not self._is_left_out:
            return ()
        message = (
            f"no recovery volumes: with {self.count} data volumes there is no room for them; "
            "larger volumes or --recovery would give some"
        )
        return (Finding("no-recovery", "", message, "REC-1"),)

    def lay_out(self, objects: Sequence[StoredObject], ids: SetIds) -> Layout:
        """Lay out with the numbers so far.

        Raises:
            UsageError: VOL-14, with a size to ask for; REC-1 as many recovery volumes cannot be.
        """
        try:
            return self._lay_out(objects, ids)
        except _NoFitError as error:
            if self._asked is None:
                raise UsageError(error.message, rule=error.rule, hint="ask for less") from None
            size = _size_that_does(objects, ids, self._redundancy, max(error.needed, self._asked + 1))
            hint = "ask for less recovery"
            if size is not None:
                hint = f"ask for volumes of at least {size} bytes, or for less recovery"
            raise UsageError(error.message, rule=error.rule, hint=hint) from None

    def _lay_out(self, objects: Sequence[StoredObject], ids: SetIds) -> Layout:
        too_small = (
            f"the volume size of {self._asked} bytes is too small for {len(objects)} objects and recovery"
        )
        is_reduced = self._size is not None and self._size != self._asked
        if is_reduced and (self._size or 0) < MINIMUM_VOLUME_SIZE:
            raise _NoFitError(
                too_small, "VOL-14", recovery_volume_size(MINIMUM_VOLUME_SIZE, self._width)
            )  # VOL-14
        wants = self._redundancy.volumes(1) > 0
        try:
            layout = lay_out(objects, ids, self._size, self.recovery, suggest=not wants)
        except VolumeSizeError:
            if not wants:
                raise
            # In the first round nothing is known of recovery yet, and it needs room, too.
            raise _NoFitError(too_small, "VOL-14", 0) from None
        columns = layout.volumes[0].descriptor.striping.columns
        recovery = self._redundancy.volumes(columns)
        if recovery and columns + recovery > MAXIMUM_COLUMNS and not self._redundancy.is_default:  # REC-1
            what = "data" if layout.count > 1 else "parts of the data"
            message = f"{columns} {what} and {recovery} recovery volumes are more than {MAXIMUM_COLUMNS}"
            raise _NoFitError(message, "REC-1", layout.total // self._redundancy.most_columns())
        return layout

    def is_settled(self, layout: Layout) -> bool:
        """Whether a layout has the numbers that it was made for; takes its numbers for the next round."""
        before = (self.count, self.recovery, self._size)
        columns = layout.volumes[0].descriptor.striping.columns
        self.count, self.recovery = layout.count, self._recovery_for(layout)
        self._size = self._asked
        if self.recovery and self._asked is not None:
            self._width = max(self._width, columns + self.recovery)  # never less: sizes must not swing
            self._size = largest_data_volume(self._asked, self._width)
        return before == (self.count, self.recovery, self._size)

    def _recovery_for(self, layout: Layout) -> int:
        wish = self._redundancy
        if wish.is_default and (layout.count == 1 or self._is_left_out):
            return 0
        columns = layout.volumes[0].descriptor.striping.columns
        recovery = wish.volumes(columns)
        if recovery and columns + recovery > MAXIMUM_COLUMNS:
            self._is_left_out = True
            return 0
        return recovery


class _NoFitError(Exception):
    """Volume size and recovery do not go together.

    Attributes:
        needed: bytes below which no size does; 0 where that is not known.
    """

    def __init__(self, message: str, rule: str, needed: int) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.needed = needed


def _size_that_does(
    objects: Sequence[StoredObject], ids: SetIds, redundancy: Redundancy, size: int
) -> int | None:
    """A volume size from `size` on with which the recovery can be had; None where there is none."""
    high = rounded_size(size)
    low = high - SIZE_STEP
    one_volume = lay_out(objects, ids, None).total  # whatever is above that
    while not _does(objects, ids, redundancy, high):
        if high > 2 * one_volume:
            return None
        low, high = high, rounded_size(high + high // 2)  # of two volumes it makes no single one
    while high - low > max(SIZE_STEP, high // 64):
        middle = rounded_size((low + high) // 2)
        if _does(objects, ids, redundancy, middle):
            high = middle
        else:
            low = middle
    return high + SIZE_STEP  # the SEAL has as many digits as the numbers in it


def _does(objects: Sequence[StoredObject], ids: SetIds, redundancy: Redundancy, size: int) -> bool:
    fitting = Fitting(redundancy, size)
    try:
        for _ in range(MAXIMUM_ROUNDS):
            if fitting.is_settled(fitting._lay_out(objects, ids)):  # of this class
                return True
    except (_NoFitError, VolumeSizeError):
        pass
    return False
