"""What Linux tells about processes; elsewhere the tests that ask it skip."""

from __future__ import annotations

from pathlib import Path

import pytest

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROC / "self/status").exists(), reason="no /proc to look at processes in")


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    parents = {int(path.name): _parent(path) for path in PROC.iterdir() if path.name.isdecimal()}
    found = [pid]
    for each in found:
        found.extend(child for child, parent in parents.items() if parent == each and child not in found)
    return found[1:]


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noticed by its parent does not."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def own_memory_bytes(pid: int) -> int:
    """Memory that only this process accounts for: mapped files are the kernel's to take back."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
