"""Secure DICOM Files against OpenSSL and BouncyCastle, both ways; their DICOMDIR against its readers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydicom.fileset import FileSet

import dicompack
from dicompack import Originator, Password, PasswordKey, Recipient
from dicompack.crypto import der, secure_dicom
from dicompack.crypto.recipients import Opener
from tests.conftest import ROOT, Party
from tests.interop.test_openssl_cms import OpenSsl, openssl  # noqa: F401  # a fixture
from tests.interop.test_recipient_matrix import JARS
from tests.packages import INSTANCES, bundled, study

pytestmark = pytest.mark.interop

SECRET = "correct horse battery staple, and some more words"
FILE = bundled("CT_small.dcm")


@pytest.fixture
def file_set(tmp_path: Path, originator: Originator) -> Path:
    """All kinds of instances, as they are."""
    source = study(tmp_path / "source", INSTANCES)
    dicompack.pack(
        [source], tmp_path / "set", originator=originator, envelope="secure-dicom", deidentify="none"
    )
    return tmp_path / "set"


def key(party: Party, *, signs: bool = False, encoding: Encoding = Encoding.PEM) -> bytes:
    private = (party.signing if signs else party.decryption).private_key
    return private.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())


def opened(data: bytes, opener: Opener, signer: Party) -> bytes:
    pieces: list[bytes] = []
    made = secure_dicom.open_to(der.InMemory(data), [opener], pieces.append)
    assert made.certificate == signer.signing.certificate
    return b"".join(pieces)


def sealed(sender: Party, *readers: Party, password: bool = False) -> bytes:
    people = [one.decryption.certificate for one in readers]
    known = [PasswordKey.new(Password(SECRET))] if password else []
    data = FILE.read_bytes()
    at = sender.signing.certificate.not_valid_before_utc
    return b"".join(secure_dicom.seal([data], len(data), [*people, *known], sender.signing, at))


# ---------------------------------------------------------------------------------------- OpenSSL


def by_the_specification() -> list[str]:
    """The commands of the worked example."""
    chapter = (ROOT / "spec" / "4a-secure-dicom.md").read_text("utf-8")
    example = chapter.partition("## Worked example")[2]
    (block,) = re.findall(r"```\n(.*?)```", example.partition("## Security")[0], re.DOTALL)
    return block.splitlines()


def test_the_worked_example(
    openssl: OpenSsl,  # noqa: F811
    tmp_path: Path,
    sender: Party,
    receiver: Party,
) -> None:
    (tmp_path / "DICOM").mkdir()
    (tmp_path / "DICOM" / "00000001").write_bytes(sealed(sender, receiver, password=True))
    openssl.file("decryption.pem", key(receiver))
    openssl.file("contact.pem", sender.signing.certificate.public_bytes(Encoding.PEM))
    for line in by_the_specification():
        subprocess.run(line, shell=True, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "1.dcm").read_bytes() == FILE.read_bytes()


def test_openssl_opens_by_password(openssl: OpenSsl, sender: Party, receiver: Party) -> None:  # noqa: F811
    data = sealed(sender, receiver, password=True)
    openssl.file("sealed", data)
    command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-pwri_password")
    inner = openssl(*command, SECRET)
    assert FILE.read_bytes() in inner
    assert bytes(der.parse(inner).children[2].children[1].children[0].content) == FILE.read_bytes()


@pytest.mark.parametrize("cipher", ["-aes256", "-aes192", "-aes128", "-des3"])
@pytest.mark.parametrize("name", [(), ("-keyid",)], ids=["issuer", "identifier"])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_we_open_what_openssl_makes(
    openssl: OpenSsl,  # noqa: F811
    sender: Party,
    receiver: Party,
    cipher: str,
    name: tuple[str, ...],
    digest: str,
) -> None:
    """It names the inner content id-data, and gives the ContentInfo: what S/MIME does."""
    openssl.file("signer.pem", sender.signing.certificate.public_bytes(Encoding.PEM))
    openssl.file("signer.key", key(sender, signs=True))
    openssl.file("recipient.pem", receiver.decryption.certificate.public_bytes(Encoding.PEM))
    openssl.file("content", FILE.read_bytes())
    sign = ("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", digest, "-in", "content")
    openssl.file("signed", openssl(*sign, "-signer", "signer.pem", "-inkey", "signer.key"))
    encrypt = ("cms", "-encrypt", "-binary", "-outform", "DER", cipher, "-in", "signed", *name)
    data = openssl(*encrypt, "-recip", "recipient.pem")
    assert opened(data, receiver.decryption, sender) == FILE.read_bytes()


def test_a_file_of_openssl_is_unpacked(
    openssl: OpenSsl,  # noqa: F811
    tmp_path: Path,
    sender: Party,
    receiver: Party,
    recipient: Recipient,
) -> None:
    openssl.file("signer.pem", sender.signing.certificate.public_bytes(Encoding.PEM))
    openssl.file("signer.key", key(sender, signs=True))
    openssl.file("recipient.pem", receiver.decryption.certificate.public_bytes(Encoding.PEM))
    openssl.file("content", FILE.read_bytes())
    sign = ("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256", "-in", "content")
    openssl.file("signed", openssl(*sign, "-signer", "signer.pem", "-inkey", "signer.key"))
    encrypt = ("cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-in", "signed")
    openssl.file("CT", openssl(*encrypt, "-recip", "recipient.pem"))
    report = dicompack.unpack(tmp_path / "CT", tmp_path / "out", recipient=recipient)
    assert report.complete == "not-checked"
    (written,) = (tmp_path / "out").rglob("*.dcm")
    assert written.read_bytes() == FILE.read_bytes()


# ----------------------------------------------------------------------------------- BouncyCastle


@pytest.fixture(scope="module")
def bouncy_castle(
    program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., bytes]:
    """BouncyCastle, compiled once."""
    java, compiler = program("java"), program("javac")
    if not all(jar.exists() for jar in JARS):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("BouncyCastle is not installed")
    folder = tmp_path_factory.mktemp("bouncy-castle")
    classes = ":".join(map(str, JARS))
    source = Path(__file__).with_name("SecureFiles.java")
    subprocess.run([compiler, "-nowarn", "-cp", classes, "-d", folder, source], check=True, timeout=120)

    def call(what: str, kind: str, given: bytes, signer: Party, data: bytes) -> bytes:
        (folder / "given").write_bytes(given)
        (folder / "signer").write_bytes(signer.signing.certificate.public_bytes(Encoding.DER))
        (folder / "key").write_bytes(key(signer, signs=True, encoding=Encoding.DER))
        (folder / "in").write_bytes(data)
        words = ["SecureFiles", what, kind, "given", "signer", "key", "in", "out"]
        command = [java, "-cp", f"{classes}:{folder}", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        return (folder / "out").read_bytes()

    return call


@pytest.mark.parametrize("kind", ["rsa", "password"])
def test_bouncy_castle_opens(
    bouncy_castle: Callable[..., bytes], sender: Party, receiver: Party, stranger: Party, kind: str
) -> None:
    data = sealed(sender, receiver, password=True)
    given = key(receiver, encoding=Encoding.DER) if kind == "rsa" else SECRET.encode()
    assert bouncy_castle("open", kind, given, sender, data) == FILE.read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        bouncy_castle("open", kind, given, stranger, data)


@pytest.mark.parametrize("kind", ["rsa", "password"])
def test_we_open_what_bouncy_castle_makes(
    bouncy_castle: Callable[..., bytes], sender: Party, receiver: Party, kind: str
) -> None:
    certificate = receiver.decryption.certificate.public_bytes(Encoding.DER)
    given = certificate if kind == "rsa" else SECRET.encode()
    data = bouncy_castle("seal", kind, given, sender, FILE.read_bytes())
    opener: Opener = receiver.decryption if kind == "rsa" else Password(SECRET)
    assert opened(data, opener, sender) == FILE.read_bytes()


# -------------------------------------------------------------------------------------- DICOMDIR


@pytest.fixture
def open_set(tmp_path: Path, file_set: Path, receiver: Party, sender: Party) -> Path:
    """The same File-set without its envelopes, as another program would have it after decryption."""
    target = tmp_path / "open"
    for path in file_set.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(file_set)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(opened(path.read_bytes(), receiver.decryption, sender))
    return target


def test_pydicom_reads_the_file_set(open_set: Path) -> None:
    found = FileSet(str(open_set / "DICOMDIR"))
    try:
        paths = {Path(one.path).relative_to(open_set).as_posix() for one in found}
        assert paths == {path.relative_to(open_set).as_posix() for path in (open_set / "DICOM").iterdir()}
        for one in found:
            read = pydicom.dcmread(one.path)
            assert one.SOPInstanceUID == read.SOPInstanceUID
            assert one.StudyInstanceUID == read.StudyInstanceUID
    finally:
        found._stage["t"].cleanup()  # which it leaves to the garbage collector, and that complains


def test_dicom3tools_has_nothing_against_the_directory(open_set: Path, program: Callable[[str], str]) -> None:
    checked = subprocess.run(
        [program("dciodvfy"), "DICOMDIR"], cwd=open_set, capture_output=True, text=True, timeout=60
    )
    errors = {line for line in checked.stderr.splitlines() if line.startswith("Error")}
    # The bundled SR says that it was verified, and not when.
    assert errors <= {
        "Error - Missing attribute Type 1C Conditional Element=<VerificationDateTime> "
        "Module=<SRDocumentDirectoryRecord>"
    }
    walked = subprocess.run(
        [program("dcdirdmp"), "DICOMDIR"], cwd=open_set, capture_output=True, text=True, timeout=60
    )
    assert "Error" not in walked.stderr
    listed = set(re.findall(r"-> (DICOM\\[0-9]{8})", walked.stdout + walked.stderr))
    assert len(listed) == len(list((open_set / "DICOM").iterdir()))


def test_dcmtk_reads_the_directory(open_set: Path, program: Callable[[str], str]) -> None:
    dumped = subprocess.run(
        [program("dcmdump"), "+P", "0004,1500", "DICOMDIR"], cwd=open_set, capture_output=True, text=True
    )
    assert dumped.returncode == 0
    assert not re.search(r"^[WE]:", dumped.stderr, re.MULTILINE)
    assert dumped.stdout.count("ReferencedFileID") == len(list((open_set / "DICOM").iterdir()))


def test_dcmsign_verifies_the_instances(
    tmp_path: Path, open_set: Path, program: Callable[[str], str], sender: Party
) -> None:
    (tmp_path / "contact.pem").write_bytes(sender.signing.certificate.public_bytes(Encoding.PEM))
    for path in sorted((open_set / "DICOM").iterdir()):
        command = [program("dcmsign"), "--verify", "+rg", "+rc", "+cf", tmp_path / "contact.pem", path]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_file_ids_are_those_of_the_standard(file_set: Path) -> None:
    """PS3.10 §8.2, PS3.12 Annex V: nothing else lies in the File-set."""
    for path in file_set.rglob("*"):
        components = path.relative_to(file_set).parts
        assert len(components) <= 8
        assert all(re.fullmatch("[A-Z0-9_]{1,8}", one) for one in components)
