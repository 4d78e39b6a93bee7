"""Stage 6: volumes. Split a package into numbered files; find and join them again, whatever their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dicompack.container.conditions import examine
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.layout import Layout
from dicompack.container.survey import number_of, survey
from dicompack.container.volume_writer import ReadObject, VolumeWriter
from dicompack.container.volumes import Package, VolumeCondition, join_surveyed
from dicompack.errors import FormatError, InputError, UnsupportedError
from dicompack.files import FileAccess, allow_many_files, write_new
from dicompack.report import Finding
from dicompack.stages import recovery


@dataclass(frozen=True)
class Extent:
    """Where a piece of an object lies: a worker needs no more to read it."""

    path: str
    offset: int
    size: int


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


def _counted(
    chunks: Iterator[bytes | memoryview], on_bytes: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        yield chunk
        on_bytes(len(chunk))


class Volumes:
    """An opened package: its volumes found, open and joined. Use it in a ``with`` block."""

    def __init__(
        self, package: Package, paths: dict[str, Path], findings: Sequence[Finding], files: ExitStack
    ) -> None:
        self.package = package
        self.findings = (*package.findings, *findings)
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
        """Bytes of all volumes."""
        return self.package.layout.total

    def extents(self) -> dict[str, tuple[Extent, ...]]:
        """Where each object lies."""
        result: dict[str, list[Extent]] = {}
        for file_name, volume in zip(self.package.volume_names, self.package.layout.volumes, strict=True):
            path = str(self._paths[file_name])
            for entry in volume.entries:
                result.setdefault(entry.object_name, []).append(Extent(path, entry.data_position, entry.size))
        return {name: tuple(extents) for name, extents in result.items()}


class Found:
    """The files of one set, open. Use it in a ``with`` block."""

    def __init__(
        self, wanted: dict[str, Path], accesses: dict[str, FileAccess], aside: Sequence[Finding],
        files: ExitStack,
    ) -> None:  # fmt: skip
        self.surveyed = survey(accesses)
        self.aside = tuple(aside)
        """Files that were left alone: of another set, not readable."""
        self.paths = wanted
        self._files = files

    def __enter__(self) -> Found:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def join(self) -> Volumes:
        """Join the data volumes; the files now belong to the result, which is to be closed instead.

        Checks step (1) of the order of checks but for the blocks' hashes: frames and the grammar of entries.

        Raises:
            FormatError: bytes that no writer makes.
            DamagedVolumesError: data volumes are missing or damaged.
        """
        try:
            package = join_surveyed(self.surveyed)
        except DamagedVolumesError as error:
            raise DamagedVolumesError([*error.findings, *self.aside], hint=error.hint) from error
        paths = {name: self.paths[name] for name in package.volume_names}
        findings = [*self.aside, *self.surveyed.faults_of(recovery=True)]
        return Volumes(package, paths, findings, self._files.pop_all())


def find(path: Path) -> Found:
    """Find the volumes of a package, given any one of them or the folder they are in.

    Raises:
        InputError: the path does not exist.
        FormatError: nothing there is a volume, or bytes that no writer makes.
        UsageError: the folder has volumes of several sets.
    """
    if not path.exists():
        first = path.with_name(f"{path.name}.001")
        hint = f"there is {first.name}" if first.exists() else "check the path"
        raise InputError(f"{path.name} does not exist", hint=hint)
    with ExitStack() as stack:
        found, unreadable = _candidates(path, stack)
        wanted, aside = _choose(path, found)
        folder = path if path.is_dir() else path.parent
        paths = {name: folder / name for name in wanted}
        result = Found(paths, wanted, [*aside, *unreadable], stack.pop_all())
    return result


def find_files(paths: Sequence[Path]) -> Found:
    """The same for files that are known to be the volumes of one package."""
    with ExitStack() as stack:
        allow_many_files()
        accesses = {path.name: stack.enter_context(FileAccess(path)) for path in paths}
        return Found({path.name: path for path in paths}, accesses, (), stack.pop_all())


def unpack(path: Path) -> Volumes:
    """Find the volumes of a package and join them; see `find` and `Found.join`."""
    with find(path) as found:
        return found.join()


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
) -> tuple[dict[str, tuple[FileAccess, VolumeCondition | None]], list[Finding]]:
    """Files that are volumes by content, those that only have the name of one (None), and unreadable ones."""
    unreadable: list[Finding] = []
    folder = path if path.is_dir() else path.parent
    allow_many_files()
    found: dict[str, tuple[FileAccess, VolumeCondition | None]] = {}
    for entry in sorted(folder.iterdir()):
        if not entry.is_file():
            continue
        try:
            access = stack.enter_context(FileAccess(entry))
        except OSError as error:
            if entry.name == path.name:
                raise
            if _stem(entry.name) == _stem(path.name) or path.is_dir():
                unreadable.append(
                    Finding("unreadable", entry.name, f"cannot be read: {error.strerror}", "VOL-15")
                )
            continue
        try:
            found[entry.name] = (access, examine(access))
        except (FormatError, UnsupportedError) as error:
            if entry.name == path.name:
                error.where = entry.name
                raise
            if error.rule != "VOL-1" or ".dcmpack" in entry.name:
                found[entry.name] = (access, None)
            else:
                access.close()
    if not any(condition for _, condition in found.values()):
        raise FormatError("there is no DICOMPack volume in this folder", rule="VOL-1")
    return found, unreadable


def _choose(
    path: Path, found: dict[str, tuple[FileAccess, VolumeCondition | None]]
) -> tuple[dict[str, FileAccess], list[Finding]]:
    """The files to join, and those to leave aside; of a folder all, as it is one package or is refused.

    A file that was named says which set is meant, and is the one to use of all that have its number.
    """
    own = None if path.is_dir() else found[path.name][1]
    wanted: dict[str, FileAccess] = {}
    aside: list[Finding] = []
    for name, (access, condition) in found.items():
        if own is None or condition is None or name == path.name:
            wanted[name] = access
        elif condition.volume_set != own.volume_set:
            if _stem(name) == _stem(path.name):
                aside.append(Finding("foreign", name, "a volume of another set", "VOL-11"))
        elif number_of(condition.descriptor) == number_of(own.descriptor) and own.fault is None:
            what = own.descriptor.number.partition(" of ")[0]
            aside.append(Finding("duplicate", name, f"{what} again; the one named is used", "VOL-13"))
        else:
            wanted[name] = access
    return wanted, aside


def _stem(name: str) -> str:
    return name.partition(".dcmpack")[0]
