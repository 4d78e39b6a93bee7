"""What a power cut may leave of a run: every call of it is recorded, and what was not synced may be lost.

The model is that of a careful system and a careless medium. What a file holds is sure when it was synced,
and before that may have all that was written, nothing, a part, or zeros. A name is sure when its folder was
synced, and before that each change of a name may be there or not, whatever came before or after it. A rename
is one change.
"""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dicompack.files import STAGING_SUFFIX
from tests.crash.faults import Program

_NAMES = (
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
)
_CONTENTS = ("write", "pwrite64", "lseek", "ftruncate")
_RECORDED = (*_NAMES, *_CONTENTS, "open", "openat", "fsync", "fdatasync", "chmod", "fchmod", "fchmodat")
_UNKNOWN = ("writev", "pwritev", "copy_file_range", "sendfile", "fallocate", "truncate", "symlink", "msync")
"""Calls that the model does not know; a run that makes one on what is recorded fails the test."""

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))", re.DOTALL)
_RESULT = re.compile(r"(.*)\) += (-?\d+)(?:<.*>)?(?: .*)?", re.DOTALL)
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
_OPENED = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>")


@dataclass(eq=False)
class _Node:
    """A file or a folder, as it is, and as much of it as is sure."""

    mode: int
    is_folder: bool = False
    data: bytearray = field(default_factory=bytearray)
    sure: bytes = b""
    names: dict[str, _Node] = field(default_factory=dict)
    sure_names: dict[str, _Node] = field(default_factory=dict)


@dataclass(eq=False)
class _Change:
    """A change of names, which comes to be as a whole or not: folder, name, and what it means then."""

    parts: tuple[tuple[_Node, str, _Node | None], ...]


class State:
    """A folder after a power cut."""

    def __init__(self, root: _Node, names: dict[_Node, dict[str, _Node]], data: dict[_Node, bytes]) -> None:
        self._root, self._names, self._data = root, names, data

    def signature(self) -> tuple[object, ...]:
        """Equal for states in which the same files are."""
        seen: dict[_Node, int] = {}
        return tuple(
            (path, seen.setdefault(node, len(seen)), None if node.is_folder else self._data[node])
            for path, node in self._all(self._root, "")
        )

    def has_final(self) -> bool:
        """Whether something has its final name."""
        return any(STAGING_SUFFIX not in name for name in self._names[self._root])

    def write(self, folder: Path) -> None:
        """Make a folder of it."""
        made: dict[_Node, Path] = {}
        for path, node in self._all(self._root, ""):
            place = folder / path
            if node in made:
                os.link(made[node], place)
                continue
            made[node] = place
            if node.is_folder:
                place.mkdir(exist_ok=True)
            else:
                place.write_bytes(self._data[node])
            place.chmod(node.mode)

    def _all(self, folder: _Node, prefix: str) -> Iterator[tuple[str, _Node]]:
        for name, node in sorted(self._names[folder].items()):
            yield prefix + name, node
            if node.is_folder:
                yield from self._all(node, f"{prefix}{name}/")


