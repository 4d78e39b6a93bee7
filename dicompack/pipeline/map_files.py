"""`--map-out`: old and new UIDs and Patient IDs as CSV, for whoever has the right; never in the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from dicompack import files
from dicompack.errors import OutputError
from dicompack.pipeline.source_instances import Maps
from dicompack.plain_text import csv_table

_HEAD = ("id_old", "id_new")


class MapFiles:
    """``FILE`` for UIDs and ``FILE-patients`` beside it; both go again where the run does not end well.

    Raises:
        OutputError: one of them exists.
    """

    def __init__(self, path: Path | None, *, force: bool = False) -> None:
        self._path = path
        self._force = force
        self._made: list[Path] = []
        self._kept = False

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for them."""
        return self._path is not None

    def __enter__(self) -> MapFiles:
        for path in self._paths():
            if not path.parent.is_dir():
                raise OutputError("the folder for the maps does not exist", hint="create it first")
            if path.exists() and not self._force:
                raise OutputError(f"{path.name} exists", hint="choose another name for the maps")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            for path in self._made:
                path.unlink(missing_ok=True)

    def write(self, maps: Sequence[Maps]) -> None:
        """Write both, mode 0600."""
        # CLI-13
        uids = {pair for one in maps for pair in one.uids}
        patients = {pair for one in maps for pair in one.patients}
        for path, pairs in zip(self._paths(), (uids, patients), strict=False):
            if self._force:
                path.unlink(missing_ok=True)
            files.write_new(path, [csv_table([_HEAD, *sorted(pairs)])])
            self._made.append(path)

    def keep(self) -> None:
        """The run has ended well."""
        self._kept = True

    def _paths(self) -> tuple[Path, ...]:
        if self._path is None:
            return ()
        return self._path, self._path.with_name(f"{self._path.stem}-patients{self._path.suffix}")
