"""All work on the disk: staging, atomic output, path rules, random access. Nothing else writes.

Results are made in a *staging* folder beside their target, mode 0700 and locked, and get their final names
at the end. A run that finds a staging folder whose owner is gone removes it; one whose owner lives is busy.
Where a system lacks a call (`O_NOFOLLOW`, `flock`, fsync of a folder, hard links), the portable way beside
it gives the same result; only the promise for a power cut is weaker there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
import unicodedata
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from dicompack.errors import InputError, OutputError

STAGING_SUFFIX = ".dcmpack-staging"
VOLUMES = "volumes"
"""The folder in staging for files that get their final names beside the target."""
_LOCK = "lock"
_MANY_FILES = 10_240  # the most volumes there can be, and some; macOS takes no more than this
_ATTEMPTS = 5  # to take a staging folder that another run is just removing
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OPEN_GROWING = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
MAPPED_ABOVE = 64 << 20
"""Bytes of a file that is not read into memory but mapped."""
_OPEN_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_MAX_COMPONENT = 240  # bytes in UTF-8: systems take 255, and a number may have to be added
# What some system does not take in a name, or takes for something else.
_FORBIDDEN = frozenset('<>:"/\\|?*')
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, marks of direction, halves of characters
# Windows gives these names to devices, with any extension.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class Staging:
    """A private folder beside `target` for the time of a run; gone when the `with` block ends.

    Raises:
        OutputError: the parent folder is missing, cannot be written, or another run works on this target.
    """

    def __init__(self, target: Path, *, goes_on: bool = False) -> None:
        self.target = target
        self.outlasts: tuple[str, ...] = ()
        """What stays for the next run where this one is interrupted."""
        self.outlasts_errors = False
        """Whether it stays after an error, too."""
        self.stays = False
        """Whether it is left as it is, for the next run."""
        self._goes_on = goes_on
        self.path = target.parent / f".{target.name}{STAGING_SUFFIX}"
        self._lock = -1

    def __enter__(self) -> Staging:
        if not self.target.parent.is_dir():
            raise OutputError("the folder to write into does not exist", hint="create it first")
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):  # a run that ends just now takes its folder away
                try:
                    self.path.mkdir(mode=0o700)
                except FileExistsError:
                    self._check_folder()
                self._lock = _lock_file(self.path / _LOCK)
                break
        if self._lock < 0:
            raise OutputError("busy: another run works on this target", hint="wait for it to end")
        if not self._goes_on:
            self.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stays:
            os.close(self._lock)
            return
        stays = self.outlasts_errors or (kind is not None and issubclass(kind, KeyboardInterrupt))
        if self.outlasts and kind is not None and stays:
            self.clear(self.outlasts)
            os.close(self._lock)
            return
        self.clear((VOLUMES,))  # last what tells `take_back` that all names were given
        self.clear()
        if sys.platform == "win32":  # no open file can be removed there
            os.close(self._lock)
            _remove_tree(self.path)
            return
        try:
            (self.path / _LOCK).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                _remove_unless_taken(self.path)
        finally:
            os.close(self._lock)

    def folder(self, name: str) -> Path:
        """A new folder in here."""
        path = self.path / name
        path.mkdir(mode=0o700)
        return path

    def _check_folder(self) -> None:
        facts = self.path.lstat()
        ours = sys.platform == "win32" or (facts.st_uid == os.geteuid() and not facts.st_mode & 0o077)
        if not stat.S_ISDIR(facts.st_mode) or not ours:
            raise OutputError("the staging folder's name is taken by something else", hint="remove it")

    def clear(self, keep: tuple[str, ...] = ()) -> None:
        """Remove what a run left that has died; the lock told it from one that lives."""
        for entry in self.path.iterdir():
            if entry.name not in (_LOCK, *keep):
                _remove_tree(entry)


def take_back(target: Path) -> None:
    """VOL-18: settle what a run left that died while it gave files their final names, or just after.

    A staged file keeps its name until all have their final ones, so that it tells which of these are ours. If
    all have, the result stands; otherwise none keeps its name, and what staging holds can be gone on with.
    Without hard links nothing can be told, and nothing is done.

    Raises:
        OutputError: the run lives.
    """
    staging = Staging(target, goes_on=True)
    if not os.path.lexists(staging.path):
        return
    with staging:
        staged = list((staging.path / VOLUMES).glob("*"))
        published = [path for path in staged if _is_same(path, target.parent / path.name)]
        if staged and len(published) == len(staged):
            return
        for path in published:
            (target.parent / path.name).unlink()
        staging.stays = any(entry.name not in (_LOCK, VOLUMES) for entry in staging.path.iterdir())


def remove_dead(target: Path) -> None:
    """Remove what a run left that died while it made the folder `target`.

    Raises:
        OutputError: the run lives.
    """
    staging = Staging(target)
    if os.path.lexists(staging.path):
        with staging:
            pass


def _remove_unless_taken(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:  # another run has put its lock there already
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _is_same(path: Path, final: Path) -> bool:
    return final.is_file() and not final.is_symlink() and path.samefile(final)


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock_file(path: Path) -> int:
        """An open descriptor that holds the lock, or -1 where somebody else does."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.close(descriptor)
            return -1
        return descriptor

