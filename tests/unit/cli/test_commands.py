"""Each command hands the library what the person asked for, and refuses what makes no sense."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import click
import pytest

from dicompack.cli.deidentification import listed_sources, named_profile
from dicompack.cli.options import parse_size
from dicompack.cli.program import program
from dicompack.crypto.derivation import ProjectKey
from dicompack.dicom.confidentiality import Option, SiteProfile
from dicompack.pipeline.remote_packing import KeyPaths
from dicompack.report import Member, Report, SignatureVerdict
from dicompack.workers import Scheduler

SPEC = (Path(__file__).parents[3] / "spec" / "9-command-line.md").read_text(encoding="utf-8")


def commands(group: click.Group = program, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
        elif command is not None:
            found[prefix + name] = command
    return found


# -------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_is_short_and_ends_with_an_example(name, call):
    ended = call(*name.split(), "--help")
    assert ended.code == 0
    assert ended.err == ""
    last = ended.out.rstrip().splitlines()[-1]
    assert last.startswith(f"    dicompack {name}")
    assert len(ended.out.splitlines()) <= 90
    assert commands()[name].short_help


def test_every_option_of_a_command_is_in_the_specification_and_the_other_way_round():
    documented = set(re.findall(r"`(--?[a-z-]+)", SPEC))
    real = {
        option for command in commands().values() for parameter in command.params for option in parameter.opts
    }
    real = {option for option in real if option.startswith("-")}
    assert real <= documented
    assert documented - real == {"--help", "--version", "--"}


def test_every_command_is_in_the_specification():
    rows = re.findall(r"^\| `((?:keys )?[a-z]+)[ `].*\|.*\|.*\|$", SPEC, re.MULTILINE)
    assert set(rows) == set(commands())


def test_commands_come_in_the_order_of_work(call):
    ended = call("--help")
    listed = re.findall(r"^  ([a-z]+)  ", ended.out, re.MULTILINE)
    order = "demo keys plan pack test list verify unpack repair rewrap timestamp deidentify reidentify"
    assert listed == order.split()


@pytest.mark.parametrize("group", [[], ["keys"]])
def test_no_command_shows_the_help_and_is_a_usage_error(call, group):
    ended = call(*group)
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


# -------------------------------------------------------------------------------------------------- pack


def test_pack_without_options(library, call, me, clinic):
    assert call("pack", "A", "B/C", "-o", "n.dcmpack", "--signer", me).code == 0
    (sources, output), options = library.calls["pack"]
    assert (list(sources), output) == ([Path("A"), Path("B/C")], Path("n.dcmpack"))
    originator = options.pop("originator")
    assert options.pop("own").certificate == clinic.contact.decryption
    assert originator.signing.certificate == clinic.contact.signing
    assert [one.fingerprint for one in originator.recipients] == [clinic.contact.fingerprint]
    assert originator.instance_signing is None
    assert options == {
        "project_key": None,
        "envelope": "aead",
        "deidentify": "basic",
        "profile": None,
        "burned_in": "stop",
        "map_out": None,
        "codec": "j2k",
        "paranoid": False,
        "recompress": False,
        "lossy": None,
        "volume_size": None,
        "recovery": None,
        "jobs": None,
        "max_memory": None,
        "exclude": (),
        "include_other": False,
        "allow_preamble": False,
        "temp": None,
        "resume": False,
        "scheduler": None,
        "key_paths": None,
        "skip_suspect": False,
        "force": False,
        "hide_signer": False,
        "timestamp": None,
        "timestamp_instances": False,
        "on_progress": None,
    }


def test_pack_into_a_folder(library, call, me, tmp_path):
    """A Secure File-set may have any name, wherever the option stands; a package may not."""
    words = ("pack", "A", "-o", tmp_path / "media", "--signer", me)
    ended = call(*words, "--envelope", "secure-dicom")
    assert ended.code == 0
    assert "a Secure File-set, with its DICOMDIR" in ended.err
    assert library.calls["pack"][0][1] == tmp_path / "media"
    assert call(*words).code == 2
    assert call(*words, "--envelope", "zip").code == 2


def test_pack_with_every_option(library, call, me, them, locked, clinic, tmp_path):
    key = ProjectKey.new()
    (tmp_path / "k").write_bytes(key.marshal())
    (tmp_path / "p").write_bytes(b"open sesame\n")
    (tmp_path / "site.toml").write_text('[profile.other]\n[profile.site]\noptions = ["clean-descriptors"]\n')
    ended = call(
        "pack", "A", "--output", "n.dcmpack", "--signer", them / "signing.p12", "--identity", me,
        "--recipient", them / "contact.pem", "--recipient", me / "contact.pem", "--instance-signer", me,
        "--project-key", tmp_path / "k", "--deidentify", "basic+clean-graphics+retain-uids",
        "--profile", f"{tmp_path / 'site.toml'}:site",
        "--burned-in", "vouch", "--map-out", tmp_path / "maps.csv", "--codec", "htj2k",
        "--paranoid", "--recompress", "--lossy", "10",
        "--volume-size", "25M", "--recovery", "7.5%",
        "--jobs", "3", "--max-memory", "2G",
        "--exclude", "*.txt", "--exclude", "T*", "--temp", tmp_path, "--force", "--resume",
        "--scheduler", "tls://c:1", "--scheduler-ca", tmp_path / "ca",
        "--scheduler-cert", tmp_path / "cert", "--scheduler-key", tmp_path / "key",
        "--on-suspect", "skip", "--hide-signer", "--include-other", "--allow-preamble",
        "--passphrase-file", tmp_path / "p", "--timestamp", "https://tsa.example/",
        "--timestamp-instances", "--rsa-pss", "--envelope", "secure-dicom",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    _, options = library.calls["pack"]
    originator = options.pop("originator")
    assert options.pop("own") is not None
    assert originator.signing.certificate == locked.contact.signing
    assert originator.signing.pss
    assert originator.instance_signing.certificate == clinic.contact.signing
    assert [one.decryption for one in originator.recipients] == [
        locked.contact.decryption,
        clinic.contact.decryption,
    ]
    assert options == {
        "project_key": key,
        "envelope": "secure-dicom",
        "deidentify": "basic+clean-graphics+retain-uids",
        "profile": SiteProfile("site", frozenset((Option.CLEAN_DESCRIPTORS,))),
        "burned_in": "vouch",
        "map_out": tmp_path / "maps.csv",
        "codec": "htj2k",
        "paranoid": True,
        "recompress": True,
        "lossy": 10.0,
        "volume_size": 25_000_000,
        "recovery": "7.5%",
        "jobs": 3,
        "max_memory": 2_000_000_000,
        "exclude": ("*.txt", "T*"),
        "include_other": True,
        "allow_preamble": True,
        "temp": tmp_path,
        "resume": True,
        "scheduler": Scheduler("tls://c:1", *(str(tmp_path / one) for one in ("ca", "cert", "key"))),
        "key_paths": KeyPaths(
            str(them / "signing.p12"),
            str(me / "decryption.p12"),
            str(me / "signing.p12"),
            str(tmp_path / "k"),
            str(tmp_path / "p"),
            pss=True,
        ),
        "skip_suspect": True,
        "force": True,
        "hide_signer": True,
        "timestamp": "https://tsa.example/",
        "timestamp_instances": True,
        "on_progress": None,
    }


def test_the_packer_is_no_recipient_with_no_self(library, call, me, them, locked):
    ended = call(
        "pack", "A", "-o", "n.dcmpack", "--signer", me, "--recipient", them / "contact.pem", "--no-self"
    )
    assert ended.code == 0
    originator = library.calls["pack"][1]["originator"]
    assert [one.fingerprint for one in originator.recipients] == [locked.contact.fingerprint]


@pytest.mark.parametrize("more", [["--no-self"], []])
def test_a_package_for_nobody_is_refused(library, call, me, more):
    signer = me if more else me / "signing.p12"
    ended = call("pack", "A", "-o", "n.dcmpack", "--signer", signer, *more)
    assert (ended.code, "--recipient" in ended.err) == (2, True)
    assert library.calls == {}


def test_a_recipient_needs_a_key_to_encrypt_to(library, call, me, clinic, tmp_path):
    pem = clinic.contact_pem
    signing = pem[pem.index(b"-----BEGIN", 1) :]
    (tmp_path / "s.pem").write_bytes(signing)
    ended = call("pack", "A", "-o", "n.dcmpack", "--signer", me, "--recipient", tmp_path / "s.pem")
    assert (ended.code, "contact.pem" in ended.err) == (40, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["A", "-o", "n.dcmpack"],
        ["A", "--signer", "ME"],
        ["-o", "n.dcmpack", "--signer", "ME"],
        ["A", "-o", "n.zip", "--signer", "ME"],
        ["A", "-o", "n", "--signer", "ME"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--deidentify", "nothing"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--deidentify", "basic+retain-everything"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--burned-in", "ignore"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--codec", "jpeg"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--volume-size", "25 apples"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--jobs", "-1"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--recipient", "Nobody"],
        ["A", "-o", "n.dcmpack", "--signer", "ME", "--passphrase", "x"],
    ],
)
def test_pack_refuses_calls_that_make_no_sense(library, call, me, arguments):
    ended = call("pack", *[me if word == "ME" else word for word in arguments])
    assert ended.code == 2, ended.err
    assert library.calls == {}


def test_an_unknown_profile_names_what_exists(call, me):
    ended = call("pack", "A", "-o", "n.dcmpack", "--signer", me, "--deidentify", "strict")
    assert (ended.code, "basic" in ended.err) == (2, True)
    ended = call("pack", "A", "-o", "n.dcmpack", "--signer", me, "--deidentify", "basic+clean-descriptor")
    assert "did you mean clean-descriptors?" in ended.err


def test_pack_says_what_it_did(library, call, me, clinic):
    library.answers["pack"] = Report(
        "pack", instances_in=5, instances_out=5, bytes_in=25_100_000, bytes_out=11_300_000,
        volumes=tuple(f"n.dcmpack.{n:03}" for n in range(1, 6)),
    )  # fmt: skip
    ended = call("pack", "SRC", "-o", "n.dcmpack", "--signer", me)
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "packed 5 of 5 instances: 25.1 MB -> 11.3 MB (45 %)",
        "5 volumes: n.dcmpack.001 ... n.dcmpack.005",
        "signed by Clinic A",
        f"for Clinic A, {clinic.contact.fingerprint}",
    ]


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        (b"", []),
        (b"a b\nc\r\n\n", ["a b", "c"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\nb\0c\r\0", ["a\nb", "c\r"]),
    ],
)
def test_files_from(tmp_path, monkeypatch, content, paths):
    """CLI-11."""
    (tmp_path / "list").write_bytes(content)
    assert listed_sources(tmp_path / "list") == tuple(map(Path, paths))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert listed_sources(Path("-")) == tuple(map(Path, paths))


def test_files_from_adds_to_the_arguments(library, call, me, tmp_path):
    """CLI-11."""
    (tmp_path / "list").write_bytes(b"x\n")
    assert call("pack", "A", "-o", "n.dcmpack", "--signer", me, "--files-from", tmp_path / "list").code == 0
    assert list(library.calls["pack"][0][0]) == [Path("A"), Path("x")]
    (tmp_path / "list").write_bytes(b"\n")
    assert call("pack", "-o", "n.dcmpack", "--signer", me, "--files-from", tmp_path / "list").code == 2
    assert call("pack", "-o", "n.dcmpack", "--signer", me, "--files-from", tmp_path / "none").code == 10


# ------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("25M", 25_000_000), ("25m", 25_000_000), ("25MB", 25_000_000), ("4.7G", 4_700_000_000),
        ("1K", 1000), ("1KiB", 1024), ("512MiB", 512 << 20), ("2gib", 2 << 30), ("0.5KiB", 512),
        ("100B", 100),        (" 7K ", 7000), ("000001K", 1000),
    ],
)  # fmt: skip
def test_sizes(text, size):
    """CLI-9."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "", "M", "-1", "0", "0.0M", "1.5", "1.0001K", "1T", "1Ki", "1iB", "1 K", "1e3", "1,5M", ".5K", "1.K",
        "٣M", "0x10", "9" * 16, "1.0000000001G", "infM", "nan", "25M\n5",
    ],
)  # fmt: skip
def test_sizes_that_are_refused(text):
    """CLI-9."""
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        parse_size(text)


