"""`workbench ingest`: add files and folders to the library, through a running workbench where there is one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from workbench.cli.bar import Bar
from workbench.cli.ingest_ways import IngestInProcess, IngestOverRest, IngestWay
from workbench.cli.over_rest import reachable
from workbench.domain.errors import InvalidRequest, WorkbenchError
from workbench.domain.library import SourceFile
from workbench.knowledge.documents.unpack import is_litter
from workbench.settings import Settings, load_settings


def run(options: argparse.Namespace) -> int:
    """Add the documents and print what became of each; an error where none could be added."""
    files = list(_files(options.paths))
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    with _way(settings, wants_mode=options.mode) as way:
        bar = Bar(sys.stderr, quiet=options.json)
        try:
            job = way.ingest(files, options.collection or "", bar.tell)
        finally:
            bar.close()
    if job["report"] is not None:
        sys.stdout.write(json.dumps(job["report"], indent=2) + "\n" if options.json else report(job["report"]))
    if job["error"]:
        raise WorkbenchError(job["error"], hint=job["hint"])
    return 0


def report(told: dict[str, Any]) -> str:
    """The report for people: how many, then what failed and what is to be known, by name."""
    counts = ", ".join(f"{told[each]:,} {each}" for each in ("new", "replaced", "unchanged", "failed") if told[each])
    lines = [f"{told['collection']}: {counts or 'nothing'}; {told['passages']:,} passages"]
    if told["stopped"]:
        lines.append("stopped before the end")
    for each in told["documents"]:
        remarks = [each["why"]] if each["why"] else each["notes"]
        lines.extend(f"{each['outcome']}: {each['name']}: {remark}" for remark in remarks)
    return "\n".join(lines) + "\n"


def _files(paths: Sequence[str]) -> Iterator[SourceFile]:
    """The files themselves, and those in folders under the folder's name; links in folders are not followed."""
    for given in paths:
        path = Path(given)
        if path.is_file():
            yield SourceFile(path=path.absolute(), name=path.name)
            continue
        if not path.is_dir():
            raise InvalidRequest(f"There is no file or folder “{path.name or given}”.", hint="Check the name.")
        found = [each for each in _inside(path.resolve()) if not is_litter(each.name)]
        if not found:
            raise InvalidRequest(f"The folder “{path.name or given}” holds no file.", hint="Give another.")
        yield from found


def _inside(folder: Path) -> Iterator[SourceFile]:
    for each in sorted(folder.rglob("*")):
        if each.is_file() and not each.is_symlink():
            yield SourceFile(path=each, name=each.relative_to(folder.parent).as_posix())


def _way(settings: Settings, *, wants_mode: str | None) -> AbstractContextManager[IngestWay]:
    there = reachable(settings)
    return IngestInProcess(settings) if there is None else IngestOverRest(there, wants_mode=wants_mode)
