"""SignedData: what it says, that nothing in it can be changed, and that nothing can be added."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from dicompack.crypto import certificates, der, signed
from dicompack.crypto.algorithms import (
    CURVE_ORDERS,
    MESSAGE_DIGEST,
    RSA_PKCS1,
    RSA_PSS_SCHEME,
    RSA_SCHEME,
    SHA256,
)
from dicompack.crypto.keys import SigningKey
from dicompack.errors import BadSignatureError, DicomPackError, FormatError, UnsupportedError, UsageError
from tests.unit.crypto import pki

cms = pytest.importorskip("asn1crypto.cms")

CONTENT = b"hello"
SIGNED = (1, 0)  # path of SignedData
VERSION, DIGESTS, INSIDE, CERTIFICATES, SIGNERS = ((*SIGNED, n) for n in range(5))
SIGNER = (*SIGNERS, 0)
ATTRIBUTES, SIGNATURE = (*SIGNER, 3), (*SIGNER, 5)


def made(signer: SigningKey | None = None) -> bytes:
    return signed.sign(CONTENT, signer or pki.signer(), pki.NOW)


def resigned(attributes: list[bytes], signer: SigningKey | None = None, content: bytes = CONTENT) -> bytes:
    """By the holder of the key, who may sign whatever attributes he likes."""
    key = signer or pki.signer()
    signature = key.private_key.sign(der.set_of(attributes), padding.PKCS1v15(), hashes.SHA256())
    chain = tuple(pki.raw(one) for one in (key.certificate, *key.chain))
    return signed._marshal(
        content, chain, attributes, certificates.issuer_and_serial(key.certificate), RSA_SCHEME, signature
    )


def attributes_of(data: bytes) -> list[bytes]:
    return [bytes(one.raw) for one in pki.element(data, *ATTRIBUTES).children]


def refuses(data: bytes, error: type[DicomPackError], rule: str) -> None:
    with pytest.raises(error) as caught:
        signed.verify(data)
    assert caught.value.rule == rule


def test_round_trip() -> None:
    result = signed.verify(made())
    assert (result.content, result.certificate, result.chain) == (CONTENT, pki.signer().certificate, ())
    assert result.claimed_time == pki.NOW
    assert signed.verify(signed.sign(b"", pki.signer(), pki.NOW)).content == b""
    large = bytes(70_000)
    assert signed.verify(signed.sign(large, pki.signer(), pki.NOW)).content == large


def test_chain_travels_in_order() -> None:
    result = signed.verify(made(pki.certified_signer()))
    assert result.certificate == pki.certified_signer().certificate
    assert result.chain == pki.certified_signer().chain


@pytest.mark.parametrize("year", [1970, 2026, 2049, 2050, 9999])
def test_time_is_whole_seconds_in_utc(year: int) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    at = datetime(year, 6, 1, 12, 0, 0, 999_999, zone)
    claimed = signed.verify(signed.sign(CONTENT, pki.signer(), at)).claimed_time
    assert claimed == at.replace(microsecond=0) and claimed.utcoffset() == timedelta(0)


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])  # noqa: DTZ001
def test_times_that_cannot_be_signed(at: datetime) -> None:
    with pytest.raises(ValueError, match="time"):
        signed.sign(CONTENT, pki.signer(), at)


@pytest.mark.parametrize(("signer", "step"), [(pki.signer, 1), (pki.certified_signer, 3)])
def test_every_flipped_bit_is_refused(signer: object, step: int) -> None:
    """CMS-6, CMS-7, CMS-8: one bit in each byte (with a chain: each third), another in each run of eight."""
    data = made(signer())  # type: ignore[operator]
    for position in range(0, len(data), step):
        wrong = bytearray(data)
        wrong[position] ^= 1 << position % 8
        with pytest.raises((FormatError, UnsupportedError, BadSignatureError)):
            signed.verify(bytes(wrong))


def test_every_truncation_and_every_addition_is_refused() -> None:
    data = made()
    for size in range(len(data)):
        with pytest.raises(FormatError):
            signed.verify(data[:size])
    for more in (b"\0", b"\x05\x00", data):
        refuses(data + more, FormatError, "DER-3")


def test_asn1crypto_reads_the_same() -> None:
    signer = pki.certified_signer()
    info = cms.ContentInfo.load(made(signer), strict=True)
    data = info["content"]
    assert info["content_type"].native == "signed_data"
    assert data["version"].native == "v1"
    assert data["encap_content_info"]["content"].native == CONTENT
    assert [one.chosen.dump() for one in data["certificates"]] == sorted(
        pki.raw(one) for one in (signer.certificate, *signer.chain)
    )
    (one,) = data["signer_infos"]
    assert one["digest_algorithm"]["algorithm"].native == "sha256"
    assert one["signature_algorithm"].dump() == RSA_PKCS1
    assert one["sid"].chosen["serial_number"].native == signer.certificate.serial_number
    assert one["sid"].chosen["issuer"].dump() == signer.certificate.issuer.public_bytes()
    attributes = {entry["type"].native: entry["values"].native for entry in one["signed_attrs"]}
    assert attributes["content_type"] == ["data"]
    assert attributes["message_digest"] == [hashlib.sha256(CONTENT).digest()]
    assert attributes["signing_time"] == [pki.NOW]
    (certificate_ids,) = attributes["1.2.840.113549.1.9.16.2.47"]  # unknown to asn1crypto: numbered fields
    assert [one_id["0"] for one_id in certificate_ids["0"].values()] == [
        hashlib.sha256(pki.raw(entry)).digest() for entry in (signer.certificate, *signer.chain)
    ]
    protection = attributes["cms_algorithm_protection"][0]
    assert protection["digest_algorithm"]["algorithm"] == "sha256"
    assert protection["signature_algorithm"]["algorithm"] == "rsassa_pkcs1v15"
    assert len(attributes) == 5
    assert one["unsigned_attrs"].native is None
    assert info.dump(force=True) == made(signer)


# ---------------------------------------------------------------------------------- made by a stranger


def test_other_structures() -> None:
    """CMS-1: another content type or version."""
    data = made()
    other = der.object_identifier("1.2.840.113549.1.7.3")
    refuses(pki.edit(data, (0,), other), UnsupportedError, "CMS-1")
    refuses(pki.edit(data, (*INSIDE, 0), other), UnsupportedError, "CMS-1")
    for path in (VERSION, (*SIGNER, 0)):
        refuses(pki.edit(data, path, der.integer(3)), UnsupportedError, "CMS-1")
    refuses(pki.edit(data, VERSION, b""), FormatError, "DER-5")
    refuses(pki.edit(data, (*INSIDE, 1), b""), FormatError, "DER-5")  # detached
    refuses(der.sequence(), FormatError, "DER-5")
    refuses(b"\x31" + data[1:], FormatError, "DER-5")
    refuses(b"hello", FormatError, "DER-3")
    refuses(b"", FormatError, "DER-3")


def test_indefinite_length_is_refused() -> None:
    inner = pki.element(made(), 1).raw
    refuses(
        b"\x30\x80" + pki.element(made(), 0).raw.tobytes() + inner.tobytes() + b"\0\0", FormatError, "DER-1"
    )
    refuses(b"\x30\x80" + made()[4:] + b"\0\0", FormatError, "DER-1")


def test_surplus_certificate() -> None:
    """CMS-2: one more, one less, another one."""
    data = made(pki.certified_signer())
    pool = [bytes(one.raw) for one in pki.element(data, *CERTIFICATES).children]
    stranger = pki.raw(pki.recipient().certificate)
    for wrong in ([*pool, stranger], pool[1:], [*pool[1:], stranger], [stranger]):
        refuses(pki.edit(data, CERTIFICATES, der.set_of(wrong, 0xA0)), BadSignatureError, "CMS-2")
    refuses(pki.edit(data, CERTIFICATES, b""), FormatError, "DER-5")
    refuses(pki.edit(data, CERTIFICATES, der.encode(0xA0, *reversed(pool))), FormatError, "DER-7")


def test_certificate_ids_name_each_once() -> None:
    """CMS-2: none, twice, too many."""
    attributes = attributes_of(made())
    own = hashlib.sha256(pki.raw(pki.signer().certificate)).digest()
    for digests in ([], [own, own], [bytes([n]) * 32 for n in range(12)]):
        ids = der.sequence(*(der.sequence(der.octet_string(digest)) for digest in digests))
        forged = [
            der.sequence(one_type(one), der.set_of([der.sequence(ids)]))
            if is_certificate_attribute(one)
            else one
            for one in attributes
        ]
        refuses(resigned(forged), BadSignatureError, "CMS-2")


def one_type(attribute: bytes) -> bytes:
    return bytes(der.parse(attribute).children[0].raw)


def is_certificate_attribute(attribute: bytes) -> bool:
    return one_type(attribute) == der.object_identifier("1.2.840.113549.1.9.16.2.47")


def test_certificate_of_the_same_key() -> None:
    """CMS-2: another certificate for the signer's key, with another name."""
    other = pki.certificate("somebody else", pki.SIGNS, of=pki.key("signer"))
    data = pki.edit(made(), CERTIFICATES, der.set_of([pki.raw(other)], 0xA0))
    refuses(data, BadSignatureError, "CMS-2")
    data = pki.edit(data, (*SIGNER, 1), certificates.issuer_and_serial(other))
    refuses(data, BadSignatureError, "CMS-2")


