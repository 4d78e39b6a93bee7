"""The whole pipeline, there and back."""

import hashlib
import multiprocessing
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy
import pydicom
import pytest

import dicompack
from dicompack import Contact, Originator, Progress, ProjectKey, Recipient
from dicompack.dicom.comparison import same_samples
from dicompack.dicom.confidentiality import new_uid
from dicompack.errors import InputError, NoMatchError, OutputError, UsageError
from dicompack.pipeline import unpacking
from tests.conftest import trusting
from tests.packages import INSTANCES, bundled, packed, study, tree


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory, sender, receiver):
    """All bundled instances, in volumes, packed and unpacked once."""
    folder = tmp_path_factory.mktemp("round trip ü")
    originator = Originator(sender.signing, (receiver.contact, sender.contact))
    first, report = packed(folder, originator, INSTANCES, volume_size=100_000)
    recipient = Recipient((receiver.decryption,), trusting(sender))
    back = dicompack.unpack(first, folder / "out", recipient=recipient)
    signed = dicompack.unpack(first, folder / "signed", recipient=recipient, keep_signed=True)
    return folder, first, report, back, signed


def test_nothing_is_lost(round_trip):
    folder, _, report, back, signed = round_trip
    assert report.instances_in == report.instances_out == len(INSTANCES)
    assert not report.skipped
    assert not report.partial
    assert len(report.volumes) > 2
    assert report.volumes[-1] == "study.dcmpack.r01"
    assert all(98_000 < (folder / name).stat().st_size <= 100_000 for name in report.volumes[:-2])
    assert all((folder / name).stat().st_size <= 100_000 for name in report.volumes)
    assert report.bytes_out == sum((folder / name).stat().st_size for name in report.volumes)
    assert report.bytes_in == sum(path.stat().st_size for path in (folder / "source").iterdir())
    for result, where in ((back, "out"), (signed, "signed")):
        assert result.instances_out == len(INSTANCES)
        assert result.set_id == report.set_id
        assert len(list((folder / where).rglob("*.dcm"))) == len(INSTANCES)


def test_every_sample_is_that_of_the_source(round_trip):
    """Paired by pixels and SOP Class, as nothing else of the source is left."""
    folder, *_ = round_trip
    delivered = [path.read_bytes() for path in (folder / "out").rglob("*.dcm")]
    for path in (folder / "source").iterdir():
        source = path.read_bytes()
        theirs = pydicom.dcmread(path, force=True)
        found = []
        for candidate in delivered:
            ours = pydicom.dcmread(BytesIO(candidate))
            if ours.SOPClassUID == theirs.SOPClassUID and _same(source, candidate):
                found.append(ours)
        assert found, path.name
        for ours in found:
            if "PixelData" in theirs and path.name != "liver_1frame.dcm":
                numpy.testing.assert_array_equal(ours.pixel_array, theirs.pixel_array)


def _same(source, candidate):
    try:
        return same_samples(source, candidate) in ("equal", "no pixels")
    except dicompack.errors.DamagedError:
        return False


def test_delivered_in_the_transfer_syntax_of_the_source(round_trip):
    folder, *_ = round_trip

    def syntaxes(paths):
        return sorted(
            str(pydicom.dcmread(path, force=True).file_meta.get("TransferSyntaxUID", "")) for path in paths
        )

    before = [path for path in (folder / "source").iterdir() if path.name != "rtstruct.dcm"]
    after = syntaxes((folder / "out").rglob("*.dcm"))
    after.remove("1.2.840.10008.1.2")  # rtstruct.dcm has no file meta information; it is implicit VR
    assert after == syntaxes(before)


