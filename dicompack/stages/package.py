"""Stage 5: the package. Sealed objects with MANIFEST, DIGESTS and SEAL, and the checks on the way back.

The order of checks (the numbers stand beside the code that does them, here and in the pipeline):

1. volume frames and entry grammar                                       (stage volumes)
2. SEAL chain: signatures, trust, predecessor, the set and the number of volumes   (seals)
3. DIGESTS against the newest SEAL; every object's digests, content type and algorithm   (seals)
4. MANIFEST: digest, tag, signature, signer trusted; only then parsed
5. MANIFEST against SEAL: set id, members, envelope, and one and the same signer; addressed to me
6. every member: digest, tag, plaintext digest, strict walk, DICOM signature, pixels   (stages 4, 3, 2)
7. originals: CUSTODY's signature, same signer and set; the restored file is the original  (stage originals)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack.container import digests, manifest, names, originals
from dicompack.container.digests import Digests, ObjectDigest
from dicompack.container.layout import SetIds, StoredObject
from dicompack.container.manifest import (
    ROLE_CUSTODIAN,
    ROLE_PASSWORD,
    ROLE_RECIPIENT,
    SEAL_HIDDEN,
    SEAL_PUBLIC,
    Deidentification,
    Manifest,
    ManifestMember,
    RecipientKey,
)
from dicompack.container.originals import Custody, CustodyMember, Original
from dicompack.container.redundancy import Fitting
from dicompack.container.seal import Seal
from dicompack.container.volumes import Package
from dicompack.crypto import enveloped, signed
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.passwords import Password
from dicompack.crypto.recipients import Addressee, Opener, key_name
from dicompack.crypto.time_stamps import Stamp
from dicompack.dicom.dataset import Buffer
from dicompack.errors import BadSignatureError, NoMatchError, UntrustedError
from dicompack.parties import Originator
from dicompack.stages import envelope, seals
from dicompack.stages.judging import Judge
from dicompack.stages.seals import CheckedSeal, Packed, check_object


@dataclass(frozen=True, slots=True)
class SealedObject:
    """What is known of a sealed object."""

    size: int
    digest: ObjectDigest


@dataclass(frozen=True, slots=True)
class SealedMember:
    """A member as stages 1 to 4 left it: the object's bytes are elsewhere."""

    facts: ManifestMember
    objects: tuple[SealedObject, ...]


@dataclass(frozen=True)
class SealedOriginals:
    """What gives originals back, as the stage of that name left it."""

    objects: tuple[SealedObject, ...] = ()
    custody: tuple[CustodyMember, ...] = ()
    """For custodians only; empty where the MANIFEST names the originals, or nobody does."""
    others: tuple[Original, ...] = ()
    """Files that are no instances."""


