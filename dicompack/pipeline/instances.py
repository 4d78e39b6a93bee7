"""The chain of stages 1 to 4 for one instance, there and back: what a worker process does with a task."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.manifest import FileFacts, ManifestMember, lean
from dicompack.crypto.recipients import Opener
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.confidentiality.pseudonyms import new_uid
from dicompack.dicom.dataset import Buffer, Piece
from dicompack.dicom.encoding import gathered, sha256_of, sizes
from dicompack.dicom.pixels import AS_USUAL, Handling, one_by_one
from dicompack.errors import BadSignatureError, DicomPackError, InputError
from dicompack.parties import Originator
from dicompack.pipeline.asking_authorities import stamping_by
from dicompack.pipeline.originals import KeptOriginal, RestoringTask, keep, restored
from dicompack.pipeline.source_instances import MAX_SOURCE, Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.report import Finding
from dicompack.stages import compression, envelope, reidentification, seals, signature
from dicompack.stages.artifacts import Compressed, Deidentified, Signed
from dicompack.stages.compression import Encoding
from dicompack.stages.deidentification import Policy
from dicompack.stages.package import SealedMember, SealedObject
from dicompack.stages.spill import Spill
from dicompack.stages.volumes import Extent, object_bytes
from dicompack.workers import Frames, inherit

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
    policy: Policy | None = field(default_factory=Policy)
    """None: instances are packed as they are."""
    staging_key: bytes = b""
    """For what lies in staging and is not sealed for anybody yet; empty where no originals are kept."""
    allow_preamble: bool = False
    maps: bool = False
    """Whether old UIDs and IDs are to be told beside the new ones."""
    frames: Frames | None = None
    """Who does the frames of a large instance; None: the worker that has it."""
    stamping: str | None = None
    """Address of the authority that gives each instance's signature a time-stamp."""


@dataclass(frozen=True, slots=True)
class PackedInstance:
    """What came of a source."""

    facts: SourceFacts
    member: SealedMember
    kept: KeptOriginal | None = None
    """Where originals are kept."""
    attempt: str = ""
    """Of several attempts, which made it: a cluster does again what it has lost the answer to."""

    @property
    def staged(self) -> str:
        """What its files in staging are called: no other attempt writes over them."""
        return f"{self.facts.ticket}-{self.attempt}"

    @property
    def order(self) -> tuple[str, str]:
        """The place of a member in the package."""
        return self.member.facts.sop_instance_uid, self.member.facts.signed.sha256

    def with_facts(self, facts: SourceFacts) -> Self:
        """The same with other facts, and what many have in common only once in memory."""
        member = replace(self.member, facts=lean(self.member.facts))
        kept = None if self.kept is None else self.kept.lean(facts.name)
        return replace(self, facts=facts, member=member, kept=kept)


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


@dataclass(frozen=True)
class SignedInstance:
    """What stages 1 to 3 have made of a source, whatever the envelope."""

    facts: SourceFacts
    deidentified: Deidentified
    compressed: Compressed
    signed: Signed
    size: int
    """Bytes of the signed file."""


def sign_instance(source: Source, settings: PackingSettings) -> SignedInstance:
    """Stages 1 to 3.

    Raises:
        NoTimeStampError: the authority gives none, which ends the run.
        DicomPackError: it cannot be packed.
    """
    originator, policy = settings.originator, settings.policy
    if policy is None:
        deidentified, findings = _as_is(source, allow_preamble=settings.allow_preamble)
    else:
        deidentified = _derived(source.deidentified(originator.project_key, policy), settings)
        findings = deidentified.findings
        if originator.encrypts_attributes:  # ENA-12
            custodians = originator.custodian_certificates
            deidentified = reidentification.pack(
                source.instance, deidentified, originator.signing, custodians, settings.at
            )
    handling = AS_USUAL
    if source.size > files.MAPPED_ABOVE:
        handling = Handling(put=Spill(Path(settings.folder)).put, spread=settings.frames or one_by_one)
    compressed = compression.pack(deidentified, settings.encoding, handling)
    stamp = stamping_by(settings.stamping)
    signed = signature.pack(compressed, originator.signer_of_instances, settings.at, stamp)
    size = sizes(signed.pieces)
    if size > MAX_INSTANCE:
        raise InputError(f"larger than {MAX_INSTANCE} bytes, the most that an instance may have")
    findings = (*source.findings, *findings, *_findings(compressed, signed))
    if policy is None:
        facts = source.as_is(findings)
    else:
        facts = source.checked(
            compressed.data_set, signed.walked, findings, originator.project_key, policy, maps=settings.maps
        )
    return SignedInstance(facts, deidentified, compressed, signed, size)


