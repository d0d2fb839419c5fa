"""The shapes in which servers give an answer, read as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.nim.made_image import an_image_target
from workbench.domain.errors import NimRejected, NimReplyInvalid
from workbench.nim.openai_answer import Piece, content_text, whole_answer
from workbench.nim.served import asked

ASKED = asked(an_image_target("http://nim"), "some/model")
PARTS = [{"type": "text", "text": "A "}, {"type": "text", "text": "liver."}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("A liver.", "A liver."),
        (PARTS, "A liver."),
        ({"role": "assistant", "content": PARTS}, "A liver."),
        ({"role": "assistant", "content": "A liver."}, "A liver."),
        ([{"type": "image_url", "image_url": {"url": "x"}}, *PARTS], "A liver."),
        (["A ", "liver."], "A liver."),
        (None, ""),
        (7, ""),
        ([None, 7, {}], ""),
        ({"content": None}, ""),
    ],
)
def test_a_content_is_read_in_every_shape(content: Any, text: str) -> None:
    assert content_text(content) == text


def test_a_content_without_an_end_is_not_followed_for_ever() -> None:
    endless: dict[str, Any] = {}
    endless["content"] = [endless]
    assert content_text(endless) == ""


def answer(message: Any, **choice: Any) -> bytes:
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message, **choice}]}).encode()


@pytest.mark.parametrize("content", ["A liver.", PARTS, {"role": "assistant", "content": PARTS}])
@pytest.mark.parametrize(("finish", "told"), [("stop", "stop"), ("length", "length"), (None, "stop")])
def test_a_whole_answer_is_one_piece(content: Any, finish: str | None, told: str) -> None:
    body = answer({"role": "assistant", "content": content}, finish_reason=finish)
    assert list(whole_answer(body, ASKED)) == [Piece(text="A liver.", finish=told)]


def chunks(*texts: str, end: str = "data: [DONE]\n\n") -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"content": each}, "finish_reason": None}]} for each in texts]
    return (": kept\n\n" + "".join(f"data: {json.dumps(each)}\n\n" for each in events) + end).encode()


def test_a_stream_that_was_kept_is_read_to_its_end() -> None:
    assert list(whole_answer(chunks("A ", "liver."), ASKED)) == [Piece(text="A liver.", finish="stop")]


def test_a_kept_stream_that_was_cut_does_not_say_that_it_ended() -> None:
    assert list(whole_answer(chunks("A ", "liver.", end=""), ASKED)) == [Piece(text="A liver.", finish=None)]


def test_an_error_in_it_is_told_in_the_servers_words() -> None:
    with pytest.raises(NimRejected, match="VILA-M3 broke off its answer: “CUDA out of memory”"):
        whole_answer(json.dumps({"error": {"message": "CUDA out of memory"}}).encode(), ASKED)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no stream of an answer"),
        (b"[]", "no stream of an answer"),
        (b'{"result": "ok"}', "no stream of an answer"),
        (b'{"choices": "none"}', "no stream of an answer"),
        (b"{not json", "no stream of an answer"),
        (b"<!doctype html><h1>Welcome</h1>", "a web page"),
        (b'"VILA-M3 model"', "no stream of an answer: “VILA-M3 model”"),
    ],
)
def test_what_is_no_answer_says_so_and_names_the_setting(body: bytes, words: str) -> None:
    with pytest.raises(NimReplyInvalid, match=words) as raised:
        whole_answer(body, ASKED)
    assert "IMAGING_NIM_VILAM3_URL" in (raised.value.hint or "")


def test_what_was_dropped_is_not_told() -> None:
    pieces = whole_answer(answer({"content": "A liver."}), ASKED)
    pieces.close()
    assert list(pieces) == []
