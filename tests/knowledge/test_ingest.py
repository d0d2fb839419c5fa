"""Files into the library: nothing twice, the new before the old goes, whole or not at all, and a report of each."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.knowledge.documents_made import LIVER, docx, pdf, zipped
from tests.made import in_process
from workbench.cases.originals import Originals
from workbench.cases.workers import WorkerPool
from workbench.domain.clock import Clock
from workbench.domain.errors import (
    Cancelled,
    KnowledgeUnavailable,
    NimUnavailable,
    StateConflict,
    StorageFull,
    WorkbenchError,
)
from workbench.domain.library import COMMON, EVERYBODY, EmbedderInfo, Ingested, Scope, SourceFile
from workbench.domain.progress import Silent
from workbench.knowledge.documents.nouns import DocumentLimits
from workbench.knowledge.documents.spool import read_to_spool
from workbench.knowledge.ingest import IngestDocuments
from workbench.knowledge.memory import MemoryIndex

INFO = EmbedderInfo(model="made", dimension=8)
SPLEEN = "The spleen lies under the left ribs. Its volume in a healthy adult is about 200 mL."


class Embeds:
    """Vectors drawn from each text's own letters: the same text, the same vector."""

    info = INFO

    def __init__(self):
        self.texts = []
        self.before = lambda texts, progress: None

    def __call__(self, texts, *, progress):
        self.before(texts, progress)
        self.texts += texts
        rows = [np.random.default_rng(sum(map(ord, text))).standard_normal(INFO.dimension) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


class Desk:
    """An ingest with all that it needs, over an index in memory."""

    def __init__(self, folder: Path, *, index=None, embed=None, run_in_worker=in_process, limits=None):
        self.folder = folder
        self.index = index or MemoryIndex()
        self.embed = embed or Embeds()
        self.originals = Originals(folder / "originals")
        self.told = []
        self.ingest = IngestDocuments(
            index=self.index,
            run_in_worker=run_in_worker,
            embed=self.embed,
            originals=self.originals,
            rebuilds=folder / "rebuilds",
            clock=Clock(),
            limits=limits or DocumentLimits(),
        )
        if not any(each.name == "papers" for each in self.index.collections()):
            self.index.create("papers", description="", embedder=INFO)
        self._number = 0

    def add(self, *files: tuple[str, bytes | str], owner=COMMON, collection="papers", progress=None):
        """Add files by name and content; the report."""
        reports = []
        try:
            self._run(files, owner, collection, progress or Silent(), reports)
        finally:
            self.report = reports[-1] if reports else None
        return self.report

    def _run(self, files, owner, collection, progress, reports):
        self._number += 1
        scratch = self.folder / f"scratch{self._number}-{threading.get_ident()}"
        scratch.mkdir()
        sources = []
        for number, (name, content) in enumerate(files):
            path = scratch / f"file{number}"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            sources.append(SourceFile(path=path, name=name))
        self.ingest.add(
            sources,
            collection=collection,
            owner=owner,
            scratch=scratch,
            progress=progress,
            told=self.told.append,
            report=reports.append,
        )

    def documents(self, owner=EVERYBODY, collection="papers"):
        return self.index.documents(collection, Scope(readers=(owner,)))

    def texts(self, collection="papers"):
        found = [self.index.around(collection, each.id) for each in self.documents(collection=collection)]
        return sorted(each.text for row in found for each in row)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def outcomes(report):
    return [(each.name, each.outcome) for each in report.documents]


def jsonl(*documents) -> str:
    return "\n".join(json.dumps(each) for each in documents)


class StopsAfter:
    """Progress that is stopped at the given step."""

    def __init__(self, step):
        self.left = step

    def stage(self, name, fraction=None):
        self.left -= 1
        if self.left <= 0:
            raise Cancelled("Stopped.")


def test_documents_are_new_and_their_passages_are_found(desk):
    report = desk.add(("liver.txt", LIVER), ("spleen.md", f"# Spleen\n\n{SPLEEN}"))
    assert outcomes(report) == [("liver.txt", Ingested.NEW), ("spleen.md", Ingested.NEW)]
    assert desk.texts() == sorted([LIVER, SPLEEN])
    assert not report.stopped


def test_the_title_stands_in_front_of_what_is_embedded_and_not_of_what_is_shown(desk):
    desk.add(("spleen.md", f"# Spleen\n\n{SPLEEN}"))
    assert desk.embed.texts == [f"Spleen\n{SPLEEN}"]
    assert desk.texts() == [SPLEEN]


def test_a_passage_carries_where_it_comes_from(desk):
    desk.add(("papers/liver.pdf", pdf([["One page before."], [LIVER[:60], LIVER[60:]]], bookmarks=[("Results", 1)])))
    (document,) = desk.documents()
    last = desk.index.around("papers", document.id)[-1]
    assert (last.source, last.section, last.page_start, last.total) == ("papers/liver.pdf", "Results", 2, 2)
    assert last.document_id == document.id


def test_the_same_text_again_costs_nothing_and_changes_nothing(desk):
    desk.add(("liver.txt", LIVER))
    before, embedded = desk.documents(), len(desk.embed.texts)
    report = desk.add(("liver.txt", LIVER), ("another name.txt", LIVER.replace(" ", "\n")))
    assert [each.outcome for each in report.documents] == [Ingested.UNCHANGED] * 2
    assert (desk.documents(), len(desk.embed.texts)) == (before, embedded)


def test_a_changed_file_takes_the_place_of_the_one_of_its_name(desk):
    desk.add(("liver.txt", LIVER), ("spleen.txt", SPLEEN))
    report = desk.add(("liver.txt", LIVER + " It is weighed."))
    assert outcomes(report) == [("liver.txt", Ingested.REPLACED)]
    assert desk.texts() == sorted([LIVER + " It is weighed.", SPLEEN])


def test_the_new_text_is_there_before_the_old_one_goes(desk):
    desk.add(("liver.txt", LIVER))
    seen = []
    remove = desk.index.remove

    class Watching(MemoryIndex):
        pass

    desk.index.__class__ = Watching
    Watching.remove = lambda self, *a: (seen.append(desk.texts()), remove(*a))[1]
    desk.add(("liver.txt", SPLEEN))
    assert seen == [sorted([LIVER, SPLEEN])]
    assert desk.texts() == [SPLEEN]


def test_a_file_whose_text_is_the_same_and_whose_sources_changed_is_told_anew(desk):
    article = "---\ntitle: Liver\nsources:\n  - {}\n---\n" + LIVER
    desk.add(("liver.md", article.format("Wrong 2010")))
    report = desk.add(("liver.md", article.format("Right 2011")))
    assert outcomes(report) == [("liver.md", Ingested.REPLACED)]
    (document,) = desk.documents()
    assert document.references == ("Right 2011",)
    assert desk.texts() == [LIVER]


def test_a_changed_file_of_somebody_else_is_not_touched(desk):
    desk.add(("liver.txt", LIVER), owner="anna")
    desk.add(("liver.txt", SPLEEN), owner="ben")
    assert desk.texts() == sorted([LIVER, SPLEEN])


def test_a_text_that_everybody_has_is_not_stored_again_for_one(desk):
    desk.add(("liver.txt", LIVER))
    report = desk.add(("mine.txt", LIVER), owner="anna")
    assert outcomes(report) == [("mine.txt", Ingested.UNCHANGED)]
    assert "everybody" in report.documents[0].notes[0]
    assert len(desk.documents()) == 1


def test_a_text_that_one_has_is_stored_for_everybody_when_they_get_it(desk):
    desk.add(("mine.txt", LIVER), owner="anna")
    assert outcomes(desk.add(("liver.txt", LIVER))) == [("liver.txt", Ingested.NEW)]
    assert len(desk.documents(COMMON)) == 1


def test_a_text_twice_in_one_ingest_is_stored_once(desk):
    report = desk.add(("a.txt", LIVER), ("b.txt", LIVER))
    assert [each.outcome for each in report.documents] == [Ingested.NEW, Ingested.UNCHANGED]
    assert desk.texts() == [LIVER]


def test_a_line_of_a_set_whose_text_changed_takes_its_place(desk):
    told = {"title": "Liver", "source": "PMID 1", "url": "https://example.org/1"}
    desk.add(("set.jsonl", jsonl({**told, "text": LIVER}, {"title": "Spleen", "source": "PMID 2", "text": SPLEEN})))
    report = desk.add(("set.jsonl", jsonl({**told, "text": LIVER + " It was weighed."})))
    assert [each.outcome for each in report.documents] == [Ingested.REPLACED]
    assert desk.texts() == sorted([LIVER + " It was weighed.", SPLEEN])


def test_lines_that_share_title_and_source_do_not_push_each_other_out(desk):
    told = {"title": "Treatment", "source": "NIDDK"}
    texts = [f"The treatment of disease {n} is described under number {n}." for n in range(300)]
    report = desk.add(("set.jsonl", jsonl(*({**told, "text": text} for text in texts))))
    assert report.count(Ingested.NEW) == 300
    again = desk.add(("more.jsonl", jsonl({**told, "text": "Another treatment altogether."})))
    assert again.count(Ingested.NEW) == 1
    assert len(desk.documents()) == 301


def test_another_text_under_the_only_title_and_source_is_another_document(desk):
    told = {"title": "Report", "source": "department"}
    desk.add(("monday.jsonl", jsonl({**told, "text": LIVER})))
    desk.add(("tuesday.jsonl", jsonl({**told, "text": SPLEEN})))
    assert desk.texts() == sorted([LIVER, SPLEEN])


def test_what_cannot_be_read_is_told_and_the_others_go_on(desk):
    report = desk.add(
        ("broken.pdf", b"%PDF-1.7 broken"),
        ("liver.txt", LIVER),
        ("set.jsonl", '{"text": "cut off\n' + jsonl({"text": SPLEEN})),
        ("pack.zip", zipped({"a.txt": b"The kidney has two sides.", "inner.zip": zipped({"b.txt": b"x"})})),
    )
    assert report.count(Ingested.NEW) == 3
    failed = {each.name: each.why for each in report.documents if each.outcome is Ingested.FAILED}
    assert set(failed) == {"broken.pdf", "set.jsonl, line 1", "inner.zip"}
    assert "archive inside" in failed["inner.zip"]


def test_every_format_comes_in_together(desk):
    report = desk.add(
        ("a.pdf", pdf([["The pancreas has about 70 mL in adults."]])),
        ("b.docx", docx(lambda document: document.add_paragraph("The adrenal gland has about 5 mL."))),
        ("c.html", "<html><body><p>The bladder varies.</p></body></html>"),
        ("d.md", "The aorta is wide."),
        ("e.txt", "The oesophagus is long."),
        ("f.zip", zipped({"g.jsonl": jsonl({"text": "The thyroid is small."}).encode()})),
    )
    assert report.count(Ingested.NEW) == 6


def test_a_pdf_is_kept_for_its_pages_and_goes_with_its_document(desk):
    content = pdf([["The pancreas has about 70 mL in adults."]])
    desk.add(("a.pdf", content))
    (document,) = desk.documents()
    kept = desk.originals.find(document.id)
    assert kept.read_bytes() == content
    assert kept.stat().st_mode & 0o777 == 0o600
    desk.add(("a.pdf", pdf([["The pancreas was not measured in this study."]])))
    assert desk.originals.find(document.id) is None
    assert len(list(kept.parent.iterdir())) == 1


def test_progress_counts_files_and_passages(desk):
    desk.add(("a.txt", LIVER), ("b.txt", SPLEEN))
    assert (desk.told[0].files, desk.told[0].files_done) == (2, 0)
    last = desk.told[-1]
    assert (last.files_done, last.documents_done, last.passages_done, last.passages) == (2, 2, 2, 2)


def test_stopped_in_a_long_document_nothing_of_it_stays_and_what_was_done_does(desk):
    def stop(texts, progress):
        if len(desk.embed.texts) > 200:
            raise Cancelled("Stopped.")

    desk.add(("first.txt", SPLEEN))
    desk.embed.before = stop
    long = " ".join(f"Sentence {n} of the long text has quite a few words in it, as sentences do." for n in range(5000))
    with pytest.raises(Cancelled):
        desk.add(("liver.txt", LIVER), ("long.txt", long))
    assert desk.report.stopped
    assert outcomes(desk.report) == [("liver.txt", Ingested.NEW)]
    assert desk.texts() == sorted([LIVER, SPLEEN])
    desk.embed.before = lambda texts, progress: None
    report = desk.add(("liver.txt", LIVER), ("long.txt", long))
    assert [each.outcome for each in report.documents] == [Ingested.UNCHANGED, Ingested.NEW]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8])
