"""Malice: every number may be anything, under correct hashes; refused by rule, not for lack of memory."""

import hashlib
import struct
import tracemalloc
import zlib

import pytest

from dicompack.container.frames import (
    DESCRIPTOR_OFFSET,
    DESCRIPTOR_SIZE,
    HEAD_SIZE,
    TailSum,
    block_hash,
    parse_descriptor,
)
from dicompack.container.names import head_name
from dicompack.container.volume_writer import VolumeWriter
from dicompack.container.volumes import join
from dicompack.container.zip_entries import (
    CENTRAL_HEADER_SIZE,
    END_SIZE,
    end_records,
    local_header,
    parse_directory,
)
from dicompack.errors import DamagedError, DicomPackError, FormatError, UnsupportedError
from tests.unit.container.packages import IDS, Memory, flipped, join_bytes, make

ONE = make([150, 90])
TWO = make([150, 2500], 4096)
ONLY = next(iter(ONE.volumes))
A, B = TWO.volumes
FIELDS = {
    "version": (8, 2), "flags": (10, 2), "index": (44, 4), "count": (48, 4), "recovery": (52, 4),
    "size": (56, 8), "offset": (64, 8), "total": (72, 8), "volume size": (80, 8), "tail": (88, 8),
    "block": (96, 4), "code": (100, 2), "hash": (102, 2), "reserved": (136, 8), "last reserved": (408, 8),
}  # fmt: skip
UNSUPPORTED = {
    "version": "VOL-2",
    "block": "VOL-5",
    "hash": "VOL-5",
}
KNOWN = {"flags": 1, "code": 1}  # what this version has, where it does not belong: a contradiction


