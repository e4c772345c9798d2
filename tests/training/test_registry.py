import json
import os
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from features.encoder import LeadInput
from features.scorer import LeadScorer
from training.promotion import Override
from training.registry import ModelNotFound, load_version, promote
from training.settings import TrainSettings

NAME = "lead-quality-test"
AS_OF = "2026-01-05T09:00:00+09:00"
LEADS = [
    {"source": "webinar", "employees": "１，２００名", "job_title": "営業部長", "as_of": AS_OF},
    {"source": "展示会", "employees": 35, "job_title": None, "as_of": AS_OF},
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> TrainSettings:
    return TrainSettings(home=tmp_path_factory.mktemp("home"), tracking_uri="")


@pytest.fixture(scope="module")
def registered(settings, trained):
    return trained.log(settings, name=NAME, leads="leads.csv")


@pytest.fixture(scope="module")
def client(settings, registered):
    own = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(settings.tracking_address)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(own)


def test_the_run_holds_parameters_metrics_definition_report_and_tables(client, registered, trained):
    run = client.get_run(registered.run_id)
    files = {item.path for item in client.list_artifacts(registered.run_id)}

    assert run.data.params["method"] == "student"
    assert run.data.params["definition_fingerprint"] == trained.scorer.definition.fingerprint
    assert run.data.metrics[f"student.{trained.scorer.main_horizon}.log_loss"] > 0
    assert {"definition.yaml", "source_map.yaml", "report.html", "scorer"} <= files
    assert run.data.params["files"] == "leads.csv, decisions.csv, activities.csv"
    assert len(run.data.params["files_sha256"].split(", ")) == 3
    assert run.data.params["seed"] == "0"
    assert run.info.status == "FINISHED"


def test_the_version_carries_digest_and_definition(client, registered, trained):
    version = client.get_model_version(NAME, registered.version)

    assert version.tags["model_digest"] == trained.scorer.model_digest == registered.model_digest
    assert version.tags["definition_version"] == trained.scorer.definition.version


def test_the_logged_model_has_explicit_requirements_and_an_example(client, registered, tmp_path):
    folder = mlflow.artifacts.download_artifacts(
        f"models:/{NAME}/{registered.version}", dst_path=tmp_path
    )
    requirements = Path(folder) / "requirements.txt"

    lines = requirements.read_text().split()

    assert any(line.startswith("mlflow==") for line in lines)
    assert all("==" in line for line in lines)
    example = json.loads((requirements.parent / "input_example.json").read_text())
    assert "source" in example["columns"]


def test_mlflow_scores_as_the_service_would(client, registered, trained):
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/{registered.version}")

    answers = model.predict(pd.DataFrame(LEADS))

    moment = datetime.fromisoformat(AS_OF).astimezone(UTC)
    for lead, probability, score in zip(
        LEADS, answers["probability"], answers["score"], strict=True
    ):
        given = {name: raw for name, raw in lead.items() if raw is not None and name != "as_of"}
        scored = trained.scorer.score(LeadInput(given, None, moment))
        assert probability == scored.probability
        assert score == scored.score
    assert set(answers["grade"]) <= {"A", "B", "C", "D"}


def test_a_promoted_version_is_the_champion_and_loads_bit_equal(settings, registered, trained):
    with pytest.raises(ModelNotFound, match="no champion"):
        load_version(settings, NAME)

    small = Override("Hanako", "too few wins for the gate")
    found = promote(settings, NAME, registered.version, override=small)
    champion = load_version(settings, NAME)

    assert found.registered == registered
    assert champion.model_digest == trained.scorer.model_digest
    lead = LeadInput({"source": "webinar"}, None, datetime(2026, 1, 5, tzinfo=UTC))
    assert champion.score(lead) == trained.scorer.score(lead)
    assert isinstance(champion, LeadScorer)


def test_a_version_that_is_not_there_is_named(settings, registered):
    with pytest.raises(ModelNotFound, match="no version 77"):
        promote(settings, NAME, "77")
    with pytest.raises(ModelNotFound, match="lead-train train"):
        promote(settings, "no-such-model", "1")


@pytest.mark.parametrize("before", ["sqlite:///elsewhere.db", None])
def test_mlflow_is_left_as_it_was(settings, registered, before):
    own = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(before)

    with pytest.raises(ModelNotFound, match="no version 77"):
        promote(settings, NAME, "77")

    assert os.environ.get("MLFLOW_TRACKING_URI") == before
    mlflow.set_tracking_uri(own)


def test_an_interrupted_first_use_leaves_no_half_made_store(trained, tmp_path, monkeypatch):
    settings = TrainSettings(home=tmp_path / "home", tracking_uri="")
    own = os.environ.get("MLFLOW_TRACKING_URI")
    made = mlflow.MlflowClient.search_experiments

    def interrupted(*arguments, **named):
        made(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, "search_experiments", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_version(settings, NAME)
    assert list(settings.home.iterdir()) == []

    with pytest.raises(ModelNotFound, match="no champion"):
        load_version(settings, NAME)
    assert os.environ.get("MLFLOW_TRACKING_URI") == own
