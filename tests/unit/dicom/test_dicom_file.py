"""DICOM is found by content, and every file is walked whole before anything else sees it."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from dicompack.dicom import dicom_file, encoding, tags
from dicompack.dicom.dataset import DataSet, Element, string_element
from dicompack.dicom.transfer_syntaxes import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicompack.errors import DicomPackError, FormatError, InputError, NotDicomError, UnsupportedError

MINIMAL = DataSet(
    [
        string_element(tags.SOP_CLASS_UID, "UI", "1.2.840.10008.5.1.4.1.1.7"),
        string_element(tags.SOP_INSTANCE_UID, "UI", "1.2.3"),
    ]
)


def bundled(name):
    return Path(get_testdata_file(name)).read_bytes()


def file_of(data_set=MINIMAL, syntax=EXPLICIT_LITTLE):
    return b"".join(dicom_file.marshal(data_set, syntax))


def refused(data, rule, kind=DicomPackError):
    with pytest.raises(kind) as caught:
        dicom_file.parse(data)
    assert caught.value.rule == rule


SOUND = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "JPEG2000.dcm", "image_dfl.dcm", "rtplan.dcm", "rtstruct.dcm", "test-SR.dcm", "waveform_ecg.dcm",
    "UN_sequence.dcm", "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "no_meta_group_length.dcm",
    "examples_palette.dcm", "liver_1frame.dcm", "SC_rgb_small_odd.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_reads_what_pydicom_reads(name):
    """An independent reader finds the same values; and ours writes what that reader reads the same."""
    data = bundled(name)
    file = dicom_file.parse(data)
    theirs = pydicom.dcmread(BytesIO(data), force=True)
    assert [node.tag for node in file.data_set] == [int(element.tag) for element in theirs]
    if tags.SOP_INSTANCE_UID in file.data_set and tags.SOP_CLASS_UID in file.data_set:
        written = b"".join(dicom_file.marshal(file.data_set, file.transfer_syntax))
        again = pydicom.dcmread(BytesIO(written))
        for element in theirs:
            if element.VR not in ("SQ", "UN") and element.tag.element:
                assert again[element.tag].value == element.value, element.tag


def test_every_truncation_of_a_file_is_refused_or_lacks_its_pixels():
    data = bundled("MR_small.dcm")
    whole = dicom_file.parse(data).data_set
    for size in range(len(data)):
        with suppress(DicomPackError):
            file = dicom_file.parse(data[:size])
            dicom_file.check_complete(file.data_set)
            assert set(whole) - set(file.data_set) == {whole.get(tags.DATA_SET_TRAILING_PADDING)}, size


def test_prefix_decides_and_not_the_name():
    assert dicom_file.looks_like_dicom(bytes(128) + b"DICM")
    assert not dicom_file.looks_like_dicom(b"This is a text that somebody called image.dcm" * 5)
    refused(b"This is a text that somebody called image.dcm" * 5, "DCM-1", NotDicomError)
    refused(b"", "DCM-1", NotDicomError)


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "rtstruct.dcm"])
def test_a_sound_data_set_without_meta_is_dicom(name):
    data = bundled(name)
    assert dicom_file.looks_like_dicom(data[: dicom_file.HEAD_SIZE])
    assert dicom_file.parse(data).data_set.text(tags.SOP_INSTANCE_UID)


def test_broken_data_set_without_meta_is_refused_as_dicom_dcm_1():
    refused(bundled("rtstruct.dcm")[:-11], "DCM-1", InputError)


class TestMeta:
    def test_implicit_meta_dcm_2(self):
        refused(bytes(128) + b"DICM" + struct.pack("<HHL", 2, 0x10, 2) + b"1\0", "DCM-2")

    def test_group_length_that_lies_dcm_2(self):
        data = bytearray(file_of())
        data[140:144] = struct.pack("<L", 6)
        refused(bytes(data), "DCM-2")

    def test_element_twice_dcm_2(self):
        one = b"\x02\x00\x10\x00UI\x02\x001\x00"
        refused(bytes(128) + b"DICM" + one + one, "DCM-2")

    def test_truncated_dcm_2(self):
        refused(file_of()[:150], "DCM-2")

    def test_unknown_and_private_transfer_syntax_dcm_3(self):
        for uid in ("1.2.840.10008.1.2.9", "1.2.3.4.5\0"):
            meta = DataSet([string_element(tags.TRANSFER_SYNTAX_UID, "UI", uid.strip("\0"))])
            data = bytes(128) + b"DICM" + b"".join(_meta_bytes(meta))
            refused(data, "DCM-3", UnsupportedError)

    def test_no_transfer_syntax_and_nothing_recognised_dcm_3(self):
        refused(bundled("meta_missing_tsyntax.dcm"), "DCM-3", InputError)


def _meta_bytes(meta):
    return [
        struct.pack("<HH2sH", 2, node.tag & 0xFFFF, node.vr.encode(), len(node.value)) + node.value
        for node in meta
    ]


class TestDeflated:
    def test_round_trip(self):
        data_set = MINIMAL.replacing(Element(0x00420011, "OB", bytes(10_000)))
        data = file_of(data_set, DEFLATED)
        assert len(data) < 2000
        assert dicom_file.parse(data).data_set == data_set

    def test_form_that_is_hashed_is_not_deflated(self):
        pieces = dicom_file.marshal(MINIMAL, DEFLATED, deflate=False)
        assert b"".join(pieces).endswith(b"".join(encoding.marshal(MINIMAL, EXPLICIT_LITTLE)))

    def test_bomb_dcm_11(self):
        bomb = zlib.compressobj(9, wbits=-15)
        data = bomb.compress(bytes(100 << 20)) + bomb.flush()
        with pytest.raises(FormatError, match="too large") as caught:
            dicom_file.inflate(data)
        assert caught.value.rule == "DCM-11"

    @pytest.mark.parametrize("change", [lambda d: d[:-8], lambda d: d + b"more", lambda d: b"\xff" + d[1:]])
    def test_damage_dcm_11(self, change):
        data = zlib.compressobj(9, wbits=-15)
        with pytest.raises(FormatError) as caught:
            dicom_file.inflate(change(data.compress(b"x" * 1000) + data.flush()))
        assert caught.value.rule == "DCM-11"

    def test_no_memory_for_it_dcm_11(self, monkeypatch):
        class Inflater:
            def decompress(self, *_arguments: object) -> bytes:
                raise MemoryError

        monkeypatch.setattr(dicom_file.zlib, "decompressobj", lambda *_: Inflater())
        with pytest.raises(FormatError, match="memory") as caught:
            dicom_file.inflate(b"")
        assert caught.value.rule == "DCM-11"

    def test_trailer_of_gzip_is_taken_where_it_fits(self):
        data = bundled("image_dfl.dcm")
        assert dicom_file.parse(data).data_set.number(tags.ROWS) == 512
        refused(data[:-1] + bytes([data[-1] ^ 1]), "DCM-11")


@pytest.mark.parametrize("uid", ["", "1", "1..2", "a.b", "1.2.", "../../etc", "1." + "2" * 64])
def test_malformed_identity_dcm_13(uid):
    with pytest.raises(InputError) as caught:
        dicom_file.check_identity(MINIMAL.replacing(string_element(tags.SOP_INSTANCE_UID, "UI", uid)))
    assert caught.value.rule == "DCM-13"


def test_leading_zeros_of_old_devices_are_no_reason_to_lose_an_instance():
    named = MINIMAL.replacing(string_element(tags.SOP_INSTANCE_UID, "UI", "999.999.1.19941016.083000.5"))
    assert dicom_file.check_identity(named)[1] == "999.999.1.19941016.083000.5"


def test_image_without_pixels_and_instance_without_uid_dcm_14():
    image = MINIMAL.replacing(Element(tags.ROWS, "US", b"\x10\0"), Element(tags.COLUMNS, "US", b"\x10\0"))
    for data_set in (image, MINIMAL.without(tags.SOP_INSTANCE_UID)):
        with pytest.raises(InputError) as caught:
            dicom_file.check_complete(data_set)
        assert caught.value.rule == "DCM-14"


class TestCanonical:
    def test_what_marshal_wrote(self):
        data = file_of()
        assert dicom_file.parse_canonical(data).data_set == MINIMAL

    def test_any_flipped_bit_dcm_15(self):
        data = file_of()
        for position in range(len(data)):
            changed = bytearray(data)
            changed[position] ^= 1
            try:
                again = dicom_file.parse_canonical(bytes(changed))
            except DicomPackError:
                continue
            assert again.data_set != MINIMAL, position  # only the values themselves may differ

    def test_reserved_bytes_undefined_length_and_preamble_dcm_15(self):
        data_set = MINIMAL.replacing(Element(0x00420011, "OB", b"ab"))
        data = file_of(data_set)
        reserved = data.replace(b"OB\0\0\x02\0\0\0ab", b"OB\0\1\x02\0\0\0ab")
        for changed in (reserved, b"MZ" + data[2:]):
            assert changed != data
            with pytest.raises(FormatError) as caught:
                dicom_file.parse_canonical(changed)
            assert caught.value.rule == "DCM-15"


def test_dicomdir_is_told_apart():
    for name in ("DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit"):
        assert dicom_file.parse(bundled(f"dicomdirtests/{name}")).is_directory


def test_written_meta_names_nobody():
    file = dicom_file.parse(file_of(syntax=IMPLICIT_LITTLE))
    assert file.preamble == bytes(128)
    assert {node.tag & 0xFFFF for node in file.meta} == {0, 1, 2, 3, 0x10, 0x12, 0x13}
