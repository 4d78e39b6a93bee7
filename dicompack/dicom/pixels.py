"""Stage 2 for one data set: native Pixel Data to the codestreams of a codec and back, bit for bit.

What is compressed is proved: each frame is decoded again and compared with the very bytes of its source, bits
above Bits Stored included, before it takes their place. What does not pass keeps its own Transfer Syntax.

    compress:    native element -> frames -> codestreams -> fragments     Photometric Interpretation, planes
    decompress:  native element <- frames <- codestreams <- fragments     from `Restore`
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from dicompack.dicom.codecs import Codec
from dicompack.dicom.dataset import (
    Buffer,
    DataSet,
    Element,
    Encapsulated,
    Piece,
    bytes_of,
    number_element,
    padded,
    string_element,
)
from dicompack.dicom.pixelformat import (
    HIGH_BIT,
    MAX_NATIVE_SIZE,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PLANAR_CONFIGURATION,
    PixelFormat,
    float_pixel_data,
    pixel_format,
)
from dicompack.errors import FormatError, UnsupportedError
from dicompack.files import TOUCHES, give_back_now

__all__ = [
    "PixelFormat",
    "pixel_format",
    "Restore",
    "Compressed",
    "Kept",
    "compress",
    "decompress",
    "native_digest",
    "obstacle",
    "offset_table",
]

MAX_FRAME_SAMPLES = 2**28
"""Samples of one frame (16384 x 16384): OpenJPEG holds each as four bytes, more than once."""

_LEAST_FRAME = 64
"""Bytes of one of several frames, up to which a codestream's header and item are larger than the frame."""

# Extended Offset Table, its lengths, and Encapsulated Pixel Data Value Total Length (PS3.3 C.7.6.3).
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)

# PS3.5 A.2 wants OW for samples wider than a byte; in little endian order OB has the same bytes, and is met.
_NATIVE_VRS = ("OB", "OW")

_MAX_OFFSET = 0xFFFFFFFF
_ITEM_HEADER = 8


@dataclass(frozen=True)
class Restore:
    """What the compressed data set no longer says about its native form."""

    vr: str
    photometric_interpretation: str
    planar_configuration: int | None


@dataclass(frozen=True)
class Compressed:
    """A data set whose Pixel Data are encapsulated codestreams."""

    data_set: DataSet
    restore: Restore
    native_sha256: str
    """Of the native Pixel Data without pad byte, as it was and will be again."""
    native_size: int


@dataclass(frozen=True)
class Kept:
    """A data set that travels in its own Transfer Syntax."""

    reason: str
    native_sha256: str | None
    """None where there are no native Pixel Data; `native_size` is 0 then."""
    native_size: int


def native_digest(data_set: DataSet) -> tuple[str, int] | None:
    """SHA-256 (hex) and size of native Pixel Data without pad byte; None where encapsulated or absent.

    Raises:
        InputError: see `pixel_format`.
    """
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    if layout is None:
        numbers = float_pixel_data(data_set)
        return (hashlib.sha256(numbers.value).hexdigest(), len(numbers.value)) if numbers else None
    if not isinstance(pixel_data, Element):
        return None
    size = layout.native_size
    return hashlib.sha256(memoryview(pixel_data.value)[:size]).hexdigest(), size


def at_hand(fragment: bytes) -> Piece:
    """Fragments stay in memory."""
    return fragment


def in_memory(size: int) -> memoryview:
    """Zero bytes to be written to."""
    return memoryview(bytearray(size))


def one_by_one(work: Callable[[int], bytes], count: int) -> Iterator[bytes]:
    """Frame after frame, in this process."""
    return map(work, range(count))


@dataclass(frozen=True)
class Handling:
    """Where codestreams and samples are kept, and who does the frames: for large pixel data, not as usual."""

    put: Callable[[bytes], Piece] = at_hand
    """Takes a codestream and gives what stands for it."""
    room: Callable[[int], memoryview] = in_memory
    """Makes a place of so many zero bytes for native Pixel Data. Copies of this process share it."""
    spread: Callable[[Callable[[int], bytes], int], Iterator[bytes]] = one_by_one
    """Does something for each of so many frames, and gives the results in order."""


AS_USUAL = Handling()
"""In memory, and in this process."""


