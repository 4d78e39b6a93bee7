"""Small packages in memory, for the tests of the container and of its interoperability."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dicompack.container.layout import Layout, SetIds, StoredObject, lay_out
from dicompack.container.names import member_name, seal_name
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
) -> Made:
    chance = random.Random(seed)
    sizes = [*member_sizes, manifest_size, 64 * (len(member_sizes) + 1), *([200] * seals)]
    names = object_names(len(member_sizes), seals)
    contents = {each: chance.randbytes(size) for each, size in zip(names, sizes, strict=True)}
    layout = lay_out([StoredObject(each, len(data)) for each, data in contents.items()], ids, volume_size)
    writer = VolumeWriter(layout, lambda each, offset, size: [contents[each][offset : offset + size]])
    volumes = {
        file_name: b"".join(writer.chunks(index))
        for index, file_name in enumerate(layout.volume_names(name), start=1)
    }
    return Made(layout, contents, volumes)


def join_bytes(volumes: dict[str, bytes]) -> Package:
    return join({name: Memory(data) for name, data in volumes.items()})


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)
