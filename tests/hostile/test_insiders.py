"""A recipient knows every content key. What he forges is refused by the check that the design numbers."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import dicompack
from dicompack import Originator, Recipient
from dicompack.container import digests, seal
from dicompack.container.digests import Digests, ObjectDigest
from dicompack.container.layout import SetIds
from dicompack.crypto import enveloped_cbc, signed
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UnsupportedError,
    UntrustedError,
)
from dicompack.stages import envelope
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, tree


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture(scope="module")
def original(tmp_path_factory, sender, receiver, stranger):
    """A package for receiver and for "stranger", who is the fellow recipient here."""
    folder = tmp_path_factory.mktemp("original")
    originator = Originator(sender.signing, (receiver.contact, stranger.contact))
    return packed(folder, originator)[0]


@pytest.fixture
def other(tmp_path, sender, receiver, stranger):
    """Another package by the same sender to the same people."""
    (tmp_path / "other").mkdir()
    return packed(tmp_path / "other", Originator(sender.signing, (receiver.contact, stranger.contact)))[0]


@pytest.fixture
def forgery(original):
    return Forgery(original)


@pytest.fixture
def people(receiver, stranger):
    return [receiver.contact.decryption, stranger.contact.decryption]


@pytest.fixture
def refuse(tmp_path, receiver, sender):
    """Unpack must refuse with this error and rule, and leave the target folder as it was."""

    def check(forgery: Forgery, kind: type[DicomPackError], rule: str, trust=None):
        (tmp_path / "in").mkdir()
        (tmp_path / "target").mkdir()
        path = forgery.write(tmp_path / "in" / "forged.dcmpack")
        recipient = Recipient((receiver.decryption,), trust or trusting(sender))
        before = tree(tmp_path)
        for call in (
            lambda: dicompack.unpack(path, tmp_path / "target", recipient=recipient, jobs=1),
            lambda: dicompack.verify(path, recipient=recipient, jobs=1),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert caught.value.rule == rule, caught.value
            assert tree(tmp_path) == before
            assert not list((tmp_path / "target").iterdir())

    return check


def test_untouched_forgery_is_the_original(forgery, original, tmp_path):
    assert forgery.write(tmp_path / "same.dcmpack").read_bytes() == original.read_bytes()


def test_member_forged_pkg_13(forgery, refuse, stranger, people):
    file = forgery.open("DICOM/00000001", stranger.decryption)
    forgery.reseal("DICOM/00000001", file.replace(b"DP-", b"XX-"), people)
    refuse(forgery, BadSignatureError, "PKG-13")


def test_member_forged_with_digests_pkg_12(forgery, refuse, stranger, people):
    file = forgery.open("DICOM/00000001", stranger.decryption)
    forgery.reseal("DICOM/00000001", file.replace(b"DP-", b"XX-"), people)
    forgery.refresh_digests()
    refuse(forgery, BadSignatureError, "PKG-12")


def test_member_forged_and_sealed_anew_by_the_forger_tru_1(forgery, refuse, stranger, people):
    file = forgery.open("DICOM/00000001", stranger.decryption)
    forgery.reseal("DICOM/00000001", file.replace(b"DP-", b"XX-"), people)
    forgery.refresh_digests()
    forgery.change_seal(stranger.signing)
    refuse(forgery, UntrustedError, "TRU-1")


def test_member_forged_by_a_trusted_fellow_pkg_16(forgery, refuse, sender, stranger, people):
    """Even one who is trusted as a signer cannot change content: the MANIFEST names its signer."""
    file = forgery.open("DICOM/00000001", stranger.decryption)
    forgery.reseal("DICOM/00000001", file.replace(b"DP-", b"XX-"), people)
    forgery.refresh_digests()
    forgery.change_seal(stranger.signing)
    refuse(forgery, BadSignatureError, "PKG-16", trusting(sender, stranger))


def test_manifest_forged_by_a_fellow_pkg_16(forgery, refuse, sender, stranger, people):
    def claim(content):
        return replace(content, members=tuple(replace(one, modality="XX") for one in content.members))

    forgery.change_manifest(claim, stranger.decryption, stranger.signing, people)
    forgery.refresh_digests()
    forgery.change_seal(stranger.signing)
    refuse(forgery, BadSignatureError, "PKG-16", trusting(sender, stranger))


def test_manifest_forged_under_the_sender_s_seal_pkg_12(forgery, refuse, stranger, people):
    forgery.change_manifest(lambda content: content, stranger.decryption, stranger.signing, people)
    forgery.refresh_digests()
    refuse(forgery, BadSignatureError, "PKG-12")


def test_members_swapped_between_two_packages_pkg_13(forgery, refuse, other):
    forgery.objects["DICOM/00000001"] = Forgery(other).objects["DICOM/00000001"]
    refuse(forgery, BadSignatureError, "PKG-13")


def test_members_swapped_within_a_package_pkg_13(forgery, refuse):
    one, two = "DICOM/00000001", "DICOM/00000002"
    forgery.objects[one], forgery.objects[two] = forgery.objects[two], forgery.objects[one]
    refuse(forgery, BadSignatureError, "PKG-13")


def test_seal_removed_pkg_10(forgery, refuse):
    del forgery.objects["SEAL0001"]
    refuse(forgery, BadSignatureError, "PKG-10")


def test_seal_of_another_package_pkg_11(forgery, refuse, other):
    forgery.objects["SEAL0001"] = Forgery(other).objects["SEAL0001"]
    refuse(forgery, BadSignatureError, "PKG-11")


def test_seal_twice_pkg_11(forgery, refuse):
    forgery.objects["SEAL0002"] = forgery.objects["SEAL0001"]
    refuse(forgery, BadSignatureError, "PKG-11")


def test_seal_without_signature(forgery, refuse, tmp_path):
    """The bare contents in place of the SignedData."""
    forgery.objects["SEAL0001"] = signed.verify(forgery.objects["SEAL0001"]).content
    with pytest.raises(FormatError):
        dicompack.test(forgery.write(tmp_path / "x.dcmpack"), trust=None)


def test_member_removed_pkg_11(forgery, refuse):
    objects = dict(forgery.objects)
    del objects["DICOM/00000002"]
    forgery.objects = objects
    refuse(forgery, BadSignatureError, "PKG-11")


def test_set_put_under_another_volume_set_pkg_11(forgery, refuse):
    forgery.new_volume_set()
    refuse(forgery, BadSignatureError, "PKG-11")


def test_forwarded_under_one_s_own_wrapping_pkg_17(tmp_path, sender, receiver, stranger):
    """Surreptitious forwarding: B gets A's package, wraps it for C, and C believes that A wrote to C."""
    package, _ = packed(tmp_path, Originator(sender.signing, (stranger.contact,)))
    forgery = Forgery(package)
    for name in ("DICOM/00000001", "DICOM/00000002", "MANIFEST"):
        forgery.reseal(name, forgery.open(name, stranger.decryption), [receiver.contact.decryption])
    forgery.refresh_digests()
    own = receiver.contact.decryption_spki_sha256.hex()
    forgery.change_seal(stranger.signing, recipients=(own,))
    (tmp_path / "in").mkdir()
    forged = forgery.write(tmp_path / "in" / "forged.dcmpack")
    for trust, kind, rule in (
        (trusting(sender), UntrustedError, "TRU-1"),
        (trusting(sender, stranger), BadSignatureError, "PKG-16"),
    ):
        with pytest.raises(kind) as caught:
            dicompack.verify(forged, recipient=Recipient((receiver.decryption,), trust))
        assert caught.value.rule == rule


