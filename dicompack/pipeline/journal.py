"""The journal of a packing run: what `pack --resume` needs after the run died (``spec/11-journal.md``).

::

    "DCMPKJRN"   size (4 bytes, little-endian)   header
    size   record 1
    size   record 2 ...

The header is encrypted to the originator's own decryption key and signed by him; it holds the staging key.
Every record is sealed under that key together with its number. Content keys and IVs are never stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dicompack import files
from dicompack.container import canonical_json
from dicompack.container.layout import SetIds
from dicompack.crypto import signed, staging
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.errors import BadSignatureError, FormatError, UsageError
from dicompack.pipeline.plain_values import plain, value_of
from dicompack.stages import envelope

MAGIC: Final = b"DCMPKJRN"
_SIZE: Final = 4
_MAX_HEADER: Final = 1 << 20  # with 256 certificates in the chain it has some 400 KiB
_MAX_RECORD: Final = 64 << 20  # the identifying words of one instance; a megabyte is already unusual
_SYNC: Final = 2.0
"""Seconds between two waits for the medium: what a power cut may cost."""
_AGAIN: Final = "pack without --resume, which starts anew"


@dataclass(frozen=True)
class Run:
    """What all members of a package have in common, and a resumed run must not make anew."""

    ids: SetIds
    project_key: ProjectKey
    staging_key: bytes
    at: datetime

    @classmethod
    def new(cls, project_key: ProjectKey) -> Run:
        """For a run that begins."""
        now = datetime.now(UTC).replace(microsecond=0)
        return cls(SetIds(os.urandom(16), os.urandom(16)), project_key, staging.new_key(), now)

    def marshal(self, settings: bytes) -> bytes:
        """With the digest of the run's settings."""
        return canonical_json.marshal(
            {
                "at": int(self.at.timestamp()),
                "project_key": plain(self.project_key.marshal()),
                "set_id": self.ids.set_id.hex(),
                "settings": settings.hex(),
                "staging_key": plain(self.staging_key),
                "volume_set": self.ids.volume_set.hex(),
            }
        )


@dataclass(frozen=True)
class _Header:
    at: int
    project_key: bytes
    set_id: str
    settings: str
    staging_key: bytes
    volume_set: str

    def run(self) -> Run:
        ids = SetIds(bytes.fromhex(self.set_id), bytes.fromhex(self.volume_set))
        at = datetime.fromtimestamp(self.at, UTC)
        return Run(ids, ProjectKey.parse(self.project_key), self.staging_key, at)


class Journal:
    """A journal that is being written."""

    def __init__(self, file: files.GrowingFile, key: bytes, count: int) -> None:
        self._file = file
        self._key = key
        self._synced = time.monotonic()
        self.count = count
        """Records in it."""

    @classmethod
    def create(
        cls, path: Path, run: Run, settings: bytes, signing: SigningKey, own: DecryptionKey
    ) -> Journal:
        """A journal with no record; it is there whole or not at all, and after a power cut, too."""
        header = envelope.pack(signed.sign(run.marshal(settings), signing, run.at), [own.certificate]).whole
        files.replace_file(path, [MAGIC, len(header).to_bytes(_SIZE, "little"), header])
        files.sync_folder(path.parent.parent)  # where it lies lasts as long as it does
        return cls(files.GrowingFile(path), run.staging_key, 0)

    def note(self, record: object) -> None:
        """Add a record, which is a frozen dataclass."""
        self.count += 1
        content = canonical_json.marshal(plain(record))
        sealed = staging.seal(self._key, _name(self.count), content)
        self._file.append(len(sealed).to_bytes(_SIZE, "little") + sealed)
        if time.monotonic() - self._synced > _SYNC:
            self._file.sync()
            self._synced = time.monotonic()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


@dataclass(frozen=True)
class Left:
    """What a run that died has left."""

    run: Run
    records: tuple[Any, ...]
    size: int
    """Bytes up to the end of the last whole record."""

    def resumed(self, path: Path) -> Journal:
        """The journal, to be gone on with; a record that was cut off is taken away."""
        file = files.GrowingFile(path)
        file.cut(self.size)
        return Journal(file, self.run.staging_key, len(self.records))


def read_run(path: Path, settings: bytes, signing: SigningKey, own: DecryptionKey) -> Run:
    """The header alone, for a worker elsewhere.

    Raises:
        DicomPackError: see `read`.
    """
    return _read_header(path.read_bytes(), settings, signing, own)[0]


def read(path: Path, kind: type, settings: bytes, signing: SigningKey, own: DecryptionKey) -> Left:
    """Check and read a journal with records of this kind.

    Raises:
        FormatError: it is none.
        NoMatchError: another identity made it.
        BadSignatureError: it was tampered with.
        UsageError: the run had other settings.
    """
    data = path.read_bytes()
    run, end = _read_header(data, settings, signing, own)
    records: list[Any] = []
    for sealed in _records(data, end):
        end += _SIZE + len(sealed)
        try:
            opened = staging.open_(run.staging_key, _name(len(records) + 1), sealed)
        except BadSignatureError:  # JRN-5
            raise BadSignatureError("the journal was changed", rule="JRN-5", hint=_AGAIN) from None
        records.append(
            value_of(kind, canonical_json.parse(opened, maximum_size=_MAX_RECORD, where="journal"))
        )
    return Left(run, tuple(records), end)


def _read_header(data: bytes, settings: bytes, signing: SigningKey, own: DecryptionKey) -> tuple[Run, int]:
    """The run, and where the header ends."""
    start = len(MAGIC) + _SIZE
    size = int.from_bytes(data[len(MAGIC) : start], "little")
    if data[: len(MAGIC)] != MAGIC or not 0 < size <= _MAX_HEADER or len(data) < start + size:  # JRN-1
        raise FormatError("the journal in the staging folder is none", rule="JRN-1", hint=_AGAIN)
    # JRN-2: with another key than the one that it was made for, this ends with no-match.
    verified = signed.verify(envelope.unpack(data[start : start + size], [own]))
    if verified.certificate != signing.certificate:  # JRN-3
        raise BadSignatureError("the journal is not signed by you", rule="JRN-3", hint=_AGAIN)
    content = canonical_json.parse(verified.content, maximum_size=_MAX_HEADER, where="journal")
    if content.get("settings") != settings.hex():  # JRN-4
        raise UsageError(
            "the run that ended had other settings, or this is another version of the program",
            rule="JRN-4",
            hint=f"repeat its options, or {_AGAIN}",
        )
    return value_of(_Header, content).run(), start + size


def _records(data: bytes, start: int) -> Iterator[bytes]:
    """Each whole record; a crash leaves the last one short, and a power cut may leave zeros in its place."""
    while start + _SIZE <= len(data):
        begin = start + _SIZE
        end = begin + int.from_bytes(data[start:begin], "little")
        if end > len(data) or (end == begin and not any(data[begin:])):
            return
        yield data[begin:end]
        start = end


def _name(number: int) -> str:
    """What a record is bound to, so that none can be left out, doubled or moved."""
    return f"journal/{number:08d}"
