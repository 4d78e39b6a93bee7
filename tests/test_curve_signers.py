"""Identities that sign on a curve, from `keys new` to programs of others."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import dicompack
from dicompack import Originator, Recipient
from dicompack.cli.program import run
from dicompack.crypto.identities import new_identity
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from dicompack.dicom import dicom_file, tags
from dicompack.errors import UsageError
from tests.packages import INSTANCES, packed, study


@pytest.fixture(scope="module", params=["p-256", "p-384"])
def sent(request, tmp_path_factory):
    """By a clinic on a curve to itself: its folder has the package and the instances as they travelled."""
    folder = tmp_path_factory.mktemp(request.param)
    study(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DICOMPACK_CONFIG_DIR", str(folder / "configuration"))
        made = ["keys", "new", "me", "--name", "Clinic", "--no-passphrase", "--algorithm", "p-256"]
        assert run([*made, "--signing-algorithm", request.param]) == 0
        call = ["pack", "source", "-o", "x.dcmpack", "--signer", "me", "--volume-size", "200k"]
        assert run([*call, "--burned-in", "vouch"]) == 0
        reader = ["--identity", "me", "--trust", "me"]
        first = str(next(iter(sorted(folder.glob("x.dcmpack*")))))
        assert run(["test", first, "--trust", "me"]) == 0
        assert run(["verify", first, *reader]) == 0
        assert run(["unpack", first, "-d", "out", *reader]) == 0
        assert run(["unpack", first, "-d", "signed", "--keep-signed", *reader]) == 0
    return folder, request.param


def test_keys_are_on_the_curve(sent):
    folder, algorithm = sent
    key = load_signing_key((folder / "me" / "signing.p12").read_bytes(), bytes).private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.key_size == int(algorithm.removeprefix("p-"))


def test_it_is_told_that_no_profile_has_it_sig_9(tmp_path, receiver, sender):
    identity = new_identity("Clinic", None, signing_algorithm="p-256")
    signing = load_signing_key(identity.signing_p12, bytes)
    _, report = packed(tmp_path, Originator(signing, (receiver.contact,)))
    assert [one.rule for one in report.findings].count("SIG-9") == 1
    (tmp_path / "other").mkdir()
    _, report = packed(tmp_path / "other", Originator(signing, (receiver.contact,), sender.signing))
    assert "SIG-9" not in {one.rule for one in report.findings}


def test_ml_kem_does_not_sign(tmp_path):
    with pytest.raises(UsageError, match="does not sign"):
        new_identity("x", None, signing_algorithm="ml-kem-768")
    assert run(["keys", "new", str(tmp_path / "x"), "--name", "x", "--signing-algorithm", "ml-kem-768"]) == 2


def test_dcmsign_accepts_the_instances(sent, program):
    """And says, asked with +rc, that it is no signature of the Creator RSA profile."""
    folder, _ = sent
    instances = sorted((folder / "signed").rglob("*.dcm"))
    assert instances
    for path in instances:
        for profile, code in (([], 0), (["+rc"], 102)):
            ran = subprocess.run(
                [program("dcmsign"), "--verify", "+rg", *profile, "+cf", folder / "me" / "contact.pem", path],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ran.returncode == code, ran.stdout + ran.stderr
            assert "Signature Verification : OK" in ran.stdout + ran.stderr


def test_and_not_changed_ones(sent, program, tmp_path):
    folder, _ = sent
    path = sorted((folder / "signed").rglob("*.dcm"))[0]
    data = bytearray(path.read_bytes())
    data[data.index(b"\x08\0\x60\0CS") + 8] ^= 1  # Modality
    (tmp_path / "x.dcm").write_bytes(data)
    call = [program("dcmsign"), "--verify", "+rg", "+cf", folder / "me" / "contact.pem"]
    ran = subprocess.run([*call, tmp_path / "x.dcm"], capture_output=True, check=False)
    assert ran.returncode != 0


def test_openssl_accepts_the_seal(sent, program, tmp_path):
    folder, _ = sent
    volumes = sorted(folder.glob("x.dcmpack*[0-9k]"))
    data = b"".join(path.read_bytes() for path in volumes if not path.suffix.startswith(".r"))
    (tmp_path / "all.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "all.zip") as opened:
        (tmp_path / "seal").write_bytes(opened.read("SEAL0001"))
    ran = subprocess.run(
        [program("openssl"), "cms", "-verify", "-cades", "-binary", "-inform", "DER",
         "-in", tmp_path / "seal", "-CAfile", folder / "me" / "contact.pem", "-purpose", "any",
         "-out", tmp_path / "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "json").read_bytes())["sequence"] == 1


def test_signatures_are_in_their_one_form(sent):
    """Even length, DER, the low s: what a reader makes again and compares (KEY-7)."""
    folder, _ = sent
    for path in (folder / "signed").rglob("*.dcm"):
        item = dicom_file.parse(path.read_bytes()).data_set.items(tags.DIGITAL_SIGNATURES_SEQUENCE)[0]
        value = bytes(item.raw(tags.SIGNATURE) or b"")
        assert len(value) % 2 == 0 and value[0] == 0x30
        assert len(value) - 2 - value[1] in (0, 1)


def test_every_instance_arrives(sent):
    folder, _ = sent
    own = load_decryption_key((folder / "me" / "decryption.p12").read_bytes(), bytes)
    trust = dicompack.TrustStore((dicompack.load_anchor("me", (folder / "me" / "contact.pem").read_bytes()),))
    package = Path(sorted(folder.glob("x.dcmpack*"))[0])
    report = dicompack.verify(package, recipient=Recipient((own,), trust), jobs=1)
    assert report.signatures[0].trusted
    assert report.instances_out == len(list((folder / "out").rglob("*.dcm"))) == len(INSTANCES)
