"""Restoring data and the objects that hold it: exact both ways, bounded whatever they claim."""

from __future__ import annotations

import lzma
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.container import restoring, solid
from dicompack.errors import BadSignatureError, FormatError

PIXELS = bytes(range(251)) * 40


def joined(data, delivered, size):
    return b"".join(restoring.restored(data, delivered, size))


def steps_of(data):
    return restoring._parse(data)[0]


class TestMake:
    @pytest.mark.parametrize(
        ("original", "delivered"),
        [
            (b"", []), (b"x", []), (b"", [PIXELS]), (PIXELS, [PIXELS]), (b"a" + PIXELS + b"b", [PIXELS]),
            (PIXELS[:-1], [PIXELS]), (PIXELS * 2, [PIXELS]), (PIXELS, [PIXELS, PIXELS]),
            (b"a" + bytes(9000), [bytes(9000)]), (bytes(9000), [bytes(8000), bytes(1000)]),
        ],
    )  # fmt: skip
    def test_round_trip(self, original, delivered):
        data = restoring.make(original, delivered)
        assert joined(data, delivered, len(original)) == original

    @given(st.data())
    def test_round_trip_of_anything(self, draw):
        pieces = draw.draw(st.lists(st.binary(max_size=1500), max_size=4))
        original = b"".join(draw.draw(st.permutations([*pieces, b"between", b""])))
        changed = bytearray(original)
        for _ in range(draw.draw(st.integers(0, 3)) if changed else 0):
            changed[draw.draw(st.integers(0, len(changed) - 1))] ^= 1
        data = restoring.make(bytes(changed), pieces)
        assert joined(data, pieces, len(changed)) == changed

    def test_large_values_are_not_stored_again(self):
        original = b"h" * 300 + PIXELS + b"t" * 7
        data = restoring.make(original, [b"H" * 200, PIXELS])
        assert len(data) < 400
        assert (1, 200, len(PIXELS)) in steps_of(data)

    def test_a_value_that_starts_with_background_is_found(self):
        value = bytes(5000) + os.urandom(3000) + bytes(5000)
        assert len(restoring.make(bytes(6000) + value, [value])) < 6200

    def test_of_blackened_pixels_only_what_differs_is_stored(self):
        black = bytearray(PIXELS)
        black[2000:2400] = bytes(400)
        data = restoring.make(b"head" + PIXELS, [b"other", bytes(black)])
        assert len(data) < 700
        assert joined(data, [b"other", bytes(black)], len(PIXELS) + 4) == b"head" + PIXELS

    def test_pixels_of_another_image_are_stored_whole(self):
        data = restoring.make(PIXELS, [os.urandom(len(PIXELS))])
        assert len(data) >= len(PIXELS)


def raw(*steps, literals=b"", count=None):
    head = struct.pack(">I", len(steps) if count is None else count)
    return head + b"".join(struct.pack(">BQQ", *step) for step in steps) + literals


class TestHostileSteps:
    @pytest.mark.parametrize(
        ("data", "size"),
        [
            (b"", 0), (b"\0\0\0", 0), (raw(count=1), 0), (raw(count=2**32 - 1), 0), (raw(count=2**20 + 1), 0),
            (raw((2, 0, 1), literals=b"x"), 1), (raw((0, 0, 2), literals=b"x"), 2), (raw((0, 0, 1)), 1),
            (raw((0, 1, 1), literals=b"x"), 1), (raw((0, 0, 1), literals=b"xy"), 1), (raw((1, 0, 101)), 101),
            (raw((1, 2**64 - 1, 1)), 1), (raw((1, 100, 1)), 1), (raw((1, 0, 0)), 0), (raw((1, 0, 5)), 4),
            (raw((1, 0, 2**64 - 1)), 2**64 - 1), (raw((0, 0, 0)), 0),
            (raw((1, 0, 50), (1, 60, 50)), 100),
        ],
    )  # fmt: skip
    def test_org_1(self, data, size):
        with pytest.raises(FormatError) as caught:
            restoring.restored(data, [bytes(60), bytes(40)], size)
        assert caught.value.rule == "ORG-1"

    def test_copies_cross_the_pieces(self):
        pieces = [b"abc", b"", b"defg", b"hij"]
        assert joined(raw((1, 1, 8), (0, 0, 1), (1, 9, 1), literals=b"-"), pieces, 10) == b"bcdefghi-j"

    def test_org_4(self):
        with pytest.raises(BadSignatureError) as caught:
            restoring.check(iter([b"x"]), "0" * 64)
        assert caught.value.rule == "ORG-4"


class TestSolid:
    @given(st.lists(st.binary(max_size=5000), max_size=5))
    def test_round_trip(self, items):
        content = solid.pack(items)
        assert solid.unpack(content, sum(map(len, items))) == b"".join(items)
        assert len(content) == solid.padded_size(len(content))

    def test_sizes_are_few(self):
        assert {solid.padded_size(size) for size in range(1, 4097)} == {4096}
        for size in (4097, 70_000, 1 << 20, (1 << 20) + 1, 123_456_789):
            assert size <= solid.padded_size(size) <= size * 1.0626
        assert len({solid.padded_size(size) for size in range(65_537, 131_072)}) == 16

    def test_headers_of_a_series_shrink(self):
        header = os.urandom(4000)
        items = [header + bytes([number]) * 20 for number in range(50)]
        assert len(solid.pack(items)) < 8000

    @pytest.mark.parametrize(
        "change",
        [
            lambda content, size: (content, size - 1), lambda content, size: (content, size + 1),
            lambda content, size: (content[:-1], size), lambda content, size: (content + b"\0", size),
            lambda content, size: (content[:-1] + b"x", size), lambda content, size: (content[:40], size),
            lambda content, size: (b"", size), lambda content, size: (bytes(4096), size),
            lambda content, size: (content[:20] + b"\xff" + content[21:], size),
            lambda content, size: (content + bytes(4096), size), lambda content, size: (content, 0),
        ],
    )  # fmt: skip
    def test_org_2(self, change):
        content, size = change(solid.pack([b"restoring data" * 50]), 700)
        with pytest.raises(FormatError) as caught:
            solid.unpack(content, size)
        assert caught.value.rule == "ORG-2"

    def test_org_2_a_bomb_is_not_inflated(self):
        bomb = lzma.compress(bytes(200 << 20), preset=1)
        bomb += bytes(solid.padded_size(len(bomb)) - len(bomb))
        with pytest.raises(FormatError) as caught:
            solid.unpack(bomb, 1000)
        assert caught.value.rule == "ORG-2"

    def test_org_2_a_dictionary_beyond_reason(self):
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 30}]
        stream = lzma.compress(b"x", lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)
        with pytest.raises(FormatError) as caught:
            solid.unpack(stream + bytes(4096 - len(stream)), 1)
        assert caught.value.rule == "ORG-2"
