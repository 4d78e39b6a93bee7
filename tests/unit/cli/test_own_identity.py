"""`keys use`: the identity that is meant where none is named (CLI-24)."""

from __future__ import annotations

import pytest

from dicompack.cli.configuration import own_identity


def test_it_signs_and_opens(call, me, library, configuration):
    assert call("pack", "S", "-o", "x.dcmpack").code == 2
    assert call("unpack", "p", "-d", "out").code == 2
    ended = call("keys", "use", me, "--json")
    assert (ended.code, ended.json["identity"]) == (0, str(me.absolute()))
    assert (configuration / "identity").read_bytes() == str(me.absolute()).encode() + b"\n"
    assert call("pack", "S", "-o", "x.dcmpack").code == 0
    originator = library.calls["pack"][1]["originator"]
    assert len(originator.recipients) == 1, "with its decryption key"
    for name, arguments in (
        ("verify", ("verify", "p")),
        ("inspect", ("list", "p")),
        ("unpack", ("unpack", "p", "-d", "out")),
        ("rewrap", ("rewrap", "p", "-o", "x.dcmpack")),
    ):
        assert call(*arguments).code == 0, name
        (key,) = library.calls[name][1]["recipient"].keys
        assert key.certificate == originator.recipients[0].decryption
    assert library.calls["rewrap"][1]["signer"].certificate == originator.signing.certificate
    call("unpack", "p", "-d", "out", "--receipt", "r")
    assert library.calls["unpack"][1]["receipt_signer"].certificate == originator.signing.certificate
    call("unpack", "p", "-d", "out")
    assert library.calls["unpack"][1]["receipt_signer"] is None


def test_who_is_named_comes_first(call, me, them, clinic, library, tmp_path):
    call("keys", "use", them)
    assert call("pack", "S", "-o", "x.dcmpack", "--signer", me).code == 0
    assert library.calls["pack"][1]["originator"].signing.certificate == clinic.contact.signing
    (tmp_path / "word").write_text("correct horse battery staple, and some more words\n")
    assert call("unpack", "p", "-d", "out", "--password-file", tmp_path / "word").code == 0
    assert len(library.calls["unpack"][1]["recipient"].keys) == 1, "a password opens without asking for keys"


def test_which_and_none(call, me, capfd):
    assert call("keys", "use").out == ""
    call("keys", "use", me / "signing.p12")
    assert call("keys", "use").out == f"{me.absolute() / 'signing.p12'}\n"
    assert call("keys", "use", "--none").code == 0
    assert call("keys", "use", "--none", me).code == 2
    assert own_identity() is None
    assert call("pack", "S", "-o", "x.dcmpack").code == 2


def test_a_place_in_another_folder(call, me, tmp_path, monkeypatch, library):
    """The path is that of the call, wherever the next one is made."""
    monkeypatch.chdir(tmp_path)
    assert call("keys", "use", "me").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert call("pack", "S", "-o", "x.dcmpack").code == 0


@pytest.mark.parametrize("content", [b"me\n", b"/no/such/place\n", b"\xff\n", b"", b"/etc\n/etc\n"])
def test_what_is_not_there_is_told(call, me, configuration, content):
    """CLI-24."""
    configuration.mkdir()
    (configuration / "identity").write_bytes(content)
    for arguments in (("pack", "S", "-o", "x.dcmpack"), ("unpack", "p", "-d", "out"), ("keys", "use")):
        ended = call(*arguments, "--json")
        assert (ended.code, ended.json["error"]["rule"]) == (2, "CLI-24")
    assert call("keys", "use", me).code == 0, "and mended"


def test_what_is_no_identity(call, tmp_path, configuration):
    """CLI-24."""
    for path in (tmp_path, tmp_path / "nothing"):
        ended = call("keys", "use", path, "--json")
        assert (ended.code, ended.json["error"]["rule"]) == (2, "CLI-24")
    assert not configuration.exists()
