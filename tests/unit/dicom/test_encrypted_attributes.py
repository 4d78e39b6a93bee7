"""Encrypted Attributes: everything that changed is in it, its size tells nothing, nothing else is read."""

from __future__ import annotations

import pytest

from dicompack.dicom import encoding, encrypted_attributes
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, string_element
from dicompack.dicom.encrypted_attributes import Originals
from dicompack.dicom.transfer_syntaxes import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG_2000_LOSSLESS
from dicompack.errors import FormatError, UnsupportedError

INSTANCE, NAME, STUDY, REMOVED = 0x00080018, 0x00100010, 0x0020000D, 0x00120062
PIXELS, PRIVATE, SERIES_SEQUENCE = 0x7FE00010, 0x00091001, 0x00081115


def text(tag: int, vr: str, value: str) -> Element:
    return string_element(tag, vr, value)


SOURCE = DataSet(
    [
        text(INSTANCE, "UI", "1.2.3"),
        Sequence(SERIES_SEQUENCE, (DataSet([text(0x0020000E, "UI", "1.2.3.4")]),)),
        text(0x00080060, "CS", "CT"),
        text(0x00090010, "LO", "MAKER"),
        Element(PRIVATE, "UN", b"secret"),
        Element(NAME, "PN", b"A^B   "),  # surplus padding comes back, too
        text(STUDY, "UI", "1.2.9"),
        Element(PIXELS, "OW", b"\1\2"),
    ]
)
RESULT = DataSet(
    [
        text(INSTANCE, "UI", "2.25.1"),
        Sequence(SERIES_SEQUENCE, (DataSet([text(0x0020000E, "UI", "2.25.4")]),)),
        text(0x00080060, "CS", "CT"),
        text(NAME, "PN", "A^B"),
        text(REMOVED, "CS", "YES"),
        text(0x00120063, "LO", "us"),
        text(STUDY, "UI", "2.25.9"),
        Element(PIXELS, "OW", b"\1\2"),
    ]
)


def originals(source: DataSet = SOURCE, result: DataSet = RESULT, syntax=EXPLICIT_LITTLE) -> Originals:
    return encrypted_attributes.originals_of(source, result, syntax)


def written(statement: bytes = b"signed") -> bytes:
    kept = originals()
    return encrypted_attributes.marshal(encrypted_attributes.unsigned(kept), statement, kept.transfer_syntax)


def test_all_that_changed_and_nothing_else_ena_11():
    kept = originals()
    assert {node.tag for node in kept.attributes} == {
        INSTANCE, SERIES_SEQUENCE, 0x00090010, PRIVATE, NAME, STUDY,
    }  # fmt: skip
    assert kept.absent == (REMOVED, 0x00120063)
    assert kept.uids == (("2.25.1", "1.2.3"), ("2.25.4", "1.2.3.4"), ("2.25.9", "1.2.9"))
    assert kept.bound_to == "2.25.1"


def test_there_and_back():
    read, statement, due = encrypted_attributes.parse(written(), EXPLICIT_LITTLE)
    assert read == originals()
    assert statement == b"signed"
    assert due == encrypted_attributes.statement_on(
        encrypted_attributes.unsigned(originals()), EXPLICIT_LITTLE
    )
    assert due.startswith(b"DICOMPack encrypted attributes 1\n2.25.1\n")
    whole = encrypted_attributes.restored(RESULT, read)
    assert whole.without(REMOVED) == SOURCE
    assert whole.text(REMOVED) == "NO"


def test_pixels_only_where_they_changed():
    assert PIXELS not in originals().attributes
    blackened = RESULT.replacing(Element(PIXELS, "OW", b"\0\0"))
    described = SOURCE.replacing(text(0x00280004, "CS", "MONOCHROME2"))
    kept = originals(described, blackened.replacing(text(0x00280004, "CS", "MONOCHROME2")))
    assert PIXELS in kept.attributes
    assert 0x00280004 in kept.attributes  # its compressed form may be described in another way


def test_fragments_come_back_in_their_transfer_syntax():
    source = SOURCE.replacing(Encapsulated(PIXELS, "OB", (b"", b"\1\2")))
    kept = originals(source, RESULT, JPEG_2000_LOSSLESS)
    assert kept.transfer_syntax == JPEG_2000_LOSSLESS
    data = encrypted_attributes.marshal(encrypted_attributes.unsigned(kept), b"", JPEG_2000_LOSSLESS)
    whole = encrypted_attributes.restored(RESULT, kept)
    assert whole.get(PIXELS) == source.get(PIXELS)
    assert encrypted_attributes.syntax_of(whole, EXPLICIT_LITTLE, kept) == JPEG_2000_LOSSLESS
    assert len(data) >= 8192


