"""How many recovery volumes there are, and what size of volume leaves room for them."""

import errno
import os

import pytest

from dicompack.container.bad_sectors import SECTOR_SIZE, read_around, unreadable
from dicompack.container.layout import StoredObject
from dicompack.container.redundancy import (
    DEFAULT_RECOVERY,
    NO_RECOVERY,
    Fitting,
    parse_recovery,
    redundancy_of,
)
from dicompack.errors import UsageError
from tests.unit.container.packages import IDS, object_names


def fit(members, volume_size, redundancy):
    """The layout that comes out, as the package stage makes it; the SEAL grows with the numbers."""
    fitting = Fitting(redundancy, volume_size)
    for _ in range(20):
        seal = 200 + len(str(fitting.count)) + len(str(fitting.recovery))
        sizes = [*members, 300, 64 * (len(members) + 1), seal]
        names = object_names(len(members))
        layout = fitting.lay_out([StoredObject(*each) for each in zip(names, sizes, strict=True)], IDS)
        if fitting.is_settled(layout):
            return layout, fitting.findings
    raise AssertionError("does not settle")


def sizes(layout):
    striping = layout.volumes[0].descriptor.striping
    return [*(volume.size for volume in layout.volumes), *([striping.recovery_size] * layout.recovery)]


@pytest.mark.parametrize(
    ("text", "columns", "volumes"),
    [
        ("0", 10, 0), ("0%", 10, 0), ("2", 10, 2), ("10%", 10, 1), ("10%", 11, 2), ("10%", 1, 1),
        ("7.5 %", 20, 2),
        ("100%", 20, 20), (" 5% ", 100, 5), ("254", 1, 254), ("0.001%", 200, 1),
    ],
)  # fmt: skip
def test_shares_and_counts(text, columns, volumes):
    assert parse_recovery(text).volumes(columns) == volumes


@pytest.mark.parametrize(
    "text",
    ["", "%", "-1", "1.5", "ten", "10 %%", "255", "1000", "25401%", "1e2", "\u0663", "10%\n5", "2 volumes"],
)
def test_rec_1_what_is_neither(text):
    with pytest.raises(UsageError) as caught:
        parse_recovery(text)
    assert caught.value.rule == "REC-1"


def test_the_default_is_for_several_volumes():
    assert redundancy_of(None, None) == NO_RECOVERY
    assert redundancy_of(None, 25_000_000) == DEFAULT_RECOVERY
    assert redundancy_of(0, 25_000_000).volumes(100) == 0
    assert redundancy_of("3", None).volumes(100) == 3
    layout, findings = fit([5000], 1_000_000, DEFAULT_RECOVERY)
    assert (layout.count, layout.recovery, findings) == (1, 0, ())


@pytest.mark.parametrize("data", [2, 3, 19, 20, 21, 40, 41, 100, 225])
def test_one_or_five_per_cent_and_no_file_is_too_large(data):
    layout, findings = fit([92_000] * data, 100_000, DEFAULT_RECOVERY)
    assert layout.recovery == max(1, -(-layout.count // 20)) and not findings
    assert max(sizes(layout)) <= 100_000
    assert sizes(layout)[0] > 90_000  # and not much is given away


def test_rec_1_too_many_volumes_for_the_default_is_a_finding():
    layout, findings = fit([90_000] * 260, 100_000, DEFAULT_RECOVERY)
    assert layout.recovery == 0 and layout.volumes[0].size == 100_000
    assert [(one.kind, one.rule) for one in findings] == [("no-recovery", "REC-1")]


@pytest.mark.parametrize("text", ["1", "30", "10%", "100%", "200"])
def test_rec_1_too_many_volumes_for_a_request_names_a_size_that_does(text):
    members = [90_000] * 400
    with pytest.raises(UsageError) as caught:
        fit(members, 100_000, parse_recovery(text))
    assert caught.value.rule == "REC-1"
    size = int(caught.value.hint.split("at least ")[1].split()[0])
    layout, _ = fit(members, size, parse_recovery(text))
    assert layout.recovery == parse_recovery(text).volumes(layout.count)
    assert layout.count + layout.recovery <= 255 and max(sizes(layout)) <= size
    assert layout.count + layout.recovery > 180  # and the size is not much more than what is needed


def test_rec_1_too_many_for_one_file():
    with pytest.raises(UsageError, match="parts of the data") as caught:
        fit([5_000_000], None, parse_recovery("236"))
    assert caught.value.rule == "REC-1"
    assert fit([5_000_000], None, parse_recovery("235"))[0].recovery == 235


def test_vol_14_a_size_that_is_too_small_because_of_recovery():
    members = [100] * 20
    for size in (4096, 4500, 5000):
        with pytest.raises(UsageError) as caught:
            fit(members, size, parse_recovery("2"))
        assert caught.value.rule == "VOL-14"
        needed = int(caught.value.hint.split("at least ")[1].split()[0])
        layout, _ = fit(members, needed, parse_recovery("2"))
        assert layout.recovery == 2 and max(sizes(layout)) <= needed


@pytest.mark.parametrize("wish", [DEFAULT_RECOVERY, parse_recovery("10%"), parse_recovery("40")])
@pytest.mark.parametrize(
    ("members", "asked"), [([30_000] * 5, 4096), ([50] * 300, 15_000), ([9_000] * 90, 5000)]
)
def test_vol_14_the_first_size_that_is_named_does(members, asked, wish):
    """Whoever asks for what he was told to ask for is not refused again."""
    with pytest.raises(UsageError) as caught:
        fit(members, asked, wish)
    needed = int(caught.value.hint.split("at least ")[1].split()[0])
    layout, _ = fit(members, needed, wish)
    assert max(sizes(layout)) <= needed < 10 * asked


@pytest.mark.parametrize(
    ("members", "asked", "wish"), [([200_000] * 3, 100_000, "254"), ([5_000_000], 10_000_000, "240")]
)
def test_rec_1_where_no_size_does_none_is_named(members, asked, wish):
    with pytest.raises(UsageError) as caught:
        fit(members, asked, parse_recovery(wish))
    assert (caught.value.rule, caught.value.hint) == ("REC-1", "ask for less recovery")


def test_one_file_with_recovery():
    layout, _ = fit([5_000_000, 3_000_000], None, parse_recovery("10%"))
    assert (layout.count, layout.recovery) == (1, 2)
    assert sizes(layout)[1] < layout.total * 0.06
    layout, _ = fit([100], None, parse_recovery("10%"))
    assert (layout.count, layout.recovery) == (1, 1)


def test_vol_17_bad_places_read_as_zeros():
    data = bytes(range(1, 256)) * 200

    def read_at(offset, size):
        if offset < 12_000 and offset + size > 11_000:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data[offset : offset + size]

    read, bad = read_around(read_at, 100, len(data))
    assert len(read) == len(data) - 100
    ((start, end),) = bad
    assert start <= 11_000 and end >= 12_000 and end - start == SECTOR_SIZE
    assert read[: start - 100] == data[100:start] and read[end - 100 :] == data[end:]
    assert not any(read[start - 100 : end - 100])
    (finding,) = unreadable("a.001", bad)
    assert (finding.kind, finding.rule, finding.where) == ("unreadable", "VOL-17", "a.001")
    assert read_around(read_at, 20_000, 30_000) == (data[20_000:30_000], [])


def test_other_errors_are_not_bad_places():
    def read_at(offset, size):
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        read_around(read_at, 0, 10)
