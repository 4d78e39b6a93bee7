"""The way to a time-stamp authority: one POST over HTTP or HTTPS (RFC 3161 §3.4), with limits (TSP-9)."""

from __future__ import annotations

import time
import urllib.request
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO, Final, NoReturn
from urllib.error import HTTPError
from urllib.parse import urlsplit

from dicompack.errors import InputError, UsageError

TIMEOUT: Final = 30.0
"""Seconds for each step of the network, and twice that for all of it."""
_PIECE: Final = 1 << 14
_HINT: Final = (
    "try again, or another authority; a package can also get its time-stamp later: dicompack timestamp"
)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The address is what a person named: another one is not asked."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """None: the answer is taken for the error that it is."""


def check_address(url: str) -> None:
    """See that it is the address of something that can be asked.

    Raises:
        UsageError: no HTTP or HTTPS address with a host, or one with a name and a password (TSP-9).
    """
    fits, user = False, None
    try:
        parts = urlsplit(url)
        user = parts.username
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or no address of IPv6
        pass
    if not fits or not url.isascii() or not url.isprintable() or " " in url:  # TSP-9
        raise UsageError(
            "this is no address of a time-stamp authority", rule="TSP-9", hint="http:// or https://"
        )
    if user is not None:  # TSP-9
        raise UsageError(
            "a name and a password do not belong into an address",
            rule="TSP-9",
            hint="choose another authority",
        )


def ask(url: str, query: bytes, limit: int, timeout: float = TIMEOUT) -> bytes:
    """The authority's reply to a query: at most ``limit`` bytes of application/timestamp-reply.

    Raises:
        UsageError: see `check_address`.
        InputError: no reply within the time and the limit (TSP-9).
    """
    check_address(url)
    request = urllib.request.Request(  # noqa: S310  # its scheme was checked
        url, data=query, headers={"Content-Type": "application/timestamp-query", "User-Agent": "dicompack"}
    )
    opener = urllib.request.build_opener(_NoRedirects)
    end = time.monotonic() + 2 * timeout
    try:
        with opener.open(request, timeout=timeout) as response:
            _check_kind(response.headers)
            reply = b""
            while piece := response.read1(_PIECE):
                reply += piece
                if len(reply) > limit:
                    _refuse(f"sent more than {limit} bytes")
                if time.monotonic() > end:
                    _refuse("took too long")
            return reply
    except HTTPError as error:
        error.close()
        _refuse(f"answered with HTTP status {error.code}")
    except (OSError, HTTPException, ValueError) as error:
        # The system's text may name hosts and files; what kind of failure it is helps more.
        raise InputError(
            f"the time-stamp authority cannot be reached: {_kind_of(error)}", rule="TSP-9", hint=_HINT
        ) from error


def _check_kind(headers: Message) -> None:
    kind = headers.get_content_type()
    if kind != "application/timestamp-reply":
        _refuse("sent no application/timestamp-reply")


def _kind_of(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return "timed out" if isinstance(cause, TimeoutError) else type(cause).__name__


def _refuse(what: str) -> NoReturn:
    raise InputError(f"the time-stamp authority {what}", rule="TSP-9", hint=_HINT)  # TSP-9
