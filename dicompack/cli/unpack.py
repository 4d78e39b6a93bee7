"""``dicompack unpack``."""

from __future__ import annotations

from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.configuration import own_identity
from dicompack.cli.identities import Passphrases, recipient, signing_key
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures
from dicompack.cli.passwords import password_to_open
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text


@click.command(
    "unpack",
    short_help="Check a package and write its instances.",
    epilog=options.example('dicompack unpack study.dcmpack -d STUDY --identity me --trust "Clinic A"'),
)
@options.package
@click.option(
    "-d",
    "--directory",
    "target",
    required=True,
    type=options.PATH,
    metavar="DIR",
    help="A new or an empty folder.",
)
@options.openers
@options.of_trust
@click.option(
    "--keep-signed",
    is_flag=True,
    help="Give the signed JPEG 2000 instances as they travelled, for an archive.",
)
@click.option(
    "--originals",
    is_flag=True,
    help="Undo de-identification: the files as they were packed, for custodians.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="KEYWORD=VALUE",
    help="Only instances with this Modality, SOPClassUID, SOPInstanceUID, SeriesInstanceUID or "
    "StudyInstanceUID; * and ? stand for any characters. Repeatable.",
)
@options.receipt("Write a signed receipt there, after everything else; needs --signer.")
@click.option(
    "--signer",
    type=options.PATH,
    metavar="IDENTITY",
    help="Who signs the receipt: an identity folder, .p12 or PEM file.  [default: as `keys use` said]",
)
@options.passphrase_file
@options.jobs
@options.max_memory
@options.common
@click.pass_obj
def unpack_command(
    terminal: Terminal,
    *,
    package: Path,
    target: Path,
    identities: tuple[Path, ...],
    password: bool,
    password_file: Path | None,
    trust: TrustOptions,
    keep_signed: bool,
    originals: bool,
    select: tuple[str, ...],
    receipt: Path | None,
    signer: Path | None,
    passphrase_file: Path | None,
    jobs: int | None,
    max_memory: int | None,
) -> Outcome:
    """Check a package and write its instances into DIR; nothing is written unless all of it passes.

    PACKAGE is any one volume, or the folder that holds them.
    """
    secret = password_to_open(terminal, asked=password, file=password_file)
    passphrases = Passphrases(terminal, passphrase_file)
    reader = recipient(identities, trust, passphrases, secret)
    by = signer or (own_identity() if receipt else None)
    receipt_signer = signing_key(by, passphrases) if by else None

    import dicompack

    with system_errors(target, receipt), terminal.progress() as on_progress:
        report = dicompack.unpack(
            package,
            target,
            recipient=reader,
            keep_signed=keep_signed,
            originals=originals,
            receipt=receipt,
            receipt_signer=receipt_signer,
            select=select,
            jobs=jobs,
            max_memory=max_memory,
            on_progress=on_progress,
        )
    terminal.say(f"unpacked {plural(report.instances_out, 'instance')}, {size_text(report.bytes_out)}")
    if report.others:
        terminal.say(f"with {plural(len(report.others), 'other file')}")
    say_signatures(terminal, report.signatures)
    if receipt is not None:
        terminal.say(f"receipt: {receipt.name}")
    say_findings(terminal, report.findings)
    return Outcome(report)
