"""Stage 6: volumes. Split a package into numbered files; find and join them again, whatever their names."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dicompack.container.bad_sectors import read_around, unreadable
from dicompack.container.conditions import examine
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.layout import Layout
from dicompack.container.survey import Survey, number_of, survey
from dicompack.container.volume_writer import ReadObject, VolumeWriter
from dicompack.container.volumes import Package, VolumeCondition, join_present, join_surveyed, missing
from dicompack.dicom.dataset import Buffer
from dicompack.errors import FormatError, InputError, UnsupportedError
from dicompack.files import MAPPED_ABOVE, FileAccess, UnnamedFile, allow_many_files, write_new
from dicompack.report import Finding
from dicompack.stages import recovery

_READ_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a piece of an object lies: a worker needs no more to read it."""

    path: str
    """Empty where the volume is missing."""
    offset: int
    size: int
    volume: int
    """Its number, from 1."""


def object_bytes(extents: Sequence[Extent]) -> Buffer:
    """The bytes of an object: read; or mapped, and put together in an unnamed file first, if it is large."""
    if sum(extent.size for extent in extents) <= MAPPED_ABOVE:
        return b"".join(piece for extent in extents for piece in _pieces(extent, extent.size))
    if len(extents) == 1:
        for _ in _pieces(extents[0], _READ_SIZE):
            pass  # of a bad place that is mapped nothing but the end of the process would be told
        with FileAccess(Path(extents[0].path)) as access:
            return access.mapped()[extents[0].offset : extents[0].offset + extents[0].size]
    whole = UnnamedFile(None)  # it is sealed, and may lie anywhere
    for extent in extents:
        for piece in _pieces(extent, _READ_SIZE):
            whole.append(piece)
    return whole.mapped()


def _pieces(extent: Extent, size: int) -> Iterator[bytes]:
    path = Path(extent.path)
    with FileAccess(path) as access:
        for start in range(extent.offset, extent.offset + extent.size, size):
            end = min(start + size, extent.offset + extent.size)
            try:
                yield access.read_at(start, end - start)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                raise DamagedVolumesError(unreadable(path.name, [(start, end)])) from error


def pack(
    layout: Layout, read: ReadObject, folder: Path, name: str, on_bytes: Callable[[int], None]
) -> list[Path]:
    """Write the volumes of a package called `name` into a folder; gives their paths, data volumes first."""
    writer = VolumeWriter(layout, read)
    paths = [folder / volume_name for volume_name in layout.volume_names(name)]
    for index, path in enumerate(paths, start=1):
        write_new(path, _counted(writer.chunks(index), on_bytes))
    if layout.recovery == 0:
        return paths
    return paths + recovery.pack(layout.volumes[0].descriptor, paths, folder, name, on_bytes)


def recovery_total(layout: Layout) -> int:
    """Bytes of all recovery volumes."""
    descriptor = layout.volumes[0].descriptor
    return layout.recovery * descriptor.striping.recovery_size if layout.recovery else 0


