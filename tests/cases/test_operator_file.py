"""The operator's YAML is read strictly, and keys never get into the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.cases.operator_file import read_operator_file
from workbench.domain.errors import ConfigurationError
from workbench.domain.nim import Service
from workbench.domain.records import FIELDS, NOT_DECLARED, Purpose


@pytest.fixture
def reading(tmp_path):
    def read(text):
        path = tmp_path / "operator.yaml"
        path.write_text(text, "utf-8")
        return read_operator_file(path)

    return read


WHOLE = """
services:
  vista3d:
    purposes: [segmentation]
    image: nvcr.io/nim/nvidia/vista3d:1.0.0
    gpu: one L40S, 48 GB
    tracing: false
    container_settings:
      NIM_HTTP_MAX_WORKERS: 1
      CUDA_VISIBLE_DEVICES: "0"
      DOMAIN_WHITELIST: '["intern.example"]'
      NGC_API_KEY: 12345678
    update_channel: pinned
  llm:
    purposes: [retrieval, chat]
"""


def test_what_is_declared_is_read(reading):
    declared = reading(WHOLE)
    facts = declared.facts["vista3d"]
    assert facts["image"] == "nvcr.io/nim/nvidia/vista3d:1.0.0"
    assert (facts["gpu"], facts["tracing"], facts["update_channel"]) == ("one L40S, 48 GB", False, "pinned")
    assert declared.purposes_of("vista3d") == (Purpose.SEGMENTATION,)
    assert declared.purposes_of("llm") == (Purpose.CHAT, Purpose.RETRIEVAL)


def test_container_settings_show_values_only_where_they_are_harmless(reading):
    assert reading(WHOLE).facts["vista3d"]["container_settings"] == {
        "NIM_HTTP_MAX_WORKERS": 1,
        "CUDA_VISIBLE_DEVICES": "0",
        "DOMAIN_WHITELIST": "set",
        "NGC_API_KEY": "set",
    }


def test_a_list_of_setting_names_is_enough(reading):
    read = reading("services: {maisi: {container_settings: [NIM_LOG_LEVEL, NGC_API_KEY]}}")
    assert read.facts["maisi"]["container_settings"] == {"NIM_LOG_LEVEL": "set", "NGC_API_KEY": "set"}


@pytest.mark.parametrize("service", [each.value for each in Service])
def test_without_a_file_each_service_has_its_obvious_purpose(service):
    (purpose,) = read_operator_file(None).purposes_of(service)
    assert (
        purpose.value
        == {
            "vista3d": "segmentation",
            "maisi": "generation",
            "vila_m3": "image-questions",
            "llm": "chat",
            "embed": "retrieval",
            "rerank": "retrieval",
        }[service]
    )


def test_an_empty_list_allows_nothing(reading):
    assert reading("services: {llm: {purposes: []}}").purposes_of("llm") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {vista3D: {}}", ("vista3D", "vista3d")),
        ("services: {vista3d: {imagge: x}}", ("imagge", "image")),
        ("services: {vista3d: {purposes: [segmenting]}}", ("segmenting", "segmentation")),
        ("services: {vista3d: {health: fine}}", ("health",)),
        ("servics: {}", ("servics", "services")),
        ("services: [vista3d]", ("services",)),
        ("services: {vista3d: {purposes: 3}}", ("purposes",)),
        ("services: {vista3d: {gpu: {count: 2}}}", ("gpu",)),
        ("services: {", ("YAML", "line")),
        ("services: {vista3d: {image: !!python/object/apply:os.system [ls]}}", ("YAML",)),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cure(reading, text, words):
    with pytest.raises(ConfigurationError) as refused:
        reading(text)
    said = f"{refused.value.message} {refused.value.hint}"
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "value", ["nvapi-abcdefgh", "Bearer abcdefgh", "https://anna:geheim@host/v1", "-----BEGIN PRIVATE KEY-----"]
)
def test_a_value_that_looks_like_a_key_is_refused_and_not_repeated(reading, value):
    with pytest.raises(ConfigurationError) as refused:
        reading(f"services: {{llm: {{deployment_path: '{value}'}}}}")
    assert "llm.deployment_path" in refused.value.message
    assert value not in f"{refused.value.message} {refused.value.hint}"


def test_a_file_that_is_not_there_is_told_without_its_path(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        read_operator_file(tmp_path / "nowhere.yaml")
    assert "IMAGING_OPERATOR_FILE" in (refused.value.hint or "")
    assert str(tmp_path) not in f"{refused.value.message} {refused.value.hint}"


def test_the_example_that_comes_with_the_workbench_is_read_whole():
    declared = read_operator_file(Path(__file__).parents[2] / "assets/deploy/operator.example.yaml")
    assert set(declared.facts["vista3d"]) == set(FIELDS) - NOT_DECLARED - {"model_id", "model_version", "profile"}
    assert declared.purposes["llm"] == (Purpose.CHAT,)


def test_a_huge_file_is_refused(reading):
    with pytest.raises(ConfigurationError, match="64 kB"):
        reading("# " + "x" * 70_000)
