"""What is to be opened of a package, and where each file goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicompack import files
from dicompack.container.manifest import Manifest
from dicompack.container.names import member_name
from dicompack.container.originals import Custody
from dicompack.pipeline.instances import OtherTask, UnpackObject, UnpackTask
from dicompack.pipeline.originals import listed_originals, restoring_tasks
from dicompack.pipeline.selection import Selection
from dicompack.report import Finding
from dicompack.stages.seals import CheckedSeal
from dicompack.stages.volumes import Extent, Volumes


def tasks_of(
    opened: Volumes,
    sealed: CheckedSeal,
    content: Manifest,
    custody: Custody | None,
    *,
    keep_signed: bool = False,
    selection: Selection | None = None,
) -> list[UnpackTask | OtherTask]:
    """What is to be opened, and where it goes; what is restored from one object comes together.

    Raises:
        InputError: no instance is selected.
        DamagedVolumesError: what is selected lies in volumes that are missing.
    """
    extents = opened.extents()
    listed = listed_originals(content, custody)
    by_object = sorted(range(len(listed)), key=lambda place: listed[place].restoring.object)
    ordered = [*(listed[place] for place in by_object), *content.others]
    restoring = restoring_tasks(ordered, extents, sealed.rows)
    of_member = dict(zip(by_object, restoring, strict=False))
    names = files.RestoredNames()
    numbers = content.objects
    tasks: list[UnpackTask | OtherTask] = []
    for place in by_object or range(len(content.members)):
        member = content.members[place]
        holding = map(member_name, numbers[place])
        by_uid = target_of(
            place + 1, member.study_instance_uid, member.series_instance_uid, member.sop_instance_uid
        )
        original = listed[place] if listed and not keep_signed else None
        size = (original or (member.signed if keep_signed else member.delivered)).size
        target = names.components(original.name if original else "/".join(by_uid))
        tasks.append(
            UnpackTask(
                place + 1,
                tuple(UnpackObject(extents[name], sealed.rows[name]) for name in holding),
                member,
                target,
                size,
                of_member.get(place),
                original.name if original else "",
            )
        )
    for number, (other, task) in enumerate(
        zip(content.others, restoring[len(listed) :], strict=True), start=1
    ):
        tasks.append(OtherTask(number, task, names.components(other.name), other.size, other.name))
    if selection is not None:
        tasks = [task for task in tasks if isinstance(task, UnpackTask) and selection.takes(task.member)]
        selection.check_some(tasks)
        opened.check_present(extents for task in tasks for extents in _extents_of(task))
    return tasks


def _extents_of(task: UnpackTask | OtherTask) -> Iterator[Sequence[Extent]]:
    if isinstance(task, UnpackTask):
        yield from (one.extents for one in task.objects)
    if task.restoring is not None:
        yield task.restoring.extents


def renamed(tasks: Sequence[UnpackTask | OtherTask]) -> list[Finding]:
    """Originals whose names cannot be written as they were."""
    return [
        Finding("renamed", "/".join(task.target), "its own name is not safe to write here, or is taken")
        for task in tasks
        if task.original_name and "/".join(task.target) != task.original_name
    ]


def target_of(number: int, study: str, series: str, instance: str) -> tuple[str, ...]:
    """Study, series, and the member's number with its UID: all of them made by the packer."""
    name = f"{number:08d}-{instance}" if instance else f"{number:08d}"
    return study or "NO-STUDY", series or "NO-SERIES", f"{name}.dcm"
