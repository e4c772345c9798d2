"""A deleted lead stays deleted, whoever still writes what was made of it before."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from serving.store import Events, Predictions, Removal, Store, open_store
from serving.store.late_rows import KEPT
from serving.store.tables import PREDICTIONS, REMOVALS
from tests.postgresql import Cluster
from tests.serving.test_event_store import event
from tests.serving.test_removal import bytes_of
from tests.serving.test_store import prediction

BEFORE = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
DELETED = BEFORE + timedelta(seconds=3)
AFTER = DELETED + timedelta(milliseconds=1)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    opened = open_store(address)
    opened.migrate()
    yield opened
    opened.close()


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


def test_on_postgresql_who_writes_while_a_lead_is_deleted_is_waited_for(cluster: Cluster) -> None:
    address = cluster.create()
    store, other = open_store(address), open_store(address)
    store.migrate()
    removing = threading.Thread(target=Removal(store).of_lead, args=("L", "test", DELETED))
    try:
        with other.writing() as connection:
            row = {name: getattr(prediction("L"), name) for name in PREDICTIONS.columns.keys()[1:]}
            connection.execute(sa.insert(PREDICTIONS), [row])
            removing.start()
            database = address.rpartition("/")[2]
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'"
            while removing.is_alive() and not cluster.ask(waits, database):
                time.sleep(0.001)
            assert removing.is_alive(), "the deletion must not overtake a row that is written"
        removing.join(60)
        assert Predictions(store).of_lead("L") == []
    finally:
        store.close()
        other.close()
