"""The gate: what is suspected, what passes, and that nothing about the patient is said."""

from __future__ import annotations

import numpy as np
import pytest

from dicompack.dicom.burned_in import Reason, face_finding, suspicion
from dicompack.dicom.confidentiality import deidentify
from dicompack.dicom.dataset import DataSet, Element, Sequence, number_element
from dicompack.errors import SuspectError
from tests.unit.dicom.burned_in_cases import (
    BURNED_IN,
    CAPTURE,
    CR,
    CT,
    DX,
    IMAGE_TYPE,
    PIXELS,
    SERIES,
    ULTRASOUND,
    image,
    of,
    word,
)
from tests.unit.dicom.confidentiality_cases import KEY, SERIES_SEQUENCE, everything, instance, walk

STORAGE = "1.2.840.10008.5.1.4.1.1."
NO, YES = word(BURNED_IN, "NO"), word(BURNED_IN, "YES")


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        ("7", Reason.SECONDARY_CAPTURE), ("7.2", Reason.SECONDARY_CAPTURE), ("7.4", Reason.SECONDARY_CAPTURE),
        ("6.1", Reason.ULTRASOUND), ("3.1", Reason.ULTRASOUND), ("6.2", Reason.ULTRASOUND),
        ("12.1", Reason.FLUOROSCOPY), ("12.2", Reason.FLUOROSCOPY), ("1", Reason.COMPUTED_RADIOGRAPHY),
        ("77.1.1", Reason.PHOTOGRAPH), ("77.1.4.1", Reason.PHOTOGRAPH), ("77.1.5.1", Reason.PHOTOGRAPH),
        ("481.1", Reason.PORTAL), ("481.23", Reason.PORTAL), ("481.24", Reason.PORTAL),
    ],
)  # fmt: skip
@pytest.mark.parametrize("declared", [(), (NO,)])
def test_bur_10_devices_that_write_into_images_are_suspected_whatever_they_say(suffix, reason, declared):
    assert suspicion(image(STORAGE + suffix, *declared)) == (reason,)


@pytest.mark.parametrize("suffix", ["2", "2.1", "4", "4.1", "20", "128", "481.2", "66.4", "30"])
def test_bur_10_images_computed_from_raw_data_pass(suffix):
    assert suspicion(image(STORAGE + suffix)) == ()
    assert suspicion(image(STORAGE + suffix, YES)) == (Reason.SAID,)
    assert suspicion(image(STORAGE + suffix, word(BURNED_IN, "yes "))) == (Reason.SAID,)


@pytest.mark.parametrize("suffix", ["1.1", "1.2", "12.1.1", "13.1.3", "77.1.6"])
def test_bur_10_a_no_counts_where_the_class_obliges_the_device_to_give_one(suffix):
    assert suspicion(image(STORAGE + suffix, NO, modality="DX")) == ()
    assert suspicion(image(STORAGE + suffix)) == (Reason.UNDECLARED,)
    assert suspicion(image(STORAGE + suffix, word(BURNED_IN, "MAYBE"))) == (Reason.UNDECLARED,)
    assert Reason.SAID in suspicion(image(STORAGE + suffix, YES))


def test_bur_10_detector_data_for_processing_pass():
    assert suspicion(image(DX + ".1")) == ()


@pytest.mark.parametrize("modality", ["US", "XA", "RF", "CR", "ES", "XC"])
def test_bur_10_the_modality_counts_where_the_class_says_nothing(modality):
    assert len(suspicion(image(CT, modality=modality))) == 1


@pytest.mark.parametrize(
    ("suffix", "modality", "reason"),
    [
        ("1.2", "US", Reason.ULTRASOUND), ("1.1", "RF", Reason.FLUOROSCOPY), ("1.2", "OT", Reason.UNKNOWN),
        ("1.1", "SC", Reason.SECONDARY_CAPTURE), ("12.1.1", "US", Reason.ULTRASOUND),
        ("13.1.3", "DX\\XA", Reason.FLUOROSCOPY), ("77.1.6", "XC", Reason.PHOTOGRAPH),
    ],
)  # fmt: skip
def test_bur_10_a_no_does_not_count_where_the_modality_contradicts(suffix, modality, reason):
    assert suspicion(image(STORAGE + suffix, NO, modality=modality)) == (reason,)


@pytest.mark.parametrize(
    ("suffix", "modality"),
    [("12.1.1", "XA"), ("13.1.1", "XA"), ("12.2.1", "RF"), ("12.2.1", "XA"), ("1.2", "MG"), ("1.1", "")],
)
def test_bur_10_the_modality_of_the_class_contradicts_nothing(suffix, modality):
    assert suspicion(image(STORAGE + suffix, NO, modality=modality)) == ()


