"""The one connection to the passage store: made at first use, made again after it was lost, never waited for long."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from workbench.domain.errors import ConfigurationError, KnowledgeUnavailable, WorkbenchError
from workbench.knowledge.milvus_embedded import EmbeddedStore
from workbench.knowledge.milvus_failure import Fault, fault_of, told
from workbench.settings import environment_untouched

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

CONNECT_S = 3.0
ANSWER_S = 20.0
"""Longest wait for a server. A call on 20,000 passages takes a tenth of a second."""
_EMBEDDED_ANSWER_S = 120.0
"""Milvus Lite answers in this process, and merging segments can hold a call up; nobody is at the other end to go."""
_QUIET_S = 1.0
"""How long a failure to connect is repeated without trying again, so that callers do not queue before a dead server."""
_DEFAULT_PORT = 19530
_SCHEMES = ("http", "https", "tcp")
_CHANNEL = {"grpc.enable_http_proxy": 0, "grpc.use_local_subchannel_pool": 1}
"""A proxy variable must not carry passages away; and a new channel must not inherit a dead one's waiting time."""
_NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": 0}
"""gRPC's own server hangs up on who pings every 10 s, as pymilvus does; within one process there is nothing to ping."""


class Released(KnowledgeUnavailable):
    """A collection is not in memory there, and must be loaded before it is asked."""


class CollectionGone(KnowledgeUnavailable):
    """A collection is not there."""


class Link:
    """Runs calls on a Milvus client, and tells what goes wrong in words.

    `generation` counts the connections made: what was loaded or remembered over an earlier one may not hold.
    """

    def __init__(self, uri: str, token: str = "", *, answer_s: float = ANSWER_S) -> None:
        self.embedded = "://" not in uri
        self.answer_s = _EMBEDDED_ANSWER_S if self.embedded else answer_s
        self.generation = 0
        self._uri, self._token = uri, token
        self._where = "" if self.embedded else _host_and_port(uri)
        self._store = EmbeddedStore(Path(uri)) if self.embedded else None
        self._lock = threading.RLock()
        self._client: Any = None
        self._last_fault = Fault.LOST
        self._quiet_until = 0.0
        self._closed = False

    @property
    def opened(self) -> bool:
        """Whether a connection stands."""
        return self._client is not None

    def call(self, action: Callable[[MilvusClient], T], *, twice: bool = True) -> T:
        """Do something with the client; over a new connection once more where the old one was lost, unless not `twice`.

        Raises:
            KnowledgeUnavailable: the store cannot be reached, refused the token, or did not answer in time;
                `Released` and `CollectionGone` say more.
            StorageFull: the store has no room; it is opened anew before the next call.
        """
        client = self.client()
        from grpc import RpcError  # noqa: PLC0415 - loaded with the connection, never before: see `_connect`
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 - likewise

        try:
            return action(client)
        except (MilvusException, RpcError) as error:
            fault = fault_of(error)
            if fault is Fault.RELEASED:
                raise Released("A collection of the library is not loaded.") from error
            if fault is Fault.UNKNOWN_COLLECTION:
                raise CollectionGone("A collection of the library is not there.") from error
            if fault in (Fault.LOST, Fault.FULL) or not self.embedded:
                # Full: a log that broke off in the middle of a write hides what is appended to it. Lite reads it anew.
                self._drop(client)
            if fault is Fault.LOST and twice:
                return self.call(action, twice=False)
            raise told(fault, embedded=self.embedded, where=self._where) from error

    def client(self) -> MilvusClient:
        """The connected client."""
        with self._lock:
            if self._closed:
                raise KnowledgeUnavailable("The library is closed.", hint="Start the workbench again.")
            if self._client is None:
                if not self.embedded and time.monotonic() < self._quiet_until:
                    raise told(self._last_fault, embedded=False, where=self._where)
                self._client = self._connect()
                self.generation += 1
            return self._client

    def require_room(self, size_bytes: int) -> None:
        """Refuse a write that the data folder's disk has no room for; a server looks after its own."""
        if self._store is not None:
            self._store.require_room(size_bytes)

    def close(self) -> None:
        """End the connection, and the embedded store with it."""
        with self._lock:
            self._closed = True
            self._drop(self._client)

    def _drop(self, client: Any) -> None:
        with self._lock:
            if client is None or self._client is not client:
                return
            self._client = None
            client.close()
            if self._store is not None:
                self._store.stop()

    def _connect(self) -> MilvusClient:
        with environment_untouched():
            from pymilvus import MilvusClient  # noqa: PLC0415 - pandas and gRPC, 120 MB: only where a library is used
            from pymilvus.exceptions import MilvusException  # noqa: PLC0415 - likewise
        for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer", "milvus_lite", "grpc", "faiss"):
            # They log a traceback for every failed call, with paths and filters in it; it is told in words instead.
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        if self._store is None:
            try:
                _knock(self._where)
            except OSError as error:
                raise self._no_connection(Fault.LOST) from error
            address, options = self._uri, _CHANNEL
        else:
            address, options = self._store.start(), {**_CHANNEL, **_NO_PINGS}
        try:
            return MilvusClient(
                uri=address, token=self._token, timeout=CONNECT_S, dedicated=True, grpc_options=dict(options)
            )
        except MilvusException as error:
            if self._store is not None:
                self._store.stop()
            raise self._no_connection(_why(error)) from error

    def _no_connection(self, fault: Fault) -> WorkbenchError:
        self._last_fault, self._quiet_until = fault, time.monotonic() + _QUIET_S
        return told(fault, embedded=self.embedded, where=self._where)


def _why(error: Exception) -> Fault:
    """Why no connection came about: pymilvus tells every cause alike, and keeps the true one as the cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Exception) and (fault := fault_of(cause)) not in (Fault.OTHER, Fault.LOST):
            return fault
        cause = cause.__cause__
    return Fault.LOST


def _knock(where: str) -> None:
    """Find out at once whether anybody listens; gRPC would try again until its time is up."""
    host, _, port = where.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _host_and_port(uri: str) -> str:
    """`host:port` of a server's address, without a user name or password that stands in it."""
    try:
        parts = urlsplit(uri)
        port = parts.port or (443 if parts.scheme == "https" else _DEFAULT_PORT)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigurationError(
            "IMAGING_MILVUS_URI is no address.", hint="Write it like http://localhost:19530, or leave it empty."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{port}"
