"""De-identification by PS3.15 Annex E: the Basic Application Confidentiality Profile and its options."""

from dicompack.dicom.confidentiality.canonical import canonical
from dicompack.dicom.confidentiality.options import check_options, parse_deidentify
from dicompack.dicom.confidentiality.profile import METHOD, Deidentified, deidentify
from dicompack.dicom.confidentiality.pseudonyms import LABELS, Derive, new_uid
from dicompack.dicom.confidentiality.site_profile import SiteProfile
from dicompack.dicom.confidentiality.site_profile_file import site_profile
from dicompack.dicom.confidentiality.table import EDITION, Option

__all__ = [
    "deidentify",
    "Deidentified",
    "Option",
    "parse_deidentify",
    "check_options",
    "SiteProfile",
    "site_profile",
    "Derive",
    "LABELS",
    "new_uid",
    "canonical",
    "METHOD",
    "EDITION",
]
