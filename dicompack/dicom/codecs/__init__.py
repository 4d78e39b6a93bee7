"""The codecs of stage 2: one module each, behind one small interface.

This page is what can be known of them without loading one. A codec's own module is loaded by the worker that
needs it: numpy and the libraries of codecs are no business of those who only ask what there is.

    frame (native bytes) -> `FrameCoder.encode` -> codestream -> `FrameCoder.decode` -> the same bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Protocol

from dicompack.dicom.dataset import Buffer
from dicompack.dicom.pixelformat import PixelFormat
from dicompack.dicom.transfer_syntaxes import (
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    TransferSyntax,
)
from dicompack.errors import UnsupportedError

__all__ = ["CODECS", "Codec", "FrameCoder", "codec_of", "second_decoder_missing"]


class FrameCoder(Protocol):
    """What the module of a codec does. A *frame* is native: little endian, Bits Allocated, its own planes."""

    def encode(self, frame: Buffer, layout: PixelFormat) -> bytes:
        """The lossless codestream of a frame.

        Raises:
            UnsupportedError: the encoder refuses it, or samples use bits above Bits Stored.
        """

    def check(self, data: Buffer, layout: PixelFormat, *, transform: bool) -> int:
        """Walk a codestream before a decoder sees it; the number of its bytes, without a pad byte.

        Raises:
            FormatError: it is malformed, or describes another frame (CMP-5).
        """

    def decode(self, data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
        """The native frame of a codestream, in the layout that is asked for.

        Raises:
            FormatError: see `check`; or the decoder fails (CMP-6).
        """

    def decode_otherwise(self, data: Buffer, layout: PixelFormat, *, transform: bool) -> bytes:
        """The same by a second decoder, which shares no library file with the first.

        Raises:
            FormatError: see `decode`.
            UnsupportedError: the second decoder is not installed.
        """


@dataclass(frozen=True)
class Row:
    """What a table of PS3.5 8.2 and the encoder at hand allow for one Photometric Interpretation."""

    samples_per_pixel: int
    bits_allocated: tuple[int, ...]
    bits_stored: range


@dataclass(frozen=True)
class Codec:
    """What a codec takes, and where it lives."""

    name: str
    transfer_syntax: TransferSyntax
    rows: Mapping[str, Row]
    """By the Photometric Interpretation of the native form."""
    transforms: bool
    """Whether RGB goes through the reversible colour transform and becomes YBR_RCT."""
    libraries: tuple[str, ...]
    """Modules that it imports; those of an extra may be absent."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return tuple(library for library in self.libraries if find_spec(library) is None)

    def load(self) -> FrameCoder:
        """The codec's own module.

        Raises:
            UnsupportedError: its libraries are not installed.
        """
        if self.missing:
            raise UnsupportedError(
                f"the codec {self.name} needs {' and '.join(self.missing)}",
                hint="pip install 'dicompack[codecs]'",
            )
        coder: FrameCoder
        if self.name == "j2k":
            from dicompack.dicom.codecs import jpeg_two_thousand as coder
        elif self.name == "htj2k":
            from dicompack.dicom.codecs import high_throughput as coder
        else:
            from dicompack.dicom.codecs import jpeg_ls as coder
        return coder


def second_decoder_missing() -> tuple[str, ...]:
    """Modules that second decoders take and that are not installed."""
    return tuple(library for library in ("imagecodecs", "openjpeg") if find_spec(library) is None)


def codec_of(name: str) -> Codec:
    """The codec of a name.

    Raises:
        UnsupportedError: there is none of this name.
    """
    if name not in CODECS:
        raise UnsupportedError(f"there is no codec {name!r}")
    return CODECS[name]


def _jpeg_2000_rows(bits: range) -> Mapping[str, Row]:
    """PS3.5 Tables 8.2.4-1 and 8.2.14-1 (HTJ2K), up to the bits that an encoder takes of the 38 there."""
    wide = (8, 16, 24, 32, 40)
    return {
        "MONOCHROME1": Row(1, (1, *wide), bits),
        "MONOCHROME2": Row(1, (1, *wide), bits),
        "PALETTE COLOR": Row(1, (8, 16), range(1, 17)),
        "RGB": Row(3, wide, bits),
        "YBR_FULL": Row(3, wide, bits),
    }


# PS3.5 Table 8.2.3-1.
_JPEG_LS_ROWS = {
    "MONOCHROME1": Row(1, (8, 16), range(2, 17)),
    "MONOCHROME2": Row(1, (8, 16), range(2, 17)),
    "PALETTE COLOR": Row(1, (8, 16), range(2, 17)),
    "RGB": Row(3, (8, 16), range(2, 17)),
    "YBR_FULL": Row(3, (8,), range(2, 9)),
}

_ALL = (
    Codec("j2k", JPEG_2000_LOSSLESS, _jpeg_2000_rows(range(1, 25)), transforms=True, libraries=("openjpeg",)),
    Codec(
        "htj2k", HTJ2K_LOSSLESS, _jpeg_2000_rows(range(1, 33)), transforms=True, libraries=("imagecodecs",)
    ),
    Codec("jpegls", JPEG_LS_LOSSLESS, _JPEG_LS_ROWS, transforms=False, libraries=("imagecodecs", "jpeg_ls")),
)

CODECS: Mapping[str, Codec] = MappingProxyType({codec.name: codec for codec in _ALL})
"""By the names that the command line and the MANIFEST use; ``keep`` is none of them."""
