"""From sources to a package: sealed objects first, then volumes, which are checked and published."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from dicompack import files
from dicompack.container.layout import Layout, SetIds, check_volume_size
from dicompack.container.manifest import Deidentification
from dicompack.container.names import member_name
from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom.confidentiality import EDITION
from dicompack.errors import DicomPackError, InputError, OutputError, SuspectError, UsageError
from dicompack.exchange import sources as exchange
from dicompack.parties import Originator
from dicompack.pipeline.instances import (
    PackedInstance,
    PackingSettings,
    PackTask,
    Refused,
    pack_instance,
    start_packing,
)
from dicompack.pipeline.unpacking import check_written, member_of, never
from dicompack.report import Finding, Progress, Report, Skipped
from dicompack.stages import package, volumes
from dicompack.stages.compression import CODECS
from dicompack.workers import WorkerDiedError, Workers

OnProgress = Callable[[Progress], None]
_READ_SIZE = 1 << 20


@dataclass
class _Run:
    """What has happened so far."""

    packed: list[PackedInstance] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    suspect: list[str] = field(default_factory=list)
    bytes_in: int = 0
    found: int = 0

    @property
    def instances_in(self) -> int:
        return len(self.packed) + sum(skipped.dicom for skipped in self.skipped)


def pack(
    sources: Sequence[Path | str],
    output: Path | str,
    *,
    originator: Originator,
    project_key: ProjectKey | None = None,
    deidentify: str = "basic",
    codec: str = "j2k",
    volume_size: int | None = None,
    jobs: int | None = None,
    exclude: Sequence[str] = (),
    skip_suspect: bool = False,
    temp: Path | str | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Pack everything that is DICOM in `sources` into a package called `output`.

    Args:
        sources: files and folders; DICOM is found by content.
        output: ``NAME.dcmpack``; several volumes get ``.001``, ``.002`` and so on after it.
        originator: who signs, and whom to encrypt to.
        project_key: for pseudonyms that are the same in the next package; replaces the originator's.
        deidentify: ``basic``, the Basic Application Level Confidentiality Profile.
        codec: ``j2k`` or ``keep``.
        volume_size: bytes of a volume; by default there is one.
        jobs: worker processes; by default one a core.
        exclude: patterns of names to leave out.
        skip_suspect: leave instances out that cannot be de-identified, instead of refusing to pack.
        temp: folder for sealed objects while the run lasts; by default beside `output`.
        force: replace a package of this name.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense.
        InputError: a source is missing, or nothing in the sources can be packed.
        OutputError: the output exists or cannot be written.
        SuspectError: an instance cannot be de-identified with certainty.
    """
    began, tell = time.monotonic(), on_progress or never
    output = Path(output)
    _check_settings(output, originator, deidentify, codec, volume_size, force)
    if project_key is not None:
        originator = replace(originator, project_key=project_key)
    at = datetime.now(UTC).replace(microsecond=0)
    with ExitStack() as stack:
        staging = stack.enter_context(files.Staging(output))
        spare = stack.enter_context(files.Staging(Path(temp) / f"{output.name}.objects")) if temp else staging
        objects = spare.folder("objects")
        run = _Run()
        settings = PackingSettings(originator, codec, at, str(objects))
        _pack_instances(
            run, exchange.find([Path(source) for source in sources], exclude), settings, jobs, tell
        )
        _check_outcome(run, skip_suspect)
        members, findings = _settle(run)
        ids = SetIds(os.urandom(16), os.urandom(16))
        profile = Deidentification("basic", (), EDITION)
        packed = package.pack([one.member for one in members], originator, profile, ids, volume_size, at)

        files.check_room(staging.path, packed.layout.total)
        paths = {member_name(number): objects / one.ticket for number, one in enumerate(members, start=1)}
        folder = staging.folder("volumes")
        written = _write(packed.layout, paths, packed.objects, folder, output.name, tell)
        check_written(folder, tell)
        files.publish_files(written, output.parent, replace=force)
        if force:
            _remove_stale(output, written)
        return Report(
            command="pack",
            set_id=ids.set_id.hex(),
            instances_in=run.instances_in,
            instances_out=len(members),
            skipped=tuple(run.skipped),
            bytes_in=run.bytes_in,
            bytes_out=packed.layout.total,
            volumes=tuple(path.name for path in written),
            findings=tuple(findings),
            recipients=tuple(sorted(spki_sha256(one).hex() for one in originator.recipient_certificates)),
            members=tuple(
                member_of(number, one.member.facts, one.member.size)
                for number, one in enumerate(members, start=1)
            ),
            seconds=time.monotonic() - began,
        )


