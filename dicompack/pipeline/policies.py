"""From what a person asks for to the policy of a run, and the first pass that some policies need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicompack.dicom import tags
from dicompack.dicom.confidentiality import SiteProfile, parse_deidentify
from dicompack.exchange.sources import Entry, SourceFile
from dicompack.pipeline.demands import demand_of_source
from dicompack.pipeline.opening import OnProgress
from dicompack.pipeline.source_instances import Refused, Source, SourceTask, guarded
from dicompack.report import Progress
from dicompack.stages.deidentification import Policy
from dicompack.workers import Place, WorkerDiedError, Workers

if TYPE_CHECKING:  # word lists, which only cleaning has to read
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary


AS_IS = "none"
"""Instances as they are, instead of a profile."""


def policy_of(deidentify: str, burned_in: str, profile: SiteProfile | None = None) -> Policy:
    """The policy of ``basic+option+option``, a site profile, and a way with burned-in text.

    Raises:
        UsageError: an option that does not exist, options that exclude each other, what cannot be done here.
    """
    policy = Policy(parse_deidentify(deidentify), profile, burned_in)
    policy.check()
    return policy


@dataclass(frozen=True)
class _Words:
    """What a source says of people and places, and the study that it belongs to."""

    study: str
    vocabulary: Vocabulary


def with_vocabularies(
    found: Iterable[Entry],
    policy: Policy | None,
    place: Place,
    on_progress: OnProgress,
) -> Iterator[tuple[Entry, Vocabulary | None]]:
    """What is found, each with the words of its whole study; a pass over all sources where that needs one."""
    if policy is None or not policy.needs_vocabulary:
        for entry in found:
            yield entry, None
        return
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

    entries = list(found)
    files = {str(number): one for number, one in enumerate(entries) if isinstance(one, SourceFile)}
    tasks = (SourceTask(one.name, str(one.path.absolute()), ticket) for ticket, one in files.items())
    workers: Workers[None, SourceTask, _Words | Refused] = Workers(
        _start, None, _gather, place, demand_of_source
    )
    studies: dict[str, Vocabulary] = {}
    study_of: dict[str, str] = {}
    for done, (task, words) in enumerate(workers.run(tasks), start=1):
        on_progress(Progress("finding", done, len(files), "instances"))
        if isinstance(words, Refused | WorkerDiedError) or not words.study:
            continue  # what is wrong with it is said when its turn comes
        study_of[task.path] = words.study
        studies[words.study] = studies.get(words.study, Vocabulary()) | words.vocabulary
    for entry in entries:
        study = study_of.get(str(entry.path.absolute())) if isinstance(entry, SourceFile) else None
        yield entry, studies[study] if study is not None else None


def _start(_settings: None) -> None:
    """There is nothing to know for this."""


def _gather(task: SourceTask) -> _Words | Refused:
    return guarded(task, _words)


def _words(source: Source) -> _Words:
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

    data_set = source.instance.data_set
    return _Words(data_set.text(tags.STUDY_INSTANCE_UID), Vocabulary.of(data_set))
