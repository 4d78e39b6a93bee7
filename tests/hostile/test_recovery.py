"""Packages with recovery volumes, end to end: what is lost or damaged comes back, or is refused by name."""

import errno
import json
import os
import random
import shutil
from pathlib import Path

import pytest

import dicompack
from dicompack import Originator
from dicompack.container import names
from dicompack.container.faults import DamagedVolumesError, RepairableVolumesError
from dicompack.container.frames import parse_descriptor
from dicompack.container.layout import StoredObject, lay_out
from dicompack.container.volume_writer import VolumeWriter
from dicompack.errors import (
    BadSignatureError,
    DamagedError,
    FormatError,
    InputError,
    OutputError,
    RepairableError,
    UntrustedError,
    UsageError,
)
from dicompack.pipeline import repairing
from dicompack.stages import recovery
from dicompack.stages import volumes as stored
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import INSTANCES, packed, tree


@pytest.fixture(scope="module")
def original(tmp_path_factory, sender, receiver):
    """A set of several data and two recovery volumes; tests work on copies."""
    folder = tmp_path_factory.mktemp("original")
    originator = Originator(sender.signing, (receiver.contact,))
    _, report = packed(folder, originator, INSTANCES, volume_size=90_000, recovery=2)
    assert len(report.volumes) >= 7
    return folder, report


@pytest.fixture
def volumes(original, tmp_path):
    """Paths of the copied volumes: the data volumes, then .r01 and .r02."""
    folder, report = original
    (tmp_path / "set").mkdir()
    return [Path(shutil.copy(folder / name, tmp_path / "set" / name)) for name in report.volumes]


@pytest.fixture
def whole(original):
    folder, report = original
    return {name: (folder / name).read_bytes() for name in report.volumes}


@pytest.fixture
def unpacked(original, tmp_path_factory, recipient):
    folder, report = original
    out = tmp_path_factory.mktemp("unpacked") / "out"
    dicompack.unpack(folder / report.volumes[0], out, recipient=recipient)
    return tree(out)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Nothing is left in the folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield
    assert not list(folder.iterdir())


