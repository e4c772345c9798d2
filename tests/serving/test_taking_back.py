"""Taking back what one caller sent: all of it, only that, once; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from serving import cli
from serving.decision.lead_state import standing
from serving.records.events import AskedEvent, EventService
from serving.records.taking_back import take_back
from serving.settings import ServeSettings
from serving.store import Actions, Events, Store, open_store

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
N = 1_203


def send(store: Store, sender: str, n: int, now: datetime, **more: str) -> None:
    service = EventService(Events(store), lambda: now, None)
    told = {"kind": "touched", "at": now.isoformat()} | more
    asked = [AskedEvent(lead_id=f"L-{k}", event_id=f"{sender}-{k}", **told) for k in range(n)]
    service.store(service.checked(asked, sender))


def standing_ids(store: Store, lead: int) -> list[str]:
    return [
        one.event_id for one in standing(e.deciding for e in Events(store).of_lead(f"L-{lead}"))
    ]


def test_more_than_a_portion_is_taken_back_once(address: str) -> None:
    store = open_store(address)
    store.migrate()
    send(store, "crm", 3, NOW)
    send(store, "stolen", N, NOW)

    def clock() -> datetime:
        return NOW + timedelta(hours=1)

    try:
        assert take_back(store, "stolen", NOW + timedelta(seconds=1), "me", clock) == 0
        assert take_back(store, "stolen", NOW, "me", clock) == N
        assert take_back(store, "stolen", NOW, "me", clock) == 0
        assert [standing_ids(store, lead) for lead in (0, 2, 3, N - 1)] == [
            ["crm-0"],
            ["crm-2"],
            [],
            [],
        ]
        # A retraction is an event of its own: what was taken back by mistake comes back.
        assert take_back(store, "me", NOW, "another", clock) == N
        assert standing_ids(store, N - 1) == [f"stolen-{N - 1}"]
    finally:
        store.close()


def test_retractions_that_the_sender_dated_ahead_do_not_win(address: str) -> None:
    store = open_store(address)
    store.migrate()
    send(store, "crm", 1, NOW)
    ahead = (NOW + timedelta(minutes=5)).isoformat()
    send(store, "stolen", 1, NOW, kind="retracted", reason="crm-0", at=ahead)
    try:
        assert standing_ids(store, 0) == []
        assert take_back(store, "stolen", NOW, "me", lambda: NOW + timedelta(seconds=1)) == 1
        assert standing_ids(store, 0) == ["crm-0"]
    finally:
        store.close()


def test_what_was_taken_back_by_mistake_can_be_taken_back_again(address: str) -> None:
    store = open_store(address)
    store.migrate()
    send(store, "stolen", 2, NOW)
    seconds = iter(range(1, 100))

    def clock() -> datetime:
        return NOW + timedelta(hours=1, seconds=next(seconds))

    try:
        assert take_back(store, "stolen", NOW, "me", clock) == 2
        assert take_back(store, "me", NOW, "another", clock) == 2
        assert standing_ids(store, 0) == ["stolen-0"]
        assert take_back(store, "stolen", NOW, "me again", clock) == 2
        assert [standing_ids(store, lead) for lead in (0, 1)] == [[], []]
        assert take_back(store, "stolen", NOW, "me again", clock) == 0
    finally:
        store.close()


def test_what_a_database_that_failed_in_between_let_through_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_HOME", str(tmp_path))
    store = open_store(ServeSettings(home=tmp_path).database_address)
    store.migrate()
    send(store, "stolen", 900, NOW)
    full = (
        "CREATE TRIGGER full BEFORE INSERT ON events "
        "WHEN (SELECT count(*) FROM events) > 1400 BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    with store.writing() as connection:
        connection.execute(sa.text(full))

    since = NOW.isoformat()
    told = CliRunner().invoke(cli.app, ["retract", "stolen", "--since", since])

    assert told.exit_code != 0
    assert standing_ids(store, 0) == []
    assert standing_ids(store, 899) == ["stolen-899"]
    (noted,) = Actions(store).newest(5)
    assert (noted.action, noted.detail["sender"]) == ("retraction_begun", "stolen")
    store.close()
