"""The commands that write, on a package of two tiny instances, and what must hold after any end."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dicompack
from dicompack import Recipient
from dicompack.container.conditions import examine
from dicompack.errors import DicomPackError
from dicompack.files import STAGING_SUFFIX, FileAccess
from tests.conftest import Party, trusting
from tests.packages import bundled, tree

NAMES = ("CT_small.dcm", "rtplan.dcm")
# What stands in the plaintext of these instances, before and after de-identification: their coding, what the
# first one shows, and what the other one plans; and in no package, sealed or not, what they are called.
PLAIN = (
    b"1.2.840.10008.5.1.4.1.1.2",
    b"1.2.840.10008.5.1.4.1.1.481.5",
    b"CompressedSamples^CT1",
    bundled(NAMES[0]).read_bytes()[-20_000:-19_936],
    bundled(NAMES[1]).read_bytes()[-128:-96],
)


@dataclass
class Case:
    """A call, and the place that it works in."""

    command: str
    folder: Path
    me: Party
    place: Path = field(init=False)
    left_out: int = 0
    """Sources that could not be read, and that the call has listed (exit code 3)."""

    def __post_init__(self) -> None:
        self.place = self.folder / "place"
        self.again()
        self.inputs = {name: tree(self.place / name) for name in ("source", "package", "file-set", "me")}

    def again(self) -> None:
        """The place as it was; before `force` with an older package of the name, of one volume more."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.folder / "fresh", self.place)
        if self.command == "force":
            for path in (self.folder / "older").iterdir():
                shutil.copy(path, self.out)

    @property
    def packs(self) -> bool:
        """Whether its result is a package."""
        return self.command in ("pack", "force", "rewrap")

    @property
    def out(self) -> Path:
        return self.place / "out"

    def arguments(self, *more: str) -> list[object]:
        me = self.place / "me"
        if self.command == "seal":
            settings = "--envelope secure-dicom --codec keep --burned-in vouch --jobs 1".split()
            signer = ["--signer", me, "--recipient", me / "contact.pem"]
            return ["pack", self.place / "source", "-o", self.out / "set", *signer, *settings, *more]
        if self.command in ("pack", "force"):
            more += ("--force",) if self.command == "force" else ()
            settings = "--codec keep --burned-in vouch --recovery 1 --volume-size 40K --jobs 1".split()
            output = ["-o", self.out / "x.dcmpack"]
            signer = ["--signer", me, "--recipient", me / "contact.pem"]
            return ["pack", self.place / "source", *output, *signer, *settings, *more]
        if self.command == "deidentify":
            target = ["-d", self.out / "files", "--map-out", self.out / "map.csv"]
            return [
                "deidentify",
                self.place / "source",
                *target,
                "--burned-in",
                "vouch",
                "--jobs",
                "1",
                *more,
            ]
        package = self.place / "package" / "x.dcmpack.001"
        if self.command == "repair":
            return ["repair", package, "-d", self.out / "whole", *more]
        if self.command == "open":
            package = self.place / "file-set"
        me_and_trust = ["--identity", me, "--trust", me / "contact.pem"]
        if self.command == "rewrap":
            settings = "--recovery 1 --volume-size 40K --jobs 1".split()
            return [
                "rewrap",
                package,
                "-o",
                self.out / "x.dcmpack",
                "--signer",
                me,
                *me_and_trust,
                *settings,
                *more,
            ]
        if self.command == "receipt":
            more += ("--receipt", str(self.out / "receipt"), "--signer", str(me))
        return ["unpack", package, "-d", self.out / "files", *me_and_trust, "--jobs", "1", *more]

    # ------------------------------------------------------------------------------------- what must hold

    def check_now(self) -> None:
        """After the end, however it came: inputs as they were, whole files only, plaintext nowhere else."""
        assert {name: tree(self.place / name) for name in self.inputs} == self.inputs
        for path in sorted(self.out.rglob("*")):
            private = STAGING_SUFFIX in path.relative_to(self.out).parts[0]
            if path.is_file() and any(one in path.read_bytes() for one in PLAIN):
                assert self.command in ("unpack", "open", "receipt", "deidentify"), path
            if private and path.parent == self.out:
                assert stat.S_IMODE(path.stat().st_mode) == 0o700
        if self.has_result():
            self.check_result()
        elif self.command in ("pack", "force"):
            for path in self.finals():  # the others of a set that has no first volume
                with FileAccess(path) as access:
                    fault = examine(access).fault
                assert fault is None, (path, fault)

    def finals(self) -> list[Path]:
        return [path for path in self.out.iterdir() if STAGING_SUFFIX not in path.name]

    def has_result(self) -> bool:
        """Whether somebody would take what is there for the result."""
        if self.command == "deidentify":  # its maps come before it, and mean nothing without it
            return (self.out / "files").exists()
        return any(not path.name.endswith((".002", ".r01", ".r02")) for path in self.finals())

    def check_result(self) -> None:
        """It is whole and sound."""
        recipient = Recipient((self.me.decryption,), trusting(self.me))
        if self.command == "seal":
            verified = dicompack.verify(self.out / "set", recipient=recipient, jobs=1)
            assert verified.instances_out == len(NAMES) - self.left_out
            held = [f"DICOM/{number:08d}" for number in range(1, verified.instances_out + 1)]
            assert sorted(tree(self.out / "set")) == [*held, "DICOMDIR"]
            return
        if self.command == "deidentify":
            assert len(tree(self.out / "files")) == len(NAMES) - self.left_out
            for path in (self.out / "map.csv", self.out / "map-patients.csv"):
                assert path.read_bytes().startswith(b"id_old,id_new\n")
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
            return
        if self.command in ("unpack", "open", "receipt"):
            names = sorted(path.name for path in (self.out / "files").rglob("*") if path.is_file())
            assert len(names) == len(NAMES), names
            assert tree(self.out / "files") == _expected(self)
            return
        first = self.out / ("x.dcmpack.001" if self.packs else "whole/x.dcmpack.001")
        due = ["x.dcmpack.001", "x.dcmpack.002", "x.dcmpack.r01"]
        if self.left_out and not first.exists():  # what is left fits in one
            first, due = self.out / "x.dcmpack", ["x.dcmpack", "x.dcmpack.r01"]
        assert (
            dicompack.verify(first, recipient=recipient, jobs=1).instances_out == len(NAMES) - self.left_out
        )
        names = sorted(path.name for path in first.parent.iterdir() if STAGING_SUFFIX not in path.name)
        if self.command == "force":  # the older package has one more, which is foreign to the new one
            names = [name for name in names if name != "x.dcmpack.r02"]
        assert names == due, names

    def check_settled(self) -> None:
        """After another run: the result is there, and nothing else."""
        self.check_now()
        assert self.has_result()
        assert not (self.out / "x.dcmpack.r02").exists()
        assert [path.name for path in self.out.iterdir() if STAGING_SUFFIX in path.name] == []