def extremes(value, size):
    most = (1 << 8 * size) - 1
    wanted = {0, 1, value - 1, value + 1, 2 * value, most, most - 1, most // 2, 1 << 4 * size}
    return sorted(number for number in wanted if 0 <= number <= most and number != value)


def resealed(descriptor: bytes) -> bytes:
    """A descriptor with hashes that fit it."""
    sealed = descriptor[: DESCRIPTOR_SIZE - 32]
    return sealed + hashlib.sha256(sealed).digest()


def with_head(volume: bytes, descriptor: bytes) -> bytes:
    head = local_header(head_name(1), DESCRIPTOR_SIZE, zlib.crc32(descriptor), volume[46:64])
    return head + descriptor + volume[HEAD_SIZE:]


@pytest.mark.parametrize("volumes", [ONE.volumes, TWO.volumes], ids=["one volume", "two volumes"])
@pytest.mark.parametrize("field", FIELDS)
def test_every_number_of_a_descriptor(field, volumes):
    """VOL-2, VOL-4, VOL-5, VOL-6, VOL-7, VOL-8, VOL-12."""
    position, size = FIELDS[field]
    for name, data in volumes.items():
        descriptor = data[DESCRIPTOR_OFFSET:HEAD_SIZE]
        value = int.from_bytes(descriptor[position : position + size], "little")
        for number in extremes(value, size):
            changed = bytearray(descriptor)
            changed[position : position + size] = number.to_bytes(size, "little")
            files = {**volumes, name: with_head(data, resealed(bytes(changed)))}
            tracemalloc.start()
            with pytest.raises((FormatError, UnsupportedError, DamagedError)) as caught:
                join_bytes(files)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
            tracemalloc.stop()
            expected = UNSUPPORTED.get(field, caught.value.rule)
            if field in KNOWN:
                expected = "VOL-4" if number <= KNOWN[field] else "VOL-5"
            assert caught.value.rule == expected
            assert caught.value.where == name or caught.value.faults[0].startswith(name), str(caught.value)


def test_vol_4_the_rules_between_numbers():
    """Consistent-looking lies: two fields changed together."""
    first, second = (volume[DESCRIPTOR_OFFSET:HEAD_SIZE] for volume in TWO.volumes.values())
    size_of_last = len(TWO.volumes[B])

    def changed(descriptor=first, **numbers):
        raw = bytearray(descriptor)
        for field, number in numbers.items():
            position, size = FIELDS[field.replace("_", " ")]
            raw[position : position + size] = number.to_bytes(size, "little")
        # The set description must fit too, or the comparison of all bytes would hide the rule under test.
        common = raw[8:10] + raw[12:44] + raw[48:56] + raw[72:88] + raw[96:104]
        raw[104:136] = hashlib.sha256(common).digest()
        return resealed(bytes(raw))

    assert parse_descriptor(changed()) is not None
    assert parse_descriptor(changed(total=4096 + 4096)) is not None
    lies = [
        {"total": 4096}, {"total": 4096 + 4097}, {"count": 3}, {"count": 10_000, "total": 4096 * 9_999 + 1},
        {"volume_size": 4095, "size": 4095, "total": 4095 + 100, "tail": 3521}, {"size": 4097},
        {"index": 2}, {"index": 0}, {"index": 3},
        {"tail": 511}, {"tail": 4096 - 46 - 512 - 15}, {"tail": 4097}, {"count": 1}, {"offset": 1},
        {"count": 1, "volume_size": 0, "total": 4097},
        {"volume_size": (1 << 43) + 1, "size": (1 << 43) + 1, "total": (1 << 43) + 2},
        {"descriptor": second, "size": 4097, "total": 4096 + 4097},
        {"descriptor": second, "tail": size_of_last - 500}, {"descriptor": second, "tail": size_of_last},
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(FormatError) as caught:
            parse_descriptor(changed(**lie))
        assert caught.value.rule == "VOL-4", lie


def test_vol_2_a_newer_version_is_named_as_such():
    descriptor = bytearray(ONE.volumes[ONLY][DESCRIPTOR_OFFSET:HEAD_SIZE])
    descriptor[8] = 2
    with pytest.raises(UnsupportedError) as caught:
        join_bytes({ONLY: with_head(ONE.volumes[ONLY], resealed(bytes(descriptor)))})
    assert caught.value.rule == "VOL-2" and caught.value.where == ONLY and caught.value.hint


# -- the directory: rebuilt with a comment that fits it, so that only the comparison can notice


def split(data):
    descriptor = parse_descriptor(data[DESCRIPTOR_OFFSET:HEAD_SIZE])
    return descriptor, data[: descriptor.tail_end], data[descriptor.tail_end : -END_SIZE]


def with_directory(
    made, directory: bytes, entries: int | None = None, offset: int | None = None
) -> dict[str, bytes]:
    """The volumes of `made` with another directory of the same length, and end records that fit it."""
    name, data = list(made.volumes.items())[-1]
    descriptor, front, before = split(data)
    assert len(directory) == len(before)
    end = end_records(
        descriptor.count,
        descriptor.count,
        made.layout.entry_count if entries is None else entries,
        directory,
        descriptor.offset + descriptor.tail_end if offset is None else offset,
    )
    return {**made.volumes, name: front + directory + end}


def directory_of(made):
    return split(list(made.volumes.values())[-1])[2]


def starts(directory):
    positions, position = [], 0
    for entry in parse_directory(directory):
        positions.append(position)
        position += CENTRAL_HEADER_SIZE + len(entry.name)
    return positions


CENTRAL = {
    "signature": (0, 4), "made by": (4, 2), "needed": (6, 2), "flags": (8, 2), "method": (10, 2),
    "time": (12, 2), "date": (14, 2), "crc": (16, 4), "compressed": (20, 4), "size": (24, 4),
    "name length": (28, 2), "extra length": (30, 2), "comment length": (32, 2), "disk": (34, 2),
    "internal": (36, 2), "external": (38, 4), "offset": (42, 4),
}  # fmt: skip


@pytest.mark.parametrize("made", [ONE, TWO], ids=["one volume", "two volumes"])
@pytest.mark.parametrize("field", CENTRAL)
def test_every_number_of_a_directory_header(field, made):
    """ZIP-1, ZIP-3, ZIP-4, ZIP-6, VOL-12: a correct SHA-256 over a wrong directory."""
    directory = directory_of(made)
    at, size = CENTRAL[field]
    last = list(made.volumes)[-1]
    for start in starts(directory):
        value = int.from_bytes(directory[start + at : start + at + size], "little")
        for number in extremes(value, size):
            changed = bytearray(directory)
            changed[start + at : start + at + size] = number.to_bytes(size, "little")
            tracemalloc.start()
            with pytest.raises(FormatError) as caught:
                join_bytes(with_directory(made, bytes(changed)))
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
            tracemalloc.stop()
            assert caught.value.where.startswith((last, *made.volumes))
            assert caught.value.rule in ("ZIP-1", "ZIP-2", "ZIP-3", "ZIP-4", "ZIP-5", "ZIP-6", "VOL-12")


def test_every_bit_of_the_directory_under_a_correct_hash():
    directory = directory_of(TWO)
    for position in range(len(directory)):
        with pytest.raises(FormatError):
            join_bytes(with_directory(TWO, flipped(directory, position, position % 7)))


def test_zip_1_a_directory_that_ends_anywhere():
    directory = directory_of(ONE)
    edges = {*starts(directory), len(directory)}
    for size in range(len(directory)):
        if size in edges:
            assert len(parse_directory(directory[:size])) == sorted(edges).index(size)
        else:
            with pytest.raises(FormatError) as caught:
                parse_directory(directory[:size])
            assert caught.value.rule == "ZIP-1"


def test_vol_12_objects_that_give_another_tail():
    directory = bytearray(directory_of(ONE))
    seal = starts(bytes(directory))[-2]
    for at in (20, 24):
        directory[seal + at] -= 1
    with pytest.raises(FormatError) as caught:
        join_bytes(with_directory(ONE, bytes(directory)))
    assert caught.value.rule == "VOL-12" and caught.value.where == ONLY


def renamed(made, old, new):
    directory = directory_of(made)
    assert directory.count(old) == 1 and len(old) == len(new)
    return with_directory(made, directory.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"DICOM/00000002", b"DICOM/0000000\xb2", "ZIP-4"),
        (b"DICOM/00000002", b"DICOM/../../ab", "ZIP-4"),
        (b"DICOM/00000002", b"DICOM\\00000002", "ZIP-4"),
        (b"MANIFEST", b"MANIFES\0", "ZIP-4"),
        (b"MANIFEST", b"CUSTODY1", "ZIP-4"),
        (b"DICOM/00000002", b"DICOM/00000001", "ZIP-2"),
        (b"DICOM/00000002", b"DICOM/00000003", "ZIP-2"),
        (b"SEAL0001", b"SEAL0002", "ZIP-2"),
        (b"SEAL0001", b"MANIFEST", "ZIP-2"),
        (b"DCMPACK/T0000001", b"DCMPACK/T0000002", "ZIP-6"),
        (b"DCMPACK/T0000001", b"CUT/SEAL0001/000", "ZIP-4"),
    ],
)
def test_names_in_the_directory(old, new, rule):
    with pytest.raises(FormatError) as caught:
        join_bytes(renamed(ONE, old, new))
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CUT/00000002/0001", b"CUT/00000002/0002"),
        (b"CUT/00000002/0001", b"CUT/00000002/0000"),
        (b"CUT/00000002/0002", b"CUT/00000002/0001"),
        (b"CUT/00000002/0002", b"CUT/00000002/0003"),
        (b"CUT/00000002/0002", b"CUT/00000001/0002"),
    ],
)
def test_zip_5_pieces_out_of_order(old, new):
    with pytest.raises(FormatError) as caught:
        join_bytes(renamed(TWO, old, new))
    assert caught.value.rule == "ZIP-5"