def pack(
    members: Sequence[SealedMember],
    originator: Originator,
    deidentification: Deidentification | None,
    ids: SetIds,
    fitting: Fitting,
    at: datetime,
    put: Callable[[str, Iterable[Buffer]], int],
    look: Callable[[bytes], None] = lambda _content: None,
    restoring: SealedOriginals | None = None,
    *,
    hide_signer: bool = False,
    stamp: Stamp | None = None,
) -> Packed:
    """CUSTODY, MANIFEST, DIGESTS and SEAL for members and restoring data that stand in their final order.

    `fitting` finds volume size and recovery. `put` takes CUSTODY and MANIFEST, sealed, by their names, to
    where the members are, and gives their sizes. `look` sees the MANIFEST before it is sealed, and may raise.
    With `hide_signer` nobody but recipients can see who signed. `stamp` gives the SEAL its time-stamp.
    """
    restoring = restoring or SealedOriginals()
    recipients = originator.addressees
    keys = tuple(sorted(key_name(one).hex() for one in recipients))
    content = manifest.marshal(
        Manifest(
            set_id=ids.set_id,
            created=at,
            originator=certificate_sha256(originator.signing.certificate),
            recipients=_recipient_keys(originator),
            instance_signer=originator.signer_of_instances.certificate.public_bytes(Encoding.DER),
            members=tuple(member.facts for member in members),
            deidentification=deidentification,
            seal=SEAL_HIDDEN if hide_signer else SEAL_PUBLIC,
            others=restoring.others,
        )
    )
    look(content)
    about = []
    if restoring.custody:
        told = originals.marshal(Custody(ids.set_id, restoring.custody))
        custodians = originator.custodian_certificates
        about.append(_signed_and_sealed(names.CUSTODY, told, originator, at, custodians, put))
        del told
    about.append(_signed_and_sealed(names.MANIFEST, content, originator, at, recipients, put))
    del content  # with 100 000 members it has 90 MiB
    holding = [one for member in members for one in member.objects]
    every = [*holding, *restoring.objects, *about]
    table = Digests(tuple(one.digest for one in every))
    objects = {names.DIGESTS: digests.marshal(table)}
    outer = names.sealed_names(len(holding), len(restoring.objects), custody=bool(restoring.custody))
    stored = [StoredObject(name, one.size) for name, one in zip(outer, every, strict=True)]
    stored.append(StoredObject(names.DIGESTS, len(objects[names.DIGESTS])))
    content_of_seal = Seal(
        set_id=ids.set_id,
        volume_set=ids.volume_set,
        members=len(members),
        objects=len(holding),
        data_volumes=1,
        recipients=keys,
        digests=table.columns,
        originals=len(restoring.objects),
        custody=bool(restoring.custody),
    )
    hidden_for = recipients if hide_signer else ()
    packed = seals.pack(content_of_seal, (), stored, originator.signing, at, fitting, hidden_for, stamp)
    return Packed(packed.layout, {**objects, **packed.objects}, packed.findings)


def _signed_and_sealed(
    name: str,
    content: bytes,
    originator: Originator,
    at: datetime,
    recipients: Sequence[Addressee],
    put: Callable[[str, Iterable[Buffer]], int],
) -> SealedObject:
    pieces = signed.sign_pieces(content, originator.signing, at)
    sealing = envelope.Sealing(pieces, sum(map(len, pieces)), recipients)
    return SealedObject(put(name, sealing), sealing.digest)


def _objects_of(content: Manifest) -> int:
    """How many objects with restoring data a MANIFEST refers to."""
    named = [*(one.original for one in content.members), *content.others]
    return max((one.restoring.object for one in named if one is not None), default=0)


