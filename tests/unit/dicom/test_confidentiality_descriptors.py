# ruff: noqa: RUF001  # other alphabets are the matter
"""Free text without what identifies: hand-made texts of many languages, all character sets, hostile input."""

from __future__ import annotations

import pickle
import random
import unicodedata
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.dicom.confidentiality.character_sets import Text
from dicompack.dicom.confidentiality.descriptors import Cleaned, Vocabulary, cleaned, cut_out
from dicompack.dicom.confidentiality.words import medical_words
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from tests.unit.dicom.confidentiality_cases import nested, text
from tests.unit.dicom.descriptor_cases import CASES, HARMLESS, HELD_OUT, MUELLER, SMITH

DESCRIPTION, COMMENT = 0x0008103E, 0x00104000
UTF8 = ("ISO_IR 192",)
SMITHS = Vocabulary.of(SMITH.data_set())


def vocabulary(*nodes):
    return Vocabulary.of(DataSet([text(0x00080005, "CS", "ISO_IR 192"), *nodes]))


def clean(value, vr="LO", words=SMITHS, character_set=UTF8):
    value = value if isinstance(value, bytes) else value.encode()
    return cleaned(Element(DESCRIPTION, vr, value), words, character_set)


def rest_of(value, words=SMITHS, vr="LO", character_set=UTF8):
    element, cuts = (result := clean(value, vr, words, character_set)).element, result.cut
    assert element is not None
    assert not cuts or len(element.value) % 2 == 0
    return bytes(element.value).rstrip(b" ").decode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text)
def test_dei_45_dei_47_known_words_and_shapes_go_and_the_rest_stays(case):
    rest = rest_of(case.text, Vocabulary.of(case.header.data_set()), "UT")
    assert not [part for part in case.gone if part in rest]
    assert not [part for part in case.kept if part not in rest]


@pytest.mark.parametrize("line", HARMLESS)
def test_protocols_and_findings_stay_as_they_are(line):
    assert cut_out(line, Vocabulary()) == (line, 0)


def test_figures_on_texts_written_after_the_rules(record_property):
    counts = {"gone": 0, "left": 0, "kept": 0, "lost": 0}
    for case in HELD_OUT:
        rest, _ = cut_out(case.text, Vocabulary.of(case.header.data_set()))
        left, kept = sum(part in rest for part in case.gone), sum(part in rest for part in case.kept)
        counts["left"] += left
        counts["gone"] += len(case.gone) - left
        counts["kept"] += kept
        counts["lost"] += len(case.kept) - kept
    for name, count in counts.items():
        record_property(name, count)
    assert len(CASES) + len(HARMLESS) + len(HELD_OUT) > 400
    assert counts["gone"] == 65
    assert counts["lost"] <= 1


@pytest.mark.parametrize("line", ["T2 TSE AX 5mm", "", "CHEST ROUTINE 1.0 B31f  "])
def test_what_needs_no_cleaning_is_the_same_element(line):
    element = Element(DESCRIPTION, "LO", line.encode())
    result = cleaned(element, SMITHS, UTF8)
    assert result == Cleaned(element, 0)
    assert result.element is element


@pytest.mark.parametrize("separator", [" ", "^", ", ", "_", "-", "", "  ", "\t", "\u00a0", "／"])
@pytest.mark.parametrize(
    "spelling", [str, str.upper, str.lower, str.title, lambda s: unicodedata.normalize("NFD", s)]
)
def test_dei_45_any_order_case_and_separator(separator, spelling):
    names = ["Müller", "Lüdenscheid", "Jörg"]
    words = Vocabulary.of(MUELLER.data_set())
    for first in names:
        for second in set(names) - {first}:
            rest = rest_of(f"Knie {spelling(first + separator + second)} links", words, "UT")
            assert rest.split() == ["Knie", "links"]


