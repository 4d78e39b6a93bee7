"""`openssl ts` answers our queries, and verifies the tokens that stand in our SEALs."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dicompack.cli.program import run
from dicompack.crypto import signed
from tests.hostile.forgery import Forgery
from tests.packages import packed
from tests.time_stamps import Authority
from tests.unit.crypto import pki

pytestmark = pytest.mark.interop

CONFIGURATION = """
[tsa]
default_tsa = this
[this]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
ess_cert_id_alg = {ess}
"""


def openssl(*arguments: object, code: int = 0) -> str:
    ended = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("ess", ["sha1", "sha256"])
def test_openssl_as_the_authority(tmp_path, originator, sender, ess, monkeypatch, capfd):
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    authority = Authority()
    root, certificate, key = (tmp_path / name for name in ("root.pem", "tsa.pem", "tsa.key"))
    root.write_bytes(pki.pem(authority.root))
    certificate.write_bytes(pki.pem(authority.certificate()))
    key.write_bytes(authority.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "tsa.cnf").write_text(CONFIGURATION.format(folder=tmp_path, ess=ess))
    (tmp_path / "sender.pem").write_bytes(sender.files.contact_pem)
    package, _ = packed(tmp_path, originator)
    query, reply = tmp_path / "study.tsq", tmp_path / "study.tsr"
    assert run(["timestamp", str(package), "--query", str(query)]) == 0
    told = openssl("ts", "-query", "-in", query, "-text")
    assert "sha256" in told and "Certificate required: yes" in told
    openssl(
        "ts", "-reply", "-config", tmp_path / "tsa.cnf", "-queryfile", query, "-out", reply,
        "-signer", certificate, "-inkey", key,
    )  # fmt: skip
    (tmp_path / "new").mkdir()
    stamped = tmp_path / "new" / "stamped.dcmpack"
    assert (
        run(["timestamp", str(package), "--query", str(query), "--reply", str(reply), "-o", str(stamped)])
        == 0
    )
    capfd.readouterr()
    believed = ["--trust", str(tmp_path / "sender.pem"), "--tsa", str(root)]
    assert run(["test", str(stamped), *believed]) == 0
    assert "existed by 20" in capfd.readouterr().err

    verified = signed.verify(Forgery(stamped).objects["SEAL0001"], may_be_stamped=True)
    (tmp_path / "token").write_bytes(verified.token)
    (tmp_path / "signature").write_bytes(verified.signature)
    check = ("ts", "-verify", "-in", tmp_path / "token", "-token_in", "-CAfile", root, "-data")
    assert "OK" in openssl(*check, tmp_path / "signature")
    openssl(*check, query, code=1)