# --------------------------------------------------------------------------------------- the other commands


def test_test_needs_no_key(library, call, me, clinic):
    assert call("test", "p.dcmpack", "--trust", me / "contact.pem").code == 0
    (package,), options = library.calls["test"]
    assert package == Path("p.dcmpack")
    assert [anchor.fingerprint for anchor in options["trust"].anchors] == [clinic.contact.fingerprint]


def test_test_without_any_anchor_judges_all_the_same(library, call):
    """CLI-10: the library then finds nobody trusted; `--integrity-only` is a decision of its own."""
    call("test", "p.dcmpack")
    assert library.calls["test"][1]["trust"].anchors == ()
    call("test", "p.dcmpack", "--integrity-only")
    assert library.calls["test"][1]["trust"] is None
    assert call("test", "p", "--integrity-only", "--trust", "x").code == 2


def test_verify_with_several_identities(library, call, me, them, locked, clinic, tmp_path):
    (tmp_path / "p").write_bytes(b"open sesame\n")
    ended = call(
        "verify", "p", "--identity", them, "--identity", me / "decryption.p12", "--trust", me / "contact.pem",
        "--passphrase-file", tmp_path / "p", "--jobs", "2",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (package,), options = library.calls["verify"]
    assert [key.certificate for key in options["recipient"].keys] == [
        locked.contact.decryption,
        clinic.contact.decryption,
    ]
    assert (package, options["jobs"], options["on_progress"]) == (Path("p"), 2, None)


def test_unpack(library, call, me, tmp_path):
    assert call("unpack", "p", "-d", tmp_path / "out", "--identity", me, "--keep-signed").code == 0
    (package, target), options = library.calls["unpack"]
    assert (package, target, options["keep_signed"]) == (Path("p"), tmp_path / "out", True)
    assert options["originals"] is False
    assert call("unpack", "p", "-d", tmp_path / "out", "--identity", me, "--originals").code == 0
    assert library.calls["unpack"][1]["originals"] is True
    assert call("unpack", "p", "-d", tmp_path / "out").code == 2
    assert call("unpack", "p", "--identity", me).code == 2


def test_rewrap(library, call, me, them, clinic, locked, tmp_path):
    signature = SignatureVerdict("Clinic A", "AAAA", True, True, True, "clinic")
    later = SignatureVerdict("Clinic B", "BBBB", True, True, True, "b", purpose="passed-on")
    library.answers["rewrap"] = Report("rewrap", instances_out=2, signatures=(signature, later))
    passphrases = tmp_path / "passphrases"
    passphrases.write_text("open sesame\n")
    ended = call(
        "rewrap", "p.dcmpack", "-o", tmp_path / "q.dcmpack", "--identity", them, "--signer", them,
        "--trust", me / "contact.pem", "--recipient", me / "contact.pem", "--volume-size", "1M",
        "--passphrase-file", passphrases, "--jobs", "2", "--force",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    arguments, options = library.calls["rewrap"]
    assert arguments == (Path("p.dcmpack"), tmp_path / "q.dcmpack")
    assert options["signer"].certificate == locked.contact.signing
    wanted = [clinic.contact.decryption, locked.contact.decryption]
    assert [contact.decryption for contact in options["recipients"]] == wanted, "and oneself"
    assert (options["volume_size"], options["jobs"], options["force"]) == (1_000_000, 2, True)
    assert "signer: Clinic A" in ended.err
    assert "passed on by: Clinic B" in ended.err
    call("rewrap", "p", "-o", "q.dcmpack", "--identity", me, "--signer", me, "--no-self", "--trust", me)
    assert library.calls["rewrap"][1]["recipients"] == []


def test_receipts(library, call, me, tmp_path, clinic):
    path = tmp_path / "receipt"
    call("unpack", "p", "-d", tmp_path / "out", "--identity", me, "--receipt", path, "--signer", me)
    _, options = library.calls["unpack"]
    assert (options["receipt"], options["receipt_signer"].certificate) == (path, clinic.contact.signing)
    call("test", "p", "--trust", me, "--receipt", path)
    call("verify", "p", "--identity", me, "--receipt", path)
    assert library.calls["test"][1]["receipt"] == library.calls["verify"][1]["receipt"] == path


def test_three_facts_for_each_signature(library, call, me):
    verdict = SignatureVerdict("Clinic A", "AAAA", True, True, True, "Clinic A, pinned")
    library.answers["verify"] = Report("verify", signatures=(verdict, verdict))
    ended = call("verify", "p", "--identity", me)
    assert "signer: Clinic A (2 signatures)\n  fingerprint AAAA\n" in ended.err
    assert "  intact yes; valid yes; trusted yes, as Clinic A, pinned\n" in ended.err


def test_integrity_only_does_not_claim_to_have_judged(library, call):
    library.answers["test"] = Report("test", signatures=(SignatureVerdict("X", "AAAA", True, True, False),))
    assert "intact yes; valid yes; trusted not judged\n" in call("test", "p", "--integrity-only").err
    assert "intact yes; valid yes; trusted NO\n" in call("test", "p").err


def test_list_prints_its_table_on_stdout(library, call, me):
    member = Member(1, "1.2", "1.3.6", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", 1000, 500, "CT")
    library.answers["inspect"] = Report("list", members=(member,), complete="not-checked")
    ended = call("list", "p", "--identity", me)
    assert [line.split() for line in ended.out.splitlines()] == [
        ["NUMBER", "MODALITY", "SIZE", "PACKED", "TRANSFER", "SYNTAX", "SOP", "INSTANCE", "UID"],
        ["1", "CT", "1.0", "KB", "500", "B", "1.2.840.10008.1.2.1", "1.3.6"],
    ]
    assert "not checked" in ended.err


# ------------------------------------------------------------------------------- deidentify, site profiles


def test_deidentify(library, call, tmp_path):
    (tmp_path / "k").write_bytes((key := ProjectKey.new()).marshal())
    ended = call(
        "deidentify", "A", "-d", tmp_path / "out", "--project-key", tmp_path / "k", "--deidentify",
        "basic+retain-uids", "--burned-in", "clean", "--on-suspect", "skip", "--map-out", tmp_path / "m",
        "--exclude", "*.txt", "--jobs", "2",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (sources, target), options = library.calls["deidentify"]
    assert (list(sources), target) == ([Path("A")], tmp_path / "out")
    assert options == {
        "project_key": key,
        "deidentify": "basic+retain-uids",
        "profile": None,
        "burned_in": "clean",
        "map_out": tmp_path / "m",
        "jobs": 2,
        "max_memory": None,
        "exclude": ("*.txt",),
        "skip_suspect": True,
        "on_progress": None,
    }


def test_a_site_profile_by_file_and_name_cli_12(tmp_path):
    both = tmp_path / "a:b"
    both.write_text("")
    assert named_profile(str(both)) == (both, None)
    assert named_profile("site.toml") == (Path("site.toml"), None)
    assert named_profile("site.toml:trial") == (Path("site.toml"), "trial")
    assert named_profile("C:/x:y") == (Path("C:/x"), "y")


def test_site_profiles_that_are_refused_cli_12(library, call, me, tmp_path):
    (tmp_path / "one.toml").write_text("[profile.a]\n[profile.b]\n")
    (tmp_path / "bad.toml").write_text("[profile.a]\nopt = []\n")
    (tmp_path / "big.toml").write_bytes(b"#" * ((1 << 20) + 1))
    for profile, code, said in (
        ("one.toml", 2, "name one of: a, b"),
        ("one.toml:aa", 2, "did you mean a?"),
        ("bad.toml", 2, "did you mean options?"),
        ("big.toml", 2, "CLI-12"),
        ("missing.toml", 10, "missing.toml"),
    ):
        ended = call("deidentify", "A", "-d", tmp_path / "out", "--profile", tmp_path / profile)
        assert (ended.code, said in ended.err) == (code, True), (profile, ended.err)
    assert library.calls == {}
