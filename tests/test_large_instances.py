"""Instances that are too large for one object, with what is large made small."""

from __future__ import annotations

import os
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

import dicompack
from dicompack import files
from dicompack.container import manifest
from dicompack.container.faults import DamagedVolumesError
from dicompack.container.manifest import objects_for
from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import DataSet, Encapsulated, string_element
from dicompack.dicom.encoding import PIXEL_DATA
from dicompack.dicom.transfer_syntaxes import JPEG_2000_LOSSLESS
from dicompack.errors import BadSignatureError, InputError, OutputError
from dicompack.files import mapping
from dicompack.pipeline import assembling, packing, unpacking
from dicompack.stages import envelope, volumes
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import bundled, packed, tree

INSTANCES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "liver_1frame.dcm")


@pytest.fixture
def small_parts(monkeypatch):
    """Workers are forked, and inherit it."""
    monkeypatch.setattr(manifest, "MAXIMUM_PLAINTEXT", 8192)
    for module in (manifest, envelope):
        monkeypatch.setattr(module, "PART_SIZE", 4096)


@pytest.fixture
def small_memory(monkeypatch):
    """What is mapped, spilled or streamed where it is large."""
    for module in (files, mapping, volumes):
        monkeypatch.setattr(module, "MAPPED_ABOVE", 1000)
    monkeypatch.setattr(dicom_file, "LARGE", 1000)


@pytest.mark.parametrize(
    ("size", "objects"),
    [(1, 1), (1 << 30, 1), ((1 << 30) + 1, 3), (3 << 29, 3), ((3 << 29) + 1, 4), (4 << 30, 8)],
)
def test_how_many_objects_a_signed_file_has(size, objects):
    assert objects_for(size) == objects


def test_parts_come_back_as_one_instance(tmp_path, originator, recipient, sender, small_parts):
    package, report = packed(tmp_path, originator, INSTANCES)
    objects = [name for name in Forgery(package).objects if name.startswith("DICOM/")]
    assert len(objects) > len(INSTANCES) == report.instances_out
    assert dicompack.test(package, trust=trusting(sender)).instances_in == len(INSTANCES)
    dicompack.verify(package, recipient=recipient)
    listed = dicompack.inspect(package, recipient=recipient)
    assert [one.packed_size for one in listed.members] == [one.packed_size for one in report.members]
    dicompack.unpack(package, tmp_path / "out", recipient=recipient)
    assert len(tree(tmp_path / "out")) == len(INSTANCES)


@pytest.mark.parametrize(("signed_again", "rule"), [(False, "PKG-13"), (True, "PKG-18")])
def test_parts_in_another_order(tmp_path, originator, recipient, sender, small_parts, signed_again, rule):
    """Their place is in DIGESTS, which the SEAL signs, and in the digest of the whole signed file."""
    forgery = Forgery(packed(tmp_path, originator, INSTANCES)[0])
    objects = forgery.objects
    names = [name for name in objects if name.startswith("DICOM/")]
    first, second = next(pair for pair in pairwise(names) if len({len(objects[one]) for one in pair}) == 1)
    objects[first], objects[second] = objects[second], objects[first]
    if signed_again:
        forgery.refresh_digests()
        forgery.change_seal(sender.signing)
    (tmp_path / "forged").mkdir()
    path = forgery.write(tmp_path / "forged" / "study.dcmpack")
    with pytest.raises(BadSignatureError) as caught:
        dicompack.unpack(path, tmp_path / "out", recipient=recipient)
    assert caught.value.rule == rule


@pytest.mark.parametrize("volume_size", [None, 30_000])
@pytest.mark.parametrize("codec", ["j2k", "keep"])
def test_what_is_not_in_memory_comes_out_the_same(
    tmp_path, originator, recipient, sender, small_memory, monkeypatch, volume_size, codec
):
    """The same instances the one and the other way, byte for byte, with objects that volumes cut."""
    names = (*INSTANCES, "SC_rgb_rle_2frame.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm", "rtdose.dcm")
    key = dicompack.ProjectKey.new()
    small = {}
    for folder in ("mapped", "read"):
        (tmp_path / folder).mkdir()
        if folder == "read":
            monkeypatch.undo()
        package, _ = packed(
            tmp_path / folder, originator, names, volume_size=volume_size, codec=codec, project_key=key
        )
        dicompack.test(package, trust=trusting(sender))
        dicompack.verify(package, recipient=recipient)
        dicompack.unpack(package, tmp_path / folder / "out", recipient=recipient)
        # Two have one UID, and the digest of the signed file, which decides their order, is random.
        small[folder] = sorted(tree(tmp_path / folder / "out").values())
        assert not [path for path in (tmp_path / folder).rglob("*") if "staging" in path.name]
    assert small["mapped"] == small["read"]


