"""De-identification as people meet it: `deidentify`, `plan`, and what stops `pack`."""

from __future__ import annotations

import csv
import io
import json
import shutil
import stat
from base64 import b64encode
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicompack
from dicompack import ProjectKey
from dicompack.cli.program import run
from dicompack.dicom.confidentiality import site_profile
from dicompack.errors import InputError, OutputError, SuspectError, UsageError
from tests.packages import INSTANCES, bundled, packed, study, tree

CLEAN = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")


@pytest.fixture
def source(tmp_path):
    return study(tmp_path / "source", CLEAN)


def edited(folder: Path, name: str, to: str | None = None, **values: object) -> Path:
    data_set = pydicom.dcmread(bundled(name))
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    folder.mkdir(exist_ok=True)
    data_set.save_as(folder / (to or name))
    return folder


def delivered(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


class TestDeidentify:
    def test_what_it_writes_is_what_unpack_would_write(self, tmp_path, originator, recipient):
        key = ProjectKey.new()
        first, _ = packed(tmp_path, originator, INSTANCES, project_key=key)
        dicompack.unpack(first, tmp_path / "unpacked", recipient=recipient)
        report = dicompack.deidentify(
            [tmp_path / "source"], tmp_path / "out", project_key=key, burned_in="vouch"
        )
        assert report.instances_out == len(INSTANCES)
        by_content = [sorted(tree(tmp_path / name).values()) for name in ("unpacked", "out")]
        assert by_content[0] == by_content[1]
        folders = [
            {name.rpartition("/")[0] for name in tree(tmp_path / name)} for name in ("unpacked", "out")
        ]
        assert folders[0] == folders[1]

    def test_nothing_is_written_where_one_instance_is_suspect(self, tmp_path, source):
        shutil.copy(bundled("SC_rgb_small_odd.dcm"), source)
        before = tree(tmp_path)
        with pytest.raises(SuspectError) as caught:
            dicompack.deidentify([source], tmp_path / "out", map_out=tmp_path / "m.csv")
        assert "secondary capture" in caught.value.faults[0]
        assert tree(tmp_path) == before
        report = dicompack.deidentify([source], tmp_path / "out", skip_suspect=True)
        assert (report.instances_in, report.instances_out, report.partial) == (5, 4, True)

    def test_target_and_sources(self, tmp_path, source):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("x")
        with pytest.raises(OutputError, match="not empty"):
            dicompack.deidentify([source], tmp_path / "full")
        with pytest.raises(InputError, match="does not exist"):
            dicompack.deidentify([tmp_path / "none"], tmp_path / "out")
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="nothing DICOM"):
            dicompack.deidentify([tmp_path / "empty"], tmp_path / "out")
        with pytest.raises(UsageError, match="not both"):
            dicompack.deidentify(
                [source],
                tmp_path / "out",
                deidentify="basic+retain-longitudinal-full-dates+retain-longitudinal-modified-dates",
            )
        assert not (tmp_path / "out").exists()

    def test_duplicates_and_conflicts(self, tmp_path, source):
        shutil.copy(source / "CT_small.dcm", source / "again")
        edited(source, "CT_small.dcm", "other", ImageComments="another")
        report = dicompack.deidentify([source], tmp_path / "out")
        assert (report.instances_in, report.instances_out) == (6, 5)
        assert [one.reason for one in report.skipped] == ["the same bytes as CT_small.dcm"]
        assert "uid-conflict" in {finding.kind for finding in report.findings}

    def test_the_command(self, tmp_path, source, capfd):
        code = run(["deidentify", str(source), "-d", str(tmp_path / "out"), "--json"])
        document = json.loads(capfd.readouterr().out)
        assert (code, document["command"], document["ok"]) == (0, "deidentify", True)
        assert (document["instances_in"], document["instances_out"]) == (4, 4)
        assert document["bytes_out"] == sum(map(len, tree(tmp_path / "out").values()))
        shutil.copy(bundled("SC_rgb_small_odd.dcm"), source)
        arguments = ["deidentify", str(source), "-d", str(tmp_path / "more")]
        assert run(arguments) == 12
        assert run([*arguments, "--on-suspect", "skip"]) == 3
        assert run(["deidentify", str(source), "-d", str(tmp_path / "all"), "--burned-in", "vouch"]) == 0


