"""`workbench doctor`: a line for everything that must be right, with the cure for what is not."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from workbench.cases.workers import WorkerPool
from workbench.cli.over_rest import reachable
from workbench.domain.clock import Clock
from workbench.domain.nim import Mode
from workbench.domain.services import Services
from workbench.nim.connect import connect
from workbench.settings import Settings, load_settings
from workbench.usecases.doctor import Finding, Key, Level, Subject, examine

_SHOWN = {Level.OK: "OK  ", Level.WARN: "warn", Level.FAIL: "FAIL"}


def run(options: argparse.Namespace) -> int:
    """Print every finding; 1 where one is a failure."""
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    findings = []
    with ExitStack() as held:
        for finding in examine(_subject(settings), lambda: held.enter_context(_services(settings))):
            findings.append(finding)
            if not options.json:
                sys.stdout.write(line(finding))
                sys.stdout.flush()
    failed = sum(each.level is Level.FAIL for each in findings)
    if options.json:
        told = {"ok": failed == 0, "checks": [dataclasses.asdict(each) for each in findings]}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        warned = sum(each.level is Level.WARN for each in findings)
        sys.stdout.write(f"\n{len(findings)} looked at, {warned} to know, {failed} to mend\n")
    return 1 if failed else 0


@contextmanager
def _services(settings: Settings) -> Iterator[Services]:
    """Who answers in the mode of the settings, beside a workbench that may run: nothing of its folder is touched."""
    workers = WorkerPool(settings.workers)
    with tempfile.TemporaryDirectory(prefix="workbench-doctor-") as folder:
        connections = connect(settings, clock=Clock(), run_in_worker=workers, scratch=Path(folder) / "nim")
        try:
            yield connections.in_mode(settings.nim_mode)
        finally:
            connections.close()
            workers.close()


def line(finding: Finding) -> str:
    """One line, and the cure below it."""
    cure = f"\n      {finding.cure}" if finding.cure else ""
    return f"{_SHOWN[finding.level]}  {finding.name}: {finding.detail}{cure}\n"


def _subject(settings: Settings) -> Subject:
    there = reachable(settings)
    cloud = settings.nim_mode is Mode.CLOUD
    return Subject(
        mode=settings.nim_mode.value,
        host=settings.host,
        port=settings.port,
        exchange_listen=settings.nim_exchange_listen,
        data_dir=settings.data_dir,
        keys=(
            Key(
                setting="IMAGING_NVIDIA_API_KEY",
                value=settings.nvidia_api_key.get_secret_value(),
                kind="nvapi",
                needed="the hosted catalogue" if cloud else None,
            ),
            Key(setting="NGC_API_KEY", value=settings.ngc_api_key.get_secret_value(), kind="ngc"),
            Key(setting="IMAGING_API_KEY", value=settings.api_key.get_secret_value(), kind="own"),
        ),
        milvus_uri=settings.milvus_uri,
        allow_mock=settings.nim_allow_mock_fallback,
        has_login=bool(settings.logins),
        running_url=there.url if there else None,
    )