def test_two_signers_and_none() -> None:
    """CMS-3."""
    data = made()
    one = bytes(pki.element(data, *SIGNER).raw)
    other = bytes(pki.element(made(pki.signer("other")), *SIGNER).raw)
    refuses(pki.edit(data, SIGNERS, der.set_of([one, other])), BadSignatureError, "CMS-3")
    refuses(pki.edit(data, SIGNERS, der.set_of([])), BadSignatureError, "CMS-3")


def test_unsigned_attribute() -> None:
    """CMS-4: anybody could have added it."""
    attribute = der.sequence(der.object_identifier("1.2.3"), der.set_of([der.null()]))
    old = bytes(pki.element(made(), *SIGNATURE).raw)
    data = pki.edit(made(), SIGNATURE, old + der.set_of([attribute], 0xA1))
    refuses(data, BadSignatureError, "CMS-4")


def test_signed_attributes_are_exactly_five() -> None:
    """CMS-5: more, fewer, twice, several values; each signed by the holder of the key."""
    attributes = attributes_of(made())
    signed.verify(resigned(attributes))
    extra = der.sequence(der.object_identifier("1.2.3"), der.set_of([der.null()]))
    refuses(resigned([*attributes, extra]), BadSignatureError, "CMS-5")
    for missing in attributes:
        refuses(resigned([one for one in attributes if one != missing]), BadSignatureError, "CMS-5")
    second = der.sequence(MESSAGE_DIGEST, der.set_of([der.octet_string(bytes(32))]))
    refuses(resigned([*attributes, second]), BadSignatureError, "CMS-5")
    values = [der.octet_string(bytes(32)), der.octet_string(hashlib.sha256(CONTENT).digest())]
    for several in (values, []):
        forged = [one for one in attributes if one_type(one) != MESSAGE_DIGEST]
        refuses(
            resigned([*forged, der.sequence(MESSAGE_DIGEST, der.set_of(several))]), BadSignatureError, "CMS-5"
        )


