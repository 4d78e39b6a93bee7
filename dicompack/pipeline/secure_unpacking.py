"""From a Secure File-set, or one Secure DICOM File, back to instances, in the order of checks of its stage.

Whoever made it: what is read is PS3.15 D.1, and not our own form of it. An instance is given as it travelled.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicompack import files
from dicompack.crypto.recipients import Opener
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.dicom_file import DicomFile
from dicompack.dicom.media_directory import DIRECTORY_NAME, MAX_DIRECTORY, Directory, DirectoryFile
from dicompack.errors import DicomPackError, FormatError, UntrustedError
from dicompack.parties import Recipient
from dicompack.pipeline.demands import about_limits, demand_of_size
from dicompack.pipeline.file_sets import FileSet, is_secure
from dicompack.pipeline.gathering import gathered
from dicompack.pipeline.opening import OnProgress, never
from dicompack.pipeline.selection import Selection
from dicompack.pipeline.unpacking_tasks import target_of
from dicompack.report import Finding, Member, Report
from dicompack.stages import secure_files, source_signatures
from dicompack.stages.judging import Judge
from dicompack.stages.secure_files import OpenedFile
from dicompack.workers import Demand, Processes, Workers


@dataclass(frozen=True)
class SecureSettings:
    """What an unpacking worker knows."""

    keys: tuple[Opener, ...]
    judge: Judge
    folder: str
    """Where instances go; empty: nowhere, they are checked only."""


@dataclass(frozen=True)
class SecureTask:
    """One file, and what the DICOMDIR says of it."""

    number: int
    path: str
    listed: DirectoryFile | None


@dataclass(frozen=True)
class Unsecured:
    """An instance that has passed every check."""

    number: int
    opened: OpenedFile
    member: Member
    findings: tuple[Finding, ...]


_AROUND = 1 << 20
"""Bytes of an envelope besides its content: recipients, certificates, a signature."""

_unpacking: SecureSettings


def start_unsecuring(settings: SecureSettings) -> None:
    """Once in each worker."""
    global _unpacking
    _unpacking = settings


def unsecure_instance(task: SecureTask) -> Unsecured | DicomPackError:
    """All steps for one file. An error is given back, with others.

    Raises:
        OSError: it cannot be read, or the instance cannot be written.
    """
    try:
        return _unsecure(task, _unpacking)
    except DicomPackError as error:
        error.where = name_of_task(task) + (f", {error.where}" if error.where else "")
        return error


def name_of_task(task: SecureTask) -> str:
    """What messages call it."""
    return "/".join(task.listed.file_id) if task.listed else "the file"


def _unsecure(task: SecureTask, settings: SecureSettings) -> Unsecured:
    scratch = Path(settings.folder).parent if settings.folder else None
    with files.FileAccess(Path(task.path)) as access:
        # Until its signature has been checked, what comes out has no name on the disk.
        large = files.UnnamedFile(scratch) if access.size > files.MAPPED_ABOVE else None
        pieces: list[bytes] = []
        write = large.append if large else pieces.append
        opened = secure_files.unpack(access, settings.keys, settings.judge, write)
        packed_size = access.size
    data: Buffer = large.mapped() if large and large.size else b"".join(pieces)
    file = secure_files.parse(data)
    if task.listed is not None:
        secure_files.check_listed(file, opened, task.listed)
    member = _member(task.number, file, opened.size, packed_size)
    if settings.folder:
        _write(data, member, Path(settings.folder))
    return Unsecured(task.number, opened, member, _findings(task, file, opened))


def _write(data: Buffer, member: Member, folder: Path) -> None:
    components = target_of(
        member.number, member.study_instance_uid, member.series_instance_uid, member.sop_instance_uid
    )
    path = files.member_path(folder, components)
    files.make_folders(folder, path.parent)
    view = memoryview(data)
    step = files.MAPPED_ABOVE
    files.write_again(path, (view[at : at + step] for at in range(0, len(view), step)))


def _findings(task: SecureTask, file: DicomFile, opened: OpenedFile) -> tuple[Finding, ...]:
    where = name_of_task(task)
    found = [
        Finding(one.kind, where, one.message, one.rule)
        for one in source_signatures.findings(file.data_set)
        if one.kind != source_signatures.VALID
    ]
    if any(file.preamble):
        found.append(Finding("preamble", where, "its preamble is not empty"))
    if opened.revocation_unknown:
        found.append(Finding("revocation-unknown", where, "no current list says that the signer is good"))
    return tuple(found)


def _member(number: int, file: DicomFile, size: int, packed_size: int) -> Member:
    data_set, syntax = file.data_set, file.transfer_syntax.uid
    study, series = data_set.text(tags.STUDY_INSTANCE_UID), data_set.text(tags.SERIES_INSTANCE_UID)
    return Member(
        number,
        *dicom_file.check_identity(data_set),
        syntax,
        syntax,
        size,
        packed_size,
        data_set.text(tags.MODALITY),
        study if dicom_file.is_uid(study) else "",
        series if dicom_file.is_uid(series) else "",
    )


# ------------------------------------------------------------------------------------------ commands


def test(file_set: FileSet) -> Report:
    """What can be checked without a key, which is not enough for anybody.

    Raises:
        FormatError, UnsupportedError: not even the form is right.
        UntrustedError: always, otherwise.
    """
    for found in [file_set.path] if file_set.alone else file_set.files():
        if is_secure(found):
            with files.FileAccess(found) as access:
                secure_files.check_form(access)
    raise UntrustedError(  # SDF-17
        "without a key nobody can tell who made a Secure DICOM File, or whether it is unchanged",
        rule="SDF-17",
        hint="dicompack verify, with a recipient's --identity or --password",
    )


def inspect(file_set: FileSet, recipient: Recipient, began: float) -> Report:
    """List a File-set from its DICOMDIR; the files are not opened. One file alone is."""
    judge = _judge(recipient)
    if file_set.alone:
        return _checked("list", file_set, recipient, Processes(1), None, began)
    directory, opened = _opened_directory(file_set, recipient, judge)
    file_set.check_present(directory.files)
    members = tuple(
        Member(
            number,
            listed.sop_class_uid,
            listed.sop_instance_uid,
            listed.transfer_syntax_uid,
            listed.transfer_syntax_uid,
            listed.size,
            file_set.path_of(listed).stat().st_size,
            listed.modality,
            listed.study_instance_uid,
            listed.series_instance_uid,
        )
        for number, listed in enumerate(directory.files, start=1)
    )
    found = _about_set(file_set, directory, [opened])
    return _report("list", file_set, directory, members, [opened], found, began, complete="not-checked")


def verify(
    file_set: FileSet, recipient: Recipient, place: Processes, on_progress: OnProgress, began: float
) -> Report:
    """Make every check that `unpack` makes, and write nothing."""
    return _checked("verify", file_set, recipient, place, on_progress, began)


def unpack(
    file_set: FileSet,
    target: Path,
    recipient: Recipient,
    place: Processes,
    on_progress: OnProgress,
    began: float,
    selection: Selection | None,
) -> Report:
    """Check everything, then give the instances their final names, all at once."""
    with files.Staging(target) as staging:
        folder = staging.folder("instances")
        report = _checked(
            "unpack", file_set, recipient, place, on_progress, began, folder=folder, selection=selection
        )
        files.check_target_folder(target)
        files.publish_folder(folder, target)
    return report


def _checked(
    command: str,
    file_set: FileSet,
    recipient: Recipient,
    place: Processes,
    on_progress: OnProgress | None,
    began: float,
    *,
    folder: Path | None = None,
    selection: Selection | None = None,
) -> Report:
    judge, directory = _judge(recipient), None
    opened: list[OpenedFile] = []
    if file_set.alone:
        tasks = [SecureTask(1, str(file_set.path.absolute()), None)]
    else:
        directory, of_directory = _opened_directory(file_set, recipient, judge)
        opened.append(of_directory)
        wanted = [
            (number, one)
            for number, one in enumerate(directory.files, start=1)
            if selection is None or selection.takes(one)
        ]
        if selection is not None:
            selection.check_some(wanted)
        file_set.check_present([one for _, one in wanted])
        tasks = [SecureTask(number, str(file_set.path_of(one).absolute()), one) for number, one in wanted]
    if folder is not None:
        files.check_room(folder, sum(Path(task.path).stat().st_size for task in tasks))
    settings = SecureSettings(recipient.keys, judge, str(folder) if folder else "")
    workers: Workers[SecureSettings, SecureTask, Unsecured | DicomPackError] = Workers(
        start_unsecuring, settings, unsecure_instance, place, _demand
    )
    tell = on_progress or never
    results = gathered(workers, tasks, len(tasks), name_of_task, tell)
    done = sorted(results, key=lambda one: one.number)
    opened += [one.opened for one in done]
    found = [finding for one in done for finding in one.findings]
    found += _about_set(file_set, directory, opened[:1] if directory else [])
    complete = "checked"
    if file_set.alone:
        message = "nothing tells which other files belong to it, or for whom its signer meant it"
        found.append(Finding("file-alone", file_set.path.name, message))
        complete = "not-checked"
    if selection is not None and directory is not None:
        found.append(Finding("selected", "", f"{len(done)} of {len(directory.files)} instances were wanted"))
        complete = "not-checked"
    members = tuple(one.member for one in done)
    written = sum(one.size for one in members) if folder is not None else 0
    return _report(
        command, file_set, directory, members, opened, found, began, complete=complete, written=written
    )


def _judge(recipient: Recipient) -> Judge:
    return Judge(recipient.trust, datetime.now(UTC))


def _demand(task: SecureTask) -> Demand:
    return demand_of_size(Path(task.path).stat().st_size)


def _opened_directory(file_set: FileSet, recipient: Recipient, judge: Judge) -> tuple[Directory, OpenedFile]:
    pieces: list[bytes] = []
    try:
        with files.FileAccess(file_set.path) as access:
            if access.size > MAX_DIRECTORY + _AROUND:  # SDF-11
                raise FormatError(f"more than {MAX_DIRECTORY + _AROUND} bytes", rule="SDF-11")
            opened = secure_files.unpack(access, recipient.keys, judge, pieces.append)
            return secure_files.parse_directory(b"".join(pieces), access, recipient.keys), opened
    except DicomPackError as error:
        error.where = DIRECTORY_NAME + (f", {error.where}" if error.where else "")
        raise


def _about_set(file_set: FileSet, directory: Directory | None, opened: Sequence[OpenedFile]) -> list[Finding]:
    """Files that the DICOMDIR does not list, and what there is to say of its own signer."""
    found = [
        Finding("revocation-unknown", DIRECTORY_NAME, "no current list says that the signer is good")
        for one in opened
        if one.revocation_unknown
    ]
    if directory is not None:
        listed = {file_set.path_of(one) for one in directory.files} | {file_set.path}
        for path in file_set.files():
            if path not in listed:
                name = path.relative_to(file_set.folder).as_posix()
                found.append(Finding("not-listed", name, "the DICOMDIR does not list it; it was left alone"))
    return found


def _report(
    command: str,
    file_set: FileSet,
    directory: Directory | None,
    members: tuple[Member, ...],
    opened: Sequence[OpenedFile],
    findings: Sequence[Finding],
    began: float,
    *,
    complete: str,
    written: int = 0,
) -> Report:
    limits = about_limits() if command != "list" else []
    names = directory.addressed_to if directory is not None and directory.addressed_to else ()
    own = file_set.path.stat().st_size if directory is not None else 0
    return Report(
        command=command,
        set_id=directory.file_set_uid if directory is not None else "",
        instances_in=len(members),
        instances_out=len(members),
        bytes_in=own + sum(one.packed_size for one in members),
        bytes_out=written,
        volumes=(file_set.path.name if file_set.alone else file_set.folder.resolve().name,),
        findings=(*findings, *limits),
        signatures=tuple(dict.fromkeys(one.verdict for one in opened)),
        recipients=tuple(name.hex() for name in names),
        members=members,
        complete=complete,
        seconds=time.monotonic() - began,
    )
