"""Keys on a token: SoftHSM stands for smart cards and hardware security modules."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import dicompack
from dicompack import Contact, DecryptionKey, Originator, Recipient, SigningKey, TrustStore
from dicompack.cli.program import run
from dicompack.cli.terminal import Terminal
from dicompack.crypto import enveloped, signed, tokens
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from dicompack.crypto.tokens import TokenUri
from dicompack.crypto.trust import PinnedContact
from dicompack.errors import DicomPackError, NoMatchError, UnsupportedError, UsageError
from tests.conftest import IN_CI, now, trusting
from tests.packages import packed, study
from tests.unit.crypto import pki

if IN_CI:
    import pkcs11
else:
    pkcs11 = pytest.importorskip("pkcs11")

PIN = b"a token's PIN"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class Token:
    """Three keys with their certificates: one that signs, two that decrypt."""

    module: str
    signing: x509.Certificate
    on_curve: x509.Certificate
    rsa: x509.Certificate

    def uri(self, key: str, more: str = "") -> bytes:
        return f"pkcs11:token=Clinic%20A;object={key}?module-path={self.module}\n{more}".encode()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Token:
    module = next((one for one in MODULES if Path(one).is_file()), None)
    if module is None:
        (pytest.fail if IN_CI else pytest.skip)("SoftHSM is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # for the rest of the process: it loads once
    command = [
        program("softhsm2-util"),
        "--init-token",
        "--free",
        "--label",
        "Clinic A",
        "--so-pin",
        "12345678",
    ]
    subprocess.run([*command, "--pin", PIN.decode()], check=True, capture_output=True)
    start, end = now() - timedelta(days=1), now() + timedelta(days=9)
    shape = {"start": start, "end": end}
    keys = {
        "signing": pki.key("on a token", 3072),
        "rsa": pki.key("decrypts"),
        "curve": pki.curve_key("decrypts"),
        "ecdsa": pki.curve_key("signs"),
    }
    made = {
        "signing": pki.certificate("Clinic A", pki.SIGNS, of=keys["signing"], **shape),
        "rsa": pki.certificate("Clinic A", pki.DECRYPTS, of=keys["rsa"], **shape),
        "curve": pki.certificate("Clinic A", ("key_agreement",), of=keys["curve"], **shape),
        "ecdsa": pki.certificate("Clinic A", pki.SIGNS, of=keys["ecdsa"], **shape),
    }
    with pkcs11.lib(module).get_token(token_label="Clinic A").open(user_pin=PIN.decode(), rw=True) as session:
        for number, (name, key) in enumerate(keys.items(), 1):
            _import(session, name, bytes([number]), key)
            # The certificate of the RSA key that decrypts is not on the token.
            if name != "rsa":
                session.create_object(
                    {
                        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                        pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                        pkcs11.Attribute.TOKEN: True,
                        pkcs11.Attribute.ID: bytes([number]),
                        pkcs11.Attribute.SUBJECT: made[name].subject.public_bytes(),
                        pkcs11.Attribute.VALUE: pki.raw(made[name]),
                    }
                )
    return Token(module, made["signing"], made["curve"], made["rsa"])


def _import(session, name: str, handle: bytes, key: pki.PrivateKey) -> None:
    """Put a key that a test made on the token, not to be taken off it again."""
    values = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
        pkcs11.Attribute.TOKEN: True,
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.EXTRACTABLE: False,
        pkcs11.Attribute.LABEL: name,
        pkcs11.Attribute.ID: handle,
    }
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        parts = {
            pkcs11.Attribute.MODULUS: numbers.public_numbers.n,
            pkcs11.Attribute.PUBLIC_EXPONENT: numbers.public_numbers.e,
            pkcs11.Attribute.PRIVATE_EXPONENT: numbers.d,
            pkcs11.Attribute.PRIME_1: numbers.p,
            pkcs11.Attribute.PRIME_2: numbers.q,
            pkcs11.Attribute.EXPONENT_1: numbers.dmp1,
            pkcs11.Attribute.EXPONENT_2: numbers.dmq1,
            pkcs11.Attribute.COEFFICIENT: numbers.iqmp,
        }
        plain = {name: value.to_bytes((value.bit_length() + 7) // 8, "big") for name, value in parts.items()}
        usage = pkcs11.Attribute.SIGN if name == "signing" else pkcs11.Attribute.DECRYPT
        session.create_object({**values, pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.RSA, usage: True, **plain})
        return
    from pkcs11.util.ec import encode_named_curve_parameters

    session.create_object(
        {
            **values,
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC,
            pkcs11.Attribute.DERIVE if name == "curve" else pkcs11.Attribute.SIGN: True,
            pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1"),
            pkcs11.Attribute.VALUE: key.private_numbers().private_value.to_bytes(32, "big"),
        }
    )


def pin() -> bytes:
    return PIN


def test_a_package_signed_on_a_token(tmp_path, token, receiver):
    """Two workers, each with a session of its own; RSASSA-PSS for MANIFEST and SEAL in the second run."""
    signing = load_signing_key(token.uri("signing"), pin)
    trust = TrustStore((PinnedContact("Clinic", Contact("Clinic", signing=token.signing)),))
    for pss in (False, True):
        folder = tmp_path / str(pss)
        folder.mkdir()
        key = SigningKey(signing.certificate, signing.private_key, pss=pss)
        package, report = packed(folder, Originator(key, (receiver.contact,)), jobs=2)
        assert report.instances_out == 2, report.skipped
        reader = Recipient((receiver.decryption,), trust)
        assert dicompack.unpack(package, folder / "out", recipient=reader, jobs=1).instances_out == 2


def test_a_secure_file_set_signed_on_a_token(tmp_path, token, receiver):
    signing = load_signing_key(token.uri("signing"), pin)
    trust = TrustStore((PinnedContact("Clinic", Contact("Clinic", signing=token.signing)),))
    source = study(tmp_path / "source", ("CT_small.dcm",))
    settings = {"envelope": "secure-dicom", "burned_in": "vouch"}
    originator = Originator(signing, (receiver.contact, Contact("Token", decryption=token.rsa)))
    dicompack.pack([source], tmp_path / "set", originator=originator, **settings)
    reader = Recipient((receiver.decryption,), trust)
    assert dicompack.verify(tmp_path / "set", recipient=reader).instances_out == 1
    # Tokens tell that PKCS #1 v1.5 padding is wrong, which is Bleichenbacher's oracle: they are not asked.
    key = load_decryption_key(token.uri("rsa", pki.pem(token.rsa).decode()), pin)
    with pytest.raises(UnsupportedError) as caught:
        dicompack.verify(tmp_path / "set", recipient=Recipient((key,), trust))
    assert caught.value.rule == "TOK-4"


def test_a_package_opened_on_a_token(tmp_path, token, sender):
    """With a key on a curve, by ECDH, in two workers."""
    key = load_decryption_key(token.uri("curve"), pin)
    package, _ = packed(tmp_path, Originator(sender.signing, (Contact("Clinic", decryption=token.on_curve),)))
    reader = Recipient((key,), trusting(sender))
    assert dicompack.unpack(package, tmp_path / "out", recipient=reader, jobs=2).instances_out == 2


def test_rsa_oaep_with_sha_256_is_more_than_softhsm_can_tok_4(token):
    """It says so; the certificate comes from the file."""
    key = load_decryption_key(token.uri("rsa", pki.pem(token.rsa).decode()), pin)
    data = b"".join(enveloped.seal([b"hello"], [token.rsa]))
    with pytest.raises(UnsupportedError) as caught:
        enveloped.open_(data, [key])
    assert caught.value.rule == "TOK-4"


def test_not_encrypted_to_the_key_on_the_token(token, receiver):
    key = load_decryption_key(token.uri("curve"), pin)
    data = b"".join(enveloped.seal([b"hello"], [receiver.contact.decryption]))
    with pytest.raises(DicomPackError):
        enveloped.open_(data, [key])


def test_the_key_stays_on_the_token(token):
    key = load_signing_key(token.uri("signing"), pin)
    with pytest.raises(TypeError):
        key.private_key.private_numbers()
    marshalled = pickle.dumps(key)
    assert pki.key("on a token", 3072).private_numbers().d.to_bytes(384, "big")[1:] not in marshalled
    assert PIN.decode() not in repr(key) + repr(key.private_key)
    again = pickle.loads(marshalled)  # as to a worker
    assert signed.verify(signed.sign(b"hello", again, now())).content == b"hello"


def test_the_same_signature_as_without_a_token(token):
    """PKCS #1 v1.5 is deterministic."""
    key = load_signing_key(token.uri("signing"), pin)
    other = SigningKey(token.signing, pki.key("on a token", 3072))
    at = now()
    assert signed.sign(b"hello", key, at) == signed.sign(b"hello", other, at)


