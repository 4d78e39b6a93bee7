"""Clean Structured Content (PS3.15 E.3.4): content items by their concept and by their value type.

The tree keeps its shape as far as it may: what has to go goes with everything below it, and references from
one content item to another are renumbered.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from dicompack.dicom.confidentiality.codes import CODE_VALUES
from dicompack.dicom.confidentiality.dates import Shift, shifted
from dicompack.dicom.confidentiality.descriptors import Vocabulary, cleaned
from dicompack.dicom.confidentiality.dummies import dummy_content, dummy_element
from dicompack.dicom.confidentiality.table import Option
from dicompack.dicom.dataset import DataSet, Element, Node, Sequence

EDITION: Final = "2023b"
"""Edition of Table E.3.4-1."""

CONTENT_SEQUENCE: Final = 0x0040A730
ACQUISITION_CONTEXT_SEQUENCE: Final = 0x00400555
SPECIMEN_PREPARATION_SEQUENCE: Final = 0x00400610
WAVEFORM_ANNOTATION_SEQUENCE: Final = 0x0040B020
_STEP_CONTENT_SEQUENCE: Final = 0x00400612

_CHARACTER_SET: Final = 0x00080005
_SCHEME: Final = 0x00080102
_VALUE_TYPE: Final = 0x0040A040
_CONCEPT_NAME: Final = 0x0040A043
_REFERENCE: Final = 0x0040DB73
_UNFORMATTED_TEXT: Final = 0x00700006

# Where the value of a type stands (PS3.3 Table C.17.3-1), of those types whose value is a plain one.
_VALUES: Final[Mapping[str, tuple[int, str]]] = {
    "TEXT": (0x0040A160, "UT"),
    "PNAME": (0x0040A123, "PN"),
    "DATETIME": (0x0040A120, "DT"),
    "DATE": (0x0040A121, "DA"),
    "TIME": (0x0040A122, "TM"),
    "UIDREF": (0x0040A124, "UI"),
}
_VALUE_TAGS: Final = tuple(tag for tag, _ in _VALUES.values())
_DATES: Final = frozenset(("DATE", "DATETIME", "TIME"))
# Their values are codes, numbers, references and coordinates, which the engine's own rules go through.
_OTHER_TYPES: Final = frozenset(
    "CODE COMPOSITE CONTAINER IMAGE NUM NUMERIC SCOORD SCOORD3D TCOORD WAVEFORM".split()
)

Path = tuple[int, ...]
"""Referenced Content Item Identifier: the number of each item on the way from the root, which is 1."""
_ROOT: Final[Path] = (1,)


@dataclass(frozen=True)
class Surroundings:
    """What the engine knows and does for the content items of its instance."""

    options: frozenset[Option]
    character_set: tuple[str, ...]
    shift: Shift | None
    """Where dates are modified."""
    attributes: Callable[[DataSet], DataSet]
    """The profile on a data set, all its sequences and codes (DEI-55) included."""
    new_uids: Callable[[Element], Element | None]
    """A UID element by the engine's rules, whatever they are under these options."""
    note_cut: Callable[[int, int], None] = lambda _tag, _count: None
    """Takes the tag and the number of passages cut out of a text."""


def cleaned_content(node: Sequence, vocabulary: Vocabulary, surroundings: Surroundings) -> Sequence:
    """Clean a sequence of content items: (0040,A730), (0040,0555), (0040,0610) or (0040,B020).

    A Content Sequence of which nothing remains gets the dummy of the Basic Profile; the others may be empty.
    """
    run = _Run(node, vocabulary, surroundings)
    if node.tag == SPECIMEN_PREPARATION_SEQUENCE:
        items = tuple(map(run.step, node.items))
    elif node.tag == WAVEFORM_ANNOTATION_SEQUENCE:
        items = tuple(map(run.annotation, node.items))
    else:
        items = tuple(run.items(node, _ROOT, surroundings.character_set))
    if node.tag == CONTENT_SEQUENCE and not items:
        return dummy_content(node.tag)
    return Sequence(node.tag, items)


