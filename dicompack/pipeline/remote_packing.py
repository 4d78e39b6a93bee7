"""Packing in a cluster: workers open keys from their own paths; what travels is paths and certificates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding as Form

from dicompack.crypto.contacts import Contact
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import DecryptionKey, SigningKey, load_decryption_key, load_signing_key
from dicompack.errors import NoMatchError, UsageError
from dicompack.parties import Originator
from dicompack.pipeline import journal
from dicompack.pipeline.instances import PackingSettings, start_packing
from dicompack.stages.compression import Encoding
from dicompack.stages.deidentification import Policy

Key = TypeVar("Key", SigningKey, DecryptionKey)


@dataclass(frozen=True)
class KeyPaths:
    """Where a worker finds keys: the same paths on every machine of the cluster."""

    signing: str
    decryption: str
    """The originator's own key, which opens the journal of the run."""
    instance_signing: str | None = None
    project_key: str | None = None
    passphrases: str | None = None
    """A file with one passphrase per line."""
    pss: bool = False
    """How the originator's key signs statements."""


@dataclass(frozen=True)
class RemoteSettings:
    """`PackingSettings` without a secret."""

    keys: KeyPaths
    fingerprints: tuple[bytes, bytes, bytes]
    """SHA-256 of the certificates that sign the package and the instances, and of the own decryption key."""
    recipients: tuple[Contact, ...]
    custodians: tuple[Contact, ...]
    journal: str
    settings: bytes
    """Digest of the run's settings."""
    encoding: Encoding
    folder: str
    policy: Policy | None
    keeps_originals: bool
    allow_preamble: bool
    maps: bool
    stamping: str | None


def remote_settings(
    settings: PackingSettings, keys: KeyPaths, own: DecryptionKey, journal_path: Path, digest: bytes
) -> RemoteSettings:
    """What may travel of a run's settings."""
    originator = settings.originator
    certificates = (
        originator.signing.certificate,
        originator.signer_of_instances.certificate,
        own.certificate,
    )
    signs, signs_instances, opens = map(_sha256, certificates)
    return RemoteSettings(
        keys,
        (signs, signs_instances, opens),
        originator.recipients,
        originator.custodians,
        str(journal_path.absolute()),
        digest,
        settings.encoding,
        str(Path(settings.folder).absolute()),
        settings.policy,
        bool(settings.staging_key),
        settings.allow_preamble,
        settings.maps,
        settings.stamping,
    )


def start_remote_packing(settings: RemoteSettings) -> None:
    """Once in each worker of a cluster: open the keys, and see that they are those of the run.

    Raises:
        OSError: a key file, or the staging folder, is not on this machine.
        NoMatchError: other keys than those of the run, or a passphrase that does not fit.
    """
    paths = settings.keys
    signs, signs_instances, opens = settings.fingerprints
    passphrases = _passphrases(paths.passphrases)
    signing = replace(_opened(paths.signing, load_signing_key, passphrases, signs), pss=paths.pss)
    instance_signing = None
    if paths.instance_signing is not None:
        instance_signing = _opened(paths.instance_signing, load_signing_key, passphrases, signs_instances)
    own = _opened(paths.decryption, load_decryption_key, passphrases, opens)
    run = journal.read_run(Path(settings.journal), settings.settings, signing, own)
    if paths.project_key is not None and ProjectKey.parse(_read(paths.project_key)) != run.project_key:
        raise UsageError("a worker has another project key", rule="CLI-16")
    originator = Originator(
        signing, settings.recipients, instance_signing, run.project_key, settings.custodians
    )
    start_packing(
        PackingSettings(
            originator,
            settings.encoding,
            run.at,
            settings.folder,
            settings.policy,
            run.staging_key if settings.keeps_originals else b"",
            settings.allow_preamble,
            settings.maps,
            stamping=settings.stamping,
        )
    )


def _opened(
    path: str, load: Callable[[bytes, Callable[[], bytes]], Key], passphrases: list[bytes], due: bytes
) -> Key:
    data = _read(path)
    for attempt in passphrases or [b""]:
        try:
            key = load(data, partial(bytes, attempt))
        except NoMatchError:
            continue
        if _sha256(key.certificate) != due:
            raise NoMatchError("a worker has another key than the run", rule="CLI-16")
        return key
    raise NoMatchError("a worker cannot open a key", rule="CLI-16", hint="name --passphrase-file")


def _passphrases(path: str | None) -> list[bytes]:
    return _read(path).splitlines() if path is not None else []


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _sha256(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(certificate.public_bytes(Form.DER)).digest()