def _pack(source: Source, settings: PackingSettings) -> PackedInstance:
    made = sign_instance(source, settings)
    task, attempt = source.task, os.urandom(4).hex()
    staged = f"{task.ticket}-{attempt}"
    kept = None
    if settings.staging_key:
        data_set, folder = source.instance.data_set, Path(settings.folder)
        name, key = task.name, settings.staging_key
        kept = keep(source.data, data_set, made.deidentified, name, folder / staged, key)
    objects = []
    pieces = gathered(made.signed.pieces)
    parts = envelope.pack_parts(pieces, made.size, settings.originator.addressees)
    for number, sealing in enumerate(parts, start=1):
        written = files.write_again(object_path(settings.folder, staged, number), sealing)
        objects.append(SealedObject(written, sealing.digest))
    member = _member(made.compressed, made.signed, as_is=settings.policy is None)
    return PackedInstance(made.facts, SealedMember(member, tuple(objects)), kept, attempt)


def object_path(folder: Path | str, staged: str, number: int) -> Path:
    """Where the sealed object `number` (from 1) of an instance waits for the others."""
    return Path(folder, f"{staged}-{number}")


def _as_is(source: Source, *, allow_preamble: bool) -> tuple[Deidentified, tuple[Finding, ...]]:
    """The instance without the signatures that it carries: another encoding would break them.

    Raises:
        InputError: the preamble is that of an executable.
    """
    data_set, found = source.instance.data_set, []
    kind = dicom_file.executable_kind(source.preamble)
    if kind and not allow_preamble:
        raise InputError(f"its preamble begins like {kind}", hint="--allow-preamble packs it all the same")
    if any(source.preamble):
        found.append(Finding("preamble", "", f"its preamble is not empty{f': {kind}' if kind else ''}"))
    bare = data_set.without(tags.MAC_PARAMETERS_SEQUENCE, tags.DIGITAL_SIGNATURES_SEQUENCE)
    return Deidentified(bare, source.instance.transfer_syntax), tuple(found)


def _member(compressed: Compressed, signed: Signed, *, as_is: bool) -> ManifestMember:
    data_set = compressed.data_set
    sop_class, sop_instance = dicom_file.check_identity(data_set)
    if not as_is:
        dicom_file.check_one_uid(data_set, tags.STUDY_INSTANCE_UID, "Study Instance UID")
        dicom_file.check_one_uid(data_set, tags.SERIES_INSTANCE_UID, "Series Instance UID")
    study, series = data_set.text(tags.STUDY_INSTANCE_UID), data_set.text(tags.SERIES_INSTANCE_UID)
    modality = data_set.text(tags.MODALITY)
    return ManifestMember(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        study_instance_uid=study if dicom_file.is_uid(study) else "",
        series_instance_uid=series if dicom_file.is_uid(series) else "",
        modality=modality if _CODE_STRING.fullmatch(modality) else "",
        signed=FileFacts(sha256_of(signed.pieces), sizes(signed.pieces), compressed.transfer_syntax.uid),
        delivered=compressed.delivered,
        pixels=compressed.pixels,
        compression=compressed.compression,
        signature_uid=signed.signature_uid,
    )


def _derived(item: Deidentified, settings: PackingSettings) -> Deidentified:
    """The lossy instance, where one was asked for; its UID is the same in every run with this project key."""
    encoding = settings.encoding
    if encoding.lossy is None:
        return item
    name = f"{item.data_set.text(tags.SOP_INSTANCE_UID)} {encoding.codec} {encoding.lossy}"
    return compression.derive(item, encoding, new_uid(name, settings.originator.project_key.derive))


def _findings(compressed: Compressed, signed: Signed) -> list[Finding]:
    found = list(compressed.findings)
    if signed.unsigned_tags:
        listed = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in signed.unsigned_tags)
        found.append(Finding("not-signed", "", f"the standard keeps {listed} out of signatures"))
    return found


# ------------------------------------------------------------------------------------------- back


