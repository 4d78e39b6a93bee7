"""How many recovery volumes a package gets, and the volume size that leaves room for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from dicompack.container.layout import Layout, SetIds, StoredObject, VolumeSizeError, lay_out
from dicompack.container.limits import MAXIMUM_COLUMNS, MINIMUM_VOLUME_SIZE
from dicompack.container.striping import largest_data_volume, recovery_volume_size
from dicompack.errors import UsageError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)
_SHARE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?%", re.ASCII)


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
        needed = MINIMUM_VOLUME_SIZE
        try:
            if self._size is None or self._size >= needed or self._size == self._asked:
                layout = lay_out(objects, ids, self._size, self.recovery)
                self._check(layout, objects, ids)
                return layout
        except VolumeSizeError as error:
            if self._size == self._asked:
                raise
            needed = error.needed
        size = recovery_volume_size(needed, self._width)
        raise UsageError(
            f"the volume size of {self._asked} bytes is too small for {len(objects)} objects and recovery",
            rule="VOL-14",
            hint=f"ask for volumes of at least {size} bytes, or --recovery 0",
        )

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

    def _check(self, layout: Layout, objects: Sequence[StoredObject], ids: SetIds) -> None:
        wish = self._redundancy
        columns = layout.volumes[0].descriptor.striping.columns
        if wish.is_default or not wish.volumes(columns):
            return
        if columns + wish.volumes(columns) <= MAXIMUM_COLUMNS:
            return
        most = wish.most_columns()  # REC-1
        what = "data" if layout.count > 1 else "parts of the data"
        message = (
            f"{columns} {what} and {wish.volumes(columns)} recovery volumes are more than {MAXIMUM_COLUMNS}"
        )
        if layout.count == 1:
            raise UsageError(message, rule="REC-1", hint="ask for less")
        size = _size_for(layout.total, most, objects, ids)
        raise UsageError(
            message, rule="REC-1", hint=f"ask for volumes of at least {size} bytes, or for less recovery"
        )


def _size_for(total: int, most: int, objects: Sequence[StoredObject], ids: SetIds) -> int:
    """A size to ask for that gives at most `most` data volumes."""
    size = total // most
    while True:
        size = -(-size // 1024) * 1024
        inner = largest_data_volume(size, MAXIMUM_COLUMNS)
        try:
            if inner >= MINIMUM_VOLUME_SIZE and lay_out(objects, ids, inner).count <= most:
                return size
        except VolumeSizeError:
            pass  # too small for the directory: larger, then
        size += max(1024, size // 64)