@pytest.mark.parametrize(
    "change", [{"entries": 0}, {"entries": 7}, {"entries": (1 << 64) - 1}, {"offset": 0}]
)
def test_zip_7_numbers_of_the_end_records(change):
    with pytest.raises(FormatError) as caught:
        join_bytes(with_directory(ONE, directory_of(ONE), **change))
    assert caught.value.rule == "ZIP-7"


def test_zip_7_every_byte_of_the_end_records_under_a_correct_hash():
    data = ONE.volumes[ONLY]
    _, front, directory = split(data)
    for position in range(END_SIZE - 64):
        changed = flipped(data, len(front) + len(directory) + position, position % 7)
        sealed = changed[len(front) : -64]
        changed = changed[:-64] + hashlib.sha256(sealed).hexdigest().encode()
        with pytest.raises(DicomPackError) as caught:
            join_bytes({ONLY: changed})
        assert caught.value.rule in ("ZIP-7", "VOL-9")


# -- the contents: with block hashes that fit them


def rehashed(data: bytes) -> bytes:
    """A last volume whose table fits its bytes; directory and CRC-32 of the tail too."""
    descriptor, front, directory = split(data)
    table = b"".join(block_hash(front[i : min(i + 65_536, descriptor.tail_offset)])
                     for i in range(0, descriptor.tail_offset, 65_536))  # fmt: skip
    tail = TailSum(descriptor)
    tail.update(table)
    header, last, crc = tail.finish()
    front = front[: descriptor.tail_offset] + header + table + last
    tail_at = starts(directory)[-1] + 16
    directory = directory[:tail_at] + struct.pack("<I", crc) + directory[tail_at + 4 :]
    end = end_records(descriptor.count, descriptor.count, len(parse_directory(directory)), directory,
                      descriptor.offset + descriptor.tail_end)  # fmt: skip
    return front + directory + end