def compress(
    data_set: DataSet,
    codec: Codec,
    *,
    paranoid: bool = False,
    was_big_endian: bool = False,
    handling: Handling = AS_USUAL,
) -> Compressed | Kept:
    """Native Pixel Data by a codec, proved to come back exactly; anything else is kept, with a reason.

    Args:
        data_set: any data set.
        codec: what to compress with.
        paranoid: prove each frame with a second decoder, too.
        was_big_endian: whether it came in big endian order, in which samples wider than a byte are not
            reordered where their VR says OB.
        handling: how large pixel data are worked on.

    Raises:
        InputError: see `pixel_format`.
        UnsupportedError: the codec's libraries are not installed.
    """
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    if layout is None:
        digest_of_numbers = native_digest(data_set)
        if digest_of_numbers:
            return Kept("Float Pixel Data have no encapsulated form", *digest_of_numbers)
        return Kept("there are no Pixel Data", None, 0)
    if not isinstance(pixel_data, Element):
        return Kept("Pixel Data are encapsulated already", None, 0)
    value = memoryview(pixel_data.value)
    digest, size = hashlib.sha256(value[: layout.native_size]).hexdigest(), layout.native_size
    reason = obstacle(data_set, layout, codec) or _obstacle_to_restoring(data_set, layout, pixel_data)
    if pixel_data.vr == "OB" and layout.bits_allocated > 8 and was_big_endian:
        reason = "the VR of Pixel Data does not fit Bits Allocated"
    if layout.frames > 1 and layout.frame_bytes <= _LEAST_FRAME:
        reason = reason or "a frame is smaller than the header of its codestream"
    if reason:
        return Kept(reason, digest, size)
    try:
        proved = _proved(value, layout, codec, handling, paranoid=paranoid)
        fragments = [handling.put(one) for one in proved]
    except (UnsupportedError, FormatError) as refusal:
        return Kept(refusal.message, digest, size)

    changed: list[Element | Encapsulated] = [
        Encapsulated(PIXEL_DATA, "OB", (offset_table(fragments), *fragments))
    ]
    if _is_transformed(layout, codec):
        changed.append(string_element(PHOTOMETRIC_INTERPRETATION, "CS", "YBR_RCT"))
    if layout.planar_configuration is not None:
        changed.append(number_element(PLANAR_CONFIGURATION, "US", 0))
    packed = data_set.replacing(*changed)
    restore = Restore(pixel_data.vr, layout.photometric_interpretation, layout.planar_configuration)
    if _restored(packed, restore, pixel_data.value) != data_set:
        return Kept("the description has an unusual padding", digest, size)
    return Compressed(packed, restore, digest, size)


def _proved(
    value: Buffer, layout: PixelFormat, codec: Codec, handling: Handling, *, paranoid: bool
) -> Iterator[bytes]:
    """A fragment for each frame, which has been decoded and compared with its source."""
    coder = codec.load()

    from dicompack.dicom.codecs import samples  # numpy, for the workers that get here

    transform = _is_transformed(layout, codec)

    def proved(number: int) -> bytes:
        frame = samples.frame(value, number, layout)
        fragment = coder.encode(frame, layout)
        source = bytes(frame)  # two views are compared sample by sample, a hundred times slower
        if coder.decode(fragment, layout, transform=transform) != source:
            raise UnsupportedError("samples do not survive the round trip")
        if paranoid and coder.decode_otherwise(fragment, layout, transform=transform) != source:
            raise UnsupportedError("a second decoder gives other samples")
        return padded(fragment, b"\0")

    return handling.spread(proved, layout.frames)


def decompress(data_set: DataSet, restore: Restore, codec: Codec, handling: Handling = AS_USUAL) -> DataSet:
    """The data set that `compress` was given. Every frame is checked before the first one is decoded.

    Args:
        data_set: as it travelled.
        restore: what it does not say.
        codec: what it was compressed with.
        handling: how large pixel data are worked on.

    Raises:
        FormatError: the data set, its codestreams or `restore` break a rule (PIX-1 to PIX-7, CMP-1 to CMP-7,
            those of the codestream).
        UnsupportedError: the codec's libraries are not installed.
    """
    layout, pixel_data = pixel_format(data_set, FormatError), data_set.get(PIXEL_DATA)
    if layout is None or not isinstance(pixel_data, Encapsulated) or pixel_data.vr != "OB":  # CMP-1
        raise FormatError("Pixel Data are not encapsulated", rule="CMP-1")
    if any(tag in data_set for tag in _OFFSET_TABLES):  # CMP-1
        raise FormatError("offset tables beside the Pixel Data", rule="CMP-1")
    table, *fragments = pixel_data.fragments
    if len(fragments) != layout.frames:  # CMP-2
        raise FormatError(f"{len(fragments)} fragments for {layout.frames} frames", rule="CMP-2")
    if table not in (b"", offset_table(fragments)):  # CMP-3
        raise FormatError("Basic Offset Table does not fit the fragments", rule="CMP-3")
    transform = codec.transforms and layout.photometric_interpretation == "YBR_RCT"
    if transform:
        layout = replace(layout, photometric_interpretation="RGB")
    outside = obstacle(data_set, layout, codec)
    if outside or layout.planar_configuration == 1:  # CMP-4
        raise FormatError(outside or "Planar Configuration is not 0", rule="CMP-4")
    native = _native_layout(layout, restore)

    coder = codec.load()
    from dicompack.dicom.codecs import samples  # see `_proved`

    if native.frames == 1 and native.frame_bits % 16 == 0 and handling is AS_USUAL:  # no need of a place
        return _restored(data_set, restore, coder.decode(bytes_of(fragments[0]), native, transform=transform))
    for number, fragment in enumerate(fragments, start=1):
        coder.check(bytes_of(fragment), native, transform=transform)
        if number % TOUCHES == 0:
            give_back_now()
    value = handling.room(native.native_size + native.native_size % 2)

    def put(number: int) -> bytes:
        frame = coder.decode(bytes_of(fragments[number]), native, transform=transform)
        samples.put_frame(value, number, frame, native)
        return b""

    # Frames that share a byte with the next one cannot be put by two processes at a time.
    spread = one_by_one if native.frame_bits % 8 else handling.spread
    for _ in spread(put, native.frames):
        pass
    return _restored(data_set, restore, value.toreadonly())


