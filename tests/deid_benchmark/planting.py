"""Known identifiers into real instances, and the answers that go with each.

What the answers ask for is what PS3.15 asks for under `OPTIONS`: the columns of Table E.1-1, the safe private
attributes of Table E.3.10-1, and that nothing of the planted identity is left in any text.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.deid_benchmark.answer_key import Action, Answers, Check
from tests.deid_benchmark.identities import Identity
from tests.deid_benchmark.places import HIDDEN, place

OPTIONS = (
    "basic+retain-safe-private+retain-device-identity+retain-patient-characteristics"
    "+retain-longitudinal-modified-dates+clean-descriptors+clean-structured-content+clean-graphics"
)

_ROOT = "1.2.826.0.1.3680043.10.1547"
"""Of the UIDs that are planted."""

_KEPT = (
    "Modality", "SOPClassUID", "Manufacturer", "ImageType", "SliceThickness", "KVP", "PixelSpacing",
    "Rows", "Columns",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation", "SamplesPerPixel",
    "ImageOrientationPatient", "ImagePositionPatient", "RepetitionTime", "EchoTime", "MagneticFieldStrength",
    "FlipAngle", "ConvolutionKernel", "PatientPosition", "RescaleSlope", "RescaleIntercept", "SeriesNumber",
    "InstanceNumber", "BodyPartExamined", "SequenceName", "NumberOfFrames", "DoseUnits", "DoseGridScaling",
)  # fmt: skip


class Planter:
    """Puts values into one Data Set and notes what must become of them."""

    def __init__(self, data_set: Dataset, who: Identity) -> None:
        self.data_set = data_set
        self.who = who
        self.checks: list[Check] = []

    @property
    def is_implicit(self) -> bool:
        """Whether the file does not tell VRs."""
        return bool(self.data_set.file_meta.TransferSyntaxUID.is_implicit_VR)

    def note(
        self, action: Action, where: str, value: object, text: str = "", category: str = "dicom.p15"
    ) -> None:
        self.checks.append(Check(action, where, str(value).strip(), text, category))

    def put(self, keyword: str, value: object, into: Dataset | None = None, above: str = "") -> str:
        """An attribute, whatever stood there; its place."""
        into = self.data_set if into is None else into
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        into[tag] = DataElement(tag, dictionary_VR(tag), value)
        return place(into, tag, above)

    def item(self, keyword: str, into: Dataset | None = None, above: str = "") -> tuple[Dataset, str]:
        """A new sequence of one item; the item, and what stands before the places in it."""
        item = Dataset()
        where = self.put(keyword, Sequence([item]), into, above)
        return item, f"{where}[<0000>]"

    def removed(
        self, keyword: str, value: str, *texts: str, into: Dataset | None = None, above: str = "",
        category: str = "hipaa.z",
    ) -> None:  # fmt: skip
        """A value of which each of the texts (the whole of it without) has to go."""
        where = self.put(keyword, value, into, above)
        for text in texts or (value,):
            self.note(Action.TEXT_REMOVED, where, value, text, category)

    def cleaned(
        self, keyword: str, value: str, gone: Iterable[str], stays: str,
        into: Dataset | None = None, above: str = "",
    ) -> None:  # fmt: skip
        """A text of which some has to go and some has to stay."""
        self.removed(keyword, value, *gone, into=into, above=above, category="hipaa.m")
        where = place(self.data_set if into is None else into, tag_for_keyword(keyword) or 0, above)
        self.note(Action.TEXT_RETAINED, where, value, stays, "tcia.p15")

    def retained(
        self, keyword: str, value: object = None, into: Dataset | None = None, above: str = "",
        category: str = "dicom.p15",
    ) -> None:  # fmt: skip
        """A value that has to stay; the one that is there without."""
        into = self.data_set if into is None else into
        if value is not None:
            self.put(keyword, value, into, above)
        element = into[keyword]
        where, text = place(into, element.tag, above), str(element.value).strip()
        self.note(Action.TAG_RETAINED, where, text, "", category)
        if text:
            self.note(Action.TEXT_RETAINED, where, text, text, category)

    def date(self, keyword: str, value: str, into: Dataset | None = None, above: str = "") -> None:
        where = self.put(keyword, value, into, above)
        self.note(Action.DATE_SHIFTED, where, value, "", "hipaa.z")

    def uid(self, keyword: str, value: str, into: Dataset | None = None, above: str = "") -> None:
        where = self.put(keyword, value, into, above)
        self.note(Action.UID_CHANGED, where, value)
        self.note(Action.UID_CONSISTENT, where, value)

    def private(self, group: int, creator: str, low: int, vr: str, value: object) -> str:
        """A private attribute in a block of its creator, one that is free in this instance."""
        block = self.data_set.private_block(group, creator, create=True)
        block.add_new(low, vr, value)
        return place(self.data_set, block.get_tag(low))


def new_uid(*parts: object) -> str:
    """A UID that no real instance has, the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"{_ROOT}.{int.from_bytes(digest[:10], 'big')}"


