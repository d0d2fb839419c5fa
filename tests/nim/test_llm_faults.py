"""Every fault of the chat contract: which error, in which words, with which cure, and whether a mock stands in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract_server import LlmNim
from tests.contract_server.llm import MODEL
from tests.nim.made import CLOCK
from tests.nim.made_chat import QUESTION, a_llama, a_request, told
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.nim.llm import Llama
from workbench.nim.llm_stand_in import LlmStandIn
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.talkers import TalkerWithStandIn

OWN: list[tuple[dict[str, Any], type[NimError], str, str]] = [
    ({"no_model": "flat"}, NimUnavailable, "does not serve meta/llama3.*404.*does not exist", "IMAGING_NIM_LLM_MODEL"),
    ({"no_model": "nested"}, NimUnavailable, "does not serve meta/llama3", "IMAGING_NIM_LLM_MODEL"),
    ({"no_model": "text"}, NimUnavailable, "neither the route nor", "IMAGING_NIM_LLM_URL"),
    ({"status": 503, "body": {"detail": "loading"}}, NimUnavailable, "cannot answer now.*503.*loading", "wait"),
    ({"status": 401, "body": {"title": "Unauthorized"}}, NimUnavailable, "refused access.*401", "gateway"),
    ({"status": 502, "body": "<html>Bad Gateway</html>"}, NimUnavailable, "cannot answer now.*502", "log"),
    ({"status": 504}, NimUnavailable, "cannot answer now.*504", "gateway"),
    ({"drop": "closed", "after": 0}, NimUnavailable, "connection to Llama-3 broke", "docker logs"),
    ({"drop": "reset", "after": 0}, NimUnavailable, "connection to Llama-3 broke", "docker logs"),
    ({"cut": True, "no_word": True}, NimUnavailable, "broke off before the first word", "docker logs"),
    ({"stall": 60, "after": 0}, NimUnavailable, "nothing came for 1 s", "docker logs"),
    (
        {"overflow": "flat", "window": 60, "no_length": True},
        NimRejected,
        "longer than Llama-3 takes.*400.*maximum context length is 60 tokens",
        "fewer passages",
    ),
    ({"overflow": "nested", "window": 60, "no_length": True}, NimRejected, "longer than Llama-3 takes", "conversation"),
    ({"status": 400, "body": {"object": "error", "message": "bad request"}}, NimRejected, "400.*bad request", ""),
    (
        {"status": 422, "body": {"detail": [{"loc": ["body", "top_p"], "msg": "too large", "type": "value_error"}]}},
        NimRejected,
        "422.*body.top_p: too large",
        "",
    ),
    ({"status": 500, "body": {"detail": "CUDA error"}}, NimRejected, "500.*CUDA error", ""),
    ({"error": True, "after": 0}, NimRejected, "broke off its answer.*CUDA out of memory", "log"),
    ({"status": 500}, NimReplyInvalid, "status 500, and nothing", "log"),
    ({"html": True}, NimReplyInvalid, "sends a web page", "base URL"),
    ({"json": True}, NimReplyInvalid, "no stream of an answer.*has moved", "base URL"),
    ({"no_word": True}, NimReplyInvalid, "without a word", "another model"),
    ({"broken_event": True, "after": 0}, NimReplyInvalid, "no part of a chat", "IMAGING_NIM_LLM_URL"),
    ({"wrong_event": True, "after": 0}, NimReplyInvalid, "no part of a chat", "IMAGING_NIM_LLM_URL"),
    ({"status": 302, "headers": {"Location": "http://elsewhere/"}}, NimReplyInvalid, "302", "IMAGING_NIM_LLM_URL"),
]

RETIRED = f"The model '{MODEL}' has reached its end of life on 2026-08-26T09:00:00Z and is no longer available."
HOSTED: list[tuple[dict[str, Any], type[NimError], str, str]] = [
    ({"status": 401, "body": {"status": 401, "title": "Unauthorized"}}, NimUnavailable, "refused the key", "nvapi-"),
    ({"needs_key": "nvapi-other"}, NimUnavailable, "refused the key.*403.*Authorization failed", "NVIDIA_API_KEY"),
    ({"status": 402, "body": {"detail": "no credits"}}, NimUnavailable, "out of credit.*402.*no credits", "credit"),
    ({"no_model": "account"}, NimUnavailable, "does not open meta/llama3.* to this account", "CLOUD_LLM_MODEL"),
    ({"no_model": "text"}, NimUnavailable, "404 page not found", "IMAGING_NIM_CLOUD_LLM_MODEL"),
    (
        {"status": 410, "body": {"type": "about:blank", "title": "Gone", "status": 410, "detail": RETIRED}},
        NimUnavailable,
        "has retired meta/llama3.*410.*end of life on 2026",
        "IMAGING_NIM_CLOUD_LLM_MODEL",
    ),
    (
        {"status": 429, "body": {"status": 429, "title": "Too Many Requests"}, "headers": {"Retry-After": "60"}},
        NimUnavailable,
        "more requests than it takes.*429",
        "minute",
    ),
    (
        {
            "status": 503,
            "body": "ResourceExhausted: Worker local total request limit reached (33/32)",
            "headers": {"Retry-After": "60"},
        },
        NimUnavailable,
        "cannot answer now.*503.*ResourceExhausted",
        "wait",
    ),
    ({"status": 202, "headers": {"NVCF-REQID": "1b4e28ba"}}, NimReplyInvalid, "no stream of an answer", "base URL"),
]


@pytest.fixture
def nim() -> Iterator[LlmNim]:
    with LlmNim() as server:
        yield server


def _name(fault: tuple[dict[str, Any], type[NimError], str, str]) -> str:
    return " ".join(f"{name}={value}"[:30] for name, value in fault[0].items() if name not in ("body", "headers"))


def _meets(llama: Llama, nim: LlmNim, fault: tuple[dict[str, Any], type[NimError], str, str]) -> None:
    switches, kind, words, cure = fault
    told(llama.run(a_request()))  # so that the model is known: the fault meets the chat itself
    nim.switch(**switches)
    with pytest.raises(kind, match=words) as raised:
        llama.run(a_request())
    assert cure in (raised.value.hint or "")
    said = f"{raised.value.message} {raised.value.hint}"
    for private in ("nvapi-secret", "1b4e28ba", "abcdEFGH", QUESTION, "1800 mL", "http://", "Traceback"):
        assert private not in said

    nim.switch(**switches)
    either = TalkerWithStandIn(llama, LlmStandIn(clock=CLOCK))
    if kind is NimUnavailable:
        stream = either.run(a_request())
        assert stream.is_mock
        assert stream.provenance.stands_in_because == raised.value.message
        assert told(stream).startswith("From the library:")
    else:
        with pytest.raises(kind):
            either.run(a_request())


@pytest.mark.parametrize("fault", OWN, ids=[f"{_name(each)} {at}" for at, each in enumerate(OWN)])
def test_each_fault_of_an_own_nim_has_its_own_words_and_only_an_unusable_one_is_stood_in_for(
    nim: LlmNim, fault: tuple[dict[str, Any], type[NimError], str, str]
) -> None:
    with a_llama(nim.url, timeouts=ChatTimeouts(quiet_s=1.0)) as llama:
        _meets(llama, nim, fault)


@pytest.mark.parametrize("fault", HOSTED, ids=[f"{_name(each)} {at}" for at, each in enumerate(HOSTED)])
def test_each_fault_of_the_hosted_catalogue_has_its_own_words(
    nim: LlmNim, fault: tuple[dict[str, Any], type[NimError], str, str]
) -> None:
    with a_llama(nim.url, hosted=True, model=MODEL, key="nvapi-secret") as llama:
        _meets(llama, nim, fault)


def test_a_nim_that_lists_no_model_is_an_error_that_names_the_setting(nim: LlmNim) -> None:
    nim.switch(no_models=True)
    with a_llama(nim.url) as llama, pytest.raises(NimReplyInvalid, match="lists no model") as raised:
        llama.run(a_request())
    assert "IMAGING_NIM_LLM_MODEL" in (raised.value.hint or "")


def test_a_model_that_the_nim_does_not_list_is_told_before_it_is_asked_for(nim: LlmNim) -> None:
    with a_llama(nim.url, model="meta/other") as llama, pytest.raises(NimUnavailable, match=MODEL) as raised:
        llama.run(a_request())
    assert "IMAGING_NIM_LLM_MODEL" in (raised.value.hint or "")
    assert nim.posts() == []


def test_after_a_model_went_away_the_list_is_read_anew(nim: LlmNim) -> None:
    with a_llama(nim.url) as llama:
        told(llama.run(a_request()))
        nim.model = "meta/llama-3.1-8b-instruct"
        with pytest.raises(NimUnavailable, match="does not serve"):
            llama.run(a_request())
        stream = llama.run(a_request())
        assert told(stream)
    assert stream.provenance.model == "meta/llama-3.1-8b-instruct"
