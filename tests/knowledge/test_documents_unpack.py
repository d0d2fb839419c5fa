"""Zips of documents: what is dangerous is not unpacked, what is merely unreadable is told, and the others go on."""

from __future__ import annotations

import pytest

from tests.knowledge.documents_made import docx, zipped
from workbench.domain.errors import TooLarge
from workbench.domain.library import SourceFile
from workbench.domain.progress import Silent
from workbench.knowledge.documents.nouns import DocumentLimits
from workbench.knowledge.documents.unpack import tidy_name, unpack

TEXT = b"The liver is large."


@pytest.fixture
def unpacked(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(content: bytes, name: str = "set.zip", **limits):
        path = tmp_path / name
        path.write_bytes(content)
        found = unpack([SourceFile(path=path, name=name)], scratch, DocumentLimits(**limits), progress=Silent())
        for each in found.files:
            assert each.path == path or scratch in each.path.parents
        return found

    run.scratch = scratch
    return run


def test_the_files_of_a_zip_keep_the_names_of_their_folders(unpacked):
    found = unpacked(zipped({"papers/liver.txt": TEXT, "papers/more/spleen.txt": TEXT}))
    assert [each.name for each in found.files] == ["papers/liver.txt", "papers/more/spleen.txt"]
    assert found.files[0].path.read_bytes() == TEXT


def test_what_desktops_leave_in_zips_is_passed_over(unpacked):
    found = unpacked(zipped({"liver.txt": TEXT, "__MACOSX/._liver.txt": b"x", "a/.DS_Store": b"x"}))
    assert [each.name for each in found.files] == ["liver.txt"]
    assert found.left_out == ()


@pytest.mark.parametrize(
    "name", ["../escape.txt", "/etc/escape.txt", "a/../../escape.txt", "..\\escape.txt", "C:/x.txt"]
)
def test_a_zip_that_leads_outside_is_not_unpacked(unpacked, tmp_path, name):
    found = unpacked(zipped({"good.txt": TEXT, name: TEXT}))
    assert found.files == ()
    assert "outside its own folder" in found.left_out[0].why
    assert not list(tmp_path.parent.rglob("escape.txt"))


def test_a_zip_that_grows_like_a_bomb_is_stopped_and_erased(unpacked):
    bomb = zipped({"bomb.txt": b"\0" * 80_000_000})
    assert len(bomb) < 100_000
    found = unpacked(bomb)
    assert found.files == ()
    assert "200 times its size" in found.left_out[0].why
    assert list(unpacked.scratch.iterdir()) == []


def test_a_zip_within_the_ratio_but_over_the_limit_is_stopped(unpacked):
    with pytest.raises(TooLarge, match="unpack to more than"):
        unpacked(zipped({"a.txt": TEXT * 1000}), most_bytes=5_000)


def test_more_files_than_allowed_are_stopped(unpacked):
    with pytest.raises(TooLarge, match="more than 3 files"):
        unpacked(zipped({f"{n}.txt": TEXT for n in range(5)}), most_files=3)


def test_a_link_in_a_zip_is_told_and_not_followed(unpacked):
    found = unpacked(zipped({"good.txt": TEXT, "passwords": b"/etc/passwd"}, links=["passwords"]))
    assert [each.name for each in found.files] == ["good.txt"]
    assert "symbolic link" in found.left_out[0].why


def test_a_damaged_zip_is_told(unpacked):
    whole = zipped({f"{n}.txt": TEXT * 50 for n in range(5)})
    broken = bytearray(whole)
    broken[40:60] = b"\xff" * 20
    assert unpacked(bytes(broken)).left_out


def test_an_empty_zip_is_told(unpacked):
    assert "empty" in unpacked(zipped({})).left_out[0].why


def test_a_docx_is_no_zip_to_be_unpacked(unpacked):
    found = unpacked(docx(lambda document: document.add_paragraph("The liver.")), name="a.docx")
    assert [each.name for each in found.files] == ["a.docx"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("C:\\papers\\liver.pdf", "C:/papers/liver.pdf"),
        ("a\u202eb\x07.pdf", "ab.pdf"),
        ("", "unnamed"),
        ("/./..", "unnamed"),
        ("x" * 500 + ".pdf", "x" * 236 + ".pdf"),
    ],
)
def test_a_name_is_made_fit_to_be_shown(given, kept):
    assert tidy_name(given) == kept
