"""BouncyCastle answers our queries, and judges the tokens that our tests make."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dicompack.crypto.time_stamp_messages import Query, read_reply
from tests.conftest import IN_CI
from tests.time_stamps import Authority
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop

JARS = [Path("/usr/share/java") / f"{name}.jar" for name in ("bcpkix", "bcprov", "bcutil")]
VALUE = b"the value of a signature"


@pytest.fixture(scope="module")
def bouncycastle(
    program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., bytes]:
    java, compiler = program("java"), program("javac")
    if not all(jar.is_file() for jar in JARS):
        if IN_CI:
            pytest.fail("BouncyCastle is not installed")
        pytest.skip("BouncyCastle is not installed")
    folder = tmp_path_factory.mktemp("bouncycastle")
    classes = ":".join(map(str, JARS))
    source = Path(__file__).with_name("TimeStamps.java")
    subprocess.run([compiler, "-cp", classes, "-d", folder, source], check=True, capture_output=True)

    def run(what: str, given: bytes, own: Authority, *more: str, value: bytes = b"") -> bytes:
        key = own.private_key
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        (folder / "given").write_bytes(given)
        (folder / "certificate").write_bytes(pki.pem(own.certificate()))
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        (folder / "last").write_bytes(value or private)
        names = ("given", "certificate", "last")
        command = [java, "-cp", f"{classes}:{folder}", "TimeStamps", what, *names, *more]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        return (folder / "out").read_bytes() if more else b""

    return run


class Fixed(Authority):
    """An authority with one certificate: whoever verifies compares serial numbers."""

    def certificate(self):
        self.__dict__.setdefault("kept", super().certificate())
        return self.__dict__["kept"]


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [
        (None, "SHA256withRSA"),
        (None, "SHA512withRSA"),
        (ec.SECP256R1(), "SHA256withECDSA"),
        (ec.SECP384R1(), "SHA384withECDSA"),
    ],
)
def test_bouncycastle_answers_our_query(bouncycastle, curve, algorithm):
    own, query = Fixed(key=ec.generate_private_key(curve) if curve else None), Query.of(VALUE)
    stamp = read_reply(bouncycastle("reply", query.marshal(), own, algorithm, "out"), VALUE, query)[1]
    assert stamp.certificate == own.certificate() and stamp.nonce == query.nonce


def test_bouncycastle_judges_the_tokens_of_our_tests(bouncycastle):
    own = Fixed()
    token = own.stamped(VALUE)
    bouncycastle("verify", token, own, value=VALUE)
    with pytest.raises(subprocess.CalledProcessError):
        bouncycastle("verify", token, own, value=VALUE + b"!")
