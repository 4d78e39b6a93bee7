"""PS3.15 D.1: signed inside, encrypted outside, by pieces; and silent about why it fails."""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from dicompack.crypto import certificates, der, enveloped, secure_dicom, signed
from dicompack.crypto.algorithms import AES256_CBC, DATA, SIGNED_DATA
from dicompack.crypto.identities import Algorithm, new_identity
from dicompack.crypto.keys import SigningKey, load_decryption_key
from dicompack.crypto.passwords import Password, PasswordKey
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.crypto.recipients.prescribed_transport import BY_ISSUER, PrescribedTransport
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UnsupportedError,
    UsageError,
)
from tests.unit.crypto import pki

SECRET = "correct horse battery staple, and some more words"
CONTENT = (1, 0, 2)
"""Where EncryptedContentInfo stands."""


def sealed(content: bytes, *addressees: Addressee) -> bytes:
    people = addressees or (pki.recipient().certificate,)
    pieces = secure_dicom.seal([content[:7], content[7:]], len(content), people, pki.signer(), pki.NOW)
    return b"".join(pieces)


def opened(data: bytes, opener: Opener | None = None) -> bytes:
    pieces: list[bytes] = []
    made = secure_dicom.open_to(der.InMemory(data), [opener or pki.recipient()], pieces.append)
    assert made.certificate == pki.signer().certificate
    content = b"".join(pieces)
    assert (made.size, made.sha256) == (len(content), hashes_of(content))
    return content


def hashes_of(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()


def around(inner: bytes, version: int = 2, infos: bytes | None = None) -> bytes:
    """An envelope around anything."""
    key = bytes(32)
    info = PrescribedTransport.wrap(key, pki.recipient().certificate).marshal() if infos is None else infos
    body = der.integer(version) + der.set_of([info])
    return b"".join(secure_dicom._encrypt([inner], len(inner), body, key))


def refuses(data: bytes, error: type[Exception], rule: str, *openers: Opener) -> None:
    with pytest.raises(error) as caught:
        secure_dicom.open_to(der.InMemory(data), openers or [pki.recipient()], lambda _piece: None)
    assert caught.value.rule == rule  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 3_000_001])
def test_round_trip(size: int) -> None:
    content = os.urandom(size)
    key = PasswordKey.new(Password(SECRET))
    data = sealed(content, pki.recipient().certificate, key)
    assert opened(data) == opened(data, Password(SECRET)) == content
    assert opened(sealed(content)) == content


def test_it_says_what_it_is() -> None:
    data = sealed(b"hello")
    assert secure_dicom.is_secure(data[:64])
    secure_dicom.inspect(der.InMemory(data))
    for other in (
        b"",
        b"0",
        b"0\x82",
        data[:10],
        b"".join(enveloped.seal([b"x"], [pki.recipient().certificate])),
    ):
        assert not secure_dicom.is_secure(other)


def test_every_flipped_bit_looks_the_same_or_is_public_sdf_9() -> None:
    """Whatever somebody changes, he learns nothing from the answer: no padding oracle, no Bleichenbacher."""
    data = sealed(b"hello")
    texts = set()
    for position in range(len(data)):
        for bit in range(8) if position % 7 == 0 else (position % 8,):
            wrong = bytearray(data)
            wrong[position] ^= 1 << bit
            try:
                opened(bytes(wrong))
            except BadSignatureError as error:
                texts.add((str(error), error.rule, error.hint))
            except (FormatError, UnsupportedError, NoMatchError):
                continue  # depends on public bytes only
            else:
                raise AssertionError((position, bit))
    assert len(texts) == 1
    assert texts.pop()[1] == "SDF-9"


def test_wrong_key_wrong_padding_and_wrong_signature_are_one_answer_sdf_9() -> None:
    stranger = PrescribedTransport.wrap(os.urandom(32), pki.recipient("stranger").certificate)
    own = pki.recipient().certificate
    name = PrescribedTransport.wrap(b"", own).name
    data = [
        around(b"", infos=PrescribedTransport(2, name, stranger.encrypted_key).marshal()),
        around(b"", infos=PrescribedTransport.wrap(bytes(16), own).marshal()),
        around(os.urandom(64)),
        sealed(b"hello")[:-16] + bytes(16),
    ]
    answers = set()
    for one in data:
        with pytest.raises(BadSignatureError) as caught:
            opened(one)
        answers.add((str(caught.value), caught.value.rule, caught.value.hint))
    assert len(answers) == 1
    # Whoever typed a password is told to look at it, whatever it is that is wrong.
    typed = set()
    good = sealed(b"hello", PasswordKey.new(Password(SECRET)))
    for wrong, password in ((good, SECRET[:-1]), (good[:-16] + bytes(16), SECRET)):
        with pytest.raises(BadSignatureError) as caught:
            opened(wrong, Password(password))
        typed.add((str(caught.value), caught.value.rule, caught.value.hint))
    assert len(typed) == 1
    assert {answer[:2] for answer in typed} == {answer[:2] for answer in answers}
    assert "password" in typed.pop()[2]


