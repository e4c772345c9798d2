"""Deleting: nothing of a lead is left in any file, and what is old goes a little at a time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.errors import StoreUnavailable
from serving.records.retention import kept_reasons, prune, prune_daily
from serving.settings import ServeSettings
from serving.store import Events, Predictions, Removal, Store, open_store
from serving.store.actions import Actions
from tests.serving.conftest import NOW
from tests.serving.test_event_store import AGREED, event
from tests.serving.test_store import prediction

EVENT = {"at": "2026-11-19T10:00:00+09:00", "kind": "rejected", "reason": "do_not_contact"}


def bytes_of(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(home.glob("lead_serve.db*")))


def test_a_deleted_lead_is_nowhere_in_the_files(
    client: TestClient, settings: ServeSettings
) -> None:
    name = "canary-7f3a9c"
    for k in range(20):
        fields = {"source": "webinar", "prefecture": f"{name}-pref"}
        client.post("/v1/score", json={"lead_id": name, "fields": fields})
        told = EVENT | {"lead_id": name, "event_id": f"{name}-{k}", "actor": f"{name}-actor"}
        assert client.post("/v1/events", json=told).status_code == 200
    client.post("/v1/score", json={"lead_id": "other", "fields": {"source": "webinar"}})
    assert name.encode() in bytes_of(settings.home)

    answer = client.delete(f"/v1/leads/{name}")

    assert answer.json() == {"status": "deleted", "scores": 20, "events": 20}
    assert name.encode() not in bytes_of(settings.home)
    assert client.get(f"/v1/leads/{name}").status_code == 404
    assert client.get("/v1/leads/other").status_code == 200
    assert client.delete(f"/v1/leads/{name}").json() == {
        "status": "deleted",
        "scores": 0,
        "events": 0,
    }


def test_two_hundred_deleted_among_two_thousand_leave_no_trace(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    chance = random.Random(3)
    names = [f"canary{chance.getrandbits(64):016x}" for _ in range(2_000)]
    rows = [
        replace(prediction(name), answer={"text": name * chance.randrange(1, 90)})
        for name in names
        for _ in range(chance.choice((1, 1, 3)))
    ]
    chance.shuffle(rows)
    for start in range(0, len(rows), 100):
        Predictions(store).add(rows[start : start + 100])
    Events(store).add([[event(f"{name}-e", lead_id=name, actor=name) for name in names[::2]]])
    gone = chance.sample(names, 200)

    for name in gone:
        Removal(store).of_lead(name, "test", NOW)
    store.close()

    left = bytes_of(tmp_path)
    assert [name for name in gone if name.encode() in left] == []
    assert len([name for name in names if name.encode() in left]) == 1_800


def test_a_write_ahead_log_keeps_nothing_of_a_deleted_lead_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.engine.is_wal_safe", lambda version: True)
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    Predictions(store).add([prediction("canary-lead")])
    assert b"canary-lead" in (tmp_path / "lead_serve.db-wal").read_bytes()

    Removal(store).of_lead("canary-lead", "test", NOW)

    assert b"canary-lead" not in bytes_of(tmp_path)
    store.close()


def test_a_reader_of_the_write_ahead_log_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.engine.is_wal_safe", lambda version: True)
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    Predictions(store).add([prediction("canary-lead")])
    with store.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM predictions").scalar()

        with pytest.raises(StoreUnavailable, match="write-ahead log could not be emptied"):
            Removal(store).of_lead("canary-lead", "test", NOW)

    assert Removal(store).of_lead("canary-lead", "test", NOW) == (0, 0)
    assert b"canary-lead" not in bytes_of(tmp_path)
    store.close()


def test_that_a_lead_was_deleted_is_written_down_but_not_which(store: Store) -> None:
    Predictions(store).add([prediction("secret"), prediction("secret")])
    Events(store).add([[event("e", lead_id="secret")]])

    assert Removal(store).of_lead("secret", "hanako", NOW) == (2, 1)

    (action,) = Actions(store).newest(10)
    assert (action.actor, action.action) == ("hanako", "lead_deleted")
    assert action.detail == {"scores": 2, "events": 1}
    assert (Predictions(store).of_lead("secret"), Events(store).of_lead("secret")) == ([], [])


def test_a_deleted_lead_is_scored_anew_as_one_that_never_was(client: TestClient) -> None:
    client.post("/v1/events", json=EVENT | {"lead_id": "L-9"})
    lead = {"lead_id": "L-9", "fields": {"source": "webinar"}}
    assert client.post("/v1/score", json=lead).json()["decision"] == "suppress"

    client.delete("/v1/leads/L-9")

    assert client.post("/v1/score", json=lead).json()["decision"] != "suppress"


def test_an_address_with_half_a_character_or_nul_is_no_bug(client: TestClient) -> None:
    for path in ("/v1/leads/%00", "/v1/leads/a%00b"):
        assert client.get(path).status_code == 404
        assert client.delete(path).status_code == 404
    assert client.get("/v1/leads/%ED%A0%80").status_code == 404


# --- retention -----------------------------------------------------------------------------------


def test_what_is_older_than_is_kept_goes_in_small_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.removal.AT_ONCE", 7)
    old, new = NOW - timedelta(days=400), NOW
    scores = [replace(prediction(f"L{k}"), recorded_at=old if k < 40 else new) for k in range(60)]
    Predictions(store).add(scores)
    Events(store).add([[event(f"e{k}", received_at=old if k < 40 else new) for k in range(60)]])
    removal = Removal(store)

    assert removal.older_scores(NOW - timedelta(days=365)) == 7
    removed = prune(removal, NOW - timedelta(days=365), set(), pause_seconds=0)

    assert removed == (33, 40)
    assert len(Predictions(store).latest(100)) == 20
    assert len(Events(store).of_lead("L")) == 20
    assert prune(removal, NOW - timedelta(days=365), set(), pause_seconds=0) == (0, 0)


def test_who_asked_not_to_be_contacted_is_never_forgotten_by_age(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.removal.AT_ONCE", 2)
    old = NOW - timedelta(days=900)
    told = ["do_not_contact", "duplicate", "already_customer", "no_need", None, "no_budget"]
    Events(store).add(
        [[event(f"e{k}", kind="rejected", reason=r, received_at=old) for k, r in enumerate(told)]]
    )

    prune(Removal(store), NOW, kept_reasons(AGREED), pause_seconds=0)

    assert {one.reason for one in Events(store).of_lead("L")} == set(told[:3])


def test_what_was_taken_back_does_not_hold_again_once_the_retraction_is_old(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.removal.AT_ONCE", 2)
    old = NOW - timedelta(days=900)
    Events(store).add(
        [
            [
                event("back-1", kind="retracted", reason="said-off", minutes=1, received_at=old),
                event("back-2", kind="retracted", reason="won", minutes=1, received_at=old),
                event("back-3", kind="retracted", reason="touch", minutes=1, received_at=old),
                event("touch", received_at=old),
            ]
        ]
    )
    Events(store).add(
        [
            [
                event("said-off", kind="rejected", reason="do_not_contact", received_at=old),
                event("won", kind="won", received_at=NOW),
            ]
        ]
    )
    before = NOW - timedelta(days=365)

    for _ in range(2):  # a retraction may come before what it takes back, and goes the day after
        prune(Removal(store), before, kept_reasons(AGREED), pause_seconds=0)

    left = {one.event_id for one in Events(store).of_lead("L")}
    assert left == {"back-1", "said-off", "back-2", "won"}


def test_events_wait_until_a_model_says_which_reasons_stay(store: Store) -> None:
    Events(store).add([[event("e", received_at=NOW - timedelta(days=900))]])

    assert prune(Removal(store), NOW, None, pause_seconds=0) == (0, 0)


def test_a_service_prunes_when_it_is_told_to_and_never_else(
    settings: ServeSettings, scorer: object
) -> None:
    from tests.serving.conftest import approved

    approved(settings, scorer)  # type: ignore[arg-type]
    store = open_store(settings.database_address)
    Predictions(store).add(
        [replace(prediction("old"), recorded_at=NOW - timedelta(days=40)), prediction("new")]
    )
    with TestClient(create_app(settings, clock=lambda: NOW)):
        pass
    assert len(Predictions(store).latest()) == 2

    keeping = settings.model_copy(update={"retention_days": 30})
    with TestClient(create_app(keeping, clock=lambda: NOW)) as client:
        for _ in range(100):
            if client.get("/v1/leads/old").status_code == 404:
                break

    assert [one.lead_id for one in Predictions(store).latest()] == ["new"]
    store.close()


class Odd(Removal):
    """A removal that goes wrong some times before it goes well."""

    def __init__(self, store: Store, *faults: Exception) -> None:
        super().__init__(store)
        self.faults = list(faults)

    def older_scores(self, before: datetime) -> int:
        if self.faults:
            raise self.faults.pop(0)
        return super().older_scores(before)


def test_a_pruning_that_went_wrong_is_tried_again_and_its_place_is_logged(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    old = NOW - timedelta(days=400)
    Predictions(store).add([replace(prediction("canary-lead"), recorded_at=old)])
    removal = Odd(store, ValueError("canary-lead"), StoreUnavailable("away."), KeyError("canary"))

    async def run() -> None:
        task = asyncio.create_task(
            prune_daily(removal, 365, lambda: NOW, set, every_seconds=3600, again_seconds=0.01)
        )
        async with asyncio.timeout(30):
            while Predictions(store).of_lead("canary-lead"):
                await asyncio.sleep(0.01)
        task.cancel()

    with caplog.at_level("INFO", "lead_serve"):
        asyncio.run(run())

    told = [one for one in caplog.messages if one.startswith("retention")]
    assert told[0].startswith("retention ended with ValueError at serving")
    assert told[1] == "retention: away. It is tried again."
    assert told[2].startswith("retention ended with KeyError at serving")
    assert "canary" not in caplog.text


def test_a_retention_that_starves_the_line_is_warned_of_at_the_start(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(days: int) -> None:
        task = asyncio.create_task(prune_daily(Removal(store), days, lambda: NOW, set))
        await asyncio.sleep(0)
        task.cancel()

    for days in (0, 63, 62):
        asyncio.run(run(days))

    (told,) = [one for one in caplog.messages if "LEAD_RETENTION_DAYS" in one]
    assert "62 days" in told
    assert "hand-off line" in told
