"""The MANIFEST's contents: the closed list of members, and how each was made. For recipients only.

What stands here is what a recipient may know: nothing about a source file but what the de-identified
instance itself says (``spec/5-package.md``). UIDs are plain strings to this layer.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from sys import intern
from typing import TYPE_CHECKING, Any

from dicompack.container import canonical_json
from dicompack.container.faults import ContentsFormatError
from dicompack.container.limits import (
    MAXIMUM_CERTIFICATE_SIZE,
    MAXIMUM_FILE_SIZE,
    MAXIMUM_MANIFEST_SIZE,
    MAXIMUM_MEMBERS,
    MAXIMUM_PLAINTEXT,
    MAXIMUM_RECIPIENTS,
    PART_SIZE,
)
from dicompack.container.originals import ORIGINAL, Original, object_faults, original_value, parse_original
from dicompack.container.seal import ENVELOPE_AEAD, FORMAT, check_supported
from dicompack.container.shapes import (
    CODE_STRING,
    CODE_STRING_OR_EMPTY,
    PLAIN_TEXT,
    SET_ID_HEX,
    SHA256_HEX,
    TIME,
    UID,
    UID_OR_EMPTY,
    WORD,
    Record,
    array,
    base64_field,
    integer,
    is_sorted_set,
    one_of,
    parse_time,
    time_text,
)
from dicompack.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

CODECS = ("j2k", "htj2k", "jpegls")
CODEC_KEEP = "keep"
ROLE_RECIPIENT = "recipient"
ROLE_CUSTODIAN = "custodian"
ROLE_PASSWORD = "password"  # noqa: S105  # the name of a role
SEAL_PUBLIC = "public"
SEAL_HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One form of an instance: its whole file."""

    sha256: str
    """In hex, as all digests here."""
    size: int
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """The native pixel data as delivered."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Restore:
    """What the decompressed pixel data is called in the delivered instance."""

    vr: str
    """``OB`` or ``OW``."""
    photometric_interpretation: str
    planar_configuration: int | None


@dataclass(frozen=True, slots=True)
class Compression:
    """How the pixel data travels."""

    codec: str
    """One of `CODECS`, or ``keep``: as it was."""
    reason: str
    """Why it was kept; empty for a codec."""
    restore: Restore | None
    """None for ``keep``."""
    decoded_from: str = ""
    """Transfer Syntax that the pixel data were decoded from, where they are delivered in another form than
    the source had; otherwise empty."""


@dataclass(frozen=True, slots=True)
class ManifestMember:
    """One SOP Instance of the package. Its number is its place in the list."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    signed: FileFacts
    """As it travels, with its Digital Signature."""
    delivered: FileFacts
    """As `unpack` gives it."""
    pixels: PixelFacts | None
    """None where the instance has no pixel data."""
    compression: Compression
    signature_uid: str
    original: Original | None = None
    """The file that it was, where instances are packed as they are."""

    @property
    def objects(self) -> int:
        """CMS objects that hold it."""
        return objects_for(self.signed.size)

    @property
    def order(self) -> tuple[str, str]:
        """Members ascend by it."""
        return self.sop_instance_uid, self.signed.sha256


def lean(member: ManifestMember) -> ManifestMember:
    """The same, with what many members have in common only once in memory."""
    return replace(
        member,
        sop_class_uid=intern(member.sop_class_uid),
        sop_instance_uid=intern(member.sop_instance_uid),
        study_instance_uid=intern(member.study_instance_uid),
        series_instance_uid=intern(member.series_instance_uid),
        modality=intern(member.modality),
        signed=_lean_file(member.signed),
        delivered=_lean_file(member.delivered),
        compression=_once(member.compression),
    )


def _lean_file(facts: FileFacts) -> FileFacts:
    return replace(facts, transfer_syntax_uid=intern(facts.transfer_syntax_uid))


@lru_cache
def _once(compression: Compression) -> Compression:
    """The first one of those that are equal, of which there are few."""
    return compression