@pytest.mark.parametrize(
    "moment",
    [
        "170b" + b"2605040302Z".hex(),  # no seconds
        "170d" + b"260504030261Z".hex(),  # 61 seconds
        "1711" + b"260504030201+0000".hex(),
        "170d" + b" 60504030201Z".hex(),
        "180f" + b"20260504030201Z".hex(),  # GeneralizedTime before 2050
        "1811" + b"20500504030201.5Z".hex(),
        "170d" + b"550504030201Z".hex(),  # 1955
        "0500",
        "170d" + "ff" * 13,
    ],
)
def test_signing_time_has_one_form(moment: str) -> None:
    """CMS-5."""
    attributes = attributes_of(made())
    kind = der.object_identifier("1.2.840.113549.1.9.5")
    forged = [one for one in attributes if one_type(one) != kind]
    forged.append(der.sequence(kind, der.set_of([bytes.fromhex(moment)])))
    refuses(resigned(forged), BadSignatureError, "CMS-5")


def test_one_representation() -> None:
    """CMS-6: signed and sorted, but not the bytes that this signer would write."""
    data = made()
    # the NULL that RFC 5754 asks to leave out, in places that the signature does not cover
    refuses(
        pki.edit(data, (*SIGNER, 1), certificates.issuer_and_serial(pki.root()[0])),
        BadSignatureError,
        "CMS-6",
    )
    refuses(pki.edit(data, DIGESTS, der.set_of([])), BadSignatureError, "CMS-6")
    # an issuer named in the certificate id, and a content type that is not id-data
    attributes = attributes_of(made())
    content_type = der.object_identifier("1.2.840.113549.1.9.3")
    forged = [one for one in attributes if one_type(one) != content_type]
    forged.append(der.sequence(content_type, der.set_of([der.object_identifier("1.2.3")])))
    refuses(resigned(forged), BadSignatureError, "CMS-6")


