"""The subset of ZIP that a package uses: stored entries, one fixed form for every record (APPNOTE 6.3.10).

Nothing here may vary: method 0, flags 0, 1 January 1980, no attributes, no comments. So the reader does not
interpret headers; it takes name, size and CRC-32 out of the directory, makes all records anew and compares.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from dicompack.errors import FormatError

LOCAL_HEADER_SIZE = 30
CENTRAL_HEADER_SIZE = 46
CENTRAL_OFFSET_EXTRA_SIZE = 12

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_OFFSET_EXTRA = struct.Struct("<HHQ")
_END_LONG = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")

_VERSION = 45
"""ZIP64 (4.5), for every entry alike."""
_DATE = 0x0021
"""1980-01-01, the earliest that ZIP can say; the time is 0."""
_SENTINEL = 0xFFFF_FFFF
_SHORT_SENTINEL = 0xFFFF

_COMMENT = "DICOMPack 1: volume {index:04d} of {count:04d}, directory {size:012d} bytes, SHA-256 {digest}"
_COMMENT_PATTERN = re.compile(
    rb"DICOMPack 1: volume ([0-9]{4}) of ([0-9]{4}), directory ([0-9]{12}) bytes, SHA-256 ([0-9a-f]{64})"
)
_DIGEST_TEXT_SIZE = 64
COMMENT_SIZE = len(_COMMENT.format(index=0, count=0, size=0, digest="0" * _DIGEST_TEXT_SIZE))
END_SIZE = _END_LONG.size + _LOCATOR.size + _END.size + COMMENT_SIZE
"""Everything after the directory: ZIP64 end record and locator, end record, comment."""


def local_header(name: str, size: int, crc: int, extra: bytes = b"") -> bytes:
    """Header before the bytes of an entry (APPNOTE 4.3.7)."""
    raw = name.encode("ascii")
    fixed = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(raw), len(extra))
    return fixed + raw + extra


def central_header_size(name_length: int, offset: int) -> int:
    """Size of the directory's header for an entry whose local header begins at `offset`."""
    return CENTRAL_HEADER_SIZE + name_length + (CENTRAL_OFFSET_EXTRA_SIZE if offset >= _SENTINEL else 0)


def central_header(name: str, size: int, crc: int, offset: int) -> bytes:
    """Header in the directory (APPNOTE 4.3.12). ZIP64 extra field only for an offset that needs it."""
    raw = name.encode("ascii")
    extra = _OFFSET_EXTRA.pack(1, 8, offset) if offset >= _SENTINEL else b""
    offset = min(offset, _SENTINEL)
    fixed = _CENTRAL.pack(
        b"PK\1\2",
        _VERSION,
        _VERSION,
        0,
        0,
        0,
        _DATE,
        crc,
        size,
        size,
        len(raw),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return fixed + raw + extra


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """What the reader takes from a directory header; all the rest is made anew and compared."""

    name: str
    size: int
    crc: int


def parse_directory(directory: bytes) -> list[DirectoryEntry]:
    """Take names, sizes and CRC-32 out of a directory.

    Raises:
        FormatError: ZIP-1 where the headers do not tile the directory.
    """
    entries: list[DirectoryEntry] = []
    position = 0
    while position < len(directory):
        body = position + CENTRAL_HEADER_SIZE
        if body > len(directory) or directory[position : position + 4] != b"PK\1\2":  # ZIP-1
            raise FormatError(
                "no directory header where one belongs", where=f"entry {len(entries) + 1}", rule="ZIP-1"
            )
        fields = _CENTRAL.unpack_from(directory, position)
        crc, size, name_length, extra_length = fields[7], fields[8], fields[10], fields[11]
        position = body + name_length + extra_length
        if position > len(directory):  # ZIP-1
            raise FormatError(
                "a directory header overruns the directory", where=f"entry {len(entries) + 1}", rule="ZIP-1"
            )
        # Any byte decodes; names outside the grammar are refused by their reader.
        entries.append(DirectoryEntry(directory[body : body + name_length].decode("latin-1"), size, crc))
    return entries


def end_records(index: int, count: int, entries: int, directory: bytes, directory_offset: int) -> bytes:
    """Everything after the directory (APPNOTE 4.3.14 to 4.3.16), with our comment at the end.

    The ZIP64 records stand in every package, so that there is one form only. The comment is text, because
    unzip prints it; its SHA-256 covers the directory and all bytes between it and the digest itself.
    """
    size = len(directory)
    long_end = _END_LONG.pack(
        b"PK\6\6", _END_LONG.size - 12, _VERSION, _VERSION, 0, 0, entries, entries, size, directory_offset
    )
    locator = _LOCATOR.pack(b"PK\6\7", 0, directory_offset + size, 1)
    end = _END.pack(
        b"PK\5\6", 0, 0, _SHORT_SENTINEL, _SHORT_SENTINEL, _SENTINEL, _SENTINEL, COMMENT_SIZE
    )  # fmt: skip
    comment = _COMMENT.format(index=index, count=count, size=size, digest="").encode("ascii")
    records = long_end + locator + end + comment
    digest = hashlib.sha256(directory)
    digest.update(records)
    return records + digest.hexdigest().encode("ascii")


@dataclass(frozen=True)
class EndComment:
    """What the comment at the end of the last volume says."""

    directory_size: int
    digest: str


def parse_comment(comment: bytes) -> EndComment | None:
    """Take apart the last `COMMENT_SIZE` bytes of a file; None: this is not our comment."""
    match = _COMMENT_PATTERN.fullmatch(comment)
    if match is None:
        return None
    return EndComment(int(match.group(3)), match.group(4).decode("ascii"))


def sealed_end_size(directory_size: int) -> int:
    """How many bytes from the start of the directory the comment's SHA-256 covers."""
    return directory_size + END_SIZE - _DIGEST_TEXT_SIZE
