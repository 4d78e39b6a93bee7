"""The command group, and the frame around every call: whatever happens becomes one exit code."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import click

from dicompack import __version__
from dicompack.cli.deidentify import deidentify_command
from dicompack.cli.demo import demo_command
from dicompack.cli.exit_codes import ExitCode
from dicompack.cli.interruption import interruptible
from dicompack.cli.keys import keys_group
from dicompack.cli.list import list_command
from dicompack.cli.options import HelpfulGroup
from dicompack.cli.outcome import Outcome
from dicompack.cli.pack import pack_command
from dicompack.cli.plan import plan_command
from dicompack.cli.reidentify import reidentify_command
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.cli.test import test_command
from dicompack.cli.unpack import unpack_command
from dicompack.cli.verify import verify_command
from dicompack.errors import DicomPackError, UsageError
from dicompack.report import Report


class InterruptedRunError(DicomPackError):
    """The person or the system asked the run to end."""

    kind = ExitCode.INTERRUPTED.kind


class Program(HelpfulGroup):
    """The group of all commands."""

    def invoke(self, ctx: click.Context) -> Any:
        """What the system refuses is the input's fault, unless the command knows better."""
        try:
            with system_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.ensure_object(Terminal).end_line()
            raise InterruptedRunError("interrupted; nothing was left behind") from None


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"dicompack {__version__}, package format 1")
    ctx.exit()


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `dicompack demo`. `dicompack COMMAND --help` shows an example of each command.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version.",
)
def program() -> None:
    """Pack DICOM studies for transfer: de-identified, compressed, signed, encrypted, in volumes."""


for _command in (
    demo_command,
    keys_group,
    plan_command,
    pack_command,
    test_command,
    list_command,
    verify_command,
    unpack_command,
    deidentify_command,
    reidentify_command,
):
    program.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one call and give its exit code; None takes the arguments of the process."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Looked for before parsing: a call that cannot be parsed owes its caller the object, too.
    options = words[: words.index("--")] if "--" in words else words
    terminal = Terminal(json="--json" in options)
    started = time.monotonic()
    with interruptible():
        outcome = _outcome(terminal, None if arguments is None else words)
    if outcome is None:
        return ExitCode.SUCCESS
    if outcome.error is not None:
        terminal.error(outcome.error)
    if terminal.json:
        terminal.document(outcome.document(time.monotonic() - started))
    return outcome.code


def _outcome(terminal: Terminal, arguments: list[str] | None) -> Outcome | None:
    """What the call came to; None if it only asked for help or the version."""
    try:
        outcome = program.main(args=arguments, prog_name="dicompack", standalone_mode=False, obj=terminal)
        return outcome if isinstance(outcome, Outcome) else None
    except click.ClickException as error:
        return Outcome(Report(_command_of(error)), _usage_error(error))
    except DicomPackError as error:
        return Outcome(Report(terminal.command), error)
    except (KeyboardInterrupt, click.Abort):
        return Outcome(Report(terminal.command), InterruptedRunError("interrupted before anything was done"))
    except Exception as error:  # noqa: BLE001  # the outermost frame; what else comes is a bug
        return Outcome(Report(terminal.command), _internal_error(terminal, error))


def _command_of(error: click.ClickException) -> str:
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    return path.removeprefix("dicompack").strip()


def _usage_error(error: click.ClickException) -> UsageError:
    message = error.format_message().rstrip(".")
    command = f"dicompack {_command_of(error)}".strip()
    return UsageError(message[:1].lower() + message[1:], hint=f"{command} --help")


def _internal_error(terminal: Terminal, error: Exception) -> DicomPackError:
    """The type and the place, never the message of the error: it may hold a patient's value."""
    # CLI-3
    if terminal.verbose:
        for entry in traceback.extract_tb(error.__traceback__):
            terminal.warn(f"  {entry.filename}:{entry.lineno} in {entry.name}")
    hint = "this is a bug of ours: please report it, with what --verbose shows"
    return DicomPackError(f"internal error: {type(error).__name__}", hint=hint)