def test_recipient_added_by_the_originator_to_the_seal_alone_pkg_17(
    forgery, tmp_path, sender, receiver, stranger
):
    """The SEAL names somebody whom the MANIFEST does not."""
    package, _ = packed(tmp_path, Originator(sender.signing, (stranger.contact,)))
    forgery = Forgery(package)
    for name in ("DICOM/00000001", "DICOM/00000002", "MANIFEST"):
        forgery.reseal(name, forgery.open(name, stranger.decryption), [receiver.contact.decryption])
    forgery.refresh_digests()
    forgery.change_seal(sender.signing, recipients=(receiver.contact.decryption_spki_sha256.hex(),))
    (tmp_path / "in").mkdir()
    with pytest.raises(UntrustedError) as caught:
        dicompack.verify(
            forgery.write(tmp_path / "in" / "forged.dcmpack"),
            recipient=Recipient((receiver.decryption,), trusting(sender)),
        )
    assert caught.value.rule == "PKG-17"


def test_seal_and_manifest_that_name_other_recipients_pkg_16(forgery, refuse, sender, receiver):
    own = receiver.contact.decryption_spki_sha256.hex()
    forgery.change_seal(sender.signing, recipients=tuple(sorted((own, "00" * 32))))
    refuse(forgery, BadSignatureError, "PKG-16")


