"""The database locked, gone, full, read-only, stopped or frozen: scoring goes on, nothing is lost.

While a fault lasts every lead is scored, an event that cannot be stored is refused with 503 and
Retry-After within 3 seconds, and no 2xx is answered without its row. Afterwards all is well within
5 seconds, without a restart.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.tables import EVENTS, PREDICTIONS
from tests.builders import small_scorer
from tests.faults.served import Served, serve, wait_for
from tests.serving.conftest import approved

if TYPE_CHECKING:
    from tests.postgresql import Cluster

MOST_SECONDS = 3.0
MOST_RECOVERY_SECONDS = 5.0
SLACK_SECONDS = 1.5
TIMES_WHEN_WELL = 10
"""A busy machine is allowed so many times what the same takes it while nothing is wrong."""

Fault = Callable[[], AbstractContextManager[None]]


@dataclass
class Told:
    """What clients were told while they asked."""

    recorded: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    longest: float = 0.0
    slack: float = SLACK_SECONDS

    def take(self, seconds: float) -> bool:
        """Note how long an answer took; return whether that was too long."""
        self.longest = max(self.longest, seconds)
        return seconds > MOST_SECONDS + self.slack


def score(served: Served, lead: str, told: Told) -> bool:
    body = json.dumps({"lead_id": lead, "fields": {"source": "webinar"}}).encode()
    begun = time.monotonic()
    status, _, answer = served.ask("POST", "/v1/score", body)
    took = time.monotonic() - begun
    if told.take(took) or status != 200:
        told.wrong.append(f"score {status} after {took:.1f} s")
        return False
    is_recorded = bool(json.loads(answer)["recorded"])
    if is_recorded:
        told.recorded.add(lead)
    return is_recorded


def send_event(served: Served, name: str, told: Told) -> bool:
    event = {"event_id": name, "lead_id": "L", "at": "2026-11-01T00:00:00Z", "kind": "accepted"}
    begun = time.monotonic()
    status, headers, _ = served.ask("POST", "/v1/events", json.dumps(event).encode())
    took = time.monotonic() - begun
    if status == 200:
        told.stored.add(name)
    elif status == 503 and "retry-after" in headers:
        told.refused += 1
    else:
        told.wrong.append(f"event {status} {headers.get('retry-after')}")
    if told.take(took):
        told.wrong.append(f"event {status} after {took:.1f} s")
    return status == 200


def ask_during(served: Served, told: Told, n: int, mark: str) -> None:
    """Send `n` leads and `n` events, eight at a time."""
    with ThreadPoolExecutor(8) as clients:
        for k in range(n):
            clients.submit(score, served, f"{mark}-{k}", told)
            clients.submit(send_event, served, f"{mark}-{k}", told)


def seconds_to_recover(served: Served, told: Told) -> float:
    begun = time.monotonic()
    for k in range(1_000):
        is_well = score(served, f"after-{k}", told)
        if send_event(served, f"after-{k}", told) and is_well:
            return time.monotonic() - begun
        assert time.monotonic() - begun < 30, "it does not recover"
        time.sleep(0.1)
    raise AssertionError


def readiness(served: Served) -> tuple[int, str]:
    status, _, body = served.ask("GET", "/readyz")
    return status, str(json.loads(body)["store"])


def check(
    served: Served, address: str, fault: Fault, n: int, refuses: bool = True, is_told: bool = True
) -> None:
    """Ask before, during and after a fault; compare what was told with what is there."""
    told = Told()
    ask_during(served, told, 4, "before")
    assert len(told.stored) == len(told.recorded) == 4, told
    told.slack += TIMES_WHEN_WELL * told.longest

    with fault():
        ask_during(served, told, n, "during")
        if refuses:
            assert told.refused == n
        if is_told:
            wait_for(lambda: readiness(served) == (200, "unavailable"), 5)
    took = seconds_to_recover(served, told)

    assert told.wrong == []
    assert took <= MOST_RECOVERY_SECONDS + told.slack
    store = open_store(address)
    with store.reading() as connection:
        events = set(connection.execute(sa.select(EVENTS.c.event_id)).scalars())
        leads = set(connection.execute(sa.select(PREDICTIONS.c.lead_id)).scalars())
    store.close()
    assert told.stored <= events
    assert told.recorded <= leads


@pytest.fixture(params=[12, pytest.param(100, marks=pytest.mark.faults)])
def n_asked(request: pytest.FixtureRequest) -> int:
    """How many leads, and as many events, are sent while a fault lasts."""
    return int(request.param)


# -- SQLite -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA busy_timeout=5000")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@contextlib.contextmanager
def gone(path: Path) -> Iterator[None]:
    elsewhere = path.with_name("elsewhere.db")
    path.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.replace(path)


@contextlib.contextmanager
def full(path: Path, pid: int) -> Iterator[None]:
    """No file of the service may grow beyond what the database has now."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("fault", ["locked", "gone", "replaced", "full"])
