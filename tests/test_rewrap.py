"""A package for other recipients: content untouched, a chain of SEALs, both signers trusted."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import dicompack
from dicompack import Contact, Originator, Recipient, SigningKey, TrustStore
from dicompack.cli.program import run
from dicompack.container import digests, seal
from dicompack.crypto import enveloped, signed
from dicompack.crypto.trust import PinnedContact
from dicompack.errors import DicomPackError, NoMatchError, OutputError, UntrustedError, UsageError
from tests.conftest import now, trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, study, tree
from tests.unit.crypto import pki


@pytest.fixture(scope="module")
def original(tmp_path_factory, sender, receiver):
    """By "sender" to "receiver", who passes it on."""
    folder = tmp_path_factory.mktemp("original")
    return packed(folder, Originator(sender.signing, (receiver.contact,)))[0]


@pytest.fixture(scope="module")
def passed_on(original, tmp_path_factory, sender, receiver, stranger):
    """From "receiver" to "stranger"."""
    output = tmp_path_factory.mktemp("passed") / "on.dcmpack"
    report = rewrap(original, output, receiver, stranger, trusting(sender))
    assert report.command == "rewrap"
    assert report.instances_out == 2
    assert report.recipients == (stranger.contact.decryption_spki_sha256.hex(),)
    assert [finding.kind for finding in report.findings] == ["former-recipients"]
    return output


def rewrap(package, output, by, to, trust, **settings):
    return dicompack.rewrap(
        package,
        output,
        recipient=Recipient((by.decryption,), trust),
        signer=by.signing,
        recipients=[to.contact],
        jobs=1,
        **settings,
    )


def content_of(sealed: bytes) -> bytes:
    return sealed[enveloped.inspect(sealed).content_offset :]


def test_new_recipient_gets_the_same_instances(original, passed_on, tmp_path, sender, receiver, stranger):
    first = Recipient((receiver.decryption,), trusting(sender))
    second = Recipient((stranger.decryption,), trusting(sender, receiver))
    dicompack.unpack(original, tmp_path / "a", recipient=first, jobs=1)
    report = dicompack.unpack(passed_on, tmp_path / "b", recipient=second, jobs=1)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert [(one.purpose, one.trusted) for one in report.signatures] == [
        ("sealed", True),
        ("passed-on", True),
    ]
    assert report.set_id == dicompack.inspect(original, recipient=first).set_id


def test_content_is_untouched(original, passed_on):
    old, new = Forgery(original), Forgery(passed_on)
    assert [*new.objects] == [*old.objects, "SEAL0002"]
    assert new.ids.set_id == old.ids.set_id
    assert new.ids.volume_set != old.ids.volume_set
    assert new.objects["SEAL0001"] == old.objects["SEAL0001"]
    for name in ("DICOM/00000001", "DICOM/00000002", "MANIFEST"):
        assert new.objects[name] != old.objects[name]
        assert content_of(new.objects[name]) == content_of(old.objects[name])
    seals = [seal.parse(signed.verify(new.objects[name]).content) for name in ("SEAL0001", "SEAL0002")]
    assert seals[0].digests[1] == seals[1].digests[1] == digests.parse(new.objects["DIGESTS"], 3).columns[1]
    assert seals[0].digests[0] != seals[1].digests[0]


@pytest.mark.parametrize("missing", ["originator", "forwarder"])
def test_both_signers_must_be_trusted(passed_on, tmp_path, sender, receiver, stranger, missing):
    trust = trusting(receiver if missing == "originator" else sender)
    for call in (
        lambda: dicompack.test(passed_on, trust=trust),
        lambda: dicompack.verify(passed_on, recipient=Recipient((stranger.decryption,), trust), jobs=1),
        lambda: dicompack.inspect(passed_on, recipient=Recipient((stranger.decryption,), trust)),
        lambda: rewrap(passed_on, tmp_path / "x.dcmpack", stranger, sender, trust),
    ):
        with pytest.raises(UntrustedError) as caught:
            call()
        assert caught.value.rule == "TRU-1"
    assert not list(tmp_path.iterdir())
    assert len(dicompack.test(passed_on, trust=trusting(sender, receiver)).signatures) == 2


def test_former_recipient_is_no_longer_addressed(passed_on, sender, receiver):
    with pytest.raises(NoMatchError) as caught:
        dicompack.verify(
            passed_on, recipient=Recipient((receiver.decryption,), trusting(sender, receiver)), jobs=1
        )
    assert caught.value.rule == "PKG-14"


def test_passed_on_twice_and_in_volumes(passed_on, tmp_path, sender, receiver, stranger):
    output = tmp_path / "third.dcmpack"
    report = rewrap(passed_on, output, stranger, sender, trusting(sender, receiver), volume_size=20_000)
    assert len(report.volumes) > 1
    everybody = trusting(sender, receiver, stranger)
    first = tmp_path / report.volumes[0]
    verified = dicompack.verify(first, recipient=Recipient((sender.decryption,), everybody), jobs=1)
    assert [one.purpose for one in verified.signatures] == ["sealed", "passed-on", "passed-on"]
    again = tmp_path / "fourth.dcmpack"
    report = rewrap(first, again, sender, receiver, everybody)
    assert len(report.volumes) > 1, "volumes stay as large as they were"
    assert len(dicompack.test(tmp_path / report.volumes[0], trust=everybody).signatures) == 4


def test_openssl_opens_what_was_passed_on(passed_on, original, tmp_path, stranger, receiver, program):
    openssl = program("openssl")
    opened = {}
    for who, package in ((receiver, original), (stranger, passed_on)):
        (tmp_path / "object").write_bytes(Forgery(package).objects["DICOM/00000001"])
        (tmp_path / "key.p12").write_bytes(who.files.decryption)
        key = subprocess.run(
            [openssl, "pkcs12", "-in", tmp_path / "key.p12", "-nodes", "-passin", "pass:"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        (tmp_path / "key.pem").write_bytes(key)
        opened[package] = subprocess.run(
            [openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", tmp_path / "object",
             "-inkey", tmp_path / "key.pem"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
    assert opened[original] == opened[passed_on]
    assert opened[original][128:132] == b"DICM"


def test_one_who_cannot_open_it_cannot_pass_it_on(original, tmp_path, sender, stranger):
    with pytest.raises(NoMatchError):
        rewrap(original, tmp_path / "x.dcmpack", stranger, sender, trusting(sender))
    assert not list(tmp_path.iterdir())


def test_what_does_not_verify_is_not_passed_on(original, tmp_path, sender, receiver, stranger):
    forgery = Forgery(original)
    forgery.reseal("DICOM/00000001", b"something else", [receiver.contact.decryption])
    (tmp_path / "in").mkdir()
    forged = forgery.write(tmp_path / "in" / "x.dcmpack")
    with pytest.raises(DicomPackError) as caught:
        rewrap(forged, tmp_path / "out.dcmpack", receiver, stranger, trusting(sender))
    assert caught.value.rule == "PKG-13"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_settings_that_make_no_sense(original, tmp_path, sender, receiver, stranger):
    (tmp_path / "taken.dcmpack").write_bytes(b"something")
    with pytest.raises(OutputError):
        rewrap(original, tmp_path / "taken.dcmpack", receiver, stranger, trusting(sender))
    with pytest.raises(UsageError):
        rewrap(original, tmp_path / "name.zip", receiver, stranger, trusting(sender))
    with pytest.raises(UsageError):
        dicompack.rewrap(
            original,
            tmp_path / "x.dcmpack",
            recipient=Recipient((receiver.decryption,), trusting(sender)),
            signer=receiver.signing,
            recipients=[],
        )
    assert [path.name for path in tmp_path.iterdir()] == ["taken.dcmpack"]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory, sender, receiver):
    """By "sender" to "receiver", and nobody else sees by whom."""
    folder = tmp_path_factory.mktemp("hidden")
    return packed(folder, Originator(sender.signing, (receiver.contact,)), hide_signer=True)[0]


class TestSignersOnCurves:
    """MANIFEST and SEAL by ECDSA; the instances are signed with RSA, as the standard's profiles have it."""

    @pytest.fixture(params=["secp256r1", "secp384r1"])
    def signing(self, request):
        key = ec.generate_private_key(
            {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}[request.param]
        )
        year = timedelta(days=365)
        certificate = pki.certificate("Curve", pki.SIGNS, of=key, start=now() - year, end=now() + year)
        return SigningKey(certificate, key)

    def test_round_trip(self, tmp_path, signing, sender, receiver, stranger):
        originator = Originator(signing, (receiver.contact,), instance_signing=sender.signing)
        package, _ = packed(tmp_path, originator, volume_size=20_000)
        trust = TrustStore((PinnedContact("curve", Contact("curve", signing=signing.certificate)),))
        recipient = Recipient((receiver.decryption,), trust)
        assert dicompack.test(package, trust=trust).signatures[0].trusted_as == "curve"
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, jobs=1)
        dicompack.rewrap(
            package,
            tmp_path / "on.dcmpack",
            recipient=recipient,
            signer=signing,
            recipients=[stranger.contact],
            jobs=1,
        )


