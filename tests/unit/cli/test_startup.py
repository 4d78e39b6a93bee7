"""What is cheap stays cheap: help, version and keys do not load the world."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from dicompack.cli.program import program

HEAVY = ("pydicom", "numpy", "openjpeg", "cryptography", "rich")
LOADED = (
    "import sys, json\n"
    "from dicompack.cli.program import run\n"
    "code = run(sys.argv[1:])\n"
    f"print(json.dumps([code, [m for m in {HEAVY!r} if m in sys.modules]]), file=sys.stderr)\n"
)


def loaded(*arguments: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    assert isinstance(modules, list)
    return modules


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("pack", "--help"), ("demo", "--help"), ("keys", "new", "--help")],
)
def test_help_and_version_load_nothing(arguments):
    assert loaded(*arguments) == []


def test_keys_load_no_dicom(tmp_path, me):
    for arguments in (("keys", "show", str(me)), ("keys", "project", str(tmp_path / "k"))):
        assert set(loaded(*arguments)) <= {"cryptography"}


def test_the_list_of_commands_says_what_they_say():
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert f"{command.get_short_help_str(100)}\n" in program.get_help(context)


def test_python_m_dicompack_is_the_program():
    ran = subprocess.run(
        [sys.executable, "-m", "dicompack", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("dicompack ")
    assert ran.stderr == ""


def test_an_early_ctrl_c_shows_no_traceback():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'dicompack.cli.program':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from dicompack.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_a_shell_gets_its_completions():
    env = {
        **os.environ,
        "_DICOMPACK_COMPLETE": "bash_complete",
        "COMP_WORDS": "dicompack un",
        "COMP_CWORD": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "dicompack"], capture_output=True, text=True, env=env, check=False
    )
    assert "unpack" in ran.stdout