def test_a_volume_that_is_cut_while_it_is_tested(tmp_path, originator, sender, small_memory, monkeypatch):
    """VOL-6, where a mapped file would end the process."""
    package, _ = packed(tmp_path, originator, INSTANCES)

    read = unpacking.check_object
    monkeypatch.setattr(
        unpacking, "check_object", lambda *arguments: (os.truncate(package, 4096), read(*arguments))
    )
    with pytest.raises(DamagedVolumesError) as caught:
        dicompack.test(package, trust=trusting(sender))
    assert caught.value.rule == "VOL-6"


def test_that_the_volumes_will_not_fit_is_told_when_the_members_are_sealed(tmp_path, originator, monkeypatch):
    monkeypatch.setattr(assembling, "_LOOKED_EVERY", 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1000))
    monkeypatch.setattr(packing, "put_together", lambda *_: pytest.fail("too late"))
    with pytest.raises(OutputError, match="not enough room"):
        packed(tmp_path, originator, INSTANCES)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_large_sources_are_planned_and_deidentified(tmp_path, small_memory):
    source = tmp_path / "source"
    source.mkdir()
    for name in INSTANCES:
        shutil.copy(bundled(name), source)
    assert dicompack.plan([source], burned_in="vouch").report.instances_in == len(INSTANCES)
    report = dicompack.deidentify([source], tmp_path / "out", burned_in="vouch")
    assert report.instances_out == len(tree(tmp_path / "out")) == len(INSTANCES)


def test_a_large_source_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "MAPPED_ABOVE", 4)
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    source = files.SourceBytes(path, 100)
    assert isinstance(source.data, memoryview)
    source.check_unchanged()
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="changed"):
        source.check_unchanged()


def test_mapped_bytes_outlive_their_file(tmp_path):
    unnamed = files.UnnamedFile(tmp_path)
    assert [unnamed.append(piece) for piece in (b"abc", b"", memoryview(b"defg"))] == [0, 3, 3]
    view = unnamed.mapped()
    del unnamed
    time.sleep(2 * mapping._GIVEN_BACK_EVERY)  # pages were given back in between
    assert bytes(view) == b"abcdefg"
    room = files.UnnamedFile(tmp_path).room(10_000)
    room[5000] = 7
    time.sleep(2 * mapping._GIVEN_BACK_EVERY)
    assert bytes(room) == bytes(5000) + b"\7" + bytes(4999)
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_look_at_the_heads_of_fragments_does_not_keep_the_whole_file(tmp_path, monkeypatch):
    """For each head the system may map a megabyte or two around it, faster than a thread gives them back."""
    monkeypatch.setattr(mapping, "_GIVEN_BACK_EVERY", 60.0)
    fragments = [bytes(1 << 16)] * (4 * files.TOUCHES)
    whole = DataSet(
        [
            string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7"),
            string_element(0x00080018, "UI", "2.25.1"),
            Encapsulated(PIXEL_DATA, "OB", (b"", *fragments)),
        ]
    )
    unnamed = files.UnnamedFile(tmp_path)
    for piece in dicom_file.marshal(whole, JPEG_2000_LOSSLESS):
        unnamed.append(bytes(piece))
    view = unnamed.mapped()
    assert len(dicom_file.parse(view).data_set.get(PIXEL_DATA).fragments) == len(fragments) + 1
    resident = [
        int(line.split()[1])
        for line in Path("/proc/self/smaps").read_text("ascii").split("(deleted)")[1].splitlines()
        if line.startswith("Rss:")
    ]
    assert resident[0] <= (len(view) >> 10) // 2
