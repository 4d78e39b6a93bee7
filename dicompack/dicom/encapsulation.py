"""Encapsulated Pixel Data cut into frames (PS3.5 A.4), and looked at before they travel or are decoded.

A codestream that is to travel as it is meets no decoder here. What a reader would trip over is found all the
same, by the first and last bytes of each frame: another size than the data set's, or no end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from dicompack.dicom.dataset import Buffer, DataSet, Element, Encapsulated, bytes_of
from dicompack.dicom.pixelformat import PIXEL_DATA, PixelFormat, pixel_format
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import InputError

RLE: Final = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
UNCOMPRESSED_FRAMES: Final = "1.2.840.10008.1.2.1.98"

_JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203))
_JPEG: Final = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, *range(52, 67), 57, 70, 80, 81)
)
_VIDEO: Final = "1.2.840.10008.1.2.4.10"  # all that begin so keep their frames in one stream

MAX_PLAIN_SAMPLES: Final = 2**28
"""Samples of a frame, above which its codestream must not be next to nothing."""

MAX_RATIO: Final = 4096
"""Samples to a byte of such a codestream; an image of that size is none that holds less."""

_BEGINNINGS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")  # SOI and a marker; SOC and SIZ

_EXTENDED_OFFSETS: Final = 0x7FE00001
_ITEM_HEADER: Final = 8
_RLE_HEADER: Final = 64
_RLE_SEGMENTS: Final = 15
_SEGMENTS: Final = 256  # marker segments in front of SOF: application data in many pieces
_NO_SOF: Final = (0xC4, 0xC8, 0xCC)  # DHT, JPG, DAC stand among the markers of frames
_SIZE_OF_SOF: Final = 10


def frames_of(data_set: DataSet, layout: PixelFormat) -> list[Buffer] | None:
    """The codestream of each frame; None where nothing tells which fragments are whose."""
    pixel_data = data_set.get(PIXEL_DATA)
    if not isinstance(pixel_data, Encapsulated):
        return None
    table, *fragments = map(bytes_of, pixel_data.fragments)
    if layout.frames == 1:
        return [fragments[0] if len(fragments) == 1 else b"".join(fragments)]
    if len(fragments) == layout.frames:
        return list(fragments)
    starts = _starts(data_set, table)
    first = _fragments_at(starts, fragments) if starts else _beginnings(fragments)
    if len(first) != layout.frames or first[0] != 0 or first != sorted(set(first)):
        return None
    bounds = zip(first, [*first[1:], len(fragments)], strict=True)
    return [b"".join(fragments[begin:end]) for begin, end in bounds]


def _offset_table(data_set: DataSet, basic: Buffer) -> tuple[Buffer, int]:
    """The Basic Offset Table, or where it is empty the Extended one (PS3.3 C.7.6.3); bytes of an offset."""
    extended = data_set.get(_EXTENDED_OFFSETS)
    if not len(basic) and isinstance(extended, Element):
        return extended.value, 8
    return basic, 4


def _starts(data_set: DataSet, basic: Buffer) -> list[int]:
    """Offsets of frames."""
    table, width = _offset_table(data_set, basic)
    return [int.from_bytes(table[at : at + width], "little") for at in range(0, len(table), width)]


def _fragments_at(starts: Sequence[int], fragments: Sequence[Buffer]) -> list[int]:
    """Which fragments begin at these offsets; -1 where none does."""
    places, offset = {}, 0
    for number, fragment in enumerate(fragments):
        places[offset] = number
        offset += _ITEM_HEADER + len(fragment)
    return [places.get(start, -1) for start in starts]


def _beginnings(fragments: Iterable[Buffer]) -> list[int]:
    """Which fragments begin a codestream of the JPEG families; nothing within one looks like that."""
    return [number for number, one in enumerate(fragments) if bytes(one[:4]).startswith(_BEGINNINGS)]


def check(data_set: DataSet, syntax: TransferSyntax) -> None:
    """Whether encapsulated Pixel Data can be what the data set says, as far as can be seen without a decoder.

    Raises:
        InputError: there are fewer fragments than frames, or more and an offset table of another number of
            frames, or more codestreams than frames (PIX-8); a frame is of another size (PIX-9), or has no end
            (PIX-10), or describes far more than it can hold (PIX-11); see `pixel_format`.
    """
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    if layout is None or not isinstance(pixel_data, Encapsulated) or is_video(syntax):
        return
    fragments = len(pixel_data.fragments) - 1
    if fragments < layout.frames:  # PIX-8
        raise InputError(f"{fragments} fragments for {layout.frames} frames", rule="PIX-8")
    table, width = _offset_table(data_set, bytes_of(pixel_data.fragments[0]))
    if fragments > layout.frames and len(table) not in (0, layout.frames * width):  # PIX-8
        told = len(table) // width
        message = f"{fragments} fragments and an offset table of {told} frames for {layout.frames} frames"
        raise InputError(message, rule="PIX-8")
    if fragments > layout.frames and syntax.uid in _JPEG_2000 | _JPEG:
        begun = len(_beginnings(map(bytes_of, pixel_data.fragments[1:])))
        if begun > layout.frames:  # PIX-8
            raise InputError(f"{begun} codestreams for {layout.frames} frames", rule="PIX-8")
    for number, frame in enumerate(frames_of(data_set, layout) or (), start=1):
        view = memoryview(frame)
        count = layout.rows * layout.columns * layout.samples_per_pixel
        if count > MAX_PLAIN_SAMPLES and len(view) * MAX_RATIO < count:  # PIX-11
            message = f"frame {number} describes {count} samples in {len(view)} bytes"
            raise InputError(message, rule="PIX-11")
        if syntax.uid in _JPEG_2000:
            _check_jpeg_2000(view, layout, number)
        elif syntax.uid in _JPEG:
            _check_jpeg(view, layout, number)
        elif syntax.uid == RLE:
            _check_run_length(view, layout, number)
        elif syntax.uid == DEFLATED_FRAMES:
            inflated(view, layout, number)
        elif syntax.uid == UNCOMPRESSED_FRAMES:
            uncompressed(view, layout, number)


def is_video(syntax: TransferSyntax) -> bool:
    """Whether all frames are in one stream (MPEG-2, MPEG-4, HEVC)."""
    return syntax.uid.startswith(_VIDEO)


def inflated(frame: Buffer, layout: PixelFormat, number: int = 1) -> bytes:
    """A native frame of the Deflated Image Frame Transfer Syntax (PS3.5 A.4.13); never more than a frame.

    Raises:
        InputError: it is truncated, or inflates to something else than a frame (PIX-9, PIX-10).
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        native = stream.decompress(frame, layout.frame_bytes + 2)
    except zlib.error as error:
        raise _of_another_size(number) from error  # PIX-9
    if not stream.eof and len(native) <= layout.frame_bytes:  # PIX-10
        raise _without_end(number)
    behind = stream.unused_data not in (b"", b"\0")
    if not stream.eof or behind or not _is_padded(native, layout):  # PIX-9
        raise _of_another_size(number)
    return native[: layout.frame_bytes]


