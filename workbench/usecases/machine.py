"""What this machine has: memory, disk, processor, GPUs. Anything that cannot be read is left out, never guessed."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.domain.memory import Gpu, Machine

GB = 1e9
_MEMINFO = Path("/proc/meminfo")
_NO_NVML = "GPU memory cannot be read: install the extra gpu (nvidia-ml-py)."
_UNIFIED = ("GB10", "GB200", "GH200")


def this_machine(meminfo: Path = _MEMINFO) -> Machine:
    """Memory by `/proc/meminfo`, GPUs by NVML where `nvidia-ml-py` (the extra `gpu`) is installed. Never raises."""
    total, free = system_memory_gb(meminfo)
    gpus, why = _gpus()
    # On a GB10, NVML knows the GPU and answers "not supported" when asked for its memory: it has none of its own.
    unified = bool(gpus) and all(each.total_gb is None and any(name in each.name for name in _UNIFIED) for each in gpus)
    return Machine(
        name="This machine",
        architecture=platform.machine(),
        memory_gb=total,
        memory_free_gb=free,
        gpus=gpus,
        is_unified=unified,
        gpus_known=why != _NO_NVML,
        notes=(why,) if why else (),
    )


def system_memory_gb(meminfo: Path = _MEMINFO) -> tuple[float | None, float | None]:
    """All memory and what can be had without swapping, in GB (10^9 bytes); None where it cannot be read.

    `MemAvailable` of the Linux kernel (proc_meminfo(5)), in units of 1,024 bytes.
    """
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text("utf-8").splitlines() if ":" in line)
        total, free = (int(rows[name].split()[0]) * 1024 / GB for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError, IndexError):
        return None, None
    return total, free


def driver_version() -> str | None:
    """The NVIDIA driver's version as NVML tells it, None where it cannot be asked."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        with _asking(nvml):
            return str(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs, and why there may be more than could be seen."""
    nvml = _nvml()
    if nvml is None:
        return (), _NO_NVML
    try:
        with _asking(nvml):
            return tuple(_gpu(nvml, at) for at in range(nvml.nvmlDeviceGetCount())), ""
    except nvml.NVMLError:
        return (), "No NVIDIA driver answers here, so no GPU is counted."


def _gpu(nvml: Any, at: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(at)
    name = nvml.nvmlDeviceGetName(handle)
    name = name.decode() if isinstance(name, bytes) else str(name)
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError:
        return Gpu(name=name)
    return Gpu(name=name, total_gb=memory.total / GB, free_gb=memory.free / GB)


@contextmanager
def _asking(nvml: Any) -> Iterator[None]:
    nvml.nvmlInit()
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def _nvml() -> Any | None:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None
