"""Packing on a real Dask cluster: two workers that are processes, over TLS, and with one of them killed."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import dicompack
from dicompack import Originator, ProjectKey
from dicompack.crypto.identities import new_identity
from dicompack.errors import NoMatchError, UsageError
from dicompack.pipeline import remote_packing
from dicompack.pipeline.instances import PackingSettings
from dicompack.pipeline.remote_packing import KeyPaths
from dicompack.workers import Scheduler
from tests.conftest import IN_CI, trusting
from tests.packages import study, tree

if not IN_CI:
    pytest.importorskip("distributed")

NAMES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "rtdose.dcm", "test-SR.dcm", "waveform_ecg.dcm")

# Sockets and loops of distributed are closed by its own threads, some time after they were given back.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(sys.platform == "win32", reason="staging of another process"),
]


def _certificate(folder: Path) -> tuple[str, str, str]:
    """A throw-away authority, and one certificate of it for scheduler, workers and client."""
    now = datetime.now(UTC)
    made = []
    for name, issuer in (("throw-away authority", None), ("localhost", 0)):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = made[issuer] if issuer is not None else (subject, key)
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        certificate = builder.sign(signer[1], hashes.SHA256())
        made.append((subject, key))
        (folder / f"{len(made)}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{len(made)}.key").write_bytes(pem)
    return str(folder / "1.pem"), str(folder / "2.pem"), str(folder / "2.key")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers, one thread each, behind TLS."""
    from distributed import LocalCluster, Security

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        authority, certificate, key = _certificate(tmp_path_factory.mktemp("tls"))
        roles = {
            f"tls_{role}_{what}": path
            for role in ("scheduler", "worker", "client")
            for what, path in (("cert", certificate), ("key", key))
        }
        security = Security(tls_ca_file=authority, require_encryption=True, **roles)
        with LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            protocol="tls",
            security=security,
            dashboard_address=None,
        ) as running:
            yield running, Scheduler(running.scheduler_address, authority, certificate, key)


@pytest.fixture
def case(tmp_path, receiver):
    """Settings of a run whose keys lie in files, the own ones protected by a passphrase."""
    passphrase = b"one for the cluster"
    identity = new_identity("Me", passphrase, None)
    keys = tmp_path / "me"
    keys.mkdir()
    (keys / "signing.p12").write_bytes(identity.signing_p12)
    (keys / "decryption.p12").write_bytes(identity.decryption)
    (keys / "passphrases").write_bytes(b"another one\n" + passphrase + b"\n")
    me = dicompack.load_signing_key(identity.signing_p12, lambda: passphrase)
    own = dicompack.load_decryption_key(identity.decryption, lambda: passphrase)
    study(tmp_path / "source", NAMES)
    return {
        "sources": [tmp_path / "source"],
        "output": tmp_path / "x.dcmpack",
        "originator": Originator(me, (identity.contact, receiver.contact)),
        "own": own,
        "burned_in": "vouch",
        "key_paths": KeyPaths(
            str(keys / "signing.p12"), str(keys / "decryption.p12"), passphrases=str(keys / "passphrases")
        ),
    }


class _Me:
    """Whom the receiver trusts."""

    def __init__(self, originator):
        self.contact = originator.recipients[0]


def _equal_to_local(case, receiver, tmp_path, report):
    assert report.instances_out == len(NAMES)
    assert not [path for path in tmp_path.iterdir() if "staging" in path.name]
    local = {**case, "output": tmp_path / "local.dcmpack"}
    del local["scheduler"], local["key_paths"]
    dicompack.pack(**local)
    reader = dicompack.Recipient((receiver.decryption,), trusting(_Me(case["originator"])))
    dicompack.unpack(tmp_path / "x.dcmpack", tmp_path / "a", recipient=reader)
    dicompack.unpack(tmp_path / "local.dcmpack", tmp_path / "b", recipient=reader)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize("deidentify", ["basic", "basic+clean-descriptors"])
def test_a_cluster_packs_what_this_machine_would(cluster, case, receiver, tmp_path, deidentify):
    """Over TLS, with the objects aside on a shared folder, and a first pass where cleaning wants one."""
    (tmp_path / "shared").mkdir()
    key = ProjectKey.new()
    (tmp_path / "project").write_bytes(key.marshal())
    paths = case["key_paths"]
    case |= {
        "scheduler": cluster[1],
        "temp": tmp_path / "shared",
        "project_key": key,
        "deidentify": deidentify,
        "key_paths": KeyPaths(
            paths.signing, paths.decryption, None, str(tmp_path / "project"), paths.passphrases
        ),
    }
    _equal_to_local(case, receiver, tmp_path, dicompack.pack(**case))


