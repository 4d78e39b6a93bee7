"""Stage 3: the DICOM Digital Signature (PS3.15 C.2, Creator RSA) over everything signable."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.container.manifest import ManifestMember
from dicompack.crypto import signatures, time_stamps
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.time_stamps import Stamp
from dicompack.dicom import dicom_file, mac
from dicompack.dicom.dataset import Buffer, DataSet
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import BadSignatureError, InputError, NoTimeStampError
from dicompack.stages.artifacts import Compressed, Signed


def pack(item: Compressed, key: SigningKey, at: datetime, stamp: Stamp | None = None) -> Signed:
    """Sign; nothing else of the data set changes. `stamp` has somebody else state the time.

    Raises:
        NoTimeStampError: nobody does.
    """
    certificate = key.certificate.public_bytes(Encoding.DER)
    uid = f"2.25.{uuid.uuid4().int}"
    signature = mac.new_signature(item.data_set, item.transfer_syntax.uid, uid, at, certificate)
    value = signatures.sign(key, mac.stream(item.data_set, signature))
    if stamp is not None:
        bare = signatures.without_padding(value, key.certificate)
        signature = replace(signature, token=_stamped(bare, stamp))
    signed = mac.signed_data_set(item.data_set, signature, value)
    # What the receiver does first must not fail there.
    pieces, walked = dicom_file.finished(signed, item.transfer_syntax, dicom_file.parse_canonical)
    return Signed(tuple(pieces), walked, uid, mac.unsignable_tags(item.data_set))


def unpack(data: Buffer, member: ManifestMember, signer: bytes) -> Compressed:
    """Verify: the signature covers all that can be signed, fits, and is that of the certificate `signer`.

    Steps: (1) strict walk and canonical form, (2) instance and Transfer Syntax are those of the MANIFEST,
    (3) one signature that covers everything, (4) made by the named certificate, in its time of validity,
    (5) fits, (6) a time-stamp token beside it is one for it. Whether the token's authority is trusted is not
    asked: nothing here depends on it.

    Raises:
        BadSignatureError: one of these does not hold.
        FormatError: the file is not in the form that a packer writes.
    """
    file = dicom_file.parse_canonical(data)  # (1)
    syntax = _check_identity(file.data_set, file.transfer_syntax, member)  # (2)
    signature = mac.read_signature(file.data_set)  # (3)
    mac.check_own_form(file.data_set, signature)
    certificate_der = signature.certificate[: signatures.der_length(signature.certificate)]
    if certificate_der != signer:  # (4) SIG-5
        raise BadSignatureError("signed by another certificate than the manifest names", rule="SIG-5")
    if signature.transfer_syntax_uid != syntax.uid or signature.uid != member.signature_uid:
        raise BadSignatureError("not the signature that the manifest names", rule="SIG-6")  # SIG-6
    bare = mac.without_signature(file.data_set)
    value = signature.value
    certificate = signatures.verify(certificate_der, value, mac.stream(bare, signature))  # (5)
    if not certificate.not_valid_before_utc <= signature.at <= certificate.not_valid_after_utc:  # SIG-4
        raise BadSignatureError("signed outside the certificate's time of validity", rule="SIG-4")
    if signature.token:  # (6) SIG-10
        _check_token(signature.token, signatures.without_padding(value, certificate))
    return Compressed(bare, syntax, member.delivered, member.pixels, member.compression)


def _stamped(value: bytes, stamp: Stamp) -> bytes:
    try:
        return stamp(value)
    except InputError as error:
        raise NoTimeStampError(error.message, rule=error.rule, hint=error.hint) from error


def _check_token(padded: bytes, value: bytes) -> None:
    length = signatures.der_length(padded)
    if any(padded[length:]) or len(padded) != length + length % 2:  # SIG-10
        raise BadSignatureError("there are bytes behind the time-stamp", rule="SIG-10")
    time_stamps.verify(padded[:length], value)


def _check_identity(data_set: DataSet, syntax: TransferSyntax, member: ManifestMember) -> TransferSyntax:
    named = (member.sop_class_uid, member.sop_instance_uid, member.signed.transfer_syntax_uid)
    if (*dicom_file.check_identity(data_set), syntax.uid) != named:  # SIG-7
        raise BadSignatureError("not the instance that the manifest names", rule="SIG-7")
    return syntax
