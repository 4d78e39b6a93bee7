"""Stage 7: recovery. Make recovery volumes of data volumes, and lost volumes of those that are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from dicompack.container import names, stripes
from dicompack.container.frames import Descriptor
from dicompack.container.repairing import (
    Diagnosis,
    recovery_descriptor,
    recovery_frame,
    remake,
)
from dicompack.container.survey import VolumeNumber
from dicompack.files import FileAccess, NewFile


def pack(
    descriptor: Descriptor,
    data_volumes: Sequence[Path],
    folder: Path,
    name: str,
    on_bytes: Callable[[int], None],
) -> list[Path]:
    """Write the recovery volumes of finished data volumes; gives their paths."""
    paths = [folder / each for each in names.recovery_names(name, descriptor.recovery)]
    with ExitStack() as stack:
        accesses = [stack.enter_context(FileAccess(path)) for path in data_volumes]
        written = [stack.enter_context(NewFile(path)) for path in paths]

        def read(volume: int, offset: int, size: int) -> bytes:
            return accesses[volume - 1].read_at(offset, size)

        for index, file in enumerate(written, start=1):
            own = recovery_descriptor(descriptor, index)
            start, end = recovery_frame(own)
            file.write_at(0, start)
            file.write_at(own.tail_offset, end)
        for slices in stripes.encode(descriptor, read):
            for file, piece in zip(written, slices.pieces, strict=True):
                file.write_at(slices.offset, piece)
                on_bytes(len(piece))
    return paths


def unpack(
    diagnosis: Diagnosis, folder: Path, name: str, on_bytes: Callable[[int], None]
) -> dict[VolumeNumber, Path]:
    """Make the lost and damaged volumes again, under their own names, into a folder; gives their paths.

    Raises:
        DamagedVolumesError: too little is left.
    """
    diagnosis.check_repairable()
    paths = {
        number: folder / file_name(diagnosis.survey.descriptor, number, name) for number in diagnosis.remake
    }
    with ExitStack() as stack:
        files = {number: stack.enter_context(NewFile(path)) for number, path in paths.items()}
        for piece in remake(diagnosis):
            files[piece.number].write_at(piece.offset, piece.data)
            on_bytes(len(piece.data))
    return paths


def file_name(descriptor: Descriptor, number: VolumeNumber, name: str) -> str:
    """The file name of a volume of a package called `name`."""
    if number.is_recovery:
        return names.recovery_names(name, descriptor.recovery)[number.index - 1]
    return names.volume_names(name, descriptor.count)[number.index - 1]
