"""Time and size of packing against what people use instead, over the same files, in turns.

    python -m tests.bench.comparison STUDY [--codec j2k htj2k] [--jobs N] [--rounds N]

Ratios are theirs to ours for time (more is better) and ours to theirs for size (less is better).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dicompack.crypto.identities import new_identity
from dicompack.errors import DicomPackError
from tests.bench.packing import program
from tests.bench.rivals import Archive, BenchError, Ours, PerFile, gather
from tests.bench.rounds import contest


def compare(study: Path, codecs: Sequence[str], wanted: Sequence[int], jobs: int, rounds: int) -> list[str]:
    """A table with a line for each codec of ours and each rival."""
    sender, receiver = new_identity("Sender", None), new_identity("Receiver", None)
    with tempfile.TemporaryDirectory(prefix="dicompack-bench-") as name:
        recipient = Path(name, "recipient.pem")
        recipient.write_bytes(receiver.contact_pem)
        sevenzip = program("7zz", "7z", "7za")
        per_file = PerFile(program("gdcmconv"), program("openssl"), recipient)
        rivals = (
            per_file,
            Archive(sevenzip, ("-mx=0",), program("dcmcjpls")),
            Archive(sevenzip, ("-mx=1",)),
            Archive(sevenzip),
        )
        same = Path(name, "study")
        count, left_out = gather(study, same, Ours(sender.signing_p12, receiver.contact_pem), per_file)
        size = sum(path.stat().st_size for path in same.iterdir())
        lines = [
            f"{count} files, {size} bytes; {left_out} left out; {jobs} jobs; {rounds} rounds",
            f"{'ours':<6} {'rival':<58} {'times as fast':>13} {'(range)':>13} {'CPU':>5} {'size':>6}",
        ]
        for codec in codecs:
            ours = Ours(sender.signing_p12, receiver.contact_pem, codec)
            for number in wanted:
                rival = rivals[number - 1]
                print(f"{codec} against {rival.describe()}", file=sys.stderr)
                runs = contest(partial(ours.run, same, jobs), partial(rival.run, same, jobs), rounds)
                times = sorted(1 / ratio for ratio in runs.ratios(lambda run: run.seconds))
                lines.append(
                    f"{codec:<6} {rival.describe():<58} {1 / runs.ratio(lambda run: run.seconds):>13.2f} "
                    f"{f'({times[0]:.2f}-{times[-1]:.2f})':>13} {1 / runs.ratio(lambda run: run.cpu):>5.2f} "
                    f"{runs.ratio(lambda run: run.size):>6.3f}"
                )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.comparison", description=__doc__.splitlines()[0]
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--codec", nargs="+", default=["j2k", "htj2k"])
    parser.add_argument("--rival", nargs="+", type=int, default=[1, 2, 3, 4], help="by number: see the table")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    try:
        lines = compare(options.study, options.codec, options.rival, options.jobs, options.rounds)
    except (BenchError, DicomPackError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