def test_manifest_that_claims_a_hidden_seal_pkg_16(forgery, refuse, sender, receiver, people):
    forgery.change_manifest(
        lambda content: replace(content, seal="hidden"), receiver.decryption, sender.signing, people
    )
    forgery.refresh_digests()
    forgery.change_seal(sender.signing)
    refuse(forgery, BadSignatureError, "PKG-16")


def test_members_of_another_signer_sig_5(forgery, refuse, sender, stranger, receiver, people):
    """The originator himself cannot name a certificate that did not sign the instances."""

    def claim(content):
        return replace(content, instance_signer=stranger.signing.certificate.public_bytes(Encoding.DER))

    forgery.change_manifest(claim, receiver.decryption, sender.signing, people)
    forgery.refresh_digests()
    forgery.change_seal(sender.signing)
    refuse(forgery, BadSignatureError, "SIG-5")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"signature_uid": "1.2.3"}, "SIG-6"),
        ({"sop_class_uid": "1.2.3"}, "SIG-7"),
        ({"signed": "size"}, "PKG-18"),
        ({"delivered": "size"}, "CMP-9"),
        ({"pixels": "size"}, "CMP-8"),
    ],
)
def test_manifest_that_tells_lies_about_a_member(forgery, refuse, sender, receiver, people, changes, rule):
    """By the originator's own hand: a broken packer, not an attack. Still nothing is written."""

    def lie(content):
        member = content.members[0]
        ((field, value),) = changes.items()
        if value == "size":
            facts = getattr(member, field)
            value = replace(facts, size=facts.size + 1)
        return replace(content, members=(replace(member, **{field: value}), *content.members[1:]))

    forgery.change_manifest(lie, receiver.decryption, sender.signing, people)
    forgery.refresh_digests()
    forgery.change_seal(sender.signing)
    refuse(forgery, DicomPackError, rule)


def test_digests_that_contradict_an_object_pkg_13(forgery, refuse, sender):
    """The first column fits, the second does not."""
    data = bytearray(forgery.objects["DIGESTS"])
    data[32] ^= 1
    forgery.objects["DIGESTS"] = bytes(data)
    forgery.change_seal(sender.signing)
    refuse(forgery, BadSignatureError, "PKG-13")


class TestKeys:
    """The wrong key, the wrong signer."""

    def test_wrong_key_pkg_14(self, original, sender, tmp_path):
        with pytest.raises(NoMatchError) as caught:
            dicompack.unpack(
                original, tmp_path / "t", recipient=Recipient((sender.decryption,), trusting(sender))
            )
        assert caught.value.rule == "PKG-14"
        assert not list(tmp_path.iterdir())

    def test_unknown_signer_tru_1(self, original, receiver, stranger, tmp_path):
        recipient = Recipient((receiver.decryption,), trusting(stranger))
        for call in (
            lambda: dicompack.test(original, trust=recipient.trust),
            lambda: dicompack.verify(original, recipient=recipient),
            lambda: dicompack.unpack(original, tmp_path / "t", recipient=recipient),
            lambda: dicompack.inspect(original, recipient=recipient),
        ):
            with pytest.raises(UntrustedError) as caught:
                call()
            assert caught.value.rule == "TRU-1"
        assert not list(tmp_path.iterdir())

    def test_nobody_is_trusted(self, original, receiver):
        with pytest.raises(UntrustedError):
            dicompack.verify(original, recipient=Recipient((receiver.decryption,), trusting()))


