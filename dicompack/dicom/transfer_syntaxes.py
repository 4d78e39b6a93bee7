"""Transfer Syntaxes (PS3.5 §10, Annex A; PS3.6 Table A-1): how a data set stands in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from dicompack.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """The four properties that decide how to read and write a data set."""

    uid: str
    implicit: bool = False
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool = False


IMPLICIT_LITTLE = TransferSyntax("1.2.840.10008.1.2", implicit=True)
EXPLICIT_LITTLE = TransferSyntax("1.2.840.10008.1.2.1")
EXPLICIT_BIG = TransferSyntax("1.2.840.10008.1.2.2", big_endian=True)
DEFLATED = TransferSyntax("1.2.840.10008.1.2.1.99", deflated=True)
JPEG_LS_LOSSLESS = TransferSyntax("1.2.840.10008.1.2.4.80", encapsulated=True)
HTJ2K_LOSSLESS = TransferSyntax("1.2.840.10008.1.2.4.201", encapsulated=True)
JPEG_2000_LOSSLESS = TransferSyntax("1.2.840.10008.1.2.4.90", encapsulated=True)

_NATIVE = {syntax.uid: syntax for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)}

# Encapsulated ones share one encoding of the data set (PS3.5 A.4): explicit VR little endian.
_ENCAPSULATED = frozenset(
    f"1.2.840.10008.1.2.{suffix}"
    for suffix in (
        "1.98", "5", "8.1",
        *(f"4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93)),
        *(f"4.{number}" for number in range(100, 109)), "4.100.1", "4.101.1", "4.102.1", "4.103.1",
        "4.104.1", "4.105.1", "4.106.1",
        *(f"4.{number}" for number in (110, 111, 112, 201, 202, 203)),
        *(f"4.{number}" for number in (52, 53, 54, 55, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66)),
    )
)  # fmt: skip


def transfer_syntax(uid: str) -> TransferSyntax:
    """The Transfer Syntax of a UID.

    Raises:
        UnsupportedError: it is not a file Transfer Syntax of the standard (DCM-3); a private one says
            nothing about how its bytes are to be read.
    """
    if uid in _NATIVE:
        return _NATIVE[uid]
    if uid in _ENCAPSULATED:
        return TransferSyntax(uid, encapsulated=True)
    raise UnsupportedError("unknown transfer syntax", rule="DCM-3")  # DCM-3