def test_content_info_inside_is_read() -> None:
    """As others may write it: the same envelope around the ContentInfo."""
    assert opened(around(signed.sign(b"hello", pki.signer(), pki.NOW))) == b"hello"


def test_by_issuer_and_serial_number() -> None:
    """How OpenSSL names recipients by default."""
    certificate = pki.recipient().certificate
    key = PrescribedTransport.wrap(bytes(32), certificate).encrypted_key
    infos = PrescribedTransport(BY_ISSUER, certificates.issuer_and_serial(certificate), key).marshal()
    inner = signed.sign(b"hello", pki.signer(), pki.NOW)
    assert opened(around(inner, 0, infos)) == b"hello"
    stranger = pki.recipient("stranger")
    refuses(around(inner, 0, infos), NoMatchError, "SDF-8", stranger)


@pytest.mark.parametrize("inner", [b"hello", der.octet_string(b"hello"), b"", bytes(64)])
def test_bare_content_is_refused_sdf_9(inner: bytes) -> None:
    """EFAIL: what nobody has signed is nothing, although it decrypts."""
    refuses(around(inner), BadSignatureError, "SDF-9")


def library_signed(digest: hashes.HashAlgorithm, *options: pkcs7.PKCS7Options) -> bytes:
    """A SignedData that the library makes, which has other attributes than ours."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"hello")
    key = pki.signer()
    builder = builder.add_signer(key.certificate, key.private_key, digest)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_signed_by_another_program(digest: hashes.HashAlgorithm) -> None:
    assert opened(around(library_signed(digest))) == b"hello"


def test_what_another_program_may_not_sign_sdf_9() -> None:
    """Nothing signed but the content (no attributes), no content, SHA-224, no certificate."""
    for inner in (
        library_signed(hashes.SHA256(), pkcs7.PKCS7Options.NoAttributes),
        library_signed(hashes.SHA256(), pkcs7.PKCS7Options.DetachedSignature),
        library_signed(hashes.SHA224()),
        library_signed(hashes.SHA256(), pkcs7.PKCS7Options.NoCerts),
    ):
        refuses(around(inner), BadSignatureError, "SDF-9")


def test_signed_on_a_curve_sdf_9() -> None:
    """The profile's signatures are RSA."""
    key = ec.generate_private_key(ec.SECP256R1())
    other = SigningKey(pki.certificate("on a curve", pki.SIGNS, of=key), key)
    refuses(around(signed.sign(b"hello", other, pki.NOW)), BadSignatureError, "SDF-9")
    for signer in (other, replace(pki.signer(), pss=True)):
        with pytest.raises(UsageError) as caught:
            secure_dicom.seal([b""], 0, [pki.recipient().certificate], signer, pki.NOW)
        assert caught.value.rule == "SDF-15"


def test_who_is_not_named_sdf_8() -> None:
    refuses(sealed(b"x"), NoMatchError, "SDF-8", pki.recipient("stranger"))
    refuses(sealed(b"x"), NoMatchError, "SDF-8", Password(SECRET))
    refuses(sealed(b"x", PasswordKey.new(Password(SECRET))), NoMatchError, "SDF-8")


def test_other_content_types() -> None:
    refuses(b"".join(enveloped.seal([b"x"], [pki.recipient().certificate])), UnsupportedError, "SDF-1")
    data = sealed(b"x")
    digested = der.object_identifier("1.2.840.113549.1.7.5")  # anybody can make a digest
    refuses(pki.edit(data, (*CONTENT, 0), digested), UnsupportedError, "SDF-5")
    # Public, and in vain: it is still the SignedData that counts.
    assert opened(pki.edit(data, (*CONTENT, 0), DATA)) == b"x"


@pytest.mark.parametrize("version", [0, 1, 3, 4, -1])
def test_versions_sdf_2(version: int) -> None:
    refuses(pki.edit(sealed(b"x"), (1, 0, 0), der.integer(version)), UnsupportedError, "SDF-2")