class TestChain:
    """Whoever passes a package on is trusted for the address, never for the content."""

    @pytest.fixture
    def refuse_all(self, refuse, sender, stranger):
        """Even those who trust the fellow recipient as a signer refuse."""
        return lambda forgery, kind, rule: refuse(forgery, kind, rule, trusting(sender, stranger))

    def test_untouched_chain_is_accepted(self, forgery, tmp_path, sender, receiver, stranger):
        forgery.add_seal(stranger.signing)
        recipient = Recipient((receiver.decryption,), trusting(sender, stranger))
        path = forgery.write(tmp_path / "x.dcmpack")
        assert len(dicompack.verify(path, recipient=recipient, jobs=1).signatures) == 2

    def test_unknown_forwarder_tru_1(self, forgery, refuse, stranger):
        forgery.add_seal(stranger.signing)
        refuse(forgery, UntrustedError, "TRU-1")

    def test_member_forged_by_a_forwarder_sea_1(self, forgery, refuse_all, stranger, people):
        file = forgery.open("DICOM/00000001", stranger.decryption)
        forgery.reseal("DICOM/00000001", file.replace(b"DP-", b"XX-"), people)
        forgery.refresh_digests()
        forgery.add_seal(stranger.signing)
        refuse_all(forgery, BadSignatureError, "SEA-1")

    def test_manifest_forged_by_a_forwarder_sea_1(self, forgery, refuse_all, stranger, people):
        forgery.change_manifest(lambda content: content, stranger.decryption, stranger.signing, people)
        forgery.refresh_digests()
        forgery.add_seal(stranger.signing)
        refuse_all(forgery, BadSignatureError, "SEA-1")

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"previous": "00" * 32}, "SEA-1"),
            ({"members": 1}, "SEA-1"),
            ({"objects": 3}, "SEA-1"),
            ({"originals": 1}, "SEA-1"),
            ({"custody": True}, "SEA-1"),
            ({"set_id": bytes(16)}, "PKG-11"),
            ({"sequence": 3}, "PKG-11"),
            ({"volume_set": bytes(16)}, "PKG-11"),
            ({"data_volumes": 2}, "PKG-11"),
            ({"recipients": ("00" * 32,)}, "PKG-14"),
        ],
    )
    def test_seal_that_says_something_else(self, forgery, refuse_all, stranger, changes, rule):
        forgery.add_seal(stranger.signing, **changes)
        refuse_all(forgery, NoMatchError if rule == "PKG-14" else BadSignatureError, rule)

    def test_first_seal_replaced_by_the_forwarder_s_pkg_16(self, forgery, refuse_all, stranger):
        forgery.change_seal(stranger.signing)
        forgery.add_seal(stranger.signing)
        refuse_all(forgery, BadSignatureError, "PKG-16")

    def test_foreign_first_seal_pkg_11(self, forgery, refuse_all, stranger, other):
        forgery.objects["SEAL0001"] = Forgery(other).objects["SEAL0001"]
        forgery.add_seal(stranger.signing)
        refuse_all(forgery, BadSignatureError, "PKG-11")

    def test_newest_seal_stripped_pkg_12(self, tmp_path, original, refuse_all, sender, receiver, stranger):
        """The forwarder's SEAL is taken away, so that it looks as if the originator had sent it."""
        on = tmp_path / "on.dcmpack"
        dicompack.rewrap(
            original,
            on,
            recipient=Recipient((stranger.decryption,), trusting(sender)),
            signer=stranger.signing,
            recipients=[receiver.contact],
            jobs=1,
        )
        forgery = Forgery(on)
        del forgery.objects["SEAL0002"]
        content = seal.parse(signed.verify(forgery.objects["SEAL0001"]).content)
        forgery.ids = SetIds(content.set_id, content.volume_set)
        on.unlink()
        refuse_all(forgery, BadSignatureError, "PKG-12")

    def test_older_seal_stripped(self, forgery, refuse_all, stranger):
        """Without a first SEAL it is not a package at all."""
        forgery.add_seal(stranger.signing)
        forgery.objects["SEAL0001"] = forgery.objects.pop("SEAL0002")
        refuse_all(forgery, BadSignatureError, "PKG-11")

    def test_rewrapped_without_a_seal_of_one_s_own_pkg_12(
        self, tmp_path, refuse_all, sender, receiver, stranger
    ):
        """New RecipientInfos under the originator's SEAL alone."""
        (tmp_path / "own").mkdir()
        package, _ = packed(tmp_path / "own", Originator(sender.signing, (stranger.contact,)))
        forgery = Forgery(package)
        for name in ("DICOM/00000001", "DICOM/00000002", "MANIFEST"):
            new = envelope.rewrap(forgery.objects[name], [stranger.decryption], [receiver.contact.decryption])
            forgery.objects[name] = new.head + forgery.objects[name][new.offset :]
        forgery.refresh_digests()
        refuse_all(forgery, BadSignatureError, "PKG-12")

    def test_seal_hidden_among_public_ones_sea_3(self, forgery, refuse_all, stranger, people):
        forgery.add_seal(stranger.signing)
        forgery.reseal("SEAL0002", forgery.objects["SEAL0002"], people)
        refuse_all(forgery, FormatError, "SEA-3")

    def test_seal_hidden_by_a_fellow_pkg_16(self, forgery, refuse_all, people):
        """He keeps the carriers from seeing the originator; the MANIFEST says that all may."""
        forgery.reseal("SEAL0001", forgery.objects["SEAL0001"], people)
        refuse_all(forgery, BadSignatureError, "PKG-16")

    def test_content_key_under_another_tag_is_not_passed_on_env_10(self, forgery, stranger, receiver):
        data = bytearray(forgery.objects["DICOM/00000001"])
        data[-1] ^= 1
        with pytest.raises(BadSignatureError) as caught:
            envelope.rewrap(bytes(data), [stranger.decryption], [receiver.contact.decryption])
        assert caught.value.rule == "ENV-10"


