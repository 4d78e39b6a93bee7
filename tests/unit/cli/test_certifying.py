"""Keys with certificates by a hospital's authority: `keys new --csr`, `keys csr`, `keys install` (KEY-10)."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from dicompack.cli.contacts import pin
from dicompack.cli.identities import Passphrases, decryption_key, signing_key
from dicompack.cli.pinned import Pinned
from dicompack.cli.terminal import Terminal
from tests.packages import study
from tests.unit.crypto import pki

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)
LONG = {"start": NOW - YEAR, "end": NOW + YEAR}
TLS = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])


class Hospital:
    """A root, and an authority below it that certifies keys."""

    root = pki.certificate("Root", pki.CERTIFIES, ca=True, **LONG)
    authority = pki.certificate("Authority", pki.CERTIFIES, issuer=(root, pki.key("Root")), ca=True, **LONG)

    def certifies(self, certificate: x509.Certificate, usage=None, **more) -> x509.Certificate:
        """Another certificate for the same key."""

        class Holder:
            public_key = certificate.public_key

        issuer = self.authority, pki.key("Authority")
        return pki.certificate("Radiology", usage, of=Holder, issuer=issuer, **{**LONG, **more})


HOSPITAL = Hospital()


def keys_of(folder: Path):
    passphrases = Passphrases(Terminal(), None)
    return signing_key(folder, passphrases), decryption_key(folder, passphrases)


@pytest.fixture
def answers(me, tmp_path):
    """The authority's answer to both requests, with the certificates above."""
    signing, decryption = keys_of(me)
    made = [
        HOSPITAL.certifies(signing.certificate, pki.SIGNS),
        HOSPITAL.certifies(decryption.certificate, pki.DECRYPTS),
        HOSPITAL.authority,
        HOSPITAL.root,
    ]
    (tmp_path / "answer.pem").write_bytes(pki.pem(*made))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ------------------------------------------------------------------------------------------------ csr


@pytest.mark.parametrize("algorithm", ["rsa-3072", "p-256", "ml-kem-768"])
def test_requests_are_what_openssl_takes(call, small_keys, program, tmp_path, algorithm):
    signing = "p-384" if algorithm == "p-256" else "rsa-3072"
    ended = call("keys", "new", tmp_path / "me", "--name", "Klinik Süd", "--no-passphrase", "--csr",
                 "--algorithm", algorithm, "--signing-algorithm", signing)  # fmt: skip
    assert ended.code == 0
    requests = sorted((tmp_path / "me").glob("*.csr"))
    expected = ["signing.csr"] if algorithm == "ml-kem-768" else ["decryption.csr", "signing.csr"]
    assert [path.name for path in requests] == expected
    assert ("ML-KEM key cannot" in ended.err) == (algorithm == "ml-kem-768")
    keys = keys_of(tmp_path / "me")
    for path in requests:
        request = x509.load_pem_x509_csr(path.read_bytes())
        own = keys[0] if path.name == "signing.csr" else keys[1]
        assert request.public_key() == own.certificate.public_key()
        assert request.subject == own.certificate.subject
        for kind in (x509.KeyUsage, x509.BasicConstraints):
            asked = request.extensions.get_extension_for_class(kind)
            assert asked == own.certificate.extensions.get_extension_for_class(kind)
        ran = subprocess.run(
            [program("openssl"), "req", "-verify", "-noout", "-in", path], capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stderr


def test_requests_for_keys_that_are_there(call, me):
    before = contents(me)
    assert call("keys", "csr", me).code == 0
    assert set(contents(me)) - set(before) == {"signing.csr", "decryption.csr"}
    assert {name: contents(me)[name] for name in before} == before
    assert call("keys", "csr", me).code == 11, "what a person has sent away is not overwritten"
    assert call("keys", "csr", me / "signing.p12").code == 2


# --------------------------------------------------------------------------------------------- install


@pytest.mark.parametrize("form", ["pem", "der", "p7b", "p7b in pem", "several"])
def test_an_answer_takes_the_place_of_the_own_certificates(call, me, clinic, answers, tmp_path, form):
    before = keys_of(me)
    match form:
        case "pem":
            files = [tmp_path / "answer.pem"]
        case "p7b" | "p7b in pem":
            encoding = Encoding.DER if form == "p7b" else Encoding.PEM
            files = [tmp_path / "answer.p7b"]
            files[0].write_bytes(pkcs7.serialize_certificates(answers, encoding))
        case _:
            files = [tmp_path / f"{number}.crt" for number in range(4)]
            for path, one in zip(files, reversed(answers), strict=True):
                path.write_bytes(pki.raw(one) if form == "der" else b"a comment\n" + pki.pem(one))
    ended = call("keys", "install", *files, "--identity", me, "--json")
    assert ended.code == 0, ended.err
    assert ended.json["fingerprint"] == clinic.contact.fingerprint
    after = keys_of(me)
    assert (after[0].certificate, after[0].chain) == (answers[0], (answers[2], answers[3]))
    assert after[1].certificate == answers[1]
    assert all(new.private_key.private_numbers() == old.private_key.private_numbers()
               for new, old in zip(after, before, strict=True))  # fmt: skip
    assert (me / "contact.pem").read_bytes() == pki.pem(answers[1], answers[0])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in me.iterdir() if path.suffix == ".p12")
    assert {path.name for path in me.iterdir()} == {"signing.p12", "decryption.p12", "contact.pem"}


