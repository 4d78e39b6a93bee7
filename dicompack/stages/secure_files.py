"""Stage 4 of a Secure File-set: a DICOM File in the envelope of PS3.15 D.1 (PS3.10 §7.4), there and back.

The order of checks:

1. structure and algorithms of the envelope; addressed to a key at hand
2. the signature inside, over all of the DICOM File; any failure has one wording
3. its signer trusted, and the one that is expected; only then is the content parsed
4. one DICOM File, which no system would run
5. it is what the DICOMDIR lists; the DICOMDIR is addressed to a key at hand
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from dicompack.crypto import der, secure_dicom
from dicompack.crypto.certificates import name_of
from dicompack.crypto.keys import DecryptionKey
from dicompack.crypto.passwords import Password
from dicompack.crypto.recipients import Opener, key_name
from dicompack.crypto.revocation import Standing
from dicompack.crypto.trust import Trusted
from dicompack.dicom import dicom_file, media_directory
from dicompack.dicom.dataset import Buffer
from dicompack.dicom.dicom_file import HEAD_SIZE, PREAMBLE_SIZE, PREFIX, DicomFile
from dicompack.dicom.media_directory import Directory, DirectoryFile
from dicompack.errors import BadSignatureError, DicomPackError, FormatError, UntrustedError
from dicompack.files import FileAccess
from dicompack.parties import Originator
from dicompack.report import SignatureVerdict
from dicompack.stages.judging import Judge

SNIFFED = 64
"""Bytes at the beginning of a file that show what it is."""


@dataclass(frozen=True)
class OpenedFile:
    """What is known of a Secure DICOM File that has passed steps 1 to 3."""

    verdict: SignatureVerdict
    sha256: bytes
    """Of the DICOM File."""
    size: int
    revocation_unknown: bool


def check(originator: Originator) -> None:
    """See that the profile knows the kinds of all keys.

    Raises:
        UsageError: it does not.
    """
    secure_dicom.check_addressees(originator.addressees)
    secure_dicom.check_signer(originator.signing)


def pack(content: Iterable[Buffer], size: int, originator: Originator, at: datetime) -> Iterator[Buffer]:
    """Sign and encrypt a DICOM File of `size` bytes."""
    return secure_dicom.seal(content, size, originator.addressees, originator.signing, at)


def unpack(
    source: der.Source, keys: Sequence[Opener], judge: Judge, write: Callable[[bytes], object]
) -> OpenedFile:
    """Steps 1 to 3; what was given to `write` is what a trusted signer signed only when this has returned.

    Raises:
        FormatError, UnsupportedError: no Secure DICOM File of this form.
        NoMatchError: none of the keys is addressed.
        BadSignatureError: it cannot be opened, for whatever reason.
        UntrustedError: its signer is not trusted, or not the one that is expected.
    """
    signed = secure_dicom.open_to(source, keys, write)  # (1) (2)
    trusted = judge.signer(signed.certificate, signed.chain)  # (3)
    if judge.trust.expected is not None:
        judge.trust.expected.check(signed.certificate, trusted)
    unknown = trusted.standing is Standing.UNKNOWN
    return OpenedFile(_verdict(signed.certificate, trusted), signed.sha256, signed.size, unknown)


def _verdict(certificate: x509.Certificate, trusted: Trusted) -> SignatureVerdict:
    return SignatureVerdict(
        signer=name_of(certificate),
        fingerprint=trusted.fingerprint,
        intact=True,
        valid=True,
        trusted=True,
        trusted_as=trusted.name,
        purpose="sealed",
    )


def is_secure(access: FileAccess) -> bool:
    """Whether a file says of itself that it is a Secure DICOM File."""
    return secure_dicom.is_secure(access.read_at(0, SNIFFED))


def check_form(source: der.Source) -> None:
    """What can be seen without a key, which is little.

    Raises:
        FormatError, UnsupportedError: no Secure DICOM File of this form.
    """
    secure_dicom.inspect(source)


def parse(data: Buffer) -> DicomFile:
    """Step 4: the instance that a Secure DICOM File holds.

    Raises:
        FormatError: it is no DICOM File, is a DICOMDIR, or begins like a program.
    """
    view = memoryview(data)
    if bytes(view[PREAMBLE_SIZE:HEAD_SIZE]) != PREFIX:  # SDF-10
        raise FormatError("what is inside is no DICOM File", rule="SDF-10")
    kind = dicom_file.executable_kind(bytes(view[:PREAMBLE_SIZE]))
    if kind:
        raise FormatError(f"what is inside begins like {kind}", rule="SDF-10", hint="do not use the data")
    try:
        file = dicom_file.parse(data)
        dicom_file.check_identity(file.data_set)
    except DicomPackError as error:
        raise FormatError("what is inside is no sound DICOM File", rule="SDF-10") from error
    if file.is_directory:
        raise FormatError("a DICOMDIR in the place of an instance", rule="SDF-10")
    return file


def check_listed(file: DicomFile, opened: OpenedFile, listed: DirectoryFile) -> None:
    """Step 5 for one file.

    Raises:
        BadSignatureError: it is another one than the DICOMDIR lists.
    """
    own = (*dicom_file.check_identity(file.data_set), file.transfer_syntax.uid)
    named = (listed.sop_class_uid, listed.sop_instance_uid, listed.transfer_syntax_uid)
    if own != named or listed.sha256 not in (None, opened.sha256):  # SDF-13
        raise BadSignatureError(
            "not the file that the DICOMDIR lists", rule="SDF-13", hint="do not use the data"
        )


def parse_directory(data: bytes, source: der.Source, keys: Sequence[Opener]) -> Directory:
    """Step 5 for the DICOMDIR itself, which was opened from `source`.

    Raises:
        FormatError: it is none.
        UntrustedError: its signer made it for others.
    """
    directory = media_directory.parse(data)
    if not directory.files:  # SDF-11
        raise FormatError("the DICOMDIR lists no file", rule="SDF-11")
    own = {key_name(key.certificate) for key in keys if isinstance(key, DecryptionKey)}
    derivation = secure_dicom.inspect(source)
    if derivation is not None and any(isinstance(key, Password) for key in keys):
        own.add(derivation.name)
    if directory.addressed_to is not None and own.isdisjoint(directory.addressed_to):  # SDF-14
        raise UntrustedError("the originator did not address this File-set to you", rule="SDF-14")
    return directory
