"""Time-stamps for packages that exist: a query to take to an authority, and its reply put into the SEAL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dicompack import files
from dicompack.container.layout import Layout, StoredObject
from dicompack.container.redundancy import MAXIMUM_ROUNDS, Fitting, Redundancy, asked_of
from dicompack.container.volumes import Package
from dicompack.crypto import signed
from dicompack.crypto.time_stamp_messages import MAX_QUERY, MAX_REPLY, Query, read_reply
from dicompack.errors import OutputError, UsageError
from dicompack.pipeline import file_sets
from dicompack.pipeline.asking_authorities import stamping_by
from dicompack.pipeline.assembling import write_volumes
from dicompack.pipeline.opening import OnProgress, never, open_package
from dicompack.pipeline.package_names import check_output, remove_stale
from dicompack.pipeline.unpacking import check_volumes, check_written
from dicompack.report import Report
from dicompack.stages import volumes
from dicompack.stages.seals import is_hidden, seal_names
from dicompack.stages.volumes import Volumes

_READ_SIZE = 1 << 20


def timestamp_query(path: Path | str, query: Path, *, on_progress: OnProgress | None = None) -> Report:
    """Check a package as `test` does without judging its signer, and write a query for its newest SEAL.

    The query holds the SHA-256 of a signature and a random number, and no key is needed. Take it to an
    authority, and the reply to `timestamp`.

    Args:
        path: any volume of the package, or the folder that holds them.
        query: the file to be made, application/timestamp-query (RFC 3161).
        on_progress: is told how far the run is.

    Raises:
        OutputError: the file exists or cannot be written.
        UsageError: who signed is hidden, so that the SEAL cannot be changed without its recipients.
        DicomPackError: the package is not whole; see `test`.
    """
    began, tell = time.monotonic(), on_progress or never
    if query.exists():
        raise OutputError(f"{query.name} exists", hint="choose another name for the query")
    file_sets.refuse(Path(path), "time-stamped")
    with open_package(Path(path), files.temporary_target(), tell) as opened:
        newest = _newest(opened, tell)
        files.write_new(query, [Query.of(signed.verify(newest, may_be_stamped=True).signature).marshal()])
        return _report("timestamp", opened, began)


def timestamp(
    path: Path | str,
    output: Path | str,
    *,
    reply: Path | None = None,
    query: Path | None = None,
    url: str | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Write a package anew with a time-stamp in its newest SEAL; nothing else in it changes.

    No key is needed: the token is beside what is signed. Who reads the package decides whether he believes
    the authority.

    Args:
        path: any volume of the package, or the folder that holds them.
        output: ``NAME.dcmpack``, the new package.
        reply: a file with an authority's reply, or with the token alone.
        query: the file that `timestamp_query` has written, to compare the reply with.
        url: an authority to be asked now, in place of a reply.
        force: replace a package of this name.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense; who signed is hidden; the output would lie beside the
            package; or with the token there would be another number of volumes, which the SEAL names.
        InputError: the authority gave no time-stamp, or one for something else.
        OutputError: the output exists or cannot be written.
        DicomPackError: the package is not whole; see `test`.
    """
    began, tell, output = time.monotonic(), on_progress or never, Path(output)
    if (reply is None) == (url is None):
        raise UsageError("a time-stamp comes from a reply or from an address", hint="name one of them")
    stamp = stamping_by(url)
    asked = None if query is None else Query.parse(bytes(files.SourceBytes(query, MAX_QUERY).data))
    given = b"" if reply is None else bytes(files.SourceBytes(reply, MAX_REPLY).data)
    check_output(output, force=force)
    file_sets.refuse(Path(path), "time-stamped")
    with ExitStack() as stack:
        spare = output.with_name(f"{output.name}.volumes")
        opened = stack.enter_context(open_package(Path(path), spare, tell))
        staging = stack.enter_context(files.Staging(output))
        newest = _newest(opened, tell)
        _check_place(opened, Path(path), output)
        signature = signed.verify(newest, may_be_stamped=True).signature
        token = stamp(signature) if stamp else read_reply(given, signature, asked)[0]
        stamped = signed.with_token(newest, token)
        package, name = opened.package, seal_names(opened.package)[-1]
        layout = _lay_out(package, {name: stamped})
        files.check_room(staging.path, layout.total + volumes.recovery_total(layout))
        folder = staging.folder("volumes")
        written = write_volumes(layout, _Reading(package, {name: stamped}), folder, output.name, tell)
        check_written(folder, tell)
        files.publish_files(written, output.parent, replace=force)
        if force:
            remove_stale(output, written)
        size = layout.total + volumes.recovery_total(layout)
        return _report("timestamp", opened, began, size, tuple(one.name for one in written))


def _newest(opened: Volumes, on_progress: OnProgress) -> bytes:
    """The newest SEAL of a package that is whole."""
    if is_hidden(opened.package):
        raise UsageError(
            "who signed is hidden, so nobody can put a time-stamp into the SEAL afterwards",
            rule="TSP-10",
            hint="pack or rewrap with --timestamp",
        )
    check_volumes(opened, on_progress)
    return opened.package.read(seal_names(opened.package)[-1])


def _check_place(opened: Volumes, path: Path, output: Path) -> None:
    """See that the volumes with and without the time-stamp will not lie beside each other: both are one set.

    Raises:
        UsageError: they would.
    """
    folder = path if path.is_dir() else path.parent
    replaces = all(name.startswith(output.name) for name in opened.volume_names)
    if output.parent.resolve() == folder.resolve() and not replaces:
        raise UsageError(
            "volumes with and without the time-stamp belong to one set, and must not lie in one folder",
            rule="TSP-10",
            hint="write to another folder, or replace the package: its own name, and --force",
        )


def _lay_out(package: Package, changed: dict[str, bytes]) -> Layout:
    """The same volumes with a larger SEAL.

    Raises:
        UsageError: there would be more of them.
    """
    before = package.layout
    sizes = {name: package.size(name) for name in package.names}
    sizes |= {name: len(data) for name, data in changed.items()}
    stored = [StoredObject(name, size) for name, size in sizes.items()]
    fitting = Fitting(Redundancy(before.recovery), asked_of(before))
    layout = fitting.lay_out(stored, package.ids)
    for _ in range(MAXIMUM_ROUNDS):
        if fitting.is_settled(layout):
            break
        layout = fitting.lay_out(stored, package.ids)
    if (layout.count, layout.recovery) != (before.count, before.recovery):
        raise UsageError(
            "with the time-stamp there would be another number of volumes than the SEAL names",
            rule="TSP-10",
            hint="pack or rewrap with --timestamp, or with another volume size",
        )
    return layout


def _report(
    command: str, opened: Volumes, began: float, bytes_out: int = 0, names: tuple[str, ...] | None = None
) -> Report:
    return Report(
        command=command,
        set_id=opened.package.ids.set_id.hex(),
        bytes_in=opened.size,
        bytes_out=bytes_out,
        volumes=opened.volume_names if names is None else names,
        findings=opened.findings,
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True)
class _Reading:
    """The objects as they were, but for those that changed."""

    package: Package
    changed: dict[str, bytes]

    def __call__(self, name: str, offset: int, size: int, /) -> Iterator[bytes | memoryview]:
        """Bytes of an object."""
        if name in self.changed:
            yield memoryview(self.changed[name])[offset : offset + size]
            return
        for start in range(offset, offset + size, _READ_SIZE):
            yield self.package.read_at(name, start, min(_READ_SIZE, offset + size - start))