def test_ecdsa_on_a_token(token):
    key = load_signing_key(token.uri("ecdsa"), pin)
    for _ in range(20):
        assert signed.verify(signed.sign(b"hello", key, now())).content == b"hello"


def test_from_the_command_line(tmp_path, token, receiver, monkeypatch, capfd):
    """Files name the keys, the PIN comes from a passphrase file or is asked for once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    study(tmp_path / "source", ("CT_small.dcm",))
    Path("token.uri").write_bytes(token.uri("signing"))
    Path("pin").write_bytes(PIN)
    Path("contact.pem").write_bytes(receiver.files.contact_pem)
    pack = ["pack", "source", "-o", "p.dcmpack", "--signer", "token.uri", "--recipient", "contact.pem"]
    pack += ["--burned-in", "vouch", "--quiet"]
    assert run([*pack, "--passphrase-file", "pin"]) == 0
    Path("p.dcmpack").unlink()
    asked = []
    monkeypatch.setattr(
        Terminal, "ask_passphrase", lambda _, question: asked.append(question) or PIN.decode()
    )
    assert run(pack) == 0
    assert asked == ["PIN of token.uri"]
    assert run(["keys", "show", "token.uri", "--passphrase-file", "pin"]) == 0
    assert "Clinic A" in capfd.readouterr().out
    Path("two").write_bytes(PIN + b"\nother")
    assert run([*pack, "--force", "--passphrase-file", "two"]) == 2
    assert "[TOK-2]" in capfd.readouterr().err
    assert run([*pack, "--force", "--passphrase-file", "pin", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "[TOK-5]" in capfd.readouterr().err


def test_a_wrong_pin_is_tried_once_tok_2(tmp_path, token, receiver, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    study(tmp_path / "source", ("CT_small.dcm",))
    Path("token.uri").write_bytes(token.uri("signing"))
    Path("contact.pem").write_bytes(receiver.files.contact_pem)
    asked = []
    monkeypatch.setattr(Terminal, "ask_passphrase", lambda _, question: asked.append(question) or "wrong")
    tokens._session.cache_clear()
    pkcs11.lib(token.module).reinitialize()
    pack = ["pack", "source", "-o", "p.dcmpack", "--signer", "token.uri", "--recipient", "contact.pem"]
    assert run(pack) == 40
    lines = capfd.readouterr().err.splitlines()
    assert len(asked) == 1
    assert lines[0].endswith("[TOK-2]")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("text", "error", "rule"),
    [
        ("pkcs11:token=x", UsageError, "TOK-1"),
        ("pkcs11:token=x?module-path=module.so", UsageError, "TOK-1"),
        ("pkcs11:token=x;pin-value=1234?module-path=/m", UsageError, "TOK-1"),
        ("pkcs11:token=x?module-path=/m&pin-value=1234", UsageError, "TOK-1"),
        ("pkcs11:slot-id=1?module-path=/m", UsageError, "TOK-1"),
        ("pkcs11:token=?module-path=/m", UsageError, "TOK-1"),
        ("pkcs11:token=x?module-path=/nowhere/module.so", NoMatchError, "TOK-3"),
        ("pkcs11:token=Nobody?module-path=MODULE", NoMatchError, "TOK-3"),
        ("pkcs11:token=Clinic%20A;object=nothing?module-path=MODULE", NoMatchError, "TOK-3"),
        ("pkcs11:token=Clinic%20A;object=rsa?module-path=MODULE", NoMatchError, "TOK-3"),
    ],
    ids=[
        "no-module",
        "relative",
        "pin",
        "pin-query",
        "unknown",
        "empty",
        "module",
        "token",
        "key",
        "no-certificate",
    ],
)
def test_uris_that_name_no_key(token, text, error, rule):
    with pytest.raises(error) as caught:
        load_decryption_key(text.replace("MODULE", token.module).encode(), pin)
    assert caught.value.rule == rule
    assert caught.value.hint


def test_parts_of_a_uri():
    uri = TokenUri.parse("pkcs11:token=A%20b;id=%01%ff;object=k;type=private?module-path=/lib/m.so")
    assert uri == TokenUri("/lib/m.so", "A b", None, "k", b"\x01\xff")


def test_another_purpose_than_the_key_has(token):
    """KEY-3 and KEY-4 hold for tokens, too."""
    with pytest.raises(NoMatchError) as caught:
        load_signing_key(token.uri("curve"), pin)
    assert caught.value.rule == "KEY-3"
    with pytest.raises(NoMatchError) as caught:
        load_decryption_key(token.uri("signing"), pin)
    assert caught.value.rule == "KEY-4"


def test_types_are_those_of_keys(token):
    key = load_decryption_key(token.uri("curve"), pin)
    assert isinstance(key, DecryptionKey)
    assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
    point = pki.curve_key("peer").public_key()
    expected = pki.curve_key("decrypts").exchange(ec.ECDH(), point)
    assert key.private_key.exchange(ec.ECDH(), point) == expected
    assert point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with pytest.raises(UnsupportedError):
        load_decryption_key(token.uri("rsa", pki.pem(token.rsa).decode()), pin).private_key.decrypt(
            bytes(256), padding.PKCS1v15()
        )


def test_an_identity_on_a_token_is_certified_and_follows(
    tmp_path, token, monkeypatch, capfd, program, sender
):
    """Requests, an authority's answer, a statement and instances, all signed by the key on the token."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    Path("pin").write_bytes(PIN)
    Path("card").mkdir()
    Path("card/signing.p12").write_bytes(token.uri("ecdsa"))
    Path("card/decryption.p12").write_bytes(token.uri("curve"))
    opened = ["--passphrase-file", "pin"]
    assert run(["keys", "csr", "card", *opened]) == 0
    life = {"start": now() - timedelta(days=1), "end": now() + timedelta(days=9)}
    ca = pki.certificate("Hospital", pki.CERTIFIES, ca=True, **life)
    for name, usage in (("signing", pki.SIGNS), ("decryption", ("key_agreement",))):
        checked = [program("openssl"), "req", "-verify", "-noout", "-in", f"card/{name}.csr"]
        subprocess.run(checked, check=True, capture_output=True)
        asked = x509.load_pem_x509_csr(Path(f"card/{name}.csr").read_bytes())

        class Holder:
            public_key = asked.public_key

        made = pki.certificate("Clinic A", usage, of=Holder, issuer=(ca, pki.key("Hospital")), **life)
        Path(f"{name}.pem").write_bytes(pki.pem(made, ca))
    assert run(["keys", "install", "signing.pem", "decryption.pem", "--identity", "card", *opened]) == 0
    assert Path("card/signing.p12").read_bytes() == token.uri("ecdsa") + Path("signing.pem").read_bytes()
    study(tmp_path / "source", ("CT_small.dcm",))
    pack = ["pack", "source", "-o", "p.dcmpack", "--signer", "card", *opened]
    assert run([*pack, "--burned-in", "vouch"]) == 0
    Path("ca.pem").write_bytes(pki.pem(ca))
    assert run(["verify", "p.dcmpack", "--identity", "card", "--trust", "ca.pem", *opened]) == 0
    # It follows an identity in files; and no keys are made on a token.
    Path("old").mkdir()
    Path("old/signing.p12").write_bytes(sender.files.signing_p12)
    Path("old/decryption.p12").write_bytes(sender.files.decryption)
    assert run(["keys", "rotate", "card", "new", *opened]) == 2
    assert run(["keys", "rotate", "old", "card", *opened]) == 0
    Path("old.pem").write_bytes(sender.files.contact_pem)
    old = ["--fingerprint", sender.contact.fingerprint]
    assert run(["keys", "trust", "old.pem", "--name", "Sender", *old]) == 0
    new = Contact.parse(Path("card/contact.pem").read_bytes())
    assert run(["keys", "trust", "card/successor.pem", "--fingerprint", new.fingerprint]) == 0
    capfd.readouterr()
    assert run(["test", "p.dcmpack", "--json"]) == 0
    assert '"trusted_as": "Sender"' in capfd.readouterr().out
