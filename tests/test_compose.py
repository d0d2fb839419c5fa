"""compose.yaml without an engine: the published schema, its variables, ports, files, and what must not be in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from workbench.settings import Settings, env_name, load_settings

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "compose.yaml").read_text("utf-8")
STACK: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
NIMS = {name: each for name, each in SERVICES.items() if name.startswith("nim-")}
WORKBENCHES = {name: each for name, each in SERVICES.items() if name.startswith("workbench-")}
# $$ is a dollar sign; ${NAME}, ${NAME:-default} and the like are variables.
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^}]*))?\}")
EXAMPLE = dict(
    re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), flags=re.MULTILINE)
)
SETTINGS = {env_name(field): field for field in Settings.model_fields}


def code() -> str:
    return "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))


def filled(value: str, environment: dict[str, str] | None = None) -> str:
    """Interpolated as compose does it, for the forms that the file uses."""
    given = environment or {}

    def one(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        if operator == ":-":
            return given.get(name) or default
        return given.get(name, "")

    return VARIABLE.sub(one, value)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [each for part in value.values() for each in strings(part)]
    if isinstance(value, list):
        return [each for part in value for each in strings(part)]
    return [value] if isinstance(value, str) else []


def profile(name: str) -> dict[str, dict[str, Any]]:
    return {each: service for each, service in SERVICES.items() if name in service["profiles"]}


def published(name: str) -> list[tuple[str, int, int]]:
    """(address, port here, port inside) of a service, with no variable set."""
    return [
        (address, int(here), int(inside))
        for each in SERVICES[name].get("ports", [])
        for address, here, inside in [filled(each).rsplit(":", 2)]
    ]


def test_the_file_holds_to_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    found = [f"{'/'.join(map(str, each.path))}: {each.message}" for each in validator(schema).iter_errors(STACK)]
    assert found == []
    wrong = {**STACK, "services": {**SERVICES, "nim-llm": {**SERVICES["nim-llm"], "shm": "16g"}}}
    assert list(validator(schema).iter_errors(wrong)), "the schema accepts a key that does not exist"


def test_every_variable_is_in_the_example_file() -> None:
    used = {match[1] for match in VARIABLE.finditer(code())}
    assert used
    assert used - set(EXAMPLE) == set()


def test_every_stack_variable_of_the_example_file_is_used() -> None:
    used = {match[1] for match in VARIABLE.finditer(code())}
    assert {name for name in EXAMPLE if name.startswith("STACK_")} - used == set()


def test_a_variable_is_a_setting_of_the_workbench_or_is_named_for_the_stack() -> None:
    used = {match[1] for match in VARIABLE.finditer(code())}
    assert {name for name in used if not name.startswith("STACK_")} <= set(SETTINGS)


def test_the_example_file_shows_the_default_that_the_stack_has() -> None:
    defaults = {match[1]: match[3] for match in VARIABLE.finditer(code()) if match[2] == ":-"}
    shared = {"STACK_LLM_URL", "STACK_VISTA3D_URL", "STACK_MAISI_URL", "STACK_VILAM3_URL"}
    assert shared <= set(defaults)
    assert {name: EXAMPLE[name] for name in defaults} == defaults


def test_no_variable_is_read_in_another_form() -> None:
    rest = VARIABLE.sub("", code()).replace("$$", "")
    assert "$" not in rest


@pytest.mark.parametrize("name", sorted(WORKBENCHES))
def test_every_value_given_to_the_workbench_is_a_setting_that_it_accepts(name: str, tmp_path: Path) -> None:
    given = {key: filled(value or "") for key, value in WORKBENCHES[name]["environment"].items()}
    assert set(given) <= set(SETTINGS)
    file = tmp_path / ".env"
    file.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
    settings = load_settings(file)
    assert settings.port == 8524
    assert settings.data_dir == Path("/data")
    assert "workbench-data:/data" in WORKBENCHES[name]["volumes"]
    assert settings.ngc_api_key.get_secret_value() == ""


def test_the_profiles_are_the_published_ones_and_each_has_one_workbench() -> None:
    named = {each for service in SERVICES.values() for each in service["profiles"]}
    assert named == {"lite", "llm", "imaging", "full", "observability"}
    for name in named - {"observability"}:
        assert [each for each in profile(name) if each.startswith("workbench-")] == [f"workbench-{name}"]
        assert "workbench" in SERVICES[f"workbench-{name}"]["networks"]["nims"]["aliases"]


@pytest.mark.parametrize(
    ("name", "nims"),
    [
        ("lite", set()),
        ("llm", {"nim-llm"}),
        ("imaging", {"nim-vista3d", "nim-maisi"}),
        ("full", {"nim-llm", "nim-vista3d", "nim-maisi", "nim-vilam3"}),
        ("observability", set()),
    ],
)
def test_a_profile_starts_its_nims(name: str, nims: set[str]) -> None:
    assert {each for each in profile(name) if each.startswith("nim-")} == nims


def test_a_profile_never_needs_a_service_outside_it() -> None:
    for name, service in SERVICES.items():
        for needed in service.get("depends_on", {}):
            assert set(service["profiles"]) <= set(SERVICES[needed]["profiles"]), f"{name} needs {needed}"


def test_the_ports_are_the_defaults_of_the_settings() -> None:
    settings = load_settings(None)
    for name, url in {
        "nim-llm": settings.nim_llm_url,
        "nim-vista3d": settings.nim_vista3d_url,
        "nim-maisi": settings.nim_maisi_url,
        "nim-vilam3": settings.nim_vilam3_url,
    }.items():
        port = int(url.removesuffix("/v1").rpartition(":")[2])
        assert published(name) == [("127.0.0.1", port, 8000)]
    for name in WORKBENCHES:
        assert ("127.0.0.1", settings.port, 8524) in published(name)


def test_nothing_is_published_beyond_this_machine_unless_told() -> None:
    assert {address for name in SERVICES for address, _, _ in published(name)} == {"127.0.0.1"}


def test_no_two_services_of_one_profile_publish_the_same_port() -> None:
    watched = profile("observability")
    for name in ("lite", "llm", "imaging", "full"):
        here = [port for each in {**profile(name), **watched} for _, port, _ in published(each)]
        assert len(here) == len(set(here)), name


@pytest.mark.parametrize("name", ["imaging", "full"])
def test_vista3d_can_fetch_from_the_workbench(name: str) -> None:
    given = {key: filled(value or "") for key, value in SERVICES[f"workbench-{name}"]["environment"].items()}
    host, port = given["IMAGING_NIM_EXCHANGE_LISTEN"].split(":")
    assert host == "0.0.0.0"  # noqa: S104 - inside the container; only the stack's network reaches it
    assert given["IMAGING_NIM_EXCHANGE_URL"] == f"http://workbench:{port}"
    assert given["IMAGING_NIM_VISTA3D_URL"] == "http://nim-vista3d:8000"
    asked = SERVICES["nim-vista3d"]
    assert set(asked["networks"]) & set(SERVICES[f"workbench-{name}"]["networks"])
    assert f"http://workbench:{port}" in json.loads(asked["environment"]["DOMAIN_WHITELIST"])
    assert ".nii.gz" in json.loads(asked["environment"]["SUPPORTED_IMAGE_EXT"])
    assert asked["environment"]["IMAGE_URI_HTTPS_ONLY"] == "False"


@pytest.mark.parametrize("name", sorted(WORKBENCHES))
def test_every_url_inside_the_stack_names_a_service_of_the_same_profile_and_network(name: str) -> None:
    service = WORKBENCHES[name]
    (own,) = service["profiles"]
    hosts = [
        match[1]
        for key, value in service["environment"].items()
        if key.endswith(("_URL", "_URI")) and (match := re.match(r"http://([\w-]+):", filled(value or "")))
    ]
    for host in set(hosts) - {"workbench"}:
        assert host in profile(own)
        assert set(SERVICES[host]["networks"]) & set(service["networks"])


def test_lite_is_mock_with_milvus_lite_and_asks_for_no_gpu_and_no_key() -> None:
    assert set(profile("lite")) == {"workbench-lite"}
    given = SERVICES["workbench-lite"]["environment"]
    assert given["IMAGING_NIM_MODE"] == "mock"
    assert given["IMAGING_MILVUS_URI"] == ""
    assert "devices" not in json.dumps(SERVICES["workbench-lite"])


def test_full_brings_milvus_with_its_etcd_and_object_store() -> None:
    assert {"milvus", "etcd", "minio"} <= set(profile("full"))
    assert SERVICES["workbench-full"]["environment"]["IMAGING_MILVUS_URI"] == "http://milvus:19530"
    assert SERVICES["milvus"]["environment"]["ETCD_ENDPOINTS"] == "etcd:2379"
    assert SERVICES["milvus"]["environment"]["MINIO_ADDRESS"] == "minio:9000"
    assert STACK["networks"]["index"]["internal"] is True


@pytest.mark.parametrize("name", sorted(NIMS))
def test_a_nim_has_a_gpu_shared_memory_a_cache_and_time_to_start(name: str) -> None:
    nim = NIMS[name]
    (device,) = nim["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert ("device_ids" in device) != ("count" in device)
    assert nim["shm_size"] in ("8g", "16g")
    assert any(each.endswith(":/opt/nim/.cache") for each in nim["volumes"])
    health = nim["healthcheck"]
    assert "/v1/health/ready" in health["test"][1]
    assert int(health["start_period"].removesuffix("m")) >= 10
    assert re.fullmatch(r"\d+g", filled(nim["deploy"]["resources"]["limits"]["memory"]))


def test_every_service_that_stays_has_a_memory_limit_and_is_started_again() -> None:
    for name, service in SERVICES.items():
        if name == "imaging-guard":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"]["memory"], name


def test_the_images_are_those_that_exist_and_each_can_be_replaced() -> None:
    assert {name: filled(nim["image"]) for name, nim in NIMS.items()} == {
        "nim-llm": "nvcr.io/nim/meta/llama3-8b-instruct:1.0.3",
        "nim-vista3d": "nvcr.io/nim/nvidia/vista3d:1.0.0",
        "nim-maisi": "nvcr.io/nim/nvidia/maisi:1.0.1",
        "nim-vilam3": "nvcr.io/nim/meta/llama-3.2-11b-vision-instruct:1.1.0",
    }
    for name, service in SERVICES.items():
        assert VARIABLE.fullmatch(service["image"]), name
        assert ":" in filled(service["image"]), f"{name} has no tag"
        assert not filled(service["image"]).endswith(":latest"), name


def test_the_imaging_nims_wait_for_the_check_of_the_processor() -> None:
    for name in ("nim-vista3d", "nim-maisi", "nim-vilam3", "workbench-imaging", "workbench-full"):
        assert SERVICES[name]["depends_on"]["imaging-guard"] == {"condition": "service_completed_successfully"}
    assert "imaging-guard" not in SERVICES["nim-llm"].get("depends_on", {})


def test_no_secret_is_written_in_the_file() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"KEY|PASSWORD|TOKEN|SECRET|_USER$", key):
                assert not filled(value or ""), f"{name}: {key}"
    for nim in NIMS.values():
        assert nim["environment"]["NGC_API_KEY"] is None
    assert STACK["secrets"] == {"workbench_key": {"environment": "IMAGING_API_KEY"}}
    assert "nvapi-" not in TEXT


def test_every_file_that_is_mounted_or_built_from_exists() -> None:
    mounted = [each for service in SERVICES.values() for each in service.get("volumes", []) if each.startswith(".")]
    assert len(mounted) >= 4
    for each in mounted:
        assert (ROOT / each.split(":")[0]).exists(), each
        assert each.endswith(":ro"), each
    for service in WORKBENCHES.values():
        assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_every_named_volume_and_network_is_declared_and_used() -> None:
    volumes = {
        each.split(":")[0]
        for service in SERVICES.values()
        for each in service.get("volumes", [])
        if not each.startswith(".")
    }
    assert volumes == set(STACK["volumes"])
    networks = {each for service in SERVICES.values() for each in service.get("networks", [])}
    assert networks == set(STACK["networks"])


def test_the_workbench_runs_without_rights_that_it_does_not_need() -> None:
    for service in WORKBENCHES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


def test_a_stack_setting_reaches_the_file() -> None:
    told = {"STACK_VISTA3D_URL": "http://gpu-host:8530", "STACK_BIND": "0.0.0.0"}  # noqa: S104 - a value under test
    given = SERVICES["workbench-llm"]["environment"]
    assert filled(given["IMAGING_NIM_VISTA3D_URL"], told) == "http://gpu-host:8530"
    assert [filled(each, told) for each in SERVICES["nim-llm"]["ports"]] == ["0.0.0.0:8520:8000"]
    assert all(isinstance(each, str) for each in strings(SERVICES))
