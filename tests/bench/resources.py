"""Start-up time and memory of the command line.

    python -m tests.bench.resources startup [--rounds N]
    python -m tests.bench.resources memory -- dicompack pack ...

Memory is that of a command and of all processes that it starts, looked at again and again while it runs:
RSS counts pages that processes share once for each of them, PSS once (Linux).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_MIB = 1024  # in KiB, which the system counts in


def startup(rounds: int) -> list[str]:
    """`dicompack --help` in units of an interpreter that does nothing, in turns."""
    ratios = []
    for _ in range(rounds):
        seconds = []
        for command in ([sys.executable, "-c", "pass"], [sys.executable, "-m", "dicompack", "--help"]):
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[1] / seconds[0])
    told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    return [f"dicompack --help / python -c pass: {told}"]


def memory(command: Sequence[str], stdout: int | None = None) -> list[str]:
    """The most that a command and its processes have at a time."""
    running = subprocess.Popen(command, stdout=stdout)
    together = shared = largest = 0
    while running.poll() is None:
        found = [rss_and_pss(process) for process in descendants(running.pid)]
        together = max(together, sum(rss for rss, _ in found))
        shared = max(shared, sum(pss for _, pss in found))
        largest = max(largest, *(rss for rss, _ in found), 0)
        time.sleep(0.02)
    return [
        f"exit code {running.returncode}; at most, in MiB: PSS of all processes {shared // _MIB}, "
        f"RSS of all processes {together // _MIB}, RSS of the largest {largest // _MIB}"
    ]


def descendants(process: int) -> list[int]:
    """A process, and those that it has started, and so on."""
    found = [process]
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            children = Path(f"/proc/{process}/task/{thread}/children").read_text("ascii")
            found += [one for child in children.split() for one in descendants(int(child))]
    except OSError:  # it has ended meanwhile
        pass
    return found


def rss_and_pss(process: int) -> tuple[int, int]:
    """In KiB; nothing for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()[1:]
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return values.get("Rss", 0), values.get("Pss", 0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.resources", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("startup").add_argument("--rounds", type=int, default=15)
    commands.add_parser("memory").add_argument("program", nargs="+")
    options = parser.parse_args(arguments)
    lines = startup(options.rounds) if options.command == "startup" else memory(options.program)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
