"""Every end of a call has its code: CLI-1, CLI-3."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from dicompack import errors
from dicompack.cli.exit_codes import CODE_OF_KIND, ExitCode
from dicompack.cli.system_errors import translated
from dicompack.report import Finding, Report, Skipped

SPEC = Path(__file__).parents[3] / "spec" / "9-command-line.md"


def error_classes(root=errors.DicomPackError):
    yield root
    for child in root.__subclasses__():
        if child.__module__ == "dicompack.errors":
            yield from error_classes(child)


@pytest.mark.parametrize("cls", sorted(set(error_classes()), key=lambda cls: cls.__name__))
def test_every_error_class_ends_with_the_code_of_its_kind(cls, library, call, me):
    library.answers["test"] = cls("it went wrong", where="volume 2", rule="VOL-7", hint="look")
    ended = call("test", "p.dcmpack", "--json", "--integrity-only")
    assert ended.code == CODE_OF_KIND[cls.kind]
    assert ended.code not in (0, 3)
    assert ended.json["error"] == {
        "kind": cls.kind,
        "code": ended.code,
        "message": "it went wrong",
        "where": "volume 2",
        "rule": "VOL-7",
        "hint": "look",
        "faults": [],
    }
    assert ended.err == "dicompack: volume 2: it went wrong [VOL-7]\nhint: look\n"


def test_a_single_fault_is_not_said_twice(library, call):
    error = errors.DamagedError("volume 2 is missing", rule="VOL-15")
    error.faults = ("volume 2 is missing",)
    library.answers["test"] = error
    ended = call("test", "p", "--integrity-only")
    assert ended.err == "dicompack: volume 2 is missing [VOL-15]\n"


def test_the_codes_are_those_of_the_contract():
    assert {int(code): code.kind for code in ExitCode} == {
        0: "success",
        1: "internal",
        2: "usage",
        3: "partial",
        10: "input",
        11: "output",
        12: "suspect",
        20: "format",
        21: "unsupported",
        30: "repairable",
        31: "damaged",
        40: "no-match",
        50: "untrusted",
        51: "bad-signature",
        130: "interrupted",
    }


def test_every_code_is_documented_and_no_other():
    rows = re.findall(r"^\| ([0-9]+) \| ([a-z-]+) \|", SPEC.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(int(code)), code.kind) for code in ExitCode]


LEFT_OUT = (Skipped("a/b.dcm", True, "truncated"), Skipped("README.TXT", False, "not DICOM"))


def pack(call, me, *more):
    return call("pack", "SRC", "-o", "n.dcmpack", "--signer", me, *more)


def test_pack_that_left_an_instance_out_is_partial_and_says_which(library, call, me):
    """CLI-1."""
    library.answers["pack"] = Report(
        "pack", instances_in=3, instances_out=2, skipped=LEFT_OUT, volumes=("n.dcmpack",)
    )
    ended = pack(call, me)
    assert ended.code == 3
    assert ended.out == ""
    assert "left out: a/b.dcm: truncated" in ended.err
    assert "not packed, and no instance: 1 file" in ended.err
    assert "  README.TXT: not DICOM" in ended.err
    document = pack(call, me, "--json").json
    assert (document["ok"], document["exit_code"]) == (True, 3)


def test_many_files_that_are_no_instances_are_shown_in_part(library, call, me):
    others = tuple(Skipped(f"VIEWER/{number}.DLL", False, "not DICOM") for number in range(9))
    library.answers["pack"] = Report("pack", instances_in=1, instances_out=1, skipped=others, volumes=("n",))
    ended = pack(call, me)
    assert ended.code == 0
    assert "  and 5 more; --verbose shows each" in ended.err
    assert "VIEWER/8.DLL" not in ended.err
    assert "VIEWER/8.DLL" in pack(call, me, "--verbose").err


def test_what_is_no_dicom_leaves_the_code_at_0(library, call, me):
    library.answers["pack"] = Report("pack", skipped=LEFT_OUT[1:], volumes=("n.dcmpack",))
    assert pack(call, me).code == 0


def test_only_pack_is_ever_partial(library, call, me, tmp_path):
    library.answers["unpack"] = Report("unpack", skipped=LEFT_OUT)
    assert call("unpack", "p", "-d", tmp_path / "out", "--identity", me).code == 0


def test_findings_never_change_the_code(library, call, me):
    finding = Finding("uid-conflict", "member 1", "two of them")
    library.answers["verify"] = Report("verify", findings=(finding, finding))
    ended = call("verify", "p", "--identity", me)
    assert ended.code == 0
    assert "finding uid-conflict: 2\n" in ended.err


def test_faults_of_an_error_are_shown(library, call):
    error = errors.DamagedError("2 volumes are damaged")
    error.faults = ("x.dcmpack.001: \x1b[2Jtruncated", "x.dcmpack.003: missing")
    error.skipped = LEFT_OUT
    library.answers["test"] = error
    ended = call("test", "x.dcmpack.001", "--integrity-only", "--json")
    assert ended.code == 31
    assert ended.json["error"]["faults"] == list(error.faults)
    assert [one["name"] for one in ended.json["skipped"]] == ["a/b.dcm", "README.TXT"]
    assert "  x.dcmpack.001: \\x1b[2Jtruncated\n  x.dcmpack.003: missing\n" in ended.err


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [
        (errno.ENOENT, "/srv/DOE^JANE/IM1", 10),
        (errno.EACCES, "/srv/DOE^JANE/IM1", 10),
        (errno.ENOSPC, None, 11),
        (errno.EROFS, None, 11),
        (errno.EPIPE, None, 10),
    ],
)
def test_what_the_system_refuses_is_input_or_output(library, call, me, number, name, code):
    """CLI-3: the folder, which may name a patient, is not in the message."""
    library.answers["pack"] = OSError(number, os.strerror(number), name)
    ended = pack(call, me, "--json")
    assert ended.code == code
    assert "DOE" not in ended.err + ended.out
    assert ended.json["error"]["rule"] == "CLI-3"
    if name:
        assert ended.json["error"]["where"] == "IM1"


def test_a_refusal_at_or_below_the_output_is_output(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out" / "x"))
    assert translated(error, (tmp_path / "out",)).kind == "output"
    assert translated(error, (tmp_path / "ou",)).kind == "input"
    assert translated(error).message == "permission denied"
    assert translated(OSError()).message == "the system refused it"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".", "output"),
        ("n.dcmpack", "output"),
        ("n.dcmpack.001", "output"),
        (".n.dcmpack.dcmpack-staging/lock", "output"),
        ("n.dcmpackage", "input"),
        ("STUDY/n.dcmpack", "input"),
        ("..", "input"),
    ],
)
def test_a_source_beside_the_output_is_still_input(tmp_path, name, kind):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / name))
    assert translated(error, (tmp_path / "n.dcmpack",)).kind == kind


def test_what_is_in_staging_has_no_name_for_a_person(tmp_path):
    output = tmp_path / "n.dcmpack"
    inside = tmp_path / ".n.dcmpack.dcmpack-staging" / "objects" / "00000003-40517b90-1"
    error = translated(OSError(errno.ENOSPC, "No space left on device", str(inside)), (output,))
    assert (error.kind, str(error)) == ("output", "no space left on device [CLI-3]")


def test_a_bug_tells_its_type_and_never_its_values(library, call):
    """CLI-3."""
    library.answers["test"] = ValueError("Jane Doe")
    for more in ((), ("--verbose",), ("--json", "--verbose"), ("--quiet",)):
        ended = call("test", "p", "--integrity-only", *more)
        assert ended.code == 1
        assert "internal error: ValueError" in ended.err
        assert "Jane" not in ended.err + ended.out
        assert ("conftest.py" in ended.err) == ("--verbose" in more)


def test_an_interruption_ends_with_130(library, call):
    library.answers["test"] = KeyboardInterrupt()
    ended = call("test", "p", "--integrity-only", "--json")
    assert ended.code == 130
    assert ended.json["error"]["kind"] == "interrupted"
    assert ended.json["command"] == "test"
    assert "interrupted; nothing was left behind" in ended.err
