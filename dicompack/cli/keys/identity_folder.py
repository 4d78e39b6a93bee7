"""An identity folder: made whole or not at all, and opened with the passphrases that protect its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

from dicompack.cli import options
from dicompack.cli.contacts import CONTACT_FILE
from dicompack.cli.holders import Holder
from dicompack.cli.identities import (
    DECRYPTION_FILE,
    DECRYPTION_PEM_FILE,
    SIGNING_FILE,
    Passphrases,
    decryption_file,
    file_of_role,
    kem_file,
)
from dicompack.cli.key_files import read_key_file, read_passphrases, warn_of_readers
from dicompack.cli.system_errors import system_errors
from dicompack.cli.terminal import Terminal
from dicompack.crypto.tokens import is_token
from dicompack.errors import UnsupportedError, UsageError
from dicompack.files import check_target_folder, replace_file, sync_folder, write_new

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from dicompack.crypto.keys import Contact, DecryptionKey, NewIdentity, SigningKey

SIGNING_REQUEST = "signing.csr"
DECRYPTION_REQUEST = "decryption.csr"

Function = TypeVar("Function", bound=Callable[..., Any])


def of_new_keys(command: Function) -> Function:
    """``--algorithm``, ``--signing-algorithm``, ``--no-passphrase`` and ``--passphrase-file``."""
    command = options.passphrase_file(command)
    command = click.option("--no-passphrase", is_flag=True, help="Leave the keys unprotected on the disk.")(
        command
    )
    command = click.option(
        "--signing-algorithm",
        type=click.Choice(["rsa-3072", "p-256", "p-384"]),
        default="rsa-3072",
        show_default=True,
        help="Of the signing key; instances signed on a curve are outside the standard's profiles.",
    )(command)
    command = click.option(
        "--ml-kem",
        "with_kem",
        is_flag=True,
        help="Put an ML-KEM-768 key beside the decryption key: DICOMPack encrypts to it.",
    )(command)
    return click.option(
        "--algorithm",
        type=click.Choice(["rsa-3072", "p-256", "p-384", "ml-kem-768"]),
        default="rsa-3072",
        show_default=True,
        help="Of the decryption key; ml-kem-768 for what must stay secret for a lifetime.",
    )(command)


def protection(terminal: Terminal, folder: Path, *, no_passphrase: bool, file: Path | None) -> bytes | None:
    """The passphrase for the keys of a new identity in `folder`; None leaves them open.

    Raises:
        UsageError: the options contradict each other, or the person mistyped.
        OutputError: the folder is not empty.
    """
    if no_passphrase and file:
        raise UsageError(
            "--no-passphrase and --passphrase-file contradict each other", hint="leave one of them out"
        )
    check_target_folder(folder)
    return None if no_passphrase else _new_passphrase(terminal, file)


def _new_passphrase(terminal: Terminal, file: Path | None) -> bytes:
    if file is not None:
        passphrases = read_passphrases(file)
        warn_of_readers(terminal, file, "passphrase")
        if len(passphrases) != 1:
            raise UsageError("a new identity has one passphrase, and the file has several", rule="CLI-6")
        return passphrases[0]
    passphrase = terminal.ask_passphrase("new passphrase for both keys")
    if not passphrase:
        raise UsageError("the passphrase is empty", hint="leave it out on purpose with --no-passphrase")
    if passphrase != terminal.ask_passphrase("the same once more"):
        raise UsageError("the two passphrases differ", hint="try again")
    return passphrase.encode()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files or none; a folder made for them goes with them."""
    made = not folder.is_dir()
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            write_new(folder / name, [data])
            written.append(folder / name)
        if made:
            sync_folder(folder.parent)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def write_identity(
    terminal: Terminal, folder: Path, identity: NewIdentity, more: Mapping[str, bytes]
) -> None:
    """Write a new identity, and what goes with it; tell what to keep and what to give away."""
    from dicompack.crypto.identities import PEM_BEGINS

    decryption = DECRYPTION_PEM_FILE if identity.decryption.startswith(PEM_BEGINS) else DECRYPTION_FILE
    keys = {SIGNING_FILE: identity.signing_p12, decryption: identity.decryption}
    if identity.kem is not None:
        keys[DECRYPTION_PEM_FILE] = identity.kem
    files = {**keys, CONTACT_FILE: identity.contact_pem}
    with system_errors(folder):
        write_files(folder, {**files, **more})
    terminal.say(f"keep secret: {', '.join(keys)}")
    terminal.say(f"give away: {CONTACT_FILE}, and tell its fingerprint by another way:")
    terminal.say(identity.contact.fingerprint)


