"""What an operator may set, read once from ``LEAD_…`` environment variables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.errors import LeadQualityError

__all__ = ["ServeSettings", "SettingsInvalid", "describe_settings", "read_settings"]


class SettingsInvalid(LeadQualityError):
    """A setting is unknown or has a value it cannot have."""


class ServeSettings(BaseSettings):
    """Settings of the scoring service; every one has a safe default.

    Attributes
    ----------
    home : Path
        Folder of everything that runs leave behind: database, model folders, MLflow store.
    database_url : str
        Where scores and approvals are recorded; empty takes ``lead_serve.db`` under `home`.
    tracking_uri : str
        The MLflow store that `approve` fetches from; empty takes ``mlflow.db`` under `home`.
    language : str
        Language of the pages and flat texts when a caller names none; empty takes the definition's.
    """

    model_config = SettingsConfigDict(
        env_prefix="LEAD_", frozen=True, extra="forbid", populate_by_name=True
    )

    home: Annotated[
        Path, Field(description="folder of database, approved models and MLflow store")
    ] = Path(".leads")
    database_url: Annotated[
        str,
        Field(description="SQLAlchemy address; empty: SQLite file lead_serve.db under LEAD_HOME"),
    ] = ""
    tracking_uri: Annotated[
        str,
        Field(
            validation_alias=AliasChoices("LEAD_TRACKING_URI", "MLFLOW_TRACKING_URI"),
            description="MLflow store of the models; empty: SQLite file mlflow.db under LEAD_HOME",
        ),
    ] = ""
    model_name: Annotated[
        str,
        Field(min_length=1, max_length=200, description="registered model to approve and serve"),
    ] = "lead-quality"
    host: Annotated[str, Field(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="port to listen on; 0 takes a free one")
    ] = 8000
    language: Annotated[
        Literal["", "ja", "en"],
        Field(description="language when a caller names none; empty: the definition's"),
    ] = ""
    factors: Annotated[int, Field(ge=1, le=5, description="factors shown each way")] = 3
    fetch_seconds: Annotated[
        float, Field(gt=0, le=3600, description="time that fetching a model from MLflow may take")
    ] = 120.0
    max_model_mb: Annotated[
        float,
        Field(gt=0, le=4096, description="largest model folder that is fetched, in megabytes"),
    ] = 256.0
    model_sources: Annotated[
        str,
        Field(
            description="where a model's files may lie: prefixes with commas between; empty: "
            "mlflow-artifacts: of the store, or folders under LEAD_HOME"
        ),
    ] = ""
    registry_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="how often MLflow is asked whether another version is proposed; 0: never",
        ),
    ] = 900.0
    access: Annotated[
        Literal["keys", "open"],
        Field(
            description="keys: every caller shows a key or signs in; open: nobody does, on this "
            "machine's own address only"
        ),
    ] = "keys"
    proxy_header: Annotated[
        str,
        Field(
            max_length=64,
            description="header in which a proxy names the person it signed in; empty: none",
        ),
    ] = ""
    proxy_addresses: Annotated[
        str, Field(description="addresses whose proxy headers are believed, with commas between")
    ] = "127.0.0.1"
    public_url: Annotated[
        str,
        Field(
            max_length=200,
            description="address under which people reach the pages, e.g. https://leads.example",
        ),
    ] = ""
    session_hours: Annotated[
        float, Field(gt=0, le=720, description="how long a sign-in lasts, in hours")
    ] = 12.0
    rate_per_minute: Annotated[
        int, Field(gt=0, description="requests a minute of one key, in each worker")
    ] = 6_000
    workers: Annotated[
        int, Field(ge=0, le=64, description="scoring processes; 0: one for each core")
    ] = 1
    concurrency: Annotated[
        int, Field(gt=0, le=10_000, description="requests in work at once, in each worker")
    ] = 64
    waiting: Annotated[
        int, Field(ge=0, le=10_000, description="requests that may wait for their turn")
    ] = 256
    read_seconds: Annotated[
        float, Field(gt=0, le=600, description="time in which a request must have been read")
    ] = 10.0
    idle_seconds: Annotated[
        float, Field(gt=0, le=600, description="time after which a silent connection is closed")
    ] = 15.0
    stop_seconds: Annotated[
        float, Field(gt=0, le=600, description="time that requests in work have when it ends")
    ] = 10.0
    retention_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="scores and events older than so many days are deleted; 0: none. Fewer "
            "than 63 starve the line of the week",
        ),
    ] = 0
    log_format: Annotated[
        Literal["json", "text"], Field(description="form of the log lines on standard error")
    ] = "json"

    @property
    def database_address(self) -> str:
        """The SQLAlchemy address in use."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'lead_serve.db'}"

    @property
    def tracking_address(self) -> str:
        """The MLflow store in use."""
        return self.tracking_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"

    @property
    def models_folder(self) -> Path:
        """Where approved models are kept, one folder for each digest."""
        return self.home / "models"


def read_settings(**overrides: object) -> ServeSettings:
    """Read the environment; `overrides` (from the command line) win, None means not given.

    Raises
    ------
    SettingsInvalid
        With every wrong setting by its environment name; never with its value, which may be secret.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return ServeSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"- {_variable(found['loc'])}: {found['msg']}"
            for found in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise SettingsInvalid(
            f"{len(lines)} setting(s) cannot be used; `lead-serve --help` lists them.\n"
            + "\n".join(lines)
        ) from error


def _variable(where: Sequence[object]) -> str:
    name = "_".join(str(part) for part in where).upper()
    return name if name.startswith(("LEAD_", "MLFLOW_")) else f"LEAD_{name}"


def describe_settings() -> list[tuple[str, str, str]]:
    """Return environment name, default and meaning of every setting."""
    return [
        (f"LEAD_{name.upper()}", str(field.default), field.description or "")
        for name, field in ServeSettings.model_fields.items()
    ]
