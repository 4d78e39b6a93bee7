"""Digital Signatures of a source: verified and told of before stage 1 removes them (PS3.15 C.2, SIG-8).

Whether their signers are trusted is not asked: nobody is a party to the package but its own signers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cryptography import x509

from dicompack.crypto import signatures, time_stamps
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.mac import Signature
from dicompack.dicom.source_signatures import MAX_VERIFIED, SourceSignature, source_signatures
from dicompack.errors import BadSignatureError, DicomPackError, UnsupportedError
from dicompack.report import Finding

VALID = "source-signature"
BROKEN = "source-signature-broken"
UNVERIFIABLE = "source-signature-unverifiable"


def findings(data_set: DataSet) -> Iterator[Finding]:
    """One for each signature; without a name, a time or a certificate, which are values of the instance."""
    found = source_signatures(data_set)
    for number, one in enumerate(islice(found, MAX_VERIFIED), start=1):  # SIG-8
        kind, words = _judged(one)
        place = "of an item" if one.nested else "of the instance"
        yield Finding(kind, "", f"digital signature {number}, {place}: {words}", "SIG-8")
    rest = sum(1 for _ in found)
    if rest:
        message = f"{rest} more digital signatures: {MAX_VERIFIED} of an instance are looked at"
        yield Finding(UNVERIFIABLE, "", message, "SIG-8")


def _judged(one: SourceSignature) -> tuple[str, str]:
    signature = one.signature
    if signature is None:
        return BROKEN, "does not say what it signs"
    failed: BadSignatureError | None = None
    for stream in one.streams():
        try:
            certificate = signatures.verify_foreign(
                signature.certificate, signature.value, stream, signature.algorithm
            )
        except UnsupportedError as error:
            return UNVERIFIABLE, error.message
        except BadSignatureError as error:
            failed = error
        else:
            covered, signable = one.covered
            what = f"over {covered} of {signable} elements{_stamped(signature, certificate)}"
            return VALID, f"valid, {what}; whom to believe was not asked"
    assert failed is not None
    return BROKEN, failed.message


def _stamped(signature: Signature, certificate: x509.Certificate) -> str:
    """What there is to say of its time-stamp; a broken one takes nothing from a valid signature."""
    if not signature.token:
        return ""
    try:
        token = signature.token[: signatures.der_length(signature.token)]
        time_stamps.verify(token, signatures.without_padding(signature.value, certificate))
    except UnsupportedError:
        return ", with a time-stamp that cannot be checked"
    except DicomPackError:
        return ", with a time-stamp that does not fit it"
    return ", with a time-stamp that fits it"
