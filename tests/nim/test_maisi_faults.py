"""Every fault of MAISI's contract: which error, in which words, with which cure, and nothing half-stored."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract_server import MaisiNim
from tests.made import in_process
from tests.nim.made import CLOCK
from tests.nim.maisi_made import SMALL, a_maisi, an_order, left_in
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.synthesis import Synthesis, SynthesisOrder
from workbench.nim.maisi_stand_in import MaisiStandIn
from workbench.nim.patience import Timeouts
from workbench.nim.with_stand_in import WithStandIn

FAULTS: list[tuple[dict[str, Any], type[NimError], str, str]] = [
    ({"starting_calls": 99}, NimUnavailable, "still loading", "available"),
    ({"hang": 60}, NimUnavailable, "did not answer within", "IMAGING_NIM_MAISI_TIMEOUT_S"),
    ({"reset": True}, NimUnavailable, "connection to MAISI broke", "docker logs"),
    ({"status": 401, "body": {"title": "Unauthorized"}}, NimUnavailable, "refused.*401", "gateway"),
    ({"status": 404, "body": "404 page not found"}, NimUnavailable, "not a MAISI NIM", "IMAGING_NIM_MAISI_URL"),
    ({"status": 410, "body": {"title": "Gone"}}, NimUnavailable, "end of life", "yourself"),
    ({"status": 502, "body": "<html>Bad Gateway</html>"}, NimUnavailable, "gateway.*502", "gateway"),
    ({"status": 504}, NimUnavailable, "gave up waiting", "timeout"),
    ({"status": 400, "body": {"detail": "Bad size"}}, NimRejected, "400.*Bad size", "it is kept"),
    (
        {"status": 422, "body": {"detail": [{"loc": ["body", "spacing"], "msg": "Too small", "type": "x"}]}},
        NimRejected,
        "body.spacing: Too small",
        "send it again",
    ),
    ({"out_of_memory": True}, NimRejected, "out of GPU memory for 256 x 256 x 128", "14 to 14 GB are published"),
    ({"no_candidates": True}, NimRejected, "Cannot find body region", "fewer anatomies"),
    ({"status": 500, "body": {"detail": "Timeout reached"}}, NimRejected, "Timeout reached", "GENERATE_IMAGE_TIMEOUT"),
    ({"status": 500}, NimReplyInvalid, "without saying why", "log"),
    ({"status": 302, "headers": {"Location": "http://elsewhere/"}}, NimReplyInvalid, "302", "redirect"),
    ({"status": 500, "body": "<html>nginx</html>"}, NimReplyInvalid, "web page", "MAISI_URL"),
    ({"html": True}, NimReplyInvalid, "web page.*Welcome to nginx", "MAISI_URL"),
    (
        {"json": True},
        NimReplyInvalid,
        "message instead of a volume.*written to the working",
        "open the files under Segment",
    ),
    ({"json_odd": True}, NimReplyInvalid, "message instead of a volume.*uploaded to the signed", "upload address"),
    ({"status": 200}, NimReplyInvalid, "without content", "log"),
    ({"status": 200, "body": "PK nonsense"}, NimReplyInvalid, "damaged or cut short", "again"),
    ({"status": 200, "body": "nonsense"}, NimReplyInvalid, "no zip", "MAISI_URL"),
    ({"truncated": True}, NimReplyInvalid, "damaged or cut short", "again"),
    ({"only_image": True}, NimReplyInvalid, "an image without its label map", "again"),
    ({"only_label": True}, NimReplyInvalid, "a label map without its image", "again"),
    ({"no_pairs": True}, NimReplyInvalid, "no image and label map", "again"),
    ({"zip_escape": "only"}, NimReplyInvalid, "no image and label map", "again"),
    ({"twice": True}, NimReplyInvalid, "two files for one sample", ""),
    ({"more": True}, NimReplyInvalid, "holds 2 samples; 1 were asked for", ""),
    ({"bomb": True}, NimReplyInvalid, "512 x 512 x 128", ""),
    ({"other_grid": True}, NimReplyInvalid, "lies on another grid than the CT", ""),
    ({"beyond": 140}, NimReplyInvalid, "neither places in the list.*140", "again"),
    ({"beyond": 5}, NimReplyInvalid, "neither places in the list", "again"),
    ({"fractions": True}, NimReplyInvalid, "fractions", ""),
    ({"grey": True}, NimReplyInvalid, "8 bits cannot hold Hounsfield", ""),
]


@pytest.fixture
def nim() -> Iterator[MaisiNim]:
    server = MaisiNim()
    yield server
    server.close()


def _name(fault: tuple[dict[str, Any], type[NimError], str, str]) -> str:
    return " ".join(f"{name}={value}"[:30] for name, value in fault[0].items() if name != "body")


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{_name(each)} {at}" for at, each in enumerate(FAULTS)])
def test_each_fault_has_its_own_words_and_leaves_nothing_behind(
    nim: MaisiNim, tmp_path: Path, fault: tuple[dict[str, Any], type[NimError], str, str]
) -> None:
    switches, kind, words, cure = fault
    patience = 0.5 if "hang" in switches else 30.0
    client = a_maisi(nim.url, tmp_path, Timeouts(answer_s=patience, loading_waits_s=(0.01,)))
    nim.switch(**switches)
    with pytest.raises(kind, match=words) as raised:
        client.run(an_order(tmp_path))
    assert type(raised.value).__name__ not in ("NimError", "WorkbenchError")
    assert cure in (raised.value.hint or "")
    assert str(tmp_path) not in f"{raised.value.message} {raised.value.hint}"
    assert left_in(tmp_path) == []


def test_a_value_beyond_the_list_in_one_sample_condemns_the_whole_answer(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(beyond=99)
    with pytest.raises(NimReplyInvalid, match="99"):
        a_maisi(nim.url, tmp_path, Timeouts(answer_s=60)).run(an_order(tmp_path, SMALL.with_(num_output_samples=2)))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("switches", "stands_in"), [({"starting_calls": 99}, True), ({"out_of_memory": True}, False)])
def test_a_mock_stands_in_only_where_maisi_cannot_be_used(
    nim: MaisiNim, tmp_path: Path, switches: dict[str, Any], stands_in: bool
) -> None:
    nim.switch(**switches)
    client = a_maisi(nim.url, tmp_path, Timeouts(answer_s=30, loading_waits_s=(0.01,)))
    stand_in = MaisiStandIn(clock=CLOCK, run_in_worker=in_process)
    either = WithStandIn[SynthesisOrder, Synthesis](client, stand_in)
    if not stands_in:
        with pytest.raises(NimRejected):
            either.run(an_order(tmp_path))
        return
    answer = either.run(an_order(tmp_path))
    (sample,) = answer.samples
    assert "still loading" in (sample.provenance.stands_in_because or "")
    assert sample.provenance.mark == "MOCK SYNTHETIC"


def test_a_refused_connection_cannot_be_used(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        with pytest.raises(NimUnavailable, match="MAISI refused the connection") as raised:
            a_maisi(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path).run(an_order(tmp_path))
    assert "IMAGING_NIM_MAISI_URL" in (raised.value.hint or "")
