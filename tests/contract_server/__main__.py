"""Run the contract servers by hand: `python -m tests.contract_server --vista3d 8530 --llm 8520`.

Switch a fault on while it runs: `curl -X PUT localhost:8530/_fixture -d '{"reset": true}'`; off again: `-d '{}'`.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading

from tests.contract_server import EmbedNim, LlmNim, MaisiNim, ReferenceVila, RerankNim, VisionNim, Vista3dNim


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.contract_server", description=__doc__)
    for name in ("vista3d", "maisi", "vilam3", "llm", "embed", "rerank", "vilam3-reference"):
        parser.add_argument(f"--{name}", type=int, metavar="PORT")
    parser.add_argument("--host", default="127.0.0.1")
    chosen = parser.parse_args()
    working = {
        "llm": LlmNim,
        "embed": EmbedNim,
        "rerank": RerankNim,
        "maisi": MaisiNim,
        "vilam3": VisionNim,
        "vilam3_reference": ReferenceVila,
    }
    ended = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ended.set())
    with contextlib.ExitStack() as running:
        if chosen.vista3d is not None:
            server = running.enter_context(Vista3dNim(host=chosen.host, port=chosen.vista3d))
            print(f"VISTA-3D fixture (no model inside) on {server.url}", flush=True)  # noqa: T201 - a command
        for name, kind in working.items():
            if (port := getattr(chosen, name)) is not None:
                server = running.enter_context(kind(host=chosen.host, port=port))
                print(f"{name} fixture (no model inside) on {server.url}", flush=True)  # noqa: T201 - a command
        ended.wait()


if __name__ == "__main__":
    main()
