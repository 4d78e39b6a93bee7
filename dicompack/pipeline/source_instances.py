"""Stage 1 and what surrounds it, for one source: what `pack`, `deidentify` and `plan` have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dicompack import files
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.confidentiality import Option, new_uid
from dicompack.dicom.confidentiality.pseudonyms import PATIENT_ID
from dicompack.dicom.dataset import Buffer, DataSet
from dicompack.dicom.dicom_file import DicomFile
from dicompack.dicom.identifying_values import NOTHING, IdentifyingValues, identifying_values
from dicompack.dicom.independent_check import check_instance
from dicompack.dicom.references import References, references, uids
from dicompack.errors import DicomPackError, InputError, NotDicomError, NoTimeStampError, SuspectError
from dicompack.report import Finding
from dicompack.stages import deidentification, source_signatures
from dicompack.stages.artifacts import Deidentified, Instance
from dicompack.stages.deidentification import Policy

if TYPE_CHECKING:  # word lists, which only cleaning has to read
    from dicompack.dicom.confidentiality.vocabulary import Vocabulary

MAX_SOURCE = (4 << 30) + (64 << 20)
"""What was tried: the longest native Pixel Data, and a header. Large ones are never in memory as a whole."""

MAX_SWAPPED = 1 << 30
"""Of a source in big endian, whose samples are turned round in memory."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SourceTask:
    """A source, and the name that what is made of it gets in staging."""

    name: str
    path: str
    ticket: str
    vocabulary: Vocabulary | None = None
    """Identifying words of the study, where they were gathered."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing came of a source."""

    name: str
    reason: str
    dicom: bool
    suspect: bool = False
    source_size: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Maps:
    """Old to new, for whoever has the right to know; empty unless asked for."""

    uids: tuple[tuple[str, str], ...] = ()
    patients: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source and its result. It stays with the sender."""

    name: str
    ticket: str
    sha256: bytes
    """Of the source: it tells duplicates, and goes nowhere."""
    size: int
    findings: tuple[Finding, ...]
    identifying: IdentifyingValues
    references: References
    maps: Maps


class Source:
    """A source that was read and walked: whole, and an instance."""

    def __init__(self, task: SourceTask, data: Buffer) -> None:
        file = dicom_file.parse(data)
        if file.is_directory:
            raise NotDicomError("a DICOMDIR: it describes media, and is no instance")
        dicom_file.check_complete(file.data_set)
        if file.transfer_syntax.big_endian and len(data) > MAX_SWAPPED:
            raise InputError(f"{len(data)} bytes, of a big endian file there may be {MAX_SWAPPED}")
        self.task = task
        self.data = data
        self.preamble = file.preamble
        self.instance = Instance(file.data_set, file.transfer_syntax)
        self.findings = (*_about_meta(file), *source_signatures.findings(file.data_set))
        self.sha256 = hashlib.sha256(data).digest()
        self.size = len(data)

    def deidentified(self, project_key: ProjectKey, policy: Policy) -> Deidentified:
        """Stage 1.

        Raises:
            SuspectError: it cannot be de-identified, or its pixels are suspect.
        """
        return deidentification.pack(self.instance, project_key, policy, self.task.vocabulary)

    def as_is(self, findings: tuple[Finding, ...]) -> SourceFacts:
        """What is known of a source that is not de-identified: there is nothing to check."""
        return SourceFacts(
            self.task.name,
            self.task.ticket,
            self.sha256,
            self.size,
            tuple(replace(finding, where=self.task.name) for finding in findings),
            NOTHING,
            references(self.instance.data_set),
            Maps(),
        )

    def checked(
        self,
        result: DataSet,
        finished: DicomFile,
        findings: tuple[Finding, ...],
        project_key: ProjectKey,
        policy: Policy,
        *,
        maps: bool,
    ) -> SourceFacts:
        """What is known after the independent check has passed on a walk of what leaves.

        Raises:
            SuspectError: the finished file holds something that identifies the source.
        """
        source = self.instance.data_set
        options = policy.effective
        identifying = identifying_values(source, options, policy.retained)
        own = deidentification.own_values(result)
        written = deidentification.written_values(source, identifying.words, policy)
        check_instance(finished, identifying, self.sha256, own, options, written)
        return SourceFacts(
            self.task.name,
            self.task.ticket,
            self.sha256,
            self.size,
            tuple(replace(finding, where=self.task.name) for finding in findings),
            identifying,
            references(result),
            _maps(source, result, project_key, policy) if maps else Maps(),
        )


def _about_meta(file: DicomFile) -> list[Finding]:
    named = (
        file.meta.text(tags.MEDIA_STORAGE_SOP_CLASS_UID),
        file.meta.text(tags.MEDIA_STORAGE_SOP_INSTANCE_UID),
    )
    own = file.data_set.text(tags.SOP_CLASS_UID), file.data_set.text(tags.SOP_INSTANCE_UID)
    if len(file.meta) and named != own:
        message = "its file meta information names another instance; the data set was believed"
        return [Finding("file-meta", "", message)]
    return []


def guarded(task: SourceTask, work: Callable[[Source], Result]) -> Result | Refused:
    """Do something with a source; what is wrong with the source is an answer, and no error.

    Raises:
        OSError: something cannot be written; an unreadable source is `Refused`.
        NoTimeStampError: a time-stamp authority gives none, which is no fault of the source.
    """
    try:
        source = files.SourceBytes(Path(task.path), MAX_SOURCE)
    except OSError as error:
        return Refused(task.name, f"cannot be read: {error.strerror}", dicom=True)
    except InputError as error:
        return Refused(task.name, error.message, dicom=True)
    try:
        result = work(Source(task, source.data))
        source.check_unchanged()
        return result
    except NotDicomError as error:
        return Refused(task.name, error.message, dicom=False)
    except NoTimeStampError:
        raise
    except DicomPackError as error:
        suspect = isinstance(error, SuspectError)
        return Refused(task.name, str(error), True, suspect, len(source.data), error.hint or "")


def _maps(source: DataSet, result: DataSet, project_key: ProjectKey, policy: Policy) -> Maps:
    """UIDs and the Patient ID as they were and as they are, where that is not the same."""
    present = uids(result)
    pairs = []
    if Option.RETAIN_UIDS not in policy.effective:
        for old in sorted(uids(source)):
            new = new_uid(old, project_key.derive) if old else old
            if new != old and new in present:
                pairs.append((old, new))
    patient = _patient_id(source), result.text(PATIENT_ID)
    return Maps(tuple(pairs), (patient,) if all(patient) and patient[0] != patient[1] else ())


def _patient_id(source: DataSet) -> str:
    return (source.raw(PATIENT_ID) or b"").strip(b" \0").decode("utf-8", "backslashreplace")
