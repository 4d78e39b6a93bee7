"""From pack to reidentify: who gets what, and objects that were made on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

import dicompack
from dicompack import Originator, Recipient
from dicompack.cli.program import run
from dicompack.crypto.certificates import spki_sha256
from dicompack.dicom import dicom_file
from dicompack.errors import (
    BadSignatureError,
    InputError,
    NoMatchError,
    OutputError,
    UntrustedError,
    UsageError,
)
from tests.conftest import Party, trusting
from tests.packages import INSTANCES, bundled, packed, tree

REMOVED = 0x00120062


def custodian_of(sender: Party, custodian: Party) -> Recipient:
    return Recipient((custodian.decryption,), trusting(sender))


@pytest.fixture
def delivered(tmp_path, sender, receiver, stranger) -> Path:
    """A folder as the receiver has it; `stranger` is the custodian."""
    return deliver(tmp_path, sender, receiver, stranger, ("CT_small.dcm", "MR_small.dcm"))


def deliver(tmp_path, sender, receiver, custodian, names, **settings) -> Path:
    originator = Originator(sender.signing, (receiver.contact,), custodians=(custodian.contact,))
    package, _ = packed(tmp_path, originator, names, burned_in="vouch")
    dicompack.unpack(
        package,
        tmp_path / "delivered",
        recipient=Recipient((receiver.decryption,), trusting(sender)),
        **settings,
    )
    return tmp_path / "delivered"


def contents(folder: Path) -> list[bytes]:
    """The data sets in one form, without what re-identification is bound to say."""
    found = []
    for data in tree(folder).values():
        file = dicom_file.parse(data)
        body = dicom_file.marshal(file.data_set.without(REMOVED), file.transfer_syntax, deflate=False)
        found.append(b"".join(body))
    return sorted(found)


@pytest.mark.parametrize("keep_signed", [False, True])
def test_round_trip_by_the_custodian(tmp_path, sender, receiver, stranger, keep_signed):
    names = INSTANCES if not keep_signed else ("rtplan.dcm", "MR_small_RLE.dcm", "test-SR.dcm")
    folder = deliver(tmp_path, sender, receiver, stranger, names, keep_signed=keep_signed)
    target = tmp_path / "original"
    report = dicompack.reidentify([folder], target, recipient=custodian_of(sender, stranger))
    assert report.instances_out == report.instances_in == len(names)
    assert {one.trusted_as for one in report.signatures} == {"Sender Hospital"}
    if not keep_signed:
        assert contents(target) == contents(tmp_path / "source")
    assert len(report.findings) == (len(names) if keep_signed else 0)  # signature-removed


def test_only_with_a_custodian_is_anything_stored_ena_12(tmp_path, originator, recipient, sender, stranger):
    package, _ = packed(tmp_path, originator, burned_in="vouch")
    dicompack.unpack(package, tmp_path / "delivered", recipient=recipient)
    for data in tree(tmp_path / "delivered").values():
        assert 0x04000500 not in dicom_file.parse(data).data_set
    with pytest.raises(InputError):
        dicompack.reidentify(
            [tmp_path / "delivered"], tmp_path / "original", recipient=custodian_of(sender, stranger)
        )
    assert not (tmp_path / "original").exists()


def test_a_custodian_is_a_recipient_and_the_manifest_says_so(tmp_path, sender, stranger, monkeypatch):
    from dicompack.container import manifest

    seen = []
    parse = manifest.parse
    monkeypatch.setattr(manifest, "parse", lambda raw: seen.append(parse(raw)) or seen[-1])
    originator = Originator(sender.signing, (sender.contact,), custodians=(stranger.contact,))
    package, _ = packed(tmp_path, originator, burned_in="vouch")
    dicompack.verify(package, recipient=custodian_of(sender, stranger))
    roles = {one.key: one.role for one in seen[0].recipients}
    assert roles == {
        spki_sha256(sender.contact.decryption).hex(): "recipient",
        spki_sha256(stranger.contact.decryption).hex(): "custodian",
    }
    with pytest.raises(UsageError):
        Originator(sender.signing, ())
    assert Originator(sender.signing, (), custodians=(stranger.contact,)).recipient_certificates


def test_wrong_custodian_or_signer_writes_nothing(tmp_path, delivered, sender, receiver, stranger):
    target = tmp_path / "original"
    with pytest.raises(NoMatchError) as caught:
        dicompack.reidentify([delivered], target, recipient=custodian_of(sender, receiver))
    assert len(caught.value.faults) == 2
    with pytest.raises(UntrustedError):
        dicompack.reidentify([delivered], target, recipient=custodian_of(receiver, stranger))
    assert not target.exists()
    target.mkdir()
    (target / "taken").touch()
    with pytest.raises(OutputError):
        dicompack.reidentify([delivered], target, recipient=custodian_of(sender, stranger))


def test_one_bad_instance_and_nothing_is_written(tmp_path, delivered, sender, stranger):
    one, other = sorted(delivered.rglob("*.dcm"))
    first, second = dcmread(one), dcmread(other)
    first.EncryptedAttributesSequence = second.EncryptedAttributesSequence
    first.save_as(one)
    with pytest.raises(BadSignatureError) as caught:
        dicompack.reidentify([delivered], tmp_path / "original", recipient=custodian_of(sender, stranger))
    assert caught.value.rule == "ENA-8"
    assert not (tmp_path / "original").exists()


def derived_from(path: Path) -> Dataset:
    """What somebody makes on a delivered instance: it names it, its study, and its pseudonymous patient."""
    image = dcmread(path)
    made = Dataset()
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(made, keyword, getattr(image, keyword))
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.826.0.1.99"
    made.SeriesInstanceUID, made.PatientIdentityRemoved = "1.2.826.0.1.98", "YES"
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    series = Dataset()
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedInstanceSequence = Items([reference])
    made.ReferencedSeriesSequence = Items([series])
    made.file_meta = image.file_meta
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def test_derived_objects_get_their_references_back_ena_15(tmp_path, delivered, sender, stranger):
    path = next(one for one in delivered.rglob("*.dcm") if dcmread(one).Modality == "CT")
    derived_from(path).save_as(delivered / "0-before-the-others.dcm", enforce_file_format=True)
    unrelated = derived_from(path)
    unrelated.StudyInstanceUID = unrelated.FrameOfReferenceUID = "1.2.3"
    del unrelated.ReferencedSeriesSequence
    unrelated.save_as(delivered / "unrelated.dcm", enforce_file_format=True)
    stripped = dcmread(path)
    del stripped.EncryptedAttributesSequence
    stripped.save_as(delivered / "stripped.dcm")
    (delivered / "note.txt").write_text("nothing")
    target = tmp_path / "original"
    report = dicompack.reidentify([delivered], target, recipient=custodian_of(sender, stranger))
    assert (report.instances_in, report.instances_out) == (5, 3)
    assert sorted((one.name, one.dicom) for one in report.skipped) == [
        ("note.txt", False),
        ("stripped.dcm", True),
        ("unrelated.dcm", True),
    ]
    assert [(one.kind, one.where, one.rule) for one in report.findings] == [
        ("references-restored", "0-before-the-others.dcm", "ENA-15")
    ]
    original = dcmread(tmp_path / "source" / "CT_small.dcm")
    made = next(one for one in map(dcmread, target.rglob("*.dcm")) if one.SOPInstanceUID == "1.2.826.0.1.99")
    assert made.StudyInstanceUID == original.StudyInstanceUID
    assert made.FrameOfReferenceUID == original.FrameOfReferenceUID
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == original.SeriesInstanceUID
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert (made.PatientName, made.PatientID) == (original.PatientName, original.PatientID)
    assert made.PatientIdentityRemoved == "NO"


def test_an_image_whose_item_was_taken_away_is_no_derived_object_ena_15(
    tmp_path, delivered, sender, stranger
):
    """Its sibling of the same study does not bring its identity back."""
    one = next(path for path in delivered.rglob("*.dcm") if dcmread(path).Modality == "CT")
    stripped = dcmread(one)
    del stripped.EncryptedAttributesSequence
    stripped.SOPInstanceUID = stripped.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.97"
    stripped.save_as(delivered / "stripped.dcm")
    report = dicompack.reidentify(
        [delivered], tmp_path / "original", recipient=custodian_of(sender, stranger)
    )
    assert report.instances_out == 2
    assert [(one.name, "are gone" in one.reason) for one in report.skipped] == [("stripped.dcm", True)]


def test_an_original_comes_back_even_with_a_malformed_uid(tmp_path, sender, receiver, stranger):
    """A malformed SOP Instance UID was replaced, so that it could travel; the original has it again."""
    (tmp_path / "odd").mkdir()
    data = bundled("CT_small.dcm").read_bytes()
    uid = str(dcmread(bundled("CT_small.dcm")).SOPInstanceUID).encode("ascii")
    odd = b"." + uid[1:]
    (tmp_path / "odd" / "odd.dcm").write_bytes(data.replace(uid, odd))
    originator = Originator(sender.signing, (receiver.contact,), custodians=(stranger.contact,))
    package = tmp_path / "a.dcmpack"
    dicompack.pack([tmp_path / "odd"], package, originator=originator, burned_in="vouch")
    custodian = custodian_of(sender, stranger)
    dicompack.unpack(package, tmp_path / "out", recipient=custodian)
    report = dicompack.reidentify([tmp_path / "out"], tmp_path / "back", recipient=custodian)
    assert (report.instances_in, report.instances_out, report.skipped) == (1, 1, ())
    (path,) = (tmp_path / "back").rglob("*.dcm")
    assert path.name == "00000001.dcm"
    walked = dicom_file.parse(path.read_bytes())
    source = dicom_file.parse((tmp_path / "odd" / "odd.dcm").read_bytes())
    assert walked.data_set.without(REMOVED) == source.data_set.without(REMOVED)
    assert walked.meta.text(0x00020003) == walked.data_set.text(0x00080018) == odd.decode()


def test_sizes_are_the_same_for_long_and_short_names_ena_10(tmp_path, sender, receiver, stranger):
    sizes = set()
    for name in ("A", "A" * 60):
        folder = tmp_path / str(len(name))
        folder.mkdir()
        image = dcmread(bundled("CT_small.dcm"))
        image.PatientName = name
        image.save_as(folder / "one.dcm")
        originator = Originator(sender.signing, (receiver.contact,), custodians=(stranger.contact,))
        dicompack.pack([folder / "one.dcm"], folder / "a.dcmpack", originator=originator, burned_in="vouch")
        dicompack.unpack(
            folder / "a.dcmpack",
            folder / "out",
            recipient=Recipient((receiver.decryption,), trusting(sender)),
        )
        (path,) = (folder / "out").rglob("*.dcm")
        sizes.add(len(dcmread(path).EncryptedAttributesSequence[0].EncryptedContent))
    assert len(sizes) == 1


def test_command(tmp_path, sender, receiver, stranger, monkeypatch, capfd):
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    for name, party in (("s", sender), ("r", receiver), ("c", stranger)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "signing.p12").write_bytes(party.files.signing_p12)
        (folder / "decryption.p12").write_bytes(party.files.decryption)
        (folder / "contact.pem").write_bytes(party.files.contact_pem)

    def call(*words: object) -> int:
        return int(run([str(word) for word in words]))

    at = {name: tmp_path / name for name in ("s", "r", "c", "a.dcmpack", "out", "back")}
    who = ("--identity", at["c"], "--trust", at["s"] / "contact.pem")
    assert call(
        "pack", bundled("CT_small.dcm"), "-o", at["a.dcmpack"], "--signer", at["s"], "--custodian",
        at["c"] / "contact.pem", "--burned-in", "vouch",
    ) == 0  # fmt: skip
    assert "can undo de-identification" in capfd.readouterr().err
    assert call("unpack", at["a.dcmpack"], "-d", at["out"], *who) == 0
    capfd.readouterr()
    assert call("reidentify", at["out"], "-d", at["back"], *who, "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["command"], document["ok"], document["instances_out"]) == ("reidentify", True, 1)
    assert call("reidentify", at["out"], "-d", tmp_path / "again", *who) == 0
    assert "originals intact yes" in capfd.readouterr().err
    assert call("reidentify", "-d", tmp_path / "no", *who) == 2
    strangers = ("--identity", at["r"], "--trust", at["s"] / "contact.pem")
    assert call("reidentify", at["out"], "-d", tmp_path / "no", *strangers) == 40
    assert call("reidentify", at["out"], "-d", at["back"], *who) == 11
    assert not (tmp_path / "no").exists()
