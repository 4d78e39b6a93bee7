"""What `pack` and `deidentify` would do: every attribute before and after, and nothing is written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.changes import ACTIONS, attribute_name, changes
from dicompack.dicom.confidentiality import SiteProfile
from dicompack.dicom.confidentiality.private import public_creator
from dicompack.dicom.dataset import tag_text
from dicompack.errors import InputError, SuspectError
from dicompack.exchange import sources as exchange
from dicompack.pipeline.demands import about_limits, demand_of
from dicompack.pipeline.intake import Intake
from dicompack.pipeline.opening import OnProgress, never
from dicompack.pipeline.policies import policy_of, with_vocabularies
from dicompack.pipeline.source_instances import Refused, Source, SourceFacts, SourceTask, guarded
from dicompack.report import Report, Skipped
from dicompack.stages.deidentification import Policy
from dicompack.workers import Processes

_SHOWN_VALUES = 20
"""Different values of an attribute that a person is shown, at most."""


@dataclass(frozen=True)
class PlanningSettings:
    """What a worker knows."""

    project_key: ProjectKey
    policy: Policy
    show_identifiers: bool


@dataclass(frozen=True)
class _Key:
    tag: int
    creator: str
    action: str


@dataclass
class _Seen:
    vr: str
    count: int = 0
    before: set[bytes] = field(default_factory=set)
    after: set[bytes] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)

    def add(self, other: _Seen) -> None:
        self.count += other.count
        self.before |= other.before
        self.after |= other.after
        self.note(other.values)

    def note(self, values: dict[str, str]) -> None:
        for old, new in values.items():
            if len(self.values) < _SHOWN_VALUES:
                self.values.setdefault(old, new)


@dataclass(frozen=True)
class PlannedInstance:
    """What would come of a source."""

    facts: SourceFacts
    sop_instance_uid: str
    attributes: dict[_Key, _Seen]
    refusal: str = ""
    """Why it would not pass as it is asked for: its pixels; the attributes are those if somebody vouched."""

    @property
    def order(self) -> tuple[str, str]:
        """The place among the others."""
        return self.sop_instance_uid, self.facts.sha256.hex()

    def with_facts(self, facts: SourceFacts) -> Self:
        """The same with other facts."""
        return replace(self, facts=facts)


@dataclass(frozen=True)
class PlannedAttribute:
    """One action on one attribute, over all instances and levels."""

    tag: str
    name: str
    vr: str
    creator: str
    action: str
    """One of `dicom.changes.ACTIONS`."""
    count: int
    values_before: int
    """Different values in the sources."""
    values_after: int
    examples: tuple[tuple[str, str], ...] = ()
    """Before and after; only where identifiers are to be shown."""


@dataclass(frozen=True)
class Blocked:
    """An instance that would stop a run or be left out."""

    name: str
    reason: str
    suspect: bool


@dataclass(frozen=True)
class Plan:
    """What would be done."""

    report: Report
    attributes: tuple[PlannedAttribute, ...]
    blocked: tuple[Blocked, ...]


_settings: PlanningSettings


def start_planning(settings: PlanningSettings) -> None:
    """Once in each worker."""
    global _settings
    _settings = settings


def plan_instance(task: SourceTask) -> PlannedInstance | Refused:
    """Stage 1 and the independent check, without a result."""
    return guarded(task, lambda source: _plan(source, _settings))


def _plan(source: Source, settings: PlanningSettings) -> PlannedInstance:
    policy = settings.policy
    try:
        return _planned(source, settings, policy)
    except SuspectError as error:
        vouched = replace(policy, burned_in="vouch")
        if policy == vouched:
            raise
        try:
            return replace(_planned(source, settings, vouched), refusal=str(error))
        except SuspectError:
            raise error from None


def _planned(source: Source, settings: PlanningSettings, policy: Policy) -> PlannedInstance:
    key = settings.project_key
    result = source.deidentified(key, policy)
    _, walked = dicom_file.finished(result.data_set, result.transfer_syntax)
    facts = source.checked(
        result.data_set, walked, (*source.findings, *result.findings), key, policy, maps=False
    )
    attributes: dict[_Key, _Seen] = {}
    for change in changes(source.instance.data_set, result.data_set):
        # CLI-14: a creator is a text of the instance
        creator = change.creator if settings.show_identifiers else public_creator(change.creator)
        seen = attributes.setdefault(_Key(change.tag, creator, change.action), _Seen(change.vr))
        seen.count += 1
        seen.before.update((change.before,) if change.before else ())
        seen.after.update((change.after,) if change.after else ())
        if settings.show_identifiers:
            seen.note({change.shown_before: change.shown_after})
    return PlannedInstance(facts, result.data_set.text(tags.SOP_INSTANCE_UID), attributes)


def plan(
    sources: Sequence[Path],
    *,
    project_key: ProjectKey | None = None,
    deidentify: str = "basic",
    profile: SiteProfile | None = None,
    burned_in: str = "stop",
    show_identifiers: bool = False,
    jobs: int | None = None,
    max_memory: int | None = None,
    exclude: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Plan:
    """What de-identification would do with everything that is DICOM in `sources`; writes nothing.

    Args:
        sources: files and folders; DICOM is found by content.
        project_key: for the pseudonyms that would be given.
        deidentify: ``basic``, or ``basic+option+option`` with options by the standard's names.
        profile: exceptions and additions of a site.
        burned_in: what would be done where pixels may show text: ``stop``, ``clean``, or ``vouch``.
        show_identifiers: tell values, and names of files; else files are numbered as they are found.
        jobs: worker processes; by default one a core.
        max_memory: bytes for all worker processes together; by default what the machine has.
        exclude: patterns of names to leave out.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense.
        InputError: a source is missing, or there is nothing DICOM.
    """
    began, tell = time.monotonic(), on_progress or never
    place = Processes(jobs, max_memory)
    policy = policy_of(deidentify, burned_in, profile)
    settings = PlanningSettings(project_key or ProjectKey.new(), policy, show_identifiers)
    intake: Intake[PlannedInstance] = Intake()
    entries = exchange.find(sources, exclude)
    named = entries if show_identifiers else _numbered(entries)
    found = with_vocabularies(named, policy, place, tell)
    intake.run(found, start_planning, settings, plan_instance, place, demand_of(policy), tell, "planning")
    if not intake.instances_in:
        raise InputError("there is nothing DICOM in the source", hint="name the folder that holds the study")
    held_back = [one for one in intake.finished if one.refusal]
    intake.finished = [one for one in intake.finished if not one.refusal]
    intake.skipped += [Skipped(one.facts.name, dicom=True, reason=one.refusal) for one in held_back]
    suspect = frozenset((*intake.suspect, *(one.facts.name for one in held_back)))
    blocked = tuple(Blocked(one.name, one.reason, one.name in suspect) for one in intake.skipped if one.dicom)
    members, findings = intake.settle("packed")
    report = Report(
        command="plan",
        instances_in=intake.instances_in,
        instances_out=len(members),
        skipped=tuple(intake.skipped),
        bytes_in=intake.bytes_in,
        findings=(*findings, *about_limits()),
        complete="not-checked",
        seconds=time.monotonic() - began,
    )
    return Plan(report, _rows((*members, *held_back)), blocked)


def _numbered(entries: Iterable[exchange.Entry]) -> Iterator[exchange.Entry]:
    """Without names, in which a patient's may stand (CLI-14)."""
    for number, entry in enumerate(entries, start=1):
        yield replace(entry, name=f"file {number}")


def _rows(members: Iterable[PlannedInstance]) -> tuple[PlannedAttribute, ...]:
    together: defaultdict[_Key, _Seen] = defaultdict(lambda: _Seen(""))
    for member in members:
        for key, seen in member.attributes.items():
            together[key].vr = seen.vr
            together[key].add(seen)
    ordered = sorted(
        together.items(), key=lambda one: (one[0].tag, one[0].creator, ACTIONS.index(one[0].action))
    )
    return tuple(
        PlannedAttribute(
            tag_text(key.tag),
            attribute_name(key.tag),
            seen.vr,
            key.creator,
            key.action,
            seen.count,
            len(seen.before),
            len(seen.after),
            tuple(sorted(seen.values.items())),
        )
        for key, seen in ordered
    )
