"""Look at this machine and this configuration, and say what to do about what is wrong. Changes nothing."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from workbench.domain.memory import ARM, Machine
from workbench.domain.nim import CheckReport, CheckStep, NimStatus, Service, State
from workbench.domain.services import Services
from workbench.usecases.machine import GB, driver_version, this_machine

OLDEST_PYTHON = (3, 11)
LITTLE_MEMORY_GB = 4.0
"""A CT of 512 x 512 x 1,000 with its mask and a copy of each takes about 1.6 GB; the workers read beside it."""

LITTLE_DISK_GB, TOO_LITTLE_DISK_GB = 20.0, 1.0
SHORTEST_KEY = 16
_DOCKER_S = 10
_CONNECT_S = 3.0
_NVAPI = re.compile(r"nvapi-[A-Za-z0-9_-]{20,}")
_NGC_OLD = re.compile(r"[A-Za-z0-9+/=]{60,120}")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge", "firefox", "brave-browser")
_REACHING = frozenset({"live", "ready"})


class Level(StrEnum):
    """How a line is meant."""

    OK = "OK"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: what was looked at, what was found, and the cure where there is something to cure."""

    name: str
    level: Level
    detail: str
    cure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key by the name of its setting. `needed` tells for what it is needed now, None where it is not."""

    setting: str
    value: str
    kind: str
    needed: str | None = None

    def __repr__(self) -> str:
        """Without the value."""
        return f"Key({self.setting})"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The part of the configuration that is looked at. `running_url` is where a workbench of this user runs."""

    mode: str
    host: str
    port: int
    exchange_listen: str
    data_dir: Path
    keys: tuple[Key, ...]
    milvus_uri: str
    allow_mock: bool
    has_login: bool
    running_url: str | None = None


def examine(
    subject: Subject,
    services: Callable[[], Services],
    *,
    machine: Callable[[], Machine] = this_machine,
    run: Callable[[Sequence[str]], str | None] | None = None,
) -> Iterator[Finding]:
    """Every finding, as it is made. `run` runs a command and gives what it printed, None where it failed."""
    found = machine()
    yield _python()
    yield _architecture(found, subject)
    yield _memory(found)
    yield _data_folder(subject)
    yield _disk(subject)
    yield _port("port of the page", subject.host, subject.port, subject)
    yield from _exchange_port(subject)
    yield _exposure(subject)
    yield from _gpu(found, subject)
    yield from _docker(run or _run, subject)
    for key in subject.keys:
        yield _key(key, allow_mock=subject.allow_mock)
    yield from _nims(subject, services)
    yield _milvus(subject)
    yield _browser()


def _ok(name: str, detail: str) -> Finding:
    return Finding(name=name, level=Level.OK, detail=detail)


def _warn(name: str, detail: str, cure: str) -> Finding:
    return Finding(name=name, level=Level.WARN, detail=detail, cure=cure)


def _fail(name: str, detail: str, cure: str) -> Finding:
    return Finding(name=name, level=Level.FAIL, detail=detail, cure=cure)


def _python() -> Finding:
    here = sys.version_info[:3]
    told = ".".join(map(str, here))
    if here[:2] < OLDEST_PYTHON:
        return _fail("Python", told, f"Install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")
    return _ok("Python", told)


def _architecture(machine: Machine, subject: Subject) -> Finding:
    told = f"{machine.architecture}, {platform.system()}"
    if machine.architecture.lower() in ARM and subject.mode == "local":
        return _warn(
            "architecture",
            f"{told}: the VISTA-3D and MAISI NIMs are published for x86-64 with Ampere, Ada or Hopper only",
            "Run them on another host and set IMAGING_NIM_VISTA3D_URL, IMAGING_NIM_MAISI_URL and "
            "IMAGING_NIM_EXCHANGE_URL.",
        )
    return _ok("architecture", told)


def _memory(machine: Machine) -> Finding:
    total, free = machine.memory_gb, machine.memory_free_gb
    if total is None or free is None:
        return _warn("memory", "cannot be read on this system", "Look at it by hand: 4 GB free are comfortable.")
    told = f"{free:.1f} of {total:.1f} GB free"
    if free < LITTLE_MEMORY_GB:
        return _warn("memory", told, "Close something, or set IMAGING_WORKERS=1 and a lower IMAGING_MAX_VOXELS.")
    return _ok("memory", told)