def test_stopped_at_any_step_and_run_again_it_ends_complete(tmp_path, step):
    desk = Desk(tmp_path)
    files = [(f"{n}.txt", f"{LIVER} Number {n}.") for n in range(5)]
    with pytest.raises(Cancelled):
        desk.add(*files, progress=StopsAfter(step))
    desk.add(*files)
    assert len(desk.documents()) == 5


class Killed(BaseException):
    """The process ended: no cleaning up ran."""


def test_an_ingest_that_was_killed_ends_complete_when_it_is_run_again(tmp_path):
    index = MemoryIndex()
    long = ("long.txt", " ".join(f"Sentence {n} of the long text has quite a few words in it." for n in range(3000)))
    whole = Desk(tmp_path / "whole") if (tmp_path / "whole").mkdir() is None else None
    whole.add(long)
    (tmp_path / "a").mkdir()
    desk = Desk(tmp_path / "a", index=index)
    put = index.put
    puts = []

    def dies(collection, passages, vectors):
        put(collection, passages, vectors)
        puts.append(len(passages))
        if len(puts) == 2:
            index.remove = lambda *_: 0  # what a killed process would have cleaned up stays
            raise Killed

    index.put = dies
    with pytest.raises(Killed):
        desk.add(long)
    del index.put, index.remove
    assert desk.documents() == ()
    (tmp_path / "b").mkdir()
    again = Desk(tmp_path / "b", index=index)
    assert outcomes(again.add(long)) == [("long.txt", Ingested.NEW)]
    assert again.texts() == whole.texts()


