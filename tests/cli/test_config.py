"""`workbench config`: every setting, its value, whence it comes; secrets never."""

from __future__ import annotations

import json

from tests.serving import workbench_command
from workbench.settings import Settings, env_name

SECRETS = {
    "IMAGING_API_KEY": "key-of-gold",
    "IMAGING_AUTH": "anna:word-of-silver",
    "NVIDIA_API_KEY": "nvapi-of-copper",
    "NGC_API_KEY": "ngc-of-tin",
    "IMAGING_MILVUS_TOKEN": "token-of-lead",
}


def rows(done) -> dict[str, dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_every_setting_is_listed_with_its_value_and_source(tmp_path):
    (tmp_path / ".env").write_text("IMAGING_CASE_TTL_H=12\nIMAGING_PORT=9000\n")
    told = rows(
        workbench_command(
            *("config", "--json", "--mode", "mock", "--data-dir", str(tmp_path / "data")),
            cwd=tmp_path,
            IMAGING_PORT="9001",
        )
    )
    assert set(told) == {env_name(field) for field in Settings.model_fields}
    assert (told["IMAGING_NIM_MODE"]["value"], told["IMAGING_NIM_MODE"]["source"]) == ("mock", "command line")
    assert (told["IMAGING_PORT"]["value"], told["IMAGING_PORT"]["source"]) == ("9001", "environment")
    assert (told["IMAGING_CASE_TTL_H"]["value"], told["IMAGING_CASE_TTL_H"]["source"]) == ("12.0", ".env")
    assert (told["IMAGING_MAX_UPLOAD_MB"]["value"], told["IMAGING_MAX_UPLOAD_MB"]["source"]) == ("2048", "default")


def test_no_secret_is_printed_in_either_form(tmp_path):
    for form in ([], ["--json"]):
        done = workbench_command("config", *form, cwd=tmp_path, **SECRETS)
        assert done.returncode == 0, done.stderr
        for secret in SECRETS.values():
            assert secret not in done.stdout + done.stderr
            assert secret.partition(":")[2] not in (done.stdout + done.stderr) or ":" not in secret
        assert "********" in done.stdout


def test_a_secret_that_is_not_set_is_told_apart_from_one_that_is(tmp_path):
    told = rows(workbench_command("config", "--json", cwd=tmp_path, IMAGING_API_KEY="key-of-gold"))
    assert told["IMAGING_API_KEY"]["value"] == "********"
    assert told["IMAGING_AUTH"]["value"] == ""


def test_the_table_is_for_people(tmp_path):
    done = workbench_command("config", cwd=tmp_path, IMAGING_NIM_MODE="cloud")
    line = next(each for each in done.stdout.splitlines() if each.startswith("IMAGING_NIM_MODE "))
    assert line.split() == ["IMAGING_NIM_MODE", "cloud", "environment"]


def test_a_value_that_does_not_fit_is_told_in_one_line(tmp_path):
    done = workbench_command("config", cwd=tmp_path, IMAGING_PORT="teatime")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "IMAGING_PORT" in done.stderr
    assert "teatime" not in done.stderr
