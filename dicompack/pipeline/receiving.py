"""Receipts on the disk: one appears only after the instances of its package have their final names."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dicompack import files
from dicompack.errors import OutputError

_MAX_RECEIPT = 1 << 20
"""A SignedData with the largest chain of certificates has less."""


class ReceiptFile:
    """A receipt that is to be written, or none. Use it in a ``with`` block.

    Raises:
        OutputError: the file exists, or its folder does not.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path.absolute() if path else None
        self._staged: list[Path] = []
        self._stack = ExitStack()

    def __enter__(self) -> ReceiptFile:
        if self._path is not None:
            if os.path.lexists(self._path):  # a link that leads nowhere would be met when all is done
                raise OutputError(f"{self._path.name} exists", hint="choose another name for the receipt")
            self._staging = self._stack.enter_context(files.Staging(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, data: bytes) -> None:
        """Write it where nobody looks yet."""
        assert self._path is not None
        path = self._staging.path / self._path.name
        files.write_new(path, [data])
        self._staged.append(path)

    def publish(self) -> None:
        """Give it its name."""
        if self._path is not None:
            files.publish_files(self._staged, self._path.parent)


def read_receipt(path: Path) -> bytes:
    """The bytes of a receipt.

    Raises:
        InputError: it is much larger than a receipt can be.
    """
    return bytes(files.SourceBytes(path, _MAX_RECEIPT).data)
