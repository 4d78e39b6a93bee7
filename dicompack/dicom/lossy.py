"""Lossy compression as a derivation: another instance, which says what was done (PS3.3 C.7.6.1.1.5).

Only where somebody asks for it by name. What comes out is an encapsulated instance that travels and is
delivered as it is; the native one is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicompack.dicom import pixels, tags
from dicompack.dicom.codecs import CODECS
from dicompack.dicom.dataset import (
    Buffer,
    DataSet,
    Element,
    Encapsulated,
    Node,
    Sequence,
    number_element,
    padded,
    string_element,
)
from dicompack.dicom.pixelformat import (
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PLANAR_CONFIGURATION,
    pixel_format,
)
from dicompack.dicom.transfer_syntaxes import TransferSyntax, transfer_syntax
from dicompack.errors import UnsupportedError

CODECS_OF_LOSS: Final = ("j2k", "htj2k")

_SYNTAXES: Final = {
    "j2k": transfer_syntax("1.2.840.10008.1.2.4.91"),
    "htj2k": transfer_syntax("1.2.840.10008.1.2.4.203"),
}
_METHODS: Final = {"j2k": "ISO_15444_1", "htj2k": "ISO_15444_15"}  # Defined Terms of (0028,2114)
_NAMES: Final = {"j2k": "JPEG 2000", "htj2k": "HTJ2K"}

_IMAGE_TYPE: Final = 0x00080008
_DERIVATION_DESCRIPTION: Final = 0x00082111
_SOURCE_IMAGE_SEQUENCE: Final = 0x00082112
_FRAME_TYPE: Final = 0x00089007
_DERIVATION_CODE_SEQUENCE: Final = 0x00089215
_LOSSY: Final = 0x00282110
_LOSSY_RATIO: Final = 0x00282112
_LOSSY_METHOD: Final = 0x00282114
_PURPOSE_SEQUENCE: Final = 0x0040A170
_DERIVATION_IMAGE_SEQUENCE: Final = 0x00089124
_SOURCE_EVIDENCE_SEQUENCE: Final = 0x00089154
_SERIES_SEQUENCE: Final = 0x00081115
_INSTANCE_SEQUENCE: Final = 0x00081199
_SHARED_GROUPS: Final = 0x52009229
_GROUPS_OF_FRAMES: Final = 0x52009230
_EXTREMES: Final = (0x00280106, 0x00280107)  # Smallest and Largest Image Pixel Value, not true any more
_LONGEST_TEXT: Final = 1024  # of ST

# Samples that are classes, doses or measurements, where "almost the same" is another finding.
_NOT_FOR_LOSS: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("66.4", "66.7", "66.8", "30", "481.2", "67", "77.1.5.4")
)


@dataclass(frozen=True)
class Derived:
    """An instance with lossy Pixel Data, and how much smaller these are."""

    data_set: DataSet
    transfer_syntax: TransferSyntax
    ratio: float


def derived(data_set: DataSet, codec: str, ratio: float, new_uid: str) -> Derived:
    """The instance that results when native Pixel Data are compressed with loss.

    Args:
        data_set: the instance, which becomes the predecessor.
        codec: one of `CODECS_OF_LOSS`.
        ratio: bytes of native Pixel Data to bytes of codestreams.
        new_uid: the SOP Instance UID of the result.

    Raises:
        InputError: see `pixel_format`.
        UnsupportedError: this instance is not to be compressed with loss; the message says why.
    """
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    if layout is None or not isinstance(pixel_data, Element):
        raise UnsupportedError("there are no native Pixel Data")
    if data_set.text(tags.SOP_CLASS_UID) in _NOT_FOR_LOSS:
        raise UnsupportedError("its samples are no image to look at")
    obstacle = pixels.obstacle(data_set, layout, CODECS["j2k"])
    if (
        obstacle
        or layout.photometric_interpretation == "PALETTE COLOR"
        or layout.bits_allocated not in (8, 16)
    ):
        raise UnsupportedError(obstacle or "palette colours, or Bits Allocated other than 8 and 16")

    from dicompack.dicom.codecs import lossy, samples

    fragments: list[Buffer] = [
        padded(lossy.encode(frame, layout, ratio, high_throughput=codec == "htj2k"), b"\0")
        for frame in samples.frames(pixel_data.value, layout)
    ]
    reached = layout.native_size / sum(map(len, fragments))
    changed: list[Node] = [Encapsulated(PIXEL_DATA, "OB", (pixels.offset_table(fragments), *fragments))]
    if layout.photometric_interpretation == "RGB":
        changed.append(string_element(PHOTOMETRIC_INTERPRETATION, "CS", "YBR_ICT"))
    if layout.planar_configuration is not None:
        changed.append(number_element(PLANAR_CONFIGURATION, "US", 0))
    sentence = f"lossy compression, {_NAMES[codec]}, ratio {reached:.2f}:1"
    predecessor = _predecessor(data_set)
    changed += _told(data_set, codec, reached, sentence, predecessor)
    changed.append(string_element(tags.SOP_INSTANCE_UID, "UI", new_uid))
    frames_told = _frames_derived(data_set.without(*_EXTREMES))
    changed += _groups_told(frames_told, sentence, predecessor)
    return Derived(frames_told.replacing(*changed), _SYNTAXES[codec], reached)


def _told(data_set: DataSet, codec: str, ratio: float, sentence: str, predecessor: DataSet) -> list[Node]:
    """What PS3.3 C.7.6.1.1.5 and C.7.6.1.1.3 ask for; ratios and methods of earlier losses stand first."""
    before = (data_set.raw(_DERIVATION_DESCRIPTION) or b"").rstrip(b" \0")
    text = before + b"; " + sentence.encode("ascii") if before else sentence.encode("ascii")
    if len(text) > _LONGEST_TEXT:
        text = sentence.encode("ascii")
    return [
        _appended(data_set, _LOSSY_RATIO, "DS", f"{ratio:.2f}"),
        _appended(data_set, _LOSSY_METHOD, "CS", _METHODS[codec]),
        string_element(_LOSSY, "CS", "01"),
        _derived_type(data_set, _IMAGE_TYPE) or string_element(_IMAGE_TYPE, "CS", "DERIVED\\PRIMARY"),
        Element(_DERIVATION_DESCRIPTION, "ST", padded(text)),
        Sequence(
            _DERIVATION_CODE_SEQUENCE,
            (*data_set.items(_DERIVATION_CODE_SEQUENCE), _LOSSY_COMPRESSION),
        ),
        Sequence(_SOURCE_IMAGE_SEQUENCE, (*data_set.items(_SOURCE_IMAGE_SEQUENCE), predecessor)),
    ]


def _groups_told(data_set: DataSet, sentence: str, predecessor: DataSet) -> list[Node]:
    """The Derivation Image of multi-frame functional groups (PS3.3 C.7.6.16.2.6), where there are any.

    It stands in the groups that all frames share, or else in those of every frame.
    """
    shared, frames = data_set.items(_SHARED_GROUPS), data_set.items(_GROUPS_OF_FRAMES)
    if not shared and not frames:
        return []
    derivation = DataSet(
        [
            string_element(_DERIVATION_DESCRIPTION, "ST", sentence),
            Sequence(_SOURCE_IMAGE_SEQUENCE, (predecessor,)),
            Sequence(_DERIVATION_CODE_SEQUENCE, (_LOSSY_COMPRESSION,)),
        ]
    )

    def told(groups: DataSet) -> DataSet:
        before = groups.items(_DERIVATION_IMAGE_SEQUENCE)
        return groups.replacing(Sequence(_DERIVATION_IMAGE_SEQUENCE, (*before, derivation)))

    if any(_DERIVATION_IMAGE_SEQUENCE in groups for groups in frames):
        return [_evidence(data_set), Sequence(_GROUPS_OF_FRAMES, tuple(map(told, frames)))]
    return [_evidence(data_set), Sequence(_SHARED_GROUPS, tuple(map(told, shared or (DataSet([]),))))]


def _evidence(data_set: DataSet) -> Sequence:
    """Source Image Evidence: where the predecessor is found (PS3.3 C.17.2.1); one item for each study."""
    series = DataSet(
        [
            Sequence(_INSTANCE_SEQUENCE, (_reference(data_set),)),
            string_element(tags.SERIES_INSTANCE_UID, "UI", data_set.text(tags.SERIES_INSTANCE_UID)),
        ]
    )
    study = data_set.text(tags.STUDY_INSTANCE_UID)
    before = data_set.items(_SOURCE_EVIDENCE_SEQUENCE)
    own = next((item for item in before if item.text(tags.STUDY_INSTANCE_UID) == study), None)
    others = tuple(item for item in before if item is not own)
    own = own or DataSet([string_element(tags.STUDY_INSTANCE_UID, "UI", study)])
    listed = Sequence(_SERIES_SEQUENCE, (*own.items(_SERIES_SEQUENCE), series))
    return Sequence(_SOURCE_EVIDENCE_SEQUENCE, (*others, own.replacing(listed)))


def _predecessor(data_set: DataSet) -> DataSet:
    """An item of Source Image Sequence: the instance as it was."""
    purpose = Sequence(_PURPOSE_SEQUENCE, (_code("121320", "Uncompressed predecessor"),))
    return _reference(data_set).replacing(purpose)


def _reference(data_set: DataSet) -> DataSet:
    """An item that names this instance (PS3.3 10.8)."""
    return DataSet(
        [
            string_element(0x00081150, "UI", data_set.text(tags.SOP_CLASS_UID)),
            string_element(0x00081155, "UI", data_set.text(tags.SOP_INSTANCE_UID)),
        ]
    )


def _code(value: str, meaning: str) -> DataSet:
    """An item of PS3.16 Annex D."""
    return DataSet(
        [
            string_element(0x00080100, "SH", value),
            string_element(0x00080102, "SH", "DCM"),
            string_element(0x00080104, "LO", meaning),
        ]
    )


_LOSSY_COMPRESSION: Final = _code("113040", "Lossy Compression")


def _appended(data_set: DataSet, tag: int, vr: str, text: str) -> Element:
    before = data_set.text(tag).strip()
    return string_element(tag, vr, f"{before}\\{text}" if before else text)


def _derived_type(data_set: DataSet, tag: int) -> Element | None:
    """Image Type or Frame Type with DERIVED as its first value; None where it is absent."""
    values = data_set.texts(tag)
    if not any(values):
        return None
    return string_element(tag, "CS", "\\".join(("DERIVED", *values[1:])))


def _frames_derived(data_set: DataSet) -> DataSet:
    """The data set in which every Frame Type of functional groups says DERIVED."""
    changed: list[Node] = []
    for node in data_set:
        if isinstance(node, Sequence):
            items = tuple(map(_frames_derived, node.items))
            if items != node.items:
                changed.append(Sequence(node.tag, items))
        elif node.tag == _FRAME_TYPE and (element := _derived_type(data_set, _FRAME_TYPE)):
            changed.append(element)
    return data_set.replacing(*changed) if changed else data_set
