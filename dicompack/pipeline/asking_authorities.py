"""Who asks a time-stamp authority while a SEAL is made."""

from __future__ import annotations

from dicompack.crypto.time_stamp_messages import MAX_REPLY, Query, read_reply
from dicompack.crypto.time_stamps import Stamp
from dicompack.exchange import time_stamp_authority


def stamping_by(url: str | None) -> Stamp | None:
    """From a signature's value to a token of the authority at an address; None where there is none.

    Raises:
        UsageError: it is no address.
    """
    if url is None:
        return None
    time_stamp_authority.check_address(url)

    def stamp(signature: bytes) -> bytes:
        query = Query.of(signature)
        reply = time_stamp_authority.ask(url, query.marshal(), MAX_REPLY)
        return read_reply(reply, signature, query)[0]

    return stamp
