"""Key files, contacts and passphrase files: read within bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicompack.cli.terminal import Terminal
from dicompack.errors import DicomPackError, UsageError

# A certificate chain with its key has some kilobytes; whatever is larger is another kind of file.
_LARGEST_KEY_FILE = 1 << 20
# Lines of a passphrase file: each wrong one costs the key derivation once, about a third of a second.
_MOST_PASSPHRASES = 8
# Group and everybody else.
_READ_BY_OTHERS = 0o044


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Say in every error from inside which of the files it is about."""
    try:
        yield
    except DicomPackError as error:
        error.where = error.where or file
        raise


def read_key_file(path: Path, largest: int = _LARGEST_KEY_FILE) -> bytes:
    """The bytes of a key, certificate or contact file, or of another one that has up to `largest` bytes.

    Raises:
        UsageError: it is too large to be one.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise UsageError("too large for a key or a certificate", where=path.name)
    return data


def warn_of_readers(terminal: Terminal, file: Path, what: str = "key") -> None:
    """Tell a person if a file with a secret can be read by other accounts; Windows has no such mode."""
    # CLI-30
    mode = file.stat().st_mode
    if os.name == "posix" and stat.S_ISREG(mode) and mode & _READ_BY_OTHERS:
        terminal.warn(
            f"{file.name}: other accounts of this computer may read this {what}; chmod 600 ends that"
        )


def read_passphrases(path: Path) -> list[bytes]:
    """The passphrases of a file, one per line; the line end, LF or CRLF, belongs to none.

    Raises:
        UsageError: no passphrase, an empty line, too many lines, or not UTF-8.
        OSError: it cannot be read.
    """
    data = read_key_file(path)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the passphrase file is not UTF-8 text", rule="CLI-6") from None
    lines = data.removesuffix(b"\n").split(b"\n")
    passphrases = [line.removesuffix(b"\r") for line in lines]
    if b"" in passphrases:
        raise UsageError("the passphrase file is empty or has an empty line", rule="CLI-6")
    if len(passphrases) > _MOST_PASSPHRASES:
        raise UsageError(f"the passphrase file has more than {_MOST_PASSPHRASES} lines", rule="CLI-6")
    return passphrases
