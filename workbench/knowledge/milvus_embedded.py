"""Milvus Lite in the data folder: threads of this process, behind a socket that only this user can open."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import KnowledgeUnavailable
from workbench.knowledge.milvus_failure import disk_full

if TYPE_CHECKING:
    from milvus_lite import MilvusLite

_PLAIN = re.compile(r"[A-Za-z0-9/._-]{1,100}\Z")
"""Paths that gRPC takes as they are and that fit a socket's address (104 bytes on macOS, 108 on Linux)."""
_SHORT_PATHS = ("/tmp", "/var/tmp")  # noqa: S108 - parents of a private folder
_SOCKET = "milvus.sock"
_PORT = 0
_STOP_S = 5.0
_RESERVE_BYTES = 64 << 20
"""Left free: merging segments writes anew what it merges, and half a batch in the log would hide what follows it."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LOG = logging.getLogger(__name__)


class EmbeddedStore:
    """One folder of Milvus Lite, owned by this process from `start` to `stop`.

    Milvus Lite has no password: on a TCP port every user of the machine could read the library, and a proxy set in
    the environment would carry the calls away. A socket in a private folder has neither fault.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any | None = None
        self._engine: MilvusLite | None = None
        self._scratch: Path | None = None

    def start(self) -> str:
        """Open the folder, made where it is missing; returns the address to connect to.

        Raises:
            KnowledgeUnavailable: another process owns it, it cannot be written, or it is of no kind read here.
            StorageFull: there is no room for it.
        """
        from milvus_lite import DataDirLockedError, MilvusLiteError  # noqa: PLC0415 - brings Arrow, pandas and gRPC along
        from milvus_lite.adapter.grpc.server import start_server_in_thread  # noqa: PLC0415 - likewise

        self._make_folder()
        host = self._host()
        try:
            self._server, self._engine, port = start_server_in_thread(str(self._folder), host=host, port=_PORT)
        except DataDirLockedError as error:
            raise _in_use() from error
        except (MilvusLiteError, OSError, RuntimeError, ValueError) as error:
            raise _unusable(error) from error
        self._sweep()
        return f"{host}:{_PORT}" if host.startswith("unix:") else f"http://{host}:{port}"

    def stop(self) -> None:
        """End the threads, write what is still in memory, and let another process have the folder."""
        if self._server is not None:
            self._server.stop(grace=_STOP_S).wait()
        if self._engine is not None:
            self._engine.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self._folder / f"{_SOCKET}:{_PORT}").unlink()
        self._server = self._engine = self._scratch = None

    def require_room(self, size_bytes: int) -> None:
        """Refuse a write for which the disk has no room, before any of it is written.

        Raises:
            StorageFull: less than it needs would stay free.
        """
        if shutil.disk_usage(self._folder).free < _RESERVE_BYTES + 2 * size_bytes:
            raise disk_full()

    def _make_folder(self) -> None:
        if self._folder.is_file():
            raise KnowledgeUnavailable(
                "The library's file was written by Milvus Lite 2, which cannot be read here.",
                hint="Move that file away and add the documents again.",
            )
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
        except OSError as error:
            raise _unusable(error) from error

    def _host(self) -> str:
        """Where to listen: inside the folder, else in a private one of its own; a port only on Windows."""
        if sys.platform == "win32":
            return "127.0.0.1"
        inside = self._folder.resolve() / _SOCKET
        if _can_hold_a_socket(inside):
            return f"unix:{inside}"
        # The folder for temporary files may lie in the data folder, and then is as deep as the library itself.
        for home in dict.fromkeys((tempfile.gettempdir(), *_SHORT_PATHS)):
            with contextlib.suppress(OSError):
                self._scratch = Path(tempfile.mkdtemp(prefix="workbench-", dir=home))
                if _can_hold_a_socket(self._scratch / _SOCKET):
                    return f"unix:{self._scratch / _SOCKET}"
                self._scratch.rmdir()
        self._scratch = None
        raise KnowledgeUnavailable(
            "The library cannot be opened: no folder here has a path short and plain enough for its socket.",
            hint="Set IMAGING_DATA_DIR to a path under 80 letters, figures, dots and dashes.",
        )

    def _sweep(self) -> None:
        """Remove what a process left that was killed while it made or dropped a collection: no schema, no collection.

        Milvus Lite does not see such a folder, and could not make a collection of that name again.
        """
        for each in (self._folder / "collections").iterdir():
            if each.is_dir() and not (each / "schema.json").exists():
                _LOG.info("the library holds a collection that was half made; it is removed")
                shutil.rmtree(each, ignore_errors=True)


def _can_hold_a_socket(path: Path) -> bool:
    """Whether the path can be told to gRPC, and its file system has sockets: some network and shared ones have not."""
    if not _PLAIN.match(str(path)):
        return False
    probe = path.with_name("probe")
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as listener:
        probe.unlink(missing_ok=True)
        listener.bind(str(probe))
        probe.unlink()
        return True
    return False


def _in_use() -> KnowledgeUnavailable:
    return KnowledgeUnavailable(
        "The library is in use by another workbench on the same data folder.",
        hint="Close the other one; or give this one its own IMAGING_DATA_DIR; or set IMAGING_MILVUS_URI to a Milvus "
        "server, which several can share.",
    )


def _unusable(error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno in _FULL:
        return disk_full()
    why = "may not be read and written" if isinstance(error, PermissionError) else "is damaged or of another version"
    return KnowledgeUnavailable(
        f"The library cannot be opened: its folder in the data folder {why} ({type(error).__name__}).",
        hint="Correct its permissions, or move it away and add the documents again.",
    )
