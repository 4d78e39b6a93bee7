"""Codes: whatever the scheme, neither code nor meaning nor version says who or when (DEI-55)."""

from __future__ import annotations

import pytest

from dicompack.dicom.confidentiality import deidentify
from dicompack.dicom.confidentiality.codes import STANDARD_SCHEMES, cleaned_code
from dicompack.dicom.confidentiality.descriptors import Vocabulary
from dicompack.dicom.confidentiality.dummies import coded
from dicompack.dicom.confidentiality.table import Option
from dicompack.dicom.dataset import DataSet, Element, Sequence
from tests.unit.dicom.confidentiality_cases import KEY, NAME, everything, instance, text

CONCEPT_NAME, CONCEPT_CODE, MODIFIER, CONTENT = 0x0040A043, 0x0040A168, 0x0040A195, 0x0040A730
VALUE, SCHEME, VERSION, MEANING, LONG, URN = (
    0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120,
)  # fmt: skip
VOCABULARY = Vocabulary.of(instance(text(NAME, "PN", "Smith^John")))
REMOVED = ("REMOVED", "99DCMPACK", "Removed")


def clean(item, note=lambda *_: None):
    return cleaned_code(item, VOCABULARY, ("ISO_IR 192",), note)


def parts(item):
    return item.text(VALUE), item.text(SCHEME), item.text(MEANING)


@pytest.mark.parametrize(
    ("scheme", "value", "meaning", "result"),
    [
        # a standard scheme
        ("DCM", "121071", "Finding", None),
        ("SCT", "20230102", "Cyst", None),
        ("SCT", "10200004", "Liver", None),
        ("LN", "18782-3", "Study observation", None),
        ("SRT", "T-04000", "Breast", None),
        ("UCUM", "mm2/s", "mm2/s", None),
        ("UCUM", "[hnsf'U]", "Hounsfield unit", None),
        ("UCUM", "{ratio}", "ratio", None),
        ("NCDR [2.0b]", "123456789", "Number 123456789", None),
        ("DCM", "SMITH", "Reader", REMOVED),
        ("UCUM", "Smith", "mm", REMOVED),
        ("LN", "20230102", "Date", REMOVED),
        ("SRT", "1.2.3.4.5.6", "Image", REMOVED),
        ("DCM", "2023-01-02", "Date", REMOVED),
        ("DCM", "Dr. Foster", "Reader", REMOVED),
        ("DCM", "1.2.840.10008.2.6.1", "UID", None),
        ("SCT", "1", "John's disease", ("1", "SCT", "disease")),
        ("UCUM", "mm", "mm of Smith", ("mm", "UCUM", "mm of")),
        ("LN", "1-8", "read by Dr. Foster", ("1-8", "LN", "read by")),
        ("DCM", "1", "seen 12.03.2019", ("1", "DCM", "seen")),
        ("DCM", "1", "DOE^JANE", ("1", "DCM", "REMOVED")),
        ("DCM", "1", "BSA = 0.0004688*WT^(0.8168-0.0154)", None),
        ("DCM", "1", "20190312", ("1", "DCM", "REMOVED")),
        ("DCM", "1", "see 1.2.3.4.5.6", ("1", "DCM", "see")),
        # somebody's own
        ("99HERE", "A1", "Cyst", None),
        ("99HERE", "A1", "Cyst of Smith", ("A1", "99HERE", "Cyst of")),
        ("99HERE", "A1", "John Smith", ("A1", "99HERE", "REMOVED")),
        ("99HERE", "SMITH", "Reader", REMOVED),
        ("99HERE", "Jane Foster", "Reader", REMOVED),
        ("99HERE", "123456789", "987654321", None),
        ("99HERE", "AB1234567", "Reader", REMOVED),
        ("", "20230102", "Reader", REMOVED),
        ("99-SMITH", "A1", "Cyst", REMOVED),
    ],
)
def test_dei_55_codes_of_every_scheme(scheme, value, meaning, result):
    source = coded(value, scheme, meaning)
    found = clean(source)
    if result is None:
        assert found is source
    else:
        assert parts(found) == result


