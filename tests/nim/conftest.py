"""One VISTA-3D contract server, one listener and one client for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract_server import Vista3dNim
from tests.nim.made import a_client
from workbench.nim.exchange import ExchangeUrl
from workbench.nim.vista3d import Vista3d


@pytest.fixture
def nim() -> Iterator[Vista3dNim]:
    server = Vista3dNim()
    yield server
    server.close()


@pytest.fixture
def exchange(nim: Vista3dNim) -> Iterator[ExchangeUrl]:
    listener = ExchangeUrl(listen="127.0.0.1:0", nim_url=nim.url)
    yield listener
    listener.close()


@pytest.fixture
def client(nim: Vista3dNim, exchange: ExchangeUrl, tmp_path: Path) -> Vista3d:
    return a_client(nim.url, tmp_path, exchange)
