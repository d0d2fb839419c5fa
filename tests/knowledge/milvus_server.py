"""A Milvus server on loopback for the tests: `milvus-lite server`, or the same with a token as a real one has.

    python -m tests.knowledge.milvus_server --data-dir D --port P --token root:secret

Lite's own command knows no token. Milvus refuses a wrong one with the status UNAUTHENTICATED (its authentication
interceptor); so does this.
"""

from __future__ import annotations

import argparse
import base64
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_START_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]


class MilvusServer:
    """One server process over one folder, at one port, that can be stopped and started again."""

    def __init__(self, folder: Path, token: str = "") -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = free.getsockname()[1]
        self._folder, self._token = folder, token
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        module = ["-m", "tests.knowledge.milvus_server"] if self._token else ["-m", "milvus_lite.cmdline", "server"]
        where = ["--data-dir", str(self._folder), "--port", str(self.port)]
        which = ["--token", self._token] if self._token else ["--host", HOST]
        self._process = subprocess.Popen(
            [sys.executable, *module, *where, *which],
            cwd=_ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, "the Milvus server did not start"
                time.sleep(0.05)
            else:
                return
        self.kill()
        raise AssertionError("the Milvus server did not listen in time")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def milvus_server(folder: Path, token: str = "") -> Iterator[MilvusServer]:
    """A server that listens, ended afterwards whatever happened."""
    server = MilvusServer(folder, token)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _serve(folder: str, port: int, token: str) -> None:
    import grpc
    from milvus_lite import MilvusLite
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from pymilvus.grpc_gen import milvus_pb2_grpc

    wanted = base64.b64encode(token.encode()).decode()

    def refuse(_request: Any, context: Any) -> None:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username/password are correct")

    class TokenGuard(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Any, details: Any) -> Any:
            if dict(details.invocation_metadata).get("authorization") == wanted:
                return continuation(details)
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[TokenGuard()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(MilvusLite(folder)), server)
    server.add_insecure_port(f"{HOST}:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    given = parser.parse_args()
    _serve(given.data_dir, given.port, given.token)
