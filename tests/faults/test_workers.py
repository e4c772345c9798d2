"""Several workers on one port: counted together, replaced when they die, ended together."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from array import array
from pathlib import Path

import pytest

from serving.process.told_counts import add_up, counts_of_others
from serving.process.workers import Supervisor
from serving.settings import ServeSettings
from tests.faults.served import BODY, WHOLE, GoodTraffic, Served, serve, wait_for
from tests.faults.test_slow_clients import read_answer

SCORED = 'lead_request_seconds_count{method="POST",route="/v1/score",status="200"}'


def workers_of(served: Served) -> list[int]:
    """Return the process numbers of the workers."""
    told = Path(f"/proc/{served.running.pid}/task/{served.running.pid}/children").read_text()
    return [int(number) for number in told.split()]


def held(served: Served) -> list[int]:
    """Return how many connections each worker that lets callers in holds.

    The memory in which they tell it has no name: it is read through the supervisor, which is made
    to keep its temporary files below the log's folder (``TMPDIR``).
    """
    for opened in Path(f"/proc/{served.running.pid}/fd").iterdir():
        link = str(opened.readlink())
        if link.startswith(str(served.log.parent)) and link.endswith("(deleted)"):
            return [n for n in array("i", opened.read_bytes()) if n >= 0]
    return []


def ends_in_order(served: Served, sig: signal.Signals = signal.SIGTERM) -> None:
    """End the service; nobody had to be killed for it."""
    served.end(sig, seconds=90)
    assert served.running.returncode == 0
    assert "is killed" not in served.log.read_text("utf-8")


def damage_models(home: Path) -> None:
    """Cut off the end of each file of each model."""
    for path in (home / "models").rglob("*"):
        if path.is_file() and path.suffix in (".npz", ".json"):
            path.write_bytes(path.read_bytes()[:-50])


def test_what_two_workers_count_adds_up_and_outlives_one_of_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def n_told() -> float:
        (folder,) = tmp_path.glob("lead-serve-*")
        told = add_up(counts_of_others(folder, own=0))["answers"]
        return float(sum(told.get("POST\t/v1/score\t200", [0.0])[:-1]))

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        for _ in range(200):
            assert served.ask("POST", "/v1/score", BODY)[0] == 200
        wait_for(lambda: n_told() == 200, 60)
        assert {served.metric(SCORED) for _ in range(10)} == {200.0}
        assert served.metric("lead_score_count") == 200
        first = workers_of(served)
        os.kill(first[0], signal.SIGKILL)

        wait_for(lambda: len(set(workers_of(served)) - set(first)) == 1, 60)
        wait_for(lambda: served.metric("lead_workers") == 2, 60)

        assert {served.metric(SCORED) for _ in range(10)} == {200.0}
        ends_in_order(served)
        assert workers_gone(first)


def workers_gone(numbers: list[int]) -> bool:
    return not any(Path(f"/proc/{number}").exists() for number in numbers)


def test_workers_that_are_killed_again_and_again_cost_only_what_they_had_in_work(
    home: Path, tmp_path: Path
) -> None:
    with (
        serve(home, tmp_path / "log", workers=2) as served,
        GoodTraffic(served, n_clients=4, a_second=10) as good,
    ):
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        for _ in range(2):
            before = workers_of(served)
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda before=before: len(set(workers_of(served)) - set(before)) == 1, 60)
            wait_for(lambda: served.metric("lead_workers") == 2, 60)
    assert len(good.failures) <= 2 * 4  # at most what the dead one held: one request a client


def test_a_worker_that_dies_again_and_again_starts_with_growing_pauses(
    home: Path, tmp_path: Path
) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        stays, dies = workers_of(served)
        for _ in range(3):
            os.kill(dies, signal.SIGKILL)
            others = {stays, dies}
            wait_for(lambda others=others: set(workers_of(served)) - others, 60)
            (dies,) = set(workers_of(served)) - others

        pauses = re.findall(r"the next starts in (\S+) s", served.log.read_text("utf-8"))
        assert pauses == ["1.0", "2.0", "4.0"]
        ends_in_order(served)


def test_a_clock_that_jumps_makes_no_worker_hang(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        workers = workers_of(served)
        for _ in range(20):  # seen from a supervisor whose clock is an hour ahead
            for told in tmp_path.glob("lead-serve-*/worker-*.json"):
                os.utime(told, (time.time() - 3600, time.time() - 3600))
            time.sleep(0.1)

        assert workers_of(served) == workers


def test_all_workers_may_die_at_once_and_ctrl_c_still_ends_in_order(
    home: Path, tmp_path: Path
) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        dead = workers_of(served)
        for number in dead:
            os.kill(number, signal.SIGKILL)
        wait_for(lambda: len(set(workers_of(served)) - set(dead)) == 2, 60)
        wait_for(lambda: _answers(served), 60)

        ends_in_order(served, signal.SIGINT)
    assert "Traceback" not in served.log.read_text("utf-8")


def _answers(served: Served) -> bool:
    try:
        return served.ask("GET", "/readyz")[0] == 200
    except OSError:
        return False


def test_a_worker_without_its_parent_ends_and_frees_the_port(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        numbers = workers_of(served)
        served.running.kill()
        served.running.wait()

        wait_for(lambda: workers_gone(numbers), 60)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", served.port))


@pytest.mark.parametrize(
    ("changed", "pauses"),
    [
        ("LEAD_FACTORS", r"starts in (\S+) s"),  # a setting with which no worker can start
        ("PATH", r"comes in (\S+) s"),  # no process can be made
    ],
)
def test_a_worker_that_cannot_start_is_tried_again_with_pauses_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, changed: str, pauses: str
) -> None:
    if changed == "PATH":
        monkeypatch.setattr("sys.executable", "/nowhere/python")
    else:
        monkeypatch.setenv(changed, "none")
    caplog.set_level("ERROR")

    def end_when_tried_twice() -> None:
        try:
            wait_for(lambda: len(re.findall(pauses, caplog.text)) >= 2, 60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    settings = ServeSettings.model_construct(host="127.0.0.1", port=0, stop_seconds=5.0)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        supervisor = Supervisor(settings, listening, 1)
        ending = threading.Thread(target=end_when_tried_twice)
        ending.start()
        supervisor.run()
        ending.join()

    assert re.findall(pauses, caplog.text)[:2] == ["1.0", "2.0"]


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hangs"])
def test_a_worker_beside_one_that_is_dead_or_hangs_ends_in_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sig: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2, idle_seconds=300, stop_seconds=5) as served:
        wait_for(lambda: len(held(served)) == 2, 60)
        ill, well = workers_of(served)
        silent = [served.connect() for _ in range(8)]
        for one in silent:
            one.sendall(WHOLE)
            assert read_answer(one)[0] == 200
        os.kill(ill, sig)
        served.end(seconds=90)
        for one in silent:
            one.close()

        told = served.log.read_text("utf-8")
        assert f"worker {well} did not end in time" not in told
        assert (f"worker {ill} did not end in time" in told) == (sig == signal.SIGSTOP)
        assert served.running.returncode == 0


def test_a_worker_is_replaced_after_temporary_files_were_cleaned_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cleaners take what was not written for days: all but the counts, told each second."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 60)
        dies, _ = before = workers_of(served)
        for path in tmp_path.glob("lead-serve-*/*"):
            if not path.name.startswith("worker-"):
                path.unlink()
        os.kill(dies, signal.SIGKILL)

        told: dict[int, set[float]] = {}

        def goes_on() -> bool:
            for number in set(workers_of(served)) - set(before):
                for path in tmp_path.glob(f"lead-serve-*/worker-{number}.json"):
                    told.setdefault(number, set()).add(path.stat().st_mtime)
            return any(len(times) > 2 for times in told.values())

        wait_for(goes_on, 60)
        assert served.log.read_text("utf-8").count("ended with") == 1


def test_sighup_to_the_only_worker_is_noted_and_nothing_ends(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log") as served:
        served.running.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP renews workers" in served.log.read_text("utf-8"), 60)

        assert served.ask("POST", "/v1/score", BODY)[0] == 200
        assert served.running.poll() is None


_STUCK_WHILE_IT_LEAVES = """
import os, signal, socket, sys, threading, time
from pathlib import Path
from serving.process import server, worker
from serving.process.open_connections import OpenConnections, Place
from serving.settings import read_settings

