"""A time-stamp authority for tests: it states any time that it is told to, and errs on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from dicompack.crypto import certificates, der
from dicompack.crypto.time_stamp_messages import Query
from dicompack.crypto.trust import AuthorityAnchor, Role
from dicompack.errors import FormatError
from tests.unit.crypto import pki

STAMPS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
TST_INFO = der.object_identifier("1.2.840.113549.1.9.16.1.4")
POLICY = der.object_identifier("1.2.3.4.1")
SHA256 = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.1"))
SHA1 = der.sequence(der.object_identifier("1.3.14.3.2.26"))
RSA = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.null())
ECDSA = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))


def attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.object_identifier(oid), der.set_of(values))


@dataclass(frozen=True)
class Authority:
    """A root, and below it somebody who makes time-stamps."""

    name: str = "Time"
    critical: Sequence[x509.ExtensionType] = (STAMPS,)
    extra: Sequence[x509.ExtensionType] = ()
    usage: Sequence[str] | None = ("digital_signature",)
    key: pki.PrivateKey | None = None
    start: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=3))
    end: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=3))

    @cached_property
    def root(self) -> x509.Certificate:
        long = timedelta(days=4000)
        return pki.certificate(
            f"{self.name} root", pki.CERTIFIES, ca=True, start=self.start - long, end=self.end + long
        )

    @property
    def private_key(self) -> pki.PrivateKey:
        return self.key or pki.key(self.name)

    def certificate(self) -> x509.Certificate:
        return pki.certificate(
            self.name,
            self.usage,
            of=self.private_key,
            issuer=(self.root, pki.key(f"{self.name} root")),
            start=self.start,
            end=self.end,
            critical=self.critical,
            extra=self.extra,
        )

    @property
    def anchor(self) -> AuthorityAnchor:
        return AuthorityAnchor(self.name, self.root, frozenset((Role.TIMESTAMP,)))

    def info(
        self,
        imprint: bytes,
        at: datetime | None = None,
        nonce: int | None = None,
        *,
        digest: bytes = SHA256,
        moment: bytes | None = None,
        more: Sequence[bytes] = (),
        last: Sequence[bytes] = (),
    ) -> bytes:
        """A TSTInfo; `more` stands before the nonce, and `last` after it."""
        moment = moment or f"{at or datetime.now(UTC):%Y%m%d%H%M%SZ}".encode()
        return der.sequence(
            der.integer(1),
            POLICY,
            der.sequence(digest, der.octet_string(imprint)),
            der.integer(7),
            der.encode(der.GENERALIZED_TIME, moment),
            *more,
            *(() if nonce is None else (der.integer(nonce),)),
            *last,
        )

    def token(
        self,
        info: bytes,
        *,
        signed_info: bytes | None = None,
        attributes: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda made: made,
        pool: Sequence[x509.Certificate] | None = None,
        by_key_identifier: bool = False,
        algorithm: bytes | None = None,
    ) -> bytes:
        """A token; `signed_info` is what the signature is about, if it is not what is inside."""
        certificate = self.certificate()
        raw = pki.raw(certificate)
        made = attributes(
            {
                "content": attribute("1.2.840.113549.1.9.3", TST_INFO),
                "digest": attribute(
                    "1.2.840.113549.1.9.4",
                    der.octet_string(hashlib.sha256(signed_info or info).digest()),
                ),
                "certificate": attribute(
                    "1.2.840.113549.1.9.16.2.47",
                    der.sequence(der.sequence(der.sequence(der.octet_string(hashlib.sha256(raw).digest())))),
                ),
            }
        )
        key = self.private_key
        statement = der.set_of(made.values())
        if isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(statement, padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            signature = key.sign(statement, ec.ECDSA(hashes.SHA256()))
        identifier = certificates.issuer_and_serial(certificate)
        if by_key_identifier:
            identifier = der.encode(0x80, certificates.subject_key_identifier(certificate, FormatError))
        signer = der.sequence(
            der.integer(3 if by_key_identifier else 1),
            identifier,
            SHA256,
            der.set_of(made.values(), 0xA0),
            algorithm or (RSA if isinstance(key, rsa.RSAPrivateKey) else ECDSA),
            der.octet_string(signature),
        )
        inside = [raw, pki.raw(self.root)] if pool is None else [pki.raw(one) for one in pool]
        return der.sequence(
            der.object_identifier("1.2.840.113549.1.7.2"),
            der.explicit(
                0,
                der.sequence(
                    der.integer(3),
                    der.set_of([SHA256]),
                    der.sequence(TST_INFO, der.explicit(0, der.octet_string(info))),
                    der.encode(0xA0, *inside),
                    der.set_of([signer]),
                ),
            ),
        )

    def stamped(self, value: bytes, at: datetime | None = None) -> bytes:
        """A token for some bytes, with nothing wrong."""
        return self.token(self.info(hashlib.sha256(value).digest(), at))

    def reply(self, query: bytes, *, status: int = 0, other_nonce: int | None = None) -> bytes:
        asked = Query.parse(query)
        token = self.token(self.info(asked.imprint, None, other_nonce or asked.nonce))
        return der.sequence(der.sequence(der.integer(status)), *(() if status > 1 else (token,)))


@contextmanager
def serving(
    answer: Callable[[bytes], bytes],
    *,
    kind: str = "application/timestamp-reply",
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Somebody who answers on this computer: the address, and each content type and body that was sent."""
    seen: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["Content-Type"], body))
            reply = answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stamp", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
