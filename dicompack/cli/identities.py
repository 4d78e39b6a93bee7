"""From what a person names on the command line to keys, contacts and a trust store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dicompack.cli.configuration import find_pinned, pinned_contacts
from dicompack.cli.key_files import read_key_file, read_passphrases, warn_of_readers
from dicompack.cli.options import TrustOptions
from dicompack.cli.terminal import Terminal
from dicompack.errors import DicomPackError, NoMatchError, UsageError

if TYPE_CHECKING:
    from cryptography.x509 import CertificateRevocationList

    from dicompack.crypto.keys import Contact, DecryptionKey, SigningKey
    from dicompack.crypto.passwords import Password
    from dicompack.crypto.trust import Anchor, ExpectedSigner, TrustStore
    from dicompack.parties import Recipient

# The names inside an identity folder, as `keys new` writes them.
SIGNING_FILE = "signing.p12"
DECRYPTION_FILE = "decryption.p12"
# PKCS #12 cannot hold an ML-KEM key yet.
DECRYPTION_PEM_FILE = "decryption.pem"
CONTACT_FILE = "contact.pem"

# How often a person may mistype.
_TRIES = 3
# The rule that `crypto.keys` names when a passphrase does not fit; no other refusal is worth another try.
_KEY_NOT_OPENED = "KEY-5"

Key = TypeVar("Key")
Ask = Callable[[], bytes]


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Say in every error from inside which of the files it is about."""
    try:
        yield
    except DicomPackError as error:
        error.where = error.where or file
        raise


class Passphrases:
    """The passphrases of one call: from a file, or asked for once and tried on each further key."""

    def __init__(self, terminal: Terminal, file: Path | None) -> None:
        self._terminal = terminal
        self._asks = file is None
        self._known = [] if file is None else read_passphrases(file)
        self._warned: set[Path] = set()

    def unlock(self, name: str, load: Callable[[Ask], Key]) -> Key:
        """Load a key; `load` calls for a passphrase only if the file is encrypted.

        Raises:
            NoMatchError: no passphrase fits (three tries on a terminal), or it is not such a key.
            UsageError: a passphrase is needed and there is neither file nor terminal.
        """
        # CLI-6
        candidates = self._candidates(name)
        given: list[bytes] = []

        def ask() -> bytes:
            passphrase = next(candidates, None)
            if passphrase is None:
                raise NoMatchError("no passphrase fits", where=name, rule="CLI-6")
            given.append(passphrase)
            return passphrase

        while True:
            before = len(given)
            try:
                with naming(name):
                    key = load(ask)
            except NoMatchError as error:
                if len(given) == before or error.rule != _KEY_NOT_OPENED:
                    raise
                continue
            if len(given) > before and given[-1] not in self._known:
                self._known.append(given[-1])
            return key

    def warn_of_readers(self, file: Path) -> None:
        """Tell a person, once, if others may read a file with a private key, too."""
        if file not in self._warned:
            self._warned.add(file)
            warn_of_readers(self._terminal, file)

    def _candidates(self, name: str) -> Iterator[bytes]:
        yield from tuple(self._known)
        for attempt in range(_TRIES if self._asks else 0):
            if attempt:
                self._terminal.warn("this passphrase does not fit, try again")
            yield self._terminal.ask_passphrase(f"passphrase of {name}").encode()


def signing_key(path: Path, passphrases: Passphrases) -> SigningKey:
    """The signing key of an IDENTITY: a folder, a .p12, or a PEM file with key and certificate."""
    from dicompack.crypto.keys import load_signing_key

    file = file_of_role(path, path / SIGNING_FILE)
    data = read_key_file(file)
    key = passphrases.unlock(file.name, lambda ask: load_signing_key(data, ask))
    passphrases.warn_of_readers(file)
    return key


def decryption_key(path: Path, passphrases: Passphrases) -> DecryptionKey:
    """The decryption key of an IDENTITY."""
    from dicompack.crypto.keys import load_decryption_key

    file = file_of_role(path, decryption_file(path))
    data = read_key_file(file)
    key = passphrases.unlock(file.name, lambda ask: load_decryption_key(data, ask))
    passphrases.warn_of_readers(file)
    return key


def decryption_file(folder: Path) -> Path:
    """The file of an identity folder that holds the decryption key, if there is one."""
    other = folder / DECRYPTION_PEM_FILE
    return other if other.is_file() else folder / DECRYPTION_FILE


