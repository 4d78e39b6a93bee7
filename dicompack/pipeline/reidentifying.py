"""De-identified instances get their original attributes back, long after they left their package.

For a custodian only. All files together: instances with Encrypted Attributes first, then objects that
refer to them. Nothing has its final name before every one of the first has passed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from dicompack import files
from dicompack.crypto.certificates import name_of
from dicompack.crypto.keys import DecryptionKey
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dataset import DataSet, tag_text
from dicompack.dicom.dicom_file import is_image
from dicompack.dicom.encoding import gathered
from dicompack.dicom.encrypted_attributes import ENCRYPTED_ATTRIBUTES_SEQUENCE
from dicompack.dicom.original_references import OriginalReferences
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import DicomPackError, InputError, NotDicomError, gravest
from dicompack.exchange import sources as exchange
from dicompack.exchange.sources import OtherFile, SourceFile
from dicompack.parties import Recipient
from dicompack.pipeline.opening import OnProgress, never
from dicompack.pipeline.source_instances import MAX_SOURCE
from dicompack.pipeline.unpacking_tasks import target_of
from dicompack.report import Finding, Progress, Report, SignatureVerdict, Skipped
from dicompack.stages import reidentification
from dicompack.stages.artifacts import Instance
from dicompack.stages.reidentification import Reidentified

_UID = re.compile(r"[0-9][0-9.]{0,63}")
_UNRELATED = "holds no encrypted attributes, and refers to no instance that does"
_METHOD = 0x00120063  # De-identification Method
_OWN_METHOD = "DICOMPack"
_STRIPPED = "a de-identified instance whose encrypted attributes are gone"


def reidentify(
    sources: Sequence[Path],
    target: Path,
    *,
    recipient: Recipient,
    accept_unbound: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Give instances their identity back, and the objects made on them their references.

    Args:
        sources: files and folders; DICOM is found by content.
        target: a folder that is absent or empty.
        recipient: the custodian's keys, and whom to believe.
        accept_unbound: take what no originator has bound to its instance, as other programs write it.
        on_progress: is told how far the run is.

    Raises:
        InputError: a source is missing or broken, or there is nothing to re-identify.
        OutputError: the target is in use or cannot be written.
        NoMatchError: an instance is for other custodians.
        UntrustedError: who bound it to its instance is not trusted.
        BadSignatureError: something is not what was encrypted, or is another instance's.
    """
    began, tell = time.monotonic(), on_progress or never
    target = Path(target).absolute()  # of "." nothing lies beside
    files.remove_dead(target)
    files.check_target_folder(target)
    found = list(exchange.find(sources))
    entries = [one for one in found if isinstance(one, SourceFile)]
    run = _Run(recipient, accept_unbound)
    run.skipped += [
        one.skipped if isinstance(one, OtherFile) else one for one in found if not isinstance(one, SourceFile)
    ]
    with files.Staging(target) as staging:
        run.folder = staging.folder("instances")
        waiting = []
        for done, entry in enumerate(entries, start=1):
            if run.guarded(entry, run.reidentify) is False:
                waiting.append(entry)
            tell(Progress("re-identifying", done, len(entries), "instances"))
        run.check()
        for entry in waiting:
            run.guarded(entry, run.derive)
        run.check()
        if not run.written:
            raise InputError("nothing to re-identify", hint="name instances with encrypted attributes")
        files.check_target_folder(target)
        files.publish_folder(run.folder, target)
    return Report(
        command="reidentify",
        instances_in=len(entries) - run.strangers,
        instances_out=run.written,
        skipped=tuple(run.skipped),
        bytes_in=run.bytes_in,
        bytes_out=run.bytes_out,
        findings=tuple(run.findings),
        signatures=tuple(run.verdicts),
        seconds=time.monotonic() - began,
    )


_Work: TypeAlias = Callable[[SourceFile, Instance], bool]


