"""T5: files of a set renamed, swapped, doubled, exchanged for another set's, cut and changed, on the disk.

Whatever comes out is byte for byte what was written, or nothing comes out; and each file that something was
done to is named.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicompack.container.faults import RepairableVolumesError
from dicompack.errors import DicomPackError
from dicompack.pipeline.opening import check_recovery, never, open_package
from tests.unit.container.packages import OTHER_IDS, Made, make

SIZES = [60_000] * 4
MOST_LOST = 2


@pytest.fixture(scope="module")
def mine() -> Made:
    return make(SIZES, 70_000, recovery=MOST_LOST, seed=1)


@pytest.fixture(scope="module")
def others() -> Made:
    """Another set with the same names and sizes: an older writing of the package."""
    return make(SIZES, 70_000, recovery=MOST_LOST, seed=2, ids=OTHER_IDS)


class Folder:
    """A set in a folder, to be mixed up; notes what was lost and what has to be named."""

    def __init__(self, path: Path, chance: random.Random, mine: Made, others: Made) -> None:
        self.path = path
        self.chance = chance
        self.others = others
        self.lost: set[str] = set()
        """Volumes that are not there as they were written, by their own names."""
        self.done: set[str] = set()
        """Volumes that something was done to."""
        self.named: list[tuple[str, ...]] = []
        """Files of which one each has to be named."""
        self.names = dict(zip(mine.volumes, mine.volumes, strict=True))
        """Of each volume the file that it is in."""
        for name, data in mine.volumes.items():
            (path / name).write_bytes(data)

    def pick(self) -> str:
        """A volume that nothing was done to."""
        return self.chance.choice(sorted(set(self.names) - self.done))

    def rename(self) -> None:
        volume = self.pick()
        new = f"{self.chance.randrange(1000)}-{volume.rpartition('.')[2]}.bin"
        (self.path / volume).rename(self.path / new)
        self.names[volume] = new
        self.done.add(volume)
        self.named.append((new,))

    def swap(self) -> None:
        one, other = self.pick(), self.pick()
        if one != other:
            first, second = ((self.path / name).read_bytes() for name in (one, other))
            (self.path / one).write_bytes(second)
            (self.path / other).write_bytes(first)
            self.names[one], self.names[other] = other, one
            self.done |= {one, other}
            self.named += [(one,), (other,)]

    def double(self) -> None:
        volume = self.pick()
        copy = volume.replace("study", f"study ({self.chance.randrange(1000)})")
        (self.path / copy).write_bytes((self.path / volume).read_bytes())
        self.done.add(volume)
        self.named.append((copy, volume))  # either of two equal files may be the one that is used

    def stale(self) -> None:
        volume = self.pick()
        (self.path / volume).write_bytes(self.others.volumes[volume])
        self.done.add(volume)
        self.lost.add(volume)

    def foreign(self) -> None:
        volume = self.chance.choice(sorted(self.others.volumes))
        name = f"study.dcmpack.{self.chance.randrange(300, 400)}"
        (self.path / name).write_bytes(self.others.volumes[volume])
        self.named.append((name,))

    def destroy(self) -> None:
        volume = self.pick()
        data = (self.path / volume).read_bytes()
        size = self.chance.randint(64, 3000)
        changed = self.chance.choice(
            (
                bytes(size) + data[size:],
                data[:-size] + bytes(size),
                bytes(size) + data[size:-size] + bytes(size),
                data.replace(b"\n", b"\r\n"),
                data[: self.chance.randrange(len(data))],
                data + self.chance.randbytes(size),
                data[:30_000] + self.chance.randbytes(size) + data[30_000 + size :],
            )
        )
        (self.path / volume).write_bytes(changed)
        self.done.add(volume)
        self.lost.add(volume)

    def lose(self) -> None:
        volume = self.pick()
        (self.path / volume).unlink()
        self.done.add(volume)
        self.lost.add(volume)


ACTIONS = ("rename", "swap", "double", "stale", "foreign", "destroy", "destroy", "lose")


def told(error_or_findings: object) -> str:
    if isinstance(error_or_findings, DicomPackError):
        return " ".join((str(error_or_findings), *error_or_findings.faults))
    assert isinstance(error_or_findings, tuple)
    return " ".join(f"{one.where}: {one.message}" for one in error_or_findings)


MENTIONED = re.compile(r"(recovery )?volumes? ([0-9]+)(?: to ([0-9]+))? of")


def check_named(folder: Folder, text: str) -> None:
    for names in folder.named:
        assert any(name in text for name in names), (names, text)
    mentioned = {
        f"study.dcmpack.{'r' if recovery else '0'}{number:02d}"
        for recovery, first, last in MENTIONED.findall(text)
        for number in range(int(first), int(last or first) + 1)
    }
    assert {one for one in folder.lost if one not in text} <= mentioned, (folder.lost, text)


def mixed_up(tmp_path: Path, mine: Made, others: Made, trials: int, seed: int) -> Iterator[bool]:
    for trial in range(trials):
        chance = random.Random(f"{seed} {trial}")
        path = tmp_path / str(trial)
        path.mkdir()
        folder = Folder(path, chance, mine, others)
        for _ in range(chance.randint(1, 3)):
            getattr(folder, chance.choice(ACTIONS))()
        whole = sorted(set(mine.volumes) - folder.lost)
        opened_by = path / folder.names[chance.choice(whole)]
        before = {one.name: one.read_bytes() for one in path.iterdir()}
        try:
            with open_package(opened_by, tmp_path / f"spare{trial}", never) as opened:
                assert opened.package.ids == mine.layout.ids, trial
                assert {name: opened.package.read(name) for name in opened.package.names} == mine.contents
                text = told(opened.findings)
                try:
                    check_recovery(opened)  # only `test` reads these whole
                except RepairableVolumesError as error:
                    text += told(error)
            yield True
        except DicomPackError as error:
            assert len(folder.lost) > MOST_LOST, (trial, str(error))
            text = told(error)
            yield False
        check_named(folder, text)
        assert {one.name: one.read_bytes() for one in path.iterdir()} == before
        for one in path.iterdir():
            one.unlink()
    assert not [one for one in tmp_path.iterdir() if "spare" in one.name]


def test_t5_files_that_were_mixed_up(tmp_path, mine, others):
    assert sum(mixed_up(tmp_path, mine, others, 40, 1)) > 30


@pytest.mark.slow
def test_t5_files_that_were_mixed_up_1000_times(tmp_path, mine, others):
    assert sum(mixed_up(tmp_path, mine, others, 1000, 2)) > 900
