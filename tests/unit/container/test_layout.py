"""Where everything goes, and that the places are the only possible ones."""

import io
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicompack.container.layout import SetIds, StoredObject, lay_out
from dicompack.container.limits import MAXIMUM_MEMBERS, MAXIMUM_OBJECT_SIZE, MINIMUM_VOLUME_SIZE
from dicompack.container.names import is_well_named, order_problem, parse_entry_name, volume_names
from dicompack.container.volume_writer import VolumeWriter
from dicompack.errors import InputError, UsageError
from tests.unit.container.packages import IDS, join_bytes, make, object_names


def stored(sizes, seals=1):
    sizes = [*sizes, 300, 64 * (len(sizes) + 1), *([200] * seals)]
    return [
        StoredObject(*pair) for pair in zip(object_names(len(sizes) - 2 - seals, seals), sizes, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(
        st.one_of(st.integers(1, 300), st.integers(1, 9000), st.sampled_from([65_536, 65_535, 140_000])),
        min_size=1,
        max_size=12,
    ),
    volume_size=st.one_of(st.none(), st.integers(4096, 9000), st.integers(60_000, 140_000)),
    seals=st.integers(0, 3),
)
def test_what_was_packed_is_what_join_gives(sizes, volume_size, seals):
    try:
        made = make(sizes, volume_size, seals=seals)
    except UsageError as error:
        assert error.rule == "VOL-14"
        return
    volumes = list(made.volumes.values())
    assert [len(volume) for volume in volumes] == [volume.size for volume in made.layout.volumes]
    assert all(len(volume) == volume_size for volume in volumes[:-1])
    assert volume_size is None or len(volumes[-1]) <= volume_size
    package = join_bytes(made.volumes)
    package.check_frames()
    assert package.names == tuple(made.contents)
    assert {name: package.read(name) for name in package.names} == made.contents
    assert package.volume_size == (volume_size if len(volumes) > 1 else None)
    assert package.layout == made.layout
    assert package.findings == ()
    with zipfile.ZipFile(io.BytesIO(b"".join(volumes))) as independent:
        assert independent.testzip() is None
        pieces = {}
        for entry in independent.namelist():
            named = parse_entry_name(entry)
            if named is not None:
                pieces[named.object_name] = pieces.get(named.object_name, b"") + independent.read(entry)
        assert pieces == made.contents


def test_every_rest_of_a_volume_is_filled():
    """The edge moves over header, one byte of data, tail: no size of an object falls through."""
    for size in range(1500, 2300):
        layout = lay_out(stored([size, 3000, 2000]), IDS, 4096)
        assert {volume.size for volume in layout.volumes[:-1]} == {4096}
        assert all(entry.size > 0 for volume in layout.volumes for entry in volume.entries)
        placed = sum(entry.size for volume in layout.volumes for entry in volume.entries)
        assert placed == size + 5000 + 300 + 256 + 200


def test_a_whole_object_never_stands_under_cut():
    for size in range(1500, 2300):
        for volume in lay_out(stored([size, 1500]), IDS, 4096).volumes:
            for entry in volume.entries:
                whole = {item.name: item.size for item in stored([size, 1500])}[entry.object_name]
                assert (entry.name == entry.object_name) == (entry.size == whole)


def test_an_object_may_be_cut_into_many_pieces():
    made = make([50_000], 12_000)
    names = [entry.name for volume in made.layout.volumes for entry in volume.entries]
    assert names[:5] == [f"CUT/00000001/{number:04d}" for number in range(1, 6)]


def test_the_manifest_is_cut_by_its_name():
    made = make([1000], 4096, manifest_size=6000)
    names = [entry.name for volume in made.layout.volumes for entry in volume.entries]
    assert "CUT/MANIFEST/0001" in names and "CUT/MANIFEST/0002" in names and "MANIFEST" not in names


def test_a_directory_that_does_not_fit_goes_into_a_volume_of_its_own():
    made = next(
        m for m in (make([size], 4096) for size in range(500, 2500, 20)) if not m.layout.volumes[-1].entries
    )
    assert made.layout.volumes[-2].descriptor.padding > 100
    join_bytes(made.volumes).check_frames()


def test_volume_size_asked_for_leaves_no_trace_in_one_volume():
    assert make([1000], 1_000_000).volumes == make([1000], None).volumes


def test_a_package_is_a_function_of_its_contents():
    assert make([5000, 70_000], 20_000).volumes == make([5000, 70_000], 20_000).volumes


def test_vol_14_names_a_size_that_does():
    objects = stored([1000] * 500)
    with pytest.raises(UsageError) as caught:
        lay_out(objects, IDS, 4096)
    assert caught.value.rule == "VOL-14"
    needed = int(caught.value.hint.split()[-2])
    assert needed < 80_000
    lay_out(objects, IDS, needed)


def test_vol_14_more_volumes_than_there_may_be():
    """Their directory would fit."""
    objects = stored([4_000_000_000] * 6)
    with pytest.raises(UsageError) as caught:
        lay_out(objects, IDS, 2_200_000)
    assert lay_out(objects, IDS, int(caught.value.hint.split()[-2])).count <= 9999


@pytest.mark.parametrize("volume_size", [0, -1, MINIMUM_VOLUME_SIZE - 1, 1 << 44])
def test_vol_14_bounds(volume_size):
    with pytest.raises(UsageError) as caught:
        lay_out(stored([1000]), IDS, volume_size)
    assert caught.value.rule == "VOL-14"


@pytest.mark.parametrize("size", [0, -1, MAXIMUM_OBJECT_SIZE + 1])
def test_zip_3_size_of_an_object(size):
    with pytest.raises(UsageError) as caught:
        lay_out(stored([1000, size]), IDS, None)
    assert caught.value.rule == "ZIP-3"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["MANIFEST", "DIGESTS", "SEAL0001"],
        ["DICOM/00000001", "DIGESTS", "MANIFEST", "SEAL0001"],
        ["DICOM/00000001", "MANIFEST"],
        ["DICOM/00000001", "DIGESTS"],
        ["DICOM/00000002", "MANIFEST", "DIGESTS", "SEAL0001"],
        ["DICOM/00000001", "DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0001"],
        ["DICOM/00000002", "DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0001"],
        ["DICOM/00000001", "MANIFEST", "MANIFEST", "DIGESTS", "SEAL0001"],
        ["DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0002"],
        ["DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0001", "SEAL0003"],
        ["DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0001", "README"],
        ["DICOM/1", "MANIFEST", "DIGESTS"],
        ["../00000001", "MANIFEST", "DIGESTS"],
    ],
)
def test_zip_2_order_of_objects(names):
    with pytest.raises(UsageError) as caught:
        lay_out([StoredObject(name, 10) for name in names], IDS, None)
    assert caught.value.rule == "ZIP-2"


