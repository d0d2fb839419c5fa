"""Retrieval, how good and how quick: run by hand, prints figures and their ratios to the limits.

    python -m tests.bench.bench_retrieval [--topics 60] [--milvus] [--sizes 2500 20000]

Quality: questions of the NIH under every second topic (`--topics` of them), each answered by the answers of its topic
and kind, and lay questions of our own, answered by topics. By words alone, by meaning alone, and both; nDCG@10 of both
is compared with words alone by a paired bootstrap. Evidence: how many answerable questions are kept and how many of
other subjects refused. Speed: the same passages with made variants up to each size, warm, one question at a
time; on a busy machine the processor time tells more.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data import FOLDER
from tests.knowledge.nih import ARCHIVE, Answered, answers, passages
from tests.knowledge.questions import LAY, OTHER_SUBJECTS, SOUND_MEDICAL
from workbench.domain.library import Evidence, Passage, PassageIndex, Retrieval, Scope, Vectors
from workbench.domain.progress import Silent
from workbench.knowledge.admission import indexed_text
from workbench.knowledge.memory import MemoryIndex
from workbench.knowledge.milvus import MilvusIndex
from workbench.knowledge.minilm import INFO, MiniLm
from workbench.knowledge.retrieve import Retriever
from workbench.language.terms import analyse

NAME = "imaging_literature"
LIMIT_MS = {2_500: 60.0, 20_000: 100.0}
"""Of a whole retrieval on two cores at the 95th percentile."""
EVERYBODY = Scope()
TIMED = 200


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question, and the groups of passages (by `group`) that answer it."""

    text: str
    answered_by: frozenset[str]
    group: Callable[[Passage], str]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    passages: list[Passage]
    vectors: Vectors
    kind_of: dict[str, str]
    questions: dict[str, list[Asked]]


def corpus(model: MiniLm, topics: int) -> Corpus:
    """The answers of some topics, their passages, vectors and questions."""
    everything = answers(FOLDER / ARCHIVE)
    chosen = set(sorted({each.topic for each in everything})[::2][:topics])
    kept = [each for each in everything if each.topic in chosen]
    made = [passage for each in kept for passage in passages(each, NAME)]
    kind_of = {passages(each, NAME)[0].document_id: f"{each.topic}|{each.kind}" for each in kept}
    begun = time.perf_counter()
    vectors = model.passages([indexed_text(each) for each in made])
    took = time.perf_counter() - begun
    tell(f"{len(chosen)} topics, {len(kept)} answers, {len(made)} passages; {len(made) / took:.0f} embedded a second")
    return Corpus(
        passages=made,
        vectors=vectors,
        kind_of=kind_of,
        questions={"questions of the NIH": by_kind(kept, kind_of), "lay questions": by_topic(chosen)},
    )


def by_kind(kept: Sequence[Answered], kind_of: dict[str, str]) -> list[Asked]:
    asked = {each.question: f"{each.topic}|{each.kind}" for each in kept}
    return [
        Asked(text=text, answered_by=frozenset({key}), group=lambda passage: kind_of[passage.document_id])
        for text, key in sorted(asked.items())
    ]


def by_topic(chosen: Iterable[str]) -> list[Asked]:
    found = []
    for text, pattern in LAY:
        right = frozenset(topic for topic in chosen if re.search(pattern, topic))
        if right:
            found.append(Asked(text=text, answered_by=right, group=lambda passage: passage.title))
    return found


def measures(ranked: Iterable[Passage], asked: Asked) -> tuple[float, float, float, float, float]:
    """hit@1, hit@5, hit@10, reciprocal rank and nDCG@10 of groups in the order of their first passage."""
    order = list(dict.fromkeys(map(asked.group, ranked)))[:10]
    right = [group in asked.answered_by for group in order]
    first = right.index(True) if True in right else None
    gained = sum(hit / np.log2(place + 2) for place, hit in enumerate(right))
    most = sum(1 / np.log2(place + 2) for place in range(min(len(asked.answered_by), 10)))
    hits = [float(first is not None and first < at) for at in (1, 5, 10)]
    return hits[0], hits[1], hits[2], 0.0 if first is None else 1 / (first + 1), float(gained / most)


def quality(made: Corpus, index: PassageIndex, model: MiniLm) -> None:
    """Words alone, meaning alone, and both."""
    ways: dict[str, Callable[[str], Iterable[Passage]]] = {
        "words alone": lambda text: [each for each, _ in index.matching(NAME, analyse(text), EVERYBODY, 100)],
        "meaning alone": lambda text: [each for each, _ in index.near(NAME, model.queries([text]), EVERYBODY, 100)],
        "both": lambda text: [each.passage for each in search(Retriever(index, embedder=model), text).found],
    }
    for name, questions in made.questions.items():
        tell(f"\n{name} ({len(questions)}): hit@1  hit@5  hit@10 MRR   nDCG@10")
        scored = {way: np.array([measures(run(each.text), each) for each in questions]) for way, run in ways.items()}
        for way, rows in scored.items():
            tell(f"  {way:14s}", "  ".join(f"{value:.3f}" for value in rows.mean(0)))
        for way in ("words alone", "meaning alone"):
            low, middle, high = bootstrap(scored["both"][:, 4] - scored[way][:, 4])
            tell(f"  both minus {way}: {middle:+.3f} [{low:+.3f}, {high:+.3f}]")


