"""Smart cards and hardware security modules, by PKCS #11: which one a URI means, what its keys do there."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from dicompack.errors import NoMatchError, UnsupportedError, UsageError

if TYPE_CHECKING:
    import pkcs11

_SCHEME: Final = "pkcs11:"
_PATH_PARTS: Final = frozenset(("token", "serial", "manufacturer", "model", "object", "id", "type"))
_QUERY_PARTS: Final = frozenset(("module-path",))
EXAMPLE_URI: Final = "pkcs11:token=NAME;object=KEY?module-path=/path/of/the/module.so"
_WRONG_PIN: Final = "TOK-2"
_WORKERS_TRIES: Final = 20
"""Where several processes begin at once, some modules (SoftHSM 2.6) do not see their tokens each time."""
_BETWEEN_TRIES: Final = 0.1
"""Seconds."""


def is_token(data: bytes) -> bool:
    """Whether a key file names a key on a token."""
    return data.lstrip().startswith(_SCHEME.encode("ascii"))


@dataclass(frozen=True)
class TokenUri:
    """Which token, and which of its keys: a name that is not given fits any."""

    module: str
    """Path of the library that speaks to the token."""
    token: str | None = None
    serial: bytes | None = None
    label: str | None = None
    id: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """From a URI (RFC 7512 §2.3) with ``module-path``.

        Raises:
            UsageError: another form, no module, or a PIN in it.
        """
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        named = dict(_parts(path, ";", _PATH_PARTS))
        asked = dict(_parts(query, "&", _QUERY_PARTS))
        module = asked.get("module-path", b"").decode("utf-8", "replace")
        if not module:  # TOK-1
            raise UsageError("the URI names no module", rule="TOK-1", hint=EXAMPLE_URI)
        if not PurePath(module).is_absolute():  # TOK-1
            raise UsageError(
                "the URI names its module by a relative path: it would be looked for in any folder",
                rule="TOK-1",
                hint=EXAMPLE_URI,
            )
        return cls(
            module,
            _text(named.get("token")),
            named.get("serial"),
            _text(named.get("object")),
            named.get("id"),
        )


def _parts(text: str, between: str, known: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    for part in filter(None, text.split(between)):
        name, _, value = part.partition("=")
        if name in ("pin-value", "pin-source"):  # TOK-1
            raise UsageError(
                "a PIN does not stand in a file", rule="TOK-1", hint="it is asked for, as a passphrase is"
            )
        if name not in known or not value:  # TOK-1
            raise UsageError("the URI has a part that is not understood", rule="TOK-1", hint=EXAMPLE_URI)
        yield name, unquote_to_bytes(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


# --------------------------------------------------------------------------------------------- sessions


@dataclass(frozen=True)
class TokenKey:
    """One private key of a token, opened anew in each process."""

    uri: TokenUri
    pin: bytes = field(repr=False)
    handle: bytes
    """Its identifier on the token (CKA_ID)."""

    def sign(self, data: bytes, mechanism: str, parameter: Any = None) -> bytes:
        """What the token makes of `data`.

        Raises:
            NoMatchError: the token is gone, or does not do it.
        """
        with token_errors():
            made: bytes = self._private().sign(
                data, mechanism=_mechanism(mechanism), mechanism_param=parameter
            )
        return made

    def decrypt(self, data: bytes) -> bytes:
        """RSAES-OAEP with SHA-256 for both, no label.

        Raises:
            ValueError: it was not encrypted to this key.
            UnsupportedError: the token does not know it with SHA-256.
        """
        import pkcs11
        from pkcs11 import exceptions

        parameter = pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, None
        with token_errors():
            try:
                opened: bytes = self._private().decrypt(
                    data, mechanism=pkcs11.Mechanism.RSA_PKCS_OAEP, mechanism_param=parameter
                )
            except (exceptions.EncryptedDataInvalid, exceptions.EncryptedDataLenRange) as error:
                raise ValueError("not encrypted to this key") from error
            except (
                exceptions.ArgumentsBad,
                exceptions.MechanismInvalid,
                exceptions.MechanismParamInvalid,
            ) as error:
                raise UnsupportedError(
                    "this token does not decrypt by RSA-OAEP with SHA-256",
                    rule="TOK-4",
                    hint="take a decryption key on P-256 or P-384, or one in a file",
                ) from error
        return opened

    def agree(self, point: bytes, bits: int) -> bytes:
        """The shared secret with the owner of an uncompressed point (ECDH without cofactor)."""
        import pkcs11

        parameter = pkcs11.KDF.NULL, None, point
        template = {
            pkcs11.Attribute.SENSITIVE: False,
            pkcs11.Attribute.EXTRACTABLE: True,
            pkcs11.Attribute.TOKEN: False,
        }
        with token_errors():
            secret = self._private().derive_key(
                pkcs11.KeyType.GENERIC_SECRET,
                bits,
                mechanism=pkcs11.Mechanism.ECDH1_DERIVE,
                mechanism_param=parameter,
                template=template,
            )
            value: bytes = secret[pkcs11.Attribute.VALUE]
            secret.destroy()
        return value

    def _private(self) -> Any:
        import pkcs11

        session = open_session(self.uri, self.pin)
        return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=self.handle)


def open_session(uri: TokenUri, pin: bytes) -> pkcs11.Session:
    """The one session of this process with the token.

    Raises:
        NoMatchError: no such token, or a wrong PIN.
        UsageError: the extra is not installed.
    """
    place = replace(uri, label=None, id=None)
    for _ in range(_WORKERS_TRIES if _is_worker() else 0):
        try:
            return _session(place, pin, os.getpid())
        except NoMatchError as error:
            if error.rule == _WRONG_PIN:
                raise
            _library.cache_clear()
            time.sleep(_BETWEEN_TRIES)
    return _session(place, pin, os.getpid())


def _is_worker() -> bool:
    return multiprocessing.parent_process() is not None


@cache
def _session(uri: TokenUri, pin: bytes, _process: int) -> pkcs11.Session:
    """The session of this process: one that a forked process inherits is its parent's (PKCS #11 §6.6.1)."""
    with token_errors():
        return _opened(find_token(uri), pin)


