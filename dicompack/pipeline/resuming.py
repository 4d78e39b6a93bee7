"""What a packing run leaves for the next one, and what that takes over of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.serialization import Encoding

from dicompack import __version__, files
from dicompack.container import canonical_json
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.time_stamps import Stamp
from dicompack.errors import DicomPackError, InputError, UsageError
from dicompack.parties import Originator
from dicompack.pipeline import journal, originals
from dicompack.pipeline.instances import PackedInstance, object_path
from dicompack.pipeline.journal import Journal, Run
from dicompack.pipeline.plain_values import plain
from dicompack.pipeline.source_instances import SourceTask
from dicompack.report import Finding

_JOURNAL = "journal"
_OBJECTS = "objects"
_OUTLASTS = (_JOURNAL, _OBJECTS)


@dataclass(frozen=True)
class Record:
    """A finished member, and what its making depended on beside settings and source."""

    done: PackedInstance
    words: bytes
    """SHA-256 of the identifying words of its study."""


@dataclass
class Work:
    """The work of a run: what of it is done, and where the rest goes."""

    run: Run
    folder: Path
    """Where sealed objects go."""
    _staging: files.Staging
    _journal: Journal | None = None
    _left: dict[str, list[Record]] = field(default_factory=dict)
    _words: dict[str, bytes] = field(default_factory=dict)
    first_ticket: int = 0
    """Smaller ones may be those of the run that ended."""
    taken: int = 0
    """Members that were taken over."""

    def earlier(self, task: SourceTask) -> PackedInstance | None:
        """The member that an earlier run made of this source, if source and objects are what they were."""
        words = _digest_of_words(task)
        self._words[task.ticket] = words
        for record in self._left.get(task.name, []):
            done = record.done
            if record.words == words and self._holds(done, Path(task.path)):  # JRN-6
                self._left[task.name].remove(record)
                self.taken += 1
                return done
        return None

    def _holds(self, done: PackedInstance, source: Path) -> bool:
        try:
            if files.sha256(source) != done.facts.sha256:
                return False
            for number, sealed in enumerate(done.member.objects, start=1):
                if files.sha256(object_path(self.folder, done.staged, number)) != sealed.digest.whole:
                    return False
            if done.kept is not None:
                originals.check_kept(self.folder, done.staged, self.run.staging_key)
        except (OSError, DicomPackError):
            return False
        return True

    def note(self, done: PackedInstance) -> None:
        """Keep what is known of a finished member, for a run that goes on."""
        if self._journal is not None:
            self._journal.note(Record(done, self._words.pop(done.facts.ticket)))
            self._staging.outlasts = _OUTLASTS

    @property
    def journal_path(self) -> Path:
        """Where workers of a cluster find it."""
        return self._staging.path / _JOURNAL

    @property
    def resumable(self) -> bool:
        """Whether another run could go on with this one."""
        return self._journal is not None and self._journal.count > 0

    def tell(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """What whoever interrupts the run is told."""
        if isinstance(error, KeyboardInterrupt) and self.resumable:
            error.add_note("the same call with --resume goes on; without it, what is sealed is removed")

    def asking(self, stamp: Stamp) -> Stamp:
        """The same question to a time-stamp authority; what is sealed outlasts that it is not answered."""

        def ask(signature: bytes) -> bytes:
            try:
                return stamp(signature)
            except InputError as error:
                if self.resumable:
                    self._staging.outlasts_errors = True
                    error.hint = (
                        "the same call with --resume asks again; without it, what is sealed is removed"
                    )
                raise

        return ask

    def close(self) -> None:
        """Give the journal back."""
        if self._journal is not None:
            self._journal.close()

    def findings(self) -> list[Finding]:
        """What was taken over."""
        if not self.taken:
            return []
        return [Finding("resumed", "", f"{self.taken} instances were sealed by the run that ended before")]


def check_resumable(own: DecryptionKey | None, originator: Originator) -> None:
    """See that there is a key that opens a journal, and that members of an earlier run can be taken over.

    Raises:
        UsageError: there is none, or they cannot.
    """
    if originator.password is not None:  # PWD-4
        raise UsageError(
            "a run with a password cannot go on: each has its own salt",
            rule="PWD-4",
            hint="pack without --resume",
        )
    if own is None:  # JRN-2
        raise UsageError(
            "--resume needs your own decryption key, which opens the journal",
            rule="JRN-2",
            hint="name it with --identity, and leave out --no-self",
        )


def begin(
    staging: files.Staging,
    originator: Originator,
    own: DecryptionKey | None,
    settings: bytes,
    *,
    resume: bool,
) -> Work:
    """Go on with what lies in staging, or begin with an empty one.

    Raises:
        NoMatchError, UsageError: what lies there was made by somebody else, or otherwise; it is kept.
        BadSignatureError, FormatError: it was tampered with; it is kept.
    """
    path = staging.path / _JOURNAL
    if not (resume and own is not None and path.is_file()):
        staging.clear()
        folder = staging.folder(_OBJECTS)  # first: where there is a journal, it is there
        run = Run.new(originator.project_key)
        made = (
            Journal.create(path, run, settings, originator.signing, own)
            if own is not None and originator.password is None
            else None
        )
        return Work(run, folder, staging, made)
    staging.outlasts, staging.outlasts_errors = _OUTLASTS, True
    left = journal.read(path, Record, settings, originator.signing, own)
    staging.outlasts_errors = False
    staging.clear(_OUTLASTS)
    by_name: dict[str, list[Record]] = {}
    for record in left.records:
        by_name.setdefault(record.done.facts.name, []).append(record)
    tickets = [int(record.done.facts.ticket) for record in left.records]
    folder = staging.path / _OBJECTS
    known = {one for record in left.records for one in _files_of(record.done, folder)}
    for entry in folder.iterdir():
        if entry not in known:  # an object that was not finished, or was made of those that are
            entry.unlink()
    resumed = left.resumed(path)
    return Work(left.run, folder, staging, resumed, by_name, first_ticket=max(tickets, default=-1) + 1)


def _files_of(done: PackedInstance, folder: Path) -> list[Path]:
    found = [object_path(folder, done.staged, number) for number in range(1, len(done.member.objects) + 1)]
    return [*found, originals.kept_path(folder, done.staged)]


def digest_of_settings(originator: Originator, project_key: ProjectKey | None, *others: object) -> bytes:
    """SHA-256 of everything but the sources that decides what becomes of an instance."""
    certificates = (
        originator.signing.certificate,
        originator.signer_of_instances.certificate,
        *originator.recipient_certificates,
        None,
        *originator.custodian_certificates,
    )
    value = [
        __version__,
        [plain(one.public_bytes(Encoding.DER)) if one is not None else None for one in certificates],
        plain(originator.password.derivation.name) if originator.password is not None else None,
        plain(project_key.marshal()) if project_key is not None else None,
        [plain(one) for one in others],
    ]
    return hashlib.sha256(canonical_json.marshal(value)).digest()


def _digest_of_words(task: SourceTask) -> bytes:
    return hashlib.sha256(canonical_json.marshal(plain(task.vocabulary))).digest()