def test_rehashing_alone_changes_nothing():
    assert rehashed(ONE.volumes[ONLY]) == ONE.volumes[ONLY]


def test_zip_6_and_zip_8_every_byte_under_correct_block_hashes():
    """Somebody who makes all hashes anew: structure is compared (ZIP-6), contents have a CRC-32 (ZIP-8)."""
    data = ONE.volumes[ONLY]
    tail_offset = split(data)[0].tail_offset
    spans = [(e.data_position, e.data_position + e.size, e.name) for e in ONE.layout.volumes[0].entries]
    for position in range(HEAD_SIZE, tail_offset):
        files = {ONLY: rehashed(flipped(data, position, position % 8))}
        member = next((name for start, end, name in spans if start <= position < end), None)
        with pytest.raises(FormatError) as caught:
            join_bytes(files).check_frames()
        assert caught.value.rule == ("ZIP-6" if member is None else "ZIP-8"), position
        assert caught.value.where.startswith(ONLY)
        if member is not None:
            with pytest.raises(FormatError) as caught:
                join_bytes(files).read(member)
            assert caught.value.rule == "ZIP-8" and caught.value.where == f"{ONLY}, {member}"


def test_vol_12_a_zip_of_the_same_objects_laid_out_otherwise():
    """Volumes of 4100 bytes that say 4100, but were filled as if they had 4096."""
    other = make([150, 2500], 4100)
    first = TWO.volumes[A]
    with pytest.raises(DicomPackError):
        join_bytes({A: first + bytes(4), B: other.volumes[B]})


def test_a_package_without_seal_is_well_formed():
    """Its origin is not: that is for the layer that knows signatures."""
    made = make([150], seals=0)
    assert join_bytes(made.volumes).names == ("DICOM/00000001", "MANIFEST", "DIGESTS")


def test_vol_9_a_directory_beyond_the_limit_is_not_read(monkeypatch):
    monkeypatch.setattr("dicompack.container.conditions.MAXIMUM_DIRECTORY_SIZE", 100)
    with pytest.raises(DamagedError) as caught:
        join_bytes(ONE.volumes)
    assert caught.value.rule == "VOL-9"


def test_a_set_of_many_objects_opens_quickly():
    made = make([40] * 20_000, 2_000_000)
    files = {name: Memory(data) for name, data in made.volumes.items()}
    package = join(files)
    package.check_frames()
    assert len(package.names) == 20_003


def test_zip_3_sizes_beyond_the_files_are_refused_before_they_are_laid_out(monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr("dicompack.container.structure.lay_out", never)
    directory = bytearray(directory_of(ONE))
    for start in starts(bytes(directory))[2:-1]:
        directory[start + 20 : start + 24] = b"\xfe\xff\xff\xff"
    with pytest.raises(FormatError) as caught:
        join_bytes(with_directory(ONE, bytes(directory)))
    assert caught.value.rule == "ZIP-3"


def test_layout_is_the_writers_own():
    writer = VolumeWriter(ONE.layout, lambda name, offset, size: [ONE.contents[name][offset : offset + size]])
    assert b"".join(writer.chunks(1)) == ONE.volumes[ONLY]
    assert IDS.set_id in ONE.volumes[ONLY]
