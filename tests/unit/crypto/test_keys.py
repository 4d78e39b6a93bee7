"""Identities, contacts, and private keys from what people have."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from dicompack.crypto import der, identities, pfx
from dicompack.crypto.keys import (
    Contact,
    DecryptionKey,
    NewIdentity,
    SigningKey,
    load_decryption_key,
    load_signing_key,
    new_identity,
)
from dicompack.errors import NoMatchError, UsageError
from tests.unit.crypto import pki


@cache
def identity() -> NewIdentity:
    return new_identity("Dr. A. Example", None, pki.NOW)


def never() -> bytes:
    raise AssertionError("asked for a passphrase")


def pem_key(key: object, passphrase: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, protection)  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------- new identities


def test_new_identity() -> None:
    made = identity()
    signing = load_signing_key(made.signing_p12, never)
    decryption = load_decryption_key(made.decryption, never)
    assert (signing.certificate, decryption.certificate) == (made.contact.signing, made.contact.decryption)
    assert signing.chain == ()
    assert made.contact.name == "Dr. A. Example"
    for key in (signing, decryption):
        assert key.private_key.key_size == 3072
        assert key.certificate.not_valid_before_utc < pki.NOW - timedelta(minutes=4)
        assert key.certificate.not_valid_after_utc > pki.NOW + timedelta(days=4 * 365)
        constraints = key.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical and not constraints.value.ca
        assert key.certificate.extensions.get_extension_for_class(x509.KeyUsage).critical
    usages = [
        one.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        for one in (signing, decryption)
    ]
    assert usages[0].digital_signature and usages[0].content_commitment and not usages[0].key_encipherment
    assert usages[1].key_encipherment and not usages[1].digital_signature and not usages[1].content_commitment
    assert signing.certificate.public_key() != decryption.certificate.public_key()


def test_new_identity_uses_the_clock_when_given_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "RSA_BITS", 2048)
    start = new_identity("x", None).contact.certificates[0].not_valid_before_utc
    assert timedelta(minutes=1) < datetime.now(UTC) - start < timedelta(hours=1)


def test_passphrase_protects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "RSA_BITS", 2048)
    made = new_identity("x", "pässwörd".encode())
    asked: list[int] = []

    def passphrase() -> bytes:
        asked.append(1)
        return "pässwörd".encode()

    load_signing_key(made.signing_p12, passphrase)
    load_decryption_key(made.decryption, passphrase)
    assert len(asked) == 2
    for wrong in (b"", b"password"):
        with pytest.raises(NoMatchError, match="passphrase is wrong") as caught:
            load_signing_key(made.signing_p12, lambda wrong=wrong: wrong)
        assert caught.value.rule == "KEY-5"
    # The MAC is under the same passphrase: with fewer rounds it would be the place to guess at.
    assert made.signing_p12.endswith(der.integer(600_000))
    # PBES2 with PBKDF2, 600 000 rounds
    assert made.signing_p12.count((600_000).to_bytes(3, "big")) >= 2
    assert bytes.fromhex("06092a864886f70d01050d") in made.signing_p12


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\u202eb", "\x00"])
def test_unfit_names(name: str) -> None:
    with pytest.raises(UsageError):
        new_identity(name, None)


@pytest.mark.parametrize(
    "passphrase", ["x", "pässwört \N{EURO SIGN} \N{GRINNING FACE}", "0123456789abcdef" * 5]
)
def test_the_mac_is_that_of_rfc_7292(passphrase: str) -> None:
    """Opened by the library, whatever the length and the characters; by nothing else."""
    password = passphrase.encode()
    made = pkcs12.serialize_key_and_certificates(
        None, pki.key("signer"), pki.signer().certificate, None, BestAvailableEncryption(password)
    )
    again = pfx.with_mac_of(made, password, 3000)
    assert again != made and pkcs12.load_pkcs12(again, password).key is not None
    with pytest.raises(ValueError):
        pkcs12.load_pkcs12(pfx.with_mac_of(made, b"another", 3000), password)


def test_rounds_that_would_take_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """KEY-5, before anybody is asked for a passphrase: in the MAC, in PBES2, and in PEM."""
    monkeypatch.setattr(identities, "KDF_ROUNDS", 1000)
    many = der.integer((1 << 31) - 1)
    made = new_identity("x", b"open sesame", algorithm="ml-kem-768", signing_algorithm="p-256")
    outer = der.parse(made.signing_p12)
    parts = [child.raw for child in outer.children]
    mac_data = [child.raw for child in outer.children[2].children[:2]]
    in_mac = der.sequence(*parts[:2], der.sequence(*mac_data, many))
    info = base64.b64decode(made.decryption.split(b"-----")[2])
    in_pem = pki.edit(info, (0, 1, 0, 1, 1), many)
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s\n-----END ENCRYPTED PRIVATE KEY-----\n"
    load_signing_key(made.signing_p12, lambda: b"open sesame")
    load_decryption_key(made.decryption, lambda: b"open sesame")
    for load, data in (
        (load_signing_key, in_mac),
        (load_decryption_key, pem % base64.b64encode(in_pem) + pki.pem(pki.recipient().certificate)),
    ):
        with pytest.raises(NoMatchError, match="rounds") as caught:
            load(data, never)
        assert caught.value.rule == "KEY-5"


def test_empty_passphrase_is_no_passphrase() -> None:
    with pytest.raises(UsageError):
        new_identity("x", b"")


def test_no_secret_is_shown() -> None:
    made = identity()
    assert "p12" not in repr(made)
    for key in (load_signing_key(made.signing_p12, never), load_decryption_key(made.decryption, never)):
        assert "private" not in repr(key) and "RSA" not in repr(key)


# ---------------------------------------------------------------------------------- loading


def test_keys_cross_to_a_worker() -> None:
    for key in (pki.signer(), pki.certified_signer()):
        again = SigningKey.parse(key.marshal())
        assert again == key and again.chain == key.chain
        assert again.private_key.private_numbers() == key.private_key.private_numbers()
    other = DecryptionKey.parse(pki.recipient().marshal())
    assert other == pki.recipient()
    with pytest.raises(NoMatchError):
        DecryptionKey.parse(pki.signer().marshal())
    with pytest.raises(NoMatchError):
        SigningKey.parse(b"\x30\x03\x02\x01\x03")


def test_the_other_role_is_named() -> None:
    """KEY-3, KEY-4: which of the two keys it is."""
    with pytest.raises(NoMatchError, match="this key signs, it does not decrypt") as caught:
        load_decryption_key(identity().signing_p12, never)
    assert caught.value.rule == "KEY-4" and caught.value.hint
    with pytest.raises(NoMatchError, match="this key decrypts, it does not sign") as caught:
        load_signing_key(identity().decryption, never)
    assert caught.value.rule == "KEY-3" and caught.value.hint


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_pem_with_key_and_chain(form: PrivateFormat, passphrase: bytes | None) -> None:
    wanted = pki.certified_signer()
    data = b"Bag Attributes: none\n" + pki.pem(*reversed(wanted.chain), wanted.certificate)
    data += pem_key(wanted.private_key, passphrase, form) + pki.pem(wanted.certificate)
    key = load_signing_key(data, (lambda: passphrase) if passphrase else never)
    assert (key, key.chain) == (wanted, wanted.chain)
    if passphrase:
        with pytest.raises(NoMatchError) as caught:
            load_signing_key(data, lambda: b"wrong")
        assert caught.value.rule == "KEY-5"


def test_pem_with_both_roles_asks_once() -> None:
    data = b"".join(
        pem_key(one.private_key, b"secret") + pki.pem(one.certificate)
        for one in (pki.signer(), pki.recipient())
    )
    asked: list[int] = []

    def passphrase() -> bytes:
        asked.append(1)
        return b"secret"

    assert load_signing_key(data, passphrase).certificate == pki.signer().certificate
    assert load_decryption_key(data, passphrase).certificate == pki.recipient().certificate
    assert len(asked) == 2  # once for each call


def test_p12_with_chain() -> None:
    wanted = pki.certified_signer()
    data = pkcs12.serialize_key_and_certificates(
        b"x",
        wanted.private_key,
        wanted.certificate,
        [*reversed(wanted.chain), pki.recipient().certificate],
        NoEncryption(),
    )
    assert load_signing_key(data, never).chain == wanted.chain


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: b"", "no key file"),
        (lambda: b"hello", "no key file"),
        (lambda: pki.raw(pki.signer().certificate), "no private key"),
        (lambda: identity().contact_pem, "no private key"),
        (lambda: pem_key(pki.key("signer")), "a key but no certificate"),
        (lambda: pem_key(pki.key("signer")) + pki.pem(pki.recipient().certificate), "belongs to its key"),
        (lambda: pem_key(pki.key("signer"))[:-300] + b"-----END PRIVATE KEY-----", "damaged"),
        (lambda: identity().signing_p12[:-50], "damaged"),
        (
            lambda: pki.key("signer").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            "a key but no certificate",
        ),
        (
            lambda: pki.key("signer").private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
            ),
            "a key but no certificate",
        ),
        (
            lambda: pkcs12.serialize_key_and_certificates(
                None, None, None, [pki.signer().certificate], NoEncryption()
            ),
            "no private key",
        ),
        (
            lambda: pkcs12.serialize_key_and_certificates(
                None, pki.key("signer"), None, None, NoEncryption()
            ),
            "no certificate",
        ),
        (lambda: pem_key(ed25519.Ed25519PrivateKey.generate()), "a kind that is not accepted"),
    ],
)
@pytest.mark.parametrize("load", [load_signing_key, load_decryption_key])
def test_what_is_no_identity(load: object, data: object, message: str) -> None:
    """KEY-5: no key, no certificate, not each other's, damaged."""
    with pytest.raises(NoMatchError, match=message) as caught:
        load(data(), lambda: b"x")  # type: ignore[operator]
    assert caught.value.rule in ("KEY-1", "KEY-2", "KEY-5")


