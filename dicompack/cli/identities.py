"""From what a person names as IDENTITY to his keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dicompack.cli.configuration import own_identity
from dicompack.cli.contacts import refuse_revoked, trust_store
from dicompack.cli.key_files import naming, read_key_file, read_passphrases, warn_of_readers
from dicompack.cli.options import TrustOptions
from dicompack.cli.terminal import Terminal
from dicompack.crypto.tokens import is_token
from dicompack.errors import NoMatchError, UsageError

if TYPE_CHECKING:
    from dicompack.crypto.keys import Contact, DecryptionKey, SigningKey
    from dicompack.crypto.passwords import Password
    from dicompack.parties import Recipient

# The names inside an identity folder, as `keys new` writes them.
SIGNING_FILE = "signing.p12"
DECRYPTION_FILE = "decryption.p12"
# PKCS #12 cannot hold an ML-KEM key yet.
DECRYPTION_PEM_FILE = "decryption.pem"

# How often a person may mistype.
_TRIES = 3
# The rule that `crypto.keys` names when a passphrase does not fit; no other refusal is worth another try.
_KEY_NOT_OPENED = "KEY-5"

Key = TypeVar("Key")
Ask = Callable[[], bytes]


class Passphrases:
    """The passphrases of one call: from a file, or asked for once and tried on each further key."""

    def __init__(self, terminal: Terminal, file: Path | None) -> None:
        self._terminal = terminal
        self._asks = file is None
        self._known = [] if file is None else read_passphrases(file)
        self._pins: dict[bytes, bytes] = {}
        self._warned: set[Path] = set()
        if file is not None:
            warn_of_readers(terminal, file, "passphrase")

    @property
    def from_file(self) -> bool:
        """Whether a person gave them with the call."""
        return not self._asks

    def unlock(self, name: str, data: bytes, load: Callable[[bytes, Ask], Key]) -> Key:
        """Load a key from a file's `data`; `load` calls for a passphrase only if it is encrypted.

        Raises:
            NoMatchError: no passphrase fits (three tries on a terminal), or it is not such a key.
            UsageError: a passphrase is needed and there is neither file nor terminal.
        """
        return self.unlock_with(name, data, load)[0]

    def unlock_with(
        self, name: str, data: bytes, load: Callable[[bytes, Ask], Key]
    ) -> tuple[Key, bytes | None]:
        """Load a key, and give the passphrase that opened it, to close it again; None of an open one.

        Raises:
            NoMatchError: no passphrase fits (three tries on a terminal), or it is not such a key.
            UsageError: a passphrase is needed and there is neither file nor terminal.
        """
        # CLI-6
        candidates = self._pin(name, data) if is_token(data) else self._candidates(name)
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
                    key = load(data, ask)
            except NoMatchError as error:
                if len(given) == before or error.rule != _KEY_NOT_OPENED:
                    raise
                continue
            if len(given) > before:
                self._remember(data, given[-1])
            return key, given[-1] if len(given) > before else None

    def warn_of_readers(self, file: Path) -> None:
        """Tell a person, once, if others may read a file with a private key, too."""
        if file not in self._warned:
            self._warned.add(file)
            warn_of_readers(self._terminal, file)

    def _remember(self, data: bytes, passphrase: bytes) -> None:
        """Keep what fitted: a PIN for this token, a passphrase for any further key."""
        if is_token(data):
            self._pins[data] = passphrase
        elif passphrase not in self._known:
            self._known.append(passphrase)

    def _pin(self, name: str, data: bytes) -> Iterator[bytes]:
        """The PIN of a token: the one that was given, and no other is ever tried."""
        # TOK-2
        if data in self._pins:
            yield self._pins[data]
        elif self._asks:
            yield self._terminal.ask_passphrase(f"PIN of {name}").encode()
        elif len(self._known) != 1:
            raise UsageError(
                "the passphrase file has more than one line, and a token takes no guesses",
                rule="TOK-2",
                hint="give the PIN in a file of its own",
            )
        else:
            yield self._known[0]

    def _candidates(self, name: str) -> Iterator[bytes]:
        yield from tuple(self._known)
        for attempt in range(_TRIES if self._asks else 0):
            if attempt:
                self._terminal.warn("this passphrase does not fit, try again")
            yield self._terminal.ask_passphrase(f"passphrase of {name}").encode()


def signing_key(path: Path, passphrases: Passphrases) -> SigningKey:
    """The signing key of an IDENTITY: a folder, a .p12, or a PEM file with key and certificate.

    Raises:
        UntrustedError: it was revoked here (TRU-10).
    """
    key = any_signing_key(path, passphrases)
    refuse_revoked((key.certificate,), path.name)
    return key


def any_signing_key(path: Path, passphrases: Passphrases) -> SigningKey:
    """The signing key of an IDENTITY, revoked or not: to look at, and to revoke."""
    from dicompack.crypto.keys import load_signing_key

    file = file_of_role(path, path / SIGNING_FILE)
    data = read_key_file(file)
    key = passphrases.unlock(file.name, data, load_signing_key)
    passphrases.warn_of_readers(file)
    return key


def decryption_key(path: Path, passphrases: Passphrases) -> DecryptionKey:
    """The decryption key of an IDENTITY."""
    from dicompack.crypto.keys import load_decryption_key

    file = file_of_role(path, decryption_file(path))
    data = read_key_file(file)
    key = passphrases.unlock(file.name, data, load_decryption_key)
    passphrases.warn_of_readers(file)
    return key


def decryption_keys(path: Path, passphrases: Passphrases) -> list[DecryptionKey]:
    """All decryption keys of an IDENTITY: an ML-KEM key first, where there is one beside another."""
    keys = [decryption_key(path, passphrases)]
    if kem_file(path) is not None:
        keys.append(decryption_key(path / DECRYPTION_FILE, passphrases))
    return keys


def own_contact(signing: SigningKey, keys: Sequence[DecryptionKey]) -> Contact:
    """The contact of one's own keys, in the order of `decryption_keys`."""
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact

    first, *others = [one.certificate for one in keys]
    kem = first if others else None
    decryption = others[0] if others else first
    return Contact(name_of(signing.certificate), signing.certificate, decryption, kem)


def kem_file(folder: Path) -> Path | None:
    """The file of an identity folder with an ML-KEM key beside the other decryption key."""
    both = (folder / DECRYPTION_PEM_FILE, folder / DECRYPTION_FILE)
    return both[0] if all(file.is_file() for file in both) else None


def decryption_file(folder: Path) -> Path:
    """The file of an identity folder that holds the decryption key, of two the ML-KEM key."""
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
        own = own_identity()
        if own is None:
            raise UsageError("nothing to open it with", hint="name your --identity, or open with --password")
        identities = (own,)
    trust = trust_store(given)
    keys = [key for path in identities for key in decryption_keys(path, passphrases)]
    return Recipient(keys=(*keys, *(() if password is None else (password,))), trust=trust)
