"""What all kinds of recipients refuse, in the same words."""

from __future__ import annotations

from typing import Final

from dicompack.crypto import der
from dicompack.errors import FormatError, UnsupportedError

MAX_IDENTIFIER: Final = 64


def unsupported(message: str, element: der.Element) -> UnsupportedError:
    """Another kind, version or algorithm."""
    return UnsupportedError(message, where=f"offset {element.start}", rule="ENV-4")


def out_of_range(element: der.Element) -> FormatError:
    """A size that no writer would have made."""
    return FormatError("sizes in a recipient are out of range", where=f"offset {element.start}", rule="ENV-4")


def identifier(content: memoryview, element: der.Element) -> bytes:
    """A SubjectKeyIdentifier.

    Raises:
        FormatError: it is empty or longer than 64 bytes.
    """
    if not 1 <= len(content) <= MAX_IDENTIFIER:  # ENV-4
        raise out_of_range(element)
    return bytes(content)


def check_version(element: der.Element, due: int) -> None:
    """Check the version of a RecipientInfo.

    Raises:
        UnsupportedError: another one.
    """
    if der.small_integer(element) != due:  # ENV-4
        raise unsupported("a recipient of an unknown version", element)


def check_algorithm(element: der.Element, due: bytes) -> None:
    """Check an AlgorithmIdentifier against the only permitted one.

    Raises:
        UnsupportedError: another one.
    """
    if element.raw != due:  # ENV-4
        raise unsupported("an algorithm of a recipient that is not in the list", element)
