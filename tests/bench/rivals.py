"""The two that are compared, and the files that both of them take."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dicompack
from dicompack import Contact, Originator
from dicompack.crypto.keys import load_signing_key
from dicompack.dicom import dicom_file, tags
from dicompack.dicom.dataset import Element
from dicompack.errors import DicomPackError
from dicompack.exchange import sources


class BenchError(Exception):
    """The benchmark cannot say anything."""


@dataclass(frozen=True)
class PerFile:
    """GDCM for stage 2 and OpenSSL for stage 4: a process each per file, as many at once as our jobs."""

    gdcmconv: str
    openssl: str
    recipient: Path

    def describe(self) -> str:
        """Both programs with their versions."""
        versions = [
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            for command in ([self.gdcmconv, "--version"], [self.openssl, "version"])
        ]
        return f"gdcmconv {versions[0][2]} --j2k, openssl {versions[1][1]} cms -encrypt -aes-256-gcm"

    def convert(self, source: Path, target: Path) -> bool:
        """JPEG 2000 Lossless Only."""
        command = [self.gdcmconv, "--j2k", str(source), str(target)]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    def encrypt(self, source: Path, target: Path) -> None:
        """The envelope that we make: AuthEnvelopedData, AES-256-GCM, RSAES-OAEP with SHA-256."""
        subprocess.run(
            [
                self.openssl, "cms", "-encrypt", "-binary", "-outform", "DER", "-aes-256-gcm", "-keyid",
                "-in", str(source), "-out", str(target), "-recip", str(self.recipient),
                "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256",
            ],
            capture_output=True,
            check=True,
        )  # fmt: skip

    def run(self, study: Path, jobs: int) -> int:
        """All files of a folder; gives the bytes of the result."""

        def pack(path: Path) -> int:
            plain, sealed = Path(folder, path.name), Path(folder, f"{path.name}.cms")
            if not self.convert(path, plain):
                raise BenchError("gdcmconv fails on what it could convert before")
            self.encrypt(plain, sealed)
            plain.unlink()
            return sealed.stat().st_size

        with tempfile.TemporaryDirectory(dir=study.parent) as folder, ThreadPoolExecutor(jobs) as pool:
            return sum(pool.map(pack, sorted(study.iterdir())))


@dataclass(frozen=True)
class Archive:
    """7-Zip with encrypted names, of the files as they are or of what `dcmcjpls` makes of them before."""

    sevenzip: str
    level: tuple[str, ...] = ()
    dcmcjpls: str = ""

    def describe(self) -> str:
        """The commands."""
        first = "dcmcjpls, then " if self.dcmcjpls else ""
        return f"{first}7z a -mhe=on {' '.join(self.level)}".rstrip()

    def run(self, study: Path, jobs: int) -> int:
        """All files of a folder; gives the bytes of the archive."""
        with tempfile.TemporaryDirectory(dir=study.parent) as name, ThreadPoolExecutor(jobs) as pool:
            folder = study
            if self.dcmcjpls:
                folder = Path(name, "compressed")
                folder.mkdir()
                list(pool.map(lambda path: self._compress(path, folder / path.name), sorted(study.iterdir())))
            archive = Path(name, "study.7z")
            options = ["-mhe=on", "-pthrow-away", f"-mmt{jobs}", "-bso0", "-bsp0", *self.level]
            subprocess.run([self.sevenzip, "a", *options, str(archive), str(folder)], check=True)
            return archive.stat().st_size

    def _compress(self, source: Path, target: Path) -> None:
        subprocess.run([self.dcmcjpls, str(source), str(target)], capture_output=True, check=True)


@dataclass(frozen=True)
class Ours:
    """`dicompack.pack` in a new interpreter each time, as whoever runs the command gets it."""

    signing_p12: bytes
    contact_pem: bytes
    codec: str = "j2k"

    def originator(self) -> Originator:
        """Who signs, and whom to encrypt to."""
        return Originator(load_signing_key(self.signing_p12, bytes), (Contact.parse(self.contact_pem),))

    def run(self, study: Path, jobs: int) -> int:
        """From finding files to a package that was read back; gives its bytes."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as interpreter:
            return interpreter.submit(self.pack, study, jobs).result()

    def pack(self, study: Path, jobs: int) -> int:
        """The whole of it, in this interpreter."""
        with tempfile.TemporaryDirectory(dir=study.parent) as folder:
            target = Path(folder, "study.dcmpack")
            return dicompack.pack(
                [study], target, originator=self.originator(), burned_in="vouch", jobs=jobs, codec=self.codec
            ).bytes_out


# ---------------------------------------------------------------------------------- the same files


def gather(study: Path, target: Path, ours: Ours, rival: PerFile) -> tuple[int, int]:
    """Copy what both compress; gives the number of those files, and of the others."""
    target.mkdir()
    found = [entry.path for entry in sources.find([study]) if isinstance(entry, sources.SourceFile)]
    for number, path in enumerate(found):
        copy = target / f"{number:06d}.dcm"
        shutil.copyfile(path, copy)
        trial = target.parent / "trial.dcm"
        if not (_is_native(copy) and rival.convert(copy, trial)):
            copy.unlink()
        trial.unlink(missing_ok=True)
    if not any(target.iterdir()):
        raise BenchError("nothing in it that both compress")
    package = target.parent / "trial.dcmpack"
    report = dicompack.pack(
        [target], package, originator=ours.originator(), burned_in="vouch", skip_suspect=True
    )
    left_out = {skipped.name for skipped in report.skipped}
    left_out |= {finding.where for finding in report.findings if finding.kind == "not-compressed"}
    for name in left_out:
        (target / name).unlink()
    for name in report.volumes:
        (package.parent / name).unlink()
    count = len(list(target.iterdir()))
    if not count:
        raise BenchError("nothing in it that both compress")
    return count, len(found) - count


def _is_native(path: Path) -> bool:
    try:
        return isinstance(dicom_file.parse(path.read_bytes()).data_set.get(tags.PIXEL_DATA), Element)
    except DicomPackError:
        return False
