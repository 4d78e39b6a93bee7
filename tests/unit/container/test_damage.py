"""Accidents: every flipped bit, every truncation, every mix-up is noticed and named."""

import pytest

from dicompack.container.conditions import check_blocks, examine
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.frames import BLOCK_SIZE, DESCRIPTOR_OFFSET, HEAD_SIZE
from dicompack.container.volumes import join
from dicompack.errors import DamagedError, DicomPackError, FormatError, UsageError
from tests.unit.container.packages import IDS, OTHER_IDS, Memory, flipped, join_bytes, make

ONE = make([150, 90])
TWO = make([150, 2500], 4096)
BIG = make([300_000, 5], 200_000)
A, B = "study.dcmpack.001", "study.dcmpack.002"


def refused(volumes):
    """The error that a full check of these files ends with."""
    with pytest.raises(DicomPackError) as caught:
        join_bytes(volumes).check_frames()
    return caught.value


def faults(volumes):
    error = refused(volumes)
    assert isinstance(error, DamagedError), error
    return error.faults


@pytest.mark.parametrize("made", [ONE, TWO], ids=["one volume", "two volumes"])
def test_every_flipped_bit_is_damage_of_a_named_volume(made):
    """VOL-3, VOL-8, VOL-9, VOL-10: at each byte one bit, another one from byte to byte."""
    assert len(made.volumes) == (1 if made is ONE else 2)
    rules = set()
    for name, data in made.volumes.items():
        for position in range(len(data)):
            found = faults({**made.volumes, name: flipped(data, position, position % 8)})
            assert found[0].startswith(name + ": volume"), (name, position, found)
            rules.add(found[0][-8:].partition("[")[2])
    assert rules == {"VOL-3]", "VOL-8]", "VOL-9]", "VOL-10]"}


def test_every_truncation_is_named():
    """VOL-6, and VOL-1 where less than a head is left."""
    for name, data in TWO.volumes.items():
        for size in range(len(data)):
            found = faults({**TWO.volumes, name: data[:size]})
            if size < HEAD_SIZE:
                number = int(name[-3:])
                assert found == (
                    f"volume {number} of 2 is missing [VOL-15]",
                    f"{name}: not a volume, or nothing of its head and tail is left [VOL-1]",
                )
            else:
                assert found[0].startswith(f"{name}: volume") and f"{size} of {len(data)} bytes" in found[0]


def test_every_truncation_of_the_only_volume_is_named():
    name, data = next(iter(ONE.volumes.items()))
    for size in range(len(data)):
        error = refused({name: data[:size]})
        if size < HEAD_SIZE:
            assert isinstance(error, FormatError) and error.rule == "VOL-1" and error.where == name
        else:
            assert error.rule == "VOL-6" and error.faults[0].startswith(name)


@pytest.mark.parametrize("extra", [b"\0", b"\r\n", bytes(5000)])
@pytest.mark.parametrize("name", [A, B])
def test_vol_7_too_long(name, extra):
    data = TWO.volumes[name]
    assert (
        f"{len(data) + len(extra)} instead of {len(data)} bytes"
        in faults({**TWO.volumes, name: data + extra})[0]
    )


@pytest.mark.parametrize("name", [A, B])
def test_vol_3_headless_volumes_know_themselves_by_their_tail(name):
    data = TWO.volumes[name]
    headless = bytes(HEAD_SIZE) + data[HEAD_SIZE:]
    condition = examine(Memory(headless))
    assert condition.index == int(name[-3:]) and condition.volume_set == IDS.volume_set
    assert condition.fault is not None and condition.fault.kind == "headless"
    assert check_blocks(Memory(headless), condition) == (
        (0, min(BLOCK_SIZE, condition.descriptor.tail_offset)),
    )
    assert faults({**TWO.volumes, name: headless}) == (
        f"{name}: volume {int(name[-3:])} of 2: its head is destroyed [VOL-3]",
    )


@pytest.mark.parametrize("name", [A, B])
@pytest.mark.parametrize("cut", [1, 600])
def test_vol_3_a_lost_front_is_named(name, cut):
    found = faults({**TWO.volumes, name: TWO.volumes[name][cut:]})
    assert "its head is destroyed" in found[0] and "truncated" in found[1]


@pytest.mark.parametrize("position", [0, 14, 29, 30, 45, 46, 63])
def test_vol_3_the_header_before_the_descriptor(position):
    condition = examine(Memory(flipped(TWO.volumes[A], position)))
    assert [(fault.kind, fault.rule) for fault in condition.faults] == [("damaged", "VOL-3")]