def objects_for(size: int) -> int:
    """How many CMS objects hold a signed file of this size: one, unless OpenSSL could not open that."""
    return 1 if size <= MAXIMUM_PLAINTEXT else -(-size // PART_SIZE)


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """One key that the package was sealed to by its originator."""

    key: str
    """SHA-256 of the SubjectPublicKeyInfo, in hex; of a password, of how a key is derived from it."""
    role: str = ROLE_RECIPIENT
    """`ROLE_CUSTODIAN` for one that can undo de-identification; `ROLE_PASSWORD` for what is no key."""


@dataclass(frozen=True, slots=True)
class Deidentification:
    """What was done to every instance (PS3.15 Annex E)."""

    profile: str
    options: tuple[str, ...]
    """Ascending."""
    edition: str


@dataclass(frozen=True)
class Manifest:
    """The whole list."""

    set_id: bytes
    created: datetime
    """UTC; written in whole seconds."""
    originator: str
    """SHA-256 of the signer's certificate, in hex."""
    recipients: tuple[RecipientKey, ...]
    """In ascending order of their keys."""
    instance_signer: bytes
    """DER of the certificate that signed the instances."""
    members: tuple[ManifestMember, ...]
    """In ascending order of SOP Instance UID, then of the signed file's SHA-256."""
    deidentification: Deidentification | None
    """None: the instances are packed as they are."""
    others: tuple[Original, ...] = ()
    """Files that are no instances, where those travel too."""
    seal: str = SEAL_PUBLIC
    envelope: str = ENVELOPE_AEAD

    @property
    def objects(self) -> tuple[range, ...]:
        """The numbers of the objects that hold each member: they stand one after the other."""
        ends = [*accumulate(member.objects for member in self.members)]
        return tuple(
            range(end - member.objects + 1, end + 1) for member, end in zip(self.members, ends, strict=True)
        )


_SIZE = integer(1, MAXIMUM_FILE_SIZE)
_FILE = Record({"sha256": SHA256_HEX, "size": _SIZE, "transfer_syntax_uid": UID})
_RESTORE = Record(
    {
        "photometric_interpretation": CODE_STRING,
        "planar_configuration": one_of(None, 0, 1),
        "vr": one_of("OB", "OW"),
    },
    nullable=True,
)
_MEMBER = Record(
    {
        "compression": Record(
            {
                "codec": one_of(*CODECS, CODEC_KEEP),
                "decoded_from": UID_OR_EMPTY,
                "reason": PLAIN_TEXT,
                "restore": _RESTORE,
            }
        ),
        "delivered": _FILE,
        "modality": CODE_STRING_OR_EMPTY,
        "objects": integer(1, MAXIMUM_MEMBERS),
        "original": Record(ORIGINAL.fields, nullable=True),
        "pixels": Record({"sha256": SHA256_HEX, "size": _SIZE}, nullable=True),
        "series_instance_uid": UID_OR_EMPTY,
        "signature_uid": UID,
        "signed": _FILE,
        "sop_class_uid": UID,
        "sop_instance_uid": UID,
        "study_instance_uid": UID_OR_EMPTY,
    }
)
_RECIPIENT = Record({"key": SHA256_HEX, "role": one_of(ROLE_RECIPIENT, ROLE_CUSTODIAN, ROLE_PASSWORD)})
_SHAPE = Record(
    {
        "created": TIME,
        "deidentification": Record(
            {
                "edition": WORD,
                "options": array(
                    "different words in ascending order",
                    lambda v: all(map(WORD.holds, v)) and is_sorted_set(v),
                ),
                "profile": one_of("basic"),
            },
            nullable=True,
        ),
        "envelope": one_of(ENVELOPE_AEAD),
        "format": one_of(FORMAT),
        "instance_signer": base64_field("a certificate in base64", MAXIMUM_CERTIFICATE_SIZE),
        "members": array(f"a list of 1 to {MAXIMUM_MEMBERS}", lambda v: 1 <= len(v) <= MAXIMUM_MEMBERS),
        "originator": SHA256_HEX,
        "others": array(f"a list of up to {MAXIMUM_MEMBERS}", lambda v: len(v) <= MAXIMUM_MEMBERS),
        "recipients": array(
            f"a list of 1 to {MAXIMUM_RECIPIENTS}", lambda v: 1 <= len(v) <= MAXIMUM_RECIPIENTS
        ),
        "seal": one_of(SEAL_PUBLIC, SEAL_HIDDEN),
        "set_id": SET_ID_HEX,
    }
)


def marshal(manifest: Manifest) -> bytes:
    """The JSON of a manifest.

    Raises:
        ContentsFormatError: PKG-2 to PKG-5 no reader would take it.
        UsageError: the time of creation has no time zone.
    """
    if manifest.created.tzinfo is None:
        raise UsageError("the time of creation needs a time zone")
    done = manifest.deidentification
    value = {
        "created": time_text(manifest.created),
        "deidentification": None
        if done is None
        else {"edition": done.edition, "options": list(done.options), "profile": done.profile},
        "envelope": manifest.envelope,
        "format": FORMAT,
        "instance_signer": base64.b64encode(manifest.instance_signer).decode("ascii"),
        "members": list(manifest.members),
        "originator": manifest.originator,
        "others": list(manifest.others),
        "recipients": [{"key": recipient.key, "role": recipient.role} for recipient in manifest.recipients],
        "seal": manifest.seal,
        "set_id": manifest.set_id.hex(),
    }
    lists = _Lists()
    raw = canonical_json.marshal(value, {"members": lists.written_member, "others": lists.written_other})
    _check(value, lists)
    return raw


def parse(raw: bytes) -> Manifest:
    """Read a manifest, after its tag and signature have been checked.

    Raises:
        ContentsFormatError: PKG-2 to PKG-5, with every fault in `faults`.
        FormatError: PKG-1.
        UnsupportedError: PKG-9 a newer format or envelope.
    """
    lists = _Lists()
    value = canonical_json.parse(
        raw,
        maximum_size=MAXIMUM_MANIFEST_SIZE,
        where="MANIFEST",
        each={"members": lists.read_member, "others": lists.read_other},
    )
    check_supported(value, "MANIFEST")
    _check(value, lists)
    done = value["deidentification"]
    return Manifest(
        set_id=bytes.fromhex(value["set_id"]),
        created=parse_time(value["created"]),
        originator=value["originator"],
        recipients=tuple(RecipientKey(item["key"], item["role"]) for item in value["recipients"]),
        instance_signer=base64.b64decode(value["instance_signer"]),
        members=tuple(value["members"]),
        deidentification=None
        if done is None
        else Deidentification(done["profile"], tuple(done["options"]), done["edition"]),
        others=tuple(value["others"]),
        seal=value["seal"],
        envelope=value["envelope"],
    )


class _Lists:
    """The two long lists, whose elements are checked one by one, and what is wrong with them."""

    def __init__(self) -> None:
        self.member_faults: list[str] = []
        self.other_faults: list[str] = []
        self._members = self._others = 0

    def read_member(self, value: Any) -> ManifestMember | None:
        """A member; None where it has faults."""
        return _member(value) if self._is_member(value) else None

    def written_member(self, member: ManifestMember) -> dict[str, Any]:
        """The reverse."""
        value = _member_value(member)
        self._is_member(value)
        return value

    def read_other(self, value: Any) -> Original | None:
        """A file that is no instance; None where it has faults."""
        return parse_original(value) if self._is_other(value) else None

    def written_other(self, other: Original) -> dict[str, Any]:
        """The reverse."""
        value = original_value(other)
        self._is_other(value)
        return value

    def _is_member(self, value: Any) -> bool:
        self._members += 1
        place = f"member {self._members}"
        faults = _MEMBER.faults(value, place) or _member_faults(value, place)
        self.member_faults += faults
        return not faults

    def _is_other(self, value: Any) -> bool:
        self._others += 1
        faults = ORIGINAL.faults(value, f"other {self._others}")
        self.other_faults += faults
        return not faults


def _member_value(member: ManifestMember) -> dict[str, Any]:
    compression, restore, pixels = member.compression, member.compression.restore, member.pixels
    return {
        "compression": {
            "codec": compression.codec,
            "decoded_from": compression.decoded_from,
            "reason": compression.reason,
            "restore": None
            if restore is None
            else {
                "photometric_interpretation": restore.photometric_interpretation,
                "planar_configuration": restore.planar_configuration,
                "vr": restore.vr,
            },
        },
        "delivered": _file_value(member.delivered),
        "modality": member.modality,
        "objects": member.objects,
        "original": None if member.original is None else original_value(member.original),
        "pixels": None if pixels is None else {"sha256": pixels.sha256, "size": pixels.size},
        "series_instance_uid": member.series_instance_uid,
        "signature_uid": member.signature_uid,
        "signed": _file_value(member.signed),
        "sop_class_uid": member.sop_class_uid,
        "sop_instance_uid": member.sop_instance_uid,
        "study_instance_uid": member.study_instance_uid,
    }


def _file_value(facts: FileFacts) -> dict[str, Any]:
    return {"sha256": facts.sha256, "size": facts.size, "transfer_syntax_uid": facts.transfer_syntax_uid}


def _member(value: dict[str, Any]) -> ManifestMember:
    """What many members have in common is only once in memory."""
    compression, pixels = value["compression"], value["pixels"]
    restore = compression["restore"]
    done = Compression(
        compression["codec"],
        compression["reason"],
        None if restore is None else Restore(**restore),
        compression["decoded_from"],
    )
    return ManifestMember(
        sop_class_uid=intern(value["sop_class_uid"]),
        sop_instance_uid=value["sop_instance_uid"],
        study_instance_uid=intern(value["study_instance_uid"]),
        series_instance_uid=intern(value["series_instance_uid"]),
        modality=intern(value["modality"]),
        signed=_file(value["signed"]),
        delivered=_file(value["delivered"]),
        pixels=None if pixels is None else PixelFacts(**pixels),
        compression=_once(done),
        signature_uid=value["signature_uid"],
        original=None if value["original"] is None else parse_original(value["original"]),
    )


def _file(value: dict[str, Any]) -> FileFacts:
    return FileFacts(value["sha256"], value["size"], intern(value["transfer_syntax_uid"]))


def _check(value: Any, lists: _Lists) -> None:
    """Of `value` the two long lists hold what their elements mean; what is wrong with those is in `lists`."""
    faults = _SHAPE.faults(value)
    if faults:  # PKG-2
        raise ContentsFormatError(faults, where="MANIFEST", rule="PKG-2")
    for number, recipient in enumerate(value["recipients"], start=1):
        faults += _RECIPIENT.faults(recipient, f"recipient {number}")
    if not faults and not is_sorted_set([recipient["key"] for recipient in value["recipients"]]):
        faults.append("the recipients are not in ascending order, or one is there twice")
    if faults:  # PKG-5
        raise ContentsFormatError(faults, where="MANIFEST", rule="PKG-5")
    if lists.member_faults:  # PKG-4
        raise ContentsFormatError(lists.member_faults, where="MANIFEST", rule="PKG-4")
    members: list[ManifestMember] = value["members"]
    _check_originals(members, value["others"], lists.other_faults, as_is=value["deidentification"] is None)
    faults = [
        f"member {number} is not after the one before it"
        for number, (before, after) in enumerate(pairwise(members), start=2)
        if before.order >= after.order
    ]
    if faults:  # PKG-3
        raise ContentsFormatError(faults, where="MANIFEST", rule="PKG-3")


def _check_originals(
    members: Sequence[ManifestMember], others: Sequence[Original], faults: Sequence[str], *, as_is: bool
) -> None:
    """Originals stand here where instances are packed as they are, and nowhere else."""
    faults = [
        *(
            f"member {number}.original does not go with the de-identification"
            for number, member in enumerate(members, start=1)
            if as_is == (member.original is None)
        ),
        *faults,
    ]
    if others and not as_is:
        faults.append("files that are no instances do not go with the de-identification")
    if faults:  # PKG-20
        raise ContentsFormatError(faults, where="MANIFEST", rule="PKG-20")
    originals = [member.original for member in members if member.original is not None]
    originals.sort(key=lambda one: one.restoring.object)
    faults = list(object_faults([*originals, *others]))
    if faults:  # ORG-9
        raise ContentsFormatError(faults, where="MANIFEST", rule="ORG-9")


def _member_faults(member: dict[str, Any], place: str) -> list[str]:
    """What the fields of a member must be together."""
    compression = member["compression"]
    kept = compression["codec"] == CODEC_KEEP
    faults = []
    if member["objects"] != objects_for(member["signed"]["size"]):
        faults.append(f"{place}.objects does not go with the size of the signed file")
    if kept != (compression["reason"] != ""):
        faults.append(f"{place}.compression.reason does not go with its codec")
    if kept != (compression["restore"] is None):
        faults.append(f"{place}.compression.restore does not go with its codec")
    if kept and compression["decoded_from"]:
        faults.append(f"{place}.compression.decoded_from does not go with its codec")
    if not kept and member["pixels"] is None:
        faults.append(f"{place}.pixels is null, although they were compressed")
    return faults
