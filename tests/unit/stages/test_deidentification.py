"""Stage 1: what becomes of cleaned pixels, and of what cannot be cleaned."""

from __future__ import annotations

import pytest

from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom.burned_in import gate
from dicompack.dicom.burned_in.blackening import CleanedPixels
from dicompack.dicom.confidentiality import site_profile
from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import SuspectError
from dicompack.stages import deidentification
from dicompack.stages.artifacts import Instance
from dicompack.stages.deidentification import Policy
from tests.unit.dicom.burned_in_cases import BURNED_IN, CAPTURE, CT, PIXELS, image, word
from tests.unit.dicom.confidentiality_cases import PATIENT_ID, SERIES_SEQUENCE, STUDY

CLEAN = Policy(burned_in="clean")
INNER = Sequence(SERIES_SEQUENCE, (DataSet([Element(PIXELS, "OW", bytes(2))]),))


def source(*nodes):
    ids = (word(STUDY, "1.2.3", "UI"), word(0x0020000E, "1.2.3.1", "UI"), word(PATIENT_ID, "4711-X", "LO"))
    return image(CAPTURE, *ids, *nodes)


def packed(data_set):
    return deidentification.pack(Instance(data_set, EXPLICIT_LITTLE), ProjectKey.new(), CLEAN)


@pytest.fixture(autouse=True)
def blackened(monkeypatch):
    def clean(data_set, _syntax, _words, _rules):
        return CleanedPixels(data_set.replacing(word(BURNED_IN, "NO")), None, (), "nothing was found")

    monkeypatch.setattr("dicompack.stages.deidentification.blackening.clean", clean)


@pytest.mark.parametrize("said", [(), (word(BURNED_IN, "YES"),)])
def test_dei_27_cleaned_pixels_are_stamped_as_clean(said):
    assert packed(source(*said)).data_set.text(BURNED_IN) == "NO"


def test_dei_27_other_pixels_within_keep_what_the_source_said():
    assert packed(source(INNER, word(BURNED_IN, "YES"))).data_set.text(BURNED_IN) == "YES"
    result = packed(source(INNER))
    assert BURNED_IN not in result.data_set
    assert "pixels-not-cleaned" in {finding.kind for finding in result.findings}


def test_bur_8_device_rules_of_the_site_come_on_top():
    site = site_profile(
        b"[profile.x]\nscreen = [{series = 'acme sheet'}]\n"
        b"[[profile.x.layout]]\nname = 'line'\nmanufacturer = 'acme'\nboxes = [[0, 0, 0, 40]]\n"
    )
    policy = Policy(site=site)
    (layout,) = set(policy.device_rules.layouts) - set(Policy().device_rules.layouts)
    assert (layout.name, layout.boxes) == ("line", ((0, 0, 0, 40),))
    sheet = image(CT, word(0x0008103E, "An ACME sheet", "LO"), modality="CT")
    assert gate.suspicion(sheet) == ()
    assert gate.suspicion(sheet, policy.device_rules) == (gate.Reason.SCREEN,)


def test_bur_10_pixels_that_cannot_be_searched_are_refused():
    fractions = Element(0x7FE00008, "OF", bytes(8))
    for nodes in ((fractions,), (INNER,)):
        with pytest.raises(SuspectError) as caught:
            packed(source(*nodes).without(PIXELS))
        assert caught.value.rule == "BUR-10"
