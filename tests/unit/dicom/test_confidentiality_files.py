"""The files that come with pydicom: real writers' data sets, what identifies is gone, what shows stays."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pydicom
import pytest

from dicompack.dicom.confidentiality import canonical, deidentify
from dicompack.dicom.confidentiality.table import Action, rules
from dicompack.dicom.confidentiality.unlisted import BEYOND_THE_TABLE
from dicompack.dicom.dataset import Element, Encapsulated, Sequence
from tests.unit.dicom.confidentiality_cases import KEY, STUDY, everything, from_pydicom, walk

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.dcm"))
RULES = rules(frozenset())
STAMPS = (0x00120062, 0x00120063, 0x00120064, 0x00280303)
# Values that may come back in another attribute by chance: a study's number, a time of midnight.
SHORTEST_TELLING_VALUE = 7


def read(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # several of the files are broken on purpose
        return from_pydicom(pydicom.dcmread(FOLDER / name, force=True))


def listed_values(data_set):
    """Every text, UID and date that the table wants gone."""
    for node in walk(data_set):
        rule = RULES.get(node.tag)
        if rule and isinstance(node, Element) and rule.vr not in ("SQ", "OB", "OW", "US", "UN"):
            for value in bytes(node.value).split(b"\\"):
                telling = value.strip(b" \0")
                if len(telling) >= SHORTEST_TELLING_VALUE and telling.strip(b"0."):
                    yield telling


def test_there_are_files():
    assert len(FILES) > 60


@pytest.mark.parametrize("name", FILES)
def test_no_listed_value_and_no_private_attribute_is_left(name):
    source = read(name)
    found = deidentify(source, KEY).data_set
    # As whole values and words: a four-digit year or "Head" may be part of an honest description.
    left = set(re.split(rb"[\\\n]", everything(found))) | set(everything(found).split())
    left = {value.strip(b" \0") for value in left} - {b"REMOVED", b"19000101000000"}
    registered = {value for value in left if value.startswith(b"1.2.840.10008.")}
    assert set(listed_values(source)) & left <= registered
    for node in walk(found):
        assert not node.tag >> 16 & 1
        rule = RULES.get(node.tag) or BEYOND_THE_TABLE.get(node.tag)
        assert node.tag in STAMPS or not rule or rule.action is not Action.REMOVE
    assert canonical(found) is found


@pytest.mark.parametrize("name", FILES)
def test_pixels_and_their_description_are_untouched(name):
    source = read(name)
    found = deidentify(source, KEY).data_set
    pixels = source.get(0x7FE00010)
    assert pixels is None or found.get(0x7FE00010) is pixels
    assert all(source.number(tag) == found.number(tag) for tag in range(0x00280002, 0x00280104))


def test_an_instance_with_sequences_keeps_their_structure():
    source = read("rtplan.dcm")
    found = deidentify(source, KEY)
    beams = source.items(0x300A00B0)
    assert beams
    kept = found.data_set.items(0x300A00B0)
    assert [beam.text(0x300A00C0) for beam in kept] == [beam.text(0x300A00C0) for beam in beams]
    assert found.data_set.text(STUDY).startswith("2.25.")


def test_the_way_in_reads_every_kind_of_node():
    kinds = {type(node) for name in ("rtplan.dcm", "JPEG2000.dcm") for node in walk(read(name))}
    assert kinds == {Element, Sequence, Encapsulated}
