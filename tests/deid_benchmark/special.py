"""Instances that no bundled file gives: structured reports, documents, structure sets, text in pixels."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.deid_benchmark.answer_key import Action, Answers, Check
from tests.deid_benchmark.identities import Identity
from tests.deid_benchmark.places import HIDDEN, place
from tests.deid_benchmark.planting import Planter, new_uid, plant

_BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_CR, _US, _SC = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("1", "6.1", "7"))


def blank(sop_class: str, modality: str, instance: str) -> Dataset:
    """An instance with what identifies it."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta.MediaStorageSOPClassUID = sop_class
    data_set.file_meta.MediaStorageSOPInstanceUID = instance
    data_set.SOPClassUID, data_set.SOPInstanceUID, data_set.Modality = sop_class, instance, modality
    data_set.Manufacturer = "Example Systems"
    data_set.SeriesNumber = data_set.InstanceNumber = "1"
    return data_set


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def report(who: Identity, study: int, number: int) -> tuple[Dataset, Answers]:
    """A Basic Text SR with an item of each kind of value."""
    data_set = blank(_BASIC_TEXT_SR, "SR", new_uid("sr", study))
    data_set.ValueType, data_set.ContinuityOfContent = "CONTAINER", "SEPARATE"
    data_set.ConceptNameCodeSequence = _code("18748-4", "LN", "Diagnostic imaging report")
    data_set.CompletionFlag, data_set.VerificationFlag = "COMPLETE", "UNVERIFIED"
    key = plant(data_set, who, study, number)
    planter = Planter(data_set, who)
    items: list[Dataset] = []
    content = planter.put("ContentSequence", Sequence([]))

    def item(kind: str, relation: str, *concept: str) -> tuple[Dataset, str]:
        one = Dataset()
        one.RelationshipType, one.ValueType = relation, kind
        one.ConceptNameCodeSequence = _code(*concept)
        items.append(one)
        return one, f"{content}[<{len(items) - 1:04}>]"

    one, above = item("TEXT", "CONTAINS", "121071", "DCM", "Finding")
    planter.cleaned(
        "TextValue",
        f"Spiculated mass in the left upper lobe. Discussed with Dr. {who.referrer} on {who.study_text}. "
        f"{who.given} {who.surname} (MRN {who.number}) will return.",
        [who.referrer, who.study_text, who.surname, who.given, who.number],
        "Spiculated mass in the left upper lobe",
        one,
        above,
    )
    one, above = item("CODE", "CONTAINS", "121071", "DCM", "Finding")
    one.ConceptCodeSequence = _code("4147007", "SCT", "Mass")
    planter.retained("CodeMeaning", "Mass", one.ConceptCodeSequence[0], f"{above}<(0040,A168)>[<0000>]")
    one, above = item("NUM", "CONTAINS", "410668003", "SCT", "Length")
    measured, inside = planter.item("MeasuredValueSequence", one, above)
    measured.MeasurementUnitsCodeSequence = _code("mm", "UCUM", "mm")
    planter.retained("NumericValue", "17.5", measured, inside)
    one, above = item("CONTAINER", "CONTAINS", "121070", "DCM", "Findings")
    one.ContinuityOfContent = "SEPARATE"
    deeper = Dataset()
    deeper.RelationshipType, deeper.ValueType = "CONTAINS", "TEXT"
    deeper.ConceptNameCodeSequence = _code("121073", "DCM", "Impression")
    one.ContentSequence = Sequence([deeper])
    planter.cleaned(
        "TextValue", f"No acute disease in {who.surname.upper()}", [who.surname.upper()], "No acute disease",
        deeper, f"{above}<(0040,A730)>[<0000>]",
    )  # fmt: skip
    # Table E.3.4-1 removes items such as these as a whole, so they come after those that are counted on.
    one, above = item("PNAME", "HAS OBS CONTEXT", "121008", "DCM", "Person Observer Name")
    planter.removed("PersonName", f"{who.referrer}^Ignatius", who.referrer, into=one, above=above)
    one, above = item("TEXT", "HAS OBS CONTEXT", "121009", "DCM", "Person Observer's Organization Name")
    planter.removed("TextValue", who.institution, into=one, above=above)
    one, above = item("UIDREF", "HAS OBS CONTEXT", "121018", "DCM", "Procedure Study Instance UID")
    planter.uid("UID", new_uid("study", study), one, above)
    one, above = item("TEXT", "HAS OBS CONTEXT", "121029", "DCM", "Subject Name")
    planter.removed("TextValue", f"{who.given} {who.surname}", who.surname, who.given, into=one, above=above)
    one, above = item("DATETIME", "HAS OBS CONTEXT", "111526", "DCM", "DateTime Started")
    planter.date("DateTime", f"{who.study_date}101512", one, above)
    data_set.ContentSequence = Sequence(items)
    key.checks += planter.checks
    return data_set, key


