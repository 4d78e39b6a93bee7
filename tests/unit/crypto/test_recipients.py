"""Every kind of recipient opens what was sealed for it, nobody else does, and each has one representation."""

from __future__ import annotations

import os
import pickle
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dicompack.crypto import der, enveloped, recipients
from dicompack.crypto.algorithms import CURVES, EC_PUBLIC_KEY, P256, P384
from dicompack.crypto.identities import Algorithm, new_identity
from dicompack.crypto.keys import DecryptionKey, load_decryption_key
from dicompack.crypto.passwords import Derivation, Password, PasswordKey
from dicompack.crypto.recipients import KeyAgreement, KeyEncapsulation, PasswordRecipient
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UnsupportedError,
    UsageError,
)
from tests.unit.crypto import pki

INFOS, FIRST = (1, 0, 1), (1, 0, 1, 0)
KINDS = {
    Algorithm.RSA: rsa.RSAPrivateKey,
    Algorithm.P256: ec.EllipticCurvePrivateKey,
    Algorithm.P384: ec.EllipticCurvePrivateKey,
    Algorithm.ML_KEM: mlkem.MLKEM768PrivateKey,
}
LONG = "correct horse battery staple, and some more words"


@cache
def key(algorithm: Algorithm, name: str = "one") -> DecryptionKey:
    return load_decryption_key(new_identity(name, None, algorithm=algorithm).decryption, bytes)


@cache
def password() -> PasswordKey:
    return PasswordKey.new(Password(LONG))


def sealed(*addressees: recipients.Addressee, content: bytes = b"hello") -> bytes:
    return b"".join(enveloped.seal([content], addressees))


def refuses(data: bytes, error: type[DicomPackError], rule: str) -> None:
    with pytest.raises(error) as caught:
        enveloped.inspect(data)
    assert caught.value.rule == rule


def fails_alike(data: bytes, *openers: recipients.Opener) -> tuple[str, object, object]:
    with pytest.raises(BadSignatureError) as caught:
        enveloped.open_(data, openers)
    return str(caught.value), caught.value.rule, caught.value.hint


# ------------------------------------------------------------------------------------ what holds


@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_kind_of_key(algorithm: Algorithm) -> None:
    own = key(algorithm)
    assert isinstance(own.private_key, KINDS[algorithm])
    data = sealed(own.certificate)
    assert enveloped.open_(data, [own]) == b"hello"
    assert enveloped.open_(data, [pickle.loads(pickle.dumps(own))]) == b"hello"
    assert sealed(own.certificate) != data
    with pytest.raises(NoMatchError) as caught:
        enveloped.open_(data, [key(algorithm, "other"), Password(LONG)])
    assert caught.value.rule == "ENV-9"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_keys_with_and_without_passphrase(algorithm: Algorithm) -> None:
    made = new_identity("me", b"secret", algorithm=algorithm)
    assert load_decryption_key(made.decryption, lambda: b"secret").certificate == made.contact.decryption
    with pytest.raises(NoMatchError) as caught:
        load_decryption_key(made.decryption, lambda: b"wrong")
    assert caught.value.rule == "KEY-5"
    assert b"secret" not in made.decryption


def test_several_of_several_kinds() -> None:
    owners = [key(algorithm, name) for algorithm in Algorithm for name in ("one", "other")]
    data = sealed(*(one.certificate for one in owners), password(), content=b"x" * 3_000_000)
    for opener in (*owners, Password(LONG)):
        assert enveloped.open_(data, [opener]) == b"x" * 3_000_000
    facts = enveloped.inspect(data)
    assert len(facts.recipients) == 9
    assert facts.password == password().derivation
    assert recipients.key_name(password()) == password().derivation.name in facts.recipients


def test_password() -> None:
    data = sealed(password())
    assert enveloped.open_(data, [Password(LONG)]) == b"hello"
    fails_alike(data, Password(LONG[:-1]))
    # The same salt again: the key is derived once and serves the whole package.
    other = sealed(password())
    assert enveloped.inspect(other).password == enveloped.inspect(data).password
    reader = Password(LONG)
    assert enveloped.open_(data, [reader]) == enveloped.open_(other, [reader]) == b"hello"
    assert len(reader._keys) == 1
    assert LONG not in repr(reader) and LONG not in repr(PasswordKey.new(reader))


