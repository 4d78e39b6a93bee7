"""DER: one byte string for each value, and nothing hostile gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.crypto import der
from dicompack.errors import FormatError

core = pytest.importorskip("asn1crypto.core")

values = st.recursive(
    st.one_of(
        st.integers(-(2**70), 2**70).map(der.integer),
        st.binary(max_size=300).map(der.octet_string),
        st.just(der.null()),
        st.sampled_from([b"\x01\x01\xff", b"\x01\x01\x00", b"\x03\x02\x03\xa8"]),
        st.lists(st.integers(0, 2**40), max_size=5).map(
            lambda arcs: der.object_identifier(".".join(map(str, (1, 2, *arcs))))
        ),
        st.binary(max_size=9).map(lambda value: der.encode(0x81, value)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda parts: der.sequence(*parts)),
        st.lists(inner, max_size=5, unique=True).map(der.set_of),
        inner.map(lambda part: der.explicit(0, part)),
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_encoded_parses_and_marshals_back(data: bytes) -> None:
    element = der.parse(data)
    assert der.marshal(element) == data
    assert element.raw == data
    assert element.end == len(data)


@given(st.binary(max_size=40))
def test_whatever_parses_has_this_one_encoding(data: bytes) -> None:
    try:
        element = der.parse(data)
    except FormatError:
        return
    assert der.marshal(element) == data


@given(values, st.integers(0, 10**6))
def test_truncation_is_refused(data: bytes, where: int) -> None:
    with pytest.raises(FormatError):
        der.parse(data[: where % len(data)])


@given(st.integers(-(2**200), 2**200))
def test_integers_agree_with_asn1crypto(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113549.1.7.1", "2.16.840.1.101.3.4.1.46", "0.0", "2.999.1", "1.3.0"]
)
def test_object_identifiers_agree_with_asn1crypto(dotted: str) -> None:
    assert der.object_identifier(dotted) == core.ObjectIdentifier(dotted).dump()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_agree_with_asn1crypto(size: int) -> None:
    data = der.octet_string(bytes(size))
    assert data == core.OctetString(bytes(size)).dump()
    assert der.object_length(data + b"rest") == len(data)
    assert der.parse(memoryview(data)).content == bytes(size)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("DER-1", "3080 0500 0000"),  # indefinite, constructed
        ("DER-2", "2480 0401 61 0000"),  # indefinite OCTET STRING
        ("DER-1", "0481 01 61"),  # long form for a short length
        ("DER-1", "0482 0080" + "00" * 128),  # leading zero octet
        ("DER-1", "0487 00000000000001 00"),  # seven octets
        ("DER-1", "04ff"),
        ("DER-2", "1f8101 00"),  # high tag number
        ("DER-2", "0000"),  # end-of-contents
        ("DER-2", "2403 040161"),  # constructed OCTET STRING
        ("DER-2", "1000"),  # primitive SEQUENCE
        ("DER-2", "1100"),  # primitive SET
        ("DER-3", ""),
        ("DER-3", "30"),
        ("DER-3", "0482"),
        ("DER-3", "0402 61"),  # longer than the input
        ("DER-3", "0401 6162"),  # byte after the end
        ("DER-3", "0500 00"),
        ("DER-3", "3003 040261"),  # longer than its parent
        ("DER-3", "3003 0401 61 62"),
        ("DER-3", "3001 04"),  # header cut by its parent
        ("DER-4", "0200"),  # INTEGER without octets
        ("DER-4", "0202 0001"),  # padded
        ("DER-4", "0202 ff80"),  # padded negative
        ("DER-4", "0100"),
        ("DER-4", "0101 01"),  # TRUE other than ff
        ("DER-4", "0501 00"),  # NULL with a value
        ("DER-4", "0600"),
        ("DER-4", "0602 2a80"),  # arc without end
        ("DER-4", "0603 2a8001"),  # padded arc
        ("DER-4", "0300"),  # BIT STRING without its first octet
        ("DER-4", "0301 01"),  # unused bits of nothing
        ("DER-4", "0302 08ff"),  # eight unused bits
        ("DER-4", "0302 01ff"),  # unused bit set
    ],
)
def test_each_way_of_not_being_der_is_refused(rule: str, data: str) -> None:
    with pytest.raises(FormatError) as caught:
        der.parse(bytes.fromhex(data))
    assert caught.value.rule == rule


def test_deepest_permitted_nesting() -> None:
    data = der.null()
    for _ in range(der.MAX_DEPTH - 1):
        data = der.sequence(data)
    assert der.marshal(der.parse(data)) == data
    with pytest.raises(FormatError) as caught:
        der.parse(der.sequence(data))
    assert caught.value.rule == "DER-6"


def test_nesting_bomb_is_refused_without_recursion() -> None:
    """DER-6: ten thousand levels, in definite and in indefinite form."""
    bomb = b""
    for _ in range(10_000):
        bomb = der.sequence(bomb)
    with pytest.raises(FormatError) as caught:
        der.parse(bomb)
    assert caught.value.rule == "DER-6"
    with pytest.raises(FormatError):
        der.parse(b"\x30\x80" * 10_000)


def test_element_bomb_is_refused() -> None:
    """DER-6: more elements than any object needs."""
    with pytest.raises(FormatError) as caught:
        der.parse(der.sequence(b"\x05\x00" * der.MAX_ELEMENTS))
    assert caught.value.rule == "DER-6"
    assert len(der.parse(der.sequence(b"\x05\x00" * (der.MAX_ELEMENTS - 1))).children) == der.MAX_ELEMENTS - 1


def test_huge_length_costs_nothing() -> None:
    with pytest.raises(FormatError) as caught:
        der.parse(b"\x04\x86\xff\xff\xff\xff\xff\xff")
    assert caught.value.rule == "DER-3"


def test_fields_take_what_stands_there_and_nothing_else() -> None:
    """DER-5: a missing, wrong or surplus element."""
    fields = der.Fields(der.parse(der.sequence(der.integer(7), der.null())))
    assert fields.take_optional(der.SEQUENCE) is None
    assert der.small_integer(fields.take(der.INTEGER)) == 7
    with pytest.raises(FormatError) as caught:
        fields.end()
    assert caught.value.rule == "DER-5"
    with pytest.raises(FormatError) as caught:
        fields.take(der.INTEGER)
    assert caught.value.rule == "DER-5"
    fields.take(der.NULL)
    fields.end()
    with pytest.raises(FormatError):
        fields.take(der.NULL)


@pytest.mark.parametrize("parts", [(b"\x05\x00", b"\x02\x01\x01"), (b"\x02\x01\x01", b"\x02\x01\x01")])
def test_sets_are_sorted_and_hold_each_member_once(parts: tuple[bytes, bytes]) -> None:
    with pytest.raises(FormatError) as caught:
        der.members_of(der.parse(der.encode(der.SET, *parts)))
    assert caught.value.rule == "DER-7"
    sorted_set = der.parse(der.set_of(sorted(set(parts), reverse=True)))
    assert len(der.members_of(sorted_set)) == len(set(parts))


def test_small_integer_bounds() -> None:
    """DER-4: an integer that no version or count can be."""
    assert der.small_integer(der.parse(der.integer(-(2**63)))) == -(2**63)
    with pytest.raises(FormatError) as caught:
        der.small_integer(der.parse(der.integer(2**63)))
    assert caught.value.rule == "DER-4"
