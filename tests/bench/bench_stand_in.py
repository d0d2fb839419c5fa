"""How long the mock segmentation takes for 512 x 512 x 300, against its limit of 10 s on two cores.

Run by hand: `python tests/bench/bench_stand_in.py`.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import ndimage

from workbench.imaging.classical import segment_classically
from workbench.imaging.phantom import build_phantom

LIMIT_S = 10.0


def main() -> None:
    start = time.perf_counter()
    phantom = build_phantom()
    sys.stdout.write(
        f"phantom at 1.5 mm, {phantom.voxels_hu.size / 1e6:.0f} M voxels: {time.perf_counter() - start:.1f} s\n"
    )
    chest = phantom.voxels_hu[:, :, 200:500]
    factors = (512 / chest.shape[0], 512 / chest.shape[1], 1.0)
    volume = np.empty((512, 512, 300), dtype=np.int16, order="F")
    for k in range(300):
        volume[:, :, k] = ndimage.zoom(chest[:, :, k], factors[:2], order=1)
    affine = phantom.affine_ras_mm @ np.diag([1 / factors[0], 1 / factors[1], 1.0, 1.0])
    start = time.perf_counter()
    labels = segment_classically(volume, affine, None)
    took = time.perf_counter() - start
    found = len(np.unique(labels)) - 1
    sys.stdout.write(
        f"everything in 512 x 512 x 300: {found} structures, {took:.1f} s, {took / LIMIT_S:.2f} of the limit\n"
    )


if __name__ == "__main__":
    main()
