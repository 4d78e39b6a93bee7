"""The independent check: is anything that identifies the source in what is about to leave?

It knows nothing of what de-identification did, looks at the finished bytes only, and stops the run where it
finds something. Messages name tags, never values.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dicompack.dicom import dicom_file, tags
from dicompack.dicom.changes import attribute_name
from dicompack.dicom.codestream_comments import comments
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, Sequence, bytes_of, tag_text
from dicompack.dicom.dicom_file import DicomFile
from dicompack.dicom.identifying_values import NOTHING, IdentifyingValues, identifying_values
from dicompack.errors import SuspectError

# CHK-2: samples are no text; neither are lookup tables, waveforms and indices, in which words stand by
# chance. The certificate and the value of a Digital Signature are made by the run.
_NOT_LOOKED_INTO: Final = frozenset(
    (
        tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA, tags.SPECTROSCOPY_DATA,
        0x54001010, 0x00281201, 0x00281202, 0x00281203, 0x00281204, 0x00281221, 0x00281222, 0x00281223,
        0x00281224, 0x00281408, 0x00283006, 0x00660023, 0x00660024, 0x00660025, 0x00660029,
    )
)  # fmt: skip
_OF_THE_SIGNATURE: Final = frozenset((tags.CERTIFICATE_OF_SIGNER, tags.SIGNATURE))

_TEXT_VRS: Final = frozenset("AE LO LT PN SH ST UC UR UT".split())
_NUMBER_TEXT_VRS: Final = frozenset("AS DA DS DT IS TM".split())
_NUMBER_VRS: Final = frozenset("AT FD FL OD OF OL OV SL SS SV UL US UV".split())

# CHK-3: what product it is; a maker may have the name of a person or a hospital.
_PRODUCTS: Final = frozenset(
    (0x00080070, 0x00081090, 0x00181016, 0x00181018, 0x00181019, 0x00181020, 0x00181022, 0x00181023)
)
# CHK-3: terms that say how to read an instance; people are called Norm and Young.
_TYPES_OF_IMAGES: Final = frozenset(
    (
        0x00080005, 0x00080008, 0x00080060, 0x00089007, 0x00089205, 0x00089206, 0x00089207, 0x00089208,
        0x00089209, 0x0040A010, 0x0040A040, 0x0040A050,
    )
)  # fmt: skip
_PIXEL_GROUP: Final = 0x0028
# CHK-3: a code of a vocabulary; departments number their steps by the codes of their procedures.
_CODES: Final = frozenset((0x00080100, 0x00080102, 0x00080119))
_BIRTH_DATE: Final = 0x00100030
_DATE_OPTIONS: Final = frozenset(("retain-longitudinal-full-dates", "retain-longitudinal-modified-dates"))

_TAG: Final = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r\f"
_MOSTLY = 0.85  # of the bytes printable: a text
_MIN_IN_BINARY = 6  # bytes of a word in bytes that are no text: shorter ones stand in 100 KB by chance
_MIN_NUMBER = 6  # digits of a number in a number's value: exposures and times have fewer
_MIN_UID_IN_TEXT = 10  # characters: shorter ones are version numbers
_MIN_BASE64 = 8

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}")
_PACKED = re.compile(rb"\x1f\x8b\x08|x[\x01\x5e\x9c\xda]|PK\x03\x04")
_UID = re.compile(rb"[0-9][0-9.]{6,}")
_WORD_BYTES = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")

# What a document may unpack to, and how deep documents stand in documents: more cannot be judged (CHK-6).
_MAX_UNPACKED = 64 << 20
_MAX_DEPTH = 3
_MAX_ZIP_NAME = 1 << 10


_KINDS: Final = ("text", "terms", "number", "uid", "bytes")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A value, and what it is: one of `_KINDS`."""

    where: str
    kind: str
    value: bytes


