"""De-identification by PS3.15 Annex E: the Basic Application Level Confidentiality Profile."""

from dicompack.dicom.confidentiality.canonical import canonical
from dicompack.dicom.confidentiality.profile import METHOD, Deidentified, deidentify
from dicompack.dicom.confidentiality.pseudonyms import LABELS, Derive, new_uid
from dicompack.dicom.confidentiality.table import EDITION, Option

__all__ = [
    "deidentify",
    "Deidentified",
    "Option",
    "Derive",
    "LABELS",
    "new_uid",
    "canonical",
    "METHOD",
    "EDITION",
]
