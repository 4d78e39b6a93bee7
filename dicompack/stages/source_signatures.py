"""Digital Signatures of a source: verified and told of before stage 1 removes them (PS3.15 C.2, SIG-8).

Whether their signers are trusted is not asked: nobody is a party to the package but its own signers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dicompack.crypto import signatures
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.source_signatures import MAX_VERIFIED, SourceSignature, source_signatures
from dicompack.errors import BadSignatureError, UnsupportedError
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
            signatures.verify_foreign(signature.certificate, signature.value, stream, signature.algorithm)
        except UnsupportedError as error:
            return UNVERIFIABLE, error.message
        except BadSignatureError as error:
            failed = error
        else:
            covered, signable = one.covered
            return VALID, f"valid, over {covered} of {signable} elements; whom to believe was not asked"
    assert failed is not None
    return BROKEN, failed.message
