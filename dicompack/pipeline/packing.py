"""From sources to a package: sealed objects first, then volumes, which are checked and published."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dicompack import files
from dicompack.container.layout import check_volume_size
from dicompack.container.manifest import Deidentification
from dicompack.container.redundancy import Fitting, redundancy_of
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.recipients import key_name
from dicompack.dicom.confidentiality import EDITION, SiteProfile
from dicompack.dicom.independent_check import check_manifest
from dicompack.errors import UsageError
from dicompack.exchange import sources as exchange
from dicompack.parties import Originator
from dicompack.pipeline.asking_authorities import stamping_by
from dicompack.pipeline.assembling import RoomForVolumes, pack_others, put_together, write
from dicompack.pipeline.contradictions import check_originals, check_secure
from dicompack.pipeline.demands import about_limits, demand_of
from dicompack.pipeline.instances import (
    PackedInstance,
    PackingSettings,
    load_ahead,
    pack_instance,
    start_packing,
)
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.map_files import MapFiles, settle_maps
from dicompack.pipeline.opening import OnProgress, never
from dicompack.pipeline.package_names import check_output, remove_stale, settled
from dicompack.pipeline.policies import AS_IS, policy_of, with_vocabularies
from dicompack.pipeline.remote_packing import (
    KeyPaths,
    RemoteSettings,
    remote_settings,
    start_remote_packing,
)
from dicompack.pipeline.reports import outside_the_standard
from dicompack.pipeline.resuming import begin, check_resumable, digest_of_settings
from dicompack.pipeline.secure_packing import WhatToSecure, pack_file_set
from dicompack.pipeline.unpacking import check_written
from dicompack.report import Report
from dicompack.stages import package
from dicompack.stages.compression import Encoding
from dicompack.workers import Cluster, Place, Processes, Scheduler, frames_of_large

AEAD = "aead"
SECURE_DICOM = "secure-dicom"
"""Values of `envelope`: AuthEnvelopedData in volumes of a package, or PS3.15 D.1 in a folder."""


def pack(
    sources: Sequence[Path | str],
    output: Path | str,
    *,
    originator: Originator,
    project_key: ProjectKey | None = None,
    envelope: str = AEAD,
    deidentify: str = "basic",
    profile: SiteProfile | None = None,
    burned_in: str = "stop",
    map_out: Path | None = None,
    codec: str = "j2k",
    paranoid: bool = False,
    recompress: bool = False,
    lossy: float | None = None,
    volume_size: int | None = None,
    recovery: str | int | None = None,
    jobs: int | None = None,
    max_memory: int | None = None,
    exclude: Sequence[str] = (),
    include_other: bool = False,
    allow_preamble: bool = False,
    skip_suspect: bool = False,
    temp: Path | str | None = None,
    own: DecryptionKey | None = None,
    resume: bool = False,
    scheduler: Scheduler | None = None,
    key_paths: KeyPaths | None = None,
    force: bool = False,
    hide_signer: bool = False,
    timestamp: str | None = None,
    timestamp_instances: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Pack everything that is DICOM in `sources` into a package called `output`.

    Args:
        sources: files and folders; DICOM is found by content.
        output: ``NAME.dcmpack``; several volumes get ``.001``, ``.002`` and so on after it.
        originator: who signs, and whom to encrypt to.
        project_key: for pseudonyms that are the same in the next package; replaces the originator's.
        envelope: ``aead``, or ``secure-dicom``: a Secure File-set (PS3.15 D.1) is made, and `output` is a new
            folder; without volumes, SEALs, originals and all that depends on them.
        deidentify: ``basic``, the Basic Application Level Confidentiality Profile, or
            ``basic+option+option`` with its options by the standard's names; or ``none``: as they are.
        profile: exceptions and additions of a site.
        burned_in: what to do where pixels may show text: ``stop``, ``clean``, or ``vouch`` for them.
        map_out: a file to be made for old and new UIDs; the Patient IDs go into one beside it.
        codec: ``j2k``, ``htj2k``, ``jpegls``, or ``keep``.
        paranoid: prove every frame with a second decoder, too.
        recompress: decode lossless encapsulated pixel data and compress them by the codec; they are delivered
            native.
        lossy: a ratio: compress with loss, which makes another instance of each image; only ``j2k`` and
            ``htj2k``.
        volume_size: the most bytes of a volume; by default there is one.
        recovery: recovery volumes: a share such as ``"10%"``, or how many; 0 is none. By default 5 % and
            at least one where there are several volumes, otherwise none.
        jobs: worker processes; by default one a core.
        max_memory: bytes for all worker processes together; by default what the machine has.
        exclude: patterns of names to leave out.
        include_other: pack files that are no instances, too; only without de-identification.
        allow_preamble: pack as it is what begins like a program.
        skip_suspect: leave instances out that cannot be de-identified, instead of refusing to pack.
        temp: folder for sealed objects while the run lasts; by default beside `output`.
        own: the originator's own decryption key. With it a run that is interrupted or dies leaves what it has
            sealed, and a journal that only this key opens; without it nothing.
        resume: go on with what such a run has left.
        scheduler: of a cluster that does the work on instances; sources, staging and keys have the same paths
            on all its machines.
        key_paths: where the cluster's workers find the keys, for keys do not travel.
        force: replace a package of this name.
        hide_signer: let nobody but recipients see who signed; others can then check integrity only.
        timestamp: a time-stamp authority's address, http or https; it states when the package was sealed, and
            learns nothing but the SHA-256 of a signature.
        timestamp_instances: each instance's Digital Signature gets a time-stamp of this authority, too.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense.
        InputError: a source is missing, nothing in the sources can be packed, or the time-stamp authority
            gave no time-stamp.
        OutputError: the output exists or cannot be written.
        SuspectError: an instance cannot be de-identified with certainty.
    """
    began, tell = time.monotonic(), on_progress or never
    place = Processes(jobs, max_memory)
    output = Path(output)
    as_is = deidentify == AS_IS
    policy = None if as_is else policy_of(deidentify, burned_in, profile)
    redundancy = redundancy_of(recovery, volume_size)
    ratio = None if lossy is None else float(lossy)  # 10 and 10.0 are one setting
    encoding = Encoding(codec, paranoid=paranoid, recompress=recompress, lossy=ratio)
    encoding.check()
    if envelope == SECURE_DICOM:
        originator = originator.without_kem()
        check_secure(
            {
                "--volume-size": volume_size,
                "--recovery": recovery,
                "--hide-signer": hide_signer,
                "--timestamp": timestamp,
                "--timestamp-instances": timestamp_instances,
                "--custodian": originator.custodians,
                "--include-other": include_other,
                "--resume": resume,
                "--scheduler": scheduler,
                "--temp": temp,
                "--force": force,
            }
        )
        check_originals(
            originator,
            as_is=as_is,
            include_other=include_other,
            allow_preamble=allow_preamble,
            said=profile or map_out,
        )
        originator.check_validity(datetime.now(UTC))
        if project_key is not None:
            originator = replace(originator, project_key=project_key)
        wanted = WhatToSecure(
            originator, policy, encoding, allow_preamble, map_out, tuple(exclude), skip_suspect
        )
        return pack_file_set([Path(source) for source in sources], output, wanted, place, tell)
    if envelope != AEAD:
        raise UsageError(f"there is no envelope {envelope!r}", hint=f"{AEAD} or {SECURE_DICOM}")
    stamp = stamping_by(timestamp)
    if timestamp_instances and stamp is None:
        raise UsageError("nobody is named who gives instances their time-stamps", hint="--timestamp URL")
    stamping = timestamp if timestamp_instances else None
    settle_maps(map_out, stands=bool(settled(output)))
    _check_settings(output, originator, volume_size, force)
    check_originals(
        originator,
        as_is=as_is,
        include_other=include_other,
        allow_preamble=allow_preamble,
        said=profile or map_out,
    )
    if not encoding.restorable and (as_is or originator.custodians):
        raise UsageError(
            "originals cannot be restored from pixel data that are delivered in another form",
            hint="leave out --recompress and --lossy, or --custodian and --deidentify none",
        )
    if project_key is not None:
        originator = replace(originator, project_key=project_key)
    if resume:
        check_resumable(own, originator)
    if scheduler is not None and (own is None or key_paths is None):
        raise UsageError(
            "workers of a cluster open the run's journal with your own decryption key",
            rule="CLI-16",
            hint="name it with --identity, and leave out --no-self",
        )
    if scheduler is not None and originator.password is not None:
        raise UsageError(
            "a password does not travel to a cluster", rule="CLI-16", hint="pack on this computer"
        )
    digest = digest_of_settings(
        originator,
        project_key,
        policy,
        encoding,
        allow_preamble,
        include_other,
        map_out is not None,
        stamping,
    )
    with ExitStack() as stack:
        maps = stack.enter_context(MapFiles(map_out, force=force))
        staging = stack.enter_context(files.Staging(output, goes_on=resume and not temp))
        aside = Path(temp) / f"{output.name}.objects" if temp else None
        spare = stack.enter_context(files.Staging(aside, goes_on=resume)) if aside else staging
        work = begin(spare, originator, own, digest, resume=resume)
        stack.callback(work.close)
        stack.push(work.tell)
        at, ids, objects = work.run.at, work.run.ids, work.folder
        originator = replace(originator, project_key=work.run.project_key)
        keeps = as_is or originator.custodians
        staging_key = work.run.staging_key if keeps else b""
        settings = PackingSettings(
            originator,
            encoding,
            at,
            str(objects),
            policy,
            staging_key,
            allow_preamble,
            maps.wanted,
            frames_of_large(place.crews),
            stamping,
        )
        intake: Intake[PackedInstance] = Intake(keeps_others=include_other)
        load_ahead([codec])
        everywhere: Place = stack.enter_context(Cluster(scheduler)) if scheduler else place
        room = RoomForVolumes(staging.path)

        def note(done: PackedInstance) -> None:
            room.note(done)
            work.note(done)

        entries = exchange.find([Path(source) for source in sources], exclude)
        found = with_vocabularies(entries, policy, everywhere, tell)
        known: PackingSettings | RemoteSettings = settings
        if scheduler and key_paths and own:
            known = remote_settings(settings, key_paths, own, work.journal_path, digest)
        intake.run(
            found,
            _start,
            known,
            pack_instance,
            everywhere,
            demand_of(policy),
            tell,
            "packing",
            earlier=work.earlier,
            note=note,
            first_ticket=work.first_ticket,
        )
        intake.check(skip_suspect, "packed")
        done = Deidentification("basic", policy.claimed, EDITION) if policy else None
        ready, told = put_together(
            intake,
            pack_others(intake, settings, place, tell) if include_other else [],
            settings,
            lambda members, restoring: package.pack(
                members,
                originator,
                done,
                ids,
                Fitting(redundancy, volume_size),
                at,
                lambda name, pieces: files.write_new(objects / name, pieces, durable=False),
                _looking_for(intake) if policy else _not_looking,
                restoring,
                hide_signer=hide_signer,
                stamp=work.asking(stamp) if stamp else None,
            ),
        )

        size = ready.size
        files.check_room(staging.path, size)
        folder = staging.folder("volumes")
        written = write(ready, objects, folder, output.name, tell)
        del ready
        check_written(folder, tell)
        maps.publish(told.maps)
        files.publish_files(written, output.parent, replace=force)
        maps.keep()
        if force:
            remove_stale(output, written)
        outside = outside_the_standard(originator)
        return Report(
            command="pack",
            set_id=ids.set_id.hex(),
            instances_in=told.instances_in,
            instances_out=len(told.members),
            skipped=tuple(intake.skipped),
            bytes_in=intake.bytes_in,
            bytes_out=size,
            volumes=tuple(path.name for path in written),
            findings=(*told.findings, *outside, *told.of_package, *work.findings(), *about_limits()),
            recipients=tuple(sorted(key_name(one).hex() for one in originator.addressees)),
            members=told.members,
            others=told.others,
            seconds=time.monotonic() - began,
        )


def _start(settings: PackingSettings | RemoteSettings) -> None:
    """Once in each worker, here or elsewhere."""
    if isinstance(settings, RemoteSettings):
        start_remote_packing(settings)
    else:
        start_packing(settings)


def _not_looking(_content: bytes) -> None:
    """The MANIFEST of instances as they are names them."""


def _looking_for(intake: Intake[PackedInstance]) -> Callable[[bytes], None]:
    """The independent check of the MANIFEST against all sources at once."""
    identifying = intake.identifying
    digests = [one.facts.sha256 for one in intake.finished]
    return lambda content: check_manifest(content, identifying, digests)


def _check_settings(output: Path, originator: Originator, volume_size: int | None, force: bool) -> None:
    """What can be known to be wrong before the work is done."""
    check_volume_size(volume_size)
    originator.check_validity(datetime.now(UTC))
    check_output(output, force=force)
