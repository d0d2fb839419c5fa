"""What the `openai` package may and may not do on its way: headers, proxies, logs, redirects, import."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract_server import LlmNim
from tests.contract_server.llm import MODEL
from tests.nim.made_chat import LIVER, QUESTION, a_llama, a_request, told
from workbench.domain.errors import NimReplyInvalid

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nim() -> Iterator[LlmNim]:
    with LlmNim() as server:
        yield server


def test_nothing_of_the_environment_travels_with_a_question(nim: LlmNim, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "somebody-else")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: somebody-else\nAuthorization: Bearer somebody-else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with a_llama(nim.url) as llama:
        assert told(llama.run(a_request()))
    (sent,) = nim.posts()
    assert "somebody-else" not in str(sent.headers)
    assert not [name for name in sent.headers if name.startswith(("x-", "openai-", "authorization"))]


def test_a_redirect_is_not_followed(nim: LlmNim) -> None:
    with LlmNim() as elsewhere:
        nim.switch(status=307, headers={"Location": f"{elsewhere.url}/v1/chat/completions"})
        with a_llama(nim.url, hosted=True, model=MODEL, key="nvapi-secret") as llama, pytest.raises(NimReplyInvalid):
            llama.run(a_request())
        assert elsewhere.received == []


def test_neither_question_nor_document_nor_key_is_logged_even_at_debug(
    nim: LlmNim, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_LOG", "debug")
    with caplog.at_level(logging.DEBUG), a_llama(nim.url, hosted=True, model=MODEL, key="nvapi-secret") as llama:
        assert told(llama.run(a_request()))
        nim.switch(error=True)
        with pytest.raises(Exception, match="broke off"):
            told(llama.run(a_request()))
    for private in ("nvapi-secret", QUESTION, LIVER[:40]):
        assert private not in caplog.text


def test_the_key_is_in_no_representation_of_the_client(nim: LlmNim) -> None:
    with a_llama(nim.url, hosted=True, model=MODEL, key="nvapi-secret") as llama:
        told(llama.run(a_request()))
        assert "nvapi-secret" not in repr(llama)


def test_importing_the_client_does_not_load_the_package() -> None:
    code = "import sys; import workbench.nim.connect; sys.exit('openai' in sys.modules or 'httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0


def test_warming_opens_no_socket_and_may_be_done_by_many_at_once(nim: LlmNim) -> None:
    with a_llama(nim.url) as llama:
        threads = [threading.Thread(target=llama.warm) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert nim.received == []
        assert told(llama.run(a_request()))


def test_answers_to_several_people_do_not_mix(nim: LlmNim) -> None:
    with a_llama(nim.url) as llama:
        llama.warm()
        questions = [f"What is the volume of structure{at}?" for at in range(6)]
        said: dict[str, int] = {}

        def ask(question: str) -> None:
            stream = llama.run(a_request(question))
            said[question] = len(told(stream))

        threads = [threading.Thread(target=ask, args=(each,)) for each in questions]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
    assert set(said) == set(questions)
    sent = sorted(each["messages"][-1]["content"].rpartition("Question: ")[2] for each in nim.chats())
    assert sent == sorted(questions)
