"""What we write, `openssl` opens and verifies; what it writes, we open where it has our representation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dicompack.crypto import enveloped, signed
from dicompack.crypto.keys import (
    Contact,
    NewIdentity,
    SigningKey,
    load_decryption_key,
    load_signing_key,
    new_identity,
)
from dicompack.errors import BadSignatureError, FormatError, UnsupportedError
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop

MESSAGE = bytes(range(256)) * 10
OAEP = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")


@cache
def identity(name: str) -> NewIdentity:
    return new_identity(name, None)


def never() -> bytes:
    raise AssertionError("asked for a passphrase")


class OpenSsl:
    """One program, one folder; gives the output, or raises on failure."""

    def __init__(self, path: str, folder: Path) -> None:
        self._path, self._folder = path, folder

    def file(self, name: str, content: bytes) -> str:
        (self._folder / name).write_bytes(content)
        return name

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        result = subprocess.run(
            [str(self._path), *arguments], input=given, cwd=self._folder, capture_output=True, timeout=60
        )
        if result.returncode:
            raise subprocess.CalledProcessError(result.returncode, arguments, stderr=result.stderr)
        return result.stdout


@pytest.fixture
def openssl(program: Callable[[str], str], tmp_path: Path) -> OpenSsl:
    return OpenSsl(program("openssl"), tmp_path)


def key_file(openssl: OpenSsl, p12: bytes, name: str) -> str:
    """With the program's own reader: an identity without passphrase opens with an empty one."""
    openssl.file(name + ".p12", p12)
    openssl("pkcs12", "-in", name + ".p12", "-passin", "pass:", "-nodes", "-out", name + ".pem")
    return name + ".pem"


def test_openssl_opens_for_each_recipient(openssl: OpenSsl) -> None:
    people = [identity("A"), identity("B")]
    data = b"".join(enveloped.seal([MESSAGE], [one.contact.decryption for one in people]))
    openssl.file("sealed", data)
    for number, one in enumerate(people):
        contact = openssl.file(f"contact{number}.pem", one.contact_pem)
        key = key_file(openssl, one.decryption, f"decryption{number}")
        command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-inkey", key)
        assert openssl(*command, "-recip", contact) == MESSAGE
        assert openssl(*command) == MESSAGE
    openssl.file("sealed", data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*command)


@pytest.mark.parametrize("options", [(), ("-cades",)])
@pytest.mark.parametrize("pss", [False, True], ids=["pkcs1", "pss"])
def test_openssl_verifies(openssl: OpenSsl, options: tuple[str, ...], pss: bool) -> None:
    key = replace(load_signing_key(identity("A").signing_p12, never), pss=pss)
    data = signed.sign(MESSAGE, key, pki.NOW)
    openssl.file("signed", data)
    anchor = openssl.file("anchor.pem", pki.pem(key.certificate))
    command = ("cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", *options, "-purpose", "any")
    assert openssl(*command, "-CAfile", anchor) == MESSAGE
    openssl.file("signed", data.replace(MESSAGE, MESSAGE[:-1] + b"x"))
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*command, "-CAfile", anchor)


@pytest.mark.parametrize("options", [(), ("-cades",)])
def test_openssl_verifies_a_chain(openssl: OpenSsl, options: tuple[str, ...]) -> None:
    openssl.file("signed", signed.sign(MESSAGE, pki.certified_signer(), pki.NOW))
    anchor = openssl.file("anchor.pem", pki.pem(pki.root()[0]))
    at = ("-attime", str(int(pki.NOW.timestamp())))
    command = ("cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-purpose", "any", *options)
    assert openssl(*command, "-CAfile", anchor, *at) == MESSAGE


@pytest.mark.parametrize("options", [(), ("-cades",)])
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda one: one.name)
def test_openssl_verifies_a_signer_on_a_curve(
    openssl: OpenSsl, curve: ec.EllipticCurve, options: tuple[str, ...]
) -> None:
    private = ec.generate_private_key(curve)
    certificate = pki.certificate("on a curve", pki.SIGNS, of=private)
    openssl.file("signed", signed.sign(MESSAGE, SigningKey(certificate, private), pki.NOW))
    anchor = openssl.file("anchor.pem", pki.pem(certificate))
    at = ("-attime", str(int(pki.NOW.timestamp())))
    command = ("cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-purpose", "any", *options)
    assert openssl(*command, "-CAfile", anchor, *at) == MESSAGE