def plant(
    data_set: Dataset, who: Identity, study: int, number: int, *, pixels_change: bool = False
) -> Answers:
    """Plant everything that fits an instance; `number` is its place in the study, from 0.

    `pixels_change`: there is text in the pixels, so that nobody can ask for them as they are.
    """
    data_set.remove_private_tags()  # what is in them is nobody's answer
    data_set.SpecificCharacterSet = "ISO_IR 100"
    planter = Planter(data_set, who)
    _kept(planter, pixels_change)
    _identity(planter, study, number)
    _people_and_places(planter, number)
    _dates(planter)
    _references(planter, study, number)
    _characteristics(planter)
    _descriptors(planter, study, number)
    _nested(planter, study, number)
    (_private_ge, _private_siemens, _private_philips)[(study + number) % 3](planter)
    if "PixelData" in data_set:
        _overlay(planter)
        pixels = hashlib.md5(data_set.PixelData, usedforsecurity=False).hexdigest()
        where = place(data_set, 0x7FE00010)
        planter.note(Action.TAG_RETAINED, where, HIDDEN, "", "dicom.iod")
        if not pixels_change:
            planter.note(Action.PIXELS_RETAINED, where, HIDDEN, pixels, "dicom.iod")
    return answers(planter)


def answers(planter: Planter) -> Answers:
    data_set = planter.data_set
    return Answers(
        str(data_set.get("Modality", "OT")),
        str(data_set.SOPClassUID),
        str(data_set.PatientID),
        str(data_set.StudyInstanceUID),
        str(data_set.SeriesInstanceUID),
        str(data_set.SOPInstanceUID),
        checks=planter.checks,
    )


def _kept(planter: Planter, pixels_change: bool) -> None:
    for keyword in _KEPT:
        if pixels_change and keyword == "PhotometricInterpretation":  # cleaned ones may leave uncompressed
            continue
        if planter.data_set.get(keyword) not in (None, ""):
            planter.retained(keyword, category="dicom.iod")


def _identity(planter: Planter, study: int, number: int) -> None:
    who = planter.who
    planter.removed("PatientName", who.name, who.name, who.surname, who.given)
    patient = planter.put("PatientID", who.number)
    planter.note(Action.PATID_CONSISTENT, patient, who.number, category="tcia.p15")
    planter.note(Action.TEXT_NOTNULL, patient, who.number, category="tcia.p15")
    planter.note(Action.TEXT_REMOVED, patient, who.number, who.number, "hipaa.z")
    planter.removed("PatientBirthDate", who.birth_date)
    planter.removed("PatientBirthName", f"{who.surname}son^{who.given}")
    planter.removed("OtherPatientNames", f"{who.given}^{who.surname}", who.surname, who.given)
    planter.removed("PatientMotherBirthName", f"Vandersloot^{who.given}ina", "Vandersloot")
    planter.removed("OtherPatientIDs", f"X{who.number}-7")
    planter.removed("IssuerOfPatientID", who.institution)
    planter.removed("MedicalRecordLocator", f"LOC{who.number}")
    planter.removed("PatientAddress", f"{who.address}, Ostrowfalls", who.address, "Ostrowfalls")
    planter.removed("PatientTelephoneNumbers", who.phone)
    planter.removed("CountryOfResidence", "Ruritania")
    planter.removed("RegionOfResidence", "Strelsau")
    planter.removed("MilitaryRank", "Korvettenleutnant")
    planter.removed("PatientReligiousPreference", "Zoroastrian")
    planter.removed("AccessionNumber", who.accession)
    planter.removed("StudyID", f"S{who.accession[2:]}")
    planter.removed("AdmissionID", f"ADM{who.accession}")
    planter.uid("StudyInstanceUID", new_uid("study", study))
    planter.uid("SeriesInstanceUID", new_uid("series", study, number))
    planter.uid("SOPInstanceUID", new_uid("instance", study, number))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        planter.note(Action.TEXT_NOTNULL, place(planter.data_set, tag_for_keyword(keyword) or 0), "")
    planter.data_set.file_meta.MediaStorageSOPClassUID = planter.data_set.SOPClassUID
    planter.data_set.file_meta.MediaStorageSOPInstanceUID = planter.data_set.SOPInstanceUID


