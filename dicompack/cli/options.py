"""Options and arguments that several commands share, and the sizes they take."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from dicompack.cli import configuration
from dicompack.cli.terminal import Terminal

Function = TypeVar("Function", bound=Callable[..., Any])

PATH = click.Path(path_type=Path, readable=False)  # whether it can be read shows when it is read

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([KMG]?)(I?)(B?)", re.IGNORECASE | re.ASCII)
_SUFFIX = ".dcmpack"
_POWER = {"": 0, "K": 1, "M": 2, "G": 3}


def parse_size(text: str) -> int:
    """Bytes of a size like ``25M``, ``4.7G`` (powers of 10) or ``64MiB`` (powers of 2).

    Raises:
        ValueError: another unit, no number, not a whole number of bytes, or nothing.
    """
    from decimal import Decimal  # not for everyone who wants to see a help text

    # CLI-9
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    number, prefix, binary, unit = match.groups()
    if binary and not (prefix and unit):
        raise ValueError(text)
    size = Decimal(number) * (1024 if binary else 1000) ** _POWER[prefix.upper()]
    if size != int(size) or size < 1:
        raise ValueError(text)
    return int(size)


def example(line: str) -> str:
    """The foot of a help text: one call as a person types it, not wrapped."""
    return f"\b\nExample:\n  {line}"


def size_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """The callback of an option that takes a size."""
    if value is None:
        return None
    try:
        return parse_size(value)
    except ValueError:
        raise click.BadParameter("a size is a number with K, M, G or KiB, MiB, GiB, such as 25M") from None


def _package_name(ctx: click.Context, _param: click.Parameter, value: Path) -> Path:
    if ctx.params.get("envelope") == "secure-dicom":
        return value  # a folder, which may have any name
    if value.suffix != _SUFFIX or value.is_dir():
        raise click.BadParameter(f"the name of a package ends with {_SUFFIX}: -o NAME{_SUFFIX}")
    return value


def optional_package_name(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """The callback of an option that may name a new package."""
    return None if value is None else _package_name(ctx, param, value)


class HelpfulGroup(click.Group):
    """A group of commands that shows its help where no command is named, and still fails."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The commands in the order of a person's work, not of the alphabet."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, after the help was shown to those who typed nothing more."""
        if not args and not ctx.resilient_parsing:
            terminal = ctx.ensure_object(Terminal)
            for line in ctx.get_help().splitlines():
                terminal.say(line)
            raise click.UsageError("no command given", ctx)
        return super().parse_args(ctx, args)


def _flag_of_terminal(name: str, help_text: str) -> Callable[[Function], Function]:
    def set_flag(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        # Runs for each flag, given or not: the first place that knows which command it is.
        terminal = ctx.ensure_object(Terminal)
        terminal.command = ctx.command_path.removeprefix("dicompack").strip()
        if value:
            setattr(terminal, name, True)

    # Eager: what the callback of another option refuses is then told as this command's, too.
    return click.option(
        f"--{name}", is_flag=True, is_eager=True, expose_value=False, callback=set_flag, help=help_text
    )


def common(command: Function) -> Function:
    """``--json``, ``--quiet`` and ``--verbose``: they set up the terminal and do not reach the command."""
    command = _flag_of_terminal("verbose", "Say more.")(command)
    command = _flag_of_terminal("quiet", "Say nothing but errors.")(command)
    return _flag_of_terminal("json", "Print one JSON object on stdout at the end.")(command)


def receipt(help_text: str) -> Callable[[Function], Function]:
    """``--receipt``, which writes one or checks one."""
    return click.option("--receipt", type=PATH, metavar="FILE", help=help_text)


passphrase_file = click.option(
    "--passphrase-file",
    type=PATH,
    metavar="FILE",
    help="Read passphrases from FILE, one per line, instead of asking.",
)
jobs = click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes.  [default: one per core]"
)
max_memory = click.option(
    "--max-memory",
    callback=size_option,
    metavar="SIZE",
    help="Memory for all worker processes together: 512M, 8G.  [default: what the machine has]",
)


def of_cluster(command: Function) -> Function:
    """The scheduler of a cluster, and the files of its TLS."""
    for name, what in (
        ("key", "Your key for the cluster, PEM."),
        ("cert", "Your certificate for the cluster, PEM."),
        ("ca", "The certificate of the cluster's own authority, PEM."),
    ):
        command = click.option(f"--scheduler-{name}", type=PATH, metavar="FILE", help=what)(command)
    return click.option(
        "--scheduler",
        metavar="URL",
        help="Work on instances in a Dask cluster: tls://HOST:PORT; tcp:// on this computer only.",
    )(command)


trust = click.option(
    "--trust",
    multiple=True,
    metavar="ANCHOR",
    help="Whom to trust, instead of the pinned contacts: a contact.pem, a certificate, or a pinned name. "
    "Repeatable.",
)
crl = click.option(
    "--crl",
    "crls",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Revocation lists of the authorities that are trusted, PEM or DER. Repeatable.",
)
require_crl = click.option(
    "--require-crl", is_flag=True, help="Refuse a signer whom no current revocation list covers."
)
expect_signer = click.option(
    "--expect-signer",
    metavar="CONTACT|FINGERPRINT",
    help="Demand this signer, of all whom you trust.",
)


tsa = click.option(
    "--tsa",
    multiple=True,
    metavar="ANCHOR",
    help="Whose time-stamps count: the certificate of who certifies an authority for them, or a pinned name. "
    "Repeatable.",
)


class TrustOptions(NamedTuple):
    """What a call says of whom to trust."""

    trust: tuple[str, ...] = ()
    expect_signer: str | None = None
    crls: tuple[Path, ...] = ()
    require_crl: bool = False
    tsa: tuple[str, ...] = ()


def of_trust(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--trust``, ``--tsa``, ``--expect-signer``, ``--crl``, ``--require-crl``: they arrive as one."""

    @wraps(command)
    def with_trust(*arguments: Any, **given: Any) -> Any:
        told = TrustOptions(**{name: given.pop(name) for name in TrustOptions._fields})
        return command(*arguments, trust=told, **given)

    whole: Callable[..., Any] = trust(tsa(expect_signer(crl(require_crl(with_trust)))))
    return whole


