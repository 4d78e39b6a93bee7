"""From a package back to instances, in the order of checks of `stages.package`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from dicompack import files
from dicompack.container.digests import ObjectDigest
from dicompack.container.faults import RepairableVolumesError, line_of
from dicompack.container.manifest import Manifest
from dicompack.container.originals import Custody
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.recipients import Opener
from dicompack.crypto.trust import TrustStore
from dicompack.errors import (
    BadSignatureError,
    DamagedError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UsageError,
)
from dicompack.parties import Recipient, check_signer_validity
from dicompack.pipeline import file_sets, secure_unpacking
from dicompack.pipeline.demands import demand_of_member
from dicompack.pipeline.gathering import gathered
from dicompack.pipeline.instances import (
    Delivery,
    OtherTask,
    Unpacked,
    UnpackingSettings,
    UnpackTask,
    load_ahead,
    name_of_task,
    start_unpacking,
    unpack_instance,
)
from dicompack.pipeline.opening import OnProgress, check_frames, check_recovery, never, open_package
from dicompack.pipeline.receiving import ReceiptFile, read_receipt
from dicompack.pipeline.reports import report_of, verdict_of
from dicompack.pipeline.selection import Selection
from dicompack.pipeline.unpacking_tasks import Tasks
from dicompack.report import Progress, Report, SignatureVerdict
from dicompack.stages import receipts, volumes
from dicompack.stages.judging import Judge
from dicompack.stages.package import check_custody, check_manifest
from dicompack.stages.seals import (
    CheckedSeal,
    Stored,
    check_digests_alone,
    check_object,
    check_seals,
    hidden_signer,
    is_hidden,
)
from dicompack.stages.volumes import Volumes
from dicompack.workers import Place, Processes, Workers, frames_of_large

MANY = 10_000
"""Members whose MANIFEST takes so much memory that no worker should have a copy of it: some 20 MB."""

_MAY_BE_DAMAGE = (BadSignatureError, DamagedError, FormatError)
"""What bytes that were not compared with their hashes first may end in, where they are damaged."""

UnpackingWorkers: TypeAlias = Workers[UnpackingSettings, UnpackTask | OtherTask, Unpacked | DicomPackError]


def test(
    path: Path | str,
    *,
    trust: TrustStore | None,
    receipt: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check integrity, completeness and origin without any decryption key.

    Args:
        path: any volume of the package, or the folder that holds them.
        trust: whom to believe; None checks integrity only.
        receipt: of somebody who says that he has received this package; it is checked, too.
        on_progress: is told how far the run is.

    Raises:
        DamagedError, FormatError, UnsupportedError: the volumes are not whole.
        BadSignatureError, UntrustedError: the origin is not what it should be.
        UsageError: a receipt is to be checked, and nobody is to be believed.
    """
    began, tell = time.monotonic(), on_progress or never
    if receipt is not None and trust is None:
        raise UsageError("a receipt needs somebody to believe", hint="name its signer with --trust")
    if file_set := file_sets.find(Path(path)):
        return secure_unpacking.test(file_set)
    with open_package(Path(path), files.temporary_target(), tell) as opened:
        try:
            sealed = _check_without_key(opened, trust, tell)
            received = _check_receipt(opened, sealed, receipt, trust) if sealed and trust else ()
        except DicomPackError as error:  # which is graver, and the volumes are told of all the same
            error.faults = (*error.faults, *map(line_of, opened.repaired))
            raise
        if opened.repaired:
            raise RepairableVolumesError(opened.repaired, hint=opened.how_to_repair)
        check_recovery(opened)
        return report_of("test", opened, sealed, began, received=received)


