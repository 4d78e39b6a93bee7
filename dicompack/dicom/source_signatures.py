"""Digital Signatures that a source carries, at any level: what each says, and the bytes that it covers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dicompack.dicom import mac, tags
from dicompack.dicom.confidentiality.canonical import canonical
from dicompack.dicom.dataset import Buffer, DataSet, Sequence
from dicompack.dicom.mac import Signature

MAX_VERIFIED = 16
"""Of one source. Each costs a digest over the instance, and no real one has more than a few."""


@dataclass(frozen=True)
class SourceSignature:
    """One Digital Signature of a source."""

    data_set: DataSet
    """The data set or item that it is in."""
    signature: Signature | None
    """None: it does not say what it signs, or how."""
    nested: bool
    """It is in an item, and covers nothing but that item."""

    @property
    def covered(self) -> tuple[int, int]:
        """How many elements of its data set it covers, and how many could be covered."""
        assert self.signature is not None
        signable = set(mac.signable_tags(self.data_set))
        return len(signable & set(self.signature.signed_tags)), len(signable)

    def streams(self) -> Iterator[Iterator[Buffer]]:
        """What may have been digested: the values as they stand, and without surplus padding.

        The second is what DCMTK digests, which strips before it signs.
        """
        assert self.signature is not None
        yield mac.stream(self.data_set, self.signature)
        yield mac.stream(canonical(self.data_set), self.signature)


def source_signatures(data_set: DataSet) -> Iterator[SourceSignature]:
    """All of a data set: its own first, then those of items."""
    return _found(data_set, nested=False)


def _found(data_set: DataSet, *, nested: bool) -> Iterator[SourceSignature]:
    parameters = {
        item.number(tags.MAC_ID_NUMBER): item for item in data_set.items(tags.MAC_PARAMETERS_SEQUENCE)
    }
    for item in data_set.items(tags.DIGITAL_SIGNATURES_SEQUENCE):
        about = parameters.get(item.number(tags.MAC_ID_NUMBER))
        yield SourceSignature(data_set, _read(item, about) if about else None, nested)
    for node in data_set:
        if isinstance(node, Sequence) and node.tag != tags.DIGITAL_SIGNATURES_SEQUENCE:
            for item in node.items:
                yield from _found(item, nested=True)


def _read(item: DataSet, parameters: DataSet) -> Signature | None:
    listed = parameters.raw(tags.DATA_ELEMENTS_SIGNED) or b""
    certificate, value = item.raw(tags.CERTIFICATE_OF_SIGNER), item.raw(tags.SIGNATURE)
    if not listed or len(listed) % 4 or not certificate or not value:
        return None
    numbers = struct.unpack(f"<{len(listed) // 2}H", listed)
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    # Each once and in the order of the data set: a list that repeats Pixel Data would cost hours.
    covered = sorted({group << 16 | element for group, element in pairs})
    return Signature(
        item,
        parameters.text(tags.MAC_CALCULATION_TRANSFER_SYNTAX_UID),
        parameters.text(tags.MAC_ALGORITHM),
        tuple(covered),
        certificate,
        value,
        item.raw(tags.CERTIFIED_TIMESTAMP) or b"",
    )
