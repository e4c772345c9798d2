"""Writers killed at the worst moment: what they said is committed is there, whole, and once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
import sqlalchemy as sa

from serving.store import Events, Store, open_store
from serving.store.tables import EVENTS, PREDICTIONS
from tests.faults.store_writer import GROUP
from tests.postgresql import Cluster

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def writers(address: str) -> Iterator[tuple[IO[str], Iterator[str]]]:
    """Give where to send orders, and what is told."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.store_writer", address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            yield running.stdin, iter(running.stdout)
        finally:
            running.stdin.close()
            with suppress(ProcessLookupError):
                running.kill()


def killed(
    orders: IO[str], told: Iterator[str], order: str, after: float, victim: int | None = None
) -> list[str]:
    """Let a writer work, kill it some seconds after its first word, and return all it said."""
    orders.write(f"{order}\n")
    orders.flush()
    pid = int(next(told).split()[1])
    said = [next(told).strip()]
    time.sleep(after)
    with suppress(ProcessLookupError):
        os.kill(victim or pid, signal.SIGKILL)
    for line in told:
        if line.strip() == "ended":
            break
        said.append(line.strip())
    return said


def check(store: Store, said: list[str]) -> Counter[str]:
    """Check that what was told is there, that groups are whole, and that nothing came twice."""
    with store.reading() as connection:
        ids = list(connection.execute(sa.select(EVENTS.c.event_id)).scalars())
        scored = Counter(connection.execute(sa.select(PREDICTIONS.c.lead_id)).scalars())
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    groups = Counter(one.rpartition("-")[0] for one in ids)
    acked = {line.split()[1] for line in said if line.startswith("ack ")}
    promised = {line.split()[1] for line in said if line.startswith("scored ")}
    assert acked - groups.keys() == set()
    assert {f"L-{name}" for name in promised} - scored.keys() == set()
    assert set(groups.values()) <= {GROUP}
    assert set(scored.values()) <= {1}
    return Counter(acked=len(acked), groups=len(groups), scored=len(scored))


@pytest.mark.parametrize("n_kills", [10, pytest.param(200, marks=pytest.mark.kills)])
def test_a_killed_writer_of_sqlite_has_told_the_truth(tmp_path: Path, n_kills: int) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    chance = random.Random(4)
    said: list[str] = []
    with writers(str(store.engine.url)) as (orders, told):
        for number in range(n_kills):
            said += killed(orders, told, f"write {number}", chance.uniform(0.005, 0.06))

    counts = check(store, said)
    print(f"{n_kills} kills on SQLite: {dict(counts)}, 0 lost, 0 doubled")  # noqa: T201
    assert counts["acked"] >= n_kills


@pytest.mark.parametrize(
    ("n_kills", "n_backends"), [(5, 1), pytest.param(50, 10, marks=pytest.mark.kills)]
)
def test_a_killed_writer_of_postgresql_or_its_backend_has_told_the_truth(
    cluster: Cluster, n_kills: int, n_backends: int
) -> None:
    address = cluster.create()
    database = address.rpartition("/")[2]
    store = open_store(address)
    store.migrate()
    chance = random.Random(5)
    said: list[str] = []
    with writers(address) as (orders, told):
        for number in range(n_kills):
            said += killed(orders, told, f"write {number}", chance.uniform(0.005, 0.06))
        store.close()
        for number in range(n_backends):
            orders.write(f"write b{number}\n")
            orders.flush()
            next(told)
            said.append(next(told).strip())
            for backend in cluster.backends(database):
                os.kill(backend, signal.SIGKILL)  # the server ends all others and recovers
            said += [line.strip() for line in until_ended(told)]
            cluster.wait()

    counts = check(store, said)
    print(f"{n_kills} + {n_backends} kills on PostgreSQL: {dict(counts)}, 0 lost")  # noqa: T201
    assert sum(line.startswith("away") for line in said) >= n_backends
    store.close()


def until_ended(told: Iterator[str]) -> Iterator[str]:
    for line in told:
        if line.strip() == "ended":
            return
        yield line


@pytest.mark.parametrize("n_kills", [3, pytest.param(20, marks=pytest.mark.kills)])
def test_a_migration_killed_half_way_is_as_if_it_had_not_begun(address: str, n_kills: int) -> None:
    chance = random.Random(6)
    finished = 0
    store = open_store(address)
    with writers(address) as (orders, told):
        for number in range(n_kills):
            said = killed(orders, told, f"migrate {number}", chance.uniform(0.0, 0.5))
            finished += "done" in said
            store.migrate()
            assert Events(store).after(0) == []
            store.migrate("base")

    print(f"{n_kills} migrations killed, {n_kills - finished} of them half way")  # noqa: T201
    store.close()


def _start(address: str) -> subprocess.Popen[str]:
    code = (
        "import sys; from serving.store import open_store; s = open_store(sys.argv[1]); "
        "print('ready', flush=True); input(); s.migrate(); s.check()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, address],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_of_processes_that_start_together_one_migrates_and_the_others_wait(address: str) -> None:
    starting = [_start(address) for _ in range(3)]
    for one in starting:
        assert one.stdout is not None
        one.stdout.readline()
    for one in starting:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()

    for one in starting:
        one.communicate(timeout=120)
    assert [one.returncode for one in starting] == [0, 0, 0]
