"""Site profiles: what they may say, what they do, and what is then no longer claimed."""

from __future__ import annotations

import pickle

import pytest

from dicompack.dicom.confidentiality import Option, SiteProfile, deidentify, site_profile
from dicompack.dicom.dataset import DataSet, Element, Sequence
from dicompack.errors import UsageError
from tests.unit.dicom.confidentiality_cases import (
    KEY,
    NAME,
    PATIENT_ID,
    SERIES_SEQUENCE,
    everything,
    instance,
    text,
)

STATION, INSTITUTION, MANUFACTURER, STUDY_DATE, DESCRIPTION = (
    0x00081010,
    0x00080080,
    0x00080070,
    0x00080020,
    0x00081030,
)
FULL, MODIFIED = Option.RETAIN_LONGITUDINAL_FULL_DATES, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
SAFE_PRIVATE = 'options = ["retain-safe-private"]\n'
CODES, METHOD, REMOVED, FLAG = 0x00120064, 0x00120063, 0x00120062, 0x00280303


def profile(attributes="", rest=""):
    return site_profile(f"[profile.one]\n{rest}\n[profile.one.attributes]\n{attributes}\n".encode())


def done(site, *nodes, options=()):
    return deidentify(instance(*nodes), KEY, frozenset(options), site=site)


def faults(attributes="", rest=""):
    with pytest.raises(UsageError) as caught:
        profile(attributes, rest)
    assert caught.value.rule == "DEI-34"
    return caught.value.faults


def test_a_whole_profile():
    source = b"""
        [profile.research]
        options = ["retain-safe-private", "retain-longitudinal-modified-dates"]
        retain = ["(0008,1090)"]
        private = [{creator = "ACME 1.0", tags = ["(0019,xx0C)", {tag = "0019xx0D", vr = "DS"}]}]
        [profile.research.attributes]
        StationName = "remove"
        "(0008,0080)" = {set = "Hospital"}
        00080070 = "empty"
        [profile.other]
    """
    found = site_profile(source, "research")
    assert found.options == {Option.RETAIN_SAFE_PRIVATE, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES}
    assert [(tag, override.kind) for tag, override in found.overrides] == [
        (0x00080070, "empty"), (0x00080080, "set"), (0x00081010, "remove"), (0x00081090, "keep")
    ]  # fmt: skip
    assert dict(found.private) == {("ACME 1.0", 0x0019000C): "", ("ACME 1.0", 0x0019000D): "DS"}
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(site_profile(source, "research"))
    assert site_profile(source, "other") == SiteProfile("other")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("reserch", "did you mean research?"), ("xyz", "known: research, other"), (None, "name one of")],
)
def test_dei_34_a_profile_is_chosen_by_name(name, hint):
    with pytest.raises(UsageError) as caught:
        site_profile(b"[profile.research]\n[profile.other]\n", name)
    assert caught.value.rule == "DEI-34"
    assert hint in caught.value.hint


@pytest.mark.parametrize("source", [b"\xff", b"[profile", b"", b"x = 1", b"profile = 1", b"[profile]"])
def test_dei_34_what_is_no_profile_is_refused(source):
    with pytest.raises(UsageError) as caught:
        site_profile(source)
    assert caught.value.rule == "DEI-34"


