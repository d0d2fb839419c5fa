"""What fits: sums worked out by hand from the published figures, on machines that are only supposed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from workbench.domain.memory import MAISI_PEAKS, PRESETS, SPARK, STACK, Fit, Gpu, Machine, need, one_card, plan
from workbench.domain.nim import ROUTED, Service
from workbench.ui.memory_planner import plan_html
from workbench.usecases.machine import system_memory_gb, this_machine
from workbench.usecases.memory_planner import MemoryPlanner

BARE = Machine(name="bare", architecture="x86_64", memory_gb=64.0, memory_free_gb=60.0)


def cards(*free_gb: float) -> Machine:
    return replace(BARE, gpus=tuple(Gpu(name="card", total_gb=each, free_gb=each) for each in free_gb))


def test_the_presets_are_those_of_the_guide_with_its_sums() -> None:
    sums = {preset.label: preset.guide_gb for preset in PRESETS}
    assert list(sums.values()) == [52, 24, 16, 0]
    for preset in PRESETS:
        parts = [need(service, maisi_size=(256, 256, 256)).guide_gb for service in preset.services]
        assert sum(parts) == preset.guide_gb
    assert sum(each.gb for each in STACK) == 6


@pytest.mark.parametrize(
    ("size", "low_gb", "high_gb"),
    [
        ((256, 256, 128), 14, 14),
        ((256, 256, 256), 14, 22),
        ((512, 512, 128), 14, 18),
        ((512, 512, 512), 22, 44),
        ((512, 512, 768), 55, 55),
    ],
)
def test_maisi_takes_the_measured_peak_of_its_size(size: tuple[int, int, int], low_gb: float, high_gb: float) -> None:
    found = need(Service.MAISI, maisi_size=size)
    assert (found.low_gb, found.high_gb) == (low_gb, high_gb)
    assert set(MAISI_PEAKS) >= {size}


def test_a_size_without_a_published_peak_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        plan([Service.MAISI], SPARK, maisi_size=(384, 384, 384))


def test_every_figure_names_its_source() -> None:
    for service in ROUTED:
        found = need(service, maisi_size=(256, 256, 256))
        assert found.sources
        assert any(source.url.startswith("https://") for source in found.sources)
        assert found.low_gb <= found.high_gb
    assert all(each.sources for each in STACK)


def test_all_four_fit_on_a_spark_by_the_highest_figures() -> None:
    # 16 + 12 + 22 + 18 and 6 for the stack, which shares the memory.
    found = plan(ROUTED, SPARK, maisi_size=(256, 256, 256))
    assert found.high_gb == 74
    assert found.low_gb == 15 + 8 + 14 + 16 + 6
    assert (found.fit, found.available_gb) == (Fit.FITS, 128)
    assert {each.label for each in found.stack} == {"Milvus", "Workbench and embeddings"}


def test_a_spark_is_told_that_the_imaging_nims_are_for_x86_64() -> None:
    (note,) = [each for each in plan(ROUTED, SPARK).notes if "x86-64" in each]
    assert "VISTA-3D and MAISI" in note
    assert "another host" in note
    assert not plan([Service.LLM], SPARK).notes
    assert not [each for each in plan(ROUTED, one_card(80)).notes if "x86-64" in each]


def test_free_memory_counts_where_it_was_measured() -> None:
    busy = replace(SPARK, memory_free_gb=60.0)
    assert plan(ROUTED, busy).fit is Fit.TIGHT
    assert plan(ROUTED, replace(SPARK, memory_free_gb=58.9)).fit is Fit.NOT
    assert plan(ROUTED, replace(SPARK, memory_free_gb=74.0)).fit is Fit.FITS


def test_system_memory_of_a_card_is_no_room_and_the_stack_takes_none_of_it() -> None:
    assert plan([Service.LLM], cards(15.5)).fit is Fit.TIGHT
    assert plan([Service.LLM], cards(16)).fit is Fit.FITS
    assert plan([Service.LLM], cards(14.9)).fit is Fit.NOT
    assert plan([Service.LLM], cards(16)).stack == ()


def test_a_nim_must_fit_on_one_card_whole() -> None:
    together = plan([Service.MAISI], cards(30, 30), maisi_size=(512, 512, 768))
    assert (together.available_gb, together.fit) == (60, Fit.NOT)
    spread = plan([Service.LLM, Service.VISTA3D, Service.VILA_M3], cards(24, 24))
    # 16 and 12 overflow a card of 24 GB, as do 18 and 12, so by the highest figures they do not fit on two.
    assert spread.fit is Fit.TIGHT
    three = plan([Service.LLM, Service.VISTA3D, Service.VILA_M3], cards(24, 24, 24))
    assert three.fit is Fit.FITS
    assert sorted(three.gpu_of.values()) == [0, 1, 2]


def test_a_placement_never_overflows_a_card() -> None:
    found = plan(ROUTED, cards(40, 30), maisi_size=(256, 256, 256))
    taken = [0.0, 0.0]
    for each in found.needs:
        taken[found.gpu_of[each.service]] += each.high_gb
    assert found.fit is Fit.FITS
    assert taken[0] <= 40
    assert taken[1] <= 30


def test_nothing_chosen_fits_everywhere_and_no_gpu_holds_nothing() -> None:
    assert plan([], BARE).fit is Fit.FITS
    assert plan([Service.LLM], BARE).fit is Fit.NOT
    assert plan([Service.LLM], replace(BARE, gpus_known=False)).fit is Fit.UNKNOWN


def test_a_card_smaller_than_any_validated_is_told() -> None:
    assert [each for each in plan([Service.VISTA3D], one_card(24)).notes if "48 GB" in each]
    assert not [each for each in plan([Service.VISTA3D], one_card(48)).notes if "48 GB" in each]


def test_meminfo_is_read_in_units_of_1024_bytes(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       125000000 kB\nMemFree:  1 kB\nMemAvailable:   62500000 kB\n")
    assert system_memory_gb(file) == (128.0, 64.0)


@pytest.mark.parametrize("text", ["", "MemTotal: lots kB\n", "MemTotal: 5 kB\n"])
def test_what_cannot_be_read_is_not_guessed(text: str, tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text(text)
    assert system_memory_gb(file) == (None, None)
    assert system_memory_gb(tmp_path / "none") == (None, None)


class FakeNvml(ModuleType):
    """The part of `pynvml` that is used; a GPU named GB10 has no memory of its own to tell of."""

    class NVMLError(Exception):
        pass

    def __init__(self, names: list[str], *, broken: bool = False) -> None:
        super().__init__("pynvml")
        self.names = names
        self.broken = broken
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own name
        if self.broken:
            raise self.NVMLError("driver not loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802 - NVML's own name
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own name
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, at: int) -> int:  # noqa: N802 - NVML's own name
        return at

    def nvmlDeviceGetName(self, at: int) -> bytes:  # noqa: N802 - NVML's own name
        return self.names[at].encode()

    def nvmlDeviceGetMemoryInfo(self, at: int) -> SimpleNamespace:  # noqa: N802 - NVML's own name
        if "GB10" in self.names[at]:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(total=48_000_000_000, free=40_000_000_000)


def test_cards_are_measured_and_nvml_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(["NVIDIA L40S", "NVIDIA L40S"])
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    found = this_machine()
    assert [(gpu.total_gb, gpu.free_gb) for gpu in found.gpus] == [(48.0, 40.0)] * 2
    assert not found.is_unified
    assert nvml.open == 0


def test_a_gb10_shares_the_systems_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(["NVIDIA GB10"]))
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 125000000 kB\nMemAvailable: 100000000 kB\n")
    found = this_machine(file)
    assert found.is_unified
    # 102.4 GB are free, and all four with the stack take 74 at most.
    assert plan(ROUTED, found).fit is Fit.FITS
    assert plan(ROUTED, found).available_gb == 102.4


def test_without_a_driver_no_gpu_is_counted_and_without_nvml_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([], broken=True))
    assert (this_machine().gpus, this_machine().gpus_known) == ((), True)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = this_machine()
    assert not found.gpus_known
    assert "extra gpu" in found.notes[0]
    assert plan([Service.LLM], found).fit is Fit.UNKNOWN


def test_the_planner_measures_anew_each_time_and_supposes_others() -> None:
    free = iter([20.0, 10.0])
    planner = MemoryPlanner(lambda: cards(next(free)))
    assert planner.plan([Service.LLM]).fit is Fit.FITS
    assert planner.plan([Service.LLM]).fit is Fit.NOT
    assert planner.machines[0] == "This machine"
    spark = planner.plan(ROUTED, machine=SPARK.name, maisi_size="512x512x768")
    assert spark.high_gb == 16 + 12 + 55 + 18 + 6
    assert "512x512x512" in planner.maisi_sizes


def test_the_page_shows_the_verdict_the_sources_and_the_note() -> None:
    shown = plan_html(plan(ROUTED, SPARK, maisi_size=(512, 512, 512)))
    assert 'data-state="available"' in shown
    assert "MAISI, 512 × 512 × 512" in shown
    assert "docs.nvidia.com/nim/medical/maisi/support-matrix" in shown
    assert "x86-64" in shown
    assert 'data-state="unavailable"' in plan_html(plan(ROUTED, one_card(24)))
