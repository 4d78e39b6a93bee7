"""Pack and unpack against the least that they can take: codec, one signature and three digests an instance.

    python -m tests.bench.floor STUDY [--codec j2k] [--rounds N] [--jobs N]

All of it is processor time, start-up excluded: this process has everything loaded before, and workers are its
copies. With `--jobs N`, the time by the clock of N workers is compared with that of one, too; that says
something on an idle machine only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dicompack
from dicompack import Originator, Recipient
from dicompack.crypto import signatures
from dicompack.crypto.identities import new_identity
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from dicompack.crypto.trust import PinnedContact, TrustStore
from dicompack.dicom import dicom_file
from dicompack.dicom.codecs import codec_of
from dicompack.dicom.dataset import Element
from dicompack.dicom.pixelformat import PIXEL_DATA, PixelFormat, pixel_format
from dicompack.errors import DicomPackError
from dicompack.exchange import sources
from dicompack.parties import Contact


@dataclass(frozen=True)
class Image:
    """What the floor works on."""

    layout: PixelFormat
    file: bytes
    frames: tuple[bytes, ...]
    codestreams: tuple[bytes, ...]


def images(study: Path, codec: str) -> list[Image]:
    """The images with native pixels of a folder."""
    from dicompack.dicom.codecs import samples

    coder, found = codec_of(codec).load(), []
    for entry in sources.find([study]):
        if not isinstance(entry, sources.SourceFile):
            continue
        data = entry.path.read_bytes()
        data_set = dicom_file.parse(data).data_set
        layout, pixels = pixel_format(data_set), data_set.get(PIXEL_DATA)
        if layout is not None and isinstance(pixels, Element):
            frames = tuple(map(bytes, samples.frames(pixels.value, layout)))
            streams = tuple(coder.encode(frame, layout) for frame in frames)
            found.append(Image(layout, data, frames, streams))
    return found


def least_of_packing(found: Sequence[Image], codec: str, originator: Originator) -> None:
    """Encode, decode, sign, and hash three times."""
    coder = codec_of(codec).load()
    for image in found:
        rgb = codec_of(codec).transforms and image.layout.photometric_interpretation == "RGB"
        for frame in image.frames:
            coder.decode(coder.encode(frame, image.layout), image.layout, transform=rgb)
        for _ in range(3):
            hashlib.sha256(image.file).digest()
        signatures.sign(originator.signing, [image.file[:100]])


def least_of_unpacking(found: Sequence[Image], codec: str) -> None:
    """Decode."""
    coder = codec_of(codec).load()
    for image in found:
        rgb = codec_of(codec).transforms and image.layout.photometric_interpretation == "RGB"
        for stream in image.codestreams:
            coder.decode(stream, image.layout, transform=rgb)


def processor(work: Callable[[], object]) -> float:
    """Seconds of processor time, of this process and of those that ended meanwhile."""
    before = os.times()
    work()
    return sum(os.times()[:4]) - sum(before[:4])


def clock(work: Callable[[], object]) -> float:
    """Seconds by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bench(study: Path, codec: str, rounds: int, jobs: int) -> list[str]:
    """Ratios of rounds in turns, and their medians."""
    sender, receiver = new_identity("Sender", None), new_identity("Receiver", None)
    contact = Contact.parse(receiver.contact_pem)
    originator = Originator(load_signing_key(sender.signing_p12, bytes), (contact,))
    own = Contact.parse(sender.contact_pem)
    trust = TrustStore((PinnedContact(own.name, own),))
    recipient = Recipient((load_decryption_key(receiver.decryption, bytes),), trust)
    found = images(study, codec)
    packing: list[float] = []
    unpacking: list[float] = []
    together: list[float] = []
    with tempfile.TemporaryDirectory(prefix="dicompack-bench-") as name:
        target = Path(name, "study.dcmpack")

        def pack(jobs: int = 1) -> None:
            settings = {"codec": codec, "burned_in": "vouch", "jobs": jobs, "force": True}
            dicompack.pack([study], target, originator=originator, **settings)  # type: ignore[arg-type]

        def unpack(number: int) -> None:
            dicompack.unpack(target, Path(name, str(number)), recipient=recipient, jobs=1)

        pack()
        for number in range(rounds):
            packing.append(processor(pack) / processor(lambda: least_of_packing(found, codec, originator)))
            unpacking.append(
                processor(lambda number=number: unpack(number))  # type: ignore[misc]
                / processor(lambda: least_of_unpacking(found, codec))
            )
            if jobs > 1:
                together.append(clock(pack) / clock(lambda: pack(jobs)))
    rows = [("pack / (encode, decode, sign, 3 digests)", packing), ("unpack / decode", unpacking)]
    if together:
        rows.append((f"{jobs} jobs, times as fast as 1", together))
    lines = [f"{len(found)} images with native pixels, {codec}, {rounds} rounds"]
    for label, ratios in rows:
        lines.append(f"{label:<42} {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floor", description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of images with native pixels")
    parser.add_argument("--codec", default="j2k")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        print("\n".join(bench(options.study, options.codec, options.rounds, options.jobs)))
    except DicomPackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
