"""Everything configurable, read once from the environment and `.env`. Nothing else reads the environment."""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from workbench.domain.errors import ConfigurationError
from workbench.domain.nim import Mode

PREFIX = "IMAGING_"
ENV_FILE = Path(".env")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_IMPORTING = threading.Lock()


class Settings(BaseSettings):
    """The settings of one process; immutable. `IMAGING_NIM_MODE` becomes `nim_mode`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file_encoding="utf-8", extra="ignore", frozen=True, populate_by_name=True
    )

    nim_mode: Mode = Field(Mode.LOCAL, description="local (own NIMs), cloud (hosted catalogue) or mock")
    nim_allow_mock_fallback: bool = Field(True, description="a mock stands in where a NIM cannot be used")
    mode_switch: bool = Field(True, description="a visit on this machine may switch the mode for itself")
    nim_llm_url: str = Field("http://localhost:8520/v1", description="Llama-3 NIM; empty: not deployed")
    nim_vista3d_url: str = Field("http://localhost:8530", description="VISTA-3D NIM; empty: not deployed")
    nim_maisi_url: str = Field("http://localhost:8531", description="MAISI NIM; empty: not deployed")
    nim_vilam3_url: str = Field("http://localhost:8532", description="VILA-M3 server; empty: not deployed")
    nim_embed_url: str = Field("", description="embedding NIM; empty: none")
    nim_rerank_url: str = Field("", description="reranking NIM; empty: none")
    nim_llm_model: str = Field("", description="empty: the first id that /v1/models lists")
    nim_vilam3_model: str = Field("", description="empty: the first id that /v1/models lists")
    nim_embed_model: str = Field("", description="empty: the first id that /v1/models lists")
    nim_rerank_model: str = Field("", description="empty: the first id that /v1/models lists")
    nim_vilam3_protocol: Literal["openai", "reference"] = Field(
        "openai", description="what the VILA-M3 server speaks: openai, or reference (Project MONAI's own server)"
    )
    nim_vilam3_timeout_s: float = Field(120.0, gt=0, description="longest silence of VILA-M3 before a word, seconds")
    nim_vista3d_timeout_s: float = Field(900.0, gt=0, description="longest wait for one segmentation, seconds")
    nim_maisi_timeout_s: float = Field(1800.0, gt=0, description="longest wait for one synthesis, seconds")
    nvidia_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("IMAGING_NVIDIA_API_KEY", "NVIDIA_API_KEY"),
        description="key of the hosted catalogue (cloud mode)",
    )
    nim_cloud_url: str = Field("https://integrate.api.nvidia.com/v1", description="hosted catalogue")
    nim_cloud_functions_url: str = Field(
        "https://api.nvcf.nvidia.com/v2/nvcf", description="hosted functions: larger pictures, and late answers"
    )
    nim_cloud_llm_model: str = Field("meta/llama-3.1-8b-instruct", description="hosted chat model; ids retire")
    nim_cloud_vlm_model: str = Field("meta/llama-3.2-11b-vision-instruct", description="hosted vision model")
    ngc_api_key: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("NGC_API_KEY"), description="only handed to containers"
    )
    nim_exchange_url: str = Field("", description="base URL under which a NIM container reaches the exchange listener")
    nim_exchange_listen: str = Field("127.0.0.1:0", description="address and port of the exchange listener")
    nim_exchange_dir: str = Field("", description="folder shared with the NIM container, instead of the URL")
    nim_exchange_mount: str = Field("", description="the path at which the container sees that folder")
    milvus_uri: str = Field("", description="empty: Milvus Lite, a file under the data folder; or http://...")
    milvus_token: SecretStr = Field(SecretStr(""), description="token of a Milvus server")
    starter_library: bool = Field(True, description="keep the packaged articles indexed in imaging_literature")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("imaging-workbench", appauthor=False),
        description="cases, library, logs (mode 0700)",
    )
    input_dirs: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="the only folders from which input_path may read, separated by :"
    )
    host: str = Field("127.0.0.1", description="address of the page and the REST API")
    port: int = Field(8524, ge=0, le=65535, description="port of the page and the REST API")
    allowed_hosts: str = Field("", description="more host names to answer to on loopback, separated by commas")
    api_key: SecretStr = Field(SecretStr(""), description="bearer key for REST")
    auth: SecretStr = Field(SecretStr(""), description="user:password[,user:password] for the page")
    max_upload_mb: int = Field(2048, gt=0, description="largest upload in MB")
    max_voxels: int = Field(1_000_000_000, gt=0, description="most voxels in one volume")
    case_ttl_h: float = Field(24.0, gt=0, description="a case is deleted after that many hours unused")
    max_cases: int = Field(64, gt=0, description="most cases kept at once")
    workers: int = Field(2, ge=1, le=16, description="processes that read, segment (mock) and measure")
    operator_file: str = Field("", description="YAML with what the operator declares of each NIM; empty: nothing")
    run_log_mb: float = Field(5.0, gt=0, description="size in MB at which the run log begins a new file")
    run_log_files: int = Field(5, ge=1, le=100, description="files of the run log kept, the present one included")
    otlp_endpoint: str = Field("", description="OpenTelemetry collector (OTLP over HTTP); needs the extra tracing")
    test: bool = Field(
        False,
        validation_alias=AliasChoices("WORKBENCH_TEST"),
        description="fixed clock, ids from a seed, no animation",
    )

    @field_validator("input_dirs", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part.strip())
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("auth", mode="after")
    @classmethod
    def _pairs(cls, value: SecretStr) -> SecretStr:
        for pair in filter(None, value.get_secret_value().split(",")):
            user, colon, password = pair.partition(":")
            if not (user and colon and password):
                raise ValueError("must be user:password, several separated by commas")
        return value

    @model_validator(mode="after")
    def _exchange_folder_is_whole(self) -> Settings:
        if bool(self.nim_exchange_dir) != bool(self.nim_exchange_mount):
            raise ValueError("IMAGING_NIM_EXCHANGE_DIR and IMAGING_NIM_EXCHANGE_MOUNT go together")
        return self

    @property
    def folders_for_input(self) -> tuple[Path, ...]:
        """`input_dirs`, or the data folder's `inputs` where none is set."""
        return self.input_dirs or (self.data_dir / "inputs",)

    @property
    def logins(self) -> dict[str, str]:
        """User to password, from `auth`."""
        pairs = (pair.partition(":") for pair in self.auth.get_secret_value().split(",") if pair)
        return {user: password for user, _, password in pairs}

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host in LOOPBACK

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line first, then the environment, then `.env`."""
        return init_settings, env_settings, dotenv_settings


def env_name(field: str) -> str:
    """The variable that sets a field: `nim_mode` is `IMAGING_NIM_MODE`."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else PREFIX + field.upper()


