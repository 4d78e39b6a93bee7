"""The samples of native Pixel Data as numbers: to look at, and to blacken in place (PS3.3 C.7.6.3)."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dicompack.dicom.burned_in.boxes import Rectangle
from dicompack.dicom.dataset import DataSet, Element, padded
from dicompack.dicom.pixelformat import HIGH_BIT, PIXEL_DATA, pixel_format
from dicompack.errors import SuspectError

Samples: TypeAlias = NDArray[np.integer]

_PIXEL_PADDING_VALUE: Final = 0x00280120
_PALETTES: Final = (0x00281101, 0x00281102, 0x00281103)  # descriptors: red, green, blue
_PALETTE_DATA: Final = (0x00281201, 0x00281202, 0x00281203)
_LUMA: Final = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601, as PS3.3 C.7.6.3.1.2 has it
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422")
# Ranges with no more levels than a display has show everything at once.
_LEVELS: Final = 255
_MAX_BINS: Final = 1 << 16


class NativePixels:
    """Native Pixel Data that can be changed.

    Raises:
        SuspectError: they are of a kind that cannot be looked at (BUR-7).
        InputError: they contradict their description (PIX-1 to PIX-7).
    """

    def __init__(self, data_set: DataSet) -> None:
        layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
        if layout is None or not isinstance(pixel_data, Element):
            raise SuspectError("there are no native pixel data to look at", rule="BUR-7")
        photometric = layout.photometric_interpretation
        known = (*_GREY, "PALETTE COLOR") if layout.samples_per_pixel == 1 else _COLOUR
        if photometric not in known or layout.bits_allocated not in (8, 16, 32):  # BUR-7
            raise SuspectError("pixel data of this kind cannot be searched for text", rule="BUR-7")
        if data_set.number(HIGH_BIT) != layout.bits_stored - 1 or (layout.subsampled and layout.columns % 2):
            raise SuspectError("pixel data of this kind cannot be searched for text", rule="BUR-7")  # BUR-7
        self.layout = layout
        self._vr = pixel_data.vr
        self._data_set = data_set
        dtype = np.dtype(f"<{'ui'[layout.pixel_representation]}{layout.bits_allocated // 8}")
        count = layout.native_size // dtype.itemsize
        self._flat: Samples = np.frombuffer(pixel_data.value, dtype, count).copy()
        self.has_foreign_bits = False
        """Whether bits outside Bits Stored were in use; they are gone then (BUR-6)."""
        self._drop_foreign_bits()
        self._palette = _palette(data_set) if photometric == "PALETTE COLOR" else None
        self._pixels = self._view()
        self._black = self._blackest()

    def element(self) -> Element:
        """The Pixel Data as they are now."""
        return Element(PIXEL_DATA, self._vr, padded(self._flat.tobytes(), b"\0"))

    def frame_bytes(self, frame: int) -> bytes:
        """The samples of a frame, to tell equal ones."""
        return bytes(self._pixels[frame].tobytes())

    def views(self, frame: int) -> list[NDArray[np.uint8]]:
        """A frame as 8-bit RGB; grey of more than 8 bits twice: one rendering hides what another shows."""
        if self._palette is not None:
            first, colours = self._palette
            index = self._pixels[frame, :, :, 0].astype(np.int64) - first
            return [colours[np.clip(index, 0, len(colours) - 1)]]
        if self.layout.samples_per_pixel == 1:
            return _grey_views(self._pixels[frame, :, :, 0])
        return [self._colour(frame)]

    def blacken(self, place: Rectangle, first: int, last: int) -> None:
        """Give all samples of a rectangle one value, in frames `first` to `last` (from 0, both included)."""
        self._pixels[first : last + 1, place.y0 : place.y1, self._across(place)] = self._black

    def is_uniform(self, place: Rectangle, frame: int) -> bool:
        """Whether a rectangle holds one value only."""
        cut = self._pixels[frame, place.y0 : place.y1, self._across(place)]
        return bool((cut == cut[:1, :1]).all())

    def _across(self, place: Rectangle) -> slice:
        # Where two pixels share their chrominance, both go.
        return (
            slice(place.x0 // 2, -(-place.x1 // 2)) if self.layout.subsampled else slice(place.x0, place.x1)
        )

    def _view(self) -> Samples:
        """Frames x rows x columns x samples of a pixel; writing to it writes to the Pixel Data."""
        at = self.layout
        if at.subsampled:  # two luminances and the chrominance that they share
            return self._flat.reshape(at.frames, at.rows, at.columns // 2, 4)
        if at.planar_configuration == 1:
            planes = self._flat.reshape(at.frames, at.samples_per_pixel, at.rows, at.columns)
            return planes.transpose(0, 2, 3, 1)
        return self._flat.reshape(at.frames, at.rows, at.columns, at.samples_per_pixel)

    def _drop_foreign_bits(self) -> None:
        """BUR-6: overlays may hide above the stored bits; sign extension is none of them."""
        # Out to the left and back: what remains are the stored bits, sign extended if they are signed.
        unused = self.layout.bits_allocated - self.layout.bits_stored
        kept = self._flat << unused >> unused
        self.has_foreign_bits = not np.array_equal(kept, self._flat)
        if self.has_foreign_bits:
            self._flat = kept

    def _blackest(self) -> Samples:
        """The sample values of a pixel that says nothing."""
        at, dtype = self.layout, self._flat.dtype
        middle = 1 << (at.bits_stored - 1)
        match at.photometric_interpretation:
            case "RGB":
                return np.zeros(3, dtype)
            case "YBR_FULL":
                return np.array((0, middle, middle), dtype)
            case "YBR_FULL_422":
                return np.array((0, 0, middle, middle)[4 - self._pixels.shape[3] :], dtype)
            case "YBR_PARTIAL_422":
                floor = middle // 8  # PS3.3 C.7.6.3.1.2: black is 16 of 256
                return np.array((floor, floor, middle, middle)[4 - self._pixels.shape[3] :], dtype)
            case "PALETTE COLOR" if self._palette is not None:
                first, colours = self._palette
                return np.array((first + int((colours @ _LUMA).argmin()),)).astype(dtype)
        return np.array((self._dark_grey(),)).astype(dtype)

    def _dark_grey(self) -> int:
        """Pixel Padding Value, which viewers leave black, else the darkest value that occurs."""
        padding = self._data_set.raw(_PIXEL_PADDING_VALUE)
        at = self.layout
        if padding is not None and len(padding) == 2:
            value = int.from_bytes(padding, "little", signed=bool(at.pixel_representation))
            low = -(1 << at.bits_stored - 1) if at.pixel_representation else 0
            if low <= value < low + (1 << at.bits_stored):
                return value
        bright_is_low = at.photometric_interpretation == "MONOCHROME1"
        return int(self._flat.max() if bright_is_low else self._flat.min())

    def _colour(self, frame: int) -> NDArray[np.uint8]:
        pixels = self._pixels[frame]
        if self.layout.subsampled:
            luma = pixels[:, :, :2].reshape(self.layout.rows, self.layout.columns)
            pixels = np.dstack((luma, *(np.repeat(pixels[:, :, one], 2, axis=1) for one in (2, 3))))
        colour = pixels.astype(np.float32) * (255 / ((1 << self.layout.bits_stored) - 1))
        if self.layout.photometric_interpretation == "RGB":
            return np.asarray(colour, np.uint8)
        y, blue, red = colour[:, :, 0], colour[:, :, 1] - 128, colour[:, :, 2] - 128
        rgb = np.dstack((y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue))
        return np.asarray(np.clip(rgb, 0, 255), np.uint8)


def _grey_views(grey: Samples) -> list[NDArray[np.uint8]]:
    """Samples as 8-bit grey: linear over their whole range, and equalized where that shows something else."""
    low, high = int(grey.min()), int(grey.max())
    levels = high - low
    linear = ((grey.astype(np.float32) - low) * (255 / max(levels, 1))).astype(np.uint8)
    views = [linear]
    if levels > _LEVELS:
        views.append(_equalized(grey, low, high))
    return [np.repeat(view[:, :, None], 3, axis=2) for view in views]


def _equalized(grey: Samples, low: int, high: int) -> NDArray[np.uint8]:
    """Every part of the range spread by how many pixels have it: text of 0 in an air of 20 shows, too."""
    bins = min(high - low + 1, _MAX_BINS)
    index = (grey.astype(np.float64) - low) * ((bins - 1) / (high - low))
    index = index.astype(np.int64)
    counts = np.bincount(index.ravel(), minlength=bins)
    shares = np.cumsum(counts) - counts / 2
    return np.asarray((shares * (255 / grey.size)).astype(np.uint8)[index])


def _palette(data_set: DataSet) -> tuple[int, NDArray[np.uint8]]:
    """First index and colours of the palette (PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6).

    Raises:
        SuspectError: it is segmented or contradicts itself, so that nobody can say what is seen (BUR-7).
    """
    channels: list[NDArray[np.uint8]] = []
    firsts = set()
    for descriptor, data in zip(_PALETTES, _PALETTE_DATA, strict=True):
        head, table = data_set.raw(descriptor), data_set.raw(data)
        if head is None or len(head) != 6 or table is None:
            raise SuspectError("palette cannot be read", rule="BUR-7")  # BUR-7
        # The VR of the second number says nothing: it counts, and 0 stands for 65536.
        size = int.from_bytes(head[:2], "little") or 1 << 16
        signed = (node := data_set.get(descriptor)) is not None and node.vr == "SS"
        firsts.add(int.from_bytes(head[2:4], "little", signed=signed))
        wide = len(table) >= 2 * size
        entries = np.frombuffer(table, "<u2" if wide else "u1")[:size]
        if len(entries) != size:
            raise SuspectError("palette cannot be read", rule="BUR-7")  # BUR-7
        eight = int.from_bytes(head[4:6], "little") == 8
        channels.append((entries if eight or not wide else entries >> 8).astype(np.uint8))
    if len(firsts) != 1 or len({len(channel) for channel in channels}) != 1:
        raise SuspectError("palette cannot be read", rule="BUR-7")  # BUR-7
    return firsts.pop(), np.stack(channels, axis=1)
