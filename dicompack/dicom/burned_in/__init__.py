"""Text in the pixels: who is suspected of it, and how it is removed (PS3.15 E.3.1).

`dicompack.dicom.burned_in.blackening.clean` loads numpy and the models when it is called.
"""

from dicompack.dicom.burned_in.boxes import Box, Cause
from dicompack.dicom.burned_in.gate import Reason, face_finding, suspicion
from dicompack.dicom.burned_in.regions import DeviceRules, parse_rules, shipped_rules

__all__ = [
    "suspicion",
    "Reason",
    "face_finding",
    "Box",
    "Cause",
    "DeviceRules",
    "parse_rules",
    "shipped_rules",
]
