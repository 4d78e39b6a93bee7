"""Raw signatures: exact bytes, strong keys, no other digest."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from dicompack.crypto import der, signatures
from dicompack.crypto.algorithms import CURVE_ORDERS
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.signatures import Digest
from dicompack.errors import BadSignatureError
from tests.unit.crypto import pki

CHUNKS = [b"one", memoryview(b"two"), b"", b"three"]


@pytest.mark.parametrize("digest", list(Digest))
def test_round_trip(digest: Digest) -> None:
    signature = signatures.sign(pki.signer(), CHUNKS, digest=digest)
    certificate = signatures.verify(
        pki.raw(pki.signer().certificate), signature, [b"onetwothree"], digest=str(digest)
    )
    assert certificate == pki.signer().certificate
    for other in Digest:
        if other is not digest:
            with pytest.raises(BadSignatureError):
                signatures.verify(pki.raw(certificate), signature, CHUNKS, digest=other)


def test_is_pkcs1_sha256() -> None:
    signature = signatures.sign(pki.signer(), CHUNKS)
    assert signature == pki.key("signer").sign(b"onetwothree", padding.PKCS1v15(), hashes.SHA256())


def test_every_flipped_bit_of_the_signature_is_found() -> None:
    """KEY-7: and of the content, and of the length."""
    certificate = pki.raw(pki.signer().certificate)
    signature = signatures.sign(pki.signer(), CHUNKS)
    wrong = [
        signature[:n] + bytes([signature[n] ^ 1 << n % 8]) + signature[n + 1 :] for n in range(len(signature))
    ]
    for one in [*wrong, signature[:-1], signature + b"\0", b"\0" + signature, b""]:
        with pytest.raises(BadSignatureError) as caught:
            signatures.verify(certificate, one, CHUNKS)
        assert caught.value.rule == "KEY-7"
    with pytest.raises(BadSignatureError) as caught:
        signatures.verify(certificate, signature, [b"onetwothre", b"f"])
    assert caught.value.rule == "KEY-7"


@pytest.fixture(params=[ec.SECP256R1(), ec.SECP384R1()], ids=lambda curve: curve.name)
def on_curve(request):
    key = ec.generate_private_key(request.param)
    return SigningKey(pki.certificate("curve", pki.SIGNS, of=key), key)


def test_ecdsa_has_one_form(on_curve) -> None:
    """KEY-7: DER, the low s, and even length; every bit counts."""
    certificate = pki.raw(on_curve.certificate)
    lengths = set()
    for _ in range(12):
        signature = signatures.sign(on_curve, CHUNKS)
        signatures.verify(certificate, signature, CHUNKS)
        length = der.object_length(signature)
        lengths.add(length % 2)
        assert len(signature) == length + length % 2
        r, s = utils.decode_dss_signature(signature[:length])
        high = utils.encode_dss_signature(r, CURVE_ORDERS[on_curve.certificate.public_key().curve.name] - s)
        wrong = [
            high + bytes(len(high) % 2),
            signature + b"\0\0",
            signature + b"\0",
            signature[:-1],
            b"",
            signature[:length] + b"\1" * (length % 2 or 2),
            *(signature[:n] + bytes([signature[n] ^ 1]) + signature[n + 1 :] for n in range(len(signature))),
        ]
        for one in wrong:
            with pytest.raises(BadSignatureError) as caught:
                signatures.verify(certificate, one, CHUNKS)
            assert caught.value.rule == "KEY-7"
        with pytest.raises(BadSignatureError):
            signatures.verify(certificate, signature, [b"another"])
    assert lengths == {0, 1}, "both were met"


def test_another_curve_signs_nothing() -> None:
    """KEY-2."""
    key = ec.generate_private_key(ec.SECP521R1())
    certificate = pki.certificate("curve", pki.SIGNS, of=key)
    with pytest.raises(BadSignatureError) as caught:
        signatures.verify(pki.raw(certificate), key.sign(b"x", ec.ECDSA(hashes.SHA256())), [b"x"])
    assert caught.value.rule == "KEY-2"


def test_pss_and_sha1_are_refused() -> None:
    """KEY-2, KEY-7: another scheme, another digest."""
    certificate, key = pki.raw(pki.signer().certificate), pki.key("signer")
    pss = key.sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    sha1 = key.sign(b"x", padding.PKCS1v15(), hashes.SHA1())
    for signature in (pss, sha1):
        with pytest.raises(BadSignatureError):
            signatures.verify(certificate, signature, [b"x"])
    for name in ("SHA1", "RIPEMD160", "MD5", "", "sha256"):
        with pytest.raises(BadSignatureError) as caught:
            signatures.verify(certificate, sha1, [b"x"], digest=name)
        assert caught.value.rule == "KEY-2"
    with pytest.raises(ValueError, match="SHA1"):
        signatures.sign(pki.signer(), [b"x"], digest="SHA1")


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2048, 3)])
def test_weak_keys_are_refused(bits: int, exponent: int) -> None:
    """KEY-2: even under a signature that fits."""
    key = pki.key("weak", bits, exponent)
    signature = key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
    certificate = pki.certificate("weak", pki.SIGNS, of=key)
    with pytest.raises(BadSignatureError) as caught:
        signatures.verify(pki.raw(certificate), signature, [b"x"])
    assert caught.value.rule == "KEY-2"


def test_certificate_is_exact() -> None:
    """KEY-1: the caller trims the pad of its carrier, with der_length."""
    certificate = pki.raw(pki.signer().certificate)
    signature = signatures.sign(pki.signer(), CHUNKS)
    padded = certificate + b"\0"
    with pytest.raises(BadSignatureError) as caught:
        signatures.verify(padded, signature, CHUNKS)
    assert caught.value.rule == "KEY-1"
    signatures.verify(padded[: signatures.der_length(padded)], signature, CHUNKS)
    for wrong in (b"", b"\x30", b"\x30\x80\0\0", certificate[:-1]):
        with pytest.raises(BadSignatureError) as caught:
            signatures.der_length(wrong)
        assert caught.value.rule == "KEY-1"
