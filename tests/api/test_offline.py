"""With every address but this machine's own refused, the workbench starts and serves, and does not even try."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.library_made import ARTICLES, add_articles
from tests.serving import environment, serving

# An audit hook sees every connection and every name looked up by Python code of the process and of the workers it
# spawns, and cannot be taken off again (PEP 578). It needs no privileges, as a network namespace would.
BLOCK = """
import sys

def _refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        target = arguments[1]
        host = target[0] if isinstance(target, tuple) else "127.0.0.1"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "127.0.0.1", "localhost", "::1", "0.0.0.0"):
        with open({log!r}, "a") as log:
            log.write(f"{{event}} {{host}}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(_refuse)
"""


@pytest.fixture(scope="module")
def blocked(tmp_path_factory):
    """A folder whose `sitecustomize` refuses the network, and the log of what was tried."""
    folder = tmp_path_factory.mktemp("blocked")
    log = folder / "tried.log"
    (folder / "sitecustomize.py").write_text(BLOCK.format(log=str(log)))
    log.touch()
    return folder, log


def path_with(folder) -> str:
    return f"{folder}:{environment(folder / 'x', {})['PYTHONPATH']}"


def test_the_block_is_real(blocked):
    folder, log = blocked
    code = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in done.stderr
    assert "192.0.2.1" in log.read_text()
    log.write_text("")


@pytest.mark.parametrize("mode", ["mock", "local"])
def test_without_a_network_it_starts_segments_the_phantom_and_answers_from_documents(blocked, tmp_path, mode):
    folder, log = blocked
    with serving(tmp_path / "data", PYTHONPATH=path_with(folder), IMAGING_NIM_MODE=mode) as server:
        with server.client(Accept="text/html") as browser:
            assert browser.get("/").status_code == 200
            assert browser.get("/docs").status_code == 200
        with server.client() as client:
            answer = client.post("/nim/vista3d/segment", json={"input_path": "", "target_classes": ["liver"]})
            assert answer.status_code == 200, answer.text
            assert answer.json()["volumes"]["liver"] > 500
            assert client.get(f"/cases/{answer.json()['case_id']}/mask.nii.gz").status_code == 200
            assert add_articles(client)["new"] == len(ARTICLES)
            told = client.post("/query", json={"question": "What is the attenuation of fat?"}).json()
            assert told["citations"][0]["cosine"] is not None, "searched by meaning, with the packaged model"
            assert "-100 HU" in told["answer"]
    assert log.read_text() == ""
