"""The byte-accounting walk and its reverse: every byte counts, and only one form is written."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.dicom import encoding
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence
from dicompack.dicom.transfer_syntaxes import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_2000_LOSSLESS,
)
from dicompack.errors import FormatError

NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)


def marshal(data_set, syntax=EXPLICIT_LITTLE):
    return b"".join(encoding.marshal(data_set, syntax))


def explicit(tag, vr, value, length=None):
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in encoding.SHORT_VRS:
        return head + struct.pack("<H", length) + value
    return head + struct.pack("<HL", 0, length) + value


def item(content, length=None):
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content) if length is None else length) + content


ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
NAME = explicit(0x00100010, "PN", b"A^B ")

# Tags of the data dictionary by VR, so that implicit VR finds the same.
KNOWN = {
    "US": 0x00280010, "PN": 0x00100010, "UI": 0x00080018, "OW": 0x7FE00010, "FD": 0x00189073,
    "AT": 0x00280009, "LO": 0x00080070, "UL": 0x00480006, "DS": 0x00280030,
}  # fmt: skip


def values(vr):
    width = encoding.WORD_BYTES.get(vr, 2)
    text = st.text("ABC 0123.\\^", max_size=20).map(lambda s: s.encode() + b" " * (len(s) % 2))
    return st.binary(max_size=6).map(lambda b: b * width) if vr in encoding.WORD_BYTES else text


elements = st.sampled_from(sorted(KNOWN)).flatmap(
    lambda vr: values(vr).map(lambda value: Element(KNOWN[vr], vr, value))
)
data_sets = st.recursive(
    st.lists(elements, max_size=6).map(DataSet),
    lambda inner: st.tuples(st.lists(elements, max_size=4), st.lists(inner, max_size=3)).map(
        lambda pair: DataSet([*pair[0], Sequence(0x00081140, tuple(pair[1]))])
    ),
    max_leaves=8,
)


@given(data_sets, st.sampled_from(NATIVE))
def test_what_is_written_reads_back(data_set, syntax):
    data = marshal(data_set, syntax)
    again = encoding.parse(data, syntax)
    assert again == data_set
    assert marshal(again, syntax) == data


@given(data_sets, st.sampled_from(NATIVE), st.sampled_from(NATIVE))
def test_all_transfer_syntaxes_say_the_same(data_set, one, other):
    there = encoding.parse(marshal(data_set, one), one)
    assert encoding.parse(marshal(there, other), other) == data_set


@given(data_sets, st.sampled_from(NATIVE), st.data())
def test_no_truncation_passes_but_at_an_element_edge(data_set, syntax, data):
    whole = marshal(data_set, syntax)
    if not whole:
        return
    cut = data.draw(st.integers(0, len(whole) - 1))
    edges = {0}
    for node in data_set:
        edges.add(max(edges) + encoding.sizes(encoding.marshal(DataSet([node]), syntax)))
    if cut in edges:
        assert encoding.parse(whole[:cut], syntax) != data_set
    else:
        with pytest.raises(FormatError):
            encoding.parse(whole[:cut], syntax)


@given(st.binary(max_size=300), st.sampled_from([*NATIVE, JPEG_2000_LOSSLESS]))
def test_noise_never_crashes(data, syntax):
    try:
        data_set = encoding.parse(data, syntax)
    except FormatError as error:
        assert error.rule.startswith("DCM-")
    else:
        assert encoding.parse(marshal(data_set, syntax), syntax) is not None


def refused(data, rule, syntax=EXPLICIT_LITTLE):
    with pytest.raises(FormatError) as caught:
        encoding.parse(data, syntax)
    assert caught.value.rule == rule
    return caught.value


class TestRefused:
    """Each by the name of its fault."""

    def test_length_beyond_the_end_dcm_4(self):
        assert (
            "claims 100 bytes, 4 are left"
            in refused(explicit(0x00100010, "PN", b"A^B ", 100), "DCM-4").message
        )

    def test_bytes_after_the_last_element_dcm_4(self):
        refused(NAME + b"\x10\x00", "DCM-4")

    def test_undefined_length_of_a_plain_value_dcm_4(self):
        refused(explicit(0x00420011, "OB", b"", 0xFFFFFFFF), "DCM-4")

    def test_element_twice_dcm_5(self):
        assert "(0010,0010) stands twice" in refused(NAME + NAME, "DCM-5").message

    def test_elements_out_of_order_dcm_5(self):
        assert "out of order" in refused(NAME + explicit(0x00080060, "CS", b"CT"), "DCM-5").message

    def test_unknown_vr_dcm_6(self):
        refused(struct.pack("<HH2sH", 0x10, 0x10, b"ZZ", 0), "DCM-6")

    def test_something_else_where_an_item_is_due_dcm_7(self):
        refused(explicit(0x00081140, "SQ", NAME), "DCM-7")

    def test_item_longer_than_its_sequence_dcm_7(self):
        refused(explicit(0x00081140, "SQ", item(NAME, 100)), "DCM-7")

    def test_item_and_sequence_that_do_not_end_dcm_7(self):
        refused(explicit(0x00081140, "SQ", item(NAME, 0xFFFFFFFF), 0xFFFFFFFF), "DCM-7")
        refused(explicit(0x00081140, "SQ", item(NAME), 0xFFFFFFFF), "DCM-7")

    def test_a_delimiter_with_a_length_dcm_7(self):
        data = item(NAME + struct.pack("<HHL", 0xFFFE, 0xE00D, 4), 0xFFFFFFFF) + SEQUENCE_END
        refused(explicit(0x00081140, "SQ", data, 0xFFFFFFFF), "DCM-7")

    def test_nesting_bomb_dcm_8(self):
        refused(explicit(0x00081140, "SQ", b"", 0xFFFFFFFF) + (item(b"", 0xFFFFFFFF) + explicit(
            0x00081140, "SQ", b"", 0xFFFFFFFF)) * 100_000, "DCM-8")  # fmt: skip

    def test_too_many_items_dcm_9(self, monkeypatch):
        monkeypatch.setattr(encoding, "MAX_ELEMENTS", 1000)
        refused(explicit(0x00081140, "SQ", item(b"") * 1001), "DCM-9")
        refused(b"".join(explicit(0x00110000 + i, "CS", b"") for i in range(1, 1100)), "DCM-9")

    def test_open_and_empty_fragments_dcm_10(self):
        head = explicit(0x7FE00010, "OB", b"", 0xFFFFFFFF)
        for rest in (b"", item(b""), item(b"abcd", 8), item(b"") + NAME, SEQUENCE_END):
            refused(head + rest, "DCM-10", JPEG_2000_LOSSLESS)

    def test_fragments_in_a_native_transfer_syntax_and_the_reverse_dcm_12(self):
        refused(explicit(0x7FE00010, "OB", item(b"") + SEQUENCE_END, 0xFFFFFFFF), "DCM-12")
        refused(explicit(0x7FE00010, "OB", b"ab"), "DCM-12", JPEG_2000_LOSSLESS)

    @pytest.mark.parametrize("tag", [0x00000002, 0x00020010, 0xFFFEE000, 0xFFFF0001])
    def test_groups_that_no_data_set_has_dcm_12(self, tag):
        refused(explicit(tag, "UL", bytes(4)), "DCM-12")


def test_undefined_lengths_and_defined_ones_are_the_same():
    inner = item(NAME + ITEM_END, 0xFFFFFFFF) + SEQUENCE_END
    undefined = encoding.parse(explicit(0x00081140, "SQ", inner, 0xFFFFFFFF), EXPLICIT_LITTLE)
    defined = encoding.parse(explicit(0x00081140, "SQ", item(NAME)), EXPLICIT_LITTLE)
    assert undefined == defined
    assert marshal(undefined) == explicit(0x00081140, "SQ", item(NAME))


def test_unknown_vr_of_undefined_length_holds_implicit_items():
    inner = item(struct.pack("<HHL", 0x10, 0x10, 4) + b"A^B ") + SEQUENCE_END
    data_set = encoding.parse(explicit(0x00081140, "UN", inner, 0xFFFFFFFF), EXPLICIT_LITTLE)
    assert data_set.items(0x00081140)[0].text(0x00100010) == "A^B"


def test_unknown_vr_of_a_known_tag_gets_its_vr_back():
    inner = item(struct.pack("<HHL", 0x10, 0x10, 4) + b"A^B ")
    data = explicit(0x00081140, "UN", inner) + explicit(0x00280010, "UN", b"\x10\0")
    data_set = encoding.parse(data, EXPLICIT_LITTLE)
    assert data_set.items(0x00081140)[0].text(0x00100010) == "A^B"
    assert data_set.number(0x00280010) == 16


def test_unknown_vr_that_is_no_sequence_after_all_stays_unknown():
    data_set = encoding.parse(explicit(0x00081140, "UN", b"nonsense"), EXPLICIT_LITTLE)
    assert data_set.get(0x00081140) == Element(0x00081140, "UN", b"nonsense")


def test_value_that_16_bits_cannot_name_is_written_as_unknown():
    long = DataSet([Element(0x30060050, "DS", b"1.5\\" * 20_000)])
    data = marshal(long)
    assert data[4:6] == b"UN"
    assert encoding.parse(data, EXPLICIT_LITTLE) == long


def test_pixel_representation_decides_between_signed_and_unsigned():
    for representation, vr in ((0, "US"), (1, "SS")):
        data_set = DataSet(
            [
                Element(0x00280103, "US", bytes([representation, 0])),
                Element(0x00280106, vr, b"\xff\xff"),
                Sequence(0x00283000, (DataSet([Element(0x00283002, vr, bytes(6))]),)),
            ]
        )
        assert encoding.parse(marshal(data_set, IMPLICIT_LITTLE), IMPLICIT_LITTLE) == data_set


def test_fragments_are_kept_as_they_are():
    pixels = Encapsulated(0x7FE00010, "OB", (b"", b"\xff\x4f\xff\x51", b"rest"))
    data = marshal(DataSet([pixels]), JPEG_2000_LOSSLESS)
    assert encoding.parse(data, JPEG_2000_LOSSLESS) == DataSet([pixels])


def test_fragments_of_nothing_take_next_to_nothing():
    """Two million of them fit into a file of 16 MB."""
    count = 100_000
    data = explicit(0x7FE00010, "OB", item(b"") * count + b"\xfe\xff\xdd\xe0" + bytes(4), 0xFFFFFFFF)
    tracemalloc.start()
    try:
        parsed = encoding.parse(data, JPEG_2000_LOSSLESS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(parsed.get(0x7FE00010).fragments) == count
    assert peak < 32 * count


def test_odd_values_are_padded_by_their_vr():
    data = marshal(DataSet([Element(0x00080018, "UI", b"1.2"), Element(0x00080070, "LO", b"abc")]))
    assert data == explicit(0x00080018, "UI", b"1.2\0") + explicit(0x00080070, "LO", b"abc ")
