"""What the README says is so: its example runs, its commands and its exit codes exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from dicompack import errors
from dicompack.cli.exit_codes import ExitCode
from dicompack.cli.program import program

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = ("README.md", "SECURITY.md", ".github/CONTRIBUTING.md")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = fenced("python")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    assert {path.name for path in tmp_path.iterdir()} == {"study.dcmpack", "received"}
    (received,) = (tmp_path / "received").rglob("*.dcm")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["1 instance in study.dcmpack", "from Clinic A", received.name]


def exit_code_rows() -> list[list[str]]:
    _, table = README.split("## Exit codes", 1)
    rows = re.findall(r"^\| ([0-9]+ \|.*) \|$", table, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def test_exit_codes_are_those_of_the_program():
    assert [(int(row[0]), row[1]) for row in exit_code_rows()] == [
        (int(code), code.kind) for code in ExitCode
    ]


def test_every_exit_code_is_given():
    """Some error of every kind is raised somewhere."""
    code = "".join(
        path.read_text("utf-8") for path in (ROOT / "dicompack").rglob("*.py") if path.name != "errors.py"
    )
    raised = {
        value.kind
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, errors.DicomPackError)
        and value is not errors.DicomPackError
        and re.search(rf"\b{name}(\(|$|,|\))", code, re.MULTILINE)
    }
    for row in exit_code_rows():
        if row[1] not in ("success", "internal", "partial", "interrupted"):
            assert row[1] in raised, row


def shell_calls() -> list[list[str]]:
    """Every call of dicompack in a block of shell lines."""
    parts = [part for block in fenced("sh") for line in block.splitlines() for part in line.split("&&")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [call[1:] for call in words if call[:1] == ["dicompack"]]


def command_of(words: list[str]) -> click.Command:
    command: click.Command = program
    for word in words:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, word
        command = found
    return command


def commands() -> list[str]:
    return program.list_commands(click.Context(program))


def options_of(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


@pytest.mark.parametrize("call", shell_calls(), ids=" ".join)
def test_calls_can_be_parsed(call):
    """The command exists, takes these options, and is given all that it requires."""
    command = command_of(call)
    arguments = call[2:] if call[0] == "keys" else call[1:]
    command.make_context(command.name, list(arguments), obj=None, resilient_parsing=True)
    given = {word for word in arguments if word.startswith("-")}
    assert given <= options_of(command)
    for parameter in command.params:
        if parameter.required and isinstance(parameter, click.Option):
            assert given & set(parameter.opts), parameter.name


def test_the_first_exchange_is_complete():
    named = {(" ".join(call[:2]) if call[0] == "keys" else call[0]) for call in shell_calls()}
    assert named >= {"demo", "keys new", "keys trust", "pack", "test", "unpack"}


def test_commands_and_options_in_running_text_exist():
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    calls = [span.split()[1:] for span in re.findall(r"`(dicompack [^`]*)`", text)]
    spans = [span.split() for span in re.findall(r"`([a-z][^`]*)`", text)]
    calls += [span for span in spans if span[0] in commands()]
    assert calls
    for call in calls:
        if call[0] != "COMMAND":
            command_of(call)
    known = {option for name in commands() for option in options_of(command_of([name]))} | {"--help"}
    promised = {
        span.split()[0] for span in re.findall(r"`(-[^`]*)`", text.split("## What it does not do yet")[0])
    }
    assert promised <= known


def test_links_lead_somewhere():
    for name in DOCUMENTS:
        path = ROOT / name
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{name}: {link}"


def test_files_named_in_contributing_exist():
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    for row in re.findall(r"^\| .* \| (.*) \|$", text, re.MULTILINE):
        for name in re.findall(r"`([a-z0-9_./-]+\.(?:py|md|csv))`", row):
            found = list((ROOT / "dicompack").rglob(name)) if "/" not in name else [ROOT / name]
            assert any(path.exists() for path in found), name
