"""Objects made on de-identified instances (SEG, SR, RTSTRUCT, ...) get the original references back.

They hold no Encrypted Attributes of their own. Which old UID belongs to a new one, and whose the study is,
say the instances that were re-identified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dicompack.dicom import tags
from dicompack.dicom.dataset import DataSet, Element, Node, Sequence, string_element
from dicompack.dicom.encrypted_attributes import identified
from dicompack.errors import BadSignatureError

_CHARACTER_SET: Final = 0x00080005
_PATIENT_ID: Final = 0x00100020

# What an object made later copies from the instance that it was made on: PS3.3 C.7.1.1, C.7.2.1, C.7.2.2.
_OF_PATIENT_AND_STUDY: Final = (
    0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00081030, 0x00100010, _PATIENT_ID, 0x00100021,
    0x00100030, 0x00100032, 0x00100040, 0x00101010, 0x00101020, 0x00101030, 0x00104000, 0x00200010,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Study:
    """Patient and study in the words of one re-identified instance, before and after."""

    deidentified: DataSet
    original: DataSet


@dataclass(frozen=True, slots=True)
class Restored:
    """A derived object that names what the original ones are called."""

    data_set: DataSet
    references: int
    """UIDs that were replaced."""
    left: tuple[int, ...]
    """Attributes of patient and study that stay as they are, as their character set is another."""


class OriginalReferences:
    """What the re-identified instances say together."""

    def __init__(self) -> None:
        self._uids: dict[str, str] = {}
        self._studies: dict[str, _Study] = {}

    def add(self, deidentified: DataSet, original: DataSet, uids: Iterable[tuple[str, str]]) -> None:
        """Learn from an instance that was re-identified.

        Raises:
            BadSignatureError: a new UID has another old one than before (ENA-9).
        """
        study = original.text(tags.STUDY_INSTANCE_UID)
        kept = (*_OF_PATIENT_AND_STUDY, _CHARACTER_SET)
        for new, old in uids:
            if self._uids.setdefault(new, old) != old:  # ENA-9
                raise BadSignatureError(
                    "a new uid stands for two old ones", rule="ENA-9", hint="do not use the data"
                )
            if old == study:  # as was signed: anybody can change what stands in the de-identified instance
                self._studies.setdefault(new, _Study(_part(deidentified, kept), _part(original, kept)))

    def knows(self, uid: str) -> bool:
        """Whether it is the new UID of something."""
        return uid in self._uids

    def restore(self, data_set: DataSet) -> Restored | None:
        """The object with the original UIDs and, if it is in one of the studies, its patient.

        None where it refers to nothing that is known here.
        """
        counter = [0]
        whole = self._with_uids(data_set, counter)
        if not counter[0]:
            return None
        nodes, left = self._of_study(data_set)
        return Restored(identified(whole, nodes), counter[0], left)

    def _with_uids(self, data_set: DataSet, counter: list[int]) -> DataSet:
        return DataSet(self._with_uids_in(node, data_set, counter) for node in data_set)

    def _with_uids_in(self, node: Node, parent: DataSet, counter: list[int]) -> Node:
        if isinstance(node, Sequence):
            return Sequence(node.tag, tuple(self._with_uids(item, counter) for item in node.items))
        if not isinstance(node, Element) or node.vr != "UI":
            return node
        values = parent.texts(node.tag)
        found = sum(value in self._uids for value in values)
        if not found:
            return node
        counter[0] += found
        return string_element(node.tag, "UI", "\\".join(self._uids.get(value, value) for value in values))

    def _of_study(self, data_set: DataSet) -> tuple[list[Node], tuple[int, ...]]:
        """What stands in place of pseudonyms and dummies, where the object has just those."""
        study = self._studies.get(data_set.text(tags.STUDY_INSTANCE_UID))
        if study is None or study.deidentified.text(_PATIENT_ID) != data_set.text(_PATIENT_ID):
            return [], ()
        same_characters = study.original.texts(_CHARACTER_SET) == data_set.texts(_CHARACTER_SET)
        nodes: list[Node] = []
        left: list[int] = []
        for node in study.original:
            present = data_set.raw(node.tag)
            if node.tag == _CHARACTER_SET or present is None or not isinstance(node, Element):
                continue
            if present.strip(b" \0") != (study.deidentified.raw(node.tag) or b"").strip(b" \0"):
                continue  # its maker had something else to say
            if same_characters or bytes(node.value).isascii():
                nodes.append(node)
            else:
                left.append(node.tag)
        return nodes, tuple(left)


def _part(data_set: DataSet, wanted: Iterable[int]) -> DataSet:
    """A copy that keeps nothing else alive."""
    found = ((tag, data_set.get(tag)) for tag in wanted)
    return DataSet(Element(tag, one.vr, bytes(one.value)) for tag, one in found if isinstance(one, Element))
