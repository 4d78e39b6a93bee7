"""Stage 2: compression. Native pixel data travel compressed and come back in their own Transfer Syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dicompack.container.manifest import Compression, FileFacts, ManifestMember, PixelFacts, Restore
from dicompack.dicom import dicom_file, encapsulation, lossy, pixels, recompression
from dicompack.dicom.codecs import CODECS as ENCODING_CODECS
from dicompack.dicom.codecs import codec_of, second_decoder_missing
from dicompack.dicom.dataset import DataSet, Piece
from dicompack.dicom.encoding import sha256_of, sizes
from dicompack.dicom.pixels import AS_USUAL, Handling
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, TransferSyntax, transfer_syntax
from dicompack.errors import BadSignatureError, FormatError, UnsupportedError, UsageError
from dicompack.report import Finding
from dicompack.stages.artifacts import Compressed, Deidentified, Delivered

CODECS = (*ENCODING_CODECS, "keep")

MAX_RATIO = 1000
"""Of a lossy compression; nothing can be seen long before."""


_NO_MEMORY = "a worker's memory does not suffice to compress it"


@dataclass(frozen=True)
class Encoding:
    """How pixel data are to travel."""

    codec: str = "j2k"
    """One of `CODECS`."""
    paranoid: bool = False
    """Whether every frame is proved with a second decoder, too."""
    recompress: bool = False
    """Whether lossless encapsulated pixel data are decoded, compressed by the codec, and delivered native."""

    lossy: float | None = None
    """Ratio of a compression with loss, which makes another instance of each that it is applied to."""

    @property
    def restorable(self) -> bool:
        """Whether what is delivered has the pixel data of the source as they stand in it."""
        return not self.recompress and self.lossy is None

    def check(self) -> None:
        """What can be known to be wrong before the work is done.

        Raises:
            UsageError: settings that make no sense, or libraries that are not installed.
        """
        if self.codec not in CODECS:
            raise UsageError(f"unknown codec {self.codec!r}", hint=f"what there is: {', '.join(CODECS)}")
        if self.lossy is not None:
            if self.codec not in lossy.CODECS_OF_LOSS:
                raise UsageError(f"there is no loss with the codec {self.codec}", hint="use j2k or htj2k")
            if not 1 < self.lossy <= MAX_RATIO:
                raise UsageError(f"the ratio of a lossy compression is above 1 and up to {MAX_RATIO}")
        if self.codec == "keep":
            if self.paranoid or self.recompress:
                raise UsageError(
                    "nothing is compressed with the codec keep, so nothing can be proved or recompressed"
                )
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


def derive(item: Deidentified, encoding: Encoding, new_uid: str) -> Deidentified:
    """The instance that takes another's place where loss was asked for; one that is none for loss stays.

    Raises:
        InputError: the pixel data contradict their description.
    """
    if encoding.lossy is None or pixels.pixel_format(item.data_set) is None:
        return item
    try:
        made = lossy.derived(item.data_set, encoding.codec, encoding.lossy, new_uid)
    except UnsupportedError as refusal:
        told = Finding("not-lossy", "", f"not compressed with loss: {refusal.message}")
        return replace(item, findings=(*item.findings, told))
    message = (
        f"compressed with loss, {made.ratio:.1f}:1, as asked for: another instance with a UID of its own, "
        "and what refers to it names its predecessor"
    )
    return Deidentified(made.data_set, made.transfer_syntax, (*item.findings, Finding("lossy", "", message)))


def pack(item: Deidentified, encoding: Encoding, handling: Handling = AS_USUAL) -> Compressed:
    """Compress what can be proved to come back, and say what is to come back.

    Args:
        item: the instance.
        encoding: how.
        handling: how large pixel data are worked on.

    Raises:
        InputError: the pixel data contradict their description, or an encapsulated frame is not what it
            should be (PIX-8 to PIX-11).
    """
    if item.transfer_syntax.encapsulated:
        encapsulation.check(item.data_set, item.transfer_syntax)
    result, decoded_from = _packed(item, encoding, handling), ""
    if encoding.recompress and item.transfer_syntax.encapsulated:
        again = _recompressed(item, encoding, handling)
        if isinstance(again, pixels.Kept):
            result = again
        else:
            decoded_from = item.transfer_syntax.uid
            item, result = again
    delivered = file_facts(item.data_set, item.transfer_syntax)
    findings = _findings(result, encoding, decoded_from)
    pixel_facts = PixelFacts(result.native_sha256, result.native_size) if result.native_sha256 else None
    if isinstance(result, pixels.Compressed):
        restore = result.restore
        facts = Compression(
            encoding.codec,
            "",
            Restore(restore.vr, restore.photometric_interpretation, restore.planar_configuration),
            decoded_from,
        )
        syntax = codec_of(encoding.codec).transfer_syntax
        return Compressed(result.data_set, syntax, delivered, pixel_facts, facts, findings)
    syntax = item.transfer_syntax if item.transfer_syntax.encapsulated else EXPLICIT_LITTLE
    facts = Compression("keep", result.reason, None)
    return Compressed(item.data_set, syntax, delivered, pixel_facts, facts, findings)


def _findings(
    result: pixels.Compressed | pixels.Kept, encoding: Encoding, decoded_from: str
) -> tuple[Finding, ...]:
    if isinstance(result, pixels.Kept):
        told = result.native_sha256 is not None or encoding.recompress
        return (Finding("not-compressed", "", result.reason),) if told else ()
    if not decoded_from:
        return ()
    message = (
        f"pixel data of transfer syntax {decoded_from} are delivered decoded, as Explicit VR Little Endian"
    )
    return (Finding("recompressed", "", message),)


def _recompressed(
    item: Deidentified, encoding: Encoding, handling: Handling
) -> tuple[Deidentified, pixels.Compressed] | pixels.Kept:
    """A native instance and its compressed form; what cannot be decoded or proved stays encapsulated."""
    if pixels.pixel_format(item.data_set) is None:
        return pixels.Kept("there are no Pixel Data", None, 0)
    codec = codec_of(encoding.codec)
    if item.transfer_syntax == codec.transfer_syntax:
        return pixels.Kept("it is of the transfer syntax of the codec", None, 0)
    try:
        data_set = recompression.native(item.data_set, item.transfer_syntax, paranoid=encoding.paranoid)
        result = pixels.compress(data_set, codec, paranoid=encoding.paranoid, handling=handling)
    except (UnsupportedError, FormatError) as refusal:
        return pixels.Kept(f"not decoded: {refusal.message}", None, 0)
    except MemoryError:
        return pixels.Kept(f"not recompressed: {_NO_MEMORY}", None, 0)
    if isinstance(result, pixels.Kept):
        return pixels.Kept(f"not recompressed: {result.reason}", None, 0)
    return Deidentified(data_set, EXPLICIT_LITTLE, item.findings), result


def _packed(item: Deidentified, encoding: Encoding, handling: Handling) -> pixels.Compressed | pixels.Kept:
    reason = "as asked for"
    if encoding.codec != "keep":
        try:
            return pixels.compress(
                item.data_set,
                codec_of(encoding.codec),
                paranoid=encoding.paranoid,
                was_big_endian=item.transfer_syntax.big_endian,
                handling=handling,
            )
        except MemoryError:  # of this worker's share; the instance is none the worse for it
            reason = _NO_MEMORY
    digest = pixels.native_digest(item.data_set)
    return pixels.Kept(reason, *(digest or (None, 0)))


def unpack(item: Compressed, member: ManifestMember, handling: Handling = AS_USUAL) -> Delivered:
    """Decompress, and check that what is delivered is what was packed.

    Args:
        item: the instance as it travelled.
        member: what the MANIFEST says of it.
        handling: how large pixel data are worked on.

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
            handling,
        )
    digest = pixels.native_digest(data_set)
    due = (member.pixels.sha256, member.pixels.size) if member.pixels else None
    if digest != due:  # CMP-8
        raise BadSignatureError("the pixel data are not those that were packed", rule="CMP-8")
    syntax = transfer_syntax(member.delivered.transfer_syntax_uid)
    plain = dicom_file.marshal(data_set, syntax, deflate=False)
    if _file_facts(plain, syntax) != member.delivered:  # CMP-9
        raise BadSignatureError("the restored file is not the one that was packed", rule="CMP-9")
    return Delivered(data_set, syntax, tuple(plain))


def file_facts(data_set: DataSet, syntax: TransferSyntax) -> FileFacts:
    """Digest and size of an instance as a DICOM File; of the deflated Transfer Syntax before deflation."""
    return _file_facts(dicom_file.marshal(data_set, syntax, deflate=False), syntax)


def _file_facts(plain: Sequence[Piece], syntax: TransferSyntax) -> FileFacts:
    return FileFacts(sha256_of(plain), sizes(plain), syntax.uid)
