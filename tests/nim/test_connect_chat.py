"""The mode table's rows for Llama-3 and its helpers, as a question meets them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract_server import EmbedNim, LlmNim, RerankNim
from tests.contract_server.llm import MODEL
from tests.contract_server.retrieval import DIMENSION, EMBED_MODEL
from tests.made import in_process
from tests.nim.made import CLOCK
from tests.nim.made_chat import PASSAGES, a_request, told
from workbench.domain.dialogue import Turn
from workbench.domain.errors import NimRejected, NimUnavailable
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.provenance import Origin
from workbench.nim.connect import Connections, connect
from workbench.settings import load_settings

NOBODY = "http://127.0.0.1:9"
NOWHERE = {"nim_vista3d_url": "", "nim_maisi_url": "", "nim_vilam3_url": "", "nim_llm_url": NOBODY}
CLOUD = {"nim_mode": "cloud", "nvidia_api_key": "nvapi-good", "nim_cloud_llm_model": MODEL}
Connect = Callable[..., Connections]


@pytest.fixture
def nim() -> Iterator[LlmNim]:
    with LlmNim() as server:
        yield server


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


def _status(connections: Connections) -> NimStatus:
    return next(each for each in connections.statuses() if each.service is Service.LLM)


def _talker(connections: Connections, mode: Mode) -> Any:
    return connections.in_mode(mode).talker


@pytest.mark.parametrize("fallback", [True, False])
def test_local_an_own_nim_answers(connected: Connect, nim: LlmNim, fallback: bool) -> None:
    connections = connected(nim_llm_url=f"{nim.url}/v1", nim_allow_mock_fallback=fallback)
    stream = _talker(connections, Mode.LOCAL).run(a_request())
    assert told(stream)
    assert (stream.provenance.origin, stream.is_mock, stream.provenance.model) == (Origin.LOCAL, False, MODEL)
    assert stream.provenance.parameters["mode"] == "local"
    assert _status(connections).published_state is State.AVAILABLE


def test_local_with_fallback_a_mock_answers_with_the_reason(connected: Connect) -> None:
    connections = connected()
    stream = _talker(connections, Mode.LOCAL).run(a_request())
    assert told(stream).startswith("From the library:")
    assert stream.is_mock
    assert "refused the connection" in (stream.provenance.stands_in_because or "")
    assert _status(connections).published_state is State.MOCK


def test_local_without_fallback_it_is_an_error(connected: Connect) -> None:
    connections = connected(nim_allow_mock_fallback=False)
    with pytest.raises(NimUnavailable, match="refused the connection"):
        _talker(connections, Mode.LOCAL).run(a_request())
    assert _status(connections).published_state is State.UNAVAILABLE


@pytest.mark.parametrize("fallback", [True, False])
def test_an_empty_url_is_not_deployed(connected: Connect, fallback: bool) -> None:
    talker = _talker(connected(nim_llm_url="", nim_allow_mock_fallback=fallback), Mode.LOCAL)
    if fallback:
        because = talker.run(a_request()).provenance.stands_in_because
        assert because == "Llama-3 is not deployed: IMAGING_NIM_LLM_URL is empty."
    else:
        with pytest.raises(NimUnavailable, match="IMAGING_NIM_LLM_URL is empty"):
            talker.run(a_request())


@pytest.mark.parametrize("fallback", [True, False])
def test_cloud_the_hosted_catalogue_answers(connected: Connect, nim: LlmNim, fallback: bool) -> None:
    nim.switch(needs_key="nvapi-good")
    connections = connected(**CLOUD, nim_cloud_url=f"{nim.url}/v1", nim_allow_mock_fallback=fallback)
    stream = _talker(connections, Mode.CLOUD).run(a_request())
    assert told(stream)
    assert (stream.provenance.origin, stream.is_mock) == (Origin.CLOUD, False)
    assert _status(connections).published_state is State.CLOUD


def test_cloud_with_fallback_a_mock_answers_where_the_model_is_gone(connected: Connect, nim: LlmNim) -> None:
    nim.switch(status=410, body={"title": "Gone", "detail": "has reached its end of life"})
    stream = _talker(connected(**CLOUD, nim_cloud_url=nim.url), Mode.CLOUD).run(a_request())
    assert stream.is_mock
    assert "has retired" in (stream.provenance.stands_in_because or "")
    assert "IMAGING_NIM_CLOUD_LLM_MODEL" in (stream.provenance.stands_in_because or "")


def test_cloud_without_fallback_a_retired_model_is_an_error_that_names_the_setting(
    connected: Connect, nim: LlmNim
) -> None:
    nim.switch(status=410, body={"title": "Gone", "detail": "has reached its end of life"})
    connections = connected(**CLOUD, nim_cloud_url=nim.url, nim_allow_mock_fallback=False)
    with pytest.raises(NimUnavailable, match="has retired") as raised:
        _talker(connections, Mode.CLOUD).run(a_request())
    assert "IMAGING_NIM_CLOUD_LLM_MODEL" in (raised.value.hint or "")


@pytest.mark.parametrize("fallback", [True, False])
def test_cloud_without_a_key_nothing_is_sent(connected: Connect, nim: LlmNim, fallback: bool) -> None:
    connections = connected(nim_mode="cloud", nim_cloud_url=nim.url, nim_allow_mock_fallback=fallback)
    talker = _talker(connections, Mode.CLOUD)
    if fallback:
        assert "IMAGING_NVIDIA_API_KEY is empty" in (talker.run(a_request()).provenance.stands_in_because or "")
    else:
        with pytest.raises(NimUnavailable, match="IMAGING_NVIDIA_API_KEY is empty"):
            talker.run(a_request())
    assert nim.received == []


@pytest.mark.parametrize("fallback", [True, False])
def test_mock_quotes_and_opens_no_socket(connected: Connect, monkeypatch: pytest.MonkeyPatch, fallback: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened in mock mode")

    connections = connected(
        nim_mode="mock", nim_allow_mock_fallback=fallback, nim_embed_url=NOBODY, nim_rerank_url=NOBODY
    )
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    services = connections.in_mode(Mode.MOCK)
    stream = services.talker.run(a_request())
    assert told(stream).startswith("From the library:")
    assert stream.is_mock
    assert stream.provenance.stands_in_because is None
    assert services.talker.rewrite("And the spleen?", (Turn(role="user", text="Liver volume?"),))
    assert (services.embedder, services.reranker) == (None, None)
    connections.warm()
    connections.close()


@pytest.mark.parametrize("fallback", [True, False])
def test_a_refused_request_is_an_error_and_no_mock_papers_over_it(
    connected: Connect, nim: LlmNim, fallback: bool
) -> None:
    nim.switch(error=True, after=0)
    talker = _talker(connected(nim_llm_url=nim.url, nim_allow_mock_fallback=fallback), Mode.LOCAL)
    with pytest.raises(NimRejected, match="CUDA out of memory"):
        talker.run(a_request())


def test_the_panel_tells_of_an_answer_that_broke_off(connected: Connect, nim: LlmNim) -> None:
    connections = connected(nim_llm_url=nim.url)
    nim.switch(drop="reset")
    stream = _talker(connections, Mode.LOCAL).run(a_request())
    with pytest.raises(NimUnavailable):
        told(stream)
    assert _status(connections).state is State.DEGRADED
    nim.switch()
    assert told(_talker(connections, Mode.LOCAL).run(a_request()))
    assert _status(connections).state is State.AVAILABLE


def test_a_visit_that_switched_the_mode_has_it_noted(connected: Connect, nim: LlmNim) -> None:
    stream = _talker(connected(nim_llm_url=nim.url), Mode.MOCK).run(a_request())
    assert stream.provenance.parameters["mode"] == "mock"
    assert stream.provenance.parameters["switched_from"] == "local"


def test_embedding_and_reranking_are_there_only_where_their_address_is_set(connected: Connect) -> None:
    bare = connected().in_mode(Mode.LOCAL)
    assert (bare.embedder, bare.reranker) == (None, None)
    with EmbedNim() as embed, RerankNim() as rerank:
        for mode in ("local", "cloud"):
            services = connected(nim_mode=mode, nim_embed_url=f"{embed.url}/v1", nim_rerank_url=rerank.url).in_mode(
                Mode(mode)
            )
            assert services.embedder is not None
            assert (services.embedder.info.model, services.embedder.info.dimension) == (EMBED_MODEL, DIMENSION)
            assert services.reranker is not None
            scores = services.reranker.scores("liver volume", [each.passage.text for each in PASSAGES])
            assert scores[0] == max(scores)


def test_an_embedding_nim_that_is_away_is_an_error_and_never_a_mock(connected: Connect) -> None:
    services = connected(nim_embed_url=NOBODY).in_mode(Mode.LOCAL)
    assert services.embedder is not None
    with pytest.raises(NimUnavailable, match="Embedding refused the connection"):
        services.embedder.queries(["liver"])


def test_warming_loads_the_client_and_asks_nobody(connected: Connect, nim: LlmNim) -> None:
    connected(nim_llm_url=nim.url).warm()
    assert nim.received == []
