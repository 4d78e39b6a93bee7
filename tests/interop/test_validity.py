"""De-identified instances are as valid as they were: `dciodvfy` has nothing new against them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pydicom
import pytest

from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom import dicom_file
from dicompack.dicom.confidentiality import deidentify, parse_deidentify
from dicompack.dicom.dataset import DataSet, string_element
from dicompack.dicom.dicom_file import DicomFile
from dicompack.errors import DicomPackError
from tests.iod_validity import new_errors

pytestmark = pytest.mark.interop

PROFILES = (
    "basic",
    "basic+retain-uids+retain-longitudinal-full-dates+retain-institution-identity",
    "basic+retain-safe-private+retain-device-identity+retain-patient-characteristics"
    "+retain-longitudinal-modified-dates+clean-descriptors+clean-structured-content+clean-graphics",
)
BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


def check(folder: Path, dciodvfy: str, profile: str, scratch: Path) -> int:
    """The number of instances that were looked at."""
    options, found, looked_at = parse_deidentify(profile), Counter(), 0
    derive = ProjectKey(bytes(32)).derive
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            source = dicom_file.parse(path.read_bytes())
            if source.is_directory:
                continue
            result = deidentify(source.data_set, derive, options).data_set
            errors = new_errors(dciodvfy, source, result, scratch)
        except DicomPackError:  # refused, or no instance: nothing comes out
            continue
        looked_at += 1
        found.update(errors)
    assert not found, "\n".join(f"{count} {error}" for error, count in found.most_common())
    return looked_at


@pytest.mark.parametrize("profile", PROFILES)
def test_bundled_files_get_no_new_error(profile, program, tmp_path):
    assert check(BUNDLED, program("dciodvfy"), profile, tmp_path) > 80


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("profile", PROFILES)
def test_studies_get_no_new_error(profile, program, data, tmp_path):
    assert check(data, program("dciodvfy"), profile, tmp_path) > 800


def test_an_error_that_is_new_is_found(program, tmp_path):
    source = dicom_file.parse((BUNDLED / "CT_small.dcm").read_bytes())
    broken = source.data_set.without(0x00280010)
    found = new_errors(program("dciodvfy"), source, broken, tmp_path)
    assert any("Rows(0028,0010)" in error for error in found)
    assert not new_errors(program("dciodvfy"), source, source.data_set, tmp_path)


def test_an_attribute_that_was_wrong_may_go_but_no_other(program, tmp_path):
    source = dicom_file.parse((BUNDLED / "CT_small.dcm").read_bytes())
    wrong = source.data_set.replacing(string_element(0x00280010, "SH", "128"))
    was_wrong = DicomFile(source.preamble, source.meta, source.transfer_syntax, wrong)
    dciodvfy = program("dciodvfy")

    def without(*tags: int) -> DataSet:
        return wrong.without(*tags)

    assert not new_errors(dciodvfy, was_wrong, without(0x00280010), tmp_path)
    assert new_errors(dciodvfy, was_wrong, without(0x00280010, 0x00280011), tmp_path)