@pytest.mark.parametrize("algorithm", [*Algorithm, None])
def test_one_representation(algorithm: Algorithm | None) -> None:
    """What is parsed and marshalled again is the same bytes."""
    data = sealed(password() if algorithm is None else key(algorithm).certificate)
    element = pki.element(data, *FIRST)
    [parsed] = recipients.parse(pki.element(data, *INFOS))
    assert parsed.marshal() == element.raw


@pytest.mark.parametrize("algorithm", [*Algorithm, None])
def test_every_flipped_bit_of_a_recipient(algorithm: Algorithm | None) -> None:
    """Each is refused, or is a recipient that is somebody else, or has a wrong key; never another content."""
    own: recipients.Opener = Password(LONG) if algorithm is None else key(algorithm)
    data = sealed(password() if algorithm is None else key(algorithm).certificate)
    element = pki.element(data, *FIRST)
    silent = 0
    for position in range(element.start, element.end):
        wrong = bytearray(data)
        wrong[position] ^= 1 << position % 8
        try:
            derives = enveloped.inspect(bytes(wrong)).password not in (None, password().derivation)
        except (FormatError, UnsupportedError):
            continue
        if derives:
            continue  # another salt or number of rounds: another key, at the price of half a second each
        try:
            assert enveloped.open_(bytes(wrong), [own]) == b"hello"
            silent += 1
        except (NoMatchError, BadSignatureError):
            continue
    assert silent == 0


# ------------------------------------------------------------------------------------ what fails alike


def test_error_oracle() -> None:
    """ENV-10: wrong key, wrong point, wrong curve, wrong ciphertext, wrong password: one text, one rule."""
    seen = set()
    p256, p384, kem = key(Algorithm.P256), key(Algorithm.P384), key(Algorithm.ML_KEM)

    def replaced(info: recipients.RecipientInfo) -> bytes:
        data = sealed(pki.recipient().certificate)
        return pki.edit(data, FIRST, info.marshal())

    [agreed] = recipients.parse(pki.element(sealed(p256.certificate), *INFOS))
    assert isinstance(agreed, KeyAgreement)
    off_curve = b"\x04" + bytes(63) + b"\x01"
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for wrong in (off_curve, b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, point):
        info = KeyAgreement(agreed.identifier, P256, EC_PUBLIC_KEY, wrong, agreed.wrapped_key)
        seen.add(fails_alike(replaced(info), p256))
    # invalid curve: a point that lies on another curve of the same form
    seen.add(
        fails_alike(
            replaced(KeyAgreement(agreed.identifier, P256, EC_PUBLIC_KEY, agreed.point, bytes(40))), p256
        )
    )
    [larger] = recipients.parse(pki.element(sealed(p384.certificate), *INFOS))
    assert isinstance(larger, KeyAgreement)
    crossed = KeyAgreement(agreed.identifier, larger.curve, EC_PUBLIC_KEY, larger.point, larger.wrapped_key)
    seen.add(fails_alike(replaced(crossed), p256))
    [capsule] = recipients.parse(pki.element(sealed(kem.certificate), *INFOS))
    assert isinstance(capsule, KeyEncapsulation)
    for encapsulated, wrapped in ((bytes(1088), capsule.wrapped_key), (capsule.ciphertext, bytes(40))):
        seen.add(fails_alike(replaced(KeyEncapsulation(capsule.identifier, encapsulated, wrapped)), kem))
    # the identifier of a key of another kind
    seen.add(fails_alike(replaced(KeyEncapsulation(agreed.identifier, bytes(1088), bytes(40))), p256))
    [worded] = recipients.parse(pki.element(sealed(password()), *INFOS))
    assert isinstance(worded, PasswordRecipient)
    for size in (bytes(48), worded.encrypted_key[:-1] + b"\0", os.urandom(48)):
        seen.add(fails_alike(replaced(PasswordRecipient(worded.derivation, worded.iv, size)), Password(LONG)))
    seen.add(fails_alike(sealed(password()), Password("another password")))
    data = sealed(pki.recipient().certificate)
    seen.add(fails_alike(data[:-1] + bytes((data[-1] ^ 1,)), pki.recipient()))
    assert len(seen) == 1
    assert next(iter(seen))[1] == "ENV-10"


# ------------------------------------------------------------------------------------ what is refused


