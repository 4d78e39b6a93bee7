"""What a data set says about its Pixel Data (PS3.3 C.7.6.3, PS3.5 §8), checked against the bytes there are.

Everything is computed in whole numbers and compared with lengths at hand before anybody reserves memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicompack.dicom import tags
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, tag_text
from dicompack.errors import DicomPackError, InputError

PIXEL_DATA = 0x7FE00010
SAMPLES_PER_PIXEL = 0x00280002
PHOTOMETRIC_INTERPRETATION = 0x00280004
PLANAR_CONFIGURATION = 0x00280006
NUMBER_OF_FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
PIXEL_REPRESENTATION = 0x00280103

SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")
"""Photometric Interpretations of which native data have half of the chrominance (PS3.3 C.7.6.3.1.2)."""

MAX_NATIVE_SIZE = 0xFFFFFFFE
"""Bytes of a native Pixel Data element (PS3.5 §7.1.1: 32-bit lengths, even, 0xFFFFFFFF is taken)."""

_MAX_FRAMES = 2**31 - 1  # Number of Frames is IS

# PS3.3 C.7.6.3.1.2. Terms that are not listed are left to whoever understands them.
_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "HSV": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_PARTIAL_420": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
    "ARGB": 4,
    "CMYK": 4,
}


@dataclass(frozen=True)
class PixelFormat:
    """The layout of Pixel Data."""

    rows: int
    columns: int
    frames: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    """0 for unsigned samples, 1 for two's complement."""
    photometric_interpretation: str
    planar_configuration: int | None
    """0: samples of a pixel side by side, 1: plane after plane; None with one sample per pixel."""
    subsampled: bool = False
    """Native 4:2:2: two pixels share their chrominance, so that a pixel has two samples on average."""

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame."""
        samples = 2 if self.subsampled else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame alone; frames of one bit per sample may share a byte with the next."""
        return (self.frame_bits + 7) // 8

    @property
    def native_size(self) -> int:
        """Bytes of all native frames, without the pad byte."""
        return (self.frame_bits * self.frames + 7) // 8


def pixel_format(data_set: DataSet, error: type[DicomPackError] = InputError) -> PixelFormat | None:
    """The layout of the top-level Pixel Data; None where there is none.

    Raises:
        InputError: the description is incomplete, contradicts itself, or does not fit the bytes (PIX-1 to
            PIX-7). A caller that reads a package asks for another class by `error`.
    """
    pixel_data = data_set.get(PIXEL_DATA)
    if pixel_data is None:
        return None
    encapsulated = isinstance(pixel_data, Encapsulated)
    if isinstance(pixel_data, Sequence):  # PIX-1
        raise error("Pixel Data is a sequence", where=tag_text(PIXEL_DATA), rule="PIX-1")

    rows, columns = _number(data_set, ROWS, error), _number(data_set, COLUMNS, error)
    if not rows or not columns:  # PIX-2
        raise error("Rows or Columns is 0", rule="PIX-2")
    frames = _frames(data_set, error)
    photometric = data_set.text(PHOTOMETRIC_INTERPRETATION).strip()
    samples = _number(data_set, SAMPLES_PER_PIXEL, error)
    if samples not in (1, 3, 4) or samples != _SAMPLES.get(photometric, samples) or not photometric:  # PIX-4
        raise error("Samples per Pixel does not fit the Photometric Interpretation", rule="PIX-4")
    planar = None
    if samples > 1:
        # Only native data need it: encapsulated data carry their own order (PS3.5 §8.2).
        absent = encapsulated and PLANAR_CONFIGURATION not in data_set
        planar = 0 if absent else _number(data_set, PLANAR_CONFIGURATION, error)
        if planar not in (0, 1):  # PIX-4
            raise error("Planar Configuration is not 0 or 1", rule="PIX-4")
    allocated, stored = _number(data_set, BITS_ALLOCATED, error), _number(data_set, BITS_STORED, error)
    if allocated != 1 and (allocated % 8 or not 8 <= allocated <= 64):  # PIX-5
        raise error("Bits Allocated is not 1 or a multiple of 8 up to 64", rule="PIX-5")
    if not 1 <= stored <= allocated:  # PIX-5
        raise error("Bits Stored is 0 or above Bits Allocated", rule="PIX-5")
    representation = _number(data_set, PIXEL_REPRESENTATION, error)
    if representation not in (0, 1):  # PIX-5
        raise error("Pixel Representation is not 0 or 1", rule="PIX-5")

    subsampled = not encapsulated and photometric in SUBSAMPLED
    layout = PixelFormat(
        rows=rows,
        columns=columns,
        frames=frames,
        samples_per_pixel=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        pixel_representation=representation,
        photometric_interpretation=photometric,
        planar_configuration=planar,
        subsampled=subsampled,
    )
    if isinstance(pixel_data, Encapsulated):
        # Video keeps many frames in one fragment, so only this much is certain without the Transfer Syntax.
        if sum(map(len, pixel_data.fragments[1:])) < frames:  # PIX-7
            raise error("more frames than bytes of encapsulated Pixel Data", rule="PIX-7")
    else:
        size = layout.native_size
        if len(pixel_data.value) not in (size, size + size % 2):  # PIX-6
            message = f"Pixel Data has {len(pixel_data.value)} bytes where {size} are described"
            raise error(message, where=tag_text(PIXEL_DATA), rule="PIX-6")
    return layout


def float_pixel_data(data_set: DataSet, error: type[DicomPackError] = InputError) -> Element | None:
    """The top-level Float or Double Float Pixel Data, checked against their description; None without them.

    Raises:
        InputError: they are not what the data set describes (PIX-12), or see `pixel_format`.
    """
    for tag, vr, bits in ((tags.FLOAT_PIXEL_DATA, "OF", 32), (tags.DOUBLE_FLOAT_PIXEL_DATA, "OD", 64)):
        node = data_set.get(tag)
        if node is None:
            continue
        rows, columns = _number(data_set, ROWS, error), _number(data_set, COLUMNS, error)
        told = (_number(data_set, SAMPLES_PER_PIXEL, error), _number(data_set, BITS_ALLOCATED, error))
        size = rows * columns * _frames(data_set, error) * bits // 8
        if not isinstance(node, Element) or node.vr != vr or told != (1, bits) or len(node.value) != size:
            raise error("not the samples that are described", where=tag_text(tag), rule="PIX-12")  # PIX-12
        return node
    return None


def _number(data_set: DataSet, tag: int, error: type[DicomPackError]) -> int:
    """The one value of a US element."""
    node = data_set.get(tag)
    if not isinstance(node, Element) or node.vr != "US" or len(node.value) != 2:  # PIX-1
        raise error("missing, or not one number of VR US", where=tag_text(tag), rule="PIX-1")
    return int.from_bytes(node.value, "little")


def _frames(data_set: DataSet, error: type[DicomPackError]) -> int:
    """Number of Frames, which is 1 where it is absent or empty (PS3.3 C.7.6.6)."""
    node = data_set.get(NUMBER_OF_FRAMES)
    if node is None:
        return 1
    text = data_set.text(NUMBER_OF_FRAMES).strip()
    if node.vr == "IS" and not text:
        return 1
    # Twelve characters are the longest IS; the limit also keeps `int` from long work.
    if node.vr != "IS" or len(text) > 12 or not text.isdigit() or not 1 <= int(text) <= _MAX_FRAMES:  # PIX-3
        raise error("not a whole number of frames", where=tag_text(NUMBER_OF_FRAMES), rule="PIX-3")
    return int(text)
