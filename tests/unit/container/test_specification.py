"""A second writer, made from the text of `spec/6-volumes.md` alone, gives the same bytes."""

import hashlib
import re
import struct
import zlib
from pathlib import Path

import pytest

from dicompack.container.layout import StoredObject, lay_out
from dicompack.container.limits import MAXIMUM_DIRECTORY_SIZE
from dicompack.container.readme import README_TEXT
from dicompack.container.volume_writer import VolumeWriter
from dicompack.container.zip_entries import COMMENT_SIZE
from tests.unit.container.packages import IDS, make

ROOT = Path(__file__).parents[3]
VOLUMES = (ROOT / "spec" / "6-volumes.md").read_text("utf-8")
RECOVERY = (ROOT / "spec" / "7-recovery.md").read_text("utf-8")
PACKAGE = (ROOT / "spec" / "5-package.md").read_text("utf-8")


def sha(data):
    return hashlib.sha256(data).digest()


def local(name, data_or_size, crc, extra=b""):
    """Local header (APPNOTE 4.3.7)"""
    size = data_or_size if isinstance(data_or_size, int) else len(data_or_size)
    return (
        b"PK\3\4"
        + struct.pack("<HIIIIIHH", 45, 0, 0x0021 << 16, crc, size, size, len(name), len(extra))
        + name
        + extra
    )


def second_writer(objects, set_id, volume_set, volume_size):
    """Packing, steps 1 to 6, over bytes in memory."""
    s = volume_size or 1 << 43

    def fits(t):
        return t + 558 + 16 * -(-t // 65536) <= s

    low, high = 0, s
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    limit = low

    volumes = [[(b"README", README_TEXT)]]

    def end_of(entries):
        return 512 + sum(30 + len(name) + len(data) for name, data in entries)

    for name, data in objects:
        prefix = b"CUT/" + name.removeprefix(b"DICOM/") + b"/"
        done = pieces = 0
        while done < len(data):
            here = end_of(volumes[-1])
            room = limit - here - 30 - len(prefix) - 4
            if pieces == 0 and here + 30 + len(name) + len(data) <= limit:
                volumes[-1].append((name, data))
                break
            if room < 1:
                volumes.append([])
                continue
            pieces += 1
            volumes[-1].append((prefix + b"%04d" % pieces, data[done : done + room]))
            done += room

    def size_of_last():
        names = [name for entries in volumes for name, _ in entries] + [b"x" * 16] * 2 * len(volumes)
        t = end_of(volumes[-1])
        return t + 558 + 16 * -(-t // 65536) + sum(46 + len(name) for name in names) + 98 + 136

    if size_of_last() > s:
        volumes.append([])
    n, last = len(volumes), size_of_last()
    shown_size = 0 if n == 1 else s
    total = (n - 1) * s + last
    files, directory = [], b""
    for index, entries in enumerate(volumes, start=1):
        size, offset, t = last if index == n else s, (index - 1) * s, end_of(entries)
        fields = (
            b"DCMPKVOL" + struct.pack("<HH", 1, 0) + set_id + volume_set + struct.pack("<III", index, n, 0)
        )
        fields += struct.pack("<QQQQQIHH", size, offset if n > 1 else 0, total, shown_size, t, 65536, 0, 1)
        spans = ((8, 10), (12, 44), (48, 56), (72, 88), (96, 104))
        fields += sha(b"".join(fields[start:end] for start, end in spans))
        fields += bytes(416 - len(fields))
        descriptor = fields + sha(fields)
        listed = []

        def entry(file, name, data, extra=b"", listed=listed):
            listed.append((name, data, len(file)))
            return file + local(name, data, zlib.crc32(data), extra) + data

        file = entry(b"", b"DCMPACK/H%07d" % index, descriptor, struct.pack("<HH", 0xD1C0, 14) + bytes(14))
        for name, data in entries:
            file = entry(file, name, data)
        assert len(file) == t
        table = b"".join(sha(file[start : start + 65536])[:16] for start in range(0, t, 65536))
        padding = 0 if index == n else s - t - 558 - len(table)
        trailer = b"DCMPKTRL" + struct.pack("<QQQ", len(table), padding, 0)
        trailer += sha(table + descriptor + trailer)
        file = entry(file, b"DCMPACK/T%07d" % index, table + bytes(padding) + descriptor + trailer)
        for name, data, position in listed:
            directory += b"PK\1\2" + struct.pack("<HHI", 45, 45, 0) + struct.pack("<I", 0x0021 << 16)
            directory += struct.pack("<IIIHH", zlib.crc32(data), len(data), len(data), len(name), 0)
            directory += bytes(10) + struct.pack("<I", (index - 1) * s * (n > 1) + position) + name
        files.append(file)
    count = sum(len(entries) for entries in volumes) + 2 * n
    start = (n - 1) * s * (n > 1) + len(files[-1])
    end = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), start)
    end += b"PK\6\7" + struct.pack("<IQI", 0, start + len(directory), 1)
    end += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 136)
    end += b"DICOMPack 1: volume %04d of %04d, directory %012d bytes, SHA-256 " % (n, n, len(directory))
    files[-1] += directory + end + sha(directory + end).hex().encode()
    return files