def document(who: Identity, study: int, number: int) -> tuple[Dataset, Answers]:
    """An encapsulated PDF that says who it is about."""
    data_set = blank(_ENCAPSULATED_PDF, "DOC", new_uid("pdf", study))
    key = plant(data_set, who, study, number)
    # What may be kept of a document that nobody can read is the sender's to decide.
    key.checks = [check for check in key.checks if check.action in _LEAKS]
    planter = Planter(data_set, who)
    planter.removed("DocumentTitle", f"Letter about {who.surname}", who.surname)
    data_set.MIMETypeOfEncapsulatedDocument, data_set.BurnedInAnnotation = "application/pdf", "YES"
    text = f"%PDF-1.4\n1 0 obj <</Title ({who.given} {who.number})>> endobj\n%%EOF\n".encode("latin-1")
    data_set.add_new(0x00420011, "OB", text + b" " * (len(text) % 2))
    planter.note(Action.TEXT_REMOVED, place(data_set, 0x00420011), HIDDEN, who.number, "hipaa.z")
    key.checks += planter.checks
    return data_set, key


_LEAKS = (Action.TEXT_REMOVED, Action.DATE_SHIFTED, Action.UID_CHANGED)


def structure_set(data_set: Dataset, planter: Planter) -> None:
    """Names in the free text of a radiotherapy structure set."""
    who = planter.who
    planter.cleaned(
        "StructureSetDescription", f"Contours of {who.surname}, boost", [who.surname], "Contours boost"
    )
    for number, region in enumerate(data_set.get("StructureSetROISequence", [])[:3]):
        above = f"<(3006,0020)>[<{number:04}>]"
        planter.cleaned("ROIName", f"GTV {who.surname}", [who.surname], "GTV", region, above)


# ------------------------------------------------------------------------------------ text in the pixels


def anatomy(source: Dataset, size: int, bits: int) -> np.ndarray:
    """A picture of a real one: upscaled, `size` by `size`."""
    picture = source.pixel_array.astype(np.float64)
    low, high = np.percentile(picture, (1, 99))
    picture = np.clip((picture - low) / max(high - low, 1), 0, 1) * 0.8 * (2**bits - 1)
    rows = np.arange(size) * picture.shape[0] // size
    columns = np.arange(size) * picture.shape[1] // size
    return picture[np.ix_(rows, columns)]


def glyphs(text: str, height: int) -> np.ndarray:
    """The text as a mask, as tight as its ink."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, 255, font)
    mask = np.asarray(image) > 127
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def pictured(
    source: Dataset, kind: str, who: Identity, study: int, height: int, *, dark: bool = False
) -> tuple[Dataset, Answers]:
    """A CR, US or SC image with the patient's name, number and date in it."""
    sop_class, bits = {"CR": (_CR, 12), "US": (_US, 8), "SC": (_SC, 8)}[kind]
    data_set = blank(sop_class, "OT" if kind == "SC" else kind, new_uid(kind, study))
    size = 512
    picture = anatomy(source, size, bits)
    ink = float(2**bits - 1)
    if dark:
        picture, ink = ink - picture, 0.0  # dark text on bright film
    boxes = []
    top = 20
    for text in (f"{who.surname.upper()} {who.given.upper()}"[:24], f"ID {who.number}", who.study_text):
        mask = glyphs(text, height)
        mask = mask[:, : size - 40]
        down, across = mask.shape
        region = picture[top : top + down, 24 : 24 + across]
        region[mask] = ink
        boxes.append((text, [24, top], [24 + across - 1, top + down - 1]))
        top += down + height
    colours = 1 if kind == "CR" else 3
    data_set.SamplesPerPixel = colours
    data_set.PhotometricInterpretation = "MONOCHROME2" if colours == 1 else "RGB"
    if colours == 3:
        data_set.PlanarConfiguration = 0
        picture = np.repeat(picture[:, :, np.newaxis], 3, 2)
    data_set.Rows = data_set.Columns = size
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = (16, 12, 11) if bits == 12 else (8, 8, 7)
    data_set.PixelRepresentation = 0
    samples = np.rint(picture).astype("<u2" if bits == 12 else "u1").tobytes()
    data_set.add_new(0x7FE00010, "OW" if bits == 12 else "OB", samples)
    if kind == "SC":
        data_set.ConversionType = "WSD"
    key = plant(data_set, who, study, 0, pixels_change=True)
    key.checks += [hidden(data_set, *box) for box in boxes]
    return data_set, key


def hidden(data_set: Dataset, text: str, top_left: list[int], bottom_right: list[int]) -> Check:
    """What asks for a box to be blackened; columns before rows."""
    box = {"text": text, "top_left": top_left, "bottom_right": bottom_right}
    return Check(Action.PIXELS_HIDDEN, place(data_set, 0x7FE00010), HIDDEN, str(box), "hipaa.m")
