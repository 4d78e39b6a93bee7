"""From a package to the same package for other recipients: content keys are wrapped anew, content is not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dicompack import files
from dicompack.container import digests, names
from dicompack.container.digests import Digests
from dicompack.container.layout import StoredObject, check_volume_size
from dicompack.container.redundancy import Fitting, Redundancy, asked_of, redundancy_of
from dicompack.container.volumes import Package
from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.keys import Contact, SigningKey
from dicompack.crypto.recipients import Opener
from dicompack.crypto.time_stamps import Stamp
from dicompack.parties import Forwarder, Recipient
from dicompack.pipeline import file_sets
from dicompack.pipeline.asking_authorities import stamping_by
from dicompack.pipeline.assembling import write_volumes
from dicompack.pipeline.opening import OnProgress, never, open_package
from dicompack.pipeline.package_names import check_output, remove_stale
from dicompack.pipeline.reports import verdicts_of
from dicompack.pipeline.unpacking import check_whole, check_written
from dicompack.report import Finding, Progress, Report
from dicompack.stages import envelope, seals, volumes
from dicompack.stages.envelope import Rewrapped
from dicompack.stages.seals import CheckedSeal, check_object, seal_names
from dicompack.workers import Processes

_READ_SIZE = 1 << 20
CAVEAT = "former recipients keep what they had: nothing takes back a key or a copy"


def rewrap(
    path: Path | str,
    output: Path | str,
    *,
    recipient: Recipient,
    signer: SigningKey,
    recipients: Sequence[Contact],
    volume_size: int | None = None,
    recovery: str | int | None = None,
    jobs: int | None = None,
    max_memory: int | None = None,
    force: bool = False,
    timestamp: str | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check a package as `verify` does, and write it for other recipients, with a further SEAL.

    Encrypted content, MANIFEST and earlier SEALs stay what they are, so that everybody sees that the content
    is what the originator signed. Former recipients keep what they had.

    Args:
        path: any volume of the package, or the folder that holds them.
        output: ``NAME.dcmpack``, the new package.
        recipient: whose keys open it, and whom they believe.
        signer: who passes it on, and answers for the new address.
        recipients: who can open it from now on.
        volume_size: the most bytes of a volume; by default as it was.
        recovery: recovery volumes, as for `pack`; by default as many as there were, or what `pack` does if
            a volume size is given.
        jobs: worker processes; by default one a core.
        max_memory: bytes for all worker processes together.
        force: replace a package of this name.
        timestamp: a time-stamp authority's address; it states when the new SEAL was made.
        on_progress: is told how far the run is.

    Raises:
        UsageError: settings that make no sense.
        OutputError: the output exists or cannot be written.
        InputError: the time-stamp authority gave none.
        DicomPackError: the package does not pass all checks; see `unpack`.
    """
    began, tell = time.monotonic(), on_progress or never
    output = Path(output)
    place = Processes(jobs, max_memory)
    forwarder = Forwarder(signer, tuple(recipients))
    check_volume_size(volume_size)
    stamp = stamping_by(timestamp)
    redundancy = redundancy_of(recovery, volume_size)
    at = datetime.now(UTC).replace(microsecond=0)
    forwarder.check_validity(at)
    spare = output.with_name(f"{output.name}.volumes")
    files.remove_dead(spare)
    check_output(output, force=force)
    file_sets.refuse(Path(path), "passed on")
    with ExitStack() as stack:
        opened = stack.enter_context(open_package(Path(path), spare, tell))
        staging = stack.enter_context(files.Staging(output))
        sealed, content = check_whole(opened, recipient, place, tell)
        package = opened.package
        new = _Rewrapping(package, sealed, recipient.keys, forwarder, tell)
        if volume_size is None:
            volume_size = asked_of(package.layout)
            if recovery is None:
                redundancy = Redundancy(package.layout.recovery)
        packed = new.pack(os.urandom(16), at, Fitting(redundancy, volume_size), stamp)
        size = packed.layout.total + volumes.recovery_total(packed.layout)
        files.check_room(staging.path, size)
        folder = staging.folder("volumes")
        read = _Reading(package, new.rewrapped, {**new.objects, **packed.objects})
        written = write_volumes(packed.layout, read, folder, output.name, tell)
        check_written(folder, tell)
        files.publish_files(written, output.parent, replace=force)
        if force:
            remove_stale(output, written)
        return Report(
            command="rewrap",
            set_id=package.ids.set_id.hex(),
            instances_in=len(content.members),
            instances_out=len(content.members),
            bytes_in=opened.size,
            bytes_out=size,
            volumes=tuple(path.name for path in written),
            findings=(
                *opened.findings,
                *sealed.findings,
                *packed.findings,
                Finding("former-recipients", output.name, CAVEAT),
            ),
            signatures=verdicts_of(sealed),
            recipients=new.keys,
            seconds=time.monotonic() - began,
        )


