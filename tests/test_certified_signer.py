"""A signer whom an authority vouches for, from files to exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from dicompack import Originator, SigningKey
from dicompack.cli.program import run
from dicompack.crypto.certificates import fingerprint
from tests.packages import packed
from tests.unit.crypto import pki


def test_a_certified_signer_and_revocation_lists(tmp_path, sender, receiver, monkeypatch, capfd):
    """From files to exit codes: unknown standing is told, demanded lists are demanded, revoked is refused."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    now = datetime.now(UTC)
    authority = pki.certificate(
        "Authority", pki.CERTIFIES, ca=True, start=now - timedelta(days=9), end=now + timedelta(days=9)
    )
    issuer = authority, pki.key("Authority")
    leaf = pki.certificate(
        "Clinic", pki.SIGNS, issuer=issuer, start=now - timedelta(days=9), end=now + timedelta(days=9)
    )
    originator = Originator(SigningKey(leaf, pki.key("Clinic")), (receiver.contact,))
    package, _ = packed(tmp_path, originator)
    (tmp_path / "ca.pem").write_bytes(pki.pem(authority))
    (tmp_path / "leaf.pem").write_bytes(pki.pem(leaf))
    (tmp_path / "sender.pem").write_bytes(sender.files.contact_pem)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=1))
    )
    entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number)
    revoked = builder.add_revoked_certificate(entry.revocation_date(now - timedelta(hours=2)).build())
    for name, made in (("good.crl", builder), ("bad.crl", revoked)):
        made = made.sign(pki.key("Authority"), hashes.SHA256())
        (tmp_path / name).write_bytes(made.public_bytes(Encoding.PEM))
    call = ["test", str(package), "--trust", str(tmp_path / "ca.pem"), "--json"]
    for more, code, kinds, rule in (
        ([], 0, ["revocation-unknown"], None),
        (["--require-crl"], 50, [], "TRU-8"),
        (["--crl", str(tmp_path / "good.crl"), "--require-crl"], 0, [], None),
        (["--crl", str(tmp_path / "bad.crl")], 50, [], "TRU-7"),
        (["--crl", str(tmp_path / "ca.pem")], 40, [], "KEY-9"),
        (["--expect-signer", str(tmp_path / "leaf.pem")], 0, ["revocation-unknown"], None),
        (["--expect-signer", fingerprint((leaf,))], 0, ["revocation-unknown"], None),
        (
            ["--expect-signer", fingerprint((leaf,)).replace(" ", "-").lower()],
            0,
            ["revocation-unknown"],
            None,
        ),
        (["--expect-signer", str(tmp_path / "sender.pem")], 50, [], "TRU-9"),
    ):
        assert run([*call, *more]) == code, more
        told = json.loads(capfd.readouterr().out)
        assert [one["kind"] for one in told["findings"]] == kinds
        assert told.get("error", {}).get("rule") == rule
