"""Memory of sealing and opening a large object by pieces: ``python -m tests.bench.envelopes [BYTES]``."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dicompack import files
from dicompack.crypto import enveloped
from dicompack.crypto.identities import new_identity
from dicompack.crypto.keys import load_decryption_key

_PIECE = 1 << 20


def main(size: int) -> None:
    """Seal zeros into a file, and open it again; prints seconds and the largest resident set."""
    enveloped.MAX_CONTENT = max(enveloped.MAX_CONTENT, size)  # type: ignore[misc]  # more than the format allows
    identity = new_identity("Bench", None, algorithm="p-256")
    key = load_decryption_key(identity.decryption, bytes)
    piece = os.urandom(_PIECE)

    def content() -> Iterator[bytes]:
        for start in range(0, size, _PIECE):
            yield piece[: size - start]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sealed"
        began = time.monotonic()
        with path.open("wb") as file:
            for one in enveloped.seal(content(), [key.certificate], size):
                file.write(one)
        sealed = time.monotonic()
        with files.FileAccess(path) as access:
            opened = sum(len(one) for one in enveloped.open_pieces(access, [key]))
        assert opened == size
        done = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = f"sealed in {sealed - began:.1f} s, opened in {done - sealed:.1f} s"
    print(f"{size} bytes: {seconds}, {peak:.0f} MiB at most")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000_000)
