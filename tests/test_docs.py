"""What the documents promise is what the code does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import workbench
from workbench.domain.nim import NO_HOSTED_ENDPOINT, First, Mode, Service, route

ROOT = Path(__file__).resolve().parents[1]
TEXT = {".py", ".md", ".toml", ".js", ".css", ".html", ".json", ".example", ".yml", ".yaml", ".txt", ".svg", ".cfg", ""}


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def code_lines(markdown: str) -> list[str]:
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


def tracked() -> list[Path]:
    """Files that are, or would be, part of the project; all but caches where this is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        ours = (
            each for each in ROOT.iterdir() if not each.name.startswith(".") or each.name in (".ci", ".env.example")
        )
        paths = [each for top in ours for each in (top.rglob("*") if top.is_dir() else [top])]
        paths = [each for each in paths if "__pycache__" not in each.parts]
    return [path for path in paths if path.is_file() and path.suffix in TEXT]


def test_the_readme_opens_with_a_screenshot_that_exists() -> None:
    before_the_second_heading = text_of("README.md").split("\n## ")[0]
    pictures = re.findall(r"(?:!\[[^\]]*\]\(|<img[^>]*src=\")([^)\"\s]+)", before_the_second_heading)
    assert pictures, "no picture before the second heading"
    assert pictures[0].startswith("assets/")
    assert (ROOT / pictures[0]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["python launch.py", "python launch.py test"])
def test_the_readme_shows_the_command(command: str) -> None:
    assert command in code_lines(text_of("README.md"))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    lines = [line.strip() for line in text_of(".ci/run").splitlines() if not line.lstrip().startswith("#")]
    assert any(re.match(r"python launch\.py test(?: |$)", line) for line in lines)


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)", text_of("README.md"))
    files = [one or other for one, other in links if "://" not in (one or other)]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_every_module_that_the_readme_names_in_code_exists() -> None:
    named = re.findall(r"`((?:workbench|tests|assets|\.ci)/[\w./-]+)`", text_of("README.md"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def mode_rows() -> list[list[str]]:
    """The rows of the README's mode table: mode, fallback, Llama-3, VILA-M3, the two without a cloud."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text_of("README.md").splitlines()]
    return [row for row in rows if len(row) == 5 and row[0].strip("`") in set(Mode)]


def promised(cell: str, to_its_left: str) -> str:
    return to_its_left if cell == "same" else cell


def words(service: Service, mode: Mode, *, allow_fallback: bool) -> str:
    """A cell of the mode table, in the words of the published one, made from what the code does."""
    answer = route(mode, allow_fallback=allow_fallback, service=service)
    if mode is Mode.MOCK:
        return "mock; no socket is opened"
    if answer.first is First.NOBODY:
        assert answer.reason == NO_HOSTED_ENDPOINT
        return f'mock, reason "{answer.reason}"' if answer.stand_in else f'error "{answer.reason}"'
    return f"{answer.first}, else {'mock with the reason' if answer.stand_in else 'error'}"


def test_the_mode_table_of_the_readme_has_every_row() -> None:
    keys = [(row[0].strip("`"), row[1].strip("`")) for row in mode_rows()]
    assert keys == [("local", "true"), ("local", "false"), ("cloud", "true"), ("cloud", "false"), ("mock", "either")]


@pytest.mark.parametrize("number", range(5))
def test_a_row_of_the_mode_table_is_what_the_code_does(number: int) -> None:
    mode_cell, fallback, llm, vila, rest = mode_rows()[number]
    mode = Mode(mode_cell.strip("`"))
    vila = promised(vila, llm)
    rest = promised(rest, vila)
    for allowed in {"true": [True], "false": [False], "either": [True, False]}[fallback.strip("`")]:
        assert llm == words(Service.LLM, mode, allow_fallback=allowed)
        assert vila == words(Service.VILA_M3, mode, allow_fallback=allowed)
        assert rest == words(Service.VISTA3D, mode, allow_fallback=allowed)
        assert rest == words(Service.MAISI, mode, allow_fallback=allowed)


def test_the_changelog_tells_of_this_version() -> None:
    assert re.search(rf"^## \[?{re.escape(workbench.__version__)}\b", text_of("CHANGELOG.md"), flags=re.MULTILINE)


def test_the_licence_is_apache_2() -> None:
    assert "Apache License" in text_of("LICENSE")[:200]
    assert "Version 2.0, January 2004" in text_of("LICENSE")


def test_nothing_names_a_folder_of_one_machine_or_a_private_registry() -> None:
    # Put together here so that this file does not find itself.
    folders = ["/" + "work/", "/" + "root/", "/tmp/" + "venv", "/Users" + "/", "/opt/" + "pypi", "/opt/" + "wheels"]
    registries = [r"https?://[^\s/\"']*" + name for name in ("artifactory", "nexus", "devpi", "pypi-proxy")]
    pattern = re.compile("|".join([*(rf"(?<![\w.-]){re.escape(each)}" for each in folders), *registries]))
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        for match in pattern.finditer(path.read_text("utf-8", errors="replace"))
    }
    assert found == set()
