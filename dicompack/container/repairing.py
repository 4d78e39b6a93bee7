"""What is damaged, whether it can be made again, and the bytes of the volumes that are made again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dicompack.container.conditions import Fault, VolumeCondition, merged
from dicompack.container.faults import DamagedVolumesError, RepairableVolumesError
from dicompack.container.frames import TailSum, head
from dicompack.container.limits import MAXIMUM_PROBLEMS_SHOWN
from dicompack.container.stripes import Stripe, StripeReader, batches, marshal_row, rebuild
from dicompack.container.striping import HEAD_SIZE, block_hash
from dicompack.container.structure import FoundVolume
from dicompack.container.survey import Survey, VolumeFault, VolumeNumber, missing_faults
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dicompack.container.conditions import RandomAccess
    from dicompack.container.frames import Descriptor
    from dicompack.container.striping import Striping

_PROBES = 32
"""Blocks of a file without head and tail that are looked at to find which volume it was."""


class Piece(NamedTuple):
    """Bytes of a volume that is made again."""

    number: VolumeNumber
    offset: int
    data: bytes


@dataclass(frozen=True)
class Diagnosis:
    """Every volume of a set, judged to the last byte."""

    survey: Survey
    faults: tuple[Finding, ...]
    """What is wrong, with the damaged ranges."""
    remake: tuple[VolumeNumber, ...]
    """Volumes to be made again: missing, or not what was written."""
    needed: tuple[VolumeNumber, ...]
    """Volumes with which all could be made again, if they were whole; none: it can be."""
    any_of_them: bool
    """Whether as many others of those that are lost would do as well."""

    @property
    def told(self) -> tuple[Finding, ...]:
        """What is wrong, and the files of which nobody knows which volume they were."""
        return (*self.faults, *self.survey.unknown)

    def check_repairable(self) -> None:
        """See that everything can be made again.

        Raises:
            DamagedVolumesError: REC-4, with every fault and how many more volumes are needed.
        """
        short = len(self.needed)
        if short:
            are = "volume is" if short == 1 else "volumes are"
            message = f"not repairable: {short} more {are} needed"  # REC-4
            hint = f"get {short} of the volumes that are named again from the sender"
            if not self.any_of_them:
                shown = [_called(self.survey.descriptor, one) for one in self.needed[:MAXIMUM_PROBLEMS_SHOWN]]
                if short > len(shown):
                    shown.append(f"and {short - len(shown)} more")
                hint = f"get again from the sender: {', '.join(shown)}"
            raise DamagedVolumesError([*self.told, Finding("damaged", "", message, "REC-4")], hint=hint)

    def check_sound(self) -> None:
        """See that nothing is wrong.

        Raises:
            DamagedVolumesError: something is, and it cannot be made again.
            RepairableVolumesError: it can.
        """
        self.check_repairable()
        if self.remake:
            raise RepairableVolumesError(self.told, hint=self.how_to_repair)

    @property
    def how_to_repair(self) -> str:
        """What to call: volumes that are only missing go beside the others, and nothing else does."""
        if self.survey.strangers or any(self.survey.found.get(number) for number in self.remake):
            return "dicompack repair -d DIR makes the package anew"
        return "dicompack repair makes them anew"


def recovery_descriptor(descriptor: Descriptor, index: int) -> Descriptor:
    """The descriptor of recovery volume `index`, from that of any volume of its set."""
    size = descriptor.striping.recovery_size
    return replace(
        descriptor, is_recovery=True, index=index, size=size, offset=0, tail_offset=size - HEAD_SIZE
    )


def recovery_frame(descriptor: Descriptor) -> tuple[bytes, bytes]:
    """Head and tail of a recovery volume."""
    return head(descriptor), TailSum(descriptor).finish()[1]


def diagnose(surveyed: Survey, on_bytes: Callable[[int], None] | None = None) -> Diagnosis:
    """Judge every block of a set that has recovery volumes.

    Args:
        surveyed: the files.
        on_bytes: called with the number of bytes of data after every piece.
    """
    descriptor = surveyed.descriptor
    surveyed = _with_headless(surveyed)
    reader = StripeReader(descriptor, surveyed.found)
    striping, reached = reader.striping, reader.reached
    ranges: dict[VolumeNumber, list[tuple[int, int]]] = {number: [] for number in surveyed.numbers}
    beyond: set[tuple[int, ...]] = set()  # the lost columns of stripes that have lost too much
    for batch in batches(striping, reached):
        for stripe in reader.read(batch):
            if len(stripe.bad) > striping.recovery:
                beyond.add(stripe.bad)
            _note(reader, stripe, ranges)
        if on_bytes is not None:
            on_bytes(_data_size(reader, batch))
    if reached < striping.stripes:
        # Nothing is left of these; the first of them has lost whatever the later ones have.
        beyond.add(_all_columns(striping, reached))
    faults = [fault.finding for fault in surveyed.faults]
    for number, spans in ranges.items():
        for volume in surveyed.found.get(number, ()):
            size = volume.condition.actual_size
            rule = "REC-2" if number.is_recovery else "VOL-10"
            what = volume.condition.descriptor.number
            faults += [
                Finding("damaged", volume.file_name, f"{what}: bytes {start} to {end - 1} are damaged", rule)
                for start, end in merged([(at, min(stop, size)) for at, stop in spans if at < size])
            ]
    wrong = {fault.number for fault in surveyed.faults} | set(surveyed.missing)
    remake = tuple(number for number in surveyed.numbers if number in wrong or ranges[number])
    needed = _needed(striping, beyond)
    # With one file its columns come and go together.
    any_of_them = striping.count > 1 and tuple(sorted(set().union(*beyond))) in beyond
    return Diagnosis(surveyed, tuple(faults), remake, needed, any_of_them)


def _all_columns(striping: Striping, stripe: int) -> tuple[int, ...]:
    """The columns that have not ended before a stripe."""
    data = [column for column in range(striping.columns) if striping.place(column, stripe).size]
    return (*data, *range(striping.columns, striping.columns + striping.recovery))


def _needed(striping: Striping, beyond: Iterable[tuple[int, ...]]) -> tuple[VolumeNumber, ...]:
    """A few volumes with which no stripe would have lost too much: each time the one that helps most."""
    chosen: list[VolumeNumber] = []
    lost = [[_volume_of(striping, column) for column in columns] for columns in beyond]
    while lost:
        helps = Counter(number for numbers in lost for number in numbers)
        best = min(helps, key=lambda number: (-helps[number], number))
        chosen.append(best)
        left = ([number for number in numbers if number != best] for numbers in lost)
        lost = [numbers for numbers in left if len(numbers) > striping.recovery]
    return tuple(sorted(chosen))


def _volume_of(striping: Striping, column: int) -> VolumeNumber:
    if column < striping.columns:
        return VolumeNumber(False, striping.place(column, 0).volume)
    return VolumeNumber(True, column - striping.columns + 1)


def _called(descriptor: Descriptor, number: VolumeNumber) -> str:
    return replace(descriptor, is_recovery=number.is_recovery, index=number.index).number


def _note(reader: StripeReader, stripe: Stripe, ranges: dict[VolumeNumber, list[tuple[int, int]]]) -> None:
    """Where the bad blocks and rows of a stripe lie in their files."""
    striping = reader.striping
    for column in sorted({*stripe.bad, *stripe.torn}):
        if column < striping.columns:
            place = striping.place(column, stripe.number)
            _add(ranges[VolumeNumber(False, place.volume)], place.offset, place.offset + place.size)
            continue
        start = striping.slice_offset(stripe.number)
        body = start + striping.row_size
        if column not in stripe.torn:
            start = body
        end = body + (striping.parity_size(stripe.number) if column in stripe.bad else 0)
        _add(ranges[VolumeNumber(True, column - striping.columns + 1)], start, end)  # REC-2


def _add(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """One more range; what a missing volume has lost is one range, and not one for each block."""
    if spans and spans[-1][1] == start:
        start = spans.pop()[0]
    spans.append((start, end))


def _data_size(reader: StripeReader, batch: range) -> int:
    place = reader.striping.place
    return sum(place(column, stripe).size for stripe in batch for column in range(reader.striping.columns))


def remake(diagnosis: Diagnosis) -> Iterator[Piece]:
    """The bytes of all volumes that are to be made again, in pieces that do not overlap.

    Raises:
        DamagedVolumesError: REC-4, REC-5 it cannot be done.
    """
    descriptor = diagnosis.survey.descriptor
    reader = StripeReader(descriptor, diagnosis.survey.found)
    striping, description = reader.striping, descriptor.set_description
    wanted = diagnosis.remake
    for number in wanted:
        if number.is_recovery:
            own = recovery_descriptor(descriptor, number.index)
            start, end = recovery_frame(own)
            yield Piece(number, 0, start)
            yield Piece(number, own.tail_offset, end)
    data = {number.index for number in wanted if not number.is_recovery}
    columns = [column for column in range(striping.columns) if striping.place(column, 0).volume in data]
    for batch in batches(striping):
        stripes = reader.read(batch)
        rebuild(striping, description, stripes)
        for column in columns:
            for stripe in stripes:
                place = striping.place(column, stripe.number)
                if place.size:
                    number = VolumeNumber(False, place.volume)
                    yield Piece(number, place.offset, stripe.blocks[column])
        for number in wanted:
            if number.is_recovery:
                column = striping.columns + number.index - 1
                for stripe in stripes:
                    row = marshal_row(description, stripe.number, stripe.row or ())
                    yield Piece(number, striping.slice_offset(stripe.number), row + stripe.blocks[column])


def _with_headless(surveyed: Survey) -> Survey:
    """Find out which volumes the files without head and tail were, by the hashes of their blocks."""
    found = {number: list(volumes) for number, volumes in surveyed.found.items()}
    strangers = dict(surveyed.strangers)
    faults = [fault for fault in surveyed.faults if fault.finding.kind != "missing"]
    for name, file in surveyed.strangers.items():
        number = _recognise(surveyed, file)
        if number is None:
            continue
        del strangers[name]
        descriptor = _descriptor_of(surveyed, number)
        fault = Fault("headless", "its head and its tail are destroyed", "VOL-8")
        finding = Finding(fault.kind, name, f"{descriptor.number}: {fault.message}", fault.rule)
        faults.append(VolumeFault(number, finding))
        condition = VolumeCondition(descriptor, file.size, (fault,))
        found.setdefault(number, []).append(FoundVolume(name, file, condition))
    faults += missing_faults(surveyed.descriptor, found)
    findings = tuple(one for one in surveyed.findings if one.rule != "VOL-1" or one.where in strangers)
    return replace(surveyed, found=found, strangers=strangers, faults=tuple(faults), findings=findings)


def _descriptor_of(surveyed: Survey, number: VolumeNumber) -> Descriptor:
    """What is known of the descriptor of a volume that has lost both: not where its tail began."""
    descriptor = surveyed.descriptor
    if number.is_recovery:
        return recovery_descriptor(descriptor, number.index)
    size = descriptor.striping.size_of(number.index)
    return replace(descriptor, is_recovery=False, index=number.index, size=size, tail_offset=size)


def _recognise(surveyed: Survey, file: RandomAccess) -> VolumeNumber | None:
    """The missing volume that a file was, from blocks that have a hash of its column."""
    reader = StripeReader(surveyed.descriptor, surveyed.found)
    striping = reader.striping
    rows = StripeReader(
        surveyed.descriptor,
        {number: volumes for number, volumes in surveyed.found.items() if number.is_recovery},
    )
    missing = set(surveyed.missing)
    step = max(1, striping.stripes // _PROBES)
    for number in range(0, striping.stripes, step):
        row = rows.read(range(number, number + 1))[0].row
        if row is None:
            continue
        for column in range(striping.columns):
            place = striping.place(column, number)
            volume = VolumeNumber(False, place.volume)
            if volume in missing and place.size:
                block = file.read_at(place.offset, place.size)
                if block_hash(block) == row[column]:
                    return volume
        start = striping.slice_offset(number) + striping.row_size
        parity = block_hash(file.read_at(start, striping.parity_size(number)))
        for index in range(1, striping.recovery + 1):
            volume = VolumeNumber(True, index)
            if volume in missing and parity == row[striping.columns + index - 1]:
                return volume
    return None