def _check_settings(
    output: Path, originator: Originator, deidentify: str, codec: str, volume_size: int | None, force: bool
) -> None:
    """What can be known to be wrong before the work is done."""
    if deidentify != "basic":
        raise UsageError(f"unknown de-identification {deidentify!r}", hint="what there is: basic")
    if codec not in CODECS:
        raise UsageError(f"unknown codec {codec!r}", hint=f"what there is: {', '.join(CODECS)}")
    check_volume_size(volume_size)
    originator.check_validity(datetime.now(UTC))
    if output.suffix != ".dcmpack":
        raise UsageError("the name of a package ends in .dcmpack", hint=f"try {output.name}.dcmpack")
    if not force and (taken := _volumes_of(output)):
        raise OutputError(f"{taken[0].name} exists", hint="choose another name, or --force")


def _volumes_of(output: Path) -> list[Path]:
    """Files that have the name of a volume of this package."""
    if not output.parent.is_dir():
        return []
    volume = re.compile(re.escape(output.name) + r"(\.[0-9]{3,4})?")
    return sorted(path for path in output.parent.iterdir() if volume.fullmatch(path.name))


def _remove_stale(output: Path, written: list[Path]) -> None:
    """Volumes of the package that was replaced; nothing but what is a volume by its content."""
    names = {path.name for path in written}
    for path in _volumes_of(output):
        if path.name not in names and volumes.is_volume(path):
            path.unlink()


def _pack_instances(
    run: _Run,
    found: Iterable[exchange.SourceFile | Skipped],
    settings: PackingSettings,
    jobs: int | None,
    on_progress: OnProgress,
) -> None:
    """Stages 1 to 4 for everything that is found."""
    order: dict[str, int] = {}

    def tasks() -> Iterator[PackTask]:
        for entry in found:
            if isinstance(entry, Skipped):
                run.skipped.append(entry)
                continue
            ticket = f"{len(order):08d}"
            order[ticket] = len(order)
            run.found += 1
            yield PackTask(entry.name, str(entry.path), ticket)

    workers = Workers(start_packing, settings, pack_instance, jobs)
    for done, (task, result) in enumerate(workers.run(tasks()), start=1):
        on_progress(Progress("packing", done, run.found, "instances"))
        if isinstance(result, WorkerDiedError):
            run.skipped.append(Skipped(task.name, dicom=True, reason="the worker process died on it, twice"))
        elif isinstance(result, Refused):
            run.skipped.append(Skipped(result.name, result.dicom, result.reason))
            run.bytes_in += result.source_size
            if result.suspect:
                run.suspect.append(result.name)
        else:
            run.packed.append(result)
            run.bytes_in += result.source_size
    run.packed.sort(key=lambda one: order[one.ticket])


def _check_outcome(run: _Run, skip_suspect: bool) -> None:
    error: DicomPackError
    if run.suspect and not skip_suspect:
        error = SuspectError(
            f"{len(run.suspect)} instances cannot be de-identified with certainty",
            hint="look at them; --on-suspect skip leaves them out",
        )
    elif not run.packed:
        several = sum(skipped.dicom for skipped in run.skipped)
        what = (
            f"none of {several} instances can be packed"
            if several
            else "there is nothing DICOM in the source"
        )
        error = InputError(
            what, hint="see the reasons" if several else "name the folder that holds the study"
        )
    else:
        return
    error.faults = tuple(f"{one.name}: {one.reason}" for one in run.skipped if one.dicom)
    error.skipped = tuple(run.skipped)
    raise error


def _settle(run: _Run) -> tuple[list[PackedInstance], list[Finding]]:
    """Byte-identical sources once, in the order of the new UIDs; and what there is to say."""
    by_source: dict[bytes, PackedInstance] = {}
    for one in run.packed:
        first = by_source.setdefault(one.source_sha256, one)
        if first is not one:
            run.skipped.append(Skipped(one.name, dicom=True, reason=f"the same bytes as {first.name}"))
    run.packed = list(by_source.values())
    members = sorted(
        run.packed, key=lambda one: (one.member.facts.sop_instance_uid, one.member.facts.signed.sha256)
    )
    findings = [finding for one in members for finding in one.findings]
    for before, one in itertools.pairwise(members):
        if before.member.facts.sop_instance_uid == one.member.facts.sop_instance_uid:
            message = f"has the SOP Instance UID of {before.name}, but other bytes; both are packed"
            findings.append(Finding("uid-conflict", one.name, message))
    return members, findings


def _write(
    layout: Layout,
    paths: dict[str, Path],
    objects: dict[str, bytes],
    folder: Path,
    name: str,
    on_progress: OnProgress,
) -> list[Path]:
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        on_progress(Progress("writing", done, layout.total, "bytes"))

    def read(object_name: str, offset: int, size: int) -> Iterator[bytes | memoryview]:
        if object_name in objects:
            yield memoryview(objects[object_name])[offset : offset + size]
            return
        with files.FileAccess(paths[object_name]) as access:
            for start in range(offset, offset + size, _READ_SIZE):
                yield access.read_at(start, min(_READ_SIZE, offset + size - start))

    return volumes.pack(layout, read, folder, name, count)
