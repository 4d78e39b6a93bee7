"""All work on the disk: staging, atomic output, path rules, random access. Nothing else writes.

Results are made in a *staging* folder beside their target, mode 0700 and locked, and get their final names
at the end. A run that finds a staging folder whose owner is gone removes it; one whose owner lives is busy.
Where a system lacks a call (`O_NOFOLLOW`, `flock`, fsync of a folder, hard links), the portable way beside
it gives the same result; only the promise for a power cut is weaker there.
"""

from __future__ import annotations

from dicompack.files.mapping import MAPPED_ABOVE, TOUCHES, give_back_mapped, give_back_now, map_for_reading
from dicompack.files.names import RestoredNames, member_path
from dicompack.files.publishing import (
    VOLUMES,
    check_target_folder,
    is_filled,
    publish_files,
    publish_folder,
    withdraw_files,
)
from dicompack.files.reading import FileAccess, SourceBytes, allow_many_files, sha256, start_of
from dicompack.files.staging import (
    STAGING_SUFFIX,
    Staging,
    remove_dead,
    take_back,
    temporary_target,
)
from dicompack.files.writing import (
    GrowingFile,
    NewFile,
    UnnamedFile,
    check_room,
    make_folders,
    replace_file,
    sync_folder,
    write_again,
    write_new,
)

__all__ = [
    "FileAccess",
    "GrowingFile",
    "MAPPED_ABOVE",
    "NewFile",
    "RestoredNames",
    "STAGING_SUFFIX",
    "SourceBytes",
    "Staging",
    "TOUCHES",
    "UnnamedFile",
    "VOLUMES",
    "allow_many_files",
    "check_room",
    "check_target_folder",
    "give_back_mapped",
    "give_back_now",
    "is_filled",
    "make_folders",
    "map_for_reading",
    "member_path",
    "publish_files",
    "publish_folder",
    "remove_dead",
    "replace_file",
    "sha256",
    "start_of",
    "sync_folder",
    "take_back",
    "temporary_target",
    "withdraw_files",
    "write_again",
    "write_new",
]
