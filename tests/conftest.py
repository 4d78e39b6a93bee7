"""What the tests share: identities, other people's programs, bundled and development data."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicompack import Contact, DecryptionKey, Originator, Recipient, SigningKey, TrustStore
from dicompack.crypto.identities import NewIdentity, new_identity
from dicompack.crypto.keys import load_decryption_key, load_signing_key
from dicompack.crypto.trust import PinnedContact

# A run in the background may ignore Ctrl-C, and the programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).parent.parent
# Real studies to run against: never part of the project, and beside the checkout where there are any.
DATA = Path(os.environ.get("DICOMPACK_TEST_DATA", ROOT.parent / "shared" / "data"))
# In CI the tools are installed, so that a missing one is a failure.
IN_CI = bool(os.environ.get("CI"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run tests that take minutes, too")
    parser.addoption("--exhaustive", action="store_true", help="run all tests, also those that take an hour")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    everything = config.getoption("--exhaustive")
    for item in items:
        for marker in ("slow", "exhaustive"):
            if marker in item.keywords and not everything and not config.getoption(f"--{marker}"):
                item.add_marker(pytest.mark.skip(reason=f"{marker}: run with --{marker}"))


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Path of a program of somebody else, to hold our bytes against."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            message = f"{name} is not installed"
            if IN_CI:
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture(scope="session")
def data() -> Path:
    """The development data set."""
    if not DATA.is_dir():
        pytest.skip("the development data set is not here")
    return DATA


@dataclass(frozen=True)
class Party:
    """Somebody with both keys."""

    files: NewIdentity
    signing: SigningKey
    decryption: DecryptionKey

    @property
    def contact(self) -> Contact:
        return self.files.contact


def new_party(name: str, now: datetime | None = None) -> Party:
    files = new_identity(name, None, now)
    return Party(
        files, load_signing_key(files.signing_p12, bytes), load_decryption_key(files.decryption, bytes)
    )


@pytest.fixture(scope="session")
def sender() -> Party:
    return new_party("Sender Hospital")


@pytest.fixture(scope="session")
def receiver() -> Party:
    return new_party("Receiver Hospital")


@pytest.fixture(scope="session")
def stranger() -> Party:
    return new_party("Stranger")


def trusting(*parties: Party) -> TrustStore:
    """A trust store in which these are pinned."""
    return TrustStore(tuple(PinnedContact(party.contact.name, party.contact) for party in parties))


@pytest.fixture
def originator(sender: Party, receiver: Party) -> Originator:
    return Originator(sender.signing, (receiver.contact,))


@pytest.fixture
def recipient(sender: Party, receiver: Party) -> Recipient:
    return Recipient((receiver.decryption,), trusting(sender))


def now() -> datetime:
    return datetime.now(UTC)