@dataclass
class _Run:
    """What the files of a run have in common."""

    recipient: Recipient
    accept_unbound: bool
    folder: Path = field(default_factory=Path)
    references: OriginalReferences = field(default_factory=OriginalReferences)
    errors: list[DicomPackError] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    verdicts: list[SignatureVerdict] = field(default_factory=list)
    strangers: int = 0
    """Files that looked like DICOM, and were not."""
    written: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __post_init__(self) -> None:
        self._judge = reidentification.judge_by(self.recipient.trust)

    def guarded(self, entry: SourceFile, work: _Work) -> bool | None:
        """Do something with a file, and keep its error for the end; None where it failed."""
        try:
            data = files.SourceBytes(entry.path, MAX_SOURCE).data
            file = dicom_file.parse(data)
            if file.is_directory:
                raise NotDicomError("a DICOMDIR: it describes media, and is no instance")
            done = work(entry, Instance(file.data_set, file.transfer_syntax))
        except NotDicomError as error:
            self.strangers += 1
            self.skipped.append(Skipped(entry.name, dicom=False, reason=error.message))
            return None
        except InputError as error:  # an original that no file can hold must not keep the others back
            self.skipped.append(Skipped(entry.name, dicom=True, reason=str(error)))
            return None
        except DicomPackError as error:
            error.where = entry.name + (f", {error.where}" if error.where else "")
            self.errors.append(error)
            return None
        self.bytes_in += len(data) if done else 0
        return done

    def reidentify(self, entry: SourceFile, item: Instance) -> bool:
        """An instance that has Encrypted Attributes; False for any other."""
        if ENCRYPTED_ATTRIBUTES_SEQUENCE not in item.data_set:
            return False
        own = [key for key in self.recipient.keys if isinstance(key, DecryptionKey)]
        result = reidentification.unpack(item, own, self._judge, accept_unbound=self.accept_unbound)
        self._write(result.data_set, result.transfer_syntax)
        # Only what was written vouches for objects that refer to it.
        self.references.add(item.data_set, result.data_set, result.uids)
        self._note(entry, result.findings)
        if result.signer is not None:
            self.verdicts.append(_verdict(result))
        return True

    def derive(self, entry: SourceFile, item: Instance) -> bool:
        """An object that refers to instances that were re-identified."""
        # A packed image keeps its stamp; what is derived from images is of another class, or stamps itself.
        packed = is_image(item.data_set) and item.data_set.text(_METHOD).startswith(_OWN_METHOD)
        stripped = packed or self.references.knows(item.data_set.text(tags.SOP_INSTANCE_UID))
        restored = None if stripped else self.references.restore(item.data_set)
        if restored is None:
            reason = _STRIPPED if stripped else _UNRELATED
            self.skipped.append(Skipped(entry.name, dicom=True, reason=reason))
            return True
        message = f"{restored.references} references restored; nobody vouches for the object itself"
        found = [Finding("references-restored", "", message, rule="ENA-15")]  # ENA-15
        if restored.left:
            message = "its character set is another, so these stay as they are: "
            message += ", ".join(map(tag_text, restored.left))
            found.append(Finding("not-restored", "", message, rule="ENA-15"))
        self._note(entry, found)
        self._write(restored.data_set, item.transfer_syntax)
        return True

    def check(self) -> None:
        """See that nothing has failed.

        Raises:
            DicomPackError: the gravest error; its `faults` name every file that failed.
        """
        if self.errors:
            worst = gravest(self.errors)
            worst.faults = tuple(map(str, self.errors))
            raise worst

    def _note(self, entry: SourceFile, findings: Sequence[Finding]) -> None:
        self.findings += [Finding(one.kind, entry.name, one.message, one.rule) for one in findings]

    def _write(self, data_set: DataSet, syntax: TransferSyntax) -> None:
        pieces = dicom_file.marshal(data_set, syntax, any_identity=True)
        uids = (tags.STUDY_INSTANCE_UID, tags.SERIES_INSTANCE_UID, tags.SOP_INSTANCE_UID)
        # UIDs of an original are anybody's: what is none does not become a name.
        study, series, instance = (uid if _UID.fullmatch(uid) else "" for uid in map(data_set.text, uids))
        path = files.member_path(self.folder, target_of(self.written + 1, study, series, instance))
        files.make_folders(self.folder, path.parent)
        self.bytes_out += files.write_new(path, gathered(pieces), durable=False)
        self.written += 1


def _verdict(result: Reidentified) -> SignatureVerdict:
    """Of the originals alone: what else stands in an instance by now, nobody has signed."""
    assert result.signer is not None
    statement, trusted = result.signer
    return SignatureVerdict(
        signer=name_of(statement.certificate),
        fingerprint=trusted.fingerprint,
        intact=True,
        valid=True,
        trusted=True,
        trusted_as=trusted.name,
    )
