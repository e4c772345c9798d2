"""``lead-serve export``, ``import-events`` and ``prune``, and the exports over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

import serving.cli
from serving.settings import ServeSettings
from serving.store import Events, Predictions, Store, open_store
from serving.store.actions import Actions
from tests.builders import small_scorer
from tests.serving.conftest import approved
from tests.serving.test_store import prediction

EVENT = {
    "event_id": "=e-1",
    "lead_id": "L-1",
    "at": "2026-11-19T10:00:00+09:00",
    "kind": "won",
    "actor": "@花子",
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    settings = ServeSettings(access="open", home=tmp_path / "home")
    approved(settings, small_scorer())
    monkeypatch.setenv("LEAD_HOME", str(settings.home))
    opened = open_store(settings.database_address)
    yield opened
    opened.close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(serving.cli.app, [str(one) for one in arguments])


def test_what_is_exported_goes_into_another_home(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Predictions(store).add([prediction("L-1")])
    (tmp_path / "events.csv").write_text("lead_id,at,kind\nL-1,2026-11-20,accepted\n", "utf-8")
    first = run("import-events", tmp_path / "events.csv")
    again = run("import-events", tmp_path / "events.csv")
    out = run("export", tmp_path / "out")

    assert "1 event(s) stored; 0 were there already" in first.output
    assert "0 event(s) stored; 1 were there already" in again.output
    assert "1 recorded input(s), 1 event(s) and 0 act(s)" in out.output
    assert [one.action for one in Actions(store).newest(3)] == [
        "export",
        "events_imported",
        "events_imported",
    ]
    other = ServeSettings(access="open", home=tmp_path / "other")
    approved(other, small_scorer())
    monkeypatch.setenv("LEAD_HOME", str(other.home))
    told = run("import-events", tmp_path / "out" / "events.csv")
    assert "1 event(s) stored" in told.output


def test_a_wrong_file_is_refused_with_every_finding(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("lead_id,at,kind\nL,never,won\nL,2026-11-20,flew\n", "utf-8")

    told = run("import-events", file)

    assert told.exit_code == 1
    assert "2 error(s)" in str(told.exception)
    assert Events(store).after(0) == []


def test_pruning_needs_to_be_told_how_many_days_are_kept(store: Store) -> None:
    old = datetime.now(UTC) - timedelta(days=100)
    Predictions(store).add([replace(prediction("old"), recorded_at=old)])

    unsaid, kept, gone = run("prune"), run("prune", "--days", 101), run("prune", "--days", 99)

    assert unsaid.exit_code == 2
    assert "0 score(s)" in kept.output
    assert "1 score(s) and 0 event(s)" in gone.output


def test_without_an_approved_model_nothing_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_HOME", str(tmp_path / "empty"))

    told = run("export", tmp_path / "out")

    assert told.exit_code == 1
    assert "Approve one" in str(told.exception)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_named(store: Store, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")

    told = run("export", tmp_path / place)

    assert told.exit_code == 1
    assert "cannot be written" in str(told.exception)


def test_each_file_is_given_over_http_as_an_attachment(client: TestClient) -> None:
    lead = {"lead_id": "L-1", "fields": {"source": "=webinar"}}
    acts = [{"kind": "page_view", "at": "2026-11-10T00:00:00Z"}]
    client.post("/v1/score", json=lead | {"events": acts})
    client.post("/v1/events", json=EVENT)

    told = {
        name: client.get(f"/v1/export/{name}.csv") for name in ("leads", "events", "behaviours")
    }

    for name, answer in told.items():
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.content.decode("utf-8-sig").splitlines()) == 2
    assert "'=webinar" in told["leads"].text
    assert "'=e-1" in told["events"].text
    assert "'@花子" in told["events"].text


def test_an_export_without_a_model_is_a_503(settings: ServeSettings) -> None:
    from serving.app import create_app

    with TestClient(create_app(settings)) as bare:
        assert bare.get("/v1/export/leads.csv").status_code == 503
