"""What a certificate must be, and what is shown of it."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dicompack.crypto import certificates
from dicompack.errors import NoMatchError
from tests.unit.crypto import pki


def self_signed(name: x509.Name, key: object) -> x509.Certificate:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(5)
        .not_valid_before(pki.NOW)
        .not_valid_after(pki.NOW)
        .sign(key, algorithm)  # type: ignore[arg-type]
    )


def named(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
    return self_signed(x509.Name([x509.NameAttribute(*part) for part in parts]), pki.key("signer"))


def test_parse_der_is_exact() -> None:
    """KEY-1: a byte more, a byte less, or something else."""
    data = pki.raw(pki.signer().certificate)
    assert certificates.parse_der(memoryview(data), NoMatchError) == pki.signer().certificate
    for wrong in (
        data + b"\0",
        data[:-1],
        b"",
        b"\x30\x00",
        b"\x30\x80" + data[4:] + b"\0\0",
        pki.pem(pki.root()[0]),
    ):
        with pytest.raises(NoMatchError) as caught:
            certificates.parse_der(wrong, NoMatchError)
        assert caught.value.rule == "KEY-1"


def test_unreadable_extensions_are_found_at_once() -> None:
    """KEY-1: a malformed extension is no surprise later."""
    data = pki.raw(pki.signer().certificate)
    identifier = certificates.subject_key_identifier(pki.signer().certificate, NoMatchError)
    wrong = data.replace(b"\x04\x16\x04\x14" + identifier, b"\x04\x16\x05\x14" + identifier)
    assert wrong != data
    with pytest.raises(NoMatchError) as caught:
        certificates.parse_der(wrong, NoMatchError)
    assert caught.value.rule == "KEY-1"


def test_names_that_the_library_does_not_know_are_no_internal_error() -> None:
    """KEY-1: an ediPartyName (RFC 5280 §4.2.1.6)."""
    names = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3006a504a1020c00"))
    wrong = pki.raw(pki.certificate("other name", pki.SIGNS, extra=(names,)))
    with pytest.raises(NoMatchError) as caught:
        certificates.parse_der(wrong, NoMatchError)
    assert caught.value.rule == "KEY-1"


def test_a_strange_name_puts_no_line_on_the_terminal(recwarn: pytest.WarningsRecorder) -> None:
    """A country of five letters, of which the library warns."""
    names = [x509.NameAttribute(NameOID.COUNTRY_NAME, "Earth", _validate=False)]
    wrong = pki.raw(self_signed(x509.Name(names), pki.key("signer")))
    recwarn.clear()
    assert certificates.name_of(certificates.parse_der(wrong, NoMatchError)) == "unnamed"
    assert not recwarn.list


@pytest.mark.parametrize("serial", ["00", "ff", "80"])
def test_serial_numbers_are_positive(serial: str) -> None:
    """KEY-1: RFC 5280 §4.1.2.2."""
    data = pki.edit(pki.raw(pki.signer().certificate), (0, 1), bytes.fromhex("0201" + serial))
    with pytest.raises(NoMatchError) as caught:
        certificates.parse_der(data, NoMatchError)
    assert caught.value.rule == "KEY-1"


def test_parse_any() -> None:
    both = [pki.recipient().certificate, pki.signer().certificate]
    assert certificates.parse_any(pki.pem(*both), NoMatchError) == both
    assert certificates.parse_any(pki.raw(both[0]), NoMatchError) == both[:1]
    for wrong in (
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nA?\n-----END CERTIFICATE-----\n",
        b"-----BEGIN X-----",
        pki.pem(both[0])[:-20],
    ):
        with pytest.raises(NoMatchError) as caught:
            certificates.parse_any(wrong, NoMatchError)
        assert caught.value.rule == "KEY-1"


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2048, 3)])
def test_weak_keys(bits: int, exponent: int) -> None:
    """KEY-2: small modulus, small exponent."""
    weak = pki.certificate("weak", pki.SIGNS, of=pki.key("weak", bits, exponent))
    for check in (certificates.check_strength, certificates.check_signer, certificates.check_recipient):
        with pytest.raises(NoMatchError) as caught:
            check(weak, NoMatchError)
        assert caught.value.rule == "KEY-2"


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_other_kinds_of_key(key: object) -> None:
    with pytest.raises(NoMatchError) as caught:
        certificates.check_strength(self_signed(x509.Name([]), key), NoMatchError)
    assert caught.value.rule == "KEY-2"


@pytest.mark.parametrize("bit", pki.SIGNS)
def test_either_bit_signs(bit: str) -> None:
    certificates.check_signer(pki.certificate("signer", [bit]), NoMatchError)


@pytest.mark.parametrize(
    "purposes",
    [
        [ExtendedKeyUsageOID.EMAIL_PROTECTION],
        [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")],
        [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CODE_SIGNING],
    ],
)
def test_purposes_that_sign(purposes: list[x509.ObjectIdentifier]) -> None:
    certificates.check_signer(
        pki.certificate("signer", pki.SIGNS, extra=[x509.ExtendedKeyUsage(purposes)]), NoMatchError
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": pki.DECRYPTS},
        {"usage": None},
        {"usage": ()},
        {"usage": (*pki.SIGNS, "key_cert_sign"), "ca": True},
        {"usage": pki.SIGNS, "ca": True},
        *(
            {"usage": pki.SIGNS, "extra": [x509.ExtendedKeyUsage(purposes)]}
            for purposes in (
                [ExtendedKeyUsageOID.SERVER_AUTH],
                [ExtendedKeyUsageOID.CLIENT_AUTH],
                [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH],
                [ExtendedKeyUsageOID.TIME_STAMPING],
                [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
            )
        ),
    ],
)
def test_no_signer(wrong: dict[str, object]) -> None:
    """KEY-3: other usage, none, an authority, TLS, another purpose."""
    with pytest.raises(NoMatchError, match="does not sign") as caught:
        certificates.check_signer(pki.certificate("signer", **wrong), NoMatchError)  # type: ignore[arg-type]
    assert caught.value.rule == "KEY-3"


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": pki.SIGNS},
        {"usage": None},
        {"usage": ("data_encipherment",)},
        {"usage": (*pki.DECRYPTS, "key_cert_sign"), "ca": True},
        {"usage": pki.DECRYPTS, "identifier": False},
    ],
)
def test_no_recipient(wrong: dict[str, object]) -> None:
    """KEY-4: other usage, none, an authority, nothing to be named by."""
    with pytest.raises(NoMatchError) as caught:
        certificates.check_recipient(pki.certificate("recipient", **wrong), NoMatchError)  # type: ignore[arg-type]
    assert caught.value.rule == "KEY-4"


def test_fingerprint_covers_every_key_and_nothing_else() -> None:
    one, two = pki.signer().certificate, pki.recipient().certificate
    whole = certificates.fingerprint((one, two))
    assert [len(group) for group in whole.split(" ")] == [4] * 8
    assert whole == certificates.fingerprint((two, one)) == certificates.fingerprint((one, two, one))
    renewed = pki.certificate("another name", pki.SIGNS, of=pki.key("signer"))
    assert whole == certificates.fingerprint((renewed, two))
    others = {certificates.fingerprint(some) for some in ((one,), (two,), (one, pki.root()[0]), ())}
    assert len(others) == 4 and whole not in others


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([(NameOID.COMMON_NAME, "Dr. Ä. Example")], "Dr. Ä. Example"),
        ([(NameOID.ORGANIZATION_NAME, "Clinic")], "Clinic"),
        ([(NameOID.ORGANIZATION_NAME, "Clinic"), (NameOID.COMMON_NAME, "Desk")], "Desk"),
        ([], "unnamed"),
        ([(NameOID.COMMON_NAME, "a\x1b[2Jb\u202ec\n")], "a?[2Jb?c?"),
        ([(NameOID.COMMON_NAME, "x" * 64)], "x" * 64),
    ],
)
def test_names_are_fit_for_a_terminal(parts: list[tuple[x509.ObjectIdentifier, str]], shown: str) -> None:
    assert certificates.name_of(named(*parts)) == shown


def test_chain_is_ordered_and_closed() -> None:
    leaf, chain = pki.certified_signer().certificate, pki.certified_signer().chain
    stranger = pki.recipient().certificate
    assert certificates.ordered_chain(leaf, [stranger, *reversed(chain), leaf]) == chain
    assert certificates.ordered_chain(leaf, [chain[1]]) == ()
    assert certificates.ordered_chain(pki.signer().certificate, [pki.signer().certificate, stranger]) == ()
