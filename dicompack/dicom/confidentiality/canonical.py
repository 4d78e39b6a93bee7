"""String values in the one form that signers and verifiers of a Digital Signature agree on."""

from __future__ import annotations

from typing import Final

from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, padded

STRING_VRS: Final = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())

_SPACE, _NUL = 0x20, 0x00


def canonical(data_set: DataSet) -> DataSet:
    """A data set whose string values end without surplus padding, at every level (DEI-18).

    Trailing spaces and NULs go; one NUL (UI) or one space (others) comes back where the length would be odd
    (PS3.5 §6.2). Verifiers such as DCMTK do so before they hash, so a value that is not so cannot be signed.
    """
    nodes = [_canonical_node(node) for node in data_set]
    if all(new is old for new, old in zip(nodes, data_set, strict=True)):
        return data_set
    return DataSet(nodes)


def _canonical_node(node: Node) -> Node:
    if isinstance(node, Sequence):
        items = tuple(canonical(item) for item in node.items)
        return (
            node
            if all(new is old for new, old in zip(items, node.items, strict=True))
            else Sequence(node.tag, items)
        )
    if not isinstance(node, Element) or node.vr not in STRING_VRS:
        return node
    value = node.value
    if not value or (value[-1] not in (_SPACE, _NUL) and len(value) % 2 == 0):
        return node
    whole = bytes(value)
    trimmed = padded(whole.rstrip(b" \0"), b"\0" if node.vr == "UI" else b" ")
    return node if trimmed == whole else Element(node.tag, node.vr, trimmed)
