"""Final names: for files one by one without replacing anything, for a folder all at once.

Before the first name is given, what gets it is on the medium: contents, and every folder on the way.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from dicompack.errors import OutputError
from dicompack.files.writing import sync_folder, sync_tree
from dicompack.finality import begin_giving_names

VOLUMES = "volumes"
"""The folder in staging for files that get their final names beside the target."""
REPLACING = "replacing"
"""What it is called while they get names that others have."""
MOVING = "moving"
"""What a result is called in staging while it is moved into its target, entry by entry."""


def publish_files(staged: list[Path], folder: Path, *, replace: bool = False, aside: bool = False) -> None:
    """Give finished files of the same file system their final names, the first one last.

    Several files that replace others are in the folder `VOLUMES` of staging; once the first of them is
    replaced, the next run goes on with that where this one dies. A power cut finds the first name only where
    it finds all others, and the names in staging.

    Args:
        staged: the files, in a folder of staging.
        folder: where they go.
        replace: whatever has their names.
        aside: they only go with the result: they stay private, and an interruption still comes in time.

    Raises:
        OutputError: a name is taken; then none of the new files stays.
    """
    first, *others = staged
    for one in {first.parent: None, first.parent.parent: None, folder: None}:
        sync_folder(one)
    if not aside:
        for path in staged:
            make_public(path)
        begin_giving_names()
    if replace and others and not aside:
        # What is replaced cannot be had back: from here on all ways lead forward, for the next run, too.
        replacing = first.parent.with_name(REPLACING)
        first.parent.rename(replacing)
        sync_folder(replacing.parent)
        finish_replacing(replacing.parent, folder)
        return
    give = _name_over if replace else _name_new
    try:
        for path in reversed(others):
            give(path, folder / path.name)
        if others:
            sync_folder(folder)
        give(first, folder / first.name)
        sync_folder(folder)
    except BaseException:
        if not replace:
            withdraw_files(staged, folder)
        raise


def finish_replacing(staging: Path, folder: Path) -> None:
    """Give new files the names of old ones; what a run left that died meanwhile is gone on with.

    The first old one goes first, and the first new one comes last: nobody takes a mixture for a package.
    """
    replacing = staging / REPLACING
    # Those with a dot are second names, on their way; without hard links those that have arrived are gone.
    names = sorted(path.name for path in replacing.iterdir() if not path.name.startswith("."))
    if names:
        (folder / names[0]).unlink(missing_ok=True)
        sync_folder(folder)
        for name in reversed(names[1:]):
            _name_over(replacing / name, folder / name)
        sync_folder(folder)
        _name_over(replacing / names[0], folder / names[0])
        sync_folder(folder)
    replacing.rename(staging / VOLUMES)


def withdraw_files(staged: list[Path], folder: Path) -> None:
    """Take final names away again, from files that have got them and from no others."""
    for path in staged:
        final = folder / path.name
        moved = not os.path.lexists(path)  # where there are no hard links
        if moved or is_same(path, final):
            final.unlink(missing_ok=True)


def is_same(path: Path, final: Path) -> bool:
    """Whether a final name is that of this very file in staging."""
    return final.is_file() and not final.is_symlink() and path.exists() and path.samefile(final)


def _name_new(path: Path, final: Path) -> None:
    """Give the final name without replacing anything; the one in staging goes with the staging folder."""
    try:
        os.link(path, final)
    except FileExistsError as error:
        raise OutputError(f"{final.name} exists", hint="choose another name") from error
    except OSError:  # no hard links here: FAT, some network shares
        if os.path.lexists(final):
            raise OutputError(f"{final.name} exists", hint="choose another name") from None
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

    All of it is on the medium before. Where the target is there, its mode stays.

    Raises:
        OutputError: the target is in use.
    """
    mode = stat.S_IMODE(target.stat().st_mode) if target.is_dir() else None
    for path in [staged, *staged.rglob("*")]:
        make_public(path)
    if mode is not None:
        staged.chmod(mode | stat.S_IRWXU)  # to move a folder one has to write in it
    sync_tree(staged)
    sync_folder(staged.parent)
    begin_giving_names()
    try:
        if target.is_dir() and target.samefile(Path.cwd()):
            # Nobody's shell should stand in a folder that was replaced under it.
            _move_into(staged, target)
            return
        if sys.platform == "win32" and target.is_dir():
            target.rmdir()
        staged.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY, errno.EACCES):
            raise OutputError("the target folder is in use", hint="name a new folder") from error
        raise
    try:
        if mode is not None:
            target.chmod(mode)
        sync_folder(target.parent)
    except BaseException:
        target.rename(staged)
        if mode is not None:
            target.mkdir(mode)
        raise


def _move_into(staged: Path, target: Path) -> None:
    """Move what is in a folder into an empty one. Where this run dies the next one goes on."""
    moving = staged.with_name(MOVING)
    staged.rename(moving)
    sync_folder(moving.parent)
    names = sorted(entry.name for entry in moving.iterdir())
    try:
        for name in names:
            if os.path.lexists(target / name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target / name))
            (moving / name).rename(target / name)
        sync_folder(target)
    except BaseException:
        for name in names:
            if not os.path.lexists(moving / name):
                (target / name).rename(moving / name)
        moving.rename(staged)
        raise


def finish_moving(staging: Path, target: Path) -> None:
    """What a run left that died while it moved its result into the folder that it was called in."""
    moving = staging / MOVING
    if moving.is_dir() and not moving.is_symlink() and target.is_dir():
        for entry in sorted(moving.iterdir()):
            if not os.path.lexists(target / entry.name):
                entry.rename(target / entry.name)
        sync_folder(target)


def is_filled(target: Path) -> bool:
    """Whether it is a folder that holds something."""
    return target.is_dir() and any(target.iterdir())


def check_target_folder(target: Path) -> None:
    """See that a folder can be made of this name.

    Raises:
        OutputError: it is something else, or holds something.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError("the target exists and is not a folder", hint="name a new folder")
    if is_filled(target):
        raise OutputError("the target folder is not empty", hint="name a new or an empty folder")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()  # once, at import: it cannot be read without setting it


def make_public(path: Path) -> None:
    """What the person's umask would have given; staging had taken it away."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_UMASK)