class TestMaps:
    def test_old_and_new_cli_13(self, tmp_path, source):
        """CLI-13."""
        key = ProjectKey.new()
        target = tmp_path / "maps.csv"
        dicompack.deidentify([source], tmp_path / "out", project_key=key, map_out=target)
        patients = tmp_path / "maps-patients.csv"
        for path in (target, patients):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        rows = list(csv.reader(io.StringIO(target.read_text())))
        assert rows[0] == ["id_old", "id_new"]
        mapped = dict(rows[1:])
        assert list(mapped) == sorted(mapped)
        assert len(rows) == len(mapped) + 1
        old = pydicom.dcmread(source / "CT_small.dcm")
        new = {one.SOPInstanceUID: one for one in delivered(tmp_path / "out")}[mapped[old.SOPInstanceUID]]
        assert new.StudyInstanceUID == mapped[old.StudyInstanceUID]
        assert dict(csv.reader(io.StringIO(patients.read_text())))[old.PatientID] == new.PatientID
        written = {
            uid
            for one in delivered(tmp_path / "out")
            for uid in (one.SOPInstanceUID, one.StudyInstanceUID, one.SeriesInstanceUID)
        }
        assert written <= set(mapped.values())
        assert not any(uid.startswith("1.2.840.10008.") for uid in mapped)

    def test_an_identifier_is_no_formula_cli_35(self, tmp_path, source):
        for number, text in enumerate(("=cmd|'/C calc'!A1", "@SUM(1)", "a\nb")):
            data_set = pydicom.dcmread(source / "CT_small.dcm")
            data_set.PatientID = data_set.PatientName = text
            data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
            data_set.save_as(source / f"{number}.dcm")
        dicompack.deidentify([source], tmp_path / "out", map_out=tmp_path / "m.csv", burned_in="vouch")
        assert run(["plan", str(source), "--csv", str(tmp_path / "p.csv"), "--show-identifiers"]) == 0
        old = {row[0] for row in csv.reader(io.StringIO((tmp_path / "m-patients.csv").read_text()))}
        assert {"'=cmd|'/C calc'!A1", "'@SUM(1)", "a\\x0ab"} <= old
        for name in ("m-patients.csv", "p.csv"):
            for line in (tmp_path / name).read_text().splitlines():
                assert not any(cell.startswith(("=", "@")) for row in csv.reader([line]) for cell in row)

    def test_not_in_the_package_and_only_with_it_cli_13(self, tmp_path, originator, recipient):
        first, report = packed(tmp_path, originator, map_out=tmp_path / "maps.csv")
        assert report.volumes == ("study.dcmpack",)
        assert (tmp_path / "maps.csv").exists()
        dicompack.verify(first, recipient=recipient)
        with pytest.raises(OutputError, match=r"maps\.csv exists"):
            dicompack.deidentify([tmp_path / "source"], tmp_path / "out", map_out=tmp_path / "maps.csv")
        before = (tmp_path / "maps.csv").read_text()
        packed(tmp_path, originator, map_out=tmp_path / "maps.csv", force=True, project_key=ProjectKey.new())
        assert (tmp_path / "maps.csv").read_text() != before  # another key, other pseudonyms

    def test_no_map_of_a_run_that_fails_cli_13(self, tmp_path, source, monkeypatch):
        def fail(*_arguments: object) -> None:
            assert (tmp_path / "m.csv").exists()
            raise OutputError("the disk is full")

        monkeypatch.setattr("dicompack.files.publish_folder", fail)
        with pytest.raises(OutputError, match="full"):
            dicompack.deidentify([source], tmp_path / "out", map_out=tmp_path / "m.csv")
        assert {path.name for path in tmp_path.iterdir()} == {"source"}

    def test_retained_uids_are_not_mapped(self, tmp_path, source):
        dicompack.deidentify(
            [source], tmp_path / "out", deidentify="basic+retain-uids", map_out=tmp_path / "m.csv"
        )
        assert (tmp_path / "m.csv").read_text() == "id_old,id_new\n"
        assert len((tmp_path / "m-patients.csv").read_text().splitlines()) > 1


