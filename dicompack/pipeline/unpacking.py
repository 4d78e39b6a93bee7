"""From a package back to instances, in the order of checks of `stages.package`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from dicompack import files
from dicompack.container.faults import RepairableVolumesError
from dicompack.container.manifest import Manifest, ManifestMember
from dicompack.container.names import MANIFEST, member_name
from dicompack.container.volumes import Package
from dicompack.crypto.certificates import fingerprint, name_of
from dicompack.crypto.trust import Trusted, TrustStore
from dicompack.errors import DicomPackError, UnsupportedError, gravest
from dicompack.parties import Recipient
from dicompack.pipeline.instances import (
    UnpackingSettings,
    UnpackTask,
    load_ahead,
    start_unpacking,
    unpack_instance,
)
from dicompack.pipeline.opening import OnProgress, check_frames, check_recovery, never, open_package
from dicompack.report import Finding, Member, Progress, Report, SignatureVerdict
from dicompack.stages import package, volumes
from dicompack.stages.package import CheckedSeal, check_manifest, check_object, check_seals
from dicompack.stages.volumes import Volumes
from dicompack.workers import WorkerDiedError, Workers


def test(path: Path | str, *, trust: TrustStore | None, on_progress: OnProgress | None = None) -> Report:
    """Check integrity, completeness and origin without any decryption key.

    Args:
        path: any volume of the package, or the folder that holds them.
        trust: whom to believe; None checks integrity only.
        on_progress: is told how far the run is.

    Raises:
        DamagedError, FormatError, UnsupportedError: the volumes are not whole.
        BadSignatureError, UntrustedError: the origin is not what it should be.
    """
    began, tell = time.monotonic(), on_progress or never
    with open_package(Path(path), files.temporary_target(), tell) as opened:
        sealed = check_seals(opened.package, _judge(trust) if trust is not None else None)  # (2) (3)
        _check_objects(opened.package, sealed, tell)
        if opened.repaired:
            raise RepairableVolumesError(opened.repaired)
        check_recovery(opened)
        return _report("test", opened, sealed, began)


def verify(
    path: Path | str, *, recipient: Recipient, jobs: int | None = None, on_progress: OnProgress | None = None
) -> Report:
    """Make every check that `unpack` makes, and write nothing.

    Raises:
        DicomPackError: see `unpack`.
    """
    began, tell = time.monotonic(), on_progress or never
    with open_package(Path(path), files.temporary_target(), tell) as opened:
        sealed = check_seals(opened.package, _judge(recipient.trust))  # (2) (3)
        content = check_manifest(opened.package, sealed, recipient.keys, _judge(recipient.trust))
        settings = UnpackingSettings(recipient.keys, content.instance_signer, "")
        _unpack_members(opened, sealed, content, settings, jobs, tell)
        return _report("verify", opened, sealed, began, content)


def inspect(path: Path | str, *, recipient: Recipient) -> Report:
    """List the members: SEAL, DIGESTS and MANIFEST are checked whole, the members are not touched.

    Raises:
        DicomPackError: see `unpack`.
    """
    began = time.monotonic()
    with open_package(Path(path), files.temporary_target(), never, every_byte=False) as opened:
        judge = _judge(recipient.trust)
        sealed = check_seals(opened.package, judge)
        content = check_manifest(opened.package, sealed, recipient.keys, judge)
        return _report("list", opened, sealed, began, content, complete="not-checked")


def unpack(
    path: Path | str,
    target: Path | str,
    *,
    recipient: Recipient,
    keep_signed: bool = False,
    jobs: int | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check everything, then give the instances their final names, all at once.

    Args:
        path: any volume of the package, or the folder that holds them.
        target: a folder that is absent or empty.
        recipient: whose keys open it, and whom they believe.
        keep_signed: deliver the instances as they travelled, with their Digital Signature.
        jobs: worker processes; by default one a core.
        on_progress: is told how far the run is.

    Raises:
        OutputError: the target is in use or cannot be written.
        FormatError, UnsupportedError, DamagedError: the package is not whole, or not a package.
        NoMatchError: none of the keys is a recipient's.
        UntrustedError: a signer is not trusted.
        BadSignatureError: something is not what its signer signed.
    """
    began, tell = time.monotonic(), on_progress or never
    target = Path(target).absolute()  # of "." nothing lies beside
    files.check_target_folder(target)
    with open_package(Path(path), target.with_name(f"{target.name}.volumes"), tell) as opened:
        sealed = check_seals(opened.package, _judge(recipient.trust))  # (2) (3)
        content = check_manifest(opened.package, sealed, recipient.keys, _judge(recipient.trust))
        sizes = (member.signed if keep_signed else member.delivered for member in content.members)
        with files.Staging(target) as staging:
            files.check_room(staging.path, sum(facts.size for facts in sizes))
            folder = staging.folder("instances")
            settings = UnpackingSettings(recipient.keys, content.instance_signer, str(folder), keep_signed)
            written = _unpack_members(opened, sealed, content, settings, jobs, tell)
            files.check_target_folder(target)
            files.publish_folder(folder, target)
        return _report("unpack", opened, sealed, began, content, bytes_out=written)


