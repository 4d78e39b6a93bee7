from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

import dicompack
from dicompack.cli.program import run
from dicompack.crypto.keys import NewIdentity, new_identity
from dicompack.report import Report


@dataclass(frozen=True)
class Ended:
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        lines = self.out.splitlines()
        assert len(lines) == 1, "exactly one object on stdout"
        assert self.out.isascii()
        document = json.loads(lines[0])
        assert isinstance(document, dict)
        return document


@pytest.fixture(autouse=True)
def configuration(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "configuration"
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(folder))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return folder


@pytest.fixture
def call(capfd):
    def call_with(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Ended(int(code), printed.out, printed.err)

    return call_with


def small_identity(name: str) -> NewIdentity:
    """RSA-2048: quick to make, and the size is not the point here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dicompack.crypto.identities.RSA_BITS", 2048)
        return new_identity(name, None)


@pytest.fixture
def small_keys(monkeypatch) -> None:
    """For what makes its keys itself."""
    monkeypatch.setattr("dicompack.crypto.identities.RSA_BITS", 2048)


@pytest.fixture(scope="session")
def clinic() -> NewIdentity:
    return small_identity("Clinic A")


@pytest.fixture(scope="session")
def locked() -> NewIdentity:
    """Protected by the passphrase ``open sesame``, with few rounds so that tests are quick."""
    identity = small_identity("Clinic B")
    return replace(
        identity,
        signing_p12=_protected(identity.signing_p12),
        decryption=_protected(identity.decryption),
    )


def _protected(data: bytes) -> bytes:
    key, certificate, _ = pkcs12.load_key_and_certificates(data, None)
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(1000)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(b"open sesame")
    )
    return pkcs12.serialize_key_and_certificates(None, key, certificate, None, protection)


def write_identity(folder: Path, identity: NewIdentity) -> Path:
    folder.mkdir()
    (folder / "signing.p12").write_bytes(identity.signing_p12)
    (folder / "decryption.p12").write_bytes(identity.decryption)
    (folder / "contact.pem").write_bytes(identity.contact_pem)
    for name in ("signing.p12", "decryption.p12"):
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture
def me(tmp_path, clinic) -> Path:
    return write_identity(tmp_path / "me", clinic)


@pytest.fixture
def them(tmp_path, locked) -> Path:
    return write_identity(tmp_path / "them", locked)


class Library:
    """Stands in for the library: keeps what it was called with, and gives or raises what a test wants."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self.answers: dict[str, Report | BaseException] = {}

    def function(self, name: str):
        def called(*arguments: Any, **options: Any) -> Report:
            self.calls[name] = (arguments, options)
            answer = self.answers.get(name, Report("list" if name == "inspect" else name))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return called


@pytest.fixture
def library(monkeypatch) -> Library:
    library = Library()
    for name in ("pack", "deidentify", "test", "verify", "inspect", "unpack", "repair", "rewrap"):
        monkeypatch.setattr(dicompack, name, library.function(name), raising=False)
    return library
