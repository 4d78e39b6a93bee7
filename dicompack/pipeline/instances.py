"""The chain of stages 1 to 4 for one instance, there and back: what a worker process does with a task."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import FileFacts, ManifestMember
from dicompack.crypto.keys import DecryptionKey
from dicompack.dicom import dicom_file, tags
from dicompack.errors import BadSignatureError, DicomPackError, InputError
from dicompack.parties import Originator
from dicompack.pipeline.source_instances import Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.report import Finding
from dicompack.stages import compression, envelope, package, reidentification, signature
from dicompack.stages.artifacts import Compressed, Signed
from dicompack.stages.deidentification import Policy
from dicompack.stages.package import SealedMember
from dicompack.stages.volumes import Extent
from dicompack.workers import inherit

# One envelope holds one instance. openssl cannot open objects much larger, and a worker holds it in memory.
MAX_INSTANCE = 1 << 30
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")


# ------------------------------------------------------------------------------------------ there


@dataclass(frozen=True)
class PackingSettings:
    """What a packing worker knows: the originator's keys, in memory only, and what to do."""

    originator: Originator
    codec: str
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
    compressed = compression.pack(deidentified, settings.codec)
    signed = signature.pack(compressed, originator.signer_of_instances, settings.at)
    if len(signed.file) > MAX_INSTANCE:
        raise InputError(f"larger than {MAX_INSTANCE} bytes, which is more than one object holds")
    facts = source.checked(
        compressed.data_set,
        signed.walked,
        (*source.findings, *deidentified.findings, *_findings(compressed, signed)),
        originator.project_key,
        settings.policy,
        maps=settings.maps,
    )
    sealed = envelope.pack(signed.file, originator.recipient_certificates)
    files.write_again(Path(settings.folder, source.task.ticket), sealed.pieces)
    digest = ObjectDigest(sealed.sha256, sealed.content_sha256)
    return PackedInstance(facts, SealedMember(_member(compressed, signed), sealed.size, digest))


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
        signed=FileFacts(
            hashlib.sha256(signed.file).hexdigest(), len(signed.file), compressed.transfer_syntax.uid
        ),
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
class UnpackTask:
    """A member: where its sealed object lies, and what the MANIFEST and DIGESTS say of it."""

    number: int
    extents: tuple[Extent, ...]
    digest: ObjectDigest
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
    sealed = b"".join(map(_read, task.extents))
    package.check_object(sealed, task.digest, "")  # (6)
    file = envelope.unpack(sealed, settings.keys)
    if (hashlib.sha256(file).hexdigest(), len(file)) != (member.signed.sha256, member.signed.size):  # PKG-18
        raise BadSignatureError("not the signed file that the MANIFEST lists", rule="PKG-18")
    compressed = signature.unpack(file, member, settings.instance_signer)
    delivered = compression.unpack(compressed, member)
    if not settings.folder:
        return Unpacked(task.number, 0)
    folder = Path(settings.folder)
    path = files.member_path(folder, task.target)
    files.make_folders(folder, path.parent)
    whole = (
        [file] if settings.keep_signed else dicom_file.marshal(delivered.data_set, delivered.transfer_syntax)
    )
    return Unpacked(task.number, files.write_again(path, whole))


def _read(extent: Extent) -> bytes:
    with files.FileAccess(Path(extent.path)) as access:
        return access.read_at(extent.offset, extent.size)
