"""``dicompack rewrap``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from dicompack.cli import options
from dicompack.cli.contacts import recipient_contact
from dicompack.cli.identities import Passphrases, recipient, signing_key
from dicompack.cli.options import TrustOptions
from dicompack.cli.outcome import Outcome, plural, say_findings, say_signatures, say_volumes
from dicompack.cli.passwords import password_to_open
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal


@click.command(
    "rewrap",
    short_help="Pass a package on to other recipients.",
    epilog=options.example(
        "dicompack rewrap study.dcmpack -o study-for-c.dcmpack --identity me --signer me "
        '--trust "Clinic A" --recipient "Clinic C"'
    ),
)
@options.package
@options.new_package
@options.openers
@click.option(
    "--signer",
    callback=options.own_identity,
    type=options.PATH,
    metavar="IDENTITY",
    help="Who passes it on: an identity folder, .p12 or PEM file.  [default: as `keys use` said]",
)
@options.of_trust
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="CONTACT",
    help="Who may open it from now on: a contact.pem or a pinned contact's name. Repeatable.",
)
@click.option("--no-self", is_flag=True, help="Do not stay a recipient yourself.")
@options.rsa_pss
@options.timestamp
@options.volume_size
@options.recovery
@options.passphrase_file
@options.jobs
@options.max_memory
@click.option("--force", is_flag=True, help="Overwrite a package of this name.")
@options.common
@click.pass_obj
def rewrap_command(
    terminal: Terminal,
    *,
    package: Path,
    output: Path,
    identities: tuple[Path, ...],
    password: bool,
    password_file: Path | None,
    signer: Path,
    trust: TrustOptions,
    recipients: tuple[str, ...],
    no_self: bool,
    rsa_pss: bool,
    timestamp: str | None,
    volume_size: int | None,
    recovery: str | None,
    passphrase_file: Path | None,
    jobs: int | None,
    max_memory: int | None,
    force: bool,
) -> Outcome:
    """Check a package as verify does, and write it for other recipients; its content is not touched.

    The new package says who sealed it and who passed it on, and its reader has to trust both. Former
    recipients keep what they had.
    """
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact, DecryptionKey

    passphrases = Passphrases(terminal, passphrase_file)
    secret = password_to_open(terminal, asked=password, file=password_file)
    reader = recipient(identities, trust, passphrases, secret)
    signing = replace(signing_key(signer, passphrases), pss=rsa_pss)
    contacts = [recipient_contact(text) for text in recipients]
    own = [key.certificate for key in reader.keys if isinstance(key, DecryptionKey)]
    if own and not no_self:
        contacts.append(Contact(name_of(signing.certificate), signing.certificate, own[0]))

    import dicompack

    with system_errors(output), terminal.progress() as on_progress:
        report = dicompack.rewrap(
            package,
            output,
            recipient=reader,
            signer=signing,
            recipients=contacts,
            volume_size=volume_size,
            recovery=recovery,
            jobs=jobs,
            max_memory=max_memory,
            force=force,
            timestamp=timestamp,
            on_progress=on_progress,
        )
    terminal.say(f"passed on: {plural(report.instances_out, 'instance')}, unchanged")
    say_volumes(terminal, report)
    say_signatures(terminal, report.signatures)
    terminal.say(f"passed on by: {name_of(signing.certificate)}")
    for contact in contacts:
        terminal.say(f"for {contact.name}, {contact.fingerprint}")
    say_findings(terminal, report.findings)
    return Outcome(report)