def test_of_two_ingests_of_the_same_file_at_once_one_wins(tmp_path):
    desk = Desk(tmp_path)
    first_embeds, go_on = threading.Event(), threading.Event()

    def wait(texts, progress):
        first_embeds.set()
        assert go_on.wait(60)

    desk.embed.before = wait
    reports = {}

    def run(name):
        reports[name] = Desk.add(desk, ("liver.txt", LIVER))

    threads = [threading.Thread(target=run, args=("first",))]
    threads[0].start()
    assert first_embeds.wait(60)
    threads.append(threading.Thread(target=run, args=("second",)))
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive(), "the second waits to see what becomes of the first"
    go_on.set()
    for each in threads:
        each.join(60)
    assert [reports[name].documents[0].outcome for name in ("first", "second")] == [Ingested.NEW, Ingested.UNCHANGED]
    assert desk.texts() == [LIVER]


def test_a_set_with_another_embedder_is_refused_before_anything_is_read(desk):
    desk.index.create("old", description="", embedder=EmbedderInfo(model="old", dimension=4))
    with pytest.raises(StateConflict, match="old"):
        desk.add(("liver.txt", LIVER), collection="old")
    assert desk.embed.texts == []


def test_a_collection_of_words_alone_takes_passages_without_vectors(desk):
    desk.index.create("words", description="", embedder=None)
    desk.add(("liver.txt", LIVER), collection="words")
    assert desk.embed.texts == []
    assert desk.texts("words") == [LIVER]


