"""Standard streams that take nothing, or are closed: CLI-3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device there that is always full")

CALL = "import sys; from dicompack.cli import main; sys.exit(main())"
FULL = "dicompack: the standard output: no space left on device [CLI-3]\n"


def call(redirected: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """In a shell, which redirects."""
    words = [sys.executable, "-c", CALL, *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["keys", "show"], ["keys", "show", "--json"]]
)
def test_data_that_nobody_takes_are_an_error(arguments, clinic_folder):
    if "show" in arguments:
        arguments = [*arguments, clinic_folder]
    ended = call(">/dev/full", *arguments)
    assert (ended.returncode, ended.stderr) == (11, FULL)


def test_the_first_error_stands(tmp_path):
    ended = call(">/dev/full", "keys", "show", tmp_path / "nobody", "--json")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == FULL.strip()


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"])
def test_what_nobody_can_be_told_is_not_told(redirected, tmp_path):
    ended = call(redirected, "keys", "show", tmp_path / "nobody", "--json")
    assert ended.returncode == 2
    assert ended.stderr == ""
    assert json.loads(ended.stdout)["exit_code"] == 2


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed, clinic_folder):
    ended = call(closed, "keys", "show", clinic_folder)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.fixture
def clinic_folder(tmp_path):
    made = call("", "keys", "new", tmp_path / "me", "--name", "Clinic", "--no-passphrase", "--quiet")
    assert made.returncode == 0, made.stderr
    return tmp_path / "me"