def file_of_role(path: Path, file: Path) -> Path:
    """The key file of an IDENTITY: `file` where it is a folder."""
    if not path.is_dir():
        return path
    if not file.exists():
        raise UsageError(
            f"the identity folder has no {file.name}",
            where=path.name,
            hint="dicompack keys new DIR makes an identity",
        )
    return file


def recipient_contact(text: str) -> Contact:
    """The CONTACT of ``--recipient``, which must have a key to encrypt to."""
    from dicompack.crypto.keys import Contact

    file = find_contact(text)
    with naming(file.name):
        contact = Contact.parse(read_key_file(file))
    if contact.decryption is None:
        raise NoMatchError(
            "this contact has no certificate to encrypt to",
            where=file.name,
            hint="ask for the whole contact.pem, which holds both certificates",
        )
    return contact


_FINGERPRINT = re.compile(r"[A-Z2-7]{32}")


def trust_store(given: TrustOptions) -> TrustStore:
    """The anchors named by ``--trust``; without any, the pinned contacts.

    Raises:
        NoMatchError: a file is none of what it should be.
        UsageError: somebody is neither a file nor pinned.
    """
    # CLI-10
    from dicompack.crypto.revocation import MAX_SIZE, Revocations, parse
    from dicompack.crypto.trust import TrustStore, load_anchor, load_time_stamp_anchors

    anchors = given.trust

    files = {text: find_contact(text) for text in anchors} if anchors else pinned_contacts()
    store: list[Anchor] = []
    for text, file in files.items():
        with naming(_name_of(text)):
            store.append(load_anchor(text, read_key_file(file)))
    for text in given.tsa:
        file = find_contact(text)
        with naming(_name_of(text)):
            store += load_time_stamp_anchors(_name_of(text), read_key_file(file))
    lists: list[CertificateRevocationList] = []
    for path in given.crls:
        with naming(path.name):
            lists += parse(read_key_file(path, MAX_SIZE))
    revocations = Revocations(tuple(lists), given.require_crl)
    return TrustStore(tuple(store), revocations, _expected(given.expect_signer))


def _expected(text: str | None) -> ExpectedSigner | None:
    from dicompack.crypto.contacts import Contact
    from dicompack.crypto.trust import ExpectedSigner

    if text is None:
        return None
    if _FINGERPRINT.fullmatch("".join(text.split()).upper()):
        return ExpectedSigner(text)
    file = find_contact(text)
    with naming(_name_of(text)):
        contact = Contact.parse(read_key_file(file))
    if contact.signing_spki_sha256 is None:
        raise UsageError("this contact signs nothing", where=_name_of(text), hint="name a signer")
    return ExpectedSigner(contact.fingerprint, contact.signing_spki_sha256)


def _name_of(text: str) -> str:
    return Path(text).name or text


def find_contact(text: str) -> Path:
    """The file of a CONTACT or ANCHOR: a file, or the name of a pinned contact.

    Raises:
        UsageError: it is neither; or it is both, and nobody can know which was meant.
    """
    # CLI-7
    pinned = find_pinned(text)
    file = Path(text)
    if pinned is None:
        if file.is_dir() and (file / CONTACT_FILE).is_file():
            return file / CONTACT_FILE
        if not file.exists():
            raise UsageError(
                "neither a file nor a pinned contact", where=_name_of(text), rule="CLI-7", hint=_pinned_hint()
            )
        return file
    if file.exists():
        raise UsageError(
            "both a file here and a pinned contact have this name",
            where=text,
            rule="CLI-7",
            hint=f"write ./{text} for the file, or go to another folder for the contact",
        )
    return pinned


def _pinned_hint() -> str:
    names = ", ".join(pinned_contacts())
    return (
        f"pinned are: {names}" if names else "no contact is pinned yet: dicompack keys trust CONTACT pins one"
    )


def recipient(
    identities: Sequence[Path],
    given: TrustOptions,
    passphrases: Passphrases,
    password: Password | None = None,
) -> Recipient:
    """Who reads: the decryption keys, perhaps a password, and whom to trust.

    Raises:
        UsageError: there is nothing to open a package with.
    """
    from dicompack.parties import Recipient

    if not identities and password is None:
        raise UsageError("nothing to open it with", hint="name your --identity, or open with --password")
    trust = trust_store(given)
    keys = (decryption_key(path, passphrases) for path in identities)
    return Recipient(keys=(*keys, *(() if password is None else (password,))), trust=trust)
