"""Stage 2: compression. Native pixel data travel compressed and come back in their own Transfer Syntax."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dicompack.container.manifest import Compression, FileFacts, ManifestMember, PixelFacts, Restore
from dicompack.dicom import dicom_file, pixels
from dicompack.dicom.codecs import CODECS as ENCODING_CODECS
from dicompack.dicom.codecs import codec_of, second_decoder_missing
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.encoding import gathered
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, TransferSyntax, transfer_syntax
from dicompack.errors import BadSignatureError, FormatError, UsageError
from dicompack.stages.artifacts import Compressed, Deidentified

CODECS = (*ENCODING_CODECS, "keep")


@dataclass(frozen=True)
class Encoding:
    """How pixel data are to travel."""

    codec: str = "j2k"
    """One of `CODECS`."""
    paranoid: bool = False
    """Whether every frame is proved with a second decoder, too."""

    def check(self) -> None:
        """What can be known to be wrong before the work is done.

        Raises:
            UsageError: settings that make no sense, or libraries that are not installed.
        """
        if self.codec not in CODECS:
            raise UsageError(f"unknown codec {self.codec!r}", hint=f"what there is: {', '.join(CODECS)}")
        if self.codec == "keep":
            if self.paranoid:
                raise UsageError("there is nothing to prove where nothing is compressed")
            return
        missing = set(codec_of(self.codec).missing) | set(second_decoder_missing() if self.paranoid else ())
        if missing:
            raise UsageError(
                f"this takes {' and '.join(sorted(missing))}, which is not installed",
                hint="pip install 'dicompack[codecs]'",
            )


def load(codec: str) -> None:
    """Load a codec with its libraries; that one is missing shows where it is needed."""
    if codec in ENCODING_CODECS and not ENCODING_CODECS[codec].missing:
        ENCODING_CODECS[codec].load()


def pack(item: Deidentified, encoding: Encoding) -> Compressed:
    """Compress what can be proved to come back, and say what is to come back.

    Raises:
        InputError: the pixel data contradict their description.
    """
    delivered = file_facts(item.data_set, item.transfer_syntax)
    result = _packed(item, encoding)
    pixel_facts = PixelFacts(result.native_sha256, result.native_size) if result.native_sha256 else None
    if isinstance(result, pixels.Compressed):
        restore = result.restore
        facts = Compression(
            encoding.codec,
            "",
            Restore(restore.vr, restore.photometric_interpretation, restore.planar_configuration),
        )
        return Compressed(
            result.data_set, codec_of(encoding.codec).transfer_syntax, delivered, pixel_facts, facts
        )
    syntax = item.transfer_syntax if item.transfer_syntax.encapsulated else EXPLICIT_LITTLE
    return Compressed(item.data_set, syntax, delivered, pixel_facts, Compression("keep", result.reason, None))


def _packed(item: Deidentified, encoding: Encoding) -> pixels.Compressed | pixels.Kept:
    if encoding.codec != "keep":
        return pixels.compress(
            item.data_set,
            codec_of(encoding.codec),
            paranoid=encoding.paranoid,
            was_big_endian=item.transfer_syntax.big_endian,
        )
    digest = pixels.native_digest(item.data_set)
    return pixels.Kept("as asked for", *(digest or (None, 0)))


def unpack(item: Compressed, member: ManifestMember) -> Deidentified:
    """Decompress, and check that what is delivered is what was packed.

    Raises:
        BadSignatureError: pixels or file differ from what the MANIFEST says (CMP-8, CMP-9).
        FormatError: the codestream is none that a packer writes, or of another codec (CMP-10).
        UnsupportedError: the codec's libraries are not installed.
    """
    data_set = item.data_set
    restore = member.compression.restore
    if restore is not None:
        codec = codec_of(member.compression.codec)
        if item.transfer_syntax != codec.transfer_syntax:  # CMP-10
            raise FormatError("the transfer syntax is not that of the codec", rule="CMP-10")
        data_set = pixels.decompress(
            data_set,
            pixels.Restore(restore.vr, restore.photometric_interpretation, restore.planar_configuration),
            codec,
        )
    digest = pixels.native_digest(data_set)
    due = (member.pixels.sha256, member.pixels.size) if member.pixels else None
    if digest != due:  # CMP-8
        raise BadSignatureError("the pixel data are not those that were packed", rule="CMP-8")
    syntax = transfer_syntax(member.delivered.transfer_syntax_uid)
    if file_facts(data_set, syntax) != member.delivered:  # CMP-9
        raise BadSignatureError("the restored file is not the one that was packed", rule="CMP-9")
    return Deidentified(data_set, syntax)


def file_facts(data_set: DataSet, syntax: TransferSyntax) -> FileFacts:
    """Digest and size of an instance as a DICOM File; of the deflated Transfer Syntax before deflation."""
    digest = hashlib.sha256()
    size = 0
    for piece in gathered(dicom_file.marshal(data_set, syntax, deflate=False)):
        digest.update(piece)
        size += len(piece)
    return FileFacts(digest.hexdigest(), size, syntax.uid)
