"""AuthEnvelopedData: only for its recipients, and not one byte other than what was sealed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from dicompack.crypto import der, enveloped
from dicompack.crypto.algorithms import RSA_OAEP, RSA_OAEP_WITHOUT_NULL
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    NoMatchError,
    UnsupportedError,
    UsageError,
)
from tests.unit.crypto import pki

cms = pytest.importorskip("asn1crypto.cms")

ENVELOPE = (1, 0)
VERSION, INFOS, CONTENT, TAG = ((*ENVELOPE, n) for n in range(4))
FIRST = (*INFOS, 0)
ALGORITHM = (*CONTENT, 1)


PUBLIC = pki.recipient().certificate


def sealed(content: Sequence[bytes | memoryview] = (b"hello",), *names: str) -> bytes:
    people = [pki.recipient(name).certificate for name in names or ("recipient",)]
    return b"".join(enveloped.seal(content, people))


def opened(data: bytes, name: str = "recipient") -> bytes:
    return enveloped.open_(data, [pki.recipient(name)])


def refuses(data: bytes, error: type[DicomPackError], rule: str) -> None:
    """Without any key, and therefore with one."""
    for attempt in (lambda: enveloped.inspect(data), lambda: opened(data)):
        with pytest.raises(error) as caught:
            attempt()
        assert caught.value.rule == rule


def info(identifier: bytes, algorithm: bytes, encrypted_key: bytes, version: int = 2) -> bytes:
    return der.sequence(
        der.integer(version), der.encode(0x80, identifier), algorithm, der.octet_string(encrypted_key)
    )


# ---------------------------------------------------------------------------------- what holds


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100, 127, 128, 65_536])
def test_round_trip(size: int) -> None:
    content = os.urandom(size)
    assert opened(sealed([content])) == content
    halves = [content[: size // 2], memoryview(content)[size // 2 :]]
    assert opened(sealed(halves)) == content
    assert (
        enveloped.open_(memoryview(sealed([content])), [pki.recipient("other"), pki.recipient()]) == content
    )


def test_content_of_several_pieces() -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    chunks = list(enveloped.seal([content[:5], memoryview(content)[5:]], [pki.recipient().certificate]))
    assert max(map(len, chunks)) <= 1 << 20
    assert opened(b"".join(chunks)) == content
    assert opened(sealed([])) == b""


def test_every_recipient_opens_and_nobody_else() -> None:
    names = ("recipient", "other", "third")
    data = sealed([b"hello"], *names)
    for name in names:
        assert opened(data, name) == b"hello"
    with pytest.raises(NoMatchError) as caught:
        enveloped.open_(data, [pki.recipient("stranger")])
    assert caught.value.rule == "ENV-9"
    with pytest.raises(NoMatchError):
        enveloped.open_(data, [])


class File:
    """What is read piece by piece, and how much of it at a time."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size, self.largest = data, len(data), 0

    def read_at(self, offset: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return self._data[offset : offset + size]


def test_piece_by_piece() -> None:
    """Neither side holds the content; a wrong tag shows at the end, a wrong form and a wrong key at once."""
    content = os.urandom(3 * (1 << 20) + 17)
    data = b"".join(
        enveloped.seal(
            (content[at : at + 1000] for at in range(0, len(content), 1000)), [PUBLIC], len(content)
        )
    )
    file = File(data)
    assert enveloped.inspect(file) == enveloped.inspect(data)
    assert file.largest < 10_000
    pieces = list(enveloped.open_pieces(file, [pki.recipient()]))
    assert b"".join(pieces) == content and max(map(len, pieces)) <= 1 << 20 >= file.largest
    pieces_of_wrong = enveloped.open_pieces(File(data[:-1] + bytes((data[-1] ^ 1,))), [pki.recipient()])
    assert next(pieces_of_wrong)
    with pytest.raises(BadSignatureError):
        list(pieces_of_wrong)
    with pytest.raises(NoMatchError):
        enveloped.open_pieces(file, [pki.recipient("stranger")])
    with pytest.raises(FormatError):
        enveloped.open_pieces(File(data[:-1]), [pki.recipient()])


def test_first_piece_is_all_that_depends_on_recipients() -> None:
    first, *rest = enveloped.seal([b"hello"], [PUBLIC])
    assert len(first) == enveloped.inspect(b"".join((first, *rest))).content_offset


@pytest.mark.parametrize("size", [4, 6])
def test_content_of_another_size_than_was_said(size: int) -> None:
    with pytest.raises(AssertionError):
        list(enveloped.seal([b"hello"], [PUBLIC], size))


def test_inspect_tells_recipients_in_order() -> None:
    names = ("recipient", "other", "third")
    facts = enveloped.inspect(sealed([b"hello"], *names))
    expected = {
        pki.recipient(name)
        .certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        .value.digest
        for name in names
    }
    assert set(facts.recipients) == expected and len(facts.recipients) == 3
    data = sealed([b"hello"], *names)
    assert enveloped.inspect(data).content_offset == pki.element(data, *CONTENT).start


def test_recipients_do_not_influence_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """From content_offset on, the bytes are a function of content, key and IV."""
    monkeypatch.setattr(enveloped.os, "urandom", lambda size: bytes(range(size)))
    tails = set()
    for names in (("recipient",), ("other",), ("recipient", "other", "third")):
        data = sealed([b"x" * 70_000], *names)
        tails.add(data[enveloped.inspect(data).content_offset :])
    assert len(tails) == 1


def test_every_object_has_its_own_key_and_iv() -> None:
    several = [sealed() for _ in range(3)]
    assert len({bytes(pki.element(data, *ALGORITHM).raw) for data in several}) == 3
    assert len({bytes(pki.element(data, *CONTENT, 2).raw) for data in several}) == 3


def test_asn1crypto_reads_the_same() -> None:
    data = sealed([b"hello"], "recipient", "other")
    parsed = cms.ContentInfo.load(data, strict=True)
    assert parsed["content_type"].native == "authenticated_enveloped_data"
    envelope = parsed["content"]
    assert envelope["version"].native == "v0"
    inside = envelope["auth_encrypted_content_info"]
    assert inside["content_type"].native == "data"
    assert inside["content_encryption_algorithm"]["algorithm"].native == "aes256_gcm"
    assert len(inside["encrypted_content"].native) == 5
    assert len(envelope["mac"].native) == 16
    for one in envelope["recipient_infos"]:
        recipient = one.chosen
        assert recipient["version"].native == "v2"
        assert recipient["rid"].name == "subject_key_identifier"
        algorithm = recipient["key_encryption_algorithm"]
        assert algorithm["algorithm"].native == "rsaes_oaep"
        assert algorithm["parameters"]["hash_algorithm"]["algorithm"].native == "sha256"
        assert algorithm["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native == "sha256"
        assert len(recipient["encrypted_key"].native) == 256
    assert tuple(one.chosen["rid"].chosen.native for one in envelope["recipient_infos"]) == (
        enveloped.inspect(data).recipients
    )
    assert parsed.dump(force=True) == data


def test_worked_example_of_the_specification() -> None:
    """The chapter's dump: offsets, and every byte that does not differ each time."""
    chapter = (Path(__file__).parents[3] / "spec" / "4-envelope.md").read_text("utf-8")
    data = sealed()
    position = 0
    for line in re.findall(
        r"^([0-9a-f]{3})  ( *(?:[0-9a-f]{2} |\.\. |\([0-9]+\) )+) ", chapter, re.MULTILINE
    ):
        assert int(line[0], 16) == position
        for token in line[1].split():
            if token.startswith("("):
                position += int(token.strip("()"))
            elif token != "..":
                assert data[position] == int(token, 16)
                position += 1
    assert position == len(data) == 453
    assert "453 bytes, content_offset 383" in chapter
    assert enveloped.inspect(data).content_offset == 383


def test_content_is_plain_gcm() -> None:
    """A second implementation: unwrap, take IV and tag, decrypt without associated data."""
    data = sealed([b"hello"])
    key = pki.key("recipient").decrypt(
        bytes(pki.element(data, *FIRST, 3).content),
        padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
    )
    iv = pki.element(data, *ALGORITHM, 1, 0).content
    encrypted = bytes(pki.element(data, *CONTENT, 2).content) + bytes(pki.element(data, *TAG).content)
    assert AESGCM(key).decrypt(iv, encrypted, None) == b"hello"


# ---------------------------------------------------------------------------------- sealing refuses


@pytest.mark.parametrize("count", [0, 257])
def test_number_of_recipients(count: int) -> None:
    with pytest.raises(UsageError) as caught:
        enveloped.seal([b"x"], [pki.recipient().certificate] * count)
    assert caught.value.rule == "ENV-3"


def test_recipient_twice() -> None:
    """ENV-3: by identifier or by key, also in another certificate; before anything is written."""
    own = pki.recipient().certificate
    renewed = pki.certificate("renewed", pki.DECRYPTS, of=pki.key("recipient"))
    for several in ([own, own], [own, renewed]):
        with pytest.raises(UsageError) as caught:
            enveloped.seal([b"x"], several)
        assert caught.value.rule == "ENV-3"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: pki.signer().certificate,
        lambda: pki.root()[0],
        lambda: pki.certificate("weak", pki.DECRYPTS, of=pki.key("weak", 1024)),
        lambda: pki.certificate("recipient", pki.DECRYPTS, identifier=False),
    ],
)
def test_certificates_that_nothing_is_sealed_to(wrong: object) -> None:
    """KEY-2, KEY-4."""
    with pytest.raises(NoMatchError) as caught:
        enveloped.seal([b"x"], [pki.recipient().certificate, wrong()])  # type: ignore[operator]
    assert caught.value.rule in ("KEY-2", "KEY-4")