def load_settings(env_file: Path | None = ENV_FILE, **overrides: Any) -> Settings:
    """Read the settings; `overrides` (from the command line) win over the environment, that over `.env`.

    Raises:
        ConfigurationError: a value that does not fit, or an unknown `IMAGING_*` name, with the nearest known one.
    """
    env_file = _nearest(env_file)
    _refuse_unknown_names(env_file)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(_env_file=env_file, **given)
    except ValidationError as error:
        raise ConfigurationError(_explain(error), hint="`workbench config` shows every setting.") from error


def sources(env_file: Path | None = ENV_FILE, **overrides: Any) -> dict[str, str]:
    """Where each field's value comes from: `command line`, `environment`, `.env` or `default`."""
    in_file = _names_in(_nearest(env_file))
    outside = {name.upper() for name in os.environ}  # noqa: TID251 - the one module that reads the environment

    def source(field: str) -> str:
        alias = Settings.model_fields[field].validation_alias
        names = [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [env_name(field)]
        if overrides.get(field) is not None:
            return "command line"
        if any(name in outside for name in names):
            return "environment"
        return ".env" if any(name in in_file for name in names) else "default"

    return {field: source(field) for field in Settings.model_fields}


@contextlib.contextmanager
def environment_untouched() -> Iterator[None]:
    """Import a library that would read a `.env` of its own: afterwards the environment is as it was.

    The switch is python-dotenv's own (1.2 and newer); with an older one what was added is taken out again.
    """
    switch = "PYTHON_DOTENV_DISABLED"
    with _IMPORTING:
        before = dict(os.environ)  # noqa: TID251 - the one module that reads the environment
        os.environ[switch] = "1"  # noqa: TID251 - likewise
        try:
            yield
        finally:
            for name in os.environ.keys() - before.keys():  # noqa: TID251 - likewise
                del os.environ[name]  # noqa: TID251 - likewise
            os.environ.update(before)  # noqa: TID251 - likewise


def _nearest(env_file: Path | None) -> Path | None:
    """The file itself, or for a plain `.env` that is not in the working folder the one beside `launch.py`."""
    checkout = Path(__file__).resolve().parents[1]
    elsewhere = env_file == ENV_FILE and not ENV_FILE.is_file() and (checkout / "launch.py").is_file()
    return checkout / ENV_FILE if elsewhere else env_file


def _names_in(env_file: Path | None) -> set[str]:
    """Names that the file sets, in capitals: case does not matter in it, nor in the environment."""
    return {name.upper() for name in dotenv_values(env_file)} if env_file is not None and env_file.is_file() else set()


def _refuse_unknown_names(env_file: Path | None) -> None:
    known = {env_name(field) for field in Settings.model_fields}
    here = {name.upper() for name in os.environ} | _names_in(env_file)  # noqa: TID251 - the one module that reads the environment
    for name in sorted(each for each in here if each.startswith(PREFIX) and each not in known):
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
        raise ConfigurationError(f"Unknown setting {name}.", hint=f"Did you mean {near[0]}?")


def _explain(error: ValidationError) -> str:
    """The first fault in words, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"The settings contradict each other: {message}."
    field = str(first["loc"][0])
    name = env_name(field) if field in Settings.model_fields else field
    return f"{name} does not fit: {message}."
