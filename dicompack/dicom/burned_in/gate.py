"""The gate: which instances may have identifying text in their pixels, by what their header says.

It fails closed. A kind of image passes where the devices that make it have no way to write into the samples.
A device's own word (Burned In Annotation) is taken only where its SOP Class obliges it to give one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from dicompack.dicom.burned_in.regions import DeviceRules, is_screen, shipped_rules
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence
from dicompack.dicom.pixelformat import (
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
)
from dicompack.dicom.tags import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, MODALITY, SOP_CLASS_UID
from dicompack.report import Finding

_BURNED_IN_ANNOTATION: Final = 0x00280301
_CONVERSION_TYPE: Final = 0x00080064
_LABEL_IN_IMAGE: Final = 0x00480010
_ENCAPSULATED_DOCUMENT: Final = 0x00420011
_OVERLAY_BIT_POSITION, _OVERLAY_DATA = 0x0102, 0x3000

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."


def _classes(suffixes: str) -> frozenset[str]:
    return frozenset(_STORAGE + suffix for suffix in suffixes.split())


class Reason(StrEnum):
    """Why an instance is suspected; its value is one line for people, and says nothing about the patient."""

    SAID = "burned in annotation says that there is text in the pixels"
    SECONDARY_CAPTURE = "a secondary capture"
    ULTRASOUND = "ultrasound: devices write name and date into the image"
    FLUOROSCOPY = "angiography or fluoroscopy: devices may write into the image"
    COMPUTED_RADIOGRAPHY = "computed radiography: consoles print labels into the image"
    UNDECLARED = (
        "burned in annotation is not declared to be absent, though this kind of image has to declare it"
    )
    PHOTOGRAPH = "a photograph or video: cameras and processors write into the image"
    SLIDE_LABEL = "a slide with its label in view"
    SCREEN = "a report, protocol or saved screen"
    CONVERTED = "digitized from film, paper or video, or drawn"
    COLOUR = "a colour image where the device makes grey ones: a rendered screen"
    HIDDEN_BITS = "bits of the pixels outside bits stored are in use: overlays may hide there"
    PORTAL = "a portal image or simulator film: consoles write into the image"
    INNER = "pixels within a sequence"
    DOCUMENT = "an encapsulated document"
    VOICE = "a recorded voice"
    UNKNOWN = "an image of a kind that is not known"


REFUSED: Final = frozenset((Reason.DOCUMENT, Reason.VOICE))
"""What nobody can vouch for by looking at an image, and what the profile refuses (DEI-15)."""

# Devices that write patient data into every image, or can; their own NO is a default more often than a fact.
_KINDS: Final = {
    **dict.fromkeys(_classes("7 7.1 7.2 7.3 7.4"), Reason.SECONDARY_CAPTURE),
    **dict.fromkeys(_classes("3 3.1 6 6.1 6.2 6.3"), Reason.ULTRASOUND),
    **dict.fromkeys(_classes("12.1 12.2 12.3"), Reason.FLUOROSCOPY),
    **dict.fromkeys(_classes("1"), Reason.COMPUTED_RADIOGRAPHY),
    **dict.fromkeys(_classes("481.1 481.23 481.24"), Reason.PORTAL),
    **dict.fromkeys(
        _classes(
            "77.1 77.2 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1"
            " 77.1.5.1 77.1.5.2 77.1.5.5 77.1.5.6 77.1.5.7 77.1.5.8 77.1.7"
        ),
        Reason.PHOTOGRAPH,
    ),
}
_MODALITIES: Final = {
    **dict.fromkeys(("US", "IVUS"), Reason.ULTRASOUND),
    **dict.fromkeys(("XA", "RF"), Reason.FLUOROSCOPY),
    "CR": Reason.COMPUTED_RADIOGRAPHY,
    **dict.fromkeys(("ES", "XC", "GM", "DMS"), Reason.PHOTOGRAPH),
    **dict.fromkeys(("SC", "DOC"), Reason.SECONDARY_CAPTURE),
}
# Burned In Annotation is of Type 1 or 1C here: DX, MG, IO for presentation, enhanced XA and XRF,
# tomosynthesis, slides. A device that says NO was made to know. One that says nothing breaks its IOD, and is
# not believed.
_OBLIGED: Final = _classes("1.1 1.2 1.3 12.1.1 12.2.1 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 77.1.6")
# What these are made with, where Modality alone would be a reason; with another one it is another image.
_OWN_MODALITIES: Final = {
    **dict.fromkeys(_classes("12.1.1 13.1.1"), frozenset(("XA",))),
    **dict.fromkeys(_classes("12.2.1"), frozenset(("XA", "RF"))),
}
# Projections as the detector gave them, for processing: no reader sees them, and no console prints into them.
# And what is computed slice by slice from raw data, or by a planning or segmentation program.
_CLEAN: Final = _classes(
    "1.1.1 1.2.1 1.3.1"
    " 2 2.1 2.2 4 4.1 4.3 4.4 20 128 128.1 130 30 66.4 66.7 66.8 66.5 66.6"
    " 481.2 77.1.5.3 77.1.5.4 77.1.8 77.1.9"
)
# Devices of these write grey images only; colour means fused, rendered or captured.
_GREY_DEVICES: Final = _classes("2 4 20 128")
# PS3.3 C.8.6.1: digitized film, digital interface, video, scanned documents and images, drawn.
_CONVERSIONS: Final = frozenset("DF DI DV SD SI DRW WSD".split())
_LABEL_TYPES: Final = frozenset(("LABEL", "OVERVIEW"))
_SLIDES: Final = _STORAGE + "77.1.6"
_DOCUMENTS: Final = _STORAGE + "104."
_VOICES: Final = _classes("9.4.1 9.4.2")
_PIXELS: Final = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA)
_ICON_IMAGE: Final = 0x00880200  # the profile removes it, and no site keeps it

_HEADS: Final = frozenset("HEAD BRAIN SKULL FACE NECK ORBIT SINUS JAW MANDIBLE MAXILLA EAR IAC SELLA".split())
_BODY_PART: Final = 0x00180015
_STUDY_DESCRIPTION, _SERIES_DESCRIPTION, _PROTOCOL = 0x00081030, 0x0008103E, 0x00181030
_ANATOMY: Final = (0x00082218, 0x00081032)
_CODE_MEANING: Final = 0x00080104
_VOLUMES: Final = _classes("2 2.1 2.2 4 4.1 4.3 4.4 128 130 128.1")


def suspicion(data_set: DataSet, rules: DeviceRules | None = None) -> tuple[Reason, ...]:
    """Every reason to expect identifying text in the pixels; none means that the instance passes (BUR-10).

    The data set is the source, before it is de-identified; the rules are those that are shipped if left out.
    """
    sop_class = data_set.text(SOP_CLASS_UID)
    if sop_class.startswith(_DOCUMENTS) or _ENCAPSULATED_DOCUMENT in data_set:
        return (Reason.DOCUMENT,)
    if sop_class in _VOICES:
        return (Reason.VOICE,)
    inner = _has_inner_pixels(data_set)
    if not inner and all(tag not in data_set for tag in _PIXELS):
        return ()
    said = data_set.text(_BURNED_IN_ANNOTATION).strip().upper()
    found = [
        Reason.SAID if said == "YES" else None,
        _kind(data_set, sop_class, said),
        Reason.SLIDE_LABEL if sop_class == _SLIDES and _shows_label(data_set) else None,
        Reason.SCREEN if is_screen(data_set, rules or shipped_rules()) else None,
        Reason.CONVERTED if data_set.text(_CONVERSION_TYPE).strip().upper() in _CONVERSIONS else None,
        Reason.COLOUR if sop_class in _GREY_DEVICES and not _is_grey(data_set) else None,
        Reason.HIDDEN_BITS if _has_hidden_bits(data_set) else None,
        Reason.INNER if inner else None,
    ]
    return tuple(dict.fromkeys(reason for reason in found if reason is not None))


def _kind(data_set: DataSet, sop_class: str, said: str) -> Reason | None:
    """BUR-10: by SOP Class, and by Modality where the class says nothing against it."""
    if sop_class in _KINDS:
        return _KINDS[sop_class]
    modalities = [value.strip().upper() for value in data_set.texts(MODALITY)]
    if sop_class in _OBLIGED:
        if said != "NO":
            return Reason.UNDECLARED
        own = _OWN_MODALITIES.get(sop_class, frozenset())
        modalities = [value for value in modalities if value not in own]
        if "OT" in modalities:
            return Reason.UNKNOWN
    # A capture that was stored as CT keeps the Modality of what it shows.
    found = next((_MODALITIES[value] for value in modalities if value in _MODALITIES), None)
    if found is not None:
        return found
    return None if sop_class in _CLEAN | _OBLIGED else Reason.UNKNOWN


def _has_inner_pixels(data_set: DataSet) -> bool:
    """Pixels in items of public sequences; those in private ones leave with the item (DEI-32)."""
    return any(
        any(tag in item for tag in _PIXELS) or _has_inner_pixels(item)
        for node in data_set
        if isinstance(node, Sequence) and not node.tag >> 16 & 1 and node.tag != _ICON_IMAGE
        for item in node.items
    )


def _shows_label(data_set: DataSet) -> bool:
    """Whether a slide image may show the label (PS3.3 C.8.12.4): a picture of the whole slide does."""
    told = data_set.text(_LABEL_IN_IMAGE).strip().upper()
    types = {value.upper() for value in data_set.texts(0x00080008)}
    return told == "YES" or "LABEL" in types or (told != "NO" and not _LABEL_TYPES.isdisjoint(types))


def _is_grey(data_set: DataSet) -> bool:
    return data_set.text(PHOTOMETRIC_INTERPRETATION).strip() in ("MONOCHROME1", "MONOCHROME2")


def _has_hidden_bits(data_set: DataSet) -> bool:
    """BUR-6: overlays in unused bits, declared or not (PS3.5 §8.1.2, retired)."""
    for node in data_set:
        group, element = node.tag >> 16, node.tag & 0xFFFF
        if group & 0xFF01 == 0x6000 and group <= 0x60FF and element == _OVERLAY_BIT_POSITION:
            declared = data_set.number(node.tag) or 0
            if declared > 0 and (node.tag & 0xFFFF0000 | _OVERLAY_DATA) not in data_set:
                return True
    return _uses_foreign_bits(data_set)


def _uses_foreign_bits(data_set: DataSet) -> bool:
    allocated, stored = data_set.number(BITS_ALLOCATED), data_set.number(BITS_STORED)
    pixel_data = data_set.get(PIXEL_DATA)
    if isinstance(pixel_data, Encapsulated) or not isinstance(pixel_data, Element):
        return False
    if allocated not in (8, 16, 32) or stored is None or not 0 < stored < allocated:
        return False

    import numpy as np  # for the workers that get here

    size = allocated // 8
    signed = data_set.number(PIXEL_REPRESENTATION) == 1
    samples = np.frombuffer(pixel_data.value, f"<{'ui'[signed]}{size}", len(pixel_data.value) // size)
    if data_set.number(HIGH_BIT) != stored - 1:
        # Stored elsewhere in the word: whatever the arithmetic, more than `stored` bits are looked at.
        return True
    low = -(1 << stored - 1) if signed else 0
    return bool(len(samples)) and not low <= int(samples.min()) <= int(samples.max()) < low + (1 << stored)


def face_finding(data_set: DataSet) -> Finding | None:
    """BUR-11: a volume of a head can be rendered as a face. Nothing is done about it, and nothing claimed."""
    if data_set.text(SOP_CLASS_UID) not in _VOLUMES or PIXEL_DATA not in data_set:
        return None
    texts = [data_set.text(tag) for tag in (_BODY_PART, _STUDY_DESCRIPTION, _SERIES_DESCRIPTION, _PROTOCOL)]
    texts += [item.text(_CODE_MEANING) for tag in _ANATOMY for item in data_set.items(tag)]
    words = {word for text in texts for word in _words(text)}
    if words.isdisjoint(_HEADS):
        return None
    message = "a face may be recognizable in the volume; recognizable features are not cleaned"
    return Finding("recognizable-face", "", message, rule="BUR-11")


def _words(text: str) -> list[str]:
    return "".join(one if one.isalpha() else " " for one in text.upper()).split()
