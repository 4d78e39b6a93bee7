"""Kill a call of dicompack, or let the system refuse, at any one of its system calls.

`strace` counts calls for each thread and each kind of call. A server loads the program once; for each call it
forks a child that stops until strace has attached, so that the counters begin at zero where the call begins.
A worker process spends `AHEAD` calls of each kind that go nowhere before it does anything; so a number above
`AHEAD` is a worker's alone.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

CHANGING = (
    "write", "fsync", "rename", "link", "unlink", "unlinkat", "mkdir", "rmdir", "close", "ftruncate", "chmod",
)  # fmt: skip
AHEAD = 1000
KILLED = -signal.SIGKILL
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")

# Spending a call: each is counted when it is made, and refused because there is no such file.
_SERVER = f"""
import json, os, signal, sys
from dicompack.cli import program
from dicompack.cli import pack, repair, unpack, terminal
from dicompack.dicom import independent_check
from dicompack.pipeline import instances, packing, repairing, unpacking
AT = 1 << 20  # no descriptor
def spend():
    calls = (lambda: os.write(-1, b""), lambda: os.fsync(-1), lambda: os.rename("", "x"),
             lambda: os.link("", "x"), lambda: os.unlink(""), lambda: os.unlink("", dir_fd=AT),
             lambda: os.mkdir(""), lambda: os.rmdir(""), lambda: os.close(-1),
             lambda: os.ftruncate(-1, 0), lambda: os.chmod("", 0))
    for _ in range({AHEAD}):
        for call in calls:
            try:
                call()
            except OSError:
                pass
for line in sys.stdin:
    arguments, out = json.loads(line)
    child = os.fork()
    if not child:
        to = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(to, 1)
        os.dup2(to, 2)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.register_at_fork(after_in_child=spend)
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
    """One system call of a run."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call}-{self.number}"


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
        command = [self._strace, "-f", *options, "-p", str(child)]
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
        ended = self.call(arguments, ["-y", "-o", str(log), "-e", f"trace={','.join(CHANGING)}"])
        assert ended.code == 0, ended.said
        counts: dict[tuple[str, str], int] = {}
        found = set()
        for line in log.read_text("utf-8", errors="replace").splitlines():
            parts = _LINE.match(line)
            if parts is None or parts[2] not in CHANGING:
                continue
            thread, call, rest = parts.groups()
            counts[thread, call] = counts.get((thread, call), 0) + 1
            if str(folder) in rest:
                found.add(Point(call, counts[thread, call]))
        return sorted(found)

    def killed(self, arguments: Sequence[object], point: Point) -> Ended:
        """SIGKILL in place of this call."""
        return self.refused(arguments, point, "error=EINTR:signal=SIGKILL")

    def refused(self, arguments: Sequence[object], point: Point, fault: str, on: str = "") -> Ended:
        """The system refuses this call; where `on` is ``+``, all later ones of its kind, too."""
        inject = f"inject={point.call}:{fault}:when={point.number}{on}"
        return self.call(arguments, ["-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject])


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