Held = TypeVar("Held", "SigningKey", "DecryptionKey")


@dataclass(frozen=True)
class KeyFile(Generic[Held]):
    """A key of an identity folder, and what protects it."""

    path: Path
    key: Held
    passphrase: bytes | None = field(repr=False)
    """None of an open one."""
    token: bytes = b""
    """The line that names a token, where the key is on one."""

    def rewrite(self, certificate: Certificate, chain: tuple[Certificate, ...]) -> None:
        """Put another certificate of the key in the file; nothing else of it changes."""
        from cryptography.hazmat.primitives.serialization import Encoding

        from dicompack.crypto.identities import protected

        if self.token:
            above = (one.public_bytes(Encoding.PEM) for one in (certificate, *chain))
            data = self.token + b"".join(above)
        else:
            data = protected(self.key.private_key, certificate, chain, self.passphrase or None)
        replace_file(self.path, [data])


@dataclass(frozen=True)
class Opened:
    """An identity folder with its keys."""

    signing_file: KeyFile[SigningKey]
    decryption_file: KeyFile[DecryptionKey]
    kem: Certificate | None = None
    """Of the ML-KEM key beside the decryption key."""

    @classmethod
    def of(cls, folder: Path, passphrases: Passphrases) -> Opened:
        """Open both keys.

        Raises:
            UsageError: it is no identity folder.
        """
        from dicompack.crypto.keys import load_decryption_key, load_signing_key

        if not folder.is_dir():
            raise UsageError(
                "an identity folder is needed, as dicompack keys new makes it", where=folder.name
            )
        beside = kem_file(folder)
        return cls(
            _opened(file_of_role(folder, folder / SIGNING_FILE), load_signing_key, passphrases),
            _opened(file_of_role(folder, _classical_file(folder)), load_decryption_key, passphrases),
            None if beside is None else _opened(beside, load_decryption_key, passphrases).key.certificate,
        )

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        return self.signing_file.key

    @property
    def decryption(self) -> DecryptionKey:
        """The key that decrypts."""
        return self.decryption_file.key

    @property
    def holder(self) -> Holder:
        """Whose it is."""
        return Holder.of(self.contact, self.signing.chain)

    @property
    def contact(self) -> Contact:
        """The public half."""
        return contact_of_keys(self.signing, self.decryption, self.kem)


def _classical_file(folder: Path) -> Path:
    return folder / DECRYPTION_FILE if kem_file(folder) else decryption_file(folder)


def _opened(
    path: Path, load: Callable[[bytes, Callable[[], bytes]], Held], passphrases: Passphrases
) -> KeyFile[Held]:
    data = read_key_file(path)
    key, passphrase = passphrases.unlock_with(path.name, data, load)
    passphrases.warn_of_readers(path)
    token = data.lstrip().partition(b"\n")[0] + b"\n" if is_token(data) else b""
    return KeyFile(path, key, passphrase, token)


def contact_of_keys(signing: SigningKey, decryption: DecryptionKey, kem: Certificate | None) -> Contact:
    """The public half of these keys."""
    from dicompack.crypto.certificates import name_of
    from dicompack.crypto.keys import Contact

    return Contact(name_of(signing.certificate), signing.certificate, decryption.certificate, kem)


def requests(signing: SigningKey, decryption: DecryptionKey) -> dict[str, bytes]:
    """The requests for both keys by the names of their files; an ML-KEM key cannot make one."""
    from dicompack.crypto.certification import request

    made = {SIGNING_REQUEST: request(signing)}
    try:
        made[DECRYPTION_REQUEST] = request(decryption)
    except UnsupportedError:
        return made
    return made


def say_requests(terminal: Terminal, names: list[str]) -> None:
    """What to do with them."""
    terminal.say(f"send to your authority: {', '.join(names)}")
    if DECRYPTION_REQUEST not in names:
        terminal.say("the ML-KEM key cannot make a request, and keeps the certificate by your signing key")
    terminal.say("then: dicompack keys install CERT... --identity DIR")