def certificate_sha256(certificate: x509.Certificate) -> str:
    """SHA-256 of a whole certificate, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _recipient_keys(originator: Originator) -> tuple[RecipientKey, ...]:
    roles = {key_name(one).hex(): ROLE_RECIPIENT for one in originator.recipient_certificates}
    roles |= {key_name(one).hex(): ROLE_CUSTODIAN for one in originator.custodian_certificates}
    if originator.password is not None:
        roles[key_name(originator.password).hex()] = ROLE_PASSWORD
    return tuple(RecipientKey(key, roles[key]) for key in sorted(roles))


def own_names(keys: Sequence[Opener], sealed: Buffer) -> set[str]:
    """The names that keys would have in a list of recipients; a password's depends on the salt in an object.

    Raises:
        FormatError, UnsupportedError: the object is no envelope in its one form.
    """
    own = {key_name(key.certificate).hex() for key in keys if isinstance(key, DecryptionKey)}
    password = enveloped.inspect(sealed).password
    if password is not None and any(isinstance(key, Password) for key in keys):
        own.add(password.name.hex())
    return own


def check_manifest(package: Package, sealed: CheckedSeal, keys: Sequence[Opener], judge: Judge) -> Manifest:
    """Steps 4 and 5.

    Raises:
        NoMatchError: none of the keys is a recipient's.
        BadSignatureError: the MANIFEST is not authentic, or contradicts the SEAL.
        UntrustedError: its signer is not trusted, or the originator did not address it to these keys.
    """
    data = package.read(names.MANIFEST)
    check_object(data, sealed.rows[names.MANIFEST], names.MANIFEST)  # (4)
    own = own_names(keys, data)
    if not own & set(sealed.newest.recipients):  # PKG-14
        raise NoMatchError(
            "none of your keys is a recipient's",
            rule="PKG-14",
            hint="use the identity that it was packed for",
        )
    raw, certificate = _signed_by(_opened_manifest(data, keys), judge, sealed)
    del data  # with 100 000 members each copy has 90 MiB
    content = manifest.parse(raw)
    del raw
    first = sealed.signatures[0][0]
    facts = (  # (5)
        content.set_id == sealed.newest.set_id,
        len(content.members) == sealed.newest.members,
        sum(member.objects for member in content.members) == sealed.newest.objects,
        content.envelope == sealed.newest.envelope,
        content.seal == (SEAL_HIDDEN if sealed.hidden else SEAL_PUBLIC),
        _objects_of(content) == (0 if sealed.newest.custody else sealed.newest.originals),
        content.deidentification is not None or not sealed.newest.custody,
        certificate == first.certificate,
        content.originator == certificate_sha256(certificate),
    )
    if not all(facts):  # PKG-16
        raise BadSignatureError("the MANIFEST contradicts the SEAL", where=names.MANIFEST, rule="PKG-16")
    addressed = {recipient.key for recipient in content.recipients}
    passed_on = len(sealed.signatures) > 1
    if not passed_on and not own & addressed:  # PKG-17
        raise UntrustedError(
            "the originator did not address this to you", where=names.MANIFEST, rule="PKG-17"
        )
    if addressed != set(sealed.first.recipients):
        raise BadSignatureError(
            "MANIFEST and first SEAL name other recipients", where=names.MANIFEST, rule="PKG-16"
        )
    return content


def _signed_by(data: bytes, judge: Judge, sealed: CheckedSeal) -> tuple[bytes, x509.Certificate]:
    """What somebody who is trusted has signed, and his certificate.

    Raises:
        DicomPackError: the signature is not as it must be.
        UntrustedError: he is not trusted.
    """
    verified = signed.verify(data)
    judge.signer(verified.certificate, verified.chain, sealed.proven)
    return verified.content, verified.certificate


def _opened_manifest(data: bytes, keys: Sequence[Opener]) -> bytes:
    """What stands in the MANIFEST's envelope, whose bytes are those of the SEAL that was trusted.

    Raises:
        NoMatchError: the password is another.
        BadSignatureError: it cannot be opened.
    """
    try:
        return envelope.unpack(data, keys)
    except BadSignatureError as error:
        if not any(isinstance(key, Password) for key in keys):
            raise
        # Nobody has touched the object since it was sealed, and whoever may try knows no content key.
        raise NoMatchError(  # PKG-50
            "the password is not that of this package", rule="PKG-50", hint="ask the sender for the right one"
        ) from error


def check_custody(
    package: Package, sealed: CheckedSeal, content: Manifest, keys: Sequence[Opener], judge: Judge
) -> Custody:
    """Step 7 but for the files themselves.

    Raises:
        NoMatchError: there is no way back to the originals, or it is for others.
        BadSignatureError: CUSTODY is not authentic, or is that of another package.
        UntrustedError: its signer is not trusted.
    """
    if not sealed.newest.custody:  # ORG-7
        raise NoMatchError(
            "this package gives no originals back",
            rule="ORG-7",
            hint="ask the sender to name you with --custodian",
        )
    own = {key_name(key.certificate).hex() for key in keys if isinstance(key, DecryptionKey)}
    if not any(one.role == ROLE_CUSTODIAN and one.key in own for one in content.recipients):  # ORG-7
        raise NoMatchError(
            "the originals are for custodians, and none of your keys is a custodian's",
            rule="ORG-7",
            hint="use the identity of the custodian that was named when it was packed",
        )
    data = package.read(names.CUSTODY)
    check_object(data, sealed.rows[names.CUSTODY], names.CUSTODY)  # (7)
    raw, certificate = _signed_by(envelope.unpack(data, keys), judge, sealed)
    custody = originals.parse(raw)
    objects = max(one.original.restoring.object for one in custody.members)
    facts = (
        custody.set_id == sealed.newest.set_id,
        len(custody.members) == len(content.members),
        objects == sealed.newest.originals,
        certificate_sha256(certificate) == content.originator,
    )
    if not all(facts):  # ORG-6
        raise BadSignatureError("CUSTODY contradicts the MANIFEST", where=names.CUSTODY, rule="ORG-6")
    return custody
