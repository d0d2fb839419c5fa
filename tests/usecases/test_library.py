"""The library's use cases: who owns what, and the starter library that comes by itself."""

from __future__ import annotations

import threading

import pytest

from tests.made import in_process
from tests.serving import wait_until
from workbench.cases.jobs import Jobs
from workbench.cases.originals import Originals
from workbench.cases.run_log import RunLog
from workbench.domain.case import JobState, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import NimUnavailable, PurposeRefused, StateConflict, StorageFull
from workbench.domain.library import COMMON, EVERYBODY, STARTING_COLLECTIONS, EmbedderInfo, Scope, SourceFile
from workbench.domain.records import Operator
from workbench.domain.trace import LocalTracer
from workbench.knowledge.documents.nouns import DocumentLimits
from workbench.knowledge.ingest import IngestDocuments
from workbench.knowledge.memory import MemoryIndex
from workbench.telemetry.metrics import Metrics
from workbench.usecases.access import LOCAL
from workbench.usecases.add_documents import AddDocuments
from workbench.usecases.library import DEFAULT_COLLECTION, KeepLibrary, LibraryRules
from workbench.usecases.purposes import Purposes
from workbench.usecases.records import Records
from workbench.usecases.run_log import Runs
from workbench.usecases.starter_library import StarterLibrary

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")
KEY = Visitor(owner="api", reaches_all=True)
LIVER = "The liver has about 1500 mL."


class Words:
    """An embedder that tests may take away."""

    def __init__(self):
        self.model = "made"
        self.refuse = None

    @property
    def info(self):
        if self.refuse is not None:
            raise self.refuse
        return EmbedderInfo(model=self.model, dimension=2)

    def __call__(self, texts, *, progress):
        import numpy as np

        return np.tile(np.array([1.0, 0.0], np.float32), (len(texts), 1))


class Set:
    """The use cases over an index in memory."""

    def __init__(self, folder, *, for_one=True, index=None, operator=None, over_the_wire=False):
        clock = Clock()
        metrics = Metrics("test")
        self.folder = folder
        self.embed = Words()
        self.index = index or MemoryIndex()
        self.jobs = Jobs(clock)
        self.articles = folder / "articles"
        self.articles.mkdir(exist_ok=True)
        log = RunLog(folder / "records", max_bytes=10_000, files=1)
        self.records = Records(
            review=None,
            purposes=Purposes(operator or Operator(), metrics),
            runs=Runs(log=log, metrics=metrics, secret=b"secret", mode="mock", clock=clock),
            metrics=metrics,
            tracer=LocalTracer(),
        )
        self.ingest = IngestDocuments(
            index=self.index,
            run_in_worker=in_process,
            embed=self.embed,
            originals=Originals(folder / "originals"),
            rebuilds=folder / "rebuilds",
            clock=clock,
            limits=DocumentLimits(),
        )
        rules = LibraryRules(for_one=for_one)
        self.adding = AddDocuments(
            index=self.index,
            ingest=self.ingest,
            jobs=self.jobs,
            records=self.records,
            clock=clock,
            rules=rules,
            folder=folder / "uploads",
            max_bytes=1_000_000,
            embeds_over_the_wire=over_the_wire,
        )
        self.library = KeepLibrary(
            index=self.index,
            ingest=self.ingest,
            originals=Originals(folder / "originals"),
            draw_page=lambda path, page, progress: b"png",
            run_in_worker=in_process,
            rules=rules,
        )
        self.starter = StarterLibrary(
            articles=self.articles,
            index=self.index,
            ingest=self.ingest,
            adding=self.adding,
            jobs=self.jobs,
            folder=folder,
        )

    def upload(self, visitor, text, *, name="a.txt", collection="papers"):
        """Add a text as an upload; the ended job."""
        upload = self.adding.receive(visitor)
        with self.adding.new_file(upload, name, 0) as file:
            file.write(text.encode())
        job = self.adding.add_upload(visitor, upload, collection=collection)
        return self.adding.wait(visitor, job.id, 60)

    def start(self):
        """Bring the starter library up to date."""
        job = self.starter.begin()
        return self.jobs.wait(LOCAL, job.id, 60)

    def sources(self):
        found = self.index.documents(DEFAULT_COLLECTION, Scope(readers=(EVERYBODY,)))
        return sorted(each.source for each in found)

    def article(self, name, text, source="A. Author 2015"):
        (self.articles / name).write_text(f"---\ntitle: {name}\nyear: 2026\nsources: [{source}]\n---\n{text}\n")


