"""Which model a server answers with, read from its list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract_server import LlmNim
from tests.contract_server.llm import MODEL, WINDOW
from tests.nim.made_chat import a_target
from workbench.domain.errors import NimUnavailable
from workbench.nim.http import Line, new_client
from workbench.nim.served import Served

Make = Callable[..., Served]


@pytest.fixture
def nim() -> Iterator[LlmNim]:
    with LlmNim() as server:
        yield server


@pytest.fixture
def served(nim: LlmNim) -> Iterator[Make]:
    with new_client() as client:

        def make(*, kept_s: float = 60.0, hosted: bool = False, model: str = "") -> Served:
            target = a_target(nim.url, hosted=hosted, model=model)
            return Served(target, Line(nim.url, client, name="Llama-3", setting=target.setting), kept_s=kept_s)

        yield make


def test_the_first_model_listed_is_taken_with_its_window(served: Make) -> None:
    model = served().model()
    assert (model.id, model.context_tokens) == (MODEL, WINDOW)


def test_the_list_is_read_once_a_while(nim: LlmNim, served: Make) -> None:
    kept = served()
    for _ in range(5):
        kept.model()
    assert len(nim.received) == 1
    kept.forget()
    kept.model()
    assert len(nim.received) == 2


def test_a_window_learned_from_a_refusal_outlives_the_list(nim: LlmNim, served: Make) -> None:
    nim.switch(no_length=True)
    fleeting = served(kept_s=0.0)
    assert fleeting.model().context_tokens is None
    fleeting.learn(1500)
    assert fleeting.model().context_tokens == 1500
    assert len(nim.received) == 2


def test_the_hosted_catalogue_is_not_asked(nim: LlmNim, served: Make) -> None:
    assert served(hosted=True, model="meta/llama-3.1-8b-instruct").model().id == "meta/llama-3.1-8b-instruct"
    assert nim.received == []


def test_a_server_without_a_list_serves_the_model_that_is_set(nim: LlmNim, served: Make) -> None:
    nim.switch(status=404, body="404 page not found")
    assert served(model="local-model").model().id == "local-model"
    with pytest.raises(NimUnavailable):
        served().model()


@pytest.mark.parametrize(
    "body", [[], {"data": "none"}, {"data": [{"name": "x"}, 5]}, {"data": [{"id": ""}]}, "nonsense"]
)
def test_a_list_of_another_shape_lists_nothing(nim: LlmNim, served: Make, body: object) -> None:
    nim.switch(status=200, body=body)
    with pytest.raises(Exception, match="lists no model"):
        served().model()
