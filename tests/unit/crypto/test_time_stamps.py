"""Time-stamp tokens, queries and replies: what is taken, and everything that is not."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from dicompack.crypto import der, signed, time_stamps
from dicompack.crypto.time_stamp_messages import MAX_REPLY, Query, read_reply
from dicompack.crypto.trust import AuthorityAnchor, PinnedContact, Role, TrustStore, load_time_stamp_anchors
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    InputError,
    NoMatchError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests.time_stamps import ECDSA, POLICY, SHA1, SHA256, STAMPS, TST_INFO, Authority, attribute
from tests.unit.crypto import pki

VALUE = b"the value of a signature"
IMPRINT = hashlib.sha256(VALUE).digest()
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@cache
def authority() -> Authority:
    return Authority(start=AT - timedelta(days=9), end=AT + timedelta(days=9))


def refused(token: bytes, rule: str, kind: type[DicomPackError], value: bytes = VALUE) -> None:
    with pytest.raises(kind) as caught:
        time_stamps.verify(token, value)
    assert caught.value.rule == rule


def test_a_token_says_when_and_who():
    token = authority().token(authority().info(IMPRINT, AT, 5))
    stamp = time_stamps.verify(token, VALUE)
    assert (stamp.time, stamp.nonce) == (AT, 5)
    assert stamp.certificate.public_key() == pki.key("Time").public_key()
    assert [one.subject for one in stamp.chain] == [authority().root.subject]
    again = authority().token(authority().info(IMPRINT, AT), by_key_identifier=True)
    assert time_stamps.verify(again, VALUE).time == AT


def test_other_forms_that_authorities_use():
    """A fraction of a second, an accuracy, ordering, SHA-1 to name the certificate, ECDSA."""
    seconds, millis = der.integer(2), der.encode(0x80, b"\x05")
    info = authority().info(
        IMPRINT,
        moment=b"20260504030201.5Z",
        more=(der.sequence(seconds, millis), der.encode(der.BOOLEAN, b"\xff")),
        last=(der.explicit(0, der.encode(0xA4, der.sequence())),),
    )
    stamp = time_stamps.verify(authority().token(info), VALUE)
    assert stamp.time == AT + timedelta(seconds=2.505)

    def named_by_sha1(made: dict[str, bytes]) -> dict[str, bytes]:
        digest = hashlib.sha1(pki.raw(_leaf), usedforsecurity=False).digest()
        ids = der.sequence(der.sequence(der.sequence(der.octet_string(digest))))
        return {**made, "certificate": attribute("1.2.840.113549.1.9.16.2.12", ids)}

    class Fixed(Authority):
        def certificate(self) -> x509.Certificate:
            return _leaf

    _leaf = authority().certificate()
    fixed = Fixed(start=authority().start, end=authority().end)
    token = fixed.token(fixed.info(IMPRINT, AT), attributes=named_by_sha1)
    assert time_stamps.verify(token, VALUE).certificate == _leaf
    on_curve = Authority("on a curve", key=ec.generate_private_key(ec.SECP256R1()))
    assert time_stamps.verify(on_curve.token(on_curve.info(IMPRINT, AT)), VALUE).time == AT


def test_another_imprint_tsp_3():
    token = authority().stamped(VALUE, AT)
    refused(token, "TSP-3", BadSignatureError, VALUE + b"!")
    other = authority().info(hashlib.sha256(b"other").digest(), AT)
    refused(authority().token(other), "TSP-3", BadSignatureError)


def test_a_token_that_was_not_signed_so_tsp_4():
    own = authority()
    late = own.info(IMPRINT, AT + timedelta(days=1))
    refused(own.token(own.info(IMPRINT, AT), signed_info=late), "TSP-4", BadSignatureError)
    refused(own.token(own.info(IMPRINT, AT), pool=[own.root]), "TSP-4", BadSignatureError)
    for gone in ({"content", "digest"}, {"certificate", "content"}):
        token = own.token(
            own.info(IMPRINT, AT), attributes=lambda made, gone=gone: {k: made[k] for k in made if k in gone}
        )
        with pytest.raises((BadSignatureError, FormatError)):
            time_stamps.verify(token, VALUE)
    another = Authority("another")
    stolen = own.token(own.info(IMPRINT, AT), pool=[another.certificate(), another.root])
    refused(stolen, "TSP-4", BadSignatureError)


@pytest.mark.parametrize(
    "changes",
    [
        {"critical": (), "extra": (STAMPS,)},
        {"critical": ()},
        {"critical": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),)},
        {
            "critical": (
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION]
                ),
            )
        },
        {"critical": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),)},
        {"usage": ("key_encipherment",)},
        {"usage": pki.CERTIFIES},
    ],
    ids=["not critical", "none", "another", "two", "any", "does not sign", "certifies"],
)
def test_a_certificate_for_something_else_tsp_5(changes):
    wrong = Authority("for something else", **changes)
    refused(wrong.stamped(VALUE), "TSP-5", BadSignatureError)
    store = TrustStore((wrong.anchor,))
    with pytest.raises(UntrustedError) as caught:
        store.judge(wrong.certificate(), (), datetime.now(UTC), Role.TIMESTAMP)
    assert caught.value.rule == "TSP-5"


def test_algorithms_of_the_list_tsp_2():
    own = authority()
    sha1 = own.info(hashlib.sha1(VALUE, usedforsecurity=False).digest(), AT, digest=SHA1)
    refused(own.token(sha1), "TSP-2", UnsupportedError)
    refused(own.token(own.info(IMPRINT, AT), algorithm=ECDSA), "TSP-2", UnsupportedError)
    sha512 = der.sequence(der.object_identifier("1.2.840.113549.1.1.13"), der.null())
    refused(own.token(own.info(IMPRINT, AT), algorithm=sha512), "TSP-2", UnsupportedError)
    critical = der.encode(
        0xA1,
        der.sequence(POLICY, der.encode(der.BOOLEAN, b"\xff"), der.octet_string(b"")),
    )
    refused(own.token(own.info(IMPRINT, AT, last=(critical,))), "TSP-2", UnsupportedError)


@pytest.mark.parametrize(
    "moment", [b"20260504030201", b"20260504030201+0100", b"20261304030201Z", b"2026050403Z", b"\xff" * 15]
)
def test_a_time_in_another_form_tsp_1(moment):
    refused(authority().token(authority().info(IMPRINT, moment=moment)), "TSP-1", FormatError)


def test_other_structures_tsp_1():
    own = authority()
    for accuracy in (der.sequence(der.integer(86_401)), der.sequence(der.encode(0x80, b"\x03\xe8"))):
        refused(own.token(own.info(IMPRINT, AT, more=(accuracy,))), "TSP-1", FormatError)
    last_second = own.info(IMPRINT, moment=b"99991231235959Z", more=(der.sequence(der.integer(1)),))
    refused(own.token(last_second), "TSP-1", FormatError)
    refused(signed.sign(own.info(IMPRINT, AT), pki.signer(), AT), "TSP-1", FormatError)
    refused(b"\x30\x82\xff\xff" + bytes(1 << 16), "TSP-1", FormatError)
    twice = own.token(
        own.info(IMPRINT, AT),
        attributes=lambda made: {
            **made,
            "content": attribute("1.2.840.113549.1.9.3", TST_INFO, der.object_identifier("1.2.3")),
        },
    )
    refused(twice, "TSP-1", FormatError)
    two = own.stamped(VALUE, AT)
    signer = bytes(pki.element(two, 1, 0, 4, 0).raw)
    refused(pki.edit(two, (1, 0, 4, 0), signer + signer), "TSP-1", FormatError)
    refused(pki.edit(two, (1, 0, 0), der.integer(1)), "TSP-1", FormatError)
    refused(pki.edit(two, (1, 0, 2, 0), der.object_identifier("1.2.840.113549.1.7.1")), "TSP-1", FormatError)


def test_every_changed_bit_under_the_signature_is_noticed():
    token = authority().stamped(VALUE, AT)
    time_stamps.verify(token, VALUE)
    content = pki.element(token, 1, 0, 2)
    signer = pki.element(token, 1, 0, 4, 0)
    for part in (content, signer):
        for position in range(part.start, part.end):
            changed = bytearray(token)
            changed[position] ^= 1 << position % 8
            with pytest.raises(DicomPackError):
                time_stamps.verify(bytes(changed), VALUE)


def test_nothing_but_our_errors_for_any_bytes():
    token = authority().stamped(VALUE, AT)
    for position in range(0, len(token), 3):
        changed = bytearray(token)
        changed[position] ^= 0xFF
        for data in (bytes(changed), token[:position]):
            with contextlib.suppress(DicomPackError):
                time_stamps.verify(data, VALUE)


def test_queries_and_replies_tsp_7():
    query = Query.of(VALUE)
    assert Query.parse(query.marshal()) == query
    assert query.imprint == IMPRINT and query.nonce != Query.of(VALUE).nonce
    own = Authority()
    reply = own.reply(query.marshal())
    token, stamp = read_reply(reply, VALUE, query)
    assert stamp.nonce == query.nonce and read_reply(token, VALUE, query)[0] == token
    read_reply(reply, VALUE, None)
    for wrong, value, rule in (
        (own.reply(query.marshal(), other_nonce=5), VALUE, "TSP-7"),
        (own.reply(query.marshal(), status=2), VALUE, "TSP-7"),
        (der.sequence(der.sequence(der.integer(0))), VALUE, "TSP-7"),
        (bytes(MAX_REPLY + 1), VALUE, "TSP-7"),
        (reply, VALUE + b"!", "TSP-3"),
        (own.token(own.info(IMPRINT)), VALUE, "TSP-7"),
        (b"<html>", VALUE, "DER-2"),
        (Authority("bare", critical=()).reply(query.marshal()), VALUE, "TSP-5"),
        (own.reply(query.marshal())[:-1], VALUE, "DER-3"),
    ):
        with pytest.raises(InputError) as caught:
            read_reply(wrong, value, query)
        assert caught.value.rule == rule
    for wrong in (b"", b"no query", own.stamped(VALUE), query.marshal()[:-1]):
        with pytest.raises(UsageError) as usage:
            Query.parse(wrong)
        assert usage.value.rule == "TSP-7"


def test_the_worked_example():
    """The query of the specification: `hello` under the nonce 5."""
    made = Query(Query.of(b"").digest, hashlib.sha256(b"hello").digest(), 5).marshal()
    assert made.hex() == (
        "303a020101302f300b0609608648016503040201"
        "04202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        "0201050101ff"
    )


def test_an_authority_is_trusted_in_its_role_only():
    """TRU-1, TRU-5: a signer's authority vouches for no time, and an authority for time for no signer."""
    own = Authority()
    leaf, at = own.certificate(), datetime.now(UTC)
    trusted = TrustStore((own.anchor,)).judge(leaf, (), at, Role.TIMESTAMP)
    assert (trusted.name, trusted.how) == ("Time", "authority")
    (loaded,) = load_time_stamp_anchors("Time", pki.pem(own.root))
    assert loaded == own.anchor
    for store, certificate, role, rule in (
        (TrustStore((AuthorityAnchor("signers", own.root),)), leaf, Role.TIMESTAMP, "TRU-5"),
        (TrustStore((Authority("another").anchor,)), leaf, Role.TIMESTAMP, "TRU-4"),
        (TrustStore(), leaf, Role.TIMESTAMP, "TRU-1"),
        (TrustStore((own.anchor,)), pki.signer().certificate, Role.SIGNER, "TRU-5"),
    ):
        with pytest.raises(UntrustedError) as caught:
            store.judge(certificate, (), pki.NOW if role is Role.SIGNER else at, role)
        assert caught.value.rule == rule
    with pytest.raises(NoMatchError) as not_one:
        load_time_stamp_anchors("leaf", pki.pem(leaf))
    assert not_one.value.rule == "TRU-6" and "above it" in not_one.value.hint
    assert not any(isinstance(one, PinnedContact) for one in (loaded,))


