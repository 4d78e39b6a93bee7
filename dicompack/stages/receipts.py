"""Receipts: a recipient signs that a package has come whole; the sender holds that against the package."""

from __future__ import annotations

from datetime import datetime

from dicompack.container import names, receipt
from dicompack.container.layout import SetIds
from dicompack.container.receipt import Receipt, Received
from dicompack.crypto import signed
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.signed import Signed
from dicompack.crypto.trust import Trusted
from dicompack.errors import BadSignatureError
from dicompack.stages.judging import Judge
from dicompack.stages.seals import CheckedSeal


def pack(ids: SetIds, sealed: CheckedSeal, signer: SigningKey, at: datetime) -> bytes:
    """A receipt for a package that has passed all checks."""
    return signed.sign(receipt.marshal(Receipt(_received(ids, sealed), at)), signer, at)


def unpack(data: bytes, ids: SetIds, sealed: CheckedSeal, judge: Judge) -> tuple[Signed, Trusted]:
    """Check a receipt against the package that it is about.

    Raises:
        BadSignatureError: it is not authentic, or is about another package or other volumes.
        UntrustedError: its signer is not trusted.
        FormatError: it is no receipt.
    """
    verified = signed.verify(data)
    trusted = judge.signer(verified.certificate, verified.chain)
    if receipt.parse(verified.content).received != _received(ids, sealed):  # SEA-5
        raise BadSignatureError("the receipt is for another package", where="receipt", rule="SEA-5")
    return verified, trusted


def _received(ids: SetIds, sealed: CheckedSeal) -> Received:
    manifest = sealed.rows[names.MANIFEST].content.hex()
    return Received(ids.set_id, ids.volume_set, sealed.newest.members, manifest, sealed.newest_sha256)