def test_content_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENV-8: both directions."""
    data = sealed([b"x" * 101])
    monkeypatch.setattr(enveloped, "MAX_CONTENT", 100)
    assert opened(sealed([b"x" * 100]))
    with pytest.raises(UsageError) as caught:
        sealed([b"x" * 101])
    assert caught.value.rule == "ENV-8"
    refuses(data, FormatError, "ENV-8")


# ---------------------------------------------------------------------------------- opening refuses


def test_every_flipped_bit_is_refused() -> None:
    """ENV-10 and the structure: one bit in each byte, another bit in each run of eight."""
    data = sealed()
    for position in range(len(data)):
        wrong = bytearray(data)
        wrong[position] ^= 1 << position % 8
        with pytest.raises((FormatError, UnsupportedError, NoMatchError, BadSignatureError)):
            opened(bytes(wrong))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=3), st.booleans())
def test_what_is_accepted_has_one_representation(changes: list[tuple[int, int]], random_length: bool) -> None:
    """Made anew from its facts by the writer, it is the same object."""
    data = bytearray(example())
    if random_length:
        data += b"\0"
    for position, mask in changes:
        data[position % len(data)] ^= mask
    try:
        envelope = enveloped._parse(der.InMemory(data))
    except (FormatError, UnsupportedError):
        return
    infos = der.set_of(one.marshal() for one in envelope.recipients)
    anew = enveloped._before_content(infos, envelope.size)
    assert envelope.content_offset == len(anew)
    anew += enveloped._content_header(envelope.iv, envelope.size)
    assert envelope.start == len(anew)
    anew += data[envelope.start : envelope.start + envelope.size]
    assert anew + der.octet_string(envelope.tag) == data


@cache
def example() -> bytes:
    return sealed([b"hello"], "recipient", "other")


def test_every_truncation_and_every_addition_is_refused() -> None:
    data = sealed()
    for size in range(len(data)):
        with pytest.raises(FormatError):
            opened(data[:size])
    for more in (b"\0", b"\x05\x00", data):
        refuses(data + more, FormatError, "DER-3")


def test_whatever_is_wrong_after_addressing_looks_the_same() -> None:
    """ENV-10: one class, one message, one rule, whether key, IV, content or tag is wrong."""
    data = sealed()
    identifier = pki.element(data, *FIRST, 1).content.tobytes()
    public = pki.key("recipient").public_key()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    keys = [
        bytes(256),
        b"\xff" * 256,
        os.urandom(256),
        public.encrypt(bytes(32), oaep),
        public.encrypt(bytes(16), oaep),
        public.encrypt(b"", oaep),
        public.encrypt(bytes(32), padding.PKCS1v15()),
        public.encrypt(bytes(32), padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)),
        public.encrypt(bytes(32), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")),
    ]
    wrong = [pki.edit(data, FIRST, info(identifier, RSA_OAEP, one)) for one in keys]
    wrong.append(pki.edit(data, (*ALGORITHM, 1, 0), der.octet_string(bytes(12))))
    wrong.append(pki.edit(data, (*CONTENT, 2), der.encode(0x80, b"other")))
    wrong.append(pki.edit(data, (*CONTENT, 2), der.encode(0x80)))
    wrong.append(pki.edit(data, TAG, der.octet_string(bytes(16))))
    seen = set()
    for one in wrong:
        enveloped.inspect(one)
        with pytest.raises(BadSignatureError) as caught:
            opened(one)
        seen.add((str(caught.value), caught.value.rule, caught.value.where, caught.value.hint))
    assert len(seen) == 1
    assert next(iter(seen))[1] == "ENV-10"


def test_another_key_under_the_same_identifier() -> None:
    """ENV-10: the identifier is a name, not a proof."""
    same = x509.SubjectKeyIdentifier.from_public_key(pki.key("recipient").public_key())
    fake = pki.certificate("fake", pki.DECRYPTS, identifier=False, extra=[same])
    data = b"".join(enveloped.seal([b"x"], [fake]))
    with pytest.raises(BadSignatureError) as caught:
        opened(data)
    assert caught.value.rule == "ENV-10"


def test_content_types() -> None:
    """ENV-1, ENV-5: EnvelopedData, SignedData, something else inside."""
    for other in ("1.2.840.113549.1.7.3", "1.2.840.113549.1.7.2"):
        refuses(pki.edit(sealed(), (0,), der.object_identifier(other)), UnsupportedError, "ENV-1")
        refuses(pki.edit(sealed(), (*CONTENT, 0), der.object_identifier(other)), UnsupportedError, "ENV-5")
    refuses(b"\x31" + sealed()[1:], FormatError, "DER-5")
    refuses(b"", FormatError, "DER-3")
    refuses(b"hello", FormatError, "DER-3")


def test_version() -> None:
    """ENV-2."""
    refuses(pki.edit(sealed(), VERSION, der.integer(2)), UnsupportedError, "ENV-2")


def test_recipients_of_the_object() -> None:
    """ENV-3: none, too many, twice."""
    data = sealed()
    own = pki.element(data, *FIRST)
    refuses(pki.edit(data, INFOS, der.set_of([])), FormatError, "ENV-3")
    identifier = own.children[1].content.tobytes()
    twice = [own.raw, info(identifier, RSA_OAEP, bytes(256))]
    refuses(pki.edit(data, INFOS, der.set_of(twice)), FormatError, "ENV-3")
    crowd = [info(number.to_bytes(2, "big"), RSA_OAEP, bytes(256)) for number in range(257)]
    refuses(pki.edit(data, INFOS, der.set_of(crowd)), FormatError, "ENV-3")
    enveloped.inspect(pki.edit(data, INFOS, der.set_of(crowd[:256])))


def test_unsorted_recipients() -> None:
    """DER-7."""
    data = sealed([b"x"], "recipient", "other")
    swapped = [one.raw for one in reversed(pki.element(data, *INFOS).children)]
    refuses(pki.edit(data, INFOS, der.encode(der.SET, *swapped)), FormatError, "DER-7")


def test_added_recipient_changes_nothing_but_the_head() -> None:
    """The tag does not cover the recipients; SEAL and MANIFEST do, and rest on this."""
    data = sealed()
    own = bytes(pki.element(data, *FIRST).raw)
    more = pki.edit(data, INFOS, der.set_of([own, info(b"x", RSA_OAEP, bytes(256))]))
    assert opened(more) == b"hello"
    assert enveloped.inspect(more).recipients != enveloped.inspect(data).recipients
    tail = data[enveloped.inspect(data).content_offset :]
    assert more[enveloped.inspect(more).content_offset :] == tail


def test_kinds_of_recipients() -> None:
    """ENV-4: other kinds, other names, other key transport, sizes."""
    data = sealed()
    for tag in (0xA0, 0xA2, 0xA5):  # key encryption keys, and what does not exist
        refuses(pki.edit(data, FIRST, der.encode(tag, der.integer(3))), UnsupportedError, "ENV-4")
    identifier = pki.element(data, *FIRST, 1).content.tobytes()
    refuses(pki.edit(data, FIRST, info(identifier, RSA_OAEP, bytes(256), 0)), UnsupportedError, "ENV-4")
    pkcs1 = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.null())
    bare = der.sequence(der.object_identifier("1.2.840.113549.1.1.7"), der.sequence())  # SHA-1 by default
    for algorithm in (pkcs1, bare, der.sequence()):
        refuses(pki.edit(data, FIRST, info(identifier, algorithm, bytes(256))), UnsupportedError, "ENV-4")
    for sizes in ((0, 256), (65, 256), (20, 255), (20, 1025), (20, 0)):
        wrong = info(bytes(sizes[0]), RSA_OAEP, bytes(sizes[1]))
        refuses(pki.edit(data, FIRST, wrong), FormatError, "ENV-4")


def test_oaep_without_null_is_read() -> None:
    data = sealed()
    own = pki.element(data, *FIRST)
    other = info(own.children[1].content.tobytes(), RSA_OAEP_WITHOUT_NULL, own.children[3].content.tobytes())
    assert opened(pki.edit(data, FIRST, other)) == b"hello"


@pytest.mark.parametrize("size", [0, 4, 12, 15, 17, 32])
def test_tag_has_sixteen_bytes(size: int) -> None:
    """ENV-7: OpenSSL takes shorter ones."""
    tag = (bytes(pki.element(sealed(), *TAG).content) * 2)[:size]
    refuses(pki.edit(sealed(), TAG, der.octet_string(tag)), FormatError, "ENV-7")


def test_content_encryption() -> None:
    """ENV-6: CBC, AES-128, IV and tag sizes, the default tag size, something behind it."""
    data = sealed()
    gcm = pki.element(data, *ALGORITHM, 0).raw
    iv = bytes(12)
    wrong = [
        der.sequence(der.object_identifier("2.16.840.1.101.3.4.1.42"), der.octet_string(bytes(16))),
        der.sequence(
            der.object_identifier("2.16.840.1.101.3.4.1.6"),
            der.sequence(der.octet_string(iv), der.integer(16)),
        ),
        der.sequence(gcm, der.sequence(der.octet_string(iv))),
        der.sequence(gcm, der.sequence(der.octet_string(iv), der.integer(12))),
        der.sequence(gcm, der.sequence(der.octet_string(iv), der.integer(4))),
        der.sequence(gcm, der.sequence(der.octet_string(bytes(11)), der.integer(16))),
        der.sequence(gcm, der.sequence(der.octet_string(bytes(16)), der.integer(16))),
        der.sequence(gcm, der.sequence(der.octet_string(iv), der.integer(16), der.null())),
        der.sequence(gcm, der.sequence(der.octet_string(iv), der.integer(16)), der.null()),
        der.sequence(gcm),
        der.sequence(),
    ]
    for algorithm in wrong:
        refuses(pki.edit(data, ALGORITHM, algorithm), UnsupportedError, "ENV-6")


def test_attributes_are_refused() -> None:
    """DER-5: authenticated, unauthenticated, originator info."""
    data = sealed()
    attribute = der.sequence(der.object_identifier("1.2.3"), der.set_of([der.null()]))
    tag, version = bytes(pki.element(data, *TAG).raw), bytes(pki.element(data, *VERSION).raw)
    refuses(pki.edit(data, TAG, der.set_of([attribute], 0xA1) + tag), FormatError, "DER-5")
    refuses(pki.edit(data, TAG, tag + der.set_of([attribute], 0xA2)), FormatError, "DER-5")
    refuses(pki.edit(data, VERSION, version + der.encode(0xA0)), FormatError, "DER-5")


def test_indefinite_length_is_refused() -> None:
    """DER-1: what `openssl cms -stream` makes."""
    data = sealed()
    inner = pki.element(data, 1, 0).content.tobytes()
    ber = der.sequence(pki.element(data, 0).raw, b"\xa0\x80\x30\x80" + inner + b"\0\0\0\0")
    refuses(ber, FormatError, "DER-1")


def test_constructed_content_is_refused() -> None:
    """DER-5: encrypted content in pieces."""
    pieces = der.encode(0xA0, der.octet_string(b"hel"), der.octet_string(b"lo"))
    refuses(pki.edit(sealed(), (*CONTENT, 2), pieces), FormatError, "DER-5")


def test_length_in_long_form_is_refused() -> None:
    data = sealed()
    tag = bytes(pki.element(data, *TAG).content)
    refuses(pki.edit(data, TAG, b"\x04\x81\x10" + tag), FormatError, "DER-1")


def test_nesting_bomb() -> None:
    bomb = b""
    for _ in range(5_000):
        bomb = der.sequence(bomb)
    refuses(pki.edit(sealed(), FIRST, bomb), FormatError, "DER-6")
