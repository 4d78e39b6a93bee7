"""How long packing takes, against `gdcmconv --j2k` and `openssl cms -encrypt` over the same files.

    python -m tests.bench.packing STUDY [--rounds N] [--jobs N ...]

The rival does less: it neither de-identifies nor signs, proves nothing, and its result is no package. What is
told are ratios of runs side by side; seconds are those of one machine on one day.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dicompack
from dicompack import Originator, files
from dicompack.crypto.identities import new_identity
from dicompack.dicom import dicom_file
from dicompack.errors import DicomPackError
from dicompack.pipeline import instances, source_instances
from dicompack.stages import compression, deidentification, envelope, signature
from dicompack.stages.deidentification import Policy
from tests.bench.rivals import BenchError, Ours, PerFile, gather
from tests.bench.rounds import Contest, contest
from tests.bench.stopwatch import Probe, Stopwatch, shares

ROUNDS = 5
JOBS = (1, 2)

_OWN, _COMPRESSION = "facts and checks", "compression, the rest"
_ENCODE, _DECODE = "codec: encode", "codec: decode, the proof"


# ------------------------------------------------------------------------------ what takes the time


def time_stages(study: Path, originator: Originator) -> dict[str, float]:
    """Seconds of processor time of a worker by part, over all files, in this process."""
    from dicompack.dicom.codecs import (
        jpeg_two_thousand as codec,
    )  # not above: it would be loaded in every worker before its time

    probes = (
        Probe(files, "SourceBytes", "reading", _OWN),
        Probe(dicom_file, "parse", "walk", _OWN),
        Probe(deidentification, "pack", "de-identification", _OWN),
        Probe(source_instances, "check_instance", "independent check", _OWN),
        Probe(compression, "pack", _COMPRESSION, _OWN),
        Probe(compression, "file_facts", "digest of what is delivered", _COMPRESSION),
        Probe(codec, "encode", _ENCODE, _COMPRESSION),
        Probe(codec, "decode", _DECODE, _COMPRESSION),
        Probe(signature, "pack", "signature", _OWN),
        Probe(envelope, "pack", "envelope", _OWN),
        Probe(files, "write_new", "writing", _OWN),
    )
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(dir=study.parent) as folder:
        at = datetime.now(UTC).replace(microsecond=0)
        policy = Policy(burned_in="vouch")
        instances.start_packing(
            instances.PackingSettings(originator, compression.Encoding(), at, folder, policy)
        )
        paths = sorted(study.iterdir())
        _pack_one(paths[0], "first")  # modules and tables are loaded once in a worker's life
        with watch.attached(probes):
            for path in paths:
                with watch.timed(_OWN):
                    _pack_one(path, path.stem)
    return {_OWN: watch.spent[_OWN], **{probe.label: watch.spent[probe.label] for probe in probes}}


def _pack_one(path: Path, ticket: str) -> None:
    result = instances.pack_instance(instances.SourceTask(path.name, str(path), ticket))
    if not isinstance(result, instances.PackedInstance):
        raise BenchError(f"one instance is refused: {result.reason}")


# ----------------------------------------------------------------------------------------- the table


def table_of_rounds(contests: dict[int, Contest], count: int, rival: str) -> list[str]:
    """What two columns of runs have to say, in ratios."""
    lines = [
        f"A: dicompack {dicompack.__version__} pack   B: {rival}",
        "",
        f"{'jobs':>4} {'A/B time':>9} {'(range)':>13} {'A/B CPU':>9} {'(range)':>13} "
        f"{'A s':>7} {'B s':>7} {'A ms/file':>10} {'A/B size':>9} {'A bytes':>12} {'B bytes':>12}",
    ]
    for jobs, runs in contests.items():
        seconds, cpu = runs.ratios(lambda run: run.seconds), runs.ratios(lambda run: run.cpu)
        ours, theirs = runs.medians(lambda run: run.seconds)
        size = runs.medians(lambda run: run.size)
        lines.append(
            f"{jobs:>4} {statistics.median(seconds):>9.2f} {_range(seconds):>13} "
            f"{statistics.median(cpu):>9.2f} {_range(cpu):>13} {ours:>7.2f} {theirs:>7.2f} "
            f"{1000 * ours / count:>10.1f} {size[0] / size[1]:>9.3f} {size[0]:>12.0f} {size[1]:>12.0f}"
        )
    return lines


def _range(values: Sequence[float]) -> str:
    return f"({min(values):.2f}-{max(values):.2f})"


def table_of_stages(passes: Sequence[dict[str, float]], count: int) -> list[str]:
    """Medians of the passes: each part of stages 1 to 4, and what is not the codec."""
    parts = [shares(spent) for spent in passes]
    lines = [f"{'stages 1 to 4 of one instance':<32} {'ms CPU':>8} {'share':>7}"]
    for label in passes[0]:
        milliseconds = statistics.median(1000 * spent[label] / count for spent in passes)
        share = statistics.median(part[label] for part in parts)
        lines.append(f"  {label:<30} {milliseconds:>8.2f} {share:>7.1%}")
    outside = statistics.median(outside_codec(part) for part in parts)
    return [*lines, f"share of stages 1 to 4 outside the codec: {outside:.1%} of CPU time"]


def outside_codec(part: dict[str, float]) -> float:
    """What is left of 1 without encoding and decoding."""
    return 1 - part[_ENCODE] - part[_DECODE]


# ----------------------------------------------------------------------------------------------- run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.packing", description=__doc__.splitlines()[0]
    )
    parser.add_argument("study", type=Path, help="folder of DICOM files with native pixels")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--jobs", type=int, nargs="+", default=list(JOBS))
    options = parser.parse_args(arguments)
    if min(options.rounds, *options.jobs) < 1:
        parser.error("rounds and jobs are 1 or more")
    try:
        lines = bench(options.study, options.rounds, options.jobs)
    except (BenchError, DicomPackError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def bench(study: Path, rounds: int, jobs: Sequence[int]) -> list[str]:
    """All of it."""
    receiver = new_identity("Receiver", None)
    ours = Ours(new_identity("Sender", None).signing_p12, receiver.contact_pem)
    with tempfile.TemporaryDirectory(prefix="dicompack-bench-") as folder:
        recipient = Path(folder, "recipient.pem")
        recipient.write_bytes(receiver.contact_pem)
        rival = PerFile(program("gdcmconv"), program("openssl"), recipient)
        same = Path(folder, "study")
        count, left_out = gather(study, same, ours, rival)
        contests = {}
        for number in jobs:
            print(f"jobs {number}: {rounds} rounds", file=sys.stderr)
            contests[number] = contest(
                partial(ours.run, same, number), partial(rival.run, same, number), rounds
            )
        print(f"stages: {rounds} passes", file=sys.stderr)
        passes = [time_stages(same, ours.originator()) for _ in range(rounds)]
        size = sum(path.stat().st_size for path in same.iterdir())
    return [
        f"{count} files, {size} bytes; {left_out} left out that not both compress; {rounds} rounds",
        *table_of_rounds(contests, count, rival.describe()),
        "",
        *table_of_stages(passes, count),
    ]


def program(*names: str) -> str:
    """Where a program is, by the first of its names that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise BenchError(f"{names[0]} is not installed")
    return found


if __name__ == "__main__":
    sys.exit(main())
