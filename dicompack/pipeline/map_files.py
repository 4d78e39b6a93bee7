"""`--map-out`: old and new UIDs and Patient IDs as CSV, for whoever has the right; never in the package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dicompack import files
from dicompack.errors import OutputError
from dicompack.pipeline.source_instances import Maps
from dicompack.plain_text import csv_table

_HEAD = ("id_old", "id_new")


class MapFiles:
    """``FILE`` for UIDs and ``FILE-patients`` beside it; both go again where the run does not end well.

    They wait in staging, and get their names just before the result: a run that dies in between leaves it to
    the next one to take them back (`settle_maps`).

    Raises:
        OutputError: one of them exists, or another run makes them.
    """

    def __init__(self, path: Path | None, *, force: bool = False) -> None:
        self._path = path.absolute() if path else None
        self._force = force
        self._staged: list[Path] = []
        self._kept = False
        self._stack = ExitStack()

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for them."""
        return self._path is not None

    def __enter__(self) -> MapFiles:
        for path in self._paths():
            if not path.parent.is_dir():
                raise OutputError("the folder for the maps does not exist", hint="create it first")
            if os.path.lexists(path) and not self._force:
                raise OutputError(f"{path.name} exists", hint="choose another name for the maps")
        if self._path is not None:
            staging = self._stack.enter_context(files.Staging(self._path))
            self._folder = staging.folder(files.VOLUMES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if not self._kept and self._path is not None:
                files.withdraw_files(self._staged, self._path.parent)

    def publish(self, maps: Sequence[Maps]) -> None:
        """Write both, mode 0600."""
        if self._path is None:
            return
        # CLI-13
        uids = {pair for one in maps for pair in one.uids}
        patients = {pair for one in maps for pair in one.patients}
        for path, pairs in zip(self._paths(), (uids, patients), strict=False):
            staged = self._folder / path.name
            files.write_new(staged, [csv_table([_HEAD, *sorted(pairs)])])
            self._staged.append(staged)
        files.publish_files(self._staged, self._path.parent, replace=self._force, aside=True)

    def keep(self) -> None:
        """The run has ended well."""
        self._kept = True

    def _paths(self) -> tuple[Path, ...]:
        if self._path is None:
            return ()
        return self._path, self._path.with_name(f"{self._path.stem}-patients{self._path.suffix}")


def settle_maps(path: Path | None, *, stands: bool) -> None:
    """What a run left that died: its maps stay where its result is, and go where it is not.

    Raises:
        OutputError: the run lives.
    """
    if path is not None:
        files.take_back(path.absolute(), stands=stands)
