"""The loop that a clock runs: proposed once, nothing twice, and no harm from interruptions."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from features.errors import FileUnreadable
from tests.conftest import TODAY
from tests.training.test_exchange import export
from tests.training.typed import lead_train
from training import pipeline
from training.exchange import find_exchange
from training.model_store import open_store
from training.promotion import champions, promote
from training.recipe import Recipe
from training.registry import load_champion, load_report
from training.retrain import AlreadyRunning, Files, retrain_files
from training.settings import TrainSettings
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world

QUICK = Recipe(student=StudentSettings(trees=60, scout_trees=30))
NAME = "lead-quality"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a service exported of a company with some thirty wins: too few to learn from."""
    world = make_world(WorldSettings(n_leads=600, n_test=0, seed=21, leaks=()))
    return export(world, tmp_path_factory.mktemp("export"))


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    return TrainSettings(home=tmp_path / "home", tracking_uri="", choice_seconds=0, draws=0)


def run(folder: Path, settings: TrainSettings, **more: object):
    return retrain_files(Files(folder), settings, today=TODAY, recipe=QUICK, **more)


@pytest.fixture(scope="module")
def proposed(folder, tmp_path_factory):
    """A home in which one retraining was proposed, and what it said."""
    home = tmp_path_factory.mktemp("proposed") / "home"
    settings = TrainSettings(home=home, tracking_uri="", choice_seconds=0, draws=0)
    return settings, run(folder, settings)


def test_the_first_start_proposes_what_the_gate_lets_through(proposed):
    settings, done = proposed

    champion = load_champion(settings, NAME)
    assert done.status == "proposed"
    assert champion is not None
    assert champion.version == done.registered.version == "1"
    assert done.verdict["rule"] == "base_rate"
    assert "lead-serve approve 1" in done.in_words()


def test_the_run_says_which_files_the_model_came_from(proposed, folder):
    settings, done = proposed

    with open_store(settings) as client:
        parameters = client.get_run(done.registered.run_id).data.params

    assert "leads-2025.csv" in parameters["files"]
    assert parameters["files_sha256"] == find_exchange(folder).digest()


def test_the_same_files_are_learnt_from_once(proposed, folder):
    settings, first = proposed

    again = run(folder, settings)

    assert again.status == "nothing_new"
    assert again.registered == first.registered
    assert len(champions(settings, NAME)) == 1
    assert "--again" in again.in_words()


def test_a_report_is_kept_with_the_version_and_can_be_fetched(proposed, tmp_path):
    settings, done = proposed

    found, page = load_report(settings, NAME, "champion")
    out = tmp_path / "report.html"
    fetched = lead_train("report", "1", "--out", out, "--json", home=settings.home)

    assert found == done.registered
    assert fetched.returncode == 0
    assert json.loads(fetched.stdout)["version"] == "1"
    assert out.read_text("utf-8") == page
    assert "more recorded wins learning begins" in page


def test_a_version_that_was_registered_but_not_proposed_is_proposed(folder, settings, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.retrain.promote", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, settings)
    monkeypatch.setattr("training.retrain.promote", promote)
    assert load_champion(settings, NAME) is None

    done = run(folder, settings)

    assert done.status == "proposed"
    assert done.registered.version == "1"
    assert run(folder, settings).status == "nothing_new"


def test_what_the_gate_keeps_out_is_registered_and_leaves_the_champion(proposed, folder, tmp_path):
    settings, _ = proposed
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    leads = pd.read_csv(tmp_path / "leads-2025.csv", dtype=str)
    # Every call ends with a mark that the loser's form never had.
    events = pd.concat(pd.read_csv(path, dtype=str) for path in folder.glob("events-*.csv"))
    won = set(events.loc[events["kind"] == "won", "lead_id"])
    leads["message"] = ["済" * 99 if lead in won else None for lead in leads["lead_id"]]
    leads.to_csv(tmp_path / "leads-2025.csv", index=False)

    done = run(tmp_path, settings)

    champion = load_champion(settings, NAME)
    assert done.status == "refused"
    assert champion is not None
    assert champion.version == "1"
    assert int(done.registered.version) > 1
    assert "kept out by the gate" in done.in_words()


def test_two_at_once_are_one(folder, settings):
    settings.home.mkdir(parents=True)
    other = sqlite3.connect(settings.home / "retrain.lock", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(AlreadyRunning, match="is under way"):
        run(folder, settings)
    told = lead_train("retrain", folder, home=settings.home)
    other.close()

    assert told.returncode == 12
    assert "under way" in told.stderr


def test_a_lock_ends_with_the_program_that_held_it(folder, settings):
    def stopped(step: str) -> None:
        if step.startswith("Reading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, settings, tell=stopped)

    with pytest.raises(FileUnreadable, match="is not a folder"):
        retrain_files(Files(folder / "nowhere"), settings, recipe=QUICK)


def test_the_definition_of_the_champion_goes_on(proposed, folder):
    settings, _ = proposed
    champion = load_champion(settings, NAME)
    seen = []
    original = pipeline.scan_history

    def spy(history, definition, *, as_of):
        seen.append(definition)
        return original(history, definition, as_of=as_of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "scan_history", spy)
        run(folder, settings, again=True)

    assert champion is not None
    assert [one.to_yaml() for one in seen] == [champion.scorer.definition.to_yaml()]


@pytest.mark.parametrize(
    "arguments", [(), ("--leads", "a.csv"), ("folder", "--leads", "a.csv", "--source-map", "m")]
)
def test_neither_or_both_ways_to_give_files_are_wrong_use(tmp_path, arguments):
    told = lead_train("retrain", *arguments, home=tmp_path)

    assert told.returncode == 2
    assert "either a folder" in told.stderr


def test_the_exit_code_says_what_came_of_it(folder, tmp_path):
    first = lead_train("retrain", folder, "--json", home=tmp_path, LEAD_CHOICE_SECONDS="0")
    second = lead_train("retrain", folder, "--json", home=tmp_path, LEAD_CHOICE_SECONDS="0")
    broken = lead_train("retrain", tmp_path / "nowhere", home=tmp_path)

    assert (first.returncode, json.loads(first.stdout)["status"]) == (0, "proposed")
    assert (second.returncode, json.loads(second.stdout)["status"]) == (10, "nothing_new")
    assert broken.returncode == 1
    assert "is not a folder" in broken.stderr
    assert "Traceback" not in broken.stderr
