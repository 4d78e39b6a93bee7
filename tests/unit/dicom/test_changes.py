"""What became of each element."""

from dicompack.dicom.changes import ACTIONS, attribute_name, changes
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, string_element


def text(tag, value, vr="LO"):
    return string_element(tag, vr, value)


def seen(source, result):
    return {(one.tag, one.action) for one in changes(DataSet(source), DataSet(result))}


def test_every_action():
    source = [
        text(0x00080080, "Hospital"), text(0x00081030, "CT of Mr. Doe"), text(0x00100010, "Doe", "PN"),
        text(0x00100020, "1"), text(0x00100030, "19500101", "DA"), text(0x00100040, "", "CS"),
        text(0x00080060, "CT", "CS"), Element(0x7FE00010, "OW", b"12"),
    ]  # fmt: skip
    result = [
        text(0x00081030, "CT of"), text(0x00100010, "DP-1", "PN"), text(0x00100020, "2"),
        text(0x00100030, "", "DA"), text(0x00100040, "", "CS"), text(0x00080060, "CT ", "CS"),
        text(0x00120062, "YES", "CS"), Element(0x7FE00010, "OW", b"12"),
    ]  # fmt: skip
    found = seen(source, result)
    assert found == {
        (0x00080080, "removed"), (0x00081030, "cleaned"), (0x00100010, "replaced"), (0x00100020, "replaced"),
        (0x00100030, "emptied"), (0x00100040, "empty"), (0x00080060, "kept"), (0x00120062, "added"),
        (0x7FE00010, "kept"),
    }  # fmt: skip
    assert {action for _, action in found} == set(ACTIONS)


def test_sequences_item_by_item():
    before, after = DataSet([text(0x00100020, "1")]), DataSet([text(0x00100020, "2")])
    tag = 0x00101002
    assert seen([Sequence(tag, (before, before))], [Sequence(tag, (after, before))]) == {
        (tag, "kept"), (0x00100020, "replaced"), (0x00100020, "kept"),
    }  # fmt: skip
    assert seen([Sequence(tag, (before,))], [Sequence(tag, ())]) == {(tag, "emptied")}
    assert seen([Sequence(tag, (before,))], []) == {(tag, "removed")}
    assert seen([Sequence(tag, (before, before))], [Sequence(tag, (after,))]) == {(tag, "replaced")}
    assert seen([Sequence(tag, ())], [Element(tag, "LO", b"x ")]) == {(tag, "replaced")}


def test_fragments_and_private_creators():
    (one,) = changes(
        DataSet([Encapsulated(0x7FE00010, "OB", (b"", b"1"))]),
        DataSet([Encapsulated(0x7FE00010, "OB", (b"", b"2"))]),
    )
    assert (one.action, one.shown_before) == ("replaced", "1 fragments")
    found = list(changes(DataSet([text(0x00090010, "ACME "), text(0x00091001, "x")]), DataSet()))
    assert [(one.tag, one.creator) for one in found] == [(0x00090010, ""), (0x00091001, "ACME")]


def test_equal_values_have_equal_digests_and_padding_is_no_value():
    (one,) = changes(DataSet([text(0x00100020, "17")]), DataSet([text(0x00100020, "17  ")]))
    assert (one.action, one.before) == ("kept", one.after)
    (other,) = changes(DataSet([text(0x00100020, "")]), DataSet([text(0x00100020, "17")]))
    assert (other.before, other.after) == (b"", one.after)
    assert len(one.before) == 8  # a digest, and no value


def test_names_of_attributes():
    assert attribute_name(0x00100020) == "PatientID"
    assert attribute_name(0x00091001) == ""
    assert attribute_name(0x00090010) == "PrivateCreator"
