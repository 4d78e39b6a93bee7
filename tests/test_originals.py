"""Files come back byte for byte: to everybody where nothing was de-identified, else to custodians only."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import dicompack
from dicompack import Originator, Recipient
from dicompack.cli.program import run
from dicompack.container import originals, solid
from dicompack.container.manifest import Manifest
from dicompack.crypto import signed
from dicompack.dicom import pixels
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    InputError,
    NoMatchError,
    UntrustedError,
    UsageError,
)
from dicompack.files import RestoredNames
from dicompack.stages import volumes
from tests.conftest import Party, now, trusting
from tests.hostile.forgery import Forgery
from tests.packages import INSTANCES, bundled, study, tree

# Odd and sound: deflated, without meta, big endian, with a preamble, and two pixel kinds.
FILES = (*INSTANCES, "ExplVR_BigEnd.dcm", "examples_jpeg2k.dcm")


def reader(signer: Party, *readers: Party) -> Recipient:
    return Recipient(tuple(one.decryption for one in readers), trusting(signer))


def as_is(folder: Path, signer: Party, *readers: Party, **more: object) -> tuple[Path, dicompack.Report]:
    originator = Originator(signer.signing, tuple(one.contact for one in readers))
    package = folder / "p.dcmpack"
    return package, dicompack.pack([folder / "in"], package, originator=originator, deidentify="none", **more)


def with_custodian(
    folder: Path, signer: Party, receiver: Party, custodian: Party, **more: object
) -> tuple[Path, dicompack.Report]:
    originator = Originator(signer.signing, (receiver.contact,), custodians=(custodian.contact,))
    package = folder / "p.dcmpack"
    settings = {"burned_in": "vouch", **more}
    return package, dicompack.pack([folder / "in"], package, originator=originator, **settings)


def test_as_they_are(tmp_path, sender, receiver):
    study(tmp_path / "in", FILES)
    shutil.move(tmp_path / "in" / "CT_small.dcm", tmp_path / "in" / "Ünïcode name")
    (tmp_path / "in" / "sub").mkdir()
    data = bytearray(bundled("MR_small.dcm").read_bytes())
    data[:6] = b"II*\0\x08\0"
    (tmp_path / "in" / "sub" / "dual.dcm").write_bytes(data)
    package, report = as_is(tmp_path, sender, receiver)
    assert report.skipped == ()
    assert ("preamble", "sub/dual.dcm") in {(one.kind, one.where) for one in report.findings}
    unpacked = dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
    assert tree(tmp_path / "out") == tree(tmp_path / "in")
    assert {one.name for one in unpacked.members} == set(tree(tmp_path / "in"))
    assert dicompack.verify(package, recipient=reader(sender, receiver)).instances_out == len(FILES) + 1
    assert dicompack.test(package, trust=trusting(sender)).instances_out == len(FILES) + 1


def test_signed_instances_of_a_package_as_they_are(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
    package, _ = as_is(tmp_path, sender, receiver)
    report = dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver), keep_signed=True)
    assert report.findings == ()
    assert all(path.endswith(".dcm") and path.count("/") == 2 for path in tree(tmp_path / "out"))


def test_a_custodian_gets_the_files_and_a_recipient_does_not(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", FILES)
    package, report = with_custodian(tmp_path, sender, receiver, stranger)
    assert report.skipped == ()
    dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, stranger), originals=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "in")
    with pytest.raises(NoMatchError) as caught:
        dicompack.unpack(package, tmp_path / "no", recipient=reader(sender, receiver), originals=True)
    assert caught.value.rule == "ORG-7"
    assert not (tmp_path / "no").exists()
    # Without the wish for them, a custodian gets what every recipient gets.
    for number, who in enumerate((receiver, stranger)):
        dicompack.unpack(package, tmp_path / str(number), recipient=reader(sender, who))
    assert tree(tmp_path / "0") == tree(tmp_path / "1")
    assert not set(tree(tmp_path / "0")) & set(tree(tmp_path / "in"))


def test_a_recipient_cannot_open_what_is_for_custodians(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    forgery = Forgery(package)
    for name in ("CUSTODY", "ORIGINAL/00000001"):
        assert forgery.open(name, stranger.decryption)
        with pytest.raises(NoMatchError):
            forgery.open(name, receiver.decryption)


def test_nothing_of_an_original_stands_where_a_recipient_reads(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    content = signed.verify(Forgery(package).open("MANIFEST", receiver.decryption)).content
    for path in (tmp_path / "in").iterdir():
        for secret in (path.name.encode(), hashlib.sha256(path.read_bytes()).hexdigest().encode()):
            assert secret not in content


def test_sizes_for_custodians_do_not_tell_how_long_a_name_is(tmp_path, sender, receiver, stranger):
    sizes = set()
    for name in ("a", "a" * 60):
        (tmp_path / name / "in").mkdir(parents=True)
        shutil.copy(bundled("CT_small.dcm"), tmp_path / name / "in" / name)
        package, _ = with_custodian(tmp_path / name, sender, receiver, stranger)
        sizes.add(tuple(len(Forgery(package).objects[one]) for one in ("CUSTODY", "ORIGINAL/00000001")))
    assert len(sizes) == 1


def test_originals_without_custodians(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm",))
    originator = Originator(sender.signing, (receiver.contact,))
    package = tmp_path / "p.dcmpack"
    dicompack.pack([tmp_path / "in"], package, originator=originator, burned_in="vouch")
    assert not any(name.startswith(("ORIGINAL", "CUSTODY")) for name in Forgery(package).objects)
    with pytest.raises(NoMatchError) as caught:
        dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver), originals=True)
    assert caught.value.rule == "ORG-7"


def test_other_files_travel_too(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm",))
    others = {"autorun.inf": b"[autorun]", "empty": b"", "viewer/run.exe": bytes(range(256)) * 100}
    for name, data in others.items():
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    package, report = as_is(tmp_path, sender, receiver, include_other=True)
    assert (report.instances_in, report.instances_out, report.skipped) == (1, 1, ())
    assert report.others == tuple(sorted(others))
    assert b"autorun" not in package.read_bytes()
    unpacked = dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
    assert (unpacked.instances_out, unpacked.others) == (1, report.others)
    assert tree(tmp_path / "out") == tree(tmp_path / "in")


def test_other_files_are_left_out_otherwise(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm",))
    (tmp_path / "in" / "readme.txt").write_text("hello")
    _, report = as_is(tmp_path, sender, receiver)
    assert [(one.name, one.dicom) for one in report.skipped] == [("readme.txt", False)]
    assert not report.partial


def test_an_executable_preamble_needs_a_word(tmp_path, sender, receiver):
    (tmp_path / "in").mkdir()
    data = bytearray(bundled("CT_small.dcm").read_bytes())
    data[:2] = b"MZ"
    (tmp_path / "in" / "a.dcm").write_bytes(data)
    with pytest.raises(InputError) as caught:
        as_is(tmp_path, sender, receiver)
    assert "a Windows program" in caught.value.faults[0]
    package, _ = as_is(tmp_path, sender, receiver, allow_preamble=True)
    dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
    assert tree(tmp_path / "out") == tree(tmp_path / "in")


def test_settings_that_make_no_sense(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", ("CT_small.dcm",))
    with pytest.raises(UsageError):
        with_custodian(tmp_path, sender, receiver, stranger, deidentify="none")
    with pytest.raises(UsageError):
        with_custodian(tmp_path, sender, receiver, stranger, include_other=True)
    with pytest.raises(UsageError):
        with_custodian(tmp_path, sender, receiver, stranger, allow_preamble=True)
    with pytest.raises(UsageError):
        as_is(tmp_path, sender, receiver, map_out=tmp_path / "maps.csv")
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    with pytest.raises(UsageError):
        dicompack.unpack(
            package, tmp_path / "out", recipient=reader(sender, stranger), originals=True, keep_signed=True
        )


def test_nothing_plaintext_lies_in_staging(tmp_path, sender, receiver, stranger, monkeypatch):
    study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
    seen: dict[str, bytes] = {}
    real = volumes.pack

    def look(*arguments):
        for folder in tmp_path.glob(".p.dcmpack*"):
            seen.update(tree(folder))
        return real(*arguments)

    monkeypatch.setattr(volumes, "pack", look)
    with_custodian(tmp_path, sender, receiver, stranger)
    assert any("original" in name for name in seen)
    for data in seen.values():
        assert b"CompressedSamples" not in data
        assert b"DICM" not in data


def test_by_hand(tmp_path, sender, receiver):
    """cmp against what openssl and xz give: the literals of the restoring data hold the header."""
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = as_is(tmp_path, sender, receiver)
    opened = Forgery(package).open("ORIGINAL/00000001", receiver.decryption)
    data = lzma.LZMADecompressor().decompress(opened)
    assert b"ISO_IR 100" in data or b"DICM" in data


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize(
    "folder",
    [
        "modalities",
        "transfer_syntaxes",
        "odd",
        "filesets",
        "studies/qin_derived_objects",
        "studies/rt_dicompyler",
    ],
)
def test_everything_that_the_walk_accepts_comes_back(data, folder, tmp_path, sender, receiver, stranger):
    """PS3.10 files of every kind that there is, both ways of packing."""
    source = data / folder
    files = tree(source)
    (tmp_path / "in").symlink_to(source)
    package, report = as_is(tmp_path, sender, receiver)
    dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
    out = tree(tmp_path / "out")
    assert out == {name: files[name] for name in out}
    assert len(out) == report.instances_out
    package.unlink()
    package, report = with_custodian(tmp_path, sender, receiver, stranger, skip_suspect=True)
    dicompack.unpack(package, tmp_path / "back", recipient=reader(sender, stranger), originals=True)
    out = tree(tmp_path / "back")
    assert out == {name: files[name] for name in out}
    assert len(out) == report.instances_out


def test_other_files_outside_of_the_source_stay_there(tmp_path, sender, receiver):
    """A link in a study may lead anywhere; for DICOM that is harmless, for other files it would leak."""
    study(tmp_path / "in", ("CT_small.dcm",))
    (tmp_path / "secret").write_text("root:x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "note").write_text("hello")
    _, report = as_is(tmp_path, sender, receiver, include_other=True)
    assert report.others == ("note",)
    assert [(one.name, "link out of the source" in one.reason) for one in report.skipped] == [("link", True)]


def test_members_of_the_report_have_their_names(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
    _, report = as_is(tmp_path, sender, receiver)
    assert {one.name for one in report.members} == {"CT_small.dcm", "MR_small.dcm"}


def test_what_no_memory_is_there_to_compress_travels_as_it_is(tmp_path, sender, receiver, monkeypatch):
    def greedy(*_arguments, **_more):
        raise MemoryError

    monkeypatch.setattr(pixels, "compress", greedy)
    study(tmp_path / "in", ("CT_small.dcm",))
    package, report = as_is(tmp_path, sender, receiver)
    assert report.skipped == ()
    assert [one.kind for one in report.findings if "memory does not" in one.message] == ["not-compressed"]
    dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
    assert tree(tmp_path / "out") == tree(tmp_path / "in")


# ------------------------------------------------------------------------------------------- hostile


def forged_custody(forgery: Forgery, custodian: Party, signer: Party, **changes: object) -> None:
    content = originals.parse(signed.verify(forgery.open("CUSTODY", custodian.decryption)).content)
    raw = originals.marshal(replace(content, **changes))
    forgery.reseal("CUSTODY", signed.sign(raw, signer.signing, now()), [custodian.contact.decryption])


def settled(forgery: Forgery, signer: Party, path: Path) -> Path:
    """A package whose SEAL and DIGESTS fit what was forged, by a signer whom the reader trusts."""
    forgery.refresh_digests()
    forgery.change_seal(signer.signing)
    return forgery.write(path)


def refused(package: Path, folder: Path, recipient: Recipient, *, wanted: bool = True) -> DicomPackError:
    with pytest.raises(DicomPackError) as caught:
        dicompack.unpack(package, folder / "out", recipient=recipient, originals=wanted)
    assert not (folder / "out").exists()
    return caught.value


def test_forged_custody_org_6(tmp_path, sender, receiver, stranger):
    """Another package's, another number of members."""
    study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    custody = originals.parse(signed.verify(Forgery(package).open("CUSTODY", stranger.decryption)).content)
    for changes in ({"set_id": bytes(16)}, {"members": custody.members[:1]}):
        forgery = Forgery(package)
        forged_custody(forgery, stranger, sender, **changes)
        error = refused(settled(forgery, sender, tmp_path / "f.dcmpack"), tmp_path, reader(sender, stranger))
        assert (type(error), error.rule) == (BadSignatureError, "ORG-6")


