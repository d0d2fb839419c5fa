"""Metrics of the NIMs: every family's names lead to the same rows, and a missing one is told, not invented."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract_server.server import Answer, ContractServer, Received
from workbench.domain.nim_metrics import ALIASES, KNOWN, Kind, Quantity, Reading, Sample, course, value
from workbench.nim.metrics import MetricsReader, MetricsTarget, own_nims, parse
from workbench.settings import load_settings
from workbench.ui.nim_metrics import metrics_html, sparkline
from workbench.usecases.nim_metrics import NimMetrics

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 1000.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{le="0.1"} 3.0
vllm:time_to_first_token_seconds_bucket{le="+Inf"} 4.0
vllm:time_to_first_token_seconds_sum 0.8
vllm:time_to_first_token_seconds_count 4.0
"""
NVIDIA = """# TYPE num_requests_running gauge
num_requests_running{model="m"} 3
# TYPE gpu_cache_usage_perc gauge
gpu_cache_usage_perc 0.5
# TYPE generation_tokens_total counter
generation_tokens_total 1000
# TYPE time_to_first_token_seconds histogram
time_to_first_token_seconds_bucket{le="+Inf"} 4
time_to_first_token_seconds_sum 0.8
time_to_first_token_seconds_count 4
"""
GUIDE = """nim_batch_size 3
nim_kv_cache_utilization 0.5
nim_tokens_generated_total 1000
nim_tokens_per_second 42
nim_gpu_memory_used_bytes 16000000000
"""


def reading(text: str, at_s: float = 0.0) -> Reading:
    return Reading(name="llm", label="Llama-3", at_s=at_s, samples=parse(text))


@pytest.mark.parametrize("text", [VLLM, NVIDIA, GUIDE], ids=["vllm", "nvidia", "guide"])
def test_every_familys_names_lead_to_the_same_numbers(text: str) -> None:
    found = reading(text)
    assert value(Quantity.RUNNING, found) == 3
    assert value(Quantity.CACHE, found) == 50
    assert value(Quantity.GENERATED_TOKENS, found) == 1000


@pytest.mark.parametrize("text", [VLLM, NVIDIA], ids=["vllm", "nvidia"])
def test_a_histogram_gives_its_mean(text: str) -> None:
    assert value(Quantity.FIRST_TOKEN, reading(text)) == pytest.approx(0.2)


def test_the_mean_is_over_what_happened_since_the_last_reading() -> None:
    later = NVIDIA.replace("seconds_sum 0.8", "seconds_sum 2.8").replace("seconds_count 4", "seconds_count 6")
    assert value(Quantity.FIRST_TOKEN, reading(later, 10), reading(NVIDIA)) == pytest.approx(1.0)
    assert value(Quantity.FIRST_TOKEN, reading(NVIDIA, 10), reading(NVIDIA)) == pytest.approx(0.2)


def test_tokens_per_second_are_told_or_worked_out() -> None:
    assert value(Quantity.TOKENS_PER_SECOND, reading(GUIDE)) == 42
    later = reading(NVIDIA.replace("tokens_total 1000", "tokens_total 1500"), 10)
    assert value(Quantity.TOKENS_PER_SECOND, later, reading(NVIDIA)) == 50
    assert value(Quantity.TOKENS_PER_SECOND, later) is None


def test_a_restart_gives_no_negative_rate() -> None:
    fresh = reading(NVIDIA.replace("tokens_total 1000", "tokens_total 10"), 10)
    assert value(Quantity.TOKENS_PER_SECOND, fresh, reading(NVIDIA)) is None


def test_what_is_not_exposed_is_none_and_not_zero() -> None:
    assert value(Quantity.GPU_MEMORY, reading(VLLM)) is None
    assert value(Quantity.GPU_MEMORY, reading(GUIDE)) == 16
    assert course(Quantity.WAITING, [reading(VLLM), reading(NVIDIA)]) == (None, None)


def test_numbers_that_are_none_are_left_out() -> None:
    assert parse("gpu_cache_usage_perc NaN\nnum_requests_running +Inf\n") == {}
    assert parse("num_requests_running 1\nunknown_thing 5\n") == {"num_requests_running": Sample(total=1, highest=1)}


def test_no_name_means_two_quantities() -> None:
    names = [name for names in ALIASES.values() for name in names]
    assert len(names) == len(set(names))
    assert set(ALIASES) == set(Quantity)
    assert all(f"{name}_sum" in KNOWN for q, names in ALIASES.items() if q.kind is Kind.HISTOGRAM for name in names)


class Exposing(ContractServer):
    """A NIM that exposes `text` at `path`. Fault besides the base's: `hang` (seconds)."""

    def __init__(self, text: str = NVIDIA, path: str = "/v1/metrics", **options: Any) -> None:
        self.text = text
        self.path = path
        super().__init__(**options)

    def answer(self, request: Received) -> Answer:
        if self.faults.get("hang"):
            self.released.wait(self.faults["hang"])
        if request.path == self.path:
            return Answer(body=self.text.encode(), content_type="text/plain; version=0.0.4")
        return Answer.of({"detail": "Not Found"}, 404)