def test_signed_by_rsassa_pss(tmp_path, sender, receiver, monkeypatch, program):
    """`--rsa-pss` of pack and of rewrap, with a custodian; OpenSSL names the scheme of each SEAL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    study(tmp_path / "source", ("CT_small.dcm", "MR_small.dcm"))
    for name, party in (("a", sender), ("b", receiver)):
        (tmp_path / name).mkdir()
        for file, data in (
            ("signing.p12", party.files.signing_p12),
            ("decryption.p12", party.files.decryption),
            ("contact.pem", party.files.contact_pem),
        ):
            (tmp_path / name / file).write_bytes(data)
    pack = ["pack", "source", "-o", "p.dcmpack", "--signer", "a", "--custodian", "b/contact.pem"]
    assert run([*pack, "--burned-in", "vouch", "--rsa-pss"]) == 0
    passed = ["rewrap", "p.dcmpack", "-o", "q.dcmpack", "--identity", "b", "--signer", "b", "--rsa-pss"]
    assert run([*passed, "--trust", "a/contact.pem", "--recipient", "a/contact.pem"]) == 0
    trust = ["--trust", "a/contact.pem", "--trust", "b/contact.pem"]
    assert run(["unpack", "q.dcmpack", "-d", "out", "--identity", "b", *trust]) == 0
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
    seals = {name: data for name, data in Forgery(Path("q.dcmpack")).objects.items() if "SEAL" in name}
    assert len(seals) == 2
    for data in seals.values():
        shown = subprocess.run(
            [program("openssl"), "cms", "-cmsout", "-print", "-inform", "DER"],
            input=data,
            capture_output=True,
            check=True,
        ).stdout.decode()
        algorithm = shown[shown.index("signatureAlgorithm:", shown.index("signerInfos")) :].splitlines()[1]
        assert "rsassaPss" in algorithm


class TestHidden:
    """`--hide-signer`: the SEAL is for recipients only."""

    def test_recipient_sees_the_signer(self, hidden, sender, receiver):
        recipient = Recipient((receiver.decryption,), trusting(sender))
        for report in (
            dicompack.verify(hidden, recipient=recipient, jobs=1),
            dicompack.inspect(hidden, recipient=recipient),
        ):
            assert report.signatures[0].trusted
        with pytest.raises(UntrustedError):
            dicompack.verify(hidden, recipient=Recipient((receiver.decryption,), trusting(receiver)), jobs=1)

    def test_nobody_else_does_sea_2(self, hidden, sender):
        raw = hidden.read_bytes()
        names = sender.signing.certificate.subject.rfc4514_string().removeprefix("CN=").encode()
        assert names not in raw
        key_id = sender.signing.certificate.public_key().public_numbers().n.to_bytes(384, "big")
        assert key_id not in raw
        with pytest.raises(UntrustedError) as caught:
            dicompack.test(hidden, trust=trusting(sender))
        assert caught.value.rule == "SEA-2"
        report = dicompack.test(hidden, trust=None)
        assert report.instances_in == 2
        assert not report.signatures
        assert [finding.kind for finding in report.findings] == ["origin-not-checked"]

    def test_integrity_is_checked_without_a_key_pkg_13(self, hidden, tmp_path, receiver):
        forgery = Forgery(hidden)
        forgery.reseal("DICOM/00000001", b"something else", [receiver.contact.decryption])
        forged = forgery.write(tmp_path / "x.dcmpack")
        with pytest.raises(DicomPackError) as caught:
            dicompack.test(forged, trust=None)
        assert caught.value.rule == "PKG-13"

    def test_one_who_is_no_recipient(self, hidden, sender, stranger):
        with pytest.raises(NoMatchError):
            dicompack.verify(hidden, recipient=Recipient((stranger.decryption,), trusting(sender)), jobs=1)

    def test_passed_on_it_stays_hidden(self, hidden, tmp_path, sender, receiver, stranger):
        output = tmp_path / "on.dcmpack"
        rewrap(hidden, output, receiver, stranger, trusting(sender))
        recipient = Recipient((stranger.decryption,), trusting(sender, receiver))
        assert len(dicompack.verify(output, recipient=recipient, jobs=1).signatures) == 2
        with pytest.raises(UntrustedError) as caught:
            dicompack.test(output, trust=trusting(sender, receiver))
        assert caught.value.rule == "SEA-2"
        dicompack.test(output, trust=None)


def test_originals_are_passed_on_where_nothing_was_deidentified(tmp_path, sender, receiver, stranger):
    package, _ = packed(
        tmp_path, Originator(sender.signing, (receiver.contact,)), deidentify="none", burned_in="stop"
    )
    rewrap(package, tmp_path / "on.dcmpack", receiver, stranger, trusting(sender))
    recipient = Recipient((stranger.decryption,), trusting(sender, receiver))
    dicompack.unpack(tmp_path / "on.dcmpack", tmp_path / "out", recipient=recipient, jobs=1)
    assert tree(tmp_path / "out") == tree(tmp_path / "source")


def test_originals_for_custodians_stay_theirs(tmp_path, sender, receiver, stranger):
    """The custodian passes it on to somebody who is none, and stays a recipient."""
    originator = Originator(sender.signing, (), custodians=(receiver.contact,))
    package, _ = packed(tmp_path, originator)
    on = tmp_path / "on.dcmpack"
    dicompack.rewrap(
        package,
        on,
        recipient=Recipient((receiver.decryption,), trusting(sender)),
        signer=receiver.signing,
        recipients=[stranger.contact, receiver.contact],
        jobs=1,
    )
    old, new = Forgery(package), Forgery(on)
    same = [name for name in old.objects if name.startswith(("CUSTODY", "ORIGINAL"))]
    assert same
    assert [old.objects[name] for name in same] == [new.objects[name] for name in same]
    trust = trusting(sender, receiver)
    custodian, other = Recipient((receiver.decryption,), trust), Recipient((stranger.decryption,), trust)
    dicompack.unpack(on, tmp_path / "out", recipient=custodian, originals=True, jobs=1)
    assert tree(tmp_path / "out") == tree(tmp_path / "source")
    dicompack.verify(on, recipient=other, jobs=1)
    with pytest.raises(NoMatchError) as caught:
        dicompack.unpack(on, tmp_path / "no", recipient=other, originals=True, jobs=1)
    assert caught.value.rule == "ORG-7"


def test_recovery_volumes_stay_and_their_number_can_be_changed(
    passed_on, tmp_path, sender, receiver, stranger
):
    everybody = trusting(sender, receiver, stranger)
    settings = {"volume_size": 20_000, "recovery": 3}
    first = rewrap(
        passed_on, tmp_path / "q.dcmpack", stranger, sender, trusting(sender, receiver), **settings
    )
    assert [name for name in first.volumes if ".r" in name][-1] == "q.dcmpack.r03"
    path = tmp_path / first.volumes[0]
    (tmp_path / first.volumes[1]).unlink()
    again = rewrap(path, tmp_path / "r.dcmpack", sender, stranger, everybody)
    assert [name for name in again.volumes if ".r" in name][-1] == "r.dcmpack.r03"
    assert {"missing", "repaired"} <= {finding.kind for finding in again.findings}
    sizes = [(tmp_path / name).stat().st_size for name in again.volumes]
    assert max(sizes) <= 20_000
    dicompack.test(tmp_path / again.volumes[0], trust=everybody)
    none = rewrap(
        tmp_path / again.volumes[0], tmp_path / "s.dcmpack", stranger, sender, everybody, recovery=0
    )
    assert not [name for name in none.volumes if ".r" in name]
