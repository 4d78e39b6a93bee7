"""``dicompack pack``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import deidentification, options
from dicompack.cli.contacts import custodian_contact, recipient_contact
from dicompack.cli.deidentification import all_sources, project_key_of
from dicompack.cli.identities import (
    SIGNING_FILE,
    Passphrases,
    decryption_file,
    decryption_keys,
    file_of_role,
    own_contact,
    signing_key,
)
from dicompack.cli.options import PATH
from dicompack.cli.outcome import (
    Outcome,
    plural,
    say_findings,
    say_skipped,
    say_volumes,
    share,
)
from dicompack.cli.passwords import password_to_pack, show_password
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text
from dicompack.errors import UsageError
from dicompack.report import Report

if TYPE_CHECKING:
    from dicompack.crypto.keys import Contact, DecryptionKey
    from dicompack.crypto.passwords import Password
    from dicompack.dicom.confidentiality import SiteProfile
    from dicompack.parties import Originator


@click.command(
    "pack",
    short_help="Pack studies into a signed and encrypted package.",
    epilog=options.example('dicompack pack STUDY -o study.dcmpack --signer me --recipient "Clinic B"'),
)
@deidentification.sources
@options.new_package
@click.option(
    "--signer",
    callback=options.own_identity,
    type=PATH,
    metavar="IDENTITY",
    help="Who signs: an identity folder, .p12 or PEM file.  [default: as `keys use` said]",
)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="CONTACT",
    help="Who may open it: a contact.pem or a pinned contact's name. Repeatable.",
)
@click.option(
    "--password",
    is_flag=True,
    help="Whoever knows a password may open it, too: one is made, and shown once.",
)
@click.option(
    "--password-file", type=PATH, metavar="FILE", help="The same with the password in FILE, one line."
)
@click.option(
    "--custodian",
    "custodians",
    multiple=True,
    metavar="CONTACT",
    help="Who may open it and undo de-identification; without one, nobody can. Repeatable.",
)
@click.option(
    "--envelope",
    type=click.Choice(["aead", "secure-dicom"]),
    default="aead",
    is_eager=True,
    help="secure-dicom: a folder of Secure DICOM Files, for other programs.  [default: aead]",
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
    "--hide-signer",
    is_flag=True,
    help="Let only recipients see who signed; others can then check integrity, and no origin.",
)
@options.rsa_pss
@options.timestamp
@click.option(
    "--timestamp-instances",
    is_flag=True,
    help="Ask it for each instance, too.",
)
@deidentification.of_profile
@deidentification.map_out
@click.option(
    "--codec",
    type=click.Choice(["j2k", "htj2k", "jpegls", "keep"]),
    default="j2k",
    show_default=True,
    help="Lossless JPEG 2000, its fast form, JPEG-LS, or as is.",
)
@click.option(
    "--lossy", type=float, metavar="RATIO", help="Lose information: about 1/RATIO of the bytes remain."
)
@click.option("--recompress", is_flag=True, help="Compress again what is compressed without loss.")
@click.option("--paranoid", is_flag=True, help="Prove each frame by two decoders.")
@options.volume_size
@options.recovery
@deidentification.of_sources
@click.option(
    "--include-other",
    is_flag=True,
    help="Pack files that are no instances, too; only with --deidentify none.",
)
@click.option(
    "--allow-preamble",
    is_flag=True,
    help="Pack what begins like a program, too; only with --deidentify none.",
)
@options.passphrase_file
@options.jobs
@options.max_memory
@click.option("--temp", type=PATH, metavar="DIR", help="Where encrypted intermediates may lie.")
@options.of_cluster
@deidentification.on_suspect
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with what a run left that was interrupted or died; takes your own decryption key.",
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
    password: bool,
    password_file: Path | None,
    custodians: tuple[str, ...],
    envelope: str,
    identity: Path | None,
    no_self: bool,
    instance_signer: Path | None,
    hide_signer: bool,
    rsa_pss: bool,
    timestamp: str | None,
    timestamp_instances: bool,
    project_key: Path | None,
    deidentify: str,
    profile: SiteProfile | None,
    burned_in: str,
    map_out: Path | None,
    codec: str,
    lossy: float | None,
    recompress: bool,
    paranoid: bool,
    volume_size: int | None,
    recovery: str | None,
    files_from: Path | None,
    exclude: tuple[str, ...],
    include_other: bool,
    allow_preamble: bool,
    passphrase_file: Path | None,
    jobs: int | None,
    max_memory: int | None,
    temp: Path | None,
    scheduler: str | None,
    scheduler_ca: Path | None,
    scheduler_cert: Path | None,
    scheduler_key: Path | None,
    on_suspect: str,
    resume: bool,
    force: bool,
) -> Outcome:
    """De-identify, compress, sign and encrypt the DICOM files in SRC into one package.

    SRC are files and folders; DICOM is found by content, and other files are left out.
    """
    found = all_sources(sources, files_from)
    secret = password_to_pack(terminal, made=password, file=password_file)
    originator, own = _originator(
        Passphrases(terminal, passphrase_file),
        signer=signer,
        rsa_pss=rsa_pss,
        identity=None if no_self else identity,
        adds_self=not no_self,
        instance_signer=instance_signer,
        contacts=[recipient_contact(text) for text in recipients],
        custodians=tuple(map(custodian_contact, custodians)),
        password=secret,
    )

    import dicompack
    from dicompack.pipeline.remote_packing import KeyPaths
    from dicompack.workers import Scheduler

    where = paths = None
    if scheduler is not None:
        _check_no_token(originator)
        where = Scheduler(scheduler, *map(_absolute, (scheduler_ca, scheduler_cert, scheduler_key)))
        home, other = (identity or signer).absolute(), instance_signer
        paths = KeyPaths(
            str(file_of_role(signer.absolute(), signer.absolute() / SIGNING_FILE)),
            str(file_of_role(home, decryption_file(home))),
            str(file_of_role(other.absolute(), other.absolute() / SIGNING_FILE)) if other else None,
            _absolute(project_key),
            _absolute(passphrase_file),
            rsa_pss,
        )
    key = project_key_of(project_key, terminal)
    with system_errors(output, temp, map_out), terminal.progress() as on_progress:
        report = dicompack.pack(
            found,
            output,
            originator=originator,
            project_key=key,
            envelope=envelope,
            deidentify=deidentify,
            profile=profile,
            burned_in=burned_in,
            map_out=map_out,
            codec=codec,
            paranoid=paranoid,
            recompress=recompress,
            lossy=lossy,
            volume_size=volume_size,
            recovery=recovery,
            jobs=jobs,
            max_memory=max_memory,
            exclude=exclude,
            include_other=include_other,
            timestamp_instances=timestamp_instances,
            allow_preamble=allow_preamble,
            temp=temp,
            own=own,
            resume=resume,
            scheduler=where,
            key_paths=paths,
            skip_suspect=on_suspect == "skip",
            force=force,
            hide_signer=hide_signer,
            timestamp=timestamp,
            on_progress=on_progress,
        )
    _say(terminal, report, originator, envelope)
    if secret is not None and password:
        show_password(terminal, secret)
    return Outcome(report)


def _absolute(path: Path | None) -> str | None:
    return str(path.absolute()) if path is not None else None


def _originator(
    passphrases: Passphrases,
    *,
    signer: Path,
    rsa_pss: bool,
    identity: Path | None,
    adds_self: bool,
    instance_signer: Path | None,
    contacts: list[Contact],
    custodians: tuple[Contact, ...],
    password: Password | None,
) -> tuple[Originator, DecryptionKey | None]:
    """Who packs, and the own key that opens what an interrupted run leaves."""
    from dicompack.crypto.passwords import PasswordKey
    from dicompack.parties import Originator

    signing = replace(signing_key(signer, passphrases), pss=rsa_pss)
    own = None
    home = identity or (signer if decryption_file(signer).is_file() else None)
    if adds_self and home is not None:
        keys = decryption_keys(home, passphrases)
        own = keys[0]
        contacts = [*contacts, own_contact(signing, keys)]
    unique = {contact.encryption: contact for contact in reversed(contacts)}
    if not unique and not custodians and password is None:
        raise UsageError(
            "nobody could open this package",
            hint="name a --recipient, or use a signer's folder that has a decryption key",
        )
    originator = Originator(
        signing=signing,
        recipients=tuple(reversed(unique.values())),
        instance_signing=signing_key(instance_signer, passphrases) if instance_signer else None,
        custodians=custodians,
        password=None if password is None else PasswordKey.new(password),
    )
    return originator, own


def _check_no_token(originator: Originator) -> None:
    """A key on a token stays with this computer: no other machine can use it (TOK-5)."""
    from dicompack.crypto.token_keys import PrivateTokenKey

    for key in (originator.signing, originator.signer_of_instances):
        if isinstance(key.private_key, PrivateTokenKey):
            raise UsageError(
                "a key on a token cannot be used by a cluster",
                rule="TOK-5",
                hint="leave out --scheduler, or sign with a key in a file",
            )


def _say(terminal: Terminal, report: Report, originator: Originator, envelope: str) -> None:
    from dicompack.crypto.certificates import name_of

    terminal.say(
        f"packed {report.instances_out} of {plural(report.instances_in, 'instance')}: "
        f"{size_text(report.bytes_in)} -> {share(report.bytes_out, report.bytes_in)}"
    )
    if report.others:
        terminal.say(f"with {plural(len(report.others), 'other file')}")
    if envelope == "secure-dicom":
        terminal.say(f"a Secure File-set, with its DICOMDIR: the folder {', '.join(report.volumes)}")
    else:
        say_volumes(terminal, report)
    terminal.say(f"signed by {name_of(originator.signing.certificate)}")
    for contact in originator.recipients:
        terminal.say(f"for {contact.name}, {contact.fingerprint}")
    for contact in originator.custodians:
        terminal.say(f"for {contact.name}, {contact.fingerprint}, who can undo de-identification")
    say_skipped(terminal, report)
    say_findings(terminal, report.findings)