def _is_transformed(layout: PixelFormat, codec: Codec) -> bool:
    return codec.transforms and layout.photometric_interpretation == "RGB"


def obstacle(data_set: DataSet, layout: PixelFormat, codec: Codec) -> str | None:
    """Why this native layout has no place in the codec's Transfer Syntax, whoever encodes it."""
    photometric = layout.photometric_interpretation
    row = codec.rows.get(photometric)
    if row is None or row.samples_per_pixel != layout.samples_per_pixel:
        return "the Photometric Interpretation is not one that is compressed"
    if layout.bits_allocated not in row.bits_allocated:
        return f"Bits Allocated {layout.bits_allocated} is not one that is compressed"
    if layout.bits_stored not in row.bits_stored:
        return f"Bits Stored {layout.bits_stored} is not one that is compressed"
    if data_set.number(HIGH_BIT) != layout.bits_stored - 1:
        return "High Bit is not Bits Stored - 1"
    if layout.pixel_representation and (
        not photometric.startswith("MONOCHROME") or layout.bits_allocated == 1
    ):
        return "colour, palette or one-bit samples are signed"
    if layout.rows * layout.columns * layout.samples_per_pixel > MAX_FRAME_SAMPLES:
        return f"a frame has more than {MAX_FRAME_SAMPLES} samples"
    if layout.native_size > MAX_NATIVE_SIZE:
        return "native Pixel Data exceed the length of an element"
    return None


def _obstacle_to_restoring(data_set: DataSet, layout: PixelFormat, pixel_data: Element) -> str | None:
    """Why the native element would not come back as it is."""
    value, size = memoryview(pixel_data.value), layout.native_size
    if pixel_data.vr not in _NATIVE_VRS:
        return "the VR of Pixel Data is neither OB nor OW"
    if len(value) % 2 or any(value[size:]):
        return "Pixel Data are not padded by a zero byte"
    unused = size * 8 - layout.frame_bits * layout.frames
    if unused and value[size - 1] >> 8 - unused:
        return "bits behind the last sample are in use"
    if any(tag in data_set for tag in _OFFSET_TABLES):
        return "offset tables beside native Pixel Data"
    return None


def offset_table(fragments: Sequence[Piece]) -> bytes:
    """The Basic Offset Table (PS3.5 A.4) of one fragment per frame; empty where 32 bits do not reach."""
    offsets = list(_offsets(fragments))
    if offsets[-1] > _MAX_OFFSET:
        return b""
    return b"".join(offset.to_bytes(4, "little") for offset in offsets)


def _offsets(fragments: Sequence[Piece]) -> Iterator[int]:
    offset = 0
    for fragment in fragments:
        yield offset
        offset += _ITEM_HEADER + len(fragment)


def _native_layout(layout: PixelFormat, restore: Restore) -> PixelFormat:
    """The layout to restore, from that of the decoded frames."""
    planar = restore.planar_configuration
    if restore.photometric_interpretation != layout.photometric_interpretation:  # CMP-7
        raise FormatError("Photometric Interpretation to restore does not fit", rule="CMP-7")
    if planar not in ((None,) if layout.samples_per_pixel == 1 else (0, 1)):  # CMP-7
        raise FormatError("Planar Configuration to restore does not fit", rule="CMP-7")
    if restore.vr not in _NATIVE_VRS:  # CMP-7
        raise FormatError("VR to restore is neither OB nor OW", rule="CMP-7")
    return replace(layout, planar_configuration=planar)


def _restored(packed: DataSet, restore: Restore, value: Buffer) -> DataSet:
    """The compressed data set with its native element and description in place again."""
    changed = [Element(PIXEL_DATA, restore.vr, value)]
    if restore.photometric_interpretation != packed.text(PHOTOMETRIC_INTERPRETATION).strip():
        changed.append(string_element(PHOTOMETRIC_INTERPRETATION, "CS", restore.photometric_interpretation))
    if restore.planar_configuration is not None:
        changed.append(number_element(PLANAR_CONFIGURATION, "US", restore.planar_configuration))
    return packed.replacing(*changed)
