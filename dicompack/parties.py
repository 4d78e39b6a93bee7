"""Who holds which keys: the packer never has the reader's secret, and the reader never the packer's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mlkem, rsa

from dicompack.crypto.certificates import name_of, spki_sha256
from dicompack.crypto.contacts import Contact
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import SigningKey
from dicompack.crypto.passwords import PasswordKey
from dicompack.crypto.recipients import Addressee, Opener
from dicompack.crypto.trust import PinnedContact, Role, TrustStore
from dicompack.errors import UntrustedError, UsageError

MAX_RECIPIENTS = 256  # design limit: a reader never has to look through more RecipientInfos


@dataclass(frozen=True)
class Originator:
    """Signs the package and its instances, and encrypts to the recipients."""

    signing: SigningKey
    recipients: tuple[Contact, ...]
    instance_signing: SigningKey | None = None
    """Signs the instances in place of `signing`, so that its name need not stand in every instance."""
    project_key: ProjectKey = field(default_factory=ProjectKey.new)
    """What pseudonyms come from; a fresh one serves one package."""
    custodians: tuple[Contact, ...] = ()
    """Recipients who can undo de-identification; without any, nothing that could is stored (ENA-12)."""
    password: PasswordKey | None = None
    """For whoever knows it; the weakest lock there is, and so never beside the strongest."""

    def __post_init__(self) -> None:
        _check_count(len(self.recipients) + len(self.custodians) + (self.password is not None))
        if self.password is not None and (self.custodians or self.has_kem_recipient):  # PWD-3
            raise UsageError(
                "a password would be the weaker lock beside a custodian or an ML-KEM key",
                rule="PWD-3",
                hint="leave out the password, or make a package of its own for it",
            )

    @property
    def signer_of_instances(self) -> SigningKey:
        """Whose DICOM Digital Signature the instances carry."""
        return self.instance_signing or self.signing

    @property
    def signs_by_profile(self) -> bool:
        """Whether a profile of the standard has the instances' signatures: they know RSA only (PS3.15 C)."""
        return isinstance(self.signer_of_instances.private_key, rsa.RSAPrivateKey)

    @property
    def has_kem_recipient(self) -> bool:
        """Whether it has to stay secret for a lifetime: a recipient or custodian has an ML-KEM key."""
        keys = (one.public_key() for one in self.recipient_certificates)
        return any(isinstance(key, mlkem.MLKEM768PublicKey) for key in keys)

    def without_kem(self) -> Originator:
        """The same for who knows no ML-KEM: contacts with another key beside are encrypted to by that one."""
        return replace(self, recipients=tuple(replace(one, kem=None) for one in self.recipients))

    @property
    def encrypts_attributes(self) -> bool:
        """Whether the way back may stand in the instances, too: PS3.15 E.1.1 knows RSA only (ENA-12)."""
        keys = [one.public_key() for one in self.custodian_certificates]
        return (
            bool(keys)
            and all(isinstance(key, rsa.RSAPublicKey) for key in keys)
            and not self.has_kem_recipient
        )

    @property
    def addressees(self) -> tuple[Addressee, ...]:
        """Everybody whom the package is sealed for."""
        return (*self.recipient_certificates, *(() if self.password is None else (self.password,)))

    @property
    def recipient_certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates to encrypt to, each key once; those of custodians, too.

        Raises:
            UsageError: a contact has no decryption certificate.
        """
        return _to_encrypt_to((*self.recipients, *self.custodians), "recipient")

    @property
    def custodian_certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates that originals are encrypted to, each key once.

        Raises:
            UsageError: a contact has no decryption certificate.
        """
        return _to_encrypt_to(self.custodians, "custodian")

    def check_validity(self, at: datetime) -> None:
        """See that every key may be used at this time, before anything is signed with it or encrypted to it.

        Raises:
            UsageError: a contact cannot be a recipient, or a key cannot sign instances.
            UntrustedError: a certificate is not yet valid or has expired.
        """
        key = self.signer_of_instances.private_key
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size % 16:
            # DICOM values are even, and a reader could not tell a pad byte from the signature's last one.
            raise UsageError("a key whose modulus has an odd number of bytes cannot sign instances")
        _check_validity((self.signing, self.signer_of_instances), self.recipient_certificates, at)


@dataclass(frozen=True)
class Forwarder:
    """Passes a package on: signs the next SEAL, and encrypts to those who are to open it from now on."""

    signing: SigningKey
    recipients: tuple[Contact, ...]

    def __post_init__(self) -> None:
        _check_count(len(self.recipients))

    @property
    def recipient_certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates to encrypt to, each key once.

        Raises:
            UsageError: a contact has no decryption certificate.
        """
        return _to_encrypt_to(self.recipients, "recipient")

    def check_validity(self, at: datetime) -> None:
        """See that every key may be used at this time.

        Raises:
            UsageError: a contact cannot be a recipient.
            UntrustedError: a certificate is not yet valid or has expired.
        """
        _check_validity((self.signing,), self.recipient_certificates, at)


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_RECIPIENTS:
        raise UsageError(
            f"{count} recipients, 1 to {MAX_RECIPIENTS} are possible",
            hint="make several packages, or rewrap one for others" if count else "name one with --recipient",
        )


def check_signer_validity(key: SigningKey, at: datetime) -> None:
    """See that a key may sign at this time.

    Raises:
        UntrustedError: its certificate is not yet valid or has expired.
    """
    own = PinnedContact("the signer", Contact("the signer", signing=key.certificate))
    with _naming(key.certificate):
        TrustStore((own,)).judge(key.certificate, key.chain, at, Role.SIGNER)


def _check_validity(
    signers: tuple[SigningKey, ...], recipients: tuple[x509.Certificate, ...], at: datetime
) -> None:
    for key in signers:
        check_signer_validity(key, at)
    for certificate in recipients:
        other = PinnedContact("a recipient", Contact("a recipient", decryption=certificate))
        with _naming(certificate):
            TrustStore((other,)).judge(certificate, (), at, Role.RECIPIENT)


@contextmanager
def _naming(certificate: x509.Certificate) -> Iterator[None]:
    """Say in the error whose certificate it is about."""
    try:
        yield
    except UntrustedError as error:
        error.where = error.where or name_of(certificate)
        raise


def _to_encrypt_to(contacts: tuple[Contact, ...], role: str) -> tuple[x509.Certificate, ...]:
    certificates: dict[bytes, x509.Certificate] = {}
    for contact in contacts:
        if contact.encryption is None:
            raise UsageError(
                f"{contact.name} cannot be a {role}: there is no decryption certificate",
                hint="ask for the whole contact.pem",
            )
        certificates.setdefault(spki_sha256(contact.encryption), contact.encryption)
    return tuple(certificates.values())


@dataclass(frozen=True)
class Recipient:
    """Decrypts, and decides whom to trust."""

    keys: tuple[Opener, ...]
    """Decryption keys, and passwords."""
    trust: TrustStore
