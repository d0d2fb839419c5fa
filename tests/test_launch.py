"""The launcher, tried in a small project of its own: same file, a package without dependencies, no network."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

BACKEND = '''
"""A build backend that needs nothing: an editable wheel that points at the project."""
import base64, hashlib, pathlib, zipfile
import os

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if os.path.exists("broken"):
        raise OSError(28, "No space left on device")
    home = "imaging_workbench-0.1.dist-info"
    name = "imaging_workbench-0.1-py3-none-any.whl"
    files = {
        "imaging_workbench.pth": os.getcwd() + "\\n",
        home + "/METADATA": "Metadata-Version: 2.1\\nName: imaging-workbench\\nVersion: 0.1\\n"
        "Provides-Extra: test\\nProvides-Extra: dev\\n",
        home + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{n},,\\n" for n in [*files, home + "/RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for each, text in {**files, home + "/RECORD": record}.items():
            archive.writestr(each, text)
    return name
'''
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "imaging-workbench"
version = "0.1"
dependencies = []
[project.optional-dependencies]
test = []
dev = []
"""
CLI = """
import os, sys, time
def main():
    if "--wait" in sys.argv:
        print("up", os.getpid(), flush=True)
        time.sleep(60)
    print("cli", sys.argv[1:], os.getcwd(), sys.prefix)
    return 7 if "--fail" in sys.argv else 0
"""


