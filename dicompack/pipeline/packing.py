"""From sources to a package: sealed objects first, then volumes, which are checked and published."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dicompack import files
from dicompack.container.layout import Layout, SetIds, check_volume_size
from dicompack.container.manifest import Deidentification
from dicompack.container.names import member_name
from dicompack.container.redundancy import redundancy_of
from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom.confidentiality import EDITION, SiteProfile
from dicompack.dicom.independent_check import check_manifest
from dicompack.errors import OutputError, UsageError
from dicompack.exchange import sources as exchange
from dicompack.parties import Originator
from dicompack.pipeline.instances import (
    PackedInstance,
    PackingSettings,
    load_ahead,
    pack_instance,
    start_packing,
)
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.map_files import MapFiles
from dicompack.pipeline.opening import OnProgress, counting, never
from dicompack.pipeline.policies import policy_of, with_vocabularies
from dicompack.pipeline.unpacking import check_written, member_of
from dicompack.report import Report
from dicompack.stages import package, volumes
from dicompack.stages.compression import CODECS

_READ_SIZE = 1 << 20


def pack(
    sources: Sequence[Path | str],
    output: Path | str,
    *,
    originator: Originator,
    project_key: ProjectKey | None = None,
    deidentify: str = "basic",
    profile: SiteProfile | None = None,
    burned_in: str = "stop",
    map_out: Path | None = None,
    codec: str = "j2k",
    volume_size: int | None = None,
    recovery: str | int | None = None,
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
        deidentify: ``basic``, the Basic Application Level Confidentiality Profile, or
            ``basic+option+option`` with its options by the standard's names.
        profile: exceptions and additions of a site.
        burned_in: what to do where pixels may show text: ``stop``, ``clean``, or ``vouch`` for them.
        map_out: a file to be made for old and new UIDs; the Patient IDs go into one beside it.
        codec: ``j2k`` or ``keep``.
        volume_size: the most bytes of a volume; by default there is one.
        recovery: recovery volumes: a share such as ``"10%"``, or how many; 0 is none. By default 5 % and
            at least one where there are several volumes, otherwise none.
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
    policy = policy_of(deidentify, burned_in, profile)
    redundancy = redundancy_of(recovery, volume_size)
    _check_settings(output, originator, codec, volume_size, force)
    if project_key is not None:
        originator = replace(originator, project_key=project_key)
    at = datetime.now(UTC).replace(microsecond=0)
    with ExitStack() as stack:
        maps = stack.enter_context(MapFiles(map_out, force=force))
        staging = stack.enter_context(files.Staging(output))
        spare = stack.enter_context(files.Staging(Path(temp) / f"{output.name}.objects")) if temp else staging
        objects = spare.folder("objects")
        settings = PackingSettings(originator, codec, at, str(objects), policy, maps.wanted)
        intake: Intake[PackedInstance] = Intake()
        load_ahead([codec])
        entries = exchange.find([Path(source) for source in sources], exclude)
        found = with_vocabularies(entries, policy, jobs, tell)
        intake.run(found, start_packing, settings, pack_instance, jobs, tell, "packing")
        intake.check(skip_suspect, "packed")
        members, findings = intake.settle("packed")
        ids = SetIds(os.urandom(16), os.urandom(16))
        done = Deidentification("basic", policy.claimed, EDITION)
        sealed = [one.member for one in members]
        look = _looking_for(intake)
        packed = package.pack(sealed, originator, done, ids, volume_size, at, look, redundancy)

        size = packed.layout.total + volumes.recovery_total(packed.layout)
        files.check_room(staging.path, size)
        paths = {
            member_name(number): objects / one.facts.ticket for number, one in enumerate(members, start=1)
        }
        folder = staging.folder("volumes")
        written = _write(packed.layout, paths, packed.objects, folder, output.name, tell)
        check_written(folder, tell)
        maps.write([one.facts.maps for one in members])
        files.publish_files(written, output.parent, replace=force)
        maps.keep()
        if force:
            _remove_stale(output, written)
        return Report(
            command="pack",
            set_id=ids.set_id.hex(),
            instances_in=intake.instances_in,
            instances_out=len(members),
            skipped=tuple(intake.skipped),
            bytes_in=intake.bytes_in,
            bytes_out=size,
            volumes=tuple(path.name for path in written),
            findings=(*findings, *packed.findings),
            recipients=tuple(sorted(spki_sha256(one).hex() for one in originator.recipient_certificates)),
            members=tuple(
                member_of(number, one.member.facts, one.member.size)
                for number, one in enumerate(members, start=1)
            ),
            seconds=time.monotonic() - began,
        )


def _looking_for(intake: Intake[PackedInstance]) -> Callable[[bytes], None]:
    """The independent check of the MANIFEST against all sources at once."""
    identifying = intake.identifying()
    digests = [one.facts.sha256 for one in intake.finished]
    return lambda content: check_manifest(content, identifying, digests)


def _check_settings(
    output: Path, originator: Originator, codec: str, volume_size: int | None, force: bool
) -> None:
    """What can be known to be wrong before the work is done."""
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
    volume = re.compile(re.escape(output.name) + r"(\.[0-9]{3,4}|\.r[0-9]{2,3})?")
    return sorted(path for path in output.parent.iterdir() if volume.fullmatch(path.name))


def _remove_stale(output: Path, written: list[Path]) -> None:
    """Volumes of the package that was replaced; nothing but what is a volume by its content."""
    names = {path.name for path in written}
    for path in _volumes_of(output):
        if path.name not in names and volumes.is_volume(path):
            path.unlink()


def _write(
    layout: Layout,
    paths: dict[str, Path],
    objects: dict[str, bytes],
    folder: Path,
    name: str,
    on_progress: OnProgress,
) -> list[Path]:
    total = layout.total + volumes.recovery_total(layout)

    def read(object_name: str, offset: int, size: int) -> Iterator[bytes | memoryview]:
        if object_name in objects:
            yield memoryview(objects[object_name])[offset : offset + size]
            return
        with files.FileAccess(paths[object_name]) as access:
            for start in range(offset, offset + size, _READ_SIZE):
                yield access.read_at(start, min(_READ_SIZE, offset + size - start))

    return volumes.pack(layout, read, folder, name, counting(on_progress, "writing", total))