def _expected(case: Case) -> dict[str, bytes]:
    made = case.folder / "expected"
    if not made.exists():
        recipient = Recipient((case.me.decryption,), trusting(case.me))
        source = "file-set" if case.command == "open" else "whole/x.dcmpack.001"
        dicompack.unpack(case.folder / source, made, recipient=recipient, jobs=1)
    return tree(made)


def try_each(what: str, attempts: Sequence[tuple[str, Callable[[], None]]]) -> None:
    """Attempts with their names; all that fail are told together."""
    assert attempts
    broken = []
    for name, attempt in attempts:
        try:
            attempt()
        except (AssertionError, OSError, DicomPackError) as error:
            broken.append(f"{name}: {error}")
    print(f"{what}: {len(attempts)} tried, {len(broken)} broken")
    assert not broken, "\n\n".join(broken)


def prepare(folder: Path, me: Party, save: Callable[[Path], None]) -> None:
    """What the calls begin with: sources, an identity, and a package that has lost a volume."""
    fresh = folder / "fresh"
    for name in ("source", "out"):
        (fresh / name).mkdir(parents=True)
    for name in NAMES:
        shutil.copy(bundled(name), fresh / "source" / name)
    save(fresh / "me")
    originator = dicompack.Originator(me.signing, (me.contact,))
    (folder / "whole").mkdir()
    dicompack.pack(
        [fresh / "source"], folder / "whole" / "x.dcmpack", originator=originator, burned_in="vouch",
        codec="keep", recovery=1, volume_size=40_000, jobs=1,
    )  # fmt: skip
    dicompack.pack(
        [fresh / "source"], folder / "file-set", originator=originator, burned_in="vouch", codec="keep",
        envelope="secure-dicom", jobs=1,
    )  # fmt: skip
    (folder / "older").mkdir()
    dicompack.pack(
        [fresh / "source"], folder / "older" / "x.dcmpack", originator=originator, burned_in="vouch",
        codec="keep", recovery=2, volume_size=40_000, jobs=1,
    )  # fmt: skip
    shutil.copytree(folder / "file-set", fresh / "file-set")
    shutil.copytree(folder / "whole", fresh / "package")
    (fresh / "package" / "x.dcmpack.002").unlink()