def check_written(folder: Path, on_progress: OnProgress) -> None:
    """Read a package back that was just written, with the receiver's own code; says nothing of origin."""
    with volumes.unpack(folder) as opened:
        check_volumes(opened, on_progress)


def check_volumes(opened: Volumes, on_progress: OnProgress) -> CheckedSeal:
    """Every check that needs no key, and none of origin: volumes, recovery volumes, SEAL, DIGESTS, objects.

    Raises:
        DicomPackError: see `test`.
    """
    check_frames(opened, on_progress)  # (1)
    check_recovery(opened)
    sealed = check_seals(opened.package, None)
    _check_objects(opened.package, sealed, never)
    return sealed


def _judge(trust: TrustStore) -> package.Judge:
    now = datetime.now(UTC)

    def judge(certificate: x509.Certificate, chain: tuple[x509.Certificate, ...]) -> Trusted:
        return trust.judge(certificate, chain, now)

    return judge


def _check_objects(opened: Package, sealed: CheckedSeal, on_progress: OnProgress) -> None:
    """Step 3 for every sealed object."""
    rows = sealed.table.rows
    for number, due in enumerate(rows, start=1):
        name = member_name(number) if number < len(rows) else MANIFEST
        check_object(opened.read(name), due, name)
        on_progress(Progress("checking", number, len(rows), "instances"))


def _unpack_members(
    opened: Volumes,
    sealed: CheckedSeal,
    content: Manifest,
    settings: UnpackingSettings,
    jobs: int | None,
    on_progress: OnProgress,
) -> int:
    """Step 6 for all members; gives the bytes written.

    Raises:
        DicomPackError: the gravest error; its `faults` name every member that failed.
    """
    load_ahead({member.compression.codec for member in content.members})
    workers = Workers(start_unpacking, settings, unpack_instance, jobs)
    errors: list[DicomPackError] = []
    written = 0
    for done, (task, result) in enumerate(workers.run(_tasks(opened, sealed, content)), start=1):
        if isinstance(result, WorkerDiedError):
            message = "the worker process died on it, twice"
            errors.append(UnsupportedError(message, where=f"member {task.number}", rule="PKG-19"))
        elif isinstance(result, DicomPackError):
            errors.append(result)
        else:
            written += result.size
        on_progress(Progress("unpacking", done, len(content.members), "instances"))
    if errors:
        worst = gravest(errors)
        worst.faults = tuple(str(error) for error in errors)
        raise worst
    return written


def _tasks(opened: Volumes, sealed: CheckedSeal, content: Manifest) -> Iterator[UnpackTask]:
    extents = opened.extents()
    for number, member in enumerate(content.members, start=1):
        name = member_name(number)
        target = target_of(
            number, member.study_instance_uid, member.series_instance_uid, member.sop_instance_uid
        )
        yield UnpackTask(number, extents[name], sealed.table.rows[number - 1], member, target)


def target_of(number: int, study: str, series: str, instance: str) -> tuple[str, ...]:
    """Study, series, and the member's number with its UID: all of them made by the packer."""
    name = f"{number:08d}-{instance}" if instance else f"{number:08d}"
    return study or "NO-STUDY", series or "NO-SERIES", f"{name}.dcm"


def member_of(number: int, member: ManifestMember, packed_size: int) -> Member:
    """A member as reports have it."""
    return Member(
        number=number,
        sop_class_uid=member.sop_class_uid,
        sop_instance_uid=member.sop_instance_uid,
        transfer_syntax_uid=member.delivered.transfer_syntax_uid,
        packed_transfer_syntax_uid=member.signed.transfer_syntax_uid,
        size=member.delivered.size,
        packed_size=packed_size,
        modality=member.modality,
        study_instance_uid=member.study_instance_uid,
        series_instance_uid=member.series_instance_uid,
    )


def _report(
    command: str,
    opened: Volumes,
    sealed: CheckedSeal,
    began: float,
    content: Manifest | None = None,
    *,
    bytes_out: int = 0,
    complete: str = "checked",
) -> Report:
    findings = [*opened.findings]
    verdicts = []
    for verified, trusted in sealed.signatures:
        if trusted is None:
            findings.append(Finding("origin-not-checked", "SEAL0001", "nobody was named to trust"))
        verdicts.append(
            SignatureVerdict(
                signer=name_of(verified.certificate),
                fingerprint=trusted.fingerprint if trusted else fingerprint([verified.certificate]),
                intact=True,
                valid=True,
                trusted=trusted is not None,
                trusted_as=trusted.name if trusted else "",
            )
        )
    count = sealed.newest.members
    members = content.members if content else ()
    return Report(
        command=command,
        set_id=sealed.newest.set_id.hex(),
        instances_in=count,
        instances_out=count,
        bytes_in=opened.size,
        bytes_out=bytes_out,
        volumes=opened.volume_names,
        findings=tuple(findings),
        signatures=tuple(verdicts),
        recipients=sealed.newest.recipients,
        members=tuple(
            member_of(number, member, opened.package.size(member_name(number)))
            for number, member in enumerate(members, start=1)
        ),
        complete=complete,
        seconds=time.monotonic() - began,
    )
