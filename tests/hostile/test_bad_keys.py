"""Keys and certificates that are no good: each is told of in one line, with what to do, and nothing is made.

From files to exit codes, as a person meets it. Packages that lie about keys are in `test_insiders` and
`test_envelope_attacks`; three tries for a passphrase are in `tests/unit/cli/test_keys.py`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from dicompack import Originator, Recipient, SigningKey, unpack
from dicompack.cli.exit_codes import ExitCode, exit_code_of
from dicompack.cli.program import run
from dicompack.crypto import der
from dicompack.errors import DicomPackError
from dicompack.pipeline import unpacking
from tests.conftest import Party, trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, study, tree
from tests.unit.crypto import pki

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
INFOS = (1, 0, 1)


def valid(name: str, usage: tuple[str, ...], **more: object) -> x509.Certificate:
    return pki.certificate(name, usage, **{"start": NOW - DAY, "end": NOW + 9 * DAY, **more})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Desk:
    """A folder with a study and good keys, and the command line."""

    folder: Path
    capfd: pytest.CaptureFixture[str]

    def certificate(self, one: x509.Certificate) -> Path:
        path = self.folder / "certificate.pem"
        path.write_bytes(pki.pem(one))
        return path

    def key(self, one: x509.Certificate, private: pki.PrivateKey) -> Path:
        path = self.folder / "key.pem"
        key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(key + pki.pem(one))
        path.chmod(0o600)
        return path

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def pack(self, signer: Path, *recipients: Path, more: tuple[object, ...] = ()) -> tuple[int, list[str]]:
        """Exit code and the lines on stderr."""
        call = ["pack", "source", "-o", "study.dcmpack", "--burned-in", "vouch", "--quiet", "--jobs", "1"]
        named = [part for one in recipients for part in ("--recipient", str(one))]
        code = run([*call, "--signer", str(signer), *named, *map(str, more)])
        return code, self.capfd.readouterr().err.splitlines()


@pytest.fixture
def desk(tmp_path, monkeypatch, capfd):
    study(tmp_path / "source", ("CT_small.dcm",))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    return Desk(tmp_path, capfd)


@pytest.fixture
def own(desk, sender):
    return desk.file("signing.p12", sender.files.signing_p12)


@pytest.fixture
def other(desk, receiver):
    return desk.file("contact.pem", receiver.files.contact_pem)


def refused(desk: Desk, result: tuple[int, list[str]], code: int, text: str, rule: str | None) -> None:
    """One line that says what is wrong and one that says what to do; no package, nothing half-done."""
    found, lines = result
    assert found == code, lines
    assert len(lines) == 2, lines
    assert lines[0].startswith("dicompack: ")
    assert text in lines[0]
    assert rule is None or lines[0].endswith(f"[{rule}]")
    assert lines[1].startswith("hint: ")
    assert not [path.name for path in desk.folder.iterdir() if "dcmpack" in path.name]


EXPIRED = {"start": NOW - 9 * DAY, "end": NOW - DAY}
FUTURE = {"start": NOW + DAY, "end": NOW + 9 * DAY}


@pytest.mark.parametrize(
    ("usage", "more", "bits", "code", "text", "rule"),
    [
        (pki.SIGNS, EXPIRED, 2048, 50, "Clinic: the certificate expired on", "TRU-3"),
        (pki.SIGNS, FUTURE, 2048, 50, "Clinic: the certificate is not yet valid", "TRU-2"),
        (pki.SIGNS, {}, 1024, 40, "key.pem: the certificate's key has 1024 bits", "KEY-2"),
        (("crl_sign",), {}, 2048, 40, "key.pem: this certificate does not sign", "KEY-3"),
        (pki.CERTIFIES, {"ca": True}, 2048, 40, "key.pem: this certificate does not sign", "KEY-3"),
        (pki.DECRYPTS, {}, 2048, 40, "key.pem: this key decrypts, it does not sign", "KEY-3"),
        (
            pki.SIGNS,
            {"extra": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]},
            2048,
            40,
            "it is for TLS",
            "KEY-3",
        ),
    ],
    ids=["expired", "not-yet-valid", "rsa-1024", "other-usage", "authority", "decryption-key", "tls"],
)
def test_signers_who_may_not_sign(desk, other, usage, more, bits, code, text, rule):
    key = pki.key("Clinic", bits)
    signer = desk.key(valid("Clinic", usage, of=key, **more), key)
    refused(desk, desk.pack(signer, other), code, text, rule)


@pytest.mark.parametrize(
    ("usage", "more", "bits", "code", "text", "rule"),
    [
        (pki.DECRYPTS, EXPIRED, 2048, 50, "Clinic: the certificate expired on", "TRU-3"),
        (pki.DECRYPTS, FUTURE, 2048, 50, "Clinic: the certificate is not yet valid", "TRU-2"),
        (pki.DECRYPTS, {}, 1024, 40, "certificate.pem: the certificate's key has 1024 bits", "KEY-2"),
        (("crl_sign",), {}, 2048, 40, "this certificate neither signs nor decrypts", "KEY-6"),
        (pki.SIGNS, {}, 2048, 40, "this contact has no certificate to encrypt to", None),
        (pki.DECRYPTS, {"identifier": False}, 2048, 40, "no usable subject key identifier", "KEY-4"),
    ],
    ids=["expired", "not-yet-valid", "rsa-1024", "other-usage", "signing-only", "no-identifier"],
)
def test_recipients_who_cannot_be_one(desk, own, usage, more, bits, code, text, rule):
    certificate = valid("Clinic", usage, of=pki.key("Clinic", bits), **more)
    refused(desk, desk.pack(own, desk.certificate(certificate)), code, text, rule)


def test_a_certificate_where_a_key_is_expected(desk, other):
    refused(desk, desk.pack(other, other), 40, "there is a certificate but no private key", "KEY-5")


@pytest.mark.parametrize("name", ["signing.p12", "signing.pem"])
def test_a_key_where_a_certificate_is_expected(desk, own, sender, name):
    text = b"-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n"
    file = own if name == own.name else desk.file(name, text)
    refused(desk, desk.pack(own, file), 40, f"{name}: this file holds a private key", "KEY-6")


def test_a_picture_where_a_key_is_expected(desk, other):
    refused(desk, desk.pack(desk.file("me.p12", b"\x89PNG" * 99), other), 40, "this is no key file", "KEY-5")


def test_more_recipients_than_a_reader_looks_through(desk, own):
    files = []
    for number in range(257):
        certificate = valid(f"Clinic {number}", pki.DECRYPTS, of=pki.key("Clinic"))
        path = desk.folder / f"{number}.pem"
        path.write_bytes(pki.pem(certificate))
        files.append(path)
    refused(desk, desk.pack(own, *files), 2, "257 recipients, 1 to 256 are possible", None)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such mode")
def test_a_key_that_others_may_read(desk, own, other):
    """A warning, and the work is done."""
    assert desk.pack(own, other) == (0, [])
    (desk.folder / "study.dcmpack").unlink()
    own.chmod(0o640)
    code, lines = desk.pack(own, other)
    assert code == 0
    assert lines == ["signing.p12: other accounts of this computer may read this key; chmod 600 ends that"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such mode")
@pytest.mark.parametrize("option", ["--passphrase-file", "--password-file"])
def test_what_opens_a_key_or_a_package_that_others_may_read(desk, own, other, option):
    """CLI-30."""
    secret = desk.folder / "secret"
    secret.write_text("babab-cucuc-dodod-fifif-gagag-huhuh-jojoj-kikik\n", encoding="ascii")
    secret.chmod(0o640)
    code, lines = desk.pack(own, other, more=(option, secret))
    assert code == 0
    assert [line for line in lines if "other accounts" in line] == [
        f"secret: other accounts of this computer may read this {option[2:].removesuffix('-file')};"
        " chmod 600 ends that"
    ]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such mode")
def test_a_project_key_that_others_may_read(desk, own, other, tmp_path):
    """CLI-30, for the key whose owner can confirm guesses about patients."""
    assert run(["keys", "project", "project.key"]) == 0
    (tmp_path / "project.key").chmod(0o604)
    desk.capfd.readouterr()
    call = ["deidentify", "source", "-d", "out", "--project-key", "project.key", "--burned-in", "vouch"]
    assert run([*call, "--quiet"]) == 0
    assert "project.key: other accounts of this computer may read" in desk.capfd.readouterr().err


# ----------------------------------------------------------------------------------------- on the other side


@pytest.fixture
def clock(monkeypatch):
    """Sets the reader's clock."""

    def set_to(moment: datetime) -> None:
        class Told(datetime):
            @classmethod
            def now(cls, tz=None):
                return moment.astimezone(tz)

        monkeypatch.setattr(unpacking, "datetime", Told)

    return set_to


