"""The embedded store: one owner, nothing acknowledged is lost, a full disk is told."""

from __future__ import annotations

import collections
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tests.knowledge.milvus_made import EMBEDDER, NAME, document, unit, vectors
from workbench.domain.errors import KnowledgeUnavailable, NotFound, StorageFull
from workbench.domain.library import Scope
from workbench.knowledge.milvus import MilvusIndex

ROOT = Path(__file__).resolve().parents[2]
EVERYBODY = Scope()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "library" / "milvus.db"


def opened(folder: Path) -> MilvusIndex:
    index = MilvusIndex(str(folder))
    if not index.collections():
        index.create(NAME, description="Papers", embedder=EMBEDDER)
    return index


def child(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


START = """
import sys
from tests.knowledge.milvus_made import EMBEDDER, NAME, document, vectors
from workbench.knowledge.milvus import MilvusIndex
index = MilvusIndex(sys.argv[1])
"""


def test_a_second_process_is_told_who_has_the_library_and_what_to_do(folder):
    index = opened(folder)
    second = child(
        START + "try:\n    index.collections()\nexcept Exception as e:\n    print(type(e).__name__, e.message, e.hint)",
        folder,
    )
    told, errors = second.communicate(timeout=60)
    index.close()
    assert errors == ""
    assert told.startswith("KnowledgeUnavailable The library is in use by another workbench")
    assert "IMAGING_MILVUS_URI" in told
    assert str(folder) not in told


def test_a_library_is_open_to_the_next_as_soon_as_its_owner_ends(folder):
    owner = child(
        START + "index.create(NAME, description='', embedder=EMBEDDER)\nprint('up', flush=True)\ninput()", folder
    )
    assert owner.stdout.readline() == "up\n"
    index = MilvusIndex(str(folder))
    with pytest.raises(KnowledgeUnavailable):
        index.collections()
    owner.kill()
    owner.communicate()
    assert [each.name for each in index.collections()] == [NAME]
    index.close()


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed_and_a_rerun_completes_it(folder):
    writer = child(
        START
        + "index.create(NAME, description='', embedder=EMBEDDER)\n"
        + "for n in range(10_000):\n"
        + "    whole = document(f'doc {n}', 'liver one', 'liver two', 'liver three')\n"
        + "    index.put(NAME, whole[:2], vectors(2))\n"
        + "    print(whole[0].id, whole[1].id, flush=True)\n"
        + "    index.put(NAME, whole[2:], vectors(1))\n"
        + "    print(whole[2].id, flush=True)\n"
        + "    if n % 7 == 3: index.settle(NAME)\n",
        folder,
    )
    acknowledged: list[str] = []
    while len(acknowledged) < 90:
        acknowledged += writer.stdout.readline().split()
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    acknowledged += [each for each in rest.split() if len(each) == 32]

    index = MilvusIndex(str(folder))
    assert all(index.passage(NAME, each).id == each for each in acknowledged)
    whole = index.documents(NAME, EVERYBODY)
    assert all(each.passages == 3 for each in whole)
    for n in range(len(whole) + 2):
        index.put(NAME, document(f"doc {n}", "liver one", "liver two", "liver three"), vectors(3))
    told = index.collections()[0]
    assert (told.documents, told.passages) == (len(whole) + 2, 3 * (len(whole) + 2))
    assert len(index.matching(NAME, ["liver"], EVERYBODY, 1_000)) == told.passages
    index.close()


def test_an_unfinished_document_stays_hidden_after_a_restart(folder):
    index = opened(folder)
    index.put(NAME, document("slow", "liver one", "liver two")[:1], vectors(1))
    index.close()
    again = MilvusIndex(str(folder))
    assert again.documents(NAME, EVERYBODY) == ()
    assert again.near(NAME, unit(1), EVERYBODY, 5) == again.matching(NAME, ["liver"], EVERYBODY, 5) == ()
    again.close()


def test_a_collection_half_made_by_a_killed_process_does_not_block_its_name(folder):
    opened(folder).close()
    (folder / "collections" / "notes").mkdir()
    index = MilvusIndex(str(folder))
    assert [each.name for each in index.collections()] == [NAME]
    index.create("notes", description="", embedder=None)
    index.close()


def test_a_collection_killed_before_its_indexes_were_made_gets_them_when_it_is_opened(folder):
    from pymilvus import MilvusClient

    from workbench.knowledge import milvus_rows as rows

    folder.parent.mkdir()
    raw = MilvusClient(str(folder), dedicated=True)
    about = rows.About(description="", embedder=EMBEDDER)
    raw.create_collection(NAME, schema=rows.schema(raw, about), properties=about.properties())
    raw.close()
    from milvus_lite import server_manager_instance

    server_manager_instance.release_server(str(folder))
    index = MilvusIndex(str(folder))
    index.put(NAME, document("a", "liver"), vectors(1))
    assert len(index.near(NAME, unit(1), EVERYBODY, 5)) == 1
    assert index._link.call(lambda client: set(client.list_indexes(NAME))) == {rows.VECTOR, rows.WEIGHTS}
    index.close()


def test_only_its_owner_can_enter_the_folder_and_its_socket():
    with tempfile.TemporaryDirectory() as short:
        only_its_owner_can_enter(Path(short) / "library" / "milvus.db")


def only_its_owner_can_enter(folder: Path) -> None:
    index = opened(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [each.name for each in folder.iterdir() if each.is_socket()] == ["milvus.sock:0"]
    index.close()
    assert not [each for each in folder.iterdir() if each.is_socket()]


def test_a_folder_too_deep_for_a_socket_or_with_odd_letters_works_all_the_same(tmp_path):
    deep = tmp_path / ("a long name " * 12) / "größe 100%" / "milvus.db"
    index = MilvusIndex(str(deep))
    index.create(NAME, description="", embedder=EMBEDDER)
    index.put(NAME, document("a", "liver"), vectors(1))
    assert len(index.near(NAME, unit(1), EVERYBODY, 5)) == 1
    index.close()


def test_a_folder_for_temporary_files_as_deep_as_the_library_is_no_hindrance(tmp_path, monkeypatch):
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    index = opened(deep / "milvus.db")
    assert [each.name for each in index.collections()] == [NAME]
    index.close()
    assert sorted(each.name for each in deep.iterdir()) == ["milvus.db"]


def test_where_no_socket_can_be_the_cure_is_told_and_the_folder_stays_free(tmp_path, monkeypatch):
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(deep))
        patch.setattr("workbench.knowledge.milvus_embedded._SHORT_PATHS", ())
        with pytest.raises(KnowledgeUnavailable, match="path short") as told:
            opened(deep / "milvus.db")
        assert "IMAGING_DATA_DIR" in str(told.value.hint)
    opened(deep / "milvus.db").close()


def test_a_library_of_milvus_lite_2_is_told_as_such(folder):
    folder.parent.mkdir()
    folder.write_bytes(b"SQLite format 3\0")
    index = MilvusIndex(str(folder))
    with pytest.raises(KnowledgeUnavailable, match="Lite 2"):
        index.collections()
    assert folder.read_bytes() == b"SQLite format 3\0"


def test_many_threads_that_ask_first_open_the_library_once(folder):
    opened(folder).close()
    index = MilvusIndex(str(folder))
    found: collections.deque[object] = collections.deque()
    asking = [threading.Thread(target=lambda: found.append(index.documents(NAME, EVERYBODY))) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert list(found) == [()] * 8
    index.close()


def test_a_write_that_the_disk_has_no_room_for_is_refused_before_it_begins(folder, monkeypatch):
    index = opened(folder)
    index.put(NAME, document("first", "liver"), vectors(1))
    usage = collections.namedtuple("usage", "total used free")
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9 - 10**6, 10**6))
        with pytest.raises(StorageFull):
            index.put(NAME, document("second", "liver"), vectors(1))
    assert [each.source for each in index.documents(NAME, EVERYBODY)] == ["first.pdf"]
    index.put(NAME, document("second", "liver"), vectors(1))
    assert len(index.near(NAME, unit(1), EVERYBODY, 5)) == 2
    index.close()


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*wal_data:pytest.PytestUnraisableExceptionWarning")
def test_what_was_acknowledged_before_the_disk_was_full_survives_and_so_does_what_comes_after(small_disk, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    index = MilvusIndex(str(small_disk / "milvus.db"))
    index.create(NAME, description="", embedder=EMBEDDER)
    # The room is there when it is looked at, and taken by somebody else before the write.
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**12, 0, 10**12))
    kept = 0
    with pytest.raises(StorageFull) as told:  # noqa: PT012 - whichever of them is the first to find no room
        for kept in range(1_000):
            index.put(NAME, document(f"doc {kept}", *(f"liver {n} " + "x" * 2_000 for n in range(20))), vectors(20))
    assert str(small_disk) not in told.value.message
    assert kept > 5
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    index.put(NAME, document("after", "liver"), vectors(1))
    index.settle(NAME)
    assert {each.source for each in index.documents(NAME, EVERYBODY)} >= {f"doc {n}.pdf" for n in range(kept)}
    index.close()
    again = MilvusIndex(str(small_disk / "milvus.db"))
    sources = {each.source for each in again.documents(NAME, EVERYBODY)}
    assert sources >= {"after.pdf", *(f"doc {n}.pdf" for n in range(kept))}
    again.drop(NAME)
    with pytest.raises(NotFound):
        again.documents(NAME, EVERYBODY)
    again.close()
