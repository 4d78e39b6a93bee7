"""Known attacks on envelopes, in whole packages: refused with the exit code, and the target is as it was.

On bare objects they are in `tests/unit/crypto`: truncated tags (OpenSSL takes 4 bytes), nesting bombs,
lengths, wrong curves and points, OAEP labels, attributes, two objects one after the other.
"""

from __future__ import annotations

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import dicompack
from dicompack import Originator, Recipient
from dicompack.cli.exit_codes import ExitCode, exit_code_of
from dicompack.crypto import der, enveloped, recipients
from dicompack.crypto.algorithms import AES256_CBC, DATA, EC_PUBLIC_KEY, ENVELOPED_DATA, P256, RSA_OAEP
from dicompack.crypto.passwords import Derivation, Password, PasswordKey
from dicompack.crypto.recipients import KeyTransport, PasswordRecipient
from dicompack.errors import BadSignatureError, DicomPackError
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, tree
from tests.unit.crypto import pki

MEMBER = "DICOM/00000001"
REFUSALS = (ExitCode.FORMAT, ExitCode.UNSUPPORTED, ExitCode.NO_MATCH, ExitCode.BAD_SIGNATURE)
INFOS, CONTENT, TAG = (1, 0, 1), (1, 0, 2), (1, 0, 3)


@pytest.fixture(scope="module")
def original(tmp_path_factory, sender, receiver, stranger):
    folder = tmp_path_factory.mktemp("original")
    return packed(folder, Originator(sender.signing, (receiver.contact, stranger.contact)))[0]


@pytest.fixture
def forgery(original):
    return Forgery(original)


@pytest.fixture
def refuse(tmp_path, receiver, sender):
    """Unpack ends with this code and rule, and the target folder is as it was."""

    def check(forgery: Forgery, code: ExitCode | None, rule: str, opener=None):
        folder = tmp_path / os.urandom(4).hex()
        (folder / "target").mkdir(parents=True)
        path = forgery.write(folder / "forged.dcmpack")
        reader = Recipient((opener or receiver.decryption,), trusting(sender))
        before = tree(folder)
        with pytest.raises(DicomPackError) as caught:
            dicompack.unpack(path, folder / "target", recipient=reader, jobs=1)
        assert caught.value.rule == rule, caught.value
        assert exit_code_of(caught.value) in ((code,) if code else REFUSALS)
        assert tree(folder) == before

    return check


def content_key(data: bytes, opener: recipients.Opener) -> bytes:
    return recipients.content_key(recipients.parse(pki.element(data, *INFOS)), [opener])


def as_cbc(data: bytes, key: bytes, content: bytes) -> bytes:
    """The same recipients, and AES-256-CBC in place of GCM: what an insider makes, or an outsider by luck."""
    iv = os.urandom(16)
    padded = content + bytes([16 - len(content) % 16]) * (16 - len(content) % 16)
    ciphertext = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor().update(padded)
    encrypted = der.sequence(DATA, AES256_CBC.identifier(iv), der.encode(0x80, ciphertext))
    inner = der.sequence(der.integer(2), pki.element(data, *INFOS).raw, encrypted)
    return der.sequence(ENVELOPED_DATA, der.explicit(0, inner))


