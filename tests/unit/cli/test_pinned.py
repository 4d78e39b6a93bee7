"""What is pinned, for which roles, and what it counts for: CLI-22, CLI-23, TRU-5, TRU-10."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.cli.contacts import pin, recipient_contact, rewrite, trust_store
from dicompack.cli.options import TrustOptions
from dicompack.cli.pinned import ROLES, Pinned, read_pinned
from dicompack.crypto.trust import Role
from dicompack.errors import UntrustedError, UsageError
from tests.unit.crypto import pki

PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = timedelta(days=7)


def trusted(call, contact: Path, fingerprint: str, *more: object):
    return call("keys", "trust", contact, "--fingerprint", fingerprint, *more)


def certificate(name: str, usage, *, of: str = "", start=NOW - WEEK, end=NOW + WEEK, **more) -> bytes:
    return pki.pem(pki.certificate(name, usage, of=pki.key(of or name), start=start, end=end, **more))


# ------------------------------------------------------------------------------------- the pinned file


def test_roles_are_those_of_the_trust_store():
    assert set(ROLES) == set(Role)


@pytest.mark.parametrize(
    "entry",
    [
        Pinned(PEM),
        Pinned(PEM, ("custodian",)),
        Pinned(PEM, ROLES, NOW, "gestohlen: Schlüssel", "AAAA BBBB"),
        Pinned(PEM, ROLES, NOW, "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_a_pinned_file_and_back(entry):
    assert Pinned.parse(entry.marshal(), "x") == entry


@pytest.mark.parametrize(
    "head",
    [
        b"role: signer\n",
        b"roles: signer, admin\n",
        b"roles: signer, signer\n",
        b"roles: \n",
        b"roles: signer\nroles: custodian\n",
        b"revoked: yesterday\n",
        b"revoked: 2026-13-01T00:00:00Z\n",
        b"anything\n",
        b"\n",
        b"\xff\n",
    ],
)
def test_a_restriction_that_cannot_be_read_is_not_passed_over(head, call, clinic, configuration):
    """CLI-22."""
    with pytest.raises(UsageError) as caught:
        Pinned.parse(head + clinic.contact_pem, "Clinic A")
    assert (caught.value.rule, caught.value.where) == ("CLI-22", "Clinic A")
    (configuration / "contacts").mkdir(parents=True)
    (configuration / "contacts" / "Clinic A.pem").write_bytes(head + clinic.contact_pem)
    ended = call("test", "p", "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (2, "CLI-22")
    (only,) = call("keys", "list", "--json").json["contacts"]
    assert (only["pinned_as"], only["state"]) == ("Clinic A", "unreadable")


def test_a_restriction_below_the_certificates_is_not_passed_over(clinic):
    """CLI-22."""
    for data in (clinic.contact_pem + b"roles: signer\n", PEM + b"revoked: 2026-01-01T00:00:00Z\n" + PEM):
        with pytest.raises(UsageError) as caught:
            Pinned.parse(data, "x")
        assert caught.value.rule == "CLI-22"


# ------------------------------------------------------------------------------------------------ roles


def test_a_contact_has_the_roles_that_it_was_given(call, me, clinic):
    """TRU-5: as a signer only, nobody encrypts to it; as a recipient only, it signs nothing."""
    right = clinic.contact.fingerprint
    ended = trusted(call, me, right, "--json")
    assert (ended.json["roles"], ended.json["state"]) == (["signer", "recipient"], "trusted")
    recipient_contact("Clinic A")
    with pytest.raises(UntrustedError) as caught:
        recipient_contact("Clinic A", "custodian")
    assert (caught.value.rule, "--role custodian" in (caught.value.hint or "")) == ("TRU-5", True)

    assert trusted(call, "Clinic A", right, "--role", "signer").code == 0
    with pytest.raises(UntrustedError):
        recipient_contact("Clinic A")
    trust_store(TrustOptions()).judge(clinic.contact.signing, (), datetime.now(UTC))
    assert trusted(call, "clinic a", right, "--json").json["roles"] == ["signer"], "kept when none is named"

    assert trusted(call, me, right, "--role", "recipient", "--role", "custodian").code == 0
    recipient_contact("Clinic A", "custodian")
    for options in (TrustOptions(), TrustOptions(("Clinic A",))):
        with pytest.raises(UntrustedError) as caught:
            trust_store(options).judge(clinic.contact.signing, (), datetime.now(UTC))
        assert caught.value.rule == "TRU-5"
    shown = call("keys", "show", "Clinic A", "--json").json
    assert [one["state"] for one in shown["certificates"]] == ["trusted", "unknown"]
    assert shown["state"] == "trusted", "as what it was pinned for"


def test_pack_asks_for_the_role(call, me, them, clinic, locked, library):
    """TRU-5; a file on the command line is the person's own decision."""
    trusted(call, them, locked.contact.fingerprint)
    start = ("pack", "S", "-o", "n.dcmpack", "--signer", me)
    ended = call(*start, "--custodian", "Clinic B", "--json")
    assert (ended.code, ended.json["error"]["rule"], library.calls) == (50, "TRU-5", {})
    assert call(*start, "--custodian", them / "contact.pem").code == 0
    trusted(call, them, locked.contact.fingerprint, "--role", "custodian")
    assert call(*start, "--custodian", "Clinic B").code == 0
    assert call(*start, "--recipient", "Clinic B").code == 50
    assert call("rewrap", "p", "-o", "n.dcmpack", "--identity", me, "--signer", me,
                "--recipient", "Clinic B", "--trust", me).code == 50  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "role"),
    [
        (pki.SIGNS, "recipient"), (pki.SIGNS, "custodian"), (pki.DECRYPTS, "signer"),
        (pki.SIGNS, "time-stamp-authority"),
    ],
)  # fmt: skip
def test_a_role_that_the_certificates_do_not_allow(call, tmp_path, configuration, usage, role):
    """CLI-23."""
    (tmp_path / "x.pem").write_bytes(certificate("x", usage))
    fingerprint = call("keys", "show", tmp_path / "x.pem", "--json").json["fingerprint"]
    ended = trusted(call, tmp_path / "x.pem", fingerprint, "--role", role, "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (2, "CLI-23")
    assert not configuration.exists()


def test_an_authority_vouches_for_times_only_where_it_was_given_the_role(call, tmp_path):
    """TRU-5: pinned for time-stamps it vouches for no signer, and the other way round."""
    (tmp_path / "ca.pem").write_bytes(certificate("CA", pki.CERTIFIES, ca=True))
    fingerprint = call("keys", "show", tmp_path / "ca.pem", "--json").json["fingerprint"]
    assert trusted(call, tmp_path / "ca.pem", fingerprint, "--json").json["kind"] == "authority"
    (anchor,) = trust_store(TrustOptions()).anchors
    assert anchor.roles == {Role.SIGNER, Role.RECIPIENT}
    ended = call("test", "p", "--tsa", "CA", "--json")
    assert (ended.code, ended.json["error"]["rule"]) == (50, "TRU-5")
    trusted(call, "CA", fingerprint, "--role", "time-stamp-authority")
    (anchor,) = trust_store(TrustOptions()).anchors
    assert anchor.roles == {Role.TIMESTAMP}
    assert trust_store(TrustOptions(("CA",), tsa=("CA",))).anchors == (anchor, anchor)
    assert trusted(call, "CA", fingerprint, "--role", "custodian").code == 2


def test_a_tls_certificate_is_no_signer(call, tmp_path):
    for purpose in (x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH):
        (tmp_path / "tls.pem").write_bytes(
            certificate("tls", pki.SIGNS, extra=[x509.ExtendedKeyUsage([purpose])])
        )
        assert call("keys", "trust", tmp_path / "tls.pem", "--fingerprint", "x").code == 40


# --------------------------------------------------------------------------------------- what it counts


def test_show_and_list_say_what_it_counts_for_and_why(call, me, clinic, tmp_path):
    shown = call("keys", "show", me / "contact.pem", "--json").json
    assert (shown["state"], shown["why"].startswith("the ")) == ("unknown", True)
    assert call("keys", "list", "--json").json["contacts"] == []
    trusted(call, me, clinic.contact.fingerprint)
    shown = call("keys", "show", me / "contact.pem", "--json").json
    assert (shown["state"], shown["why"]) == ("trusted", "pinned")
    for name, start, end, state in (
        ("old", NOW - WEEK, NOW - WEEK / 2, "expired"),
        ("early", NOW + WEEK / 2, NOW + WEEK, "not-yet-valid"),
    ):
        (tmp_path / f"{name}.pem").write_bytes(certificate(name, pki.SIGNS, start=start, end=end))
        fingerprint = call("keys", "show", tmp_path / f"{name}.pem", "--json").json["fingerprint"]
        ended = trusted(call, tmp_path / f"{name}.pem", fingerprint, "--json")
        assert ended.json["state"] == state
        assert f"does not count now: {state}" in ended.err
    entry = Pinned(certificate("gone", pki.SIGNS), ("signer",), NOW - WEEK, "key lost")
    rewrite("gone", entry)
    life = {"start": NOW - WEEK, "end": NOW - WEEK / 2}
    pin("old CA", Pinned(certificate("old CA", pki.CERTIFIES, ca=True, **life)))
    states = {one["pinned_as"]: one for one in call("keys", "list", "--json").json["contacts"]}
    assert {name: one["state"] for name, one in states.items()} == {
        "Clinic A": "trusted", "early": "not-yet-valid", "gone": "revoked", "old": "expired",
        "old CA": "expired",
    }  # fmt: skip
    assert states["gone"]["why"].endswith(": key lost")
    assert states["Clinic A"]["certificates"][0]["algorithm"] == "RSA-2048"
    lines = call("keys", "list").out.splitlines()
    assert len(lines) == 6 and lines[0].split() == ["NAME", "ROLES", "STATE", "WHY", "UNTIL", "FINGERPRINT"]
    assert states["Clinic A"]["fingerprint"] in lines[1]


def test_who_is_certified_is_trusted_by_the_authority(call, tmp_path):
    """And a revocation list says otherwise."""
    issuer = pki.certificate("CA", pki.CERTIFIES, ca=True, start=NOW - WEEK, end=NOW + WEEK), pki.key("CA")
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=issuer, start=NOW - WEEK, end=NOW + WEEK)
    pin("Our CA", Pinned(pki.pem(issuer[0])))
    (tmp_path / "leaf.pem").write_bytes(pki.pem(leaf))
    shown = call("keys", "show", tmp_path / "leaf.pem", "--json").json
    assert (shown["state"], shown["why"]) == ("trusted", "certified by Our CA")
    entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(NOW - WEEK / 2)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer[0].subject)
    made = builder.last_update(NOW - WEEK / 3).next_update(NOW + WEEK).add_revoked_certificate(entry.build())
    (tmp_path / "crl").write_bytes(made.sign(issuer[1], hashes.SHA256()).public_bytes(Encoding.PEM))
    shown = call("keys", "show", tmp_path / "leaf.pem", "--crl", tmp_path / "crl", "--json").json
    assert shown["state"] == "revoked"