@pytest.mark.parametrize(
    ("sizes", "volume_size"),
    [
        ([150, 90], None),
        ([150, 2500], 4096),
        ([150, 1500], 4096),
        ([150, 1400, 700], 4096),
        ([70_000, 65_536, 131_072, 1], 140_000),
        ([50_000, 1, 300_000], 90_000),
    ],
)
def test_a_writer_made_from_the_text_gives_the_same_bytes(sizes, volume_size):
    made = make(sizes, volume_size)
    objects = [(name.encode(), data) for name, data in made.contents.items()]
    assert second_writer(objects, IDS.set_id, IDS.volume_set, volume_size) == list(made.volumes.values())


def test_the_two_writers_agree_at_every_edge():
    """All places where the last volume's directory and a piece of one byte can come to lie."""
    for size in [*range(1, 2000, 23), *range(1170, 1190)]:
        made = make([900, size], 4096)
        objects = [(name.encode(), data) for name, data in made.contents.items()]
        assert second_writer(objects, IDS.set_id, IDS.volume_set, 4096) == list(made.volumes.values()), size


def test_the_worked_example():
    made = make([150, 2500], 4096)
    for volume in made.layout.volumes:
        for entry in volume.entries:
            line = f"| {volume.descriptor.index} | {entry.position} | `{entry.name}` | {entry.size} |"
            assert line in VOLUMES
    first = made.volumes["study.dcmpack.001"]
    shown = "".join(re.findall(r"^[0-9a-f]{4}  (.*)$", VOLUMES, re.MULTILINE))
    assert bytes.fromhex(shown) == first[:168]

    contents = {
        name: (bytes(range(256)) * 10)[: len(data)] if name.startswith("DICOM") else bytes(len(data))
        for name, data in made.contents.items()
    }
    layout = lay_out([StoredObject(name, len(data)) for name, data in contents.items()], IDS, 4096)
    writer = VolumeWriter(layout, lambda name, offset, size: [contents[name][offset : offset + size]])
    together = b"".join(b"".join(writer.chunks(index)) for index in (1, 2))
    assert f"`{sha(together).hex()}`" in VOLUMES


def test_figures_in_the_text():
    assert f"`{sha(README_TEXT).hex()}`" in VOLUMES
    assert f"text of {len(README_TEXT)} bytes" in VOLUMES
    assert f"length {COMMENT_SIZE}" in VOLUMES
    assert f"{MAXIMUM_DIRECTORY_SIZE:,} bytes".replace(",", " ") in VOLUMES
    assert README_TEXT.isascii() and max(map(len, README_TEXT.splitlines())) <= 110


def test_every_rule_is_in_text_code_and_tests():
    pattern = re.compile(r"\b(?:VOL|ZIP|PKG|REC)-[0-9]+\b")
    defined = re.findall(
        r"^- \*\*((?:VOL|ZIP|PKG|REC)-[0-9]+)\*\*", VOLUMES + RECOVERY + PACKAGE, re.MULTILINE
    )
    assert len(defined) == len(set(defined))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "dicompack" / "container").glob("*.py"))
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py"))
    named = {rule.upper().replace("_", "-") for rule in re.findall(r"(?:vol|zip|pkg|rec)_[0-9]+", tests)}
    of_pipeline = {"REC-6", "VOL-18"}  # about files
    assert set(defined) - of_pipeline == set(pattern.findall(code))
    assert set(defined) == set(pattern.findall(tests)) | named
