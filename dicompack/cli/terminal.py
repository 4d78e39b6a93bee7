"""The rules of the user interface, and the only place that prints.

1. stdout carries data: the table of ``list``, what ``keys show`` shows, the one object of ``--json``. What is
   said to a person goes to stderr, so a pipe never meets a sentence.
2. An error is one line in lower case without a full stop, the fact first: ``dicompack: volume 3: truncated``.
   What to do next stands on a second line, ``hint: ...``. Both come even with ``--quiet`` and ``--json``.
3. Text that comes from outside (names in certificates, files, packages) passes `safe`: nothing in it can move
   the cursor, colour the screen, start a new line or turn the direction of reading.
4. Progress is drawn on stderr, only where that is a terminal, and never with ``--quiet`` or ``--json``.
5. Questions and passphrases are asked on the terminal itself. Where there is none, the call ends with a usage
   error that names the option for scripts; it never waits for an answer that cannot come.
6. A fingerprint is always shown in full: half of one can be forged.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dicompack.errors import DicomPackError, OutputError, UsageError
from dicompack.plain_text import escaped as safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from dicompack.report import Progress

# Redrawing more often than this only costs time.
_REDRAW_SECONDS = 0.1
_FITTED = 2_000
"""Rows of a table that is fitted to the terminal: each takes a millisecond, and more of them nobody reads."""
_UNITS = ("KB", "MB", "GB", "TB")


class Terminal:
    """Where one run of the program prints. The streams are looked up at each use, as tests replace them."""

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.command = ""
        """The command that runs, for the object of an error."""

    def data(self, line: str) -> None:
        """One line on stdout; with ``--json`` the object says it instead."""
        if not self.json:
            _print(sys.stdout, safe(line))

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
        """A table on stdout: fitted to a terminal, or one unbroken line per row for a pipe."""
        if self.json:
            return
        shown = [tuple(map(safe, row)) for row in rows]
        if sys.stdout.isatty() and len(shown) <= _FITTED:
            lines = _fitted(titles, shown, right)
        else:
            lines = _unbroken(titles, shown, right)
        for line in lines:
            _print(sys.stdout, line.rstrip())

    def document(self, document: Mapping[str, object]) -> None:
        """The one object of ``--json``, in ASCII on one line."""
        # CLI-2
        import json
        from dataclasses import fields

        from dicompack.report import Member

        names = tuple(field.name for field in fields(Member))

        def record(member: Member) -> dict[str, object]:
            return {name: getattr(member, name) for name in names}

        _print(sys.stdout, json.dumps(document, ensure_ascii=True, default=record))

    def say(self, line: str) -> None:
        """One line to the person, unless they asked for silence or for JSON."""
        if not self.quiet and not self.json:
            _print(sys.stderr, safe(line))

    def error(self, error: DicomPackError) -> None:
        """An error, each of its faults, and what to do next."""
        _print(sys.stderr, safe(f"dicompack: {error}"))
        for fault in error.faults:
            if not str(error).startswith(fault):
                _print(sys.stderr, safe(f"  {fault}"))
        if error.hint:
            _print(sys.stderr, safe(f"hint: {error.hint}"))

    def warn(self, line: str) -> None:
        """One line that is said even with ``--quiet`` and ``--json``."""
        _print(sys.stderr, safe(line))

    def end_line(self) -> None:
        """Close the line on which a terminal has echoed ``^C``."""
        if sys.stderr.isatty():
            _print(sys.stderr, "")

    def confirm(self, question: str) -> bool:
        """Whether the person answers yes; anything but ``y`` or ``yes`` is no."""
        sys.stderr.write(f"{safe(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def can_ask(self) -> bool:
        """Whether a person sits there to answer a question."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def ask_passphrase(self, question: str) -> str:
        """What the person types, unseen, on the terminal itself, even where stdin is a pipe.

        Raises:
            UsageError: there is no terminal, or what it sent is not in its own encoding.
        """
        if not _has_keyboard():
            raise UsageError(
                "a passphrase is needed, and there is no terminal to ask for it",
                rule="CLI-6",
                hint="use --passphrase-file FILE",
            )
        import getpass

        typed = getpass.getpass(f"{safe(question)}: ")
        if not typed.isascii() and any(unicodedata.category(character) == "Cs" for character in typed):
            raise UsageError("the terminal sent characters that are not in its encoding", rule="CLI-6")
        return typed

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None] | None]:
        """A callback that draws how far the run has come; None where nothing is to be drawn."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=Console(file=sys.stderr, highlight=False, emoji=False, markup=False),
            # No thread of its own: worker processes are forked from this one.
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with bar:
            yield _Drawing(bar).show


class _Drawing:
    """One bar for the phase that runs, redrawn at most every tenth of a second."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._phase = ""
        self._task: TaskID | None = None
        self._next = 0.0

    def show(self, step: Progress) -> None:
        now = time.monotonic()
        new = self._task is None or step.phase != self._phase
        if not new and now < self._next and step.done != step.total:
            return
        if self._task is None or new:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._phase = step.phase
            self._task = self._bar.add_task(safe(step.phase), total=step.total, count="")
        self._bar.update(self._task, completed=step.done, total=step.total, count=_count(step))
        self._bar.refresh()
        self._next = now + _REDRAW_SECONDS


def _count(step: Progress) -> str:
    in_bytes = step.unit == "bytes"
    done = size_text(step.done) if in_bytes else str(step.done)
    if step.total is None:
        return done if in_bytes else f"{done} {step.unit}"
    return f"{done} of {size_text(step.total)}" if in_bytes else f"{done} of {step.total} {step.unit}"


def size_text(size: int) -> str:
    """A size in bytes as people read it, in powers of 10 like ``--volume-size``."""
    if size < 1000:
        return f"{size} B"
    power = 1
    while power < len(_UNITS) and size >= 999.5 * 1000**power:
        power += 1
    value = size / 1000**power
    return f"{value:.1f} {_UNITS[power - 1]}" if value < 99.95 else f"{value:.0f} {_UNITS[power - 1]}"


def _has_keyboard() -> bool:
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        with Path("/dev/tty").open("rb", buffering=0):
            return True
    except OSError:
        return False


def _fitted(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> Iterable[str]:
    """As wide as the terminal: cells that are too long go on below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(Text(title), justify="right" if title in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    with console.capture() as drawn:
        console.print(table)
    return drawn.get().splitlines()


def _unbroken(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> Iterable[str]:
    """One line for each row, however long."""
    from rich.cells import cell_len

    widths = [cell_len(title) for title in titles]
    for row in rows:
        widths = [max(width, cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
    for row in (titles, *rows):
        cells = []
        for title, width, cell in zip(titles, widths, row, strict=True):
            room = " " * (width - cell_len(cell))
            cells.append(room + cell if title in right else cell + room)
        yield "  ".join(cells)


def _print(stream: TextIO, line: str) -> None:
    encoding = stream.encoding or "ascii"
    try:
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except OSError as error:
        _write_nowhere(stream)
        # A reader that has gone (`dicompack list ... | head`) has the right to, and the exit code stands; of
        # what cannot be said on stderr nobody can be told.
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise not_printed(error) from error


def open_streams() -> None:
    """Let streams that our caller has closed lead nowhere: or their numbers would be those of our files."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="ascii"))  # noqa: SIM115  # until the end


def not_printed(error: OSError) -> OutputError:
    """The error for data that stdout does not take."""
    # CLI-3
    _write_nowhere(sys.stdout)  # or Python would try again at its end
    message = error.strerror or "the system refused it"
    return OutputError(message[:1].lower() + message[1:], where="the standard output", rule="CLI-3")


def _write_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