def test_zip_2_too_many_members():
    assert order_problem(object_names(MAXIMUM_MEMBERS)) is None
    assert order_problem(object_names(MAXIMUM_MEMBERS + 1)) is not None
    assert order_problem(object_names(1, seals=9_999)) is None
    assert order_problem(object_names(1, seals=10_000)) is not None


@pytest.mark.parametrize("ids", [(b"", bytes(16)), (bytes(16), bytes(17))])
def test_ids_have_sixteen_bytes(ids):
    with pytest.raises(UsageError):
        SetIds(*ids)


def test_a_hundred_thousand_objects_are_laid_out_quickly():
    objects = stored([3000 + number % 70_000 for number in range(100_000)])
    before = time.perf_counter()
    layout = lay_out(objects, IDS, 100_000_000)
    assert time.perf_counter() - before < 3
    assert layout.count > 30


def test_names_of_volumes():
    assert volume_names("a.dcmpack", 1) == ("a.dcmpack",)
    assert volume_names("a.dcmpack", 2) == ("a.dcmpack.001", "a.dcmpack.002")
    assert volume_names("a", 1000)[999] == "a.1000" and volume_names("a", 1000)[0] == "a.0001"


@pytest.mark.parametrize(
    ("name", "index", "count", "expected"),
    [
        ("a.dcmpack", 1, 1, True),
        ("a.dcmpack.001", 1, 1, False),
        ("b.002", 2, 3, True),
        ("b.003", 2, 3, False),
        ("b.0002", 2, 3, False),
        ("b.0002", 2, 1000, True),
        ("b.002", 2, 1000, False),
        ("b.002.bak", 2, 3, False),
        ("b.dcmpack", 2, 3, False),
    ],
)
def test_vol_16_file_names(name, index, count, expected):
    assert is_well_named(name, index, count) is expected


@pytest.mark.parametrize(
    "name",
    ["DICOM/0000001", "DICOM/000000001", "dicom/00000001", "CUT/00000001", "CUT/1/0001", "CUT/README/0001",
     "CUT/00000001/001", "SEAL1", "SEAL00001", "MANIFEST ", "MANIFEST\n", "DICOM/" + "\u0661" * 8, "",
     "/MANIFEST"],
)  # fmt: skip
def test_zip_4_names_outside_the_grammar(name):
    assert parse_entry_name(name) is None


class TestWriter:
    def test_volumes_are_made_in_order(self):
        made = make([9000], 4096)
        writer = VolumeWriter(
            made.layout, lambda name, offset, size: [made.contents[name][offset : offset + size]]
        )
        with pytest.raises(UsageError):
            list(writer.chunks(2))
        list(writer.chunks(1))
        with pytest.raises(UsageError):
            list(writer.chunks(1))

    @pytest.mark.parametrize(
        "change", [lambda data: data + b"x", lambda data: data[:-1], lambda data: b"?" + data[1:]]
    )
    def test_an_object_that_changes_meanwhile_is_refused(self, change):
        made = make([9000])
        calls = []

        def read(name, offset, size):
            calls.append(name)
            data = made.contents[name][offset : offset + size]
            yield change(data) if calls.count("DICOM/00000001") == 2 else data

        with pytest.raises(InputError) as caught:
            list(VolumeWriter(made.layout, read).chunks(1))
        assert caught.value.where == "DICOM/00000001"

    def test_an_object_of_another_size_is_refused(self):
        made = make([9000])
        with pytest.raises(InputError):
            list(VolumeWriter(made.layout, lambda name, offset, size: [bytes(size - 1)]).chunks(1))

    @pytest.mark.parametrize("step", [1000, 65_536, 65_537, 200_000])
    def test_pieces_of_any_length_give_the_same_bytes(self, step):
        made = make([200_000, 65_536, 1], 150_000)

        def read(name, offset, size):
            data = memoryview(made.contents[name])[offset : offset + size]
            return (data[start : start + step] for start in range(0, size, step))

        writer = VolumeWriter(made.layout, read)
        assert [b"".join(writer.chunks(index)) for index in (1, 2)] == list(made.volumes.values())
