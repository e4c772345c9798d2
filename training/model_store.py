"""The MLflow store: opened, made where there is none, and left as it was."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import LeadQualityError
from features.private_folders import make_private

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from training.settings import TrainSettings

__all__ = [
    "CHAMPION",
    "MlflowClient",
    "ModelNotFound",
    "Registered",
    "champion_of",
    "find_version",
    "has_store",
    "open_store",
    "read_document",
]

CHAMPION = "champion"


class ModelNotFound(LeadQualityError):
    """The registry has no such model or version."""

    status = 404


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a model went.

    Attributes
    ----------
    name, version : str
        Registered model and its new version.
    run_id : str
        The MLflow run with parameters, metrics and files.
    model_digest : str
        What the service checks and stamps on answers.
    """

    name: str
    version: str
    run_id: str
    model_digest: str


@contextmanager
def open_store(settings: TrainSettings) -> Iterator[MlflowClient]:
    """Open the store of these settings inside the block."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    make_private(settings.home)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    # MLflow keeps its store in a global and in the environment, where the next settings would
    # read it as the user's own; both are left as they were.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    _make_embedded_store(settings.tracking_address)
    mlflow.set_tracking_uri(settings.tracking_address)
    try:
        yield mlflow.MlflowClient()
    finally:
        mlflow.set_tracking_uri(before)


def has_store(settings: TrainSettings) -> bool:
    """Whether there is a store to ask: opening an embedded one that is not there would make it."""
    address = settings.tracking_address
    return not address.startswith("sqlite:///") or (
        Path(address.removeprefix("sqlite:///")).is_file()
    )


def _make_embedded_store(address: str) -> None:
    """Make a SQLite store that is not there yet: whole, or not at all when interrupted.

    MLflow makes its tables one by one; half of them would stop every later run.
    """
    import mlflow

    path = Path(address.removeprefix("sqlite:///"))
    if not address.startswith("sqlite:///") or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=path.parent) as scratch:
        draft = Path(scratch) / path.name
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{draft}").search_experiments(max_results=1)
        draft.replace(path)


def find_version(client: MlflowClient, name: str, chosen: str) -> Registered:
    """Return a version, or the champion.

    Raises
    ------
    ModelNotFound
        If the registry has no such version, or no champion yet.
    """
    from mlflow.exceptions import MlflowException

    try:
        if chosen == CHAMPION:
            found = client.get_model_version_by_alias(name, CHAMPION)
        else:
            found = client.get_model_version(name, chosen)
    except MlflowException as error:
        raise ModelNotFound(
            f"The registry has no {'champion' if chosen == CHAMPION else f'version {chosen}'} of "
            f"model {name!r}. Train one with `lead-train train`; it prints the version."
        ) from error
    return Registered(
        name, str(found.version), str(found.run_id), str(found.tags.get("model_digest", ""))
    )


def champion_of(client: MlflowClient, name: str) -> str:
    """Return the version that is champion now; empty where there is none."""
    try:
        return find_version(client, name, CHAMPION).version
    except ModelNotFound:
        return ""


def read_document(client: MlflowClient, found: Registered, file: str) -> str | None:
    """Return a text file that was logged with a version, or None where there is none."""
    import mlflow

    if file not in {item.path for item in client.list_artifacts(found.run_id)}:
        return None
    return str(mlflow.artifacts.load_text(f"runs:/{found.run_id}/{file}"))
