"""Codestreams that lose something, at a ratio that somebody asked for by name; decoded by others only."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from dicompack.dicom.codecs import jpeg_two_thousand, samples
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import UnsupportedError

_STEPS: Final = 12
"""Halvings of the interval of quantisation steps: within a percent of the ratio, where it can be had."""


def encode(frame: Buffer, layout: PixelFormat, ratio: float, *, high_throughput: bool) -> bytes:
    """A codestream of about 1/`ratio` of the bytes of a native frame; RGB goes through the colour transform.

    Raises:
        UnsupportedError: the encoder refuses the frame, or samples use bits above Bits Stored.
    """
    if high_throughput:
        return _high_throughput(frame, layout, ratio)
    array = samples.from_frame(frame, layout)
    # The encoder counts from the bits of its precision, and people from the bytes that there were.
    counted = ratio * layout.bits_stored / layout.bits_allocated
    if counted <= 1:
        raise UnsupportedError("the ratio is no more than what the unused bits give")
    return jpeg_two_thousand.encode_samples(array, layout, [counted])


def _high_throughput(frame: Buffer, layout: PixelFormat, ratio: float) -> bytes:
    """OpenJPH has no ratio, so its quantisation step is searched for: coarser is smaller."""
    if find_spec("imagecodecs") is None:
        raise UnsupportedError("HTJ2K takes the encoder of dicompack[codecs]")
    import imagecodecs

    array = samples.from_frame(frame, layout)
    if array.dtype.itemsize * 8 != layout.bits_stored:
        # Steps count from the precision, which is that of the type: no other could be written into SIZ.
        raise UnsupportedError("lossy HTJ2K takes 8 or 16 bits stored")
    rgb = layout.photometric_interpretation == "RGB"
    finest, coarsest = 2.0**-20, 0.5
    best = b""
    try:
        for _ in range(_STEPS):
            step = (finest * coarsest) ** 0.5
            tried = bytes(
                imagecodecs.htj2k_encode(array, level=step, rgb=rgb, planar=False, reversible=False)
            )
            if len(tried) * ratio <= layout.frame_bytes:
                best, coarsest = tried, step
            else:
                finest = step
    except (imagecodecs.Htj2kError, ValueError) as refusal:
        raise UnsupportedError("the encoder refuses the frame") from refusal
    if not best:
        raise UnsupportedError("the ratio cannot be had")
    return best
