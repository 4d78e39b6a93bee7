"""Identities, contacts and passphrases as a person handles them: CLI-6, CLI-7, CLI-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dicompack.cli.configuration import contact_name, pinned_contacts
from dicompack.cli.contacts import find_contact, pin, trust_store
from dicompack.cli.identities import Passphrases, signing_key
from dicompack.cli.key_files import read_passphrases
from dicompack.cli.options import TrustOptions
from dicompack.cli.pinned import Pinned
from dicompack.cli.terminal import Terminal
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import load_signing_key
from dicompack.errors import NoMatchError, OutputError, UsageError

# ---------------------------------------------------------------------------------------------- keys new


def test_new_makes_an_identity_that_works(call, tmp_path):
    ended = call("keys", "new", tmp_path / "me", "--name", "Clinic A", "--no-passphrase")
    assert (ended.code, ended.out) == (0, "")
    assert sorted(path.name for path in (tmp_path / "me").iterdir()) == [
        "contact.pem",
        "decryption.p12",
        "signing.p12",
    ]
    fingerprint = signing_fingerprint(call, tmp_path / "me")
    assert fingerprint in ended.err.splitlines()
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "me" / "signing.p12").stat().st_mode) == 0o600
    assert signing_key(tmp_path / "me", Passphrases(Terminal(), None)).chain == ()


def signing_fingerprint(call, folder) -> str:
    return str(call("keys", "show", folder, "--json").json["fingerprint"])


def test_new_takes_the_passphrase_of_a_file_without_its_line_end(call, tmp_path):
    """CLI-6."""
    (tmp_path / "passphrase").write_bytes("schlüssel 1\r\n".encode())
    ended = call("keys", "new", tmp_path / "me", "--name", "x", "--passphrase-file", tmp_path / "passphrase")
    assert ended.code == 0
    data = (tmp_path / "me" / "signing.p12").read_bytes()
    load_signing_key(data, lambda: "schlüssel 1".encode())
    with pytest.raises(NoMatchError):
        load_signing_key(data, lambda: "schlüssel 1\r".encode())


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("", ["--no-passphrase"], 2),
        ("x\x1b[2J", ["--no-passphrase"], 2),
        ("x" * 65, ["--no-passphrase"], 2),
        ("x", ["--no-passphrase", "--passphrase-file", "p"], 2),
        ("x", ["--passphrase-file", "no-such-file"], 10),
    ],
)
def test_new_refuses_and_leaves_nothing(call, tmp_path, name, more, code):
    assert call("keys", "new", tmp_path / "me", "--name", name, *more).code == code
    assert not (tmp_path / "me").exists()


def test_new_refuses_a_folder_that_is_not_empty(call, me):
    before = {path.name: path.read_bytes() for path in me.iterdir()}
    ended = call("keys", "new", me, "--name", "x", "--no-passphrase")
    assert ended.code == 11
    assert {path.name: path.read_bytes() for path in me.iterdir()} == before


def test_new_removes_what_it_could_not_finish(call, tmp_path, monkeypatch, clinic):
    from dicompack.cli.keys import identity_folder
    from dicompack.files import write_new

    def fails_at_the_contact(path, pieces):
        if path.name == "contact.pem":
            raise OSError(28, "No space left on device", str(path))
        return write_new(path, pieces)

    monkeypatch.setattr(identity_folder, "write_new", fails_at_the_contact)
    monkeypatch.setattr("dicompack.crypto.keys.new_identity", lambda *_, **__: clinic)
    assert call("keys", "new", tmp_path / "me", "--name", "x", "--no-passphrase").code == 11
    assert not (tmp_path / "me").exists()


def test_new_asks_on_a_terminal_only(call, tmp_path, monkeypatch):
    monkeypatch.setattr("dicompack.cli.terminal._has_keyboard", lambda: False)
    ended = call("keys", "new", tmp_path / "me", "--name", "x")
    assert ended.code == 2
    assert "--passphrase-file" in ended.err
    assert not (tmp_path / "me").exists()


@pytest.mark.parametrize(("typed", "code"), [(["a b", "a b"], 0), (["a", "b"], 2), ([""], 2)])
def test_new_asks_twice(call, tmp_path, monkeypatch, clinic, typed, code):
    answers = iter(typed)
    monkeypatch.setattr(Terminal, "ask_passphrase", lambda self, question: next(answers))
    monkeypatch.setattr("dicompack.crypto.keys.new_identity", lambda *_, **__: clinic)
    assert call("keys", "new", tmp_path / "me", "--name", "x").code == code
    assert (tmp_path / "me").exists() == (code == 0)


# --------------------------------------------------------------------------------------------- keys show


def test_show_prints_data_on_stdout(call, me, clinic):
    ended = call("keys", "show", me / "contact.pem")
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "name         Clinic A"
    assert lines[1] == f"fingerprint  {clinic.contact.fingerprint}"
    assert lines[2].startswith("state        unknown: ")
    assert [line.split()[0] for line in lines[3:]] == ["decryption", "issued", "signing", "issued"]


def test_show_does_not_open_a_key_beside_its_contact(call, them, locked, monkeypatch):
    monkeypatch.setattr("dicompack.cli.terminal._has_keyboard", lambda: False)
    for path in (them, them / "signing.p12", them / "decryption.p12"):
        assert call("keys", "show", path, "--json").json["fingerprint"] == locked.contact.fingerprint


def test_show_opens_the_keys_where_there_is_no_contact(call, them, locked, tmp_path):
    (them / "contact.pem").unlink()
    (tmp_path / "p").write_text("open sesame\n", encoding="ascii")
    document = call("keys", "show", them, "--passphrase-file", tmp_path / "p", "--json").json
    assert document["fingerprint"] == locked.contact.fingerprint
    for role in ("signing", "decryption"):
        document = call(
            "keys", "show", them / f"{role}.p12", "--passphrase-file", tmp_path / "p", "--json"
        ).json
        assert [one["role"] for one in document["certificates"]] == [role]


def test_show_refuses_what_is_no_key(call, tmp_path):
    (tmp_path / "x.pem").write_bytes(b"hello")
    assert call("keys", "show", tmp_path / "x.pem").code == 40
    (tmp_path / "x.p12").write_bytes(b"hello")
    assert call("keys", "show", tmp_path / "x.p12").code == 40
    (tmp_path / "large.pem").write_bytes(bytes((1 << 20) + 1))
    assert call("keys", "show", tmp_path / "large.pem").code == 2
    assert call("keys", "show", tmp_path / "nowhere").code == 2


# -------------------------------------------------------------------------------------------- keys trust


def test_trust_pins_with_the_whole_fingerprint_only(call, me, clinic, configuration):
    """CLI-8."""
    right = clinic.contact.fingerprint
    assert (
        call("keys", "trust", me / "contact.pem", "--fingerprint", right.lower().replace(" ", "-")).code == 0
    )
    pinned = configuration / "contacts" / "Clinic A.pem"
    assert pinned.read_bytes() == b"roles: signer, recipient\n" + clinic.contact_pem
    assert list(pinned_contacts()) == ["Clinic A"]
    again = call("keys", "trust", me, "--fingerprint", right)
    assert (again.code, "was pinned already" in again.err) == (0, True)


@pytest.mark.parametrize("wrong", ["", "AAAA", "first-half", "other", "longer", "ünicode"])
def test_trust_refuses_another_fingerprint(call, me, clinic, configuration, wrong):
    """CLI-8."""
    right = clinic.contact.fingerprint
    last = "A" if right[-1] != "A" else "B"
    given = {"first-half": right[:19], "other": right[:-1] + last, "longer": right + " AAAA"}.get(
        wrong, wrong
    )
    ended = call("keys", "trust", me / "contact.pem", "--fingerprint", given)
    assert ended.code == 50
    assert "[CLI-8]" in ended.err
    assert not configuration.exists()


def test_trust_needs_a_person_or_a_fingerprint(call, me, configuration):
    """CLI-8."""
    ended = call("keys", "trust", me / "contact.pem")
    assert (ended.code, "--fingerprint" in ended.err) == (2, True)
    assert not configuration.exists()


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 50)])
def test_trust_shows_the_whole_fingerprint_and_asks(
    call, me, clinic, monkeypatch, configuration, answer, code
):
    monkeypatch.setattr(Terminal, "can_ask", lambda self: True)
    monkeypatch.setattr(Terminal, "confirm", lambda self, question: answer)
    ended = call("keys", "trust", me / "contact.pem", "--quiet")
    assert ended.code == code
    assert clinic.contact.fingerprint in ended.err
    assert configuration.exists() == answer


def test_a_change_of_keys_is_never_silent(call, me, them, clinic, locked, configuration):
    """CLI-8."""
    assert (
        call("keys", "trust", me, "--fingerprint", clinic.contact.fingerprint, "--name", "Sender").code == 0
    )
    ended = call("keys", "trust", them, "--fingerprint", locked.contact.fingerprint, "--name", "SENDER")
    assert ended.code == 11
    assert pinned_contacts()["Sender"].read_bytes().endswith(clinic.contact_pem)
    with pytest.raises(OutputError, match="another contact"):
        pin("sender", Pinned(locked.contact_pem))


def test_a_key_file_is_not_a_contact(call, me, tmp_path, configuration):
    (tmp_path / "key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert call("keys", "trust", tmp_path / "key.pem", "--fingerprint", "x").code == 40
    assert call("keys", "trust", me / "signing.p12", "--fingerprint", "x").code == 40
    assert not configuration.exists()


# ------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["Clinic B", "Klinik Süd", "放射線科", "a", "x" * 64, "St. Mary's (Radiology), 2nd", "a@b.org"]
)
def test_names_that_can_be_pinned(name):
    assert contact_name(name) == name


def test_two_spellings_of_one_character_are_one_name():
    assert contact_name("Klinik Su\u0308d") == "Klinik Süd"


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", ".hidden", "-rf", "a/b", "a\\b", "../x", "C:x", "a\x00b", "a\nb", "a\u202eb",
        "x" * 65, "x ", "x.", "CON", "nul.txt", "lpt1", "a*", "a?", 'a"b', "a|b", "<a>", "\U0001f600",
    ],
)  # fmt: skip
def test_names_that_cannot(name, call, me, clinic, configuration):
    """CLI-7."""
    with pytest.raises(UsageError) as caught:
        contact_name(name)
    assert caught.value.rule == "CLI-7"
    assert "\n" not in caught.value.message


def test_a_strange_name_is_refused_before_anything_is_written(call, me, clinic, configuration):
    ended = call("keys", "trust", me, "--name", "../../x", "--fingerprint", clinic.contact.fingerprint)
    assert ended.code == 2
    assert not configuration.exists()


def test_a_name_that_is_both_file_and_contact_is_refused(tmp_path, monkeypatch, clinic, locked):
    """CLI-7: nobody takes a pinned name over by a file in the current folder."""
    monkeypatch.chdir(tmp_path)
    pin("Clinic A", Pinned(clinic.contact_pem))
    assert find_contact("Clinic A") == pinned_contacts()["Clinic A"]
    assert find_contact("clinic a") == pinned_contacts()["Clinic A"]
    Path("Clinic A").write_bytes(locked.contact_pem)
    with pytest.raises(UsageError, match="both") as caught:
        find_contact("Clinic A")
    assert caught.value.hint is not None and "./Clinic A" in caught.value.hint
    assert find_contact("./Clinic A") == Path("Clinic A")


def test_a_name_that_is_neither_says_what_is_pinned(clinic):
    """CLI-7."""
    with pytest.raises(UsageError) as caught:
        find_contact("Clinic X")
    assert caught.value.hint is not None and "keys trust" in caught.value.hint
    pin("Clinic A", Pinned(clinic.contact_pem))
    with pytest.raises(UsageError) as caught:
        find_contact("Clinic X")
    assert caught.value.hint == "pinned are: Clinic A"


def test_trust_replaces_the_pinned_contacts(tmp_path, clinic, locked):
    """CLI-10."""
    assert trust_store(TrustOptions()).anchors == ()
    pin("Clinic A", Pinned(clinic.contact_pem))
    assert [anchor.name for anchor in trust_store(TrustOptions()).anchors] == ["Clinic A"]
    (tmp_path / "b.pem").write_bytes(locked.contact_pem)
    store = trust_store(TrustOptions((str(tmp_path / "b.pem"),)))
    assert [anchor.fingerprint for anchor in store.anchors] == [locked.contact.fingerprint]


# ------------------------------------------------------------------------------------------- passphrases


def unlocking(file: Path | None = None):
    return Passphrases(Terminal(), file)


def typing(monkeypatch, *answers: str) -> list[str]:
    asked: list[str] = []
    left = iter(answers)

    def answer(self: Terminal, question: str) -> str:
        asked.append(question)
        return next(left)

    monkeypatch.setattr(Terminal, "ask_passphrase", answer)
    return asked


def test_a_person_has_three_tries(them, monkeypatch):
    """CLI-6."""
    asked = typing(monkeypatch, "no", "open sesame ", "open sesame")
    signing_key(them, unlocking())
    assert asked == ["passphrase of signing.p12"] * 3


def test_and_no_fourth(them, monkeypatch):
    asked = typing(monkeypatch, "1", "2", "3", "open sesame")
    with pytest.raises(NoMatchError) as caught:
        signing_key(them, unlocking())
    assert (len(asked), caught.value.rule) == (3, "CLI-6")


def test_a_passphrase_that_fitted_is_not_asked_for_again(them, monkeypatch, library, call):
    asked = typing(monkeypatch, "open sesame")
    ended = call("pack", "SRC", "-o", "n.dcmpack", "--signer", them)
    assert (ended.code, len(asked)) == (0, 1)


def test_a_key_of_the_other_role_is_not_another_passphrase(them, monkeypatch):
    asked = typing(monkeypatch, "open sesame", "never", "never")
    with pytest.raises(NoMatchError, match="does not sign"):
        signing_key(them / "decryption.p12", unlocking())
    assert len(asked) == 1


def test_a_pem_file_with_key_and_certificate_is_an_identity(me, tmp_path):
    key = load_signing_key((me / "signing.p12").read_bytes(), bytes)
    pem = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "id.pem").write_bytes(pem + key.certificate.public_bytes(Encoding.PEM))
    assert signing_key(tmp_path / "id.pem", unlocking()).certificate == key.certificate


def test_an_error_says_which_file_it_is_about(call, me, clinic, configuration):
    (me / "bad.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    for arguments in (
        ("test", "p", "--trust", me / "contact.pem", "--trust", me / "bad.pem"),
        ("pack", "S", "-o", "n.dcmpack", "--signer", me, "--recipient", me / "bad.pem"),
        ("pack", "S", "-o", "n.dcmpack", "--signer", me / "bad.pem"),
        ("verify", "p", "--identity", me / "bad.pem"),
    ):
        ended = call(*arguments, "--json")
        assert (ended.code, ended.json["error"]["where"]) == (40, "bad.pem")
    (configuration / "contacts").mkdir(parents=True)
    (configuration / "contacts" / "Broken.pem").write_bytes(b"")
    assert call("test", "p", "--json").json["error"]["where"] == "Broken"


def test_an_open_key_asks_nothing(me, monkeypatch):
    asked = typing(monkeypatch)
    signing_key(me, unlocking())
    assert asked == []


def test_each_line_of_the_file_is_tried(them, tmp_path):
    """CLI-6."""
    (tmp_path / "p").write_bytes(b"no\nopen sesame\n")
    signing_key(them, unlocking(tmp_path / "p"))
    (tmp_path / "p").write_bytes(b"no\nno\n")
    with pytest.raises(NoMatchError, match="no passphrase fits"):
        signing_key(them, unlocking(tmp_path / "p"))


@pytest.mark.parametrize(
    ("content", "passphrases"),
    [
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\r\n", [b"a"]),
        (b" a \n", [b" a "]),
        (b"a\nb\r\n", [b"a", b"b"]),
        ("ü\n".encode(), ["ü".encode()]),
    ],
)
def test_passphrase_files(tmp_path, content, passphrases):
    (tmp_path / "p").write_bytes(content)
    assert read_passphrases(tmp_path / "p") == passphrases


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"a\n\n", b"\na", b"\xff\n", b"a\n" * 9])
def test_passphrase_files_that_are_refused(tmp_path, content):
    """CLI-6."""
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_passphrases(tmp_path / "p")
    assert caught.value.rule == "CLI-6"


def test_no_passphrase_is_ever_in_an_error(them, tmp_path, call):
    (tmp_path / "p").write_bytes(b"hunter2\n")
    ended = call(
        "pack",
        "S",
        "-o",
        "n.dcmpack",
        "--signer",
        them,
        "--passphrase-file",
        tmp_path / "p",
        "--json",
        "--verbose",
    )
    assert ended.code == 40
    assert "hunter2" not in ended.out + ended.err


# ------------------------------------------------------------------------------------------- project key


def test_a_project_key_is_made_once(call, tmp_path):
    assert call("keys", "project", tmp_path / "k").code == 0
    data = (tmp_path / "k").read_bytes()
    ProjectKey.parse(data)
    assert call("keys", "project", tmp_path / "k").code == 11
    assert (tmp_path / "k").read_bytes() == data


def test_an_identity_folder_without_the_key_says_so(me, call):
    (me / "decryption.p12").unlink()
    ended = call("verify", "p", "--identity", me)
    assert (ended.code, "decryption.p12" in ended.err) == (2, True)
    assert call("verify", "p", "--identity", "nowhere").code == 10
