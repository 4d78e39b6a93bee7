"""Kill a call of dicompack, or let the system refuse, at any one of its system calls.

`strace` counts calls for each thread and each kind of call. A server loads the program once; for each call it
forks a child that stops until strace has attached, so that the counters begin at zero where the call begins.
Other threads and workers count from zero, too: they are traced only where the call is one of theirs. Workers
that die alone are in `tests/hostile/test_dying_worker.py`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

CHANGING = (
    "write", "fsync", "rename", "link", "unlink", "unlinkat", "mkdir", "rmdir", "close", "ftruncate", "chmod",
)  # fmt: skip
KILLED = -signal.SIGKILL
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")

_SERVER = """
import json, os, signal, sys
from dicompack.cli import program
from dicompack.cli import deidentify, pack, repair, unpack, terminal
from dicompack.dicom import independent_check
from dicompack.pipeline import instances, packing, repairing, unpacking
for line in sys.stdin:
    arguments, out = json.loads(line)
    child = os.fork()
    if not child:
        to = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(to, 1)
        os.dup2(to, 2)
        os.kill(os.getpid(), signal.SIGSTOP)
        code = program.run(arguments)
        sys.stdout.flush()
        os._exit(code)
    os.waitpid(child, os.WUNTRACED)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass(frozen=True, order=True)
class Point:
    """One system call of a run, of its main thread or of another thread or process."""

    call: str
    number: int
    main: bool = True

    def __str__(self) -> str:
        return f"{self.call}-{self.number}{'' if self.main else ' of others'}"


@dataclass(frozen=True)
class Ended:
    """How a call ended: its exit code, or `KILLED`, and all that it said."""

    code: int
    said: str


class Program:
    """Calls of dicompack under strace."""

    def __init__(self, server: subprocess.Popen[str], strace: str, folder: Path) -> None:
        self._server = server
        self._strace = strace
        self._folder = folder

    def call(self, arguments: Sequence[object], options: Sequence[str]) -> Ended:
        out = self._folder / "said"
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([[str(one) for one in arguments], str(out)]) + "\n")
        self._server.stdin.flush()
        child = int(self._server.stdout.readline())
        command = [self._strace, *options, "-p", str(child)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr
            first = tracer.stderr.readline()
            assert "attached" in first, first
            os.kill(child, signal.SIGCONT)
            code = int(self._server.stdout.readline())
            tracer.communicate(timeout=60)
        return Ended(code, out.read_text("utf-8", errors="replace"))

    def points(self, arguments: Sequence[object], folder: Path) -> list[Point]:
        """Every call of a sound run that changes something below `folder`, or closes a file of it."""
        log = self._folder / "calls"
        ended = self.call(arguments, ["-f", "-y", "-o", str(log), "-e", f"trace={','.join(CHANGING)}"])
        assert ended.code == 0, ended.said
        counts: Counter[tuple[str, str]] = Counter()
        found, elsewhere = set(), set()
        main = ""
        for line in log.read_text("utf-8", errors="replace").splitlines():
            parts = _LINE.match(line)
            if parts is None or parts[2] not in CHANGING:
                continue
            thread, call, rest = parts.groups()
            main = main or thread
            counts[thread, call] += 1
            point = Point(call, counts[thread, call], main=thread == main)
            (found if str(folder) in rest else elsewhere).add(point)
        # What strikes a worker strikes the main process, too; and no pipe or terminal has a quota.
        both = {Point(one.call, one.number, main=False) for one in elsewhere}
        return sorted(one for one in found if one.main or one not in both)

    def killed(self, arguments: Sequence[object], point: Point) -> Ended:
        """SIGKILL in place of this call."""
        return self.refused(arguments, point, "error=EINTR:signal=SIGKILL")

    def refused(self, arguments: Sequence[object], point: Point, fault: str, on: str = "") -> Ended:
        """The system refuses this call; where `on` is ``+``, all later ones of its kind, too."""
        inject = f"inject={point.call}:{fault}:when={point.number}{on}"
        threads = [] if point.main else ["-f"]
        return self.call(arguments, [*threads, "-o", os.devnull, "-e", f"trace={point.call}", "-e", inject])


@contextmanager
def program(strace: str, folder: Path) -> Iterator[Program]:
    """The server, for as long as the `with` block lasts; its own files are in `folder`."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Program(server, strace, folder)
        assert server.stdin
        server.stdin.close()


def sample(all_points: list[Point], count: int) -> list[Point]:
    """Some of each kind of call, spread evenly, and the last of each."""
    kinds = {one.call for one in all_points}
    chosen = set()
    for kind in kinds:
        of_kind = [one for one in all_points if one.call == kind]
        share = min(len(of_kind), max(1, round(count / len(kinds))))
        chosen |= {of_kind[-1 - number * len(of_kind) // share] for number in range(share)}
    return sorted(chosen)