def test_efail_bit_flip(forgery, refuse):
    data = bytearray(forgery.objects[MEMBER])
    data[-100] ^= 1
    forgery.objects[MEMBER] = bytes(data)
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_downgrade_from_gcm_to_cbc_by_an_outsider(forgery, refuse):
    forgery.objects[MEMBER] = as_cbc(forgery.objects[MEMBER], os.urandom(32), bytes(1000))
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_downgrade_from_gcm_to_cbc_by_an_insider(forgery, refuse, stranger, sender):
    """Even with a SEAL that the sender was made to sign: the object is none of this envelope's."""
    data = forgery.objects[MEMBER]
    changed = as_cbc(data, content_key(data, stranger.decryption), forgery.open(MEMBER, stranger.decryption))
    rows = {name: forgery.objects[name] for name in forgery.sealed}
    forgery.refresh_digests()
    table = bytearray(forgery.objects["DIGESTS"])
    place = 64 * list(rows).index(MEMBER)
    table[place : place + 32] = _sha256(changed)
    forgery.objects[MEMBER], forgery.objects["DIGESTS"] = changed, bytes(table)
    forgery.change_seal(sender.signing)
    refuse(forgery, ExitCode.UNSUPPORTED, "ENV-1")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_invisible_recipient(forgery, refuse, receiver):
    """A RecipientInfo more, which no tag covers: OpenSSL opens it, we refuse it."""
    data = forgery.objects[MEMBER]
    infos = [bytes(one.raw) for one in pki.element(data, *INFOS).children]
    more = KeyTransport(b"another", RSA_OAEP, bytes(256)).marshal()
    forgery.objects[MEMBER] = pki.edit(data, INFOS, der.set_of([*infos, more]))
    assert enveloped.open_(forgery.objects[MEMBER], [receiver.decryption])
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_recipient_removed(forgery, refuse):
    data = forgery.objects[MEMBER]
    infos = [bytes(one.raw) for one in pki.element(data, *INFOS).children]
    forgery.objects[MEMBER] = pki.edit(data, INFOS, der.set_of(infos[:1]))
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_truncated_tag(forgery, refuse):
    data = forgery.objects[MEMBER]
    forgery.objects[MEMBER] = pki.edit(data, TAG, der.octet_string(pki.element(data, *TAG).content[:4]))
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_two_objects_one_after_the_other(forgery, refuse):
    forgery.objects[MEMBER] *= 2
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


def test_exchanged_members(forgery, refuse):
    """Both are authentic, for these recipients, from this sender."""
    second = "DICOM/00000002"
    forgery.objects[MEMBER], forgery.objects[second] = forgery.objects[second], forgery.objects[MEMBER]
    refuse(forgery, ExitCode.BAD_SIGNATURE, "PKG-13")


@pytest.mark.parametrize("rounds", [1, 1 << 31])
def test_denial_of_service_by_password_rounds(tmp_path, refuse, sender, rounds):
    """A trusted sender asks for rounds that would take minutes, or for hardly any: nothing is derived."""
    password = Password("correct horse battery staple, and some more words")
    made = PasswordKey.new(password)
    key = PasswordKey(Derivation(made.derivation.salt, rounds), made.key)
    inside = PasswordRecipient.wrap(os.urandom(32), key).marshal()
    forged = Forgery(packed(tmp_path, Originator(sender.signing, (), password=made))[0])
    data = forged.objects["MANIFEST"]
    forged.objects["MANIFEST"] = pki.edit(data, INFOS, der.set_of([inside]))
    table = bytearray(forged.objects["DIGESTS"])
    place = 64 * forged.sealed.index("MANIFEST")
    table[place : place + 32] = _sha256(forged.objects["MANIFEST"])
    forged.objects["DIGESTS"] = bytes(table)
    forged.change_seal(sender.signing)
    reader = Password(password.text)
    refuse(forged, ExitCode.UNSUPPORTED, "ENV-11", reader)
    assert not reader._keys


def test_error_oracle_of_packages(forgery, receiver, stranger):
    """Wrong key, wrong tag, wrong content: the same text, whatever is behind it."""
    data = forgery.objects[MEMBER]
    flipped = bytearray(data)
    flipped[-1] ^= 1
    other = pki.edit(data, CONTENT, pki.element(forgery.objects["DICOM/00000002"], *CONTENT).raw)
    texts = set()
    for wrong in (bytes(flipped), other):
        for who in (receiver, stranger):
            with pytest.raises(BadSignatureError) as caught:
                enveloped.open_(wrong, [who.decryption])
            texts.add((str(caught.value), caught.value.hint, exit_code_of(caught.value)))
    assert len(texts) == 1


def _info(data: bytes) -> bytes:
    return bytes(pki.element(data, *INFOS).children[0].raw)


def _with_infos(data: bytes, *infos: bytes) -> bytes:
    return pki.edit(data, INFOS, der.set_of(infos))


