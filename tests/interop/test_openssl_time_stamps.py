"""`openssl ts` as the authority for our queries, and as the judge of our tokens; it takes our query files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import dicompack
from dicompack import Originator
from dicompack.cli.program import run
from dicompack.crypto import signed, time_stamps
from dicompack.crypto.time_stamp_messages import Query, read_reply
from dicompack.errors import InputError
from tests.conftest import trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed
from tests.test_time_stamps import with_tsa
from tests.time_stamps import Authority, serving
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop

VALUE = b"the value of a signature"
CONFIGURATION = """
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/root.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = {chain}
ess_cert_id_alg = {digest}
"""


class OpenSslAuthority:
    """`openssl ts` with the keys of one of our test authorities."""

    def __init__(
        self, program: str, folder: Path, own: Authority, *, digest: str = "sha256", chain: str = "no"
    ) -> None:
        self.program, self.folder, self.own = program, folder, own
        (folder / "tsa.pem").write_bytes(pki.pem(own.certificate()))
        (folder / "root.pem").write_bytes(pki.pem(own.root))
        key = own.private_key
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "tsa.key").write_bytes(raw)
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder, digest=digest, chain=chain))

    def __call__(self, *arguments: str, given: Sequence[tuple[str, bytes]] = ()) -> bytes:
        for name, content in given:
            (self.folder / name).write_bytes(content)
        result = subprocess.run(
            [self.program, "ts", *arguments], cwd=self.folder, capture_output=True, timeout=60
        )
        if result.returncode:
            raise subprocess.CalledProcessError(result.returncode, arguments, stderr=result.stderr)
        return result.stdout

    def reply(self, query: bytes) -> bytes:
        self("-reply", "-config", "tsa.cnf", "-queryfile", "q", "-out", "r", given=[("q", query)])
        return (self.folder / "r").read_bytes()


@pytest.fixture
def openssl(program: Callable[[str], str]) -> str:
    return program("openssl")


@pytest.mark.parametrize(
    ("curve", "digest", "chain"),
    [
        (None, "sha256", "no"),
        (None, "sha256", "yes"),
        (None, "sha384", "no"),
        (None, "sha1", "no"),
        (ec.SECP256R1(), "sha256", "no"),
        (ec.SECP384R1(), "sha512", "yes"),
    ],
)
def test_openssl_answers_our_query(openssl, tmp_path, curve, digest, chain):
    key = ec.generate_private_key(curve) if curve else None
    theirs = OpenSslAuthority(openssl, tmp_path, Authority(key=key), digest=digest, chain=chain)
    query = Query.of(VALUE)
    reply = theirs.reply(query.marshal())
    token, stamp = read_reply(reply, VALUE, query)
    assert stamp.nonce == query.nonce and stamp.certificate.subject == theirs.own.certificate().subject
    assert theirs.own.root in stamp.chain
    theirs("-reply", "-in", "r", "-token_out", "-out", "t")
    assert (tmp_path / "t").read_bytes() == token
    with pytest.raises(InputError) as caught:
        read_reply(reply, VALUE, Query.of(VALUE))
    assert caught.value.rule == "TSP-7"
    with pytest.raises(InputError) as caught:
        read_reply(reply, b"another value", query)
    assert caught.value.rule == "TSP-3"


def test_openssl_refuses_and_we_say_so(openssl, tmp_path):
    theirs = OpenSslAuthority(openssl, tmp_path, Authority())
    (tmp_path / "tsa.cnf").write_text((tmp_path / "tsa.cnf").read_text().replace("sha256, sha384", "sha384"))
    query = Query.of(VALUE)
    with pytest.raises(InputError) as caught:
        read_reply(theirs.reply(query.marshal()), VALUE, query)
    assert caught.value.rule == "TSP-7" and "status 2" in caught.value.message


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_query_of_openssl(openssl, tmp_path, digest):
    """Who has no DICOMPack at hand asks with `openssl ts -query`; other digests than ours are read, too."""
    theirs = OpenSslAuthority(openssl, tmp_path, Authority())
    theirs("-query", "-data", "v", f"-{digest}", "-cert", "-out", "q", given=[("v", VALUE)])
    raw = (tmp_path / "q").read_bytes()
    query = Query.parse(raw)
    assert read_reply(theirs.reply(raw), VALUE, query)[1].nonce == query.nonce is not None


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_files_go_to_openssl_and_back(openssl, tmp_path, originator, sender, digest, monkeypatch, capfd):
    """Offline, as a person does it: our query file, their reply file, the stamped package believed."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    theirs = OpenSslAuthority(openssl, tmp_path, Authority(), digest=digest)
    (tmp_path / "sender.pem").write_bytes(sender.files.contact_pem)
    package, _ = packed(tmp_path, originator)
    assert run(["timestamp", str(package), "--query", str(tmp_path / "q")]) == 0
    told = theirs("-query", "-in", "q", "-text")
    assert b"sha256" in told and b"Certificate required: yes" in told
    theirs("-reply", "-config", "tsa.cnf", "-queryfile", "q", "-out", "r")
    new = tmp_path / "new" / "study.dcmpack"
    new.parent.mkdir()
    given = ["--query", str(tmp_path / "q"), "--reply", str(tmp_path / "r")]
    assert run(["timestamp", str(package), *given, "-o", str(new)]) == 0
    capfd.readouterr()
    believed = ["--trust", str(tmp_path / "sender.pem"), "--tsa", str(tmp_path / "root.pem")]
    assert run(["test", str(new), *believed]) == 0
    assert "existed by 20" in capfd.readouterr().err


