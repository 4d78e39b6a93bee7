"""Which instances and frames of reference an instance names, and which it is or has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dicompack.dicom import tags
from dicompack.dicom.dataset import DataSet, Element, Sequence

_REFERENCED_SOP_INSTANCE_UID = 0x00081155
_FRAME_OF_REFERENCE_UID = 0x00200052
_REFERENCED_FRAMES_OF_REFERENCE = (0x30060024, 0x300600C2)

# Studies, patients, visits and steps of work have UIDs of their own, and are no instances to send.
_NO_INSTANCES = frozenset((0x00081110, 0x00081111, 0x00081120, 0x00081125, 0x00081134, 0x0040A370))


@dataclass(frozen=True, slots=True)
class References:
    """UIDs by what they name; `names_*` are those of others as well as its own."""

    instance: str
    frames_of_reference: frozenset[str]
    names_instances: frozenset[str]
    names_frames_of_reference: frozenset[str]


def references(data_set: DataSet) -> References:
    """What an instance is, and what it refers to at any level."""
    instances: set[str] = set()
    frames: set[str] = set()
    for element in _uids(data_set):
        uids = (uid.strip(" \0") for uid in bytes(element.value).decode("ascii", "replace").split("\\"))
        target = instances if element.tag == _REFERENCED_SOP_INSTANCE_UID else frames
        target.update(uid for uid in uids if uid)
    own = data_set.text(_FRAME_OF_REFERENCE_UID)
    return References(
        data_set.text(tags.SOP_INSTANCE_UID),
        frozenset((own,) if own else ()),
        frozenset(instances),
        frozenset(frames),
    )


def _uids(data_set: DataSet) -> Iterator[Element]:
    for node in data_set:
        if isinstance(node, Sequence):
            if node.tag not in _NO_INSTANCES:
                for item in node.items:
                    yield from _uids(item)
        elif isinstance(node, Element) and (
            node.tag == _REFERENCED_SOP_INSTANCE_UID or node.tag in _REFERENCED_FRAMES_OF_REFERENCE
        ):
            yield node


def uids(data_set: DataSet) -> frozenset[str]:
    """Every value of VR UI, at every level."""
    found: set[str] = set()
    for node in data_set:
        if isinstance(node, Sequence):
            found.update(*map(uids, node.items))
        elif isinstance(node, Element) and node.vr == "UI":
            found.update(one.strip(" \0") for one in bytes(node.value).decode("ascii", "replace").split("\\"))
    return frozenset(found)


def uid_pairs(new: DataSet, old: DataSet) -> frozenset[tuple[str, str]]:
    """New and old UID of each that was replaced where it stands, at every level."""
    pairs: set[tuple[str, str]] = set()
    for node in new:
        other = old.get(node.tag)
        if isinstance(node, Sequence) and isinstance(other, Sequence):
            if len(node.items) == len(other.items):
                pairs.update(*map(uid_pairs, node.items, other.items))
        elif isinstance(node, Element) and isinstance(other, Element) and node.vr == "UI":
            values = (new.texts(node.tag), old.texts(node.tag))
            if len(values[0]) == len(values[1]):
                pairs.update(pair for pair in zip(*values, strict=True) if all(pair) and pair[0] != pair[1])
    return frozenset(pairs)