@pytest.mark.parametrize(
    ("attributes", "rest", "what"),
    [
        ("", 'optoins = ["retain-uids"]', "did you mean options?"),
        ("", 'options = ["retain-uid"]', "did you mean retain-uids?"),
        ("", 'options = "retain-uids"', "not a list"),
        ("", f'options = ["{FULL}", "{MODIFIED}"]', "not both"),
        ("", "retain = [1]", "not a list"),
        ("", 'retain = ["StationNaem"]', "did you mean StationName?"),
        ("", "private = 1", "not a list"),
        ("", "private = [1]", "an entry of private"),
        ("", 'private = [{creator = "A", tags = ["(0019,xx0C)"]}]', "without the option"),
        ("", SAFE_PRIVATE + 'private = [{creator = "A", tags = ["(0018,xx0C)"]}]', "not written"),
        ("", SAFE_PRIVATE + 'private = [{creator = "A", tags = ["(0019,100C)"]}]', "not written"),
        ("", SAFE_PRIVATE + 'private = [{creator = "A", tags = [{tag = "0019xx0C", vr = "XY"}]}]', "no VR"),
        ("", SAFE_PRIVATE + 'private = [{creator = " ", tags = []}]', "an entry of private"),
        ("", 'layuot = []', "did you mean layout?"),
        ("", "screen = [{}]", "screen 1: fits every image"),
        ("", 'layout = [{name = "x", model = "y"}]', "layout 1: boxes is missing"),
        ('StationNaem = "keep"', "", "did you mean StationName?"),
        ('StationName = "kep"', "", "did you mean keep?"),
        ('StationName = "set"', "", "needs a value"),
        ('StationName = {sett = "x"}', "", "did you mean set?"),
        ("StationName = {set = 1}", "", "is none of"),
        ("StationName = 1", "", "is none of"),
        ('StationName = "keep"\n"(0008,1010)" = "remove"', "", "stands twice"),
        ('StationName = "remove"', 'retain = ["StationName"]', "in attributes and in retain"),
        ('StationName = {set = "seventeen letters"}', "", "16 characters"),
        ('StationName = {set = "M\u00fcnchen"}', "", "ASCII"),
        ('PatientAge = {set = "old"}', "", "none of VR AS"),
        ('PatientAge = {set = "45"}', "", "none of VR AS"),
        ('StudyDate = {set = "1.1.2020"}', "", "none of VR DA"),
        ('StudyDate = {set = "20201301"}', "", "none of VR DA"),
        ('StudyTime = {replace = "25:00"}', "", "none of VR TM"),
        ('AcquisitionDateTime = {set = "20200230"}', "", "none of VR DT"),
        ('PatientWeight = {set = "1-2"}', "", "none of VR DS"),
        ('SeriesNumber = {set = "1-2"}', "", "none of VR IS"),
        ('PatientSex = {set = "female"}', "", "none of VR CS"),
        ('PatientName = {set = "A^B^C^D^E^F"}', "", "none of VR PN"),
        (r'StudyDescription = {set = "a\\b"}', "", "1 value at most"),
        ("", SAFE_PRIVATE + 'private = [{creater = "A", tags = []}]', "did you mean creator?"),
        ('Rows = {set = "1"}', "", "cannot be decided"),
        ('PregnancyStatus = {set = "1"}', "", "VR US"),
        ('UDISequence = {replace = "1"}', "", "VR SQ"),
        ('"(0019,100C)" = "keep"', "", "is private"),
        ('"(EAEA,0102)" = "keep"', "", "no data dictionary"),
    ],
)  # fmt: skip
def test_dei_34_each_mistake_is_named(attributes, rest, what):
    (fault,) = faults(attributes, rest)
    assert fault.startswith("profile one: ")
    assert what in fault


@pytest.mark.parametrize(
    "wish",
    [
        'StudyDate = {set = "20200229"}', 'StudyDate = {set = ""}', 'AcquisitionDateTime = {set = "2020"}',
        'StudyTime = {set = "1200"}', r'ImageType = {replace = "DERIVED\\PRIMARY"}',
        'PatientAge = {set = "045Y"}',
        'PatientWeight = {set = "-1.5e3"}', r'PatientComments = {set = "a\\b"}',
        'PatientName = {set = "A^B"}',
    ],
)  # fmt: skip
def test_dei_35_values_of_their_vr(wish):
    assert profile(wish).overrides


@pytest.mark.parametrize(
    ("source", "what"),
    [(b"[profiles.a]", "unknown key 'profiles'; did you mean profile?"), (b"x = 1", "tables [profile.NAME]")],
)
def test_dei_34_other_tables(source, what):
    with pytest.raises(UsageError) as caught:
        site_profile(source)
    assert what in caught.value.faults[0]


