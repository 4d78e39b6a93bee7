"""What the tests of the confidentiality profile share: a key, a walk, a way in from pydicom."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

from dicompack.dicom.confidentiality import LABELS, Derive
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Node, Sequence, string_element

STUDY, SERIES, INSTANCE, CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
NAME, PATIENT_ID, ISSUER = 0x00100010, 0x00100020, 0x00100021
# A public sequence that the table does not list and that holds anything: Referenced Series Sequence.
SERIES_SEQUENCE = 0x00081115


def key(secret: bytes = b"a") -> Derive:
    """A derivation as the project key makes it."""

    def derive(label: str, *parts: bytes) -> bytes:
        assert label in LABELS
        message = b"".join(len(part).to_bytes(8, "big") + part for part in (label.encode(), *parts))
        return hmac.new(secret, message, hashlib.sha256).digest()

    return derive


KEY = key()


def text(tag: int, vr: str, value: str) -> Element:
    return string_element(tag, vr, value)


def instance(*nodes: Node) -> DataSet:
    """A small instance of a patient; further nodes replace its own."""
    return DataSet(
        [
            text(CLASS, "UI", "1.2.840.10008.5.1.4.1.1.7"),
            text(INSTANCE, "UI", "1.2.3.4.1"),
            text(NAME, "PN", "CANARY^NAME"),
            text(PATIENT_ID, "LO", "CANARY-1"),
            text(STUDY, "UI", "1.2.3.4.2"),
            text(SERIES, "UI", "1.2.3.4.3"),
        ]
    ).replacing(*nodes)


def nested(node: Node, depth: int) -> Sequence:
    """A node in an item of an item of … a public sequence."""
    for _ in range(depth):
        node = Sequence(SERIES_SEQUENCE, (DataSet([node]),))
    assert isinstance(node, Sequence)
    return node


def walk(data_set: DataSet) -> Iterator[Node]:
    """Every node at every level."""
    for node in data_set:
        yield node
        if isinstance(node, Sequence):
            for item in node.items:
                yield from walk(item)


def everything(data_set: DataSet) -> bytes:
    """The bytes of every value at every level."""
    values: list[bytes] = []
    for node in walk(data_set):
        if isinstance(node, Element):
            values.append(bytes(node.value))
        elif isinstance(node, Encapsulated):
            values.extend(bytes(fragment) for fragment in node.fragments)
    return b"\n".join(values)


def innermost(data_set: DataSet, depth: int) -> DataSet:
    """The item that `nested` put its node in."""
    for _ in range(depth):
        (data_set,) = data_set.items(SERIES_SEQUENCE)
    return data_set


def from_pydicom(source: Dataset) -> DataSet:
    """A Data Set as pydicom reads it, its values in little endian."""
    return DataSet(_node(source, tag) for tag in source.keys())  # noqa: SIM118  # iterating would decode


def _node(source: Dataset, tag: int) -> Node:
    element = source[tag]
    if element.VR == "SQ":
        return Sequence(int(tag), tuple(from_pydicom(item) for item in element.value or ()))
    if element.tag == 0x7FE00010 and element.is_undefined_length:
        return Encapsulated(int(tag), "OB", (b"", *generate_fragments(element.value)))
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_data_element(buffer, element, source._character_set)
    value = buffer.getvalue()[8:]
    return Element(int(tag), element.VR, value)
