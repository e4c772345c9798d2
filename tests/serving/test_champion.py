"""Fetching a model version from a real MLflow store, and approving it."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features import artefact as artefacts
from features.scorer import LeadScorer
from serving.errors import (
    ApprovalUnderWay,
    ModelRefused,
    ModelUnavailable,
    NothingToRollBack,
    VersionInvalid,
)
from serving.model_life import approving, champion, registry
from serving.model_life.approving import Approver
from serving.model_life.holder import folder_of
from serving.model_life.registry import Fetched, Registry
from serving.settings import ServeSettings
from serving.store import Actions, Approvals, Store, open_store
from tests.builders import small_scorer
from tests.serving.conftest import approved

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NAME = "lead-quality"


@pytest.fixture(scope="session")
def store_of_models(
    scorer: LeadScorer, artefact: Path, tmp_path_factory: pytest.TempPathFactory
) -> ServeSettings:
    """A store with five versions: good (the champion), wrong tag, damaged, no model, another."""
    import mlflow

    home = tmp_path_factory.mktemp("registry")
    settings = ServeSettings(access="open", home=home)
    client = mlflow.MlflowClient(settings.tracking_address, settings.tracking_address)
    experiment = client.create_experiment("e", artifact_location=(home / "artifacts").as_uri())
    client.create_registered_model(NAME)
    damaged = Path(shutil.copytree(artefact, home / "damaged"))
    (damaged / "tables.json").write_text("{}")
    other = small_scorer(seed=5)
    other.save(home / "other")
    for folder, digest in (
        (artefact, scorer.model_digest),
        (artefact, "0" * 64),
        (damaged, ""),
        (None, ""),
        (home / "other", other.model_digest),
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
def served(store_of_models: ServeSettings, tmp_path: Path) -> tuple[ServeSettings, Store]:
    settings = ServeSettings(
        access="open",
        home=tmp_path / "home",
        tracking_uri=store_of_models.tracking_address,
        model_sources=str(store_of_models.home),
    )
    store = open_store(settings.database_address)
    store.migrate()
    return settings, store


def approver(settings: ServeSettings, store: Store) -> Approver:
    return Approver(settings, Approvals(store), Registry(settings), lambda: NOW)


def ask(settings: ServeSettings, version: str, folder: Path, **changed: object) -> dict[str, Any]:
    """Return what the parent sends to the child."""
    return {
        "do": "fetch",
        "tracking_uri": settings.tracking_address,
        "model_name": NAME,
        "version": version,
        "folder": str(folder),
        "sources": [str(settings.home)],
        "max_bytes": 10**8,
        "memory": 2**31,
        "seconds": 60,
    } | changed


def test_the_champion_is_fetched_verified_kept_and_approved(
    served: tuple[ServeSettings, Store], scorer: LeadScorer
) -> None:
    settings, store = served

    approval = approver(settings, store).approve("champion", "first", "hanako")

    assert (approval.version, approval.digest) == ("1", scorer.model_digest)
    assert Approvals(store).newest_first(NAME) == [approval]
    kept = folder_of(settings.models_folder, approval)
    assert kept.name == approval.digest
    assert LeadScorer.load(kept, approval.manifest_digest).model_digest == approval.digest
    assert {path.name for path in settings.models_folder.iterdir()} == {kept.name, ".approving"}
    noted = Actions(store).newest(5)
    assert [(one.actor, one.action, one.detail["version"]) for one in noted] == [
        ("hanako", "approve", "1")
    ]


def test_a_refusal_tells_its_reason_and_leaves_nothing_behind(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served

    with pytest.raises(ModelRefused, match=r"\(file_changed\): tables.json is not the file"):
        approver(settings, store).approve("3", "why", "hanako")

    assert Approvals(store).newest_first(NAME) == []
    assert [path.name for path in settings.models_folder.iterdir()] == [".approving"]


def test_going_back_approves_the_one_before_again_and_never_leads_forward(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served
    desk = approver(settings, store)
    approved(settings, small_scorer(), "1")
    approved(settings, small_scorer(seed=5), "5")

    again = desk.roll_back(None, "the second is odd", "taro")

    assert (again.version, again.approved_by, again.why) == ("1", "taro", "the second is odd")
    assert [one.version for one in Approvals(store).newest_first(NAME)] == ["1", "5", "1"]
    with pytest.raises(NothingToRollBack, match="no earlier approval"):
        desk.roll_back(again, "further", "taro")


def test_going_back_leads_to_another_version_however_often_the_last_one_was_approved(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served
    approved(settings, small_scorer(), "1")
    last = approved(settings, small_scorer(seed=5), "5")
    folder = folder_of(settings.models_folder, last)
    known = replace(last, manifest_digest=artefacts.manifest_digest(folder))
    for again in (last, known, known):  # the first as an earlier program wrote it down
        Approvals(store).add(again)

    assert approver(settings, store).roll_back(known, "odd scores", "taro").version == "1"


def test_going_back_to_a_model_that_is_damaged_is_refused(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served
    desk = approver(settings, store)
    first = approved(settings, small_scorer(), "1")
    middle = approved(settings, small_scorer(seed=2), "3")
    approved(settings, small_scorer(seed=5), "5")
    (folder_of(settings.models_folder, middle) / "tables.json").unlink()
    assert desk.roll_back(None, "3 was never whole", "taro").version == "1"
    approved(settings, small_scorer(seed=5), "5")
    (folder_of(settings.models_folder, first) / "tables.json").unlink()

    with pytest.raises(ModelRefused, match=r"Version 1 was not approved \(file_missing\)"):
        desk.roll_back(None, "why", "taro")

    assert len(Approvals(store).newest_first(NAME)) == 5


def test_one_approval_at_a_time_and_the_end_of_the_service_ends_it(
    served: tuple[ServeSettings, Store],
) -> None:
    settings, store = served
    fetching = Registry(
        ServeSettings(access="open", home=settings.home, tracking_uri="http://192.0.2.1:9")
    )
    desk = Approver(settings, Approvals(store), fetching, lambda: NOW)
    ended: list[Exception] = []

    def approve() -> None:
        try:
            desk.approve("1", "why", "hanako")
        except ModelUnavailable as error:
            ended.append(error)

    thread = threading.Thread(target=approve)
    thread.start()
    while not list(settings.home.glob("models/.fetching-*")):
        time.sleep(0.01)
    with pytest.raises(ApprovalUnderWay, match="has not ended yet"):
        approver(settings, store).approve("1", "why", "taro")
    fetching.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert "is ending" in str(ended[0])


@pytest.mark.parametrize(
    ("said", "code", "error", "reason"),
    [
        ('{"refused": "no such version", "code": "unknown"}', 3, ModelUnavailable, "^no such"),
        ('{"refused": "bad", "code": "file_changed"}', 3, artefacts.ArtefactRefused, "^bad$"),
        ("", 1, ModelUnavailable, r"failed \(exit code 1\): at http://store:5000"),
    ],
)
def test_what_the_child_says_reaches_the_caller_in_words(
    store_of_models: ServeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    code: int,
    error: type[Exception],
    reason: str,
) -> None:
    child = tmp_path / "child"
    child.write_text(
        f"#!/bin/sh\necho noise\necho '{said}'\n"
        f"echo 'at http://me:secret@store:5000' >&2\nexit {code}\n"
    )
    child.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(child))

    with pytest.raises(error, match=reason):
        Registry(store_of_models).fetch("99", tmp_path)


def test_the_secrets_of_the_service_are_not_told_to_the_child(
    store_of_models: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEAD_DATABASE_URL", "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    child = tmp_path / "child"
    child.write_text(f"#!/bin/sh\nenv > {tmp_path / 'told'}\nexit 1\n")
    child.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(child))

    with pytest.raises(ModelUnavailable):
        Registry(store_of_models).fetch("1", tmp_path)

    told = {line.partition("=")[0] for line in (tmp_path / "told").read_text().splitlines()}
    assert "MLFLOW_TRACKING_PASSWORD" in told
    assert {name for name in told if name.startswith(("LEAD_", "PG"))} == set()


def test_a_child_that_is_killed_is_a_failed_trial(
    store_of_models: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text("#!/bin/sh\nkill -SEGV $$\n")
    child.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(child))

    with pytest.raises(artefacts.ArtefactRefused, match="ended by SIGSEGV") as refused:
        Registry(store_of_models).fetch("1", tmp_path)

    assert refused.value.code == "trial_failed"


@pytest.mark.parametrize(
    ("version", "changed", "reason"),
    [
        ("4", {}, "has no model under 'scorer'"),
        ("1", {"max_bytes": 10_000}, "more than the 10,000 of LEAD_MAX_MODEL_MB"),
        ("99", {}, "no usable version '99'"),
        ("1", {"model_name": "another"}, "no usable version '1' of model 'another'"),
        ("1", {"sources": ["/somewhere"]}, "not among the allowed ones"),
        ("2", {}, "changed the files after training"),
    ],
)
def test_the_child_refuses_what_must_not_be_approved(
    store_of_models: ServeSettings,
    tmp_path: Path,
    version: str,
    changed: dict[str, object],
    reason: str,
) -> None:
    with pytest.raises((artefacts.ArtefactRefused, champion.VersionUnknown), match=reason):
        champion._fetch(ask(store_of_models, version, tmp_path, **changed))

    assert {path.parent for path in tmp_path.rglob("*")} <= {tmp_path, tmp_path / "scorer"}


@pytest.mark.parametrize(
    ("asked", "code", "key"),
    [
        ({"version": "1"}, 0, "manifest_digest"),
        ({"version": "3"}, 3, "code"),
        ({"version": "99"}, 3, "code"),
        ({"do": "propose"}, 0, "version"),
        ({"do": "propose", "model_name": "another"}, 0, "version"),
    ],
)
def test_the_child_ends_with_one_line_of_json(
    store_of_models: ServeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: dict[str, object],
    code: int,
    key: str,
) -> None:
    monkeypatch.setattr(champion, "_limit_itself", lambda _: None)  # it would limit the tests
    whole = ask(store_of_models, "1", tmp_path) | asked
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(whole)))

    assert champion.main() == code
    assert key in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_store_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    settings = ServeSettings(
        access="open", home=tmp_path, tracking_uri="http://192.0.2.1:9", fetch_seconds=0.05
    )

    with pytest.raises(
        ModelUnavailable, match=r"did not answer within 0.05 s \(LEAD_FETCH_SECONDS\)"
    ):
        Registry(settings).fetch("1", tmp_path)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="There is no MLflow store"):
        Registry(ServeSettings(access="open", home=tmp_path)).fetch("1", tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["0", "1.5", "newest", "../1", "1\n", "9999999999", ""])
def test_what_is_no_version_is_not_asked_for(tmp_path: Path, version: str) -> None:
    with pytest.raises(VersionInvalid, match="A version is a number"):
        Registry(ServeSettings(access="open", home=tmp_path)).fetch(version, tmp_path)


@pytest.mark.parametrize("name", ["a/b", "a:b", "..%2f", "a'b", " a", "a\\b"])
def test_a_model_name_that_would_change_an_address_is_refused(
    store_of_models: ServeSettings, tmp_path: Path, name: str
) -> None:
    settings = ServeSettings(
        access="open", tracking_uri=store_of_models.tracking_address, model_name=name
    )

    with pytest.raises(VersionInvalid, match="LEAD_MODEL_NAME cannot be"):
        Registry(settings).fetch("1", tmp_path)


def test_a_kept_model_stays_a_damaged_one_makes_way_and_an_equal_one_lies_beside(
    scorer: LeadScorer, artefact: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    equal = LeadScorer(
        scorer.encoder,
        scorer.raw_tables,
        scorer.acceptance,
        scorer.calibration,
        scorer.reference,
        {"verdict": {}},
    )
    equal.save(tmp_path / "equal")

    def keep(folder: Path) -> Path:
        copied = Path(shutil.copytree(folder, tmp_path / "fetched"))
        facts = Fetched("1", scorer.model_digest, artefacts.manifest_digest(copied))
        approving._keep(copied, models, facts)
        shutil.rmtree(copied, ignore_errors=True)
        return models / facts.manifest_digest

    keep(artefact)
    kept = models / scorer.model_digest
    marked = (kept / "tables.json").stat().st_ino
    keep(artefact)
    assert (kept / "tables.json").stat().st_ino == marked

    beside = keep(equal.model_digest and tmp_path / "equal")
    assert equal.model_digest == scorer.model_digest
    LeadScorer.load(beside)

    (kept / "tables.json").write_text("{}")
    keep(artefact)
    LeadScorer.load(kept, artefacts.manifest_digest(artefact))
    assert sorted(path.name for path in models.iterdir()) == sorted([kept.name, beside.name])


def test_noise_around_the_answer_of_the_child_is_passed_over() -> None:
    printed = '{"version": "1"}\nsome notice\n[1]\n'

    assert registry._last_json(printed) == {"version": "1"}
    assert registry._last_json("nothing") is None
    assert registry._last_line("trace\n  \nValueError: no\n\n") == "ValueError: no"
    assert registry._last_line("") == "it said nothing"