def check(
    source: DataSet,
    source_digest: bytes,
    finished: bytes,
    manifest: bytes | None = None,
    own: Collection[str] = (),
    *,
    options: Collection[str] = (),
    retained: Collection[int] = (),
    written: Mapping[int, str] | None = None,
) -> None:
    """See that a finished instance, and the MANIFEST, hold nothing that identifies the source.

    Args:
        source: the instance as it came.
        source_digest: SHA-256 of the source's bytes.
        finished: a DICOM File as it leaves.
        manifest: JSON in which the instance is described.
        own: values that the run made itself: dummies, pseudonyms, descriptions of what was done.
        options: of the profile, by the standard's names.
        retained: tags that a site keeps on purpose.
        written: values that the run made, which are its own at these tags alone.

    Raises:
        SuspectError: something was found; the message names tags only.
    """
    values = identifying_values(source, options, retained)
    check_instance(dicom_file.parse(finished), values, source_digest, own, options, written)
    if manifest is not None:
        check_manifest(manifest, values, [source_digest])


def check_instance(
    file: DicomFile,
    values: IdentifyingValues,
    source_digest: bytes,
    own: Collection[str] = (),
    options: Collection[str] = (),
    written: Mapping[int, str] | None = None,
) -> None:
    """See that a DICOM File holds none of these values; `file` is what a walk of the finished bytes gave.

    Raises:
        SuspectError: it does (CHK-4, CHK-5), or cannot be looked into (CHK-6).
    """
    made = _Made(
        frozenset(value.encode("utf-8") for value in own),
        {tag: value.encode("utf-8").rstrip(b" \0") for tag, value in (written or {}).items()},
    )
    chunks = [
        _Chunk("the preamble", "bytes", file.preamble),
        *_chunks(file.meta, made),
        *_chunks(file.data_set, made),
    ]
    _search(chunks, values, (source_digest,), not _DATE_OPTIONS.isdisjoint(options))


def check_manifest(manifest: bytes, values: IdentifyingValues, digests: Collection[bytes]) -> None:
    """See that the MANIFEST tells recipients none of these values of the sources.

    What it says of the package, and how members were compressed, are words of the run's own (CHK-2): what it
    says of members is looked into.

    Raises:
        SuspectError: it holds one (CHK-4, CHK-5).
    """
    said = _SaidOfMembers(frozenset(digests))
    json.loads(manifest, object_hook=said.hear)
    assert said.members == said.listed, "a member without a SOP Instance UID"
    if said.digest:  # CHK-5
        raise _suspect("the MANIFEST", "CHK-5", None)
    chunks = [
        _Chunk("the MANIFEST", "uid" if set(text) <= _UID_CHARACTERS else "text", text.encode("utf-8"))
        for text in sorted(said.texts)
    ]
    _search(chunks, values, ())


_UID_CHARACTERS = frozenset("0123456789.")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _SaidOfMembers:
    """Each text that a MANIFEST has about members, once; members are forgotten as they come."""

    def __init__(self, digests: Collection[bytes]) -> None:
        self._digests = digests
        self.members = self.listed = 0
        self.digest = False
        """Whether one of the digests is there."""
        self.texts: set[str] = set()

    def hear(self, record: dict[str, object]) -> list[str]:
        """A record of JSON, after those in it; gives what is said in it."""
        texts: list[str] = []
        for key, value in record.items():
            if isinstance(value, str):
                texts.append(value)
            elif key == "members" and isinstance(value, list):
                self.listed = len(value)
            elif key != "compression" and isinstance(value, list):
                texts += value  # of the record that stood there
        if "sop_instance_uid" not in record:
            return texts
        self.members += 1
        for text in texts:
            if not _SHA256.fullmatch(text):
                self.texts.add(text)
            elif bytes.fromhex(text) in self._digests:
                self.digest = True
        return []


@dataclass(frozen=True, slots=True)
class _Made:
    """What the run made itself: some values wherever they stand, others at one tag."""

    anywhere: Collection[bytes]
    at: Mapping[int, bytes]

    def __contains__(self, element: Element) -> bool:
        value = bytes(element.value).rstrip(b" \0")
        return value in self.anywhere or self.at.get(element.tag) == value