class _Run:
    """One tree of content items."""

    def __init__(self, node: Sequence, vocabulary: Vocabulary, surroundings: Surroundings) -> None:
        self._vocabulary = vocabulary
        self._engine = surroundings
        self._new_paths = self._numbering(node) if node.tag == CONTENT_SEQUENCE else {}

    def items(self, node: Sequence, path: Path, character_set: tuple[str, ...]) -> Iterator[DataSet]:
        """The content items of a sequence that remain."""
        for number, item in enumerate(node.items, start=1):
            place = (*path, number)
            if (place in self._new_paths) if self._new_paths else self._code(item) != "X":
                yield self._item(item, place, character_set)

    def step(self, item: DataSet) -> DataSet:
        """A specimen preparation step: its content items apart, attributes as any others."""
        content = item.get(_STEP_CONTENT_SEQUENCE)
        if not isinstance(content, Sequence):
            return self._engine.attributes(item)
        steps = tuple(self.items(content, _ROOT, self._characters(item, self._engine.character_set)))
        rest = self._engine.attributes(item.without(_STEP_CONTENT_SEQUENCE))
        return rest.replacing(Sequence(_STEP_CONTENT_SEQUENCE, steps))

    def annotation(self, item: DataSet) -> DataSet:
        """A waveform annotation: text is free text, the rest codes and numbers."""
        rest = self._engine.attributes(item.without(_UNFORMATTED_TEXT))
        text = item.get(_UNFORMATTED_TEXT)
        if not isinstance(text, Element):
            return rest
        character_set = self._characters(item, self._engine.character_set)
        return rest.replacing(self._text(Element(text.tag, "ST", text.value), character_set))

    def _numbering(self, root: Sequence) -> dict[Path, Path]:
        """DEI-53: where each remaining item will stand. What refers to a removed item is removed."""
        items = dict(_walk(root, _ROOT))
        removed = {path for path, item in items.items() if self._code(item) == "X"}
        targets = {path: target for path, item in items.items() if (target := _target(item)) is not None}
        while gone := {
            path
            for path, target in targets.items()
            if path not in removed
            and ((target not in items and target != _ROOT) or _is_below(target, removed))
        }:
            removed |= gone
        numbers: dict[Path, int] = {}
        places: dict[Path, Path] = {_ROOT: _ROOT}
        for path in items:
            parent = path[:-1]
            if path not in removed and parent in places:
                numbers[parent] = numbers.get(parent, 0) + 1
                places[path] = (*places[parent], numbers[parent])
        return places

    def _item(self, item: DataSet, place: Path, character_set: tuple[str, ...]) -> DataSet:
        character_set = self._characters(item, character_set)
        content = item.get(CONTENT_SEQUENCE)
        rest = self._engine.attributes(item.without(CONTENT_SEQUENCE, _REFERENCE, *_VALUE_TAGS))
        nodes: list[Node] = []
        if (target := _target(item)) is not None:
            nodes.append(Element(_REFERENCE, "UL", struct.pack(f"<{len(target)}L", *self._new_paths[target])))
        value_type = item.text(_VALUE_TYPE)
        if value_type in _VALUES:
            nodes.append(self._value(item, value_type, character_set))
        if isinstance(content, Sequence):
            children = tuple(self.items(content, place, character_set))
            if children:
                nodes.append(Sequence(CONTENT_SEQUENCE, children))
        return rest.replacing(*nodes)

    def _value(self, item: DataSet, value_type: str, character_set: tuple[str, ...]) -> Element:
        """The value of a type that has a plain one; the dummy of its VR where nothing else can be said."""
        tag, vr = _VALUES[value_type]
        node, code, element = item.get(tag), self._code(item), None
        source = Element(tag, vr, node.value) if isinstance(node, Element) else None
        if source is None or not len(source.value) or (code == "D" and value_type != "UIDREF"):
            return dummy_element(tag, vr) if vr != "UI" else Element(tag, vr, b"")
        if value_type == "UIDREF":  # DEI-52; what is no UID is not kept, and there is no dummy of one
            return self._engine.new_uids(source) or Element(tag, vr, b"")
        if code == "K":
            element = source
        elif value_type in _DATES and self._engine.shift is not None:  # DEI-52
            element = shifted(source, self._engine.shift)
        elif value_type == "TEXT":  # DEI-51
            return self._text(source, character_set)
        return dummy_element(tag, vr) if element is None else element

    def _text(self, element: Element, character_set: tuple[str, ...]) -> Element:
        """DEI-51: free text cleaned; a dummy where nothing is left, since it may not be empty."""
        result = cleaned(element, self._vocabulary, character_set)
        self._engine.note_cut(element.tag, result.cut)
        if result.element is None or not bytes(result.element.value).strip(b" \0"):
            return dummy_element(element.tag, element.vr)
        return result.element

    def _code(self, item: DataSet) -> str:
        """K, C, D or X: by the row of concept and value type, else by the value type (DEI-50)."""
        value_type = item.text(_VALUE_TYPE)
        if _REFERENCE in item and not value_type:
            return "K" if _target(item) is not None else "X"
        if value_type not in _VALUES and value_type not in _OTHER_TYPES:  # DEI-54
            return "X"
        if row := table().get((*_concept(item), value_type)):
            codes = {row.options[option] for option in self._engine.options if option in row.options}
            return min(codes) if codes else row.profile
        if value_type in _DATES:
            if Option.RETAIN_LONGITUDINAL_FULL_DATES in self._engine.options:
                return "K"
            return "C" if self._engine.shift is not None else "D"
        return {"PNAME": "D", "TEXT": "C"}.get(value_type, "K")

    def _characters(self, item: DataSet, outer: tuple[str, ...]) -> tuple[str, ...]:
        return item.texts(_CHARACTER_SET) if _CHARACTER_SET in item else outer


