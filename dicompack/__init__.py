"""DICOMPack packs DICOM studies for transfer, and unpacks them at the other end.

Packing de-identifies the instances, compresses their pixels, signs each one, encrypts them and writes
volumes; unpacking reverses each step and checks integrity and origin. Public are the names of this module
and `dicompack.errors`; everything else may change.

Example: pack a folder for one recipient, check it, and get it back.

    import dicompack

    report = dicompack.pack([study], package, originator=originator)
    dicompack.verify(package, recipient=recipient)
    dicompack.unpack(package, folder, recipient=recipient)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicompack import errors

if TYPE_CHECKING:
    from dicompack.crypto.contacts import Contact
    from dicompack.crypto.derivation import ProjectKey
    from dicompack.crypto.keys import (
        DecryptionKey,
        SigningKey,
        load_decryption_key,
        load_signing_key,
        new_identity,
    )
    from dicompack.crypto.passwords import Password, PasswordKey
    from dicompack.crypto.trust import TrustStore, load_anchor
    from dicompack.parties import Originator, Recipient
    from dicompack.pipeline import (
        deidentify,
        inspect,
        pack,
        plan,
        reidentify,
        repair,
        rewrap,
        test,
        timestamp,
        timestamp_query,
        unpack,
        verify,
    )
    from dicompack.pipeline.planning import Plan
    from dicompack.report import Finding, Member, Progress, Report, SignatureVerdict, Skipped

__version__ = "0.1.0"

__all__ = [
    "pack", "deidentify", "plan", "unpack", "verify", "test", "inspect", "repair", "rewrap", "reidentify",
    "timestamp", "timestamp_query",
    "Originator", "Recipient", "Contact", "SigningKey", "DecryptionKey", "ProjectKey", "TrustStore",
    "Password", "PasswordKey",
    "new_identity", "load_signing_key", "load_decryption_key", "load_anchor",
    "Report", "Plan", "Member", "Finding", "Skipped", "SignatureVerdict", "Progress",
    "errors",
]  # fmt: skip

# Where the rest is. It is loaded when it is asked for: what needs no DICOM does not wait for pydicom.
_HOMES = {
    "dicompack.pipeline": (
        "pack",
        "deidentify",
        "plan",
        "unpack",
        "verify",
        "test",
        "inspect",
        "repair",
        "rewrap",
        "reidentify",
        "timestamp",
        "timestamp_query",
    ),
    "dicompack.pipeline.planning": ("Plan",),
    "dicompack.parties": ("Originator", "Recipient"),
    "dicompack.crypto.contacts": ("Contact",),
    "dicompack.crypto.keys": (
        "SigningKey",
        "DecryptionKey",
        "new_identity",
        "load_signing_key",
        "load_decryption_key",
    ),
    "dicompack.crypto.derivation": ("ProjectKey",),
    "dicompack.crypto.passwords": ("Password", "PasswordKey"),
    "dicompack.crypto.trust": ("TrustStore", "load_anchor"),
    "dicompack.report": ("Finding", "Member", "Progress", "Report", "SignatureVerdict", "Skipped"),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'dicompack' has no attribute {name!r}")