@pytest.mark.parametrize("modality", ["US\\MR", "MR\\US", "mr\\us "])
def test_bur_10_each_value_of_the_modality_counts(modality):
    assert suspicion(image(CT, modality=modality)) == (Reason.ULTRASOUND,)


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009])
def test_bur_10_pixels_that_are_fractions_are_pixels(tag):
    fractions = Element(tag, "OF" if tag == 0x7FE00008 else "OD", bytes(8))
    assert suspicion(image(CAPTURE).without(PIXELS).replacing(fractions)) == (Reason.SECONDARY_CAPTURE,)
    assert suspicion(image(STORAGE + "30").without(PIXELS).replacing(fractions)) == ()


@pytest.mark.parametrize("tag", [PIXELS, 0x7FE00008, 0x7FE00009])
def test_bur_10_pixels_within_public_sequences(tag):
    inner = Sequence(SERIES_SEQUENCE, (DataSet([Element(tag, "OW", bytes(8))]),))
    deeper = Sequence(SERIES_SEQUENCE, (DataSet([inner]),))
    report = DataSet([word(0x00080016, STORAGE + "88.11", "UI"), deeper])
    assert Reason.INNER in suspicion(report)
    assert suspicion(image(CT, inner)) == (Reason.INNER,)
    icon = Sequence(0x00880200, (DataSet([Element(tag, "OW", bytes(8))]),))
    assert suspicion(image(CT, icon)) == ()


@pytest.mark.parametrize("suffix", ["9.4.1", "9.4.2"])
def test_dei_15_bur_10_a_recorded_voice_is_refused_like_a_document(suffix):
    voice = instance(word(0x00080016, STORAGE + suffix, "UI"))
    assert suspicion(voice) == (Reason.VOICE,)
    with pytest.raises(SuspectError) as caught:
        deidentify(voice, KEY, pixels_vouched=True)
    assert caught.value.rule == "DEI-15"


@pytest.mark.parametrize("group", [0x6000, 0x601E, 0x6020, 0x60FE])
def test_bur_6_and_dei_60_look_at_the_same_overlays(group):
    embedded = number_element(group << 16 | 0x0102, "US", 12)
    assert suspicion(image(CT, embedded)) == (Reason.HIDDEN_BITS,)
    with pytest.raises(SuspectError) as caught:
        deidentify(instance(embedded), KEY)
    assert caught.value.rule == "DEI-60"
    for looked in ({"pixels_cleaned": True}, {"pixels_vouched": True}):
        result = deidentify(instance(embedded), KEY, **looked)
        assert group << 16 | 0x0102 not in result.data_set


def test_bur_10_a_kind_that_nobody_knows_is_suspected():
    assert suspicion(image("1.2.3.4")) == (Reason.UNKNOWN,)
    assert suspicion(image(STORAGE + "9999")) == (Reason.UNKNOWN,)


@pytest.mark.parametrize("conversion", ["DF", "DI", "DV", "SD", "SI", "DRW", "WSD"])
def test_bur_10_converted_images(conversion):
    assert suspicion(image(CT, word(0x00080064, conversion))) == (Reason.CONVERTED,)
    assert suspicion(image(CT, word(0x00080064, "SYN"))) == ()


@pytest.mark.parametrize(
    "node",
    [
        word(IMAGE_TYPE, "DERIVED\\SECONDARY\\SCREEN SAVE"),
        word(IMAGE_TYPE, "derived\\secondary\\dose_info"),
        word(SERIES, "Dose Report", "LO"),
        word(SERIES, "1.1 PATIENT PROTOCOL ", "LO"),
    ],
)
def test_bur_10_reports_and_saved_screens_stored_as_ct(node):
    assert suspicion(image(CT, node)) == (Reason.SCREEN,)


def test_bur_10_the_word_of_an_image_type_is_compared_whole():
    assert suspicion(image(CT, word(IMAGE_TYPE, "ORIGINAL\\PRIMARY\\DOSEMAP"))) == ()


def test_bur_10_colour_where_devices_make_grey():
    colour = of(np.zeros((1, 4, 4, 3), "u1"), "RGB", 8, CT)
    assert suspicion(colour) == (Reason.COLOUR,)


