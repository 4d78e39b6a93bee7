"""``dicompack plan``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicompack.cli import deidentification, options
from dicompack.cli.deidentification import all_sources, project_key_of
from dicompack.cli.outcome import Outcome, plural, say_findings, say_skipped
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal, size_text
from dicompack.errors import OutputError
from dicompack.plain_text import csv_table

if TYPE_CHECKING:
    from dicompack.dicom.confidentiality import SiteProfile
    from dicompack.pipeline.planning import Plan, PlannedAttribute

_TITLES = ("TAG", "ATTRIBUTE", "ACTION", "COUNT", "VALUES", "AFTER")
_RIGHT = ("COUNT", "VALUES", "AFTER")
_SHOWN_TITLES = ("TAG", "ATTRIBUTE", "ACTION", "BEFORE", "AFTER")
_CSV_HEAD = ("tag", "name", "vr", "creator", "action", "count", "values_before", "values_after")
_EMPTY = "empty"


@click.command(
    "plan",
    short_help="Show what would leave the house; write nothing.",
    epilog=options.example("dicompack plan STUDY --deidentify basic+clean-descriptors"),
)
@deidentification.sources
@deidentification.of_profile
@click.option("--csv", "table", type=options.PATH, metavar="FILE", help="Write the table to FILE, too.")
@click.option("--show-identifiers", is_flag=True, help="Show values before and after; mind who looks on.")
@deidentification.of_sources
@options.jobs
@options.max_memory
@options.common
@click.pass_obj
def plan_command(
    terminal: Terminal,
    *,
    sources: tuple[Path, ...],
    project_key: Path | None,
    deidentify: str,
    profile: SiteProfile | None,
    burned_in: str,
    table: Path | None,
    show_identifiers: bool,
    files_from: Path | None,
    exclude: tuple[str, ...],
    jobs: int | None,
    max_memory: int | None,
) -> Outcome:
    """Show what pack or deidentify would do with each attribute of SRC, and what they would refuse.

    COUNT is how often an attribute is there, VALUES how many different values it has before. Nothing is
    written but --csv.
    """
    found = all_sources(sources, files_from)

    import dicompack

    key = project_key_of(project_key, terminal)
    if table is not None and os.path.lexists(table):
        raise OutputError(f"{table.name} exists", hint="choose another name")
    with system_errors(table), terminal.progress() as on_progress:
        planned = dicompack.plan(
            found,
            project_key=key,
            deidentify=deidentify,
            profile=profile,
            burned_in=burned_in,
            show_identifiers=show_identifiers,
            jobs=jobs,
            max_memory=max_memory,
            exclude=exclude,
            on_progress=on_progress,
        )
        if table is not None:
            _write(table, planned.attributes, show_identifiers)
    _show(terminal, planned, show_identifiers)
    return Outcome(
        planned.report,
        details={
            "attributes": [_document(one, show_identifiers) for one in planned.attributes],
            "blocked": [asdict(one) for one in planned.blocked],
        },
    )


def _show(terminal: Terminal, planned: Plan, show_identifiers: bool) -> None:
    shown = [one for one in planned.attributes if one.action != _EMPTY]
    if show_identifiers:
        rows = [(*_name(one), *example) for one in shown for example in one.examples]
        terminal.table(_SHOWN_TITLES, rows)
    else:
        counted = [
            (*_name(one), str(one.count), str(one.values_before), str(one.values_after)) for one in shown
        ]
        terminal.table(_TITLES, counted, right=_RIGHT)
    report = planned.report
    terminal.say(
        f"{report.instances_out} of {plural(report.instances_in, 'instance')} would pass, "
        f"{size_text(report.bytes_in)}; nothing was written"
    )
    suspect = sum(one.suspect for one in planned.blocked)
    if suspect:
        terminal.say(f"{plural(suspect, 'instance')} would stop the run, or be left out:")
    if planned.blocked and not show_identifiers:
        terminal.say("files are numbered as they are found; --show-identifiers tells their names")
    say_skipped(terminal, report)
    say_findings(terminal, report.findings)


def _name(one: PlannedAttribute) -> tuple[str, str, str]:
    return one.tag, one.name or one.creator or "unknown", one.action


def _document(one: PlannedAttribute, show_identifiers: bool) -> dict[str, object]:
    # CLI-14
    document: dict[str, object] = {key: getattr(one, key) for key in _CSV_HEAD}
    if show_identifiers:
        document["examples"] = [list(example) for example in one.examples]
    return document


def _write(path: Path, attributes: Sequence[PlannedAttribute], show_identifiers: bool) -> None:
    from dicompack import files

    rows: list[Sequence[object]] = [(*_CSV_HEAD, "before", "after") if show_identifiers else _CSV_HEAD]
    for one in attributes:
        fields = [getattr(one, key) for key in _CSV_HEAD]
        if show_identifiers:
            rows += [[*fields, *example] for example in one.examples]
        else:
            rows.append(fields)
    files.write_new(path, [csv_table(rows)])
