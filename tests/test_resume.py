"""`pack --resume` after the run was killed: real processes, and staging folders that somebody changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import dicompack
from dicompack import Originator, ProjectKey, files
from dicompack.errors import BadSignatureError, FormatError, NoMatchError, UsageError
from dicompack.pipeline import journal, packing, resuming
from tests.conftest import ROOT, Party, new_party, trusting
from tests.packages import study, tree

NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "rtdose.dcm", "test-SR.dcm", "waveform_ecg.dcm")

# A process that ends by SIGKILL at a point of our choice, as a power cut or the memory killer would end it.
KILLED = """
import os, pickle, signal, sys
from pathlib import Path
import dicompack
from dicompack import files
from dicompack.pipeline import packing, resuming
point, parameters = sys.argv[1], pickle.load(open(sys.argv[2], "rb"))
def die(*_arguments, **_keywords):
    os.kill(os.getpid(), signal.SIGKILL)
if point.isdigit():
    note = resuming.Work.note
    def noted(self, done):
        note(self, done)
        if self._journal.count == int(point):
            die()
    resuming.Work.note = noted
elif point == "before-note":
    resuming.Work.note = die
elif point == "half-record":
    append = files.GrowingFile.append
    def half(self, data):
        append(self, data[:len(data) // 2])
        die()
    files.GrowingFile.append = half
elif point == "volumes":
    packing.check_written = die
elif point == "publish":
    files.publish_files = die
dicompack.pack(**parameters)
"""

POINTS = ("1", "3", "6", "before-note", "half-record", "volumes", "publish")


@dataclass
class Case:
    """A run that can be killed and gone on with."""

    folder: Path
    me: Party
    settings: dict

    @property
    def target(self) -> Path:
        return self.folder / "x.dcmpack"

    @property
    def staging(self) -> Path:
        return self.folder / f".x.dcmpack{files.STAGING_SUFFIX}"

    @property
    def journal(self) -> Path:
        return self.staging / "journal"

    def kill(self, point: str) -> None:
        import pickle

        parameters = self.folder / "parameters"
        parameters.write_bytes(pickle.dumps(self.settings))
        run = [sys.executable, "-c", KILLED, point, parameters]
        ended = subprocess.run(run, cwd=ROOT, capture_output=True, timeout=120)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        parameters.unlink()
        assert not self.target.exists()

    def go_on(self, **settings) -> dicompack.Report:
        return dicompack.pack(**{**self.settings, "resume": True, **settings})

    def uids(self, report: dicompack.Report) -> list[str]:
        return sorted(member.sop_instance_uid for member in report.members)


@pytest.fixture
def case(tmp_path, receiver):
    me = new_party("Me")
    study(tmp_path / "source", NAMES)
    settings = {
        "sources": [tmp_path / "source"],
        "output": tmp_path / "x.dcmpack",
        "originator": Originator(me.signing, (me.contact, receiver.contact)),
        "own": me.decryption,
        "burned_in": "vouch",
        "jobs": 1,
    }
    return Case(tmp_path, me, settings)


def resumed(report) -> int:
    return sum(int(one.message.split()[0]) for one in report.findings if one.kind == "resumed")


unix = pytest.mark.skipif(sys.platform == "win32", reason="kill -9")


@unix
@pytest.mark.parametrize("point", POINTS)
def test_kill_and_go_on(case, receiver, point):
    """What comes of it is what an uninterrupted run with this key gives, and opens like any other."""
    key = ProjectKey.new()
    case.settings["project_key"] = key
    case.kill(point)
    report = case.go_on()
    taken = {"before-note": 0, "half-record": 0, "volumes": 6, "publish": 6}
    assert resumed(report) == (int(point) if point.isdigit() else taken[point])
    assert not case.staging.exists()
    whole = dicompack.pack(**{**case.settings, "output": case.folder / "whole.dcmpack"})
    assert case.uids(report) == case.uids(whole)
    assert report.instances_in == report.instances_out == len(NAMES)
    assert report.bytes_in == whole.bytes_in
    reader = dicompack.Recipient((receiver.decryption,), trusting(case.me))
    dicompack.unpack(case.target, case.folder / "out", recipient=reader)
    dicompack.unpack(case.folder / "whole.dcmpack", case.folder / "whole", recipient=reader)
    assert sorted(tree(case.folder / "out").values()) == sorted(tree(case.folder / "whole").values())


@unix
def test_pseudonyms_without_a_key_file_are_those_of_the_first_run(case):
    """The fresh project key is in the journal; the set id, too."""
    case.kill("3")
    digest = _digest(case)
    left = journal.read(case.journal, resuming.Record, digest, case.me.signing, case.me.decryption)
    sealed = {record.done.member.facts.sop_instance_uid for record in left.records}
    report = case.go_on()
    assert len(sealed) == 3
    assert sealed <= set(case.uids(report))
    assert report.set_id == left.run.ids.set_id.hex()


def _digest(case) -> bytes:
    policy = packing.policy_of("basic", "vouch")
    originator = case.settings["originator"]
    return resuming.digest_of_settings(
        originator, None, policy, packing.Encoding(), False, False, False, None
    )


@unix
def test_killed_twice(case):
    case.kill("2")
    case.settings["resume"] = True
    case.kill("4")
    report = case.go_on()
    assert resumed(report) == 4
    assert report.instances_out == len(NAMES)


@unix
def test_a_changed_source_and_a_changed_object_are_made_anew_jrn_6(case):
    case.kill("6")
    (case.folder / "source/CT_small.dcm").write_bytes((case.folder / "source/MR_small.dcm").read_bytes())
    victim = sorted((case.staging / "objects").iterdir())[2]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    report = case.go_on()
    assert resumed(report) == 4
    assert report.instances_in == 6
    assert [one.name for one in report.skipped] in (["CT_small.dcm"], ["MR_small.dcm"])  # now the same bytes


@unix
def test_sources_that_came_and_went(case):
    case.kill("6")
    (case.folder / "source/CT_small.dcm").unlink()
    study(case.folder / "source", ("liver_1frame.dcm",))
    report = case.go_on()
    assert resumed(report) == 5
    assert report.instances_out == 6


@unix
@pytest.mark.parametrize(
    "changed", [{"codec": "keep"}, {"deidentify": "basic+retain-uids"}, {"project_key": ProjectKey.new()}]
)
def test_other_settings_are_refused_and_nothing_is_lost_jrn_4(case, changed):
    case.kill("3")
    with pytest.raises(UsageError) as caught:
        case.go_on(**changed)
    assert caught.value.rule == "JRN-4"
    assert resumed(case.go_on()) == 3


@unix
def test_other_recipients_are_other_settings_jrn_4(case, stranger):
    case.kill("3")
    with pytest.raises(UsageError) as caught:
        case.go_on(originator=Originator(case.me.signing, (case.me.contact, stranger.contact)))
    assert caught.value.rule == "JRN-4"


@unix
def test_volumes_may_be_of_another_size(case):
    """They are made of the sealed objects afterwards."""
    case.kill("3")
    report = case.go_on(volume_size=100_000)
    assert resumed(report) == 3
    assert len(report.volumes) > 1


@unix
def test_another_identity_cannot_go_on_jrn_2(case, stranger):
    case.kill("3")
    with pytest.raises(NoMatchError):
        case.go_on(own=stranger.decryption)
    with pytest.raises(UsageError) as caught:
        case.go_on(own=None)
    assert caught.value.rule == "JRN-2"
    assert resumed(case.go_on()) == 3


@unix
def test_a_journal_that_another_has_made_for_me_jrn_3(case, stranger):
    """Whoever knows my certificate can encrypt to me; he cannot sign as me."""
    case.kill("3")
    case.journal.unlink()
    run = journal.Run.new(ProjectKey.new())
    journal.Journal.create(case.journal, run, _digest(case), stranger.signing, case.me.decryption).close()
    with pytest.raises(BadSignatureError) as caught:
        case.go_on()
    assert caught.value.rule == "JRN-3"


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _spans(data: bytes) -> list[tuple[int, int]]:
    """Header and records."""
    spans, start = [], 8
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        spans.append((start, end))
        start = end
    return spans


@unix
def test_a_journal_that_was_changed_is_refused_jrn_1_jrn_5(case):
    case.kill("3")
    data = case.journal.read_bytes()
    header, first, second, third = _spans(data)
    one, two = data[slice(*first)], data[slice(*second)]
    changed = {
        "magic": b"DCMPKXXX" + data[8:],
        "header cut": data[: header[1] - 1],
        "header": _flip(data, header[1] - 20),
        "no records' sizes": data[: first[0]] + bytes(4) + data[first[0] + 4 :],
        **{f"record {place}": _flip(data, place) for place in range(first[0] + 4, first[1], 997)},
        "order": data[: first[0]] + two + one + data[second[1] :],
        "first left out": data[: first[0]] + data[second[0] :],
        "doubled": data[: second[0]] + one + data[second[0] :],
        "last": _flip(data, third[1] - 1),
    }
    for what, bad in changed.items():
        case.journal.write_bytes(bad)
        with pytest.raises((BadSignatureError, FormatError)) as caught:
            case.go_on()
        if not what.startswith("header"):
            assert caught.value.rule == ("JRN-1" if what == "magic" else "JRN-5"), what
        assert case.staging.exists()
    case.journal.write_bytes(data)
    assert resumed(case.go_on()) == 3


@unix
@pytest.mark.parametrize("left", [1, 3, 4, 5, 100, -1])
def test_a_record_that_was_cut_off_is_no_tampering(case, left):
    case.kill("3")
    data = case.journal.read_bytes()
    start, end = _spans(data)[-1]
    case.journal.write_bytes(data[: (start if left > 0 else end) + left])
    assert resumed(case.go_on()) == 2


@unix
def test_zeros_that_a_power_cut_left_are_no_tampering(case):
    case.kill("3")
    with case.journal.open("ab") as file:
        file.write(bytes(5000))
    assert resumed(case.go_on()) == 3


@unix
def test_a_later_run_without_resume_begins_anew(case):
    case.kill("3")
    report = dicompack.pack(**case.settings)
    assert resumed(report) == 0
    assert not case.staging.exists()


@unix
def test_nothing_to_go_on_with(case):
    report = case.go_on()
    assert resumed(report) == 0
    assert report.instances_out == len(NAMES)


@unix
def test_nothing_of_a_patient_lies_in_staging(case):
    """Values, names of files, UIDs old and new, the project key: nowhere in what a kill leaves."""
    secret = ProjectKey.new()
    case.settings["project_key"] = secret
    case.settings["originator"] = Originator(
        case.me.signing, (case.me.contact,), custodians=(case.me.contact,)
    )
    case.kill("6")
    canaries = [b"CompressedSamples", b"1.3.6.1.4.1.5962", b"CT_small", b"source", b"2.25.", b"basic"]
    canaries += [secret.marshal().strip()[-20:], bytes(secret._secret)]
    left = tree(case.staging)
    assert any(name.endswith(".restoring") for name in left)
    for name, data in left.items():
        for canary in canaries:
            for form in (canary, canary.decode("latin-1").encode("utf-16-le")):
                assert form not in data, name
    assert (case.staging.stat().st_mode & 0o777) == 0o700
    assert resumed(case.go_on()) == 6


@unix
def test_originals_of_a_run_that_went_on(case, receiver):
    case.settings["originator"] = Originator(
        case.me.signing, (receiver.contact,), custodians=(case.me.contact,)
    )
    case.kill("4")
    one = next(path for path in sorted((case.staging / "objects").iterdir()) if path.suffix == ".restoring")
    one.write_bytes(b"")
    assert resumed(case.go_on()) == 3
    custodian = dicompack.Recipient((case.me.decryption,), trusting(case.me))
    dicompack.unpack(case.target, case.folder / "out", recipient=custodian, originals=True)
    assert tree(case.folder / "out") == tree(case.folder / "source")


@unix
def test_originals_of_a_run_that_died_while_it_wrote_volumes(case, receiver):
    """Sealing them does not use up what a run that goes on needs."""
    case.settings["originator"] = Originator(
        case.me.signing, (receiver.contact,), custodians=(case.me.contact,)
    )
    case.kill("volumes")
    assert resumed(case.go_on()) == 6


@unix
def test_objects_aside(case):
    """`--temp`: the journal is where the objects are."""
    (case.folder / "temp").mkdir()
    case.settings["temp"] = case.folder / "temp"
    case.kill("3")
    report = case.go_on()
    assert resumed(report) == 3
    assert not any((case.folder / "temp").iterdir())


@unix
def test_an_error_leaves_nothing(case, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing, "check_written", full)
    with pytest.raises(OSError, match="No space"):
        dicompack.pack(**case.settings)
    assert not case.staging.exists()


COMMAND = """
import sys, time
from dicompack.pipeline import resuming
note = resuming.Work.note
done_before = []
def slow(self, done):
    note(self, done)
    done_before.append(done)
    if len(done_before) == 2:
        time.sleep(30)
resuming.Work.note = slow
from dicompack.cli import main
sys.exit(main())
"""


@unix
@pytest.mark.parametrize("own", [True, False])
def test_ctrl_c_leaves_what_is_sealed_and_says_so(case, own):
    identity = case.folder / "me"
    identity.mkdir()
    (identity / "signing.p12").write_bytes(case.me.files.signing_p12)
    (identity / "decryption.p12").write_bytes(case.me.files.decryption)
    (case.folder / "contact.pem").write_bytes(case.me.contact.marshal())
    before = set(tree(case.folder))
    words = ["pack", case.folder / "source", "-o", case.target, "--signer", identity, "--burned-in", "vouch"]
    words += (
        ["--jobs", "1"] if own else ["--jobs", "1", "--no-self", "--recipient", case.folder / "contact.pem"]
    )
    run = subprocess.Popen([sys.executable, "-c", COMMAND, *words], cwd=ROOT, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not (case.staging / "objects").is_dir() or len(list((case.staging / "objects").iterdir())) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 130
    again = [sys.executable, "-m", "dicompack", *words, "--resume"]
    if own:
        assert "--resume goes on" in said
        left = {name for name in tree(case.folder) if name not in before}
        assert {Path(name).parts[0] for name in left} == {case.staging.name}
        ended = subprocess.run(again, cwd=ROOT, capture_output=True)
        assert ended.returncode == 0, ended.stderr
        assert b"resumed" in ended.stderr
    else:
        assert "nothing was left behind" in said
        assert set(tree(case.folder)) == before
        assert subprocess.run(again, cwd=ROOT, capture_output=True).returncode == 2
    assert not case.staging.exists()
