"""Names and defaults are promises; the table below is the published one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from workbench.domain.errors import ConfigurationError
from workbench.settings import Settings, env_name, load_settings, sources

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"

PUBLISHED = {
    "IMAGING_NIM_MODE": "local",
    "IMAGING_NIM_ALLOW_MOCK_FALLBACK": True,
    "IMAGING_NIM_LLM_URL": "http://localhost:8520/v1",
    "IMAGING_NIM_VISTA3D_URL": "http://localhost:8530",
    "IMAGING_NIM_MAISI_URL": "http://localhost:8531",
    "IMAGING_NIM_VILAM3_URL": "http://localhost:8532",
    "IMAGING_NIM_EMBED_URL": "",
    "IMAGING_NIM_RERANK_URL": "",
    "IMAGING_NIM_LLM_MODEL": "",
    "IMAGING_NIM_VILAM3_MODEL": "",
    "IMAGING_NIM_EMBED_MODEL": "",
    "IMAGING_NIM_RERANK_MODEL": "",
    "IMAGING_NVIDIA_API_KEY": "",
    "IMAGING_NIM_CLOUD_URL": "https://integrate.api.nvidia.com/v1",
    "IMAGING_NIM_CLOUD_LLM_MODEL": "meta/llama-3.1-8b-instruct",
    "IMAGING_NIM_CLOUD_VLM_MODEL": "meta/llama-3.2-11b-vision-instruct",
    "NGC_API_KEY": "",
    "IMAGING_NIM_EXCHANGE_URL": "",
    "IMAGING_NIM_EXCHANGE_LISTEN": "127.0.0.1:0",
    "IMAGING_NIM_EXCHANGE_DIR": "",
    "IMAGING_NIM_EXCHANGE_MOUNT": "",
    "IMAGING_MILVUS_URI": "",
    "IMAGING_MILVUS_TOKEN": "",
    "IMAGING_INPUT_DIRS": (),
    "IMAGING_HOST": "127.0.0.1",
    "IMAGING_PORT": 8524,
    "IMAGING_API_KEY": "",
    "IMAGING_AUTH": "",
    "IMAGING_MAX_UPLOAD_MB": 2048,
    "IMAGING_CASE_TTL_H": 24,
}

FIELD_BY_NAME = {env_name(field): field for field in Settings.model_fields}
SECRETS = sorted(name for name, field in FIELD_BY_NAME.items() if Settings.model_fields[field].annotation is SecretStr)


def plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize(("name", "default"), PUBLISHED.items(), ids=PUBLISHED)
def test_a_published_setting_has_its_published_default(name: str, default: object) -> None:
    assert plain(getattr(load_settings(None), FIELD_BY_NAME[name])) == default


def test_the_data_folder_is_absolute_and_holds_the_inputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(None)
    assert settings.data_dir.is_absolute()
    assert settings.data_dir.name == "imaging-workbench"
    assert settings.folders_for_input == (settings.data_dir / "inputs",)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGING_DATA_DIR", "cases here")
    assert load_settings(None).data_dir == tmp_path / "cases here"


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("IMAGING_NIM_MOD", "IMAGING_NIM_MODE"),
        ("IMAGING_VISTA3D_URL", "IMAGING_NIM_VISTA3D_URL"),
        ("imaging_prot", "IMAGING_PORT"),
        ("IMAGING_CASE_TTL_HOURS", "IMAGING_CASE_TTL_H"),
        ("IMAGING_NVIDIA_APIKEY", "IMAGING_NVIDIA_API_KEY"),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_an_unknown_name_is_an_error_that_names_the_nearest(
    wrong: str, nearest: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{wrong}=x\n" if where == ".env" else "")
    if where == "environment":
        monkeypatch.setenv(wrong, "x")
    with pytest.raises(ConfigurationError, match=wrong.upper()) as caught:
        load_settings(file)
    assert nearest in (caught.value.hint or "")


def test_names_of_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEST", "1")
    monkeypatch.setenv("PORT", "9")
    monkeypatch.setenv("API_KEY", "somebody-elses")
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=x\nMODE=mock\n")
    settings = load_settings(tmp_path / ".env")
    assert (settings.test, settings.port, plain(settings.api_key), settings.nim_mode) == (False, 8524, "", "local")


def test_options_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("IMAGING_PORT=1001\nIMAGING_HOST=0.0.0.0\nIMAGING_MAX_CASES=3\n")
    monkeypatch.setenv("IMAGING_PORT", "1002")
    monkeypatch.setenv("IMAGING_HOST", "::1")
    settings = load_settings(file, port=1003, host=None)
    assert (settings.port, settings.host, settings.max_cases, settings.workers) == (1003, "::1", 3, 2)
    told = sources(file, port=1003, host=None)
    assert (told["port"], told["host"]) == ("command line", "environment")
    assert (told["max_cases"], told["workers"]) == (".env", "default")
    assert set(told) == set(Settings.model_fields)


def test_the_env_file_of_the_working_folder_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IMAGING_PORT=1004\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().port == 1004
    assert sources()["port"] == ".env"


def test_the_catalogue_key_is_read_under_either_name_and_ours_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_API_KEY", "general")
    assert plain(load_settings(None).nvidia_api_key) == "general"
    assert sources(None)["nvidia_api_key"] == "environment"
    monkeypatch.setenv("IMAGING_NVIDIA_API_KEY", "ours")
    assert plain(load_settings(None).nvidia_api_key) == "ours"


def test_everything_named_key_token_or_auth_is_a_secret() -> None:
    assert sorted(name for name in FIELD_BY_NAME if re.search(r"KEY|TOKEN|AUTH|PASSWORD|SECRET", name)) == SECRETS


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked_wherever_settings_are_printed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "someone:hunter2")
    settings = load_settings(None)
    assert plain(getattr(settings, FIELD_BY_NAME[name])) == "someone:hunter2"
    for printed in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in printed


@pytest.mark.parametrize("value", ["hunter2", ":hunter2", "anna:", "anna:hunter2,bob"])
def test_a_login_without_user_or_password_is_refused_without_showing_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_AUTH", value)
    with pytest.raises(ConfigurationError, match="IMAGING_AUTH") as caught:
        load_settings(None)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_logins_are_pairs_and_a_password_may_hold_a_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_AUTH", "anna:a:b,bob:c")
    assert load_settings(None).logins == {"anna": "a:b", "bob": "c"}
    monkeypatch.setenv("IMAGING_AUTH", "")
    assert load_settings(None).logins == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGING_NIM_MODE", "remote"),
        ("IMAGING_PORT", "70000"),
        ("IMAGING_PORT", "http"),
        ("IMAGING_MAX_UPLOAD_MB", "0"),
        ("IMAGING_CASE_TTL_H", "-1"),
        ("IMAGING_NIM_ALLOW_MOCK_FALLBACK", "perhaps"),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings(None)


def test_the_exchange_folder_needs_the_path_inside_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_NIM_EXCHANGE_DIR", "somewhere")
    with pytest.raises(ConfigurationError, match="IMAGING_NIM_EXCHANGE_MOUNT"):
        load_settings(None)
    monkeypatch.setenv("IMAGING_NIM_EXCHANGE_MOUNT", "/exchange")
    assert load_settings(None).nim_exchange_mount == "/exchange"


def test_input_folders_are_split_at_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_INPUT_DIRS", "/a:/b c:")
    assert load_settings(None).folders_for_input == (Path("/a"), Path("/b c"))


@pytest.mark.parametrize(("host", "is_loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])  # noqa: S104 - the address to refuse
def test_only_loopback_addresses_count_as_this_machine(host: str, is_loopback: bool) -> None:
    assert load_settings(None, host=host).is_loopback is is_loopback


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("true", True), ("0", False)])
def test_the_test_switch_has_its_own_name(value: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_TEST", value)
    assert load_settings(None).test is meant


def test_settings_do_not_change_once_read() -> None:
    settings = load_settings(None)
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def example_lines() -> dict[str, str]:
    found = re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(found)


def test_the_example_file_names_every_setting_and_nothing_else() -> None:
    # STACK_ names are for compose.yaml, and tests/test_compose.py holds them against it.
    settings = {name for name in example_lines() if not name.startswith("STACK_")}
    assert settings == set(FIELD_BY_NAME)


def test_the_example_file_sets_nothing_and_explains_every_line() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    assert all(not line or line.startswith("# ") for line in lines)
    for before, line in itertools.pairwise(lines):
        if re.match(r"# [A-Z][A-Z0-9_]+=", line):
            assert before.startswith("# ")
            assert "=" not in before, f"{line} has no explanation above it"


def test_the_example_file_with_its_lines_uncommented_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    # The data folder's default depends on the platform, so its line is empty there and left out here.
    kept = {name: value for name, value in example_lines().items() if name != "IMAGING_DATA_DIR"}
    file.write_text("".join(f"{name}={value}\n" for name, value in kept.items()))
    assert load_settings(file) == load_settings(None)
