"""The page as it is served: a process of its own, where anything but this machine is out of reach."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import browser_page, chromium
from tests.serving import ROOT, Server, serving, write_ct
from tests.ui.desk import Desk

__all__ = ["browser_page", "chromium"]

NO_NETWORK = """
import socket, sys

def refuse(event, args):
    if event == "socket.connect" and args[0].family in (socket.AF_INET, socket.AF_INET6):
        host = str(args[1][0])
    elif event == "socket.getaddrinfo":
        host = str(args[0] or "localhost")
    else:
        return
    if host not in ("localhost", "::1") and not host.startswith("127."):
        with open(__file__ + ".tried", "a") as told:
            told.write(f"{event} {host}\\n")
        raise OSError(f"no network in this test: {host}")

sys.addaudithook(refuse)
"""
"""A `sitecustomize` that the server and its workers import first (PEP 578 audit hooks cannot be taken off again)."""


@pytest.fixture(scope="session")
def no_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `PYTHONPATH` that cuts a process off; what it tried is written beside."""
    folder = tmp_path_factory.mktemp("no-network")
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    return folder


Start = Callable[..., Server]
"""Starts a workbench as for a screenshot: cut off from the network, with these settings and a fresh data folder."""


@contextlib.contextmanager
def starting(folders: pytest.TempPathFactory, no_network: Path, phantom: Path | None = None) -> Iterator[Start]:
    """A way to start workbenches, all stopped at the end; the demo case built by the first is lent to later ones."""
    with contextlib.ExitStack() as running:

        def begin(**settings: str) -> Server:
            data = folders.mktemp("page") / "data"
            if phantom and (phantom / "facts.json").exists():
                shutil.copytree(phantom, data / phantom.name)
            return running.enter_context(
                serving(data, **{"WORKBENCH_TEST": "1", "PYTHONPATH": f"{no_network}:{ROOT}", **settings})
            )

        yield begin


@pytest.fixture(scope="session")
def mock_server(tmp_path_factory: pytest.TempPathFactory, no_network: Path) -> Iterator[Server]:
    """Mock mode with the limit on uploads that its tests count on."""
    with starting(tmp_path_factory, no_network) as begin:
        yield begin(IMAGING_MAX_UPLOAD_MB="64")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, no_network: Path, mock_server: Server) -> Iterator[Start]:
    """Start a workbench; it is stopped with the tests of its file, since an idle one is not idle."""
    with starting(tmp_path_factory, no_network, mock_server.data / "phantom") as begin:
        yield begin


@pytest.fixture
def sit_down(chromium: Browser) -> Iterator[Callable[..., Desk]]:
    """Begin visits that end with the test. A script error on the page fails it."""
    desks: list[Desk] = []

    def visit(server: Server, **options: object) -> Desk:
        desk = Desk(chromium, server.url, **options)
        desks.append(desk)
        return desk

    yield visit
    for desk in desks:
        desk.close()
    assert [each for desk in desks for each in desk.complaints] == []


@pytest.fixture
def desk(sit_down: Callable[..., Desk], mock_server: Server) -> Desk:
    """A new visit to the workbench in mock mode."""
    return sit_down(mock_server)


@pytest.fixture(scope="session")
def small_ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trunk of 64 x 56 x 48 voxels as NIfTI."""
    return write_ct(tmp_path_factory.mktemp("ct") / "body.nii.gz")


@pytest.fixture(scope="module")
def segmented(chromium: Browser, mock_server: Server) -> Iterator[Desk]:
    """A visit with the demo case segmented, shared by tests that only look; each starts from the same view."""
    desk = Desk(chromium, mock_server.url)
    desk.open_demo()
    desk.run()
    desk.still()
    yield desk
    desk.close()
    assert desk.complaints == []
