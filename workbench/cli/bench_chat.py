"""`workbench bench chat`: how well the library is searched and how honestly it answers, against BM25 alone.

Runs offline over the articles and questions that ship, in a folder of its own; the person's library is not touched.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from workbench.assemble import assemble
from workbench.assets import asset
from workbench.cases.store import telling_disk_full
from workbench.cli.bar import Bar
from workbench.domain.dialogue import Answer, Finished, Question
from workbench.domain.errors import InvalidRequest, WorkbenchError
from workbench.domain.library import Retrieval, SourceFile
from workbench.domain.ranking import Share
from workbench.settings import load_settings
from workbench.usecases.access import LOCAL
from workbench.usecases.evaluate_library import DEEPEST, Evaluation, KnownQuestion, evaluate, read_questions
from workbench.usecases.workbench import Workbench

TEXTS = "health_texts.jsonl"
COLLECTION = "evaluation_texts"
_INDEXING_S = 1800.0


def run(options: argparse.Namespace) -> int:
    """Index what ships, ask every question, print the table."""
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    questions = _questions(options.questions)
    bar = Bar(sys.stderr, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "milvus_uri": "", "starter_library": True})
        workbench = assemble(own).workbench
        try:
            bar.tell("indexing the starter library", None)
            _index(workbench)
            measured = _evaluate(workbench, questions, bar)
        finally:
            bar.close()
            workbench.close()
    told = {"service": "chat", "mode": settings.nim_mode.value, **measured.to_json()}
    if options.output is not None:
        with telling_disk_full():
            Path(options.output).write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    sys.stdout.write(json.dumps(told, indent=2) + "\n" if options.json else table(measured))
    return 0


def _questions(files: list[str] | None) -> tuple[KnownQuestion, ...]:
    """Those of the files, or all that ship."""
    paths = [Path(each) for each in files or []] or [
        path for path in sorted(asset("evaluation").glob("*.jsonl")) if path.name != TEXTS
    ]
    read: list[KnownQuestion] = []
    for path in paths:
        try:
            read += read_questions(path.read_text("utf-8").splitlines())
        except OSError as error:
            raise InvalidRequest(f"The questions in “{path.name}” cannot be read: {error.strerror}.") from error
    return tuple(read)


def _index(workbench: Workbench) -> None:
    workbench.starter.begin()
    state = workbench.starter.wait(_INDEXING_S)
    if state.state != "ready":
        raise WorkbenchError(f"The starter library could not be indexed: {state.why}")
    texts = SourceFile(path=asset("evaluation", TEXTS), name=TEXTS)
    job = workbench.adding.add_files(LOCAL, [texts], collection=COLLECTION)
    workbench.adding.wait(LOCAL, job.id)
    error = workbench.adding.error_of(LOCAL, job.id)
    if error is not None:
        raise error


def _evaluate(workbench: Workbench, questions: tuple[KnownQuestion, ...], bar: Bar) -> Evaluation:
    def found(text: str, *, words_alone: bool) -> Retrieval:
        return workbench.chat.retrieve(LOCAL, Question(text=text, top_k=DEEPEST), words_alone=words_alone)

    def answer(text: str) -> Answer:
        told = list(workbench.chat.ask(LOCAL, Question(text=text), asks_consent=False))
        last = told[-1]
        assert isinstance(last, Finished)  # noqa: S101 - always the last event
        return last.answer

    measured = evaluate(
        questions,
        retrieve=lambda text: found(text, words_alone=False),
        words_alone=lambda text: found(text, words_alone=True),
        answer=answer,
        tell=lambda done: bar.tell(f"{done} of {len(questions)} questions", done / len(questions)),
    )
    return replace(measured, notes=(*measured.notes, *_what_it_is_worth(workbench)))


def _what_it_is_worth(workbench: Workbench) -> tuple[str, ...]:
    counts = workbench.library_counts()
    return (
        f"{counts.total} passages. The questions were written beside the articles, so these figures flatter; "
        "compare them with each other, not with published ones.",
    )


def table(measured: Evaluation) -> str:
    """The evaluation for people: shares with 95 % intervals."""
    lines = [f"MOCK: answers were quoted by {measured.answered_by}"] if measured.is_mock else []
    for kind, compared in measured.ranking.items():
        lines.append(
            f"{kind} ({measured.questions[kind]} questions)      library              BM25 alone           gain"
        )
        lines += [
            f"  {name:<10} {_share(each.library)}  {_share(each.words_alone)}  {each.gain.mean:+.3f} "
            f"[{each.gain.low:+.3f}, {each.gain.high:+.3f}]"
            for name, each in compared.items()
        ]
    lines.append("refused (evidence none)")
    lines += _shares(measured.refused)
    lines.append("answers that cite the right document")
    lines += _shares(measured.cites_right_document)
    lines.append(f"citation numbers valid  {_share(measured.citation_numbers_valid)}")
    lines.append(f"sentences supported     {_share(measured.sentences_supported)}")
    if measured.quotes_verbatim.count:
        lines.append(f"quotes word for word    {_share(measured.quotes_verbatim)}")
    lines += [f"note: {each}" for each in measured.notes]
    return "\n".join(lines) + "\n"


def _shares(shares: Mapping[str, Share]) -> list[str]:
    return [f"  {name:<10} {_share(each)}" for name, each in shares.items()]


def _share(each: Share) -> str:
    return f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]"