def encrypted(openssl: OpenSsl, *options: str) -> bytes:
    """By openssl, to contact.pem as it is: the decryption certificate stands first in it."""
    contact = openssl.file("contact.pem", identity("A").contact_pem)
    command = ("cms", "-encrypt", "-binary", "-outform", "DER", *options, "-recip", contact)
    key_options = OAEP if "-no-oaep" not in options else ()
    return openssl(*(one for one in command if one != "-no-oaep"), *key_options, given=MESSAGE)


def test_we_open_what_openssl_seals(openssl: OpenSsl) -> None:
    """In its default definite-length form this is our representation, but for a NULL that we also read."""
    key = load_decryption_key(identity("A").decryption, never)
    data = encrypted(openssl, "-aes-256-gcm", "-keyid")
    assert enveloped.open_(data, [key]) == MESSAGE


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        (("-aes-256-gcm",), UnsupportedError, "ENV-4"),  # named by issuer and serial number
        (("-aes-256-gcm", "-keyid", "-no-oaep"), UnsupportedError, "ENV-4"),  # PKCS #1 v1.5
        (("-aes-128-gcm", "-keyid"), UnsupportedError, "ENV-6"),
        (("-aes-256-cbc", "-keyid"), UnsupportedError, "ENV-1"),  # EnvelopedData
        (("-aes-256-gcm", "-keyid", "-stream"), FormatError, "DER-1"),  # BER, indefinite lengths
    ],
)
def test_other_forms_of_openssl(
    openssl: OpenSsl, options: tuple[str, ...], error: type[Exception], rule: str
) -> None:
    with pytest.raises(error) as caught:
        enveloped.inspect(encrypted(openssl, *options))
    assert caught.value.rule == rule  # type: ignore[attr-defined]


def test_signature_of_openssl_is_not_our_representation(openssl: OpenSsl) -> None:
    """CMS-5: it adds the sender's S/MIME capabilities, and names no certificate unless asked to."""
    key = key_file(openssl, identity("A").signing_p12, "signing")
    command = ("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", key, "-md", "sha256")
    for options in ((), ("-cades",), ("-cades", "-nosmimecap")):
        data = openssl(*command, *options, given=MESSAGE)
        with pytest.raises((BadSignatureError, UnsupportedError)):
            signed.verify(data)


def test_openssl_keys_load(openssl: OpenSsl) -> None:
    """PKCS #12 with and without passphrase, and encrypted PEM, as openssl writes them."""
    pem = key_file(openssl, identity("A").signing_p12, "signing")
    for passphrase in ("secret", ""):
        openssl("pkcs12", "-export", "-in", pem, "-passout", "pass:" + passphrase, "-out", "out.p12")
        data = (openssl._folder / "out.p12").read_bytes()
        loaded = load_signing_key(data, lambda passphrase=passphrase: passphrase.encode())
        assert loaded.certificate == identity("A").contact.signing
    openssl(
        "pkcs12", "-in", "out.p12", "-passin", "pass:", "-passout", "pass:secret", "-out", "encrypted.pem"
    )
    data = (openssl._folder / "encrypted.pem").read_bytes()
    assert b"ENCRYPTED PRIVATE KEY" in data
    assert load_signing_key(data, lambda: b"secret").certificate == identity("A").contact.signing


def test_protected_identity_opens_in_openssl(openssl: OpenSsl) -> None:
    made = new_identity("C", b"secret")
    openssl.file("c.p12", made.decryption)
    text = openssl("pkcs12", "-in", "c.p12", "-passin", "pass:secret", "-nodes")
    assert b"BEGIN PRIVATE KEY" in text
    assert Contact.parse(text[text.index(b"-----BEGIN CERT") :].split(b"Bag Attributes")[0]).decryption
    with pytest.raises(subprocess.CalledProcessError):
        openssl("pkcs12", "-in", "c.p12", "-passin", "pass:", "-nodes")
