"""Key files as other programs write them: openssl in every protection it has, and Java's keytool."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from dicompack.crypto.contacts import Contact
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from dicompack.errors import NoMatchError

SIGNS = ["-addext", "keyUsage=critical,digitalSignature,nonRepudiation"]
DECRYPTS = ["-addext", "keyUsage=critical,keyEncipherment"]
BOTH = ["-addext", "keyUsage=critical,digitalSignature,keyEncipherment"]
END = ["-addext", "basicConstraints=critical,CA:FALSE"]
SECRET = ["-passout", "pass:abcdef"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, program: Callable[[str], str]) -> Callable[..., Path]:
    """Calls openssl in a folder with keys and certificates of each kind; gives the file it writes."""
    folder = tmp_path_factory.mktemp("keys")
    openssl = program("openssl")

    def does(command: str, *words: object, out: str) -> Path:
        subprocess.run(
            [openssl, command, "-out", out, *map(str, words)], cwd=folder, check=True, capture_output=True
        )
        return folder / out

    does("genrsa", 2048, out="rsa.key")
    does("ecparam", "-genkey", "-name", "prime256v1", out="ec.key")  # with a block EC PARAMETERS
    for key, usage, name in (
        ("rsa", SIGNS, "signs"), ("rsa", DECRYPTS, "decrypts"), ("rsa", BOTH, "both"), ("ec", SIGNS, "ec"),
    ):  # fmt: skip
        does("req", "-x509", "-new", "-key", f"{key}.key", "-days", 9, "-subj", "/CN=Klinik Süd", "-utf8",
             *usage, *END, out=f"{name}.crt")  # fmt: skip
    return does


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize(
    "protection",
    [
        [*SECRET],
        [*SECRET, "-keypbe", "AES-256-CBC", "-certpbe", "AES-128-CBC", "-iter", "1000"],
        [*SECRET, "-legacy"],
        [*SECRET, "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
        [*SECRET, "-name", "my key", "-certfile", "ec.crt"],
        ["-passout", "pass:", "-keypbe", "NONE", "-certpbe", "NONE"],
        ["-passout", "pass:", "-keypbe", "NONE", "-certpbe", "NONE", "-nomac"],
        ["-passout", "pass:"],
    ],
    ids=["default", "aes", "legacy", "3des", "more", "open", "no mac", "empty"],
)
def test_pkcs12_of_openssl(made, protection):
    path = made("pkcs12", "-export", "-inkey", "rsa.key", "-in", "signs.crt", *protection, out="x.p12")
    key = load_signing_key(path.read_bytes(), lambda: b"abcdef")
    assert key.certificate == certificate(path.parent / "signs.crt")
    assert key.chain == ()
    if "pass:abcdef" in protection:
        for wrong in (b"", b"abcde", b"\xff"):
            with pytest.raises(NoMatchError) as caught:
                load_signing_key(path.read_bytes(), lambda wrong=wrong: wrong)
            assert caught.value.rule == "KEY-5"


@pytest.mark.parametrize(
    "form",
    [
        ["rsa", "-traditional", "-des3", *SECRET],
        ["rsa", "-traditional", "-aes256", *SECRET],
        ["rsa", "-traditional"],
        ["pkcs8", "-topk8", "-v2", "aes-256-cbc", *SECRET],
        ["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", *SECRET],
        ["pkcs8", "-topk8", "-scrypt", *SECRET],
        ["pkcs8", "-topk8", "-nocrypt"],
    ],
    ids=["des3", "aes", "pkcs1", "pbes2", "pbes1", "scrypt", "pkcs8"],
)
@pytest.mark.parametrize("text", [[], ["-text"]], ids=["bare", "text"])
def test_pem_of_openssl(made, form, text):
    path = made(*form, "-in", "rsa.key", out="x.key")
    shown = made("x509", "-in", "decrypts.crt", *text, out="x.crt")
    data = path.read_bytes() + shown.read_bytes()
    key = load_decryption_key(data, lambda: b"abcdef")
    assert key.certificate == certificate(path.parent / "decrypts.crt")
    for wrong in (b"", b"abcdeg") if "pass:abcdef" in form else ():
        with pytest.raises(NoMatchError) as caught:
            load_decryption_key(data, lambda wrong=wrong: wrong)
        assert caught.value.rule == "KEY-5"


def test_a_certificate_of_no_version_in_an_open_file(made):
    """KEY-5: what the library has a class of its own for."""
    path = made("pkcs12", "-export", "-inkey", "rsa.key", "-in", "signs.crt", "-passout", "pass:", "-nomac",
                "-keypbe", "NONE", "-certpbe", "NONE", out="x.p12")  # fmt: skip
    data = path.read_bytes()
    version = data.index(bytes.fromhex("a003020102")) + 4
    with pytest.raises(NoMatchError) as caught:
        load_signing_key(data[:version] + b"\x42" + data[version + 1 :], bytes)
    assert caught.value.rule == "KEY-5"


def test_a_curve_with_its_parameters(made):
    folder = made("ecparam", "-name", "prime256v1", out="curve").parent
    data = (folder / "ec.key").read_bytes() + (folder / "ec.crt").read_bytes()
    assert b"EC PARAMETERS" in data
    assert load_signing_key(data, bytes).certificate == certificate(folder / "ec.crt")


def test_what_pkcs12_prints_is_pem(made):
    """With bag attributes between the blocks."""
    made("pkcs12", "-export", "-inkey", "rsa.key", "-in", "both.crt", "-name", "x", *SECRET, out="x.p12")
    path = made("pkcs12", "-in", "x.p12", "-noenc", "-passin", "pass:abcdef", out="x.pem")
    assert b"Bag Attributes" in path.read_bytes()
    both = certificate(path.parent / "both.crt")
    assert load_signing_key(path.read_bytes(), bytes).certificate == both
    assert load_decryption_key(path.read_bytes(), bytes).certificate == both


@pytest.mark.parametrize("form", [["-outform", "DER"], ["-text"], []], ids=["der", "text", "pem"])
def test_certificates_as_contacts(made, form):
    data = made("x509", "-in", "both.crt", *form, out="x.crt").read_bytes()
    contact = Contact.parse(data)
    assert (contact.name, contact.signing) == ("Klinik Süd", contact.decryption)


def test_pkcs12_of_java(program, tmp_path):
    path = tmp_path / "java.p12"
    subprocess.run(
        [program("keytool"), "-genkeypair", "-alias", "me", "-keyalg", "RSA", "-keysize", "3072",
         "-dname", "CN=Radiology", "-storetype", "PKCS12", "-keystore", path, "-storepass", "abcdef",
         "-ext", "KeyUsage:critical=digitalSignature,nonRepudiation"],
        check=True, capture_output=True,
    )  # fmt: skip
    key = load_signing_key(path.read_bytes(), lambda: b"abcdef")
    assert key.certificate.subject.rfc4514_string() == "CN=Radiology"
