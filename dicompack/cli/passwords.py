"""Passwords of packages: from a file, made and shown once, or asked for; never on the command line itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dicompack.cli.key_files import read_passphrases, warn_of_readers
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError

if TYPE_CHECKING:
    from dicompack.crypto.passwords import Password


def password_to_pack(terminal: Terminal, *, made: bool, file: Path | None) -> Password | None:
    """The password to seal for, if one is wanted; strong in either case.

    Raises:
        UsageError: a weak one; or one would have to be shown, and there is no terminal.
    """
    # CLI-20
    from dicompack.crypto.passwords import Password

    _check_one_source(made, file)
    if file is not None:
        password = _from_file(terminal, file)
        password.check_strength()
        return password
    if not made:
        return None
    if terminal.json or terminal.quiet or not terminal.can_ask():
        raise UsageError(
            "the password could not be shown: there is no terminal, or it shall keep silent",
            rule="CLI-20",
            hint="dicompack keys password FILE makes one for --password-file",
        )
    return Password.new()


def show_password(terminal: Terminal, password: Password) -> None:
    """Tell the person the password that was made, after the package exists."""
    terminal.warn(f"password: {password.text}")
    terminal.warn("it is shown this once: tell it to the recipients by another way than the package")


def password_to_open(terminal: Terminal, *, asked: bool, file: Path | None) -> Password | None:
    """The password to open with, if there is one.

    Raises:
        UsageError: it cannot be asked for, or is no possible password.
    """
    from dicompack.crypto.passwords import Password

    _check_one_source(asked, file)
    if file is not None:
        return _from_file(terminal, file)
    return Password(terminal.ask_passphrase("password of the package")) if asked else None


def _check_one_source(flag: bool, file: Path | None) -> None:
    if flag and file is not None:
        raise UsageError("--password and --password-file contradict each other", hint="leave one of them out")


def _from_file(terminal: Terminal, file: Path) -> Password:
    from dicompack.crypto.passwords import Password

    lines = read_passphrases(file)
    warn_of_readers(terminal, file, "password")
    if len(lines) != 1:  # CLI-20
        raise UsageError("a package has one password, and the file has several lines", rule="CLI-20")
    return Password(lines[0].decode("utf-8"))
