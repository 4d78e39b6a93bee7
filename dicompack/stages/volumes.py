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
from dicompack.container.volume_writer import ReadObject, VolumeWriter
from dicompack.container.volumes import Package, VolumeCondition, join
from dicompack.dicom.dataset import Buffer
from dicompack.errors import FormatError, InputError, UnsupportedError
from dicompack.files import MAPPED_ABOVE, FileAccess, UnnamedFile, allow_many_files, write_new
from dicompack.report import Finding

_READ_SIZE = 1 << 20


@dataclass(frozen=True)
class Extent:
    """Where a piece of an object lies: a worker needs no more to read it."""

    path: str
    offset: int
    size: int


def object_bytes(extents: Sequence[Extent]) -> Buffer:
    """The bytes of an object: read; or mapped, and put together in an unnamed file first, if it is large."""
    if sum(extent.size for extent in extents) <= MAPPED_ABOVE:
        return b"".join(piece for extent in extents for piece in _pieces(extent, extent.size))
    if len(extents) == 1:
        with FileAccess(Path(extents[0].path)) as access:
            return access.mapped()[extents[0].offset : extents[0].offset + extents[0].size]
    whole = UnnamedFile(None)  # it is sealed, and may lie anywhere
    for extent in extents:
        for piece in _pieces(extent, _READ_SIZE):
            whole.append(piece)
    return whole.mapped()


def _pieces(extent: Extent, size: int) -> Iterator[bytes]:
    with FileAccess(Path(extent.path)) as access:
        for start in range(0, extent.size, size):
            yield access.read_at(extent.offset + start, min(size, extent.size - start))


def pack(
    layout: Layout, read: ReadObject, folder: Path, name: str, on_bytes: Callable[[int], None]
) -> list[Path]:
    """Write the volumes of a package called `name` into a folder; gives their paths in order."""
    writer = VolumeWriter(layout, read)
    paths = [folder / volume_name for volume_name in layout.volume_names(name)]
    for index, path in enumerate(paths, start=1):
        write_new(path, _counted(writer.chunks(index), on_bytes))
    return paths


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


def unpack(path: Path) -> Volumes:
    """Find the volumes of a package, given any one of them or the folder they are in, and join them.

    Checks step (1) of the order of checks but for the blocks' hashes: frames and the grammar of entries.

    Raises:
        InputError: the path does not exist.
        FormatError: nothing there is a volume, or bytes that no writer makes.
        UsageError: the folder has volumes of several sets.
        DamagedError: volumes are missing or damaged; its `faults` name each.
    """
    if not path.exists():
        first = path.with_name(f"{path.name}.001")
        hint = f"there is {first.name}" if first.exists() else "check the path"
        raise InputError(f"{path.name} does not exist", hint=hint)
    with ExitStack() as stack:
        found, unreadable = _candidates(path, stack)
        wanted, aside = _choose(path, found)
        aside += unreadable
        try:
            package = join(wanted)
        except DamagedVolumesError as error:
            named = [f"{finding.where}: {finding.message} [{finding.rule}]" for finding in aside]
            raise DamagedVolumesError(
                [*error.faults, *named], rule=error.rule or "", hint=error.hint
            ) from error
        folder = path if path.is_dir() else path.parent
        paths = {name: folder / name for name in package.volume_names}
        return Volumes(package, paths, aside, stack.pop_all())


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
        elif condition.index == own.index and own.fault is None:
            aside.append(
                Finding("duplicate", name, f"volume {own.index} again; the one named is used", "VOL-13")
            )
        else:
            wanted[name] = access
    return wanted, aside


def _stem(name: str) -> str:
    return name.partition(".dcmpack")[0]