def test_nothing_of_a_certificate_moves_the_cursor(call, tmp_path):
    """CLI-5."""
    name = "evil\x1b[2J\u202e\nname         Clinic A"
    (tmp_path / "x.pem").write_bytes(certificate(name, pki.SIGNS, of="x"))
    for arguments in (("keys", "show", tmp_path / "x.pem"), ("keys", "list")):
        ended = call(*arguments)
        printed = ended.out + ended.err
        assert ended.code == 0
        assert not any(ord(one) < 32 for one in printed if one != "\n")
        assert "\u202e" not in printed
        assert "name         Clinic A" not in printed.splitlines()
        rewrite("evil", Pinned(certificate(name, pki.SIGNS, of="x"), ("signer",), NOW, "\x1b[1mwhy"))


# --------------------------------------------------------------------------------------------- revoked


def test_a_revoked_key_counts_for_nothing_whoever_names_it(call, me, clinic, library):
    """TRU-10: not signing, not encrypting, not pinned anew, not by --trust."""
    rewrite("Clinic A", Pinned(clinic.contact_pem, revoked=NOW - WEEK))
    for options in (TrustOptions(), TrustOptions((str(me / "contact.pem"),))):
        with pytest.raises(UntrustedError) as caught:
            trust_store(options).judge(clinic.contact.signing, (), datetime.now(UTC))
        assert caught.value.rule == "TRU-10"
        before = NOW - 2 * WEEK
        with pytest.raises(UntrustedError) as caught:
            trust_store(options).judge(clinic.contact.signing, (), before)
        assert caught.value.rule == "TRU-2", "what is proven to be older than the revocation is judged on"
    for arguments in (
        ("pack", "S", "-o", "n.dcmpack", "--signer", me),
        ("pack", "S", "-o", "n.dcmpack", "--signer", me, "--recipient", me / "contact.pem"),
        ("keys", "trust", me, "--name", "other", "--fingerprint", clinic.contact.fingerprint),
    ):
        ended = call(*arguments, "--json")
        assert (ended.code, ended.json["error"]["rule"]) == (50, "TRU-10"), arguments
    assert library.calls == {}
    assert call("keys", "show", me, "--json").json["state"] == "revoked"


