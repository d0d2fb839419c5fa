"""A CT asked of MAISI, and what comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import numpy as np

from workbench.domain.errors import InvalidRequest
from workbench.domain.maisi import ANATOMIES, Size, Spacing
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Result
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import CtReport, Volume


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """What MAISI is asked for; it may break rules (`synthesis_rules.check`).

    `output_size` is in voxels and `spacing_mm` in mm along x, y, z. `controllable_anatomy_size` pairs an anatomy with a
    size from 0 to 1, a percentile of what the model was trained on, or -1 to leave it out; given, it overrides
    `body_region` and `anatomy_list`.
    """

    body_region: tuple[str, ...] = ()
    anatomy_list: tuple[str, ...] = ()
    output_size: Size = (256, 256, 256)
    spacing_mm: Spacing = (1.5, 1.5, 1.5)
    controllable_anatomy_size: tuple[tuple[str, float], ...] = ()
    num_output_samples: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The anatomies in the order that numbers the mask: value n is the n-th."""
        return tuple(name for name, _ in self.controllable_anatomy_size) or self.anatomy_list

    @property
    def labels(self) -> tuple[int, ...]:
        """VISTA-3D ids of `names`, in that order.

        Raises:
            KeyError: one that MAISI does not know.
        """
        return tuple(ANATOMIES[name].label for name in self.names)

    @property
    def field_of_view_mm(self) -> Spacing:
        """Size times spacing."""
        x, y, z = (count * step for count, step in zip(self.output_size, self.spacing_mm, strict=True))
        return x, y, z

    @property
    def voxels(self) -> int:
        """Voxels of one sample."""
        x, y, z = self.output_size
        return x * y * z

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Plain values under the names that MAISI uses."""
        return {
            "body_region": list(self.body_region),
            "anatomy_list": list(self.anatomy_list),
            "output_size": list(self.output_size),
            "spacing": list(self.spacing_mm),
            "controllable_anatomy_size": [list(each) for each in self.controllable_anatomy_size],
            "num_output_samples": self.num_output_samples,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            body_region=tuple(stored["body_region"]),
            anatomy_list=tuple(stored["anatomy_list"]),
            output_size=tuple(stored["output_size"]),
            spacing_mm=tuple(stored["spacing"]),
            controllable_anatomy_size=tuple((name, size) for name, size in stored["controllable_anatomy_size"]),
            num_output_samples=stored["num_output_samples"],
        )


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """A rule that a request breaks.

    `field` is the request's field, `rule` a short name for the rule. `nearest` says in words what would be allowed, and
    `change` holds it: fields of the request with their new values. `blocks` is False for advice: MAISI takes the
    request, and what comes of it is poor or not what was meant. `suggestions` are known names close to an unknown one.
    """

    field: str
    rule: str
    message: str
    nearest: str = ""
    change: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    blocks: bool = True
    suggestions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; the change under the names that MAISI uses."""
        return {
            "field": self.field,
            "rule": self.rule,
            "message": self.message,
            "nearest": self.nearest,
            "blocks": self.blocks,
            "suggestions": list(self.suggestions),
        }


class RulesBroken(InvalidRequest):
    """A request that MAISI would refuse; nothing was sent. `nearest` would be taken; None where it was unreadable."""

    def __init__(self, rules: tuple[BrokenRule, ...], *, nearest: SynthesisRequest | None = None) -> None:
        first, *more = rules
        others = f" {len(more)} more {'rule is' if len(more) == 1 else 'rules are'} broken." if more else ""
        super().__init__(first.message + others, hint=first.nearest or None)
        self.rules = rules
        self.nearest = nearest


class Numbering(StrEnum):
    """How the values of MAISI's mask name anatomies, as it was found out from an answer."""

    ORDER = "order of the request"
    GLOBAL_IDS = "global ids"
    EXACT = "known exactly"


@dataclass(frozen=True, kw_only=True)
class SynthesisOrder:
    """A request to be carried out: `folder` is empty and private, and takes the arrays of the result."""

    request: SynthesisRequest
    folder: Path
    progress: Progress = dataclasses.field(default_factory=Silent)


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticVolume(Result):
    """One sample: the CT, its own labels on the same grid, and the request that made it; `sample` counts from 1.

    Both arrays are whole `.npy` files in the order's folder, memory-mapped: `voxels_file` and `labels_file`.
    """

    volume: Volume
    segmentation: Segmentation
    request: SynthesisRequest
    sample: int
    voxels_file: Path
    labels_file: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A sample before it has a provenance. Labels are VISTA-3D ids, uint8; `sha256` are digests of the two arrays."""

    voxels_file: Path
    labels_file: Path
    affine_ras_mm: tuple[float, ...]
    voxels_sha256: str
    labels_sha256: str
    report: CtReport
    not_found: tuple[int, ...]
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthesis(Result):
    """An answer: every sample, how the mask was numbered, and remarks for the person.

    A sample's provenance is that of the answer with the sample's own digest, so that whatever is noted on the answer
    (a mock standing in, the mode) is noted on every sample.
    """

    request: SynthesisRequest
    drawn: tuple[Drawn, ...]
    numbering: Numbering
    warnings: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[SyntheticVolume, ...]:
        """The samples in order, arrays memory-mapped."""
        return tuple(self._sample(number, each) for number, each in enumerate(self.drawn, 1))

    def _sample(self, number: int, drawn: Drawn) -> SyntheticVolume:
        parameters = {**self.provenance.parameters, "sample": number, **drawn.parameters}
        made = replace(self.provenance, sha256=drawn.voxels_sha256, parameters=parameters)
        volume = Volume(
            voxels_hu=np.load(drawn.voxels_file, mmap_mode="r", allow_pickle=False),
            affine_ras_mm=np.array(drawn.affine_ras_mm).reshape(4, 4),
            provenance=made,
        )
        return SyntheticVolume(
            volume=volume,
            segmentation=Segmentation(
                labels=np.load(drawn.labels_file, mmap_mode="r", allow_pickle=False),
                grid=volume.grid,
                asked=self.request.labels or None,
                not_found=drawn.not_found,
                warnings=self.warnings,
                provenance=replace(made, sha256=drawn.labels_sha256),
            ),
            request=self.request,
            sample=number,
            voxels_file=drawn.voxels_file,
            labels_file=drawn.labels_file,
            provenance=made,
        )


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a request will cost, before it is sent.

    GPU memory in GB from `memory_low_gb` to `memory_high_gb` as published for `memory_size`, which is the request's own
    size where `memory_is_exact`, else the next larger one by voxels. `seconds` is rough, for all samples one after
    the other on the GPU named. `result_mb` is what the arrays take on disk here.
    """

    memory_low_gb: float
    memory_high_gb: float
    memory_size: Size
    memory_is_exact: bool
    memory_source: str
    memory_source_url: str
    seconds: float
    seconds_gpu: str
    seconds_source: str
    field_of_view_mm: Spacing
    result_mb: float
