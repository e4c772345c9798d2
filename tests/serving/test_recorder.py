"""Recording: committed before the answer says so, and never in the way of an answer."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import serving.records.recorder
from serving.errors import StoreUnavailable
from serving.records.recorder import GroupCommit, Recorder, weight_of_events
from serving.store import Prediction, Predictions, open_store
from tests.serving.test_event_store import event
from tests.serving.test_store import prediction


class Slow(Predictions):
    """A store whose first transaction waits for a sign, and that counts transactions."""

    def __init__(self, path: Path) -> None:
        store = open_store(f"sqlite:///{path}")
        store.migrate()
        super().__init__(store)
        self.go = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []

    def add(self, predictions: object) -> None:
        self.begun.set()
        self.go.wait(30)
        self.sizes.append(len(predictions))  # type: ignore[arg-type]
        super().add(predictions)  # type: ignore[arg-type]


class Broken(Predictions):
    """A store that is away."""

    def __init__(self) -> None: ...

    def add(self, predictions: object) -> None:
        raise StoreUnavailable("away")


def test_scores_that_wait_go_into_one_transaction(tmp_path: Path) -> None:
    predictions = Slow(tmp_path / "store.db")

    async def run() -> list[bool]:
        recorder = Recorder(predictions)
        await recorder.start()
        waiting = [asyncio.create_task(recorder.record([prediction(str(k))])) for k in range(50)]
        await asyncio.sleep(0.05)
        predictions.go.set()
        told = await asyncio.gather(*waiting)
        await recorder.stop()
        return told

    assert asyncio.run(run()) == [True] * 50
    assert sum(predictions.sizes) == 50
    assert len(predictions.sizes) <= 2
    assert len(predictions.latest(100)) == 50


def test_when_the_store_is_away_the_answer_says_not_recorded() -> None:
    async def run() -> bool:
        recorder = Recorder(Broken())
        await recorder.start()
        told = await recorder.record([prediction()])
        await recorder.stop()
        return told

    assert asyncio.run(run()) is False


def test_an_answer_does_not_wait_for_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.records.recorder, "PATIENCE_SECONDS", 0.05)
    predictions = Slow(tmp_path / "store.db")

    async def run() -> bool:
        recorder = Recorder(predictions)
        await recorder.start()
        told = await recorder.record([prediction()])
        predictions.go.set()
        await recorder.stop()
        return told

    assert asyncio.run(run()) is False
    assert len(predictions.of_lead("L")) == 1


def test_stopping_writes_what_still_waits(tmp_path: Path) -> None:
    predictions = Slow(tmp_path / "store.db")

    async def run() -> bool:
        recorder = Recorder(predictions)
        await recorder.start()
        waiting = asyncio.create_task(recorder.record([prediction()]))
        await asyncio.sleep(0.02)
        predictions.go.set()
        await recorder.stop()
        return await waiting

    assert asyncio.run(run()) is True


def test_a_full_queue_and_a_stopped_recorder_refuse_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving.records.recorder, "_MOST_WAITING", 1)

    async def run() -> list[bool]:
        recorder = Recorder(Broken())
        before = await recorder.record([prediction()])
        await recorder.start()
        full = await recorder.record([prediction(), prediction()])
        empty = await recorder.record([])
        await recorder.stop()
        await recorder.stop()
        return [before, full, empty]

    assert asyncio.run(run()) == [False, False, True]


def test_what_waits_is_bounded_by_its_memory_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.records.recorder, "_MOST_BYTES", 30_000)
    predictions = Slow(tmp_path / "store.db")
    acts = [("page_view", "2026-11-10T00:00:00+00:00", None)] * 50
    rows = [
        replace(prediction(), answer=b'{"a":"' + b"x" * 8_000 + b'"}'),
        replace(prediction(), inputs={"fields": {"source": "y" * 8_000}}),
        replace(prediction(), inputs={"fields": {}, "events": acts}),
        replace(prediction(), inputs=b'{"a":"' + b"x" * 8_000 + b'"}'),
    ]

    async def told(row: Prediction) -> list[bool]:
        predictions.go.clear()
        predictions.begun.clear()
        recorder = Recorder(predictions)
        await recorder.start()
        first = asyncio.create_task(recorder.record([prediction()]))
        assert await asyncio.to_thread(predictions.begun.wait, 30)
        others = [asyncio.create_task(recorder.record([row])) for _ in range(4)]
        await asyncio.sleep(0)
        predictions.go.set()
        found = await asyncio.gather(first, *others)
        large = await recorder.record([replace(row, answer=b'"' + b"x" * 99_000 + b'"')])
        await recorder.stop()
        return [*found, large]

    for row in rows:  # about 10,000 bytes each
        assert asyncio.run(told(row)) == [True, True, True, False, False, True]


def test_events_weigh_their_rows_and_texts() -> None:
    short, long = event("a"), event("a", actor="営" * 200, source="業" * 200)

    assert weight_of_events([short, long]).n_rows == 2
    assert weight_of_events([long]).n_bytes == weight_of_events([short]).n_bytes + 400


def test_a_row_that_the_database_refuses_costs_nobody_else_theirs(address: str) -> None:
    store = open_store(address)
    store.migrate()

    async def run() -> list[bool]:
        recorder = Recorder(Predictions(store))
        await recorder.start()
        rows = [prediction("good"), replace(prediction("bad"), grade=None), prediction("fine")]  # type: ignore[arg-type]
        told = await asyncio.gather(*(recorder.record([row]) for row in rows))
        await recorder.stop()
        return told

    assert asyncio.run(run()) == [True, False, True]
    assert [one.lead_id for one in Predictions(store).latest()] == ["fine", "good"]
    store.close()


def test_a_bug_while_writing_does_not_end_the_writing(caplog: pytest.LogCaptureFixture) -> None:
    def write(given: list[int]) -> list[int]:
        return [100 // one for one in given]

    async def run() -> int:
        commits = GroupCommit[int, int]("test", write)
        await commits.start()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await commits.committed(0)
        told = await commits.committed(5)
        await commits.stop()
        return told

    assert asyncio.run(run()) == 20
    assert "ZeroDivisionError" in caplog.text
