"""The Encrypted Attributes Sequence (PS3.15 E.1.1, E.1.2; PS3.3 C.12.1.1.4), both directions.

What is encrypted is a data set, in explicit VR little endian:

    (0400,0550) Modified Attributes Sequence    one item: the originals of what was changed or removed
    (0401,0010) LO  DICOMPACK
    (0401,1001) UI  SOP Instance UID of the de-identified instance
    (0401,1002) AT  top-level attributes that the original does not have
    (0401,1003) UT  new and old UID of each that was replaced, one pair a line
    (0401,1004) OB  zeros, so that the size tells nothing
    (0401,1005) OB  the originator's signed statement over all of this

Encryption and signature are somebody else's business: here are bytes in and bytes out.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dicompack.dicom import encoding, tags
from dicompack.dicom.dataset import (
    DataSet,
    Element,
    Encapsulated,
    Node,
    Sequence,
    padded,
    string_element,
)
from dicompack.dicom.references import uid_pairs
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE, TransferSyntax, transfer_syntax
from dicompack.errors import FormatError

ENCRYPTED_ATTRIBUTES_SEQUENCE: Final = 0x04000500
_TRANSFER_SYNTAX_UID: Final = 0x04000510
_ENCRYPTED_CONTENT: Final = 0x04000520
_MODIFIED_ATTRIBUTES_SEQUENCE: Final = 0x04000550

_CREATOR: Final = 0x04010010
_BOUND_TO: Final = 0x04011001
_ABSENT: Final = 0x04011002
_UIDS: Final = 0x04011003
_PADDING: Final = 0x04011004
_STATEMENT: Final = 0x04011005
_OWN_CREATOR: Final = "DICOMPACK"

IDENTITY_REMOVED: Final = 0x00120062
_METHOD: Final = (0x00120063, 0x00120064)
_PIXEL_DESCRIPTION: Final = 0x0028
_SIGNATURES: Final = (tags.MAC_PARAMETERS_SEQUENCE, tags.DIGITAL_SIGNATURES_SEQUENCE)

_SMALLEST: Final = 8192
"""Bytes; the headers of most instances fit, so most sizes are one and the same."""
_STATED: Final = "DICOMPack encrypted attributes 1\n{uid}\n{sha256}\n"


@dataclass(frozen=True, slots=True)
class EncryptedItem:
    """An item of the sequence, as anybody can read it."""

    transfer_syntax: TransferSyntax
    content: bytes
    """CMS in DER, with the pad byte where one was needed."""


@dataclass(frozen=True, slots=True)
class Originals:
    """What an instance was before it was de-identified."""

    attributes: DataSet
    """Top-level attributes that were changed or removed."""
    absent: tuple[int, ...] = ()
    """Top-level attributes that were added."""
    uids: tuple[tuple[str, str], ...] = ()
    """New and old."""
    bound_to: str = ""
    """SOP Instance UID of the instance that this belongs to; empty where nothing says so."""
    transfer_syntax: TransferSyntax = EXPLICIT_LITTLE


# -------------------------------------------------------------------------------------------- there


def originals_of(source: DataSet, result: DataSet, syntax: TransferSyntax) -> Originals:
    """What is to be kept of ``source``, in the Transfer Syntax ``syntax``, to get it back from ``result``."""
    # ENA-11: whatever is not there, node for node, is among the originals.
    always = {IDENTITY_REMOVED, *_METHOD}
    if source.get(tags.PIXEL_DATA) != result.get(tags.PIXEL_DATA):
        always.update(node.tag for node in source if node.tag >> 16 == _PIXEL_DESCRIPTION)
    changed = [node for node in source if result.get(node.tag) != node or node.tag in always]
    return Originals(
        DataSet(changed),
        tuple(node.tag for node in result if node.tag not in source),
        tuple(sorted(uid_pairs(result, source))),
        result.text(tags.SOP_INSTANCE_UID),
        # Fragments need a Transfer Syntax that has them; all of these are explicit VR little endian.
        syntax if any(map(_has_fragments, changed)) else EXPLICIT_LITTLE,
    )


def _has_fragments(node: Node) -> bool:
    if isinstance(node, Sequence):
        return any(_has_fragments(inner) for item in node.items for inner in item)
    return isinstance(node, Encapsulated)


def unsigned(originals: Originals) -> DataSet:
    """The Encrypted Attributes Data Set but for its statement, of a size that many instances have."""
    listed = b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in originals.absent)
    lines = "".join(f"{new} {old}\n" for new, old in originals.uids)
    data_set = DataSet(
        [
            Sequence(_MODIFIED_ATTRIBUTES_SEQUENCE, (originals.attributes,)),
            string_element(_CREATOR, "LO", _OWN_CREATOR),
            string_element(_BOUND_TO, "UI", originals.bound_to),
            Element(_ABSENT, "AT", listed),
            string_element(_UIDS, "UT", lines),
            Element(_PADDING, "OB", b""),
        ]
    )
    size = encoding.sizes(encoding.marshal(data_set, originals.transfer_syntax))
    return data_set.replacing(Element(_PADDING, "OB", bytes(padded_size(size) - size)))  # ENA-10


def padded_size(size: int) -> int:
    """The power of two that it is padded to, 8 KiB at least."""
    return max(_SMALLEST, 1 << (size - 1).bit_length())


def statement_on(data_set: DataSet, syntax: TransferSyntax) -> bytes:
    """What is to be signed for a data set without its statement."""
    digest = hashlib.sha256()
    for piece in encoding.gathered(encoding.marshal(data_set, syntax)):
        digest.update(piece)
    return _STATED.format(uid=data_set.text(_BOUND_TO), sha256=digest.hexdigest()).encode("ascii")


def marshal(data_set: DataSet, statement: bytes, syntax: TransferSyntax) -> bytes:
    """The bytes to encrypt.

    Raises:
        FormatError: sequences are nested too deep to be one deeper.
    """
    signed = data_set.replacing(Element(_STATEMENT, "OB", padded(statement, b"\0")))
    data = encoding.joined(encoding.marshal(signed, syntax))
    encoding.parse(data, syntax)  # what the custodian does first must not fail there
    return data


def with_item(result: DataSet, content: bytes, syntax: TransferSyntax) -> DataSet:
    """The de-identified instance with its Encrypted Attributes, in place of any that it came with."""
    item = DataSet(
        [
            string_element(_TRANSFER_SYNTAX_UID, "UI", syntax.uid),
            Element(_ENCRYPTED_CONTENT, "OB", padded(content, b"\0")),
        ]
    )
    return result.replacing(Sequence(ENCRYPTED_ATTRIBUTES_SEQUENCE, (item,)))


# -------------------------------------------------------------------------------------------- back


def items_of(data_set: DataSet) -> tuple[EncryptedItem, ...]:
    """All items; PS3.15 E.1.2: any one that can be opened will do.

    Raises:
        FormatError: an item lacks one of its two attributes (ENA-1).
        UnsupportedError: its Transfer Syntax is unknown.
    """
    found = []
    for item in data_set.items(ENCRYPTED_ATTRIBUTES_SEQUENCE):
        syntax = transfer_syntax(item.text(_TRANSFER_SYNTAX_UID))
        content = item.raw(_ENCRYPTED_CONTENT)
        if not content or syntax.deflated:  # ENA-1
            raise FormatError("encrypted attributes without content, or deflated", rule="ENA-1")
        found.append(EncryptedItem(syntax, content))
    return tuple(found)


def parse(data: bytes, syntax: TransferSyntax) -> tuple[Originals, bytes, bytes]:
    """The originals, the signed statement as it stands, and what it has to say; both empty if unbound.

    Raises:
        FormatError: not an Encrypted Attributes Data Set, or not in the form that `marshal` writes.
    """
    data_set = encoding.parse(data, syntax)
    items = data_set.items(_MODIFIED_ATTRIBUTES_SEQUENCE)
    if len(items) != 1:  # ENA-7
        raise FormatError(f"{len(items)} items of modified attributes, one is due", rule="ENA-7")
    if _CREATOR not in data_set:
        return Originals(items[0], transfer_syntax=syntax), b"", b""
    listed = data_set.raw(_ABSENT) or b""
    pairs = [line.split(" ") for line in data_set.text(_UIDS).splitlines()]
    sound = (
        data_set.text(_CREATOR) == _OWN_CREATOR,
        len(listed) % 4 == 0,
        all(len(pair) == 2 for pair in pairs),
        encoding.joined(encoding.marshal(data_set, syntax)) == data,
        bool(data_set.text(_BOUND_TO)),
        bool(data_set.raw(_STATEMENT)),
    )
    if not all(sound):  # ENA-7
        raise FormatError("a private block that no packer writes", rule="ENA-7")
    numbers = struct.unpack(f"<{len(listed) // 2}H", listed)
    absent = tuple(group << 16 | one for group, one in zip(numbers[::2], numbers[1::2], strict=True))
    uids = tuple((new, old) for new, old in pairs)
    originals = Originals(items[0], absent, uids, data_set.text(_BOUND_TO), syntax)
    return originals, data_set.raw(_STATEMENT) or b"", statement_on(data_set.without(_STATEMENT), syntax)


def restored(data_set: DataSet, originals: Originals) -> DataSet:
    """The instance as it was (PS3.15 E.1.2), but for Patient Identity Removed, which says NO."""
    gone = (ENCRYPTED_ATTRIBUTES_SEQUENCE, *_METHOD, *_SIGNATURES, *originals.absent)
    whole = data_set.without(*gone).replacing(*originals.attributes)
    if originals.attributes.text(IDENTITY_REMOVED) == "YES":
        return whole  # somebody had de-identified it before, which nobody undoes here
    return whole.replacing(string_element(IDENTITY_REMOVED, "CS", "NO"))


def identified(data_set: DataSet, nodes: Iterable[Node]) -> DataSet:
    """An instance with these attributes, which no longer claims to be de-identified, nor to be signed."""
    bare = data_set.without(*_METHOD, *_SIGNATURES).replacing(*nodes)
    return bare.replacing(string_element(IDENTITY_REMOVED, "CS", "NO"))


def syntax_of(whole: DataSet, before: TransferSyntax, originals: Originals) -> TransferSyntax:
    """The Transfer Syntax in which a restored instance can be written."""
    pixels = whole.get(tags.PIXEL_DATA)
    if tags.PIXEL_DATA in originals.attributes and originals.transfer_syntax.encapsulated:
        return originals.transfer_syntax
    if pixels is None or isinstance(pixels, Encapsulated) == before.encapsulated:
        return before
    return EXPLICIT_LITTLE