def test_native_pixels_in_a_file_that_travelled_compressed():
    """`unpack --keep-signed` gives JPEG 2000; what was blackened comes back native."""
    kept = originals(SOURCE, RESULT.without(PIXELS))
    whole = encrypted_attributes.restored(RESULT.without(PIXELS), kept)
    assert encrypted_attributes.syntax_of(whole, JPEG_2000_LOSSLESS, kept) == EXPLICIT_LITTLE
    assert encrypted_attributes.syntax_of(whole, IMPLICIT_LITTLE, kept) == IMPLICIT_LITTLE


def test_size_tells_nothing_ena_10():
    for length in (0, 10, 4000):
        longer = SOURCE.replacing(Element(PRIVATE, "UN", bytes(length)))
        kept = originals(longer)
        data_set = encrypted_attributes.unsigned(kept)
        assert encoding.sizes(encoding.marshal(data_set, EXPLICIT_LITTLE)) == 8192
    assert [encrypted_attributes.padded_size(n) for n in (1, 8192, 8193, 16384, 100_000)] == [
        8192, 8192, 16384, 16384, 131_072,
    ]  # fmt: skip


def test_one_that_had_been_deidentified_before_says_so_again():
    before = SOURCE.replacing(text(REMOVED, "CS", "YES"), text(0x00120063, "LO", "them"))
    kept = originals(before)
    assert encrypted_attributes.restored(RESULT, kept) == before


def test_item_replaces_any_other_and_its_signature_goes():
    foreign = Sequence(0x04000500, (DataSet([text(0x04000510, "UI", "1.2")]),))
    signed = Sequence(0xFFFAFFFA, (DataSet([text(0x04000100, "UI", "1.2")]),))
    packed = encrypted_attributes.with_item(RESULT.replacing(foreign, signed), b"odd", EXPLICIT_LITTLE)
    (item,) = encrypted_attributes.items_of(packed)
    assert (item.content, item.transfer_syntax) == (b"odd\0", EXPLICIT_LITTLE)
    whole = encrypted_attributes.restored(packed, originals())
    assert 0x04000500 not in whole
    assert 0xFFFAFFFA not in whole


def test_items_that_cannot_be_read_ena_1():
    empty = encrypted_attributes.with_item(RESULT, b"", EXPLICIT_LITTLE)
    deflated = encrypted_attributes.with_item(RESULT, b"xx", DEFLATED)
    for data_set in (empty, deflated):
        with pytest.raises(FormatError) as caught:
            encrypted_attributes.items_of(data_set)
        assert caught.value.rule == "ENA-1"
    with pytest.raises(UnsupportedError):
        encrypted_attributes.items_of(
            DataSet([Sequence(0x04000500, (DataSet([Element(0x04000520, "OB", b"xx")]),))])
        )


def test_without_our_block_it_is_unbound():
    data_set = DataSet([Sequence(0x04000550, (DataSet([text(NAME, "PN", "A^B")]),))])
    data = b"".join(encoding.marshal(data_set, EXPLICIT_LITTLE))
    read, statement, due = encrypted_attributes.parse(data, EXPLICIT_LITTLE)
    assert (read.bound_to, statement, due) == ("", b"", b"")
    assert read.attributes.text(NAME) == "A^B"


@pytest.mark.parametrize("gone", [0x04000550, 0x04011001, 0x04011005])
def test_a_block_with_something_missing_ena_7(gone):
    data_set = encoding.parse(written(), EXPLICIT_LITTLE).without(gone)
    with pytest.raises(FormatError) as caught:
        encrypted_attributes.parse(b"".join(encoding.marshal(data_set, EXPLICIT_LITTLE)), EXPLICIT_LITTLE)
    assert caught.value.rule == "ENA-7"


def test_another_form_of_the_same_ena_7():
    """Undefined lengths say the same in other bytes, which nobody has signed."""
    data_set = encoding.parse(written(), EXPLICIT_LITTLE)
    body = b"".join(encoding.marshal(data_set.without(0x04000550), EXPLICIT_LITTLE))
    other = b"\0\4\x50\5SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" + body
    with pytest.raises(FormatError) as caught:
        encrypted_attributes.parse(other, EXPLICIT_LITTLE)
    assert caught.value.rule == "ENA-7"
