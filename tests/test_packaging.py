"""The wheel holds everything a run needs and nothing else, and runs like the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import workbench
from workbench.assets import asset

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, elsewhere: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code against the unpacked wheel, in another folder, the checkout out of sight."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "PYTHONPATH": str(installed), "IMAGING_DATA_DIR": str(elsewhere / "data")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)


def through_the_entry_point(installed: Path) -> str:
    """Code that does what the `workbench` command of the wheel does."""
    return (
        "import sys, importlib.metadata as m\n"
        f"(d,) = m.distributions(name='imaging-workbench', path=[{str(installed)!r}])\n"
        "(e,) = [e for e in d.entry_points if e.group == 'console_scripts' and e.name == 'workbench']\n"
        "sys.argv[0] = 'workbench'\nmain = e.load()\nimport workbench\n"
        f"assert workbench.__file__.startswith({str(installed)!r}), 'another workbench was found'\n"
        "sys.exit(main())"
    )


def test_every_module_and_table_of_the_package_is_in_the_wheel(names: set[str]) -> None:
    kinds = {".py", ".json", ".html", ".js", ".css", ".svg", ".typed"}
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "workbench").rglob("*") if path.suffix in kinds}
    assert "workbench/domain/vista3d_labels.json" in here
    assert here <= names


def test_every_asset_but_the_screenshots_is_in_the_wheel(names: set[str]) -> None:
    here = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file()}
    wanted = {f"workbench/_assets/{each}" for each in here if not each.startswith("screenshots/")}
    shipped = {each for each in names if each.startswith("workbench/_assets/")}
    assert any(each.startswith("workbench/_assets/web/") for each in shipped)
    assert shipped == wanted


def test_nothing_else_is_in_the_wheel(names: set[str]) -> None:
    home = f"imaging_workbench-{workbench.__version__}.dist-info/"
    assert {each for each in names if not each.startswith(("workbench/", home))} == set()
    assert not {each for each in names if "__pycache__" in each or "screenshots" in each or "tests/" in each}


def test_the_wheel_tells_its_licence_version_and_command(wheel: Path) -> None:
    home = f"imaging_workbench-{workbench.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        facts = Parser().parsestr(archive.read(f"{home}/METADATA").decode())
        licence = archive.read(f"{home}/licenses/LICENSE").decode()
        points = archive.read(f"{home}/entry_points.txt").decode()
    assert (facts["Name"], facts["Version"]) == ("imaging-workbench", workbench.__version__)
    assert (facts["License-Expression"], facts["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "workbench = workbench.cli:main" in points


def test_an_installed_wheel_finds_its_assets_inside(installed: Path, tmp_path: Path) -> None:
    code = "from workbench.assets import asset; print(asset('web').resolve())"
    done = run(installed, tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == (installed / "workbench/_assets/web").resolve()


def test_a_checkout_finds_its_assets_beside_the_package() -> None:
    assert asset("web") == ASSETS / "web"


def test_a_missing_asset_is_told_without_a_path_of_this_machine() -> None:
    with pytest.raises(FileNotFoundError, match=r"without its asset web/none\.js") as caught:
        asset("web", "none.js")
    assert str(ROOT) not in str(caught.value)


def test_an_installed_wheel_shows_its_help(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, through_the_entry_point(installed), "--help")
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("workbench", "serve", "segment", "config"))


def test_an_installed_wheel_tells_its_settings_as_json(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, through_the_entry_point(installed), "config", "--json")
    assert done.returncode == 0, done.stderr
    assert "IMAGING_NIM_MODE" in json.dumps(json.loads(done.stdout))
