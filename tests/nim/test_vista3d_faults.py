"""Every fault of the contract: which error, in which words, with which cure, and whether a mock stands in."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract_server import Vista3dNim
from tests.made import in_process
from tests.nim.made import CLOCK, SHAPE, a_client, a_request
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.organs import LABEL_BY_NAME
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.nim.exchange import ExchangeUrl
from workbench.nim.patience import Timeouts
from workbench.nim.stand_ins import Vista3dStandIn
from workbench.nim.vista3d import Vista3d
from workbench.nim.with_stand_in import WithStandIn

LIVER = LABEL_BY_NAME["liver"]
GONE = "The model has reached its end of life on 2026-08-25T09:00:00Z"
FAULTS: list[tuple[dict[str, Any], type[NimError], str, str]] = [
    ({"starting_calls": 99}, NimUnavailable, "still loading", "available"),
    ({"hang": 60}, NimUnavailable, "did not answer within", "smaller volume"),
    ({"reset": True}, NimUnavailable, "connection to VISTA-3D broke", "docker logs"),
    ({"status": 401, "body": {"title": "Unauthorized"}}, NimUnavailable, "refused.*401.*Unauthorized", "gateway"),
    ({"status": 402, "body": {"detail": "no credits"}}, NimUnavailable, "credit", "own"),
    ({"status": 403, "body": {"detail": "Authorization failed"}}, NimUnavailable, "Authorization failed", "gateway"),
    ({"status": 404, "body": "404 page not found"}, NimUnavailable, "not a VISTA-3D NIM", "VISTA3D_URL"),
    ({"status": 410, "body": {"title": "Gone", "detail": GONE}}, NimUnavailable, "end of life on 2026", "yourself"),
    ({"status": 429, "body": {"title": "Too Many Requests"}}, NimUnavailable, "429", "again"),
    ({"status": 502, "body": "<html>Bad Gateway</html>"}, NimUnavailable, "gateway.*502.*Bad Gateway", "gateway"),
    ({"status": 504}, NimUnavailable, "gave up waiting", "timeout"),
    ({"status": 400, "body": {"error_msg": [{"msg": "bad input"}]}}, NimRejected, "400.*bad input", ""),
    ({"status": 422, "body": {"detail": "Invalid Image URL"}}, NimRejected, "Invalid Image URL", "DOMAIN_WHITELIST"),
    (
        {"status": 422, "body": {"detail": [{"loc": ["body", "image"], "msg": "Field required", "type": "missing"}]}},
        NimRejected,
        "body.image: Field required",
        "",
    ),
    ({"https_only": True}, NimRejected, "Only https", "IMAGE_URI_HTTPS_ONLY"),
    ({"refuse_label": True}, NimRejected, "Undefined label prompt", "structures by name"),
    ({"out_of_memory": True}, NimRejected, "CUDA out of memory", "crop"),
    ({"no_fetch": True}, NimRejected, "could not be downloaded", "IMAGING_NIM_EXCHANGE_URL"),
    ({"status": 500, "body": {"detail": "x"}}, NimRejected, "500", "IMAGING_NIM_EXCHANGE_LISTEN"),
    ({"status": 500}, NimReplyInvalid, "without saying why", "log"),
    ({"status": 302, "headers": {"Location": "http://elsewhere/"}}, NimReplyInvalid, "302", "redirect"),
    ({"html": True}, NimReplyInvalid, "web page.*Welcome to nginx", "base URL"),
    ({"json": True}, NimReplyInvalid, "written to the mount", "base URL"),
    ({"status": 200}, NimReplyInvalid, "without content", "log"),
    ({"status": 200, "body": "PK nonsense"}, NimReplyInvalid, "damaged", ""),
    ({"truncated": True}, NimReplyInvalid, "damaged or cut short", "again"),
    ({"zip_escape": "only"}, NimReplyInvalid, "holds no mask", ""),
    ({"two_masks": True}, NimReplyInvalid, "holds 2", ""),
    ({"bomb": True}, NimReplyInvalid, "unpacks to more", ""),
    ({"wrong_grid": True}, NimReplyInvalid, "20 x 18 x 15.*20 x 18 x 15", ""),
    ({"values": 140}, NimReplyInvalid, "no structure of VISTA-3D: 140", "VISTA3D_URL"),
]


def _name(fault: tuple[dict[str, Any], type[NimError], str, str]) -> str:
    return " ".join(f"{name}={value}"[:30] for name, value in fault[0].items() if name != "body")


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{_name(each)} {at}" for at, each in enumerate(FAULTS)])
def test_each_fault_has_its_own_words_and_only_an_unusable_nim_is_stood_in_for(
    nim: Vista3dNim, exchange: ExchangeUrl, tmp_path: Path, fault: tuple[dict[str, Any], type[NimError], str, str]
) -> None:
    switches, kind, words, cure = fault
    client = a_client(nim.url, tmp_path, exchange, Timeouts(answer_s=1.0, loading_waits_s=(0.01,)))
    nim.switch(**switches)
    with pytest.raises(kind, match=words) as raised:
        client.run(a_request(tmp_path))
    assert cure in (raised.value.hint or "")
    _is_clean(f"{raised.value.message} {raised.value.hint}", nim)

    nim.switch(**switches)
    either = WithStandIn[SegmentationRequest, Segmentation](client, _stand_in())
    if kind is NimUnavailable:
        answer = either.run(_with_truth(tmp_path))
        assert answer.is_mock
        assert answer.provenance.stands_in_because == raised.value.message
    else:
        with pytest.raises(kind):
            either.run(_with_truth(tmp_path))


def _stand_in() -> Vista3dStandIn:
    return Vista3dStandIn(clock=CLOCK, run_in_worker=in_process)


def _with_truth(folder: Path) -> SegmentationRequest:
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[3:9, 3:9, 3:9] = LIVER
    return a_request(folder, truth=truth)


def _is_clean(text: str, nim: Vista3dNim) -> None:
    assert all(each.json()["image"].rpartition("/")[2].removesuffix(".nii.gz") not in text for each in nim.posts()), (
        "the exchange name stands in the message"
    )
    assert "Traceback" not in text


def test_a_refused_connection_cannot_be_used(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = a_client(url, tmp_path)
        with pytest.raises(NimUnavailable, match="refused the connection") as raised:
            client.run(a_request(tmp_path))
        assert "IMAGING_NIM_VISTA3D_URL" in (raised.value.hint or "")
        answer = WithStandIn[SegmentationRequest, Segmentation](client, _stand_in()).run(_with_truth(tmp_path))
    assert answer.provenance.stands_in_because == raised.value.message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://no-such-host.invalid:8530", "host name"),
        ("ftp://127.0.0.1", "address set"),
        ("localhost:8530", "address set"),
        ("http://[broken", "host name"),
    ],
)
def test_an_address_that_leads_nowhere_says_what_is_wrong_with_it(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(NimUnavailable, match=words) as raised:
        a_client(url, tmp_path).run(a_request(tmp_path))
    assert "IMAGING_NIM_VISTA3D_URL" in (raised.value.hint or "")


def test_a_refused_request_is_never_answered_by_a_mock_though_it_could(nim: Vista3dNim, tmp_path: Path) -> None:
    nim.switch(out_of_memory=True)
    either = WithStandIn[SegmentationRequest, Segmentation](a_client(nim.url, tmp_path), _stand_in())
    with pytest.raises(NimRejected):
        either.run(_with_truth(tmp_path))


def test_a_hang_before_fetching_hints_at_the_exchange(nim: Vista3dNim, exchange: ExchangeUrl, tmp_path: Path) -> None:
    nim.switch(hang=60)
    with pytest.raises(NimUnavailable) as raised:
        a_client(nim.url, tmp_path, exchange, Timeouts(answer_s=0.3)).run(a_request(tmp_path))
    assert raised.value.timed_out
    assert "IMAGING_NIM_EXCHANGE_URL" in (raised.value.hint or "")


@pytest.mark.parametrize("form", ["nrrd", "nii", "nii.gz"])
def test_a_bare_mask_is_read_like_a_zip(nim: Vista3dNim, client: Vista3d, tmp_path: Path, form: str) -> None:
    zipped = client.run(a_request(tmp_path, labels=(LIVER, 3)))
    nim.switch(bare=form)
    bare = client.run(a_request(tmp_path, labels=(LIVER, 3)))
    assert np.array_equal(bare.labels, zipped.labels)


@pytest.mark.parametrize("switches", [{"response_member": True}, {"zip_escape": "too"}, {"reoriented": True}])
def test_what_does_not_change_the_mask_does_not_change_the_result(
    nim: Vista3dNim, client: Vista3d, tmp_path: Path, switches: dict[str, Any]
) -> None:
    plain = client.run(a_request(tmp_path, labels=(LIVER, 3)))
    nim.switch(**switches)
    again = client.run(a_request(tmp_path, labels=(LIVER, 3)))
    assert np.array_equal(again.labels, plain.labels)
    assert again.provenance.sha256 == plain.provenance.sha256
    assert not list(tmp_path.rglob("escape*"))


def test_an_empty_mask_is_a_normal_answer_with_an_explanation(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(empty_mask=True)
    result = client.run(a_request(tmp_path, labels=(LIVER,)))
    assert not result.labels.any()
    assert result.not_found == (LIVER,)
    assert "normal answer" in result.warnings[0]


def test_not_evaluated_is_background_and_its_share_is_told(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(not_evaluated=540)
    result = client.run(a_request(tmp_path, points={LIVER: ((9, 9, 9),)}))
    assert not (result.labels == 255).any()
    assert "540 voxels (10.0 % of the scan)" in result.warnings[0]


def test_a_zero_shot_value_that_was_not_clicked_is_refused(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    nim.switch(values=201)
    with pytest.raises(NimReplyInvalid, match="201"):
        client.run(a_request(tmp_path, points={200: ((9, 9, 9),)}))


def test_ids_keys_addresses_and_paths_in_a_nims_words_are_not_shown(
    nim: Vista3dNim, client: Vista3d, tmp_path: Path
) -> None:
    detail = (
        "Function '1b4e28ba-2fa1-11d2-883f-0016d3cca427': Not found for account 'abcdEFGH12345678' "
        "key nvapi-abc_DEF-123 "
        "at http://10.1.2.3:9000/v1 in /opt/nim/app/server.py\x1b[31m\u202e" + "very long " * 60
    )
    nim.switch(status=400, body={"detail": detail})
    with pytest.raises(NimRejected) as raised:
        client.run(a_request(tmp_path))
    said = raised.value.message
    for private in ("1b4e28ba", "abcdEFGH", "nvapi-abc", "10.1.2.3", "/opt/nim", "\x1b", "\u202e"):
        assert private not in said
    assert "Not found for account" in said
    assert len(said) < 400


def test_the_exchange_name_echoed_by_the_nim_is_not_shown(nim: Vista3dNim, client: Vista3d, tmp_path: Path) -> None:
    original = nim.answer

    def echo(request: Any) -> Any:
        nim.switch(status=400, body={"detail": f"cannot open {request.json()['image'].rpartition('/')[2]}"})
        nim.received.pop()
        return nim.respond(request)

    nim.answer = echo  # type: ignore[method-assign]
    with pytest.raises(NimRejected, match="cannot open") as raised:
        client.run(a_request(tmp_path))
    _is_clean(raised.value.message, nim)
    nim.answer = original  # type: ignore[method-assign]