def test_vol_8_padding_is_zero():
    padded = next(
        made for made in (make([size], 4096) for size in range(500, 2500, 20)) if made.layout.count == 2
    )
    name = next(iter(padded.volumes))
    descriptor = padded.layout.volumes[0].descriptor
    assert descriptor.padding > 100
    for offset in (0, 50, descriptor.padding - 1):
        position = descriptor.tail_offset + 46 + descriptor.table_size + offset
        error = refused({**padded.volumes, name: flipped(padded.volumes[name], position)})
        assert error.rule == "VOL-8" and error.faults[0].startswith(name)


def test_text_mode_transfer_is_noticed():
    for name, data in TWO.volumes.items():
        mangled = data.replace(b"\n", b"\r\n")
        assert mangled != data
        assert any(name in line for line in faults({**TWO.volumes, name: mangled}))


def test_vol_15_missing_volumes_by_number():
    made = make([40_000], 8192)
    assert len(made.volumes) == 7
    for lost in ([1], [7], [2, 3], [1, 4, 5, 7]):
        rest = {name: data for name, data in made.volumes.items() if int(name[-3:]) not in lost}
        error = refused(rest)
        assert error.rule == "VOL-15" and error.kind == "damaged"
        text = " ".join(error.faults)
        assert text.count("missing") == len({2: [1], 4: [1, 2, 3]}.get(len(lost), [1]))
    assert refused({name: made.volumes[name] for name in list(made.volumes)[3:6]}).faults == (
        "volumes 1 to 3 of 7 are missing [VOL-15]",
        "volume 7 of 7 is missing [VOL-15]",
    )


def test_vol_16_swapped_names_are_a_finding_only():
    package = join_bytes({A: TWO.volumes[B], B: TWO.volumes[A]})
    package.check_frames()
    assert package.volume_names == (B, A)
    assert [(finding.kind, finding.where, finding.rule) for finding in package.findings] == [
        ("misnamed", B, "VOL-16"),
        ("misnamed", A, "VOL-16"),
    ]
    assert {name: package.read(name) for name in package.names} == TWO.contents


def test_renamed_volumes_join():
    package = join_bytes({"x": TWO.volumes[B], "y.bin": TWO.volumes[A]})
    assert package.read("DICOM/00000002") == TWO.contents["DICOM/00000002"]
    assert {finding.kind for finding in package.findings} == {"misnamed"}


def test_vol_13_identical_duplicate_is_a_finding():
    package = join_bytes({**TWO.volumes, "copy.001": TWO.volumes[A]})
    assert [(finding.kind, finding.where) for finding in package.findings] == [("duplicate", "copy.001")]
    package.check_frames()


@pytest.mark.parametrize("change", [lambda data: flipped(data, 700), lambda data: data[:-1]])
@pytest.mark.parametrize("name", ["copy.001", "a copy.001", "zzz.001"])
def test_vol_13_of_two_that_differ_the_sound_one_is_used(change, name):
    """Whoever gets a damaged volume again has both."""
    package = join_bytes({**TWO.volumes, name: change(TWO.volumes[A])})
    package.check_frames()
    assert package.volume_names == (A, B)
    assert [(one.kind, one.where, one.rule) for one in package.findings] == [("duplicate", name, "VOL-13")]
    assert package.findings[0].message == f"volume 1 again, and damaged; {A} is used"


def test_vol_13_differing_duplicate_is_damage():
    """None of them is sound, or more than one: nothing says which to use."""
    data = TWO.volumes[A]
    error = refused({**TWO.volumes, A: flipped(data, 800), "copy.001": flipped(data, 700)})
    assert f"{A}: volume 1 again, but not the bytes of copy.001 [VOL-13]" in error.faults or (
        f"copy.001: volume 1 again, but not the bytes of {A} [VOL-13]" in error.faults
    )
    other = make([150, 2500], 4096, seed=2)
    both = {**TWO.volumes, "copy.001": other.volumes[A]}
    assert f"copy.001: volume 1 again, but not the bytes of {A} [VOL-13]" in refused(both).faults


def test_vol_11_two_sets_are_listed():
    other = make([150, 2500], 4096, ids=OTHER_IDS)
    for volumes in (
        {A: TWO.volumes[A], B: other.volumes[B]},
        {**TWO.volumes, "foreign.002": other.volumes[B]},
    ):
        with pytest.raises(UsageError) as caught:
            join_bytes(volumes)
        assert caught.value.rule == "VOL-11"
        assert all(name in caught.value.message for name in volumes)
        assert IDS.volume_set.hex()[:8] in caught.value.message
        assert OTHER_IDS.volume_set.hex()[:8] in caught.value.message


def test_vol_12_same_set_other_contents():
    """Two sets that claim one random id: nobody but a forger makes this."""
    other = make([150, 2600], 4096)
    with pytest.raises(FormatError) as caught:
        join_bytes({A: TWO.volumes[A], B: other.volumes[B]})
    assert caught.value.rule == "VOL-12" and caught.value.where == B


