"""Workers of a cluster: Dask's scheduler (`distributed`) in place of processes of this machine.

Tasks travel over the network, pickled, and with them what identifies patients; keys never do. So the
connection is TLS with certificates on both sides, or does not leave this computer. Whoever has a certificate
of the cluster's authority can run code on its workers: it is as trusted as they are.
"""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dicompack.errors import OutputError, UsageError
from dicompack.workers.limits import Demand, address_space, forbid_core_dumps
from dicompack.workers.processes import perform
from dicompack.workers.running import Death

if TYPE_CHECKING:
    from distributed import Client

_WAIT = 30
"""Seconds for the scheduler to answer, and for the first worker to be there."""

_AHEAD = 2  # tasks that are with the cluster for each of its workers


@dataclass(frozen=True)
class Scheduler:
    """Where a cluster's scheduler is, and the files of its TLS.

    Raises:
        UsageError: an address that is not safe, files that are missing, or `distributed` is not installed.
    """

    address: str
    authority: str | None = None
    """PEM file with the certificate of the cluster's own authority."""
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        # CLI-16
        parts = urlsplit(self.address)
        if parts.scheme == "tls":
            if not (self.authority and self.certificate and self.key):
                raise UsageError(
                    "tls:// takes three files",
                    rule="CLI-16",
                    hint="name them with --scheduler-ca, --scheduler-cert and --scheduler-key",
                )
        elif parts.scheme != "tcp" or not _is_loopback(parts.hostname or ""):
            raise UsageError(
                "tasks tell about patients, and may leave this computer over TLS only",
                rule="CLI-16",
                hint="--scheduler tls://HOST:PORT; tcp:// is for 127.0.0.1",
            )
        if find_spec("distributed") is None:
            raise UsageError("a cluster takes Dask", rule="CLI-16", hint="pip install 'dicompack[cluster]'")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Cluster:
    """A place for `Workers`, as long as the `with` block lasts."""

    scheduler: Scheduler
    _client: Client | None = field(default=None, init=False)

    crews = 1

    def __enter__(self) -> Cluster:
        from distributed import Client, Security

        where, security = self.scheduler, None
        if where.authority:
            security = Security(
                tls_ca_file=where.authority,
                tls_client_cert=where.certificate,
                tls_client_key=where.key,
                require_encryption=True,
            )
        try:
            self._client = Client(where.address, security=security, timeout=_WAIT, set_as_default=False)
            self._client.wait_for_workers(1, timeout=_WAIT)
        except (OSError, TimeoutError, ValueError) as error:
            self._close()
            raise OutputError(
                "the cluster does not answer, or has no workers", hint="see its scheduler's log"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def fitted(self, demand: Demand) -> tuple[Demand, bool]:
        """As it is: the memory of the cluster's machines is its own business."""
        return demand, False

    def hire(self, start: Callable[[Any], None], settings: Any) -> ClusterCrew:
        """All workers of the cluster."""
        assert self._client is not None
        return ClusterCrew(self._client, start, settings)


class ClusterCrew:
    """All workers of a cluster, for one run of `Workers`."""

    def __init__(self, client: Client, start: Callable[[Any], None], settings: Any) -> None:
        self._executor = client.get_executor(pure=False)
        self._start = start
        self._settings = settings
        self._token = os.urandom(16)
        self.width = _AHEAD * max(1, len(client.ncores()))

    def submit(self, work: Callable[[Any], Any], task: Any, demand: Demand) -> Future[Any]:
        """Do a task, anywhere."""
        arguments = (self._token, self._start, self._settings, work, task, demand)
        future: Future[Any] = self._executor.submit(_perform, *arguments)
        return future

    def death(self, error: BaseException) -> Death | None:
        """The scheduler has tried it on several workers, and each of them died.

        Raises:
            OutputError: the scheduler is gone.
        """
        from distributed import KilledWorker

        if isinstance(error, CancelledError):
            raise OutputError(_GONE, hint=_RESUME) from error
        if isinstance(error, KilledWorker):
            return Death("the worker processes died on it", again=False, whole=False)
        return None

    def kill(self) -> None:
        """Nothing has come back from the whole cluster for so long that there is none.

        Raises:
            OutputError: always.
        """
        raise OutputError(_GONE, hint=_RESUME)

    def stop(self, *, at_once: bool) -> None:
        """Take back what is not wanted any more; the workers stay, for they are not ours."""
        self._executor.shutdown(wait=not at_once)


_GONE = "the cluster does not answer any more"
_RESUME = "see its scheduler's log, then pack with --resume"

# In a worker: one task at a time, for limits hold for the whole process.
_one = threading.Lock()
_started: tuple[bytes, int] = b"", 0


def _perform(
    token: bytes,
    start: Callable[[Any], None],
    settings: Any,
    work: Callable[[Any], Any],
    task: Any,
    demand: Demand,
) -> Any:
    global _started
    with _one:
        if _started[0] != token:  # another run's keys and settings give way
            forbid_core_dumps()
            start(settings)
            _started = token, address_space()
        return perform(work, task, demand, _started[1])
