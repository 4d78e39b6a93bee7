"""Recovery volumes beside par2: the same files, the same redundancy; speed, and what each survives.

    python -m tests.bench.recovery [--megabytes N] [--volumes N] [--recovery N]

The volumes hold random bytes in place of sealed objects. Both write their redundancy onto the same disk,
check everything, and repair the same damage.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dicompack.container import erasure, erasure_kernels
from dicompack.container.layout import Layout, SetIds, StoredObject, lay_out
from dicompack.container.names import member_name
from dicompack.container.repairing import diagnose
from dicompack.container.striping import BLOCK_SIZE, largest_data_volume
from dicompack.errors import DicomPackError
from dicompack.files import allow_many_files
from dicompack.stages import recovery, volumes

_PIECE = 1 << 20


def made(folder: Path, size: int, count: int, recovery_volumes: int) -> tuple[Layout, list[Path]]:
    """Data volumes of random bytes, without recovery volumes so far."""
    chance = np.random.default_rng(1).bytes(_PIECE + 997)
    volume_size = largest_data_volume(size // count, count + recovery_volumes)
    objects = [StoredObject(member_name(number), size // (4 * count)) for number in range(1, 4 * count)]
    objects += [StoredObject("MANIFEST", 1000), StoredObject("DIGESTS", 1000), StoredObject("SEAL0001", 1000)]
    ids = SetIds(os.urandom(16), os.urandom(16))
    layout = lay_out(objects, ids, volume_size)
    plain = lay_out(objects, ids, volume_size, recovery_volumes)
    assert layout.count == plain.count

    def read(name: str, offset: int, length: int) -> Iterator[bytes]:
        shift = int(hashlib.sha256(name.encode()).hexdigest(), 16)
        for start in range(offset, offset + length, _PIECE):
            begin = (shift + start // _PIECE) % 997
            yield chance[begin : begin + min(_PIECE, offset + length - start)]

    writer = volumes.VolumeWriter(plain, read)
    paths = [folder / name for name in plain.volume_names("study.dcmpack")]
    for index, path in enumerate(paths, start=1):
        volumes.write_new(path, writer.chunks(index))
    return plain, paths


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ours(layout: Layout, paths: list[Path]) -> float:
    """Seconds to write the recovery volumes."""
    descriptor = layout.volumes[0].descriptor
    return seconds(
        lambda: recovery.pack(descriptor, paths, paths[0].parent, "study.dcmpack", lambda _size: None)
    )


def ours_repair(folder: Path, out: Path) -> bool:
    """Make everything again that is damaged; False: refused."""
    out.mkdir()
    try:
        with volumes.find(folder) as found:
            recovery.unpack(diagnose(found.surveyed), out, "study.dcmpack", lambda _size: None)
    except DicomPackError:
        return False
    return True


def par2_create(folder: Path, paths: list[Path], percent: int, block: int) -> float:
    """Seconds to write par2's volumes with blocks of so many bytes."""
    command = ["par2", "create", "-q", "-q", f"-s{block}", f"-r{percent}", folder / "study.par2", *paths]
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def par2_repair(folder: Path) -> bool:
    command = ["par2", "repair", "-q", "-q", folder / "study.par2", *sorted(folder.iterdir())]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


# ------------------------------------------------------------------------------------- kinds of damage


def lose(paths: list[Path], count: int) -> None:
    for path in paths[1 : count + 1]:
        path.unlink()


