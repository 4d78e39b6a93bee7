"""A member that kills the process which looks at it, as a decoder with a memory error would."""

from __future__ import annotations

import os
import sys

import pytest

import dicompack
from dicompack.errors import BadSignatureError
from dicompack.pipeline import instances
from tests.packages import packed, tree


@pytest.mark.skipif(sys.platform != "linux", reason="workers inherit the fault by fork")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_member_that_kills_its_worker_pkg_19(tmp_path, originator, recipient, monkeypatch, jobs):
    """It is named, the others are checked all the same, and nothing is written."""
    package, _ = packed(tmp_path, originator, ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"))
    before = tree(tmp_path)
    check = instances._unpack

    def die(task, settings):
        if task.number == 2:
            os._exit(1)
        return check(task, settings)

    monkeypatch.setattr(instances, "_unpack", die)
    with pytest.raises(BadSignatureError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, jobs=jobs)
    assert caught.value.rule == "PKG-19"
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["member 2"]
    assert tree(tmp_path) == before
