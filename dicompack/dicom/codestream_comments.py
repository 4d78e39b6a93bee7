"""What codestreams say beside their samples: comments and application data of JPEG, JPEG-LS and JPEG 2000.

Cameras put names and places there, screen programs the title of a window; and bytes behind the end of a
codestream are looked at by no viewer. `comments` shows all of that, `bare` gives the codestream without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dicompack.dicom.dataset import Buffer
from dicompack.errors import FormatError

_JPEG, _JPEG_2000, _BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"jP  "
_CODESTREAM_BOX: Final = b"jp2c"
# Where samples begin: start of scan (ISO/IEC 10918-1 Table B.1), start of tile-part (15444-1 Table A.2).
_SAMPLES: Final = {_JPEG: 0xDA, _JPEG_2000: 0x90}
_COMMENTS: Final = {_JPEG: frozenset((*range(0xE0, 0xF0), 0xFE)), _JPEG_2000: frozenset((0x64,))}
_MAX_SEGMENTS: Final = 4096  # application data may be in many pieces
_OF_COMPONENTS: Final = re.compile(rb"pclr|cmap|cdef")
_MAX_BOXES: Final = 1 << 20  # bytes in front of the codestream; some writers keep a colour profile there

_EOI: Final = 0xD9
_STANDALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))  # TEM and RST have no length
_SOF_OF_JPEG_LS: Final = 0xF7
# The end of entropy-coded bytes: a marker that is no RST. JPEG stuffs 00 behind FF, JPEG-LS a bit (14495-1).
_AFTER_SCAN: Final = {
    False: re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]"),
    True: re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]"),
}
# What a decoder has to know: JFIF without a thumbnail and Adobe tell the colour space, HP's the transform.
_NEEDED_BY_DECODERS: Final = re.compile(rb"\xe0JFIF\x00.{7}\x00\x00|\xeeAdobe.{7}|\xe8mrfx.", re.DOTALL)
_COM, _SOT, _SOD, _END_OF_CODESTREAM = 0xFF64, 0xFF90, b"\xff\x93", b"\xff\xd9"
_SOT_SIZE: Final = 12
# What encoders say of themselves in a comment of Latin text (ISO/IEC 15444-1 Table A.40).
_OF_AN_ENCODER: Final = re.compile(
    rb"\x00\x01(Created by (GDCM/)?OpenJPEG version [0-9.]{1,16}|Creator: JasPer Version [0-9.]{1,16}"
    rb"|Kakadu-v?[0-9.]{1,16}|OpenJPH Ver [0-9.]{1,16}"
    rb"|Kdu-Layer-Info: log_2\{Delta-D\((squared-error|MSE)\)/Delta-L\(bytes\)\}, L\(bytes\)\n[-0-9.e+, \n]*"
    rb")[\x00\n]?"
)


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


def bare(frame: Buffer) -> bytes | None:
    """A codestream with the same samples that says nothing else; None for a kind that is not known here.

    What a decoder needs of application data stays, and what an encoder says of itself.

    Raises:
        FormatError: it cannot be followed to its end (DEI-66).
    """
    view = memoryview(frame)
    try:
        if bytes(view[4:8]) == _BOX:
            codestream = _codestream_of(view)
            if codestream is None:
                return None
            view = codestream
        if bytes(view[:4]) == _JPEG_2000:
            return _bare_jpeg_2000(view)
        if bytes(view[:2]) == _JPEG:
            return _bare_jpeg(view)
    except IndexError as error:
        raise _endless() from error
    return None


def _codestream_of(view: memoryview) -> memoryview | None:
    """What stands in the box of the codestream (ISO/IEC 15444-1 I.4), which is what DICOM has (PS3.5 A.4.4).

    None where another box says which component is which: such a frame is more than its codestream.
    """
    at = 0
    for _ in range(_MAX_SEGMENTS):
        size, kind, head = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8]), 8
        if size == 1:
            size, head = int.from_bytes(view[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(view)
        if not at + head <= end <= len(view):
            break
        if kind == _CODESTREAM_BOX:
            return view[at + head : end]
        if _OF_COMPONENTS.search(view, at, end):
            return None
        at = end
    raise _endless()


def _bare_jpeg(view: memoryview) -> bytes:
    pieces: list[Buffer] = [_JPEG]
    at, is_jpeg_ls = 2, False
    for _ in range(_MAX_SEGMENTS):
        while bytes(view[at : at + 2]) == b"\xff\xff":  # fill bytes
            at += 1
        if view[at] != 0xFF:
            break
        marker = view[at + 1]
        if marker == _EOI:
            return b"".join((*pieces, b"\xff\xd9"))
        if marker in _STANDALONE:
            pieces.append(view[at : at + 2])
            at += 2
            continue
        end = at + 2 + int.from_bytes(view[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(view):
            break
        is_jpeg_ls |= marker == _SOF_OF_JPEG_LS
        body = bytes((marker,)) + view[at + 4 : end]
        if marker not in _COMMENTS[_JPEG] or _NEEDED_BY_DECODERS.fullmatch(body):
            pieces.append(view[at:end])
        if marker == _SAMPLES[_JPEG]:
            following = _AFTER_SCAN[is_jpeg_ls].search(view, end)
            if following is None:
                break
            pieces.append(view[end : following.end() - 2])
            end = following.end() - 2
        at = end
    raise _endless()


def _bare_jpeg_2000(view: memoryview) -> bytes:
    pieces: list[Buffer] = [view[:2]]
    at = 2
    for _ in range(_MAX_SEGMENTS):
        marker, length = (int.from_bytes(view[place : place + 2], "big") for place in (at, at + 2))
        if marker == _SOT:
            break
        end = at + 2 + length
        if marker >> 8 != 0xFF or length < 2 or end > len(view):
            raise _endless()
        if marker != _COM or _OF_AN_ENCODER.fullmatch(view[at + 4 : end]):
            pieces.append(view[at:end])
        at = end
    begin = at
    while bytes(view[at : at + 2]) != _END_OF_CODESTREAM:
        at = _after_tile_part(view, at)
    return b"".join((*pieces, view[begin : at + 2]))


def _after_tile_part(view: memoryview, at: int) -> int:
    """Where the next one begins (A.4.2); nothing is said within its header but how to decode it."""
    if int.from_bytes(view[at : at + 2], "big") != _SOT:
        raise _endless()
    size = int.from_bytes(view[at + 6 : at + 10], "big")
    inner = at + _SOT_SIZE
    while bytes(view[inner : inner + 2]) != _SOD:
        marker, length = (int.from_bytes(view[place : place + 2], "big") for place in (inner, inner + 2))
        if marker >> 8 != 0xFF or marker == _COM or length < 2:
            raise _endless()
        inner += 2 + length
    # A size of 0 is that of the last one. In packets nothing above FF8F stands (A.1.1).
    end = bytes(view[inner:]).find(_END_OF_CODESTREAM) + inner if size == 0 else at + size
    if not inner < end <= len(view):
        raise _endless()
    return end


def _endless() -> FormatError:
    return FormatError("its codestream cannot be followed to the end", rule="DEI-66")