def _chunks(data_set: DataSet, own: _Made, of_signature: bool = False) -> Iterator[_Chunk]:
    for node in data_set:
        if isinstance(node, Sequence):
            signs = node.tag == tags.DIGITAL_SIGNATURES_SEQUENCE
            for item in node.items:
                yield from _chunks(item, own, signs)
        elif node.tag == tags.PIXEL_DATA and isinstance(node, Encapsulated):  # CHK-8
            for said in (one for fragment in node.fragments for one in comments(bytes_of(fragment))):
                yield _Chunk(f"a codestream of {tag_text(node.tag)}", _kind_of(said), said)
        elif node.tag in _NOT_LOOKED_INTO or (of_signature and node.tag in _OF_THE_SIGNATURE):  # CHK-2
            continue
        elif isinstance(node, Encapsulated):
            for fragment in node.fragments:
                yield _Chunk(tag_text(node.tag), "bytes", bytes(bytes_of(fragment)))
        elif len(node.value) and (chunk := _chunk(node, own)):
            yield chunk


def _chunk(element: Element, own: _Made) -> _Chunk | None:
    value, vr = bytes(element.value), element.vr
    if vr in _NUMBER_VRS and not element.tag >> 16 & 1:
        return None
    if vr == "UI":
        kind = "uid"
    elif element in own:  # CHK-2
        return None
    elif element.tag in _PRODUCTS or (vr == "CS" and _is_of_structure(element.tag)):
        kind = "terms"
    elif vr in _NUMBER_TEXT_VRS or element.tag in _CODES:
        kind = "number"
    else:
        kind = "text" if vr in _TEXT_VRS or vr == "CS" else _kind_of(value)
    return _Chunk(tag_text(element.tag), kind, value)


def _is_of_structure(tag: int) -> bool:
    return tag in _TYPES_OF_IMAGES or tag >> 16 == _PIXEL_GROUP


def _kind_of(value: bytes) -> str:
    bare = value.translate(None, b"\0")
    strange = len(bare.translate(None, _PRINTABLE))
    return "text" if strange <= len(bare) * (1 - _MOSTLY) else "bytes"


def _search(
    chunks: list[_Chunk], values: IdentifyingValues, digests: tuple[bytes, ...], has_dates: bool = False
) -> None:
    """All chunks of a kind at once; one by one only to say where it is."""
    wanted = _Wanted(values, digests, has_dates)
    for kind in _KINDS:
        alike = [chunk for chunk in chunks if chunk.kind == kind]
        together = wanted.found_in(b"\n\n".join(chunk.value for chunk in alike), kind) if alike else None
        if together:
            for chunk in alike:
                if found := wanted.found_in(chunk.value, kind):
                    raise _suspect(chunk.where, *found)
            raise _suspect("several attributes together", *together)


def _suspect(where: str, rule: str, tag: int | None) -> SuspectError:
    what = "the sha-256 of the source" if tag is None else f"the value of {tag_text(tag)} of the source"
    return SuspectError(
        _TAG.sub(_with_name, f"{what} is left in {where}"),
        rule=rule,
        hint="clean-descriptors or a site profile can remove what is left in an attribute",
    )


def _with_name(tag: re.Match[str]) -> str:
    """A person knows an attribute by its name."""
    return f"{attribute_name(int(tag[1] + tag[2], 16))} {tag[0]}".lstrip()


