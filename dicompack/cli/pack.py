"""``dicompack pack``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import options
from dicompack.cli.identities import (
    DECRYPTION_FILE,
    Passphrases,
    decryption_key,
    recipient_contact,
    signing_key,
)
from dicompack.cli.key_files import read_key_file
from dicompack.cli.options import PATH
from dicompack.cli.outcome import (
    Outcome,
    plural,
    say_findings,
    say_skipped,
    say_volumes,
    share,
)
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text
from dicompack.errors import UsageError
from dicompack.report import Report

if TYPE_CHECKING:
    from dicompack.crypto.keys import Contact
    from dicompack.parties import Originator

_SUFFIX = ".dcmpack"
# Profiles of de-identification that this version has.
_PROFILES = ("basic",)


def _profile(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value not in _PROFILES:
        raise click.BadParameter(
            f"{value!r} does not exist in this version; there is: {', '.join(_PROFILES)}"
        )
    return value


def _package_name(_ctx: click.Context, _param: click.Parameter, value: Path) -> Path:
    if value.suffix != _SUFFIX or value.is_dir():
        raise click.BadParameter(f"the name of a package ends with {_SUFFIX}: -o NAME{_SUFFIX}")
    return value


@click.command(
    "pack",
    short_help="Pack studies into a signed and encrypted package.",
    epilog=options.example('dicompack pack STUDY -o study.dcmpack --signer me --recipient "Clinic B"'),
)
@click.argument("sources", nargs=-1, type=PATH, metavar="SRC...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=PATH,
    callback=_package_name,
    metavar="NAME.dcmpack",
    help="The package.",
)
@click.option(
    "--signer",
    required=True,
    type=PATH,
    metavar="IDENTITY",
    help="Who signs: an identity folder, .p12 or PEM file.",
)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="CONTACT",
    help="Who may open it: a contact.pem or a pinned contact's name. Repeatable.",
)
@click.option("--identity", type=PATH, metavar="IDENTITY", help="Your decryption key, if not the signer's.")
@click.option("--no-self", is_flag=True, help="Do not add yourself as a recipient.")
@click.option(
    "--instance-signer",
    type=PATH,
    metavar="IDENTITY",
    help="Who signs inside each instance, if the signer's certificate would tell too much.",
)
@click.option(
    "--project-key", type=PATH, metavar="FILE", help="Same pseudonyms in every delivery with this key."
)
@click.option(
    "--deidentify",
    default="basic",
    show_default=True,
    callback=_profile,
    metavar="PROFILE",
    help="How: the Basic Profile of PS3.15 Annex E.",
)
@click.option(
    "--codec",
    type=click.Choice(["j2k", "keep"]),
    default="j2k",
    show_default=True,
    help="Lossless JPEG 2000, or as is.",
)
@click.option(
    "--volume-size",
    callback=options.size_option,
    metavar="SIZE",
    help="Split into volumes of SIZE: 25M, 4.7G, 512MiB.",
)
@click.option(
    "--files-from",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="More SRC, one per line (or NUL between); - is stdin.",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files whose name fits. Repeatable.")
@options.passphrase_file
@options.jobs
@click.option("--temp", type=PATH, metavar="DIR", help="Where encrypted intermediates may lie.")
@click.option(
    "--on-suspect",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="If an instance cannot be de-identified with certainty: pack nothing, or leave it out.",
)
@click.option("--force", is_flag=True, help="Overwrite a package of this name.")
@options.common
@click.pass_obj
def pack_command(
    terminal: Terminal,
    *,
    sources: tuple[Path, ...],
    output: Path,
    signer: Path,
    recipients: tuple[str, ...],
    identity: Path | None,
    no_self: bool,
    instance_signer: Path | None,
    project_key: Path | None,
    deidentify: str,
    codec: str,
    volume_size: int | None,
    files_from: Path | None,
    exclude: tuple[str, ...],
    passphrase_file: Path | None,
    jobs: int | None,
    temp: Path | None,
    on_suspect: str,
    force: bool,
) -> Outcome:
    """De-identify, compress, sign and encrypt the DICOM files in SRC into one package.

    SRC are files and folders; DICOM is found by content, and other files are left out.
    """
    all_sources = (*sources, *(listed_sources(files_from) if files_from else ()))
    if not all_sources:
        raise UsageError(
            "no source given", rule="CLI-11", hint="name files or folders, or use --files-from FILE"
        )
    originator = _originator(
        Passphrases(terminal, passphrase_file),
        signer=signer,
        identity=None if no_self else identity,
        adds_self=not no_self,
        instance_signer=instance_signer,
        contacts=[recipient_contact(text) for text in recipients],
    )

    import dicompack
    from dicompack.crypto.derivation import ProjectKey

    key = ProjectKey.parse(read_key_file(project_key)) if project_key else None
    with system_errors(output, temp), terminal.progress() as on_progress:
        report = dicompack.pack(
            all_sources,
            output,
            originator=originator,
            project_key=key,
            deidentify=deidentify,
            codec=codec,
            volume_size=volume_size,
            jobs=jobs,
            exclude=exclude,
            temp=temp,
            skip_suspect=on_suspect == "skip",
            force=force,
            on_progress=on_progress,
        )
    _say(terminal, report, originator)
    return Outcome(report)


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


def _originator(
    passphrases: Passphrases,
    *,
    signer: Path,
    identity: Path | None,
    adds_self: bool,
    instance_signer: Path | None,
    contacts: list[Contact],
) -> Originator:
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact
    from dicompack.parties import Originator

    signing = signing_key(signer, passphrases)
    own = identity or (signer if (signer / DECRYPTION_FILE).is_file() else None)
    if adds_self and own is not None:
        decryption = decryption_key(own, passphrases).certificate
        contacts = [*contacts, Contact(name_of(signing.certificate), signing.certificate, decryption)]
    unique = {contact.decryption: contact for contact in reversed(contacts)}
    if not unique:
        raise UsageError(
            "nobody could open this package",
            hint="name a --recipient, or use a signer's folder that has a decryption key",
        )
    return Originator(
        signing=signing,
        recipients=tuple(reversed(unique.values())),
        instance_signing=signing_key(instance_signer, passphrases) if instance_signer else None,
    )


def _say(terminal: Terminal, report: Report, originator: Originator) -> None:
    from dicompack.crypto.certificates import name_of

    terminal.say(
        f"packed {report.instances_out} of {plural(report.instances_in, 'instance')}: "
        f"{size_text(report.bytes_in)} -> {share(report.bytes_out, report.bytes_in)}"
    )
    say_volumes(terminal, report)
    terminal.say(f"signed by {name_of(originator.signing.certificate)}")
    for contact in originator.recipients:
        terminal.say(f"for {contact.name}, {contact.fingerprint}")
    say_skipped(terminal, report)
    say_findings(terminal, report.findings)
