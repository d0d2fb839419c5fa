"""Starting is quick because nothing heavy is imported before it is needed, and imports point down the page."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workbench"
HEAVY = (
    "gradio",
    "SimpleITK",
    "pymilvus",
    "matplotlib",
    "scipy",
    "nibabel",
    "pydicom",
    "fastapi",
    "httpx",
    "openai",
    "onnxruntime",
)
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
RANK = {module.strip(): rank for rank, row in enumerate(LAYERS) for module in row.split("|")}


def loaded_after(code: str) -> set[str]:
    """Top-level packages in memory once a fresh interpreter has run `code`."""
    tell = "import sys, json; sys.stderr.write('\\n' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("module", ["workbench", "workbench.settings", "workbench.assets", "workbench.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(HEAVY)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["segment", "--help"], ["config", "--help"], ["chat", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import contextlib\nfrom workbench.cli import main\n"
        f"with contextlib.suppress(SystemExit):\n    assert main({arguments!r}) == 0"
    )
    assert not loaded_after(code) & set(HEAVY)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_by(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it; `from a import b` counts as a.b, which covers a."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def layer_of(module: str) -> str | None:
    return next((layer for layer in RANK if module == layer or module.startswith(f"{layer}.")), None)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down_the_page(path: Path) -> None:
    mine = layer_of(name_of(path))
    if mine is None:
        assert name_of(path) in {"workbench", "workbench.assets", "workbench.__main__"}, "a module that no layer holds"
        return
    for other in filter(None, map(layer_of, imported_by(path))):
        assert other == mine or RANK[other] > RANK[mine], f"{name_of(path)} looks up at {other}"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("gradio", ("workbench.ui", "workbench.serve", "workbench.cli")),
        ("pydicom", ("workbench.imaging.read",)),
        ("httpx", ("workbench.nim", "workbench.cli", "workbench.ui.share")),
        ("os.environ", ("workbench.settings",)),
        ("prometheus_client", ("workbench.telemetry", "workbench.nim.metrics")),
        ("opentelemetry", ("workbench.telemetry.spans",)),
        ("pymilvus", ("workbench.knowledge.milvus",)),
        ("milvus_lite", ("workbench.knowledge.milvus",)),
        ("openai", ("workbench.nim.openai_",)),
        ("onnxruntime", ("workbench.knowledge.minilm",)),
        ("tokenizers", ("workbench.knowledge.minilm",)),
        ("snowballstemmer", ("workbench.language.terms",)),
        ("pypdfium2", ("workbench.knowledge.documents",)),
        ("docx", ("workbench.knowledge.documents",)),
        ("selectolax", ("workbench.knowledge.documents",)),
        ("markdown_it", ("workbench.knowledge.documents",)),
        ("yaml", ("workbench.cases.operator_file", "workbench.knowledge.documents.markdown")),
    ],
)
def test_a_library_is_seen_only_where_it_is_at_home(library: str, home: tuple[str, ...]) -> None:
    users = {
        name_of(path) for path in modules() if any(f"{each}.".startswith(f"{library}.") for each in imported_by(path))
    }
    assert {user for user in users if not user.startswith(home)} == set()


def reads_of_the_environment(path: Path) -> int:
    """How often a file reads the environment; to set a variable for a library is no reading."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    written = {id(n.value) for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)}
    uses = [n for n in nodes if isinstance(n, ast.Attribute) and n.attr in {"environ", "getenv"}]
    return sum(isinstance(n.value, ast.Name) and n.value.id == "os" and id(n) not in written for n in uses)


def test_nothing_but_the_settings_reads_the_environment() -> None:
    assert {name_of(path) for path in modules() if reads_of_the_environment(path)} == {"workbench.settings"}
