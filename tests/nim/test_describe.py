"""What a NIM says of itself is taken where it fits, and nothing of it is required."""

from __future__ import annotations

import pytest

from tests.contract_server.server import Answer, ContractServer
from workbench.domain.clock import Clock
from workbench.domain.nim import First, Route, Service
from workbench.nim.describe import Descriptions
from workbench.nim.http import new_client
from workbench.nim.probe import Target

METADATA = {
    "version": "1.0.3",
    "selectedModelProfileId": "8835c31752fbc67ef658b20a9f78e056914fdef0660206d82f252d62fd96064d",
    "modelInfo": [{"modelUrl": "ngc://nim/meta/llama3-8b-instruct:hf-8c22764", "shortName": "llama3"}],
    "assetInfo": [],
}
METRICS = '# HELP x\nvllm:num_requests_running 0\nvllm:num_requests_waiting{model="m"} 1\nprocess_open_fds 3\n'


class TellingNim(ContractServer):
    """A NIM whose management routes answer what `told` holds."""

    def __init__(self, told):
        self.told = told
        super().__init__()

    def answer(self, request):
        found = self.told.get(request.path)
        if found is None:
            return Answer.of({"detail": "Not Found"}, 404)
        return Answer(body=found.encode(), content_type="text/plain") if isinstance(found, str) else Answer.of(found)


@pytest.fixture
def client():
    made = new_client()
    yield made
    made.close()


def descriptions(url, client, service=Service.LLM, **options):
    target = Target(service=service, route=Route(first=First.OWN_NIM, stand_in=False), url=url, setting="IMAGING_X")
    return Descriptions([target], client=client, clock=Clock(), **options)


def values(facts):
    return {name: fact.value for name, fact in facts.items()}


def test_a_nim_that_tells_all_is_described_with_the_route_that_told_it(client):
    told = {
        "/v1/metadata": METADATA,
        "/v1/version": {"release": "1.0.3", "api": "1.0.0"},
        "/v1/models": {"data": [{"id": "meta/llama3-8b-instruct", "root": "meta/llama3-8b-instruct"}]},
        "/v1/metrics": METRICS,
    }
    with TellingNim(told) as nim:
        facts = descriptions(nim.url, client)(Service.LLM)
    assert values(facts) == {
        "model_version": "NIM 1.0.3",
        "model_source": "ngc://nim/meta/llama3-8b-instruct:hf-8c22764",
        "profile": METADATA["selectedModelProfileId"],
        "engine": "vLLM",
        "metrics": "/v1/metrics, 3 series names",
        "api_surface": ["GET /v1/metadata", "GET /v1/version", "GET /v1/models", "GET /v1/metrics"],
    }
    assert (facts["profile"].by, facts["engine"].by) == ("GET /v1/metadata", "GET /v1/metrics")
    assert all(fact.at for fact in facts.values())


def test_a_nim_that_tells_nothing_is_described_by_nothing(client):
    with TellingNim({}) as nim:
        assert descriptions(nim.url, client)(Service.LLM) == {}


@pytest.mark.parametrize(
    "odd",
    [[], "text", 7, None, {"version": 3}, {"modelInfo": "x"}, {"modelInfo": [7]}, {"data": {"a": 1}}, {"data": []}],
)
def test_answers_of_another_shape_are_left_out(client, odd):
    with TellingNim(dict.fromkeys(("/v1/metadata", "/v1/version", "/v1/models"), odd)) as nim:
        assert set(descriptions(nim.url, client)(Service.LLM)) <= {"api_surface"}


def test_words_of_a_nim_are_cleaned_of_keys_and_addresses(client):
    told = {"/v1/version": {"release": "1.0 Bearer geheim https://anna:geheim@host/x nvapi-geheim"}}
    with TellingNim(told) as nim:
        facts = descriptions(nim.url, client)(Service.LLM)
    assert "geheim" not in str(values(facts))
    assert "1.0" in facts["model_version"].value


def test_a_nim_is_looked_at_once_a_minute_however_many_ask(client):
    with TellingNim({"/v1/version": {"release": "1"}}) as nim:
        describe = descriptions(nim.url, client)
        for _ in range(20):
            describe(Service.LLM)
        assert [each.path for each in nim.received].count("/v1/version") == 1


def test_a_nim_that_is_gone_or_hangs_is_described_by_nothing(client):
    gone = TellingNim({})
    gone.close()
    assert descriptions(gone.url, client, limit_s=0.5)(Service.LLM) == {}


def test_a_service_without_an_address_is_asked_nothing(client):
    assert descriptions("", client)(Service.LLM) == {}
    assert descriptions("http://127.0.0.1:9", client)(Service.MAISI) == {}