def test_custody_of_another_signer_tru_1(tmp_path, sender, receiver, stranger):
    """Whoever can encrypt to the custodian can put a CUSTODY there; not one that is believed."""
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    forgery = Forgery(package)
    forged_custody(forgery, stranger, receiver)
    error = refused(settled(forgery, sender, tmp_path / "f.dcmpack"), tmp_path, reader(sender, stranger))
    assert isinstance(error, UntrustedError)
    both = Recipient((stranger.decryption,), trusting(sender, receiver))
    assert refused(tmp_path / "f.dcmpack", tmp_path, both).rule == "ORG-6"


def test_restoring_data_of_another_org_3_org_4(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    forgery = Forgery(package)
    content = originals.parse(signed.verify(forgery.open("CUSTODY", stranger.decryption)).content)
    (member,) = content.members
    size = member.original.restoring.size
    data = bytearray(solid.unpack(forgery.open("ORIGINAL/00000001", stranger.decryption), size))
    data[-1] ^= 1
    forgery.reseal("ORIGINAL/00000001", solid.pack([bytes(data)]), [stranger.contact.decryption])
    error = refused(settled(forgery, sender, tmp_path / "f.dcmpack"), tmp_path, reader(sender, stranger))
    assert (error.rule, error.where) == ("ORG-3", "member 1")
    about = replace(member.original.restoring, sha256=hashlib.sha256(data).hexdigest())
    forged_custody(
        forgery,
        stranger,
        sender,
        members=(replace(member, original=replace(member.original, restoring=about)),),
    )
    error = refused(settled(forgery, sender, tmp_path / "g.dcmpack"), tmp_path, reader(sender, stranger))
    assert (error.rule, error.where) == ("ORG-4", "member 1")


def test_an_object_that_holds_more_org_2(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = as_is(tmp_path, sender, receiver)
    forgery = Forgery(package)
    bomb = solid.pack(bytes(1 << 20) for _ in range(64))
    forgery.reseal("ORIGINAL/00000001", bomb, [receiver.contact.decryption])
    error = refused(
        settled(forgery, sender, tmp_path / "f.dcmpack"), tmp_path, reader(sender, receiver), wanted=False
    )
    assert (type(error), error.rule) == (FormatError, "ORG-2")
    assert "ORIGINAL/00000001" in (error.where or "")


def test_steps_that_lead_outside_org_1(tmp_path, sender, receiver):
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = as_is(tmp_path, sender, receiver)
    forgery = Forgery(package)
    wrong = b"\0\0\0\1\1" + (1 << 40).to_bytes(8, "big") + (5).to_bytes(8, "big")
    forgery.reseal("ORIGINAL/00000001", solid.pack([wrong]), [receiver.contact.decryption])

    def lie(content: Manifest) -> Manifest:
        (member,) = content.members
        about = replace(member.original.restoring, size=len(wrong), sha256=hashlib.sha256(wrong).hexdigest())
        return replace(
            content, members=(replace(member, original=replace(member.original, restoring=about)),)
        )

    forgery.change_manifest(lie, receiver.decryption, sender.signing, [receiver.contact.decryption])
    error = refused(
        settled(forgery, sender, tmp_path / "f.dcmpack"), tmp_path, reader(sender, receiver), wanted=False
    )
    assert error.rule == "ORG-1"


def test_an_object_taken_away_pkg_11(tmp_path, sender, receiver, stranger):
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    forgery = Forgery(package)
    del forgery.objects["CUSTODY"]
    error = refused(forgery.write(tmp_path / "f.dcmpack"), tmp_path, reader(sender, stranger), wanted=False)
    assert error.rule == "PKG-11"


def test_a_changed_object_that_the_reader_cannot_open_pkg_13(tmp_path, sender, receiver, stranger):
    """A recipient who is no custodian notices, too."""
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    forgery = Forgery(package)
    forgery.reseal("CUSTODY", b"nothing", [stranger.contact.decryption])
    error = refused(forgery.write(tmp_path / "f.dcmpack"), tmp_path, reader(sender, receiver), wanted=False)
    assert error.rule == "PKG-13"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("CT/1.dcm", "CT/1.dcm"), ("Ünï/x y.dcm", "Ünï/x y.dcm"), ("a\\b", "a_b"), ("C:/x", "C_/x"),
            ("con", "_con"), ("x/AUX.dcm", "x/_AUX.dcm"), ("dot.", "dot_"), ("blank ", "blank_"),
            ("a\nb", "a_b"), ("\u202egnp.exe", "_gnp.exe"), ("a\x1b[31m", "a_[31m"), (" lead", "lead_"),
            ("x" * 300, "x" * 240), ("\udc80", "_"), ("...", "_"), ("-rf", "-rf"), ("a*?.dcm", "a__.dcm"),
            ("CON .dcm", "_CON .dcm"), ("com¹", "_com¹"), ("LPT³.x.y", "_LPT³.x.y"), ("conin$", "_conin$"),
            ("CONOUT$.txt", "_CONOUT$.txt"), ("console", "console"), ("con1.dcm", "con1.dcm"),
        ],
    )  # fmt: skip
    def test_the_nearest_that_every_system_takes(self, name, written):
        assert "/".join(RestoredNames().components(name)) == written

    def test_thousands_of_one_name(self):
        """Of many discs in one package each has its DICOM/IM000001."""
        names = RestoredNames()
        began = time.monotonic()
        written = {"/".join(names.components("x/IM1.dcm")) for _ in range(20_000)}
        assert time.monotonic() - began < 10
        assert written == {"x/IM1.dcm", *(f"x/IM1 ({number}).dcm" for number in range(2, 20_001))}

    def test_no_two_are_the_same_on_any_system(self):
        names = RestoredNames()
        given = [
            "a.dcm",
            "A.dcm",
            "a.DCM",
            "é",
            "e\u0301",
            "ß",
            "SS",
            "x/y",
            "X/Y",
            "x",
            "a.dcm/b",
            "q?",
            "q*",
        ]
        written = ["/".join(names.components(name)) for name in given]
        assert written[:3] == ["a.dcm", "A (2).dcm", "a (3).DCM"]
        assert len({name.casefold() for name in written}) == len(given)
        files = {name.casefold() for name in written}
        folders = {name.casefold().rpartition("/")[0] for name in written if "/" in name}
        assert not files & folders

    def test_renamed_files_are_told(self, tmp_path, sender, receiver):
        study(tmp_path / "in", ("CT_small.dcm", "MR_small.dcm"))
        shutil.move(tmp_path / "in" / "CT_small.dcm", tmp_path / "in" / "a\\b")
        package, _ = as_is(tmp_path, sender, receiver)
        report = dicompack.unpack(package, tmp_path / "out", recipient=reader(sender, receiver))
        assert [(one.kind, one.where) for one in report.findings] == [("renamed", "a_b")]
        assert set(tree(tmp_path / "out")) == {"a_b", "MR_small.dcm"}


