"""Who holds which keys: the packer never has the reader's secret, and the reader never the packer's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.contacts import Contact
from dicompack.crypto.derivation import ProjectKey
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.crypto.trust import PinnedContact, Role, TrustStore
from dicompack.errors import UsageError

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

    def __post_init__(self) -> None:
        _check_count(len(self.recipients) + len(self.custodians))

    @property
    def signer_of_instances(self) -> SigningKey:
        """Whose DICOM Digital Signature the instances carry."""
        return self.instance_signing or self.signing

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
        if self.signer_of_instances.private_key.key_size % 16:
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
            f"{count} recipients, 1 to {MAX_RECIPIENTS} are possible", hint="name one with --recipient"
        )


def check_signer_validity(key: SigningKey, at: datetime) -> None:
    """See that a key may sign at this time.

    Raises:
        UntrustedError: its certificate is not yet valid or has expired.
    """
    own = PinnedContact("the signer", Contact("the signer", signing=key.certificate))
    TrustStore((own,)).judge(key.certificate, key.chain, at, Role.SIGNER)


def _check_validity(
    signers: tuple[SigningKey, ...], recipients: tuple[x509.Certificate, ...], at: datetime
) -> None:
    for key in signers:
        check_signer_validity(key, at)
    for certificate in recipients:
        other = PinnedContact("a recipient", Contact("a recipient", decryption=certificate))
        TrustStore((other,)).judge(certificate, (), at, Role.RECIPIENT)


def _to_encrypt_to(contacts: tuple[Contact, ...], role: str) -> tuple[x509.Certificate, ...]:
    certificates: dict[bytes, x509.Certificate] = {}
    for contact in contacts:
        if contact.decryption is None:
            raise UsageError(
                f"{contact.name} cannot be a {role}: there is no decryption certificate",
                hint="ask for the whole contact.pem",
            )
        certificates.setdefault(spki_sha256(contact.decryption), contact.decryption)
    return tuple(certificates.values())


@dataclass(frozen=True)
class Recipient:
    """Decrypts, and decides whom to trust."""

    keys: tuple[DecryptionKey, ...]
    trust: TrustStore