def test_the_passphrase_stays(call, them, tmp_path, monkeypatch):
    (tmp_path / "p").write_text("open sesame\n", encoding="ascii")
    opened = Passphrases(Terminal(), tmp_path / "p")
    certificate = signing_key(them, opened).certificate
    (tmp_path / "a.pem").write_bytes(pki.pem(HOSPITAL.certifies(certificate, pki.SIGNS)))
    assert call("keys", "install", tmp_path / "a.pem", "--identity", them).code == 2, "no terminal, no file"
    ended = call(
        "keys", "install", tmp_path / "a.pem", "--identity", them, "--passphrase-file", tmp_path / "p"
    )
    assert ended.code == 0
    assert "may find no path" in ended.err
    monkeypatch.setattr("dicompack.cli.terminal._has_keyboard", lambda: False)
    assert call("pack", "S", "-o", "x.dcmpack", "--signer", them).code == 2
    assert signing_key(them, Passphrases(Terminal(), tmp_path / "p")).chain == ()


@pytest.mark.parametrize(
    ("usage", "more", "of", "code", "rule"),
    [
        (pki.SIGNS, {}, "another", 40, "KEY-10"),
        (pki.DECRYPTS, {}, "signing", 40, "KEY-3"),
        (pki.SIGNS, {}, "decryption", 40, "KEY-4"),
        (pki.SIGNS, {"extra": [TLS]}, "signing", 40, "KEY-3"),
        (pki.CERTIFIES, {"ca": True}, "signing", 40, "KEY-3"),
        (None, {}, "signing", 40, "KEY-3"),
        (pki.DECRYPTS, {"identifier": False}, "decryption", 40, "KEY-4"),
        (pki.SIGNS, {"end": NOW - timedelta(1)}, "signing", 50, "TRU-3"),
        (pki.SIGNS, {"start": NOW + timedelta(1)}, "signing", 50, "TRU-2"),
    ],
)  # fmt: skip
def test_what_is_not_fit_is_refused_and_nothing_changes(call, me, tmp_path, usage, more, of, code, rule):
    """KEY-10, KEY-3, KEY-4, and validity."""
    signing, decryption = keys_of(me)
    whose = {"signing": signing, "decryption": decryption, "another": pki.signer()}[of].certificate
    (tmp_path / "a.pem").write_bytes(pki.pem(HOSPITAL.certifies(whose, usage, **more), HOSPITAL.root))
    before = contents(me)
    ended = call("keys", "install", tmp_path / "a.pem", "--identity", me, "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (code, rule)
    assert contents(me) == before


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
                                  b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02" + bytes(9)])  # fmt: skip
def test_what_is_no_certificate(call, me, tmp_path, data):
    """KEY-1."""
    (tmp_path / "a").write_bytes(data)
    ended = call("keys", "install", tmp_path / "a", "--identity", me, "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (40, "KEY-1")


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_an_answer_with_a_certificate_of_no_version(call, me, tmp_path, encoding):
    """KEY-1: what the library has a class of its own for."""
    whole = pkcs7.serialize_certificates([HOSPITAL.root], Encoding.DER)
    version = whole.index(bytes.fromhex("a003020102"))
    broken = whole[: version + 4] + b"\x42" + whole[version + 5 :]
    if encoding is Encoding.PEM:
        text = base64.b64encode(broken)
        broken = b"-----BEGIN PKCS7-----\n" + text + b"\n-----END PKCS7-----\n"
    (tmp_path / "a.p7b").write_bytes(broken)
    ended = call("keys", "install", tmp_path / "a.p7b", "--identity", me, "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (40, "KEY-1")


def test_a_whole_trust_list_is_not_an_answer(call, me, tmp_path):
    """KEY-10."""
    (tmp_path / "a.pem").write_bytes(pki.pem(HOSPITAL.root) * 65)
    ended = call("keys", "install", tmp_path / "a.pem", "--identity", me, "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (40, "KEY-10")


def test_the_longest_of_several_for_one_key(call, me, tmp_path):
    signing = keys_of(me)[0].certificate
    old = HOSPITAL.certifies(signing, pki.SIGNS, end=NOW - timedelta(days=1))
    new = HOSPITAL.certifies(signing, pki.SIGNS)
    (tmp_path / "a.pem").write_bytes(pki.pem(old, new, old))
    assert call("keys", "install", tmp_path / "a.pem", "--identity", me).code == 0
    assert keys_of(me)[0].certificate == new


def test_from_the_request_to_the_receiver_with_openssl_as_authority(call, program, tmp_path, monkeypatch):
    """The receiver has pinned nothing but the hospital's root."""
    monkeypatch.chdir(tmp_path)
    openssl = program("openssl")

    def does(*words: object) -> None:
        ran = subprocess.run([openssl, *map(str, words)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    new = ("keys", "new", "me", "--name", "Radiology", "--no-passphrase", "--csr", "--algorithm", "p-256")
    assert call(*new, "--signing-algorithm", "p-256").code == 0
    does("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", 9,
         "-subj", "/CN=Hospital Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    for name in ("signing", "decryption"):
        does("x509", "-req", "-in", f"me/{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", 8, "-copy_extensions", "copyall", "-out", f"{name}.pem")  # fmt: skip
    ended = call("keys", "install", "signing.pem", "decryption.pem", "ca.pem", "--identity", "me")
    assert (ended.code, "may find no path" in ended.err) == (0, False)
    study(tmp_path / "source", ("CT_small.dcm",))
    assert call("pack", "source", "-o", "x.dcmpack", "--signer", "me").code == 0
    assert call("test", "x.dcmpack").code == 50
    pin("Hospital", Pinned(Path("ca.pem").read_bytes()))
    trusted = call("test", "x.dcmpack", "--json")
    assert (trusted.code, trusted.json["signatures"][0]["trusted_as"]) == (0, "Hospital")
    assert call("unpack", "x.dcmpack", "-d", "out", "--identity", "me").code == 0
    shown = call("keys", "show", "me/contact.pem", "--json").json
    assert (shown["state"], shown["why"]) == ("trusted", "certified by Hospital")
