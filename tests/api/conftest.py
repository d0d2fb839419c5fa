"""One whole workbench for the tests of its doors; those that need other settings start their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.serving import Server, segment_file, serving, write_ct


@dataclass(frozen=True, kw_only=True)
class InputFolder:
    """The only folder from which the shared workbench reads, and one beside it from which it must not."""

    allowed: Path
    outside: Path


@pytest.fixture(scope="session")
def input_folder(tmp_path_factory: pytest.TempPathFactory) -> InputFolder:
    home = tmp_path_factory.mktemp("input")
    folders = InputFolder(allowed=home / "allowed", outside=home / "allowed-not")
    write_ct(folders.allowed / "body.nii.gz")
    write_ct(folders.allowed / "deeper/body.nii.gz")
    write_ct(folders.outside / "secret.nii.gz")
    (folders.allowed / "way-out.nii.gz").symlink_to(folders.outside / "secret.nii.gz")
    (folders.allowed / "way-out").symlink_to(folders.outside)
    (folders.allowed / "circle").symlink_to(folders.allowed / "circle")
    (folders.allowed / "inner-link.nii.gz").symlink_to(folders.allowed / "deeper/body.nii.gz")
    return folders


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, input_folder: InputFolder) -> Iterator[Server]:
    """Mock mode, nothing locked, as `workbench serve` starts it."""
    data = tmp_path_factory.mktemp("workbench") / "data"
    with serving(data, IMAGING_INPUT_DIRS=str(input_folder.allowed)) as running:
        yield running


@pytest.fixture(scope="session")
def small_ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trunk of 64 x 56 x 48 voxels as NIfTI."""
    return write_ct(tmp_path_factory.mktemp("ct") / "Müller^Anna 1970.nii.gz")


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A script on this machine: no cookie, no key."""
    with server.client() as made:
        yield made


@pytest.fixture
def case_id(client: httpx.Client, small_ct: Path) -> str:
    """A fresh case with a mask, its mock's lungs."""
    answer = segment_file(client, small_ct, target_classes="lung")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["case_id"])
