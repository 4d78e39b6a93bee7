"""CUSTODY and what is told of originals: closed records, safe names, objects in order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dicompack.container import canonical_json, manifest, originals, solid
from dicompack.container.faults import ContentsFormatError
from dicompack.container.originals import Custody, CustodyMember, Original, Restoring
from dicompack.errors import UnsupportedError
from tests.unit.container.test_contents import AS_IS, MANIFEST, changed, paths_of

A, B = "a" * 64, "b" * 64
ONE = CustodyMember(Original("CT/1.dcm", A, 1000, Restoring(1, 50, B)), "1.2", "1.2.3", "?", 2)
CUSTODY = Custody(
    bytes(range(16)),
    (ONE, replace(ONE, original=Original("Ä/2", B, 0, Restoring(2, 1, A)), signatures=0), ONE),
)


def refused(value) -> str | None:
    with pytest.raises(ContentsFormatError) as caught:
        originals.parse(canonical_json.marshal(value))
    return caught.value.rule


def test_round_trip_and_padding():
    raw = originals.marshal(CUSTODY)
    assert originals.parse(raw) == CUSTODY
    assert len(raw) == solid.padded_size(len(raw))
    longer = replace(ONE, original=replace(ONE.original, name="x" * 500))
    assert len(originals.marshal(replace(CUSTODY, members=(longer, *CUSTODY.members[1:])))) == len(raw)


VALUE = json.loads(originals.marshal(CUSTODY))


@pytest.mark.parametrize("path", list(paths_of(VALUE)), ids=lambda path: "/".join(map(str, path)))
def test_org_5_every_field_with_wrong_values(path):
    for wrong in (..., None, True, -1, "x", [], {}, 1 << 62):
        if type(wrong) is str and (path[-1] == "name" or str(path[-1]).endswith("_instance_uid")):
            continue
        raw = canonical_json.marshal(changed(VALUE, path, wrong))
        if path == ("format",) and wrong == 1 << 62:
            with pytest.raises(UnsupportedError):
                originals.parse(raw)
            continue
        with pytest.raises(ContentsFormatError) as caught:
            originals.parse(raw)
        assert caught.value.rule == "ORG-5", (path, wrong)


@pytest.mark.parametrize(
    "name",
    ["", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b", "a\0b", "x" * 4097, 1, None],
)
def test_org_8_names_that_lead_elsewhere(name):
    value = json.loads(originals.marshal(CUSTODY))
    value["members"][0]["original"]["name"] = name
    assert refused(value) == "ORG-5"
    value = json.loads(manifest.marshal(AS_IS))
    value["members"][0]["original"]["name"] = name
    with pytest.raises(ContentsFormatError) as caught:
        manifest.parse(canonical_json.marshal(value))
    assert caught.value.rule == "PKG-4"


@pytest.mark.parametrize("numbers", [(2, 1, 3), (2, 3, 4), (1, 3, 1), (1, 1, 3)])
def test_org_9_numbers_of_objects(numbers):
    value = json.loads(originals.marshal(CUSTODY))
    for member, number in zip(value["members"], numbers, strict=True):
        member["original"]["restoring"]["object"] = number
    expected = sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1))
    if expected:
        assert refused(value) == "ORG-9"
    else:
        assert originals.parse(canonical_json.marshal(value))


def test_org_9_in_the_manifest():
    value = json.loads(manifest.marshal(AS_IS))
    value["others"][0]["restoring"]["object"] = 3
    with pytest.raises(ContentsFormatError) as caught:
        manifest.parse(canonical_json.marshal(value))
    assert caught.value.rule == "ORG-9"


@pytest.mark.parametrize(
    "content",
    [
        replace(
            MANIFEST, members=(replace(MANIFEST.members[0], original=ONE.original), *MANIFEST.members[1:])
        ),
        replace(MANIFEST, others=(ONE.original,)),
        replace(AS_IS, members=(AS_IS.members[0], replace(AS_IS.members[1], original=None))),
    ],
)
def test_pkg_20_originals_and_deidentification(content):
    """What would confirm whose images these are never stands beside de-identified ones."""
    with pytest.raises(ContentsFormatError) as caught:
        manifest.marshal(content)
    assert caught.value.rule == "PKG-20"