def test_the_store_that_goes_away_is_told_and_nothing_half_there_is_listed(desk):
    def gone(*_):
        raise KnowledgeUnavailable("The library cannot be reached.")

    desk.index.put = desk.index.settle = gone
    with pytest.raises(KnowledgeUnavailable):
        desk.add(("liver.txt", LIVER))
    assert desk.report.stopped
    assert desk.report.documents == ()


def test_an_embedding_nim_that_goes_away_ends_it_with_what_was_done(desk):
    def gone(texts, progress):
        raise NimUnavailable("The embedding NIM does not answer.")

    desk.embed.before = gone
    with pytest.raises(NimUnavailable):
        desk.add(("liver.txt", LIVER))
    assert desk.texts() == []


class Full:
    """A `RunInWorker` on a machine whose disk is full."""

    def __call__(self, function, /, *args, progress):
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/private")
        except OSError as error:
            raise StorageFull("The disk is full.", hint="Free some space.") from error


def test_a_full_disk_is_told(tmp_path):
    desk = Desk(tmp_path, run_in_worker=Full())
    with pytest.raises(StorageFull):
        desk.add(("liver.txt", LIVER))
    assert desk.texts() == []


def dies_on_the_first(function, /, *args, progress):
    """A `RunInWorker` whose process dies over the first file."""
    if function is read_to_spool and args[0].name == "first.txt":
        raise WorkbenchError("The process that did this work ended unexpectedly.")
    return function(*args, progress=progress)


