"""A deleted lead stays deleted, whoever still writes what was made of it before."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from serving.store import Events, Predictions, Removal, Store, open_store
from serving.store.late_rows import KEPT
from serving.store.tables import REMOVALS
from tests.postgresql import Cluster
from tests.serving.test_event_store import event
from tests.serving.test_removal import bytes_of
from tests.serving.test_store import prediction

BEFORE = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
DELETED = BEFORE + timedelta(seconds=3)
AFTER = DELETED + timedelta(milliseconds=1)


def write_late(address: str, pipe: Any) -> None:
    """Be another worker: score before the deletion, commit after it, in small and large groups."""
    store = open_store(address)
    for n in (1, 20, 120):
        scores = [replace(prediction("L"), recorded_at=BEFORE)] * n
        scores.append(replace(prediction("other"), recorded_at=BEFORE))
        acts = [event(f"{n}-{k}", received_at=BEFORE) for k in range(n)]
        acts.append(event(f"{n}-other", lead_id="other", received_at=BEFORE))
        pipe.send("ready")
        pipe.recv()
        Predictions(store).add(scores)
        assert Events(store).add([acts]) == [()]
        pipe.send("written")
    store.close()


def test_another_process_cannot_write_a_lead_back_that_was_deleted_meanwhile(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    address = store.engine.url.render_as_string(hide_password=False)
    worker = context.Process(target=write_late, args=(address, theirs))
    worker.start()
    try:
        for round_ in range(1, 4):
            assert ours.poll(120)
            assert ours.recv() == "ready"
            Removal(store).of_lead("L", "test", DELETED)
            ours.send("go")
            assert ours.poll(120)
            assert ours.recv() == "written"
            assert (Predictions(store).of_lead("L"), Events(store).of_lead("L")) == ([], [])
            assert len(Predictions(store).of_lead("other")) == round_
            assert len(Events(store).of_lead("other")) == round_
    finally:
        worker.kill()
        worker.join()


def test_what_is_made_of_a_lead_after_its_deletion_is_kept(store: Store) -> None:
    Removal(store).of_lead("L", "test", DELETED)

    Predictions(store).add(
        [replace(prediction("L"), recorded_at=at) for at in (BEFORE, AFTER, DELETED)]
    )
    Events(store).add([[event("old", received_at=BEFORE), event("new", received_at=AFTER)]])

    kept = Predictions(store).of_lead("L")
    assert sorted(one.recorded_at for one in kept) == [DELETED, AFTER]
    assert [one.event_id for one in Events(store).of_lead("L")] == ["new"]
    assert Removal(store).of_lead("L", "test", AFTER) == (2, 1)


def test_a_mark_names_nobody_and_goes_with_the_first_row_that_is_written_much_later(
    store: Store,
) -> None:
    def marks() -> list[str]:
        with store.reading() as connection:
            return list(connection.execute(sa.select(REMOVALS.c.lead_sha256)).scalars())

    Removal(store).of_lead("L", "test", DELETED)
    Predictions(store).add([replace(prediction("M"), recorded_at=AFTER)])
    (mark,) = marks()
    assert len(mark) == 64

    Predictions(store).add([replace(prediction("M"), recorded_at=AFTER + KEPT)])

    assert marks() == []
    assert len(Predictions(store).of_lead("M")) == 2


@pytest.mark.parametrize("is_wal", [False, True], ids=["journal", "wal"])
def test_a_file_holds_no_byte_of_what_came_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_wal: bool
) -> None:
    monkeypatch.setattr("serving.store.engine.is_wal_safe", lambda version: is_wal)
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    Removal(store).of_lead("canary-lead", "test", DELETED)

    Predictions(store).add([replace(prediction("canary-lead"), recorded_at=BEFORE)] * 60)
    Events(store).add([[event("canary-e", lead_id="canary-lead", received_at=BEFORE)]])

    assert b"canary" not in bytes_of(tmp_path)
    store.close()


def test_on_postgresql_who_writes_while_a_lead_is_deleted_is_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.create()
    store, other = open_store(address), open_store(address)
    store.migrate()
    removing = threading.Thread(target=Removal(store).of_lead, args=("L", "test", DELETED))
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    has_waited = []

    def delete_meanwhile(*_: Any) -> None:
        removing.start()
        while removing.is_alive() and not cluster.ask(waits, address.rpartition("/")[2]):
            time.sleep(0.001)
        has_waited.append(removing.is_alive())

    monkeypatch.setattr("serving.store.predictions.drop_late", delete_meanwhile)
    try:
        Predictions(other).add([replace(prediction("L"), recorded_at=BEFORE)])
        removing.join(60)
        assert has_waited == [True], "the deletion must not overtake a row that is written"
        assert Predictions(store).of_lead("L") == []
    finally:
        store.close()
        other.close()


def test_on_postgresql_a_lead_is_deleted_while_the_tables_are_vacuumed(cluster: Cluster) -> None:
    address = cluster.create()
    store, vacuum = open_store(address), open_store(address)
    store.migrate()
    Predictions(store).add([prediction("L")])
    try:
        with vacuum.writing() as connection:
            held = "LOCK TABLE predictions, events IN SHARE UPDATE EXCLUSIVE MODE"
            connection.exec_driver_sql(held)  # as VACUUM and ANALYZE do
            assert Removal(store).of_lead("L", "test", DELETED) == (1, 0)
            Predictions(store).add([prediction("other")])
        assert len(Predictions(store).of_lead("other")) == 1
    finally:
        store.close()
        vacuum.close()


def test_a_write_reads_the_marks_of_its_own_leads_only(store: Store) -> None:
    def cost(n: int) -> float:
        spent = []
        for k in range(n):
            began = time.process_time()
            Events(store).add([[event(f"{time.monotonic_ns()}-{k}", received_at=AFTER)]])
            spent.append(time.process_time() - began)
        return min(spent)

    Removal(store).of_lead("gone", "test", DELETED)
    of_one = cost(15)
    with store.writing() as connection:
        marks = [{"lead_sha256": f"{k:064x}", "at": DELETED} for k in range(10_000)]
        connection.execute(sa.insert(REMOVALS), marks)

    assert cost(15) < 5 * of_one  # 30 times when all are read
    Events(store).add([[event(f"late-{k}", lead_id="gone", received_at=BEFORE) for k in range(3)]])
    leads = [event(f"w-{k}", lead_id=f"W{k}", received_at=BEFORE) for k in range(900)]
    Events(store).add([[*leads, event("late", lead_id="gone", received_at=BEFORE)]])
    assert Events(store).of_lead("gone") == []
    assert len(Events(store).of_lead("W899")) == 1
