"""What flows between the stages of one instance: a wrong order is a type error."""

from __future__ import annotations

from dataclasses import dataclass

from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import Compression, FileFacts, PixelFacts
from dicompack.dicom.dataset import DataSet, Piece
from dicompack.dicom.dicom_file import DicomFile
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.report import Finding


@dataclass(frozen=True)
class Instance:
    """A SOP Instance in memory, as it came."""

    data_set: DataSet
    transfer_syntax: TransferSyntax


@dataclass(frozen=True)
class Deidentified:
    """An instance that says nothing about the patient, in the encoding that it is to be delivered in."""

    data_set: DataSet
    transfer_syntax: TransferSyntax
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Compressed:
    """An instance in the encoding that it travels in, and what proves the way back."""

    data_set: DataSet
    transfer_syntax: TransferSyntax
    delivered: FileFacts
    pixels: PixelFacts | None
    compression: Compression
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Signed:
    """The bytes of a DICOM File that carries a Digital Signature over everything signable."""

    pieces: tuple[Piece, ...]
    walked: DicomFile
    """What a strict walk of these bytes gives; of a large file, without the bytes of its samples."""
    signature_uid: str
    unsigned_tags: tuple[int, ...]
    """Top-level elements that the standard keeps out of the signature."""


@dataclass(frozen=True)
class Delivered:
    """A SOP Instance as it is given to the receiver, in the encoding in which it was compressed."""

    data_set: DataSet
    transfer_syntax: TransferSyntax
    plain: tuple[Piece, ...]
    """The DICOM File, in the deflated Transfer Syntax before deflation."""


@dataclass(frozen=True)
class Sealed:
    """A CMS envelope that is held in memory."""

    whole: bytes
    digest: ObjectDigest
    """Its row of DIGESTS."""
