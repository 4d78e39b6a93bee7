"""What is to be opened of a package, and where each file goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dicompack import files
from dicompack.container.manifest import Manifest
from dicompack.container.names import member_name, original_name
from dicompack.container.originals import Custody
from dicompack.pipeline.instances import Delivery, OtherTask, UnpackObject, UnpackTask
from dicompack.pipeline.originals import RestoringTasks, listed_originals
from dicompack.pipeline.selection import Selection
from dicompack.report import Finding
from dicompack.stages.seals import CheckedSeal
from dicompack.stages.volumes import Volumes


class Tasks:
    """What is to be opened, and where it goes; what is restored from one object comes together.

    The tasks are made when they are asked for: with 100 000 members a list of them would be the largest thing
    in memory.

    Args:
        opened: the package.
        sealed: what its SEALs say.
        content: its MANIFEST.
        custody: where originals are to be given back to custodians.
        keep_signed: whether instances stay as they travelled.
        selection: which instances are wanted; None: all, and other files.

    Raises:
        InputError: no instance is selected.
        DamagedVolumesError: what is selected lies in volumes that are missing.
    """

    def __init__(
        self,
        opened: Volumes,
        sealed: CheckedSeal,
        content: Manifest,
        custody: Custody | None,
        *,
        keep_signed: bool = False,
        selection: Selection | None = None,
    ) -> None:
        self._opened, self._rows, self._content = opened, sealed.rows, content
        self._numbers = content.objects
        self._keep_signed = keep_signed
        self._listed = listed_originals(content, custody)
        self._order: Sequence[int] = range(len(content.members))
        if self._listed:
            self._order = sorted(self._order, key=lambda place: self._listed[place].restoring.object)
        self._others = content.others if selection is None else ()
        self.selected: frozenset[int] | None = None
        """Numbers of the members that are wanted, where not all are."""
        if selection is not None:
            self.selected = frozenset(
                number for number, member in enumerate(content.members, start=1) if selection.takes(member)
            )
            selection.check_some(self.selected)
            opened.check_present(map(opened.extents, self._selected_names(self.selected)))
        self.renamed: list[Finding] = []
        """Of the tasks that were made: originals whose names cannot be written as they were."""

    def __len__(self) -> int:
        wanted = len(self._order) if self.selected is None else len(self.selected)
        return wanted + len(self._others)

    @property
    def size(self) -> int:
        """Bytes that will be written."""
        members = (self._size(place) for place in self._order if self._is_wanted(place))
        return sum(members) + sum(other.size for other in self._others)

    @property
    def codecs(self) -> set[str]:
        """What decoding takes."""
        members = self._content.members
        return {members[place].compression.codec for place in self._order if self._is_wanted(place)}

    def of(self, delivery: Delivery) -> Iterator[UnpackTask | OtherTask]:
        """One after the other."""
        names = files.RestoredNames()
        restoring = RestoringTasks([*self._listed, *self._content.others], self._opened.extents, self._rows)
        for place in self._order:
            task = self._member(place, delivery, names, restoring)
            if self._is_wanted(place):
                self._note_name(task)
                yield task
        for number, other in enumerate(self._others, start=1):
            target = names.components(other.name)
            todo = OtherTask(number, delivery, restoring.next(other), target, other.size, other.name)
            self._note_name(todo)
            yield todo

    def _member(
        self, place: int, delivery: Delivery, names: files.RestoredNames, restoring: RestoringTasks
    ) -> UnpackTask:
        member = self._content.members[place]
        holding = map(member_name, self._numbers[place])
        original = self._listed[place] if self._listed else None
        todo = None if original is None else restoring.next(original)
        name = "" if original is None or self._keep_signed else original.name
        by_uid = target_of(
            place + 1, member.study_instance_uid, member.series_instance_uid, member.sop_instance_uid
        )
        return UnpackTask(
            place + 1,
            delivery,
            tuple(UnpackObject(self._opened.extents(one), self._rows[one]) for one in holding),
            member,
            names.components(name or "/".join(by_uid)),
            self._size(place),
            todo,
            name,
        )

    def _size(self, place: int) -> int:
        member = self._content.members[place]
        if self._keep_signed:
            return member.signed.size
        return self._listed[place].size if self._listed else member.delivered.size

    def _is_wanted(self, place: int) -> bool:
        return self.selected is None or place + 1 in self.selected

    def _selected_names(self, numbers: Iterable[int]) -> Iterator[str]:
        """Of the objects that some members are in, and are restored from."""
        for number in numbers:
            yield from map(member_name, self._numbers[number - 1])
            if self._listed:
                yield original_name(self._listed[number - 1].restoring.object)

    def _note_name(self, task: UnpackTask | OtherTask) -> None:
        name = "/".join(task.target)
        if task.original_name and name != task.original_name:
            message = "its own name is not safe to write here, or is taken"
            self.renamed.append(Finding("renamed", name, message))


def target_of(number: int, study: str, series: str, instance: str) -> tuple[str, ...]:
    """Study, series, and the member's number with its UID: all of them made by the packer."""
    name = f"{number:08d}-{instance}" if instance else f"{number:08d}"
    return study or "NO-STUDY", series or "NO-SERIES", f"{name}.dcm"
