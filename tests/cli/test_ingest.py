"""`workbench ingest` as typed in a terminal."""

from __future__ import annotations

import json

import pytest

from tests.knowledge.documents_made import LIVER, pdf
from tests.serving import serving, workbench_command

MOCK = {"IMAGING_NIM_MODE": "mock", "IMAGING_STARTER_LIBRARY": "false"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("ingest") / "data"


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A folder of a good text, a PDF and one that is broken, with what desktops leave and a link to elsewhere."""
    folder = tmp_path_factory.mktemp("made") / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "liver.txt").write_text(LIVER)
    (folder / "deep" / "pancreas.pdf").write_bytes(pdf([["The pancreas has about 70 mL in adults."]]))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (folder / ".DS_Store").write_bytes(b"litter")
    (folder / "link.txt").symlink_to("/etc/hostname")
    return folder


def ingest(*arguments, cwd, data):
    return workbench_command("ingest", *map(str, arguments), "--data-dir", str(data), cwd=cwd, **MOCK)


def test_a_folder_is_added_and_what_failed_is_named(papers, data, tmp_path):
    done = ingest(papers, "--collection", "papers", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == "papers: 2 new, 1 failed; 2 passages"
    assert len(others) == 1
    assert others[0].startswith("failed: papers/broken.pdf: The PDF is broken")
    assert "indexing" in done.stderr
    assert str(papers) not in done.stdout + done.stderr


def test_added_again_it_is_unchanged_and_json_tells_each_document(papers, data, tmp_path):
    ingest(papers / "liver.txt", "--collection", "again", cwd=tmp_path, data=data)
    done = ingest(papers / "liver.txt", "--collection", "again", "--json", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["collection"], told["new"], told["unchanged"]) == ("again", 0, 1)
    assert [(each["name"], each["outcome"]) for each in told["documents"]] == [("liver.txt", "unchanged")]
    assert done.stderr == ""


def test_where_nothing_could_be_added_it_ends_with_one_and_says_why(papers, data, tmp_path):
    done = ingest(papers / "broken.pdf", "--json", cwd=tmp_path, data=data)
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"] == 1
    assert done.stderr.count("\n") == 1
    assert "broken" in done.stderr


@pytest.mark.parametrize("what", ["nothing.pdf", "empty"])
def test_what_is_not_there_is_told_in_one_line_without_its_folder(data, tmp_path, what):
    (tmp_path / "empty").mkdir()
    done = ingest(tmp_path / what, cwd=tmp_path, data=data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("workbench: ")
    assert done.stderr.count("\n") == 1
    assert what in done.stderr
    assert str(tmp_path) not in done.stderr


def test_a_name_that_no_collection_may_have_is_told_in_one_line(papers, data, tmp_path):
    done = ingest(papers / "liver.txt", "--collection", "two words", cwd=tmp_path, data=data)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "name" in done.stderr


def test_a_running_workbench_takes_it_in_and_has_it_afterwards(papers, tmp_path_factory, tmp_path):
    with serving(tmp_path_factory.mktemp("running") / "data") as server:
        done = ingest(papers, "--collection", "papers", cwd=tmp_path, data=server.data)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == "papers: 2 new, 1 failed; 2 passages"
        failed = ingest(papers / "broken.pdf", "--collection", "papers", cwd=tmp_path, data=server.data)
        assert failed.returncode == 1
        with server.client() as client:
            listed = client.get("/documents", params={"collection": "papers"}).json()["documents"]
    assert {each["source"] for each in listed} == {"papers/liver.txt", "papers/deep/pancreas.pdf"}
