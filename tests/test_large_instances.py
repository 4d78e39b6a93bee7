"""Instances that are too large for one object, with what is large made small."""

from __future__ import annotations

from itertools import pairwise

import pytest

import dicompack
from dicompack.container import manifest
from dicompack.container.manifest import objects_for
from dicompack.errors import BadSignatureError
from dicompack.stages import envelope
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, tree

INSTANCES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "liver_1frame.dcm")


@pytest.fixture
def small_parts(monkeypatch):
    """Workers are forked, and inherit it."""
    monkeypatch.setattr(manifest, "MAXIMUM_PLAINTEXT", 8192)
    for module in (manifest, envelope):
        monkeypatch.setattr(module, "PART_SIZE", 4096)


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