@pytest.mark.parametrize(
    "written",
    ["Müller", "Mueller", "Muller", "MUELLER", "mu\u0308ller", "Ｍüller", "Mü\u00adller", "M\u200bueller"],
)
@pytest.mark.parametrize("known", ["Müller", "Mueller", "Muller"])
def test_dei_45_umlauts_both_ways(known, written):
    words = vocabulary(Element(0x00100010, "PN", f"{known}^Eva".encode()))
    rest, cuts = cut_out(f"Knie {written} links", words)
    assert (rest, cuts) == ("Knie links", 1)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "line", "rest"),
    [
        (0x00080090, "PN", "Lindqvist^Ola", "seen by lindqvist", "seen by"),
        (0x00081070, "PN", "Lindqvist", "lindqvist knee", "knee"),
        (0x00101001, "PN", "Moss^Ida\\Fern^Ida", "knee fern", "knee"),
        (0x00101060, "PN", "Moss^Ida", "mother moss", "mother"),
        (0x00091001, "PN", "Moss^Ida", "moss knee", "knee"),
        (0x00101000, "LO", "Q-17\\Z9-881", "z9881 knee", "knee"),
        (0x00200010, "SH", "ST4451", "ST 4451 knee", "knee"),
        (0x00402017, "LO", "F/99/12", "f-99-12 knee", "knee"),
        (0x00080081, "ST", "Fjordgata 7\r\n7010 Trondheim", "7010 trondheim hip", "hip"),
        (0x00081040, "LO", "Dept of Radiology", "Dept of Radiology hip", "Dept of Radiology hip"),
        (0x00081040, "LO", "Kvist Ward", "kvist ward hip", "hip"),
        (0x0038001E, "LO", "Ward 7B North", "hip, ward 7b north", "hip"),
        (0x00321033, "LO", "Fracture Unit", "fracture unit hip", "fracture unit hip"),
        (0x00401005, "LO", "Room Fjord 3", "hip in room fjord 3", "hip in"),
        (0x00402009, "SH", "Kvist Desk", "kvist desk hip", "hip"),
        (0x00102154, "SH", "44-551", "44551 hip", "hip"),
        (0x00080080, "LO", "USZ", "USZ Knie", "Knie"),
        (0x00080080, "LO", "General Hospital", "general hospital protocol", "general hospital protocol"),
        (0x00081010, "SH", "CTAWP71234", "CT knee", "CT knee"),
        (0x00180015, "CS", "KNEE", "KNEE", "KNEE"),
    ],
)
def test_dei_45_where_the_words_come_from(tag, vr, value, line, rest):
    node = Element(tag, vr, value.encode())
    assert rest_of(line, vocabulary(node), "UT") == rest
    if not tag >> 16 & 1:
        assert rest_of(line, vocabulary(nested(node, 3)), "UT") == rest


def test_dei_45_codes_of_people_and_institutions():
    def code(meaning):
        return (DataSet([text(0x00080104, "LO", meaning)]),)

    words = vocabulary(
        Sequence(0x00080082, code("Fjordgata Clinic")), Sequence(0x00401101, code("Ola Lindqvist"))
    )
    assert rest_of("fjordgata hip of ola lindqvist", words) == "hip of"


def test_dei_45_a_header_that_lies_about_its_character_set():
    wrong = DataSet([Element(0x00100010, "PN", "Müller^Eva".encode("latin_1"))])
    assert rest_of("Müller Knie", Vocabulary.of(wrong)) == "Knie"
    utf8 = DataSet([Element(0x00100010, "PN", "Müller^Eva".encode())])
    assert rest_of("Mueller Knie", Vocabulary.of(utf8)) == "Knie"