@pytest.fixture
def nim() -> Iterator[Exposing]:
    server = Exposing()
    yield server
    server.close()


def reader(*urls: str, limit_s: float = 3.0) -> MetricsReader:
    targets = [MetricsTarget(name=f"nim{at}", label=f"NIM {at}", url=url, setting="X") for at, url in enumerate(urls)]
    return MetricsReader(targets, limit_s=limit_s)


def test_a_nim_is_read_at_either_path(nim: Exposing) -> None:
    for path in ("/v1/metrics", "/metrics"):
        nim.path = path
        (found,) = reader(nim.url).read()
        assert found.is_exposed
        assert value(Quantity.RUNNING, found) == 3


def test_a_nim_without_metrics_reads_not_exposed(nim: Exposing) -> None:
    nim.path = "/elsewhere"
    (found,) = reader(nim.url).read()
    assert (found.is_exposed, found.why) == (False, "not exposed")
    assert [each.path for each in nim.received] == ["/v1/metrics", "/metrics"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!doctype html><p>hello", "not Prometheus text"),
        ("some_other_thing 5\n", "not exposed under any name"),
        ("", "not exposed under any name"),
    ],
)
def test_something_else_at_that_path_is_told(text: str, why: str, nim: Exposing) -> None:
    nim.text = text
    (found,) = reader(nim.url).read()
    assert not found.is_exposed
    assert why in found.why


def test_refusals_and_dead_nims_are_told_without_addresses(nim: Exposing) -> None:
    nim.switch(status=403)
    refused, dead = reader(nim.url, "http://127.0.0.1:9").read()
    assert refused.why == "not exposed (status 403)"
    assert "refused the connection" in dead.why
    assert "127.0.0.1" not in refused.why + dead.why


def test_a_nim_that_hangs_does_not_keep_the_others_from_being_read(nim: Exposing) -> None:
    with Exposing(hang=30) as hanging:
        slow, quick = reader(hanging.url, nim.url, limit_s=0.5).read()
    assert quick.is_exposed
    assert "did not answer within" in slow.why


def test_only_nims_of_ones_own_are_read() -> None:
    everything = {"nim_embed_url": "http://e", "nim_rerank_url": "http://r/v1/"}
    local = own_nims(load_settings(None, nim_mode="local", nim_maisi_url="", **everything))
    assert [each.name for each in local] == ["vista3d", "vila_m3", "llm", "embed", "rerank"]
    assert [each.url for each in local][-3:] == ["http://localhost:8520", "http://e", "http://r"]
    assert own_nims(load_settings(None, nim_mode="mock", **everything)) == ()
    assert [each.name for each in own_nims(load_settings(None, nim_mode="cloud", nim_embed_url="http://e"))] == [
        "embed"
    ]


def test_in_mock_mode_nothing_is_read_and_the_page_says_so() -> None:
    assert reader().read() == ()
    assert "nothing to read" in metrics_html(NimMetrics(reader().read).look())


def test_a_reading_is_shared_by_all_who_ask_within_its_time(nim: Exposing) -> None:
    metrics = NimMetrics(reader(nim.url).read, kept_s=60)
    asking = [threading.Thread(target=metrics.look) for _ in range(20)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert len(nim.received) == 1


def test_the_course_grows_with_each_reading_and_is_bounded(nim: Exposing) -> None:
    metrics = NimMetrics(reader(nim.url).read, kept_s=0, most_kept=3)
    for running in range(5):
        nim.text = f"num_requests_running {running}\n"
        (told,) = metrics.look()
    (row,) = [row for row in told.rows if row.quantity is Quantity.RUNNING]
    assert (row.latest, row.course) == (4, (2, 3, 4))


def test_the_page_shows_numbers_a_line_and_not_exposed(nim: Exposing) -> None:
    metrics = NimMetrics(reader(nim.url, "http://127.0.0.1:9").read, kept_s=0)
    metrics.look()
    shown = metrics_html(metrics.look())
    assert "50.0\u202f%" in shown
    assert shown.count("<polyline") >= 3
    assert "not exposed" in shown
    assert 'data-exposed="false"' in shown


def test_a_sparkline_leaves_gaps_and_never_leaves_its_box() -> None:
    line = sparkline([1.0, 2.0, None, 4.0, 0.0])
    assert line.count("<polyline") == 2
    points = [
        tuple(map(float, pair.split(",")))
        for piece in line.split('points="')[1:]
        for pair in piece.split('"')[0].split()
    ]
    assert all(0 <= x <= 120 and 0 <= y <= 20 for x, y in points)
    assert sparkline([1.0]) == ""
    assert "NaN" not in sparkline([0.0, 0.0])
