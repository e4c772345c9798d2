"""What was recorded before ids had one form is found, compared and deleted under that form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.decision.lead_state import standing
from serving.records.backup import back_up
from serving.records.events import AskedEvent, EventService
from serving.records.restore import restore
from serving.settings import ServeSettings
from serving.store import Events, Predictions, Removal, Store, open_store
from serving.store.events import content_digest
from serving.store.tables import EVENTS
from tests.builders import small_scorer
from tests.serving.conftest import approved

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
WIDE, PLAIN = "Ｌ－１０４２", "L-1042"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    opened = open_store(address)
    opened.migrate("0002")
    yield opened
    opened.close()


def keep(store: Store, event_id: str | None, lead_id: str, kind: str, **told: Any) -> str:
    """Keep an event as the program before migration 0003 did, and return its id."""
    said = dict.fromkeys(("reason", "amount", "actor", "source", "return_on"))
    said |= {"lead_id": lead_id, "at": NOW, "kind": kind} | told
    digest = content_digest(**said)
    event_id = event_id or f"h-{digest}"
    row = said | {"event_id": event_id, "digest": digest}
    with store.writing() as connection:
        connection.execute(sa.insert(EVENTS), [row | {"received_at": NOW, "received_from": "crm"}])
    return event_id


def keep_score(store: Store, lead_id: str) -> None:
    statement = (
        "INSERT INTO predictions (lead_id, as_of, recorded_at, model_version, model_digest, "
        "definition_version, definition_fingerprint, probability, score, grade, decision, inputs, "
        "answer) VALUES (:lead_id, '2026-11-20', '2026-11-20', '1', 'd', '1', 'f', 0.1, 10.0, "
        "'A', 'send', '{}', '{}')"
    )
    with store.writing() as connection:
        connection.execute(sa.text(statement), {"lead_id": lead_id})


def events_of(store: Store, lead_id: str) -> list[tuple[str, str]]:
    return sorted((one.event_id, one.kind) for one in Events(store).of_lead(lead_id))


def send(store: Store, event_id: str | None, lead_id: str, kind: str, **told: Any) -> None:
    service = EventService(Events(store), lambda: NOW, None)
    asked = AskedEvent(lead_id, NOW.isoformat(), kind, event_id=event_id, **told)
    service.store(service.checked([asked], "crm"))


def test_a_lead_is_found_and_deleted_however_its_id_was_written(store: Store) -> None:
    for written in (WIDE, f" {PLAIN}\t", PLAIN, "other"):
        keep_score(store, written)
    keep(store, "e", WIDE, "accepted", amount=5.0)

    store.migrate()

    assert len(Predictions(store).of_lead(PLAIN)) == 3
    assert events_of(store, PLAIN) == [("e", "accepted")]
    assert Removal(store).of_lead(PLAIN, "test", NOW) == (3, 1)
    assert [one.lead_id for one in Predictions(store).latest()] == ["other"]


def test_a_repeat_of_an_old_event_is_the_same_event(store: Store) -> None:
    keep(store, "Ｅ－１", WIDE, "won", amount=5.0, actor="営業　花子")
    keep(store, None, WIDE, "touched")

    store.migrate()
    send(store, "Ｅ－１", WIDE, "won", amount=5.0, actor="営業　花子")
    send(store, None, PLAIN, "touched")

    told = content_digest(
        lead_id=PLAIN, at=NOW, kind="touched", reason=None, amount=None, actor=None, source=None,
        return_on=None,
    )  # fmt: skip
    assert events_of(store, PLAIN) == [("E-1", "won"), (f"h-{told}", "touched")]


def test_events_that_become_the_same_one_are_kept_once(store: Store) -> None:
    keep(store, None, WIDE, "touched")
    keep(store, None, PLAIN, "touched")
    keep(store, "Ｅ", WIDE, "accepted")
    keep(store, "E", PLAIN, "accepted")
    keep(store, "E ", f"{PLAIN} ", "accepted")

    store.migrate()

    assert [kind for _, kind in events_of(store, PLAIN)] == ["accepted", "touched"]


def test_events_that_only_come_to_share_an_id_both_stay_and_stay_taken_back(store: Store) -> None:
    keep(store, "E", PLAIN, "accepted")
    keep(store, "Ｅ", PLAIN, "won")
    keep(store, "back", PLAIN, "retracted", reason="Ｅ")

    store.migrate()

    told = [one.deciding for one in Events(store).of_lead(PLAIN)]
    assert sorted(one.kind for one in told) == ["accepted", "retracted", "won"]
    assert [one.event_id for one in standing(told)] == ["E"]


def test_retractions_of_retractions_follow_the_ids_that_change(store: Store) -> None:
    named = keep(store, None, WIDE, "accepted")
    for _ in range(6):
        named = keep(store, None, WIDE, "retracted", reason=named)
    keep(store, "Ａ", WIDE, "retracted", reason="Ｂ")
    keep(store, "Ｂ", WIDE, "retracted", reason="Ａ")

    store.migrate()

    told = {one.event_id: one for one in Events(store).of_lead(PLAIN)}
    assert len(told) == 9
    assert {one.reason for one in told.values() if one.kind == "retracted"} <= told.keys()
    for one in told.values():
        assert one.event_id in ("A", "B", f"h-{one.digest}")
        send(store, None if one.event_id[0] == "h" else one.event_id, WIDE, one.kind,
             reason=one.reason)  # fmt: skip
    assert len(Events(store).of_lead(PLAIN)) == 9


def test_ids_that_are_blank_or_too_long_in_their_form_are_kept_apart(store: Store) -> None:
    for written in ("\u200b", "㍿" * 150 + "1", "㍿" * 150 + "2"):
        keep_score(store, written)
    keep(store, "\u200b", "L", "touched")

    store.migrate()

    found = {one.lead_id for one in Predictions(store).latest()}
    assert len(found) == 3
    assert "" in found
    assert max(map(len, found)) <= 200
    ((event_id, _),) = events_of(store, "L")
    assert event_id.startswith("h-")


def test_more_than_a_portion_is_rewritten_and_down_and_up_changes_no_more(store: Store) -> None:
    n = 2_100
    digest = "d" * 64
    rows = [
        {"event_id": f"Ｅ{k}", "lead_id": f"Ｌ{k}", "kind": "touched", "at": NOW, "digest": digest,
         "received_at": NOW, "received_from": "crm"}
        for k in range(n)
    ]  # fmt: skip
    with store.writing() as connection:
        connection.execute(sa.insert(EVENTS), rows)
        statement = sa.text(
            "INSERT INTO predictions (lead_id, as_of, recorded_at, model_version, model_digest, "
            "definition_version, definition_fingerprint, probability, score, grade, decision, "
            "inputs, answer) VALUES (:lead_id, '2026-11-20', '2026-11-20', '1', 'd', '1', 'f', "
            "0.1, 10.0, 'A', 'send', '{}', '{}')"
        )
        connection.execute(statement, [{"lead_id": f"Ｌ{k}"} for k in range(n)])

    def found() -> tuple[list[str], ...]:
        with store.reading() as connection:
            asked = ("SELECT lead_id FROM predictions", "SELECT event_id || lead_id FROM events")
            return tuple(sorted(connection.execute(sa.text(one)).scalars()) for one in asked)

    store.migrate()
    up = found()
    store.migrate("0002")
    down = found()
    store.migrate()

    assert up == down == found()
    assert up == (sorted(f"L{k}" for k in range(n)), sorted(f"E{k}L{k}" for k in range(n)))


def test_a_backup_from_before_is_cured_when_it_is_restored(tmp_path: Path) -> None:
    old = ServeSettings(access="open", home=tmp_path / "old")
    store = open_store(old.database_address)
    store.migrate("0002")
    keep_score(store, WIDE)
    keep(store, None, WIDE, "accepted")
    store.close()
    back_up(old, tmp_path / "kept.zip")
    new = ServeSettings(access="open", home=tmp_path / "new")

    restore(new, tmp_path / "kept.zip")
    approved(new, small_scorer())

    with TestClient(create_app(new, clock=lambda: NOW)) as client:
        assert client.get(f"/v1/leads/{WIDE}").json()["state"] == "accepted"
        told = client.delete(f"/v1/leads/{WIDE}").json()
        assert (told["scores"], told["events"]) == (1, 1)
        assert PLAIN not in client.get("/v1/export/leads.csv").text
