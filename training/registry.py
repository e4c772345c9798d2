"""The one door of training to MLflow: log a run, register a model, propose a champion."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.definition import EVER
from features.errors import LeadQualityError
from features.scorer import LeadScorer

if TYPE_CHECKING:
    from mlflow import ActiveRun, MlflowClient
    from mlflow.models import ModelSignature

    from training.settings import TrainSettings

__all__ = ["CHAMPION", "ModelNotFound", "Registered", "load_version", "log_scorer", "promote"]

CHAMPION = "champion"
SCORER_FOLDER = "scorer"
"""Artifact path under which serving finds the tables."""

_REQUIREMENTS = ("numpy", "pandas", "pydantic", "pyyaml", "tzdata", "mlflow")


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


def log_scorer(
    scorer: LeadScorer,
    settings: TrainSettings,
    *,
    name: str,
    booster: str | None,
    parameters: Mapping[str, object],
    metrics: Mapping[str, float],
    documents: Mapping[str, str],
) -> Registered:
    """Log a run with everything a reviewer needs, and register its model.

    Parameters
    ----------
    scorer : LeadScorer
        The model.
    settings : TrainSettings
        Names the store and the experiment.
    name : str
        Registered model.
    booster : str or None
        LightGBM's text, kept as a record beside the tables.
    parameters, metrics : mapping
        As they appear in the run.
    documents : mapping of str to str
        Text files by name, e.g. ``report.html``.
    """
    import mlflow
    import pandas as pd

    example = pd.DataFrame([_example(scorer)])
    with _store(settings) as client, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / SCORER_FOLDER
        scorer.save(folder, booster)
        with _run(client, settings) as run:
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics))
            mlflow.log_text(scorer.definition.to_yaml(), "definition.yaml")
            for document, text in documents.items():
                mlflow.log_text(text, document)
            mlflow.log_artifacts(str(folder), SCORER_FOLDER)
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("pyfunc_model.py")),
                artifacts={"scorer": str(folder)},
                code_paths=[str(Path(__file__).parents[1] / "features")],
                input_example=example,
                signature=_signature(scorer, [str(name) for name in example]),
                pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS],
                registered_model_name=name,
            )
        registered = str(logged.registered_model_version)
        for key, value in (
            ("model_digest", scorer.model_digest),
            ("definition_version", scorer.definition.version),
            ("definition_fingerprint", scorer.definition.fingerprint),
        ):
            client.set_model_version_tag(name, registered, key, value)
        return Registered(name, registered, run.info.run_id, scorer.model_digest)


def promote(settings: TrainSettings, name: str, chosen: str) -> Registered:
    """Propose a version as champion; the service serves it once it has been approved there.

    Raises
    ------
    ModelNotFound
        If the registry has no such version.
    """
    with _store(settings) as client:
        found = _find(client, name, chosen)
        client.set_registered_model_alias(name, CHAMPION, found.version)
        return found


def load_version(settings: TrainSettings, name: str, chosen: str = CHAMPION) -> LeadScorer:
    """Return the scorer of a version, or of the champion.

    Raises
    ------
    ModelNotFound
        If the registry has no such version, or no champion yet.
    """
    import mlflow

    with _store(settings) as client, tempfile.TemporaryDirectory() as scratch:
        found = _find(client, name, chosen)
        mlflow.artifacts.download_artifacts(
            run_id=found.run_id, artifact_path=SCORER_FOLDER, dst_path=scratch
        )
        return LeadScorer.load(Path(scratch) / SCORER_FOLDER)


def _find(client: MlflowClient, name: str, chosen: str) -> Registered:
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


@contextmanager
def _store(settings: TrainSettings) -> Iterator[MlflowClient]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    settings.home.mkdir(parents=True, exist_ok=True)
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


def _run(client: MlflowClient, settings: TrainSettings) -> ActiveRun:
    import mlflow

    if settings.run_id:
        return mlflow.start_run(run_id=settings.run_id)
    return mlflow.start_run(experiment_id=_experiment(client, settings))


def _experiment(client: MlflowClient, settings: TrainSettings) -> str:
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None:
        return str(found.experiment_id)
    embedded = settings.tracking_address.startswith("sqlite:")
    location = (settings.artifacts_folder / settings.experiment).as_uri() if embedded else None
    return str(client.create_experiment(settings.experiment, artifact_location=location))


def _example(scorer: LeadScorer) -> dict[str, Any]:
    """Return one invented lead with a value in every field; never a real one."""
    spoken: dict[str, Any] = {
        "number": "100",
        "category": "other",
        "boolean": "yes",
        "time": "2026-01-05T09:00:00+09:00",
        "job_title": "課長",
        "email": "someone@example.co.jp",
        "phone": "03-0000-0000",
        "company": "株式会社見本",
        "text": "資料を送ってください",
    }
    example: dict[str, Any] = {"as_of": spoken["time"]}
    for name, field in scorer.definition.usable_fields.items():
        example[name] = next(iter(field.values), spoken[field.type])
    return example


def _signature(scorer: LeadScorer, columns: list[str]) -> ModelSignature:
    """Return what the flavour takes and gives: any field may be absent, and be text or a number."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    numbers = ["probability", "score"]
    numbers += [f"p_{horizon}" for horizon in scorer.horizons if horizon != EVER]
    return ModelSignature(
        Schema([ColSpec(AnyType(), name, required=False) for name in columns]),
        Schema([*(ColSpec("double", name) for name in numbers), ColSpec("string", "grade")]),
    )