def _counted(
    chunks: Iterator[bytes | memoryview], on_bytes: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        yield chunk
        on_bytes(len(chunk))


class VolumeFile(FileAccess):
    """A volume that is read in spite of bad places: they read as zeros, and are named.

    Zeros do not have the hash of what was there, so that a bad place is damage like any other.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.unreadable: set[tuple[int, int]] = set()
        """Start and end of each sector that the system could not read."""

    def read_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only where the file ends."""
        end = max(offset, min(self.size, offset + size))
        data, bad = read_around(super().read_at, offset, end)
        self.unreadable.update(bad)
        return data


def _unreadable(files: Mapping[str, VolumeFile]) -> list[Finding]:
    """What could not be read so far, by file."""
    return [finding for name, file in files.items() for finding in unreadable(name, file.unreadable)]


class Volumes:
    """An opened package: its volumes found, open and joined. Use it in a ``with`` block."""

    def __init__(
        self,
        package: Package,
        paths: dict[str, Path],
        findings: Sequence[Finding],
        accesses: Mapping[str, VolumeFile],
        files: ExitStack,
    ) -> None:
        self._accesses = accesses
        self.package = package
        self.findings: tuple[Finding, ...] = (*package.findings, *findings)
        self.repaired: tuple[Finding, ...] = ()
        """What was wrong before it was made whole for this run."""
        self.how_to_repair = ""
        """What makes it whole for good."""
        self._paths = paths
        self._files = files

    def __enter__(self) -> Volumes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def size(self) -> int:
        """Bytes of all data volumes."""
        return self.package.layout.total

    def check_frames(self, on_bytes: Callable[[int], None] | None = None) -> None:
        """Read every byte of the data volumes once; see `Package.check_frames`.

        Raises:
            DamagedVolumesError: VOL-10, VOL-17 with all ranges that are damaged or cannot be read.
            FormatError: ZIP-8.
        """
        try:
            self.package.check_frames(on_bytes)
        except DamagedVolumesError as error:
            raise DamagedVolumesError(
                [*error.findings, *_unreadable(self._accesses)], hint=error.hint
            ) from None

    @property
    def volume_names(self) -> tuple[str, ...]:
        """File names of all volumes, data volumes first."""
        found = sorted(self.package.surveyed.found.items())
        return tuple(copies[0].file_name for _, copies in found)

    def check_present(self, several: Iterable[Sequence[Extent]]) -> None:
        """See that what is to be opened lies in volumes that are there.

        Raises:
            DamagedVolumesError: VOL-15 with those that are missing.
        """
        lost = {extent.volume for extents in several for extent in extents if not extent.path}
        if lost:
            raise DamagedVolumesError(missing(self.package.layout, lost))

    def extents(self, name: str) -> tuple[Extent, ...]:
        """Where an object lies. KeyError: there is none of this name."""
        files = self.package.volume_names
        return tuple(
            Extent(
                str(self._paths[files[index - 1]]) if files[index - 1] else "",
                entry.data_position,
                entry.size,
                index,
            )
            for index, entry in self.package.pieces(name)
        )


class Found:
    """The files of one set, open. Use it in a ``with`` block."""

    def __init__(
        self,
        surveyed: Survey,
        paths: dict[str, Path],
        aside: Sequence[Finding],
        accesses: Mapping[str, VolumeFile],
        files: ExitStack,
    ) -> None:
        self._accesses = accesses
        self.surveyed = surveyed
        self.paths = paths
        self._aside = tuple(aside)
        self._files = files

    def __enter__(self) -> Found:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def aside(self) -> tuple[Finding, ...]:
        """Files that were left alone, of another set or not readable, and bytes that could not be read."""
        return (*self._aside, *_unreadable(self._accesses))

    def join(self, *, present: bool = False) -> Volumes:
        """Join the data volumes; the files now belong to the result, which is to be closed instead.

        Checks step (1) of the order of checks but for the blocks' hashes: frames and the grammar of entries.

        Args:
            present: those that are there will do; the others are findings.

        Raises:
            FormatError: bytes that no writer makes.
            DamagedVolumesError: data volumes are missing or damaged.
        """
        try:
            package = (join_present if present else join_surveyed)(self.surveyed)
        except DamagedVolumesError as error:
            raise DamagedVolumesError([*error.findings, *self.aside], hint=error.hint) from error
        paths = {name: self.paths[name] for name in package.volume_names if name}
        findings = [*self.aside, *self.surveyed.faults_of(recovery=True)]
        if present:
            findings += self.surveyed.faults_of(recovery=False)
        return Volumes(package, paths, findings, self._accesses, self._files.pop_all())


def find(path: Path) -> Found:
    """Find the volumes of a package, given any one of them or the folder they are in.

    Raises:
        InputError: the path does not exist.
        FormatError: nothing there is a volume, or bytes that no writer makes.
        UsageError: the folder has volumes of several sets.
    """
    if not path.exists():
        raise InputError(f"{path.name} does not exist", hint=_what_there_is(path))
    with ExitStack() as stack:
        found, unreadable = _candidates(path, stack)
        wanted, aside = _choose(path, found)
        folder = path if path.is_dir() else path.parent
        surveyed = survey(wanted)
        if sizes := _sizes_of_missing(surveyed):
            wanted |= _of_sizes(folder, sizes, found, stack)
            surveyed = survey(wanted)
        paths = {name: folder / name for name in wanted}
        return Found(surveyed, paths, [*aside, *unreadable], wanted, stack.pop_all())


def _sizes_of_missing(surveyed: Survey) -> set[int]:
    """How large the missing volumes are of a set whose recovery volumes have the hashes of their blocks."""
    striping = surveyed.descriptor.striping
    if not any(number.is_recovery for number in surveyed.found):
        return set()
    return {
        striping.recovery_size if number.is_recovery else striping.size_of(number.index)
        for number in surveyed.missing
    }


def _of_sizes(
    folder: Path, sizes: Collection[int], found: Collection[str], stack: ExitStack
) -> dict[str, VolumeFile]:
    """Files with any name that may be volumes whose head and tail are destroyed."""
    accesses: dict[str, VolumeFile] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name in found or not entry.is_file() or entry.stat().st_size not in sizes:
            continue
        with suppress(OSError):
            accesses[entry.name] = stack.enter_context(VolumeFile(entry))
    return accesses


def _what_there_is(path: Path) -> str:
    """A hint for somebody who named a volume that is not there, or the package and not a volume."""
    if not path.parent.is_dir() or ".dcmpack" not in path.name.lower():
        return "check the path"
    stem = f"{_stem(path.name)}.dcmpack"
    there = sorted(each.name for each in path.parent.iterdir() if each.name.lower().startswith(stem))
    return f"there is {there[0]}: name a volume that is there, or the folder" if there else "check the path"


def find_files(paths: dict[str, Path]) -> Found:
    """The same for files that are known to be the volumes of one package, by the names to call them."""
    with ExitStack() as stack:
        allow_many_files()
        accesses = {name: stack.enter_context(VolumeFile(path)) for name, path in paths.items()}
        return Found(survey(accesses), paths, (), accesses, stack.pop_all())


def unpack(path: Path, *, present: bool = False) -> Volumes:
    """Find the volumes of a package and join them; see `find` and `Found.join`."""
    with find(path) as found:
        return found.join(present=present)


def is_volume(path: Path) -> bool:
    """Whether a file is a volume of some package, by its content."""
    try:
        with FileAccess(path) as access:
            examine(access)
    except (FormatError, UnsupportedError, OSError):
        return False
    return True


def _candidates(
    path: Path, stack: ExitStack
) -> tuple[dict[str, tuple[VolumeFile, VolumeCondition | None]], list[Finding]]:
    """Files that are volumes by content, those that only have the name of one (None), and unreadable ones."""
    unreadable: list[Finding] = []
    folder, named = (path, None) if path.is_dir() else (path.parent, path.name)
    allow_many_files()
    found: dict[str, tuple[VolumeFile, VolumeCondition | None]] = {}
    for entry in sorted(folder.iterdir()):
        if not entry.is_file():
            continue
        try:
            access = stack.enter_context(VolumeFile(entry))
        except OSError as error:
            if entry.name == named:
                raise
            if named is None or _stem(entry.name) == _stem(named):
                unreadable.append(
                    Finding("unreadable", entry.name, f"cannot be read: {error.strerror}", "VOL-17")
                )
            continue
        try:
            found[entry.name] = (access, examine(access))
        except (FormatError, UnsupportedError) as error:
            error.where = entry.name
            if entry.name == named and error.rule != "VOL-1":
                raise
            if entry.name == named or _may_belong(entry.name, named, error):
                found[entry.name] = (access, None)
            else:
                access.close()
    if named is None:
        if not any(condition for _, condition in found.values()):
            raise FormatError("there is no DICOMPack volume in this folder", rule="VOL-1")
    elif named not in found or (found[named][1] is None and not _siblings(path, found)):
        raise FormatError(
            "not a DICOMPack volume, or nothing of its head and tail is left", where=named, rule="VOL-1"
        )
    return found, unreadable


def _may_belong(name: str, named: str | None, error: FormatError | UnsupportedError) -> bool:
    """Whether a file that is no volume as it should be may be one of the package that was asked for."""
    if error.rule == "VOL-1":
        return ".dcmpack" in name.lower()
    # Beside a file that was named lies what else was received: another's newer version is not its fault.
    return named is None or _stem(name) == _stem(named)


def _choose(
    path: Path, found: dict[str, tuple[VolumeFile, VolumeCondition | None]]
) -> tuple[dict[str, VolumeFile], list[Finding]]:
    """The files to join, and those to leave aside; of a folder all, as it is one package or is refused.

    A file that was named says which set is meant, and is the one to use of all that have its number.
    """
    own = None if path.is_dir() else found[path.name][1]
    if own is None and not path.is_dir():
        # Nothing of its head and tail is left: the volumes of its name say what it belongs to.
        own = _siblings(path, found)[0]
    stems = {_stem(path.name)}
    if own is not None:
        ours = ((name, its) for name, (_, its) in found.items() if its and its.volume_set == own.volume_set)
        stems |= {_stem(name) for name, _ in ours}
    wanted: dict[str, VolumeFile] = {}
    aside: list[Finding] = []
    for name, (access, condition) in found.items():
        if own is None or condition is None or name == path.name:
            wanted[name] = access
        elif condition.volume_set != own.volume_set:
            if _stem(name) in stems:
                aside.append(Finding("foreign", name, "a volume of another set", "VOL-11"))
        elif (
            number_of(condition.descriptor) == number_of(own.descriptor)
            and own.fault is None
            and found[path.name][1] is own
        ):
            what = own.descriptor.number.partition(" of ")[0]
            aside.append(Finding("duplicate", name, f"{what} again; the one named is used", "VOL-13"))
        else:
            wanted[name] = access
    return wanted, aside


def _siblings(
    path: Path, found: dict[str, tuple[VolumeFile, VolumeCondition | None]]
) -> list[VolumeCondition]:
    """What the volumes are whose names begin as that of a file."""
    return [
        condition for name, (_, condition) in found.items() if condition and _stem(name) == _stem(path.name)
    ]


def _stem(name: str) -> str:
    return name.lower().partition(".dcmpack")[0]  # some media know capital letters only
