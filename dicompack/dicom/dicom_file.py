"""A DICOM File, both directions: preamble, prefix, File Meta Information, data set (PS3.10 §7).

What is DICOM is decided by content alone: the ``DICM`` prefix after 128 bytes or, where it is missing, a
sound data set from the first byte on.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dicompack.dicom import encoding, tags
from dicompack.dicom.dataset import (
    Buffer,
    DataSet,
    Element,
    Encapsulated,
    Node,
    Piece,
    padded,
    string_element,
)
from dicompack.dicom.dictionary import LONG_VRS, SHORT_VRS, dictionary_vr, registered_uid
from dicompack.dicom.transfer_syntaxes import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TransferSyntax,
    transfer_syntax,
)
from dicompack.errors import FormatError, InputError, NotDicomError

PREAMBLE_SIZE = 128
PREFIX = b"DICM"
_META_GROUP = b"\2\0"
HEAD_SIZE = PREAMBLE_SIZE + len(PREFIX)

DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
IMPLEMENTATION_CLASS = "2.25.217408312871309482176359250436135318129"
IMPLEMENTATION_VERSION = "DICOMPACK_1"

# A data set of zeros deflates 1032 : 1; medical images stay below 20 : 1 and headers below 200 : 1.
MAX_INFLATION = 200
MAX_INFLATED = 1 << 30  # it is held in memory
MIN_INFLATED_LIMIT = 64 << 20  # small deflated files may be blank images

_PIXEL_CARRIERS = (
    tags.PIXEL_DATA,
    tags.FLOAT_PIXEL_DATA,
    tags.DOUBLE_FLOAT_PIXEL_DATA,
    tags.SPECTROSCOPY_DATA,
    tags.PIXEL_DATA_PROVIDER_URL,
)
LARGE = 64 << 20
"""Bytes of a file that is not held in memory as a whole."""
_SAMPLES = (tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA)
_COMPARED = 1 << 20  # bytes at a time
# What systems run (CVE-2019-11687): the file is then an image and a program at the same time.
_EXECUTABLES = {
    b"MZ": "a Windows program",
    b"\x7fELF": "a Linux program",
    b"\xfe\xed\xfa\xce": "a macOS program",
    b"\xfe\xed\xfa\xcf": "a macOS program",
    b"\xce\xfa\xed\xfe": "a macOS program",
    b"\xcf\xfa\xed\xfe": "a macOS program",
    b"\xca\xfe\xba\xbe": "a macOS program",
    b"#!": "a script",
}
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")  # PS3.5 §9.1 forbids leading zeros; old devices write them


@dataclass(frozen=True, slots=True)
class DicomFile:
    """What a DICOM File holds. The values of `data_set` are views into the bytes that were parsed."""

    preamble: bytes
    meta: DataSet
    transfer_syntax: TransferSyntax
    data_set: DataSet

    @property
    def is_directory(self) -> bool:
        """Whether this is a DICOMDIR, which is no SOP Instance to transfer (PS3.10 §8.6)."""
        return DICOMDIR_CLASS in (
            self.meta.text(tags.MEDIA_STORAGE_SOP_CLASS_UID),
            self.data_set.text(tags.SOP_CLASS_UID),
        )


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that begins with these `HEAD_SIZE` bytes is worth a walk."""
    view = memoryview(head)
    return (
        head[PREAMBLE_SIZE:HEAD_SIZE] == PREFIX
        or (head[:2] == _META_GROUP and _starts_explicit(view))
        or _guess(view) is not None
    )


def parse(data: Buffer) -> DicomFile:
    """Walk a whole file.

    Raises:
        NotDicomError: it is something else.
        InputError, FormatError, UnsupportedError: it is DICOM, and broken or of an unknown kind.
    """
    view = memoryview(data)
    if view[PREAMBLE_SIZE:HEAD_SIZE] == PREFIX:
        return _parse_file(bytes(view[:PREAMBLE_SIZE]), view[HEAD_SIZE:])
    if len(view) >= 8 and bytes(view[:2]) == _META_GROUP and _starts_explicit(view):
        return _parse_file(b"", view)  # File Meta Information without preamble and prefix
    return _parse_bare(view)