def _people_and_places(planter: Planter, number: int) -> None:
    who = planter.who
    planter.removed("ReferringPhysicianName", f"{who.referrer}^Ignatius", who.referrer)
    planter.removed("ReferringPhysicianAddress", f"12 {who.referrer} Court", who.referrer)
    planter.removed("ReferringPhysicianTelephoneNumbers", who.phone)
    if number == 0:
        planter.removed("OperatorsName", f"{who.operator}^T", who.operator)
    for keyword in ("PerformingPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy"):
        planter.removed(keyword, f"{who.referrer}^Ignatius", who.referrer)
    planter.removed("RequestingPhysician", f"{who.referrer}^Ignatius", who.referrer)
    planter.removed("ResponsiblePerson", f"{who.surname}^Theodora", who.surname)
    planter.removed("ResponsibleOrganization", who.institution)
    planter.removed("InstitutionName", who.institution)
    planter.removed("InstitutionAddress", f"{who.address}, Ostrowfalls", "Ostrowfalls")
    planter.removed("InstitutionalDepartmentName", f"Radiology {who.institution}"[:64], who.institution)
    planter.removed("CurrentPatientLocation", "Ward Q17 Bed 4", "Q17")
    planter.removed("PlacerOrderNumberImagingServiceRequest", f"PO{who.accession}")
    planter.removed("FillerOrderNumberImagingServiceRequest", f"FO{who.accession}")
    planter.removed("RequestedProcedureID", f"RP{who.accession}")
    planter.removed("PerformedProcedureStepID", f"PPS{who.accession}")


def _dates(planter: Planter) -> None:
    day = planter.who.study_date
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate"):
        planter.date(keyword, day)
    for keyword in ("StudyDate", "ContentDate"):
        planter.note(Action.TEXT_NOTNULL, place(planter.data_set, tag_for_keyword(keyword) or 0), day)
    planter.date("AcquisitionDateTime", f"{day}101512.000000")
    planter.note(Action.TEXT_NOTNULL, place(planter.data_set, 0x0008002A), day)
    planter.date("PerformedProcedureStepStartDate", day)
    planter.date("AdmittingDate", day)
    planter.date("LastMenstrualDate", day)
    planter.retained("StudyTime", "101512")


def _references(planter: Planter, study: int, number: int) -> None:
    if "PixelData" in planter.data_set:
        planter.uid("FrameOfReferenceUID", new_uid("frame", study))
        planter.uid("IrradiationEventUID", new_uid("event", study))
    for keyword, other in (("ReferencedImageSequence", 0), ("SourceImageSequence", number + 1)):
        item, above = planter.item(keyword)
        planter.retained("ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2", item, above)
        planter.uid("ReferencedSOPInstanceUID", new_uid("instance", study, other), item, above)
        purpose, inside = planter.item("PurposeOfReferenceCodeSequence", item, above)
        purpose.CodeValue, purpose.CodingSchemeDesignator = "121311", "DCM"
        planter.retained("CodeMeaning", "Localizer", purpose, inside)


