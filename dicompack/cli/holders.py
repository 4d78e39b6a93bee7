"""Whose a key, a contact or a certificate is, as `keys show` and `keys trust` tell a person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dicompack.cli.identities import (
    CONTACT_FILE,
    Passphrases,
    decryption_key,
    find_contact,
    signing_key,
)
from dicompack.cli.key_files import read_key_file
from dicompack.cli.terminal import Terminal
from dicompack.errors import NoMatchError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from dicompack.crypto.keys import Contact

_AUTHORITY = "authority"
# `crypto.keys` names this rule for a key that is there but is not one that signs.
_DOES_NOT_SIGN = "KEY-3"


@dataclass(frozen=True)
class Holder:
    """Whom a file names, with the certificate of each role; decryption first, as in contact.pem."""

    name: str
    fingerprint: str
    certificates: Mapping[str, Certificate]

    @classmethod
    def of(cls, contact: Contact) -> Holder:
        """The holder of a contact's keys."""
        roles = {"decryption": contact.decryption, "signing": contact.signing}
        return cls(
            contact.name, contact.fingerprint, {role: one for role, one in roles.items() if one is not None}
        )

    @property
    def is_authority(self) -> bool:
        """Whether it certifies others instead of signing packages."""
        return _AUTHORITY in self.certificates

    def marshal(self) -> bytes:
        """As it is pinned: PEM, each certificate once."""
        from cryptography.hazmat.primitives.serialization import Encoding

        unique = dict.fromkeys(self.certificates.values())
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in unique)

    def document(self) -> dict[str, object]:
        """Keys of the object of ``--json``; times in UTC."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "certificates": [
                {
                    "role": role,
                    "sha256": hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest(),
                    "not_before": one.not_valid_before_utc.isoformat(),
                    "not_after": one.not_valid_after_utc.isoformat(),
                }
                for role, one in self.certificates.items()
            ],
        }


def public_holder(data: bytes) -> Holder:
    """The holder of a contact.pem, of one certificate, or of an authority's certificate.

    Raises:
        NoMatchError: none of these, or a private key.
    """
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.trust import AuthorityAnchor, load_anchor

    anchor = load_anchor("", data)
    if isinstance(anchor, AuthorityAnchor):
        return Holder(name_of(anchor.certificate), anchor.fingerprint, {_AUTHORITY: anchor.certificate})
    return Holder.of(anchor.contact)


def holder_of(text: str, terminal: Terminal, passphrases: Passphrases) -> Holder:
    """The holder of what a person names: a folder, a file, or a pinned contact.

    A key file with a contact.pem beside it is not opened: no passphrase for what is public.
    """
    file = find_contact(text)
    if file.is_dir():
        return Holder.of(_contact_of_folder(file, passphrases))
    data = read_key_file(file)
    if file.suffix.lower() not in (".p12", ".pfx") and b"PRIVATE KEY-----" not in data:
        return public_holder(data)
    contact = file.parent / CONTACT_FILE
    if contact.is_file():
        terminal.say(f"as the {CONTACT_FILE} beside it says; the key was not opened")
        return public_holder(read_key_file(contact))
    return Holder.of(_contact_of_key(file.name, data, passphrases))


def _contact_of_folder(folder: Path, passphrases: Passphrases) -> Contact:
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact

    signing = signing_key(folder, passphrases).certificate
    return Contact(name_of(signing), signing, decryption_key(folder, passphrases).certificate)


def _contact_of_key(name: str, data: bytes, passphrases: Passphrases) -> Contact:
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact, load_decryption_key, load_signing_key

    try:
        signing = passphrases.unlock(name, lambda ask: load_signing_key(data, ask)).certificate
    except NoMatchError as error:
        if error.rule != _DOES_NOT_SIGN:
            raise
        decryption = passphrases.unlock(name, lambda ask: load_decryption_key(data, ask)).certificate
        return Contact(name_of(decryption), decryption=decryption)
    return Contact(name_of(signing), signing=signing)
