"""GDCM implements PS3.15 E.1.1 and E.1.2, too: `gdcmanon -d` opens ours, we open what `gdcmanon -e` makes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydicom import dcmread

import dicompack
from dicompack import ProjectKey, Recipient
from dicompack.dicom import dicom_file
from dicompack.errors import BadSignatureError
from dicompack.stages import deidentification, reidentification
from dicompack.stages.artifacts import Instance
from dicompack.stages.deidentification import Policy
from tests.conftest import Party, trusting
from tests.packages import bundled

pytestmark = pytest.mark.interop

NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")


@pytest.fixture
def gdcmanon(program: Callable[[str], str], tmp_path: Path, receiver: Party) -> Callable[..., None]:
    """With the receiver's key and certificate as PEM."""
    path = program("gdcmanon")
    key = receiver.decryption.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    certificate = receiver.decryption.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "certificate.pem").write_bytes(certificate)

    def call(*arguments: str) -> None:
        files = ("-k", "key.pem", "-c", "certificate.pem")
        subprocess.run([path, *files, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    return call


@pytest.mark.parametrize("name", NAMES)
def test_gdcm_opens_ours(gdcmanon, tmp_path, sender, receiver, name) -> None:
    file = dicom_file.parse(bundled(name).read_bytes())
    source = Instance(file.data_set, file.transfer_syntax)
    clean = deidentification.pack(source, ProjectKey.new(), Policy(burned_in="vouch"))
    result = reidentification.pack(
        source, clean, sender.signing, [receiver.contact.decryption], datetime.now(UTC)
    )
    ours = b"".join(dicom_file.marshal(result.data_set, result.transfer_syntax))
    (tmp_path / "ours.dcm").write_bytes(ours)
    gdcmanon("-d", "ours.dcm", "back.dcm")
    before, after = dcmread(bundled(name)), dcmread(tmp_path / "back.dcm")
    assert "DP-" in str(dcmread(tmp_path / "ours.dcm").PatientName)
    for element in before:
        if element.tag not in (0x00120062, 0x00120063, 0x00120064):
            assert after[element.tag].value == element.value, element.tag


@pytest.mark.parametrize("cipher", ["--aes128", "--aes192", "--aes256", "--des3"])
@pytest.mark.parametrize("name", NAMES[:2])
def test_we_open_what_gdcm_encrypts(gdcmanon, tmp_path, sender, receiver, cipher, name) -> None:
    (tmp_path / "source.dcm").write_bytes(bundled(name).read_bytes())
    gdcmanon("-e", cipher, "source.dcm", "theirs.dcm")
    before, clean = dcmread(bundled(name)), dcmread(tmp_path / "theirs.dcm")
    assert clean.PatientName != before.PatientName
    custodian = Recipient((receiver.decryption,), trusting(sender))
    with pytest.raises(BadSignatureError) as caught:
        dicompack.reidentify([tmp_path / "theirs.dcm"], tmp_path / "back", recipient=custodian)
    assert caught.value.rule == "ENA-7"
    report = dicompack.reidentify(
        [tmp_path / "theirs.dcm"], tmp_path / "back", recipient=custodian, accept_unbound=True
    )
    assert [(one.kind, one.rule) for one in report.findings] == [("unbound", "ENA-13")]
    (path,) = (tmp_path / "back").rglob("*.dcm")
    after = dcmread(path)
    # What it encrypts is a short list of its own; UIDs and the patient are in it.
    for keyword in ("PatientName", "PatientID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert after[keyword].value == before[keyword].value, keyword
    assert after.PatientIdentityRemoved == "NO"
    assert "EncryptedAttributesSequence" not in after