@pytest.mark.parametrize(
    ("term", "codec"),
    [("ISO_IR 100", "utf_8"), ("ISO_IR 144", "latin_1"), ("ISO_IR 144", "utf_8"), ("GB18030", "latin_1")],
)
def test_dei_45_dei_48_a_character_set_that_fits_by_chance(term, codec):
    named = DataSet(
        [string_element(0x00080005, "CS", term), Element(0x00100010, "PN", "Müller^Eva".encode(codec))]
    )
    for line in ("Mueller Knie", "MULLER Knie"):
        assert rest_of(line, Vocabulary.of(named)) == "Knie"
    known = Vocabulary.of(DataSet([Element(0x00100010, "PN", b"MUELLER^Eva ")]))
    for line in ("Müller Knie", "Knie 12.03.2019 Müller"):
        element = Element(0x0008103E, "LO", line.encode(codec))
        assert cleaned(element, known, (term,)).element is None
    harmless = Element(0x0008103E, "LO", "Schädel".encode(codec))
    assert cleaned(harmless, known, (term,)).element is harmless


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("John Miller MD", ""),
        ("Chest, J. Miller, MD", "Chest"),
        ("Foster, M.D. knee", "knee"),
        ("Jane Roe RT(R) hip", "hip"),
        ("15/I/1950 hip", "hip"),
        ("hip 1.III.2024", "hip"),
        ("令和6年3月1日 胸部", "胸部"),
        ("胸部 昭和25年1月15日", "胸部"),
        ("平成元年1月8日", ""),
    ],
)
def test_dei_47_credentials_and_dates_of_other_kinds(line, rest):
    assert rest_of(line, Vocabulary()) == rest


@pytest.mark.parametrize(
    "line",
    [
        *("DTI MD", "EP2D DIFF MD", "Sagittal Tensor MD", "Brain Tract MD", "Knee, MD", "mean MD 0.8"),
        *("grade I 20", "T1/T2/T3", "type 2 V 10", "C5/6 I"),
    ],
)
def test_dei_47_maps_of_mean_diffusivity_and_grades_stay(line):
    assert rest_of(line, Vocabulary()) == line


def test_dei_45_devices_are_words_unless_they_are_retained():
    device = DataSet([string_element(0x00081010, "SH", "CT-01X"), string_element(0x00181000, "LO", "0000")])
    words = Vocabulary.of(device)
    assert rest_of("Thorax CT01X 0000", words) == "Thorax CT01X 0000"
    assert rest_of("Thorax CT01X 0000", words.with_devices()) == "Thorax 0000"
    assert rest_of("ct-01x hip", (words | Vocabulary()).with_devices()) == "hip"


def test_dei_45_other_alphabets_read_as_latin_1_are_no_names():
    chinese = "Wang^XiaoDong=王^小東".encode("gb18030")
    named = DataSet([string_element(0x00080005, "CS", "GB18030"), Element(0x00100010, "PN", chinese)])
    assert all(word.isascii() == (word in ("wang", "xiaodong")) for word in Vocabulary.of(named).words)


def test_dei_45_words_of_a_study_are_those_of_all_its_instances():
    words = SMITHS | Vocabulary.of(MUELLER.data_set())
    assert rest_of("Müller and Smith: knee", words) == "and knee"
    assert pickle.loads(pickle.dumps(words)) == words
    assert words | words == words == Vocabulary.of(MUELLER.data_set()) | SMITHS
    assert "smith" not in repr(words).lower()


@pytest.mark.parametrize(
    ("name", "line", "rest"),
    [
        ("Head^Young", "Head CT", "CT"),
        ("Young^Ann", "young an adult", "an adult"),
        ("An^Do", "an arm, do not scan", "an arm, do not scan"),
        ("An^Do", "AN arm", "arm"),
        ("An^Do", "andoh", "andoh"),
        ("J^K", "J K knee", "J K knee"),
        ("CT^MR", "CT and MR", "CT and MR"),
        ("Anonymous", "anonymous knee", "anonymous knee"),
        ("van der Berg^Ida", "der Berg der Fuß", "der Fuß"),
        ("Doe^Ida^^Dr^III", "Dr III knee", "Dr III knee"),
        ("Smith", "blacksmith Smithfield smithy", "blacksmith Smithfield smithy"),
    ],
)
def test_dei_46_names_that_are_words(name, line, rest):
    assert rest_of(line, vocabulary(text(0x00100010, "PN", name))) == rest


