"""Every kind of recipient against OpenSSL and BouncyCastle, in both directions where they can.

OpenSSL 3.0 cannot make a password recipient beside GCM. It has no ML-KEM; from 3.6 on it has: the last test.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dicompack.crypto import enveloped
from dicompack.crypto.identities import Algorithm, NewIdentity, new_identity
from dicompack.crypto.keys import DecryptionKey, load_decryption_key
from dicompack.crypto.passwords import Password, PasswordKey
from dicompack.crypto.recipients import Addressee, Opener
from tests.interop.test_openssl_cms import OAEP, OpenSsl, openssl  # noqa: F401  # a fixture

pytestmark = pytest.mark.interop

MESSAGE = bytes(range(256)) * 300
SECRET = "correct horse battery staple, and some more words"
JARS = [Path("/usr/share/java") / f"{name}.jar" for name in ("bcpkix", "bcprov", "bcutil")]
TO_CONTACT = ("-aes-256-gcm", "-keyid", "-recip", "contact.pem")
BY_KEY = (Algorithm.RSA, Algorithm.P256, Algorithm.P384)
# An OpenSSL that has KEMRecipientInfo; Debian's stable ones have not. By hand.
NEWER_OPENSSL = os.environ.get("DICOMPACK_TEST_OPENSSL_36", "")


@cache
def identity(algorithm: Algorithm) -> NewIdentity:
    return new_identity("Somebody", None, algorithm=algorithm)


@cache
def key(algorithm: Algorithm) -> DecryptionKey:
    return load_decryption_key(identity(algorithm).decryption, bytes)


@cache
def password() -> PasswordKey:
    return PasswordKey.new(Password(SECRET))


def pkcs8(algorithm: Algorithm, encoding: Encoding) -> bytes:
    return key(algorithm).private_key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())


def sealed(*kinds: Algorithm) -> bytes:
    """For everybody at once: each finds his own."""
    addressees: list[Addressee] = [key(kind).certificate for kind in kinds]
    return b"".join(enveloped.seal([MESSAGE], [*addressees, password()]))


def tampered(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


# ---------------------------------------------------------------------------------------- OpenSSL


@pytest.mark.parametrize("algorithm", BY_KEY)
def test_openssl_opens(openssl: OpenSsl, algorithm: Algorithm) -> None:  # noqa: F811
    openssl.file("key.pem", pkcs8(algorithm, Encoding.PEM))
    openssl.file("contact.pem", identity(algorithm).contact_pem)
    command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-inkey", "key.pem")
    openssl.file("sealed", sealed(*Algorithm))
    assert openssl(*command, "-recip", "contact.pem") == MESSAGE
    openssl.file("sealed", tampered(sealed(*Algorithm)))
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*command, "-recip", "contact.pem")


def test_openssl_opens_by_password(openssl: OpenSsl) -> None:  # noqa: F811
    openssl.file("sealed", sealed(*BY_KEY))
    command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-pwri_password")
    assert openssl(*command, SECRET) == MESSAGE
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*command, SECRET[:-1])


@pytest.mark.parametrize("algorithm", BY_KEY)
def test_we_open_what_openssl_seals(openssl: OpenSsl, algorithm: Algorithm) -> None:  # noqa: F811
    openssl.file("contact.pem", identity(algorithm).contact_pem)
    digest = {Algorithm.P256: "sha256", Algorithm.P384: "sha384"}.get(algorithm)
    options = OAEP if digest is None else ("-keyopt", f"ecdh_kdf_md:{digest}")
    command = (
        "cms",
        "-encrypt",
        "-binary",
        "-outform",
        "DER",
        "-aes-256-gcm",
        "-keyid",
        "-recip",
        "contact.pem",
    )
    data = openssl(*command, *options, given=MESSAGE)
    assert enveloped.open_(data, [key(algorithm)]) == MESSAGE


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
    source = Path(__file__).with_name("Envelopes.java")
    subprocess.run([compiler, "-nowarn", "-cp", classes, "-d", folder, source], check=True, timeout=120)

    def call(what: str, kind: str, given: bytes, data: bytes) -> bytes:
        (folder / "given").write_bytes(given)
        (folder / "in").write_bytes(data)
        command = [java, "-cp", f"{classes}:{folder}", "Envelopes", what, kind, "given", "in", "out"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        return (folder / "out").read_bytes()

    return call


def kind_of(algorithm: Algorithm) -> str:
    return "rsa" if algorithm is Algorithm.RSA else "ec"


@pytest.mark.parametrize("algorithm", BY_KEY)
def test_bouncy_castle_opens(bouncy_castle: Callable[..., bytes], algorithm: Algorithm) -> None:
    own = pkcs8(algorithm, Encoding.DER)
    data = b"".join(enveloped.seal([MESSAGE], [key(algorithm).certificate, password()]))
    assert bouncy_castle("open", kind_of(algorithm), own, data) == MESSAGE
    with pytest.raises(subprocess.CalledProcessError):
        bouncy_castle("open", kind_of(algorithm), own, tampered(data))


def test_bouncy_castle_opens_by_password(bouncy_castle: Callable[..., bytes]) -> None:
    data = sealed(*BY_KEY)
    assert bouncy_castle("open", "password", SECRET.encode(), data) == MESSAGE
    with pytest.raises(subprocess.CalledProcessError):
        bouncy_castle("open", "password", b"another", data)


@pytest.mark.parametrize("algorithm", [*BY_KEY, None])
def test_we_open_what_bouncy_castle_seals(
    bouncy_castle: Callable[..., bytes], algorithm: Algorithm | None
) -> None:
    own: Opener
    if algorithm is None:
        own, kind, given = Password(SECRET), "password", SECRET.encode()
    else:
        own, kind = key(algorithm), kind_of(algorithm)
        given = key(algorithm).certificate.public_bytes(Encoding.DER)
    data = bouncy_castle("seal", kind, given, MESSAGE)
    assert enveloped.open_(data, [own]) == MESSAGE


# ------------------------------------------------------------------------------------------ ML-KEM


@pytest.mark.skipif(not NEWER_OPENSSL, reason="DICOMPACK_TEST_OPENSSL_36 names no OpenSSL from 3.6 on")
def test_ml_kem_with_openssl(tmp_path: Path) -> None:
    """Both directions, by hand: the program is named by a variable, with its libraries beside it."""
    newer = OpenSsl(NEWER_OPENSSL, tmp_path)
    newer.file("key.pem", pkcs8(Algorithm.ML_KEM, Encoding.PEM))
    newer.file("contact.pem", identity(Algorithm.ML_KEM).contact_pem)
    newer.file("sealed", b"".join(enveloped.seal([MESSAGE], [key(Algorithm.ML_KEM).certificate])))
    command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-inkey", "key.pem")
    assert newer(*command, "-recip", "contact.pem") == MESSAGE
    command = (
        "cms",
        "-encrypt",
        "-binary",
        "-outform",
        "DER",
        "-aes-256-gcm",
        "-keyid",
        "-recip",
        "contact.pem",
    )
    assert enveloped.open_(newer(*command, given=MESSAGE), [key(Algorithm.ML_KEM)]) == MESSAGE
