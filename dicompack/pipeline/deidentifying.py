"""Stage 1 alone: de-identified instances in a folder, as `unpack` would give them; no package, no keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from dicompack import files
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.confidentiality import SiteProfile
from dicompack.dicom.encoding import gathered, sha256_of
from dicompack.exchange import sources as exchange
from dicompack.pipeline.demands import about_limits, demand_of
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.map_files import MapFiles, settle_maps
from dicompack.pipeline.opening import OnProgress, never
from dicompack.pipeline.policies import policy_of, with_vocabularies
from dicompack.pipeline.source_instances import Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.pipeline.unpacking_tasks import target_of
from dicompack.report import Report
from dicompack.stages.deidentification import Policy
from dicompack.workers import Processes


@dataclass(frozen=True)
class DeidentifyingSettings:
    """What a worker knows."""

    project_key: ProjectKey
    policy: Policy
    folder: str
    """Where instances go, under their tickets."""
    maps: bool


@dataclass(frozen=True)
class DeidentifiedInstance:
    """What came of a source."""

    facts: SourceFacts
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sha256: str
    size: int

    @property
    def order(self) -> tuple[str, str]:
        """The place among the others."""
        return self.sop_instance_uid, self.sha256

    def with_facts(self, facts: SourceFacts) -> Self:
        """The same with other facts."""
        return replace(self, facts=facts)


_settings: DeidentifyingSettings


def start_deidentifying(settings: DeidentifyingSettings) -> None:
    """Once in each worker."""
    global _settings
    _settings = settings


def deidentify_instance(task: SourceTask) -> DeidentifiedInstance | Refused:
    """De-identify, check, write.

    Raises:
        OSError: the instance cannot be written.
    """
    return guarded(task, lambda source: _deidentify(source, _settings))


def _deidentify(source: Source, settings: DeidentifyingSettings) -> DeidentifiedInstance:
    key, policy = settings.project_key, settings.policy
    result = source.deidentified(key, policy)
    data_set = result.data_set
    dicom_file.check_identity(data_set)
    dicom_file.check_one_uid(data_set, tags.STUDY_INSTANCE_UID, "Study Instance UID")
    dicom_file.check_one_uid(data_set, tags.SERIES_INSTANCE_UID, "Series Instance UID")
    pieces, walked = dicom_file.finished(data_set, result.transfer_syntax)
    facts = source.checked(
        data_set,
        walked,
        (*source.findings, *result.findings),
        key,
        policy,
        maps=settings.maps,
    )
    return DeidentifiedInstance(
        facts,
        data_set.text(tags.SOP_INSTANCE_UID),
        data_set.text(tags.STUDY_INSTANCE_UID),
        data_set.text(tags.SERIES_INSTANCE_UID),
        sha256_of(pieces),
        files.write_again(Path(settings.folder, source.task.ticket), gathered(pieces)),
    )


def deidentify(
    sources: Sequence[Path],
    target: Path,
    *,
    project_key: ProjectKey | None = None,
    deidentify: str = "basic",
    profile: SiteProfile | None = None,
    burned_in: str = "stop",
    map_out: Path | None = None,
    jobs: int | None = None,
    max_memory: int | None = None,
    exclude: Sequence[str] = (),
    skip_suspect: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """De-identify everything that is DICOM in `sources` into a new folder.

    Args:
        sources: files and folders; DICOM is found by content.
        target: a folder that is absent or empty.
        project_key: for pseudonyms that are the same in the next delivery; else a fresh key is thrown away.
        deidentify: ``basic``, or ``basic+option+option`` with options by the standard's names.
        profile: exceptions and additions of a site.
        burned_in: what to do where pixels may show text: ``stop``, ``clean``, or ``vouch`` for them.
        map_out: a file to be made for old and new UIDs; the Patient IDs go into one beside it.
        jobs: worker processes; by default one a core.
        max_memory: bytes for all worker processes together; by default what the machine has.
        exclude: patterns of names to leave out.
        skip_suspect: leave instances out that cannot be de-identified, instead of writing nothing.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense.
        InputError: a source is missing, or nothing in the sources can be de-identified.
        OutputError: the target is in use or cannot be written.
        SuspectError: an instance cannot be de-identified with certainty.
    """
    began, tell = time.monotonic(), on_progress or never
    place = Processes(jobs, max_memory)
    policy = policy_of(deidentify, burned_in, profile)
    target = Path(target).absolute()  # of "." nothing lies beside
    files.remove_dead(target)
    settle_maps(map_out, stands=files.is_filled(target))
    files.check_target_folder(target)
    with MapFiles(map_out) as maps, files.Staging(target) as staging:
        raw = staging.folder("raw")
        settings = DeidentifyingSettings(project_key or ProjectKey.new(), policy, str(raw), maps.wanted)
        intake: Intake[DeidentifiedInstance] = Intake()
        found = with_vocabularies(exchange.find(sources, exclude), policy, place, tell)
        intake.run(
            found,
            start_deidentifying,
            settings,
            deidentify_instance,
            place,
            demand_of(policy),
            tell,
            "de-identifying",
        )
        intake.check(skip_suspect, "de-identified")
        members, findings = intake.settle("written")
        folder = staging.folder("instances")
        for number, one in enumerate(members, start=1):
            components = target_of(
                number, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid
            )
            path = files.member_path(folder, components)
            files.make_folders(folder, path.parent)
            (raw / one.facts.ticket).rename(path)
        maps.publish([one.facts.maps for one in members])
        files.check_target_folder(target)
        files.publish_folder(folder, target)
        maps.keep()
    return Report(
        command="deidentify",
        instances_in=intake.instances_in,
        instances_out=len(members),
        skipped=tuple(intake.skipped),
        bytes_in=intake.bytes_in,
        bytes_out=sum(one.size for one in members),
        findings=(*findings, *about_limits()),
        seconds=time.monotonic() - began,
    )