def verify(
    path: Path | str,
    *,
    recipient: Recipient,
    receipt: Path | None = None,
    jobs: int | None = None,
    max_memory: int | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Make every check that `unpack` makes, and write nothing; check a receipt, too, if there is one.

    Raises:
        DicomPackError: see `unpack`.
    """
    began, tell = time.monotonic(), on_progress or never
    place = Processes(jobs, max_memory)
    if file_set := file_sets.find(Path(path)):
        _check_no_receipt(receipt)
        return secure_unpacking.verify(file_set, recipient, place, tell, began)
    with open_package(Path(path), files.temporary_target(), tell) as opened:
        sealed, content = check_whole(opened, recipient, place, tell)
        received = _check_receipt(opened, sealed, receipt, recipient.trust)
        return report_of("verify", opened, sealed, began, content, received=received)


def check_whole(
    opened: Volumes, recipient: Recipient, place: Place, on_progress: OnProgress
) -> tuple[CheckedSeal, Manifest]:
    """Every check there is, but those of step 1.

    Raises:
        DicomPackError: see `unpack`.
    """
    sealed = _checked_seals(opened, recipient.trust, recipient.keys)  # (2) (3)
    with _workers_for(sealed, recipient, place) as workers:
        content = check_manifest(opened.package, sealed, recipient.keys, _judge(recipient.trust))
        custody = _custody_of(opened, sealed, content, recipient, wanted=None)
        _check_unopened(opened, sealed, custody)
        tasks = Tasks(opened, sealed, content, custody)
        _unpack_members(tasks, Delivery(content.instance_signer), workers, on_progress)
    return sealed, content


def inspect(path: Path | str, *, recipient: Recipient) -> Report:
    """List the members: SEAL, DIGESTS and MANIFEST are checked whole, the members are not touched.

    Volumes may be missing that hold members only.

    Raises:
        DicomPackError: see `unpack`.
    """
    began = time.monotonic()
    if file_set := file_sets.find(Path(path)):
        return secure_unpacking.inspect(file_set, recipient, began)

    def listed(opened: Volumes) -> Report:
        sealed = _checked_seals(opened, recipient.trust, recipient.keys)
        content = check_manifest(opened.package, sealed, recipient.keys, _judge(recipient.trust))
        return report_of("list", opened, sealed, began, content, complete="not-checked")

    spare = files.temporary_target()
    try:
        with open_package(Path(path), spare, never, every_byte=False, present=True) as opened:
            return listed(opened)
    except _MAY_BE_DAMAGE:
        with open_package(Path(path), spare, never) as opened:
            return listed(opened)


def unpack(
    path: Path | str,
    target: Path | str,
    *,
    recipient: Recipient,
    keep_signed: bool = False,
    originals: bool = False,
    receipt: Path | None = None,
    receipt_signer: SigningKey | None = None,
    select: Sequence[str] = (),
    jobs: int | None = None,
    max_memory: int | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check everything, then give the instances their final names, all at once.

    Args:
        path: any volume of the package, or the folder that holds them.
        target: a folder that is absent or empty.
        recipient: whose keys open it, and whom they believe.
        keep_signed: deliver the instances as they travelled, with their Digital Signature.
        originals: undo de-identification, and deliver the files that were packed; for custodians.
        receipt: a file to be made, which says that all of it was received.
        receipt_signer: who says so.
        select: ``KEYWORD=VALUE``: nothing but these instances, and no other file, is opened and written;
            volumes that hold none of them may be missing. Of keywords the MANIFEST has Modality,
            SOPClassUID, SOPInstanceUID, SeriesInstanceUID and StudyInstanceUID.
        jobs: worker processes; by default one a core.
        max_memory: bytes for all worker processes together; by default what the machine has.
        on_progress: is told how far the run is.

    Raises:
        OutputError: the target is in use or cannot be written.
        FormatError, UnsupportedError, DamagedError: the package is not whole, or not a package.
        NoMatchError: none of the keys is a recipient's, or a custodian's where originals are asked for.
        UntrustedError: a signer is not trusted.
        BadSignatureError: something is not what its signer signed.
        UsageError: originals are asked for as they travelled, which they did not; a receipt without a signer,
            or of a part; a selection that is none.
        InputError: nothing is selected.
    """
    began, tell = time.monotonic(), on_progress or never
    place = Processes(jobs, max_memory)
    selection = Selection.of(select)
    if selection is not None and receipt is not None:
        raise UsageError("a receipt is for the whole package", hint="leave out --select or --receipt")
    if originals and keep_signed:
        raise UsageError("originals carry no signature of ours", hint="choose --originals or --keep-signed")
    if (receipt is None) != (receipt_signer is None):
        raise UsageError("a receipt needs a signer", hint="use --receipt and --signer together")
    if receipt_signer is not None:
        check_signer_validity(receipt_signer, datetime.now(UTC))
    target = Path(target).absolute()  # of "." nothing lies beside
    if receipt is not None and Path(receipt).absolute() == target:
        raise UsageError("the receipt would have the name of the folder", hint="choose another name for it")
    files.remove_dead(target)
    files.remove_dead(target.with_name(f"{target.name}.volumes"))
    if receipt is not None:
        files.remove_dead(Path(receipt).absolute())
    files.check_target_folder(target)
    if file_set := file_sets.find(Path(path)):
        _check_no_receipt(receipt)
        if originals:  # SDF-16
            raise UsageError(
                "a Secure File-set holds no originals", rule="SDF-16", hint="leave out --originals"
            )
        return secure_unpacking.unpack(file_set, target, recipient, place, tell, began, selection)
    spare = target.with_name(f"{target.name}.volumes")

    def deliver(opened: Volumes) -> Report:
        sealed = _checked_seals(opened, recipient.trust, recipient.keys)  # (2) (3)
        with _workers_for(sealed, recipient, place) as workers:
            content = check_manifest(opened.package, sealed, recipient.keys, _judge(recipient.trust))
            custody = _custody_of(opened, sealed, content, recipient, wanted=originals)
            if selection is None:
                _check_unopened(opened, sealed, custody)
            tasks = Tasks(opened, sealed, content, custody, keep_signed=keep_signed, selection=selection)
            with files.Staging(target) as staging, ReceiptFile(receipt) as receipt_file:
                files.check_room(staging.path, tasks.size)
                folder = staging.folder("instances")
                delivery = Delivery(content.instance_signer, str(folder), keep_signed)
                written = _unpack_members(tasks, delivery, workers, tell)
                if receipt_signer is not None:
                    at = datetime.now(UTC).replace(microsecond=0)
                    receipt_file.write(receipts.pack(opened.package.ids, sealed, receipt_signer, at))
                files.check_target_folder(target)
                files.publish_folder(folder, target)
                receipt_file.publish()
        return report_of(
            "unpack",
            opened,
            sealed,
            began,
            content,
            bytes_out=written,
            renamed=tasks.renamed,
            selected=tasks.selected,
        )

    if selection is not None:
        try:
            with open_package(Path(path), spare, tell, every_byte=False, present=True) as opened:
                return deliver(opened)
        except _MAY_BE_DAMAGE:
            pass  # damage is judged before signatures, and repaired: once more, with every byte
    with open_package(Path(path), spare, tell) as opened:
        return deliver(opened)


def _check_no_receipt(receipt: Path | None) -> None:
    if receipt is not None:  # SDF-16
        raise UsageError(
            "a receipt is for a package, not for a Secure File-set", rule="SDF-16", hint="leave out --receipt"
        )


def _check_unopened(opened: Volumes, sealed: CheckedSeal, custody: Custody | None) -> None:
    """Step 3 for what this reader does not open: it is as the SEAL says, all the same."""
    if sealed.newest.custody and custody is None:
        outer = sealed.newest.objects
        for name, due in list(sealed.rows.items())[outer:-1]:
            check_object(opened.package.read(name), due, name)


def _custody_of(
    opened: Volumes, sealed: CheckedSeal, content: Manifest, recipient: Recipient, *, wanted: bool | None
) -> Custody | None:
    """CUSTODY where it is wanted; with None, where the recipient is a custodian.

    Raises:
        NoMatchError: it is wanted, and there is none for these keys.
    """
    if content.deidentification is None or wanted is False:
        return None
    try:
        return check_custody(opened.package, sealed, content, recipient.keys, _judge(recipient.trust))
    except NoMatchError:
        if wanted:
            raise
        return None


def check_written(folder: Path, on_progress: OnProgress) -> None:
    """Read a package back that was just written, with the receiver's own code; says nothing of origin."""
    with volumes.unpack(folder) as opened:
        check_volumes(opened, on_progress)


def check_volumes(opened: Volumes, on_progress: OnProgress) -> CheckedSeal | None:
    """Every check that needs no key, and none of origin: volumes, recovery volumes, SEAL, DIGESTS, objects.

    Gives what the SEALs say; None where they are hidden.

    Raises:
        DicomPackError: see `test`.
    """
    check_frames(opened, on_progress)  # (1)
    check_recovery(opened)
    return _check_without_key(opened, None, never)


def _judge(trust: TrustStore) -> Judge:
    return Judge(trust, datetime.now(UTC))


def _checked_seals(opened: Volumes, trust: TrustStore, keys: Sequence[Opener] | None = None) -> CheckedSeal:
    """Steps 2 and 3, and the originator is who was expected."""
    sealed = check_seals(opened.package, _judge(trust), keys)
    if trust.expected is not None:
        first, trusted = sealed.signatures[0]
        trust.expected.check(first.certificate, trusted)
    return sealed


def _check_without_key(
    opened: Volumes, trust: TrustStore | None, on_progress: OnProgress
) -> CheckedSeal | None:
    """Steps 2 and 3 for all objects; None: who signed is hidden, and nobody asked."""
    if is_hidden(opened.package):
        _check_objects(opened, check_digests_alone(opened.package), on_progress)
        if trust is not None:
            raise hidden_signer()
        return None
    sealed = _checked_seals(opened, trust) if trust else check_seals(opened.package, None)
    _check_objects(opened, sealed.rows, on_progress)
    return sealed


def _check_objects(opened: Volumes, rows: Mapping[str, ObjectDigest], on_progress: OnProgress) -> None:
    """Step 3 for every sealed object."""
    for number, (name, due) in enumerate(rows.items(), start=1):
        if opened.package.size(name) <= files.MAPPED_ABOVE:
            check_object(opened.package.read(name), due, name)
        else:
            opened.package.check_crc(name)
            check_object(Stored(opened.package, name), due, name)
        on_progress(Progress("checking", number, len(rows), "instances"))


def _workers_for(sealed: CheckedSeal, recipient: Recipient, place: Place) -> UnpackingWorkers:
    """Those who do step 6. Where there is much to do they are here before the MANIFEST is.

    Workers may begin as copies of this process, and share its memory until either changes it: what one of
    them never looks at should not be there yet.
    """
    settings = UnpackingSettings(recipient.keys, frames_of_large(place.crews))
    workers: UnpackingWorkers = Workers(start_unpacking, settings, unpack_instance, place, demand_of_member)
    if sealed.newest.members > MANY:
        workers.hire()
    return workers


def _unpack_members(
    tasks: Tasks, delivery: Delivery, workers: UnpackingWorkers, on_progress: OnProgress
) -> int:
    """Step 6 for all members; gives the bytes written.

    Raises:
        DicomPackError: the gravest error; its `faults` name every member that failed.
    """
    load_ahead(tasks.codecs)
    results = gathered(workers, tasks.of(delivery), len(tasks), name_of_task, on_progress)
    return sum(one.size for one in results)


def _check_receipt(
    opened: Volumes, sealed: CheckedSeal, path: Path | None, trust: TrustStore
) -> tuple[SignatureVerdict, ...]:
    """Who has received the package, where there is a receipt to say so."""
    if path is None:
        return ()
    verified, trusted = receipts.unpack(read_receipt(path), opened.package.ids, sealed, _judge(trust))
    return (verdict_of(verified, trusted, "received"),)
