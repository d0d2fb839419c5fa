"""What a MAISI request will cost: GPU memory from the published table, time from the bundle's two measurements."""

from __future__ import annotations

import math

from workbench.domain.maisi import SOURCES, TIMES_GPU, TIMES_S, Size
from workbench.domain.memory import MAISI_PEAKS, need
from workbench.domain.nim import Service
from workbench.domain.synthesis import Forecast, SynthesisRequest

_BYTES_A_VOXEL = 3
"""int16 for the CT and uint8 for its labels."""


def forecast(request: SynthesisRequest) -> Forecast:
    """What to expect of a request that keeps the rules on size.

    Memory is published for five sizes; for another one the figure of the next larger by voxels is given. Time is drawn
    as a power of the number of voxels through the two sizes that the bundle timed; a quality check inside MAISI may
    generate a sample again, which doubles it.
    """
    size = published_size(request)
    figure = need(Service.MAISI, maisi_size=size)
    source = figure.sources[0]
    return Forecast(
        memory_low_gb=figure.low_gb,
        memory_high_gb=figure.high_gb,
        memory_size=size,
        memory_is_exact=size == request.output_size,
        memory_source=source.title,
        memory_source_url=source.url,
        seconds=seconds_for(request.voxels) * max(request.num_output_samples, 1),
        seconds_gpu=TIMES_GPU,
        seconds_source=SOURCES["bundle"]["title"],
        field_of_view_mm=request.field_of_view_mm,
        result_mb=request.voxels * _BYTES_A_VOXEL * max(request.num_output_samples, 1) / 1e6,
    )


def published_size(request: SynthesisRequest) -> Size:
    """The size whose memory is published: the request's own, else the next larger by voxels, else the largest."""
    if request.output_size in MAISI_PEAKS:
        return request.output_size
    by_voxels = sorted(MAISI_PEAKS, key=math.prod)
    return next((size for size in by_voxels if math.prod(size) >= request.voxels), by_voxels[-1])


def seconds_for(voxels: int) -> float:
    """Rough seconds for one sample of so many voxels on `TIMES_GPU`."""
    (small, quick), (large, slow) = TIMES_S
    steepness = math.log(slow / quick) / math.log(math.prod(large) / math.prod(small))
    return float(quick * (max(voxels, 1) / math.prod(small)) ** steepness)
