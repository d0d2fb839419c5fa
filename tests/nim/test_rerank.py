"""The client of a reranking NIM against its contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract_server import RerankNim
from tests.contract_server.retrieval import RERANK_MODEL, logit
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.nim.http import new_client
from workbench.nim.probe import Target
from workbench.nim.rerank import RerankingNim

READY = NimStatus(
    service=Service.RERANK, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="ready"
)
QUERY = "volume of the liver"


@pytest.fixture
def nim() -> Iterator[RerankNim]:
    with RerankNim() as server:
        yield server


def client(url: str, *, answer_s: float = 5.0) -> RerankingNim:
    target = Target(
        service=Service.RERANK,
        route=Route(first=First.OWN_NIM, stand_in=False),
        url=url,
        setting="IMAGING_NIM_RERANK_URL",
        model_setting="IMAGING_NIM_RERANK_MODEL",
    )
    return RerankingNim(target, client=new_client(), status=lambda: READY, answer_s=answer_s)


def test_each_passage_has_its_logit_in_its_place(nim: RerankNim) -> None:
    passages = ["Tax law.", "The volume of the liver.", "The liver."]
    scores = client(nim.url).scores(QUERY, passages)
    assert scores == [logit(QUERY, each) for each in passages]
    assert max(scores) == scores[1]
    (sent,) = nim.posts()
    assert sent.json() == {
        "model": RERANK_MODEL,
        "query": {"text": QUERY},
        "passages": [{"text": each} for each in passages],
        "truncate": "END",
    }


def test_many_passages_go_in_batches_and_come_back_in_order(nim: RerankNim) -> None:
    passages = [f"The liver {'volume ' * (at % 2)}{at}." for at in range(70)]
    assert client(nim.url).scores(QUERY, passages) == [logit(QUERY, each) for each in passages]
    assert [len(each.json()["passages"]) for each in nim.posts()] == [32, 32, 6]


def test_no_passages_need_no_request(nim: RerankNim) -> None:
    assert client(nim.url).scores(QUERY, []) == []
    assert nim.received == []


def ranked(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"index": index, "logit": value} for index, value in pairs]


FAULTS: list[tuple[dict[str, Any], type[NimError], str]] = [
    ({"rankings": ranked((0, 1.0), (2, 0.5))}, NimReplyInvalid, "not each of them once"),
    ({"rankings": ranked((0, 1.0), (0, 0.5))}, NimReplyInvalid, "not each of them once"),
    ({"rankings": ranked((0, 1.0))}, NimReplyInvalid, "was sent 2 passages and ranked 1"),
    ({"rankings": ranked((-1, 1.0), (0, 1.0))}, NimReplyInvalid, "not each of them once"),
    ({"rankings": ranked((0, float("nan")), (1, 1.0))}, NimReplyInvalid, "a logit is no number"),
    ({"rankings": ranked((0, "high"), (1, 1.0))}, NimReplyInvalid, "a logit is no number"),
    ({"rankings": ranked(("0", 1.0), ([1], 1.0))}, NimReplyInvalid, "of which passages"),
    ({"rankings": ["first", "second"]}, NimReplyInvalid, "no ranking"),
    ({"html": True}, NimReplyInvalid, "no ranking"),
    ({"status": 422, "body": {"detail": "query too long"}}, NimRejected, "422.*query too long"),
    ({"status": 503}, NimUnavailable, "cannot answer now"),
    ({"hang": 60}, NimUnavailable, "did not answer within 1 s"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{next(iter(each[0]))} {at}" for at, each in enumerate(FAULTS)])
def test_each_fault_is_an_error_in_words_and_never_an_order(
    nim: RerankNim, fault: tuple[dict[str, Any], type[NimError], str]
) -> None:
    switches, kind, words = fault
    asking = client(nim.url, answer_s=1.0)
    asking.scores(QUERY, ["The liver."])
    nim.switch(**switches)
    with pytest.raises(kind, match=words) as raised:
        asking.scores(QUERY, ["The liver.", "The spleen."])
    assert "spleen" not in f"{raised.value.message} {raised.value.hint}"