def signed_by(certificate: x509.Certificate, folder: Path, receiver: Party) -> Path:
    signing = SigningKey(certificate, pki.key("Clinic"))
    return packed(folder, Originator(signing, (receiver.contact,)), ("CT_small.dcm",))[0]


def read(path: Path, desk: Desk, trusted: Path) -> tuple[int, list[str]]:
    call = ["unpack", str(path), "-d", "out", "--trust", str(trusted), "--identity", "decryption.p12"]
    code = run([*call, "--quiet", "--jobs", "1"])
    return code, desk.capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("ahead", "code", "text", "rule"),
    [
        (timedelta(0), 0, "", ""),
        (10 * DAY, 50, "the certificate expired on", "TRU-3"),
        (-2 * DAY, 50, "the certificate is not yet valid", "TRU-2"),
    ],
    ids=["right", "expired", "clock-slow"],
)
def test_the_reader_s_clock_and_a_signer(desk, receiver, clock, ahead, code, text, rule):
    """A certificate that ended on its way, and a clock that is days behind."""
    certificate = valid("Clinic", pki.SIGNS)
    path = signed_by(certificate, desk.folder, receiver)
    desk.file("decryption.p12", receiver.files.decryption)
    clock(NOW + ahead)
    found, lines = read(path, desk, desk.certificate(certificate))
    assert found == code, lines
    assert (desk.folder / "out").exists() == (code == 0)
    if code:
        assert text in lines[0]
        assert lines[0].endswith(f"[{rule}]")
        assert lines[1].startswith("hint: ")


