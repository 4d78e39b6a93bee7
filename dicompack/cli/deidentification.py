"""Options about sources and their de-identification, which `pack`, `deidentify` and `plan` share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dicompack.cli import options
from dicompack.cli.key_files import read_key_file, warn_of_readers
from dicompack.cli.terminal import Terminal
from dicompack.errors import UsageError

if TYPE_CHECKING:
    from dicompack.crypto.derivation import ProjectKey
    from dicompack.dicom.confidentiality import SiteProfile

Function = TypeVar("Function", bound=Callable[..., Any])

AS_IS = "none"
"""Packing without de-identification; the other commands of these options are about nothing else."""

_MAX_PROFILE = 1 << 20  # bytes; a site profile with every attribute of the standard has a quarter of it


def _deidentify(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value == AS_IS and ctx.info_name == "pack":
        return value
    from dicompack.dicom.confidentiality import parse_deidentify

    parse_deidentify(value)
    return value


def _profile(_ctx: click.Context, _param: click.Parameter, value: str | None) -> SiteProfile | None:
    if value is None:
        return None
    from dicompack.dicom.confidentiality import site_profile

    path, name = named_profile(value)
    with path.open("rb") as file:
        data = file.read(_MAX_PROFILE + 1)
    if len(data) > _MAX_PROFILE:
        raise UsageError("too large for a site profile", where=path.name, rule="CLI-12")
    return site_profile(data, name)


def named_profile(text: str) -> tuple[Path, str | None]:
    """The file and the name of ``FILE[:NAME]``; a file of the whole text comes first."""
    # CLI-12
    head, mark, name = text.rpartition(":")
    if mark and head and not Path(text).exists():
        return Path(head), name
    return Path(text), None


sources = click.argument("sources", nargs=-1, type=options.PATH, metavar="SRC...")
map_out = click.option(
    "--map-out",
    type=options.PATH,
    metavar="FILE",
    help="Write old and new UIDs to FILE (CSV); keep it secret.",
)
on_suspect = click.option(
    "--on-suspect",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="If an instance cannot be de-identified with certainty: do nothing, or leave it out.",
)


def of_sources(command: Function) -> Function:
    """``--files-from`` and ``--exclude``."""
    command = click.option(
        "--exclude", multiple=True, metavar="GLOB", help="Leave out files whose name fits. Repeatable."
    )(command)
    return click.option(
        "--files-from",
        type=click.Path(path_type=Path, allow_dash=True),
        metavar="FILE",
        help="More SRC, one per line (or NUL between); - is stdin.",
    )(command)


def of_profile(command: Function) -> Function:
    """``--project-key``, ``--deidentify``, ``--profile`` and ``--burned-in``."""
    command = click.option(
        "--burned-in",
        type=click.Choice(["stop", "clean", "vouch"]),
        default="stop",
        show_default=True,
        help="If pixels may show text: do nothing, blacken it, or you have looked.",
    )(command)
    command = click.option(
        "--profile", callback=_profile, metavar="FILE[:NAME]", help="Exceptions of your site, a TOML file."
    )(command)
    command = click.option(
        "--deidentify",
        default="basic",
        show_default=True,
        callback=_deidentify,
        metavar="basic[+OPTION...]",
        help="The Basic Profile of PS3.15 Annex E, with options by the standard's names; "
        "to pack, none leaves all as it is.",
    )(command)
    return click.option(
        "--project-key",
        type=options.PATH,
        metavar="FILE",
        help="Same pseudonyms with the same key in FILE.",
    )(command)


def project_key_of(path: Path | None, terminal: Terminal) -> ProjectKey | None:
    """The key in a file, where one is named."""
    from dicompack.crypto.derivation import ProjectKey

    if path is None:
        return None
    key = ProjectKey.parse(read_key_file(path))
    warn_of_readers(terminal, path)
    return key


def all_sources(sources: tuple[Path, ...], files_from: Path | None) -> tuple[Path, ...]:
    """What is named in the call and in a list.

    Raises:
        UsageError: nothing (CLI-11).
    """
    found = (*sources, *(listed_sources(files_from) if files_from else ()))
    if not found:
        raise UsageError(
            "no source given", rule="CLI-11", hint="name files or folders, or use --files-from FILE"
        )
    return found


def listed_sources(file: Path) -> tuple[Path, ...]:
    """The paths a file lists (``-`` is stdin), one per line; between NUL characters where it has any.

    Raises:
        OSError: the list cannot be read.
    """
    # CLI-11
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return tuple(Path(os.fsdecode(name)) for name in names if name)
