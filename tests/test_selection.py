"""`unpack --select`: only what is wanted is opened, written, and has to be there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dicompack
from dicompack.cli.program import run
from dicompack.container.names import member_name
from dicompack.errors import BadSignatureError, DamagedError, InputError, UsageError
from dicompack.stages import volumes
from tests.packages import packed, tree

SOURCES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")
VOLUME = 16384


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("study.dcmpack.0*"))


def holding(package: Path, number: int) -> set[int]:
    """The volumes that a member lies in, and what says that it is one."""
    with volumes.unpack(package) as opened:
        extents = {name: opened.extents(name) for name in opened.package.names}
    needed = [member_name(number), *(name for name in extents if not name.startswith("DICOM/"))]
    return {extent.volume for name in needed for extent in extents[name]}


@pytest.fixture
def package(tmp_path, originator) -> Path:
    first, report = packed(tmp_path, originator, SOURCES, volume_size=VOLUME, recovery=0)
    assert len(report.volumes) > 3
    return first


@pytest.fixture
def members(package, recipient) -> tuple[dicompack.Member, ...]:
    return dicompack.inspect(package, recipient=recipient).members


def test_what_is_wanted_and_nothing_else(package, members, recipient, tmp_path):
    whole = dicompack.unpack(package, tmp_path / "whole", recipient=recipient)
    assert whole.complete == "checked"
    everything = tree(tmp_path / "whole")
    for member in members:
        out = tmp_path / f"one{member.number}"
        report = dicompack.unpack(
            package, out, recipient=recipient, select=[f"SOPInstanceUID={member.sop_instance_uid}"]
        )
        assert (report.instances_in, report.instances_out, report.complete) == (1, 1, "not-checked")
        assert [one.number for one in report.members] == [member.number]
        written = tree(out)
        files = {name for name, data in written.items() if data}
        assert len(files) == 1 and all(written[name] == everything[name] for name in written)


@pytest.mark.parametrize(
    ("select", "found"),
    [
        (["Modality=CT"], {"CT"}),
        (["Modality=?R"], {"MR", "SR"}),
        (["Modality=CT", "Modality=MR"], {"CT", "MR"}),
        (["Modality=*", "SOPClassUID=1.2.840.10008.5.1.4.1.1.481.5"], {"RTPLAN"}),
        (["Modality=RT*"], {"RTPLAN"}),
    ],
)
def test_patterns(package, recipient, tmp_path, select, found):
    report = dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=select)
    assert {one.modality for one in report.members} == found
    assert any(one.kind == "selected" for one in report.findings)


@pytest.mark.parametrize("text", ["Modality", "Modality=", "=CT", "PatientName=X", "modality=CT", ""])
def test_no_selection_cli_21(package, recipient, tmp_path, text):
    with pytest.raises(UsageError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=[text])
    assert "Modality" in (caught.value.hint or "") and caught.value.rule == "CLI-21"
    assert not (tmp_path / "out").exists()


def test_nothing_is_selected(package, recipient, tmp_path):
    with pytest.raises(InputError, match="selected"):
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=["Modality=C"])
    assert not (tmp_path / "out").exists()


def test_a_receipt_is_for_all(package, recipient, sender, tmp_path, originator):
    with pytest.raises(UsageError, match="whole"):
        dicompack.unpack(
            package,
            tmp_path / "out",
            recipient=recipient,
            select=["Modality=CT"],
            receipt=tmp_path / "r",
            receipt_signer=originator.signing,
        )


def test_volumes_that_hold_nothing_wanted_may_be_missing_vol_15(package, members, recipient, tmp_path):
    """Every set of lost volumes, but the last: what lies elsewhere comes out, and the rest is named."""
    files = parts(tmp_path)
    where = {one.number: holding(package, one.number) for one in members}
    for lost, path in enumerate(files[:-1], start=1):
        kept = path.read_bytes()
        path.unlink()
        for member in members:
            out = tmp_path / f"out-{lost}-{member.number}"
            wanted = {"recipient": recipient, "select": [f"SOPInstanceUID={member.sop_instance_uid}"]}
            if lost in where[member.number]:
                with pytest.raises(DamagedError, match="missing"):
                    dicompack.unpack(files[-1], out, **wanted)
                assert not out.exists()
            else:
                report = dicompack.unpack(files[-1], out, **wanted)
                assert report.instances_out == 1
                assert "missing" in {one.kind for one in report.findings}
        path.write_bytes(kept)
    assert any(lost not in where[one.number] for lost in range(1, len(files)) for one in members)


def test_a_list_needs_no_volume_that_holds_members_only_vol_15(package, members, recipient, tmp_path):
    """Nothing is made again for it either: it does not read what it does not need."""
    files = parts(tmp_path)
    with volumes.unpack(package) as opened:
        others = [name for name in opened.package.names if not name.startswith("DICOM/")]
        needed = {extent.volume for name in others for extent in opened.extents(name)}
    lost = [path for number, path in enumerate(files, start=1) if number not in needed]
    assert lost
    for path in lost:
        path.unlink()
    report = dicompack.inspect(files[-1], recipient=recipient)
    assert report.members == members
    assert [one.kind for one in report.findings] == ["missing"]
    assert report.complete == "not-checked"


def test_without_the_last_volume_nothing_is_known(package, recipient, tmp_path):
    parts(tmp_path)[-1].unlink()
    with pytest.raises(DamagedError):
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=["Modality=*"])
    assert not (tmp_path / "out").exists()


def test_damage_of_what_is_wanted_is_damage_and_elsewhere_it_is_not_looked_at(
    package, members, recipient, tmp_path
):
    with volumes.unpack(package) as opened:
        extent = opened.extents(member_name(1))[-1]
    path = Path(extent.path)
    data = bytearray(path.read_bytes())
    data[extent.offset + extent.size // 2] ^= 1
    path.write_bytes(data)
    mine = [f"SOPInstanceUID={members[0].sop_instance_uid}"]
    with pytest.raises(DamagedError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=mine)
    assert "VOL-10" in {one.rule for one in caught.value.findings}
    assert not (tmp_path / "out").exists()
    other = [f"SOPInstanceUID={members[-1].sop_instance_uid}"]
    assert dicompack.unpack(package, tmp_path / "out", recipient=recipient, select=other).instances_out == 1


def test_damaged_local_headers_are_findings_vol_10(package, members, recipient, tmp_path):
    """The directory says what lies where; what is read of it has a digest."""
    with volumes.unpack(package) as opened:
        extents = [opened.extents(member_name(one.number))[0] for one in members]
    for extent in extents:
        path = Path(extent.path)
        kept = path.read_bytes()
        data = bytearray(kept)
        data[extent.offset - 20] ^= 1
        path.write_bytes(data)
        for member in members:
            out = tmp_path / f"out-{extent.volume}-{extent.offset}-{member.number}"
            mine = [f"SOPInstanceUID={member.sop_instance_uid}"]
            report = dicompack.unpack(package, out, recipient=recipient, select=mine)
            assert report.instances_out == 1
            assert ("damaged", path.name, "VOL-10") in {
                (one.kind, one.where, one.rule) for one in report.findings
            }
        with pytest.raises(DamagedError):
            dicompack.unpack(package, tmp_path / "whole", recipient=recipient)
        path.write_bytes(kept)


def test_recovery_volumes_make_what_is_wanted_again(tmp_path, originator, recipient):
    first, _ = packed(tmp_path, originator, SOURCES, volume_size=VOLUME, recovery=2)
    files = parts(tmp_path)
    for path in (files[0], files[-1]):
        path.unlink()
    report = dicompack.unpack(files[1], tmp_path / "out", recipient=recipient, select=["Modality=*"])
    assert report.instances_out == len(SOURCES)
    assert not first.exists()


def test_from_the_command_line(package, receiver, sender, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "decryption.p12").write_bytes(receiver.files.decryption)
    (folder / "sender.pem").write_bytes(sender.files.contact_pem)
    call = ["unpack", str(package), "--identity", str(folder), "--trust", str(folder / "sender.pem")]
    assert run([*call, "-d", str(tmp_path / "a"), "--select", "Modality=CT", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["instances_out"], told["complete"], told["skipped"]) == (1, "not-checked", [])
    assert run([*call, "-d", str(tmp_path / "b"), "--select", "modality=CT"]) == 2
    assert "write Modality=VALUE" in capfd.readouterr().err
    assert run([*call, "-d", str(tmp_path / "b"), "--select", "Modality=US"]) == 10


def test_forged_bytes_are_still_refused(package, members, recipient, tmp_path, receiver):
    """What is wanted passes all checks: another member's object in its place."""
    from tests.hostile.forgery import Forgery

    forgery = Forgery(package)
    one, two = member_name(1), member_name(2)
    forgery.objects[one], forgery.objects[two] = forgery.objects[two], forgery.objects[one]
    (tmp_path / "forged").mkdir()
    forged = forgery.write(tmp_path / "forged" / "study.dcmpack")
    with pytest.raises(BadSignatureError):
        dicompack.unpack(
            forged,
            tmp_path / "out",
            recipient=recipient,
            select=[f"SOPInstanceUID={members[0].sop_instance_uid}"],
        )
    assert not (tmp_path / "out").exists()