def _agreement(originator: bytes) -> bytes:
    """A KeyAgreeRecipientInfo of P-256 with this originator."""
    key = der.sequence(der.encode(0xA0, der.octet_string(b"x" * 20)), der.octet_string(bytes(40)))
    content = (der.integer(3), der.explicit(0, originator), P256.identifier, der.sequence(key))
    return der.encode(0xA1, *content)


def _originator_key(point: bytes) -> bytes:
    return der.encode(0xA1, EC_PUBLIC_KEY, der.encode(0x03, b"\0" + point))


def _oaep_with_label(data: bytes) -> bytes:
    """pSourceSpecified: another label than none."""
    label = der.explicit(
        2, der.sequence(der.object_identifier("1.2.840.113549.1.1.9"), der.octet_string(b"label"))
    )
    fields = [bytes(one.raw) for one in der.parse(_info(data)).children]
    oaep = der.parse(RSA_OAEP)
    parameters = der.sequence(*(bytes(one.raw) for one in oaep.children[1].children), label)
    fields[2] = der.sequence(bytes(oaep.children[0].raw), parameters)
    return der.sequence(*fields)


def _nested(depth: int) -> bytes:
    bomb = b""
    for _ in range(depth):
        bomb = der.sequence(bomb)
    return bomb


HOSTILE = {
    "the-same-info-twice": (lambda data: _with_infos(data, _info(data), _info(data)), "DER-7"),
    "duplicate-recipient": (
        lambda data: _with_infos(data, _info(data), _info(data)[:-1] + bytes([_info(data)[-1] ^ 1])),
        "ENV-3",
    ),
    "no-recipient": (lambda data: _with_infos(data), "ENV-3"),
    "oaep-label": (lambda data: _with_infos(data, _oaep_with_label(data)), "ENV-4"),
    "static-static-ecdh": (
        lambda data: _with_infos(data, _agreement(der.encode(0x80, b"a static key"))),
        "DER-5",
    ),
    "short-point": (lambda data: _with_infos(data, _agreement(_originator_key(b"\4" + bytes(20)))), "ENV-4"),
    "nesting-bomb": (lambda data: _with_infos(data, _nested(500)), "DER-6"),
    "huge-length": (
        lambda data: pki.edit(data, CONTENT, b"\x30\x85\xff\xff\xff\xff\xff" + bytes(20)),
        "DER-3",
    ),
    "indefinite-length": (lambda data: b"\x30\x80" + bytes(data[4:]) + b"\0\0", "DER-1"),
    "tag-of-four-bytes": (
        lambda data: pki.edit(data, TAG, der.octet_string(pki.element(data, *TAG).content[:4])),
        "ENV-7",
    ),
    "iv-of-eight-bytes": (
        lambda data: pki.edit(
            data,
            (*CONTENT, 1),
            der.sequence(
                pki.element(data, *CONTENT, 1, 0).raw,
                der.sequence(der.octet_string(bytes(8)), der.integer(16)),
            ),
        ),
        "ENV-6",
    ),
    "second-object-behind": (lambda data: data + data, "DER-3"),
    "authenticated-attributes": (
        lambda data: pki.edit(
            data, TAG, der.encode(0xA1, der.sequence()) + bytes(pki.element(data, *TAG).raw)
        ),
        "DER-5",
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_envelope_of_a_trusted_sender(tmp_path, refuse, sender, receiver, attack):
    """The strongest attacker: his SEAL covers the object, so that no digest stands before the parser."""
    make, rule = HOSTILE[attack]
    forged = Forgery(packed(tmp_path, Originator(sender.signing, (receiver.contact,)), ("CT_small.dcm",))[0])
    forged.objects["MANIFEST"] = make(forged.objects["MANIFEST"])
    table = bytearray(forged.objects["DIGESTS"])
    place = 64 * forged.sealed.index("MANIFEST")
    table[place : place + 32] = _sha256(forged.objects["MANIFEST"])
    forged.objects["DIGESTS"] = bytes(table)
    forged.change_seal(sender.signing)
    refuse(forged, None, rule)