@pytest.mark.parametrize("tag", [LONG, URN])
def test_dei_55_the_other_kinds_of_code_values(tag):
    vr = "UR" if tag == URN else "UC"
    item = DataSet([text(tag, vr, "urn:x:Smith"), text(SCHEME, "SH", "DCM"), text(VERSION, "SH", "1")])
    found = clean(item.replacing(text(0x0008010B, "CS", "N"), text(0x00280010, "LO", "stays")))
    assert parts(found) == REMOVED
    assert {node.tag for node in found} == {VALUE, SCHEME, MEANING, 0x00280010}


@pytest.mark.parametrize(
    ("version", "result"),
    [("20190731", "20190731"), ("2.0b", "2.0b"), ("01", "01"), ("Smith", "REMOVED"), ("2 of Smith", "2 of")],
)
def test_dei_55_versions(version, result):
    found = clean(coded("1", "SCT", "Cyst").replacing(text(VERSION, "SH", version)))
    assert found.text(VERSION) == result


def test_dei_55_cuts_are_counted():
    noted = []
    clean(coded("SMITH", "DCM", "x"), lambda *note: noted.append(note))
    clean(coded("1", "DCM", "Smith, 12.03.2019, cyst"), lambda *note: noted.append(note))
    assert noted == [(VALUE, 1), (MEANING, 1)]


def test_dei_55_no_code_of_the_standard_is_harmed():
    """The concepts of PS3.16 that pydicom knows stay; blanks without width do not count."""
    from pydicom.sr._concepts_dict import concepts

    found = {}
    for scheme, keywords in concepts.items():
        for codes in keywords.values():
            for value, (meaning, _) in codes.items():
                source = coded(value, scheme, "").replacing(
                    Element(MEANING, "LO", meaning.replace("\u200b", "").encode())
                )
                if cleaned_code(source, Vocabulary(), ("ISO_IR 192",), lambda *_: None) is not source:
                    found[scheme, value] = meaning
    assert found == {}
    assert "99HERE" not in STANDARD_SCHEMES


@pytest.mark.parametrize("option", [Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_DESCRIPTORS])
def test_dei_55_codes_of_an_instance_at_every_level(option):
    """The name of a document, codes of content items, modifiers in codes, and codes beside the content."""
    bad = coded("1", "SCT", "Cyst of Canary").replacing(Sequence(MODIFIER, (coded("CANARY", "DCM", "x"),)))
    item = DataSet(
        [
            text(0x0040A040, "CS", "CODE"),
            Sequence(CONCEPT_NAME, (bad,)),
            Sequence(CONCEPT_CODE, (bad,)),
        ]
    )
    stray = text(MEANING, "LO", "Canary, cyst")
    source = instance(Sequence(CONCEPT_NAME, (bad,)), Sequence(CONTENT, (item,)), stray)
    found = deidentify(source, KEY, frozenset((option,))).data_set
    assert b"canary" not in everything(found).lower()
    (name,) = found.items(CONCEPT_NAME)
    assert parts(name) == ("1", "SCT", "Cyst of")
    assert parts(name.items(MODIFIER)[0]) == REMOVED
    assert found.text(MEANING) == "cyst"
    if option is Option.CLEAN_STRUCTURED_CONTENT:
        (content,) = found.items(CONTENT)
        assert parts(content.items(CONCEPT_CODE)[0]) == ("1", "SCT", "Cyst of")


def test_dei_55_an_instance_with_a_code_of_its_own_keeps_its_pseudonym():
    stray = text(VALUE, "SH", "CANARY")
    found = deidentify(instance(stray), KEY, frozenset((Option.CLEAN_DESCRIPTORS,))).data_set
    assert found.text(NAME) == deidentify(instance(), KEY).data_set.text(NAME) != ""
    assert found.text(VALUE) == "REMOVED"