def _characteristics(planter: Planter) -> None:
    for keyword, value in (
        ("PatientSex", "F"), ("PatientAge", "045Y"), ("PatientSize", "1.71"), ("PatientWeight", "66.5"),
        ("PatientSexNeutered", "UNALTERED"), ("SmokingStatus", "NO"), ("PregnancyStatus", 4),
        ("StationName", "SCAN07"), ("DeviceSerialNumber", "QX-88-31"),
        ("ManufacturerModelName", "Meridian 64"),
        ("SoftwareVersions", "VB17.3"), ("GantryID", "G-2"),
    ):  # fmt: skip
        planter.retained(keyword, value, category="tcia.p15")


def _descriptors(planter: Planter, study: int, number: int) -> None:
    who = planter.who
    loud, plain = who.surname.upper(), who.surname
    planter.cleaned("StudyDescription", f"CT CHEST {loud} W CONTRAST", [loud], "CT CHEST W CONTRAST")
    planter.cleaned(
        "SeriesDescription", f"AX T2 TSE 5mm for Dr {who.referrer}", [who.referrer], "AX T2 TSE 5mm"
    )
    planter.retained("ProtocolName", "CHEST ROUTINE 1.0 B31f", category="tcia.p15")
    planter.cleaned(
        "ImageComments",
        f"Motion artifact. Repeat of {new_uid('prior', study)}",
        [new_uid("prior", study)],
        "Motion artifact. Repeat",
    )
    planter.cleaned(
        "PatientComments",
        f"Allergy to penicillin. Call daughter at {who.phone} or mail {who.given.lower()}@example.org",
        [who.phone, f"{who.given.lower()}@example.org"],
        "Allergy to penicillin",
    )
    planter.cleaned(
        "AdditionalPatientHistory",
        f"Nodule in left upper lobe. MRN: {who.number}, DOB {who.birth_text}, {who.given} {plain} seen "
        f"{who.study_text} at {who.institution}",
        [who.number, who.birth_text, plain, who.given, who.study_text, who.institution],
        "Nodule in left upper lobe",
    )
    planter.cleaned(
        "AdmittingDiagnosesDescription", f"Pneumonia, {plain}, {who.given}", [plain, who.given], "Pneumonia"
    )
    planter.cleaned(
        "RequestedProcedureDescription", f"MR BRAIN WITHOUT {loud}^{who.given.upper()}",
        [loud, who.given.upper()], "MR BRAIN WITHOUT",
    )  # fmt: skip
    planter.cleaned(
        "PerformedProcedureStepDescription", f"ABDOMEN ACC {who.accession}", [who.accession], "ABDOMEN"
    )
    planter.cleaned(
        "AcquisitionComments", f"Breath hold failed, tech. {who.operator}", [who.operator],
        "Breath hold failed",
    )  # fmt: skip
    planter.cleaned(
        "DerivationDescription", f"Maximum intensity projection {who.study_text}", [who.study_text],
        "Maximum intensity projection",
    )  # fmt: skip
    planter.cleaned("ContrastBolusAgent", f"Omniscan 11 ml {loud}", [loud], "Omniscan 11 ml")
    _comments(planter, study)
    planter.cleaned("RequestingService", f"Oncology {who.institution}"[:64], [who.institution], "Oncology")


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _comments(planter: Planter, study: int) -> None:
    """The same identity as people write it: small, turned round, without its accents, with a title."""
    who = planter.who
    small, spelled = who.surname.lower(), plain_letters(who.surname)
    birth = who.birth_date
    day = f"{birth[6:]} {_MONTHS[int(birth[4:6]) - 1]} {birth[:4]}"
    planter.cleaned(
        "VisitComments", f"{who.given.lower()} {small} cooperative", [who.given.lower(), small], "cooperative"
    )
    planter.cleaned(
        "ReasonForStudy",
        f"Follow-up of {spelled.upper()}, {who.given}; prior {day}",
        [spelled.upper(), who.given, day],
        "Follow-up prior",
    )
    planter.cleaned("StudyComments", f"({who.name}) poor contrast", [who.surname, who.given], "poor contrast")
    planter.cleaned("MedicalAlerts", "Latex allergy, ask Dr. Vanterpool", ["Vanterpool"], "Latex allergy")
    planter.cleaned(
        "ReasonForTheRequestedProcedure",
        f"Rule out embolism. geb. {birth[6:]}.{birth[4:6]}.{birth[:4]}",
        [f"{birth[6:]}.{birth[4:6]}.{birth[:4]}"],
        "Rule out embolism",
    )
    planter.cleaned(
        "CommentsOnThePerformedProcedureStep", f"addendum to {who.accession}-2, contrast given",
        [who.accession], "addendum contrast given",
    )  # fmt: skip
    planter.cleaned(
        "ImagingServiceRequestComments", f"compare with {new_uid('pacs', study)} of {birth}",
        [new_uid("pacs", study), birth], "compare",
    )  # fmt: skip
    planter.retained("Allergies", "Iodine", category="tcia.p15")


