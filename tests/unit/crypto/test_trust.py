"""Whom to believe, and at which time."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from dicompack.crypto.contacts import Contact
from dicompack.crypto.revocation import Revocations
from dicompack.crypto.trust import (
    AuthorityAnchor,
    PinnedContact,
    Role,
    Trusted,
    TrustStore,
    fingerprint,
    load_anchor,
    spki_sha256,
)
from dicompack.errors import NoMatchError, UntrustedError
from tests.unit.crypto import pki

DAY = timedelta(days=1)


def contact(name: str = "signer") -> Contact:
    return Contact(name, pki.signer(name).certificate, pki.recipient("recipient of " + name).certificate)


def pinned() -> TrustStore:
    return TrustStore((PinnedContact("Dr. A", contact()),))


def authority(*roles: Role) -> TrustStore:
    anchor = (
        AuthorityAnchor("the CA", pki.root()[0], frozenset(roles))
        if roles
        else AuthorityAnchor("the CA", pki.root()[0])
    )
    return TrustStore((PinnedContact("somebody else", contact("other")), anchor))


def refuses(
    store: TrustStore,
    certificate: x509.Certificate,
    rule: str,
    *,
    chain: Sequence[x509.Certificate] = (),
    at: datetime = pki.NOW,
    role: Role = Role.SIGNER,
) -> str:
    with pytest.raises(UntrustedError) as caught:
        store.judge(certificate, chain, at, role)
    assert caught.value.rule == rule
    return caught.value.message


# ---------------------------------------------------------------------------------- pinned


def test_pinned_signer() -> None:
    verdict = pinned().judge(pki.signer().certificate, (), pki.NOW)
    assert verdict == Trusted("Dr. A", "pinned", contact().fingerprint)
    assert contact().fingerprint == fingerprint(contact().certificates)


def test_pinned_survives_renewal() -> None:
    renewed = pki.certificate("new name", pki.SIGNS, of=pki.key("signer"), end=pki.NOW + 999 * DAY)
    assert pinned().judge(renewed, (), pki.NOW + 500 * DAY).how == "pinned"
    assert spki_sha256(renewed) == spki_sha256(pki.signer().certificate)


def test_unknown() -> None:
    """TRU-1: nobody is trusted for being there."""
    for store in (TrustStore(), pinned()):
        assert "unknown" in refuses(store, pki.signer("stranger").certificate, "TRU-1")
    assert "unknown" in refuses(authority(), pki.signer("stranger").certificate, "TRU-4")
    assert "unknown" in refuses(
        pinned(), pki.certified_signer().certificate, "TRU-1", chain=pki.certified_signer().chain
    )


def test_same_name_other_key() -> None:
    """TRU-1: a key is pinned, not a name."""
    refuses(pinned(), pki.certificate("signer", pki.SIGNS, of=pki.key("thief")), "TRU-1")


def test_roles_of_a_contact_are_not_exchanged() -> None:
    """TRU-1: a key pinned for decryption signs nothing, and the reverse."""
    theirs = contact()
    dual = (*pki.SIGNS, *pki.DECRYPTS)
    signing = pki.certificate("x", dual, of=pki.key("recipient of signer"))
    refuses(pinned(), signing, "TRU-1")
    refuses(pinned(), pki.certificate("x", dual, of=pki.key("signer")), "TRU-1", role=Role.RECIPIENT)
    assert pinned().judge(theirs.decryption, (), pki.NOW, Role.RECIPIENT).name == "Dr. A"
    refuses(pinned(), theirs.decryption, "TRU-5", role=Role.CUSTODIAN)
    custodian = TrustStore((PinnedContact("Dr. A", theirs, frozenset((Role.CUSTODIAN,))),))
    assert custodian.judge(theirs.decryption, (), pki.NOW, Role.CUSTODIAN).name == "Dr. A"
    refuses(custodian, theirs.decryption, "TRU-5", role=Role.RECIPIENT)
    refuses(custodian, pki.signer().certificate, "TRU-5")
    refuses(pinned(), pki.signer().certificate, "TSP-5", role=Role.TIMESTAMP)


def test_time() -> None:
    """TRU-2, TRU-3: to the second, both ends included."""
    certificate = pki.signer().certificate
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    for at in (start, end):
        pinned().judge(certificate, (), at)
    assert "not yet valid" in refuses(pinned(), certificate, "TRU-2", at=start - timedelta(seconds=1))
    assert "expired" in refuses(pinned(), certificate, "TRU-3", at=end + timedelta(seconds=1))
    with pytest.raises(ValueError, match="zone"):
        pinned().judge(certificate, (), datetime(2026, 5, 4))  # noqa: DTZ001


@pytest.mark.parametrize("store", [pinned, authority])
@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"usage": pki.DECRYPTS}, "KEY-3"),
        ({"usage": None}, "KEY-3"),
        ({"usage": (*pki.SIGNS, "key_cert_sign"), "ca": True}, "KEY-3"),
        ({"usage": pki.SIGNS, "extra": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]}, "KEY-3"),
        ({"usage": pki.SIGNS, "extra": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]}, "KEY-3"),
    ],
)
def test_wrong_usage(store: object, wrong: dict[str, object], rule: str) -> None:
    """KEY-3: whether pinned or certified."""
    certificate = pki.certificate("signer", issuer=pki.root(), **wrong)  # type: ignore[arg-type]
    refuses(store(), certificate, rule)  # type: ignore[operator]


def test_weak_leaf() -> None:
    """KEY-2: path validation alone would take 1024 bits."""
    leaf = pki.certificate("weak", pki.SIGNS, of=pki.key("weak", 1024), issuer=pki.root())
    refuses(authority(), leaf, "KEY-2")


def test_decryption_certificate_as_signer() -> None:
    """KEY-3, KEY-4."""
    assert "decryption" in refuses(pinned(), contact().decryption, "KEY-3")
    refuses(pinned(), pki.signer().certificate, "KEY-4", role=Role.RECIPIENT)
    refuses(pinned(), pki.signer().certificate, "KEY-4", role=Role.CUSTODIAN)


# ---------------------------------------------------------------------------------- authority


def test_certification_path() -> None:
    signer = pki.certified_signer()
    for chain in (signer.chain, signer.chain[:1], tuple(reversed(signer.chain))):
        verdict = authority().judge(signer.certificate, chain, pki.NOW)
        assert (verdict.name, verdict.how) == ("the CA", "authority")
    assert verdict.fingerprint == fingerprint([pki.root()[0]])
    direct = pki.certificate("direct", pki.SIGNS, issuer=pki.root())
    assert authority().judge(direct, (), pki.NOW).how == "authority"
    mail = pki.certificate(
        "mail",
        pki.SIGNS,
        issuer=pki.root(),
        extra=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])],
    )
    assert authority().judge(mail, (), pki.NOW).how == "authority"


@pytest.mark.parametrize(
    ("purposes", "fine"),
    [
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION], True),
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([ExtendedKeyUsageOID.TIME_STAMPING], False),
    ],
)
def test_purposes_of_an_authority(purposes: list[x509.ObjectIdentifier], fine: bool) -> None:
    """TRU-4: an authority for web servers certifies no signers, also under a trusted one."""
    extra = [x509.ExtendedKeyUsage(purposes)]
    middle = pki.certificate("middle", pki.CERTIFIES, issuer=pki.root(), ca=True, extra=extra)
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(middle, pki.key("middle")))
    if fine:
        assert authority().judge(leaf, (middle,), pki.NOW).how == "authority"
    else:
        refuses(authority(), leaf, "TRU-4", chain=(middle,))


def test_pinned_comes_first() -> None:
    store = TrustStore(
        (
            AuthorityAnchor("the CA", pki.root()[0]),
            PinnedContact("A", Contact("A", pki.certified_signer().certificate)),
        )
    )
    assert store.judge(pki.certified_signer().certificate, (), pki.NOW).how == "pinned"


def test_missing_intermediate() -> None:
    """TRU-4."""
    leaf = pki.certified_signer().certificate
    for chain in ((), (pki.root()[0],)):
        refuses(authority(), leaf, "TRU-4", chain=chain)


def test_other_authority() -> None:
    """TRU-4: the same name, another key."""
    fake = pki.certificate("root", pki.CERTIFIES, of=pki.key("fake root"), ca=True)
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(fake, pki.key("fake root")))
    refuses(authority(), leaf, "TRU-4", chain=(fake,))


def test_authority_and_time() -> None:
    """TRU-2, TRU-3, TRU-4: of the leaf by name, of what is above it as a broken path."""
    signer = pki.certified_signer()
    assert "expired" in refuses(
        authority(), signer.certificate, "TRU-3", chain=signer.chain, at=pki.NOW + 366 * DAY
    )
    assert "not yet" in refuses(
        authority(), signer.certificate, "TRU-2", chain=signer.chain, at=pki.NOW - 2 * DAY
    )
    short = pki.certificate("short", pki.CERTIFIES, issuer=pki.root(), ca=True, end=pki.NOW + DAY)
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(short, pki.key("short")))
    authority().judge(leaf, (short,), pki.NOW)
    refuses(authority(), leaf, "TRU-4", chain=(short,), at=pki.NOW + 2 * DAY)
    # an unknown signer is unknown, expired or not
    refuses(pinned(), pki.signer("stranger").certificate, "TRU-1", at=pki.NOW + 999 * DAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": pki.SIGNS, "ca": False},
        {"usage": pki.CERTIFIES, "ca": False},
        {"usage": ("digital_signature",), "ca": True},
    ],
)
def test_intermediate_that_is_no_authority(wrong: dict[str, object]) -> None:
    """TRU-4."""
    middle = pki.certificate("middle", issuer=pki.root(), **wrong)  # type: ignore[arg-type]
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(middle, pki.key("middle")))
    refuses(authority(), leaf, "TRU-4", chain=(middle,))


def test_weak_intermediate() -> None:
    """TRU-4: 1024 bits above the leaf."""
    middle = pki.certificate("middle", pki.CERTIFIES, of=pki.key("weak", 1024), issuer=pki.root(), ca=True)
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(middle, pki.key("weak", 1024)))
    refuses(authority(), leaf, "TRU-4", chain=(middle,))


def test_intermediate_with_another_kind_of_key() -> None:
    """TRU-4: the list of algorithms holds for the whole path."""
    for key, fine in (
        (ec.generate_private_key(ec.SECP384R1()), True),
        (ed25519.Ed25519PrivateKey.generate(), False),
    ):
        middle = pki.certificate("middle", pki.CERTIFIES, of=key, issuer=pki.root(), ca=True)
        leaf = pki.certificate("leaf", pki.SIGNS, issuer=(middle, key))
        if fine:
            assert authority().judge(leaf, (middle,), pki.NOW).how == "authority"
        else:
            refuses(authority(), leaf, "TRU-4", chain=(middle,))


def test_unknown_critical_extension() -> None:
    """TRU-4: what is critical and not understood."""
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=pki.root())
    builder = x509.CertificateBuilder(
        leaf.issuer, leaf.subject, leaf.public_key(), 77, leaf.not_valid_before_utc, leaf.not_valid_after_utc
    )
    for one in leaf.extensions:
        builder = builder.add_extension(one.value, one.critical)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    odd = builder.add_extension(unknown, critical=True).sign(pki.root()[1], hashes.SHA256())
    refuses(authority(), odd, "TRU-4")
    authority().judge(
        builder.add_extension(unknown, critical=False).sign(pki.root()[1], hashes.SHA256()), (), pki.NOW
    )


def test_authority_with_another_kind_of_key() -> None:
    """KEY-2: P-256 certifies, other curves do not."""
    for curve, fine in ((ec.SECP256R1(), True), (ec.SECP256K1(), False)):
        key = ec.generate_private_key(curve)
        ca = pki.certificate("elliptic", pki.CERTIFIES, of=key, ca=True)
        leaf = pki.certificate("leaf", pki.SIGNS, issuer=(ca, key))
        if fine:
            assert TrustStore((load_anchor("x", pki.pem(ca)),)).judge(leaf, (), pki.NOW).how == "authority"
        else:
            with pytest.raises(NoMatchError) as caught:
                load_anchor("x", pki.pem(ca))
            assert caught.value.rule == "KEY-2"


def test_self_signed_leaf_is_not_its_own_authority() -> None:
    """TRU-6: only a certification authority becomes one."""
    with pytest.raises(NoMatchError) as caught:
        AuthorityAnchor("x", pki.signer().certificate)
    assert caught.value.rule == "TRU-6"
    with pytest.raises(NoMatchError) as caught:
        AuthorityAnchor("x", pki.certificate("x", pki.SIGNS, ca=True))
    assert caught.value.rule == "TRU-6"


def test_authority_vouches_for_its_roles_only() -> None:
    """TRU-5."""
    signer = pki.certified_signer()
    decryption = pki.certificate("certified recipient", pki.DECRYPTS, issuer=pki.root())
    authority(Role.SIGNER).judge(signer.certificate, signer.chain, pki.NOW)
    refuses(authority(Role.RECIPIENT), signer.certificate, "TRU-5", chain=signer.chain)
    authority().judge(decryption, (), pki.NOW, Role.RECIPIENT)
    refuses(authority(), decryption, "TRU-5", role=Role.CUSTODIAN)
    authority(Role.CUSTODIAN).judge(decryption, (), pki.NOW, Role.CUSTODIAN)


def test_long_chains_end_somewhere() -> None:
    """TRU-4: hundreds of certificates are not searched."""
    crowd = [
        pki.certificate("intermediate", pki.CERTIFIES, of=pki.key("crowd"), issuer=pki.root(), ca=True)
    ] * 500
    refuses(authority(), pki.certified_signer().certificate, "TRU-4", chain=crowd)


# ---------------------------------------------------------------------------------- loading


def test_load_anchor() -> None:
    person = load_anchor("A", contact().marshal())
    assert (
        person == PinnedContact("A", Contact.parse(contact().marshal()))
        and person.contact.certificates == contact().certificates
    )
    assert person.fingerprint == contact().fingerprint
    single = load_anchor("B", pki.raw(pki.signer().certificate))
    assert isinstance(single, PinnedContact) and single.contact.signing == pki.signer().certificate
    ca = load_anchor("C", pki.pem(pki.root()[0]))
    assert ca == AuthorityAnchor("C", pki.root()[0], frozenset((Role.SIGNER, Role.RECIPIENT)))
    assert load_anchor("C", pki.raw(pki.root()[0])) == ca


def test_what_is_no_anchor() -> None:
    key = pki.key("signer").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (
        b"",
        b"x",
        pki.pem(pki.root()[0], pki.intermediate()[0]),
        key + pki.pem(pki.signer().certificate),
    ):
        with pytest.raises(NoMatchError):
            load_anchor("x", data)
    with pytest.raises(NoMatchError) as caught:
        load_anchor("x", pki.pem(pki.certificate("weak", pki.CERTIFIES, of=pki.key("weak", 1024), ca=True)))
    assert caught.value.rule == "KEY-2"


def test_it_crosses_to_workers_that_do_not_share_memory() -> None:
    """As on macOS and Windows: what is trusted, and why not, is the same there."""
    root, key = pki.root()
    at = pki.NOW - timedelta(days=1)
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(at)
    crl = builder.next_update(at + timedelta(days=9)).sign(key, hashes.SHA256())
    store = TrustStore(
        (AuthorityAnchor("Root", root), PinnedContact("A", contact())), Revocations((crl,), demanded=True)
    )
    again = pickle.loads(pickle.dumps(store))
    assert again.anchors == store.anchors
    assert again.revocations == store.revocations