def test_an_intermediate_authority_for_time_stamps():
    """A chain as public authorities have it: the one in between is for time-stamps only."""
    own = Authority()
    at = datetime.now(UTC)
    for purposes, fits in (
        (STAMPS, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
    ):
        between = pki.certificate(
            "between",
            pki.CERTIFIES,
            ca=True,
            issuer=(own.root, pki.key("Time root")),
            start=own.start,
            end=own.end,
            extra=(purposes,),
        )
        leaf = pki.certificate(
            "leaf",
            None,
            issuer=(between, pki.key("between")),
            start=own.start,
            end=own.end,
            critical=(STAMPS,),
        )
        store = TrustStore((own.anchor,))
        if fits:
            assert store.judge(leaf, (between,), at, Role.TIMESTAMP).name == "Time"
            continue
        with pytest.raises(UntrustedError) as caught:
            store.judge(leaf, (between,), at, Role.TIMESTAMP)
        assert caught.value.rule == "TRU-4"


def test_another_kind_of_key_tsp_2():
    ed = pki.certificate(
        "ed",
        ("digital_signature",),
        of=ed25519.Ed25519PrivateKey.generate(),
        issuer=pki.root(),
        critical=(STAMPS,),
    )

    class Other(Authority):
        def certificate(self) -> x509.Certificate:
            return ed

    refused(Other().stamped(VALUE), "TSP-2", UnsupportedError)


def test_a_statement_is_the_same_before_and_after_it_was_stamped():
    """CMS-4: one token in a SEAL, nothing else, and nowhere else."""
    plain = signed.sign(b"content", pki.signer(), AT)
    value = signed.verify(plain).signature
    token = authority().stamped(value, AT)
    stamped = signed.with_token(plain, token)
    found = signed.verify(stamped, may_be_stamped=True)
    assert (found.token, found.statement, found.signature) == (token, plain, value)
    assert signed.verify(plain, may_be_stamped=True).token is None
    later = authority().stamped(value, AT + timedelta(days=1))
    assert signed.with_token(stamped, later) == signed.with_token(plain, later)
    attributes = (1, 0, 4, 0, 6)
    one = bytes(pki.element(stamped, *attributes, 0).raw)
    for wrong, allowed in (
        (stamped, False),
        (pki.edit(stamped, (*attributes, 0), one + one), True),
        (pki.edit(stamped, attributes, der.encode(0xA1)), True),
        (pki.edit(stamped, (*attributes, 0, 0), der.object_identifier("1.2.3")), True),
        (pki.edit(stamped, (*attributes, 0, 1, 0), token + token), True),
        (pki.edit(stamped, (*attributes, 0, 1, 0), b""), True),
    ):
        with pytest.raises(BadSignatureError) as caught:
            signed.verify(wrong, may_be_stamped=allowed)
        assert caught.value.rule == "CMS-4"
    longer = der.sequence(*(child.raw for child in pki.element(stamped, *attributes, 0).children), SHA256)
    with pytest.raises(BadSignatureError):
        signed.verify(pki.edit(stamped, (*attributes, 0), longer), may_be_stamped=True)