@dataclass(frozen=True)
class UnpackingSettings:
    """What an unpacking worker knows, of whatever package."""

    keys: tuple[Opener, ...]
    frames: Frames | None = None
    """Who does the frames of a large instance; None: the worker that has it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the files of a package have in common."""

    instance_signer: bytes
    """DER of the certificate that the MANIFEST names."""
    folder: str = ""
    """Where they go; empty: nowhere, they are checked only."""
    keep_signed: bool = False


@dataclass(frozen=True, slots=True)
class UnpackObject:
    """A sealed object: where it lies, and its row of DIGESTS."""

    extents: tuple[Extent, ...]
    digest: ObjectDigest


@dataclass(frozen=True, slots=True)
class UnpackTask:
    """A member: its sealed objects, and what the MANIFEST says of it."""

    number: int
    delivery: Delivery
    objects: tuple[UnpackObject, ...]
    member: ManifestMember
    target: tuple[str, ...]
    """Path of the instance below the folder, component by component."""
    size: int
    """Bytes that will be written there."""
    restoring: RestoringTask | None = None
    """Where the original is to be checked."""
    original_name: str = ""
    """Where the original is what is written."""


@dataclass(frozen=True, slots=True)
class OtherTask:
    """A file that is no instance, to be restored."""

    number: int
    delivery: Delivery
    restoring: RestoringTask
    target: tuple[str, ...]
    size: int
    original_name: str


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A member that passed every check."""

    number: int
    size: int


_unpacking: UnpackingSettings


def start_unpacking(settings: UnpackingSettings) -> None:
    """Once in each worker."""
    global _unpacking
    _unpacking = settings


def unpack_instance(task: UnpackTask | OtherTask) -> Unpacked | DicomPackError:
    """Stages 4 to 1, backwards: steps 6 and 7 of the order of checks. An error is given back, with others.

    Raises:
        OSError: the instance cannot be written.
    """
    try:
        if isinstance(task, OtherTask):
            return _restore_other(task, _unpacking)
        return _unpack(task, _unpacking)
    except DicomPackError as error:
        error.where = f"{name_of_task(task)}" + (f", {error.where}" if error.where else "")
        return error


def name_of_task(task: UnpackTask | OtherTask) -> str:
    """What messages call it: by number, never by a name."""
    return f"{'other file' if isinstance(task, OtherTask) else 'member'} {task.number}"


def _restore_other(task: OtherTask, settings: UnpackingSettings) -> Unpacked:
    whole = restored(task.restoring, None, settings.keys)
    return Unpacked(task.number, _write(task, whole))


def _unpack(task: UnpackTask, settings: UnpackingSettings) -> Unpacked:
    member, delivery = task.member, task.delivery
    large = max(member.signed.size, member.delivered.size) > files.MAPPED_ABOVE
    scratch = Path(delivery.folder).parent if delivery.folder else None
    file = _opened(task.objects, settings.keys, files.UnnamedFile(scratch) if large else None)
    if (sha256_of([file]), len(file)) != (member.signed.sha256, member.signed.size):  # PKG-18
        raise BadSignatureError("not the signed file that the MANIFEST lists", rule="PKG-18")
    compressed = signature.unpack(file, member, delivery.instance_signer)
    handling = AS_USUAL
    if large:
        handling = Handling(room=files.UnnamedFile(scratch).room, spread=settings.frames or one_by_one)
    delivered = compression.unpack(compressed, member, handling)
    whole: Sequence[Piece] = delivered.plain
    if delivered.transfer_syntax.deflated:
        whole = dicom_file.marshal(delivered.data_set, delivered.transfer_syntax)
    if task.restoring is not None:  # (7)
        whole = restored(task.restoring, delivered, settings.keys)
    return Unpacked(task.number, _write(task, [file] if delivery.keep_signed else whole))


def _write(task: UnpackTask | OtherTask, pieces: Sequence[Piece]) -> int:
    if not task.delivery.folder:
        return 0
    folder = Path(task.delivery.folder)
    path = files.member_path(folder, task.target)
    files.make_folders(folder, path.parent)
    return files.write_again(path, gathered(pieces))


def _opened(
    objects: tuple[UnpackObject, ...], keys: tuple[Opener, ...], target: files.UnnamedFile | None
) -> Buffer:
    """The signed file, in memory or in `target`; all of it has passed its tags when this returns."""
    pieces: list[bytes] = []
    for one in objects:
        sealed = object_bytes(one.extents)
        seals.check_object(sealed, one.digest, "")  # (6)
        envelope.unpack_to(sealed, keys, target.append if target else pieces.append)
    return target.mapped() if target else b"".join(pieces)