@pytest.mark.interop
def test_openssl_opens_an_original(tmp_path, sender, receiver, program):
    """And xz what is inside."""
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = as_is(tmp_path, sender, receiver)
    (tmp_path / "o").write_bytes(Forgery(package).objects["ORIGINAL/00000001"])
    key = tmp_path / "key.pem"
    private = receiver.decryption.private_key
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    openssl = program("openssl")
    result = subprocess.run(
        [openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", tmp_path / "o", "-inkey", key],
        check=True,
        capture_output=True,
    )
    assert result.stdout[:6] == b"\xfd7zXZ\0"


def test_custody_beside_originals_for_everybody_pkg_16(tmp_path, sender, receiver, stranger):
    """A SEAL that says custody over a MANIFEST that names the originals."""
    study(tmp_path / "in", ("CT_small.dcm",))
    package, _ = with_custodian(tmp_path, sender, receiver, stranger)
    custody = Forgery(package).objects["CUSTODY"]
    package.unlink()
    package, _ = as_is(tmp_path, sender, receiver)
    forgery = Forgery(package)
    objects = list(forgery.objects.items())
    place = [name for name, _ in objects].index("MANIFEST")
    forgery.objects = dict([*objects[:place], ("CUSTODY", custody), *objects[place:]])
    forgery.refresh_digests()
    forgery.change_seal(sender.signing, custody=True)
    error = refused(forgery.write(tmp_path / "f.dcmpack"), tmp_path, reader(sender, receiver), wanted=False)
    assert (type(error), error.rule) == (BadSignatureError, "PKG-16")


def test_other_files_are_listed(tmp_path, monkeypatch, capfd):
    """On the command line: a name with a line break stays in its line."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "config"))
    study(tmp_path / "in", ("CT_small.dcm",))
    (tmp_path / "in" / "read\nme").write_bytes(b"x")
    me, package = str(tmp_path / "me"), str(tmp_path / "study.dcmpack")
    assert run(["keys", "new", me, "--name", "Me", "--no-passphrase"]) == 0
    as_is = ["--signer", me, "--deidentify", "none", "--include-other"]
    assert run(["pack", str(tmp_path / "in"), "-o", package, *as_is]) == 0
    capfd.readouterr()
    assert run(["list", package, "--identity", me, "--trust", f"{me}/contact.pem"]) == 0
    lines = capfd.readouterr().out.splitlines()
    at = lines.index("OTHER FILE")
    assert len(lines) == at + 2
    assert lines[at + 1].startswith("read") and lines[at + 1].endswith("me")