class Recording:
    """What a run has done to a folder, call by call."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)
        self._root = _node_of(folder)
        self._waiting: list[_Change] = []
        self._offsets: dict[tuple[str, str], int] = {}
        self._begun: dict[str, tuple[str, str]] = {}
        self._nodes: list[_Node] = []

    def states(self, log: Iterable[str], seed: int = 0) -> Iterator[tuple[int, str, State]]:
        """Number of the line, call, and a state that a cut after it may leave; last those after the end."""
        chance = random.Random(seed)
        number = 0
        for number, line in enumerate(log):
            if call := self._apply(line):
                for state in self._after_cut(chance):
                    yield number, call, state
        for state in self._after_cut(chance):
            yield number, "end", state

    # ------------------------------------------------------------------------------------- what may be left

    def _after_cut(self, chance: random.Random) -> Iterator[State]:
        waiting = self._waiting
        choices: list[list[_Change]] = [[], waiting]
        choices += [[one] for one in waiting]
        choices += [[other for other in waiting if other is not one] for one in waiting]
        choices += [[one for one in waiting if chance.random() < 0.5] for _ in range(2)]
        for chosen in choices:
            names = self._names_with(chosen)
            unsure = [one for one in names if not one.is_folder and bytes(one.data) != one.sure]
            whole = {one: one.sure if one in unsure else bytes(one.data) for one in names}
            yield State(self._root, names, whole)
            if unsure:
                yield State(self._root, names, whole | {one: bytes(one.data) for one in unsure})
                yield State(self._root, names, whole | {one: _zeros_for(one) for one in unsure})
                one = chance.choice(unsure)
                cut = (len(one.sure) + len(one.data)) // 2
                yield State(self._root, names, whole | {one: bytes(one.data[:cut])})

    def _names_with(self, chosen: list[_Change]) -> dict[_Node, dict[str, _Node]]:
        """The names in each folder, if these changes are there beside those that are sure; in a file none."""
        names = {node: dict(node.sure_names) for node in [self._root, *self._nodes, *_below(self._root)]}
        for change in chosen:
            for folder, name, node in change.parts:
                _set(names[folder], name, node)
        return names

    # ------------------------------------------------------------------------------------- what was done

    def _apply(self, line: str) -> str:
        parts = _LINE.match(_PATH.sub(lambda match: f"<{_bytes(match[1]).decode()}>", line))
        if parts is None:
            return ""
        process, resumed, rest, call, arguments = parts.groups()
        if resumed:
            call, before = self._begun.pop(process, (resumed, ""))
            arguments = before + rest
        elif arguments.endswith("<unfinished ...>\n"):
            self._begun[process] = call, arguments.removesuffix("<unfinished ...>\n")
            return ""
        ended = _RESULT.match(arguments)
        if ended is None or int(ended[2]) < 0:
            return ""
        concerns = self._folder in _plain(arguments)
        assert not (concerns and call in _UNKNOWN), line[:200]
        if not concerns or call not in _RECORDED:
            return ""
        return call if self._did(call, ended[1], int(ended[2]), arguments) else ""

    def _did(self, call: str, arguments: str, result: int, line: str) -> bool:
        """Whether anything is another way now."""
        paths = self._paths(call, arguments)
        if call in ("open", "openat"):
            self._offsets[str(result), paths[0]] = 0
            return self._opened(paths[0], arguments)
        if call in _NAMES:
            return self._named(call, paths)
        opened = _OPENED.match(arguments)
        if call in ("chmod", "fchmodat"):
            if node := self._find(paths[0]):
                node.mode = int(arguments.split()[-1], 8)
            return False
        assert opened is not None, line[:200]
        node, key = self._find(opened[2]), (opened[1], opened[2])
        if node is None:  # it has no name, and nobody will find it
            return False
        if call == "lseek":
            self._offsets[key] = result
            return False
        if call == "ftruncate":
            size = int(arguments.rpartition(",")[2])
            node.data[size:] = bytes(max(0, size - len(node.data)))
            return True
        if call in ("write", "pwrite64"):
            quoted = _QUOTED.search(arguments)
            assert quoted is not None and not quoted[2], line[:200]
            data = _bytes(quoted[1])[:result]
            start = int(arguments.rpartition(",")[2]) if call == "pwrite64" else self._offsets.get(key, 0)
            node.data.extend(bytes(max(0, start - len(node.data))))
            node.data[start : start + len(data)] = data
            self._offsets[key] = start + len(data)
            return True
        assert call in ("fsync", "fdatasync"), call
        if node.is_folder:
            for change in [one for one in self._waiting if any(part[0] is node for part in one.parts)]:
                for folder, name, meant in change.parts:
                    _set(folder.sure_names, name, meant)
                self._waiting.remove(change)
        else:
            node.sure = bytes(node.data)
        return True

    def _opened(self, path: str, arguments: str) -> bool:
        if "O_APPEND" in arguments and (node := self._find(path)):
            self._offsets = {
                key: len(node.data) if key[1] == path else at for key, at in self._offsets.items()
            }
        if "O_CREAT" not in arguments or self._find(path) is not None:
            assert "O_TRUNC" not in arguments, path
            return False
        self._change((path, self._new(_Node(int(arguments.split()[-1], 8)))))
        return True

    def _named(self, call: str, paths: list[str]) -> bool:
        if call.startswith("mkdir"):
            self._change((paths[0], self._new(_Node(0o700, is_folder=True))))
        elif call.startswith("rename"):
            self._change((paths[0], None), (paths[1], self._find(paths[0])))
        elif call.startswith("link"):
            self._change((paths[1], self._find(paths[0])))
        else:
            self._change((paths[0], None))
        return True

    def _new(self, node: _Node) -> _Node:
        self._nodes.append(node)
        return node

    def _change(self, *parts: tuple[str, _Node | None]) -> None:
        found = []
        for path, node in parts:
            above, _, name = path.rpartition("/")
            folder = self._find(above)
            if folder is None:  # it lies elsewhere
                continue
            _set(folder.names, name, node)
            found.append((folder, name, node))
        if found:
            self._waiting.append(_Change(tuple(found)))

    def _find(self, path: str) -> _Node | None:
        if path == self._folder:
            return self._root
        if not path.startswith(self._folder + "/"):
            return None
        node: _Node | None = self._root
        for name in path[len(self._folder) + 1 :].split("/"):
            node = node.names.get(name) if node is not None else None
        return node

    def _paths(self, call: str, arguments: str) -> list[str]:
        """The paths that a call names, absolute, where they are relative to an open folder, too."""
        if call in ("write", "pwrite64", "fsync", "fdatasync", "lseek", "ftruncate", "fchmod"):
            return []
        found = []
        for match in _QUOTED.finditer(arguments):
            path = _bytes(match[1]).decode()
            if not path.startswith("/"):
                opened = list(_OPENED.finditer(arguments, 0, match.start()))
                path = f"{opened[-1][2]}/{path}" if opened else path
            found.append(os.path.normpath(path))
        return found


def record(tracer: Program, arguments: list[object], folder: Path, log: Path) -> list[str]:
    """Every call of a sound run; one line each."""
    trace = ",".join((*_RECORDED, *_UNKNOWN))
    options = ["-f", "-y", "-xx", "-s", str(1 << 24), "-o", str(log), "-e", f"trace={trace}"]
    ended = tracer.call(arguments, options)
    assert ended.code == 0, ended.said
    return log.read_text("ascii").splitlines(keepends=True)


def _node_of(path: Path) -> _Node:
    """What is there before the run is sure."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if path.is_dir():
        names = {one.name: _node_of(one) for one in path.iterdir()}
        return _Node(mode, is_folder=True, names=names, sure_names=dict(names))
    return _Node(mode, data=bytearray(path.read_bytes()), sure=path.read_bytes())


def _zeros_for(node: _Node) -> bytes:
    """As long as it is, and nothing in it but what was there already when it was synced."""
    size = len(node.data)
    start = node.sure if node.data.startswith(node.sure) else b""
    return start + bytes(size - len(start))


def _below(node: _Node) -> Iterator[_Node]:
    for one in {*node.names.values(), *node.sure_names.values()}:
        yield one
        yield from _below(one)


def _set(names: dict[str, _Node], name: str, node: _Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _plain(text: str) -> str:
    """With quoted strings, which are paths or contents, as far as one has to read to find a folder."""
    return _QUOTED.sub(lambda match: _bytes(match[1][:8192]).decode("latin-1"), text)
