"""The names that a package takes on the disk: which are free, and what a replaced one leaves."""

from __future__ import annotations

import re
from pathlib import Path

from dicompack import files
from dicompack.errors import OutputError, UsageError
from dicompack.stages import volumes


def check_output(output: Path, *, force: bool) -> None:
    """See that a package can have this name.

    Raises:
        UsageError: it is no name of a package.
        OutputError: a volume of this name exists, or another run works on it.
    """
    if output.suffix != ".dcmpack":
        raise UsageError("the name of a package ends in .dcmpack", hint=f"try {output.name}.dcmpack")
    taken = settled(output)
    if taken and not force:
        raise OutputError(f"{taken[0].name} exists", hint="choose another name, or --force")


def settled(output: Path) -> list[Path]:
    """Volumes of this package, after what a run left that died was settled.

    Raises:
        OutputError: another run works on it.
    """
    files.take_back(output)
    return _volumes_of(output)


def _volumes_of(output: Path) -> list[Path]:
    """Files that have the name of a volume of this package."""
    if not output.parent.is_dir():
        return []
    volume = re.compile(re.escape(output.name) + r"(\.[0-9]{3,4}|\.r[0-9]{2,3})?")
    return sorted(path for path in output.parent.iterdir() if volume.fullmatch(path.name))


def remove_stale(output: Path, written: list[Path]) -> None:
    """Volumes of the package that was replaced; nothing but what is a volume by its content."""
    names = {path.name for path in written}
    for path in _volumes_of(output):
        if path.name not in names and volumes.is_volume(path):
            path.unlink()