def _parse_file(preamble: bytes, view: memoryview) -> DicomFile:
    meta, end = _parse_meta(view)
    rest = view[end:]
    uid = meta.text(tags.TRANSFER_SYNTAX_UID)
    if not uid:
        try:
            bare = _parse_bare(rest)
        except NotDicomError as error:
            raise InputError(
                "no transfer syntax is named, and no data set is recognised", rule="DCM-3"
            ) from error
        return DicomFile(preamble, meta, bare.transfer_syntax, bare.data_set)
    syntax = transfer_syntax(uid)
    if syntax.deflated:
        rest = memoryview(inflate(rest))
    return DicomFile(preamble, meta, syntax, encoding.parse(rest, syntax))


def _parse_meta(view: memoryview) -> tuple[DataSet, int]:
    """File Meta Information: group 0002, always explicit VR little endian (PS3.10 §7.1)."""
    at, claimed = 0, -1
    elements: list[Element] = []
    while bytes(view[at : at + 2]) == _META_GROUP:
        tag = 0x00020000 | int.from_bytes(view[at + 2 : at + 4], "little")
        vr = bytes(view[at + 4 : at + 6]).decode("ascii", "replace")
        if vr in SHORT_VRS:
            start = at + 8
            length = int.from_bytes(view[at + 6 : start], "little")
        elif vr in LONG_VRS and vr not in ("SQ", "UN"):
            start = at + 12
            length = int.from_bytes(view[at + 8 : start], "little")
        else:
            raise FormatError(
                "file meta information is not explicit VR", where=f"byte {at}", rule="DCM-2"
            )  # DCM-2
        if start + length > len(view):
            raise FormatError("truncated in the file meta information", where=f"byte {at}", rule="DCM-2")
        if elements and tag <= elements[-1].tag:
            raise FormatError("file meta elements out of order or twice", where=f"byte {at}", rule="DCM-2")
        elements.append(Element(tag, vr, view[start : start + length]))
        at = start + length
        if tag == tags.GROUP_LENGTH:
            claimed = at + int.from_bytes(elements[0].value, "little")
    meta = DataSet(elements)
    if tags.GROUP_LENGTH in meta and claimed != at:
        raise FormatError("the file meta group length contradicts the elements", rule="DCM-2")
    return meta, at


def _parse_bare(view: memoryview) -> DicomFile:
    """A data set from the first byte on: the encoding is the one that all of it is sound in."""
    syntax = _guess(view)
    if syntax is None:
        raise NotDicomError("not DICOM: no prefix, and no data set", rule="DCM-1")  # DCM-1
    try:
        data_set = encoding.parse(view, syntax)
    except FormatError as error:
        raise InputError(
            f"looks like a data set without file meta information, but is broken: {error}", rule="DCM-1"
        ) from error
    if not data_set.text(tags.SOP_CLASS_UID) or not data_set.text(tags.SOP_INSTANCE_UID):
        raise NotDicomError("not DICOM: elements, but no SOP Instance", rule="DCM-1")
    return DicomFile(b"", DataSet(), syntax, data_set)


def _guess(view: memoryview) -> TransferSyntax | None:
    if len(view) < 16:
        return None
    little = int.from_bytes(view[:2], "little"), int.from_bytes(view[2:4], "little")
    big = int.from_bytes(view[:2], "big"), int.from_bytes(view[2:4], "big")
    if _starts_explicit(view):
        if little[0] == 0x0008:
            return EXPLICIT_LITTLE
        if big[0] == 0x0008:
            return EXPLICIT_BIG
        return None
    length = int.from_bytes(view[4:8], "little")
    known = dictionary_vr(little[0] << 16 | little[1]) != "UN"
    # The first element of every real data set is short: a character set, an image type, a group length.
    if little[0] == 0x0008 and known and length % 2 == 0 and length <= 256:
        return IMPLICIT_LITTLE
    return None


def _starts_explicit(view: memoryview) -> bool:
    return bytes(view[4:6]).decode("ascii", "replace") in SHORT_VRS | LONG_VRS


