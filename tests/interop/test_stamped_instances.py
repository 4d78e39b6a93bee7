"""Time-stamps of instances' Digital Signatures: ours for dcmsign, and dcmsign's for us."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import dicompack
from dicompack import Originator, Recipient, SigningKey
from dicompack.cli.program import run
from dicompack.container import manifest
from dicompack.crypto import signed
from dicompack.crypto.time_stamp_messages import Query
from dicompack.dicom import dicom_file, mac
from dicompack.errors import BadSignatureError, DicomPackError, InputError, UsageError
from dicompack.stages import signature, source_signatures
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, study
from tests.test_time_stamps import with_tsa
from tests.time_stamps import Authority, serving
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop


def stamped(folder: Path, originator: Originator, authority: Authority) -> tuple[Path, list[bytes]]:
    """A package whose instances have time-stamps, and the imprints that the authority saw."""
    with serving(authority.reply) as (url, seen):
        package, report = packed(folder, originator, timestamp=url, timestamp_instances=True, jobs=2)
    assert report.instances_out == 2
    return package, [Query.parse(body).imprint for _, body in seen]


def members_of(package: Path, receiver) -> list[tuple[bytes, manifest.ManifestMember]]:
    forgery = Forgery(package)
    content = manifest.parse(signed.verify(forgery.open("MANIFEST", receiver.decryption)).content)
    return [
        (forgery.open(f"DICOM/{number:08d}", receiver.decryption), member)
        for number, member in enumerate(content.members, start=1)
    ]


@pytest.mark.parametrize("kind", ["rsa", "curve"])
def test_ours_verify_here_and_in_dcmsign(tmp_path, sender, receiver, program, kind):
    authority, signing = Authority(), sender.signing
    if kind == "curve":
        now = authority.start
        certificate = pki.certificate(
            "Curve", pki.SIGNS, of=pki.curve_key("stamped"), start=now, end=authority.end
        )
        signing = SigningKey(certificate, pki.curve_key("stamped"))
    package, imprints = stamped(tmp_path, Originator(signing, (receiver.contact,)), authority)
    assert len(imprints) == len(set(imprints)) == 3  # two instances and the SEAL
    reader = Recipient((receiver.decryption,), trusting(sender))
    if kind == "rsa":
        reader = Recipient(reader.keys, with_tsa(reader.trust, authority))
        report = dicompack.unpack(package, tmp_path / "out", recipient=reader, keep_signed=True, jobs=2)
        assert report.instances_out == 2 and not report.findings
    (tmp_path / "signer.pem").write_bytes(pki.pem(signing.certificate))
    (tmp_path / "tsa.pem").write_bytes(pki.pem(authority.root))
    for file, member in members_of(package, receiver):
        found = mac.read_signature(dicom_file.parse(file).data_set)
        assert found.token
        signature.unpack(file, member, pki.raw(signing.certificate))
        (tmp_path / "one.dcm").write_bytes(file)
        command = [program("dcmsign"), "--verify", "+rg", "+cf", tmp_path / "signer.pem"]
        told = subprocess.run(
            [*map(str, command), "+cf", str(tmp_path / "tsa.pem"), "-v", str(tmp_path / "one.dcm")],
            capture_output=True,
            check=False,
        )
        text = (told.stdout + told.stderr).decode()
        assert told.returncode == 0, text
        assert re.search(r"Timestamp Verification +: OK", text), text


def test_tokens_that_do_not_fit_sig_10(tmp_path, originator, sender, receiver):
    """Removed, of another instance, cut, with bytes behind it, or without its type."""
    package, _ = stamped(tmp_path, originator, Authority())
    (file, member), (other, _) = members_of(package, receiver)
    signer = pki.raw(sender.signing.certificate)
    parsed = dicom_file.parse(file)
    found = mac.read_signature(parsed.data_set)
    bare = mac.without_signature(parsed.data_set)
    foreign = mac.read_signature(dicom_file.parse(other).data_set).token

    def refuse(token: bytes, rule: str) -> None:
        item = found.item.without(0x04000305, 0x04000310)
        changed = mac.Signature(
            item,
            found.transfer_syntax_uid,
            found.algorithm,
            found.signed_tags,
            found.certificate,
            found.value,
            token,
        )
        whole = mac.signed_data_set(bare, changed, found.value)
        data = b"".join(dicom_file.marshal(whole, parsed.transfer_syntax))
        with pytest.raises(DicomPackError) as caught:
            signature.unpack(data, member, signer)
        assert caught.value.rule == rule

    token = found.token[: len(found.token) - (found.token[-1] == 0)]
    refuse(foreign, "TSP-3")
    refuse(found.token + b"\0\0", "SIG-10")
    refuse(token + b"\1" + bytes(len(token) % 2 == 0), "SIG-10")
    refuse(found.token[:-40], "KEY-1")
    broken = bytearray(found.token)
    broken[token.rindex(b"\x04\x82") + 60] ^= 1
    refuse(bytes(broken), "TSP-4")
    for tag in (0x04000305, 0x04000310):
        whole = parsed.data_set.replacing(
            mac.Sequence(0xFFFAFFFA, (parsed.data_set.items(0xFFFAFFFA)[0].without(tag),))
        )
        data = b"".join(dicom_file.marshal(whole, parsed.transfer_syntax))
        with pytest.raises(BadSignatureError) as caught:
            signature.unpack(data, member, signer)
        assert caught.value.rule == "SIG-1"


def test_an_authority_that_gives_none_ends_the_run(tmp_path, originator):
    """Not one instance is blamed, and nothing is written."""
    with serving(Authority().reply, status=503) as (url, seen), pytest.raises(InputError) as caught:
        packed(tmp_path, originator, timestamp=url, timestamp_instances=True, jobs=1)
    assert caught.value.rule == "TSP-9"
    assert not list(tmp_path.glob("study*")) and not list(tmp_path.glob(".study*"))
    assert len(seen) <= 2
    with pytest.raises(UsageError):
        packed(tmp_path, originator, timestamp_instances=True)


def test_from_the_command_line_with_a_dcmsign_signed_source(tmp_path, sender, receiver, program, capfd):
    """What dcmsign and openssl stamped in a source is told of; what we stamp is new."""
    authority = Authority()
    source = study(tmp_path / "in", ("CT_small.dcm",)) / "CT_small.dcm"
    key = sender.signing.private_key
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "cert.pem").write_bytes(pki.pem(sender.signing.certificate))

    def dcmsign(*words: object) -> None:
        subprocess.run([program("dcmsign"), *map(str, words)], check=True, capture_output=True)

    dcmsign("+s", tmp_path / "key.pem", tmp_path / "cert.pem", "+m3", "+ts", tmp_path / "q", tmp_path / "uid",
            source, tmp_path / "signed.dcm")  # fmt: skip
    (tmp_path / "r").write_bytes(authority.reply((tmp_path / "q").read_bytes()))
    dcmsign("+t", tmp_path / "q", tmp_path / "r", tmp_path / "uid", tmp_path / "signed.dcm", source)
    told = [one.message for one in source_signatures.findings(dicom_file.parse(source.read_bytes()).data_set)]
    assert len(told) == 1
    assert "with a time-stamp that fits it" in told[0]
    data = source.read_bytes()
    found = next(source_signatures.source_signatures(dicom_file.parse(data).data_set))
    value = found.signature.value
    other = data.replace(hashlib.sha256(value).digest(), bytes(32))
    assert other != data
    told = [one.message for one in source_signatures.findings(dicom_file.parse(other).data_set)]
    assert "with a time-stamp that does not fit it" in told[0]
    (tmp_path / "me.p12").write_bytes(sender.files.signing_p12)
    (tmp_path / "contact.pem").write_bytes(receiver.files.contact_pem)
    with serving(authority.reply) as (url, seen):
        call = ["pack", str(tmp_path / "in"), "-o", str(tmp_path / "p.dcmpack"), "--signer"]
        call += [str(tmp_path / "me.p12"), "--recipient", str(tmp_path / "contact.pem"), "--timestamp", url]
        assert run([*call, "--timestamp-instances", "--deidentify", "none"]) == 0
    assert len(seen) == 2
    reader = Recipient((receiver.decryption,), trusting(sender))
    dicompack.unpack(tmp_path / "p.dcmpack", tmp_path / "out", recipient=reader, originals=True)
    restored = next((tmp_path / "out").rglob("*.dcm"))
    assert restored.read_bytes() == data