def test_files_carry_what_they_claim(round_trip):
    folder, *_ = round_trip
    for path in (folder / "out").rglob("*.dcm"):
        data_set = pydicom.dcmread(path)
        assert data_set.preamble == bytes(128)
        assert data_set.PatientIdentityRemoved == "YES"
        assert data_set.LongitudinalTemporalInformationModified == "REMOVED"
        assert [item.CodeValue for item in data_set.DeidentificationMethodCodeSequence] == ["113100"]
        assert "DigitalSignaturesSequence" not in data_set
        assert path.name.endswith(f"-{data_set.SOPInstanceUID}.dcm")
        assert path.parent.name == (data_set.SeriesInstanceUID or "NO-SERIES")
    for path in (folder / "signed").rglob("*.dcm"):
        data_set = pydicom.dcmread(path)
        assert len(data_set.DigitalSignaturesSequence) == 1
        assert data_set.file_meta.TransferSyntaxUID.is_compressed or (
            data_set.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        )


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_are_mapped_the_same_everywhere(tmp_path, originator, recipient):
    """An instance's own UID, and a reference to another instance in a sequence, by one and the same map."""
    key = ProjectKey.new()
    first, _ = packed(tmp_path, originator, ("rtplan.dcm", "rtdose.dcm"), project_key=key)
    dicompack.unpack(first, tmp_path / "out", recipient=recipient)
    delivered = {
        str(data_set.Modality): data_set
        for data_set in (pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm"))
    }
    plan, dose = (pydicom.dcmread(bundled(name)) for name in ("rtplan.dcm", "rtdose.dcm"))
    assert delivered["RTPLAN"].SOPInstanceUID == new_uid(plan.SOPInstanceUID, key.derive)
    reference = dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID
    assert delivered["RTDOSE"].ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == new_uid(
        reference, key.derive
    )
    for data_set in delivered.values():
        assert data_set.file_meta.MediaStorageSOPInstanceUID == data_set.SOPInstanceUID


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_nothing_of_the_patient_is_outside_the_seal(round_trip):
    """Names, IDs, dates, UIDs, file names, digests of sources: in no volume, in no delivered header."""
    folder, _, report, *_ = round_trip
    public = b"".join((folder / name).read_bytes() for name in report.volumes)
    headers = b""
    for path in (folder / "out").rglob("*.dcm"):
        data_set = pydicom.dcmread(path)
        for pixels in ("PixelData", "WaveformSequence"):
            if pixels in data_set:
                delattr(data_set, pixels)
        headers += repr(data_set).encode()
    tokens = set()
    for path in (folder / "source").iterdir():
        source = path.read_bytes()
        digest = hashlib.sha256(source)
        tokens |= {digest.digest(), digest.hexdigest().encode(), path.name.encode()}
        for element in pydicom.dcmread(path, force=True).iterall():
            values = element.value if isinstance(element.value, list) else [element.value]
            for value in map(str, values):
                identifies = element.VR in ("PN", "DA", "DT") or element.keyword in (
                    "PatientID",
                    "AccessionNumber",
                )
                uid = element.VR == "UI" and not value.startswith("1.2.840.10008.") and len(value) > 14
                if (identifies and len(value) >= 6) or (uid and "CodingScheme" not in element.keyword):
                    tokens.add(value.encode())
    assert len(tokens) > 100
    found = {token for token in tokens if token in public or token in headers}
    assert not found


def test_same_patient_same_pseudonym_with_a_project_key_and_not_without(tmp_path, originator, recipient):
    key = ProjectKey.new()
    names = []
    for number, used in enumerate((key, key, None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        first, _ = packed(folder, replace(originator, project_key=ProjectKey.new()), project_key=used)
        dicompack.unpack(first, folder / "out", recipient=recipient)
        names.append({str(pydicom.dcmread(path).PatientID) for path in (folder / "out").rglob("*.dcm")})
    assert names[0] == names[1]
    assert not names[0] & names[2]


def test_inspect_lists_without_touching_members(round_trip, recipient):
    _, first, *_ = round_trip
    report = dicompack.inspect(first, recipient=recipient)
    assert report.complete == "not-checked"
    assert [member.number for member in report.members] == list(range(1, len(INSTANCES) + 1))
    assert {member.modality for member in report.members} >= {"CT", "MR", "RTPLAN", "SR"}
    assert all(member.size and member.packed_size for member in report.members)


def test_verify_and_test_say_who(round_trip, recipient, sender):
    _, first, *_ = round_trip
    for report in (
        dicompack.verify(first, recipient=recipient),
        dicompack.test(first, trust=recipient.trust),
    ):
        (signature,) = report.signatures
        assert (signature.intact, signature.valid, signature.trusted) == (True, True, True)
        assert signature.signer == "Sender Hospital"
        assert signature.fingerprint == sender.contact.fingerprint


def test_a_folder_or_any_volume_will_do(round_trip, recipient):
    folder, _, report, *_ = round_trip
    for path in (folder, folder / report.volumes[-1]):
        assert dicompack.test(path, trust=recipient.trust).volumes == report.volumes


def test_integrity_alone_says_that_origin_is_open(round_trip):
    _, first, *_ = round_trip
    report = dicompack.test(first, trust=None)
    assert [finding.kind for finding in report.findings] == ["origin-not-checked"]
    assert not report.signatures[0].trusted


def test_codec_keep_compresses_nothing(tmp_path, originator, recipient):
    first, report = packed(tmp_path, originator, ("CT_small.dcm", "MR_small_implicit.dcm"), codec="keep")
    assert {member.packed_transfer_syntax_uid for member in report.members} == {"1.2.840.10008.1.2.1"}
    assert dicompack.unpack(first, tmp_path / "out", recipient=recipient).instances_out == 2


def test_instance_signer_is_in_the_instances_and_originator_is_not(
    tmp_path, sender, receiver, stranger, recipient
):
    """A neutral certificate in the instances: the hospital's name stands in none of them."""
    originator = Originator(sender.signing, (receiver.contact,), stranger.signing)
    first, _ = packed(tmp_path, originator)
    dicompack.unpack(first, tmp_path / "out", recipient=recipient, keep_signed=True)
    for path in (tmp_path / "out").rglob("*.dcm"):
        data = path.read_bytes()
        assert b"Stranger" in data
        assert b"Sender Hospital" not in data


def test_of_many_members_workers_are_there_before_the_manifest_is(
    tmp_path, originator, recipient, sender, stranger, monkeypatch
):
    first, _ = packed(tmp_path, originator)
    dicompack.unpack(first, tmp_path / "few", recipient=recipient)
    monkeypatch.setattr(unpacking, "MANY", 1)
    dicompack.unpack(first, tmp_path / "many", recipient=recipient)
    assert tree(tmp_path / "many") == tree(tmp_path / "few")
    assert dicompack.verify(first, recipient=recipient).instances_out == 2
    with pytest.raises(NoMatchError):
        dicompack.unpack(
            first, tmp_path / "none", recipient=Recipient((stranger.decryption,), trusting(sender))
        )
    assert not multiprocessing.active_children()


def test_progress_is_told_to_the_end(tmp_path, originator, recipient):
    heard: list[Progress] = []
    first, _ = packed(tmp_path, originator, on_progress=heard.append)
    dicompack.unpack(first, tmp_path / "out", recipient=recipient, on_progress=heard.append)
    for phase in ("packing", "writing", "checking", "unpacking"):
        last = [progress for progress in heard if progress.phase == phase][-1]
        assert last.done == last.total, phase


class TestInput:
    """What people point at."""

    def test_strange_names_loops_and_strangers(self, tmp_path, originator, recipient):
        source = study(tmp_path / "CD mit Umlauten äöü", ("CT_small.dcm",))
        (source / "CT_small.dcm").rename(source / "IM 0001 ß")
        (source / "AUTORUN.INF").write_text("[autorun]")
        (source / "image.dcm").write_text("this is a text, not an image")
        (source / "empty.dcm").write_bytes(b"")
        (source / "loop").symlink_to(source)
        (source / "nowhere").symlink_to(source / "missing")
        (source / "DICOMDIR").write_bytes(bundled("dicomdirtests/DICOMDIR").read_bytes())
        (source / "cut").write_bytes(bundled("MR_small.dcm").read_bytes()[:-100])
        report = dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        reasons = {skipped.name: (skipped.dicom, skipped.reason) for skipped in report.skipped}
        assert reasons.pop("cut")[0] is True
        assert set(reasons) == {"AUTORUN.INF", "image.dcm", "empty.dcm", "loop", "nowhere", "DICOMDIR"}
        assert not any(dicom for dicom, _ in reasons.values())
        assert (report.instances_in, report.instances_out, report.partial) == (2, 1, True)
        assert dicompack.verify(tmp_path / "x.dcmpack", recipient=recipient).instances_out == 1

    def test_identical_bytes_are_kept_once(self, tmp_path, originator):
        source = study(tmp_path / "s", ("CT_small.dcm",))
        (source / "again").write_bytes((source / "CT_small.dcm").read_bytes())
        report = dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        assert (report.instances_in, report.instances_out) == (2, 1)
        assert [(one.name, one.dicom, one.reason) for one in report.skipped] == [
            ("again", True, "the same bytes as CT_small.dcm")
        ] or [one.name for one in report.skipped] == ["CT_small.dcm"]

    def test_one_uid_with_different_bytes_packs_both(self, tmp_path, originator, recipient):
        source = study(tmp_path / "s", ("CT_small.dcm",))
        data_set = pydicom.dcmread(source / "CT_small.dcm")
        data_set.ImageComments = "another"
        data_set.save_as(source / "other")
        report = dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        assert report.instances_out == 2
        assert [finding.kind for finding in report.findings if finding.kind == "uid-conflict"] == [
            "uid-conflict"
        ]
        out = dicompack.unpack(tmp_path / "x.dcmpack", tmp_path / "out", recipient=recipient)
        assert out.instances_out == len(list((tmp_path / "out").rglob("*.dcm"))) == 2

    def test_instance_of_two_studies_is_left_out_and_named(self, tmp_path, originator):
        source = study(tmp_path / "s", ("CT_small.dcm", "MR_small.dcm"))
        data_set = pydicom.dcmread(source / "MR_small.dcm")
        data_set.StudyInstanceUID = ["1.2.3", "1.2.4"]
        data_set.save_as(source / "MR_small.dcm")
        report = dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        assert report.instances_out == 1
        ((name, reason),) = [(one.name, one.reason) for one in report.skipped]
        assert (name, "Study Instance UID" in reason) == ("MR_small.dcm", True)

    def test_uid_of_another_instance_is_mapped_wherever_it_stands(self, tmp_path, originator, recipient):
        source = study(tmp_path / "s", ("CT_small.dcm", "MR_small.dcm"))
        uid = str(pydicom.dcmread(source / "CT_small.dcm").SOPInstanceUID)
        data_set = pydicom.dcmread(source / "MR_small.dcm")
        data_set.SOPInstanceUIDOfConcatenationSource = uid
        data_set.save_as(source / "MR_small.dcm")
        dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        dicompack.unpack(tmp_path / "x.dcmpack", tmp_path / "out", recipient=recipient)
        delivered = {one.Modality: one for one in map(pydicom.dcmread, (tmp_path / "out").rglob("*.dcm"))}
        assert delivered["MR"].SOPInstanceUIDOfConcatenationSource == delivered["CT"].SOPInstanceUID != uid

    def test_file_meta_of_another_instance_is_a_finding(self, tmp_path, originator):
        source = study(tmp_path / "s", ("CT_small.dcm",))
        content = (source / "CT_small.dcm").read_bytes()
        uid = str(pydicom.dcmread(source / "CT_small.dcm").SOPInstanceUID).encode()
        (source / "CT_small.dcm").write_bytes(content.replace(uid, uid[:-1] + b"0", 1))
        report = dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator)
        assert [finding.kind for finding in report.findings] == ["file-meta"]

    def test_text_paths_will_do(self, tmp_path, originator, recipient):
        source = study(tmp_path / "s", ("CT_small.dcm",))
        dicompack.pack([str(source)], str(tmp_path / "x.dcmpack"), originator=originator)
        package = str(tmp_path / "x.dcmpack")
        assert dicompack.unpack(package, str(tmp_path / "out"), recipient=recipient).instances_out == 1

    def test_nothing_dicom(self, tmp_path, originator):
        (tmp_path / "s").mkdir()
        for content in (None, "a text"):
            if content:
                (tmp_path / "s" / "a.txt").write_text(content)
            with pytest.raises(InputError, match="nothing DICOM"):
                dicompack.pack([tmp_path / "s"], tmp_path / "x.dcmpack", originator=originator)
        assert {path.name for path in tmp_path.iterdir()} == {"s"}

    def test_all_refused_tells_each_reason(self, tmp_path, originator):
        (tmp_path / "cut").write_bytes(bundled("MR_small.dcm").read_bytes()[:-100])
        with pytest.raises(InputError) as caught:
            dicompack.pack([tmp_path / "cut"], tmp_path / "x.dcmpack", originator=originator)
        assert re.match(r"cut: .*truncated", caught.value.faults[0])
        assert {path.name for path in tmp_path.iterdir()} == {"cut"}

    def test_a_source_that_is_not_there(self, tmp_path, originator):
        with pytest.raises(InputError, match="does not exist"):
            dicompack.pack([tmp_path / "missing"], tmp_path / "x.dcmpack", originator=originator)

    def test_exclude_and_several_sources(self, tmp_path, originator):
        one, two = (
            study(tmp_path / "one", ("CT_small.dcm", "rtplan.dcm")),
            study(tmp_path / "two", ("MR_small.dcm",)),
        )
        report = dicompack.pack(
            [one, two, one], tmp_path / "x.dcmpack", originator=originator, exclude=["rt*"]
        )
        assert report.instances_out == 2
        assert [(one.name, one.reason) for one in report.skipped] == [
            ("one/rtplan.dcm", "excluded"),
            ("one/CT_small.dcm", "a file that was found already"),
            ("one/rtplan.dcm", "excluded"),
        ]


class TestOutput:
    """Nothing is overwritten, nothing is left behind."""

    def test_output_that_exists(self, tmp_path, originator):
        packed(tmp_path, originator)
        before = tree(tmp_path)
        with pytest.raises(OutputError, match="exists"):
            packed(tmp_path, originator)
        assert tree(tmp_path) == before

    def test_a_volume_of_that_name_counts_too(self, tmp_path, originator):
        (tmp_path / "study.dcmpack.007").write_bytes(b"something")
        with pytest.raises(OutputError, match=r"study\.dcmpack\.007 exists"):
            packed(tmp_path, originator)

    def test_force_replaces_all_old_volumes(self, tmp_path, originator, recipient):
        packed(tmp_path, originator, INSTANCES, volume_size=100_000)
        first, report = packed(tmp_path, originator, volume_size=None, force=True)
        assert [path.name for path in tmp_path.iterdir() if ".dcmpack" in path.name] == ["study.dcmpack"]
        assert dicompack.test(first, trust=recipient.trust).set_id == report.set_id

    def test_force_touches_nothing_else(self, tmp_path, originator):
        packed(tmp_path, originator, INSTANCES, volume_size=100_000)
        mine = [
            tmp_path / name for name in ("study.dcmpack.20240101", "study.dcmpack.999", "study.dcmpack.txt")
        ]
        for path in mine:
            path.write_bytes(b"mine")
        packed(tmp_path, originator, force=True)
        assert all(path.read_bytes() == b"mine" for path in mine)
        assert not (tmp_path / "study.dcmpack.001").exists()

    def test_target_is_the_working_folder(self, tmp_path, originator, recipient, monkeypatch):
        first, _ = packed(tmp_path, originator)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        dicompack.unpack(first, Path(), recipient=recipient)
        assert len(list(Path().rglob("*.dcm"))) == 2
        assert {path.name for path in tmp_path.iterdir()} == {"source", "study.dcmpack", "here"}

    def test_name_that_does_not_say_what_it_is(self, tmp_path, originator):
        with pytest.raises(UsageError, match=r"ends in \.dcmpack"):
            dicompack.pack([tmp_path], tmp_path / "x.zip", originator=originator)

    def test_target_that_holds_something(self, tmp_path, originator, recipient):
        first, _ = packed(tmp_path, originator)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        before = tree(tmp_path)
        with pytest.raises(OutputError, match="not empty"):
            dicompack.unpack(first, tmp_path / "out", recipient=recipient)
        assert tree(tmp_path) == before

    def test_empty_target_is_used(self, tmp_path, originator, recipient):
        first, _ = packed(tmp_path, originator)
        (tmp_path / "out").mkdir()
        dicompack.unpack(first, tmp_path / "out", recipient=recipient)
        assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2

    def test_output_in_the_source(self, tmp_path, originator, recipient):
        study(tmp_path, ("CT_small.dcm", "MR_small.dcm"))
        for name, listed in (("a.dcmpack", 0), ("b.dcmpack", 1)):
            report = dicompack.pack([tmp_path], tmp_path / name, originator=originator)
            assert (report.instances_out, len(report.skipped)) == (2, listed)
        assert [skipped.name for skipped in report.skipped] == ["a.dcmpack"]

    def test_no_staging_stays(self, tmp_path, originator, recipient):
        first, _ = packed(tmp_path, originator, temp=tmp_path)
        dicompack.unpack(first, tmp_path / "out", recipient=recipient)
        assert {path.name for path in tmp_path.iterdir()} == {"source", "study.dcmpack", "out"}


class TestUsage:
    def test_no_recipient_and_too_many(self, sender):
        for contacts in ((), (sender.contact,) * 257):
            with pytest.raises(UsageError):
                Originator(sender.signing, contacts)

    def test_contact_without_decryption_certificate(self, tmp_path, sender):
        half = Contact("half", signing=sender.contact.signing)
        with pytest.raises(UsageError, match="no decryption certificate"):
            packed(tmp_path, Originator(sender.signing, (half,)))

    @pytest.mark.parametrize(
        "settings", [{"deidentify": "none at all"}, {"codec": "gif"}, {"volume_size": 10}]
    )
    def test_settings_that_do_not_exist(self, tmp_path, originator, settings):
        with pytest.raises(UsageError) as caught:
            packed(tmp_path, originator, **settings)
        assert caught.value.hint
        assert {path.name for path in tmp_path.iterdir()} == {"source"}


def test_path_types_are_enough(tmp_path, originator):
    assert isinstance(packed(tmp_path, originator)[0], Path)
