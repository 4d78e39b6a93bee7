"""Volumes that are lost, cut, mixed up or changed: each is named, and nothing is written."""

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

import dicompack
from dicompack import Originator
from dicompack.container.frames import DESCRIPTOR_OFFSET, HEAD_SIZE
from dicompack.errors import (
    DamagedError,
    DicomPackError,
    FormatError,
    InputError,
    UnsupportedError,
    UsageError,
)
from tests.hostile.forgery import Forgery
from tests.packages import INSTANCES, packed, tree


@pytest.fixture(scope="module")
def original(tmp_path_factory, sender, receiver):
    """A set of several volumes; tests work on copies."""
    folder = tmp_path_factory.mktemp("original")
    _, report = packed(
        folder, Originator(sender.signing, (receiver.contact,)), INSTANCES, volume_size=100_000, recovery=0
    )
    assert len(report.volumes) >= 4
    return folder, report.volumes


@pytest.fixture
def volumes(original, tmp_path):
    """Paths of the copied volumes."""
    folder, names = original
    (tmp_path / "set").mkdir()
    return [shutil.copy(folder / name, tmp_path / "set" / name) for name in names]


@pytest.fixture
def refused(tmp_path, recipient):
    """The error of test, verify and unpack, which is the same; the target stays as it was."""

    def check(path, kind: type[DicomPackError]) -> DicomPackError:
        before = tree(tmp_path)
        for call in (
            lambda: dicompack.test(path, trust=recipient.trust),
            lambda: dicompack.verify(path, recipient=recipient),
            lambda: dicompack.unpack(path, tmp_path / "target", recipient=recipient),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert tree(tmp_path) == before
            assert not (tmp_path / "target").exists()
        return caught.value

    return check


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_missing_vol_15(volumes, refused):
    volumes[1].unlink()
    volumes[2].unlink()
    error = refused(volumes[0], DamagedError)
    assert error.faults == (f"volumes 2 to 3 of {len(volumes)} are missing [VOL-15]",)


def test_last_missing_vol_15(volumes, refused):
    volumes[-1].unlink()
    error = refused(volumes[0], DamagedError)
    assert error.faults == (f"volume {len(volumes)} of {len(volumes)} is missing [VOL-15]",)


def test_truncated_vol_6(volumes, refused):
    volumes[2].write_bytes(volumes[2].read_bytes()[:-10_000])
    error = refused(volumes[0], DamagedError)
    assert f"{volumes[2].name}: volume 3 of {len(volumes)}: it is truncated" in error.faults[0]


def test_overlong_vol_7(volumes, refused):
    volumes[1].write_bytes(volumes[1].read_bytes() + b"more")
    assert "VOL-7" in refused(volumes[0], DamagedError).faults[0]


def test_damaged_in_the_middle_vol_10(volumes, refused):
    flip(volumes[1], 50_000)
    (fault,) = refused(volumes[0], DamagedError).faults
    assert fault.startswith(f"{volumes[1].name}: ")
    assert "VOL-10" in fault


def test_foreign_in_the_place_of_another_vol_11(volumes, refused, originator, tmp_path):
    _, report = packed(tmp_path, originator, INSTANCES, volume_size=100_000, recovery=0)
    shutil.copy(tmp_path / report.volumes[1], volumes[1])
    error = refused(volumes[0], DamagedError)
    assert error.faults == (
        f"volume 2 of {len(volumes)} is missing [VOL-15]",
        f"{volumes[1].name}: a volume of another set [VOL-11]",
    )


def test_folder_with_two_sets_vol_11(volumes, refused, originator, tmp_path):
    packed(tmp_path, originator)
    shutil.copy(tmp_path / "study.dcmpack", volumes[0].parent / "another.dcmpack")
    assert "another.dcmpack" in refused(volumes[0].parent, UsageError).message


def test_swapped_and_renamed_are_found_by_content_vol_16(volumes, recipient):
    parent = volumes[0].parent
    volumes[0].rename(parent / "x")
    volumes[1].rename(volumes[0])
    (parent / "x").rename(volumes[1])
    volumes[2].rename(parent / "IMG_0001.JPG")
    report = dicompack.test(parent / "IMG_0001.JPG", trust=recipient.trust)
    assert {finding.where for finding in report.findings if finding.kind == "misnamed"} == {
        volumes[0].name, volumes[1].name, "IMG_0001.JPG",
    }  # fmt: skip


def test_identical_copy_is_ignored_vol_13(volumes, recipient):
    shutil.copy(volumes[1], volumes[1].with_name("copy"))
    report = dicompack.test(volumes[0], trust=recipient.trust)
    assert [finding.rule for finding in report.findings if finding.kind == "duplicate"] == ["VOL-13"]


def test_copy_that_differs_vol_13(volumes, refused, recipient):
    copy = shutil.copy(volumes[1], volumes[1].with_name("study.dcmpack.002 (1)"))
    flip(copy, 50_000)
    report = dicompack.test(volumes[0], trust=recipient.trust)
    (finding,) = [one for one in report.findings if one.kind == "duplicate"]
    assert finding.where == copy.name and f"{volumes[1].name} is used" in finding.message
    flip(volumes[1], 50_001)
    assert "VOL-13" in " ".join(refused(volumes[0], DamagedError).faults)


def test_the_volume_that_is_named_is_used_vol_13(originator, recipient, tmp_path):
    first, _ = packed(tmp_path, originator)
    flip(shutil.copy(first, tmp_path / "bad.dcmpack"), 5000)
    report = dicompack.test(first, trust=recipient.trust)
    assert [(finding.kind, finding.where) for finding in report.findings] == [("duplicate", "bad.dcmpack")]


def newer(data: bytes) -> bytes:
    """A volume of a format version that is not there yet."""
    descriptor = bytearray(data[DESCRIPTOR_OFFSET:HEAD_SIZE])
    descriptor[8] = 2
    seal = hashlib.sha256(descriptor[:-32]).digest()
    return data[:DESCRIPTOR_OFFSET] + bytes(descriptor[:-32]) + seal + data[HEAD_SIZE:]


def test_a_newer_package_beside_the_one_that_is_named_vol_2(volumes, recipient, refused):
    first = Path(volumes[0])
    (first.parent / "other.dcmpack.001").write_bytes(newer(first.read_bytes()))
    assert not dicompack.test(first, trust=recipient.trust).findings
    assert refused(first.parent, UnsupportedError).rule == "VOL-2"
    first.write_bytes(newer(first.read_bytes()))
    for named in (first, Path(volumes[1])):
        assert refused(named, UnsupportedError).rule == "VOL-2"


def test_a_file_that_has_the_name_of_its_folder(volumes, recipient):
    folder = Path(volumes[0]).parent
    (folder / folder.name).write_bytes(b"a note")
    assert not dicompack.test(folder, trust=recipient.trust).findings


@pytest.mark.parametrize("content", [b"", b"PK\3\4 a ZIP file", b"text" * 1000])
def test_not_a_package_vol_1(tmp_path, refused, content):
    (tmp_path / "x.dcmpack").write_bytes(content)
    error = refused(tmp_path / "x.dcmpack", FormatError)
    assert (error.rule, error.where) == ("VOL-1", "x.dcmpack")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty", FormatError).rule == "VOL-1"


def test_path_that_is_not_there(tmp_path, refused):
    refused(tmp_path / "missing.dcmpack", InputError)


def unnoticed(whole: bytes, positions, write, recipient) -> list[int]:
    """Flip one bit at each position; give those that nobody noticed."""
    found = []
    for position in positions:
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        with suppress(DicomPackError):
            dicompack.test(write(bytes(data)), trust=recipient.trust)
            found.append(position)
    return found


def test_one_flipped_bit_at_each_byte(tmp_path, originator, recipient):
    """As an accident does it: the frames do not fit any more."""
    first, _ = packed(tmp_path, originator, ("rtplan.dcm", "test-SR.dcm"))
    whole = first.read_bytes()

    def write(data):
        first.write_bytes(data)
        return first

    assert unnoticed(whole, range(len(whole)), write, recipient) == []


@pytest.mark.parametrize("name", ["DICOM/00000001", "MANIFEST", "DIGESTS", "SEAL0001"])
def test_one_flipped_bit_under_sound_frames(tmp_path, originator, recipient, name):
    """As an attacker does it: frames, CRCs and directory are made anew."""
    first, _ = packed(tmp_path, originator, ("rtplan.dcm", "test-SR.dcm"))
    forgery = Forgery(first)
    whole = forgery.objects[name]

    def write(data):
        forgery.objects[name] = data
        return forgery.write(first)

    assert unnoticed(whole, range(0, len(whole), max(1, len(whole) // 400)), write, recipient) == []