@pytest.mark.parametrize(
    ("curve", "fine"), [(ec.SECP256R1(), True), (ec.SECP384R1(), True), (ec.SECP521R1(), False)]
)
def test_p12_with_a_key_on_a_curve(curve: ec.EllipticCurve, fine: bool) -> None:
    """KEY-2: P-256 and P-384 sign."""
    key = ec.generate_private_key(curve)
    certificate = pki.certificate("curve", pki.SIGNS, of=key)
    data = pkcs12.serialize_key_and_certificates(None, key, certificate, None, NoEncryption())
    if fine:
        assert load_signing_key(data, never).certificate == certificate
        return
    with pytest.raises(NoMatchError) as caught:
        load_signing_key(data, never)
    assert caught.value.rule == "KEY-2"


def test_two_keys_of_one_role() -> None:
    """KEY-5: no guessing."""
    two = b"".join(
        pem_key(pki.key(name)) + pki.pem(pki.signer(name).certificate) for name in ("signer", "other")
    )
    with pytest.raises(UsageError) as caught:
        load_signing_key(two, never)
    assert caught.value.rule == "KEY-5"


def test_certificate_of_another_key() -> None:
    """KEY-5: even when put together in memory."""
    with pytest.raises(NoMatchError) as caught:
        SigningKey(pki.signer().certificate, pki.key("other"))
    assert caught.value.rule == "KEY-5"
    with pytest.raises(NoMatchError):
        DecryptionKey(pki.recipient().certificate, pki.key("other"))


