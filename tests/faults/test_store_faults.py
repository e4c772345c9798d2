"""The database locked, full, gone, stopped: scoring goes on, events say when to try again."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.errors import StoreUnavailable
from serving.settings import ServeSettings
from serving.store import Events, Predictions, open_store
from tests.builders import small_scorer
from tests.faults.served import Served, serve, wait_for
from tests.postgresql import Cluster
from tests.serving.conftest import approved

LEAD = {"lead_id": "L-1", "fields": {"source": "webinar"}}
EVENT = {"lead_id": "L-1", "at": "2026-11-01T00:00:00Z", "kind": "won"}
LONGEST_SECONDS = 3.0
RECOVERY_SECONDS = 5.0
TIMES_WHEN_WELL = 10
"""A busy machine is allowed so many times what the same takes it while nothing is wrong."""


@contextmanager
def client_over(settings: ServeSettings) -> Iterator[TestClient]:
    approved(settings, small_scorer())
    with TestClient(create_app(settings)) as client:
        assert client.post("/v1/score", json=LEAD).json()["recorded"] is True
        yield client


def in_parallel(n: int, ask) -> list[tuple[int, dict[str, object], float]]:
    """Ask `n` times from eight threads; return status, body and seconds of each."""
    told: list[tuple[int, dict[str, object], float]] = []
    numbers = iter(range(n))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            begun = time.monotonic()
            answer = ask(number)
            told.append((answer.status_code, answer.json(), time.monotonic() - begun))
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) > 0

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def seconds_when_well(client: TestClient, n: int = 16) -> float:
    """Return the longest that one of `n` scores takes while nothing is wrong."""
    told = in_parallel(n, lambda k: client.post("/v1/score", json=LEAD))
    assert {status for status, _, _ in told} == {200}
    return max(seconds for *_, seconds in told)


def check_the_fault(client: TestClient, when_well: float, n: int = 16) -> None:
    """Check what is answered while the database does not take anything."""
    scores = in_parallel(n, lambda k: client.post("/v1/score", json=LEAD))
    events = in_parallel(n, lambda k: client.post("/v1/events", json=EVENT | {"event_id": f"f{k}"}))

    assert {status for status, _, _ in scores} == {200}
    assert {body["recorded"] for _, body, _ in scores} == {False}
    assert {status for status, _, _ in events} == {503}
    assert {body["error"] for _, body, _ in events} == {"store_unavailable"}
    longest = LONGEST_SECONDS + TIMES_WHEN_WELL * when_well
    assert max(seconds for *_, seconds in scores + events) <= longest


def check_the_recovery(client: TestClient, when_well: float) -> None:
    """Check that all is well again soon, and that nothing was taken that is not there."""
    begun = time.monotonic()
    wait_for(
        lambda: client.post("/v1/events", json=EVENT | {"event_id": "after"}).status_code == 200, 20
    )
    wait_for(lambda: client.post("/v1/score", json=LEAD).json()["recorded"], 20)
    assert time.monotonic() - begun <= RECOVERY_SECONDS + TIMES_WHEN_WELL * when_well


def test_a_locked_file_holds_nobody_up(tmp_path: Path) -> None:
    settings = ServeSettings(access="open", home=tmp_path / "home")
    with client_over(settings) as client:
        when_well = seconds_when_well(client)
        holder = sqlite3.connect(settings.home / "lead_serve.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        check_the_fault(client, when_well)
        holder.close()
        check_the_recovery(client, when_well)


@pytest.mark.parametrize("pragma", ["max_page_count=1", "query_only=ON"])
def test_a_full_or_read_only_file_is_told_and_found_well_again(tmp_path: Path, pragma: str) -> None:
    settings = ServeSettings(access="open", home=tmp_path / "home")
    with client_over(settings) as client:
        when_well = seconds_when_well(client)
        engine = client.app.state.service.store.engine  # type: ignore[attr-defined]
        is_faulty = True

        def break_it(connection: sqlite3.Connection, *_: object) -> None:
            # One page at most means: as many as there are, and not one more.
            well = "max_page_count=1073741823" if "max" in pragma else "query_only=OFF"
            connection.execute(f"PRAGMA {pragma if is_faulty else well}")

        sa.event.listen(engine, "checkout", break_it)
        big = LEAD | {"events": [{"kind": "page_view", "at": "2026-10-01"}] * 400}
        answers = [client.post("/v1/score", json=big).json()["recorded"] for _ in range(8)]
        events = [
            client.post("/v1/events", json=EVENT | {"event_id": f"{k}" * 99, "actor": "a" * 190})
            for k in range(40)
        ]
        is_faulty = False
        check_the_recovery(client, when_well)

    assert answers[-1] is False
    assert events[-1].status_code == 503
    store = open_store(settings.database_address)
    taken = {one.event_id for _, one in Events(store).after(0)}
    for k, answer in enumerate(events):
        assert (answer.status_code == 200) == (f"{k}" * 99 in taken)
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.close()


def test_a_disk_that_is_full_is_told_and_found_well_again(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log") as served:
        begun = time.monotonic()
        assert event_to(served, "before")[0] == 200
        when_well = time.monotonic() - begun
        size = (home / "lead_serve.db").stat().st_size
        resource.prlimit(served.running.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        statuses = []
        for k in range(60):
            status, headers, _ = event_to(served, f"{k}" * 60)
            statuses.append(status)
            assert status == 200 or int(headers["retry-after"]) > 0
        score = served.ask("POST", "/v1/score", b'{"lead_id":"L","fields":{"source":"webinar"}}')
        resource.prlimit(served.running.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        begun = time.monotonic()
        wait_for(lambda: event_to(served, "after")[0] == 200, 20)
        recovered = time.monotonic() - begun

    store = open_store(f"sqlite:///{home / 'lead_serve.db'}")
    taken = {one.event_id for _, one in Events(store).after(0)}
    store.close()
    assert set(statuses) == {200, 503}
    assert [f"{k}" * 60 in taken for k in range(60)] == [status == 200 for status in statuses]
    assert score[0] == 200
    assert recovered <= RECOVERY_SECONDS + TIMES_WHEN_WELL * when_well


def event_to(served: Served, event_id: str) -> tuple[int, dict[str, str], bytes]:
    body = '{"event_id":"%s","lead_id":"L","at":"2026-11-01T00:00:00Z","kind":"won","actor":"%s"}'
    return served.ask("POST", "/v1/events", (body % (event_id, "x" * 180)).encode())


@pytest.mark.parametrize("fault", ["stopped", "frozen", "killed"])
def test_a_server_that_stops_freezes_or_dies_is_told_and_found_well_again(
    tmp_path: Path, fault: str
) -> None:
    try:
        own = Cluster()
    except LookupError as error:
        pytest.skip(str(error))
    address = own.create()
    settings = ServeSettings(access="open", home=tmp_path / "home", database_url=address)
    try:
        with client_over(settings) as client:
            when_well = seconds_when_well(client)
            if fault == "stopped":
                own.stop()
            else:
                pids = [own.pid, *own.backends(address.rpartition("/")[2])]
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP if fault == "frozen" else signal.SIGKILL)
            check_the_fault(client, when_well)
            if fault == "frozen":
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            else:
                if fault == "killed":
                    own.reap()
                own.start()
            check_the_recovery(client, when_well)
    finally:
        own.remove()


def test_a_pool_that_is_used_up_is_told_as_a_database_that_is_away(address: str) -> None:
    store = open_store(address)
    store.migrate()
    begun = time.monotonic()
    assert Predictions(store).of_lead("L") == []
    when_well = time.monotonic() - begun
    held = [store.engine.connect() for _ in range(15)]
    begun = time.monotonic()

    with pytest.raises(StoreUnavailable, match="does not answer"):
        Predictions(store).of_lead("L")

    assert time.monotonic() - begun < LONGEST_SECONDS + TIMES_WHEN_WELL * when_well
    for one in held:
        one.close()
    assert Predictions(store).of_lead("L") == []
    store.close()
