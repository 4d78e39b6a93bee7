"""Originals: what gives back the very file that an instance was packed from.

`pack` finds out what has to be kept beside the delivered form of an instance, and proves that it is enough;
`unpack` makes the file. Between them, the restoring data of a series travel in one sealed object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from dicompack.container import restoring, solid
from dicompack.container.digests import ObjectDigest
from dicompack.container.originals import Original
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import Buffer, bytes_of
from dicompack.errors import BadSignatureError, InputError
from dicompack.stages import envelope, seals
from dicompack.stages.artifacts import Deidentified, Delivered, Sealed

# -------------------------------------------------------------------------------------------- there


def pack(original: Buffer, item: Deidentified) -> bytes:
    """The restoring data of a file whose instance is delivered as `item`.

    Raises:
        InputError: they are too large for one object.
    """
    # The form that `FileFacts` are about, which does not depend on anybody's zlib.
    plain = dicom_file.marshal(item.data_set, item.transfer_syntax, deflate=False)
    return _proved(original, list(map(bytes_of, plain)))


def pack_other(data: Buffer) -> bytes:
    """The restoring data of a file that is no instance: all of it."""
    return _proved(data, [])


def _proved(original: Buffer, delivered: Sequence[Buffer]) -> bytes:
    data = restoring.make(original, delivered)
    if len(data) > solid.MAXIMUM_CONTENT - (1 << 20):
        raise InputError("what is needed to restore it is larger than one object holds")
    digest = hashlib.sha256(original).hexdigest()
    restoring.check(restoring.restored(data, delivered, len(original)), digest)
    return data


def seal(items: Iterable[bytes], recipients: Sequence[Addressee]) -> Sealed:
    """An ORIGINAL object with the restoring data of some files."""
    return envelope.pack(solid.pack(items), recipients)


# --------------------------------------------------------------------------------------------- back


def open_(sealed: bytes, due: ObjectDigest, keys: Sequence[Opener], size: int) -> bytes:
    """All restoring data of an ORIGINAL object, `size` bytes.

    Raises:
        BadSignatureError: it is not the object that the SEAL covers.
        FormatError: its content is malformed (ORG-2).
    """
    seals.check_object(sealed, due, "")
    return solid.unpack(envelope.unpack(sealed, keys), size)


def unpack(data: bytes, original: Original, item: Delivered | None) -> list[Buffer]:
    """The original file, in pieces; without an instance, that of a file that was none.

    Raises:
        BadSignatureError: data or file are not those that were packed (ORG-3, ORG-4).
        FormatError: the steps are malformed (ORG-1).
    """
    if hashlib.sha256(data).hexdigest() != original.restoring.sha256:  # ORG-3
        raise BadSignatureError("not the restoring data that were packed", rule="ORG-3")
    delivered = list(map(bytes_of, item.plain)) if item else []
    return restoring.check(restoring.restored(data, delivered, original.size), original.sha256)