# ---------------------------------------------------------------------------------- contacts


def test_contact_round_trip() -> None:
    contact = identity().contact
    again = Contact.parse(identity().contact_pem)
    assert again == contact and again.marshal() == identity().contact_pem
    assert x509.load_pem_x509_certificates(contact.marshal()) == [contact.decryption, contact.signing]
    assert Contact.parse(pki.pem(contact.signing, contact.decryption)) == contact
    assert len(contact.fingerprint) == 39
    assert contact.signing_spki_sha256 != contact.decryption_spki_sha256


def test_contact_with_one_certificate() -> None:
    signer = Contact.parse(pki.raw(pki.signer().certificate))
    assert (signer.signing, signer.decryption) == (pki.signer().certificate, None)
    assert signer.decryption_spki_sha256 is None
    recipient = Contact.parse(pki.pem(pki.recipient().certificate))
    assert (recipient.signing, recipient.decryption) == (None, pki.recipient().certificate)
    both = Contact.parse(pki.pem(pki.certificate("both", (*pki.SIGNS, *pki.DECRYPTS))))
    assert both.signing == both.decryption and len(both.certificates) == 1
    assert Contact.parse(both.marshal()) == both


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (lambda: pki.pem(pki.recipient().certificate, pki.signer().certificate, pki.root()[0]), "KEY-6"),
        (lambda: pki.pem(pki.signer().certificate, pki.signer("other").certificate), "KEY-4"),
        (lambda: pki.pem(pki.recipient().certificate, pki.recipient("other").certificate), "KEY-3"),
        (lambda: pki.pem(pki.certificate("x", None)), "KEY-6"),
        (lambda: pki.pem(pki.root()[0]), "KEY-6"),
        (lambda: pki.pem(pki.signer().certificate) + pem_key(pki.key("signer")), "KEY-6"),
        (lambda: pki.pem(pki.certificate("weak", pki.SIGNS, of=pki.key("weak", 1024))), "KEY-2"),
        (
            lambda: pki.pem(
                pki.certificate("a", pki.DECRYPTS, of=pki.key("s")),
                pki.certificate("a", pki.SIGNS, of=pki.key("s")),
            ),
            "KEY-6",
        ),
        (lambda: b"", "KEY-1"),
        (lambda: b"\x30\x00", "KEY-1"),
    ],
)
def test_what_is_no_contact(data: object, rule: str) -> None:
    """KEY-6: too many, neither role, an authority, a private key, one key in two certificates."""
    with pytest.raises(NoMatchError) as caught:
        Contact.parse(data())  # type: ignore[operator]
    assert caught.value.rule == rule


def test_contact_of_neither_role_says_so() -> None:
    """KEY-6: in words that help."""
    with pytest.raises(NoMatchError, match="neither signs nor decrypts"):
        Contact.parse(pki.pem(pki.certificate("x", None)))


def test_contact_without_certificate() -> None:
    with pytest.raises(NoMatchError) as caught:
        Contact("x")
    assert caught.value.rule == "KEY-6"
