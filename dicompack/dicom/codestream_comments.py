"""What codestreams say beside their samples: comments and application data of JPEG, JPEG-LS and JPEG 2000.

Cameras put names and places there, screen programs the title of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dicompack.dicom.dataset import Buffer

_JPEG, _JPEG_2000, _BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"jP  "
_CODESTREAM_BOX: Final = b"jp2c"
# Where samples begin: start of scan (ISO/IEC 10918-1 Table B.1), start of tile-part (15444-1 Table A.2).
_SAMPLES: Final = {_JPEG: 0xDA, _JPEG_2000: 0x90}
_COMMENTS: Final = {_JPEG: frozenset((*range(0xE0, 0xF0), 0xFE)), _JPEG_2000: frozenset((0x64,))}
_MAX_SEGMENTS: Final = 4096  # application data may be in many pieces
_MAX_BOXES: Final = 1 << 20  # bytes in front of the codestream; some writers keep a colour profile there


def comments(frame: Buffer) -> Iterator[bytes]:
    """The contents of such segments, or the boxes in front of the codestream of a JP2 file, as bytes."""
    view = memoryview(frame)
    if bytes(view[4:8]) == _BOX:
        head = bytes(view[:_MAX_BOXES])
        yield head[: head.find(_CODESTREAM_BOX)] if _CODESTREAM_BOX in head else head
        return
    kind = next((one for one in _SAMPLES if bytes(view[: len(one)]) == one), None)
    if kind is None:
        return
    at = 2
    for _ in range(_MAX_SEGMENTS):
        while bytes(view[at : at + 2]) == b"\xff\xff":  # fill bytes
            at += 1
        if len(view) < at + 4 or view[at] != 0xFF or view[at + 1] == _SAMPLES[kind]:
            return
        length = int.from_bytes(view[at + 2 : at + 4], "big")
        if view[at + 1] in _COMMENTS[kind]:
            yield bytes(view[at + 4 : at + 2 + length])
        at += 2 + length
