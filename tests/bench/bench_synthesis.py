"""Reading MAISI's answer against SimpleITK reading the image in it: run by hand, prints ratios of time and memory.

    python -m tests.bench.bench_synthesis [SIDE] [SLICES]

From the zip's last byte to the arrays of image and labels, digests included, in a process of its own; best of three.
SimpleITK reads the image alone, unzipped before. Memory is the peak resident set above that of the process before, as a
multiple of the int16 image; pages of the volume's own file count.
"""

from __future__ import annotations

import io
import multiprocessing
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from tests.bench.bench_read import made_body
from workbench.domain.progress import Silent
from workbench.domain.synthesis import SynthesisRequest
from workbench.imaging.read import synthetic  # loaded here, as in a worker, so that no run pays for it
from workbench.nim.maisi_reply import read_answer

MOST_TIME, MOST_MEMORY = 1.5, 3.0
_LOADED = synthetic
NAMES = ("liver", "spleen", "left kidney", "right kidney", "pancreas", "stomach", "colon", "vertebrae L2")


def made(folder: Path, side: int, slices: int) -> tuple[Path, Path, SynthesisRequest]:
    """The answer, the image beside it, and the request that they fit."""
    body = made_body()
    if side > body.shape[1]:
        raise SystemExit(f"A side has at most {body.shape[1]} voxels.")
    voxels = np.resize(body[:, :side, :side], (slices, side, side))
    labels = np.zeros(voxels.shape, dtype=np.uint8)
    for at in range(len(NAMES)):
        part = slices // len(NAMES)
        labels[at * part : (at + 1) * part, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = at + 1
    files = {}
    for name, array in (("image", voxels), ("label", labels)):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((1.0, 1.0, 1.0))
        path = folder / f"sample_20260115_120300_000000_{name}.nii.gz"
        SimpleITK.WriteImage(image, path, useCompression=True)
        files[path.name] = path
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, name)
    answer = folder / "answer"
    answer.write_bytes(packed.getvalue())
    request = SynthesisRequest(
        body_region=("abdomen",), anatomy_list=NAMES, output_size=(side, side, slices), spacing_mm=(1.0, 1.0, 1.0)
    )
    return answer, next(path for name, path in files.items() if "image" in name), request


def _peak_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def _child(work: Callable[[], Any], answer: Any) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak (Linux, proc(5))
    before = _peak_kib("VmRSS")
    start = time.perf_counter()
    work()
    answer.put((time.perf_counter() - start, _peak_kib("VmHWM") - before))


def measured(work: Callable[[], Any], image_bytes: int) -> tuple[float, float]:
    """Best time in s and largest memory over the image's size, of three runs."""
    seconds, memory = [], []
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        answer = context.Queue()
        child = context.Process(target=_child, args=(work, answer))
        child.start()
        elapsed, kib = answer.get()
        child.join()
        seconds.append(elapsed)
        memory.append(kib * 1024 / image_bytes)
    return min(seconds), max(memory)


def main() -> None:
    side, slices = (int(each) for each in (*sys.argv[1:3], 512, 256)[:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer, image, request = made(folder, side, slices)

        def ours() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                read_answer(answer, request, Path(out), 10**9, progress=Silent())

        theirs, their_memory = measured(lambda: SimpleITK.ReadImage(image), 2 * request.voxels)
        own, own_memory = measured(ours, 2 * request.voxels)
        print(  # noqa: T201 - a benchmark prints
            f"zip of {side}x{side}x{slices} ({answer.stat().st_size / 1e6:.0f} MB): SimpleITK reads the image in "
            f"{theirs:.2f} s {their_memory:.2f}x | workbench {own:.2f} s {own_memory:.2f}x | time ratio "
            f"{own / theirs:.2f} (at most {MOST_TIME}), memory {own_memory:.2f} (at most {MOST_MEMORY})"
        )


if __name__ == "__main__":
    main()