def uncompressed(frame: Buffer, layout: PixelFormat, number: int = 1) -> bytes:
    """A native frame of the Encapsulated Uncompressed Transfer Syntax (PS3.5 A.4.11).

    Raises:
        InputError: it is not one frame (PIX-9).
    """
    if not _is_padded(frame, layout):  # PIX-9
        raise _of_another_size(number)
    return bytes(memoryview(frame)[: layout.frame_bytes])


def _is_padded(native: Buffer, layout: PixelFormat) -> bool:
    """Whether it is a frame, and a zero byte where that is odd."""
    size = layout.frame_bytes
    return len(native) in (size, size + size % 2) and not any(memoryview(native)[size:])


def _of_another_size(number: int) -> InputError:
    return InputError(f"the codestream of frame {number} is not of the frame described", rule="PIX-9")


def _without_end(number: int) -> InputError:
    return InputError(f"the codestream of frame {number} is truncated", rule="PIX-10")


def _check_jpeg_2000(view: memoryview, layout: PixelFormat, number: int) -> None:
    """SOC and SIZ at the beginning, EOC at the end. A JP2 wrapper is not looked into."""
    if bytes(view[4:8]) == b"jP  ":
        return
    due = (layout.columns, layout.rows, layout.samples_per_pixel)
    right, bottom, left, top = (int.from_bytes(view[at : at + 4], "big") for at in (8, 12, 16, 20))
    told = (right - left, bottom - top, int.from_bytes(view[40:42], "big"))
    if bytes(view[:4]) != b"\xff\x4f\xff\x51" or told != due:  # PIX-9
        raise _of_another_size(number)
    _check_end(view, b"\xff\xd9", number)


def _check_jpeg(view: memoryview, layout: PixelFormat, number: int) -> None:
    """SOI, then segments up to the frame's header; EOI at the end. Rows of 0 are told later in the stream."""
    offset = 2
    for _ in range(_SEGMENTS if bytes(view[:2]) == b"\xff\xd8" else 0):
        while bytes(view[offset : offset + 2]) == b"\xff\xff":  # fill bytes
            offset += 1
        if len(view) < offset + _SIZE_OF_SOF or view[offset] != 0xFF:
            break
        marker = view[offset + 1]
        if (0xC0 <= marker <= 0xCF and marker not in _NO_SOF) or marker == 0xF7:
            rows, columns = (int.from_bytes(view[at : at + 2], "big") for at in (offset + 5, offset + 7))
            told = (rows or layout.rows, columns, view[offset + 9])
            if told != (layout.rows, layout.columns, layout.samples_per_pixel):  # PIX-9
                raise _of_another_size(number)
            _check_end(view, b"\xff\xd9", number)
            return
        offset += 2 + int.from_bytes(view[offset + 2 : offset + 4], "big")
    raise _of_another_size(number)  # PIX-9


def _check_run_length(view: memoryview, layout: PixelFormat, number: int) -> None:
    """The header (PS3.5 G.5): as many segments as a frame has bytes per pixel, one behind the other."""
    count = int.from_bytes(view[:4], "little")
    offsets = [int.from_bytes(view[at : at + 4], "little") for at in range(4, 4 + 4 * min(count, 15), 4)]
    due = layout.samples_per_pixel * ((layout.bits_allocated + 7) // 8)
    if len(view) < _RLE_HEADER or count != due or count > _RLE_SEGMENTS:  # PIX-9
        raise _of_another_size(number)
    if offsets[0] != _RLE_HEADER or offsets != sorted(set(offsets)) or offsets[-1] >= len(view):  # PIX-10
        raise _without_end(number)


def _check_end(view: memoryview, marker: bytes, number: int) -> None:
    """The end marker, before padding by 00 or, as some write it, FF."""
    if not bytes(view[-16:]).rstrip(b"\0\xff").endswith(marker):  # PIX-10
        raise _without_end(number)
