"""The way back of stage 1, for custodians only: what de-identification took away travels encrypted to them.

`pack` adds the Encrypted Attributes Sequence (PS3.15 E.1.1) after de-identification and before compression
and signature; `unpack` takes it out (E.1.2), long after the instance left its package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from dicompack.crypto import enveloped_cbc, signed
from dicompack.crypto.enveloped_cbc import not_what_was_sealed
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.crypto.signed import Signed
from dicompack.crypto.trust import Role, Trusted, TrustStore
from dicompack.dicom import encrypted_attributes, tags
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.encrypted_attributes import EncryptedItem, Originals
from dicompack.dicom.references import uid_pairs
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    InputError,
    NoMatchError,
    UnsupportedError,
    UntrustedError,
    gravest,
)
from dicompack.report import Finding
from dicompack.stages.artifacts import Deidentified, Instance

Judge = Callable[[Signed], tuple[Trusted, tuple[Finding, ...]]]

_EXPIRED = "TRU-3"


@dataclass(frozen=True)
class Reidentified:
    """An instance as it was, and what it tells about others."""

    data_set: DataSet
    transfer_syntax: TransferSyntax
    uids: tuple[tuple[str, str], ...]
    """New and old."""
    signer: tuple[Signed, Trusted] | None
    """Who bound the originals to this instance; None where nobody did."""
    findings: tuple[Finding, ...] = ()


# -------------------------------------------------------------------------------------------- there


def pack(
    source: Instance,
    item: Deidentified,
    signer: SigningKey,
    custodians: Sequence[x509.Certificate],
    at: datetime,
) -> Deidentified:
    """Add what custodians need to undo de-identification, bound to this instance by the originator.

    Raises:
        FormatError: sequences are nested too deep.
        UsageError, NoMatchError: somebody who cannot be a recipient.
    """
    originals = encrypted_attributes.originals_of(source.data_set, item.data_set, source.transfer_syntax)
    syntax = originals.transfer_syntax
    content = encrypted_attributes.unsigned(originals)
    statement = signed.sign(encrypted_attributes.statement_on(content, syntax), signer, at)
    sealed = enveloped_cbc.seal(encrypted_attributes.marshal(content, statement, syntax), custodians)
    result = encrypted_attributes.with_item(item.data_set, sealed, syntax)
    return Deidentified(result, item.transfer_syntax, item.findings)


# -------------------------------------------------------------------------------------------- back


def unpack(
    item: Instance, keys: Sequence[DecryptionKey], judge: Judge, *, accept_unbound: bool = False
) -> Reidentified:
    """Give an instance its identity back.

    Steps, for each item that is addressed to a key at hand (1), until one passes: (2) decrypt, (3) data set,
    statement and what it states; until here every failure looks the same, as nothing authenticates CBC.
    (4) The statement's signer is trusted, (5) it is about this instance. Only then anything is believed.

    Args:
        item: an instance with Encrypted Attributes.
        keys: of a custodian.
        judge: decides about the signer of the statement, or raises.
        accept_unbound: take what no originator has bound to the instance; other programs do not.

    Raises:
        FormatError, UnsupportedError: the Encrypted Attributes are not of a form that can be read.
        NoMatchError: no item is addressed to the keys.
        BadSignatureError: the content is not what was encrypted (ENA-7), or is another instance's (ENA-8).
        UntrustedError: the signer of the statement is not trusted.
    """
    originals, signer, findings = _believed(item.data_set, keys, judge, accept_unbound)
    whole = encrypted_attributes.restored(item.data_set, originals)
    uids = originals.uids if signer else tuple(sorted(uid_pairs(item.data_set, whole)))
    if tags.DIGITAL_SIGNATURES_SEQUENCE in item.data_set:
        message = "its digital signature was about the de-identified instance, and is gone"
        findings += (Finding("signature-removed", "", message),)
    syntax = encrypted_attributes.syntax_of(whole, item.transfer_syntax, originals)
    return Reidentified(whole, syntax, uids, signer, findings)


def _believed(
    data_set: DataSet, keys: Sequence[DecryptionKey], judge: Judge, accept_unbound: bool
) -> tuple[Originals, tuple[Signed, Trusted] | None, tuple[Finding, ...]]:
    """(1) to (5) for each item that is addressed to the keys, until one passes: others may add theirs."""
    errors: list[DicomPackError] = []
    unbound: Originals | None = None
    for one in _addressed(data_set, keys):
        try:
            originals, statement = _opened(one, keys, accept_unbound)
            if statement is None:
                unbound = unbound or originals
                continue
            trusted, findings = judge(statement)  # (4)
            if originals.bound_to != data_set.text(tags.SOP_INSTANCE_UID):  # (5) ENA-8
                raise BadSignatureError(
                    "the encrypted attributes are those of another instance",
                    rule="ENA-8",
                    hint="do not use the data",
                )
        except DicomPackError as error:
            errors.append(error)
        else:
            return originals, (statement, trusted), findings
    if unbound is None or errors:
        raise gravest(errors)
    message = "nothing says that the encrypted attributes belong to this instance, or are whole"
    return unbound, None, (Finding("unbound", "", message, rule="ENA-13"),)  # ENA-13


def _addressed(data_set: DataSet, keys: Sequence[DecryptionKey]) -> list[EncryptedItem]:
    """(1) What cannot be read may be there for others."""
    items = encrypted_attributes.items_of(data_set)
    if not items:
        raise InputError("there are no encrypted attributes", rule="ENA-1")
    problem: DicomPackError | None = None
    addressed = []
    for one in items:
        try:
            if enveloped_cbc.is_addressed(enveloped_cbc.without_pad(one.content), keys):
                addressed.append(one)
        except (FormatError, UnsupportedError) as error:
            problem = problem or error
    if addressed:
        return addressed
    if problem is not None:
        raise problem
    raise NoMatchError(  # ENA-6
        "the encrypted attributes are for others",
        rule="ENA-6",
        hint="use the identity of the custodian that was named when it was packed",
    )


def _opened(
    item: EncryptedItem, keys: Sequence[DecryptionKey], accept_unbound: bool
) -> tuple[Originals, Signed | None]:
    """(2) and (3)."""
    data = enveloped_cbc.open_(enveloped_cbc.without_pad(item.content), keys)
    try:
        originals, raw, due = encrypted_attributes.parse(data, item.transfer_syntax)
        if not originals.bound_to:
            if accept_unbound:
                return originals, None
            raise not_what_was_sealed()  # ENA-7
        statement = signed.verify(enveloped_cbc.without_pad(raw))
    except DicomPackError as error:
        raise not_what_was_sealed() from error
    if statement.content != due:  # ENA-7
        raise not_what_was_sealed()
    return originals, statement


def judge_by(trust: TrustStore, at: datetime | None = None) -> Judge:
    """Trust now; where the certificate has expired since, at the time that the signer claims (ENA-14)."""
    now = at or datetime.now(UTC)

    def judge(statement: Signed) -> tuple[Trusted, tuple[Finding, ...]]:
        certificate, chain = statement.certificate, statement.chain
        try:
            return trust.judge(certificate, chain, now, Role.SIGNER), ()
        except UntrustedError as error:
            if error.rule != _EXPIRED:
                raise
        trusted = trust.judge(certificate, chain, statement.claimed_time, Role.SIGNER)  # ENA-14
        message = (
            "the certificate of who de-identified it has expired since; it was valid at the time it claims"
        )
        return trusted, (Finding("signer-expired", "", message, rule="ENA-14"),)

    return judge
