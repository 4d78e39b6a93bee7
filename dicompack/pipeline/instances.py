"""The chain of stages 1 to 4 for one instance, there and back: what a worker process does with a task."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import FileFacts, ManifestMember
from dicompack.crypto.keys import DecryptionKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dicom_file import DicomFile
from dicompack.errors import BadSignatureError, DicomPackError, InputError, NotDicomError, SuspectError
from dicompack.parties import Originator
from dicompack.report import Finding
from dicompack.stages import compression, deidentification, envelope, package, signature
from dicompack.stages.artifacts import Compressed, Instance, Signed
from dicompack.stages.package import SealedMember
from dicompack.stages.volumes import Extent

# One envelope holds one instance. openssl cannot open objects much larger, and a worker holds it in memory.
MAX_INSTANCE = 1 << 30
MAX_SOURCE = 2 << 30  # a source and what is made of it are in a worker's memory at the same time
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


@dataclass(frozen=True)
class PackTask:
    """A source, and the name that its sealed object gets in staging."""

    name: str
    path: str
    ticket: str


@dataclass(frozen=True)
class PackedInstance:
    """What came of a source."""

    name: str
    ticket: str
    member: SealedMember
    source_sha256: bytes
    """Stays with the sender: it tells duplicates, and goes nowhere."""
    source_size: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Refused:
    """Why nothing came of a source."""

    name: str
    reason: str
    dicom: bool
    suspect: bool = False
    source_size: int = 0


_packing: PackingSettings


def start_packing(settings: PackingSettings) -> None:
    """Once in each worker."""
    global _packing
    _packing = settings


def pack_instance(task: PackTask) -> PackedInstance | Refused:
    """Stages 1 to 4, forwards.

    Raises:
        OSError: the sealed object cannot be written; an unreadable source is `Refused`.
    """
    try:
        source = files.read_whole(Path(task.path), MAX_SOURCE)
    except OSError as error:
        return Refused(task.name, f"cannot be read: {error.strerror}", dicom=True)
    except InputError as error:
        return Refused(task.name, error.message, dicom=True)
    try:
        return _pack(task, source, _packing)
    except NotDicomError as error:
        return Refused(task.name, error.message, dicom=False)
    except DicomPackError as error:
        return Refused(task.name, str(error), True, isinstance(error, SuspectError), len(source))
    except MemoryError:
        return Refused(task.name, "too large for the memory of a worker", True, source_size=len(source))


def _pack(task: PackTask, source: bytes, settings: PackingSettings) -> PackedInstance | Refused:
    file = dicom_file.parse(source)
    if file.is_directory:
        return Refused(task.name, "a DICOMDIR: it describes media, and is no instance", dicom=False)
    dicom_file.check_complete(file.data_set)

    instance = Instance(file.data_set, file.transfer_syntax)
    deidentified = deidentification.pack(instance, settings.originator)
    compressed = compression.pack(deidentified, settings.codec)
    signed = signature.pack(compressed, settings.originator.signer_of_instances, settings.at)
    if len(signed.file) > MAX_INSTANCE:
        raise InputError(f"larger than {MAX_INSTANCE} bytes, which is more than one object holds")
    sealed = envelope.pack(signed.file, settings.originator.recipient_certificates)

    files.write_again(Path(settings.folder, task.ticket), sealed.pieces)
    member = SealedMember(
        _member(compressed, signed), sealed.size, ObjectDigest(sealed.sha256, sealed.content_sha256)
    )
    findings = (*_about_source(file), *deidentified.findings, *_findings(compressed, signed))
    return PackedInstance(
        task.name,
        task.ticket,
        member,
        hashlib.sha256(source).digest(),
        len(source),
        tuple(replace(finding, where=task.name) for finding in findings),
    )


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


def _about_source(file: DicomFile) -> list[Finding]:
    named = (
        file.meta.text(tags.MEDIA_STORAGE_SOP_CLASS_UID),
        file.meta.text(tags.MEDIA_STORAGE_SOP_INSTANCE_UID),
    )
    own = file.data_set.text(tags.SOP_CLASS_UID), file.data_set.text(tags.SOP_INSTANCE_UID)
    if len(file.meta) and named != own:
        message = "its file meta information names another instance; the data set was believed"
        return [Finding("file-meta", "", message)]
    return []


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
    compressed = signature.unpack(Signed(file, member.signature_uid), member, settings.instance_signer)
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