class TestIndependentCheck:
    """What the profile leaves, the check finds."""

    def test_a_run_stops(self, tmp_path, originator):
        """CHK-4: an operator's name in base64, where the Basic Profile does not look for it."""
        source = edited(
            tmp_path / "s",
            "CT_small.dcm",
            OperatorsName="Featherston^X",
            SequenceName=b64encode(b"Featherston").decode(),
        )
        for call in (
            lambda: dicompack.pack([source], tmp_path / "x.dcmpack", originator=originator),
            lambda: dicompack.deidentify([source], tmp_path / "out"),
        ):
            with pytest.raises(SuspectError) as caught:
                call()
            assert "CHK-4" in caught.value.faults[0]
            assert "(0008,1070)" in caught.value.faults[0]
            assert "(0018,0024)" in caught.value.faults[0]
            assert "eatherston" not in repr(caught.value.faults) + str(caught.value)
        assert {path.name for path in tmp_path.iterdir()} == {"s"}
        plan = dicompack.plan([source], show_identifiers=True)
        assert [(one.name, one.suspect) for one in plan.blocked] == [("CT_small.dcm", True)]

    def test_the_manifest_is_looked_into(self, tmp_path, originator, monkeypatch):
        """CHK-5: were the digest of a source to stand in it."""
        from dicompack.pipeline import instances

        real = instances._member

        def leaking(compressed, signed, **more):
            from dataclasses import replace
            from hashlib import sha256

            member = real(compressed, signed, **more)
            digest = sha256(bundled("CT_small.dcm").read_bytes()).hexdigest()
            return replace(member, delivered=replace(member.delivered, sha256=digest))

        monkeypatch.setattr(instances, "_member", leaking)
        with pytest.raises(SuspectError, match="MANIFEST"):
            packed(tmp_path, originator, ("CT_small.dcm",))
        assert {path.name for path in tmp_path.iterdir()} == {"source"}


class TestOptions:
    def test_the_manifest_says_which(self, tmp_path, originator, receiver):
        from dicompack.container import manifest
        from dicompack.crypto import signed
        from tests.hostile.forgery import Forgery

        first, _ = packed(
            tmp_path, originator, deidentify="basic+retain-uids+clean-descriptors+retain-device-identity"
        )
        content = signed.verify(Forgery(first).open("MANIFEST", receiver.decryption)).content
        done = manifest.parse(content).deidentification
        assert done is not None
        assert (done.profile, done.options) == (
            "basic",
            ("clean-descriptors", "retain-device-identity", "retain-uids"),
        )

    def test_a_site_that_keeps_what_the_profile_removes(self, tmp_path, originator, receiver):
        from dicompack.container import manifest
        from dicompack.crypto import signed
        from tests.hostile.forgery import Forgery

        site = site_profile(b'[profile.x]\nretain = ["InstitutionName"]\n')
        first, report = packed(tmp_path, originator, ("CT_small.dcm",), profile=site)
        content = signed.verify(Forgery(first).open("MANIFEST", receiver.decryption)).content
        done = manifest.parse(content).deidentification
        assert done is not None
        assert done.options == ("site-exceptions",)
        assert "profile-weakened" in {finding.kind for finding in report.findings}

    def test_a_value_of_the_site_is_its_own_where_it_was_set_and_nowhere_else(self, tmp_path):
        """CHK-2: and never one that stands in the source."""
        source = edited(
            tmp_path / "s", "CT_small.dcm", PatientName="Featherston^Jane", InstitutionName="Mercy"
        )

        def site(value: str):
            return site_profile(b'[profile.x.attributes]\nPatientName = {set = "%b"}\n' % value.encode())

        for value in ("Featherston^Jane", "FEATHERSTON^JANE", "Featherston"):
            with pytest.raises(SuspectError) as caught:
                dicompack.deidentify([source], tmp_path / "no", profile=site(value))
            assert "CHK-4" in caught.value.faults[0]
        dicompack.deidentify([source], tmp_path / "out", profile=site("TRIAL^Seven"))
        (one,) = delivered(tmp_path / "out")
        assert (str(one.PatientName), one.PatientIdentityRemoved) == ("TRIAL^Seven", "NO")

    @pytest.mark.parametrize("burned_in", ["stop", "vouch"])
    def test_an_overlay_in_the_pixels_can_be_vouched_for(self, tmp_path, burned_in):
        """BUR-6, DEI-60."""
        data_set = pydicom.dcmread(bundled("CT_small.dcm"))
        data_set.add_new(0x60000102, "US", 12)
        (tmp_path / "s").mkdir()
        data_set.save_as(tmp_path / "s" / "x.dcm")
        if burned_in == "stop":
            with pytest.raises(SuspectError):
                dicompack.deidentify([tmp_path / "s"], tmp_path / "out")
        else:
            report = dicompack.deidentify([tmp_path / "s"], tmp_path / "out", burned_in="vouch")
            assert report.instances_out == 1

    @pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
    def test_a_retained_uid_that_is_none_is_refused_by_name(self, tmp_path, keyword):
        """DCM-13."""
        pixels = bundled("CT_small.dcm").read_bytes()
        old = str(pydicom.dcmread(bundled("CT_small.dcm"))[keyword].value).encode()
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "bad.dcm").write_bytes(pixels.replace(old, b"..".ljust(len(old), b"\0")))
        (tmp_path / "s" / "good.dcm").write_bytes(bundled("MR_small.dcm").read_bytes())
        report = dicompack.deidentify([tmp_path / "s"], tmp_path / "out", deidentify="basic+retain-uids")
        assert report.instances_out == 1
        (skipped,) = report.skipped
        assert skipped.name == "bad.dcm" and "DCM-13" in skipped.reason

    def test_names_of_another_instance_of_the_study_are_cleaned(self, tmp_path):
        """Two passes: what one header says is cut from the text of another."""
        source = tmp_path / "s"
        uid = pydicom.dcmread(bundled("CT_small.dcm")).StudyInstanceUID
        edited(source, "CT_small.dcm", "a.dcm", ReferringPhysicianName="Featherstonehaugh^Zoe")
        edited(
            source, "MR_small.dcm", "b.dcm", StudyInstanceUID=uid,
            SeriesDescription="T2 for Featherstonehaugh", ReferringPhysicianName="",
        )  # fmt: skip
        edited(source, "MR_small_implicit.dcm", "c.dcm", SeriesDescription="T2 near Featherstonehaugh Road")
        dicompack.deidentify([source], tmp_path / "out", deidentify="basic+clean-descriptors", jobs=1)
        texts = [str(one.get("SeriesDescription", "")) for one in delivered(tmp_path / "out")]
        assert any(text.startswith("T2") and "eatherston" not in text for text in texts)
        assert sum("Featherstonehaugh" in text for text in texts) == 1  # of another study

    def test_no_detector_is_said_before_anything_is_read(self, tmp_path, source, monkeypatch):
        monkeypatch.setattr("dicompack.stages.deidentification.find_spec", lambda _name: None)
        with pytest.raises(UsageError, match="not installed"):
            dicompack.deidentify([source], tmp_path / "out", burned_in="clean")


