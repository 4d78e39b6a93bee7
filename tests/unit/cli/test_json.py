"""``--json`` is exactly one object, whatever happens: CLI-2."""

from __future__ import annotations

import pytest

from dicompack.report import Finding, Member, Report, SignatureVerdict, Skipped

KEYS = {
    "command", "ok", "exit_code", "set_id", "instances_in", "instances_out", "skipped", "bytes_in",
    "bytes_out", "volumes", "findings", "signatures", "recipients", "members", "others", "complete",
    "seconds",
}  # fmt: skip

FULL = Report(
    "verify",
    set_id="00ff",
    instances_in=2,
    instances_out=2,
    skipped=(Skipped("Ä\udc80.dcm", False, "no"),),
    bytes_in=10,
    bytes_out=5,
    volumes=("a.dcmpack",),
    findings=(Finding("k", "w", "m\x1b[0m"),),
    signatures=(SignatureVerdict("Clinic A", "AAAA BBBB", True, True, True, "clinic"),),
    recipients=("CCCC",),
    members=(Member(1, "1.2", "1.3", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", 7, 8, "CT"),),
    seconds=1.5,
)


def test_a_report_comes_out_whole(library, call, me):
    library.answers["verify"] = FULL
    ended = call("verify", "p", "--identity", me, "--json")
    document = ended.json
    assert set(document) == KEYS
    assert ended.err == ""
    assert document["skipped"] == [{"name": "Ä\udc80.dcm", "dicom": False, "reason": "no"}]
    assert document["findings"] == [{"kind": "k", "where": "w", "message": "m\x1b[0m", "rule": None}]
    assert document["members"][0]["modality"] == "CT"
    assert document["signatures"][0]["trusted_as"] == "clinic"
    assert (document["command"], document["ok"], document["set_id"]) == ("verify", True, "00ff")
    assert document["complete"] == "checked"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["--json"], ""),
        (["--json", "pakc"], ""),
        (["pack", "--json"], "pack"),
        (["pack", "--no-such", "--json"], "pack"),
        (["keys", "--json"], "keys"),
        (["keys", "new", "--json"], "keys new"),
        (["pack", "x", "-o", "n.zip", "--signer", "me", "--json"], "pack"),
        (["pack", "x", "-o", "n.dcmpack", "--signer", "me", "--jobs", "0", "--json"], "pack"),
        (["pack", "x", "-o", "n.dcmpack", "--signer", "me", "--codec", "jpeg", "--json"], "pack"),
        (["pack", "x", "-o", "n.dcmpack", "--signer", "me", "--deidentify", "basics", "--json"], "pack"),
        (["deidentify", "--deidentify", "basics", "x", "-d", "y", "--json"], "deidentify"),
        (["test", "p", "--integrity-only", "--trust", "x", "--json"], "test"),
        (["unpack", "p", "--json", "--identity", "me"], "unpack"),
    ],
)
def test_usage_errors_are_the_same_object(call, arguments, command):
    ended = call(*arguments)
    document = ended.json
    assert ended.code == 2
    assert set(document) == KEYS | {"error"}
    assert document["ok"] is False
    assert document["command"] == command
    assert document["complete"] == "not-checked"
    assert document["error"]["kind"] == "usage"
    message = document["error"]["message"]
    assert message == message.strip(".\n")
    assert message[0] == "-" or not message[0].isupper()
    assert "dicompack: " in ended.err


def test_behind_two_hyphens_it_is_a_name(library, call, me):
    ended = call("pack", "-o", "n.dcmpack", "--signer", me, "--", "--json")
    assert ended.code == 0
    assert ended.out == ""
    assert str(library.calls["pack"][0][0][0]) == "--json"


def test_list_prints_no_table_with_json(library, call, me):
    library.answers["inspect"] = FULL
    assert call("list", "p", "--identity", me, "--json").json["members"]


def test_what_commands_of_keys_add(call, tmp_path, me, clinic):
    document = call("keys", "show", me, "--json").json
    assert document["fingerprint"] == clinic.contact.fingerprint
    assert [one["role"] for one in document["certificates"]] == ["decryption", "signing"]
    document = call("keys", "project", tmp_path / "k", "--json").json
    assert (document["command"], document["ok"]) == ("keys project", True)