def test_scoring_goes_on_while_the_file_is(
    home: Path, tmp_path: Path, fault: str, n_asked: int
) -> None:
    path = home / "lead_serve.db"
    with serve(home, tmp_path / "log") as served:
        faults: dict[str, Fault] = {
            "locked": lambda: locked(path),
            "gone": lambda: gone(path),
            "replaced": lambda: replaced(path),
            "full": lambda: full(path, served.running.pid),
        }
        # A full disk can still be read, which is what /readyz asks.
        check(served, f"sqlite:///{path}", faults[fault], n_asked, is_told=fault != "full")

    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[None]:
    elsewhere = path.rename(path.with_name("elsewhere.db"))
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        elsewhere.replace(path)


def test_a_service_that_starts_on_a_read_only_home_scores_and_recovers(
    home: Path, tmp_path: Path, n_asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "lead_serve.db"
    # Root writes anywhere, unless it gives up the right to.
    without = tmp_path / "python"
    rights = "--bounding-set=-dac_override,-dac_read_search"
    begin = f"setpriv {rights} --" if os.getuid() == 0 else ""
    without.write_text(f'#!/bin/sh\nexec {begin} {sys.executable} "$@"\n')
    without.chmod(0o755)
    monkeypatch.setattr("tests.faults.served.sys.executable", str(without))
    told = Told()
    path.chmod(0o444)
    home.chmod(0o555)
    try:
        with serve(home, tmp_path / "log") as served:
            ask_during(served, told, n_asked, "during")
            assert (told.refused, told.recorded, told.wrong) == (n_asked, set(), [])
            path.chmod(0o644)
            home.chmod(0o755)
            took = seconds_to_recover(served, told)
    finally:
        home.chmod(0o755)

    assert told.wrong == []
    assert took <= MOST_RECOVERY_SECONDS + SLACK_SECONDS


# -- PostgreSQL -------------------------------------------------------------------------------------


@pytest.fixture
def at_server(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[ServeSettings, Cluster]]:
    """A home whose database is on a server that is stopped; it runs again afterwards."""
    settings = ServeSettings(access="open", home=tmp_path / "home", database_url=cluster.create())
    approved(settings, small_scorer())
    yield settings, cluster
    cluster.wait()


@contextlib.contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


@contextlib.contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    # Each of the server's processes is a session of its own, so each is stopped.
    children = Path(f"/proc/{cluster.pid}/task/{cluster.pid}/children").read_text().split()
    pids = [cluster.pid, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def restarted(cluster: Cluster) -> Iterator[None]:
    cluster.stop()
    cluster.start()
    yield


FAULTS: dict[str, tuple[Callable[[Any], AbstractContextManager[None]], bool]] = {
    "stopped": (stopped, True),
    "frozen": (frozen, True),
    "restarted": (restarted, False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_scoring_goes_on_while_the_server_is(
    at_server: tuple[ServeSettings, Cluster], tmp_path: Path, fault: str, n_asked: int
) -> None:
    settings, cluster = at_server
    how, refuses = FAULTS[fault]
    with serve(settings.home, tmp_path / "log", database_url=settings.database_url) as served:
        check(served, settings.database_address, lambda: how(cluster), n_asked, refuses, refuses)
