"""Reading against SimpleITK alone: run by hand, prints the ratios of time and of peak memory.

    python -m tests.bench.bench_read

Each reading runs in a process of its own; time is the best of three. Memory is the peak resident set above that
of the process before reading, as a multiple of the int16 volume; pages of the volume's own file count.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from scipy import ndimage

from tests.data import FOLDER
from tests.dicom_made import make_series
from workbench.imaging.read import ReadLimits, read_ct

SHAPE_KJI = (300, 512, 512)
LIMITS = ReadLimits(max_bytes=8 << 30, max_voxels=10**9)
MOST_TIME, MOST_MEMORY = 1.3, 2.5


def made_body() -> np.ndarray:
    """A body-like ellipse with texture and noise: compresses about as well as a CT."""
    random = np.random.default_rng(0)
    k, j, i = np.ogrid[: SHAPE_KJI[0], : SHAPE_KJI[1], : SHAPE_KJI[2]]
    coarse = ndimage.gaussian_filter(random.normal(0, 1, (75, 64, 64)), 2)
    coarse = np.repeat(np.repeat(np.repeat(coarse / coarse.std() * 60, 4, 0), 8, 1), 8, 2)
    inside = ((j - 256) / 170) ** 2 + ((i - 256) / 220) ** 2 + 0 * k < 1
    noise = random.normal(0, 12, SHAPE_KJI).astype(np.float32)
    return np.where(inside, coarse + 40 + noise, -1000 + noise / 3).astype(np.int16)


def by_simpleitk(paths: list[Path]) -> tuple[int, ...]:
    if paths[0].is_dir():
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0])))
        return reader.Execute().GetSize()
    return SimpleITK.ReadImage(paths[0]).GetSize()


def by_workbench(paths: list[Path]) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as case:
        ct = read_ct(paths, scratch=Path(scratch), limits=LIMITS, out=Path(case) / "v.npy", created_at="now")
        return ct.report.size


def _peak_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def _child(read: Callable[[list[Path]], Any], paths: list[Path], answer: Any) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak (Linux, proc(5))
    before = _peak_kib("VmRSS")
    start = time.perf_counter()
    size = read(paths)
    answer.put((time.perf_counter() - start, _peak_kib("VmHWM") - before, size))


def measured(read: Callable[[list[Path]], Any], paths: list[Path]) -> tuple[float, float]:
    """Best time in s and peak memory over the int16 volume's size, of three runs."""
    seconds, memory = [], []
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        answer = context.Queue()
        child = context.Process(target=_child, args=(read, paths, answer))
        child.start()
        elapsed, kib, size = answer.get()
        child.join()
        seconds.append(elapsed)
        memory.append(kib * 1024 / (np.prod(size) * 2))
    return min(seconds), max(memory)


def compare(name: str, paths: list[Path]) -> None:
    theirs, their_memory = measured(by_simpleitk, paths)
    ours, our_memory = measured(by_workbench, paths)
    print(  # noqa: T201 - a benchmark prints
        f"{name:38} SimpleITK {theirs:6.2f} s {their_memory:4.2f}x | workbench {ours:6.2f} s {our_memory:4.2f}x | "
        f"time ratio {ours / theirs:4.2f} (at most {MOST_TIME}), memory {our_memory:4.2f} (at most {MOST_MEMORY})",
        flush=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        voxels = made_body()
        image = SimpleITK.GetImageFromArray(voxels)
        image.SetSpacing((0.8, 0.8, 1.5))
        for name in ("ct.nii.gz", "ct.nrrd", "ct.mha"):
            SimpleITK.WriteImage(image, folder / name, useCompression=True)
        make_series(folder / "even", voxels + 1024, step=1.5)
        depths = [1.5 * k for k in range(301) if k != 150]
        make_series(folder / "missing", voxels + 1024, depths=depths)
        del voxels, image
        compare("NIfTI .nii.gz 512x512x300", [folder / "ct.nii.gz"])
        compare("NRRD gzip 512x512x300", [folder / "ct.nrrd"])
        compare("MetaImage zlib 512x512x300", [folder / "ct.mha"])
        compare("DICOM 300 slices", [folder / "even"])
        compare("DICOM 300 slices, one missing", [folder / "missing"])
        for name in ("crlm-ct-1004_dicom", "totalseg-abdomen20_dicom_j2k"):
            if (zipped := FOLDER / f"ct/{name}.zip").exists():
                shutil.unpack_archive(zipped, folder / name)
                inner = next(each for each in (folder / name).rglob("*") if each.is_file()).parent
                compare(f"real {name}", [inner])


if __name__ == "__main__":
    main()
