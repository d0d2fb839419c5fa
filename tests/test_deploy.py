"""The files under assets/deploy: scripts are run, Dockerfile steps repeated, dashboards held against real names."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.domain.nim_metrics import ALIASES, Kind
from workbench.settings import load_settings
from workbench.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "assets" / "deploy"
WATCH = DEPLOY / "observability"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
BOARD: dict[str, Any] = json.loads((WATCH / "grafana/dashboards/workbench.json").read_text("utf-8"))
PROMETHEUS: dict[str, Any] = yaml.safe_load((WATCH / "prometheus.yml").read_text("utf-8"))
STACK: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def steps() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions, a list for each stage; continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    stages: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages[1:]


def rooted(text: str, root: Path) -> str:
    """The same command with the folders of the image under `root`."""
    return re.sub(r"(?<![\w/])/(build|wheels|opt/workbench)\b", lambda found: f"{root}/{found[1]}", text)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean folder in which the copying and building steps of the build stage were done as they stand."""
    root = tmp_path_factory.mktemp("image")
    kept = not_ignored()
    for word, rest in steps()[0]:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(source, Path(rooted(target, root)), kept)
        elif word == "RUN" and "hatchling build" in rest:
            command = shlex.split(rooted(rest, root))
            assert command[0] == "python"
            done = subprocess.run(
                [sys.executable, *command[1:]], cwd=root / "build", capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
    return root


def not_ignored() -> set[str]:
    """What `.dockerignore` lets into the build: names at the top."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    return {line[1:] for line in lines if line.startswith("!")}


def copy(source: str, target: Path, kept: set[str]) -> None:
    assert source.split("/")[0] in kept, f"{source} never reaches the build"
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "screenshots"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, target)


def test_the_build_stage_makes_a_wheel_from_what_it_copies(image: Path) -> None:
    (wheel,) = (image / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(image / "unpacked")
    assert {"workbench/cli/__init__.py", "workbench/_assets/deploy/Dockerfile"} <= names
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(image / "unpacked")
    command = [sys.executable, "-P", "-m", "workbench", "config", "--json"]
    done = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_nothing_private_reaches_the_build() -> None:
    kept = not_ignored()
    assert kept == {"pyproject.toml", "README.md", "LICENSE", "workbench", "assets"}
    copied = {each for word, rest in steps()[0] if word == "COPY" for each in rest.split()[:-1]}
    assert copied <= kept


def test_the_image_runs_as_nobody_in_particular_and_takes_no_secret_when_built() -> None:
    last = steps()[-1]
    assert dict(last)["USER"] == "10001:10001"
    words = [word for word, _ in last]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN")
    assert not re.search(r"(?i)^(ARG|ENV) .*(KEY|TOKEN|PASSWORD|SECRET)", DOCKERFILE, flags=re.MULTILINE)
    assert "--mount=type=secret" not in DOCKERFILE


def test_the_image_builds_on_both_processors_from_wheels_only() -> None:
    assert "--platform" not in DOCKERFILE
    assert not re.search(r"x86_64|amd64|aarch64|arm64", re.sub(r"#.*", "", DOCKERFILE))
    assert "--only-binary :all:" in DOCKERFILE


def test_the_image_starts_the_workbench_where_the_stack_expects_it(tmp_path: Path) -> None:
    last = steps()[-1]
    assert json.loads(dict(last)["ENTRYPOINT"]) == ["workbench"]
    assert json.loads(dict(last)["CMD"]) == ["serve", "--no-browser"]
    given = dict(re.findall(r"(IMAGING_\w+)=(\S+)", dict(last)["ENV"]))
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    settings = load_settings(tmp_path / ".env")
    assert (settings.host, settings.port) == ("0.0.0.0", 8524)  # noqa: S104 - inside the container
    assert dict(last)["EXPOSE"].split() == ["8524", "8526"]
    assert dict(last)["VOLUME"] == str(settings.data_dir)


@pytest.mark.parametrize("instruction", ["HEALTHCHECK"])
def test_the_health_check_is_python_that_compiles(instruction: str) -> None:
    command = json.loads(dict(steps()[-1])[instruction].partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "health", "exec")


# The scripts, with a `docker` and a `uname` of our own in front of the path.


def a_path(folder: Path, machine: str, *, compose: bool = True) -> Path:
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    told = folder / "told"
    scripts = {
        "uname": f"echo {machine}",
        "docker": f'[ "$1 $2" = "compose version" ] && exit {0 if compose else 1}\n'
        f'echo "$@" >>{told}; echo "llm=${{STACK_LLM_IMAGE-}}" >>{told}',
    }
    for name, body in scripts.items():
        script = bin_folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    return told


def up(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`up.sh` in a copy of the project's deployment files, with only these variables."""
    project = folder / "project"
    if not project.exists():
        (project / "assets").mkdir(parents=True)
        shutil.copytree(DEPLOY, project / "assets/deploy")
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        ["/bin/sh", str(project / "assets/deploy/up.sh"), *arguments],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_lite_starts_with_nothing_set(tmp_path: Path) -> None:
    told = a_path(tmp_path, "x86_64")
    done = up(tmp_path, "lite")
    assert done.returncode == 0, done.stderr
    assert told.read_text().splitlines()[0] == "compose --profile lite up --detach --build"


@pytest.mark.parametrize("name", ["imaging", "full"])
@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_the_imaging_profiles_refuse_on_arm_with_the_reason(name: str, machine: str, tmp_path: Path) -> None:
    told = a_path(tmp_path, machine)
    done = up(tmp_path, name, NGC_API_KEY="x")
    assert done.returncode == 1
    assert "x86-64 with Ampere, Ada or Hopper" in done.stderr
    assert machine in done.stderr
    assert "STACK_VISTA3D_URL" in done.stderr
    assert not told.exists()


@pytest.mark.parametrize(("machine", "status"), [("x86_64", 0), ("aarch64", 1), ("riscv64", 1)])
def test_the_guard_of_the_stack_tells_the_processor(machine: str, status: int, tmp_path: Path) -> None:
    a_path(tmp_path, machine)
    guard = STACK["services"]["imaging-guard"]
    source, target, _ = guard["volumes"][0].split(":")
    assert guard["command"] == ["sh", target]
    done = subprocess.run(
        ["/bin/sh", str(ROOT / source)],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert bool(done.stderr) == bool(status)


def test_on_a_spark_the_build_for_it_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    told = a_path(tmp_path, "aarch64")
    assert up(tmp_path, "llm", NGC_API_KEY="x").returncode == 0
    assert "llm=nvcr.io/nim/meta/llama-3.1-8b-instruct-dgx-spark:latest" in told.read_text()
    told.unlink()
    assert up(tmp_path, "llm", NGC_API_KEY="x", STACK_LLM_IMAGE="mine:1").returncode == 0
    assert "llm=mine:1" in told.read_text()


@pytest.mark.parametrize(
    ("arguments", "given", "missing"),
    [
        (["llm"], {}, "NGC_API_KEY"),
        (["full"], {"NGC_API_KEY": "x"}, "STACK_MINIO_USER"),
        (["full"], {"NGC_API_KEY": "x", "STACK_MINIO_USER": "u"}, "STACK_MINIO_PASSWORD"),
        (["lite", "observability"], {}, "IMAGING_API_KEY"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_downloaded(
    arguments: list[str], given: dict[str, str], missing: str, tmp_path: Path
) -> None:
    told = a_path(tmp_path, "x86_64")
    done = up(tmp_path, *arguments, **given)
    assert done.returncode == 1
    assert f"{missing} is not set" in done.stderr
    assert not told.exists()


def test_a_key_in_the_env_file_counts_and_is_never_printed(tmp_path: Path) -> None:
    told = a_path(tmp_path, "x86_64")
    up(tmp_path, "lite")
    told.unlink()
    (tmp_path / "project/.env").write_text('NGC_API_KEY="nvapi-hunter2"\nIMAGING_API_KEY=hunter3\n')
    done = up(tmp_path, "llm", "observability", "--pull", "always")
    assert done.returncode == 0, done.stderr
    first = told.read_text().splitlines()[0]
    assert first == "compose --profile llm --profile observability up --detach --build --pull always"
    assert "hunter" not in done.stdout + done.stderr + told.read_text()


def test_a_missing_compose_plugin_and_a_wrong_profile_are_told(tmp_path: Path) -> None:
    a_path(tmp_path, "x86_64", compose=False)
    done = up(tmp_path, "lite")
    assert (done.returncode, "compose plugin" in done.stderr) == (1, True)
    done = up(tmp_path, "everything")
    assert (done.returncode, "usage" in done.stderr) == (2, True)


# Prometheus and Grafana.


def exposed() -> set[str]:
    """Sample names of `/metrics` of the workbench, counted up once so that every series is there."""
    metrics = Metrics("0")
    metrics.request(route="/", method="GET", status=403, seconds=0.1)
    metrics.run(service="vista3d", outcome="failed", origin="mock", seconds=1.0, cause="X", stood_in=True)
    metrics.purpose_refused(service="llm", purpose="chat")
    text = metrics.text().decode()
    return {match[1] for match in re.finditer(r"^([a-z_]+)(?:\{| )", text, flags=re.MULTILINE)}


def gauges() -> set[str]:
    """Gauges that the assembled workbench adds."""
    return set(re.findall(r'watch\(\s*"(workbench_\w+)"', (ROOT / "workbench/assemble.py").read_text("utf-8")))


def nim_names() -> set[str]:
    return {
        each
        for quantity, names in ALIASES.items()
        for name in names
        for each in ([f"{name}_bucket"] if quantity.kind is Kind.HISTOGRAM else [name])
    }


def queries() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


WORDS = {"sum", "max", "by", "le", "rate", "histogram_quantile", "or", "up", "m"}


def test_every_query_of_the_dashboard_names_metrics_that_exist() -> None:
    known = exposed() | gauges() | nim_names()
    labels = {"route", "reason", "service", "purpose", "origin", "outcome", "cause", "nim"}
    used: set[str] = set()
    for query in queries():
        names = set(re.findall(r"[A-Za-z_][A-Za-z0-9_:]*", re.sub(r"\[\d+m\]", "", query))) - WORDS - labels
        assert names <= known | {"up"}, query
        used |= names
    assert {"workbench_runs_total", "workbench_fallbacks_total", "workbench_jobs"} <= used
    assert "vllm:num_requests_running" in used


def test_no_query_uses_a_name_that_no_nim_has() -> None:
    assert not [query for query in queries() if "nim_" in query]


def test_the_panels_have_ids_and_places_of_their_own_and_the_one_source() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 12
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    source = yaml.safe_load((WATCH / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    assert {panel["datasource"]["uid"] for panel in panels} == {source["datasources"][0]["uid"]}
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_prometheus_asks_services_that_the_stack_has_at_paths_that_they_have() -> None:
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    assert jobs["workbench"]["metrics_path"] == "/metrics"
    assert jobs["nim"]["metrics_path"] == "/v1/metrics"
    services = STACK["services"]
    targets = [target for job in jobs.values() for each in job["static_configs"] for target in each["targets"]]
    assert targets[0] == "workbench:8524"
    assert {target.split(":")[0] for target in targets[1:]} == {name for name in services if name.startswith("nim-")}
    assert all(target.endswith(":8000") for target in targets[1:])
    (secret,) = services["prometheus"]["secrets"]
    assert jobs["workbench"]["authorization"]["credentials_file"] == f"/run/secrets/{secret}"


def test_grafana_finds_what_is_mounted() -> None:
    provider = yaml.safe_load((WATCH / "grafana/provisioning/dashboards/workbench.yml").read_text("utf-8"))
    mounts = dict(each.split(":")[:2] for each in STACK["services"]["grafana"]["volumes"] if each.startswith("."))
    inside = {target: ROOT / source for source, target in mounts.items()}
    folder = inside[provider["providers"][0]["options"]["path"]]
    assert (folder / "workbench.json").is_file()
    home = STACK["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (inside[str(Path(home).parent)] / Path(home).name).is_file()