def _opened(token: pkcs11.Token, pin: bytes) -> pkcs11.Session:
    from pkcs11 import exceptions

    try:
        return token.open(user_pin=pin.decode("utf-8"))
    except (
        exceptions.PinIncorrect,
        exceptions.PinLenRange,
        exceptions.PinInvalid,
        UnicodeDecodeError,
    ) as error:
        raise NoMatchError(  # TOK-2
            "the PIN is wrong; it was tried once",
            rule=_WRONG_PIN,
            hint="most tokens lock after three wrong ones",
        ) from error
    except exceptions.UserAlreadyLoggedIn:  # by another URI; a login is good for the whole process
        return token.open()
    except exceptions.PinLocked as error:  # TOK-2
        raise NoMatchError(
            "the token is locked", rule=_WRONG_PIN, hint="its maker's program unlocks it"
        ) from error


def find_token(uri: TokenUri) -> pkcs11.Token:
    """The token that the URI names, which must be one.

    Raises:
        NoMatchError: none, or several.
        UsageError: the extra is not installed.
    """
    library = _library(uri.module, os.getpid())
    with token_errors():
        found: list[pkcs11.Token] = [
            one
            for one in library.get_tokens()
            if (uri.token is None or one.label == uri.token)
            and (uri.serial is None or one.serial == uri.serial)
        ]
    if len(found) != 1:  # TOK-3
        what = "several tokens fit the URI" if found else "no token that fits the URI is plugged in"
        raise NoMatchError(what, rule="TOK-3", hint="name it by its label: token=NAME")
    return found[0]


@cache
def _library(module: str, _process: int) -> Any:
    try:
        import pkcs11
        from pkcs11 import exceptions
    except ImportError as error:
        raise UsageError(
            "a key on a token needs the extra pkcs11", hint="pip install 'dicompack[pkcs11]'"
        ) from error
    try:
        loaded = pkcs11.lib(module)
        if _is_worker():  # what a forked process inherits is its parent's
            loaded.reinitialize()
    except (exceptions.PKCS11Error, RuntimeError, OSError) as error:  # TOK-3
        raise NoMatchError(
            "the module cannot be loaded",
            rule="TOK-3",
            hint="module-path names the library that came with the token",
        ) from error
    return loaded


@contextmanager
def token_errors() -> Iterator[None]:
    """Tell of what a token or its module refuses (TOK-3)."""
    from pkcs11 import exceptions

    try:
        yield
    except exceptions.PKCS11Error as error:  # TOK-3
        raise NoMatchError(
            f"the token does not answer as it has to: {type(error).__name__}",
            rule="TOK-3",
            hint="see that it is plugged in, and that its key may be used for this",
        ) from error


def _mechanism(name: str) -> pkcs11.Mechanism:
    import pkcs11

    found: pkcs11.Mechanism = getattr(pkcs11.Mechanism, name)
    return found
