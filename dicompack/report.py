"""What a run found and did: frozen values that the library returns and that ``--json`` prints."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know. Findings never change the exit code."""

    kind: str
    where: str
    """Volume, entry, member number or, on the sender's side only, the input's name."""
    message: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input that is not in the output."""

    name: str
    """Relative to the source it was found in."""
    dicom: bool
    """True: an instance was left out, and the run ends as partial (3)."""
    reason: str


@dataclass(frozen=True)
class SignatureVerdict:
    """Three facts about a signature, never one word."""

    signer: str
    """Who the certificate names, or the name the contact was pinned under."""
    fingerprint: str
    intact: bool
    """The signed bytes have the digest that was signed."""
    valid: bool
    """The signature fits the public key of the certificate."""
    trusted: bool
    """The signer is pinned, or its certification path ends in an anchor that has this role."""
    trusted_as: str = ""
    """The pinned contact or anchor it was trusted by."""
    purpose: str = ""
    """Of a package: ``sealed`` by its originator, ``passed-on``, or ``received``, which is a receipt's."""
    existed_by: str = ""
    """The time at which the signer was judged, in UTC, where a time-stamp proves that it existed by then."""
    time_stamped_by: str = ""
    """The anchor that the time-stamp's authority was trusted by."""


@dataclass(frozen=True, slots=True)
class Member:
    """One instance in a package, as the MANIFEST tells it to a recipient."""

    number: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    """Of the instance as it is delivered."""
    packed_transfer_syntax_uid: str
    """Of the instance as it travels."""
    size: int
    """Bytes of the instance as it is delivered."""
    packed_size: int
    """Bytes of the sealed object."""
    modality: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    name: str = ""
    """Of the original file, where instances are packed as they are."""


@dataclass(frozen=True)
class Report:
    """The result of `pack`, `unpack`, `verify` and `test`."""

    command: str
    set_id: str = ""
    instances_in: int = 0
    instances_out: int = 0
    skipped: tuple[Skipped, ...] = ()
    bytes_in: int = 0
    bytes_out: int = 0
    volumes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    signatures: tuple[SignatureVerdict, ...] = ()
    recipients: tuple[str, ...] = ()
    """Fingerprints of the recipients' keys."""
    members: tuple[Member, ...] = ()
    others: tuple[str, ...] = ()
    """Files in the package that are no instances."""
    complete: str = "checked"
    """``not-checked`` where only a part was looked at."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def partial(self) -> bool:
        """Whether an instance was left out."""
        return any(skipped.dicom for skipped in self.skipped)


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    phase: str
    """``finding``, ``packing``, ``writing``, ``checking``, ``repairing``, ``unpacking``."""
    done: int
    total: int | None
    """None where nobody knows yet."""
    unit: str
    """``instances`` or ``bytes``."""
