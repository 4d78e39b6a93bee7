"""The JPEG-LS codestream of one frame (ISO/IEC 14495-1 Annex C), read before any decoder sees it.

Marker segments are walked one by one, and the coded samples of each scan are searched for the marker that
ends them. There is no SPIFF header, no restart interval, no table but the preset parameters: what the frame
needs and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicompack.dicom.dataset import Buffer
from dicompack.errors import FormatError

MAX_SEGMENTS = 64
"""Marker segments in front of a scan; two are usual, and some encoders add comments."""

PIXELS_IN_ONE_SCAN = (1, 2)
"""Interleave modes in which a decoder gives the samples of a pixel side by side: line and sample."""

_SOI, _EOI, _SOF, _LSE, _SOS, _COM = 0xFFD8, 0xFFD9, 0xFFF7, 0xFFF8, 0xFFDA, 0xFFFE
_MARKER = re.compile(rb"\xff[\x80-\xff]")  # coded samples have a zero bit behind eight ones
_PRESET = 1  # LSE: preset coding parameters (C.2.4.1.1)
_PRESET_SIZE = 11
_MIN_PRECISION, _MAX_PRECISION = 2, 16


@dataclass(frozen=True)
class JpegLs:
    """What a codestream says about its frame."""

    columns: int
    rows: int
    components: int
    precision: int
    interleave: int
    """0: a scan for each component; 1: line by line; 2: sample by sample."""
    size: int
    """Bytes up to and including the EOI marker, without the pad byte of a DICOM fragment."""


def parse(data: Buffer) -> JpegLs:
    """Walk the codestream of one frame, with the pad byte that a fragment may have.

    Raises:
        FormatError: the bytes break one of the rules JLS-1 to JLS-8.
    """
    view = memoryview(data)
    if _word(view, 0) != _SOI:  # JLS-1
        raise FormatError("not a JPEG-LS codestream that begins with SOI", rule="JLS-1")
    frame: tuple[int, int, int, int] | None = None
    interleave, scans, segments, offset = 0, 0, 0, 2
    while True:
        marker = _word(view, offset)
        if marker == _EOI:
            break
        segments += 1
        if segments > MAX_SEGMENTS:  # JLS-3
            raise FormatError(f"more than {MAX_SEGMENTS} marker segments", rule="JLS-3")
        body = _segment(view, offset + 2)
        offset += 4 + len(body)
        if marker == _SOF and frame is None:
            frame = _parse_frame(body)
        elif marker == _LSE and frame is not None:
            _check_preset(body, frame[3])
        elif marker == _SOS and frame is not None:
            interleave = _parse_scan(body, frame[2], scans)
            scans += 1
            offset = _end_of_scan(view, offset)
        elif marker != _COM:  # JLS-3
            raise FormatError(
                f"marker {marker:04X} has no place here", where=f"offset {offset}", rule="JLS-3"
            )
    if frame is None or scans != (frame[2] if interleave == 0 else 1):  # JLS-7
        raise FormatError("a frame or a scan is missing", rule="JLS-7")
    end = offset + 2
    if len(view) > end + end % 2 or any(view[end:]):  # JLS-8
        raise FormatError("bytes after the end of the codestream", where=f"offset {end}", rule="JLS-8")
    rows, columns, components, precision = frame
    return JpegLs(columns, rows, components, precision, interleave, end)


def _word(view: memoryview, offset: int) -> int:
    if offset + 2 > len(view):  # JLS-2
        raise FormatError("codestream is truncated", where=f"offset {offset}", rule="JLS-2")
    return int.from_bytes(view[offset : offset + 2], "big")


def _segment(view: memoryview, offset: int) -> memoryview:
    """The body of the marker segment whose length field stands at `offset`."""
    length = _word(view, offset)
    if length < 2 or offset + length > len(view):  # JLS-2
        raise FormatError("marker segment runs past the end", where=f"offset {offset}", rule="JLS-2")
    return view[offset + 2 : offset + length]


def _parse_frame(body: memoryview) -> tuple[int, int, int, int]:
    """SOF55 (C.2.2): precision, rows, columns, components; three bytes for each of them."""
    if len(body) < 6 or body[5] not in (1, 3) or len(body) != 6 + 3 * body[5]:  # JLS-4
        raise FormatError("number of components is not 1 or 3, or does not fit the frame", rule="JLS-4")
    precision, rows, columns, components = body[0], _word(body, 1), _word(body, 3), body[5]
    if not _MIN_PRECISION <= precision <= _MAX_PRECISION or not rows or not columns:  # JLS-4
        raise FormatError("precision is not 2 to 16, or a side is 0", rule="JLS-4")
    for number in range(components):
        if bytes(body[6 + 3 * number : 9 + 3 * number]) != bytes((number + 1, 0x11, 0)):  # JLS-4
            raise FormatError("components are subsampled, mapped, or not in their order", rule="JLS-4")
    return rows, columns, components, precision


def _check_preset(body: memoryview, precision: int) -> None:
    """LSE (C.2.4.1.1): MAXVAL, three thresholds, RESET."""
    if len(body) != _PRESET_SIZE or body[0] != _PRESET:  # JLS-5
        raise FormatError("an LSE segment that is no preset of coding parameters", rule="JLS-5")
    largest, *thresholds, reset = (_word(body, offset) for offset in range(1, 11, 2))
    due = (1 << precision) - 1
    rising = sorted(thresholds) == thresholds and thresholds[-1] <= due
    if largest not in (0, due) or not (rising or thresholds == [0, 0, 0]) or (reset and reset < 3):  # JLS-5
        raise FormatError("preset coding parameters outside their limits", rule="JLS-5")


def _parse_scan(body: memoryview, components: int, scan: int) -> int:
    """SOS (C.2.3): components of the scan; NEAR; interleave mode; point transform."""
    count = body[0] if len(body) else 0
    if len(body) != 4 + 2 * count:  # JLS-6
        raise FormatError("the scan's header has a wrong length", rule="JLS-6")
    near, interleave, point = body[1 + 2 * count :]
    names = bytes(body[1 : 1 + 2 * count])
    alone = count == 1 and names == bytes((scan + 1, 0)) and scan < components and interleave == 0
    together = count == components == 3 and scan == 0 and names == b"\1\0\2\0\3\0" and interleave in (1, 2)
    if near or point or not (alone or together):  # JLS-6
        raise FormatError("the scan is not lossless, or not one of its frame", rule="JLS-6")
    return int(interleave)


def _end_of_scan(view: memoryview, offset: int) -> int:
    """The offset of the marker behind the coded samples."""
    found = _MARKER.search(view, offset)
    if found is None or found.start() == offset:  # JLS-2
        raise FormatError("coded samples have no end", where=f"offset {offset}", rule="JLS-2")
    return found.start()
