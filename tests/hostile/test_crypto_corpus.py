"""Other people's hostile objects: OpenSSL's fuzzing corpora, and Wycheproof where our code meets padding."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from dicompack.crypto import der, enveloped_cbc, signatures
from dicompack.crypto.algorithms import (
    BLOCK_CIPHERS,
    CURVE_ORDERS,
    DATA,
    ECDSA_SCHEMES,
    ENVELOPED_DATA,
    RSA_OAEP,
    RSA_PSS_SCHEME,
)
from dicompack.crypto.recipients import KeyTransport
from dicompack.errors import BadSignatureError
from tests.conftest import DATA as DATA_SET
from tests.unit.crypto import pki

pytestmark = pytest.mark.shared_data

CORPUS = DATA_SET.parent / "corpus"

_FUZZ = """
import resource, sys, time
from pathlib import Path
from dicompack.crypto import certificates, der, enveloped, enveloped_cbc, secure_dicom, signed
from dicompack.crypto import streamed_signed, time_stamps
from dicompack.crypto.contacts import Contact
from dicompack.crypto.keys import load_decryption_key
from dicompack.crypto.time_stamp_messages import Query, read_reply
from dicompack.errors import DicomPackError, NoMatchError

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
readers = (
    der.parse,
    enveloped.inspect,
    lambda data: enveloped.open_(data, []),
    lambda data: enveloped_cbc.open_(data, []),
    lambda data: secure_dicom.open_to(der.InMemory(data), [], len),
    lambda data: streamed_signed.verify(der.InMemory(data), len, secure_dicom.RULES),
    signed.verify,
    lambda data: signed.verify(data, may_be_stamped=True),
    lambda data: time_stamps.verify(data, b"x"),
    lambda data: read_reply(data, b"x", None),
    Query.parse,
    lambda data: certificates.parse_any(data, NoMatchError),
    Contact.parse,
    lambda data: load_decryption_key(data, lambda: b"x"),
)
count = 0
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        data = path.read_bytes()
        for read in readers:
            began = time.monotonic()
            try:
                read(data)
            except DicomPackError:
                pass
            assert time.monotonic() - began < 5, path.name
            count += 1
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(count, int(grown), file=sys.stdout)
"""


def test_fuzzing_corpora() -> None:
    """Nothing but our own errors, nothing that hangs, less than 200 MB."""
    folder = CORPUS / "der-fuzz"
    if not folder.is_dir():
        pytest.skip("the corpus is not here")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FUZZ, str(folder)], capture_output=True, text=True, timeout=280
    )
    assert result.returncode == 0, result.stderr
    count, grown = map(int, result.stdout.split())
    assert count > 10_000 and grown < 200


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    path = CORPUS / "wycheproof" / name
    if not path.is_file():
        pytest.skip("the corpus is not here")
    groups = json.loads(path.read_text("utf-8"))["testGroups"]
    return [(group, test) for group in groups for test in group["tests"]]


def test_wycheproof_rsa_oaep() -> None:
    """Bleichenbacher, Manger: what is not valid gives nothing, and a label is not ours."""
    count = 0
    for group, test in vectors("rsa_oaep_3072_sha256_mgf1sha256_test.json"):
        private_key = load_der_private_key(bytes.fromhex(group["privateKeyPkcs8"]), None)
        found = KeyTransport(b"x", RSA_OAEP, bytes.fromhex(test["ct"])).unwrap(private_key)  # type: ignore[arg-type]
        right = test["result"] == "valid" and not test["label"]
        assert found == (bytes.fromhex(test["msg"]) if right else None), test["tcId"]
        count += 1
    assert count == 37


def test_wycheproof_ecdsa() -> None:
    """What is not valid is refused; of what is valid the one form that is written: DER, and the smaller s."""
    taken = count = 0
    for group, test in vectors("ecdsa_secp256r1_sha256_test.json"):
        key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
        right = test["result"] == "valid"
        if right:
            _, s = utils.decode_dss_signature(signature)
            right = 2 * s <= CURVE_ORDERS["secp256r1"]
        try:
            signatures.verify_statement(key, signature, message, ECDSA_SCHEMES["secp256r1"])
        except InvalidSignature:
            assert not right, test["tcId"]
        else:
            assert right, test["tcId"]
            taken += 1
        count += 1
    assert count == 484 and taken > 50


def test_wycheproof_rsa_pss() -> None:
    """SHA-256, MGF1 with SHA-256, 32 bytes of salt, and nothing else."""
    count = 0
    for group, test in vectors("rsa_pss_3072_sha256_mgf1_32_test.json"):
        key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        assert isinstance(key, rsa.RSAPublicKey)
        signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
        try:
            signatures.verify_statement(key, signature, message, RSA_PSS_SCHEME)
        except InvalidSignature:
            assert test["result"] == "invalid", test["tcId"]
        else:
            assert test["result"] in ("valid", "acceptable"), test["tcId"]
        count += 1
    assert count > 50


def test_wycheproof_cbc_padding() -> None:
    """Vaudenay: every kind of wrong padding is the one error, and right padding the message."""
    certificate = pki.recipient().certificate
    whole = enveloped_cbc.seal(b"x", [certificate])
    identifier = pki.element(whole, 1, 0, 1, 0, 1).content.tobytes()
    by_size = {cipher.key_size: cipher for cipher in BLOCK_CIPHERS if cipher.block_size == 16}
    texts, count = set(), 0
    for group, test in vectors("aes_cbc_pkcs5_test.json"):
        cipher = by_size[group["keySize"] // 8]
        iv, ciphertext = bytes.fromhex(test["iv"]), bytes.fromhex(test["ct"])
        if not ciphertext or len(ciphertext) % 16:
            continue
        data = _cbc(bytes.fromhex(test["key"]), cipher.identifier(iv), ciphertext, identifier)
        if test["result"] == "valid":
            assert enveloped_cbc.open_(data, [pki.recipient()]) == bytes.fromhex(test["msg"])
        else:
            with pytest.raises(BadSignatureError) as caught:
                enveloped_cbc.open_(data, [pki.recipient()])
            texts.add((str(caught.value), caught.value.hint))
        count += 1
    assert count > 150 and len(texts) == 1


def _cbc(key: bytes, algorithm: bytes, ciphertext: bytes, identifier: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding

    from dicompack.crypto.algorithms import RSA_KEY_TRANSPORT

    info = der.sequence(
        der.integer(2),
        der.encode(0x80, identifier),
        RSA_KEY_TRANSPORT,
        der.octet_string(pki.key("recipient").public_key().encrypt(key, padding.PKCS1v15())),
    )
    content = der.sequence(DATA, algorithm, der.encode(0x80, ciphertext))
    inner = der.sequence(der.integer(2), der.set_of([info]), content)
    return der.sequence(ENVELOPED_DATA, der.explicit(0, inner))