def plain_letters(text: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _nested(planter: Planter, study: int, number: int) -> None:
    who = planter.who
    item, above = planter.item("RequestAttributesSequence")
    planter.removed("RequestedProcedureID", f"RP{who.accession}", into=item, above=above)
    planter.removed("ScheduledProcedureStepID", f"SPS{who.accession}", into=item, above=above)
    planter.cleaned(
        "ScheduledProcedureStepDescription", f"PELVIS 3 PHASE {who.surname}", [who.surname], "PELVIS 3 PHASE",
        item, above,
    )  # fmt: skip
    item, above = planter.item("OtherPatientIDsSequence")
    planter.removed("PatientID", f"Y{who.number}", into=item, above=above)
    item, above = planter.item("OriginalAttributesSequence")
    item, above = planter.item("ModifiedAttributesSequence", item, above)
    planter.removed("PatientName", who.name, who.surname, who.given, into=item, above=above)
    planter.removed("PatientID", who.number, into=item, above=above)
    item, above = planter.item("ReferringPhysicianIdentificationSequence")
    planter.removed("InstitutionName", who.institution, into=item, above=above)
    item, above = planter.item("PersonIdentificationCodeSequence", item, above)
    item.CodeValue, item.CodingSchemeDesignator = "17", "99HOSP"
    planter.removed("CodeMeaning", who.referrer, into=item, above=above)
    item, above = planter.item("ProcedureCodeSequence")
    item.CodeValue, item.CodingSchemeDesignator = "24627-2", "LN"
    planter.retained("CodeMeaning", "Chest CT", item, above)
    item, above = planter.item("ReferencedStudySequence")
    planter.put("ReferencedSOPClassUID", "1.2.840.10008.3.1.2.3.1", item, above)
    planter.uid("ReferencedSOPInstanceUID", new_uid("study", study), item, above)


def _safe(planter: Planter, group: int, creator: str, low: int, vr: str, value: object) -> None:
    """An attribute that Table E.3.10-1 lists."""
    where = planter.private(group, creator, low, vr, value)
    text = str(planter.data_set.private_block(group, creator)[low].value).strip()
    planter.note(Action.TAG_RETAINED, where, text, "", "dicom.safe")
    planter.note(Action.TEXT_RETAINED, where, text, text, "dicom.safe")


def _unsafe(planter: Planter, group: int, creator: str, low: int, vr: str, value: object, text: str) -> None:
    where = planter.private(group, creator, low, vr, value)
    planter.note(Action.TEXT_REMOVED, where, str(value), text, "tcia.ptkb")


def _private_ge(planter: Planter) -> None:
    who = planter.who
    _unsafe(planter, 0x0009, "GEMS_IDEN_01", 0x30, "SH", who.accession, who.accession)
    _unsafe(planter, 0x0011, "GEMS_PATI_01", 0x20, "LO", f"Consult {who.referrer}", who.referrer)
    planter.private(0x0019, "SOMEBODY ELSE", 0x01, "LO", who.name)  # so that the next block is not the first
    _unsafe(planter, 0x0019, "SOMEBODY ELSE", 0x01, "LO", who.name, who.surname)
    _safe(planter, 0x0019, "GEMS_ACQU_01", 0x23, "DS", "5.000000")
    _safe(planter, 0x0019, "GEMS_ACQU_01", 0x24, "DS", "373.75")
    _unsafe(planter, 0x0019, "GEMS_ACQU_01", 0x9E, "LO", f"EFGRE3D {who.surname}", who.surname)
    _safe(planter, 0x0043, "GEMS_PARM_01", 0x27, "SH", "/1.375:1")
    _safe(planter, 0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000", "8", "0", "0"])
    _unsafe(planter, 0x0043, "GEMS_PARM_01", 0x61, "UI", new_uid("ge", who.number), new_uid("ge", who.number))


def _private_siemens(planter: Planter) -> None:
    who = planter.who
    header = b"SV10\4\3\2\1" + f"PatientName\0{who.name}\0tPatientsName\0{who.number}".encode("latin-1")
    header += b"\0" * (len(header) % 2)
    _unsafe(planter, 0x0029, "SIEMENS CSA HEADER", 0x10, "OB", header, who.number)
    _unsafe(planter, 0x0051, "SIEMENS MR HEADER", 0x0C, "LO", f"FoV 220*220 {who.surname}", who.surname)
    _safe(planter, 0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000")
    _safe(planter, 0x0019, "SIEMENS MR HEADER", 0x0D, "CS", "DIRECTIONAL")
    _safe(planter, 0x0019, "SIEMENS MR HEADER", 0x0E, "FD", [0.5, -0.5, 0.707])
    item = Dataset()
    planter.private(0x0021, "SIEMENS MR SDS 01", 0xFE, "SQ", Sequence([item]))
    item.private_block(0x0021, "SIEMENS MR SDS 01", create=True).add_new(0x01, "LO", who.number)
    where = place(planter.data_set, planter.data_set.private_block(0x0021, "SIEMENS MR SDS 01").get_tag(0xFE))
    if not planter.is_implicit:  # there a reader cannot know that it is a sequence
        where += '[<0000>]<(0021,"SIEMENS MR SDS 01",01)>'
    planter.note(Action.TEXT_REMOVED, where, who.number, who.number, "tcia.ptkb")
    _unsafe(planter, 0x0095, "SIEMENS SYNGO INDEX", 0x0C, "LO", who.institution, who.institution)


def _private_philips(planter: Planter) -> None:
    who = planter.who
    _safe(planter, 0x2001, "Philips Imaging DD 001", 0x03, "FL", 1000.0)
    _safe(planter, 0x2001, "Philips Imaging DD 001", 0x06, "CS", "N")
    _safe(planter, 0x2001, "Philips Imaging DD 001", 0x08, "IS", "3")
    _unsafe(planter, 0x2001, "Philips Imaging DD 001", 0xC8, "LO", f"{who.institution}", who.institution)
    _unsafe(planter, 0x2005, "Philips MR Imaging DD 001", 0x70, "LO", who.name, who.surname)
    item = Dataset()
    item.PatientName, item.RepetitionTime = who.name, "500"
    where = planter.private(0x2001, "Philips Imaging DD 129", 0x00, "SQ", Sequence([item]))
    planter.note(Action.TEXT_REMOVED, f"{where}[<0000>]<(0010,0010)>", who.name, who.surname, "tcia.ptkb")
    planter.note(Action.TEXT_RETAINED, f"{where}[<0000>]<(0018,0080)>", "500", "500", "dicom.safe")


def _overlay(planter: Planter) -> None:
    """The text of an overlay; its bits are part of the picture in `pictures`."""
    who, data_set = planter.who, planter.data_set
    rows, columns = int(data_set.Rows), int(data_set.Columns)
    data_set.add_new(0x60000010, "US", rows)
    data_set.add_new(0x60000011, "US", columns)
    data_set.add_new(0x60000040, "CS", "G")
    data_set.add_new(0x60000050, "SS", [1, 1])
    data_set.add_new(0x60000100, "US", 1)
    data_set.add_new(0x60000102, "US", 0)
    size = (rows * columns + 7) // 8
    data_set.add_new(0x60003000, "OW", bytes(size + size % 2))
    for tag, vr, text in (
        (0x60000022, "LO", f"Outline by {who.operator}"),
        (0x60001500, "LO", f"Tumor of {who.surname}"),
        (0x60004000, "LT", f"{who.name} {who.number}"),
    ):
        data_set.add_new(tag, vr, text)
        unwanted = who.number if tag == 0x60004000 else text.split()[-1]
        planter.note(Action.TEXT_REMOVED, place(data_set, tag), text, unwanted, "hipaa.m")