class TestOtherEnvelope:
    """AES-CBC without authentication, where the SEAL says AES-GCM (RFC 9709 tells why)."""

    @pytest.mark.parametrize("name", ["DICOM/00000001", "MANIFEST"])
    def test_envelope_changed_from_aead_to_cbc_pkg_13(self, forgery, refuse, stranger, people, name):
        forgery.objects[name] = enveloped_cbc.seal(forgery.open(name, stranger.decryption), people)
        refuse(forgery, BadSignatureError, "PKG-13")

    @pytest.mark.parametrize("name", ["DICOM/00000001", "MANIFEST"])
    def test_even_by_the_originator_env_1(self, forgery, refuse, sender, receiver, people, name):
        """With DIGESTS and a SEAL that fit: what is not the kind that the SEAL names is not opened."""
        forgery.objects[name] = enveloped_cbc.seal(forgery.open(name, receiver.decryption), people)
        rows = []
        for one in forgery.sealed:
            data = forgery.objects[one]
            rows.append(envelope.digest_of(data) if one != name else ObjectDigest(sha256(data), sha256(b"")))
        forgery.objects["DIGESTS"] = digests.marshal(Digests(tuple(rows)))
        forgery.change_seal(sender.signing)
        refuse(forgery, UnsupportedError, "ENV-1")
