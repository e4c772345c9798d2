"""What tells that stories have to be folded again: exact, and as cheap with many rows as with few."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from serving.store import Events, Predictions, Removal, Store, open_store
from serving.store.insight import Journal
from tests.postgresql import Cluster
from tests.serving.test_event_store import event
from tests.serving.test_store import prediction

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)


def test_each_change_changes_the_mark_and_nothing_else_does(store: Store) -> None:
    journal, removal = Journal(store), Removal(store)
    seen = [journal.mark()]

    def look(is_new: bool = True) -> None:
        mark = journal.mark()
        assert (mark not in seen) is is_new
        assert mark == journal.mark()
        seen.append(mark)

    for lead_id in ("A", "B", "C"):
        Predictions(store).add([replace(prediction(lead_id), recorded_at=NOW)])
        look()
        Events(store).add([[event(lead_id, lead_id=lead_id, received_at=NOW)]])
        look()
    Events(store).add([[event("C", lead_id="C", received_at=NOW)]])  # a repeat
    look(is_new=False)
    removal.of_lead("C", "test", NOW + timedelta(seconds=1))  # the last rows
    look()
    removal.of_lead("A", "test", NOW + timedelta(seconds=2))
    look()
    assert removal.older_scores(NOW) == 0
    assert removal.older_events(NOW) == (0, None)
    look(is_new=False)
    assert removal.older_scores(NOW + timedelta(seconds=1)) == 1
    look()
    assert removal.older_events(NOW + timedelta(seconds=1))[0] == 1
    look()


def test_on_postgresql_a_smaller_number_that_is_committed_later_changes_the_mark(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.create()
    store, slow = open_store(address), open_store(address)
    store.migrate()
    Predictions(store).add([prediction("old")])
    has_written, may_commit = threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        if threading.current_thread() is writing:
            has_written.set()
            assert may_commit.wait(60)

    monkeypatch.setattr("serving.store.predictions.drop_late", hold)
    writing = threading.Thread(target=Predictions(slow).add, args=([prediction("slow")],))
    writing.start()
    try:
        assert has_written.wait(60)
        Predictions(store).add([prediction("quick")])
        before = Journal(store).mark()
        assert before == Journal(store).mark()
        may_commit.set()
        writing.join(60)
        assert [one.lead_id for one in Predictions(store).latest()] == ["quick", "slow", "old"]
        assert Journal(store).mark() != before
        Removal(store).of_lead("old", "test", NOW)  # as many rows as before, the same last one
        assert Journal(store).mark() != before
    finally:
        may_commit.set()
        store.close()
        slow.close()


def test_a_mark_costs_as_much_with_many_rows_as_with_few(store: Store) -> None:
    def cost() -> float:
        spent = []
        for _ in range(15):
            began = time.perf_counter()
            Journal(store).mark()
            spent.append(time.perf_counter() - began)
        return min(spent)

    Events(store).add([[event("0")]])
    few = cost()
    names = "lead_id, at, kind, received_at, received_from, digest"
    number = "CAST(n AS VARCHAR(20))"
    with store.writing(60) as connection:
        connection.execute(
            sa.text(
                f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 100000) "
                f"INSERT INTO events (event_id, {names}) SELECT {number}, {names} FROM k, "
                f"(SELECT {names} FROM events LIMIT 1) AS one"
            )
        )

    assert cost() < 5 * few  # 10 times and more when rows are counted
