"""``dicompack deidentify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import deidentification, options
from dicompack.cli.deidentification import all_sources, project_key_of
from dicompack.cli.outcome import Outcome, plural, say_findings, say_skipped
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text

if TYPE_CHECKING:
    from dicompack.dicom.confidentiality import SiteProfile


@click.command(
    "deidentify",
    short_help="De-identify studies into a folder, without a package.",
    epilog=options.example("dicompack deidentify STUDY -d CLEAN --deidentify basic+retain-device-identity"),
)
@deidentification.sources
@click.option(
    "-d",
    "--directory",
    "target",
    required=True,
    type=options.PATH,
    metavar="DIR",
    help="A new or an empty folder.",
)
@deidentification.of_profile
@deidentification.map_out
@deidentification.on_suspect
@deidentification.of_sources
@options.jobs
@options.max_memory
@options.common
@click.pass_obj
def deidentify_command(
    terminal: Terminal,
    *,
    sources: tuple[Path, ...],
    target: Path,
    project_key: Path | None,
    deidentify: str,
    profile: SiteProfile | None,
    burned_in: str,
    map_out: Path | None,
    on_suspect: str,
    files_from: Path | None,
    exclude: tuple[str, ...],
    jobs: int | None,
    max_memory: int | None,
) -> Outcome:
    """De-identify the DICOM files in SRC into DIR; nothing is written unless all of them pass.

    SRC are files and folders; DICOM is found by content, and other files are left out. Nothing is signed
    or encrypted: to send a study, pack it.
    """
    found = all_sources(sources, files_from)

    import dicompack

    key = project_key_of(project_key, terminal)
    with system_errors(target, map_out), terminal.progress() as on_progress:
        report = dicompack.deidentify(
            found,
            target,
            project_key=key,
            deidentify=deidentify,
            profile=profile,
            burned_in=burned_in,
            map_out=map_out,
            jobs=jobs,
            max_memory=max_memory,
            exclude=exclude,
            skip_suspect=on_suspect == "skip",
            on_progress=on_progress,
        )
    terminal.say(
        f"de-identified {report.instances_out} of {plural(report.instances_in, 'instance')}, "
        f"{size_text(report.bytes_out)}"
    )
    say_skipped(terminal, report)
    say_findings(terminal, report.findings)
    return Outcome(report)
