"""A zip's members as streams: the same bytes as zipfile's, and damage never passes for content."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from workbench.nim.zip_members import open_member

CONTENT = np.random.default_rng(1).integers(0, 40, 700_000, dtype=np.uint8).tobytes()


def packed(folder: Path, kind: int = zipfile.ZIP_DEFLATED, content: bytes = CONTENT) -> Path:
    path = folder / "answer"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("first.txt", b"in front")
        archive.writestr("sample_image.nii", content)
    return path


def read(path: Path, size: int = -1) -> bytes:
    with zipfile.ZipFile(path) as archive, open_member(archive, archive.infolist()[1]) as file:
        return b"".join(iter(lambda: file.read(size), b"")) if size > 0 else file.read()


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("size", [-1, 1 << 12, 1 << 20])
def test_the_bytes_are_those_that_were_packed(tmp_path: Path, kind: int, size: int) -> None:
    assert read(packed(tmp_path, kind), size) == CONTENT


def test_an_empty_member_is_empty(tmp_path: Path) -> None:
    assert read(packed(tmp_path, content=b"")) == b""


def test_a_member_can_be_read_from_a_place_and_again_from_the_start(tmp_path: Path) -> None:
    with zipfile.ZipFile(packed(tmp_path)) as archive, open_member(archive, archive.infolist()[1]) as file:
        file.seek(300_000)
        assert file.read(10) == CONTENT[300_000:300_010]
        file.seek(5)
        assert file.read(10) == CONTENT[5:15]
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0, io.SEEK_END)


def test_a_changed_byte_is_damage(tmp_path: Path) -> None:
    path = packed(tmp_path)
    data = bytearray(path.read_bytes())
    # Where the data are stored unpacked, only the checksum can tell.
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises((zipfile.BadZipFile, zlib.error, EOFError)):
        read(path)


def test_a_wrong_checksum_is_damage_even_where_the_data_unpack(tmp_path: Path) -> None:
    path = packed(tmp_path)
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[1]
        member.CRC ^= 1
        with pytest.raises(zipfile.BadZipFile, match="checksum"), open_member(archive, member) as file:
            file.read()


def test_a_directory_that_points_elsewhere_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        member = archive.infolist()[1]
        member.header_offset += 3
        with pytest.raises(zipfile.BadZipFile):
            open_member(archive, member)


def test_a_member_cut_short_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        member = archive.infolist()[1]
        member.compress_size //= 2
        with pytest.raises(EOFError), open_member(archive, member) as file:
            file.read()
