"""Any pixel encoding, by any codec: the same bytes back, or kept with a reason; never something else.

Encodings are drawn from all that item 1 of compression names: bits, signs, planes, colours, odd lengths, byte
orders, junk above Bits Stored, High Bit elsewhere, frames that begin inside a byte.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dicompack.dicom import dicom_file, pixels
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, number_element, padded, string_element
from dicompack.dicom.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TransferSyntax,
)
from dicompack.stages import compression
from dicompack.stages.artifacts import Deidentified
from dicompack.stages.compression import Encoding
from tests.conftest import IN_CI
from tests.unit.stages.test_compression import listed

if not IN_CI:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("jpeg_ls")

PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True)
class Drawn:
    """One pixel encoding and how its samples are made."""

    rows: int
    columns: int
    frames: int
    photometric: str
    allocated: int
    stored: int
    high: int
    signed: bool
    planar: int
    vr: str
    samples: str
    seed: int

    @property
    def per_pixel(self) -> int:
        return {"MONOCHROME": 1, "PALETTE CO": 1, "CMYK": 4}.get(self.photometric[:10], 3)

    @property
    def size(self) -> int:
        per_pixel = 2 if self.photometric == "YBR_FULL_422" else self.per_pixel
        return (self.rows * self.columns * per_pixel * self.frames * self.allocated + 7) // 8

    def value(self) -> bytes:
        """Random, smooth, of one value, at the extremes, or with junk in every bit."""
        random = np.random.default_rng(self.seed)
        if self.samples == "junk" or self.allocated == 1:
            return random.bytes(self.size)
        width = self.allocated // 8
        count = self.size // width
        if self.samples == "smooth":
            numbers = (np.arange(count) // 7) % (1 << min(self.stored, 40))
        elif self.samples == "flat":
            numbers = np.full(count, self.seed % (1 << min(self.stored, 40)))
        elif self.samples == "extremes":
            numbers = random.choice(np.array([0, (1 << self.stored) - 1], np.uint64), count)
        else:
            numbers = random.integers(0, (1 << self.stored) - 1, count, np.uint64, endpoint=True)
        numbers = numbers.astype(np.uint64)
        if self.signed:  # sign extension up to Bits Allocated
            above = np.uint64(64 - self.stored)
            numbers = (numbers << above).view(np.int64) >> above.astype(np.int64)
        return np.ascontiguousarray(numbers).reshape(-1, 1).view(np.uint8)[:, :width].tobytes()

    def data_set(self) -> DataSet:
        nodes = [
            string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7"),
            string_element(0x00080018, "UI", "2.25.1"),
            number_element(0x00280002, "US", self.per_pixel),
            string_element(0x00280004, "CS", self.photometric),
            string_element(0x00280008, "IS", str(self.frames)),
            number_element(0x00280010, "US", self.rows),
            number_element(0x00280011, "US", self.columns),
            number_element(0x00280100, "US", self.allocated),
            number_element(0x00280101, "US", self.stored),
            number_element(0x00280102, "US", self.high),
            number_element(0x00280103, "US", int(self.signed)),
            Element(PIXEL_DATA, self.vr, padded(self.value(), b"\0")),
        ]
        if self.per_pixel > 1:
            nodes.append(number_element(0x00280006, "US", self.planar))
        return DataSet(nodes)


@st.composite
def encodings(draw: st.DrawFn) -> Drawn:
    allocated = draw(st.sampled_from([1, 8, 8, 16, 16, 16, 24, 32, 32, 40, 64]))
    stored = draw(st.integers(1, allocated))
    usual = draw(st.integers(0, 7)) != 0
    return Drawn(
        rows=draw(st.integers(1, 70)),
        columns=draw(st.integers(1, 70)),
        frames=draw(st.integers(1, 3)),
        photometric=draw(
            st.sampled_from(
                "MONOCHROME1,MONOCHROME2,MONOCHROME2,PALETTE COLOR,RGB,RGB,YBR_FULL,"
                "YBR_FULL_422,YBR_RCT,CMYK,HSV".split(",")
            )
        ),
        allocated=allocated,
        stored=stored,
        high=stored - 1 if usual else draw(st.integers(0, allocated)),
        signed=draw(st.booleans()),
        planar=draw(st.integers(0, 1)),
        vr=("OB" if allocated <= 8 else "OW") if usual else draw(st.sampled_from(["OB", "OW"])),
        samples=draw(st.sampled_from(["random", "random", "smooth", "flat", "extremes", "junk"])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


PLAIN = Drawn(33, 35, 2, "MONOCHROME2", 16, 12, 11, False, 0, "OW", "random", 1)
SYNTAXES = [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]


def through_a_file(data_set: DataSet, syntax: TransferSyntax) -> DataSet:
    """As it comes from the bytes of a file."""
    file = dicom_file.parse(b"".join(dicom_file.marshal(data_set, syntax)))
    assert file.transfer_syntax == syntax
    return file.data_set


@pytest.mark.parametrize("name", CODECS)
@given(drawn=encodings(), syntax=st.sampled_from(SYNTAXES))
@example(drawn=PLAIN, syntax=EXPLICIT_LITTLE)
@example(drawn=replace(PLAIN, samples="junk"), syntax=EXPLICIT_LITTLE)
@example(drawn=replace(PLAIN, high=15), syntax=EXPLICIT_LITTLE)
@example(drawn=replace(PLAIN, allocated=1, stored=1, high=0, vr="OB"), syntax=EXPLICIT_BIG)
@example(drawn=replace(PLAIN, allocated=32, stored=32, high=31, signed=True), syntax=EXPLICIT_BIG)
@example(
    drawn=replace(PLAIN, photometric="RGB", planar=1, rows=33, columns=33, frames=1), syntax=EXPLICIT_BIG
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_bytes_or_listed(name: str, drawn: Drawn, syntax: TransferSyntax) -> None:
    codec, source = CODECS[name], through_a_file(drawn.data_set(), syntax)
    packed = compression.pack(Deidentified(source, syntax), Encoding(name))
    raw = source.raw(PIXEL_DATA)[: drawn.size]
    assert packed.pixels.sha256 == hashlib.sha256(raw).hexdigest()
    assert packed.pixels.size == len(raw)
    if packed.compression.codec == "keep":
        assert [finding.kind for finding in packed.findings] == ["not-compressed"]
        assert packed.findings[0].message == packed.compression.reason != ""
        assert packed.data_set == source
        may_be_compressed = (
            drawn.photometric in codec.rows
            and drawn.allocated in codec.rows[drawn.photometric].bits_allocated
            and drawn.stored in codec.rows[drawn.photometric].bits_stored
            and drawn.high == drawn.stored - 1
            and drawn.samples != "junk"
            and (not drawn.signed or (drawn.photometric[0] == "M" and drawn.allocated > 1))
            and not (drawn.vr == "OB" and drawn.allocated > 8 and syntax.big_endian)
            and not (drawn.photometric == "RGB" and drawn.stored == 1)  # OpenJPEG's RCT
            and min(drawn.rows, drawn.columns) >= 16  # CharLS asks for room that tiny frames do not have
            and drawn.allocated > 1  # of which the last byte is random
        )
        assert not may_be_compressed, packed.compression.reason
    else:
        assert packed.transfer_syntax == codec.transfer_syntax
        assert packed.findings == ()
        changed = {node.tag for node in source if packed.data_set.get(node.tag) != node}
        assert changed <= {PIXEL_DATA, 0x00280004, 0x00280006}
        fragments = packed.data_set.get(PIXEL_DATA).fragments
        assert len(fragments) == drawn.frames + 1
        assert not any(len(fragment) % 2 for fragment in fragments)
    back = compression.unpack(packed, listed(packed))
    assert (back.data_set, back.transfer_syntax) == (source, syntax)


@pytest.mark.parametrize("name", CODECS)
@given(drawn=encodings(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_is_an_error_of_ours_or_other_pixels(name: str, drawn: Drawn, seed: int) -> None:
    """Bytes of a codestream changed anywhere: what comes back is refused, or not what the MANIFEST says."""
    source = replace(drawn, samples="smooth", allocated=max(8, drawn.allocated)).data_set()
    result = pixels.compress(source, CODECS[name])
    if isinstance(result, pixels.Kept):
        return
    random = np.random.default_rng(seed)
    table, *fragments = result.data_set.get(PIXEL_DATA).fragments
    damaged = bytearray(fragments[0])
    for place in random.integers(0, len(damaged), 3):
        damaged[place] ^= int(random.integers(1, 256))
    other = result.data_set.replacing(Encapsulated(PIXEL_DATA, "OB", (table, bytes(damaged), *fragments[1:])))
    try:
        back = pixels.decompress(other, result.restore, CODECS[name])
    except pixels.FormatError:
        return
    assert pixels.native_digest(back)[1] == result.native_size