def flip_each(paths: list[Path], times: int) -> None:
    """Bytes all over all volumes, no two in one stripe."""
    chance = random.Random(2)
    stripes = iter(chance.sample(range(1, paths[0].stat().st_size // BLOCK_SIZE - 1), times * len(paths)))
    for path in paths:
        with path.open("r+b") as file:
            for _ in range(times):
                file.seek(next(stripes) * BLOCK_SIZE + chance.randrange(BLOCK_SIZE))
                file.write(b"\xa5\x5a\x00\xff")


def same_place(paths: list[Path], count: int) -> None:
    """A bad sector at one and the same place of some volumes."""
    for path in paths[:count]:
        with path.open("r+b") as file:
            file.seek(3 * BLOCK_SIZE)
            file.write(bytes(4096))


def shift(paths: list[Path]) -> None:
    """A byte put in near the beginning: everything after it lies elsewhere."""
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[:1000] + b"\0" + data[1000:])


def rename(paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        path.rename(path.with_name(f"{number * 37 % 101}.bin"))
    next(iter(sorted(paths[0].parent.glob("*.bin")))).unlink()


def cut(paths: list[Path], count: int) -> None:
    for path in paths[:count]:
        os.truncate(path, path.stat().st_size // 2)


def digests(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def survives(folder: Path, names: list[str], damage: Callable[[list[Path]], None], *, par2: bool) -> str:
    """Whether all data volumes are there byte for byte after a repair, and how long it took."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        copy, out = Path(place) / "copy", Path(place) / "out"
        shutil.copytree(folder, copy)
        whole = {hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        damage([copy / name for name in names])
        began = time.perf_counter()
        done = par2_repair(copy) if par2 else ours_repair(copy, out)
        spent = time.perf_counter() - began
        there = digests(copy) | (digests(out) if out.is_dir() else set())
        assert done == (whole <= there), "a repair that says one thing and does another"
        return f"{'yes' if done else 'no'} ({spent:.1f} s)"


def arithmetic() -> None:
    """The code alone against SHA-256 over the same bytes."""
    print("\n| k, m | SHA-256 | numpy | ISA-L | ratios |\n|---|---|---|---|---|")
    for k, m in ((10, 1), (20, 2), (100, 10), (200, 20)):
        data = np.random.default_rng(1).integers(0, 256, (k, (1 << 25) // k // 8 * 8), np.uint8)
        matrix = erasure.parity_matrix(k, m)
        size = data.size / 1e6

        def hashing(rows: np.ndarray = data) -> None:
            for row in rows:
                hashlib.sha256(row).digest()

        works = [
            hashing,
            lambda a=matrix, b=data: erasure_kernels.combine(a, b),
            lambda a=data, b=m: erasure_kernels.isa_l_encode(a, b),
        ]
        rounds = [[size / seconds(work) for work in works] for _ in range(5)]
        sha, numpy, isa_l = np.median(np.array(rounds), axis=0)
        has = erasure_kernels.isa_l_encode(data[:, :8].copy(), m) is not None
        shown = f"{isa_l:.0f}" if has else "absent"
        ratio = f"{isa_l / sha:.2f}" if has else "-"
        print(f"| {k}, {m} | {sha:.0f} MB/s | {numpy:.0f} | {shown} | {numpy / sha:.2f}, {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--volumes", type=int, default=20)
    parser.add_argument("--recovery", type=int, default=2)
    options = parser.parse_args()
    allow_many_files()
    arithmetic()
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / name for name in ("ours", "par2, 64 KiB", "par2, 1 MiB")}
        for folder in folders.values():
            folder.mkdir()
        own = folders["ours"]
        layout, paths = made(own, options.megabytes * 1_000_000, options.volumes, options.recovery)
        size = sum(path.stat().st_size for path in paths)
        names = [path.name for path in paths]
        for name, folder in folders.items():
            if name != "ours":
                for path in paths:
                    shutil.copy(path, folder)
        percent = round(100 * options.recovery / layout.count)
        spent = {"ours": ours(layout, paths)}
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for name, block in (("par2, 64 KiB", BLOCK_SIZE), ("par2, 1 MiB", 1 << 20)):
            copies = [folders[name] / each for each in names]
            spent[name] = par2_create(folders[name], copies, percent, block)
        version = subprocess.run(["par2", "--version"], capture_output=True, text=True, check=True).stdout
        print(f"\n{size / 1e6:.0f} MB in {layout.count} volumes, {options.recovery} recovery ({percent} %);")
        print(f"{version.strip().splitlines()[0]}; our process has {memory:.0f} MB at most.\n")
        print("| | seconds | MB/s | ours is faster by |\n|---|---|---|---|")
        for name, one in spent.items():
            print(f"| {name} | {one:.2f} | {size / 1e6 / one:.0f} | {one / spent['ours']:.1f} |")
        m = options.recovery
        kinds: list[tuple[str, Callable[[list[Path]], None]]] = [
            (f"{m} volumes lost", lambda each: lose(each, m)),
            (f"{m + 1} volumes lost", lambda each: lose(each, m + 1)),
            ("4 bytes changed in each volume", lambda each: flip_each(each, 1)),
            ("4 bytes changed at 4 places of each volume", lambda each: flip_each(each, 4)),
            (f"a bad sector at the same place of {m} volumes", lambda each: same_place(each, m)),
            (f"a bad sector at the same place of {2 * m} volumes", lambda each: same_place(each, 2 * m)),
            (f"{m} volumes cut in half", lambda each: cut(each, m)),
            (f"{2 * m} volumes cut in half", lambda each: cut(each, 2 * m)),
            ("a byte too many near the beginning of a volume", shift),
            ("all volumes renamed, and one lost", rename),
        ]
        print("\n| what is repaired | " + " | ".join(folders) + " |\n|---|---|---|---|")
        for kind, damage in kinds:
            cells = [survives(folder, names, damage, par2=name != "ours") for name, folder in folders.items()]
            print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