def damage(path: Path, offset: int = 40_000, size: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(byte ^ 0x55 for byte in data[offset : offset + size])
    path.write_bytes(data)


def kinds(findings) -> dict[str, int]:
    found = [finding.kind for finding in findings]
    return {kind: found.count(kind) for kind in found}


def works(path, sender, recipient, unpacked, target):
    """`test` says 30; verify and unpack do their work, and nothing that was there is changed."""
    folder = path if path.is_dir() else path.parent
    before = tree(folder)
    with pytest.raises(RepairableVolumesError) as caught:
        dicompack.test(path, trust=trusting(sender))
    assert "dicompack repair" in caught.value.hint
    assert dicompack.verify(path, recipient=recipient).complete == "checked"
    report = dicompack.unpack(path, target, recipient=recipient)
    assert tree(target) == unpacked
    assert not [each for each in target.parent.iterdir() if each.name.startswith(".")]
    assert tree(folder) == before
    return caught.value, report


def test_sound(original, sender, recipient):
    folder, report = original
    tested = dicompack.test(folder / report.volumes[0], trust=trusting(sender))
    assert tested.volumes == report.volumes and not tested.findings
    assert [name for name in report.volumes if ".r0" in name] == ["study.dcmpack.r01", "study.dcmpack.r02"]
    assert all((folder / name).stat().st_size <= 90_000 for name in report.volumes)


@pytest.mark.parametrize("lost", [(0, 1), (0, 4), (2, 3), (4, -1)])
def test_lost_volumes(volumes, whole, lost, sender, recipient, unpacked, tmp_path):
    for number in lost:
        volumes[number].unlink()
    path = next(volume for volume in volumes if volume.exists())
    error, report = works(path, sender, recipient, unpacked, tmp_path / "out")
    assert kinds(error.findings)["missing"] == len(error.findings)
    assert kinds(report.findings) == {"missing": len(error.findings), "repaired": 2}
    mended = dicompack.repair(path)
    assert set(mended.volumes) == {volumes[number].name for number in lost}
    assert tree(path.parent) == whole
    assert not dicompack.test(path, trust=trusting(sender)).findings


def test_what_is_graver_than_damage_does_not_hide_it(volumes, receiver):
    volumes[2].unlink()
    with pytest.raises(UntrustedError) as caught:
        dicompack.test(volumes[0], trust=trusting(receiver))
    assert any("volume 3 of" in line and "[VOL-15]" in line for line in caught.value.faults)


def test_damaged_volumes(volumes, whole, sender, recipient, unpacked, tmp_path):
    damage(volumes[1])
    damage(volumes[2], 100, 3)
    error, report = works(volumes[0].parent, sender, recipient, unpacked, tmp_path / "out")
    assert any(fault.startswith(f"{volumes[1].name}: volume 2 of") for fault in error.faults)
    assert kinds(report.findings)["repaired"] == 2
    before = tree(volumes[0].parent)
    with pytest.raises(UsageError) as caught:
        dicompack.repair(volumes[0])
    assert caught.value.rule == "REC-6" and "-d DIR" in caught.value.hint
    assert volumes[1].name in caught.value.message and volumes[2].name in caught.value.message
    mended = dicompack.repair(volumes[0], tmp_path / "mended")
    assert tree(tmp_path / "mended") == whole == {name: whole[name] for name in mended.volumes}
    assert tree(volumes[0].parent) == before


def test_a_recovery_volume_is_damaged(volumes, whole, sender, recipient, unpacked, tmp_path):
    """The data are whole: unpack needs no repair, and the recovery volume can be made again."""
    damage(volumes[-1])
    with pytest.raises(RepairableVolumesError) as caught:
        dicompack.test(volumes[0], trust=trusting(sender))
    assert "recovery volume 2 of 2" in caught.value.faults[0]
    assert not dicompack.unpack(volumes[0], tmp_path / "out", recipient=recipient).findings
    volumes[-1].unlink()
    report = dicompack.verify(volumes[0], recipient=recipient)
    assert kinds(report.findings) == {"missing": 1}
    with pytest.raises(RepairableError):
        dicompack.test(volumes[0], trust=trusting(sender))
    dicompack.repair(volumes[0])
    assert tree(volumes[0].parent) == whole


def test_too_much_is_lost_rec_4(volumes, sender, recipient, tmp_path):
    for volume in volumes[1:4]:
        volume.unlink()
    damage(volumes[4])
    before = tree(volumes[0].parent)
    for call in (
        lambda: dicompack.test(volumes[0], trust=trusting(sender)),
        lambda: dicompack.verify(volumes[0], recipient=recipient),
        lambda: dicompack.unpack(volumes[0], tmp_path / "out", recipient=recipient),
        lambda: dicompack.repair(volumes[0]),
        lambda: dicompack.repair(volumes[0], tmp_path / "out"),
    ):
        with pytest.raises(DamagedVolumesError) as caught:
            call()
        assert isinstance(caught.value, DamagedError)
        assert "volumes 2 to 4 of" in caught.value.faults[0]
        assert any(volumes[4].name in fault for fault in caught.value.faults)
        assert "2 more volumes are needed" in caught.value.faults[-1]
    assert not (tmp_path / "out").exists()
    assert tree(volumes[0].parent) == before


def test_nothing_to_repair(volumes, whole, tmp_path):
    report = dicompack.repair(volumes[0])
    assert not report.volumes and not report.findings and report.set_id
    assert tree(volumes[0].parent) == whole
    assert dicompack.repair(volumes[0], tmp_path / "copy").volumes == tuple(whole)
    assert tree(tmp_path / "copy") == whole


def test_where_nothing_is_to_be_repaired_nothing_is_written(volumes, monkeypatch):
    """A package may lie on a medium that cannot be written."""

    def read_only(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("dicompack.files.Staging", read_only)
    assert dicompack.repair(volumes[0]).volumes == ()
    volumes[1].unlink()
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        dicompack.repair(volumes[0])


@pytest.mark.parametrize("settings", [{"recovery": 0}, {"recovery": None, "volume_size": None}])
def test_without_recovery_volumes(settings, tmp_path, sender, receiver):
    settings = {"volume_size": 100_000, **settings}
    first, report = packed(tmp_path, Originator(sender.signing, (receiver.contact,)), INSTANCES, **settings)
    assert not [name for name in report.volumes if ".r" in name]
    assert dicompack.repair(first).volumes == ()
    damage(first)
    for target in (None, tmp_path / "out"):
        with pytest.raises(DamagedError) as caught:
            dicompack.repair(first, target)
        assert caught.value.rule == "VOL-10"
    assert not (tmp_path / "out").exists()


def test_a_single_file_is_repaired(tmp_path, sender, receiver, recipient):
    originator = Originator(sender.signing, (receiver.contact,))
    (tmp_path / "a").mkdir()
    first, report = packed(tmp_path / "a", originator, INSTANCES, recovery="10%")
    assert report.volumes == (
        "study.dcmpack",
        *names.recovery_names("study.dcmpack", len(report.volumes) - 1),
    )
    sound = first.read_bytes()
    dicompack.unpack(first, tmp_path / "before", recipient=recipient)
    damage(first, 70_000, 20_000)
    _, report = works(first, sender, recipient, tree(tmp_path / "before"), tmp_path / "out")
    assert kinds(report.findings)["repaired"] == 1
    dicompack.repair(first, tmp_path / "mended")
    assert (tmp_path / "mended" / "study.dcmpack").read_bytes() == sound


def test_any_names_in_any_folder(volumes, whole, sender, recipient, unpacked, tmp_path):
    """VOL-16: what a volume is, its content says."""
    volumes[3].unlink()
    (tmp_path / "stick").mkdir()
    for number, volume in enumerate(volume for volume in volumes if volume.exists()):
        volume.rename(tmp_path / "stick" / f"{number * 7 % 10}-{number}.bin")
    _, report = works(tmp_path / "stick", sender, recipient, unpacked, tmp_path / "out")
    assert {"missing", "misnamed", "repaired"} <= set(kinds(report.findings))
    dicompack.repair(tmp_path / "stick", tmp_path / "mended")
    mended = tree(tmp_path / "mended")
    assert {name.replace("package.dcmpack", "study.dcmpack"): data for name, data in mended.items()} == whole


def test_a_destroyed_file_of_any_name_is_found_by_its_blocks(tmp_path, sender, receiver, recipient):
    """One volume is lost, and of another one nothing tells what it was but its blocks."""
    folder = tmp_path / "set"
    folder.mkdir()
    originator = Originator(sender.signing, (receiver.contact,))
    first, report = packed(folder, originator, INSTANCES, volume_size=220_000, recovery=1)
    shutil.rmtree(folder / "source")
    whole = tree(folder)
    dicompack.unpack(first, tmp_path / "before", recipient=recipient)
    destroyed = bytearray(first.read_bytes())
    destroyed[:600] = destroyed[-600:] = bytes(600)
    first.unlink()
    (folder / "IMG_0001.JPG").write_bytes(destroyed)
    (folder / "other.bin").write_bytes(bytes(len(destroyed)))
    (folder / "note.txt").write_bytes(b"note")
    second = folder / report.volumes[1]
    damage(second, 100_000)  # in a block that is whole in the other
    error, report = works(second, sender, recipient, tree(tmp_path / "before"), tmp_path / "out")
    assert ("headless", "IMG_0001.JPG") in {(one.kind, one.where) for one in error.findings}
    assert not any("note.txt" in one.where for one in report.findings)
    dicompack.repair(second, tmp_path / "mended")
    assert tree(tmp_path / "mended") == whole


def test_a_medium_that_knows_capital_letters_only(volumes, whole, sender, recipient, unpacked, tmp_path):
    """A destroyed file is found by the volumes of its name there, too."""
    volumes[2].write_bytes(bytes(len(whole[volumes[2].name])))
    capital = [volume.rename(volume.with_name(volume.name.upper())) for volume in volumes]
    works(capital[2], sender, recipient, unpacked, tmp_path / "out")


def test_names_that_were_swapped(volumes, sender, recipient, unpacked, tmp_path):
    """The missing volume's name is that of another volume: nothing is overwritten, REC-6."""
    volumes[1].unlink()
    volumes[2].rename(volumes[1])
    works(volumes[0], sender, recipient, unpacked, tmp_path / "out")
    before = tree(volumes[0].parent)
    with pytest.raises(OutputError) as caught:
        dicompack.repair(volumes[0])
    assert caught.value.rule == "REC-6"
    assert tree(volumes[0].parent) == before


def test_a_destroyed_file_that_was_named(volumes, whole, sender, recipient, unpacked, tmp_path):
    """Nothing of its head and tail is left: what lies beside it says which package is meant."""
    volumes[1].write_bytes(bytes(len(whole[volumes[1].name])))
    error, _ = works(volumes[1], sender, recipient, unpacked, tmp_path / "out")
    assert [(one.kind, one.where) for one in error.findings] == [
        ("missing", ""),
        ("not-a-volume", volumes[1].name),
    ]
    assert "-d DIR" in error.hint  # the file is in the way of the new one
    dicompack.repair(volumes[1], tmp_path / "mended")
    assert tree(tmp_path / "mended") == whole
    volumes[1].rename(tmp_path / "alone.dcmpack.002")
    with pytest.raises(FormatError) as caught:
        dicompack.test(tmp_path / "alone.dcmpack.002", trust=None)
    assert caught.value.rule == "VOL-1"


def test_a_stale_volume_is_foreign_vol_11(volumes, whole, sender, receiver, recipient, unpacked, tmp_path):
    """A volume of an older writing of the package, under the right name and of the right size."""
    (tmp_path / "old").mkdir()
    originator = Originator(sender.signing, (receiver.contact,))
    packed(tmp_path / "old", originator, INSTANCES, volume_size=90_000, recovery=2)
    shutil.copy(tmp_path / "old" / volumes[1].name, volumes[1])
    error, report = works(volumes[0], sender, recipient, unpacked, tmp_path / "out")
    assert kinds(error.findings) == {"missing": 1, "foreign": 1}
    assert kinds(report.findings) == {"missing": 1, "foreign": 1, "repaired": 1}
    with pytest.raises(OutputError):
        dicompack.repair(volumes[0])
    dicompack.repair(volumes[0], tmp_path / "mended")
    assert tree(tmp_path / "mended") == whole


@pytest.fixture
def bad_sector(monkeypatch):
    """Places of files that give EIO."""
    bad: dict[str, range] = {}
    real = os.pread

    def pread(descriptor, size, offset):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if name in bad and offset < bad[name].stop and offset + size > bad[name].start:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    return bad


@pytest.mark.parametrize("name", ["MANIFEST", "DIGESTS", "SEAL0001"])
def test_list_repairs_what_it_reads(original, volumes, recipient, name):
    with stored.unpack(volumes[0]) as opened:
        extent = opened.extents(name)[0]
    damage(Path(extent.path), extent.offset + extent.size // 2)
    report = dicompack.inspect(volumes[0], recipient=recipient)
    assert len(report.members) == len(INSTANCES)
    assert {"damaged", "repaired"} <= set(kinds(report.findings))


@pytest.mark.parametrize("mapped_above", [0, stored.MAPPED_ABOVE])
def test_vol_17_an_object_that_cannot_be_read_is_damage(volumes, monkeypatch, mapped_above):
    monkeypatch.setattr(stored, "MAPPED_ABOVE", mapped_above)
    with stored.unpack(volumes[0]) as opened:
        extents = opened.extents("DICOM/00000001")[:1]

    def fails(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("dicompack.files.FileAccess.read_at", fails)
    with pytest.raises(DamagedVolumesError) as caught:
        stored.object_bytes(extents)
    assert caught.value.rule == "VOL-17" and volumes[0].name in caught.value.faults[0]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="Linux")
def test_vol_17_bad_sectors(volumes, whole, bad_sector, sender, recipient, tmp_path):
    bad_sector[str(volumes[0])] = range(50_000, 50_001)
    bad_sector[str(volumes[1])] = range(100, 200)  # its head
    with pytest.raises(RepairableVolumesError) as caught:
        dicompack.test(volumes[2], trust=trusting(sender))
    assert kinds(caught.value.findings)["unreadable"] == 2
    assert any("bytes 49152 to 53247 cannot be read" in line for line in caught.value.faults)
    report = dicompack.verify(volumes[2], recipient=recipient)
    assert {"unreadable", "repaired"} <= set(kinds(report.findings))
    dicompack.repair(volumes[2], tmp_path / "mended")
    assert tree(tmp_path / "mended") == whole
    bad_sector[str(volumes[3])] = range(100)
    with pytest.raises(DamagedError) as caught:
        dicompack.test(volumes[2], trust=trusting(sender))
    assert any(volumes[3].name in line for line in caught.value.faults)


def flips(original, whole, tmp_path, sender, positions):
    """T1 on a package with real contents: each flipped bit is repaired byte for byte, SEAL and all."""
    for number, (name, position) in enumerate(positions):
        folder, out = tmp_path / f"flip{number}", tmp_path / f"out{number}"
        shutil.copytree(original[0], folder, ignore=shutil.ignore_patterns("source"))
        damage(folder / name, position)
        with pytest.raises(RepairableError):
            dicompack.test(folder, trust=trusting(sender))
        dicompack.repair(folder, out)
        assert tree(out) == whole
        shutil.rmtree(folder)
        shutil.rmtree(out)


def somewhere(whole, count, seed):
    chance = random.Random(seed)
    names = [chance.choice(list(whole)) for _ in range(count)]
    return [(name, chance.randrange(len(whole[name]))) for name in names]


def test_t1_flipped_bytes_of_a_package(original, whole, tmp_path, sender):
    last = names.volume_names("study.dcmpack", len(whole) - 2)[-1]
    places = [(last, len(whole[last]) - 10), (last, len(whole[last]) - 400), ("study.dcmpack.r01", 600)]
    flips(original, whole, tmp_path, sender, [*places, *somewhere(whole, 5, 1)])


@pytest.mark.slow
def test_t1_flipped_bytes_of_a_package_300_times(original, whole, tmp_path, sender):
    flips(original, whole, tmp_path, sender, somewhere(whole, 300, 2))


def test_a_volume_that_is_not_there_can_be_named(volumes):
    volumes[0].unlink()
    with pytest.raises(InputError) as caught:
        dicompack.test(volumes[0], trust=None)
    assert caught.value.hint == f"there is {volumes[1].name}: name a volume that is there, or the folder"
    with pytest.raises(InputError) as caught:
        dicompack.test(volumes[0].with_name("other.dcmpack"), trust=None)
    assert caught.value.hint == "check the path"


def test_damage_is_repaired_before_signatures_are_judged(volumes, sender, stranger):
    """The graver of both is told: nobody trusts this signer."""
    volumes[1].unlink()
    with pytest.raises(UntrustedError):
        dicompack.test(volumes[0], trust=trusting(stranger))
    with pytest.raises(RepairableError):
        dicompack.test(volumes[0], trust=None)


def test_pkg_11_the_seal_says_how_many_recovery_volumes_there_are(tmp_path, original, sender):
    """Frames without recovery volumes around the same objects: everything fits but the SEAL."""
    folder, report = original
    forgery = Forgery(folder / report.volumes[0])
    objects = [StoredObject(name, len(data)) for name, data in forgery.objects.items()]
    size = parse_descriptor((folder / report.volumes[0]).read_bytes()[64:512]).volume_size
    for count, failure in ((0, BadSignatureError), (1, BadSignatureError), (2, None)):
        target = tmp_path / str(count)
        target.mkdir()
        layout = lay_out(objects, forgery.ids, size, count)
        writer = VolumeWriter(layout, lambda name, at, size: [forgery.objects[name][at : at + size]])
        paths = [target / name for name in layout.volume_names("a.dcmpack")]
        for index, path in enumerate(paths, start=1):
            path.write_bytes(b"".join(writer.chunks(index)))
        if count:
            recovery.pack(layout.volumes[0].descriptor, paths, target, "a.dcmpack", lambda _: None)
        if failure is None:
            dicompack.test(target, trust=trusting(sender))
            continue
        with pytest.raises(failure) as caught:
            dicompack.test(target, trust=trusting(sender))
        assert caught.value.rule == "PKG-11"
        with pytest.raises(failure):
            dicompack.repair(target)


def test_two_repairs_at_once(volumes, tmp_path, monkeypatch):
    volumes[1].unlink()
    real = repairing.made_whole

    def meanwhile(*arguments):
        with pytest.raises(OutputError, match="busy"):
            dicompack.repair(volumes[0])
        return real(*arguments)

    monkeypatch.setattr(
        repairing, "made_whole", lambda *arguments: (monkeypatch.undo(), meanwhile(*arguments))[1]
    )
    dicompack.repair(volumes[0])
    assert volumes[1].exists()


def test_what_fails_leaves_nothing(volumes, tmp_path, monkeypatch):
    volumes[1].unlink()
    before = tree(volumes[0].parent)

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("dicompack.files.NewFile.write_at", full)
    for target in (None, tmp_path / "out"):
        with pytest.raises(OSError, match="space"):
            dicompack.repair(volumes[0], target)
    assert tree(volumes[0].parent) == before and not (tmp_path / "out").exists()
    assert not [path for path in volumes[0].parent.iterdir() if path.name.startswith(".")]


def test_force_takes_old_recovery_volumes_away(tmp_path, sender, receiver):
    originator = Originator(sender.signing, (receiver.contact,))
    packed(tmp_path, originator, INSTANCES, volume_size=100_000, recovery=3)
    with pytest.raises(OutputError):
        packed(tmp_path, originator, INSTANCES, volume_size=100_000, recovery=1)
    _, report = packed(tmp_path, originator, INSTANCES, volume_size=100_000, recovery=1, force=True)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(report.volumes)


def run(*arguments, capsys):
    from dicompack.cli.program import run as program

    code = program([str(argument) for argument in arguments])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_line(volumes, whole, tmp_path, capsys):
    volumes[1].unlink()
    code, document = run("test", volumes[0], "--integrity-only", "--json", capsys=capsys)
    assert (code, document["error"]["kind"], document["ok"]) == (30, "repairable", False)
    assert [(one["kind"], one["rule"]) for one in document["findings"]] == [("missing", "VOL-15")]
    code, document = run("repair", volumes[0], "--json", capsys=capsys)
    assert (code, document["command"], document["volumes"]) == (0, "repair", [volumes[1].name])
    assert document["set_id"] and document["bytes_out"] == volumes[1].stat().st_size
    assert tree(volumes[0].parent) == whole
    code, document = run("repair", volumes[0], "--json", capsys=capsys)
    assert (code, document["volumes"]) == (0, [])
    damage(volumes[2])
    code, document = run("repair", volumes[0], "--json", capsys=capsys)
    assert (code, document["error"]["rule"]) == (2, "REC-6")
    code, document = run("repair", volumes[0], "-d", tmp_path / "mended", "--json", capsys=capsys)
    assert (code, len(document["volumes"])) == (0, len(whole))
    for volume in volumes[3:6]:
        volume.unlink()
    code, document = run("repair", volumes[0], "-d", tmp_path / "more", "--json", capsys=capsys)
    assert (code, document["error"]["kind"]) == (31, "damaged")
    assert "2 more volumes are needed" in document["error"]["faults"][-1]