@pytest.fixture
def made(tmp_path):
    return Set(tmp_path)


@pytest.mark.parametrize(
    ("for_one", "visitor", "owner"),
    [
        (True, ANNA, COMMON),
        (True, LOCAL, COMMON),
        (False, ANNA, "anna"),
        (False, LOCAL, COMMON),
        (False, KEY, COMMON),
    ],
)
def test_who_owns_what_is_added(tmp_path, for_one, visitor, owner):
    made = Set(tmp_path, for_one=for_one)
    made.upload(visitor, LIVER)
    (document,) = made.index.documents("papers", Scope(readers=(EVERYBODY,)))
    assert document.owner == owner


@pytest.mark.parametrize(
    ("for_one", "visitor", "owner", "may"),
    [
        (True, ANNA, COMMON, True),
        (False, ANNA, COMMON, False),
        (False, ANNA, "anna", True),
        (False, ANNA, "ben", False),
        (False, KEY, "ben", True),
        (False, KEY, COMMON, True),
        (False, LOCAL, COMMON, True),
    ],
)
def test_who_may_delete_what(for_one, visitor, owner, may):
    assert LibraryRules(for_one=for_one).may_delete(visitor, owner) is may


def test_an_upload_is_erased_once_it_is_read(made):
    assert made.upload(ANNA, LIVER).view.state is JobState.DONE
    assert list((made.folder / "uploads").iterdir()) == []


def test_an_upload_that_a_crash_left_is_erased_at_the_next_start(tmp_path):
    (tmp_path / "uploads" / "left").mkdir(parents=True)
    Set(tmp_path)
    assert not (tmp_path / "uploads").exists()


def test_a_full_disk_is_told_and_the_upload_erased(made):
    def full(*_, **__):
        raise StorageFull("The disk is full.", hint="Free some space.")

    made.ingest.add = full
    job = made.upload(ANNA, LIVER)
    assert (job.view.state, job.view.error) == (JobState.FAILED, "The disk is full.")
    assert list((made.folder / "uploads").iterdir()) == []


def test_a_run_is_logged_without_the_name_or_the_text(made):
    made.upload(ANNA, LIVER, name="Wintermute Anna.txt")
    (line,) = made.records.runs.lines(ANNA)
    assert (line["service"], line["outcome"]) == ("ingest", "done")
    assert "Wintermute" not in str(line)
    assert "liver" not in str(line)


def test_an_embedding_nim_that_may_not_be_used_for_retrieval_is_not(tmp_path):
    made = Set(tmp_path, operator=Operator(purposes={"embed": ()}), over_the_wire=True)
    with pytest.raises(PurposeRefused):
        made.adding.receive(ANNA)


def test_a_collection_of_another_embedder_asks_to_be_indexed_again_and_then_takes_documents(made):
    made.upload(ANNA, LIVER)
    made.embed.model = "newer"
    (collection,) = made.library.collections(ANNA)
    assert "made" in collection.needs_reindex
    assert "newer" in collection.needs_reindex
    with pytest.raises(StateConflict, match="newer"):
        made.upload(ANNA, "The spleen has 200 mL.")
    job = made.adding.reindex(ANNA, "papers")
    assert made.adding.wait(ANNA, job.id, 60).view.state is JobState.DONE
    (collection,) = made.library.collections(ANNA)
    assert (collection.needs_reindex, collection.embedder.model) == (None, "newer")
    assert made.upload(ANNA, "The spleen has 200 mL.").view.state is JobState.DONE


