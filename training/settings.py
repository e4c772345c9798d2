"""What a training run may be told: by environment (``LEAD_…``) and by the form of the model."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["TrainSettings", "describe_settings"]


class TrainSettings(BaseSettings):
    """Settings of the training side. Business rules live in the definition, not here."""

    model_config = SettingsConfigDict(
        env_prefix="LEAD_", frozen=True, extra="forbid", populate_by_name=True
    )

    home: Path = Field(
        default=Path(".leads"), description="folder of database, approved models and MLflow store"
    )
    tracking_uri: str = Field(
        default="",
        validation_alias=AliasChoices("LEAD_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="MLflow store of the models, else MLFLOW_TRACKING_URI; "
        "empty: SQLite file mlflow.db under LEAD_HOME",
    )
    run_id: str = Field(
        default="",
        validation_alias="MLFLOW_RUN_ID",
        description="the run to log into, set by `mlflow run`",
    )
    model_name: str = Field(
        default="lead-quality", min_length=1, max_length=200, description="registered model"
    )
    experiment: str = Field(
        default="lead-quality", min_length=1, max_length=200, description="MLflow experiment"
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="seed of all that is random; same files, seed and recipe, same model",
    )

    choice_seconds: float = Field(
        default=300.0,
        ge=0,
        description="time for choosing among recipes in seconds; 0 takes the default recipe",
    )

    draws: int = Field(
        default=5,
        ge=0,
        le=100,
        description="how often leads are drawn anew to see whether reasons stay; 0 for not at all",
    )

    @property
    def tracking_address(self) -> str:
        """The MLflow store in use."""
        return self.tracking_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"

    @property
    def artifacts_folder(self) -> Path:
        """Where MLflow keeps files when the store is the embedded one."""
        return self.home.absolute() / "mlartifacts"


def describe_settings() -> str:
    """Return one line per setting: environment variable, meaning, default."""
    lines = []
    for name, known in TrainSettings.model_fields.items():
        variable = "MLFLOW_RUN_ID" if name == "run_id" else f"LEAD_{name.upper()}"
        default = "empty" if known.default == "" else known.default
        lines.append(f"{variable}: {known.description} (default: {default})")
    return "Settings from the environment:\n\n" + "\n\n".join(lines)