def load() -> ModuleType:
    """launch.py as a module, for its pure functions."""
    spec = importlib.util.spec_from_file_location("launch_under_test", ROOT / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


launch = load()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a folder with spaces") / "work bench"
    (folder / "workbench").mkdir(parents=True)
    (folder / "workbench/__init__.py").touch()
    (folder / "workbench/cli.py").write_text(CLI)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    shutil.copy(ROOT / "launch.py", folder)
    return folder


def clean_environment(**more: str) -> dict[str, str]:
    """Pip alone, told to stay off the network, and no home to speak of."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    return {**kept, "HOME": os.devnull, "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1", **more}


def start(project: Path, *arguments: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    base = getattr(sys, "_base_executable", sys.executable)
    command = [base, str(project / "launch.py"), *arguments]
    return subprocess.run(command, cwd=cwd or project, env=clean_environment(**more), capture_output=True, text=True)


def test_a_failed_install_leaves_a_state_from_which_the_next_start_works(project: Path, tmp_path: Path) -> None:
    (project / "broken").touch()
    failed = start(project, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "the disk is full" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "No space left" in (project / ".venv/launch/install.log").read_text()
    (project / "broken").unlink()
    (project / ".venv/half-made").touch()

    first = start(project, "--mode", "mock", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Installed in" in first.stdout
    assert not (project / ".venv/half-made").exists()
    assert f"cli ['serve', '--mode', 'mock'] {tmp_path}" in first.stdout
    assert str(project / ".venv") in first.stdout

    second = start(project, "--fail", cwd=tmp_path)
    assert second.returncode == 7
    assert "Install" not in second.stdout


def test_two_starts_at_once_install_once_and_both_run(project: Path) -> None:
    shutil.rmtree(project / ".venv", ignore_errors=True)
    base = getattr(sys, "_base_executable", sys.executable)
    both = [
        subprocess.Popen([base, str(project / "launch.py")], env=clean_environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [each.communicate()[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert sorted("Installed in" in each for each in printed) == [False, True]
    assert all("cli ['serve']" in each for each in printed)


@pytest.mark.parametrize("change", ["pyproject", "interrupted", "moved"])
def test_an_environment_that_no_longer_fits_is_installed_again(project: Path, change: str) -> None:
    assert start(project).returncode == 0
    home = project / ".venv/launch"
    if change == "pyproject":
        (project / "pyproject.toml").write_text(PYPROJECT + f"# {time.monotonic_ns()}\n")
    elif change == "interrupted":
        (home / "unfinished").touch()
    else:
        stamp = json.loads((home / "installed.json").read_text())
        (home / "installed.json").write_text(json.dumps({**stamp, "place": "elsewhere"}))
    again = start(project)
    assert again.returncode == 0, again.stderr
    assert "Installed in" in again.stdout
    assert "Install" not in start(project).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, None)])
def test_a_signal_stops_the_server_with_the_launcher(project: Path, sent: signal.Signals, status: int | None) -> None:
    assert start(project).returncode == 0
    command = [getattr(sys, "_base_executable", sys.executable), str(project / "launch.py"), "--wait"]
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        server = next(int(line.split()[1]) for line in running.stdout if line.startswith("up "))
        running.send_signal(sent)
        assert running.wait(120) in ({status} if status is not None else {130, 1, -signal.SIGINT})
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_an_interpreter_that_has_the_project_installs_nothing(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "installed"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv"))
    assert start(copy).returncode == 0
    python = copy / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    shutil.move(copy / ".venv/launch", tmp_path / "aside")
    done = subprocess.run(
        [str(python), str(copy / "launch.py")], env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Install" not in done.stdout
    assert not (copy / ".venv/launch").exists()


def test_a_browser_that_was_named_and_does_not_start_is_a_failure_in_one_line(project: Path) -> None:
    done = start(project, "test", WORKBENCH_BROWSER="no-such-browser")
    assert done.returncode == 1
    assert done.stderr == "The browser that WORKBENCH_BROWSER names does not start.\n"


def test_a_command_that_is_not_the_launchers_is_wrong_usage(project: Path) -> None:
    done = start(project, "segment")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "workbench" in done.stderr


def test_an_older_python_would_be_told_in_one_line() -> None:
    text = (ROOT / "launch.py").read_text("utf-8")
    told = text[text.index("if sys.version_info") : text.index("\n\nimport configparser")]
    old = textwrap.dedent(told).replace("sys.version_info", "(3, 10, 9)")
    done = subprocess.run([sys.executable, "-c", f"import sys\n{old}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "The workbench needs Python 3.11 or newer; this is Python 3.10.\n")


@pytest.mark.parametrize(
    ("lines", "package", "reason"),
    [
        (
            [
                "WARNING: Retrying after 'NewConnectionError(Connection refused)': /simple/gradio/",
                "ERROR: Could not find a version that satisfies the requirement gradio<7,>=6.31 (from versions: none)",
                "ERROR: No matching distribution found for gradio<7,>=6.31",
            ],
            "gradio",
            "network",
        ),
        (["Collecting scipy", "ERROR: No matching distribution found for scipy==9"], "scipy", "gives its reason"),
        (["ERROR: Failed building wheel for simplejpeg"], "simplejpeg", "no build of it"),
        (
            ["Collecting numpy", "ERROR: Could not install packages: [Errno 28] No space left on device"],
            "numpy",
            "disk",
        ),
        (["  × Failed to download `scipy==1.17.1`", "  ╰─▶ tcp connect error"], "scipy", "network"),
        (["error: Failed to fetch: `https://mirror.example/simple/hatchling/`"], "hatchling", "network"),
        (["Because gradio was not found in the package registry, unsatisfiable"], "gradio", "contradict"),
        (["The virtual environment was not created because ensurepip is not available."], "the environment", "venv"),
    ],
)
def test_a_failed_install_is_explained_by_package_and_reason(lines: list[str], package: str, reason: str) -> None:
    told = launch.explain(lines)
    assert package in told
    assert reason in told
    assert "https:" not in told


@pytest.mark.parametrize(
    ("file", "variables", "configured"),
    [
        ("", {}, False),
        ("[global]\ntimeout = 60\n", {}, False),
        ("[global]\nindex-url = https://mirror.example/simple\n", {}, True),
        ("[install]\nfind_links = wheels\n", {}, True),
        ("[global]\nproxy = http://proxy.example:3128\n", {}, True),
        ("", {"PIP_INDEX_URL": "https://mirror.example/simple"}, True),
        ("not a configuration", {}, False),
    ],
)
def test_pip_goes_first_where_it_was_told_whence_packages_come(
    file: str, variables: dict[str, str], configured: bool, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text(file)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import launch; print(launch.pip_is_configured())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    nowhere = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "none"), "XDG_CONFIG_HOME": "/none"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **nowhere, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), **variables},
        capture_output=True,
        text=True,
    )
    system_wide = Path("/etc/pip.conf").exists()
    if system_wide and not configured:
        pytest.skip("this machine has its own /etc/pip.conf")
    assert done.stdout.strip() == str(configured), done.stderr
