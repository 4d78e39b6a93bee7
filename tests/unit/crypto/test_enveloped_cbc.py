"""EnvelopedData: what the standard wants, opened for its recipients, and silent about why it fails."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicompack.crypto import certificates, der, enveloped, enveloped_cbc
from dicompack.crypto.algorithms import AES256_CBC, BLOCK_CIPHERS, DATA, RSA_KEY_TRANSPORT, BlockCipher
from dicompack.errors import BadSignatureError, DicomPackError, FormatError, NoMatchError, UnsupportedError
from dicompack.errors import UsageError as Usage
from tests.unit.crypto import pki

cms = pytest.importorskip("asn1crypto.cms")

ENVELOPE = (1, 0)
VERSION, INFOS, CONTENT = ((*ENVELOPE, n) for n in range(3))
FIRST = (*INFOS, 0)


def sealed(content: bytes = b"hello", *names: str) -> bytes:
    return enveloped_cbc.seal(content, [pki.recipient(name).certificate for name in names or ("recipient",)])


def opened(data: bytes, name: str = "recipient") -> bytes:
    return enveloped_cbc.open_(data, [pki.recipient(name)])


def refuses(data: bytes, error: type[DicomPackError], rule: str) -> None:
    """Without any key, and therefore with one."""
    for attempt in (lambda: enveloped_cbc.is_addressed(data, []), lambda: opened(data)):
        with pytest.raises(error) as caught:
            attempt()
        assert caught.value.rule == rule


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65_536])
def test_round_trip(size: int) -> None:
    content = os.urandom(size)
    data = sealed(content, "recipient", "other")
    assert opened(data) == opened(data, "other") == content
    assert enveloped_cbc.is_addressed(data, [pki.recipient()])
    assert not enveloped_cbc.is_addressed(data, [pki.recipient("nobody")])


def test_it_is_what_the_standard_wants() -> None:
    """PS3.15 E.1.1: RSA key transport and AES; PS3.3 C.12.1.1.4.2: EnvelopedData; read by somebody else."""
    info = cms.ContentInfo.load(sealed(b"hello", "recipient", "other"), strict=True)
    assert info["content_type"].native == "enveloped_data"
    envelope = info["content"]
    assert envelope["version"].native == "v2"
    assert [one.native["key_encryption_algorithm"]["algorithm"] for one in envelope["recipient_infos"]] == [
        "rsaes_pkcs1v15"
    ] * 2
    inside = envelope["encrypted_content_info"]
    assert inside["content_type"].native == "data"
    assert inside["content_encryption_algorithm"]["algorithm"].native == "aes256_cbc"
    assert sealed() != sealed()


def other_form(
    certificate: x509.Certificate, cipher: BlockCipher, encrypted: Callable[[bytes, bytes], bytes]
) -> bytes:
    """As other programs write it: the recipient by issuer and serial number, version 0."""
    key, iv = os.urandom(cipher.key_size), os.urandom(cipher.block_size)
    public = certificates.check_strength(certificate, NoMatchError)
    recipient = der.sequence(
        der.integer(0),
        certificates.issuer_and_serial(certificate),
        RSA_KEY_TRANSPORT,
        der.octet_string(public.encrypt(key, padding.PKCS1v15())),
    )
    content = der.sequence(DATA, cipher.identifier(iv), der.encode(0x80, encrypted(key, iv)))
    inner = der.sequence(der.integer(0), der.set_of([recipient]), content)
    return der.sequence(der.object_identifier("1.2.840.113549.1.7.3"), der.explicit(0, inner))


@pytest.mark.parametrize("cipher", BLOCK_CIPHERS, ids=lambda one: f"{one.key_size}-{one.block_size}")
def test_all_that_a_reidentifier_must_read(cipher: BlockCipher) -> None:
    def encrypted(key: bytes, iv: bytes) -> bytes:
        algorithm = algorithms.AES(key) if cipher.block_size == 16 else TripleDES(key)
        run = Cipher(algorithm, modes.CBC(iv)).encryptor()
        pad = cipher.block_size - 5
        return run.update(b"hello" + bytes([pad]) * pad) + run.finalize()

    key = pki.recipient()
    data = other_form(key.certificate, cipher, encrypted)
    assert enveloped_cbc.open_(data, [key]) == b"hello"
    assert not enveloped_cbc.is_addressed(data, [pki.recipient("other")])


def test_every_failure_after_the_key_looks_the_same_ena_7() -> None:
    """No padding oracle: wrong padding, a key that does not unwrap or has another size, in one wording."""
    data = sealed(b"x" * 15)
    certificate = pki.recipient().certificate
    public = certificates.check_strength(certificate, NoMatchError)
    identifier = der.encode(0x80, certificates.subject_key_identifier(certificate, NoMatchError))

    def with_key(encrypted_key: bytes) -> bytes:
        recipient = der.sequence(
            der.integer(2), identifier, RSA_KEY_TRANSPORT, der.octet_string(encrypted_key)
        )
        return pki.edit(data, FIRST, recipient)

    attempts = [
        lambda: pki.edit(data, (*CONTENT, 2), der.encode(0x80, os.urandom(16 * 64))),
        lambda: with_key(public.encrypt(bytes(16), padding.PKCS1v15())),
        lambda: with_key(public.encrypt(os.urandom(32), padding.PKCS1v15())),
        lambda: with_key(os.urandom(256)[:-1] + b"\0"),
        lambda: with_key(bytes(256)),
        lambda: with_key(b"\xff" * 256),
    ]
    seen = set()
    for attempt in attempts:
        for _ in range(64):  # CBC's padding fits by chance once in 256: then it opens to noise
            try:
                assert opened(attempt()) != b"x" * 15
            except BadSignatureError as error:
                seen.add((str(error), error.hint, error.rule))
                break
        else:
            pytest.fail("always opens")
    assert len(seen) == 1
    assert seen.pop()[2] == "ENA-7"


def test_nobody_else_ena_6() -> None:
    with pytest.raises(NoMatchError) as caught:
        opened(sealed(b"hello", "other"))
    assert caught.value.rule == "ENA-6"


def test_other_types_and_versions_ena_2() -> None:
    refuses(b"".join(enveloped.seal([b"x"], [pki.recipient().certificate])), UnsupportedError, "ENA-2")
    for version in (0, 1, 3):
        refuses(pki.edit(sealed(), VERSION, der.integer(version)), UnsupportedError, "ENA-2")
    inside = der.object_identifier("1.2.840.113549.1.7.2")
    refuses(pki.edit(sealed(), (*CONTENT, 0), inside), UnsupportedError, "ENA-2")


def test_recipients_ena_3() -> None:
    with pytest.raises(Usage) as caught:
        enveloped_cbc.seal(b"", [])
    assert caught.value.rule == "ENA-3"
    with pytest.raises(Usage):
        sealed(b"", "recipient", "recipient")
    refuses(pki.edit(sealed(), INFOS, der.encode(der.SET)), FormatError, "ENA-3")
    raw = bytes(pki.element(sealed(), *FIRST).raw)
    again = bytes(pki.element(sealed(), *FIRST).raw)
    refuses(pki.edit(sealed(), INFOS, der.set_of([raw, again])), FormatError, "ENA-3")


def test_kinds_of_recipients_ena_4() -> None:
    refuses(pki.edit(sealed(), FIRST, der.encode(0xA3, der.integer(0))), UnsupportedError, "ENA-4")
    refuses(pki.edit(sealed(), (*FIRST, 0), der.integer(1)), UnsupportedError, "ENA-4")
    oaep = der.sequence(der.object_identifier("1.2.840.113549.1.1.7"), der.sequence())
    refuses(pki.edit(sealed(), (*FIRST, 2), oaep), UnsupportedError, "ENA-4")
    refuses(pki.edit(sealed(), (*FIRST, 3), der.octet_string(bytes(128))), FormatError, "ENA-4")
    refuses(pki.edit(sealed(), (*FIRST, 1), der.encode(0x80, bytes(65))), FormatError, "ENA-4")


def test_ciphers_and_sizes_ena_5() -> None:
    gcm = der.sequence(der.object_identifier("2.16.840.1.101.3.4.1.46"), der.octet_string(bytes(16)))
    refuses(pki.edit(sealed(), (*CONTENT, 1), gcm), UnsupportedError, "ENA-5")
    refuses(pki.edit(sealed(), (*CONTENT, 1), AES256_CBC.identifier(bytes(8))), UnsupportedError, "ENA-5")
    for size in (0, 15, 17):
        refuses(pki.edit(sealed(), (*CONTENT, 2), der.encode(0x80, bytes(size))), FormatError, "ENA-5")


def test_no_byte_before_the_content_changes_unseen() -> None:
    """Structure and key; nothing protects the content itself, which is why it is signed inside."""
    data = sealed(b"hello" * 10)
    end = pki.element(data, *CONTENT, 1).end - 16
    for at in range(end):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            assert opened(bytes(changed)) != b"hello" * 10, at
        except DicomPackError:
            continue


def test_flipped_bits_do_change_the_content() -> None:
    """EFAIL: the reason why nothing is believed before the statement inside has verified."""
    data = bytearray(sealed(b"A" * 32))
    at = pki.element(bytes(data), *CONTENT, 2).end - 48
    data[at] ^= ord("A") ^ ord("B")
    assert opened(bytes(data))[16:] == b"B" + b"A" * 15


def test_pad_byte_of_an_ob_value() -> None:
    data = sealed()
    assert enveloped_cbc.without_pad(data + b"\0") == enveloped_cbc.without_pad(data) == data
    for more in (b"\1", b"\0\0"):
        refuses(enveloped_cbc.without_pad(data + more), FormatError, "DER-3")