class _Rewrapping:
    """New RecipientInfos for every sealed object, and the objects that follow from them."""

    def __init__(
        self,
        package: Package,
        sealed: CheckedSeal,
        keys: Sequence[Opener],
        forwarder: Forwarder,
        on_progress: OnProgress,
    ) -> None:
        self._package, self._sealed, self._forwarder = package, sealed, forwarder
        certificates = forwarder.recipient_certificates
        self.keys = tuple(sorted(spki_sha256(one).hex() for one in certificates))
        self.rewrapped: dict[str, Rewrapped] = {}
        for done, (name, due) in enumerate(sealed.rows.items(), start=1):
            data = package.read(name)
            check_object(data, due, name)
            # Whoever passes a package on need not be a custodian, and cannot make others custodians.
            carried = sealed.newest.custody and names.is_about_originals(name)
            self.rewrapped[name] = (
                Rewrapped(b"", 0, len(data), due) if carried else envelope.rewrap(data, keys, certificates)
            )
            on_progress(Progress("rewrapping", done, len(sealed.rows), "instances"))
        self._table = Digests(tuple(one.digest for one in self.rewrapped.values()))
        self.objects = {names.DIGESTS: digests.marshal(self._table)}
        self._earlier = [self._earlier_seal(name, keys) for name in seal_names(package)]

    def _earlier_seal(self, name: str, keys: Sequence[Opener]) -> bytes:
        """A SEAL as it was; a hidden one for the new recipients, who could not read it otherwise."""
        data = self._package.read(name)
        if not self._sealed.hidden:
            return data
        new = envelope.rewrap(data, keys, self._forwarder.recipient_certificates)
        return new.head + data[new.offset :]

    def pack(self, volume_set: bytes, at: datetime, fitting: Fitting, stamp: Stamp | None) -> seals.Packed:
        """The next SEAL, and the place of everything."""
        before = self._sealed.newest
        content = replace(
            before,
            volume_set=volume_set,
            recipients=self.keys,
            digests=self._table.columns,
            sequence=before.sequence + 1,
            previous=self._sealed.newest_sha256,
        )
        assert content.digests[1] == before.digests[1], "the content has changed"
        stored = [StoredObject(name, one.size) for name, one in self.rewrapped.items()]
        stored += [StoredObject(name, len(data)) for name, data in self.objects.items()]
        hidden_for = self._forwarder.recipient_certificates if self._sealed.hidden else ()
        signer = self._forwarder.signing
        return seals.pack(content, self._earlier, stored, signer, at, fitting, hidden_for, stamp)


@dataclass(frozen=True)
class _Reading:
    """The new package's objects: what is encrypted comes from the old volumes."""

    package: Package
    rewrapped: dict[str, Rewrapped]
    objects: dict[str, bytes]

    def __call__(self, name: str, offset: int, size: int, /) -> Iterator[bytes | memoryview]:
        """Bytes of an object."""
        new = self.rewrapped.get(name)
        head = self.objects[name] if new is None else new.head
        piece = memoryview(head)[offset : offset + size]
        yield piece
        if new is None:
            return
        moved = new.offset - len(head)
        for start in range(offset + len(piece), offset + size, _READ_SIZE):
            yield self.package.read_at(name, start + moved, min(_READ_SIZE, offset + size - start))