class _Wanted:
    """What is looked for, in the forms that each kind of value can have it in."""

    def __init__(self, values: IdentifyingValues, digests: tuple[bytes, ...], has_dates: bool) -> None:
        self._digests = [(one, one.hex().encode("ascii"), base64.b64encode(one)) for one in digests]
        self._uids = values.uids
        words = values.words
        self._words = {
            "text": {**values.dates, **words},
            "terms": {word: tag for word, tag in words.items() if not word.isalpha()},  # CHK-3
            "number": {  # CHK-3
                word: tag
                for word, tag in words.items()
                if len(word) >= _MIN_NUMBER and word.isdigit() and not (has_dates and tag == _BIRTH_DATE)
            },
            "uid": NOTHING.words,
            "bytes": {word: tag for word, tag in words.items() if len(word) >= _MIN_IN_BINARY},  # CHK-3
        }

    def found_in(self, value: bytes, kind: str, depth: int = 0) -> tuple[str, int | None] | None:
        """The rule and the tag of the first thing found; the tag is None for a digest."""
        lower = value.lower()
        for raw, hexadecimal, coded in self._digests:
            if raw in value or hexadecimal in lower or coded in value:  # CHK-5
                return "CHK-5", None
        found = self._plain(lower, kind)
        if found is None and b"\0" in value:  # UTF-16, both ways: what is left is Latin text
            found = self._plain(lower.translate(None, b"\0"), kind)
        if found is not None:
            return "CHK-4", found
        if kind in ("text", "bytes"):
            return self._in_base64(value, depth) or self._in_documents(value, depth)
        return None

    def _plain(self, lower: bytes, kind: str) -> int | None:
        for word, tag in self._words[kind].items():  # CHK-4
            if word in lower and _is_whole(word, lower):
                return tag
        if self._uids and kind not in ("number", "terms"):
            least = 0 if kind == "uid" else _MIN_UID_IN_TEXT
            for run in _UID.findall(lower) if kind != "uid" else re.split(rb"[\\\0 \n]+", lower):
                for uid in _prefixes(run.strip(b".")):
                    if len(uid) >= least and uid in self._uids:
                        return self._uids[uid]
        return None

    def _in_base64(self, value: bytes, depth: int) -> tuple[str, int | None] | None:
        """What stands in it from each of the four places where a group of characters can begin."""
        if depth >= _MAX_DEPTH:
            return None
        texts, documents = [], []
        for match in _BASE64.finditer(value):
            run = match.group()
            for start in range(4):
                size = (len(run) - start) // 4 * 4
                data = binascii.a2b_base64(run[start : start + size] + _rest(run[start + size :]))
                if _kind_of(data) == "text":
                    texts.append(data)
                elif start == 0 and len(data) >= 32:
                    documents.append(data)
        if texts and (found := self.found_in(b"\n\n".join(texts), "text", _MAX_DEPTH)):
            return found
        for data in documents:
            if found := self.found_in(data, "bytes", depth + 1):
                return found
        return None

    def _in_documents(self, value: bytes, depth: int) -> tuple[str, int | None] | None:
        if depth >= _MAX_DEPTH:
            return None
        room = _MAX_UNPACKED
        for data in _unpacked(value):
            room -= len(data)
            if room < 0:  # CHK-6
                raise SuspectError("a compressed value is too large to be looked into", rule="CHK-6")
            if found := self.found_in(data, _kind_of(data), depth + 1):
                return found
        return None


def _rest(run: bytes) -> bytes:
    """The last, short group with its padding; a single character says nothing."""
    return run + b"=" * (4 - len(run)) if len(run) > 1 else b""


def _prefixes(uid: bytes) -> Iterator[bytes]:
    """A UID, and what it is made from: some software appends numbers to the UID of a study."""
    while uid.count(b".") >= 2:
        yield uid
        uid = uid[: uid.rfind(b".")]


def _is_whole(word: bytes, text: bytes) -> bool:
    """Whether a word stands in a text with no letter or digit before or after it."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        before = at > 0 and word[0] in _WORD_BYTES and text[at - 1] in _WORD_BYTES
        after = end < len(text) and word[-1] in _WORD_BYTES and text[end] in _WORD_BYTES
        if not (before or after):
            return True
        at = text.find(word, at + 1)
    return False


def _unpacked(value: bytes) -> Iterator[bytes]:
    """What zlib, gzip and ZIP streams in a value hold, wherever they begin."""
    for match in _PACKED.finditer(value):
        start, mark = match.start(), match.group()
        if mark[:2] == b"PK":
            names = int.from_bytes(value[start + 26 : start + 28], "little")
            extra = int.from_bytes(value[start + 28 : start + 30], "little")
            if names <= _MAX_ZIP_NAME:
                yield _inflated(value[start + 30 + names + extra :], -zlib.MAX_WBITS)
        else:
            yield _inflated(value[start:], zlib.MAX_WBITS | 32)


def _inflated(data: bytes, wbits: int) -> bytes:
    """As much as can be inflated; nothing where it is no such stream."""
    inflater = zlib.decompressobj(wbits)
    try:
        return inflater.decompress(data, _MAX_UNPACKED + 1)
    except zlib.error:
        return b""