def test_a_process_that_dies_over_one_file_is_told_and_the_others_go_on(tmp_path):
    desk = Desk(tmp_path, run_in_worker=dies_on_the_first)
    report = desk.add(("first.txt", SPLEEN), ("liver.txt", LIVER))
    assert outcomes(report) == [("first.txt", Ingested.FAILED), ("liver.txt", Ingested.NEW)]
    assert "ended unexpectedly" in report.documents[0].why


def test_a_zip_bomb_among_others_costs_only_itself(desk):
    report = desk.add(("bomb.zip", zipped({"bomb.txt": b"\0" * 70_000_000})), ("liver.txt", LIVER))
    assert outcomes(report) == [("bomb.zip", Ingested.FAILED), ("liver.txt", Ingested.NEW)]


@pytest.fixture(scope="module")
def pool():
    made = WorkerPool(1)
    yield made
    made.close()


def test_a_file_that_takes_too_long_is_told_and_the_others_go_on(tmp_path, pool):
    desk = Desk(tmp_path, run_in_worker=pool, limits=DocumentLimits(most_seconds=0.0))
    report = desk.add(("a.txt", " ".join(f"Word {n}." for n in range(400_000))))
    assert "longer than" in report.documents[0].why


def test_reading_happens_in_a_worker_and_comes_back_whole(tmp_path, pool):
    desk = Desk(tmp_path, run_in_worker=pool)
    report = desk.add(("a.pdf", pdf([[LIVER[:70], LIVER[70:]]])), ("set.jsonl", jsonl({"text": SPLEEN})))
    assert report.count(Ingested.NEW) == 2
    assert len(desk.texts()) == 2


# Index again


def test_a_collection_indexed_again_has_the_new_vectors_and_every_passage(tmp_path):
    index = MemoryIndex()
    index.create("papers", description="What it is for.", embedder=None)
    desk = Desk(tmp_path, index=index)
    desk.add(("liver.txt", LIVER))
    desk.add(("spleen.txt", SPLEEN), owner="anna")
    assert desk.ingest.reindex("papers", progress=Silent()) == 2
    (collection,) = index.collections()
    assert (collection.embedder, collection.description, collection.passages) == (INFO, "What it is for.", 2)
    assert {each.owner for each in desk.documents()} == {COMMON, "anna"}
    assert list((tmp_path / "rebuilds").iterdir()) == []


def test_indexing_again_that_was_stopped_changes_nothing(tmp_path):
    desk = Desk(tmp_path)
    desk.add(("liver.txt", LIVER))
    with pytest.raises(Cancelled):
        desk.ingest.reindex("papers", progress=StopsAfter(1))
    assert desk.texts() == [LIVER]
    assert list((tmp_path / "rebuilds").iterdir()) == []


def test_indexing_again_that_was_killed_while_the_collection_was_made_is_completed_at_the_next_start(tmp_path):
    index = MemoryIndex()
    desk = Desk(tmp_path, index=index)
    desk.add(("liver.txt", LIVER), ("spleen.txt", SPLEEN))
    before = desk.texts()

    def dies(*_):
        raise Killed

    index.put = dies
    with pytest.raises(Killed):
        desk.ingest.reindex("papers", progress=Silent())
    del index.put
    assert desk.texts() == []
    again = Desk(tmp_path, index=index)
    again.ingest.resume(Silent())
    assert again.texts() == before
    assert list((tmp_path / "rebuilds").iterdir()) == []


def test_nothing_is_added_while_a_collection_is_indexed_again(desk):
    desk.add(("liver.txt", LIVER))
    refused = []

    def add(texts, progress):
        assert desk.ingest.is_rebuilding("papers")
        with pytest.raises(StateConflict) as error:
            desk.add(("spleen.txt", SPLEEN))
        refused.append(error.value.message)

    desk.embed.before = add
    desk.ingest.reindex("papers", progress=Silent())
    assert "indexed again" in refused[0]
    assert not desk.ingest.is_rebuilding("papers")
