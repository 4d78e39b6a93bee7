"""What a DICOM Digital Signature covers, both directions (PS3.3 C.12.1.1.3, PS3.15 Annex C).

The bytes that are signed are not the bytes of the file: lengths of sequences, items and fragments are left
out, so that they may change in transit. `stream` gives them; `signed_data_set` and `read_signature` put the
two sequences into a data set and take them out. Keys are somebody else's business.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dicompack.dicom import tags
from dicompack.dicom.dataset import (
    Buffer,
    DataSet,
    Element,
    Node,
    Piece,
    Sequence,
    number_element,
    padded,
    string_element,
    tag_text,
)
from dicompack.dicom.encoding import ITEM, SEQUENCE_END, gathered, header, write_value, written_vr
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import BadSignatureError, InputError

MAX_SIGNED = 16_383  # Data Elements Signed has a 16-bit length and 4 bytes a tag
_NOT_SIGNED_OF_SIGNATURE = frozenset(
    (tags.CERTIFICATE_OF_SIGNER, tags.SIGNATURE, tags.CERTIFIED_TIMESTAMP_TYPE, tags.CERTIFIED_TIMESTAMP)
)
_MAC_ID = 1
_CERTIFICATE_TYPE = "X509_1993_SIG"
_TIMESTAMP_TYPE = "CMS_TSP"  # PS3.3 C.12.1.1.3.1.3


@dataclass(frozen=True, slots=True)
class Signature:
    """One Item of the Digital Signatures Sequence with its MAC parameters."""

    item: DataSet
    """The elements of the item, without the signature value and certificate when it is being made."""
    transfer_syntax_uid: str
    algorithm: str
    signed_tags: tuple[int, ...]
    certificate: bytes = b""
    """DER, with the pad byte where one was needed."""
    value: bytes = b""
    token: bytes = b""
    """A time-stamp token for the value, with the pad byte where one was needed; it is not covered."""

    @property
    def uid(self) -> str:
        """Digital Signature UID."""
        return self.item.text(tags.DIGITAL_SIGNATURE_UID)

    @property
    def at(self) -> datetime:
        """The time that the signer claims.

        Raises:
            BadSignatureError: it is not in the one form that is written.
        """
        text = self.item.text(tags.DIGITAL_SIGNATURE_DATETIME)
        try:
            at = datetime.strptime(text, "%Y%m%d%H%M%S.%f%z")
        except ValueError as error:
            raise BadSignatureError("the signature's date is malformed", rule="SIG-4") from error
        if _datetime_text(at) != text:
            raise BadSignatureError("the signature's date is malformed", rule="SIG-4")
        return at


def _datetime_text(at: datetime) -> str:
    """The one form of a signature's time: in UTC, with six digits after the second."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f%z")


def is_signable(node: Node) -> bool:
    """Whether the standard allows to sign this element (C.12.1.1.3.1.1)."""
    group = node.tag >> 16
    if not node.tag & 0xFFFF or group < 0x0008 or group == 0xFFFA:
        return False
    if node.tag in (0x00080001, tags.MAC_PARAMETERS_SEQUENCE, tags.DATA_SET_TRAILING_PADDING):
        return False
    return not _holds_unknown(node)


def _holds_unknown(node: Node) -> bool:
    if isinstance(node, Element):
        return written_vr(node) == "UN"
    if isinstance(node, Sequence):
        return any(_holds_unknown(inner) for item in node.items for inner in item)
    return False


def signable_tags(data_set: DataSet) -> tuple[int, ...]:
    """All top-level tags that can be signed, ascending."""
    return tuple(node.tag for node in data_set if is_signable(node))


def unsignable_tags(data_set: DataSet) -> tuple[int, ...]:
    """Top-level tags that the standard keeps out of signatures; the two sequences of signatures aside."""
    own = (tags.MAC_PARAMETERS_SEQUENCE, tags.DIGITAL_SIGNATURES_SEQUENCE)
    return tuple(node.tag for node in data_set if not is_signable(node) and node.tag not in own)


def new_signature(
    data_set: DataSet, transfer_syntax_uid: str, uid: str, at: datetime, certificate_der: bytes
) -> Signature:
    """What a signature over everything signable says, before it is signed.

    Raises:
        InputError: there are more elements than a signature can name.
    """
    signed = signable_tags(data_set)
    if len(signed) > MAX_SIGNED:
        raise InputError(f"{len(signed)} elements, a signature can name {MAX_SIGNED}", rule="SIG-2")  # SIG-2
    text = _datetime_text(at)
    item = _item(uid, text)
    return Signature(item, transfer_syntax_uid, "SHA256", signed, padded(certificate_der, b"\0"))


def _item(uid: str, at: str) -> DataSet:
    """What a packer's signature says of itself."""
    return DataSet(
        [
            number_element(tags.MAC_ID_NUMBER, "US", _MAC_ID),
            string_element(tags.DIGITAL_SIGNATURE_UID, "UI", uid),
            string_element(tags.DIGITAL_SIGNATURE_DATETIME, "DT", at),
            string_element(tags.CERTIFICATE_TYPE, "CS", _CERTIFICATE_TYPE),
        ]
    )


def stream(data_set: DataSet, signature: Signature) -> Iterator[Buffer]:
    """The bytes that are signed: the listed elements in data set order, then the signature's own item."""
    pieces: list[Piece] = []
    for tag in signature.signed_tags:
        node = data_set.get(tag)
        if node is not None:
            _cover(node, pieces)
    for node in signature.item:
        if node.tag not in _NOT_SIGNED_OF_SIGNATURE:
            _cover(node, pieces)
    return gathered(pieces)