def test_dei_46_names_of_others_that_are_words_of_medicine_go_only_whole():
    words = vocabulary(text(0x00080090, "PN", "Hand^Paul"), text(0x00081070, "PN", "CT^TECH"))
    assert rest_of("CT left hand ap. Paul Hand, tech", words) == "CT left hand ap. tech"


@pytest.mark.parametrize(
    ("vr", "value", "rest", "cuts"),
    [
        ("LO", "Smith\\knee\\John Smith", "\\knee\\", 2),
        ("LO", "Dr.\\Foster knee", "Dr.\\Foster knee", 0),
        ("LT", "C:\\x\\Smith knee", "knee", 1),
        ("ST", "Smith\r\nknee\r\nJohn", "knee", 2),
        ("UT", "knee\n12.03.2019\nhip", "knee\n\nhip", 1),
        ("SH", "(Smith)", "", 1),
        ("UC", "knee [Smith, John] hip", "knee hip", 1),
        ("CS", "SMITH", "", 1),
    ],
)
def test_values_and_lines_are_judged_one_by_one(vr, value, rest, cuts):
    assert rest_of(value, vr=vr) == rest
    assert clean(value, vr).cut == cuts


def encoded(codec, *texts):
    return tuple(line.encode(codec) for line in texts)


@pytest.mark.parametrize(
    ("character_set", "name", "line", "rest"),
    [
        (("",), b"Doe^Ida", b"Ida Doe knee", b"knee"),
        (("ISO_IR 100",), *encoded("latin_1", "Müller", "Knie Müller für", "Knie für")),
        (("ISO_IR 101",), *encoded("iso8859_2", "Dvořák", "Dvořák krční", "krční")),
        (("ISO_IR 144",), *encoded("iso8859_5", "Иванов", "Иванов КТ", "КТ")),
        (("ISO_IR 13",), b"\xd4\xcf\xc0\xde", b"\xd4\xcf\xc0\xde CT \xb1", b"CT \xb1"),
        (("GB18030",), *encoded("gb18030", "张三丰", "张三丰 胸部", "胸部")),
        (("GBK",), *encoded("gbk", "昞^丰", "昞丰 縗\\縗", "縗\\縗")),
        (
            ("", "ISO 2022 IR 87"),
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            b"\x1b$B;3EDB@O:\x1b(B CT \x1b$B6;It\x1b(B",
            b"\x1b(BCT \x1b$B6;It\x1b(B",
        ),
        (
            ("ISO 2022 IR 13", "ISO 2022 IR 87"),
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3",
            b"\xd4\xcf\xc0\xde \x1b$B6;It\x1b(J CT",
            b"\x1b$B6;It\x1b(J CT",
        ),
        (
            ("", "ISO 2022 IR 149"),
            b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            b"\x1b$)C\xb1\xe6\xb5\xbf CT \xbb\xe7\xc1\xf8",
            b"\x1b$)CCT \xbb\xe7\xc1\xf8",
        ),
        (
            ("", "ISO 2022 IR 58"),
            b"Zhang=\x1b$)A\xd5\xc5\xc8\xfd",
            b"CT \x1b$)A\xd5\xc5\xc8\xfd\xd0\xd8",
            b"CT \x1b$)A\xd0\xd8",
        ),
        (
            ("ISO 2022 IR 100", "ISO 2022 IR 126"),
            b"\xc4\xd6",
            b"\x1b-FK\xe1 \x1b-A\xc4\xd6 x",
            b"\x1b-FK\xe1 \x1b-Ax",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)
def test_what_stays_is_written_as_it_was(character_set, name, line, rest):
    header = DataSet([text(0x00080005, "CS", "\\".join(character_set)), Element(0x00100010, "PN", name)])
    element = clean(line, "UT", Vocabulary.of(header), character_set).element
    written = bytes(element.value).rstrip(b" ")
    assert Text(written, character_set).text == Text(rest, character_set).text
    assert written == rest


@pytest.mark.parametrize(
    ("value", "character_set"),
    [
        (b"M\xfcller", ("",)),
        (b"M\xfcller", ()),
        (b"M\xfcller", ("ISO_IR 192",)),
        (b"\xd5", ("GB18030",)),
        (b"knee", ("ISO_IR 999",)),
        (b"knee", ("UTF-8",)),
        (b"knee \x1b$B;3\x1b(B", ("ISO_IR 100",)),
        (b"knee \x1b$B;\x1b(B", ("", "ISO 2022 IR 87")),
        (b"knee \x1b$X;3", ("", "ISO 2022 IR 87")),
        (b"knee \x1b", ("", "ISO 2022 IR 87")),
        (b"kn\x07ee", ("",)),
        (b"kn\x00ee", ("",)),
        (b"kn\x85ee", ("ISO_IR 100",)),
        ("kn\ufffdee".encode(), UTF8),
        ("kn\ue000ee".encode(), UTF8),
        ("kn\u0378ee".encode(), UTF8),
        (b"kn\xed\xa0\x80ee", UTF8),
        (b"x" * ((1 << 20) + 1), ("",)),
    ],
)
def test_dei_48_what_cannot_be_judged_is_removed(value, character_set):
    assert clean(value, "UT", Vocabulary(), character_set) == Cleaned(None, 0)


@pytest.mark.parametrize("vr", ["OB", "UN", "PN", "DA", "UI"])
def test_dei_48_other_vrs_are_no_descriptors(vr):
    assert clean(b"knee", vr) == Cleaned(None, 0)


@given(st.text(max_size=60))
def test_cleaning_only_takes_away_and_is_done_after_it(line):
    result = cut_out(line, SMITHS)
    if result is None:
        return
    rest, cuts = result
    position = iter(line)
    assert all(character in position for character in rest)
    assert (rest == line) == (cuts == 0)


@given(
    st.lists(st.sampled_from(["T2", "knee", "CHEST", "5mm", "links", "КТ", "胸部", "mit KM"]), max_size=4),
    st.sampled_from("Smith|SMITH JOHN|AB-0012345|12.03.2019|20190312|1.2.840.113619.2.1".split("|")),
    st.lists(st.sampled_from(["T2", "knee", "CHEST", "5mm", "links", "КТ", "胸部", "mit KM"]), max_size=4),
)  # fmt: skip
def test_dei_47_wherever_it_stands(before, secret, after):
    rest, cuts = cut_out(" ".join((*before, secret, *after)), SMITHS)
    assert rest.split() == " ".join((*before, *after)).split()
    assert cuts == 1


@pytest.mark.parametrize(
    "unit",
    [*"1a(Ä\u200b山/", "1.", "a@", "A ", "a^", "12-", "+1 ", "1 ", "Dr ", "x.x@", "van ", "1/", "in ", "a'",
     "Mercy Hospital ", "name: "],
)  # fmt: skip
def test_time_grows_with_the_text_and_not_with_its_square(unit):
    def seconds(size):
        line = (unit * size)[:size]
        start = perf_counter()
        cut_out(line, SMITHS)
        return perf_counter() - start

    seconds(1000)
    small, large = (min(seconds(size) for _ in range(2)) for size in (1_000, 8_000))
    assert large < 0.05 + 24 * small


def test_words_of_medicine_are_one_list():
    assert {"thorax", "tse", "schadel", "hospital", "wirbelsaule"} <= medical_words()
    shuffled = random.Random(1).sample(sorted(medical_words()), 200)
    for word in shuffled:
        assert cut_out(f"{word} {word.upper()}", Vocabulary()) == (f"{word} {word.upper()}", 0)
