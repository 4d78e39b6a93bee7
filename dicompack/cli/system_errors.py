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
    text = error.strerror or "the system refused it"
    message = text[:1].lower() + text[1:]
    file = Path(error.filename) if isinstance(error.filename, str) else None
    where = _shown(file) if file else None
    if error.errno in _OUTPUT or (file is not None and any(_belongs_to(file, output) for output in outputs)):
        return OutputError(message, where=where, rule="CLI-3")
    return InputError(message, where=where, rule="CLI-3")


@contextmanager
def system_errors(*outputs: Path | None) -> Iterator[None]:
    """Translate what the system refuses inside; files that belong to `outputs` count as output.

    Raises:
        InputError: something could not be read.
        OutputError: something could not be written.
    """
    try:
        yield
    except OSError as error:
        raise translated(error, tuple(output for output in outputs if output is not None)) from error


def _shown(file: Path) -> str | None:
    """Its name; what is in staging has names of ours, which tell a person nothing."""
    from dicompack.files import STAGING_SUFFIX  # not before something has gone wrong

    return None if any(part.endswith(STAGING_SUFFIX) for part in file.parts) else file.name


def _belongs_to(file: Path, output: Path) -> bool:
    """Whether it is the output, its folder, inside it, a volume of it, or the staging folder beside it."""
    file, output = file.absolute(), output.absolute()
    if file == output.parent or not file.is_relative_to(output.parent):
        return file == output.parent
    name = file.relative_to(output.parent).parts[0]
    return name == output.name or name.startswith((f"{output.name}.", f".{output.name}."))
