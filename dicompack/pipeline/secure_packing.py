"""From sources to a Secure File-set (PS3.15 D.1, PS3.12 Annex V): Secure DICOM Files with their DICOMDIR.

Stages 1 to 3 are those of a package; the DICOMDIR takes the place of MANIFEST, DIGESTS and SEAL. All of it is
made in staging, and the folder gets its name when everything in it is there.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from dicompack import files
from dicompack.container.names import member_name
from dicompack.crypto.enveloped import MAX_CONTENT
from dicompack.crypto.recipients import key_name
from dicompack.dicom import media_directory
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.directory_records import Records
from dicompack.dicom.encoding import gathered
from dicompack.dicom.media_directory import DIRECTORY_NAME, MAX_DIRECTORY, DescribedFile
from dicompack.errors import InputError
from dicompack.exchange import sources as exchange
from dicompack.parties import Originator
from dicompack.pipeline.demands import about_limits, demand_of
from dicompack.pipeline.instances import (
    PackingSettings,
    load_ahead,
    object_path,
    sign_instance,
    start_packing,
)
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.map_files import MapFiles, settle_maps
from dicompack.pipeline.opening import OnProgress
from dicompack.pipeline.policies import with_vocabularies
from dicompack.pipeline.reports import outside_the_standard
from dicompack.pipeline.source_instances import Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.report import Finding, Member, Report, Skipped
from dicompack.stages import secure_files
from dicompack.stages.compression import Encoding
from dicompack.stages.deidentification import Policy
from dicompack.workers import Processes, frames_of_large


@dataclass(frozen=True)
class SecuredInstance:
    """What came of a source."""

    facts: SourceFacts
    records: Records
    sha256: bytes
    """Of the DICOM File."""
    size: int
    sealed_size: int
    attempt: str

    @property
    def staged(self) -> str:
        """What its file in staging is called."""
        return f"{self.facts.ticket}-{self.attempt}"

    @property
    def order(self) -> tuple[str, str]:
        """The place among the others."""
        return self.records.sop_instance_uid, self.sha256.hex()

    def with_facts(self, facts: SourceFacts) -> Self:
        """The same with other facts."""
        return replace(self, facts=facts)


@dataclass(frozen=True)
class WhatToSecure:
    """What is asked for."""

    originator: Originator
    policy: Policy | None
    encoding: Encoding
    allow_preamble: bool
    map_out: Path | None
    exclude: tuple[str, ...]
    skip_suspect: bool


_packing: PackingSettings


def start_securing(settings: PackingSettings) -> None:
    """Once in each worker."""
    global _packing
    _packing = settings
    start_packing(settings)


def secure_instance(task: SourceTask) -> SecuredInstance | Refused:
    """Stages 1 to 4.

    Raises:
        OSError: the Secure DICOM File cannot be written; an unreadable source is `Refused`.
    """
    return guarded(task, lambda source: _secure(source, _packing))


def _secure(source: Source, settings: PackingSettings) -> SecuredInstance:
    made = sign_instance(source, settings)
    records = Records.of(made.compressed.data_set, made.compressed.transfer_syntax.uid)
    hashed, attempt = hashlib.sha256(), os.urandom(4).hex()

    def pieces() -> Iterator[Buffer]:
        for piece in gathered(made.signed.pieces):
            hashed.update(piece)
            yield piece

    sealed = secure_files.pack(pieces(), made.size, settings.originator, settings.at)
    path = object_path(settings.folder, f"{source.task.ticket}-{attempt}", 1)
    size = files.write_again(path, sealed)
    return SecuredInstance(made.facts, records, hashed.digest(), made.size, size, attempt)


def pack_file_set(
    sources: list[Path], output: Path, settings: WhatToSecure, place: Processes, tell: OnProgress
) -> Report:
    """Pack everything that is DICOM in `sources` into a new folder.

    Raises:
        DicomPackError: see `packing.pack`.
    """
    began, originator, policy = time.monotonic(), settings.originator, settings.policy
    secure_files.check(originator)
    output = output.absolute()
    files.remove_dead(output)
    settle_maps(settings.map_out, stands=files.is_filled(output))
    files.check_target_folder(output)
    at = datetime.now(UTC).replace(microsecond=0)
    with MapFiles(settings.map_out) as maps, files.Staging(output) as staging:
        objects = staging.folder("objects")
        packing = PackingSettings(
            originator,
            settings.encoding,
            at,
            str(objects),
            policy,
            allow_preamble=settings.allow_preamble,
            maps=maps.wanted,
            frames=frames_of_large(place.crews),
        )
        intake: Intake[SecuredInstance] = Intake()
        load_ahead([settings.encoding.codec])
        found = with_vocabularies(exchange.find(sources, settings.exclude), policy, place, tell)
        intake.run(found, start_securing, packing, secure_instance, place, demand_of(policy), tell, "packing")
        intake.check(settings.skip_suspect, "packed")
        settled, findings = intake.settle("packed")
        intake.finished = members = list(_each_once(settled, intake.skipped))
        findings = [one for one in findings if one.kind != "uid-conflict"]  # one of them was left out
        findings += [_large(one) for one in members if one.size > MAX_CONTENT]
        folder = staging.folder("file-set")
        described = list(_placed(members, objects, folder))
        uid = f"2.25.{uuid.uuid4().int}"
        names = sorted(key_name(one) for one in originator.addressees)
        directory = media_directory.marshal(uid, described, names)
        if len(directory) > MAX_DIRECTORY:  # SDF-11
            raise InputError("too many instances for one DICOMDIR", rule="SDF-11", hint="pack them in parts")
        sealed = secure_files.pack([directory], len(directory), originator, at)
        total = files.write_new(folder / DIRECTORY_NAME, sealed) + sum(one.sealed_size for one in members)
        _check_written(folder, described)
        maps.publish([one.facts.maps for one in members])
        files.check_target_folder(output)
        files.publish_folder(folder, output)
        maps.keep()
    return Report(
        command="pack",
        set_id=uid,
        instances_in=intake.instances_in,
        instances_out=len(members),
        skipped=tuple(intake.skipped),
        bytes_in=intake.bytes_in,
        bytes_out=total,
        volumes=(output.name,),
        findings=(*findings, *outside_the_standard(originator), *about_limits()),
        recipients=tuple(name.hex() for name in names),
        members=tuple(_member(number, one) for number, one in enumerate(members, start=1)),
        seconds=time.monotonic() - began,
    )


def _large(one: SecuredInstance) -> Finding:
    return Finding("large-file", one.facts.name, "above 1 GiB: other programs may not be able to open it")


def _each_once(members: Iterable[SecuredInstance], skipped: list[Skipped]) -> Iterator[SecuredInstance]:
    """A File-set has one file for a SOP Instance UID; others with the same one are left out."""
    first: SecuredInstance | None = None
    for one in members:
        if first is not None and first.records.sop_instance_uid == one.records.sop_instance_uid:
            reason = f"has the SOP Instance UID of {first.facts.name}, which a File-set has once"
            skipped.append(Skipped(one.facts.name, dicom=True, reason=reason))
        else:
            first = one
            yield one


def _placed(members: list[SecuredInstance], objects: Path, folder: Path) -> Iterator[DescribedFile]:
    """Give each file its File ID, in the order of the new UIDs."""
    for number, one in enumerate(members, start=1):
        file_id = tuple(member_name(number).split("/"))
        path = folder.joinpath(*file_id)
        files.make_folders(folder, path.parent)
        object_path(objects, one.staged, 1).rename(path)
        yield DescribedFile(file_id, one.records, one.sha256, one.size)


def _check_written(folder: Path, described: list[DescribedFile]) -> None:
    """Look at what was written with the receiver's own code, as far as that goes without a key."""
    for file_id in ((DIRECTORY_NAME,), *(one.file_id for one in described)):
        with files.FileAccess(folder.joinpath(*file_id)) as access:
            secure_files.check_form(access)


def _member(number: int, one: SecuredInstance) -> Member:
    records = one.records
    return Member(
        number=number,
        sop_class_uid=records.sop_class_uid,
        sop_instance_uid=records.sop_instance_uid,
        transfer_syntax_uid=records.transfer_syntax_uid,
        packed_transfer_syntax_uid=records.transfer_syntax_uid,
        size=one.size,
        packed_size=one.sealed_size,
        modality=records.modality,
        study_instance_uid=records.study_instance_uid,
        series_instance_uid=records.series_instance_uid,
    )
