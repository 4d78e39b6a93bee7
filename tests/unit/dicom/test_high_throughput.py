"""HTJ2K: precision as the data set says, decoded alike by two libraries, and its own rules of the walk."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dicompack.dicom import pixels
from dicompack.dicom.codecs import CODECS, codestream
from dicompack.dicom.dataset import Element, number_element
from dicompack.errors import FormatError
from tests.conftest import IN_CI
from tests.unit.dicom.native_pixels import native, samples

if not IN_CI:
    pytest.importorskip("imagecodecs")

from dicompack.dicom.codecs import high_throughput

LAYOUT = pixels.pixel_format(native(samples(), stored=12))
GRAY = high_throughput.encode(samples().tobytes(), LAYOUT)
CAP = GRAY.index(b"\xff\x50")
COD = GRAY.index(b"\xff\x52")


def refused(data: bytes, rule: str) -> None:
    with pytest.raises(FormatError) as caught:
        codestream.parse(data, high_throughput=True)
    assert caught.value.rule == rule, caught.value


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def test_what_is_read():
    told = codestream.parse(GRAY, high_throughput=True)
    assert (told.columns, told.rows, told.precision, told.signed, told.levels) == (47, 33, 12, False, 5)


def test_one_part_of_the_standard_is_not_taken_for_the_other():
    """J2K-4: OpenJPEG would decode both, but a Transfer Syntax names one."""
    with pytest.raises(FormatError, match="J2K-4"):
        codestream.parse(GRAY)
    from dicompack.dicom.codecs import jpeg_two_thousand

    refused(jpeg_two_thousand.encode(samples().tobytes(), LAYOUT), "J2K-4")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (GRAY[:CAP] + GRAY[CAP + 10 :], "J2K-13"),
        (put(GRAY, CAP + 4, b"\0\3"), "J2K-13"),
        (put(GRAY, CAP + 8, b"\0\x2a"), "J2K-13"),  # irreversible
        (put(GRAY, CAP + 8, b"\x80\x0a"), "J2K-13"),  # blocks of both kinds
        (GRAY[:CAP] + b"\xff\x50\0\x0a" + GRAY[CAP + 4 : CAP + 10] + b"\0\0" + GRAY[CAP + 10 :], "J2K-13"),
        (GRAY[: CAP + 10] + GRAY[CAP:], "J2K-3"),  # twice
        (put(GRAY, COD + 12, b"\0"), "J2K-9"),  # blocks of Part 1
        (put(GRAY, COD + 12, b"\xc0"), "J2K-9"),
        (put(GRAY, COD + 12, b"\x41"), "J2K-9"),
        (put(GRAY, COD + 13, b"\0"), "J2K-8"),
    ],
)
def test_refused_by_rule(data, rule):
    refused(data, rule)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stored", range(1, 17))
def test_openjpeg_decodes_the_same_samples(stored, signed):
    """Another library, which knows nothing of how the precision came about."""
    for smooth in (False, True):
        array = samples(stored=stored, allocated=16, signed=signed, smooth=smooth)
        layout = pixels.pixel_format(native(array, stored=stored))
        data = high_throughput.encode(array.tobytes(), layout)
        assert codestream.parse(data, high_throughput=True).precision == stored
        assert high_throughput.decode(data, layout, transform=False) == array.tobytes()
        assert high_throughput.decode_otherwise(data, layout, transform=False) == array.tobytes()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stored", [17, 24, 31, 32])
def test_up_to_32_bits(stored, signed):
    array = samples(stored=stored, allocated=32, signed=signed, frames=2)
    source = native(array, stored=stored)
    result = pixels.compress(source, CODECS["htj2k"])
    assert isinstance(result, pixels.Compressed), result
    assert pixels.decompress(result.data_set, result.restore, CODECS["htj2k"]) == source
    doubted = pixels.compress(source, CODECS["htj2k"], paranoid=True)
    assert isinstance(doubted, pixels.Kept)  # the second decoder is exact up to 16 bits


def test_dose_above_what_is_stored():
    array = samples(stored=20, allocated=32)
    array.view(np.uint32)[0, 0, 0, 0] = 1 << 20
    assert pixels.compress(native(array, stored=20), CODECS["htj2k"]).reason == (
        "bits above Bits Stored are in use"
    )


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (31, 64)])
def test_small_frames(rows, columns):
    source = native(samples(rows=rows, columns=columns), stored=12)
    result = pixels.compress(source, CODECS["htj2k"], paranoid=True)
    assert isinstance(result, pixels.Compressed), result
    assert pixels.decompress(result.data_set, result.restore, CODECS["htj2k"]) == source


def test_one_bit():
    array = samples(stored=1, allocated=8, frames=2)
    packed = np.packbits(array, axis=None, bitorder="little").tobytes()
    source = native(array, stored=1).replacing(
        number_element(0x00280100, "US", 1),
        Element(0x7FE00010, "OB", packed + b"\0" * (len(packed) % 2)),
    )
    result = pixels.compress(source, CODECS["htj2k"], paranoid=True)
    assert isinstance(result, pixels.Compressed), result
    assert pixels.decompress(result.data_set, result.restore, CODECS["htj2k"]) == source


def test_errors_that_the_binding_drops_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """CMP-6: a frame that was left half filled is no frame, whatever is in it."""

    def half(data: bytes, *, planar: bool) -> np.ndarray:
        # What the binding does with an exception where it cannot raise one.
        class Raised:
            exc_type = RuntimeError

        sys.unraisablehook(Raised())  # type: ignore[arg-type]
        return samples()[0, :, :, 0]

    before = sys.unraisablehook
    monkeypatch.setattr(high_throughput, "htj2k_decode", half)
    with pytest.raises(FormatError) as caught:
        high_throughput.decode(GRAY, LAYOUT, transform=False)
    assert caught.value.rule == "CMP-6"
    assert sys.unraisablehook is before