def test_a_revoked_authority_vouches_for_nobody(tmp_path):
    """TRU-10."""
    issuer = pki.certificate("CA", pki.CERTIFIES, ca=True, start=NOW - WEEK, end=NOW + WEEK), pki.key("CA")
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=issuer, start=NOW - WEEK, end=NOW + WEEK)
    rewrite("CA", Pinned(pki.pem(issuer[0]), revoked=NOW - timedelta(days=1)))
    with pytest.raises(UntrustedError) as caught:
        trust_store(TrustOptions()).judge(leaf, (), datetime.now(UTC))
    assert caught.value.rule == "TRU-10"
    trust_store(TrustOptions()).judge(leaf, (), NOW - timedelta(days=2))


def test_a_key_that_will_be_revoked_still_counts(clinic):
    """TRU-10: an owner can name a day that has not come."""
    entry = Pinned(clinic.contact_pem, revoked=NOW + WEEK)
    rewrite("Clinic A", entry)
    recipient_contact("Clinic A")
    trust_store(TrustOptions()).judge(clinic.contact.signing, (), datetime.now(UTC))
    rewrite("Clinic A", Pinned(clinic.contact_pem, revoked=NOW - WEEK))
    with pytest.raises(UntrustedError) as caught:
        pin("Clinic A", Pinned(clinic.contact_pem, ("signer",)))
    assert caught.value.rule == "TRU-10"


