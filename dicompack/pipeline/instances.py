"""The chain of stages 1 to 4 for one instance, there and back: what a worker process does with a task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import FileFacts, ManifestMember
from dicompack.crypto.keys import DecryptionKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dataset import Buffer, Piece
from dicompack.dicom.encoding import gathered, sha256_of, sizes
from dicompack.dicom.pixels import at_hand, in_memory
from dicompack.errors import BadSignatureError, DicomPackError, InputError
from dicompack.parties import Originator
from dicompack.pipeline.source_instances import MAX_SOURCE, Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.report import Finding
from dicompack.stages import compression, envelope, package, reidentification, signature
from dicompack.stages.artifacts import Compressed, Signed
from dicompack.stages.compression import Encoding
from dicompack.stages.deidentification import Policy
from dicompack.stages.package import SealedMember, SealedObject
from dicompack.stages.spill import Spill
from dicompack.stages.volumes import Extent, object_bytes
from dicompack.workers import inherit

# What was tried; native Pixel Data end at 4 GiB, for lengths have 32 bits.
MAX_INSTANCE = MAX_SOURCE
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")


# ------------------------------------------------------------------------------------------ there


@dataclass(frozen=True)
class PackingSettings:
    """What a packing worker knows: the originator's keys, in memory only, and what to do."""

    originator: Originator
    encoding: Encoding
    at: datetime
    folder: str
    """Where sealed objects go."""
    policy: Policy = field(default_factory=Policy)
    maps: bool = False
    """Whether old UIDs and IDs are to be told beside the new ones."""


@dataclass(frozen=True)
class PackedInstance:
    """What came of a source."""

    facts: SourceFacts
    member: SealedMember

    @property
    def order(self) -> tuple[str, str]:
        """The place of a member in the package."""
        return self.member.facts.sop_instance_uid, self.member.facts.signed.sha256


_packing: PackingSettings


def load_ahead(codecs: Iterable[str]) -> None:
    """Load, where workers inherit it, what each of them would load with its first instance."""
    if inherit():
        for codec in codecs:
            compression.load(codec)


def start_packing(settings: PackingSettings) -> None:
    """Once in each worker."""
    global _packing
    _packing = settings


def pack_instance(task: SourceTask) -> PackedInstance | Refused:
    """Stages 1 to 4, forwards.

    Raises:
        OSError: the sealed object cannot be written; an unreadable source is `Refused`.
    """
    return guarded(task, lambda source: _pack(source, _packing))


def _pack(source: Source, settings: PackingSettings) -> PackedInstance:
    originator = settings.originator
    deidentified = source.deidentified(originator.project_key, settings.policy)
    if originator.custodians:  # ENA-12
        custodians = originator.custodian_certificates
        deidentified = reidentification.pack(
            source.instance, deidentified, originator.signing, custodians, settings.at
        )
    put = Spill(Path(settings.folder)).put if source.size > files.MAPPED_ABOVE else at_hand
    compressed = compression.pack(deidentified, settings.encoding, put)
    signed = signature.pack(compressed, originator.signer_of_instances, settings.at)
    size = sizes(signed.pieces)
    if size > MAX_INSTANCE:
        raise InputError(f"larger than {MAX_INSTANCE} bytes, the most that an instance may have")
    facts = source.checked(
        compressed.data_set,
        signed.walked,
        (*source.findings, *deidentified.findings, *_findings(compressed, signed)),
        originator.project_key,
        settings.policy,
        maps=settings.maps,
    )
    objects = []
    parts = envelope.pack_parts(gathered(signed.pieces), size, originator.recipient_certificates)
    for number, sealing in enumerate(parts, start=1):
        written = files.write_again(object_path(settings.folder, source.task.ticket, number), sealing)
        objects.append(SealedObject(written, sealing.digest))
    return PackedInstance(facts, SealedMember(_member(compressed, signed), tuple(objects)))


def object_path(folder: Path | str, ticket: str, number: int) -> Path:
    """Where the sealed object `number` (from 1) of a source waits for the others."""
    return Path(folder, f"{ticket}-{number}")


