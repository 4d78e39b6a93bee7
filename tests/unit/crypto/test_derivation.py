"""The project key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.crypto import derivation
from dicompack.crypto.derivation import ProjectKey
from dicompack.errors import UsageError


def test_text_form_round_trip() -> None:
    key = ProjectKey.new()
    text = key.marshal()
    assert text.isascii() and text.count(b"\n") == 1 and text.endswith(b"\n")
    for form in (text, text.rstrip(), text.rstrip() + b"\r\n", b" " + text):
        assert ProjectKey.parse(form) == key
    assert key != ProjectKey.new()


def test_raw_form() -> None:
    assert ProjectKey.parse(bytes(range(32))).marshal() == ProjectKey(bytes(range(32))).marshal()


def test_text_form_is_fixed() -> None:
    checksum = hashlib.sha256(b"dicompack-project-key-1:" + bytes(32)).digest()[:8]
    assert ProjectKey(bytes(32)).marshal()[24:-1] == base64.b32encode(bytes(32) + checksum)


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(31), bytes(33), b"password", b"dicompack-project-key-1:", bytes(64)]
)
def test_nothing_else_is_a_project_key(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        ProjectKey.parse(data)
    assert caught.value.rule == "KEY-8"


def test_another_file_and_a_damaged_key_are_told_apart() -> None:
    """KEY-8: what to do next differs."""
    with pytest.raises(UsageError, match="no project key") as caught:
        ProjectKey.parse(b"-----BEGIN CERTIFICATE-----")
    assert caught.value.hint
    with pytest.raises(UsageError, match="damaged"):
        ProjectKey.parse(ProjectKey.new().marshal()[:-9])
    for size in (0, 16, 31, 33):
        with pytest.raises(UsageError, match="32 bytes"):
            ProjectKey(bytes(size))


def test_every_mistyped_character_is_found() -> None:
    """KEY-8: the checksum, and one text form only."""
    text = ProjectKey(bytes(range(32))).marshal().rstrip()
    for position in range(len(text)):
        for other in b"A7z1":
            wrong = bytearray(text)
            if wrong[position] == other:
                continue
            wrong[position] = other
            with pytest.raises(UsageError):
                ProjectKey.parse(bytes(wrong))
    for wrong_size in (text[:-1], text + b"A", text[:-8], text.lower(), text + text):
        with pytest.raises(UsageError):
            ProjectKey.parse(wrong_size)


def test_no_secret_is_shown() -> None:
    key = ProjectKey(b"\x41" * 32)
    assert repr(key) == str(key) == f"{key}" == "ProjectKey(...)"
    assert not hasattr(key, "__dict__")


def test_derivation_is_hmac_over_prefixed_parts() -> None:
    message = (3).to_bytes(8, "big") + b"uid" + (2).to_bytes(8, "big") + b"ab" + (0).to_bytes(8, "big")
    expected = hmac.new(bytes(32), message, hashlib.sha256).digest()
    assert ProjectKey(bytes(32)).derive(derivation.UID, b"ab", b"") == expected


def test_worked_example_of_the_specification() -> None:
    chapter = (Path(__file__).parents[3] / "spec" / "8-keys-and-trust.md").read_text("utf-8")
    key = ProjectKey(bytes(32))
    assert key.marshal().decode("ascii") in chapter
    assert key.derive("uid", b"ab").hex() + "\n" in chapter


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_different_parts_never_share_output(one: list[bytes], other: list[bytes]) -> None:
    key = ProjectKey(bytes(32))
    assert (key.derive(derivation.UID, *one) == key.derive(derivation.UID, *other)) == (one == other)


def test_labels_and_keys_separate() -> None:
    outputs = {
        ProjectKey(bytes(31) + bytes([last])).derive(label, b"x")
        for label in derivation.LABELS
        for last in (0, 1)
    }
    assert len(outputs) == 2 * len(derivation.LABELS)


def test_unknown_label() -> None:
    with pytest.raises(ValueError, match="unknown label"):
        ProjectKey.new().derive("something", b"x")