def bootstrap(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """A 95 % interval of the mean and the mean itself, 2,000 samples."""
    drawn = np.random.default_rng(1).choice(differences, (2_000, differences.size)).mean(1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(differences.mean()), float(high)


def search(retriever: Retriever, text: str, limit: int = 100) -> Retrieval:
    return retriever.retrieve(text, scope=EVERYBODY, limit=limit, per_document=limit, progress=Silent())


def evidence(made: Corpus, index: PassageIndex, model: MiniLm) -> None:
    """Shares of none, weak and strong."""
    sets = {name: [each.text for each in those] for name, those in made.questions.items()}
    sets |= {"other subjects": list(OTHER_SUBJECTS), "sound medical": list(SOUND_MEDICAL)}
    words = MemoryIndex()
    words.create(NAME, description="", embedder=None)
    words.put(NAME, made.passages, None)
    for way, retriever in (
        ("words and meaning", Retriever(index, embedder=model)),
        ("words alone", Retriever(words, embedder=None)),
    ):
        tell(f"\nevidence by {way}")
        for name, texts in sets.items():
            found = [search(retriever, each, 5).evidence for each in texts]
            tell(f"  {name:22s}", ", ".join(f"{level} {found.count(level) / len(found):.3f}" for level in Evidence))


def grown(made: Corpus, size: int) -> tuple[list[Passage], Vectors]:
    """The passages, and variants of them: the same words under another title, a vector near by."""
    draw = np.random.default_rng(size)
    rows = np.arange(size) % len(made.passages)
    noise = draw.normal(scale=0.02, size=(size, INFO.dimension)).astype(np.float32)
    noise[: len(made.passages)] = 0.0
    vectors = made.vectors[rows] + noise
    passages_ = [
        replace(
            made.passages[row],
            id=f"{number:032x}",
            document_id=f"{number:032x}",
            ordinal=0,
            total=1,
            title=f"{made.passages[row].title} {number}",
        )
        for number, row in enumerate(rows)
    ]
    return passages_, np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def speed(made: Corpus, index: PassageIndex, name: str, size: int, model: MiniLm) -> None:
    put, vectors = grown(made, size)
    index.create(NAME, description="", embedder=INFO)
    for start in range(0, size, 500):
        index.put(NAME, put[start : start + 500], vectors[start : start + 500])
    index.settle(NAME)
    retriever = Retriever(index, embedder=model)
    begun = time.perf_counter()
    retriever.warm_up()
    first = time.perf_counter() - begun
    questions = [each.text for those in made.questions.values() for each in those]
    took: list[float] = []
    worked = -time.process_time()
    parts: dict[str, list[float]] = {}
    for number in range(TIMED):
        begun = time.perf_counter()
        found = retriever.retrieve(questions[number * 7 % len(questions)], scope=EVERYBODY, progress=Silent())
        took.append((time.perf_counter() - begun) * 1e3)
        for part, value in found.timings_ms.items():
            parts.setdefault(part, []).append(value)
    worked += time.process_time()
    middle, late = np.percentile(took, (50, 95))
    ratio = f", {late / LIMIT_MS[size]:.2f} of the limit" if size in LIMIT_MS else ""
    told = ", ".join(f"{part} {np.median(values):.1f}" for part, values in parts.items() if part != "total")
    tell(
        f"{name} {size:6d}: p50 {middle:.1f} ms, p95 {late:.1f} ms{ratio}; processor time a question "
        f"{worked / TIMED * 1e3:.1f} ms; first {first * 1e3:.0f} ms; medians: {told}"
    )


def tell(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--topics", type=int, default=60)
    given.add_argument("--milvus", action="store_true")
    given.add_argument("--sizes", type=int, nargs="*", default=list(LIMIT_MS))
    options = given.parse_args()
    model = MiniLm()
    model.queries(["warm"])
    made = corpus(model, options.topics)
    index = MemoryIndex()
    index.create(NAME, description="", embedder=INFO)
    index.put(NAME, made.passages, made.vectors)
    quality(made, index, model)
    evidence(made, index, model)
    tell()
    for size in options.sizes:
        speed(made, MemoryIndex(), "memory", size, model)
        if options.milvus:
            with tempfile.TemporaryDirectory() as folder:
                milvus = MilvusIndex(str(Path(folder) / "milvus.db"))
                try:
                    speed(made, milvus, "milvus", size, model)
                finally:
                    milvus.close()


if __name__ == "__main__":
    main()
