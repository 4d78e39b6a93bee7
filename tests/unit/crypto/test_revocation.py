"""Revocation lists from files: who may sign them, when they count, and what they say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.crypto import revocation
from dicompack.crypto.contacts import Contact
from dicompack.crypto.revocation import Revocations, Standing
from dicompack.crypto.trust import (
    AuthorityAnchor,
    ExpectedSigner,
    PinnedContact,
    TrustStore,
    fingerprint,
    spki_sha256,
)
from dicompack.errors import NoMatchError, UntrustedError
from tests.unit.crypto import pki
from tests.unit.crypto.pki import NOW

DAY = timedelta(days=1)


def listed(
    issuer,
    *revoked: x509.Certificate,
    at: datetime = NOW - 2 * DAY,
    start: datetime = NOW - DAY,
    end: datetime | None = NOW + DAY,
    digest: hashes.HashAlgorithm | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    reason: x509.ReasonFlags | None = None,
) -> x509.CertificateRevocationList:
    certificate, key = issuer
    builder = x509.CertificateRevocationListBuilder().issuer_name(certificate.subject).last_update(start)
    builder = builder.next_update(end or start + DAY)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(at)
        entry = entry.add_extension(x509.CRLReason(reason), False) if reason else entry
        builder = builder.add_revoked_certificate(entry.build())
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    return builder.sign(key, digest or hashes.SHA256())


def store(*lists: x509.CertificateRevocationList, demanded: bool = False) -> TrustStore:
    anchor = AuthorityAnchor("root", pki.root()[0])
    return TrustStore((anchor,), Revocations(lists, demanded))


def judged(trust: TrustStore, at: datetime = NOW):
    signer = pki.certified_signer()
    return trust.judge(signer.certificate, signer.chain, at)


def test_good_where_lists_cover_the_whole_path():
    trust = store(listed(pki.root()), listed(pki.intermediate()), demanded=True)
    assert judged(trust).standing is Standing.GOOD
    assert judged(store(listed(pki.intermediate()))).standing is Standing.UNKNOWN
    assert judged(store()).standing is Standing.UNKNOWN


def test_tru_7_revoked_at_any_place_of_the_path():
    signer = pki.certified_signer()
    for issuer, one in ((pki.intermediate(), signer.certificate), (pki.root(), pki.intermediate()[0])):
        with pytest.raises(UntrustedError) as caught:
            judged(store(listed(issuer, one)))
        assert caught.value.rule == "TRU-7"
        assert "2026-05-02" in caught.value.message


def test_tru_7_a_stale_list_still_revokes():
    signer = pki.certified_signer()
    stale = listed(
        pki.intermediate(), signer.certificate, at=NOW - 9 * DAY, start=NOW - 8 * DAY, end=NOW - 7 * DAY
    )
    with pytest.raises(UntrustedError) as caught:
        judged(store(stale))
    assert caught.value.rule == "TRU-7"


def point(*, indirect: bool = False) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=not indirect,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


@pytest.mark.parametrize("part", [x509.DeltaCRLIndicator(1), point()])
def test_tru_7_a_list_of_a_part_revokes_what_it_names(part):
    signer = pki.certified_signer()
    whole = listed(pki.intermediate())
    one = listed(pki.intermediate(), signer.certificate, extra=((part, True),))
    with pytest.raises(UntrustedError) as caught:
        judged(store(whole, one))
    assert caught.value.rule == "TRU-7"


def test_what_a_delta_list_takes_back_is_not_revoked_by_it():
    signer = pki.certified_signer()
    back, delta = x509.ReasonFlags.remove_from_crl, ((x509.DeltaCRLIndicator(1), True),)
    lifted = listed(pki.intermediate(), signer.certificate, extra=delta, reason=back)
    assert judged(store(lifted)).standing is Standing.UNKNOWN
    for still in (
        listed(pki.intermediate(), signer.certificate, reason=back),
        listed(pki.intermediate(), signer.certificate),
    ):
        with pytest.raises(UntrustedError, match="revoked"):
            judged(store(lifted, still))


def test_an_indirect_list_says_nothing_of_its_issuer_s_certificates():
    signer = pki.certified_signer()
    one = listed(pki.intermediate(), signer.certificate, extra=((point(indirect=True), True),))
    assert judged(store(one)).standing is Standing.UNKNOWN


def test_revoked_later_is_not_revoked_yet():
    signer = pki.certified_signer()
    trust = store(listed(pki.intermediate(), signer.certificate, at=NOW + DAY / 2))
    assert judged(trust)
    with pytest.raises(UntrustedError):
        judged(trust, NOW + DAY)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: listed(pki.intermediate(), start=NOW - 3 * DAY, end=NOW - DAY),
        lambda: listed((pki.intermediate()[0], pki.key("stranger"))),
        lambda: listed(pki.intermediate(), extra=((x509.DeltaCRLIndicator(1), True),)),
        lambda: listed(pki.root()),
    ],
)
def test_tru_8_lists_that_do_not_count_cover_nothing(bad):
    with pytest.raises(UntrustedError) as caught:
        judged(store(bad(), listed(pki.root()), demanded=True))
    assert caught.value.rule == "TRU-8"


def test_a_later_list_speaks_of_the_time_before_while_the_certificate_lasts():
    """A signature that a time-stamp puts before the list."""
    later = listed(pki.intermediate(), start=NOW + DAY, end=NOW + 2 * DAY)
    assert judged(store(later, listed(pki.root()), demanded=True)).standing is Standing.GOOD
    too_late = listed(pki.intermediate(), start=NOW + 5000 * DAY, end=NOW + 5001 * DAY)
    with pytest.raises(UntrustedError, match="no current revocation list"):
        judged(store(too_late, listed(pki.root()), demanded=True))


def test_tru_8_an_authority_that_may_not_sign_lists():
    silent = pki.certificate("root", ("key_cert_sign",), ca=True)
    issuer = silent, pki.key("root")
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=issuer)
    trust = TrustStore((AuthorityAnchor("root", silent),), Revocations((listed(issuer, leaf),), True))
    with pytest.raises(UntrustedError) as caught:
        trust.judge(leaf, (), NOW)
    assert caught.value.rule == "TRU-8"


def test_a_pinned_contact_is_a_person_s_own_decision():
    signer = pki.signer()
    trust = TrustStore(
        (PinnedContact("me", Contact("me", signing=signer.certificate)),), Revocations((), True)
    )
    assert trust.judge(signer.certificate, (), NOW).standing is Standing.GOOD


def test_parse_pem_and_der():
    one, two = listed(pki.root()), listed(pki.intermediate())
    assert revocation.parse(one.public_bytes(Encoding.DER)) == (one,)
    together = b"text\n" + one.public_bytes(Encoding.PEM) + two.public_bytes(Encoding.PEM)
    assert revocation.parse(together) == (one, two)


@pytest.mark.parametrize("cut", [0, 1, 10, -1, None])
def test_key_9_no_list(cut):
    data = pki.pem(pki.root()[0]) if cut is None else listed(pki.root()).public_bytes(Encoding.DER)[:cut]
    with pytest.raises(NoMatchError) as caught:
        revocation.parse(data)
    assert caught.value.rule == "KEY-9"


@pytest.mark.parametrize(
    ("there", "wrong"),
    [
        (b"\x02\x01\x01\x30", b"\x02\x01\x05\x30"),
        (b"\x06\x03\x55\x04\x03", b"\x05\x03\x55\x04\x03"),
    ],
    ids=["version", "issuer"],
)
def test_key_9_what_is_read_late_is_found_at_once(there, wrong):
    data = listed(pki.root()).public_bytes(Encoding.DER)
    assert there in data
    with pytest.raises(NoMatchError) as caught:
        revocation.parse(data.replace(there, wrong, 1))
    assert caught.value.rule == "KEY-9"


def test_tru_9_the_fingerprint_of_an_authority_is_nobody_s():
    """It would let in everybody whom it certifies."""
    trusted = judged(store())
    with pytest.raises(UntrustedError) as caught:
        ExpectedSigner(trusted.fingerprint).check(pki.certified_signer().certificate, trusted)
    assert caught.value.rule == "TRU-9"
    own = caught.value.hint.rpartition("has ")[2]
    ExpectedSigner(own).check(pki.certified_signer().certificate, trusted)


def test_tru_9_the_expected_signer():
    signer, other = pki.signer(), pki.certified_signer()
    trust = TrustStore((PinnedContact("me", Contact("me", signing=signer.certificate)),))
    trusted = trust.judge(signer.certificate, (), NOW)
    own = fingerprint((signer.certificate,))
    for expected in (
        ExpectedSigner(own),
        ExpectedSigner(own.lower().replace(" ", "")),
        ExpectedSigner("", spki_sha256(signer.certificate)),
    ):
        expected.check(signer.certificate, trusted)
        with pytest.raises(UntrustedError) as caught:
            expected.check(other.certificate, judged(store()))
        assert caught.value.rule == "TRU-9"