def test_recipients_sdf_3_sdf_4() -> None:
    own, data = pki.recipient().certificate, sealed(b"x")
    one = PrescribedTransport.wrap(bytes(32), own).marshal()
    other = PrescribedTransport.wrap(bytes(32), own).marshal()
    refuses(pki.edit(data, (1, 0, 1), der.set_of([])), FormatError, "SDF-3")
    refuses(pki.edit(data, (1, 0, 1), der.set_of([one, other])), FormatError, "SDF-3")
    many = [PrescribedTransport(2, n.to_bytes(4), bytes(256)).marshal() for n in range(257)]
    refuses(pki.edit(data, (1, 0, 1), der.set_of(many)), FormatError, "SDF-3")
    modern = der.parse(b"".join(enveloped.seal([b"x"], [own])))
    oaep = bytes(modern.children[1].children[0].children[1].raw)
    refuses(pki.edit(data, (1, 0, 1), oaep), UnsupportedError, "SDF-4")
    short = PrescribedTransport(2, b"name", bytes(255)).marshal()
    refuses(pki.edit(data, (1, 0, 1), der.set_of([short])), FormatError, "SDF-4")


def test_content_encryption_sdf_6_sdf_7() -> None:
    data = sealed(b"x")
    refuses(pki.edit(data, (*CONTENT, 1), AES256_CBC.identifier(bytes(12))), UnsupportedError, "SDF-6")
    refuses(pki.edit(data, (*CONTENT, 2), der.encode(0x80, b"")), FormatError, "SDF-7")
    refuses(pki.edit(data, (*CONTENT, 2), der.encode(0x80, bytes(17))), FormatError, "SDF-7")
    with pytest.raises(UsageError) as caught:
        secure_dicom.seal(
            [], secure_dicom.MAX_CONTENT + 1, [pki.recipient().certificate], pki.signer(), pki.NOW
        )
    assert caught.value.rule == "SDF-7"


@pytest.mark.parametrize("algorithm", [Algorithm.P256, Algorithm.P384, Algorithm.ML_KEM])
def test_recipients_that_the_profile_does_not_know_sdf_15(algorithm: Algorithm) -> None:
    other = load_decryption_key(new_identity("Modern", None, algorithm=algorithm).decryption, bytes)
    with pytest.raises(UsageError) as caught:
        sealed(b"x", other.certificate)
    assert caught.value.rule == "SDF-15"


def test_the_inside_is_the_bare_signed_data() -> None:
    """PS3.15 D.1 by RFC 5652 §6: the content type outside is id-signedData, and inside stands SignedData."""
    content = der.parse(sealed(b"x")).children[1].children[0].children[2].children
    assert bytes(content[0].raw) == SIGNED_DATA
    assert bytes(content[1].raw)[:13] == AES256_CBC.identifier(bytes(16))[:13]


def test_every_byte_of_the_inside_counts_sdf_9() -> None:
    """Whoever has the content key, and no signing key, can change nothing that a receiver gets."""
    inner = bytes(der.parse(signed.sign(b"hello", pki.signer(), pki.NOW)).children[1].children[0].raw)
    assert opened(around(inner)) == b"hello"
    for position in range(len(inner)):
        wrong = bytearray(inner)
        wrong[position] ^= 1 << position % 8
        try:
            found = opened(around(bytes(wrong)))
        except BadSignatureError as error:
            assert error.rule == "SDF-9"
        else:
            assert found == b"hello", position


@pytest.mark.parametrize("seed", range(40))
def test_nothing_but_the_errors_of_this_program(seed: int) -> None:
    """Bytes cut, doubled, swapped and drawn at random, outside and inside."""
    chosen = random.Random(seed)
    inner = signed.sign(b"hello" * 20, pki.signer(), pki.NOW)
    for start in (sealed(b"hello" * 20), inner):
        data = bytearray(start)
        for _ in range(chosen.randrange(1, 6)):
            at, size = chosen.randrange(len(data)), chosen.randrange(1, 40)
            match chosen.randrange(4):
                case 0:
                    del data[at : at + size]
                case 1:
                    data[at:at] = data[at : at + size]
                case 2:
                    data[at : at + size] = chosen.randbytes(size)
                case _:
                    data[at : at + 1] = chosen.choice((b"\x80", b"\xff", b"\0", b"\x30", b"\xa0"))
        whole = bytes(data) if start is not inner else around(bytes(data))
        with contextlib.suppress(DicomPackError):
            assert opened(whole) == b"hello" * 20
