"""A recipient without DICOMPack: others' tools get every instance out, and check it."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import dicompack
from dicompack import Originator, Recipient
from tests.conftest import trusting
from tests.packages import INSTANCES, packed

pytestmark = pytest.mark.interop


def run(*command):
    """Standard output of a program that ends well and has nothing to complain about."""
    result = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    assert result.returncode == 0, (command, result.stdout[-500:], result.stderr[-500:])
    assert b"arning" not in result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory, sender, receiver):
    """A package in volumes, our own signed files, and what openssl and dcmsign need."""
    folder = tmp_path_factory.mktemp("package")
    first, report = packed(
        folder, Originator(sender.signing, (receiver.contact, sender.contact)), INSTANCES, volume_size=60_000
    )
    recipient = Recipient((receiver.decryption,), trusting(sender))
    dicompack.unpack(first, folder / "signed", recipient=recipient, keep_signed=True)
    (folder / "key.pem").write_bytes(
        receiver.decryption.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "ca.pem").write_bytes(sender.signing.certificate.public_bytes(Encoding.PEM))
    assert any(".r0" in name for name in report.volumes)  # beside the others, and in nobody's way
    return folder, [folder / name for name in report.volumes if ".r0" not in name]


def opened(folder: Path, program, out: Path):
    """Every member as the README in the package says: pieces joined, decrypted."""
    openssl = program("openssl")
    out.mkdir()
    members = {path.name: path for path in (folder / "DICOM").iterdir()}
    for pieces in sorted((folder / "CUT").iterdir()) if (folder / "CUT").is_dir() else []:
        if pieces.name.isdigit():
            joined = folder / pieces.name
            joined.write_bytes(b"".join(piece.read_bytes() for piece in sorted(pieces.iterdir())))
            members[pieces.name] = joined
    for name, path in members.items():
        run(
            openssl, "cms", "-decrypt", "-inform", "DER", "-binary", "-in", path,
            "-inkey", folder.parent / "key.pem", "-out", out / name,
        )  # fmt: skip
    return out


def check_members(package, out: Path):
    folder, _ = package
    signed = {path.name[:8]: path.read_bytes() for path in (folder / "signed").rglob("*.dcm")}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == signed
    assert len(signed) == len(INSTANCES)


def test_cat_unzip_openssl(package, program, tmp_path):
    folder, volumes = package
    zipped = tmp_path / "all.zip"
    zipped.write_bytes(b"".join(path.read_bytes() for path in volumes))
    extracted = folder / "unzip"
    run(program("unzip"), "-q", zipped, "-d", extracted)
    check_members(package, opened(extracted, program, tmp_path / "out"))


def test_seven_zip_on_the_first_volume_openssl(package, program, tmp_path):
    folder, volumes = package
    extracted = folder / "sevenzip"
    run(program("7zz"), "x", "-y", f"-o{extracted}", volumes[0])
    check_members(package, opened(extracted, program, tmp_path / "out"))


def test_readme_in_the_package_names_the_tools(package, program, tmp_path):
    _, volumes = package
    zipped = tmp_path / "all.zip"
    zipped.write_bytes(b"".join(path.read_bytes() for path in volumes))
    readme = run(program("unzip"), "-p", zipped, "README").decode("ascii")
    for word in ("dicompack", "cat", "unzip", "openssl cms -decrypt"):
        assert word in readme


def test_dcmsign_verifies_every_signed_file(package, program):
    folder, _ = package
    dcmsign = program("dcmsign")
    for path in (folder / "signed").rglob("*.dcm"):
        run(dcmsign, "--verify", "+rg", "+rc", "+cf", folder / "ca.pem", path)


def test_seal_says_who_signed_it(package, program, tmp_path):
    """Anybody can check the SEAL and read it, without any key."""
    folder, volumes = package
    zipped = tmp_path / "all.zip"
    zipped.write_bytes(b"".join(path.read_bytes() for path in volumes))
    run(program("unzip"), "-q", zipped, "-d", tmp_path / "x")
    seal = tmp_path / "x" / "SEAL0001"
    if not seal.exists():
        pieces = sorted((tmp_path / "x" / "CUT" / "SEAL0001").iterdir())
        seal.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    content = subprocess.run(
        [
            program("openssl"), "cms", "-verify", "-inform", "DER", "-in", seal,
            "-CAfile", folder / "ca.pem", "-purpose", "any",
        ],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f'"members":{len(INSTANCES)}'.encode() in content


@pytest.mark.parametrize("tool", ["gdcminfo", "dcmdump"])
def test_others_read_what_is_delivered(package, program, tool, recipient, tmp_path):
    _, volumes = package
    dicompack.unpack(volumes[0], tmp_path / "out", recipient=recipient)
    for path in (tmp_path / "out").rglob("*.dcm"):
        result = subprocess.run([program(tool), str(path)], capture_output=True, check=False)
        assert result.returncode == 0, (tool, result.stderr)
