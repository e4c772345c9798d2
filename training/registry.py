"""The door of training to MLflow: log a run, register a model, fetch one back.

`training.promotion` says which version is champion; `training.model_store` opens the store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.definition import EVER
from features.scorer import LeadScorer
from training.champion import Champion
from training.model_store import (
    CHAMPION,
    ModelNotFound,
    Registered,
    champion_of,
    find_version,
    has_store,
    open_store,
    read_document,
)
from training.promotion import gate_tags, promote
from training.recipe_document import recipe_from

if TYPE_CHECKING:
    from mlflow import ActiveRun, MlflowClient
    from mlflow.models import ModelSignature

    from training.settings import TrainSettings

__all__ = [
    "CHAMPION",
    "ModelNotFound",
    "Registered",
    "find_tagged",
    "load_champion",
    "load_report",
    "load_version",
    "log_scorer",
    "promote",
]

SCORER_FOLDER = "scorer"
"""Artifact path under which serving finds the tables."""

REPORT_FILE = "report.html"

_REQUIREMENTS = ("numpy", "pandas", "pydantic", "pyyaml", "tzdata", "mlflow")


def log_scorer(
    scorer: LeadScorer,
    settings: TrainSettings,
    *,
    name: str,
    booster: str | None,
    parameters: Mapping[str, object],
    metrics: Mapping[str, float],
    documents: Mapping[str, str],
    tags: Mapping[str, str] | None = None,
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
        Text files by name, e.g. ``report.html``; ``gate.json`` is what `promote` goes by.
    tags : mapping of str to str, optional
        Further tags of the version.
    """
    import mlflow
    import pandas as pd

    example = pd.DataFrame([_example(scorer)])
    with open_store(settings) as client, tempfile.TemporaryDirectory() as scratch:
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
        known = {
            "model_digest": scorer.model_digest,
            "definition_version": scorer.definition.version,
            "definition_fingerprint": scorer.definition.fingerprint,
            **gate_tags(documents),
            **(tags or {}),
        }
        for key, value in known.items():
            client.set_model_version_tag(name, registered, key, value)
        return Registered(name, registered, run.info.run_id, scorer.model_digest)


def load_version(settings: TrainSettings, name: str, chosen: str = CHAMPION) -> LeadScorer:
    """Return the scorer of a version, or of the champion.

    Raises
    ------
    ModelNotFound
        If the registry has no such version, or no champion yet.
    """
    import mlflow

    with open_store(settings) as client, tempfile.TemporaryDirectory() as scratch:
        found = find_version(client, name, chosen)
        mlflow.artifacts.download_artifacts(
            run_id=found.run_id, artifact_path=SCORER_FOLDER, dst_path=scratch
        )
        return LeadScorer.load(Path(scratch) / SCORER_FOLDER)


def load_champion(settings: TrainSettings, name: str) -> Champion | None:
    """Return the champion with what it takes to learn it again; None where there is none.

    Recipe and day come from its evaluation; a model that is older than these keeps the default
    recipe and no day.
    """
    if not has_store(settings):
        return None
    with open_store(settings) as client:
        version_now = champion_of(client, name)
    if not version_now:
        return None
    scorer = load_version(settings, name, version_now)
    as_of = scorer.evaluation.get("as_of")
    return Champion(
        version_now,
        scorer,
        recipe_from(scorer.evaluation.get("recipe") or {}),
        datetime.fromisoformat(as_of) if isinstance(as_of, str) else None,
    )


def load_report(settings: TrainSettings, name: str, chosen: str) -> tuple[Registered, str]:
    """Return a version, or the champion, with its report as HTML.

    Raises
    ------
    ModelNotFound
        If the registry has no such version, or no report was logged with it.
    """
    with open_store(settings) as client:
        found = find_version(client, name, chosen)
        page = read_document(client, found, REPORT_FILE)
    if page is None:
        raise ModelNotFound(
            f"Version {found.version} of {name} was logged without a report. Train again."
        )
    return found, page


def find_tagged(settings: TrainSettings, name: str, key: str, value: str) -> Registered | None:
    """Return the newest version with this tag, or None."""
    if not has_store(settings):
        return None
    with open_store(settings) as client:
        found = [
            one
            for one in client.search_model_versions(f"name = '{name}'")
            if one.tags.get(key) == value
        ]
    if not found:
        return None
    newest = max(found, key=lambda one: int(one.version))
    digest = str(newest.tags.get("model_digest", ""))
    return Registered(name, str(newest.version), str(newest.run_id), digest)


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