def test_openssl_judges_what_stands_in_a_package(openssl, tmp_path, sender, receiver):
    """Packed with `openssl ts` behind a server: our reader trusts it, and so does `openssl ts -verify`."""
    theirs = OpenSslAuthority(openssl, tmp_path, Authority())
    with serving(theirs.reply) as (url, _):
        package, _ = packed(tmp_path, Originator(sender.signing, (receiver.contact,)), timestamp=url)
    verdict = dicompack.test(package, trust=with_tsa(trusting(sender), theirs.own)).signatures[0]
    assert verdict.time_stamped_by == "Time"
    found = signed.verify(Forgery(package).objects["SEAL0001"], may_be_stamped=True)
    assert found.token is not None
    given = [("token", found.token), ("value", found.signature), ("other", found.signature + b"!")]
    check = ("-verify", "-in", "token", "-token_in", "-CAfile", "root.pem")
    assert b"Verification: OK" in theirs(*check, "-data", "value", given=given)
    with pytest.raises(subprocess.CalledProcessError):
        theirs(*check, "-data", "other")
    # The SEAL is a SignedData that openssl verifies as before, token and all.
    (tmp_path / "seal").write_bytes(Forgery(package).objects["SEAL0001"])
    (tmp_path / "sender.pem").write_bytes(pki.pem(sender.signing.certificate))
    command = ["cms", "-verify", "-inform", "DER", "-in", "seal", "-CAfile", "sender.pem", "-purpose", "any"]
    result = subprocess.run([openssl, *command], cwd=tmp_path, capture_output=True, timeout=60)
    assert result.returncode == 0 and result.stdout == found.content


def test_openssl_judges_the_tokens_of_our_tests(openssl, tmp_path):
    """So that what the tests refuse is refused for what is wrong in it."""
    own = Authority()
    theirs = OpenSslAuthority(openssl, tmp_path, own)
    token = own.stamped(VALUE)
    time_stamps.verify(token, VALUE)
    check = ("-verify", "-in", "token", "-token_in", "-CAfile", "root.pem", "-data", "value")
    assert b"Verification: OK" in theirs(*check, given=[("token", token), ("value", VALUE)])