held = OpenConnections.make(2)
held.tell(1, 0)  # another worker goes on

def get_stuck():
    with socket.create_connection(listening.getsockname()) as silent:
        while held.surplus(0) < 0.5:  # it holds the caller
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        while held.is_open(0):
            time.sleep(0.02)
        loops[0].call_soon_threadsafe(time.sleep, 600)
        time.sleep(600)

loops = []
start = server.Server.startup
async def startup(self, sockets=None):
    import asyncio
    loops.append(asyncio.get_running_loop())
    await start(self, sockets)
server.Server.startup = startup
server.LONGEST_LAST_SECONDS = 0.1
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
threading.Thread(target=get_stuck, daemon=True).start()
settings = read_settings()
sys.exit(worker.serve_on(settings, listening, Place(Path(sys.argv[1]), 0, os.getppid(), held)))
"""


def test_a_worker_that_gets_stuck_while_it_leaves_ends_all_the_same(
    home: Path, tmp_path: Path
) -> None:
    given = {"LEAD_HOME": str(home), "LEAD_IDLE_SECONDS": "2", "LEAD_STOP_SECONDS": "0.1"}
    ended = subprocess.run(
        [sys.executable, "-c", _STUCK_WHILE_IT_LEAVES, str(tmp_path)],
        env=os.environ | given | {"LEAD_ACCESS": "open"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 3, ended.stderr.decode()
