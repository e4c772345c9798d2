"""Fetching a model version from a real MLflow store, and approving it."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import ArtefactRefused
from features.scorer import LeadScorer
from serving import champion
from serving.champion import ModelUnavailable, approve, fetch
from serving.settings import ServeSettings
from serving.store import Approvals, Store, open_store

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NAME = "lead-quality"


@pytest.fixture(scope="session")
def registry(
    scorer: LeadScorer, artefact: Path, tmp_path_factory: pytest.TempPathFactory
) -> ServeSettings:
    """A store with four versions: good (the champion), wrong tag, foreign file, no model."""
    import mlflow

    home = tmp_path_factory.mktemp("registry")
    settings = ServeSettings(access="open", home=home)
    client = mlflow.MlflowClient(settings.tracking_address, settings.tracking_address)
    experiment = client.create_experiment("e", artifact_location=(home / "artifacts").as_uri())
    client.create_registered_model(NAME)
    foreign = home / "foreign"
    shutil.copytree(artefact, foreign)
    (foreign / "run_me.py").write_text("raise SystemExit")
    for folder, digest in (
        (artefact, scorer.model_digest),
        (artefact, "0" * 64),
        (foreign, ""),
        (None, ""),
    ):
        run = client.create_run(experiment)
        if folder is not None:
            client.log_artifacts(run.info.run_id, str(folder), "scorer")
        version = client.create_model_version(
            NAME, f"runs:/{run.info.run_id}/scorer", run.info.run_id
        )
        client.set_model_version_tag(NAME, version.version, "model_digest", digest)
    client.set_registered_model_alias(NAME, "champion", "1")
    return settings


@pytest.fixture
def served(registry: ServeSettings, tmp_path: Path) -> tuple[ServeSettings, Store]:
    settings = ServeSettings(
        access="open", home=tmp_path / "home", tracking_uri=registry.tracking_address
    )
    store = open_store(settings.database_address)
    store.migrate()
    return settings, store


def ask(settings: ServeSettings, version: str, folder: Path, **changed: object) -> dict[str, Any]:
    """Return what the parent sends to the child."""
    return {
        "tracking_uri": settings.tracking_address,
        "model_name": NAME,
        "version": version,
        "folder": str(folder),
        "max_bytes": 10**8,
    } | changed


def test_the_champion_is_fetched_verified_kept_and_approved(
    served: tuple[ServeSettings, Store], scorer: LeadScorer
) -> None:
    settings, store = served

    approval = approve(
        settings, Approvals(store), "champion", "first", clock=lambda: NOW, who="hanako"
    )

    assert approval.version == "1"
    assert approval.digest == scorer.model_digest
    assert Approvals(store).newest_first(NAME) == [approval]
    assert LeadScorer.load(settings.models_folder / approval.digest).model_digest == approval.digest
    assert [path.name for path in settings.models_folder.iterdir()] == [approval.digest]


def test_a_version_whose_files_are_not_those_of_its_tag_is_refused(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served

    with pytest.raises(ArtefactRefused, match="changed the files after training"):
        approve(settings, Approvals(store), "2", "why", clock=lambda: NOW)

    assert Approvals(store).newest_first(NAME) == []
    assert list(settings.models_folder.iterdir()) == []


def test_a_refusal_of_the_child_reaches_the_caller_in_words(
    registry: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text('#!/bin/sh\necho noise\necho \'{"refused": "no such version"}\'\nexit 3\n')
    child.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(child))

    with pytest.raises(ModelUnavailable, match=r"^no such version$"):
        fetch(registry, "99", tmp_path)


@pytest.mark.parametrize(
    ("version", "changed", "reason"),
    [
        ("3", {}, r"1 file\(s\) that are no part of a model"),
        ("4", {}, "has no model under 'scorer'"),
        ("1", {"max_bytes": 1000}, "more than the 1,000 of LEAD_MAX_MODEL_MB"),
        ("nobody", {}, "no usable version 'nobody'"),
        ("1", {"model_name": "another"}, "no usable version '1' of model 'another'"),
    ],
)
def test_the_child_refuses_before_it_fetches(
    registry: ServeSettings, tmp_path: Path, version: str, changed: dict[str, object], reason: str
) -> None:
    with pytest.raises(champion._Refused, match=reason):
        champion._download(ask(registry, version, tmp_path, **changed))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("version", "code", "key"), [("1", 0, "version"), ("4", 3, "refused")])
def test_the_child_ends_with_one_line_of_json(
    registry: ServeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
    code: int,
    key: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(ask(registry, version, tmp_path))))

    assert champion._child() == code
    assert key in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_store_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    settings = ServeSettings(
        access="open", home=tmp_path, tracking_uri="http://192.0.2.1:9", fetch_seconds=0.05
    )

    with pytest.raises(
        ModelUnavailable, match=r"did not answer within 0.05 s \(LEAD_FETCH_SECONDS\)"
    ):
        fetch(settings, "1", tmp_path)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="There is no MLflow store"):
        fetch(ServeSettings(access="open", home=tmp_path), "1", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_child_that_breaks_down_is_reported_by_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(ModelUnavailable, match=r"failed \(exit code 1\): it said nothing"):
        fetch(
            ServeSettings(access="open", home=tmp_path, tracking_uri="http://localhost:1"),
            "1",
            tmp_path,
        )


def test_a_damaged_kept_model_is_replaced_and_a_whole_one_left_alone(
    artefact: Path, tmp_path: Path
) -> None:
    kept, first, second = tmp_path / "kept", tmp_path / "first", tmp_path / "second"
    for folder in (kept, first, second):
        shutil.copytree(artefact, folder)
    (kept / "tables.json").write_text("{}")

    champion._keep(first, kept)
    champion._keep(second, kept)

    assert not first.exists()
    assert second.exists()
    LeadScorer.load(kept)


def test_noise_around_the_answer_of_the_child_is_passed_over() -> None:
    printed = '{"version": "1"}\nsome notice\n[1]\n'

    assert champion._last_json(printed) == {"version": "1"}
    assert champion._last_json("nothing") is None
    assert champion._last_line("trace\n  \nValueError: no\n\n") == "ValueError: no"
