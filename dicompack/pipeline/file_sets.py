"""Where a Secure File-set lies: found by content, and seen to be complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicompack import files
from dicompack.dicom.media_directory import DIRECTORY_NAME, DirectoryFile
from dicompack.errors import DamagedError, FormatError, UsageError
from dicompack.exchange.folders import walk
from dicompack.stages import secure_files
from dicompack.stages.volumes import is_volume

_DIRECTORY_NAMES = (DIRECTORY_NAME, DIRECTORY_NAME.lower())


@dataclass(frozen=True)
class FileSet:
    """Where it lies: a folder with a DICOMDIR, or one file alone."""

    path: Path
    """The DICOMDIR, or the one file."""
    alone: bool
    _names: dict[Path, dict[str, Path]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder(self) -> Path:
        """What File IDs begin at."""
        return self.path.parent

    def path_of(self, listed: DirectoryFile) -> Path:
        """Of a file that the DICOMDIR lists; its name may be there in lower case, as CDs often show them."""
        path = self.folder
        for component in listed.file_id:
            exact = path / component
            if not exact.exists() and path.is_dir():
                exact = self._by_upper_case(path).get(component, exact)
            path = exact
        return path

    def _by_upper_case(self, folder: Path) -> dict[str, Path]:
        if folder not in self._names:
            self._names[folder] = {path.name.upper(): path for path in sorted(folder.iterdir())}
        return self._names[folder]

    def files(self) -> Iterator[Path]:
        """Every file that is there, listed or not."""
        return (found.path for found in walk(self.folder) if not found.problem)

    def check_present(self, listed: Sequence[DirectoryFile]) -> None:
        """See that these files are there.

        Raises:
            DamagedError: one is not; its `faults` name them.
        """
        missing = ["/".join(one.file_id) for one in listed if not self.path_of(one).is_file()]
        if missing:  # SDF-12
            error = DamagedError(
                f"{len(missing)} of {len(listed)} files that the DICOMDIR lists are missing",
                rule="SDF-12",
                hint="get the whole File-set again from the sender",
            )
            error.faults = tuple(f"{name}: missing" for name in missing)
            raise error


def find(path: Path) -> FileSet | None:
    """The File-set that a path names, by its content; None where it is none.

    Raises:
        FormatError: a folder has Secure DICOM Files, and no DICOMDIR.
        OSError: its DICOMDIR cannot be read.
        UsageError: a folder has both, a File-set and a package.
    """
    if path.is_dir():
        has_package = any(one.is_file() and is_volume(one) for one in path.iterdir())
        begins = is_secure if has_package else _begins_as_secure
        directory = next((path / one for one in _DIRECTORY_NAMES if begins(path / one)), None)
        if directory is not None:
            if has_package:
                raise UsageError(
                    "the folder holds a package and a Secure File-set", hint="name a volume, or the DICOMDIR"
                )
            return FileSet(directory, alone=False)
        if not has_package and any(map(is_secure, path.iterdir())):  # SDF-18
            raise FormatError(
                "Secure DICOM Files without a secured DICOMDIR: nothing tells which files belong together",
                rule="SDF-18",
                hint="name one file, if that is enough",
            )
        return None
    if not is_secure(path):
        return None
    return FileSet(path, alone=path.name not in _DIRECTORY_NAMES)


def refuse(path: Path, verb: str) -> None:
    """See that a path does not name a File-set, for what is done to packages only.

    Raises:
        UsageError: it does.
    """
    if find(path) is not None:  # SDF-16
        raise UsageError(
            f"a Secure File-set cannot be {verb}", rule="SDF-16", hint="unpack it, and pack again"
        )


def is_secure(path: Path) -> bool:
    """Whether a path is that of a Secure DICOM File."""
    try:
        return _begins_as_secure(path)
    except OSError:  # what is wrong with it is said by whoever needs it
        return False


def _begins_as_secure(path: Path) -> bool:
    if not path.is_file():
        return False
    with files.FileAccess(path) as access:
        return secure_files.is_secure(access)
