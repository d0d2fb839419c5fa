"""The mode table's row for VILA-M3, as a question about a picture meets it, in both protocols."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract_server import Family, HealthNim, ReferenceVila, VisionNim
from tests.contract_server.vilam3 import HOSTED_MODEL, MODEL
from tests.made import in_process
from tests.nim.made import CLOCK, UPLOAD
from tests.nim.made_chat import told
from tests.nim.made_image import KEY, a_large_picture, an_image_request
from workbench.domain.errors import NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.image_dialogue import ImageStream, ImageTalker, SentAs
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.provenance import Origin
from workbench.nim.connect import Connections, connect
from workbench.settings import load_settings

NOBODY = "http://127.0.0.1:9"
NOWHERE = {"nim_vista3d_url": "", "nim_maisi_url": "", "nim_vilam3_url": NOBODY, "nim_llm_url": ""}
REFERENCE = {"nim_vilam3_protocol": "reference"}
MOCK_OPENING = "This is a demonstration without a vision model."
Connect = Callable[..., Connections]


@pytest.fixture
def nim() -> Iterator[VisionNim]:
    with VisionNim() as server:
        yield server


@pytest.fixture
def hosted() -> Iterator[VisionNim]:
    with VisionNim(hosted=True, needs_key=KEY) as server:
        yield server


@pytest.fixture
def reference() -> Iterator[ReferenceVila]:
    with ReferenceVila() as server:
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


def cloud(server: VisionNim, **settings: Any) -> dict[str, Any]:
    made = {"nim_cloud_url": f"{server.url}/v1", "nim_cloud_functions_url": server.functions_url}
    return {"nim_mode": "cloud", "nvidia_api_key": KEY, "nim_cloud_vlm_model": HOSTED_MODEL, **made, **settings}


def talker(connections: Connections, mode: Mode = Mode.LOCAL) -> ImageTalker:
    return connections.in_mode(mode).image_talker


def status(connections: Connections) -> NimStatus:
    return next(each for each in connections.statuses() if each.service is Service.VILA_M3)


def assert_mock(stream: ImageStream, because: str) -> None:
    assert told(stream).startswith(MOCK_OPENING)
    assert (stream.provenance.origin, stream.is_mock) == (Origin.MOCK, True)
    assert (stream.sent_as, stream.prompt) == (SentAs.NOT_SENT, "")
    assert because in (stream.provenance.stands_in_because or "")


@pytest.mark.parametrize("fallback", [True, False])
def test_local_an_own_server_answers(connected: Connect, nim: VisionNim, fallback: bool) -> None:
    connections = connected(nim_vilam3_url=f"{nim.url}/v1", nim_allow_mock_fallback=fallback)
    stream = talker(connections).run(an_image_request())
    assert "a fixture without a model" in told(stream)
    made = stream.provenance
    assert (made.origin, made.model, stream.is_mock) == (Origin.LOCAL, MODEL, False)
    assert made.inputs == (UPLOAD,)
    assert made.parameters["mode"] == "local"
    assert status(connections).published_state is State.AVAILABLE
    assert talker(connections).status() == status(connections)


def test_local_with_fallback_a_mock_answers_with_the_reason(connected: Connect) -> None:
    connections = connected()
    assert_mock(talker(connections).run(an_image_request()), "refused the connection")
    assert status(connections).published_state is State.MOCK


def test_local_without_fallback_it_is_an_error(connected: Connect) -> None:
    connections = connected(nim_allow_mock_fallback=False)
    with pytest.raises(NimUnavailable, match="refused the connection"):
        talker(connections).run(an_image_request())
    assert status(connections).published_state is State.UNAVAILABLE


@pytest.mark.parametrize("protocol", ["openai", "reference"])
def test_an_empty_url_is_not_deployed(connected: Connect, protocol: str) -> None:
    because = "VILA-M3 is not deployed: IMAGING_NIM_VILAM3_URL is empty."
    settings = {"nim_vilam3_url": "", "nim_vilam3_protocol": protocol}
    assert_mock(talker(connected(**settings)).run(an_image_request()), because)
    with pytest.raises(NimUnavailable, match="IMAGING_NIM_VILAM3_URL is empty") as raised:
        talker(connected(**settings, nim_allow_mock_fallback=False)).run(an_image_request())
    assert raised.value.hint == "Start a VILA-M3 server and set IMAGING_NIM_VILAM3_URL to its address."


@pytest.mark.parametrize("fallback", [True, False])
def test_cloud_the_hosted_catalogue_answers(connected: Connect, hosted: VisionNim, fallback: bool) -> None:
    connections = connected(**cloud(hosted), nim_allow_mock_fallback=fallback)
    stream = talker(connections, Mode.CLOUD).run(an_image_request())
    assert told(stream)
    assert (stream.provenance.origin, stream.provenance.model) == (Origin.CLOUD, HOSTED_MODEL)
    assert (stream.is_mock, stream.sent_as) == (False, SentAs.INLINE)
    assert status(connections).published_state is State.CLOUD


def test_cloud_a_large_picture_goes_by_the_functions_that_the_settings_name(
    connected: Connect, hosted: VisionNim
) -> None:
    picture = a_large_picture()
    connections = connected(**cloud(hosted))
    stream = talker(connections, Mode.CLOUD).run(an_image_request(picture=picture))
    assert told(stream)
    assert stream.sent_as is SentAs.ASSET
    assert hosted.pictures == [picture.encoded]


def test_the_protocol_of_an_own_server_does_not_concern_the_catalogue(connected: Connect, hosted: VisionNim) -> None:
    connections = connected(**cloud(hosted), **REFERENCE)
    assert talker(connections, Mode.CLOUD).run(an_image_request()).provenance.origin is Origin.CLOUD


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ({"status": 410, "body": {"title": "Gone", "detail": "has reached its end of life"}}, "has retired"),
        ({"status": 402, "body": {"detail": "credits"}}, "out of credit"),
        ({"status": 403, "body": {"status": 403, "title": "Forbidden"}}, "refused the key"),
        ({"status": 504}, "cannot answer now"),
    ],
)
def test_cloud_a_mock_stands_in_where_the_catalogue_cannot_be_used_or_the_error_is_told(
    connected: Connect, hosted: VisionNim, answer: dict[str, Any], because: str
) -> None:
    hosted.switch(chat=answer, needs_key=KEY)
    assert_mock(talker(connected(**cloud(hosted)), Mode.CLOUD).run(an_image_request()), because)
    with pytest.raises(NimUnavailable, match=because):
        talker(connected(**cloud(hosted), nim_allow_mock_fallback=False), Mode.CLOUD).run(an_image_request())


@pytest.mark.parametrize("fallback", [True, False])
def test_cloud_without_a_key_nothing_is_sent(connected: Connect, hosted: VisionNim, fallback: bool) -> None:
    connections = connected(**cloud(hosted, nvidia_api_key=""), nim_allow_mock_fallback=fallback)
    because = "The hosted VILA-M3 needs a key: IMAGING_NVIDIA_API_KEY is empty."
    if fallback:
        assert_mock(talker(connections, Mode.CLOUD).run(an_image_request()), because)
    else:
        with pytest.raises(NimUnavailable, match="IMAGING_NVIDIA_API_KEY is empty"):
            talker(connections, Mode.CLOUD).run(an_image_request())
    assert hosted.received == []


@pytest.mark.parametrize("fallback", [True, False])
@pytest.mark.parametrize("protocol", ["openai", "reference"])
def test_mock_describes_and_opens_no_socket(
    connected: Connect, monkeypatch: pytest.MonkeyPatch, fallback: bool, protocol: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened in mock mode")

    connections = connected(nim_mode="mock", nim_allow_mock_fallback=fallback, nim_vilam3_protocol=protocol)
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    stream = talker(connections, Mode.MOCK).run(an_image_request())
    assert_mock(stream, "")
    assert stream.provenance.stands_in_because is None
    assert status(connections).published_state is State.MOCK
    connections.warm()
    connections.close()


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"bad_picture": True}, NimRejected),
        ({"text_only": True}, NimRejected),
        ({"chat": {"status": 422, "body": {"detail": "no"}}}, NimRejected),
        ({"error": True, "after": 0}, NimRejected),
        ({"no_word": True}, NimReplyInvalid),
        ({"html": True}, NimReplyInvalid),
    ],
)
def test_no_mock_papers_over_a_refusal_or_a_malformed_answer(
    connected: Connect, nim: VisionNim, faults: dict[str, Any], kind: type[Exception]
) -> None:
    nim.switch(**faults)
    with pytest.raises(kind):
        talker(connected(nim_vilam3_url=nim.url)).run(an_image_request())


@pytest.mark.parametrize("faults", [{"drop": "reset"}, {"drop": "closed"}, {"error": True}])
def test_after_the_first_token_no_mock_takes_over_and_the_panel_tells_of_a_break(
    connected: Connect, nim: VisionNim, faults: dict[str, Any]
) -> None:
    connections = connected(nim_vilam3_url=nim.url)
    nim.switch(**faults)
    stream = talker(connections).run(an_image_request())
    said: list[str] = []
    with pytest.raises((NimUnavailable, NimRejected)):
        said.extend(stream.tokens)
    assert "".join(said).startswith("This is")
    assert MOCK_OPENING not in "".join(said)
    assert stream.provenance.origin is Origin.LOCAL
    last = status(connections).last_call
    assert last is not None
    assert not last.ok


def test_an_answer_and_a_stop_are_put_on_record(connected: Connect, nim: VisionNim) -> None:
    connections = connected(nim_vilam3_url=nim.url)
    told(talker(connections).run(an_image_request()))
    last = status(connections).last_call
    assert last is not None
    assert (last.ok, last.detail) == (True, "It answered a question about a picture.")
    nim.switch(stall=30, after=1)
    stream = talker(connections).run(an_image_request())
    assert next(stream.tokens)
    stream.close()
    assert list(stream.tokens) == []
    last = status(connections).last_call
    assert last is not None
    assert (last.ok, last.detail) == (True, "It was answering when a person stopped it.")


def test_a_visit_that_switched_the_mode_has_it_noted(connected: Connect, nim: VisionNim) -> None:
    made = talker(connected(nim_vilam3_url=nim.url), Mode.MOCK).run(an_image_request()).provenance
    assert (made.parameters["mode"], made.parameters["switched_from"]) == ("mock", "local")


def test_warming_loads_the_client_and_asks_nobody(connected: Connect, nim: VisionNim) -> None:
    connected(nim_vilam3_url=nim.url).warm()
    assert nim.received == []


def test_the_silence_allowed_is_that_of_the_settings(connected: Connect, nim: VisionNim) -> None:
    nim.switch(slow_first=30)
    connections = connected(nim_vilam3_url=nim.url, nim_vilam3_timeout_s=0.2)
    assert_mock(talker(connections).run(an_image_request()), "0.2 s")


def test_the_reference_server_answers_in_its_own_protocol(connected: Connect, reference: ReferenceVila) -> None:
    connections = connected(nim_vilam3_url=f"{reference.url}/v1", **REFERENCE)
    stream = talker(connections).run(an_image_request())
    assert "a fixture without a model" in told(stream)
    assert (stream.sent_as, stream.is_mock) == (SentAs.FILE, False)
    assert stream.provenance.parameters["mode"] == "local"
    seen = status(connections)
    assert (seen.state, seen.model) == (State.AVAILABLE, "vila-m3 (reference server)")
    assert seen.curl == f"curl -sS {reference.url}/info/"
    assert seen.last_call is not None
    assert seen.last_call.detail == "It answered a question about a picture."


def test_a_mock_stands_in_for_a_reference_server_that_is_away(connected: Connect) -> None:
    assert_mock(talker(connected(**REFERENCE)).run(an_image_request()), "refused the connection")
    with pytest.raises(NimUnavailable):
        talker(connected(**REFERENCE, nim_allow_mock_fallback=False)).run(an_image_request())


def test_the_wrong_protocol_is_told_with_the_setting_that_names_it(
    connected: Connect, nim: VisionNim, reference: ReferenceVila
) -> None:
    told_wrong = status(connected(nim_vilam3_url=nim.url, **REFERENCE))
    assert told_wrong.published_state is State.MOCK
    assert "not VILA-M3's reference server" in told_wrong.detail
    assert "IMAGING_NIM_VILAM3_PROTOCOL=openai" in (told_wrong.hint or "")
    other = status(connected(nim_vilam3_url=reference.url))
    assert other.published_state is State.MOCK
    assert "IMAGING_NIM_VILAM3_PROTOCOL=reference" in (other.hint or "")
    assert_mock(
        talker(connected(nim_vilam3_url=nim.url, **REFERENCE)).run(an_image_request()), "not its reference server"
    )


@pytest.mark.parametrize("faults", [{"not_vila": True}, {"status": 503}, {"html": True}])
def test_a_server_that_does_not_say_what_it_is_is_not_available(
    connected: Connect, reference: ReferenceVila, faults: dict[str, Any]
) -> None:
    reference.switch(**faults)
    assert status(connected(nim_vilam3_url=reference.url, **REFERENCE)).published_state is State.MOCK


def test_the_contract_check_asks_a_reference_server_one_small_question(
    connected: Connect, reference: ReferenceVila
) -> None:
    connections = connected(nim_vilam3_url=reference.url, **REFERENCE)
    report = connections.in_mode(Mode.LOCAL).check(Service.VILA_M3)
    assert [(each.step, each.ok) for each in report.steps] == [("info", True), ("request", True)]
    (question,) = reference.questions
    assert question.prompt == "Is this picture grey?"
    assert question.picture.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("faults", "step"),
    [({"not_vila": True}, "info"), ({"as_published": True}, "request"), ({"says_nothing": True}, "request")],
)
def test_a_reference_server_that_does_not_work_fails_its_check(
    connected: Connect, reference: ReferenceVila, faults: dict[str, Any], step: str
) -> None:
    reference.switch(**faults)
    connections = connected(nim_vilam3_url=reference.url, **REFERENCE)
    failed = connections.in_mode(Mode.LOCAL).check(Service.VILA_M3).failed
    assert failed is not None
    assert failed.step == step


def test_a_reference_server_is_asked_only_for_what_it_has(connected: Connect, reference: ReferenceVila) -> None:
    connections = connected(nim_vilam3_url=reference.url, **REFERENCE)
    assert connections.describe(Service.VILA_M3)["api_surface"].value == ["GET /info/"]
    status(connections)
    assert {each.path for each in reference.received} == {"/info/"}


def test_a_server_that_is_no_vision_model_at_all_is_not_mistaken_for_one(connected: Connect) -> None:
    with HealthNim(Family.MAISI, no_health=True) as server:
        seen = status(connected(nim_vilam3_url=server.url))
    assert seen.published_state is State.MOCK
    assert "What answers there is not VILA-M3." in seen.detail
