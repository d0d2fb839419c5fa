"""`workbench generate` as typed in a terminal."""

from __future__ import annotations

import json
from collections import Counter

import nibabel
import numpy as np
import pytest

from tests.contract_server import MaisiNim
from tests.nim.maisi_made import SMALL, truth
from tests.serving import serving, workbench_command
from workbench.domain.organs import ORGANS

HEAD = ("--region", "head", "--size", "256x256x128", "--spacing", "1x1x1.5")
ABDOMEN = (
    *("--region", "abdomen", "--size", "256x256x128", "--spacing", "1.5x1.5x2"),
    *("--anatomy", "spleen", "left_kidney", "liver", "vertebrae_L2"),
)


@pytest.fixture(scope="module")
def nim():
    with MaisiNim() as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One data folder for the commands of this file, used by no workbench."""
    return tmp_path_factory.mktemp("cli") / "data"


def generate(*arguments, cwd, data, **settings):
    return workbench_command(
        "generate", *map(str, arguments), "--data-dir", str(data), cwd=cwd, **{"IMAGING_NIM_MODE": "mock", **settings}
    )


def own(nim) -> dict[str, str]:
    return {
        "IMAGING_NIM_MODE": "local",
        "IMAGING_NIM_ALLOW_MOCK_FALLBACK": "false",
        "IMAGING_NIM_MAISI_URL": nim.url,
    }


def assert_one_line(done, *words: str) -> None:
    """A failure: status 1, one line on standard error, nothing on standard output."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower(), done.stderr


def drawn_ml(sample: int) -> dict[str, float]:
    _, ids, _ = truth(SMALL, sample, "LPS")
    voxel_ml = float(np.prod(SMALL.spacing_mm)) / 1000
    return {ORGANS[label].snake: count * voxel_ml for label, count in Counter(ids[ids > 0].tolist()).items()}


@pytest.mark.parametrize("where", ["in this process", "through a running workbench"])
def test_each_sample_is_written_as_the_server_drew_it(nim, tmp_path, where):
    nim.switch(numbering="ids", orientation="LPS")
    data, out = tmp_path / "data", tmp_path / "out"
    arguments = (*ABDOMEN, "--samples", 2, "-o", out, "--json")
    if where == "in this process":
        done = generate(*arguments, cwd=tmp_path, data=data, **own(nim))
    else:
        with serving(data, **own(nim)):
            done = generate(*arguments, cwd=tmp_path, data=data, **own(nim))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert not told["is_mock"]
    assert json.loads((out / "request.json").read_text()) == told["request"]
    for number, sample in enumerate(told["cases"]):
        hu, ids, affine = truth(SMALL, number, "LPS")
        assert {row["name"]: row["volume_ml"] for row in sample["organs"]} == pytest.approx(drawn_ml(number))
        folder = out / f"sample-{number + 1}"
        ct, mask = nibabel.load(folder / "image.nii.gz"), nibabel.load(folder / "mask.nii.gz")
        assert np.array_equal(np.asarray(ct.dataobj), hu)
        assert np.array_equal(np.asarray(mask.dataobj), ids)
        assert np.allclose(ct.affine, affine)
        assert {path.name for path in folder.iterdir()} == {
            *("image.nii.gz", "mask.nii.gz", "volumes.csv", "volumes.json")
        }


def test_the_table_says_mock_and_synthetic_first_and_progress_is_told(data, tmp_path):
    done = generate(*HEAD, "--anatomy", "brain", "skull", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sample 1 of 1: 256 x 256 x 128 voxels of 1 x 1 x 1.5 mm")
    assert lines[1].startswith("MOCK")
    assert lines[2].startswith("SYNTHETIC")
    assert {line.split()[0] for line in lines[4:6]} == {"brain", "skull"}
    assert "measuring" in done.stderr.splitlines()


def test_a_request_written_before_is_run_again_and_options_replace_its_fields(data, tmp_path):
    kept = {**SMALL.to_json(), "body_region": ["head"], "anatomy_list": ["brain"], "spacing": [1.0, 1.0, 1.5]}
    (tmp_path / "request.json").write_text(json.dumps(kept))
    done = generate(
        "--request", tmp_path / "request.json", "--spacing", "1x1x1.6", "--dry-run", "--json", cwd=tmp_path, data=data
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["request"] == {**kept, "spacing": [1.0, 1.0, 1.6]}


@pytest.mark.parametrize("content", ["{half", "[1, 2]", None])
def test_a_file_that_holds_no_request_is_told(data, tmp_path, content):
    if content is not None:
        (tmp_path / "request.json").write_text(content)
    done = generate("--request", tmp_path / "request.json", cwd=tmp_path, data=data)
    assert_one_line(done, "request.json", "no request")
    assert str(tmp_path) not in done.stderr


def test_a_dry_run_tells_what_it_costs_and_sends_nothing(nim, tmp_path):
    nim.switch()
    sent = len(nim.posts())
    done = generate(*ABDOMEN, "--dry-run", cwd=tmp_path, data=tmp_path / "data", **own(nim))
    assert done.returncode == 0, done.stderr
    assert "field of view: 384 x 384 x 256 mm" in done.stdout
    assert "GPU memory: 14 GB" in done.stdout
    assert len(nim.posts()) == sent
    assert not (tmp_path / "data").exists()


def test_every_broken_rule_is_told_in_one_line_with_the_nearest_request(data, tmp_path):
    done = generate(
        *("--region", "abdomen", "--size", "250x256x128", "--anatomy", "livr", "--samples", "1000"),
        cwd=tmp_path,
        data=data,
    )
    assert_one_line(done, "1,000 samples", "square slices", "livr", "Nearest allowed: --size 256x256x128")
    near = done.stderr.split("Nearest allowed: ")[1].split()
    assert generate(*near, "--dry-run", cwd=tmp_path, data=data).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--region", "abdomen", "--size", "big"), ("three whole numbers",)),
        (("--organ-size", "liver"), ("pairs",)),
        (("--organ-size", "liver=2"), ("0 to 1", "--organ-size liver=1")),
        (("--organ-size", "lung_tumor=0.5", "hepatic_tumor=0.5"), ("one kind of tumour",)),
        ((), ("region",)),
    ],
)
def test_what_maisi_would_refuse_is_refused_here(data, tmp_path, arguments, words):
    assert_one_line(generate(*arguments, cwd=tmp_path, data=data), *words)


def test_a_failure_of_the_nim_is_one_line_with_its_cure(nim, tmp_path):
    nim.switch(out_of_memory=True)
    done = generate(*ABDOMEN, "-o", tmp_path / "out", cwd=tmp_path, data=tmp_path / "data", **own(nim))
    nim.switch()
    assert done.returncode == 1
    assert "memory" in done.stderr.splitlines()[-1].lower()
    assert not list((tmp_path / "out").iterdir())
    assert not list((tmp_path / "data/cases").iterdir())


def test_help_names_every_option(tmp_path):
    done = workbench_command("generate", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for option in ("--region", "--size", "--spacing", "--anatomy", "--organ-size", "--samples", "--dry-run", "-o"):
        assert option in done.stdout
