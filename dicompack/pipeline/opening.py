"""Opening a package: damage is judged before signatures, and repaired on the fly where that can be done.

What is made again waits in a private folder for the time of the run. It is what was sealed, never plaintext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dicompack import files
from dicompack.container import names
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.repairing import Diagnosis, diagnose
from dicompack.container.survey import Survey, VolumeNumber, number_of
from dicompack.report import Finding, Progress
from dicompack.stages import recovery, volumes
from dicompack.stages.volumes import Found, Volumes

OnProgress = Callable[[Progress], None]

_NAMELESS = "package.dcmpack"


def never(_progress: Progress) -> None:
    """Progress that nobody wants to hear of."""


def counting(on_progress: OnProgress, phase: str, total: int) -> Callable[[int], None]:
    """Takes numbers of bytes, tells how far that is."""
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        on_progress(Progress(phase, min(done, total), total, "bytes"))

    return count


@contextmanager
def open_package(
    path: Path,
    spare: Path,
    on_progress: OnProgress,
    *,
    every_byte: bool = True,
    present: bool = False,
) -> Iterator[Volumes]:
    """A package whose volumes are whole, or have been made whole; step 1 of the order of checks.

    Args:
        path: any volume, or the folder that holds them.
        spare: a private folder is made under a name beside this one, if something has to be repaired.
        on_progress: is told how far the check is.
        every_byte: also compare the hashes of all blocks.
        present: volumes that are there will do where the last is among them; the others are findings.

    Raises:
        DamagedVolumesError: volumes are missing or damaged, and the recovery volumes do not suffice.
    """
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(volumes.unpack(path, present=present))
            if every_byte:
                check_frames(opened, on_progress)
        except DamagedVolumesError as error:
            found = stack.enter_context(volumes.find(path))
            if not found.surveyed.descriptor.recovery:
                raise
            folder = stack.enter_context(files.Staging(spare)).folder("volumes")
            opened = stack.enter_context(_repaired(found, error, folder, on_progress))
        yield opened


def check_frames(opened: Volumes, on_progress: OnProgress) -> None:
    """The hashes of all blocks of the data volumes."""
    opened.check_frames(counting(on_progress, "checking", opened.size))  # (1)
    on_progress(Progress("checking", opened.size, opened.size, "bytes"))


def check_recovery(opened: Volumes) -> None:
    """See that the recovery volumes are there, whole, and belong to these very data volumes.

    Raises:
        RepairableVolumesError: they are not, and can be made again.
    """
    if opened.package.surveyed.descriptor.recovery:
        diagnose(opened.package.surveyed).check_sound()


def diagnosed(found: Found, on_progress: OnProgress) -> Diagnosis:
    """Judge every byte of a set that may have recovery volumes, and see that it can be made whole.

    Raises:
        DamagedVolumesError: it cannot.
    """
    total = found.surveyed.descriptor.total
    diagnosis = diagnose(found.surveyed, counting(on_progress, "checking", total))
    try:
        diagnosis.check_repairable()
    except DamagedVolumesError as error:
        raise DamagedVolumesError([*error.findings, *found.aside], hint=error.hint) from None
    return diagnosis


def _repaired(found: Found, cause: DamagedVolumesError, folder: Path, on_progress: OnProgress) -> Volumes:
    """The package with its lost volumes made again in `folder`.

    Raises:
        DamagedVolumesError: too little is left, or the result is not what a writer makes.
    """
    diagnosis = diagnosed(found, on_progress)
    if not any(not number.is_recovery for number in diagnosis.remake):
        raise cause
    paths = made_whole(found, diagnosis, folder, on_progress)
    with volumes.find_files(paths) as again:
        opened = again.join()
    try:
        check_frames(opened, never)
    except BaseException:
        opened.__exit__(None, None, None)
        raise
    opened.repaired = (*diagnosis.told, *found.aside)
    opened.how_to_repair = diagnosis.how_to_repair
    made = "made again from the recovery volumes; the files themselves are as they were"
    findings = [Finding("repaired", name, made) for name in names_of(diagnosis, package_name(found))]
    opened.findings = (*diagnosis.survey.findings, *found.aside, *diagnosis.faults, *findings)
    return opened


def made_whole(found: Found, diagnosis: Diagnosis, folder: Path, on_progress: OnProgress) -> dict[str, Path]:
    """Make what is lost again in `folder`; gives the whole set by its proper names."""
    descriptor, name = diagnosis.survey.descriptor, package_name(found)
    total = sum(_size(diagnosis.survey, number) for number in diagnosis.remake)
    files.check_room(folder, total)
    made = recovery.unpack(diagnosis, folder, name, counting(on_progress, "repairing", total))
    paths = {}
    for number in diagnosis.survey.numbers:
        own = made.get(number)
        if own is None:
            own = found.paths[diagnosis.survey.found[number][0].file_name]
        paths[recovery.file_name(descriptor, number, name)] = own
    return paths


def names_of(diagnosis: Diagnosis, name: str) -> Sequence[str]:
    """The file names of the volumes that were made again."""
    descriptor = diagnosis.survey.descriptor
    return [recovery.file_name(descriptor, number, name) for number in diagnosis.remake]


def _size(surveyed: Survey, number: VolumeNumber) -> int:
    striping = surveyed.descriptor.striping
    return striping.recovery_size if number.is_recovery else striping.size_of(number.index)


def package_name(found: Found) -> str:
    """The package's name, from the files that have a proper name of a volume."""
    descriptor = found.surveyed.descriptor
    others: list[str] = []
    for copies in found.surveyed.found.values():
        for volume in copies:
            name = names.package_name_of(volume.file_name)
            number = number_of(volume.condition.descriptor)
            if ".dcmpack" not in name:
                continue
            if recovery.file_name(descriptor, number, name) == volume.file_name:
                return name
            others.append(name.partition(".dcmpack")[0] + ".dcmpack")
    return others[0] if others else _NAMELESS