def _cover(node: Node, pieces: list[Piece]) -> None:
    if isinstance(node, Element):
        value, size = node.value, len(node.value)
        head = header(node.tag, written_vr(node), size + size % 2, EXPLICIT_LITTLE)
        write_value(head, node.vr, value, pieces)
        return
    # No lengths here, and the delimiter always, whatever the file has (C.12.1.1.3.1.1).
    if isinstance(node, Sequence):
        pieces.append(_lengthless(node.tag, b"SQ"))
        for item in node.items:
            pieces.append(_ITEM)
            for inner in item:
                if is_signable(inner):
                    _cover(inner, pieces)
    else:
        # DCMTK takes encapsulated pixels for OB, whatever the file says
        pieces.append(_lengthless(node.tag, b"OB"))
        for fragment in node.fragments:
            pieces += (_ITEM, fragment, b"\0") if len(fragment) % 2 else (_ITEM, fragment)
    pieces.append(_SEQUENCE_END)


def _tag_bytes(tag: int) -> bytes:
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF)


def _lengthless(tag: int, vr: bytes) -> bytes:
    return _tag_bytes(tag) + vr + b"\0\0"


_ITEM, _SEQUENCE_END = _tag_bytes(ITEM), _tag_bytes(SEQUENCE_END)


def signed_data_set(data_set: DataSet, signature: Signature, value: bytes) -> DataSet:
    """The data set with its signature in place: nothing else of it changes."""
    parameters = DataSet(
        [
            number_element(tags.MAC_ID_NUMBER, "US", _MAC_ID),
            string_element(tags.MAC_CALCULATION_TRANSFER_SYNTAX_UID, "UI", signature.transfer_syntax_uid),
            string_element(tags.MAC_ALGORITHM, "CS", signature.algorithm),
            Element(tags.DATA_ELEMENTS_SIGNED, "AT", b"".join(map(_tag_bytes, signature.signed_tags))),
        ]
    )
    item = signature.item.replacing(
        Element(tags.CERTIFICATE_OF_SIGNER, "OB", signature.certificate),
        Element(tags.SIGNATURE, "OB", padded(value, b"\0")),
    )
    if signature.token:
        item = item.replacing(
            string_element(tags.CERTIFIED_TIMESTAMP_TYPE, "CS", _TIMESTAMP_TYPE),
            Element(tags.CERTIFIED_TIMESTAMP, "OB", padded(signature.token, b"\0")),
        )
    return data_set.replacing(
        Sequence(tags.MAC_PARAMETERS_SEQUENCE, (parameters,)),
        Sequence(tags.DIGITAL_SIGNATURES_SEQUENCE, (item,)),
    )


def without_signature(data_set: DataSet) -> DataSet:
    """The data set as it was before it was signed."""
    return data_set.without(tags.MAC_PARAMETERS_SEQUENCE, tags.DIGITAL_SIGNATURES_SEQUENCE)


def check_own_form(data_set: DataSet, signature: Signature) -> None:
    """See that the two sequences are what `signed_data_set` makes: the MAC does not cover all of their bits.

    Raises:
        BadSignatureError: another element, number, VR or padding stands in them (SIG-1).
    """
    item = _item(signature.uid, signature.item.text(tags.DIGITAL_SIGNATURE_DATETIME))
    made = signed_data_set(DataSet(), replace(signature, item=item), signature.value)
    if any(data_set.get(node.tag) != node for node in made):  # SIG-1
        raise BadSignatureError("a digital signature of a form that no packer writes", rule="SIG-1")


def read_signature(data_set: DataSet) -> Signature:
    """The one signature of a packed instance.

    Raises:
        BadSignatureError: there is none, more than one, or it does not say what a packer's signature says
            (SIG-1); it leaves out an element that could be signed, or names one that is not there (SIG-3).
    """
    parameters = data_set.items(tags.MAC_PARAMETERS_SEQUENCE)
    items = data_set.items(tags.DIGITAL_SIGNATURES_SEQUENCE)
    if len(parameters) != 1 or len(items) != 1:  # SIG-1
        raise BadSignatureError(f"{len(items)} digital signatures, one is due", rule="SIG-1")
    listed = parameters[0].raw(tags.DATA_ELEMENTS_SIGNED) or b""
    numbers = struct.unpack(f"<{len(listed) // 2}H", listed[: len(listed) & ~1])
    signed = tuple(group << 16 | element for group, element in zip(numbers[::2], numbers[1::2], strict=False))
    signature = Signature(
        items[0],
        parameters[0].text(tags.MAC_CALCULATION_TRANSFER_SYNTAX_UID),
        parameters[0].text(tags.MAC_ALGORITHM),
        signed,
        items[0].raw(tags.CERTIFICATE_OF_SIGNER) or b"",
        items[0].raw(tags.SIGNATURE) or b"",
        items[0].raw(tags.CERTIFIED_TIMESTAMP) or b"",
    )
    facts = (
        items[0].number(tags.MAC_ID_NUMBER) is not None,
        parameters[0].number(tags.MAC_ID_NUMBER) == items[0].number(tags.MAC_ID_NUMBER),
        signature.algorithm == "SHA256",
        items[0].text(tags.CERTIFICATE_TYPE) == _CERTIFICATE_TYPE,
        bool(signature.certificate),
        bool(signature.value),
        len(listed) % 4 == 0,
    )
    if not all(facts):
        raise BadSignatureError("a digital signature of a form that no packer writes", rule="SIG-1")
    signable = signable_tags(data_set)
    missing = set(signable) - set(signed)
    if missing:  # SIG-3
        raise BadSignatureError(f"{tag_text(min(missing))} is not covered by the signature", rule="SIG-3")
    if signed != signable:
        raise BadSignatureError("the signature names elements that are absent or out of order", rule="SIG-3")
    return signature
