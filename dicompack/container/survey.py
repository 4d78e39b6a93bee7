"""What there is of a set of volumes: each file by what its content says, and everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dicompack.container.conditions import RandomAccess, check_blocks, examine
from dicompack.container.names import is_recovery_well_named, is_well_named
from dicompack.container.structure import FoundVolume
from dicompack.errors import FormatError, UnsupportedError, UsageError
from dicompack.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dicompack.container.frames import Descriptor

_COMPARE_SIZE = 1 << 20


@dataclass(frozen=True, order=True)
class VolumeNumber:
    """Which volume of a set; data volumes come first."""

    is_recovery: bool
    index: int
    """From 1, of its kind."""


class VolumeFault(NamedTuple):
    """One thing that is wrong, and with which volume; None where that is not known."""

    number: VolumeNumber | None
    finding: Finding


@dataclass(frozen=True)
class Survey:
    """The files of one set."""

    descriptor: Descriptor
    """Of any volume: its set description holds for all."""
    found: Mapping[VolumeNumber, Sequence[FoundVolume]]
    """The files that say that they are this volume; several where they differ."""
    strangers: Mapping[str, RandomAccess]
    """Files without head and tail."""
    faults: tuple[VolumeFault, ...]
    findings: tuple[Finding, ...]
    """What is no fault: duplicates, names."""

    @property
    def numbers(self) -> list[VolumeNumber]:
        """Every volume that there should be."""
        data = [VolumeNumber(False, index) for index in range(1, self.descriptor.count + 1)]
        return data + [VolumeNumber(True, index) for index in range(1, self.descriptor.recovery + 1)]

    @property
    def missing(self) -> list[VolumeNumber]:
        """Volumes without a file."""
        return [number for number in self.numbers if number not in self.found]

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Files that may have been volumes."""
        lost = "not a volume, or nothing of its head and tail is left"
        return tuple(Finding("not-a-volume", name, lost, "VOL-1") for name in self.strangers)

    def faults_of(self, *, recovery: bool) -> tuple[Finding, ...]:
        """The faults of the data volumes, or of the recovery volumes."""
        return tuple(
            fault.finding
            for fault in self.faults
            if (fault.number is not None and fault.number.is_recovery) == recovery
        )


def number_of(descriptor: Descriptor) -> VolumeNumber:
    """Which volume a descriptor is about."""
    return VolumeNumber(descriptor.is_recovery, descriptor.index)


def survey(volumes: Mapping[str, RandomAccess]) -> Survey:
    """See what the files are, from their heads and tails; blocks are read only of copies that differ.

    Args:
        volumes: the files by name. Names are for messages only: what a volume is, its content says.

    Raises:
        FormatError: VOL-1 none of the files is a volume; VOL-4, VOL-12.
        UnsupportedError: VOL-2, VOL-5.
        UsageError: VOL-11 volumes of more than one set.
    """
    everything, strangers = _examine_all(volumes)
    _check_one_set(everything)
    everything.sort(key=lambda volume: number_of(volume.condition.descriptor))
    found: dict[VolumeNumber, list[FoundVolume]] = {}
    findings: list[Finding] = []
    for volume in everything:
        name, descriptor = volume.file_name, volume.condition.descriptor
        if not _is_well_named(name, descriptor):  # VOL-16
            message = f"the name does not say that this is {descriptor.number}"
            findings.append(Finding("misnamed", name, message, "VOL-16"))
        copies = found.setdefault(number_of(descriptor), [])
        same = next((other for other in copies if _is_same(other.file, volume.file)), None)
        if same is not None:  # VOL-13
            findings.append(Finding("duplicate", name, f"the same bytes as {same.file_name}", "VOL-13"))
            continue
        copies.append(volume)
    faults: list[VolumeFault] = []
    for number, copies in found.items():
        found[number], of_copies = _best(copies)
        findings += of_copies
        faults += _faults(number, found[number])
    descriptor = everything[0].condition.descriptor
    faults += missing_faults(descriptor, found)
    message = "this file is no volume of the package and was left aside"
    findings += [Finding("not-a-volume", name, message, "VOL-1") for name in strangers]
    return Survey(descriptor, found, strangers, tuple(faults), tuple(findings))


