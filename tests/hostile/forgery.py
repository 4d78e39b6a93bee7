"""What an attacker does: take a package apart, change it, and put it together so that all frames fit.

Frames, CRCs and block hashes are for accidents; anybody can compute them. Every forgery here is well-formed
by the container's own writer, and only digests, tags and signatures can tell.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dicompack.container import digests, manifest, seal
from dicompack.container.digests import Digests
from dicompack.container.layout import SetIds, StoredObject, lay_out
from dicompack.container.manifest import Manifest
from dicompack.container.volume_writer import VolumeWriter
from dicompack.crypto import signed
from dicompack.crypto.keys import DecryptionKey, SigningKey
from dicompack.stages import envelope, volumes
from tests.conftest import now


class Forgery:
    """The objects of a package, to be changed, and its ids."""

    def __init__(self, path: Path) -> None:
        with volumes.unpack(path) as opened:
            self.ids = opened.package.ids
            self.objects = {name: opened.package.read(name) for name in opened.package.names}

    def write(self, path: Path) -> Path:
        """A one-volume package with sound frames."""
        layout = lay_out(
            [StoredObject(name, len(data)) for name, data in self.objects.items()], self.ids, None
        )
        writer = VolumeWriter(layout, lambda name, offset, size: [self.objects[name][offset : offset + size]])
        path.write_bytes(b"".join(writer.chunks(1)))
        return path

    def open(self, name: str, key: DecryptionKey) -> bytes:
        return envelope.unpack(self.objects[name], [key])

    def reseal(self, name: str, content: bytes, recipients: Sequence) -> None:
        """A fellow recipient seals something else for the same recipients."""
        self.objects[name] = envelope.pack(content, recipients).whole

    @property
    def sealed(self) -> list[str]:
        """The objects that DIGESTS have a row for."""
        return [name for name in self.objects if name != "DIGESTS" and not name.startswith("SEAL")]

    def refresh_digests(self) -> None:
        """DIGESTS that fit the objects as they are."""
        rows = tuple(envelope.digest_of(self.objects[name]) for name in self.sealed)
        self.objects["DIGESTS"] = digests.marshal(Digests(rows))

    def change_seal(self, signer: SigningKey, **changes: object) -> None:
        """The SEAL with other contents, by another signer, and with digests that fit."""
        content = seal.parse(signed.verify(self.objects["SEAL0001"]).content)
        table = digests.parse(self.objects["DIGESTS"], len(self.sealed))
        content = replace(content, digests=table.columns, **changes)  # type: ignore[arg-type]
        self.objects["SEAL0001"] = signed.sign(seal.marshal(content), signer, now())

    def add_seal(self, signer: SigningKey, **changes: object) -> None:
        """One SEAL more, as somebody makes it who passes the package on."""
        number = sum(name.startswith("SEAL") for name in self.objects)
        before = self.objects[f"SEAL{number:04d}"]
        content = seal.parse(signed.verify(before).content)
        columns = digests.parse(self.objects["DIGESTS"], len(self.sealed)).columns
        content = replace(
            content,
            sequence=number + 1,
            previous=hashlib.sha256(before).hexdigest(),
            volume_set=self.ids.volume_set,
            digests=columns,
        )
        content = replace(content, **changes)  # type: ignore[arg-type]
        self.objects[f"SEAL{number + 1:04d}"] = signed.sign(seal.marshal(content), signer, now())

    def change_manifest(
        self,
        change: Callable[[Manifest], Manifest],
        key: DecryptionKey,
        signer: SigningKey,
        recipients: Sequence,
    ) -> None:
        content = manifest.parse(signed.verify(self.open("MANIFEST", key)).content)
        self.reseal("MANIFEST", signed.sign(manifest.marshal(change(content)), signer, now()), recipients)

    def new_volume_set(self) -> None:
        self.ids = SetIds(self.ids.set_id, os.urandom(16))
