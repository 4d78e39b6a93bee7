"""From what a person names to finished instances: workers over all sources, and what came of each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from dicompack.dicom.identifying_values import NOTHING, IdentifyingValues
from dicompack.dicom.references import References
from dicompack.errors import DicomPackError, InputError, SuspectError
from dicompack.exchange import sources as exchange
from dicompack.pipeline.opening import OnProgress
from dicompack.pipeline.source_instances import Refused, SourceFacts, SourceTask
from dicompack.report import Finding, Progress, Skipped
from dicompack.workers import Demand, Place, WorkerDiedError, Workers

if TYPE_CHECKING:  # word lists, which only cleaning has to read
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

Settings = TypeVar("Settings")


class Finished(Protocol):
    """What a worker gives for a source."""

    @property
    def facts(self) -> SourceFacts:
        """Of the source."""
        ...

    @property
    def order(self) -> tuple[str, str]:
        """New SOP Instance UID and a digest: the order of members."""
        ...

    def with_facts(self, facts: SourceFacts) -> Self:
        """The same with other facts, and no more in memory than it needs."""
        ...


One = TypeVar("One", bound=Finished)


@dataclass
class Intake(Generic[One]):
    """What has happened so far."""

    finished: list[One] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    suspect: list[str] = field(default_factory=list)
    hints: dict[str, None] = field(default_factory=dict)
    """What to do about suspects, each once."""
    keeps_others: bool = False
    """Whether files that are no DICOM are wanted, too."""
    others: list[exchange.OtherFile] = field(default_factory=list)
    bytes_in: int = 0
    found: int = 0
    _words: dict[bytes, int] = field(default_factory=dict)
    _uids: dict[bytes, int] = field(default_factory=dict)
    _dates: dict[bytes, int] = field(default_factory=dict)
    _once: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)

    @property
    def identifying(self) -> IdentifyingValues:
        """What identifies any of the sources."""
        return IdentifyingValues(self._words, self._uids, self._dates)

    @property
    def instances_in(self) -> int:
        """Files recognised as DICOM."""
        return len(self.finished) + sum(skipped.dicom for skipped in self.skipped)

    def run(
        self,
        found: Iterable[tuple[exchange.Entry, Vocabulary | None]],
        start: Callable[[Settings], None],
        settings: Settings,
        work: Callable[[SourceTask], One | Refused],
        place: Place,
        demand: Callable[[SourceTask], Demand],
        on_progress: OnProgress,
        phase: str,
        *,
        earlier: Callable[[SourceTask], One | None] = lambda _task: None,
        note: Callable[[One], None] = lambda _one: None,
        first_ticket: int = 0,
    ) -> None:
        """Let workers do `work` for everything that is found.

        What `earlier` gives for a source need not be done; what is done `note` is told of. Tickets are
        numbers from `first_ticket`.
        """
        order: dict[str, int] = {}

        def tasks() -> Iterator[SourceTask]:
            for entry, vocabulary in found:
                if isinstance(entry, Skipped):
                    self.skipped.append(entry)
                    continue
                if isinstance(entry, exchange.OtherFile):
                    self._set_aside(entry)
                    continue
                self.found += 1
                task = SourceTask(
                    entry.name, str(entry.path.absolute()), f"{first_ticket + self.found:08d}", vocabulary
                )
                done = earlier(task)
                order[done.facts.ticket if done else task.ticket] = self.found
                if done:
                    self._finish(done)
                else:
                    yield task

        workers = Workers(start, settings, work, place, demand)
        for done, (task, result) in enumerate(workers.run(tasks()), start=1):
            on_progress(Progress(phase, done, self.found, "instances"))
            if isinstance(result, WorkerDiedError):
                self.skipped.append(Skipped(task.name, dicom=True, reason=result.message))
            elif isinstance(result, Refused):
                self._refuse(task, result)
            else:
                note(result)
                self._finish(result)
        self.finished.sort(key=lambda one: order[one.facts.ticket])

    def _finish(self, one: One) -> None:
        """What is needed of it further on; there may be 100 000."""
        facts = one.facts
        self._words.update(facts.identifying.words)
        self._uids.update(facts.identifying.uids)
        self._dates.update(facts.identifying.dates)
        lean = replace(facts, identifying=NOTHING, references=self._lean(facts.references))
        self.finished.append(one.with_facts(lean))
        self.bytes_in += facts.size

    def _lean(self, told: References) -> References:
        """Without itself among those that it names, and with what many have in common only once in memory."""
        named = told.names_instances - {told.instance}, told.names_frames_of_reference
        frames, instances, others = (
            self._once.setdefault(uids, uids) for uids in (told.frames_of_reference, *named)
        )
        return References(intern(told.instance), frames, instances, others)

    def _set_aside(self, other: exchange.OtherFile) -> None:
        if self.keeps_others:
            self.others.append(other)
        else:
            self.skipped.append(other.skipped)

    def _refuse(self, task: SourceTask, refused: Refused) -> None:
        if not refused.dicom:
            self._set_aside(exchange.OtherFile(task.name, Path(task.path), refused.reason))
            return
        self.skipped.append(Skipped(refused.name, refused.dicom, refused.reason))
        self.bytes_in += refused.source_size
        if refused.suspect:
            self.suspect.append(refused.name)
            if refused.hint:
                self.hints[refused.hint] = None

    def forget(self) -> None:
        """Give the memory back that what was found has: of 100 000 sources some 300 MB."""
        for known in (self.finished, self._words, self._uids, self._dates, self._once):
            known.clear()

    def check(self, skip_suspect: bool, verb: str) -> None:
        """See that something came of it, and that nothing is suspect or suspects are to be left out.

        Raises:
            SuspectError: an instance cannot be de-identified with certainty.
            InputError: there is nothing DICOM, or none of it can be used.
        """
        error: DicomPackError
        if self.suspect and not skip_suspect:
            error = SuspectError(
                _cannot_vouch(len(self.suspect)),
                hint="; ".join((*self.hints, "--on-suspect skip leaves them out")),
            )
        elif not self.finished:
            several = sum(skipped.dicom for skipped in self.skipped)
            what = (
                f"none of {several} instances can be {verb}"
                if several
                else "there is nothing DICOM in the source"
            )
            error = InputError(
                what, hint="see the reasons" if several else "name the folder that holds the study"
            )
        else:
            return
        error.faults = tuple(f"{one.name}: {one.reason}" for one in self.skipped if one.dicom)
        error.skipped = tuple(self.skipped)
        raise error

    def settle(self, verb: str) -> tuple[list[One], list[Finding]]:
        """Byte-identical sources once, in the order of the new UIDs; and what there is to say."""
        by_source: dict[bytes, One] = {}
        for one in self.finished:
            first = by_source.setdefault(one.facts.sha256, one)
            if first is not one:
                reason = f"the same bytes as {first.facts.name}"
                self.skipped.append(Skipped(one.facts.name, dicom=True, reason=reason))
        self.finished = list(by_source.values())
        members = sorted(self.finished, key=lambda one: one.order)
        findings = [finding for one in members for finding in one.facts.findings]
        for before, one in itertools.pairwise(members):
            if before.order[0] == one.order[0]:
                message = f"has the SOP Instance UID of {before.facts.name}, but other bytes; both are {verb}"
                findings.append(Finding("uid-conflict", one.facts.name, message))
        return members, [*findings, *_dangling([one.facts for one in members])]


def _cannot_vouch(count: int) -> str:
    what = "1 instance" if count == 1 else f"{count} instances"
    return f"{what} cannot be de-identified with certainty"


def _dangling(members: Sequence[SourceFacts]) -> list[Finding]:
    """CHK-7: references that lead to nothing in the output, counted."""
    instances = {one.references.instance for one in members}
    frames = {uid for one in members for uid in one.references.frames_of_reference}
    found = []
    for what, there, named in (
        ("instances", instances, [one.references.names_instances for one in members]),
        ("frames of reference", frames, [one.references.names_frames_of_reference for one in members]),
    ):
        missing = Counter(uid for uids in named for uid in uids if uid not in there)
        by = sum(not uids <= there for uids in named)
        if missing:
            message = f"{len(missing)} {what} that {by} instances refer to are not in the output"
            found.append(Finding("dangling-reference", "", message, rule="CHK-7"))
    return found