def _best(copies: list[FoundVolume]) -> tuple[list[FoundVolume], list[Finding]]:
    """Of copies that differ the one that is sound, if it is one alone; else all of them."""
    sound = [copy for copy in copies if _is_sound(copy)] if len(copies) > 1 else []
    if len(sound) != 1:
        return copies, []
    (used,) = sound
    what = used.condition.descriptor.number.partition(" of ")[0]
    message = f"{what} again, and damaged; {used.file_name} is used"
    others = [copy for copy in copies if copy is not used]
    return sound, [Finding("duplicate", copy.file_name, message, "VOL-13") for copy in others]  # VOL-13


def _is_sound(volume: FoundVolume) -> bool:
    """Whether a data volume is to the last byte what its own table says; a recovery volume has none."""
    condition = volume.condition
    return not (condition.descriptor.is_recovery or condition.faults or check_blocks(volume.file, condition))


def _faults(number: VolumeNumber, copies: Sequence[FoundVolume]) -> Iterator[VolumeFault]:
    for place, volume in enumerate(copies):
        called = volume.condition.descriptor.number
        for fault in volume.condition.faults:
            finding = Finding(fault.kind, volume.file_name, f"{called}: {fault.message}", fault.rule)
            yield VolumeFault(number, finding)
        if place:  # VOL-13
            what = called.partition(" of ")[0]
            message = f"{what} again, but not the bytes of {copies[0].file_name}"
            yield VolumeFault(number, Finding("duplicate", volume.file_name, message, "VOL-13"))


def _is_well_named(name: str, descriptor: Descriptor) -> bool:
    if descriptor.is_recovery:
        return is_recovery_well_named(name, descriptor.index, descriptor.recovery)
    return is_well_named(name, descriptor.index, descriptor.count)


def missing_faults(descriptor: Descriptor, found: Iterable[VolumeNumber]) -> list[VolumeFault]:
    """Runs of numbers without a file: VOL-15, under the first of them."""
    faults = []
    present = sorted(found)
    for is_recovery, count in ((False, descriptor.count), (True, descriptor.recovery)):
        expected = 1
        indexes = [number.index for number in present if number.is_recovery == is_recovery]
        for index in (*indexes, count + 1):
            if index > expected:  # VOL-15
                first = VolumeNumber(is_recovery, expected)
                what = replace(descriptor, is_recovery=is_recovery, index=expected).number
                message = f"{what} is missing"
                if index - expected > 1:
                    what = what.replace("volume ", "volumes ", 1)
                    message = what.replace(" of ", f" to {index - 1} of ", 1) + " are missing"
                faults.append(VolumeFault(first, Finding("missing", "", message, "VOL-15")))
            expected = index + 1
    return faults


def _examine_all(
    volumes: Mapping[str, RandomAccess],
) -> tuple[list[FoundVolume], dict[str, RandomAccess]]:
    found, strangers = [], {}
    for name, file in volumes.items():
        try:
            found.append(FoundVolume(name, file, examine(file)))
        except (FormatError, UnsupportedError) as error:
            if error.rule != "VOL-1":
                error.where = name
                raise
            strangers[name] = file
    if not found:  # VOL-1
        where = next(iter(strangers)) if len(strangers) == 1 else None
        raise FormatError(
            "not a DICOMPack volume, or nothing of its head and tail is left", where=where, rule="VOL-1"
        )
    return found, strangers


def _check_one_set(found: Sequence[FoundVolume]) -> None:
    sets: dict[bytes, list[FoundVolume]] = {}
    for volume in found:
        sets.setdefault(volume.condition.volume_set, []).append(volume)
    if len(sets) > 1:  # VOL-11
        listed = "; ".join(
            f"{volume_set.hex()[:8]} ({', '.join(volume.file_name for volume in members)})"
            for volume_set, members in sets.items()
        )
        raise UsageError(
            f"volumes of {len(sets)} sets: {listed}", rule="VOL-11", hint="give the volumes of one set only"
        )
    first = found[0]
    for volume in found[1:]:
        if (
            volume.condition.descriptor.set_description != first.condition.descriptor.set_description
        ):  # VOL-12
            raise FormatError(
                f"contradicts {first.file_name}, although both name the same set",
                where=volume.file_name,
                rule="VOL-12",
            )


def _is_same(one: RandomAccess, other: RandomAccess) -> bool:
    if one.size != other.size:
        return False
    return all(
        one.read_at(start, _COMPARE_SIZE) == other.read_at(start, _COMPARE_SIZE)
        for start in range(0, one.size, _COMPARE_SIZE)
    )