def test_other_content() -> None:
    """CMS-7."""
    data = pki.edit(made(), (*INSIDE, 1, 0), der.octet_string(b"other"))
    refuses(data, BadSignatureError, "CMS-7")
    refuses(resigned(attributes_of(made()), content=b"other"), BadSignatureError, "CMS-7")


def test_signature_of_something_else() -> None:
    """CMS-8: another key's, another digest's, over the implicit tag, directly over the content."""
    data, key = made(), pki.key("signer")
    covered = der.set_of(attributes_of(data))
    wrong = [
        pki.key("other").sign(covered, padding.PKCS1v15(), hashes.SHA256()),
        key.sign(covered, padding.PKCS1v15(), hashes.SHA512()),
        key.sign(b"\xa0" + covered[1:], padding.PKCS1v15(), hashes.SHA256()),
        key.sign(CONTENT, padding.PKCS1v15(), hashes.SHA256()),
        bytes(256),
        b"",
    ]
    for signature in wrong:
        refuses(pki.edit(data, SIGNATURE, der.octet_string(signature)), BadSignatureError, "CMS-8")


def test_without_signed_attributes() -> None:
    """DER-5: content and attributes could be confused otherwise."""
    refuses(pki.edit(made(), ATTRIBUTES, b""), FormatError, "DER-5")


def test_algorithms_are_those_of_the_list() -> None:
    """CMS-9: SHA-1, SHA-512, a NULL that does not belong, PSS, sha256WithRSAEncryption."""
    sha1 = der.sequence(der.object_identifier("1.3.14.3.2.26"))
    sha512 = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.3"))
    with_null = der.sequence(pki.element(SHA256, 0).raw, der.null())
    pss = der.sequence(der.object_identifier("1.2.840.113549.1.1.10"), der.sequence())
    combined = der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.null())
    for other in (sha1, sha512, with_null):
        refuses(pki.edit(made(), DIGESTS, der.set_of([other])), UnsupportedError, "CMS-9")
        refuses(pki.edit(made(), (*SIGNER, 2), other), UnsupportedError, "CMS-9")
    for other in (pss, combined):
        refuses(pki.edit(made(), (*SIGNER, 4), other), UnsupportedError, "CMS-9")


def test_weak_signer() -> None:
    """KEY-2: a key of 1024 bits signs, but not for us."""
    key = pki.key("weak", 1024)
    certificate = pki.certificate("weak", pki.SIGNS, of=key)
    chain = (pki.raw(certificate),)
    attributes = signed._attributes(
        hashlib.sha256(CONTENT).digest(), signed._time(pki.NOW), chain, RSA_SCHEME
    )
    signature = key.sign(der.set_of(attributes), padding.PKCS1v15(), hashes.SHA256())
    data = signed._marshal(
        CONTENT, chain, attributes, certificates.issuer_and_serial(certificate), RSA_SCHEME, signature
    )
    refuses(data, BadSignatureError, "KEY-2")


def test_malformed_certificate() -> None:
    """KEY-1: named and signed, but no certificate."""
    data = made()
    broken = der.sequence(der.sequence(der.integer(1), der.sequence(), der.sequence()))
    attributes = signed._attributes(
        hashlib.sha256(CONTENT).digest(), signed._time(pki.NOW), (broken,), RSA_SCHEME
    )
    data = pki.edit(data, ATTRIBUTES, der.set_of(attributes, 0xA0))
    refuses(pki.edit(data, CERTIFICATES, der.set_of([broken], 0xA0)), BadSignatureError, "KEY-1")


def test_nesting_bomb() -> None:
    bomb = b""
    for _ in range(5_000):
        bomb = der.sequence(bomb)
    refuses(pki.edit(made(), ATTRIBUTES, bomb), FormatError, "DER-6")