class TestDanglingReferences:
    def test_counted_chk_7(self, tmp_path, source):
        """CHK-7."""
        data_set = pydicom.dcmread(bundled("CT_small.dcm"))
        there, missing = Dataset(), Dataset()
        there.ReferencedSOPClassUID = missing.ReferencedSOPClassUID = data_set.SOPClassUID
        there.ReferencedSOPInstanceUID = pydicom.dcmread(bundled("MR_small.dcm")).SOPInstanceUID
        missing.ReferencedSOPInstanceUID = "1.2.3.4.5.6.7"
        data_set.SourceImageSequence = Sequence([there, missing])
        folder = tmp_path / "s"
        folder.mkdir()
        data_set.save_as(folder / "a")
        shutil.copy(bundled("MR_small.dcm"), folder)
        report = dicompack.deidentify([folder], tmp_path / "out")
        found = [finding for finding in report.findings if finding.kind == "dangling-reference"]
        assert [finding.rule for finding in found] == ["CHK-7"]
        assert found[0].message.startswith("1 instances that 1 instances refer to")
        assert "1.2.3" not in found[0].message
        # and the reference that is there still leads there
        by_uid = {one.SOPInstanceUID: one for one in delivered(tmp_path / "out")}
        (item, _) = next(one for one in by_uid.values() if "SourceImageSequence" in one).SourceImageSequence
        assert item.ReferencedSOPInstanceUID in by_uid


