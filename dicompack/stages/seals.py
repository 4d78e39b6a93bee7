"""SEALs and DIGESTS: what anybody can check of a package, and who has passed it on (``spec/5b-seals.md``).

Steps 2 and 3 of the order of checks in `stages.package`. The first SEAL is the originator's, each further one
that of somebody who has passed the package on to other recipients. All of them sign the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dicompack.container import digests, names, seal
from dicompack.container.digests import Digests, ObjectDigest
from dicompack.container.layout import Layout, SetIds, StoredObject
from dicompack.container.redundancy import MAXIMUM_ROUNDS, Fitting
from dicompack.container.seal import Seal
from dicompack.container.volumes import Package
from dicompack.crypto import der, enveloped, signed, time_stamps
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.crypto.signed import Signed
from dicompack.crypto.time_stamps import Stamp, TimeStamp
from dicompack.crypto.trust import Trusted
from dicompack.dicom.dataset import Buffer
from dicompack.errors import BadSignatureError, FormatError, UntrustedError
from dicompack.report import Finding
from dicompack.stages import envelope
from dicompack.stages.judging import Judge, Proven, proven_times

_PIECE_SIZE = 1 << 20
"""Bytes of an object at a time."""


@dataclass(frozen=True)
class Packed:
    """A package before it is written: where everything goes, and the objects that are not elsewhere."""

    layout: Layout
    objects: dict[str, bytes]
    findings: tuple[Finding, ...] = ()


# ------------------------------------------------------------------------------------------ there


def pack(
    content: Seal,
    earlier: Sequence[bytes],
    stored: Sequence[StoredObject],
    signer: SigningKey,
    at: datetime,
    fitting: Fitting,
    hidden_for: Sequence[Addressee] = (),
    stamp: Stamp | None = None,
) -> Packed:
    """The newest SEAL after `earlier` ones, and the place of everything; gives all SEALs as objects.

    Args:
        content: of the SEAL; the numbers of volumes are found here.
        earlier: the objects of the SEALs before it.
        stored: all other objects.
        signer: who makes this SEAL.
        at: when.
        fitting: finds them, from the volume size and the recovery that were asked for.
        hidden_for: those who may see the signer; empty: everybody.
        stamp: has somebody else state the time; asked only when all numbers are settled.
    """
    seals = {names.seal_name(number): data for number, data in enumerate(earlier, start=1)}
    newest = names.seal_name(content.sequence)
    ids = SetIds(content.set_id, content.volume_set)
    reserved = 0
    for _ in range(MAXIMUM_ROUNDS):
        numbered = replace(content, data_volumes=fitting.count, recovery_volumes=fitting.recovery)
        made = signed.sign(seal.marshal(numbered), signer, at)
        plain = envelope.pack(made, hidden_for).whole if hidden_for else made
        seals[newest] = plain
        layout = fitting.lay_out(_every(stored, seals, {newest: reserved}), ids)
        if not fitting.is_settled(layout):
            continue
        if stamp is None:
            return Packed(layout, seals, fitting.findings)
        made = signed.with_token(made, stamp(signed.verify(made).signature))
        seals[newest] = envelope.pack(made, hidden_for).whole if hidden_for else made
        layout = fitting.lay_out(_every(stored, seals), ids)
        if fitting.is_settled(layout):
            return Packed(layout, seals, fitting.findings)
        reserved = len(seals[newest]) - len(plain)
    raise AssertionError("the number of volumes does not settle")


def _every(
    stored: Sequence[StoredObject], seals: dict[str, bytes], more: dict[str, int] | None = None
) -> list[StoredObject]:
    added = more or {}
    return [*stored, *(StoredObject(name, len(data) + added.get(name, 0)) for name, data in seals.items())]


# ------------------------------------------------------------------------------------------- back


@dataclass(frozen=True)
class CheckedSeal:
    """What the SEALs say, after step 3."""

    first: Seal
    newest: Seal
    signatures: tuple[tuple[Signed, Trusted | None], ...]
    """Oldest first; without a trust decision only where none was asked for."""
    rows: dict[str, ObjectDigest]
    """Of each CMS object that DIGESTS name."""
    hidden: bool
    """Whether only recipients see who signed."""
    newest_sha256: str
    """Of the newest SEAL's statement, in hex: what the next one would name as `previous`."""
    times: tuple[Proven | None, ...]
    """By when each SEAL existed, as tokens that count prove it; oldest first."""
    findings: tuple[Finding, ...]

    @property
    def proven(self) -> Proven | None:
        """By when the content existed: every SEAL covers it, and so does the earliest token."""
        return self.times[0]


def seal_names(package: Package) -> list[str]:
    """The SEALs of a package, oldest first."""
    return [name for name in package.names if name.startswith("SEAL")]


def is_hidden(package: Package) -> bool:
    """Whether the signers are hidden from all but recipients; False also where there is no SEAL."""
    return any(enveloped.is_envelope(package.read(name)) for name in seal_names(package)[:1])


