"""The articles and questions that ship: each names its sources, and each answer stands in its article."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from workbench.assets import asset
from workbench.cli import build_parser
from workbench.usecases.evaluate_library import Kind, read_questions

ARTICLES = sorted(asset("library").glob("*.md"))
TEXTS = {
    each["source"]: each["text"]
    for each in map(json.loads, asset("evaluation", "health_texts.jsonl").read_text("utf-8").splitlines())
}
QUESTIONS = [
    question
    for path in sorted(asset("evaluation").glob("*.jsonl"))
    if path.name != "health_texts.jsonl"
    for question in read_questions(path.read_text("utf-8").splitlines())
]

COMMANDS_NAMED = re.findall(
    r"`(\w+)`",
    asset("library", "command-line-and-rest.md")
    .read_text("utf-8")
    .split("what the page does: ")[1]
    .split(", each with")[0],
)


def plain(text: str) -> str:
    """As it is indexed: Markdown's marks for code are no part of the text."""
    return " ".join(text.replace("`", "").split())


def front_matter(path: Path) -> dict:
    import yaml

    return yaml.safe_load(path.read_text("utf-8").split("---")[1])


def test_there_are_at_least_sixty_articles() -> None:
    assert len(ARTICLES) >= 60


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.stem)
def test_an_article_has_a_title_a_year_and_named_sources_and_is_short(path: Path) -> None:
    told = front_matter(path)
    words = path.read_text("utf-8").split("---", 2)[2].split()

    assert told["title"]
    assert 2000 <= told["year"] <= 2100
    assert told["sources"]
    assert all(len(each) > 15 for each in told["sources"])
    assert 230 <= len(words) <= 620


def test_no_two_articles_share_a_title() -> None:
    titles = [front_matter(path)["title"] for path in ARTICLES]
    assert len(titles) == len(set(titles))


def test_every_answer_stands_word_for_word_in_its_article() -> None:
    texts = {path.stem: plain(path.read_text("utf-8")) for path in ARTICLES} | {
        name: plain(text) for name, text in TEXTS.items()
    }
    wrong = [
        each.question
        for each in QUESTIONS
        if each.kind.has_answer
        and (each.article not in texts or plain(each.sentence or "-") not in texts[each.article])
    ]
    assert wrong == []


def test_questions_of_every_kind_are_asked_once() -> None:
    kinds = {kind: [each.question for each in QUESTIONS if each.kind is kind] for kind in Kind}

    assert all(len(asked) >= 40 for asked in kinds.values())
    assert all(len(asked) == len(set(asked)) for asked in kinds.values())


@pytest.mark.parametrize("name", COMMANDS_NAMED)
def test_a_command_that_an_article_names_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([name, "--help"])

    assert ended.value.code == 0
    assert name in capsys.readouterr().out
