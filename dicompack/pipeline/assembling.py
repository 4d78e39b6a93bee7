"""From sealed objects to the volumes of a package, which nobody sees yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dicompack import files
from dicompack.container.layout import Layout
from dicompack.container.volume_writer import ReadObject
from dicompack.pipeline.demands import demand_of_source
from dicompack.pipeline.instances import PackedInstance, PackingSettings, object_path
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.opening import OnProgress, counting
from dicompack.pipeline.originals import (
    Collected,
    OtherSettings,
    PackedOther,
    collect,
    other_tasks,
    pack_other,
    start_others,
)
from dicompack.pipeline.reports import member_of
from dicompack.pipeline.source_instances import Maps, Refused
from dicompack.report import Finding, Member, Progress, Skipped
from dicompack.stages import volumes
from dicompack.stages.package import SealedMember, SealedOriginals
from dicompack.stages.seals import Packed
from dicompack.workers import Place, Workers

_READ_SIZE = 1 << 20
_LOOKED_EVERY = 1 << 24
"""Bytes of sealed objects after which the disk is looked at again."""


def pack_others(
    intake: Intake[PackedInstance], settings: PackingSettings, place: Place, on_progress: OnProgress
) -> list[PackedOther]:
    """Seal the files that are no instances; what cannot be read is left out with its reason."""
    known = OtherSettings(settings.originator.addressees, settings.folder)
    workers = Workers(start_others, known, pack_other, place, demand_of_source)
    packed = []
    for done, (task, result) in enumerate(workers.run(other_tasks(intake.others)), start=1):
        on_progress(Progress("packing", done, len(intake.others), "other files"))
        if isinstance(result, PackedOther):
            packed.append(result)
            continue
        reason = result.reason if isinstance(result, Refused) else result.message
        # It was to travel: so it counts as something that was left out.
        intake.skipped.append(Skipped(task.name, dicom=True, reason=reason))
    return sorted(packed, key=lambda one: one.original.name)


class RoomForVolumes:
    """Sees while members are sealed that the volumes will fit, too: not only when all of them are.

    Args:
        folder: where the volumes will be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sealed = self._checked = 0

    def note(self, done: PackedInstance) -> None:
        """One more member is sealed.

        Raises:
            OutputError: there is no room for volumes with what is sealed so far.
        """
        self._sealed += sum(one.size for one in done.member.objects)
        if self._sealed - self._checked >= _LOOKED_EVERY:
            self._checked = self._sealed
            files.check_room(self._folder, self._sealed)


@dataclass(frozen=True)
class Ready:
    """A package that is to be written; of 100 000 members it is large, and goes when it has been written."""

    layout: Layout
    names: Sequence[str]
    """Of the files with members and restoring data, in the order of the package."""
    own: dict[str, bytes]
    """Objects that are in no file; all others are in files of their own names."""

    @property
    def size(self) -> int:
        """Bytes of all its volumes."""
        return self.layout.total + volumes.recovery_total(self.layout)


@dataclass(frozen=True)
class Told:
    """What is told of a package, when it has its name."""

    maps: Sequence[Maps]
    members: tuple[Member, ...]
    others: tuple[str, ...]
    instances_in: int
    findings: Sequence[Finding]
    of_package: Sequence[Finding]


def put_together(
    intake: Intake[PackedInstance],
    others: Sequence[PackedOther],
    settings: PackingSettings,
    pack_package: Callable[[Sequence[SealedMember], SealedOriginals], Packed],
) -> tuple[Ready, Told]:
    """Stage 5. The intake has forgotten all afterwards."""
    instances, findings = intake.settle("packed")
    kept = _collected(instances, others, settings)
    members = [one.member for one in instances]
    if settings.policy is None:
        members = [
            replace(one, facts=replace(one.facts, original=original))
            for one, original in zip(members, kept.originals, strict=True)
        ]
    packed = pack_package(members, kept.sealed)
    told = Told(
        [one.facts.maps for one in instances if settings.maps],
        tuple(
            member_of(number, one.facts, sum(part.size for part in one.objects))
            for number, one in enumerate(members, start=1)
        ),
        tuple(one.original.name for one in others),
        intake.instances_in,
        findings,
        packed.findings,
    )
    names = [*_file_names(instances), *(path.name for path in kept.paths.values())]
    intake.forget()
    return Ready(packed.layout, names, packed.objects), told


def _collected(
    members: Sequence[PackedInstance], others: Sequence[PackedOther], settings: PackingSettings
) -> Collected:
    originator = settings.originator
    custody = settings.policy is not None
    return collect(
        [
            (one.member.facts.series_instance_uid, one.staged, one.kept)
            for one in members
            if one.kept is not None
        ],
        others,
        Path(settings.folder),
        settings.staging_key,
        originator.custodian_certificates if custody else originator.addressees,
        custody=custody,
    )


def _file_names(instances: Sequence[PackedInstance]) -> Iterator[str]:
    """Of the files with the sealed objects of all members, in the order of the package."""
    for one in instances:
        for number in range(1, len(one.member.objects) + 1):
            yield object_path("", one.staged, number).name


def write_volumes(
    layout: Layout, read: ReadObject, folder: Path, name: str, on_progress: OnProgress
) -> list[Path]:
    """The volumes of a package, in a folder of staging."""
    total = layout.total + volumes.recovery_total(layout)

    return volumes.pack(layout, read, folder, name, counting(on_progress, "writing", total))


def write(ready: Ready, objects: Path, folder: Path, name: str, on_progress: OnProgress) -> list[Path]:
    """Its volumes, in a folder of staging."""
    file_names = {item.name: name for item, name in zip(ready.layout.objects, ready.names, strict=False)}

    def read(object_name: str, offset: int, size: int) -> Iterator[bytes | memoryview]:
        if object_name in ready.own:
            yield memoryview(ready.own[object_name])[offset : offset + size]
            return
        with files.FileAccess(objects / file_names.get(object_name, object_name)) as access:
            for start in range(offset, offset + size, _READ_SIZE):
                yield access.read_at(start, min(_READ_SIZE, offset + size - start))

    return write_volumes(ready.layout, read, folder, name, on_progress)