def _data_folder(subject: Subject) -> Finding:
    folder = subject.data_dir
    if subject.running_url is not None:
        return _ok("data folder", f"in use by the workbench at {subject.running_url}")
    there = _nearest(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return _fail(
            "data folder",
            "cannot be written to",
            "Give another with --data-dir or IMAGING_DATA_DIR, or change its owner.",
        )
    if there != folder:
        return _ok("data folder", "will be made at the first start")
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        return _warn("data folder", "other users of this machine can enter it", "The next start closes it (mode 0700).")
    return _ok("data folder", "there, and private")


def _disk(subject: Subject) -> Finding:
    try:
        free_gb = shutil.disk_usage(_nearest(subject.data_dir)).free / GB
    except OSError:
        return _warn("disk", "the free space cannot be read", "Check that the data folder's disk is there.")
    told = f"{free_gb:.0f} GB free where the data folder is"
    if free_gb < TOO_LITTLE_DISK_GB:
        return _fail("disk", told, "Free some space: a CT with its mask takes up to 1 GB.")
    if free_gb < LITTLE_DISK_GB:
        return _warn("disk", told, "Free some space; a NIM's image alone takes about 30 GB on the disk of Docker.")
    return _ok("disk", told)


def _nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return folder


def _port(name: str, host: str, port: int, subject: Subject) -> Finding:
    if port == 0:
        return _ok(name, "any free one")
    if subject.running_url is not None and urlsplit(subject.running_url).port == port:
        return _ok(name, f"{port}, where a workbench runs")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "not a port"
        return _fail(name, f"{port} on {host} cannot be used: {why}", "Stop what uses it, or choose another port.")
    return _ok(name, f"{port} on {host} is free")


def _exchange_port(subject: Subject) -> Iterator[Finding]:
    host, _, port = subject.exchange_listen.rpartition(":")
    name = "port of the exchange"
    if not port.isdecimal():
        yield _fail(name, "IMAGING_NIM_EXCHANGE_LISTEN is no address:port", "Write it like 0.0.0.0:8526.")
    elif subject.running_url is not None:
        yield _ok(name, "held by the workbench that runs, if a NIM of its own is asked")
    else:
        yield _port(name, host.strip("[]") or "127.0.0.1", int(port), subject)


def _exposure(subject: Subject) -> Finding:
    if subject.host in ("127.0.0.1", "localhost", "::1"):
        return _ok("who can reach it", "this machine only")
    if subject.has_login:
        return _ok("who can reach it", "the network, with a login")
    return _warn(
        "who can reach it", "everybody on the network, without a login", "Set IMAGING_AUTH, or listen on 127.0.0.1."
    )


def _gpu(machine: Machine, subject: Subject) -> Iterator[Finding]:
    if not machine.gpus:
        why = machine.notes[0] if machine.notes else "none was found"
        if subject.mode != "local":
            yield _ok("GPU", f"not needed in mode {subject.mode}")
        elif not machine.gpus_known:
            yield _warn("GPU", why, "pip install 'imaging-workbench[gpu]', or look with nvidia-smi.")
        else:
            yield _warn("GPU", why, "NIMs on another host are fine; for one here install the NVIDIA driver.")
        return
    shown = ", ".join(
        gpu.name
        if gpu.total_gb is None or gpu.free_gb is None
        else f"{gpu.name} ({gpu.free_gb:.0f} of {gpu.total_gb:.0f} GB free)"
        for gpu in machine.gpus
    )
    yield _ok("GPU", shown + (", memory shared with the CPU" if machine.is_unified else ""))
    driver = driver_version()
    if driver is not None:
        yield _ok("GPU driver", driver)


def _run(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and a program found on the PATH
            command, capture_output=True, text=True, timeout=_DOCKER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _docker(run: Callable[[Sequence[str]], str | None], subject: Subject) -> Iterator[Finding]:
    docker = shutil.which("docker")
    if docker is None:
        detail = "the docker command is not here"
        if subject.mode == "local":
            yield _warn("Docker", detail, "Only needed to run NIMs on this machine: docs.docker.com/engine/install.")
        else:
            yield _ok("Docker", f"{detail}, and not needed in mode {subject.mode}")
        return
    version = run([docker, "version", "--format", "{{.Server.Version}}"])
    if not version and subject.mode != "local":
        yield _ok("Docker", f"no engine answers, and none is needed in mode {subject.mode}")
        return
    if not version:
        yield _warn("Docker", "the client is here, no engine answers it", "Start the engine, or join the group docker.")
        return
    yield _ok("Docker", version)
    compose = run([docker, "compose", "version", "--short"])
    if compose:
        yield _ok("Docker Compose", compose)
    else:
        yield _warn("Docker Compose", "not installed", "compose.yaml needs the plugin, 2.24 or newer.")
    runtimes = run([docker, "info", "--format", "{{json .Runtimes}}"])
    try:
        has_nvidia = "nvidia" in json.loads(runtimes or "{}")
    except ValueError:
        has_nvidia = False
    if has_nvidia:
        yield _ok("NVIDIA runtime", "known to Docker")
    elif subject.mode == "local":
        yield _warn(
            "NVIDIA runtime",
            "not known to Docker, so its containers see no GPU",
            "Install the NVIDIA Container Toolkit and run: sudo nvidia-ctk runtime configure --runtime=docker.",
        )
    else:
        yield _ok("NVIDIA runtime", f"not there, and not needed in mode {subject.mode}")


def _key(key: Key, *, allow_mock: bool) -> Finding:
    value = key.value
    if not value:
        if key.needed is None:
            return _ok(key.setting, "not set, and not needed now")
        missing, cure = f"not set; needed for {key.needed}", f"Set {key.setting}."
        return _warn(key.setting, missing, cure) if allow_mock else _fail(key.setting, missing, cure)
    if value != value.strip() or value[0] in "\"'" or value[-1] in "\"'":
        return _fail(key.setting, "has a quote or a blank at an end", "Copy it again, without quotes and blanks.")
    if key.kind == "nvapi" and not _NVAPI.fullmatch(value):
        return _fail(
            key.setting, "set, and not of the form nvapi-…", "Make a key at build.nvidia.com and copy it whole."
        )
    if key.kind == "ngc" and not (_NVAPI.fullmatch(value) or _NGC_OLD.fullmatch(value)):
        return _fail(key.setting, "set, and not of a form that NGC issues", "Make a key at ngc.nvidia.com, Setup.")
    if key.kind == "own" and len(value) < SHORTEST_KEY:
        return _warn(
            key.setting, "set, and short enough to guess", f"Use at least {SHORTEST_KEY} characters drawn at random."
        )
    return _ok(key.setting, "set and well-formed")


def _nims(subject: Subject, services: Callable[[], Services]) -> Iterator[Finding]:
    if subject.mode == "mock":
        yield _ok("NIMs", "mock mode: none is asked")
        return
    asked = services()
    checkable = set(asked.checkable())
    for status in asked.statuses():
        service = status.service
        if service in checkable and status.state is not State.STARTING:
            report = asked.check(service)
            yield _checked(subject, service, report)
        else:
            yield _unchecked(subject, status)


def _checked(subject: Subject, service: Service, report: CheckReport) -> Finding:
    failed = report.failed
    if failed is None:
        done = ", ".join(step.step for step in report.steps if step.ok)
        return _ok(service.display_name, f"holds its contract ({done})")
    if failed.step in _REACHING:
        return _unusable(subject, service, failed)
    return _fail(
        service.display_name,
        f"answers, and fails its contract at “{failed.step}”: {failed.detail}",
        "Open the Status tab of the workbench for every step; see the NIM's log (docker logs).",
    )


def _unusable(subject: Subject, service: Service, failed: CheckStep) -> Finding:
    start = f"Start the NIM, or correct its address; empty means not deployed ({_setting(service)})."
    if subject.allow_mock:
        return _warn(service.display_name, f"{failed.detail} A mock stands in.", start)
    return _fail(service.display_name, failed.detail, start)


def _unchecked(subject: Subject, status: NimStatus) -> Finding:
    name = status.service.display_name
    cure = status.hint or f"See {_setting(status.service)}."
    if status.state is State.STARTING:
        return _warn(name, status.detail, "Wait; the first start downloads the model. See its log (docker logs).")
    if status.published_state in (State.AVAILABLE, State.CLOUD):
        return _ok(name, status.detail)
    if subject.allow_mock and status.published_state is State.MOCK:
        return _warn(name, status.detail, cure)
    return _fail(name, status.detail, cure)


def _setting(service: Service) -> str:
    return f"IMAGING_NIM_{service.value.upper().replace('VILA_M3', 'VILAM3')}_URL"


def _milvus(subject: Subject) -> Finding:
    if not subject.milvus_uri:
        return _ok("Milvus", "Milvus Lite: a file under the data folder, no server")
    parts = urlsplit(subject.milvus_uri)
    try:
        host, port = parts.hostname, parts.port or 19530
    except ValueError:
        host, port = None, 0
    if not host:
        return _fail("Milvus", "IMAGING_MILVUS_URI is no address", "Write it like http://localhost:19530.")
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S):
            return _ok("Milvus", f"a server accepts connections at port {port}")
    except OSError as error:
        why = error.strerror or "no answer in time"
        return _fail("Milvus", f"the server cannot be reached: {why}", "Start it, or empty IMAGING_MILVUS_URI.")


def _browser() -> Finding:
    name = next((each for each in _BROWSERS if shutil.which(each)), None)
    if name is not None:
        return _ok("browser", name)
    try:
        webbrowser.get()
    except webbrowser.Error:
        return _warn("browser", "none was found", "Open the address of the page on another machine, or install one.")
    return _ok("browser", "the system's own")