class TestPlan:
    def test_it_writes_nothing_and_names_nobody_cli_14(self, tmp_path, source, capfd):
        """CLI-14."""
        before = tree(tmp_path)
        assert run(["plan", str(source)]) == 0
        printed = capfd.readouterr()
        assert tree(tmp_path) == before
        assert {path.name for path in tmp_path.iterdir()} == {"source"}
        lines = [line.split() for line in printed.out.splitlines()]
        assert lines[0] == ["TAG", "ATTRIBUTE", "ACTION", "COUNT", "VALUES", "AFTER"]
        assert ["(0010,0020)", "PatientID", "replaced", "4", "3", "4"] in lines  # one has none before
        assert ["(0008,0060)", "Modality", "kept", "4", "4", "4"] in lines
        assert "4 of 4 instances would pass" in printed.err
        assert run(["plan", str(source), "--json"]) == 0
        everything = printed.out + printed.err + capfd.readouterr().out
        for data_set in map(pydicom.dcmread, source.iterdir()):
            for keyword in ("PatientName", "PatientID", "SOPInstanceUID", "StudyDate", "InstitutionName"):
                value = str(data_set.get(keyword, ""))
                assert len(value) < 3 or value not in everything, keyword

    def test_a_creator_that_nobody_knows_is_not_shown_cli_14(self, tmp_path, capfd):
        """CLI-14: it is a text like any other."""
        data_set = pydicom.dcmread(bundled("CT_small.dcm"))
        data_set.private_block(0x0033, "Featherston Jane", create=True).add_new(1, "LO", "x")
        (tmp_path / "s").mkdir()
        data_set.save_as(tmp_path / "s" / "x.dcm")
        call = ["plan", str(tmp_path / "s")]
        assert run([*call, "--csv", str(tmp_path / "p.csv")]) == 0
        assert run([*call, "--json"]) == 0
        shown = "".join(capfd.readouterr()) + (tmp_path / "p.csv").read_text()
        assert "Featherston" not in shown
        assert "unknown creator" in shown and "GEMS_" in shown
        assert run([*call, "--show-identifiers"]) == 0
        assert "Featherston Jane" in capfd.readouterr().out

    def test_show_identifiers_cli_14(self, source, capfd):
        """CLI-14."""
        assert run(["plan", str(source), "--show-identifiers"]) == 0
        out = capfd.readouterr().out
        assert "CompressedSamples^CT1" in out
        assert run(["plan", str(source), "--show-identifiers", "--json"]) == 0
        rows = json.loads(capfd.readouterr().out)["attributes"]
        assert "1CT1" in {pair[0] for row in rows if row["tag"] == "(0010,0020)" for pair in row["examples"]}

    def test_csv_cli_14(self, tmp_path, source):
        """CLI-14."""
        target = tmp_path / "plan.csv"
        assert run(["plan", str(source), "--csv", str(target), "--quiet"]) == 0
        rows = list(csv.DictReader(io.StringIO(target.read_text())))
        assert list(rows[0]) == [
            "tag", "name", "vr", "creator", "action", "count", "values_before", "values_after",
        ]  # fmt: skip
        private = [row for row in rows if row["creator"]]
        assert private
        assert {row["action"] for row in private} == {"removed"}
        assert run(["plan", str(source), "--csv", str(target)]) == 11
        shown = tmp_path / "shown.csv"
        assert run(["plan", str(source), "--csv", str(shown), "--show-identifiers", "--quiet"]) == 0
        assert {"before", "after"} <= set(next(csv.DictReader(io.StringIO(shown.read_text()))))

    def test_what_would_be_refused_cli_14(self, source, capfd):
        """CLI-14: and the code is 0 all the same."""
        shutil.copy(bundled("SC_rgb_small_odd.dcm"), source)
        (source / "cut.dcm").write_bytes(bundled("CT_small.dcm").read_bytes()[:-50])
        (source / "readme.txt").write_text("hello")
        assert run(["plan", str(source), "--json"]) == 0
        named = capfd.readouterr().out
        assert ".dcm" not in named and ".txt" not in named  # a name may stand in theirs
        assert {one["name"] for one in json.loads(named)["blocked"]} == {"file 3", "file 4"}
        assert run(["plan", str(source), "--json", "--show-identifiers"]) == 0
        document = json.loads(capfd.readouterr().out)
        assert {(one["name"], one["suspect"]) for one in document["blocked"]} == {
            ("SC_rgb_small_odd.dcm", True),
            ("cut.dcm", False),
        }
        assert (document["instances_in"], document["instances_out"]) == (6, 4)
        counts = [one["count"] for one in document["attributes"] if one["tag"] == "(0008,0060)"]
        assert counts == [5]  # what is blocked for its pixels alone is counted

    def test_options_show(self, source):
        basic = {(one.tag, one.action) for one in dicompack.plan([source]).attributes}
        kept = {
            (one.tag, one.action)
            for one in dicompack.plan([source], deidentify="basic+retain-longitudinal-full-dates").attributes
        }
        assert ("(0008,0020)", "emptied") in basic
        assert ("(0008,0020)", "kept") in kept
        with pytest.raises(InputError):
            dicompack.plan([source / "missing"])
