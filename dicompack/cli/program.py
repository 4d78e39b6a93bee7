"""The command group, and the frame around every call: whatever happens becomes one exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from dicompack import __version__
from dicompack.cli.exit_codes import ExitCode, exit_code_of
from dicompack.cli.interruption import interruptible
from dicompack.cli.options import HelpfulGroup
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, not_printed, open_streams
from dicompack.errors import DicomPackError, OutputError, UsageError

if TYPE_CHECKING:
    from dicompack.cli.outcome import Outcome

# Where each command is, and its line in the list of commands: to show the list, none of them is loaded.
_COMMANDS = {
    "demo": ("demo_command", "Show the whole round trip, with keys that are thrown away."),
    "keys": ("keys_group", "Make, show, pin, renew and revoke keys."),
    "plan": ("plan_command", "Show what would leave the house; write nothing."),
    "pack": ("pack_command", "Pack studies into a signed and encrypted package."),
    "test": ("test_command", "Check a package without any decryption key."),
    "list": ("list_command", "List the instances of a package."),
    "verify": ("verify_command", "Check all that unpack checks, and write nothing."),
    "unpack": ("unpack_command", "Check a package and write its instances."),
    "repair": ("repair_command", "Make missing and damaged volumes again."),
    "rewrap": ("rewrap_command", "Pass a package on to other recipients."),
    "timestamp": ("timestamp_command", "Have a time-stamp authority state when a package was sealed."),
    "deidentify": ("deidentify_command", "De-identify studies into a folder, without a package."),
    "reidentify": ("reidentify_command", "Give instances their identity back; for custodians."),
}


class InterruptedRunError(DicomPackError):
    """The person or the system asked the run to end."""

    kind = ExitCode.INTERRUPTED.kind


class Program(HelpfulGroup):
    """The group of all commands, each in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """In the order of a person's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load it, and what it needs."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"dicompack.cli.{cmd_name}"), _COMMANDS[cmd_name][0])
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, as click makes it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """What the system refuses is the input's fault, unless the command knows better."""
        from dicompack.workers.limits import forbid_core_dumps

        forbid_core_dumps()  # before any key is opened
        try:
            with system_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            ctx.ensure_object(Terminal).end_line()
            hint = "; ".join(getattr(error, "__notes__", ()))  # what can be gone on with
            left = "nothing half-done was left behind" if hint else "nothing was left behind"
            raise InterruptedRunError(f"interrupted; {left}", hint=hint or None) from None


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


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one call and give its exit code; None takes the arguments of the process."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Looked for before parsing: a call that cannot be parsed owes its caller the object, too.
    options = words[: words.index("--")] if "--" in words else words
    open_streams()
    terminal = Terminal(json="--json" in options)
    started = time.monotonic()
    with interruptible(is_last=arguments is None) as interruption:
        outcome = _outcome(terminal, None if arguments is None else words)
    if interruption.came and outcome is not None and outcome.error is not None:
        outcome = _interrupted(outcome)
    if outcome is None:
        return ExitCode.SUCCESS
    if outcome.error is not None:
        terminal.error(outcome.error)
    if terminal.json:
        try:
            terminal.document(outcome.document(time.monotonic() - started))
        except OutputError as error:
            terminal.error(error)
            return outcome.code or exit_code_of(error)
    return outcome.code


def _outcome(terminal: Terminal, arguments: list[str] | None) -> Outcome | None:
    """What the call came to; None if it only asked for help or the version."""
    try:
        outcome: Outcome | None = program.main(
            args=arguments, prog_name="dicompack", standalone_mode=False, obj=terminal
        )
        return outcome or None  # click gives 0 where a callback has ended the call
    except click.ClickException as error:
        return _failed(_command_of(error), _usage_error(error))
    except DicomPackError as error:
        return _failed(terminal.command, error)
    except OSError as error:  # of a command the group has translated it: this is help, or the version
        return _failed(terminal.command, not_printed(error))
    except (KeyboardInterrupt, click.Abort):
        return _failed(terminal.command, InterruptedRunError("interrupted before anything was done"))
    except Exception as error:  # noqa: BLE001  # the outermost frame; what else comes is a bug
        return _failed(terminal.command, _internal_error(terminal, error))


def _interrupted(outcome: Outcome) -> Outcome:
    """Whatever it ended with: a clean-up that is cut short may end with an error that means nothing."""
    if isinstance(outcome.error, InterruptedRunError):
        return outcome
    return _failed(outcome.report.command, InterruptedRunError("interrupted; nothing was left behind"))


def _failed(command: str, error: DicomPackError) -> Outcome:
    from dicompack.cli.outcome import Outcome
    from dicompack.report import Report

    return Outcome(Report(command), error)


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
        import traceback

        for entry in traceback.extract_tb(error.__traceback__):
            terminal.warn(f"  {entry.filename}:{entry.lineno} in {entry.name}")
    hint = "this is a bug of ours: please report it, with what --verbose shows"
    return DicomPackError(f"internal error: {type(error).__name__}", hint=hint)