def test_a_worker_that_is_killed_in_the_middle(cluster, case, receiver, tmp_path):
    """The scheduler gives its task to another one; nothing is lost, and nothing is there twice."""
    killed = []

    def kill_one(progress):
        if progress.phase == "packing" and progress.done == 1 and not killed:
            victim = next(iter(cluster[0].workers.values()))
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    case |= {"scheduler": cluster[1], "project_key": ProjectKey.new()}
    case["key_paths"] = _with_project_key(case, tmp_path)
    report = dicompack.pack(**case, on_progress=kill_one)
    assert killed
    _equal_to_local(case, receiver, tmp_path, report)
    _until(lambda: len(cluster[0].scheduler_info["workers"]) == 2)


def _with_project_key(case, tmp_path):
    (tmp_path / "project").write_bytes(case["project_key"].marshal())
    paths = case["key_paths"]
    return KeyPaths(paths.signing, paths.decryption, None, str(tmp_path / "project"), paths.passphrases)


def _until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_keys_are_opened_by_the_workers_and_must_be_the_same_cli_16(cluster, case, stranger, tmp_path):
    """Another key under the path that was named, a passphrase that is missing, another project key."""
    paths = case["key_paths"]
    other = tmp_path / "other.p12"
    other.write_bytes(stranger.files.signing_p12)
    wrong = tmp_path / "wrong"
    wrong.write_bytes(ProjectKey.new().marshal())
    for bad, error in (
        (KeyPaths(str(other), paths.decryption, passphrases=paths.passphrases), NoMatchError),
        (KeyPaths(paths.signing, paths.decryption), NoMatchError),
        (KeyPaths(paths.signing, paths.decryption, None, str(wrong), paths.passphrases), UsageError),
    ):
        with pytest.raises(error) as caught:
            dicompack.pack(**{**case, "scheduler": cluster[1], "key_paths": bad})
        assert caught.value.rule == "CLI-16"
    assert not (tmp_path / "x.dcmpack").exists()


def test_originals_for_a_custodian(cluster, case, receiver, tmp_path):
    """The staging key is in the journal, which the workers open."""
    case["originator"] = Originator(
        case["originator"].signing, case["originator"].recipients[:1], custodians=(receiver.contact,)
    )
    dicompack.pack(**case, scheduler=cluster[1])
    reader = dicompack.Recipient((receiver.decryption,), trusting(_Me(case["originator"])))
    dicompack.unpack(tmp_path / "x.dcmpack", tmp_path / "out", recipient=reader, originals=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "source")


def test_what_travels_holds_no_key(case, tmp_path):
    """Neither private key, nor project key, nor staging key, nor passphrase."""
    key, staging_key = ProjectKey.new(), b"staging key of 32 bytes, secret!"
    originator = Originator(case["originator"].signing, case["originator"].recipients, project_key=key)
    settings = PackingSettings(
        originator, dicompack.pipeline.packing.Encoding(), datetime.now(UTC), "folder", None, staging_key
    )
    travels = pickle.dumps(
        remote_packing.remote_settings(settings, case["key_paths"], case["own"], tmp_path / "j", bytes(32))
    )
    primes = [one.private_key.private_numbers().p for one in (originator.signing, case["own"])]
    secrets = [one.to_bytes(one.bit_length() // 8, order) for one in primes for order in ("big", "little")]
    secrets += [key._secret, key.marshal().strip(), staging_key, b"one for the cluster"]
    assert not [secret for secret in secrets if secret in travels]
    assert b"PRIVATE KEY" not in travels


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.1:8786", "tcp://scheduler:8786", "tcp://127.0.0.1.example.org:1", "http://127.0.0.1:1",
     "127.0.0.1:8786",
     "tls://10.0.0.1:8786", "ws://127.0.0.1:1", "inproc://1"],
)  # fmt: skip
def test_addresses_that_are_not_safe_cli_16(address):
    with pytest.raises(UsageError) as caught:
        Scheduler(address)
    assert caught.value.rule == "CLI-16"
    assert caught.value.hint


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786"])
def test_this_computer_needs_no_tls(address):
    Scheduler(address)


def test_without_an_own_key_cli_16(case):
    del case["own"]
    with pytest.raises(UsageError) as caught:
        dicompack.pack(**case, scheduler=Scheduler("tcp://127.0.0.1:1"))
    assert caught.value.rule == "CLI-16"