def test_nothing_is_deleted_from_a_collection_that_is_indexed_again(made):
    made.upload(ANNA, LIVER)
    (document,) = made.library.documents(ANNA, "papers")
    embeds, go_on = threading.Event(), threading.Event()
    embed = type(made.embed).__call__

    class Waits(Words):
        def __call__(self, texts, *, progress):
            embeds.set()
            assert go_on.wait(60)
            return embed(self, texts, progress=progress)

    made.embed.__class__ = Waits
    job = made.adding.reindex(ANNA, "papers")
    assert embeds.wait(60)
    with pytest.raises(StateConflict, match="indexed again"):
        made.library.delete_document(ANNA, document.id)
    with pytest.raises(StateConflict, match="indexed again"):
        made.library.drop(ANNA, "papers")
    go_on.set()
    assert made.adding.wait(ANNA, job.id, 60).view.state is JobState.DONE
    assert made.library.delete_document(ANNA, document.id) == 1


def test_an_ingest_of_files_in_place_leaves_them_there(made, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(LIVER)
    job = made.adding.add_files(LOCAL, [SourceFile(path=path, name="mine.txt")], collection="papers")
    assert made.adding.wait(LOCAL, job.id, 60).view.state is JobState.DONE
    assert path.read_text() == LIVER


# The starter library


def test_the_first_start_makes_the_collections_and_indexes_the_articles(made):
    made.article("liver.md", LIVER)
    made.article("spleen.md", "The spleen has about 200 mL.")
    assert made.start().state is JobState.DONE
    assert [each.name for each in made.index.collections()] == list(STARTING_COLLECTIONS)
    assert made.sources() == ["starter library/liver.md", "starter library/spleen.md"]
    assert (made.starter.state.state, made.starter.state.done, made.starter.state.of) == ("ready", 2, 2)


def test_a_second_start_embeds_nothing(made):
    made.article("liver.md", LIVER)
    made.start()
    made.ingest.add = None
    assert made.start().state is JobState.DONE
    assert made.starter.state.state == "ready"


def test_an_article_that_changed_is_indexed_anew_and_one_that_went_goes(made):
    made.article("liver.md", LIVER)
    made.article("spleen.md", "The spleen has about 200 mL.")
    made.start()
    made.article("liver.md", LIVER, source="A. Corrected 2016")
    (made.articles / "spleen.md").unlink()
    made.start()
    (document,) = made.index.documents(DEFAULT_COLLECTION, Scope())
    assert (document.source, document.references) == ("starter library/liver.md", ("A. Corrected 2016",))


def test_an_article_that_a_person_deleted_stays_deleted(made):
    made.article("liver.md", LIVER)
    made.article("spleen.md", "The spleen has about 200 mL.")
    made.start()
    document = next(each for each in made.library.documents(LOCAL) if each.source.endswith("liver.md"))
    made.library.delete_document(LOCAL, document.id)
    made.start()
    assert made.sources() == ["starter library/spleen.md"]


def test_a_store_that_was_lost_is_filled_again(made, tmp_path):
    made.article("liver.md", LIVER)
    made.start()
    again = Set(tmp_path)
    again.start()
    assert again.sources() == ["starter library/liver.md"]


def test_an_embedding_nim_that_is_not_up_yet_is_waited_for_and_told(made):
    made.article("liver.md", LIVER)
    made.embed.refuse = NimUnavailable("The embedding NIM does not answer.")
    job = made.starter.begin()
    wait_until(lambda: made.starter.state.why == "The embedding NIM does not answer.")
    assert made.starter.state.state == "waiting"
    made.jobs.cancel(LOCAL, job.id)
    made.jobs.wait(LOCAL, job.id, 60)


def test_where_no_starter_library_is_wanted_the_collections_are_made_all_the_same(tmp_path):
    made = Set(tmp_path)
    made.article("liver.md", LIVER)
    bare = StarterLibrary(
        articles=None, index=made.index, ingest=made.ingest, adding=made.adding, jobs=made.jobs, folder=tmp_path
    )
    made.jobs.wait(LOCAL, bare.begin().id, 60)
    assert bare.state.state == "ready"
    assert [each.name for each in made.index.collections()] == list(STARTING_COLLECTIONS)
    assert made.sources() == []
