"""What needs a real terminal or a real signal: CLI-4, CLI-6, CLI-8, CLI-20."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.packages import study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals there")

# A session of its own, whose controlling terminal is the one given.
ON_TERMINAL = (
    "import os, sys\n"
    "os.setsid()\n"
    "os.close(os.open(sys.argv.pop(1), os.O_RDWR))\n"
    "from dicompack.cli import main\n"
    "main()\n"
)


class Session:
    """A program on a pseudo-terminal, and what it has written there."""

    def __init__(self, *arguments: object) -> None:
        self._master, slave = os.openpty()
        words = [sys.executable, "-c", ON_TERMINAL, os.ttyname(slave), *map(str, arguments)]
        self.process = subprocess.Popen(words, stdin=slave, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        self.seen = ""

    def expect(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self._master, 4096).decode()
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}") from None

    def type(self, line: str, after: str) -> None:
        self.expect(after)
        self.seen = ""
        os.write(self._master, line.encode())

    def end(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        out = self.process.stdout.read().decode()
        code = self.process.wait(20)
        while True:
            try:
                piece = os.read(self._master, 4096)
            except OSError:
                break
            if not piece:
                break
            self.seen += piece.decode()
        self.process.stdout.close()
        os.close(self._master)
        return code, out


def test_a_passphrase_is_asked_for_unseen_and_again(them):
    """CLI-6."""
    (them / "contact.pem").unlink()
    session = Session("keys", "show", them / "signing.p12")
    session.type("wrong\n", after="passphrase of signing.p12: ")
    session.expect("this passphrase does not fit, try again")
    session.type("open sesame\n", after="passphrase of signing.p12: ")
    code, out = session.end()
    assert code == 0
    assert out.startswith("name         Clinic B\n")
    assert "sesame" not in session.seen


def test_three_wrong_passphrases_are_no_match(them):
    """CLI-6."""
    (them / "contact.pem").unlink()
    session = Session("keys", "show", them / "signing.p12", "--json")
    for _ in range(3):
        session.type("wrong\n", after="passphrase of signing.p12: ")
    code, out = session.end()
    assert (code, json.loads(out)["error"]["kind"]) == (40, "no-match")


def test_a_password_is_made_shown_once_and_asked_for(me, tmp_path):
    """CLI-20."""
    study(tmp_path / "source", ("CT_small.dcm",))
    package = tmp_path / "study.dcmpack"
    session = Session(
        "pack",
        tmp_path / "source",
        "-o",
        package,
        "--signer",
        me,
        "--no-self",
        "--burned-in",
        "vouch",
        "--password",
    )
    session.expect("by another way than the package")
    assert session.end()[0] == 0
    [password] = re.findall(r"password: ((?:[a-z]{5}-){7}[a-z]{5})\r?\n", session.seen)
    assert session.seen.count(password) == 1
    opening = ("unpack", package, "--trust", me / "contact.pem", "--password", "-d")
    for typed, code in (("wrong\n", 40), (password + "\n", 0)):
        session = Session(*opening, tmp_path / "out")
        session.type(typed, after="password of the package: ")
        assert session.end()[0] == code
        assert typed.strip() not in session.seen
        assert (tmp_path / "out").exists() == (code == 0)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 50), ("n\n", 50), ("\x04", 50)])
def test_a_person_confirms_the_whole_fingerprint(me, clinic, configuration, answer, code):
    """CLI-8."""
    session = Session("keys", "trust", me / "contact.pem")
    session.expect(clinic.contact.fingerprint)
    session.type(answer, after="[y/N] ")
    assert session.end()[0] == code
    assert (configuration / "contacts" / "Clinic A.pem").exists() == (code == 0)


def test_ctrl_c_at_a_question_pins_nothing(me, configuration):
    """CLI-4."""
    session = Session("keys", "trust", me / "contact.pem")
    session.type("\x03", after="[y/N] ")
    assert session.end()[0] == 130
    assert "interrupted; nothing was left behind" in session.seen
    assert not configuration.exists()


def test_progress_is_drawn_on_a_terminal():
    code = (
        "import dicompack\n"
        "from dicompack.report import Progress, Report\n"
        "def test(package, *, trust, receipt, on_progress):\n"
        "    for done in range(5):\n"
        "        on_progress(Progress('checking\\x1b[2J', done, 5, 'bytes'))\n"
        "    on_progress(Progress('reading', 2_000, None, 'instances'))\n"
        "    return Report('test')\n"
        "dicompack.test = test\n"
        "from dicompack.cli.program import run\n"
        "run(['test', 'p', '--integrity-only'])\n"
    )
    master, slave = os.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", code], stderr=slave, env=env, check=True, timeout=20)
    os.close(slave)
    drawn = b""
    while select.select([master], [], [], 0)[0]:
        try:
            drawn += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert b"checking\\x1b[2J" in drawn
    assert b"0 B of 5 B" in drawn
    assert b"2000 instances" in drawn


WAITING = (
    "import os, sys, time\n"
    "import dicompack\n"
    "def test(package, *, trust, receipt, on_progress):\n"
    "    try:\n"
    "        if os.fork() == 0:\n"
    "            time.sleep(60)\n"
    "        print('ready', file=sys.stderr, flush=True)\n"
    "        time.sleep(60)\n"
    "    finally:\n"
    "        time.sleep(0.5)\n"
    "        print('cleaned up', file=sys.stderr, flush=True)\n"
    "dicompack.test = test\n"
    "from dicompack.cli.program import run\n"
    "sys.exit(run(['test', 'p', '--integrity-only', '--json']))\n"
)


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[str]]:
    """A run that has forked a worker and waits; both are in a process group of their own."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None and process.stdout is not None
    assert process.stderr.readline() == "ready\n"
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_after_its_clean_up(waiting, number):
    """CLI-4: a second signal does not cut it short, and a forked worker just ends."""
    os.killpg(waiting.pid, number)
    time.sleep(0.1)
    os.killpg(waiting.pid, number)
    out, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert err == "cleaned up\ndicompack: interrupted; nothing was left behind\n"
    document = json.loads(out)
    assert document["error"]["kind"] == "interrupted"
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("interrupted", [True, False])
def test_nothing_changes_the_exit_code_of_what_has_ended(interrupted):
    """CLI-4: neither an impatient second signal nor one that comes after the result."""
    code = (
        "import os, signal, sys\n"
        "import dicompack\n"
        "from dicompack import finality\n"
        "from dicompack.report import Report\n"
        "def test(package, *, trust, receipt, on_progress):\n"
        f"    if {interrupted}:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finality.begin_giving_names()\n"
        "    return Report('test')\n"
        "dicompack.test = test\n"
        "sys.argv = ['dicompack', 'test', 'p', '--integrity-only', '--json']\n"
        "from dicompack.cli.program import run\n"
        "code = run()\n"
        "for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "    os.kill(os.getpid(), each)\n"
        "sys.exit(code)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert ran.returncode == (130 if interrupted else 0), ran.stderr
    assert json.loads(ran.stdout)["exit_code"] == ran.returncode


def test_a_signal_that_python_drops_comes_again():
    """CLI-4: as in what it calls at a fork, where it writes that an exception was ignored."""
    code = (
        "import os, signal, time\n"
        "from dicompack.cli.interruption import interruptible\n"
        "class Dropped:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0)\n"
        "with interruptible():\n"
        "    try:\n"
        "        Dropped()\n"
        "        time.sleep(10)\n"
        "        raise SystemExit('not interrupted')\n"
        "    except KeyboardInterrupt:\n"
        "        pass\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_the_caller_ignores_stays_ignored():
    """CLI-4: as under nohup."""
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from dicompack.cli.interruption import interruptible\n"
        "with interruptible():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_a_signal_that_comes_when_names_are_given_comes_too_late():
    """CLI-4: the result is there, and the exit code says so."""
    code = (
        "import os, signal\n"
        "from dicompack import finality\n"
        "from dicompack.cli.interruption import interruptible\n"
        "with interruptible() as interruption:\n"
        "    finality.begin_giving_names()\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    assert not interruption.came\n"
        "    finality.begin_anew()\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        raise SystemExit('not interrupted')\n"
        "    except KeyboardInterrupt:\n"
        "        assert interruption.came\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