def test_a_clock_that_is_off_by_a_day_does_not_matter_to_good_certificates(desk, receiver, clock):
    certificate = valid("Clinic", pki.SIGNS)
    path = signed_by(certificate, desk.folder, receiver)
    desk.file("decryption.p12", receiver.files.decryption)
    clock(NOW + DAY)
    assert read(path, desk, desk.certificate(certificate)) == (0, [])


def test_a_self_signed_signer_whom_nobody_knows(desk, receiver, sender):
    path = signed_by(valid("Clinic", pki.SIGNS), desk.folder, receiver)
    desk.file("decryption.p12", receiver.files.decryption)
    code, lines = read(path, desk, desk.file("sender.pem", sender.files.contact_pem))
    assert code == 50
    assert "the signer is unknown" in lines[0]
    assert "dicompack keys trust" in lines[1]
    assert not (desk.folder / "out").exists()


def test_a_certificate_that_an_authority_signed_with_sha_1(desk, receiver):
    """The signature of the issuer is what vouches for it: SHA-1 vouches for nothing."""
    authority = valid("Authority", pki.CERTIFIES, ca=True)
    good = valid("Clinic", pki.SIGNS, issuer=(authority, pki.key("Authority")))
    raw = pki.raw(good)
    sha1 = der.sequence(der.object_identifier("1.2.840.113549.1.1.5"), der.null())
    tbs = pki.edit(pki.element(raw, 0).raw, (2,), sha1)
    value = pki.key("Authority").sign(tbs, padding.PKCS1v15(), hashes.SHA1())
    weak = x509.load_der_x509_certificate(der.sequence(tbs, sha1, der.encode(0x03, b"\0" + value)))
    assert isinstance(weak.signature_hash_algorithm, hashes.SHA1)
    desk.file("decryption.p12", receiver.files.decryption)
    anchor = desk.certificate(authority)
    for certificate, code, rule in ((weak, 50, "TRU-4"), (good, 0, None)):
        folder = desk.folder / str(code)
        folder.mkdir()
        path = signed_by(certificate, folder, receiver)
        found, lines = read(path, desk, anchor)
        assert found == code, lines
        assert rule is None or lines[0].endswith(f"[{rule}]")


@pytest.mark.parametrize(("count", "rule"), [(257, "ENV-3"), (10_000, "DER-6")])
def test_a_package_with_thousands_of_recipients(tmp_path, sender, receiver, count, rule):
    """A trusted sender makes the reader look for its key among 10 000: it does not begin to."""
    path, _ = packed(tmp_path, Originator(sender.signing, (receiver.contact,)), ("CT_small.dcm",))
    forged = Forgery(path)
    data = forged.objects["MANIFEST"]
    first = bytearray(pki.element(data, *INFOS).children[0].raw)
    many = []
    for number in range(count):
        first[-4:] = number.to_bytes(4, "big")
        many.append(bytes(first))
    forged.objects["MANIFEST"] = pki.edit(data, INFOS, der.set_of(many))
    table = bytearray(forged.objects["DIGESTS"])
    place = 64 * forged.sealed.index("MANIFEST")
    table[place : place + 32] = hashlib.sha256(forged.objects["MANIFEST"]).digest()
    forged.objects["DIGESTS"] = bytes(table)
    forged.change_seal(sender.signing)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(DicomPackError) as caught:
        unpack(
            forged.write(tmp_path / "forged.dcmpack"),
            target,
            recipient=Recipient((receiver.decryption,), trusting(sender)),
            jobs=1,
        )
    assert exit_code_of(caught.value) in (ExitCode.BAD_SIGNATURE, ExitCode.FORMAT)
    assert caught.value.rule == rule
    assert tree(target) == {}
