"""Who makes synthetic CTs in each mode: the rows of the mode table, by requests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract_server import MaisiNim
from tests.made import in_process
from tests.nim.made import CLOCK
from tests.nim.maisi_made import SMALL, an_order
from workbench.domain.errors import NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.provenance import Origin
from workbench.nim.connect import Connections, connect
from workbench.settings import load_settings

NOBODY = "http://127.0.0.1:9"
NOWHERE = {"nim_vista3d_url": NOBODY, "nim_maisi_url": NOBODY, "nim_vilam3_url": NOBODY, "nim_llm_url": NOBODY}
Connect = Callable[..., Connections]


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Connect]:
    made: list[Connections] = []

    def build(**settings: Any) -> Connections:
        chosen = load_settings(None, **{"nim_mode": "local", "data_dir": tmp_path, **NOWHERE, **settings})
        made.append(connect(chosen, clock=CLOCK, run_in_worker=in_process, scratch=tmp_path / "nim"))
        return made[-1]

    yield build
    for each in made:
        each.close()


@pytest.fixture
def nim() -> Iterator[MaisiNim]:
    server = MaisiNim()
    yield server
    server.close()


def maisi(connections: Connections) -> NimStatus:
    return next(each for each in connections.statuses() if each.service is Service.MAISI)


def test_an_own_nim_makes_the_volume_and_the_status_knows_of_it(
    connected: Connect, nim: MaisiNim, tmp_path: Path
) -> None:
    connections = connected(nim_maisi_url=nim.url)
    (sample,) = connections.synthesizer.run(an_order(tmp_path)).samples
    assert (sample.provenance.origin, sample.provenance.mark) == (Origin.LOCAL, "SYNTHETIC")
    assert sample.provenance.parameters["mode"] == "local"
    told = maisi(connections).last_call
    assert told is not None
    assert (told.ok, told.detail) == (True, "It made 1 synthetic CT.")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "refused the connection"),
        ({"nim_maisi_url": ""}, "IMAGING_NIM_MAISI_URL is empty"),
        ({"nim_mode": "cloud"}, "no hosted endpoint"),
    ],
)
def test_a_mock_stands_in_with_the_reason_or_the_error_is_told(
    connected: Connect, tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    answer = connected(**settings).synthesizer.run(an_order(tmp_path))
    assert reason in (answer.samples[0].provenance.stands_in_because or "")
    assert answer.samples[0].provenance.mark == "MOCK SYNTHETIC"
    with pytest.raises(NimUnavailable, match=reason) as raised:
        connected(**settings, nim_allow_mock_fallback=False).synthesizer.run(an_order(tmp_path))
    assert "MAISI" in f"{raised.value.message} {raised.value.hint}"
    assert "VISTA" not in f"{raised.value.message} {raised.value.hint}"


def test_mock_mode_opens_no_socket(connected: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened in mock mode")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    connections = connected(nim_mode="mock")
    answer = connections.synthesizer.run(an_order(tmp_path))
    assert answer.provenance.stands_in_because is None
    assert answer.is_mock
    assert connections.synthesizer.status().state is State.MOCK
    connections.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"out_of_memory": True}, NimRejected),
        ({"only_image": True}, NimReplyInvalid),
        ({"json": True}, NimReplyInvalid),
    ],
)
def test_no_mock_papers_over_a_refusal_or_a_malformed_answer(
    connected: Connect, nim: MaisiNim, tmp_path: Path, fault: dict[str, Any], kind: type[Exception]
) -> None:
    nim.switch(**fault)
    with pytest.raises(kind):
        connected(nim_maisi_url=nim.url).synthesizer.run(an_order(tmp_path))


def test_a_malformed_answer_marks_the_nim_as_degraded_and_a_refusal_does_not(
    connected: Connect, nim: MaisiNim, tmp_path: Path
) -> None:
    connections = connected(nim_maisi_url=nim.url)
    nim.switch(out_of_memory=True)
    with pytest.raises(NimRejected):
        connections.synthesizer.run(an_order(tmp_path))
    assert maisi(connections).state is not State.DEGRADED
    nim.switch(only_image=True)
    with pytest.raises(NimReplyInvalid):
        connections.synthesizer.run(an_order(tmp_path))
    while not connections.in_mode(Mode.LOCAL).settled():
        pass
    assert maisi(connections).state is State.DEGRADED


def test_a_mode_switched_for_a_visit_is_noted(connected: Connect, nim: MaisiNim, tmp_path: Path) -> None:
    visiting = connected(nim_maisi_url=nim.url).in_mode(Mode.MOCK)
    answer = visiting.synthesizer.run(an_order(tmp_path, SMALL))
    assert answer.samples[0].provenance.parameters["switched_from"] == "local"
    assert answer.is_mock
    assert nim.posts() == []
