"""Stage 4: the CMS envelope (RFC 5083) around one signed DICOM File, or any other object of a package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from dicompack.container.digests import ObjectDigest
from dicompack.container.limits import PART_SIZE
from dicompack.container.manifest import objects_for
from dicompack.crypto import enveloped
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.dicom.dataset import Buffer
from dicompack.stages.artifacts import Sealed


class Sealing:
    """An envelope on its way: its pieces once, and its row of DIGESTS when the last one has been taken."""

    def __init__(self, content: Iterable[Buffer], size: int, recipients: Sequence[Addressee]) -> None:
        self._pieces = enveloped.seal(content, recipients, size)
        self._whole, self._content = hashlib.sha256(), hashlib.sha256()

    def __iter__(self) -> Iterator[Buffer]:
        first = next(self._pieces)  # all that depends on the recipients
        self._whole.update(first)
        yield first
        for piece in self._pieces:
            self._whole.update(piece)
            self._content.update(piece)
            yield piece

    @property
    def digest(self) -> ObjectDigest:
        """Both columns."""
        return ObjectDigest(self._whole.digest(), self._content.digest())


def pack(content: bytes, recipients: Sequence[Addressee]) -> Sealed:
    """Seal for the recipients, under a fresh key."""
    sealing = Sealing([content], len(content), recipients)
    whole = BytesIO()  # which, other than a join of pieces, needs the room for them once
    whole.writelines(sealing)
    return Sealed(whole.getvalue(), sealing.digest)


def pack_parts(content: Iterable[Buffer], size: int, recipients: Sequence[Addressee]) -> Iterator[Sealing]:
    """Seal a signed file of `size` bytes, in several objects where one would be too large.

    Each is to be used up before the next is asked for.
    """
    parts = _Parts(content)
    count = objects_for(size)
    for number in range(count):
        part = size if count == 1 else min(PART_SIZE, size - number * PART_SIZE)
        yield Sealing(parts.take(part), part, recipients)


class _Parts:
    """Pieces, cut where a part ends."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = iter(pieces)
        self._rest: Buffer = b""

    def take(self, size: int) -> Iterator[Buffer]:
        while size:
            piece = memoryview(self._rest or next(self._pieces))
            yield piece[:size]
            self._rest = piece[size:]
            size -= min(size, len(piece))


def digest_of(sealed: Buffer) -> ObjectDigest:
    """The row of DIGESTS of a sealed object.

    Raises:
        FormatError: it is no envelope in its one form.
    """
    offset = enveloped.inspect(sealed).content_offset
    return ObjectDigest(hashlib.sha256(sealed).digest(), hashlib.sha256(memoryview(sealed)[offset:]).digest())


def unpack_to(sealed: Buffer, keys: Sequence[Opener], write: Callable[[bytes], object]) -> None:
    """Open; what was given to `write` is what was sealed only when this has returned.

    Raises:
        NoMatchError, BadSignatureError: see `unpack`.
    """
    for piece in enveloped.open_pieces(sealed, keys):
        write(piece)


def unpack(sealed: Buffer, keys: Sequence[Opener]) -> bytes:
    """Open.

    Raises:
        NoMatchError: none of the keys is addressed.
        BadSignatureError: it cannot be opened, for whatever reason.
    """
    return enveloped.open_(sealed, keys)


@dataclass(frozen=True)
class Rewrapped:
    """A sealed object for other recipients: new bytes, and then the old ones from an offset on."""

    head: bytes
    offset: int
    size: int
    digest: ObjectDigest


def rewrap(sealed: Buffer, keys: Sequence[Opener], recipients: Sequence[Addressee]) -> Rewrapped:
    """Wrap the content key for others; what is encrypted is not touched.

    Raises:
        NoMatchError: none of the keys is addressed.
        BadSignatureError: it cannot be opened, for whatever reason.
    """
    head, offset = enveloped.rewrap(sealed, keys, recipients)
    content = memoryview(sealed)[offset:]
    whole = hashlib.sha256(head)
    whole.update(content)
    digest = ObjectDigest(whole.digest(), hashlib.sha256(content).digest())
    return Rewrapped(head, offset, len(head) + len(content), digest)