def test_vol_1_strange_files_are_left_aside_and_named():
    package = join_bytes({**TWO.volumes, "notes.txt": b"hello" * 1000})
    assert [(finding.kind, finding.where) for finding in package.findings] == [("not-a-volume", "notes.txt")]


@pytest.mark.parametrize("data", [b"", b"PK", bytes(10_000), b"PK\5\6" + bytes(18)])
def test_vol_1_nothing_is_a_volume(data):
    with pytest.raises(FormatError) as caught:
        join_bytes({"x": data})
    assert caught.value.rule == "VOL-1" and caught.value.kind == "format"
    with pytest.raises(FormatError):
        join({})


def test_all_faults_are_listed_at_once():
    made = make([40_000], 8192)
    names = list(made.volumes)
    changed = {
        names[0]: made.volumes[names[0]][:5000],
        names[2]: made.volumes[names[2]] + b"?",
        names[3]: flipped(made.volumes[names[3]], DESCRIPTOR_OFFSET + 30),
        names[5]: flipped(made.volumes[names[5]], 8191),
        names[6]: flipped(made.volumes[names[6]], len(made.volumes[names[6]]) - 1),
    }
    found = faults(changed)
    assert [line[-8:].strip("[] ").split("[")[-1] for line in found] == [
        "VOL-6", "VOL-7", "VOL-3", "VOL-8", "VOL-9", "VOL-15", "VOL-15",
    ]  # fmt: skip


def test_vol_10_damaged_ranges_are_whole_blocks():
    data = flipped(BIG.volumes[A], 70_000)
    assert check_blocks(Memory(data), examine(Memory(data))) == ((65_536, 131_072),)
    data = flipped(flipped(data, 140_000), 199_000)
    end = BIG.layout.volumes[0].descriptor.tail_offset
    assert check_blocks(Memory(data), examine(Memory(data))) == ((65_536, end),)
    assert faults({**BIG.volumes, A: data}) == (
        f"{A}: volume 1 is damaged (bytes 65536 to {end - 1}) [VOL-10]",
    )


def test_check_blocks_reports_progress_and_nothing_else_for_a_sound_volume():
    seen = []
    volume = Memory(BIG.volumes[A])
    assert check_blocks(volume, examine(volume), seen.append) == ()
    assert sum(seen) == BIG.layout.volumes[0].descriptor.tail_offset


def test_blocks_are_not_judged_by_a_lost_table():
    volume = Memory(BIG.volumes[A][:150_000])
    assert check_blocks(volume, examine(volume)) == ((150_000, 200_000),)


def test_read_refuses_damaged_bytes_and_names_the_volume():
    volumes = {**BIG.volumes, A: flipped(BIG.volumes[A], 70_000)}
    package = join_bytes(volumes)
    with pytest.raises(DamagedVolumesError) as caught:
        package.read("DICOM/00000001")
    assert caught.value.faults[0].startswith(A) and caught.value.rule == "VOL-10"
    assert package.read("DICOM/00000002") == BIG.contents["DICOM/00000002"]


def test_opening_does_not_read_the_members():
    files = {name: Memory(data) for name, data in BIG.volumes.items()}
    package = join(files)
    assert package.size("DICOM/00000001") == 300_000
    assert sum(file.bytes_read for file in files.values()) < 15_000


def test_read_at_crosses_pieces():
    package = join_bytes(BIG.volumes)
    whole = BIG.contents["DICOM/00000001"]
    edge = BIG.layout.volumes[0].entries[0].size
    for offset, size in ((0, 10), (edge - 5, 10), (edge, 1), (299_990, 50), (300_000, 5), (0, 300_000)):
        assert package.read_at("DICOM/00000001", offset, size) == whole[offset : offset + size]


def test_check_frames_counts_every_byte():
    seen = []
    join_bytes(BIG.volumes).check_frames(seen.append)
    assert sum(seen) == sum(volume.descriptor.tail_offset for volume in BIG.layout.volumes)


def test_vol_6_a_file_that_shrinks_while_it_is_read():
    files = {name: Memory(data) for name, data in BIG.volumes.items()}
    package = join(files)
    files[A].data = files[A].data[:100_000]
    for check in (package.check_frames, lambda: package.read("DICOM/00000001")):
        with pytest.raises(DamagedVolumesError) as caught:
            check()
        assert caught.value.faults == (f"{A}: volume 1 of 2 ended early, while it was read [VOL-6]",)


def test_faults_cross_a_process_boundary():
    import pickle

    error = refused({A: TWO.volumes[A]})
    again = pickle.loads(pickle.dumps(error))
    assert (again.faults, again.rule, again.hint, str(again)) == (
        error.faults,
        error.rule,
        error.hint,
        str(error),
    )
