"""Recovery volumes: T1 to T5 of the issue on whole sets in memory; the full forms are marked slow."""

import hashlib
import itertools
import random
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from dicompack.container.faults import DamagedVolumesError, RepairableVolumesError
from dicompack.container.frames import (
    DESCRIPTOR_OFFSET,
    HEAD_SIZE,
    Descriptor,
    head,
    largest_tail_offset,
    marshal_descriptor,
    parse_descriptor,
)
from dicompack.container.layout import StoredObject, lay_out
from dicompack.container.repairing import diagnose, recovery_descriptor, remake
from dicompack.container.stripes import marshal_row, parse_row
from dicompack.container.striping import BLOCK_SIZE, Striping, largest_data_volume, recovery_volume_size
from dicompack.container.survey import VolumeNumber, survey
from dicompack.errors import DicomPackError, FormatError, UsageError
from tests.unit.container.packages import (
    IDS,
    OTHER_IDS,
    Memory,
    flipped,
    join_bytes,
    make,
    recovery_volumes,
    repaired,
    write,
)

RECOVERY = (Path(__file__).parents[3] / "spec" / "7-recovery.md").read_text("utf-8")


def of(data, recovery, volume_size=70_000, seed=1):
    """A set of exactly so many data and recovery volumes."""
    members = min(data, 10)
    for share in range(1000, 600, -2):
        sizes = [volume_size * data * share // (1000 * members)] * members
        if make(sizes, volume_size, seed=seed).layout.count == data:
            return make(sizes, volume_size, recovery=recovery, seed=seed).volumes
    raise AssertionError("another size is needed")


def small(seed=1):
    """Two data volumes and one recovery volume, about 8 KB each."""
    made = make([3000, 4000, 5000], 9000, recovery=1, seed=seed)
    assert made.layout.count == 2
    return made.volumes


def check(volumes, damaged):
    """What is left is made whole, byte for byte; what was sound stays as it is."""
    diagnosis, made = repaired(damaged)
    for name, data in volumes.items():
        assert made.get(name, damaged.get(name)) == data, name
    return diagnosis, made


def refused(damaged, *, short):
    with pytest.raises(DamagedVolumesError) as caught:
        repaired(damaged)
    assert caught.value.rule and f"{short} more volume" in caught.value.faults[-1], caught.value.faults
    assert caught.value.faults[-1].endswith("[REC-4]")
    return caught.value.faults


# -- the format


def test_the_worked_example():
    made = make([150, 2500], 4096)
    contents = {
        name: (bytes(range(256)) * 10)[: len(data)] if name.startswith("DICOM") else bytes(len(data))
        for name, data in made.contents.items()
    }
    volume = write(contents, 4096, recovery=1).volumes["study.dcmpack.r01"]
    assert f"= {len(volume)} bytes" in RECOVERY
    assert f"`{hashlib.sha256(volume).hexdigest()}`" in RECOVERY


def test_a_recovery_volume_made_from_the_text_is_the_same():
    """One parity column, made without the code's own kernels and layout."""
    volumes = of(3, 1)
    *data, parity = volumes.values()
    descriptor = parity[DESCRIPTOR_OFFSET:HEAD_SIZE]
    inverse = {a: b for a in range(1, 256) for b in range(1, 256) if product(a, b) == 1}
    tables = [bytes(product(inverse[3 ^ j], byte) for byte in range(256)) for j in range(3)]
    made = b"DCMPKREC" + bytes(56) + descriptor
    for stripe, start in enumerate(range(0, len(data[0]), 65536)):
        blocks = [volume[start : start + 65536] for volume in data]
        total = 0
        for block, table in zip(blocks, tables, strict=True):
            padded = block.translate(table).ljust(len(blocks[0]), b"\0")
            total ^= int.from_bytes(padded, "little")
        block = total.to_bytes(len(blocks[0]), "little")
        row = b"".join(hashlib.sha256(one).digest()[:16] for one in (*blocks, block))
        made += row + hashlib.sha256(descriptor[104:136] + stripe.to_bytes(8, "little") + row).digest()[:16]
        made += block
    trailer = b"DCMPKTRL" + bytes(24)
    made += descriptor + trailer + hashlib.sha256(descriptor + trailer).digest()
    assert made == parity


def product(one, other):
    result = 0
    while other:
        result ^= one * (other & 1)
        one = one << 1 ^ (one >> 7) * 0x11D
        other >>= 1
    return result


def test_descriptor_vol_4_the_numbers_of_recovery():
    descriptor = parse_descriptor(small()["study.dcmpack.r01"][DESCRIPTOR_OFFSET:HEAD_SIZE])
    assert descriptor.is_recovery and (descriptor.count, descriptor.recovery) == (2, 1)
    lies = [
        {"index": 2}, {"index": 0}, {"size": descriptor.size + 1}, {"offset": 9000}, {"recovery": 254},
        {"tail_offset": descriptor.tail_offset - 1}, {"recovery": 0}, {"total": 9000}, {"recovery": 1 << 31},
        {"count": 1}, {"count": 255}, {"volume_size": 1 << 44, "total": (1 << 44) + 1},
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(FormatError) as caught:
            parse_descriptor(marshal_descriptor(replace(descriptor, **lie)))
        assert caught.value.rule == "VOL-4", lie


def test_no_file_is_larger_than_what_was_asked_for():
    chance = random.Random(1)
    for _ in range(2000):
        count = chance.randint(2, 250)
        recovery = chance.randint(1, 255 - count)
        asked = chance.randint(10_000, 1_000_000)
        size = largest_data_volume(asked, count + recovery)
        if size < 1:
            continue
        assert recovery_volume_size(size, count + recovery) <= asked
        assert recovery_volume_size(size + 1, count + recovery) > asked
        striping = Striping(count, recovery, count * size, size)
        assert striping.recovery_size == recovery_volume_size(size, count + recovery)


@pytest.mark.parametrize("blocks", [1, 2, 19, 20, 21, 39, 40, 41, 399, 400, 401])
def test_virtual_columns_cover_the_file_once(blocks):
    for total in (blocks * BLOCK_SIZE, blocks * BLOCK_SIZE - 1, (blocks - 1) * BLOCK_SIZE + 1):
        striping = Striping(1, 1, total, 0)
        assert striping.columns <= 20 and striping.columns * striping.stripes >= blocks
        covered = []
        for column in range(striping.columns):
            for stripe in range(striping.stripes):
                place = striping.place(column, stripe)
                assert place.size <= striping.parity_size(stripe)
                covered += [place] if place.size else []
        assert covered[0].offset == 0 and sum(place.size for place in covered) == total
        for before, after in itertools.pairwise(covered):
            assert before.offset + before.size == after.offset


def test_rec_3_a_row_says_which_stripe_and_set_it_is_of():
    volume = small()["study.dcmpack.r01"]
    descriptor = parse_descriptor(volume[DESCRIPTOR_OFFSET:HEAD_SIZE])
    row = volume[HEAD_SIZE : HEAD_SIZE + descriptor.striping.row_size]
    assert parse_row(descriptor.set_description, 0, row) is not None
    assert parse_row(descriptor.set_description, 1, row) is None
    assert parse_row(bytes(32), 0, row) is None
    assert parse_row(descriptor.set_description, 0, b"") is None


# -- T1, T2: every byte, every length


def flips(volumes, positions, bits=lambda position: (position % 8,)):
    """Each flip is repaired byte for byte, and named; gives the number of flips."""
    done = 0
    flipped_bits = (
        (name, data, position, bit)
        for name, data in volumes.items()
        for position in positions(data)
        for bit in bits(position)
    )
    for name, data, position, bit in flipped_bits:
        damaged = {**volumes, name: flipped(data, position, bit)}
        try:
            diagnosis, made = repaired(damaged)
        except DicomPackError as error:
            assert name in str(error) or any(name in fault for fault in error.faults)
            continue
        assert made == {name: data}, (name, position)
        assert any(fault.where == name for fault in diagnosis.faults)
        with pytest.raises(RepairableVolumesError):
            diagnosis.check_sound()
        done += 1
    return done


def structural(data):
    """Every byte around the objects that has a meaning of its own, and a sample of the others."""
    return [*range(0, 140, 3), *range(140, len(data) - 700, 211), *range(len(data) - 700, len(data), 5)]


def test_t1_one_flipped_bit():
    volumes = small()
    assert flips(volumes, structural) == sum(len(structural(data)) for data in volumes.values())


@pytest.mark.slow
def test_t1_one_flipped_bit_at_every_byte():
    volumes = small()
    assert flips(volumes, lambda data: range(len(data))) == sum(map(len, volumes.values()))


@pytest.mark.slow
def test_t1_every_bit_of_what_is_no_object():
    """All eight bits of frames, directory and end records."""
    volumes = small()

    def around(data):
        return [*range(HEAD_SIZE), *range(len(data) - 1200, len(data))]

    assert flips(volumes, around, bits=lambda _: range(8)) == 8 * sum(
        len(around(data)) for data in volumes.values()
    )


def truncations(volumes, lengths):
    for name, data in volumes.items():
        for length in lengths(data):
            diagnosis, _ = check(volumes, {**volumes, name: data[:length]})
            named = [fault for fault in diagnosis.faults if fault.rule in ("VOL-6", "VOL-15", "VOL-8")]
            assert named, (name, length)
            if length >= HEAD_SIZE:
                assert f"truncated: {length} of {len(data)} bytes" in named[0].message
                assert named[0].where == name and named[0].kind == "truncated"


def test_t2_truncated():
    truncations(small(), lambda data: [0, 1, 511, 512, 513, 4000, len(data) - 512, len(data) - 1])


@pytest.mark.slow
def test_t2_truncated_at_every_length():
    truncations(small(), lambda data: range(len(data)))


@pytest.mark.slow
def test_t2_another_length_of_a_large_set_10_000_times():
    """50 MB in ten volumes and one for recovery: each that is shorter or longer is named, and how."""
    volumes = of(10, 1, 5_000_000)
    files = {name: Memory(data) for name, data in volumes.items()}
    chance = random.Random(3)
    for _ in range(10_000):
        name = chance.choice(list(volumes))
        data = volumes[name]
        length = chance.choice((chance.randrange(len(data)), len(data) + chance.randint(1, 70_000)))
        changed = data[:length] + chance.randbytes(max(0, length - len(data)))
        surveyed = survey({**files, name: Memory(changed)})
        found = {(one.finding.kind, one.finding.where) for one in surveyed.faults}
        if length > len(data):
            assert found == {("overlong", name)}
        elif length >= HEAD_SIZE:
            assert found == {("truncated", name)}
        else:
            assert found == {("missing", "")} and [*surveyed.strangers] == [name]


def test_t2_longer_than_it_was():
    volumes = small()
    for name, data in volumes.items():
        for more in (b"\0", b"x" * 600, data):
            diagnosis, _ = check(volumes, {**volumes, name: data + more})
            assert [(fault.kind, fault.rule) for fault in diagnosis.faults] == [("overlong", "VOL-7")]


# -- T3: whole volumes lost


@pytest.mark.parametrize(("data", "recovery"), [(5, 2), (6, 3), (8, 4)])
def test_t3_every_choice_of_lost_volumes(data, recovery):
    volumes = of(data, recovery)
    names = list(volumes)
    for lost in range(1, recovery + 1):
        for gone in itertools.combinations(names, lost):
            left = {name: volume for name, volume in volumes.items() if name not in gone}
            diagnosis, made = check(volumes, left)
            assert set(made) == set(gone)
            assert all(fault.rule == "VOL-15" and fault.kind == "missing" for fault in diagnosis.faults)
    for gone in itertools.combinations(names, recovery + 1):
        left = {name: volume for name, volume in volumes.items() if name not in gone}
        faults = refused(left, short=1)
        assert all("missing" in fault for fault in faults[:-1])
    refused({names[0]: volumes[names[0]]}, short=data - 1)


def lost_at_random(volumes, recovery, trials, seed):
    chance = random.Random(seed)
    names = list(volumes)
    for _ in range(trials):
        gone = set(chance.sample(names, chance.choice((1, recovery, recovery, chance.randint(1, recovery)))))
        left = {name: volume for name, volume in volumes.items() if name not in gone}
        _, made = check(volumes, left)
        assert set(made) == gone
    for _ in range(trials // 10):
        gone = set(chance.sample(names, recovery + chance.randint(1, 3)))
        left = {name: volume for name, volume in volumes.items() if name not in gone}
        assert all("missing" in fault for fault in refused(left, short=len(gone) - recovery)[:-1])


@pytest.mark.parametrize(("data", "recovery", "trials"), [(100, 10, 3), (200, 55, 2)])
def test_t3_many_volumes(data, recovery, trials):
    volumes = of(data, recovery, 60_000)
    lost_at_random(volumes, recovery, trials, 1)
    left = dict(list(volumes.items())[recovery + 1 :])
    refused(left, short=1)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "recovery"), [(100, 10), (200, 55)])
def test_t3_many_volumes_1000_times(data, recovery):
    lost_at_random(of(data, recovery, 60_000), recovery, 1000, 2)


# -- T4: damage here and there


def scattered(volumes, recovery, trials, seed):
    """Every volume is damaged; at most `recovery` blocks of a stripe are."""
    chance = random.Random(seed)
    descriptor = parse_descriptor(next(iter(volumes.values()))[DESCRIPTOR_OFFSET:HEAD_SIZE])
    striping = descriptor.striping
    names = list(volumes)
    for _ in range(trials):
        damaged = {name: bytearray(data) for name, data in volumes.items()}
        for stripe in range(striping.stripes):
            for column in chance.sample(range(striping.columns + recovery), chance.randint(0, recovery)):
                if column < striping.columns:
                    place = striping.place(column, stripe)
                    name, start, size = names[place.volume - 1], place.offset, place.size
                else:
                    name = names[column - striping.columns + striping.count]
                    start = striping.slice_offset(stripe)
                    size = striping.row_size + striping.parity_size(stripe)
                if size < 1:
                    continue
                # A byte, a sector, or the whole of it.
                length = min(size, chance.choice((1, 512, 4096, size)))
                at = start + chance.randrange(size - length + 1)
                garbage = chance.choice((bytes(length), chance.randbytes(length)))
                damaged[name][at : at + length] = garbage
        check(volumes, {name: bytes(data) for name, data in damaged.items()})


def test_t4_scattered_damage():
    volumes = of(5, 2, 300_000)
    scattered(volumes, 2, 15, 1)


def test_t4_scattered_damage_in_one_file():
    made = make([400_000, 700_000, 650_000], recovery=3)
    assert made.layout.count == 1
    scattered(made.volumes, 3, 10, 1)


@pytest.mark.slow
def test_t4_scattered_damage_1000_times():
    scattered(of(5, 2, 300_000), 2, 500, 2)
    scattered(make([400_000, 700_000, 650_000], recovery=3).volumes, 3, 500, 3)


def test_one_block_too_many_in_one_stripe_rec_4():
    volumes = of(4, 1, 200_000)
    names = list(volumes)
    damaged = {
        **volumes,
        names[0]: flipped(volumes[names[0]], 70_000),
        names[1]: flipped(volumes[names[1]], 5),
    }
    check(volumes, damaged)  # different stripes
    damaged[names[2]] = flipped(volumes[names[2]], 131_000)  # and now the second one in stripe 1
    faults = refused(damaged, short=1)
    assert {fault.partition(":")[0] for fault in faults[:-1]} == set(names[:3])
    assert any(
        f"{names[2]}: volume 3 of 4: bytes 65536 to 131071 are damaged [VOL-10]" == fault for fault in faults
    )


def test_a_single_file_survives_a_burst():
    made = make([900_000, 500_000], recovery=2)
    (name, data), *_ = made.volumes.items()
    striping = parse_descriptor(data[DESCRIPTOR_OFFSET:HEAD_SIZE]).striping
    burst = striping.stripes * BLOCK_SIZE
    for start in (0, 100_000, len(data) - burst):
        damaged = {**made.volumes, name: data[:start] + bytes(burst) + data[start + burst :]}
        check(made.volumes, damaged)
    gone = {each: volume for each, volume in made.volumes.items() if each != name}
    refused(gone, short=1)


def test_rec_4_the_volumes_that_are_named_suffice():
    """Each stripe has lost something else: not any two of the four volumes would do."""
    volumes = of(5, 1, 200_000)
    names = list(volumes)
    damaged = dict(volumes)
    for number, position in ((0, 5), (1, 9), (2, 70_000), (3, 70_001)):
        damaged[names[number]] = flipped(volumes[names[number]], position)
    with pytest.raises(DamagedVolumesError) as caught:
        repaired(damaged)
    assert "2 more volumes are needed" in caught.value.faults[-1]
    assert caught.value.hint == "get again from the sender: volume 1 of 5, volume 3 of 5"
    again = {**damaged, names[0]: volumes[names[0]], names[2]: volumes[names[2]]}
    check(volumes, again)
    with pytest.raises(DamagedVolumesError):
        repaired({**damaged, names[0]: volumes[names[0]], names[1]: volumes[names[1]]})


def test_rec_4_what_is_needed_suffices_whatever_is_damaged():
    volumes = of(6, 2, 300_000)
    names = list(volumes)
    chance = random.Random(5)
    tried = 0
    while tried < 25:
        damaged = dict(volumes)
        for _ in range(chance.randint(3, 16)):
            name = chance.choice(names)
            damaged[name] = flipped(damaged[name], chance.randrange(len(volumes[name])))
        diagnosis = diagnose(survey({name: Memory(data) for name, data in damaged.items()}))
        if not diagnosis.needed:
            continue
        tried += 1
        for number in diagnosis.needed:
            name = names[number.index - 1 + (6 if number.is_recovery else 0)]
            damaged[name] = volumes[name]
        check(volumes, damaged)


@pytest.mark.parametrize(("count", "recovery"), [(200, 55), (2, 200), (1, 235)])
def test_volumes_that_claim_to_be_huge(count, recovery):
    """T11: 512 bytes say that there are 134 million stripes; what is there has one."""
    size = 1 << 43
    descriptor = Descriptor(
        IDS.set_id, IDS.volume_set, 1, count, size, 0, count * size, 0 if count == 1 else size,
        512 if count == 1 else largest_tail_offset(size), recovery,
    )  # fmt: skip
    tracemalloc.start()
    began = time.monotonic()
    faults = refused({"a": head(descriptor)}, short=count if count > 1 else 1)
    assert time.monotonic() - began < 5 and tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert f"truncated: 512 of {size} bytes" in faults[0]
    own = recovery_descriptor(descriptor, 3)
    assert "missing" in refused({"a": head(own)}, short=count)[1]


# -- T5: mixed up


def test_t5_names_and_order_mean_nothing():
    volumes = of(5, 2)
    shuffled = dict(zip(random.Random(1).sample(list(volumes), 7), volumes.values(), strict=True))
    surveyed = survey({name: Memory(data) for name, data in shuffled.items()})
    assert not surveyed.faults
    assert {one.kind for one in surveyed.findings} == {"misnamed"}
    anything = {f"photo{number}.jpg": data for number, data in enumerate(volumes.values())}
    del anything["photo1.jpg"]
    assert set(repaired(anything)[1]) == {"study.dcmpack.002"}


def test_vol_13_a_second_copy_that_differs_helps():
    """Of two damaged copies of one volume each block is taken where it is right."""
    volumes = of(4, 1, 300_000)
    names = list(volumes)
    damaged = dict(volumes)
    damaged[names[0]] = flipped(volumes[names[0]], 10)
    damaged["copy"] = flipped(volumes[names[0]], 200_000)
    del damaged[names[1]]
    diagnosis, made = repaired(damaged)
    assert made == {name: volumes[name] for name in names[:2]}
    assert ("duplicate", "VOL-13") in {(fault.kind, fault.rule) for fault in diagnosis.faults}


def test_rec_2_damage_of_a_recovery_volume_has_its_range():
    volumes = of(3, 2, 300_000)
    name = "study.dcmpack.r02"
    striping = parse_descriptor(volumes[name][DESCRIPTOR_OFFSET:HEAD_SIZE]).striping
    start = striping.slice_offset(2)
    body = start + striping.row_size
    for position, first in ((start + 1, start), (body + 9, body)):
        diagnosis, _ = check(volumes, {**volumes, name: flipped(volumes[name], position)})
        end = start + striping.row_size if position < body else body + striping.parity_size(2)
        (fault,) = diagnosis.faults
        assert fault.message == f"recovery volume 2 of 2: bytes {first} to {end - 1} are damaged"
        assert (fault.where, fault.rule) == (name, "REC-2")


def test_head_and_tail_overwritten_vol_3_vol_8():
    volumes = of(4, 2, 300_000)
    for name in ("study.dcmpack.001", "study.dcmpack.003", "study.dcmpack.r02"):
        data = volumes[name]
        for destroyed, rule in (
            (bytes(600) + data[600:], "VOL-3"),
            (data[:-800] + bytes(800), "VOL-8"),
            (bytes(600) + data[600:-800] + bytes(800), "VOL-8"),
        ):
            diagnosis, made = check(volumes, {**volumes, name: destroyed})
            assert set(made) == {name}
            assert any(fault.where == name for fault in diagnosis.faults), (name, rule)
            assert not any(fault.kind == "missing" for fault in diagnosis.faults)


def test_a_small_file_without_head_and_tail_is_left_aside():
    """Not one of its blocks is right, so that nothing says what it was."""
    volumes = small()
    name = "study.dcmpack.001"
    destroyed = bytes(600) + volumes[name][600:-800] + bytes(800)
    diagnosis, _ = check(volumes, {**volumes, name: destroyed})
    assert [(fault.kind, fault.rule) for fault in diagnosis.faults] == [("missing", "VOL-15")]
    assert [(one.kind, one.where) for one in diagnosis.survey.findings] == [("not-a-volume", name)]


def test_a_file_of_lines_that_a_mail_program_changed():
    volumes = of(4, 2, 300_000)
    name = "study.dcmpack.002"
    diagnosis, _ = check(volumes, {**volumes, name: volumes[name].replace(b"\n", b"\r\n")})
    assert any(one.where == name for one in (*diagnosis.faults, *diagnosis.survey.findings))


def mixes(trials, seed):
    """Volumes of two sets of one shape: only those of one set are ever put together."""
    chance = random.Random(seed)
    objects = {"seed": 1, "recovery": 2}
    mine = make([60_000] * 4, 70_000, **objects).volumes
    others = make([60_000] * 4, 70_000, ids=OTHER_IDS, **{**objects, "seed": 2}).volumes
    wrong = 0
    for _ in range(trials):
        mixed = dict(mine)
        for name in chance.sample(list(mine), chance.randint(1, 3)):
            mixed[name] = others[name]
        for call in (join_bytes, repaired):
            with pytest.raises(UsageError) as caught:
                wrong += call(mixed) is None
            assert caught.value.rule == "VOL-11"
            assert all(name in caught.value.message for name in mixed)
    return wrong


def test_t5_two_sets():
    assert mixes(10, 1) == 0


@pytest.mark.slow
def test_t5_two_sets_1000_times():
    assert mixes(1000, 2) == 0


def test_rec_7_rows_that_differ_are_damage():
    """Somebody has made a row anew: a package is not called sound until the other recovery volume is lost."""
    volumes = of(4, 2)
    name = "study.dcmpack.r02"
    data = bytearray(volumes[name])
    descriptor = parse_descriptor(bytes(data[DESCRIPTOR_OFFSET:HEAD_SIZE]))
    striping = descriptor.striping
    start = striping.slice_offset(1)
    hashes = parse_row(descriptor.set_description, 1, bytes(data[start : start + striping.row_size]))
    data[start : start + striping.row_size] = marshal_row(
        descriptor.set_description, 1, (bytes(16), *hashes[1:])
    )
    diagnosis, made = check(volumes, {**volumes, name: bytes(data)})
    assert set(made) == {name}
    assert [(fault.where, fault.rule) for fault in diagnosis.faults] == [(name, "REC-2")]


def test_rec_5_a_forged_row_makes_a_repair_fail():
    """Rows can be made by anybody: what is made again must still have the hash in them."""
    made = make([60_000] * 4, 70_000, recovery=1)
    names = list(made.volumes)
    data = [made.volumes[name] for name in names[:-1]]
    other = [flipped(data[0], 30_000), *data[1:]]
    forged = recovery_volumes(made.layout, other, "study.dcmpack")["study.dcmpack.r01"]
    mixed = bytearray(forged)
    descriptor = made.layout.volumes[0].descriptor
    body = descriptor.striping.slice_offset(0) + descriptor.striping.row_size
    mixed[body : body + BLOCK_SIZE] = made.volumes["study.dcmpack.r01"][body : body + BLOCK_SIZE]
    damaged = dict(zip(names, [*data, bytes(mixed)], strict=True))
    del damaged[names[1]]
    with pytest.raises(DamagedVolumesError):
        repaired(damaged)


def test_memory_and_reading_are_bounded():
    """Every byte of every volume is read once to judge it, whatever the order."""
    volumes = of(5, 2, 300_000)
    files = {name: Memory(data) for name, data in volumes.items()}
    diagnosis = diagnose(survey(files))
    assert not diagnosis.remake and not diagnosis.faults
    for name, file in files.items():
        assert file.bytes_read < len(volumes[name]) + 50_000
    assert list(remake(diagnosis)) == []


def test_the_number_of_a_volume():
    descriptor = lay_out(
        [StoredObject(n, 10) for n in ("DICOM/00000001", "MANIFEST", "DIGESTS")], IDS, None, 2
    )
    own: Descriptor = recovery_descriptor(descriptor.volumes[0].descriptor, 2)
    assert own.number == "recovery volume 2 of 2" and not own.is_last
    assert sorted([VolumeNumber(True, 1), VolumeNumber(False, 2)])[0] == VolumeNumber(False, 2)
