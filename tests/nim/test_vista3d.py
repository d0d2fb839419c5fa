"""The VISTA-3D client against a server that really fetches the image and holds to the contract."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.contract_server import Vista3dNim
from tests.contract_server.vista3d import VERSION, boxes
from tests.nim.made import SHAPE, Watched, a_client, a_request
from workbench.domain.errors import Cancelled, InvalidRequest, NimUnavailable, UnknownOrgan
from workbench.domain.organs import EVERYTHING, LABEL_BY_NAME
from workbench.domain.provenance import Origin
from workbench.nim.exchange import ExchangeUrl
from workbench.nim.patience import Timeouts
from workbench.nim.vista3d import Vista3d

LIVER, SPLEEN = LABEL_BY_NAME["liver"], LABEL_BY_NAME["spleen"]


def test_everything_sends_the_image_and_nothing_else(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    result = client.run(a_request(tmp_path))
    ((body,),) = ([each.json() for each in nim.posts()],)
    assert list(body) == ["image"]
    assert body["image"].endswith(".nii.gz")
    assert result.asked is None
    assert set(np.unique(result.labels)) - {0} == set(EVERYTHING)
    assert result.not_found == ()
    assert len(nim.fetches) == 1


def test_chosen_classes_go_by_name_with_spaces(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    result = client.run(a_request(tmp_path, labels=(LABEL_BY_NAME["left kidney"], LIVER)))
    (post,) = nim.posts()
    assert post.json()["prompts"] == {"classes": ["left kidney", "liver"]}
    assert set(np.unique(result.labels)) == {0, 14, 1}


def test_the_mask_is_the_servers_voxel_for_voxel(client: Vista3d, tmp_path: Path) -> None:
    request = a_request(tmp_path, labels=(LIVER, SPLEEN))
    result = client.run(request)

    class Picture:
        shape = SHAPE

    assert np.array_equal(result.labels, boxes(Picture(), (LIVER, SPLEEN)))  # type: ignore[arg-type]
    assert result.grid.same_as(request.volume.grid)


def test_a_superclass_is_answered_by_its_parts(client: Vista3d, tmp_path: Path) -> None:
    result = client.run(a_request(tmp_path, labels=(2,)))
    assert result.asked == (14, 5)
    assert result.not_found == ()
    assert result.warnings == ()


def test_a_click_goes_by_label_name_with_voxel_indices(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    client.run(a_request(tmp_path, points={LIVER: ((3, 4, 5), (6, 7, 8))}))
    (post,) = nim.posts()
    assert post.json()["prompts"] == {"points": {"liver": [[3, 4, 5], [6, 7, 8]]}}


def test_a_click_may_show_a_structure_beyond_the_dictionary(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    result = client.run(a_request(tmp_path, points={200: ((3, 4, 5),)}))
    assert nim.posts()[0].json()["prompts"] == {"points": {"200": [[3, 4, 5]]}}
    assert (result.labels == 200).any()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"labels": ()}, InvalidRequest),
        ({"labels": (16,)}, UnknownOrgan),
        ({"labels": (133,)}, UnknownOrgan),
        ({"points": {1: ((0, 0, 0),), 3: ((0, 0, 0),)}}, InvalidRequest),
        ({"points": {2: ((0, 0, 0),)}}, InvalidRequest),
        ({"points": {20: ((0, 0, 0),)}}, InvalidRequest),
        ({"points": {21: ((0, 0, 0),)}}, InvalidRequest),
        ({"points": {129: ((0, 0, 0),)}}, UnknownOrgan),
        ({"points": {255: ((0, 0, 0),)}}, UnknownOrgan),
        ({"points": {1: ((0, 0, SHAPE[2]),)}}, InvalidRequest),
        ({"points": {1: ((-1, 0, 0),)}}, InvalidRequest),
        ({"points": {1: ()}}, InvalidRequest),
        ({"points": {1: ((0, 0, 0),)}, "labels": (3,)}, InvalidRequest),
    ],
)
def test_what_vista3d_would_refuse_is_refused_before_anything_is_sent(
    nim: Vista3dNim, client: Vista3d, tmp_path: Path, fields: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.run(a_request(tmp_path, **fields))
    assert nim.received == []


def test_a_structure_asked_for_and_absent_is_listed_as_not_found(
    nim: Vista3dNim, client: Vista3d, tmp_path: Path
) -> None:
    nim.labeller = lambda image, labels: boxes(image, labels[:1])
    result = client.run(a_request(tmp_path, labels=(LIVER, SPLEEN)))
    assert result.not_found == (SPLEEN,)


def test_a_structure_nobody_asked_for_is_kept_and_told(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.labeller = lambda image, labels: boxes(image, (*labels, SPLEEN))
    result = client.run(a_request(tmp_path, labels=(LIVER,)))
    assert (result.labels == SPLEEN).any()
    assert "not asked for" in result.warnings[0]
    assert "spleen" in result.warnings[0]


def test_provenance_says_who_when_what_and_from_what(client: Vista3d, tmp_path: Path) -> None:
    request = a_request(tmp_path, labels=(LIVER,))
    result = client.run(request)
    made = result.provenance
    assert (made.origin, made.model, made.version) == (Origin.LOCAL, "vista3d", VERSION)
    assert made.created_at == "2026-01-15T12:03:00+00:00"
    assert made.inputs == (request.volume.provenance,)
    assert made.parameters == {"labels": [LIVER], "points": 0, "endpoint": "own NIM"}
    assert made.sha256 == hashlib.sha256(result.labels.tobytes(order="F")).hexdigest()
    assert not made.is_mock


def test_a_nim_without_information_has_an_unknown_version(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(no_info=True)
    assert client.run(a_request(tmp_path)).provenance.version == "unknown"


def test_a_nim_that_loads_is_asked_again_and_the_wait_is_told(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(starting_calls=2)
    progress = Watched()
    result = client.run(a_request(tmp_path, progress=progress))
    assert result.provenance.origin is Origin.LOCAL
    assert len(nim.posts()) == 3
    assert any("is loading: next try in" in stage for stage in progress.stages)


def test_retry_after_is_honoured(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(starting_calls=1, retry_after=1)
    progress = Watched()
    client.run(a_request(tmp_path, progress=progress))
    assert any("next try in 1 s" in stage for stage in progress.stages)


def test_a_nim_that_keeps_loading_cannot_be_used(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(starting_calls=99)
    with pytest.raises(NimUnavailable, match="still loading"):
        client.run(a_request(tmp_path))
    assert len(nim.posts()) == 3


@pytest.mark.parametrize(
    "fault", [{"reset": True}, {"hang": 30}, {"status": 502}, {"status": 500, "body": {"detail": "x"}}]
)
def test_what_may_have_run_is_never_sent_twice(
    nim: Vista3dNim, exchange: ExchangeUrl, tmp_path: Path, fault: dict[str, object]
) -> None:
    nim.switch(**fault)
    with pytest.raises(Exception, match="VISTA-3D"):
        a_client(nim.url, tmp_path, exchange, Timeouts(answer_s=0.4)).run(a_request(tmp_path))
    assert len(nim.posts()) == 1


def test_cancelling_ends_a_call_that_hangs(nim: Vista3dNim, exchange: ExchangeUrl, tmp_path: Path) -> None:
    nim.switch(hang=60)
    client = a_client(nim.url, tmp_path, exchange, Timeouts(answer_s=60))
    stop = threading.Event()
    ended = threading.Event()

    class Stoppable:
        def stage(self, name: str, fraction: float | None = None) -> None:
            if stop.is_set():
                raise Cancelled("Stopped.")

    def work() -> None:
        with pytest.raises(Cancelled):
            client.run(a_request(tmp_path, progress=Stoppable()))
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    _until(lambda: bool(nim.posts()))
    stop.set()
    assert ended.wait(5), "the call went on after it was cancelled"
    _until(lambda: not any(each.name == "nim-call" for each in threading.enumerate()))


def test_one_nim_takes_one_volume_at_a_time_and_others_see_their_place(
    nim: Vista3dNim, client: Vista3d, tmp_path: Path
) -> None:
    nim.switch(hang=60)
    request = a_request(tmp_path)
    request.image_file()
    first = threading.Thread(target=client.run, args=(request,), daemon=True)
    first.start()
    _until(lambda: len(nim.posts()) == 1)
    waiting = Watched(stop_at="waiting: 1 before you")
    with pytest.raises(Cancelled):
        client.run(a_request(tmp_path, progress=waiting))
    assert len(nim.posts()) == 1
    nim.released.set()
    first.join(timeout=10)
    client.run(a_request(tmp_path))
    assert len(nim.posts()) == 2


def test_after_the_call_the_volume_is_out_of_reach(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    client.run(a_request(tmp_path))
    address = nim.posts()[0].json()["image"].removeprefix("http://")
    host, _, path = address.partition("/")
    with socket.create_connection((host.split(":")[0], int(host.split(":")[1])), timeout=5) as line:
        line.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 404")


def test_the_name_of_the_file_here_is_not_told(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    client.run(a_request(tmp_path))
    assert "Patient" not in nim.posts()[0].json()["image"]


def _until(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)
