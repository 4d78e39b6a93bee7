"""What is told of a package: its members, who signed, and what a person should know."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from dicompack.container.manifest import Manifest, ManifestMember
from dicompack.container.names import member_name, seal_name
from dicompack.crypto.certificates import fingerprint, name_of
from dicompack.crypto.revocation import Standing
from dicompack.crypto.signed import Signed
from dicompack.crypto.trust import Trusted
from dicompack.parties import Originator
from dicompack.pipeline.demands import about_limits
from dicompack.report import Finding, Member, Report, SignatureVerdict
from dicompack.stages.judging import Proven
from dicompack.stages.seals import CheckedSeal
from dicompack.stages.volumes import Volumes


def member_of(number: int, member: ManifestMember, packed_size: int) -> Member:
    """A member as reports have it."""
    return Member(
        number=number,
        sop_class_uid=member.sop_class_uid,
        sop_instance_uid=member.sop_instance_uid,
        transfer_syntax_uid=member.delivered.transfer_syntax_uid,
        packed_transfer_syntax_uid=member.signed.transfer_syntax_uid,
        size=member.delivered.size,
        packed_size=packed_size,
        modality=member.modality,
        study_instance_uid=member.study_instance_uid,
        series_instance_uid=member.series_instance_uid,
        name=member.original.name if member.original else "",
    )


def verdicts_of(sealed: CheckedSeal) -> tuple[SignatureVerdict, ...]:
    """Who sealed the package, and who passed it on."""
    return tuple(
        verdict_of(verified, trusted, "passed-on" if place else "sealed", proven)
        for place, ((verified, trusted), proven) in enumerate(
            zip(sealed.signatures, sealed.times, strict=True)
        )
    )


def verdict_of(
    verified: Signed, trusted: Trusted | None, purpose: str, proven: Proven | None = None
) -> SignatureVerdict:
    """Three facts about one signature, and what it was made for."""
    return SignatureVerdict(
        signer=name_of(verified.certificate),
        fingerprint=trusted.fingerprint if trusted else fingerprint([verified.certificate]),
        intact=True,
        valid=True,
        trusted=trusted is not None,
        trusted_as=trusted.name if trusted else "",
        purpose=purpose,
        existed_by=f"{proven.time:%Y-%m-%dT%H:%M:%SZ}" if proven else "",
        time_stamped_by=proven.authority.name if proven else "",
    )


def report_of(
    command: str,
    opened: Volumes,
    sealed: CheckedSeal | None,
    began: float,
    content: Manifest | None = None,
    *,
    bytes_out: int = 0,
    complete: str = "checked",
    renamed: Sequence[Finding] = (),
    received: tuple[SignatureVerdict, ...] = (),
    selected: Collection[int] | None = None,
) -> Report:
    """The report of a command about a package; `began` is the clock's value at its start.

    Of `selected` members it tells of no others.
    """
    unknown = [
        Finding("revocation-unknown", seal_name(number), "no current list says that the signer is good")
        for number, (_, trusted) in enumerate(sealed.signatures if sealed else (), start=1)
        if trusted is not None and trusted.standing is Standing.UNKNOWN
    ]
    limits = about_limits() if command in ("verify", "unpack") else ()
    stamps = sealed.findings if sealed else ()
    findings = [*opened.findings, *renamed, *unknown, *stamps, *limits]
    if sealed is None or any(trusted is None for _, trusted in sealed.signatures):
        findings.append(Finding("origin-not-checked", seal_name(1), "nobody was named to trust"))
    holding = sum(name.startswith("DICOM/") for name in opened.package.names)
    # Whom they hide their SEALs from can count the objects; a large instance has several.
    count = sealed.newest.members if sealed else holding
    members, objects = (content.members, content.objects) if content else ((), ())
    others = tuple(one.name for one in content.others) if content else ()
    if selected is not None:
        findings.append(Finding("selected", "", f"{len(selected)} of {count} instances were wanted"))
        count, others, complete = len(selected), (), "not-checked"
    return Report(
        command=command,
        set_id=opened.package.ids.set_id.hex(),
        instances_in=count,
        instances_out=count,
        bytes_in=opened.size,
        bytes_out=bytes_out,
        volumes=opened.volume_names,
        findings=tuple(findings),
        signatures=(*(verdicts_of(sealed) if sealed else ()), *received),
        recipients=sealed.newest.recipients if sealed else (),
        members=tuple(
            member_of(number, member, sum(opened.package.size(member_name(one)) for one in numbers))
            for number, (member, numbers) in enumerate(zip(members, objects, strict=True), start=1)
            if selected is None or number in selected
        ),
        others=others,
        complete=complete,
        seconds=time.monotonic() - began,
    )


def outside_the_standard(originator: Originator) -> list[Finding]:
    """What the kinds of keys leave out of the standard's profiles."""
    found = []
    if originator.custodians and not originator.encrypts_attributes:
        message = (
            "the way back is in the package only: inside an instance it would be locked with RSA, if at all"
        )
        found.append(Finding("no-encrypted-attributes", "", message))
    if not originator.signs_by_profile:  # SIG-9
        message = "instances are signed with ECDSA, which no profile of the standard has"
        found.append(Finding("signature-outside-profile", "", message, "SIG-9"))
    return found
