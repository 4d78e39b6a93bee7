"""Bytes of an instance that nothing describes: no viewer shows them, no attribute says what they are.

Behind the end of a codestream, in its comments, in an offset table that points nowhere, behind the entries of
a lookup table: whatever stands there goes (DEI-65), for nobody can say that it is not about the patient.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from operator import is_not
from typing import Final

from dicompack.dicom import encapsulation
from dicompack.dicom.codecs import run_length
from dicompack.dicom.codestream_comments import bare
from dicompack.dicom.dataset import Buffer, DataSet, Element, Encapsulated, Node, Sequence, bytes_of, padded
from dicompack.dicom.pixelformat import PIXEL_DATA, PixelFormat, float_pixel_data, pixel_format
from dicompack.dicom.pixels import offset_table
from dicompack.dicom.transfer_syntaxes import TransferSyntax
from dicompack.errors import FormatError, InputError
from dicompack.report import Finding

_EXTENDED_OFFSETS: Final = 0x7FE00001
_EXTENDED_LENGTHS: Final = 0x7FE00002
_ITEM_HEADER: Final = 8
_PADDING: Final = 16
"""Bytes of 00 or FF behind a codestream that are taken for padding."""

# Lookup tables with the tag of their descriptor: palettes (PS3.3 C.7.9), Modality, VOI, Presentation (C.11).
_LOOKUP_TABLES: Final = {
    **{0x00281201 + colour: 0x00281101 + colour for colour in range(4)},
    0x00283006: 0x00283002,
}
_MOST_ENTRIES: Final = 1 << 16
"""What a descriptor means by 0 (C.7.6.3.1.5)."""
_ICC_PROFILE: Final = 0x00282000
_WAVEFORM_DATA: Final = 0x54001010
_CHANNELS, _SAMPLES, _BITS = 0x003A0005, 0x003A0010, 0x54001004


def without_undescribed(data_set: DataSet, syntax: TransferSyntax) -> tuple[DataSet, tuple[Finding, ...]]:
    """The same samples, tables and waveforms without such bytes (DEI-65), and what was cut.

    Raises:
        InputError: pixel data are not what the data set describes (PIX-1 to PIX-12), or a codestream cannot
            be followed to its end (DEI-66, RLE-1 to RLE-3).
    """
    encapsulation.check(data_set, syntax)
    layout, pixel_data = pixel_format(data_set), data_set.get(PIXEL_DATA)
    float_pixel_data(data_set)
    result, surplus = _fitted(data_set)
    findings = [_cut(surplus, "behind tables and waveforms")] if surplus else []
    if layout is not None and isinstance(pixel_data, Encapsulated):
        frames = None if encapsulation.is_video(syntax) else encapsulation.frames_of(data_set, layout)
        followed = [_followed(frame, layout, syntax, number) for number, frame in enumerate(frames or (), 1)]
        bare_frames = [frame for frame in followed if frame is not None]
        if frames is None or len(bare_frames) < len(frames):
            message = "codestreams of a kind that is not searched for text beside the samples"
            findings.append(Finding("codestream-not-searched", "", message, rule="DEI-65"))
        elif any(map(is_not, bare_frames, frames)) or not _tables_fit(result, pixel_data, frames):
            fragments = [frame if len(frame) % 2 == 0 else bytes(frame) + b"\0" for frame in bare_frames]
            surplus = sum(map(len, pixel_data.fragments)) - sum(map(len, fragments))
            findings.append(
                _cut(max(surplus, 0), "beside the samples of codestreams, offset table made anew")
            )
            whole = Encapsulated(PIXEL_DATA, pixel_data.vr, (offset_table(fragments), *fragments))
            result = result.without(_EXTENDED_OFFSETS, _EXTENDED_LENGTHS).replacing(whole)
    return result, tuple(findings)


def _cut(count: int, where: str) -> Finding:
    return Finding("undescribed-bytes", "", f"{count} bytes cut {where}", rule="DEI-65")


def _followed(frame: Buffer, layout: PixelFormat, syntax: TransferSyntax, number: int) -> Buffer | None:
    """A frame without what nothing describes, itself where that is nothing; None where it cannot be told."""
    try:
        if syntax.uid == encapsulation.RLE:
            run_length.check(frame, layout)
            return frame
        if syntax.uid in (encapsulation.DEFLATED_FRAMES, encapsulation.UNCOMPRESSED_FRAMES):
            return frame  # `encapsulation.check` has seen all of it
        rest = bare(frame)
    except FormatError as error:
        raise InputError(f"frame {number}: {error.message}", rule=error.rule) from error
    if rest is None:
        return None
    whole = bytes(frame)
    is_padding = len(whole) - len(rest) <= _PADDING and not whole[len(rest) :].strip(b"\0\xff")
    return frame if is_padding and whole.startswith(rest) else rest


def _tables_fit(data_set: DataSet, pixel_data: Encapsulated, frames: Several[Buffer]) -> bool:
    """Whether the offset tables say where the frames are, and nothing else."""
    table, *fragments = map(bytes_of, pixel_data.fragments)
    starts, offset, sizes = [], 0, iter(map(len, fragments))
    for frame in frames:
        starts.append(offset)
        size = 0
        while size < len(frame):
            fragment = next(sizes)
            size, offset = size + fragment, offset + _ITEM_HEADER + fragment
    lengths = [len(frame) for frame in frames]
    return (
        (not len(table) or _numbers(table, 4) == starts)
        and _numbers(data_set.raw(_EXTENDED_OFFSETS), 8) in ([], starts)
        and all(
            length - told in (0, 1)
            for length, told in zip(
                lengths, _numbers(data_set.raw(_EXTENDED_LENGTHS), 8) or lengths, strict=False
            )
        )
        and len(data_set.raw(_EXTENDED_LENGTHS) or b"") in (0, 8 * len(frames))
    )


def _numbers(value: Buffer | None, width: int) -> list[int]:
    view = memoryview(value or b"")
    return [int.from_bytes(view[at : at + width], "little") for at in range(0, len(view), width)]


def _fitted(data_set: DataSet) -> tuple[DataSet, int]:
    """Tables, profiles and waveforms at every level as long as they say that they are; how much that was."""
    changed: list[Node] = []
    cut = 0
    for node in data_set:
        if isinstance(node, Sequence):
            items = [_fitted(item) for item in node.items]
            if surplus := sum(count for _, count in items):
                changed.append(Sequence(node.tag, tuple(item for item, _ in items)))
                cut += surplus
        elif isinstance(node, Element) and node.tag in _MEASURED:
            due = _due(data_set, node)
            if due is not None and len(node.value) > due + due % 2:
                value = padded(bytes(memoryview(node.value)[:due]), b"\0")
                changed.append(Element(node.tag, node.vr, value))
                cut += len(node.value) - due
    return (data_set.replacing(*changed) if changed else data_set), cut


_MEASURED: Final = frozenset((*_LOOKUP_TABLES, _ICC_PROFILE, _WAVEFORM_DATA))


def _due(data_set: DataSet, element: Element) -> int | None:
    """Bytes that an element has by what describes it; None where nothing does."""
    if element.tag == _ICC_PROFILE:  # ISO 15076-1 §7.2.2: the size stands in front
        return int.from_bytes(element.value[:4], "big") or None
    if element.tag == _WAVEFORM_DATA:
        numbers = [data_set.number(tag) for tag in (_CHANNELS, _SAMPLES, _BITS)]
        channels, samples, bits = (number or 0 for number in numbers)
        return channels * samples * bits // 8 or None
    descriptor = _numbers(data_set.raw(_LOOKUP_TABLES[element.tag]), 2)
    if len(descriptor) != 3:
        return 0
    entries = descriptor[0] or _MOST_ENTRIES
    # Entries of eight bits stand in bytes or in words; both are written.
    return entries if descriptor[2] == 8 and len(element.value) < 2 * entries else 2 * entries
