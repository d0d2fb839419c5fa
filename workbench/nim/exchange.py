"""How a volume reaches a NIM, which fetches it itself: over HTTP from a small listener, or from a shared folder."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from workbench.domain.errors import ConfigurationError, StorageFull
from workbench.nim.listener import ListenerServer, Published

SUFFIX = ".nii.gz"
_STALE_S = 24 * 3600.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NOWHERE = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): an address that is nobody's, to ask the system which of ours it would use outward."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A file within reach of a NIM: `image` is what the request says; `secret` must not appear in any message.

    `was_fetched` tells whether the NIM came for it, None where that cannot be known. `advice` is the cure when
    it did not come.
    """

    image: str
    secret: str
    was_fetched: Callable[[], bool | None]
    advice: str


class Delivery(Protocol):
    """A way to hand a file to a NIM."""

    def offer(self, file: Path) -> AbstractContextManager[Offer]:
        """Keep the file within reach inside the block, and out of it after."""

    def close(self) -> None:
        """Let go of what is held open."""


def is_loopback(url: str) -> bool:
    """Whether a URL leads to the machine that resolves it."""
    return (urlsplit(url).hostname or "").lower() in _LOOPBACK


def _new_name() -> str:
    # 256 bits: nobody guesses it. Hex, so that no shell, proxy or whitelist trips over a character.
    return secrets.token_hex(32) + SUFFIX


class ExchangeUrl:
    """Serves files over HTTP on a listener of its own, each under a name that cannot be guessed, while offered.

    `listen` is address:port, port 0 a free one; the listener starts with the first offer. `base_url` is how the
    NIM reaches it, empty for the listener's own address. `nim_url` helps to choose that address.
    """

    def __init__(self, *, listen: str, base_url: str = "", nim_url: str = "") -> None:
        self._address = _parse_listen(listen)
        self._base_url = base_url.rstrip("/")
        self._nim_url = nim_url
        self._published: dict[str, Published] = {}
        self._lock = threading.Lock()
        self._server: ListenerServer | None = None

    def url(self) -> str:
        """The base URL that a NIM is given; starts the listener."""
        port = self._start().server_address[1]
        if self._base_url:
            return self._base_url
        host = self._address[0]
        host = _outward_address(self._nim_url) if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @contextlib.contextmanager
    def offer(self, file: Path) -> Iterator[Offer]:
        """Serve the file inside the block.

        Raises:
            ConfigurationError: the listener's address is taken, or not ours.
        """
        base = self.url()
        name = _new_name()
        published = self._published[name] = Published(file=file)
        try:
            yield Offer(
                image=f"{base}/{name}",
                secret=name.removesuffix(SUFFIX),
                was_fetched=lambda: published.fetches > 0,
                advice=self._advice(base),
            )
        finally:
            published.withdrawn.set()
            del self._published[name]

    def warning(self) -> str | None:
        """What is wrong when the NIM is on another machine and the address it is given leads to itself."""
        listens_here_only = self._address[0] in _LOOPBACK
        given_here_only = is_loopback(self._base_url) if self._base_url else listens_here_only
        if self._nim_url and not is_loopback(self._nim_url) and given_here_only:
            return (
                "The NIM is on another machine and would be told to fetch volumes from “localhost”, which there is "
                "itself: set IMAGING_NIM_EXCHANGE_LISTEN (such as 0.0.0.0:8526) and IMAGING_NIM_EXCHANGE_URL."
            )
        return None

    def close(self) -> None:
        """Stop listening and let go of the port."""
        with self._lock:
            server, self._server = self._server, None
        for each in list(self._published.values()):
            each.withdrawn.set()
        if server is not None:
            server.shutdown()
            server.server_close()

    def _start(self) -> ListenerServer:
        with self._lock:
            if self._server is None:
                try:
                    self._server = ListenerServer(self._address, self._published, urlsplit(self._base_url).path)
                except OSError as error:
                    why = "is in use" if error.errno == errno.EADDRINUSE else "cannot be opened on this machine"
                    raise ConfigurationError(
                        f"The address from which the NIM fetches volumes {why}.",
                        hint="Choose another with IMAGING_NIM_EXCHANGE_LISTEN, such as 127.0.0.1:0.",
                    ) from error
                threading.Thread(
                    target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="exchange"
                ).start()
            return self._server

    @staticmethod
    def _advice(base: str) -> str:
        here = (
            "It was given an address on “localhost”, which inside a container is the container itself. "
            if is_loopback(base)
            else ""
        )
        return (
            f"The NIM never came to fetch the volume. {here}Set IMAGING_NIM_EXCHANGE_LISTEN to an address the "
            "container can reach (such as 0.0.0.0:8526) and IMAGING_NIM_EXCHANGE_URL to what it calls this machine "
            "(such as http://host.docker.internal:8526, with --add-host=host.docker.internal:host-gateway)."
        )


class ExchangeFolder:
    """Copies files into a folder that the NIM's container mounts, under names that cannot be guessed.

    Copies, never links: the copy must be readable for the container's user, and a link would open the original.
    """

    def __init__(self, *, folder: Path, mount: str) -> None:
        self._folder = folder
        self._mount = PurePosixPath(mount)

    @contextlib.contextmanager
    def offer(self, file: Path) -> Iterator[Offer]:
        """Keep a copy in the folder inside the block.

        Raises:
            ConfigurationError: the folder is missing or closed to us.
            StorageFull: no room for the copy.
        """
        name = _new_name()
        copy = self._folder / name
        try:
            self._copy(file, copy)
            yield Offer(
                image=str(self._mount / name),
                secret=name.removesuffix(SUFFIX),
                was_fetched=lambda: None,
                advice="Check that IMAGING_NIM_EXCHANGE_MOUNT is the path at which the NIM's container sees "
                "IMAGING_NIM_EXCHANGE_DIR (docker run -v folder:mount).",
            )
        finally:
            with contextlib.suppress(OSError):
                copy.unlink(missing_ok=True)

    def warning(self) -> str | None:
        """Nothing can be told from here."""
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _copy(self, file: Path, copy: Path) -> None:
        try:
            self._sweep()
            shutil.copyfile(file, copy)
            copy.chmod(0o644)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("The folder shared with the NIM has no room for the volume.") from error
            raise ConfigurationError(
                "The folder shared with the NIM (IMAGING_NIM_EXCHANGE_DIR) is missing, or may not be written to.",
                hint="Make the folder, and let this user write to it.",
            ) from error

    def _sweep(self) -> None:
        """Remove what a crash left behind more than a day ago."""
        oldest = time.time() - _STALE_S
        for path in self._folder.iterdir():
            if path.name.endswith(SUFFIX) and len(path.name) == 64 + len(SUFFIX) and path.lstat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _parse_listen(listen: str) -> tuple[str, int]:
    host, colon, port = listen.strip().rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(
            "IMAGING_NIM_EXCHANGE_LISTEN is not an address and a port.", hint="Write it like 127.0.0.1:0."
        )
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is a choice


def _outward_address(nim_url: str) -> str:
    """The address of this machine that the NIM most likely reaches. Connecting UDP sends no packet."""
    host = urlsplit(nim_url).hostname or ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_NOWHERE if host in _LOOPBACK or not host else host, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
