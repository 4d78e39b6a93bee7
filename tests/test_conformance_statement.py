"""The conformance statement is what the program does: its tables are ours, and the engine keeps to them."""

from __future__ import annotations

import pytest

from dicompack.dicom.confidentiality import Option, deidentify
from dicompack.dicom.confidentiality.dummies import dummy_element
from dicompack.dicom.confidentiality.table import rows, rules
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from dicompack.dicom.dictionary import STRING_VRS
from tests.conformance_statement import PATH, statement
from tests.unit.dicom.confidentiality_cases import KEY, instance

STATED = {
    cells[0]: cells
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PATH.read_text("utf-8").partition("## Attributes of Table E.1-1")[2].splitlines()
        if line.startswith("| (")
    )
}
# Pseudonyms, and what an instance must have; and what is refused (DEI-15).
SPECIAL = {0x00100010, 0x00100020, 0x00420011}
# A value of each VR that no rule changes of its own accord.
VALUES = {
    "US": b"\1\2",
    "AS": b"045Y", "DA": b"20200131", "DS": b"17.5", "DT": b"20200131101112", "IS": b"4711", "TM": b"101112",
    "UI": b"1.2.3.99", "UR": b"http://x.example",
}  # fmt: skip


def test_the_chapter_is_that_of_the_program():
    assert PATH.read_text("utf-8") == statement(), "run python -m tests.conformance_statement --write"


def test_every_row_of_the_table_is_stated():
    assert len(STATED) == len(rows()) == 657


def node(tag: int, vr: str) -> Element | Sequence:
    if vr == "SQ":
        return Sequence(tag, (DataSet([string_element(0x00080060, "CS", "CT")]),))
    value = VALUES.get(vr, b"Quillfeather"[:12] if vr in STRING_VRS else bytes(range(1, 9)))
    return Element(tag, vr, value + (b" " if vr in STRING_VRS else b"") * (len(value) % 2))


def done(before: Element | Sequence, after: DataSet) -> str:
    """What became of an attribute, in the words of the statement."""
    result = after.get(before.tag)
    if result is None:
        return "removed"
    if isinstance(result, Sequence):
        return "emptied" if not result.items else "kept" if result == before else "dummy"
    assert isinstance(result, Element)
    value = bytes(result.value)
    if not value:
        return "emptied"
    if before.vr == "UI":
        return "kept" if value == bytes(before.value) else "new UID"
    if value == bytes(before.value):
        return "kept"
    return "dummy" if value == bytes(dummy_element(result.tag, result.vr).value) else "changed"


@pytest.mark.parametrize("options", [frozenset(), *(frozenset((option,)) for option in Option)], ids=str)
def test_the_engine_does_what_the_statement_says(options):
    """With an option: what it has no column for is as without it, and what it keeps is kept."""
    differing = []
    for tag, rule in rules(options).items():
        if tag in SPECIAL or not rule.vr:
            continue
        stated = STATED[f"({tag >> 16:04X},{tag & 0xFFFF:04X})"]
        expected = stated[3]
        for option in options:
            for word, _, name in (part.strip().partition(": ") for part in stated[4].split(",")):
                expected = word if name == option else expected
        if expected == "cleaned":  # what cleaning makes of a value is the business of other tests
            continue
        before = node(tag, rule.vr)
        found = done(before, deidentify(instance(before), KEY, options).data_set)
        # The dummy of UIDs is new ones, and that of most sequences is their items gone through.
        same = {found, expected} in ({"dummy", "new UID"}, {"dummy", "kept"}) and before.vr in ("UI", "SQ")
        if found != expected and not same:
            differing.append((stated[0], stated[1], expected, found))
    assert not differing