@pytest.mark.parametrize(
    ("types", "label", "suspected"),
    [
        ("ORIGINAL\\PRIMARY\\VOLUME", "", False), ("ORIGINAL\\PRIMARY\\LABEL", "NO", True),
        ("ORIGINAL\\PRIMARY\\OVERVIEW", "", True), ("ORIGINAL\\PRIMARY\\OVERVIEW", "NO", False),
        ("ORIGINAL\\PRIMARY\\VOLUME", "YES", True),
    ],
)  # fmt: skip
def test_bur_10_slides_that_show_their_label(types, label, suspected):
    slide = image(STORAGE + "77.1.6", NO, word(IMAGE_TYPE, types), word(0x00480010, label))
    assert (Reason.SLIDE_LABEL in suspicion(slide)) is suspected


def test_bur_10_documents_are_suspected_and_what_has_no_pixels_is_not():
    assert suspicion(DataSet([word(0x00080016, STORAGE + "104.1", "UI")])) == (Reason.DOCUMENT,)
    assert suspicion(image(CT, Element(0x00420011, "OB", b"%PDF"))) == (Reason.DOCUMENT,)
    assert suspicion(image(CAPTURE, YES).without(PIXELS)) == ()
    assert suspicion(DataSet()) == ()


def hidden(value, *, stored=12, signed=False, photometric="MONOCHROME2"):
    array = np.zeros((1, 4, 4, 1), "<i2" if signed else "<u2")
    array[0, 2, 2, 0] = value
    return of(array, photometric, stored, CT)


def test_bur_6_bits_above_bits_stored():
    assert suspicion(hidden(0x0FFF)) == ()
    assert suspicion(hidden(0x1000)) == (Reason.HIDDEN_BITS,)
    assert suspicion(hidden(0x8000)) == (Reason.HIDDEN_BITS,)
    assert suspicion(hidden(-2048, signed=True)) == ()
    assert suspicion(hidden(2048, signed=True)) == (Reason.HIDDEN_BITS,)
    assert suspicion(hidden(-2049, signed=True)) == (Reason.HIDDEN_BITS,)


def test_bur_6_an_overlay_that_is_declared_to_be_in_the_pixels():
    declared = number_element(0x60020102, "US", 12)
    assert suspicion(hidden(0).replacing(declared)) == (Reason.HIDDEN_BITS,)
    own_data = Element(0x60023000, "OW", bytes(2))
    assert suspicion(hidden(0).replacing(declared, own_data)) == ()
    assert suspicion(hidden(0).replacing(number_element(0x60020102, "US", 0))) == ()


def test_bur_6_a_sample_stored_elsewhere_in_its_word():
    assert suspicion(hidden(0).replacing(number_element(0x00280102, "US", 15))) == (Reason.HIDDEN_BITS,)


def test_bur_10_several_reasons_are_all_told_in_one_line_each_without_values():
    suspect = image(ULTRASOUND, YES, word(SERIES, "DOE DOSE REPORT", "LO"), modality="US")
    reasons = suspicion(suspect)
    assert reasons == (Reason.SAID, Reason.ULTRASOUND, Reason.SCREEN)
    assert all(isinstance(reason, str) and "\n" not in reason and "DOE" not in reason for reason in reasons)


def test_icons_overlays_and_curves_are_gone_after_the_profile():
    """The gate need not look at them: DEI-9 and the row of Icon Image Sequence remove them at every level."""
    icon = Sequence(0x00880200, (DataSet([Element(PIXELS, "OW", b"DOE JANE")]),))
    graphics = [Element(tag, "OW", b"DOE JANE") for tag in (0x60003000, 0x601E3000, 0x50003000, 0x50FE2000)]
    words = [word(0x60004000, "DOE", "LT"), word(0x60000022, "DOE", "LO")]
    parts = [icon, *graphics, *words, number_element(0x60000102, "US", 12)]
    source = instance(*parts, Sequence(SERIES_SEQUENCE, (DataSet(parts),)))
    left = deidentify(source, KEY).data_set
    assert b"DOE" not in everything(left)
    assert not any(node.tag >> 24 in (0x50, 0x60) or node.tag == 0x00880200 for node in walk(left))


def test_bur_11_heads():
    head = word(0x00180015, "HEAD")
    finding = face_finding(image(CT, head))
    assert finding is not None
    assert (finding.kind, finding.rule) == ("recognizable-face", "BUR-11")
    assert face_finding(image(CT, word(SERIES, "t1_mprage brain^", "LO"))) is not None
    anatomy = DataSet([word(0x00080104, "Head and neck", "LO")])
    assert face_finding(image(CT, Sequence(0x00082218, (anatomy,)))) is not None
    assert face_finding(image(CT, word(0x00180015, "CHEST"))) is None
    assert face_finding(image(CT, word(SERIES, "AHEAD", "LO"))) is None
    assert face_finding(image(CR, head)) is None
    assert face_finding(image(CT, head).without(PIXELS)) is None