def test_forms_of_key_agreement() -> None:
    """ENV-4, DER-5: static originator, keying material, several recipients, other names and algorithms."""
    own = key(Algorithm.P256)
    data = sealed(own.certificate)
    info = pki.element(data, *FIRST)
    version, originator, algorithm, keys = (bytes(one.raw) for one in info.children)

    def edited(*parts: bytes) -> bytes:
        return pki.edit(data, FIRST, der.encode(0xA1, *parts))

    material = der.explicit(1, der.octet_string(bytes(8)))
    refuses(edited(version, originator, material, algorithm, keys), FormatError, "DER-5")
    static = der.explicit(0, der.encode(0x80, bytes(20)))
    refuses(edited(version, static, algorithm, keys), FormatError, "DER-5")
    refuses(edited(der.integer(2), originator, algorithm, keys), UnsupportedError, "ENV-4")
    one = bytes(pki.element(data, *FIRST, 3, 0).raw)
    refuses(edited(version, originator, algorithm, der.sequence(one, one)), UnsupportedError, "ENV-4")
    refuses(edited(version, originator, algorithm, der.sequence()), UnsupportedError, "ENV-4")
    named = der.sequence(der.sequence(der.sequence(), der.octet_string(bytes(40))))
    refuses(edited(version, originator, algorithm, named), UnsupportedError, "ENV-4")
    for kdf in ("1.3.133.16.840.63.0.2", "1.3.132.1.11.3", "1.3.132.1.14.1"):  # SHA-1, SHA-512, cofactor
        other = der.sequence(der.object_identifier(kdf), P256.identifier[-13:])
        refuses(edited(version, originator, other, keys), UnsupportedError, "ENV-4")
    compressed = der.explicit(0, der.encode(0xA1, EC_PUBLIC_KEY, der.bit_string(b"\x02" + bytes(32))))
    refuses(edited(version, compressed, algorithm, keys), FormatError, "ENV-4")
    point = bytes(pki.element(data, *FIRST, 1, 0, 1).raw)
    kind = der.object_identifier("1.2.840.10045.2.1")
    for called in (
        der.sequence(kind, P384.named),
        der.sequence(kind, der.sequence()),
        der.sequence(P256.named),
    ):
        other = der.explicit(0, der.encode(0xA1, called, point))
        refuses(edited(version, other, algorithm, keys), UnsupportedError, "ENV-4")
    for called in (der.sequence(kind, der.null()), der.sequence(kind, P256.named)):
        other = der.explicit(0, der.encode(0xA1, called, point))
        # as BouncyCastle writes it
        assert enveloped.open_(edited(version, other, algorithm, keys), [own]) == b"hello"


def test_forms_of_key_encapsulation() -> None:
    """ENV-4, DER-5: other oriType, KEM, KDF, key size, wrap, version, keying material, sizes."""
    data = sealed(key(Algorithm.ML_KEM).certificate)
    parts = [bytes(one.raw) for one in pki.element(data, *FIRST, 1).children]
    other = der.sequence(der.object_identifier("2.16.840.1.101.3.4.4.3"))

    def edited(at: int, new: bytes) -> bytes:
        return pki.edit(data, (*FIRST, 1), der.sequence(*parts[:at], new, *parts[at + 1 :]))

    for at, new in ((0, der.integer(1)), (2, other), (4, other), (5, der.integer(16)), (6, other)):
        refuses(edited(at, new), UnsupportedError, "ENV-4")
    refuses(edited(5, parts[5] + der.explicit(0, der.octet_string(b"x"))), FormatError, "DER-5")
    refuses(edited(3, der.octet_string(bytes(1087))), FormatError, "ENV-4")
    refuses(edited(7, der.octet_string(bytes(32))), FormatError, "ENV-4")
    refuses(pki.edit(data, (*FIRST, 0), der.object_identifier("1.2.3.4")), UnsupportedError, "ENV-4")


def password_info(*derivation: bytes) -> bytes:
    parts = [bytes(one.raw) for one in pki.element(sealed(password()), *FIRST).children]
    return der.encode(0xA3, parts[0], der.encode(0xA0, *derivation), *parts[2:])


