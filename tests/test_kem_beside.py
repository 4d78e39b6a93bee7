"""An ML-KEM key beside another decryption key: `keys new --ml-kem`, and what is encrypted to which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import dicompack
from dicompack import Contact, Originator, Password, PasswordKey, Recipient, errors
from dicompack.cli.program import run
from dicompack.crypto import certificates
from dicompack.crypto.certificates import fingerprint, spki_sha256
from dicompack.crypto.identities import new_identity
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from tests.packages import packed, study
from tests.unit.crypto import pki


@pytest.fixture(scope="module")
def both():
    return new_identity("Clinic B", None, algorithm="p-256", with_kem=True)


@pytest.fixture
def desk(tmp_path, monkeypatch, capfd):
    """A folder with instances and an identity `me` with both keys; calls give what they print as JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    study(tmp_path / "source", ("CT_small.dcm",))

    def call(*words: str, code: int = 0):
        capfd.readouterr()
        ended = run([*words, "--json"])
        printed = capfd.readouterr()
        assert ended == code, printed.err
        return json.loads(printed.out)

    call("keys", "new", "me", "--name", "Me", "--no-passphrase", "--ml-kem")
    return call


def test_a_contact_with_three_keys(both):
    """KEY-6: in any order; the fingerprint covers all of them."""
    contact = both.contact
    first, kem, signing = contact.certificates
    assert (contact.decryption, contact.kem, contact.signing) == (first, kem, signing)
    assert certificates.is_kem(kem) and not certificates.is_kem(first)
    assert contact.encryption == kem
    for order in ((first, kem, signing), (signing, kem, first), (kem, signing, first)):
        assert Contact.parse(pki.pem(*order)) == contact
    assert contact.fingerprint == fingerprint((signing, first, kem)) != fingerprint((signing, first))


def test_what_is_no_contact(both):
    """KEY-6."""
    first, kem, signing = both.contact.certificates
    other = new_identity("x", None, algorithm="ml-kem-768").contact.decryption
    third = pki.recipient().certificate
    for wrong in (
        (first, third, signing),
        (kem, other, signing),
        (first, kem, signing, third),
        (first, kem),
        (first, kem, third),
    ):
        with pytest.raises(errors.NoMatchError) as caught:
            Contact.parse(pki.pem(*wrong))
        assert caught.value.rule in ("KEY-3", "KEY-6")
    with pytest.raises(errors.UsageError):
        new_identity("x", None, algorithm="ml-kem-768", with_kem=True)


def test_who_encrypts_takes_ml_kem(tmp_path, sender, recipient, both):
    package, report = packed(tmp_path, Originator(sender.signing, (both.contact,)))
    assert report.recipients == (spki_sha256(both.contact.kem).hex(),)
    kem = load_decryption_key(both.kem, bytes)
    classical = load_decryption_key(both.decryption, bytes)
    dicompack.verify(package, recipient=Recipient((classical, kem), recipient.trust), jobs=1)
    with pytest.raises(errors.NoMatchError):
        dicompack.verify(package, recipient=Recipient((classical,), recipient.trust), jobs=1)


def test_a_password_would_be_weaker_pwd_3(sender, both):
    key = PasswordKey.new(Password("correct horse battery staple, and some more words"))
    with pytest.raises(errors.UsageError) as caught:
        Originator(sender.signing, (both.contact,), password=key)
    assert caught.value.rule == "PWD-3"


def test_a_custodian_has_the_way_back_in_the_package(tmp_path, sender, both):
    _, report = packed(tmp_path, Originator(sender.signing, (), custodians=(both.contact,)))
    assert "no-encrypted-attributes" in {one.kind for one in report.findings}


def test_from_the_command_line(desk):
    assert {path.name for path in Path("me").iterdir()} == {
        "signing.p12", "decryption.p12", "decryption.pem", "contact.pem",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in Path("me").iterdir()} == {0o600}
    shown = desk("keys", "show", "me")
    assert [(one["role"], one["algorithm"]) for one in shown["certificates"]] == [
        ("decryption", "RSA-3072"), ("ml-kem", "ML-KEM-768"), ("signing", "RSA-3072"),
    ]  # fmt: skip
    Path("me/contact.pem").rename("contact.pem")
    assert desk("keys", "show", "me")["fingerprint"] == shown["fingerprint"], "from the keys themselves"
    desk("keys", "trust", "contact.pem", "--fingerprint", shown["fingerprint"])
    assert desk("keys", "list")["contacts"][0]["state"] == "trusted"
    contact = Contact.parse(Path("contact.pem").read_bytes())
    made = desk("pack", "source", "-o", "p.dcmpack", "--signer", "me", "--recipient", "Me")
    assert made["recipients"] == [spki_sha256(contact.kem).hex()], "one's own folder is the same recipient"
    desk("unpack", "p.dcmpack", "-d", "out", "--identity", "me")
    desk("verify", "p.dcmpack", "--identity", "me/decryption.pem")
    desk("verify", "p.dcmpack", "--identity", "me/decryption.p12", code=40)


def test_what_others_encrypt_to_the_other_key_opens_too(desk, sender, tmp_path):
    """A sender who has the contact from before, and Secure DICOM Files, which know RSA only."""
    contact = Contact.parse(Path("me/contact.pem").read_bytes())
    (tmp_path / "p").mkdir()
    package, _ = packed(tmp_path / "p", Originator(sender.signing, (replace(contact, kem=None),)))
    Path("sender.pem").write_bytes(sender.files.contact_pem)
    desk("verify", str(package), "--identity", "me", "--trust", "sender.pem")
    secure = ("pack", "source", "-o", "s.dcmpack", "--signer", "me", "--envelope", "secure-dicom")
    made = desk(*secure, "--recipient", "me")
    assert made["recipients"] == [spki_sha256(contact.decryption).hex()]
    desk("unpack", "s.dcmpack", "-d", "secure", "--identity", "me", "--trust", "me")


def test_it_is_resumed(desk):
    """The journal of a run opens with the same folder."""
    desk("pack", "source", "-o", "p.dcmpack", "--signer", "me", "--resume")


def test_it_goes_over_to_certificates_and_successors(desk):
    desk("keys", "csr", "me")
    assert Path("me/decryption.csr").is_file()
    before = Contact.parse(Path("me/contact.pem").read_bytes())
    issuer = pki.root()
    now = before.signing.not_valid_before_utc
    life = {"start": now, "end": before.signing.not_valid_after_utc}

    class Holder:
        public_key = before.decryption.public_key

    certified = pki.certificate("Me", pki.DECRYPTS, of=Holder, issuer=issuer, **life)
    Path("c.pem").write_bytes(pki.pem(certified))
    desk("keys", "install", "c.pem", "--identity", "me")
    after = Contact.parse(Path("me/contact.pem").read_bytes())
    assert (after.decryption, after.kem, after.signing) == (certified, before.kem, before.signing)
    desk("keys", "trust", "me", "--fingerprint", after.fingerprint)
    desk("keys", "rotate", "me", "new")
    new = Contact.parse(Path("new/contact.pem").read_bytes())
    assert new.kem is not None and new.kem != after.kem
    desk("keys", "trust", "new/successor.pem", "--fingerprint", new.fingerprint)
    stored = Path("configuration/contacts/Me.pem").read_bytes()
    assert stored.endswith(new.marshal())
    desk("keys", "revoke", "new")
    assert {one["state"] for one in desk("keys", "show", "new")["certificates"]} == {"revoked"}
    load_signing_key(Path("new/signing.p12").read_bytes(), bytes)