def test_a_renewed_certificate_of_the_same_keys_may_be_pinned_over(configuration):
    pin("x", Pinned(certificate("x", pki.SIGNS)))
    renewed = certificate("x", pki.SIGNS, end=NOW + 9 * WEEK)
    assert pin("x", Pinned(renewed, ("signer",)))
    assert not pin("x", Pinned(renewed, ("signer",)))
    entry = read_pinned("x", configuration / "contacts" / "x.pem")
    assert entry == Pinned(renewed, ("signer",))


def both(signing: str, decryption: str) -> bytes:
    return certificate(decryption, pki.DECRYPTS) + certificate(signing, pki.SIGNS)


def test_nobody_is_pinned_with_a_key_of_somebody_else():
    """CLI-8: whoever puts another's certificate beside his own could revoke both."""
    pin("Bob", Pinned(both("bob signs", "bob decrypts")))
    with pytest.raises(UntrustedError) as caught:
        pin("Mallory", Pinned(both("mallory signs", "bob decrypts")))
    assert (caught.value.rule, caught.value.where) == ("CLI-8", "Mallory")
    pin("Bob to encrypt to", Pinned(certificate("bob decrypts", pki.DECRYPTS)))
    pin("Bob, again", Pinned(both("bob signs", "bob decrypts")))


def test_a_file_that_was_sent_runs_no_module(call, tmp_path, monkeypatch):
    """TOK-6: to look at it is not to trust it."""
    monkeypatch.setattr("dicompack.crypto.token_keys.load", lambda *_: pytest.fail("the module was run"))
    uri = b"pkcs11:token=x?module-path=/tmp/evil.so\n"
    (tmp_path / "identity").mkdir()
    for sent in (tmp_path / "contact.pem", tmp_path / "identity" / "signing.p12"):
        sent.write_bytes(uri)
    for named in (tmp_path / "contact.pem", tmp_path / "identity"):
        ended = call("keys", "show", named, "--json")
        assert (ended.code, ended.json["error"]["rule"]) == (2, "TOK-6")
    signs = certificate("Clinic", pki.SIGNS)
    ca = pki.pem(pki.certificate("CA", pki.CERTIFIES, ca=True))
    (tmp_path / "contact.pem").write_bytes(uri + signs + ca)
    ended = call("keys", "show", tmp_path / "contact.pem", "--json")
    assert (ended.code, ended.json["name"]) == (0, "Clinic")


def test_an_authority_is_named_as_one_whoever_has_compared_it(call, tmp_path):
    """Its fingerprint is that of a contact with the same key: a script is told, too."""
    file = tmp_path / "contact.pem"
    file.write_bytes(certificate("Dr. Bob", pki.SIGNS))
    fingerprint = call("keys", "show", file, "--json").json["fingerprint"]
    file.write_bytes(certificate("Dr. Bob", pki.CERTIFIES, ca=True))
    ended = trusted(call, file, fingerprint)
    assert ended.code == 0 and "this is a certification authority" in ended.err


def test_what_openssl_makes_without_being_asked_for_more(call, tmp_path):
    """TRU-6: cA TRUE and no keyUsage is neither one nor the other, and the line says what is needed."""
    file = tmp_path / "them.pem"
    file.write_bytes(certificate("them", None, ca=True))
    ended = call("keys", "show", file)
    assert ended.code == 40
    first, hint = ended.err.splitlines()
    assert "them.pem: this certificate is neither a person's nor" in first and "keyUsage" in hint