def test_bounds_of_derivation() -> None:
    """ENV-11: rounds of 2^31 are refused before anything is derived; ENV-4: other functions."""
    data = sealed(password())
    kind, parameters = (bytes(one.raw) for one in pki.element(data, *FIRST, 1).children)
    hmac = bytes(pki.element(data, *FIRST, 1, 1, 2).raw)

    def edited(salt: bytes, rounds: int, *rest: bytes) -> bytes:
        inner = der.sequence(der.octet_string(salt), der.integer(rounds), *rest)
        return pki.edit(data, FIRST, password_info(kind, inner))

    for rounds in (-1, 0, 2048, 99_999, 5_000_001, 1 << 31):
        refuses(edited(bytes(16), rounds, hmac), UnsupportedError, "ENV-11")
    refuses(edited(bytes(16), 1 << 64, hmac), FormatError, "DER-4")
    for size in (0, 7, 65):
        refuses(edited(bytes(size), 600_000, hmac), FormatError, "ENV-11")
    for size in (8, 64):
        enveloped.inspect(edited(bytes(size), 100_000, hmac))
    enveloped.inspect(edited(bytes(16), 5_000_000, hmac))
    refuses(edited(bytes(16), 600_000), UnsupportedError, "ENV-4")  # HMAC-SHA1 by default
    refuses(edited(bytes(16), 600_000, der.integer(32), hmac), FormatError, "DER-5")
    scrypt = password_info(der.object_identifier("1.3.6.1.4.1.11591.4.11"), parameters)
    refuses(pki.edit(data, FIRST, scrypt), UnsupportedError, "ENV-4")


def test_a_new_salt_for_every_object() -> None:
    """ENV-12: what would cost a derivation an object is tried with sixteen salts, and then fails as ever."""
    reader = Password(LONG)
    for number in range(16):
        assert reader.derived(Derivation(number.to_bytes(8, "big"), 100_000))
    assert reader.derived(Derivation(bytes(16), 100_000)) is None
    assert reader.derived(Derivation(bytes(8), 100_000)) is not None
    fails_alike(sealed(password()), reader)


def test_one_password() -> None:
    """ENV-3: both directions."""
    two = [PasswordKey.new(Password(LONG)), PasswordKey.new(Password(LONG[::-1]))]
    with pytest.raises(UsageError) as caught:
        sealed(*two)
    assert caught.value.rule == "ENV-3"
    infos = [bytes(pki.element(sealed(one), *FIRST).raw) for one in two]
    refuses(pki.edit(sealed(two[0]), INFOS, der.set_of(infos)), FormatError, "ENV-3")


@pytest.mark.parametrize("curve", [ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()])
def test_curves_that_are_not_in_the_list(curve: ec.EllipticCurve) -> None:
    """KEY-2: secp256k1 has the size of P-256 and is another curve."""
    assert curve.name not in CURVES
    wrong = pki.certificate("curve", ("key_agreement",), of=ec.generate_private_key(curve))
    with pytest.raises(NoMatchError) as caught:
        sealed(wrong)
    assert caught.value.rule == "KEY-2"


@pytest.mark.parametrize("usage", [pki.DECRYPTS, pki.SIGNS, None])
def test_usage_of_a_curve(usage: tuple[str, ...] | None) -> None:
    """KEY-4: keyAgreement, and not keyEncipherment."""
    wrong = pki.certificate("curve", usage, of=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(NoMatchError) as caught:
        sealed(wrong)
    assert caught.value.rule == "KEY-4"


def test_generated_passwords() -> None:
    """128 bits in eight words of five letters, ASCII, all different, strong enough for the writer."""
    several = {Password.new().text for _ in range(50)}
    assert len(several) == 50
    for text in several:
        Password(text).check_strength()
        assert [len(word) for word in text.split("-")] == [5] * 8
    letters = {text[0] for text in several} | {text[1] for text in several}
    assert letters <= set("bdfghjklmnprstvzaiou")


@pytest.mark.parametrize(
    "weak",
    [
        "Zz9",
        "passw0rd",
        "Tr0ub4dor&3",
        "1234567890" * 3,
        "abcdefgh" * 6,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    ],
)
def test_weak_passwords(weak: str) -> None:
    """PWD-2: with what to do; they may still open."""
    with pytest.raises(UsageError) as caught:
        Password(weak).check_strength()
    assert caught.value.rule == "PWD-2" and caught.value.hint
    assert weak not in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "müller", "tab\t", "x" * 257, "line\n"])
def test_passwords_that_are_none(wrong: str) -> None:
    """PWD-1: ASCII, as PS3.15 D.1.1 wants it."""
    with pytest.raises(UsageError) as caught:
        Password(wrong)
    assert caught.value.rule == "PWD-1"


def test_ten_thousand_recipients() -> None:
    """ENV-3: both directions, at once."""
    many: list[x509.Certificate] = [pki.recipient().certificate] * 10_000
    with pytest.raises(UsageError) as caught:
        sealed(*many)
    assert caught.value.rule == "ENV-3"