def own_identity(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """The callback of an option that names a person's own keys: by default those that `keys use` named."""
    if value is not None or ctx.resilient_parsing:
        return value
    own = configuration.own_identity()
    if own is None:
        raise click.MissingParameter(ctx=ctx, param=param)
    return own


identities = click.option(
    "--identity",
    "identities",
    multiple=True,
    type=PATH,
    metavar="IDENTITY",
    help="Your identity: its folder, a .p12, or a PEM file with key and certificate. Repeatable.  "
    "[default: as `keys use` said]",
)


def openers(command: Function) -> Function:
    """``--identity``, ``--password`` and ``--password-file``: what a package is opened with."""
    command = click.option(
        "--password-file", type=PATH, metavar="FILE", help="Open with the password in FILE, one line."
    )(command)
    command = click.option("--password", is_flag=True, help="Open with a password; it is asked for.")(command)
    return identities(command)


new_package = click.option(
    "-o",
    "--output",
    required=True,
    type=PATH,
    callback=_package_name,
    metavar="NAME.dcmpack",
    help="The package.",
)
volume_size = click.option(
    "--volume-size",
    callback=size_option,
    metavar="SIZE",
    help="Split into volumes of at most SIZE: 25M, 4.7G, 512MiB.",
)
recovery = click.option(
    "--recovery",
    metavar="SHARE|N",
    help="Recovery volumes: a share such as 10%, or how many; 0 for none.  "
    "[default: 5%, at least one, with several volumes]",
)
timestamp = click.option(
    "--timestamp",
    metavar="URL",
    help="Ask this time-stamp authority, http or https, when the package was sealed.",
)
rsa_pss = click.option(
    "--rsa-pss",
    is_flag=True,
    help="Sign the package, and not the instances in it, by RSASSA-PSS.",
)
package = click.argument("package", type=PATH, metavar="PACKAGE")
