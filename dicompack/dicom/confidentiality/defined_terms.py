"""Code strings that the standard prints, where they say how to read an instance and not whom it shows.

Patients are called Norm, Other and Young; a term of the standard in its own place is still no name (DEI-19).
"""

from __future__ import annotations

import re
from typing import Final

SPECIFIC_CHARACTER_SET: Final = 0x00080005
IMAGE_TYPE: Final = 0x00080008
_MODALITY: Final = 0x00080060
# Frame Type, Pixel Presentation, Volumetric Properties, Volume Based Calculation Technique, Complex Image
# Component, Acquisition Contrast (PS3.3 C.8.16).
_TYPES_OF_FRAMES: Final = frozenset((0x00089007, 0x00089205, 0x00089206, 0x00089207, 0x00089208, 0x00089209))
# Relationship Type, Value Type, Continuity of Content (PS3.3 C.17.3).
_TYPES_OF_CONTENT: Final = frozenset((0x0040A010, 0x0040A040, 0x0040A050))
_PIXEL_GROUP: Final = 0x0028

_CHARACTER_SET: Final = re.compile(r"ISO[ _-](?:IR|2022 IR) [0-9]{1,3}|GB18030|GBK|")
_MODALITIES: Final = frozenset(
    "ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO "
    "IOL IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT "
    "PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF "
    "STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC".split()
)
_OF_IMAGES: Final = frozenset(
    (
        "ORIGINAL DERIVED MIXED PRIMARY SECONDARY NONE OTHER AXIAL LOCALIZER VOLUME REFORMATTED RESAMPLED "
        "MPR MIP MINIP PROJECTION STATIC DYNAMIC GATED TOMO EMISSION TRANSMISSION LABEL NORMAL NORM "
        "PERFUSION QUANTITY POST_PROCESSED COLOR MONOCHROME MAGNITUDE PHASE REAL IMAGINARY DIFFUSION T1 T2 "
        "T2_STAR PROTON_DENSITY FLUID_ATTENUATED TOF STIR FLOW_ENCODED UNKNOWN MAX_IP MIN_IP "
        "AVERAGE_IP SURFACE_MPR VOLUME_RENDER SAMPLED DISTORTED THICKNESS OVERVIEW"
    ).split()
) | frozenset(
    ("SINGLE PLANE", "BIPLANE A", "BIPLANE B", "WHOLE BODY", "RECON TOMO", "GATED TOMO", "RECON GATED TOMO",
     "PROJECTION IMAGE")
)  # fmt: skip
_OF_CONTENT: Final = frozenset(
    "TEXT NUM CODE DATETIME DATE TIME UIDREF PNAME COMPOSITE IMAGE WAVEFORM SCOORD SCOORD3D TCOORD CONTAINER "
    "TABLE CONTAINS SEPARATE CONTINUOUS".split()
) | frozenset(
    (
        "HAS OBS CONTEXT",
        "HAS ACQ CONTEXT",
        "HAS CONCEPT MOD",
        "HAS PROPERTIES",
        "INFERRED FROM",
        "SELECTED FROM",
    )
)
_OF_PIXELS: Final = frozenset(
    (
        "MONOCHROME1 MONOCHROME2 RGB HSV ARGB CMYK YBR_FULL YBR_FULL_422 YBR_PARTIAL_422 YBR_PARTIAL_420 "
        "YBR_ICT YBR_RCT NORM DECY ATTN SCAT DTIM NRGY RAN LIN LOG DISP YES NO OTHER NONE NORMAL LINEAR "
        "LINEAR_EXACT SIGMOID IDENTITY INVERSE GEOMETRY FIDUCIAL UNMODIFIED MODIFIED REMOVED 00 01 "
        "ISO_10918_1 ISO_14495_1 ISO_15444_1 ISO_15444_15 ISO_18181_1 ISO_13818_2 ISO_14496_10 ISO_23008_2 "
        "HU US OD MGML Z_EFF ED EDW HU_MOD PCT BQML CNTS HARDER SOFTER WINDOW1 WINDOW2 BRAIN BONE LUNG"
    ).split()
) | frozenset(("PALETTE COLOR", "OD REL"))


def is_of_structure(tag: int) -> bool:
    """Whether an attribute has terms that are looked up here."""
    return (
        tag in (SPECIFIC_CHARACTER_SET, IMAGE_TYPE, _MODALITY)
        or tag in _TYPES_OF_FRAMES
        or tag in _TYPES_OF_CONTENT
        or tag >> 16 == _PIXEL_GROUP
    )


def is_defined_term(tag: int, value: str) -> bool:
    """Whether one value of such an attribute is a term of the standard."""
    value = value.strip(" \0")
    if tag == SPECIFIC_CHARACTER_SET:
        return _CHARACTER_SET.fullmatch(value) is not None
    if tag == _MODALITY:
        return value in _MODALITIES
    if tag in _TYPES_OF_CONTENT:
        return value in _OF_CONTENT
    return value in (_OF_PIXELS if tag >> 16 == _PIXEL_GROUP else _OF_IMAGES)
