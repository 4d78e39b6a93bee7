"""Errors of the operating system as errors of ours: on the side of the output, or of the input."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicompack.errors import InputError, OutputError

# What a system answers when the place to write is at fault, whatever file the error names.
_OUTPUT = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EEXIST", "ENOTEMPTY")
    if hasattr(errno, name)
)


def translated(error: OSError, outputs: tuple[Path, ...] = ()) -> InputError | OutputError:
    """The error, with the last part of the file's name only: the folders above may name a patient."""
    # CLI-3
    text = error.strerror or type(error).__name__
    message = text[:1].lower() + text[1:]
    file = Path(error.filename) if isinstance(error.filename, str) else None
    where = file.name if file else None
    if error.errno in _OUTPUT or (file is not None and any(_is_within(file, output) for output in outputs)):
        return OutputError(message, where=where, rule="CLI-3")
    return InputError(message, where=where, rule="CLI-3")


@contextmanager
def system_errors(*outputs: Path | None) -> Iterator[None]:
    """Translate what the system refuses inside; files at or below `outputs` count as output.

    Raises:
        InputError: something could not be read.
        OutputError: something could not be written.
    """
    try:
        yield
    except OSError as error:
        raise translated(error, tuple(output for output in outputs if output is not None)) from error


def _is_within(file: Path, folder: Path) -> bool:
    return file.absolute().is_relative_to(folder.absolute())