@pytest.fixture(scope="module", params=["secp256r1", "secp384r1"])
def on_curve(request: pytest.FixtureRequest) -> SigningKey:
    """A signer whose key is on a curve."""
    key = ec.generate_private_key({"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}[request.param])
    return SigningKey(pki.certificate("on a curve", pki.SIGNS, of=key), key)


@pytest.fixture(scope="module")
def pss() -> SigningKey:
    """A signer who signs by RSASSA-PSS."""
    return replace(pki.signer(), pss=True)


class TestPss:
    """RSASSA-PSS with SHA-256, MGF1 with SHA-256, 32 bytes of salt."""

    def test_round_trip(self, pss: SigningKey) -> None:
        data = made(pss)
        assert pki.element(data, *SIGNER, 4).raw == RSA_PSS_SCHEME.identifier
        assert signed.verify(data).certificate == pss.certificate
        again = pickle.loads(pickle.dumps(pss))  # as to a worker
        assert again.pss
        assert not pickle.loads(pickle.dumps(pki.signer())).pss

    def test_every_flipped_bit_is_refused(self, pss: SigningKey) -> None:
        data = made(pss)
        for place in range(0, len(data) * 8, 7):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            with pytest.raises(DicomPackError):
                signed.verify(bytes(changed))

    @pytest.mark.parametrize(("salt", "mask"), [(20, "sha256"), (0, "sha256"), (32, "sha1")])
    def test_other_parameters_cms_8(self, pss: SigningKey, salt: int, mask: str) -> None:
        """The holder of the key signs the right attributes with other parameters than he names."""
        data = made(pss)
        inner = hashes.SHA256() if mask == "sha256" else hashes.SHA1()
        statement = der.set_of(attributes_of(data))
        padded = padding.PSS(padding.MGF1(inner), salt)
        value = pss.private_key.sign(statement, padded, hashes.SHA256())
        refuses(pki.edit(data, SIGNATURE, der.octet_string(value)), BadSignatureError, "CMS-8")

    def test_named_with_other_parameters_cms_9(self, pss: SigningKey) -> None:
        data = made(pss)
        algorithm = bytes(pki.element(data, *SIGNER, 4).raw)
        for other in (algorithm[:-1] + b"\x14", der.sequence(der.parse(algorithm).children[0].raw)):
            refuses(pki.edit(data, (*SIGNER, 4), other), UnsupportedError, "CMS-9")

    def test_one_padding_under_the_name_of_the_other(self, pss: SigningKey) -> None:
        for signer, other in ((pss, pki.signer()), (pki.signer(), pss)):
            value = pki.element(made(other), *SIGNATURE).raw
            refuses(pki.edit(made(signer), SIGNATURE, bytes(value)), BadSignatureError, "CMS-8")

    def test_another_kind_of_key(self, on_curve: SigningKey) -> None:
        with pytest.raises(UsageError):
            replace(on_curve, pss=True)


class TestCurves:
    """ECDSA on P-256 with SHA-256, on P-384 with SHA-384."""

    def test_round_trip(self, on_curve: SigningKey) -> None:
        for _ in range(20):  # of two signatures that fit, the library gives either
            result = signed.verify(made(on_curve))
            assert (result.content, result.certificate) == (CONTENT, on_curve.certificate)
        again = SigningKey.parse(on_curve.marshal())
        assert signed.verify(made(again)).certificate == on_curve.certificate

    def test_the_other_s_cms_8(self, on_curve: SigningKey) -> None:
        data = made(on_curve)
        signature = bytes(pki.element(data, *SIGNATURE).content)
        r, s = utils.decode_dss_signature(signature)
        other = utils.encode_dss_signature(r, CURVE_ORDERS[on_curve.private_key.curve.name] - s)
        refuses(pki.edit(data, SIGNATURE, der.octet_string(other)), BadSignatureError, "CMS-8")

    @pytest.mark.parametrize("signature", [b"", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", bytes(64)])
    def test_no_signature_at_all_cms_8(self, on_curve: SigningKey, signature: bytes) -> None:
        data = pki.edit(made(on_curve), SIGNATURE, der.octet_string(signature))
        refuses(data, BadSignatureError, "CMS-8")

    def test_every_flipped_bit_is_refused(self, on_curve: SigningKey) -> None:
        data = made(on_curve)
        for place in range(0, len(data) * 8, 29):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            with pytest.raises(DicomPackError):
                signed.verify(bytes(changed))

    def test_algorithm_of_another_key(self, on_curve: SigningKey) -> None:
        """The certificate's key decides: RSA named for a curve, a curve for RSA."""
        for signer, other in ((on_curve, pki.signer()), (pki.signer(), on_curve)):
            algorithm = pki.element(made(other), *SIGNER, 4).raw
            with pytest.raises(DicomPackError) as caught:
                signed.verify(pki.edit(made(signer), (*SIGNER, 4), bytes(algorithm)))
            assert caught.value.rule in ("CMS-6", "CMS-8")

    def test_other_curves_key_2(self) -> None:
        for curve in (ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
            key = ec.generate_private_key(curve)
            with pytest.raises(DicomPackError) as caught:
                SigningKey(pki.certificate("other", pki.SIGNS, of=key), key)
            assert caught.value.rule == "KEY-2"