def check_seals(package: Package, judge: Judge | None, keys: Sequence[Opener] | None = None) -> CheckedSeal:
    """Steps 2 and 3 but for the objects' own digests; without `judge` nothing is said about origin.

    Raises:
        BadSignatureError: there is no SEAL, one is wrong, or it does not fit the package.
        NoMatchError: they are hidden, and not for these keys.
        UntrustedError: a signer is not trusted, or hidden from those without a key.
    """
    found = seal_names(package)
    if not found:  # (2) PKG-10
        raise BadSignatureError("there is no SEAL", rule="PKG-10", hint="do not use the data")
    hidden = is_hidden(package)
    if hidden and keys is None:
        raise hidden_signer()
    chain: list[tuple[Signed, Seal]] = []
    stamps: list[tuple[str, TimeStamp | None]] = []
    digest: str | None = None
    for name in found:
        data = package.read(name)
        if enveloped.is_envelope(data) != hidden:  # SEA-3
            raise FormatError("some SEALs are hidden, and some are not", where=name, rule="SEA-3")
        made = envelope.unpack(data, keys or ()) if hidden else data
        verified = signed.verify(made, may_be_stamped=True)
        token = verified.token
        stamps.append((name, None if token is None else time_stamps.verify(token, verified.signature)))
        content = seal.parse(verified.content, name)
        _check_link(package, chain[-1][1] if chain else None, digest, content, name)
        digest = hashlib.sha256(verified.statement).hexdigest()
        chain.append((verified, content))
    newest = chain[-1][1]
    _check_volumes(package, newest, found[-1])
    times, findings = proven_times(judge, stamps) if judge else ((None,) * len(chain), ())
    judged = tuple(
        (one, judge.signer(one.certificate, one.chain, proven) if judge else None)
        for (one, _), proven in zip(chain, times, strict=True)
    )
    table, rows = _digests_of(package)  # (3)
    if table.columns != newest.digests:  # PKG-12
        raise BadSignatureError(
            "DIGESTS are not those that the SEAL signs", where=names.DIGESTS, rule="PKG-12"
        )
    assert digest is not None
    return CheckedSeal(chain[0][1], newest, judged, rows, hidden, digest, times, findings)


def _digests_of(package: Package) -> tuple[Digests, dict[str, ObjectDigest]]:
    sealed = _sealed_names(package)
    table = digests.parse(package.read(names.DIGESTS), len(sealed))
    return table, dict(zip(sealed, table.rows, strict=True))


def _check_link(package: Package, before: Seal | None, digest: str | None, content: Seal, where: str) -> None:
    """A SEAL is one of this package, and continues the one before it."""
    place = before.sequence + 1 if before else 1
    if (content.set_id, content.sequence) != (package.ids.set_id, place):  # PKG-11
        raise BadSignatureError("the SEAL is that of another package", where=where, rule="PKG-11")
    if before is None:
        return
    same = _of_content(content) == _of_content(before)
    if content.previous != digest or not same:  # SEA-1
        raise BadSignatureError("the SEAL does not continue the one before it", where=where, rule="SEA-1")


def _of_content(content: Seal) -> tuple[object, ...]:
    """What whoever passes a package on cannot change: all but recipients, volumes and who signs."""
    counts = content.members, content.objects, content.originals, content.custody
    return content.envelope, *counts, content.digests[1]


def _sealed_names(package: Package) -> list[str]:
    return [name for name in package.names if name != names.DIGESTS and not name.startswith("SEAL")]


def _check_volumes(package: Package, newest: Seal, where: str) -> None:
    if newest.volume_set != package.ids.volume_set:  # PKG-11
        raise BadSignatureError("the SEAL is that of other volumes", where=where, rule="PKG-11")
    due = names.sealed_names(newest.objects, newest.originals, custody=newest.custody)
    stated = (newest.data_volumes, newest.recovery_volumes)
    if stated != (package.layout.count, package.layout.recovery) or _sealed_names(package) != due:  # PKG-11
        raise BadSignatureError(
            "the SEAL does not fit the package's objects or volumes", where=where, rule="PKG-11"
        )


def hidden_signer() -> UntrustedError:
    """What to say to somebody without a key about a package that hides who signed it."""
    return UntrustedError(  # SEA-2
        "the signer is hidden: origin cannot be checked without a recipient's key",
        rule="SEA-2",
        hint="a recipient can verify it; --integrity-only checks the rest",
    )


def check_digests_alone(package: Package) -> dict[str, ObjectDigest]:
    """DIGESTS of a package that hides its SEALs, for somebody without a key: they say nothing of origin.

    Raises:
        FormatError: their number is not that of the objects.
    """
    return _digests_of(package)[1]


def check_object(sealed: Buffer | der.Source, due: ObjectDigest, where: str) -> None:
    """Step 3 for one sealed object: its digests, its content type, algorithms and one representation.

    Raises:
        BadSignatureError: it is not the object that the SEAL covers.
    """
    source = der.InMemory(sealed) if isinstance(sealed, bytes | bytearray | memoryview) else sealed
    if _sha256(source, 0) != due.whole:  # PKG-13
        raise BadSignatureError("not the object that the SEAL covers", where=where, rule="PKG-13")
    if _sha256(source, enveloped.inspect(source).content_offset) != due.content:
        raise BadSignatureError("DIGESTS contradict the object", where=where, rule="PKG-13")


def _sha256(source: der.Source, start: int) -> bytes:
    digest = hashlib.sha256()
    for offset in range(start, source.size, _PIECE_SIZE):
        digest.update(source.read_at(offset, min(_PIECE_SIZE, source.size - offset)))
    return digest.digest()


class Stored:
    """An object of a package, read where it lies.

    It is not mapped: of a mapped file that somebody cuts, nothing but the end of the process would be told.
    """

    def __init__(self, package: Package, name: str) -> None:
        self._package, self._name = package, name
        self.size = package.size(name)

    def read_at(self, offset: int, size: int) -> bytes:
        """Some of its bytes."""
        return self._package.read_at(self._name, offset, size)
