"""The JPEG 2000 codestream of one frame (ISO/IEC 15444-1 Annex A, 15444-15), read before any decoder sees it.

The decoder's binding has corrupted the heap on crafted input, so it gets only what has been walked here from
the first marker to the last byte: a bare codestream of one tile, without quantisation, in which nothing is
larger than it says. The profile is that of the lossless encoders in use; what they do not write is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.errors import FormatError

MAX_PRECISION = 32
"""Bits per sample; no decoder at hand gives more."""

MAX_LAYERS = 64
"""Quality layers; a decoder reserves memory for layers x resolutions x precincts. Encoders write 1 to 20."""

MAX_SEGMENTS = 64
"""Marker segments of a main header; 6 are usual, and some encoders spread comments over a few more."""

MIN_PRECINCT_EXPONENT = 6
"""Precincts of 64 x 64 or more: tiny ones cost a decoder hundreds of bytes for each few samples."""

_CAP, _COD, _QCD, _QCC, _COM = 0xFF50, 0xFF52, 0xFF5C, 0xFF5D, 0xFF64
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9

_BEGIN = b"\xff\x4f\xff\x51"  # SOC and SIZ
_SOT_SIZE = 12
_ENDS_OF_TILE_PART = 14  # SOT segment and SOD marker
_MAX_SIDE = 0xFFFF  # Rows and Columns are US
_MAX_LEVELS = 32  # ISO/IEC 15444-1 Table A.15
_MAX_PARTS = 254  # TPsot is one byte
_MIN_BLOCK_EXPONENT, _MAX_BLOCK_EXPONENT, _MAX_BLOCK_AREA = 4, 10, 12  # 16 x 16 to 4096 samples
_BLOCK_STYLES = 0x3F  # the six styles of Part 1
_OTHER_PARTS = 0xC000  # Rsiz: capabilities of Part 2 (bit 15) and those that CAP lists (bit 14)
_CAPABLE = 0x4000
_HIGH_THROUGHPUT = 0x40  # of the styles of code-blocks, Part 15
_HIGH_THROUGHPUT_STYLES = (_HIGH_THROUGHPUT, _HIGH_THROUGHPUT | 0x08)  # alone, or with vertical causality
_PART_15_ONLY = b"\0\2\0\0"  # Pcap
_MAGNITUDE = 0x001F  # of Ccap15, what may be set: high throughput alone, reversible, and this bound


@dataclass(frozen=True)
class Codestream:
    """What a codestream says about its frame. One tile and no subsampling are certain."""

    columns: int
    rows: int
    components: int
    precision: int
    """Bits per sample, the same for all components."""
    signed: bool
    transform: bool
    """Whether the three components went through the reversible colour transform (RCT)."""
    levels: int
    """Decompositions of the reversible 5/3 wavelet."""
    layers: int
    size: int
    """Bytes up to and including the EOC marker, without the pad byte of a DICOM fragment."""


@dataclass(frozen=True)
class _Size:
    columns: int
    rows: int
    components: int
    precision: int
    signed: bool


@dataclass(frozen=True)
class _Style:
    transform: bool
    levels: int
    layers: int


def parse(data: Buffer, *, high_throughput: bool = False) -> Codestream:
    """Walk the codestream of one frame, with the pad byte that a fragment may have.

    Reads marker segments only; the compressed samples are skipped, nothing is copied.

    Args:
        data: a fragment.
        high_throughput: whether it is one of Part 15; one of Part 1 is not taken then, nor the reverse.

    Raises:
        FormatError: the bytes break one of the rules J2K-1 to J2K-13.
    """
    view = memoryview(data)
    if bytes(view[:4]) != _BEGIN:  # J2K-1
        raise FormatError("not a bare codestream that begins with SOC and SIZ", rule="J2K-1")
    size = _parse_size(_segment(view, 4), _CAPABLE if high_throughput else 0)
    offset = 4 + _word(view, 4)
    style: _Style | None = None
    capable = False
    quantisation: dict[int, int] = {}  # component, or -1 for the default, to number of steps
    for _ in range(MAX_SEGMENTS):
        marker = _word(view, offset)
        if marker == _SOT:
            break
        body = _segment(view, offset + 2)
        if marker == _COD and style is None:
            style = _parse_style(body, size.components, high_throughput=high_throughput)
        elif marker == _CAP and high_throughput and not capable:
            capable = _check_capabilities(body)
        elif marker == _QCD and -1 not in quantisation:
            quantisation[-1] = _parse_quantisation(body)
        elif marker == _QCC and len(body) and body[0] < size.components and body[0] not in quantisation:
            quantisation[body[0]] = _parse_quantisation(body[1:])
        elif marker != _COM:  # J2K-3
            raise FormatError(f"marker {marker:04X} has no place in the main header", rule="J2K-3")
        offset += 4 + len(body)
    else:  # J2K-3
        raise FormatError(f"more than {MAX_SEGMENTS} marker segments", rule="J2K-3")
    if style is None or -1 not in quantisation:  # J2K-3
        raise FormatError("no COD or no QCD in the main header", rule="J2K-3")
    if high_throughput and not capable:  # J2K-13
        raise FormatError("no CAP in the main header", rule="J2K-13")
    if any(steps != 3 * style.levels + 1 for steps in quantisation.values()):  # J2K-10
        raise FormatError("number of quantisation exponents does not fit the levels", rule="J2K-10")
    end = _walk_tile_parts(view, offset)
    return Codestream(
        columns=size.columns,
        rows=size.rows,
        components=size.components,
        precision=size.precision,
        signed=size.signed,
        transform=style.transform,
        levels=style.levels,
        layers=style.layers,
        size=end,
    )


def check_frame(header: Codestream, layout: PixelFormat, *, transform: bool) -> None:
    """Whether a codestream holds a frame of this layout.

    Raises:
        FormatError: codestream and data set differ (CMP-5).
    """
    told = (header.rows, header.columns, header.components, header.precision, header.signed, header.transform)
    if told != (
        layout.rows,
        layout.columns,
        layout.samples_per_pixel,
        layout.bits_stored,
        bool(layout.pixel_representation),
        transform,
    ):  # CMP-5
        raise FormatError("codestream and data set describe different frames", rule="CMP-5")


def _word(view: memoryview, offset: int, width: int = 2) -> int:
    """A big endian integer."""
    if offset + width > len(view):  # J2K-2
        raise FormatError("codestream is truncated", where=f"offset {offset}", rule="J2K-2")
    return int.from_bytes(view[offset : offset + width], "big")


def _segment(view: memoryview, offset: int) -> memoryview:
    """The body of the marker segment whose length field stands at `offset`."""
    length = _word(view, offset)
    if length < 2 or offset + length > len(view):  # J2K-2
        raise FormatError("marker segment runs past the end", where=f"offset {offset}", rule="J2K-2")
    return view[offset + 2 : offset + length]


def _check_capabilities(body: memoryview) -> bool:
    """CAP (15444-1 A.5.2, 15444-15 A.3): Part 15 alone; blocks of one kind, nothing irreversible."""
    if len(body) != 6 or bytes(body[:4]) != _PART_15_ONLY or _word(body, 4) & ~_MAGNITUDE:  # J2K-13
        raise FormatError("CAP lists other capabilities than reversible high throughput", rule="J2K-13")
    return True


def _parse_size(body: memoryview, due: int) -> _Size:
    """SIZ (A.5.1): Rsiz; image and tile areas, eight numbers of 4 bytes; Csiz; 3 bytes per component."""
    if len(body) < 36:  # J2K-4
        raise FormatError("SIZ is too short", rule="J2K-4")
    capabilities, components = _word(body, 0), _word(body, 34)
    if capabilities & _OTHER_PARTS != due:  # J2K-4
        raise FormatError("codestream is of another part of the standard", rule="J2K-4")
    if components not in (1, 3) or len(body) != 36 + 3 * components:  # J2K-4
        raise FormatError("number of components is not 1 or 3, or does not fit SIZ", rule="J2K-4")
    columns, rows, left, top, tile_columns, tile_rows, tile_left, tile_top = (
        _word(body, offset, 4) for offset in range(2, 34, 4)
    )
    if not (1 <= columns <= _MAX_SIDE and 1 <= rows <= _MAX_SIDE) or left or top:  # J2K-5
        raise FormatError("image area has an offset, or a side outside 1 to 65535", rule="J2K-5")
    if tile_columns < columns or tile_rows < rows or tile_left or tile_top:  # J2K-6
        raise FormatError("more than one tile", rule="J2K-6")
    first = bytes(body[36:39])
    if bytes(body[36:]) != first * components or first[1:] != b"\1\1":  # J2K-7
        raise FormatError("components differ, or are subsampled", rule="J2K-7")
    precision = (first[0] & 0x7F) + 1
    if precision > MAX_PRECISION:  # J2K-7
        raise FormatError(f"precision is above {MAX_PRECISION} bits", rule="J2K-7")
    return _Size(columns, rows, components, precision, bool(first[0] & 0x80))


def _parse_style(body: memoryview, components: int, *, high_throughput: bool) -> _Style:
    """COD (A.6.1): Scod; progression, layers, transform; levels, blocks, wavelet; precincts."""
    if len(body) < 10:  # J2K-9
        raise FormatError("COD is too short", rule="J2K-9")
    scod, progression, layers, transform = body[0], body[1], _word(body, 2), body[4]
    levels, width, height, block_style, wavelet = body[5], body[6] + 2, body[7] + 2, body[8], body[9]
    if wavelet != 1:  # J2K-8
        raise FormatError("wavelet is not the reversible 5/3", rule="J2K-8")
    if scod > 7 or progression > 4 or not 1 <= layers <= MAX_LAYERS or levels > _MAX_LEVELS:  # J2K-9
        raise FormatError("coding style, progression, layers or levels outside their limits", rule="J2K-9")
    if (
        not _MIN_BLOCK_EXPONENT <= min(width, height) <= max(width, height) <= _MAX_BLOCK_EXPONENT
        or width + height > _MAX_BLOCK_AREA
        or (block_style not in _HIGH_THROUGHPUT_STYLES if high_throughput else block_style & ~_BLOCK_STYLES)
    ):  # J2K-9
        raise FormatError("code-blocks outside their limits", rule="J2K-9")
    precincts = body[10:]
    if len(precincts) != (levels + 1 if scod & 1 else 0) or any(
        min(exponents & 15, exponents >> 4) < MIN_PRECINCT_EXPONENT for exponents in precincts
    ):  # J2K-9
        raise FormatError("precincts outside their limits", rule="J2K-9")
    if transform > 1 or (transform and components != 3):  # J2K-9
        raise FormatError("colour transform does not fit the components", rule="J2K-9")
    return _Style(bool(transform), levels, layers)


def _parse_quantisation(body: memoryview) -> int:
    """QCD or the rest of QCC (A.6.4): the number of exponents, one byte each where nothing is quantised."""
    if not len(body) or body[0] & 0x1F:  # J2K-8
        raise FormatError("samples are quantised", rule="J2K-8")
    return len(body) - 1


def _walk_tile_parts(view: memoryview, offset: int) -> int:
    """The offset behind EOC, after a chain of tile-parts of the one tile (A.4.2)."""
    declared = 0
    for part in range(_MAX_PARTS + 1):
        if _word(view, offset) == _EOC:
            break
        tile, length = _word(view, offset + 4), _word(view, offset + 6, 4)
        number, total = _word(view, offset + 10, 1), _word(view, offset + 11, 1)
        declared = declared or total
        if _word(view, offset, 4) != _SOT << 16 | _SOT_SIZE - 2 or tile or number != part:  # J2K-11
            raise FormatError(
                "not the next tile-part of the one tile", where=f"offset {offset}", rule="J2K-11"
            )
        if length < _ENDS_OF_TILE_PART or total not in (0, declared):  # J2K-11
            raise FormatError(
                "length or number of tile-parts is wrong", where=f"offset {offset}", rule="J2K-11"
            )
        if _word(view, offset + _SOT_SIZE) != _SOD:  # J2K-3
            raise FormatError(
                "marker segment in a tile-part's header", where=f"offset {offset}", rule="J2K-3"
            )
        offset += length  # past the end is found by the next read (J2K-2)
    else:  # J2K-11
        raise FormatError(f"more than {_MAX_PARTS} tile-parts", rule="J2K-11")
    if declared not in (0, part):  # J2K-11
        raise FormatError("tile-parts are missing or too many", rule="J2K-11")
    end = offset + 2
    if len(view) > end + end % 2 or any(view[end:]):  # J2K-12
        raise FormatError("bytes after the end of the codestream", where=f"offset {end}", rule="J2K-12")
    return end
