"""``dicompack demo``: the whole round trip on real files, with keys that are thrown away."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from dicompack.cli import options
from dicompack.cli.outcome import Outcome, plural, say_findings, say_skipped, share
from dicompack.cli.terminal import Terminal, size_text
from dicompack.errors import DamagedError, DicomPackError, InputError
from dicompack.report import Member, Progress, Report

if TYPE_CHECKING:
    from dicompack.crypto.derivation import ProjectKey

# Small enough that the demonstration package falls into several volumes.
_VOLUME_SIZE = 1_000_000

# What pydicom brings along, without the files that are broken on purpose: many modalities and encodings.
FILES = tuple(
    f"{stem}.dcm"
    for stem in """
    693_J2KI CT_small ExplVR_BigEnd ExplVR_BigEndNoMeta ExplVR_LitEndNoMeta GDCMJ2K_TextGBR
    J2K_pixelrep_mismatch JPEG-lossy JPEG2000 JPEGLSNearLossless_08
    JPEGLSNearLossless_16 JPGExtended MR_small MR_small_RLE MR_small_bigendian MR_small_expb
    MR_small_implicit MR_small_jp2klossless MR_small_jpeg_ls_lossless SC_jpeg_no_color_transform
    SC_jpeg_no_color_transform_2 SC_rgb_dcmtk_+eb+cr SC_rgb_dcmtk_+eb+cy+n1 SC_rgb_dcmtk_+eb+cy+n2
    SC_rgb_dcmtk_+eb+cy+np SC_rgb_dcmtk_+eb+cy+s2 SC_rgb_dcmtk_+eb+cy+s4 SC_rgb_gdcm_KY
    SC_rgb_jls_lossy_line SC_rgb_jls_lossy_sample SC_rgb_jpeg_dcmd SC_rgb_jpeg_dcmtk SC_rgb_jpeg_gdcm
    SC_rgb_jpeg_lossy_gdcm SC_rgb_rle SC_rgb_rle_16bit SC_rgb_rle_16bit_2frame SC_rgb_rle_2frame
    SC_rgb_rle_32bit SC_rgb_rle_32bit_2frame SC_rgb_small_odd SC_rgb_small_odd_big_endian
    SC_rgb_small_odd_jpeg SC_ybr_full_422_uncompressed examples_jpeg2k examples_overlay examples_palette
    examples_rgb_color examples_ybr_color image_dfl liver_1frame liver_expb_1frame reportsi
    reportsi_with_empty_number_tags rtdose rtdose_1frame rtdose_expb rtdose_expb_1frame rtdose_rle
    rtdose_rle_1frame rtplan rtstruct test-SR waveform_ecg
    """.split()
)

_RIGHT = ("INSTANCES", "BEFORE", "PACKED")

_NEXT = (
    'dicompack keys new me --name "YOUR NAME"      makes your own keys',
    "dicompack keys trust contact.pem              pins the one you send to, or receive from",
    "dicompack pack STUDY -o study.dcmpack --signer me --recipient CONTACT",
)


@click.command(
    "demo",
    short_help="Show the whole round trip, with keys that are thrown away.",
    epilog=options.example("dicompack demo"),
)
@options.common
@click.pass_obj
def demo_command(terminal: Terminal) -> Outcome:
    """Show the whole round trip on real DICOM files, with keys that are thrown away.

    Packs files that come with pydicom into volumes, tests, verifies and unpacks them, and compares every
    sample of every image with its source. Needs no key and leaves nothing behind.
    """
    sources = bundled_files()
    with TemporaryDirectory(prefix="dicompack-demo-") as folder:
        return _Demonstration(terminal, Path(folder)).run(sources)


def bundled_files() -> list[Path]:
    """Where the files of `FILES` lie; pydicom is found without importing it.

    Raises:
        InputError: this pydicom has no test files.
    """
    package = find_spec("pydicom")
    places = (package.submodule_search_locations if package else None) or []
    found = [Path(place) / "data" / "test_files" / name for place in places for name in FILES]
    present = [path for path in found if path.is_file()]
    if not present:
        raise InputError(
            "this installation of pydicom has no test files", hint="use your own: dicompack pack"
        )
    return present


class _Demonstration:
    """One run of it; the steps and how long they took."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self._terminal = terminal
        self._folder = folder
        self._seconds: dict[str, float] = {}

    def run(self, sources: Sequence[Path]) -> Outcome:
        import dicompack
        from dicompack.crypto.derivation import ProjectKey
        from dicompack.crypto.keys import load_decryption_key, load_signing_key, new_identity
        from dicompack.crypto.trust import PinnedContact, TrustStore
        from dicompack.parties import Originator, Recipient

        with self._step("keys"):
            sender, receiver = new_identity("Demo sender", None), new_identity("Demo recipient", None)
            project_key = ProjectKey.new()
            originator = Originator(
                signing=load_signing_key(sender.signing_p12, bytes), recipients=(receiver.contact,)
            )
            trust = TrustStore((PinnedContact("Demo sender", sender.contact),))
            recipient = Recipient(keys=(load_decryption_key(receiver.decryption, bytes),), trust=trust)
        self._terminal.say("made keys for a sender and a recipient")

        with self._step("pack") as on_progress:
            packed = dicompack.pack(
                sources,
                self._folder / "demo.dcmpack",
                originator=originator,
                project_key=project_key,
                burned_in="vouch",  # public files, and somebody has looked
                volume_size=_VOLUME_SIZE,
                on_progress=on_progress,
            )
        self._terminal.say(
            f"packed {plural(packed.instances_out, 'instance')} into "
            f"{plural(len(packed.volumes), 'volume')}: "
            "de-identified, compressed, signed, encrypted"
        )
        package = self._folder / packed.volumes[0]
        with self._step("test") as on_progress:
            dicompack.test(package, trust=trust, on_progress=on_progress)
        self._terminal.say("tested without a decryption key: complete, unchanged, from Demo sender")
        with self._step("verify") as on_progress:
            verified = dicompack.verify(package, recipient=recipient, on_progress=on_progress)
        self._terminal.say("verified: every instance's digests and signature")
        target = self._folder / "unpacked"
        with self._step("unpack") as on_progress:
            dicompack.unpack(package, target, recipient=recipient, on_progress=on_progress)
        self._terminal.say("unpacked")
        with self._step("compare"):
            lines = compare(sources, sorted(target.rglob("*.dcm")), project_key)
        self._terminal.say("compared every sample with its source: all are equal")
        self._show(lines, dicompack.inspect(package, recipient=recipient).members, packed)
        details = {"steps": {name: round(seconds, 3) for name, seconds in self._seconds.items()}}
        return Outcome(replace(packed, command="demo", signatures=verified.signatures), details=details)

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[Progress], None] | None]:
        from dicompack.finality import begin_anew

        start = time.monotonic()
        with self._terminal.progress() as on_progress:
            yield on_progress
        begin_anew()  # the results of a step are no reason not to interrupt the next one
        self._seconds[name] = time.monotonic() - start

    def _show(self, lines: Sequence[Compared], members: Sequence[Member], packed: Report) -> None:
        rows = []
        for modality in sorted({line.modality for line in lines}):
            mine = [line for line in lines if line.modality == modality]
            sealed = sum(member.packed_size for member in members if member.modality == modality)
            rows.append(_row(modality, mine, sealed))
        rows.append(_row("all", lines, sum(member.packed_size for member in members)))
        self._terminal.table(("MODALITY", "INSTANCES", "BEFORE", "PACKED", "SAMPLES"), rows, right=_RIGHT)
        self._terminal.say(", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._seconds.items()))
        say_skipped(self._terminal, packed)
        say_findings(self._terminal, packed.findings)
        self._terminal.say("where to go from here:")
        for line in _NEXT:
            self._terminal.say(f"  {line}")


def _row(modality: str, lines: Sequence[Compared], sealed: int) -> tuple[str, ...]:
    before = sum(line.size for line in lines)
    images = sum(line.has_samples for line in lines)
    checked = [f"{images} equal"] if images else []
    if images < len(lines):
        checked.append(f"{len(lines) - images} without pixels")
    return modality or "none", str(len(lines)), size_text(before), share(sealed, before), ", ".join(checked)


@dataclass(frozen=True)
class Compared:
    """A source whose delivered instance has the same samples."""

    modality: str
    size: int
    has_samples: bool


def compare(sources: Sequence[Path], delivered: Sequence[Path], project_key: ProjectKey) -> list[Compared]:
    """Find the source of each delivered instance by its new UID, and compare every sample.

    Several sources may share one SOP Instance UID; each is found once.

    Raises:
        DamagedError: an instance has no source with the same samples, or a source has no instance.
    """
    from dicompack.dicom import dicom_file, tags
    from dicompack.dicom.comparison import same_samples
    from dicompack.dicom.confidentiality import new_uid

    waiting: dict[str, list[bytes]] = defaultdict(list)
    for path in sources:
        data = path.read_bytes()
        uid = dicom_file.parse(data).data_set.text(tags.SOP_INSTANCE_UID)
        waiting[new_uid(uid, project_key.derive)].append(data)
    lines = []
    for path in delivered:
        data = path.read_bytes()
        data_set = dicom_file.parse(data).data_set
        candidates = waiting[data_set.text(tags.SOP_INSTANCE_UID)]
        for source in candidates:
            try:
                answer = same_samples(source, data)
            except DicomPackError:
                continue
            candidates.remove(source)
            lines.append(Compared(data_set.text(tags.MODALITY), len(source), answer == "equal"))
            break
        else:
            raise DamagedError("a delivered instance has other samples than its source")
    if any(waiting.values()):
        raise DamagedError("a source has no delivered instance")
    return lines