def test_dei_34_all_mistakes_are_named_at_once_in_every_profile():
    with pytest.raises(UsageError) as caught:
        site_profile(
            b'key = 1\n[profile."a b"]\noptions = ["x", "y"]\n[profile.b.attributes]\nNobody = "keep"\n', "b"
        )
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize(
    "name",
    [
        "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified", "SpecificCharacterSet", "SOPClassUID", "PixelData",
        "EncapsulatedDocument", "EncryptedAttributesSequence", "OriginalAttributesSequence", "BitsStored",
        "MACParametersSequence", "DigitalSignaturesSequence", "(0002,0010)", "(6000,3000)", "(5000,3000)",
        "(0028,0000)", "BurnedInAnnotation", "IconImageSequence", "(0088,0200)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["keep", "remove"])
def test_dei_35_some_things_no_site_decides(name, action):
    assert "cannot be decided by a site" in faults(f'"{name}" = "{action}"')[0]


@pytest.mark.parametrize("name", ["SOPInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "DeviceUID"])
def test_dei_35_uids_are_all_replaced_or_all_kept(name):
    assert "retain-uids" in faults(f'{name} = "keep"')[0]


NODES = (text(STATION, "SH", "CT1"), text(INSTITUTION, "LO", "Charite"), text(MANUFACTURER, "LO", "ACME"))


@pytest.mark.parametrize(
    ("wish", "station", "manufacturer"),
    [
        ('"keep"', b"CT1 ", b"ACME"),
        ('"remove"', None, None),
        ('"empty"', b"", b""),
        ('{set = "ours"}', b"ours", b"ours"),
        ('{replace = "our"}', b"our ", b"our "),
    ],
)
def test_dei_35_an_override_holds_for_listed_and_unlisted_attributes_at_every_level(
    wish, station, manufacturer
):
    site = profile(f"StationName = {wish}\nManufacturer = {wish}")
    found = done(site, *NODES, Sequence(SERIES_SEQUENCE, (DataSet(NODES),))).data_set
    for level in (found, *found.items(SERIES_SEQUENCE)):
        assert level.raw(STATION) == station
        assert level.raw(MANUFACTURER) == manufacturer
    assert b"Charite" not in everything(found)


def test_dei_35_set_adds_and_replace_does_not():
    site = profile('StationName = {set = "ours"}\nInstitutionName = {replace = "ours"}')
    found = done(site, Sequence(SERIES_SEQUENCE, (DataSet([text(0x00280010, "IS", "1")]),))).data_set
    assert found.text(STATION) == "ours"
    assert INSTITUTION not in found
    assert STATION not in found.items(SERIES_SEQUENCE)[0]


def test_dei_35_a_name_can_be_emptied_or_replaced():
    assert done(profile('PatientName = "empty"')).data_set.raw(NAME) == b""
    assert done(profile('PatientID = {replace = "TRIAL-7"}')).data_set.text(PATIENT_ID) == "TRIAL-7"
    assert done(profile('PatientID = "remove"')).data_set.get(PATIENT_ID) is None


def test_options_of_the_profile_come_on_top():
    site = profile(rest='options = ["retain-device-identity"]')
    found = done(site, *NODES, options=[Option.RETAIN_INSTITUTION_IDENTITY])
    assert (found.data_set.text(STATION), found.data_set.text(INSTITUTION)) == ("CT1", "Charite")
    with pytest.raises(UsageError) as caught:
        done(
            profile(rest='options = ["retain-longitudinal-full-dates"]'),
            options=[Option.RETAIN_LONGITUDINAL_MODIFIED_DATES],
        )
    assert caught.value.rule == "DEI-1"


def test_dei_36_keeping_what_the_profile_removes_is_allowed_and_not_claimed():
    found = done(profile('StationName = "keep"'), *NODES)
    assert found.data_set.text(STATION) == "CT1"
    assert CODES not in found.data_set
    assert found.codes == found.options_claimed == ()
    assert found.data_set.text(METHOD) == "DICOMPack: PS3.15 2026d, with exceptions of the site"
    assert found.data_set.text(REMOVED) == "YES"
    (finding,) = found.findings
    assert (finding.kind, finding.rule) == ("profile-weakened", "DEI-36")
    assert "(0008,1010)" in finding.message and "CT1" not in finding.message


@pytest.mark.parametrize("wish", ['"remove"', '"empty"'])
def test_dei_36_other_overrides_weaken_nothing(wish):
    found = done(profile(f"StationName = {wish}"), *NODES)
    assert found.codes == ("113100",)
    assert found.findings == ()


@pytest.mark.parametrize("kind", ["set", "replace"])
def test_dei_36_a_value_of_the_site_is_as_much_an_exception(kind):
    found = done(profile(f'StationName = {{{kind} = "x"}}'), *NODES)
    assert found.codes == ()
    assert [(one.kind, one.rule) for one in found.findings] == [("profile-weakened", "DEI-36")]
    assert "(0008,1010)" in found.findings[0].message
    harmless = done(profile(f'Manufacturer = {{{kind} = "x"}}'), *NODES)  # the profile would keep it
    assert (harmless.codes, harmless.findings) == (("113100",), ())


@pytest.mark.parametrize("kind", ["set", "replace"])
def test_dei_36_who_gives_the_patient_or_dates_a_value_claims_neither_removed(kind):
    named = done(profile(f'PatientName = {{{kind} = "Featherston^Jane"}}'))
    assert (named.data_set.text(REMOVED), named.data_set.text(FLAG)) == ("NO", "REMOVED")
    dated = done(profile(f'StudyDate = {{{kind} = "20240305"}}'), text(STUDY_DATE, "DA", "20240131"))
    assert (dated.data_set.text(REMOVED), dated.data_set.text(FLAG)) == ("YES", "UNMODIFIED")


def test_dei_36_keeping_what_an_option_keeps_weakens_nothing():
    found = done(
        profile("", 'options = ["retain-device-identity"]\nretain = ["StationName", "Manufacturer"]'), *NODES
    )
    assert found.codes == ("113100", "113109")
    assert found.findings == ()


def test_dei_36_the_promise_of_an_option_goes_the_announcement_of_one_stays():
    options = f'options = ["clean-descriptors", "clean-graphics", "retain-uids", "{MODIFIED}"]'
    found = done(profile('StudyDescription = "keep"', options), text(DESCRIPTION, "LO", "of CANARY"))
    assert found.data_set.text(DESCRIPTION) == "of CANARY"
    assert found.codes == ("113103", "113107", "113110")


def test_dei_36_a_kept_date_is_unmodified():
    date = text(STUDY_DATE, "DA", "20240131")
    for options in ("", 'options = ["retain-longitudinal-modified-dates"]'):
        found = done(profile('StudyDate = "keep"', options), date)
        assert found.data_set.text(STUDY_DATE) == "20240131"
        assert found.data_set.text(FLAG) == "UNMODIFIED"
        assert found.codes == ()


@pytest.mark.parametrize("name", ["PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs"])
def test_dei_36_who_keeps_the_patient_claims_no_removed_identity(name):
    found = done(profile(f'{name} = "keep"'), text(0x00100030, "DA", "19700203"))
    assert found.data_set.text(REMOVED) == "NO"


def test_dei_35_a_kept_value_must_be_of_its_vr():
    found = done(profile('StudyDate = "keep"'), Element(STUDY_DATE, "DA", b"Jane Doe"))
    assert found.data_set.raw(STUDY_DATE) == b""
    assert "DEI-21" in [finding.rule for finding in found.findings]


def test_dei_28_the_site_lists_safe_private_attributes():
    rest = (
        SAFE_PRIVATE
        + 'private = [{creator = "ACME", tags = ["(0011,xx01)", {tag = "(0011,xx02)", vr = "DS"}]}]'
    )
    nodes = [
        text(0x00110010, "LO", "ACME"),
        Element(0x00111001, "OB", b"xy"),
        Element(0x00111002, "UN", b"1.5 "),
    ]
    found = done(profile(rest=rest), *nodes, text(0x00111003, "LO", "gone"))
    assert found.retained_private == ((0x00111001, "ACME"), (0x00111002, "ACME"))
    assert found.data_set.get(0x00111002) == Element(0x00111002, "DS", b"1.5 ")
    assert found.codes == ("113100", "113111")
