"""Final names: for files one by one without replacing anything, for a folder all at once."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from dicompack.errors import OutputError
from dicompack.files.writing import sync_folder


def publish_files(staged: list[Path], folder: Path, *, replace: bool = False) -> None:
    """Give finished files of the same file system their final names, the first one last.

    Of several files that are replaced the first old one goes first: nobody takes a mixture for a package.

    Raises:
        OutputError: a name is taken; then none of the new files stays.
    """
    done: list[Path] = []
    if replace and len(staged) > 1:
        (folder / staged[0].name).unlink(missing_ok=True)
    try:
        for path in reversed(staged):
            _make_public(path)
            final = folder / path.name
            if replace:
                _name_over(path, final)
            else:
                _name_new(path, final)
            done.append(final)
    except BaseException:
        if not replace:
            for final in done:
                final.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _name_new(path: Path, final: Path) -> None:
    """Give the final name without replacing anything; the one in staging goes with the staging folder."""
    try:
        os.link(path, final)
    except FileExistsError as error:
        raise OutputError(f"{final.name} exists", hint="choose another name, or --force") from error
    except OSError:  # no hard links here: FAT, some network shares
        if os.path.lexists(final):
            raise OutputError(f"{final.name} exists", hint="choose another name, or --force") from None
        path.rename(final)


def _name_over(path: Path, final: Path) -> None:
    """Give the final name to a file, whatever had it; the one in staging stays, and tells which is ours."""
    other = path.with_name(f".{path.name}")
    try:
        os.link(path, other)
    except OSError:  # no hard links here
        other = path
    other.replace(final)


def publish_folder(staged: Path, target: Path) -> None:
    """Give a finished folder its final name; the target is absent or an empty folder.

    Raises:
        OutputError: the target is in use.
    """
    for path in [staged, *staged.rglob("*")]:
        _make_public(path)
    sync_folder(staged)
    try:
        if target.is_dir() and target.samefile(Path.cwd()):
            # Nobody's shell should stand in a folder that was replaced under it.
            for entry in sorted(staged.iterdir()):
                entry.rename(target / entry.name)
            return
        if sys.platform == "win32" and target.is_dir():
            target.rmdir()
        staged.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY, errno.EACCES):
            raise OutputError("the target folder is in use", hint="name a new folder") from error
        raise
    sync_folder(target.parent)


def check_target_folder(target: Path) -> None:
    """See that a folder can be made of this name.

    Raises:
        OutputError: it is something else, or holds something.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError("the target exists and is not a folder", hint="name a new folder")
    if target.is_dir() and any(target.iterdir()):
        raise OutputError("the target folder is not empty", hint="name a new or an empty folder")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()  # once, at import: it cannot be read without setting it


def _make_public(path: Path) -> None:
    """What the person's umask would have given; staging had taken it away."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_UMASK)