@dataclass(frozen=True, slots=True)
class ContentRow:
    """One row of Table E.3.4-1."""

    value: str
    scheme: str
    value_type: str
    meaning: str
    profile: str
    """Action code without an option: X or D, the latter for X/D too, as it is valid for every template."""
    options: Mapping[Option, str]


@cache
def table() -> Mapping[tuple[str, str, str], ContentRow]:
    """Table E.3.4-1 by code value, scheme and value type."""
    text = resources.files(__package__).joinpath("structured_content.csv").read_text(encoding="ascii")
    lines = (line.split(",") for line in text.splitlines() if not line.startswith("#"))
    columns = tuple(Option(name) for name in next(lines)[5:])
    found = {}
    for value, scheme, value_type, meaning, profile, *codes in lines:
        options = {option: code for option, code in zip(columns, codes, strict=True) if code}
        row = ContentRow(value, scheme, value_type, meaning, profile[-1], options)
        found[value, scheme, value_type] = row
    return found


def _concept(item: DataSet) -> tuple[str, str]:
    """Code value and scheme of the concept name; empty without one."""
    for code in item.items(_CONCEPT_NAME):
        value = next((code.text(tag) for tag in CODE_VALUES if code.text(tag)), "")
        return value, code.text(_SCHEME)
    return "", ""


def _walk(node: Sequence, path: Path) -> Iterator[tuple[Path, DataSet]]:
    """Every content item with its path, parents first."""
    for number, item in enumerate(node.items, start=1):
        place = (*path, number)
        yield place, item
        content = item.get(CONTENT_SEQUENCE)
        if isinstance(content, Sequence):
            yield from _walk(content, place)


def _target(item: DataSet) -> Path | None:
    """The content item that a by-reference relationship leads to."""
    value = item.raw(_REFERENCE)
    if not value or len(value) % 4:
        return None
    return struct.unpack(f"<{len(value) // 4}L", value)


def _is_below(path: Path, removed: set[Path]) -> bool:
    return any(path[:length] in removed for length in range(1, len(path) + 1))
