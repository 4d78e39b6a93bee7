"""From a damaged package to a whole one: new files only, and no key is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dicompack import files
from dicompack.container.repairing import Diagnosis
from dicompack.errors import OutputError, UsageError
from dicompack.pipeline import file_sets
from dicompack.pipeline.opening import (
    OnProgress,
    check_frames,
    diagnosed,
    made_whole,
    names_of,
    never,
    package_name,
)
from dicompack.pipeline.unpacking import check_volumes
from dicompack.report import Finding, Report
from dicompack.stages import volumes
from dicompack.stages.seals import CheckedSeal
from dicompack.stages.volumes import Found, Volumes

_READ_SIZE = 1 << 20


def repair(
    path: Path | str, target: Path | str | None = None, *, on_progress: OnProgress | None = None
) -> Report:
    """Make missing and damaged volumes again. No file that is there is changed.

    Args:
        path: any volume of the package, or the folder that holds them.
        target: a folder, absent or empty, for the whole package. Without it, missing volumes are written
            beside the others.
        on_progress: is told how far the run is.

    Raises:
        UsageError: REC-6 volumes are damaged, and there is no `target`.
        DamagedError: REC-4 too little is left; says what is wrong, and how many more volumes are needed.
        OutputError: the target is in use or cannot be written.
        BadSignatureError: what came out is not what the SEAL covers.
    """
    began, tell = time.monotonic(), on_progress or never
    path = Path(path)
    if target is not None:
        target = Path(target).absolute()
        files.remove_dead(target)
        files.check_target_folder(target)
    file_sets.refuse(path, "repaired")
    with volumes.find(path) as found:
        diagnosis = _diagnosis(found, tell)
        beside = path if path.is_dir() else path.absolute().parent
        if target is None:
            _check_beside(found, diagnosis, beside)
        report = _write(found, diagnosis, beside, target, tell)
    return replace(report, seconds=time.monotonic() - began)


def _diagnosis(found: Found, tell: OnProgress) -> Diagnosis:
    if found.surveyed.descriptor.recovery:
        return diagnosed(found, tell)
    with volumes.find_files(found.paths) as again, again.join() as opened:
        check_frames(opened, tell)
    return Diagnosis(found.surveyed, (), (), (), any_of_them=False)


def _check_beside(found: Found, diagnosis: Diagnosis, folder: Path) -> None:
    """See that what has to be written is missing, and nothing has its name."""
    damaged = [
        volume.file_name for number in diagnosis.remake for volume in diagnosis.survey.found.get(number, ())
    ]
    if damaged:  # REC-6
        raise UsageError(
            f"{', '.join(damaged)}: damaged, and no file is ever changed",
            rule="REC-6",
            hint="name a new folder for the whole package: -d DIR",
        )
    for name in names_of(diagnosis, package_name(found)):
        if (folder / name).exists() or (folder / name).is_symlink():  # REC-6
            raise OutputError(
                f"{name} is to be written, but there is a file of this name",
                rule="REC-6",
                hint="name a new folder for the whole package: -d DIR",
            )


def _write(found: Found, diagnosis: Diagnosis, beside: Path, target: Path | None, tell: OnProgress) -> Report:
    name = package_name(found)
    if target is None and not diagnosis.remake:  # and the folder may be one that cannot be written
        with volumes.find_files(found.paths) as again, again.join() as opened:
            return _report(found, diagnosis, opened, check_volumes(opened, never), (), 0)
    with files.Staging(target or beside / name) as staging:
        folder = staging.folder("volumes")
        paths = made_whole(found, diagnosis, folder, tell)
        if target is not None:
            paths = _all_in(folder, paths)
        with volumes.find_files(paths) as again, again.join() as opened:
            sealed = check_volumes(opened, never)
            written = [path for path in paths.values() if path.parent == folder]
            size = sum(path.stat().st_size for path in written)
            if target is not None:
                files.check_target_folder(target)
                files.publish_folder(folder, target)
            elif written:
                files.publish_files(written, beside)
        return _report(found, diagnosis, opened, sealed, tuple(path.name for path in written), size)


def _report(
    found: Found,
    diagnosis: Diagnosis,
    opened: Volumes,
    sealed: CheckedSeal | None,
    written: tuple[str, ...],
    size: int,
) -> Report:
    made = [Finding("repaired", each, "made again") for each in names_of(diagnosis, package_name(found))]
    members = sealed.newest.members if sealed else 0
    return Report(
        command="repair",
        set_id=opened.package.ids.set_id.hex(),
        instances_in=members,
        instances_out=members,
        bytes_in=opened.size,
        bytes_out=size,
        volumes=written,
        findings=(*diagnosis.survey.findings, *found.aside, *diagnosis.faults, *made),
        recipients=sealed.newest.recipients if sealed else (),
    )


def _all_in(folder: Path, paths: dict[str, Path]) -> dict[str, Path]:
    """Copy the volumes that are sound beside those that were made, so that the folder has the whole set."""
    files.check_room(folder, sum(path.stat().st_size for path in paths.values() if path.parent != folder))
    for name, path in paths.items():
        if path.parent != folder:
            files.write_new(folder / name, _pieces(path))
    return {name: folder / name for name in paths}


def _pieces(path: Path) -> Iterator[bytes]:
    with files.FileAccess(path) as access:
        for start in range(0, access.size, _READ_SIZE):
            yield access.read_at(start, _READ_SIZE)
