"""Originals on their way: from workers into sealed objects, one for each series, and back to their files.

Restoring data are plaintext about patients: between worker and parent they lie sealed under the run's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import Manifest
from dicompack.container.names import original_name
from dicompack.container.originals import Custody, CustodyMember, Original, Restoring
from dicompack.crypto import staging
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.dicom import tags
from dicompack.dicom.dataset import Buffer, DataSet
from dicompack.dicom.source_signatures import source_signatures
from dicompack.errors import DicomPackError, InputError
from dicompack.exchange.sources import OtherFile
from dicompack.pipeline.source_instances import Refused, SourceTask
from dicompack.stages import originals
from dicompack.stages.artifacts import Deidentified, Delivered
from dicompack.stages.package import SealedObject, SealedOriginals
from dicompack.stages.volumes import Extent

MAX_TOGETHER = 16 << 20
"""Bytes of restoring data in one object, unless a file alone has more: each worker of a reader inflates all
of it. It is twice the dictionary of xz, so that larger ones would hardly be smaller together."""

MAX_OTHER = 1 << 30
"""Bytes of a file that is no instance: it travels in one object, and a worker holds all of it."""

_SUFFIX = ".restoring"

# ------------------------------------------------------------------------------------------ there


@dataclass(frozen=True, slots=True)
class KeptOriginal:
    """The original of a member, whose restoring data lie in staging; its object has no number yet."""

    original: Original
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    signatures: int

    def lean(self, name: str) -> KeptOriginal:
        """The same, with what others have in common with it only once in memory."""
        original = replace(self.original, name=name) if self.original.name == name else self.original
        return replace(
            self,
            original=original,
            study_instance_uid=intern(self.study_instance_uid),
            series_instance_uid=intern(self.series_instance_uid),
            sop_instance_uid=intern(self.sop_instance_uid),
        )

    def custody(self, number: int) -> CustodyMember:
        """As custodians learn it."""
        return CustodyMember(
            numbered(self.original, number),
            self.study_instance_uid,
            self.series_instance_uid,
            self.sop_instance_uid,
            self.signatures,
        )


def keep(
    data: Buffer, source: DataSet, delivered: Deidentified, name: str, staged: Path, key: bytes
) -> KeptOriginal:
    """In a worker: find out what restores the source of this name, and put it aside beside `staged`."""
    restoring = originals.pack(data, delivered)
    path = kept_path(staged.parent, staged.name)
    files.write_again(path, [staging.seal(key, path.name, restoring)])
    return KeptOriginal(
        original=_original(name, data, restoring),
        study_instance_uid=source.text(tags.STUDY_INSTANCE_UID),
        series_instance_uid=source.text(tags.SERIES_INSTANCE_UID),
        sop_instance_uid=source.text(tags.SOP_INSTANCE_UID),
        signatures=sum(1 for _ in source_signatures(source)),
    )


def kept_path(folder: Path, staged: str) -> Path:
    """Where the restoring data of an instance wait for the others of its series."""
    return folder / (staged + _SUFFIX)


def check_kept(folder: Path, staged: str, key: bytes) -> None:
    """See that restoring data are what was put aside.

    Raises:
        BadSignatureError: they are not.
    """
    path = kept_path(folder, staged)
    staging.open_(key, path.name, path.read_bytes())


def _original(name: str, data: Buffer, restoring: bytes) -> Original:
    about = Restoring(1, len(restoring), hashlib.sha256(restoring).hexdigest())
    # What no text can hold comes out as an escape: such names exist on Linux only.
    readable = name.encode("utf-8", "backslashreplace").decode()
    return Original(readable, hashlib.sha256(data).hexdigest(), len(data), about)


def numbered(original: Original, number: int) -> Original:
    """With the number of the object that its restoring data went into."""
    return replace(original, restoring=replace(original.restoring, object=number))


@dataclass(frozen=True)
class Collected:
    """All ORIGINAL objects of a package."""

    sealed: SealedOriginals
    paths: dict[str, Path]
    """Where they lie, by their names in the package."""
    originals: tuple[Original, ...]
    """Of the members, in their order."""


def collect(
    kept: Sequence[tuple[str, str, KeptOriginal]],
    others: Sequence[PackedOther],
    folder: Path,
    key: bytes,
    recipients: Sequence[Addressee],
    *,
    custody: bool,
) -> Collected:
    """Seal the restoring data of all members, series by series; other files are sealed already.

    Args:
        kept: for each member, in their order, its series, its name in staging, and its original.
        others: files that are no instances.
        folder: staging.
        key: of the run.
        recipients: whom originals are for.
        custody: whether only custodians learn of them.
    """
    objects: list[SealedObject] = []
    paths: dict[str, Path] = {}
    numbers: dict[int, int] = {}
    for places in _groups(kept):
        names = [kept[place][1] + _SUFFIX for place in places]
        items = (staging.open_(key, name, (folder / name).read_bytes()) for name in names)
        sealed = originals.seal(items, recipients)
        path = folder / f"original-{len(objects):08d}"
        files.write_new(path, [sealed.whole], durable=False)
        objects.append(SealedObject(len(sealed.whole), sealed.digest))
        paths[original_name(len(objects))] = path
        numbers.update(dict.fromkeys(places, len(objects)))
    told = []
    for one in others:
        objects.append(one.sealed)
        paths[original_name(len(objects))] = folder / one.ticket
        told.append(numbered(one.original, len(objects)))
    members = tuple(numbered(one.original, numbers[place]) for place, (_, _, one) in enumerate(kept))
    custodial = (one.custody(numbers[place]) for place, (_, _, one) in enumerate(kept) if custody)
    return Collected(SealedOriginals(tuple(objects), tuple(custodial), tuple(told)), paths, members)


def _groups(kept: Sequence[tuple[str, str, KeptOriginal]]) -> Iterator[tuple[int, ...]]:
    """Members of one series together, in the order in which series first appear."""
    series: dict[str, list[int]] = {}
    for place, (uid, _, _) in enumerate(kept):
        series.setdefault(uid, []).append(place)
    for places in series.values():
        group: list[int] = []
        size = 0
        for place in places:
            one = kept[place][2].original.restoring.size
            if group and size + one > MAX_TOGETHER:
                yield tuple(group)
                group, size = [], 0
            group.append(place)
            size += one
        yield tuple(group)


@dataclass(frozen=True)
class OtherSettings:
    """What a worker knows that packs files which are no instances."""

    recipients: tuple[Addressee, ...]
    folder: str


@dataclass(frozen=True, slots=True)
class PackedOther:
    """A file that is no instance, sealed in staging."""

    original: Original
    sealed: SealedObject
    ticket: str


_others: OtherSettings


def start_others(settings: OtherSettings) -> None:
    """Once in each worker."""
    global _others
    _others = settings


def pack_other(task: SourceTask) -> PackedOther | Refused:
    """Seal one file that is no instance.

    Raises:
        OSError: the sealed object cannot be written; an unreadable source is `Refused`.
    """
    try:
        data = files.SourceBytes(Path(task.path), MAX_OTHER).data
        restoring = originals.pack_other(data)
    except OSError as error:
        return Refused(task.name, f"cannot be read: {error.strerror}", dicom=False)
    except InputError as error:
        return Refused(task.name, error.message, dicom=False)
    sealed = originals.seal([restoring], _others.recipients)
    files.write_again(Path(_others.folder, task.ticket), [sealed.whole])
    return PackedOther(
        _original(task.name, data, restoring), SealedObject(len(sealed.whole), sealed.digest), task.ticket
    )


def other_tasks(others: Iterable[OtherFile]) -> Iterator[SourceTask]:
    """A task for each."""
    for number, one in enumerate(others):
        yield SourceTask(one.name, str(one.path), f"other-{number:08d}")


# ------------------------------------------------------------------------------------------- back


@dataclass(frozen=True, slots=True)
class RestoringTask:
    """Where in which object the restoring data of a file are."""

    number: int
    extents: tuple[Extent, ...]
    digest: ObjectDigest
    total: int
    """Bytes of restoring data in the object."""
    start: int
    original: Original


class RestoringTasks:
    """Makes them one after the other, for originals in which those of one object come in their order.

    Args:
        listed: all originals.
        extents: where an object lies, by its name.
        rows: of DIGESTS.
    """

    def __init__(
        self,
        listed: Iterable[Original],
        extents: Callable[[str], tuple[Extent, ...]],
        rows: Mapping[str, ObjectDigest],
    ) -> None:
        self._extents, self._rows = extents, rows
        self._starts: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        for original in listed:
            restoring = original.restoring
            self._totals[restoring.object] = self._totals.get(restoring.object, 0) + restoring.size

    def next(self, original: Original) -> RestoringTask:
        """For the original whose turn it is."""
        number = original.restoring.object
        start = self._starts.get(number, 0)
        self._starts[number] = start + original.restoring.size
        name = original_name(number)
        return RestoringTask(
            number, self._extents(name), self._rows[name], self._totals[number], start, original
        )


def listed_originals(content: Manifest, custody: Custody | None) -> list[Original]:
    """The originals of all members, from where they are told; empty where nobody is."""
    if custody is not None:
        return [one.original for one in custody.members]
    return [one.original for one in content.members if one.original is not None]


_opened: tuple[int, bytes] = (0, b"")
"""The object that a worker has opened last: tasks come series by series."""


def restored(task: RestoringTask, item: Delivered | None, keys: Sequence[Opener]) -> list[bytes | memoryview]:
    """In a worker: the original file, checked, in pieces.

    Raises:
        DicomPackError: see the stage.
    """
    global _opened
    if _opened[0] != task.number:
        _opened = 0, b""  # never two of them in memory
        try:
            sealed = b"".join(map(read_extent, task.extents))
            _opened = task.number, originals.open_(sealed, task.digest, keys, task.total)
        except DicomPackError as error:
            error.where = original_name(task.number)
            raise
    data = _opened[1][task.start : task.start + task.original.restoring.size]
    return originals.unpack(data, task.original, item)


def read_extent(extent: Extent) -> bytes:
    """A piece of an object."""
    with files.FileAccess(Path(extent.path)) as access:
        return access.read_at(extent.offset, extent.size)