else:
    import fcntl

    def _lock_file(path: Path) -> int:
        """An open descriptor that holds the lock, or -1 where somebody else does."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return -1
            raise
        try:
            same = os.path.samestat(os.fstat(descriptor), path.lstat())
        except FileNotFoundError:
            same = False
        if not same:  # whoever had it has just removed it, and others would not meet us here
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return descriptor


def write_again(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file in our own staging, where an attempt that died may have left its own."""
    path.unlink(missing_ok=True)
    return write_new(path, pieces, durable=False)


def write_new(path: Path, pieces: Iterable[bytes | memoryview], *, durable: bool = True) -> int:
    """Write a file that must not exist yet, mode 0600; return its size in bytes.

    With `durable` it is on the medium when this returns. A file that could not be finished is removed.
    """
    descriptor = os.open(path, _OPEN_NEW, 0o600)
    try:
        size = 0
        try:
            for piece in pieces:
                with _named(path):
                    size += _write_all(descriptor, piece)
            if durable:
                with _named(path):
                    os.fsync(descriptor)
        finally:
            with _named(path):
                os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return size


def replace_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put new contents, mode 0600, in the place of a small file: always the old ones or the new ones."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # of a run that died
    write_new(beside, pieces)
    try:
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class NewFile:
    """A file that must not exist yet, mode 0600, written at any place.

    After the `with` block it is on the medium; one that could not be finished is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, _OPEN_NEW, 0o600)

    def write_at(self, offset: int, piece: bytes | memoryview) -> None:
        """Write all of `piece` from `offset` on."""
        with _named(self._path):
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            _write_all(self._descriptor, piece)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        is_whole = False
        try:
            with _named(self._path):
                try:
                    if error is None:
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            is_whole = error is None
        finally:
            if not is_whole:
                self._path.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Of a descriptor the system does not say which file it is: whether it is output depends on that."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def _write_all(descriptor: int, piece: bytes | memoryview) -> int:
    view = memoryview(piece).cast("B")
    done = 0
    while done < len(view):  # a write may be short, and a signal may cut it
        done += os.write(descriptor, view[done : done + (1 << 26)])
    return done


class GrowingFile:
    """A file in our staging that is added to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, _OPEN_GROWING)

    def append(self, data: bytes) -> None:
        """Write at its end."""
        with _named(self._path):
            _write_all(self._descriptor, data)

    def cut(self, size: int) -> None:
        """Take away what comes after `size` bytes."""
        with _named(self._path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Wait until it is on the medium."""
        with _named(self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Give it back."""
        with _named(self._path):
            os.close(self._descriptor)


def sha256(path: Path) -> bytes:
    """Of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class SourceBytes:
    """The bytes of a source: read once, or mapped where they are too many.

    Raises:
        InputError: it has more than `limit` bytes, or changed while it was read: it is still being written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_size > limit:
                raise InputError(f"{facts.st_size} bytes, and this version packs files up to {limit}")
            mapped = facts.st_size > MAPPED_ABOVE
            self.data: bytes | memoryview = map_for_reading(file.fileno()) if mapped else file.read()
            self._path = path
            self._facts = facts.st_size, facts.st_mtime_ns
            self._check(os.fstat(file.fileno()))

    def check_unchanged(self) -> None:
        """See that what was mapped is still what it was, now that it has been used.

        Raises:
            InputError: somebody writes it.
        """
        if isinstance(self.data, memoryview):
            self._check(self._path.stat())

    def _check(self, facts: os.stat_result) -> None:
        if (facts.st_size, facts.st_mtime_ns) != self._facts or len(self.data) != facts.st_size:
            raise InputError("the file changed while it was read", hint="wait until it is complete")


class UnnamedFile:
    """A file without a name, mode 0600: it is gone when nobody uses it, and when its process dies.

    Args:
        folder: whose file system it is in; None: the system's place for such files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = Path(folder or tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # lives as long as this
        weakref.finalize(self, self._file.close)
        self.size = 0

    def append(self, piece: bytes | memoryview) -> int:
        """Add bytes at the end; give the offset where they begin."""
        start = self.size
        with _named(self._folder):
            self.size += _write_all(self._file.fileno(), piece)
        return start

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes that were added; fewer only where the file ends."""
        return _read_at(self._file.fileno(), offset, size)

    def mapped(self) -> memoryview:
        """All that was added, for reading."""
        return map_for_reading(self._file.fileno())

    def room(self, size: int) -> memoryview:
        """A place of so many zero bytes to write to, in a file that nothing was added to."""
        self._file.truncate(size)
        return _mapped(mmap.mmap(self._file.fileno(), size))


class FileAccess:
    """A file for reading at any place; the path is opened once and stays what it was."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, _OPEN_READ)
        facts = os.fstat(self._descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(self._descriptor)
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        self.size = facts.st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only where the file ends."""
        return _read_at(self._descriptor, offset, size)

    def mapped(self) -> memoryview:
        """The whole file; it stays when this is closed."""
        return map_for_reading(self._descriptor)

    def close(self) -> None:
        """Give the file back; once is enough."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size:
        if hasattr(os, "pread"):
            piece = os.pread(descriptor, size, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            piece = os.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        offset, size = offset + len(piece), size - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def allow_many_files() -> None:
    """A package may have more volumes than a process may have files open by default; ask for the maximum."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(_MANY_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def temporary_target() -> Path:
    """A name in the system's folder for temporary files, for a `Staging` folder of this run alone."""
    return Path(tempfile.gettempdir()) / f"dicompack-{os.getpid()}-{os.urandom(4).hex()}"


def check_room(folder: Path, size: int) -> None:
    """See that `size` bytes fit where `folder` is, before the work is done.

    Raises:
        OutputError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(f"not enough room: {size} bytes are needed, {free} are free", hint="make room")


def publish_files(staged: list[Path], folder: Path, *, replace: bool = False) -> None:
    """Give finished files of the same file system their final names, the first one last.

    Of several files that are replaced the first old one goes first: nobody takes a mixture for a package.

    Raises:
        OutputError: a name is taken; then none of the new files stays.
    """
    done: list[Path] = []
    if replace and len(staged) > 1:
        (folder / staged[0].name).unlink(missing_ok=True)
    try:
        for path in reversed(staged):
            _make_public(path)
            final = folder / path.name
            if replace:
                _name_over(path, final)
            else:
                _name_new(path, final)
            done.append(final)
    except BaseException:
        if not replace:
            for final in done:
                final.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _name_new(path: Path, final: Path) -> None:
    """Give the final name without replacing anything; the one in staging goes with the staging folder."""
    try:
        os.link(path, final)
    except FileExistsError as error:
        raise OutputError(f"{final.name} exists", hint="choose another name, or --force") from error
    except OSError:  # no hard links here: FAT, some network shares
        if os.path.lexists(final):
            raise OutputError(f"{final.name} exists", hint="choose another name, or --force") from None
        path.rename(final)


def _name_over(path: Path, final: Path) -> None:
    """Give the final name to a file, whatever had it; the one in staging stays, and tells which is ours."""
    other = path.with_name(f".{path.name}")
    try:
        os.link(path, other)
    except OSError:  # no hard links here
        other = path
    other.replace(final)


def publish_folder(staged: Path, target: Path) -> None:
    """Give a finished folder its final name; the target is absent or an empty folder.

    Raises:
        OutputError: the target is in use.
    """
    for path in [staged, *staged.rglob("*")]:
        _make_public(path)
    sync_folder(staged)
    try:
        if target.is_dir() and target.samefile(Path.cwd()):
            # Nobody's shell should stand in a folder that was replaced under it.
            for entry in sorted(staged.iterdir()):
                entry.rename(target / entry.name)
            return
        if sys.platform == "win32" and target.is_dir():
            target.rmdir()
        staged.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY, errno.EACCES):
            raise OutputError("the target folder is in use", hint="name a new folder") from error
        raise
    sync_folder(target.parent)


def check_target_folder(target: Path) -> None:
    """See that a folder can be made of this name.

    Raises:
        OutputError: it is something else, or holds something.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError("the target exists and is not a folder", hint="name a new folder")
    if target.is_dir() and any(target.iterdir()):
        raise OutputError("the target folder is not empty", hint="name a new or an empty folder")


def member_path(folder: Path, components: Iterable[str]) -> Path:
    """The path of an unpacked file. Whoever made the components, they must be plain names.

    Raises:
        OutputError: a component could lead elsewhere or is no name on some system.
    """
    path = folder
    for component in components:
        if _safe(component) != component:
            raise OutputError("a name that is not safe to write")
        path /= component
    return path


def _safe(component: str) -> str:
    """The nearest name that every system takes for a plain file name."""
    name = "".join(
        "_" if one in _FORBIDDEN or unicodedata.category(one) in _UNSEEN else one for one in component
    )
    if len(name.encode()) > _MAX_COMPONENT:
        name = name.encode()[:_MAX_COMPONENT].decode(errors="ignore")
    if not name or name[-1] in ". " or name[0] == " ":
        name = f"{name.strip(' ').rstrip('. ')}_"
    return f"_{name}" if _RESERVED.fullmatch(name) else name


class RestoredNames:
    """Gives originals their own names back as far as these are safe, each a different one on every system.

    Systems differ in whether case and the form of accents matter; here they never tell two names apart.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def components(self, name: str) -> tuple[str, ...]:
        """The name to write, component by component, for a relative path with ``/`` in it."""
        *folders, last = (_safe(component) for component in name.split("/"))
        path: list[str] = []
        for component in folders:
            path.append(_free(path, component, (self._files,)))
            self._folders.add(_key(path))
        path.append(_free(path, last, (self._files, self._folders)))
        self._files.add(_key(path))
        return tuple(path)


def _free(folder: list[str], component: str, taken: Iterable[set[str]]) -> str:
    """The component, with a number where something else has that name."""
    stem, dot, ending = component.rpartition(".")
    number, name = 1, component
    while any(_key([*folder, name]) in names for names in taken):
        number += 1
        name = f"{stem} ({number}).{ending}" if dot and stem else f"{component} ({number})"
    return name


def _key(path: Iterable[str]) -> str:
    name = "/".join(path)
    if name.isascii():  # of a hundred thousand names most are
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def make_folders(folder: Path, path: Path) -> None:
    """Create the folders between `folder` and `path`, mode 0700."""
    missing: list[Path] = []
    while path != folder and not path.is_dir():
        missing.append(path)
        path = path.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another worker was faster
            path.mkdir(mode=0o700)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()  # once, at import: it cannot be read without setting it


def _make_public(path: Path) -> None:
    """What the person's umask would have given; staging had taken it away."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_UMASK)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last through a power cut, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with _named(folder):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and FUSE file systems
            raise
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------------------------- mapped files

# Pages of a mapped file count as this process's memory until they are given back, which costs little: they
# stay in the system's cache, and come back when they are touched.
_GIVEN_BACK_EVERY = 0.02  # seconds, in which some 40 MB can be touched
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_changing_maps = threading.Lock()
_giving_back = threading.Lock()


def map_for_reading(descriptor: int) -> memoryview:
    """The bytes of an open file, which may be closed then. They are gone when no view is left.

    Raises:
        ValueError: the file is empty.
    """
    return _mapped(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))


def _mapped(mapping: mmap.mmap) -> memoryview:
    with _changing_maps:
        _maps.add(mapping)
    give_back_mapped()
    return memoryview(mapping)


def give_back_mapped() -> None:
    """From now on this process gives pages back; a copy of one that does has to begin anew."""
    if hasattr(mmap, "MADV_DONTNEED") and _giving_back.acquire(blocking=False):
        threading.Thread(target=_give_back, daemon=True).start()


def _all_maps() -> list[mmap.mmap]:
    with _changing_maps:
        return [*_maps]


def _give_back() -> None:
    """While there are mappings, none of their pages stays for long; views remain valid all the time."""
    while True:
        while mappings := _all_maps():
            for mapping in mappings:
                mapping.madvise(mmap.MADV_DONTNEED)
            del mapping, mappings
            time.sleep(_GIVEN_BACK_EVERY)
        _giving_back.release()
        # Who made a mapping just before the release has found us still at work, and began no other thread.
        if not _all_maps() or not _giving_back.acquire(blocking=False):
            return


def _after_fork() -> None:
    """Threads do not come along; the next mapping begins another one."""
    global _changing_maps, _giving_back
    _changing_maps, _giving_back = threading.Lock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
