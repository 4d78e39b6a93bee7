"""Packages for every kind of recipient, from end to end, in the library and on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

import dicompack
from dicompack import Originator, Password, PasswordKey, Recipient
from dicompack.cli.program import run
from dicompack.crypto.identities import new_identity
from dicompack.crypto.keys import load_decryption_key
from dicompack.errors import DicomPackError, NoMatchError, UntrustedError, UsageError
from tests.conftest import trusting
from tests.packages import packed, study, tree

SECRET = "correct horse battery staple, and some more words"


@pytest.fixture(scope="module")
def curve():
    return new_identity("Clinic on a curve", None, algorithm="p-384")


@pytest.fixture(scope="module")
def kem():
    return new_identity("Clinic for a lifetime", None, algorithm="ml-kem-768")


def key_of(identity):
    return load_decryption_key(identity.decryption, bytes)


def test_several_of_several_kinds(tmp_path, sender, receiver, recipient, curve, kem):
    contacts = (receiver.contact, curve.contact, kem.contact)
    package, report = packed(tmp_path, Originator(sender.signing, contacts))
    assert len(report.recipients) == 3
    results = []
    for number, key in enumerate((receiver.decryption, key_of(curve), key_of(kem))):
        target = tmp_path / str(number)
        dicompack.unpack(package, target, recipient=Recipient((key,), recipient.trust))
        results.append(tree(target))
    assert results[0] == results[1] == results[2] != {}


def test_password(tmp_path, sender, receiver, recipient):
    """One salt and one derivation serve the package; a wrong password is PKG-50, and nothing is written."""
    key = PasswordKey.new(Password(SECRET))
    package, report = packed(tmp_path, Originator(sender.signing, (receiver.contact,), password=key))
    assert key.derivation.name.hex() in report.recipients
    reader = Password(SECRET)
    opened = dicompack.unpack(
        package, tmp_path / "out", recipient=Recipient((reader,), recipient.trust), jobs=1
    )
    assert opened.instances_out == 2 and opened.signatures[0].trusted
    assert len(reader._keys) == 1
    with pytest.raises(NoMatchError) as caught:
        dicompack.unpack(package, tmp_path / "no", recipient=Recipient((Password("wrong"),), recipient.trust))
    assert caught.value.rule == "PKG-50"
    assert not (tmp_path / "no").exists()
    whole = b"".join(path.read_bytes() for path in tmp_path.glob("*.dcmpack"))
    assert SECRET.encode() not in whole


def test_password_is_no_origin(tmp_path, sender, recipient):
    """An unknown signer is refused whatever the password."""
    key = PasswordKey.new(Password(SECRET))
    package, _ = packed(tmp_path, Originator(sender.signing, (), password=key))
    nobody = replace(recipient, keys=(Password(SECRET),), trust=dicompack.TrustStore(()))
    with pytest.raises(UntrustedError):
        dicompack.unpack(package, tmp_path / "out", recipient=nobody)
    assert not (tmp_path / "out").exists()


def test_password_of_a_hidden_signer(tmp_path, sender, recipient):
    """The SEAL is opened with it, too."""
    originator = Originator(sender.signing, (), password=PasswordKey.new(Password(SECRET)))
    package, _ = packed(tmp_path, originator, hide_signer=True)
    assert dicompack.verify(package, recipient=Recipient((Password(SECRET),), recipient.trust)).instances_out
    with pytest.raises(DicomPackError):
        dicompack.verify(package, recipient=Recipient((Password("wrong"),), recipient.trust))


def test_passed_on_to_other_kinds(tmp_path, sender, receiver, recipient, curve, kem):
    """From a password to keys: content stays, and the password is no way in any more."""
    package, _ = packed(tmp_path, Originator(sender.signing, (), password=PasswordKey.new(Password(SECRET))))
    reader = Recipient((Password(SECRET),), trusting(sender, receiver))
    new = tmp_path / "new.dcmpack"
    dicompack.rewrap(
        package, new, recipient=reader, signer=receiver.signing, recipients=(curve.contact, kem.contact)
    )
    for one in (curve, kem):
        assert dicompack.verify(new, recipient=Recipient((key_of(one),), reader.trust)).instances_out == 2
    with pytest.raises(NoMatchError) as caught:
        dicompack.verify(new, recipient=reader)
    assert caught.value.rule == "PKG-14"


def test_password_for_a_package_without_one(tmp_path, originator, recipient):
    """PKG-14."""
    package, _ = packed(tmp_path, originator)
    with pytest.raises(NoMatchError) as caught:
        dicompack.verify(package, recipient=Recipient((Password(SECRET),), recipient.trust))
    assert caught.value.rule == "PKG-14"


def test_weaker_lock(sender, receiver, kem):
    """PWD-3: no password beside an ML-KEM key or a custodian."""
    key = PasswordKey.new(Password(SECRET))
    for contacts, custodians in (((kem.contact,), ()), ((), (receiver.contact,))):
        with pytest.raises(UsageError) as caught:
            Originator(sender.signing, contacts, custodians=custodians, password=key)
        assert caught.value.rule == "PWD-3" and caught.value.hint


@pytest.mark.parametrize("which", ["recipient", "custodian", "curve"])
def test_no_encrypted_attributes_under_a_weaker_lock(
    tmp_path, sender, receiver, recipient, curve, kem, which
):
    """ENA-12: with ML-KEM, or a custodian whom the standard's RSA cannot serve; CUSTODY is the way back."""
    contacts = (kem.contact,) if which == "recipient" else ()
    custodian = {"recipient": receiver.files, "custodian": kem, "curve": curve}[which]
    originator = Originator(sender.signing, contacts, custodians=(custodian.contact,))
    package, report = packed(tmp_path, originator, ("CT_small.dcm",))
    assert "no-encrypted-attributes" in {one.kind for one in report.findings}
    owner = Recipient((key_of(custodian),), recipient.trust)
    dicompack.unpack(package, tmp_path / "out", recipient=owner)
    [instance] = [dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert "EncryptedAttributesSequence" not in instance
    dicompack.unpack(package, tmp_path / "originals", recipient=owner, originals=True)
    [original] = tree(tmp_path / "originals").values()
    assert original == (tmp_path / "source" / "CT_small.dcm").read_bytes()


# ------------------------------------------------------------------------------- command line


@pytest.fixture
def desk(tmp_path, monkeypatch, sender):
    """A folder with a sender, a source and a password file."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    monkeypatch.chdir(tmp_path)
    Path("me").mkdir()
    Path("me/signing.p12").write_bytes(sender.files.signing_p12)
    Path("contact.pem").write_bytes(sender.files.contact_pem)
    Path("password").write_text(SECRET + "\n")
    study(Path("source"), ("CT_small.dcm",))
    return tmp_path


PACK = ["pack", "source", "-o", "study.dcmpack", "--signer", "me", "--burned-in", "vouch", "--json"]
OPEN = ["study.dcmpack", "--trust", "contact.pem", "--json"]


def test_password_file(desk, capfd):
    assert run([*PACK, "--password-file", "password"]) == 0
    packed_as = json.loads(capfd.readouterr().out)
    assert run(["unpack", *OPEN, "-d", "out", "--password-file", "password"]) == 0
    for command in ("list", "verify"):
        assert run([command, *OPEN, "--password-file", "password"]) == 0
    Path("password").write_text("another\n")
    assert run(["unpack", *OPEN, "-d", "no", "--password-file", "password"]) == 40
    printed = capfd.readouterr()
    assert SECRET not in json.dumps(packed_as) + printed.out + printed.err
    assert not Path("no").exists()


@pytest.mark.parametrize(
    ("text", "rule"), [("short\n", "PWD-2"), ("müllermüllermüller\n", "PWD-1"), ("a\nb\n", "CLI-20")]
)
def test_password_file_that_is_refused(desk, capfd, text, rule):
    Path("password").write_text(text)
    assert run([*PACK, "--password-file", "password"]) == 2
    told = json.loads(capfd.readouterr().out)
    assert told["error"]["rule"] == rule
    assert not list(desk.glob("study*"))


def test_password_is_not_resumed(desk, capfd):
    """PWD-4: members of another run have another salt."""
    made = new_identity("Me", None)
    Path("own.p12").write_bytes(made.decryption)
    assert run([*PACK, "--password-file", "password", "--identity", "own.p12", "--resume"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["rule"] == "PWD-4"


def test_made_password_needs_somebody_to_see_it(desk, capfd):
    """CLI-20: not into JSON, and not where there is no terminal."""
    assert run([*PACK, "--password"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["rule"] == "CLI-20"
    assert not list(desk.glob("study*"))


def test_nothing_to_open_with(desk, capfd):
    assert run([*PACK, "--password-file", "password"]) == 0
    assert run(["unpack", *OPEN, "-d", "out"]) == 2
    assert run(["unpack", *OPEN, "-d", "out", "--password", "--password-file", "password"]) == 2


def test_keys_password(desk, capfd):
    assert run(["keys", "password", "made"]) == 0
    text = Path("made").read_text()
    assert text.removesuffix("\n") not in capfd.readouterr().err
    assert Path("made").stat().st_mode & 0o777 == 0o600
    assert run([*PACK, "--password-file", "made"]) == 0
    assert run(["keys", "password", "made"]) == 11
    assert Path("made").read_text() == text


@pytest.mark.parametrize("algorithm", ["p-256", "ml-kem-768"])
def test_keys_new_algorithm(desk, capfd, algorithm):
    assert run(["keys", "new", "you", "--name", "You", "--no-passphrase", "--algorithm", algorithm]) == 0
    held = "decryption.pem" if algorithm == "ml-kem-768" else "decryption.p12"
    assert {path.name for path in Path("you").iterdir()} == {"signing.p12", held, "contact.pem"}
    assert run(["keys", "show", "you/contact.pem"]) == 0
    assert run([*PACK, "--recipient", "you/contact.pem"]) == 0
    assert run(["unpack", *OPEN, "-d", "out", "--identity", "you"]) == 0
    Path("study.dcmpack").unlink()
    assert run([*PACK[:4], "--signer", "you", *PACK[6:]]) == 0  # one's own key is found in its folder
    assert run(["verify", "study.dcmpack", "--trust", "you", "--identity", "you"]) == 0
