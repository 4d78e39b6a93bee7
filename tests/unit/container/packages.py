"""Small packages in memory, for the tests of the container and of its interoperability."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dicompack.container.layout import Layout, SetIds, StoredObject, lay_out
from dicompack.container.names import member_name, recovery_names, seal_name, volume_names
from dicompack.container.repairing import Diagnosis, diagnose, recovery_descriptor, recovery_frame, remake
from dicompack.container.stripes import encode
from dicompack.container.survey import survey
from dicompack.container.volume_writer import VolumeWriter
from dicompack.container.volumes import Package, join

IDS = SetIds(bytes(range(16)), bytes(range(100, 116)))
OTHER_IDS = SetIds(bytes(range(16)), bytes(range(200, 216)))


class Memory:
    """A file in memory that notes how much was read, and allows no read beyond reason."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bytes_read = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, size: int, /) -> bytes:
        assert offset >= 0 and 0 <= size <= max(len(self.data), 1 << 20), (offset, size)
        data = self.data[offset : offset + size]
        self.bytes_read += len(data)
        return data


def object_names(members: int, seals: int = 1) -> list[str]:
    return [
        *(member_name(number) for number in range(1, members + 1)),
        "MANIFEST",
        "DIGESTS",
        *(seal_name(number) for number in range(1, seals + 1)),
    ]


@dataclass
class Made:
    layout: Layout
    contents: dict[str, bytes]
    volumes: dict[str, bytes]


def make(
    member_sizes: list[int],
    volume_size: int | None = None,
    *,
    ids: SetIds = IDS,
    seals: int = 1,
    manifest_size: int = 300,
    seed: int = 1,
    name: str = "study.dcmpack",
    recovery: int = 0,
) -> Made:
    chance = random.Random(seed)
    sizes = [*member_sizes, manifest_size, 64 * (len(member_sizes) + 1), *([200] * seals)]
    names = object_names(len(member_sizes), seals)
    contents = {each: chance.randbytes(size) for each, size in zip(names, sizes, strict=True)}
    return write(contents, volume_size, ids=ids, name=name, recovery=recovery)


def write(
    contents: dict[str, bytes],
    volume_size: int | None = None,
    *,
    ids: SetIds = IDS,
    name: str = "study.dcmpack",
    recovery: int = 0,
) -> Made:
    """The volumes of objects: data volumes first."""
    objects = [StoredObject(each, len(data)) for each, data in contents.items()]
    layout = lay_out(objects, ids, volume_size, recovery)
    writer = VolumeWriter(layout, lambda each, offset, size: [contents[each][offset : offset + size]])
    volumes = {
        file_name: b"".join(writer.chunks(index))
        for index, file_name in enumerate(layout.volume_names(name), start=1)
    }
    return Made(layout, contents, {**volumes, **recovery_volumes(layout, list(volumes.values()), name)})


def recovery_volumes(layout: Layout, data: list[bytes], name: str) -> dict[str, bytes]:
    descriptor = layout.volumes[0].descriptor
    if not descriptor.recovery:
        return {}
    parts: list[list[bytes]] = [[] for _ in range(descriptor.recovery)]
    for slices in encode(descriptor, lambda volume, offset, size: data[volume - 1][offset : offset + size]):
        for part, piece in zip(parts, slices.pieces, strict=True):
            part.append(piece)
    result = {}
    for index, file_name in enumerate(recovery_names(name, descriptor.recovery), start=1):
        start, end = recovery_frame(recovery_descriptor(descriptor, index))
        result[file_name] = b"".join([start, *parts[index - 1], end])
    return result


def repaired(files: dict[str, bytes], name: str = "study.dcmpack") -> tuple[Diagnosis, dict[str, bytes]]:
    """What is wrong with some volumes, and those that are made again, by their proper names."""
    diagnosis = diagnose(survey({each: Memory(data) for each, data in files.items()}))
    diagnosis.check_repairable()
    descriptor = diagnosis.survey.descriptor
    made: dict[str, bytearray] = {}
    proper = {
        number: (
            recovery_names(name, descriptor.recovery)
            if number.is_recovery
            else volume_names(name, descriptor.count)
        )[number.index - 1]
        for number in diagnosis.remake
    }
    for piece in remake(diagnosis):
        volume = made.setdefault(proper[piece.number], bytearray())
        end = piece.offset + len(piece.data)
        volume.extend(bytes(max(0, end - len(volume))))
        volume[piece.offset : end] = piece.data
    return diagnosis, {each: bytes(data) for each, data in made.items()}


def join_bytes(volumes: dict[str, bytes]) -> Package:
    return join({name: Memory(data) for name, data in volumes.items()})


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)
