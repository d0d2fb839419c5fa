"""The deployment record: what is known and how, when it becomes another one, and what it never holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.made import STAMP
from workbench.cases.record_shelf import RecordShelf
from workbench.domain.clock import Clock
from workbench.domain.errors import NotFound
from workbench.domain.nim import ROUTED, NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import FIELDS, Known, Operator, Purpose, observed
from workbench.ui.records import record_html
from workbench.usecases.record_text import record_markdown
from workbench.usecases.review_record import ReviewRecords


def status(service=Service.VISTA3D, **changes):
    up = NimStatus(
        service=service,
        state=State.AVAILABLE,
        published_state=State.AVAILABLE,
        url=f"http://nims:85/{service.value}",
        detail="ready",
        model="vista3d",
        version="0.5.7",
        latency_ms=3.0,
    )
    return replace(up, **changes)


def down(service=Service.VISTA3D, **changes):
    gone = {"state": State.UNAVAILABLE, "published_state": State.MOCK, "model": None, "version": None}
    return status(service, **{**gone, **changes})


def made(version="0.5.7"):
    return Provenance(origin=Origin.LOCAL, model="vista3d", version=version, created_at=STAMP)


class World:
    """NIMs that the tests change, and the records kept of them."""

    def __init__(self, folder, operator=None):
        self.folder = folder
        self.operator = operator or Operator()
        self.seen = {service: status(service) for service in ROUTED}
        self.described = {}
        self.asked = []
        self.restart()

    def restart(self):
        self.records = ReviewRecords(
            statuses=lambda mode: tuple(self.seen.values()),
            describe=self.describe,
            operator=self.operator,
            shelf=RecordShelf(self.folder),
            clock=Clock(),
        )

    def describe(self, service):
        self.asked.append(service)
        return self.described.get(service, {})

    def now(self):
        return self.records.current("local")

    def fact(self, name, service=Service.VISTA3D):
        return next(each for each in self.now().services if each.service == service.value).fields[name]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "deployment")


def test_every_service_has_every_field_and_each_says_how_it_is_known(world):
    told = world.now().to_json()
    assert [each["name"] for each in told["services"]] == ["vista3d", "maisi", "vila_m3", "llm"]
    for each in told["services"]:
        assert list(each["fields"]) == list(FIELDS)
        assert {fact["known"] for fact in each["fields"].values()} <= {"observed", "declared", "unknown"}
        assert all((fact["known"] == "unknown") == (fact["value"] is None) for fact in each["fields"].values())


def test_what_a_probe_saw_says_which_and_when(world):
    fact = world.fact("model_version")
    assert (fact.value, fact.known) == ("0.5.7", Known.OBSERVED)
    assert fact.by
    assert fact.at


def test_what_only_the_operator_knows_is_declared_and_the_rest_unknown(tmp_path):
    world = World(
        tmp_path, Operator(facts={"vista3d": {"gpu": "one L40S", "container_settings": {"NGC_API_KEY": "set"}}})
    )
    assert (world.fact("gpu").text, world.fact("gpu").known) == ("one L40S", Known.DECLARED)
    assert world.fact("container_settings").text == "NGC_API_KEY=set"
    assert world.fact("image").known is Known.UNKNOWN
    assert world.fact("image").text == ""


def test_what_is_observed_stands_and_what_was_declared_otherwise_beside_it(tmp_path):
    world = World(tmp_path, Operator(facts={"vista3d": {"model_version": "0.5.6", "model_id": "vista3d"}}))
    fact = world.fact("model_version")
    assert (fact.value, fact.declared, fact.known) == ("0.5.7", "0.5.6", Known.OBSERVED)
    assert world.fact("model_id").declared is None
    assert "declared otherwise: 0.5.6" in record_markdown(world.now(), ())


def test_the_same_deployment_keeps_its_id_whatever_the_time_and_the_load(world):
    first = world.now()
    world.seen[Service.VISTA3D] = status(latency_ms=900.0, detail="ready, slowly")
    assert world.now().id == first.id
    assert len(world.records.history("local")) == 1


def test_a_nim_that_is_down_for_a_while_is_the_same_deployment(world):
    first = world.now()
    world.seen[Service.VISTA3D] = down()
    assert world.now().id == first.id
    assert world.fact("model_version").value == "0.5.7"
    assert world.fact("health").value == "unavailable"
    world.restart()
    assert world.now().id == first.id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0.6.0"}, ("version", "0.5.7", "0.6.0")),
        ({"model": "vista3d-next"}, ("model", "vista3d-next")),
        ({"url": "http://other:85/vista3d"}, ("endpoint", "http://other:85/vista3d")),
    ],
)
def test_another_model_version_or_endpoint_is_another_record_and_is_told(world, change, words):
    first = world.now()
    world.seen[Service.VISTA3D] = status(**change)
    second = world.now()
    assert second.id != first.id
    assert second.previous == first.id
    (told,) = second.changes
    for word in ("VISTA-3D", *words):
        assert word in told
    assert told.replace("<", "") in record_html(second, ())
    assert world.records.get(first.id).to_json() == first.to_json()
    assert [each.id for each in world.records.history("local")] == [second.id, first.id]
    assert world.now().changes == second.changes


def test_a_change_while_the_workbench_was_off_is_told_at_its_next_start(world):
    first = world.now()
    world.seen[Service.VISTA3D] = status(version="0.6.0")
    world.restart()
    assert world.now().previous == first.id
    assert world.now().changes


def test_learning_more_is_another_record_and_no_change_to_warn_of(world):
    world.seen[Service.LLM] = down(Service.LLM)
    first = world.now()
    world.seen[Service.LLM] = status(Service.LLM, model="meta/llama3-8b-instruct", version=None)
    second = world.now()
    assert second.id != first.id
    assert second.changes == ()


def test_what_the_nim_says_of_itself_is_in_the_record_and_asked_only_where_it_is_there(world):
    world.seen = {Service.VISTA3D: status(), Service.LLM: down(Service.LLM)}
    world.described = {Service.VISTA3D: {"engine": observed("vLLM", by="GET /v1/metrics", at=STAMP)}}
    assert world.fact("engine").value == "vLLM"
    assert set(world.asked) == {Service.VISTA3D}


def test_a_result_names_the_record_it_was_made_under(world):
    made_under = world.records.under("local", status(), made())
    assert made_under == world.now().id
    assert world.records.under("local", status(version="0.6.0"), made(version="0.6.0")) != made_under


def test_a_result_whose_nim_no_probe_saw_in_time_names_the_record_that_knows_its_version(world):
    world.seen[Service.VISTA3D] = down()
    made_under = world.records.under("local", down(), made())
    world.seen[Service.VISTA3D] = status()
    assert world.now().id == made_under
    mocked = replace(made(), origin=Origin.MOCK, model="mock VISTA-3D", version="0.1.0")
    assert world.records.under("local", down(), mocked) == made_under


def test_each_mode_has_its_own_record_and_demonstrating_one_changes_no_other(world):
    local = world.now()
    world.seen = {s: down(s, url=None, state=State.MOCK) for s in ROUTED}
    mock = world.records.current("mock")
    assert mock.id != local.id
    assert mock.changes == ()
    assert [each.id for each in world.records.history("local")] == [local.id]


def test_a_password_in_an_address_is_in_no_form_of_the_record(world):
    world.seen[Service.VISTA3D] = status(url="http://anna:geheim@nims:85/v1?token=geheim")
    record = world.now()
    for text in (json.dumps(record.to_json()), record_markdown(record, ()), record_html(record, ())):
        assert "geheim" not in text
        assert "nims:85" in text


def test_what_a_nim_calls_itself_cannot_break_the_page_or_the_table(world):
    world.seen[Service.VISTA3D] = status(model="<script>alert(1)</script> | x\n# y")
    record = world.now()
    assert "<script" not in record_html(record, ())
    text = record_markdown(record, ())
    assert r"\<script\>" in text
    assert "\n# y" not in text


def test_purposes_are_in_the_record_and_changing_them_is_told(world):
    first = world.now()
    assert world.fact("allowed_purpose").text == "segmentation"
    world.operator = Operator(purposes={"vista3d": (Purpose.SEGMENTATION, Purpose.RETRIEVAL)})
    world.restart()
    assert world.now().previous == first.id
    assert "allowed purpose" in world.now().changes[0]


def test_an_unknown_record_is_not_found(world):
    for name in ("0" * 32, "../../secret", ""):
        with pytest.raises(NotFound):
            world.records.get(name)


def test_a_damaged_history_is_begun_anew_and_told(world, caplog):
    world.now()
    (world.folder / "history.json").write_text("{")
    world.restart()
    assert world.now().previous is None
    assert "history" in caplog.text
