"""What tasks may take of memory and time: how the limits of `workers` follow from what is worked on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dicompack.pipeline.instances import OtherTask, UnpackTask
from dicompack.pipeline.source_instances import SourceTask
from dicompack.report import Finding
from dicompack.stages.deidentification import Policy
from dicompack.workers import Allowance, Demand, missing_limits

_CHAIN = Allowance()
_LOOKING = Allowance(memory=1536 << 20, seconds=600, seconds_per_megabyte=120)
"""Looking for text: models and their threads take 700 MiB of address space, and a noisy frame 9 s."""


def demand_of(policy: Policy | None) -> Callable[[SourceTask], Demand]:
    """What de-identifying a source in this way may take, and the stages after it."""
    allowance = _LOOKING if policy and policy.burned_in == "clean" else _CHAIN
    return lambda task: allowance.of(_size(task))


def demand_of_source(task: SourceTask) -> Demand:
    """What reading a source may take."""
    return _CHAIN.of(_size(task))


def demand_of_size(size: int) -> Demand:
    """What opening a file of this size may take."""
    return _CHAIN.of(size)


def demand_of_member(task: UnpackTask | OtherTask) -> Demand:
    """What opening a member may take; its sizes are the originator's word, whom the reader trusts."""
    sizes = [task.size]
    if isinstance(task, UnpackTask):
        sizes += [task.member.signed.size, task.member.delivered.size]
    if task.restoring is not None:
        sizes.append(task.restoring.total)
    return _CHAIN.of(max(sizes))


def about_limits() -> list[Finding]:
    """What this system does not bound."""
    return [Finding("no-limit", "", f"this system does not bound {what}") for what in missing_limits()]


def _size(task: SourceTask) -> int:
    try:
        return Path(task.path).stat().st_size
    except OSError:  # the worker says why
        return 0