def executable_kind(preamble: bytes) -> str:
    """What would run a file with this preamble (PS3.10 §7.5); empty: nothing that is known here."""
    return next((kind for magic, kind in _EXECUTABLES.items() if preamble.startswith(magic)), "")


def is_uid(text: str) -> bool:
    """Whether a text is one UID (PS3.5 §9), be it with leading zeros."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def inflate(data: Buffer) -> bytes:
    """Undo the deflation of a data set (PS3.5 A.5), within bounds.

    Raises:
        FormatError: it is not deflated, is truncated, is followed by more than a pad byte, or grows beyond
            what a data set can be (DCM-11).
    """
    limit = min(max(MIN_INFLATED_LIMIT, MAX_INFLATION * len(data)), MAX_INFLATED)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = inflater.decompress(data, limit)
    except zlib.error as error:
        raise FormatError("the deflated data set is damaged", rule="DCM-11") from error  # DCM-11
    except MemoryError as error:  # a worker has less than the limit
        raise FormatError("the deflated data set grows beyond the memory there is", rule="DCM-11") from error
    if not inflater.eof:
        why = "grows too large" if inflater.unconsumed_tail else "is truncated"
        raise FormatError(f"the deflated data set {why}", rule="DCM-11")
    # Some writers leave the trailer of gzip behind the data; where it fits, it is no foreign bytes.
    trailer = zlib.crc32(result).to_bytes(4, "little") + (len(result) & 0xFFFFFFFF).to_bytes(4, "little")
    if inflater.unused_data.removeprefix(trailer) not in (b"", b"\0"):
        raise FormatError("bytes follow the deflated data set", rule="DCM-11")
    return result


def marshal(
    data_set: DataSet, syntax: TransferSyntax, *, deflate: bool = True, any_identity: bool = False
) -> list[Piece]:
    """A whole file in pieces: zero preamble, our own File Meta Information, the data set.

    With ``deflate=False`` the data set of the deflated Transfer Syntax is left as it is before deflation:
    that form is hashed, as deflated bytes differ from one zlib to the next. With ``any_identity`` the UIDs
    of the instance are what they are: of an original nobody may mend them.

    Raises:
        InputError: the data set lacks SOP Class UID or SOP Instance UID, or they are no UIDs.
    """
    if any_identity:
        identity = data_set.text(tags.SOP_CLASS_UID), data_set.text(tags.SOP_INSTANCE_UID)
    else:
        identity = check_identity(data_set)
    body = encoding.marshal(data_set, syntax)
    if syntax.deflated and deflate:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated = [deflater.compress(piece) for piece in encoding.gathered(body)]
        body = [padded(b"".join([*deflated, deflater.flush()]), b"\0")]
    return [*head(syntax, *identity), *body]


def head(syntax: TransferSyntax, sop_class: str, sop_instance: str) -> list[Piece]:
    """What stands before the data set: zero preamble, prefix, our own File Meta Information."""
    meta = _meta(syntax, sop_class, sop_instance)
    return [bytes(PREAMBLE_SIZE), PREFIX, *encoding.marshal(meta, EXPLICIT_LITTLE)]


def _meta(syntax: TransferSyntax, sop_class: str, sop_instance: str) -> DataSet:
    elements = [
        Element(tags.FILE_META_VERSION, "OB", b"\0\1"),
        string_element(tags.MEDIA_STORAGE_SOP_CLASS_UID, "UI", sop_class),
        string_element(tags.MEDIA_STORAGE_SOP_INSTANCE_UID, "UI", sop_instance),
        string_element(tags.TRANSFER_SYNTAX_UID, "UI", syntax.uid),
        string_element(tags.IMPLEMENTATION_CLASS_UID, "UI", IMPLEMENTATION_CLASS),
        string_element(tags.IMPLEMENTATION_VERSION_NAME, "SH", IMPLEMENTATION_VERSION),
    ]
    length = encoding.sizes(encoding.marshal(DataSet(elements), EXPLICIT_LITTLE))
    return DataSet([Element(tags.GROUP_LENGTH, "UL", length.to_bytes(4, "little")), *elements])


def check_identity(data_set: DataSet) -> tuple[str, str]:
    """SOP Class UID and SOP Instance UID of an instance.

    Raises:
        InputError: one is missing or is not a UID (PS3.5 §9).
    """
    return (
        check_one_uid(data_set, tags.SOP_CLASS_UID, "SOP Class UID"),
        check_one_uid(data_set, tags.SOP_INSTANCE_UID, "SOP Instance UID"),
    )


def check_one_uid(data_set: DataSet, tag: int, name: str) -> str:
    """The value of an element that must be one UID (PS3.5 §9).

    Raises:
        InputError: it is missing, several, or no UID.
    """
    uid = data_set.text(tag)
    if not is_uid(uid):
        raise InputError(f"the {name} is missing or malformed", rule="DCM-13")  # DCM-13
    return uid


def check_complete(data_set: DataSet) -> None:
    """See that a source is a whole instance; a file cut just between two elements shows in no length.

    A malformed SOP Instance UID does no harm here: it is replaced.

    Raises:
        InputError: an instance without SOP Instance UID, or an image that says how large it is, and has no
            pixels.
    """
    if not data_set.text(tags.SOP_INSTANCE_UID):
        raise InputError("there is no SOP Instance UID", rule="DCM-14")
    has_size = tags.ROWS in data_set and tags.COLUMNS in data_set
    says_size = tags.ROWS in data_set or tags.COLUMNS in data_set
    has_pixels = any(tag in data_set for tag in _PIXEL_CARRIERS)
    if (says_size and not has_pixels) or (is_image(data_set) and not (has_size and has_pixels)):
        raise InputError("truncated: an image without its pixels", rule="DCM-14")  # DCM-14


def is_image(data_set: DataSet) -> bool:
    """Whether the SOP Class is one of images, by its name in PS3.6 Table A-1."""
    sop_class = registered_uid(data_set.text(tags.SOP_CLASS_UID))
    return sop_class is not None and sop_class.name.removesuffix(" (Retired)").endswith("Image Storage")


def parse_canonical(data: Buffer) -> DicomFile:
    """Walk a file that `marshal` wrote, and refuse any other bytes.

    Raises:
        FormatError: a byte of the file is not what `marshal` would have written (DCM-15).
    """
    try:
        return _parse_canonical(data)
    except InputError as error:  # here it is no source that a person could mend
        raise FormatError(error.message, where=error.where, rule=error.rule) from error


def _parse_canonical(data: Buffer) -> DicomFile:
    file = parse(data)
    if not _consists_of(data, marshal(file.data_set, file.transfer_syntax)):  # DCM-15
        raise FormatError("a DICOM file that is not in its one canonical form", rule="DCM-15")
    return file


def _consists_of(data: Buffer, pieces: Iterable[Piece]) -> bool:
    """Whether these are the bytes of `data`, which is never copied as a whole."""
    view, at = memoryview(data), 0
    for piece in encoding.gathered(pieces):
        for start in range(0, len(piece), _COMPARED):
            part = bytes(piece[start : start + _COMPARED])
            if bytes(view[at : at + len(part)]) != part:
                return False
            at += len(part)
    return at == len(view)


def finished(
    data_set: DataSet, syntax: TransferSyntax, walk: Callable[[bytes], DicomFile] = parse
) -> tuple[list[Piece], DicomFile]:
    """A whole file in pieces, and what a walk of it gives; of a large one, without the bytes of its samples.

    Raises:
        InputError, FormatError: see `marshal` and `walk`.
    """
    pieces = marshal(data_set, syntax)
    if encoding.sizes(pieces) <= LARGE:
        whole = encoding.joined(pieces)
        return [whole], walk(whole)
    return pieces, walk(encoding.joined(marshal(_without_samples(data_set), syntax)))


def _without_samples(data_set: DataSet) -> DataSet:
    return data_set.replacing(*(_emptied(node) for node in data_set if node.tag in _SAMPLES))


def _emptied(node: Node) -> Node:
    if isinstance(node, Encapsulated):
        return Encapsulated(node.tag, node.vr, (b"",))
    return Element(node.tag, node.vr, b"")
