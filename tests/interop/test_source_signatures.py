"""Signatures that dcmsign has put into sources, at every level: we verify them before they go."""

from __future__ import annotations

import shutil
import subprocess

import pydicom
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import dicompack
from dicompack import Originator, Recipient
from dicompack.container import originals
from dicompack.crypto import signed
from dicompack.dicom import dicom_file
from dicompack.stages import source_signatures
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import bundled
from tests.unit.crypto.pki import SIGNS, certificate

pytestmark = pytest.mark.interop

KEYS = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
    "short": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


@pytest.fixture(scope="module")
def sign(tmp_path_factory, program):
    """Let dcmsign sign a file in place."""
    dcmsign = program("dcmsign")
    folder = tmp_path_factory.mktemp("keys")
    for kind, make in KEYS.items():
        key = make()
        (folder / f"{kind}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / f"{kind}.pem").write_bytes(certificate("Scanner", SIGNS, of=key).public_bytes(Encoding.PEM))

    def call(path, item="", kind="rsa", digest="+m3"):
        who = [folder / f"{kind}.key", folder / f"{kind}.pem"]
        how = ["--sign-item", *who, item] if item else ["--sign", *who]
        command = [dcmsign, *how, digest, path, folder / "signed"]
        result = subprocess.run([*map(str, command)], capture_output=True, check=False)
        assert result.returncode == 0, result.stderr
        shutil.move(folder / "signed", path)

    return call


@pytest.fixture
def source(tmp_path):
    def copy(file="CT_small.dcm"):
        path = tmp_path / file
        shutil.copy(bundled(file), path)
        return path

    return copy


def told(path):
    return [*source_signatures.findings(dicom_file.parse(path.read_bytes()).data_set)]


def kinds(path):
    return [finding.kind.removeprefix("source-signature") for finding in told(path)]


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
@pytest.mark.parametrize("file", [
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm", "SC_rgb_rle_2frame.dcm", "rtplan.dcm", "test-SR.dcm",
    "waveform_ecg.dcm", "liver_1frame.dcm",
])  # fmt: skip
def test_what_dcmsign_signs_is_valid_sig_8(sign, source, file, kind):
    path = source(file)
    assert told(path) == []
    sign(path, kind=kind)
    (finding,) = told(path)
    assert (finding.kind, finding.rule) == ("source-signature", "SIG-8")
    assert "of the instance: valid, over " in finding.message
    assert "Scanner" not in finding.message


@pytest.mark.parametrize(
    ("digest", "kind"), [("+m2", ""), ("+m5", ""), ("+mr", "-unverifiable"), ("+ms", "-unverifiable")]
)
def test_other_digests_sig_8(sign, source, digest, kind):
    """RIPEMD-160 and SHA-1 prove nothing any more."""
    path = source()
    sign(path, digest=digest)
    assert kinds(path) == [kind]


def test_short_keys_prove_nothing_sig_8(sign, source):
    path = source()
    sign(path, kind="short")
    assert kinds(path) == ["-unverifiable"]


def test_signatures_of_items_sig_8(sign, source):
    path = source("test-SR.dcm")
    sequence = "ContentSequence[0]"
    sign(path, sequence)
    sign(path)
    findings = told(path)
    assert [finding.kind for finding in findings] == ["source-signature", "source-signature"]
    assert "of the instance" in findings[0].message
    assert "of an item" in findings[1].message
    data_set = pydicom.dcmread(path)
    data_set.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning = "something else"
    data_set.save_as(path)
    assert kinds(path) == ["-broken", "-broken"]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "PatientName", "Other^Name"),
        lambda one: delattr(one, "StudyDate"),
        lambda one: setattr(one, "PixelData", bytes(len(one.PixelData))),
        lambda one: setattr(one.DigitalSignaturesSequence[0], "DigitalSignatureDateTime", "20200101"),
    ],
)  # fmt: skip
def test_what_was_changed_since_is_broken_sig_8(sign, source, change):
    path = source()
    sign(path)
    data_set = pydicom.dcmread(path)
    change(data_set)
    data_set.save_as(path)
    assert kinds(path) == ["-broken"]


def test_what_was_added_since_shows_in_the_numbers_sig_8(sign, source):
    path = source()
    sign(path)
    before = told(path)[0].message
    data_set = pydicom.dcmread(path)
    data_set.PatientComments = "added"
    data_set.save_as(path)
    assert kinds(path) == [""]
    assert told(path)[0].message != before


@pytest.mark.parametrize("tag", ["DataElementsSigned", "MACIDNumber", "CertificateOfSigner", "Signature"])
def test_signatures_that_lack_something_are_broken_sig_8(sign, source, tag):
    path = source()
    sign(path)
    data_set = pydicom.dcmread(path)
    for sequence in (data_set.MACParametersSequence, data_set.DigitalSignaturesSequence):
        if tag in sequence[0]:
            delattr(sequence[0], tag)
            break
    data_set.save_as(path)
    assert kinds(path) == ["-broken"]


def test_a_list_that_names_pixels_ten_thousand_times_costs_no_more_sig_8(sign, source):
    path = source()
    sign(path)
    data_set = pydicom.dcmread(path)
    data_set.MACParametersSequence[0].DataElementsSigned = [0x7FE00010] * 16_000
    data_set.save_as(path)
    assert kinds(path) == ["-broken"]


def test_more_signatures_than_are_looked_at_sig_8(sign, source):
    path = source()
    sign(path)
    data_set = pydicom.dcmread(path)
    data_set.DigitalSignaturesSequence = [data_set.DigitalSignaturesSequence[0]] * 40
    data_set.save_as(path)
    found = kinds(path)
    assert found == [""] * 16 + ["-unverifiable"]
    assert told(path)[-1].message.startswith("24 more")


@pytest.mark.parametrize("settings", [{"deidentify": "none"}, {"burned_in": "vouch"}])
def test_packing_tells_and_removes(sign, source, tmp_path, sender, receiver, settings):
    path = source()
    sign(path)
    report = dicompack.pack(
        [path], tmp_path / "p.dcmpack", originator=Originator(sender.signing, (receiver.contact,)), **settings
    )
    (finding,) = [one for one in report.findings if one.kind == "source-signature"]
    assert finding.where == "CT_small.dcm"


def test_a_custodian_learns_how_many_there_were(sign, source, tmp_path, sender, receiver):
    path = source("test-SR.dcm")
    sign(path, "ContentSequence[0]")
    sign(path)
    originator = Originator(sender.signing, (), custodians=(receiver.contact,))
    dicompack.pack([path], tmp_path / "p.dcmpack", originator=originator, burned_in="vouch")
    content = Forgery(tmp_path / "p.dcmpack").open("CUSTODY", receiver.decryption)
    assert originals.parse(signed.verify(content).content).members[0].signatures == 2
    dicompack.unpack(
        tmp_path / "p.dcmpack",
        tmp_path / "out",
        recipient=Recipient((receiver.decryption,), trusting(sender)),
        originals=True,
        jobs=1,
    )
    assert (tmp_path / "out" / "test-SR.dcm").read_bytes() == path.read_bytes()