def _member(compressed: Compressed, signed: Signed) -> ManifestMember:
    data_set = compressed.data_set
    sop_class, sop_instance = dicom_file.check_identity(data_set)
    dicom_file.check_one_uid(data_set, tags.STUDY_INSTANCE_UID, "Study Instance UID")
    dicom_file.check_one_uid(data_set, tags.SERIES_INSTANCE_UID, "Series Instance UID")
    modality = data_set.text(tags.MODALITY)
    return ManifestMember(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        study_instance_uid=data_set.text(tags.STUDY_INSTANCE_UID),
        series_instance_uid=data_set.text(tags.SERIES_INSTANCE_UID),
        modality=modality if _CODE_STRING.fullmatch(modality) else "",
        signed=FileFacts(sha256_of(signed.pieces), sizes(signed.pieces), compressed.transfer_syntax.uid),
        delivered=compressed.delivered,
        pixels=compressed.pixels,
        compression=compressed.compression,
        signature_uid=signed.signature_uid,
    )


def _findings(compressed: Compressed, signed: Signed) -> list[Finding]:
    found = []
    if compressed.compression.codec == "keep" and compressed.pixels is not None:
        found.append(Finding("not-compressed", "", compressed.compression.reason))
    if signed.unsigned_tags:
        listed = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in signed.unsigned_tags)
        found.append(Finding("not-signed", "", f"the standard keeps {listed} out of signatures"))
    return found


# ------------------------------------------------------------------------------------------- back


@dataclass(frozen=True)
class UnpackingSettings:
    """What an unpacking worker knows."""

    keys: tuple[DecryptionKey, ...]
    instance_signer: bytes
    """DER of the certificate that the MANIFEST names."""
    folder: str
    """Where instances go; empty: nowhere, they are checked only."""
    keep_signed: bool = False


@dataclass(frozen=True)
class UnpackObject:
    """A sealed object: where it lies, and its row of DIGESTS."""

    extents: tuple[Extent, ...]
    digest: ObjectDigest


@dataclass(frozen=True)
class UnpackTask:
    """A member: its sealed objects, and what the MANIFEST says of it."""

    number: int
    objects: tuple[UnpackObject, ...]
    member: ManifestMember
    target: tuple[str, ...]
    """Path of the instance below the folder, component by component."""


@dataclass(frozen=True)
class Unpacked:
    """A member that passed every check."""

    number: int
    size: int


_unpacking: UnpackingSettings


def start_unpacking(settings: UnpackingSettings) -> None:
    """Once in each worker."""
    global _unpacking
    _unpacking = settings


def unpack_instance(task: UnpackTask) -> Unpacked | DicomPackError:
    """Stages 4 to 1, backwards: step 6 of the order of checks. An error is given back, with the others.

    Raises:
        OSError: the instance cannot be written.
    """
    try:
        return _unpack(task, _unpacking)
    except DicomPackError as error:
        error.where = f"member {task.number}" + (f", {error.where}" if error.where else "")
        return error


def _unpack(task: UnpackTask, settings: UnpackingSettings) -> Unpacked:
    member = task.member
    large = max(member.signed.size, member.delivered.size) > files.MAPPED_ABOVE
    scratch = Path(settings.folder).parent if settings.folder else None
    file = _opened(task.objects, settings.keys, files.UnnamedFile(scratch) if large else None)
    if (sha256_of([file]), len(file)) != (member.signed.sha256, member.signed.size):  # PKG-18
        raise BadSignatureError("not the signed file that the MANIFEST lists", rule="PKG-18")
    compressed = signature.unpack(file, member, settings.instance_signer)
    room = files.UnnamedFile(scratch).room if large else in_memory
    delivered = compression.unpack(compressed, member, room)
    if not settings.folder:
        return Unpacked(task.number, 0)
    folder = Path(settings.folder)
    path = files.member_path(folder, task.target)
    files.make_folders(folder, path.parent)
    whole: Sequence[Piece] = (
        [file] if settings.keep_signed else dicom_file.marshal(delivered.data_set, delivered.transfer_syntax)
    )
    return Unpacked(task.number, files.write_again(path, gathered(whole)))


def _opened(
    objects: tuple[UnpackObject, ...], keys: tuple[DecryptionKey, ...], target: files.UnnamedFile | None
) -> Buffer:
    """The signed file, in memory or in `target`; all of it has passed its tags when this returns."""
    pieces: list[bytes] = []
    for one in objects:
        sealed = object_bytes(one.extents)
        package.check_object(sealed, one.digest, "")  # (6)
        envelope.unpack_to(sealed, keys, target.append if target else pieces.append)
    return target.mapped() if target else b"".join(pieces)
